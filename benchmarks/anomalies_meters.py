"""`benchmarks.anomalies meters`: a thousand meters, a year by the hour: seconds of scoring, and of one day more.

The meters are made by `loadprofiles.synthetic`, with a reactive energy that follows the active, and written as
Readings, as the chain hands them on. What is judged is scoring: from the start of its processes over reading the
Readings to the last score. The whole step, in a process that is started anew for each of the two, is told, too.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import pandas as pd

from benchmarks.bars import report
from loadprofiles.readings import MEASURED, QUALITY_DTYPE, write_readings
from loadprofiles.synthetic.archetypes import ARCHETYPES

YEAR_SECONDS, DAY_SECONDS = 120, 10

_RUN = """
import json, sys
from datetime import date
from pathlib import Path
from loadprofiles.anomalies.step import find_anomalies
told = json.loads(sys.argv[1])
since = date.fromisoformat(told["since"]) if told["since"] else None
result = find_anomalies(
    in_csv=None, readings=Path(told["readings"]), backtest=None, scores_path=Path(told["scores"]),
    smart_meter_description_csv=None, customers_folder=None, customers_layout=None, jobs=told["jobs"],
    dask_scheduler="", workspace=Path(told["workspace"]), since=since, alert_db=told["alert_db"],
)
print(json.dumps(result.metrics))
"""


@click.command()
@click.option("--meters", "n_meters", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--days", type=click.IntRange(60), default=365, show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
def meters(n_meters: int, days: int, jobs: int) -> None:
    """Seconds for a year of all meters, and for one day more of them."""
    with tempfile.TemporaryDirectory(prefix="meters-bench-") as name:
        folder = Path(name)
        click.echo(f"{os.cpu_count()} cores, {jobs} processes; {n_meters} meters, {days} days by the hour")
        stamps = pd.date_range("2024-01-01", periods=24 * (days + 1), freq="h", tz="UTC", unit="us")
        year = _write(n_meters, stamps[:-24], folder / "year")
        longer = _write(n_meters, stamps, folder / "longer")
        year_seconds, year_scoring = _seconds(year, "", folder, jobs)
        day_seconds, day_scoring = _seconds(longer, str(stamps[-1].date()), folder, jobs)
    click.echo(f"with imports, tables, figures and database {year_seconds:.0f} s and {day_seconds:.1f} s")
    report(
        [
            (year_scoring <= YEAR_SECONDS, f"{year_scoring:.0f} s for {days} days (bar {YEAR_SECONDS})"),
            (day_scoring <= DAY_SECONDS, f"{day_scoring:.1f} s for one day more (bar {DAY_SECONDS})"),
        ]
    )


def _write(n_meters: int, stamps: pd.DatetimeIndex, folder: Path) -> Path:
    kinds = list(ARCHETYPES.values())

    def one(number: int) -> pd.DataFrame:
        rng = np.random.default_rng(number)
        energy = kinds[number % len(kinds)](stamps, 1.0, rng)
        return pd.DataFrame(
            {
                "meter_id": pd.array([f"meter{number:05d}"] * len(stamps), dtype="str"),
                "timestamp_utc": stamps,
                "energy_kwh": energy,
                "quality": pd.Categorical([MEASURED] * len(stamps), dtype=QUALITY_DTYPE),
                "energy_kwh_raw": energy,
                "reactive_energy_kvarh": np.abs(energy) * rng.normal(0.4, 0.02, len(stamps)),
            }
        )

    folder.mkdir()
    return write_readings((one(number) for number in range(n_meters)), ("reactive_energy_kvarh",), folder / "readings")


def _seconds(readings: Path, since: str, folder: Path, jobs: int) -> tuple[float, float]:
    """Seconds of the whole process, and of reading and scoring, with the start of its processes, in it."""
    work = folder / f"work{since}"
    work.mkdir()
    told = {
        "readings": str(readings),
        "scores": str(folder / "scores.parquet"),
        "alert_db": f"sqlite:///{folder / 'alerts.db'}",
        "workspace": str(work),
        "since": since,
        "jobs": jobs,
    }
    started = time.perf_counter()
    ended = subprocess.run([sys.executable, "-c", _RUN, json.dumps(told)], check=True, stdout=subprocess.PIPE)
    seconds = time.perf_counter() - started
    metrics = json.loads(ended.stdout)
    click.echo(f"{metrics['days_scored']} days scored since {since or 'the first'}")
    return seconds, metrics["scoring_seconds"]
