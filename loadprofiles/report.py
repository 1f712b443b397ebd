"""The VEE report: what was done to each meter's readings, and why, as one page and as a table.

The page is for whoever distrusts silent corrections: it needs no network and no library, opens with a
thousand meters, and is the same bytes for the same input. The table is for comparing runs. Both are cut from
the account of the ETL; `findings.csv` stays the full list, and the page says what it leaves to it.
"""

import base64
import hashlib
import heapq
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import jinja2
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.ticker import MaxNLocator

from loadprofiles import readings as r
from loadprofiles.step import VEE_REPORT
from loadprofiles.tables import atomic_path, write_table
from loadprofiles.vee import CleanMeter, Finding

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

HTML: Final = f"{VEE_REPORT}.html"
CSV: Final = f"{VEE_REPORT}.csv"

PLOT_POINTS: Final = 240
"""Points of a plotted series: about as many as a phone has pixels for it."""

PLOTS_DRAWN: Final = 400
FINDINGS_SHOWN: Final = 3_000
SECTIONS_SHOWN: Final = 1_000
"""What the page holds at most, over all meters, to stay below 5 MB; `findings.csv` has the rest."""

_FINDINGS_A_METER: Final = 25
_GAPS_A_METER: Final = 5
_EVIDENCE_LENGTH: Final = 240
UNSURE: Final = 0.8
"""Findings of a lower confidence are listed first, to be checked by a person."""

_UNSURE_SHOWN: Final = 10

DROPPED, EDITED, REJECTED, ESTIMATED, LEFT, FLAGGED = (
    "dropped",
    "edited",
    "rejected",
    "estimated",
    "left missing",
    "only flagged",
)


@dataclass(frozen=True)
class Kind:
    """A kind of finding in words.

    Attributes:
        words: Its name for a reader.
        done: What became of the readings, in one word.
        gravity: 0 to 9; what could spoil a whole series unnoticed is gravest.
        drawn: A plot around it tells something.
        meaning: One sentence: what it is and what was done.
    """

    words: str
    done: str
    gravity: int
    drawn: bool
    meaning: str


