"""The documents of the new MongoDB as one table: what `load_newmongo` writes and `etl_newmongo` reads.

A document holds one meter, day and quantity: `id`, `date` (`YYYY-MM-DD`), `energy_type`, and the energy of
each interval, in kWh, in a field named by the interval's local start (`00:00:00`, `00:15:00`, …). The table
has the same columns, one row a document.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pandas as pd
from bson import Decimal128

from loadprofiles.errors import EmptyResultError, InputError
from loadprofiles.tables import check_suffix, write_table

KEYS: Final = ("id", "date", "energy_type")
NET_ENERGY: Final = "active_sum"
TIME_OF_DAY: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d")

_CHUNK_ROWS: Final = 10_000
_NAMES_SHOWN: Final = 10


@dataclass(frozen=True)
class ExportCounts:
    """What `write_export` took, wrote and left out.

    Attributes:
        documents: Documents taken.
        written: Rows written.
        duplicates: Documents left out because a later one has the same id, date and energy type.
        without_key: Documents left out because they lack an id, a date or an energy type.
        stray_fields: Names of fields that are neither a key nor a time of day, and were left out.
        unreadable_values: Values of a time of day that are no finite number, and were left empty.
        stray_names: Those names, sorted.
        first_unreadable: The first of those values, and where it was.
    """

    documents: int
    written: int
    duplicates: int
    without_key: int
    stray_fields: int
    unreadable_values: int
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


def write_export(documents: Iterable[Mapping[str, Any]], path: str | Path) -> ExportCounts:
    """Write documents as the export of the new MongoDB: `id, date, energy_type`, one column a time of day.

    Rows are sorted by their keys. The keys are text, energies are floats in kWh; a value that is no
    finite number is left empty. Of documents with equal keys the last one counts. The file appears
    under its name when it is complete.

    Args:
        documents: Documents in the order of their `_id`, such as `iter_documents` yields.
        path: Where to write; `.csv` or `.parquet`. Its folder is made if need be.

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
    frames = list(rows.frames(documents))
    if not frames:
        raise EmptyResultError(
            f"nothing to write to {path}: {rows.documents} documents came, none with {', '.join(KEYS)}"
        )
    table = pd.concat(frames, ignore_index=True)
    times = sorted(table.columns.difference(list(KEYS)))
    if not times:
        raise EmptyResultError(
            f"nothing to write to {path}: none of {rows.documents} documents has a field such as 00:15:00"
        )
    repeated = table.duplicated(list(KEYS), keep="last")
    table = table.loc[~repeated, [*KEYS, *times]].sort_values(list(KEYS), ignore_index=True)
    try:
        write_table(table, path)
    except OSError as error:
        raise InputError(f"cannot write {path} ({error.strerror}): choose another path or free it") from None
    return ExportCounts(
        documents=rows.documents,
        written=len(table),
        duplicates=int(repeated.sum()),
        without_key=rows.without_key,
        stray_fields=len(rows.stray),
        unreadable_values=rows.unreadable,
        stray_names=tuple(sorted(rows.stray)),
        first_unreadable=rows.first_unreadable,
    )


class _Rows:
    """Turns documents into rows and keeps count of what it leaves out."""

    def __init__(self) -> None:
        self.documents = 0
        self.without_key = 0
        self.unreadable = 0
        self.first_unreadable = ""
        self.stray: set[str] = set()

    def frames(self, documents: Iterable[Mapping[str, Any]]) -> Iterator[pd.DataFrame]:
        """Rows in frames of at most `_CHUNK_ROWS`; a frame takes a tenth of the memory of its documents."""
        rows = filter(None, map(self._row, documents))
        while chunk := list(islice(rows, _CHUNK_ROWS)):
            frame = pd.DataFrame.from_records(chunk)
            yield frame.astype({name: "str" if name in KEYS else "float64" for name in frame.columns})

    def _row(self, document: Mapping[str, Any]) -> dict[str, Any] | None:
        self.documents += 1
        if any(document.get(key) is None for key in KEYS):
            self.without_key += 1
            return None
        row: dict[str, Any] = {key: _text(document[key]) for key in KEYS}
        for field in document.keys() - {"_id", *KEYS}:
            if TIME_OF_DAY.fullmatch(field):
                row[field] = self._energy(document, field)
            else:
                self.stray.add(field)
        return row

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
