"""The ETL steps: one source each, from its files to clean daily load profiles, with a full account.

Meters go through in batches, in parallel processes, and each batch writes its readings itself: what is in
memory at once are the meters in flight and the profiles, not the archive.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any

import joblib
import pandas as pd
from tqdm import tqdm

from loadprofiles import step as artifacts
from loadprofiles.account import Account, absent_meters, compare
from loadprofiles.batch import Batch, Cleaning, clean_batch, make_batches
from loadprofiles.corrections import read_corrections
from loadprofiles.errors import InputError, ParameterError
from loadprofiles.meters import read_description
from loadprofiles.parallel import run_tasks
from loadprofiles.profiles import midnight_utc, read_profiles, resolution_of, write_profiles
from loadprofiles.readings import join_parts
from loadprofiles.report import PLOTS_DRAWN, write_report
from loadprofiles.sources import customers, dumps, layouts, newmongo, oldmongo, sql, sql_live
from loadprofiles.sources.common import Job
from loadprofiles.step import StepInput, StepResult
from loadprofiles.tables import content_digest, write_table

_WORTH_PROCESSES = 20 * 1024 * 1024
"""Raw bytes from which on more processes save more seconds than they take to start."""

_MOST_PLOTS = 6
"""Faults of one meter that are drawn."""


def etl_oldmongo(mongo_folder: Path, **common: Any) -> StepResult:
    """Clean the dumps of the old MongoDB: one CSV a meter, BSON or JSON lines, or several of these.

    `common` are the fields of `Etl`; it raises what `Etl.clean` does, and InputError where there is no dump.
    """
    etl = Etl(**common)
    folder = etl.place(mongo_folder)
    documents = dumps.find_files(folder)
    jobs = dumps.jobs(documents, etl.place(etl.workspace)) if documents else []
    if not documents or (folder / oldmongo.SUBFOLDER).is_dir():
        jobs += oldmongo.jobs(folder)
    return etl.clean("oldmongo", jobs, mongo_folder)


def etl_sql(
    sql_folder: Path,
    sql_table: str = "historian",
    sql_columns: str = "",
    sql_meters: str = "",
    sql_from: date | None = None,
    sql_to: date | None = None,
    **common: Any,
) -> StepResult:
    """Clean the SQL historian: the live database where `SQL_URL` is set, else its text exports.

    Args:
        sql_folder: The exports, one a meter.
        sql_table: Table of the live historian.
        sql_columns: Its columns, as `sql_live.parse_columns` takes them; empty: as they are called here.
        sql_meters: The meters to read of it, with commas between; empty: all.
        sql_from: First local day to read of it; None: from its first.
        sql_to: Last local day to read of it; None: to its last.
        common: As above.

    Raises:
        ParameterError: Meters or days are chosen, but there is no live historian to choose of.
    """
    etl = Etl(**common)
    if not sql_live.live_url():
        if sql_meters or sql_from or sql_to:
            raise ParameterError(
                "sql_meters, sql_from and sql_to choose of a live historian, and SQL_URL is not set: "
                "set it, or leave them empty to read all exports"
            )
        return etl.clean("sql", sql.jobs(etl.place(sql_folder), etl.timezone), sql_folder)
    query = sql_live.SqlQuery(
        table=sql_table,
        columns=sql_live.parse_columns(sql_columns),
        meters=tuple(dict.fromkeys(name.strip() for name in sql_meters.split(",") if name.strip())),
        from_utc=midnight_utc(sql_from, etl.timezone) if sql_from else None,
        to_utc=midnight_utc(sql_to, etl.timezone, days=1) if sql_to else None,
    )
    return etl.clean("sql", sql_live.jobs(query, etl.timezone), f"the live historian, table {sql_table}")


def etl_newmongo(mongo_csv: Path, load_new: bool, **common: Any) -> StepResult:
    """Clean the table that `load_newmongo` wrote; `common` as above.

    With `load_new` false, an `out_csv` that an earlier run left is handed on as it is.
    """
    etl = Etl(**common)
    if not load_new and etl.out_csv.is_file():
        return etl.hand_on("newmongo")
    return etl.clean("newmongo", newmongo.jobs(etl.place(mongo_csv), etl.timezone, etl.place(etl.workspace)), mongo_csv)


def etl_customers(customers_folder: Path, customers_layout: Path | None = None, **common: Any) -> StepResult:
    """Clean the customers' files and name their sectors; `common` as above.

    `customers_layout` is a TOML file that says how to read them; None is the built-in layout.
    """
    etl = Etl(**common)
    layout = layouts.read_layout(customers_layout)
    jobs = customers.jobs(etl.place(customers_folder), etl.timezone, layout, etl.place(etl.workspace))
    sectors = customers.read_sectors(customers_folder, layout)
    return etl.clean("customers", jobs, customers_folder, sectors, {"customers_layout": customers_layout})


@dataclass(frozen=True)
class Etl:
    """What the four ETL steps have in common.

    Attributes:
        smart_meter_description_csv: The meters' contracted power; None leaves every limit at the default.
        resolution: Minutes a step of the profiles.
        timezone: IANA name of the zone whose days are meant, and of stamps without an offset.
        out_csv: Where the profile table goes.
        workspace: A folder for the other files of the result.
        corrections_csv: What a person knows about the meters; it overrules what is found. None: nothing.
        like_days: Fill gaps that are too long to interpolate with averages of like days.
        jobs: Processes at once; 0: as many as there are cores, but one for a small source.
        dask_scheduler: `tcp://host:port` of a dask scheduler whose workers do the work; they see the source and
            the workspace under the same absolute paths as this machine. Empty: this machine does it.
    """

    smart_meter_description_csv: Path | None
    resolution: int
    timezone: str
    out_csv: Path
    workspace: Path
    corrections_csv: Path | None = None
    like_days: bool = False
    jobs: int = 0
    dask_scheduler: str = ""

    def place(self, path: Path) -> Path:
        """`path` as whoever does the work can find it: dask workers run in other folders."""
        return path.absolute() if self.dask_scheduler else path

    def clean(
        self,
        source: str,
        jobs: list[Job],
        origin: Path | str,
        sectors: pd.Series | None = None,
        inputs: Mapping[str, Path | None] = MappingProxyType({}),
    ) -> StepResult:
        """Run every meter through VEE; write profiles, readings, findings, corrections, account and report.

        A file that cannot be read is counted, and stops nothing unless no file can be read. The result does
        not depend on how many processes there are.

        Args:
            source: The source's name.
            jobs: The pieces in which it is read.
            origin: Where it comes from, to record and to name in errors; a path, or words for what is none.
            sectors: The sector of each meter, indexed by `meter_id`.
            inputs: Other files that were read, by the names under which they are recorded.

        Raises:
            InputError: No file can be read, or a meter is in two of them; the description or the corrections
                cannot be read; or the dask cluster cannot be used.
            ParameterError: The resolution is finer than the source.
            EmptyResultError: No day of any meter became a profile.
            StepFailedError: A process was ended from outside.
        """
        description = read_description(self.smart_meter_description_csv)
        corrections = read_corrections(self.corrections_csv, self.timezone)
        account = Account(self.resolution)
        with TemporaryDirectory(dir=self.workspace, prefix=".parts-") as parts:
            cleaning = Cleaning(
                description,
                self.resolution,
                self.timezone,
                now=pd.Timestamp.now("UTC"),
                parts=Path(parts).absolute(),
                corrections=corrections,
                like_days=self.like_days,
                plots=min(_MOST_PLOTS, 1 + 2 * PLOTS_DRAWN // max(1, len(jobs))),
            )
            self._run(source, make_batches(jobs, cleaning), account)
            account.check_not_empty(origin)
            readings = join_parts(account.parts(), self.workspace / f"{artifacts.READINGS}.parquet")

        profiles, meters = account.profiles_table(), account.meters_table()
        account.look_for_twins(profiles, self.timezone)
        seen = set(meters["meter_id"])
        notes = [*account.notes(), f"days are those of {self.timezone}"]
        notes += compare("the description", set(description.index), seen)
        notes += absent_meters(str(self.corrections_csv), set(corrections), seen)
        if sectors is not None:
            meters.insert(1, "sector", meters["meter_id"].map(sectors))
            notes += compare("the sheet of sectors", set(sectors.index), seen)
        return StepResult(
            outputs={
                artifacts.CLEAN[source]: write_profiles(profiles, self.out_csv),
                artifacts.READINGS: readings,
            },
            files=self._write_tables(source, account, meters, notes),
            inputs=self._inputs({source: origin if isinstance(origin, Path) else None, **inputs}),
            metrics=account.metrics(),
            tags={"loaded_from": str(origin)},
            notes=notes,
        )

    def _write_tables(self, source: str, account: Account, meters: pd.DataFrame, notes: list[str]) -> list[Path]:
        findings = account.findings_table()
        tables = {
            artifacts.FINDINGS: findings,
            artifacts.METERS: meters,
            artifacts.CORRECTIONS: account.corrections_table(),
        }
        files = [write_table(table, self.workspace / f"{name}.csv") for name, table in tables.items()]
        report = write_report(
            meters, findings, account.plots(), self.workspace, source=source, notes=notes, timezone=self.timezone
        )
        return [*files, *report]

    def _run(self, source: str, batches: list[Batch], account: Account) -> None:
        """Run all batches and enter what came of them."""
        total = sum(len(batch.jobs) for batch in batches)
        results = run_tasks(clean_batch, batches, self._processes(batches), self.dask_scheduler, self.workspace)
        with closing(results), tqdm(total=total, desc=f"etl_{source}", unit="file", disable=None) as progress:
            for cleaned in results:
                if cleaned.part and not cleaned.part.path.is_file():
                    raise InputError(
                        f"{cleaned.part.path} was written by a worker of {self.dask_scheduler} but is not here: this "
                        "machine and the workers must share the folder; set TMPDIR to one that they do"
                    )
                account.add(cleaned)
                progress.update(cleaned.jobs)

    def _processes(self, batches: list[Batch]) -> int:
        if self.jobs:
            return min(self.jobs, len(batches))
        size = sum(job.size_bytes for batch in batches for job in batch.jobs)
        return min(int(joblib.cpu_count()), len(batches)) if size >= _WORTH_PROCESSES else 1

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

    def _inputs(self, others: Mapping[str, Path | None]) -> list[StepInput]:
        given = {
            **others,
            "smart_meter_description": self.smart_meter_description_csv,
            "corrections": self.corrections_csv,
        }
        return [StepInput(name, path, content_digest(path)) for name, path in given.items() if path]
