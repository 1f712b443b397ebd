"""The archetypes: what a dwelling, an office, a pump … uses, from local time and a random generator.

Each takes the local time index (n,), the hours an interval lasts and a generator, and returns kWh an interval,
shape (n,), not yet rounded.
"""

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pandas as pd

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def hour_of(local: pd.DatetimeIndex) -> FloatArray:
    """Hours since midnight of each time, with fractions."""
    return np.asarray(local.hour + local.minute / 60, dtype=np.float64)


def is_weekend(local: pd.DatetimeIndex) -> BoolArray:
    """Whether each time is on Saturday or Sunday."""
    return np.asarray(local.day_of_week >= 5)


def _season(local: pd.DatetimeIndex) -> FloatArray:
    """1 in mid-January to -1 in mid-July."""
    day = np.asarray(local.day_of_year, dtype=np.float64)
    return np.asarray(np.cos(2 * np.pi * (day - 15) / 365.25))


def _bump(hour: FloatArray, centre: float, width: float) -> FloatArray:
    distance = (hour - centre + 12) % 24 - 12
    return np.asarray(np.exp(-0.5 * (distance / width) ** 2))


def _plateau(hour: FloatArray, start: float | FloatArray, end: float | FloatArray) -> FloatArray:
    """1 between `start` and `end`, 0 outside, with flanks of about an hour."""
    return np.asarray(1 / (1 + np.exp(-(hour - start) / 0.2)) / (1 + np.exp((hour - end) / 0.2)))


def wander(n: int, rng: np.random.Generator, memory: float = 0.9) -> FloatArray:
    """First-order autoregressive noise of unit variance, shape (n,)."""
    innovation = np.sqrt(1 - memory**2)
    steps = rng.standard_normal(n).tolist()
    return np.array(list(itertools.accumulate(steps, lambda level, step: memory * level + innovation * step)))


def around_one(n: int, rng: np.random.Generator, sigma: float, memory: float = 0.9) -> FloatArray:
    """Positive autocorrelated noise of mean 1, shape (n,)."""
    return np.asarray(np.exp(sigma * wander(n, rng, memory) - sigma**2 / 2))


def _day_number(local: pd.DatetimeIndex) -> npt.NDArray[np.int64]:
    """0 for the first calendar day, counting up; shape (n,)."""
    days = local.tz_localize(None).normalize()
    return np.asarray((days - days[0]).days, dtype=np.int64)


def _blocks(local: pd.DatetimeIndex, start: FloatArray, length: FloatArray) -> BoolArray:
    """Whether each time is in a daily block, which may run past midnight.

    Args:
        local: times, shape (n,).
        start: hour each day's block starts at; entry 0 is the day before the first; shape (days + 1,).
        length: its hours, 0 for none, shape (days + 1,).
    """
    day, hour = _day_number(local), hour_of(local)
    today = (hour >= start[day + 1]) & (hour < start[day + 1] + length[day + 1])
    return np.asarray(today | (hour + 24 < start[day] + length[day]))


def household(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """A dwelling: morning and evening peaks, more at noon on weekends, short strong appliances."""
    hour, n = hour_of(local), len(local)
    power = 0.18 + 0.35 * _bump(hour, 7.5, 1) + 0.9 * _bump(hour, 20, 2)
    power += np.where(is_weekend(local), 0.4, 0.1) * _bump(hour, 13, 1.5)
    appliance = 1.6 * (rng.random(n) < 0.06 * _plateau(hour, 7, 23))
    return hours * ((1 + 0.15 * _season(local)) * power * around_one(n, rng, 0.3) + appliance)


def office(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """Weekdays from 8 to 18, cooled in summer; a low base otherwise."""
    working = _plateau(hour_of(local), 8, 18) * np.where(is_weekend(local), 0.08, 1)
    return hours * (1.5 + (11 - 2.5 * _season(local)) * working) * around_one(len(local), rng, 0.08)


def company(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """Two shifts on weekdays, the first one only on Saturday."""
    hour, saturday = hour_of(local), np.asarray(local.day_of_week == 5)
    first, second = _plateau(hour, 6, 14), _plateau(hour, 14, 22)
    shifts = np.where(is_weekend(local), saturday * first, first + 0.8 * second)
    return hours * (3 + 24 * shifts) * around_one(len(local), rng, 0.1)


def pump(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """A water pump on or off, oftener on in the morning and evening."""
    hour, n = hour_of(local), len(local)
    wanted = 1.5 * _bump(hour, 7, 1.5) + 1.2 * _bump(hour, 19, 2) - 0.2 * is_weekend(local)
    running = 0.7 * wander(n, rng, 0.8) + wanted > 0.6
    return hours * (0.05 + 5.5 * running * around_one(n, rng, 0.04))


def pv_prosumer(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """A dwelling under a roof of photovoltaics: net negative around noon unless overcast."""
    day, n = _day_number(local), len(local)
    daylight = 12 - 3.5 * _season(local)
    sun = np.maximum(np.cos(np.pi * np.clip((hour_of(local) - 12.5) / daylight, -0.5, 0.5)), 0)
    clear = rng.beta(5, 1.5, day[-1] + 1)[day] * np.minimum(around_one(n, rng, 0.15), 1.2)
    produced = (5.5 - 0.8 * _season(local)) * sun * clear
    return np.asarray(household(local, hours, rng) - hours * produced)


def ev_charging(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """A wall box: blocks at full power from the evening on, on about three days in four."""
    days = _day_number(local)[-1] + 2
    length = rng.uniform(2, 5, days) * (rng.random(days) < 0.75)
    charging = _blocks(local, rng.normal(20.5, 1.2, days), length)
    return hours * (0.06 * around_one(len(local), rng, 0.2) + 7.2 * charging)


def irrigation(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """Pumping at night, from about 22:00, the longer and oftener the nearer July is."""
    days, n, dry = _day_number(local)[-1] + 2, len(local), (1 - _season(local).mean()) / 2
    length = rng.uniform(4, 5 + 4 * dry, days) * (rng.random(days) < 0.2 + 0.75 * dry)
    pumping = _blocks(local, rng.normal(22, 0.4, days), length)
    return hours * (0.03 + 15 * pumping) * around_one(n, rng, 0.05)


def cold_storage(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """Flat, with compressor cycles, two defrostings a day and a little more in warm hours."""
    hour, n = hour_of(local), len(local)
    cycle = np.sin(2 * np.pi * np.arange(n) * hours / 3.7 + 0.3 * np.cumsum(rng.standard_normal(n)))
    level = 12 - 1.5 * _season(local) + 1.2 * _bump(hour, 15, 3)
    defrosting = 4 * (_bump(hour, 4, 0.3) + _bump(hour, 16, 0.3))
    return np.asarray(hours * (level + 2 * cycle + defrosting))


def street_lighting(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """On from dusk to dawn, nearly constant."""
    season = _season(local)
    dark = 1 - _plateau(hour_of(local), 6.2 + 1.3 * season, 18.8 - 1.7 * season)
    return hours * (0.02 + 4 * dark) * around_one(len(local), rng, 0.01)


ARCHETYPES: dict[str, Callable[[pd.DatetimeIndex, float, np.random.Generator], FloatArray]] = {
    make.__name__: make
    for make in (
        household, office, company, pump, pv_prosumer, ev_charging, irrigation, cold_storage, street_lighting
    )
}  # fmt: skip
