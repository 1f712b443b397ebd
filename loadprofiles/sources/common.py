"""What all readers of files share: finding files, reading them with clear errors, stamps and numbers.

The large text sources are read by `read_cells`: only the wanted columns, numbers as numbers, in pyarrow, with the
line of the file that each row stands in. A line is a row: no cell of these layouts holds a line end, so a stray
quotation mark costs its own line and not the rest of the file.
"""

import codecs
import csv
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from loadprofiles.errors import InputError
from loadprofiles.tables import first_line, require_columns
from loadprofiles.vee import RawMeter

_log = logging.getLogger(__name__)

_CLOCK: Final = r"[\d:.,]+"
_NAIVE: Final = rf"[\dW-]+(?:[T ]{_CLOCK})?"
_AWARE: Final = rf"[\dW-]+[T ]{_CLOCK} ?(?:Z|[+-]\d\d(?::?\d\d)?)"
_NUMBER: Final = r"^[ \t]*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[ \t]*$"
_NOT_A_NUMBER: Final = r"(?i)^[ \t]*[+-]?nan(?:\(\w*\))?[ \t]*$"
_HEAD: Final = re.compile(rb"[\r\n]*(?P<line>[^\r\n]*)(?:\r\n|\r|\n|)")
_SEPARATORS: Final = (",", ";", "\t")
_SHOWN_CHARACTERS: Final = 40
_ARROW_BLOCK_BYTES: Final = 2**31 - 1


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
        InputError: It cannot be read, is not UTF-8, is empty, or lacks one of `columns`.
    """
    text = b"".join(data for data, _ in _pieces(path, None))
    try:
        rows: pd.DataFrame = pd.read_csv(BytesIO(text), dtype="str", keep_default_na=False, na_values=[""], **options)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {first_line(error)}") from error
    require_columns(rows, columns, path)
    return rows


@dataclass(frozen=True)
class Layout:
    """What to take from a delimited text file.

    Attributes:
        text: Columns that it must have, taken as text.
        numbers: Columns that it must have, taken as float64.
        optional: Whether a column of this name is taken as float64 too, if it is there.
        names: The columns of a file without a header line.
    """

    text: tuple[str, ...]
    numbers: tuple[str, ...]
    optional: Callable[[str], Any] = lambda _: False
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cells:
    """The wanted columns of a file, or of a piece of it, and where their rows stand.

    Attributes:
        path: The file.
        text: The text columns, shape (n,) each; an empty cell is null.
        numbers: The number columns, float64, shape (n,) each; NaN where the cell is empty, infinite where it
            holds no finite number.
        lines: Line of the file of each row, counted from 1, shape (n,).
        ragged: Lines that are no row: they have too few or too many cells, or quotation marks that do not pair.
        first_ragged: The first of them, and why; empty where there is none.
    """

    path: Path
    text: dict[str, pa.ChunkedArray]
    numbers: dict[str, npt.NDArray[np.float64]]
    lines: npt.NDArray[np.int64]
    ragged: int
    first_ragged: str
    _cell: Callable[[int, str], str] = field(repr=False)

    @property
    def rows_read(self) -> int:
        """Lines that hold anything, the header left out."""
        return len(self.lines) + self.ragged

    def place(self, row: int, column: str) -> str:
        """Where `row` stands and what it has in `column`."""
        return f"line {self.lines[row]}: {shown(self._cell(row, column))}"

    def unreadable(self, row: int, needed: Iterable[str]) -> str:
        """Why a row cannot be used: the first of the numbers `needed` that is none, or else its `timestamp`."""
        for name in needed:
            if not np.isfinite(self.numbers[name][row]):
                return f"{self.place(row, name)} in {name} is no number"
        return f"{self.place(row, 'timestamp')} is no timestamp"

    def count_ragged(self, raw: RawMeter) -> None:
        """Add the ragged lines to what `raw` has dropped."""
        if self.ragged:
            raw.dropped["ragged"] = self.ragged
            raw.where["ragged"] = self.first_ragged


def shown(text: str) -> str:
    """Text of a file as a message shows it: quoted, on one line, and not all of a long one."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…")


def meter_id_of(path: Path) -> str:
    """The meter that a file is named after.

    Raises:
        InputError: The name is not UTF-8, so no meter can be called that.
    """
    try:
        path.stem.encode()
    except UnicodeEncodeError:
        shown = str(path).encode(errors="backslashreplace").decode()
        raise InputError(f"{shown}: the name of the file is not UTF-8; rename it to <meter>{path.suffix}") from None
    return path.stem


