"""What a finished run of the chain has left, read when it is asked for: for the dashboard and the notebook.

A run without forecasts, without alerts or of few sources has tables without rows in their place.
"""

import os
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import pandas as pd
from pyarrow import parquet

from loadprofiles import step, tracking
from loadprofiles.anomalies.states import ALERT_DB, URL_VARIABLE
from loadprofiles.anomalies.store import AlertStore, database_url
from loadprofiles.errors import EmptyResultError, InputError, StoreError
from loadprofiles.profiles import read_profiles
from loadprofiles.readings import StoredReadings, open_readings
from loadprofiles.tables import read_table

CACHE_FOLDER: Final = Path(".cache/loadprofiles")
"""Where copies of artifacts of a remote store and what is aggregated of them are kept."""

MOST_ROWS_KEPT: Final = 200_000
"""Rows of a table of forecasts or days up to which it stays in memory, and a meter's are found there."""

FIRST_COMMAND: Final = "mlflow run . --env-manager=uv"

_ETL: Final = ("etl_oldmongo", "etl_sql", "etl_newmongo", "etl_customers")
_PATHS_KEPT: Final = 1000
_TABLES_KEPT: Final = 16
_PIPELINE: Final = "pipeline"
_TEXTS: Final = ("meter_id", "id", "name", "kind", "evidence", "meter", "rule", "reason", "sector")
_COLUMNS: Final = {
    step.ASSIGNMENTS: ("id", "date", "cluster", "cluster_name", "distance"),
    step.REPRESENTATIVES: ("cluster", "cluster_name", "kind", "size"),
    step.CLUSTER_SHARES: ("level", "name", "cluster", "days", "share"),
    step.VALIDITY: ("index", "value", "better"),
    step.K_CURVE: ("k", "silhouette"),
    step.BACKTEST: ("meter_id", "model", "origin_utc", "timestamp_utc", "energy_kwh", "actual_kwh"),
    step.FORECASTS: ("meter_id", "model", "origin_utc", "timestamp_utc", "energy_kwh"),
    step.FORECAST_ERRORS: ("meter_id", "wape", "mape_percent", "ratio_to_seasonal_naive"),
    step.FORECAST_COMPARISON: ("model", "ratio_to_seasonal_naive", "median_wape"),
    step.JUDGED_DAYS: ("meter_id", "date", "actual_kwh", "expected_kwh", "low_kwh", "high_kwh", "alarm", "fault"),
    step.SCORES: ("meter_id", "date", "detector", "score", "p_value"),
    step.VEE_REPORT: ("meter_id", "readings", "findings"),
    step.METERS: ("meter_id", "step_minutes", "readings", "days", "days_profile", "energy_kwh"),
    step.FINDINGS: ("meter_id", "kind", "from_utc", "to_utc", "readings", "factor", "evidence", "confidence"),
    step.CORRECTIONS: ("meter", "rule", "from", "to", "factor", "reason"),
}
"""The columns that a table has at least, also where a run has no such table."""


def open_results(run_id: str = "", cache: Path = CACHE_FOLDER) -> "Results":
    """The results of a run of the chain.

    Args:
        run_id: The run; empty: the latest that has finished.
        cache: Folder for copies of artifacts, where the MLflow store is not on this machine.

    Raises:
        EmptyResultError: No run of the chain has finished.
        InputError: There is no such run, or it is none of the chain or has not finished.
        StoreError: The MLflow store cannot be used.
    """
    if not run_id:
        found = tracking.find_runs(_PIPELINE, 1)
        if not found:
            raise EmptyResultError(
                f"no run of the chain has finished in the MLflow store {tracking.store_uri()}: "
                f"run `{FIRST_COMMAND}`, or name another store by MLFLOW_TRACKING_URI"
            )
        return Results(found[0], cache)
    run = tracking.find_run(run_id)
    kind, status = run.data.tags.get(tracking.STEP_TAG, "no step"), run.info.status
    if kind != _PIPELINE:
        raise InputError(f"run {run_id}: is of {kind}, not of the chain; name the parent run `pipeline …`")
    if status != tracking.FINISHED:
        raise InputError(f"run {run_id}: has the status {status}; only a finished run has results")
    return Results(run, cache)


