"""Pictures of an alert with what speaks for and against it, and of how well the detectors do on the theft bench."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from numbers import Real
from typing import Final, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, NullLocator, PercentFormatter

from loadprofiles.anomalies.alert import GROUP
from loadprofiles.errors import ParameterError
from loadprofiles.plots import style as s
from loadprofiles.plots.measures import MONTHS
from loadprofiles.plots.view import Floats

COMBINED: Final = "combined"
"""All detectors together, as the bench names them."""

BAND: Final = "band"
"""The detector that everybody knows: a day outside the band around what is expected."""

DAYS_BEFORE: Final = 42
DAYS_AFTER: Final = 14
"""Days shown before and after those of an alert."""

_ALERT: Final = (
    "kind", "subject", "sector", "first_day", "last_day", "severity", "missing_kwh", "missing_low_kwh",
    "missing_high_kwh", "reasons", "peers", "meters",
)  # fmt: skip
_NUMBERS: Final = ("actual_kwh", "expected_kwh", "low_kwh", "high_kwh", "score", "threshold")
_BENCH: Final = ("attack", "detector", "auc_pr", "kind")
_RECALL: Final = ("by", "class", "recall", "scenarios")
_RECALL_BY: Final = {"size": "share of the energy stolen", "length": "length in days"}

_ACTUAL_COLOR: Final = "#222222"
_EXPECTED_COLOR: Final = s.cluster_color(0)
_ALERT_COLOR: Final = s.cluster_color(1)
_SHADE: Final = 0.13
_BAND_ALPHA: Final = 0.2

METERS_SHOWN: Final = 4
"""Of a group event, the meters whose days are drawn."""

_TALLEST: Final = 3.0
"""Where a day's energy is more than so many times what is usual, the others would be flat: the axis ends before."""

_LARGE_POINTS: Final = 120
_DATES_NAMED: Final = 10
_WEEK: Final = 7
_EVERY_DAY_NAMED: Final = 14
_NAME_LENGTH: Final = 48
_LABEL_FONT: Final = 8
_WIDTH: Final = 11.0
_TITLE_CHARACTER: Final = 0.088
_REASON_CHARACTER: Final = 0.068
_REASON_LINES: Final = 3
_TITLE_LINE: Final = 0.185
_REASON_LINE: Final = 0.155
"""Width of a character on the average at most, and height of a line, of the title and of the reasons, in inches."""

_LEAST_RATIO: Final = 2.2
_MOST_RATIO: Final = 9.0
"""Where the axis of ratios ends at the earliest and at the latest, up and, inversely, down."""

_MANY_PEERS: Final = 15
_RATIO_TICKS: Final = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)

_AUC_COLORS: Final = LinearSegmentedColormap.from_list("auc", ["#F1F4F7", "#B5D3E8", "#5BA3CF", "#1B6AA5", "#0B3C6F"])
_DARK: Final = 0.62
"""AUC-PR from which on its number is white."""


def alert_days(alert: Mapping[str, object], days: pd.DataFrame) -> Figure:
    """One alert explained: what was metered and expected, its scores, and what the other meters of the sector did.

    Shown are 42 days before the alert to 14 after it, as far as there are days of its meters. Of a group event the four
    meters that are farthest from what was expected are shown, and of all its meters the median score.

    Args:
        alert: `kind, subject, sector, first_day, last_day, severity, missing_kwh, missing_low_kwh, missing_high_kwh,
            reasons, peers, meters`, as of `anomalies.alert`; dates, kWh, and `meters` a list.
        days: One row a day of one of the alert's meters, or of another meter of the sector: `meter_id, date,
            actual_kwh, expected_kwh, low_kwh, high_kwh, score, threshold`, NaN where a number is not known.

    Raises:
        ParameterError: A key or column is missing, the alert ends before it begins, or a meter's day is there twice.
    """
    told = ToldAlert.of(alert)
    if days.empty:
        return _nothing(told.title, "no judged days")
    _check_days(days)
    shown = AlertDays.of(told, days)
    if not shown.meters:
        return _nothing(told.title, "no judged days of the alert's meters")
    panels = shown.meters[:METERS_SHOWN]
    ratios = shown.peer_ratios()
    figure, axes = _alert_panels(told, len(panels), with_peers=not ratios.empty, counts=shown.counts)
    for axis, meter in zip(axes, panels, strict=False):
        _energy_panel(axis, shown, meter, named=len(told.meters) > 1)
    _score_panel(axes[len(panels)], shown)
    if not ratios.empty:
        _peer_panel(axes[-1], ratios, told)
    for axis in axes:
        _time_panel(axis, shown, is_last=axis is axes[-1])
    _key(figure, axes)
    return figure


