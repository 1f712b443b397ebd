"""Work shared among threads: how many, in which order, and what happens when something ends early."""

import itertools
import threading
import time

import joblib
import pytest

from loadprofiles.distances.threads import in_threads, thread_count
from loadprofiles.errors import ParameterError


def double(number):
    return 2 * number


class TestThreadCount:
    def test_is_what_was_asked_for_whatever_the_environment_says(self, monkeypatch):
        monkeypatch.setenv("NUMBA_NUM_THREADS", "1")
        assert [thread_count(threads) for threads in (1, 3, 1000)] == [1, 3, 1000]

    def test_is_all_processors_of_the_process_by_default(self, monkeypatch):
        monkeypatch.delenv("NUMBA_NUM_THREADS", raising=False)
        assert thread_count(None) == joblib.cpu_count()

    @pytest.mark.parametrize(
        ("said", "expected"), [("1", 1), ("2", 2), ("3", 3), ("99", 3), ("0", 1), ("", 3), ("many", 3), ("-1", 3)]
    )
    def test_is_no_more_than_the_environment_says(self, monkeypatch, said, expected):
        monkeypatch.setattr(joblib, "cpu_count", lambda: 3)
        monkeypatch.setenv("NUMBA_NUM_THREADS", said)
        assert thread_count(None) == expected

    @pytest.mark.parametrize("threads", [0, -2])
    def test_less_than_one_is_refused(self, threads):
        with pytest.raises(ParameterError, match=f"threads is {threads}; it must be 1 or more"):
            thread_count(threads)


class TestInThreads:
    @pytest.mark.parametrize("threads", [1, 2, 3, 50])
    @pytest.mark.parametrize("n_tasks", [0, 1, 2, 100])
    def test_every_task_is_done_once(self, threads, n_tasks):
        results = list(in_threads(double, range(n_tasks), threads))
        assert sorted(results) == [2 * number for number in range(n_tasks)]

    @pytest.mark.parametrize("threads", [1, 2, 3])
    def test_tasks_are_taken_as_threads_become_free(self, threads):
        taken = itertools.count()
        results = in_threads(double, taken, threads)
        for _ in range(10):
            next(results)
        results.close()
        # A queue keeps the threads busy; it does not grow with the number of tasks.
        assert 10 <= next(taken) <= 10 + 4 * threads + threads

    def test_one_thread_works_in_the_callers_and_takes_a_task_only_when_asked(self):
        taken = itertools.count()
        results = in_threads(lambda _: threading.get_ident(), taken, 1)
        assert [next(results) for _ in range(3)] == [threading.get_ident()] * 3
        assert next(taken) == 3

    def test_two_threads_work_at_once_and_beside_the_callers(self):
        together = threading.Barrier(2)

        def meet(_):
            together.wait(timeout=30)
            return threading.get_ident()

        idents = list(in_threads(meet, range(2), 2))
        assert len({*idents, threading.get_ident()}) == 3

    def test_results_come_in_the_order_in_which_they_are_ready(self):
        first_may_end = threading.Event()

        def work(task):
            if task == 0:
                assert first_may_end.wait(timeout=30)
            return task

        results = in_threads(work, range(2), 2)
        assert next(results) == 1
        first_may_end.set()
        assert list(results) == [0]

    @pytest.mark.parametrize("threads", [1, 2, 3])
    def test_an_exception_in_a_task_passes_on_and_ends_the_work(self, threads):
        begun = []

        def fail_at_three(task):
            begun.append(task)
            if task == 3:
                raise LookupError("three")
            return task

        with pytest.raises(LookupError, match="three"):
            list(in_threads(fail_at_three, range(10_000), threads))
        assert 3 in begun
        assert len(begun) < 100

    @pytest.mark.parametrize("threads", [1, 2])
    def test_an_exception_of_the_tasks_themselves_passes_on(self, threads):
        def tasks():
            yield 1
            raise LookupError("no more")

        with pytest.raises(LookupError, match="no more"):
            list(in_threads(double, tasks(), threads))

    def test_what_was_not_begun_is_dropped_when_left_early(self):
        begun, release = [], threading.Event()

        def work(task):
            begun.append(task)
            if task > 0:
                assert release.wait(timeout=30)
            return task

        results = in_threads(work, range(1000), 2)
        assert next(results) == 0
        while len(begun) < 3:
            time.sleep(0.001)
        # Leaving waits for the two that run.
        threading.Timer(0.2, release.set).start()
        results.close()
        assert begun == [0, 1, 2]

    def test_no_thread_is_left_behind(self):
        before = threading.active_count()
        results = in_threads(double, itertools.count(), 3)
        next(results)
        assert threading.active_count() > before
        results.close()
        assert threading.active_count() == before
