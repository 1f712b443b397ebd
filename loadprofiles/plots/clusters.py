"""Pictures of one clustering, as matplotlib Figures."""

from collections.abc import Sequence
from typing import Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from loadprofiles.errors import ParameterError
from loadprofiles.plots import measures as m
from loadprofiles.plots import style as s
from loadprofiles.plots.view import NOISE, ClusterView

_BAND_ALPHAS: Final = ((0, 3, 0.18), (1, 2, 0.30))
"""The two of `BAND_QUANTILES` that a band lies between, and how dark it is drawn."""

_SHARE_COLORS: Final = LinearSegmentedColormap.from_list(
    "shares", ["#F1F4F7", "#B5D3E8", "#5BA3CF", "#1B6AA5", "#0B3C6F", "#04203F"]
)
_DISTANCE_COLORS: Final = LinearSegmentedColormap.from_list("distances", ["#FFFFFF", "#DDE1E5", "#A9B0B8"])
_NO_DATA: Final = {"facecolor": "white", "hatch": "//////", "edgecolor": "#C4C9CE", "linewidth": 0.0}
_TITLE_LENGTH: Final = 44
_PIE_LABEL_SHARE: Final = 0.015
_LABEL_FONT: Final = 8


def cluster_centers(view: ClusterView) -> Figure:
    """Small multiples: each cluster's representative over the middle 50 % and 90 % of its days."""
    figure, axes = s.small_multiples(view.k, (3.4, 2.5))
    bands = m.quantile_bands(view)
    limits = s.padded(np.concatenate([bands.ravel(), view.representatives.ravel()]))
    ticks = s.ticks_within(limits)
    for cluster, axis in enumerate(axes):
        color = s.cluster_color(cluster)
        for low, high, alpha in _BAND_ALPHAS:
            axis.fill_between(view.hours, bands[cluster, low], bands[cluster, high], color=color, alpha=alpha, lw=0)
        axis.plot(view.hours, view.representatives[cluster], color=color, lw=2)
        _panel_title(axis, view, cluster)
        s.panel_axes(axis, cluster, view.k, ((0, 24), range(0, 25, 6)), (limits, ticks))
    s.edge_labels(figure, "local hour", "energy, l2-normalised")
    s.headline(figure, f"{view.title}: {view.kind} over the middle 50 % and 90 % of days", *_noise_words(view))
    return figure


def _panel_title(axis: Axes, view: ClusterView, cluster: int) -> None:
    name = s.plain(s.shortened(view.numbered(cluster), _TITLE_LENGTH))
    axis.set_title(f"{name}\n{s.day_count(int(view.sizes[cluster]))}", fontsize=9)


def _noise_words(view: ClusterView) -> list[str]:
    return [f"{s.day_count(view.noise)} in no cluster"] if view.noise else []


def cluster_sizes(view: ClusterView) -> Figure:
    """Share of the days in each cluster, and in none."""
    clusters = [*range(view.k), *([NOISE] if view.noise else [])]
    counts = np.array([*view.sizes, *([view.noise] if view.noise else [])])
    shares = counts / counts.sum()
    figure = Figure(figsize=(9, max(4.5, 0.205 * len(clusters) + 0.6)), layout="constrained")
    axis = figure.subplots()
    axis.pie(
        counts,
        labels=[
            "" if share < _PIE_LABEL_SHARE else "none" if cluster == NOISE else str(cluster)
            for cluster, share in zip(clusters, shares, strict=True)
        ],
        colors=[s.cluster_color(cluster) for cluster in clusters],
        counterclock=False,
        startangle=90,
        wedgeprops={"edgecolor": "white", "linewidth": 0.5},
    )
    s.key(
        figure,
        clusters,
        [
            f"{s.shortened(view.numbered(cluster), _TITLE_LENGTH)}: {s.day_count(int(count))}, {s.percent(share)}"
            for cluster, count, share in zip(clusters, counts, shares, strict=True)
        ],
    )
    axis.set_title(s.plain(f"{view.title}: sizes of the clusters, {s.day_count(len(view.labels))}"), fontsize=11)
    return figure


