"""The script `alerts.py`: its parameters, and what it prints and returns."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import alerts
from loadprofiles.anomalies.digest import tell
from loadprofiles.anomalies.store import AlertStore
from loadprofiles.errors import InputError, ParameterError, StoreError
from tests.anomalies.receivers import HOST, mail_server, web_server
from tests.anomalies.suspicions import theft

SCRIPT = Path(__file__).resolve().parent.parent / "alerts.py"
ANA = "ana@example.org"


@pytest.fixture
def store(tmp_path):
    """A database with one alert, where the script looks for it by itself."""
    made = AlertStore(f"sqlite:///{tmp_path}/alerts.db")
    made.record([theft(3, 4)], tariff=0.5, run_id="r1")
    return made


@pytest.fixture
def run(tmp_path):
    """Run the script in a folder of its own, with no settings but those given."""

    def call(*arguments, python=(), **environment):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("SMTP_", "ALERT_", "MLFLOW_"))}
        return subprocess.run(
            [sys.executable, *python, SCRIPT, *arguments],
            cwd=tmp_path,
            env=kept | environment,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return call


def test_a_digest_is_sent_once_from_the_default_database(run, store):
    with mail_server() as mailbox, web_server() as hook:
        environment = {
            "SMTP_HOST": HOST,
            "SMTP_PORT": str(mailbox.port),
            "SMTP_FROM": "alerts@example.org",
            "ALERT_WEBHOOK_URL": hook.url,
        }
        first, second = (run("--send_to", ANA, **environment) for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines() == [
        f"alerts: mail {ANA}: 1 new alert, 12 kWh missing",
        "alerts: webhook: 1 new alert, 12 kWh missing",
    ]
    assert second.stdout.splitlines() == [f"alerts: mail {ANA}: nothing new", "alerts: webhook: nothing new"]
    assert len(mailbox.mails) == len(hook.posts) == 1


def test_a_mail_that_fails_is_told_in_one_line_and_the_webhook_is_still_called(run, store):
    with mail_server() as mailbox, web_server() as hook:
        mailbox.refused = {ANA: "550 no such user"}
        done = run(
            *("--send_to", ANA),
            SMTP_HOST=HOST,
            SMTP_PORT=str(mailbox.port),
            SMTP_FROM=ANA,
            ALERT_WEBHOOK_URL=hook.url,
        )
    assert done.returncode == 1
    assert done.stdout == "alerts: webhook: 1 new alert, 12 kWh missing\n"
    assert done.stderr == (
        f"Error: not all were told, the next digest tells them: mail {ANA}: the mail server "
        f"{HOST}:{mailbox.port} refuses: 550 no such user\n"
    )
    assert len(hook.posts) == 1


@pytest.mark.parametrize("option", ["--dry_run", "--dry-run"])
def test_a_dry_run_writes_the_digest(run, store, tmp_path, option):
    done = run(option, "digest.html")
    assert (done.returncode, done.stdout) == (
        0, "alerts: 1 new alert, 12 kWh missing: written to digest.html, nothing sent\n",
    )  # fmt: skip
    assert "M1" in (tmp_path / "digest.html").read_text()


def test_a_person_says_whether_an_alert_was_right(run, store):
    alert_id = store.read()["alert_id"][0]
    done = run("--alert_id", alert_id, "--state", "confirmed", "--note", "meter bypassed", "--who", "ana")
    assert (done.returncode, done.stdout) == (0, f"alerts: {alert_id} is confirmed now\n")
    row = store.read().iloc[0]
    assert (row["state"], row["note"], row["changed_by"]) == ("confirmed", "meter bypassed", "ana")


def test_the_id_of_an_alert_that_was_taken_in_still_works(run, tmp_path):
    store = AlertStore(f"sqlite:///{tmp_path}/alerts.db")
    for numbers in ((3,), (9,)):
        store.record([theft(*numbers)], tariff=0.5, run_id="r1")
    older, younger = store.read().sort_values("first_day")["alert_id"]
    store.record([theft(6)], tariff=0.5, run_id="r2")
    done = run("--alert_id", younger, "--state", "seen", "--who", "ana")
    assert done.stdout == f"alerts: {older} (which {younger} has become a part of) is seen now\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--state", "right"], "'right' is not one of"),
        (["--send_to", "ana@example.org,ben"], "'ben' is no mail address"),
        (["--dry_run", "digest.pdf"], "a digest ends in one of .html, .txt, .eml"),
        (["--dry_run", "s3://bucket/digest.html"], "name a file of this machine"),
        (["--alert_db", "alerts.db"], "write sqlite:///alerts.db"),
        (["--alert_db", "postgresql://ana:s3cret-word@host/d"], "a URL with a password is refused"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_one_clear_line(arguments, message):
    done = CliRunner().invoke(alerts.main, arguments)
    assert done.exit_code == 2
    assert message in done.output.replace("\n", " ")
    assert "s3cret-word" not in done.output


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"state": "seen"}, ParameterError, "name it by alert_id"),
        ({"alert_id": "x"}, ParameterError, "alert_id=x without a state: give one of new, seen, confirmed, dismissed"),
        ({"alert_id": "x", "state": "seen"}, ParameterError, "who is empty"),
        ({"alert_id": "x", "state": "seen", "who": "ana"}, InputError, "no alert 'x' in the alert database"),
        ({"alert_id": "x", "state": "seen", "send_to": (ANA,)}, ParameterError, "leave out send_to and dry_run"),
        ({"send_to": (ANA,)}, ParameterError, "set SMTP_HOST"),
        ({"alert_db": "sqlite:///nope.db", "dry_run": Path("d.txt")}, StoreError, "no alert database nope.db yet"),
        ({}, ParameterError, "nobody to tell"),
    ],
)
def test_what_cannot_be_done_is_said(store, tmp_path, monkeypatch, given, error, message):
    for name in [name for name in os.environ if name.startswith(("SMTP_", "ALERT_"))]:
        monkeypatch.delenv(name)
    nothing = {"alert_id": "", "state": None, "note": "", "who": "", "send_to": (), "dry_run": None}
    with pytest.raises(error, match=message):
        tell(**nothing | {"alert_db": f"sqlite:///{tmp_path}/alerts.db"} | given)


def test_an_error_is_one_line_and_no_success(run):
    done = run()
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: nobody to tell: ")
    assert done.stderr.count("\n") == 1


def test_the_environment_names_a_database_with_a_password(run, postgres_url, postgres_schema):
    url = f"{postgres_url}?options=-csearch_path%3D{postgres_schema}"
    AlertStore(url).record([theft(3)], tariff=0.5, run_id="r1")
    done = run("--alert_db", "sqlite:///nope.db", "--dry_run", "d.txt", ALERT_DB_URL=url)
    assert done.stdout.startswith("alerts: 1 new alert, 6 kWh missing")


@pytest.mark.parametrize("arguments", [["--help"], ["--dry_run", "d.html"]])
def test_it_starts_without_what_takes_seconds(run, store, arguments):
    done = run(*arguments, python=("-X", "importtime"))
    assert done.returncode == 0
    imported = set(re.findall(r"\|\s+(\w+)", done.stderr))
    assert {"click", "loadprofiles"} < imported
    assert not imported & {
        "mlflow",
        "sklearn",
        "numba",
        "scipy",
        "matplotlib",
        "plotly",
        "aiohttp",
        "tensorflow",
        "xgboost",
    }
    assert ("sqlalchemy" in imported) == ("--dry_run" in arguments)
