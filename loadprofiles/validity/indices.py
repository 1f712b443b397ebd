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
clustering earned; `validity_scores` leaves it out. A cluster without members is no cluster. Profiles with the
label -1 are in no cluster (noise, as HDBSCAN calls it): every index leaves them out.

The indices that compare all profiles with all take what they need from one pass over the distances, see `pairs`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score

from loadprofiles.errors import ParameterError
from loadprofiles.validity.checks import (
    FloatArray,
    IntArray,
    checked_clustering,
    checked_partition,
    checked_profiles,
    codes_of,
    n_clusters_of,
)
from loadprofiles.validity.pairs import Pairs, pairs_of_matrix, pairs_of_profiles
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
_BLOCK_ELEMENTS: Final = 4_000_000
_FLOAT32_ROUNDING: Final[float] = 2.0**-24


def davies_bouldin(profiles: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Davies-Bouldin index (Davies & Bouldin 1979), scikit-learn's; lower is better, at least 0.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers; -1: in no cluster.

    Returns:
        The index; 0.0 if every cluster's profiles are equal; NaN if two clusters' centroids coincide or
        every profile is a cluster of its own.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    members, codes = checked_partition(profiles, labels)
    if _all_single(codes) or pdist(_means(members, codes)).min() <= _SAME_CENTROID:
        return math.nan
    return float(davies_bouldin_score(members, codes))


def calinski_harabasz(profiles: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """Variance ratio criterion (Calinski & Harabasz 1974), scikit-learn's; higher is better, at least 0.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers; -1: in no cluster.

    Returns:
        The index; NaN if there is no variance within clusters (each holds equal profiles or one only).

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    members, codes = checked_partition(profiles, labels)
    first_members = np.unique(codes, return_index=True)[1]
    if np.array_equal(members, members[first_members][codes]):
        return math.nan
    return float(calinski_harabasz_score(members, codes))


def silhouette(profiles: npt.ArrayLike, labels: npt.ArrayLike, threads: int | None = None) -> float:
    """Mean silhouette (Rousseeuw 1987) on Euclidean distance, in [-1, 1].

    A profile alone in its cluster counts 0, as in the paper. Time grows with n², memory with n times the number of
    clusters. Distances are computed in float32.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers; -1: in no cluster.
        threads: how many; all processors by default. The result is the same for any number.

    Returns:
        The mean over profiles; NaN if every profile is a cluster of its own.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    members, codes = checked_partition(profiles, labels)
    pairs = pairs_of_profiles(_unit_scale(members), codes, threads)
    return _mean_silhouette(pairs, pairs.silhouettes())


def silhouette_precomputed(
    distance_matrix: npt.NDArray[Any], labels: npt.ArrayLike, threads: int | None = None, *, checked: bool = False
) -> float:
    """Mean silhouette on given distances (DTW, say), in [-1, 1].

    Args:
        distance_matrix: full symmetric distances with a zero diagonal, shape (n, n), float32 or float64.
        labels: shape (n,), integers; -1: in no cluster.
        threads: how many; all processors by default. The result is the same for any number.
        checked: the matrix' values were checked before, by `checked_distances`.

    Returns:
        The mean over profiles; NaN if every profile is a cluster of its own.

    Raises:
        ParameterError: not a full matrix of finite distances, shapes that do not fit, fewer than 2 clusters.
    """
    pairs = pairs_of_matrix(distance_matrix, labels, threads, checked=checked)
    return _mean_silhouette(pairs, pairs.silhouettes())


def dunn(profiles: npt.ArrayLike, labels: npt.ArrayLike, threads: int | None = None) -> float:
    """Dunn's index (Dunn 1974, doi:10.1080/01969727408546059) on Euclidean distance; higher is better, at least 0.

    The least distance of two profiles in different clusters over the greatest within one cluster. Time grows with n²,
    memory with n times the number of clusters. Both distances are exact: float32 only finds the pairs that can be
    meant.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers; -1: in no cluster.
        threads: how many; all processors by default.

    Returns:
        The index; 0.0 if two clusters share a profile; NaN if all clusters have a diameter of zero.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters.
    """
    members, codes = checked_partition(profiles, labels)
    scaled = _unit_scale(members)
    return _exact_dunn(scaled, pairs_of_profiles(scaled, codes, threads))


def mia(profiles: npt.ArrayLike, labels: npt.ArrayLike, representatives: npt.ArrayLike) -> float:
    """Mean index adequacy, MIA = sqrt(1/k · Σ_j d²(r_j, X_j)) (Chicco et al. 2006; Chicco 2012).

    Lower is better; in the unit of the profiles; 0.0 if every profile equals its representative.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers in 0…K-1; label j's representative is row j; -1: in no cluster.
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
        labels: shape (n,), integers in 0…K-1; label j's representative is row j; -1: in no cluster.
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
        labels: shape (n,), integers in 0…K-1; label j's representative is row j; -1: in no cluster.
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
        labels: shape (n,), integers in 0…K-1; label j's representative is row j; -1: in no cluster.
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
        labels: shape (n,), integers in 0…K-1; label j's representative is row j; -1: in no cluster.
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
        labels: shape (n,), integers in 0…K-1; label j's representative is row j; -1: in no cluster.
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


@dataclass(frozen=True)
class Validity:
    """What `judge` finds.

    Attributes:
        scores: MLflow metric name (a key of `DIRECTIONS`) to a finite value.
        silhouettes: "Euclidean" and, with its matrix, "DTW": each profile's silhouette, shape (n,); NaN for profiles
            in no cluster or not in the sample. Empty where the sample is of one cluster.
    """

    scores: dict[str, float]
    silhouettes: dict[str, FloatArray]


def judge(
    profiles: npt.ArrayLike,
    labels: npt.ArrayLike,
    representatives: npt.ArrayLike,
    dtw_matrix: npt.NDArray[Any] | None = None,
    euclidean_matrix: npt.NDArray[Any] | None = None,
    max_silhouette_profiles: int = 20_000,
    seed: int = 0,
    threads: int | None = None,
    *,
    checked: bool = False,
) -> Validity:
    """Every validity index and peak score of a clustering, and the silhouettes of its profiles.

    The indices whose time grows with n² ("Silhouette Score", "Silhouette DTW", "Dunn") are computed on a
    seeded random sample of `max_silhouette_profiles` where there are more. The silhouettes of a sample
    estimate those of all without a trend; Dunn's index, made of extremes, comes out too high.

    Args:
        profiles: shape (n, L), l2-normalised (the peak scores' prominence is meant for that scale).
        labels: shape (n,), integers in 0…K-1; label j's representative is row j; -1: in no cluster, left out of all
            indices.
        representatives: shape (K, L); rows without members are ignored.
        dtw_matrix: full DTW distances of these profiles in this order, shape (n, n), float32 or float64; None:
            no "Silhouette DTW".
        euclidean_matrix: likewise the Euclidean distances; None: they are computed, in float32, and not kept. Given,
            they save time where many clusterings of the same profiles are judged.
        max_silhouette_profiles: the most profiles that are compared all with all; at least 2.
        seed: of the sample.
        threads: how many; all processors by default. The result is the same for any number.
        checked: the matrices were checked before, by `checked_distances`; a sweep need do so once only.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters, a matrix of other profiles.
    """
    members, codes, centres = checked_clustering(profiles, labels, representatives, min_clusters=2)
    if max_silhouette_profiles < 2:
        raise ParameterError(f"max_silhouette_profiles must be at least 2, not {max_silhouette_profiles}.")
    values, numbers = checked_profiles(profiles), np.asarray(labels)
    matrices = {"Euclidean": euclidean_matrix, "DTW": dtw_matrix}
    for name, matrix in matrices.items():
        _check_shape(name, matrix, len(values))
    pairs = _compare(values, numbers, matrices, _Sampling(max_silhouette_profiles, seed), threads, checked)
    scores = {
        "DB Index": davies_bouldin(members, codes),
        "Calinski-Harabasz": calinski_harabasz(members, codes),
        **pairs.scores,
        **{name: index(members, codes, centres) for name, index in _FAMILY.items()},
        **peak_scores(members, codes, centres),
    }
    finite = {name: scores[name] for name in DIRECTIONS if math.isfinite(scores.get(name, math.nan))}
    return Validity(finite, pairs.silhouettes)


def validity_scores(
    profiles: npt.ArrayLike,
    labels: npt.ArrayLike,
    representatives: npt.ArrayLike,
    dtw_matrix: npt.NDArray[Any] | None = None,
    euclidean_matrix: npt.NDArray[Any] | None = None,
    max_silhouette_profiles: int = 20_000,
    seed: int = 0,
    threads: int | None = None,
    *,
    checked: bool = False,
) -> dict[str, float]:
    """Every validity index and peak score of a clustering, ready to be logged: the `scores` of `judge`.

    Args:
        profiles: as `judge` takes it, and so all that follow; profiles with the label -1 are left out of all indices.
        labels: shape (n,).
        representatives: shape (K, L).
        dtw_matrix: shape (n, n), or None.
        euclidean_matrix: shape (n, n), or None.
        max_silhouette_profiles: the most profiles that are compared all with all.
        seed: of the sample of those.
        threads: how many; all processors by default.
        checked: the matrices were checked before.

    Returns:
        MLflow metric name (a key of `DIRECTIONS`) to a finite value. A metric that is undefined for this
        clustering, as its own function says, is left out; so are those of a sample of one cluster.

    Raises:
        ParameterError: shapes that do not fit, NaN, fewer than 2 clusters, a matrix of other profiles.
    """
    options = (dtw_matrix, euclidean_matrix, max_silhouette_profiles, seed, threads)
    return judge(profiles, labels, representatives, *options, checked=checked).scores


def _check_shape(name: str, matrix: npt.NDArray[Any] | None, n_profiles: int) -> None:
    if matrix is not None and np.shape(matrix) != (n_profiles, n_profiles):
        raise ParameterError(
            f"{name.lower()}_matrix has shape {np.shape(matrix)} but there are {n_profiles} profiles;"
            " compute it for exactly these profiles."
        )


@dataclass(frozen=True)
class _Sampling:
    limit: int
    seed: int

    def rows(self, labels: npt.NDArray[Any]) -> npt.NDArray[np.intp] | None:
        """Which profiles are compared, of those in a cluster; None: all."""
        clustered = np.flatnonzero(labels >= 0)
        if clustered.size <= self.limit:
            return None
        drawn = np.random.default_rng(self.seed).choice(clustered.size, self.limit, replace=False)
        return clustered[np.sort(drawn)]


def _compare(
    profiles: FloatArray,
    labels: npt.NDArray[Any],
    matrices: dict[str, npt.NDArray[Any] | None],
    sampling: _Sampling,
    threads: int | None,
    checked: bool,
) -> Validity:
    """The scores that compare all profiles with all, or those of a sample."""
    n_profiles, rows = len(labels), sampling.rows(labels)
    if rows is not None:
        profiles, labels = profiles[rows], labels[rows]
        matrices = {name: None if full is None else full[np.ix_(rows, rows)] for name, full in matrices.items()}
    if n_clusters_of(labels) < 2:
        return Validity({}, {})
    found = _compare_all(profiles, labels, matrices, threads, checked)
    if rows is None:
        return found
    spread = {name: np.full(n_profiles, np.nan) for name in found.silhouettes}
    for name, samples in found.silhouettes.items():
        spread[name][rows] = samples
    return Validity(found.scores, spread)


def _compare_all(
    profiles: FloatArray,
    labels: npt.NDArray[Any],
    matrices: dict[str, npt.NDArray[Any] | None],
    threads: int | None,
    checked: bool,
) -> Validity:
    euclidean, dtw = matrices["Euclidean"], matrices["DTW"]
    if euclidean is None:
        profiles = _unit_scale(profiles)
        pairs = pairs_of_profiles(profiles, codes_of(labels), threads)
    else:
        pairs = pairs_of_matrix(euclidean, labels, threads, checked=checked)
        _check_belongs(euclidean, profiles)
    silhouettes = {"Euclidean": pairs.silhouettes()}
    scores = {
        "Silhouette Score": _mean_silhouette(pairs, silhouettes["Euclidean"]),
        "Dunn": _exact_dunn(profiles, pairs),
    }
    if dtw is not None:
        pairs = pairs_of_matrix(dtw, labels, threads, checked=checked)
        silhouettes["DTW"] = pairs.silhouettes()
        scores["Silhouette DTW"] = _mean_silhouette(pairs, silhouettes["DTW"])
    return Validity(scores, silhouettes)


def _unit_scale(profiles: FloatArray) -> FloatArray:
    """Profiles moved and scaled so that float32 can tell them apart; ratios of their distances stay.

    Equal profiles stay equal.
    """
    centred = profiles - profiles.mean(axis=0)
    largest = float(np.abs(centred).max())
    scaled: FloatArray = centred / largest if largest > 0 else centred
    return scaled


def _float32_error(profiles: FloatArray) -> float:
    """What Euclidean distances of these profiles are wrong by, at most, when computed in float32.

    The rounding of the profiles, and that of the sum of L squares, each with the longest possible distance.
    """
    steps = profiles.shape[1]
    largest = float(np.abs(profiles).max())
    longest = 2 * math.sqrt(steps) * largest
    return float((steps + 4) * _FLOAT32_ROUNDING * longest)


def _check_belongs(matrix: npt.NDArray[Any], profiles: FloatArray) -> None:
    """Fail unless the first row of a Euclidean matrix is of these profiles."""
    expected = cdist(profiles[:1], profiles)[0]
    wrong = ~np.isclose(np.asarray(matrix[0]), expected, rtol=1e-4, atol=2 * _float32_error(profiles))
    if wrong.any():
        column = int(np.argmax(wrong))
        raise ParameterError(
            f"euclidean_matrix is not of these profiles: 0 and {column} are {expected[column]:g} apart, not"
            f" {matrix[0, column]:g}; compute it for exactly these profiles, in their order."
        )


def _exact_dunn(profiles: FloatArray, pairs: Pairs) -> float:
    """Dunn's index from the profiles themselves, of the few pairs that may be the nearest or the farthest.

    Both profiles of such a pair show it in what `pairs` knows of them.
    """
    slack = 2 * _float32_error(profiles)
    inside = pairs.codes >= 0
    near = np.flatnonzero(inside & (pairs.nearest <= pairs.separation() + slack))
    far = np.flatnonzero(inside & (pairs.farthest >= pairs.diameter() - slack))
    separation = _extremes(profiles[near], pairs.codes[near])[0]
    diameter = _extremes(profiles[far], pairs.codes[far])[1]
    return math.sqrt(separation / diameter) if diameter > 0 else math.nan


def _extremes(members: FloatArray, codes: npt.NDArray[Any]) -> tuple[float, float]:
    """The least squared distance of profiles in different clusters, and the greatest of those in the same one."""
    separation, diameter = math.inf, 0.0
    rows = max(1, _BLOCK_ELEMENTS // len(members))
    for start in range(0, len(members), rows):
        block = slice(start, start + rows)
        # Exact differences, not the dot-product form: duplicates must come out at distance zero.
        squared = cdist(members[block], members[start:], "sqeuclidean")
        same = codes[block, np.newaxis] == codes[start:]
        separation = min(separation, float(np.min(squared, where=~same, initial=np.inf)))
        diameter = max(diameter, float(np.max(squared, where=same, initial=0.0)))
    return separation, diameter


def _mean_silhouette(pairs: Pairs, samples: FloatArray) -> float:
    """The mean; NaN where every profile is a cluster of its own, so that no silhouette says anything."""
    return math.nan if _all_single(pairs.codes[pairs.codes >= 0]) else float(np.nanmean(samples))


def _all_single(codes: npt.NDArray[Any]) -> bool:
    """Whether every profile is a cluster of its own, which scikit-learn refuses."""
    return int(codes.max()) + 1 == codes.size


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
