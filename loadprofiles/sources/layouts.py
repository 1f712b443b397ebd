"""Files of interval readings of any layout, as a small TOML file describes them.

A layout says which file is which meter, which column is what, and how stamps and numbers are written:

    files = "**/*.csv"
    meter_column = "CUPS"
    date = "Fecha"
    hour = "Hora"
    timestamp_format = "%d/%m/%Y"
    timezone = "Europe/Madrid"
    energy = "AE_kWh"
    delimiter = ";"
    decimal = ","
    encoding = "latin-1"

`Layout` lists the keys. `read_table` turns a file of a layout into plain rows, batch by batch; what the stamps
mean in UTC is for the reader of meters to say, because it takes all rows of a meter.
"""

import codecs
import csv
import re
import tomllib
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, BinaryIO, Final, Literal, TextIO
from zipfile import BadZipFile, ZipFile
from zoneinfo import available_timezones

import numpy as np
import numpy.typing as npt
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from loadprofiles.errors import InputError
from loadprofiles.quality import MINUTES_A_DAY
from loadprofiles.sources.common import shown
from loadprofiles.tables import first_line, require_columns

TEXT_SUFFIXES: Final = (".csv", ".txt", ".tsv")
SUFFIXES: Final = (*TEXT_SUFFIXES, ".xlsx", ".parquet")

MOST_UNPACKED_BYTES: Final = 1_000_000_000
"""An .xlsx that says it holds more is refused: a sheet has at most 2^20 rows, and its XML is read as a whole."""

MOST_RATIO: Final = 200
"""Sheets of readings pack to a tenth or so; the deflate algorithm's limit is 1,032."""

SMALL_UNPACKED_BYTES: Final = 50_000_000
"""Below this the ratio does not matter: a sheet of equal rows packs very well."""

MOST_ARCHIVE_FILES: Final = 10_000
_MOST_SHEET_ROWS: Final = 1_048_576
_MOST_SHEET_COLUMNS: Final = 1_024

_BATCH_ROWS: Final = 100_000
_BLOCK_CHARACTERS: Final = 4 * 1024 * 1024
_DELIMITERS: Final = ",;\t|"
_SHOWN: Final = 40
"""Characters of a cell that a message quotes."""

_KWH: Final = {"Wh": 0.001, "kWh": 1.0, "MWh": 1000.0}
_KW: Final = {"W": 0.001, "kW": 1.0, "MW": 1000.0}

_AWARE: Final = r"[T ]\d\d.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$"
_END_OF_DAY: Final = r"(?:^|[ T])24:00(?::00)?(?:$|[ Zz+.-])"
_CLOCK: Final = r"^(?P<h>\d{1,2}):(?P<m>[0-5]\d)(?::(?P<s>[0-5]\d)(?:\.0+)?)?$"
_FIRST_STAMP, _LAST_STAMP = pd.Timestamp("1900-01-01"), pd.Timestamp("2200-01-01")

_PLACEHOLDER: Final = re.compile(r"\{(\w*)\}")

# What zipfile, expat and openpyxl raise at archives and sheets that are damaged or none
_SHEET_ERRORS: Final = (
    ArithmeticError,
    AttributeError,
    BadZipFile,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    zlib.error,
)

Lines = npt.NDArray[np.int64]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
VoltageName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$")]