def read_cells(path: Path, layout: Layout) -> Cells:
    """Read the wanted columns of a delimited text file at once.

    Columns are separated by commas, or by semicolons or tabs where these fit the layout and commas do not;
    decimals are points in any case.

    Raises:
        InputError: It cannot be read, is not UTF-8, is empty, or lacks a column.
    """
    (cells,) = read_blocks(path, layout, None)
    return cells


def read_blocks(path: Path, layout: Layout, block_bytes: int | None) -> Iterator[Cells]:
    """As `read_cells`, but in pieces of about `block_bytes`, at least one.

    Raises:
        InputError: As `read_cells`.
    """
    table: _Table | None = None
    for data, first in _pieces(path, block_bytes):
        start = 0
        if table is None:
            table, start = _open_table(path, layout, data)
        yield table.parse(data, start, first + len(data[:start].splitlines()))


def _pieces(path: Path, block_bytes: int | None) -> Iterator[tuple[bytes, int]]:
    """Whole lines of a UTF-8 file without its byte order mark, and the number of the first of them."""
    try:
        with path.open("rb") as file:
            data = file.read() if block_bytes is None else _whole_lines(file.read(block_bytes), file)
            check_not_utf16(path, data)
            data = data.removeprefix(codecs.BOM_UTF8)
            if not data[:64].strip() and not data.strip():
                raise InputError(f"{path}: cannot be read: it is empty; export it again, or move it away")
            line = 1
            while data:
                check_utf8(path, data, line, file.tell() - len(data))
                yield data, line
                if block_bytes is None:
                    break
                line += _count_lines(data)
                data = _whole_lines(file.read(block_bytes), file)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or first_line(error)}") from error


def _whole_lines(data: bytes, file: Any) -> bytes:
    """`data` and the rest of the line that it ends in."""
    return data if data.endswith(b"\n") else data + file.readline()


def _count_lines(data: bytes) -> int:
    return data.count(b"\n") if b"\r" not in data else len(data.splitlines())


def check_not_utf16(path: Path, data: bytes) -> None:
    """Refuse UTF-16: its mark, or text of which every other byte is zero."""
    start = data[:64]
    few, many = sorted((start[0::2].count(0), start[1::2].count(0)))
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or (not few and 4 * many > len(start)):
        raise InputError(f"{path}: cannot be read: it is UTF-16 from its first byte, in line 1; save it as UTF-8")


def check_utf8(path: Path, data: bytes, first_line_number: int, offset: int) -> None:
    """Raise InputError unless `data`, which starts at a line and byte of `path`, is UTF-8."""
    if data.isascii():
        return
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line_number + len((data[: error.start] + b".").splitlines()) - 1
        raise InputError(
            f"{path}: cannot be read: byte {offset + error.start} (0x{data[error.start]:02x}) in line {line} "
            "is not UTF-8; save it as UTF-8"
        ) from None


def _open_table(path: Path, layout: Layout, data: bytes) -> tuple["_Table", int]:
    """The table's columns by its first line that is not blank, and where its rows start in `data`."""
    head = _HEAD.match(data)
    line = head["line"].decode("utf-8") if head else ""
    separator = next((s for s in _SEPARATORS if _fits(_split(line, s), layout)), ",")
    if separator != ",":
        _log.info("%s: columns are separated by %r", path, separator)
    if layout.names:
        return _Table(path, layout, layout.names, separator), head.start("line") if head else 0
    names = _split(line, separator)
    require_columns(pd.DataFrame(columns=[_legible(n) for n in names]), (*layout.text, *layout.numbers), path)
    return _Table(path, layout, names, separator), head.end() if head else 0


def _legible(name: str) -> str:
    return shown(name)[1:-1]


def _fits(names: list[str], layout: Layout) -> bool:
    if layout.names:
        return len(names) == len(layout.names)
    return set(names) >= {*layout.text, *layout.numbers}


def _split(line: str, separator: str) -> list[str]:
    """The cells of one line."""
    if '"' not in line:
        return line.split(separator)
    try:
        return next(csv.reader([line], delimiter=separator), [""])
    except csv.Error:
        return line.split(separator)


def _is_plain(data: bytes, start: int) -> bool:
    """Whether every line may be a row as it is: no quotation marks, and line ends of one kind."""
    if data.find(b'"', start) >= 0:
        return False
    # finding none takes a tenth of the time of counting none
    return data.find(b"\r", start) < 0 or data.count(b"\r", start) == data.count(b"\r\n", start)


