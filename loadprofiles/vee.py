"""Validation, estimation and editing of one meter: from what a source read to Readings and findings.

Flags decide, estimation is bounded, and whatever was dropped, edited, rejected or estimated leaves a
finding with its evidence. See DESIGN.md, sections 5 and 6, for the rules and where they come from.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles import quality as q
from loadprofiles import readings as r
from loadprofiles import registers
from loadprofiles.estimation import fillable_gaps, interpolate
from loadprofiles.meters import Limits

CODES = {name: code for code, name in enumerate(r.QUALITY)}
MIN_ROWS = 2
"""Fewer rows have no interval."""


@dataclass(frozen=True)
class RawMeter:
    """What a source read of one meter.

    `rows` holds `timestamp_utc` and either `energy_kwh` (net) or the registers `registers.NAMES` in their
    own unit, and optionally `reactive_energy_kvarh` and `voltage_*_v`, in the order of the file. `dropped`
    counts rows that the reader could not use, by reason; `where` has the place of the first of them, such as
    `line 57: 'abc' is no number`.
    """

    meter_id: str
    origin: str
    rows: pd.DataFrame
    rows_read: int
    dropped: Counter[str] = field(default_factory=Counter)
    where: dict[str, str] = field(default_factory=dict)

    def with_rows(self, rows: pd.DataFrame) -> "RawMeter":
        """The same meter with other rows."""
        return replace(self, rows=rows.reset_index(drop=True))


@dataclass(frozen=True)
class Finding:
    """Something about a stretch of one meter's data that is not as it should be, with its evidence."""

    meter_id: str
    kind: str
    from_utc: pd.Timestamp
    to_utc: pd.Timestamp
    readings: int
    factor: float
    evidence: str
    confidence: float = 1.0


@dataclass(frozen=True)
class CleanMeter:
    """Readings of one meter on its regular grid, with all that was found on the way."""

    meter_id: str
    step_minutes: int | None
    readings: pd.DataFrame
    findings: list[Finding]
    rows_read: int
    dropped: Counter[str]


def clean_meter(raw: RawMeter, limits: Limits, timezone: str, now: pd.Timestamp) -> CleanMeter:
    """Validate, estimate and edit one meter.

    Args:
        raw: What the source read.
        limits: Plausible power of the meter.
        timezone: IANA name; the night, in which longer gaps may be filled, is local.
        now: The moment of the run; no reading comes from after it.

    Returns:
        Readings from the first to the last usable row. A meter without two usable rows on a regular grid
        comes back with no readings and a finding that says so.
    """
    rows, dropped, findings = _drop_unusable(raw, now)
    step = q.infer_step_minutes(rows["timestamp_utc"]) if len(rows) >= MIN_ROWS else None
    if step is None:
        findings.append(_whole(raw, rows, "no_regular_interval", f"{len(rows)} usable rows"))
        return CleanMeter(raw.meter_id, None, empty_readings(), findings, raw.rows_read, dropped)
    rows, off_grid = _drop(raw, rows, q.flag_off_grid(rows["timestamp_utc"], step), "off_grid")
    dropped.update({f.kind: f.readings for f in off_grid})
    findings += off_grid
    series = _from_registers(raw, rows, step, limits) if "import_end" in rows else _from_intervals(rows, step)
    findings += series.findings
    findings += _reject_outliers(raw.meter_id, series, limits, step)
    findings += _estimate(raw.meter_id, series, limits, step, timezone)
    return CleanMeter(raw.meter_id, step, series.to_readings(raw.meter_id), findings, raw.rows_read, dropped)


