"""What validity needs of all pairs of profiles, from one pass over their distances.

A pass yields each profile's sum of distances to each cluster (for silhouettes), its farthest member of the own
cluster and its nearest of another (for Dunn's index). It reads the matrix by rows, in bands that lie one behind the
other in memory or in a mapped file, and copies none of it; or takes bands computed on the way, so that no square
matrix is needed at all. Sums are kept in float64. Each profile's are added up in the order of the rows, whatever the
number of threads: the result does not depend on it.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from loadprofiles.compiling import compiled
from loadprofiles.distances.kernels import tile
from loadprofiles.distances.square import checked_distances, frozen
from loadprofiles.distances.threads import in_threads, thread_count
from loadprofiles.errors import ParameterError
from loadprofiles.validity.checks import FloatArray, IntArray, checked_labels, codes_of

_Codes = npt.NDArray[np.int32]

# 32 MiB of float32: a band that is read by columns stays in the cache.
_BAND_ELEMENTS: Final = 2**23
# A row's part of a page, and the sums of a hundred clusters in the L2 cache.
_COLUMNS: Final = 1024


@dataclass(frozen=True)
class Pairs:
    """What one pass over the distances of n profiles in k clusters finds.

    Attributes:
        codes: (n,), each profile's cluster 0…k-1; -1: in none.
        sums: (k, n), of the distances of each profile to each cluster's members.
        farthest: (n,), each profile's greatest distance within its cluster; 0 if it is alone.
        nearest: (n,), its least distance to a profile of another cluster; infinite if there is none.
    """

    codes: _Codes
    sums: FloatArray
    farthest: npt.NDArray[Any]
    nearest: npt.NDArray[Any]

    def silhouettes(self) -> FloatArray:
        """Each profile's silhouette, shape (n,); as `silhouette_samples` says."""
        inside = self.codes >= 0
        rows, own = np.flatnonzero(inside), self.codes[inside]
        sizes = np.bincount(own, minlength=len(self.sums))
        means = self.sums[:, rows] / sizes[:, np.newaxis]
        places = np.arange(rows.size)
        # The profile itself is at distance 0 and does not count among the members of its own cluster.
        within = self.sums[own, rows] / np.maximum(sizes[own] - 1, 1)
        means[own, places] = np.inf
        between = means.min(axis=0)
        larger = np.maximum(within, between)
        defined = (sizes[own] > 1) & (larger > 0)
        values = np.zeros(rows.size)
        np.divide(between - within, larger, out=values, where=defined)
        samples = np.full(self.codes.size, np.nan)
        samples[rows] = values
        return samples

    def separation(self) -> float:
        """The least distance of two profiles in different clusters."""
        return float(self.nearest[self.codes >= 0].min())

    def diameter(self) -> float:
        """The greatest distance of two profiles in the same cluster."""
        return float(self.farthest[self.codes >= 0].max())


def cluster_sums(
    matrix: npt.NDArray[Any], codes: npt.ArrayLike, n_clusters: int, threads: int | None = None
) -> FloatArray:
    """Sums of each profile's distances to each cluster's members.

    Args:
        matrix: distances, symmetric, shape (n, n), float32 or float64; their values are not checked.
        codes: shape (n,), each profile's cluster in 0…n_clusters-1; -1: in no cluster.
        n_clusters: how many there are, some of them perhaps without members.
        threads: how many; all processors by default. The result is the same for any number.

    Returns:
        Shape (n, n_clusters), float64; also for the profiles in no cluster.

    Raises:
        ParameterError: shapes or types that do not fit, codes outside their range.
    """
    distances = checked_distances(matrix, checked=True)
    numbers = checked_labels(codes, len(distances), min_clusters=0)
    if numbers.max() >= n_clusters:
        raise ParameterError(f"codes reach {numbers.max()}, but there are {n_clusters} clusters, numbered from 0.")
    return _passed(bands_of(distances), numbers, n_clusters, threads).sums.T


def silhouette_samples(
    matrix: npt.NDArray[Any], labels: npt.ArrayLike, threads: int | None = None, *, checked: bool = False
) -> FloatArray:
    """Each profile's silhouette (Rousseeuw 1987, doi:10.1016/0377-0427(87)90125-7) on given distances.

    (b - a) / max(a, b), where a is the profile's mean distance to the others of its cluster and b the least of its mean
    distances to the other clusters; 0 for a profile alone in its cluster, as in the paper, and where a = b = 0.

    Args:
        matrix: full symmetric distances with a zero diagonal, shape (n, n), float32 or float64.
        labels: shape (n,), integers; -1: in no cluster, and not counted.
        threads: how many; all processors by default. The result is the same for any number.
        checked: the matrix' values were checked before.

    Returns:
        Shape (n,), in [-1, 1]; NaN for the profiles in no cluster.

    Raises:
        ParameterError: not such a matrix, shapes that do not fit, fewer than 2 clusters.
    """
    return pairs_of_matrix(matrix, labels, threads, checked=checked).silhouettes()


