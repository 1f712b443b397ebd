"""The ETL steps: one source each, from its files to clean daily load profiles, with a full account."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from loadprofiles import step as artifacts
from loadprofiles.errors import EmptyResultError, InputError
from loadprofiles.meters import limits_of, read_description
from loadprofiles.profiles import empty_profiles, read_profiles, resolution_of, to_profiles
from loadprofiles.readings import check_readings
from loadprofiles.sources import customers, newmongo, oldmongo, sql
from loadprofiles.sources.common import Meters
from loadprofiles.step import StepInput, StepResult
from loadprofiles.tables import content_digest, write_table
from loadprofiles.vee import CleanMeter, Finding, clean_meter, empty_readings

_SHOWN = 8
"""Names listed in a log line before the rest is only counted."""


def etl_oldmongo(mongo_folder: Path, **common: Any) -> StepResult:
    """Clean the dumps of the old MongoDB; `common` are the fields of `Etl`, and it raises what that does."""
    files = oldmongo.find_files(mongo_folder)
    return Etl(**common).clean("oldmongo", oldmongo.read(files), len(files), mongo_folder)


def etl_sql(sql_folder: Path, **common: Any) -> StepResult:
    """Clean the text exports of the SQL historian; `common` as above."""
    files = sql.find_files(sql_folder)
    return Etl(**common).clean("sql", sql.read(files, common["timezone"]), len(files), sql_folder)


def etl_newmongo(mongo_csv: Path, load_new: bool, **common: Any) -> StepResult:
    """Clean the table that `load_newmongo` wrote; `common` as above.

    With `load_new` false, an `out_csv` that an earlier run left is handed on as it is.
    """
    etl = Etl(**common)
    if not load_new and etl.out_csv.is_file():
        return etl.hand_on("newmongo")
    return etl.clean("newmongo", newmongo.read(mongo_csv, etl.timezone), None, mongo_csv)


def etl_customers(customers_folder: Path, **common: Any) -> StepResult:
    """Clean the customers' files and name their sectors; `common` as above."""
    files = customers.find_files(customers_folder)
    sectors = customers.read_sectors(customers_folder)
    readers = customers.read(files, common["timezone"])
    return Etl(**common).clean("customers", readers, len(files), customers_folder, sectors)


@dataclass(frozen=True)
class Etl:
    """What the four ETL steps have in common.

    Attributes:
        smart_meter_description_csv: The meters' contracted power; None leaves every limit at the default.
        resolution: Minutes a step of the profiles.
        timezone: IANA name of the zone whose days are meant, and of stamps without an offset.
        out_csv: Where the profile table goes.
        workspace: A folder for the other files of the result.
    """

    smart_meter_description_csv: Path | None
    resolution: int
    timezone: str
    out_csv: Path
    workspace: Path

    def clean(
        self, source: str, raw: Meters, total: int | None, path: Path, sectors: pd.Series | None = None
    ) -> StepResult:
        """Run every meter through VEE and write profiles, readings, findings and the meters' account.

        Raises:
            InputError: A file cannot be read or is not of the source's layout.
            ParameterError: The resolution is finer than the source.
            EmptyResultError: No day of any meter became a profile.
        """
        description = read_description(self.smart_meter_description_csv)
        now = pd.Timestamp.now("UTC")
        account = _Account(self.resolution)
        for meter in tqdm(raw, total=total, desc=f"etl_{source}", unit="meter", disable=None):
            limits = limits_of(description, meter.meter_id)
            account.add(clean_meter(meter, limits, self.timezone, now), self.timezone)
        account.check_not_empty(path)

        meters = account.meters_table()
        if sectors is not None:
            meters.insert(1, "sector", meters["meter_id"].map(sectors))
        result = StepResult(
            outputs={artifacts.CLEAN[source]: write_table(account.profiles_table(), self.out_csv)},
            files=[
                write_table(account.readings_table(), self.workspace / f"{artifacts.READINGS}.parquet"),
                write_table(account.findings_table(), self.workspace / f"{artifacts.FINDINGS}.csv"),
                write_table(meters, self.workspace / f"{artifacts.METERS}.csv"),
            ],
            inputs=self._inputs(source, path),
            metrics=account.metrics(),
            notes=[*account.notes(), f"days are those of {self.timezone}"],
        )
        seen = set(meters["meter_id"])
        result.notes += _compare("the description", set(description.index), seen)
        if sectors is not None:
            result.notes += _compare("the sheet of sectors", set(sectors.index), seen)
        return result

    def hand_on(self, source: str) -> StepResult:
        """Hand on the table that an earlier run left at `out_csv`.

        Raises:
            InputError: It is no profile table of this resolution.
        """
        found = resolution_of(read_profiles(self.out_csv))
        if found != self.resolution:
            raise InputError(
                f"{self.out_csv}: holds profiles of {found} minutes, not {self.resolution}; "
                "make it anew with load_new=true"
            )
        return StepResult(
            outputs={artifacts.CLEAN[source]: self.out_csv},
            notes=[f"load_new=false: {self.out_csv} of an earlier run is handed on as it is"],
        )

    def _inputs(self, source: str, path: Path) -> list[StepInput]:
        inputs = [StepInput(source, path, content_digest(path))]
        if self.smart_meter_description_csv:
            description = self.smart_meter_description_csv
            inputs.append(StepInput("smart_meter_description", description, content_digest(description)))
        return inputs


