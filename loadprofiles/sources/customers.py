"""Customers of the anomaly system, and meters whose files are of any other layout (`layouts.py`).

The built-in layout is `DATOSCLIENTE<n>.csv`, hourly, local time, and the sheet of sectors.

A stamp of local time is made UTC with all rows of its meter at hand, because only their order tells the hour
that clocks show twice apart. Two ways to stamp the end of an interval are met when clocks change, and both are
read: by the clock (the hours that end the autumn's night read 2, 2, 3, those of the spring's 1, 3, 4), and by the
start plus the interval (2, 3, 3 and 1, 2, 4).
"""

import logging
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from loadprofiles.errors import InputError
from loadprofiles.quality import infer_step_minutes
from loadprofiles.sources.common import Job, Meters, files_in
from loadprofiles.sources.layouts import (
    BUILT_IN,
    Layout,
    Tally,
    empty_table,
    place_of,
    read_cells,
    read_table,
    texts_of,
)
from loadprofiles.sources.layouts import read_layout as read_layout
from loadprofiles.sources.split import buckets_for, split_by_meter
from loadprofiles.vee import RawMeter

SECTOR_SHEET = "sector_economico_clientes.xlsx"
_SECTOR_COLUMNS = ("Cliente:", "Sector Económico:")
_HINT = "expected DATOSCLIENTE<n>.csv files"
_EXPANSION = {".parquet": 8, ".xlsx": 5}
"""About how much longer rows are as text than in files that are packed."""

_NUMBERED_MINUTES = 60
_MOMENT = pd.Timedelta(1, "us")
_FILES_NAMED = 3

_log = logging.getLogger(__name__)


def find_files(folder: Path) -> list[Path]:
    """The built-in layout's files, one CSV a customer, in the order of their numbers.

    Raises:
        InputError: The folder is not there, holds none, or one without a number.
    """
    files = files_in(folder, BUILT_IN.files, _HINT)
    for path in files:
        if not re.search(str(BUILT_IN.meter_pattern), path.stem):
            raise InputError(f"{path}: expected a number after DATOSCLIENTE; rename the file or move it away")
    return sorted(files, key=_natural)


def meter_id_of(path: Path) -> str:
    """`Cliente <n>`, as the sheet of sectors calls the customer."""
    return BUILT_IN.meter_id_of(path)


def read(files: list[Path], timezone: str) -> Meters:
    """Read the energies, reactive energies and voltages of files of the built-in layout.

    Args:
        files: The customers' files.
        timezone: IANA name of the zone of the stamps.

    Raises:
        InputError: A file cannot be read or lacks a column.
    """
    for path in files:
        yield from _read_meter(meter_id_of(path), [path], timezone, BUILT_IN)


def jobs(folder: Path, timezone: str, layout: Layout, workspace: Path) -> list[Job]:
    """What there is to read of a folder, in pieces that can be read in other processes.

    A piece is a meter with its files; or, where a column names the meters, one of the files into which all rows
    were split beforehand, so that memory is bounded by that file and not by the archive.

    Args:
        folder: The folder.
        timezone: IANA name of the zone of the stamps, unless the layout has one.
        layout: How to read the files.
        workspace: Where to split them.

    Raises:
        InputError: There is no file, one has no meter, or, where a column names the meters, one cannot be read.
    """
    zone = layout.timezone or timezone
    files = find_files(folder) if layout == BUILT_IN else _find(folder, layout)
    if layout.meter_column:
        return _split_jobs(folder, files, zone, layout, workspace / "customers")
    files_of: dict[str, list[Path]] = {}
    for path in files:
        files_of.setdefault(layout.meter_id_of(path), []).append(path)
    return [
        Job(_origin(paths), partial(_read_meter, meter_id, paths, zone, layout), sum(p.stat().st_size for p in paths))
        for meter_id, paths in files_of.items()
    ]


