"""The ETL steps: one source each, from its files to clean daily load profiles, with a full account.

Meters go through in batches, in parallel processes, and each batch writes its readings itself: what is in
memory at once are the meters in flight and the profiles, not the archive.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import pandas as pd
from tqdm import tqdm

from loadprofiles import step as artifacts
from loadprofiles.account import Account, compare
from loadprofiles.batch import Batch, Cleaning, clean_batch, make_batches
from loadprofiles.errors import InputError
from loadprofiles.meters import read_description
from loadprofiles.parallel import run_tasks
from loadprofiles.profiles import read_profiles, resolution_of, write_profiles
from loadprofiles.readings import join_parts
from loadprofiles.sources import customers, newmongo, oldmongo, sql
from loadprofiles.sources.common import Job
from loadprofiles.sources.layouts import BUILT_IN
from loadprofiles.step import StepInput, StepResult
from loadprofiles.tables import content_digest, write_table

_WORTH_PROCESSES = 20 * 1024 * 1024
"""Raw bytes from which on more processes save more seconds than they take to start."""


def etl_oldmongo(mongo_folder: Path, **common: Any) -> StepResult:
    """Clean the dumps of the old MongoDB; `common` are the fields of `Etl`, and it raises what that does."""
    etl = Etl(**common)
    return etl.clean("oldmongo", oldmongo.jobs(etl.place(mongo_folder)), mongo_folder)


def etl_sql(sql_folder: Path, **common: Any) -> StepResult:
    """Clean the text exports of the SQL historian; `common` as above."""
    etl = Etl(**common)
    return etl.clean("sql", sql.jobs(etl.place(sql_folder), etl.timezone), sql_folder)


def etl_newmongo(mongo_csv: Path, load_new: bool, **common: Any) -> StepResult:
    """Clean the table that `load_newmongo` wrote; `common` as above.

    With `load_new` false, an `out_csv` that an earlier run left is handed on as it is.
    """
    etl = Etl(**common)
    if not load_new and etl.out_csv.is_file():
        return etl.hand_on("newmongo")
    return etl.clean("newmongo", newmongo.jobs(etl.place(mongo_csv), etl.timezone, etl.place(etl.workspace)), mongo_csv)


def etl_customers(customers_folder: Path, **common: Any) -> StepResult:
    """Clean the customers' files and name their sectors; `common` as above."""
    etl = Etl(**common)
    jobs = customers.jobs(etl.place(customers_folder), etl.timezone, BUILT_IN, etl.place(etl.workspace))
    return etl.clean("customers", jobs, customers_folder, customers.read_sectors(customers_folder))


@dataclass(frozen=True)
class Etl:
    """What the four ETL steps have in common.

    Attributes:
        smart_meter_description_csv: The meters' contracted power; None leaves every limit at the default.
        resolution: Minutes a step of the profiles.
        timezone: IANA name of the zone whose days are meant, and of stamps without an offset.
        out_csv: Where the profile table goes.
        workspace: A folder for the other files of the result.
        jobs: Processes at once; 0: as many as there are cores, but one for a small source.
        dask_scheduler: `tcp://host:port` of a dask scheduler whose workers do the work; they see the source and
            the workspace under the same absolute paths as this machine. Empty: this machine does it.
    """

    smart_meter_description_csv: Path | None
    resolution: int
    timezone: str
    out_csv: Path
    workspace: Path
    jobs: int = 0
    dask_scheduler: str = ""

    def place(self, path: Path) -> Path:
        """`path` as whoever does the work can find it: dask workers run in other folders."""
        return path.absolute() if self.dask_scheduler else path

    def clean(self, source: str, jobs: list[Job], path: Path, sectors: pd.Series | None = None) -> StepResult:
        """Run every meter through VEE and write profiles, readings, findings and the meters' account.

        A file that cannot be read is counted, and stops nothing unless no file can be read. The result does
        not depend on how many processes there are.

        Args:
            source: The source's name.
            jobs: The pieces in which it is read.
            path: Where it comes from, to record and to name in errors.
            sectors: The sector of each meter, indexed by `meter_id`.

        Raises:
            InputError: No file can be read, or a meter is in two of them; or the dask cluster cannot be used.
            ParameterError: The resolution is finer than the source.
            EmptyResultError: No day of any meter became a profile.
            StepFailedError: A process was ended from outside.
        """
        description = read_description(self.smart_meter_description_csv)
        account = Account(self.resolution)
        with TemporaryDirectory(dir=self.workspace, prefix=".parts-") as parts:
            now = pd.Timestamp.now("UTC")
            cleaning = Cleaning(description, self.resolution, self.timezone, now, Path(parts).absolute())
            self._run(source, make_batches(jobs, cleaning), account)
            account.check_not_empty(path)
            readings = join_parts(account.parts(), self.workspace / f"{artifacts.READINGS}.parquet")

        meters = account.meters_table()
        if sectors is not None:
            meters.insert(1, "sector", meters["meter_id"].map(sectors))
        result = StepResult(
            outputs={artifacts.CLEAN[source]: write_profiles(account.profiles_table(), self.out_csv)},
            files=[
                readings,
                write_table(account.findings_table(), self.workspace / f"{artifacts.FINDINGS}.csv"),
                write_table(meters, self.workspace / f"{artifacts.METERS}.csv"),
            ],
            inputs=self._inputs(source, path),
            metrics=account.metrics(),
            notes=[*account.notes(), f"days are those of {self.timezone}"],
        )
        seen = set(meters["meter_id"])
        result.notes += compare("the description", set(description.index), seen)
        if sectors is not None:
            result.notes += compare("the sheet of sectors", set(sectors.index), seen)
        return result

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

    def _inputs(self, source: str, path: Path) -> list[StepInput]:
        inputs = [StepInput(source, path, content_digest(path))]
        if self.smart_meter_description_csv:
            description = self.smart_meter_description_csv
            inputs.append(StepInput("smart_meter_description", description, content_digest(description)))
        return inputs
