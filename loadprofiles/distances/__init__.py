"""Distances between daily load profiles: the DTW kernels and the store of the DTW matrix."""

from loadprofiles.distances.kernels import alignment_sums, cross, pairwise, square
from loadprofiles.distances.matrix import DtwMatrix, profile_keys, write_matrix

__all__ = ["DtwMatrix", "alignment_sums", "cross", "pairwise", "profile_keys", "square", "write_matrix"]
