"""What is clustered: the days of a harmonized table, what is known of their meters, and the distances between them."""

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles.choices import MODELS_ON_PAIRS
from loadprofiles.clustering.models import ModelSettings
from loadprofiles.clustering.pairs import Pairs, pairs_of
from loadprofiles.distances.generations import MatrixParameters, profile_keys
from loadprofiles.distances.matrix import DtwMatrix
from loadprofiles.errors import InputError, LoadProfilesError
from loadprofiles.meters import read_description
from loadprofiles.normalisation import NORMALISATION, normalise
from loadprofiles.profiles import read_profiles, resolution_of, step_columns, values_of
from loadprofiles.sources.customers import read_sectors
from loadprofiles.sources.layouts import read_layout
from loadprofiles.tables import content_digest

MAX_PAIRS_PROFILES = 20_000
"""Profiles beyond which a square of all distances (4 n² bytes) is not held for an index nor, unasked, for a model."""

SAMPLE_SIZES = {"kmedoids": 4_000, "agglomerative": MAX_PAIRS_PROFILES, "hdbscan": MAX_PAIRS_PROFILES}
"""Profiles of a sample, for models on pairs, where there are more than MAX_PAIRS_PROFILES."""


@dataclass(frozen=True, eq=False)
class Days:
    """Days to be clustered.

    Attributes:
        keys: `id` and `date` of each, n rows.
        profiles: (n, steps), normalised.
        energy_kwh: (n, steps).
        resolution_minutes: length of a step.
        groups: what is known of the meters: property to its value for each day (n,), empty where unknown.
        digest: of the table's content.
    """

    keys: pd.DataFrame
    profiles: npt.NDArray[np.float64]
    energy_kwh: npt.NDArray[np.float64]
    resolution_minutes: int
    groups: dict[str, npt.NDArray[Any]]
    digest: str

    def __len__(self) -> int:
        return len(self.profiles)

    @property
    def steps(self) -> list[str]:
        """Columns of a profile table."""
        return step_columns(self.resolution_minutes)


@dataclass(frozen=True, eq=False)
class Distances:
    """Distances between all days, as far as they are held; `notes` say what is left out and why."""

    euclidean: Pairs | None = None
    dtw: Pairs | None = None
    notes: list[str] = field(default_factory=list)

    def of(self, metric: str) -> Pairs | None:
        """Those under a distance metric."""
        return self.dtw if metric == "dtw" else self.euclidean


def read_days(
    in_csv: Path,
    smart_meter_description_csv: Path | None = None,
    customers_folder: Path | None = None,
    customers_layout: Path | None = None,
) -> Days:
    """Read a harmonized table, and what is known of its meters.

    Args:
        in_csv: The harmonized table.
        smart_meter_description_csv: The meters' types; None: not known.
        customers_folder: With the sheet of the customers' sectors; None: not known.
        customers_layout: How to read that; None: as built in.

    Raises:
        InputError: A file cannot be read.
    """
    table = read_profiles(in_csv)
    energy_kwh = values_of(table)
    known = {"type": read_description(smart_meter_description_csv)["type"]}
    if customers_folder is not None:
        if not customers_folder.is_dir():
            raise InputError(
                f"{customers_folder}: no such folder; leave customers_folder empty if there are no sectors"
            )
        known["sector"] = read_sectors(customers_folder, read_layout(customers_layout))
    groups = {name: _of_meters(table["id"], values) for name, values in known.items()}
    return Days(
        keys=table[["id", "date"]],
        profiles=normalise(energy_kwh),
        energy_kwh=energy_kwh,
        resolution_minutes=resolution_of(table),
        groups={name: values for name, values in groups.items() if (values != "").any()},
        digest=content_digest(in_csv),
    )


def _of_meters(ids: pd.Series, values: pd.Series) -> npt.NDArray[Any]:
    # of no meters at all pandas would make numbers
    found = ids.map(values[~values.index.duplicated()]).astype(object)
    return found.fillna("").astype(str).str.strip().to_numpy(dtype=object)


