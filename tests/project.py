"""A copy of the project in a folder of its own, as a user would have it, and ways to run it there."""

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from loadprofiles import workers

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("*.py", "MLproject", "*.yaml", "requirements*.txt", "*.csv")
FOLDERS = ("loadprofiles", "oldmongo", "sql", "newmongo", "customers")


@dataclass(frozen=True)
class Project:
    """The copy; `environment` are variables to add for the processes run in it."""

    folder: Path

    def run(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in the project's folder, with this Python first on the path."""
        process = self.start(*arguments, environment=environment)
        output, _ = process.communicate(timeout=300)
        return subprocess.CompletedProcess(arguments, process.returncode, output)

    def start(self, *arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """The same without waiting, in a process group of its own; stderr comes with stdout."""
        return subprocess.Popen(
            arguments,
            cwd=self.folder,
            env=clean_environment() | (environment or {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def mlflow_run(
        self, *parameters: str, entry_point: str = "main", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`mlflow run . -e entry_point --env-manager=local -P …`."""
        given = [text for parameter in parameters for text in ("-P", parameter)]
        command = ("mlflow", "run", ".", "-e", entry_point, "--env-manager=local", *given)
        return self.run(*command, environment=environment)

    def script(
        self, *parameters: str, entry_point: str = "pipeline", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The script that `mlflow run` would start: without mlflow before it, which takes seconds to start."""
        return self.run("python", f"{entry_point}.py", *options(parameters), environment=environment)

    def here(
        self, *parameters: str, entry_point: str = "pipeline", environment: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The script's command in this process, which has imported what a new one takes seconds for.

        For tests of what a command makes. What steps print themselves is not in the output.
        """
        command = importlib.import_module(entry_point).main
        with self._entered(environment or {}):
            done = CliRunner().invoke(command, options(parameters), prog_name=entry_point, catch_exceptions=False)
        return subprocess.CompletedProcess([entry_point, *parameters], done.exit_code, done.output)

    @contextmanager
    def _entered(self, environment: dict[str, str]) -> Iterator[None]:
        """A block in the project's folder, with its store; then all is as it was before."""
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name in os.environ.keys() - clean_environment().keys():
                patch.delenv(name)
            workers.warm_up()  # it keeps the environment in which it is started: this one serves all tests
            for name, value in (environment | {"MLFLOW_TRACKING_URI": self.store}).items():
                patch.setenv(name, value)
            patch.setattr("mlflow.tracking.fluent._active_experiment_id", None)
            try:
                yield
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)

    @property
    def store(self) -> str:
        """The URI of the project's own store."""
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def client(self) -> MlflowClient:
        """A client of the project's own store."""
        return MlflowClient(self.store)

    def runs(self, query: str = "") -> list[Run]:
        """Runs of all experiments, the latest first."""
        experiments = [e.experiment_id for e in self.client.search_experiments()]
        return list(self.client.search_runs(experiments, query, order_by=["attributes.start_time DESC"]))

    def latest(self, step: str) -> Run:
        """The latest run of a step."""
        return self.runs(f"tags.step = '{step}'")[0]

    def artifacts(self, run: Run) -> Path:
        """Where a run's artifacts lie."""
        return Path(run.info.artifact_uri.removeprefix("file://"))


def options(parameters: tuple[str, ...]) -> list[str]:
    """`name=value` as a script takes it."""
    pairs = (parameter.partition("=") for parameter in parameters)
    return [text for name, _, value in pairs for text in (f"--{name}", value)]


def copy_project(folder: Path) -> Project:
    """Copy the project, compiled caches included, so that the copy need not compile again."""
    for pattern in PARTS:
        for file in ROOT.glob(pattern):
            shutil.copy2(file, folder / file.name)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name)
    return Project(folder)


def clean_environment() -> dict[str, str]:
    """This process' environment without what steers MLflow or the project."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "MONGO_", "SQL_", "ALERT_", "SMTP_"))}
    kept["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
    return kept


def wait_for(condition, seconds: float = 60.0) -> None:
    """Wait until `condition()` is true; fail if it does not come true."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)


def processes_of(group: int) -> list[str]:
    """Command lines of the processes of a group that are still there."""
    listed = subprocess.run(["ps", "-eo", "pgid=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.split()[0] == str(group)]
