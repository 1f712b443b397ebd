"""Clustering of daily load profiles: models, choice of the number of clusters, names of clusters."""

from loadprofiles.clustering.fasterpam import fasterpam
from loadprofiles.clustering.models import Clustering, assign, fit
from loadprofiles.clustering.naming import order_and_name
from loadprofiles.clustering.selection import choose_k

__all__ = [
    "Clustering",
    "assign",
    "choose_k",
    "fasterpam",
    "fit",
    "order_and_name",
]
