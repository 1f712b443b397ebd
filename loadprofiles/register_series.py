"""Registers of one meter to its energies on the regular grid, with the faults found and undone on the way."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from loadprofiles import readings as r
from loadprofiles import registers
from loadprofiles.corrections import EXCLUDE, MEASURED, REJECT, RESTART, ROLLOVER, SCALE, Correction
from loadprofiles.quality import Flags, Floats, Ints, flag_unusual_zeros, runs
from loadprofiles.registers import RegisterFault, Registers
from loadprofiles.series import CODES, Meter, Series, covered, on_grid, others_on_grid, regular_grid

_STUCK_HOURS = 6.0
_LOWEST_VOLTAGE_SHARE = 0.5
"""Below this share of its usual voltage a meter has no supply: its zeros are true."""

_CATCH_UP_TIMES = 3.0

_SLACK_KWH = 0.01
"""Registers of consecutive rows may lie this far apart without a reason."""


def series_of_registers(meter: Meter, rows: pd.DataFrame) -> Series:
    """Net energies of a meter from its registers.

    Args:
        meter: The meter, with the corrections given for it.
        rows: `timestamp_utc` and the registers `registers.NAMES`, sorted, stamps unique and on the grid.
    """
    grid, positions = regular_grid(rows["timestamp_utc"], meter.step)
    stamps = pd.DatetimeIndex(rows["timestamp_utc"])
    excluded, excursion = _left_out(meter, rows, stamps)
    out = excluded | excursion
    counted = _Counted(meter, rows[~out].reset_index(drop=True), positions[~out])
    series = Series(
        meter=meter,
        grid=grid,
        energy_kwh=on_grid(counted.net.energy, counted.positions, len(grid)),
        energy_raw=on_grid(_raw_difference(rows), positions, len(grid)),
        quality=np.full(len(grid), CODES[r.MISSING], dtype=np.int8),
        gap_energy_kwh=counted.gap_energy(len(grid)),
        missed=np.zeros(len(grid), dtype=np.int64),
        others=others_on_grid(rows, positions, len(grid)),
    )
    series.quality[counted.positions] = counted.quality()
    _leave_out(series, positions, excluded, excursion)
    counted.tell(series)
    _reject_stuck(series, counted)
    return series


def _left_out(meter: Meter, rows: pd.DataFrame, stamps: pd.DatetimeIndex) -> tuple[Flags, Flags]:
    """Rows that a person excludes, and those of the others at which a register left its course."""
    excluded = covered(meter.given, EXCLUDE, stamps)
    kept = np.flatnonzero(~excluded)
    excursion = np.zeros(len(rows), dtype=np.bool_)
    for name in ("import_end", "export_end"):
        excursion[kept] |= registers.flag_excursion(rows[name].to_numpy(dtype=np.float64)[kept])
    return excluded, excursion & ~covered(meter.given, MEASURED, stamps)


def _leave_out(series: Series, positions: Ints, excluded: Flags, excursion: Flags) -> None:
    left_out, strayed = np.zeros((2, len(series.grid)), dtype=np.bool_)
    left_out[positions[excluded]] = True
    strayed[positions[excursion]] = True
    series.reject(left_out | strayed, r.REJECTED_REGISTER)
    for given in series.meter.given:
        if given.rule == EXCLUDE:
            series.note("excluded", left_out & given.covers(series.grid), f"corrections.csv: {given.reason}")
    series.note("register_excursion", strayed, "the register left its course and came back")
    series.correct(EXCLUDE, strayed, "register_excursion")


def _raw_difference(rows: pd.DataFrame) -> Floats:
    net = (rows["import_end"] - rows["export_end"]).to_numpy(dtype=np.float64)
    return np.diff(net, prepend=np.nan)


class _Counted:
    """The rows that count, brought to kWh, with the faults between them."""

    def __init__(self, meter: Meter, rows: pd.DataFrame, positions: Ints) -> None:
        self.meter = meter
        self.rows = rows
        self.positions = positions
        self.steps = np.diff(positions, prepend=positions[:1] - 1)
        self.stamps = pd.DatetimeIndex(rows["timestamp_utc"])
        self.raw = Registers(**_registers(rows), steps=self.steps, unit=np.ones(len(rows)))
        self.given_scale = any(correction.rule == SCALE for correction in meter.given)
        given = _given_scale(meter, self.stamps)
        stated = _stated(meter, self.stamps)
        self.stated_rows = set(stated)
        self.faults = _overruled(meter, self.stamps, registers.find_faults(self.raw.times(given)), stated)
        if self.given_scale:
            self.unit, self.level_certain = float(given[-1]) if len(given) else 1.0, True
            self.kwh_per_unit = given
        else:
            scale = registers.multipliers(self._of(registers.SCALE_CHANGE), len(rows))
            self.unit, self.level_certain = self._kwh_per_unit(scale)
            self.kwh_per_unit = scale * self.unit
        imported, exported = self._energies()
        self.net = registers.Energies(*(plus - minus for plus, minus in zip(imported, exported, strict=True)))
        self.activity = imported.energy + exported.energy

    def _of(self, *kinds: str) -> list[RegisterFault]:
        return [fault for fault in self.faults if fault.kind in kinds]

    def _kwh_per_unit(self, scale: Floats) -> tuple[float, bool]:
        total = (self.raw.import_end + self.raw.export_end) * scale
        return registers.kwh_per_unit(total, scale, self.steps * self.meter.step / 60, self.meter.limits)

    def _rows_of(self, side: str, *kinds: str) -> Flags:
        flags = np.zeros(len(self.rows), dtype=np.bool_)
        flags[[f.row for f in self._of(*kinds) if f.register in (side, "both")]] = True
        return flags

    def _energies(self) -> list[registers.Energies]:
        """Energies by the import and by the export register."""
        kwh = self.raw.times(self.kwh_per_unit)
        sides = []
        for side, start, end in (
            ("import", kwh.import_start, kwh.import_end),
            ("export", kwh.export_start, kwh.export_end),
        ):
            rollovers = [f for f in self._of(registers.ROLLOVER) if f.register in (side, "both")]
            start, end = registers.unwrap(start, end, rollovers, self.kwh_per_unit)
            restart = self._rows_of(side, registers.RESET, registers.EXCHANGE)
            broken = self._rows_of(side, registers.DECREASE)
            sides.append(registers.register_energy(start, end, self.steps - 1, restart, broken))
        return sides

    def gap_energy(self, length: int) -> Floats:
        """The energy of each missing step of the grid by its gap's registers, the closing row's own step included."""
        result = np.full(length, np.nan)
        for row in np.flatnonzero(self.steps > 1):
            position = self.positions[row]
            result[position - self.steps[row] + 1 : position + 1] = self.net.gap_energy[row]
        return result

    def quality(self) -> "np.ndarray[tuple[int], np.dtype[np.int8]]":
        """The quality code of each row."""
        known = ~np.isnan(self.net.energy)
        restarted = self._any(registers.RESET, registers.EXCHANGE, registers.ROLLOVER)
        broken = self._any(registers.DECREASE) | (restarted & ~known)
        scaled = ~np.isclose(self.kwh_per_unit, self.unit, atol=0)
        rescaled = scaled | np.r_[False, scaled[:-1]]
        codes = np.select(
            [broken, ~known, restarted, rescaled],
            [CODES[name] for name in (r.REJECTED_REGISTER, r.MISSING, r.EDITED_RESET, r.EDITED_SCALE)],
            CODES[r.MEASURED],
        )
        return codes.astype(np.int8)

    def _any(self, *kinds: str) -> Flags:
        return self._rows_of("import", *kinds) | self._rows_of("export", *kinds)

    def tell(self, series: Series) -> None:
        """Findings and corrections of the faults."""
        for fault in self._of(registers.SCALE_CHANGE, registers.ROLLOVER, registers.RESET, registers.EXCHANGE):
            self._tell_step(series, fault)
        self._tell_scale(series)
        self._tell_decrease(series)

    def _tell_step(self, series: Series, fault: RegisterFault) -> None:
        stamp = self.stamps[fault.row]
        evidence = fault.evidence
        readings = fault.row if fault.kind == registers.SCALE_CHANGE else 1
        if fault.kind == registers.SCALE_CHANGE and self.given_scale:
            evidence, readings = f"{evidence}; not applied, corrections.csv has the scale of this meter", 0
        finding = self.meter.finding(fault.kind, (stamp, stamp, readings), evidence, fault.confidence)
        series.findings.append(replace(finding, factor=fault.factor))
        if fault.row in self.stated_rows:
            return
        if fault.kind == registers.ROLLOVER:
            series.corrections.append(Correction(ROLLOVER, stamp, stamp, fault.factor, evidence))
        elif fault.kind != registers.SCALE_CHANGE:
            series.corrections.append(Correction(RESTART, stamp, stamp, np.nan, f"{fault.kind}: {evidence}"))

    def _tell_scale(self, series: Series) -> None:
        whole = (self.stamps.min(), self.stamps.max(), len(self.rows))
        changes = self._of(registers.SCALE_CHANGE)
        limits = self.meter.limits
        if self.given_scale:
            series.findings.append(self.meter.finding("corrected", whole, "corrections.csv gives the scale"))
            return
        if not self.level_certain:
            known = f"more than one unit suits the {limits.import_kw:g} kW contracted"
            unknown = "contracted power is not known and more than one unit possible"
            evidence = f"{known if limits.known else unknown}: only the shape is certain"
            series.findings.append(self.meter.finding("level_uncertain", whole, evidence, 0.5))
        if self.unit != 1:
            evidence = f"in kWh the load would not suit the {limits.import_kw:g} kW that are possible"
            series.findings.append(replace(self.meter.finding("register_unit", whole, evidence), factor=self.unit))
        if np.any(self.kwh_per_unit != 1):
            series.corrections += self._scale_corrections(changes)

    def _scale_corrections(self, changes: list[RegisterFault]) -> list[Correction]:
        """The scale of each stretch, whole stretches of factor 1 included, so that they overrule all that is found."""
        bounds = np.flatnonzero(np.diff(self.kwh_per_unit)) + 1
        reasons = {change.row: change.evidence for change in changes}
        edges = [0, *bounds.tolist(), len(self.rows)]
        return [
            Correction(
                SCALE,
                None if first == 0 else self.stamps[first],
                None if last == len(self.rows) else self.stamps[last],
                float(self.kwh_per_unit[first]),
                reasons.get(last, "its unit"),
            )
            for first, last in pairwise(edges)
        ]

    def _tell_decrease(self, series: Series) -> None:
        falls = self._of(registers.DECREASE)
        if not falls:
            return
        rows = [fault.row for fault in falls]
        flags = np.zeros(len(series.grid), dtype=np.bool_)
        flags[self.positions[rows]] = True
        series.reject(flags, r.REJECTED_REGISTER)
        series.note(registers.DECREASE, flags, f"{len(rows)} falls, the first: {falls[0].evidence}", 0.9)
        series.correct(REJECT, flags, registers.DECREASE)


def _registers(rows: pd.DataFrame) -> dict[str, Floats]:
    """The registers; a start that was not recorded follows from the row's increment, where there is one."""
    values = {name: rows[name].to_numpy(dtype=np.float64) for name in registers.NAMES}
    for side in ("import", "export"):
        if f"{side}_increment" in rows:
            counted = values[f"{side}_end"] - rows[f"{side}_increment"].to_numpy(dtype=np.float64)
            values[f"{side}_start"] = np.where(np.isnan(values[f"{side}_start"]), counted, values[f"{side}_start"])
    return values


