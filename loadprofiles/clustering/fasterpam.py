"""FasterPAM: k-medoids on a distance matrix by eager swaps, in threads.

Schubert & Rousseeuw 2021, "Fast and eager k-medoids clustering: O(k) runtime improvement of the PAM, CLARA,
and CLARANS algorithms", Information Systems 101, doi:10.1016/j.is.2021.101804.

Nearly all of the time goes into profiles that turn out to be no better medoids. So threads try profiles ahead on
speculation, as many as have failed since the last swap; of those that improve, the first in order is taken and the
others are forgotten. The swaps are those of one thread that tries one profile after the other.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from loadprofiles.compiling import compiled
from loadprofiles.distances.square import checked_distances, frozen
from loadprofiles.distances.threads import in_threads, thread_count
from loadprofiles.errors import ParameterError

# A swap has to improve the loss by more than the rounding of a sum of many distances.
_LEAST_IMPROVEMENT = 1e-10
# Distances that are looked at between two looks for an interrupt: some hundredths of a second.
_MOST_DISTANCES = 2**26
# What is cheaper to look at than to think about, and what takes ten times as long as starting a thread.
_LEAST_DISTANCES = 2**17
_DISTANCES_PER_THREAD = 2**20
# A thread that is held up leaves some of its work to the others.
_PARTS_PER_THREAD = 4
_NO_STEP = int(np.iinfo(np.int64).max)


def fasterpam(
    distances: NDArray[np.float32],
    medoids: NDArray[np.int64],
    max_iter: int = 100,
    *,
    threads: int | None = None,
    checked: bool = False,
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Improve medoids until no swap of a medoid with another profile lessens the loss.

    Profiles are tried in their order. One that improves is swapped at once with the medoid that gives most, and of
    medoids that give the same with the first; less than 1e-10 of the loss is taken for rounding. A profile between
    equally near medoids belongs to any one of them, but a medoid always to its own cluster, also where another medoid
    is at distance 0, so no cluster is empty.

    Args:
        distances: (n, n), symmetric, finite, not negative, zero on the diagonal. It may be read-only or mapped from
            a file; float32 is not copied.
        medoids: (k,), the profiles to start from, 2 <= k <= n, all different.
        max_iter: most rounds over all profiles.
        threads: how many; all processors by default. The result is the same for any number.
        checked: its values were looked at before, by `checked_distances`, which need not read them again.

    Returns:
        Medoids (k,), the cluster of every profile (n,), and the loss: the sum of the distances to the own
        medoid.

    Raises:
        ParameterError: the matrix, the medoids or the number of threads is not as described.
    """
    matrix = checked_distances(np.asarray(distances, np.float32), threads, checked=checked)
    start = np.array(medoids, np.int64)
    n_profiles = len(matrix)
    if start.ndim != 1 or not 2 <= start.size <= n_profiles:
        raise ParameterError(f"medoids must be 2 to {n_profiles} profiles, found shape {start.shape}")
    if np.unique(start).size != start.size or start.min() < 0 or start.max() >= n_profiles:
        raise ParameterError(f"medoids must be different numbers in 0..{n_profiles - 1}, found {start.tolist()}")
    last = deque(states(matrix, start, max_iter, thread_count(threads)), maxlen=1).pop()
    return last.medoids, last.near, last.loss


# ---- the search ----


@dataclass(frozen=True, eq=False)
class State:
    """Medoids, and what is to be known of them to try another one.

    Attributes:
        medoids: (k,).
        near: (n,), the slot in `medoids` of each profile's nearest.
        second: (n,), of its second nearest.
        to_near: (n,), the distances to these.
        to_second: (n,).
        removal: (k,), by how much the loss grows when a medoid is taken away.
        loss: the sum of `to_near`.
    """

    medoids: NDArray[np.int64]
    near: NDArray[np.int64]
    second: NDArray[np.int64]
    to_near: NDArray[np.float32]
    to_second: NDArray[np.float32]
    removal: NDArray[np.float64]
    loss: float


