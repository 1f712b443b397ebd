"""Cumulative registers to readings, and the faults that registers have.

A register only grows, so every fault shows in it: a change of scale multiplies it, an exchange of the
meter sets it back, a transmission error lifts or drops a single value. Each fault found is a finding:
when, by what factor, and on what evidence.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles.meters import Limits
from loadprofiles.quality import Flags, Floats

NAMES = ("import_start", "import_end", "export_start", "export_end")

_SCALE_TOLERANCE = 0.02
"""How far, in log10, a register ratio may lie from a power of ten: room for the energy of the step itself."""

_LARGEST_POWER = 7
"""No unit or scale in use differs by more than ten to this from another."""

_TOLERANCE = 1e-9
"""Relative noise of a register stored as a float."""

_PLAUSIBLE_PEAK_KW = 0.02
"""A meter whose high load would lie below this was read in too large a unit."""

_AFTER_ROWS = 96

_UNITS = {"kWh": 1.0, "Wh": 0.001}


@dataclass(frozen=True)
class ScaleChange:
    """The registers' unit or scale changed at `row`: values from there on are `factor` times larger."""

    row: int
    factor: float
    evidence: str


def flag_excursion(register: Floats) -> Flags:
    """Single values that break a register which would only grow without them (transient zero or jump)."""
    flags = np.zeros(len(register), dtype=np.bool_)
    before, value, after = register[:-2], register[1:-1], register[2:]
    noise = _TOLERANCE * np.abs(after)
    flags[1:-1] = (before <= after) & ((value < before - noise) | (value > after + noise))
    return flags


def find_scale_changes(
    import_start: Floats, import_end: Floats, export_end: Floats, steps: npt.NDArray[np.int64]
) -> list[ScaleChange]:
    """Changes by a power of ten between consecutive rows.

    Args:
        import_start: Import register at each row's start, NaN where not recorded, shape (n,). At a change of
            scale it has changed like the end, or not yet; of an exchanged meter it is about 0.
        import_end: Import register at each row's end, same shape, in whatever unit it has there.
        export_end: Export register, same shape; where it counts anything it must change alike.
        steps: Grid steps since the row before, same shape.
    """
    power = np.round(_log_ratio(import_end[1:], import_end[:-1]))
    candidates = np.isfinite(power) & (power != 0) & (np.abs(power) <= _LARGEST_POWER)
    candidates &= _changed_alike(import_end[1:], import_end[:-1], power)
    start, before = import_start[1:], import_end[:-1]
    candidates &= _changed_alike(start, before, power) | _changed_alike(start, before, 0.0) | np.isnan(start)
    nothing_exported = (export_end[1:] == 0) | (export_end[:-1] == 0)
    candidates &= _changed_alike(export_end[1:], export_end[:-1], power) | nothing_exported
    changes = []
    for row in np.flatnonzero(candidates) + 1:
        jump = abs(import_end[row] - import_end[row - 1])
        growth = np.diff(import_end[row : row + _AFTER_ROWS])
        # a young register may grow tenfold by itself: the jump must be more than the load can explain
        if len(growth) and jump <= 3 * float(np.quantile(growth, 0.95)) * steps[row]:
            continue
        evidence = f"import register {import_end[row - 1]:.10g} → {import_end[row]:.10g}"
        if not nothing_exported[row - 1]:
            evidence += f", export register {export_end[row - 1]:.10g} → {export_end[row]:.10g}"
        changes.append(ScaleChange(int(row), float(10.0 ** power[row - 1]), evidence))
    return changes


def _log_ratio(after: Floats, before: Floats) -> Floats:
    """log10 of the ratio; NaN where one is not positive."""
    positive = (after > 0) & (before > 0)
    ratio = np.divide(after, before, out=np.full(len(after), np.nan), where=positive)
    return np.asarray(np.log10(ratio))


def _changed_alike(after: Floats, before: Floats, power: Floats | float) -> Flags:
    return np.asarray(np.abs(_log_ratio(after, before) - power) < _SCALE_TOLERANCE)


