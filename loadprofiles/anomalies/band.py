"""The rule of the earlier system, for comparison: a day is red when many hours leave a fixed band around a forecast."""

import numpy as np

from loadprofiles.anomalies.days import Flags, Floats, MeterDays

BAND_DETECTOR = "band"

_WIDTH = 0.2
_RED_SHARE = 0.2
_WEEKS = 4
_WEEK = 7


def band_score(days: MeterDays, start: int = 0) -> Floats:
    """The share of each day's known hours outside ±20 % of the median of the same weekday and hour of four weeks.

    That forecast is used for every day alike; the earlier system's own needs a model a customer and was no better.

    Args:
        days: The meter's days.
        start: First day to score.

    Returns:
        Shape (days,); NaN where no hour is known or expected.
    """
    first = max(0, start - _WEEKS * _WEEK)
    active = days.active_kwh[first:]
    past = np.full((_WEEKS, *active.shape), np.nan)
    for week in range(1, _WEEKS + 1):
        past[week - 1, week * _WEEK :] = active[: -week * _WEEK]
    known = np.isfinite(past)
    expected = np.full(active.shape, np.nan)
    some = known.any(0)
    expected[some] = np.nanmedian(past[:, some], axis=0)
    judged = np.isfinite(active) & np.isfinite(expected)
    outside = judged & (np.abs(active - expected) > _WIDTH * np.abs(expected))
    hours = judged.sum(1)
    scores = np.full(len(days), np.nan)
    scores[first:] = np.where(hours > 0, outside.sum(1) / np.maximum(hours, 1), np.nan)
    scores[:start] = np.nan
    return scores


def band_alarms(score: Floats) -> Flags:
    """Days on which more than a fifth of the hours are outside, shape (days,)."""
    return np.asarray(score > _RED_SHARE)
