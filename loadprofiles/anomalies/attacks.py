"""Thefts and data faults put into measured days: what the theft bench tries its detectors on.

A theft lowers, moves or forges what the meter tells. Those of Jokar, Arianpoo and Leung, "Electricity
theft detection in AMI using customers' consumption patterns", IEEE Transactions on Smart Grid 7(1), 2016,
forge only the active energy; one that draws current past the meter lowers active and reactive energy alike,
and keeps the power factor. Neither touches the voltages. A data fault is what meters and their readers do
by themselves.

An attack is one function of the attacked days, the days before and a random generator; the same
generator gives the same attack. Hours that are not known stay so, and only a gap makes others so.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from loadprofiles.anomalies.days import HOURS, Flags, Floats, MeterDays
from loadprofiles.errors import ParameterError

THEFT, FAULT = "theft", "fault"

JOKAR = "Jokar, Arianpoo and Leung 2016, IEEE Transactions on Smart Grid 7(1)"
ZHENG = "Zheng, Chen, Wang and Kang 2019, IEEE Transactions on Industrial Informatics 15(3)"
OURS = "this project"

_EVENING = slice(18, 23)
_SMALL_HOURS = slice(0, 6)
_NIGHT = (22, 23, 0, 1, 2, 3, 4, 5)
_DEAD_SHARE = 0.1
_GAP_HOURS = 6
_SPIKE_HOURS = 3


@dataclass(frozen=True)
class Window:
    """What an attack works on; it changes none of the arrays in place.

    Attributes:
        before: The days before.
        active_kwh: Of the attacked days, shape (days, 24).
        reactive_kvarh: The same; None where the meter has none.
        voltage_v: Shape (phases, days, 24).
    """

    before: MeterDays
    active_kwh: Floats
    reactive_kvarh: Floats | None
    voltage_v: Floats

    def scaled(self, factors: Floats | float) -> "Window":
        """Active and reactive energy times factors that go with shape (days, 24)."""
        reactive = None if self.reactive_kvarh is None else self.reactive_kvarh * factors
        return replace(self, active_kwh=self.active_kwh * factors, reactive_kvarh=reactive)

    def forged(self, active_kwh: Floats) -> "Window":
        """With other active energies, in the hours that are known."""
        return replace(self, active_kwh=np.where(np.isnan(self.active_kwh), np.nan, active_kwh))


Function = Callable[[Window, np.random.Generator], Window]


@dataclass(frozen=True)
class Attack:
    """A theft or fault that days can be given.

    Attributes:
        name: As in `ATTACKS`.
        kind: `THEFT` or `FAULT`.
        is_level: Whether it is a theft that lowers all hours of its days, each by a fifth at least in the mean.
        source: Who described it.
        function: Gives the attacked days.
        needs_voltage: Whether a meter without voltages cannot have it.
    """

    name: str
    kind: str
    is_level: bool
    source: str
    function: Function
    needs_voltage: bool = False

    def applies(self, days: MeterDays) -> bool:
        """Whether the meter has what the attack touches."""
        return not self.needs_voltage or bool(_living(days.voltage_v).any())


def apply(attack: Attack, days: MeterDays, start: int, length: int, rng: np.random.Generator) -> MeterDays:
    """A copy of a meter's days of which some are attacked.

    Args:
        attack: One of `ATTACKS`, or another.
        days: As measured; not changed.
        start: The first attacked day.
        length: How many days are attacked.
        rng: All chance comes from here.

    Raises:
        ParameterError: The attacked days are not all among the days, or the meter lacks what the attack touches.
    """
    stop = start + length
    if start < 0 or length < 1 or stop > len(days):
        raise ParameterError(
            f"attack {attack.name} on days {start} to {stop - 1} of meter {days.meter_id}, which has days 0 to "
            f"{len(days) - 1}: choose days among them"
        )
    if not attack.applies(days):
        raise ParameterError(f"attack {attack.name} on meter {days.meter_id}: it has no voltages; ask `applies` first")
    reactive = days.reactive_kvarh
    window = Window(
        before=days.until(start),
        active_kwh=days.active_kwh[start:stop],
        reactive_kvarh=None if reactive is None else reactive[start:stop],
        voltage_v=days.voltage_v[:, start:stop],
    )
    attacked = attack.function(window, rng)
    active, voltages = days.active_kwh.copy(), days.voltage_v.copy()
    active[start:stop] = attacked.active_kwh
    voltages[:, start:stop] = attacked.voltage_v
    if reactive is not None and attacked.reactive_kvarh is not None:
        reactive = reactive.copy()
        reactive[start:stop] = attacked.reactive_kvarh
    return replace(days, active_kwh=active, reactive_kvarh=reactive, voltage_v=voltages)


def h1(window: Window, rng: np.random.Generator) -> Window:
    """All hours times one factor (h1 of Jokar et al.)."""
    return window.forged(window.active_kwh * rng.uniform(0.1, 0.8))


def h2(window: Window, rng: np.random.Generator) -> Window:
    """The same four or more hours of each day are zero (h2 of Jokar et al.)."""
    first = rng.integers(0, 20)
    count = rng.integers(4, HOURS - first + 1)
    active = window.active_kwh.copy()
    active[:, first : first + count] = 0
    return window.forged(active)


def h3(window: Window, rng: np.random.Generator) -> Window:
    """Each hour times a factor of its own (h3 of Jokar et al.)."""
    return window.forged(window.active_kwh * rng.uniform(0.1, 0.8, window.active_kwh.shape))


def h4(window: Window, rng: np.random.Generator) -> Window:
    """Each hour is the day's mean times a factor of its own (h4 of Jokar et al.)."""
    return window.forged(rng.uniform(0.1, 0.8, window.active_kwh.shape) * _day_means(window.active_kwh))


