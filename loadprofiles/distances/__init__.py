"""Distances between daily load profiles: the DTW engine and the store of the DTW matrix."""

from loadprofiles.distances.alignment import alignment_sums, path
from loadprofiles.distances.kernels import cross, pairwise

__all__ = ["alignment_sums", "cross", "pairwise", "path"]