def _given_scale(meter: Meter, stamps: pd.DatetimeIndex) -> Floats:
    """Kilowatt-hours a register unit by the corrections given; 1 where they say nothing."""
    factor = np.ones(len(stamps))
    for correction in meter.given:
        if correction.rule == SCALE:
            factor[correction.covers(stamps)] = correction.factor
    return factor


def _stated(meter: Meter, stamps: pd.DatetimeIndex) -> dict[int, Correction]:
    """The restarts and rollovers that a person states, by the row at which they take effect."""
    stated = {}
    for correction in meter.given:
        if correction.rule in (RESTART, ROLLOVER) and correction.from_utc is not None:
            row = int(stamps.searchsorted(correction.from_utc))
            if 0 < row < len(stamps):
                stated[row] = correction
    return stated


def _overruled(
    meter: Meter, stamps: pd.DatetimeIndex, found: list[RegisterFault], stated: dict[int, Correction]
) -> list[RegisterFault]:
    """The faults found, less those that a person denies, and those that a person states."""
    denied = covered(meter.given, MEASURED, stamps)
    faults = {fault.row: fault for fault in found if not denied[fault.row]}
    for row, correction in stated.items():
        rolled = correction.rule == ROLLOVER
        kind = registers.ROLLOVER if rolled else registers.EXCHANGE
        # where nothing is found to tell: another meter is so with both registers
        register = faults[row].register if row in faults else "import" if rolled else "both"
        evidence = f"corrections.csv: {correction.reason}"
        faults[row] = RegisterFault(row, kind, correction.factor, evidence, 1.0, register)
    return [faults[row] for row in sorted(faults)]