class Sectors(BaseModel):
    """Where the meters' sectors are: a file of the folder, read like the others, and two columns of it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    file: Name
    meter: Name
    sector: Name


class Layout(BaseModel):
    """How to read a folder of files; every key of the TOML file is a field here.

    Attributes:
        files: Which files of the folder; `**/*.csv` also those of its subfolders. The suffix says the format:
            .csv, .txt, .tsv, .xlsx, .parquet. Hidden files and Excel's lock files (`~$…`) are never taken.
        meter_column: The column that names the meter of each row. Without it a file is one meter's.
        meter_pattern: A regular expression sought in the file's name without its suffix.
        meter_id: The meter of a file: text with `{stem}` (the name without suffix), `{folder}` (the folder's name),
            `{1}`, `{2}` … (groups of `meter_pattern`). Default: the pattern's first group, else the stem. Files of
            one meter are read one after the other.
        timestamp: The column of stamps; or `date` with `time` or `hour`.
        date: The column of dates.
        time: The column of times of day.
        hour: The column that numbers the intervals of the local day from 1: hours 1 to 24 (23 or 25 when clocks
            change), or with `interval_minutes = 15` quarters 1 to 96 (92, 100).
        timestamp_format: As of `strptime`; of `date` and `time` together with one blank between them; with `hour` of
            the date. Default: ISO 8601. `24:00` is the end of the day. Typed cells need none.
        stamps: Whether a stamp is the `start` or the `end` of its interval.
        timezone: IANA name of the zone of stamps without an offset. Default: the run's.
        interval_minutes: Default: the most frequent distance of a meter's stamps; with `hour` 60.
        energy: The column of net energy, or of import.
        export: The column of export, which is subtracted. Empty in all rows of a meter: it has none.
        reactive: The column of reactive energy.
        voltages: Columns of voltages by name: `l1 = "U1"` becomes `voltage_l1_v`.
        unit: Of energies: kWh, Wh, MWh, or kW, W, MW as the mean power of the interval (reactive likewise).
        delimiter: Between the cells of text files. Default: a comma, in .tsv a tab.
        decimal: The decimal mark of numbers in text.
        thousands: The mark between groups of three digits.
        encoding: Of text files.
        skip_rows: Lines before the header.
        sheet: Of a workbook, by its number from 0 or by its name.
        sectors: Where the meters' sectors are; the sheet of the built-in layout else.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    files: Name = "*.csv"
    meter_column: Name | None = None
    meter_pattern: Name | None = None
    meter_id: Name | None = None
    timestamp: Name | None = None
    date: Name | None = None
    time: Name | None = None
    hour: Name | None = None
    timestamp_format: Name | None = None
    stamps: Literal["start", "end"] = "start"
    timezone: str | None = None
    interval_minutes: int | None = Field(default=None, ge=1, le=MINUTES_A_DAY)
    energy: Name
    export: Name | None = None
    reactive: Name | None = None
    voltages: dict[VoltageName, Name] = Field(default_factory=dict)
    unit: Literal["kWh", "Wh", "MWh", "kW", "W", "MW"] = "kWh"
    delimiter: str | None = None
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", "'", " "] = ""
    encoding: str = "utf-8"
    skip_rows: int = Field(default=0, ge=0, le=10_000)
    sheet: int | str = 0
    sectors: Sectors | None = None

    @field_validator("files")
    @classmethod
    def _stays_in_the_folder(cls, value: str) -> str:
        parts = PurePosixPath(value).parts
        if value.startswith("/") or ".." in parts or "\0" in value or not parts:
            raise ValueError("must be a pattern of names below the folder, such as *.csv or **/*.csv")
        if any("**" in part and part != "**" for part in parts) or parts[-1] == "**":
            raise ValueError("must have ** between slashes and a name after it, such as **/*.csv")
        return value

    @field_validator("meter_pattern")
    @classmethod
    def _is_an_expression(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return value

    @field_validator("timestamp_format")
    @classmethod
    def _says_a_day(cls, value: str | None) -> str | None:
        moment = pd.Timestamp("2024-11-23 04:05", tz="UTC")
        try:
            text = moment.strftime(value or "%Y-%m-%d")
            parsed = pd.to_datetime(pd.Series([text]), format=value or "%Y-%m-%d", utc=True)
            says_it = bool((parsed.dt.date == moment.date()).all())
        except (ValueError, TypeError, KeyError, OverflowError):
            says_it = False
        if not says_it or "%Z" in (value or ""):
            raise ValueError("must have the year, month and day, and offsets as %z, such as %d/%m/%Y %H:%M")
        return value

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, value: str | None) -> str | None:
        if value is not None and value not in available_timezones():
            raise ValueError("must be an IANA name such as Europe/Madrid or UTC")
        return value

    @field_validator("interval_minutes")
    @classmethod
    def _divides_a_day(cls, value: int | None) -> int | None:
        if value is not None and MINUTES_A_DAY % value:
            raise ValueError("must divide a day, such as 15, 30 or 60")
        return value

    @field_validator("delimiter")
    @classmethod
    def _is_one_mark(cls, value: str | None) -> str | None:
        if value is not None and (len(value) != 1 or not value.isascii() or value.isalnum() or value in '"\r\n\0.+-'):
            raise ValueError("must be one mark, such as ',' ';' '|' or '\\t'")
        return value

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, value: str) -> str:
        try:
            "a;1".encode(value).decode(value)
        except (LookupError, ValueError):
            raise ValueError("must be an encoding of text such as utf-8, latin-1, cp1252 or utf-16") from None
        return value

    @field_validator("sheet", mode="before")
    @classmethod
    def _is_number_or_name(cls, value: object) -> object:
        if isinstance(value, bool) or not (
            (isinstance(value, str) and value) or (isinstance(value, int) and value >= 0)
        ):
            raise ValueError("must be a sheet's number from 0 or its name")
        return value

    @model_validator(mode="after")
    def _has_stamps(self) -> "Layout":
        if (self.timestamp is None) == (self.date is None):
            raise ValueError("give either timestamp, or date with time or hour")
        if (self.date is None) != (self.time is None and self.hour is None) or (self.time and self.hour):
            raise ValueError("give date with one of time and hour, and these only with date")
        if self.hour and self.stamps == "end":
            raise ValueError("leave stamps out: hour numbers intervals, it does not stamp their end")
        if self.time and self.timestamp_format and " " not in self.timestamp_format:
            raise ValueError("timestamp_format must be that of date, a blank, and that of time")
        return self

    @model_validator(mode="after")
    def _names_meters(self) -> "Layout":
        if self.meter_column and (self.meter_pattern or self.meter_id):
            raise ValueError("give either meter_column, or meter_pattern and meter_id")
        groups = re.compile(self.meter_pattern or "").groups
        allowed = ["stem", "folder", *map(str, range(1, groups + 1))]
        for name in _PLACEHOLDER.findall(self.meter_id or ""):
            if name not in allowed:
                raise ValueError(f"meter_id has {{{name}}}: allowed are {', '.join(f'{{{a}}}' for a in allowed)}")
        return self

    @model_validator(mode="after")
    def _marks_differ(self) -> "Layout":
        if self.thousands == self.decimal:
            raise ValueError("decimal and thousands must be different marks")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns it takes from a file."""
        stamps = (self.timestamp, self.date, self.time, self.hour)
        named = (self.meter_column, *stamps, self.energy, self.export, self.reactive, *self.voltages.values())
        return tuple(dict.fromkeys(name for name in named if name))

    @property
    def is_power(self) -> bool:
        """Whether its energies are written as power."""
        return self.unit in _KW

    def meter_id_of(self, path: Path) -> str:
        """The meter whose file this is.

        Raises:
            InputError: The file's name does not match, or gives no name.
        """
        match = re.search(self.meter_pattern or "", path.stem)
        if match is None:
            raise InputError(
                f"{path}: its name does not match meter_pattern = {self.meter_pattern!r}; "
                "rename the file, move it away, or narrow `files` of the layout"
            )
        template = self.meter_id or ("{1}" if match.re.groups else "{stem}")
        known = {"stem": path.stem, "folder": path.parent.name}
        known |= {str(n): group or "" for n, group in enumerate(match.groups(), start=1)}
        name = _PLACEHOLDER.sub(lambda hit: known[hit[1]], template).strip()
        if not name:
            raise InputError(f"{path}: meter_id = {template!r} gives no name for its meter")
        return name


BUILT_IN: Final = Layout(
    files="DATOSCLIENTE*.csv",
    meter_pattern=r"^DATOSCLIENTE0*(\d+)$",
    meter_id="Cliente {1}",
    timestamp="Fecha",
    energy="Active_energy",
    reactive="Reactive_energy",
    voltages={"fa": "Voltaje_FA", "fc": "Voltaje_FC"},
)
"""The anomaly system's customers (DESIGN.md, section 5)."""


