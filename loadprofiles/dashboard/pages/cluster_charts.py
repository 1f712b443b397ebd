"""The charts of the page of clusters."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles.dashboard import charts
from loadprofiles.dashboard.charts import Figure, Trace
from loadprofiles.dashboard.clusters import Floats
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.pages.cluster_pictures import INNER, OUTER, clock, numbered
from loadprofiles.plots import cluster_color
from loadprofiles.plots.interactive import label
from loadprofiles.representatives import NO_CLUSTER

_NAME_WIDTH: Final = 20
_BAR_HEIGHT: Final = 32
_WEEK: Final = 7
_WEEKS_A_YEAR: Final = 54
_MOST_TEXTS: Final = 12
"""Clusters beside each other up to which cells have room for text."""

_TICKS: Final = ("00:00", "06:00", "12:00", "18:00")


def tinted(color: str, shown: float) -> str:
    """A colour through which what lies behind it is seen."""
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {shown})"


def profile_figure(context: Context, cluster: int, values: Floats, bands: Floats | None) -> Figure:
    """A representative with the spread of its cluster, to point at."""
    say, color = context.say, cluster_color(cluster)
    times = [clock(place, len(values)) for place in range(len(values))]
    traces: list[Trace] = []
    if bands is not None:
        traces += _band(context, times, (bands[0], bands[3]), tinted(color, OUTER), say("90 % of the days"))
        traces += _band(context, times, (bands[1], bands[2]), tinted(color, INNER), say("50 % of the days"))
    line: Trace = {
        "type": "scatter",
        "x": times,
        "y": values,
        "mode": "lines",
        "line": {"color": color, "width": 2.5},
        "name": say("representative"),
        "hovertemplate": "%{y:.3f}",
    }
    unit, axis = say("energy, l2-normalised"), {"tickvals": list(_TICKS)}
    return charts.figure([*traces, line], x=say("local time"), y=unit, legend=True, xaxis=axis)


def _band(context: Context, x: list[str], edges: tuple[Floats, Floats], color: str, name: str) -> list[Trace]:
    """A band that says where it begins and ends."""
    number = context.language.number
    ends = [f"{number(low, 3)} – {number(high, 3)}" for low, high in zip(*edges, strict=True)]
    shared: Trace = {"type": "scatter", "x": x, "mode": "lines", "line": {"width": 0}, "name": name}
    words = {"text": ends, "hovertemplate": "%{text}"}
    return [
        {**shared, "y": edges[0], "showlegend": False, "hoverinfo": "skip"},
        {**shared, "y": edges[1], "fill": "tonexty", "fillcolor": color, **words},
    ]


def sizes_figure(context: Context, names: Mapping[int, str], days: pd.Series) -> Figure:
    """How many days are in each cluster, indexed by its number."""
    language, total = context.language, max(1, int(days.sum()))
    labels = [label(numbered(context, names, int(cluster)), _NAME_WIDTH) for cluster in days.index]
    shares = [language.percent(count / total) for count in days]
    places = list(range(len(days)))
    bars: Trace = {
        "type": "bar",
        "x": days.to_numpy(),
        "y": places,
        "orientation": "h",
        "marker": {"color": [cluster_color(int(cluster)) for cluster in days.index]},
        "text": [language.number(count) for count in days],
        "textposition": "outside",
        "customdata": list(zip(labels, shares, strict=True)),
        "hovertemplate": "%{customdata[0]}: %{text} (%{customdata[1]})<extra></extra>",
    }
    x_axis = {"range": [0, 1.25 * max(1, int(days.max()))], "tickformat": ",d", "nticks": 5}
    y_axis = {**charts.UPSIDE_DOWN, "tickvals": places, "ticktext": labels}
    return charts.figure([bars], x=context.say("days"), hovermode="closest", xaxis=x_axis, yaxis=y_axis)


def sizes_height(days: pd.Series) -> int:
    """Of the chart, in pixels."""
    return 60 + _BAR_HEIGHT * len(days)


def curve_figure(context: Context, curve: pd.DataFrame, chosen: int) -> Figure:
    """The silhouette by number of clusters, the chosen one marked."""
    values = curve["silhouette"].to_numpy(np.float64)
    is_chosen = (curve["k"] == chosen).to_numpy()
    marker = {
        "size": np.where(is_chosen, 13, 7),
        "color": np.where(is_chosen, charts.ALARM, charts.EXPECTED),
        "symbol": np.where(is_chosen, "diamond", "circle"),
    }
    line: Trace = {
        "type": "scatter",
        "x": curve["k"].to_numpy(),
        "y": values,
        "mode": "lines+markers",
        "line": {"color": charts.EXPECTED},
        "marker": marker,
        "hovertemplate": "%{y:.3f}<extra></extra>",
    }
    axes: dict[str, Any] = {
        "xaxis": {"dtick": 1} if len(curve) < _MOST_TEXTS else {},
        "yaxis": {"rangemode": "normal"},
    }
    return charts.figure([line], x=context.say("number of clusters"), y=context.say("silhouette"), **axes)


def _cells(clusters: npt.NDArray[Any], shown: float, text: npt.NDArray[Any] | None = None, **options: Any) -> Trace:
    """Cells in their clusters' colours; NaN: none."""
    used = np.unique(clusters[np.isfinite(clusters)])
    places = np.where(np.isfinite(clusters), np.searchsorted(used, clusters), np.nan)
    n_used = max(1, len(used))
    colors = [tinted(cluster_color(int(cluster)), shown) for cluster in used] or ["rgba(0,0,0,0)"]
    scale = [[(place + side) / n_used, color] for place, color in enumerate(colors) for side in (0, 1)]
    named = {} if text is None else {"text": text.tolist(), "texttemplate": "%{text}"}
    colored = {"zmin": -0.5, "zmax": n_used - 0.5, "colorscale": scale, "showscale": False, "hoverongaps": False}
    return {"type": "heatmap", "z": places, **colored, **named, **options}


