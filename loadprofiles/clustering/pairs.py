"""Distances between all profiles to be clustered, and the trees built of them, each once."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage as build_tree
from scipy.spatial.distance import squareform

from loadprofiles.distances.checks import Floats
from loadprofiles.distances.kernels import pairwise
from loadprofiles.distances.square import checked_distances
from loadprofiles.errors import ParameterError


class Pairs:
    """The square of the distances between profiles under one metric.

    Attributes:
        square: (n, n), float32, symmetric with a zero diagonal; in memory or mapped from a file.
    """

    def __init__(
        self,
        square: NDArray[np.float32],
        trees: Mapping[str, NDArray[np.float64]] | None = None,
        *,
        checked: bool = False,
    ) -> None:
        """Take up distances.

        Args:
            square: (n, n).
            trees: What `tree` has returned of them before, by linkage.
            checked: Whether they were checked before.

        Raises:
            ParameterError: They are no distances.
        """
        # not the view, which numba would compile for once more and scipy would copy
        self.square = np.asarray(square, np.float32)
        checked_distances(self.square, checked=checked)
        self._trees = dict(trees or {})

    def __len__(self) -> int:
        return len(self.square)

    def take(self, rows: NDArray[np.int64]) -> "Pairs":
        """Those of some profiles."""
        return Pairs(self.square[np.ix_(rows, rows)], checked=True)

    def tree(self, linkage: str) -> NDArray[np.float64]:
        """The tree of agglomerative clustering (Müllner 2011, arXiv:1109.2378), as scipy's (n - 1, 4).

        It takes 8 n² bytes while it is built.

        Args:
            linkage: `ward`, which takes the distances for Euclidean ones, `average` or `complete`.
        """
        if linkage not in self._trees:
            self._trees[linkage] = build_tree(squareform(self.square, checks=False), linkage)
        return self._trees[linkage]


def pairs_of(profiles: Floats, radius: int | None, threads: int | None = None) -> Pairs:
    """The distances between profiles (n, points), computed: DTW inside a band, 0 for Euclidean."""
    return Pairs(squareform(pairwise(profiles, radius, threads=threads)), checked=True)


def check_fits(pairs: Pairs, n_profiles: int) -> None:
    """Fail unless distances are of as many profiles as there are.

    Raises:
        ParameterError: They are not.
    """
    if len(pairs) != n_profiles:
        raise ParameterError(f"the distances are of {len(pairs)} profiles, but {n_profiles} are to be clustered")
