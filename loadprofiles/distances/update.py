"""Brings a DTW matrix up to date: what is missing is computed, here or on a cluster, and nothing else."""

import shutil
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore

from numpy.typing import ArrayLike
from tqdm import tqdm

from loadprofiles.distances.checks import check_profiles
from loadprofiles.distances.generations import (
    Generation,
    Keys,
    Matrix,
    MatrixParameters,
    Tile,
    TileTask,
    all_profiles,
    compute_tile,
    distances_of,
    keys_of,
    pieces,
)
from loadprofiles.distances.lock import writer_lock
from loadprofiles.distances.place import Place
from loadprofiles.distances.threads import in_threads, thread_count
from loadprofiles.errors import InputError, LoadProfilesError, ParameterError
from loadprofiles.parallel import run_tasks

_ADVICE = "what is complete is kept: run the same command again, or do without the matrix by compute_dtw=false"
_REACH = "check the address, your rights and the connection; what is complete is kept"


@dataclass(frozen=True)
class Update:
    """What bringing a matrix up to date took.

    Attributes:
        reason: Why something was computed; empty where all was there.
        n_added: Profiles that were added.
        n_pairs: Distances that were computed.
        tiles_found: Tiles that an interrupted run had left.
        seconds: How long it took.
    """

    reason: str
    n_added: int
    n_pairs: int
    tiles_found: int
    seconds: float


def update_matrix(
    location: str | Path,
    parameters: MatrixParameters,
    normalised_profiles: ArrayLike,
    *,
    anew: bool = False,
    threads: int | None = None,
    dask_scheduler: str = "",
    progress: bool = True,
) -> Update:
    """Have the matrix hold all of these profiles.

    Profiles that it lacks are added with their distances to all others. One that holds so many others that
    this would take more than the matrix of these profiles alone is computed anew, and so is one by `anew`;
    the older one stays until that is complete. An interrupted run is continued by the next, tile by tile.

    Args:
        location: `dtw_path`: a folder, made where it is missing, or the URL of one in an object store.
        parameters: What the distances are; `radius` and the rest choose the matrix at that place.
        normalised_profiles: (n, points), finite, at least 2 distinct.
        anew: Take over nothing from a complete matrix.
        threads: How many; all processors by default. A cluster decides that itself.
        dask_scheduler: `tcp://host:port` of a dask scheduler whose workers reach `location`; empty: this machine.
        progress: Show a progress bar where there is a terminal.

    Raises:
        ParameterError: The profiles are not such a table.
        InputError: Another process is writing the matrix, it is damaged, it cannot be written, or the cluster
            cannot be reached.
        LoadProfilesError: Distances failed the check (see `generations.compute_tile`).
    """
    started = time.perf_counter()
    values = check_profiles(normalised_profiles)
    if values.shape[1] != parameters.n_points:
        raise ParameterError(f"profiles have {values.shape[1]} points, the matrix is of {parameters.n_points}")
    keys = keys_of(values)
    wanted = _numbers(keys)
    if len(wanted) < 2:
        raise ParameterError(f"a DTW matrix needs at least 2 distinct profiles, found {len(wanted)}")
    place = Place(location)
    with (
        place.failures(f"the DTW matrix at {place} cannot be written", _ADVICE, _REACH),
        writer_lock(place, parameters.name),
    ):
        matrix = _opened(place, parameters, anew)
        # left where a run was killed between its commit and this
        _remove(matrix, matrix.dropped & set(matrix.place.folders()))
        missing = _lacking(wanted, matrix.generations)
        if not missing and not anew:
            return Update("", 0, 0, 0, time.perf_counter() - started)
        reason = _reason(matrix, anew, f"{len(missing)} of {len(wanted)} profiles were missing")
        kept = matrix.generations
        if anew or _takes_more(matrix, len(missing), len(wanted)):
            kept, missing = [], wanted
        pending = _continued(matrix, kept, missing)
        rest = sorted(_lacking(missing, pending).values())
        if rest:
            pending.append(matrix.begin(keys[rest], values[rest], [*kept, *pending]))
        work = _Work(place, parameters, kept, pending, thread_count(threads), dask_scheduler, progress)
        n_pairs, tiles_found = work.carry_out()
        matrix.commit([*kept, *pending])
        _remove(matrix, matrix.dropped)
    return Update(reason, len(missing), n_pairs, tiles_found, time.perf_counter() - started)


def _opened(place: Place, parameters: MatrixParameters, anew: bool) -> Matrix:
    """The matrix as it is; a new one where there is none, or where a damaged one is to be replaced."""
    try:
        return Matrix(place, parameters, writable=True)
    except FileNotFoundError:
        return Matrix.create(place, parameters)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if not anew:
            raise InputError(
                f"the DTW matrix at {place / parameters.name} cannot be read ({error}); "
                "compute_dtw=anew computes it again"
            ) from error
        place.remove(parameters.name)
        return Matrix.create(place, parameters)


