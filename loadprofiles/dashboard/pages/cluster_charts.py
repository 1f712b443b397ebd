"""The charts of the page of clusters."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import plotly.graph_objects as go

from loadprofiles.dashboard import charts
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

_UPSIDE_DOWN: Final = {"autorange": "reversed", "showgrid": False, "zeroline": False}
_TICKS: Final = ("00:00", "06:00", "12:00", "18:00")


def tinted(color: str, shown: float) -> str:
    """A colour through which what lies behind it is seen."""
    red, green, blue = (int(color[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red}, {green}, {blue}, {shown})"


def profile_figure(context: Context, cluster: int, values: Floats, bands: Floats | None) -> go.Figure:
    """A representative with the spread of its cluster, to point at."""
    say, color = context.say, cluster_color(cluster)
    times = [clock(place, len(values)) for place in range(len(values))]
    traces: list[go.Scatter] = []
    if bands is not None:
        traces += _band(context, times, (bands[0], bands[3]), tinted(color, OUTER), say("90 % of the days"))
        traces += _band(context, times, (bands[1], bands[2]), tinted(color, INNER), say("50 % of the days"))
    line = {"color": color, "width": 2.5}
    shown = {"name": say("representative"), "hovertemplate": "%{y:.3f}"}
    traces.append(go.Scatter(x=times, y=values, mode="lines", line=line, **shown))
    drawn = charts.figure(traces, x=say("local time"), y=say("energy, l2-normalised"), legend=True)
    drawn.update_xaxes(tickvals=list(_TICKS))
    return drawn


def _band(context: Context, x: list[str], edges: tuple[Floats, Floats], color: str, name: str) -> list[go.Scatter]:
    """A band that says where it begins and ends."""
    number = context.language.number
    ends = [f"{number(low, 3)} – {number(high, 3)}" for low, high in zip(*edges, strict=True)]
    shape: dict[str, Any] = {"x": x, "mode": "lines", "line": {"width": 0}, "name": name}
    words = {"text": ends, "hovertemplate": "%{text}"}
    return [
        go.Scatter(y=edges[0], showlegend=False, hoverinfo="skip", **shape),
        go.Scatter(y=edges[1], fill="tonexty", fillcolor=color, **words, **shape),
    ]


def sizes_figure(context: Context, names: Mapping[int, str], days: pd.Series) -> go.Figure:
    """How many days are in each cluster, indexed by its number."""
    language, total = context.language, max(1, int(days.sum()))
    labels = [label(numbered(context, names, int(cluster)), _NAME_WIDTH) for cluster in days.index]
    shares = [language.percent(count / total) for count in days]
    bars = go.Bar(
        x=days.to_numpy(),
        y=list(range(len(days))),
        orientation="h",
        marker={"color": [cluster_color(int(cluster)) for cluster in days.index]},
        text=[language.number(count) for count in days],
        textposition="outside",
        customdata=list(zip(labels, shares, strict=True)),
        hovertemplate="%{customdata[0]}: %{text} (%{customdata[1]})<extra></extra>",
    )
    drawn = charts.figure([bars], x=context.say("days"), hovermode="closest")
    drawn.update_xaxes(range=[0, 1.25 * max(1, int(days.max()))], tickformat=",d", nticks=5)
    drawn.update_yaxes(**_UPSIDE_DOWN, tickvals=list(range(len(days))), ticktext=labels)
    return drawn


def sizes_height(days: pd.Series) -> int:
    """Of the chart, in pixels."""
    return 60 + _BAR_HEIGHT * len(days)


def curve_figure(context: Context, curve: pd.DataFrame, chosen: int) -> go.Figure:
    """The silhouette by number of clusters, the chosen one marked."""
    values = curve["silhouette"].to_numpy(np.float64)
    is_chosen = (curve["k"] == chosen).to_numpy()
    marker = {
        "size": np.where(is_chosen, 13, 7),
        "color": np.where(is_chosen, charts.ALARM, charts.EXPECTED),
        "symbol": np.where(is_chosen, "diamond", "circle"),
    }
    line = go.Scatter(
        x=curve["k"].to_numpy(),
        y=values,
        mode="lines+markers",
        line={"color": charts.EXPECTED},
        marker=marker,
        hovertemplate="%{y:.3f}<extra></extra>",
    )
    drawn = charts.figure([line], x=context.say("number of clusters"), y=context.say("silhouette"))
    drawn.update_xaxes(dtick=1 if len(curve) < _MOST_TEXTS else None)
    drawn.update_yaxes(rangemode="normal")
    return drawn


def _cells(
    clusters: npt.NDArray[Any], shown: float, text: npt.NDArray[Any] | None = None, **options: Any
) -> go.Heatmap:
    """Cells in their clusters' colours; NaN: none."""
    used = np.unique(clusters[np.isfinite(clusters)])
    places = np.where(np.isfinite(clusters), np.searchsorted(used, clusters), np.nan)
    n_used = max(1, len(used))
    colors = [tinted(cluster_color(int(cluster)), shown) for cluster in used] or ["rgba(0,0,0,0)"]
    scale = [[(place + side) / n_used, color] for place, color in enumerate(colors) for side in (0, 1)]
    named = {} if text is None else {"text": text.tolist(), "texttemplate": "%{text}"}
    return go.Heatmap(
        z=places, zmin=-0.5, zmax=n_used - 0.5, colorscale=scale, showscale=False, hoverongaps=False, **named, **options
    )


