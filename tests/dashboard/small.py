"""A small run for tests of the dashboard: four meters, sixty days, every table of the chain, no MLflow.

`small_data` gives the data of such a run, `small_context` what a page is made from. What happens in it:

| meter | sector | what happens |
|---|---|---|
| `M1` | Bakery | a rejected hour on 15 March; half the energy from 10 to 14 April: a grave alert |
| `M2` | Bakery | 12 hours missing on 5 April: a data fault |
| both | Bakery | two fifths missing from 20 April on, of `M1` for four days, of `M2` for two: a group event |
| `M3` | Farm | two estimated hours on 10 March; 8 % missing on 2 April: a faint alert, dismissed |
| `ODD` | none | 15 % missing on 25 April: an alert, confirmed with a note |

More than a fifth of the forecast hours of `M1` lie outside the band, of the others fewer.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from loadprofiles import step
from loadprofiles.anomalies.alert import FAULT, GROUP, THEFT, Alert, AlertDay
from loadprofiles.anomalies.states import CONFIRMED, DISMISSED
from loadprofiles.anomalies.store import AlertStore
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.data import Data, make_data
from loadprofiles.dashboard.language import Language
from loadprofiles.dashboard.state import View
from loadprofiles.profiles import step_columns, to_profiles, values_of, write_profiles
from loadprofiles.readings import QUALITY_DTYPE, write_readings
from loadprofiles.results import Clustering, Results
from loadprofiles.tables import write_table

ODD = "<b>x</b>&$"
"""A meter whose name is markup elsewhere."""

SECTORS = {ODD: "", "M1": "Bakery", "M2": "Bakery", "M3": "Farm"}
METERS = tuple(SECTORS)
LEVELS = {ODD: 3.0, "M1": 1.0, "M2": 2.0, "M3": 0.5}
"""Energy of an hour by night, in kWh; from 17:00 on it is twice as much: 31 times that a day."""

FIRST_DAY, DAYS, HOURS = date(2024, 3, 1), 60, 24
LAST_DAY = FIRST_DAY + timedelta(days=DAYS - 1)
BACKTEST_DAYS = 14
RUN_ID = "0123456789abcdef" * 2
TARIFF = 0.15
PARTS = ("readings", "clusters", "forecasts", "alerts", "sectors", "voltages")
"""What a run can be without."""

_STEPS = {"readings": "", "clusters": "clustering", "forecasts": "forecasting", "alerts": "anomalies"}
_SHAPE = np.where(np.arange(HOURS) >= 17, 2.0, 1.0)
_LOW, _HIGH = 0.8, 1.2
_QUANTILES = {"p05": _LOW, "p10": 0.85, "p25": 0.9, "p75": 1.1, "p90": 1.15, "p95": _HIGH}


def april(day: int) -> date:
    """A day of April 2024."""
    return date(2024, 4, day)


_SHARES: Mapping[tuple[str, date], float] = {
    **{("M1", april(day)): 0.5 for day in range(10, 15)},
    **{("M1", april(day)): 0.6 for day in range(20, 24)},
    **{("M2", april(day)): 0.6 for day in range(20, 22)},
    ("M3", april(2)): 0.92,
    (ODD, april(25)): 0.85,
}
"""What was metered of what was expected, where it is not about all."""


class SmallClustering(Clustering):
    """A clustering whose tables are files of a folder."""

    def __init__(self, folder: Path, metrics: Mapping[str, float]) -> None:
        there = folder.is_dir()
        super().__init__(RUN_ID if there else "", "pipeline kmeans euclidean k=2", metrics if there else {})
        self.folder = folder

    def file(self, name: str) -> Path | None:
        """As of `Clustering`."""
        path = self.folder / name
        return path if path.exists() else None


class SmallResults(Results):
    """A finished run whose artifacts are files of a folder, `<step>/<artifact>`."""

    def __init__(self, folder: Path, without: Collection[str] = ()) -> None:
        assert set(without) <= set(PARTS), without
        self.folder = folder
        self.run_id = RUN_ID
        self.name = "pipeline kmeans euclidean k=2"
        self.steps = {path.name: RUN_ID for path in sorted(folder.iterdir()) if path.is_dir()}

    @property
    def params(self) -> Mapping[str, str]:
        """As of `Results`."""
        return {"timezone": "UTC", "tariff": str(TARIFF), "alert_days": "60", "resolution": "60", "model": "kmeans"}

    @property
    def metrics(self) -> Mapping[str, float]:
        """As of `Results`."""
        return {"Silhouette Score": 0.5, "DB Index": 0.7, "clusters": 2.0, "median_wape": 0.1}

    @property
    def finished_at_utc(self) -> datetime:
        """As of `Results`."""
        return datetime(2024, 4, 30, 6, 5, tzinfo=UTC)

    @cached_property
    def clustering(self) -> Clustering:
        """As of `Results`."""
        return SmallClustering(self.folder / "clustering", self.metrics)

    def other_clusterings(self) -> list[Clustering]:
        """None: there is no other run."""
        return []

    def file(self, of_step: str, name: str) -> Path | None:
        """As of `Results`."""
        path = self.folder / of_step / name
        return path if path.exists() else None

    def alert_store(self, alert_db: str = "") -> AlertStore | None:
        """The run's own database, whatever the environment says."""
        path = self.folder / "alerts.db"
        return AlertStore(f"sqlite:///{path}", create=False) if path.is_file() else None


