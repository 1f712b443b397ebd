"""The kernels against a double loop in plain Python, two libraries, and what a distance must satisfy."""

import math
import warnings

import numba
import numpy as np
import pytest
from dtaidistance import dtw as dtaidistance_dtw
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import pdist, squareform

from loadprofiles.distances import kernels
from loadprofiles.distances.kernels import alignment_sums, cross, fill_rows, pairwise, square
from loadprofiles.errors import LoadProfilesError, ParameterError

with warnings.catch_warnings():
    # tslearn says so on import; its hdf5 files are not used here.
    warnings.filterwarnings("ignore", message=r"\s*h5py not installed")
    import tslearn.metrics

RADII = [0, 1, 2, 5, None]


def dtw_reference(a, b, radius):
    """The definition: least cost over all monotone paths inside the band."""
    n = len(a)
    radius = n if radius is None else radius
    table = [[math.inf] * (n + 1) for _ in range(n + 1)]
    table[0][0] = 0.0
    for i in range(1, n + 1):
        for j in range(1, n + 1):
            if abs(i - j) <= radius:
                cost = (float(a[i - 1]) - float(b[j - 1])) ** 2
                table[i][j] = cost + min(table[i - 1][j - 1], table[i - 1][j], table[i][j - 1])
    return math.sqrt(table[n][n])


def random_profiles(n, points=24, seed=0):
    return np.random.default_rng(seed).random((n, points))


def adversarial_profiles():
    """Spikes that move, steps, a ramp, alternation, a constant, negative values, tiny and large values."""
    spikes = np.eye(12)[[0, 1, 5, 11]]
    step = np.repeat([[0.0, 1.0]], 6, axis=1).reshape(1, 12)
    ramp = np.linspace(-1, 1, 12)[None]
    alternating = np.tile([1.0, -1.0], 6)[None]
    flat = np.full((1, 12), 0.25)
    return np.vstack([spikes, step, 1 - step, ramp, ramp[:, ::-1], alternating, flat, ramp * 1e-9, ramp * 1e6])


def all_pairs(n):
    return [(i, j) for i in range(n) for j in range(i + 1, n)]


def profiles_strategy(n_rows):
    shape = st.tuples(n_rows, st.integers(1, 9))
    return hnp.arrays(np.float64, shape, elements=st.floats(-10, 10, width=32))


