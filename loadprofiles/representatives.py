"""What a day is compared with to find its cluster: representatives, and the rule of comparison, as plain arrays.

Models are fitted in `clustering`; this is what is left of one to assign days, here or where it is served.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loadprofiles.compiling import compiled
from loadprofiles.distances.checks import Floats, check_profiles, check_same_points, effective_radius
from loadprofiles.distances.kernels import tile
from loadprofiles.distances.threads import in_threads, thread_count
from loadprofiles.errors import InputError, ParameterError
from loadprofiles.normalisation import NORMALISATION, normalise

NO_CLUSTER = -1
NO_CLUSTER_NAME = "in no cluster"
RULES = ("euclidean", "dtw", "shape", "mixture")

_MINUTES_PER_DAY = 1440
_DESCRIPTION = "clusters.json"
# Profiles compared at once: a million take no more memory than these, and threads seldom wait for Python's lock.
_BATCH = 16_384


@dataclass(frozen=True, eq=False)
class Reference:
    """k representatives and the rule by which a profile belongs to one of them.

    The rules: `euclidean` and `dtw` take the nearest representative; `shape` the one of which the
    z-normalised shape correlates best with the profile's at any shift (shape-based distance, Paparrizos & Gravano 2015,
    doi:10.1145/2723372.2737793; a flat profile, which has no shape, goes to the nearest representative); `mixture` the
    one of the highest posterior among normal distributions of independent steps. Of equally near ones the first.

    Attributes:
        rule: one of `RULES`.
        representatives: (k, points), in the profiles' unit.
        radius: half-width of the DTW band in steps, for `dtw`; None for no band.
        parts: further arrays, a row a cluster: `shapes` (k, points) for `shape`; `variances` (k, points) and
            `weights` (k,) for `mixture`; `reach` (k,): a profile farther than this from its
            representative is in no cluster.
    """

    rule: str
    representatives: NDArray[np.float64]
    radius: int | None = None
    parts: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def n_clusters(self) -> int:
        """Number of representatives, k."""
        return len(self.representatives)

    def take(self, clusters: NDArray[np.int64]) -> "Reference":
        """Some of the clusters, in the order given."""
        parts = {name: part[clusters] for name, part in self.parts.items()}
        return replace(self, representatives=self.representatives[clusters], parts=parts)

    def assign(
        self, profiles: ArrayLike, threads: int | None = None, *, energies: bool = False
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """The cluster of each profile.

        Args:
            profiles: (n, points), normalised as those the model was fitted to, finite.
            threads: how many; all processors by default. The result is the same for any number.
            energies: they are in kWh, and to be normalised first.

        Returns:
            Clusters (n,), NO_CLUSTER where the profile is out of reach of its representative, and distances (n,) to
            the representative under the rule; for `mixture` the Euclidean one.

        Raises:
            ParameterError: the profiles are not finite or have another number of points.
        """
        given = _as_array(profiles)
        n_profiles = given.shape[0] if given.ndim else 0
        labels, distances = np.empty(n_profiles, np.int64), np.empty(n_profiles, np.float64)

        def assign_batch(batch: slice, values: Floats) -> None:
            if self.rule == "mixture":
                labels[batch] = self._posterior(values).argmax(axis=1)
                distances[batch] = _lengths(values - self.representatives[labels[batch]])
                return
            _nearest(self._table(values), labels[batch], distances[batch])
            if self.rule == "shape":
                self._assign_flat(values, labels[batch])

        self._batchwise(given, assign_batch, threads, energies=energies)
        if "reach" in self.parts:
            labels[distances > self.parts["reach"][labels]] = NO_CLUSTER
        return labels, distances

    def distances(self, profiles: ArrayLike, threads: int | None = None) -> NDArray[np.float64]:
        """Distances (n, k) of profiles (n, points) to all representatives, under the rule; arguments as of `assign`."""
        given = _as_array(profiles)
        out = np.empty((given.shape[0] if given.ndim else 0, self.n_clusters))

        def fill(batch: slice, values: Floats) -> None:
            out[batch] = self._table(values).T

        self._batchwise(given, fill, threads)
        return out

    def distances_to(self, profiles: ArrayLike, labels: NDArray[np.int64], threads: int | None = None) -> Floats:
        """Distances (n,) of profiles (n, points) to their own representatives; of those in no cluster to the nearest.

        Args:
            profiles: (n, points), as for `assign`.
            labels: (n,), the cluster of each, or NO_CLUSTER.
            threads: as for `assign`.
        """
        every = self.distances(profiles, threads)
        own = np.where(labels == NO_CLUSTER, every.argmin(axis=1), labels)
        return np.take_along_axis(every, own[:, np.newaxis], axis=1)[:, 0]

    def _batchwise(
        self, given: Floats, work: Callable[[slice, Floats], None], threads: int | None, *, energies: bool = False
    ) -> None:
        """Call `work` with each batch of profiles, checked; batch by batch, so that copies stay in the cache."""
        what = "the days' energies" if energies else "profiles"
        # The first by itself: it says what is wrong with the shape.
        check_same_points(check_profiles(given[:1] if given.ndim == 2 else given, what), self.representatives)

        def take(start: int) -> None:
            batch = slice(start, min(start + _BATCH, len(given)))
            try:
                values = check_profiles(given[batch], what, np.float64 if energies else np.float32)
            except ParameterError:
                check_profiles(given, what)  # names the row of all, not of the batch
                raise
            work(batch, normalise(values).astype(np.float32) if energies else values)

        _in_batches(take, len(given), threads)

    def _table(self, values: Floats) -> Floats:
        """Distances, a row a representative: (k, n)."""
        if self.rule == "shape":
            # numba compiles once more for the view that a turned array is
            return np.ascontiguousarray(shape_distances(values, self.parts["shapes"])[0].T)
        radius = 0 if self.rule != "dtw" else effective_radius(self.radius, values.shape[1])
        return tile(check_profiles(self.representatives), values, radius, threads=1)

    def _assign_flat(self, values: Floats, labels: NDArray[np.int64]) -> None:
        """Flat profiles have no shape and are as far from all: the nearest representative takes them."""
        flat = np.flatnonzero(~z_normalise(values).any(axis=1))
        if flat.size:
            labels[flat] = tile(check_profiles(self.representatives), values[flat], 0, threads=1).argmin(axis=0)

    def _posterior(self, values: Floats) -> NDArray[np.float64]:
        """Logarithm of each cluster's weighted density, without what all have in common: (n, k)."""
        variances, weights = self.parts["variances"], self.parts["weights"]
        # Cluster by cluster, not as a matrix product: that rounds by the number of threads.
        return np.column_stack(
            [
                math.log(weight) - 0.5 * (np.square(values - mean) / variance + np.log(variance)).sum(axis=1)
                for mean, variance, weight in zip(self.representatives, variances, weights, strict=True)
            ]
        )