class _Account:
    """The meters of one source as they come through VEE: tables and counts."""

    def __init__(self, resolution_minutes: int) -> None:
        self._resolution = resolution_minutes
        self._meters: list[dict[str, object]] = []
        self._profiles: list[pd.DataFrame] = []
        self._readings: list[pd.DataFrame] = []
        self._findings: list[Finding] = []

    def add(self, meter: CleanMeter, timezone: str) -> None:
        days: Counter[str] = Counter()
        if meter.step_minutes is not None:
            check_readings(meter.readings)
            profiles, days = to_profiles(meter.readings, meter.step_minutes, self._resolution, timezone)
            self._profiles.append(profiles)
            self._readings.append(meter.readings)
        self._findings += meter.findings
        quality = meter.readings["quality"].value_counts()
        self._meters.append(
            {
                "meter_id": meter.meter_id,
                "step_minutes": meter.step_minutes,
                "rows_read": meter.rows_read,
                "rows_dropped": meter.dropped.total(),
                **{f"dropped_{reason}": count for reason, count in sorted(meter.dropped.items()) if count},
                "readings": len(meter.readings),
                **{f"readings_{name}": int(count) for name, count in quality.items() if count},
                "days": days.total(),
                **{f"days_{outcome}": count for outcome, count in sorted(days.items())},
                "energy_kwh": float(meter.readings["energy_kwh"].sum()),
            }
        )

    def check_not_empty(self, path: Path) -> None:
        days = sum(len(p) for p in self._profiles)
        if not days:
            counts = ", ".join(f"{k} {v:g}" for k, v in self.metrics().items()) or "no meter"
            raise EmptyResultError(
                f"{path}: not one complete day in it ({counts}); check the files, the resolution and the timezone"
            )

    def meters_table(self) -> pd.DataFrame:
        """One row a meter; counts that a meter does not have are 0."""
        table = pd.DataFrame(self._meters)
        counts = [c for c in table.columns if c not in ("meter_id", "step_minutes", "energy_kwh")]
        table[counts] = table[counts].fillna(0).astype("int64")
        return table

    def profiles_table(self) -> pd.DataFrame:
        return pd.concat([empty_profiles(self._resolution), *self._profiles]).sort_values(
            ["id", "date"], ignore_index=True
        )

    def readings_table(self) -> pd.DataFrame:
        by_name = sorted(self._readings, key=lambda table: str(table["meter_id"].iloc[0]))
        return check_readings(pd.concat([empty_readings(), *by_name], ignore_index=True))

    def findings_table(self) -> pd.DataFrame:
        return pd.DataFrame(self._findings, columns=list(Finding.__dataclass_fields__))

    def metrics(self) -> dict[str, float]:
        """Totals over all meters, by reason."""
        if not self._meters:
            return {}
        totals = self.meters_table().drop(columns=["meter_id", "step_minutes", "energy_kwh"]).sum()
        return {"meters": float(len(self._meters))} | {str(k): float(v) for k, v in totals.items()}

    def notes(self) -> list[str]:
        m = self.metrics()
        notes = [
            f"{m['meters']:.0f} meters, {m['rows_read']:.0f} rows read, "
            f"{m['rows_dropped']:.0f} dropped{_by_reason(m, 'dropped_')}",
            f"{m['readings']:.0f} readings{_by_reason(m, 'readings_')}",
            f"{m['days']:.0f} days{_by_reason(m, 'days_')}",
        ]
        faults = Counter(f.kind for f in self._findings if f.kind not in ("gap_filled", "gap_left"))
        if faults:
            notes.append("found: " + ", ".join(f"{kind} {count}" for kind, count in sorted(faults.items())))
        return notes


def _by_reason(metrics: dict[str, float], prefix: str) -> str:
    parts = [f"{k.removeprefix(prefix)} {v:.0f}" for k, v in metrics.items() if k.startswith(prefix) and v]
    return f" ({', '.join(parts)})" if parts else ""


def _compare(list_name: str, listed: set[str], seen: set[str]) -> list[str]:
    """Notes on meters that are listed but have no data here, and the other way round."""
    notes: list[str] = []
    if not listed:
        return notes
    if absent := sorted(listed - seen):
        notes.append(f"{list_name} lists {len(absent)} meters without data here: {_some(absent)}")
    if unlisted := sorted(seen - listed):
        notes.append(f"{list_name} does not know {len(unlisted)} meters: {_some(unlisted)}")
    return notes


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
