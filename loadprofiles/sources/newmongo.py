"""The new MongoDB: one document a meter, day and quantity, with one field a time of day.

`load_newmongo` brings its documents into one table, from the live database or from an export folder;
`etl_newmongo` reads that table. Energies are in kWh, days and times of day are local.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from bson import json_util
from bson.errors import BSONError

from loadprofiles.errors import InputError
from loadprofiles.sources.common import Meters, files_in, parse_stamps, raw_meter, read_rows, to_numbers
from loadprofiles.sources.documents import KEYS, NET_ENERGY, TIME_OF_DAY
from loadprofiles.tables import first_line, read_table, require_columns


def read_export(folder: Path) -> Iterator[dict[str, Any]]:
    """The documents of an export folder: `mongoexport`'s JSON lines (`.jsonl`, `.json`) or CSV files.

    Raises:
        InputError: The folder or a file cannot be read; the line is named.
    """
    for path in files_in(folder, "*.[jc]s*", "expected mongoexport's .jsonl, .json or .csv files"):
        if path.suffix == ".csv":
            rows = _with_numbers(read_rows(path, KEYS))
            yield from ({str(k): v for k, v in row.items()} for row in rows.to_dict("records"))
        else:
            yield from _read_lines(path)


def _with_numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of text with the times of day as numbers; what is none stays text, for the writer to count."""
    times = _time_columns(rows)
    numbers = to_numbers(rows, times)
    return rows.assign(**{c: numbers[c].astype("object").where(numbers[c].notna(), rows[c]) for c in times})


def _time_columns(table: pd.DataFrame) -> list[str]:
    return [str(c) for c in table.columns[table.columns.astype("str").str.fullmatch(TIME_OF_DAY)]]


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8-sig") as lines:
        try:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                document = json_util.loads(line)
                absent = [key for key in KEYS if key not in document]
                if absent:
                    raise InputError(f"{path}, line {number}: field {', '.join(map(repr, absent))} is missing")
                yield document
        except (ValueError, BSONError, TypeError) as error:
            raise InputError(f"{path}, line {number}: not a document: {first_line(error)}") from error


def read(path: Path, timezone: str) -> Meters:
    """Read the table that `load_newmongo` wrote.

    Args:
        path: `newmongo.csv` or `.parquet`: `id, date, energy_type` and one column a time of day.
        timezone: IANA name of the zone of its days.

    Raises:
        InputError: It cannot be read, lacks a column, or has no column that is a time of day.
    """
    table = read_table(path, text_columns=KEYS)
    require_columns(table, KEYS, path)
    times = _time_columns(table)
    if not times:
        raise InputError(f"{path}: no column is a time of day like 00:15:00")
    for meter_id, documents in table.groupby("id", sort=True):
        wanted = documents[documents["energy_type"] == NET_ENERGY]
        rows = wanted.melt(id_vars="date", value_vars=times, var_name="time", value_name="energy_kwh")
        rows = rows.dropna(subset=["energy_kwh"]).sort_values(["date", "time"], ignore_index=True)
        rows = to_numbers(rows, ["energy_kwh"])
        rows["timestamp_utc"] = parse_stamps(rows["date"] + "T" + rows["time"], timezone)
        rows_read = len(rows) + len(documents) - len(wanted)
        raw = raw_meter(str(meter_id), path, rows[["timestamp_utc", "energy_kwh"]], ["energy_kwh"], rows_read)
        raw.dropped["other_quantity"] = len(documents) - len(wanted)
        yield raw
