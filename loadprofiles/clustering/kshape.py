"""K-shape: clusters of like shape, whenever in the day it happens."""

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

from loadprofiles.clustering.base import Found, ProfileClusterer, check_numbers, distinct_rows, means_of
from loadprofiles.clustering.pairs import Pairs
from loadprofiles.distances.checks import Floats
from loadprofiles.representatives import Reference, shape_distances, z_normalise


class KShape(ProfileClusterer):
    """K-shape (Paparrizos & Gravano 2015, doi:10.1145/2723372.2737793).

    Ours and not tslearn's, which takes five minutes for 11,535 profiles and one start (k = 12, 2 cores); the tests hold
    both together. Representatives are the members' means, so that they are days in the profiles' unit; profiles are
    compared with the extracted shapes. Flat days, which have no shape, take no part in finding clusters.
    """

    kind = "centroid"

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        n_init: int = 3,
        max_iter: int = 50,
        random_state: int = 0,
        threads: int | None = None,
    ) -> None:
        self.n_clusters = n_clusters
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.threads = threads

    def _solve(self, values: Floats, pairs: Pairs | None) -> Found:
        scaled = z_normalise(values)
        formed = np.flatnonzero(scaled.any(axis=1))
        # the same shape at another scale differs by rounding
        distinct = distinct_rows(np.round(scaled[formed], 6)) if formed.size else formed
        check_numbers(self.n_clusters, distinct.size, n_init=self.n_init, max_iter=self.max_iter)
        generator = np.random.default_rng(self.random_state)
        shapes_of = scaled[formed]
        # matrix products round by the number of threads
        with threadpool_limits(1):
            starts = [generator.choice(distinct, self.n_clusters, replace=False) for _ in range(self.n_init)]
            runs = [refine_shapes(shapes_of, shapes_of[start], self.max_iter, self.threads) for start in starts]
        shapes, labels = min(runs, key=lambda run: run[2])[:2]
        means = means_of(values[formed], labels, self.n_clusters)
        return Found(Reference("shape", means, parts={"shapes": shapes}))


def refine_shapes(
    profiles: NDArray[np.float64], start: NDArray[np.float64], max_iter: int, threads: int | None = None
) -> tuple[NDArray[np.float64], NDArray[np.int64], float]:
    """Assignment by shape-based distance and extraction of shapes in turn, until labels stay.

    A shape that is left without members starts again from the profile that is farthest from its own.

    Args:
        profiles: (n, points), z-normalised.
        start: (k, points), shapes to start from, z-normalised.
        max_iter: most turns.
        threads: how many; the result is the same for any number.

    Returns:
        Shapes (k, points), the labels (n,) they give, and the mean squared shape-based distance.
    """
    shapes = start.copy()
    labels, shifts, inertia = _assigned(profiles, shapes, threads)
    for _ in range(max_iter):
        refined = np.array(
            [extract_shape(_shifted(profiles[labels == c], shifts[labels == c]), shapes[c]) for c in range(len(shapes))]
        )
        before = labels
        labels, shifts, inertia = _assigned(profiles, refined, threads)
        shapes = refined
        if np.array_equal(labels, before):
            break
    return shapes, labels, inertia


def _assigned(
    profiles: NDArray[np.float64], shapes: NDArray[np.float64], threads: int | None
) -> tuple[NDArray[np.int64], NDArray[np.int64], float]:
    """Labels (n,), the shifts (n,) that match the own shape, and the mean squared distance; `shapes` may change."""
    distances, shifts = shape_distances(profiles, shapes, threads)
    labels = distances.argmin(axis=1)
    own = np.take_along_axis(distances, labels[:, np.newaxis], axis=1)[:, 0]
    for empty in np.flatnonzero(np.bincount(labels, minlength=len(shapes)) == 0):
        sizes = np.bincount(labels, minlength=len(shapes))
        farthest = int(np.argmax(np.where(sizes[labels] > 1, own, -1.0)))
        shapes[empty] = profiles[farthest]
        labels[farthest], own[farthest], shifts[farthest, empty] = empty, 0.0, 0
    rows = np.arange(len(profiles))
    return labels, shifts[rows, labels], float(np.square(own).mean())


def extract_shape(aligned: NDArray[np.float64], before: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shape (points,) that correlates best with aligned members: the leading eigenvector of their scatter.

    Args:
        aligned: (m, points), members shifted to match the shape so far.
        before: (points,), the shape so far; kept where all members are flat.
    """
    members = z_normalise(aligned)
    if not members.any():
        return before
    centring = np.eye(members.shape[1]) - 1.0 / members.shape[1]
    shape: NDArray[np.float64] = np.linalg.eigh(centring @ (members.T @ members) @ centring)[1][:, -1]
    # an eigenvector has no sign: the one nearer to the members
    signed = shape if (members @ shape).sum() >= 0 else -shape
    extracted: NDArray[np.float64] = z_normalise(signed[np.newaxis])[0]
    return extracted


def _shifted(profiles: NDArray[np.float64], shifts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Profiles (m, points) moved by shifts (m,), zeros moving in."""
    n_points = profiles.shape[1]
    source = np.arange(n_points) - shifts[:, np.newaxis]
    inside = (source >= 0) & (source < n_points)
    taken = np.take_along_axis(profiles, np.clip(source, 0, n_points - 1), axis=1)
    moved: NDArray[np.float64] = np.where(inside, taken, 0.0)
    return moved
