"""What the kernels ask of their input, and the check of what they found."""

import math
import operator
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loadprofiles.errors import LoadProfilesError, ParameterError

Floats: TypeAlias = NDArray[Any]
"""float32 or float64."""

# Squares of larger values, summed over a day of minutes, would overflow float32.
_LARGEST = 1e15
# numpy's kinds of booleans, whole numbers and floats, and of objects that may be such
_NUMBERS = "biufO"
_CHECKED_PAIRS = 8
# Plain Python takes some ten milliseconds for as many.
_CHECKED_CELLS = 40_000
_RELATIVE_TOLERANCE = 1e-4
# Differences below some 1e-19 have squares that float32 cannot hold.
_ABSOLUTE_TOLERANCE = 1e-15


def check_profiles(
    profiles: ArrayLike, what: str = "profiles", dtype: type[np.float32] | type[np.float64] = np.float32
) -> Floats:
    """A fresh copy of a table of profiles that the kernels can compute with.

    Args:
        profiles: (n, points).
        what: what to call them in an error.
        dtype: type of the copy.

    Returns:
        (n, points), contiguous and writable (numba compiles once more for read-only arrays).

    Raises:
        ParameterError: not two-dimensional, empty, not numbers, not finite, or larger than 1e15; or the type is
            another one.
    """
    if np.dtype(dtype) not in (np.float32, np.float64):
        raise ParameterError(f"dtype is {np.dtype(dtype)}; it must be float32 or float64")
    try:
        given = np.asarray(profiles)
        if given.dtype.kind not in _NUMBERS:
            raise TypeError(f"found {given.dtype}")
        values = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ParameterError(f"{what} must be a table of numbers: {error}") from error
    if values.ndim != 2 or 0 in values.shape:
        raise ParameterError(
            f"{what} must be a table of (n, points) with at least one of each, found shape {values.shape}"
        )
    largest = float(max(values.max(), -values.min()))
    if not math.isfinite(largest):
        _refuse_what_is_not_finite(values, what)
    if largest > _LARGEST:
        raise ParameterError(f"{what} reach {largest:g}; normalise them, the largest allowed is {_LARGEST:g}")
    return np.array(values, dtype, order="C")


def _refuse_what_is_not_finite(values: Floats, what: str) -> None:
    for name, is_bad in (("NaN", np.isnan(values)), ("infinite", np.isinf(values))):
        if is_bad.any():
            row = int(np.argmax(is_bad.any(axis=1)))
            raise ParameterError(f"{what} hold {int(is_bad.sum())} {name} values, the first in row {row}")


def check_same_points(
    profiles: Floats, others: Floats, names: tuple[str, str] = ("profiles", "representatives")
) -> None:
    """Fail unless both tables have the same number of points.

    Args:
        profiles: (n, points).
        others: (k, points).
        names: what to call the two in an error.

    Raises:
        ParameterError: they differ.
    """
    if profiles.shape[1] != others.shape[1]:
        raise ParameterError(
            f"{names[0]} have {profiles.shape[1]} points and {names[1]} {others.shape[1]}; "
            "they must have the same number"
        )


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


def band_cells(radius: int, n_points: int) -> int:
    """Cells of the table inside the band: what one distance costs.

    Args:
        radius: half-width of the band in steps, from `effective_radius`.
        n_points: length of both series.
    """
    outside = n_points - 1 - radius
    return n_points * n_points - outside * (outside + 1)


def pairs_to_check(n_pairs: int, radius: int, n_points: int, seed: int = 0) -> NDArray[np.int64]:
    """Numbers of the pairs to compute again: eight, or fewer where they are long.

    Args:
        n_pairs: pairs to choose among.
        radius: half-width of the band in steps, from `effective_radius`.
        n_points: length of the series.
        seed: of the draw.
    """
    affordable = max(1, _CHECKED_CELLS // band_cells(radius, n_points))
    return np.random.default_rng(seed).integers(n_pairs, size=min(_CHECKED_PAIRS, affordable, n_pairs))


def check_pair(series: Floats, other: Floats, computed: float, radius: int, pair: tuple[int, int]) -> None:
    """Compare a computed distance with plain Python in double precision.

    Args:
        series: (points,).
        other: (points,).
        computed: their distance, as computed.
        radius: half-width of the band in steps, from `effective_radius`.
        pair: the numbers of both, for the error.

    Raises:
        LoadProfilesError: it differs by more than 1e-4 of the distance.
    """
    expected = _scalar_dtw(series.tolist(), other.tolist(), radius)
    # Written so that a NaN fails.
    if not abs(computed - expected) <= _RELATIVE_TOLERANCE * expected + _ABSOLUTE_TOLERANCE:
        raise LoadProfilesError(
            f"the DTW distance between profiles {pair[0]} and {pair[1]} was computed as {computed:g}, "
            f"but it is {expected:g} (radius {radius}): the compiled code is wrong on this machine; "
            "delete the __pycache__ folders of loadprofiles and run again"
        )


def _scalar_dtw(series: list[float], other: list[float], radius: int) -> float:
    """DTW of one pair in plain Python, sharing nothing with the compiled code."""
    above = [0.0] + [math.inf] * len(other)
    for i, value in enumerate(series):
        row = [math.inf] * (len(other) + 1)
        for j in range(max(0, i - radius), min(len(other), i + radius + 1)):
            row[j + 1] = min(above[j], above[j + 1], row[j]) + (value - other[j]) ** 2
        above = row
    return math.sqrt(above[-1])