@dataclass
class _Series:
    """One meter on its regular grid while it is worked on; arrays of one length."""

    grid: pd.DatetimeIndex
    energy_kwh: q.Floats
    energy_raw: q.Floats
    quality: npt.NDArray[np.int8]
    gap_energy_kwh: q.Floats  # what registers say about a missing step; NaN where they do not
    missed: npt.NDArray[np.int64]  # missing steps whose energy the reading may contain
    others: pd.DataFrame
    findings: list[Finding] = field(default_factory=list)

    def to_readings(self, meter_id: str) -> pd.DataFrame:
        table = pd.DataFrame(
            {
                "meter_id": meter_id,
                "timestamp_utc": self.grid,
                "energy_kwh": self.energy_kwh,
                "quality": pd.Categorical.from_codes(self.quality, dtype=r.QUALITY_DTYPE),
                "energy_kwh_raw": self.energy_raw,
            }
        )
        return pd.concat([table, self.others.reset_index(drop=True)], axis=1)


def empty_readings() -> pd.DataFrame:
    """A Readings table without rows."""
    table = pd.DataFrame({"meter_id": pd.Series(dtype="str"), "timestamp_utc": pd.Series(dtype=r.TIMESTAMP_DTYPE)})
    return table.assign(
        energy_kwh=pd.Series(dtype=float),
        quality=pd.Series(dtype=r.QUALITY_DTYPE),
        energy_kwh_raw=pd.Series(dtype=float),
    )


def _drop_unusable(raw: RawMeter, now: pd.Timestamp) -> tuple[pd.DataFrame, Counter[str], list[Finding]]:
    rows, findings, dropped = raw.rows, [], Counter(raw.dropped)
    for kind, flag in (
        ("implausible_year", lambda t: q.flag_implausible_year(t["timestamp_utc"], now)),
        ("duplicate", q.flag_repeated),
        ("conflicting_duplicate", lambda t: q.flag_superseded(t["timestamp_utc"])),
    ):
        rows, found = _drop(raw, rows, flag(rows), kind)
        dropped.update({f.kind: f.readings for f in found})
        findings += found
    return rows.sort_values("timestamp_utc", ignore_index=True), dropped, findings


def _drop(raw: RawMeter, rows: pd.DataFrame, flags: q.Flags, kind: str) -> tuple[pd.DataFrame, list[Finding]]:
    if not flags.any():
        return rows, []
    finding = _whole(raw, rows[flags], kind, f"{flags.sum()} of {raw.rows_read} rows of {raw.origin} dropped")
    return rows[~flags].reset_index(drop=True), [finding]


def _whole(raw: RawMeter, rows: pd.DataFrame, kind: str, evidence: str) -> Finding:
    stamps = rows["timestamp_utc"]
    return Finding(raw.meter_id, kind, stamps.min(), stamps.max(), len(rows), np.nan, evidence)


