"""A meter, its truth, and what was done to it on purpose."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from loadprofiles.errors import ParameterError
from loadprofiles.synthetic.archetypes import ARCHETYPES, BoolArray, around_one, hour_of, is_weekend
from loadprofiles.synthetic.kinds import ANOMALIES

SEED = 20190514


@dataclass(frozen=True)
class Event:
    """What was done to a meter on purpose.

    Attributes:
        kind: a key of `FAULTS` or `ANOMALIES`.
        from_utc: the first interval's start.
        to_utc: the end, exclusive; the single interval at `from_utc` for a change of scale, a reset, an
            exchange or a rollover.
        factor: scale of a register (after / before), of a false duplicate or of an anomaly's energy.
        value_kwh: recorded energy of values that are false (outlier, spike, flat line, zeros, negative,
            conflicting duplicate); gap: the energy it hides; exchange: where the new import register starts;
            rollover: the register's capacity; anomaly: recorded minus normal energy.
        note: the kind in words.
        variant: one of `VARIANTS[kind]` where a kind has some.
    """

    kind: str
    from_utc: pd.Timestamp
    to_utc: pd.Timestamp
    factor: float | None = None
    value_kwh: float | None = None
    note: str = ""
    variant: str = ""

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


@dataclass(frozen=True)
class Register:
    """How a meter's registers count and are written.

    Attributes:
        unit: `kWh` or `Wh`, of what is written before any change of scale.
        quantum_wh: the smallest amount they show; the meter's energies must be multiples (see `counted_in`).
        start_kwh: import and export register at the first interval's start; None: drawn from 5 to 60 MWh.
    """

    unit: str = "kWh"
    quantum_wh: int = 1
    start_kwh: tuple[float, float] | None = None


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
        register: how its registers are written; of oldmongo only.
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
    register: Register = Register()

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


def seeded(seed: int, word: str) -> np.random.Generator:
    """A generator of its own for each purpose, so that one draw more changes nothing elsewhere."""
    return np.random.default_rng([seed, zlib.crc32(word.encode())])


def utc_of(naive: pd.Timestamp, timezone: str) -> pd.Timestamp:
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
    index = pd.date_range(utc_of(first, timezone), utc_of(end, timezone), freq=frequency, inclusive="left")
    local = index.tz_convert(timezone)
    hours, meter_seed = resolution_minutes / 60, zlib.crc32(f"{seed}/{meter_id}".encode())
    rng = seeded(meter_seed, "energy")
    # + 0.0 turns the -0.0 that rounding leaves into 0.0
    energy = np.round(scale * ARCHETYPES[archetype](local, hours, rng), 3) + 0.0
    reactive = np.round(np.abs(energy) * rng.uniform(0.3, 0.6) * around_one(len(local), rng, 0.1), 3)
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


def counted_in(meter: Meter, quantum_wh: int) -> Meter:
    """`meter` with energies in whole multiples of `quantum_wh`, as registers with fewer digits count them.

    What an interval leaves over is counted in a later one, so the sums agree within one quantum. Contracted
    power and production, where known, are those of the new energies.
    """
    energy = meter.truth.energy_kwh

    def counted(part: "pd.Series[float]") -> "pd.Series[float]":
        wh = np.rint(part.to_numpy() * 1000).astype(np.int64)
        return pd.Series(np.diff(np.cumsum(wh) // quantum_wh, prepend=0) * quantum_wh, index=part.index)

    shown = (counted(energy.clip(lower=0)) - counted((-energy).clip(lower=0))) / 1000
    contracted = None if meter.contracted_power_kw is None else _rated_kw(shown.max(), meter.hours)
    production = None if meter.production_kw is None else _rated_kw(-shown.min(), meter.hours)
    return replace(
        meter,
        contracted_power_kw=contracted,
        production_kw=production,
        truth=replace(meter.truth, energy_kwh=shown),
        register=replace(meter.register, quantum_wh=quantum_wh),
    )


def local_stamps(meter: Meter, index: pd.DatetimeIndex) -> pd.DatetimeIndex:
    """`index` (UTC) as naive local stamps."""
    return index.tz_convert(meter.timezone).tz_localize(None)


def day_bounds(meter: Meter, naive: pd.Timestamp) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Start and end (UTC) of the local day `naive` lies in."""
    midnight = naive.normalize()
    tomorrow = midnight + pd.Timedelta(days=1)
    return utc_of(midnight, meter.timezone), utc_of(tomorrow, meter.timezone)


def local_days(meter: Meter) -> list[pd.Timestamp]:
    """Midnights (naive, local) of the days the meter's period covers from end to end."""
    start, end = meter.index[0], meter.index[-1] + meter.step
    bounds = ((day, day_bounds(meter, day)) for day in local_stamps(meter, meter.index).normalize().unique())
    return [day for day, (day_start, day_end) in bounds if start <= day_start and day_end <= end]


def overlaps(event: Event, start: pd.Timestamp, end: pd.Timestamp) -> bool:
    """Whether `event` keeps others out of [start, end)."""
    # twins are so for their whole period: that must not keep other events out
    return event.kind != "identical_meters" and event.from_utc < end and start < event.to_utc


def with_event(meter: Meter, event: Event) -> Meter:
    """`meter` with one event more.

    Raises:
        ParameterError: it overlaps another event.
    """
    for other in meter.truth.events:
        if overlaps(other, event.from_utc, event.to_utc):
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
    local = local_stamps(meter, meter.index)
    inside = event.covers(meter.index)
    if kind == "weekend_excess":
        inside &= is_weekend(local)
    elif kind == "night_drop":
        inside &= (hour_of(local) < 6) | (hour_of(local) >= 22)

    def changed(normal: "pd.Series[float]") -> "pd.Series[float]":
        other = normal * factor if factor is not None else pd.Series(normal[inside].mean(), normal.index)
        return normal.where(~inside, other.round(3) + 0.0)

    truth = meter.truth
    energy, reactive = changed(truth.energy_kwh), truth.reactive_energy_kvarh
    if kind in {"bypass", "frozen", "weekend_excess"}:
        reactive = changed(reactive)
    event = replace(event, value_kwh=round(float((energy - truth.energy_kwh).sum()), 3))
    return with_event(replace(meter, truth=replace(truth, energy_kwh=energy, reactive_energy_kvarh=reactive)), event)


def covered(meter: Meter, kinds: Iterable[str]) -> BoolArray:
    """Which of the meter's intervals lie in an event of one of `kinds`."""
    inside = np.zeros(len(meter.index), dtype=np.bool_)
    for event in meter.truth.events:
        if event.kind in kinds:
            inside |= event.covers(meter.index)
    return inside
