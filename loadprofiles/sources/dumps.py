"""Dumps of the old MongoDB as `mongodump` writes them (BSON) or `mongoexport` (JSON lines), plain or gzipped.

They hold the documents of which `oldmongo.py` reads the CSV form: the same fields, but all meters in one file,
in no order. So the documents are streamed once, and their numbers distributed over files of few meters each,
which jobs then read. A dump that breaks off is used as far as it goes, and where it breaks is told.
"""

import gzip
import json
import logging
import os
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from types import NoneType
from typing import IO, Any, Final, TypeAlias, cast

import bson
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
from bson import CodecOptions, DatetimeConversion, Int64, json_util
from bson.errors import BSONError, InvalidBSON
from tqdm import tqdm

from loadprofiles.errors import InputError
from loadprofiles.sources.common import Job, Meters, finite, numbers_of, parse_stamps, raw_meter, shown
from loadprofiles.sources.oldmongo import INCREMENTS, REGISTERS, VOLTAGES
from loadprofiles.sources.split import buckets_for, split_by_meter
from loadprofiles.tables import first_line

Document: TypeAlias = dict[str, Any]

BROKEN: Final = "broken"
WITHOUT_ID: Final = "without_id"

_SUFFIXES: Final = (".bson", ".jsonl", ".json")
_OTHERS: Final = (".metadata.json", "prelude.json")
_NAMES: Final = REGISTERS | INCREMENTS | VOLTAGES
_NEEDED: Final = [name for name in REGISTERS if name.endswith("_end")]
_BATCH_DOCUMENTS: Final = 8_192
_SPLIT_ROWS: Final = 400_000  # so many that each of hundreds of files gets more than a handful at a time
_GZIP_RATIO: Final = 8  # what gzip makes of documents, roughly
_SMALLEST_DOCUMENT: Final = 5
_LARGEST_DOCUMENT: Final = 16 * 1024 * 1024 + 16 * 1024  # MongoDB's own limit
_NUMBERS: Final = {float, int, Int64, NoneType}  # bool is none of them
_NUMBER_KINDS: Final[dict[str, type[int | float]]] = {
    "$numberDouble": float,
    "$numberDecimal": float,
    "$numberInt": int,
    "$numberLong": int,
}
_EPOCH: Final = datetime(1970, 1, 1)  # as BSON gives moments: in UTC, without a zone
_CODEC: Final[CodecOptions[Document]] = CodecOptions(
    datetime_conversion=DatetimeConversion.DATETIME_AUTO, unicode_decode_error_handler="replace"
)
_STREAM_ERRORS: Final = (OSError, EOFError, zlib.error)
_BAD_JSON: Final = (ValueError, RecursionError)
_BAD_VALUE: Final = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError, BSONError)

_log = logging.getLogger(__name__)


def find_files(folder: Path) -> list[Path]:
    """All `.bson`, `.jsonl` and `.json` files below `folder`, also gzipped, by name; there may be none.

    What `mongodump` writes about a collection (`*.metadata.json`, `prelude.json`) is none of them.
    """
    plain = {path: path.name.lower().removesuffix(".gz") for path in folder.rglob("*") if path.is_file()}
    return sorted(path for path, name in plain.items() if name.endswith(_SUFFIXES) and not name.endswith(_OTHERS))


def jobs(files: list[Path], workspace: Path) -> list[Job]:
    """Jobs that together read the dumps, each some meters; registers stay in the unit they have.

    A document without a stamp or an end register is dropped as `unreadable`. One without an id, and what is no
    document, is nobody's: these are told by the first meter of the first job, as `without_id` and `broken`.

    Args:
        files: The dumps; of one meter, documents come in their order.
        workspace: A folder for the files of few meters.

    Raises:
        InputError: A file cannot be read or is no dump, no document has an id, or none has one of the registers.
    """
    scan = _Scan(files)
    parts = split_by_meter(scan.tables(), workspace / "dumps", buckets_for(sum(map(_raw_size, files))))
    origin = files[0] if len(files) == 1 else Path(os.path.commonpath(files)) if files else Path()
    scan.check(origin)
    names = tuple(name for name in _NAMES if name in scan.seen)
    size = sum(map(_raw_size, files)) // max(1, len(parts))
    nothing = _Lost()
    return [
        Job(str(part), partial(_read, part, origin, names, nothing if number else scan.lost), size)
        for number, part in enumerate(parts)
    ]


@dataclass
class _Lost:
    """What belongs to no meter: how often, and where first."""

    dropped: Counter[str] = field(default_factory=Counter)
    where: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, place: str) -> None:
        self.dropped[reason] += 1
        self.where.setdefault(reason, place)


