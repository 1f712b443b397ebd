"""Checks of a clustering's arrays, shared by the indices and the peak scores."""

from typing import Any

import numpy as np
import numpy.typing as npt

from loadprofiles.errors import ParameterError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


def checked_profiles(profiles: npt.ArrayLike, name: str = "profiles") -> FloatArray:
    """`profiles` as a finite float array, shape (n, L), n and L at least 1.

    Raises:
        ParameterError: not two-dimensional, empty, not numbers, or with NaN or infinite values.
    """
    try:
        array = np.asarray(profiles, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} must be an array of numbers, one row a profile: {error}") from error
    if array.ndim != 2 or array.size == 0:
        raise ParameterError(f"{name} must have shape (profiles, steps a day), not {array.shape}.")
    if not np.isfinite(array).all():
        rows = int((~np.isfinite(array)).any(axis=1).sum())
        raise ParameterError(f"{name} have NaN or infinite values in {rows} of {len(array)} rows; drop them.")
    return array


def n_clusters_of(labels: npt.ArrayLike) -> int:
    """How many clusters there are: different labels, without -1, which means "in no cluster"."""
    return int(np.setdiff1d(labels, -1).size)


def checked_labels(labels: npt.ArrayLike, n_profiles: int, min_clusters: int = 1) -> npt.NDArray[Any]:
    """`labels` as an integer array, shape (n_profiles,), with at least `min_clusters` different ones beside -1.

    Raises:
        ParameterError: wrong shape, not integers, less than -1, or too few clusters.
    """
    array = np.asarray(labels)
    if array.shape != (n_profiles,):
        raise ParameterError(f"labels must be one a profile, shape ({n_profiles},), not {array.shape}.")
    if array.dtype.kind not in "iu":
        raise ParameterError(f"labels must be integers, not {array.dtype}.")
    if array.min() < -1:
        raise ParameterError(f"labels must be numbers of clusters, or -1 for none, not {array.min()}.")
    found = n_clusters_of(array)
    if found < min_clusters:
        raise ParameterError(
            f"labels hold {found} cluster{'s' * (found != 1)} where validity needs at least {min_clusters};"
            " use more clusters."
        )
    return array


def codes_of(labels: npt.NDArray[Any]) -> IntArray:
    """Checked labels renumbered 0…k-1, shape (n,); -1 stays."""
    present, codes = np.unique(labels, return_inverse=True)
    return codes.astype(np.intp) - int(present[0] == -1)


def checked_partition(
    profiles: npt.ArrayLike, labels: npt.ArrayLike, min_clusters: int = 2
) -> tuple[FloatArray, IntArray]:
    """The profiles that are in a cluster.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers; -1: in no cluster.
        min_clusters: how many are needed.

    Returns:
        Those m profiles (m, L), and their labels renumbered 0…k-1 (m,).

    Raises:
        ParameterError: shapes that do not fit, NaN, too few clusters.
    """
    members = checked_profiles(profiles)
    codes = codes_of(checked_labels(labels, len(members), min_clusters))
    inside = codes >= 0
    return (members, codes) if inside.all() else (members[inside], codes[inside])


def checked_clustering(
    profiles: npt.ArrayLike,
    labels: npt.ArrayLike,
    representatives: npt.ArrayLike,
    min_clusters: int = 1,
) -> tuple[FloatArray, IntArray, FloatArray]:
    """A clustering without its empty clusters and without the profiles that are in none.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers in 0…K-1; label j's representative is row j; -1: in no cluster.
        representatives: shape (K, L).
        min_clusters: how many non-empty clusters are needed.

    Returns:
        The m profiles in clusters (m, L), their labels renumbered 0…k-1 (m,), and the k representatives (k, L) that
        have members.

    Raises:
        ParameterError: shapes that do not fit, NaN, labels without a representative, too few clusters.
    """
    members, codes = checked_partition(profiles, labels, min_clusters)
    centres = checked_profiles(representatives, "representatives")
    if centres.shape[1] != members.shape[1]:
        raise ParameterError(
            f"representatives have {centres.shape[1]} steps a day but profiles have {members.shape[1]}."
        )
    present = np.setdiff1d(labels, -1)
    if present[-1] >= len(centres):
        raise ParameterError(
            f"labels run from {present[0]} to {present[-1]} but there are {len(centres)} representatives;"
            " label j needs row j."
        )
    return members, codes, centres[present]
