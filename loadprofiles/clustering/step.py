"""The clustering step: from the harmonized table to clusters, their indices, tables and figures."""

import shlex
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles import plots
from loadprofiles import step as artifacts
from loadprofiles.clustering.models import Clustering, fit
from loadprofiles.clustering.selection import choose_k
from loadprofiles.distances.generations import MatrixParameters, profile_keys
from loadprofiles.distances.matrix import DtwMatrix
from loadprofiles.errors import LoadProfilesError
from loadprofiles.profiles import (
    NORMALISATION,
    normalise,
    read_profiles,
    resolution_of,
    step_columns,
    values_of,
)
from loadprofiles.step import StepInput, StepResult
from loadprofiles.tables import content_digest, write_table
from loadprofiles.validity import validity_scores

HIGH_RES_DPI = 300
MAX_OPTIONAL_MATRIX = 20_000
"""Profiles beyond which the square matrix (4 n² bytes) is not loaded for an index alone."""


def cluster(
    in_csv: Path,
    model: str,
    distance_metric: str,
    number_of_clusters: int,
    dtw_path: Path | str,
    radius: int,
    workspace: Path,
) -> StepResult:
    """Cluster the l2-normalised profiles of a harmonized table.

    Args:
        in_csv: The harmonized table.
        model: One of `choices.MODELS`.
        distance_metric: `euclidean` or `dtw`.
        number_of_clusters: At least 2, or 0 to choose it by silhouette.
        dtw_path: The DTW matrix' directory; needed where the model works on the matrix, and used for
            `Silhouette DTW` wherever it holds these profiles.
        radius: Half-width of the Sakoe-Chiba band, in steps.
        workspace: A folder for the files of the result.

    Raises:
        InputError: The table cannot be read.
        ParameterError: There are fewer distinct profiles than clusters.
        StaleMatrixError: The model works on the DTW matrix, and it does not hold these profiles.
    """
    table = read_profiles(in_csv)
    resolution = resolution_of(table)
    profiles = normalise(values_of(table))
    required = distance_metric == "dtw" and model != "kmeans"
    remedy = _command(in_csv, dtw_path, radius)
    matrix, notes = _dtw_matrix(dtw_path, profiles, radius, resolution, remedy, required=required)
    result = StepResult(inputs=[StepInput(artifacts.HARMONIZED, in_csv, content_digest(in_csv))], notes=notes)
    k = number_of_clusters or _choose_k(result, profiles, model, distance_metric, radius, matrix, workspace)
    found = fit(profiles, model, distance_metric, k, radius=radius, dtw_matrix=matrix)

    result.run_name = f"{model} {distance_metric} k={k}"
    result.params["k"] = k
    scores = validity_scores(profiles, found.labels, found.representatives, dtw_matrix=matrix)
    result.metrics = scores | {"inertia": float(found.inertia), "profiles": len(profiles), "clusters": k}
    sizes = np.bincount(found.labels, minlength=k)
    result.metrics |= {"smallest_cluster": float(sizes.min()), "largest_cluster": float(sizes.max())}
    result.files += [
        write_table(_assignments(table, found), workspace / f"{artifacts.ASSIGNMENTS}.parquet"),
        write_table(_representatives(found, sizes, resolution), workspace / f"{artifacts.REPRESENTATIVES}.parquet"),
    ]
    result.files += _figures(profiles, found, workspace)
    result.notes += [
        f"{result.run_name}: silhouette {scores.get('Silhouette Score', float('nan')):.3f}, {len(profiles)} profiles",
        *(
            f"cluster {i}: {name}, {size} profiles"
            for i, (name, size) in enumerate(zip(found.names, sizes, strict=True))
        ),
    ]
    return result


def _command(in_csv: Path, dtw_path: Path | str, radius: int) -> str:
    """The command that computes the matrix of exactly this table."""
    params = {"sql_csv": in_csv, "oldmongo_csv": "", "newmongo_csv": "", "customers_csv": ""}
    params |= {"compute_dtw": "true", "dtw_path": dtw_path, "radius": radius}
    given = " ".join(f"-P {name}={shlex.quote(str(value)) if value != '' else ''}" for name, value in params.items())
    return f"mlflow run . -e harmonization {given}"


def _dtw_matrix(
    dtw_path: Path | str,
    profiles: npt.NDArray[np.float64],
    radius: int,
    resolution: int,
    remedy: str,
    *,
    required: bool,
) -> tuple[npt.NDArray[np.float32] | None, list[str]]:
    """The matrix of these profiles; or, where it is not required, None and a note that says why."""
    if not required and len(profiles) > MAX_OPTIONAL_MATRIX:
        return None, [f"Silhouette DTW is left out: {len(profiles)} profiles are more than {MAX_OPTIONAL_MATRIX}"]
    try:
        parameters = MatrixParameters(radius, NORMALISATION, profiles.shape[1], resolution)
        return DtwMatrix(dtw_path, parameters, remedy).select(profile_keys(profiles)), []
    except LoadProfilesError as error:
        if required:
            raise
        return None, [f"Silhouette DTW is left out: {error}"]


def _choose_k(
    result: StepResult,
    profiles: npt.NDArray[np.float64],
    model: str,
    distance_metric: str,
    radius: int,
    matrix: npt.NDArray[np.float32] | None,
    workspace: Path,
) -> int:
    k, curve = choose_k(profiles, model, distance_metric, radius=radius, dtw_matrix=matrix)
    result.files += [
        write_table(curve, workspace / f"{artifacts.K_CURVE}.csv"),
        plots.save(plots.k_curve(curve, k), workspace / artifacts.K_CURVE_FIGURE),
    ]
    result.notes.append(
        f"number_of_clusters=0: {k} has the highest silhouette of {curve['k'].min()} to {curve['k'].max()}"
    )
    return k


def _assignments(table: pd.DataFrame, found: Clustering) -> pd.DataFrame:
    """One row a meter-day: `id, date, cluster, cluster_name, distance`."""
    return table[["id", "date"]].assign(
        cluster=found.labels,
        cluster_name=np.array(found.names)[found.labels],
        distance=np.asarray(found.distances, dtype=np.float64),
    )


def _representatives(found: Clustering, sizes: npt.NDArray[np.int64], resolution: int) -> pd.DataFrame:
    """One row a cluster: `cluster, cluster_name, kind, size` and one column a step."""
    steps = pd.DataFrame(found.representatives, columns=step_columns(resolution))
    head = pd.DataFrame({"cluster": range(len(sizes)), "cluster_name": found.names, "kind": found.kind, "size": sizes})
    return pd.concat([head, steps], axis=1)


def _figures(profiles: npt.NDArray[np.float64], found: Clustering, workspace: Path) -> list[Path]:
    centers = plots.cluster_centers(profiles, found.labels, found.representatives, found.names, found.kind)
    return [
        plots.save(centers, workspace / artifacts.CLUSTER_CENTERS),
        plots.save(centers, workspace / artifacts.CLUSTER_CENTERS_HIGH_RES, HIGH_RES_DPI),
        plots.save(plots.cluster_sizes(found.labels, found.names), workspace / artifacts.CLUSTER_SIZES),
    ]
