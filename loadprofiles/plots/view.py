"""What the figures are drawn from: one clustering, and what is known of its days."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles.errors import ParameterError
from loadprofiles.representatives import NO_CLUSTER, NO_CLUSTER_NAME

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

NOISE: Final = NO_CLUSTER
"""Label of a day that is in no cluster."""


@dataclass(frozen=True, eq=False)
class ClusterView:
    """One clustering and what is known of its days, for all figures.

    Attributes:
        profiles: (n, steps), l2-normalised.
        labels: (n,), 0..k-1, or -1: in no cluster (HDBSCAN's noise).
        representatives: (k, steps).
        names: of the clusters, k, all different.
        kind: what the representatives are: centroid, medoid, barycenter or prototype.
        title: of the clustering: "kmeans dtw k=12".
        meters: (n,), meter of each day.
        dates: (n,), local days, datetime64.
        groups: a property of the meters, such as "sector", to its value for each day, (n,); empty is unknown.
        silhouettes: a metric, such as "DTW", to each day's silhouette, (n,); NaN where it is not known.
        curve: columns `k` and `silhouette` and, if the number of clusters was chosen by ranks, more indices and
            `mean_rank`; None if it was not chosen.
        tree: (n - 1, 4), scipy's linkage, of an agglomerative clustering.
        som_positions: (k, 2), row and column of each cluster's neuron.
        som_weights: (rows, columns, steps), of all neurons, with those that have no days.

    Raises:
        ParameterError: parts whose lengths do not fit each other.
    """

    profiles: Floats
    labels: Ints
    representatives: Floats
    names: tuple[str, ...]
    kind: str
    title: str
    meters: npt.NDArray[Any]
    dates: npt.NDArray[np.datetime64]
    groups: Mapping[str, npt.NDArray[Any]]
    silhouettes: Mapping[str, Floats]
    curve: pd.DataFrame | None = None
    tree: Floats | None = None
    som_positions: Ints | None = None
    som_weights: Floats | None = None

    def __post_init__(self) -> None:
        lengths = {"labels": len(self.labels), "meters": len(self.meters), "dates": len(self.dates)}
        lengths |= {f"group {name}": len(values) for name, values in self.groups.items()}
        lengths |= {f"silhouettes {name}": len(values) for name, values in self.silhouettes.items()}
        lengths |= {} if self.tree is None else {"tree, and one more": len(self.tree) + 1}
        for what, length in lengths.items():
            if length != len(self.profiles):
                raise ParameterError(f"{self.title}: {len(self.profiles)} profiles, but {length} in {what}")
        if len(self.names) != self.k:
            raise ParameterError(f"{self.title}: {self.k} representatives, but {len(self.names)} names")
        if len(self.labels) and not (self.labels.min() >= NOISE and self.labels.max() < self.k):
            raise ParameterError(f"{self.title}: a label is not in {NOISE}..{self.k - 1}")

    @property
    def k(self) -> int:
        """Number of clusters."""
        return len(self.representatives)

    @cached_property
    def sizes(self) -> Ints:
        """Days of each cluster, (k,)."""
        return np.bincount(self.labels[self.labels != NOISE], minlength=self.k).astype(np.int64)

    @cached_property
    def noise(self) -> int:
        """Days in no cluster."""
        return int(np.count_nonzero(self.labels == NOISE))

    @cached_property
    def hours(self) -> Floats:
        """Start of each step in hours of the local day, (steps,)."""
        steps = self.profiles.shape[1]
        return np.linspace(0, 24, steps, endpoint=False)

    def numbered(self, cluster: int) -> str:
        """A cluster's number and name, as every figure gives them."""
        return NO_CLUSTER_NAME if cluster == NOISE else f"{cluster} · {self.names[cluster]}"
