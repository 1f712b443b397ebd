"""Readings to daily load profiles: one row a meter and local day, one column a step of the day."""

import csv
import io
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.compute as pc

from loadprofiles.errors import InputError, ParameterError
from loadprofiles.quality import MINUTES_A_DAY
from loadprofiles.tables import atomic_path, read_table, require_columns, validate, write_table

KEYS = ("id", "date")
_FOREIGN_COLUMNS = ("Unnamed: 0", "index")
"""Index columns that the earlier pipeline wrote beside the data."""

_ROWS_AT_ONCE = 4096

_TEXT_ALIKE = (1e-4, 1e9)
"""Between these, Python and pyarrow write a number that is not whole in the same way."""


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
    stamps = pd.DatetimeIndex(readings["timestamp_utc"]).as_unit("us")
    days, starts, expected = _local_days(stamps[0], stamps[-1], step_minutes, timezone)
    bounds = np.searchsorted(stamps.asi8, starts)
    sizes = np.diff(bounds)
    energy = readings["energy_kwh"].to_numpy(dtype=np.float64)
    unknown = np.diff(np.append(0, np.isnan(energy).cumsum())[bounds]) > 0
    first = stamps.asi8[np.minimum(bounds[:-1], len(stamps) - 1)]
    from_the_start = first - starts[:-1] < _MINUTE
    whole = (sizes == expected) & (sizes > 0) & ~unknown & from_the_start
    keep = whole & (expected == MINUTES_A_DAY // step_minutes)
    outcome = Counter({"profile": int(keep.sum()), "incomplete": int((~whole & (sizes > 0)).sum())})
    outcome["dst_day"] = int((whole & ~keep).sum())

    shape = (int(keep.sum()), MINUTES_A_DAY // resolution_minutes, resolution_minutes // step_minutes)
    values = energy[np.repeat(keep, sizes)].reshape(shape).sum(axis=2)
    profiles = pd.DataFrame(values, columns=step_columns(resolution_minutes))
    profiles.insert(0, "id", readings["meter_id"].iloc[0])
    profiles.insert(1, "date", pd.Series(np.datetime_as_string(days[keep], unit="D"), dtype="str"))
    return profiles, +outcome


def midnight_utc(day: date | str, timezone: str, days: int = 0) -> pd.Timestamp:
    """The first moment of a local day, or of the one `days` after it, in UTC."""
    local = pd.Timestamp(day) + pd.Timedelta(days=days)
    return local.tz_localize(timezone, ambiguous=True, nonexistent="shift_forward").tz_convert("UTC")


_MINUTE = 60_000_000


def _local_days(
    first: pd.Timestamp, last: pd.Timestamp, step_minutes: int, timezone: str
) -> tuple[npt.NDArray[np.datetime64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The local days from that of `first` to that of `last`: date, start, and number of intervals of each.

    The starts, in UTC microseconds, are one more than there are days: the last is where the last day ends.
    """
    dates = pd.date_range(
        first.tz_convert(timezone).tz_localize(None).normalize(),
        last.tz_convert(timezone).tz_localize(None).normalize() + pd.Timedelta(days=1),
        unit="us",
    )
    # where midnight comes twice, the day starts at the first; where it does not come, when the clock goes on
    earlier = np.ones(len(dates), dtype=np.bool_)
    starts = dates.tz_localize(timezone, ambiguous=earlier, nonexistent="shift_forward").asi8
    # a day that a zone has skipped is empty
    starts = np.minimum.accumulate(starts[::-1])[::-1]
    return dates[:-1].to_numpy(), starts, np.diff(starts) // (step_minutes * _MINUTE)


def write_profiles(profiles: pd.DataFrame, path: Path) -> Path:
    """Write a profile table to a `.csv` or `.parquet` file, whole or not at all.

    The text is that of `write_table`, in a fraction of its time.
    """
    if path.suffix.lower() != ".csv":
        return write_table(profiles, path)
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        stream.write((",".join(profiles.columns) + "\n").encode())
        # some rows at a time: as text they take many times their memory
        for start in range(0, len(profiles), _ROWS_AT_ONCE):
            stream.write(_csv_lines(profiles.iloc[start : start + _ROWS_AT_ONCE]))
    return path


def _csv_lines(profiles: pd.DataFrame) -> bytes:
    """The rows as CSV."""
    values = values_of(profiles)
    first = np.arange(0, values.size + 1, values.shape[1])
    numbers = pc.binary_join(arrow.ListArray.from_arrays(first.astype(np.int32), _as_text(values.ravel())), ",")
    lines = pc.binary_join_element_wise(_quoted(profiles["id"]), _quoted(profiles["date"]), numbers, ",")
    text: bytes = "\n".join([*lines.to_pylist(), ""]).encode()
    return text


def _as_text(values: npt.NDArray[np.float64]) -> arrow.StringArray:
    """The shortest text that says each value, as Python writes it."""
    size = np.abs(values)
    # of these pyarrow writes just that, in a sixth of the time
    alike = (size >= _TEXT_ALIKE[0]) & (size < _TEXT_ALIKE[1]) & (values != np.floor(values))
    text = pc.cast(arrow.array(values), arrow.string())
    if alike.all():
        return text
    return pc.replace_with_mask(text, arrow.array(~alike), arrow.array([repr(v) for v in values[~alike].tolist()]))


def _quoted(cells: pd.Series) -> arrow.Array:
    """Text cells, in quotation marks where CSV needs them."""
    codes, texts = pd.factorize(cells)
    lines = io.StringIO()
    # the csv module writes a line of one empty cell in another way
    csv.writer(lines, lineterminator="\0").writerows((text, "") for text in texts)
    quoted = [line[:-1] for line in lines.getvalue().split("\0")[:-1]]
    return arrow.array(quoted, arrow.string()).take(arrow.array(codes))


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
