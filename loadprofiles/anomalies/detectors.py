"""Detectors: how unlike its meter's own past a day is, each in its own way.

Scores of day t depend on that day and on days before t - 13 alone; higher is more suspect. Each is small, works for
one meter, and is NaN where it cannot tell.
"""

from dataclasses import dataclass

import numpy as np

from loadprofiles.anomalies import kernels
from loadprofiles.anomalies.days import HOURS, Floats
from loadprofiles.anomalies.features import LAG_DAYS, Features

PAIR, PROFILE, REACTIVE, HOURLY, LEVEL, FLATNESS = "pair", "profile", "reactive", "hours", "level", "flatness"

WEIGHTS = {PAIR: 2.0, PROFILE: 2.0, REACTIVE: 1.0, HOURLY: 0.5, LEVEL: 0.5, FLATNESS: 0.5}
"""Of each detector in the mean; chosen on the stress windows of the bench (docs/anomalies.md)."""

_NEIGHBOURS = 5
_LIKE_DAYS = 15
_MOST_DAYS = 730
_WEEKS = 6
_FLAT_DAYS = 28
_RECENT_DAYS = 56
_NEAR = 0.01
_SURE = 0.02
_SHAPE = 3.0
_ROUND = 0.5
_MORE = 0.03


@dataclass(frozen=True, eq=False)
class Suspicions:
    """What the detectors say of one meter.

    Attributes:
        scores: Of each detector, shape (days,).
        expected: Log of the energy expected of each day by the same weekdays before, shape (days,).
        expected_reactive: The same by days with the same reactive energy; NaN without any.
        more: Whether more was metered than on the days like it; such a day is less suspect of theft.
    """

    scores: dict[str, Floats]
    expected: Floats
    expected_reactive: Floats
    more: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]


def detect(features: Features, start: int = 0) -> Suspicions:
    """Score a meter's days from `start` on; those that have no past to compare with get NaN."""
    start = max(start, features.start)
    pair, neighbours = energy_pair(features, start)
    level, expected = level_shift(features, start)
    reactive, expected_reactive, hourly = given_reactive(features, start)
    like = np.where(neighbours >= 0, features.energy[neighbours], np.nan)
    more = np.zeros(len(features.energy), dtype=np.bool_)
    more[start:] = features.energy[start:] - np.median(like[start:], axis=1) > _MORE
    scores = {
        PAIR: pair,
        PROFILE: profile_novelty(features, start),
        REACTIVE: reactive,
        HOURLY: hourly,
        LEVEL: level,
        FLATNESS: flatness(features, start),
    }
    return Suspicions(scores, expected, expected_reactive, more)


def energy_pair(features: Features, start: int) -> tuple[Floats, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """Novelty of a day's active and reactive energy together.

    The local outlier factor (Breunig et al. 2000) in the plane of log kWh and log kvarh, against older days only. A
    bypass scales both, which a power-factor rule does not see and this does. Without reactive energy, of log kWh.

    Returns:
        Scores, shape (days,), and each day's nearest days, shape (days, 5).
    """
    columns = [features.energy] if features.reactive is None else [features.energy, features.reactive]
    return _novelty(np.stack(columns, axis=1), features, start)


def profile_novelty(features: Features, start: int) -> Floats:
    """Novelty of a day's profile with its level and variability: the same factor in 26 dimensions."""
    shape = _SHAPE * (features.profile * HOURS - 1) / np.sqrt(HOURS)
    columns = [shape, features.energy[:, np.newaxis], features.spread[:, np.newaxis]]
    return _novelty(np.concatenate(columns, axis=1), features, start)[0]


def _novelty(
    points: Floats, features: Features, start: int
) -> tuple[Floats, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    usable = features.known & np.isfinite(points).all(axis=1)
    return kernels.novelty(points, usable, start, LAG_DAYS, _NEIGHBOURS, _NEAR)


def given_reactive(features: Features, start: int) -> tuple[Floats, Floats, Floats]:
    """How much less a day and its hours have than older days with the same reactive energy by the hour.

    A regression by nearest neighbours: whoever tampers with active energy alone leaves the reactive energy, which
    then foretells what should have been metered. Without reactive energy only the hours are judged, against the
    recent days with the most similar total.

    Returns:
        Scores by the day, expected log energy, and scores by the hour, each of shape (days,).
    """
    if features.reactive_hours is None:
        conditions, past = features.energy[:, np.newaxis], _RECENT_DAYS
        hours = features.hours - features.energy[:, np.newaxis]
    else:
        conditions, past, hours = features.reactive_hours / np.sqrt(HOURS), _MOST_DAYS, features.hours
    by_day, expected, by_hour = kernels.given_neighbours(
        features.energy, hours, conditions, features.known, start, LAG_DAYS, past, _LIKE_DAYS, _SURE
    )
    if features.reactive_hours is None:
        by_day, expected = np.full_like(by_day, np.nan), np.full_like(expected, np.nan)
    return np.log(np.abs(by_day) + _ROUND), expected, np.log(by_hour + 0.1)


def level_shift(features: Features, start: int) -> tuple[Floats, Floats]:
    """How far a day's energy lies from the same weekdays of six weeks; and what was expected, as a logarithm."""
    signed, expected = kernels.level_shift(features.energy, features.known, start, LAG_DAYS, _WEEKS, _NEAR)
    return np.log(np.abs(signed) + _ROUND), expected


def flatness(features: Features, start: int) -> Floats:
    """How unusual the changes from hour to hour are, against 28 days: frozen and averaged readings have none."""
    signed = kernels.deviation(features.roughness, features.known, start, LAG_DAYS, _FLAT_DAYS, _SURE)
    return np.log(np.abs(signed) + _ROUND)
