"""`benchmarks.clustering validity`: what the indices of a clustering cost, and whether they drift with k."""

import os
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import squareform
from sklearn.cluster import KMeans

from benchmarks.dtw_profiles import CUSTOMERS, load_profiles
from benchmarks.dtw_timing import Timings, timed
from loadprofiles.distances import pairwise
from loadprofiles.validity import DIRECTIONS, judge, rank_table, validity_scores

K, K_VALUES, MADE_UP = 12, range(3, 21), 3000


@click.command()
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True)
@click.option("--data", type=click.Path(path_type=Path), default=CUSTOMERS, show_default=True, help="The customers.")
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True)
def validity(threads: int, data: Path, repeats: int) -> None:
    """Seconds for all indices of one clustering, and Spearman's correlation of each index with k (some 2 minutes)."""
    profiles = load_profiles(data, 60, MADE_UP)
    click.echo(f"{os.cpu_count()} cores, {threads} thread(s); {profiles.origin}")
    _show_seconds(profiles.values, threads, repeats)
    drifts = {name: _drift(values) for name, values in _tables(profiles.values)}
    click.echo(pd.DataFrame(drifts).round(2).to_string())


def _show_seconds(profiles: NDArray[np.float64], threads: int, repeats: int) -> None:
    euclidean, dtw = (squareform(pairwise(profiles, radius)) for radius in (0, 1))
    model = KMeans(K, n_init=1, random_state=0).fit(profiles)
    given = (profiles, model.labels_, model.cluster_centers_)
    calls = {
        "both matrices, checked before": lambda: judge(*given, dtw, euclidean, threads=threads, checked=True),
        "both matrices, checked each time": lambda: judge(*given, dtw, euclidean, threads=threads),
        "no matrix, no Silhouette DTW": lambda: judge(*given, threads=threads),
    }
    for name, call in calls.items():
        call()
        measured = Timings(tuple(timed(call) for _ in range(repeats)))
        click.echo(f"{name:<36}{measured.best:>8.2f} s best{measured.median:>8.2f} s median")


def _tables(profiles: NDArray[np.float64]) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Profiles without groups, with twelve, and real ones; all of length 1."""
    random = np.random.default_rng(0)
    without = random.random((MADE_UP, 24))
    centres = random.standard_normal((12, 24))
    grouped = np.abs(0.6 * centres[random.integers(0, 12, MADE_UP)] + 0.35 * random.standard_normal((MADE_UP, 24)))
    for name, values in (("no groups", without), ("12 groups", grouped), ("real", profiles)):
        yield name, values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def _drift(profiles: NDArray[np.float64]) -> dict[str, float]:
    """Of each index with the number of clusters, and the number that the mean rank takes for the best."""
    matrix = squareform(pairwise(profiles, 0))
    rows = []
    for k in K_VALUES:
        model = KMeans(k, n_init=2, random_state=0).fit(profiles)
        rows.append(
            validity_scores(profiles, model.labels_, model.cluster_centers_, euclidean_matrix=matrix, checked=True)
        )
    table = pd.DataFrame(rows, index=pd.Index(K_VALUES))
    # an index that is the same for all k has no correlation
    moving = table.loc[:, (table != table.iloc[0]).any()]
    drift = moving.corrwith(pd.Series(table.index, table.index), method="spearman")
    found: dict[str, float] = {name: float(drift[name]) for name in DIRECTIONS if name in moving}
    return found | {"best k by mean rank": float(rank_table(table).idxmin())}
