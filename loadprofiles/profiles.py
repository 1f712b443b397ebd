"""Readings to daily load profiles: one row a meter and local day, one column a step of the day."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa

from loadprofiles.errors import InputError, ParameterError
from loadprofiles.quality import MINUTES_A_DAY
from loadprofiles.tables import atomic_path, read_table, require_columns, validate, write_table

KEYS = ("id", "date")
_FOREIGN_COLUMNS = ("Unnamed: 0", "index")
"""Index columns that the earlier pipeline wrote beside the data."""

_ROWS_AT_ONCE = 4096


def step_columns(resolution_minutes: int) -> list[str]:
    """`00:00:00` … `23:45:00`: the column of each step of the day."""
    return [f"{m // 60:02d}:{m % 60:02d}:00" for m in range(0, MINUTES_A_DAY, resolution_minutes)]


def empty_profiles(resolution_minutes: int) -> pd.DataFrame:
    """A profile table without rows."""
    table = pd.DataFrame(np.empty((0, MINUTES_A_DAY // resolution_minutes)), columns=step_columns(resolution_minutes))
    table.insert(0, "id", pd.Series(dtype="str"))
    table.insert(1, "date", pd.Series(dtype="str"))
    return table


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
    local = _local_microseconds(readings["timestamp_utc"], timezone)
    first_day = local.min() // _DAY
    day_of = local // _DAY - first_day
    energy = readings["energy_kwh"].to_numpy(dtype=np.float64)
    per_day = MINUTES_A_DAY // step_minutes
    sizes = np.bincount(day_of)
    days = (np.arange(len(sizes)) + first_day).astype("datetime64[D]")
    unknown = np.bincount(day_of[np.isnan(energy)], minlength=len(days)) > 0
    expected = _intervals_of_days(pd.DatetimeIndex(days), step_minutes, timezone)
    from_midnight = np.bincount(day_of[local % _DAY < _MINUTE], minlength=len(days)) > 0
    whole = (sizes == expected) & ~unknown & from_midnight
    keep = whole & (expected == per_day)
    outcome = Counter({"profile": int(keep.sum()), "incomplete": int((~whole & (sizes > 0)).sum())})
    outcome["dst_day"] = int((whole & ~keep).sum())

    shape = (int(keep.sum()), MINUTES_A_DAY // resolution_minutes, resolution_minutes // step_minutes)
    values = energy[keep[day_of]].reshape(shape).sum(axis=2)
    profiles = pd.DataFrame(values, columns=step_columns(resolution_minutes))
    profiles.insert(0, "id", readings["meter_id"].iloc[0])
    profiles.insert(1, "date", pd.Series(np.datetime_as_string(days[keep], unit="D"), dtype="str"))
    return profiles, +outcome


_MINUTE = 60_000_000
_DAY = MINUTES_A_DAY * _MINUTE


def _local_microseconds(timestamps_utc: pd.Series, timezone: str) -> npt.NDArray[np.int64]:
    """What a clock in `timezone` shows, in microseconds since it showed the first moment of 1970."""
    local = pd.DatetimeIndex(timestamps_utc).tz_convert(timezone).tz_localize(None)
    return local.as_unit("us").asi8


def _intervals_of_days(days: pd.DatetimeIndex, step_minutes: int, timezone: str) -> npt.NDArray[np.int64]:
    """How many intervals each local day has: not all have 24 hours."""
    first = np.ones(len(days), dtype=np.bool_)  # where midnight comes twice, the day starts at the first
    starts, ends = (
        day.tz_localize(timezone, ambiguous=first, nonexistent="shift_forward")
        for day in (days, days + pd.Timedelta(days=1))
    )
    return np.asarray((ends - starts) // pd.Timedelta(minutes=step_minutes), dtype=np.int64)


def write_profiles(profiles: pd.DataFrame, path: Path) -> Path:
    """Write a profile table to a `.csv` or `.parquet` file, whole or not at all.

    The text is that of `write_table`, in less than half of its time.
    """
    if path.suffix.lower() != ".csv":
        return write_table(profiles, path)
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        stream.write(",".join(profiles.columns) + "\n")
        # some rows at a time: as objects they take many times their memory
        for start in range(0, len(profiles), _ROWS_AT_ONCE):
            stream.writelines(_csv_lines(profiles.iloc[start : start + _ROWS_AT_ONCE]))
    return path


def _csv_lines(profiles: pd.DataFrame) -> Iterator[str]:
    keys = io.StringIO()
    csv.writer(keys, lineterminator="\0").writerows(profiles[list(KEYS)].itertuples(index=False))
    # the numbers need no quoting, and Python writes a whole list of them at once
    for key, values in zip(keys.getvalue().split("\0"), values_of(profiles).tolist(), strict=False):
        yield f"{key},{str(values)[1:-1].replace(' ', '')}\n"


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