KINDS: Final = {
    "scale_change": Kind("change of scale", EDITED, 9, True,
        "The registers' unit or scale changed by the factor; what lies before and after it was brought to one scale."),
    "exchange": Kind("exchange of the meter", EDITED, 8, True,
        "Another meter began to count; its own start tells that interval's energy, without one it is rejected."),
    "register_unit": Kind("unit of the register", EDITED, 8, False,
        "In kWh the load would not suit the power that is possible; all readings were multiplied by the factor."),
    "level_uncertain": Kind("level uncertain", FLAGGED, 8, False,
        "More than one unit is possible and the likeliest was taken: the shape is right, the level may be off by a "
        "constant factor."),
    "identical_series": Kind("identical series", FLAGGED, 8, False,
        "Another meter has the same days: one of the two was probably delivered twice."),
    "register_decrease": Kind("falling register", REJECTED, 8, True,
        "A register that can only grow fell, and nothing else explains it; the reading is rejected."),
    "rollover": Kind("rollover", EDITED, 7, True,
        "The register passed its highest number and went on from zero; the difference is taken across it."),
    "reset": Kind("reset", EDITED, 7, True,
        "The register began again near zero; its own start tells that interval's energy, without one it is rejected."),
    "register_stuck": Kind("stuck register", REJECTED, 7, True,
        "The registers stood still at hours at which they never do, or until they counted all at once; rejected."),
    "unreadable_file": Kind("unreadable file", DROPPED, 7, False,
        "The file could not be read; the meter has no readings from it."),
    "no_regular_interval": Kind("no regular interval", DROPPED, 7, False,
        "Fewer than two usable rows, or no interval that divides a day; the meter has no readings."),
    "interval": Kind("another interval", DROPPED, 7, False,
        "The stamps show no regular interval, or another one than the layout says; the meter's rows are dropped."),
    "excluded": Kind("excluded", REJECTED, 6, False,
        "The list of corrections takes these readings out."),
    "corrected": Kind("corrected by hand", EDITED, 6, True,
        "The list of corrections gives the scale of these readings; they were multiplied by it."),
    "register_excursion": Kind("register excursion", REJECTED, 6, True,
        "The register left its course and came back; the values between are rejected."),
    "negative_without_production": Kind("export without production", REJECTED, 6, True,
        "Negative energy at a meter that has no production; rejected, and estimated where it is few readings in a "
        "row."),
    "production_at_night": Kind("production at night", FLAGGED, 6, True,
        "Export around midnight and next to none around noon: the clock or the time zone is wrong; nothing was "
        "changed."),
    "correction_unused": Kind("correction without effect", FLAGGED, 6, False,
        "The list of corrections has a rule for registers, and the source has energies of intervals."),
    "negative_energy": Kind("negative energy", FLAGGED, 6, True,
        "Days that export by night too, when no sun shines: the directions may have been exchanged."),
    "accumulated": Kind("accumulated energy", ESTIMATED, 5, True,
        "A reading after a gap that holds the gap's energy too; spread over it where the gap is short, else left out."),
    "outlier_high": Kind("above contracted power", REJECTED, 5, True,
        "More energy than contracted power, or 200 kW where it is unknown, allows; rejected, and estimated where it "
        "is few readings in a row."),
    "outlier_low": Kind("below possible export", REJECTED, 5, True,
        "More export than the production, or 200 kW where it is unknown, allows; rejected, and estimated where it is "
        "few readings in a row."),
    "spike": Kind("spike", FLAGGED, 5, True,
        "One reading far above the other peaks of its day and of the weeks around it; nothing was changed."),
    "flat_line": Kind("flat line", FLAGGED, 4, True,
        "The same energy in each interval for hours, as this meter does not repeat it at other times; nothing was "
        "changed."),
    "zeros": Kind("long zeros", FLAGGED, 4, True,
        "No energy for hours at which the meter always uses something, or for days on end; nothing was changed."),
    "conflicting_duplicate": Kind("conflicting duplicate", DROPPED, 3, False,
        "Rows of one stamp with different values; the last in the file counts."),
    "implausible_year": Kind("implausible year", DROPPED, 2, False,
        "Stamps before 2000 or in the future; the rows are dropped."),
    "off_grid": Kind("off the grid", DROPPED, 2, False,
        "Stamps beside the regular interval; the rows are dropped."),
    "unreadable": Kind("unreadable", DROPPED, 2, False,
        "Rows without a stamp or a number that is needed; dropped."),
    "ragged": Kind("ragged", DROPPED, 2, False,
        "Lines that are no row: too few or too many cells, or a quotation mark alone; dropped."),
    "broken": Kind("broken document", DROPPED, 2, False,
        "What stands in a dump and is no document; dropped, and told at the dump's first meter."),
    "without_id": Kind("document without an id", DROPPED, 2, False,
        "Documents that name no meter; dropped, and told at the dump's first meter."),
    "no_meter_id": Kind("row without a meter", DROPPED, 2, False,
        "Rows that name no meter; dropped, and told at one of the source's meters."),
    "other_meter": Kind("another meter's row", DROPPED, 2, False,
        "Rows of another meter in this meter's file; dropped."),
    "unpaired": Kind("import or export alone", DROPPED, 2, False,
        "Stamps with import or export alone at a meter that has both: their net energy is not known; dropped."),
    "out_of_order": Kind("out of order", FLAGGED, 1, False,
        "Rows that were not in the order of time; sorted."),
    "duplicate": Kind("duplicate", DROPPED, 1, False,
        "Rows that a later one repeats; dropped."),
    "other_tag": Kind("another tag's row", DROPPED, 1, False,
        "Rows of tags that are not the meter's energy; dropped."),
    "other_quantity": Kind("another quantity", DROPPED, 1, False,
        "Documents of other quantities than net active energy; dropped."),
    "gap_left": Kind("gap left", LEFT, 1, False,
        "Missing readings that are too many in a row to estimate."),
    "zero_filled": Kind("zero by hand", ESTIMATED, 1, False,
        "The list of corrections says that nothing flows then; what was missing is 0."),
    "gap_filled": Kind("gap filled", ESTIMATED, 0, False,
        "Missing readings estimated from the register, from their neighbours or, where asked for, from like days."),
}  # fmt: skip
"""Every kind the project knows; `kind_of` makes do with others."""

_GAPS: Final = ("gap_filled", "gap_left")

_GROUPS: Final = ("measured", "edited", "estimated", "rejected", "missing")
"""What a plot tells apart; where readings share a pixel, the later in this list shows."""

_GROUP_OF: Final = {name: _GROUPS.index(name.partition("_")[0]) for name in r.QUALITY}

_GROUP_CODES: Final = np.array(list(_GROUP_OF.values()), dtype=np.int8)

_QUALITY_WORDS: Final = {
    r.MEASURED: "measured",
    r.EDITED_SCALE: "edited: scale",
    r.EDITED_RESET: "edited: reset",
    r.ESTIMATED_INTERPOLATED: "estimated: interpolated",
    r.ESTIMATED_NIGHT_ZERO: "estimated: zero at night",
    "estimated_like_day": "estimated: like other days",
    r.REJECTED_OUTLIER: "rejected: outlier",
    r.REJECTED_REGISTER: "rejected: register fault",
    r.MISSING: "missing",
}

_LOST_WORDS: Final = {
    "incomplete": "incomplete: a reading of the day is missing or rejected",
    "dst_day": "the clocks changed: 23 or 25 hours fit no profile",
}


def kind_of(name: str, dropped: Iterable[str] = ()) -> Kind:
    """The kind in words; one that is not known is told by its name, and is a drop if it is among `dropped`."""
    if name in KINDS:
        return KINDS[name]
    words = name.replace("_", " ")
    if name in dropped:
        return Kind(words, DROPPED, 2, False, "Rows that the reader could not use; dropped.")
    return Kind(words, FLAGGED, 5, True, "See the evidence of each.")


# --- the table


