"""Flags: pure functions from readings to booleans, combined by the caller; they edit nothing."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

PLAUSIBLE_FROM = pd.Timestamp("2000-01-01", tz="UTC")
"""No meter of interval data is older; clocks that lost their battery say 1970."""

MINUTES_A_DAY = 1440


def flag_implausible_year(timestamps: pd.Series, now: pd.Timestamp) -> Flags:
    """Stamps before PLAUSIBLE_FROM or more than a day after `now` (real dumps hold 1970 and 2040)."""
    until = now + pd.Timedelta(days=1)
    return np.asarray((timestamps < PLAUSIBLE_FROM) | (timestamps > until))


def flag_repeated(rows: pd.DataFrame) -> Flags:
    """Rows that a later row repeats in every column."""
    return np.asarray(rows.duplicated(keep="last"))


def flag_superseded(timestamps: pd.Series) -> Flags:
    """Rows whose stamp a later row has too: the later document wins."""
    return np.asarray(timestamps.duplicated(keep="last"))


def infer_step_minutes(timestamps: pd.Series) -> int | None:
    """The most frequent distance of consecutive sorted stamps, in minutes; None if it divides no day."""
    steps = timestamps.diff().dropna()
    if steps.empty:
        return None
    seconds = int(steps.dt.total_seconds().mode().iloc[0])
    minutes = seconds // 60
    divides_a_day = seconds % 60 == 0 and minutes > 0 and MINUTES_A_DAY % minutes == 0
    return minutes if divides_a_day else None


def flag_off_grid(timestamps: pd.Series, step_minutes: int) -> Flags:
    """Stamps that do not lie on the grid of `step_minutes` on which most stamps lie."""
    seconds = timestamps.astype("int64") // 1_000_000
    offset = seconds % (60 * step_minutes)
    return np.asarray(offset != offset.mode().iloc[0])


def flag_above_limit(energy_kwh: Floats, limit_kw: float, step_minutes: int, missed: Any) -> Flags:
    """Energy above what `limit_kw` gives in the interval and the `missed` ones before it (DESIGN.md, 6)."""
    return np.asarray(energy_kwh > limit_kw * step_minutes / 60 * (missed + 1))


def gap_lengths(missing: Flags) -> npt.NDArray[np.int64]:
    """For each position the length of the run of missing steps it lies in; 0 where nothing is missing."""
    starts = np.flatnonzero(missing & ~np.r_[False, missing[:-1]])
    ends = np.flatnonzero(missing & ~np.r_[missing[1:], False])
    lengths = np.zeros(len(missing), dtype=np.int64)
    lengths[missing] = np.repeat(ends - starts + 1, ends - starts + 1)
    return lengths


def missed_before(missing: Flags) -> npt.NDArray[np.int64]:
    """For each position the number of missing steps right before it."""
    before = np.r_[0, gap_lengths(missing)[:-1]]
    return np.asarray(np.where(missing, 0, before), dtype=np.int64)