def small_results(folder: Path, without: Collection[str] = ()) -> SmallResults:
    """The results of the small run, written into a folder.

    Args:
        folder: Such as `tmp_path`.
        without: Some of `PARTS`.
    """
    tables = {meter: _readings(meter, without) for meter in METERS}
    profiles = pd.concat([to_profiles(table, 60, 60, "UTC")[0] for table in tables.values()], ignore_index=True)
    (folder / "harmonization" / step.READINGS).mkdir(parents=True)
    write_profiles(profiles, folder / "harmonization" / step.HARMONIZED / f"{step.HARMONIZED}.csv")
    if "readings" not in without:
        optional = {name for table in tables.values() for name in table.columns if name.startswith("voltage_")}
        write_readings(tables.values(), optional, folder / "harmonization" / step.READINGS / "readings.parquet")
    _write_etl(folder / "etl_customers", tables, profiles, without)
    if "clusters" not in without:
        _write_clusters(folder / "clustering", profiles)
    if "forecasts" not in without:
        _write_forecasts(folder / "forecasting", tables)
    if "alerts" not in without:
        _write_judged(folder / "anomalies" / step.JUDGED_DAYS / f"{step.JUDGED_DAYS}.parquet", tables)
        _record_alerts(folder / "alerts.db", tables)
    return SmallResults(folder, without)


def small_data(folder: Path, without: Collection[str] = ()) -> Data:
    """The data of the small run; see `small_results`."""
    return make_data(small_results(folder, without))


def small_context(
    data: Data, page: str = "alerts", query: str = "", language: str = "en", user: str = "", read_only: bool = False
) -> Context:
    """What a page is made from.

    Args:
        data: As of `small_data`.
        page: Its name.
        query: Of the address: `sector=Bakery&from=2024-04-01`.
        language: Of the reader.
        user: Who has signed in.
        read_only: Whether alerts cannot be judged.
    """
    view, wrong = View.read(f"/{page}", query)
    assert not wrong, wrong
    return Context(data, view, Language(language), user, read_only)


def _readings(meter: str, without: Collection[str]) -> pd.DataFrame:
    """Hourly readings of a meter."""
    days = [FIRST_DAY + timedelta(days=day) for day in range(DAYS)]
    shares = np.array([_SHARES.get((meter, day), 1.0) for day in days])
    # some percent up and down, so that no two days are equal
    wobble = 1 + 0.03 * np.sin(np.arange(DAYS * HOURS).reshape(DAYS, HOURS) * 0.7)
    energy = (LEVELS[meter] * shares[:, None] * _SHAPE * wobble).ravel()
    quality = np.full(len(energy), "measured", dtype=object)
    raw = energy.copy()
    for moment, hours, flag in _DOUBTS.get(meter, ()):
        start = int((pd.Timestamp(moment) - pd.Timestamp(FIRST_DAY)) / pd.Timedelta(hours=1))
        quality[start : start + hours] = flag
        raw[start : start + hours] = 999.0 if flag == "rejected_outlier" else np.nan
        if flag != "estimated_interpolated":
            energy[start : start + hours] = np.nan
    table = pd.DataFrame(
        {
            "meter_id": pd.Series([meter] * len(energy), dtype="str"),
            "timestamp_utc": pd.date_range(FIRST_DAY, periods=len(energy), freq="h", tz="UTC", unit="us"),
            "energy_kwh": energy,
            "quality": pd.Categorical(quality, dtype=QUALITY_DTYPE),
            "energy_kwh_raw": raw,
        }
    )
    if meter in ("M1", "M2") and "voltages" not in without:
        volts = 230 + np.sin(np.arange(len(energy)) * 0.3)
        table = table.assign(voltage_l1_v=volts, voltage_l2_v=volts - 2)
    return table