def report_table(meters: pd.DataFrame, findings: pd.DataFrame) -> pd.DataFrame:
    """One row a meter: what became of its rows, readings and days, and what was found.

    Args:
        meters: The ETL's account, as in `meters.csv`.
        findings: One row a finding, with the fields of `Finding`, as in `findings.csv`.

    Returns:
        By `meter_id`: `step_minutes`, `rows_read`, `rows_dropped`, `readings`, `share_<quality>_percent`
        of each quality, `days`, `days_profile`, `lost_<reason>` in days, `findings`, `findings_<kind>` of
        each kind that occurs, `gap_readings_filled` and `gap_readings_left`, `longest_gap_hours` of the gaps
        left, and `lowest_confidence`, empty without findings. A meter that only has findings is there too.
    """
    known = meters.set_index("meter_id").sort_index()
    only_found = sorted(set(findings["meter_id"]) - set(known.index))
    known = known.reindex([*known.index, *only_found])
    table = pd.DataFrame(index=pd.Index(known.index, name="meter_id"))
    if "sector" in known:
        table["sector"] = known["sector"]
    table["step_minutes"] = known["step_minutes"].astype("Int64")
    for name in ("rows_read", "rows_dropped", "readings"):
        table[name] = _count(known, name)
    for quality in r.QUALITY:
        share = 100 * _count(known, f"readings_{quality}") / table["readings"].where(table["readings"] > 0)
        table[f"share_{quality}_percent"] = share.round(4)
    table["days"] = _count(known, "days")
    table["days_profile"] = _count(known, "days_profile")
    for reason in _lost_reasons(known):
        table[f"lost_{reason}"] = _count(known, f"days_{reason}")
    return table.join(_finding_counts(findings, table.index)).reset_index()


def _count(meters: pd.DataFrame, name: str) -> pd.Series:
    """A column of counts; one that no meter has is 0."""
    counts = meters[name] if name in meters else pd.Series(0, index=meters.index)
    return counts.fillna(0).astype("int64")


def _lost_reasons(meters: pd.DataFrame) -> list[str]:
    outcomes = {str(c).removeprefix("days_") for c in meters.columns if str(c).startswith("days_")}
    return sorted({*_LOST_WORDS, *outcomes} - {"profile"})


def _finding_counts(findings: pd.DataFrame, meter_ids: pd.Index) -> pd.DataFrame:
    by_meter = findings.groupby("meter_id")
    kinds = pd.crosstab(findings["meter_id"], findings["kind"]) if len(findings) else pd.DataFrame()
    counts = {"findings": by_meter.size(), **{f"findings_{kind}": kinds[kind] for kind in sorted(kinds.columns)}}
    for kind in _GAPS:
        gaps = findings[findings["kind"] == kind].groupby("meter_id")
        counts[f"gap_readings_{kind.removeprefix('gap_')}"] = gaps["readings"].sum()
    table = pd.DataFrame({k: v.reindex(meter_ids) for k, v in counts.items()}, index=meter_ids)
    table = table.fillna(0).astype("int64")
    left = findings[findings["kind"] == "gap_left"]
    length = _utc(left["to_utc"]) - _utc(left["from_utc"])
    hours = length.dt.total_seconds().div(3600).groupby(left["meter_id"]).max()
    table["longest_gap_hours"] = hours.reindex(meter_ids).fillna(0.0).round(4)
    table["lowest_confidence"] = by_meter["confidence"].min().reindex(meter_ids).astype(float).round(4)
    return table


def _utc(stamps: pd.Series) -> pd.Series:
    """Stamps as such, whether they come from a run or from its CSV file."""
    return pd.to_datetime(stamps, utc=True, format="ISO8601")


# --- plots of faults, cut from a meter while it is in memory


@dataclass(frozen=True, eq=False)
class Trace:
    """A thinned series: minutes since the plot's start, energy, and the quality group of each."""

    minutes: npt.NDArray[np.int32]
    energy: npt.NDArray[np.float32]
    group: npt.NDArray[np.int8]


@dataclass(frozen=True, eq=False)
class FaultPlot:
    """The readings around a fault, before and after VEE; small enough to hand between processes.

    Attributes:
        meter_id: Whose.
        kind: Of the finding that is drawn.
        from_utc: Its begin.
        to_utc: Its end, exclusive; equal to the begin for a moment.
        readings: How many readings it concerns.
        factor: Of the finding, NaN where it has none.
        confidence: Of the finding, 0 to 1.
        step_minutes: The interval.
        start_utc: Where the plot begins.
        minutes: How much time it shows.
        raw: Energy of each reading as the source said, in its unit; of registers the difference.
        clean: Energy in kWh; NaN where it is not known.
        marks: From and to, in minutes since the start, and quality group of each stretch not as measured.
    """

    meter_id: str
    kind: str
    from_utc: pd.Timestamp
    to_utc: pd.Timestamp
    readings: int
    factor: float
    confidence: float
    step_minutes: int
    start_utc: pd.Timestamp
    minutes: int
    raw: Trace
    clean: Trace
    marks: tuple[tuple[int, int, int], ...]


_WINDOW_READINGS: Final = PLOT_POINTS // 2
_SHORTEST_PAD: Final = pd.Timedelta(days=1)
_LONGEST_PAD: Final = pd.Timedelta(days=7)
_LONGEST_STRETCH: Final = pd.Timedelta(days=28)