def _nothing(title: str, what: str) -> Figure:
    """A figure that says why there is nothing to see."""
    figure = Figure(figsize=(8, 2.5))
    figure.text(0.5, 0.4, what, fontsize=11, ha="center", va="center", style="italic")
    s.headline(figure, title)
    return figure


def _check(table: pd.DataFrame, needed: Sequence[str], what: str, keys: Sequence[str]) -> None:
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise ParameterError(f"{what} has no column {', '.join(missing)}")
    twice = table.duplicated(list(keys))
    if twice.any():
        row = ", ".join(str(table.loc[twice, key].iloc[0]) for key in keys)
        raise ParameterError(f"{what} has two rows for {row}; give one")


def _check_days(days: pd.DataFrame) -> None:
    _check(days, ("meter_id", "date", *_NUMBERS), "the table of days", ("meter_id", "date"))


@dataclass(frozen=True)
class ToldAlert:
    """What a figure tells of an alert in words; see `alert_days`."""

    kind: str
    subject: str
    sector: str
    severity: str
    first: pd.Timestamp
    last: pd.Timestamp
    missing_kwh: tuple[float, float, float]
    reasons: str
    peers: str
    meters: tuple[str, ...]

    @classmethod
    def of(cls, alert: Mapping[str, object]) -> "ToldAlert":
        """An alert from its row in the table `alerts`.

        Raises:
            ParameterError: A key is missing, or it ends before it begins.
        """
        absent = [name for name in _ALERT if name not in alert]
        if absent:
            raise ParameterError(f"the alert has no {', '.join(absent)}")
        first, last = (pd.Timestamp(cast(date, alert[name])) for name in ("first_day", "last_day"))
        if last < first:
            raise ParameterError(f"the alert begins on {first.date()}, but ends on {last.date()}")
        kind, subject, sector, severity, reasons, peers = (
            _text(alert[name]) for name in ("kind", "subject", "sector", "severity", "reasons", "peers")
        )
        missing, low, high = (_number(alert[name]) for name in ("missing_kwh", "missing_low_kwh", "missing_high_kwh"))
        meters = tuple(str(meter) for meter in cast(Iterable[object], alert["meters"]))
        return cls(kind, subject, sector, severity, first, last, (missing, low, high), reasons, peers, meters)

    @property
    def title(self) -> str:
        """Kind, subject, period and missing energy on a line."""
        name = s.shortened(self.subject, _NAME_LENGTH)
        if self.kind == GROUP:
            whose = f"sector {name}, {len(self.meters):,} meter{'' if len(self.meters) == 1 else 's'}"
        else:
            whose = f"meter {name}" + (f" of sector {s.shortened(self.sector, _NAME_LENGTH)}" if self.sector else "")
        severity = f", {self.severity}" if self.severity else ""
        return f"{self.kind}{severity}: {whose}, {_period(self.first, self.last)}, {_missing(*self.missing_kwh)}"


def _text(value: object) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value)


def _number(value: object) -> float:
    return float(value) if isinstance(value, Real) else math.nan


def _period(first: pd.Timestamp, last: pd.Timestamp) -> str:
    """Dates from–to; what both have in common is told once."""
    until = f"{last.day} {MONTHS[last.month - 1]} {last.year}"
    if first == last:
        return until
    if first.year != last.year:
        return f"{first.day} {MONTHS[first.month - 1]} {first.year} – {until}"
    if first.month != last.month:
        return f"{first.day} {MONTHS[first.month - 1]} – {until}"
    return f"{first.day}–{until}"


def _missing(kwh: float, low: float, high: float) -> str:
    if not math.isfinite(kwh):
        return "missing energy not known"
    words, ends = (f"{_kwh(kwh)} kWh missing", (low, high))
    if kwh < 0:
        words, ends = (f"{_kwh(-kwh)} kWh more than expected", (-high, -low))
    if not all(math.isfinite(end) for end in ends):
        return words
    return f"{words} (90 % band: {_kwh(ends[0])} to {_kwh(ends[1])} kWh)"


