"""The anomalies script: its parameters, its alerts, and that neither a kill nor a second run spoils them."""

import signal
import sqlite3
import time
from contextlib import closing
from itertools import chain
from pathlib import Path
from urllib.parse import urlsplit

import pandas as pd
import pytest
from click.testing import CliRunner

import anomalies
from loadprofiles.anomalies.alert import THEFT
from loadprofiles.anomalies.states import URL_VARIABLE
from loadprofiles.anomalies.store import AlertStore
from tests.anomalies.customers import customer, scaled, write
from tests.project import Project, options

SCRIPT = Path(anomalies.__file__).resolve()
N_DAYS = 150
GIVEN = ("in_csv=", "readings=readings", "smart_meter_description_csv=meters.csv", "jobs=1")
DESCRIPTION = "id,Contractual power (kW),Production (kW),Type\nA,,,bakery\n"


@pytest.fixture
def place(tmp_path):
    """A folder with Readings, in which the script runs with an MLflow store there."""
    half = scaled(customer("A", N_DAYS, 0), slice(130, 135), 0.5)
    write([half, customer("B", N_DAYS, 1)], tmp_path / "readings")
    (tmp_path / "meters.csv").write_text(DESCRIPTION)
    return Project(tmp_path)


def start(place, **environment):
    return place.start("python", str(SCRIPT), *options(GIVEN), environment=environment)


def kill_when(place, condition):
    """Run the script until a condition holds, and not a moment longer."""
    process = start(place)
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def finish(place):
    """Run it to its end, without one more process; what it said."""
    done = place.here(*GIVEN, entry_point="anomalies")
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_alerts_are_those_of_one_run_though_others_were_killed(place):
    database, scores = place.folder / "alerts.db", place.folder / "scores.parquet"
    kill_when(place, database.exists)
    kill_when(place, scores.exists)
    assert len(pd.read_parquet(scores)) == 2 * N_DAYS
    output = finish(place)
    store = AlertStore(f"sqlite:///{database}", create=False)
    table = store.read()
    theft = table[(table["kind"] == THEFT) & (table["subject"] == "A")].iloc[0]
    assert [str(theft[name].date()) for name in ("first_day", "last_day")] == ["2024-05-10", "2024-05-14"]
    told = [line for line in output.splitlines() if line.startswith("anomalies: theft-like at A from 2024-05-10 to ")]
    assert len(told) == 1
    assert "kWh missing: " in told[0] and "% less than expected (" in told[0]
    store.set_state(theft["alert_id"], "confirmed", "bypass", "ana")
    again = finish(place)
    assert f"alerts ({len(table)} theft-like, 0 data fault, 0 group event): 0 new, 0 go on, {len(table)} known" in again
    after = store.read()
    assert after["alert_id"].tolist() == table["alert_id"].tolist()
    assert not after.duplicated(["kind", "subject", "first_day"]).any()
    assert after.set_index("alert_id").loc[theft["alert_id"], "state"] == "confirmed"
    assert len(pd.read_parquet(scores)) == 2 * N_DAYS
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    usual = {"readings", "meters.csv", "scores.parquet", "mlflow.db", "mlruns"}
    left = {path.name for path in place.folder.iterdir()} - usual - {f"alerts.db{end}" for end in ("", "-wal", "-shm")}
    assert not [name for name in left if not name.startswith(".scores.parquet.")]


def test_the_environment_names_a_database_with_a_password_that_is_told_nowhere(place, postgres_url, postgres_schema):
    url = f"{postgres_url}?options=-csearch_path%3D{postgres_schema}"
    process = start(place, **{URL_VARIABLE: url})
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    table = AlertStore(url, create=False).read(kinds=[THEFT])
    assert "A" in table["subject"].tolist()
    assert not (place.folder / "alerts.db").exists()
    assert " known, in alert database " in output
    password = urlsplit(postgres_url).password
    assert password
    assert password not in output
    files = list(chain(place.folder.glob("mlflow.db*"), (place.folder / "mlruns").rglob("*")))
    assert len(files) > 5
    for path in files:
        assert not path.is_file() or password.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--alert_budget", "0"], "0.0 is not in the range 0<x<30"),
        (["--alert_budget", "many"], "'many' is not a valid float"),
        (["--alert_days", "0"], "0 is not in the range x>=1"),
        (["--since", "yesterday"], "'yesterday'"),
        (["--since", "2024-02-30"], "'2024-02-30'"),
        (["--tariff", "-1"], "-1.0 is not in the range x>=0"),
        (["--detector", "magic"], "'magic' is not one of 'combined', 'band'"),
        (["--alert_db", "alerts.db"], "'alerts.db' is no URL; write sqlite:///alerts.db"),
        (["--alert_db", "postgresql://ana:s3cret-word@host/d"], "a URL with a password is refused"),
        (["--scores_path", "scores.csv"], "'scores.csv': scores are kept in a .parquet file of this machine"),
        (["--scores_path", "s3://bucket/scores.parquet"], "scores are kept in a .parquet file of this machine"),
        (["--scores_path", ""], "scores_path"),
        (["--timezone", "Atlantis"], "Atlantis"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_one_clear_line(arguments, message):
    done = CliRunner().invoke(anomalies.main, arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
    assert f"'{arguments[0]}'" in done.output
    assert "s3cret-word" not in done.output


def test_help_names_each_parameter_with_its_default():
    done = CliRunner().invoke(anomalies.main, ["--help"])
    assert done.exit_code == 0
    text = " ".join(done.output.split())
    for name in ("in_csv", "readings", "backtest", "timezone", "detector", "alert_budget", "alert_days", "since",
                 "tariff", "alert_db", "scores_path", "customers_folder", "jobs"):  # fmt: skip
        assert f"--{name} " in text
    assert "[default: sqlite:///alerts.db]" in text
    assert URL_VARIABLE in text
