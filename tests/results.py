"""The results of one chain on the samples, for all tests that look into such results."""

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from tests.project import Project, copy_project

EXPERIMENT = "uc7_clustering"
OUTPUT = "chain.log"


@pytest.fixture(scope="session")
def sample_results(tmp_path_factory) -> Project:
    """A copy of the project in which the chain has run, once for all processes of tests: change nothing in it.

    It ran by the earlier pipeline's call, verbatim; what it said is in the file OUTPUT.
    """
    folder = _shared(tmp_path_factory) / "sample-results"
    done = folder.with_suffix(".done")
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            chain = copy_project(folder).run(
                "mlflow", "run", "--experiment-name", "uc7_clustering", "--entry-point", "pipeline.py", ".",
                "-P", "model=kmeans", "-P", "number_of_clusters=12", "--env-manager=local",
            )  # fmt: skip
            assert chain.returncode == 0, chain.stdout
            (folder / OUTPUT).write_text(chain.stdout)
            done.touch()
    return Project(folder)


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this test run; under xdist, each process has one of its own below it."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
