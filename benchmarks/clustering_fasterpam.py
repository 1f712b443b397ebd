"""`benchmarks.clustering fasterpam`: FasterPAM beside the authors' own, the Rust of the package kmedoids."""

import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean, median
from typing import Any

import click
import kmedoids
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from benchmarks.bars import report
from benchmarks.dtw_profiles import CUSTOMERS, load_profiles
from benchmarks.dtw_timing import Timing, Timings, timed
from loadprofiles.clustering.fasterpam import fasterpam as ours
from loadprofiles.clustering.fasterpam import states
from loadprofiles.distances import pairwise

RADIUS = 1
RATIO_BAR = 1.0
"""How many times faster than theirs we must be."""
LOSS_BAR = 1e-9
"""How far above theirs our loss may lie, as a share: what rounding can make of one and the same clustering."""
MAX_ITER = 100

OURS, THEIRS, THEIRS_PARALLEL = "loadprofiles", "kmedoids", "kmedoids, parallel"

_LINE = "{:>5} {:<19}{:>8}{:>9}{:>10}{:>10}{:>7}{:>8}{:>8}{:>15}{:>8}"
_TITLES = ("seed", "side", "threads", "matrix", "best s", "median s", "cores", "rounds", "swaps", "loss", "x")

Matrix = NDArray[Any]
Medoids = NDArray[np.int64]


# ---- sides ----


@dataclass(frozen=True)
class Outcome:
    """What a side found.

    Attributes:
        medoids: (k,).
        swaps: How many it made.
        rounds: Over all profiles, as it counts them; None: it does not.
    """

    medoids: Medoids
    swaps: int
    rounds: int | None


@dataclass(frozen=True)
class Side:
    """A library with a number of threads and a matrix.

    Attributes:
        name: One of `OURS`, `THEIRS` and `THEIRS_PARALLEL`.
        threads: How many it may use.
        matrix: Of the type it is given.
        run: Medoids to start from, and a seed, to whatever the library returns; this is timed.
        outcome: That, and the medoids started from, to what was found.
    """

    name: str
    threads: int
    matrix: Matrix
    run: Callable[[Medoids, int], Any]
    outcome: Callable[[Any, Medoids], Outcome]


def our_side(matrix: Matrix, threads: int) -> Side:
    """Ours, which looks through the matrix for what is no distance at each call."""

    def outcome(found: Any, start: Medoids) -> Outcome:
        return Outcome(found[0], sum(1 for _ in states(matrix, start.copy(), MAX_ITER, threads)) - 1, None)

    return Side(OURS, threads, matrix, lambda start, _: ours(matrix, start, MAX_ITER, threads=threads), outcome)


def their_side(matrix: Matrix, threads: int) -> Side:
    """Theirs: on one thread in the order of the profiles, as ours; on more in an order drawn at random."""

    def run(start: Medoids, seed: int) -> Any:
        if threads == 1:
            return kmedoids.fasterpam(matrix, start.copy(), MAX_ITER, n_cpu=1)
        with warnings.catch_warnings():
            # it says that the seed is not used; for the medoids it is not, for the order it is
            warnings.filterwarnings("ignore", message="Seed will be ignored")
            return kmedoids.fasterpam(matrix, start.copy(), MAX_ITER, random_state=seed, n_cpu=threads)

    def outcome(found: Any, _: Medoids) -> Outcome:
        return Outcome(np.asarray(found.medoids, np.int64), found.n_swap, found.n_iter)

    return Side(THEIRS if threads == 1 else THEIRS_PARALLEL, threads, matrix, run, outcome)


def sides_of(matrix: NDArray[np.float32], threads: int) -> list[Side]:
    """Ours and theirs, with one thread and with several, and theirs with float32 and with float64."""
    counts = sorted({1, threads})
    double = matrix.astype(np.float64)
    return [our_side(matrix, count) for count in counts] + [
        their_side(theirs, count) for count in counts for theirs in (matrix, double)
    ]


# ---- measuring ----


@dataclass(frozen=True)
class Row:
    """One side from one start.

    Attributes:
        seed: The start was drawn with.
        side: Its name.
        threads: How many it may use.
        dtype: Of its matrix.
        timings: In seconds.
        outcome: What it found.
        loss: Of that, by `loss_of`.
    """

    seed: int
    side: str
    threads: int
    dtype: str
    timings: Timings
    outcome: Outcome
    loss: float


def loss_of(matrix: Matrix, medoids: Medoids) -> float:
    """The sum, in float64, of every profile's distance to its nearest medoid."""
    return float(matrix[medoids].min(axis=0).sum(dtype=np.float64))


def compare(
    profiles: NDArray[np.float64],
    n_profiles: int = 10_000,
    k: int = 12,
    repeats: int = 5,
    threads: int = 2,
    seeds: Sequence[int] = (0, 1, 2),
) -> Iterator[Row]:
    """Every side from the same random medoids, in turn, so that what else the machine does meets all of them.

    Args:
        profiles: (m, points), normalised.
        n_profiles: How many of them to take, from the first.
        k: Number of medoids.
        repeats: How many times each is timed, after one call that is not.
        threads: The several; each side runs with one, too.
        seeds: One for each start.
    """
    taken = profiles[:n_profiles]
    matrix: NDArray[np.float32] = squareform(pairwise(taken, RADIUS, threads=threads))
    sides = sides_of(matrix, threads)
    for seed in seeds:
        start = np.random.default_rng(seed).choice(len(taken), k, replace=False)
        found = [side.outcome(side.run(start, seed), start) for side in sides]
        measured: list[list[Timing]] = [[] for _ in sides]
        for _ in range(repeats):
            for side, timings in zip(sides, measured, strict=True):
                timings.append(_time(side, start, seed))
        for side, outcome, timings in zip(sides, found, measured, strict=True):
            loss = loss_of(matrix, outcome.medoids)
            yield Row(seed, side.name, side.threads, side.matrix.dtype.name, Timings(tuple(timings)), outcome, loss)


