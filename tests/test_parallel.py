"""Tasks in other processes: on this machine's cores and on a real dask cluster; what is left when they are ended."""

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil
import pytest

from loadprofiles.errors import InputError, ParameterError, StepFailedError
from loadprofiles.parallel import run_tasks

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Number:
    """A task that is a number."""

    number: int

    def __str__(self) -> str:
        return f"file {self.number}"


def square(task):
    return task.number**2, os.getpid()


def refuse(task):
    if task.number == 3:
        raise ParameterError("three is too many")
    return task.number


def die(task):
    if task.number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(0.05)
    return task.number


def tasks(count):
    return [Number(number) for number in range(count)]


def children():
    """Our child processes, without the servants that joblib keeps for the next pool."""
    found = [p for p in psutil.Process().children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]
    return [p for p in found if "resource_tracker" not in " ".join(p.cmdline())]


def test_one_process_is_our_own_and_keeps_the_order(tmp_path):
    assert list(run_tasks(square, tasks(4), 1, "", tmp_path)) == [(n * n, os.getpid()) for n in range(4)]


def test_more_processes_are_others_and_are_gone_afterwards(tmp_path):
    before = children()
    results = list(run_tasks(square, tasks(20), 2, "", tmp_path))
    assert sorted(value for value, _ in results) == [n * n for n in range(20)]
    assert os.getpid() not in {pid for _, pid in results}
    assert children() == before
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_a_task_comes_through_as_it_is(tmp_path):
    before = children()
    with pytest.raises(ParameterError, match="three is too many"):
        list(run_tasks(refuse, tasks(20), 2, "", tmp_path))
    assert children() == before
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_is_an_error_that_names_what_was_running(tmp_path):
    before = children()
    with pytest.raises(StepFailedError, match=r"ended from outside, out of memory\?, during: .*file 3"):
        list(run_tasks(die, tasks(20), 2, "", tmp_path))
    assert children() == before
    assert list(tmp_path.iterdir()) == []


def test_a_closed_iterator_leaves_no_process(tmp_path):
    before = children()
    results = run_tasks(square, tasks(20), 2, "", tmp_path)
    next(results)
    results.close()
    assert children() == before


def test_processes_have_our_code_though_a_loaded_model_has_put_its_copy_in_front(tmp_path, monkeypatch):
    copy = tmp_path / "code/loadprofiles"
    copy.mkdir(parents=True)
    (copy / "__init__.py").write_text("raise ImportError('the code of a model')")
    monkeypatch.syspath_prepend(copy.parent)
    before = sys.path.copy()
    assert sorted(value for value, _ in run_tasks(square, tasks(3), 2, "", None)) == [0, 1, 4]
    assert sys.path == before


def test_a_scheduler_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("loadprofiles.parallel._CONNECT_SECONDS", 1)
    with pytest.raises(InputError, match=r"dask scheduler tcp://127\.0\.0\.1:9 cannot be reached: .*check the address"):
        list(run_tasks(square, tasks(2), 1, "tcp://127.0.0.1:9", tmp_path))


@dataclass(frozen=True)
class Array:
    """A task with an array that joblib would put into shared memory."""

    number: int
    values: np.ndarray


def mean(task):
    return float(task.values.mean())


FORKED_STEP = """
import multiprocessing, sys
from pathlib import Path
import numpy as np
from loadprofiles.parallel import run_tasks
from tests.test_parallel import Array, mean

def main():
    tasks = [Array(n, np.full(10**6, n)) for n in range(4)]
    assert sorted(run_tasks(mean, tasks, 2, "", Path(sys.argv[1]))) == [0, 1, 2, 3]

if __name__ == "__main__":
    # as the chain's steps are: such a process ends without what `atexit` was told
    process = multiprocessing.get_context("fork").Process(target=main)
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""


def test_large_tasks_of_a_forked_step_leave_nothing_in_shared_memory(tmp_path):
    done = subprocess.run([sys.executable, "-c", FORKED_STEP, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    # on a busy machine joblib's tracker misses that a semaphore has gone, and warns of it
    leaked = set(re.findall(r"\d+ leaked (\w+)", done.stderr)) - {"semlock"}
    assert (done.returncode, leaked) == (0, set()), done.stderr


SLOW_STEP = """
import sys, time
from dataclasses import dataclass
from pathlib import Path
from loadprofiles.cli import run_guarded
from loadprofiles.parallel import run_tasks
from tests.test_parallel import Number, wait

def main():
    print("started", flush=True)
    list(run_tasks(wait, [Number(n) for n in range(4)], 2, "", Path(sys.argv[1])))

run_guarded(main)
"""


def wait(task):
    time.sleep(60)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_step_that_is_interrupted_leaves_no_process(tmp_path, number):
    process = subprocess.Popen([sys.executable, "-c", SLOW_STEP, str(tmp_path)], cwd=ROOT, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while len(running := list(tmp_path.glob(".running-*/*"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert len(running) == 2
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 2
    process.send_signal(number)
    _, told = process.communicate(timeout=30)
    if number == signal.SIGKILL:
        assert process.returncode == -number
    else:
        assert process.returncode == 130
        assert told.decode().strip() == "interrupted"
        assert list(tmp_path.iterdir()) == []
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []
