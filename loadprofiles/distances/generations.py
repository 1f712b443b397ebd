"""The files of a DTW matrix: generations of profiles, each with its columns of the upper triangle in tiles.

    <dtw_path>/
      <normalisation>-<points>x<minutes>min-radius<r>/     a zarr group: one matrix
        zarr.json                its parameters, and the names of its generations in order
        0000-<random>/           a generation: the profiles that one run added
          keys                   (m, 16) uint8, a digest of each profile
          profiles               (m, points) float32, normalised
          distances              (profiles before + m, m) float32: to all profiles before, and among themselves

Entry [i, j] of a generation's distances is the distance between profile i of the whole matrix and the
generation's own profile j; it is 0 where i is not before j. A chunk of the array is a tile; tiles wholly
below the diagonal are not stored. A tile is compressed without loss and carries a checksum.

A generation counts once its name is in the root's list, which is written last and at one stroke: readers
never see a part of it, and nothing that they read is written again.
"""

import functools
import hashlib
import json
import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
import zarr
from numpy.typing import ArrayLike, NDArray
from zarr.codecs import BloscCodec, Crc32cCodec

from loadprofiles import __version__
from loadprofiles.distances.checks import Floats, band_cells, check_pair, check_profiles, effective_radius
from loadprofiles.distances.kernels import tile
from loadprofiles.distances.place import Place
from loadprofiles.errors import InputError
from loadprofiles.tables import first_line

FORMAT = "loadprofiles-dtw-matrix"
FORMAT_VERSION = 2
_KEY_BYTES = 16
_GENERATIONS, _DROPPED = "generations", "dropped"
_LARGEST_SIDE, _LEAST_SIDE = 2048, 256
_TILES_TO_SHARE = 8
# Some fifteen seconds of one processor: what an interrupt waits for, or costs.
_CELLS_PER_TILE = 2**38
_CHUNK = re.compile(r"(?P<row>[0-9]+)/(?P<column>[0-9]+)")
_META = "zarr.json"
_READ_BYTES = 2**20
_NAME = re.compile(r"(?P<normalisation>\w+)-(?P<points>\d+)x(?P<minutes>\d+)min-radius(?P<radius>\d+|full)")

Keys = NDArray[np.uint8]


