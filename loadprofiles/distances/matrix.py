"""The DTW matrix on disk: computed once for a harmonized table, read by every clustering of it.

A store is a directory with three files:

- `meta.json`: what the distances are (radius, normalisation, points, resolution) and their digest;
- `keys.npy`: (n, 16) uint8, a digest of each distinct normalised profile;
- `condensed.npy`: (n * (n - 1) / 2,) float32, the upper triangle in the order of scipy's `pdist`.

Profiles are found by their key, so a store answers for exactly the profiles asked for, in their order,
or says how many it does not hold. A store is written beside its place and renamed into it: readers see
the old one or the new one, never a part.
"""

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray
from tqdm import tqdm

from loadprofiles import __version__
from loadprofiles.distances.kernels import (
    check_profiles,
    condensed_start,
    effective_radius,
    fill_rows,
    self_check,
    square,
)
from loadprofiles.errors import InputError, ParameterError, StaleMatrixError

_FORMAT = "loadprofiles-dtw-matrix"
_FORMAT_VERSION = 1
_META, _KEYS, _CONDENSED = "meta.json", "keys.npy", "condensed.npy"
_KEY_BYTES = 16
_PAIRS_PER_BLOCK = 4_000_000
_VALUES_PER_READ = 16_000_000


@dataclass(frozen=True)
class _Meta:
    """The content of `meta.json`."""

    format: str
    format_version: int
    radius: int | None
    normalisation: str
    n_points: int
    resolution_minutes: int
    n_profiles: int
    library_version: str
    dtype: str
    created_utc: str
    digest: str


def profile_keys(normalised: ArrayLike) -> NDArray[np.uint8]:
    """The key of each profile: a 128-bit BLAKE2b digest of its float32 values.

    Args:
        normalised: (n, points), finite.

    Returns:
        (n, 16); equal for equal profiles, whatever their number, order and float type.

    Raises:
        ParameterError: not such a table.
    """
    # Adding zero makes -0.0 the same profile as 0.0; a fixed byte order makes keys portable.
    values = (check_profiles(normalised) + np.float32(0)).astype("<f4", copy=False)
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=_KEY_BYTES).digest() for row in values)
    return np.frombuffer(digests, np.uint8).reshape(-1, _KEY_BYTES)


class DtwMatrix:
    """A store opened for reading; `DtwMatrix.open(path)` makes one.

    Attributes:
        path: the directory.
        radius: half-width of the band in steps; `None` for no band.
        normalisation: name of the profiles' normalisation.
        resolution_minutes: length of a step.
        n_points: points a profile.
        n_profiles: number of distinct profiles.
        created_utc: when it was computed, ISO 8601.
        library_version: version of this package that computed it.
        digest: BLAKE2b of parameters, keys and distances, hexadecimal; the same for the same content.
        size_bytes: size of its files.
    """

    def __init__(
        self, path: Path, meta: _Meta, keys: NDArray[np.uint8], condensed: NDArray[np.float32], remedy: str
    ) -> None:
        self.path = path
        self._remedy = remedy
        self.radius = meta.radius
        self.normalisation = meta.normalisation
        self.resolution_minutes = meta.resolution_minutes
        self.n_points = meta.n_points
        self.n_profiles = meta.n_profiles
        self.created_utc = meta.created_utc
        self.library_version = meta.library_version
        self.digest = meta.digest
        self.size_bytes = sum((path / name).stat().st_size for name in (_META, _KEYS, _CONDENSED))
        self._meta = meta
        self._keys = keys
        self._condensed = condensed
        self._number = {key.tobytes(): number for number, key in enumerate(keys)}

    @classmethod
    def open(cls, path: str | Path, remedy: str | None = None) -> "DtwMatrix":
        """Open a store; the distances stay on disk until they are selected.

        Args:
            path: the directory, `dtw_path`.
            remedy: the command that errors name, which computes the matrix wanted; the chain's by default.

        Raises:
            InputError: there is no store, its files are damaged, or another version wrote it.
        """
        place = Path(path)
        command = remedy or _command(place)
        if not (place / _META).is_file():
            raise InputError(f"there is no DTW matrix at {place}; compute it with: {command}")
        try:
            meta = _read_meta(place)
            keys = np.load(place / _KEYS, allow_pickle=False)
            condensed = np.load(place / _CONDENSED, mmap_mode="r", allow_pickle=False)
            n_pairs = meta.n_profiles * (meta.n_profiles - 1) // 2
            _expect(f"{_KEYS} shape", keys.shape, (meta.n_profiles, _KEY_BYTES))
            _expect(f"{_KEYS} dtype", keys.dtype, np.dtype(np.uint8))
            _expect(f"{_CONDENSED} shape", condensed.shape, (n_pairs,))
            _expect(f"{_CONDENSED} dtype", condensed.dtype, np.dtype(np.float32))
            return cls(place, meta, keys, condensed, command)
        # EOFError is what numpy raises for an empty file.
        except (OSError, ValueError, TypeError, EOFError) as error:
            raise InputError(
                f"the DTW matrix at {place} cannot be read ({_one_line(error)}); compute it again with: {command}"
            ) from error

    def missing(self, keys: NDArray[np.uint8]) -> int:
        """How many of the profiles asked for are not in the store.

        Args:
            keys: (m, 16), from `profile_keys`.
        """
        return sum(key.tobytes() not in self._number for key in keys)

    def select(self, keys: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The distances between the profiles asked for, in their order.

        Args:
            keys: (m, 16), from `profile_keys`; equal profiles have distance 0.

        Returns:
            (m, m), symmetric with a zero diagonal, in memory: 4 m^2 bytes.

        Raises:
            StaleMatrixError: some of the profiles are not in the store.
        """
        n_missing = self.missing(keys)
        if n_missing:
            raise StaleMatrixError(
                f"the DTW matrix at {self.path} does not hold {n_missing} of the {len(keys)} profiles asked "
                f"for; compute it again with: {self._remedy}"
            )
        index = np.array([self._number[key.tobytes()] for key in keys], np.int64)
        return square(self._condensed, index, self.n_profiles)

    def is_current(
        self, keys: NDArray[np.uint8], radius: int | None, normalisation: str, resolution_minutes: int
    ) -> bool:
        """Whether it holds all these profiles, computed with these parameters.

        Args:
            keys: (m, 16), from `profile_keys`.
            radius: half-width of the band in steps; `None` for no band.
            normalisation: name of the profiles' normalisation.
            resolution_minutes: length of a step.
        """
        return not self._differences(radius, normalisation, resolution_minutes) and not self.missing(keys)

    def require(self, radius: int | None, normalisation: str, resolution_minutes: int) -> None:
        """Fail unless the distances were computed with these parameters.

        Args:
            radius: half-width of the band in steps; `None` for no band.
            normalisation: name of the profiles' normalisation.
            resolution_minutes: length of a step.

        Raises:
            StaleMatrixError: at least one differs; the message names what is stored and what was asked.
        """
        differences = self._differences(radius, normalisation, resolution_minutes)
        if differences:
            raise StaleMatrixError(
                f"the DTW matrix at {self.path} was computed with {'; '.join(differences)}; "
                f"compute it again with: {self._remedy}"
            )

    def verify(self) -> None:
        """Read the whole store and compare it with the digest taken when it was written.

        Raises:
            InputError: the content has changed since.
        """
        found = _digest(self._meta, self._keys, self._condensed)
        if found != self.digest:
            raise InputError(
                f"the DTW matrix at {self.path} is damaged: its digest is {found}, it was written with "
                f"{self.digest}; compute it again with: {self._remedy}"
            )

    def _differences(self, radius: int | None, normalisation: str, resolution_minutes: int) -> list[str]:
        # A band as wide as the day is no band: those two distances are the same.
        same_radius = effective_radius(radius, self.n_points) == effective_radius(self.radius, self.n_points)
        compared = (
            ("radius", self.radius, radius, same_radius),
            ("normalisation", self.normalisation, normalisation, self.normalisation == normalisation),
            (
                "resolution_minutes",
                self.resolution_minutes,
                resolution_minutes,
                self.resolution_minutes == resolution_minutes,
            ),
        )
        return [f"{name} {stored}, asked for {name} {asked}" for name, stored, asked, same in compared if not same]


def write_matrix(
    path: str | Path,
    normalised_profiles: ArrayLike,
    *,
    radius: int | None = 1,
    normalisation: str,
    resolution_minutes: int,
    progress: bool = True,
) -> DtwMatrix:
    """Compute the DTW matrix of the distinct profiles and put it at `path`, replacing an older one.

    Nothing is seen at `path` before all is computed, checked and on disk; an error or an interrupt leaves
    what was there. Memory stays low: blocks of rows go straight to the file.

    Args:
        path: the directory, `dtw_path`; its parents are made.
        normalised_profiles: (n, points), finite, at least 2 distinct.
        radius: half-width of the band in steps; `None` for no band.
        normalisation: name of the profiles' normalisation.
        resolution_minutes: length of a step.
        progress: show a progress bar where there is a terminal.

    Returns:
        The new store, opened.

    Raises:
        ParameterError: the profiles are not such a table, or the radius is negative.
        InputError: `path` is something else than a store, or it cannot be written.
        LoadProfilesError: the distances failed the check (see `kernels.self_check`).
    """
    values = check_profiles(normalised_profiles)
    effective_radius(radius, values.shape[1])
    keys = profile_keys(values)
    _, first = np.unique(keys, axis=0, return_index=True)
    distinct = np.sort(first)
    if distinct.size < 2:
        raise ParameterError(f"a DTW matrix needs at least 2 distinct profiles, found {distinct.size}")
    # A link to a directory keeps being one: its target is what is replaced.
    place = Path(path).resolve()
    _refuse_foreign(place)
    meta = _Meta(
        format=_FORMAT,
        format_version=_FORMAT_VERSION,
        radius=None if radius is None else int(radius),
        normalisation=normalisation,
        n_points=values.shape[1],
        resolution_minutes=int(resolution_minutes),
        n_profiles=distinct.size,
        library_version=__version__,
        dtype="float32",
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        digest="",
    )
    try:
        with _replacement(place) as folder:
            _write_store(folder, meta, keys[distinct], values[distinct], progress)
    except OSError as error:
        raise InputError(
            f"the DTW matrix cannot be written to {place}: {_one_line(error)}; compute_dtw=false does without it"
        ) from error
    return DtwMatrix.open(path)


def _write_store(
    folder: Path, meta: _Meta, keys: NDArray[np.uint8], profiles: NDArray[np.float32], progress: bool
) -> None:
    n_pairs = condensed_start(len(profiles), len(profiles))
    _require_space(folder, n_pairs * 4 + keys.nbytes)
    np.save(folder / _KEYS, keys, allow_pickle=False)
    condensed = np.lib.format.open_memmap(folder / _CONDENSED, "w+", np.dtype(np.float32), (n_pairs,))
    with tqdm(total=n_pairs, desc="DTW", unit="pair", unit_scale=True, disable=None if progress else True) as bar:
        for first, last in _row_blocks(len(profiles)):
            start, end = condensed_start(first, len(profiles)), condensed_start(last, len(profiles))
            # A plain array: numba compiles once more for a memmap.
            fill_rows(profiles, first, last, meta.radius, np.asarray(condensed[start:end]))
            bar.update(end - start)
    self_check(profiles, condensed, meta.radius)
    condensed.flush()
    written = asdict(meta) | {"digest": _digest(meta, keys, condensed)}
    (folder / _META).write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    for name in (_CONDENSED, _KEYS, _META):
        _sync(folder / name)
    _sync(folder)


def _row_blocks(n_profiles: int) -> Iterator[tuple[int, int]]:
    """First and last-plus-one rows of consecutive blocks of about `_PAIRS_PER_BLOCK` pairs."""
    first = 0
    while first < n_profiles:
        last = min(n_profiles, first + max(1, _PAIRS_PER_BLOCK // (n_profiles - first)))
        yield first, last
        first = last


@contextlib.contextmanager
def _replacement(place: Path) -> Iterator[Path]:
    """A new directory beside `place` that takes its place when the block ends without an error."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as work:
        new, old = Path(work) / "new", Path(work) / "old"
        new.mkdir()
        yield new
        try:
            if place.exists():
                place.rename(old)
            new.rename(place)
        except BaseException:
            # Between the two renames the older store is in the work directory, which is about to go.
            if old.exists() and not place.exists():
                old.rename(place)
            raise
        _sync(place.parent)


def _refuse_foreign(place: Path) -> None:
    """Refuse to replace anything that is not a store, be it damaged."""
    if not place.exists():
        return
    if not place.is_dir():
        raise InputError(f"{place} is a file; dtw_path must be a directory of its own")
    foreign = sorted({entry.name for entry in place.iterdir()} - {_META, _KEYS, _CONDENSED})
    with contextlib.suppress(OSError, ValueError):
        content = json.loads((place / _META).read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            foreign.append(_META)
    if foreign:
        raise InputError(f"{place} is not a DTW matrix, it holds {foreign[0]!r}; give dtw_path a directory of its own")


def _require_space(folder: Path, n_bytes: int) -> None:
    # Writing to a mapped file on a full disk kills the process, so ask first.
    free = shutil.disk_usage(folder).free
    if free < n_bytes:
        raise OSError(f"it takes {n_bytes:,} bytes and {free:,} are free")


def _read_meta(place: Path) -> _Meta:
    content = json.loads((place / _META).read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{_META} is not an object")
    _expect(f"{_META} format", content.get("format"), _FORMAT)
    _expect(f"{_META} format_version", content.get("format_version"), _FORMAT_VERSION)
    return _Meta(**content)


def _expect(what: str, found: object, expected: object) -> None:
    if found != expected:
        raise ValueError(f"{what} is {found!r}, expected {expected!r}")


def _digest(meta: _Meta, keys: NDArray[np.uint8], condensed: NDArray[np.float32]) -> str:
    parameters = [meta.radius, meta.normalisation, meta.n_points, meta.resolution_minutes]
    state = hashlib.blake2b(json.dumps(parameters).encode(), digest_size=16)
    state.update(np.ascontiguousarray(keys).data)
    for start in range(0, len(condensed), _VALUES_PER_READ):
        state.update(np.ascontiguousarray(condensed[start : start + _VALUES_PER_READ]).data)
    return state.hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _command(path: Path) -> str:
    return f"mlflow run . -P compute_dtw=true -P dtw_path={shlex.quote(str(path))}"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
