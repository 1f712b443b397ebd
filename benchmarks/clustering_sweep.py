"""`benchmarks.clustering sweep`: 7 model-metric pairs, k = 3..20 on the real customers, with figures and models."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import pandas as pd
from mlflow.tracking import MlflowClient

from benchmarks.bars import report
from benchmarks.dtw_profiles import CUSTOMERS

ROOT = Path(__file__).resolve().parent.parent
MINUTES_BAR = 10.0
PAIRS, K_VALUES = 7, 18
NO_SOURCE = [text for name in ("oldmongo", "sql", "newmongo") for text in (f"--{name}_folder", "")]


@click.command()
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count(), show_default=True, help="Runs at once.")
@click.option("--data", type=click.Path(path_type=Path), default=CUSTOMERS, show_default=True, help="The customers.")
@click.option("--timezone", default="America/Lima", show_default=True, help="Of the customers.")
def sweep(jobs: int, data: Path, timezone: str) -> None:
    """The whole sweep from the customers' files on, then once more, which takes all runs over."""
    if not data.is_dir():
        raise click.ClickException(f"{data} is not there; name the customers' files with --data")
    with tempfile.TemporaryDirectory(prefix="sweep-bench-") as name:
        folder = Path(name)
        command = [sys.executable, str(ROOT / "sweep.py"), "--customers_folder", str(data.resolve())]
        command += [*NO_SOURCE, "--timezone", timezone, "--smart_meter_description_csv", "", "--jobs", str(jobs)]
        first, again = _timed(command, folder), _timed(command, folder)
        report(_verdicts(folder, first, again, jobs))


def _timed(command: list[str], folder: Path) -> float:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    environment |= {"PYTHONPATH": str(ROOT), "MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    started = time.perf_counter()
    subprocess.run(
        command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    return time.perf_counter() - started


def _verdicts(folder: Path, first: float, again: float, jobs: int) -> list[tuple[bool, str]]:
    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    parents = client.search_runs(["0"], "tags.step = 'sweep'", order_by=["attributes.start_time ASC"])
    artifacts = [Path(parent.info.artifact_uri.removeprefix("file://")) for parent in parents]
    leaderboard = pd.read_csv(artifacts[0] / "leaderboard.csv")
    children = client.search_runs(["0"], "tags.step = 'clustering' and attributes.status = 'FINISHED'", max_results=500)
    figures = [len(list(Path(c.info.artifact_uri.removeprefix("file://")).glob("*.png"))) for c in children]
    disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
    click.echo(f"{os.cpu_count()} cores, {jobs} jobs; {leaderboard['profiles'].iloc[0]} days, {len(children)} runs")
    click.echo(f"{min(figures)} to {max(figures)} figures a run, a page and a model each; {disk:.0f} MB on disk")
    click.echo(leaderboard.iloc[:5, :9].to_string(index=False))
    runs = PAIRS * K_VALUES
    reused = int(parents[1].data.metrics["runs_reused"])
    return [
        (len(children) == runs, f"{len(children)} runs finished (bar {runs})"),
        (first < 60 * MINUTES_BAR, f"{first / 60:.1f} minutes with ETL and matrix (bar {MINUTES_BAR:g})"),
        (reused == runs, f"{reused} runs taken over by a second call, in {again:.0f} s (bar {runs})"),
    ]
