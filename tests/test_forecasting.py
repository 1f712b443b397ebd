"""The forecasting step through `mlflow run`, in a copy of the project."""

import pandas as pd
import pytest

from tests.forecasting.runs import harmonized
from tests.project import copy_project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = copy_project(tmp_path_factory.mktemp("project"))
    harmonized(42, 2).to_csv(made.folder / "harmonized.csv", index=False)
    return made


def test_the_chosen_models_forecasts_are_on_the_run_and_each_model_below_it(project):
    # a parameter of the step and one of the chosen model have the same name
    done = project.mlflow_run("backtest_days=3", "jobs=1", "model_alias=champion", entry_point="forecasting")
    assert done.returncode == 0, done.stdout
    run = project.latest("forecasting")
    assert run.info.run_name == "auto 1h 24 h ahead"
    assert run.data.params["model"] == "auto"
    chosen = run.data.tags["chosen_model"]
    artifacts = project.artifacts(run)
    forecasts = pd.read_parquet(artifacts / "forecasts" / "forecasts.parquet")
    assert forecasts["model"].unique().tolist() == [chosen]
    assert len(forecasts) == 2 * 24
    assert run.data.tags["forecasts_csv"].endswith("/forecasts/forecasts.parquet")
    assert run.data.tags["backtest_csv"].endswith("/backtest/backtest.parquet")
    figures = {"forecastExamples.png", "forecastErrorByHour.png", "forecastCalibration.png", "comparison.png"}
    tables = {"forecast_errors.csv", "forecast_comparison.csv", "meter_accounts.csv", "log.txt"}
    assert figures | tables <= {path.name for path in artifacts.iterdir()}
    children = project.runs(f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    assert sorted(child.info.run_name for child in children) == [
        "online", "profile", "seasonal_naive", "seasonal_naive_24h", "xgboost",
    ]  # fmt: skip
    assert {child.info.status for child in children} == {"FINISHED"}
    assert f"forecasting: model=auto: {chosen} was the best" in done.stdout
    version = project.client.get_model_version_by_alias("load_forecaster", "champion")
    assert version.run_id in {child.info.run_id for child in children if child.info.run_name == chosen}


def test_the_command_alone_does_the_same(project):
    done = project.here("backtest_days=1", "jobs=1", "registered_model=", entry_point="forecasting")
    assert done.returncode == 0, done.stdout
    assert project.latest("forecasting").data.params["model"] == "auto"


@pytest.mark.parametrize(
    ("parameter", "message"),
    [("holidays=Atlantis", "holidays 'Atlantis' is no country"), ("model=prophet", "'prophet' is not one of 'auto'")],
)
def test_a_parameter_that_cannot_be_used_is_one_clear_line(project, parameter, message):
    done = project.here(parameter, entry_point="forecasting")
    assert done.returncode != 0
    assert message in done.stdout
    assert not project.runs("attributes.status = 'RUNNING'")