def shape_distances(
    profiles: Floats, shapes: NDArray[np.float64], threads: int | None = 1
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Shape-based distances of Paparrizos & Gravano (2015): 1 - the highest normalised cross-correlation.

    Args:
        profiles: (n, points); z-normalised here. A flat one correlates with nothing: its distance is 1.
        shapes: (k, points), z-normalised.
        threads: how many; the result is the same for any number.

    Returns:
        Distances (n, k), 0 to 2, and the shifts (n, k) in steps that make the profile match, positive for later.
    """
    values = z_normalise(profiles)
    shape = (len(values), len(shapes))
    highest, shifts = np.empty(shape), np.empty(shape, np.int64)
    targets = np.ascontiguousarray(shapes)

    def correlate(start: int) -> None:
        some = slice(start, start + _BATCH)
        _correlate(values[some], targets, highest[some], shifts[some])

    _in_batches(correlate, len(values), threads)
    lengths = _lengths(values)[:, np.newaxis] * _lengths(shapes)
    return 1.0 - np.divide(highest, lengths, out=np.zeros(shape), where=lengths > 0), shifts


def _in_batches(work: Callable[[int], None], n_profiles: int, threads: int | None) -> None:
    """Call `work` with the number of each batch's first profile."""
    starts = range(0, n_profiles, _BATCH)
    for _ in in_threads(work, starts, max(1, min(thread_count(threads), len(starts)))):
        pass


@compiled
def _correlate(
    values: NDArray[np.float64],
    shapes: NDArray[np.float64],
    highest: NDArray[np.float64],
    shifts: NDArray[np.int64],
) -> None:
    """The highest correlation of each pair over all shifts, and the shift."""
    n_points = values.shape[1]
    sums = np.empty(2 * n_points - 1)
    for i in range(values.shape[0]):
        for c in range(shapes.shape[0]):
            sums[:] = 0.0
            for t in range(n_points):
                value, of_shift = values[i, t], sums[n_points - 1 - t :]
                # this way round the inner loop adds to independent sums, and is vectorised
                for u in range(n_points):
                    of_shift[u] += value * shapes[c, u]
            best = np.argmax(sums)
            highest[i, c] = sums[best]
            shifts[i, c] = best - (n_points - 1)


def z_normalise(profiles: Floats) -> NDArray[np.float64]:
    """Profiles (n, points) less their mean, over their standard deviation; flat ones become zeros."""
    centred = np.asarray(profiles, np.float64) - np.mean(profiles, axis=1, keepdims=True, dtype=np.float64)
    deviations = centred.std(axis=1, keepdims=True)
    # What is left of a flat profile's differences is rounding.
    flat = deviations <= 1e-7 * np.abs(profiles).max(axis=1, keepdims=True)
    return np.where(flat, 0.0, centred / np.where(flat, 1.0, deviations))


def _as_array(profiles: ArrayLike) -> Floats:
    """What is given as an array, without a look at its values."""
    try:
        return np.asarray(profiles)
    except ValueError:
        return check_profiles(profiles)  # says what is wrong


def _lengths(rows: Floats) -> NDArray[np.float64]:
    lengths: NDArray[np.float64] = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=1))
    return lengths


