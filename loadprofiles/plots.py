"""Every figure of the project, as matplotlib Figures; shared by steps, notebook and dashboard."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from loadprofiles.tables import atomic_path

Floats = npt.NDArray[np.float64]

_COLUMNS = 4
_BANDS = ((0.05, 0.95, 0.18), (0.25, 0.75, 0.30))
"""Quantiles of the members that a band lies between, and how dark it is drawn."""

_COLORS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D31", "#6A51A3", "#666666", "#B2182B",
    "#1B9E9E", "#A6761D", "#386CB0", "#E7298A", "#66A61E", "#7F3B08", "#3F007D", "#00441B", "#BF812D", "#999999",
)  # fmt: skip
"""Okabe & Ito's palette, which colour-blind readers can tell apart, and more behind it."""


def cluster_color(cluster: int) -> str:
    """The colour a cluster has in every figure."""
    return _COLORS[cluster % len(_COLORS)]


def cluster_centers(
    profiles: Floats, labels: npt.NDArray[np.int64], representatives: Floats, names: Sequence[str], kind: str
) -> Figure:
    """Small multiples: each cluster's representative over the quantile bands of its members.

    Args:
        profiles: Normalised profiles, shape (n, steps).
        labels: Cluster of each, shape (n,).
        representatives: Shape (k, steps).
        names: Of the clusters, k of them.
        kind: What the representatives are: centroid, medoid or barycenter.
    """
    count = len(representatives)
    columns = min(_COLUMNS, count)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(3.4 * columns, 2.5 * rows + 0.7), layout="constrained")
    axes = np.atleast_1d(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)).ravel()
    hours = np.arange(profiles.shape[1]) * 24 / profiles.shape[1]
    for cluster, axis in enumerate(axes):
        if cluster >= count:
            axis.set_visible(False)
            continue
        members = profiles[labels == cluster]
        color = cluster_color(cluster)
        for low, high, alpha in _BANDS:
            axis.fill_between(hours, *np.quantile(members, (low, high), axis=0), color=color, alpha=alpha, lw=0)
        axis.plot(hours, representatives[cluster], color=color, lw=2)
        axis.set_title(f"{cluster} · {names[cluster]}\n{len(members)} days", fontsize=9)
        _hours_axis(axis)
    for axis in axes[:count]:
        axis.tick_params(labelbottom=axis in axes[max(0, count - columns) : count])
    figure.supxlabel("local hour", fontsize=9)
    figure.supylabel("energy, l2-normalised", fontsize=9)
    figure.suptitle(f"Clusters: {kind} over the middle 50 % and 90 % of members", fontsize=11)
    return figure


def _hours_axis(axis: Axes) -> None:
    axis.set_xlim(0, 24)
    axis.set_xticks(range(0, 25, 6))
    axis.grid(alpha=0.25)
    axis.axhline(0, color="black", lw=0.6, alpha=0.5)


def cluster_sizes(labels: npt.NDArray[np.int64], names: Sequence[str]) -> Figure:
    """Share of the profiles in each cluster."""
    counts = np.bincount(labels, minlength=len(names))
    figure = Figure(figsize=(9, 5), layout="constrained")
    axis = figure.subplots()
    wedges, *_ = axis.pie(
        counts,
        labels=[str(cluster) for cluster in range(len(names))],
        colors=[cluster_color(cluster) for cluster in range(len(names))],
        counterclock=False,
        startangle=90,
        wedgeprops={"edgecolor": "white"},
    )
    rows = enumerate(zip(names, counts, strict=True))
    shares = [f"{i} · {name}: {n} days, {n / len(labels):.1%}" for i, (name, n) in rows]
    figure.legend(wedges, shares, loc="outside right center", frameon=False, fontsize=9)
    axis.set_title(f"Cluster sizes, {len(labels)} profiles", fontsize=11)
    return figure


def k_curve(curve: pd.DataFrame, chosen: int) -> Figure:
    """Silhouette over the number of clusters; the chosen one is marked."""
    figure = Figure(figsize=(6, 3.5), layout="constrained")
    axis = figure.subplots()
    axis.plot(curve["k"], curve["silhouette"], marker="o", color=cluster_color(0))
    axis.axvline(chosen, color=cluster_color(1), ls="--", label=f"chosen: {chosen}")
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    axis.set(xlabel="number of clusters", ylabel="silhouette", title="Choice of the number of clusters")
    axis.legend(frameon=False)
    axis.grid(alpha=0.25)
    return figure


def save(figure: Figure, path: Path, dpi: int = 100) -> Path:
    """Write a figure as PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=dpi)
    return path
