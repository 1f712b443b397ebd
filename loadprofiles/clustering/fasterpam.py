"""FasterPAM: k-medoids on a distance matrix by eager swaps.

Schubert & Rousseeuw 2021, "Fast and eager k-medoids clustering: O(k) runtime improvement of the PAM, CLARA,
and CLARANS algorithms", Information Systems 101, doi:10.1016/j.is.2021.101804.
"""

import numpy as np
from numpy.typing import NDArray

from loadprofiles.compiling import compiled
from loadprofiles.errors import ParameterError

# A swap has to improve the loss by more than the rounding of a sum of many distances.
_LEAST_IMPROVEMENT = 1e-10


def fasterpam(
    distances: NDArray[np.float32], medoids: NDArray[np.int64], max_iter: int = 100
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Improve medoids until no swap of a medoid with another profile lessens the loss.

    A medoid always belongs to its own cluster, also where another medoid is at distance 0, so no cluster
    is empty.

    Args:
        distances: (n, n), symmetric, finite, not negative, zero on the diagonal.
        medoids: (k,), the profiles to start from, 2 <= k <= n, all different.
        max_iter: most rounds over all profiles.

    Returns:
        Medoids (k,), the cluster of every profile (n,), and the loss: the sum of the distances to the own
        medoid.

    Raises:
        ParameterError: the matrix or the medoids are not as described.
    """
    matrix = check_matrix(distances)
    start = np.array(medoids, np.int64)
    n_profiles = len(matrix)
    if start.ndim != 1 or not 2 <= start.size <= n_profiles:
        raise ParameterError(f"medoids must be 2 to {n_profiles} profiles, found shape {start.shape}")
    if np.unique(start).size != start.size or start.min() < 0 or start.max() >= n_profiles:
        raise ParameterError(f"medoids must be different numbers in 0..{n_profiles - 1}, found {start.tolist()}")
    labels, loss = _improve(matrix, start, max_iter)
    return start, labels, float(loss)


def check_matrix(distances: NDArray[np.float32]) -> NDArray[np.float32]:
    """The distance matrix in float32, after a look at its shape and values.

    Args:
        distances: (n, n).

    Returns:
        (n, n), not a copy when it is float32 already.

    Raises:
        ParameterError: not square, empty, with NaN or infinite values, negative, or with a diagonal that is
            not zero.
    """
    matrix = np.asarray(distances, np.float32)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not matrix.size:
        raise ParameterError(f"the distance matrix must be square, found shape {matrix.shape}")
    # Sums of rows instead of isfinite(): no second matrix in memory.
    n_bad = int(np.count_nonzero(~np.isfinite(matrix.sum(axis=1, dtype=np.float64))))
    if n_bad:
        raise ParameterError(f"the distance matrix has NaN or infinite values in {n_bad} rows")
    if matrix.min() < 0:
        raise ParameterError(f"the distance matrix has negative values, the least is {matrix.min():g}")
    if matrix.diagonal().any():
        raise ParameterError("the distance matrix has a diagonal that is not zero")
    return matrix


@compiled
def _improve(
    distances: NDArray[np.float32], medoids: NDArray[np.int64], max_iter: int
) -> tuple[NDArray[np.int64], float]:
    """Swap eagerly, profile by profile, until a whole round brings nothing; `medoids` is changed."""
    n_profiles = len(distances)
    near = np.empty(n_profiles, np.int64)
    second = np.empty(n_profiles, np.int64)
    for o in range(n_profiles):
        _find_two_nearest(distances, medoids, o, near, second)
    loss = _loss(distances, medoids, near)
    removal = _removal_losses(distances, medoids, near, second)
    since_swap = 0
    for step in range(max_iter * n_profiles):
        if since_swap == n_profiles:
            break
        since_swap += 1
        candidate = step % n_profiles
        if medoids[near[candidate]] == candidate:
            continue
        change, slot = _best_swap(distances, medoids, near, second, removal, candidate)
        if change < -_LEAST_IMPROVEMENT * loss:
            _swap(distances, medoids, near, second, slot, candidate)
            loss = _loss(distances, medoids, near)
            removal = _removal_losses(distances, medoids, near, second)
            since_swap = 0
    return near, loss


@compiled
def _find_two_nearest(
    distances: NDArray[np.float32],
    medoids: NDArray[np.int64],
    o: int,
    near: NDArray[np.int64],
    second: NDArray[np.int64],
) -> None:
    """Set the slots of the nearest and the second nearest medoid of profile o."""
    nearest = np.inf
    next_nearest = np.inf
    for slot in range(len(medoids)):
        # A medoid is nearest to itself, also when a twin is at distance 0.
        distance = -1.0 if medoids[slot] == o else np.float64(distances[medoids[slot], o])
        if distance < nearest:
            next_nearest = nearest
            second[o] = near[o]
            nearest = distance
            near[o] = slot
        elif distance < next_nearest:
            next_nearest = distance
            second[o] = slot


@compiled
def _loss(distances: NDArray[np.float32], medoids: NDArray[np.int64], near: NDArray[np.int64]) -> float:
    loss = 0.0
    for o in range(len(near)):
        loss += distances[medoids[near[o]], o]
    return loss


@compiled
def _removal_losses(
    distances: NDArray[np.float32],
    medoids: NDArray[np.int64],
    near: NDArray[np.int64],
    second: NDArray[np.int64],
) -> NDArray[np.float64]:
    """By how much the loss grows when a medoid is taken away, (k,)."""
    removal = np.zeros(len(medoids), np.float64)
    for o in range(len(near)):
        removal[near[o]] += distances[medoids[second[o]], o]
        removal[near[o]] -= distances[medoids[near[o]], o]
    return removal


@compiled
def _best_swap(
    distances: NDArray[np.float32],
    medoids: NDArray[np.int64],
    near: NDArray[np.int64],
    second: NDArray[np.int64],
    removal: NDArray[np.float64],
    candidate: int,
) -> tuple[float, int]:
    """The change of the loss, and the slot, of the best swap of a medoid with the candidate."""
    changes = removal.copy()
    shared = 0.0
    for o in range(len(near)):
        distance = np.float64(distances[candidate, o])
        to_near = np.float64(distances[medoids[near[o]], o])
        to_second = np.float64(distances[medoids[second[o]], o])
        if distance < to_near:
            shared += distance - to_near
            changes[near[o]] += to_near - to_second
        elif distance < to_second:
            changes[near[o]] += distance - to_second
    slot = int(np.argmin(changes))
    return shared + changes[slot], slot


@compiled
def _swap(
    distances: NDArray[np.float32],
    medoids: NDArray[np.int64],
    near: NDArray[np.int64],
    second: NDArray[np.int64],
    slot: int,
    candidate: int,
) -> None:
    """Make the candidate the medoid in a slot."""
    medoids[slot] = candidate
    for o in range(len(near)):
        distance = distances[candidate, o]
        if near[o] == slot or second[o] == slot or o == candidate:
            _find_two_nearest(distances, medoids, o, near, second)
        elif distance < distances[medoids[near[o]], o]:
            second[o] = near[o]
            near[o] = slot
        elif distance < distances[medoids[second[o]], o]:
            second[o] = slot