class TestPairwise:
    def test_shift_by_one_step_is_free_with_radius_one_but_not_with_radius_zero(self):
        profiles = [[0, 1, 0, 0], [0, 0, 1, 0]]
        assert pairwise(profiles, 1).tolist() == [0.0]
        assert pairwise(profiles, 0).tolist() == pytest.approx([math.sqrt(2)])

    @pytest.mark.parametrize("radius", RADII)
    @pytest.mark.parametrize("profiles", [random_profiles(9), adversarial_profiles()], ids=["random", "adversarial"])
    def test_equals_the_double_loop(self, profiles, radius):
        profiles = profiles.astype(np.float32)
        expected = [dtw_reference(profiles[i], profiles[j], radius) for i, j in all_pairs(len(profiles))]
        assert pairwise(profiles, radius) == pytest.approx(expected, rel=1e-5, abs=1e-12)

    @pytest.mark.parametrize("radius", RADII)
    @pytest.mark.parametrize(
        "profiles", [random_profiles(9, 31), adversarial_profiles()], ids=["random", "adversarial"]
    )
    def test_equals_dtaidistance_with_a_window_one_wider(self, profiles, radius):
        window = None if radius is None else radius + 1
        expected = [
            dtaidistance_dtw.distance(profiles[i], profiles[j], window=window) for i, j in all_pairs(len(profiles))
        ]
        assert pairwise(profiles, radius) == pytest.approx(expected, rel=1e-5, abs=1e-12)

    @pytest.mark.parametrize("radius", [0, 1, 2, 5])
    @pytest.mark.parametrize("profiles", [random_profiles(9), adversarial_profiles()], ids=["random", "adversarial"])
    def test_equals_tslearn_with_the_same_radius(self, profiles, radius):
        expected = [
            tslearn.metrics.dtw(profiles[i], profiles[j], global_constraint="sakoe_chiba", sakoe_chiba_radius=radius)
            for i, j in all_pairs(len(profiles))
        ]
        assert pairwise(profiles, radius) == pytest.approx(expected, rel=1e-5, abs=1e-12)

    def test_radius_zero_is_the_euclidean_distance(self):
        profiles = random_profiles(70)
        assert pairwise(profiles, 0) == pytest.approx(pdist(profiles), rel=1e-5)

    @pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 130])
    def test_order_is_pdists_at_every_number_of_blocks(self, n):
        profiles = random_profiles(n, 5)
        assert pairwise(profiles, 0) == pytest.approx(pdist(profiles), rel=1e-5)

    def test_one_profile_has_no_pairs(self):
        assert pairwise([[1.0, 2.0]]).shape == (0,)

    def test_a_single_point_is_the_absolute_difference(self):
        assert pairwise([[1.0], [4.0]], 3).tolist() == [3.0]

    def test_a_radius_beyond_the_day_is_no_band(self):
        profiles = random_profiles(6, 7)
        assert pairwise(profiles, 6).tolist() == pairwise(profiles, None).tolist()
        assert pairwise(profiles, 1000).tolist() == pairwise(profiles, None).tolist()

    @settings(max_examples=60, deadline=None)
    @given(profiles_strategy(st.integers(2, 5)))
    def test_a_wider_radius_never_increases_a_distance(self, profiles):
        narrower = np.inf
        for radius in [*range(profiles.shape[1]), None]:
            distances = pairwise(profiles, radius)
            assert (distances <= narrower).all()
            narrower = distances

    @settings(max_examples=60, deadline=None)
    @given(profiles_strategy(st.integers(2, 5)), st.integers(0, 9))
    def test_is_symmetric_and_zero_between_equal_profiles(self, profiles, radius):
        matrix = cross(profiles, profiles, radius)
        # The two directions add the same costs in another order.
        assert matrix == pytest.approx(matrix.T, rel=1e-5)
        assert (matrix.diagonal() == 0).all()

    @settings(max_examples=60, deadline=None)
    @given(profiles_strategy(st.integers(2, 4)), st.one_of(st.none(), st.integers(0, 9)))
    def test_any_profiles_equal_the_double_loop(self, profiles, radius):
        values = profiles.astype(np.float32)
        expected = [dtw_reference(values[i], values[j], radius) for i, j in all_pairs(len(values))]
        assert pairwise(profiles, radius) == pytest.approx(expected, rel=1e-5, abs=1e-12)

    def test_input_is_not_changed_and_any_layout_will_do(self):
        profiles = random_profiles(8, 6)
        before = profiles.copy()
        profiles.setflags(write=False)
        transposed = np.asfortranarray(profiles)
        assert pairwise(profiles).tolist() == pairwise(transposed).tolist() == pairwise(profiles.tolist()).tolist()
        assert (profiles == before).all()


class TestThreads:
    @pytest.fixture
    def one_thread_result(self):
        def compute(function):
            numba.set_num_threads(1)
            try:
                return function()
            finally:
                numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)

        return compute

    @pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one processor only")
    def test_distances_do_not_depend_on_the_number_of_threads(self, one_thread_result):
        profiles = random_profiles(333)
        assert (one_thread_result(lambda: pairwise(profiles)) == pairwise(profiles)).all()
        assert (one_thread_result(lambda: cross(profiles, profiles[:7])) == cross(profiles, profiles[:7])).all()

    @pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one processor only")
    def test_alignment_sums_do_not_depend_on_the_number_of_threads(self, one_thread_result):
        profiles = random_profiles(333)
        arguments = profiles, profiles[:5], np.arange(333) % 5
        alone, _ = one_thread_result(lambda: alignment_sums(*arguments))
        together, _ = alignment_sums(*arguments)
        assert (alone == together).all()


