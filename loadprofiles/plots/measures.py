"""The numbers behind the figures, so that a picture and a page show the same ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.cluster.hierarchy import dendrogram, leaves_list, linkage

from loadprofiles.errors import ParameterError
from loadprofiles.plots.view import NOISE, ClusterView, Floats, Ints

BAND_QUANTILES: Final = (0.05, 0.25, 0.75, 0.95)
"""Quantiles of a cluster's days: the outer two hold 90 % of them, the inner two 50 %."""

METERS_SHOWN: Final = 40
"""Bars of a table of shares, at most."""

SILHOUETTES_DRAWN: Final = 2_000
"""Bars of a silhouette plot, at most."""

MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

_UNKNOWN: Final = "unknown"


def quantile_bands(view: ClusterView) -> Floats:
    """BAND_QUANTILES of each cluster's days at each step, (k, 4, steps); NaN for a cluster without days."""
    bands = np.full((view.k, len(BAND_QUANTILES), view.profiles.shape[1]), np.nan)
    for cluster in np.flatnonzero(view.sizes):
        bands[cluster] = np.quantile(view.profiles[view.labels == cluster], BAND_QUANTILES, axis=0)
    return bands


def calendar_shares(view: ClusterView) -> Floats:
    """Of the days of each weekday and month, over all years, the share in each cluster, (k, 7, 12).

    Mondays and January come first. NaN where there is no day, in whatever cluster. The clusters' shares add up
    to one, less the share of days in no cluster.
    """
    days = view.dates.astype("datetime64[D]").astype(np.int64)
    months = view.dates.astype("datetime64[M]").astype(np.int64) % 12
    # The day 0 of numpy, 1970-01-01, was a Thursday.
    cells = (days + 3) % 7 * 12 + months
    whole = np.bincount(cells, minlength=84)
    inside = view.labels != NOISE
    counts = np.bincount(view.labels[inside] * 84 + cells[inside], minlength=view.k * 84).reshape(view.k, 84)
    shares = np.divide(counts, whole, out=np.full(counts.shape, np.nan), where=whole > 0)
    by_weekday: Floats = shares.reshape(view.k, 7, 12)
    return by_weekday


@dataclass(frozen=True, eq=False)
class Shares:
    """How the days of each meter, or of each sector, are shared out among the clusters.

    Attributes:
        what: "meter", or the name of the group.
        labels: of the m rows, similar ones beside each other, and the unknown last.
        days: (m,).
        shares: (m, k + 1), each row adding up to one; the last column is of days in no cluster.
        left_out: rows that were left out, because they have the fewest days.
    """

    what: str
    labels: tuple[str, ...]
    days: Ints
    shares: Floats
    left_out: int

    @property
    def title(self) -> str:
        """What the rows are, and which of them."""
        if not self.left_out:
            return f"by {self.what}"
        return f"by {self.what}: the {len(self.labels)} of {len(self.labels) + self.left_out} with the most days"


def share_tables(view: ClusterView, most: int = METERS_SHOWN) -> list[Shares]:
    """The shares by meter and by each of the groups; of each the `most` with the most days."""
    return [_shares(view, "meter", view.meters, most)] + [
        _shares(view, name, values, most) for name, values in view.groups.items()
    ]


def _shares(view: ClusterView, what: str, values: npt.NDArray[Any], most: int) -> Shares:
    codes, found = pd.factorize(pd.Series(values, dtype=object).fillna("").astype(str))
    columns = np.where(view.labels == NOISE, view.k, view.labels)
    flat = np.bincount(codes * (view.k + 1) + columns, minlength=len(found) * (view.k + 1))
    counts = flat.reshape(len(found), view.k + 1)
    days = counts.sum(axis=1)
    kept = np.sort(np.argsort(-days, kind="stable")[:most])
    shares = counts / days[:, None]
    known = [row for row in kept if found[row]]
    order = [known[place] for place in _similar_together(shares[known])] + [row for row in kept if not found[row]]
    labels = tuple(str(found[row]) or _UNKNOWN for row in order)
    return Shares(what, labels, days[order], shares[order], len(found) - len(order))


