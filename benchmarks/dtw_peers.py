"""`benchmarks.dtw peers`: the DTW engine beside dtaidistance, aeon and tslearn."""

import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any, Protocol, Self

import click
import numpy as np
from dtaidistance import dtw, dtw_cc_omp
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits
from tslearn.metrics import cdist_dtw

from benchmarks.dtw_profiles import CUSTOMERS, Profiles, load_profiles
from benchmarks.dtw_timing import Timing, Timings, timed
from loadprofiles.distances import pairwise
from loadprofiles.distances.checks import band_cells

BARS = {"dtaidistance": 25.0, "aeon": 15.0, "tslearn": 100.0}
"""How many times faster than each we must be."""
DIFFERENCE_BAR = 1e-5
"""Largest relative difference of any side's distances from dtaidistance's in float64."""
SIDES = ("loadprofiles", *BARS)

AEON = ("uv", "run", "--isolated", "--no-project", "--python", "3.11", "--with", "aeon==1.6.0")
_ROOT = Path(__file__).parents[1]

_LINE = "{:<13}{:>8}{:>9}{:>11}{:>10}{:>10}{:>7}{:>9}{:>11}{:>12}{:>8}{:>8}"
_TITLES = (
    "side", "threads", "profiles", "pairs", "best s", "median s", "cores", "ns/cell", "diff.", "diff. f32", "x best",
    "x",
)  # fmt: skip

Distances = NDArray[Any]


# ---- sides ----


class Side(Protocol):
    """A library that computes all distances of a set of profiles."""

    name: str

    def load(self, profiles: NDArray[np.float64], radius: int) -> Distances:
        """Compute once, which compiles what is needed; the condensed distances."""

    def time(self) -> Timing:
        """Compute the same again, without what only brings the result into our order."""


class Here:
    """A side in this process.

    Args:
        name: Of the side.
        compute: Profiles and radius to whatever the library returns.
        condense: That to condensed distances.
    """

    def __init__(
        self,
        name: str,
        compute: Callable[[NDArray[np.float64], int], Any],
        condense: Callable[[Any], Distances] = np.asarray,
    ) -> None:
        self.name, self._compute, self._condense = name, compute, condense
        self._again: Callable[[], Any] = tuple

    def load(self, profiles: NDArray[np.float64], radius: int) -> Distances:
        """Compute once; the condensed distances."""
        self._again = lambda: self._compute(profiles, radius)
        return self._condense(self._again())

    def time(self) -> Timing:
        """Compute the same again."""
        return timed(self._again)


class Aeon:
    """aeon, in a process that waits between its turns; a context.

    Args:
        threads: How many it may use.
    """

    name = "aeon"

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self.words = ""

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory()
        self._errors: IO[bytes] = (Path(self._folder.name) / "errors.txt").open("w+b")
        number = str(self._threads)
        # an environment of its own must not see this one's
        environment = {name: value for name, value in os.environ.items() if name not in {"VIRTUAL_ENV", "PYTHONPATH"}}
        environment |= {"NUMBA_NUM_THREADS": number, "OMP_NUM_THREADS": number}
        command = [sys.executable, "-m", *AEON, "python", "-m", "benchmarks.dtw_aeon", number]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self._errors}
        self._process = subprocess.Popen(command, cwd=_ROOT, env=environment, text=True, **pipes)
        return self

    def __exit__(self, *_: object) -> None:
        """End the process, which ends when there is nothing more to read."""
        self._process.communicate()
        self._errors.close()
        self._folder.cleanup()

    def load(self, profiles: NDArray[np.float64], radius: int) -> Distances:
        """Compute once; the condensed distances.

        Raises:
            click.ClickException: The process has ended.
        """
        folder = Path(self._folder.name)
        np.save(folder / "profiles.npy", profiles)
        files = {"profiles": str(folder / "profiles.npy"), "out": str(folder / "distances.npy")}
        self.words = self._ask(files | {"window": aeon_window(radius, profiles.shape[1])})["words"]
        found: Distances = np.load(files["out"])
        return found

    def time(self) -> Timing:
        """Compute the same again."""
        return Timing(**self._ask({}))

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and the reading below tells why
        answer = self._process.stdout.readline()
        if not answer:
            self._errors.seek(0)
            said = self._errors.read().decode().strip().splitlines()[-3:]
            without = " ".join(f"--side {name}" for name in SIDES if name != self.name)
            raise click.ClickException(f"aeon did not run: {' / '.join(said)}; leave it out with {without}")
        found: dict[str, Any] = json.loads(answer)
        return found