class Results:
    """One finished run of the chain; tables are read once, when they are asked for.

    Attributes:
        run_id: The parent run's id.
        name: Its name.
        steps: Step to the id of its run.
    """

    def __init__(self, run: tracking.Run, cache: Path = CACHE_FOLDER) -> None:
        self._run = run
        self.run_id = str(run.info.run_id)
        self.name = str(run.info.run_name)
        self.steps: Mapping[str, str] = tracking.steps_of(run)
        self.folder = cache / self.run_id

    @cached_property
    def params(self) -> Mapping[str, str]:
        """The parameters of the chain."""
        return {name: _unquoted(value) for name, value in self._run.data.params.items()}

    @property
    def metrics(self) -> Mapping[str, float]:
        """The numbers of clustering, forecasting and anomalies."""
        return dict(self._run.data.metrics)

    @property
    def finished_at_utc(self) -> datetime:
        """When the run ended."""
        return datetime.fromtimestamp(self._run.info.end_time / 1000, UTC)

    @property
    def timezone(self) -> str:
        """The zone of the local days."""
        return self.params.get("timezone", "UTC")

    @property
    def tariff(self) -> float:
        """Money a kWh."""
        return float(self.params.get("tariff", "nan"))

    def file(self, of_step: str, name: str) -> Path | None:
        """An artifact of a step, as a local path; None where the run has no such step or artifact.

        Args:
            of_step: The step, as in MLproject.
            name: The artifact's path below its run: `alerts/alerts.parquet`.
        """
        return _artifact(self.steps.get(of_step, ""), name, self.folder / of_step)

    # --- sources and VEE

    @cached_property
    def meters(self) -> pd.DataFrame:
        """One row a meter of any source: `meter_id, source, sector, step_minutes, readings, days, energy_kwh, …`."""
        table = self._of_sources(step.METERS)
        if "sector" not in table:
            table["sector"] = ""
        # a meter that two sources delivered is one meter in all that follows
        table = table.assign(sector=table["sector"].fillna("")).sort_values(["meter_id", "sector"])
        return table.drop_duplicates("meter_id", keep="last").reset_index(drop=True)

    @cached_property
    def vee_report(self) -> pd.DataFrame:
        """What became of each meter's readings: the rows of `vee_report.csv` of all sources, with `source`."""
        return self._of_sources(step.VEE_REPORT)

    @cached_property
    def findings(self) -> pd.DataFrame:
        """What was found in the readings, with evidence and confidence; moments as `datetime64` in UTC."""
        table = self._of_sources(step.FINDINGS)
        return table.assign(
            **{name: pd.to_datetime(table[name], utc=True, format="ISO8601") for name in ("from_utc", "to_utc")}
        )

    @cached_property
    def corrections(self) -> pd.DataFrame:
        """The corrections in effect, of all sources."""
        return self._of_sources(step.CORRECTIONS)

    def _of_sources(self, name: str) -> pd.DataFrame:
        """A table of all ETL steps, with the column `source`."""
        found = {source: self.file(source, f"{name}.csv") for source in _ETL}
        tables = [
            read_table(path, text_columns=_TEXTS).assign(source=source.removeprefix("etl_"))
            for source, path in found.items()
            if path
        ]
        # a source without findings has a table of headings, whose types say nothing
        full = [table for table in tables if len(table)] or tables[:1]
        return pd.concat([*full], ignore_index=True) if full else _empty((*_COLUMNS[name], "source"))

    # --- profiles and clusters

    @cached_property
    def readings(self) -> StoredReadings | None:
        """The readings of all sources, a meter at a time; None where the run has none."""
        path = self.file("harmonization", f"{step.READINGS}/{step.READINGS}.parquet")
        return open_readings(path) if path else None

    @property
    def harmonized_file(self) -> Path | None:
        """The table of all daily load profiles."""
        return self.file("harmonization", f"{step.HARMONIZED}/{step.HARMONIZED}.csv")

    @cached_property
    def profiles(self) -> pd.DataFrame:
        """All daily load profiles: `id, date`, one column a step, kWh.

        Raises:
            InputError: The run has no such table.
        """
        path = self.harmonized_file
        if path is None:
            raise InputError(f"run {self.run_id}: has no harmonized table; run `{FIRST_COMMAND}` again")
        return read_profiles(path)

    @cached_property
    def clustering(self) -> "Clustering":
        """The run's clustering; of a run that was left without one, tables without rows."""
        name = self.name.removeprefix(f"{_PIPELINE} ")
        return Clustering(self.steps.get("clustering", ""), name, self.metrics, self.folder)

    def other_clusterings(self) -> list["Clustering"]:
        """The finished clusterings of all runs and sweeps but this one's, the latest first.

        Raises:
            StoreError: The MLflow store cannot be used.
        """
        return [found for found in clusterings(self.folder.parent) if found.run_id != self.clustering.run_id]

    # --- forecasts

    @cached_property
    def backtest(self) -> pd.DataFrame:
        """Forecasts of the backtest's days beside what was metered; see DESIGN.md, section 4."""
        return self._table("forecasting", f"{step.BACKTEST}/{step.BACKTEST}.parquet", step.BACKTEST)

    def backtest_of(self, meter: str, columns: Sequence[str] = ()) -> pd.DataFrame:
        """The rows of `backtest` of one meter, without reading the others: all columns, or of some those it has."""
        return self._rows_of(meter, "forecasting", step.BACKTEST, columns)

    def forecasts_of(self, meter: str, columns: Sequence[str] = ()) -> pd.DataFrame:
        """The rows of `forecasts` of one meter, without reading the others: all columns, or of some those it has."""
        return self._rows_of(meter, "forecasting", step.FORECASTS, columns)

    @cached_property
    def forecasts(self) -> pd.DataFrame:
        """Forecasts of the time after each meter's readings."""
        return self._table("forecasting", f"{step.FORECASTS}/{step.FORECASTS}.parquet", step.FORECASTS)

    @cached_property
    def forecast_errors(self) -> pd.DataFrame:
        """The errors of each meter's forecasts: `meter_id, wape, mape_percent, …`."""
        return self._table("forecasting", f"{step.FORECAST_ERRORS}.csv", step.FORECAST_ERRORS)

    @cached_property
    def forecast_comparison(self) -> pd.DataFrame:
        """The errors of each model, the best first."""
        return self._table("forecasting", f"{step.FORECAST_COMPARISON}.csv", step.FORECAST_COMPARISON)

    # --- anomalies

    @cached_property
    def judged_days(self) -> pd.DataFrame:
        """Each day with what was expected, its band, score and threshold, sorted by meter and date."""
        return self._table("anomalies", f"{step.JUDGED_DAYS}/{step.JUDGED_DAYS}.parquet", step.JUDGED_DAYS)

    def judged_days_of(self, meter: str, columns: Sequence[str] = ()) -> pd.DataFrame:
        """The rows of `judged_days` of one meter, without reading the others: all columns, or of some those it has."""
        return self._rows_of(meter, "anomalies", step.JUDGED_DAYS, columns)

    def judged_days_between(
        self, meters: Collection[str], first: date, last: date, columns: Sequence[str]
    ) -> pd.DataFrame:
        """Some columns of `judged_days` of some meters, from a first day to a last, without reading the others."""
        path = self.file("anomalies", f"{step.JUDGED_DAYS}/{step.JUDGED_DAYS}.parquet")
        if path is None:
            return _empty(columns)
        days = [("date", ">=", pd.Timestamp(first)), ("date", "<=", pd.Timestamp(last))]
        return pd.read_parquet(path, columns=list(columns), filters=[("meter_id", "in", list(meters)), *days])

    def alert_store(self, alert_db: str = "") -> AlertStore | None:
        """The alert database; None where it is not there, as of a run without anomalies.

        Args:
            alert_db: Its URL; empty: the run's own. `ALERT_DB_URL` of the environment overrules it.

        Raises:
            StoreError: It is named by the caller or the environment and cannot be used.
        """
        url = database_url(alert_db or self.params.get("alert_db", ALERT_DB))
        try:
            return AlertStore(url, create=False)
        except StoreError:
            if alert_db or os.environ.get(URL_VARIABLE):
                raise
            return None

    def _rows_of(self, meter: str, of_step: str, name: str, columns: Sequence[str]) -> pd.DataFrame:
        return _rows(self.file(of_step, f"{name}/{name}.parquet"), "meter_id", meter, name, columns)

    def _table(self, of_step: str, name: str, kind: str) -> pd.DataFrame:
        path = self.file(of_step, name)
        return read_table(path, text_columns=_TEXTS) if path else _empty(_COLUMNS[kind])


