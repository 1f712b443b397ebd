"""K-medoids: FasterPAM on all pairs, or on samples (CLARA) where there are too many."""

import math
from typing import cast

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from loadprofiles.clustering.base import Found, ProfileClusterer, check_numbers, distinct_rows
from loadprofiles.clustering.fasterpam import fasterpam
from loadprofiles.clustering.pairs import Pairs, pairs_of
from loadprofiles.clustering.starts import draw_start
from loadprofiles.distances.checks import Floats
from loadprofiles.errors import ParameterError
from loadprofiles.representatives import Reference


class KMedoids(ProfileClusterer):
    """K-medoids by FasterPAM (see `fasterpam`).

    With `sample_size` fewer than there are profiles, medoids are sought in `n_samples` random samples of that size,
    each with the best medoids so far among it; those with the least sum of distances of all profiles win
    (CLARA: Kaufman & Rousseeuw 1990, "Finding Groups in Data", chapter 3; with FasterPAM as in Schubert & Rousseeuw
    2021). That needs the matrix of a sample only.
    """

    kind = "medoid"

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        metric: str = "euclidean",
        radius: int | None = 1,
        init: str = "random",
        n_init: int = 1,
        max_iter: int = 100,
        sample_size: int | None = None,
        n_samples: int = 5,
        random_state: int = 0,
        threads: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.metric = metric
        self.radius = radius
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.sample_size = sample_size
        self.n_samples = n_samples
        self.random_state = random_state
        self.threads = threads

    def _solve(self, values: Floats, pairs: Pairs | None) -> Found:
        distinct = distinct_rows(values)
        check_numbers(
            self.n_clusters, distinct.size, n_init=self.n_init, max_iter=self.max_iter, n_samples=self.n_samples
        )
        generator = np.random.default_rng(self.random_state)
        if self.sample_size is None or self.sample_size >= len(values):
            medoids, _ = self._medoids(self._own_pairs(values, pairs), distinct, generator)
            reference, loss = self._judged(values, medoids)
            return Found(reference, inertia=loss)
        if self.sample_size <= self.n_clusters:
            raise ParameterError(
                f"sample_size is {self.sample_size}; it must be more than the {self.n_clusters} clusters"
            )
        return self._clara(values, self.sample_size, distinct, generator)

    def _medoids(
        self, pairs: Pairs, distinct: NDArray[np.int64], generator: np.random.Generator
    ) -> tuple[NDArray[np.int64], float]:
        runs = []
        for _ in range(self.n_init):
            start = draw_start(self.init, generator, distinct, self.n_clusters, lambda rows: pairs.square[rows])
            runs.append(fasterpam(pairs.square, start, self.max_iter, threads=self.threads, checked=True))
        medoids, _, loss = min(runs, key=lambda run: run[2])
        return medoids, loss

    def _clara(
        self, values: Floats, sample_size: int, distinct: NDArray[np.int64], generator: np.random.Generator
    ) -> Found:
        best, least, kept = None, math.inf, np.empty(0, np.int64)
        size = min(sample_size, distinct.size)
        for _ in tqdm(range(self.n_samples), desc="k-medoids", unit="sample", disable=None):
            others = np.setdiff1d(distinct, kept)
            sample = np.sort(np.append(kept, generator.choice(others, size - kept.size, replace=False)))
            pairs = pairs_of(values[sample], self._band, self.threads)
            medoids, _ = self._medoids(pairs, np.arange(size), generator)
            reference, loss = self._judged(values, sample[medoids])
            if loss < least:
                best, least, kept = reference, loss, sample[medoids]
        return Found(cast("Reference", best), inertia=least)

    def _judged(self, values: Floats, medoids: NDArray[np.int64]) -> tuple[Reference, float]:
        """Medoids to compare with, and the sum of all profiles' distances to the nearest."""
        reference = self._nearest_to(values[medoids])
        return reference, float(reference.assign(values, self.threads)[1].sum())