class _Table:
    """The columns of an open file; turns pieces of it into Cells."""

    def __init__(self, path: Path, layout: Layout, names: Sequence[str], separator: str) -> None:
        self._path = path
        self._separator = separator
        self._width = len(names)
        wanted = [*layout.text, *layout.numbers]
        wanted += [name for name in dict.fromkeys(names) if layout.optional(name) and name not in wanted]
        self._place = {name: list(names).index(name) for name in wanted}
        self._text = layout.text
        cells = rf'(?:"(?:[^"\r\n]|"")*+"|[^"{re.escape(separator)}\r\n][^{re.escape(separator)}\r\n]*+|)'
        self._well_quoted = re.compile(rf"{cells}(?:{re.escape(separator)}{cells})*+".encode())

    def parse(self, data: bytes, start: int, first: int) -> Cells:
        """The rows of whole lines of UTF-8 text from byte `start` on, which is line `first` of the file."""
        lines, unpaired = None, list[int]()
        if not _is_plain(data, start):
            data, lines, unpaired = self._rows_only(data[start:], first)
            start = 0
        table, numbers, ragged, reason = self._columns(data, start)
        if lines is None and len(table) and all(column.null_count for column in table.columns):
            # pyarrow makes a row of nothing of a blank line
            data, lines, unpaired = self._rows_only(data[start:], first)
            start = 0
            table, numbers, ragged, reason = self._columns(data, start)
        if lines is None:
            lines = np.arange(first, first + table.num_rows + len(ragged))
        kept = np.delete(lines, ragged) if ragged else lines
        reasons = {int(lines[row]): reason for row in ragged[:1]}
        reasons |= dict.fromkeys(unpaired[:1], "a quotation mark has no partner in the line")
        at = min(reasons, default=0)

        def cell(row: int, column: str) -> str:
            at = int(np.searchsorted(lines, kept[row]))
            rows = BytesIO(data)
            rows.seek(start)
            in_line = _split(next(islice(rows, at, None)).decode("utf-8").rstrip("\r\n"), self._separator)
            return in_line[self._place[column]] if len(in_line) == self._width else ""

        return Cells(
            path=self._path,
            text={name: table.column(name) for name in self._text},
            numbers=numbers,
            lines=kept,
            ragged=len(ragged) + len(unpaired),
            first_ragged=f"line {at}: {reasons[at]}" if reasons else "",
            _cell=cell,
        )

    def _columns(self, data: bytes, start: int) -> tuple[pa.Table, dict[str, npt.NDArray[np.float64]], list[int], str]:
        """The text columns, the numbers, the rows of another width (counted from 0), and what the first has."""
        names = [name for name in self._place if name not in self._text]
        try:
            table, ragged, reason = self._parse(data, start, dict.fromkeys(names, pa.float64()))
            numbers = {name: table.column(name).to_numpy() for name in names}
        except pa.ArrowInvalid:
            table, ragged, reason = self._parse(data, start, {})
            numbers = {name: numbers_of(table.column(name)) for name in names}
        return table.select(list(self._text)), numbers, ragged, reason

    def _rows_only(self, data: bytes, first: int) -> tuple[bytes, npt.NDArray[np.int64], list[int]]:
        """`data` without blank lines and lines that are badly quoted; the lines left, and the latter's."""
        good, numbers, unpaired = [], [], []
        for number, line in enumerate(data.splitlines(), first):
            if b'"' in line and not self._well_quoted.fullmatch(line):
                unpaired.append(number)
            elif line:
                good.append(line)
                numbers.append(number)
        return b"\n".join(good), np.array(numbers, dtype=np.int64), unpaired

    def _parse(self, data: bytes, start: int, types: dict[str, pa.DataType]) -> tuple[pa.Table, list[int], str]:
        """The wanted columns, text but for `types`; the rows of another width, from 0, and what the first has."""
        ragged: list[int] = []
        widths: list[int] = []

        def skip(row: arrow_csv.InvalidRow) -> str:
            ragged.append(row.number - 1)
            widths.append(row.actual_columns)
            return "skip"

        # columns go by their place: a header may repeat a name
        types = {str(place): types.get(name, pa.string()) for name, place in self._place.items()}
        # pyarrow passes over a byte order mark, and fails if nothing is behind it
        start += len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8, start) else 0
        if start == len(data):
            return pa.table([pa.chunked_array([], kind) for kind in types.values()], list(self._place)), [], ""
        table = arrow_csv.read_csv(
            pa.BufferReader(pa.py_buffer(data).slice(start)),
            read_options=arrow_csv.ReadOptions(
                use_threads=False,
                block_size=min(len(data) + 1, _ARROW_BLOCK_BYTES),
                column_names=[str(place) for place in range(self._width)],
            ),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._separator,
                quote_char='"' if data.find(b'"', start) >= 0 else False,
                ignore_empty_lines=False,
                invalid_row_handler=skip,
            ),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=list(types),
                column_types=types,
                null_values=[""],
                strings_can_be_null=True,
                check_utf8=False,  # done, with a better message
            ),
        )
        reason = f"{widths[0]} columns, expected {self._width}" if widths else ""
        return table.rename_columns(list(self._place)), ragged, reason


