"""Self-organising map: representatives on a line or grid, neighbours alike."""

import math

import numpy as np
from minisom import MiniSom
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from loadprofiles.choices import Grid
from loadprofiles.clustering.base import Found, ProfileClusterer, check_numbers, distinct_rows
from loadprofiles.clustering.pairs import Pairs
from loadprofiles.distances.checks import Floats

_LEAST_ITERATIONS, _MOST_ITERATIONS = 2_000, 100_000
_EPOCHS = 5


class Som(ProfileClusterer):
    """Self-organising map (Kohonen 1990, doi:10.1109/5.58325) by MiniSom; each neuron with members is a cluster.

    Attributes:
        weights_: (rows, columns, points), the prototypes of all neurons, also of those without members.
        positions_: (k, 2), row and column of each cluster's neuron.
    """

    kind = "prototype"

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        grid: Grid | None = None,
        sigma: float = 1.0,
        learning_rate: float = 0.5,
        n_iterations: int | None = None,
        random_state: int = 0,
        threads: int | None = None,
    ) -> None:
        """Set parameters.

        Args:
            n_clusters: neurons of a map k×1, where no grid is given.
            grid: rows and columns of the map.
            sigma: spread of the neighbourhood at the start, in neurons.
            learning_rate: at the start; it falls to 0.
            n_iterations: profiles shown to the map; None for each five times, but 2,000 to 100,000 in all.
            random_state: of the first prototypes and of the order of profiles.
            threads: that assign profiles.
        """
        self.n_clusters = n_clusters
        self.grid = grid
        self.sigma = sigma
        self.learning_rate = learning_rate
        self.n_iterations = n_iterations
        self.random_state = random_state
        self.threads = threads

    def _solve(self, values: Floats, pairs: Pairs | None) -> Found:
        rows, columns = self.grid or Grid(self.n_clusters, 1)
        iterations = self.n_iterations or min(max(_EPOCHS * len(values), _LEAST_ITERATIONS), _MOST_ITERATIONS)
        check_numbers(rows * columns, distinct_rows(values).size, n_iterations=iterations)
        neighbourhood = min(self.sigma, math.hypot(rows, columns))
        som = MiniSom(
            rows,
            columns,
            values.shape[1],
            sigma=neighbourhood,
            learning_rate=self.learning_rate,
            # to the end, so that prototypes are means and not the last days shown
            decay_function="linear_decay_to_zero",
            random_seed=self.random_state,
        )
        shown = values.astype(np.float64)
        with threadpool_limits(1):
            som.random_weights_init(shown)
            som.train(shown, iterations, random_order=True)
        self.weights_ = np.asarray(som.get_weights(), np.float64)
        places = np.indices((rows, columns)).reshape(2, -1).T.astype(np.float64)
        prototypes = self.weights_.reshape(rows * columns, -1)
        return Found(self._nearest_to(prototypes, positions=places))

    @property
    def positions_(self) -> np.ndarray:
        """Row and column (k, 2) of each cluster's neuron."""
        return self.reference_.parts["positions"].astype(np.int64)
