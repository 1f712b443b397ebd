"""What detectors compare: a meter's days as logarithms of energy, by the day and by the hour."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from loadprofiles.anomalies.days import HOURS, Flags, Floats, MeterDays

LAG_DAYS = 14
"""A day is compared with its meter's own days at least so much older: a theft of up to two weeks teaches nothing."""

LEARN_DAYS = 28
"""Days of consumption from which on a meter has a past to compare with."""

_KNOWN_HOURS = 20
_FLOOR, _FLOOR_HOURS, _FLOOR_CHANGES = 1e-2, 1e-2, 1e-4


@dataclass(frozen=True, eq=False)
class Features:
    """A meter's days as detectors see them; rows of days that are not known hold NaN.

    Logarithms are of energy in kWh or kvarh, cut off at a hundredth of what the meter's first days of consumption
    have in the middle: how near to nothing nothing is, does not count.

    Attributes:
        first_weekday: Of day 0, Monday is 0.
        known: Days with at least 20 known hours, shape (days,); their other hours are interpolated.
        energy: Log of each day's active energy, shape (days,).
        reactive: Log of each day's reactive energy, shape (days,); None where the meter has none.
        hours: Log of each hour's active energy, shape (days, 24).
        reactive_hours: Log of each hour's reactive energy, shape (days, 24), or None.
        profile: Share of each hour in its day, shape (days, 24).
        spread: Log of the hours' standard deviation relative to the day's energy, shape (days,).
        roughness: Log of the mean change from hour to hour relative to the day's energy, shape (days,).
    """

    first_weekday: int
    known: Flags
    energy: Floats
    reactive: Floats | None
    hours: Floats
    reactive_hours: Floats | None
    profile: Floats
    spread: Floats
    roughness: Floats

    @cached_property
    def start(self) -> int:
        """The first day that can be judged; the number of days if there is none."""
        learnt = np.cumsum(self.known) >= LEARN_DAYS
        return min(len(self.known), int(learnt.argmax()) + LAG_DAYS) if learnt.any() else len(self.known)


def make_features(days: MeterDays) -> Features:
    """The features of a meter's days; each day's depend on it and on the meter's first days of consumption alone."""
    known = np.isfinite(days.active_kwh).sum(1) >= _KNOWN_HOURS
    active = _filled(days.active_kwh, known)
    # what comes after the first days that are learnt from must not change what any day looks like
    learnt = int(np.searchsorted(np.cumsum(known), LEARN_DAYS)) + 1
    typical = _typical(active[:learnt])
    energy = _log(active.sum(1), _FLOOR * typical)
    shares = active / np.maximum(active.sum(1), _FLOOR * typical)[:, np.newaxis]
    changes = np.abs(np.diff(active, axis=1)).mean(1)
    reactive = reactive_hours = None
    if days.reactive_kvarh is not None:
        kvarh = _filled(days.reactive_kvarh, known)
        usual = _typical(kvarh[:learnt])
        reactive = _log(kvarh.sum(1), _FLOOR * usual)
        reactive_hours = _log(kvarh, _FLOOR_HOURS * usual / HOURS)
    return Features(
        first_weekday=(days.first_day + 3) % 7,  # 1970-01-01 was a Thursday
        known=known & np.isfinite(energy),
        energy=energy,
        reactive=reactive,
        hours=_log(active, _FLOOR_HOURS * typical / HOURS),
        reactive_hours=reactive_hours,
        profile=shares,
        spread=_log(active.std(1), _FLOOR_CHANGES * typical) - energy,
        roughness=_log(changes, _FLOOR_CHANGES * typical) - energy,
    )


def _filled(values: Floats, known: Flags) -> Floats:
    """Days with few hours unknown, those interpolated; other days are NaN as a whole."""
    if np.isfinite(values[known]).all():
        filled = values.copy()
    else:
        filled = pd.DataFrame(values).interpolate(axis=1, limit_direction="both").to_numpy(copy=True)
    filled[~known] = np.nan
    return np.asarray(filled)


def _typical(values: Floats) -> float:
    """The middle of the first days with consumption, in kWh; 1 where there is none."""
    sums = values.sum(1)
    first = sums[sums > 0]
    return float(np.median(first)) if len(first) else 1.0


def _log(values: Floats, floor: float) -> Floats:
    return np.asarray(np.log(np.maximum(values, floor)))