class Clustering:
    """One clustering: of a run of the chain, or one of a sweep.

    Attributes:
        run_id: Of its step; empty: there is none.
        name: Such as `kmeans dtw k=12`.
        metrics: Its validity indices.
    """

    def __init__(self, run_id: str, name: str, metrics: Mapping[str, float], folder: Path = CACHE_FOLDER) -> None:
        self.run_id = run_id
        self.name = name
        self.metrics = metrics
        self._folder = folder / "clustering"

    @cached_property
    def assignments(self) -> pd.DataFrame:
        """The cluster of each day: `id, date, cluster, cluster_name, distance`, `date` as `datetime64`."""
        table = self._table(f"{step.ASSIGNMENTS}.parquet", step.ASSIGNMENTS)
        return table.assign(date=pd.to_datetime(table["date"]))

    def assignments_of(self, meter: str) -> pd.DataFrame:
        """The rows of `assignments` of one meter, without reading the others."""
        table = _rows(self.file(f"{step.ASSIGNMENTS}.parquet"), "id", meter, step.ASSIGNMENTS)
        return table.assign(date=pd.to_datetime(table["date"]))

    def read_days(self) -> pd.DataFrame:
        """The cluster of each day and no more, in a tenth of the time and memory that `assignments` takes.

        Returns:
            `id` as a category, `date` as `datetime64`, `cluster` as int32; in the order of `assignments`.
        """
        path = self.file(f"{step.ASSIGNMENTS}.parquet")
        names = ["id", "date", "cluster"]
        table = pd.read_parquet(path, columns=names, read_dictionary=names[:2]) if path else _empty(names)
        dates = table["date"].astype("category")
        return pd.DataFrame(
            {
                "id": table["id"].astype("category"),
                "date": dates.cat.rename_categories(list(pd.to_datetime(dates.cat.categories))).astype(
                    "datetime64[us]"
                ),
                "cluster": table["cluster"].astype("int32"),
            }
        )

    @cached_property
    def representatives(self) -> pd.DataFrame:
        """The clusters: `cluster, cluster_name, kind, size`, one column a step, l2-normalised."""
        return self._table(f"{step.REPRESENTATIVES}.parquet", step.REPRESENTATIVES)

    @cached_property
    def shares(self) -> pd.DataFrame:
        """How the days of meters, sectors and types divide into clusters: `level, name, cluster, days, share`."""
        return self._table(f"{step.CLUSTER_SHARES}.csv", step.CLUSTER_SHARES)

    @cached_property
    def validity(self) -> pd.DataFrame:
        """The validity indices: `index, value, better`."""
        return self._table(f"{step.VALIDITY}.csv", step.VALIDITY)

    @cached_property
    def k_curve(self) -> pd.DataFrame:
        """The silhouette by number of clusters, where it was chosen: `k, silhouette, …`; else without rows."""
        return self._table(f"{step.K_CURVE}.csv", step.K_CURVE)

    def file(self, name: str) -> Path | None:
        """An artifact of its run, as a local path; None where there is none of that name."""
        return _artifact(self.run_id, name, self._folder)

    def _table(self, name: str, kind: str) -> pd.DataFrame:
        path = self.file(name)
        return read_table(path, text_columns=_TEXTS) if path else _empty(_COLUMNS[kind])


