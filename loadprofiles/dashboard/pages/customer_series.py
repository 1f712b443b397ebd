"""What the consumption page draws of one customer: hours, forecasts, days and voltages, in local time.

Times are those of the wall clock, without a zone, as plotly draws them: an hour that comes twice is drawn once.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles.anomalies.days import HOUR_MINUTES, HOURS, day_number
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.data import Data
from loadprofiles.dashboard.series import load_series
from loadprofiles.forecasting.measures import BANDS, quantile_column
from loadprofiles.forecasting.panel import Grid, frequency_minutes
from loadprofiles.profiles import midnight_utc
from loadprofiles.readings import MEASURED, StoredReadings
from loadprofiles.results import Results

RECENT_DAYS: Final = 35
"""Days whose hours are drawn where no period is chosen."""

BAND_PERCENT: Final = 90

FORECAST: Final = ["forecast_kwh", "low_kwh", "high_kwh"]

_LOW, _HIGH = (quantile_column(level) for level in BANDS[BAND_PERCENT])
_FREQUENCY = "1h"
_METERS_KEPT = 8
_PERIODS_KEPT = 16

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Walls = npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class Window:
    """A stretch of local days, and hours of each.

    Attributes:
        first: The first day.
        last: The last day; None: to the end of readings and forecasts.
        hours: Of the day, the first, and one past the last.
    """

    first: date
    last: date | None
    hours: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Hourly:
    """The energy of a customer hour by hour.

    Attributes:
        walls: When each hour starts.
        kwh: Its energy, of one that comes twice the mean; NaN where it is not known or not asked for.
        asked: Whether the hour of the day is asked for.
    """

    walls: Walls
    kwh: Floats
    asked: Flags


def period_window(context: Context) -> Window:
    """The period of the view; where it reaches the last day of the run, forecasts beyond it are in it."""
    view, cube = context.view, context.data.cube
    last = None if view.last is None or view.last >= cube.last_day else view.last
    return Window(view.first or cube.first_day, last, view.hours)


def drawn_window(context: Context) -> Window:
    """The days whose hours are drawn: the period, or if none is chosen, the last weeks of the customer."""
    if context.view.first or context.view.last:
        return period_window(context)
    return Window(days_before_end(context, RECENT_DAYS), None, context.view.hours)


def days_before_end(context: Context, days: int) -> date:
    """The first of so many days that end with the customer's last; none before its first."""
    first, energy = context.data.cube.hourly(context.view.customer)
    return first + timedelta(days=max(0, len(energy) - days))


def hours_there(timezone: str, first: date, n_days: int) -> Floats:
    """How long each hour of some days lasts, in hours, shape (days, 24): 0 where the clock skips it."""
    return _lengths(timezone, day_number(first), n_days)


@lru_cache(_PERIODS_KEPT)
def _lengths(timezone: str, first_day: int, n_days: int) -> Floats:
    return Grid(HOUR_MINUTES, timezone, first_day, n_days * HOURS).lengths.reshape(n_days, HOURS)


def hourly_energy(data: Data, meter: str, window: Window) -> Hourly:
    """The energy of a customer in a window, as far as there are days."""
    first, energy = data.cube.hourly(meter, first_day=window.first, last_day=window.last, hours=window.hours)
    lengths = hours_there(data.cube.timezone, first, len(energy)).ravel()
    there = lengths > 0
    walls = np.datetime64(first, "m") + np.arange(len(lengths)) * np.timedelta64(HOUR_MINUTES, "m")
    asked = np.tile(asked_hours(np.arange(HOURS), window.hours), len(energy))
    kwh = energy.ravel()[there].astype(np.float64) / lengths[there]
    return Hourly(walls[there], kwh, asked[there])


def not_measured(data: Data, meter: str, window: Window, walls: Walls) -> Flags:
    """Whether energy of an hour was estimated or edited, for each of some hours."""
    readings = readings_of(data, meter)
    if readings is None:
        return np.zeros(len(walls), np.bool_)
    series = load_series(readings, meter, data.cube.timezone, window.first, window.last, columns=())
    doubted = series.loc[(series["quality"] != MEASURED) & series["energy_kwh"].notna(), "timestamp_local"]
    return np.isin(walls, to_walls(doubted).astype("datetime64[h]"))


def forecast_minutes(data: Data) -> int:
    """How long an interval of the forecasts is."""
    return frequency_minutes(data.results.params.get("frequency", _FREQUENCY))


def forecasts(data: Data, meter: str, window: Window) -> pd.DataFrame:
    """The forecasts of a customer: of the backtest beside what was metered, and of the time after the readings.

    Returns:
        One row an interval: `timestamp_utc`, `timestamp_local` (of the wall clock, without a zone), `FORECAST` (the
        median and the 90 % band), `actual_kwh` (NaN: not known yet) and `outside`, whether that lies outside the band.
    """
    table = _forecasts(data.results, meter)
    timezone = data.cube.timezone
    wanted = table["timestamp_utc"] >= midnight_utc(window.first, timezone)
    if window.last is not None:
        wanted &= table["timestamp_utc"] < midnight_utc(window.last, timezone, days=1)
    local = pd.DatetimeIndex(table["timestamp_utc"]).tz_convert(timezone)
    wanted &= asked_hours(local.hour.to_numpy(), window.hours)
    table = table.assign(timestamp_local=local.tz_localize(None))
    outside = (table["actual_kwh"] < table["low_kwh"]) | (table["actual_kwh"] > table["high_kwh"])
    return table.assign(outside=outside)[wanted].reset_index(drop=True)