def calendar(view: ClusterView) -> Figure:
    """Per cluster, month by weekday: which share of those days fell into the cluster; hatched where there are none."""
    shares = m.calendar_shares(view)
    known = shares[np.isfinite(shares)]
    top = float(known.max()) if len(known) and known.max() > 0 else 1.0
    # The square root, for one large cluster not to make all others pale.
    scale = PowerNorm(0.5, vmin=0, vmax=top)
    figure, axes = s.small_multiples(view.k, (3.4, 2.1), right=0.75, foot=0.3)
    for cluster, axis in enumerate(axes):
        axis.patch.set(**_NO_DATA)
        mesh = axis.pcolormesh(np.ma.masked_invalid(shares[cluster]), cmap=_SHARE_COLORS, norm=scale)
        axis.set(xlim=(0, 12), ylim=(7, 0))
        _calendar_labels(axis, lowest=s.is_lowest(cluster, view.k), leftmost=s.is_leftmost(cluster))
        _panel_title(axis, view, cluster)
    width, height = figure.get_size_inches()
    tall = min(height - 1.2, 4.0)
    bar = figure.add_axes((1 - 0.8 / width, 0.5 - tall / 2 / height, 0.15 / width, tall / height))
    figure.colorbar(mesh, cax=bar, format=PercentFormatter(1, decimals=0 if top > 0.05 else 1))
    bar.tick_params(labelsize=_LABEL_FONT)
    blank = ["hatched: no data"] if len(known) < shares.size else []
    s.headline(figure, f"{view.title}: share of days by month and weekday", *blank, *_noise_words(view))
    return figure


def _calendar_labels(axis: Axes, *, lowest: bool, leftmost: bool) -> None:
    """Months and weekdays as text: ticks of matplotlib would take longer than all the rest of the figure."""
    axis.xaxis.set_visible(False)
    axis.yaxis.set_visible(False)
    for place, month in enumerate(m.MONTHS if lowest else ()):
        axis.text(place + 0.5, 7.25, month[0], fontsize=_LABEL_FONT, ha="center", va="top")
    for place, weekday in enumerate(m.WEEKDAYS if leftmost else ()):
        axis.text(-0.2, place + 0.5, weekday, fontsize=_LABEL_FONT, ha="right", va="center")


def shares(view: ClusterView) -> Figure:
    """Stacked bars: how each meter's days, and each group's, are shared out among the clusters."""
    tables = m.share_tables(view)
    rows = [len(table.labels) for table in tables]
    heights = [0.27 * max(2, count) for count in rows]
    clusters = [*range(view.k), *([NOISE] if view.noise else [])]
    height = sum(heights) + 0.7 * len(tables) + 0.5
    spare = max(0.01, 0.205 * len(clusters) + 0.7 - height)
    figure = Figure(figsize=(12, height + spare), layout="constrained")
    grid = figure.add_gridspec(len(tables) + 1, 1, height_ratios=[*heights, spare])
    axes = [figure.add_subplot(grid[row]) for row in range(len(tables))]
    for axis, table in zip(axes, tables, strict=True):
        _share_bars(axis, table)
    s.key(figure, clusters, [s.shortened(view.numbered(cluster), _TITLE_LENGTH) for cluster in clusters])
    figure.suptitle(s.plain(f"{view.title}: shares of the clusters"), fontsize=11)
    return figure


def _share_bars(axis: Axes, table: m.Shares) -> None:
    edges = np.concatenate([np.zeros((len(table.labels), 1)), table.shares.cumsum(axis=1)], axis=1)
    rows, columns = np.nonzero(table.shares)
    left, right = edges[rows, columns], edges[rows, columns + 1]
    corners = np.stack([left, rows - 0.4, left, rows + 0.4, right, rows + 0.4, right, rows - 0.4], axis=1)
    colors = [s.cluster_color(NOISE if column == table.shares.shape[1] - 1 else int(column)) for column in columns]
    axis.add_collection(
        PolyCollection(corners.reshape(-1, 4, 2).tolist(), facecolors=colors, edgecolors="white", linewidths=0.3)
    )
    axis.set(xlim=(0, 1), ylim=(len(table.labels) - 0.4, -0.6))
    axis.set_yticks(range(len(table.labels)), [_row_label(label) for label in table.labels], fontsize=7)
    axis.tick_params(length=0, labelsize=_LABEL_FONT)
    axis.xaxis.set_major_formatter(PercentFormatter(1))
    for row, days in enumerate(table.days):
        axis.annotate(
            s.day_count(int(days)), (1, row), (4, 0), textcoords="offset points", fontsize=_LABEL_FONT, va="center"
        )
    axis.set_title(s.plain(table.title), fontsize=10, loc="left")
    axis.spines[:].set_visible(False)


