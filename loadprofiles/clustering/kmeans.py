"""K-means: scikit-learn's with Euclidean distance, and with DTW on our kernels with barycenters inside the band."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import cluster
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from tqdm import tqdm

from loadprofiles.clustering.base import Found, ProfileClusterer, check_numbers, distinct_rows
from loadprofiles.clustering.pairs import Pairs
from loadprofiles.clustering.starts import check_init, draw_start
from loadprofiles.distances.alignment import alignment_sums
from loadprofiles.distances.checks import Floats
from loadprofiles.distances.threads import in_threads, thread_count
from loadprofiles.representatives import Reference

_LEAST_IMPROVEMENT = 1e-6
_LARGE = 100_000
"""Profiles from which on a start takes so long that progress is shown, and so much memory that one runs at a time."""


class KMeans(ProfileClusterer):
    """K-means (Lloyd).

    With `metric="dtw"` assignment by DTW takes turns with one step of DTW barycenter averaging inside the band
    (Petitjean, Ketterlin & Gançarski 2011, doi:10.1016/j.patcog.2010.09.013); a cluster that is left empty starts
    again from the profile that is farthest from its representative. Memory beside the profiles does not grow
    with the number of pairs: a million profiles need no matrix.
    """

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        metric: str = "euclidean",
        radius: int | None = 1,
        init: str = "random",
        n_init: int = 10,
        max_iter: int = 300,
        random_state: int = 0,
        threads: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.metric = metric
        self.radius = radius
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.threads = threads

    @property
    def kind(self) -> str:  # type: ignore[override]
        """Centroids, or barycenters under DTW."""
        return "barycenter" if self.metric == "dtw" else "centroid"

    def _solve(self, values: Floats, pairs: Pairs | None) -> Found:
        check_init(self.init)
        distinct = distinct_rows(values)
        check_numbers(self.n_clusters, distinct.size, n_init=self.n_init, max_iter=self.max_iter)
        solve = self._dtw if self.metric == "dtw" else self._euclidean
        return Found(self._nearest_to(solve(values, distinct)))

    def _euclidean(self, values: Floats, distinct: NDArray[np.int64]) -> NDArray[np.float64]:
        estimator = cluster.KMeans(
            self.n_clusters,
            init=self.init,
            n_init=self.n_init,
            max_iter=self.max_iter,
            random_state=self.random_state,
        )
        # Its threads gain nothing at this size, wait for each other busily (twenty times slower beside another
        # process), and add up in the order in which they end.
        with threadpool_limits(1):
            estimator.fit(values.astype(np.float64))
        return np.asarray(estimator.cluster_centers_, np.float64)

    def _dtw(self, values: Floats, distinct: NDArray[np.int64]) -> NDArray[np.float64]:
        generator = np.random.default_rng(self.random_state)

        def distances_from(numbers: NDArray[np.int64]) -> Floats:
            reference = Reference("dtw", values[numbers].astype(np.float64), self.radius)
            return reference.distances(values, self.threads).T

        starts = [
            draw_start(self.init, generator, distinct, self.n_clusters, distances_from) for _ in range(self.n_init)
        ]
        # Of few profiles a turn is so short that threads do better to take a start each.
        large, threads = len(values) >= _LARGE, thread_count(self.threads)
        outer, inner = (1, threads) if large else (min(threads, self.n_init), 1)

        def run(number: int) -> tuple[float, int, Run]:
            found = lloyd_dtw(values, values[starts[number]], self.radius, self.max_iter, inner)
            return found.inertia, number, found

        runs = in_threads(run, range(self.n_init), outer)
        shown = tqdm(runs, total=self.n_init, desc="k-means", unit="start", disable=None if large else True)
        return min(shown, key=lambda each: each[:2])[2].representatives


@dataclass(frozen=True, eq=False)
class Run:
    """A run of k-means: representatives (k, points), labels (n,), distances (n,), their sum of squares, turns taken."""

    representatives: NDArray[np.float64]
    labels: NDArray[np.int64]
    distances: NDArray[np.float64]
    inertia: float
    n_iter: int = 0


def lloyd_dtw(
    profiles: Floats, start: ArrayLike, radius: int | None, max_iter: int = 300, threads: int | None = None
) -> Run:
    """One run of k-means with DTW: assignment and one DBA step in turn, each of which lessens the inertia.

    It ends when a turn lessens the inertia by less than a millionth. (Labels that stay are no reason to
    stop: the barycenters may still be on their way.)

    Args:
        profiles: (n, points), finite.
        start: (k, points), representatives to start from.
        radius: half-width of the DTW band in steps; None for no band.
        max_iter: most turns.
        threads: how many; the result is the same for any number.
    """
    run = _assigned(profiles, np.array(start, np.float64), radius, threads, 0)
    for turn in range(1, max_iter + 1):
        sums, counts = alignment_sums(profiles, run.representatives, run.labels, radius, threads=threads)
        improved = _assigned(profiles, sums / counts, radius, threads, turn)
        gain = run.inertia - improved.inertia
        if gain > 0:
            run = improved
        if gain <= _LEAST_IMPROVEMENT * run.inertia:
            break
    return run


def _assigned(
    profiles: Floats, representatives: NDArray[np.float64], radius: int | None, threads: int | None, turn: int
) -> Run:
    """Assign profiles to their nearest representatives, and a profile to each that stays without one."""
    labels, distances = Reference("dtw", representatives, radius).assign(profiles, threads)
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
    return Run(filled, labels, distances, float(np.sum(distances**2)), turn)
