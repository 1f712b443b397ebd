"""Pages with figures to point at: plotly's, each page one file that opens without a network.

What a page says comes from the data, and meters and groups may be called anything. So text gets into the page by
jinja2's escaping alone, into figures through `label` alone (plotly reads markup in its texts), and the page's policy
allows its own scripts and no other.
"""

import base64
import hashlib
import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
import numpy as np
import plotly.graph_objects as go
import plotly.io
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from loadprofiles.plots import measures as m
from loadprofiles.plots import style as s
from loadprofiles.plots.view import NOISE, ClusterView

_SILHOUETTES_DRAWN: Final = 800
_LABEL_WIDTH: Final = 26
_LABEL_LINES: Final = 3
_GREY: Final = "#808080"
"""For lines that must be seen on a light page and on a dark one."""


@dataclass(frozen=True)
class Chart:
    """One figure of a page.

    Attributes:
        figure: plotly's; traces with the same `legendgroup` are switched on and off together, and those whose
            `meta` is "shares" or "distances" get the page's colours for these.
        height: in pixels.
        heading: above it; may be empty.
        note: below the heading; may be empty.
        color: of a mark before the heading; may be empty.
    """

    figure: go.Figure
    height: int
    heading: str = ""
    note: str = ""
    color: str = ""


@dataclass(frozen=True)
class Section:
    """A part of a page.

    Attributes:
        heading: of the part.
        text: what is to be seen, in a sentence or two.
        charts: its figures.
        width: "narrow": as many beside each other as fit; "wide": two; "one": one.
        has_key: whether the page's key, whose buttons switch traces on and off, stands here.
        scale_top: what the darkest colour of "shares" stands for; empty if there is none.
    """

    heading: str
    text: str
    charts: Sequence[Chart]
    width: str = "one"
    has_key: bool = False
    scale_top: str = ""


@dataclass(frozen=True)
class KeyEntry:
    """What a colour stands for, and the `legendgroup` of its traces."""

    group: str
    color: str
    label: str


@dataclass(frozen=True)
class Cell:
    """A cell of a page's table: its words, the number it is sorted by, and where it links to."""

    words: str
    value: float | None = None
    url: str = ""
    is_text: bool = False
    is_best: bool = False


@dataclass(frozen=True)
class Column:
    """The head of a table's column."""

    name: str
    is_text: bool = False


@dataclass(frozen=True)
class Table:
    """A table that the reader can sort."""

    heading: str
    text: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


def label(text: str, width: int | None = None) -> str:
    """Text for a plotly figure, where nothing in it is read as markup; wrapped on a few lines if a width is given."""
    lines = [" ".join(text.split())] if width is None else s.wrapped(text, width, _LABEL_LINES)
    return "<br>".join(html.escape(line, quote=False) for line in lines)


def axis(**options: Any) -> dict[str, Any]:
    """An axis that the reader cannot drag out of sight."""
    return {"fixedrange": True, "automargin": True} | options


def figure(traces: Sequence[Any], **layout: Any) -> go.Figure:
    """A plotly figure without a legend: the page's key says what the colours are."""
    margin = {"l": 8, "r": 20, "t": 8, "b": 8}
    shape = {"showlegend": False, "margin": margin, "hovermode": "closest", "template": "none"}
    return go.Figure(data=list(traces), layout=shape | layout)


def render_page(
    title: str,
    lead: str,
    facts: Sequence[tuple[str, str]],
    key: Sequence[KeyEntry],
    sections: Sequence[Section],
    table: Table | None = None,
    *,
    embed_script: bool = True,
) -> str:
    """A page as HTML.

    Args:
        title: its heading.
        lead: the sentence below it; may be empty.
        facts: numbers and what they are of.
        key: the colours.
        sections: without figures, one is left out.
        table: at the end.
        embed_script: whether plotly.js (5 MB) is in the page or loaded from plotly's network at each opening.
    """
    shown = [section for section in sections if section.charts]
    names = (f"figure{number}" for number in range(1, 1 + sum(len(section.charts) for section in shown)))
    figures: dict[str, go.Figure] = {}
    context = {
        "title": title,
        "lead": lead,
        "facts": facts,
        "key": key,
        "table": table,
        "sections": [_section(section, names, figures) for section in shown],
        "plotly": _embedded_script() if embed_script else _linked_script(),
    }
    # plotly's JSON has <, > and / as escapes, so that no text in it can end the script.
    figures_json = ",".join(f'"{name}":{plotly.io.to_json(drawn)}' for name, drawn in figures.items())
    page = _template().render(context | {"figures": Markup("{" + figures_json + "}")}).lstrip()  # noqa: S704
    sources = ["https://cdn.plot.ly/"] if not embed_script else []
    sources += [f"'sha256-{_digest(script)}'" for script in re.findall(r"<script>(.*?)</script>", page, re.DOTALL)]
    return page.replace("script-sources", " ".join(sources), 1)


