"""Distances between daily load profiles: the DTW engine, the store of the DTW matrix, and the check of a matrix."""

from loadprofiles.distances.alignment import alignment_sums, path
from loadprofiles.distances.kernels import cross, pairwise

__all__ = ["alignment_sums", "cross", "pairwise", "path"]