_DOUBTS = {
    "M1": [("2024-03-15 03:00", 1, "rejected_outlier")],
    "M2": [("2024-04-05 06:00", 12, "missing")],
    "M3": [("2024-03-10 10:00", 2, "estimated_interpolated")],
}
"""Of a meter: from when, how many hours, and how they are flagged."""


def _write_etl(
    folder: Path, tables: Mapping[str, pd.DataFrame], profiles: pd.DataFrame, without: Collection[str]
) -> None:
    rows = []
    for meter, table in tables.items():
        counts = table["quality"].value_counts()
        shares = {f"share_{name}_percent": 100 * count / len(table) for name, count in counts.items()}
        whole = int((profiles["id"] == meter).sum())
        rows.append(
            {
                "meter_id": meter,
                **({} if "sectors" in without else {"sector": SECTORS[meter]}),
                "step_minutes": 60,
                "rows_read": len(table),
                "rows_dropped": 0,
                "readings": len(table),
                "readings_measured": int(counts["measured"]),
                **shares,
                "days": DAYS,
                "days_incomplete": DAYS - whole,
                "days_profile": whole,
                "lost_dst_day": 0,
                "lost_incomplete": DAYS - whole,
                "findings": sum(found["meter_id"] == meter for found in _FINDINGS),
                "findings_outlier_high": int(meter == "M1"),
                "gap_readings_filled": int(counts["estimated_interpolated"]),
                "gap_readings_left": int(counts["missing"]),
                "longest_gap_hours": float(counts["missing"]),
                "lowest_confidence": 0.6 if meter == "M1" else np.nan,
                "energy_kwh": table["energy_kwh"].sum(),
            }
        )
    report = pd.DataFrame(rows)
    accounts = [name for name in report if not name.startswith(("share_", "lost_", "findings", "gap_", "lo"))]
    write_table(report[accounts], folder / f"{step.METERS}.csv")
    write_table(report.drop(columns=["energy_kwh", "readings_measured"]), folder / f"{step.VEE_REPORT}.csv")
    write_table(pd.DataFrame(_FINDINGS), folder / f"{step.FINDINGS}.csv")
    write_table(pd.DataFrame([_CORRECTION]), folder / f"{step.CORRECTIONS}.csv")


def _finding(meter: str, kind: str, start: str, end: str, readings: int, evidence: str, confidence: float) -> dict:
    moments = {"from_utc": f"{start}+00:00", "to_utc": f"{end}+00:00"}
    found = {"meter_id": meter, "kind": kind, **moments, "readings": readings, "factor": np.nan}
    return found | {"evidence": evidence, "confidence": confidence}


_FINDINGS = [
    _finding("M1", "outlier_high", "2024-03-15 03:00:00", "2024-03-15 04:00:00", 1, "999 kWh in 60 min", 0.6),
    _finding("M2", "gap_left", "2024-04-05 06:00:00", "2024-04-05 18:00:00", 12, "no reading", 1.0),
    _finding("M3", "gap_filled", "2024-03-10 10:00:00", "2024-03-10 12:00:00", 2, "a gap of <2> h & filled", 1.0),
]
_CORRECTION = {
    "meter": "M1",
    "rule": "reject",
    "from": "2024-03-15T03:00:00Z",
    "to": "2024-03-15T04:00:00Z",
    "factor": np.nan,
    "reason": "outlier",
}

CLUSTERS = ("flat <base>", "evening peak 18:00")