def _section(section: Section, names: Iterator[str], figures: dict[str, go.Figure]) -> dict[str, Any]:
    """What the template needs of a section; its figures are added to `figures`."""
    charts = []
    for chart in section.charts:
        name = next(names)
        figures[name] = chart.figure
        charts.append(vars(chart) | {"name": name})
    anchor = re.sub(r"\W+", "-", section.heading.lower())
    return vars(section) | {"charts": charts, "anchor": anchor}


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2")


@cache
def _embedded_script() -> Markup:
    return Markup(f"<script>{get_plotlyjs()}</script>")  # noqa: S704


@cache
def _linked_script() -> Markup:
    """Plotly's own tag, with the digest that the browser holds the file against."""
    whole = plotly.io.to_html(go.Figure(), include_plotlyjs="cdn", full_html=False)
    return Markup(re.findall(r"<script[^>]+src=[^>]+></script>", whole)[0])  # noqa: S704


@cache
def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


# --- one clustering


def clusters_page(view: ClusterView, embed_script: bool = True) -> str:
    """All figures of one clustering as one HTML page.

    Args:
        view: the clustering.
        embed_script: whether plotly.js (5 MB) is in the page or loaded from plotly's network at each opening.
    """
    key = [KeyEntry(_group(c), s.cluster_color(c), f"{view.numbered(c)}, {_size(view, c)}") for c in _clusters(view)]
    return render_page(
        view.title,
        f"Daily load profiles, l2-normalised, in clusters; each cluster is drawn by its {view.kind}.",
        _facts(view),
        key,
        [
            Section(
                "Representatives",
                f"The {view.kind} of each cluster. Click on a name to hide or show the cluster, also in the shares.",
                [Chart(_representatives(view), 420)],
                has_key=True,
            ),
            _one_by_one(view),
            Section("Sizes", "Days in each cluster.", [_rows_chart(_sizes(view))]),
            Section(
                "Shares",
                "How the days of each meter, and of each group of meters, are shared out among the clusters.",
                [_rows_chart(_shares(view, table), table.title.capitalize()) for table in m.share_tables(view)],
            ),
            _silhouette_section(view),
            Section("Tree", "The top of the tree, down to the clusters.", _tree_charts(view)),
            Section(
                "Map of the neurons",
                "Each neuron’s prototype and days on its mean distance to the neurons beside it: the darker, the "
                "farther. Lines of neurons without days are dotted.",
                _map_charts(view),
            ),
            _curve_section(view),
        ],
        embed_script=embed_script,
    )


def _clusters(view: ClusterView) -> list[int]:
    return [*range(view.k), *([NOISE] if view.noise else [])]


def _group(cluster: int) -> str:
    return "cluster none" if cluster == NOISE else f"cluster {cluster}"


def _count(view: ClusterView, cluster: int) -> int:
    return view.noise if cluster == NOISE else int(view.sizes[cluster])


def _size(view: ClusterView, cluster: int) -> str:
    count = _count(view, cluster)
    return f"{s.day_count(count)}, {s.percent(count / max(1, len(view.labels)))}"


def _facts(view: ClusterView) -> list[tuple[str, str]]:
    days = view.dates.astype("datetime64[D]")
    meters = len(set(view.meters.tolist()))
    facts = [
        (f"{len(view.labels):,}", "daily profiles"),
        (str(view.k), "clusters"),
        (f"{meters:,}", "meter" if meters == 1 else "meters"),
    ]
    facts += [(f"{days.min()} – {days.max()}", "local days")] if len(days) else []
    facts += [(f"{view.noise:,}", "days in no cluster")] if view.noise else []
    return facts


def _hours_axis(**options: Any) -> dict[str, Any]:
    return axis(range=[0, 24], tickvals=list(range(0, 25, 6)), zeroline=False) | options


def _times(view: ClusterView) -> list[str]:
    minutes = [round(hour * 60) for hour in view.hours]
    return [f"{minute // 60:02d}:{minute % 60:02d}" for minute in minutes]


