"""What the DTW engine is compared with: the definition as a double loop, and series that are hard on a kernel."""

import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

ROOT = Path(__file__).resolve().parents[2]


def dtw_reference(a, b, radius):
    """The definition: least cost over all monotone paths inside the band."""
    n = len(a)
    radius = n if radius is None else radius
    table = [[math.inf] * (n + 1) for _ in range(n + 1)]
    table[0][0] = 0.0
    for i in range(1, n + 1):
        for j in range(max(1, i - radius), min(n, i + radius) + 1):
            cost = (float(a[i - 1]) - float(b[j - 1])) ** 2
            table[i][j] = cost + min(table[i - 1][j - 1], table[i - 1][j], table[i][j - 1])
    return math.sqrt(table[n][n])


def condensed_reference(profiles, radius):
    """The definition for all pairs, in pdist's order."""
    return np.array([dtw_reference(profiles[i], profiles[j], radius) for i, j in all_pairs(len(profiles))])


def all_pairs(n):
    return [(i, j) for i in range(n) for j in range(i + 1, n)]


def random_profiles(n, points=24, seed=0):
    return np.random.default_rng(seed).random((n, points))


def adversarial_profiles(points=24):
    """Spikes that move, steps, ramps, alternation, constants, negative values, near twins, tiny and large values."""
    t = np.arange(points)
    spikes = [(t == place % points) * 1.0 for place in (0, 1, points // 2, points - 1)]
    step = (t >= points // 2) * 1.0
    ramp = np.linspace(-1, 1, points)
    alternating = np.where(t % 2, -1.0, 1.0)
    flat = [np.zeros(points), np.full(points, 0.25)]
    twins = [ramp + 1e-6, np.roll(ramp, 2)]
    scales = [ramp * 1e-9, ramp * 1e6, alternating * 1e6]
    return np.array(
        [*spikes, step, 1 - step, ramp, ramp[::-1], alternating, -alternating, *flat, *twins, *scales], np.float32
    )


def profiles_strategy(n_rows, points=st.integers(1, 9)):  # noqa: B008  # a strategy is a constant
    elements = st.floats(-10, 10, width=32)
    return st.tuples(n_rows, points).flatmap(lambda shape: hnp.arrays(np.float64, shape, elements=elements))


def run_python(script: str, *arguments: object, **environment: str) -> str:
    """What a script prints in a process of its own, in the project's folder, with no settings of numba but these."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_")}
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def same_bits_with_any_threads(function: Callable[[int], np.ndarray]) -> bool:
    """Whether 2, 3 and 5 threads give the bits that one gives."""
    alone = function(1)
    return all(function(threads).tobytes() == alone.tobytes() for threads in (2, 3, 5))
