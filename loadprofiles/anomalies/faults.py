"""Rules that tell the data faults of a meter, kept apart from what looks like theft.

A day is compared with the meter's own past: the days from 365 to 14 days before. A fault of up to two
weeks so cannot teach the rules, nothing at or after the day matters, and what lasts is told for two weeks,
after which it is past itself. What the past shows on more than one day in twenty is the meter's way. With
fewer than 28 past days only `gap` and `sign` apply.

Values that the VEE has rejected, edited or estimated over long are none of the meter's: no rule about values
looks at them. All numbers were chosen on real customers, faults put into their days (`attacks`) and days left
as measured.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadprofiles.anomalies.days import HOURS, Flags, Floats, MeterDays
from loadprofiles.anomalies.wording import Told
from loadprofiles.compiling import compiled

Ints = npt.NDArray[np.int64]

GAP, SIGN, STUCK, SCALE = "gap", "sign", "stuck", "scale"
SPIKE, VOLTAGE_LOSS, NEW_ZEROS = "spike", "voltage_loss", "new_zeros"

LAG_DAYS = 14
PAST_DAYS = 365
_SPAN = PAST_DAYS - LAG_DAYS + 1
_FEWEST_DAYS = 28
_RECENT_DAYS = 28
_USUAL_SHARE = 0.05
_GAP_HOURS = 6
_SIGN_HOURS = 6
_STUCK_HOURS = 12
_ALIKE_SHARE = 0.6
_ZERO_HOURS = 6
_DEAD_HOURS = 3
_DEAD_SHARE, _ALIVE_SHARE = 0.5, 0.75
_LEVEL_HOURS = 6
_NEAR_TEN, _NEAR_TENTH = 2.0, 1.25
_SPIKE_HOURS = 3
_SPIKE_TIMES = 2.0
_SPIKE_OVER_DAY = 1.5
_SPIKE_SHARE, _SPIKE_MORE = 0.005, 1.25
_ALL_BUT_SHARE = 0.99
_FAR_TIMES = 3.0
_EQUAL = 1e-9


@dataclass(frozen=True)
class FaultDay:
    """A day on which a rule finds a data fault.

    Attributes:
        day: Of the `MeterDays`.
        rule: One of `RULES`.
        evidence: Why, in a clause for an operator.
    """

    day: int
    rule: str
    evidence: str


def find_faults(days: MeterDays, start: int = 0) -> list[FaultDay]:
    """The data faults of one meter.

    Args:
        days: The meter's days; those before `start` are its past.
        start: The first day to look at.

    Returns:
        By day, and of one day in the order of `RULES`; the same for a day whatever `start` is.
    """
    first = max(0, start - PAST_DAYS)
    seen = _Seen.of(days, first, start)
    found = [FaultDay(first + day, rule, evidence) for rule, find in _FINDERS.items() for day, evidence in find(seen)]
    return sorted(found, key=lambda fault: fault.day)


Found = Iterator[tuple[int, str]]


@dataclass(frozen=True, eq=False)
class _Seen:
    """What the rules look at.

    Attributes:
        start: The first day whose faults are wanted; those before are only past.
        energy: Active energies in kWh that are known and not doubted, shape (days, 24).
        missing: Hours without any, shape (days, 24).
        doubted: Of these the ones with an energy that is doubted, shape (days, 24).
        voltage_v: Shape (phases, days, 24).
        levels: Each day's median of the sizes of its energies that are not zero, in kWh.
        past_days: How many days of its past have an energy, shape (days,).
    """

    start: int
    energy: Floats
    missing: Flags
    doubted: Flags
    voltage_v: Floats
    levels: Floats
    past_days: Ints

    @classmethod
    def of(cls, days: MeterDays, first: int, start: int) -> "_Seen":
        active, doubted = days.active_kwh[first:], days.doubted[first:]
        missing = np.isnan(active) | doubted
        energy = np.where(missing, np.nan, active)
        levels = _medians(np.where(energy == 0, np.nan, np.abs(energy)))
        past_days = _past_sums(np.asarray(~missing.all(axis=1, keepdims=True)))[:, 0]
        voltages = days.voltage_v[:, first:]
        return cls(max(0, start) - first, energy, missing, doubted & ~np.isnan(active), voltages, levels, past_days)

    def wanted(self, flags: Flags) -> list[int]:
        """Flagged days whose faults are wanted."""
        return [self.start + int(day) for day in np.flatnonzero(flags[self.start :])]

    def comparable(self, flags: Flags) -> list[int]:
        """Those of them that have past enough to compare with."""
        return self.wanted(flags & (self.past_days >= _FEWEST_DAYS))

    def is_new(self, day: int, shown: Flags, is_fault: Flags) -> bool:
        """Whether what a day shows is not the meter's way.

        Args:
            day: The day.
            shown: Days of its past that show as much.
            is_fault: Days of its past that show it at all; what lasts since two weeks is the meter's way.
        """
        lasts = len(is_fault) > 0 and bool(is_fault[-1])
        return not lasts and np.count_nonzero(shown) <= _USUAL_SHARE * self.past_days[day]


def _gaps(seen: _Seen) -> Found:
    """Six hours or more are not known, or doubted."""
    counts, doubted = np.count_nonzero(seen.missing, axis=1), np.count_nonzero(seen.doubted, axis=1)
    for day in seen.wanted(counts >= _GAP_HOURS):
        told = Told.GAP_DOUBTED if doubted[day] else Told.GAP
        yield day, told.format(count=counts[day], hours=HOURS, doubted=doubted[day])


def _signs(seen: _Seen) -> Found:
    """More negative active energies than the past has, or six at hours that are hardly ever negative in it."""
    negative = seen.energy < 0
    counts = np.count_nonzero(negative, axis=1)
    is_moved = np.count_nonzero(_unusual(negative, seen), axis=1) >= _SIGN_HOURS
    is_moved &= seen.past_days >= _FEWEST_DAYS
    for day in seen.wanted(counts > 0):
        past = counts[_past(day)]
        if is_moved[day] or seen.is_new(day, past >= counts[day], past > 0):
            yield day, Told.SIGN.format(count=counts[day], hours=HOURS, least=_told(np.nanmin(seen.energy[day])))


def _stuck(seen: _Seen) -> Found:
    """Twelve known hours of the day in a row, or more, are equal and not zero.

    Of a meter that rests at its least value each time, equal hours at another value are new.
    """
    counts, firsts, lasts = longest_runs(seen.energy, True)
    values = np.where(counts >= _ALIKE_SHARE * _STUCK_HOURS, seen.energy[np.arange(len(counts)), firsts], np.nan)
    for day in seen.comparable(counts >= _STUCK_HOURS):
        past, value = values[_past(day)], values[day]
        least = np.fmin.reduce(past)
        alike = _is_equal(past, value) if _is_equal(value, least) else ~_is_equal(past, least)
        as_much = alike & (counts[_past(day)] >= _ALIKE_SHARE * counts[day])
        if seen.is_new(day, as_much, alike & (counts[_past(day)] >= _STUCK_HOURS)):
            span = {"first": _clock(firsts[day]), "end": _clock(lasts[day] + 1)}
            yield day, Told.STUCK.format(value=_told(value), **span)


def _scales(seen: _Seen) -> Found:
    """The level is a power of ten times that of the past, and that of its latest four weeks.

    What is too small must also fall below the meter's base load and rise and fall as ever: a day of rest does not.
    """
    levels = seen.levels
    past = rolling_quantile(levels, 0.5, _SPAN, _FEWEST_DAYS)
    recent = rolling_quantile(levels, 0.5, _RECENT_DAYS, _FEWEST_DAYS // 2)
    powers = np.round(np.log10(levels / past))
    near = np.select([powers == 1, powers == -1], [np.log10(_NEAR_TEN), np.log10(_NEAR_TENTH)], 0.5)[:, None]
    ratios = np.log10(levels[:, None] / np.stack([past, recent], axis=1))
    is_near = np.asarray((np.abs(ratios - powers[:, None]) <= near).all(axis=1))
    for day in seen.comparable(is_near & ((powers > 0) | ((powers < 0) & _is_below_base(seen.energy)))):
        power, before = int(powers[day]), levels[_past(day)]
        as_much = before >= levels[day] / 2 if power > 0 else before <= levels[day] * 2
        if seen.is_new(day, as_much, np.round(np.log10(before / past[day])) == power):
            told = Told.SCALE_MORE if power > 0 else Told.SCALE_LESS
            yield day, told.format(now=_told(levels[day]), times=f"{10 ** abs(power):,}", usual=_told(past[day]))


def _is_below_base(energy: Floats) -> Flags:
    """Days with less than half the past's base load, and half of its way from the least hour to the largest."""
    sizes = np.where(energy == 0, np.nan, np.abs(energy))
    least, largest = np.fmin.reduce(sizes, axis=1), np.fmax.reduce(sizes, axis=1)
    base = rolling_quantile(least, _USUAL_SHARE, _SPAN, _FEWEST_DAYS)
    swing = np.log(largest / least)
    usual_swing = rolling_quantile(swing, 0.5, _SPAN, _FEWEST_DAYS)
    return np.asarray((least < base / 2) & (swing >= usual_swing / 2))