def _write_clusters(folder: Path, profiles: pd.DataFrame) -> None:
    """`M3` lies in cluster 0; the others in 1, but for Sundays."""
    dates = pd.to_datetime(profiles["date"]).astype("datetime64[us]")
    cluster = np.where((profiles["id"] == "M3") | (dates.dt.day_of_week == 6), 0, 1)
    names = pd.Series(CLUSTERS, dtype="str")
    assignments = profiles[["id"]].assign(
        date=dates, cluster=cluster, cluster_name=names.iloc[cluster].to_numpy(), distance=0.01 * cluster + 0.02
    )
    write_table(assignments, folder / f"{step.ASSIGNMENTS}.parquet")
    energy = values_of(profiles)
    shapes = energy / np.linalg.norm(energy, axis=1, keepdims=True)
    centers = np.array([shapes[cluster == number].mean(axis=0) for number in (0, 1)])
    heads = pd.DataFrame({"cluster": [0, 1], "cluster_name": names, "kind": "centroid", "size": np.bincount(cluster)})
    write_table(
        pd.concat([heads, pd.DataFrame(centers, columns=step_columns(60))], axis=1),
        folder / f"{step.REPRESENTATIVES}.parquet",
    )
    levels = {"meter": assignments["id"], "sector": assignments["id"].map(SECTORS)}
    shares = [
        {"level": level, "name": name, "cluster": number, "days": days, "share": days / int((groups == name).sum())}
        for level, groups in levels.items()
        for (name, number), days in assignments.groupby([groups, "cluster"]).size().items()
        if name
    ]
    write_table(pd.DataFrame(shares), folder / f"{step.CLUSTER_SHARES}.csv")
    validity = {"DB Index": (0.7, "lower"), "Silhouette Score": (0.5, "higher"), "Silhouette DTW": (0.55, "higher")}
    rows = [{"index": index, "value": value, "better": better} for index, (value, better) in validity.items()]
    write_table(pd.DataFrame(rows), folder / f"{step.VALIDITY}.csv")
    write_table(pd.DataFrame({"k": [2, 3, 4], "silhouette": [0.5, 0.4, 0.3]}), folder / f"{step.K_CURVE}.csv")


