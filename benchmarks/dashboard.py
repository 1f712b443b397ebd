"""The dashboard in a real browser: how long its first view and each filter take.

Each command runs the chain first, where the folder has not got a run yet, then opens every page in headless Chromium.
A time ends with the last change in the window of 1440 x 900: tables, figures and all; beside it, with the last change
on the whole page.

    python -m benchmarks.dashboard customers
    python -m benchmarks.dashboard meters --meters 5000
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from urllib.request import urlopen

import click

from benchmarks.bars import report
from benchmarks.dashboard_browser import Seconds, Times, time_pages
from benchmarks.dtw_profiles import CUSTOMERS
from benchmarks.etl_archives import make_hourly_customers

ROOT = Path(__file__).resolve().parent.parent
FIRST_VIEW_SECONDS, FILTER_SECONDS = 2.0, 0.3
_LINE = "{:<14}{:<16}{:>10}{:>10}{:>12}"
_ADDRESS = "dashboard: http://"


@click.group(help=__doc__)
def main() -> None:
    """The commands below."""


@main.command()
@click.option("--data", type=click.Path(path_type=Path), default=CUSTOMERS, show_default=True, help="The customers.")
@click.option("--timezone", default="America/Lima", show_default=True, help="Of the customers.")
@click.option("--repeats", type=click.IntRange(1), default=5, show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), help="Where the run is kept; by default it is not.")
def customers(data: Path, timezone: str, repeats: int, folder: Path | None) -> None:
    """The real customers: first view under 2 s, each filter under 300 ms."""
    if not data.is_dir():
        raise click.ClickException(f"{data} is not there; name the customers' files with --data")
    params = {"customers_folder": str(data.resolve()), "timezone": timezone, "alert_days": "90"}
    with _kept(folder) as place:
        times = _run_and_time(place, params, repeats)
    slowest_first, slowest_filter = (
        max(median(taken.window for taken in of_one) for of_one in of_all.values())
        for of_all in (times.first, times.filters)
    )
    report(
        [
            (slowest_first < FIRST_VIEW_SECONDS, f"first view of the slowest page {slowest_first:.2f} s (bar 2)"),
            (slowest_filter < FILTER_SECONDS, f"slowest filter {1000 * slowest_filter:.0f} ms (bar 300)"),
        ]
    )


@main.command()
@click.option("--meters", "count", type=click.IntRange(1), default=5000, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where files and run are kept; by default they are not."
)
def meters(count: int, repeats: int, folder: Path | None) -> None:
    """Made-up meters of a year, hourly: no bar but that it stays usable (some 20 minutes, most of it the chain)."""
    with _kept(folder) as place:
        params = {"customers_folder": str(make_hourly_customers(count, place)), "compute_dtw": "false"}
        _run_and_time(place, params | {"forecast_model": "seasonal_naive"}, repeats)


@contextmanager
def _kept(folder: Path | None) -> Iterator[Path]:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="dashboard-bench-") as name:
        yield Path(name)


def _run_and_time(place: Path, params: dict[str, str], repeats: int) -> Times:
    environment = os.environ | {
        "MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}",
        "ALERT_DB_URL": f"sqlite:///{place / 'alerts.db'}",
        "PYTHONPATH": str(ROOT),
    }
    if not (place / "finished").is_file():
        started = time.perf_counter()
        _run_chain(place, params, environment)
        click.echo(f"chain: {time.perf_counter() - started:.0f} s")
        (place / "finished").touch()
    with _served(place, environment) as (url, seconds):
        click.echo(f"{os.cpu_count()} cores; dashboard listens after {seconds:.1f} s; medians, of {repeats}, in ms")
        times = time_pages(url, repeats)
    click.echo(_LINE.format("page", "", "median", "slowest", "whole page"))
    for name, views in (("first view", times.first), ("third view", times.third)):
        for page, of_page in views.items():
            click.echo(_LINE.format(page, name, *_milliseconds(of_page)))
    for (page, name), of_filter in times.filters.items():
        click.echo(_LINE.format(page, name, *_milliseconds(of_filter)))
    return times


def _milliseconds(taken: list[Seconds]) -> list[str]:
    """The median and the longest until the window is filled, and the median until the page is."""
    window, page = zip(*taken, strict=True)
    return [f"{1000 * seconds:.0f}" for seconds in (median(window), max(window), median(page))]


def _run_chain(place: Path, params: dict[str, str], environment: dict[str, str]) -> None:
    given = dict.fromkeys(("oldmongo_folder", "sql_folder", "newmongo_folder"), "") | params
    given |= {
        "smart_meter_description_csv": "",
        "number_of_clusters": "12",
        "dtw_path": str(place / "dtw"),
        "scores_path": str(place / "scores.parquet"),
    }
    options = [text for name, value in given.items() for text in (f"--{name}", value)]
    command = [sys.executable, "-W", "ignore", str(ROOT / "pipeline.py"), *options]
    with (place / "chain.log").open("w") as log:
        ended = subprocess.run(command, cwd=place, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
    if ended.returncode:
        raise click.ClickException(f"the chain failed: {(place / 'chain.log').read_text()[-2000:]}")


@contextmanager
def _served(place: Path, environment: dict[str, str]) -> Iterator[tuple[str, float]]:
    """The dashboard's address, and the seconds until it listened, with all that a new run needs first."""
    command = [sys.executable, "-u", str(ROOT / "dashboard.py"), "--port", "0", "--cache_folder", str(place / "cache")]
    started = time.perf_counter()
    with subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            lines = iter(server.stdout.readline, "")
            url = next((line.split()[1] for line in lines if line.startswith(_ADDRESS)), "")
            if not url:
                raise click.ClickException("the dashboard did not start")
            seconds = time.perf_counter() - started
            with urlopen(f"{url}healthz") as answer:
                answer.read()
            yield url, seconds
        finally:
            server.terminate()


if __name__ == "__main__":
    main()
