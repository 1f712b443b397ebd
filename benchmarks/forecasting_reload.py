"""`benchmarks.forecasting reload`: every model loaded where the project is not, and served; the same forecasts.

Each is made and logged through the step on the real customers. Then uv makes an environment of the model's own
requirements, and its Python, isolated, forecasts from the last 14 weeks of readings; what comes is compared with the
run's table of forecasts. `mlflow models serve` of that environment gives the same by HTTP.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

import click
import mlflow
import numpy as np
import pandas as pd
from mlflow.tracking import MlflowClient

from benchmarks.bars import report
from benchmarks.dtw_profiles import CUSTOMERS
from benchmarks.forecasting_day_ahead import ZONE
from loadprofiles import tracking
from loadprofiles.choices import AUTO, FORECAST_MODELS
from loadprofiles.etl import etl_customers
from loadprofiles.forecasting.measures import QUANTILE_COLUMNS
from loadprofiles.forecasting.step import forecast
from loadprofiles.readings import read_readings

WEEKS = 14
_PORT = 5987
_LINE = "{:<20}{:>9}{:>10}{:>12}{:>14}{:>14}"

# Run by the other environment's Python, which has what the model's requirements name and no project of ours.
_PREDICT = """
import sys, mlflow, pandas
import importlib.util
assert not importlib.util.find_spec("loadprofiles"), "not a clean place"
table = pandas.read_csv(sys.argv[2], dtype={"meter_id": str})
mlflow.pyfunc.load_model(sys.argv[1]).predict(table).to_csv(sys.argv[3], index=False)
"""


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=CUSTOMERS, show_default=True, help="The customers.")
@click.option("--models", default=",".join(m for m in FORECAST_MODELS if m != AUTO), show_default=True)
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
def reload(data: Path, models: str, jobs: int) -> None:
    """Largest difference between a run's forecasts and those of its model elsewhere, and served."""
    click.echo(_LINE.format("model", "meters", "rows", "step, s", "elsewhere kWh", "served kWh"))
    with tempfile.TemporaryDirectory(prefix="reload-bench-") as name:
        folder = Path(name)
        mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
        etl_customers(
            customers_folder=data, smart_meter_description_csv=None, resolution=60, timezone=ZONE,
            out_csv=folder / "clean.csv", workspace=folder,
        )  # fmt: skip
        report([verdict for model in models.split(",") for verdict in _one(model, folder, jobs)])


def _one(model: str, folder: Path, jobs: int) -> list[tuple[bool, str]]:
    params = {
        "in_csv": folder / "clean.csv", "readings": folder / "readings.parquet", "weather_csv": None,
        "smart_meter_description_csv": None, "customers_folder": None, "customers_layout": None, "jobs": jobs,
        "dask_scheduler": "", "model": model, "timezone": ZONE, "backtest_days": 7,
    }  # fmt: skip
    started = time.perf_counter()
    tracking.run_step("forecasting", forecast, params)
    seconds = time.perf_counter() - started
    run = MlflowClient().search_runs(["0"], "tags.step = 'forecasting'", max_results=1)[0]
    artifact = tracking.local_path(run.data.tags["forecasts_csv"], folder / "artifacts")
    newest = _newest(pd.read_parquet(artifact))
    place = tracking.local_path(run.data.tags[tracking.MODEL_TAG], folder / "models" / model)
    history = _history(folder / "readings.parquet", newest, folder / f"{model}.csv")
    python = _environment(place, folder)
    elsewhere = _difference(newest, _predicted(python, place, history, folder / f"{model}_out.csv"))
    served = _difference(newest, _served(python, place, history))
    click.echo(
        _LINE.format(
            model, newest["meter_id"].nunique(), len(newest), f"{seconds:.0f}", f"{elsewhere:.1e}", f"{served:.1e}"
        )
    )
    # float32 trees and networks: the last digits may differ where another library adds in another order
    return [
        (max(elsewhere, served) <= 1e-4, f"{model}: within {max(elsewhere, served):.1e} kWh of the run's (bar 1e-4)")
    ]


def _newest(table: pd.DataFrame) -> pd.DataFrame:
    """Forecasts of the newest origin: those of the model that is served, which was fitted for it."""
    return table[table["origin_utc"] == table["origin_utc"].max()].reset_index(drop=True)


def _history(readings: Path, newest: pd.DataFrame, path: Path) -> Path:
    table = read_readings(readings, meters=newest["meter_id"].unique().tolist())
    table = table[table["timestamp_utc"] >= newest["origin_utc"].iloc[0] - pd.Timedelta(weeks=WEEKS)]
    stamps = table["timestamp_utc"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    table.assign(timestamp_utc=stamps)[["meter_id", "timestamp_utc", "energy_kwh"]].to_csv(path, index=False)
    return path


def _environment(model: Path, folder: Path) -> Path:
    """The Python of an environment made of a model's requirements alone; models with the same share one."""
    requirements = model / "requirements.txt"
    place = folder / f"elsewhere-{abs(hash(requirements.read_text()))}"
    python = place / "bin" / "python"
    if not place.exists():
        uv = [sys.executable, "-m", "uv"]
        subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, str(place)], check=True)
        subprocess.run([*uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(requirements)], check=True)
    return python


def _clean() -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}


def _predicted(python: Path, model: Path, history: Path, out: Path) -> pd.DataFrame:
    command = [str(python), "-I", "-c", _PREDICT, str(model), str(history), str(out)]
    subprocess.run(command, cwd=python.parent, env=_clean(), check=True, stderr=subprocess.DEVNULL)
    return pd.read_csv(out, dtype={"meter_id": str})


def _served(python: Path, model: Path, history: Path) -> pd.DataFrame:
    command = [str(python), "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager=local"]
    environment = _clean() | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    server = subprocess.Popen(
        [*command, "-p", str(_PORT)], cwd=python.parent, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(f"http://127.0.0.1:{_PORT}/ping", server)
        table = pd.read_csv(history, dtype={"meter_id": str})
        body = json.dumps({"dataframe_split": json.loads(table.to_json(orient="split", index=False))}).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{_PORT}/invocations", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            return pd.DataFrame(json.load(answer)["predictions"])
    finally:
        server.terminate()
        server.wait()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and server.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise click.ClickException("the model's server did not start")


def _difference(expected: pd.DataFrame, found: pd.DataFrame) -> float:
    """The largest difference between quantiles of the same meter and interval, in kWh."""
    stamps = pd.to_datetime(found["timestamp_utc"], utc=True)
    joined = expected.merge(found.assign(timestamp_utc=stamps), on=["meter_id", "timestamp_utc"], suffixes=("", "_y"))
    if len(joined) != len(expected) or len(found) != len(expected):
        raise click.ClickException(f"{len(expected)} forecasts, but {len(found)} from the model elsewhere")
    columns = list(QUANTILE_COLUMNS)
    other = joined[[f"{name}_y" for name in columns]].to_numpy(dtype=np.float64)
    return float(np.abs(joined[columns].to_numpy() - other).max())
