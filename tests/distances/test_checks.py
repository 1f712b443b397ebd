"""What the kernels ask of their input, and whether wrong distances are noticed."""

import math
import warnings

import numpy as np
import pytest

from loadprofiles.distances import checks
from loadprofiles.distances.alignment import alignment_sums, path
from loadprofiles.distances.checks import (
    band_cells,
    check_pair,
    check_profiles,
    check_same_points,
    effective_radius,
    pairs_to_check,
)
from loadprofiles.distances.kernels import cross, pairwise
from loadprofiles.errors import LoadProfilesError, ParameterError
from tests.distances.reference import adversarial_profiles, dtw_reference, random_profiles

RADII = [0, 1, 2, 5, None]


class TestProfiles:
    BAD = (
        ([1.0, 2.0], r"found shape \(2,\)"),
        (5.0, r"found shape \(\)"),
        (np.zeros((2, 3, 4)), r"found shape \(2, 3, 4\)"),
        ([], r"found shape \(0,\)"),
        (np.empty((0, 24)), r"found shape \(0, 24\)"),
        (np.empty((3, 0)), r"found shape \(3, 0\)"),
        ([[1.0, math.nan], [math.nan, math.nan]], "hold 3 NaN values, the first in row 0"),
        ([[1.0, 2.0], [1.0, math.inf]], "hold 1 infinite values, the first in row 1"),
        ([[1.0, -math.inf]], "hold 1 infinite values"),
        ([[1.0, None]], "hold 1 NaN values"),
        ([[1e20, 0.0]], r"reach 1e\+20; normalise them, the largest allowed is 1e\+15"),
        ([[0.0], [-1.1e15]], r"reach 1\.1e\+15; normalise them"),
        ([["a", "b"]], "must be a table of numbers: found <U1"),
        ([[1.0, 2.0], [3.0]], "must be a table of numbers: setting an array element"),
    )

    @pytest.mark.parametrize(("profiles", "message"), BAD)
    def test_profiles_that_cannot_be_compared_are_named(self, profiles, message):
        with pytest.raises(ParameterError, match=f"^profiles {message}|^profiles must be a table .*{message}"):
            pairwise(profiles)
        with pytest.raises(ParameterError, match=f"^profiles .*{message}"):
            cross(profiles, [[1.0, 2.0]])
        with pytest.raises(ParameterError, match=f"^representatives .*{message}"):
            cross([[1.0, 2.0]], profiles)
        with pytest.raises(ParameterError, match=f"^profiles .*{message}"):
            alignment_sums(profiles, [[1.0, 2.0]], np.array([0]))

    def test_every_message_is_one_line(self):
        for profiles, _ in self.BAD:
            with pytest.raises(ParameterError) as caught:
                check_profiles(profiles)
            assert "\n" not in str(caught.value)

    def test_rows_of_different_length_are_refused_without_a_warning(self):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            with pytest.raises(ParameterError, match="profiles must be a table of numbers"):
                pairwise([[1.0, 2.0], [3.0]])
        assert seen == []

    @pytest.mark.parametrize(
        "series",
        [
            pytest.param([[1.0, 2.0], [3.0]], id="ragged"),
            pytest.param([1.0, math.nan], id="NaN"),
            pytest.param([], id="empty"),
            pytest.param(["a"], id="text"),
            pytest.param(5.0, id="one number"),
        ],
    )
    def test_a_series_that_cannot_be_aligned_is_called_what_it_is(self, series):
        with pytest.raises(ParameterError, match=r"^the series "):
            path(series, [1.0, 2.0])
        with pytest.raises(ParameterError, match=r"^the other series "):
            path([1.0, 2.0], series)

    def test_the_copy_is_fresh_contiguous_and_writable(self):
        profiles = np.asfortranarray(random_profiles(3, 4))
        profiles.setflags(write=False)
        copy = check_profiles(profiles, dtype=np.float64)
        assert copy.tolist() == profiles.tolist()
        assert copy.flags.c_contiguous
        assert copy.flags.writeable
        assert not np.shares_memory(copy, profiles)
        ready = np.ones((2, 3), np.float32)
        assert not np.shares_memory(check_profiles(ready), ready)
        assert check_profiles(ready).dtype == np.float32

    @pytest.mark.parametrize("n_points", [24, 1440])
    def test_the_largest_values_allowed_do_not_overflow(self, n_points):
        distances = pairwise([[1e15] * n_points, [-1e15] * n_points], 0)
        assert distances == pytest.approx([2e15 * math.sqrt(n_points)], rel=1e-4)

    def test_different_numbers_of_points_are_named(self):
        with pytest.raises(ParameterError, match="profiles have 3 points and representatives 2; they must"):
            cross([[1, 2, 3]], [[1, 2]])
        with pytest.raises(ParameterError, match="profiles have 3 points and representatives 2; they must"):
            alignment_sums([[1, 2, 3]], [[1, 2]], np.array([0]))
        with pytest.raises(ParameterError, match="the series have 3 points and the other 1; they must"):
            path([1, 2, 3], [1])
        with pytest.raises(ParameterError, match="rows have 1 points and columns 2; they must"):
            check_same_points(np.zeros((1, 1)), np.zeros((1, 2)), ("rows", "columns"))


