"""Pictures of forecasts beside what was used, of how wrong they were, and of how far their bands can be trusted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter

from loadprofiles.errors import ParameterError
from loadprofiles.forecasting.measures import BANDS, LEVELS, QUANTILE_COLUMNS, coverage, quantile_column, wape
from loadprofiles.plots import style as s
from loadprofiles.plots.measures import MONTHS, WEEKDAYS
from loadprofiles.plots.view import Floats, Ints
from loadprofiles.quality import MINUTES_A_DAY

_KEYS: Final = ("meter_id", "origin_utc", "timestamp_utc")
_NEEDED: Final = (*_KEYS, *QUANTILE_COLUMNS, "actual_kwh")

_ACTUAL_COLOR: Final = "#222222"
_FORECAST_COLOR: Final = s.cluster_color(0)
_OTHER_COLOR: Final = s.cluster_color(1)
_DRAWN_BANDS: Final = ((90, 0.18), (50, 0.30))
"""Bands in percent, and how dark they are drawn."""

_DAYS_SHOWN: Final = 7
_DAYS_OF_LONG_STEPS: Final = 28
"""Days of an example whose intervals are a day or longer: seven values would show nothing."""

_DAYS_NAMED: Final = 8
_RANKS: Final = {0: (), 1: ("only meter",), 2: ("best", "worst"), 3: ("best", "median", "worst")}
_MICROSECONDS: Final = 60_000_000
_SAME_STEP: Final = 1.75
"""An interval that the clocks made longer lasts at most 1.5 steps; what starts two steps later is not the next one."""

_TALLEST_WAPE: Final = 2.0
"""Where next to nothing is used, a share of it says little: the axis ends here, or at four times the whole WAPE."""

_LEAST_TIES: Final = 0.02
"""Share of energies that equal a quantile from which on a bar would be longer than its marker."""

_BOXED_METERS: Final = 5
_LARGE_POINTS: Final = 100
_THICK_INTERVALS: Final = 300
_NAME_LENGTH: Final = 70
_TITLE_CHARACTER: Final = 0.09
_LABEL_FONT: Final = 8

_MEASURES: Final = {
    "ratio_to_seasonal_naive": "WAPE over that of seasonal naive",
    "median_wape": "median WAPE",
    "median_weighted_quantile_loss": "median weighted quantile loss",
    "coverage_90": "coverage of the 90 % band",
}


def forecast_examples(backtest: pd.DataFrame, errors: pd.DataFrame, title: str, timezone: str) -> Figure:
    """What the best, the median and the worst meter used over its last 7 days, and its forecast with two bands.

    Intervals of a day or longer are shown for 28 days. Where an interval was forecast several times, the newest
    forecast is drawn. What is not known is a gap.

    Args:
        backtest: One row an interval of a forecast: `meter_id, origin_utc, timestamp_utc`, the quantiles
            `energy_kwh, energy_kwh_p05, …` and `actual_kwh`, NaN where it is not known.
        errors: One row a meter: `meter_id` and `wape`, as of `forecasting.measures.meter_errors`.
        title: Of the figure.
        timezone: IANA name of the zone whose days are shown.

    Raises:
        ParameterError: A column is missing, or a forecast is there twice.
    """
    if backtest.empty:
        return _nothing(title, "no forecasts")
    _check(backtest)
    examples, unknown = _examples(backtest, errors)
    if not examples:
        return _nothing(title, "no meter has a known WAPE")
    figure = Figure(figsize=(11, 2.6 * len(examples) + 1.2), layout="constrained")
    axes = figure.subplots(len(examples), 1, squeeze=False)[:, 0]
    step = _step_us(backtest)
    for axis, (meter, words) in zip(axes, examples.items(), strict=True):
        days = _last_days(backtest[backtest["meter_id"] == meter], step, timezone)
        _example_panel(axis, days)
        axis.set_title(s.plain(words), fontsize=10, loc="left")
    figure.supylabel(f"energy in kWh, per interval of {_length(step)}", fontsize=9)
    axes[-1].set_xlabel(s.plain(f"local time, {timezone}"), fontsize=9)
    figure.legend(handles=list(_example_key()), loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    left_out = [f"meters without a known WAPE, left out: {unknown}"] if unknown else []
    shown = f"{title}: the last {s.day_count(_days_shown(step))} of the backtest"
    _caption(figure, shown, "WAPE is that of the whole backtest", *left_out)
    return figure


def _check(backtest: pd.DataFrame) -> None:
    missing = [name for name in _NEEDED if name not in backtest.columns]
    if missing:
        raise ParameterError(f"the backtest has no column {', '.join(missing)}")
    twice = backtest.duplicated(list(_KEYS))
    if twice.any():
        first = backtest[twice].iloc[0]
        raise ParameterError(
            f"the backtest has two forecasts of meter {first['meter_id']} for {first['timestamp_utc']} "
            f"from {first['origin_utc']}; draw one model at a time"
        )


def _nothing(title: str, what: str) -> Figure:
    """A figure that says why there is nothing to see."""
    figure = Figure(figsize=(8, 2.5))
    figure.text(0.5, 0.4, what, fontsize=11, ha="center", va="center", style="italic")
    s.headline(figure, title)
    return figure


def _caption(figure: Figure, text: str, *notes: str) -> None:
    """The figure's title, for which the layout makes room; each note on the same line only where all fit on it."""
    fitting = int(figure.get_figwidth() / _TITLE_CHARACTER)
    whole = "; ".join([text, *notes])
    lines = [whole] if len(whole) <= fitting else [*s.wrapped(text, fitting), *s.wrapped("; ".join(notes), fitting)]
    figure.suptitle("\n".join(s.plain(line) for line in lines if line), fontsize=11)


