"""One meter's readings for a chart: read when asked for, and thinned to what a screen can show."""

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from threading import Lock

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles.errors import InputError, ParameterError
from loadprofiles.profiles import midnight_utc
from loadprofiles.readings import StoredReadings
from loadprofiles.tables import require_columns

LEAST_POINTS = 5
"""A first, a last, and of what lies between, the smallest, the largest and a gap."""

_METERS_KEPT = 8
_READING = Lock()
"""A Readings table keeps what it read last, so two threads must not read of it at once."""


def downsampled(stamps: pd.DatetimeIndex, values: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.intp]:
    """Which points of a line to draw, so that it looks as if all were.

    The time is cut into parts of equal length. Of each the smallest and the largest value are kept, and one that is
    not known, if there is any: a gap stays a gap. (Min-max aggregation: Jugel et al. 2014, "M4: A
    Visualization-Oriented Time Series Data Aggregation", section 4; their first and last of each part are left out.)

    Args:
        stamps: When, ascending.
        values: The line, NaN where it is not known.
        most: How many points are drawn at the most, at least `LEAST_POINTS`; if there are not more, all are.

    Returns:
        Their positions, ascending; the first and the last point are among them.

    Raises:
        ParameterError: `most` is too small.
    """
    if most < LEAST_POINTS:
        raise ParameterError(f"a line of {most} points shows nothing; take at least {LEAST_POINTS}")
    if len(values) <= most:
        return np.arange(len(values))
    unknown = np.isnan(values)
    n_parts = (most - 2) // (3 if unknown.any() else 2)
    moments = stamps.asi8 - stamps.asi8[0]
    parts = moments // (moments[-1] // n_parts + 1)
    starts = np.flatnonzero(np.diff(parts, prepend=-1))
    part = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(values)))
    # `fmin` and `fmax` pass over NaN
    smallest, largest = (extreme.reduceat(values, starts)[part] for extreme in (np.fmin, np.fmax))
    marks = (_first_of_each(where, part) for where in (values == smallest, values == largest, unknown))
    return np.unique(np.concatenate([[0, len(values) - 1], *marks]))


def _first_of_each(where: npt.NDArray[np.bool_], part: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """The first position of each part at which `where` is true."""
    positions = np.flatnonzero(where)
    return positions[np.unique(part[positions], return_index=True)[1]]


def load_series(
    readings: StoredReadings,
    meter: str,
    timezone: str,
    first_day: date | None = None,
    last_day: date | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """The readings of one meter in a period; those of the meters asked for last stay in memory.

    Any number of threads may ask at once.

    Args:
        readings: Where the meter is.
        meter: Its name.
        timezone: IANA name of the zone whose days are meant.
        first_day: The first local day; None: from the first reading on.
        last_day: The last local day, which is included; None: to the last reading.
        columns: Optional columns of the Readings, such as voltages; None: all there are.

    Returns:
        `timestamp_local`, when the interval starts, with its zone; `energy_kwh`, `quality`, and the optional columns.

    Raises:
        InputError: There is no such meter or column, or a file cannot be read.
    """
    if columns is not None:
        require_columns(pd.DataFrame(columns=list(readings.optional)), tuple(columns), readings.path)
    with _READING:
        table = _whole(readings, meter)
    stamps = pd.DatetimeIndex(table["timestamp_utc"])
    start = 0 if first_day is None else stamps.searchsorted(midnight_utc(first_day, timezone))
    end = len(table) if last_day is None else stamps.searchsorted(midnight_utc(last_day, timezone, days=1))
    optional = readings.optional if columns is None else columns
    part = table[["energy_kwh", "quality", *optional]].iloc[start:end].reset_index(drop=True)
    part.insert(0, "timestamp_local", stamps[start:end].tz_convert(timezone))
    return part


@lru_cache(_METERS_KEPT)
def _whole(readings: StoredReadings, meter: str) -> pd.DataFrame:
    """All readings of a meter, of the columns that a chart shows."""
    if meter not in readings.meters:
        raise InputError(f"{readings.path}: has no readings of {meter!r}; choose another meter")
    return readings.read([meter]).drop(columns=["meter_id", "energy_kwh_raw"])
