"""Tables of one customer to download: hours with forecasts, days, voltages; all rows, in the step they have."""

import numpy as np
import pandas as pd

from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.pages import customer_series as cs
from loadprofiles.dashboard.series import load_series


def consumption_table(context: Context) -> pd.DataFrame:
    """Every reading of the period beside its forecast; empty where no customer is chosen.

    Where forecasts are of other intervals than readings, they are in `forecasts_table`.
    """
    data, meter, window = context.data, context.view.customer, cs.period_window(context)
    columns = ["timestamp_utc", "timestamp_local", "energy_kwh", "quality", *cs.FORECAST, "outside"]
    if not meter:
        return pd.DataFrame(columns=columns)
    rows = _readings_rows(context, window)
    found = cs.forecasts(data, meter, window)
    step = rows["timestamp_utc"].diff().median()
    if step == pd.Timedelta(cs.forecast_minutes(data), "min"):
        joined = found[["timestamp_utc", *cs.FORECAST, "outside"]]
        rows = rows.merge(joined, on="timestamp_utc", how="outer").sort_values("timestamp_utc")
    return _with_local(rows, data.cube.timezone).reindex(columns=columns)


def _readings_rows(context: Context, window: cs.Window) -> pd.DataFrame:
    """`timestamp_utc, energy_kwh, quality` of each reading; of a customer known by its profiles alone, of each hour."""
    data, meter = context.data, context.view.customer
    timezone, readings = data.cube.timezone, cs.readings_of(data, meter)
    if readings is None:
        hourly = cs.hourly_energy(data, meter, window)
        local = pd.DatetimeIndex(hourly.walls).tz_localize(timezone, ambiguous=np.ones(len(hourly.walls), np.bool_))
        rows = pd.DataFrame({"timestamp_utc": local.tz_convert("UTC"), "energy_kwh": hourly.kwh, "quality": ""})
        return rows[hourly.asked]
    series = load_series(readings, meter, timezone, window.first, window.last, columns=())
    series = series[cs.asked_hours(series["timestamp_local"].dt.hour, window.hours)]
    rows = series.assign(timestamp_utc=series["timestamp_local"].dt.tz_convert("UTC"))
    return rows[["timestamp_utc", "energy_kwh", "quality"]]


def forecasts_table(context: Context) -> pd.DataFrame:
    """Every forecast of the period beside what was metered; empty where no customer is chosen."""
    columns = ["timestamp_utc", "timestamp_local", *cs.FORECAST, "actual_kwh", "outside"]
    if not context.view.customer:
        return pd.DataFrame(columns=columns)
    found = cs.forecasts(context.data, context.view.customer, cs.period_window(context))
    return _with_local(found, context.data.cube.timezone)[columns]


def days_table(context: Context) -> pd.DataFrame:
    """Every whole day of the period; empty where no customer is chosen."""
    return cs.daily_energy(context) if context.view.customer else pd.DataFrame()


def voltages_table(context: Context) -> pd.DataFrame:
    """Every voltage of the period; empty where no customer is chosen."""
    if not context.view.customer:
        return pd.DataFrame(columns=["timestamp_utc", "timestamp_local"])
    series = cs.voltages(context.data, context.view.customer, cs.period_window(context))
    series = series[cs.asked_hours(series["timestamp_local"].dt.hour, context.view.hours)]
    series.insert(0, "timestamp_utc", series["timestamp_local"].dt.tz_convert("UTC"))
    return series


def _with_local(rows: pd.DataFrame, timezone: str) -> pd.DataFrame:
    return rows.assign(timestamp_local=rows["timestamp_utc"].dt.tz_convert(timezone))
