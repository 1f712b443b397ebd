"""The Readings table: one row an interval of one meter, checked where it crosses a boundary.

On disk it is a folder of Parquet parts, each of some meters and a row group a meter, which together are sorted
as one table is; `pandas.read_parquet` of the folder reads them all. `read_readings` checks what it reads, and reads
only the meters asked for; `open_readings` gives them one at a time, whatever the size of the whole.
"""

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loadprofiles.errors import InputError
from loadprofiles.tables import atomic_path, first_line, require_columns, validate

MEASURED = "measured"
EDITED_SCALE = "edited_scale"
EDITED_RESET = "edited_reset"
ESTIMATED_INTERPOLATED = "estimated_interpolated"
ESTIMATED_NIGHT_ZERO = "estimated_night_zero"
ESTIMATED_LIKE_DAY = "estimated_like_day"
REJECTED_OUTLIER = "rejected_outlier"
REJECTED_REGISTER = "rejected_register"
MISSING = "missing"

QUALITY = (
    MEASURED,
    EDITED_SCALE,
    EDITED_RESET,
    ESTIMATED_INTERPOLATED,
    ESTIMATED_NIGHT_ZERO,
    ESTIMATED_LIKE_DAY,
    REJECTED_OUTLIER,
    REJECTED_REGISTER,
    MISSING,
)
"""Why a reading is what it is; see DESIGN.md, section 4."""

WITHOUT_ENERGY = (REJECTED_OUTLIER, REJECTED_REGISTER, MISSING)
"""The qualities of a reading whose energy is not known."""

QUALITY_DTYPE = pd.CategoricalDtype(list(QUALITY))
TIMESTAMP_DTYPE = pd.DatetimeTZDtype("us", "UTC")
_FLOAT = np.dtype(np.float64)
_DTYPES: dict[str, Any] = {
    "meter_id": pd.StringDtype(na_value=np.nan),
    "timestamp_utc": TIMESTAMP_DTYPE,
    "energy_kwh": _FLOAT,
    "quality": QUALITY_DTYPE,
    "energy_kwh_raw": _FLOAT,
}
_OPTIONAL = re.compile(r"reactive_energy_kvarh|voltage_.*_v")
_NO_READINGS = "not a Readings table"


_ENERGY_KNOWN = np.array([name not in WITHOUT_ENERGY for name in QUALITY])


def _energy_matches_quality(table: pd.DataFrame) -> bool:
    codes = table["quality"].cat.codes.to_numpy()
    return bool((table["energy_kwh"].notna().to_numpy() == _ENERGY_KNOWN[codes])[codes >= 0].all())


def _ordered(table: pd.DataFrame) -> bool:
    """Sorted by meter and time, no interval of a meter twice."""
    first = _first_rows(table)
    forwards = np.diff(pd.DatetimeIndex(table["timestamp_utc"]).asi8) > 0
    forwards[first[1:] - 1] = True
    names = table["meter_id"].iloc[first].tolist()
    return bool(forwards.all()) and all(one < next_one for one, next_one in pairwise(names))


def _first_rows(table: pd.DataFrame) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Where each run of rows of one meter begins."""
    names = table["meter_id"]
    return np.flatnonzero(~names.eq(names.shift()).to_numpy(dtype=bool))


SCHEMA = pa.DataFrameSchema(
    {
        "meter_id": pa.Column(str),
        "timestamp_utc": pa.Column(TIMESTAMP_DTYPE),
        "energy_kwh": pa.Column(float, nullable=True),
        "quality": pa.Column(QUALITY_DTYPE),
        # what the source said, in the source's own unit: a correction can be checked and undone
        "energy_kwh_raw": pa.Column(float, nullable=True),
        "reactive_energy_kvarh": pa.Column(float, nullable=True, required=False),
        r"^voltage_.*_v$": pa.Column(float, nullable=True, required=False, regex=True),
    },
    checks=[
        pa.Check(_energy_matches_quality, error="energy is unknown exactly where quality says so"),
        pa.Check(_ordered, error="sorted by meter and time, each interval once"),
        pa.Check(lambda table: "" not in set(table["meter_id"].iloc[_first_rows(table)]), error="a meter has a name"),
    ],
    strict=True,
)


def check_readings(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table` if it keeps the Readings contract.

    Raises:
        InputError: A column is missing, of another type, or a rule of the contract is broken.
    """
    return validate(table, SCHEMA, _NO_READINGS)


