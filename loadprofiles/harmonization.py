"""Harmonization: the clean profiles of all sources in one table, their readings in another, and their DTW matrix."""

from pathlib import Path

import pandas as pd

from loadprofiles import step as artifacts
from loadprofiles.distances.generations import MatrixParameters
from loadprofiles.distances.matrix import DtwMatrix
from loadprofiles.distances.update import Update, update_matrix
from loadprofiles.errors import EmptyResultError, InputError
from loadprofiles.merging import merge_readings
from loadprofiles.normalisation import NORMALISATION, normalise
from loadprofiles.profiles import read_profiles, resolution_of, values_of
from loadprofiles.step import StepInput, StepResult
from loadprofiles.tables import content_digest, write_table
from loadprofiles.twins import find_identical_meters

AUTO = "auto"
MAX_AUTO_PROFILES = 50_000
"""Profiles beyond which `auto` leaves the matrix (2 n² bytes) to those who ask for it."""


def harmonize(
    sql_csv: Path | None,
    oldmongo_csv: Path | None,
    newmongo_csv: Path | None,
    customers_csv: Path | None,
    out_csv: Path,
    compute_dtw: str,
    dtw_path: Path | str,
    radius: int,
    jobs: int,
    dask_scheduler: str,
    workspace: Path,
    sql_readings: Path | None = None,
    oldmongo_readings: Path | None = None,
    newmongo_readings: Path | None = None,
    customers_readings: Path | None = None,
) -> StepResult:
    """Merge the clean tables, look for meters delivered twice, and bring the DTW matrix up to date.

    Where readings are given, they are merged too, by `merge_readings`.

    Args:
        sql_csv: Clean profiles of the SQL historian; None leaves the source out, as for the next three.
        oldmongo_csv: Those of the old MongoDB.
        newmongo_csv: Those of the new MongoDB.
        customers_csv: Those of the customers.
        out_csv: Where the harmonized table goes.
        compute_dtw: Whether to bring the DTW matrix up to date: `true`, `false`, `auto` (unless there are too many
            profiles), or `anew`, which takes nothing over.
        dtw_path: The folder of the matrix, of this machine or an object store.
        radius: Half-width of the Sakoe-Chiba band, in steps.
        jobs: Threads that compute distances; 0: as many as cores.
        dask_scheduler: `tcp://host:port` of a dask scheduler whose workers reach `dtw_path`; empty: this machine.
        workspace: A folder for the other files of the result.
        sql_readings: Readings of the SQL historian; None leaves them out, as for the next three.
        oldmongo_readings: Those of the old MongoDB.
        newmongo_readings: Those of the new MongoDB.
        customers_readings: Those of the customers.

    Raises:
        InputError: A table cannot be read, or the resolutions differ.
        EmptyResultError: No table was given, or all are empty.
    """
    # a meter-day that several systems hold is taken from the one named first: the newer knows better
    paths = {"newmongo": newmongo_csv, "sql": sql_csv, "oldmongo": oldmongo_csv, "customers": customers_csv}
    readings = {
        "newmongo": newmongo_readings,
        "sql": sql_readings,
        "oldmongo": oldmongo_readings,
        "customers": customers_readings,
    }
    given = {source: path for source, path in paths.items() if path}
    if not given:
        raise EmptyResultError(
            "no source is left: give at least one of sql_csv, oldmongo_csv, newmongo_csv, customers_csv"
        )
    tables = {source: read_profiles(path) for source, path in given.items()}
    resolution = _common_resolution(tables, given)
    merged = pd.concat(tables.values(), ignore_index=True)
    repeated = merged.duplicated(["id", "date"])
    profiles = merged[~repeated].sort_values(["id", "date"], ignore_index=True)
    if profiles.empty:
        raise EmptyResultError(f"no profile in {', '.join(map(str, given.values()))}")
    duplicates = find_identical_meters(profiles)
    result = StepResult(
        outputs={artifacts.HARMONIZED: write_table(profiles, out_csv)},
        files=[write_table(duplicates, workspace / f"{artifacts.DUPLICATES}.csv")],
        inputs=[StepInput(artifacts.CLEAN[s], path, content_digest(path)) for s, path in given.items()],
        metrics={
            "profiles": len(profiles),
            "meters": profiles["id"].nunique(),
            "resolution_minutes": resolution,
            "meter_days_in_several_sources": int(repeated.sum()),
            "identical_meter_pairs": len(duplicates),
        },
        notes=[
            f"{len(profiles)} profiles of {profiles['id'].nunique()} meters at {resolution} minutes: "
            + ", ".join(f"{source} {len(table)}" for source, table in tables.items()),
            *_duplicate_notes(duplicates, int(repeated.sum())),
        ],
    )
    _add_readings(result, {source: path for source, path in readings.items() if path}, workspace)
    normalised = normalise(values_of(profiles))
    if compute_dtw == "false" or (compute_dtw == AUTO and len(normalised) > MAX_AUTO_PROFILES):
        why = f": {len(normalised)} profiles are more than {MAX_AUTO_PROFILES}" if compute_dtw == AUTO else ""
        result.notes.append(f"compute_dtw={compute_dtw}{why}; the DTW matrix is left as it is")
        return result
    parameters = MatrixParameters(radius, NORMALISATION, normalised.shape[1], resolution)
    update = update_matrix(
        dtw_path,
        parameters,
        normalised,
        anew=compute_dtw == "anew",
        threads=jobs or None,
        dask_scheduler=dask_scheduler,
    )
    _tell_matrix(result, DtwMatrix(dtw_path, parameters), update, len(normalised))
    return result


