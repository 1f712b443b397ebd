"""Hourly energy of all meters by local day: read once into memory, summed in milliseconds.

`build_cube` makes a Parquet file of it, one row a meter and day; `open_cube` reads that file, and the `Cube` answers
what the dashboard's filters ask for.
"""

import heapq
import logging
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import TypedDict, Unpack

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as arrow
import pyarrow.parquet as pq
from pyarrow import csv
from tqdm import tqdm

from loadprofiles.anomalies.days import HOUR_MINUTES, HOURS, day_number
from loadprofiles.compiling import compiled
from loadprofiles.errors import EmptyResultError, InputError, ParameterError
from loadprofiles.forecasting.panel import make_grid, sum_columns
from loadprofiles.parallel import run_tasks
from loadprofiles.profiles import read_profiles, resolution_of, values_of
from loadprofiles.readings import StoredReadings, open_readings
from loadprofiles.tables import atomic_path, first_line

SLOT_HOURS = 4
"""Hours of the slot of highest use, as the earlier dashboard had it."""

Floats = npt.NDArray[np.float64]
Energies = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Meters = str | Sequence[str] | npt.NDArray[np.int64] | None
"""Which meters are meant: a name, names, or positions in `Cube.meters`; None: all."""

_log = logging.getLogger(__name__)
_VERSION = "1"
_ALL_DAY = (0, HOURS)
_WEEKDAYS = 7
_FIRST_WEEKDAY = 3  # 1970-01-01 was a Thursday
_KEYS = ["meter_id", "date"]
_HOUR_COLUMNS = [f"h{hour:02d}" for hour in range(HOURS)]
_SCHEMA = arrow.schema(
    {"meter_id": arrow.string(), "date": arrow.date32(), **dict.fromkeys(_HOUR_COLUMNS, arrow.float32())}
)
_METERS_A_TASK = 25
_ROWS_A_PROCESS = 2_000_000
"""Readings that are worth the start of another process, which takes some seconds."""
_ROWS_A_GROUP = 65_536
_ROWS_AT_ONCE = 4096
_GRIDS_KEPT = 8
_WINDOWS_KEPT = 4


@dataclass(frozen=True, eq=False)
class _Block:
    """Consecutive local days of a meter.

    Attributes:
        meter: Its name.
        first_day: Day 0, as days since 1970-01-01.
        energy_kwh: Shape (days, 24), NaN where it is not known.
    """

    meter: str
    first_day: int
    energy_kwh: Energies


@dataclass(frozen=True)
class _Task:
    """Some meters whose readings one process sums."""

    number: int
    readings: Path
    meters: tuple[str, ...]
    timezone: str

    def __str__(self) -> str:
        return f"hourly energy of meters {self.meters[0]} to {self.meters[-1]}"


def build_cube(
    readings: StoredReadings | None, profiles: Path | None, timezone: str, target: Path, progress: bool
) -> Path:
    """Sum the energy of all meters to hours of the wall clock, and write it, whole or not at all.

    A meter that has Readings is taken from them, its first and last day in part if need be; one that has none, from
    its profiles. Of a meter that is read at intervals that are no part of an hour nothing is known, and the log says
    so. An hour that the clock shows twice has the energy of both; one that it skips is not known. Nor is
    one of which an interval is missing.

    Args:
        readings: The Readings; None: the profiles are all there is.
        profiles: The harmonized table; None: there is none.
        timezone: IANA name of the zone whose days are meant: that of the harmonized table.
        target: The file to write, sorted by meter and date: `meter_id`, `date`, `h00` … `h23` in kWh, float32, NaN
            where not known; no day between a meter's first and last is left out.
        progress: Whether to show it, if standard error is a terminal.

    Raises:
        InputError: A table cannot be read, or the profiles' steps are no part of an hour.
        EmptyResultError: No meter has a reading.
    """
    stored = readings.meters if readings else {}
    others = _profile_blocks(profiles, stored) if profiles else []
    if not stored and not others:
        raise EmptyResultError("no meter has a reading; the dashboard has nothing to show")
    total = len(stored) + len(others)
    with closing(_reading_blocks(readings, timezone)) as read:
        blocks = heapq.merge(read, others, key=lambda block: block.meter)
        shown = tqdm(blocks, total=total, desc="hourly energy", unit=" meters", disable=None if progress else True)
        _write(shown, timezone, target)
    return target


