"""Clustering of daily load profiles: models, choice of the number of clusters, names of clusters."""

from loadprofiles.clustering.density import Hdbscan
from loadprofiles.clustering.fasterpam import fasterpam
from loadprofiles.clustering.hierarchy import Agglomerative
from loadprofiles.clustering.kmeans import KMeans
from loadprofiles.clustering.kmedoids import KMedoids
from loadprofiles.clustering.kshape import KShape
from loadprofiles.clustering.mixture import Gmm
from loadprofiles.clustering.models import Clustering, ModelSettings, fit, make_model
from loadprofiles.clustering.naming import order_and_name
from loadprofiles.clustering.pairs import Pairs
from loadprofiles.clustering.selection import choose_k, stability
from loadprofiles.clustering.som import Som

__all__ = [
    "Agglomerative",
    "Clustering",
    "Gmm",
    "Hdbscan",
    "KMeans",
    "KMedoids",
    "KShape",
    "ModelSettings",
    "Pairs",
    "Som",
    "choose_k",
    "fasterpam",
    "fit",
    "make_model",
    "order_and_name",
    "stability",
]