def _grid(rows: pd.DataFrame, step: int) -> tuple[pd.DatetimeIndex, npt.NDArray[np.int64]]:
    """The regular grid over all rows, and each row's position on it."""
    stamps = rows["timestamp_utc"]
    grid = pd.date_range(stamps.iloc[0], stamps.iloc[-1], freq=f"{step}min", unit="us")
    positions = ((stamps - stamps.iloc[0]) // pd.Timedelta(minutes=step)).to_numpy(dtype=np.int64)
    return grid, positions


def _on_grid(values: q.Floats, positions: npt.NDArray[np.int64], length: int) -> q.Floats:
    result = np.full(length, np.nan)
    result[positions] = values
    return result


def _others(rows: pd.DataFrame, positions: npt.NDArray[np.int64], length: int) -> pd.DataFrame:
    names = [c for c in rows.columns if c == "reactive_energy_kvarh" or c.startswith("voltage_")]
    return pd.DataFrame(
        {name: _on_grid(rows[name].to_numpy(dtype=np.float64), positions, length) for name in names},
        index=range(length),
    )


def _from_intervals(rows: pd.DataFrame, step: int) -> _Series:
    grid, positions = _grid(rows, step)
    energy = _on_grid(rows["energy_kwh"].to_numpy(dtype=np.float64), positions, len(grid))
    missing = np.isnan(energy)
    return _Series(
        grid=grid,
        energy_kwh=energy,
        energy_raw=energy.copy(),
        quality=np.where(missing, CODES[r.MISSING], CODES[r.MEASURED]).astype(np.int8),
        gap_energy_kwh=np.full(len(grid), np.nan),
        missed=q.missed_before(missing),
        others=_others(rows, positions, len(grid)),
    )


def _from_registers(raw: RawMeter, all_rows: pd.DataFrame, step: int, limits: Limits) -> _Series:
    grid, all_positions = _grid(all_rows, step)
    import_end, export_end = (all_rows[name].to_numpy(dtype=np.float64) for name in ("import_end", "export_end"))
    excursion = registers.flag_excursion(import_end) | registers.flag_excursion(export_end)
    rows, positions = all_rows[~excursion], all_positions[~excursion]
    table, findings = _register_table(raw, rows, positions, step, limits)

    energy = _on_grid(table["energy"].to_numpy(), positions, len(grid))
    codes = np.full(len(grid), CODES[r.MISSING], dtype=np.int8)
    codes[all_positions[excursion]] = CODES[r.REJECTED_REGISTER]
    for span in _spans(grid, codes == CODES[r.REJECTED_REGISTER], step):
        findings.append(Finding(raw.meter_id, "register_excursion", *span, np.nan, "register left its course"))
    codes[positions] = table["quality"].to_numpy()
    raw_end = rows["import_end"] - rows["export_end"]
    return _Series(
        grid=grid,
        energy_kwh=energy,
        energy_raw=_on_grid(raw_end.diff().to_numpy(), positions, len(grid)),
        quality=codes,
        gap_energy_kwh=_gap_energy(table, positions, len(grid)),
        missed=np.zeros(len(grid), dtype=np.int64),
        others=_others(all_rows, all_positions, len(grid)),
        findings=findings,
    )


def _register_table(
    raw: RawMeter, rows: pd.DataFrame, positions: npt.NDArray[np.int64], step: int, limits: Limits
) -> tuple[pd.DataFrame, list[Finding]]:
    """Energy, gap energy, missed steps and quality of each row, and the register faults found."""
    values = {name: rows[name].to_numpy(dtype=np.float64) for name in registers.NAMES}
    steps = np.diff(positions, prepend=positions[0] - 1)
    changes = registers.find_scale_changes(values["import_start"], values["import_end"], values["export_end"], steps)
    scale = registers.multipliers(changes, len(rows))
    unit = registers.kwh_per_unit(values["import_end"] * scale, scale, steps * step / 60, limits)
    kwh = {name: value * scale * unit for name, value in values.items()}
    imported = registers.register_energy(kwh["import_start"], kwh["import_end"], steps - 1)
    exported = registers.register_energy(kwh["export_start"], kwh["export_end"], steps - 1)
    table = pd.DataFrame(
        {
            "energy": imported["energy"] - exported["energy"],
            "gap_energy": imported["gap_energy"] - exported["gap_energy"],
            "reset": imported["reset"] | exported["reset"],
            "missed": steps - 1,
        }
    )
    known = table["energy"].notna()
    rescaled = (scale != 1) | (np.r_[1.0, scale[:-1]] != 1)
    table["quality"] = np.select(
        [table["reset"] & known, table["reset"], ~known, rescaled],
        [CODES[r.EDITED_RESET], CODES[r.REJECTED_REGISTER], CODES[r.MISSING], CODES[r.EDITED_SCALE]],
        CODES[r.MEASURED],
    ).astype(np.int8)
    return table, _register_findings(raw, rows, changes, unit, limits, table["reset"].to_numpy())


def _register_findings(
    raw: RawMeter,
    rows: pd.DataFrame,
    changes: list[registers.ScaleChange],
    unit: float,
    limits: Limits,
    reset: q.Flags,
) -> list[Finding]:
    stamps = rows["timestamp_utc"].reset_index(drop=True)
    findings = [
        Finding(raw.meter_id, "scale_change", stamps[c.row], stamps[c.row], int(c.row), c.factor, c.evidence)
        for c in changes
    ]
    thousandfold = all(change.factor in (1000.0, 0.001) for change in changes)  # one side kWh, the other Wh
    if not thousandfold and not limits.known:
        evidence = "contracted power is not known: the shape is right, the level may be off by the factor"
        findings.append(
            Finding(raw.meter_id, "level_uncertain", stamps.iloc[0], stamps.iloc[-1], len(rows), np.nan, evidence)
        )
    for row in np.flatnonzero(reset):
        evidence = f"import register {rows['import_end'].iloc[row - 1]:.10g} → {rows['import_end'].iloc[row]:.10g}"
        findings.append(Finding(raw.meter_id, "reset", stamps[row], stamps[row], 1, np.nan, evidence))
    if unit != 1:
        evidence = f"in kWh the load would not suit the {limits.import_kw:g} kW that are possible"
        findings.append(
            Finding(raw.meter_id, "register_unit", stamps.iloc[0], stamps.iloc[-1], len(rows), unit, evidence)
        )
    return findings


def _gap_energy(table: pd.DataFrame, positions: npt.NDArray[np.int64], length: int) -> q.Floats:
    """The energy of each missing step by its gap's registers, the closing row's own step included."""
    result = np.full(length, np.nan)
    for row in np.flatnonzero(table["missed"] > 0):
        result[positions[row] - table["missed"][row] : positions[row] + 1] = table["gap_energy"][row]
    return result


def _reject_outliers(meter_id: str, series: _Series, limits: Limits, step: int) -> list[Finding]:
    findings = []
    for kind, energy, limit_kw in (
        ("outlier_high", series.energy_kwh, limits.import_kw),
        ("outlier_low", -series.energy_kwh, limits.export_kw),
    ):
        flags = q.flag_above_limit(energy, limit_kw, step, series.missed)
        largest = f"largest {energy[flags].max():.6g} kWh" if flags.any() else ""
        evidence = f"{largest} in {step} min; {limit_kw:g} kW allow {limit_kw * step / 60:g} kWh"
        findings += [Finding(meter_id, kind, *s, np.nan, evidence) for s in _spans(series.grid, flags, step)]
        series.quality[flags] = CODES[r.REJECTED_OUTLIER]
    series.energy_kwh[series.quality == CODES[r.REJECTED_OUTLIER]] = np.nan
    return findings


def _estimate(meter_id: str, series: _Series, limits: Limits, step: int, timezone: str) -> list[Finding]:
    missing = np.isnan(series.energy_kwh)
    local_hours = series.grid.tz_convert(timezone).hour.to_numpy().astype(np.int64)
    fill = fillable_gaps(missing, local_hours, step)
    by_register = series.gap_energy_kwh
    implausible = q.flag_above_limit(by_register, limits.import_kw, step, 0)
    implausible |= q.flag_above_limit(-by_register, limits.export_kw, step, 0)
    fill &= ~implausible
    if fill.any():
        series.energy_kwh = interpolate(series.energy_kwh, fill)
        spread = fill & ~np.isnan(by_register)
        series.energy_kwh[spread] = by_register[spread]
    series.quality[fill] = CODES[r.ESTIMATED_INTERPOLATED]
    return [
        Finding(meter_id, kind, *span, np.nan, evidence)
        for kind, flags, evidence in (
            ("gap_filled", fill, "estimated"),
            ("gap_left", missing & ~fill, "too long to estimate"),
        )
        for span in _spans(series.grid, flags, step)
    ]


def _spans(grid: pd.DatetimeIndex, flags: q.Flags, step: int) -> list[tuple[pd.Timestamp, pd.Timestamp, int]]:
    """From (inclusive), to (exclusive) and number of steps of each run of flagged steps."""
    lengths = q.gap_lengths(flags)
    starts = np.flatnonzero(flags & ~np.r_[False, flags[:-1]]).tolist()
    return [(grid[s], grid[s] + lengths[s] * pd.Timedelta(minutes=step), int(lengths[s])) for s in starts]