_REQUIRED = {
    "meter_id": arrow.large_string(),
    "timestamp_utc": arrow.timestamp("us", "UTC"),
    "energy_kwh": arrow.float64(),
    "quality": arrow.dictionary(arrow.int8(), arrow.string()),
    "energy_kwh_raw": arrow.float64(),
}
_GROUPS_A_PART = 32


@dataclass(frozen=True)
class Part:
    """A Parquet file of some meters' readings.

    Attributes:
        path: The file.
        meters: The meter of each of its row groups, in ascending order.
        optional: Its columns beyond those every Readings table has, in ascending order.
    """

    path: Path
    meters: tuple[str, ...]
    optional: tuple[str, ...]


def write_part(tables: Iterable[pd.DataFrame], path: Path) -> Part | None:
    """Check the readings of some meters and write them, whole or not at all.

    Args:
        tables: Readings, each of one meter; columns that only some have are empty for the others.
        path: The Parquet file to write.

    Returns:
        The part; None where there is no reading.

    Raises:
        InputError: The readings break the contract.
    """
    by_name = sorted((t for t in tables if len(t)), key=lambda table: str(table["meter_id"].iloc[0]))
    if not by_name:
        return None
    meters = tuple(str(table["meter_id"].iloc[0]) for table in by_name)
    ascending = all(one < other for one, other in pairwise(meters))
    if not (ascending and all(map(_keeps_contract, by_name))):
        # the schema takes many times as long, and tells what is wrong
        check_readings(pd.concat(by_name, ignore_index=True))
    optional = tuple(sorted({str(name) for table in by_name for name in table.columns} - set(_REQUIRED)))
    with atomic_path(path) as temporary, _writer(temporary, _schema(optional)) as writer:
        for table in by_name:
            writer.write_table(_to_arrow(table, optional), row_group_size=len(table))
    return Part(path, meters, optional)


def _keeps_contract(table: pd.DataFrame) -> bool:
    """Whether the readings of one meter certainly keep the contract; a table of which this is false may do so too."""
    types = dict(table.dtypes)
    expected = dict.fromkeys(types, _FLOAT) | _DTYPES
    if types != expected or not all(_OPTIONAL.fullmatch(name) for name in types.keys() - _DTYPES.keys()):
        return False
    codes = table["quality"].cat.codes.to_numpy()
    names = arrow.array(table["meter_id"].array)
    moments = pd.DatetimeIndex(table["timestamp_utc"])
    return bool(
        names[0].as_py()
        and pc.all(pc.equal(names, names[0]), skip_nulls=False).as_py()
        and not pd.isna(moments[0])
        and (np.diff(moments.asi8) > 0).all()
        and codes.min() >= 0
        and _energy_matches_quality(table)
    )


def _to_arrow(table: pd.DataFrame, optional: tuple[str, ...]) -> arrow.Table:
    # column by column, without pandas' metadata: parts then have one schema whatever they were made from
    numbers = ("energy_kwh", "energy_kwh_raw", *optional)
    columns = {
        name: arrow.array(table[name].to_numpy(dtype=np.float64), from_pandas=True)
        if name in table
        else arrow.nulls(len(table), arrow.float64())
        for name in numbers
    }
    columns["meter_id"] = arrow.array(table["meter_id"].array, _REQUIRED["meter_id"])
    columns["timestamp_utc"] = arrow.array(pd.DatetimeIndex(table["timestamp_utc"]).asi8).cast(
        _REQUIRED["timestamp_utc"]
    )
    codes = arrow.array(table["quality"].cat.codes.to_numpy())
    columns["quality"] = arrow.DictionaryArray.from_arrays(codes, arrow.array(QUALITY, arrow.string()))
    schema = _schema(optional)
    return arrow.table([columns[name] for name in schema.names], schema=schema)