@dataclass(frozen=True)
class MatrixParameters:
    """What the distances are: profiles with other ones belong into another matrix.

    Attributes:
        radius: Half-width of the band in steps; None for no band.
        normalisation: Name of the profiles' normalisation.
        n_points: Points a profile.
        resolution_minutes: Length of a step.
    """

    radius: int | None
    normalisation: str
    n_points: int
    resolution_minutes: int

    def __post_init__(self) -> None:
        """Check the radius; a band as wide as the day is none.

        Raises:
            ParameterError: The radius is negative.
        """
        band = effective_radius(self.radius, self.n_points)
        object.__setattr__(self, "radius", None if band == self.n_points - 1 else band)

    @classmethod
    def of_name(cls, name: str) -> "MatrixParameters | None":
        """The parameters of a matrix' folder; None where it is another folder."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        radius = None if match["radius"] == "full" else int(match["radius"])
        parameters = cls(radius, match["normalisation"], int(match["points"]), int(match["minutes"]))
        return parameters if parameters.name == name else None

    @property
    def band(self) -> int:
        """The radius in steps."""
        return effective_radius(self.radius, self.n_points)

    @property
    def name(self) -> str:
        """Name of the folder."""
        radius = "full" if self.radius is None else self.radius
        return f"{self.normalisation}-{self.n_points}x{self.resolution_minutes}min-radius{radius}"

    def __str__(self) -> str:
        radius = "no band" if self.radius is None else f"radius {self.radius}"
        return (
            f"{radius}, {self.n_points} points of {self.resolution_minutes} minutes, normalisation {self.normalisation}"
        )


def profile_keys(normalised: ArrayLike) -> Keys:
    """The key of each profile: a 128-bit BLAKE2b digest of its float32 values.

    Args:
        normalised: (n, points), finite.

    Returns:
        (n, 16); equal for equal profiles, whatever their number, order and float type.

    Raises:
        ParameterError: not such a table.
    """
    return keys_of(check_profiles(normalised))


def keys_of(profiles: Floats) -> Keys:
    """`profile_keys` of profiles that were checked before.

    Args:
        profiles: (n, points), from `check_profiles`.
    """
    # Adding zero makes -0.0 the same profile as 0.0; a fixed byte order makes keys portable.
    values = (profiles + np.float32(0)).astype("<f4", copy=False)
    rows = pieces(values, values.itemsize * values.shape[1])
    digests = b"".join(hashlib.blake2b(row, digest_size=_KEY_BYTES).digest() for row in rows)
    return np.frombuffer(digests, np.uint8).reshape(-1, _KEY_BYTES)


def pieces(table: NDArray[Any], size: int = _KEY_BYTES) -> list[bytes]:
    """The bytes of each row of a table, by default one of keys; many times as fast as `tobytes` row by row.

    Args:
        table: (n, any).
        size: Bytes a row.
    """
    content = table.tobytes()
    return [content[start : start + size] for start in range(0, len(content), size)]


@dataclass(frozen=True)
class Tile:
    """A rectangle of a generation's distances; the last ones are exclusive.

    Attributes:
        chunk: Its two numbers in the array.
        rows: First and last row: profiles of the whole matrix.
        columns: First and last column: profiles of the generation.
        n_before: Profiles of the matrix before the generation's first.
    """

    chunk: tuple[int, int]
    rows: tuple[int, int]
    columns: tuple[int, int]
    n_before: int

    @property
    def diagonal(self) -> int:
        """Its row i is the same profile as its column i + diagonal."""
        return self.rows[0] - self.n_before - self.columns[0]

    @property
    def n_pairs(self) -> int:
        """Pairs that it holds: those above the diagonal."""
        starts = np.clip(np.arange(*self.rows) + 1 - self.n_before, *self.columns)
        return int((self.columns[1] - starts).sum())


class Generation:
    """Profiles that were added together, and their distances.

    Attributes:
        name: Of its group.
        after: Names of the generations before it.
        n_before: Their profiles.
        keys: (m, 16).
    """

    def __init__(self, place: Place, group: zarr.Group) -> None:
        self.name = group.basename
        self.after: list[str] = list(group.attrs["after"])  # type: ignore[arg-type]
        self.n_before = int(group.attrs["n_before"])  # type: ignore[arg-type]
        self.keys: Keys = _values(group, "keys")
        self._group = group
        self._place = place
        distances: Any = group["distances"]
        self._distances = distances
        n_profiles = len(self.keys)
        expected = (n_profiles, _KEY_BYTES), (self.n_before + n_profiles, n_profiles)
        # what is gone reads as zeros
        if not self.keys.any(axis=1).all():
            raise ValueError(f"keys of generation {self.name} are missing")
        if (self.keys.shape, distances.shape) != expected:
            raise ValueError(f"generation {self.name} has {self.keys.shape} keys and {distances.shape} distances")

    @functools.cached_property
    def profiles(self) -> Floats:
        """(m, points), float32, normalised.

        Raises:
            InputError: They are damaged: distances from them would be wrong.
        """
        try:
            values = _values(self._group, "profiles")
            # what is gone reads as NaN
            if len(values) != len(self.keys) or not np.isfinite(values).all():
                raise ValueError("some are missing")
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(
                f"the profiles of generation {self.name} at {self._place} are damaged ({first_line(error)}); "
                "compute_dtw=anew computes the DTW matrix again"
            ) from error
        return values

    @functools.cached_property
    def tiles(self) -> list[Tile]:
        """All that hold a pair, down the columns."""
        n_rows, n_columns = self._distances.shape
        height, width = self._distances.chunks
        return [
            tile
            for column in range(-(-n_columns // width))
            for row in range(-(-n_rows // height))
            if (
                tile := Tile(
                    (row, column),
                    (row * height, min(n_rows, (row + 1) * height)),
                    (column * width, min(n_columns, (column + 1) * width)),
                    self.n_before,
                )
            ).n_pairs
        ]

    def stored_chunks(self) -> set[tuple[int, int]]:
        """The tiles that are there, by their numbers."""
        paths = self._place.sizes(f"{self.name}/distances/c")
        found = (_CHUNK.fullmatch(path) for path in paths)
        return {(int(match["row"]), int(match["column"])) for match in found if match}

    def read(self, tile: Tile) -> NDArray[np.float32]:
        """The distances of a tile.

        Raises:
            FileNotFoundError: It is not there.
            ValueError: It is damaged; a RuntimeError says the same.
        """
        values: NDArray[np.float32] = self._distances[slice(*tile.rows), slice(*tile.columns)]
        # what was never written reads as NaN, without a word
        if np.isnan(values[0, 0]):
            raise FileNotFoundError(f"tile {tile.chunk} of generation {self.name} is missing")
        return values

    def write(self, tile: Tile, values: NDArray[np.float32]) -> int:
        """Store a tile, whole or not at all, and wait until the disk has it; the number of its pairs."""
        self._distances[slice(*tile.rows), slice(*tile.columns)] = values
        self._place.sync(self._file(tile))
        return tile.n_pairs

    def is_whole(self, tile: Tile) -> bool:
        """Whether a tile that is there is as it was written: its last four bytes are the checksum of the rest."""
        if not self._place.is_local:
            # an object store has all of it, or nothing
            return True
        path = Path(self._place.root) / self._file(tile)
        left, checksum = path.stat().st_size - 4, 0
        with path.open("rb") as file:
            while left > 0:
                piece = file.read(min(_READ_BYTES, left))
                left -= len(piece)
                checksum = google_crc32c.extend(checksum, piece)
            return left == 0 and checksum == int.from_bytes(file.read(), "little")

    def _file(self, tile: Tile) -> str:
        return f"{self.name}/distances/c/{tile.chunk[0]}/{tile.chunk[1]}"


class Matrix:
    """A matrix' group, as it is stored.

    Attributes:
        parameters: What its distances are.
        created_utc: When it was begun, ISO 8601.
        library_version: Version of this package that began it.
        generations: Those that count, in order.
        dropped: Names of those that did before they were computed anew.
    """

    def __init__(self, place: Place, parameters: MatrixParameters, *, writable: bool = False) -> None:
        """Read the group.

        Args:
            place: The folder the matrices lie in.
            parameters: Which of them.
            writable: Whether generations may be added.

        Raises:
            FileNotFoundError: There is none.
            ValueError: It is none of ours, or another version's; a KeyError or TypeError says the same.
        """
        self.parameters = parameters
        self.place = place / parameters.name
        self._group = zarr.open_group(self.place.store(), mode="r+" if writable else "r", zarr_format=3)
        content = dict(self._group.attrs)
        for name, expected in (("format", FORMAT), ("format_version", FORMAT_VERSION), *_stored(parameters).items()):
            if content.get(name) != expected:
                raise ValueError(f"its {name} is {content.get(name)!r}, expected {expected!r}")
        self.created_utc = str(content["created_utc"])
        self.library_version = str(content["library_version"])
        names: Any = content[_GENERATIONS]
        self.dropped: set[str] = set(content[_DROPPED])  # type: ignore[arg-type]
        self.generations = [self.open_generation(name) for name in names]

    @classmethod
    def create(cls, place: Place, parameters: MatrixParameters) -> "Matrix":
        """Begin a matrix without profiles."""
        attributes = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            **_stored(parameters),
            "dtype": "float32",
            "library_version": __version__,
            "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            _GENERATIONS: [],
            _DROPPED: [],
        }
        zarr.create_group((place / parameters.name).store(), attributes=attributes, zarr_format=3)
        return cls(place, parameters, writable=True)

    @property
    def names(self) -> list[str]:
        """Names of its generations."""
        return [generation.name for generation in self.generations]

    def open_generation(self, name: str) -> Generation:
        """A generation, whether it counts or is still being written."""
        group = self._group[name]
        if not isinstance(group, zarr.Group):
            raise TypeError(f"{name} is no group")
        return Generation(self.place, group)

    def unfinished(self) -> list[str]:
        """Names of the generations that do not count, or not any more."""
        committed = self._committed()
        return [name for name in self.place.folders() if name not in committed]

    def _committed(self) -> list[str]:
        """Names of the generations that count now, whoever wrote them."""
        names: Any = zarr.open_group(self.place.store(), mode="r", zarr_format=3).attrs[_GENERATIONS]
        return list(names)

    def begin(self, keys: Keys, profiles: Floats, after: list[Generation]) -> Generation:
        """Write a generation's profiles, its tiles still to come.

        Args:
            keys: (m, 16).
            profiles: (m, points), float32.
            after: The generations that it comes after.
        """
        n_before, n_profiles = sum(len(generation.keys) for generation in after), len(keys)
        attributes: dict[str, Any] = {"after": [generation.name for generation in after], "n_before": n_before}
        name = f"{len(after):04d}-{uuid.uuid4().hex[:8]}"
        group = self._group.create_group(name, attributes=attributes)
        group.create_array("keys", data=np.ascontiguousarray(keys), compressors=[Crc32cCodec()])
        group.create_array(
            "profiles", data=np.ascontiguousarray(profiles, np.float32), compressors=[Crc32cCodec()], fill_value=np.nan
        )
        group.create_array(
            "distances",
            shape=(n_before + n_profiles, n_profiles),
            chunks=_tile_shape(n_before + n_profiles, n_profiles, band_cells(self.parameters.band, profiles.shape[1])),
            dtype="float32",
            # a third less to write and read, for a tenth of the time
            compressors=[BloscCodec(cname="lz4", clevel=1, shuffle="bitshuffle"), Crc32cCodec()],
            fill_value=np.nan,
        )
        return Generation(self.place, group)

    def commit(self, generations: list[Generation]) -> None:
        """Make these the matrix' generations, for all who open it from now on.

        Raises:
            RuntimeError: They have changed since it was opened.
        """
        for generation in generations:
            if generation.name not in self.names:
                self._require_whole(generation.name)
                self.place.sync(generation.name)
        if self._committed() != self.names:
            raise RuntimeError("another process has changed it in the meantime")
        names = [generation.name for generation in generations]
        dropped = sorted(set(self.names) - set(names))
        self._group.attrs.update({_GENERATIONS: names, _DROPPED: dropped})
        self.place.sync(_META)
        self.generations, self.dropped = generations, set(dropped)

    def _require_whole(self, name: str) -> None:
        """Read a generation anew: without the lock, another writer may have taken it for a leftover."""
        generation = self.open_generation(name)
        missing = {tile.chunk for tile in generation.tiles} - generation.stored_chunks()
        if missing or not len(generation.profiles):
            raise InputError(
                f"{len(missing)} of {len(generation.tiles)} tiles did not arrive at {self.place}: "
                "give a dtw_path that all dask workers share"
            )


@dataclass(frozen=True)
class TileTask:
    """A tile to be computed and stored, wherever that is done.

    Attributes:
        number: Tells it from the others.
        location: The folder the matrices lie in.
        parameters: Of the matrix.
        generation: Name of its generation.
        tile: Which one.
    """

    number: int
    location: str
    parameters: MatrixParameters
    generation: str
    tile: Tile

    def __str__(self) -> str:
        return f"tile {self.tile.chunk} of the DTW matrix at {self.location}"


def compute_tile(task: TileTask) -> int:
    """Compute and store a tile, as a worker of a cluster does.

    Returns:
        The number of pairs in it.

    Raises:
        InputError: The matrix is not there, or cannot be written.
        LoadProfilesError: A pair was computed wrongly.
    """
    # what a driver raises may not travel between processes
    with Place(task.location).failures(f"{task} cannot be computed", "give a dtw_path that all dask workers share"):
        generation, profiles = _opened(task.location, task.parameters, task.generation)
        return generation.write(task.tile, distances_of(task.tile, profiles, task.parameters.band))


def distances_of(part: Tile, profiles: Floats, radius: int) -> NDArray[np.float32]:
    """The distances of a tile, one pair of which is checked by other code.

    Args:
        part: The tile.
        profiles: (n, points), those of the whole matrix.
        radius: In steps.

    Raises:
        LoadProfilesError: The pair was computed wrongly.
    """
    first = part.n_before + part.columns[0]
    rows, columns = profiles[slice(*part.rows)], profiles[first : part.n_before + part.columns[1]]
    distances = tile(rows, columns, radius, diagonal=part.diagonal, threads=1)
    # a first row and a last column belong to different profiles in every tile
    check_pair(rows[0], columns[-1], float(distances[0, -1]), radius, (part.rows[0], first + len(columns) - 1))
    return distances


@functools.lru_cache(maxsize=2)
def _opened(location: str, parameters: MatrixParameters, name: str) -> tuple[Generation, Floats]:
    """A generation, and the profiles of all up to it: neither changes any more."""
    matrix = Matrix(Place(location), parameters, writable=True)
    generation = matrix.open_generation(name)
    return generation, all_profiles([*map(matrix.open_generation, generation.after), generation])


def all_profiles(generations: list[Generation]) -> Floats:
    """The profiles of consecutive generations, as the kernels want them."""
    return np.concatenate([generation.profiles for generation in generations])


def digest_of(parameters: MatrixParameters, keys: Keys) -> str:
    """The digest of the matrix of these profiles: all that its distances depend on, but not their order.

    Args:
        parameters: Of the matrix.
        keys: (n, 16).
    """
    state = hashlib.blake2b(json.dumps([parameters.name]).encode(), digest_size=_KEY_BYTES)
    state.update(b"".join(sorted(pieces(keys))))
    return state.hexdigest()


def _stored(parameters: MatrixParameters) -> dict[str, Any]:
    return {
        "radius": parameters.radius,
        "normalisation": parameters.normalisation,
        "n_points": parameters.n_points,
        "resolution_minutes": parameters.resolution_minutes,
    }


def _values(group: zarr.Group, name: str) -> NDArray[Any]:
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise TypeError(f"{name} is no array")
    return np.asarray(array[:])


def _tile_shape(n_rows: int, n_columns: int, cells: int) -> tuple[int, int]:
    """Rows and columns of a tile: about square, or higher where there are few columns."""
    most = min(_LARGEST_SIDE**2, _CELLS_PER_TILE // cells)
    # a few profiles more are shared among threads as well
    pairs = max(_LEAST_SIDE**2, min(most, n_rows * n_columns // _TILES_TO_SHARE))
    width = min(n_columns, int(pairs**0.5))
    return min(n_rows, pairs // width), width
