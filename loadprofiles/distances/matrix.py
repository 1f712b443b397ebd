"""The DTW matrix of a table of profiles, read by every clustering of it.

Profiles are found by their key, so a matrix answers for exactly the profiles asked for, in their order, or
says how many it does not hold. `generations` describes its files and `update` computes them.
"""

import contextlib
import os
import shlex
import sys
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from loadprofiles.compiling import compiled
from loadprofiles.distances.generations import (
    Generation,
    Keys,
    Matrix,
    MatrixParameters,
    Tile,
    digest_of,
    pieces,
)
from loadprofiles.distances.place import Place
from loadprofiles.distances.threads import in_threads, thread_count
from loadprofiles.errors import InputError, LoadProfilesError, StaleMatrixError
from loadprofiles.tables import atomic_path, first_line

_Array = TypeVar("_Array", bound=NDArray[np.float32])

# Both sides of a square of floats that is turned over stay in the L1 cache.
_TURNED = 64


class DtwMatrix:
    """A matrix opened for reading; the distances stay where they are until they are selected.

    Attributes:
        place: The folder it lies in.
        parameters: What its distances are.
        keys: (n, 16), one for each distinct profile.
        created_utc: When it was begun, ISO 8601.
        library_version: Version of this package that began it.
    """

    def __init__(self, location: str | Path, parameters: MatrixParameters, remedy: str = "") -> None:
        """Open the matrix of these parameters.

        Args:
            location: `dtw_path`, a folder or the URL of one.
            parameters: Which of the matrices there.
            remedy: The command that errors name, which computes the matrix wanted; the chain's by default.

        Raises:
            InputError: There is no such matrix, its files are damaged, or another version wrote it.
        """
        self.place = Place(location)
        self.parameters = parameters
        self._remedy = remedy or _command(self.place, parameters)
        with self._failures():
            self._generations = self._open().generations
            self.keys: Keys = np.concatenate(
                [np.empty((0, 16), np.uint8), *(generation.keys for generation in self._generations)]
            )
        self._number = {key: number for number, key in enumerate(pieces(self.keys))}

    def _open(self) -> Matrix:
        try:
            matrix = Matrix(self.place, self.parameters)
        except FileNotFoundError:
            matrix = None
        if matrix is None or not matrix.generations:
            others = [name for name in self.place.folders() if name != self.parameters.name]
            instead = f"; there are: {', '.join(others)}" if others else ""
            raise InputError(
                f"there is no DTW matrix of {self.parameters} at {self.place}{instead}; compute it with: {self._remedy}"
            )
        self.created_utc, self.library_version = matrix.created_utc, matrix.library_version
        return matrix

    @property
    def n_profiles(self) -> int:
        """Number of distinct profiles."""
        return len(self.keys)

    @property
    def digest(self) -> str:
        """Of all that the distances depend on, hexadecimal; the same for the same profiles and parameters."""
        return digest_of(self.parameters, self.keys)

    def size_bytes(self) -> int:
        """Size of its files."""
        with self._failures():
            return sum(self.place.sizes(self.parameters.name).values())

    def missing(self, keys: Keys) -> int:
        """How many of the profiles asked for it does not hold.

        Args:
            keys: (m, 16), from `profile_keys`.
        """
        return sum(key not in self._number for key in pieces(keys))

    def select(
        self, keys: Keys, *, condensed: bool = False, file: Path | None = None, threads: int | None = None
    ) -> NDArray[np.float32]:
        """The distances between the profiles asked for, in their order.

        Args:
            keys: (m, 16), from `profile_keys`; equal profiles have distance 0.
            condensed: Only those above the diagonal, in the order of `scipy.spatial.distance.pdist`.
            file: Where to put them as `.npy`, for more than fit into memory; what was there is replaced.
            threads: How many; all processors by default.

        Returns:
            (m, m), symmetric with a zero diagonal, 4 m² bytes; or (m (m - 1) / 2,), half as many. In memory, or
            mapped from the file.

        Raises:
            StaleMatrixError: It does not hold some of the profiles.
            InputError: A tile is damaged, or the file cannot be written.
        """
        n_missing = self.missing(keys)
        if n_missing:
            raise StaleMatrixError(
                f"the DTW matrix at {self.place} does not hold {n_missing} of the {len(keys)} profiles asked "
                f"for; bring it up to date with: {self._remedy}"
            )
        asked = np.fromiter((self._number[key] for key in pieces(keys)), np.int64, len(keys))
        # Walking the profiles in stored order opens each tile once, and leaves out those without any.
        order = np.argsort(asked, kind="stable")
        shape = (len(keys) * (len(keys) - 1) // 2,) if condensed else (len(keys), len(keys))
        if file is None:
            return self._fill(np.zeros(shape, np.float32), asked[order], order, threads)
        try:
            with atomic_path(file) as unfinished:
                self._fill(_mapped(unfinished, shape), asked[order], order, threads).flush()
        except OSError as error:
            raise InputError(f"the distances cannot be written to {file} ({first_line(error)})") from error
        mapped: NDArray[np.float32] = np.load(file, mmap_mode="r+")
        return mapped

    def _fill(self, out: _Array, stored: NDArray[np.int64], places: NDArray[np.int64], threads: int | None) -> _Array:
        selection = _Selection(stored, places, out)
        parts = ((generation, tile) for generation in self._generations for tile in generation.tiles)
        with self._failures():
            for _ in in_threads(selection.take, filter(selection.holds, parts), thread_count(threads)):
                pass
        return out

    def _failures(self) -> contextlib.AbstractContextManager[None]:
        return self.place.failures(
            f"the DTW matrix of {self.parameters} at {self.place} cannot be read",
            f"compute it again with: {self._remedy.replace('compute_dtw=true', 'compute_dtw=anew')}",
        )


class _Selection:
    """Copies what tiles hold of the distances asked for."""

    def __init__(self, stored: NDArray[np.int64], places: NDArray[np.int64], out: NDArray[np.float32]) -> None:
        self._stored = stored
        self._places = places
        # a plain array: numba compiles once more for a mapped one
        self._out = np.asarray(out)

    def holds(self, part: tuple[Generation, Tile]) -> bool:
        """Whether any of the tile is asked for."""
        return all(some.start < some.stop for some in self._asked(*part))

    def take(self, part: tuple[Generation, Tile]) -> None:
        """Copy what is asked for; tiles do not overlap, so threads do not meet."""
        generation, tile = part
        values = generation.read(tile)
        rows, columns = self._asked(generation, tile)
        where = (
            values,
            self._stored[rows] - tile.rows[0],
            self._places[rows],
            self._stored[columns] - generation.n_before - tile.columns[0],
            self._places[columns],
            tile.diagonal,
        )
        if self._out.ndim == 2:
            _spread_square(*where, self._out)
        else:
            _spread_condensed(*where, len(self._stored), self._out)

    def _asked(self, generation: Generation, tile: Tile) -> tuple[slice, slice]:
        columns = np.array(tile.columns) + generation.n_before
        bounds = np.searchsorted(self._stored, [*tile.rows, *columns]).tolist()
        return slice(*bounds[:2]), slice(*bounds[2:])


def _mapped(file: Path, shape: tuple[int, ...]) -> "np.memmap[Any, np.dtype[np.float32]]":
    """Zeros in a file."""
    mapped = np.lib.format.open_memmap(file, "w+", np.dtype(np.float32), shape)
    if sys.platform == "linux":
        # writing to a mapped file on a full disk kills the process: have the space first
        with file.open("r+b") as opened:
            os.posix_fallocate(opened.fileno(), 0, file.stat().st_size)
    return mapped


@compiled
def _spread_square(
    tile: NDArray[np.float32],
    rows: NDArray[np.int64],
    row_places: NDArray[np.int64],
    columns: NDArray[np.int64],
    column_places: NDArray[np.int64],
    diagonal: int,
    out: NDArray[np.float32],
) -> None:
    """Put both [i, j] and [j, i] where they belong; rows and columns are the tile's, and ascend."""
    for a in range(len(rows)):
        from_row, to_row = tile[rows[a]], out[row_places[a]]
        # repeats of one profile have distance 0, as has all that is not stored
        for b in range(np.searchsorted(columns, rows[a] + diagonal, side="right"), len(columns)):
            to_row[column_places[b]] = from_row[columns[b]]
    for left in range(0, len(columns), _TURNED):
        for top in range(0, len(rows), _TURNED):
            for b in range(left, min(left + _TURNED, len(columns))):
                column, to_row = columns[b], out[column_places[b]]
                last = np.searchsorted(rows, column - diagonal)
                for a in range(top, min(top + _TURNED, last)):
                    to_row[row_places[a]] = tile[rows[a], column]


@compiled
def _spread_condensed(
    tile: NDArray[np.float32],
    rows: NDArray[np.int64],
    row_places: NDArray[np.int64],
    columns: NDArray[np.int64],
    column_places: NDArray[np.int64],
    diagonal: int,
    n_asked: int,
    out: NDArray[np.float32],
) -> None:
    """Put each distance at its pair's place in the upper triangle of those asked for."""
    for a in range(len(rows)):
        for b in range(np.searchsorted(columns, rows[a] + diagonal, side="right"), len(columns)):
            low = min(row_places[a], column_places[b])
            high = max(row_places[a], column_places[b])
            out[low * (2 * n_asked - low - 1) // 2 + high - low - 1] = tile[rows[a], columns[b]]


def stored_digests(location: str | Path) -> dict[str, str]:
    """The digest of each matrix at a place, by its name; of one that cannot be read, `damaged`.

    Args:
        location: `dtw_path`.

    Raises:
        InputError: The place cannot be reached.
    """
    place = Place(location)
    with place.failures(f"the DTW matrices at {place} cannot be listed", "check dtw_path"):
        return {name: _digest(place, name) for name in place.folders()}


def _digest(place: Place, name: str) -> str:
    parameters = MatrixParameters.of_name(name)
    try:
        return DtwMatrix(place.location, parameters).digest if parameters else "damaged"
    except LoadProfilesError:
        return "damaged"


def _command(place: Place, parameters: MatrixParameters) -> str:
    where = f"-P dtw_path={shlex.quote(place.location)} -P radius={parameters.band}"
    return f"mlflow run . -P compute_dtw=true {where}"