def dunn_precomputed(
    matrix: npt.NDArray[Any], labels: npt.ArrayLike, threads: int | None = None, *, checked: bool = False
) -> float:
    """Dunn's index (Dunn 1974) on given distances; higher is better, at least 0.

    The least distance of two profiles in different clusters over the greatest within one cluster, to the precision of
    the matrix.

    Args:
        matrix: full symmetric distances with a zero diagonal, shape (n, n), float32 or float64.
        labels: shape (n,), integers; -1: in no cluster, and not counted.
        threads: how many; all processors by default.
        checked: the matrix' values were checked before.

    Returns:
        The index; NaN if all clusters have a diameter of zero.

    Raises:
        ParameterError: not such a matrix, shapes that do not fit, fewer than 2 clusters.
    """
    found = pairs_of_matrix(matrix, labels, threads, checked=checked)
    diameter = found.diameter()
    return found.separation() / diameter if diameter > 0 else math.nan


def pairs_of_matrix(
    matrix: npt.NDArray[Any], labels: npt.ArrayLike, threads: int | None = None, *, checked: bool = False
) -> Pairs:
    """One pass over a distance matrix.

    Args:
        matrix: full symmetric distances with a zero diagonal, shape (n, n), float32 or float64.
        labels: shape (n,), integers; -1: in no cluster.
        threads: how many; all processors by default.
        checked: the matrix' values were checked before.

    Raises:
        ParameterError: not such a matrix, shapes that do not fit, fewer than 2 clusters.
    """
    distances = checked_distances(matrix, threads, checked=checked)
    codes = codes_of(checked_labels(labels, len(distances), min_clusters=2))
    return _passed(bands_of(distances), codes, int(codes.max()) + 1, threads)


def pairs_of_profiles(profiles: FloatArray, codes: IntArray, threads: int | None = None) -> Pairs:
    """One pass over the Euclidean distances of profiles, which are computed band by band in float32.

    Args:
        profiles: shape (n, L), finite, of moderate size.
        codes: shape (n,), each profile's cluster 0…k-1, none empty; -1: in no cluster.
        threads: how many; all processors by default.
    """
    values = np.ascontiguousarray(profiles, dtype=np.float32)
    height = _band_height(len(values))
    bands = (
        tile(values[first : first + height], values, 0, threads=threads) for first in range(0, len(values), height)
    )
    return _passed(bands, codes, int(codes.max()) + 1, threads)


def bands_of(matrix: npt.NDArray[Any]) -> Iterator[npt.NDArray[Any]]:
    """The rows of a matrix, some at a time, as the compiled pass wants them: views where they lie in order."""
    height = _band_height(len(matrix))
    for first in range(0, len(matrix), height):
        yield np.ascontiguousarray(matrix[first : first + height])


def _band_height(n_profiles: int) -> int:
    return max(1, _BAND_ELEMENTS // n_profiles)


def _passed(bands: Iterable[npt.NDArray[Any]], codes: IntArray, n_clusters: int, threads: int | None) -> Pairs:
    """Add up bands of rows, one behind the other from the first row to the last."""
    own = codes.astype(np.int32)
    n_profiles, row = own.size, 0
    parts = [(first, min(first + _COLUMNS, n_profiles)) for first in range(0, n_profiles, _COLUMNS)]
    sums = np.zeros((n_clusters, n_profiles))
    farthest = nearest = np.empty(0)
    for band in bands:
        if row == 0:
            farthest, nearest = np.zeros(n_profiles, band.dtype), np.full(n_profiles, np.inf, band.dtype)
        pairs = Pairs(own, sums, farthest, nearest)
        _run(partial(_add_part, frozen(band), own[row : row + len(band)], pairs), parts, threads)
        row += len(band)
    return Pairs(own, sums, farthest, nearest)


def _add_part(band: npt.NDArray[Any], row_codes: _Codes, pairs: Pairs, part: tuple[int, int]) -> None:
    _add(band, row_codes, pairs.codes, part[0], part[1], pairs.sums, pairs.farthest, pairs.nearest)


def _run(function: Callable[[Any], None], tasks: Sequence[Any], threads: int | None) -> None:
    for _ in in_threads(function, tasks, min(thread_count(threads), len(tasks))):
        pass


@compiled
def _add(
    band: npt.NDArray[Any],
    row_codes: _Codes,
    codes: _Codes,
    first: int,
    last: int,
    sums: FloatArray,
    farthest: npt.NDArray[Any],
    nearest: npt.NDArray[Any],
) -> None:
    """Add the rows of a band to what is known of the profiles first…last-1, its columns.

    The matrix is symmetric: a profile's distances are read down its column, so that neighbouring columns fill the lanes
    of a vector.
    """
    own = codes[first:last]
    far = farthest[first:last]
    near = nearest[first:last]
    for r in range(len(band)):
        cluster = row_codes[r]
        if cluster < 0:
            continue
        row = band[r, first:last]
        total = sums[cluster, first:last]
        for i in range(len(row)):
            total[i] += row[i]
        # Without branches, which would keep the loop from being vectorised.
        for i in range(len(row)):
            same = own[i] == cluster
            inner = row[i] if same else np.float32(0)
            outer = np.float32(np.inf) if same else row[i]
            far[i] = inner if inner > far[i] else far[i]
            near[i] = outer if outer < near[i] else near[i]
