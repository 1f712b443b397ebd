"""The documents of the new MongoDB as one table: what `load_newmongo` writes and `etl_newmongo` reads.

A document holds one meter, day and quantity: `id`, `date` (`YYYY-MM-DD`), `energy_type`, and the energy of
each interval, in kWh, in a field named by the interval's local start (`00:00:00`, `00:15:00`, …). The table
has the same columns, one row a document.
"""

import csv
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from bson import Decimal128

from loadprofiles.errors import EmptyResultError, InputError
from loadprofiles.tables import atomic_path, check_suffix, first_line

KEYS: Final = ("id", "date", "energy_type")
NET_ENERGY: Final = "active_sum"
TIME_OF_DAY: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d")

_CHUNK_ROWS: Final = 10_000
_WRITTEN_ROWS: Final = 50_000
_NAMES_SHOWN: Final = 10
_TEXT: Final = pa.large_string()


@dataclass(frozen=True)
class ExportCounts:
    """What `write_export` took, wrote and left out.

    Attributes:
        documents: Documents taken.
        written: Rows written; the sum of `kept`, `new` and `replaced`.
        duplicates: Documents left out because a later one has the same id, date and energy type.
        without_key: Documents left out because they lack an id, a date or an energy type.
        stray_fields: Names of fields that are neither a key nor a time of day, and were left out.
        unreadable_values: Values of a time of day that are no finite number, and were left empty.
        kept: Rows of the earlier table written as they were.
        new: Rows of which the earlier table has no such key.
        replaced: Rows that differ from those of the earlier table with the same key.
        stray_names: Names of the stray fields, sorted.
        first_unreadable: The first of the unreadable values, and where it was.
    """

    documents: int
    written: int
    duplicates: int
    without_key: int
    stray_fields: int
    unreadable_values: int
    kept: int = 0
    new: int = 0
    replaced: int = 0
    stray_names: tuple[str, ...] = ()
    first_unreadable: str = ""

    def notes(self) -> list[str]:
        """What was left out and why, a line each."""
        lines = {
            f"{self.duplicates} documents left out: a later one has the same {', '.join(KEYS)}": self.duplicates,
            f"{self.without_key} documents left out: they lack one of {', '.join(KEYS)}": self.without_key,
            f"{self.stray_fields} stray fields left out: {listed(self.stray_names)}": self.stray_fields,
            f"{self.unreadable_values} values that are no numbers left empty, the first: {self.first_unreadable}": (
                self.unreadable_values
            ),
        }
        return [line for line, count in lines.items() if count]


def write_export(
    documents: Iterable[Mapping[str, Any]], path: str | Path, earlier: pa.Table | None = None
) -> ExportCounts:
    """Write documents as the export of the new MongoDB: `id, date, energy_type`, one column a time of day.

    Rows are sorted by their keys. The keys are text, energies are floats in kWh; a value that is no
    finite number is left empty. Of documents with equal keys the last one counts, and any document more
    than a row of the earlier table. The file appears under its name when it is complete.

    Args:
        documents: Documents in the order of their `_id`, such as `iter_documents` yields.
        path: Where to write; `.csv` or `.parquet`. Its folder is made if need be.
        earlier: The table of an earlier load, as `read_earlier` reads it, to merge the documents into.

    Returns:
        How many documents were taken and written, and what was left out.

    Raises:
        ParameterError: The suffix is neither `.csv` nor `.parquet`.
        EmptyResultError: There is no document with its keys, or no field that is a time of day.
        InputError: The file cannot be written.
    """
    path = Path(path)
    check_suffix(path)
    rows = _Rows()
    tables = [*([] if earlier is None else [earlier]), *rows.tables(documents)]
    if not any(table.num_rows for table in tables):
        raise EmptyResultError(
            f"nothing to write to {path}: {rows.documents} documents came, none with {', '.join(KEYS)}"
        )
    table = pa.concat_tables(tables, promote_options="default")
    times = sorted(set(table.column_names) - set(KEYS))
    if not times:
        raise EmptyResultError(
            f"nothing to write to {path}: none of {rows.documents} documents has a field such as 00:15:00"
        )
    merged = _Merged(table.select([*KEYS, *times]), earlier.num_rows if earlier is not None else 0)
    try:
        merged.write(path)
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}): choose another path or free it") from None
    new, replaced = merged.changes()
    return ExportCounts(
        documents=rows.documents,
        written=len(merged.order),
        duplicates=merged.superseded,
        without_key=rows.without_key,
        stray_fields=len(rows.stray),
        unreadable_values=rows.unreadable,
        kept=len(merged.order) - new - replaced,
        new=new,
        replaced=replaced,
        stray_names=tuple(sorted(rows.stray)),
        first_unreadable=rows.first_unreadable,
    )


