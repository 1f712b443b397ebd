"""Choice of the number of clusters."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import squareform
from sklearn.metrics import silhouette_score

from loadprofiles.choices import DISTANCE_METRICS, MODELS
from loadprofiles.clustering.fasterpam import check_matrix
from loadprofiles.clustering.models import check_choice, distinct_rows, fit
from loadprofiles.distances.checks import check_profiles
from loadprofiles.distances.kernels import pairwise
from loadprofiles.errors import ParameterError

# Silhouettes of float32 distances that are nearer to each other than this are equal.
_SAME = 1e-6


def choose_k(
    profiles: ArrayLike,
    model: str,
    distance_metric: str,
    k_values: Iterable[int] = range(3, 21),
    *,
    radius: int | None = 1,
    dtw_matrix: NDArray[np.float32] | None = None,
    max_profiles: int = 4000,
    seed: int = 0,
) -> tuple[int, pd.DataFrame]:
    """The number of clusters with the highest silhouette (Rousseeuw 1987).

    The rule: draw at most `max_profiles` profiles; cluster that sample with `fit` for every k that is
    smaller than its number of distinct profiles; take the mean silhouette on the distances of the
    clustering's own metric; the highest wins, and of equal ones (within 1e-6) the smallest k.

    Args:
        profiles: (n, points), normalised, finite.
        model: one of `MODELS`.
        distance_metric: one of `DISTANCE_METRICS`.
        k_values: the numbers to try, each at least 2.
        radius: half-width of the DTW band in steps; `None` for no band.
        dtw_matrix: (n, n), the DTW distances between the profiles in their order; without it those of the
            sample are computed.
        max_profiles: size of the sample, at least 3; its square matrix takes 4 max_profiles^2 bytes.
        seed: of the sample and of the clusterings.

    Returns:
        k, and the curve: columns `k` (ascending) and `silhouette` (-1 to 1, higher is better).

    Raises:
        ParameterError: a value that cannot be used, or no k below the number of distinct profiles.
    """
    check_choice("model", model, MODELS)
    check_choice("distance_metric", distance_metric, DISTANCE_METRICS)
    values = check_profiles(profiles)
    if max_profiles < 3:
        raise ParameterError(f"max_profiles is {max_profiles}; it must be at least 3")
    sample = _sample(len(values), max_profiles, seed)
    chosen = values[sample]
    usable = _usable(k_values, distinct_rows(chosen).size)
    distances = _distances(values, sample, distance_metric, radius, dtw_matrix)
    matrix = distances if distance_metric == "dtw" else None
    silhouettes = []
    for k in usable:
        labels = fit(chosen, model, distance_metric, k, radius=radius, dtw_matrix=matrix, seed=seed).labels
        silhouettes.append(float(silhouette_score(distances, labels, metric="precomputed")))
    best = next(k for k, value in zip(usable, silhouettes, strict=True) if value >= max(silhouettes) - _SAME)
    return best, pd.DataFrame({"k": usable, "silhouette": silhouettes})


def _sample(n_profiles: int, max_profiles: int, seed: int) -> NDArray[np.int64]:
    if n_profiles <= max_profiles:
        return np.arange(n_profiles)
    return np.sort(np.random.default_rng(seed).choice(n_profiles, max_profiles, replace=False))


def _usable(k_values: Iterable[int], n_distinct: int) -> list[int]:
    asked = sorted({int(k) for k in k_values})
    if not asked or asked[0] < 2:
        raise ParameterError(f"k_values are {asked}; they must be numbers of clusters, each at least 2")
    usable = [k for k in asked if k < n_distinct]
    if not usable:
        raise ParameterError(
            f"the smallest number of clusters to try is {asked[0]}, but there are only {n_distinct} distinct "
            f"profiles; at least {asked[0] + 1} are needed"
        )
    return usable


def _distances(
    profiles: NDArray[np.float32],
    sample: NDArray[np.int64],
    distance_metric: str,
    radius: int | None,
    dtw_matrix: NDArray[np.float32] | None,
) -> NDArray[np.float32]:
    """Square distances of the sample under the metric."""
    if distance_metric == "dtw" and dtw_matrix is not None:
        if len(dtw_matrix) != len(profiles):
            raise ParameterError(
                f"the DTW matrix is of {len(dtw_matrix)} profiles, but {len(profiles)} are to be clustered"
            )
        return check_matrix(dtw_matrix[np.ix_(sample, sample)])
    band = radius if distance_metric == "dtw" else 0
    square: NDArray[np.float32] = squareform(pairwise(profiles[sample], band))
    return square