def _step_us(backtest: pd.DataFrame) -> int:
    """The usual length of an interval, in microseconds; an hour where there is only one."""
    lengths, counts = np.unique(np.diff(np.unique(_microseconds(backtest["timestamp_utc"]))), return_counts=True)
    return int(lengths[counts.argmax()]) if len(lengths) else 60 * _MICROSECONDS


def _microseconds(stamps: "pd.Series[pd.Timestamp]") -> Ints:
    return np.asarray(pd.DatetimeIndex(stamps).as_unit("us").asi8)


def _length(step_us: int) -> str:
    minutes = step_us // _MICROSECONDS
    return f"{minutes // 60} h" if minutes % 60 == 0 else f"{minutes} min"


def _days_a_step(step_us: int) -> int:
    """Days of a step; 0 if it is shorter than a day, and that a day may be an hour shorter is no matter."""
    return round(step_us / (MINUTES_A_DAY * _MICROSECONDS)) if step_us >= 23 * 60 * _MICROSECONDS else 0


def _days_shown(step_us: int) -> int:
    return _DAYS_OF_LONG_STEPS if _days_a_step(step_us) else _DAYS_SHOWN


def _examples(backtest: pd.DataFrame, errors: pd.DataFrame) -> tuple[dict[str, str], int]:
    """The title of the panel of each meter to be shown, and how many meters have no known WAPE."""
    if errors.empty:
        return {}, 0
    own = errors[errors["meter_id"].isin(backtest["meter_id"].unique())]
    known = own[np.isfinite(own["wape"])].sort_values(["wape", "meter_id"], kind="stable")
    count = len(known)
    ranks = _RANKS[min(3, count)]
    places = np.linspace(0, count - 1, len(ranks)).astype(int)
    titles = {}
    for rank, place in zip(ranks, places, strict=True):
        meter, share = known["meter_id"].iloc[place], float(known["wape"].iloc[place])
        words = rank if count == 1 else f"{rank} of {count}"
        titles[meter] = f"{words}: {s.shortened(str(meter), _NAME_LENGTH)}, WAPE {s.percent(share)}"
    return titles, len(own) - count


@dataclass(frozen=True, eq=False)
class _Days:
    """A meter's last intervals; times in days since 1970-01-01 UTC.

    Attributes:
        starts: (n,).
        ends: (n,).
        rows: the n rows of the backtest.
        midnights: of the days shown, and of the one after them.
        names: of the days shown.
    """

    starts: Floats
    ends: Floats
    rows: pd.DataFrame
    midnights: Floats
    names: tuple[str, ...]


