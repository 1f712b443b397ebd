"""Validation, estimation and editing of one meter: from what a source read to Readings and findings.

Flags decide, estimation is bounded, and whatever was dropped, edited, rejected or estimated leaves a
finding with its evidence. See DESIGN.md, sections 5 and 6, for the rules and where they come from.
"""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd

from loadprofiles import quality as q
from loadprofiles import readings as r
from loadprofiles.checks import tell_suspicions
from loadprofiles.corrections import EXCLUDE, REJECT, RESTART, ROLLOVER, SCALE, ZERO, Correction
from loadprofiles.estimation import fillable_gaps, interpolate, like_day_averages
from loadprofiles.meters import Limits
from loadprofiles.register_series import series_of_registers
from loadprofiles.series import (
    CODES,
    CleanMeter,
    Finding,
    Meter,
    RawMeter,
    Series,
    on_grid,
    others_on_grid,
    regular_grid,
)

__all__ = ["CODES", "CleanMeter", "Finding", "RawMeter", "clean_meter", "empty_readings"]

MIN_ROWS = 2
"""Fewer rows have no interval."""


def clean_meter(
    raw: RawMeter,
    limits: Limits,
    timezone: str,
    now: pd.Timestamp,
    *,
    corrections: tuple[Correction, ...] = (),
    like_days: bool = False,
) -> CleanMeter:
    """Validate, estimate and edit one meter.

    Args:
        raw: What the source read.
        limits: Plausible power of the meter.
        timezone: IANA name; the night, in which longer gaps may be filled, is local.
        now: The moment of the run; no reading comes from after it.
        corrections: What a person knows about this meter; it overrules what is found.
        like_days: Fill longer gaps with averages of like days too.

    Returns:
        Readings from the first to the last usable row. A meter without two usable rows on a regular grid
        comes back with no readings and a finding that says so.
    """
    rows, dropped, findings = _drop_unusable(raw, now)
    step = q.infer_step_minutes(rows["timestamp_utc"]) if len(rows) >= MIN_ROWS else None
    if step is None:
        findings.append(_whole(raw, rows, "no_regular_interval", f"{len(rows)} usable rows"))
        return CleanMeter(raw.meter_id, None, empty_readings(), findings, raw.rows_read, dropped, list(corrections))
    rows, off_grid = _drop(raw, rows, q.flag_off_grid(rows["timestamp_utc"], step), "off_grid")
    dropped.update({f.kind: f.readings for f in off_grid})
    meter = Meter(raw.meter_id, step, limits, timezone, corrections)
    series = series_of_registers(meter, rows) if "import_end" in rows else _series_of_intervals(meter, rows)
    _reject_given(series)
    _spread_accumulated(series)
    _reject_outliers(series)
    tell_suspicions(series)
    _fill_zeros(series)
    _estimate(series, like_days=like_days)
    return CleanMeter(
        raw.meter_id,
        step,
        series.to_readings(),
        [*findings, *off_grid, *series.findings],
        raw.rows_read,
        dropped,
        [*corrections, *series.corrections],
    )


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
    checks: dict[str, Callable[[pd.DataFrame], q.Flags]] = {
        "implausible_year": lambda t: q.flag_implausible_year(t["timestamp_utc"], now),
        "duplicate": lambda t: q.flag_repeated(t, t["timestamp_utc"]),
        "conflicting_duplicate": lambda t: q.flag_superseded(t["timestamp_utc"]),
    }
    for kind, flag in checks.items():
        rows, found = _drop(raw, rows, flag(rows), kind)
        dropped.update({f.kind: f.readings for f in found})
        findings += found
    late = q.flag_out_of_order(rows["timestamp_utc"])
    if late.any():
        findings.append(_whole(raw, rows[late], "out_of_order", f"{late.sum()} rows of {raw.origin} came late; sorted"))
        rows = rows.sort_values("timestamp_utc", ignore_index=True)
    return rows, dropped, findings


def _drop(raw: RawMeter, rows: pd.DataFrame, flags: q.Flags, kind: str) -> tuple[pd.DataFrame, list[Finding]]:
    if not flags.any():
        return rows, []
    finding = _whole(raw, rows[flags], kind, f"{flags.sum()} of {raw.rows_read} rows of {raw.origin} dropped")
    return rows[~flags].reset_index(drop=True), [finding]


def _whole(raw: RawMeter, rows: pd.DataFrame, kind: str, evidence: str) -> Finding:
    stamps = rows["timestamp_utc"]
    return Finding(raw.meter_id, kind, stamps.min(), stamps.max(), len(rows), np.nan, evidence)