def _time(side: Side, start: Medoids, seed: int) -> Timing:
    return timed(lambda: side.run(start, seed), least_seconds=0)


# ---- report ----


def ratio(row: Row, rows: list[Row]) -> float:
    """A side's median over ours with as many threads, from the same start."""
    mine = next(other for other in rows if (other.side, other.threads, other.seed) == (OURS, row.threads, row.seed))
    return row.timings.median / mine.timings.median


def table_line(row: Row, rows: list[Row]) -> str:
    """A row of the table."""
    return _LINE.format(
        row.seed,
        row.side,
        row.threads,
        row.dtype,
        f"{row.timings.best:.4f}",
        f"{row.timings.median:.4f}",
        f"{row.timings.cores:.2f}",
        "-" if row.outcome.rounds is None else row.outcome.rounds,
        row.outcome.swaps,
        f"{row.loss:.6f}",
        f"{ratio(row, rows):.2f}",
    )


def fastest(rows: list[Row], threads: int) -> tuple[str, float]:
    """Of their sides with at most as many threads, which one takes the least time in the middle of all starts."""
    seconds: dict[str, list[float]] = {}
    for row in rows:
        if row.side != OURS and row.threads <= threads:
            seconds.setdefault(f"{row.side}, {row.dtype}", []).append(row.timings.median)
    return min(((name, median(each)) for name, each in seconds.items()), key=lambda pair: pair[1])


def verdicts(rows: list[Row]) -> Iterator[tuple[bool, str]]:
    """Whether each bar is met, in words.

    Of time: the median over all starts, against the fastest of theirs that needs no more threads. Of the loss: from
    every start, against theirs in the same order.
    """
    for threads in sorted({row.threads for row in rows if row.side == OURS}):
        mine = median(row.timings.median for row in rows if (row.side, row.threads) == (OURS, threads))
        name, theirs = fastest(rows, threads)
        words = f"{theirs / mine:.2f} times as fast on {threads} thread(s) as the fastest of theirs ({name})"
        yield theirs / mine >= RATIO_BAR, f"{words} (bar {RATIO_BAR:g})"
    above = max(
        mine.loss / theirs.loss - 1 if theirs.loss else float(mine.loss > 0)
        for mine in rows
        for theirs in rows
        if (mine.side, theirs.side, mine.seed) == (OURS, THEIRS, theirs.seed)
    )
    yield above <= LOSS_BAR, f"loss at most {above:+.1e} of theirs above theirs, from any start (bar {LOSS_BAR:g})"


_LEGEND = """
x: the side's median over ours with as many threads, from the same start. loss: of the medoids, by one function for
all sides, in float64. Ours and kmedoids try the profiles in their order, and make the same swaps where none gives the
same as another; kmedoids, parallel, tries them in an order drawn at random, so that its loss, from the same start,
is now below and now above: means over all starts {means}.
Ours looks through the matrix for what is no distance at each call, and that is in its time; theirs does not.
cores: processor time over time, the threads that were really at work."""


def legend(rows: list[Row]) -> str:
    """What the columns mean, and each side's mean loss."""
    names = dict.fromkeys(row.side for row in rows)
    means = (f"{name} {fmean(row.loss for row in rows if row.side == name):.4f}" for name in names)
    return _LEGEND.format(means="; ".join(means))


@click.command()
@click.option("--threads", type=click.IntRange(1), default=os.cpu_count(), show_default=True, help="Of every side.")
@click.option(
    "--data", type=click.Path(path_type=Path), default=CUSTOMERS, show_default=True, help="The customers' files."
)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Times each side is timed.")
@click.option("--profiles", "n_profiles", type=click.IntRange(3), default=10_000, show_default=True)
@click.option("--clusters", "k", type=click.IntRange(2), default=12, show_default=True, help="Number of medoids.")
@click.option("--starts", type=click.IntRange(1), default=3, show_default=True, help="Drawn at random.")
def fasterpam(threads: int, data: Path, repeats: int, n_profiles: int, k: int, starts: int) -> None:
    """K-medoids from the same medoids by ours and by the package kmedoids, in one run (some 7 minutes)."""
    profiles = load_profiles(data, 60, n_profiles)
    values = np.ascontiguousarray(profiles.values[:n_profiles])
    if k > len(values):
        raise click.BadParameter(f"{k} clusters of {len(values)} profiles", param_hint="--clusters")
    words = f"{os.cpu_count()} cores; kmedoids {version('kmedoids')}, numba {version('numba')}"
    click.echo(f"{words}\n{len(values)} of {profiles.origin}; DTW with radius {RADIUS}, {k} medoids")
    click.echo(_LINE.format(*_TITLES))
    rows: list[Row] = []
    for row in compare(values, n_profiles, k, repeats, threads, range(starts)):
        rows.append(row)
        click.echo(table_line(row, rows))
    click.echo(legend(rows))
    report(list(verdicts(rows)))