class TestRadius:
    @pytest.mark.parametrize(
        ("radius", "message"),
        [
            (-1, r"radius is -1; it must be 0 \(Euclidean\) or more steps"),
            (1.5, r"radius is 1\.5; it must be a whole number of steps"),
            (2.0, r"radius is 2\.0; it must be a whole number of steps"),
            ("1", "radius is '1'; it must be a whole number of steps"),
            (math.inf, "radius is inf; it must be a whole number of steps"),
        ],
    )
    def test_one_that_is_no_number_of_steps_is_named(self, radius, message):
        profiles = [[1.0, 2.0]]
        for refuse in (
            lambda: pairwise(profiles, radius),
            lambda: cross(profiles, profiles, radius),
            lambda: path(profiles[0], profiles[0], radius),
            lambda: alignment_sums(profiles, profiles, np.array([0]), radius),
        ):
            with pytest.raises(ParameterError, match=message):
                refuse()

    def test_is_at_most_the_full_band(self):
        assert [effective_radius(radius, 24) for radius in (0, 1, 23, 24, 1000, None)] == [0, 1, 23, 23, 23, 23]
        assert effective_radius(None, 1) == effective_radius(3, 1) == 0
        assert effective_radius(np.int64(2), 24) == 2

    def test_cells_of_the_band_are_those_a_double_loop_meets(self):
        for n_points in range(1, 12):
            for radius in range(n_points):
                met = sum(abs(i - j) <= radius for i in range(n_points) for j in range(n_points))
                assert band_cells(radius, n_points) == met
        assert band_cells(1, 24) == 70
        assert band_cells(23, 24) == 576


class TestThreads:
    @pytest.mark.parametrize("threads", [0, -3])
    def test_less_than_one_is_refused(self, threads):
        profiles = [[1.0, 2.0]]
        for refuse in (
            lambda: pairwise(profiles, threads=threads),
            lambda: cross(profiles, profiles, threads=threads),
            lambda: alignment_sums(profiles, profiles, np.array([0]), threads=threads),
        ):
            with pytest.raises(ParameterError, match=rf"threads is {threads}; it must be 1 or more"):
                refuse()


