"""The DTW benchmark counts what there is to count, compares the same work, and notices a side that is wrong."""

import math
import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import dtw_floor, dtw_peers
from benchmarks.dtw import main
from benchmarks.dtw_profiles import Profiles, load_profiles
from benchmarks.dtw_timing import Timing, Timings, timed
from loadprofiles.distances import pairwise
from loadprofiles.distances.checks import band_cells

SHIPPED = Path(__file__).parents[2] / "customers"
NOWHERE = Path("no-such-folder")


# ---- timing ----


def test_a_short_call_is_repeated_and_a_long_one_made_once():
    calls = []
    found = timed(lambda: calls.append(1), least_seconds=0.05)
    assert len(calls) > 10
    assert found.seconds * len(calls) * (1 + 1e-9) >= 0.05
    assert found.cpu_seconds <= found.seconds * 1.5
    calls.clear()
    timed(lambda: calls.append(1), least_seconds=0)
    assert len(calls) == 1


def test_best_median_and_busy_cores():
    timings = Timings((Timing(3.0, 3.0), Timing(1.0, 2.0), Timing(10.0, 10.0)))
    assert (timings.best, timings.median, timings.cores) == (1.0, 3.0, 1.0)


# ---- counting ----


def literal_counts(n_points, radius):
    """Cells, and the neighbours that can come before each, by looking at every cell of the table."""
    cells = [(i, j) for i in range(n_points) for j in range(n_points) if abs(i - j) <= radius]
    inside = set(cells)
    minima = 0
    for i, j in cells:
        before = sum(neighbour in inside for neighbour in ((i - 1, j - 1), (i - 1, j), (i, j - 1)))
        minima += max(0, before - 1)
    return len(cells), minima


@pytest.mark.parametrize(
    ("n_points", "radius"), [(1, 0), (2, 0), (2, 1), (5, 2), (24, 0), (24, 1), (24, 23), (25, 22), (96, 4), (96, 95)]
)
def test_operations_are_those_of_a_literal_double_loop(n_points, radius):
    cells, minima = literal_counts(n_points, radius)
    assert band_cells(radius, n_points) == cells
    assert dtw_floor.count_operations(radius, n_points) == dtw_floor.Operations(cells, cells, minima)


def test_the_floor_is_operations_over_ports_lanes_clock_and_threads():
    # on the diagonal alone: a subtraction and a multiply-add a cell, 16 lanes, two ports, one cycle a nanosecond
    assert dtw_floor.floor_ns(0, 24, 64, 1.0, 1) == pytest.approx(1 / 16)
    assert dtw_floor.floor_ns(0, 24, 64, 2.0, 2) == pytest.approx(1 / 64)
    # with 256 bits the subtraction is for nothing, and there are 8 lanes
    assert dtw_floor.floor_ns(0, 24, 32, 1.0, 1) == pytest.approx(1 / 16)
    # 24 points, radius 1: 70 cells and 2 * 70 - 2 * 24 - 2 * 1 = 90 minima
    assert dtw_floor.floor_ns(1, 24, 64, 1.0, 1) == pytest.approx((2 * 70 + 90) / 70 / 32)
    assert dtw_floor.floor_ns(1, 24, 32, 1.0, 1) == pytest.approx((70 + 90) / 70 / 16)


def test_bytes_are_a_distance_and_the_profiles_of_every_block():
    # one block of 64 rows and 64 columns
    assert dtw_floor.bytes_per_pair(64, 1, 24, 1) == 4 + 2 * 64 * 24 * 4 / 64**2


def test_the_chain_computes_what_it_says_and_gives_a_plausible_clock():
    value = 1
    for _ in range(9):
        value = (value * 3) ^ 5
    assert dtw_floor._chain(9, 3, 5) == value
    assert 0.3 < dtw_floor.clock_ghz(steps=1_000_000) < 8


def test_a_run_is_of_enough_profiles_but_not_too_many():
    assert dtw_floor.profiles_for(24, 1, 10**12) == 2048
    assert dtw_floor.profiles_for(1440, 60, 1) == 256
    assert dtw_floor.profiles_for(96, 4, 844 * 1000**2) == 896


