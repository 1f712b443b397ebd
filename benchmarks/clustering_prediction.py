"""`benchmarks.clustering prediction`: how many days a second are put into their clusters."""

import os
from pathlib import Path

import click
import numpy as np

from benchmarks.bars import report
from benchmarks.dtw_profiles import CUSTOMERS, load_profiles
from benchmarks.dtw_timing import Timings, timed
from loadprofiles.clustering import ModelSettings, fit

K, BAR = 12, 5e6
_LINE = "{:<58}{:>8}{:>14}{:>14}"


@click.command()
@click.option("--threads", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
@click.option("--data", type=click.Path(path_type=Path), default=CUSTOMERS, show_default=True, help="The customers.")
@click.option("--days", type=click.IntRange(1000), default=2_000_000, show_default=True, help="To predict.")
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True)
def prediction(threads: int, data: Path, days: int, repeats: int) -> None:
    """Days a second by the fitted model, and by what is served, which takes kWh and normalises them itself."""
    profiles = load_profiles(data, 60, 4000)
    random = np.random.default_rng(0)
    rows = random.integers(len(profiles.values), size=days)
    many = profiles.values[rows] * random.uniform(0.9, 1.1, (days, 1))
    click.echo(f"{os.cpu_count()} cores; {days} days drawn from {profiles.origin}; 24 points, radius 1, k = {K}")
    click.echo(_LINE.format("", "threads", "median s", "days a second"))
    verdicts = []
    for metric in ("dtw", "euclidean"):
        found = fit(profiles.values[:2000], ModelSettings("kmeans", metric, n_init=1, threads=threads), K)
        calls = {
            f"kmeans {metric}, predict(profiles)": lambda f=found: f.estimator.predict(many),
            f"kmeans {metric}, as served: kWh to cluster, name, distance": lambda f=found: f.clusters.assign_energies(
                many
            ),
        }
        for name, call in calls.items():
            call()
            seconds = Timings(tuple(timed(call) for _ in range(repeats))).median
            click.echo(_LINE.format(name, threads, f"{seconds:.3f}", f"{days / seconds:,.0f}"))
            if metric == "dtw" and "predict" in name:
                verdicts.append(
                    (days / seconds >= BAR, f"{days / seconds / 1e6:.1f} million a second (bar {BAR / 1e6:g})")
                )
    report(verdicts)