def _add_readings(result: StepResult, given: dict[str, Path], workspace: Path) -> None:
    """Merge the readings of all sources that are given, if any are."""
    if not given:
        return
    merged = merge_readings(given, workspace / f"{artifacts.READINGS}.parquet")
    result.outputs[artifacts.READINGS] = merged.path
    result.inputs += [StepInput(f"{source}_readings", path, content_digest(path)) for source, path in given.items()]
    result.metrics |= merged.metrics()
    result.notes += merged.notes()


def _common_resolution(tables: dict[str, pd.DataFrame], paths: dict[str, Path]) -> int:
    resolutions = {source: resolution_of(table) for source, table in tables.items()}
    if len(set(resolutions.values())) > 1:
        found = ", ".join(f"{source} {minutes} min ({paths[source]})" for source, minutes in resolutions.items())
        raise InputError(f"sources of different resolution: {found}; run their ETL steps with one resolution")
    return next(iter(resolutions.values()))


def _duplicate_notes(duplicates: pd.DataFrame, repeated: int) -> list[str]:
    notes = [
        f"{row.meter_id} and {row.other_meter_id} are identical on {row.identical_days} of {row.common_days} days "
        f"({row.from_date} to {row.to_date}): one meter delivered twice?"
        for row in duplicates.itertuples()
    ]
    if repeated:
        notes.append(f"{repeated} meter-days are in several sources; the newest system's were taken")
    return notes


def _tell_matrix(result: StepResult, matrix: DtwMatrix, update: Update, n_profiles: int) -> None:
    name = matrix.parameters.name
    if update.reason:
        found = f", {update.tiles_found} tiles of an interrupted run taken over" if update.tiles_found else ""
        result.notes.append(
            f"DTW matrix {name} at {matrix.place}: {update.n_added} profiles added, {update.reason}: "
            f"{update.n_pairs} distances in {update.seconds:.1f} s{found}"
        )
    else:
        result.notes.append(f"DTW matrix {name} at {matrix.place}: current, kept")
    result.tags |= {"dtw_digest": matrix.digest, "dtw_path": str(matrix.place), "dtw_matrix": name}
    result.metrics |= {
        "dtw_profiles": n_profiles,
        "dtw_stored_profiles": matrix.n_profiles,
        "dtw_size_bytes": matrix.size_bytes(),
        "dtw_pairs_computed": update.n_pairs,
        "dtw_seconds": update.seconds,
    }