def read_layout(path: Path | None) -> Layout:
    """The layout of a TOML file; None is the built-in one.

    Raises:
        InputError: The file cannot be read, is no TOML, or has a key or value that is not allowed.
    """
    if path is None:
        return BUILT_IN
    try:
        with path.open("rb") as file:
            return Layout.model_validate(tomllib.load(file))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not in UTF-8; save the layout in UTF-8") from error
    except ValidationError as error:
        raise InputError(f"{path}: {_told(error)}") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(f"{path}: is no TOML: {first_line(error)}") from error


def _told(error: ValidationError) -> str:
    """The first of a layout's errors: its key, its value and what is allowed."""
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"] if part != "[key]")
    if first["type"] == "extra_forbidden":
        keys = Sectors.model_fields if len(first["loc"]) > 1 else Layout.model_fields
        return f"unknown key {key!r}; the keys are {', '.join(keys)}"
    if first["type"] == "missing":
        return f"key {key!r} is missing"
    said = first["msg"].removeprefix("Value error, ")
    return f"{key} = {first['input']!r:.{_SHOWN * 2}}: {said}" if key else said


@dataclass
class Tally:
    """Rows that a reader could not use: how many by reason, and the place of the first."""

    dropped: Counter[str] = field(default_factory=Counter)
    where: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, count: int, place: str) -> None:
        """Count `count` more rows, the first of them at `place`."""
        if count:
            self.dropped[reason] += count
            self.where.setdefault(reason, place)


def place_of(path: Path, number: int, said: str) -> str:
    """What is wrong in a line of a text file, or in a row of another."""
    return f"{path}, {'line' if path.suffix.lower() in TEXT_SUFFIXES else 'row'} {number}: {said}"