def _row_label(label: str) -> str:
    return "\n".join(s.plain(line) for line in s.wrapped(label, _TITLE_LENGTH))


def silhouettes(view: ClusterView) -> Figure:
    """The silhouette plot (Rousseeuw 1987), one panel a metric: each cluster's days by their silhouette.

    Raises:
        ParameterError: no silhouettes are known.
    """
    if not view.silhouettes:
        raise ParameterError(f"{view.title}: no silhouettes are known")
    count = len(view.silhouettes)
    left, panel, between, right, top, foot = 2.9, 3.7, 1.05, 0.6, 0.7, 0.55
    width = left + count * panel + (count - 1) * between + right
    height = max(4.5, 0.27 * view.k + 1.4)
    figure = Figure(figsize=(width, height))
    for place, metric in enumerate(view.silhouettes):
        x = (left + place * (panel + between)) / width
        axis = figure.add_axes((x, foot / height, panel / width, 1 - (top + foot) / height))
        _silhouette_panel(axis, view, metric, named=place == 0)
    s.headline(figure, f"{view.title}: silhouettes, and each cluster's mean")
    return figure


def _silhouette_panel(axis: Axes, view: ClusterView, metric: str, *, named: bool) -> None:
    blocks = m.silhouette_blocks(view, metric)
    mean, known = m.silhouette_mean(view, metric)
    of = "" if known == len(view.labels) else f" of {len(view.labels):,}"
    axis.set_title(s.plain(f"{metric}, {known:,}{of} days: mean {mean:.3f}"), fontsize=10)
    axis.set_xlabel("silhouette", fontsize=9)
    axis.tick_params(labelsize=_LABEL_FONT, left=False, labelleft=False)
    axis.grid(axis="x", alpha=0.25)
    axis.axvline(0, color="black", lw=0.6)
    if not blocks:
        return
    colors = [s.cluster_color(block.cluster) for block in blocks]
    outlines = [m.block_outline(block).tolist() for block in blocks]
    axis.add_collection(PolyCollection(outlines, facecolors=colors, edgecolors=colors, linewidths=0.4))
    axis.axvline(mean, color="black", ls="--", lw=1)
    height = blocks[0].top
    axis.set_xlim(*s.padded(np.array([0.0, *(block.bars[i] for block in blocks for i in (0, -1))]), 0.03))
    axis.set_ylim(-0.01 * height, 1.01 * height)
    _silhouette_labels(axis, view, blocks, named=named)


def _silhouette_labels(axis: Axes, view: ClusterView, blocks: Sequence[m.SilhouetteBlock], *, named: bool) -> None:
    """Number and name at the left, mean at the right, moved apart where clusters are too thin for a line of text."""
    upwards = blocks[::-1]
    height = blocks[0].top
    inches = axis.bbox.height / axis.figure.dpi
    middles = [(block.bottom + block.top) / 2 for block in upwards]
    places = m.spread(middles, 0.165 * height / inches, 0.0, height)
    beside = axis.get_yaxis_transform()
    leaders = []
    for block, middle, place in zip(upwards, middles, places, strict=True):
        label = s.shortened(view.numbered(block.cluster), 40) if named else str(block.cluster)
        axis.text(-0.06, place, s.plain(label), transform=beside, ha="right", va="center", fontsize=_LABEL_FONT)
        axis.text(
            1.06, place, s.decimals(block.mean, 2), transform=beside, ha="left", va="center", fontsize=_LABEL_FONT
        )
        for edge, end in ((0, -0.05), (1, 1.05)):
            leaders.append([(edge, middle), (end, place)])
    colors = [s.cluster_color(block.cluster) for block in upwards for _ in range(2)]
    axis.add_collection(LineCollection(leaders, colors=colors, linewidths=0.7, transform=beside, clip_on=False), False)