def _kwh(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 99.95 else s.decimals(value, 1)


@dataclass(frozen=True, eq=False)
class AlertDays:
    """The days shown of an alert, of each number a table (days, meters), and of a day not there a row of NaN.

    Attributes:
        alert: the alert.
        places: of the days, as days since 1970-01-01.
        tables: by name of the number; the alert's meters and all others of the sector.
        meters: of the alert those that have days, the farthest from what was expected first.
    """

    alert: ToldAlert
    places: Floats
    tables: dict[str, pd.DataFrame]
    meters: tuple[str, ...]

    @classmethod
    def of(cls, alert: ToldAlert, days: pd.DataFrame) -> "AlertDays":
        """From judged days of the alert's meters and of others of its sector, as `alert_days` takes them."""
        dates = pd.DatetimeIndex(pd.to_datetime(days["date"]))
        table = days[["meter_id", *_NUMBERS]].assign(date=dates, meter_id=days["meter_id"].astype(str).to_numpy())
        from_day, until = alert.first - pd.Timedelta(days=DAYS_BEFORE), alert.last + pd.Timedelta(days=DAYS_AFTER)
        table = table[(table["date"] >= from_day) & (table["date"] <= until)]
        own = table[table["meter_id"].isin(alert.meters)]
        if own.empty:
            return cls(alert, np.empty(0), {}, ())
        shown = pd.date_range(min(own["date"].min(), alert.first), max(own["date"].max(), alert.last), freq="D")
        wide = table.pivot(index="date", columns="meter_id", values=list(_NUMBERS)).reindex(shown).astype(np.float64)
        tables = {name: pd.DataFrame(wide[name]) for name in _NUMBERS}
        places = np.asarray(shown.as_unit("s").asi8 // 86_400, dtype=np.float64)
        return cls(alert, places, tables, _farthest(alert, tables, sorted(own["meter_id"].unique())))

    @property
    def dates(self) -> pd.DatetimeIndex:
        """The days."""
        return pd.DatetimeIndex(self.tables["actual_kwh"].index)

    @property
    def during(self) -> npt.NDArray[np.bool_]:
        """Which days are the alert's."""
        index = self.tables["actual_kwh"].index
        return np.asarray((index >= self.alert.first) & (index <= self.alert.last))

    @property
    def counts(self) -> list[str]:
        """Of how many of the alert's meters nothing is shown."""
        less, without = len(self.meters) - METERS_SHOWN, len(set(self.alert.meters)) - len(self.meters)
        told = [f"{less:,} more of its meters not shown"] if less > 0 else []
        return told + ([f"meters without judged days: {without:,}"] if without else [])

    def values(self, name: str, meter: str) -> Floats:
        """One meter's numbers, (days,)."""
        return self.tables[name][meter].to_numpy(np.float64)

    def median(self, name: str) -> Floats:
        """Of the alert's meters, (days,); NaN where none is known."""
        return np.asarray(self.tables[name][list(self.meters)].median(axis=1), dtype=np.float64)

    def limits(self, meter: str) -> tuple[float, float]:
        """Where the axis of a meter's energy ends: energies far beyond what is usual would flatten all others."""
        return _energy_limits(*(self.values(name, meter) for name in _NUMBERS[:4]))

    def peer_ratios(self) -> pd.DataFrame:
        """Metered over expected of the sector's other meters, (days, meters); those never known are left out."""
        actual, expected = (
            self.tables[name].drop(columns=list(self.meters)) for name in ("actual_kwh", "expected_kwh")
        )
        # Of a meter that feeds in, or of which nothing is expected, a ratio says nothing.
        ratios: pd.DataFrame = (actual / expected.where(expected > 0)).where(actual >= 0)
        return ratios.dropna(axis=1, how="all")


def _farthest(alert: ToldAlert, tables: Mapping[str, pd.DataFrame], meters: Sequence[str]) -> tuple[str, ...]:
    """The meters, the one with most energy missing, or too much, during the alert first."""
    off = (tables["expected_kwh"] - tables["actual_kwh"]).loc[alert.first : alert.last].sum().abs()
    return tuple(sorted(meters, key=lambda meter: (-off[meter], meter)))


def _alert_panels(
    alert: ToldAlert, meters: int, *, with_peers: bool, counts: Sequence[str]
) -> tuple[Figure, list[Axes]]:
    """A figure with its title and reasons, and empty panels under them, of which none is higher than it need be."""
    fitting = int(_WIDTH / _TITLE_CHARACTER)
    whole = "; ".join([alert.title, *counts])
    title = [whole] if len(whole) <= fitting else s.wrapped(alert.title, fitting)
    if counts and len(whole) > fitting:
        title += s.wrapped("; ".join(counts), fitting, 1)
    reasons = s.wrapped(alert.reasons, int((_WIDTH - 0.4) / _REASON_CHARACTER), _REASON_LINES) if alert.reasons else []
    heights = [2.5 if meters == 1 else 1.25] * meters + [1.0] + [1.5] * with_peers
    below = 0.12 + _TITLE_LINE * len(title)
    told = _REASON_LINE * len(reasons)
    height = below + told + sum(heights) + 0.3 * len(heights) + 0.9
    # The layout makes no room for texts that have their place.
    layout = ConstrainedLayoutEngine(rect=(0, 0, 1, 1 - (below + told + 0.12) / height))
    figure = Figure(figsize=(_WIDTH, height), layout=layout)
    figure.suptitle("\n".join(s.plain(line) for line in title), fontsize=11, y=1 - 0.1 / height, va="top")
    if reasons:
        words = "\n".join(s.plain(line) for line in reasons)
        figure.text(0.5, 1 - (below + 0.05) / height, words, fontsize=9, ha="center", va="top", color="#444444")
    axes = figure.subplots(len(heights), 1, sharex=True, squeeze=False, height_ratios=heights)[:, 0]
    return figure, list(axes)


def _energy_panel(axis: Axes, days: AlertDays, meter: str, *, named: bool) -> None:
    actual, expected, low, high = (days.values(name, meter) for name in _NUMBERS[:4])
    limits = days.limits(meter)
    across = _edges(days.places)
    axis.fill_between(
        across, np.repeat(low, 2), np.repeat(high, 2), color=_EXPECTED_COLOR, alpha=_BAND_ALPHA, lw=0,
        label="90 % band",
    )  # fmt: skip
    axis.plot(across, np.repeat(expected, 2), color=_EXPECTED_COLOR, lw=1.5, label="expected")
    size = 3.0 if len(days.places) <= _LARGE_POINTS else 1.5
    axis.plot(days.places, actual, color=_ACTUAL_COLOR, lw=1, marker="o", ms=size, label="metered")
    _mark(axis, days, actual, size + 1.5)
    beyond = _mark_beyond(axis, days.places, actual, limits)
    axis.set_ylim(limits)
    axis.axhline(0, color="black", lw=0.6, alpha=0.5)
    axis.set_ylabel("kWh per day", fontsize=9)
    notes = [f"meter {s.shortened(meter, _NAME_LENGTH)}"] if named else []
    notes += [f"{s.day_count(beyond)} beyond the axis"] if beyond else []
    axis.set_title(s.plain(", ".join(notes)), fontsize=9, loc="left")


def _edges(places: Floats) -> Floats:
    """Where each day begins and ends; it is told in its middle."""
    return np.stack([places - 0.5, places + 0.5], axis=1).ravel()


def _energy_limits(actual: Floats, *others: Floats) -> tuple[float, float]:
    expected = np.abs(np.concatenate(others))
    sizes = np.abs(actual[np.isfinite(actual)])
    usual = max(np.nanmax(expected, initial=0.0), float(np.median(sizes)) if len(sizes) else 0.0)
    near = actual[np.abs(actual) <= _TALLEST * usual] if usual > 0 else actual
    low, high = s.padded(np.concatenate([[0.0], near, *others]), 0.07)
    # Where nothing is below zero, the axis begins there.
    return (low if min(np.nanmin(values, initial=0.0) for values in (near, *others)) < 0 else 0.0), high


def _mark(axis: Axes, days: AlertDays, actual: Floats, size: float) -> None:
    """The alert's days, and those of them on which nothing was metered."""
    known, unknown = days.during & np.isfinite(actual), days.during & ~np.isfinite(actual)
    if known.any():
        axis.plot(
            days.places[known], actual[known], color=_ALERT_COLOR, ls="none", marker="o", ms=size,
            label="metered, days of the alert",
        )  # fmt: skip
    if unknown.any():
        axis.plot(
            days.places[unknown], np.full(unknown.sum(), 0.06), color=_ALERT_COLOR, ls="none", marker="x", ms=5,
            transform=axis.get_xaxis_transform(), label="not metered, days of the alert",
        )  # fmt: skip


def _mark_beyond(axis: Axes, places: Floats, values: Floats, limits: tuple[float, float]) -> int:
    """Arrows at the edges for what is beyond them; returns how many."""
    low, high = limits
    for beyond, edge, marker in ((values > high, 0.94, "^"), (values < low, 0.06, "v")):
        axis.plot(
            places[beyond], np.full(beyond.sum(), edge), color=_ALERT_COLOR, ls="none", marker=marker, ms=5,
            transform=axis.get_xaxis_transform(),
        )  # fmt: skip
    return int(((values > high) | (values < low)).sum())


def _score_panel(axis: Axes, days: AlertDays) -> None:
    score, threshold = days.median("score"), days.median("threshold")
    count = len(days.meters)
    axis.set_title(f"score of a day{f', median of {count:,} meters' if count > 1 else ''}", fontsize=9, loc="left")
    axis.set_ylabel("score", fontsize=9)
    if not np.isfinite(score).any():
        axis.text(0.5, 0.5, "no day has a score", transform=axis.transAxes, fontsize=9, ha="center", va="center",
                  style="italic")  # fmt: skip
        axis.set_yticks([])
        return
    above = score > threshold
    for chosen, color, words in (
        (~above, s.NOISE_COLOR, "score"),
        (above, _ALERT_COLOR, "score above the threshold"),
    ):
        known = chosen & np.isfinite(score)
        if known.any():
            axis.bar(days.places[known], score[known], width=0.8, color=color, label=words)
    axis.plot(_edges(days.places), np.repeat(threshold, 2), color="black", ls="--", lw=1, label="threshold")
    drawn = np.concatenate([[0.0], score, threshold])
    low, high = s.padded(drawn, 0.1)
    axis.set_ylim(low if np.nanmin(drawn) < 0 else 0.0, high)
    axis.yaxis.set_major_locator(MaxNLocator(4))


def _peer_panel(axis: Axes, ratios: pd.DataFrame, alert: ToldAlert) -> None:
    places = np.asarray(pd.DatetimeIndex(ratios.index).as_unit("s").asi8 // 86_400, dtype=np.float64)
    values = ratios.to_numpy(np.float64)
    top = ratio_limit(values)
    # What is beyond the axis runs along its edge; a log axis has no place for zero at all.
    clipped = np.clip(values, 1 / top, top)
    count = ratios.shape[1]
    alpha = 0.8 if count <= _MANY_PEERS else 0.4
    lines = axis.plot(places, clipped, color=s.NOISE_COLOR, lw=0.8, alpha=alpha, marker="o", ms=1)
    lines[0].set_label("another meter of the sector")
    median = np.clip(ratios.median(axis=1).to_numpy(np.float64), 1 / top, top)
    axis.plot(places, median, color="black", lw=1.6, marker="o", ms=1.6, label="median of the other meters")
    axis.axhline(1, color="black", lw=0.6, alpha=0.5)
    axis.set_yscale("log")
    ticks = [tick for tick in _RATIO_TICKS if 1 / top <= tick <= top]
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.yaxis.set_minor_locator(NullLocator())
    axis.set_ylim(1 / top, top)
    axis.set_ylabel("metered /\nexpected", fontsize=9)
    beyond = int(((values < 1 / top) | (values > top)).sum())
    notes = [f"{count:,} other meter{'' if count == 1 else 's'} of sector {s.shortened(alert.sector, _NAME_LENGTH)}"]
    notes = notes if alert.sector else [f"{count:,} other meter{'' if count == 1 else 's'} of the sector"]
    notes += [f"{beyond:,} value{'' if beyond == 1 else 's'} beyond the axis"] if beyond else []
    words = ", ".join(notes) + (f": {alert.peers}" if alert.peers else "")
    axis.set_title(s.plain(s.shortened(words, int((_WIDTH - 1) / _REASON_CHARACTER))), fontsize=9, loc="left")


def ratio_limit(ratios: Floats) -> float:
    """Where the axis of ratios ends, and inversely begins, so that most is seen and little means little."""
    known = np.abs(np.log(ratios[np.isfinite(ratios) & (ratios > 0)]))
    far = float(np.exp(known.max(initial=0.0))) * 1.1
    return min(max(far, _LEAST_RATIO), _MOST_RATIO)


def _time_panel(axis: Axes, days: AlertDays, *, is_last: bool) -> None:
    """The alert's days shaded, from the begin of the first to the end of the last, and the dates below all panels."""
    inside = days.places[days.during]
    axis.axvspan(inside[0] - 0.5, inside[-1] + 0.5, color=_ALERT_COLOR, alpha=_SHADE, lw=0, zorder=0.4)
    axis.set_xlim(days.places[0] - 0.7, days.places[-1] + 0.7)
    ticks, names = _date_ticks(days.places)
    axis.set_xticks(ticks, names)
    axis.tick_params(labelsize=_LABEL_FONT)
    axis.tick_params(axis="x", labelbottom=is_last)
    axis.grid(alpha=0.25)
    axis.set_axisbelow(True)
    if is_last:
        axis.set_xlabel("local day", fontsize=9)


def _date_ticks(places: Floats) -> tuple[list[float], list[str]]:
    """Mondays, as many as there is room for, or all of a few days; the year is told where it is new."""
    every = 1 if len(places) <= _EVERY_DAY_NAMED else _WEEK * math.ceil(len(places) / (_WEEK * _DATES_NAMED))
    # Day 0, 1970-01-01, was a Thursday.
    monday = int(np.flatnonzero((places + 3) % _WEEK == 0)[0]) if every > 1 else 0
    ticks, names, year = [], [], 0
    for place in places[monday::every]:
        day = pd.Timestamp(int(place), unit="D")
        ticks.append(float(place))
        names.append(f"{day.day} {MONTHS[day.month - 1]}" + (f"\n{day.year}" if day.year != year else ""))
        year = day.year
    return ticks, names


def _key(figure: Figure, axes: Sequence[Axes]) -> None:
    """What is drawn, each once, below all panels."""
    entries: dict[str, Artist] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    figure.legend(
        list(entries.values()),
        list(entries),
        loc="outside lower center",
        ncols=min(5, math.ceil(len(entries) / 2)),
        frameon=False,
        fontsize=9,
    )


def theft_bench(table: pd.DataFrame) -> Figure:
    """AUC-PR of each detector for each attack, the attack that all detectors together tell best first.

    The combined detector is the first column, the band the last, the others are in the table's order. The best of each
    row is bold.

    Args:
        table: One row an attack and detector: `attack, detector, auc_pr, kind`; NaN where it is not known.

    Raises:
        ParameterError: A column is missing, or an attack has two rows of one detector.
    """
    title = "theft bench: area under the precision-recall curve"
    if table.empty:
        return _nothing(title, "no attacks")
    _check(table, _BENCH, "the table of the bench", ("attack", "detector"))
    values = _auc_table(table)
    rows, columns = values.shape
    figure = Figure(figsize=(max(7.0, 2.6 + 0.95 * columns), 0.3 * rows + 1.7), layout="constrained")
    axis = figure.subplots()
    cells = values.to_numpy(np.float64)
    mesh = axis.pcolormesh(
        np.ma.masked_invalid(cells), cmap=_AUC_COLORS, vmin=0, vmax=1, edgecolors="white", linewidth=1.5
    )
    _tell_cells(axis, cells)
    axis.set_xticks(np.arange(columns) + 0.5, [_wrapped(str(name), 12) for name in values.columns], fontsize=9)
    kinds = dict(zip(table["attack"], table["kind"], strict=True))
    with_kind = len(set(kinds.values())) > 1
    names = [f"{name} ({kinds[name]})" if with_kind else str(name) for name in values.index]
    axis.set_yticks(np.arange(rows) + 0.5, [s.plain(s.shortened(name, 30)) for name in names], fontsize=9)
    axis.set(xlim=(0, columns), ylim=(rows, 0))
    axis.tick_params(length=0)
    axis.xaxis.tick_top()
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(mesh, ax=axis, fraction=0.04, pad=0.02, aspect=30)
    bar.set_label("AUC-PR, higher is better", fontsize=9)
    bar.ax.tick_params(labelsize=_LABEL_FONT)
    figure.suptitle(title, fontsize=11)
    return figure


def _auc_table(table: pd.DataFrame) -> pd.DataFrame:
    """AUC-PR, (attacks, detectors)."""
    found = list(dict.fromkeys(table["detector"]))
    ends = [name for name in (COMBINED, BAND) if name in found]
    inner = [name for name in found if name not in ends]
    order = [*ends[:1], *inner, *ends[1:]] if COMBINED in ends else [*inner, *ends]
    wide = table.pivot(index="attack", columns="detector", values="auc_pr").astype(np.float64)[order]
    by = wide[COMBINED] if COMBINED in ends else wide.mean(axis=1)
    return wide.loc[by.sort_values(ascending=False, kind="stable", na_position="last").index]


def _tell_cells(axis: Axes, cells: Floats) -> None:
    """Each cell's number in it."""
    best = [np.nanmax(row) if np.isfinite(row).any() else np.nan for row in cells]
    for (row, column), value in np.ndenumerate(cells):
        is_known = bool(np.isfinite(value))
        axis.text(
            column + 0.5, row + 0.5, s.decimals(value, 2) if is_known else "–", fontsize=9, ha="center", va="center",
            color="white" if is_known and value >= _DARK else "black",
            weight="bold" if round(value, 2) == round(best[row], 2) else "normal",
        )  # fmt: skip


def _wrapped(text: str, width: int) -> str:
    return "\n".join(s.plain(line) for line in s.wrapped(text, width))


def theft_recall(table: pd.DataFrame) -> Figure:
    """Which share of the thefts of each class was found, by the share stolen and by the length.

    Args:
        table: One row a class: `by` ("size" or "length"), `class` (in words), `recall` (NaN where not known) and
            `scenarios`, how many thefts it has; classes are drawn in the table's order.

    Raises:
        ParameterError: A column is missing, `by` is something else, or a class has two rows.
    """
    title = "theft bench: share of thefts that were found"
    if table.empty:
        return _nothing(title, "no thefts")
    _check(table, _RECALL, "the table of recall", ("by", "class"))
    other = [str(name) for name in table["by"].unique() if name not in _RECALL_BY]
    if other:
        raise ParameterError(f"the table of recall has classes by {', '.join(other)}; give size or length")
    figure = Figure(figsize=(_WIDTH, 4.0), layout="constrained")
    for axis, (by, words) in zip(figure.subplots(1, 2, sharey=True), _RECALL_BY.items(), strict=True):
        _recall_panel(axis, table[table["by"] == by], words)
    figure.axes[0].set_ylabel("recall: share of thefts found", fontsize=9)
    figure.suptitle(title, fontsize=11)
    return figure


def _recall_panel(axis: Axes, rows: pd.DataFrame, words: str) -> None:
    recall = rows["recall"].to_numpy(np.float64)
    axis.bar(range(len(rows)), np.nan_to_num(recall), width=0.65, color=_EXPECTED_COLOR)
    for place, value in enumerate(recall):
        is_known = bool(np.isfinite(value))
        axis.annotate(
            s.percent(value) if is_known else "unknown", (place, value if is_known else 0.0), (0, 3),
            textcoords="offset points", fontsize=9, ha="center", va="bottom", style="normal" if is_known else "italic",
        )  # fmt: skip
    width = max(8, 66 // max(1, len(rows)))
    names = [
        f"{_wrapped(str(name), width)}\nn = {count:,}"
        for name, count in zip(rows["class"], rows["scenarios"], strict=True)
    ]
    axis.set_xticks(range(len(rows)), names)
    axis.set(xlim=(-0.6, max(1, len(rows)) - 0.4), ylim=(0, 1.08), yticks=np.linspace(0, 1, 6))
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.set_xlabel(f"{words}; n: number of thefts", fontsize=9)
    axis.tick_params(axis="x", length=0)
    axis.tick_params(labelsize=_LABEL_FONT)
    axis.grid(axis="y", alpha=0.25)
    axis.set_axisbelow(True)
    axis.spines[["right", "top"]].set_visible(False)
    if rows.empty:
        axis.text(0.5, 0.5, "none", transform=axis.transAxes, fontsize=11, ha="center", va="center", style="italic")
