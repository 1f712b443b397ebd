"""`benchmarks.dtw floor`: nanoseconds per cell of the band, beside the least that counted operations can take."""

import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import click
import numpy as np

from benchmarks.dtw_timing import Timing, Timings, timed
from loadprofiles.compiling import compiled
from loadprofiles.distances import kernels
from loadprofiles.distances.checks import band_cells, check_profiles
from loadprofiles.distances.lanes import registers
from loadprofiles.distances.threads import in_threads

WORKLOADS = ((24, 1), (24, 23), (96, 4), (96, 95), (1440, 60))
"""Points and radius."""
BAR_NS = 0.07
BAR_THREADS = 2

_PORTS = 2
_AVX512_BYTES = 64
# imul 3 and xor 1, on Intel's processors since 2008 and on AMD's since 2017
_CYCLES_PER_STEP = 4
_CLOCK_STEPS = 10_000_000
_CLOCK_RUNS = 3

_CELLS_A_RUN = 2 * 10**9
_LEAST_PROFILES, _MOST_PROFILES = 256, 2048
_COPIED_BYTES = 2**27

_LINE = "{:>6}{:>7}{:>8}{:>7}{:>8}{:>8}{:>10}{:>10}{:>9}{:>12}{:>12}{:>8}"
_TITLES = (
    "points", "radius", "threads", "GHz", "cells", "ops", "best ns", "med. ns", "floor", "floor/best", "bytes/pair",
    "GB/s",
)  # fmt: skip


# ---- counting ----


@dataclass(frozen=True)
class Operations:
    """The least a distance takes, over all cells of its band.

    Attributes:
        subtractions: One a cell.
        multiply_adds: One a cell; the first adds nothing and costs the same.
        minima: One less than there are neighbours before a cell, within table and band.
    """

    subtractions: int
    multiply_adds: int
    minima: int


def count_operations(radius: int, n_points: int) -> Operations:
    """Operations of one distance.

    Every cell has a neighbour to the left except the first of each row's band, one above except the last of each row's
    band that has moved on (as many, for the band is symmetric), and one diagonally before it except in the first row
    and the first column. All these, less one for each cell but the first, are the minima.

    Args:
        radius: In steps, from `effective_radius`.
        n_points: Of both series.
    """
    cells = band_cells(radius, n_points)
    neighbours = 2 * (cells - n_points) + cells - (2 * radius + 1)
    return Operations(cells, cells, neighbours - (cells - 1))


def counted(operations: Operations, register_bytes: int) -> int:
    """The operations that share two ports.

    With AVX-512 all do (p0 and p5). With AVX2 and less, minima and multiply-adds are taken to, and subtractions to
    find a place elsewhere: on some processors they do not, which makes the floor too low, never too high.
    """
    shared = operations.multiply_adds + operations.minima
    return shared + operations.subtractions if register_bytes >= _AVX512_BYTES else shared


def floor_ns(radius: int, n_points: int, register_bytes: int, ghz: float, threads: int) -> float:
    """The least nanoseconds per cell: as many float32 lanes as a register holds, an operation a port and cycle."""
    operations = counted(count_operations(radius, n_points), register_bytes)
    lanes = register_bytes // 4
    return operations / _PORTS / lanes / ghz / threads / band_cells(radius, n_points)


def bytes_per_pair(n_profiles: int, radius: int, n_points: int, threads: int) -> float:
    """Bytes that pass between memory and the processor: every block's profiles once, every distance once."""
    # the blocks that the engine makes
    blocks = list(kernels._blocks(n_profiles, n_profiles, band_cells(radius, n_points), threads))
    read = sum((bottom - top + last - first) * n_points * 4 for top, bottom, first, last in blocks)
    return read / n_profiles**2 + 4


# ---- measuring ----


@compiled
def _chain(steps: int, factor: int, mask: int) -> int:
    """Every step waits for the one before: a multiplication of integers and an exclusive or."""
    value = 1
    for _ in range(steps):
        value = (value * factor) ^ mask
    return value


def clock_ghz(threads: int = 1, steps: int = _CLOCK_STEPS) -> float:
    """The clock while as many threads compute: the fastest of some runs, since others' work can only slow one down."""

    def run(_: int) -> float:
        started = time.perf_counter()
        _chain(steps, 6364136223846793005, 1442695040888963407)
        return time.perf_counter() - started

    run(0)
    seconds = list(in_threads(run, range(_CLOCK_RUNS * threads), threads))
    return _CYCLES_PER_STEP * steps / min(seconds) / 1e9