def _representatives(view: ClusterView) -> go.Figure:
    traces = [
        go.Scatter(
            x=view.hours,
            y=view.representatives[cluster].astype(np.float32),
            text=_times(view),
            name=label(view.numbered(cluster)),
            legendgroup=_group(cluster),
            mode="lines",
            line={"color": s.cluster_color(cluster), "width": 2.5},
            hovertemplate="%{text} · %{y:.3f}",
        )
        for cluster in range(view.k)
    ]
    return figure(
        traces, xaxis=_hours_axis(title={"text": "local hour"}), yaxis=axis(title={"text": "energy, l2-normalised"})
    )


def _one_by_one(view: ClusterView) -> Section:
    bands = m.quantile_bands(view)
    limits = list(s.padded(np.concatenate([bands.ravel(), view.representatives.ravel()])))
    shares = m.calendar_shares(view)
    known = shares[np.isfinite(shares)]
    top = float(known.max(initial=0.0)) or 1.0
    return Section(
        "Cluster by cluster",
        f"Above: the {view.kind} over the middle 50 % and 90 % of the cluster’s days, at one scale. Below: the share "
        "of the days in the cluster, by month and weekday; blank where there are no days.",
        [
            Chart(
                _one_cluster(view, cluster, bands[cluster], shares[cluster], limits, top),
                330,
                view.numbered(cluster),
                _size(view, cluster),
                s.cluster_color(cluster),
            )
            for cluster in range(view.k)
        ],
        width="narrow",
        scale_top=f"{top:.0%} of the days",
    )


def _one_cluster(
    view: ClusterView, cluster: int, bands: Any, shares: Any, limits: list[float], top: float
) -> go.Figure:
    color = s.cluster_color(cluster)
    around = np.concatenate([view.hours, view.hours[::-1]])
    traces: list[Any] = [
        go.Scatter(
            x=around,
            y=np.concatenate([bands[low], bands[high][::-1]]).astype(np.float32),
            fill="toself",
            fillcolor=f"rgba({', '.join(str(int(color[i : i + 2], 16)) for i in (1, 3, 5))}, {alpha})",
            line={"width": 0},
            mode="lines",
            hoverinfo="skip",
        )
        for low, high, alpha in ((0, 3, 0.2), (1, 2, 0.35))
        if view.sizes[cluster]
    ]
    traces.append(
        go.Scatter(
            x=view.hours,
            y=view.representatives[cluster].astype(np.float32),
            text=_times(view),
            customdata=bands.T.astype(np.float32),
            mode="lines",
            line={"color": color, "width": 2.5},
            hovertemplate="%{text} · %{y:.3f}<br>50 %%: %{customdata[1]:.3f} to %{customdata[2]:.3f}"
            "<br>90 %%: %{customdata[0]:.3f} to %{customdata[3]:.3f}<extra></extra>".replace("%%", "%"),
        )
    )
    traces.append(
        go.Heatmap(
            z=shares.astype(np.float32),
            x=m.MONTHS,
            y=m.WEEKDAYS,
            zmin=0,
            zmax=top,
            meta="shares",
            showscale=False,
            hoverongaps=False,
            xgap=1,
            ygap=1,
            xaxis="x2",
            yaxis="y2",
            hovertemplate="%{y}, %{x}: %{z:.1%}<extra></extra>",
        )
    )
    return figure(
        traces,
        xaxis=_hours_axis(anchor="y"),
        yaxis=axis(domain=[0.5, 1], range=limits, nticks=5),
        xaxis2=axis(anchor="y2", tickvals=list(m.MONTHS), ticktext=[month[0] for month in m.MONTHS], showgrid=False),
        yaxis2=axis(anchor="x2", domain=[0, 0.38], autorange="reversed", showgrid=False, tickfont={"size": 10}),
    )


def _row_axis(labels: Sequence[str], **options: Any) -> dict[str, Any]:
    """Rows from top to bottom; numbered, as two labels may be the same once they are cut."""
    shape = {"tickvals": list(range(len(labels))), "ticktext": labels, "range": [len(labels) - 0.4, -0.6]}
    return axis(**shape, showgrid=False, zeroline=False, ticklabelstandoff=6) | options


def _rows_chart(drawn: go.Figure, heading: str = "") -> Chart:
    """A figure with one row a label, each as high as the label of most lines needs."""
    labels = drawn.layout.yaxis.ticktext
    lines = max(text.count("<br>") + 1 for text in labels)
    return Chart(drawn, len(labels) * max(24, 14 * lines + 4) + 90, heading)


