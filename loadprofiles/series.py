"""One meter on its way through VEE: what a source read, its regular grid, what was found, what comes out."""

from collections import Counter
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles import readings as r
from loadprofiles.corrections import MEASURED, Correction
from loadprofiles.meters import Limits
from loadprofiles.quality import Flags, Floats, Ints, runs

CODES = {name: code for code, name in enumerate(r.QUALITY)}


@dataclass(frozen=True)
class RawMeter:
    """What a source read of one meter.

    `rows` holds `timestamp_utc` and either `energy_kwh` (net) or the registers `registers.NAMES` in their
    own unit, and optionally `reactive_energy_kvarh` and `voltage_*_v`, in the order of the file. `dropped`
    counts rows that the reader could not use, by reason; `where` has the place of the first of them, such as
    `line 57: 'abc' is no number`.
    """

    meter_id: str
    origin: str
    rows: pd.DataFrame
    rows_read: int
    dropped: Counter[str] = field(default_factory=Counter)
    where: dict[str, str] = field(default_factory=dict)

    def with_rows(self, rows: pd.DataFrame) -> "RawMeter":
        """The same meter with other rows."""
        return replace(self, rows=rows.reset_index(drop=True))


@dataclass(frozen=True)
class Finding:
    """Something about a stretch of one meter's data that is not as it should be.

    Attributes:
        meter_id: The meter.
        kind: What it is; `docs/formats.md` lists the kinds.
        from_utc: Its first interval.
        to_utc: Its end, exclusive for stretches.
        readings: How many rows or readings it concerns.
        factor: Of a change of scale, what readings before it were multiplied by; else NaN.
        evidence: What it was concluded from.
        confidence: From 0 to 1, how sure the conclusion is; what is a plain fact has 1.
    """

    meter_id: str
    kind: str
    from_utc: pd.Timestamp
    to_utc: pd.Timestamp
    readings: int
    factor: float
    evidence: str
    confidence: float = 1.0


@dataclass(frozen=True)
class CleanMeter:
    """Readings of one meter on its regular grid, with all that was found on the way.

    `corrections` are those given and those found beside them, in the form in which a person can edit them and give
    them back.
    """

    meter_id: str
    step_minutes: int | None
    readings: pd.DataFrame
    findings: list[Finding]
    rows_read: int
    dropped: Counter[str]
    corrections: list[Correction] = field(default_factory=list)


@dataclass(frozen=True)
class Meter:
    """What is known of a meter beside its rows.

    Attributes:
        meter_id: Its name.
        step: Minutes of an interval.
        limits: Plausible power.
        timezone: IANA name of the zone of its days.
        given: Its rows of `corrections.csv`.
    """

    meter_id: str
    step: int
    limits: Limits
    timezone: str
    given: tuple[Correction, ...] = ()

    def finding(
        self, kind: str, span: tuple[pd.Timestamp, pd.Timestamp, int], evidence: str, confidence: float = 1.0
    ) -> Finding:
        """A Finding about `span`: from, to and number of readings."""
        return Finding(self.meter_id, kind, *span, np.nan, evidence, confidence)

    def steps_in(self, hours: float) -> int:
        """How many intervals are in `hours`, at least one."""
        return max(1, round(hours * 60 / self.step))


@dataclass
class Series:
    """One meter on its regular grid while it is worked on; arrays of one length, energies in kWh."""

    meter: Meter
    grid: pd.DatetimeIndex
    energy_kwh: Floats
    energy_raw: Floats
    quality: npt.NDArray[np.int8]
    gap_energy_kwh: Floats  # what registers say about a missing step; NaN where they do not
    missed: Ints  # missing steps whose energy the reading may contain
    others: pd.DataFrame
    findings: list[Finding] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)

    def __post_init__(self) -> None:
        local = self.grid.tz_convert(self.meter.timezone)
        self.local_minutes = np.asarray(local.hour * 60 + local.minute, dtype=np.int64)

    @property
    def local_hours(self) -> Ints:
        """Hour of the local day of each interval."""
        return self.local_minutes // 60

    @property
    def local_day(self) -> Ints:
        """Number of the local day of each interval, from 0 on."""
        return np.cumsum(np.r_[False, np.diff(self.local_minutes) < 0]).astype(np.int64)

    def given(self, rule: str) -> Flags:
        """Which intervals a given correction of this rule holds for."""
        return covered(self.meter.given, rule, self.grid, self.local_minutes)

    def keep_measured(self, flags: Flags) -> Flags:
        """`flags` without the intervals of which a person says that they are right."""
        return flags & ~self.given(MEASURED)

    def reject(self, flags: Flags, quality: str) -> None:
        """Take the energy of the flagged intervals away, and say why."""
        self.energy_kwh[flags] = np.nan
        self.quality[flags] = CODES[quality]

    def spans(self, flags: Flags) -> list[tuple[pd.Timestamp, pd.Timestamp, int]]:
        """From (inclusive), to (exclusive) and number of intervals of each run of flagged ones."""
        step = pd.Timedelta(minutes=self.meter.step)
        return [(self.grid[start], self.grid[start] + (end - start) * step, end - start) for start, end in runs(flags)]

    def note(self, kind: str, flags: Flags, evidence: str, confidence: float = 1.0) -> None:
        """A finding for each run of flagged intervals."""
        self.findings += [self.meter.finding(kind, span, evidence, confidence) for span in self.spans(flags)]

    def correct(self, rule: str, flags: Flags, reason: str) -> None:
        """A correction in effect for each run of flagged intervals."""
        self.corrections += [Correction(rule, start, end, np.nan, reason) for start, end, _ in self.spans(flags)]

    def to_readings(self) -> pd.DataFrame:
        """The Readings table of this meter."""
        table = pd.DataFrame(
            {
                "meter_id": self.meter.meter_id,
                "timestamp_utc": self.grid,
                "energy_kwh": self.energy_kwh,
                "quality": pd.Categorical.from_codes(self.quality, dtype=r.QUALITY_DTYPE),
                "energy_kwh_raw": self.energy_raw,
            }
        )
        return pd.concat([table, self.others.reset_index(drop=True)], axis=1)


def covered(
    corrections: tuple[Correction, ...], rule: str, stamps: pd.DatetimeIndex, local_minutes: Ints | None = None
) -> Flags:
    """Which of `stamps` any correction of `rule` holds for."""
    flags = np.zeros(len(stamps), dtype=np.bool_)
    for correction in corrections:
        if correction.rule == rule:
            flags |= correction.covers(stamps, local_minutes)
    return flags


def regular_grid(stamps: pd.Series, step: int) -> tuple[pd.DatetimeIndex, Ints]:
    """The regular grid over all sorted stamps, and each one's position on it."""
    grid = pd.date_range(stamps.iloc[0], stamps.iloc[-1], freq=f"{step}min", unit="us")
    moments = stamps.astype("int64").to_numpy()
    return grid, (moments - moments[0]) // (step * 60_000_000)


def on_grid(values: Floats, positions: Ints, length: int) -> Floats:
    """`values` at their positions, NaN elsewhere."""
    result = np.full(length, np.nan)
    result[positions] = values
    return result


def others_on_grid(rows: pd.DataFrame, positions: Ints, length: int) -> pd.DataFrame:
    """Reactive energy and voltages of `rows` on the grid."""
    names = [c for c in rows.columns if c == "reactive_energy_kvarh" or c.startswith("voltage_")]
    return pd.DataFrame(
        {name: on_grid(rows[name].to_numpy(dtype=np.float64), positions, length) for name in names},
        index=range(length),
    )
