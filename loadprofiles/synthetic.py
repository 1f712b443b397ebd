"""Meters with known truth: the sample inputs the repository ships, and what tests are built from.

`make_meter` returns a clean meter. `add_anomaly` changes what it used; `add_fault` and `scatter_faults`
change only what its file says. A meter's events are the one description of all that: the source functions
(`oldmongo_frame`, `sql_lines`, `newmongo_documents`, `customer_frame`) read them and spoil the raw data,
and `daily_profiles`, `touched_profiles` and `events_table` hand out the truth.
`python -m loadprofiles.synthetic --out DIR` writes the whole set, the same bytes each time.

Energies are multiples of 1 Wh, so that sums are exact; a timestamp is its interval's start.
"""

import hashlib
import io
import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt
import openpyxl
import pandas as pd

from loadprofiles.errors import ParameterError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

SEED = 20190514
UNKNOWN_LIMIT_KW = 200.0  # what validation takes for a contracted power or production nobody knows

GAPS = ("gap_short", "gap_long", "night_gap")
OUTLIERS = ("outlier_high", "outlier_low")
TOUCHING = (*GAPS, *OUTLIERS)  # the faults that lose energies; all others must be undone exactly
REPEATS = ("duplicate", "conflicting_duplicate")
FAULTS = {
    "implausible_year": "extra rows with a stamp no reading can have",
    "duplicate": "the identical row twice",
    "conflicting_duplicate": "same stamp, other value; the later row is true; value is the false energy",
    "scale_change": "registers from here on times factor; the unit before is kWh",
    "reset": "meter exchanged; registers start again at 0",
    "gap_short": "no reading, at most 2 h; value is the true energy",
    "gap_long": "no reading, more than 2 h by day; value is the true energy",
    "night_gap": "no reading, more than 2 h between 00:00 and 06:59 local; value is the true energy",
    "outlier_high": "recorded value far above contracted power; registers keep the jump",
    "outlier_low": "recorded value far below minus production; registers keep the jump",
    "identical_meters": "the same file was delivered under two numbers",
}
ANOMALIES: dict[str, tuple[float | None, str]] = {
    "theft_drop": (0.3, "active energy times factor, reactive unchanged"),
    "bypass": (0.4, "active and reactive energy times factor"),
    "frozen": (None, "every interval the same value"),
    "night_drop": (0.2, "active energy times factor from 22:00 to 05:59 local"),
    "weekend_excess": (3.0, "active and reactive energy times factor on Saturday and Sunday"),
}
EVENT_COLUMNS = [
    "source", "meter_id", "kind", "class", "from_utc", "to_utc", "factor", "value_kwh", "note",
]  # fmt: skip


@dataclass(frozen=True)
class Event:
    """What was done to a meter on purpose.

    Attributes:
        kind: a key of `FAULTS` or `ANOMALIES`.
        from_utc: the first interval's start.
        to_utc: the end, exclusive; the single interval at `from_utc` for a change of scale or a reset.
        factor: scale of a register (after / before), of a false duplicate or of an anomaly's energy.
        value_kwh: outlier: the recorded energy; gap: the energy it hides; conflicting duplicate: the false
            energy; anomaly: recorded minus normal energy.
        note: the kind in words.
    """

    kind: str
    from_utc: pd.Timestamp
    to_utc: pd.Timestamp
    factor: float | None = None
    value_kwh: float | None = None
    note: str = ""

    def covers(self, index: pd.DatetimeIndex) -> BoolArray:
        """Which timestamps of `index` (UTC) lie in the event."""
        return np.asarray((index >= self.from_utc) & (index < self.to_utc))


@dataclass(frozen=True, eq=False)
class Truth:
    """What a perfect pipeline would find.

    Attributes:
        energy_kwh: net energy (import minus export) of every interval, before faults; index in UTC.
        reactive_energy_kvarh: the same for reactive energy.
        events: faults and anomalies, in the order in which they were added.
    """

    energy_kwh: "pd.Series[float]"
    reactive_energy_kvarh: "pd.Series[float]"
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, eq=False)
class Meter:
    """One meter, its description and its truth.

    Attributes:
        meter_id: its name; of a customer `Cliente <n>`.
        source: `oldmongo`, `sql`, `newmongo` or `customers`.
        timezone: IANA name of the zone of its local days and of naive local stamps.
        resolution_minutes: length of an interval.
        contracted_power_kw: at least 1.5 times the highest power of the clean signal; None: unknown.
        production_kw: at least 1.5 times the highest export; 0 without export; None: unknown.
        meter_type: `Type` of the description, the archetype's name; None: unknown.
        seed: of everything drawn later: voltages, where faults lie.
        truth: signal and events.
    """

    meter_id: str
    source: str
    timezone: str
    resolution_minutes: int
    contracted_power_kw: float | None
    production_kw: float | None
    meter_type: str | None
    seed: int
    truth: Truth = field(repr=False)

    @property
    def step(self) -> pd.Timedelta:
        """Length of an interval."""
        return pd.Timedelta(minutes=self.resolution_minutes)

    @property
    def hours(self) -> float:
        """Length of an interval in hours."""
        return self.resolution_minutes / 60

    @property
    def index(self) -> pd.DatetimeIndex:
        """Starts of all its intervals, in UTC."""
        return pd.DatetimeIndex(self.truth.energy_kwh.index)

    @property
    def exports(self) -> bool:
        """Whether it ever feeds in."""
        return bool((self.truth.energy_kwh < 0).any())


# ---- archetypes: (local time index, hours an interval, rng) -> kWh an interval, not yet rounded ----


def _hour(local: pd.DatetimeIndex) -> FloatArray:
    return np.asarray(local.hour + local.minute / 60, dtype=np.float64)


