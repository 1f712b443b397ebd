"""Dynamic time warping (DTW) between daily load profiles, many pairs at a time.

The distance is that of Sakoe & Chiba (1978, doi:10.1109/TASSP.1978.1163055) for series of equal length:
squared local cost, a band of `radius` steps on either side of the diagonal, the square root of the sum.
`radius=0` is the Euclidean distance and `radius=None` leaves the path free; `radius` is dtaidistance's
`window - 1` and tslearn's `sakoe_chiba_radius`.

Distances are computed by `lanes`, or by `fallback` where numba is missing, in blocks of pairs that threads
take one by one. Every pair is computed by the same operations in the same order whatever the number of
threads, and from either side: the result depends on neither.
"""

from collections.abc import Iterator
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loadprofiles.distances.checks import (
    Floats,
    band_cells,
    check_pair,
    check_profiles,
    check_same_points,
    effective_radius,
    pairs_to_check,
)
from loadprofiles.distances.threads import in_threads, thread_count

try:
    from loadprofiles.distances.lanes import fill
except ImportError:
    from loadprofiles.distances.fallback import fill

# Both sides of a block of daily profiles stay in the L2 cache. Few and large blocks: a thread that comes back from one
# may wait for Python's lock as long as a small block takes.
_SIDE = 2048
# Fill the lanes of every kernel.
_LEAST_COLUMNS = 64
# Some thirty milliseconds of one processor, so that an interrupt or the last block is not waited for long.
_CELLS_PER_BLOCK = 2**29

_Dtype: TypeAlias = type[np.float32] | type[np.float64]
_Row = TypeVar("_Row", int, NDArray[np.int64])


def pairwise(
    profiles: ArrayLike, radius: int | None = 1, *, dtype: _Dtype = np.float32, threads: int | None = None
) -> Floats:
    """DTW distances between all pairs of profiles.

    Some pairs, drawn with a fixed seed, are computed again by other code before the result is returned.

    Args:
        profiles: (n, points), n >= 1, finite.
        radius: half-width of the band in steps; `None` for no band.
        dtype: precision of the computation and the result, float32 or float64.
        threads: how many; all processors by default. The result is the same for any number.

    Returns:
        (n * (n - 1) / 2,) in the order of `scipy.spatial.distance.pdist`, in the profiles' unit.

    Raises:
        ParameterError: the profiles are not such a table, or the radius is negative.
        LoadProfilesError: the result failed the check.
    """
    values = check_profiles(profiles, dtype=dtype)
    n_profiles, n_points = values.shape
    band = effective_radius(radius, n_points)
    distances = np.empty(n_profiles * (n_profiles - 1) // 2, dtype)
    rows = np.arange(n_profiles, dtype=np.int64)
    # Column q of row i is at offset + q; the row's own first column is i + 1.
    offsets = _condensed_start(rows, n_profiles) - rows - 1
    _fill(values, values, rows + 1, offsets, band, distances, thread_count(threads))
    starts = _condensed_start(rows, n_profiles)
    for place in pairs_to_check(len(distances), band, n_points):
        low = int(np.searchsorted(starts, place, side="right")) - 1
        high = int(place - starts[low]) + low + 1
        check_pair(values[low], values[high], float(distances[place]), band, (low, high))
    return distances


def cross(
    profiles: ArrayLike,
    representatives: ArrayLike,
    radius: int | None = 1,
    *,
    dtype: _Dtype = np.float32,
    threads: int | None = None,
) -> Floats:
    """DTW distances from every profile to every representative.

    Args:
        profiles: (n, points), n >= 1, finite.
        representatives: (k, points), k >= 1, finite.
        radius: half-width of the band in steps; `None` for no band.
        dtype: precision of the computation and the result, float32 or float64.
        threads: how many; all processors by default. The result is the same for any number.

    Returns:
        (n, k), in the profiles' unit.

    Raises:
        ParameterError: one of the tables is not such a table, they differ in points, or the radius is
            negative.
    """
    values = check_profiles(profiles, dtype=dtype)
    targets = check_profiles(representatives, "representatives", dtype)
    check_same_points(values, targets)
    return np.ascontiguousarray(tile(targets, values, effective_radius(radius, values.shape[1]), threads=threads).T)


def tile(
    rows: Floats, columns: Floats, radius: int, *, diagonal: int | None = None, threads: int | None = None
) -> Floats:
    """A rectangle of the distance matrix, from profiles that were checked before.

    Args:
        rows: (m, points), from `check_profiles`.
        columns: (n, points), likewise, of the same type.
        radius: half-width of the band in steps, from `effective_radius`.
        diagonal: row i is the same profile as column i + diagonal, and what lies on this diagonal and left of it
            is not asked for: it becomes zero. None where all of the rectangle is.
        threads: how many; all processors by default.

    Returns:
        (m, n), of the profiles' type.
    """
    n_rows, n_columns = len(rows), len(columns)
    numbers = np.arange(n_rows, dtype=np.int64)
    starts = np.zeros_like(numbers) if diagonal is None else np.maximum(0, numbers + diagonal + 1)
    out = (np.zeros if starts.any() else np.empty)(n_rows * n_columns, rows.dtype)
    _fill(rows, columns, starts, numbers * n_columns, radius, out, thread_count(threads))
    return out.reshape(n_rows, n_columns)


def _fill(
    queries: Floats,
    columns: Floats,
    starts: NDArray[np.int64],
    offsets: NDArray[np.int64],
    radius: int,
    out: Floats,
    threads: int,
) -> None:
    """Write the DTW of query i and column q to `out[offsets[i] + q]`, for all q from `starts[i]`, which ascend."""

    def fill_block(area: tuple[int, int, int, int]) -> None:
        top, bottom, first, last = area
        fill(queries[top:bottom], columns, (first, last), starts[top:bottom], offsets[top:bottom], radius, out)

    blocks = _blocks(len(queries), len(columns), band_cells(radius, queries.shape[1]), threads)
    for _ in in_threads(fill_block, (area for area in blocks if starts[area[0]] < area[3]), threads):
        pass


def _blocks(n_rows: int, n_columns: int, cells: int, threads: int) -> Iterator[tuple[int, int, int, int]]:
    """First row, the one after the last, first column and the one after the last of each block."""
    pairs = _CELLS_PER_BLOCK // cells
    # A small matrix in as many blocks as keep the threads busy to the end.
    share = n_columns // (2 * threads) if threads > 1 else _SIDE
    width = max(1, min(_SIDE, pairs // _LEAST_COLUMNS, share) // _LEAST_COLUMNS) * _LEAST_COLUMNS
    height = max(1, min(_SIDE, pairs // width))
    for first in range(0, n_columns, width):
        for top in range(0, n_rows, height):
            yield top, min(n_rows, top + height), first, min(n_columns, first + width)


def _condensed_start(row: _Row, n_profiles: int) -> _Row:
    """Position, in the condensed distances of `n_profiles` profiles, at which a row begins."""
    return row * (2 * n_profiles - row - 1) // 2
