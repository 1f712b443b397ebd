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
_MICROSECONDS = 60_000_000

SPIKE_EXCESS = 1.8
_PEAKS = 3

_EQUAL_KWH = 2e-6
_FINE = 10
_LONGER = 2

_COMPARED_DAYS = 28
_FEW_NIGHTS = 0.2
_DARK_HOURS = (23, 5)
_BESIDE_DAYS = 7
_LEAST_DAYS = 5
_LEAST_COUNTS = 4

NOON_HOURS = (10, 15)
MIDNIGHT_HOURS = (20, 4)


def flag_implausible_year(timestamps: pd.Series, now: pd.Timestamp) -> Flags:
    """Stamps before PLAUSIBLE_FROM or more than a day after `now` (real dumps hold 1970 and 2040)."""
    until = now + pd.Timedelta(days=1)
    return np.asarray((timestamps < PLAUSIBLE_FROM) | (timestamps > until))


def flag_repeated(rows: pd.DataFrame, timestamps: pd.Series) -> Flags:
    """Rows that a later row repeats in every column; `timestamps` is one of them."""
    flags = _flag_equal(timestamps)
    if flags.any():  # comparing all columns of all rows costs more than all other checks
        flags[flags] = rows[flags].duplicated(keep="last")
    return flags


def flag_superseded(timestamps: pd.Series) -> Flags:
    """Rows whose stamp a later row has too: the later document wins."""
    if not _flag_equal(timestamps).any():
        return np.zeros(len(timestamps), dtype=np.bool_)
    return np.asarray(timestamps.duplicated(keep="last"))


def _flag_equal(timestamps: pd.Series) -> Flags:
    """Rows whose stamp another row has too."""
    if (np.diff(timestamps.astype("int64").to_numpy()) > 0).all():
        return np.zeros(len(timestamps), dtype=np.bool_)
    return np.array(timestamps.duplicated(keep=False))


def infer_step_minutes(timestamps: pd.Series) -> int | None:
    """The most frequent distance of consecutive sorted stamps, in minutes; None if it divides no day."""
    steps = np.diff(timestamps.astype("int64").to_numpy())
    if not len(steps):
        return None
    minutes, rest = divmod(_most_frequent(steps), _MICROSECONDS)
    divides_a_day = rest == 0 and minutes > 0 and MINUTES_A_DAY % minutes == 0
    return int(minutes) if divides_a_day else None


