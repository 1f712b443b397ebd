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


def checked_labels(labels: npt.ArrayLike, n_profiles: int, min_clusters: int = 1) -> npt.NDArray[Any]:
    """`labels` as an integer array, shape (n_profiles,), with at least `min_clusters` different values.

    Raises:
        ParameterError: wrong shape, not integers, or too few clusters.
    """
    array = np.asarray(labels)
    if array.shape != (n_profiles,):
        raise ParameterError(f"labels must be one a profile, shape ({n_profiles},), not {array.shape}.")
    if array.dtype.kind not in "iu":
        raise ParameterError(f"labels must be integers, not {array.dtype}.")
    found = np.unique(array).size
    if found < min_clusters:
        raise ParameterError(
            f"labels hold {found} cluster where validity needs at least {min_clusters}; use more clusters."
        )
    return array


def checked_clustering(
    profiles: npt.ArrayLike,
    labels: npt.ArrayLike,
    representatives: npt.ArrayLike,
    min_clusters: int = 1,
) -> tuple[FloatArray, IntArray, FloatArray]:
    """A clustering without its empty clusters.

    Args:
        profiles: shape (n, L).
        labels: shape (n,), integers in 0…K-1; label j's representative is row j.
        representatives: shape (K, L).
        min_clusters: how many non-empty clusters are needed.

    Returns:
        Profiles (n, L), labels renumbered 0…k-1 (n,), and the k representatives (k, L) that have members.

    Raises:
        ParameterError: shapes that do not fit, NaN, labels without a representative, too few clusters.
    """
    members = checked_profiles(profiles)
    centres = checked_profiles(representatives, "representatives")
    if centres.shape[1] != members.shape[1]:
        raise ParameterError(
            f"representatives have {centres.shape[1]} steps a day but profiles have {members.shape[1]}."
        )
    present, codes = np.unique(checked_labels(labels, len(members), min_clusters), return_inverse=True)
    if present[0] < 0 or present[-1] >= len(centres):
        raise ParameterError(
            f"labels run from {present[0]} to {present[-1]} but there are {len(centres)} representatives;"
            " label j needs row j."
        )
    return members, codes.astype(np.intp), centres[present]