class TestCross:
    def test_is_the_block_of_the_square_matrix(self):
        profiles = random_profiles(130)
        matrix = squareform(pairwise(profiles, 2))
        distances = cross(profiles, profiles[:4], 2)
        assert distances.shape == (130, 4)
        assert distances.dtype == np.float32
        assert distances == pytest.approx(matrix[:, :4], rel=1e-5)

    def test_different_numbers_of_points_are_named(self):
        with pytest.raises(ParameterError, match="profiles have 3 points and representatives 2"):
            cross([[1, 2, 3]], [[1, 2]])

    def test_bad_representatives_are_called_so(self):
        with pytest.raises(ParameterError, match="representatives hold 1 NaN values, the first in row 0"):
            cross([[1, 2]], [[1, math.nan]])


class TestFillRows:
    def test_blocks_of_rows_put_together_are_the_whole(self):
        profiles = random_profiles(70, 8).astype(np.float32)
        blocks = []
        for first, last in [(0, 1), (1, 40), (40, 69), (69, 70)]:
            n_pairs = sum(70 - 1 - row for row in range(first, last))
            block = np.full(n_pairs, np.nan, np.float32)
            fill_rows(profiles, first, last, 1, block)
            blocks.append(block)
        assert np.concatenate(blocks).tolist() == pairwise(profiles).tolist()


class TestSquare:
    def test_without_a_selection_it_is_squareform(self):
        condensed = pairwise(random_profiles(9))
        assert (square(condensed, np.arange(9), 9) == squareform(condensed)).all()

    def test_gives_the_order_asked_for_and_zero_between_repeats(self):
        condensed = pairwise(random_profiles(5))
        index = np.array([3, 0, 3, 4])
        assert (square(condensed, index, 5) == squareform(condensed)[np.ix_(index, index)]).all()

    def test_wrong_length_and_range_are_refused(self):
        with pytest.raises(ParameterError, match="5 profiles are 10 values, found shape"):
            square(np.zeros(9, np.float32), np.arange(2), 5)
        with pytest.raises(ParameterError, match=r"index runs from -1 to 2; it must lie in 0\.\.4"):
            square(np.zeros(10, np.float32), np.array([-1, 2]), 5)


class TestAlignmentSums:
    def test_a_shifted_peak_adds_to_the_representatives_peak(self):
        sums, counts = alignment_sums([[0, 0, 9, 0]], [[0, 9, 0, 0]], np.array([0]), 1)
        assert sums.tolist() == [[0, 9, 0, 0]]
        assert counts.tolist() == [[2, 1, 1, 1]]

    def test_radius_zero_adds_point_by_point(self):
        sums, counts = alignment_sums([[1, 2], [3, 4], [5, 6]], [[0, 0], [9, 9]], np.array([0, 1, 0]), 0)
        assert sums.tolist() == [[6, 8], [3, 4]]
        assert counts.tolist() == [[2, 2], [1, 1]]

    @pytest.mark.parametrize("radius", [1, 2, 5, None])
    def test_follows_tslearns_paths(self, radius):
        profiles, representatives = random_profiles(12, 24, 1), random_profiles(3, 24, 2)
        labels = np.arange(12) % 3
        expected_sums, expected_counts = np.zeros((3, 24)), np.zeros((3, 24), int)
        band = {} if radius is None else {"global_constraint": "sakoe_chiba", "sakoe_chiba_radius": radius}
        for profile, label in zip(profiles, labels, strict=True):
            for i, j in tslearn.metrics.dtw_path(representatives[label], profile, **band)[0]:
                expected_sums[label, i] += profile[j]
                expected_counts[label, i] += 1
        sums, counts = alignment_sums(profiles, representatives, labels, radius)
        assert counts.tolist() == expected_counts.tolist()
        assert sums == pytest.approx(expected_sums, rel=1e-6)

    def test_a_representative_without_profiles_gets_nothing(self):
        sums, counts = alignment_sums([[1, 2]], [[1, 2], [3, 4]], np.array([0]))
        assert sums[1].tolist() == [0, 0]
        assert counts[1].tolist() == [0, 0]

    @settings(max_examples=60, deadline=None)
    @given(profiles_strategy(st.just(2)), st.one_of(st.none(), st.integers(0, 9)))
    def test_follows_a_path_that_is_optimal_inside_the_band(self, profiles, radius):
        """One step on the sums' quotient can only lessen the distance, and no point is left out."""
        series, start = profiles[:1], profiles[1:]
        sums, counts = alignment_sums(series, start, np.array([0]), radius)
        assert (counts >= 1).all()
        before, after = cross(series, start, radius), cross(series, sums / counts, radius)
        assert after[0, 0] <= before[0, 0] * (1 + 1e-5) + 1e-6

    def test_labels_that_do_not_fit_are_refused(self):
        with pytest.raises(ParameterError, match=r"labels must be 1 numbers in 0\.\.1, found shape \(1,\) with 2\.\.2"):
            alignment_sums([[1, 2]], [[1, 2], [3, 4]], np.array([2]))
        with pytest.raises(ParameterError, match=r"found shape \(2,\)"):
            alignment_sums([[1, 2]], [[1, 2]], np.array([0, 0]))


