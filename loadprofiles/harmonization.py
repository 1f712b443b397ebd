"""Harmonization: the clean profiles of all sources in one table, and their DTW matrix."""

import time
from pathlib import Path

import numpy as np
import pandas as pd

from loadprofiles import step as artifacts
from loadprofiles.distances.matrix import DtwMatrix, profile_keys, write_matrix
from loadprofiles.errors import EmptyResultError, InputError, LoadProfilesError
from loadprofiles.profiles import NORMALISATION, normalise, read_profiles, resolution_of, values_of
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
    dtw_path: Path,
    radius: int,
    workspace: Path,
) -> StepResult:
    """Merge the clean tables, look for meters delivered twice, and bring the DTW matrix up to date.

    Args:
        sql_csv: Clean profiles of the SQL historian; None leaves the source out, as for the next three.
        oldmongo_csv: Those of the old MongoDB.
        newmongo_csv: Those of the new MongoDB.
        customers_csv: Those of the customers.
        out_csv: Where the harmonized table goes.
        compute_dtw: `true`, `false`, or `auto`: when the matrix is missing or stale.
        dtw_path: The matrix' directory.
        radius: Half-width of the Sakoe-Chiba band, in steps.
        workspace: A folder for the other files of the result.

    Raises:
        InputError: A table cannot be read, or the resolutions differ.
        EmptyResultError: No table was given, or all are empty.
    """
    # a meter-day that several systems hold is taken from the one named first: the newer knows better
    paths = {"newmongo": newmongo_csv, "sql": sql_csv, "oldmongo": oldmongo_csv, "customers": customers_csv}
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
    _update_matrix(result, normalise(values_of(profiles)), compute_dtw, dtw_path, radius, resolution)
    return result


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


def _update_matrix(
    result: StepResult, normalised: np.ndarray, compute_dtw: str, dtw_path: Path, radius: int, resolution: int
) -> None:
    too_many = compute_dtw == AUTO and len(normalised) > MAX_AUTO_PROFILES
    if compute_dtw == "false" or too_many:
        why = f": {len(normalised)} profiles are more than {MAX_AUTO_PROFILES}" if too_many else ""
        result.notes.append(f"compute_dtw={compute_dtw}{why}; the DTW matrix is left as it is")
        return
    reason = _why_compute(normalised, compute_dtw, dtw_path, radius, resolution)
    started = time.perf_counter()
    if reason:
        result.notes.append(f"DTW matrix at {dtw_path}: computed, {reason}")
        write_matrix(dtw_path, normalised, radius=radius, normalisation=NORMALISATION, resolution_minutes=resolution)
    else:
        result.notes.append(f"DTW matrix at {dtw_path}: current, kept")
    matrix = DtwMatrix.open(dtw_path)
    result.tags |= {"dtw_digest": matrix.digest, "dtw_path": str(dtw_path)}
    result.metrics |= {
        "dtw_profiles": len(normalised),
        "dtw_size_bytes": matrix.size_bytes,
        "dtw_seconds": time.perf_counter() - started,
    }


def _why_compute(normalised: np.ndarray, compute_dtw: str, dtw_path: Path, radius: int, resolution: int) -> str:
    """Why the matrix must be computed, or nothing."""
    if compute_dtw != AUTO:
        return "as compute_dtw=true asks"
    try:
        matrix = DtwMatrix.open(dtw_path)
    except LoadProfilesError:
        return "it was missing"
    keys = profile_keys(normalised)
    return "" if matrix.is_current(keys, radius, NORMALISATION, resolution) else "it was stale"
