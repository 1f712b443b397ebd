"""Work shared among threads; what it computes must not depend on their number."""

import operator
import os
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

import joblib

from loadprofiles.errors import ParameterError

_T = TypeVar("_T")
_R = TypeVar("_R")

_QUEUED_PER_THREAD = 4


def thread_count(threads: int | None) -> int:
    """The number of threads to use.

    Args:
        threads: as asked for; None takes the processors this process may use, or fewer where
            NUMBA_NUM_THREADS says so, as in the processes of a pool.

    Raises:
        ParameterError: less than 1, or no whole number.
    """
    if threads is None:
        most = os.environ.get("NUMBA_NUM_THREADS", "")
        processors: int = joblib.cpu_count()
        return max(1, min(processors, int(most))) if most.isdecimal() else processors
    try:
        count = operator.index(threads)
    except TypeError as error:
        raise ParameterError(f"threads is {threads!r}; it must be a whole number") from error
    if count < 1:
        raise ParameterError(f"threads is {count}; it must be 1 or more")
    return count


def in_threads(function: Callable[[_T], _R], tasks: Iterable[_T], threads: int) -> Generator[_R, None, None]:
    """The results, in the order in which they are ready.

    Tasks are taken as threads become free. When the iterator is left, those not begun are dropped.

    Args:
        function: called with each task; an exception in it passes on.
        tasks: their number may be large.
        threads: how many at once; 1 works in the calling thread.
    """
    if threads == 1:
        yield from map(function, tasks)
        return
    waiting = iter(tasks)
    pool = ThreadPoolExecutor(threads)
    try:
        running: set[Future[_R]] = set()
        while True:
            running |= {
                pool.submit(function, task) for task in islice(waiting, _QUEUED_PER_THREAD * threads - len(running))
            }
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