def fault_plots(clean: CleanMeter, most: int = 6) -> list[FaultPlot]:
    """The readings around the gravest findings of a meter.

    A finding that a graver one's plot shows has none of its own. Of a stretch longer than four weeks the
    begin is shown.

    Args:
        clean: The meter, as VEE left it.
        most: Plots at most.
    """
    if clean.step_minutes is None or clean.readings.empty:
        return []
    findings = [f for f in clean.findings if kind_of(f.kind, clean.dropped).drawn and not pd.isna(f.from_utc)]
    findings.sort(key=lambda f: _gravity(f.kind, f.confidence, f.readings, f.from_utc))
    step = pd.Timedelta(minutes=clean.step_minutes)
    stamps = pd.DatetimeIndex(clean.readings["timestamp_utc"])
    plots: list[FaultPlot] = []
    shown: list[tuple[pd.Timestamp, pd.Timestamp]] = []
    for finding in findings:
        if len(plots) == most:
            break
        if any(start < finding.from_utc and finding.to_utc < end for start, end in shown):
            continue
        start, end = _window(finding, step)
        first, last = stamps.searchsorted(start), stamps.searchsorted(end)
        if first < last:
            plots.append(_cut(finding, clean.readings.iloc[first:last], clean.step_minutes))
            shown.append((start, end))
    return plots


def _gravity(kind: str, confidence: float, readings: int, moment: pd.Timestamp) -> tuple[float, ...]:
    """A key that sorts the gravest first: by kind, then what is least sure, then what concerns most."""
    return (-kind_of(kind).gravity, confidence, -readings, moment.timestamp())


def gravest(plots: Iterable[FaultPlot], most: int) -> list[FaultPlot]:
    """The plots of the gravest findings, at most so many, the gravest first; their order before does not matter."""
    return heapq.nsmallest(
        most, plots, key=lambda p: (*_gravity(p.kind, p.confidence, p.readings, p.from_utc), p.meter_id)
    )


def _window(finding: Finding, step: pd.Timedelta) -> tuple[pd.Timestamp, pd.Timestamp]:
    pad = min(max(_WINDOW_READINGS * step, _SHORTEST_PAD), _LONGEST_PAD)
    end = min(finding.to_utc, finding.from_utc + _LONGEST_STRETCH)
    return finding.from_utc - pad, max(end, finding.from_utc) + pad


