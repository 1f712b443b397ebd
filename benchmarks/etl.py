"""Readings per second through an ETL step and its peak memory, beside two straightforward pandas versions.

Archives are generated (and kept, in `--folder`): 35,040 readings a meter, old dumps with all their 24 columns.
Each run is a process of its own. Seconds are wall-clock; `cpu` is user and system time of all its processes,
which other work on the machine does not change. Memory is the sum of the proportional set sizes of all its
processes, ten times a second.

    python -m benchmarks.etl --source oldmongo --readings 10M --jobs 2 --compare
"""

import multiprocessing
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import pandas as pd
import psutil

from benchmarks.etl_archives import make_archive
from benchmarks.etl_straightforward import clean_straightforwardly
from loadprofiles import etl

SOURCES = ("oldmongo", "sql", "newmongo", "customers")
_RESOLUTION = 60
_SAMPLE_SECONDS = 0.1
_LINE = "{:<10} {:<16} {:>11} {:>4} {:>8} {:>8} {:>12} {:>8} {:>7}"

_TITLES = ("source", "version", "readings", "jobs", "seconds", "cpu", "readings/s", "peak MB", "ratio")


class Count(click.ParamType):
    """`10M`, `500k` or a plain number."""

    name = "count"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        text = str(value).strip()
        factor = {"k": 1_000, "M": 1_000_000}.get(text[-1:], 1)
        try:
            return int(float(text.rstrip("kM")) * factor)
        except ValueError:
            return self.fail(f"{value!r} is no number like 500k or 10M", param, ctx)


@dataclass(frozen=True)
class Measured:
    """What one run took."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def run_etl(source: str, archive: Path, jobs: int, out: Path) -> None:
    """The ETL step as a user runs it, without MLflow."""
    common = {
        "smart_meter_description_csv": None,
        "resolution": _RESOLUTION,
        "timezone": "UTC",
        "out_csv": out / f"clean_{source}.csv",
        "workspace": out,
        "jobs": jobs,
    }
    if source == "newmongo":
        etl.etl_newmongo(archive / "newmongo.csv", load_new=True, **common)
    else:
        {"oldmongo": etl.etl_oldmongo, "sql": etl.etl_sql, "customers": etl.etl_customers}[source](archive, **common)


def measure(function: Any, *arguments: Any) -> Measured:
    """Run `function` in a process of its own.

    Raises:
        click.ClickException: It failed.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started, peak = time.perf_counter(), 0
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    while process.is_alive():
        peak = max(peak, _memory(process.pid))
        process.join(_SAMPLE_SECONDS)
    seconds = time.perf_counter() - started
    if process.exitcode:
        raise click.ClickException(f"{function} ended with status {process.exitcode}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Measured(seconds, cpu, peak / 1e6)


def _memory(pid: int | None) -> int:
    total = 0
    try:
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in tree:
        try:
            total += process.memory_full_info().pss
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return total


def show(source: str, what: str, readings: int, processes: int, found: Measured, ratio: str = "") -> None:
    """Print a row of the table."""
    figures = [f"{found.seconds:.1f}", f"{found.cpu_seconds:.1f}", f"{readings / found.seconds:,.0f}"]
    click.echo(_LINE.format(source, what, f"{readings:,}", processes, *figures, f"{found.peak_mb:,.0f}", ratio))


@click.command(help=__doc__)
@click.option("--source", "sources", type=click.Choice(SOURCES), multiple=True, default=SOURCES)
@click.option("--readings", "sizes", type=Count(), multiple=True, default=("1M", "10M"), show_default=True)
@click.option("--jobs", type=click.IntRange(0), default=0, help="Processes; 0: as the step chooses.")
@click.option("--compare/--no-compare", default=False, help="Run the straightforward versions too (8 GB at 10M).")
@click.option("--folder", type=click.Path(path_type=Path), default=Path(tempfile.gettempdir()) / "etl-archives")
def main(sources: tuple[str, ...], sizes: tuple[int, ...], jobs: int, compare: bool, folder: Path) -> None:
    """Measure every source at every size."""
    click.echo(f"{os.cpu_count()} cores, {psutil.virtual_memory().total / 1e9:.0f} GB")
    click.echo(_LINE.format(*_TITLES))
    for size in sizes:
        for source in sources:
            archive = make_archive(source, size, folder)
            with tempfile.TemporaryDirectory(dir=folder, prefix="out-") as out:
                ours = measure(run_etl, source, archive, jobs, Path(out))
                readings = int(pd.read_csv(Path(out) / "meters.csv")["readings"].sum())
                show(source, "loadprofiles", readings, jobs or os.cpu_count() or 1, ours)
                for version in ("earlier", "lean") if compare else ():
                    arguments = (source, archive, _RESOLUTION, Path(out) / f"{version}.csv")
                    theirs = measure(partial(clean_straightforwardly, lean=version == "lean"), *arguments)
                    show(source, version, readings, 1, theirs, f"{theirs.seconds / ours.seconds:.1f}")


if __name__ == "__main__":
    main()