def _sizes(view: ClusterView) -> go.Figure:
    clusters = _clusters(view)
    counts = [_count(view, cluster) for cluster in clusters]
    bar = go.Bar(
        x=counts,
        y=list(range(len(clusters))),
        orientation="h",
        marker={"color": [s.cluster_color(cluster) for cluster in clusters]},
        text=[f"{count:,} · {s.percent(count / max(1, len(view.labels)))}" for count in counts],
        textposition="outside",
        cliponaxis=False,
        customdata=[label(view.numbered(cluster)) for cluster in clusters],
        hovertemplate="%{customdata}: %{text}<extra></extra>",
    )
    return figure(
        [bar],
        xaxis=axis(range=[0, 1.6 * max([1, *counts])], tickformat=",d", title={"text": "days"}),
        yaxis=_row_axis([label(view.numbered(cluster), _LABEL_WIDTH) for cluster in clusters], tickfont={"size": 11}),
    )


def _shares(view: ClusterView, table: m.Shares) -> go.Figure:
    rows = list(range(len(table.labels)))
    names = [label(name) for name in table.labels]
    traces = [
        go.Bar(
            x=table.shares[:, column].astype(np.float32),
            y=rows,
            orientation="h",
            name=label(view.numbered(cluster)),
            legendgroup=_group(cluster),
            marker={"color": s.cluster_color(cluster), "line": {"width": 0}},
            customdata=names,
            hovertemplate="%{customdata}<br>%{x:.1%}",
        )
        for column, cluster in enumerate([*range(view.k), NOISE])
        if cluster != NOISE or view.noise
    ]
    labels = [
        f"{label(name, _LABEL_WIDTH)} ({days:,})" for name, days in zip(table.labels, table.days.tolist(), strict=True)
    ]
    return figure(
        traces,
        barmode="stack",
        bargap=0.15,
        xaxis=axis(range=[0, 1], tickformat=".0%"),
        yaxis=_row_axis(labels, tickfont={"size": 11}),
    )


def _silhouette_section(view: ClusterView) -> Section:
    charts = []
    for metric in view.silhouettes:
        mean, known = m.silhouette_mean(view, metric)
        note = f"mean {mean:.3f} (dashed) of {known:,} days" if known else "not known of any day"
        charts.append(Chart(_silhouettes(view, metric), 24 * view.k + 260 if known else 120, metric, note))
    text = (
        "How much nearer each day is to its own cluster than to the next: 1 is best, below 0 it is nearer to another. "
        "The days of a cluster stand on top of each other, by silhouette."
    )
    return Section("Silhouettes", text, charts, width="wide")


def _silhouettes(view: ClusterView, metric: str) -> go.Figure:
    blocks = m.silhouette_blocks(view, metric, _SILHOUETTES_DRAWN)
    mean, known = m.silhouette_mean(view, metric)
    traces = []
    for block in blocks:
        outline = m.block_outline(block).astype(np.float32)
        words = f"{label(view.numbered(block.cluster))}<br>mean {s.decimals(block.mean, 3)}"
        traces.append(
            go.Scatter(
                x=outline[:, 0],
                y=outline[:, 1],
                fill="toself",
                fillcolor=s.cluster_color(block.cluster),
                line={"color": s.cluster_color(block.cluster), "width": 0.5},
                mode="lines",
                hoveron="fills",
                text=words,
                hoverinfo="text",
            )
        )
    height = blocks[0].top if blocks else 1.0
    upwards = blocks[::-1]
    middles = [(block.bottom + block.top) / 2 for block in upwards]
    marks = [{"type": "line", "x0": mean, "x1": mean, "yref": "paper", "y0": 0, "y1": 1}] if known else []
    return figure(
        traces,
        shapes=[mark | {"line": {"color": _GREY, "width": 1.5, "dash": "dash"}} for mark in marks],
        xaxis=axis(title={"text": "silhouette"}),
        yaxis=axis(
            tickvals=m.spread(middles, 0.03 * height, 0.0, height),
            ticktext=[str(block.cluster) for block in upwards],
            range=[-0.01 * height, 1.01 * height],
            showgrid=False,
            zeroline=False,
            tickfont={"size": 10},
        ),
    )