def backtest_days(data: Data, meter: str) -> tuple[date, date] | None:
    """The first and the last local day of a customer's backtest; None where there is none."""
    table = _forecasts(data.results, meter)
    stamps = table.loc[table["actual_kwh"].notna(), "timestamp_utc"]
    if stamps.empty:
        return None
    first, last = (stamp.tz_convert(data.cube.timezone).date() for stamp in (stamps.iloc[0], stamps.iloc[-1]))
    return first, last


@lru_cache(_METERS_KEPT)
def _forecasts(results: Results, meter: str) -> pd.DataFrame:
    """All forecasts of a customer, of each interval the latest."""
    names = {"energy_kwh": FORECAST[0], _LOW: FORECAST[1], _HIGH: FORECAST[2]}
    columns = ["origin_utc", "timestamp_utc", *names, "actual_kwh"]
    parts = [results.backtest_of(meter, columns), results.forecasts_of(meter, columns)]
    filled = [part.reindex(columns=columns) for part in parts if len(part)]
    if not filled:
        empty = pd.DataFrame(columns=[*FORECAST, "actual_kwh"], dtype="float64")
        return empty.assign(timestamp_utc=pd.DatetimeIndex([], tz="UTC"))
    table = pd.concat(filled, ignore_index=True).sort_values(["timestamp_utc", "origin_utc"])
    table = table.drop_duplicates("timestamp_utc", keep="last").rename(columns=names).drop(columns="origin_utc")
    return table.astype(dict.fromkeys([*FORECAST, "actual_kwh"], "float64"))


def daily_energy(context: Context) -> pd.DataFrame:
    """The whole days of a customer in the period: metered, expected, and what was found.

    Returns:
        One row a day: `date`, `energy_kwh` (of the hours that are known), `is_complete`, `expected_kwh`, `low_kwh` and
        `high_kwh`, the 90 % band, `alarm`, `fault` and `evidence`.
    """
    data, meter, window = context.data, context.view.customer, period_window(context)
    found = data.cube.daily(meter, first_day=window.first, last_day=window.last)
    first = found.dates[0].astype(date) if len(found.dates) else window.first
    there = hours_there(data.cube.timezone, first, len(found.dates)) > 0
    days = _judged_days(data.results, meter).reindex(found.dates.astype("datetime64[s]"))
    days = days.assign(
        alarm=days["alarm"].eq(True), fault=days["fault"].fillna(""), evidence=days["evidence"].fillna("")
    )
    days.insert(0, "energy_kwh", found.kwh)
    days.insert(1, "is_complete", found.known_hours >= there.sum(axis=1))
    return days.rename_axis("date").reset_index()


@lru_cache(_METERS_KEPT)
def _judged_days(results: Results, meter: str) -> pd.DataFrame:
    """What the days of a customer were judged by, indexed by date."""
    numbers = ["expected_kwh", "low_kwh", "high_kwh"]
    columns = ["date", *numbers, "alarm", "fault", "evidence"]
    table = results.judged_days_of(meter, columns).reindex(columns=columns)
    kinds = {"date": "datetime64[s]", **dict.fromkeys(numbers, "float64"), "fault": "object", "evidence": "object"}
    return table.astype(kinds).set_index("date")


def readings_of(data: Data, meter: str) -> StoredReadings | None:
    """The Readings, if the customer is in them."""
    readings = data.results.readings
    return readings if readings is not None and meter in readings.meters else None


def voltages(data: Data, meter: str, window: Window) -> pd.DataFrame:
    """The voltages of a customer on the days of a window, at all hours.

    Returns:
        One row a reading: `timestamp_local` with its zone, and those of the columns `voltage_*_v` that have a value;
        without such columns and rows where the customer has none.
    """
    readings = readings_of(data, meter)
    names = [name for name in (readings.optional if readings else ()) if name.startswith("voltage_")]
    if readings is None or not names:
        return pd.DataFrame({"timestamp_local": pd.DatetimeIndex([], tz=data.cube.timezone)})
    series = load_series(readings, meter, data.cube.timezone, window.first, window.last, names)
    return series[["timestamp_local", *(name for name in names if series[name].notna().any())]]


def asked_hours(hours: npt.NDArray[np.integer] | pd.Series, wanted: tuple[int, int]) -> Flags:
    """Whether hours of the day are among those asked for: from the first to before the last."""
    return np.asarray((hours >= wanted[0]) & (hours < wanted[1]), np.bool_)


def to_walls(stamps: pd.Series) -> Walls:
    """Moments by the wall clock of their zone."""
    return np.asarray(stamps.dt.tz_localize(None), dtype=np.datetime64)
