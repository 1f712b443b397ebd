"""Faults: what a meter's file says wrongly, while its energies stay as they were."""

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np
import pandas as pd

from loadprofiles.errors import ParameterError
from loadprofiles.synthetic.kinds import (
    FAULTS,
    GAPS,
    INTERVAL_FAULTS,
    OUTLIERS,
    REGISTER_FAULTS,
    REPEATS,
    UNKNOWN_LIMIT_KW,
    VARIANTS,
)  # fmt: skip
from loadprofiles.synthetic.meters import (
    Event,
    Meter,
    day_bounds,
    local_days,
    overlaps,
    seeded,
    utc_of,
    with_event,
)  # fmt: skip
from loadprofiles.synthetic.registers import register_wh

_DAYS_APART = 30
"""A used meter's register starts at least the load of so many days away from where the old one ended."""

_DECREASE_STEPS = 3
"""A register that runs backwards does so in at least so many rows; one alone would be a reset or an excursion."""


def _limit_kwh(meter: Meter, power_kw: float | None) -> float:
    return (UNKNOWN_LIMIT_KW if power_kw is None else power_kw) * meter.hours


def _shown_kwh(meter: Meter, energy_kwh: float) -> float:
    """`energy_kwh` as the meter's registers can show it."""
    quantum_kwh = meter.register.quantum_wh / 1000
    return round(energy_kwh if quantum_kwh <= 0.001 else round(energy_kwh / quantum_kwh) * quantum_kwh, 3)


def usual_peak_kwh(meter: Meter) -> float:
    """The highest interval's energy on a usual day: the median of those days that have a tenth of the highest."""
    peaks = meter.truth.energy_kwh.resample("D").max()
    return float(peaks[peaks >= 0.1 * peaks.max()].median())


def _outlier(meter: Meter, event: Event) -> float:
    times = seeded(meter.seed, str(event.from_utc)).uniform(8, 20)
    excess = times * _limit_kwh(meter, meter.contracted_power_kw)
    if event.kind == "outlier_high":
        return _shown_kwh(meter, excess)
    return _shown_kwh(meter, -excess - _limit_kwh(meter, meter.production_kw))


def _spike(meter: Meter, event: Event) -> float:
    peak, limit = usual_peak_kwh(meter), _limit_kwh(meter, meter.contracted_power_kw)
    largest = min(6.0, 0.98 * limit / peak)
    if largest < 3:
        raise ParameterError(
            f"{meter.meter_id} has no room for a spike: 3 usual daily peaks are {3 * peak / meter.hours:.4g} kW, "
            f"contracted power is {limit / meter.hours:.4g} kW"
        )
    times = seeded(meter.seed, str(event.from_utc)).uniform(3, largest)
    return _shown_kwh(meter, times * peak)


def _flat_line(meter: Meter, event: Event) -> float:
    mean = float(meter.truth.energy_kwh[event.covers(meter.index)].mean())
    return _shown_kwh(meter, mean) or meter.register.quantum_wh / 1000


def _exchange(meter: Meter, event: Event) -> float:
    """Where the used meter's import register starts: below or above the old one's, clearly apart from it."""
    rng = seeded(meter.seed, f"used {event.from_utc}")
    level = float(register_wh(meter, 1)[0][meter.index.searchsorted(event.from_utc)]) / 1000
    apart = _DAYS_APART * float(meter.truth.energy_kwh.abs().mean()) * 24 / meter.hours
    if level > 2 * apart and rng.random() < 0.5:
        return _shown_kwh(meter, rng.uniform(0.02, 0.9) * (level - apart))
    return _shown_kwh(meter, level + apart + rng.uniform(0, 3) * (level + apart))


def _rollover(meter: Meter, event: Event) -> float:
    """The capacity: a power of ten of the register's unit, some digits above what flows in the period."""
    unit_kwh = 1.0 if meter.register.unit == "kWh" else 0.001
    used = float(meter.truth.energy_kwh.abs().sum()) / unit_kwh
    digits = max(5, int(np.ceil(np.log10(5 * used))))
    return float(10 ** (digits + int(seeded(meter.seed, f"digits {event.from_utc}").integers(0, 3)))) * unit_kwh


