"""Pictures of many clusterings beside each other: every validity index over the number of clusters."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from loadprofiles.errors import ParameterError
from loadprofiles.plots import interactive as page
from loadprofiles.plots import style as s
from loadprofiles.plots.view import Floats
from loadprofiles.validity import DIRECTIONS

MEAN_RANK: Final = "mean_rank"

_NEEDED: Final = ("model", "distance_metric", "clusters")
_DIRECTION_WORDS: Final = {1: "higher is better", -1: "lower is better"}
_DASHES: Final = (("solid", "-", ""), ("dash", "--", " (dashed)"), ("dot", ":", " (dotted)"))
"""A metric's line: plotly's name, matplotlib's, and in words."""


@dataclass(frozen=True, eq=False)
class Index:
    """One index of a leaderboard.

    Attributes:
        column: its name.
        direction: +1: higher is better, -1: lower is better.
        scores: of each row; NaN where it is not known.
        best: the row with the best value, the first of equally good ones; None if no value is known.
    """

    column: str
    direction: int
    scores: Floats
    best: int | None

    @property
    def title(self) -> str:
        """Its name and direction."""
        return f"{self.column.replace('_', ' ')}, {_DIRECTION_WORDS[self.direction]}"


@dataclass(frozen=True, eq=False)
class Line:
    """The runs of one model with one metric.

    Attributes:
        name: model and metric.
        group: what its traces and its button on the page have in common.
        rows: of the leaderboard, by number of clusters.
        color: the model's.
        dash: the metric's, one of _DASHES.
    """

    name: str
    group: str
    rows: list[int]
    color: str
    dash: tuple[str, str, str]


def indices_of(leaderboard: pd.DataFrame) -> list[Index]:
    """The mean rank, and the indices that the leaderboard has, in the order of `validity.DIRECTIONS`.

    Raises:
        ParameterError: a column is missing, or there is no row.
    """
    missing = [name for name in (*_NEEDED, MEAN_RANK) if name not in leaderboard.columns]
    if missing:
        raise ParameterError(f"the leaderboard has no column {', '.join(missing)}")
    if leaderboard.empty:
        raise ParameterError("the leaderboard has no rows: no run to compare")
    directions = {MEAN_RANK: -1} | {name: way for name, way in DIRECTIONS.items() if name in leaderboard.columns}
    return [_index(name, way, leaderboard[name].to_numpy(np.float64)) for name, way in directions.items()]


def _index(column: str, direction: int, values: Floats) -> Index:
    finite = np.where(np.isfinite(values), values * direction, -np.inf)
    return Index(column, direction, values, int(finite.argmax()) if np.isfinite(finite).any() else None)


def lines_of(leaderboard: pd.DataFrame) -> list[Line]:
    """One line a pair of model and metric, in the order in which they first appear."""
    clusters = leaderboard["clusters"].to_numpy()
    models = {name: place for place, name in enumerate(leaderboard["model"].drop_duplicates())}
    metrics = {name: place for place, name in enumerate(leaderboard["distance_metric"].drop_duplicates())}
    runs = list(zip(leaderboard["model"], leaderboard["distance_metric"], strict=True))
    return [
        Line(
            name=f"{model} {metric}",
            group=f"line {place}",
            rows=sorted((row for row, run in enumerate(runs) if run == (model, metric)), key=lambda row: clusters[row]),
            color=s.cluster_color(models[model]),
            dash=_DASHES[metrics[metric] % len(_DASHES)],
        )
        for place, (model, metric) in enumerate(dict.fromkeys(runs))
    ]


def comparison(leaderboard: pd.DataFrame) -> Figure:
    """Small multiples: one panel an index, over the number of clusters; one line a model and metric.

    The best value of each index is marked.

    Args:
        leaderboard: one row a run: `model`, `distance_metric`, `clusters`, `mean_rank`, and the indices of
            `validity.DIRECTIONS` that there are; NaN where one is not known.

    Raises:
        ParameterError: a column is missing, or there is no row.
    """
    indices, lines = indices_of(leaderboard), lines_of(leaderboard)
    clusters = leaderboard["clusters"].to_numpy(np.float64)
    figure, axes = s.small_multiples(len(indices), (3.5, 2.5), titles=0.3, foot=0.9)
    for axis, index in zip(axes, indices, strict=True):
        _index_panel(axis, index, lines, clusters)
    columns = max(1, min(len(lines), int(figure.get_figwidth() / 1.9)))
    handles = [Line2D([], [], color=line.color, ls=line.dash[1], marker="o", ms=3) for line in lines]
    figure.legend(
        handles,
        [s.plain(line.name) for line in lines],
        loc="lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
        bbox_to_anchor=(0.5, 0.0),
    )
    foot = 0.62 / figure.get_figheight()
    figure.text(0.5, foot, "number of clusters", fontsize=9, ha="center", va="top")
    s.headline(figure, f"Comparison of {len(leaderboard)} clusterings", "the best of each index is marked")
    return figure


def _range_of(clusters: Floats) -> tuple[float, float]:
    """Limits of the number of clusters, the same in all panels."""
    return float(clusters.min()) - 0.7, float(clusters.max()) + 0.7


