"""What the DTW matrix costs: computed and stored, loaded, extended, and finished after a `kill -9`.

python -m benchmarks.dtw store --profiles 20000 --threads 2
"""

import multiprocessing
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks.dtw_profiles import made_up
from loadprofiles.distances.generations import MatrixParameters, profile_keys
from loadprofiles.distances.matrix import DtwMatrix
from loadprofiles.distances.place import Place
from loadprofiles.distances.update import update_matrix
from loadprofiles.harmonization import MAX_AUTO_PROFILES
from loadprofiles.normalisation import NORMALISATION, normalise

_MINUTES_A_DAY = 1440
_POLL_SECONDS = 0.005
# seconds to compute and store, GB at the peak, GB on disk, seconds to load: of as many profiles
BARS = {"stored": 10.0, "peak": 3.0, "disk": 0.9, "loaded": 3.0}
_BARS_ARE_FOR = 20_000
# shares of the whole, of at least as many profiles as compute_dtw=auto takes: of fewer, what does not grow weighs more
SHARES = {"extended": 0.04, "finished": 0.60}
_SHARES_ARE_FROM = MAX_AUTO_PROFILES
_LARGEST_SQUARE_GB = 4.0
_FETCH = "import sys; import numpy; numpy.empty(int(float(sys.argv[1]) * 1e9 / 8)).fill(1.0)"
_WHAT = {
    "stored": "computed and stored",
    "loaded": "loaded, square",
    "extended": "1 % more profiles",
    "finished": "finished after kill -9",
}


@dataclass(frozen=True)
class Cost:
    """What one process took: seconds of the call, and of memory before it; GB of the process with all its imports."""

    seconds: float
    fetching_seconds: float
    peak_gb: float


def measure(memory_gb: float, function: Callable[..., Any], parameters: MatrixParameters, *arguments: Any) -> Cost:
    """Run a function in a fresh process, its compiled code loaded before the clock starts.

    Args:
        memory_gb: What it needs, the system's cache of files included. A virtual machine may have handed unused memory
            back to its host, and fetching it takes longer than what is measured: it is fetched before.
        function: A module's function.
        parameters: Its first argument, the matrix whose compiled code it needs.
        arguments: Its other arguments.

    Raises:
        click.ClickException: It failed.
    """
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = _process(_timed, theirs, memory_gb, function, parameters, *arguments)
    process.start()
    theirs.close()
    try:
        found: Cost = ours.recv()
    except EOFError:
        process.join()
        raise click.ClickException(f"{function.__name__} ended with status {process.exitcode}") from None
    process.join()
    return found


def _process(function: Callable[..., Any], *arguments: Any) -> Any:
    return multiprocessing.get_context("spawn").Process(target=function, args=arguments)