def copy_gb_per_second() -> float:
    """Bytes a second that one thread reads and writes in copying what no cache holds."""
    source = np.ones(_COPIED_BYTES // 8)
    target = np.empty_like(source)
    seconds = min(timed(lambda: np.copyto(target, source), 0).seconds for _ in range(5))
    return 2 * _COPIED_BYTES / seconds / 1e9


@dataclass(frozen=True)
class Cells:
    """A workload, measured.

    Attributes:
        points: Of a profile.
        radius: In steps.
        threads: How many.
        n_profiles: Compared with each other.
        ghz: The fastest clock seen between the measurements.
        register_bytes: Width of a vector register.
        timings: In seconds for all pairs.
    """

    points: int
    radius: int
    threads: int
    n_profiles: int
    ghz: float
    register_bytes: int
    timings: Timings

    @property
    def cells(self) -> int:
        """Of all pairs."""
        return self.n_profiles**2 * band_cells(self.radius, self.points)

    @property
    def best_ns(self) -> float:
        """Per cell."""
        return self.timings.best / self.cells * 1e9

    @property
    def median_ns(self) -> float:
        """Per cell."""
        return self.timings.median / self.cells * 1e9

    @property
    def floor_ns(self) -> float:
        """Per cell."""
        return floor_ns(self.radius, self.points, self.register_bytes, self.ghz, self.threads)

    @property
    def bytes_per_pair(self) -> float:
        """That pass between memory and the processor."""
        return bytes_per_pair(self.n_profiles, self.radius, self.points, self.threads)

    @property
    def memory_gb_per_second(self) -> float:
        """What memory must give and take at the best time."""
        return self.bytes_per_pair * self.n_profiles**2 / self.timings.best / 1e9


def profiles_for(points: int, radius: int, cells: int = _CELLS_A_RUN) -> int:
    """How many profiles make a run long enough, in whole blocks of lanes."""
    wanted = math.isqrt(cells // band_cells(radius, points)) // 128 * 128
    return min(_MOST_PROFILES, max(_LEAST_PROFILES, wanted))


def measure_cells(
    points: int,
    radius: int,
    threads: int,
    repeats: int,
    n_profiles: int | None = None,
    clock: Callable[[int], float] = clock_ghz,
) -> Cells:
    """Time a square of distances (`kernels.tile`, which the store of the DTW matrix fills itself by).

    What the values are makes no difference to the time: they are normal, from a fixed seed.
    """
    n_profiles = n_profiles or profiles_for(points, radius)
    rows = check_profiles(np.random.default_rng(1).normal(size=(n_profiles, points)))
    columns = rows.copy()

    def compute() -> None:
        kernels.tile(rows, columns, radius, threads=threads)

    compute()
    clocks, timings = [clock(threads)], list[Timing]()
    for _ in range(repeats):
        timings.append(timed(compute))
        clocks.append(clock(threads))
    return Cells(points, radius, threads, n_profiles, max(clocks), registers()[0], Timings(tuple(timings)))


# ---- report ----


def table_line(found: Cells) -> str:
    """A row of the table."""
    counts = count_operations(found.radius, found.points)
    cells = band_cells(found.radius, found.points)
    return _LINE.format(
        found.points,
        found.radius,
        found.threads,
        f"{found.ghz:.2f}",
        f"{cells:,}",
        f"{(counts.subtractions + counts.multiply_adds + counts.minima) / cells:.2f}",
        f"{found.best_ns:.4f}",
        f"{found.median_ns:.4f}",
        f"{found.floor_ns:.4f}",
        f"{100 * found.floor_ns / found.best_ns:.0f} %",
        f"{found.bytes_per_pair:.1f}",
        f"{found.memory_gb_per_second:.2f}",
    )


def verdict(found: Cells) -> tuple[bool, str] | None:
    """Whether the bar, which is of two threads, is met by the median, in words."""
    if found.threads != BAR_THREADS:
        return None
    words = f"{found.points} points, radius {found.radius}: {found.median_ns:.4f} ns per cell (bar {BAR_NS:g})"
    return found.median_ns <= BAR_NS, words


_LEGEND = """
ops: subtractions, multiply-adds and minima per cell, counted. floor: the ns per cell that they take at best, with
{lanes} float32 lanes a register, {ports},
at the clock (GHz) that a chain of dependent operations, {cycles} cycles a step, showed between the measurements, on as
many threads at once, at its fastest. Vectors of 512 bits may run at a lower clock, which makes this floor too low,
never too high. floor/best: the share of what the ports can do that is reached.
bytes/pair, GB/s: what passes through memory, and how fast at the measured speed: at most {share:.0f} % of the
{copy:.1f} GB/s at which one thread copies."""


def legend(table: list[Cells], copied: float) -> str:
    """What the columns mean, and how much of the memory's speed is needed.

    Args:
        table: All rows.
        copied: GB/s that copying reaches.
    """
    width = table[0].register_bytes
    everything = "two of all these operations a cycle (ports p0 and p5)"
    some = "two multiply-adds or minima a cycle and subtractions beside them for nothing"
    values = {"lanes": width // 4, "ports": everything if width >= _AVX512_BYTES else some, "cycles": _CYCLES_PER_STEP}
    share = 100 * max(found.memory_gb_per_second for found in table) / copied
    return _LEGEND.format(**values, share=share, copy=copied)


@click.command()
@click.option("--threads", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=9, show_default=True, help="Times each is timed.")
@click.option("--profiles", type=click.IntRange(2), help="Compared with each other; default: enough for 0.1 s.")
def floor(threads: int, repeats: int, profiles: int | None) -> None:
    """Nanoseconds per cell of the band with one thread and with several, and their floor."""
    width, number = registers()
    click.echo(f"{os.cpu_count()} cores, {number} vector registers of {8 * width} bits; bar {BAR_NS} ns on 2 threads")
    click.echo(_LINE.format(*_TITLES))
    table = []
    for points, radius in WORKLOADS:
        for count in sorted({1, threads}):
            table.append(measure_cells(points, radius, count, repeats, profiles))
            click.echo(table_line(table[-1]))
    judged = [each for each in map(verdict, table) if each]
    for met, words in judged:
        click.echo(f"{'ok  ' if met else 'MISS'} {words}")
    click.echo(legend(table, copy_gb_per_second()))
    if not all(met for met, _ in judged):
        sys.exit(1)
