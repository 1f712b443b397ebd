"""The store's benchmark measures what it says, and fails where a bar is missed."""

import os

import click
import pytest

from benchmarks import dtw_store
from benchmarks.dtw_store import Cost, measure
from loadprofiles.distances.generations import MatrixParameters


def leave(parameters, status):
    os._exit(status)


def costs(**seconds):
    usual = {"stored": 10.0, "loaded": 1.0, "extended": 0.1, "finished": 5.0} | seconds
    return {name: [Cost(value, 0.0, 1.0)] * 3 for name, value in usual.items()}


def test_a_process_that_ends_early_is_told():
    with pytest.raises(click.ClickException, match="leave ended with status 3"):
        measure(0.0, leave, MatrixParameters(1, "l2", 24, 60), 3)


@pytest.mark.parametrize(
    ("count", "seconds", "disk_gb", "missed"),
    [
        (20_000, {}, 0.5, []),
        (20_000, {"stored": 10.1}, 0.5, ["stored"]),
        (20_000, {"loaded": 3.1}, 0.91, ["disk", "loaded"]),
        (20_000, {"extended": 0.41, "finished": 6.1}, 0.5, []),
        (50_000, {"extended": 0.41, "finished": 6.1}, 5, ["extended", "finished"]),
    ],
)
def test_each_bar_is_judged_at_its_size(count, seconds, disk_gb, missed):
    assert dtw_store.report(count, costs(**seconds), disk_gb, {}) == missed
