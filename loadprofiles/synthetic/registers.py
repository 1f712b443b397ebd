"""The old MongoDB's dump: two cumulative registers, with every fault they can have.

What the registers counted is worked out in whole Wh; the faults are laid over it in the order of their times,
the change of scale last, so that dividing once leaves no value off by more than its last bit.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles.synthetic.archetypes import FloatArray
from loadprofiles.synthetic.kinds import GAPS, RESTARTS
from loadprofiles.synthetic.meters import Event, Meter, covered, seeded
from loadprofiles.synthetic.raw import in_file_order, recorded_rows, repeat_rows, voltages

_SIGNS = (1, -1)
_REGISTERS = {"+": "Active_Energy_+", "-": "Active_Energy_-"}
_EMPTY = [f"Average_current_L{phase}" for phase in (1, 2, 3)] + [
    f"L{phase}_Average_{kind}_Power" for kind in ("Active", "Reactive") for phase in (1, 2, 3)
]


def _counted_wh(meter: Meter, sign: int) -> npt.NDArray[np.int64]:
    """What the import (1) or export (-1) register moves in each interval, in Wh, shape (n,)."""
    recorded = np.rint(recorded_rows(meter)["energy_kwh"].to_numpy() * 1000).astype(np.int64)
    counted = np.maximum(sign * recorded, 0)
    for event in meter.truth.events:
        inside = event.covers(meter.index)
        if event.kind == "register_stuck":
            counted[inside] = 0
        elif event.kind == "register_decrease":
            # a tenth to the whole of what usually flows, so that no fall looks like another register
            usual = max(counted.mean(), meter.register.quantum_wh)
            falls = seeded(meter.seed, f"decrease {event.from_utc}").uniform(0.1, 1, inside.sum()) * usual
            quantum = meter.register.quantum_wh
            counted[inside] = -np.maximum(np.rint(falls / quantum).astype(np.int64), 1) * quantum if sign > 0 else 0
    return np.asarray(counted, dtype=np.int64)


def _stuck_wh(meter: Meter, event: Event, sign: int) -> int:
    """What a stuck register has not shown and shows at its next step."""
    if event.variant == "lost":
        return 0
    truth = np.rint(meter.truth.energy_kwh[event.covers(meter.index)].to_numpy() * 1000)
    return int(np.maximum(sign * truth, 0).sum())


def _shift(meter: Meter, event: Event, sign: int, ini: FloatArray, end: FloatArray) -> None:
    """Lays one fault over the registers, in place."""
    start, stop = (int(meter.index.searchsorted(stamp)) for stamp in (event.from_utc, event.to_utc))
    if event.kind in {"reset", "exchange"}:
        # the export register of a used meter stands elsewhere than its import register
        share = 1.0 if sign > 0 else seeded(meter.seed, f"exchange {event.from_utc}").uniform(0.2, 2) * meter.exports
        wh = np.rint((event.value_kwh or 0.0) * 1000 * share / meter.register.quantum_wh) * meter.register.quantum_wh
        by = (wh if event.kind == "exchange" else 0.0) - ini[start]
        ini[start:] += by
        end[start:] += by
    elif event.kind == "register_stuck":
        by = _stuck_wh(meter, event, sign)
        ini[stop:] += by
        end[stop:] += by
    elif event.kind == "rollover" and sign > 0:
        end[start:] -= _capacity_wh(event)
        ini[start + 1 :] -= _capacity_wh(event)
        if event.variant == "wrapped_start":
            ini[start] = 0.0


def _capacity_wh(event: Event) -> float:
    return float(np.rint((event.value_kwh or 0.0) * 1000))


def _before_rollover(meter: Meter, event: Event, counted: npt.NDArray[np.int64]) -> int:
    """How far below its capacity the register is when the interval in which it rolls over begins."""
    moved, quantum = int(counted[meter.index.searchsorted(event.from_utc)]), meter.register.quantum_wh
    return quantum if event.variant == "wrapped_start" else (moved // quantum + 1) // 2 * quantum


def _start_wh(meter: Meter, sign: int, ini: FloatArray, counted: npt.NDArray[np.int64]) -> float:
    """The register at the first interval's start; `ini` are the registers when that is 0."""
    for event in meter.truth.events:
        if event.kind == "rollover" and sign > 0:
            position = int(meter.index.searchsorted(event.from_utc))
            return _capacity_wh(event) - _before_rollover(meter, event, counted) - float(ini[position])
    if meter.register.start_kwh is not None:
        return round(meter.register.start_kwh[_SIGNS.index(sign)] * 1000, 1)
    drawn = seeded(meter.seed, "registers").integers(5_000_000, 60_000_000, 2) * (1, meter.exports)
    return float(drawn[_SIGNS.index(sign)])


