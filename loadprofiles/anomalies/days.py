"""A meter's readings as local days of 24 hours: what detectors, rules and attacks work on."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles.forecasting.panel import Grid, make_grid, sum_columns
from loadprofiles.readings import ESTIMATED_INTERPOLATED, MEASURED, QUALITY

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
_Kind = TypeVar("_Kind", bound=np.generic)

HOURS = 24
HOUR_MINUTES = 60

_EPOCH = date(1970, 1, 1)
_REACTIVE = "reactive_energy_kvarh"
_KNOWN = np.array([name in (MEASURED, ESTIMATED_INTERPOLATED) for name in QUALITY])


@dataclass(frozen=True, eq=False)
class MeterDays:
    """One meter's consecutive local days, hour by hour; an hour that is not known is NaN.

    When clocks change, an hour's energy is brought to 60 minutes and the skipped hour is not known
    (`forecasting.panel`).

    Attributes:
        meter_id: The meter.
        first_day: Day 0, as days since 1970-01-01.
        active_kwh: Shape (days, 24).
        reactive_kvarh: Shape (days, 24); None where the meter has none.
        voltage_v: Shape (phases, days, 24); no phases where the meter has none.
        doubted: Hours whose energy the VEE has rejected, edited or estimated over long, shape (days, 24).
    """

    meter_id: str
    first_day: int
    active_kwh: Floats
    reactive_kvarh: Floats | None
    voltage_v: Floats
    doubted: Flags

    def __len__(self) -> int:
        return len(self.active_kwh)

    def date_of(self, day: int) -> date:
        """The calendar date of a day of ours."""
        return _EPOCH + timedelta(days=self.first_day + day)

    def until(self, day: int) -> "MeterDays":
        """The days before `day`."""
        return self.between(0, day)

    def between(self, first: int, last: int) -> "MeterDays":
        """The days from `first` to before `last`."""
        return replace(
            self,
            first_day=self.first_day + first,
            active_kwh=self.active_kwh[first:last],
            reactive_kvarh=None if self.reactive_kvarh is None else self.reactive_kvarh[first:last],
            voltage_v=self.voltage_v[:, first:last],
            doubted=self.doubted[first:last],
        )


def day_number(day: date) -> int:
    """Days since 1970-01-01."""
    return (day - _EPOCH).days


def days_of(tables: Iterable[pd.DataFrame], timezone: str) -> Iterator[MeterDays]:
    """Each meter's days, from the first to the last that its readings may cover from end to end.

    A day that has begun, or in which the readings begin, is no day with a gap. A meter without a whole day has none.

    Args:
        tables: Readings, each of one meter, sorted by time: `meter_id, timestamp_utc, energy_kwh` at least.
        timezone: IANA name of the zone whose days are meant.

    Raises:
        ParameterError: A meter is read at intervals that are no part of an hour.
    """
    for table in tables:
        if len(table):
            days = _meter_days(table, timezone)
            if len(days):
                yield days


def _meter_days(table: pd.DataFrame, timezone: str) -> MeterDays:
    stamps = table["timestamp_utc"]
    grid = make_grid(stamps.iloc[0], stamps.iloc[-1], HOUR_MINUTES, timezone)
    voltages = [str(name) for name in table.columns if str(name).startswith("voltage_")]
    has_reactive = _REACTIVE in table.columns and bool(table[_REACTIVE].notna().any())
    columns = ("energy_kwh", *([_REACTIVE] if has_reactive else []))
    energies = [sums for sums, _ in sum_columns(table, grid, columns)]
    lengths = grid.lengths
    steps = grid.step_of(pd.DatetimeIndex(stamps).as_unit("us").asi8[[0, -1]])
    # an hour that is begun is taken for one that is over: readings may be of any length
    first, last = -(-int(steps[0]) // HOURS), (int(steps[1]) + 1) // HOURS
    days = MeterDays(
        meter_id=str(table["meter_id"].iloc[0]),
        first_day=grid.first_day,
        active_kwh=_hours(energies[0]),
        reactive_kvarh=_hours(energies[1]) if has_reactive else None,
        voltage_v=np.array([_means(table, name, grid) for name in voltages]).reshape(
            len(voltages), grid.n_steps // HOURS, HOURS
        ),
        doubted=_doubted(table, grid) & _hours(lengths > 0),
    )
    return days.between(first, last)


def _hours(values: npt.NDArray[_Kind]) -> npt.NDArray[_Kind]:
    return values.reshape(-1, HOURS)


def _means(table: pd.DataFrame, name: str, grid: Grid) -> Floats:
    """Hourly means of a column that is no sum."""
    known = table[name].notna().to_numpy()
    steps = grid.step_of(pd.DatetimeIndex(table["timestamp_utc"][known]).as_unit("us").asi8)
    counts = np.bincount(steps, minlength=grid.n_steps)
    sums = np.bincount(steps, table[name].to_numpy(dtype=np.float64)[known], grid.n_steps)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _doubted(table: pd.DataFrame, grid: Grid) -> Flags:
    if "quality" not in table.columns:
        return np.zeros((grid.n_steps // HOURS, HOURS), dtype=np.bool_)
    doubted = ~_KNOWN[pd.Categorical(table["quality"], categories=list(QUALITY)).codes]
    steps = grid.step_of(pd.DatetimeIndex(table["timestamp_utc"][doubted]).as_unit("us").asi8)
    return _hours(np.bincount(steps, minlength=grid.n_steps) > 0)