def _last_days(own: pd.DataFrame, step_us: int, timezone: str) -> _Days:
    """The last days of one meter's backtest, of each interval the newest forecast."""
    rows = own.sort_values(["timestamp_utc", "origin_utc"]).drop_duplicates("timestamp_utc", keep="last")
    starts = _microseconds(rows["timestamp_utc"])
    local = pd.DatetimeIndex(rows["timestamp_utc"]).tz_convert(timezone)
    longer = _days_a_step(step_us)
    dates = local.tz_localize(None).normalize()
    end = dates[-1] + pd.Timedelta(days=max(1, longer))
    days = pd.date_range(max(dates[0], end - pd.Timedelta(days=_days_shown(step_us))), end, freq="D")
    midnights = days.tz_localize(timezone, ambiguous=np.ones(len(days), dtype=bool), nonexistent="shift_forward")
    edges = np.asarray(midnights.as_unit("us").asi8)
    after = np.append(starts[1:], edges[-1] if longer else starts[-1] + step_us)
    ends = np.where(after - starts < _SAME_STEP * step_us, after, starts + step_us)
    shown = ends > edges[0]
    a_day = MINUTES_A_DAY * _MICROSECONDS
    return _Days(starts[shown] / a_day, ends[shown] / a_day, rows[shown], edges / a_day, _day_names(days[:-1]))