def _reading_blocks(readings: StoredReadings | None, timezone: str) -> Generator[_Block, None, None]:
    """The days of each meter of a Readings table, in ascending order."""
    if readings is None:
        return
    names, path = tuple(readings.meters), readings.path.absolute()
    tasks = [
        _Task(number, path, names[first : first + _METERS_A_TASK], timezone)
        for number, first in enumerate(range(0, len(names), _METERS_A_TASK))
    ]
    rows = sum(readings.meters.values())
    processes = min(int(joblib.cpu_count()), len(tasks), 1 + rows // _ROWS_A_PROCESS)
    sum_task = partial(_sum_task, readings) if processes == 1 else _open_and_sum
    done: dict[int, list[_Block]] = {}
    following = 0
    with closing(run_tasks(sum_task, tasks, processes, "", None)) as results:
        for number, blocks in results:
            done[number] = blocks
            while following in done:
                yield from done.pop(following)
                following += 1


def _open_and_sum(task: _Task) -> tuple[int, list[_Block]]:
    return _sum_task(_opened(task.readings), task)


@cache
def _opened(path: Path) -> StoredReadings:
    """The Readings, of which a process of ours reads the metadata once for all its tasks."""
    return open_readings(path)


def _sum_task(readings: StoredReadings, task: _Task) -> tuple[int, list[_Block]]:
    return task.number, [_reading_block(readings, meter, task.timezone) for meter in task.meters]


# most meters are read over the same time, and the clock's changes in it take as long to find as the sums
_grid = lru_cache(_GRIDS_KEPT)(make_grid)


def _reading_block(readings: StoredReadings, meter: str, timezone: str) -> _Block:
    table = readings.read([meter], columns=("energy_kwh",))
    stamps = table["timestamp_utc"]
    grid = _grid(stamps.iloc[0], stamps.iloc[-1], HOUR_MINUTES, timezone)
    try:
        ((nominal, _),) = sum_columns(table, grid, ("energy_kwh",))
    except ParameterError:
        _log.warning("meter %s is read at intervals that are no part of an hour: its energy is not shown", meter)
        nothing = np.full(grid.lengths.shape, np.nan, np.float32)
        return _Block(meter, grid.first_day, nothing.reshape(-1, HOURS))
    # as it was metered: a total must not hang on the change of clocks
    energy = (nominal * grid.lengths).astype(np.float32)
    return _Block(meter, grid.first_day, energy.reshape(-1, HOURS))


def _profile_blocks(path: Path, known: Collection[str]) -> list[_Block]:
    """The days of each meter of a harmonized table that is not `known`, in ascending order."""
    # to read all its days takes many times as long, and mostly every meter is known
    if known and _ids(path) <= set(known):
        return []
    profiles = read_profiles(path)
    profiles = profiles[~profiles["id"].isin(list(known))].sort_values(["id", "date"])
    if profiles.empty:
        return []
    if HOUR_MINUTES % resolution_of(profiles):
        raise InputError(f"{path}: its steps are no part of an hour, and the dashboard shows hours; harmonize to 60")
    try:
        days = pd.DatetimeIndex(pd.to_datetime(profiles["date"], format="ISO8601")).to_numpy().astype("datetime64[D]")
    except ValueError as error:
        raise InputError(f"{path}: column 'date': {first_line(error)}") from error
    energy = values_of(profiles).reshape(len(profiles), HOURS, -1).sum(axis=2)
    names = profiles["id"].to_numpy()
    starts = np.flatnonzero(names[1:] != names[:-1]) + 1
    parts = zip(np.split(days.astype(np.int64), starts), np.split(energy, starts), strict=True)
    return [_without_breaks(str(name), *part) for name, part in zip(names[[0, *starts]], parts, strict=True)]


def _ids(path: Path) -> set[str]:
    """The meters of a harmonized table, of which nothing else is read."""
    try:
        if path.suffix.lower() == ".csv":
            options = csv.ConvertOptions(include_columns=["id"], column_types={"id": arrow.string()})
            column = csv.read_csv(path, convert_options=options)["id"]
        else:
            column = pq.read_table(path, columns=["id"])["id"]
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read as a harmonized table: {first_line(error)}") from error
    return set(column.unique().to_pylist())


def _without_breaks(meter: str, days: Ints, energy: Floats) -> _Block:
    """All days of a meter from its first to its last, of which some are given, in order."""
    whole = np.full((days[-1] - days[0] + 1, HOURS), np.nan, dtype=np.float32)
    whole[days - days[0]] = energy
    return _Block(meter, int(days[0]), whole)


def _write(blocks: Iterable[_Block], timezone: str, target: Path) -> None:
    schema = _SCHEMA.with_metadata({"timezone": timezone, "version": _VERSION})
    with (
        atomic_path(target) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="lz4",
            use_dictionary=_KEYS,
            write_statistics=_KEYS,
            column_encoding=dict.fromkeys(_HOUR_COLUMNS, "BYTE_STREAM_SPLIT"),
        ) as writer,
    ):
        for group in _groups(blocks):
            writer.write_table(_to_arrow(group, schema))