def read_table(path: Path, layout: Layout, tally: Tally) -> Iterator[pd.DataFrame]:
    """Rows of a file in plain columns, batch by batch, whatever its format.

    Args:
        path: The file.
        layout: How to read it.
        tally: Counts the rows with too few or too many cells (`ragged`).

    Yields:
        Tables with `id` (empty without `meter_column`), `line` (or row of the file), `stamp` (as it stands
        there, without zone; of the day with `hour`), `aware` (whether it is UTC), `nth` (number of the interval in
        the day, NaN without `hour`), `energy`, `export`, `reactive` and `voltage_*_v` in kWh, kvarh and V, or
        kW and kvar if `layout.is_power`; and `problem`, which says what cannot be read, else missing.

    Raises:
        InputError: The file cannot be read with this layout.
    """
    for cells in read_cells(path, layout, layout.columns, tally):
        yield _plain(cells, layout)


def empty_table(layout: Layout) -> pd.DataFrame:
    """What `read_table` yields, without rows."""
    return _plain(pd.DataFrame({name: pd.Series(dtype="str") for name in layout.columns}), layout)


# ---- cells of files ----


def read_cells(path: Path, layout: Layout, columns: tuple[str, ...], tally: Tally) -> Iterator[pd.DataFrame]:
    """Some columns of a file, batch by batch; the index is the line or row of the file.

    Cells of text files are text, those of the others have their type. Empty lines are left out; rows with
    too few or too many cells are, too, and counted in `tally` as `ragged`.

    Raises:
        InputError: The file cannot be read, is empty, or lacks a column.
    """
    suffix = path.suffix.lower()
    if suffix in TEXT_SUFFIXES:
        return _text_cells(path, layout, columns, tally)
    if suffix == ".xlsx":
        return _sheet_cells(path, layout, columns)
    if suffix == ".parquet":
        return _parquet_cells(path, columns)
    raise InputError(
        f"{path}: cannot be read: its suffix is none of {', '.join(SUFFIXES)}; narrow `files` of the layout"
    )


def _text_cells(path: Path, layout: Layout, columns: tuple[str, ...], tally: Tally) -> Iterator[pd.DataFrame]:
    delimiter = layout.delimiter or ("\t" if path.suffix.lower() == ".tsv" else ",")
    # utf-8-sig also reads files without the mark that some programs put first
    encoding = "utf-8-sig" if _is_utf8(layout.encoding) else layout.encoding
    try:
        with path.open(encoding=encoding, newline="") as file:
            header, line = _text_header(path, file, layout, delimiter)
            _check_header(path, layout, header, columns, delimiter)
            while block := file.read(_BLOCK_CHARACTERS) + file.readline():
                data = block.encode()
                yield _text_batch(_Block(path, data, line + 1, delimiter, header), columns, tally)
                line += len(data.splitlines())
    except UnicodeError as error:
        raise _wrong_encoding(path, layout.encoding) from error
    except (OSError, pa.ArrowInvalid, csv.Error) as error:
        raise InputError(f"{path}: cannot be read: {first_line(error)}") from error


def _text_header(path: Path, file: TextIO, layout: Layout, delimiter: str) -> tuple[list[str], int]:
    """The names of the columns, and the line that they stand in."""
    for number, text in enumerate(iter(file.readline, ""), start=1):
        if number > layout.skip_rows and text.strip():
            return [name.strip() for name in next(csv.reader([text], delimiter=delimiter))], number
    raise InputError(f"{path}: cannot be read: it is empty, or has no header after {layout.skip_rows} lines to skip")


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name in ("utf-8", "utf-8-sig")


def _check_header(path: Path, layout: Layout, header: list[str], columns: tuple[str, ...], delimiter: str) -> None:
    missing = [name for name in columns if name not in header]
    others = {mark: ",".join(header).count(mark) for mark in _DELIMITERS if mark != delimiter}
    likely = max(others, key=lambda mark: others[mark])
    if missing and len(header) == 1 and others[likely]:
        raise InputError(
            f"{path}: cannot be read: its header has no {delimiter!r} but {others[likely]} {likely!r}; "
            f"set delimiter = {_toml(likely)} in the layout"
        )
    if missing and not _is_utf8(layout.encoding) and any(_misread(name, layout.encoding) for name in header):
        raise InputError(f"{path}: column {missing[0]!r} is missing; the file seems to be UTF-8: leave encoding out")
    _require(path, header, columns)


def _require(path: Path, header: list[str], columns: tuple[str, ...]) -> None:
    require_columns(pd.DataFrame(columns=header), columns, path)
    twice = [name for name in columns if header.count(name) > 1]
    if twice:
        raise InputError(f"{path}: column {twice[0]!r} is there {header.count(twice[0])} times; give each a name")


