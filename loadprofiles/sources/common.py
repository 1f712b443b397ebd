"""What all readers of files share: finding files, reading them with clear errors, stamps and numbers."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loadprofiles.errors import InputError
from loadprofiles.tables import first_line, require_columns
from loadprofiles.vee import RawMeter

_AWARE = r"(?:Z|[+-]\d\d:?\d\d)$"


def files_in(folder: Path, pattern: str, hint: str) -> list[Path]:
    """The files of `folder` that match `pattern`, sorted by name.

    Raises:
        InputError: The folder is not there, or holds no such file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; {hint}, or pass an empty value to leave the source out")
    files = sorted(folder.glob(pattern))
    if not files:
        raise InputError(f"{folder}: no {pattern} in it; {hint}, or pass an empty value to leave the source out")
    return files


def read_rows(path: Path, columns: tuple[str, ...] = (), **options: Any) -> pd.DataFrame:
    """Read a delimited text file, every cell as text.

    Raises:
        InputError: It cannot be read, is empty, or lacks one of `columns`.
    """
    try:
        rows: pd.DataFrame = pd.read_csv(path, dtype="str", keep_default_na=False, na_values=[""], **options)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {first_line(error)}") from error
    require_columns(rows, columns, path)
    return rows


def parse_stamps(stamps: pd.Series, timezone: str) -> pd.Series:
    """ISO stamps as UTC; those without an offset are local time of `timezone`.

    In the hour that clocks show twice, the first of two equal stamps is summer time. What is no stamp, or
    never was on a clock, becomes NaT.
    """
    aware = stamps.str.contains(_AWARE, na=False)
    utc = pd.to_datetime(stamps.where(aware), errors="coerce", format="ISO8601", utc=True)
    naive = pd.to_datetime(stamps.mask(aware), errors="coerce", format="ISO8601")
    summer = ~naive.duplicated().to_numpy()
    local = naive.dt.tz_localize(timezone, ambiguous=summer, nonexistent="NaT")
    return utc.fillna(local.dt.tz_convert("UTC")).astype("datetime64[us, UTC]")


def to_numbers(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """`rows` with `columns` as float64; what is no finite number becomes NaN."""
    numbers = {c: pd.to_numeric(rows[c], errors="coerce").astype("float64") for c in columns}
    numeric: pd.DataFrame = rows.assign(**numbers)
    return numeric.replace({c: [np.inf, -np.inf] for c in columns}, np.nan)


def raw_meter(meter_id: str, path: Path, rows: pd.DataFrame, needed: list[str], rows_read: int) -> RawMeter:
    """A RawMeter of the rows that have a stamp and all `needed` numbers; the others are counted."""
    unreadable = rows["timestamp_utc"].isna() | rows[needed].isna().any(axis=1)
    dropped = Counter({"unreadable": int(unreadable.sum())})
    return RawMeter(meter_id, str(path), rows[~unreadable].reset_index(drop=True), rows_read, +dropped)


Meters = Iterator[RawMeter]


@dataclass(frozen=True)
class Job:
    """A piece of a source that is read on its own, in whatever process: a file of one meter, or of a few.

    Attributes:
        origin: What to call it in messages: a file, a table.
        read: Reads it. It is sent to other processes, so it is a module's function or a `partial` of one, and
            holds no secret.
        size_bytes: Raw size, to judge whether more processes pay.
    """

    origin: str
    read: Callable[[], Iterable[RawMeter]]
    size_bytes: int = 0