def _weekend(local: pd.DatetimeIndex) -> BoolArray:
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


def _wander(n: int, rng: np.random.Generator, memory: float = 0.9) -> FloatArray:
    """First-order autoregressive noise of unit variance, shape (n,)."""
    innovation = np.sqrt(1 - memory**2)
    steps = rng.standard_normal(n).tolist()
    return np.array(list(accumulate(steps, lambda level, step: memory * level + innovation * step)))


def _around_one(n: int, rng: np.random.Generator, sigma: float, memory: float = 0.9) -> FloatArray:
    """Positive autocorrelated noise of mean 1, shape (n,)."""
    return np.asarray(np.exp(sigma * _wander(n, rng, memory) - sigma**2 / 2))


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
    day, hour = _day_number(local), _hour(local)
    today = (hour >= start[day + 1]) & (hour < start[day + 1] + length[day + 1])
    return np.asarray(today | (hour + 24 < start[day] + length[day]))


def household(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """A dwelling: morning and evening peaks, more at noon on weekends, short strong appliances."""
    hour, n = _hour(local), len(local)
    power = 0.18 + 0.35 * _bump(hour, 7.5, 1) + 0.9 * _bump(hour, 20, 2)
    power += np.where(_weekend(local), 0.4, 0.1) * _bump(hour, 13, 1.5)
    appliance = 1.6 * (rng.random(n) < 0.06 * _plateau(hour, 7, 23))
    return hours * ((1 + 0.15 * _season(local)) * power * _around_one(n, rng, 0.3) + appliance)


def office(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """Weekdays from 8 to 18, cooled in summer; a low base otherwise."""
    working = _plateau(_hour(local), 8, 18) * np.where(_weekend(local), 0.08, 1)
    return hours * (1.5 + (11 - 2.5 * _season(local)) * working) * _around_one(len(local), rng, 0.08)


def company(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """Two shifts on weekdays, the first one only on Saturday."""
    hour, saturday = _hour(local), np.asarray(local.day_of_week == 5)
    first, second = _plateau(hour, 6, 14), _plateau(hour, 14, 22)
    shifts = np.where(_weekend(local), saturday * first, first + 0.8 * second)
    return hours * (3 + 24 * shifts) * _around_one(len(local), rng, 0.1)


def pump(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """A water pump on or off, oftener on in the morning and evening."""
    hour, n = _hour(local), len(local)
    wanted = 1.5 * _bump(hour, 7, 1.5) + 1.2 * _bump(hour, 19, 2) - 0.2 * _weekend(local)
    running = 0.7 * _wander(n, rng, 0.8) + wanted > 0.6
    return hours * (0.05 + 5.5 * running * _around_one(n, rng, 0.04))


def pv_prosumer(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """A dwelling under a roof of photovoltaics: net negative around noon unless overcast."""
    day, n = _day_number(local), len(local)
    daylight = 12 - 3.5 * _season(local)
    sun = np.maximum(np.cos(np.pi * np.clip((_hour(local) - 12.5) / daylight, -0.5, 0.5)), 0)
    clear = rng.beta(5, 1.5, day[-1] + 1)[day] * np.minimum(_around_one(n, rng, 0.15), 1.2)
    produced = (5.5 - 0.8 * _season(local)) * sun * clear
    return np.asarray(household(local, hours, rng) - hours * produced)


def ev_charging(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """A wall box: blocks at full power from the evening on, on about three days in four."""
    days = _day_number(local)[-1] + 2
    length = rng.uniform(2, 5, days) * (rng.random(days) < 0.75)
    charging = _blocks(local, rng.normal(20.5, 1.2, days), length)
    return hours * (0.06 * _around_one(len(local), rng, 0.2) + 7.2 * charging)


def irrigation(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """Pumping at night, from about 22:00, the longer and oftener the nearer July is."""
    days, n, dry = _day_number(local)[-1] + 2, len(local), (1 - _season(local).mean()) / 2
    length = rng.uniform(4, 5 + 4 * dry, days) * (rng.random(days) < 0.2 + 0.75 * dry)
    pumping = _blocks(local, rng.normal(22, 0.4, days), length)
    return hours * (0.03 + 15 * pumping) * _around_one(n, rng, 0.05)


def cold_storage(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """Flat, with compressor cycles, two defrostings a day and a little more in warm hours."""
    hour, n = _hour(local), len(local)
    cycle = np.sin(2 * np.pi * np.arange(n) * hours / 3.7 + 0.3 * np.cumsum(rng.standard_normal(n)))
    level = 12 - 1.5 * _season(local) + 1.2 * _bump(hour, 15, 3)
    defrosting = 4 * (_bump(hour, 4, 0.3) + _bump(hour, 16, 0.3))
    return np.asarray(hours * (level + 2 * cycle + defrosting))


def street_lighting(local: pd.DatetimeIndex, hours: float, rng: np.random.Generator) -> FloatArray:
    """On from dusk to dawn, nearly constant."""
    season = _season(local)
    dark = 1 - _plateau(_hour(local), 6.2 + 1.3 * season, 18.8 - 1.7 * season)
    return hours * (0.02 + 4 * dark) * _around_one(len(local), rng, 0.01)


ARCHETYPES: dict[str, Callable[[pd.DatetimeIndex, float, np.random.Generator], FloatArray]] = {
    make.__name__: make
    for make in (
        household, office, company, pump, pv_prosumer, ev_charging, irrigation, cold_storage, street_lighting
    )
}  # fmt: skip


# ---- meters, anomalies, faults ----


def _rng(seed: int, word: str) -> np.random.Generator:
    return np.random.default_rng([seed, zlib.crc32(word.encode())])


def _utc(naive: pd.Timestamp, timezone: str) -> pd.Timestamp:
    """A naive local stamp in UTC; one in the hour skipped in spring moves to its end."""
    return naive.tz_localize(timezone, ambiguous=True, nonexistent="shift_forward").tz_convert("UTC")


def _rated_kw(peak_kwh: float, hours: float) -> float:
    """1.5 times the highest power, rounded up to half a kW."""
    return float(np.ceil(max(peak_kwh, 0.0) / hours * 1.5 * 2) / 2)


def make_meter(
    meter_id: str,
    archetype: str,
    *,
    source: str = "oldmongo",
    start: str = "2019-05-05",
    days: int = 18,
    resolution_minutes: int = 15,
    timezone: str = "UTC",
    scale: float = 1.0,
    seed: int = SEED,
) -> Meter:
    """A clean meter: signal and truth.

    Args:
        meter_id: its name; with `seed` it fixes everything random.
        archetype: a key of `ARCHETYPES`.
        source: the source it belongs to.
        start: first interval, local time; with a time of day, its first local day is partial.
        days: local days from `start`'s date on; the last one ends at midnight.
        resolution_minutes: length of an interval, a divisor of 60.
        timezone: IANA name.
        scale: factor on the archetype's energy.
        seed: of the whole set.

    Raises:
        ParameterError: no such archetype, or intervals that do not fill an hour.
    """
    if archetype not in ARCHETYPES:
        raise ParameterError(f"no archetype {archetype!r}; there are: {', '.join(ARCHETYPES)}")
    if 60 % resolution_minutes:
        raise ParameterError(f"resolution must divide 60 minutes, not be {resolution_minutes}")
    first = pd.Timestamp(start)
    end = first.normalize() + pd.Timedelta(days=days)
    frequency = f"{resolution_minutes}min"
    index = pd.date_range(_utc(first, timezone), _utc(end, timezone), freq=frequency, inclusive="left")
    local = index.tz_convert(timezone)
    hours, meter_seed = resolution_minutes / 60, zlib.crc32(f"{seed}/{meter_id}".encode())
    rng = _rng(meter_seed, "energy")
    # + 0.0 turns the -0.0 that rounding leaves into 0.0
    energy = np.round(scale * ARCHETYPES[archetype](local, hours, rng), 3) + 0.0
    reactive = np.round(np.abs(energy) * rng.uniform(0.3, 0.6) * _around_one(len(local), rng, 0.1), 3)
    return Meter(
        meter_id=meter_id,
        source=source,
        timezone=timezone,
        resolution_minutes=resolution_minutes,
        contracted_power_kw=_rated_kw(energy.max(), hours),
        production_kw=_rated_kw(-energy.min(), hours),
        meter_type=archetype,
        seed=meter_seed,
        truth=Truth(pd.Series(energy, index=index), pd.Series(reactive, index=index)),
    )


def _local(meter: Meter, index: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """`index` (UTC) as naive local stamps."""
    return index.tz_convert(meter.timezone).tz_localize(None)


def _day_bounds(meter: Meter, naive: pd.Timestamp) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Start and end (UTC) of the local day `naive` lies in."""
    midnight = naive.normalize()
    tomorrow = midnight + pd.Timedelta(days=1)
    return _utc(midnight, meter.timezone), _utc(tomorrow, meter.timezone)


def local_days(meter: Meter) -> list[pd.Timestamp]:
    """Midnights (naive, local) of the days the meter's period covers from end to end."""
    start, end = meter.index[0], meter.index[-1] + meter.step
    bounds = ((day, _day_bounds(meter, day)) for day in _local(meter, meter.index).normalize().unique())
    return [day for day, (day_start, day_end) in bounds if start <= day_start and day_end <= end]


def _overlaps(event: Event, start: pd.Timestamp, end: pd.Timestamp) -> bool:
    # twins are so for their whole period: that must not keep other events out
    return event.kind != "identical_meters" and event.from_utc < end and start < event.to_utc


def _with_event(meter: Meter, event: Event) -> Meter:
    for other in meter.truth.events:
        if _overlaps(other, event.from_utc, event.to_utc):
            where = f"{meter.meter_id} at {event.from_utc}"
            raise ParameterError(f"{event.kind} of {where} overlaps its {other.kind}")
    return replace(meter, truth=replace(meter.truth, events=(*meter.truth.events, event)))


def add_anomaly(
    meter: Meter, kind: str, from_utc: pd.Timestamp, to_utc: pd.Timestamp, factor: float | None = None
) -> Meter:
    """`meter` having used other energy in [from_utc, to_utc): the truth follows.

    Raises:
        ParameterError: unknown kind, or the window overlaps another event.
    """
    if kind not in ANOMALIES:
        raise ParameterError(f"no anomaly {kind!r}; there are: {', '.join(ANOMALIES)}")
    usual, note = ANOMALIES[kind]
    factor = usual if factor is None else factor
    event = Event(kind, from_utc, to_utc, factor, note=note)
    local = _local(meter, meter.index)
    inside = event.covers(meter.index)
    if kind == "weekend_excess":
        inside &= _weekend(local)
    elif kind == "night_drop":
        inside &= (_hour(local) < 6) | (_hour(local) >= 22)

    def changed(normal: "pd.Series[float]") -> "pd.Series[float]":
        other = normal * factor if factor is not None else pd.Series(normal[inside].mean(), normal.index)
        return normal.where(~inside, other.round(3) + 0.0)

    truth = meter.truth
    energy, reactive = changed(truth.energy_kwh), truth.reactive_energy_kvarh
    if kind in {"bypass", "frozen", "weekend_excess"}:
        reactive = changed(reactive)
    event = replace(event, value_kwh=round(float((energy - truth.energy_kwh).sum()), 3))
    return _with_event(replace(meter, truth=replace(truth, energy_kwh=energy, reactive_energy_kvarh=reactive)), event)


def _limit_kwh(meter: Meter, power_kw: float | None) -> float:
    return (UNKNOWN_LIMIT_KW if power_kw is None else power_kw) * meter.hours


def _fault_value(meter: Meter, event: Event) -> float | None:
    """See `Event.value_kwh`."""
    inside = meter.truth.energy_kwh[event.covers(meter.index)]
    times = _rng(meter.seed, str(event.from_utc)).uniform(8, 20)
    excess = times * _limit_kwh(meter, meter.contracted_power_kw)
    if event.kind == "outlier_high":
        return round(excess, 3)
    if event.kind == "outlier_low":
        return round(-excess - _limit_kwh(meter, meter.production_kw), 3)
    if event.kind in GAPS:
        return round(float(inside.sum()), 3)
    if event.kind == "conflicting_duplicate" and event.factor is not None:
        return round(float((inside * event.factor).round(3).sum()), 3)
    return None


def add_fault(meter: Meter, kind: str, from_utc: pd.Timestamp, steps: int = 1, factor: float | None = None) -> Meter:
    """`meter` whose raw data are wrong in `steps` intervals from `from_utc` on; its energies are as before.

    A repeated or misdated document of newmongo holds a whole local day, so there the window is that day.

    Raises:
        ParameterError: unknown kind, or the window overlaps another event or lies outside the period.
    """
    if kind not in FAULTS:
        raise ParameterError(f"no fault {kind!r}; there are: {', '.join(FAULTS)}")
    usual = {"scale_change": 1000.0, "conflicting_duplicate": 0.5}.get(kind)
    event = Event(kind, from_utc, from_utc + steps * meter.step, usual if factor is None else factor)
    if meter.source == "newmongo" and kind in {*REPEATS, "implausible_year"}:
        start, end = _day_bounds(meter, from_utc.tz_convert(meter.timezone).tz_localize(None))
        event = replace(event, from_utc=start, to_utc=end)
    if kind != "implausible_year" and not event.covers(meter.index).any():
        raise ParameterError(f"{kind} at {event.from_utc} lies outside the period of {meter.meter_id}")
    return _with_event(meter, replace(event, value_kwh=_fault_value(meter, event), note=FAULTS[kind]))


# kind: first and last local hour it starts at, hours it is longer than, hours it is at most (but one step)
_PLACES = {
    "gap_short": (8, 16, 0, 2),
    "gap_long": (9, 12, 2, 6),
    "night_gap": (0, 1, 2, 5),
    "outlier_high": (10, 16, 0, 0),
    "outlier_low": (10, 16, 0, 0),
    "scale_change": (10, 16, 0, 0),
    "reset": (10, 16, 0, 0),
}


def _place(meter: Meter, kind: str, day: pd.Timestamp, rng: np.random.Generator) -> tuple[pd.Timestamp, int]:
    """Where in `day` a fault lies: its first interval and its number of intervals."""
    if kind == "implausible_year":
        return pd.Timestamp(str(rng.choice(["1970-01-01", "2040-01-01"])), tz="UTC"), 1
    if kind in REPEATS:
        # where most flows: a false copy must differ from the true row
        start, end = _day_bounds(meter, day)
        inside = np.asarray((meter.index >= start) & (meter.index < end))
        return meter.index[int(np.argmax(meter.truth.energy_kwh.abs().to_numpy() * inside))], 1
    earliest, latest, more_than, at_most = _PLACES[kind]
    least = int(more_than / meter.hours) + 1
    steps = int(rng.integers(least, max(least, int(at_most / meter.hours)) + 1))
    late = int(rng.integers(int(earliest / meter.hours), int(latest / meter.hours) + 1))
    return _utc(day + late * meter.step, meter.timezone), steps


def scatter_faults(meter: Meter, kinds: Iterable[str]) -> Meter:
    """`meter` with the faults given, each on a day of its own that has no other event.

    Gaps and outliers keep away from the end of the day, so none lies beside another.

    Raises:
        ParameterError: an unknown kind, or fewer free days than faults.
    """
    kinds, rng = list(kinds), _rng(meter.seed, "faults")
    free = [
        day
        for day in local_days(meter)[1:-1]
        if not any(_overlaps(event, *_day_bounds(meter, day)) for event in meter.truth.events)
    ]
    if len(free) < len(kinds):
        raise ParameterError(f"{meter.meter_id} has {len(free)} free days, too few for {len(kinds)} faults")
    for number, kind in enumerate(kinds):
        if kind not in {*_PLACES, *REPEATS, "implausible_year"}:
            raise ParameterError(f"cannot scatter {kind!r}")
        day = free[(2 * number + 1) * len(free) // (2 * len(kinds))]
        start, steps = _place(meter, kind, day, rng)
        meter = add_fault(meter, kind, start, steps)
    return meter


def make_twin(meter: Meter, meter_id: str) -> Meter:
    """The same meter delivered once more under another id: raw data, truth and faults are equal."""
    note = f"{FAULTS['identical_meters']}: {meter.meter_id} and {meter_id}"
    event = Event("identical_meters", meter.index[0], meter.index[-1] + meter.step, note=note)
    # it spans everything, so it cannot be held against the others as they are against each other
    return replace(meter, meter_id=meter_id, truth=replace(meter.truth, events=(*meter.truth.events, event)))


# ---- truth as tables ----


def _daily(meter: Meter, values: "pd.Series[float]", resolution_minutes: int) -> pd.DataFrame:
    local = _local(meter, meter.index)
    times = pd.date_range("2000-01-01", periods=1440 // resolution_minutes, freq=f"{resolution_minutes}min")
    long = pd.DataFrame({"day": local.normalize(), "time": local.floor(f"{resolution_minutes}min")})
    long["time"], long["kwh"] = long["time"].dt.strftime("%H:%M:%S"), values.to_numpy()
    wide = long.pivot_table(index="day", columns="time", values="kwh", aggfunc="sum")
    wide = wide.reindex(index=local_days(meter), columns=list(times.strftime("%H:%M:%S")))
    wide.insert(0, "id", meter.meter_id)
    wide.insert(1, "date", pd.DatetimeIndex(wide.index).strftime("%Y-%m-%d"))
    return wide.reset_index(drop=True)


def daily_profiles(meter: Meter, resolution_minutes: int = 60) -> pd.DataFrame:
    """The true harmonized table: `id, date, 00:00:00, …` in kWh, a row a local day covered entirely.

    Where the clock is put forward the skipped steps are empty; where it is put back the repeated ones hold
    both passes: a row's sum is always the day's energy.
    """
    return _daily(meter, meter.truth.energy_kwh, resolution_minutes).round(3)


def touched_profiles(meter: Meter, resolution_minutes: int = 60) -> pd.DataFrame:
    """As `daily_profiles`, but whether a fault of a kind in `TOUCHING` overlaps the step."""
    touched = _covered(meter, TOUCHING)
    table = _daily(meter, pd.Series(touched.astype(np.float64), index=meter.index), resolution_minutes)
    table[table.columns[2:]] = table[table.columns[2:]] > 0
    return table


def events_table(meters: Iterable[Meter]) -> pd.DataFrame:
    """All events of `meters`, columns `EVENT_COLUMNS`, times as ISO strings in UTC."""
    rows = []
    for meter in meters:
        for event in sorted(meter.truth.events, key=lambda event: (event.from_utc, event.kind)):
            family = "anomaly" if event.kind in ANOMALIES else "fault"
            window = [stamp.strftime("%Y-%m-%dT%H:%M:%SZ") for stamp in (event.from_utc, event.to_utc)]
            what = (event.factor, event.value_kwh, event.note)
            rows.append((meter.source, meter.meter_id, event.kind, family, *window, *what))
    return pd.DataFrame(rows, columns=EVENT_COLUMNS)


def description_table(meters: Iterable[Meter]) -> pd.DataFrame:
    """The meter description, as in `smart_meter_description.csv`."""
    rows = [(m.meter_id, m.contracted_power_kw, m.production_kw, m.meter_type) for m in meters]
    return pd.DataFrame(rows, columns=["id", "Contractual power (kW)", "Production (kW)", "Type"])


# ---- raw data of each source ----


def _covered(meter: Meter, kinds: Iterable[str]) -> BoolArray:
    """Which of the meter's intervals lie in an event of one of `kinds`."""
    covered = np.zeros(len(meter.index), dtype=np.bool_)
    for event in meter.truth.events:
        if event.kind in kinds:
            covered |= event.covers(meter.index)
    return covered


def _recorded_rows(meter: Meter) -> pd.DataFrame:
    """`energy_kwh` with outliers and `reactive_energy_kvarh`, one row an interval."""
    energy = meter.truth.energy_kwh.copy()
    for event in meter.truth.events:
        if event.kind in OUTLIERS:
            energy[event.covers(meter.index)] = event.value_kwh
    reactive = meter.truth.reactive_energy_kvarh
    return pd.DataFrame({"energy_kwh": energy, "reactive_energy_kvarh": reactive})


def _voltages(meter: Meter, names: list[str], nominal: float) -> pd.DataFrame:
    rng = _rng(meter.seed, "voltages")
    sigma = 0.01 * nominal
    columns = {name: np.round(nominal + sigma * _wander(len(meter.index), rng), 1) for name in names}
    return pd.DataFrame(columns, index=meter.index)


def _falsified(rows: pd.DataFrame, event: Event) -> pd.DataFrame:
    factor = 1.0 if event.factor is None else event.factor
    return rows.assign(energy_kwh=(rows["energy_kwh"] * factor).round(3))


def _repeat_rows(
    meter: Meter, rows: pd.DataFrame, spoil: Callable[[pd.DataFrame, Event], pd.DataFrame]
) -> pd.DataFrame:
    """`rows` with repeated and misdated ones put in, sorted; `copy` is -1 for false, 1 for true ones."""
    parts, index = [rows.assign(copy=0)], pd.DatetimeIndex(rows.index)
    for event in meter.truth.events:
        inside = rows[event.covers(index)]
        if event.kind == "duplicate":
            parts.append(inside.assign(copy=1))
        elif event.kind == "conflicting_duplicate":
            parts.append(spoil(inside, event).assign(copy=-1))
        elif event.kind == "implausible_year":
            strays = rows[index < index[0] + (event.to_utc - event.from_utc)].assign(copy=0)
            parts.append(strays.set_axis(pd.DatetimeIndex(strays.index) + (event.from_utc - index[0])))
    return pd.concat(parts).rename_axis("timestamp_utc").sort_values(["timestamp_utc", "copy"], kind="stable")


_REGISTERS = {"+": "Active_Energy_+", "-": "Active_Energy_-"}
_EMPTY = [f"Average_current_L{phase}" for phase in (1, 2, 3)] + [
    f"L{phase}_Average_{kind}_Power" for kind in ("Active", "Reactive") for phase in (1, 2, 3)
]


def _registers(meter: Meter, moved_wh: npt.NDArray[np.int64], level_wh: int) -> tuple[FloatArray, FloatArray]:
    """Register at each interval's start and end in Wh, before any change of scale, each of shape (n,)."""
    end = level_wh + np.cumsum(moved_wh)
    ini = end - moved_wh
    for event in meter.truth.events:
        if event.kind == "reset":
            position = int(meter.index.searchsorted(event.from_utc))
            level = ini[position]
            ini[position:] -= level
            end[position:] -= level
    return ini.astype(np.float64), end.astype(np.float64)


def _register_scale(meter: Meter) -> FloatArray:
    """Product of all changes of scale so far, shape (n,)."""
    scale = np.ones(len(meter.index))
    for event in meter.truth.events:
        if event.kind == "scale_change" and event.factor is not None:
            scale[np.asarray(meter.index >= event.from_utc)] *= event.factor
    return scale


def _half_stored(rows: pd.DataFrame, event: Event) -> pd.DataFrame:
    """Register rows stored before their interval was over."""
    rows, factor = rows.copy(), 1.0 if event.factor is None else event.factor
    for name in _REGISTERS.values():
        ini = rows[f"{name}_Total_ini"]
        # in whole Wh first, as the event's value is
        true_kwh = ((rows[f"{name}_Total_end"] - ini) / rows["scale"]).round(3)
        moved = ((true_kwh * factor).round(3) * rows["scale"]).round(3)
        rows[f"{name}_Total_end"], rows[f"{name}_Incr"] = (ini + moved).round(3), moved
    return rows


def oldmongo_frame(meter: Meter) -> pd.DataFrame:
    """The old MongoDB's dump: registers and voltages; write with its index as the first column.

    Plus counts import, minus export, from a level of their own. `_ini` is the register at the row's start,
    so after missing rows it differs from the last `_end`; `_Incr` is what was counted since that last
    `_end`, as in the real dumps, or since `_ini` where the register has another scale or began anew.
    """
    rng, scale = _rng(meter.seed, "registers"), _register_scale(meter)
    wh = np.rint(_recorded_rows(meter)["energy_kwh"].to_numpy() * 1000).astype(np.int64)
    levels = rng.integers(5_000_000, 60_000_000, 2) * (1, meter.exports)
    present = ~_covered(meter, GAPS)
    restarts = _covered(meter, ("scale_change", "reset"))[present]
    rows = pd.DataFrame({"scale": scale[present]}, index=meter.index[present])
    for sign, name, level in zip((1, -1), _REGISTERS.values(), levels, strict=True):
        # multiply whole Wh, then divide once: no value is off by more than its last bit
        ini, end = (wh * scale / 1000 for wh in _registers(meter, np.maximum(sign * wh, 0), int(level)))
        rows[f"{name}_Total_ini"], rows[f"{name}_Total_end"] = ini[present], end[present]
        last = rows[f"{name}_Total_end"].shift().where(~restarts, np.nan).fillna(rows[f"{name}_Total_ini"])
        rows[f"{name}_Incr"] = np.round(rows[f"{name}_Total_end"] - last, 3)
    rows = rows.join(_voltages(meter, [f"Average_voltage_L{phase}" for phase in (1, 2, 3)], 231))
    rows = _repeat_rows(meter, rows, _half_stored).drop(columns=["scale", "copy"]).reset_index()
    rows.insert(0, "id", meter.meter_id)
    rows.insert(1, "timestamp", rows.pop("timestamp_utc").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return rows.assign(**dict.fromkeys(_EMPTY, np.nan))


def sql_lines(meter: Meter, *, voltage: bool = False) -> Iterator[str]:
    """The SQL historian's export: `stamp,tag,energy,quality,qualityDetail,OPCquality`, without line ends.

    Stamps are naive local ones. A meter that exports has a second tag with positive numbers; `voltage`
    puts a third one beside them.
    """
    exports = meter.exports
    rows = _recorded_rows(meter).join(_voltages(meter, ["voltage"], 231))
    rows = _repeat_rows(meter, rows[~_covered(meter, GAPS)], _falsified)
    stamps = _local(meter, pd.DatetimeIndex(rows.index)).strftime("%Y-%m-%d %H:%M:%S")
    for stamp, energy, volts in zip(stamps, rows["energy_kwh"], rows["voltage"], strict=True):
        imported = max(energy, 0.0) if exports else energy
        readings = [(f"Energy_Apiu_1_8_0_{meter.meter_id}.kWh", imported)]
        if exports:
            readings.append((f"Energy_Ameno_2_8_0_{meter.meter_id}.kWh", max(-energy, 0.0)))
        if voltage:
            readings.append((f"Voltage_L1_{meter.meter_id}.V", volts))
        for tag, value in readings:
            yield f"{stamp},{tag},{float(value)!r},0,192,192"


def newmongo_documents(meter: Meter) -> Iterator[dict[str, Any]]:
    """The new MongoDB's documents in mongoexport's JSON form, sorted by local day.

    In a short gap fields are null, in a longer one there are none. A time of day that comes twice on a day
    has one field with both passes. Three days carry the other quantities, every seventh one a stray field.
    """
    rows = _recorded_rows(meter)
    rows.loc[_covered(meter, ("gap_short",))] = np.nan
    rows = _repeat_rows(meter, rows[~_covered(meter, ("gap_long", "night_gap"))], _falsified)
    rows["positive_active"] = rows["energy_kwh"].clip(lower=0)
    rows["negative_active"] = (-rows["energy_kwh"]).clip(lower=0) + 0.0
    rows = rows.rename(columns={"energy_kwh": "active_sum", "reactive_energy_kvarh": "reactive"})
    local = _local(meter, pd.DatetimeIndex(rows.index))
    quantities = ["active_sum", "positive_active", "negative_active", "reactive"]
    days = rows.groupby([local.strftime("%Y-%m-%d"), "copy"])
    for number, ((date, copy), day) in enumerate(days):
        times = _local(meter, pd.DatetimeIndex(day.index)).strftime("%H:%M:%S")
        table = day[quantities].groupby(times).sum(min_count=1).round(3)
        for quantity in quantities if number in (3, 4, 5) else quantities[:1]:
            oid = hashlib.sha256(f"{meter.meter_id}{date}{quantity}{copy}".encode()).hexdigest()[:24]
            document: dict[str, Any] = {"_id": {"$oid": oid}, "id": meter.meter_id, "date": date}
            document["energy_type"] = quantity
            for time, energy in zip(table.index, table[quantity].tolist(), strict=True):
                document[time] = None if np.isnan(energy) else energy
            if number % 7 == 0:
                document["Unnamed: 2"] = None
            yield document


def customer_frame(meter: Meter) -> pd.DataFrame:
    """A customer's file: `Fecha` (naive local), energies and two voltages; write without its index."""
    names = {"energy_kwh": "Active_energy", "reactive_energy_kvarh": "Reactive_energy"}
    rows = _recorded_rows(meter).join(_voltages(meter, ["Voltaje_FA", "Voltaje_FC"], 490))
    rows = _repeat_rows(meter, rows[~_covered(meter, GAPS)], _falsified).drop(columns="copy")
    rows.insert(0, "Fecha", _local(meter, pd.DatetimeIndex(rows.index)).strftime("%Y-%m-%d %H:%M:%S"))
    return rows.rename(columns=names).reset_index(drop=True)


# ---- the sample set ----


@dataclass(frozen=True)
class _Plan:
    """One meter of the sample set; see `make_meter` for the fields not explained here."""

    number: int  # of its id, SMP<number> or Cliente <number>
    archetype: str
    faults: str = ""  # kinds to scatter, with blanks between them
    days: int = 18
    scale: float = 1.0
    start: str | None = None  # None: the source's usual one
    anomaly: tuple[str, str, int] | None = None  # kind, first local day, number of days
    fixed: tuple[tuple[str, str, int, float | None], ...] = ()  # faults: kind, UTC time, steps, factor
    unknown: tuple[str, ...] = ()  # fields of the description nobody knows


_THEFT, _NIGHTS = ("theft_drop", "2022-06-13", 6), ("night_drop", "2022-05-16", 14)
_LATE = "2019-05-05 21:00"
_LIMITS = ("contracted_power_kw", "production_kw")
_TO_WH = (("scale_change", "2019-05-14 10:00", 1, 1000.0),)  # on this day most real meters changed
_AT_1970 = (("implausible_year", "1970-01-01", 1, None),)  # a clock nobody has set
_GAP_THEN_X10 = (("gap_long", "2019-05-12 08:00", 20, None), ("scale_change", "2019-05-12 13:00", 1, 10.0))
_STARTS = {"oldmongo": "2019-05-05", "sql": "2019-06-03", "newmongo": "2020-03-02", "customers": "2022-03-01"}
_PLANS = {
    "oldmongo": (
        _Plan(1, "household", "gap_short night_gap gap_short", fixed=_TO_WH),
        _Plan(2, "office", "duplicate gap_long", fixed=_TO_WH, unknown=("contracted_power_kw",)),
        _Plan(3, "pv_prosumer", "gap_short conflicting_duplicate night_gap", fixed=_TO_WH),
        _Plan(4, "pump", "gap_short duplicate", fixed=_GAP_THEN_X10),
        _Plan(5, "company", "outlier_high gap_short implausible_year", start=_LATE, fixed=_TO_WH),
        _Plan(6, "cold_storage", "gap_short reset gap_long", fixed=_AT_1970),
        _Plan(7, "ev_charging", "outlier_low night_gap gap_short", fixed=_TO_WH),
        _Plan(8, "street_lighting", unknown=("meter_type",)),
    ),
    "sql": (
        _Plan(9, "household", days=28),
        _Plan(10, "pv_prosumer", "gap_short duplicate night_gap", days=14),
        _Plan(11, "pump", "gap_short outlier_high night_gap gap_short", days=28),
        _Plan(12, "office", "conflicting_duplicate gap_long gap_short", days=14),
        _Plan(13, "pv_prosumer", "implausible_year gap_short gap_long", days=14, unknown=("production_kw",)),
        _Plan(14, "irrigation", "outlier_low gap_short", 28, anomaly=("theft_drop", "2019-06-15", 6)),
    ),
    "newmongo": (
        _Plan(15, "household", days=88),
        _Plan(16, "office", "gap_short duplicate gap_long gap_short", days=88, unknown=("meter_type",)),
        _Plan(17, "pv_prosumer", "night_gap conflicting_duplicate gap_short", days=84),
        _Plan(18, "ev_charging", "outlier_high implausible_year gap_short night_gap", days=88),
        _Plan(19, "cold_storage", "gap_short outlier_low", 88, anomaly=("frozen", "2020-04-20", 3)),
        _Plan(20, "company", "gap_short night_gap gap_long", 84, unknown=_LIMITS),
    ),
    "customers": (
        _Plan(1, "company", "gap_short gap_long", 168, anomaly=("weekend_excess", "2022-06-04", 9)),
        _Plan(2, "irrigation", "outlier_high gap_short night_gap", 140),
        _Plan(3, "cold_storage", "gap_long duplicate gap_short", 140),
        _Plan(4, "office", days=140),
        _Plan(7, "pump", "night_gap gap_short outlier_low", 168, anomaly=("bypass", "2022-05-02", 21)),
        _Plan(8, "street_lighting", "implausible_year gap_short", 150, 2, anomaly=_NIGHTS),
        _Plan(9, "company", "conflicting_duplicate gap_short", 126, 0.5, anomaly=_THEFT),
    ),
}  # fmt: skip
_UNBUILT = ((21, "household"), (22, "pump"))  # described, but without files
_TWINS = (3, 6)  # customer 6 is customer 3 once more
_SECTORS = {
    "Elaboración de cacao y chocolate y de productos de confitería": (1, 9),
    "Cultivo de Árboles Frutales y Nueces": (2, 5),
    "Cultivo de hortalizas y melones, raíces y tubérculos ": (3, 6),
    "Venta al por mayor de metales y minerales metalíferos": (4, 10),
    "Captación, tratamiento y distribución de agua": (7, 8),
}


def _build(plan: _Plan, source: str, timezone: str) -> Meter:
    meter = make_meter(
        f"Cliente {plan.number}" if source == "customers" else f"SMP{plan.number:04d}",
        plan.archetype,
        source=source,
        start=plan.start or _STARTS[source],
        days=plan.days,
        resolution_minutes=60 if source == "customers" else 15,
        timezone=timezone,
        scale=plan.scale,
    )
    # customers are in no description: nobody knows what they contracted
    unknown = _LIMITS if source == "customers" else plan.unknown
    nothing: dict[str, Any] = dict.fromkeys(unknown)
    meter = replace(meter, **nothing)
    if plan.anomaly:
        kind, day, days = plan.anomaly
        first = pd.Timestamp(day)
        last = first + pd.Timedelta(days=days)
        meter = add_anomaly(meter, kind, _utc(first, timezone), _utc(last, timezone))
    for kind, time, steps, factor in plan.fixed:
        meter = add_fault(meter, kind, pd.Timestamp(time, tz="UTC"), steps, factor)
    return scatter_faults(meter, plan.faults.split())


def sample_meters(timezone: str = "UTC") -> list[Meter]:
    """The 28 meters of the sample set, by source and number, the twin last; local days in `timezone`."""
    meters = [_build(plan, source, timezone) for source, plans in _PLANS.items() for plan in plans]
    original, twin = (f"Cliente {number}" for number in _TWINS)
    return [*meters, *(make_twin(meter, twin) for meter in meters if meter.meter_id == original)]


def _csv(frame: pd.DataFrame, *, index: bool = False, line_end: str = "\n") -> bytes:
    return frame.to_csv(index=index, lineterminator=line_end).encode()


def _raw_file(meter: Meter) -> tuple[str, bytes]:
    """Name below the set's root and content of the meter's raw file."""
    if meter.source == "oldmongo":
        return f"oldmongo/csv/{meter.meter_id}.csv", _csv(oldmongo_frame(meter), index=True)
    if meter.source == "sql":
        lines = sql_lines(meter, voltage=meter.meter_type == "office")
        return f"sql/{meter.meter_id}.txt", "".join(f"{line}\n" for line in lines).encode()
    if meter.source == "newmongo":
        documents = (json.dumps(document, separators=(",", ":")) for document in newmongo_documents(meter))
        return f"newmongo/{meter.meter_id}.jsonl", "".join(f"{line}\n" for line in documents).encode()
    name = f"customers/DATOSCLIENTE{meter.meter_id.removeprefix('Cliente ')}.csv"
    return name, _csv(customer_frame(meter), line_end="\r\n")  # the real ones have these line ends


def _sector_sheet() -> bytes:
    """`sector_economico_clientes.xlsx`; some names have a trailing blank, as in the real one."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Hoja1"
    sheet.append(["Cliente:", "Sector Económico:"])
    sectors = {number: sector for sector, numbers in _SECTORS.items() for number in numbers}
    for number in sorted(sectors):
        sheet.append([f"Cliente {number}{' ' * (number % 3 == 1)}", sectors[number]])
    saved, fixed = io.BytesIO(), io.BytesIO()
    book.save(saved)
    # openpyxl writes the time of saving into the zip's entries and the core properties; packed
    # bytes also differ between builds of zlib: so store the entries, sorted, with one time
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(fixed, "w") as new:
        for name in sorted(old.namelist()):
            part = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2022-01-01T00:00:00Z", old.read(name))
            new.writestr(zipfile.ZipInfo(name, date_time=(2022, 1, 1, 0, 0, 0)), part)
    return fixed.getvalue()


def sample_files(timezone: str = "UTC") -> dict[str, bytes]:
    """The whole sample set: path below its root (with slashes) -> content."""
    meters = sample_meters(timezone)
    files = dict(_raw_file(meter) for meter in meters)
    files["customers/sector_economico_clientes.xlsx"] = _sector_sheet()
    described = [meter for meter in meters if meter.source != "customers"]
    described += [make_meter(f"SMP{number:04d}", archetype) for number, archetype in _UNBUILT]
    files["smart_meter_description.csv"] = _csv(description_table(described))
    files["truth/events.csv"] = _csv(events_table(meters))
    for source in _PLANS:
        table = pd.concat([daily_profiles(meter) for meter in meters if meter.source == source])
        files[f"truth/{source}.csv"] = table.to_csv(index=False, float_format="%.10g").encode()
    return files


def write_samples(out: Path, timezone: str = "UTC") -> dict[str, int]:
    """Writes the sample set below `out`, replacing each file at once; returns each path's size in bytes."""
    files = sample_files(timezone)
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(content)
        temporary.replace(path)
    return {name: len(content) for name, content in files.items()}


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default=True,
    help="Folder the sample inputs and their truth are written to.",
)
def main(out: Path) -> None:
    """Write the sample inputs of all sources, with their truth."""
    sizes = write_samples(out)
    click.echo(f"{len(sizes)} files, {sum(sizes.values()):,} bytes, in {out.resolve()}")


if __name__ == "__main__":
    main()