def _series_of_intervals(meter: Meter, rows: pd.DataFrame) -> Series:
    grid, positions = regular_grid(rows["timestamp_utc"], meter.step)
    energy = on_grid(rows["energy_kwh"].to_numpy(dtype=np.float64), positions, len(grid))
    missing = np.isnan(energy)
    series = Series(
        meter=meter,
        grid=grid,
        energy_kwh=energy.copy(),
        energy_raw=energy,
        quality=np.where(missing, CODES[r.MISSING], CODES[r.MEASURED]).astype(np.int8),
        gap_energy_kwh=np.full(len(grid), np.nan),
        missed=q.missed_before(missing),
        others=others_on_grid(rows, positions, len(grid)),
    )
    for given in meter.given:
        if given.rule == SCALE and given.factor != 1:
            scaled = given.covers(grid) & ~missing
            series.energy_kwh[scaled] *= given.factor
            series.quality[scaled] = CODES[r.EDITED_SCALE]
            series.note("corrected", scaled, f"corrections.csv: times {given.factor:g}, {given.reason}")
        if given.rule in (RESTART, ROLLOVER) and given.from_utc is not None:
            span = (given.from_utc, given.from_utc, 0)
            evidence = f"corrections.csv: {given.rule}, which energies of intervals do not have; not applied"
            series.findings.append(meter.finding("correction_unused", span, evidence))
    return series


def _reject_given(series: Series) -> None:
    """Reject the readings that a person says are wrong."""
    for given in series.meter.given:
        if given.rule in (REJECT, EXCLUDE):
            flags = given.covers(series.grid) & ~np.isnan(series.energy_kwh)
            series.reject(flags, r.REJECTED_OUTLIER)
            series.note("excluded", flags, f"corrections.csv: {given.reason}")


def _spread_accumulated(series: Series) -> None:
    """A reading that holds more than its own interval allows, but not more than the missed ones before it and it.

    Its energy is theirs too: it is spread over them where the gap is estimated, and not known where it is not.
    """
    limit_kw, step = series.meter.limits.import_kw, series.meter.step
    above, more = (q.flag_above_limit(series.energy_kwh, limit_kw, step, n) for n in (0, series.missed))
    flags = series.keep_measured(above & ~more)
    for end in np.flatnonzero(flags).tolist():
        missed = int(series.missed[end])
        series.gap_energy_kwh[end - missed : end + 1] = series.energy_kwh[end] / (missed + 1)
    series.reject(flags, r.MISSING)
    series.note("accumulated", flags, "more than its interval allows: it holds that of the missed ones before it too")


def _reject_outliers(series: Series) -> None:
    limits, step = series.meter.limits, series.meter.step
    low = "outlier_low" if limits.export_kw > 0 else "negative_without_production"
    for kind, energy, limit_kw in (
        ("outlier_high", series.energy_kwh, limits.import_kw),
        (low, -series.energy_kwh, limits.export_kw),
    ):
        flags = series.keep_measured(q.flag_above_limit(energy, limit_kw, step, series.missed))
        largest = f"largest {energy[flags].max():.6g} kWh" if flags.any() else ""
        evidence = f"{largest} in {step} min; {limit_kw:g} kW allow {limit_kw * step / 60:g} kWh"
        series.note(kind, flags, evidence)
        series.correct(REJECT, flags, kind)
        series.quality[flags] = CODES[r.REJECTED_OUTLIER]
    series.energy_kwh[series.quality == CODES[r.REJECTED_OUTLIER]] = np.nan


def _fill_zeros(series: Series) -> None:
    """What a person knows to be 0 though nobody measured it: a meter that is off by night, or by day."""
    flags = series.given(ZERO) & np.isnan(series.energy_kwh)
    series.energy_kwh[flags] = 0.0
    series.quality[flags] = CODES[r.ESTIMATED_NIGHT_ZERO]
    series.note("zero_filled", flags, "corrections.csv says that nothing flows then")


def _estimate(series: Series, *, like_days: bool) -> None:
    meter = series.meter
    missing = np.isnan(series.energy_kwh)
    fill = fillable_gaps(missing, series.local_hours, meter.step)
    by_register = series.gap_energy_kwh
    implausible = q.flag_above_limit(by_register, meter.limits.import_kw, meter.step, 0)
    implausible |= q.flag_above_limit(-by_register, meter.limits.export_kw, meter.step, 0)
    fill &= ~implausible
    spread = fill & ~np.isnan(by_register)
    if fill.any():
        series.energy_kwh = interpolate(series.energy_kwh, fill)
        series.energy_kwh[spread] = by_register[spread]
    series.quality[fill] = CODES[r.ESTIMATED_INTERPOLATED]
    series.note("gap_filled", spread, "what was counted meanwhile, spread evenly")
    series.note("gap_filled", fill & ~spread, "on the line between its neighbours")
    if like_days:
        _estimate_by_like_days(series)
    series.note("gap_left", np.isnan(series.energy_kwh), "too long to estimate")


def _estimate_by_like_days(series: Series) -> None:
    measured = np.where(series.quality == CODES[r.ESTIMATED_INTERPOLATED], np.nan, series.energy_kwh)
    local = series.grid.tz_convert(series.meter.timezone)
    estimate = like_day_averages(measured, local.day_of_week.to_numpy() * 1440 + series.local_minutes)
    fill = np.isnan(series.energy_kwh) & ~np.isnan(estimate)
    series.energy_kwh[fill] = estimate[fill]
    series.quality[fill] = CODES[r.ESTIMATED_LIKE_DAY]
    series.note("gap_filled", fill, "average of the same times on like days", 0.5)