class TestPairsToCheck:
    def test_are_eight_of_those_there_are_and_the_same_every_time(self):
        pairs = pairs_to_check(1_000_000, 1, 24)
        assert pairs.shape == (8,)
        assert ((pairs >= 0) & (pairs < 1_000_000)).all()
        assert len(set(pairs.tolist())) == 8
        assert pairs.tolist() == pairs_to_check(1_000_000, 1, 24).tolist()
        assert pairs.tolist() != pairs_to_check(1_000_000, 1, 24, seed=1).tolist()

    def test_every_pair_can_be_drawn(self):
        drawn = {int(pair) for seed in range(60) for pair in pairs_to_check(10, 1, 24, seed)}
        assert drawn == set(range(10))

    def test_are_no_more_than_there_are(self):
        assert pairs_to_check(1, 1, 24).tolist() == [0]
        assert pairs_to_check(3, 1, 24).shape == (3,)
        assert pairs_to_check(0, 1, 24).shape == (0,)

    def test_are_fewer_where_they_are_long_but_never_none(self):
        assert pairs_to_check(1000, 4, 96).shape == (8,)
        assert pairs_to_check(1000, 95, 96).shape == (4,)
        assert pairs_to_check(1000, 1439, 1440).shape == (1,)

    def test_cost_no_more_than_plain_python_is_given(self):
        for n_points in (24, 48, 96, 200):
            cells = band_cells(n_points - 1, n_points)
            assert len(pairs_to_check(1000, n_points - 1, n_points)) * cells <= checks._CHECKED_CELLS


class TestCheckPair:
    @pytest.mark.parametrize("radius", RADII)
    @pytest.mark.parametrize("profiles", [random_profiles(6), adversarial_profiles()], ids=["random", "adversarial"])
    def test_right_distances_pass_and_slightly_wrong_ones_do_not(self, profiles, radius):
        values = profiles.astype(np.float32)
        band = effective_radius(radius, 24)
        for other in range(1, len(values)):
            distance = dtw_reference(values[0], values[other], radius)
            check_pair(values[0], values[other], distance * (1 + 5e-5), band, (0, other))
            for wrong in (distance * (1 + 2e-4) + 1e-3, distance * (1 - 2e-4) - 1e-3, 0.5 * distance - 1e-3):
                with pytest.raises(LoadProfilesError, match=f"between profiles 0 and {other} was computed as"):
                    check_pair(values[0], values[other], wrong, band, (0, other))

    @pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
    def test_what_is_no_number_is_noticed(self, wrong):
        zeros = np.zeros(3, np.float32)
        with pytest.raises(LoadProfilesError, match=f"was computed as {wrong:g}, but it is 0"):
            check_pair(zeros, zeros, wrong, 1, (3, 4))

    def test_says_where_and_what_to_do(self):
        series, other = np.array([0.0, 1, 0, 0]), np.array([0.0, 0, 0, 2])
        with pytest.raises(LoadProfilesError) as caught:
            check_pair(series, other, 0.5, 0, (3, 7))
        assert str(caught.value) == (
            "the DTW distance between profiles 3 and 7 was computed as 0.5, but it is 2.23607 (radius 0): "
            "the compiled code is wrong on this machine; delete the __pycache__ folders of loadprofiles and run again"
        )


@pytest.mark.parametrize(
    "profiles",
    [
        pytest.param([[10**400, 1]], id="beyond floats"),
        pytest.param(np.array([[1 + 2j, 1]]), id="complex"),
        pytest.param([["1", "3"]], id="digits as text"),
        pytest.param(np.array([["2024-01-01"]], "datetime64[D]"), id="dates"),
    ],
)
def test_what_only_looks_like_numbers_is_refused(profiles):
    with pytest.raises(ParameterError, match="profiles must be a table of numbers"):
        pairwise(profiles)


@pytest.mark.parametrize("dtype", [np.int32, np.float16])
def test_other_precisions_are_refused(dtype):
    with pytest.raises(ParameterError, match=r"it must be float32 or float64"):
        pairwise([[1.0, 2.0]], dtype=dtype)


@pytest.mark.parametrize("threads", [1.5, "2"])
def test_threads_that_are_no_whole_number_are_refused(threads):
    with pytest.raises(ParameterError, match="it must be a whole number"):
        pairwise([[1.0, 2.0]], threads=threads)


def test_labels_that_are_no_whole_numbers_are_refused():
    with pytest.raises(ParameterError, match=r"2 whole numbers in 0\.\.1, found float64"):
        alignment_sums([[1, 2], [3, 4]], [[1, 2], [3, 4]], np.array([0.7, 1.2]))