def calendar_figure(context: Context, names: Mapping[int, str], calendar: pd.DataFrame) -> go.Figure:
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
    drawn = charts.figure([cells], hovermode="closest")
    drawn.update_xaxes(showgrid=False, side="top")
    drawn.update_yaxes(**_UPSIDE_DOWN)
    return drawn


def days_figure(context: Context, names: Mapping[int, str], days: pd.DataFrame) -> go.Figure:
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
    drawn = charts.figure([cells], hovermode="closest")
    starts = [(date(2001, month, 1) - date(2001, 1, 1)) / timedelta(weeks=1) for month in range(1, 13)]
    drawn.update_xaxes(tickvals=starts, ticktext=months, showgrid=False, range=[-0.5, _WEEKS_A_YEAR - 0.5])
    middles = [block * (_WEEK + 1) + _WEEK // 2 for block in range(len(years))]
    drawn.update_yaxes(**_UPSIDE_DOWN, tickvals=middles, ticktext=[str(year) for year in years])
    return drawn


def days_height(days: pd.DataFrame) -> int:
    """Of the chart, in pixels."""
    return 50 + 14 * (_WEEK + 1) * int(days["date"].dt.year.nunique())


def shares_figure(context: Context, table: pd.DataFrame, across: str, up: str) -> go.Figure:
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
    cells = go.Heatmap(
        z=shares,
        x=list(range(len(columns))),
        y=list(range(len(table))),
        zmin=0,
        zmax=1,
        colorscale=[[0, tinted(charts.EXPECTED, 0.03)], [1, tinted(charts.EXPECTED, 0.6)]],
        showscale=False,
        xgap=1,
        ygap=1,
        customdata=words.tolist(),
        text=text.tolist(),
        texttemplate="%{text}" if len(columns) <= _MOST_TEXTS else None,
        hovertemplate="%{customdata}<extra></extra>",
    )
    drawn = charts.figure([cells], x=label(across), y=label(up), hovermode="closest")
    numbers = [name.partition(" ")[0] if name[:1].isdigit() else name for name in columns]
    drawn.update_xaxes(tickvals=list(range(len(columns))), ticktext=numbers, showgrid=False)
    named = [label(str(name), _NAME_WIDTH) for name in table.index]
    drawn.update_yaxes(**_UPSIDE_DOWN, tickvals=list(range(len(table))), ticktext=named)
    return drawn
