"""Work in parallel processes: on the cores of this machine, or on a dask cluster.

What is sent to a process and what comes back are to be small; large things go through files.
"""

import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, TypeVar

import joblib
import pyarrow
from joblib.externals.loky import get_reusable_executor

from loadprofiles.errors import InputError, StepFailedError
from loadprofiles.tables import first_line
from loadprofiles.workers import own_code_first

_CONNECT_SECONDS = 20
_WATCH_SECONDS = 1.0


class Task(Protocol):
    """What a process is given; `str` of it tells the user what it is."""

    @property
    def number(self) -> int:
        """Tells it from the other tasks."""


T = TypeVar("T", bound=Task)
R = TypeVar("R")


def run_tasks(
    function: Callable[[T], R], tasks: Sequence[T], processes: int, dask_scheduler: str, workspace: Path | None
) -> Generator[R, None, None]:
    """The results of `function` for each task, in the order in which they are ready.

    When the iterator is closed, or an exception passes through it, no process of ours is left.

    Args:
        function: A module's function; it and the tasks are pickled.
        tasks: What it is called with.
        processes: How many at once; 1 does without other processes. A dask cluster decides that itself.
        dask_scheduler: `tcp://host:port` of a dask scheduler; empty: processes of this machine.
        workspace: A folder, shared with the cluster's machines, for notes on what is running; None does without.

    Raises:
        InputError: The cluster cannot be reached, or has no worker.
        StepFailedError: A process ended before its task; what was running is named.
        Exception: What `function` raises.
    """
    if dask_scheduler:
        yield from _on_cluster(function, tasks, dask_scheduler, workspace)
    elif processes == 1:
        yield from map(function, tasks)
    else:
        yield from _on_cores(function, tasks, processes, workspace)


def _on_cores(function: Callable[[T], R], tasks: Sequence[T], processes: int, workspace: Path | None) -> Iterator[R]:
    # as long as there are processes: joblib replaces those that have grown too large
    with own_code_first(), TemporaryDirectory(dir=workspace, prefix=".running-") as notes:
        try:
            # one thread each: the processes have the cores already
            with joblib.parallel_config("loky", inner_max_num_threads=1):
                parallel = joblib.Parallel(processes, return_as="generator_unordered", batch_size=1)
                call = joblib.delayed(partial(_in_own_process, function, Path(notes), os.getpid()))
                results = parallel(call(task) for task in tasks)
            yield from _each(results)
        except BrokenProcessPool as error:
            raise StepFailedError(f"{_ended_early(Path(notes))}; take fewer jobs or more memory") from error
        finally:
            _end_processes()


def _end_processes() -> None:
    """End joblib's processes, which it keeps for minutes in case there is more to do, and what they shared."""
    executor = get_reusable_executor(reuse=True)
    # `shutdown` leaves the shared folder to `atexit`, which a forked step never comes to
    getattr(executor, "terminate", executor.shutdown)(kill_workers=True)


def _on_cluster(function: Callable[[T], R], tasks: Sequence[T], address: str, workspace: Path | None) -> Iterator[R]:
    from distributed.scheduler import KilledWorker  # takes a second: only where there is a cluster

    with TemporaryDirectory(dir=workspace, prefix=".running-") as notes, _client(address) as client:
        noted = partial(_noted, function, Path(notes)) if workspace else function
        try:
            with joblib.parallel_config("dask", client=client, wait_for_workers_timeout=_CONNECT_SECONDS):
                parallel = joblib.Parallel(-1, return_as="generator_unordered", batch_size=1)
                call = joblib.delayed(noted)
                results = parallel(call(task) for task in tasks)
            yield from _each(results)
        except KilledWorker as error:
            raise StepFailedError(f"{_ended_early(Path(notes))}; give the dask workers more memory") from error
        except (CancelledError, ConnectionError) as error:
            raise StepFailedError(f"the dask scheduler {address} was lost: {first_line(error)}") from error


def _each(results: Generator[R, None, None]) -> Iterator[R]:
    """The results; when they are left, what still runs is stopped, without joblib's warning that it is."""
    try:
        for result in results:  # not `yield from`: that would close them itself  # noqa: UP028
            yield result
    finally:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            results.close()


@contextmanager
def _client(address: str) -> Iterator[Any]:
    import distributed

    cluster: Any = distributed  # its types are half there
    advice = "check the address, that the scheduler runs, and that it has the versions of packages that we have"
    try:
        client = cluster.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, ImportError) as error:
        raise InputError(f"the dask scheduler {address} cannot be reached: {first_line(error)}; {advice}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
        except TimeoutError as error:
            raise InputError(f"the dask scheduler {address} has no worker: start one with `dask worker`") from error
        yield client


def _in_own_process(function: Callable[[T], R], notes: Path, parent: int, task: T) -> R:
    _prepare_process(parent)
    return _noted(function, notes, task)


def _noted(function: Callable[[T], R], notes: Path, task: T) -> R:
    """Call `function`, with a note of the task as long as it runs: it outlives a killed process."""
    note = notes / str(task.number)
    note.write_text(str(task), encoding="utf-8")
    try:
        return function(task)
    finally:
        note.unlink(missing_ok=True)


def _ended_early(notes: Path) -> str:
    running = sorted(note.read_text(encoding="utf-8") for note in notes.iterdir())
    return f"a worker process was ended from outside, out of memory?, during: {'; '.join(running) or 'its start'}"


@cache
def _prepare_process(parent: int) -> None:
    """Leave interruptions to the parent, do not outlive it, and let Arrow have one thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    pyarrow.set_cpu_count(1)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
