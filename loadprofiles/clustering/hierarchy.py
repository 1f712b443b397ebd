"""Agglomerative clustering on the distances between all profiles."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from loadprofiles.choices import LINKAGES
from loadprofiles.clustering.base import (
    Found,
    ProfileClusterer,
    check_numbers,
    distinct_rows,
    means_of,
    medoids_of,
    random_rows,
)
from loadprofiles.clustering.pairs import Pairs
from loadprofiles.distances.checks import Floats
from loadprofiles.errors import ParameterError


class Agglomerative(ProfileClusterer):
    """Agglomerative clustering by Ward's method (Euclidean), average or complete linkage.

    `linkage="auto"` is Ward's with Euclidean distance and average with DTW. Representatives are the centroids, or
    with DTW the medoids: a profile that was not fitted to goes to the nearest, which for those
    fitted to need not be the cluster that the tree has given them.
    With `sample_size` fewer than there are profiles, the tree is that of a random sample, and every profile goes to
    the nearest representative.

    Attributes:
        tree_: the tree, (n - 1, 4), as scipy's.
        tree_rows_: numbers of the profiles that are its leaves.
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        metric: str = "euclidean",
        linkage: str = "auto",
        radius: int | None = 1,
        sample_size: int | None = None,
        random_state: int = 0,
        threads: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.metric = metric
        self.linkage = linkage
        self.radius = radius
        self.sample_size = sample_size
        self.random_state = random_state
        self.threads = threads

    @property
    def kind(self) -> str:  # type: ignore[override]
        """Centroids, or medoids under DTW, where a mean has no meaning."""
        return "medoid" if self.metric == "dtw" else "centroid"

    def _solve(self, values: Floats, pairs: Pairs | None) -> Found:
        linkage = resolved_linkage(self.linkage, self.metric)
        rows = random_rows(len(values), self.sample_size or len(values), self.random_state)
        sampled = rows.size < len(values)
        chosen = values[rows]
        check_numbers(self.n_clusters, distinct_rows(chosen).size)
        own = self._own_pairs(chosen, None if sampled else pairs)
        self.tree_, self.tree_rows_ = own.tree(linkage), rows
        labels = cut(self.tree_, self.n_clusters)
        if self.metric == "dtw":
            representatives = chosen[medoids_of(own.square, labels, self.n_clusters)]
        else:
            representatives = means_of(chosen, labels, self.n_clusters)
        return Found(self._nearest_to(representatives), None if sampled else labels)


def resolved_linkage(linkage: str, metric: str) -> str:
    """The linkage that is meant with a metric: `auto` is Ward's with euclidean, average with dtw.

    Raises:
        ParameterError: It is not known, or Ward's with DTW.
    """
    if linkage not in LINKAGES:
        raise ParameterError(f"linkage is {linkage!r}; it must be one of {', '.join(LINKAGES)}")
    if linkage == "auto":
        return "average" if metric == "dtw" else "ward"
    if linkage == "ward" and metric == "dtw":
        raise ParameterError("linkage ward needs means, which DTW does not have; use average or complete")
    return linkage


def cut(tree: NDArray[np.float64], n_clusters: int) -> NDArray[np.int64]:
    """The cluster (n,) of each leaf when a tree (n - 1, 4) is cut into exactly k, whatever its ties."""
    n_leaves = len(tree) + 1
    merges = np.arange(n_leaves - n_clusters)
    joined = np.repeat(n_leaves + merges, 2)
    parts = tree[merges, :2].astype(np.int64).ravel()
    nodes = n_leaves + merges.size
    graph = coo_array((np.ones(parts.size), (joined, parts)), shape=(nodes, nodes))
    _, labels = connected_components(graph, directed=False)
    return np.unique(labels[:n_leaves], return_inverse=True)[1].astype(np.int64)