def _spikes(seen: _Seen) -> Found:
    """An hour is far above everything in the past, or at most three are far above what such hours were lately."""
    energy = seen.energy
    most = rolling_quantile(np.fmax.reduce(energy, axis=1), _ALL_BUT_SHARE, _SPAN, _FEWEST_DAYS)
    far = (energy > _FAR_TIMES * most[:, None]) & (most[:, None] > 0)
    times, usual = _times_usual(seen)
    local_times = np.where(times > _SPIKE_TIMES, times, 0).max(axis=1)
    is_measured = np.asarray(~np.isnan(times).all(axis=1))
    for day in seen.comparable((local_times > 0) | far.any(axis=1)):
        # a day's times look back as far again
        before = slice(_past(day).start + LAG_DAYS + _RECENT_DAYS - 1, _past(day).stop)
        as_much = np.count_nonzero(_SPIKE_MORE * local_times[before] >= local_times[day])
        is_local = as_much <= _SPIKE_SHARE * np.count_nonzero(is_measured[before])
        hours = np.flatnonzero(far[day] | ((times[day] > _SPIKE_TIMES) & is_local))
        if hours.size:
            hour = hours[np.argmax(energy[day, hours])]
            told = Told.SPIKE_PAST if far[day, hour] else Told.SPIKE_LATELY
            highest = most[day] if far[day, hour] else usual[day, hour]
            yield day, told.format(hour=_clock(hour), value=_told(energy[day, hour]), usual=_told(highest))