def _misread(name: str, encoding: str) -> bool:
    """Whether text beyond ASCII would also be UTF-8, which text of other encodings as good as never is."""
    try:
        return not name.isascii() and bool(name.encode(encoding).decode("utf-8"))
    except UnicodeError:
        return False


def _toml(mark: str) -> str:
    return '"\\t"' if mark == "\t" else f'"{mark}"'


@dataclass(frozen=True)
class _Block:
    """Whole lines of a text file in UTF-8, the first of them line `first`."""

    path: Path
    data: bytes
    first: int
    delimiter: str
    header: list[str]

    def rows(self) -> tuple[bytes, Lines, list[int]]:
        """The lines that may be rows, their numbers, and those in which quotation marks do not pair.

        A mark without a partner would swallow the readings of all lines up to the next one.
        """
        lines = self.data.splitlines()
        numbers = np.arange(self.first, self.first + len(lines), dtype=np.int64)
        if b'"' not in self.data:
            return self.data, numbers, []
        mark = re.escape(self.delimiter)
        cell = rf'(?:"(?:[^"]|"")*+"|[^"{mark}][^{mark}]*+|)'
        well_quoted = re.compile(rf"{cell}(?:{mark}{cell})*+".encode())
        good = np.array([b'"' not in line or bool(well_quoted.fullmatch(line)) for line in lines])
        kept = b"\n".join(line for line, is_good in zip(lines, good, strict=True) if is_good)
        return kept, numbers[good], numbers[~good].tolist()


def _text_batch(block: _Block, columns: tuple[str, ...], tally: Tally) -> pd.DataFrame:
    """The wanted columns of a block as text; lines that are no rows are counted."""
    data, numbers, unpaired = block.rows()
    ragged: list[int] = []
    reasons = dict.fromkeys(unpaired, "a quotation mark has no partner in the line")

    def skip(row: pa_csv.InvalidRow) -> str:
        ragged.append(row.number - 1)
        if row.text.strip():
            reasons[int(numbers[row.number - 1])] = f"{row.actual_columns} cells, the header has {len(block.header)}"
        return "skip"

    wanted = {str(block.header.index(column)): column for column in columns}
    if not data.strip():
        cells = pd.DataFrame({name: pd.Series(dtype="str") for name in columns})
    else:
        cells = _parse(block, data, list(wanted), skip).rename(columns=wanted)
        cells.index = pd.Index(np.delete(numbers, ragged))
    for number in sorted(reasons):
        tally.add("ragged", 1, place_of(block.path, number, reasons[number]))
    return cells[(cells != "").any(axis=1)]


def _parse(block: _Block, data: bytes, places: list[str], skip: Callable[[pa_csv.InvalidRow], str]) -> pd.DataFrame:
    table = pa_csv.read_csv(
        pa.BufferReader(data),
        # one thread, because only then are invalid rows given their number
        read_options=pa_csv.ReadOptions(
            use_threads=False,
            block_size=len(data) + 1,
            column_names=[str(place) for place in range(len(block.header))],
        ),
        parse_options=pa_csv.ParseOptions(
            delimiter=block.delimiter,
            quote_char='"' if b'"' in data else False,
            ignore_empty_lines=False,
            invalid_row_handler=skip,
        ),
        convert_options=pa_csv.ConvertOptions(
            include_columns=places, column_types=dict.fromkeys(places, pa.string()), strings_can_be_null=False
        ),
    )
    texts: pd.DataFrame = table.to_pandas().astype("str")
    return texts


def _wrong_encoding(path: Path, encoding: str) -> InputError:
    with path.open("rb") as file:
        start = file.read(1 << 20)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        likely = "utf-16"
    elif b"\0" in start[:200]:
        likely = "utf-16-le"
    elif not _is_utf8(encoding):
        likely = "utf-8"
    else:
        # the bytes that are letters in Windows' code page and control characters in Latin-1
        likely = "cp1252" if re.search(rb"[\x80-\x9f]", start) else "latin-1"
    return InputError(f'{path}: cannot be read: it is not {encoding}; set encoding = "{likely}" or so in the layout')


