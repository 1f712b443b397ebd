"""Clustering of normalised daily load profiles: k-means and k-medoids, Euclidean and DTW.

`fit` is the one way in; it takes any pair out of `MODELS` and `DISTANCE_METRICS` and returns clusters that
are named and ordered by their representatives' time of peak.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import squareform
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from loadprofiles.choices import DISTANCE_METRICS, MODELS
from loadprofiles.clustering.fasterpam import check_matrix, fasterpam
from loadprofiles.clustering.naming import order_and_name
from loadprofiles.distances.alignment import alignment_sums
from loadprofiles.distances.checks import check_profiles
from loadprofiles.distances.kernels import cross, pairwise
from loadprofiles.errors import ParameterError

_DEFAULT_N_INIT = {"kmeans": 10, "kmedoids": 1}
_MINUTES_PER_DAY = 1440
_MAX_ITER = 50
_LEAST_IMPROVEMENT = 1e-6


@dataclass(frozen=True, eq=False)
class Clustering:
    """Clusters of n profiles, ordered by time of peak.

    Attributes:
        labels: (n,), each profile's cluster, 0..k-1; no cluster is empty.
        representatives: (k, points), in the profiles' unit.
        kind: what the representatives are: "centroid", "barycenter" or "medoid".
        distances: (n,), to the own representative under the distance metric.
        inertia: what the model makes small: the sum of squared distances for k-means, of distances for
            k-medoids.
        model: one of `MODELS`.
        distance_metric: one of `DISTANCE_METRICS`.
        n_clusters: k.
        names: k readable names, all different.
    """

    labels: NDArray[np.int64]
    representatives: NDArray[np.float64]
    kind: str
    distances: NDArray[np.float64]
    inertia: float
    model: str
    distance_metric: str
    n_clusters: int
    names: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Problem:
    """What is asked; `distinct` are the numbers of the first of each set of equal profiles."""

    profiles: NDArray[np.float32]
    distinct: NDArray[np.int64]
    n_clusters: int
    radius: int | None
    dtw_matrix: NDArray[np.float32] | None
    seed: int
    n_init: int


@dataclass(frozen=True, eq=False)
class _Solution:
    labels: NDArray[np.int64]
    representatives: NDArray[np.float64]
    distances: NDArray[np.float64]
    inertia: float


def fit(
    profiles: ArrayLike,
    model: str,
    distance_metric: str,
    n_clusters: int,
    *,
    radius: int | None = 1,
    dtw_matrix: NDArray[np.float32] | None = None,
    seed: int = 0,
    n_init: int | None = None,
) -> Clustering:
    """Cluster profiles.

    - kmeans, euclidean: scikit-learn's, from random profiles;
    - kmeans, dtw: assignment by DTW in turn with one step of DTW barycenter averaging (Petitjean,
      Ketterlin & Gançarski 2011, doi:10.1016/j.patcog.2010.09.013) from random distinct profiles, at most
      50 times; an empty cluster starts again from the profile that is farthest from its representative;
    - kmedoids: FasterPAM (see `fasterpam`) from random distinct profiles, on the Euclidean distances
      (computed here: 6 n^2 bytes) or on `dtw_matrix`.

    Args:
        profiles: (n, points), normalised, finite; local days starting at midnight.
        model: one of `MODELS`.
        distance_metric: one of `DISTANCE_METRICS`.
        n_clusters: k, from 2 to the number of distinct profiles.
        radius: half-width of the DTW band in steps, for kmeans; `None` for no band.
        dtw_matrix: (n, n), for kmedoids with dtw: the distances between the profiles, in their order.
        seed: of all random draws.
        n_init: number of random starts, of which the best counts; 10 for kmeans, 1 for kmedoids.

    Returns:
        The clusters, ordered and named by `order_and_name`; the same for the same arguments.

    Raises:
        ParameterError: a value that cannot be used; the message names it.
    """
    check_choice("model", model, MODELS)
    check_choice("distance_metric", distance_metric, DISTANCE_METRICS)
    values = check_profiles(profiles)
    distinct = distinct_rows(values)
    starts = _DEFAULT_N_INIT[model] if n_init is None else n_init
    _check_numbers(n_clusters, distinct.size, starts, seed)
    problem = _Problem(values, distinct, n_clusters, radius, dtw_matrix, seed, starts)
    solve, kind = _SOLVERS[model, distance_metric]
    solution = solve(problem)
    order, names = order_and_name(solution.representatives, _resolution_minutes(values.shape[1]))
    return Clustering(
        labels=np.argsort(order)[solution.labels],
        representatives=solution.representatives[order],
        kind=kind,
        distances=solution.distances,
        inertia=solution.inertia,
        model=model,
        distance_metric=distance_metric,
        n_clusters=n_clusters,
        names=names,
    )


def assign(
    profiles: ArrayLike, clustering: Clustering, radius: int | None = 1
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The nearest cluster of each profile under the clustering's distance metric.

    Args:
        profiles: (n, points), normalised as those the clustering was fitted to.
        clustering: from `fit`.
        radius: half-width of the DTW band in steps, as in `fit`; not used for euclidean.

    Returns:
        Clusters (n,), the first of equally near ones, and the distances (n,) to their representatives.

    Raises:
        ParameterError: the profiles are not finite or have another number of points.
    """
    band = radius if clustering.distance_metric == "dtw" else 0
    return _nearest(check_profiles(profiles), clustering.representatives, band)


