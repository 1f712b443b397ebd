"""`benchmarks.clustering million`: k-means with DTW and k-medoids on a million days, without their matrix."""

import os
import subprocess
import sys

import click

from benchmarks.bars import report

K = 12
_MATRIX_GB = 4e-9
_SHARE_BAR = 0.01
"""Of the matrix' memory: what a model may need beside the profiles."""

# In a process of its own, so that the peak of one is not that of the other.
_FIT = """
import resource, sys, time
import numpy as np
from loadprofiles.clustering import KMeans, KMedoids
model, days, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
random, hours = np.random.default_rng(0), np.arange(24)
profiles = np.empty((days, 24))
for first in range(0, days, 100_000):
    part = profiles[first : first + 100_000]
    peak = random.integers(0, 24, (len(part), 1)) + random.normal(0, 1, (len(part), 1))
    part[:] = 0.3 + np.exp(-(((hours - peak + 12) % 24 - 12) ** 2) / random.uniform(4, 30, (len(part), 1)))
    part += random.uniform(0, 0.2, part.shape)
    part /= np.linalg.norm(part, axis=1, keepdims=True)
peak_mb = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
made, started = peak_mb(), time.perf_counter()
if model == "kmeans":
    found = KMeans(12, metric="dtw", n_init=1, threads=threads).fit(profiles)
else:
    found = KMedoids(12, metric="dtw", sample_size=4000, threads=threads).fit(profiles)
print(time.perf_counter() - started, peak_mb(), peak_mb() - made, found.inertia_ / days)
"""


@click.command()
@click.option("--threads", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
@click.option("--days", type=click.IntRange(10_000), default=1_000_000, show_default=True)
def million(threads: int, days: int) -> None:
    """Seconds and peak memory; k = 12, 24 points, radius 1, one start of k-means, five samples of k-medoids."""
    matrix_gb = _MATRIX_GB * days**2
    click.echo(f"{os.cpu_count()} cores, {threads} threads; {days} made-up days; their matrix: {matrix_gb:.0f} GB")
    verdicts = []
    for model in ("kmeans", "kmedoids"):
        command = [sys.executable, "-c", _FIT, model, str(days), str(threads)]
        out = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        seconds, peak, more, inertia = (float(text) for text in out.split())
        click.echo(f"{model:<10}{seconds:>8.1f} s, peak {peak:,.0f} MB, inertia a day {inertia:.4f}")
        share = more / 1e3 / matrix_gb
        verdicts.append((share < _SHARE_BAR, f"{model}: {more:,.0f} MB beside the profiles (bar 1 % of the matrix)"))
    report(verdicts)