def check_archive(path: Path) -> None:
    """Refuse a workbook that would unpack to more than any sheet of readings, before it is unpacked.

    An archive whose declared sizes lie is cut by `zipfile` at the declared size and then fails its checksum,
    so that what is declared is the most that is ever unpacked. Nested entities of the XML inside are bounded by
    expat (2.4 or later), which refuses text that grows a hundredfold by them.

    Raises:
        InputError: It is no archive, or too large.
    """
    try:
        with ZipFile(path) as archive:
            entries = archive.infolist()
    except _SHEET_ERRORS as error:
        raise InputError(f"{path}: cannot be read as a sheet: {first_line(error)}") from error
    unpacked = sum(entry.file_size for entry in entries)
    packed = max(1, min(path.stat().st_size, sum(entry.compress_size for entry in entries)))
    refused = f"{path}: cannot be read as a sheet: it is refused because it"
    if len(entries) > MOST_ARCHIVE_FILES:
        raise InputError(f"{refused} holds {len(entries)} files, more than {MOST_ARCHIVE_FILES}")
    if unpacked > MOST_UNPACKED_BYTES or (unpacked > SMALL_UNPACKED_BYTES and unpacked > MOST_RATIO * packed):
        raise InputError(
            f"{refused} unpacks from {packed} to {unpacked} bytes, more than {MOST_UNPACKED_BYTES} or "
            f"{MOST_RATIO} times; save it as .csv if it is one of yours"
        )


def _sheet_cells(path: Path, layout: Layout, columns: tuple[str, ...]) -> Iterator[pd.DataFrame]:
    check_archive(path)
    try:
        # opened here, because openpyxl leaves a file open that it cannot read
        with path.open("rb") as file, closing(_workbook(file)) as book:
            sheet = _sheet_of(path, book, layout.sheet)
            # the dimension that a sheet says it has may be any
            sheet.reset_dimensions()
            header_row, header = _sheet_header(path, sheet, layout.skip_rows + 1)
            _require(path, header, columns)
            places = [header.index(name) for name in columns]
            yield from _sheet_batches(sheet, header_row + 1, places, columns)
    except _SHEET_ERRORS as error:
        raise InputError(f"{path}: cannot be read as a sheet: {first_line(error)}") from error


def _workbook(file: BinaryIO) -> openpyxl.Workbook:
    with warnings.catch_warnings():
        # openpyxl warns of styles and validations, which are not read here
        warnings.simplefilter("ignore", UserWarning)
        return openpyxl.load_workbook(file, read_only=True, data_only=True)


def _sheet_of(path: Path, book: openpyxl.Workbook, sheet: int | str) -> Any:
    names = [page.title for page in book.worksheets]
    if isinstance(sheet, int) and sheet < len(names):
        return book.worksheets[sheet]
    if sheet in names:
        return book.worksheets[names.index(str(sheet))]
    found = ", ".join(names[:12])
    raise InputError(f"{path}: no sheet {sheet!r} in it; found, from 0: {found}; set sheet in the layout")


def _sheet_header(path: Path, sheet: Any, first: int) -> tuple[int, list[str]]:
    rows = sheet.iter_rows(min_row=1, max_row=_MOST_SHEET_ROWS, max_col=_MOST_SHEET_COLUMNS, values_only=True)
    with closing(rows):
        for number, row in enumerate(rows, start=1):
            names = [as_text(cell) for cell in row]
            if number >= first and any(names):
                width = max(place for place, name in enumerate(names, start=1) if name)
                return number, names[:width]
    raise InputError(f"{path}: cannot be read as a sheet: it is empty, or has no header after {first - 1} rows to skip")


def _sheet_batches(sheet: Any, first: int, places: list[int], columns: tuple[str, ...]) -> Iterator[pd.DataFrame]:
    rows = sheet.iter_rows(max_row=_MOST_SHEET_ROWS, max_col=max(places) + 1, values_only=True)
    numbers: list[int] = []
    taken: list[list[Any]] = []
    for number, row in enumerate(rows, start=1):
        cells = [row[place] for place in places]
        if number >= first and any(cell is not None for cell in cells):
            numbers.append(number)
            taken.append(cells)
        if len(taken) == _BATCH_ROWS:
            yield pd.DataFrame(taken, index=numbers, columns=list(columns), dtype=object)
            numbers, taken = [], []
    yield pd.DataFrame(taken, index=numbers, columns=list(columns), dtype=object)


def _parquet_cells(path: Path, columns: tuple[str, ...]) -> Iterator[pd.DataFrame]:
    try:
        with pq.ParquetFile(path) as file:
            _require(path, file.schema_arrow.names, columns)
            done = 0
            for batch in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(columns)):
                table = pa.table({name: _plain_array(path, name, batch.column(name)) for name in columns})
                cells = table.to_pandas()
                cells.index = pd.RangeIndex(done + 1, done + 1 + len(cells))
                done += len(cells)
                yield cells
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read: {first_line(error)}") from error