def _groups(blocks: Iterable[_Block]) -> Iterator[list[_Block]]:
    """The blocks in groups of at least `_ROWS_A_GROUP` rows, but for the last."""
    group: list[_Block] = []
    rows = 0
    for block in blocks:
        group.append(block)
        rows += len(block.energy_kwh)
        if rows >= _ROWS_A_GROUP:
            yield group
            group, rows = [], 0
    if group:
        yield group


def _to_arrow(blocks: list[_Block], schema: arrow.Schema) -> arrow.Table:
    counts = [len(block.energy_kwh) for block in blocks]
    codes = np.repeat(np.arange(len(blocks), dtype=np.int32), counts)
    days = np.concatenate([block.first_day + np.arange(n) for block, n in zip(blocks, counts, strict=True)])
    energy = np.concatenate([block.energy_kwh for block in blocks])
    columns = [
        arrow.array([block.meter for block in blocks], arrow.string()).take(arrow.array(codes)),
        arrow.array(days.astype(np.int32)).cast(arrow.date32()),
        *(arrow.array(np.ascontiguousarray(energy[:, hour])) for hour in range(HOURS)),
    ]
    return arrow.table(columns, schema=schema)


@dataclass(frozen=True, eq=False)
class Energy:
    """Energy of some things, one after the other.

    Attributes:
        kwh: Of those hours that are known; NaN where none is.
        known_hours: How many are known, of all its meters.
    """

    kwh: Floats
    known_hours: Ints


@dataclass(frozen=True, eq=False)
class DailyEnergy(Energy):
    """Energy of consecutive local days.

    Attributes:
        dates: The days.
    """

    dates: npt.NDArray[np.datetime64]


@dataclass(frozen=True)
class PeakSlot:
    """The hours of the day with the highest use.

    Attributes:
        first_hour: The slot starts with this hour of the local day; it lasts `SLOT_HOURS`.
        kwh: What a meter uses in it on a day: the sum of its hours' means.
    """

    first_hour: int
    kwh: float


@dataclass(frozen=True, eq=False)
class _Selection:
    """Rows of some meters in a period.

    Attributes:
        hours: Of the day, the first, and one past the last.
        first_day: Of the period, as days since 1970-01-01.
        n_days: Of the period; 0: it lies outside the data.
        starts: The first row of each meter.
        ends: One past the last row of each meter.
        offsets: The day of the period of each meter's first row.
    """

    hours: tuple[int, int]
    first_day: int
    n_days: int
    starts: Ints
    ends: Ints
    offsets: Ints


class Period(TypedDict, total=False):
    """Of when energy is asked for; what is left out does not restrict.

    Attributes:
        first_day: The first local day.
        last_day: The last local day; it is included.
        hours: Of each day, the first, and one past the last: (8, 20).
    """

    first_day: date | None
    last_day: date | None
    hours: tuple[int, int]