def _reject_stuck(series: Series, counted: _Counted) -> None:
    """Reject hours in which both registers stood still though the meter uses something at that time of day."""
    activity = on_grid(counted.activity, counted.positions, len(series.grid))
    least = series.meter.steps_in(_STUCK_HOURS)
    caught_up = _flag_caught_up(activity, least)
    stuck = flag_unusual_zeros(activity, least, series.meter.steps_in(24)) & ~_without_supply(series.others)
    for flags, evidence, confidence in (
        (stuck & ~caught_up, "both registers stood still at hours at which they never do", 0.7),
        (caught_up, "both registers stood still, then counted all at once", 0.95),
    ):
        rejected = series.keep_measured(flags)
        series.reject(rejected, r.REJECTED_REGISTER)
        series.note("register_stuck", rejected, evidence, confidence)
        series.correct(REJECT, rejected, "register_stuck")
    _count_after(series, counted, series.keep_measured(stuck | caught_up))


def _count_after(series: Series, counted: _Counted, stuck: Flags) -> None:
    """Of the step after a standstill only the row's own start and end tell the energy, if they do."""
    own = on_grid(counted.net.own, counted.positions, len(series.grid))
    after = np.flatnonzero(stuck[:-1] & ~stuck[1:]) + 1
    after = after[~np.isnan(series.energy_kwh[after]) & (np.abs(own[after] - series.energy_kwh[after]) > _SLACK_KWH)]
    series.energy_kwh[after] = own[after]
    series.quality[after] = CODES[r.EDITED_RESET]
    series.note("register_stuck", np.isin(np.arange(len(own)), after), "after it only the row's own count is energy")


def _flag_caught_up(activity: Floats, least: int) -> Flags:
    """Zeros of at least `least` steps that end in a step of many steps' energy."""
    flags = np.zeros(len(activity), dtype=np.bool_)
    positive = activity[activity > 0]
    if not len(positive):
        return flags
    high = float(np.quantile(positive, 0.995))
    for start, end in runs(activity == 0, least):
        if end < len(activity) and _CATCH_UP_TIMES * high < activity[end] <= (end - start + 1) * high:
            flags[start:end] = True
    return flags


def _without_supply(others: pd.DataFrame) -> Flags:
    """Intervals whose voltages are far below the usual."""
    voltages = others.filter(like="voltage_").to_numpy(dtype=np.float64)
    if not voltages.size or np.isnan(voltages).all():
        return np.zeros(len(others), dtype=np.bool_)
    usual = np.nanmedian(voltages)
    return np.asarray(np.nan_to_num(voltages, nan=usual).max(axis=1) < _LOWEST_VOLTAGE_SHARE * usual)
