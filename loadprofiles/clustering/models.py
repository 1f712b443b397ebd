"""Clustering of normalised daily load profiles: the models by name, and clusters ordered and named."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loadprofiles.choices import Grid, check_model
from loadprofiles.clustering.base import ProfileClusterer
from loadprofiles.clustering.density import Hdbscan
from loadprofiles.clustering.hierarchy import Agglomerative
from loadprofiles.clustering.kmeans import KMeans
from loadprofiles.clustering.kmedoids import KMedoids
from loadprofiles.clustering.kshape import KShape
from loadprofiles.clustering.mixture import Gmm
from loadprofiles.clustering.naming import order_and_name
from loadprofiles.clustering.pairs import Pairs
from loadprofiles.clustering.som import Som
from loadprofiles.errors import ParameterError
from loadprofiles.representatives import NO_CLUSTER, Clusters

_MINUTES_PER_DAY = 1440


@dataclass(frozen=True)
class ModelSettings:
    """What model to fit, and how.

    Attributes:
        model: one of `choices.MODELS`.
        distance_metric: one of `choices.MODEL_METRICS` of the model.
        radius: half-width of the DTW band in steps; None for no band.
        seed: of all random draws.
        init: where k-means and k-medoids start from, one of `choices.INITS`.
        n_init: starts, of which the best counts; 0 for the model's own number.
        linkage: of agglomerative clustering, one of `choices.LINKAGES`.
        som_grid: rows and columns of the map; None for k×1.
        min_cluster_size: fewest profiles in a cluster of hdbscan; 0 for a hundredth of all.
        sample_size: most profiles of which all pairs are compared; 0 for all.
        threads: how many; None for all processors. No result depends on it.
    """

    model: str
    distance_metric: str = "euclidean"
    radius: int | None = 1
    seed: int = 0
    init: str = "random"
    n_init: int = 0
    linkage: str = "auto"
    som_grid: Grid | None = None
    min_cluster_size: int = 0
    sample_size: int = 0
    threads: int | None = None


@dataclass(frozen=True, eq=False)
class Clustering:
    """Clusters of n profiles, ordered by time of peak.

    Attributes:
        labels: (n,), each profile's cluster, 0..k-1, or NO_CLUSTER; no cluster is empty.
        distances: (n,), to the own representative; of a profile in no cluster, to the nearest.
        inertia: what the model makes small, as of `ProfileClusterer`.
        agreement: share of the profiles that `clusters` assigns to the cluster which the model gave them.
        clusters: representatives and names, ready to be served.
        estimator: the fitted model; its own labels are in another order.
    """

    labels: NDArray[np.int64]
    distances: NDArray[np.float64]
    inertia: float
    agreement: float
    clusters: Clusters
    estimator: ProfileClusterer

    @property
    def n_clusters(self) -> int:
        """The number of clusters that have members."""
        return self.clusters.reference.n_clusters

    @property
    def names(self) -> tuple[str, ...]:
        """Readable names of the clusters, all different."""
        return self.clusters.names

    @property
    def representatives(self) -> NDArray[np.float64]:
        """Shape (k, points), in the profiles' unit."""
        return self.clusters.reference.representatives


def make_model(settings: ModelSettings, n_clusters: int) -> ProfileClusterer:
    """The estimator of a model.

    Args:
        settings: What is asked for.
        n_clusters: k; without effect on hdbscan.

    Raises:
        ParameterError: The model does not work with the distance metric.
    """
    check_model(settings.model, settings.distance_metric)
    return _MAKERS[settings.model](settings, n_clusters)