def _similar_together(rows: Floats) -> list[int]:
    """An order of the rows in which similar ones are neighbours (Bar-Joseph et al. 2001)."""
    if len(rows) < 2:
        return list(range(len(rows)))
    order: list[int] = leaves_list(linkage(rows, "average", optimal_ordering=True)).tolist()
    # Either direction is as good: the lower clusters come first.
    return order if rows[order[0]].argmax() <= rows[order[-1]].argmax() else order[::-1]


@dataclass(frozen=True, eq=False)
class SilhouetteBlock:
    """One cluster's silhouettes as a block of bars on top of each other.

    Attributes:
        cluster: its number.
        bottom: where the block begins, in days.
        top: where it ends; `top - bottom` days have a silhouette that is known.
        bars: silhouettes, ascending; of many, evenly picked ones, the lowest and the highest among them.
        mean: of all, not only of those picked.
    """

    cluster: int
    bottom: float
    top: float
    bars: Floats
    mean: float


def silhouette_blocks(view: ClusterView, metric: str, most: int = SILHOUETTES_DRAWN) -> list[SilhouetteBlock]:
    """The silhouette plot (Rousseeuw 1987) of one metric, cluster 0 at the top, with at most `most` bars.

    A cluster without a known silhouette has no block.
    """
    values = view.silhouettes[metric]
    known = [np.sort(values[(view.labels == cluster) & np.isfinite(values)]) for cluster in range(view.k)]
    total = sum(map(len, known))
    gap = 0.004 * total
    blocks = []
    top = float(total + gap * (view.k - 1))
    for cluster, mine in enumerate(known):
        if not len(mine):
            continue
        # Rounded down, and one more: the sum stays below `most`, and no cluster is without a bar.
        bars = len(mine) if total <= most else min(len(mine), len(mine) * max(0, most - view.k) // total + 1)
        picked = np.linspace(len(mine) - 1 if bars == 1 else 0, len(mine) - 1, bars).round().astype(int)
        blocks.append(SilhouetteBlock(cluster, top - len(mine), top, mine[picked], float(mine.mean())))
        top -= len(mine) + gap
    return blocks


def block_outline(block: SilhouetteBlock) -> Floats:
    """The corners of a block whose bars stand on top of each other, (corners, 2)."""
    edges = np.repeat(np.linspace(block.bottom, block.top, len(block.bars) + 1), 2)[1:-1]
    steps = np.stack([np.repeat(block.bars, 2), edges], axis=1)
    return np.concatenate([[[0, block.bottom]], steps, [[0, block.top]]])


def silhouette_mean(view: ClusterView, metric: str) -> tuple[float, int]:
    """Mean of the silhouettes that are known, NaN if none is, and of how many."""
    values = view.silhouettes[metric][view.labels != NOISE]
    values = values[np.isfinite(values)]
    return (float(values.mean()) if len(values) else float("nan")), len(values)


@dataclass(frozen=True, eq=False)
class TreeTop:
    """The top of an agglomerative clustering's tree, down to its clusters.

    Attributes:
        clusters: the k clusters in the order of the leaves; leaf i stands at i.
        positions: (k - 1, 4), where the corners of each joint stand among the leaves.
        heights: (k - 1, 4), the distances of the same corners; a leaf's is 0.
        foot: the least distance at which two clusters were joined.
    """

    clusters: tuple[int, ...]
    positions: Floats
    heights: Floats
    foot: float

    def leg_cluster(self, joint: int, right: bool) -> int | None:
        """The cluster at whose leaf a joint's left or right leg ends, or None if it ends at another joint."""
        corner = 3 if right else 0
        position = float(self.positions[joint, corner])
        if self.heights[joint, corner] > 0 or position != round(position):
            return None
        return self.clusters[round(position)]


def tree_top(view: ClusterView) -> TreeTop:
    """The tree of the view, cut where it has k leaves.

    Raises:
        ParameterError: there is no tree, fewer than two clusters, or the clusters are not those of the tree.
    """
    if view.tree is None or view.k < 2:
        raise ParameterError(f"{view.title}: there is no tree of at least two clusters to draw")
    drawn = dendrogram(view.tree, truncate_mode="lastp", p=view.k, no_plot=True)
    n = len(view.profiles)
    sizes = [1 if leaf < n else int(view.tree[leaf - n, 3]) for leaf in drawn["leaves"]]
    clusters = tuple(int(view.labels[_member(view.tree, leaf)]) for leaf in drawn["leaves"])
    if sorted(clusters) != list(range(view.k)) or sizes != view.sizes[list(clusters)].tolist():
        raise ParameterError(f"{view.title}: the tree, cut into {view.k}, does not give these clusters")
    # scipy puts leaf i at 5 + 10 i.
    positions = (np.array(drawn["icoord"]) - 5) / 10
    heights = np.array(drawn["dcoord"])
    return TreeTop(clusters, positions, heights, float(heights.max(axis=1).min()))


def _member(tree: Floats, node: int) -> int:
    """A profile below a node of a linkage."""
    n = len(tree) + 1
    while node >= n:
        node = int(tree[node - n, 0])
    return node


def u_matrix(weights: Floats) -> Floats:
    """Mean Euclidean distance of each neuron to those beside it, up to eight (Ultsch & Siemon 1990).

    Args:
        weights: (rows, columns, steps).

    Returns:
        (rows, columns); 0 for a map of one neuron.
    """
    rows, columns = weights.shape[:2]
    sums = np.zeros((rows, columns))
    counts = np.zeros((rows, columns))
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = (slice(0, rows - down), slice(max(0, -right), columns - max(0, right)))
        there = (slice(down, rows), slice(max(0, right), columns - max(0, -right)))
        distances = np.linalg.norm(weights[here] - weights[there], axis=2)
        for side in (here, there):
            sums[side] += distances
            counts[side] += 1
    return np.divide(sums, counts, out=sums, where=counts > 0)


def neuron_clusters(view: ClusterView) -> Ints:
    """The cluster of each neuron of the map, -1 for a neuron without days, (rows, columns).

    Raises:
        ParameterError: the view is not of a SOM.
    """
    if view.som_weights is None or view.som_positions is None:
        raise ParameterError(f"{view.title}: there is no map of neurons to draw")
    clusters = np.full(view.som_weights.shape[:2], NOISE, dtype=np.int64)
    clusters[view.som_positions[:, 0], view.som_positions[:, 1]] = np.arange(view.k)
    return clusters


def prototype_lines(weights: Floats) -> Floats:
    """Each neuron's prototype as a line inside its cell, all at one scale; shape (neurons, steps, 2).

    The cell of row r and column c spans c..c + 1 to the right and r..r + 1 downwards.

    Args:
        weights: (rows, columns, steps).
    """
    rows, columns, steps = weights.shape
    low, high = float(weights.min()), float(weights.max())
    scaled = (weights - low) / ((high - low) or 1.0)
    across = np.linspace(0.1, 0.9, steps) + np.arange(columns)[None, :, None] + np.zeros((rows, 1, 1))
    up = np.arange(rows)[:, None, None] + 0.92 - 0.62 * scaled
    return np.stack([across, up], axis=3).reshape(rows * columns, steps, 2)


def spread(positions: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Positions moved apart as little as needed for labels at them not to overlap.

    Args:
        positions: ascending.
        least: distance between neighbours; less if they would not all fit.
        low: no position is below it.
        high: nor above it.
    """
    if not positions:
        return []
    least = min(least, (high - low) / max(1, len(positions) - 1))
    up = [max(low, positions[0])]
    for position in positions[1:]:
        up.append(max(position, up[-1] + least))
    down = [min(high, up[-1])]
    for position in reversed(up[:-1]):
        down.append(min(position, down[-1] - least))
    return down[::-1]
