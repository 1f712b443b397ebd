"""The served forecaster as MLflow keeps it, in this process, in one without the project, and behind its web server."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from loadprofiles import tracking
from loadprofiles.forecasting import boosting, step
from loadprofiles.forecasting.measures import QUANTILE_COLUMNS
from loadprofiles.forecasting.served import INPUTS, OUTPUTS
from tests.forecasting.panels import readings
from tests.forecasting.runs import ROUNDS, harmonized, three_meters
from tests.project import ROOT, clean_environment
from tests.serving.server import folder_of, load, post, serving

DAYS = 70
REGISTERED = "forecasts of load"
NEEDED = ("mlflow", "numpy", "pandas", "numba", "scipy", "holidays", "xgboost-cpu")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with an MLflow store and a harmonized table; the current one."""
    folder = tmp_path_factory.mktemp("served forecasts")
    harmonized(DAYS).to_csv(folder / "harmonized.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        patch.setattr(boosting, "ROUNDS", ROUNDS)
        patch.setattr(step, "_draw", lambda *_: [])
        yield folder


@pytest.fixture(scope="module")
def step_run(place):
    """The run of the step."""
    params = {
        "in_csv": place / "harmonized.csv", "readings": None, "weather_csv": None, "smart_meter_description_csv": None,
        "customers_folder": None, "customers_layout": None, "jobs": 1, "dask_scheduler": "", "model": "xgboost",
        "backtest_days": 7, "registered_model": REGISTERED, "model_alias": "champion",
    }  # fmt: skip
    tracking.run_step("forecasting", step.forecast, params)
    (found,) = mlflow.search_runs(
        search_all_experiments=True, output_format="list", filter_string="tags.step = 'forecasting'"
    )
    return found


@pytest.fixture(scope="module")
def run(step_run):
    """The run of the model that was asked for, below that of the step."""
    (found,) = [child for child in children_of(step_run) if child.info.run_name == "xgboost"]
    return found


def children_of(run):
    query = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    return mlflow.search_runs(search_all_experiments=True, output_format="list", filter_string=query)


def recent():
    """What a sender has."""
    table = pd.concat(three_meters(DAYS))
    return table.assign(timestamp_utc=table["timestamp_utc"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))


def expected(run):
    """The run's own forecasts, as they are served."""
    table = pd.read_parquet(Path(run.info.artifact_uri) / "forecasts" / "forecasts.parquet")
    stamps = ["origin_utc", "timestamp_utc"]
    return table.assign(**{name: table[name].dt.strftime("%Y-%m-%dT%H:%M:%SZ") for name in stamps})


def agree(one, other):
    texts = [name for name in one.columns if name not in QUANTILE_COLUMNS]
    assert one[texts].to_numpy().tolist() == other[texts].to_numpy().tolist()
    np.testing.assert_allclose(one[list(QUANTILE_COLUMNS)], other[list(QUANTILE_COLUMNS)], rtol=1e-6, atol=1e-9)


def test_the_logged_model_forecasts_what_the_run_did(run, step_run):
    answer = load(run).predict(recent())
    assert answer.columns.tolist() == [name for name, _ in OUTPUTS]
    agree(answer, expected(step_run))


def test_it_is_registered_with_its_alias_and_the_children_are_not(run):
    client = mlflow.MlflowClient()
    (registered,) = client.search_model_versions(f"name = '{REGISTERED}'")
    assert registered.run_id == run.info.run_id
    assert client.get_model_version_by_alias(REGISTERED, "champion").version == registered.version


def test_a_child_run_for_each_model_is_below_the_step(step_run):
    children = children_of(step_run)
    assert {child.info.run_name for child in children} == {"seasonal_naive", "xgboost"}
    for child in children:
        assert child.info.status == "FINISHED"
        assert child.data.params == {"model": child.info.run_name}
        assert "median_wape" in child.data.metrics
        assert (Path(child.info.artifact_uri) / "forecast_errors.csv").is_file()
        assert (load(child).predict(recent())["model"] == child.info.run_name).all()


def test_what_goes_in_and_comes_out_is_written_down_with_an_example(run):
    model = Model.load(str(folder_of(run)))
    for schema, columns in ((model.signature.inputs, INPUTS), (model.signature.outputs, OUTPUTS)):
        kinds = [str(kind).removeprefix("DataType.") for kind in schema.input_types()]
        assert list(zip(schema.input_names(), kinds, strict=True)) == list(columns)
    example = model.load_input_example(str(folder_of(run)))
    assert example["meter_id"].unique().tolist() == ["a"]
    assert len(load(run).predict(example)) == 24


def test_nothing_is_pickled(run):
    files = [path for path in folder_of(run).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert {path.suffix for path in files} == {".npy", ".json", ".yaml", ".txt", ".py", ".ubj", ""}
    for array in (path for path in files if path.suffix == ".npy"):
        np.load(array, allow_pickle=False)


def test_the_environment_is_what_it_needs_to_the_version(run):
    lines = (folder_of(run) / "requirements.txt").read_text().split()
    assert lines == [f"{name}=={version(name)}" for name in NEEDED]


def test_another_process_needs_nothing_of_the_project_nor_what_is_not_required(run, step_run, tmp_path):
    model = shutil.copytree(folder_of(run), tmp_path / "model", ignore=shutil.ignore_patterns("__pycache__"))
    recent().to_csv(tmp_path / "recent.csv", index=False)
    script = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'statsforecast', 'tqdm.auto', 'dask', 'pandera', 'tslearn'):\n"
        "    sys.modules[name] = None\n"
        "import mlflow, pandas as pd\n"
        f"model = mlflow.pyfunc.load_model({str(model)!r})\n"
        f"table = model.predict(pd.read_csv({str(tmp_path / 'recent.csv')!r}))\n"
        f"table.to_csv({str(tmp_path / 'out.csv')!r}, index=False)\n"
        "import loadprofiles\n"
        "print(loadprofiles.__file__)\n"
    )
    environment = {name: value for name, value in clean_environment().items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    package = Path(done.stdout.splitlines()[-1])
    assert package.is_relative_to(model)
    assert not package.is_relative_to(ROOT)
    agree(pd.read_csv(tmp_path / "out.csv", keep_default_na=False), expected(step_run))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.assign(timestamp_utc="soon"), "timestamp_utc is to be ISO 8601"),
        (lambda t: pd.concat([t, t.tail(1)]), "twice"),
        (lambda t: t.assign(energy_kwh=np.inf), "not finite"),
        (lambda t: t.assign(energy_kwh=np.nan), "no meter has a whole interval"),
    ],
)
def test_readings_that_cannot_be_used_are_refused(run, change, message):
    with pytest.raises(MlflowException, match=message) as error:
        load(run).predict(change(recent().tail(100)))
    assert error.value.get_http_status_code() == 400


