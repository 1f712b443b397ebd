"""What a finished run of the chain has left, and what of a run that has left less."""

import math
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import mlflow
import numpy as np
import pandas as pd
import pytest

from loadprofiles import results, step, tracking
from loadprofiles.errors import EmptyResultError, InputError, StoreError
from loadprofiles.profiles import step_columns
from loadprofiles.readings import QUALITY_DTYPE, write_readings
from loadprofiles.results import Clustering, clusterings, open_results
from loadprofiles.tables import write_table

METERS = {
    "etl_sql": pd.DataFrame({"meter_id": ["007", "S1"], "step_minutes": 15, "energy_kwh": [1.0, 2.0]}),
    "etl_customers": pd.DataFrame(
        {"meter_id": ["C1", "007"], "sector": ["Bakery", "Farm"], "step_minutes": 60, "energy_kwh": [3.0, 4.0]}
    ),
}
FINDING = {
    "meter_id": "007", "kind": "gap_left", "from_utc": "2024-03-01 00:00:00+00:00", "to_utc": "2024-03-02",
    "readings": 4, "factor": np.nan, "evidence": "1", "confidence": 1.0,
}  # fmt: skip
DAYS = ["2024-03-01", "2024-03-02"]
FULL_STEPS = ("etl_sql", "etl_customers", "harmonization", "clustering", "forecasting", "anomalies")


def of_meters(**columns):
    """A table of two meters of two days, whose meter column is the first."""
    key, *others = columns
    table = pd.DataFrame({key: ["007", "007", "C1", "C1"], **{name: columns[name] for name in others}})
    return table.astype({key: "str"})


def etl_tables(source):
    """The CSV tables of an ETL step; of customers nothing was found, which leaves headings."""
    findings = pd.DataFrame([FINDING] if source == "etl_sql" else [], columns=list(FINDING))
    report = METERS[source][["meter_id"]].assign(readings=10, findings=len(findings))
    correction = {"meter": "007", "rule": "factor", "from": "2024-03-01T00:00:00Z", "to": "", "factor": 2.0}
    corrections = pd.DataFrame([correction | {"reason": "scale"}])
    tables = {step.METERS: METERS[source], step.FINDINGS: findings, step.VEE_REPORT: report}
    return {f"{name}.csv": table for name, table in (tables | {step.CORRECTIONS: corrections}).items()}


def profiles():
    values = pd.DataFrame(np.ones((4, 24)), columns=step_columns(60))
    return pd.concat([of_meters(id=None, date=DAYS * 2), values], axis=1)


def clustering_tables():
    assignments = of_meters(
        id=None, date=DAYS * 2, cluster=[0, 1, 1, -1], cluster_name=["a", "b", "b", "in no cluster"], distance=0.5
    )
    head = pd.DataFrame({"cluster": [0, 1], "cluster_name": ["a", "b"], "kind": "medoid", "size": [1, 2]})
    shares = pd.DataFrame({"level": "meter", "name": ["007"], "cluster": [0], "days": [1], "share": [0.5]})
    return {
        "assignments.parquet": assignments,
        "representatives.parquet": pd.concat([head, pd.DataFrame(np.eye(2, 24), columns=step_columns(60))], axis=1),
        "cluster_shares.csv": shares,
        "validity.csv": pd.DataFrame({"index": ["Dunn"], "value": [0.1], "better": ["higher"]}),
    }


def forecast_tables():
    stamps = pd.to_datetime(DAYS * 2, utc=True)
    forecasts = of_meters(meter_id=None, model="xgboost", origin_utc=stamps, timestamp_utc=stamps, energy_kwh=1.0)
    return {
        "backtest/backtest.parquet": forecasts.assign(actual_kwh=[1.0, 2.0, 3.0, 4.0]),
        "forecasts/forecasts.parquet": forecasts,
        "forecast_errors.csv": pd.DataFrame({"meter_id": ["007"], "wape": [0.1]}),
        "forecast_comparison.csv": pd.DataFrame({"model": ["xgboost"], "median_wape": [0.1]}),
    }


def tables_of(name):
    """What a step has left: the path below its run to the table."""
    if name.startswith("etl_"):
        return etl_tables(name)
    if name == "anomalies":
        judged = of_meters(meter_id=None, date=pd.to_datetime(DAYS * 2), actual_kwh=[1.0, 2.0, 3.0, 4.0])
        return {"judged_days/judged_days.parquet": judged}
    others = {"clustering": clustering_tables, "forecasting": forecast_tables}
    return others[name]() if name in others else {"harmonized/harmonized.csv": profiles()}


