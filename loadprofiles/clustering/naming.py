"""Readable names for clusters, from the shape of their representatives.

The names are a reading aid. They rest on the rules below, stated in hours of the local day so that they
hold at any resolution, and on nothing but the representative.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import find_peaks

from loadprofiles.errors import ParameterError

_MINUTES = 1440
# (from, name) in hours; the night runs on to the first entry's hour.
_PARTS_OF_DAY = (
    (6.0, "morning peak"),
    (10.0, "midday peak"),
    (14.0, "afternoon peak"),
    (18.0, "evening peak"),
    (22.0, "night peak"),
)
_COUNTS = {2: "two", 3: "three"}
_SMOOTHING_MINUTES = 120
# All as shares of the range between the representative's lowest and highest value.
_PEAK_PROMINENCE = 0.4
_PEAK_HEIGHT = 0.5
_DIP_DEPTH = 0.3
_BELOW_NIGHT = 0.1
# Length, of the 1 that a normalised profile has, below which a representative stands for days of zeros.
_NO_LOAD = 0.2
# Range over mean level up to which a day counts as flat.
_FLAT = 0.35


@dataclass(frozen=True)
class _Shape:
    name: str
    peak_minute: int
    rank: tuple[float, ...]


def order_and_name(representatives: ArrayLike, resolution_minutes: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Order clusters by time of peak and name them by their representative's shape.

    Rules, the first that fits, on the representative smoothed over about two hours:

    - "no load": the length is below 0.2, where that of a normalised profile is 1 and of a day of zeros 0;
    - "midday dip (PV)": the mean of 11:00-15:00 is below zero, or lies at least 0.1 of the day's range below
      the night's (00:00-05:00) and 0.3 below both shoulders' (07:30-09:30 and 17:00-22:00);
    - "flat base": the range is at most 0.35 of the mean level;
    - "two peaks 07:00 & 19:00" (or three; "several peaks" beyond): peaks, midnight joined, with a prominence
      of at least 0.4 of the range, in the upper half of the range, and at least 3 hours apart;
    - "morning peak" (06-10), "midday peak" (10-14), "afternoon peak" (14-18), "evening peak" (18-22), "night
      peak": the part of the day that holds the highest value.

    Clusters that would share a name get the time of their peak behind it, then a number.

    Args:
        representatives: (k, points), of l2-normalised profiles, finite; local time, starting at midnight.
        resolution_minutes: length of a step.

    Returns:
        `order` (k,) such that `representatives[order]` is in the order of the names: those without a peak
        first, then by time of peak; and the k names, all different, in that order. The names do not depend on the
        order in which the representatives came.

    Raises:
        ParameterError: not a table of finite numbers, or more steps than a day has.
    """
    values = np.asarray(representatives, np.float64)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise ParameterError(
            f"representatives must be a table of finite numbers (k, points), found shape {values.shape}"
        )
    if resolution_minutes < 1 or values.shape[1] * resolution_minutes > _MINUTES:
        raise ParameterError(
            f"{values.shape[1]} points of {resolution_minutes} minutes do not fit a day of {_MINUTES} minutes"
        )
    shapes = [_describe(row, resolution_minutes) for row in values]
    order = sorted(range(len(shapes)), key=lambda number: shapes[number].rank)
    return np.array(order, np.int64), _unique([shapes[number] for number in order])


def _describe(representative: NDArray[np.float64], resolution_minutes: int) -> _Shape:
    smooth = _smooth(representative, resolution_minutes)
    peak_minute = int(np.argmax(smooth)) * resolution_minutes
    if np.linalg.norm(representative) < _NO_LOAD:
        name = "no load"
    elif _has_midday_dip(smooth, resolution_minutes):
        name = "midday dip (PV)"
    elif np.ptp(smooth) <= _FLAT * abs(smooth.mean()):
        name = "flat base"
    else:
        name = _peak_name(smooth, resolution_minutes)
    # The highest moment of these is chance; the values break ties whatever order the clusters came in.
    time_of_peak = {"no load": -2, "flat base": -1}.get(name, peak_minute)
    return _Shape(name, peak_minute, (time_of_peak, *representative.tolist()))


def _smooth(representative: NDArray[np.float64], resolution_minutes: int) -> NDArray[np.float64]:
    """Triangular mean, two hours to zero weight, midnight joined: 1/4, 1/2, 1/4 of hourly values.

    DTW barycenters are jagged from step to step (each point is a mean over its own set of aligned values);
    this takes that out and leaves a peak where it is.
    """
    reach = max(1, _SMOOTHING_MINUTES // resolution_minutes)
    shifts = range(1 - reach, reach)
    rolled = [np.roll(representative, shift) for shift in shifts]
    return np.average(rolled, axis=0, weights=[reach - abs(shift) for shift in shifts])


def _has_midday_dip(smooth: NDArray[np.float64], resolution_minutes: int) -> bool:
    # A mean over no step is NaN, and no comparison with it holds.
    midday = _mean_between(smooth, resolution_minutes, 11.0, 15.0)
    if midday < 0:
        return True
    night = _mean_between(smooth, resolution_minutes, 0.0, 5.0)
    before = _mean_between(smooth, resolution_minutes, 7.5, 9.5)
    after = _mean_between(smooth, resolution_minutes, 17.0, 22.0)
    spread = float(np.ptp(smooth))
    return midday < night - _BELOW_NIGHT * spread and midday < min(before, after) - _DIP_DEPTH * spread


def _mean_between(smooth: NDArray[np.float64], resolution_minutes: int, start: float, end: float) -> float:
    hours = np.arange(len(smooth)) * resolution_minutes / 60
    inside = (hours >= start) & (hours < end)
    return float(smooth[inside].mean()) if inside.any() else float("nan")


def _peak_name(smooth: NDArray[np.float64], resolution_minutes: int) -> str:
    n_points = len(smooth)
    spread = float(np.ptp(smooth))
    # Three days in a row, so that a peak at midnight is one.
    found, _ = find_peaks(
        np.tile(smooth, 3),
        height=float(smooth.min()) + _PEAK_HEIGHT * spread,
        prominence=_PEAK_PROMINENCE * spread,
        distance=max(1, 180 // resolution_minutes),
    )
    peaks = sorted({int(peak) % n_points for peak in found if n_points <= peak < 2 * n_points})
    if len(peaks) in _COUNTS:
        times = " & ".join(_clock(peak * resolution_minutes) for peak in peaks)
        return f"{_COUNTS[len(peaks)]} peaks {times}"
    if len(peaks) > max(_COUNTS):
        return "several peaks"
    hour = int(np.argmax(smooth)) * resolution_minutes / 60
    names = [name for start, name in _PARTS_OF_DAY if start <= hour]
    return names[-1] if names else _PARTS_OF_DAY[-1][1]


def _unique(shapes: list[_Shape]) -> tuple[str, ...]:
    names = [shape.name for shape in shapes]
    timed = [
        # Names of several peaks give their times already.
        f"{shape.name} {_clock(shape.peak_minute)}"
        if names.count(shape.name) > 1 and "&" not in shape.name
        else shape.name
        for shape in shapes
    ]
    return tuple(
        f"{name} ({timed[:place].count(name) + 1})" if timed.count(name) > 1 else name
        for place, name in enumerate(timed)
    )


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