def with_sample(settings: ModelSettings, n_profiles: int) -> tuple[ModelSettings, list[str]]:
    """Settings with the sample that so many profiles need, and a note where that changes something."""
    if settings.model not in MODELS_ON_PAIRS or settings.sample_size or n_profiles <= MAX_PAIRS_PROFILES:
        return settings, []
    size = SAMPLE_SIZES[settings.model]
    note = (
        f"{settings.model} on samples of {size} profiles, as {n_profiles} are more than {MAX_PAIRS_PROFILES}; "
        f"sample_size={n_profiles} takes all pairs ({4 * n_profiles**2 / 1e9:.0f} GB)"
    )
    return replace(settings, sample_size=size), [note]


def needs_all_pairs(settings: ModelSettings, n_profiles: int) -> bool:
    """Whether a model works on the distances between all profiles, and not on those of a sample."""
    return settings.model in MODELS_ON_PAIRS and not 0 < settings.sample_size < n_profiles


def load_distances(
    days: Days,
    dtw_path: Path | str,
    radius: int,
    remedy: str,
    *,
    dtw_required: bool,
    dtw_wanted: bool,
    euclidean_required: bool = False,
    folder: Path | None = None,
    threads: int | None = None,
) -> Distances:
    """The squares of distances that models need and indices want.

    Args:
        days: Of which.
        dtw_path: The DTW matrix' place.
        radius: Half-width of the Sakoe-Chiba band, in steps.
        remedy: The command that computes the matrix of just these days.
        dtw_required: Whether a model works on the DTW matrix.
        dtw_wanted: Whether `Silhouette DTW` is wanted where the matrix is there.
        euclidean_required: Whether a model works on the Euclidean distances.
        folder: Where to put them as `euclidean.npy` and `dtw.npy`, for several processes to share; None: in memory.
        threads: How many.

    Raises:
        StaleMatrixError: The DTW matrix is required and does not hold these days.
        InputError: It is required and is not there.
    """
    few = len(days) <= MAX_PAIRS_PROFILES
    dtw, notes = None, []
    if dtw_required or (dtw_wanted and few):
        try:
            dtw = _stored_pairs(days, dtw_path, radius, remedy, folder, threads)
        except LoadProfilesError as error:
            if dtw_required:
                raise
            notes = [f"Silhouette DTW is left out: {error}"]
    elif dtw_wanted:
        notes = [f"Silhouette DTW is left out: {len(days)} profiles are more than {MAX_PAIRS_PROFILES}"]
    # An index alone needs no square of them, unless many clusterings are to be judged.
    euclidean = pairs_of(days.profiles, 0, threads) if euclidean_required or (few and folder is not None) else None
    if euclidean is not None and folder is not None:
        np.save(folder / "euclidean.npy", euclidean.square)
    return Distances(euclidean, dtw, notes)


def _stored_pairs(
    days: Days, dtw_path: Path | str, radius: int, remedy: str, folder: Path | None, threads: int | None
) -> Pairs:
    parameters = MatrixParameters(radius, NORMALISATION, days.profiles.shape[1], days.resolution_minutes)
    file = folder / "dtw.npy" if folder else None
    matrix = DtwMatrix(dtw_path, parameters, remedy)
    return Pairs(matrix.select(profile_keys(days.profiles), file=file, threads=threads), checked=True)


def matrix_command(in_csv: Path, dtw_path: Path | str, radius: int) -> str:
    """The command that computes the matrix of exactly this table."""
    params = {"sql_csv": in_csv, "oldmongo_csv": "", "newmongo_csv": "", "customers_csv": ""}
    params |= {"compute_dtw": "true", "dtw_path": dtw_path, "radius": radius}
    given = " ".join(f"-P {name}={shlex.quote(str(value)) if value != '' else ''}" for name, value in params.items())
    return f"mlflow run . -e harmonization {given}"
