"""Validity indices: numbers that judge a clustering of daily load profiles without labels.

Beside the general indices stands the load-profiling family (MIA, CDI, SI, WCBCR, MDI, SMI) of Chicco,
Napoli, Piglione 2006, "Comparisons among clustering techniques for electricity customer classification",
IEEE Trans. Power Systems 21(2), 933-940, and Chicco 2012, "Overview and performance assessment of the
clustering methods for electrical load pattern grouping", Energy 42(1), 68-80. It uses, for L steps a day:

- d(a, b) = sqrt(1/L · Σ_h (a_h - b_h)²), the distance of two profiles;
- d(r, X) = sqrt(1/|X| · Σ_x d²(r, x)), of a representative and its cluster;
- d̂(X) = sqrt(1/(2|X|) · Σ_x d²(x, X)), the mean distance within a set. It equals the root of the mean
  squared d to the set's mean, which is how it is computed, without all pairs.

An index is NaN where its formula divides by zero, so that it never looks like a best value that no
clustering earned; `validity_scores` leaves it out. A cluster without members is no cluster.
"""

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import sklearn
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_score

from loadprofiles.errors import ParameterError
from loadprofiles.validity.checks import FloatArray, IntArray, checked_clustering, checked_labels, checked_profiles
from loadprofiles.validity.peaks import PEAK_DIRECTIONS, peak_scores

DIRECTIONS: Final[dict[str, int]] = {
    "DB Index": -1,
    "Silhouette Score": 1,
    "Silhouette DTW": 1,
    "Calinski-Harabasz": 1,
    "Dunn": 1,
    "MIA": -1,
    "CDI": -1,
    "SI": -1,
    "WCBCR": -1,
    "MDI": -1,
    "SMI": -1,
    **PEAK_DIRECTIONS,
}
"""Every metric of `validity_scores` by its MLflow name; +1: higher is better, -1: lower is better."""

# scikit-learn takes centroids nearer than this as one, and then calls the clustering perfect.
_SAME_CENTROID: Final = 1e-8
_WORKING_MEMORY_MIB: Final = 64
_BLOCK_ELEMENTS: Final = 4_000_000