@compiled
def _nearest(table: Floats, labels: NDArray[np.int64], distances: NDArray[np.float64]) -> None:
    """Row and value of the least of each column."""
    distances[:] = table[0]
    labels[:] = 0
    for row in range(1, table.shape[0]):
        for column in range(table.shape[1]):
            if table[row, column] < distances[column]:
                distances[column] = table[row, column]
                labels[column] = row


@dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of daily load profiles as they are kept and served.

    Attributes:
        reference: what days are compared with, normalised.
        names: k readable names, all different.
        kind: what the representatives are: "centroid", "barycenter", "medoid", "prototype".
        model: one of `choices.MODELS`.
        distance_metric: one of `choices.DISTANCE_METRICS`.
    """

    reference: Reference
    names: tuple[str, ...]
    kind: str
    model: str
    distance_metric: str

    @property
    def n_points(self) -> int:
        """Steps of a day."""
        return int(self.reference.representatives.shape[1])

    @property
    def resolution_minutes(self) -> int:
        """Length of a step."""
        return _MINUTES_PER_DAY // self.n_points

    def assign_energies(
        self, energy_kwh: ArrayLike, threads: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[Any], NDArray[np.float64]]:
        """The cluster of each day.

        Args:
            energy_kwh: (days, steps), energy in each step of a local day, finite.
            threads: how many; all processors by default.

        Returns:
            Clusters (days,), their names, and distances (days,) of the normalised profiles to their representatives.

        Raises:
            ParameterError: not such a table, or of another number of steps.
        """
        labels, distances = self.reference.assign(energy_kwh, threads, energies=True)
        return labels, self.names_of(labels), distances

    def names_of(self, labels: NDArray[np.int64]) -> NDArray[Any]:
        """The names (n,) of clusters (n,)."""
        # a label of NO_CLUSTER, -1, takes the last
        return np.array([*self.names, NO_CLUSTER_NAME], dtype=object)[labels]

    def save(self, folder: Path) -> Path:
        """Write one `.npy` an array and `clusters.json` into a new folder; nothing is pickled."""
        folder.mkdir(parents=True)
        arrays = {"representatives": self.reference.representatives, **self.reference.parts}
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
        description = {
            "model": self.model,
            "distance_metric": self.distance_metric,
            "kind": self.kind,
            "names": self.names,
            "rule": self.reference.rule,
            "radius": self.reference.radius,
            "parts": sorted(self.reference.parts),
            "normalisation": NORMALISATION,
        }
        (folder / _DESCRIPTION).write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
        return folder


def read_clusters(folder: Path) -> Clusters:
    """Read what `Clusters.save` wrote.

    Raises:
        InputError: a file is missing or not what was written.
    """
    try:
        found = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        if found["normalisation"] != NORMALISATION or found["rule"] not in RULES:
            raise ParameterError(f"normalisation {found['normalisation']} by rule {found['rule']} is not known")
        arrays = {
            name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in ("representatives", *found["parts"])
        }
        reference = Reference(found["rule"], arrays.pop("representatives"), found["radius"], arrays)
        return Clusters(reference, tuple(found["names"]), found["kind"], found["model"], found["distance_metric"])
    except (OSError, EOFError, ValueError, KeyError, TypeError, ParameterError) as error:
        raise InputError(f"{folder} holds no clusters that can be read: {error}") from error
