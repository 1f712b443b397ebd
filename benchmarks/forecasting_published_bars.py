"""`benchmarks.forecasting published`: the earlier system's protocol, its rows again, and ours beside them."""

import os
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd

from benchmarks.bars import report
from benchmarks.forecasting_day_ahead import ZONE, Customers, load_customers
from benchmarks.forecasting_published import (
    CUSTOMERS,
    Row,
    corrections_table,
    judged_values,
    read_customer,
    read_rows,
    reproduction_table,
)
from loadprofiles.forecasting.engine import Work
from loadprofiles.forecasting.panel import frequency_minutes
from loadprofiles.forecasting.step import Request, forecast_panel

MEDIAN, MEAN = 5.6, 7.6
REPRODUCED = 1e-6


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=CUSTOMERS, show_default=True, help="The customers.")
@click.option("--model", default="online", show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
@click.option("--ours-only", is_flag=True, help="Leave out the earlier system's models.")
def published(data: Path, model: str, jobs: int, ours_only: bool) -> None:
    """MAPE one interval ahead, each customer at its own frequency, on the last tenth of the whole series."""
    verdicts = []
    if not ours_only:
        differences = reproduction_table(data)["difference"].abs()
        verdicts.append(
            (differences.max() <= REPRODUCED, f"its XGBoost rows again, to {differences.max():.1e} (bar 1e-6)")
        )
        corrections_table(data)
    table = ours(data, model, jobs)
    click.echo(table.to_string(float_format="{:.2f}".format))
    own, longer = table["mape_percent"], table["mape_percent_last_tenth"]
    click.echo(f"last tenth for the LSTM's customers, too: median {longer.median():.2f} %, mean {longer.mean():.2f} %")
    verdicts += [
        (own.median() <= MEDIAN, f"{model}: median MAPE {own.median():.2f} % (bar {MEDIAN})"),
        (own.mean() <= MEAN, f"{model}: mean MAPE {own.mean():.2f} % (bar {MEAN})"),
    ]
    report(verdicts)


def ours(data: Path, model: str, jobs: int) -> pd.DataFrame:
    """Our model's MAPE on the buckets that the earlier system was judged on, a row a customer.

    One model a frequency over all customers; it sees nothing from the bucket on that it forecasts.
    """
    rows = read_rows(data / "published_results.csv")
    parts = []
    with tempfile.TemporaryDirectory(prefix="benchmark-") as folder:
        for number, frequency in enumerate(sorted({row.frequency for row in rows})):
            place = Path(folder) / str(number)
            place.mkdir()
            started = time.perf_counter()
            table = _forecasts(data, frequency, model, jobs, place)
            click.echo(f"{frequency}: {time.perf_counter() - started:.0f} s")
            parts += [_judged(row, data, table) for row in rows if row.frequency == frequency]
    return pd.DataFrame(parts).set_index("customer").sort_index()


def _forecasts(data: Path, frequency: str, model: str, jobs: int, folder: Path) -> pd.DataFrame:
    """Forecasts one interval ahead of the last tenth of every customer's series, and some more."""
    minutes = frequency_minutes(frequency)
    customers: Customers = load_customers(data, folder, minutes)
    days = int(np.ceil(0.11 * (customers.panel.ends.max() * minutes / 1440)))
    request = Request(model=model, frequency=frequency, horizon=minutes / 60, backtest_days=days, timezone=ZONE)
    result = forecast_panel(customers.panel, customers.sectors, None, request, Work(jobs, "", folder))
    return pd.read_parquet(result.outputs["backtest"])


def _judged(row: Row, data: Path, table: pd.DataFrame) -> dict[str, object]:
    own = table[table["meter_id"] == f"Cliente {row.customer}"].set_index("timestamp_utc")["energy_kwh"]
    frame = read_customer(row.customer, data)
    return {
        "customer": row.customer,
        "frequency": row.frequency,
        "earlier": row.model,
        "mape_percent": _mape(judged_values(frame, row), own),
        "mape_percent_last_tenth": _mape(judged_values(frame, row, as_xgb=True), own),
    }


def _mape(actual: pd.Series, forecasts: pd.Series) -> float:
    stamps = pd.DatetimeIndex(actual.index).tz_localize(ZONE).tz_convert("UTC")
    found = forecasts.reindex(stamps).to_numpy()
    if np.isnan(found).any():
        raise click.ClickException(f"{np.isnan(found).sum()} of {len(found)} buckets have no forecast")
    return float(100 * np.mean(np.abs((actual.to_numpy() - found) / actual.to_numpy())))