def _read(part: Path, origin: Path, names: tuple[str, ...], lost: _Lost) -> Meters:
    """The meters of one file of the split, in the order of their ids."""
    columns = [_NAMES[name] for name in names]
    table = pd.read_parquet(part, columns=["id", "timestamp_utc", *columns, "problem"])
    table["timestamp_utc"] = table["timestamp_utc"].dt.tz_localize("UTC")
    needed = [_NAMES[name] for name in _NEEDED]
    for number, (meter_id, rows) in enumerate(table.groupby("id", sort=True)):
        place = partial(_problem, rows["problem"])
        told = lost if number == 0 else _Lost()
        read = len(rows) + told.dropped.total()
        raw = raw_meter(str(meter_id), origin, rows[["timestamp_utc", *columns]], needed, read, place)
        raw.dropped.update(told.dropped)
        raw.where.update(told.where)
        yield raw


def _problem(problems: pd.Series, row: int) -> str:
    return str(problems.iloc[row])


class _Scan:
    """One pass over the files: tables of typed columns, and an account of what is in none of them."""

    def __init__(self, files: list[Path]) -> None:
        self._files = files
        self.lost = _Lost()
        self.seen: set[str] = set()
        self.documents = 0
        self.rows = 0

    def tables(self) -> Iterator[pd.DataFrame]:
        """Tables of about `_SPLIT_ROWS`: `id`, `timestamp_utc`, the registers and voltages, `problem`.

        The stamps are without their zone, as pyarrow takes a schema from pandas only so without a warning.
        """
        gathered: list[pd.DataFrame] = []
        for frame in self._frames():
            self.rows += len(frame)
            gathered.append(frame)
            if sum(map(len, gathered)) >= _SPLIT_ROWS:
                yield pd.concat(gathered, ignore_index=True)
                gathered = []
        if gathered:
            yield pd.concat(gathered, ignore_index=True)

    def check(self, origin: Path) -> None:
        """Raise InputError unless there was something to read."""
        if not self.documents:
            raise InputError(f"{origin}: no document in it; dump the collection again, or move it away")
        if not self.rows:
            raise InputError(f"{origin}: none of {self.documents} documents has an id; is it another collection?")
        absent = [name for name in REGISTERS if name not in self.seen]
        if absent:
            raise InputError(
                f"{origin}: none of {self.documents} documents has a field {', '.join(map(repr, absent))}; "
                "is it another collection?"
            )

    def _frames(self) -> Iterator[pd.DataFrame]:
        total = sum(map(_size, self._files))
        with tqdm(total=total, unit="B", unit_scale=True, desc="dumps", disable=None) as bar:
            for path in self._files:
                with ExitStack() as opened:
                    raw, stream = _open(path, opened)
                    documents, at = self._documents(path, stream), 0
                    while batch := list(islice(documents, _BATCH_DOCUMENTS)):
                        frame = self._frame(path, batch)
                        if len(frame):
                            yield frame
                        bar.update(raw.tell() - at)
                        at = raw.tell()

    def _documents(self, path: Path, stream: IO[bytes]) -> Iterator[tuple[int, Document]]:
        """The documents of a file with their numbers, counted from 1."""
        is_bson = path.name.lower().removesuffix(".gz").endswith(".bson")
        yield from (self._from_bson if is_bson else self._from_json)(path, stream)

    def _from_bson(self, path: Path, stream: IO[bytes]) -> Iterator[tuple[int, Document]]:
        number, offset = 0, 0
        try:
            while head := stream.read(4):
                data = head + _rest(stream, head)
                document = bson.decode(data, _CODEC)
                number += 1
                yield number, document
                offset += len(data)
        except (InvalidBSON, *_STREAM_ERRORS) as error:
            if not number:
                raise InputError(f"{path}: no BSON as mongodump writes it: {first_line(error)}") from error
            self._break(path, number + 1, offset, f"{first_line(error)}; nothing after it is read")

    def _from_json(self, path: Path, stream: IO[bytes]) -> Iterator[tuple[int, Document]]:
        number, offset, good = 0, 0, False
        try:
            for line in stream:
                if line.strip():
                    number += 1
                    document = _parse(path, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
                    if isinstance(document, dict):
                        good = True
                        yield number, document
                    elif good:
                        self._break(path, number, offset, document)
                    else:
                        raise InputError(f"{path}: no JSON lines as mongoexport writes them: {document}")
                offset += len(line)
        except _STREAM_ERRORS as error:
            if not good:
                raise InputError(f"{path}: cannot be read: {first_line(error)}") from error
            self._break(path, number + 1, offset, f"{first_line(error)}; nothing after it is read")

    def _break(self, path: Path, number: int, offset: int, why: str) -> None:
        place = f"{path}, document {number} at byte {offset}: {why}"
        _log.warning("broken dump: %s", place)
        self.lost.add(BROKEN, place)

    def _frame(self, path: Path, batch: list[tuple[int, Document]]) -> pd.DataFrame:
        """The documents that have an id, as typed columns; `problem` says why a row cannot be used."""
        self.documents += len(batch)
        mine = []
        for number, document in batch:
            if document.get("id") in (None, ""):
                self.lost.add(WITHOUT_ID, f"{path}, document {number}")
            else:
                mine.append((number, document))
        documents = [document for _, document in mine]
        for name in _NAMES.keys() - self.seen:
            if any(name in document for document in documents):
                self.seen.add(name)
        given = {name: [document.get(name) for document in documents] for name in _NAMES}
        numbers = {name: _to_numbers(values) for name, values in given.items()}
        stamps = [document.get("timestamp") for document in documents]
        table = pd.DataFrame(
            {
                "id": pd.Series([_text(document["id"]) for document in documents], dtype="str"),
                "timestamp_utc": _to_stamps(stamps).dt.tz_localize(None),
                **{_NAMES[name]: finite(values) for name, values in numbers.items()},
            }
        )
        problems: list[str | None] = [None] * len(table)
        bad = ~np.isfinite(np.stack([numbers[name] for name in _NEEDED])).all(axis=0)
        for row in np.flatnonzero(bad | table["timestamp_utc"].isna().to_numpy()).tolist():
            wrong = next((name for name in _NEEDED if not np.isfinite(numbers[name][row])), "")
            value = given[wrong][row] if wrong else stamps[row]
            told = shown("" if value is None else _text(value))
            why = f"{told} in {wrong} is no number" if wrong else f"{told} is no timestamp"
            problems[row] = f"{path}, document {mine[row][0]}: {why}"
        return table.assign(problem=pd.Series(problems, dtype="str"))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or first_line(error)}") from error