# ---- floor ----


def measured_cells(threads, seconds):
    timings = Timings((Timing(seconds, seconds),))
    return dtw_floor.Cells(24, 1, threads, 100, 3.0, 64, timings)


def test_nanoseconds_are_of_all_cells_of_all_pairs():
    assert measured_cells(2, 70e-6).median_ns == pytest.approx(0.1)  # 100 * 100 pairs of 70 cells


def test_the_bar_is_of_two_threads():
    fast, slow = 0.06 * 700_000 / 1e9, 0.08 * 700_000 / 1e9
    assert dtw_floor.verdict(measured_cells(1, slow)) is None
    assert dtw_floor.verdict(measured_cells(2, fast))[0] is True
    assert dtw_floor.verdict(measured_cells(2, slow))[0] is False


@pytest.mark.parametrize(("bar", "status", "word"), [(1e9, 0, "ok  "), (1e-9, 1, "MISS")])
def test_floor_prints_a_row_for_one_thread_and_for_two_and_fails_where_the_bar_is_missed(
    monkeypatch, bar, status, word
):
    monkeypatch.setattr(dtw_floor, "WORKLOADS", ((24, 1), (96, 4)))
    monkeypatch.setattr(dtw_floor, "BAR_NS", bar)
    monkeypatch.setattr(dtw_floor, "_COPIED_BYTES", 2**20)
    result = CliRunner().invoke(main, ["floor", "--threads", "2", "--repeats", "1", "--profiles", "64"])
    assert result.exit_code == status, result.output
    rows = [line.split() for line in result.output.splitlines() if re.match(r" +\d", line)]
    assert [row[:3] for row in rows] == [["24", "1", "1"], ["24", "1", "2"], ["96", "4", "1"], ["96", "4", "2"]]
    for row in rows:
        best, median, least = map(float, row[6:9])
        assert least < best <= median
        assert float(row[9]) == pytest.approx(100 * least / best, abs=1 + 0.01 / best)
    assert result.output.count(f"{word} 24 points") == result.output.count(f"{word} 96 points") == 1


# ---- differences ----


def test_the_relative_difference_is_the_largest():
    reference = np.array([1.0, 2.0, 4.0])
    assert dtw_peers.relative_difference(reference, reference) == 0
    assert dtw_peers.relative_difference(np.array([1.0, 2.2, 3.9]), reference) == pytest.approx(0.1)


def test_nothing_is_close_to_a_distance_of_zero_but_zero():
    assert dtw_peers.relative_difference(np.array([0.0, 1.0]), np.array([0.0, 1.0])) == 0
    assert dtw_peers.relative_difference(np.array([1e-9, 1.0]), np.array([0.0, 1.0])) == math.inf


def test_a_missing_distance_is_infinitely_far_and_too_few_are_refused():
    assert dtw_peers.relative_difference(np.array([math.nan, 1.0]), np.array([1.0, 1.0])) == math.inf
    with pytest.raises(ValueError, match="expected"):
        dtw_peers.relative_difference(np.ones(1), np.ones(3))


# ---- peers ----


@pytest.fixture(scope="module")
def profiles():
    return load_profiles(NOWHERE, 60, 20).values[:20]


class Counting:
    """A side that takes the seconds it is told and remembers what it was given."""

    def __init__(self, name, seconds, compute=pairwise):
        self.name, self._seconds, self._compute = name, iter(seconds), compute
        self.given = []

    def load(self, profiles, radius):
        self.given.append((profiles, radius))
        return self._compute(profiles, radius)

    def time(self):
        seconds = next(self._seconds)
        return Timing(seconds, seconds)


def test_all_sides_get_the_same_profiles_and_ratios_are_of_their_medians(profiles):
    ours, other = Counting("loadprofiles", [1, 2, 9]), Counting("dtaidistance", [20, 100, 60])
    rows = dtw_peers.measure([ours, other], profiles, 1, 3)
    assert [(row.side, row.ratio, row.ratio_best) for row in rows] == [("loadprofiles", 1, 1), ("dtaidistance", 30, 20)]
    assert ours.given[0][0] is other.given[0][0] is profiles
    assert ours.given[0][1] == other.given[0][1] == 1
    assert {(row.n_profiles, row.pairs, row.cells) for row in rows} == {(20, 190, 190 * 70)}