def read_sectors(folder: Path, layout: Layout = BUILT_IN) -> pd.Series:
    """The sector of each meter, indexed by `meter_id`; empty where there is no sheet and the layout names none.

    Raises:
        InputError: The file cannot be read, lacks a column, or has two sectors for a meter.
    """
    if layout.sectors:
        path, columns = folder / layout.sectors.file, (layout.sectors.meter, layout.sectors.sector)
    else:
        path, columns, layout = folder / SECTOR_SHEET, _SECTOR_COLUMNS, BUILT_IN
        if not path.is_file():
            return pd.Series(dtype="str", name="sector")
    tables = [cells.map(str) for cells in _sector_texts(path, layout, columns)]
    table = pd.concat(tables).set_axis(["meter_id", "sector"], axis=1)
    table = table[table["meter_id"] != ""].drop_duplicates()
    twice = table["meter_id"][table["meter_id"].duplicated()]
    if len(twice):
        said = f"a second sector of {twice.iloc[0]!r}; leave one"
        raise InputError(place_of(path, twice.index[0], said))
    return table.set_index("meter_id")["sector"].replace("", np.nan)


def _sector_texts(path: Path, layout: Layout, columns: tuple[str, str]) -> Iterator[pd.DataFrame]:
    yield pd.DataFrame({name: pd.Series(dtype="str") for name in columns})
    for cells in read_cells(path, layout, columns, tally := Tally()):
        yield cells.apply(texts_of).apply(lambda texts: texts.str.split().str.join(" "))
    if tally.dropped:
        raise InputError(f"{tally.where['ragged']}; mend the file")


# ---- finding files ----


def _natural(path: Path) -> list[int | str]:
    """Sorts 9 before 10; texts and numbers take turns, so that like is compared with like."""
    parts = re.split(r"([0-9]+)", path.as_posix())
    return [int(part) if number % 2 else part for number, part in enumerate(parts)]


def _find(folder: Path, layout: Layout) -> list[Path]:
    hint = f"the layout expects files = {layout.files!r}"
    others = {folder / SECTOR_SHEET, folder / layout.sectors.file if layout.sectors else folder}
    found = [
        path
        for path in files_in(folder, layout.files, hint)
        # hidden files are others' unfinished ones, ~$ files are Excel's locks
        if path.is_file() and not path.name.startswith((".", "~$")) and path not in others
    ]
    if not found:
        raise InputError(f"{folder}: no file {layout.files} with readings in it; {hint}")
    return sorted(found, key=_natural)


def _origin(files: list[Path]) -> str:
    named = ", ".join(map(str, files[:_FILES_NAMED]))
    return named + (f" and {len(files) - _FILES_NAMED} more" if len(files) > _FILES_NAMED else "")


# ---- many meters a file ----


def _split_jobs(folder: Path, files: list[Path], zone: str, layout: Layout, workspace: Path) -> list[Job]:
    strays = Tally()
    failed: dict[Path, str] = {}
    size = sum(path.stat().st_size * _EXPANSION.get(path.suffix.lower(), 1) for path in files)
    buckets = split_by_meter(_named_rows(files, layout, strays, failed), workspace, buckets_for(size))
    if not buckets and failed:
        raise InputError(next(iter(failed.values())))
    if not buckets:
        raise InputError(f"{folder}: no row of {len(files)} files names a meter in column {layout.meter_column!r}")
    # rows that name no meter are told with the first meter, since they have none of their own
    tallies = [strays, *[Tally() for _ in buckets[1:]]]
    parts = [
        Job(
            f"{folder} (part {number} of {len(buckets)})",
            partial(_read_bucket, bucket, files, zone, layout, tally),
            bucket.stat().st_size,
        )
        for number, (bucket, tally) in enumerate(zip(buckets, tallies, strict=True), start=1)
    ]
    return [*parts, *[Job(str(path), partial(_fail, message)) for path, message in failed.items()]]


def _fail(message: str) -> Meters:
    """A file that could not be split fails when it is its turn, as any other file that cannot be read."""
    raise InputError(message)


def _named_rows(files: list[Path], layout: Layout, strays: Tally, failed: dict[Path, str]) -> Iterator[pd.DataFrame]:
    """The rows of all files that name a meter; the others are counted, and files that cannot be read noted."""
    for number, path in enumerate(files):
        try:
            yield from (table.assign(file=number) for table in _named(path, layout, strays))
        except InputError as error:
            failed[path] = str(error)