def read_earlier(path: Path) -> pa.Table:
    """Read a table that `write_export` wrote, each number as it was.

    Returns:
        The keys as text and one float column a time of day, in kWh; no rows and columns if it has no rows.

    Raises:
        InputError: It is not there, or damaged, or of another layout.
    """
    check_suffix(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file, but it should be the table of an earlier load")
    try:
        table = _read_csv(path) if path.suffix.lower() == ".csv" else pq.read_table(path)
        names = table.column_names
        others = [name for name in names if is_stray(name)]
        absent = [key for key in KEYS if key not in names]
        if others or absent or len(names) <= len(KEYS):
            raise ValueError(f"its columns are {listed(names)}")
        types = pa.schema([(name, _TEXT if name in KEYS else pa.float64()) for name in names])
        table = table.replace_schema_metadata(None).cast(types)
        if any(table[key].null_count for key in KEYS):
            raise ValueError(f"a row lacks one of {', '.join(KEYS)}")
    except (pa.ArrowException, ValueError, OSError) as error:
        raise InputError(
            f"{path} is no table of an earlier load ({first_line(error)}): "
            "delete it, or leave correction_days empty to read everything anew"
        ) from error
    return table


def last_days(earlier: pa.Table, until: date) -> dict[str, date]:
    """The last day of each meter's net energy in an earlier table.

    Days after `until`, when the table was made, come from a clock that was wrong: they do not tell how far
    the meter had been read. Meters without another day are left out.
    """
    keys = earlier.select(list(KEYS)).to_pandas()
    keys = keys[keys["energy_type"] == NET_ENERGY]
    days = pd.to_datetime(keys["date"].str.slice(0, 10), format="%Y-%m-%d", errors="coerce")
    known = days[days <= pd.Timestamp(until)]
    return {str(meter): day.date() for meter, day in known.groupby(keys["id"]).max().items()}


def is_stray(field: str) -> bool:
    """Whether a field is neither `_id`, nor a key, nor a time of day."""
    return field not in {"_id", *KEYS} and not TIME_OF_DAY.fullmatch(field)


def _read_csv(path: Path) -> pa.Table:
    with path.open(encoding="utf-8", newline="") as lines:
        names = next(csv.reader(lines), [])
    if not names:
        raise ValueError("it is empty")
    with path.open("rb") as stream:
        stream.seek(-1, os.SEEK_END)
        if stream.read(1) != b"\n":
            raise ValueError("it ends within a line")
    return pacsv.read_csv(
        path,
        parse_options=pacsv.ParseOptions(newlines_in_values=True),
        convert_options=pacsv.ConvertOptions(
            column_types={name: _TEXT if name in KEYS else pa.float64() for name in names},
            null_values=[""],
            strings_can_be_null=False,
        ),
    )


class _Merged:
    """Rows of an earlier table and new ones after them, of which the last of equal keys counts.

    `order` are the positions of the rows that count, sorted by their keys; the table itself is never sorted
    or copied, so that memory holds it once.
    """

    def __init__(self, table: pa.Table, earlier_rows: int) -> None:
        self._table = table
        self._earlier_rows = earlier_rows
        self._keys = table.select(list(KEYS)).to_pandas()
        repeated = self._keys.duplicated(keep="last")
        self.superseded = int(repeated[earlier_rows:].sum())
        self.order = self._keys[~repeated].sort_values(list(KEYS)).index.to_numpy()

    def write(self, path: Path) -> None:
        with atomic_path(path) as temporary:
            if path.suffix.lower() == ".csv":
                self._write_csv(temporary)
            else:
                self._write_parquet(temporary)

    def changes(self) -> tuple[int, int]:
        """How many keys are new, and how many rows differ from the earlier one of their key."""
        rows = self._keys.reset_index(names="row")
        old = rows[: self._earlier_rows].drop_duplicates(list(KEYS), keep="last")
        new = rows.loc[self.order[self.order >= self._earlier_rows]]
        pairs = new.merge(old, on=list(KEYS), suffixes=("", "_before"))
        differ = 0
        for start in range(0, len(pairs), _WRITTEN_ROWS):
            part = pairs.iloc[start : start + _WRITTEN_ROWS]
            before, after = (self._energies(part[name].to_numpy()) for name in ("row_before", "row"))
            same = (before == after) | (np.isnan(before) & np.isnan(after))
            differ += int((~same.all(axis=1)).sum())
        return len(new) - len(pairs), differ

    def _energies(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        energies: npt.NDArray[np.float64] = self._table.drop_columns(list(KEYS)).take(rows).to_pandas().to_numpy()
        return energies

    def _frames(self) -> Iterator[pd.DataFrame]:
        for start in range(0, len(self.order), _WRITTEN_ROWS):
            yield self._table.take(self.order[start : start + _WRITTEN_ROWS]).to_pandas()

    def _write_csv(self, path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            for number, frame in enumerate(self._frames()):
                frame.to_csv(file, index=False, header=number == 0, lineterminator="\n")

    def _write_parquet(self, path: Path) -> None:
        schema = pa.Schema.from_pandas(self._table.slice(0, 1).to_pandas(), preserve_index=False)
        with pq.ParquetWriter(path, schema) as file:
            for frame in self._frames():
                file.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))


class _Rows:
    """Turns documents into rows and keeps count of what it leaves out."""

    def __init__(self) -> None:
        self.documents = 0
        self.without_key = 0
        self.unreadable = 0
        self.first_unreadable = ""
        self.stray: set[str] = set()
        self._times: dict[str, bool] = {}

    def tables(self, documents: Iterable[Mapping[str, Any]]) -> Iterator[pa.Table]:
        """Rows in tables of at most `_CHUNK_ROWS`; a table takes a tenth of the memory of its documents."""
        rows = filter(None, map(self._row, documents))
        while chunk := list(islice(rows, _CHUNK_ROWS)):
            names = list(dict.fromkeys(name for row in chunk for name in row))
            schema = pa.schema([(name, _TEXT if name in KEYS else pa.float64()) for name in names])
            yield pa.Table.from_pylist(chunk, schema=schema)

    def _row(self, document: Mapping[str, Any]) -> dict[str, Any] | None:
        self.documents += 1
        if any(document.get(key) is None for key in KEYS):
            self.without_key += 1
            return None
        row: dict[str, Any] = {key: _text(document[key]) for key in KEYS}
        times = self._times
        for field, value in document.items():
            if times.get(field) or self._is_time(field):
                # nearly all values: told apart here, as a call for each takes as long as all the rest
                usual = type(value) is float and -math.inf < value < math.inf
                row[field] = value if usual else self._energy(document, field)
        return row

    def _is_time(self, field: str) -> bool:
        if field not in self._times:
            self._times[field] = TIME_OF_DAY.fullmatch(field) is not None
            if is_stray(field):
                self.stray.add(field)
        return self._times[field]

    def _energy(self, document: Mapping[str, Any], field: str) -> float:
        value = document[field]
        if value is None:
            return math.nan
        energy = _number(value)
        if energy is None:
            self.unreadable += 1
            self.first_unreadable = self.first_unreadable or (
                f"{value!r} of meter {document['id']}, {document['date']} {field}"
            )
            return math.nan
        return energy


def _number(value: Any) -> float | None:
    """A number as a float (NaN stays), anything else as None; a truth value is no energy."""
    if isinstance(value, Decimal128):
        value = value.to_decimal()
    elif isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value)
    return None if math.isinf(number) else number


def _text(value: Any) -> str:
    """A key as text; a date that the database holds as a moment loses its midnight."""
    return value.date().isoformat() if isinstance(value, datetime) else str(value)


def listed(names: Iterable[str]) -> str:
    """Names in order, the first few of them."""
    ordered = sorted(names)
    more = len(ordered) - _NAMES_SHOWN
    return ", ".join(ordered[:_NAMES_SHOWN]) + (f" and {more} more" if more > 0 else "")
