"""One batch of an ETL step, in whatever process: read some files, clean their meters, write their readings."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd

from loadprofiles.corrections import Correction
from loadprofiles.errors import InputError
from loadprofiles.meters import limits_of
from loadprofiles.profiles import empty_profiles, to_profiles
from loadprofiles.readings import QUALITY, Part, write_part
from loadprofiles.report import FaultPlot, fault_plots
from loadprofiles.sources.common import Job
from loadprofiles.vee import CleanMeter, Finding, RawMeter, clean_meter

UNREADABLE_FILE = "unreadable_file"

_NEVER = cast("pd.Timestamp", pd.NaT)

_LARGEST_BATCH = 16 * 1024 * 1024
_SMALLEST_BATCH = 4 * 1024 * 1024
_FEWEST_BATCHES = 16


@dataclass(frozen=True)
class Cleaning:
    """What is done to every meter of a source.

    Attributes:
        description: The meters' powers, as `read_description` gives them.
        resolution: Minutes a step of the profiles.
        timezone: IANA name of the zone whose days are meant.
        now: The moment of the run.
        parts: Folder for the parts of the readings.
        corrections: What a person knows, by meter.
        like_days: Fill longer gaps with averages of like days too.
        plots: Faults drawn of a meter, at most.
    """

    description: pd.DataFrame
    resolution: int
    timezone: str
    now: pd.Timestamp
    parts: Path
    corrections: Mapping[str, tuple[Correction, ...]] = field(default_factory=dict)
    like_days: bool = False
    plots: int = 0

    def clean(self, raw: RawMeter) -> CleanMeter:
        """One meter through VEE."""
        return clean_meter(
            raw,
            limits_of(self.description, raw.meter_id),
            self.timezone,
            self.now,
            corrections=self.corrections.get(raw.meter_id, ()),
            like_days=self.like_days,
        )


@dataclass(frozen=True)
class Batch:
    """Some jobs of a source that one process does in one go."""

    number: int
    jobs: tuple[Job, ...]
    cleaning: Cleaning

    def __str__(self) -> str:
        """The files it reads."""
        origins = [job.origin for job in self.jobs]
        return origins[0] if len(origins) == 1 else f"{origins[0]} … {origins[-1]} ({len(origins)} files)"


@dataclass(frozen=True)
class RejectedFile:
    """A file that could not be read, and why."""

    origin: str
    message: str


@dataclass
class Cleaned:
    """What came of a batch, without its readings: those are in `part`.

    Attributes:
        number: The batch's.
        jobs: How many jobs it had.
        part: The readings, None if there are none.
        profiles: Daily load profiles, sorted by meter and date.
        meters: One row a meter of the meters' account.
        origins: Where each meter came from.
        findings: All findings, meter by meter.
        corrections: The corrections in effect, with their meters.
        plots: The gravest faults of each meter.
        rejected: The files that could not be read.
    """

    number: int
    jobs: int
    part: Part | None = None
    profiles: pd.DataFrame = field(default_factory=pd.DataFrame)
    meters: list[dict[str, object]] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    corrections: list[tuple[str, Correction]] = field(default_factory=list)
    plots: list[FaultPlot] = field(default_factory=list)
    rejected: list[RejectedFile] = field(default_factory=list)


def make_batches(jobs: list[Job], cleaning: Cleaning) -> list[Batch]:
    """Group jobs, in the order of their files' names, into batches of some megabytes.

    A job of unknown size is a batch of its own. Batches do not depend on how many processes there are.
    """
    by_name = sorted(jobs, key=lambda job: Path(job.origin).stem)
    total = sum(job.size_bytes for job in jobs)
    most = min(_LARGEST_BATCH, max(_SMALLEST_BATCH, total // _FEWEST_BATCHES))
    groups: list[list[Job]] = []
    room = 0
    for job in by_name:
        size = job.size_bytes or most
        if size > room:
            groups.append([])
            room = most
        groups[-1].append(job)
        room -= size
    return [Batch(number, tuple(group), cleaning) for number, group in enumerate(groups)]


def clean_batch(batch: Batch) -> Cleaned:
    """Read and clean the batch's meters, write their readings as a part, return all that is small.

    Raises:
        InputError: Two files hold the same meter.
        ParameterError: The resolution is finer than the source.
    """
    cleaning, result = batch.cleaning, Cleaned(batch.number, len(batch.jobs))
    readings, profiles = [], [empty_profiles(cleaning.resolution)]
    for raw in _read(batch.jobs, result.rejected):
        claim(result.origins, raw.meter_id, raw.origin)
        try:
            meter = cleaning.clean(raw)
            days: Counter[str] = Counter()
            if meter.step_minutes is not None:
                table, days = to_profiles(meter.readings, meter.step_minutes, cleaning.resolution, cleaning.timezone)
                profiles.append(table)
                readings.append(meter.readings)
        except Exception as error:
            error.add_note(f"while {raw.meter_id} of {raw.origin} was cleaned")
            raise
        result.meters.append(_account_row(meter, days))
        result.findings += [*_dropped_by_reader(raw, meter.findings), *meter.findings]
        result.corrections += [(raw.meter_id, correction) for correction in meter.corrections]
        result.plots += fault_plots(meter, cleaning.plots)
    result.part = write_part(readings, cleaning.parts / f"batch-{batch.number:05d}.parquet")
    result.profiles = pd.concat(profiles, ignore_index=True)
    return result


def claim(origins: dict[str, str], meter_id: str, origin: str) -> None:
    """Enter where a meter came from.

    Raises:
        InputError: It came from somewhere else too.
    """
    if meter_id in origins:
        first, second = sorted([origins[meter_id], origin])
        where = f"is in {first} and in {second}" if first != second else f"comes twice from {first}"
        raise InputError(f"meter {meter_id} {where}: keep one, or give them different ids")
    origins[meter_id] = origin


def _read(jobs: tuple[Job, ...], rejected: list[RejectedFile]) -> Iterator[RawMeter]:
    """The meters of all jobs; a file that cannot be read is put into `rejected` and stops nothing."""
    for job in jobs:
        try:
            yield from job.read()
        except InputError as error:
            rejected.append(RejectedFile(job.origin, str(error)))


def _dropped_by_reader(raw: RawMeter, findings: list[Finding]) -> list[Finding]:
    """A finding for each reason for which the reader dropped rows, unless VEE has made one of that kind."""
    told = {finding.kind for finding in findings}
    counts = {reason: raw.dropped[reason] for reason in sorted(raw.where) if reason not in told}
    return [
        without_time(
            raw.meter_id, reason, count, f"{count} rows of {raw.origin} dropped, the first at {raw.where[reason]}"
        )
        for reason, count in counts.items()
        if count
    ]


def without_time(meter_id: str, kind: str, rows: int, evidence: str) -> Finding:
    """A finding about what has no stamp that could be read."""
    return Finding(meter_id, kind, _NEVER, _NEVER, rows, np.nan, evidence)


def _account_row(meter: CleanMeter, days: Counter[str]) -> dict[str, object]:
    quality = _counts_of(meter.readings["quality"])
    return {
        "meter_id": meter.meter_id,
        "step_minutes": meter.step_minutes,
        "rows_read": meter.rows_read,
        "rows_dropped": meter.dropped.total(),
        **{f"dropped_{reason}": count for reason, count in sorted(meter.dropped.items()) if count},
        "readings": len(meter.readings),
        **{f"readings_{name}": count for name, count in quality.items()},
        "days": days.total(),
        **{f"days_{outcome}": count for outcome, count in sorted(days.items())},
        "energy_kwh": float(meter.readings["energy_kwh"].sum()),
    }


def _counts_of(quality: pd.Series) -> dict[str, int]:
    """How many readings there are of each quality that there is, the most frequent first."""
    counts = np.bincount(quality.cat.codes, minlength=len(QUALITY))
    return {QUALITY[code]: int(counts[code]) for code in np.argsort(-counts, kind="stable") if counts[code]}
