"""HDBSCAN: as many clusters as the density of profiles shows, and profiles that are in none."""

import numpy as np
from sklearn import cluster

from loadprofiles.clustering.base import Found, ProfileClusterer, medoids_of, random_rows
from loadprofiles.clustering.pairs import Pairs
from loadprofiles.distances.checks import Floats
from loadprofiles.errors import EmptyResultError, ParameterError

_LEAST_SIZE = 5
_DEFAULT_SHARE = 0.01


class Hdbscan(ProfileClusterer):
    """HDBSCAN (Campello, Moulavi & Sander 2013, doi:10.1007/978-3-642-37456-2_14), scikit-learn's, on all pairs.

    It finds the number of clusters itself. Representatives are medoids; a new profile goes to the nearest, or, farther
    from it than all of that cluster's members, to no cluster. For those fitted to that need not be the
    cluster that the densities have given them.
    With `sample_size` fewer than there are profiles, clusters are those of a random sample.
    """

    kind = "medoid"

    def __init__(
        self,
        min_cluster_size: int | None = None,
        *,
        metric: str = "euclidean",
        radius: int | None = 1,
        sample_size: int | None = None,
        random_state: int = 0,
        threads: int | None = None,
    ) -> None:
        """Set parameters.

        Args:
            min_cluster_size: fewest profiles in a cluster, at least 2; None for a hundredth of all, at least 5.
            metric: as of all models, and the same for what follows.
            radius: half-width of the DTW band in steps.
            sample_size: most profiles to look for clusters in.
            random_state: of the sample.
            threads: that compute distances.
        """
        self.min_cluster_size = min_cluster_size
        self.metric = metric
        self.radius = radius
        self.sample_size = sample_size
        self.random_state = random_state
        self.threads = threads

    def _solve(self, values: Floats, pairs: Pairs | None) -> Found:
        rows = random_rows(len(values), self.sample_size or len(values), self.random_state)
        sampled = rows.size < len(values)
        size = self.min_cluster_size or max(_LEAST_SIZE, round(_DEFAULT_SHARE * rows.size))
        if not 2 <= size <= rows.size:
            raise ParameterError(f"min_cluster_size is {size}; it must lie in 2..{rows.size}, the number of profiles")
        square = self._own_pairs(values[rows], None if sampled else pairs).square
        estimator = cluster.HDBSCAN(min_cluster_size=size, metric="precomputed", copy=True, allow_single_cluster=False)
        labels = estimator.fit(square).labels_.astype(np.int64)
        n_clusters = int(labels.max()) + 1
        if not n_clusters:
            raise EmptyResultError(
                f"hdbscan found no cluster of {size} or more among {rows.size} profiles; lessen min_cluster_size"
            )
        medoids = medoids_of(square, labels, n_clusters)
        to_medoid = square[medoids[labels], np.arange(rows.size)].astype(np.float64)
        reach = np.array([to_medoid[labels == c].max() for c in range(n_clusters)])
        return Found(self._nearest_to(values[rows][medoids], reach=reach), None if sampled else labels)