def davies_bouldin(profiles: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Davies-Bouldin index (Davies & Bouldin 1979), scikit-learn's; lower is better, at least 0.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers.

    Returns:
        The index; 0.0 if every cluster's profiles are equal; NaN if two clusters' centroids coincide or
        every profile is a cluster of its own.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    members, codes = _checked_partition(profiles, labels)
    if _all_single(codes) or pdist(_means(members, codes)).min() <= _SAME_CENTROID:
        return math.nan
    return float(davies_bouldin_score(members, codes))


def calinski_harabasz(profiles: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Variance ratio criterion (Calinski & Harabasz 1974), scikit-learn's; higher is better, at least 0.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers.

    Returns:
        The index; NaN if there is no variance within clusters (each holds equal profiles or one only).

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    members, codes = _checked_partition(profiles, labels)
    first_members = np.unique(codes, return_index=True)[1]
    if np.array_equal(members, members[first_members][codes]):
        return math.nan
    return float(calinski_harabasz_score(members, codes))


def silhouette(profiles: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Mean silhouette (Rousseeuw 1987) on Euclidean distance, scikit-learn's, in [-1, 1].

    A profile alone in its cluster counts 0, as in the paper. Time grows with n², memory does not.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers.

    Returns:
        The mean over profiles; NaN if every profile is a cluster of its own.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    members, codes = _checked_partition(profiles, labels)
    return _silhouette(members, codes, "euclidean")


def silhouette_precomputed(distance_matrix: npt.NDArray[Any], labels: npt.ArrayLike) -> float:
    """Mean silhouette on given distances (DTW, say), scikit-learn's, in [-1, 1].

    Args:
        distance_matrix: full symmetric distances with a zero diagonal, shape (n, n), float32 or float64.
        labels: shape (n,), integers.

    Returns:
        The mean over profiles; NaN if every profile is a cluster of its own.

    Raises:
        ParameterError: not a full matrix of finite distances, shapes that do not fit, fewer than 2 clusters.
    """
    matrix = _checked_distances(distance_matrix)
    codes = _codes(checked_labels(labels, len(matrix), min_clusters=2))
    return _silhouette(matrix, codes, "precomputed")


def dunn(profiles: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Dunn's index (Dunn 1974) on Euclidean distance; higher is better, at least 0.

    The least distance of two profiles in different clusters over the greatest within one cluster. Time
    grows with n², memory does not.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers.

    Returns:
        The index; 0.0 if two clusters share a profile; NaN if all clusters have a diameter of zero.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    members, codes = _checked_partition(profiles, labels)
    separation, diameter = math.inf, 0.0
    rows = max(1, _BLOCK_ELEMENTS // len(members))
    for start in range(0, len(members), rows):
        block = slice(start, start + rows)
        # Exact differences, not the dot-product form: duplicates must come out at distance zero.
        squared = cdist(members[block], members[start:], "sqeuclidean")
        same = codes[block, np.newaxis] == codes[start:]
        separation = min(separation, float(np.min(squared, where=~same, initial=np.inf)))
        diameter = max(diameter, float(np.max(squared, where=same, initial=0.0)))
    return math.sqrt(separation / diameter) if diameter > 0 else math.nan


def mia(profiles: npt.ArrayLike, labels: npt.ArrayLike, representatives: npt.ArrayLike) -> float:
    """Mean index adequacy, MIA = sqrt(1/k · Σ_j d²(r_j, X_j)) (Chicco et al. 2006; Chicco 2012).

    Lower is better; in the unit of the profiles; 0.0 if every profile equals its representative.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers in 0…K-1; label j's representative is row j.
        representatives: shape (K, L).

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    members, codes, centres = checked_clustering(profiles, labels, representatives, min_clusters=2)
    return math.sqrt(_scatter(members, codes, centres).mean())


def cdi(profiles: npt.ArrayLike, labels: npt.ArrayLike, representatives: npt.ArrayLike) -> float:
    """Clustering dispersion indicator (Chicco et al. 2006; Chicco 2012); lower is better.

    CDI = sqrt(1/k · Σ_j d̂²(X_j)) / d̂(R), where R is the set of the k representatives.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers in 0…K-1; label j's representative is row j.
        representatives: shape (K, L).

    Returns:
        The index, without unit; NaN if all representatives coincide.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    members, codes, centres = checked_clustering(profiles, labels, representatives, min_clusters=2)
    within = _intraset(members, codes).mean()
    # d̂²(R) by its definition over pairs, so that coincident representatives give an exact zero.
    among = np.square(_between(centres)).sum() / len(centres) ** 2
    return math.sqrt(within / among) if among > 0 else math.nan


def scatter_index(profiles: npt.ArrayLike, labels: npt.ArrayLike, representatives: npt.ArrayLike) -> float:
    """Scatter index (Pitt & Kirschen 1999; in Chicco et al. 2006 and Chicco 2012); lower is better.

    SI = Σ_x d²(x, p) / Σ_j d²(r_j, p), where p is the mean of all profiles.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers in 0…K-1; label j's representative is row j.
        representatives: shape (K, L).

    Returns:
        The index, without unit; NaN if all representatives coincide with p.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    members, _, centres = checked_clustering(profiles, labels, representatives, min_clusters=2)
    pooled = members.mean(axis=0)
    # A mean is exact only to rounding, so "coincide" needs a tolerance here.
    if np.allclose(centres, pooled, rtol=0.0, atol=1e-12 * float(np.abs(pooled).max())):
        return math.nan
    return float(_squared_distance(members, pooled).sum() / _squared_distance(centres, pooled).sum())


def wcbcr(profiles: npt.ArrayLike, labels: npt.ArrayLike, representatives: npt.ArrayLike) -> float:
    """Ratio of within-cluster sum of squares to between-cluster variation; lower is better.

    WCBCR = Σ_j Σ_{x in X_j} d²(r_j, x) / Σ_{i<j} d²(r_i, r_j) (Hand, Mannila, Smyth 2001; in Chicco 2012).

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers in 0…K-1; label j's representative is row j.
        representatives: shape (K, L).

    Returns:
        The index, without unit; NaN if all representatives coincide.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    members, codes, centres = checked_clustering(profiles, labels, representatives, min_clusters=2)
    between = np.square(_between(centres)).sum()
    within = _squared_distance(members, centres[codes]).sum()
    return float(within / between) if between > 0 else math.nan


def mdi(profiles: npt.ArrayLike, labels: npt.ArrayLike, representatives: npt.ArrayLike) -> float:
    """Modified Dunn index (Chicco et al. 2006; Chicco 2012); other than Dunn's, lower is better.

    MDI = max_j d̂(X_j) / min_{i≠j} d(r_i, r_j).

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers in 0…K-1; label j's representative is row j.
        representatives: shape (K, L).

    Returns:
        The index, without unit; NaN if two representatives coincide.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    members, codes, centres = checked_clustering(profiles, labels, representatives, min_clusters=2)
    nearest = _between(centres).min()
    return math.sqrt(_intraset(members, codes).max()) / float(nearest) if nearest > 0 else math.nan


def smi(profiles: npt.ArrayLike, labels: npt.ArrayLike, representatives: npt.ArrayLike) -> float:
    """Similarity matrix indicator (Chicco 2012); lower is better, in (0, 1].

    SMI = max_{i>j} 1 / (1 - 1/ln d(r_i, r_j)). It is a similarity only where distances are below 1, as
    those of normalised profiles are; at d = e it has a pole.

    Args:
        profiles: shape (n, L); used for their labels only.
        labels: shape (n,), integers in 0…K-1; label j's representative is row j.
        representatives: shape (K, L).

    Returns:
        The index, without unit; 1.0, its limit, if two representatives coincide; NaN if any two are at
        a distance of 1 or more.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    _, _, centres = checked_clustering(profiles, labels, representatives, min_clusters=2)
    distances = _between(centres)
    if distances.max() >= 1:
        return math.nan
    with np.errstate(divide="ignore"):  # ln 0 = -inf leads to the limit, 1
        return float((1 / (1 - 1 / np.log(distances))).max())


_FAMILY: Final[dict[str, Callable[[npt.ArrayLike, npt.ArrayLike, npt.ArrayLike], float]]] = {
    "MIA": mia,
    "CDI": cdi,
    "SI": scatter_index,
    "WCBCR": wcbcr,
    "MDI": mdi,
    "SMI": smi,
}


def validity_scores(
    profiles: npt.ArrayLike,
    labels: npt.ArrayLike,
    representatives: npt.ArrayLike,
    dtw_matrix: npt.NDArray[Any] | None = None,
    max_silhouette_profiles: int = 20_000,
    seed: int = 0,
) -> dict[str, float]:
    """Every validity index and peak score of a clustering, ready to be logged.

    The indices whose time grows with n² ("Silhouette Score", "Silhouette DTW", "Dunn") are computed on a
    seeded random sample of `max_silhouette_profiles` where there are more. The silhouettes of a sample
    estimate those of all without a trend; Dunn's index, made of extremes, comes out too high.

    Args:
        profiles: shape (n, L), l2-normalised (the peak scores' prominence is meant for that scale).
        labels: shape (n,), integers in 0…K-1; label j's representative is row j.
        representatives: shape (K, L); rows without members are ignored.
        dtw_matrix: full DTW distances of these profiles in this order, shape (n, n), float32; None:
            no "Silhouette DTW".
        max_silhouette_profiles: the most profiles that are compared all with all; at least 2.
        seed: of the sample.

    Returns:
        MLflow metric name (a key of `DIRECTIONS`) to a finite value. A metric that is undefined for this
        clustering, as its own function says, is left out; so are those of a sample of one cluster.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters, a matrix of other profiles.
    """
    members, codes, centres = checked_clustering(profiles, labels, representatives, min_clusters=2)
    if max_silhouette_profiles < 2:
        raise ParameterError(f"max_silhouette_profiles must be at least 2, not {max_silhouette_profiles}.")
    if dtw_matrix is not None and np.shape(dtw_matrix) != (len(members), len(members)):
        raise ParameterError(
            f"dtw_matrix has shape {np.shape(dtw_matrix)} but there are {len(members)} profiles;"
            " compute it for exactly these profiles."
        )
    scores = {
        "DB Index": davies_bouldin(members, codes),
        "Calinski-Harabasz": calinski_harabasz(members, codes),
        **_quadratic_scores(members, codes, dtw_matrix, max_silhouette_profiles, seed),
        **{name: index(members, codes, centres) for name, index in _FAMILY.items()},
        **peak_scores(members, codes, centres),
    }
    return {name: scores[name] for name in DIRECTIONS if math.isfinite(scores.get(name, math.nan))}


def _quadratic_scores(
    members: FloatArray,
    codes: IntArray,
    dtw_matrix: npt.NDArray[Any] | None,
    limit: int,
    seed: int,
) -> dict[str, float]:
    """The scores that compare all profiles with all, on at most `limit` of them."""
    if len(members) > limit:
        rows = np.sort(np.random.default_rng(seed).choice(len(members), limit, replace=False))
        members, codes = members[rows], codes[rows]
        dtw_matrix = None if dtw_matrix is None else dtw_matrix[np.ix_(rows, rows)]
    if np.unique(codes).size < 2:
        return {}
    scores = {"Silhouette Score": silhouette(members, codes), "Dunn": dunn(members, codes)}
    if dtw_matrix is not None:
        scores["Silhouette DTW"] = silhouette_precomputed(dtw_matrix, codes)
    return scores


def _checked_partition(profiles: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[FloatArray, IntArray]:
    """Checked profiles (n, L) and labels renumbered 0…k-1 (n,), k at least 2."""
    members = checked_profiles(profiles)
    return members, _codes(checked_labels(labels, len(members), min_clusters=2))


def _checked_distances(matrix: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """`matrix` itself if it can be a full distance matrix; makes no copy of it."""
    array = np.asarray(matrix)
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.dtype.kind != "f":
        raise ParameterError(f"distance matrix must be square and float, not {array.dtype} {array.shape}.")
    # Extremes carry NaN along, so two passes find every bad value without a second n × n array.
    if array.size == 0 or not (array.min() >= 0 and array.max() < np.inf):
        raise ParameterError("distance matrix must hold finite distances of at least 0.")
    if array.diagonal().any():
        raise ParameterError("distance matrix must have a zero diagonal.")
    if not np.allclose(array[0], array[:, 0], rtol=1e-4):
        raise ParameterError("distance matrix must be full and symmetric, not one triangle only.")
    return array


def _codes(labels: npt.NDArray[Any]) -> IntArray:
    """Labels renumbered 0…k-1."""
    return np.unique(labels, return_inverse=True)[1].astype(np.intp)


def _all_single(codes: IntArray) -> bool:
    """Whether every profile is a cluster of its own, which scikit-learn refuses."""
    return int(codes.max()) + 1 == codes.size


def _silhouette(distances_or_profiles: npt.NDArray[Any], codes: IntArray, metric: str) -> float:
    """scikit-learn's silhouette with bounded memory; NaN where it refuses."""
    if _all_single(codes):
        return math.nan
    with sklearn.config_context(working_memory=_WORKING_MEMORY_MIB):
        return float(silhouette_score(distances_or_profiles, codes, metric=metric))


def _means(members: FloatArray, codes: IntArray) -> FloatArray:
    """Mean profile of each cluster, shape (k, L)."""
    counts = np.bincount(codes)
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    sums: FloatArray = np.add.reduceat(members[np.argsort(codes, kind="stable")], starts, axis=0)
    return sums / counts[:, np.newaxis]


def _squared_distance(a: FloatArray, b: FloatArray) -> FloatArray:
    """d² of each row of `a` and its row of `b`, or the one profile `b`; shape (n,)."""
    squared: FloatArray = np.square(a - b).mean(axis=1)
    return squared


def _scatter(members: FloatArray, codes: IntArray, centres: FloatArray) -> FloatArray:
    """d²(r_j, X_j) of each cluster, shape (k,)."""
    totals = np.bincount(codes, weights=_squared_distance(members, centres[codes]))
    return totals / np.bincount(codes)


def _intraset(members: FloatArray, codes: IntArray) -> FloatArray:
    """d̂²(X_j) of each cluster, shape (k,); 0 for a single member."""
    return _scatter(members, codes, _means(members, codes))


def _between(centres: FloatArray) -> FloatArray:
    """Distance d of each pair of representatives, shape (k(k-1)/2,)."""
    distances: FloatArray = pdist(centres) / math.sqrt(centres.shape[1])
    return distances