def _tree_charts(view: ClusterView) -> list[Chart]:
    if view.tree is None or view.k < 2:
        return []
    top = m.tree_top(view)
    x: list[float | None] = []
    y: list[float | None] = []
    legs = []
    for joint, (places, heights) in enumerate(zip(top.positions, top.heights, strict=True)):
        x += [*heights, None]
        y += [*places, None]
        for right in (False, True):
            cluster = top.leg_cluster(joint, right)
            if cluster is not None:
                corners = slice(2, 4) if right else slice(0, 2)
                legs.append(
                    go.Scatter(
                        x=heights[corners],
                        y=places[corners],
                        mode="lines",
                        line={"color": s.cluster_color(cluster), "width": 4},
                        name=label(view.numbered(cluster)),
                        hovertemplate="joined at %{x:.3f}",
                    )
                )
    joints = go.Scatter(
        x=x, y=y, mode="lines", line={"color": _GREY, "width": 1.5}, hovertemplate="%{x:.3f}<extra></extra>"
    )
    labels = [f"{label(view.numbered(cluster), _LABEL_WIDTH)} ({_count(view, cluster):,})" for cluster in top.clusters]
    drawn = figure(
        [joints, *legs],
        xaxis=axis(range=[0, 1.03 * float(top.heights.max())], title={"text": "distance at which clusters are joined"}),
        yaxis=_row_axis(labels, tickfont={"size": 11}),
    )
    return [_rows_chart(drawn)]


def _map_charts(view: ClusterView) -> list[Chart]:
    if view.som_weights is None or view.som_positions is None:
        return []
    clusters = m.neuron_clusters(view)
    rows, columns = clusters.shape
    words = [
        f"row {row}, column {column}<br>"
        + (f"{label(view.numbered(int(cluster)))}, {_size(view, int(cluster))}" if cluster >= 0 else "no days")
        for (row, column), cluster in np.ndenumerate(clusters)
    ]
    cells = go.Heatmap(
        z=m.u_matrix(view.som_weights).astype(np.float32),
        x=list(range(columns)),
        y=list(range(rows)),
        zmin=0,
        meta="distances",
        showscale=False,
        xgap=2,
        ygap=2,
        customdata=np.array(words, dtype=object).reshape(rows, columns).tolist(),
        hovertemplate="%{customdata}<br>mean distance %{z:.3f}<extra></extra>",
    )
    lines = [
        go.Scatter(
            x=(line[:, 0] - 0.5).astype(np.float32),
            y=(line[:, 1] - 0.5).astype(np.float32),
            mode="lines",
            line={
                "color": s.cluster_color(int(cluster)) if cluster >= 0 else _GREY,
                "width": 2,
                "dash": "solid" if cluster >= 0 else "dot",
            },
            hoverinfo="skip",
        )
        for line, cluster in zip(m.prototype_lines(view.som_weights), clusters.ravel(), strict=True)
    ]
    names = [
        f"{cluster}: {_count(view, int(cluster)):,}" if cluster >= 0 else "no days" for cluster in clusters.ravel()
    ]
    texts = go.Scatter(
        x=[place % columns for place in range(rows * columns)],
        y=[place // columns - 0.38 for place in range(rows * columns)],
        mode="text",
        text=names,
        textfont={"size": 10},
        hoverinfo="skip",
    )
    drawn = figure(
        [cells, *lines, texts],
        xaxis=axis(range=[-0.5, columns - 0.5], tickvals=list(range(columns)), showgrid=False, zeroline=False),
        yaxis=axis(range=[rows - 0.5, -0.5], tickvals=list(range(rows)), showgrid=False, zeroline=False),
    )
    return [Chart(drawn, min(1400, 100 * rows + 40))]


def _curve_section(view: ClusterView) -> Section:
    heading, text = "Choice of the number of clusters", f"{view.k} was chosen (dashed)."
    if view.curve is None:
        return Section(heading, text, [])
    charts = []
    for column in [str(name) for name in view.curve.columns if name != "k"]:
        line = go.Scatter(
            x=view.curve["k"].to_numpy(),
            y=view.curve[column].to_numpy(dtype=np.float64),
            mode="lines+markers",
            line={"color": s.cluster_color(0)},
            hovertemplate="%{x} clusters: %{y:.4g}<extra></extra>",
        )
        mark = {"type": "line", "x0": view.k, "x1": view.k, "yref": "paper", "y0": 0, "y1": 1}
        drawn = figure(
            [line],
            shapes=[mark | {"line": {"color": s.cluster_color(1), "width": 1.5, "dash": "dash"}}],
            xaxis=axis(title={"text": "number of clusters"}, zeroline=False, nticks=10),
            yaxis=axis(zeroline=False),
        )
        charts.append(Chart(drawn, 260, column.replace("_", " ")))
    return Section(heading, text, charts, width="narrow")