def log_tables(name, folder):
    """Write a step's tables into the open run."""
    for path, table in tables_of(name).items():
        file = folder / name / path
        file.parent.mkdir(parents=True, exist_ok=True)
        write_table(table, file)
        mlflow.log_artifact(str(file), None if file.parent == folder / name else file.parent.name)
    if name == "harmonization":
        stamps = pd.date_range("2024-03-01", periods=3, freq="h", tz="UTC", unit="us")
        table = pd.DataFrame({"meter_id": "007", "timestamp_utc": stamps, "energy_kwh": 1.0}).astype(
            {"meter_id": "str"}
        )
        quality = pd.Categorical(["measured"] * 3, dtype=QUALITY_DTYPE)
        readings = folder / "readings.parquet"
        write_readings([table.assign(quality=quality, energy_kwh_raw=1.0)], (), readings)
        mlflow.log_artifact(str(readings), "readings")


def chain_run(folder, steps, params, status="FINISHED"):
    """A run of the chain with a run for each step below it."""
    runs = {}
    with tracking.run("pipeline", params) as parent:
        for name in steps:
            with tracking.run(name, {}) as runs[name]:
                log_tables(name, folder)
                if name == "clustering":
                    mlflow.set_tag("mlflow.runName", "kmedoids dtw k=2")
                    mlflow.log_metric("Silhouette Score", 0.4)
        tracking.record_chain(parent, runs, ["clustering"])
    mlflow.MlflowClient().set_terminated(parent.info.run_id, status)
    return parent.info.run_id


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with four runs of the chain and a clustering of its own, and the folder of a store without runs."""
    folder = tmp_path_factory.mktemp("store")
    mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}").search_experiments()
    with closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.execute("UPDATE experiments SET artifact_location = ?", [str(folder / "mlruns" / "0")])
        database.commit()
    (folder / "empty").mkdir()
    shutil.copy(folder / "mlflow.db", folder / "empty" / "mlflow.db")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        params = {"timezone": "America/Lima", "tariff": 0.15, "sql_from": "''", "alert_db": "'sqlite:///my alerts.db'"}
        made = SimpleNamespace(folder=folder, full=chain_run(folder / "1", FULL_STEPS, params))
        made.alone = chain_run(folder / "2", ("etl_sql", "clustering"), {"alert_db": f"sqlite:///{folder}/no.db"})
        made.bare = chain_run(folder / "3", (), {})
        made.failed = chain_run(folder / "4", (), {}, "FAILED")
    return made


@pytest.fixture(autouse=True)
def chosen(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store.folder / 'mlflow.db'}")
    monkeypatch.delenv("ALERT_DB_URL", raising=False)


@pytest.fixture(scope="module")
def full(store):
    """The results of the run that has all; opened once, as tables are read once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store.folder / 'mlflow.db'}")
        return open_results(store.full)


@pytest.fixture
def bare(store):
    return open_results(store.bare)


class TestTheRun:
    def test_is_the_latest_that_has_finished(self, store):
        assert open_results().run_id == store.bare

    def test_is_that_of_an_id(self, store, full):
        assert (full.run_id, full.name) == (store.full, "pipeline kmedoids dtw k=2")
        assert full.params == {
            "timezone": "America/Lima", "tariff": "0.15", "sql_from": "", "alert_db": "sqlite:///my alerts.db"
        }  # fmt: skip
        assert (full.timezone, full.tariff, full.metrics) == ("America/Lima", 0.15, {"Silhouette Score": 0.4})
        assert tuple(full.steps) == FULL_STEPS
        assert datetime.now(UTC) - full.finished_at_utc < timedelta(hours=1)

    def test_without_parameters_is_of_utc_and_has_no_tariff(self, bare):
        assert bare.timezone == "UTC"
        assert math.isnan(bare.tariff)
        assert bare.steps == {}

    def test_of_no_id_of_the_store_is_refused(self):
        with pytest.raises(InputError, match=f"run {'0' * 32}: is not in the MLflow store sqlite:"):
            open_results("0" * 32)

    def test_that_has_not_finished_is_refused(self, store):
        with pytest.raises(InputError, match=f"run {store.failed}: has the status FAILED; only a finished run"):
            open_results(store.failed)

    def test_of_a_single_step_is_refused(self, full):
        with pytest.raises(InputError, match="is of clustering, not of the chain; name the parent run"):
            open_results(full.steps["clustering"])

    def test_is_not_there_where_none_was_made(self, store, monkeypatch):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store.folder / 'empty' / 'mlflow.db'}")
        with pytest.raises(EmptyResultError, match=r"no run of the chain has finished .* run `mlflow run \."):
            open_results()

    @pytest.mark.parametrize("run_id", ["", "0" * 32])
    def test_in_a_file_that_is_no_store_is_told(self, run_id, tmp_path, monkeypatch):
        (tmp_path / "old.db").write_bytes(b"SQLite format 3\x00 but not really")
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'old.db'}")
        with pytest.raises(StoreError, match=r"old\.db cannot be used"):
            open_results(run_id)