def _named(path: Path, layout: Layout, strays: Tally) -> Iterator[pd.DataFrame]:
    rows = 0
    try:
        for table in read_table(path, layout, strays):
            rows += len(table)
            named = table["id"] != ""
            if not named.all():
                line = int(table["line"][~named].iloc[0])
                place = place_of(path, line, f"{layout.meter_column} is empty")
                strays.add("no_meter_id", int((~named).sum()), place)
            if named.any():
                yield table[named]
    except InputError as error:
        raise InputError(f"{error}; the {rows} rows before are used" if rows else str(error)) from error
    if not rows:
        _log.warning("%s: has a header but no rows", path)


def _read_bucket(bucket: Path, files: list[Path], zone: str, layout: Layout, strays: Tally) -> Meters:
    for meter_id, rows in pd.read_parquet(bucket).groupby("id", sort=False):
        yield _to_meter(str(meter_id), rows.reset_index(drop=True), files, zone, layout, strays)
        strays = Tally()


# ---- one meter ----


def _read_meter(meter_id: str, files: list[Path], zone: str, layout: Layout) -> list[RawMeter]:
    tally = Tally()
    tables = [
        table.assign(file=number) for number, path in enumerate(files) for table in read_table(path, layout, tally)
    ]
    rows = pd.concat(tables, ignore_index=True) if tables else empty_table(layout).assign(file=0)
    return [_to_meter(meter_id, rows, files, zone, layout, tally)]


def _to_meter(
    meter_id: str, rows: pd.DataFrame, files: list[Path], zone: str, layout: Layout, strays: Tally
) -> RawMeter:
    """A meter of all its plain rows (`layouts.read_table`), those of `strays` counted with it."""
    utc, minutes, others = _intervals(rows, zone, layout)
    hours = (minutes or np.nan) / 60 if layout.is_power else 1.0
    energy = rows["energy"]
    problem = rows["problem"].fillna(_clock_problems(rows, utc, zone, layout))
    if "export" in rows:
        none = rows["export"].isna().all() and rows["problem"].isna().any()
        energy = energy - (0.0 if none else rows["export"])
        problem = problem.mask(problem.isna() & energy.isna(), f"{layout.export} is empty")
    table = pd.DataFrame({"timestamp_utc": utc, "energy_kwh": energy * hours})
    if "reactive" in rows:
        table["reactive_energy_kvarh"] = rows["reactive"] * hours
    table = table.join(rows[[f"voltage_{name}_v" for name in layout.voltages]])

    tally = Tally(Counter(strays.dropped), dict(strays.where))
    tally.add("unreadable", int(problem.notna().sum()), _first_place(rows, problem.notna(), files, problem))
    unusable = problem.isna() & (others != "")
    tally.add("interval", int(unusable.sum()), _first_place(rows, unusable, files, pd.Series(others, rows.index)))
    kept = table[problem.isna() & ~unusable].reset_index(drop=True)
    numbers = rows["file"].unique().tolist()
    origin = _origin([files[number] for number in numbers] or files)
    return RawMeter(meter_id, origin, kept, len(rows) + strays.dropped.total(), tally.dropped, tally.where)


def _first_place(rows: pd.DataFrame, flags: pd.Series, files: list[Path], said: pd.Series) -> str:
    if not flags.any():
        return ""
    first = rows[flags].iloc[0]
    return place_of(files[first["file"]], first["line"], said[flags].iloc[0])


def _clock_problems(rows: pd.DataFrame, utc: pd.Series, zone: str, layout: Layout) -> pd.Series:
    """What is wrong with stamps that could be read but never were."""
    problems = pd.Series(None, index=rows.index, dtype="str")
    lost = utc.isna() & rows["stamp"].notna()
    if lost.any():
        stamps = rows["stamp"][lost].astype("str")
        if layout.hour:
            said = stamps.str[:10] + " has no interval " + rows["nth"][lost].map("{:.0f}".format) + f" in {zone}"
        else:
            said = stamps + f" was on no clock of {zone}"
        problems[lost] = said
    return problems