class Cube:
    """The hourly energy of all meters, in memory; `open_cube` makes one.

    What is asked for outside the data is NaN or empty. Any number of threads may ask at once. Where clocks change, an
    hour that comes twice has the energy of both, and one that is skipped is not known.

    Attributes:
        timezone: IANA name of the zone whose days are meant.
        meters: Names, in ascending order.
        first_day: The first day of any meter.
        last_day: The last day of any meter.
    """

    def __init__(self, timezone: str, meters: tuple[str, ...], first_days: Ints, rows: Ints, energy: Energies) -> None:
        """Take over the energy.

        Args:
            timezone: IANA name.
            meters: Names, in ascending order, at least one.
            first_days: The first day of each, as days since 1970-01-01.
            rows: Where the rows of each meter begin, and the last's end: one more than there are meters.
            energy: Shape (rows, 24), in kWh, the consecutive days of one meter after the other; NaN: not known.
        """
        self.timezone = timezone
        self.meters = meters
        self._position = {name: position for position, name in enumerate(meters)}
        self._first_days, self._rows, self._energy = first_days, rows, energy
        self._first, self._last = int(first_days.min()), int((first_days + np.diff(rows)).max()) - 1
        self.first_day, self.last_day = _date(self._first), _date(self._last)
        # a change of period or meters asks again and again for the same hours
        self._day_sums = lru_cache(_WINDOWS_KEPT)(partial(_sum_days, energy))
        self._day_sums(*_ALL_DAY)

    @property
    def n_days(self) -> int:
        """Days from the first to the last."""
        return self._last - self._first + 1

    def days_of(self, meter: str) -> tuple[date, date]:
        """The first and the last day of a meter.

        Raises:
            InputError: There is no such meter.
        """
        (position,) = self.positions(meter)
        first, rows = int(self._first_days[position]), int(self._rows[position + 1] - self._rows[position])
        return _date(first), _date(first + rows - 1)

    def days_within(self, meters: Meters = None, **period: Unpack[Period]) -> tuple[Ints, Ints]:
        """Which days of the period lie between the first and the last day of each meter, shape (meters,) each.

        Returns:
            The first of them and the one after the last, counted from the period's first; the same where there is none.

        Raises:
            InputError: There is no such meter.
            ParameterError: There are no such hours.
        """
        chosen = self._select(meters, period)
        return chosen.offsets, chosen.offsets + chosen.ends - chosen.starts

    def positions(self, meters: Meters = None) -> Ints:
        """The positions of meters in `meters`.

        Raises:
            InputError: There is no meter of a name.
        """
        if meters is None:
            return np.arange(len(self.meters))
        if isinstance(meters, np.ndarray):
            return meters
        try:
            return np.array([self._position[name] for name in ([meters] if isinstance(meters, str) else meters)], int)
        except KeyError as error:
            raise InputError(f"there is no hourly energy of meter {error.args[0]!r}; choose another") from error

    def energy_kwh(self, meters: Meters = None, **period: Unpack[Period]) -> Energy:
        """The energy of each meter, shape (meters,).

        Raises:
            InputError: There is no such meter.
            ParameterError: There are no such hours.
        """
        chosen = self._select(meters, period)
        n_meters = len(chosen.starts)
        sums = self._add_up(chosen, np.arange(n_meters), np.zeros(chosen.n_days, np.int64), (n_meters, 1))
        return Energy(sums.kwh[:, 0], sums.known_hours[:, 0])

    def total_by_day(self, meters: Meters = None, **period: Unpack[Period]) -> DailyEnergy:
        """The energy of all meters together on each day of the period, as far as there are days, shape (days,).

        Raises:
            InputError: There is no such meter.
            ParameterError: There are no such hours.
        """
        chosen = self._select(meters, period)
        days = np.arange(chosen.n_days)
        sums = self._add_up(chosen, np.zeros(len(chosen.starts), np.int64), days, (1, chosen.n_days))
        return DailyEnergy(sums.kwh[0], sums.known_hours[0], (chosen.first_day + days).astype("datetime64[D]"))

    def daily(self, meter: str, **period: Unpack[Period]) -> DailyEnergy:
        """The energy of one meter on each day of the period, as `total_by_day`."""
        return self.total_by_day(meter, **period)

    def sparkline(self, meters: Meters = None, points: int = 26, **period: Unpack[Period]) -> Floats:
        """The course of each meter over the period, in kWh a day.

        The period is cut into as many parts of about the same length. What is missing in a part lowers it not: its
        known hours stand for all.

        Returns:
            Shape (meters, points), or as many points as there are days, if these are fewer.

        Raises:
            InputError: There is no such meter.
            ParameterError: There are no such hours.
        """
        chosen = self._select(meters, period)
        shape = len(chosen.starts), min(points, chosen.n_days)
        bins = np.arange(chosen.n_days) * shape[1] // max(chosen.n_days, 1)
        sums = self._add_up(chosen, np.arange(shape[0]), bins, shape)
        return _means(sums.kwh, sums.known_hours) * (chosen.hours[1] - chosen.hours[0])

    def hourly(self, meter: str, **period: Unpack[Period]) -> tuple[date, Energies]:
        """The energy of one meter hour by hour.

        Returns:
            The first day, and the energy of it and the following ones, shape (days, 24); as far as the meter has days.

        Raises:
            InputError: There is no such meter.
            ParameterError: There are no such hours.
        """
        chosen = self._select(meter, period)
        energy = np.full((int(chosen.ends[0] - chosen.starts[0]), HOURS), np.nan, dtype=np.float32)
        hours = slice(*chosen.hours)
        energy[:, hours] = self._energy[chosen.starts[0] : chosen.ends[0], hours]
        return _date(chosen.first_day + int(chosen.offsets[0])), energy

    def by_weekday_hour(self, meters: Meters = None, **period: Unpack[Period]) -> Floats:
        """What a meter uses in an hour of a weekday, in the mean of all known, shape (7, 24), Monday first.

        Raises:
            InputError: There is no such meter.
            ParameterError: There are no such hours.
        """
        return _means(*self._sum_weekday_hours(meters, period))

    def by_hour(self, meters: Meters = None, **period: Unpack[Period]) -> Floats:
        """What a meter uses in an hour of the day, in the mean of all known, shape (24,).

        Raises:
            InputError: There is no such meter.
            ParameterError: There are no such hours.
        """
        sums, known = self._sum_weekday_hours(meters, period)
        return _means(sums.sum(axis=0), known.sum(axis=0))

    def peak_slot(self, meters: Meters = None, **period: Unpack[Period]) -> PeakSlot | None:
        """The consecutive hours of the day with the highest use, in the mean of all known; the first of equals.

        A slot does not go on past midnight, nor beyond `hours`.

        Returns:
            The slot; None if there are not as many hours in a row that are known.

        Raises:
            InputError: There is no such meter.
            ParameterError: There are no such hours.
        """
        means = self.by_hour(meters, **period)
        slots = np.lib.stride_tricks.sliding_window_view(means, SLOT_HOURS).sum(axis=1)
        if np.isnan(slots).all():
            return None
        best = int(np.nanargmax(slots))
        return PeakSlot(best, float(slots[best]))

    def _select(self, meters: Meters, period: Period) -> _Selection:
        first_day, last_day = period.get("first_day"), period.get("last_day")
        hours = period.get("hours", _ALL_DAY)
        if not 0 <= hours[0] < hours[1] <= HOURS:
            raise ParameterError(f"hours are {hours[0]} to {hours[1]}; take two from 0 to 24, the first below the last")
        first = self._first if first_day is None else max(self._first, day_number(first_day))
        last = self._last if last_day is None else min(self._last, day_number(last_day))
        positions = self.positions(meters)
        rows, own_first = self._rows[positions], self._first_days[positions]
        own_end = own_first + self._rows[positions + 1] - rows
        from_day = np.clip(first, own_first, own_end)
        to_day = np.clip(last + 1, from_day, own_end)
        return _Selection(
            hours=hours,
            first_day=first,
            n_days=max(0, last + 1 - first),
            starts=rows + from_day - own_first,
            ends=rows + to_day - own_first,
            offsets=from_day - first,
        )

    def _add_up(self, chosen: _Selection, groups: Ints, bins: Ints, shape: tuple[int, int]) -> Energy:
        """The energy of groups of meters in groups of days.

        Args:
            chosen: The meters, days and hours.
            groups: The group of each meter.
            bins: That of each day of the period.
            shape: How many there are of both.
        """
        kwh, known = self._day_sums(*chosen.hours)
        sums, counts = np.zeros(shape), np.zeros(shape, np.int64)
        _add_days(kwh, known, chosen.starts, chosen.ends, chosen.offsets, groups, bins, sums, counts)
        return Energy(np.where(counts > 0, sums, np.nan), counts)

    def _sum_weekday_hours(self, meters: Meters, period: Period) -> tuple[Floats, Ints]:
        """The energy and number of known hours by weekday and hour, shape (7, 24)."""
        chosen = self._select(meters, period)
        weekdays = (chosen.first_day + chosen.offsets + _FIRST_WEEKDAY) % _WEEKDAYS
        sums, known = np.zeros((_WEEKDAYS, HOURS)), np.zeros((_WEEKDAYS, HOURS), np.int64)
        _add_weekdays(self._energy, chosen.starts, chosen.ends, weekdays, sums, known)
        outside = np.delete(np.arange(HOURS), slice(*chosen.hours))
        known[:, outside] = 0
        return sums, known