class TestSources:
    def test_are_put_together(self, full):
        report = full.vee_report
        assert report["source"].tolist() == ["sql", "sql", "customers", "customers"]
        assert report["meter_id"].tolist() == ["007", "S1", "C1", "007"]
        assert len(full.corrections) == 2

    def test_that_delivered_the_same_meter_make_one_row_of_it_with_its_sector(self, full):
        meters = full.meters.set_index("meter_id")
        assert meters["sector"].to_dict() == {"007": "Farm", "C1": "Bakery", "S1": ""}
        assert meters.loc["007", "source"] == "customers"

    def test_without_findings_add_none(self, full):
        (finding,) = full.findings.itertuples()
        assert (finding.meter_id, finding.source, finding.evidence) == ("007", "sql", "1")
        assert finding.from_utc == pd.Timestamp("2024-03-01", tz="UTC")
        assert finding.to_utc == pd.Timestamp("2024-03-02", tz="UTC")

    def test_of_a_run_without_sectors_have_empty_ones(self, store):
        assert open_results(store.alone).meters["sector"].tolist() == ["", ""]

    def test_that_are_missing_leave_tables_without_rows(self, bare):
        for name in ("meters", "vee_report", "findings", "corrections"):
            table = getattr(bare, name)
            assert table.empty
            assert {"source", *results._COLUMNS[name]} <= set(table.columns)
        assert str(bare.findings["from_utc"].dtype).endswith("UTC]")


class TestProfiles:
    def test_are_those_of_the_harmonized_table(self, full):
        assert full.profiles["id"].tolist() == ["007", "007", "C1", "C1"]
        assert full.profiles.columns[:3].tolist() == ["id", "date", "00:00:00"]

    def test_that_are_missing_are_told(self, bare):
        assert bare.harmonized_file is None
        with pytest.raises(InputError, match=f"run {bare.run_id}: has no harmonized table"):
            _ = bare.profiles

    def test_come_with_the_readings_where_there_are_any(self, full, bare):
        assert full.readings.meters == {"007": 3}
        assert bare.readings is None


class TestForecasts:
    @pytest.mark.parametrize("most", [0, 1000])
    def test_are_read_whole_or_of_one_meter(self, full, most, monkeypatch):
        # whether a table of this size stays in memory makes no difference
        results._kept_whole.cache_clear()
        monkeypatch.setattr(results, "MOST_ROWS_KEPT", most)
        assert (len(full.backtest), len(full.forecasts), len(full.judged_days)) == (4, 4, 4)
        assert full.backtest_of("C1")["actual_kwh"].tolist() == [3.0, 4.0]
        assert full.forecasts_of("007")["meter_id"].tolist() == ["007", "007"]
        assert full.judged_days_of("007")["actual_kwh"].tolist() == [1.0, 2.0]
        assert full.judged_days_of("nobody").empty
        some = full.judged_days_of("007", ["date", "actual_kwh", "not_of_this_version"])
        assert list(some.columns) == ["date", "actual_kwh"]
        assert some.index.tolist() == [0, 1]

    def test_have_errors_by_meter_and_by_model(self, full):
        assert full.forecast_errors.to_dict("list") == {"meter_id": ["007"], "wape": [0.1]}
        assert full.forecast_comparison["model"].tolist() == ["xgboost"]

    @pytest.mark.parametrize("name", ["backtest", "forecasts", "forecast_errors", "forecast_comparison", "judged_days"])
    def test_that_are_missing_leave_tables_without_rows(self, name, bare):
        assert getattr(bare, name).empty
        assert list(getattr(bare, name).columns) == list(results._COLUMNS[name])
        if hasattr(bare, f"{name}_of"):
            assert list(getattr(bare, f"{name}_of")("007").columns) == list(results._COLUMNS[name])

    def test_a_missing_artifact_of_a_step_that_was_run_is_none(self, full):
        assert full.file("forecasting", "weather.parquet") is None
        assert full.file("forecasting", "forecast_errors.csv").is_file()


