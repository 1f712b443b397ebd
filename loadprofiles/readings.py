"""The Readings table: one row an interval of one meter, checked where it crosses a boundary.

On disk it is a folder of Parquet parts, each of some meters and a row group a meter, which together are sorted
as one table is; `pandas.read_parquet` of the folder reads them all.
"""

import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.compute as pc
import pyarrow.parquet as pq

from loadprofiles.tables import atomic_path, validate

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
_DTYPES = {
    "meter_id": pd.StringDtype(na_value=np.nan),
    "timestamp_utc": TIMESTAMP_DTYPE,
    "energy_kwh": _FLOAT,
    "quality": QUALITY_DTYPE,
    "energy_kwh_raw": _FLOAT,
}
_OPTIONAL = re.compile(r"reactive_energy_kvarh|voltage_.*_v")


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
    return validate(table, SCHEMA, "not a Readings table")


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
    for number, start in enumerate(range(0, len(groups), _GROUPS_A_PART)):
        with _writer(folder / _part_name(number), schema) as writer:
            for _, path, group in groups[start : start + _GROUPS_A_PART]:
                rows = pq.ParquetFile(path).read_row_group(group)
                for name in schema.names:
                    if name not in rows.column_names:
                        rows = rows.append_column(name, arrow.nulls(len(rows), arrow.float64()))
                writer.write_table(rows.select(schema.names), row_group_size=len(rows))