def h5(window: Window, rng: np.random.Generator) -> Window:
    """Each hour is the day's mean (h5 of Jokar et al.): nothing is missing, but where prices change by the hour."""
    return window.forged(np.repeat(_day_means(window.active_kwh), HOURS, axis=1))


def h6(window: Window, rng: np.random.Generator) -> Window:
    """The known hours of each day in reverse (h6 of Jokar et al.)."""
    active = window.active_kwh.copy()
    for day in active:
        known = ~np.isnan(day)
        day[known] = day[known][::-1]
    return replace(window, active_kwh=active)


def bypass(window: Window, rng: np.random.Generator) -> Window:
    """A part of the current goes past the meter: active and reactive energy times one factor, that of h1."""
    return window.scaled(rng.uniform(0.1, 0.8))


def on_off(window: Window, rng: np.random.Generator) -> Window:
    """A bypass that is closed for 4 to 12 hours at a time, as often as there are days."""
    factor = rng.uniform(0.1, 0.6)
    factors = np.ones(window.active_kwh.size)
    for _ in range(len(window.active_kwh)):
        first = rng.integers(0, factors.size)
        factors[first : first + rng.integers(4, 13)] = factor
    return window.scaled(factors.reshape(window.active_kwh.shape))


def capping(window: Window, rng: np.random.Generator) -> Window:
    """Nothing over a quantile of the hours is told (FDI2 of Zheng et al.), nor its part of the reactive energy."""
    quantile = rng.uniform(0.3, 0.7)
    active = window.active_kwh
    known = active[~np.isnan(active)]
    capped = np.minimum(active, np.quantile(known, quantile) if known.size else np.inf)
    shares = np.divide(capped, active, out=np.ones_like(active), where=active != 0)
    return replace(window.scaled(shares), active_kwh=capped)


def floor(window: Window, rng: np.random.Generator) -> Window:
    """So much of the days' mean is taken off each hour, down to zero (FDI3 of Zheng et al.)."""
    active = window.active_kwh
    known = active[~np.isnan(active)]
    share = rng.uniform(0.2, 0.7)
    return window.forged(np.maximum(active - (share * known.mean() if known.size else 0.0), 0))


def night(window: Window, rng: np.random.Generator) -> Window:
    """A bypass from 22:00 to 06:00 only."""
    factors = np.ones(HOURS)
    factors[list(_NIGHT)] = rng.uniform(0.1, 0.6)
    return window.scaled(factors)


def ramp(window: Window, rng: np.random.Generator) -> Window:
    """A bypass that takes more each day."""
    return window.scaled(np.linspace(1, rng.uniform(0.2, 0.6), len(window.active_kwh) + 1)[1:, None])


def shifted(window: Window, rng: np.random.Generator) -> Window:
    """A part of the hours from 18:00 to 23:00 is told in those from 00:00 to 06:00, when energy is cheap."""
    share = rng.uniform(0.4, 0.9)
    active = window.active_kwh.copy()
    moved = np.nansum(active[:, _EVENING] * share, axis=1, keepdims=True)
    active[:, _EVENING] *= 1 - share
    active[:, _SMALL_HOURS] += moved / (_SMALL_HOURS.stop - _SMALL_HOURS.start)
    return replace(window, active_kwh=active)


def mild(window: Window, rng: np.random.Generator) -> Window:
    """A bypass of less than a tenth."""
    return window.scaled(rng.uniform(0.9, 0.97))


def stuck(window: Window, rng: np.random.Generator) -> Window:
    """Every hour tells the last record before the days, or where there is none their first."""
    before = window.before
    stuck_at = window.forged(np.full_like(window.active_kwh, _last(before.active_kwh, window.active_kwh)))
    reactive = window.reactive_kvarh
    if reactive is None or before.reactive_kvarh is None:
        return stuck_at
    last = _last(before.reactive_kvarh, reactive)
    return replace(stuck_at, reactive_kvarh=np.where(np.isnan(reactive), np.nan, last))


