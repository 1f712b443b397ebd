"""The new MongoDB: one document a meter, day and quantity, with one field a time of day.

`load_newmongo` brings its documents into one table, from the live database or from an export folder;
`etl_newmongo` reads that table. Energies are in kWh, days and times of day are local.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from bson import json_util
from bson.errors import BSONError

from loadprofiles.errors import InputError
from loadprofiles.sources.common import (
    Job,
    Layout,
    Meters,
    check_not_utf16,
    check_utf8,
    files_in,
    finite,
    localise,
    numbers_of,
    parse_local,
    raw_meter,
    read_blocks,
    read_rows,
    shown,
    to_numbers,
)
from loadprofiles.sources.documents import KEYS, NET_ENERGY, TIME_OF_DAY
from loadprofiles.sources.split import buckets_for, split_by_meter
from loadprofiles.tables import check_suffix, first_line, require_columns

_LAYOUT: Final = Layout(KEYS, (), optional=TIME_OF_DAY.fullmatch)
_BLOCK_BYTES: Final = 16 * 1024 * 1024
_BATCH_ROWS: Final = 16_384
_NOT_A_DOCUMENT: Final = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    BSONError,
)
"""What `json_util` raises on JSON that is none, or is no extended JSON where it claims to be."""


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
    empty = True
    offset = 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                check_not_utf16(path, line if number == 1 else b"")
                check_utf8(path, line, number, offset)
                offset += len(line)
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
                if text.strip():
                    empty = False
                    yield _document(text, f"{path}, line {number}")
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or first_line(error)}") from error
    if empty:
        raise InputError(f"{path}: no document in it; export it again, or move it away")


def _document(line: str, where: str) -> dict[str, Any]:
    try:
        document = json_util.loads(line)
    except _NOT_A_DOCUMENT as error:
        raise InputError(f"{where}: not a document: {first_line(error)}") from error
    if not isinstance(document, dict):
        hint = "; export without --jsonArray" if isinstance(document, list) else ""
        raise InputError(f"{where}: not a document: {shown(line.strip())} is no JSON object{hint}")
    absent = [key for key in KEYS if key not in document]
    if absent:
        raise InputError(f"{where}: field {', '.join(map(repr, absent))} is missing")
    return document


def jobs(path: Path, timezone: str, workspace: Path) -> list[Job]:
    """Jobs that together read the table that `load_newmongo` wrote, each some meters in the order of their ids.

    A large table is first distributed over files in `workspace`, batch by batch, so that neither that nor a
    job ever holds more than some hundred megabytes.

    Args:
        path: As in `read`.
        timezone: As in `read`.
        workspace: A folder for those files.

    Raises:
        InputError: As `read`.
    """
    _check_file(path)
    size = path.stat().st_size
    buckets = buckets_for(size)
    if buckets == 1:
        return [Job(str(path), partial(read, path, timezone), size)]
    files = split_by_meter(_batches(path), workspace / "newmongo_by_meter", buckets)
    return [
        Job(f"{path}, part {file.stem}", partial(_read_part, file, path, timezone), file.stat().st_size)
        for file in files
    ]


def _read_part(part: Path, path: Path, timezone: str) -> Meters:
    return _read_meters(pd.read_parquet(part), path, timezone)


def read(path: Path, timezone: str) -> Meters:
    """Read the table that `load_newmongo` wrote, meter by meter in the order of their ids.

    Args:
        path: `newmongo.csv` or `.parquet`: `id, date, energy_type` and one column a time of day.
        timezone: IANA name of the zone of its days.

    Raises:
        InputError: It cannot be read, lacks a column, has no column that is a time of day, or a row without
            an id or of another width than the header.
    """
    _check_file(path)
    yield from _read_meters(pd.concat(_batches(path), ignore_index=True), path, timezone)


def _check_file(path: Path) -> None:
    check_suffix(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")


def _batches(path: Path) -> Iterator[pd.DataFrame]:
    """The table piece by piece: KEYS as text, the line of the file, the energies of each time of day.

    An energy is NaN where there is none, and infinite where there is something that is no number.
    """
    for table in _csv_batches(path) if path.suffix.lower() == ".csv" else _parquet_batches(path):
        if not _time_columns(table):
            raise InputError(f"{path}: no column is a time of day like 00:15:00")
        without_id = table["id"].isna().to_numpy()
        if without_id.any():
            raise InputError(f"{path}: {_line(table['line'].iloc[without_id.argmax()])}a row without an id")
        yield table


def _csv_batches(path: Path) -> Iterator[pd.DataFrame]:
    for cells in read_blocks(path, _LAYOUT, _BLOCK_BYTES):
        if cells.ragged:
            raise InputError(f"{path}: cannot be read as a table: {cells.first_ragged}")
        keys = {key: pd.Series(cells.text[key].to_pandas(), dtype="str") for key in KEYS}
        yield pd.DataFrame(keys | {"line": cells.lines} | cells.numbers)


def _parquet_batches(path: Path) -> Iterator[pd.DataFrame]:
    try:
        with pq.ParquetFile(path) as file:
            names = pd.DataFrame(columns=file.schema_arrow.names)
            require_columns(names, KEYS, path)
            columns = [*KEYS, *_time_columns(names)]
            yield _from_arrow(file.schema_arrow.empty_table().select(columns))
            for batch in file.iter_batches(_BATCH_ROWS, columns=columns):
                yield _from_arrow(pa.Table.from_batches([batch]))
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path}: cannot be read as a table: {first_line(error)}") from error


def _from_arrow(table: pa.Table) -> pd.DataFrame:
    """A batch of a Parquet file, which has no lines: they are 0."""
    keys = {key: pd.Series(table.column(key).cast(pa.string()).to_pandas(), dtype="str") for key in KEYS}
    times = {name: _energies(table.column(name)) for name in table.column_names if name not in KEYS}
    return pd.DataFrame(keys | {"line": np.zeros(len(table), dtype=np.int64)} | times)


def _energies(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    numeric = pa.types.is_floating(column.type) or pa.types.is_integer(column.type) or pa.types.is_null(column.type)
    if numeric:
        return np.asarray(column.cast(pa.float64()).to_numpy())
    return numbers_of(column.cast(pa.string()))


def _line(number: int) -> str:
    return f"line {number}: " if number else ""


def _read_meters(table: pd.DataFrame, path: Path, timezone: str) -> Meters:
    """The meters of a table such as `_batches` yields, in the order of their ids."""
    times = sorted(_time_columns(table))
    table = table.sort_values(["id", "date"], kind="stable", ignore_index=True)
    days = _Days(table["date"], times, timezone)
    energies = table[times].to_numpy(dtype=np.float64)
    wanted = (table["energy_type"] == NET_ENERGY).to_numpy(dtype=np.bool_)
    starts = np.flatnonzero((table["id"] != table["id"].shift()).to_numpy(dtype=np.bool_))
    for documents in np.split(np.arange(len(table)), starts[1:]) if len(table) else []:
        chosen = documents[wanted[documents]]
        present = ~np.isnan(energies[chosen])
        rows = pd.DataFrame({"timestamp_utc": days.stamps(chosen, present), "energy_kwh": energies[chosen][present]})
        rows["energy_kwh"] = finite(rows["energy_kwh"].to_numpy())
        others = len(documents) - len(chosen)

        def place(row: int, chosen: npt.NDArray[np.int64] = chosen, present: npt.NDArray[np.bool_] = present) -> str:
            document, time = np.argwhere(present)[row]
            return _why_not(table.loc[chosen[document]], times[time])

        raw = raw_meter(table["id"].iloc[documents[0]], path, rows, ["energy_kwh"], len(rows) + others, place)
        if others:
            first = table.loc[documents[~wanted[documents]][0]]
            raw.dropped["other_quantity"] = others
            quantity = shown(str(first["energy_type"]))
            raw.where["other_quantity"] = f"{_line(int(first['line']))}{quantity} in energy_type"
        yield raw


def _why_not(document: pd.Series, time: str) -> str:
    if np.isinf(document[time]):
        return f"{_line(document['line'])}no number in {time} of {document['date']}"
    return f"{_line(document['line'])}{shown(str(document['date']))} {time} is no local time"


class _Days:
    """The moments of all times of day on the dates of a table, each computed once."""

    def __init__(self, dates: pd.Series, times: list[str], timezone: str) -> None:
        self._timezone = timezone
        self._date_of, distinct = pd.factorize(dates)
        # the last day is that of a row without a date
        starts = parse_local(pd.Series([*distinct, None], dtype="str") + "T00:00:00")
        offsets = pd.to_timedelta(pd.Series(times)).to_numpy(dtype="timedelta64[us]")
        self._local = starts.to_numpy(dtype="datetime64[us]")[:, None] + offsets
        # each date comes once here, so that of an hour shown twice this is the first, as it is in one document
        utc = localise(pd.Series(self._local.ravel()), timezone).dt.tz_localize(None)
        self._utc = utc.to_numpy(dtype="datetime64[us]").reshape(self._local.shape)

    def stamps(self, documents: npt.NDArray[np.int64], present: npt.NDArray[np.bool_]) -> pd.Series:
        """The stamps of the energies `present`, shape (documents, times), of documents of one meter."""
        dates = self._date_of[documents]
        if len(np.unique(dates)) < len(dates):
            return localise(pd.Series(self._local[dates][present]), self._timezone)
        return pd.Series(self._utc[dates][present]).dt.tz_localize("UTC")
