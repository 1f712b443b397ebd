"""Readings to daily load profiles: one row a meter and local day, one column a step of the day."""

from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa

from loadprofiles.errors import InputError, ParameterError
from loadprofiles.quality import MINUTES_A_DAY
from loadprofiles.tables import read_table, require_columns, validate

KEYS = ("id", "date")
_FOREIGN_COLUMNS = ("Unnamed: 0", "index")
"""Index columns that the earlier pipeline wrote beside the data."""


def step_columns(resolution_minutes: int) -> list[str]:
    """`00:00:00` … `23:45:00`: the column of each step of the day."""
    return [f"{m // 60:02d}:{m % 60:02d}:00" for m in range(0, MINUTES_A_DAY, resolution_minutes)]


def empty_profiles(resolution_minutes: int) -> pd.DataFrame:
    """A profile table without rows."""
    columns = {name: pd.Series(dtype=float) for name in step_columns(resolution_minutes)}
    return pd.DataFrame({"id": pd.Series(dtype="str"), "date": pd.Series(dtype="str"), **columns})


def to_profiles(
    readings: pd.DataFrame, step_minutes: int, resolution_minutes: int, timezone: str
) -> tuple[pd.DataFrame, Counter[str]]:
    """Daily load profiles of one meter's readings.

    A day becomes a profile if it has all its intervals. The two days a year on which clocks change have
    23 or 25 hours and fit no vector of 24: they are left out, as `dst_day`.

    Args:
        readings: Readings of one meter on a regular grid.
        step_minutes: The grid's step.
        resolution_minutes: The profile's step; a multiple of `step_minutes`.
        timezone: IANA name of the zone whose days are meant.

    Returns:
        `id, date` and one column a step in kWh; and the number of days by what became of them:
        `profile`, `incomplete`, `dst_day`.

    Raises:
        ParameterError: `resolution_minutes` is finer than the readings, or no multiple of their step.
    """
    if resolution_minutes % step_minutes:
        raise ParameterError(
            f"resolution={resolution_minutes} is not a multiple of the {step_minutes} minutes in which "
            f"{readings['meter_id'].iloc[0]} was read; take a multiple, or leave the source out"
        )
    local = pd.DatetimeIndex(readings["timestamp_utc"]).tz_convert(timezone)
    dates = local.tz_localize(None).normalize()
    minutes = (local.hour * 60 + local.minute).to_numpy()
    energy = readings["energy_kwh"].to_numpy(dtype=np.float64)
    per_day = MINUTES_A_DAY // step_minutes
    days, day_of, sizes = np.unique(dates.to_numpy(), return_inverse=True, return_counts=True)
    unknown = np.bincount(day_of, weights=np.isnan(energy), minlength=len(days)) > 0
    expected = _intervals_of_days(pd.DatetimeIndex(days), step_minutes, timezone)
    from_midnight = np.bincount(day_of, weights=minutes == 0, minlength=len(days)) > 0
    whole = (sizes == expected) & ~unknown & from_midnight
    keep = whole & (expected == per_day)
    outcome = Counter({"profile": int(keep.sum()), "incomplete": int((~whole).sum())})
    outcome["dst_day"] = int((whole & ~keep).sum())

    shape = (int(keep.sum()), MINUTES_A_DAY // resolution_minutes, resolution_minutes // step_minutes)
    values = energy[keep[day_of]].reshape(shape).sum(axis=2)
    profiles = pd.DataFrame(values, columns=step_columns(resolution_minutes))
    profiles.insert(0, "id", readings["meter_id"].iloc[0])
    profiles.insert(1, "date", pd.DatetimeIndex(days[keep]).strftime("%Y-%m-%d").astype("str"))
    return profiles, +outcome


def _intervals_of_days(days: pd.DatetimeIndex, step_minutes: int, timezone: str) -> npt.NDArray[np.int64]:
    """How many intervals each local day has: not all have 24 hours."""
    first = np.ones(len(days), dtype=np.bool_)  # where midnight comes twice, the day starts at the first
    starts, ends = (
        day.tz_localize(timezone, ambiguous=first, nonexistent="shift_forward")
        for day in (days, days + pd.Timedelta(days=1))
    )
    return np.asarray((ends - starts) // pd.Timedelta(minutes=step_minutes), dtype=np.int64)


def resolution_of(profiles: pd.DataFrame) -> int:
    """Minutes a step of a profile table, from its columns.

    Raises:
        InputError: The columns are not those of any resolution.
    """
    steps = [c for c in profiles.columns if c not in KEYS]
    minutes = MINUTES_A_DAY // len(steps) if steps and MINUTES_A_DAY % len(steps) == 0 else 0
    if not minutes or steps != step_columns(minutes):
        shown = ", ".join(map(str, steps[:4])) or "none"
        raise InputError(f"the columns beside id and date are no steps of a day: {shown} …")
    return minutes


def read_profiles(path: Path) -> pd.DataFrame:
    """Read a profile table, `clean_*.csv` or `harmonized.csv`; also as the earlier pipeline wrote it.

    Raises:
        InputError: It is missing, not a profile table, or holds a value that is no finite number.
    """
    table = read_table(path, text_columns=KEYS)
    table = table.drop(columns=[c for c in _FOREIGN_COLUMNS if c in table.columns])
    require_columns(table, KEYS, path)
    steps = sorted(c for c in table.columns if c not in KEYS)
    table = table[[*KEYS, *steps]]
    columns = {
        "id": pa.Column(str),
        "date": pa.Column(str),
        **{s: pa.Column(float, coerce=True) for s in steps},
    }
    table = validate(table, pa.DataFrameSchema(columns, unique=list(KEYS)), str(path))
    try:
        resolution_of(table)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    infinite = ~np.isfinite(values_of(table)).all(axis=1)
    if infinite.any():
        first = table[list(KEYS)].to_numpy()[infinite.argmax()].tolist()
        raise InputError(f"{path}: {infinite.sum()} profiles hold infinite values, the first is {first}")
    return table


def values_of(profiles: pd.DataFrame) -> npt.NDArray[np.float64]:
    """The energies of a profile table in kWh, shape (profiles, steps)."""
    return profiles.drop(columns=list(KEYS)).to_numpy(dtype=np.float64)


NORMALISATION = "l2"


def normalise(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Profiles divided by their Euclidean length, so that shapes compare; a day of zeros stays zeros."""
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return values / np.where(lengths > 0, lengths, 1.0)