def check_choice(what: str, found: str, allowed: tuple[str, ...]) -> None:
    """Fail unless a name is one of those allowed.

    Raises:
        ParameterError: names what was found and what is allowed.
    """
    if found not in allowed:
        raise ParameterError(f"{what} is {found!r}; it must be one of {', '.join(allowed)}")


def distinct_rows(profiles: NDArray[np.float32]) -> NDArray[np.int64]:
    """Numbers of the first profile of each set of equal ones, ascending."""
    _, first = np.unique(profiles, axis=0, return_index=True)
    return np.sort(first)


def _check_numbers(n_clusters: int, n_distinct: int, n_init: int, seed: int) -> None:
    if n_clusters < 2:
        raise ParameterError(f"number of clusters is {n_clusters}; it must be at least 2")
    if n_clusters > n_distinct:
        raise ParameterError(f"number of clusters is {n_clusters}, but there are only {n_distinct} distinct profiles")
    if n_init < 1:
        raise ParameterError(f"n_init is {n_init}; it must be at least 1")
    if not 0 <= seed < 2**32:
        raise ParameterError(f"seed is {seed}; it must lie in 0..{2**32 - 1}")


def _resolution_minutes(n_points: int) -> int:
    if n_points > _MINUTES_PER_DAY:
        raise ParameterError(f"profiles have {n_points} points; a day has at most {_MINUTES_PER_DAY} (one a minute)")
    return _MINUTES_PER_DAY // n_points


def _kmeans_euclidean(problem: _Problem) -> _Solution:
    estimator = KMeans(problem.n_clusters, init="random", n_init=problem.n_init, random_state=problem.seed)
    # Its threads gain nothing at this size, wait for each other busily (twenty times slower beside another
    # process), and add up in the order in which they end.
    with threadpool_limits(1):
        estimator.fit(problem.profiles.astype(np.float64))
    labels = estimator.labels_.astype(np.int64)
    centroids = np.asarray(estimator.cluster_centers_, np.float64)
    distances = np.linalg.norm(problem.profiles - centroids[labels], axis=1)
    return _Solution(labels, centroids, distances, float(estimator.inertia_))


def _kmeans_dtw(problem: _Problem) -> _Solution:
    generator = np.random.default_rng(problem.seed)
    solutions = []
    for _ in range(problem.n_init):
        start = _draw(generator, problem)
        solutions.append(lloyd_dtw(problem.profiles, problem.profiles[start], problem.radius))
    return min(solutions, key=lambda solution: solution.inertia)