_VALUES: dict[str, Callable[[Meter, Event], float]] = {
    **dict.fromkeys(OUTLIERS, _outlier),
    "spike": _spike,
    "flat_line": _flat_line,
    "zeros": lambda _meter, _event: 0.0,
    "exchange": _exchange,
    "rollover": _rollover,
}


def _fault_value(meter: Meter, event: Event) -> float | None:
    """See `Event.value_kwh`."""
    inside = meter.truth.energy_kwh[event.covers(meter.index)]
    if event.kind in _VALUES:
        return _VALUES[event.kind](meter, event)
    if event.kind in GAPS:
        return round(float(inside.sum()), 3)
    if event.kind == "negative":
        return round(float(-inside.clip(lower=0.001).sum()), 3)
    if event.kind == "conflicting_duplicate" and event.factor is not None:
        return round(float((inside * event.factor).round(3).sum()), 3)
    return None


def _why_no_rollover(meter: Meter, event: Event) -> str | None:
    if float(meter.truth.energy_kwh[event.covers(meter.index)].iloc[0]) <= 0:
        return "imports nothing at that time"
    if any(other.kind == "rollover" for other in meter.truth.events):
        return "has a rollover already"
    if any(other.kind in {"reset", "exchange"} and other.from_utc < event.from_utc for other in meter.truth.events):
        return "got another meter before, whose register starts elsewhere"
    return None


def _why_no_restart(meter: Meter, event: Event) -> str | None:
    later = any(other.kind == "rollover" and event.from_utc < other.from_utc for other in meter.truth.events)
    return "has a rollover later, which only its first meter can have" if later else None


def _why_no_negative(meter: Meter, _event: Event) -> str | None:
    return None if meter.production_kw == 0 else "may produce: its production is not 0"


def _why_no_zeros(meter: Meter, _event: Event) -> str | None:
    return "has zeros of its own" if (meter.truth.energy_kwh == 0).any() else None


def _why_no_night(meter: Meter, _event: Event) -> str | None:
    return None if meter.exports else "exports nothing"


def _why_no_decrease(meter: Meter, event: Event) -> str | None:
    enough = event.to_utc - event.from_utc >= _DECREASE_STEPS * meter.step
    return None if enough else f"needs at least {_DECREASE_STEPS} rows to run backwards"


_OBSTACLES: dict[str, Callable[[Meter, Event], str | None]] = {
    "rollover": _why_no_rollover,
    "reset": _why_no_restart,
    "exchange": _why_no_restart,
    "negative": _why_no_negative,
    "zeros": _why_no_zeros,
    "production_at_night": _why_no_night,
    "register_decrease": _why_no_decrease,
}


def _window(meter: Meter, kind: str, from_utc: pd.Timestamp, steps: int) -> tuple[pd.Timestamp, pd.Timestamp]:
    if kind == "production_at_night":
        return meter.index[0], meter.index[-1] + meter.step
    if meter.source == "newmongo" and kind in {*REPEATS, "implausible_year", "out_of_order"}:
        return day_bounds(meter, from_utc.tz_convert(meter.timezone).tz_localize(None))
    return from_utc, from_utc + steps * meter.step


def _refuse_impossible(meter: Meter, event: Event) -> None:
    kind, where = event.kind, f"{event.kind} at {event.from_utc}"
    if kind in REGISTER_FAULTS and meter.source != "oldmongo":
        raise ParameterError(f"{where}: {meter.meter_id} of {meter.source} has no registers")
    if kind in INTERVAL_FAULTS and meter.source == "oldmongo":
        raise ParameterError(f"{where}: the registers of {meter.meter_id} cannot show it")
    if kind != "implausible_year" and not event.covers(meter.index).any():
        raise ParameterError(f"{where} lies outside the period of {meter.meter_id}")
    why = _OBSTACLES[kind](meter, event) if kind in _OBSTACLES else None
    if why:
        raise ParameterError(f"{where}: {meter.meter_id} {why}")


