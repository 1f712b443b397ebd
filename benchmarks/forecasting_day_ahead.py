"""`benchmarks.forecasting day-ahead`: the last 28 full days of each customer, an origin each midnight, 24 hours ahead.

The customers go through the ETL as any source does. What is forecast is judged here against the files themselves, by
measures written down a second time, so that neither VEE nor the package can flatter the figures.
"""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd

from benchmarks.bars import report
from benchmarks.dtw_profiles import CUSTOMERS
from loadprofiles.choices import LEARNERS
from loadprofiles.etl import etl_customers
from loadprofiles.forecasting.engine import Work
from loadprofiles.forecasting.measures import LEVELS, QUANTILE_COLUMNS
from loadprofiles.forecasting.panel import Panel
from loadprofiles.forecasting.source import read_panel
from loadprofiles.forecasting.step import Request, forecast_panel
from loadprofiles.sources.customers import find_files, read_sectors
from loadprofiles.sources.layouts import read_layout
from loadprofiles.step import READINGS

ZONE = "America/Lima"
DAYS = 28
RATIO, WAPE, LOSS, COVERAGE = 0.74, 0.179, 0.121, (0.89, 0.91)
SECONDS = {"xgboost": 180, "lstm": 600}

_LINE = "{:<20}{:>8}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}"


@dataclass(frozen=True)
class Customers:
    """The customers after ETL."""

    panel: Panel
    sectors: dict[str, str]
    actual: pd.DataFrame


@dataclass(frozen=True)
class Judged:
    """A model's errors: medians over customers, the ratios' geometric mean, and pooled coverage."""

    model: str
    ratio: float
    wape: float
    loss: float
    coverage: float
    coverage_80: float
    mape_percent: float