def _most_frequent(values: npt.NDArray[np.integer[Any]]) -> int:
    """The most frequent value, the least of several."""
    middle = int(np.partition(values, len(values) // 2)[len(values) // 2])
    if 2 * int((values == middle).sum()) > len(values):
        return middle  # nearly always, and found without sorting
    distinct, counts = np.unique(values, return_counts=True)
    return int(distinct[counts.argmax()])


def flag_off_grid(timestamps: pd.Series, step_minutes: int) -> Flags:
    """Stamps that do not lie on the grid of `step_minutes` on which most stamps lie."""
    offset = timestamps.astype("int64").to_numpy() % (step_minutes * _MICROSECONDS)
    return np.asarray(offset != _most_frequent(offset))


def flag_above_limit(energy_kwh: Floats, limit_kw: float, step_minutes: int, missed: Any) -> Flags:
    """Energy above what `limit_kw` gives in the interval and the `missed` ones before it (DESIGN.md, 6)."""
    return np.asarray(energy_kwh > limit_kw * step_minutes / 60 * (missed + 1))


def runs(flags: Flags, least: int = 1) -> list[tuple[int, int]]:
    """Start (inclusive) and end (exclusive) of each run of at least `least` flagged positions."""
    edges = _edges(flags)
    long = edges[edges[:, 1] - edges[:, 0] >= least]
    return list(map(tuple, long.tolist()))


def _edges(flags: Flags) -> Ints:
    """Start and end of each run of flagged positions, shape (runs, 2)."""
    padded = np.zeros(len(flags) + 2, dtype=np.bool_)
    padded[1:-1] = flags
    return np.flatnonzero(padded[1:] != padded[:-1]).reshape(-1, 2)


def gap_lengths(missing: Flags) -> Ints:
    """For each position the length of the run of missing steps it lies in; 0 where nothing is missing."""
    edges = _edges(missing)
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
    first, third = peaks_of_days(energy_kwh, day)
    spike = (third > 0) & (first - third > SPIKE_EXCESS * third)
    return np.asarray(spike[day] & (energy_kwh == first[day]))


def peaks_of_days(energy_kwh: Floats, day: Ints) -> tuple[Floats, Floats]:
    """The highest and the third highest energy of each day in kWh; NaN where fewer are known. Shape (days,)."""
    lengths = np.bincount(day)
    place = np.arange(len(day)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    by_day = np.full((len(lengths), max(_PEAKS, lengths.max(initial=0))), -np.inf)
    by_day[day, place] = np.where(np.isnan(energy_kwh), -np.inf, energy_kwh)
    highest = np.partition(by_day, -_PEAKS, axis=1)[:, -_PEAKS:]
    third, first = highest.min(axis=1, initial=np.inf), highest.max(axis=1, initial=-np.inf)
    known = np.isfinite(third)
    return np.where(known, first, np.nan), np.where(known, third, np.nan)


def flag_flat_line(energy_kwh: Floats, least_steps: int, steps_a_day: int) -> Flags:
    """At least `least_steps` equal energies in a row, not 0, where the meter does not repeat itself by nature.

    A coarse counter repeats small values: a run counts only where its value is at least `_FINE` times the resolution
    of the series. A load at rest repeats its standby: a run counts only where it is at least `_LONGER` times as long
    as any other run of its value that lies a day or more away. What a dead transmitter repeats is the value of a
    moment, which a load that is not at rest hardly ever has twice.

    Args:
        energy_kwh: Energies, NaN where unknown, shape (n,).
        least_steps: Shorter runs are not looked at.
        steps_a_day: Intervals of 24 hours.
    """
    rounded = np.round(energy_kwh, 6)
    flags = np.zeros(len(energy_kwh), dtype=np.bool_)
    edges = _edges(np.r_[False, np.abs(np.diff(rounded)) <= _EQUAL_KWH])
    length = edges[:, 1] - edges[:, 0] + 1
    if length.max(initial=0) < least_steps:
        return flags
    value = rounded[edges[:, 0]]
    least = max(_EQUAL_KWH, _FINE * _resolution(rounded))
    candidate = (length >= least_steps) & (np.abs(value) >= least)
    for start, end in edges[candidate].tolist():
        away = (edges[:, 1] <= start - steps_a_day) | (edges[:, 0] >= end + steps_a_day)
        others = length[away & (np.abs(value - rounded[start]) <= _EQUAL_KWH)]
        if end - start + 1 >= _LONGER * others.max(initial=0):
            flags[start - 1 : end] = True
    return flags


def _resolution(energy_kwh: Floats) -> float:
    """The least distance of two different energies of a series; 0 where there are none."""
    values = np.unique(energy_kwh[~np.isnan(energy_kwh)])
    steps = np.diff(values)
    steps = steps[steps > _EQUAL_KWH]
    return float(steps.min()) if len(steps) else 0.0


def flag_negative_nights(energy_kwh: Floats, local_hours: Ints, day: Ints, least_steps: int) -> Flags:
    """The intervals of days that export by night, in `least_steps` intervals at least, unless many days do.

    No sun shines around midnight where people mostly live. A meter that exports in more than a fifth of its
    nights has another plant, or a wrong clock, which `flag_production_at_night` tells.
    """
    by_night = (energy_kwh < 0) & ((local_hours >= _DARK_HOURS[0]) | (local_hours < _DARK_HOURS[1]))
    days = np.bincount(day, weights=by_night) >= least_steps
    seldom = bool(days.mean() <= _FEW_NIGHTS)
    return np.asarray(days[day] & ~np.isnan(energy_kwh) & seldom)


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
    for start, end in runs(zero, least_steps):
        others = shifts[(start + shifts >= 0) & (end + shifts <= len(zero))]
        others = others[(np.abs(others) >= end - start) & (known[end + others] - known[start + others] == end - start)]
        counts = counted[end + others] - counted[start + others]
        if len(counts) >= _LEAST_DAYS and counts.min() >= _LEAST_COUNTS:
            flags[start:end] = True
    return flags


def flag_long_zeros(energy_kwh: Floats, steps_a_day: int) -> Flags:
    """Zeros for a day or longer between days on each of which the meter used something.

    A run is held against the week before and the week after it, in which a load that rests at weekends shows it;
    days of another run of a week or longer say nothing of such habits. Unlike in `flag_unusual_zeros` a run may be
    of any length: a meter that died months ago.

    Args:
        energy_kwh: Energies, NaN where unknown, shape (n,).
        steps_a_day: Intervals of 24 hours.
    """
    flags = np.zeros(len(energy_kwh), dtype=np.bool_)
    zero = energy_kwh == 0
    long = runs(zero, steps_a_day)
    if not long:
        return flags
    tells = ~np.isnan(energy_kwh)
    counted = np.cumsum(np.r_[0, ~zero & tells])
    for start, end in long:
        if end - start >= _BESIDE_DAYS * steps_a_day:
            tells[start:end] = False
    known = np.cumsum(np.r_[0, tells])
    beside = steps_a_day * np.arange(_BESIDE_DAYS)
    for start, end in long:
        days = np.r_[start - steps_a_day - beside, end + beside]
        days = days[(days >= 0) & (days + steps_a_day <= len(zero))]
        days = days[known[days + steps_a_day] - known[days] == steps_a_day]
        counts = counted[days + steps_a_day] - counted[days]
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