def aeon_window(radius: int, n_points: int) -> float | None:
    """The band for aeon: a fraction of the length, of which it takes the whole part in steps; None for no band."""
    return None if radius >= n_points - 1 else (radius + 0.5) / n_points


def dtaidistance_matrix(profiles: NDArray[np.float64], radius: int) -> Distances:
    """Condensed distances by dtaidistance's C with OpenMP, in float64; its window counts the diagonal."""
    return np.asarray(dtw.distance_matrix_fast(profiles, window=radius + 1, compact=True, parallel=True))


def openmp_words() -> str:
    """That dtaidistance uses OpenMP, and how many threads.

    Raises:
        click.ClickException: It was built without.
    """
    if dtw_cc_omp is None or not dtw_cc_omp.is_openmp_supported():
        raise click.ClickException("dtaidistance was built without OpenMP and would start processes instead")
    own = [pool for pool in threadpool_info() if pool["user_api"] == "openmp" and "dtaidistance" in pool["filepath"]]
    pools = own or [pool for pool in threadpool_info() if pool["user_api"] == "openmp"]
    found = ", ".join(f"{pool['prefix']} with {pool['num_threads']} threads" for pool in pools)
    return f"dtaidistance {version('dtaidistance')}, C with OpenMP ({found})"


def _tslearn(profiles: NDArray[np.float64], radius: int, threads: int) -> Distances:
    found: Distances = cdist_dtw(
        profiles, global_constraint="sakoe_chiba", sakoe_chiba_radius=radius, n_jobs=threads if threads > 1 else None
    )
    return found


def _upper(square: Distances) -> Distances:
    found: Distances = square[np.triu_indices(len(square), 1)]
    return found


def sides_here(threads: int) -> dict[str, Side]:
    """The sides that run in this process, by name."""
    return {
        "loadprofiles": Here("loadprofiles", lambda profiles, radius: pairwise(profiles, radius, threads=threads)),
        "dtaidistance": Here("dtaidistance", dtaidistance_matrix),
        "tslearn": Here("tslearn", lambda profiles, radius: _tslearn(profiles, radius, threads), _upper),
    }


# ---- measuring ----


@dataclass(frozen=True)
class Set:
    """Profiles that some sides compute: all of them the same."""

    n_profiles: int
    sides: tuple[str, ...]


@dataclass(frozen=True)
class Workload:
    """Profiles, a radius, and in which sets they are computed.

    Attributes:
        title: In words.
        profiles: To take them from.
        radius: In steps.
        sets: From the smallest, in which all sides take part.
    """

    title: str
    profiles: Profiles
    radius: int
    sets: tuple[Set, ...]


@dataclass(frozen=True)
class Row:
    """One side in one set.

    Attributes:
        side: Its name.
        n_profiles: Of the set.
        cells: Of the band, of all pairs.
        timings: In seconds for all pairs.
        difference: Largest relative difference from dtaidistance in float64, on the same profiles; NaN: not compared.
        difference_rounded: From dtaidistance on the profiles rounded to float32.
        ratio: Its median over ours.
        ratio_best: Its best over our best.
    """

    side: str
    n_profiles: int
    cells: int
    timings: Timings
    difference: float
    difference_rounded: float
    ratio: float
    ratio_best: float

    @property
    def pairs(self) -> int:
        """How many distances there are."""
        return math.comb(self.n_profiles, 2)


def relative_difference(found: Distances, reference: Distances) -> float:
    """The largest |found - reference| / reference; where the reference is 0, anything else is infinitely far.

    Raises:
        ValueError: They are not as many.
    """
    if found.shape != reference.shape:
        raise ValueError(f"{found.shape} distances, {reference.shape} expected")
    apart = np.abs(found - reference)
    apart = np.divide(apart, reference, out=np.where(apart == 0, 0.0, np.inf), where=reference > 0)
    # a NaN is no distance
    return float(np.where(np.isnan(apart), np.inf, apart).max())