def _index_panel(axis: Axes, index: Index, lines: list[Line], clusters: Floats) -> None:
    axis.set_title(index.title, fontsize=9)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25)
    axis.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axis.set_xlim(*_range_of(clusters))
    if index.best is None:
        axis.text(0.5, 0.5, "no values", transform=axis.transAxes, ha="center", va="center", fontsize=9)
        return
    for line in lines:
        rows = [row for row in line.rows if np.isfinite(index.scores[row])]
        axis.plot(clusters[rows], index.scores[rows], color=line.color, ls=line.dash[1], lw=1.2, marker="o", ms=2.5)
    best = (clusters[index.best], index.scores[index.best])
    axis.plot(*best, marker="*", ms=13, color="#FFD700", mec="black", mew=0.8, ls="none", zorder=5)


def comparison_page(leaderboard: pd.DataFrame, embed_script: bool = True) -> str:
    """The comparison as one HTML page, with the runs as a table that the reader can sort.

    Args:
        leaderboard: as for `comparison`; perhaps also `run`, the name of the run, and `url`, where it is to be
            seen: http, https, or relative to the page.
        embed_script: whether plotly.js (5 MB) is in the page or loaded from plotly's network at each opening.

    Raises:
        ParameterError: a column is missing, or there is no row.
    """
    indices, lines = indices_of(leaderboard), lines_of(leaderboard)
    best = leaderboard.iloc[indices[0].best if indices[0].best is not None else 0]
    charts = [page.Chart(_index_figure(index, lines, leaderboard), 270, index.title) for index in indices]
    lead = (
        f"The best mean rank over the indices has {best['model']} {best['distance_metric']} with "
        f"{int(best['clusters'])} clusters. Which index matters is for you to say: they measure different things."
    )
    return page.render_page(
        f"Comparison of {len(leaderboard)} clusterings",
        lead if indices[0].best is not None else "",
        [(f"{len(leaderboard):,}", "clusterings"), (str(len(lines)), "models and metrics")],
        [page.KeyEntry(line.group, line.color, line.name + line.dash[2]) for line in lines],
        [
            page.Section(
                "Indices",
                "Each index over the number of clusters; a star marks the best. Click on a name to hide or show its "
                "lines.",
                charts,
                width="narrow",
                has_key=True,
            )
        ],
        _table(leaderboard, indices),
        embed_script=embed_script,
    )


def _index_figure(index: Index, lines: list[Line], leaderboard: pd.DataFrame) -> go.Figure:
    clusters = leaderboard["clusters"].to_numpy(np.float64)
    traces = []
    for line in lines:
        rows = [row for row in line.rows if np.isfinite(index.scores[row])]
        traces.append(
            go.Scatter(
                x=clusters[rows],
                y=index.scores[rows],
                name=page.label(line.name),
                legendgroup=line.group,
                mode="lines+markers",
                line={"color": line.color, "width": 1.5, "dash": line.dash[0]},
                marker={"size": 4},
                hovertemplate="%{x} clusters: %{y:.4g}",
            )
        )
    notes: list[dict[str, Any]] = []
    if index.best is None:
        notes = [{"text": "no values", "showarrow": False, "xref": "paper", "yref": "paper", "x": 0.5, "y": 0.5}]
    else:
        traces.append(_star(clusters[index.best], index.scores[index.best]))
    return page.figure(
        traces,
        annotations=notes,
        xaxis=page.axis(
            title={"text": "number of clusters"}, zeroline=False, range=_range_of(clusters), nticks=8, tickformat="d"
        ),
        yaxis=page.axis(zeroline=False),
    )


def _star(clusters: float, value: float) -> go.Scatter:
    marker = {"symbol": "star", "size": 14, "color": "#FFD700", "line": {"color": "black", "width": 1}}
    return go.Scatter(x=[clusters], y=[value], mode="markers", marker=marker, hoverinfo="skip", name="best")


def _table(leaderboard: pd.DataFrame, indices: Iterable[Index]) -> page.Table:
    by_column = {index.column: index for index in indices}
    texts = [name for name in ("run", "model", "distance_metric") if name in leaderboard.columns]
    columns = [page.Column(name.replace("_", " "), is_text=True) for name in texts]
    columns += [page.Column(name.replace("_", " ")) for name in ("clusters", *by_column)]
    order = np.argsort(by_column[MEAN_RANK].scores, kind="stable")
    rows = []
    for row in order.tolist():
        record = leaderboard.iloc[row]
        cells = [page.Cell(_words(record[name]), is_text=True, url=_url(record, name)) for name in texts]
        cells.append(page.Cell(str(int(record["clusters"])), float(record["clusters"])))
        cells += [_number(index.scores[row], is_best=index.best == row) for index in by_column.values()]
        rows.append(cells)
    text = "The best mean rank first; click on a column’s head to sort by it. The best value of each column is bold."
    return page.Table("Runs", text, columns, rows)


def _words(value: object) -> str:
    return "" if pd.isna(value) else str(value)  # type: ignore[call-overload]


def _number(value: float, *, is_best: bool) -> page.Cell:
    return page.Cell(f"{value:.4g}", float(value), is_best=is_best) if np.isfinite(value) else page.Cell("–")


def _url(record: "pd.Series[Any]", name: str) -> str:
    """The link of a run, unless it is of a kind that a browser would run."""
    url = _words(record.get("url", "")).strip() if name == "run" else ""
    return url if urlsplit(url).scheme in ("", "http", "https") else ""
