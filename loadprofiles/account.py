"""The account of a source's meters: what its batches gave, put together in an order that no timing changes."""

from collections import Counter
from dataclasses import replace
from operator import attrgetter, itemgetter
from pathlib import Path

import numpy as np
import pandas as pd

from loadprofiles.batch import UNREADABLE_FILE, Cleaned, RejectedFile, claim, without_time
from loadprofiles.corrections import corrections_table
from loadprofiles.errors import EmptyResultError, InputError
from loadprofiles.profiles import empty_profiles, midnight_utc
from loadprofiles.quality import MINUTES_A_DAY
from loadprofiles.readings import Part
from loadprofiles.report import PLOTS_DRAWN, FaultPlot, gravest
from loadprofiles.twins import find_identical_meters
from loadprofiles.vee import Finding

IDENTICAL_SERIES = "identical_series"

_PLOTS_KEPT = 4 * PLOTS_DRAWN
"""Enough for the report, whichever meters it has room for."""

_SHOWN = 8
"""Names listed in a log line before the rest is only counted."""

_NO_FAULTS = ("gap_filled", "gap_left", UNREADABLE_FILE)
"""Findings that the log counts elsewhere."""


class Account:
    """The meters of one source as their batches come through VEE: tables and counts."""

    def __init__(self, resolution_minutes: int) -> None:
        self._resolution = resolution_minutes
        self._batches: dict[int, Cleaned] = {}
        self._origins: dict[str, str] = {}
        self._twins: list[Finding] = []
        self._plots: list[FaultPlot] = []

    def add(self, cleaned: Cleaned) -> None:
        """Take up what came of a batch.

        Raises:
            InputError: One of its meters came with an earlier one too.
        """
        for meter_id, origin in cleaned.origins.items():
            claim(self._origins, meter_id, origin)
        self._plots += cleaned.plots
        if len(self._plots) > 2 * _PLOTS_KEPT:
            self._plots = self.plots()
        self._batches[cleaned.number] = replace(cleaned, plots=[])

    def check_not_empty(self, origin: Path | str) -> None:
        """See that the source at `origin` gave something.

        Raises:
            InputError: No file could be read.
            EmptyResultError: No day of any meter became a profile.
        """
        rejected = self.rejected()
        if rejected and not self._origins:
            more = f"; {len(rejected)} files of {origin} were rejected, none gave a meter" if len(rejected) > 1 else ""
            raise InputError(rejected[0].message + more)
        if not sum(len(batch.profiles) for batch in self._batches.values()):
            counts = ", ".join(f"{k} {v:g}" for k, v in self.metrics().items()) or "no meter"
            raise EmptyResultError(
                f"{origin}: not one complete day in it ({counts}); check the files, the resolution and the timezone"
            )

    def rejected(self) -> list[RejectedFile]:
        """The files that could not be read, by name."""
        return sorted((r for batch in self._batches.values() for r in batch.rejected), key=attrgetter("origin"))

    def parts(self) -> list[Part]:
        """The parts of the readings."""
        return [batch.part for batch in self._batches.values() if batch.part]

    def meters_table(self) -> pd.DataFrame:
        """One row a meter, sorted; counts that a meter does not have are 0."""
        rows = [row for batch in self._batches.values() for row in batch.meters]
        rows.sort(key=lambda row: str(row["meter_id"]))
        table = pd.DataFrame(rows)
        counts = [str(c) for c in table.columns if c not in ("meter_id", "step_minutes", "energy_kwh")]
        return table.assign(**{name: table[name].fillna(0).astype("int64") for name in counts})

    def profiles_table(self) -> pd.DataFrame:
        """The profiles of all meters, sorted by meter and date."""
        by_number = [self._batches[number].profiles for number in sorted(self._batches)]
        table = pd.concat([empty_profiles(self._resolution), *by_number], ignore_index=True)
        # a meter's days are in order already
        in_order = table["id"].is_monotonic_increasing
        return table if in_order else table.sort_values(["id", "date"], ignore_index=True)

    def findings_table(self) -> pd.DataFrame:
        """All findings, sorted by meter, and a meter's in the order in which they were made."""
        columns = list(Finding.__dataclass_fields__)
        findings = sorted(self._findings(), key=attrgetter("meter_id"))
        return pd.DataFrame([attrgetter(*columns)(finding) for finding in findings], columns=columns)

    def _findings(self) -> list[Finding]:
        unreadable = [without_time(Path(r.origin).stem, UNREADABLE_FILE, 0, r.message) for r in self.rejected()]
        found = [finding for batch in self._batches.values() for finding in batch.findings]
        return [*unreadable, *found, *self._twins]

    def look_for_twins(self, profiles: pd.DataFrame, timezone: str) -> None:
        """Tell the meters whose days in `profiles`, which are those of `timezone`, are those of another."""
        steps = {str(row["meter_id"]): row["step_minutes"] for batch in self._batches.values() for row in batch.meters}
        for one, other, days, common, first, last in find_identical_meters(profiles).itertuples(index=False, name=None):
            span = midnight_utc(first, timezone), midnight_utc(last, timezone, days=1)
            for meter, twin in ((one, other), (other, one)):
                evidence = f"{days} of {common} days that both have are those of {twin}"
                readings = days * MINUTES_A_DAY // int(str(steps[meter]))
                self._twins.append(Finding(meter, IDENTICAL_SERIES, *span, readings, np.nan, evidence, days / common))

    def corrections_table(self) -> pd.DataFrame:
        """The corrections in effect, sorted by meter, in the form of `corrections.csv`."""
        found = [correction for batch in self._batches.values() for correction in batch.corrections]
        return corrections_table(sorted(found, key=itemgetter(0)))

    def plots(self) -> list[FaultPlot]:
        """The gravest faults, the gravest first: no more than are worth keeping of any number of meters."""
        return gravest(self._plots, _PLOTS_KEPT)

    def metrics(self) -> dict[str, float]:
        """Totals over all meters, by reason."""
        if not self._origins:
            return {}
        totals = self.meters_table().drop(columns=["meter_id", "step_minutes", "energy_kwh"]).sum()
        counts = {"meters": len(self._origins), **totals, "files_rejected": len(self.rejected())}
        return {str(name): float(count) for name, count in counts.items()}

    def notes(self) -> list[str]:
        """Lines for the log: what was read, dropped, found and rejected."""
        m = self.metrics()
        notes = [
            f"{m['meters']:.0f} meters, {m['rows_read']:.0f} rows read, "
            f"{m['rows_dropped']:.0f} dropped{_by_reason(m, 'dropped_')}",
            f"{m['readings']:.0f} readings{_by_reason(m, 'readings_')}",
            f"{m['days']:.0f} days{_by_reason(m, 'days_')}",
        ]
        faults = Counter(f.kind for f in self._findings() if f.kind not in _NO_FAULTS)
        if faults:
            notes.append("found: " + ", ".join(f"{kind} {count}" for kind, count in sorted(faults.items())))
        rejected = self.rejected()
        notes += [f"file rejected: {file.message}" for file in rejected[:_SHOWN]]
        if len(rejected) > _SHOWN:
            notes.append(f"{len(rejected) - _SHOWN} more files rejected, {len(rejected)} in all; see the findings")
        return notes


def _by_reason(metrics: dict[str, float], prefix: str) -> str:
    parts = [f"{k.removeprefix(prefix)} {v:.0f}" for k, v in metrics.items() if k.startswith(prefix) and v]
    return f" ({', '.join(parts)})" if parts else ""


def compare(list_name: str, listed: set[str], seen: set[str]) -> list[str]:
    """Notes on meters that are listed but have no data here, and the other way round."""
    notes: list[str] = []
    if not listed:
        return notes
    notes += absent_meters(list_name, listed, seen)
    if unlisted := sorted(seen - listed):
        notes.append(f"{list_name} does not know {len(unlisted)} meters: {_some(unlisted)}")
    return notes


def absent_meters(list_name: str, listed: set[str], seen: set[str]) -> list[str]:
    """A note on meters that are listed but have no data here, if there are any."""
    absent = sorted(listed - seen)
    return [f"{list_name} lists {len(absent)} meters without data here: {_some(absent)}"] if absent else []


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