def _schema(optional: Iterable[str]) -> arrow.Schema:
    return arrow.schema(_REQUIRED | dict.fromkeys(optional, arrow.float64()))


def _writer(path: Path, schema: arrow.Schema) -> pq.ParquetWriter:
    return pq.ParquetWriter(
        path,
        schema,
        # voltages come in tenths of a volt; energies hardly repeat
        use_dictionary=[name for name in schema.names if name not in ("timestamp_utc", "energy_kwh", "energy_kwh_raw")],
        column_encoding={"timestamp_utc": "DELTA_BINARY_PACKED"},
        # what rows are looked up by; of the numbers, smallest and largest help nobody and take a fifth of the time
        write_statistics=["meter_id", "timestamp_utc"],
    )


def join_parts(parts: list[Part], folder: Path) -> Path:
    """Bring parts into one folder, as one Readings table in the order of its meters.

    Parts that follow on one another, with the same columns, are only renamed; else their row groups are
    copied, one at a time.

    Args:
        parts: The parts, on the file system of `folder`, no meter in two of them; they are used up.
        folder: The folder to make; what stood there is replaced.
    """
    parts = sorted(parts, key=lambda part: part.meters)
    meters = [(name, part.path, group) for part in parts for group, name in enumerate(part.meters)]
    in_order = all(one[0] < other[0] for one, other in pairwise(meters))
    with _new_folder(folder) as new:
        if in_order and len({part.optional for part in parts}) <= 1:
            for number, part in enumerate(parts):
                part.path.rename(new / _part_name(number))
        else:
            optional = sorted({name for part in parts for name in part.optional})
            _copy_groups(sorted(meters), _schema(optional), new)
    return folder


def _part_name(number: int) -> str:
    return f"part-{number:05d}.parquet"


@contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that replaces `folder` if the block ends well, and is removed if not."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as temporary:
        new = Path(temporary) / folder.name
        new.mkdir()
        yield new
        if folder.is_dir():
            shutil.rmtree(folder)
        folder.unlink(missing_ok=True)
        new.rename(folder)


def _copy_groups(groups: list[tuple[str, Path, int]], schema: arrow.Schema, folder: Path) -> None:
    """Write row groups of other parts, given as meter, file and number, into parts of `folder`, in that order."""
    read = (pq.ParquetFile(path).read_row_group(group) for _, path, group in groups)
    _write_groups((_with_columns(rows, schema.names) for rows in read), schema, folder)


def _with_columns(rows: arrow.Table, names: Iterable[str]) -> arrow.Table:
    """`rows` with just these columns, empty where it has none of that name."""
    for name in names:
        if name not in rows.column_names:
            rows = rows.append_column(name, arrow.nulls(len(rows), arrow.float64()))
    return rows.select(list(names))


