"""Many meters' energy on one grid of local time, as forecasting wants it.

A step is `frequency_minutes` of the wall clock. When clocks change, a step lasts shorter or longer than that (the
hour that comes twice lasts two hours, the one that is skipped none), and its energy is brought to the nominal
length, so that a day has the same steps all year round; `Grid.intervals` turns a step's forecast into those of
the intervals that there really are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles.errors import EmptyResultError, ParameterError
from loadprofiles.forecasting.kernels import cut_past
from loadprofiles.quality import MINUTES_A_DAY

SILENT_HOURS = 24
"""Hours of nothing but zeros from which on they count as an outage, not as consumption."""

_MICROSECONDS = 60_000_000
_DAYS_A_WEEK = 7

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Grid:
    """Steps of the wall clock of a zone, counted from the start of a day.

    Attributes:
        frequency_minutes: Length of a step: a part of a day, or some days.
        timezone: IANA name.
        first_day: The day on which step 0 starts, as days since 1970-01-01; a multiple of the days a step has.
        n_steps: How many there are.
    """

    frequency_minutes: int
    timezone: str
    first_day: int
    n_steps: int

    @property
    def day_steps(self) -> int:
        """Steps after which the time of day is the same."""
        return max(1, MINUTES_A_DAY // self.frequency_minutes)

    @property
    def week_steps(self) -> int:
        """Steps after which the weekday is the same, too: those of a week, or of as many weeks as it takes."""
        step_days = max(1, self.frequency_minutes // MINUTES_A_DAY)
        return self.day_steps * _DAYS_A_WEEK if step_days % _DAYS_A_WEEK else 1

    @property
    def silent_steps(self) -> int:
        """Zeros in a row that count as an outage."""
        return max(2, SILENT_HOURS * 60 // self.frequency_minutes)

    def steps_in(self, days: int) -> int:
        """Steps that a number of days has; at least one."""
        return max(1, days * MINUTES_A_DAY // self.frequency_minutes)

    def walls(self, steps: npt.NDArray[np.int64] | None = None) -> npt.NDArray[np.datetime64]:
        """When steps start, by the wall clock; all there are, and the end of the last, if none are named."""
        steps = np.arange(self.n_steps + 1) if steps is None else steps
        minutes = self.first_day * MINUTES_A_DAY + steps * self.frequency_minutes
        return minutes.astype("datetime64[m]")

    @cached_property
    def edges_utc(self) -> npt.NDArray[np.int64]:
        """When each step starts, and the last ends, in UTC microseconds."""
        return self.starts_utc(np.arange(self.n_steps + 1))

    def starts_utc(self, steps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """When steps start, in UTC microseconds; they may lie beyond the grid's end."""
        walls = pd.DatetimeIndex(self.walls(steps).astype("datetime64[us]"))
        stamps = _localized(walls, self.timezone)
        starts = stamps.as_unit("us").asi8.copy()
        for skipped in np.flatnonzero(stamps.isna()).tolist():
            starts[skipped] = _end_of_gap(walls[skipped], self.timezone)
        return starts

    @property
    def lengths(self) -> Floats:
        """How long each step lasts, as a multiple of `frequency_minutes`."""
        lengths: Floats = np.diff(self.edges_utc) / (self.frequency_minutes * _MICROSECONDS)
        return lengths

    def step_of(self, stamps_utc: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """The step in which each UTC microsecond lies; those outside the grid give -1 or `n_steps`."""
        return np.searchsorted(self.edges_utc, stamps_utc, side="right") - 1

    def until(self, step: int) -> "Grid":
        """The grid of the steps before `step`, or as far as `step`, where that is beyond its end."""
        return replace(self, n_steps=step)

    def intervals(self, steps: npt.NDArray[np.int64]) -> pd.DataFrame:
        """The real intervals of steps.

        Returns:
            `position` in `steps`, `timestamp_utc`, and `length`: the interval's energy as a multiple of its step's.
            A step that the clock skips has none; the hour that comes twice has two.
        """
        starts, ends = self.starts_utc(steps), self.starts_utc(steps + 1)
        nominal = self.frequency_minutes * _MICROSECONDS
        lengths = (ends - starts) / nominal
        splits = lengths if self.frequency_minutes <= 60 else np.minimum(lengths, 1)
        counts = np.ceil(splits - 1e-9).astype(np.int64)
        position = np.repeat(np.arange(len(steps)), counts)
        nth = np.arange(len(position)) - np.repeat(np.cumsum(counts) - counts, counts)
        # the last may be shorter than a step: where clocks change by half an hour
        shares = np.minimum(lengths[position] - nth, 1) if self.frequency_minutes <= 60 else lengths[position]
        return pd.DataFrame(
            {
                "position": position,
                "timestamp_utc": pd.to_datetime(starts[position] + nth * nominal, unit="us", utc=True).as_unit("us"),
                "length": shares,
            }
        )


def _localized(walls: pd.DatetimeIndex, timezone: str) -> pd.DatetimeIndex:
    """Moments by the wall clock: the first of two, and NaT where there is none."""
    return walls.tz_localize(timezone, ambiguous=np.ones(len(walls), dtype=np.bool_), nonexistent="NaT")


def _end_of_gap(wall: pd.Timestamp, timezone: str) -> int:
    """When the clock goes on after a moment that it skips, in UTC microseconds.

    Not by `nonexistent="shift_forward"`, which is wrong where less or more than an hour is skipped.
    """
    later = _localized(pd.date_range(wall, periods=MINUTES_A_DAY + 1, freq="min", unit="us"), timezone)
    return int(later[later.notna()].asi8[0])


@dataclass(frozen=True)
class Account:
    """What became of a meter's readings on the grid.

    Attributes:
        complete: Steps that are known.
        dropped_ends: First and last steps that the readings cover in part.
        missing: Steps between them that are not known, or in part.
        silent: Known steps that belong to outages, at least `SILENT_HOURS` of nothing but zeros.
    """

    complete: int
    dropped_ends: int
    missing: int
    silent: int


@dataclass(frozen=True, eq=False)
class Panel:
    """Energy of meters on a grid.

    Attributes:
        grid: The steps.
        meters: Names, ascending.
        energy_kwh: Shape (meters, steps), in kWh a step of nominal length; NaN where it is not wholly known.
        accounts: What became of each meter's readings.
    """

    grid: Grid
    meters: tuple[str, ...]
    energy_kwh: Floats
    accounts: tuple[Account, ...] = ()

    def before(self, step: int) -> "Panel":
        """What is known before `step`: the only part of it that a fit at `step` may see."""
        return replace(self, grid=self.grid.until(step), energy_kwh=self.energy_kwh[:, :step])

    @cached_property
    def ends(self) -> npt.NDArray[np.int64]:
        """One past the last known step of each meter; 0 where none is known."""
        known = ~np.isnan(self.energy_kwh)
        if not known.size:
            return np.zeros(len(known), dtype=np.int64)
        return np.where(known.any(axis=1), known.shape[1] - known[:, ::-1].argmax(axis=1), 0)


def frequency_minutes(text: str) -> int:
    """Minutes of a frequency written as `15min`, `1h`, `48h` or `1D`.

    Raises:
        ParameterError: It is no duration, or none of those that divide a day, a day, or two.
    """
    try:
        minutes = pd.Timedelta(text.strip()).total_seconds() / 60
    except ValueError as error:
        raise ParameterError(f"frequency {text!r} is no duration; write 15min, 1h, 8h, 24h or 48h") from error
    if minutes not in {*_parts_of_a_day(), 2 * MINUTES_A_DAY}:
        raise ParameterError(
            f"frequency {text!r} must divide a day, from 15min to 24h, or be 48h: local days then start with a step"
        )
    return int(minutes)


def _parts_of_a_day() -> list[int]:
    return [m for m in range(15, MINUTES_A_DAY + 1) if MINUTES_A_DAY % m == 0]


def make_panel(tables: Iterable[pd.DataFrame], frequency: int, timezone: str) -> Panel:
    """Sum the readings of meters to steps.

    Args:
        tables: Readings, each of one meter: `meter_id, timestamp_utc, energy_kwh` at least, sorted by time.
        frequency: Minutes a step.
        timezone: IANA name of the zone whose days are meant.

    Raises:
        EmptyResultError: No meter has a reading.
        ParameterError: A meter is read at intervals that are no part of `frequency`.
    """
    given = sorted((t for t in tables if len(t)), key=lambda table: str(table["meter_id"].iloc[0]))
    if not given:
        raise EmptyResultError("no meter has a reading; nothing can be forecast")
    first = min(t["timestamp_utc"].iloc[0] for t in given)
    last = max(t["timestamp_utc"].iloc[-1] for t in given)
    grid = make_grid(first, last, frequency, timezone)
    sums = [sum_steps(table, grid) for table in given]
    names = tuple(str(t["meter_id"].iloc[0]) for t in given)
    return Panel(grid, names, np.array([energy for energy, _ in sums]), tuple(account for _, account in sums))


def make_grid(first: pd.Timestamp, last: pd.Timestamp, frequency: int, timezone: str) -> Grid:
    """The grid of all local days from that of `first` to that of `last`."""
    epoch = pd.Timestamp(0)
    day_from = (first.tz_convert(timezone).tz_localize(None).normalize() - epoch).days
    day_to = (last.tz_convert(timezone).tz_localize(None).normalize() - epoch).days + 1
    step_days = max(1, frequency // MINUTES_A_DAY)
    day_from -= day_from % step_days
    n_steps = -(-(day_to - day_from) * MINUTES_A_DAY // frequency)
    return Grid(frequency, timezone, day_from, n_steps)


def sum_steps(readings: pd.DataFrame, grid: Grid) -> tuple[Floats, Account]:
    """The energy of a meter's readings in each step, NaN where not all of it is known, and what became of them.

    Raises:
        ParameterError: The meter is read at intervals that are no part of a step.
    """
    (values, covered), *_ = sum_columns(readings, grid, ("energy_kwh",))
    return values, _account(values, covered, np.diff(grid.edges_utc), grid)


def sum_columns(readings: pd.DataFrame, grid: Grid, columns: Sequence[str]) -> list[tuple[Floats, Floats]]:
    """The sums of some columns of a meter's readings in each step, and for how long each step is known.

    Args:
        readings: Of one meter, sorted by time.
        grid: The steps.
        columns: Names of energies.

    Returns:
        For each column the sums, NaN where not all of a step is known, and the microseconds that are, each of shape
        (steps,).

    Raises:
        ParameterError: The meter is read at intervals that are no part of a step.
    """
    stamps = pd.DatetimeIndex(readings["timestamp_utc"]).as_unit("us").asi8
    usual, lengths = _interval_lengths(stamps)
    if not _divides(np.array([usual]), grid.frequency_minutes).all():
        raise ParameterError(
            f"meter {readings['meter_id'].iloc[0]} is read every {usual / _MICROSECONDS:g} minutes, which is no part "
            f"of the frequency of {grid.frequency_minutes} minutes; take a multiple of it"
        )
    # on a day with gaps, readings may seem longer than they are: what they cover is then not known
    usable = _divides(lengths, grid.frequency_minutes)
    steps, wanted = grid.step_of(stamps), np.diff(grid.edges_utc)
    sums = []
    for column in columns:
        energy = readings[column].to_numpy(dtype=np.float64)
        known = ~np.isnan(energy) & usable
        total = np.bincount(steps[known], energy[known], grid.n_steps)
        covered = np.bincount(steps[known], lengths[known], grid.n_steps).astype(np.float64)
        complete = (covered >= wanted) & (wanted > 0)
        sums.append((np.where(complete, total / np.where(complete, grid.lengths, 1), np.nan), covered))
    return sums


def _divides(lengths: Ints, frequency: int) -> npt.NDArray[np.bool_]:
    """Whether intervals make up a step; those whose length nobody knows, 0, are not judged."""
    divides: npt.NDArray[np.bool_] = frequency * _MICROSECONDS % np.maximum(lengths, 1) == 0
    return divides


def _interval_lengths(stamps: npt.NDArray[np.int64]) -> tuple[int, Ints]:
    """How long readings' intervals usually are, and each: the shortest distance between readings of its UTC day."""
    distances = np.diff(stamps)
    usual = int(np.quantile(distances, 0.5, method="lower")) if len(distances) else 0
    days, position = np.unique(stamps // (MINUTES_A_DAY * _MICROSECONDS), return_inverse=True)
    shortest = np.full(len(days), np.iinfo(np.int64).max)
    same_day = position[1:] == position[:-1]
    np.minimum.at(shortest, position[1:][same_day], distances[same_day])
    return usual, np.where(shortest == np.iinfo(np.int64).max, usual, shortest)[position]


def _account(values: Floats, covered: Floats, wanted: Ints, grid: Grid) -> Account:
    touched = np.flatnonzero(covered > 0)
    complete = np.flatnonzero(~np.isnan(values))
    if not len(complete):
        return Account(0, len(touched), 0, 0)
    first, last = complete[0], complete[-1]
    ends = int(((touched < first) | (touched > last)).sum())
    between = int((np.isnan(values[first : last + 1]) & (wanted[first : last + 1] > 0)).sum())
    silent = int(np.isnan(cut_past(values, len(values), len(values), grid.silent_steps)[complete]).sum())
    return Account(len(complete), ends, between, silent)
