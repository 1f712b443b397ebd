"""The compiled loops behind `features`, in one file: numba's cache does not see a change in another one."""

from typing import Final

import numpy as np
import numpy.typing as npt

from loadprofiles.compiling import compiled

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Rows32 = npt.NDArray[np.float32]

DAYS: Final = 28
_MONDAY: Final = 3
WEEKS: Final = 8
_DAY_KEPT: Final = 0.8
_WEEK_KEPT: Final = 0.7
LAG_DAYS: Final = (1, 2, 3, 4, 5, 6, 7, 14, 21, 28)
MEDIAN_DAYS: Final = (3, 7, 14, 28)
MEDIAN_WEEKS: Final = (4, 8)
_LIKE_DAYS: Final = 5
_WEEKDAYS: Final = 5
NEIGHBOURS: Final = (-2, -1, 1, 2)
RECENT: Final = (1, 2, 3, 4, 7, 13)
LEVEL_DAYS: Final = (1, 3, 7, 56)
LEVELLED: Final = (1, 3, 7)
_LEVELLED_DAYS: Final = 14
_FINE: Final = 12


@compiled
def cut_past(energy: Floats, origin: int, length: int, silent: int) -> Floats:
    """The `length` steps before an origin of one meter, outages (runs of at least `silent` zeros) as NaN.

    Args:
        energy: Shape (steps,).
        origin: One past the last step to be seen; may lie beyond the end.
        length: Steps to return; those before the first are NaN.
        silent: Zeros in a row that count as an outage.
    """
    past = np.full(length, np.nan)
    zeros = 0
    for i in range(length):
        step = origin - length + i
        if 0 <= step < energy.size:
            past[i] = energy[step]
        zeros = zeros + 1 if past[i] == 0 else 0
        if zeros == silent:
            past[i - silent + 1 : i + 1] = np.nan
        elif zeros > silent:
            past[i] = np.nan
    return past


