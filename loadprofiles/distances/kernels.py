"""Dynamic time warping (DTW) between daily load profiles, many pairs at a time.

The distance is that of Sakoe & Chiba (1978, doi:10.1109/TASSP.1978.1163055) for series of equal length:
squared local cost, a band of `radius` steps on either side of the diagonal, the square root of the sum.
`radius=0` is the Euclidean distance and `radius=None` leaves the path free; `radius` is dtaidistance's
`window - 1` and tslearn's `sakoe_chiba_radius`.

Pairs lie in lanes: one series is compared with a block of others laid out time-major in float32, so the
innermost loop runs over independent pairs and vectorises. Every pair is computed by the same operations
in the same order whatever the number of threads, so the result does not depend on it.
"""

import math
import operator
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from loadprofiles.errors import LoadProfilesError, ParameterError

# Compared side by side; 64 lanes of a day of 96 steps and two rows of the table stay in the L1/L2 cache.
_LANES = 64
# Parts whose sums are added up in a fixed order, so that rounding does not depend on the number of threads.
_PARTS = 32
# Squares of larger values, summed over a day of minutes, would overflow float32.
_LARGEST = 1e15
_CHECKED_PAIRS = 8
_RELATIVE_TOLERANCE = 1e-4
# Differences below some 1e-19 have squares that float32 cannot hold.
_ABSOLUTE_TOLERANCE = 1e-15

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(*, parallel: bool = False) -> Callable[[_Function], _Function]:
    """`numba.njit` with its result cached on disk and the function's signature kept for type checkers.

    Args:
        parallel: whether `prange` loops run on all threads.

    Returns:
        The decorator.
    """
    return cast("Callable[[_Function], _Function]", numba.njit(cache=True, parallel=parallel))