def states(matrix: NDArray[np.float32], medoids: NDArray[np.int64], max_iter: int, threads: int) -> Iterator[State]:
    """The state at the start, and after every swap.

    Args:
        matrix: (n, n), distances; not checked.
        medoids: (k,), to start from.
        max_iter: most rounds over all profiles.
        threads: how many.
    """
    values = frozen(matrix)
    n_profiles = len(values)
    least, most = (max(1, distances // n_profiles) for distances in (_LEAST_DISTANCES, _MOST_DISTANCES))
    state = _assigned(values, medoids)
    yield state
    # steps go on from round to round: step s tries profile s % n
    step = last_swap = 0
    while step < (end := min(last_swap + n_profiles, max_iter * n_profiles)):
        ahead = min(end, step + min(most, max(least, step - last_swap)))
        found, slot = _first_swap(values, state, step, ahead, threads)
        step = min(ahead, found + 1)
        if found < ahead:
            swapped = _swapped(values, state, slot, found % n_profiles)
            # rounding must not lead from one to another and back
            if swapped.loss < state.loss:
                state, last_swap = swapped, step
                yield state


def _first_swap(matrix: NDArray[np.float32], state: State, first: int, end: int, threads: int) -> tuple[int, int]:
    """The first of some steps whose profile improves, and the slot it improves; _NO_STEP where none does."""
    used = max(1, min(threads, (end - first) * len(matrix) // _DISTANCES_PER_THREAD))
    n_parts = _PARTS_PER_THREAD * used if used > 1 else 1
    bounds = [first + (end - first) * part // n_parts for part in range(n_parts + 1)]
    found = np.array([_NO_STEP])

    def search(part: tuple[int, int]) -> tuple[int, int]:
        return _search(
            matrix,
            state.medoids,
            state.near,
            state.to_near,
            state.to_second,
            state.removal,
            -_LEAST_IMPROVEMENT * state.loss,
            part,
            found,
        )

    return min(in_threads(search, pairwise(bounds), used))


def _assigned(matrix: NDArray[np.float32], medoids: NDArray[np.int64]) -> State:
    """The state of these medoids."""
    near, second = np.zeros((2, len(matrix)), np.int64)
    to_near, to_second = np.empty((2, len(matrix)), np.float32)
    _find_all(matrix, medoids, near, second, to_near, to_second)
    return _state(medoids, near, second, to_near, to_second)


def _swapped(matrix: NDArray[np.float32], state: State, slot: int, candidate: int) -> State:
    """The state with the candidate as the medoid in a slot."""
    medoids, near, second = state.medoids.copy(), state.near.copy(), state.second.copy()
    to_near, to_second = state.to_near.copy(), state.to_second.copy()
    _swap(matrix, medoids, near, second, to_near, to_second, slot, candidate)
    return _state(medoids, near, second, to_near, to_second)


def _state(
    medoids: NDArray[np.int64],
    near: NDArray[np.int64],
    second: NDArray[np.int64],
    to_near: NDArray[np.float32],
    to_second: NDArray[np.float32],
) -> State:
    # numpy's types say that these are counts
    removal = np.asarray(np.bincount(near, to_second.astype(np.float64) - to_near, len(medoids)), np.float64)
    return State(medoids, near, second, to_near, to_second, removal, float(to_near.sum(dtype=np.float64)))


@compiled
def _search(
    matrix: NDArray[np.float32],
    medoids: NDArray[np.int64],
    near: NDArray[np.int64],
    to_near: NDArray[np.float32],
    to_second: NDArray[np.float32],
    removal: NDArray[np.float64],
    threshold: float,
    part: tuple[int, int],
    found: NDArray[np.int64],
) -> tuple[int, int]:
    """What `_first_swap` does, in one thread.

    What another thread has found at an earlier step, it learns through `found`, at some time or never: it only ends
    sooner by it.
    """
    closer = np.empty(len(near), np.int64)
    changes = np.empty(len(medoids), np.float64)
    for step in range(part[0], part[1]):
        if step > found[0]:
            break
        candidate = step % len(near)
        if medoids[near[candidate]] == candidate:
            continue
        changes[:] = removal
        shared = _try(matrix[candidate], near, to_near, to_second, changes, closer)
        slot = int(np.argmin(changes))
        if shared + changes[slot] < threshold:
            found[0] = min(found[0], step)
            return step, slot
    return _NO_STEP, 0


@compiled
def _try(
    distances: NDArray[np.float32],
    near: NDArray[np.int64],
    to_near: NDArray[np.float32],
    to_second: NDArray[np.float32],
    changes: NDArray[np.float64],
    closer: NDArray[np.int64],
) -> float:
    """The change of the loss by a further medoid; what leads from there to a swap is added to `changes`.

    Args:
        distances: (n,), to the further medoid.
        near: (n,), see `State`.
        to_near: (n,).
        to_second: (n,).
        changes: (k,), by which the loss changes when a medoid is taken away, changed.
        closer: (n,), overwritten.
    """
    # Few profiles have it among their nearest two, and which ones no processor foresees: no branch here.
    n_closer = 0
    for o in range(len(distances)):
        closer[n_closer] = o
        n_closer += distances[o] < to_second[o]
    shared = 0.0
    for i in range(n_closer):
        o = closer[i]
        distance, nearest = np.float64(distances[o]), np.float64(to_near[o])
        shared += min(distance, nearest) - nearest
        changes[near[o]] += max(distance, nearest) - np.float64(to_second[o])
    return shared


@compiled
def _find_all(
    matrix: NDArray[np.float32],
    medoids: NDArray[np.int64],
    near: NDArray[np.int64],
    second: NDArray[np.int64],
    to_near: NDArray[np.float32],
    to_second: NDArray[np.float32],
) -> None:
    """Set what depends on the medoids."""
    for o in range(len(near)):
        _find_two_nearest(matrix, medoids, near, second, to_near, to_second, o)


@compiled
def _find_two_nearest(
    matrix: NDArray[np.float32],
    medoids: NDArray[np.int64],
    near: NDArray[np.int64],
    second: NDArray[np.int64],
    to_near: NDArray[np.float32],
    to_second: NDArray[np.float32],
    o: int,
) -> None:
    """Set what depends on the medoids, of profile o."""
    nearest = next_nearest = np.float32(np.inf)
    for slot in range(len(medoids)):
        # A medoid is nearest to itself, also when a twin is at distance 0.
        distance = np.float32(-1) if medoids[slot] == o else matrix[medoids[slot], o]
        if distance < nearest:
            next_nearest, second[o] = nearest, near[o]
            nearest, near[o] = distance, slot
        elif distance < next_nearest:
            next_nearest, second[o] = distance, slot
    to_near[o] = max(nearest, np.float32(0))
    to_second[o] = next_nearest


@compiled
def _swap(
    matrix: NDArray[np.float32],
    medoids: NDArray[np.int64],
    near: NDArray[np.int64],
    second: NDArray[np.int64],
    to_near: NDArray[np.float32],
    to_second: NDArray[np.float32],
    slot: int,
    candidate: int,
) -> None:
    """Make the candidate the medoid in a slot, and change all that depends on it."""
    medoids[slot] = candidate
    for o in range(len(near)):
        distance = matrix[candidate, o]
        if near[o] == slot or second[o] == slot or o == candidate:
            _find_two_nearest(matrix, medoids, near, second, to_near, to_second, o)
        elif distance < to_near[o]:
            second[o], to_second[o] = near[o], to_near[o]
            near[o], to_near[o] = slot, distance
        elif distance < to_second[o]:
            second[o], to_second[o] = slot, distance
