"""Compiled functions: cached on disk, running beside each other, and plain Python where numba is missing."""

import json
import threading
import time

import numba
import numpy as np
import pytest

from loadprofiles import compiling
from loadprofiles.compiling import compiled
from tests.distances.reference import run_python

MODULE = """
from loadprofiles.compiling import compiled

@compiled
def twice(value):
    return 2 * value

def power(exponent):
    @compiled
    def raised(value):
        return value**exponent
    return raised
"""

USE = """
import json
import sys

sys.path.insert(0, sys.argv[1])
from functions import power, twice

square, cube = power(2), power(3)
values = [twice(21), square(3), cube(3)]
stats = [(sum(f.stats.cache_hits.values()), sum(f.stats.cache_misses.values())) for f in (twice, square, cube)]
print(json.dumps([values, stats]))
"""


@compiled
def added_up(steps):
    total = 0.0
    for step in range(steps):
        total += 1.0 / (step + 1.0)
    return total


class TestCompiled:
    def test_a_function_is_compiled_when_it_is_called(self):
        assert added_up(2) == 1.5
        assert isinstance(added_up, numba.core.dispatcher.Dispatcher)
        assert len(added_up.nopython_signatures) >= 1

    def test_what_numba_cannot_compile_fails_and_does_not_fall_back(self):
        @compiled
        def take_what_is_not_there(values):
            return values.nothing

        with pytest.raises(numba.errors.TypingError, match="nothing"):
            take_what_is_not_there(np.zeros(3))

    def test_pythons_lock_is_released_meanwhile(self):
        added_up(1)
        steps = 1_000_000
        while True:
            began = time.monotonic()
            added_up(steps)
            if time.monotonic() - began > 0.3:
                break
            steps *= 2
        span = []

        def compute():
            span.append(time.monotonic())
            added_up(steps)
            span.append(time.monotonic())

        thread = threading.Thread(target=compute)
        thread.start()
        seen = []
        while thread.is_alive():
            seen.append(time.monotonic())
            time.sleep(0.001)
        thread.join()
        began, ended = span
        quarter = (ended - began) / 4
        assert any(began + quarter < moment < ended - quarter for moment in seen)

    def test_a_second_process_need_not_compile_again(self, tmp_path):
        (tmp_path / "functions.py").write_text(MODULE)
        first, second = (
            json.loads(run_python(USE, tmp_path, NUMBA_CACHE_DIR=str(tmp_path / "cache"))) for _ in range(2)
        )
        assert first == [[42, 9, 27], [[0, 1]] * 3]
        assert second == [[42, 9, 27], [[1, 0]] * 3]

    def test_without_numba_the_function_stays_as_it_is(self, monkeypatch):
        monkeypatch.setattr(compiling, "numba", None)

        def plain(value):
            return [value, "text", None]

        assert compiled(plain) is plain
