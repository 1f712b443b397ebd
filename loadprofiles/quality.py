"""Flags: pure functions from readings to booleans, combined by the caller; they edit nothing."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

PLAUSIBLE_FROM = pd.Timestamp("2000-01-01", tz="UTC")
"""No meter of interval data is older; clocks that lost their battery say 1970."""

MINUTES_A_DAY = 1440

SPIKE_EXCESS = 1.8
_PEAKS = 3

_EQUAL_KWH = 2e-6
_FINE = 10

_COMPARED_DAYS = 28
_LEAST_DAYS = 5
_LEAST_COUNTS = 4

NOON_HOURS = (10, 15)
MIDNIGHT_HOURS = (20, 4)


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


def runs(flags: Flags) -> list[tuple[int, int]]:
    """Start (inclusive) and end (exclusive) of each run of flagged positions."""
    edges = np.flatnonzero(np.diff(np.r_[False, flags, False].astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def gap_lengths(missing: Flags) -> Ints:
    """For each position the length of the run of missing steps it lies in; 0 where nothing is missing."""
    edges = np.flatnonzero(np.diff(np.r_[False, missing, False].astype(np.int8))).reshape(-1, 2)
    length = edges[:, 1] - edges[:, 0]
    lengths = np.zeros(len(missing), dtype=np.int64)
    lengths[missing] = np.repeat(length, length)
    return lengths


def missed_before(missing: Flags) -> Ints:
    """For each position the number of missing steps right before it."""
    before = np.r_[0, gap_lengths(missing)[:-1]]
    return np.asarray(np.where(missing, 0, before), dtype=np.int64)


def flag_out_of_order(timestamps: pd.Series) -> Flags:
    """Rows whose stamp is earlier than one that came before them in the file."""
    moments = timestamps.astype("int64").to_numpy()
    return np.asarray(moments < np.maximum.accumulate(moments)) if len(moments) else np.zeros(0, dtype=np.bool_)


def flag_spikes(energy_kwh: Floats, day: Ints) -> Flags:
    """The highest interval of a day that lies more than 180 % above the day's third highest.

    The spike check of the California rules for validating interval data (Direct Access Standards for Metering and
    Meter Data, 2000), day by day; a day whose third peak is not positive cannot be judged.

    Args:
        energy_kwh: Energies, NaN where unknown, shape (n,).
        day: Number of the local day of each, ascending from 0, shape (n,).
    """
    first, third = _peaks_of_days(energy_kwh, day)
    judged = third >= 0
    top, low = energy_kwh[first[judged]], energy_kwh[third[judged]]
    flags = np.zeros(len(energy_kwh), dtype=np.bool_)
    flags[first[judged][(low > 0) & (top - low > SPIKE_EXCESS * low)]] = True
    return flags


def third_peaks(energy_kwh: Floats, day: Ints) -> Floats:
    """The third highest energy of each day in kWh; 0 where fewer are known, or it is negative. Shape (days,)."""
    _, third = _peaks_of_days(energy_kwh, day)
    return np.where(third >= 0, np.maximum(energy_kwh[third], 0.0), 0.0)


def _peaks_of_days(energy_kwh: Floats, day: Ints) -> tuple[Ints, Ints]:
    """Positions of each day's highest and third highest known energy; -1 where it has fewer than three."""
    known = np.flatnonzero(~np.isnan(energy_kwh))
    order = known[np.lexsort((-energy_kwh[known], day[known]))]
    days = np.arange(int(day.max(initial=-1)) + 1)
    starts, ends = np.searchsorted(day[order], days), np.searchsorted(day[order], days, side="right")
    enough = ends - starts >= _PEAKS
    first, third = np.full(len(days), -1), np.full(len(days), -1)
    first[enough], third[enough] = order[starts[enough]], order[starts[enough] + _PEAKS - 1]
    return first, third


def flag_flat_line(energy_kwh: Floats, least_steps: int) -> Flags:
    """At least `least_steps` equal energies in a row, not 0, of a meter whose energies are finer than that.

    A coarse counter repeats small values by nature: a run counts only where its value is at least `_FINE` times the
    resolution of the series.
    """
    rounded = np.round(energy_kwh, 6)
    same = np.r_[False, np.abs(np.diff(rounded)) <= _EQUAL_KWH]
    flags = np.zeros(len(energy_kwh), dtype=np.bool_)
    resolution = _resolution(rounded)
    for start, end in runs(same):
        value = abs(rounded[start])
        if end - start + 1 >= least_steps and value >= _FINE * resolution:
            flags[start - 1 : end] = True
    return flags


def _resolution(energy_kwh: Floats) -> float:
    """The least distance of two different energies of a series; 0 where there are none."""
    values = np.unique(energy_kwh[~np.isnan(energy_kwh)])
    steps = np.diff(values)
    steps = steps[steps > _EQUAL_KWH]
    return float(steps.min()) if len(steps) else 0.0


def flag_unusual_zeros(energy_kwh: Floats, least_steps: int, steps_a_day: int) -> Flags:
    """Zeros for at least `least_steps` at times of day at which the meter uses something on all other days.

    A run of zeros is held against the same hours up to four weeks before and after it: where on any of those
    days, too, the meter counted hardly ever, or too few can be compared, nothing is flagged. What counts is how
    often it counted, not how much: a standby load tells that a meter works.

    Args:
        energy_kwh: Energies (of registers, import plus export), NaN where unknown, shape (n,).
        least_steps: Shorter runs are not looked at.
        steps_a_day: Intervals of 24 hours.
    """
    flags = np.zeros(len(energy_kwh), dtype=np.bool_)
    zero = energy_kwh == 0
    known = np.cumsum(np.r_[0, ~np.isnan(energy_kwh)])
    counted = np.cumsum(np.r_[0, ~zero & ~np.isnan(energy_kwh)])
    shifts = steps_a_day * np.r_[-_COMPARED_DAYS:0, 1 : _COMPARED_DAYS + 1]
    for start, end in runs(zero):
        if end - start < least_steps:
            continue
        others = shifts[(start + shifts >= 0) & (end + shifts <= len(zero))]
        others = others[(np.abs(others) >= end - start) & (known[end + others] - known[start + others] == end - start)]
        counts = counted[end + others] - counted[start + others]
        if len(counts) >= _LEAST_DAYS and counts.min() >= _LEAST_COUNTS:
            flags[start:end] = True
    return flags


def flag_production_at_night(energy_kwh: Floats, local_hours: Ints) -> Flags:
    """Exported energy of a meter that exports by night and not by day: its clock or zone is wrong.

    Flagged are the intervals with export, if hours around noon have next to none of it and those around midnight most.
    """
    exported = np.nan_to_num(np.maximum(-energy_kwh, 0.0))
    total = float(exported.sum())
    by_day = float(exported[(local_hours >= NOON_HOURS[0]) & (local_hours < NOON_HOURS[1])].sum())
    by_night = float(exported[(local_hours >= MIDNIGHT_HOURS[0]) | (local_hours < MIDNIGHT_HOURS[1])].sum())
    wrong = total > 0 and by_day < 0.1 * total and by_night > 0.5 * total
    return np.asarray((exported > 0) & wrong)