def add_fault(
    meter: Meter,
    kind: str,
    from_utc: pd.Timestamp,
    steps: int = 1,
    factor: float | None = None,
    variant: str | None = None,
) -> Meter:
    """`meter` whose raw data are wrong in `steps` intervals from `from_utc` on; its energies are as before.

    A repeated, misdated or late document of newmongo holds a whole local day, so there the window is that day;
    of `production_at_night` it is the whole period.

    Args:
        meter: what the fault is added to.
        kind: a key of `FAULTS`.
        from_utc: the first interval that is wrong.
        steps: number of intervals.
        factor: of a change of scale (usually 1000), or of a false duplicate (usually 0.5).
        variant: one of `VARIANTS[kind]`, usually the first.

    Raises:
        ParameterError: unknown kind or variant, one that a meter of this source or load cannot have, or the
            window overlaps another event or lies outside the period.
    """
    if kind not in FAULTS:
        raise ParameterError(f"no fault {kind!r}; there are: {', '.join(FAULTS)}")
    variants = VARIANTS.get(kind, ("",))
    variant = variants[0] if variant is None else variant
    if variant not in variants:
        raise ParameterError(f"{kind} has no variant {variant!r}; there are: {', '.join(map(repr, variants))}")
    usual = {"scale_change": 1000.0, "conflicting_duplicate": 0.5}.get(kind)
    event = Event(kind, *_window(meter, kind, from_utc, steps), usual if factor is None else factor, variant=variant)
    _refuse_impossible(meter, event)
    return with_event(meter, replace(event, value_kwh=_fault_value(meter, event), note=FAULTS[kind]))


# kind: first and last local hour it starts at, hours it is longer than, hours it is at most (but one step)
_PLACES = {
    "gap_short": (8, 16, 0, 2),
    "gap_long": (9, 12, 2, 6),
    "night_gap": (0, 1, 2, 5),
    "outlier_high": (10, 16, 0, 0),
    "outlier_low": (10, 16, 0, 0),
    "scale_change": (10, 16, 0, 0),
    "reset": (10, 16, 0, 0),
    "exchange": (10, 16, 0, 0),
    "rollover": (10, 16, 0, 0),
    "transient_zero": (8, 16, 0, 2),
    "register_stuck": (0, 4, 8, 18),
    "register_decrease": (8, 16, 2, 4),
    "spike": (10, 16, 0, 0),
    "flat_line": (0, 4, 12, 18),
    "zeros": (0, 4, 12, 18),
    "negative": (9, 14, 0, 2),
    "out_of_order": (8, 14, 1, 4),
}


def _place(meter: Meter, kind: str, day: pd.Timestamp, rng: np.random.Generator) -> tuple[pd.Timestamp, int]:
    """Where in `day` a fault lies: its first interval and its number of intervals."""
    if kind == "implausible_year":
        return pd.Timestamp(str(rng.choice(["1970-01-01", "2040-01-01"])), tz="UTC"), 1
    if kind in REPEATS:
        # where most flows: a false copy must differ from the true row
        start, end = day_bounds(meter, day)
        inside = np.asarray((meter.index >= start) & (meter.index < end))
        return meter.index[int(np.argmax(meter.truth.energy_kwh.abs().to_numpy() * inside))], 1
    earliest, latest, more_than, at_most = _PLACES[kind]
    least = int(more_than / meter.hours) + 1
    steps = int(rng.integers(least, max(least, int(at_most / meter.hours)) + 1))
    late = int(rng.integers(int(earliest / meter.hours), int(latest / meter.hours) + 1))
    return utc_of(day + late * meter.step, meter.timezone), steps


def scatter_faults(meter: Meter, kinds: Iterable[str]) -> Meter:
    """`meter` with the faults given, each on a day of its own that has no other event.

    Gaps and outliers keep away from the end of the day, so none lies beside another.

    Raises:
        ParameterError: an unknown kind, or fewer free days than faults.
    """
    kinds, rng = list(kinds), seeded(meter.seed, "faults")
    free = [
        day
        for day in local_days(meter)[1:-1]
        if not any(overlaps(event, *day_bounds(meter, day)) for event in meter.truth.events)
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
