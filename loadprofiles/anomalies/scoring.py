"""From detectors' scores to one a day, its p-value, threshold and expected energy, on the meter's own past."""

from dataclasses import dataclass

import numpy as np

from loadprofiles.anomalies import kernels
from loadprofiles.anomalies.days import Flags, Floats, MeterDays
from loadprofiles.anomalies.detectors import WEIGHTS, Suspicions, detect
from loadprofiles.anomalies.features import LAG_DAYS, Features, make_features

COMBINED = "combined"

HALF_LIFE_DAYS = 250.0
"""Of a detector's past scores: seasons come again."""

ALARM_HALF_LIFE_DAYS = 30.0
"""Of the past combined scores, which set the rate of alerts: a customer who has become noisy, or calm, is judged so."""

BUDGET_DAYS = 30

BAND = 0.9
"""Share of days that the band around what is expected holds."""

_BAND_HALF_LIFE_DAYS = 60.0
_MUCH_MORE = np.log(1.2)
_MOST_OFF = np.log(2.0)
_TAIL = 0.1
_LEAST_PAST = 20
_LESS = 0.4
_NEVER = np.iinfo(np.int64).max

_CALM, _NOISY = 2.3, 3.0
"""Within these lies the threshold of every meter at one alert-day in 30 days. What is not unlikely does not alert on
the calmest meter; what is very unlikely does on one whose past was full of changes. Chosen on real customers, the days
that the bench tests among them (docs/anomalies.md)."""


@dataclass(frozen=True, eq=False)
class Scores:
    """One meter's scores; NaN where a day cannot be judged.

    Attributes:
        detectors: Score of each detector, shape (days,); higher is more suspect.
        surprises: Minus log p-value of each, shape (days,).
        combined: Their mean, strengthened where the day before was suspect, too, shape (days,).
        surprise: Minus log p-value of `combined`, shape (days,).
        frozen: The day from which on no score sets a threshold.
        suspicions: What was expected.
    """

    detectors: dict[str, Floats]
    surprises: dict[str, Floats]
    combined: Floats
    surprise: Floats
    suspicions: Suspicions
    frozen: int = _NEVER

    @property
    def p_value(self) -> Floats:
        """How likely a day at least as suspect is, were nothing wrong, shape (days,)."""
        return np.asarray(np.exp(-self.surprise))


def score(days: MeterDays | Features, *, earlier: Scores | None = None, start: int = 0, frozen: int = _NEVER) -> Scores:
    """Score a meter's days.

    Args:
        days: The meter's days, or what they are compared by.
        earlier: Scores of the days before `start`, which then are not computed again.
        start: First day to score.
        frozen: No score of a day from this one on sets any p-value: a bench's thresholds never see its test days.
    """
    features = days if isinstance(days, Features) else make_features(days)
    found = detect(features, start)
    if earlier is not None:
        found = _continued(earlier.suspicions, found, start)
    surprises = {
        name: _own(
            kernels.surprise(values, start, LAG_DAYS, HALF_LIFE_DAYS, frozen, _TAIL, _LEAST_PAST),
            start,
            None if earlier is None else earlier.surprises[name],
        )
        for name, values in found.scores.items()
    }
    combined = combine(surprises, found.more)
    surprise = kernels.surprise(combined, start, LAG_DAYS, ALARM_HALF_LIFE_DAYS, frozen, _TAIL, _LEAST_PAST)
    surprise = _own(surprise, start, None if earlier is None else earlier.surprise)
    return Scores(found.scores, surprises, combined, surprise, found, frozen)


def _own(values: Floats, start: int, earlier: Floats | None) -> Floats:
    if earlier is None:
        return values
    return np.concatenate([earlier[:start], values[start:]])


def _continued(earlier: Suspicions, found: Suspicions, start: int) -> Suspicions:
    return Suspicions(
        {name: _own(values, start, earlier.scores[name]) for name, values in found.scores.items()},
        _own(found.expected, start, earlier.expected),
        _own(found.expected_reactive, start, earlier.expected_reactive),
        np.concatenate([earlier.more[:start], found.more[start:]]),
    )


def combine(surprises: dict[str, Floats], more: Flags) -> Floats:
    """The weighted mean of the detectors' log scores, shape (days,).

    It is less where more was metered than expected, for theft; and it grows by what it was the day before, at most
    doubled: thefts last.
    """
    known = np.array([np.isfinite(values) for values in surprises.values()])
    weights = np.array([WEIGHTS[name] for name in surprises])[:, np.newaxis] * known
    sums = weights.sum(0)
    total = (weights * np.where(known, np.array(list(surprises.values())), 0)).sum(0)
    mean = np.where(sums > 0, total / np.where(sums > 0, sums, 1), np.nan)
    mean = mean * np.where(more, 1 - _LESS, 1)
    before = np.nan_to_num(np.concatenate([[0.0], mean[:-1]]))
    return np.asarray(mean + np.minimum(mean, before))


def thresholds(scores: Scores, budget: float, start: int = 0) -> Floats:
    """The combined score above which each day alerts, from the meter's own past, shape (days,); NaN without a past.

    Args:
        scores: The meter's scores.
        budget: Alert-days a meter and 30 days.
        start: First day wanted.
    """
    share = budget / BUDGET_DAYS
    own = kernels.past_quantile(
        scores.combined, start, LAG_DAYS, ALARM_HALF_LIFE_DAYS, scores.frozen, share, _LEAST_PAST
    )
    return np.clip(own, _CALM - np.log(budget), _NOISY - np.log(budget))


def alarms(scores: Scores, energy: Floats, budget: float, start: int = 0) -> Flags:
    """Days that alert at `budget` alert-days a meter and 30 days, shape (days,).

    A day on which a fifth more was metered than expected, or more than the band allows, costs nobody money, and does
    not alert.

    Args:
        scores: The meter's scores.
        energy: Log of each day's active energy, shape (days,).
        budget: Alert-days a meter and 30 days.
        start: First day wanted.
    """
    expected, _, high = expectation(scores, energy, start)
    more = energy > np.fmin(high, expected + _MUCH_MORE)
    out = np.asarray((scores.combined > thresholds(scores, budget, start)) & ~more)
    out[:start] = False
    return out


def expectation(scores: Scores, energy: Floats, start: int = 0) -> tuple[Floats, Floats, Floats]:
    """Log of the energy expected of each day, and the 90 % band around it, each of shape (days,).

    By the same weekdays, or where those are not known by days with the same reactive energy; the band by how far
    off the meter's own past days have been (split conformal, recent days counting more), at most half and double.

    Args:
        scores: The meter's scores.
        energy: Log of each day's active energy, shape (days,).
        start: First day wanted.
    """
    level, reactive = scores.suspicions.expected, scores.suspicions.expected_reactive
    expected = np.where(np.isfinite(level), level, reactive)
    # weeks of nothing at all, or of a new level, are no usual deviations
    errors = np.clip(energy - expected, -_MOST_OFF, _MOST_OFF)

    def quantile(values: Floats) -> Floats:
        share = (1 - BAND) / 2
        return kernels.past_quantile(values, start, LAG_DAYS, _BAND_HALF_LIFE_DAYS, scores.frozen, share, _LEAST_PAST)

    return expected, expected - quantile(-errors), expected + quantile(errors)
