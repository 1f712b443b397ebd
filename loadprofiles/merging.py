"""The Readings of several sources as one table: of a meter that several have, each day from the one that knows most.

Meters go through one at a time, so that what is in memory does not grow with the sources.
"""

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import pandas as pd

from loadprofiles.errors import EmptyResultError
from loadprofiles.quality import MINUTES_A_DAY, Flags, Ints
from loadprofiles.readings import StoredReadings, open_readings, write_readings

_MINUTE = 60_000_000
_DAY = MINUTES_A_DAY * _MINUTE


@dataclass
class Merged:
    """What became of the readings of several sources.

    Attributes:
        path: The merged table.
        meters: How many meters it has.
        shared_meters: How many of them are in several sources.
        taken: How many readings it has of each source.
        left_out: How many it leaves out of each, because another source knows more of that day.
        first: The first of those left out, in words.
    """

    path: Path
    meters: int = 0
    shared_meters: int = 0
    taken: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    first: str = ""

    def metrics(self) -> dict[str, float]:
        """The counts, to compare runs by."""
        return {
            "readings": self.taken.total(),
            "meters_with_readings": self.meters,
            "meters_in_several_sources": self.shared_meters,
            "readings_left_out": self.left_out.total(),
        }

    def notes(self) -> list[str]:
        """What was taken and what was left out, in lines."""
        notes = [f"{self.taken.total()} readings of {self.meters} meters: {_counts(self.taken)}"]
        if self.shared_meters:
            left = f": {_counts(self.left_out)}, the first {self.first}" if self.first else ""
            notes.append(
                f"{self.shared_meters} meters have readings in several sources: each day (UTC) is that of the source "
                f"that knows most of it, of equals the newest system's; {self.left_out.total()} readings left out{left}"
            )
        return notes


def merge_readings(sources: Mapping[str, Path], folder: Path) -> Merged:
    """Merge the Readings of several sources into one table.

    Of a meter that several sources have, each UTC day is taken from the one with the most intervals of known energy, by
    the share of the day that they cover; of equals from the one named first. So the days of a meter may differ in
    their interval. What only one source has is copied as it is.

    Args:
        sources: Source → its Readings, a folder of parts or one Parquet file; the one to prefer first.
        folder: The folder to make, whole or not at all; what stood there is replaced.

    Raises:
        InputError: A table cannot be read, or breaks the contract of Readings.
        EmptyResultError: No table has a reading.
    """
    stored = {source: open_readings(path) for source, path in sources.items()}
    if not any(table.meters for table in stored.values()):
        raise EmptyResultError(f"no reading in {', '.join(map(str, sources.values()))}")
    merged = Merged(folder, taken=Counter(dict.fromkeys(sources, 0)), left_out=Counter(dict.fromkeys(sources, 0)))
    write_readings(_meters(stored, merged), {name for table in stored.values() for name in table.optional}, folder)
    return merged


def _meters(stored: Mapping[str, StoredReadings], merged: Merged) -> Iterator[pd.DataFrame]:
    """The merged readings of one meter after the other; what was taken and left out is entered in `merged`."""
    streams = [_named(table, rank, source) for rank, (source, table) in enumerate(stored.items())]
    for meter, found in groupby(heapq.merge(*streams, key=itemgetter(0, 1)), key=itemgetter(0)):
        tables = {source: table for _, _, source, table in found}
        flags = choose_days([*tables.values()])
        _enter(merged, meter, tables, flags)
        parts = [table[taken] for table, taken in zip(tables.values(), flags, strict=True) if taken.any()]
        yield parts[0] if len(parts) == 1 else pd.concat(parts).sort_values("timestamp_utc", ignore_index=True)


def _named(stored: StoredReadings, rank: int, source: str) -> Iterator[tuple[str, int, str, pd.DataFrame]]:
    for meter, table in zip(stored.meters, stored.each(), strict=True):
        yield meter, rank, source, table


def _enter(merged: Merged, meter: str, tables: Mapping[str, pd.DataFrame], flags: Sequence[Flags]) -> None:
    merged.meters += 1
    merged.shared_meters += len(tables) > 1
    for (source, table), taken in zip(tables.items(), flags, strict=True):
        merged.taken[source] += int(taken.sum())
        merged.left_out[source] += int((~taken).sum())
        if not merged.first and not taken.all():
            when = table["timestamp_utc"].iloc[int(np.argmin(taken))]
            merged.first = f"that of {meter} at {when:%Y-%m-%d %H:%M} UTC in {source}"


def choose_days(tables: Sequence[pd.DataFrame]) -> list[Flags]:
    """Which rows to take of the readings that several sources have of one meter.

    An interval belongs to the UTC day in which it starts, and covers as much of it as most intervals of its table do;
    more than the day counts as the day.

    Args:
        tables: Readings of one meter, none empty; of equals the first is preferred.

    Returns:
        For each table a flag for each of its rows.
    """
    days = [pd.DatetimeIndex(table["timestamp_utc"]).as_unit("us").asi8 // _DAY for table in tables]
    first = min(int(numbers[0]) for numbers in days)
    size = max(int(numbers[-1]) for numbers in days) - first + 1
    covered = [_known_of_days(table, numbers - first, size) for table, numbers in zip(tables, days, strict=True)]
    best = np.argmax(covered, axis=0)
    return [best[numbers - first] == rank for rank, numbers in enumerate(days)]


def _known_of_days(table: pd.DataFrame, days: Ints, size: int) -> Ints:
    """Microseconds of each of `size` days of which the energy is known; -1 where there is no reading of the day."""
    known = np.bincount(days[table["energy_kwh"].notna()], minlength=size) * _interval(table)
    return np.where(np.bincount(days, minlength=size) > 0, np.minimum(known, _DAY), -1)


def _interval(table: pd.DataFrame) -> int:
    """The most frequent distance of stamps, of equals the shortest, in microseconds; a minute if there is one stamp."""
    steps, counts = np.unique(np.diff(pd.DatetimeIndex(table["timestamp_utc"]).as_unit("us").asi8), return_counts=True)
    return int(steps[counts.argmax()]) if len(steps) else _MINUTE


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)
