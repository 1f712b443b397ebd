"""The check of a square distance matrix, whoever has made it, before anything is computed from it."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from loadprofiles.compiling import compiled
from loadprofiles.distances.checks import Floats
from loadprofiles.distances.threads import in_threads, thread_count
from loadprofiles.errors import ParameterError

# A tile and its copy stay in the L2 cache.
_TILE = 128
_PADDING = 16
# Between a distance and its mirror image, as in `numpy.allclose`.
_RELATIVE_TOLERANCE = np.float32(1e-4)
_ABSOLUTE_TOLERANCE = np.float32(1e-8)


def checked_distances(distance_matrix: Floats, threads: int | None = None, *, checked: bool = False) -> Floats:
    """`distance_matrix` itself, as a plain array that is not a copy, if it is a full distance matrix.

    Args:
        distance_matrix: shape (n, n), float32 or float64; may be read-only or mapped.
        threads: how many; all processors by default.
        checked: its values were looked at before; only shape and type are now.

    Returns:
        (n, n), a read-only view.

    Raises:
        ParameterError: not square, of another type, with NaN, infinite or negative values, with a diagonal that is not
            zero, or not symmetric (to float32's precision).
    """
    matrix = np.asarray(distance_matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ParameterError(f"distance matrix must be square, one row a profile, not {matrix.shape}.")
    if matrix.dtype not in (np.float32, np.float64):
        raise ParameterError(f"distance matrix must be float32 or float64, not {matrix.dtype}.")
    matrix = frozen(matrix)
    if not checked:
        _check_values(matrix, threads)
    return matrix


def frozen(array: Floats) -> Floats:
    """A read-only view: numba would compile once for those and once more for others."""
    view = array.view()
    view.flags.writeable = False
    return view


def _check_values(matrix: Floats, threads: int | None) -> None:
    def look(first: int) -> tuple[bool, bool]:
        return _find_flaws(matrix, first, min(first + _TILE, len(matrix)))

    starts = range(0, len(matrix), _TILE)
    flaws = list(in_threads(look, starts, min(thread_count(threads), len(starts))))
    if any(is_bad for is_bad, _ in flaws):
        _refuse_values(matrix)
    if matrix.diagonal().any():
        row = int(np.argmax(matrix.diagonal() != 0))
        raise ParameterError(f"distance matrix must have a zero diagonal, not {matrix[row, row]:g} as in row {row}.")
    if any(is_unlike for _, is_unlike in flaws):
        _refuse_mirror_images(matrix)


@compiled
def _find_flaws(matrix: Floats, first: int, last: int) -> tuple[bool, bool]:
    """Look at the rows first…last-1, from column `first`, and at the columns that mirror them.

    Returns:
        Whether there are values that are no finite distances, and whether there are some unlike their mirror image.
    """
    # A tile and its mirror image, compared column by column: gathered from a copy with rows that do not fall on the
    # same lines of the cache. By bits, since branches would keep the loop from being vectorised.
    copy = np.empty((last - first, _TILE + _PADDING), matrix.dtype)
    is_bad = np.zeros(last - first, np.int32)
    is_unlike = np.zeros(last - first, np.int32)
    for left in range(first, len(matrix), _TILE):
        right = min(left + _TILE, len(matrix))
        for i in range(first, last):
            for j in range(left, right):
                copy[i - first, j - left] = matrix[i, j]
        for j in range(left, right):
            row = matrix[j, first:last]
            for i in range(len(row)):
                here = copy[i, j - left]
                mirrored = row[i]
                good = (here >= 0) & (mirrored >= 0) & (here < np.float32(np.inf)) & (mirrored < np.float32(np.inf))
                like = abs(here - mirrored) <= _ABSOLUTE_TOLERANCE + _RELATIVE_TOLERANCE * mirrored
                # Written so that NaN counts.
                is_bad[i] |= np.int32(not good)
                is_unlike[i] |= np.int32(not like)
    return bool(is_bad.any()), bool(is_unlike.any())


def _refuse_values(matrix: Floats) -> None:
    row, column = _first_place(~((values >= 0) & (values < np.inf)) for values in matrix)
    raise ParameterError(
        f"distance matrix must hold finite distances of at least 0, not {matrix[row, column]:g} as in row {row},"
        f" column {column}."
    )


def _refuse_mirror_images(matrix: Floats) -> None:
    row, column = _first_place(
        np.abs(here - mirrored) > _ABSOLUTE_TOLERANCE + _RELATIVE_TOLERANCE * mirrored
        for here, mirrored in zip(matrix, matrix.T, strict=True)
    )
    raise ParameterError(
        f"distance matrix must be full and symmetric, not one triangle only: row {row}, column {column} is"
        f" {matrix[row, column]:g}, its mirror image {matrix[column, row]:g}."
    )


def _first_place(rows: Iterable[NDArray[np.bool_]]) -> tuple[int, int]:
    return next((number, int(np.argmax(row))) for number, row in enumerate(rows) if row.any())