def _date(day: int) -> date:
    return date.fromordinal(date(1970, 1, 1).toordinal() + day)


def _sum_days(energy: Energies, first_hour: int, end_hour: int) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """The energy and number of known hours of each row, shape (rows,)."""
    kwh, known = np.empty(len(energy)), np.empty(len(energy), np.uint8)
    _add_hours(energy, first_hour, end_hour, kwh, known)
    return kwh, known


def _means(sums: Floats, counts: Ints) -> Floats:
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


@compiled
def _add_hours(energy: Energies, first_hour: int, end_hour: int, kwh: Floats, known: npt.NDArray[np.uint8]) -> None:
    for row in range(len(energy)):
        total, count = 0.0, 0
        for hour in range(first_hour, end_hour):
            value = energy[row, hour]
            if not np.isnan(value):
                total += value
                count += 1
        kwh[row], known[row] = total, count


@compiled
def _add_days(
    kwh: Floats,
    known: npt.NDArray[np.uint8],
    starts: Ints,
    ends: Ints,
    offsets: Ints,
    groups: Ints,
    bins: Ints,
    sums: Floats,
    counts: Ints,
) -> None:
    for meter in range(len(starts)):
        group = groups[meter]
        for row in range(starts[meter], ends[meter]):
            part = bins[offsets[meter] + row - starts[meter]]
            sums[group, part] += kwh[row]
            counts[group, part] += known[row]