def clusterings(cache: Path = CACHE_FOLDER) -> list[Clustering]:
    """The finished clusterings of all runs and sweeps, the latest first; see `open_results` for errors."""
    found = [(str(run.info.run_id), run) for run in tracking.find_runs("clustering")]
    return [Clustering(run_id, run.info.run_name, run.data.metrics, cache / run_id) for run_id, run in found]


def _artifact(run_id: str, name: str, folder: Path) -> Path | None:
    """An artifact as a local path; None where there is no such run or artifact."""
    if not run_id:
        return None
    try:
        return _local_path(f"runs:/{run_id}/{name}", folder)
    except InputError:
        return None


@lru_cache(_PATHS_KEPT)
def _local_path(uri: str, folder: Path) -> Path:
    # what a finished run has logged stays where it is; to ask MLflow takes as long as to read a meter's rows
    return tracking.local_path(uri, folder)


def _unquoted(value: str) -> str:
    """A parameter without the quotes of a command line, with which `mlflow run` logs it."""
    try:
        words = shlex.split(value)
    except ValueError:  # a quote of its own: the script was called without `mlflow run`
        return value
    return words[0] if len(words) == 1 else "" if not words else value


def _rows(path: Path | None, key: str, meter: str, kind: str, columns: Sequence[str] = ()) -> pd.DataFrame:
    """The rows of a meter in a Parquet table: of some columns, as far as it has them, or of all."""
    if path is None:
        return _empty(_COLUMNS[kind])
    if (kept := _kept_whole(path, key)) is not None:
        table, places = kept
        rows = table[[name for name in columns if name in table] or list(table.columns)]
        return rows.take(places.get(meter, [])).reset_index(drop=True)
    there = parquet.read_schema(path).names
    chosen = [name for name in columns if name in there] or there
    return pd.read_parquet(path, columns=chosen, filters=[(key, "==", meter)])


@lru_cache(_TABLES_KEPT)
def _kept_whole(path: Path, key: str) -> tuple[pd.DataFrame, Mapping[Any, Any]] | None:
    """A table of a finished run and where the rows of each meter are; None where it is too large to be kept."""
    # to read the rows of one meter takes as long as to read a table of this size
    if parquet.read_metadata(path).num_rows > MOST_ROWS_KEPT:
        return None
    table = pd.read_parquet(path)
    return table, table.groupby(key).indices


def _empty(columns: Iterable[str]) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype="object") for name in columns})