def _timed(
    answer: Connection, memory_gb: float, function: Callable[..., Any], parameters: MatrixParameters, *arguments: Any
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        few = normalise(np.random.default_rng(0).random((8, parameters.n_points)))
        update_matrix(folder, parameters, few)
        DtwMatrix(folder, parameters).select(profile_keys(few))
    fetching = time.perf_counter()
    subprocess.run([sys.executable, "-c", _FETCH, str(memory_gb)], check=True)
    started = time.perf_counter()
    function(parameters, *arguments)
    seconds = time.perf_counter() - started
    # kilobytes on Linux
    answer.send(Cost(seconds, started - fetching, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9))


def update(parameters: MatrixParameters, folder: Path, profiles: Path, count: int, threads: int) -> None:
    """Have the matrix hold the first profiles of a file."""
    update_matrix(folder, parameters, np.load(profiles)[:count], threads=threads, progress=False)


def load(parameters: MatrixParameters, folder: Path, profiles: Path, count: int, threads: int) -> None:
    """The dense matrix of the first profiles of a file."""
    DtwMatrix(folder, parameters).select(profile_keys(np.load(profiles)[:count]), threads=threads)


def kill_at_half(
    parameters: MatrixParameters, folder: Path, profiles: Path, count: int, threads: int, n_tiles: int
) -> int:
    """Begin the matrix and kill the process at half of its tiles; how many there were then.

    Raises:
        click.ClickException: It was ready before.
    """
    process = _process(update, parameters, folder, profiles, count, threads)
    process.start()
    while process.is_alive() and _tiles(folder) < n_tiles // 2:
        time.sleep(_POLL_SECONDS)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    if process.exitcode != -signal.SIGKILL:
        raise click.ClickException(f"the matrix was ready before half of its {n_tiles} tiles were seen")
    return _tiles(folder)


def _tiles(folder: Path) -> int:
    return sum("/distances/c/" in name and "partial" not in name for name in Place(folder).sizes())


@click.command()
@click.option("--profiles", "count", type=click.IntRange(100), default=_BARS_ARE_FOR, show_default=True)
@click.option("--points", type=click.Choice(["24", "48", "96"]), default="24", show_default=True, help="A profile.")
@click.option("--radius", type=click.IntRange(0), default=1, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Times each is timed.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where the matrices go; default: the temporary folder.")
def store(count: int, points: str, radius: int, threads: int, repeats: int, folder: Path | None) -> None:
    """The matrix on disk: whole, loaded, 1 % more profiles, and the rest after kill -9 at half."""
    parameters = MatrixParameters(radius, NORMALISATION, int(points), _MINUTES_A_DAY // int(points))
    click.echo(
        f"{count:,} made-up profiles of {points} points, radius {radius}, {threads} threads; {os.cpu_count()} cores; "
        f"best, median of {repeats}"
    )
    with tempfile.TemporaryDirectory(dir=folder, prefix="dtw-store-") as work:
        costs, disk_gb, notes = _measure_all(parameters, Path(work), count, threads, repeats)
    missed = report(count, costs, disk_gb, notes)
    if missed:
        raise click.ClickException(f"bars missed: {', '.join(missed)}")


def _measure_all(
    parameters: MatrixParameters, work: Path, count: int, threads: int, repeats: int
) -> tuple[dict[str, list[Cost]], float, dict[str, str]]:
    profiles, matrix, half, more = work / "profiles.npy", work / "dtw", work / "half", count + count // 100
    np.save(profiles, normalise(made_up(more, parameters.resolution_minutes)[:more]))
    square_gb = 4 * count**2 / 1e9
    written_gb = square_gb / 2 + 1
    costs: dict[str, list[Cost]] = {name: [] for name in _WHAT}
    for _ in range(repeats):
        for old in (matrix, half):
            shutil.rmtree(old, ignore_errors=True)
        costs["stored"].append(measure(written_gb, update, parameters, matrix, profiles, count, threads))
        disk_gb, n_tiles = DtwMatrix(matrix, parameters).size_bytes() / 1e9, _tiles(matrix)
        if square_gb <= _LARGEST_SQUARE_GB:
            costs["loaded"].append(measure(1.5 * square_gb, load, parameters, matrix, profiles, count, threads))
        costs["extended"].append(measure(written_gb, update, parameters, matrix, profiles, more, threads))
        there = kill_at_half(parameters, half, profiles, count, threads, n_tiles)
        costs["finished"].append(measure(written_gb, update, parameters, half, profiles, count, threads))
    notes = {"finished": f"{there} of {n_tiles} tiles were there"}
    return {name: found for name, found in costs.items() if found}, disk_gb, notes


def report(count: int, costs: dict[str, list[Cost]], disk_gb: float, notes: dict[str, str]) -> list[str]:
    """Print what was measured beside the bars; the names of those missed, judged by the median."""
    whole = statistics.median(cost.seconds for cost in costs["stored"])
    figures = {"disk": ("on disk", disk_gb, f"{disk_gb:.2f} GB")}
    for name, found in costs.items():
        best, median = min(cost.seconds for cost in found), statistics.median(cost.seconds for cost in found)
        peak = max(cost.peak_gb for cost in found)
        text = f"{best:.2f}, {median:.2f} s, peak {peak:.2f} GB"
        if name in SHARES:
            text = f"{best:.2f}, {median:.2f} s: {median / whole:.1%} of the whole"
        if name in notes:
            text += f"; {notes[name]}"
        figures[name] = (_WHAT[name], median / whole if name in SHARES else median, text)
        if name == "stored":
            figures["peak"] = ("  its peak", peak, f"{peak:.2f} GB")
    fetching = max(cost.fetching_seconds for found in costs.values() for cost in found)
    click.echo(f"(memory was fetched before, which took up to {fetching:.1f} s)")
    judged = (BARS if count == _BARS_ARE_FOR else {}) | (SHARES if count >= _SHARES_ARE_FROM else {})
    for name, (what, _, text) in figures.items():
        click.echo(f"{what:<24} {text}" + (f"  (bar {judged[name]:g})" if name in judged else ""))
    return [name for name, (_, value, _) in figures.items() if value > judged.get(name, np.inf)]