def _cut(finding: Finding, rows: pd.DataFrame, step_minutes: int) -> FaultPlot:
    start = rows["timestamp_utc"].iloc[0]
    minutes = ((rows["timestamp_utc"] - start) // pd.Timedelta(minutes=1)).to_numpy(dtype=np.int64)
    codes = _GROUP_CODES[rows["quality"].cat.codes.to_numpy()]
    traces = []
    for name in ("energy_kwh_raw", "energy_kwh"):
        values = rows[name].to_numpy(dtype=np.float64)
        kept = thin(values, PLOT_POINTS)
        traces.append(Trace(minutes[kept].astype(np.int32), values[kept].astype(np.float32), codes[kept]))
    return FaultPlot(
        meter_id=finding.meter_id,
        kind=finding.kind,
        from_utc=finding.from_utc,
        to_utc=finding.to_utc,
        readings=finding.readings,
        factor=finding.factor,
        confidence=finding.confidence,
        step_minutes=step_minutes,
        start_utc=start,
        minutes=int(minutes[-1]) + step_minutes,
        raw=traces[0],
        clean=traces[1],
        marks=_marks(codes, minutes, step_minutes),
    )


def thin(values: Floats, most: int) -> Ints:
    """Positions of at most `most` values, in order, that keep the extremes and the holes.

    Of each of `most / 3` equal stretches the lowest, the highest and the first NaN are kept, so that no spike
    is lost and no line is drawn across a hole.

    Args:
        values: Shape (n,), NaN for holes.
        most: At least 3.
    """
    count = len(values)
    if count <= most:
        return np.arange(count)
    width = -(-count // (most // 3))
    padded = np.full(-(-count // width) * width, np.nan)
    padded[:count] = values
    blocks = padded.reshape(-1, width)
    hole = np.isnan(blocks)
    hole.ravel()[count:] = False
    finite = ~np.isnan(blocks)
    begins = np.arange(len(blocks)) * width
    lowest = begins + np.where(finite, blocks, np.inf).argmin(axis=1)
    highest = begins + np.where(finite, blocks, -np.inf).argmax(axis=1)
    known = finite.any(axis=1)
    holes = (begins + hole.argmax(axis=1))[hole.any(axis=1)]
    return np.unique(np.concatenate([lowest[known], highest[known], holes]))


def _marks(codes: npt.NDArray[np.int8], minutes: Ints, step_minutes: int) -> tuple[tuple[int, int, int], ...]:
    """Stretches that are not as measured; where they are finer than a pixel, the worst of each pixel."""
    width = -(-len(codes) // PLOT_POINTS)
    padded = np.zeros(-(-len(codes) // width) * width, dtype=np.int64)
    padded[: len(codes)] = codes
    worst = padded.reshape(-1, width).max(axis=1)
    starts = np.flatnonzero(np.diff(worst, prepend=-1))
    ends = np.r_[starts[1:], len(worst)] * width
    last = len(codes) - 1
    return tuple(
        (int(minutes[start]), int(minutes[min(end - 1, last)]) + step_minutes, int(worst[start // width]))
        for start, end in zip(starts * width, ends, strict=True)
        if worst[start // width]
    )


# --- plots as SVG; a unit is half a pixel of a plot that is 320 pixels wide

_LEFT, _RIGHT = 96, 632
_PANELS: Final = {"raw": (36, 172), "clean": (222, 358)}
_LOG_FROM: Final = 100.0
_MOST_DATES: Final = 5
_THINNEST_MARK: Final = 4
_LINE_HEIGHT: Final = 26


@dataclass(frozen=True)
class _Axis:
    """A vertical axis from `low` to `high`; with a `threshold`, logarithmic beyond it on both sides of 0."""

    low: float
    high: float
    threshold: float | None

    def rise(self, values: Floats) -> Floats:
        """Where values lie, 0 at the foot and 1 at the top."""
        low, high, position = (self._bent(np.asarray(v, dtype=np.float64)) for v in (self.low, self.high, values))
        return np.asarray((position - low) / (high - low), dtype=np.float64)

    def _bent(self, values: Floats) -> Floats:
        if self.threshold is None:
            return values
        return np.sign(values) * np.log10(1 + np.abs(values) / self.threshold)

    def ticks(self) -> list[float]:
        """A few values to label, the outer ones first."""
        if self.threshold is None:
            # two intervals at most: three labels are all that a small panel bears
            found = MaxNLocator(nbins=2, steps=[1, 2, 5, 10]).tick_values(self.low, self.high)
            return [float(v) for v in found if self.low <= v <= self.high]
        first = int(np.log10(self.threshold))
        last = int(np.log10(max(abs(self.low), abs(self.high))))
        powers = [10.0**p for p in range(last, first, -max(2, (last - first) // 2))]
        return [v for v in (powers[0], -powers[0], 0.0, *powers[1:]) if self.low <= v <= self.high]


def _axis_of(values: Floats, beside: Floats | None = None) -> _Axis:
    """The axis of `values`; logarithmic only if they span far more than the ones `beside` them do."""
    known = values[np.isfinite(values)]
    low, high = (min(0.0, known.min()), max(0.0, known.max())) if len(known) else (0.0, 1.0)
    if low == high:
        high = 1.0
    usual, span = _span(values)
    bent = beside is not None and span > _LOG_FROM and span > 2 * _span(beside)[1]
    return _Axis(float(low), float(high), 10.0 ** np.floor(np.log10(usual)) if bent else None)


def _span(values: Floats) -> tuple[float, float]:
    """A low size that is usual, and how many times larger the largest is; zeros do not count."""
    sizes = np.abs(values[np.isfinite(values) & (values != 0)])
    if not len(sizes):
        return 1.0, 1.0
    usual = float(np.quantile(sizes, 0.1))
    return usual, float(sizes.max()) / usual


@dataclass(frozen=True)
class _Panel:
    """What the template draws of a panel; places are integers."""

    name: str
    top: int
    foot: int
    zero: int
    log: bool
    ticks: list[tuple[int, str]]
    lines: list[tuple[str, str]]  # quality group and path


@dataclass(frozen=True)
class _Picture:
    """What the template draws of a plot."""

    plot: FaultPlot
    kind: Kind
    title: "_When"
    factor: str
    label: str
    year: str
    dates: list[tuple[int, str]]
    marks: list[tuple[str, int, int]]
    fault: tuple[int, int]
    panels: list[_Panel]
    groups: list[str]
    also: str


def _x(minutes: npt.ArrayLike, plot: FaultPlot) -> Ints:
    share = np.asarray(minutes, dtype=np.float64) / plot.minutes
    return np.rint(_LEFT + np.clip(share, 0, 1) * (_RIGHT - _LEFT)).astype(np.int64)


def _panel(plot: FaultPlot, name: str, trace: Trace) -> _Panel:
    top, foot = _PANELS[name]
    values = trace.energy.astype(np.float64)
    axis = _axis_of(values, plot.clean.energy.astype(np.float64) if name == "raw" else None)
    known = np.isfinite(values)
    x = _x(trace.minutes + plot.step_minutes / 2, plot)
    y = np.rint(foot - axis.rise(np.where(known, values, 0.0)) * (foot - top)).astype(np.int64)
    group = trace.group if name == "clean" else np.zeros(len(x), dtype=np.int8)
    joined = known[1:] & known[:-1]
    of_segment = np.maximum(group[1:], group[:-1])
    alone = known & ~np.r_[False, joined] & ~np.r_[joined, False]
    lines = []
    for code in np.unique(group[known]).tolist():
        path = _path(x, y, joined & (of_segment == code), alone & (group == code))
        if path:
            lines.append((_GROUPS[code] if name == "clean" else "raw", path))
    ticks = [*axis.ticks(), 0.0]
    places = np.rint(foot - axis.rise(np.array(ticks)) * (foot - top)).astype(np.int64).tolist()
    return _Panel(
        name=name,
        top=top,
        foot=foot,
        zero=places[-1],
        log=axis.threshold is not None,
        ticks=_apart(places[:-1], [_short(tick) for tick in ticks]),
        lines=lines,
    )


def _apart(places: list[int], labels: list[str]) -> list[tuple[int, str]]:
    """Labels that stand clear of those before them."""
    kept: list[tuple[int, str]] = []
    for place, label in zip(places, labels, strict=False):
        if all(abs(place - other) >= _LINE_HEIGHT for other, _ in kept):
            kept.append((place, label))
    return kept


def _path(x: Ints, y: Ints, joined: Flags, alone: Flags) -> str:
    """An SVG path through the joined pairs of neighbours, and a dot for each point alone."""
    starts = np.flatnonzero(joined & ~np.r_[False, joined[:-1]]).tolist()
    ends = np.flatnonzero(joined & ~np.r_[joined[1:], False]).tolist()
    dx, dy = np.diff(x).tolist(), np.diff(y).tolist()
    parts = []
    for start, end in zip(starts, ends, strict=True):
        steps = " ".join(f"{dx[i]}{dy[i]:+d}" for i in range(start, end + 1))
        parts.append(f"M{x[start]} {y[start]}l{steps}")
    return "".join([*parts, *(f"M{x[i]} {y[i]}h0" for i in np.flatnonzero(alone))])


def _short(value: float) -> str:
    """A tick's label of at most some seven characters."""
    size = abs(value)
    if size == 0 or 0.001 <= size < 100_000:
        text = f"{value:,.4g}" if size < 10_000 else f"{value:,.0f}"
    else:
        power = math.floor(math.log10(size) + 1e-9)
        factor = f"{value / 10.0**power:.3g}"
        times = {"1": "", "-1": "-"}.get(factor, f"{factor}·")
        text = f"{times}10{str(power).translate(_SUPERSCRIPT)}"
    return text.replace("-", "−")


_SUPERSCRIPT: Final = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def _dates(plot: FaultPlot, timezone: str) -> tuple[str, list[tuple[int, str]]]:
    """The year at the left end, and places and labels of local midnights."""
    local = plot.start_utc.tz_convert(timezone).tz_localize(None).normalize()
    days = pd.date_range(local, periods=plot.minutes // 1440 + 3, freq="D")
    # where midnight comes twice, the day starts at the first; where it is skipped, just after
    midnights = days.tz_localize(timezone, ambiguous=np.ones(len(days), dtype=np.bool_), nonexistent="shift_forward")
    minutes = ((midnights - plot.start_utc) // pd.Timedelta(minutes=1)).to_numpy(dtype=np.int64)
    inside = np.flatnonzero((minutes >= 0) & (minutes <= plot.minutes))
    every = max(1, -(-len(inside) // _MOST_DATES))
    inside = inside[::every]
    labels = days[inside].strftime("%m-%d")
    return str(local.year), list(zip(_x(minutes[inside], plot).tolist(), labels, strict=True))


def _picture(plot: FaultPlot, timezone: str, also: str) -> _Picture:
    kind = kind_of(plot.kind)
    begin, end = (
        int(_x((moment - plot.start_utc) / pd.Timedelta(minutes=1), plot)) for moment in (plot.from_utc, plot.to_utc)
    )
    marks = [
        (_GROUPS[group], int(a), max(int(b - a), _THINNEST_MARK))
        for (start, stop, group) in plot.marks
        for a, b in [_x([start, stop], plot)]
    ]
    year, dates = _dates(plot, timezone)
    panels = [_panel(plot, "raw", plot.raw), _panel(plot, "clean", plot.clean)]
    drawn = {name for name, _ in panels[1].lines} | {name for name, *_ in marks}
    title = _When.of(plot.from_utc, timezone)
    return _Picture(
        plot=plot,
        kind=kind,
        title=title,
        factor=_factor(plot.factor),
        label=f"{kind.words} at {title.local}: readings before and after",
        year=year,
        dates=dates,
        marks=marks,
        fault=(begin, max(end - begin, 0)),
        panels=panels,
        groups=[name for name in _GROUPS if name in drawn],
        also=also,
    )


# --- words and numbers


@dataclass(frozen=True)
class _When:
    """A moment: local for the reader, UTC for the machine and the tooltip."""

    local: str
    utc: str

    @classmethod
    def of(cls, moment: Any, timezone: str) -> "_When":
        if moment is pd.NaT:  # of a finding that no row stands for
            return cls("", "")
        return cls(moment.tz_convert(timezone).strftime("%Y-%m-%d %H:%M"), moment.strftime("%Y-%m-%dT%H:%MZ"))


def _factor(factor: float) -> str:
    """`×1,000`, or `÷60,000` where the inverse is the rounder number."""
    if math.isnan(factor) or factor == 0:
        return ""
    inverse = 1 / factor
    if abs(factor) < 1 and abs(inverse - round(inverse)) < 1e-6 * abs(inverse):
        return f"÷{inverse:,.0f}"
    return f"×{factor:,.0f}" if factor == round(factor) else f"×{factor:,.4g}"


def _percent(share: float) -> str:
    """With one decimal; what is not nothing is never shown as nothing, nor what is not all as all."""
    if math.isnan(share):
        return "–"
    if 0 < share < 0.05:
        return "< 0.1"
    if 99.95 <= share < 100:
        return "> 99.9"
    return "0" if share == 0 else "100" if share == 100 else f"{share:.1f}"


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def _decimal(value: float, digits: int = 2) -> str:
    return "–" if math.isnan(value) else f"{value:.{digits}f}"


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _cut_text(text: str) -> str:
    return text if len(text) <= _EVIDENCE_LENGTH else f"{text[:_EVIDENCE_LENGTH]} …"


# --- the page


def write_report(
    meters: pd.DataFrame,
    findings: pd.DataFrame,
    plots: list[FaultPlot],
    folder: Path,
    *,
    source: str,
    notes: list[str],
    timezone: str,
) -> list[Path]:
    """Write `vee_report.html` and `vee_report.csv`, each whole or not at all.

    Args:
        meters: The ETL's account, as in `meters.csv`.
        findings: One row a finding, as in `findings.csv`.
        plots: Of all meters, in any order; the gravest PLOTS_DRAWN are drawn.
        folder: Where the files go.
        source: Name of the source.
        notes: The step's own notes.
        timezone: IANA name; the page's times are local.
    """
    table = report_table(meters, findings)
    page = _Page(meters, findings, plots, table, timezone).context()
    with atomic_path(folder / HTML) as temporary:
        temporary.write_text(_render(page | {"source": source, "notes": notes, "timezone": timezone}), encoding="utf-8")
    return [folder / HTML, write_table(table, folder / CSV)]


def _render(context: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"n": "{:,.0f}".format, "s": _plural, "percent": _percent, "decimal": _decimal}
    text = environment.get_template(f"{HTML}.j2").render(context).lstrip()
    return text.replace("sha256-script", f"sha256-{_script_digest(text)}", 1)


def _script_digest(page: str) -> str:
    """The page's policy allows its own script and no other, should text ever get out of its quotes."""
    own = re.search(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    script = own.group(1) if own else ""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


@dataclass(frozen=True)
class _Part:
    """A part of a whole, for a stacked bar and its legend."""

    words: str
    group: str
    count: int
    percent: float


@dataclass(frozen=True)
class _Found:
    """A finding as a row of the page."""

    kind: Kind
    begin: _When
    end: _When
    readings: int
    factor: str
    evidence: str
    confidence: float
    meter_id: str
    anchor: str


@dataclass(frozen=True)
class _Section:
    """A meter that has something to tell."""

    anchor: str
    row: dict[str, Any]
    summary: str
    findings: list[_Found]
    more: int
    pictures: list[_Picture]


class _Page:
    """What the template needs, prepared: meters in the order of gravity, and no more than the page can hold."""

    def __init__(
        self,
        meters: pd.DataFrame,
        findings: pd.DataFrame,
        plots: list[FaultPlot],
        table: pd.DataFrame,
        timezone: str,
    ) -> None:
        self._timezone = timezone
        self._dropped = frozenset(
            str(c).removeprefix("dropped_") for c in meters.columns if str(c).startswith("dropped_")
        )
        self._meters = meters
        self._findings = self._in_order(findings)
        self._table = self._by_gravity(table)
        listed = self._table[self._table["findings"] > 0]
        self._anchors = {name: f"m{i}" for i, name in enumerate(listed["meter_id"].head(SECTIONS_SHOWN), start=1)}
        self._plots = plots
        self._drawn = gravest([plot for plot in plots if plot.meter_id in self._anchors], PLOTS_DRAWN)

    def context(self) -> dict[str, Any]:
        """The variables of the template."""
        table = self._table
        rows = [self._row(row) for row in _records(table[table["findings"] > 0])]
        return {
            "rows": rows,
            "quiet": table.loc[table["findings"] == 0, "meter_id"].tolist(),
            "totals": {name: int(table[name].sum()) for name in ("rows_read", "rows_dropped", "readings", "days")},
            "meters": len(table),
            "dropped": [(name, count) for name, count in self._totals("dropped_") if count],
            "qualities": self._qualities(),
            "days": self._days(),
            "kinds": self._kinds(),
            "unsure": self._unsure(),
            "unsure_count": int((self._findings["confidence"] < UNSURE).sum()),
            "unsure_below": UNSURE,
            "sections": list(self._sections(rows)),
            "sections_left": len(rows) - len(self._anchors),
            "plots": len(self._plots),
            "plots_drawn": len(self._drawn),
            "findings_total": len(self._findings),
            "groups": _GROUPS,
            "panel_left": _LEFT,
            "panel_right": _RIGHT,
        }

    def _in_order(self, findings: pd.DataFrame) -> pd.DataFrame:
        table = findings.assign(from_utc=_utc(findings["from_utc"]), to_utc=_utc(findings["to_utc"]))
        table["gravity"] = [kind_of(kind, self._dropped).gravity for kind in table["kind"]]
        table["gravity"] = table["gravity"].astype("int64")
        keys = ["meter_id", "gravity", "confidence", "readings", "from_utc", "kind"]
        return table.sort_values(keys, ascending=[True, False, True, False, True, True], ignore_index=True)

    def _by_gravity(self, table: pd.DataFrame) -> pd.DataFrame:
        gravest = self._findings.groupby("meter_id")["gravity"].max()
        lost = table["days"] - table["days_profile"]
        faults = table["findings"] - sum(table.get(f"findings_{kind}", 0) for kind in _GAPS)
        ranked = table.assign(gravity=table["meter_id"].map(gravest).fillna(-1), lost=lost, faults=faults)
        keys = ["gravity", "faults", "lost", "meter_id"]
        return ranked.sort_values(keys, ascending=[False, False, False, True], ignore_index=True)

    def _row(self, row: dict[str, Any]) -> dict[str, Any]:
        shares = dict.fromkeys(_GROUPS, 0.0)
        for quality, group in _GROUP_OF.items():
            shares[_GROUPS[group]] += row[f"share_{quality}_percent"]
        return row | shares | {"anchor": self._anchors.get(row["meter_id"], "")}

    def _totals(self, prefix: str) -> list[tuple[str, int]]:
        names = [str(c) for c in self._meters.columns if str(c).startswith(prefix)]
        return [(name.removeprefix(prefix), int(self._meters[name].sum())) for name in names]

    def _qualities(self) -> list[_Part]:
        counts = dict(self._totals("readings_"))
        whole = sum(counts.values())
        return [
            _Part(
                _QUALITY_WORDS.get(name, name.replace("_", " ")),
                _GROUPS[_GROUP_OF[name]],
                counts[name],
                100 * counts[name] / whole,
            )
            for name in r.QUALITY
            if counts.get(name)
        ]

    def _days(self) -> list[_Part]:
        counts = dict(self._totals("days_"))
        whole = sum(counts.values())
        groups = {"profile": "measured", "incomplete": "rejected"}
        words = {"profile": "kept as profiles"} | _LOST_WORDS
        ordered = sorted(counts, key=lambda name: (name != "profile", -counts[name], name))
        return [
            _Part(
                words.get(name, name.replace("_", " ")),
                groups.get(name, "missing"),
                counts[name],
                100 * counts[name] / whole,
            )
            for name in ordered
            if counts[name]
        ]

    def _kinds(self) -> list[tuple[Kind, int, int, int]]:
        """Each kind with its findings, meters and readings, the gravest first."""
        grouped = self._findings.groupby("kind").agg(
            findings=("kind", "size"), meters=("meter_id", "nunique"), readings=("readings", "sum")
        )
        counts = [
            (kind_of(row["kind"], self._dropped), row["findings"], row["meters"], row["readings"])
            for row in _records(grouped.reset_index())
        ]
        return sorted(counts, key=lambda entry: (-entry[0].gravity, -entry[1], entry[0].words))

    def _found(self, rows: list[dict[str, Any]]) -> list[_Found]:
        return [
            _Found(
                kind=kind_of(row["kind"], self._dropped),
                begin=_When.of(row["from_utc"], self._timezone),
                end=_When.of(row["to_utc"], self._timezone),
                readings=row["readings"],
                factor=_factor(row["factor"]),
                evidence=_cut_text(row["evidence"]),
                confidence=row["confidence"],
                meter_id=row["meter_id"],
                anchor=self._anchors.get(row["meter_id"], ""),
            )
            for row in rows
        ]

    def _unsure(self) -> list[_Found]:
        unsure = self._findings[self._findings["confidence"] < UNSURE]
        keys = ["gravity", "confidence", "meter_id", "from_utc"]
        ordered = unsure.sort_values(keys, ascending=[False, True, True, True])
        return self._found(_records(ordered.head(_UNSURE_SHOWN)))

    def _sections(self, rows: list[dict[str, Any]]) -> Iterator[_Section]:
        most = min(_FINDINGS_A_METER, max(3, FINDINGS_SHOWN // max(1, len(self._anchors))))
        findings: dict[str, list[dict[str, Any]]] = {name: [] for name in self._anchors}
        for finding in _records(self._findings[self._findings["meter_id"].isin(list(self._anchors))]):
            findings[finding["meter_id"]].append(finding)
        plots: dict[str, list[FaultPlot]] = {name: [] for name in self._anchors}
        for plot in self._drawn:
            plots[plot.meter_id].append(plot)
        for row in rows[: len(self._anchors)]:
            mine = findings[row["meter_id"]]
            faults = [finding for finding in mine if finding["kind"] not in _GAPS]
            gaps = [finding for finding in mine if finding["kind"] in _GAPS]
            shown = [*faults[:most], *gaps[:_GAPS_A_METER]][:most]
            yield _Section(
                anchor=row["anchor"],
                row=row,
                summary=self._summary(mine),
                findings=self._found(shown),
                more=len(mine) - len(shown),
                pictures=[_picture(plot, self._timezone, self._also(plot, mine)) for plot in plots[row["meter_id"]]],
            )

    def _also(self, plot: FaultPlot, mine: list[dict[str, Any]]) -> str:
        """The other findings that a plot shows the begin of."""
        end = plot.start_utc + pd.Timedelta(minutes=plot.minutes)
        here = [
            finding
            for finding in mine
            if kind_of(finding["kind"], self._dropped).drawn
            and plot.start_utc <= finding["from_utc"] < end
            and (finding["kind"], finding["from_utc"]) != (plot.kind, plot.from_utc)
        ]
        return self._summary(here)

    def _summary(self, findings: list[dict[str, Any]]) -> str:
        """Each kind in words, the gravest first, and how often if more than once."""
        counts = Counter(finding["kind"] for finding in findings)
        words = [(kind_of(kind, self._dropped), count) for kind, count in counts.items()]
        words.sort(key=lambda entry: (-entry[0].gravity, entry[0].words))
        return ", ".join(kind.words + (f" × {count:,}" if count > 1 else "") for kind, count in words)
