"""Bounded estimation: which gaps may be filled, and with what."""

import numpy as np
import numpy.typing as npt

from loadprofiles.quality import Flags, Floats, gap_lengths

MAX_GAP_MINUTES = 120
"""Longer gaps stay missing."""

NIGHT_HOURS = (0, 7)
"""Local hours in which load is low and steady: a gap wholly inside may be longer."""

MAX_NIGHT_GAP_STEPS = 24


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