def measure(sides: list[Side], profiles: NDArray[np.float64], radius: int, repeats: int) -> list[Row]:
    """Every side on the same profiles, in turn, so that what else the machine does meets all of them.

    Args:
        sides: Ours first.
        profiles: (n, points).
        radius: In steps.
        repeats: How many times each is timed.
    """
    found = {side.name: side.load(profiles, radius) for side in sides}
    measured: dict[str, list[Timing]] = {side.name: [] for side in sides}
    for _ in range(repeats):
        for side in sides:
            measured[side.name].append(side.time())
    timings = {name: Timings(tuple(every)) for name, every in measured.items()}
    ours = timings[sides[0].name]
    cells = math.comb(len(profiles), 2) * band_cells(radius, profiles.shape[1])
    differences = _differences(found, profiles, radius) if len(sides) > 1 else {}
    return [
        Row(
            side=name,
            n_profiles=len(profiles),
            cells=cells,
            timings=own,
            difference=differences.get(name, (math.nan, math.nan))[0],
            difference_rounded=differences.get(name, (math.nan, math.nan))[1],
            ratio=own.median / ours.median,
            ratio_best=own.best / ours.best,
        )
        for name, own in timings.items()
    ]


def _differences(
    found: dict[str, Distances], profiles: NDArray[np.float64], radius: int
) -> dict[str, tuple[float, float]]:
    reference = dtaidistance_matrix(profiles, radius)
    rounded = dtaidistance_matrix(profiles.astype(np.float32).astype(np.float64), radius)
    return {
        name: (relative_difference(distances, reference), relative_difference(distances, rounded))
        for name, distances in found.items()
    }


# ---- report ----


def table_line(row: Row, threads: int) -> str:
    """A row of the table."""
    differences = ["-" if math.isnan(d) else f"{d:.1e}" for d in (row.difference, row.difference_rounded)]
    return _LINE.format(
        row.side,
        threads,
        f"{row.n_profiles:,}",
        f"{row.pairs:,}",
        f"{row.timings.best:.5f}",
        f"{row.timings.median:.5f}",
        f"{row.timings.cores:.2f}",
        f"{row.timings.median / row.cells * 1e9:.3f}",
        *differences,
        f"{row.ratio_best:.1f}",
        f"{row.ratio:.1f}",
    )


def verdicts(rows: list[Row]) -> Iterator[tuple[bool, str]]:
    """Whether each bar is met, in words: of a side's ratio in the largest set it took part in, by the medians.

    A bar is for a side that was measured; distances are compared with dtaidistance, so not its own.
    """
    for side, bar in BARS.items():
        took_part = [row for row in rows if row.side == side]
        if took_part:
            row = max(took_part, key=lambda row: row.n_profiles)
            words = f"{row.ratio:.1f} times as fast as {side} on {row.n_profiles:,} profiles (bar {bar:g})"
            yield row.ratio >= bar, words
    for side in dict.fromkeys(row.side for row in rows if row.side != "dtaidistance"):
        compared = [row for row in rows if row.side == side and not math.isnan(row.difference)]
        if compared:
            most, rounded = max(row.difference for row in compared), max(row.difference_rounded for row in compared)
            words = f"{side} is within {most:.1e} of dtaidistance in float64 (bar {DIFFERENCE_BAR:g})"
            yield most < DIFFERENCE_BAR, f"{words}; {rounded:.1e} with the profiles rounded to float32"


def workloads(folder: Path, names: tuple[str, ...], most: int | None) -> list[Workload]:
    """The three workloads.

    tslearn takes some 0.1 to 0.2 ms a pair, so it takes part in the smallest set only, for some 20 s; ours alone takes
    part in the largest.

    Args:
        folder: Of the customers' files.
        names: Of the sides.
        most: Profiles in any set.
    """
    most = most or 10**9
    hours = load_profiles(folder, 60, min(most, 8000))
    quarters = load_profiles(folder, 15, min(most, 4000))
    most_hours, most_quarters = min(most, len(hours.values)), min(most, len(quarters.values))
    return [
        Workload("24 points, radius 1", hours, 1, sets_of(names, (500, 4000, 20000), most_hours)),
        Workload("96 points, radius 4", quarters, 4, sets_of(names, (500, 2000, 4000), most_quarters)),
        Workload("96 points, full band", quarters, 95, sets_of(names, (500, 1000, 2000), most_quarters)),
    ]


