"""Optimal DTW paths, and what DTW barycenter averaging (DBA) adds up along them."""

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loadprofiles.compiling import compiled
from loadprofiles.distances.checks import Floats, check_profiles, check_same_points, effective_radius
from loadprofiles.distances.threads import in_threads, thread_count
from loadprofiles.errors import ParameterError

# Parts whose sums are added up in a fixed order, so that rounding does not depend on the number of threads.
_PARTS = 32
# Few and large tasks: a thread that comes back from one may wait for Python's lock as long as a small one takes.
_TASKS_PER_THREAD = 2


def path(
    series: Sequence[float] | Floats, other: Sequence[float] | Floats, radius: int | None = 1
) -> NDArray[np.int64]:
    """The optimal alignment of two series inside the band.

    Args:
        series: (points,), finite.
        other: (points,), finite.
        radius: half-width of the band in steps; `None` for no band.

    Returns:
        (steps, 2): the points of `series` and of `other` that belong together, from (0, 0) to the last two.

    Raises:
        ParameterError: one of them is not such a series, they differ in length, or the radius is negative.
    """
    values = check_profiles(cast("ArrayLike", [series]), "the series")
    others = check_profiles(cast("ArrayLike", [other]), "the other series")
    check_same_points(values, others, ("the series", "the other"))
    band = effective_radius(radius, values.shape[1])
    cost = np.empty((values.shape[1], 2 * band + 1), np.float64)
    _accumulate(others[0], band, cost, values[0])
    return _optimal_path(band, cost)


def alignment_sums(
    profiles: ArrayLike,
    representatives: ArrayLike,
    labels: NDArray[np.int64],
    radius: int | None = 1,
    *,
    threads: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sums of the profile values aligned with each point of their representative.

    Their quotient is one step of DTW barycenter averaging, DBA (Petitjean, Ketterlin & Gançarski 2011,
    doi:10.1016/j.patcog.2010.09.013), along the optimal paths inside the band.

    Args:
        profiles: (n, points), n >= 1, finite.
        representatives: (k, points), finite.
        labels: (n,), number of each profile's representative.
        radius: half-width of the band in steps; `None` for no band.
        threads: how many; all processors by default. The result is the same for any number.

    Returns:
        Sums (k, points) and numbers of values added (k, points); both are zero for a representative
        without profiles, and every number is at least 1 for one with profiles.

    Raises:
        ParameterError: one of the arguments is not such an array, or the radius is negative.
    """
    values = check_profiles(profiles)
    targets = check_profiles(representatives, "representatives")
    check_same_points(values, targets)
    _check_labels(labels, len(values), len(targets))
    shape = (_PARTS, *targets.shape)
    sums, counts = np.zeros(shape), np.zeros(shape, np.int64)
    band = effective_radius(radius, values.shape[1])
    bounds = np.linspace(0, len(values), _PARTS + 1).astype(np.int64)
    numbers = labels.astype(np.int64)

    n_threads = thread_count(threads)
    at_once = max(1, _PARTS // (_TASKS_PER_THREAD * n_threads))

    def add(first: int) -> None:
        some = slice(first, first + at_once)
        _add_parts(values, targets, numbers, band, bounds[first : first + at_once + 1], sums[some], counts[some])

    for _ in in_threads(add, range(0, _PARTS, at_once), n_threads):
        pass
    return sums.sum(axis=0), counts.sum(axis=0)


def _check_labels(labels: NDArray[np.int64], n_profiles: int, n_representatives: int) -> None:
    fits = labels.dtype.kind in "iu" and labels.shape == (n_profiles,)
    if not fits or not 0 <= labels.min() <= labels.max() < n_representatives:
        found = f"{labels.dtype} of shape {labels.shape}" + (f" with {labels.min()}..{labels.max()}" if fits else "")
        raise ParameterError(f"labels must be {n_profiles} whole numbers in 0..{n_representatives - 1}, found {found}")


@compiled
def _accumulate(series: Floats, radius: int, cost: NDArray[np.float64], target: Floats) -> None:
    """Fill the banded table of squared costs: `cost[i, j - i + radius]` for target i and series j."""
    n_points = len(series)
    cost.fill(np.inf)
    for i in range(n_points):
        for j in range(max(0, i - radius), min(n_points, i + radius + 1)):
            at = j - i + radius
            before = 0.0 if i == 0 and j == 0 else np.inf
            if i > 0 and j > 0:
                before = cost[i - 1, at]
            if i > 0 and at + 1 < cost.shape[1]:
                before = min(before, cost[i - 1, at + 1])
            if j > 0 and at > 0:
                before = min(before, cost[i, at - 1])
            difference = np.float64(target[i]) - np.float64(series[j])
            cost[i, at] = before + difference * difference


@compiled
def _optimal_path(radius: int, cost: NDArray[np.float64]) -> NDArray[np.int64]:
    """The path through a table of `_accumulate`, from the first points to the last: (steps, 2)."""
    n_points = len(cost)
    steps = np.empty((2 * n_points - 1, 2), np.int64)
    i = j = n_points - 1
    first = 2 * n_points - 2
    steps[first, 0] = i
    steps[first, 1] = j
    while i > 0 or j > 0:
        i, j = _step_back(radius, cost, i, j)
        first -= 1
        steps[first, 0] = i
        steps[first, 1] = j
    return steps[first:]


@compiled
def _step_back(radius: int, cost: NDArray[np.float64], i: int, j: int) -> tuple[int, int]:
    """The cell from which an optimal path comes to (i, j), which is not the first."""
    at = j - i + radius
    diagonal = cost[i - 1, at] if i > 0 and j > 0 else np.inf
    down = cost[i - 1, at + 1] if i > 0 and at + 1 < cost.shape[1] else np.inf
    left = cost[i, at - 1] if j > 0 and at > 0 else np.inf
    if diagonal <= down and diagonal <= left:
        return i - 1, j - 1
    if down <= left:
        return i - 1, j
    return i, j - 1


@compiled
def _add_along_path(
    radius: int, cost: NDArray[np.float64], series: Floats, sums: NDArray[np.float64], counts: NDArray[np.int64]
) -> None:
    """Add each value of a series to the sum of the representative's point that the optimal path aligns it with."""
    i = j = len(series) - 1
    sums[i] += series[j]
    counts[i] += 1
    while i > 0 or j > 0:
        i, j = _step_back(radius, cost, i, j)
        sums[i] += series[j]
        counts[i] += 1


@compiled
def _add_parts(
    profiles: Floats,
    representatives: Floats,
    labels: NDArray[np.int64],
    radius: int,
    bounds: NDArray[np.int64],
    sums: NDArray[np.float64],
    counts: NDArray[np.int64],
) -> None:
    """Add the values of the profiles between two bounds to the sums (parts, k, points) of their representatives."""
    cost = np.empty((profiles.shape[1], 2 * radius + 1), np.float64)
    for part in range(len(sums)):
        for p in range(bounds[part], bounds[part + 1]):
            label = labels[p]
            _accumulate(profiles[p], radius, cost, representatives[label])
            _add_along_path(radius, cost, profiles[p], sums[part, label], counts[part, label])
