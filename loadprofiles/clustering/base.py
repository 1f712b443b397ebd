"""What all clustering models have in common: scikit-learn's interface, checks, and what is kept after fitting."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from loadprofiles.choices import DISTANCE_METRICS
from loadprofiles.clustering.pairs import Pairs, check_fits, pairs_of
from loadprofiles.distances.checks import Floats, check_profiles
from loadprofiles.errors import ParameterError
from loadprofiles.representatives import NO_CLUSTER, Reference


@dataclass(frozen=True, eq=False)
class Found:
    """What a model found.

    Attributes:
        reference: What profiles are compared with.
        labels: (n,), the cluster of each; None where it is the one that the reference gives.
        inertia: What the model makes small, where that is not the sum of squared distances.
    """

    reference: Reference
    labels: NDArray[np.int64] | None = None
    inertia: float | None = None


class ProfileClusterer(ClusterMixin, TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """A clustering of normalised daily load profiles, as an estimator of scikit-learn.

    Attributes:
        labels_: (n,), the cluster of each profile; NO_CLUSTER (-1) for one in no cluster.
        representatives_: (k, points), in the profiles' unit.
        distances_: (n,), to the own representative; of a profile in no cluster, to the nearest.
        inertia_: what the model makes small: the sum of distances for k-medoids, of squared ones for all others.
        n_clusters_: k: less than asked for where clusters found no member.
        is_nearest_: whether `labels_` are what `predict` gives, by the way in which the model finds them.
        agreement_: share of the profiles that `predict` assigns to the cluster in `labels_`.
        reference_: what `predict` compares with.
    """

    kind: str
    """What the representatives are: centroid, barycenter, medoid or prototype."""

    metric: str = "euclidean"
    radius: int | None = 1
    random_state: int = 0
    threads: int | None = None

    def fit(self, X: ArrayLike, y: object = None, *, pairs: Pairs | None = None) -> Self:  # noqa: N803 (scikit-learn's)
        """Find clusters.

        Args:
            X: (n, points), normalised, finite.
            y: not used.
            pairs: The distances between the profiles under `metric`, for models that work on them; else computed.

        Raises:
            ParameterError: a value that cannot be used; the message names it.
        """
        values = check_profiles(X)
        if self.metric not in DISTANCE_METRICS:
            raise ParameterError(f"metric is {self.metric!r}; it must be one of {', '.join(DISTANCE_METRICS)}")
        if not 0 <= self.random_state < 2**32:
            raise ParameterError(f"seed is {self.random_state}; it must lie in 0..{2**32 - 1}")
        if pairs is not None:
            check_fits(pairs, len(values))
        self._keep(values, self._solve(values, pairs))
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.int64]:  # noqa: N803
        """The cluster (n,) of each profile (n, points), which need not be among those fitted to."""
        check_is_fitted(self)
        return self.reference_.assign(X, self.threads)[0]

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:  # noqa: N803
        """Distances (n, k) of profiles (n, points) to the representatives."""
        check_is_fitted(self)
        return self.reference_.distances(X, self.threads)

    @abstractmethod
    def _solve(self, values: Floats, pairs: Pairs | None) -> Found:
        """Find clusters of checked profiles."""

    def _keep(self, values: Floats, found: Found) -> None:
        if found.labels is None:
            labels, distances = found.reference.assign(values, self.threads)
        else:
            labels, distances = found.labels, found.reference.distances_to(values, found.labels, self.threads)
        present = np.unique(labels[labels != NO_CLUSTER])
        self.is_nearest_ = found.labels is None
        self.labels_ = np.where(labels == NO_CLUSTER, NO_CLUSTER, np.searchsorted(present, labels))
        self.distances_ = distances
        self.reference_ = found.reference.take(present)
        predicted = labels if self.is_nearest_ else found.reference.assign(values, self.threads)[0]
        self.agreement_ = float((predicted == labels).mean())
        self.representatives_ = self.reference_.representatives
        self.n_clusters_ = len(present)
        self.inertia_ = float(np.square(distances).sum()) if found.inertia is None else found.inertia
        self.n_features_in_ = values.shape[1]

    @property
    def _band(self) -> int | None:
        return self.radius if self.metric == "dtw" else 0

    def _own_pairs(self, values: Floats, pairs: Pairs | None) -> Pairs:
        return pairs or pairs_of(values, self._band, self.threads)

    def _nearest_to(self, representatives: ArrayLike, **parts: NDArray[np.float64]) -> Reference:
        """The reference of the own metric."""
        return Reference(self.metric, np.asarray(representatives, np.float64), self.radius, dict(parts))


def distinct_rows(profiles: Floats) -> NDArray[np.int64]:
    """Numbers of the first profile of each set of equal ones, ascending."""
    _, first = np.unique(profiles, axis=0, return_index=True)
    return np.sort(first)


def check_numbers(n_clusters: int, n_distinct: int, **at_least_one: int) -> None:
    """Fail unless there can be so many clusters, and other numbers are 1 or more.

    Raises:
        ParameterError: Names what was found.
    """
    if n_clusters < 2:
        raise ParameterError(f"number of clusters is {n_clusters}; it must be at least 2")
    if n_clusters > n_distinct:
        raise ParameterError(f"number of clusters is {n_clusters}, but there are only {n_distinct} distinct profiles")
    for name, value in at_least_one.items():
        if value < 1:
            raise ParameterError(f"{name} is {value}; it must be at least 1")


def means_of(values: Floats, labels: NDArray[np.int64], n_clusters: int) -> NDArray[np.float64]:
    """The mean (k, points) of each cluster's members, of which it has some.

    Args:
        values: (n, points).
        labels: (n,), 0..k-1.
        n_clusters: k.
    """
    return np.array([values[labels == c].mean(axis=0, dtype=np.float64) for c in range(n_clusters)])


def medoids_of(square: NDArray[np.float32], labels: NDArray[np.int64], n_clusters: int) -> NDArray[np.int64]:
    """The member (k,) of each cluster of which the distances to the other members add up to the least.

    Args:
        square: (n, n), distances.
        labels: (n,), 0..k-1 or NO_CLUSTER; each cluster has members.
        n_clusters: k.
    """
    medoids = np.empty(n_clusters, np.int64)
    for cluster in range(n_clusters):
        members = np.flatnonzero(labels == cluster)
        # row by row: the square of a large cluster would be as large as all
        sums = [square[member, members].sum(dtype=np.float64) for member in members]
        medoids[cluster] = members[int(np.argmin(sums))]
    return medoids


def random_rows(n_profiles: int, size: int, seed: int) -> NDArray[np.int64]:
    """Numbers of `size` profiles drawn without repetition, ascending; all where there are no more.

    Raises:
        ParameterError: the size is below 1.
    """
    if size < 1:
        raise ParameterError(f"sample_size is {size}; it must be at least 1")
    if n_profiles <= size:
        return np.arange(n_profiles)
    return np.sort(np.random.default_rng(seed).choice(n_profiles, size, replace=False))