def test_sides_take_turns(profiles):
    order = []

    class Turn(Counting):
        def time(self):
            order.append(self.name)
            return Timing(1.0, 1.0)

    dtw_peers.measure([Turn("loadprofiles", []), Turn("aeon", [])], profiles, 1, 2)
    assert order == ["loadprofiles", "aeon"] * 2


@pytest.mark.parametrize("radius", [1, 23])
def test_the_libraries_agree_and_ours_is_in_float32(profiles, radius):
    sides = dtw_peers.sides_here(2)
    rows = {row.side: row for row in dtw_peers.measure(list(sides.values()), profiles, radius, 1)}
    assert set(rows) == {"loadprofiles", "dtaidistance", "tslearn"}
    assert rows["dtaidistance"].difference == 0
    assert rows["tslearn"].difference < 1e-13
    # of float64 input as good as equal, of the rounded one not
    assert 1e-9 < rows["tslearn"].difference_rounded < 1e-5
    assert 1e-9 < rows["loadprofiles"].difference < dtw_peers.DIFFERENCE_BAR
    assert 1e-9 < rows["loadprofiles"].difference_rounded < dtw_peers.DIFFERENCE_BAR


@pytest.mark.parametrize(
    "wrong",
    [
        lambda profiles, radius: pairwise(profiles, radius + 1),
        lambda profiles, radius: pairwise(profiles, radius) * np.float32(1.0001),
        lambda profiles, radius: pairwise(profiles, radius)[::-1],
        lambda profiles, radius: pairwise(profiles, radius) ** 2,
    ],
    ids=["wider band", "a little larger", "other order", "squared"],
)
def test_a_side_that_computes_something_else_misses_its_bar(profiles, wrong):
    sides = [Counting("loadprofiles", [1]), Counting("aeon", [1000], wrong)]
    words = {said: met for met, said in dtw_peers.verdicts(dtw_peers.measure(sides, profiles, 1, 1))}
    met = {said.split()[0]: found for said, found in words.items() if "within" in said}
    assert met == {"loadprofiles": True, "aeon": False}


def row(side, n_profiles, ratio, difference=0.0):
    return dtw_peers.Row(side, n_profiles, 1, Timings((Timing(1.0, 1.0),)), difference, 0.0, ratio, ratio)


def test_a_side_is_judged_in_the_largest_set_it_took_part_in():
    rows = [row("dtaidistance", 10, 99), row("tslearn", 10, 150), row("dtaidistance", 50, 20), row("aeon", 50, 15)]
    found = [(met, said.split(" on ")[0]) for met, said in dtw_peers.verdicts(rows) if "times" in said]
    assert found == [
        (False, "20.0 times as fast as dtaidistance"),
        (True, "15.0 times as fast as aeon"),
        (True, "150.0 times as fast as tslearn"),
    ]


def test_differences_are_judged_in_every_set():
    rows = [row("loadprofiles", 10, 1, 2e-5), row("loadprofiles", 50, 1, 1e-6), row("loadprofiles", 90, 1, math.nan)]
    assert [met for met, _ in dtw_peers.verdicts(rows)] == [False]


def test_sets_that_become_the_same_keep_all_sides():
    def sets(most):
        return [(part.n_profiles, part.sides) for part in dtw_peers.sets_of(dtw_peers.SIDES, (500, 4000, 20000), most)]

    fast = ("loadprofiles", "dtaidistance", "aeon")
    assert sets(9000) == [(500, dtw_peers.SIDES), (4000, fast), (9000, ("loadprofiles",))]
    assert sets(1000) == [(500, dtw_peers.SIDES), (1000, fast)]
    assert sets(60) == [(60, dtw_peers.SIDES)]