def pairwise(profiles: ArrayLike, radius: int | None = 1) -> NDArray[np.float32]:
    """DTW distances between all pairs of profiles.

    Eight pairs, drawn with a fixed seed, are computed again by other code before the result is returned.

    Args:
        profiles: (n, points), n >= 1, finite; computed in float32.
        radius: half-width of the band in steps; `None` for no band.

    Returns:
        (n * (n - 1) / 2,) in the order of `scipy.spatial.distance.pdist`, in the profiles' unit.

    Raises:
        ParameterError: the profiles are not such a table, or the radius is negative.
        LoadProfilesError: the result failed the check.
    """
    values = check_profiles(profiles)
    n_profiles = len(values)
    distances = np.empty(n_profiles * (n_profiles - 1) // 2, np.float32)
    fill_rows(values, 0, n_profiles, radius, distances)
    self_check(values, distances, radius)
    return distances


def cross(profiles: ArrayLike, representatives: ArrayLike, radius: int | None = 1) -> NDArray[np.float32]:
    """DTW distances from every profile to every representative.

    Args:
        profiles: (n, points), n >= 1, finite; computed in float32.
        representatives: (k, points), k >= 1, finite; computed in float32.
        radius: half-width of the band in steps; `None` for no band.

    Returns:
        (n, k), in the profiles' unit.

    Raises:
        ParameterError: one of the tables is not such a table, they differ in points, or the radius is
            negative.
    """
    values = check_profiles(profiles)
    targets = check_profiles(representatives, "representatives")
    _check_same_points(values, targets)
    n_profiles, n_targets = len(values), len(targets)
    distances = np.empty(n_targets * n_profiles, np.float32)
    starts = np.zeros(n_targets, np.int64)
    offsets = np.arange(n_targets, dtype=np.int64) * n_profiles
    _fill(targets, values, starts, offsets, effective_radius(radius, values.shape[1]), distances)
    return np.ascontiguousarray(distances.reshape(n_targets, n_profiles).T)


def fill_rows(
    profiles: NDArray[np.float32], first: int, last: int, radius: int | None, out: NDArray[np.float32]
) -> None:
    """Compute the rows `first` up to `last` of the upper triangle, as a matrix in blocks needs it.

    Args:
        profiles: (n, points), from `check_profiles`.
        first: first row.
        last: the row after the last one.
        radius: half-width of the band in steps; `None` for no band.
        out: (`condensed_start(last) - condensed_start(first)`,), written.

    Raises:
        ParameterError: the radius is negative.
    """
    n_profiles = len(profiles)
    rows = np.arange(first, last, dtype=np.int64)
    # Column q of row i is at offset + q; the row's own first column is i + 1.
    offsets = condensed_start(rows, n_profiles) - condensed_start(first, n_profiles) - rows - 1
    _fill(profiles[first:last], profiles, rows + 1, offsets, effective_radius(radius, profiles.shape[1]), out)


_Row = TypeVar("_Row", int, NDArray[np.int64])


def condensed_start(row: _Row, n_profiles: int) -> _Row:
    """Position, in the condensed distances of `n_profiles` profiles, at which a row begins."""
    return row * (2 * n_profiles - row - 1) // 2


def square(condensed: NDArray[np.float32], index: NDArray[np.int64], n_profiles: int) -> NDArray[np.float32]:
    """The square matrix of some of the profiles, from the distances between all of them.

    Args:
        condensed: (n_profiles * (n_profiles - 1) / 2,), as from `pairwise`; may be memory-mapped.
        index: (m,), numbers of profiles in the order wanted; a profile may come up more than once.
        n_profiles: number of profiles the distances were computed for.

    Returns:
        (m, m), symmetric, zero on the diagonal and between occurrences of one profile: 4 m^2 bytes.

    Raises:
        ParameterError: the condensed distances have another length, or an index is out of range.
    """
    expected = n_profiles * (n_profiles - 1) // 2
    if condensed.shape != (expected,):
        raise ParameterError(
            f"condensed distances of {n_profiles} profiles are {expected} values, found shape {condensed.shape}"
        )
    if index.size and not 0 <= index.min() <= index.max() < n_profiles:
        raise ParameterError(f"index runs from {index.min()} to {index.max()}; it must lie in 0..{n_profiles - 1}")
    matrix = np.zeros((index.size, index.size), np.float32)
    # Walking the profiles in stored order reads the file once, front to back.
    order = np.argsort(index, kind="stable")
    _fill_square(condensed, index[order], order, n_profiles, matrix)
    return matrix


def alignment_sums(
    profiles: ArrayLike, representatives: ArrayLike, labels: NDArray[np.int64], radius: int | None = 1
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sums of the profile values aligned with each point of their representative.

    Their quotient is one step of DTW barycenter averaging, DBA (Petitjean, Ketterlin & Gançarski 2011,
    doi:10.1016/j.patcog.2010.09.013), along the optimal paths inside the band.

    Args:
        profiles: (n, points), n >= 1, finite.
        representatives: (k, points), finite.
        labels: (n,), number of each profile's representative.
        radius: half-width of the band in steps; `None` for no band.

    Returns:
        Sums (k, points) and numbers of values added (k, points); both are zero for a representative
        without profiles, and every number is at least 1 for one with profiles.

    Raises:
        ParameterError: one of the arguments is not such an array, or the radius is negative.
    """
    values = check_profiles(profiles)
    targets = check_profiles(representatives, "representatives")
    _check_same_points(values, targets)
    if labels.shape != (len(values),) or not 0 <= labels.min() <= labels.max() < len(targets):
        raise ParameterError(
            f"labels must be {len(values)} numbers in 0..{len(targets) - 1}, found shape {labels.shape}"
            + (f" with {labels.min()}..{labels.max()}" if labels.size else "")
        )
    shape = (_PARTS, *targets.shape)
    sums, counts = np.zeros(shape), np.zeros(shape, np.int64)
    band = effective_radius(radius, values.shape[1])
    _add_parts(values, targets, labels.astype(np.int64), band, sums, counts)
    return sums.sum(axis=0), counts.sum(axis=0)


def self_check(
    profiles: NDArray[np.float32], distances: NDArray[np.float32], radius: int | None, seed: int = 0
) -> None:
    """Compare some pairs of a computed matrix with plain Python in double precision.

    Args:
        profiles: (n, points), from `check_profiles`.
        distances: (n * (n - 1) / 2,), what was computed for them.
        radius: the half-width of the band it was computed with.
        seed: of the draw of pairs.

    Raises:
        LoadProfilesError: a pair differs by more than 1e-4 of its distance.
    """
    n_profiles = len(profiles)
    if n_profiles < 2:
        return
    band = effective_radius(radius, profiles.shape[1])
    generator = np.random.default_rng(seed)
    for _ in range(_CHECKED_PAIRS):
        low, high = sorted(generator.choice(n_profiles, 2, replace=False).tolist())
        computed = float(distances[condensed_start(low, n_profiles) + high - low - 1])
        expected = _scalar_dtw(profiles[low].tolist(), profiles[high].tolist(), band)
        # Written so that a NaN fails.
        if not abs(computed - expected) <= _RELATIVE_TOLERANCE * expected + _ABSOLUTE_TOLERANCE:
            raise LoadProfilesError(
                f"the DTW distance between profiles {low} and {high} was computed as {computed:g}, "
                f"but it is {expected:g} (radius {radius}): the compiled code is wrong on this machine; "
                "delete the __pycache__ folders of loadprofiles and run again"
            )


def check_profiles(profiles: ArrayLike, what: str = "profiles") -> NDArray[np.float32]:
    """A fresh float32 copy of a table of profiles that the kernels can compute with.

    Args:
        profiles: (n, points).
        what: what to call them in an error.

    Returns:
        (n, points), contiguous and writable (numba compiles once more for read-only arrays).

    Raises:
        ParameterError: not two-dimensional, empty, not numbers, not finite, or larger than 1e15.
    """
    try:
        values = np.asarray(profiles, np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{what} must be a table of numbers: {error}") from error
    if values.ndim != 2 or 0 in values.shape:
        raise ParameterError(
            f"{what} must be a table of (n, points) with at least one of each, found shape {values.shape}"
        )
    for name, is_bad in (("NaN", np.isnan(values)), ("infinite", np.isinf(values))):
        if is_bad.any():
            row = int(np.argmax(is_bad.any(axis=1)))
            raise ParameterError(f"{what} hold {int(is_bad.sum())} {name} values, the first in row {row}")
    largest = float(np.abs(values).max())
    if largest > _LARGEST:
        raise ParameterError(f"{what} reach {largest:g}; normalise them, the largest allowed is {_LARGEST:g}")
    return np.array(values, np.float32, order="C")


def effective_radius(radius: int | None, n_points: int) -> int:
    """The radius in steps, at most `n_points - 1`, which is the full band.

    Raises:
        ParameterError: the radius is negative or not a whole number.
    """
    if radius is None:
        return n_points - 1
    try:
        steps = operator.index(radius)
    except TypeError as error:
        raise ParameterError(f"radius is {radius!r}; it must be a whole number of steps") from error
    if steps < 0:
        raise ParameterError(f"radius is {steps}; it must be 0 (Euclidean) or more steps")
    return min(steps, n_points - 1)


def _check_same_points(profiles: NDArray[np.float32], representatives: NDArray[np.float32]) -> None:
    if profiles.shape[1] != representatives.shape[1]:
        raise ParameterError(
            f"profiles have {profiles.shape[1]} points and representatives {representatives.shape[1]}; "
            "they must have the same number"
        )


def _scalar_dtw(series: list[float], other: list[float], radius: int) -> float:
    """DTW of one pair in plain Python, sharing nothing with the compiled code."""
    best = {(-1, -1): 0.0}
    for i, value in enumerate(series):
        for j in range(max(0, i - radius), min(len(other), i + radius + 1)):
            before = min(
                best.get((i - 1, j - 1), math.inf),
                best.get((i - 1, j), math.inf),
                best.get((i, j - 1), math.inf),
            )
            best[i, j] = before + (value - other[j]) ** 2
    return math.sqrt(best[len(series) - 1, len(other) - 1])


@compiled()
def _dtw_lanes(
    series: NDArray[np.float32],
    lanes: NDArray[np.float32],
    radius: int,
    previous: NDArray[np.float32],
    current: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Squared DTW from one series (points,) to each lane of (points, lanes); the rows are work space."""
    n_points, n_lanes = lanes.shape
    for j in range(n_points + 1):
        for lane in range(n_lanes):
            previous[j, lane] = np.inf if j else 0.0
    for i in range(n_points):
        low = max(0, i - radius)
        high = min(n_points, i + radius + 1)
        value = series[i]
        # Outside the band there is no way: before its first step and after its last one.
        beyond = min(high + 1, n_points)
        for lane in range(n_lanes):
            current[low, lane] = np.inf
            current[beyond, lane] = np.inf
        for j in range(low, high):
            for lane in range(n_lanes):
                difference = value - lanes[j, lane]
                before = min(previous[j, lane], previous[j + 1, lane], current[j, lane])
                current[j + 1, lane] = difference * difference + before
        previous, current = current, previous
    return previous[n_points]


@compiled(parallel=True)
def _fill(
    queries: NDArray[np.float32],
    columns: NDArray[np.float32],
    starts: NDArray[np.int64],
    offsets: NDArray[np.int64],
    radius: int,
    out: NDArray[np.float32],
) -> None:
    """Write the DTW of query i and column q to `out[offsets[i] + q]`, for all q from `starts[i]`."""
    n_columns, n_points = columns.shape
    for block in numba.prange((n_columns + _LANES - 1) // _LANES):
        first = block * _LANES
        last = min(n_columns, first + _LANES)
        lanes = np.zeros((n_points, _LANES), np.float32)
        for q in range(first, last):
            for t in range(n_points):
                lanes[t, q - first] = columns[q, t]
        previous = np.empty((n_points + 1, _LANES), np.float32)
        current = np.empty((n_points + 1, _LANES), np.float32)
        for i in range(len(queries)):
            if starts[i] < last:
                squared = _dtw_lanes(queries[i], lanes, radius, previous, current)
                for q in range(max(first, starts[i]), last):
                    out[offsets[i] + q] = np.sqrt(squared[q - first])


@compiled()
def _fill_square(
    condensed: NDArray[np.float32],
    stored: NDArray[np.int64],
    places: NDArray[np.int64],
    n_profiles: int,
    out: NDArray[np.float32],
) -> None:
    """Spread condensed distances; `stored` ascends, and `places` says where each profile goes."""
    for a in range(len(stored)):
        row = stored[a]
        offset = row * (2 * n_profiles - row - 1) // 2 - row - 1
        for b in range(a + 1, len(stored)):
            if stored[b] != row:
                distance = condensed[offset + stored[b]]
                out[places[a], places[b]] = distance
                out[places[b], places[a]] = distance


@compiled()
def _accumulate(
    series: NDArray[np.float32], radius: int, cost: NDArray[np.float64], target: NDArray[np.float32]
) -> None:
    """Fill the banded table of squared costs: `cost[i, j - i + radius]` for target i and series j."""
    n_points = len(series)
    cost.fill(np.inf)
    for i in range(n_points):
        for j in range(max(0, i - radius), min(n_points, i + radius + 1)):
            at = j - i + radius
            before = 0.0 if i == 0 and j == 0 else np.inf
            if i > 0 and j > 0:
                before = cost[i - 1, at]
            if i > 0 and at + 1 < cost.shape[1]:
                before = min(before, cost[i - 1, at + 1])
            if j > 0 and at > 0:
                before = min(before, cost[i, at - 1])
            difference = np.float64(target[i]) - np.float64(series[j])
            cost[i, at] = before + difference * difference


@compiled()
def _add_aligned(
    series: NDArray[np.float32],
    radius: int,
    cost: NDArray[np.float64],
    sums: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Walk the optimal path back from the end, adding each series value to its target's point."""
    i = len(series) - 1
    j = i
    while True:
        sums[i] += series[j]
        counts[i] += 1
        if i == 0 and j == 0:
            return
        at = j - i + radius
        diagonal = cost[i - 1, at] if i > 0 and j > 0 else np.inf
        down = cost[i - 1, at + 1] if i > 0 and at + 1 < cost.shape[1] else np.inf
        left = cost[i, at - 1] if j > 0 and at > 0 else np.inf
        if diagonal <= down and diagonal <= left:
            i -= 1
            j -= 1
        elif down <= left:
            i -= 1
        else:
            j -= 1


@compiled(parallel=True)
def _add_parts(
    profiles: NDArray[np.float32],
    representatives: NDArray[np.float32],
    labels: NDArray[np.int64],
    radius: int,
    sums: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Add the alignment sums of consecutive parts of the profiles to (parts, k, points)."""
    n_profiles, n_points = profiles.shape
    n_parts = len(sums)
    size = (n_profiles + n_parts - 1) // n_parts
    for part in numba.prange(n_parts):
        cost = np.empty((n_points, 2 * radius + 1), np.float64)
        for p in range(part * size, min(n_profiles, (part + 1) * size)):
            label = labels[p]
            _accumulate(profiles[p], radius, cost, representatives[label])
            _add_aligned(profiles[p], radius, cost, sums[part, label], counts[part, label])