def _write_forecasts(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Forecasts of what is usual, with a band of a fifth; the backtest is of the last days."""
    backtest = pd.concat([_forecast(meter, LAST_DAY - timedelta(days=BACKTEST_DAYS - 1), BACKTEST_DAYS)
                          for meter in METERS], ignore_index=True)  # fmt: skip
    metered = pd.concat(tables.values())[["meter_id", "timestamp_utc", "energy_kwh"]]
    backtest = backtest.merge(metered.rename(columns={"energy_kwh": "actual_kwh"}), on=["meter_id", "timestamp_utc"])
    write_table(backtest, folder / step.BACKTEST / f"{step.BACKTEST}.parquet")
    following = pd.concat([_forecast(meter, LAST_DAY + timedelta(days=1), 1) for meter in METERS], ignore_index=True)
    write_table(following, folder / step.FORECASTS / f"{step.FORECASTS}.parquet")
    write_table(pd.DataFrame(_errors(backtest)), folder / f"{step.FORECAST_ERRORS}.csv")
    comparison = pd.DataFrame({"model": ["xgboost", "seasonal_naive"], "ratio_to_seasonal_naive": [0.8, 1.0]})
    write_table(comparison.assign(median_wape=[0.1, 0.125]), folder / f"{step.FORECAST_COMPARISON}.csv")


def _forecast(meter: str, first: date, days: int) -> pd.DataFrame:
    stamps = pd.date_range(first, periods=days * HOURS, freq="h", tz="UTC", unit="us")
    usual = LEVELS[meter] * np.tile(_SHAPE, days)
    table = pd.DataFrame({"meter_id": pd.Series([meter] * len(stamps), dtype="str"), "model": "xgboost"})
    bands = {f"energy_kwh_{name}": usual * factor for name, factor in _QUANTILES.items()}
    return table.assign(origin_utc=stamps.floor("D"), timestamp_utc=stamps, energy_kwh=usual, **bands, fallback="")


def _errors(backtest: pd.DataFrame) -> Iterator[dict[str, object]]:
    for meter, rows in backtest.groupby("meter_id"):
        actual = rows["actual_kwh"]
        off = (actual - rows["energy_kwh"]).abs()
        inside = actual.between(rows["energy_kwh_p05"], rows["energy_kwh_p95"])
        yield {
            "meter_id": meter,
            "intervals": len(rows),
            "wape": off.sum() / actual.sum(),
            "mape_percent": 100 * (off / actual).mean(),
            "ratio_to_seasonal_naive": 0.8,
            "coverage_90": inside.mean(),
        }


def _daily(meter: str, table: pd.DataFrame) -> pd.DataFrame:
    """What was metered and expected of a meter day by day."""
    hours = table["energy_kwh"].to_numpy().reshape(DAYS, HOURS)
    expected = LEVELS[meter] * _SHAPE.sum()
    days = [FIRST_DAY + timedelta(days=day) for day in range(DAYS)]
    figures = {"expected_kwh": expected, "low_kwh": _LOW * expected, "high_kwh": _HIGH * expected}
    return pd.DataFrame({"meter_id": meter, "date": days, "actual_kwh": hours.sum(axis=1)}).assign(**figures)


def _write_judged(path: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    days = pd.concat([_daily(meter, table) for meter, table in tables.items()], ignore_index=True)
    score = 10 * (1 - days["actual_kwh"] / days["expected_kwh"]).abs()
    fault = days["actual_kwh"].isna()
    judged = days.assign(
        date=pd.to_datetime(days["date"]).astype("datetime64[ms]"),
        meter_id=days["meter_id"].astype("str"),
        score=score,
        surprise=score,
        threshold=0.7,
        band=score / 10,
        alarm=score > 0.7,
        fault=np.where(fault, "gap", ""),
        evidence=np.where(fault, "12 of 24 hours are not known", ""),
        forecast_kwh=np.nan,
        forecast_hours=np.nan,
        forecast_hours_outside=np.nan,
    )
    write_table(judged, path)


def _record_alerts(path: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    store = AlertStore(f"sqlite:///{path}")

    def days_of(meter: str, p_value: float, *numbers: int) -> list[AlertDay]:
        rows = _daily(meter, tables[meter]).set_index("date").loc[[april(number) for number in numbers]]
        values = rows[["expected_kwh", "low_kwh", "high_kwh", "actual_kwh"]].to_numpy()
        return [AlertDay(meter, day, p_value, *map(float, row)) for day, row in zip(rows.index, values, strict=True)]

    peers = "the other meter of its sector used 100% of what was expected of it"
    group = (*days_of("M1", 0.002, 20, 21, 22, 23), *days_of("M2", 0.004, 20, 21))
    alerts = [
        Alert(THEFT, "pair", "M1", "Bakery", tuple(days_of("M1", 0.0005, *range(10, 15))), _HALF, peers),
        Alert(FAULT, "gap", "M2", "Bakery", tuple(days_of("M2", 0.0, 5)), "12 of 24 hours are not known", peers),
        Alert(GROUP, "profile", "Bakery", "Bakery", group, _TOGETHER, ""),
        Alert(THEFT, "level", ODD, "", tuple(days_of(ODD, 0.01, 25)), _LITTLE, ""),
        Alert(THEFT, "hours", "M3", "Farm", tuple(days_of("M3", 0.03, 2)), _HARDLY, ""),
    ]
    store.record(alerts, tariff=TARIFF, run_id=RUN_ID)
    ids = alert_ids(store)
    store.set_state(ids[ODD], CONFIRMED, "seal <i>broken</i> & bypass", "Ana", datetime(2024, 4, 28, 9, tzinfo=UTC))
    store.set_state(ids["M3"], DISMISSED, "holiday", "Leo", datetime(2024, 4, 28, 10, tzinfo=UTC))


_HALF = (
    "50% less than expected (15.5 instead of 31.0 kWh a day); its active and reactive energy together are unlike any "
    "earlier day (rarer than 1 day in 1,000); the same weekdays before were of another level (1 day in 40)"
)
_TOGETHER = (
    "40% less than expected (24.8 instead of 41.3 kWh a day); its hours are distributed unlike on any earlier day of "
    "that level (1 day in 500); 144 of 144 hours outside the forecast's 90 % band"
)
_LITTLE = (
    "15% less than expected (79.0 instead of 93.0 kWh a day); its changes from hour to hour are unusual (1 day in 99)"
)
_HARDLY = (
    "8% less than expected (14.3 instead of 15.5 kWh a day); its energy is unlike that of any earlier day (1 day in 33)"
)


def alert_ids(store: AlertStore) -> dict[str, str]:
    """The id of each alert by its subject; each subject has one."""
    table = store.read()
    return dict(zip(table["subject"], table["alert_id"], strict=True))