def _numbers(keys: Keys) -> dict[bytes, int]:
    """The first row of each distinct profile, by its key."""
    return dict(zip(reversed(pieces(keys)), range(len(keys) - 1, -1, -1), strict=True))


def _lacking(wanted: dict[bytes, int], generations: list[Generation]) -> dict[bytes, int]:
    """Those of the profiles that are in none of the generations."""
    known = {key for generation in generations for key in pieces(generation.keys)}
    return {key: number for key, number in wanted.items() if key not in known} if known else wanted


def _takes_more(matrix: Matrix, n_new: int, n_wanted: int) -> bool:
    """Whether to add the new profiles to those stored takes more than the matrix of those wanted alone."""
    n_stored = sum(len(generation.keys) for generation in matrix.generations)
    return n_new * n_stored + n_new * (n_new - 1) // 2 > n_wanted * (n_wanted - 1) // 2


def _reason(matrix: Matrix, anew: bool, missing: str) -> str:
    if not matrix.generations:
        return "it was missing"
    return "as compute_dtw=anew asks" if anew else missing


def _continued(matrix: Matrix, kept: list[Generation], missing: dict[bytes, int]) -> list[Generation]:
    """The generations that an interrupted run had begun, if they are of use; what else it left is removed."""
    continued: list[Generation] = []
    for name in matrix.unfinished():
        try:
            generation = matrix.open_generation(name)
            fits = generation.after == [earlier.name for earlier in (*kept, *continued)]
            fits = fits and len(generation.profiles) == len(generation.keys)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, LoadProfilesError):
            # its process ended while it was begun
            fits = False
        if fits and missing.keys() >= set(pieces(generation.keys)):
            continued.append(generation)
        else:
            _remove(matrix, {name})
    return continued


def _remove(matrix: Matrix, names: set[str]) -> None:
    for name in sorted(names):
        matrix.place.remove(name)


@dataclass(frozen=True)
class _Work:
    """Tiles to compute, and where."""

    place: Place
    parameters: MatrixParameters
    kept: list[Generation]
    generations: list[Generation]
    threads: int
    dask_scheduler: str
    progress: bool

    def carry_out(self) -> tuple[int, int]:
        """Compute what is missing.

        Returns:
            The number of pairs computed, and that of tiles which were there.
        """
        tasks = self._tasks()
        total = sum(task.tile.n_pairs for task in tasks)
        self._require_space(4 * total)
        with (
            closing(self._results(tasks)) as results,
            tqdm(total=total, desc="DTW", unit="pair", unit_scale=True, disable=None if self.progress else True) as bar,
        ):
            for n_pairs in results:
                bar.update(n_pairs)
        return total, sum(len(generation.tiles) for generation in self.generations) - len(tasks)

    def _results(self, tasks: list[TileTask]) -> Generator[int, None, None]:
        if self.dask_scheduler:
            return run_tasks(compute_tile, tasks, 1, self.dask_scheduler, None)
        turns = BoundedSemaphore(self.threads)
        generations = {generation.name: generation for generation in self.generations}
        profiles = all_profiles([*self.kept, *self.generations])

        def compute_in_turn(task: TileTask) -> int:
            with turns:
                distances = distances_of(task.tile, profiles, self.parameters.band)
            return generations[task.generation].write(task.tile, distances)

        # while one tile is on its way to the disk the next is computed
        return in_threads(compute_in_turn, tasks, 2 * self.threads)

    def _tasks(self) -> list[TileTask]:
        """One for each tile that is missing or damaged."""
        tasks: list[TileTask] = []
        for generation in self.generations:
            stored = generation.stored_chunks()
            there = [tile for tile in generation.tiles if tile.chunk in stored]
            # the machine may have stopped before all that was written had reached the disk
            whole = {chunk for chunk, good in in_threads(partial(_is_whole, generation), there, self.threads) if good}
            for tile in generation.tiles:
                if tile.chunk not in whole:
                    task = TileTask(len(tasks), self.place.address, self.parameters, generation.name, tile)
                    tasks.append(task)
        return tasks

    def _require_space(self, n_bytes: int) -> None:
        free = shutil.disk_usage(self.place.root).free if self.place.is_local else n_bytes
        if free < n_bytes:
            raise OSError(f"it takes up to {n_bytes:,} bytes and {free:,} are free")


def _is_whole(generation: Generation, tile: Tile) -> tuple[tuple[int, int], bool]:
    return tile.chunk, generation.is_whole(tile)