class TestRefusals:
    @pytest.mark.parametrize(
        ("profiles", "message"),
        [
            ([1.0, 2.0], r"found shape \(2,\)"),
            (np.empty((0, 24)), r"found shape \(0, 24\)"),
            (np.empty((3, 0)), r"found shape \(3, 0\)"),
            ([[1.0, math.nan], [math.nan, math.nan]], "3 NaN values, the first in row 0"),
            ([[1.0, 2.0], [1.0, math.inf]], "1 infinite values, the first in row 1"),
            ([[1.0, -math.inf]], "1 infinite values"),
            ([[1e20, 0.0]], r"reach 1e\+20; normalise them"),
            ([["a", "b"]], "must be a table of numbers"),
        ],
    )
    def test_profiles_that_cannot_be_compared_are_named(self, profiles, message):
        with pytest.raises(ParameterError, match=message):
            pairwise(profiles)

    @pytest.mark.parametrize(
        ("radius", "message"), [(-1, "radius is -1"), (1.5, "radius is 1.5"), ("1", "radius is '1'")]
    )
    def test_a_radius_that_is_no_number_of_steps_is_named(self, radius, message):
        with pytest.raises(ParameterError, match=message):
            pairwise([[1.0, 2.0]], radius)
        with pytest.raises(ParameterError, match=message):
            cross([[1.0, 2.0]], [[1.0, 2.0]], radius)

    def test_the_largest_values_allowed_do_not_overflow(self):
        distances = pairwise([[1e15] * 1440, [-1e15] * 1440], 0)
        assert distances == pytest.approx([2e15 * math.sqrt(1440)], rel=1e-4)


class TestSelfCheck:
    def test_silently_wrong_distances_are_noticed(self, monkeypatch):
        def leave_garbage(queries, columns, starts, offsets, radius, out):
            out[:] = 0.5

        monkeypatch.setattr(kernels, "_fill", leave_garbage)
        with pytest.raises(LoadProfilesError, match=r"was computed as 0\.5, but it is"):
            pairwise(random_profiles(10))

    def test_distances_that_are_not_numbers_are_noticed(self):
        profiles = random_profiles(4).astype(np.float32)
        with pytest.raises(LoadProfilesError, match="was computed as nan"):
            kernels.self_check(profiles, np.full(6, np.nan, np.float32), 1)

    @pytest.mark.parametrize("radius", RADII)
    def test_right_distances_pass(self, radius):
        profiles = random_profiles(40).astype(np.float32)
        kernels.self_check(profiles, pairwise(profiles, radius), radius, seed=1)
        with pytest.raises(LoadProfilesError):
            kernels.self_check(profiles, pairwise(profiles, radius) * np.float32(1.001), radius, seed=1)
