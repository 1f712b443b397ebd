"""What the tests of the DTW matrix share: small tiles, profiles, and faults at a chosen tile."""

import itertools
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import numpy as np
import pytest
from scipy.spatial.distance import squareform

from loadprofiles.distances import generations, pairwise
from loadprofiles.distances.generations import Generation, MatrixParameters, profile_keys
from loadprofiles.distances.matrix import DtwMatrix
from loadprofiles.distances.update import update_matrix

ROOT = Path(__file__).resolve().parents[2]
PARAMETERS = MatrixParameters(1, "l2", 24, 60)
SIDE = 8

# A writer in a process of its own, slow enough to be met at work: its arguments are the place, how many
# profiles, and how long a tile takes.
WRITER = """
import sys, time
from loadprofiles.cli import run_guarded
from loadprofiles.distances import generations
from tests.distances.conftest import SIDE, bring_up, profiles_of

write = generations.Generation.write

def write_slowly(generation, tile, values):
    write(generation, tile, values)
    time.sleep(float(sys.argv[3]))

generations.Generation.write = write_slowly
generations._LARGEST_SIDE = generations._LEAST_SIDE = SIDE
run_guarded(lambda: print(bring_up(sys.argv[1], profiles_of(int(sys.argv[2])), threads=2).n_pairs))
"""


def profiles_of(n, seed=0, points=24):
    """Those of fewer are the first of more."""
    values = np.random.default_rng(seed).random((n, points))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def square(profiles, radius=1):
    return squareform(pairwise(profiles, radius))


def bring_up(place, profiles, parameters=PARAMETERS, **options):
    """Update as a process of its own would, which has no opened generation in memory."""
    generations._opened.cache_clear()
    return update_matrix(place, parameters, profiles, **({"progress": False} | options))


def selected(place, profiles, parameters=PARAMETERS, **options):
    return DtwMatrix(place, parameters).select(profile_keys(profiles), **options)


def is_right(place, profiles, parameters=PARAMETERS):
    """Whether the matrix gives these profiles' distances to the bit."""
    return selected(place, profiles, parameters).tobytes() == square(profiles, parameters.radius).tobytes()


def pairs_of(n):
    return n * (n - 1) // 2


def tile_files(path):
    """The tiles of all generations, whether these count or not."""
    return sorted(file for file in Path(path).glob("*/*/distances/c/*/*") if file.is_file() and file.name.isdecimal())


def generation_folders(path, parameters=PARAMETERS):
    return sorted(entry for entry in (Path(path) / parameters.name).iterdir() if entry.is_dir())


def one_line(caught):
    """The message of an error, checked to be a single line."""
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message


@contextmanager
def fault_at_tile(number: int, fault: Callable[[], object], *, lasting: bool = False) -> Iterator[None]:
    """Call `fault` before the tile of this number, counted from 1, is stored; if it lasts, before all later ones."""
    write, counter, lock = Generation.write, itertools.count(1), threading.Lock()

    def write_or_fail(generation, tile, values):
        with lock:
            count = next(counter)
        if count == number or (lasting and count > number):
            fault()
        write(generation, tile, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Generation, "write", write_or_fail)
        yield


def interrupt() -> None:
    raise KeyboardInterrupt


def interrupted(place, profiles, number, **options) -> None:
    """Begin to bring a matrix up to date, and be interrupted after number - 1 tiles."""
    with fault_at_tile(number, interrupt, lasting=True), pytest.raises(KeyboardInterrupt):
        bring_up(place, profiles, **({"threads": 1} | options))


@contextmanager
def writer(path, n_profiles, seconds_a_tile=0.02):
    """A process that writes the matrix."""
    arguments = [sys.executable, "-c", WRITER, str(path), str(n_profiles), str(seconds_a_tile)]
    process = subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def wait_until(condition: Callable[[], bool], process: "subprocess.Popen[str] | None" = None) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def small_tiles(monkeypatch):
    """Tiles of 8 by 8 pairs, so that a few profiles have many."""
    monkeypatch.setattr(generations, "_LARGEST_SIDE", SIDE)
    monkeypatch.setattr(generations, "_LEAST_SIDE", SIDE)
    generations._opened.cache_clear()
    yield
    generations._opened.cache_clear()


@pytest.fixture
def computed(monkeypatch):
    """The tiles that were computed and stored, in that order: generation and numbers."""
    tiles, write = [], Generation.write

    def write_and_note(generation, tile, values):
        write(generation, tile, values)
        tiles.append((generation.name, tile.chunk))

    monkeypatch.setattr(Generation, "write", write_and_note)
    return tiles


@pytest.fixture
def path(tmp_path):
    return tmp_path / "dtw"


@pytest.fixture
def memory():
    """A place in an object store that is this process' memory."""
    system = fsspec.filesystem("memory")
    yield "memory://bucket/dtw"
    system.store.clear()
    system.pseudo_dirs[:] = [""]
