"""The loops of scoring, compiled; each looks at days at least `lag` older than the one that it scores.

In one file: numba's cache does not see a change in another one.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from loadprofiles.compiling import compiled

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

_LEAST_EXCESS: Final = 0.02
_MOST_SURPRISE: Final = 12.0
_WEEK: Final = 7


@compiled
def nearest(points: Floats, usable: Flags, day: int, first: int, last: int, found: Ints, distances: Floats) -> None:
    """The days from `first` to before `last` nearest to `day`, itself left out, into `found`; -1 where too few.

    Args:
        points: Shape (days, dimensions).
        usable: Days that count.
        day: Whose neighbours are wanted.
        first: First day to look at.
        last: One past the last.
        found: Shape (k,); filled, the nearest first.
        distances: Shape (k,); filled with Euclidean distances.
    """
    k = len(found)
    found[:] = -1
    distances[:] = np.inf
    for other in range(first, last):
        if other == day or not usable[other]:
            continue
        total = 0.0
        for column in range(points.shape[1]):
            difference = points[day, column] - points[other, column]
            total += difference * difference
            if total >= distances[k - 1]:
                break
        if total < distances[k - 1]:
            place = k - 1
            while place > 0 and distances[place - 1] > total:
                distances[place] = distances[place - 1]
                found[place] = found[place - 1]
                place -= 1
            distances[place] = total
            found[place] = other
    for place in range(k):  # as one expression numba would compile for seconds what says that lengths differ
        distances[place] = np.sqrt(distances[place])


@compiled
def novelty(points: Floats, usable: Flags, start: int, lag: int, k: int, floor: float) -> tuple[Floats, Ints]:
    """How far each day lies from its nearest older days, relative to how near those lie to theirs, as a logarithm.

    Args:
        points: Shape (days, dimensions).
        usable: Days that count.
        start: First day to score.
        lag: Days at least so much older are looked at.
        k: Neighbours.
        floor: Distance that is added to both: what lies nearer is no difference.

    Returns:
        Scores, shape (days,), and neighbours, shape (days, k); NaN and -1 where there is none.
    """
    days = len(points)
    scores = np.full(days, np.nan)
    neighbours = np.full((days, k), -1)
    distances, others, near = np.empty(k), np.empty(k, np.int64), np.empty(k)
    # of each older day, the squared distances to its nearest ones among those taken up so far
    their = np.full((days, k), np.inf)
    # for a few days it is less work to look for those of their neighbours alone
    few = 2 * k * (days - start) < days
    taken = 0
    for day in range(start, days):
        while taken < day - lag + 1:
            if not few:
                _take_up(points, usable, taken, their)
            taken += 1
        if not usable[day]:
            continue
        nearest(points, usable, day, 0, taken, neighbours[day], distances)
        if neighbours[day, k - 1] < 0:
            continue
        local = 0.0
        for neighbour in neighbours[day]:
            if few:
                nearest(points, usable, neighbour, 0, taken, others, near)
                local += near.mean()
            else:
                local += np.sqrt(their[neighbour]).mean()
        if np.isfinite(local):
            scores[day] = np.log((distances.mean() + floor) / (local / k + floor))
    return scores, neighbours


@compiled
def _take_up(points: Floats, usable: Flags, new: int, their: Floats) -> None:
    """Enter a day among the nearest of the days before it, and those among its own."""
    if not usable[new]:
        return
    for other in range(new):
        if not usable[other]:
            continue
        most = max(their[new, -1], their[other, -1])
        total = 0.0
        for column in range(points.shape[1]):
            difference = points[new, column] - points[other, column]
            total += difference * difference
            if total >= most:
                break
        _insert(their[new], total)
        _insert(their[other], total)


@compiled
def _insert(ordered: Floats, value: float) -> None:
    """Enter a value into an ascending row, if it is less than the last."""
    if value >= ordered[-1]:
        return
    place = len(ordered) - 1
    while place > 0 and ordered[place - 1] > value:
        ordered[place] = ordered[place - 1]
        place -= 1
    ordered[place] = value


@compiled
def level_shift(energy: Floats, usable: Flags, start: int, lag: int, weeks: int, floor: float) -> tuple[Floats, Floats]:
    """How far each day's log energy lies from the same weekdays before, in their usual deviations.

    Args:
        energy: Log energy, shape (days,).
        usable: Days that count.
        start: First day to score.
        lag: Days at least so much older are looked at.
        weeks: Of so many weeks.
        floor: Deviation that is added to the usual one.

    Returns:
        Scores (signed: positive where less than expected) and expected log energy, each of shape (days,).
    """
    days = len(energy)
    scores, expected = np.full(days, np.nan), np.full(days, np.nan)
    middles = np.empty(_WEEK)
    for day in range(start, days):
        last = day - lag + 1
        first = max(0, last - weeks * _WEEK)
        for weekday in range(_WEEK):
            middles[weekday] = _middle_of_weekday(energy, usable, first, last, weekday)
        expected[day] = middles[day % _WEEK]
        deviations = np.abs(energy[first:last] - middles[np.arange(first, last) % _WEEK])
        deviations = deviations[usable[first:last] & np.isfinite(deviations)]
        if usable[day] and len(deviations):
            scores[day] = (expected[day] - energy[day]) / (np.median(deviations) + floor)
    return scores, expected


@compiled
def _middle_of_weekday(energy: Floats, usable: Flags, first: int, last: int, weekday: int) -> float:
    values = np.empty(last - first)
    count = 0
    for day in range(first, last):
        if day % _WEEK == weekday and usable[day]:
            values[count] = energy[day]
            count += 1
    return float(np.median(values[:count])) if count else np.nan


@compiled
def given_neighbours(
    energy: Floats,
    hours: Floats,
    conditions: Floats,
    usable: Flags,
    start: int,
    lag: int,
    most_days: int,
    k: int,
    floor: float,
) -> tuple[Floats, Floats, Floats]:
    """How far a day and its hours lie from older days under the nearest conditions, in their usual deviations.

    Args:
        energy: Log of each day's energy, shape (days,).
        hours: Log of each hour's energy, shape (days, 24).
        conditions: Shape (days, dimensions).
        usable: Days that count.
        start: First day to score.
        lag: Days at least so much older are looked at.
        most_days: How many days of them.
        k: Neighbours.
        floor: Deviation that is added to the usual one.

    Returns:
        Scores by the day (signed: positive where less than expected), expected log energy of the day, and the mean
        over the hours of the root of how many deviations each is off (at most 20), each of shape (days,).
    """
    days = len(energy)
    by_day, expected, by_hour = np.full(days, np.nan), np.full(days, np.nan), np.full(days, np.nan)
    found, distances = np.empty(k, np.int64), np.empty(k)
    for day in range(start, days):
        if not usable[day]:
            continue
        last = day - lag + 1
        nearest(conditions, usable, day, max(0, last - most_days), last, found, distances)
        if found[k - 1] < 0:
            continue
        like = energy[found]
        expected[day] = np.median(like)
        usual = np.median(np.abs(like - expected[day])) + floor
        by_day[day] = (expected[day] - energy[day]) / usual
        total = 0.0
        for hour in range(hours.shape[1]):
            values = hours[found, hour]
            middle = np.median(values)
            usual = np.median(np.abs(values - middle)) + floor
            total += np.sqrt(min(np.abs(hours[day, hour] - middle) / usual, 20.0))
        by_hour[day] = total / hours.shape[1]
    return by_day, expected, by_hour


@compiled
def deviation(values: Floats, usable: Flags, start: int, lag: int, past_days: int, floor: float) -> Floats:
    """How far each value lies from the median of older ones, in their usual deviations (signed), shape (days,).

    Args:
        values: Shape (days,).
        usable: Days that count.
        start: First day to score.
        lag: Days at least so much older are looked at.
        past_days: So many of them.
        floor: Deviation that is added to the usual one.
    """
    days = len(values)
    scores = np.full(days, np.nan)
    for day in range(start, days):
        last = day - lag + 1
        first = max(0, last - past_days)
        past = values[first:last][usable[first:last]]
        if usable[day] and len(past):
            middle = np.median(past)
            scores[day] = (values[day] - middle) / (np.median(np.abs(past - middle)) + floor)
    return scores


@compiled
def surprise(scores: Floats, start: int, lag: int, half_life: float, frozen: int, tail: float, least: int) -> Floats:
    """Minus the log of each score's p-value among the meter's own older scores, shape (days,).

    The p-value is conformal, older days counting less (weighted as in Barber et al. 2023, "Conformal prediction
    beyond exchangeability"); above the past's upper `tail` an exponential distribution of the excesses goes on,
    as in peaks over threshold (Pickands 1975), so that what has never been is still ranked.

    Args:
        scores: Shape (days,); NaN where there is none.
        start: First day wanted.
        lag: Scores of days at least so much older count.
        half_life: Days in which a score's weight halves.
        frozen: Scores of days from this one on never count.
        tail: Upper share of the past that the exponential distribution is fitted to.
        least: Past scores from which on there is a p-value.
    """
    days = len(scores)
    out = np.full(days, np.nan)
    past, weights = np.empty(days), np.empty(days)
    count = taken = 0
    for day in range(start, days):
        while taken < min(day - lag + 1, frozen):
            count = _enter(scores[taken], taken / half_life, past, weights, count)
            taken += 1
        if count >= least and not np.isnan(scores[day]):
            now = 2.0 ** (-(taken - 1) / half_life)
            out[day] = _surprise(scores[day], past[:count], weights[:count] * now, tail)
    return out


@compiled
def _enter(score: float, age: float, past: Floats, weights: Floats, count: int) -> int:
    """Enter a score and its weight among the past ones, the highest first; return how many there are."""
    if np.isnan(score):
        return count
    place = count
    while place > 0 and past[place - 1] < score:
        past[place] = past[place - 1]
        weights[place] = weights[place - 1]
        place -= 1
    past[place] = score
    weights[place] = 2.0**age
    return count + 1


@compiled
def _surprise(score: float, past: Floats, weights: Floats, tail: float) -> float:
    """`past` is sorted, the highest first."""
    total = weights.sum()
    edge = _place_of_share(weights, tail * total)
    if score <= past[edge]:
        at_least = 0.0
        for place in range(len(past)):
            if past[place] < score:
                break
            at_least += weights[place]
        return float(min(-np.log((at_least + 1) / (total + 1)), -np.log(tail)))
    while edge + 1 < len(past) and past[edge + 1] == past[edge]:
        edge += 1
    heavy = weights[: edge + 1]
    excess = ((past[: edge + 1] - past[edge]) * heavy).sum() / heavy.sum()
    return float(min(-np.log(tail) + (score - past[edge]) / max(excess, _LEAST_EXCESS), _MOST_SURPRISE))


@compiled
def _place_of_share(weights: Floats, share: float) -> int:
    above = 0.0
    for place in range(len(weights)):
        above += weights[place]
        if above >= share:
            return place
    return len(weights) - 1


@compiled
def past_quantile(
    scores: Floats, start: int, lag: int, half_life: float, frozen: int, share: float, least: int
) -> Floats:
    """The score that a `share` of each day's own older scores reaches, weighted as by `surprise`, shape (days,).

    Args:
        scores: Shape (days,); NaN where there is none.
        start: First day wanted.
        lag: Scores of days at least so much older count.
        half_life: Days in which a score's weight halves.
        frozen: Scores of days from this one on never count.
        share: Of the past.
        least: Past scores from which on there is an answer.
    """
    days = len(scores)
    out = np.full(days, np.nan)
    past, weights = np.empty(days), np.empty(days)
    count = taken = 0
    for day in range(days):
        while taken < min(day - lag + 1, frozen):
            count = _enter(scores[taken], taken / half_life, past, weights, count)
            taken += 1
        if day >= start and count >= least:
            out[day] = past[_place_of_share(weights[:count], share * weights[:count].sum())]
    return out