@compiled
def describe_meter(
    energy: Floats,
    queries: Ints,
    origins: Ints,
    length: int,
    silent: int,
    day: int,
    week: int,
    first_day: int,
    features: Rows32,
    base: Floats,
    scale: Floats,
) -> None:
    """Fill the rows of one meter's queries; energies of shape (steps,), the other arrays a row a query."""
    for query in queries:
        past = cut_past(energy, origins[query], length, silent)
        mean = _mean(past, length - DAYS * day, length, True)
        scale[query] = mean if mean > 0 else np.nan
        time_of_day = origins[query] % day
        weekday = (first_day + _MONDAY + origins[query] // day) % 7
        _describe_query(past, scale[query], day, week, weekday, time_of_day, features[query], base[query])


@compiled
def _describe_query(
    past: Floats, scale: float, day: int, week: int, weekday: int, time_of_day: int, rows: Rows32, bases: Floats
) -> None:
    """Fill the rows, shape (horizon, features), and bases of one query, whose origin has that weekday and time."""
    now = past.size
    shared = _describe_recent(past, scale, day, week)
    week_levels = _levels(past, week, day, WEEKS + 1 + (bases.size - 1) // week)
    day_levels = _levels(past, day, day, DAYS + 1 + (bases.size - 1) // day)
    days, weeks, levelled = np.empty(DAYS), np.empty(WEEKS), np.empty(3 * len(LEVELLED))
    # the level of a day takes many steps to tell
    base_span = 0 if day >= _FINE else len(LEVELLED) - 1
    for ahead in range(bases.size):
        last_day = now + ahead - day * (ahead // day + 1)
        last_week = now + ahead - week * (ahead // week + 1)
        _take(past, last_day, day, days)
        _take(past, last_week, week, weeks)
        _fill_levelled(past, last_week, last_day, week, day, week_levels, day_levels, ahead, levelled)
        base = levelled[len(LEVELLED) + base_span]
        if np.isnan(base):
            base = _base(weeks, days)
        bases[ahead] = base
        row = rows[ahead]
        i = 0
        for n in LAG_DAYS:
            row[i] = (days[n - 1] - base) / scale
            i += 1
        for n in MEDIAN_DAYS:
            row[i] = (_median(days[:n]) - base) / scale
            i += 1
        for n in MEDIAN_WEEKS:
            row[i] = (_median(weeks[:n]) - base) / scale
            i += 1
        target_day = weekday + (time_of_day + ahead) // day
        row[i] = (_median(_like_days(days, target_day, ahead // day + 1)) - base) / scale
        row[i + 1] = (_weighted(days, _DAY_KEPT) - base) / scale
        row[i + 2] = _median(np.abs(days - _median(days))) / scale
        i += 3
        for n in NEIGHBOURS:
            row[i] = (_at(past, last_day + n) - base) / scale
            i += 1
        for n in NEIGHBOURS:
            row[i] = (_at(past, last_week + n) - base) / scale
            i += 1
        for value in levelled:
            row[i] = (value - base) / scale
            i += 1
        row[i] = base / scale
        row[i + 1] = (days[0] - _base_at(past, last_day, day, week)) / scale
        row[i + 2 : i + 2 + shared.size] = shared
        i += 2 + shared.size
        row[i] = ahead
        row[i + 1] = np.log(scale)


@compiled
def _describe_recent(past: Floats, scale: float, day: int, week: int) -> Floats:
    """What is the same for all steps ahead: the last residuals, levels and mean residuals."""
    now = past.size
    out = np.empty(len(RECENT) + len(LEVEL_DAYS) + 2)
    i = 0
    for n in RECENT:
        out[i] = (past[now - n] - _base_at(past, now - n, day, week)) / scale
        i += 1
    for n in LEVEL_DAYS:
        out[i] = _mean(past, now - n * day, now, False) / scale
        i += 1
    residuals = np.empty(7 * day)
    for n in range(7 * day):
        residuals[n] = past[now - n - 1] - _base_at(past, now - n - 1, day, week)
    out[i] = _mean(residuals, 0, day, False) / scale
    out[i + 1] = _mean(residuals, 0, 7 * day, False) / scale
    return out


@compiled
def _fill_levelled(
    past: Floats,
    last_week: int,
    last_day: int,
    week: int,
    day: int,
    week_levels: Floats,
    day_levels: Floats,
    ahead: int,
    out: Floats,
) -> None:
    """For each span of levels the mean of the same time of the week, that with the steps beside it, and of the day."""
    spans = len(LEVELLED)
    reach = 1 if day >= _FINE else 0
    for n in range(spans):
        around = 0.0
        for beside in range(-reach, reach + 1):
            around += _levelled(past, last_week + beside, week, week_levels[n], ahead // week + 1, WEEKS)
        out[n] = _levelled(past, last_week, week, week_levels[n], ahead // week + 1, WEEKS)
        out[spans + n] = around / (2 * reach + 1)
        out[2 * spans + n] = _levelled(past, last_day, day, day_levels[n], ahead // day + 1, _LEVELLED_DAYS)


@compiled
def _levels(past: Floats, distance: int, day: int, count: int) -> Floats:
    """The mean of the days right before the origin, and before as many origins at each distance back: a row a span."""
    out = np.empty((len(LEVELLED), count))
    for row in range(len(LEVELLED)):
        for back in range(count):
            end = past.size - back * distance
            out[row, back] = _mean(past, end - LEVELLED[row] * day, end, False)
    return out


@compiled
def _levelled(past: Floats, last: int, distance: int, levels: Floats, first: int, count: int) -> float:
    """The mean of the energies at `last` and each distance before, each told from the level before its own origin.

    What a meter does at a time of the week is then learnt of many weeks, though its level was another in some.
    """
    total, known = 0.0, 0
    for n in range(count):
        difference = _at(past, last - n * distance) - levels[first + n]
        if not np.isnan(difference):
            total += difference
            known += 1
    return total / known + levels[0] if known else np.nan


@compiled
def _at(past: Floats, step: int) -> float:
    """The energy of a step of the past; NaN where that is not known."""
    return past[step] if 0 <= step < past.size else np.nan


@compiled
def _take(past: Floats, last: int, distance: int, out: Floats) -> None:
    """Fill `out` with the energies at `last`, and at each `distance` steps before."""
    for n in range(out.size):
        out[n] = _at(past, last - n * distance)


@compiled
def _like_days(days: Floats, weekday: int, since: int) -> Floats:
    """Of the last days, the latest that are workdays as the target is, or at weekends as it is."""
    like = np.full(_LIKE_DAYS, np.nan)
    count = 0
    for n in range(days.size):
        same = (weekday % 7 < _WEEKDAYS) == ((weekday - since - n) % 7 < _WEEKDAYS)
        if same and count < like.size and not np.isnan(days[n]):
            like[count] = days[n]
            count += 1
    return like


@compiled
def _base_at(past: Floats, step: int, day: int, week: int) -> float:
    """The base of a step of the past, of what was known before it."""
    weeks, days = np.empty(WEEKS), np.empty(DAYS)
    _take(past, step - week, week, weeks)
    base = _weighted(weeks, _WEEK_KEPT)
    if np.isnan(base):
        _take(past, step - day, day, days)
        base = _weighted(days, _DAY_KEPT)
    return base


@compiled
def _base(weeks: Floats, days: Floats) -> float:
    """The weighted mean of the same weekday and time; where none is known, of the same time of day."""
    base = _weighted(weeks, _WEEK_KEPT)
    return _weighted(days, _DAY_KEPT) if np.isnan(base) else base


@compiled
def _median(values: Floats) -> float:
    """The median of those that are known."""
    kept = np.empty(values.size)
    count = 0
    for value in values:
        if not np.isnan(value):
            # sorted as it grows: for so few, many times as fast as a call of `sort`
            place = count
            while place > 0 and kept[place - 1] > value:
                kept[place] = kept[place - 1]
                place -= 1
            kept[place] = value
            count += 1
    if count == 0:
        return np.nan
    return float((kept[(count - 1) // 2] + kept[count // 2]) / 2)


@compiled
def _weighted(values: Floats, kept: float) -> float:
    """The mean of those that are known, each counting `kept` times the one after it."""
    total, weights, weight = 0.0, 0.0, 1.0
    for value in values:
        if not np.isnan(value):
            total += weight * value
            weights += weight
        weight *= kept
    return total / weights if weights > 0 else np.nan


@compiled
def _mean(values: Floats, first: int, end: int, absolute: bool) -> float:
    """The mean of those of a stretch that are known, or of their absolute values."""
    total, count = 0.0, 0
    for step in range(max(first, 0), end):
        value = values[step]
        if not np.isnan(value):
            total += abs(value) if absolute else value
            count += 1
    return total / count if count else np.nan