def lloyd_dtw(
    profiles: NDArray[np.float32], start: ArrayLike, radius: int | None, max_iter: int = _MAX_ITER
) -> _Solution:
    """One run of k-means with DTW: assignment and one DBA step in turn, each of which lessens the inertia.

    It ends when a turn lessens the inertia by less than a millionth. (Labels that stay are no reason to
    stop: the barycenters may still be on their way.)
    """
    solution = _assigned(profiles, np.array(start, np.float64), radius)
    for _ in range(max_iter):
        sums, counts = alignment_sums(profiles, solution.representatives, solution.labels, radius)
        improved = _assigned(profiles, sums / counts, radius)
        gain = solution.inertia - improved.inertia
        if gain > 0:
            solution = improved
        if gain <= _LEAST_IMPROVEMENT * solution.inertia:
            break
    return solution


def _assigned(profiles: NDArray[np.float32], representatives: NDArray[np.float64], radius: int | None) -> _Solution:
    """Assign profiles to their nearest representatives, and a profile to each that stays without one."""
    labels, distances = _nearest(profiles, representatives, radius)
    filled = representatives.copy()
    sizes = np.bincount(labels, minlength=len(filled))
    for empty in np.flatnonzero(sizes == 0):
        # Not the last profile of another cluster, which would then be the empty one.
        farthest = int(np.argmax(np.where(sizes[labels] > 1, distances, -1.0)))
        sizes[labels[farthest]] -= 1
        sizes[empty] = 1
        labels[farthest] = empty
        distances[farthest] = 0.0
        filled[empty] = profiles[farthest]
    return _Solution(labels, filled, distances, float(np.sum(distances**2)))


def _kmedoids_euclidean(problem: _Problem) -> _Solution:
    # The kernel without a band, instead of a library's: exactly symmetric, and zero between equal profiles.
    return _kmedoids(problem, squareform(pairwise(problem.profiles, 0)))


def _kmedoids_dtw(problem: _Problem) -> _Solution:
    if problem.dtw_matrix is None:
        raise ParameterError(
            "kmedoids with dtw needs the DTW matrix of the profiles (dtw_matrix), none was given; "
            "compute it in the harmonization step with compute_dtw=true"
        )
    matrix = check_matrix(problem.dtw_matrix)
    if len(matrix) != len(problem.profiles):
        raise ParameterError(
            f"the DTW matrix is of {len(matrix)} profiles, but {len(problem.profiles)} are to be clustered"
        )
    return _kmedoids(problem, matrix)


def _kmedoids(problem: _Problem, matrix: NDArray[np.float32]) -> _Solution:
    generator = np.random.default_rng(problem.seed)
    runs = [fasterpam(matrix, _draw(generator, problem)) for _ in range(problem.n_init)]
    medoids, labels, loss = min(runs, key=lambda run: run[2])
    distances = matrix[medoids[labels], np.arange(len(labels))].astype(np.float64)
    return _Solution(labels, problem.profiles[medoids].astype(np.float64), distances, loss)


def _draw(generator: np.random.Generator, problem: _Problem) -> NDArray[np.int64]:
    """Numbers of k distinct profiles to start from."""
    return generator.choice(problem.distinct, problem.n_clusters, replace=False)


def _nearest(
    profiles: NDArray[np.float32], representatives: NDArray[np.float64], radius: int | None
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    distances = cross(profiles, representatives, radius)
    labels = distances.argmin(axis=1).astype(np.int64)
    return labels, distances[np.arange(len(labels)), labels].astype(np.float64)


_SOLVERS: dict[tuple[str, str], tuple[Callable[[_Problem], _Solution], str]] = {
    ("kmeans", "euclidean"): (_kmeans_euclidean, "centroid"),
    ("kmeans", "dtw"): (_kmeans_dtw, "barycenter"),
    ("kmedoids", "euclidean"): (_kmedoids_euclidean, "medoid"),
    ("kmedoids", "dtw"): (_kmedoids_dtw, "medoid"),
}