def fit(profiles: ArrayLike, settings: ModelSettings, n_clusters: int, pairs: Pairs | None = None) -> Clustering:
    """Cluster profiles.

    Args:
        profiles: (n, points), normalised, finite; local days starting at midnight.
        settings: The model and its parameters.
        n_clusters: k, from 2 to the number of distinct profiles; without effect on hdbscan.
        pairs: The distances between the profiles under the metric, for models that work on them; else computed.

    Returns:
        The clusters, ordered and named by `order_and_name`; the same for the same arguments.

    Raises:
        ParameterError: A value that cannot be used; the message names it.
        EmptyResultError: The model found no cluster.
    """
    estimator = make_model(settings, n_clusters).fit(profiles, pairs=pairs)
    order, names = order_and_name(estimator.representatives_, _resolution_minutes(estimator.n_features_in_))
    reference = estimator.reference_.take(order)
    labels, distances = np.append(np.argsort(order), NO_CLUSTER)[estimator.labels_], estimator.distances_
    if estimator.is_nearest_:
        # Of equally near representatives the first counts, and the order is another one now: one may lose all its days.
        labels, distances = reference.assign(profiles, settings.threads)
        present = np.unique(labels[labels != NO_CLUSTER])
        reference, names = reference.take(present), tuple(names[cluster] for cluster in present)
        labels = np.where(labels == NO_CLUSTER, NO_CLUSTER, np.searchsorted(present, labels))
    return Clustering(
        labels=labels,
        distances=distances,
        inertia=estimator.inertia_,
        agreement=estimator.agreement_,
        clusters=Clusters(reference, names, estimator.kind, settings.model, settings.distance_metric),
        estimator=estimator,
    )


def _resolution_minutes(n_points: int) -> int:
    if n_points > _MINUTES_PER_DAY:
        raise ParameterError(f"profiles have {n_points} points; a day has at most {_MINUTES_PER_DAY} (one a minute)")
    return _MINUTES_PER_DAY // n_points


def _kmeans(settings: ModelSettings, n_clusters: int) -> ProfileClusterer:
    return KMeans(
        n_clusters,
        metric=settings.distance_metric,
        radius=settings.radius,
        init=settings.init,
        n_init=settings.n_init or 10,
        random_state=settings.seed,
        threads=settings.threads,
    )


def _kmedoids(settings: ModelSettings, n_clusters: int) -> ProfileClusterer:
    return KMedoids(
        n_clusters,
        metric=settings.distance_metric,
        radius=settings.radius,
        init=settings.init,
        n_init=settings.n_init or 1,
        sample_size=settings.sample_size or None,
        random_state=settings.seed,
        threads=settings.threads,
    )


def _agglomerative(settings: ModelSettings, n_clusters: int) -> ProfileClusterer:
    return Agglomerative(
        n_clusters,
        metric=settings.distance_metric,
        linkage=settings.linkage,
        radius=settings.radius,
        sample_size=settings.sample_size or None,
        random_state=settings.seed,
        threads=settings.threads,
    )


def _som(settings: ModelSettings, n_clusters: int) -> ProfileClusterer:
    return Som(n_clusters, grid=settings.som_grid, random_state=settings.seed, threads=settings.threads)


def _kshape(settings: ModelSettings, n_clusters: int) -> ProfileClusterer:
    return KShape(n_clusters, n_init=settings.n_init or 3, random_state=settings.seed, threads=settings.threads)


def _hdbscan(settings: ModelSettings, _n_clusters: int) -> ProfileClusterer:
    return Hdbscan(
        settings.min_cluster_size or None,
        metric=settings.distance_metric,
        radius=settings.radius,
        sample_size=settings.sample_size or None,
        random_state=settings.seed,
        threads=settings.threads,
    )


def _gmm(settings: ModelSettings, n_clusters: int) -> ProfileClusterer:
    return Gmm(n_clusters, n_init=settings.n_init or 1, random_state=settings.seed, threads=settings.threads)


_MAKERS: Mapping[str, Callable[[ModelSettings, int], ProfileClusterer]] = {
    "kmeans": _kmeans,
    "kmedoids": _kmedoids,
    "agglomerative": _agglomerative,
    "som": _som,
    "kshape": _kshape,
    "hdbscan": _hdbscan,
    "gmm": _gmm,
}
