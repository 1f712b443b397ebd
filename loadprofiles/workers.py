"""Processes for the steps of a chain: forked from a server that has paid for the heavy imports once.

And what all processes that we start need: to find this package where we have it.
"""

import multiprocessing
import os
import runpy
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from multiprocessing import forkserver
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

_HERE = Path(__file__).resolve().parent.parent
"""The folder that this package is imported from."""

_PRELOAD = [
    __name__,
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
        # it is not told our `sys.path` and looks in its own folder first: elsewhere it would import nothing, unheard,
        # or another copy of this package
        with chdir(_HERE):
            forkserver.ensure_running()


def start(script: Path, arguments: list[str], environment: dict[str, str]) -> BaseProcess:
    """Run `script` as `python script …` would, in a process of its own, with additions to its environment."""
    process = context().Process(  # type: ignore[attr-defined]
        target=_carry_out, args=(str(script), arguments, environment), name=script.stem
    )
    warm_up()
    with own_code_first():
        process.start()
    started: BaseProcess = process
    return started


@contextmanager
def own_code_first() -> Iterator[None]:
    """A block in which new processes, which get our `sys.path`, find this package where we have it.

    MLflow puts the code of every model that it loads in front, parts of this package in their version of then.
    """
    own = str(_HERE)
    sys.path.insert(0, own)
    try:
        yield
    finally:
        # not the path of before as a whole: a block may be long, and others may have changed it meanwhile
        with suppress(ValueError):
            sys.path.remove(own)


def _carry_out(script: str, arguments: list[str], environment: dict[str, str]) -> None:
    os.environ.update(environment)
    sys.argv = [script, *arguments]
    runpy.run_path(script, run_name="__main__")