@pytest.fixture(scope="module")
def served(place, run):
    """The address of `mlflow models serve`, which runs as long as the tests."""
    with serving(run, place) as url:
        yield url


def test_a_web_server_answers_with_the_runs_forecasts(served, step_run):
    status, answer = post(served, recent())
    assert status == 200
    agree(pd.DataFrame(answer["predictions"]), expected(step_run))


def test_a_web_server_takes_whole_numbers_gaps_and_a_meter_it_does_not_know(served):
    table = readings([1, 2, 3, 4] * 200, "2024-01-01", meter="new")
    table.loc[[5, 300], "energy_kwh"] = np.nan
    table["timestamp_utc"] = table["timestamp_utc"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    status, answer = post(served, table)
    assert status == 200
    assert {row["meter_id"] for row in answer["predictions"]} == {"new"}
    assert len(answer["predictions"]) == 24


def test_a_web_server_tells_the_sender_what_is_wrong(served):
    table = recent().tail(100)
    status, answer = post(served, pd.concat([table, table.tail(1)]))
    assert status == 400
    assert "meter c has the interval 2024-03-10 23:00:00+00:00 twice" in json.dumps(answer)
    assert "Traceback" not in answer["message"]
    status, answer = post(served, table.assign(timestamp_utc="soon"))
    assert (status, "ISO 8601" in answer["message"]) == (400, True)