def sets_of(names: tuple[str, ...], sizes: tuple[int, int, int], most: int) -> tuple[Set, ...]:
    """A set for all sides, a larger one without tslearn, and the largest for the first side alone.

    Args:
        names: Of the sides.
        sizes: Profiles in each set.
        most: Profiles in any set. Of sets that become the same, the one with the most sides is left.
    """
    fast = tuple(name for name in names if name != "tslearn")
    found: dict[int, tuple[str, ...]] = {}
    for size, taking_part in zip(sizes, (names, fast, names[:1]), strict=True):
        found.setdefault(min(size, most), taking_part)
    return tuple(Set(size, taking_part) for size, taking_part in found.items())


def show(workload: Workload, sides: dict[str, Side], threads: int, repeats: int) -> bool:
    """Measure a workload and print its table; whether all bars are met."""
    click.echo(f"\n{workload.title} ({workload.profiles.origin})")
    click.echo(_LINE.format(*_TITLES))
    rows: list[Row] = []
    for part in workload.sets:
        profiles = np.ascontiguousarray(workload.profiles.values[: part.n_profiles])
        for row in measure([sides[name] for name in part.sides], profiles, workload.radius, repeats):
            rows.append(row)
            click.echo(table_line(row, threads))
    found = list(verdicts(rows))
    for met, words in found:
        click.echo(f"{'ok  ' if met else 'MISS'} {words}")
    return all(met for met, _ in found)


_LEGEND = """
x: the side's median over ours on the same profiles; x best: its best over our best. Judged is x, in the largest set
the side takes part in: what a call costs apart from the pairs (starting threads, computing some pairs again as a
check) is a large part of our time on few profiles. aeon's time lacks the square root, ours has the check in it.
cores: processor time over time, the threads that were really at work. ns/cell: of the band, by the median.
diff.: largest relative difference from dtaidistance in float64 on the profiles as given; what is judged. diff. f32:
the same, but dtaidistance was given the profiles rounded to float32, as ours computes with; what is left then is the
rounding of the computation itself, and for sides in float64 it is the rounding of the profiles. That is largest for
the pairs that are nearest to each other, since it is a fixed share of the values and not of their differences."""


@click.command()
@click.option("--threads", type=click.IntRange(1), default=os.cpu_count(), show_default=True, help="Of every side.")
@click.option(
    "--data", type=click.Path(path_type=Path), default=CUSTOMERS, show_default=True, help="The customers' files."
)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Times each side is timed.")
@click.option("--side", "names", type=click.Choice(SIDES), multiple=True, default=SIDES, help="Default: all.")
@click.option("--most", type=click.IntRange(2), help="Profiles in any set, for a quick look.")
def peers(threads: int, data: Path, repeats: int, names: tuple[str, ...], most: int | None) -> None:
    """All distances by each library, with as many threads, on the same profiles, in one run (some 12 minutes)."""
    names = tuple(name for name in SIDES if name in {SIDES[0], *names})
    with ExitStack() as stack:
        # dtaidistance takes what OpenMP is set to
        stack.enter_context(threadpool_limits(threads))
        sides = sides_here(threads)
        click.echo(f"{os.cpu_count()} cores; {openmp_words()}")
        if "aeon" in names:
            aeon = stack.enter_context(Aeon(threads))
            sides["aeon"] = aeon
            aeon.load(np.eye(3, 24), 1)
            click.echo(aeon.words)
        if "tslearn" in names:
            click.echo(f"tslearn {version('tslearn')}, numba {version('numba')}, joblib's threads")
        met = [show(workload, sides, threads, repeats) for workload in workloads(data, names, most)]
    click.echo(_LEGEND)
    if not all(met):
        sys.exit(1)