def _times_usual(seen: _Seen) -> tuple[Floats, Floats]:
    """How far spikes are above what such hours were lately, and what that was, shapes (days, 24).

    Only up to three hours of a day can be spikes, and must be above all others of it; of other hours it is NaN
    or not above `_SPIKE_TIMES`. A day whose level has risen must be further above.
    """
    energy = seen.energy
    recent = rolling_quantile(seen.levels, 0.5, _RECENT_DAYS, _FEWEST_DAYS // 2)
    risen = np.fmax(seen.levels / recent, 1)
    lately = np.pad(second_largest(energy, LAG_DAYS, _RECENT_DAYS), ((0, 0), (1, 1)), constant_values=np.nan)
    usual = np.fmax(np.fmax(lately[:, :-2], lately[:, 2:]), lately[:, 1:-1])
    times = np.divide(energy, usual * risen[:, None], out=np.full_like(energy, np.nan), where=usual > 0)
    high = times > _SPIKE_TIMES
    others = np.fmax.reduce(np.where(high, np.nan, energy), axis=1, keepdims=True)
    is_spike = (np.count_nonzero(high, axis=1, keepdims=True) <= _SPIKE_HOURS) & (energy > _SPIKE_OVER_DAY * others)
    return np.where(high & ~is_spike, _SPIKE_TIMES, times), usual


def _voltage_losses(seen: _Seen) -> Found:
    """For three hours a phase is below half of its past median, another one alive, or with no other alive."""
    volts = seen.voltage_v
    if not len(volts):
        return
    usual = np.array([rolling_quantile(_medians(phase), 0.5, _SPAN, _FEWEST_DAYS) for phase in volts])
    losses = _dead_hours(volts, usual[:, :, None])
    for phase, hours in enumerate(losses):
        for day in seen.comparable(np.count_nonzero(hours, axis=1) >= _DEAD_HOURS):
            # the past against what is usual now: that of its own days lies further back
            past = np.count_nonzero(_dead_hours(volts[:, _past(day)], usual[:, day, None, None])[phase], axis=1)
            count = np.count_nonzero(hours[day])
            if not seen.is_new(day, past >= count, past >= _DEAD_HOURS):
                continue
            lost = np.nanargmin(usual[:, day]) if phase == len(volts) else phase
            now = _told(np.nanmedian(volts[lost, day, hours[day]]))
            which = Told.ALL_PHASES if phase == len(volts) else Told.PHASE.format(number=phase + 1)
            figures = {"now": now, "count": count, "hours": HOURS, "usual": _told(usual[lost, day])}
            yield day, Told.VOLTAGE_LOSS.format(phase=which, **figures)


def _dead_hours(volts: Floats, usual: Floats) -> Flags:
    """Hours in which each phase is dead and another alive, and last those in which none is, (phases + 1, days, 24)."""
    shares = np.divide(volts, usual, out=np.full_like(volts, np.nan), where=usual > 0)
    dead = shares < _DEAD_SHARE
    any_alive = np.fmax.reduce(shares, axis=0) >= _ALIVE_SHARE
    return np.concatenate([dead & any_alive, (dead.any(axis=0) & ~any_alive)[None]])


def _new_zeros(seen: _Seen) -> Found:
    """Six known hours of the day in a row, or more, are zero, and such hours are hardly ever in the past."""
    zero = _unusual(seen.energy == 0, seen)
    counts, firsts, lasts = longest_runs(np.where(seen.missing, np.nan, np.where(zero, 0.0, 1.0)), False)
    for day in seen.comparable(counts >= _ZERO_HOURS):
        yield day, Told.NEW_ZEROS.format(first=_clock(firsts[day]), end=_clock(lasts[day] + 1))


_FINDERS: dict[str, Callable[[_Seen], Found]] = {
    GAP: _gaps,
    SIGN: _signs,
    STUCK: _stuck,
    SCALE: _scales,
    SPIKE: _spikes,
    VOLTAGE_LOSS: _voltage_losses,
    NEW_ZEROS: _new_zeros,
}
RULES = tuple(_FINDERS)


def _unusual(flags: Flags, seen: _Seen) -> Flags:
    """Flagged hours that hardly any day of the past has at this hour, nor that of two weeks before."""
    usual = _past_sums(flags) > _USUAL_SHARE * _past_sums(~seen.missing)
    usual[LAG_DAYS:] |= flags[: max(0, len(flags) - LAG_DAYS)]
    return flags & ~usual


@compiled
def longest_runs(values: Floats, wants_others: bool) -> tuple[Ints, Ints, Ints]:
    """Of each day the longest run of hours that are equal, hours that are not known left out.

    Args:
        values: Shape (days, 24).
        wants_others: Whether runs of values other than zero are meant, or runs of zeros.

    Returns:
        Hours of the run, its first hour and its last; 0, 0, 0 where there is none.
    """
    counts, firsts, lasts = (
        np.zeros(len(values), np.int64),
        np.zeros(len(values), np.int64),
        np.zeros(len(values), np.int64),
    )
    for day in range(len(values)):
        run, first, begun = 0, 0, np.nan
        for hour in range(values.shape[1]):
            value = values[day, hour]
            if np.isnan(value):
                continue
            if (value != 0) != wants_others:
                run = 0
                continue
            if run == 0 or abs(value - begun) > _EQUAL * abs(begun):
                run, first, begun = 0, hour, value
            run += 1
            if run > counts[day]:
                counts[day], firsts[day], lasts[day] = run, first, hour
    return counts, firsts, lasts


@compiled
def second_largest(values: Floats, lag: int, span: int) -> Floats:
    """Of each day and hour the second largest of that hour on the `span` days up to `lag` days before.

    Args:
        values: Shape (days, 24).
        lag: From a day to the latest that counts.
        span: Days that count.

    Returns:
        Shape (days, 24); NaN where fewer than two are known.
    """
    result = np.full(values.shape, np.nan)
    largest, second = np.empty(values.shape[1]), np.empty(values.shape[1])
    for day in range(len(values)):
        largest[:] = -np.inf
        second[:] = -np.inf
        for other in range(max(0, day - lag - span + 1), day - lag + 1):
            for hour in range(values.shape[1]):
                value = values[other, hour]
                if value > largest[hour]:
                    largest[hour], second[hour] = value, largest[hour]
                elif value > second[hour]:
                    second[hour] = value
        for hour in range(values.shape[1]):
            if second[hour] > -np.inf:
                result[day, hour] = second[hour]
    return result


@compiled
def rolling_quantile(values: Floats, quantile: float, span: int, fewest: int) -> Floats:
    """Of each day the quantile of the known among the `span` latest days of its past, with linear interpolation.

    Args:
        values: Shape (days,).
        quantile: 0 to 1.
        span: Days that count.
        fewest: Known days needed.

    Returns:
        Shape (days,); NaN where fewer are known.
    """
    result = np.full(len(values), np.nan)
    window, count = np.empty(span + 1), 0
    for day in range(LAG_DAYS, len(values)):
        new, old = day - LAG_DAYS, day - LAG_DAYS - span
        if not np.isnan(values[new]):
            place = np.searchsorted(window[:count], values[new])
            for i in range(count, place, -1):
                window[i] = window[i - 1]
            window[place] = values[new]
            count += 1
        if old >= 0 and not np.isnan(values[old]):
            count -= 1
            for i in range(np.searchsorted(window[: count + 1], values[old]), count):
                window[i] = window[i + 1]
        if count >= fewest:
            low = int(quantile * (count - 1))
            part = quantile * (count - 1) - low
            result[day] = window[low] + (window[min(low + 1, count - 1)] - window[low]) * part
    return result


def _past(day: int) -> slice:
    """The days of a day's past."""
    return slice(max(0, day - PAST_DAYS), max(0, day - LAG_DAYS + 1))


def _past_sums(flags: Flags) -> Ints:
    """How many days of each day's past have it, of the shape of the flags."""
    sums = np.concatenate([np.zeros((PAST_DAYS + 1, flags.shape[1]), np.int64), np.cumsum(flags, axis=0)])
    return np.asarray(sums[_SPAN : _SPAN + len(flags)] - sums[: len(flags)])


def _medians(values: Floats) -> Floats:
    """Each day's median; NaN where fewer than six hours are known."""
    ordered = np.sort(values, axis=1)
    known = np.count_nonzero(~np.isnan(values), axis=1)
    days = np.arange(len(values))
    middle = (ordered[days, np.maximum(known - 1, 0) // 2] + ordered[days, np.minimum(known // 2, HOURS - 1)]) / 2
    return np.where(known >= _LEVEL_HOURS, middle, np.nan)


def _is_equal(one: Floats, other: Floats) -> Flags:
    return np.abs(one - other) <= _EQUAL * np.abs(other)


def _told(value: float) -> str:
    """Three figures at least, no exponent."""
    size = abs(float(value))
    decimals = max(0, 2 - int(np.floor(np.log10(size)))) if size > 0 else 0
    text = f"{float(value):,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _clock(hour: int) -> str:
    return f"{hour:02}:00"