def calendar_figure(context: Context, names: Mapping[int, str], calendar: pd.DataFrame) -> Figure:
    """The most frequent cluster of each month and weekday, as `summaries.meter_calendar` has it."""
    clusters = calendar["cluster"].to_numpy(np.float64, na_value=np.nan)
    text = np.array([["" if np.isnan(value) else f"{value:.0f}" for value in row] for row in clusters], dtype=object)
    text[clusters == NO_CLUSTER] = "–"
    shares, days = calendar["share"].to_numpy(), calendar["days"].to_numpy()
    words = np.full(clusters.shape, "", dtype=object)
    for place in zip(*np.nonzero(np.isfinite(clusters)), strict=True):
        words[place] = context.say(
            "{name}: {share} of {days} days",
            name=label(numbered(context, names, int(clusters[place]))),
            share=context.language.percent(shares[place], 0),
            days=days[place],
        )
    cells = _cells(
        clusters,
        INNER,
        text,
        x=context.language.weekdays(),
        y=context.language.months(),
        customdata=words.tolist(),
        hovertemplate="%{y}, %{x}<br>%{customdata}<extra></extra>",
        xgap=2,
        ygap=2,
    )
    x_axis = {"showgrid": False, "side": "top"}
    return charts.figure([cells], hovermode="closest", xaxis=x_axis, yaxis=charts.UPSIDE_DOWN)


def days_figure(context: Context, names: Mapping[int, str], days: pd.DataFrame) -> Figure:
    """The cluster of each day: a column a week, a row a weekday, the years below each other."""
    months, dates = context.language.months(), pd.DatetimeIndex(days["date"])
    labels = {cluster: label(numbered(context, names, cluster)) for cluster in days["cluster"].unique()}
    years = np.unique(dates.year)
    blocks = np.searchsorted(years, dates.year)
    first_weekdays = np.array([date(int(year), 1, 1).weekday() for year in years])
    weeks = (dates.day_of_year - 1 + first_weekdays[blocks]) // _WEEK
    rows = blocks * (_WEEK + 1) + dates.day_of_week
    clusters = np.full((len(years) * (_WEEK + 1) - 1, _WEEKS_A_YEAR), np.nan)
    words = np.full(clusters.shape, "", dtype=object)
    clusters[rows, weeks] = days["cluster"]
    words[rows, weeks] = [
        f"{day.day} {months[day.month - 1]} {day.year}<br>{labels[cluster]}"
        for day, cluster in zip(dates, days["cluster"], strict=True)
    ]
    cells = _cells(clusters, 1, customdata=words.tolist(), hovertemplate="%{customdata}<extra></extra>", xgap=1, ygap=1)
    starts = [(date(2001, month, 1) - date(2001, 1, 1)) / timedelta(weeks=1) for month in range(1, 13)]
    x_axis = {"tickvals": starts, "ticktext": months, "showgrid": False, "range": [-0.5, _WEEKS_A_YEAR - 0.5]}
    middles = [block * (_WEEK + 1) + _WEEK // 2 for block in range(len(years))]
    y_axis = {**charts.UPSIDE_DOWN, "tickvals": middles, "ticktext": [str(year) for year in years]}
    return charts.figure([cells], hovermode="closest", xaxis=x_axis, yaxis=y_axis)


def days_height(days: pd.DataFrame) -> int:
    """Of the chart, in pixels."""
    return 50 + 14 * (_WEEK + 1) * int(days["date"].dt.year.nunique())


def shares_figure(context: Context, table: pd.DataFrame, across: str, up: str) -> Figure:
    """Which share of a cluster's days (rows) is in which cluster of another clustering (columns), in percent."""
    language = context.language
    counts = table.to_numpy(np.float64)
    shares = counts / counts.sum(axis=1, keepdims=True)
    columns = [label(str(name)) for name in table.columns]
    words = np.full(counts.shape, "", dtype=object)
    for place in np.ndindex(counts.shape):
        words[place] = context.say(
            "{share}, {days} days: {other}",
            share=language.percent(shares[place]),
            days=language.number(float(counts[place])),
            other=columns[place[1]],
        )
    text = np.where(shares >= 0.005, np.char.mod("%.0f", 100 * shares), "")
    cells: Trace = {
        "type": "heatmap",
        "z": shares,
        "x": list(range(len(columns))),
        "y": list(range(len(table))),
        "zmin": 0,
        "zmax": 1,
        "colorscale": [[0, tinted(charts.EXPECTED, 0.03)], [1, tinted(charts.EXPECTED, 0.6)]],
        "showscale": False,
        "xgap": 1,
        "ygap": 1,
        "customdata": words.tolist(),
        "text": text.tolist(),
        "texttemplate": "%{text}" if len(columns) <= _MOST_TEXTS else "",
        "hovertemplate": "%{customdata}<extra></extra>",
    }
    numbers = [name.partition(" ")[0] if name[:1].isdigit() else name for name in columns]
    x_axis = {"tickvals": cells["x"], "ticktext": numbers, "showgrid": False}
    named = [label(str(name), _NAME_WIDTH) for name in table.index]
    y_axis = {**charts.UPSIDE_DOWN, "tickvals": cells["y"], "ticktext": named}
    return charts.figure([cells], x=label(across), y=label(up), hovermode="closest", xaxis=x_axis, yaxis=y_axis)
