"""The clusters of a run as the dashboard asks for them: who is in which when, how far their days spread.

Other finished clusterings are looked up here too, to compare this one with.
"""

import time
from datetime import date
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles.anomalies.days import HOURS, day_number
from loadprofiles.dashboard.cube import Cube
from loadprofiles.normalisation import normalise
from loadprofiles.profiles import KEYS, read_profiles, values_of
from loadprofiles.representatives import NO_CLUSTER, NO_CLUSTER_NAME
from loadprofiles.results import Clustering, Results
from loadprofiles.summaries import Agreement, agreement

Floats = npt.NDArray[np.float64]

QUANTILES: Final = (0.05, 0.25, 0.75, 0.95)
"""Of the days of a cluster, step by step: the edges of the bands that hold 90 and 50 % of them."""

SAMPLE: Final = 20_000
"""Days that the spread is taken of, at most."""

LOOKED_SECONDS: Final = 30.0
"""How long the clusterings that there are are taken to be all."""

_MOST_VALUES: Final = 10_000_000
"""Values of a harmonized table that is read for the spread; a larger one takes too long."""

_HEAD: Final = ("cluster", "cluster_name", "kind", "size")
_COMPARISONS_KEPT: Final = 8


class Clusters:
    """A clustering with its days in memory.

    Attributes:
        found: The run's clustering.
        agreement: From the run id of one of `others` how far it agrees with this one.

    Args:
        results: The run's results.
        cube: Its hourly energy.
    """

    def __init__(self, results: Results, cube: Cube) -> None:
        self.found = results.clustering
        self._results, self._cube = results, cube
        self.agreement = lru_cache(_COMPARISONS_KEPT)(self._agree)
        self._others = lru_cache(1)(lambda _period: results.other_clusterings())

    @cached_property
    def names(self) -> dict[int, str]:
        """The name of each cluster, by its number."""
        return names_of(self.found)

    @cached_property
    def days(self) -> pd.DataFrame:
        """The cluster of each day; see `Clustering.read_days`."""
        return self.found.read_days()

    def counts(self, meters: list[str], first: date, last: date) -> pd.DataFrame:
        """How many days of a period each meter is in which cluster.

        Args:
            meters: The meters.
            first: The first day of the period.
            last: Its last day.

        Returns:
            One row a meter, in their order; one column a cluster, and the last one, where any day of the run is in no
            cluster, for those.
        """
        n_columns = len(self.names) + 1
        within = self.days["date"].between(pd.Timestamp(first), pd.Timestamp(last)).to_numpy()
        codes, known = self.days["id"].cat.codes.to_numpy(np.int64), self.days["id"].cat.categories
        cells = (codes * n_columns + self.days["cluster"].to_numpy() - NO_CLUSTER)[within]
        counted = np.bincount(cells, minlength=len(known) * n_columns).reshape(len(known), n_columns)
        table = pd.DataFrame(counted, index=known, columns=range(NO_CLUSTER, n_columns - 1))
        table = table[[*self.names, *([NO_CLUSTER] if self._has_noise else [])]]
        return table.reindex(meters, fill_value=0).rename_axis("meter_id")

    def days_of(self, meter: str, first: date, last: date) -> pd.DataFrame:
        """The days of a meter in a period: `id, date, cluster, cluster_name`."""
        within = self.days["date"].between(pd.Timestamp(first), pd.Timestamp(last))
        own = self.days[within & (self.days["id"] == meter)]
        return own.assign(id=meter, cluster_name=own["cluster"].map({NO_CLUSTER: NO_CLUSTER_NAME, **self.names}))

    @cached_property
    def _has_noise(self) -> bool:
        return bool((self.days["cluster"] == NO_CLUSTER).any())

    @cached_property
    def spread(self) -> Floats | None:
        """`QUANTILES` of the l2-normalised profiles of each cluster's days, shape (clusters, 4, steps).

        Of at most `SAMPLE` days, drawn at random and always the same, as many of each cluster as there are of the
        others, if it has as many. NaN where a cluster has none. None where the profiles are not to be had, or too many
        to be read here.
        """
        if not self.names:
            return None
        days = _drawn(self.days, SAMPLE // len(self.names))
        representatives = shapes_of(self.found)
        is_hourly = representatives.shape[1] == HOURS
        taken = self._of_cube(days) if is_hourly else self._of_table(days, representatives.shape[1])
        if taken is None:
            return None
        clusters, profiles = taken
        quantiles = np.full((len(representatives), len(QUANTILES), representatives.shape[1]), np.nan)
        for place, cluster in enumerate(self.names):
            own = profiles[clusters == cluster]
            if len(own):
                quantiles[place] = np.quantile(own, QUANTILES, axis=0)
        return quantiles

    def _of_cube(self, days: pd.DataFrame) -> tuple[npt.NDArray[np.int32], Floats]:
        """The clusters of days whose hours are all known, and their profiles."""
        days = days.sort_values("id", kind="stable")
        meters, numbers = days["id"].cat.codes.to_numpy(), days["date"].to_numpy("datetime64[D]").astype(np.int64)
        values = np.empty((len(days), HOURS))
        ends = np.flatnonzero(np.diff(meters, append=-1)) + 1
        for start, end in pairwise([0, *ends.tolist()]):
            first, energy = self._cube.hourly(str(days["id"].cat.categories[meters[start]]))
            values[start:end] = energy[numbers[start:end] - day_number(first)]
        whole = np.isfinite(values).all(axis=1)
        return days["cluster"].to_numpy()[whole], normalise(values[whole])

    def _of_table(self, days: pd.DataFrame, steps: int) -> tuple[npt.NDArray[np.int32], Floats] | None:
        """The same of days of any resolution, from the harmonized table."""
        path = self._results.harmonized_file
        if path is None or len(self.days) * steps > _MOST_VALUES:
            return None
        wanted = days.assign(id=days["id"].astype("str"), date=days["date"].dt.strftime("%Y-%m-%d"))
        table = wanted.merge(read_profiles(path), on=list(KEYS))
        clusters = table.pop("cluster").to_numpy(np.int32)
        values = values_of(table)
        return (clusters, normalise(values)) if values.shape[1] == steps else None

    def others(self) -> list[Clustering]:
        """The finished clusterings of all other runs and sweeps, the latest first, as of a moment ago.

        Raises:
            StoreError: The MLflow store cannot be used.
        """
        return self._others(int(time.monotonic() // LOOKED_SECONDS))

    def _agree(self, run_id: str) -> Agreement:
        other = next(other for other in self.others() if other.run_id == run_id)
        theirs = other.read_days()
        meters = self.days["id"].cat.categories.union(theirs["id"].cat.categories)
        return agreement(_numbered(self.days, self.names, meters), _numbered(theirs, names_of(other), meters))


def names_of(clustering: Clustering) -> dict[int, str]:
    """The name of each cluster, by its number."""
    table = clustering.representatives
    return dict(zip(table["cluster"].astype(int), table["cluster_name"].astype("str"), strict=True))


def shapes_of(clustering: Clustering) -> Floats:
    """The representatives, l2-normalised, shape (clusters, steps)."""
    return clustering.representatives.drop(columns=list(_HEAD)).to_numpy(np.float64)


def _drawn(days: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many days of each cluster."""
    order = np.random.default_rng(0).permutation(len(days))
    clusters = pd.Series(days["cluster"].to_numpy()[order], index=order)
    places = clusters[clusters != NO_CLUSTER].groupby(clusters).head(most).index
    return days.iloc[np.sort(places)]


def _numbered(days: pd.DataFrame, names: dict[int, str], meters: pd.Index) -> pd.DataFrame:
    """The days with their clusters' names, and the meters as numbers, which are compared in a tenth of the time."""
    numbers = meters.get_indexer(days["id"].cat.categories)
    return days.assign(
        id=numbers[days["id"].cat.codes.to_numpy()],
        cluster_name=days["cluster"].map({NO_CLUSTER: NO_CLUSTER_NAME, **names}),
    )
