"""Peak scores: how well a cluster's representative shows when its profiles peak.

The scores are those of Pelekis et al. 2023, "Targeted demand response for flexible energy communities
using clustering techniques" (arXiv 2303.00186), for any number of steps a day. p is a profile's binary
peak vector, c that of its cluster's representative, |·| the number of peaks; a "relaxed" score takes two
peaks one step apart as the same peak.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.signal import find_peaks, peak_prominences
from scipy.spatial.distance import cdist

from loadprofiles.validity.checks import checked_clustering, checked_profiles

BoolArray = npt.NDArray[np.bool_]

PROMINENCE: Final = 0.2
"""Least prominence of a prominent peak, on the scale of l2-normalised profiles (Pelekis et al. 2023)."""

PEAK_DIRECTIONS: Final[dict[str, int]] = {
    "Peak Match Score": 1,
    "Pr Peak Detection": 1,
    "Pr Peak Overdetection": -1,
    "Pr Peak Performance": 1,
    "Rel Pr P Performance": 1,
    "Rel Pr P Detection": 1,
    "Rel Pr P Overdetection": -1,
    "Peak Distinctiveness": 1,
}
"""The peak metrics by MLflow name; +1: higher is better, -1: lower is better."""


def find_peak_matrix(profiles: npt.ArrayLike, prominence: float | None = None) -> BoolArray:
    """Where each profile peaks, by the rules of `scipy.signal.find_peaks` (ends never; plateaus once).

    Args:
        profiles: shape (n, L), finite.
        prominence: least prominence, in the unit of the profiles; None: every peak.

    Returns:
        True at peaks, shape (n, L).

    Raises:
        ParameterError: `profiles` is not a finite two-dimensional array.
    """
    array = checked_profiles(profiles)
    n_profiles, steps = array.shape
    # An infinite wall after each row makes one call do for all of them: no row's end can be a peak
    # next to it, and no peak's prominence is sought beyond it.
    walled = np.column_stack([array, np.full(n_profiles, np.inf)]).ravel()
    positions = find_peaks(walled)[0]
    # A wall is no peak, and to seek its prominence would walk over all rows.
    positions = positions[positions % (steps + 1) != steps]
    if prominence is not None:
        positions = positions[peak_prominences(walled, positions)[0] >= prominence]
    peaks = np.zeros(walled.size, dtype=np.bool_)
    peaks[positions] = True
    return peaks.reshape(n_profiles, steps + 1)[:, :steps]


def widen(peaks: BoolArray) -> BoolArray:
    """Binary peaks, shape (n, L), each widened by one step on both sides (not round midnight)."""
    wide = peaks.copy()
    wide[:, 1:] |= peaks[:, :-1]
    wide[:, :-1] |= peaks[:, 1:]
    return wide


def match_score(p: BoolArray, c: BoolArray) -> float:
    """Mean over profiles of p·c / |p|, in [0, 1]; both without peaks: 1; only p without: 0.

    Args:
        p: the profiles' peaks, shape (n, L).
        c: each profile's representative's peaks, shape (n, L).
    """
    own, shared = p.sum(axis=1), (p & c).sum(axis=1)
    neither = ~p.any(axis=1) & ~c.any(axis=1)
    return float(np.where(own > 0, shared / np.maximum(own, 1), neither).mean())


def detection_score(p: BoolArray, c: BoolArray, relaxed: bool = False) -> float:
    """Mean of p·c / |p| over the profiles that have peaks, in [0, 1]; 0 if no profile has any.

    Args:
        p: the profiles' prominent peaks, shape (n, L).
        c: each profile's representative's prominent peaks, shape (n, L).
        relaxed: a peak one step beside a peak of c counts as detected.
    """
    return _mean_share(p, widen(c) if relaxed else c)


def overdetection_score(p: BoolArray, c: BoolArray, relaxed: bool = False) -> float:
    """Mean share of c's peaks that p has not, over profiles whose c has peaks; 0 if no c has any.

    In [0, 1], lower is better. Strict it is (|c| - p·c) / |c|. Relaxed it counts c's peaks that have a
    peak of p within one step: (|c| - covered) / |c|. The paper's code subtracts p·widen(c) instead, which
    falls below 0 when one peak of c lies beside two of p; ours cannot.

    Args:
        p: the profiles' prominent peaks, shape (n, L).
        c: each profile's representative's prominent peaks, shape (n, L).
        relaxed: a peak of c one step beside a peak of p counts as covered.
    """
    if not c.any():
        return 0.0
    return 1.0 - _mean_share(c, widen(p) if relaxed else p)


def performance_score(p: BoolArray, c: BoolArray, relaxed: bool = False) -> float:
    """Mean over profiles of p·c / max(|p|, |c|), in [0, 1]; both without peaks: 1.

    Args:
        p: the profiles' prominent peaks, shape (n, L).
        c: each profile's representative's prominent peaks, shape (n, L).
        relaxed: p·widen(c) takes the place of p·c; |c| stays as it is.
    """
    shared = (p & (widen(c) if relaxed else c)).sum(axis=1)
    most = np.maximum(p.sum(axis=1), c.sum(axis=1))
    return float(np.where(most > 0, shared / np.maximum(most, 1), 1.0).mean())


def distinctiveness(representative_peaks: BoolArray) -> float:
    """How differently the clusters peak: mean over pairs of their least Hamming distance.

    The Hamming distance is the share of steps that differ, in [0, 1]; for each pair the least over shifts
    of one of them by -1, 0 and 1 steps is taken. As no peak lies on a day's first or last step, nothing
    is shifted out of the day.

    Args:
        representative_peaks: prominent peaks of the representatives, shape (k, L).

    Returns:
        The mean over the k(k-1)/2 pairs; 0.0 for a single cluster, which has no pair.
    """
    pairs = np.triu_indices(len(representative_peaks), k=1)
    if pairs[0].size == 0:
        return 0.0
    shifted = [
        cdist(representative_peaks, np.roll(representative_peaks, shift, axis=1), "hamming") for shift in (-1, 0, 1)
    ]
    return float(np.minimum.reduce(shifted)[pairs].mean())


def peak_scores(
    profiles: npt.ArrayLike,
    labels: npt.ArrayLike,
    representatives: npt.ArrayLike,
    prominence: float = PROMINENCE,
) -> dict[str, float]:
    """All peak scores of a clustering, by MLflow metric name (the keys of `PEAK_DIRECTIONS`).

    The paper's prominence is meant for l2-normalised profiles of 24 steps, and for representatives in
    that space (a centroid is not normalised again). Nothing is rescaled here: the same day in more steps
    has lower l2-normalised values, by sqrt(24 / L), and so fewer prominent peaks.
    Every score is finite and in [0, 1]; what each is where there are no peaks stands in its own function.

    Args:
        profiles: l2-normalised, shape (n, L).
        labels: shape (n,), integers in 0…K-1; label j's representative is row j.
        representatives: shape (K, L); rows without members are ignored.
        prominence: least prominence of a prominent peak, in the unit of the profiles.

    Returns:
        Metric name to score. With a single cluster "Peak Distinctiveness" is 0.0.

    Raises:
        ParameterError: shapes that do not fit, NaN, labels without a representative.
    """
    members, codes, centres = checked_clustering(profiles, labels, representatives)
    centre_peaks = find_peak_matrix(centres, prominence)
    p, c = find_peak_matrix(members, prominence), centre_peaks[codes]
    return {
        "Peak Match Score": match_score(find_peak_matrix(members), find_peak_matrix(centres)[codes]),
        "Pr Peak Detection": detection_score(p, c),
        "Pr Peak Overdetection": overdetection_score(p, c),
        "Pr Peak Performance": performance_score(p, c),
        "Rel Pr P Performance": performance_score(p, c, relaxed=True),
        "Rel Pr P Detection": detection_score(p, c, relaxed=True),
        "Rel Pr P Overdetection": overdetection_score(p, c, relaxed=True),
        "Peak Distinctiveness": distinctiveness(centre_peaks),
    }


def _mean_share(peaks: BoolArray, cover: BoolArray) -> float:
    """Mean share of a row's `peaks` that lie in `cover`, over rows with peaks; 0 if there are none."""
    counts = peaks.sum(axis=1)
    rows = counts > 0
    if not rows.any():
        return 0.0
    return float(((peaks & cover).sum(axis=1)[rows] / counts[rows]).mean())