@click.command("day-ahead")
@click.option("--data", type=click.Path(path_type=Path), default=CUSTOMERS, show_default=True, help="The customers.")
@click.option("--models", default="xgboost,lstm,auto", show_default=True, help="With commas between.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
@click.option("--per-customer", is_flag=True, help="Print each customer's errors by the best model, too.")
def day_ahead(data: Path, models: str, jobs: int, per_customer: bool) -> None:
    """Errors of every model, and the seconds that fits, 84 origins and bands of all customers take."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        customers = load_customers(data, Path(folder))
        click.echo(f"{os.cpu_count()} cores, {jobs} processes; {len(customers.panel.meters)} customers, {DAYS} days")
        click.echo(_LINE.format("model", "ratio", "WAPE", "WQL", "90 %", "80 %", "MAPE %", "seconds"))
        tables: dict[str, pd.DataFrame] = {}
        judged: dict[str, Judged] = {}
        seconds: dict[str, float] = {}
        for number, model in enumerate(models.split(",")):
            place = Path(folder) / str(number)
            place.mkdir()
            started = time.perf_counter()
            found = run_model(customers, model, jobs, place)
            seconds[model] = time.perf_counter() - started
            new = {name: table for name, table in found.items() if name not in tables}
            judged |= {name: judge(name, table, customers, found["seasonal_naive"]) for name, table in new.items()}
            tables |= new
            for name in new:
                click.echo(_line(judged[name], seconds.get(name)))
            click.echo(f"{model}: {seconds[model]:.0f} s in all")
        if per_customer:
            best = min(judged, key=lambda name: judged[name].ratio)
            click.echo(f"each customer, {best}")
            click.echo(_each(tables[best], customers, tables["seasonal_naive"]).to_string(float_format="{:.3f}".format))
    report(_verdicts(judged, seconds))


def load_customers(data: Path, folder: Path, frequency: int = 60) -> Customers:
    """Run the customers' files through the ETL, and read them as they are, too."""
    result = etl_customers(
        customers_folder=data,
        smart_meter_description_csv=None,
        resolution=60,
        timezone=ZONE,
        out_csv=folder / "clean.csv",
        workspace=folder,
    )
    readings = result.outputs[READINGS]
    sectors = read_sectors(data, read_layout(None))
    panel = read_panel(folder / "clean.csv", readings, frequency, ZONE)
    return Customers(panel, {str(k): str(v).strip() for k, v in sectors.items()}, _actual(data))


def _actual(data: Path) -> pd.DataFrame:
    """`meter_id, timestamp_utc, actual_kwh` as the files have them."""
    parts = []
    for path in find_files(data):
        table = pd.read_csv(path, usecols=["Fecha", "Active_energy"], parse_dates=["Fecha"])
        stamps = table["Fecha"].dt.tz_localize(ZONE).dt.tz_convert("UTC").dt.as_unit("us")
        meter = f"Cliente {path.stem.removeprefix('DATOSCLIENTE')}"
        parts.append(pd.DataFrame({"meter_id": meter, "timestamp_utc": stamps, "actual_kwh": table["Active_energy"]}))
    return pd.concat(parts, ignore_index=True)


def run_model(customers: Customers, model: str, jobs: int, folder: Path) -> dict[str, pd.DataFrame]:
    """The backtest of a model, and of those that it needs; figures, tables and served models are made, too."""
    request = Request(model=model, timezone=ZONE, backtest_days=DAYS)
    result = forecast_panel(customers.panel, customers.sectors, None, request, Work(jobs, "", folder))
    chosen = {"auto": result.tags["chosen_model"]}.get(model)
    if chosen:
        click.echo(f"auto chose {chosen}")
    children = {child.run_name: child.outputs["backtest"] for child in result.children}
    return {name: pd.read_parquet(path) for name, path in children.items()}


def judge(model: str, table: pd.DataFrame, customers: Customers, naive: pd.DataFrame) -> Judged:
    """Measure forecasts against the files."""
    each = _each(table, customers, naive)
    return Judged(
        model,
        float(np.exp(np.log(each["ratio"]).mean())),
        *(float(each[name].median()) for name in ("wape", "loss")),
        *(float(each[name].mean()) for name in ("within_90", "within_80")),
        float(each["mape_percent"].median()),
    )


def _each(table: pd.DataFrame, customers: Customers, naive: pd.DataFrame) -> pd.DataFrame:
    """Errors of each customer, from the files' own values."""
    keys = ["meter_id", "timestamp_utc"]
    naive = naive[[*keys, "energy_kwh"]].rename(columns={"energy_kwh": "naive_kwh"})
    joined = table.drop(columns="actual_kwh").merge(customers.actual, on=keys).merge(naive, on=keys)
    if len(joined) != len(table) or joined["actual_kwh"].isna().any():
        raise click.ClickException("what was forecast is not in the files")
    return pd.DataFrame({meter: _errors(part) for meter, part in joined.groupby("meter_id")}).T


def _errors(part: pd.DataFrame) -> dict[str, float]:
    days = part["timestamp_utc"].dt.tz_convert(ZONE).dt.date.nunique()
    if days != DAYS or len(part) != 24 * DAYS:
        raise click.ClickException(f"customer {part['meter_id'].iloc[0]}: {days} days, {len(part)} hours")
    actual, used = part["actual_kwh"], part["actual_kwh"].abs().sum()
    wape = (actual - part["energy_kwh"]).abs().sum() / used
    losses = [
        np.maximum(level * (actual - part[column]), (level - 1) * (actual - part[column])).sum()
        for level, column in zip(LEVELS, QUANTILE_COLUMNS, strict=True)
    ]
    not_zero = actual != 0
    return {
        "wape": wape,
        "ratio": wape / ((actual - part["naive_kwh"]).abs().sum() / used),
        "loss": 2 * float(np.mean(losses)) / used,
        "within_90": float(actual.between(part["energy_kwh_p05"], part["energy_kwh_p95"]).mean()),
        "within_80": float(actual.between(part["energy_kwh_p10"], part["energy_kwh_p90"]).mean()),
        "mape_percent": float(100 * ((actual - part["energy_kwh"]) / actual)[not_zero].abs().mean()),
    }


def _line(one: Judged, seconds: float | None) -> str:
    took = "" if seconds is None else f"{seconds:.0f}"
    shares = (f"{value:.2%}" for value in (one.wape, one.loss, one.coverage, one.coverage_80))
    return _LINE.format(one.model, f"{one.ratio:.4f}", *shares, f"{one.mape_percent:.1f}", took)


def _verdicts(judged: dict[str, Judged], seconds: dict[str, float]) -> list[tuple[bool, str]]:
    best = judged.get("xgboost") or min(judged.values(), key=lambda one: one.ratio)
    low, high = COVERAGE
    verdicts = [
        (best.ratio <= RATIO, f"{best.model}: ratio to seasonal naive {best.ratio:.4f} (bar {RATIO})"),
        (best.wape <= WAPE, f"{best.model}: median WAPE {best.wape:.2%} (bar {WAPE:.1%})"),
        (best.loss <= LOSS, f"{best.model}: median weighted quantile loss {best.loss:.2%} (bar {LOSS:.1%})"),
        (
            low <= best.coverage <= high,
            f"{best.model}: 90 % band covers {best.coverage:.2%} (bar {low:.0%}-{high:.0%})",
        ),
    ]
    verdicts += [
        (seconds[model] < SECONDS[model], f"{model}: {seconds[model]:.0f} s (bar {SECONDS[model]})")
        for model in LEARNERS
        if model in seconds
    ]
    return verdicts
