"""Bounded estimation: which gaps may be filled, and with what."""

import numpy as np
import numpy.typing as npt

from loadprofiles.quality import Flags, Floats, gap_lengths

MAX_GAP_MINUTES = 120
"""Longer gaps stay missing."""

NIGHT_HOURS = (0, 7)
"""Local hours in which load is low and steady: a gap wholly inside may be longer."""

MAX_NIGHT_GAP_STEPS = 24

LIKE_DAYS, LEAST_LIKE_DAYS, LIKE_WEEKS = 4, 2, 4


def fillable_gaps(missing: Flags, local_hours: npt.NDArray[np.int64], step_minutes: int) -> Flags:
    """Missing steps that may be estimated (DESIGN.md, section 6).

    Gaps of at most two hours, and gaps of at most 24 steps that lie wholly in 00:00-06:59 local time. A
    gap at either end of the series has a neighbour on one side only and is never filled.
    """
    lengths = gap_lengths(missing)
    by_day = (local_hours < NIGHT_HOURS[0]) | (local_hours >= NIGHT_HOURS[1])
    run = np.cumsum(missing & ~np.r_[False, missing[:-1]]) * missing
    touches_day = np.isin(run, run[missing & by_day])
    short = lengths * step_minutes <= MAX_GAP_MINUTES
    night = ~touches_day & (lengths <= MAX_NIGHT_GAP_STEPS)
    at_the_ends = np.isin(run, [run[0], run[-1]]) if len(run) else missing
    return missing & (short | night) & ~at_the_ends


def interpolate(energy_kwh: Floats, fill: Flags) -> Floats:
    """`energy_kwh` with the steps of `fill` on the straight line between their known neighbours."""
    known = np.flatnonzero(~np.isnan(energy_kwh))
    filled = energy_kwh.copy()
    filled[fill] = np.interp(np.flatnonzero(fill), known, energy_kwh[known])
    return filled


def like_day_averages(energy_kwh: Floats, minute_of_week: npt.NDArray[np.int64]) -> Floats:
    """For each step the mean of the same minute of the week in the nearest weeks around it.

    Like days are the same weekdays at most four weeks before or after, the four nearest of those known, as
    the California rules for estimating interval data do with past ones. NaN where fewer than two are known.

    Args:
        energy_kwh: Energies, NaN where unknown, shape (n,).
        minute_of_week: Local minute of the week of each step, shape (n,).
    """
    result = np.full(len(energy_kwh), np.nan)
    for minute in np.unique(minute_of_week[np.isnan(energy_kwh)]):
        at = np.flatnonzero(minute_of_week == minute)
        values = energy_kwh[at]
        known = np.flatnonzero(~np.isnan(values))
        for place in np.flatnonzero(np.isnan(values)):
            weeks = np.abs(known - place)
            nearest = known[np.argsort(weeks, kind="stable")][:LIKE_DAYS]
            nearest = nearest[np.abs(nearest - place) <= LIKE_WEEKS]
            if len(nearest) >= LEAST_LIKE_DAYS:
                result[at[place]] = values[nearest].mean()
    return result