def _intervals(rows: pd.DataFrame, zone: str, layout: Layout) -> tuple[pd.Series, int | None, str]:
    """Start of each interval in UTC, its minutes if known, and why the rows cannot be used, or nothing."""
    given = layout.interval_minutes or (_NUMBERED_MINUTES if layout.hour else None)
    if layout.hour:
        utc = _numbered(rows, zone, given or _NUMBERED_MINUTES)
    else:
        utc = _stamped(rows, zone, closes=layout.stamps == "end")
    found = infer_step_minutes(utc.dropna().drop_duplicates().sort_values())
    minutes = given or found
    if layout.stamps == "end":
        utc = utc - pd.Timedelta(minutes=minutes or 0)
    if given and found and given != found:
        return utc, minutes, f"stamps are mostly {found} minutes apart, interval_minutes is {given}"
    if minutes is None and (layout.stamps == "end" or layout.is_power):
        return utc, minutes, "the stamps show no regular interval; set interval_minutes in the layout"
    return utc, minutes, ""


def _utc(stamps: pd.Series) -> pd.Series:
    utc: pd.Series = stamps.dt.tz_convert("UTC").astype("datetime64[us, UTC]")
    return utc


def _numbered(rows: pd.DataFrame, zone: str, minutes: int) -> pd.Series:
    """Start of the n-th interval of each row's local day; NaT beyond the day's end."""
    days = rows["stamp"]
    utc = _midnight(days, zone) + pd.to_timedelta((rows["nth"] - 1) * minutes, unit="min")
    return utc.where(utc < _midnight(days + pd.Timedelta(days=1), zone)).astype("datetime64[us, UTC]")


def _midnight(days: pd.Series, zone: str) -> pd.Series:
    """The first moment of each local day, also where clocks change at midnight."""
    first = np.ones(len(days), dtype=bool)
    return _utc(days.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward"))


def _stamped(rows: pd.DataFrame, zone: str, *, closes: bool) -> pd.Series:
    """Stamps in UTC; NaT for those that never were on a clock."""
    local = rows["stamp"].mask(rows["aware"])
    # each file starts anew: a day that is delivered twice does not have four such hours
    keys = pd.DataFrame({"file": rows["file"], "stamp": local})
    steps = local.diff()
    descending = (steps < pd.Timedelta(0)).sum() > (steps > pd.Timedelta(0)).sum()
    summer = ~keys.duplicated(keep="last" if descending else "first").to_numpy()
    utc = _utc(local.dt.tz_localize(zone, ambiguous=summer, nonexistent="NaT"))
    if closes:
        before = local - _MOMENT
        shifted = _utc(before.dt.tz_localize(zone, ambiguous=summer, nonexistent="NaT")) + _MOMENT
        utc = shifted.where(_by_start(keys, utc, zone), utc)
    return utc.fillna(_utc(rows["stamp"].where(rows["aware"]).dt.tz_localize("UTC")))


def _by_start(keys: pd.DataFrame, utc: pd.Series, zone: str) -> pd.Series:
    """Rows of files whose end stamps are the start plus the interval, and not what the clock showed.

    The moment that ends the hour shown twice is then stamped twice, and the one that begins it once; or the
    clock's skipped hour has a stamp at its begin.
    """
    repeated = keys.duplicated(keep=False)
    shown, before = _shown_twice(keys["stamp"], zone), _shown_twice(keys["stamp"] - _MOMENT, zone)
    skipped = utc.isna() & keys["stamp"].notna() & ~_skipped(keys["stamp"] - _MOMENT, zone)
    evidence = pd.DataFrame({"start": (repeated & before & ~shown) | skipped, "clock": repeated & shown & ~before})
    of_file = evidence.groupby(keys["file"]).transform("any")
    by_start: pd.Series = of_file["start"] & ~of_file["clock"]
    return by_start


def _shown_twice(stamps: pd.Series, zone: str) -> pd.Series:
    local = stamps.dt.tz_localize(zone, ambiguous="NaT", nonexistent="shift_forward")
    twice: pd.Series = local.isna() & stamps.notna()
    return twice


def _skipped(stamps: pd.Series, zone: str) -> pd.Series:
    summer = np.ones(len(stamps), dtype=bool)
    local = stamps.dt.tz_localize(zone, ambiguous=summer, nonexistent="NaT")
    skipped: pd.Series = local.isna() & stamps.notna()
    return skipped
