"""`benchmarks.clustering kmeans`: k-means with DTW beside tslearn's, and on all days of the real customers."""

import os
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray
from tslearn.clustering import TimeSeriesKMeans

from benchmarks.bars import report
from benchmarks.dtw_profiles import CUSTOMERS, load_profiles
from benchmarks.dtw_timing import Timings, timed
from loadprofiles.clustering import KMeans
from loadprofiles.clustering.kmeans import lloyd_dtw
from loadprofiles.distances import cross

RADIUS, K, MAX_ITER = 1, 12, 50
SPEED_BAR, INERTIA_BAR, SECONDS_BAR = 200, 1e-6, 15.0

_LINE = "{:<34}{:>8}{:>12}{:>12}{:>16}{:>8}"


@dataclass(frozen=True)
class Side:
    """What a side took, found and how many turns it made."""

    name: str
    seconds: float
    inertia: float
    turns: int


def inertia_of(profiles: NDArray[np.float64], representatives: NDArray[np.float64]) -> float:
    """Sum of squared DTW distances to the nearest representative, in float64: one judge for both sides."""
    nearest = cross(profiles, representatives, RADIUS, dtype=np.float64).min(axis=1)
    return float(np.square(nearest).sum())


def ours(profiles: NDArray[np.float64], start: NDArray[np.float64], threads: int, repeats: int) -> Side:
    """Our k-means from a start, with the time of the middle one of several calls."""
    values = profiles.astype(np.float32)
    run = lloyd_dtw(values, start, RADIUS, MAX_ITER, threads)
    timings = Timings(tuple(timed(lambda: lloyd_dtw(values, start, RADIUS, MAX_ITER, threads)) for _ in range(repeats)))
    return Side("loadprofiles", timings.median, inertia_of(profiles, run.representatives), run.n_iter)


def theirs(profiles: NDArray[np.float64], start: NDArray[np.float64], threads: int, dba_steps: int) -> Side:
    """K-means of tslearn from the same start; one call, as it takes long."""
    model = TimeSeriesKMeans(
        len(start),
        metric="dtw",
        metric_params={"sakoe_chiba_radius": RADIUS},
        init=start[:, :, np.newaxis],
        n_init=1,
        max_iter=MAX_ITER,
        max_iter_barycenter=dba_steps,
        n_jobs=threads,
    )
    model_input = profiles[:, :, np.newaxis]
    TimeSeriesKMeans(2, metric="dtw", metric_params={"sakoe_chiba_radius": RADIUS}, max_iter=1).fit(model_input[:9])
    started = time.perf_counter()
    model.fit(model_input)
    seconds = time.perf_counter() - started
    name = f"tslearn, {dba_steps} DBA step{'s' if dba_steps > 1 else ''} a turn"
    return Side(name, seconds, inertia_of(profiles, model.cluster_centers_[:, :, 0]), int(model.n_iter_))


@click.command()
@click.option("--threads", type=click.IntRange(1), default=os.cpu_count(), show_default=True, help="Of both sides.")
@click.option("--data", type=click.Path(path_type=Path), default=CUSTOMERS, show_default=True, help="The customers.")
@click.option("--profiles", "n_profiles", type=click.IntRange(20), default=2000, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True, help="Times ours is timed.")
def kmeans(threads: int, data: Path, n_profiles: int, repeats: int) -> None:
    """K-means with DTW from the same start by ours and tslearn's; then all days, 10 starts (some 10 minutes)."""
    profiles = load_profiles(data, 60, n_profiles)
    taken = profiles.values[:n_profiles]
    distinct = np.unique(taken, axis=0, return_index=True)[1]
    start = taken[np.random.default_rng(0).choice(np.sort(distinct), K, replace=False)]
    click.echo(
        f"{os.cpu_count()} cores; tslearn {version('tslearn')}, numba {version('numba')}; {threads} threads each"
    )
    click.echo(f"{len(taken)} of {profiles.origin}; radius {RADIUS}, k = {K}, at most {MAX_ITER} turns, same start")
    click.echo(_LINE.format("side", "threads", "seconds", "turns", "inertia", "x"))
    sides = [ours(taken, start, threads, repeats)]
    _show(sides[0], sides[0], threads)
    for dba_steps in (1, 100):
        sides.append(theirs(taken, start, threads, dba_steps))
        _show(sides[-1], sides[0], threads)
    model = KMeans(K, metric="dtw", radius=RADIUS, n_init=10, threads=threads)
    model.fit(taken[:50])  # compiled code comes from the disk
    started = time.perf_counter()
    model.fit(profiles.values)
    seconds = time.perf_counter() - started
    click.echo(f"all {len(profiles.values)} profiles, 10 starts: {seconds:.1f} s, inertia {model.inertia_:.2f}")
    report(_verdicts(sides, seconds))


def _show(side: Side, mine: Side, threads: int) -> None:
    ratio = f"{side.seconds / mine.seconds:.0f}"
    click.echo(_LINE.format(side.name, threads, f"{side.seconds:.3f}", side.turns, f"{side.inertia:.4f}", ratio))


def _verdicts(sides: list[Side], seconds: float) -> list[tuple[bool, str]]:
    mine, *others = sides
    found = []
    for other in others:
        ratio = other.seconds / mine.seconds
        found.append((ratio >= SPEED_BAR, f"{ratio:.0f} times as fast as {other.name} (bar {SPEED_BAR})"))
        above = mine.inertia / other.inertia - 1
        found.append((above <= INERTIA_BAR, f"inertia {above:+.2%} beside {other.name} (bar: not higher)"))
    found.append((seconds < SECONDS_BAR, f"all profiles in {seconds:.1f} s (bar {SECONDS_BAR:g} s)"))
    return found
