"""The FasterPAM benchmark times the same work, judges every start, and notices a side that is worse."""

import re

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.spatial.distance import squareform

from benchmarks import clustering_fasterpam as benchmark
from benchmarks.clustering_fasterpam import OURS, THEIRS, THEIRS_PARALLEL, Outcome, Row
from benchmarks.dtw_timing import Timing, Timings
from loadprofiles.distances import pairwise


@pytest.fixture(scope="module")
def profiles():
    return np.random.default_rng(0).random((70, 24))


@pytest.fixture(scope="module")
def rows(profiles):
    return list(benchmark.compare(profiles, 60, k=4, repeats=2, threads=2, seeds=(5, 6)))


def row(side, threads=1, seconds=1.0, loss=10.0, seed=0, dtype="float32"):
    timings = Timings((Timing(seconds, seconds),))
    return Row(seed, side, threads, dtype, timings, Outcome(np.arange(2), 1, None), loss)


def met(*rows):
    return [met for met, _ in benchmark.verdicts(list(rows))]


# ---- measuring ----


def test_every_side_runs_with_one_thread_and_with_all_and_theirs_with_both_types(rows):
    sides = [
        (OURS, 1, "float32"),
        (OURS, 2, "float32"),
        (THEIRS, 1, "float32"),
        (THEIRS, 1, "float64"),
        (THEIRS_PARALLEL, 2, "float32"),
        (THEIRS_PARALLEL, 2, "float64"),
    ]
    expected = [(seed, *side) for seed in (5, 6) for side in sides]
    assert [(each.seed, each.side, each.threads, each.dtype) for each in rows] == expected
    assert all(len(each.timings.all) == 2 for each in rows)


def test_with_one_thread_there_is_nothing_parallel(profiles):
    found = list(benchmark.compare(profiles, 20, k=2, repeats=1, threads=1, seeds=(0,)))
    assert [each.side for each in found] == [OURS, THEIRS, THEIRS]


def test_ours_and_theirs_make_the_same_swaps_from_the_same_start(rows):
    for seed in (5, 6):
        found = [each for each in rows if each.seed == seed and each.side in (OURS, THEIRS)]
        assert len({tuple(each.outcome.medoids.tolist()) for each in found}) == 1
        assert len({each.outcome.swaps for each in found}) == 1
        assert found[0].outcome.swaps > 0


def test_losses_are_of_the_first_profiles_and_counted_by_one_function(profiles, rows):
    matrix = squareform(pairwise(profiles[:60], 1, dtype=np.float64))
    for each in rows:
        assert len(each.outcome.medoids) == 4
        by_hand = sum(min(matrix[medoid, other] for medoid in each.outcome.medoids) for other in range(60))
        assert each.loss == pytest.approx(by_hand, rel=1e-6)


def test_the_loss_is_of_the_nearest_medoid():
    matrix = np.array([[0, 1, 5], [1, 0, 3], [5, 3, 0]], np.float32)
    assert benchmark.loss_of(matrix, np.array([0])) == 6
    assert benchmark.loss_of(matrix, np.array([0, 1])) == 3


# ---- judging ----


def test_the_fastest_of_theirs_is_of_no_more_threads_than_ours():
    theirs = [row(THEIRS, 1, 5.0), row(THEIRS, 1, 6.0, dtype="float64"), row(THEIRS_PARALLEL, 2, 3.0)]
    assert benchmark.fastest(theirs, 1) == ("kmedoids, float32", 5.0)
    assert benchmark.fastest(theirs, 2) == ("kmedoids, parallel, float32", 3.0)
    assert benchmark.fastest([*theirs, row(OURS, 2, 1.0)], 2) == ("kmedoids, parallel, float32", 3.0)


def test_a_slower_side_of_ours_misses_its_bar_on_that_many_threads():
    theirs = [row(THEIRS, 1, 5.0), row(THEIRS_PARALLEL, 2, 3.0)]
    assert met(row(OURS, 1, 5.0), row(OURS, 2, 3.0), *theirs) == [True, True, True]
    assert met(row(OURS, 1, 5.1), row(OURS, 2, 3.0), *theirs) == [False, True, True]
    assert met(row(OURS, 1, 5.0), row(OURS, 2, 3.1), *theirs) == [True, False, True]


def test_time_is_judged_by_the_middle_start():
    theirs = [row(THEIRS, seed=seed, seconds=2.0) for seed in range(3)]
    ours = [row(OURS, seed=seed, seconds=seconds) for seed, seconds in enumerate((1.0, 1.5, 9.0))]
    assert met(*ours, *theirs) == [True, True]


def test_one_start_with_a_higher_loss_misses_the_bar():
    theirs = [row(THEIRS, seed=0, loss=10.0), row(THEIRS, seed=1, loss=20.0)]
    assert met(row(OURS, seed=0, loss=9.0), row(OURS, seed=1, loss=20.0), *theirs) == [True, True]
    assert met(row(OURS, seed=0, loss=9.0), row(OURS, seed=1, loss=20.001), *theirs) == [True, False]
    assert met(row(OURS, loss=0.001), row(THEIRS, loss=0.0)) == [True, False]
    assert met(row(OURS, loss=0.0), row(THEIRS, loss=0.0)) == [True, True]


def test_an_order_drawn_at_random_is_no_bar_for_the_loss():
    assert met(row(OURS, loss=10.0), row(THEIRS, loss=10.0), row(THEIRS_PARALLEL, loss=9.0)) == [True, True]


def test_the_ratio_is_to_ours_with_as_many_threads_from_the_same_start():
    rows = [row(OURS, 1, 1.0), row(OURS, 2, 2.0), row(OURS, 2, 4.0, seed=1)]
    assert benchmark.ratio(row(THEIRS, 1, 3.0), rows) == 3
    assert benchmark.ratio(row(THEIRS_PARALLEL, 2, 3.0), rows) == 1.5
    assert benchmark.ratio(row(THEIRS_PARALLEL, 2, 3.0, seed=1), rows) == 0.75


# ---- the command ----


@pytest.mark.parametrize(("bar", "status", "word"), [(1e-9, 0, "ok  "), (1e9, 1, "MISS")])
def test_the_command_prints_a_row_a_side_and_fails_where_a_bar_is_missed(monkeypatch, bar, status, word):
    monkeypatch.setattr(benchmark, "RATIO_BAR", bar)
    options = ["--threads", "2", "--repeats", "1", "--profiles", "50", "--clusters", "3", "--starts", "2"]
    result = CliRunner().invoke(benchmark.fasterpam, [*options, "--data", "no-such-folder"])
    assert result.exit_code == status, result.output
    assert "made up: no-such-folder is not there" in result.output
    lines = [line for line in result.output.splitlines() if line.lstrip().startswith(("0 ", "1 "))]
    assert len(lines) == 12
    assert len(re.findall(rf"^{word} \d.* times as fast", result.output, re.MULTILINE)) == 2
    assert result.output.count("ok   loss at most") == 1
    assert "kmedoids, parallel" in result.output.split("means over all starts")[1]


def test_more_clusters_than_profiles_are_refused():
    result = CliRunner().invoke(benchmark.fasterpam, ["--profiles", "5", "--clusters", "6", "--data", "no-such-folder"])
    assert result.exit_code == 2
    assert "6 clusters of 5 profiles" in result.output
