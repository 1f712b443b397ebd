"""Models of runs: as MLflow loads them, where they lie, and behind MLflow's web server."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import mlflow

from tests.project import clean_environment
from tests.servers import free_port


def load(run):
    return mlflow.pyfunc.load_model(run.data.tags["model_uri"])


def folder_of(run):
    return Path(mlflow.get_logged_model(run.data.tags["model_uri"].removeprefix("models:/")).artifact_location)


@contextmanager
def serving(run, place):
    """The address of `mlflow models serve`, which runs as long as the block."""
    port = free_port()
    command = ["mlflow", "models", "serve", "-m", run.data.tags["model_uri"], "--env-manager", "local"]
    with (place / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=place,
            env=clean_environment() | {"MLFLOW_TRACKING_URI": os.environ["MLFLOW_TRACKING_URI"]},
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 120
    try:
        while not _answers(url):
            assert process.poll() is None, (place / "serve.log").read_text()
            assert time.monotonic() < deadline, (place / "serve.log").read_text()
            time.sleep(0.2)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(url):
    try:
        with urllib.request.urlopen(f"{url}/ping", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def post(url, table):
    """Status and answer to a table."""
    body = json.dumps({"dataframe_split": json.loads(table.to_json(orient="split", index=False))})
    request = urllib.request.Request(f"{url}/invocations", body.encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)