def _write_groups(groups: Iterable[arrow.Table], schema: arrow.Schema, folder: Path) -> None:
    """Write each table as a row group into parts of `folder`, one in memory at a time."""
    for number, some in groupby(enumerate(groups), key=lambda item: item[0] // _GROUPS_A_PART):
        with _writer(folder / _part_name(number), schema) as writer:
            for _, rows in some:
                writer.write_table(rows, row_group_size=len(rows))


def write_readings(tables: Iterable[pd.DataFrame], optional: Iterable[str], folder: Path) -> Path:
    """Check readings and write them as a folder of parts, whole or not at all, one meter in memory at a time.

    Args:
        tables: Readings, each of one meter, in ascending order of meters; columns that only some have are empty
            for the others.
        optional: The columns that any of them has beyond those every Readings table has.
        folder: The folder to make; what stood there is replaced.

    Raises:
        InputError: The readings break the contract.
    """
    names = tuple(sorted(optional))
    with _new_folder(folder) as new:
        _write_groups((_to_arrow(table, names) for table in _in_order(tables)), _schema(names), new)
    return folder


def _in_order(tables: Iterable[pd.DataFrame]) -> Iterator[pd.DataFrame]:
    """The tables, each checked; none may be empty."""
    before = ""
    for table in tables:
        if not _keeps_contract(table):
            check_readings(table)
        meter = str(table["meter_id"].iloc[0])
        if meter <= before:
            raise InputError(f"{_NO_READINGS}: sorted by meter and time: {meter!r} comes after {before!r}")
        yield table
        before = meter


@dataclass(frozen=True)
class _Rows:
    """Rows of one meter in a row group of a file."""

    file: Path
    group: int
    start: int
    count: int


class StoredReadings:
    """A Readings table on disk, of which the metadata have been read; `open_readings` makes one.

    Attributes:
        path: Its folder or file.
        columns: Its columns.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: dict[str, list[_Rows]] = {}
        # kept: a file of many row groups would else be parsed as many times
        self._metadata: dict[Path, pq.FileMetaData] = {}
        self._held: tuple[tuple[Path, int, tuple[str, ...]], arrow.Table] | None = None
        names: set[str] = set()
        for file in _parquet_files(path):
            names.update(self._enter(file))
        self.columns = (*_REQUIRED, *sorted(names - set(_REQUIRED)))

    @property
    def optional(self) -> tuple[str, ...]:
        """Its columns beyond those every Readings table has, in ascending order."""
        return self.columns[len(_REQUIRED) :]

    @property
    def meters(self) -> dict[str, int]:
        """Its meters, in ascending order, and how many rows each has."""
        return {meter: sum(rows.count for rows in of_meter) for meter, of_meter in self._rows.items()}

    def each(self) -> Iterator[pd.DataFrame]:
        """The readings of one meter after the other, as `read` gives them."""
        for meter in self._rows:
            yield self.read([meter])

    def read(self, meters: Iterable[str], columns: Sequence[str] = ()) -> pd.DataFrame:
        """The readings of some of its meters, in ascending order of meters.

        Args:
            meters: Meters that it has.
            columns: Those to read beside the columns that every Readings table has; empty: all.

        Raises:
            InputError: A file cannot be read, or the readings break the contract.
        """
        wanted = tuple(name for name in self.columns if not columns or name in (*_REQUIRED, *columns))
        names = sorted(set(meters))
        rows = [self._read(piece, wanted) for name in names for piece in self._rows[name]]
        if not rows:
            return pd.DataFrame(columns=list(wanted)).astype({name: _DTYPES.get(name, _FLOAT) for name in wanted})
        table = self._to_pandas(rows)
        ends = np.cumsum([sum(piece.count for piece in self._rows[name]) for name in names])
        if not all(_keeps_contract(table.iloc[start:end]) for start, end in pairwise([0, *ends])):
            return validate(table, SCHEMA, f"{self.path}: {_NO_READINGS}")
        return table

    def _to_pandas(self, rows: list[arrow.Table]) -> pd.DataFrame:
        try:
            # without pandas' metadata, which speak of all rows of their file
            table: pd.DataFrame = arrow.concat_tables(rows).unify_dictionaries().to_pandas(ignore_metadata=True)
        except arrow.ArrowException as error:
            raise InputError(f"{self.path}: {_NO_READINGS}: its parts are no one table: {first_line(error)}") from error
        return table

    def _read(self, rows: _Rows, columns: tuple[str, ...]) -> arrow.Table:
        key = (rows.file, rows.group, columns)
        # a row group of several meters is read once
        if self._held is None or self._held[0] != key:
            with _parquet_file(rows.file, self._metadata[rows.file]) as file:
                found = [name for name in columns if name in file.schema_arrow.names]
                table = file.read_row_group(rows.group, columns=found)
            self._held = key, _with_columns(table, columns)
        return self._held[1].slice(rows.start, rows.count)

    def _enter(self, path: Path) -> list[str]:
        """Enter where the meters of a file are; return its columns."""
        with _parquet_file(path) as file:
            columns: list[str] = file.schema_arrow.names
            _check_columns(file.schema_arrow, path)
            self._metadata[path] = file.metadata
            for group in range(file.num_row_groups):
                start = 0
                for meter, count in _meters_of(file, group, path):
                    before = next(reversed(self._rows), "")
                    if meter < before:
                        raise InputError(
                            f"{path}: {_NO_READINGS}: sorted by meter and time: {meter!r} comes after {before!r}"
                        )
                    self._rows.setdefault(meter, []).append(_Rows(path, group, start, count))
                    start += count
        return columns


def _parquet_files(path: Path) -> list[Path]:
    """A file, or the Parquet files of a folder."""
    if path.is_dir():
        files = sorted(
            file for file in path.rglob("*.parquet") if file.is_file() and not file.name.startswith((".", "_"))
        )
        if not files:
            raise InputError(f"{path}: holds no Parquet file; give the folder of Readings that an ETL step wrote")
        return files
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    return [path]


@contextmanager
def _parquet_file(path: Path, metadata: pq.FileMetaData | None = None) -> Iterator[pq.ParquetFile]:
    """An open Parquet file; what cannot be read of it is an InputError."""
    try:
        with pq.ParquetFile(path, metadata=metadata) as file:
            yield file
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as Parquet: {first_line(error)}") from error


def _check_columns(schema: arrow.Schema, path: Path) -> None:
    """Raise InputError unless `schema` has the columns of a Readings table, and text for the meters."""
    require_columns(pd.DataFrame(columns=schema.names), tuple(_REQUIRED), path)
    for name in schema.names:
        if name not in _REQUIRED and not _OPTIONAL.fullmatch(name):
            raise InputError(f"{path}: {_NO_READINGS}: column {name!r} is none of its columns")
    kind = schema.field("meter_id").type
    if not (arrow.types.is_string(kind) or arrow.types.is_large_string(kind)):
        raise InputError(f"{path}: {_NO_READINGS}: column 'meter_id' is {kind}, not text")


def _meters_of(file: pq.ParquetFile, group: int, path: Path) -> list[tuple[str, int]]:
    """The meters of a row group, in its order, and how many rows each has."""
    metadata = file.metadata.row_group(group)
    found = metadata.column(file.schema.names.index("meter_id")).statistics
    if found and found.has_min_max and found.min == found.max and not found.null_count:
        return [(found.min, metadata.num_rows)]
    table = file.read_row_group(group, columns=["meter_id"]).to_pandas(ignore_metadata=True)
    if table["meter_id"].isna().any():
        raise InputError(f"{path}: {_NO_READINGS}: column 'meter_id' is empty in some rows")
    first = _first_rows(table)
    return [(str(table["meter_id"].iloc[start]), int(end - start)) for start, end in pairwise([*first, len(table)])]


def open_readings(path: Path) -> StoredReadings:
    """A Readings table on disk, to be read one meter after the other.

    Args:
        path: A folder of parts, or one Parquet file.

    Raises:
        InputError: It is missing, no Parquet, has not the columns of a Readings table, or its meters are not in order.
    """
    return StoredReadings(path)


def list_meters(path: Path) -> dict[str, int]:
    """The meters of a Readings table on disk, in ascending order, and how many rows each has.

    No reading is read: row groups of one meter, as ETL writes them, tell it in the file's metadata.

    Raises:
        InputError: As `open_readings`.
    """
    return open_readings(path).meters


def read_readings(
    path: Path, meters: Iterable[str] | None = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Read a Readings table, or some meters of it, and check it.

    Args:
        path: A folder of parts, or one Parquet file.
        meters: The meters to read, of whose row groups alone the file is read; None: all.
        columns: The columns to return, in this order; None: all.

    Returns:
        The readings, sorted by meter and time.

    Raises:
        InputError: As `open_readings`; a meter or column is not there; or the readings break the contract.
    """
    stored = open_readings(path)
    there = stored.meters
    names = list(there) if meters is None else sorted(set(meters))
    absent = [name for name in names if name not in there]
    if absent:
        raise InputError(f"{path}: has no readings of {', '.join(absent[:5])}; it has {', '.join([*there][:12])}")
    if columns is None:
        return stored.read(names)
    require_columns(pd.DataFrame(columns=list(stored.columns)), tuple(columns), path)
    return stored.read(names, columns)[list(columns)]