def _raw_size(path: Path) -> int:
    size = _size(path)
    return size * _GZIP_RATIO if path.name.lower().endswith(".gz") else size


def _open(path: Path, opened: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    """The file, of which the position is that in the bytes on disk, and the stream of its content."""
    try:
        raw = opened.enter_context(path.open("rb"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or first_line(error)}") from error
    if not path.name.lower().endswith(".gz"):
        return raw, raw
    return raw, cast(IO[bytes], opened.enter_context(gzip.open(raw)))


def _rest(stream: IO[bytes], head: bytes) -> bytes:
    """The bytes of a document after its size, the four bytes `head`."""
    size = int.from_bytes(head, "little", signed=True)
    if len(head) == 4 and not _SMALLEST_DOCUMENT <= size <= _LARGEST_DOCUMENT:
        raise InvalidBSON(f"{size} is no size of a document")
    rest = stream.read(size - 4) if len(head) == 4 else b""
    if len(head) < 4 or len(rest) < size - 4:
        raise InvalidBSON("the file ends within the document")
    return rest


def _parse(path: Path, line: bytes) -> Document | str:
    """The document of a line, its extended JSON resolved in the fields that count; or why it is none."""
    try:
        document = json.loads(line)
    except _BAD_JSON as error:
        return f"not JSON: {first_line(error)}"
    if not isinstance(document, dict):
        hint = "; export without --jsonArray" if isinstance(document, list) else ""
        return f"{shown(str(document))} is no JSON object{hint}"
    if b"$" in line:
        for name in ("id", "timestamp", *_NAMES):
            if isinstance(document.get(name), dict):
                document[name] = _resolved(document[name])
    return document


def _resolved(value: Document) -> Any:
    """The value of extended JSON; what is none stays as it is, and will be no number and no stamp.

    A date given as text stays text, since all of them are parsed together. What nearly all documents hold is
    resolved here, many times faster than by `json_util`, which takes the rest.
    """
    try:
        ((kind, inner),) = value.items()
        if kind in _NUMBER_KINDS:
            return _NUMBER_KINDS[kind](inner)
        if kind == "$date":
            moment = _resolved(inner) if isinstance(inner, dict) else inner
            return moment if isinstance(moment, str) else _EPOCH + timedelta(milliseconds=moment)
        return json_util.object_hook(value, json_util.JSONOptions(tz_aware=False))
    except _BAD_VALUE:
        return value


def _to_numbers(values: list[Any]) -> npt.NDArray[np.float64]:
    """Values as `numbers_of` gives cells: NaN where there is none, infinite where it is no finite number."""
    if set(map(type, values)) <= _NUMBERS:
        with suppress(pa.ArrowInvalid):  # an integer of more than 64 bits
            numbers: npt.NDArray[np.float64] = pa.array(values, pa.float64()).to_numpy(zero_copy_only=False)
            return numbers
    return numbers_of(pa.chunked_array([pa.array([_number_text(value) for value in values], pa.string())]))


def _number_text(value: Any) -> str | None:
    """A number as text that reads as the same number, anything else as what it is; nothing as None."""
    if value is None or value == "":
        return None
    return _text(value)


def _to_stamps(values: list[Any]) -> pd.Series:
    """Moments, which are in UTC, and ISO text; NaT for anything else."""
    if set(map(type, values)) <= {datetime, NoneType}:
        return cast(pd.Series, pa.array(values, pa.timestamp("us", "UTC")).to_pandas())
    return parse_stamps(pa.chunked_array([pa.array(map(_stamp_text, values), pa.string())]), "UTC")


def _stamp_text(value: Any) -> str | None:
    if isinstance(value, datetime):
        return f"{value.isoformat()}Z"
    return _text(value) if isinstance(value, str) and value else None


def _text(value: Any) -> str:
    """A value as text that can be written; JSON may hold halves of characters."""
    return str(value).encode("utf-8", "backslashreplace").decode("utf-8")
