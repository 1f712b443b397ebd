"""`benchmarks.forecasting meters`: a thousand meters, a year by the hour: seconds and memory of the whole step.

The meters are made by `loadprofiles.synthetic` and written as Readings, as the chain hands them on; what is timed is
the whole step, with tables, figures and models, in a process of its own.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd
import psutil

from benchmarks.bars import report
from loadprofiles.profiles import step_columns
from loadprofiles.readings import MEASURED, QUALITY_DTYPE, write_readings
from loadprofiles.synthetic.archetypes import ARCHETYPES
from loadprofiles.tables import write_table

SECONDS, GIGABYTES = 900, 6.0

_RUN = """
import json, sys
from pathlib import Path
from loadprofiles.forecasting.step import forecast
told = json.loads(sys.argv[1])
result = forecast(
    in_csv=Path(told["in_csv"]), readings=Path(told["readings"]), weather_csv=None, smart_meter_description_csv=None,
    customers_folder=None, customers_layout=None, jobs=told["jobs"], dask_scheduler="",
    workspace=Path(told["workspace"]), model=told["model"], timezone="UTC",
)
print("\\n".join(result.notes))
"""


@click.command()
@click.option("--meters", "n_meters", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--days", type=click.IntRange(60), default=365, show_default=True)
@click.option("--model", default="xgboost", show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
def meters(n_meters: int, days: int, model: str, jobs: int) -> None:
    """Seconds and peak memory, all processes together, of the step on synthetic meters."""
    with tempfile.TemporaryDirectory(prefix="meters-bench-") as name:
        folder = Path(name)
        told = _make(n_meters, days, folder) | {"jobs": jobs, "model": model, "workspace": str(folder / "work")}
        (folder / "work").mkdir()
        click.echo(f"{os.cpu_count()} cores, {jobs} processes; {n_meters} meters, {days} days by the hour, {model}")
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-c", _RUN, json.dumps(told)], stderr=subprocess.DEVNULL)
        watch = _Watch(process.pid)
        status = process.wait()
        seconds, peak = time.perf_counter() - started, watch.stop()
    if status:
        raise click.ClickException(f"the step ended with status {status}")
    gigabytes = peak / 1e9
    report(
        [
            (seconds <= SECONDS, f"{seconds:.0f} s for fits, 85 origins, bands, figures, tables (bar {SECONDS})"),
            (gigabytes <= GIGABYTES, f"{gigabytes:.2f} GB at most, all processes (bar {GIGABYTES:g})"),
        ]
    )


class _Watch:
    """The most memory that a process and those below it held together: their proportional shares (PSS)."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._ended.wait(0.5):
            try:
                top = psutil.Process(self._pid)
                held = [_share(process) for process in [top, *top.children(recursive=True)]]
            except psutil.NoSuchProcess:
                continue
            self._peak = max(self._peak, sum(held))

    def stop(self) -> int:
        """Bytes."""
        self._ended.set()
        self._thread.join()
        return self._peak


def _share(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0


def _make(n_meters: int, days: int, folder: Path) -> dict[str, str]:
    """Readings of the meters, and a harmonized table of one of their days, as the step needs one."""
    stamps = pd.date_range("2024-01-01", periods=24 * days, freq="h", tz="UTC", unit="us")
    names = [f"meter{number:05d}" for number in range(n_meters)]
    kinds = list(ARCHETYPES.values())

    def one(number: int) -> pd.DataFrame:
        energy = kinds[number % len(kinds)](stamps, 1.0, np.random.default_rng(number))
        return pd.DataFrame(
            {
                "meter_id": pd.array([names[number]] * len(stamps), dtype="str"),
                "timestamp_utc": stamps,
                "energy_kwh": energy,
                "quality": pd.Categorical([MEASURED] * len(stamps), dtype=QUALITY_DTYPE),
                "energy_kwh_raw": energy,
            }
        )

    readings = write_readings((one(number) for number in range(n_meters)), (), folder / "readings.parquet")
    day = pd.DataFrame(
        [[names[0], "2024-01-01", *one(0)["energy_kwh"][:24]]], columns=["id", "date", *step_columns(60)]
    )
    return {"in_csv": str(write_table(day, folder / "harmonized.parquet")), "readings": str(readings)}