def test_aeons_window_is_the_radius_exactly():
    for n_points in (2, 24, 25, 96, 97, 1440):
        for radius in range(n_points - 1):
            assert int(dtw_peers.aeon_window(radius, n_points) * n_points) == radius
        assert dtw_peers.aeon_window(n_points - 1, n_points) is None


def test_dtaidistance_is_the_one_with_openmp_or_refused(monkeypatch):
    with dtw_peers.threadpool_limits(2):
        assert re.fullmatch(r"dtaidistance [\d.]+, C with OpenMP \(\w+ with 2 threads\)", dtw_peers.openmp_words())
    monkeypatch.setattr(dtw_peers, "dtw_cc_omp", None)
    with pytest.raises(click.ClickException, match="without OpenMP"):
        dtw_peers.openmp_words()


def test_without_aeon_it_says_why_and_how_to_leave_it_out(monkeypatch):
    monkeypatch.setattr(dtw_peers, "AEON", ("no_such_module",))
    with dtw_peers.Aeon(1) as side, pytest.raises(click.ClickException) as error:
        side.load(np.eye(3), 1)
    assert "No module named no_such_module" in error.value.message
    assert error.value.message.endswith("--side loadprofiles --side dtaidistance --side tslearn")


def test_aeon_answers_from_an_environment_of_its_own(profiles, monkeypatch):
    offline = [dtw_peers.AEON[0], dtw_peers.AEON[1], "--offline", *dtw_peers.AEON[2:]]
    command = [sys.executable, "-m", *offline, "python", "-c", ""]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("aeon is not in uv's cache")
    # compiling takes most of the time, and so few cells need none
    monkeypatch.setenv("NUMBA_DISABLE_JIT", "1")
    with dtw_peers.Aeon(2) as aeon:
        ours, theirs = dtw_peers.measure([dtw_peers.sides_here(2)["loadprofiles"], aeon], profiles, 1, 1)
    assert (ours.side, theirs.side) == ("loadprofiles", "aeon")
    assert theirs.difference < 1e-13
    assert theirs.timings.best > 0
    assert aeon.words.startswith("aeon ")


# ---- profiles ----


def test_profiles_are_of_the_customers_where_they_were_read_as_often():
    hours, quarters = load_profiles(SHIPPED, 60, 10), load_profiles(SHIPPED, 15, 10)
    assert hours.origin.endswith(f"the customers in {SHIPPED}")
    assert hours.values.shape[1] == 24
    assert "made up" in quarters.origin
    assert quarters.values.shape[1] == 96
    for found in (hours, quarters):
        assert isinstance(found, Profiles)
        lengths = np.linalg.norm(found.values, axis=1)
        assert np.allclose(lengths[lengths > 0], 1)


def test_peers_prints_a_table_a_workload_and_fails_where_a_bar_is_missed():
    options = ["--threads", "2", "--repeats", "1", "--most", "12", "--side", "dtaidistance", "--side", "tslearn"]
    result = CliRunner().invoke(main, ["peers", *options, "--data", str(NOWHERE)])
    assert result.output.count("made up: no-such-folder is not there") == 3
    rows = [line.split() for line in result.output.splitlines() if re.match(r"\w+ +2 +12 ", line)]
    assert [line[0] for line in rows] == ["loadprofiles", "dtaidistance", "tslearn"] * 3
    assert {line[3] for line in rows} == {"66"}
    for ours, *others in (rows[0:3], rows[3:6], rows[6:9]):
        assert ours[-1] == "1.0"
        for other in others:
            assert float(other[-1]) == pytest.approx(float(other[5]) / float(ours[5]), rel=0.2, abs=0.1)
    # of so few profiles, dtaidistance cannot be 25 times slower than what every call of ours costs
    assert "MISS" in result.output
    assert result.exit_code == 1


def test_peers_ends_well_where_every_bar_is_met(monkeypatch):
    monkeypatch.setattr(dtw_peers, "BARS", {"dtaidistance": 1e-9})
    options = ["--threads", "1", "--repeats", "1", "--most", "12", "--side", "dtaidistance"]
    result = CliRunner().invoke(main, ["peers", *options, "--data", str(NOWHERE)])
    assert result.exit_code == 0, result.output
    assert "MISS" not in result.output