def multipliers(changes: list[ScaleChange], rows: int) -> Floats:
    """For each row the factor that brings it to the scale of the last row."""
    result = np.ones(rows)
    for change in changes:
        result[: change.row] *= change.factor
    return result


def kwh_per_unit(register: Floats, scale: Floats, hours: Floats, limits: Limits) -> float:
    """The factor from `register`, once brought to the scale of its last row, to kWh.

    Registers count kWh or Wh, on one side of a change of scale at least. Of the factors by which some
    stretch is in kWh or Wh, those count whose high load is possible under the meter's contracted power;
    of these the one that suits most stretches; then the one nearest to contracted power. Where that is not
    known, a register in whole numbers counts Wh and one with decimals kWh.

    Args:
        register: Register at each row's end, times `scale`; shape (n,).
        scale: Factor of each row's stretch, from `multipliers`; shape (n,).
        hours: Hours since the row before, shape (n,).
        limits: Plausible power of the meter.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        power = np.diff(register) / hours[1:]
    power = power[np.isfinite(power) & (power > 0)]
    if not len(power):
        return 1.0
    high = float(np.quantile(power, 0.95))
    votes = Counter(_UNITS[name] / stretch for stretch in np.unique(scale) for name in _UNITS)
    largest = 1.1 * max(limits.import_kw, limits.export_kw)
    whole_numbers = bool(np.all(register == np.round(register)))

    def suits(factor: float) -> tuple[bool, int, float]:
        plausible = _PLAUSIBLE_PEAK_KW <= high * factor <= largest
        small_first = whole_numbers and not limits.known
        return plausible, votes[factor], -factor if small_first else factor

    return float(max(votes, key=suits))


def flag_decrease(register_kwh: Floats) -> Flags:
    """Rows at which the register is lower than at the row before: it was reset, or the meter exchanged."""
    flags = np.zeros(len(register_kwh), dtype=np.bool_)
    flags[1:] = np.diff(register_kwh) < -_TOLERANCE * np.abs(register_kwh[1:]) - _TOLERANCE
    return flags


def own_energy(start_kwh: Floats, end_kwh: Floats, reset: Flags) -> Floats:
    """Energy between a row's own start and end registers; NaN where the start cannot be right.

    The start lies between the row before's end and the row's own end; after a reset only below the latter.
    """
    noise = _TOLERANCE * np.abs(end_kwh) + _TOLERANCE
    floor = np.where(reset, 0.0, np.r_[0.0, end_kwh[:-1]])
    plausible = (start_kwh >= floor - noise) & (start_kwh <= end_kwh + noise)
    return np.where(plausible, np.maximum(end_kwh - start_kwh, 0.0), np.nan)


def register_energy(start_kwh: Floats, end_kwh: Floats, missed: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Energy of each row from one register, in kWh.

    Args:
        start_kwh: Register at the start of each row's interval, NaN where not recorded; shape (n,).
        end_kwh: Register at its end, shape (n,).
        missed: Steps missing between the row before and each row, shape (n,).

    Returns:
        `energy`: of the row's interval, NaN where the registers do not tell; `gap_energy`: of one missed
        step before the row when the gap's energy is spread evenly; `reset`: the register fell here.
    """
    reset = flag_decrease(end_kwh)
    own = own_energy(start_kwh, end_kwh, reset)
    difference = np.where(reset, np.nan, np.r_[np.nan, np.diff(end_kwh)])
    energy = np.where(missed > 0, own, difference)
    energy = np.where(np.isnan(difference), own, energy)
    with np.errstate(divide="ignore", invalid="ignore"):
        even = difference / (missed + 1)
        rest = np.maximum(difference - own, 0.0) / missed
    gap_energy = np.where(missed > 0, np.where(np.isnan(own), even, rest), np.nan)
    return pd.DataFrame({"energy": energy, "gap_energy": gap_energy, "reset": reset})