def _day_names(days: pd.DatetimeIndex) -> tuple[str, ...]:
    """The names of so many days as there is room for, the first with its year; the others are empty."""
    every = -(-len(days) // _DAYS_NAMED)
    names = [f"{WEEKDAYS[day.weekday()]} {day.day} {MONTHS[day.month - 1]}" for day in days]
    names[0] += f"\n{days[0].year}"
    return tuple(name if place % every == 0 else "" for place, name in enumerate(names))


def _example_panel(axis: Axes, days: _Days) -> None:
    columns = {name: days.rows[name].to_numpy(np.float64) for name in (*QUANTILE_COLUMNS, "actual_kwh")}
    for percent, alpha in _DRAWN_BANDS:
        across, low = _stairs(days, columns[quantile_column(BANDS[percent][0])])
        _, high = _stairs(days, columns[quantile_column(BANDS[percent][1])])
        axis.fill_between(across, low, high, color=_FORECAST_COLOR, alpha=alpha, lw=0)
    thin = 1 if len(days.rows) <= _THICK_INTERVALS else 0.6
    axis.plot(*_stairs(days, columns["energy_kwh"]), color=_FORECAST_COLOR, lw=1.5 * thin)
    axis.plot(*_stairs(days, columns["actual_kwh"]), color=_ACTUAL_COLOR, lw=1.1 * thin)
    drawn = [columns[name] for name in ("energy_kwh_p05", "energy_kwh_p95", "energy_kwh", "actual_kwh")]
    axis.set_xlim(min(days.midnights[0], days.starts[0]), max(days.midnights[-1], days.ends[-1]))
    axis.set_ylim(*s.padded(np.concatenate([[0.0], *drawn])))
    axis.axhline(0, color="black", lw=0.6, alpha=0.5)
    _day_axis(axis, days)


def _stairs(days: _Days, values: Floats) -> tuple[Floats, Floats]:
    """A line that holds each value for its interval, and is broken where the next interval is not there."""
    across = np.stack([days.starts, days.ends], axis=1).ravel()
    breaks = 2 * np.flatnonzero(days.starts[1:] != days.ends[:-1]) + 2
    return np.insert(across, breaks, across[breaks - 1]), np.insert(np.repeat(values, 2), breaks, np.nan)


def _day_axis(axis: Axes, days: _Days) -> None:
    """A line at each midnight, and the days' names between them."""
    axis.set_xticks(days.midnights, [""] * len(days.midnights))
    noons = (days.midnights[1:] + days.midnights[:-1]) / 2
    named = [(place, name) for place, name in zip(noons, days.names, strict=True) if name]
    axis.set_xticks([place for place, _ in named], [name for _, name in named], minor=True)
    axis.tick_params(labelsize=_LABEL_FONT)
    axis.tick_params(axis="x", which="minor", length=0, labelsize=_LABEL_FONT)
    axis.grid(which="major", alpha=0.25)


def _example_key() -> Iterator[Line2D | Patch]:
    yield Line2D([], [], color=_ACTUAL_COLOR, lw=1.1, label="actual")
    yield Line2D([], [], color=_FORECAST_COLOR, lw=1.5, label="forecast")
    # Bands are drawn over each other: the inner one looks as dark as both.
    alphas = np.cumsum([alpha for _, alpha in _DRAWN_BANDS])
    for (percent, _), alpha in reversed(list(zip(_DRAWN_BANDS, alphas, strict=True))):
        yield Patch(facecolor=_FORECAST_COLOR, alpha=float(alpha), lw=0, label=f"{percent} % band")


def error_by_hour(backtest: pd.DataFrame, title: str, timezone: str) -> Figure:
    """WAPE of all meters together by local time of day, or by weekday where intervals are a day or longer.

    Beside it that of the seasonal naive forecast, where a column `naive_kwh` has it.

    Args:
        backtest: As for `forecast_examples`, perhaps with `naive_kwh`.
        title: Of the figure.
        timezone: IANA name of the zone whose time of day is meant.

    Raises:
        ParameterError: A column is missing, or a forecast is there twice.
    """
    if backtest.empty:
        return _nothing(title, "no forecasts")
    _check(backtest)
    known = _known(backtest, "energy_kwh")
    if known.empty:
        return _nothing(title, "no interval whose energy is known")
    clock = _Clock.of(_step_us(backtest))
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    axis = figure.subplots()
    curves = [_Curve.of(known, "energy_kwh", _model_name(backtest), clock, timezone)]
    if "naive_kwh" in known.columns:
        curves.append(_Curve.of(_known(known, "naive_kwh"), "naive_kwh", "seasonal naive", clock, timezone))
    styles = ((_FORECAST_COLOR, "-"), (_OTHER_COLOR, "--"))
    for curve, (color, dashes) in zip(curves, styles, strict=False):
        axis.plot(clock.places, curve.shares, color=color, ls=dashes, lw=1.8, marker="o", ms=3, label=curve.label)
    beyond = _share_axis(axis, curves)
    clock.draw(axis, timezone)
    axis.legend(frameon=False, fontsize=9)
    notes = [f"values above the axis: {beyond}"] if beyond else []
    if len(curves) == 2 and curves[1].rows < curves[0].rows:
        notes.append(f"seasonal naive known of {s.percent(curves[1].rows / curves[0].rows)} of them")
    meters = known["meter_id"].nunique()
    _caption(figure, f"{title}: {clock.title}, {meters:,} meter{'' if meters == 1 else 's'}", *notes)
    return figure


def _known(backtest: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The rows of which the energy, and some columns, are known."""
    numbers = backtest[["actual_kwh", *columns]].to_numpy(np.float64)
    known: pd.DataFrame = backtest[np.isfinite(numbers).all(axis=1)]
    return known


def _model_name(backtest: pd.DataFrame) -> str:
    names = list(backtest["model"].unique()) if "model" in backtest.columns else []
    return s.shortened(str(names[0]), _NAME_LENGTH) if len(names) == 1 else "forecast"


@dataclass(frozen=True, eq=False)
class _Clock:
    """What errors are told by: the hour of the day, in parts of a step's length, or the weekday.

    Attributes:
        minutes: of a part of the day; 0: weekdays.
        places: of all parts, in hours or weekdays.
    """

    minutes: int
    places: Floats

    @classmethod
    def of(cls, step_us: int) -> "_Clock":
        if _days_a_step(step_us):
            return cls(0, np.arange(len(WEEKDAYS), dtype=np.float64))
        minutes = step_us // _MICROSECONDS
        return cls(minutes, np.arange(0, MINUTES_A_DAY, minutes) / 60)

    @property
    def title(self) -> str:
        return f"WAPE by {'local time of day' if self.minutes else 'weekday'}"

    def parts(self, stamps: "pd.Series[pd.Timestamp]", timezone: str) -> Ints:
        """In which part each interval starts."""
        local = pd.DatetimeIndex(stamps).tz_convert(timezone)
        if not self.minutes:
            return np.asarray(local.day_of_week, dtype=np.int64)
        # Rounded down: a step that starts when clocks skip an hour starts after it.
        return np.asarray((local.hour * 60 + local.minute) // self.minutes, dtype=np.int64)

    def draw(self, axis: Axes, timezone: str) -> None:
        """The axis across."""
        if self.minutes:
            axis.set(xlim=(-0.5, 24), xticks=range(0, 25, 3))
            axis.set_xlabel(s.plain(f"local hour at which an interval starts, {timezone}"), fontsize=9)
            return
        axis.set_xticks(self.places, WEEKDAYS)
        axis.set(xlim=(-0.5, len(WEEKDAYS) - 0.5))
        axis.set_xlabel(s.plain(f"local day on which an interval starts, {timezone}"), fontsize=9)


@dataclass(frozen=True, eq=False)
class _Curve:
    """The WAPE of one forecast.

    Attributes:
        name: of the forecast.
        shares: by part of the clock; NaN where nothing was used or nothing is known.
        whole: of all parts together.
        rows: intervals that are known.
    """

    name: str
    shares: Floats
    whole: float
    rows: int

    @classmethod
    def of(cls, known: pd.DataFrame, column: str, name: str, clock: _Clock, timezone: str) -> "_Curve":
        actual, forecast = (known[c].to_numpy(np.float64) for c in ("actual_kwh", column))
        parts = clock.parts(known["timestamp_utc"], timezone)
        count = len(clock.places)
        wrong = np.bincount(parts, np.abs(actual - forecast), count)
        used = np.bincount(parts, np.abs(actual), count)
        shares = np.divide(wrong, used, out=np.full(count, np.nan), where=used > 0)
        return cls(name, shares, wape(actual, forecast), len(known))

    @property
    def label(self) -> str:
        told = f"{s.percent(self.whole)} overall" if np.isfinite(self.whole) else "not known"
        return s.plain(f"{self.name}: {told}")


def _share_axis(axis: Axes, curves: Sequence[_Curve]) -> int:
    """The axis up, from 0; returns how many values are above it."""
    values = np.concatenate([curve.shares for curve in curves])
    values = values[np.isfinite(values)]
    whole = [curve.whole for curve in curves if np.isfinite(curve.whole)]
    top = min(1.05 * max(values, default=0.0), max([_TALLEST_WAPE, *(4 * share for share in whole)])) or 1.0
    axis.set_ylim(0, top)
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.set_ylabel("WAPE", fontsize=9)
    axis.tick_params(labelsize=_LABEL_FONT)
    axis.grid(alpha=0.25)
    return int((values > top).sum())


def calibration(backtest: pd.DataFrame, title: str) -> Figure:
    """Which share of energies lies below each quantile, and which share of each meter's lies within each band.

    Of the energies that equal a quantile, which is common where nothing is used, half count as below it; a bar spans
    from none of them to all. Boxes show the middle half of the meters, their whiskers all of them.

    Args:
        backtest: As for `forecast_examples`.
        title: Of the figure.

    Raises:
        ParameterError: A column is missing, or a forecast is there twice.
    """
    if backtest.empty:
        return _nothing(title, "no forecasts")
    _check(backtest)
    known = _known(backtest, *QUANTILE_COLUMNS)
    if known.empty:
        return _nothing(title, "no interval whose energy is known")
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subplots(1, 2)
    ties = _quantile_panel(left, known)
    meters = _coverage_panel(right, known)
    notes = ["bars: energies equal to the quantile"] if ties else []
    of = f"{len(known):,} interval{'' if len(known) == 1 else 's'} of {meters:,} meter{'' if meters == 1 else 's'}"
    _caption(figure, f"{title}: calibration, {of}", *notes)
    return figure


def _quantile_panel(axis: Axes, known: pd.DataFrame) -> bool:
    """Observed over nominal shares; returns whether energies that equal a quantile can be seen."""
    actual = known["actual_kwh"].to_numpy(np.float64)[:, np.newaxis]
    quantiles = known[list(QUANTILE_COLUMNS)].to_numpy(np.float64)
    below, not_above = (actual < quantiles).mean(axis=0), (actual <= quantiles).mean(axis=0)
    observed = (below + not_above) / 2
    tied = not_above - below > _LEAST_TIES
    bars = [[(x, low), (x, high)] for x, low, high in zip(LEVELS, below, not_above, strict=True)]
    axis.plot([0, 1], [0, 1], color="black", ls="--", lw=1, label="as it should be")
    axis.add_collection(
        LineCollection(
            [bar for bar, seen in zip(bars, tied, strict=True) if seen], colors=_FORECAST_COLOR, alpha=0.4, linewidths=5
        )
    )
    axis.plot(LEVELS, observed, color=_FORECAST_COLOR, marker="o", lw=1.5, label="forecast")
    for level, share in zip(LEVELS, observed, strict=True):
        axis.plot([], [], ls="none", label=f"{100 * level:.0f} %: {s.percent(float(share))}")
    axis.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axis.set_xticks(LEVELS, [f"{100 * level:.0f}" for level in LEVELS])
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.set_xlabel("quantile in %", fontsize=9)
    axis.set_ylabel("share of energies below it", fontsize=9)
    axis.tick_params(labelsize=_LABEL_FONT)
    axis.grid(alpha=0.25)
    # On the side of the diagonal on which the forecast is not.
    axis.legend(frameon=False, fontsize=9, loc="lower right" if observed.mean() > np.mean(LEVELS) else "upper left")
    return bool(tied.any())


def _coverage_panel(axis: Axes, known: pd.DataFrame) -> int:
    """Each meter's coverage of each band, ascending; returns how many meters there are."""
    shares = _meter_coverages(known)
    count = len(shares)
    size = 4 if count <= _LARGE_POINTS else 2
    names = []
    for place, percent in enumerate(BANDS):
        own = np.sort(shares[:, place])
        across = np.linspace(-0.3, 0.3, count) if count > 1 else np.zeros(1)
        axis.plot(place + across, own, color=_FORECAST_COLOR, ls="none", marker="o", ms=size, mew=0, alpha=0.6)
        axis.hlines(percent / 100, place - 0.42, place + 0.42, color=_OTHER_COLOR, lw=2)
        names.append(f"{percent} % band\n{s.percent(_pooled(known, percent))} overall")
    if count >= _BOXED_METERS:
        lines = {"color": _ACTUAL_COLOR, "linewidth": 1.1}
        axis.boxplot(
            shares,
            positions=range(len(BANDS)),
            widths=0.3,
            whis=(0, 100),
            manage_ticks=False,
            showfliers=False,
            boxprops=lines,
            whiskerprops=lines,
            capprops=lines,
            medianprops=lines,
        )
    axis.set_xticks(range(len(BANDS)), names)
    axis.set(xlim=(-0.6, len(BANDS) - 0.4), ylim=(min(0.4, float(shares.min()) - 0.02), 1.01))
    axis.yaxis.set_major_formatter(PercentFormatter(1))
    axis.set_ylabel("share of a meter's energies within the band", fontsize=9)
    axis.tick_params(labelsize=_LABEL_FONT)
    axis.grid(axis="y", alpha=0.25)
    handles = [
        Line2D([], [], color=_FORECAST_COLOR, ls="none", marker="o", ms=4, mew=0, alpha=0.6, label="a meter"),
        Line2D([], [], color=_OTHER_COLOR, lw=2, label="as it should be"),
    ]
    axis.legend(handles=handles, frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.1), ncols=2)
    return count


def _bounds(rows: pd.DataFrame, percent: int) -> tuple[Floats, Floats, Floats]:
    """Energies, and the lower and upper ends of their band."""
    low, high = BANDS[percent]
    names = ("actual_kwh", quantile_column(low), quantile_column(high))
    actual, lower, upper = (rows[name].to_numpy(np.float64) for name in names)
    return actual, lower, upper


def _pooled(known: pd.DataFrame, percent: int) -> float:
    return coverage(*_bounds(known, percent))


def _meter_coverages(known: pd.DataFrame) -> Floats:
    """Coverage of each band by each meter, (meters, bands)."""
    codes, meters = pd.factorize(known["meter_id"])
    counts = np.bincount(codes, minlength=len(meters))
    inside = [(low <= actual) & (actual <= high) for actual, low, high in (_bounds(known, band) for band in BANDS)]
    return np.stack([np.bincount(codes, held, len(meters)) / counts for held in inside], axis=1)


def model_comparison(comparison: pd.DataFrame, title: str) -> Figure:
    """Bars of each model's measures, the model with the least ratio to the seasonal naive forecast first.

    Args:
        comparison: One row a model: `model, ratio_to_seasonal_naive, median_wape, median_weighted_quantile_loss,
            coverage_90`; NaN, or without the column, where a measure is not known.
        title: Of the figure.

    Raises:
        ParameterError: The models have no names.
    """
    if comparison.empty:
        return _nothing(title, "no models to compare")
    if "model" not in comparison.columns:
        raise ParameterError("the comparison has no column model")
    # As objects of Python, missing values would be no numbers.
    known = comparison.reindex(columns=["model", *_MEASURES]).astype(dict.fromkeys(_MEASURES, np.float64))
    table = known.sort_values(["ratio_to_seasonal_naive", "median_wape"], kind="stable", na_position="last")
    figure = Figure(figsize=(13, 0.34 * len(table) + 1.7), layout="constrained")
    axes = figure.subplots(1, len(_MEASURES), sharey=True)
    for axis, (column, words) in zip(axes, _MEASURES.items(), strict=True):
        values = table[column].to_numpy(np.float64)
        values = np.where(np.isfinite(values), values, np.nan)
        if column == "coverage_90":
            _coverage_bars(axis, values)
        else:
            _error_bars(axis, values, is_ratio=column == "ratio_to_seasonal_naive")
        axis.set_title(words, fontsize=9)
        axis.xaxis.set_major_locator(MaxNLocator(4))
        axis.tick_params(length=0, labelsize=_LABEL_FONT)
        axis.grid(axis="x", alpha=0.25)
        axis.set_axisbelow(True)
        axis.spines[["left", "right", "top"]].set_visible(False)
    names = ["\n".join(s.plain(line) for line in s.wrapped(str(name), 26)) for name in table["model"]]
    axes[0].set_yticks(range(len(table)), names, fontsize=9)
    axes[0].set_ylim(len(table) - 0.4, -0.6)
    count = len(table)
    _caption(figure, f"{title}: {count} model{'' if count == 1 else 's'}", "lower is better, and a coverage of 90 %")
    return figure


def _error_bars(axis: Axes, values: Floats, *, is_ratio: bool) -> None:
    top = float(np.nanmax(np.append(values, 1.0 if is_ratio else 0.0))) or 1.0
    better = values < 1 if is_ratio else np.full(len(values), True)
    colors = [_FORECAST_COLOR if good else s.NOISE_COLOR for good in better]
    axis.barh(range(len(values)), np.nan_to_num(values), height=0.65, color=colors)
    axis.set_xlim(0, 1.25 * top)
    if is_ratio:
        axis.axvline(1, color=_OTHER_COLOR, ls="--", lw=1.5)
    else:
        axis.xaxis.set_major_formatter(PercentFormatter(1))
    _tell(axis, values, np.nan_to_num(values), [s.decimals(v, 3) if is_ratio else s.percent(v) for v in values])


def _coverage_bars(axis: Axes, values: Floats) -> None:
    low, high = s.padded(np.append(values, [0.85, 0.9, 0.95]))
    axis.axvline(0.9, color=_OTHER_COLOR, ls="--", lw=1.5)
    axis.plot(values, range(len(values)), color=_FORECAST_COLOR, ls="none", marker="o", ms=6)
    axis.set_xlim(low, high + 0.25 * (high - low))
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    _tell(axis, values, np.where(np.isnan(values), low, values), [s.percent(value) for value in values])


def _tell(axis: Axes, values: Floats, places: Floats, words: Sequence[str]) -> None:
    """Each value right of its bar."""
    for row, (value, place, word) in enumerate(zip(values, places, words, strict=True)):
        axis.annotate(
            "unknown" if np.isnan(value) else word,
            (float(place), row),
            (6, 0),
            textcoords="offset points",
            fontsize=_LABEL_FONT,
            va="center",
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
            style="italic" if np.isnan(value) else "normal",
        )