def dendrogram(view: ClusterView) -> Figure:
    """The top of the tree, down to the clusters.

    Raises:
        ParameterError: there is no tree, or the clusters are not those of the tree.
    """
    top = m.tree_top(view)
    figure = Figure(figsize=(9, 0.3 * view.k + 1.3), layout="constrained")
    axis = figure.subplots()
    segments, colors = [], []
    for joint, (places, heights) in enumerate(zip(top.positions, top.heights, strict=True)):
        for first, leg in ((0, top.leg_cluster(joint, False)), (1, None), (2, top.leg_cluster(joint, True))):
            segments.append([(heights[i], places[i]) for i in (first, first + 1)])
            colors.append("#555555" if leg is None else s.cluster_color(leg))
    widths = [1.2 if color == "#555555" else 2.5 for color in colors]
    axis.add_collection(LineCollection(segments, colors=colors, linewidths=widths, capstyle="projecting"))
    axis.set(xlim=(0, 1.03 * top.heights.max()), ylim=(view.k - 0.5, -0.5))
    axis.set_yticks(range(view.k), [s.plain(_leaf_label(view, cluster)) for cluster in top.clusters], fontsize=9)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x", alpha=0.25)
    axis.spines[["left", "right", "top"]].set_visible(False)
    axis.set_xlabel("distance at which clusters are joined", fontsize=9)
    axis.set_title(s.plain(f"{view.title}: the top of the tree"), fontsize=11)
    return figure


def _leaf_label(view: ClusterView, cluster: int) -> str:
    return f"{s.shortened(view.numbered(cluster), _TITLE_LENGTH)}, {s.day_count(int(view.sizes[cluster]))}"


def som_map(view: ClusterView) -> Figure:
    """The map of neurons: each one's prototype and days on its mean distance to those beside it (U-matrix).

    Raises:
        ParameterError: the view is not of a SOM.
    """
    clusters = m.neuron_clusters(view)
    weights = np.asarray(view.som_weights, dtype=np.float64)
    rows, columns = clusters.shape
    tall = min(1.1, 14 / rows)
    size = (max(1.6 * columns, 3.0) + 4.6, max(tall * rows + 0.9, 0.205 * view.k + 0.9, 2.6))
    figure = Figure(figsize=size, layout="constrained")
    axis = figure.subplots()
    mesh = axis.pcolormesh(m.u_matrix(weights), cmap=_DISTANCE_COLORS, vmin=0, edgecolors="white", linewidth=2)
    axis.add_collection(
        LineCollection(
            list(m.prototype_lines(weights)),
            colors=[s.cluster_color(int(cluster)) if cluster >= 0 else "#555555" for cluster in clusters.ravel()],
            linestyles=["solid" if cluster >= 0 else "dotted" for cluster in clusters.ravel()],
            linewidths=2,
        )
    )
    for (row, column), cluster in np.ndenumerate(clusters):
        text = f"{cluster}: {s.day_count(int(view.sizes[cluster]))}" if cluster >= 0 else "no days"
        style = "normal" if cluster >= 0 else "italic"
        axis.text(column + 0.5, row + 0.06, text, fontsize=_LABEL_FONT, ha="center", va="top", style=style)
    axis.set(xlim=(0, columns), ylim=(rows, 0))
    axis.set_xticks(np.arange(columns) + 0.5, [str(column) for column in range(columns)])
    axis.set_yticks(np.arange(rows) + 0.5, [str(row) for row in range(rows)])
    axis.tick_params(length=0, labelsize=_LABEL_FONT)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(mesh, ax=axis, shrink=min(1.0, 4 / size[1]), aspect=15)
    bar.set_label("mean distance to the neurons beside it", fontsize=9, labelpad=8)
    bar.ax.tick_params(labelsize=_LABEL_FONT)
    s.key(figure, range(view.k), [s.shortened(view.numbered(cluster), _TITLE_LENGTH) for cluster in range(view.k)])
    axis.set_title(s.plain(f"{view.title}: map of the neurons"), fontsize=11)
    return figure


def k_curve(curve: pd.DataFrame, chosen: int) -> Figure:
    """Silhouette over the number of clusters, and the mean rank if it was chosen by ranks; the chosen one is marked.

    Args:
        curve: columns `k` and `silhouette`, and perhaps `mean_rank`.
        chosen: the number of clusters.
    """
    panels = [("silhouette", "silhouette, higher is better")]
    if "mean_rank" in curve.columns:
        panels.append(("mean_rank", "mean rank of the indices, lower is better"))
    figure = Figure(figsize=(6, 3.5 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axis, (column, label) in zip(axes, panels, strict=True):
        axis.plot(curve["k"], curve[column], marker="o", color=s.cluster_color(0))
        axis.axvline(chosen, color=s.cluster_color(1), ls="--", label=f"chosen: {chosen}")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.set(xlabel="number of clusters", ylabel=label)
        axis.legend(frameon=False)
        axis.grid(alpha=0.25)
    axes[0].set_title("Choice of the number of clusters")
    return figure