class TestAlertStore:
    def test_of_a_run_without_one_is_none(self, bare, store):
        assert bare.alert_store() is None
        assert open_results(store.alone).alert_store() is None

    def test_that_is_named_and_not_there_is_told(self, bare, tmp_path, monkeypatch):
        url = f"sqlite:///{tmp_path / 'none.db'}"
        with pytest.raises(StoreError):
            bare.alert_store(url)
        monkeypatch.setenv("ALERT_DB_URL", url)
        with pytest.raises(StoreError):
            bare.alert_store()

    def test_is_opened_where_it_is(self, bare, tmp_path):
        url = f"sqlite:///{tmp_path / 'alerts.db'}"
        results.AlertStore(url)
        assert bare.alert_store(url).read().empty


class TestClustering:
    def test_is_called_as_its_own_run(self, full):
        found = full.clustering
        assert (found.name, found.run_id) == ("kmedoids dtw k=2", full.steps["clustering"])
        assert found.metrics == {"Silhouette Score": 0.4}

    def test_has_its_tables(self, full):
        found = full.clustering
        assert found.assignments["date"].dt.day.tolist() == [1, 2, 1, 2]
        assert found.representatives["cluster_name"].tolist() == ["a", "b"]
        assert found.shares["name"].tolist() == ["007"]
        assert found.validity["value"].tolist() == [0.1]
        assert found.file("validity.csv").is_file()

    def test_is_read_of_one_meter(self, full):
        own = full.clustering.assignments_of("C1")
        assert own["cluster"].tolist() == [1, -1]
        assert own["date"].tolist() == [pd.Timestamp("2024-03-01"), pd.Timestamp("2024-03-02")]
        assert full.clustering.assignments_of("nobody").empty

    def test_has_the_same_days_in_short(self, full):
        days, found = full.clustering.read_days(), full.clustering.assignments
        assert [str(kind) for kind in days.dtypes] == ["category", "datetime64[us]", "int32"]
        for name in ("id", "cluster"):
            assert days[name].tolist() == found[name].tolist()
        assert (days["date"] == found["date"]).all()

    def test_has_no_curve_where_the_number_of_clusters_was_given(self, full):
        assert full.clustering.k_curve.empty
        assert full.clustering.k_curve.columns.tolist() == ["k", "silhouette"]

    def test_of_a_run_without_one_has_tables_without_rows(self, bare):
        found = bare.clustering
        assert (found.run_id, found.file("validity.csv")) == ("", None)
        names = {"assignments": "assignments", "shares": "cluster_shares", "representatives": "representatives"}
        for name, kind in (names | {"validity": "validity", "k_curve": "k_curve"}).items():
            assert getattr(found, name).empty
            assert list(getattr(found, name).columns) == list(results._COLUMNS[kind])
        assert found.assignments_of("007").empty
        assert [str(kind) for kind in found.read_days().dtypes] == ["category", "datetime64[us]", "int32"]

    def test_is_compared_with_those_of_other_runs_the_latest_first(self, store, full):
        all_of_them = clusterings()
        alone = open_results(store.alone).clustering.run_id
        assert [found.run_id for found in all_of_them] == [alone, full.clustering.run_id]
        assert {found.name for found in all_of_them} == {"kmedoids dtw k=2"}
        assert all_of_them[0].metrics == {"Silhouette Score": 0.4}
        assert len(all_of_them[0].assignments) == 4
        assert [found.run_id for found in full.other_clusterings()] == [alone]

    def test_of_a_run_that_is_gone_has_tables_without_rows(self):
        assert Clustering("0" * 32, "gone", {}, Path("copies")).assignments.empty


def test_steps_of_a_run_are_found_by_their_names(store):
    parent = tracking.find_run(store.alone)
    assert list(tracking.steps_of(parent)) == ["etl_sql", "clustering"]
    (latest,) = tracking.find_runs("clustering", 1)
    assert latest.info.run_id == tracking.steps_of(parent)["clustering"]
    assert tracking.find_runs("harmonization", 5)[0].data.tags["mlflow.parentRunId"] == store.full
    assert tracking.find_runs("sweep") == []
