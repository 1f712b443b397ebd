"""Processes for the steps of a chain: forked from a server that has paid for the heavy imports once."""

import multiprocessing
import os
import runpy
import sys
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

_PRELOAD = [
    "loadprofiles.tracking",
    "loadprofiles.etl",
    "loadprofiles.loading",
    "loadprofiles.harmonization",
    "loadprofiles.clustering.step",
    "mlflow.store.tracking.sqlalchemy_store",  # MLflow imports it late, at the first use of a store
]


def context() -> BaseContext:
    """The way to start processes: by fork server, or by spawning where there is none (Windows)."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    served = multiprocessing.get_context("forkserver")
    served.set_forkserver_preload(_PRELOAD)
    return served


def warm_up() -> None:
    """Start the fork server now, so that it imports while the caller does the same."""
    if context().get_start_method() == "forkserver":
        forkserver.ensure_running()


def start(script: Path, arguments: list[str], environment: dict[str, str]) -> BaseProcess:
    """Run `script` as `python script …` would, in a process of its own, with additions to its environment."""
    process = context().Process(  # type: ignore[attr-defined]
        target=_carry_out, args=(str(script), arguments, environment), name=script.stem
    )
    process.start()
    started: BaseProcess = process
    return started


def _carry_out(script: str, arguments: list[str], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