def register_wh(meter: Meter, sign: int) -> tuple[FloatArray, FloatArray]:
    """Register at each interval's start and end in Wh, before any change of scale, each of shape (n,).

    Args:
        meter: of any source; its events lie over the registers.
        sign: 1: import, -1: export.
    """
    counted = _counted_wh(meter, sign)
    bounds = np.r_[0, np.cumsum(counted)].astype(np.float64)
    events = sorted(meter.truth.events, key=lambda event: event.from_utc)
    rollovers = [event.from_utc for event in events if event.kind == "rollover"]
    # stuck registers before a rollover decide where it starts, the rollover itself does not
    probe_ini, probe_end = bounds[:-1].copy(), bounds[1:].copy()
    for event in events:
        if event.kind == "register_stuck" and rollovers and event.from_utc < rollovers[0]:
            _shift(meter, event, sign, probe_ini, probe_end)
    level = _start_wh(meter, sign, probe_ini, counted)
    ini, end = level + bounds[:-1], level + bounds[1:]
    for event in events:
        _shift(meter, event, sign, ini, end)
    dead = covered(meter, ("transient_zero",))
    ini[dead] = end[dead] = 0.0
    return ini, end


def _scales(meter: Meter) -> tuple[FloatArray, FloatArray]:
    """Product of all changes of scale so far, of `_end` and of `_ini`, each of shape (n,)."""
    end, ini = np.ones(len(meter.index)), np.ones(len(meter.index))
    for event in meter.truth.events:
        if event.kind == "scale_change" and event.factor is not None:
            lag = meter.step if event.variant == "late_start" else pd.Timedelta(0)
            end[np.asarray(meter.index >= event.from_utc)] *= event.factor
            ini[np.asarray(meter.index >= event.from_utc + lag)] *= event.factor
    return end, ini


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
    scale, ini_scale = _scales(meter)
    wh_per_unit = 1000 if meter.register.unit == "kWh" else 1
    present = ~covered(meter, GAPS)
    restarts = covered(meter, RESTARTS)[present]
    rows = pd.DataFrame({"scale": scale[present]}, index=meter.index[present])
    for sign, name in zip(_SIGNS, _REGISTERS.values(), strict=True):
        ini_wh, end_wh = register_wh(meter, sign)
        # multiply whole Wh, then divide once: no value is off by more than its last bit
        same_scale, end = (pd.Series((wh * scale / wh_per_unit)[present], rows.index) for wh in (ini_wh, end_wh))
        rows[f"{name}_Total_ini"] = (ini_wh * ini_scale / wh_per_unit)[present]
        rows[f"{name}_Total_end"] = end
        rows[f"{name}_Incr"] = np.round(end - end.shift().where(~restarts, np.nan).fillna(same_scale), 3)
    rows = rows.join(voltages(meter, [f"Average_voltage_L{phase}" for phase in (1, 2, 3)], 231))
    rows = in_file_order(meter, repeat_rows(meter, rows, _half_stored)).drop(columns=["scale", "copy"]).reset_index()
    rows.insert(0, "id", meter.meter_id)
    rows.insert(1, "timestamp", rows.pop("timestamp_utc").dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    return rows.assign(**dict.fromkeys(_EMPTY, np.nan))