def _plain_array(path: Path, name: str, values: pa.Array) -> pa.Array:
    """Values as float64, text or stamps, whatever they were stored as."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    kind = values.type
    if pa.types.is_timestamp(kind):
        return values.cast(pa.timestamp("us", kind.tz), safe=False)
    if pa.types.is_date(kind):
        return values.cast(pa.timestamp("us"), safe=False)
    if pa.types.is_integer(kind) or pa.types.is_time(kind):
        # text, because an id of 18 digits is no float
        return values.cast(pa.string()).cast(pa.large_string())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return values.cast(pa.float64(), safe=False)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return values.cast(pa.large_string())
    if pa.types.is_null(kind):
        return pa.nulls(len(values), pa.large_string())
    raise InputError(f"{path}: column {name!r} is of type {kind}; numbers, text, stamps, dates and times are taken")


# ---- from cells to plain rows ----


def as_text(cell: object) -> str:
    """A cell as one would write it: whole numbers without a point, stamps in ISO 8601, nothing as nothing."""
    if cell is None or cell is pd.NaT or (isinstance(cell, float) and np.isnan(cell)):
        return ""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.isoformat(" ")
    return str(cell).strip()


def texts_of(cells: pd.Series) -> pd.Series:
    """A column as text without blanks around it, nothing as ``."""
    if isinstance(cells.dtype, pd.StringDtype):
        return cells.fillna("").str.strip()
    return pd.Series([as_text(cell) for cell in cells.astype(object)], index=cells.index, dtype="str")


def _plain(cells: pd.DataFrame, layout: Layout) -> pd.DataFrame:
    problems = _Problems(cells.index)
    stamps = _stamps(cells, layout, problems)
    scale = (_KWH | _KW)[layout.unit]
    columns = {"energy": layout.energy, "export": layout.export, "reactive": layout.reactive}
    taken = {name: column for name, column in columns.items() if column}
    numbers = {name: _numbers(cells[column], layout) * scale for name, column in taken.items()}
    for name in ("energy", "export"):
        if name in taken:
            unreadable = numbers[name].isna()
            if name == "export":
                # without any export a meter has no such register, which only all of its rows can tell
                empty = texts_of(cells[taken[name]][unreadable]) == ""
                unreadable &= ~unreadable.index.isin(empty.index[empty])
            problems.add(unreadable, cells[taken[name]], "is no number")
    volts = {f"voltage_{name}_v": _numbers(cells[column], layout) for name, column in layout.voltages.items()}
    ids = texts_of(cells[layout.meter_column]) if layout.meter_column else pd.Series("", cells.index, dtype="str")
    table = pd.DataFrame({"id": ids, "line": cells.index.astype("int64"), **stamps, **numbers, **volts})
    return table.assign(problem=problems.texts).reset_index(drop=True)


class _Problems:
    """The first thing in each row that cannot be read."""

    def __init__(self, index: pd.Index) -> None:
        self.texts = pd.Series(None, index=index, dtype="str")

    def add(self, flags: pd.Series, cells: pd.Series, said: str) -> None:
        """Note of the flagged rows what their cell of the column is not."""
        new = flags & self.texts.isna()
        if new.any():
            column, texts = cells.name, texts_of(cells[new])
            told = [f"{shown(text)} in {column} {said}" if text else f"{column} is empty" for text in texts]
            self.texts[new] = told


def _stamps(cells: pd.DataFrame, layout: Layout, problems: _Problems) -> dict[str, pd.Series]:
    nth = pd.Series(np.nan, index=cells.index)
    if layout.timestamp:
        stamp, aware = _moments(cells[layout.timestamp], layout.timestamp_format)
        problems.add(stamp.isna(), cells[layout.timestamp], "is no stamp")
        return {"stamp": stamp, "aware": aware, "nth": nth}
    name = str(layout.date)
    day_format, _, time_format = (layout.timestamp_format or "").partition(" ")
    day, aware = _moments(cells[name], (day_format if layout.time else layout.timestamp_format) or None)
    problems.add(day.isna(), cells[name], "is no date")
    day = day.dt.normalize()
    if layout.hour:
        nth = _numbers(cells[layout.hour], layout)
        nth = nth.where((nth >= 1) & (nth <= 2 * MINUTES_A_DAY) & (nth % 1 == 0))
        problems.add(nth.isna(), cells[layout.hour], "is no number of an interval from 1")
        return {"stamp": day, "aware": aware & False, "nth": nth}
    name = str(layout.time)
    clock = _clock(cells[name], time_format or None)
    problems.add(clock.isna(), cells[name], "is no time of day")
    return {"stamp": (day + clock).astype("datetime64[us]"), "aware": aware & False, "nth": nth}


def _moments(cells: pd.Series, layout_format: str | None) -> tuple[pd.Series, pd.Series]:
    """Stamps as they stand there, NaT where there is none; and which of them are UTC."""
    if pd.api.types.is_datetime64_any_dtype(cells.dtype):
        aware = pd.Series(isinstance(cells.dtype, pd.DatetimeTZDtype), index=cells.index)
        stamp = cells.dt.tz_convert(None) if aware.any() else cells.dt.tz_localize(None)
        return _plausible(stamp.astype("datetime64[us]")), aware
    texts = texts_of(cells)
    if cells.dtype != object:
        return _parsed(texts, layout_format)
    typed = pd.Series([isinstance(cell, date) for cell in cells], index=cells.index, dtype=bool)
    stamp, aware = _parsed(texts.mask(typed, ""), layout_format)
    typed_stamp, _ = _parsed(texts.where(typed, ""), None)
    # a workbook keeps days as numbers, whose fractions are a little off the second
    return stamp.fillna(typed_stamp.dt.round("s")), aware & ~typed


def _parsed(texts: pd.Series, layout_format: str | None) -> tuple[pd.Series, pd.Series]:
    ends_day = texts.str.contains(_END_OF_DAY)
    if ends_day.any():
        texts = texts.mask(ends_day, texts.str.replace("24:00", "00:00", n=1, regex=False))
    stamp = pd.to_datetime(texts, format=layout_format or "ISO8601", errors="coerce", utc=True)
    stamp = _plausible(stamp.dt.tz_convert(None).astype("datetime64[us]"))
    if layout_format is None:
        aware = texts.str.contains(_AWARE).astype(bool)
    else:
        aware = pd.Series("%z" in layout_format, index=texts.index)
    return stamp.mask(ends_day, stamp + pd.Timedelta(days=1)), aware


def _plausible(stamps: pd.Series) -> pd.Series:
    """Stamps of years for which time zones can be reckoned."""
    return stamps.where(stamps.between(_FIRST_STAMP, _LAST_STAMP))


def _clock(cells: pd.Series, layout_format: str | None) -> pd.Series:
    """Times of day since midnight, `24:00` being a whole day; NaT where there is none."""
    typed = pd.Series([isinstance(cell, time | datetime) for cell in cells], index=cells.index, dtype=bool)
    texts = texts_of(cells).str.replace(r"^\d{4}-\d\d-\d\d ", "", regex=True)
    parts = texts.str.extract(_CLOCK).astype("float64")
    seconds = parts["h"] * 3600 + parts["m"] * 60 + parts["s"].fillna(0)
    plain = pd.to_timedelta(seconds.where(seconds <= MINUTES_A_DAY * 60), unit="s").astype("timedelta64[us]")
    if layout_format is None:
        return plain
    epoch = pd.Timestamp("2000-01-01")
    stamp, _ = _parsed(epoch.strftime("%Y-%m-%d ") + texts, f"%Y-%m-%d {layout_format}")
    return (stamp - epoch).mask(typed, plain)


def _numbers(cells: pd.Series, layout: Layout) -> pd.Series:
    """Numbers as float64, NaN where there is none or it is not finite."""
    if pd.api.types.is_numeric_dtype(cells.dtype) and cells.dtype != bool:
        numbers = cells.astype("float64")
    elif cells.dtype == object:
        typed = pd.Series([_number(cell) for cell in cells], index=cells.index, dtype="float64")
        numbers = typed.fillna(_numbers_of_texts(texts_of(cells), layout))
    else:
        numbers = _numbers_of_texts(texts_of(cells), layout)
    return numbers.where(np.isfinite(numbers))


def _number(cell: object) -> float:
    return float(cell) if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool) else np.nan


def _numbers_of_texts(texts: pd.Series, layout: Layout) -> pd.Series:
    """Only what is written as the layout says: `1.5` with decimal commas is no number, rather than 15 or 1.5."""
    decimal, marks = re.escape(layout.decimal), re.escape(layout.thousands)
    if layout.thousands == " ":
        marks = "[ \u00a0\u202f]"
    if layout.thousands == "'":
        marks = "['\u2019]"
    groups = rf"|[0-9]{{1,3}}(?:{marks}[0-9]{{3}})+" if marks else ""
    whole = rf"(?:[0-9]+{groups})"
    written = texts.str.fullmatch(rf"[+-]?(?:{whole}(?:{decimal}[0-9]*)?|{decimal}[0-9]+)(?:[eE][+-]?[0-9]+)?")
    texts = texts.where(written)
    if marks:
        texts = texts.str.replace(marks, "", regex=True)
    if layout.decimal != ".":
        texts = texts.str.replace(layout.decimal, ".", regex=False)
    numbers = pa.array(texts).cast(pa.float64())
    return pd.Series(numbers.to_numpy(zero_copy_only=False), index=texts.index)
