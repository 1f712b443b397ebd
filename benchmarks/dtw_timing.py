"""Timing of one call, for the DTW benchmarks; the standard library only, since other environments import it too."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

LEAST_SECONDS = 0.2
"""Shorter calls are repeated for as long, and their mean counts as one measurement."""


@dataclass(frozen=True)
class Timing:
    """What one call took, in wall-clock time and in processor time of all threads of the process."""

    seconds: float
    cpu_seconds: float


def timed(function: Callable[[], Any], least_seconds: float = LEAST_SECONDS) -> Timing:
    """Call `function` once, or again and again until `least_seconds` have passed."""
    calls, started, started_cpu = 0, time.perf_counter(), time.process_time()
    while True:
        function()
        calls += 1
        seconds = time.perf_counter() - started
        if seconds >= least_seconds:
            return Timing(seconds / calls, (time.process_time() - started_cpu) / calls)


@dataclass(frozen=True)
class Timings:
    """The measurements of one side."""

    all: tuple[Timing, ...]

    @property
    def best(self) -> float:
        """Seconds of the fastest."""
        return min(timing.seconds for timing in self.all)

    @property
    def median(self) -> float:
        """Seconds of the middle one."""
        return median(timing.seconds for timing in self.all)

    @property
    def cores(self) -> float:
        """Processors kept busy; below the number of threads where they wait, or others use the machine."""
        return median(timing.cpu_seconds / timing.seconds for timing in self.all)
