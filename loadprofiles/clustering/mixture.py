"""A mixture of normal distributions."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from loadprofiles.clustering.base import Found, ProfileClusterer, check_numbers, distinct_rows
from loadprofiles.clustering.pairs import Pairs
from loadprofiles.distances.checks import Floats
from loadprofiles.representatives import Reference


class Gmm(ProfileClusterer):
    """Mixture of normal distributions of independent steps, by expectation maximisation, scikit-learn's.

    Attributes:
        converged_: whether it did within `max_iter`.
    """

    kind = "centroid"

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        n_init: int = 1,
        max_iter: int = 500,
        random_state: int = 0,
        threads: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.threads = threads

    def _solve(self, values: Floats, pairs: Pairs | None) -> Found:
        check_numbers(self.n_clusters, distinct_rows(values).size, n_init=self.n_init, max_iter=self.max_iter)
        estimator = GaussianMixture(
            self.n_clusters,
            covariance_type="diag",
            n_init=self.n_init,
            max_iter=self.max_iter,
            random_state=self.random_state,
        )
        with threadpool_limits(1), warnings.catch_warnings():
            # told by `converged_`
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator.fit(values.astype(np.float64))
        self.converged_ = bool(estimator.converged_)
        parts = {"variances": estimator.covariances_, "weights": estimator.weights_}
        return Found(Reference("mixture", np.asarray(estimator.means_, np.float64), parts=parts))