@compiled
def _add_weekdays(energy: Energies, starts: Ints, ends: Ints, weekdays: Ints, sums: Floats, counts: Ints) -> None:
    for meter in range(len(starts)):
        for row in range(starts[meter], ends[meter]):
            weekday = (weekdays[meter] + row - starts[meter]) % _WEEKDAYS
            # a number of hours that is not known beforehand takes four times as long
            for hour in range(HOURS):
                value = energy[row, hour]
                unknown = np.isnan(value)
                sums[weekday, hour] += 0.0 if unknown else value
                counts[weekday, hour] += 0 if unknown else 1


def open_cube(path: Path) -> Cube:
    """Read the hourly energy that `build_cube` wrote.

    Raises:
        InputError: It is missing, cannot be read, or is another version's.
    """
    try:
        with pq.ParquetFile(path, read_dictionary=["meter_id"]) as file:
            told = file.schema_arrow.metadata or {}
            if told.get(b"version") != _VERSION.encode() or file.schema_arrow.names != _SCHEMA.names:
                raise InputError(f"{path}: no hourly energy of this version; delete it, and it is made anew")
            keys = file.read(_KEYS)
            energy = _read_energy(file)
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"{path}: cannot be read: {first_line(error)}; delete it, and it is made anew") from error
    names = keys["meter_id"].unify_dictionaries().combine_chunks()
    codes = names.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    meters = tuple(names.dictionary.take(arrow.array(codes[starts])).to_pylist())
    first_days = keys["date"].cast(arrow.int32()).to_numpy()[starts].astype(np.int64)
    return Cube(told[b"timezone"].decode(), meters, first_days, np.append(starts, len(codes)), energy)


def _read_energy(file: pq.ParquetFile) -> Energies:
    """The hours of all rows, shape (rows, 24)."""
    energy = np.empty((file.metadata.num_rows, HOURS), dtype=np.float32)
    start = 0
    for group in range(file.num_row_groups):
        columns = [column.to_numpy() for column in file.read_row_group(group, _HOUR_COLUMNS).columns]
        # some rows at a time: columns become rows within the processor's cache
        for first in range(0, len(columns[0]), _ROWS_AT_ONCE):
            rows = energy[start + first : start + min(first + _ROWS_AT_ONCE, len(columns[0]))]
            for hour, column in enumerate(columns):
                rows[:, hour] = column[first : first + len(rows)]
        start += len(columns[0])
    return energy