def numbers_of(cells: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """Text cells as numbers, just as pyarrow reads a column without other text.

    NaN where the cell is null or says so, infinite where it holds no finite number.
    """
    numeric = pc.if_else(pc.match_substring_regex(cells, _NUMBER), cells, None)
    numbers = pc.utf8_trim(numeric, " \t").cast(pa.float64()).to_numpy()
    empty = pc.fill_null(pc.match_substring_regex(cells, _NOT_A_NUMBER), True)
    return np.where(np.isnan(numbers) & ~empty.to_numpy(), np.inf, numbers)


def finite(numbers: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """`numbers` with NaN for what is infinite."""
    infinite = np.isinf(numbers)
    return np.where(infinite, np.nan, numbers) if infinite.any() else numbers


def parse_stamps(stamps: pd.Series | pa.ChunkedArray, timezone: str) -> pd.Series:
    """ISO stamps as UTC; those without an offset are local time of `timezone`.

    In the hour that clocks show twice, the first of two equal stamps is summer time. What is no stamp, or
    never was on a clock, becomes NaT.
    """
    cells = stamps if isinstance(stamps, pa.ChunkedArray) else pa.chunked_array([pa.array(stamps, pa.string())])
    index = None if isinstance(stamps, pa.ChunkedArray) else stamps.index
    utc = _parse_alike(cells, timezone)
    if utc is None:
        utc = _parse_each(pd.Series(cells.to_pandas(), dtype="str"), timezone)
    return utc if index is None else utc.set_axis(index)


def _parse_alike(cells: pa.ChunkedArray, timezone: str) -> pd.Series | None:
    """Stamps of which all have an offset, or none; None if they are not so, or not all are stamps."""
    sample = next((cell.as_py() for cell in cells if cell.is_valid), "")
    aware = re.fullmatch(_AWARE, sample) is not None
    try:
        stamps = cells.cast(pa.timestamp("us", "UTC" if aware else None)).to_pandas().rename(None)
    except pa.ArrowInvalid:
        return None
    return stamps if aware else localise(stamps, timezone)


def _parse_each(stamps: pd.Series, timezone: str) -> pd.Series:
    stripped = stamps.str.strip()
    aware = stripped.where(stripped.str.fullmatch(_AWARE, na=False))
    utc = pd.to_datetime(aware, errors="coerce", format="ISO8601", utc=True).astype("datetime64[us, UTC]")
    return utc.fillna(localise(parse_local(stripped), timezone))


def parse_local(stamps: pd.Series) -> pd.Series:
    """ISO stamps without an offset, in microseconds, in whatever zone they are; NaT for anything else."""
    naive = stamps.where(stamps.str.fullmatch(_NAIVE, na=False))
    local: pd.Series = pd.to_datetime(naive, errors="coerce", format="ISO8601").astype("datetime64[us]")
    return local


def localise(stamps: pd.Series, timezone: str) -> pd.Series:
    """Local stamps as UTC, by the rules of `parse_stamps`; `stamps` are without a zone, in microseconds."""
    summer = ~stamps.duplicated().to_numpy()
    local = stamps.dt.tz_localize(timezone, ambiguous=summer, nonexistent="NaT")
    utc: pd.Series = local.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    return utc


def to_numbers(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """`rows` with `columns` as float64; what is no finite number becomes NaN."""
    numbers = {c: pd.to_numeric(rows[c], errors="coerce").astype("float64") for c in columns}
    numeric: pd.DataFrame = rows.assign(**numbers)
    return numeric.replace({c: [np.inf, -np.inf] for c in columns}, np.nan)


def raw_meter(
    meter_id: str,
    path: Path,
    rows: pd.DataFrame,
    needed: list[str],
    rows_read: int,
    place: Callable[[int], str] | None = None,
) -> RawMeter:
    """A RawMeter of the rows that have a stamp and all `needed` numbers; the others are counted.

    Args:
        meter_id: The meter.
        path: The file that the rows come from.
        rows: `timestamp_utc` and numbers.
        needed: Columns without which a row is of no use.
        rows_read: Rows that the file holds.
        place: Tells of a row, counted from 0, where it stands and what is wrong with it.
    """
    unreadable = rows["timestamp_utc"].isna().to_numpy(copy=True)
    for name in needed:
        unreadable |= np.isnan(rows[name].to_numpy(dtype=np.float64))
    if not unreadable.any():
        return RawMeter(meter_id, str(path), rows.reset_index(drop=True), rows_read)
    dropped = Counter({"unreadable": int(unreadable.sum())})
    where = {"unreadable": place(int(unreadable.argmax()))} if place else {}
    return RawMeter(meter_id, str(path), rows[~unreadable].reset_index(drop=True), rows_read, dropped, where)


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