def spike(window: Window, rng: np.random.Generator) -> Window:
    """One to three active energies in a row of each day, the first not zero, are 8 to 20 times what they were."""
    active = window.active_kwh
    shape = (len(active), 1)
    chances = np.where(np.isnan(active) | (active == 0), -1.0, rng.random(active.shape))
    place = np.arange(HOURS) - np.argmax(chances, axis=1)[:, None]
    hit = (place >= 0) & (place < rng.integers(1, _SPIKE_HOURS + 1, shape))
    return replace(window, active_kwh=np.where(hit, active * rng.uniform(8, 20, shape), active))


def thousand(window: Window, rng: np.random.Generator) -> Window:
    """Wh are taken for kWh, and varh for kvarh."""
    return window.scaled(1000.0)


def sign(window: Window, rng: np.random.Generator) -> Window:
    """Current flows the wrong way through the meter: active and reactive energy are negated."""
    return window.scaled(-1.0)


def gap(window: Window, rng: np.random.Generator) -> Window:
    """Six hours in a row of each day, or more, or all, are not known, in all columns."""
    counts = rng.integers(_GAP_HOURS, HOURS + 1, len(window.active_kwh))
    firsts = rng.integers(0, HOURS + 1 - counts)[:, None]
    hours = np.arange(HOURS)
    factors = np.where((hours >= firsts) & (hours < firsts + counts[:, None]), np.nan, 1.0)
    return replace(window.scaled(factors), voltage_v=window.voltage_v * factors)


def lost_phase(window: Window, rng: np.random.Generator) -> Window:
    """One voltage falls to a tenth of its median or less, and the energy of its phase is not counted."""
    voltages = np.concatenate([window.before.voltage_v, window.voltage_v], axis=1)
    living = _living(window.voltage_v)
    phase = rng.choice(np.flatnonzero(living if living.any() else _living(voltages)))
    phases, *shape = window.voltage_v.shape
    known = ~np.isnan(window.voltage_v[phase])
    dead = rng.uniform(0, _DEAD_SHARE, shape) * np.nanmedian(voltages[phase])
    lost = window.voltage_v.copy()
    lost[phase] = np.where(known, dead, np.nan)
    return replace(window.scaled(1 - 1 / phases), voltage_v=lost)


def _living(voltage_v: Floats) -> Flags:
    """Which phases have voltages at all, shape (phases,)."""
    return np.asarray((np.nan_to_num(voltage_v) > 0).any(axis=(1, 2)))


def _day_means(values: Floats) -> Floats:
    """Of the hours that are known, shape (days, 1)."""
    known = ~np.isnan(values)
    sums, counts = np.nansum(values, axis=1, keepdims=True), known.sum(axis=1, keepdims=True)
    return values.mean(axis=1, keepdims=True) if known.all() else np.where(counts > 0, sums / np.maximum(counts, 1), 0)


def _last(before: Floats, window: Floats) -> float:
    """The last known value before, or else the first known of the days; NaN where nothing is known."""
    for values in (before.ravel()[::-1], window.ravel()):
        known = np.flatnonzero(~np.isnan(values))
        if known.size:
            return float(values[known[0]])
    return float("nan")


ATTACKS: dict[str, Attack] = {
    attack.name: attack
    for attack in (
        Attack("h1", THEFT, True, JOKAR, h1),
        Attack("h2", THEFT, False, JOKAR, h2),
        Attack("h3", THEFT, True, JOKAR, h3),
        Attack("h4", THEFT, True, JOKAR, h4),
        Attack("h5", THEFT, False, JOKAR, h5),
        Attack("h6", THEFT, False, JOKAR, h6),
        Attack("bypass", THEFT, True, OURS, bypass),
        Attack("on_off", THEFT, False, OURS, on_off),
        Attack("capping", THEFT, False, ZHENG, capping),
        Attack("floor", THEFT, False, ZHENG, floor),
        Attack("night", THEFT, False, OURS, night),
        Attack("ramp", THEFT, False, OURS, ramp),
        Attack("shifted", THEFT, False, OURS, shifted),
        Attack("mild", THEFT, False, OURS, mild),
        Attack("stuck", FAULT, False, OURS, stuck),
        Attack("spike", FAULT, False, OURS, spike),
        Attack("thousand", FAULT, False, OURS, thousand),
        Attack("sign", FAULT, False, OURS, sign),
        Attack("gap", FAULT, False, OURS, gap),
        Attack("lost_phase", FAULT, False, OURS, lost_phase, needs_voltage=True),
    )
}
