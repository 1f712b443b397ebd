"""`benchmarks.clustering cells`: every model and distance metric, logged, and loaded again where the project is not."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click
import mlflow
import pandas as pd
from mlflow.tracking import MlflowClient

from benchmarks.bars import report
from benchmarks.dtw_profiles import CUSTOMERS
from loadprofiles import tracking
from loadprofiles.choices import MODEL_METRICS, MODEL_WITHOUT_K
from loadprofiles.clustering.step import cluster

ROOT = Path(__file__).resolve().parent.parent
ALL_FOLDERS = ("oldmongo_folder", "sql_folder", "newmongo_folder", "customers_folder")
EXACT = ("kmeans", "kmedoids", "som", "kshape", "gmm")
"""Models that put a day into the cluster of the nearest representative also while they are fitted."""

_LINE = "{:<12}{:<26}{:>9}{:>5}{:>10}{:>11}{:>13}{:>11}"

# Run by the other environment's Python, which has what the model's requirements name and no project of ours.
_PREDICT = """
import sys, mlflow, pandas
import importlib.util
assert not importlib.util.find_spec("loadprofiles") and not importlib.util.find_spec("minisom"), "not a clean place"
days = pandas.read_csv(sys.argv[1])
for uri, out in zip(sys.argv[2::2], sys.argv[3::2]):
    mlflow.pyfunc.load_model(uri).predict(days).to_csv(out, index=False)
"""


@dataclass(frozen=True)
class Cell:
    """One model-metric pair on one table, fitted and logged."""

    data: str
    model: str
    distance_metric: str
    seconds: float
    run_id: str

    @property
    def name(self) -> str:
        """Model and metric."""
        return f"{self.model} {self.distance_metric}"


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=CUSTOMERS, show_default=True, help="The customers.")
@click.option("--timezone", default="America/Lima", show_default=True, help="Of the customers.")
@click.option("--clusters", "k", type=click.IntRange(2), default=12, show_default=True)
def cells(data: Path, timezone: str, k: int) -> None:
    """Fit every cell on the samples and the customers, then predict their own days elsewhere (some 5 minutes)."""
    click.echo(f"{os.cpu_count()} cores; k = {k}, radius 1; seconds: of the whole step with figures and model")
    click.echo(_LINE.format("data", "cell", "seconds", "k", "days", "agreement", "elsewhere", "sil. DTW"))
    with tempfile.TemporaryDirectory(prefix="cells-bench-") as name:
        folder = Path(name)
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        sources = {"samples": {source: str(ROOT / source.removesuffix("_folder")) for source in ALL_FOLDERS}}
        if data.is_dir():
            sources["customers"] = dict.fromkeys(ALL_FOLDERS, "") | {
                "customers_folder": str(data.resolve()), "timezone": timezone,
            }  # fmt: skip
        verdicts = [verdict for title, params in sources.items() for verdict in _all_cells(title, params, k, folder)]
        report(verdicts)


def _all_cells(title: str, params: dict[str, str], k: int, folder: Path) -> list[tuple[bool, str]]:
    table, matrix = _harmonized(params, folder / title)
    fitted = [
        _fit(title, model, metric, table, matrix, k) for model, metrics in MODEL_METRICS.items() for metric in metrics
    ]
    return _compare(fitted, table, folder)


def _harmonized(params: dict[str, str], folder: Path) -> tuple[Path, Path]:
    """The chain's table and matrix."""
    folder.mkdir()
    given = params | {
        "smart_meter_description_csv": str(ROOT / "smart_meter_description.csv"),
        "number_of_clusters": "3",
    }
    command = [sys.executable, str(ROOT / "pipeline.py"), *(t for n, v in given.items() for t in (f"--{n}", v))]
    environment = os.environ | {"MLFLOW_TRACKING_URI": mlflow.get_tracking_uri(), "PYTHONPATH": str(ROOT)}
    subprocess.run(
        command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    run = MlflowClient().search_runs(["0"], "tags.step = 'harmonization'", max_results=1)[0]
    return tracking.local_path(run.data.tags["harmonized_csv"], folder), folder / "dtw"


def _fit(title: str, model: str, metric: str, table: Path, matrix: Path, k: int) -> Cell:
    params = {
        "in_csv": table, "dtw_path": str(matrix), "smart_meter_description_csv": None, "customers_folder": None,
        "customers_layout": None, "jobs": 0, "model": model, "distance_metric": metric,
        "number_of_clusters": 0 if model == MODEL_WITHOUT_K else k,
    }  # fmt: skip
    started = time.perf_counter()
    tracking.run_step("clustering", cluster, params)
    seconds = time.perf_counter() - started
    run = MlflowClient().search_runs(["0"], "tags.step = 'clustering'", max_results=1)[0]
    return Cell(title, model, metric, seconds, run.info.run_id)


def _compare(fitted: list[Cell], table: Path, folder: Path) -> list[tuple[bool, str]]:
    predicted = _predict_elsewhere(fitted, table, folder)
    verdicts = []
    for cell in fitted:
        run = MlflowClient().get_run(cell.run_id)
        own = pd.read_parquet(Path(run.info.artifact_uri.removeprefix("file://")) / "assignments.parquet")
        found = pd.read_csv(predicted[cell.run_id])
        same = float((own["cluster"] == found["cluster"]).mean())
        said = run.data.metrics["prediction_agreement"]
        shown = f"{run.data.metrics.get('Silhouette DTW', float('nan')):.3f}"
        count = int(run.data.metrics["clusters"])
        click.echo(
            _LINE.format(
                cell.data, cell.name, f"{cell.seconds:.1f}", count, len(own), f"{said:.2%}", f"{same:.2%}", shown
            )
        )
        expected = 1.0 if cell.model in EXACT else said
        words = f"{cell.data}, {cell.name}: {same:.2%} of its own days as fitted (bar {expected:.2%})"
        verdicts.append((abs(same - expected) < 1e-9, words))
    return verdicts


def _predict_elsewhere(fitted: list[Cell], table: Path, folder: Path) -> dict[str, Path]:
    """Predictions of each cell's model, by an environment made of its requirements alone."""
    client = MlflowClient()
    uris = {cell.run_id: client.get_run(cell.run_id).data.tags[tracking.MODEL_TAG] for cell in fitted}
    models = {run_id: tracking.local_path(uri, folder / "models" / run_id) for run_id, uri in uris.items()}
    requirements = {(path / "requirements.txt").read_text() for path in models.values()}
    if len(requirements) != 1:
        raise click.ClickException("the models do not ask for the same packages")
    place = folder / "elsewhere"
    if not place.exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(place)], check=True)
        needed = next(iter(models.values())) / "requirements.txt"
        subprocess.run(
            [*uv, "pip", "install", "--quiet", "--python", str(place / "bin" / "python"), "-r", str(needed)], check=True
        )
    out = {run_id: folder / f"{run_id}.csv" for run_id in models}
    pairs = [text for run_id, model in models.items() for text in (str(model), str(out[run_id]))]
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    command = [str(place / "bin" / "python"), "-I", "-c", _PREDICT, str(table), *pairs]
    subprocess.run(command, cwd=place, env=clean, check=True, stderr=subprocess.DEVNULL)
    return out
