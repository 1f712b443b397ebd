"""Optimal paths and the sums along them, against literal examples, what a path must satisfy, and tslearn."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles.distances.alignment import alignment_sums, path
from loadprofiles.distances.kernels import cross, pairwise
from loadprofiles.errors import ParameterError
from tests.distances.reference import (
    adversarial_profiles,
    all_pairs,
    dtw_reference,
    profiles_strategy,
    random_profiles,
    same_bits_with_any_threads,
)

with warnings.catch_warnings():
    # tslearn says so on import; its hdf5 files are not used here.
    warnings.filterwarnings("ignore", message=r"\s*h5py not installed")
    import tslearn.metrics

RADII = [0, 1, 2, 5, None]


def tslearn_path(series, other, radius):
    band = {"global_constraint": "sakoe_chiba", "sakoe_chiba_radius": len(series) - 1 if radius is None else radius}
    return tslearn.metrics.dtw_path(series, other, **band)[0]


def assert_is_a_path(steps, n_points, radius):
    """It starts at the first points, ends at the last, skips none, never goes back and stays inside the band."""
    assert steps.dtype == np.int64
    assert steps[0].tolist() == [0, 0]
    assert steps[-1].tolist() == [n_points - 1, n_points - 1]
    moves = {tuple(move) for move in np.diff(steps, axis=0).tolist()}
    assert moves <= {(0, 1), (1, 0), (1, 1)}
    assert np.abs(steps[:, 0] - steps[:, 1]).max() <= (n_points if radius is None else radius)


class TestPath:
    def test_a_peak_is_aligned_with_the_shifted_peak(self):
        assert path([0, 9, 0, 0], [0, 0, 9, 0], 1).tolist() == [[0, 0], [0, 1], [1, 2], [2, 3], [3, 3]]
        assert path([0, 0, 9, 0], [0, 9, 0, 0], 1).tolist() == [[0, 0], [1, 0], [2, 1], [3, 2], [3, 3]]

    def test_radius_zero_is_the_diagonal(self):
        assert path([0, 9, 0], [0, 0, 9], 0).tolist() == [[0, 0], [1, 1], [2, 2]]

    def test_a_wider_band_lets_the_peak_move_further(self):
        series, other = [0, 9, 0, 0, 0], [0, 0, 0, 9, 0]
        assert [1, 3] not in path(series, other, 1).tolist()
        expected = [[0, 0], [0, 1], [0, 2], [1, 3], [2, 4], [3, 4], [4, 4]]
        assert path(series, other, 2).tolist() == path(series, other, None).tolist() == expected

    def test_the_diagonal_is_taken_where_costs_are_equal(self):
        assert path([5, 5, 5], [5, 5, 5], None).tolist() == [[0, 0], [1, 1], [2, 2]]

    def test_a_single_point_is_aligned_with_the_other(self):
        assert path([1], [4], 3).tolist() == [[0, 0]]

    @pytest.mark.parametrize("radius", RADII)
    @pytest.mark.parametrize("profiles", [random_profiles(6), adversarial_profiles(23)], ids=["random", "adversarial"])
    def test_costs_the_square_of_the_distance(self, profiles, radius):
        values = profiles.astype(np.float32).astype(np.float64)
        distances = pairwise(values, radius)
        for (i, j), distance in zip(all_pairs(len(values)), distances, strict=True):
            steps = path(values[i], values[j], radius)
            assert_is_a_path(steps, values.shape[1], radius)
            cost = ((values[i][steps[:, 0]] - values[j][steps[:, 1]]) ** 2).sum()
            assert cost == pytest.approx(dtw_reference(values[i], values[j], radius) ** 2, rel=1e-12, abs=1e-30)
            assert cost == pytest.approx(float(distance) ** 2, rel=1e-5, abs=1e-24)

    @settings(max_examples=100)
    @given(profiles_strategy(st.just(2)), st.one_of(st.none(), st.integers(0, 9)))
    def test_is_monotone_continuous_and_optimal_inside_the_band(self, profiles, radius):
        values = profiles.astype(np.float32)
        steps = path(values[0], values[1], radius)
        assert_is_a_path(steps, values.shape[1], radius)
        cost = ((profiles[0][steps[:, 0]] - profiles[1][steps[:, 1]]) ** 2).sum()
        assert cost == pytest.approx(dtw_reference(values[0], values[1], radius) ** 2, rel=1e-9, abs=1e-24)

    @pytest.mark.parametrize("radius", [1, 2, 5, None])
    @pytest.mark.parametrize("n_points", [2, 9, 24])
    def test_follows_tslearns(self, radius, n_points):
        values = random_profiles(5, n_points).astype(np.float32).astype(np.float64)
        for i, j in all_pairs(5):
            expected = [list(step) for step in tslearn_path(values[i], values[j], radius)]
            assert path(values[i], values[j], radius).tolist() == expected

    def test_different_layouts_give_the_same(self):
        values = np.asfortranarray(random_profiles(2, 7))
        assert path(values[0], values[1]).tolist() == path(values[0].tolist(), tuple(values[1])).tolist()


class TestAlignmentSums:
    def test_a_shifted_peak_adds_to_the_representatives_peak(self):
        sums, counts = alignment_sums([[0, 0, 9, 0]], [[0, 9, 0, 0]], np.array([0]), 1)
        assert sums.tolist() == [[0, 9, 0, 0]]
        assert counts.tolist() == [[2, 1, 1, 1]]

    def test_radius_zero_adds_point_by_point(self):
        sums, counts = alignment_sums([[1, 2], [3, 4], [5, 6]], [[0, 0], [9, 9]], np.array([0, 1, 0]), 0)
        assert sums.tolist() == [[6, 8], [3, 4]]
        assert counts.tolist() == [[2, 2], [1, 1]]

    def test_a_representative_without_profiles_gets_nothing(self):
        sums, counts = alignment_sums([[1, 2]], [[1, 2], [3, 4]], np.array([0]))
        assert sums.tolist() == [[1, 2], [0, 0]]
        assert counts.tolist() == [[1, 1], [0, 0]]

    # Fewer profiles than parts, as many, one more, and many.
    @pytest.mark.parametrize("n_profiles", [1, 31, 32, 33, 100])
    @pytest.mark.parametrize("radius", [1, None])
    def test_are_what_the_paths_add_up_to(self, n_profiles, radius):
        profiles, representatives = random_profiles(n_profiles, 9, 1), random_profiles(3, 9, 2)
        labels = np.random.default_rng(3).integers(3, size=n_profiles)
        expected, expected_counts = np.zeros((3, 9)), np.zeros((3, 9), int)
        for profile, label in zip(profiles.astype(np.float32).astype(float), labels, strict=True):
            for i, j in path(representatives[label], profile, radius):
                expected[label, i] += profile[j]
                expected_counts[label, i] += 1
        sums, counts = alignment_sums(profiles, representatives, labels, radius)
        assert counts.tolist() == expected_counts.tolist()
        assert sums == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize("radius", [1, 2, 5, None])
    def test_follow_tslearns_paths(self, radius):
        profiles, representatives = random_profiles(12, 24, 1), random_profiles(3, 24, 2)
        labels = np.arange(12) % 3
        expected_sums, expected_counts = np.zeros((3, 24)), np.zeros((3, 24), int)
        for profile, label in zip(profiles, labels, strict=True):
            for i, j in tslearn_path(representatives[label], profile, radius):
                expected_sums[label, i] += profile[j]
                expected_counts[label, i] += 1
        sums, counts = alignment_sums(profiles, representatives, labels, radius)
        assert counts.tolist() == expected_counts.tolist()
        assert sums == pytest.approx(expected_sums, rel=1e-6)

    @settings(max_examples=60)
    @given(profiles_strategy(st.just(2)), st.one_of(st.none(), st.integers(0, 9)))
    def test_follow_a_path_that_is_optimal_inside_the_band(self, profiles, radius):
        """One step on the sums' quotient can only lessen the distance, and no point is left out."""
        series, start = profiles[:1], profiles[1:]
        sums, counts = alignment_sums(series, start, np.array([0]), radius)
        assert (counts >= 1).all()
        before, after = cross(series, start, radius), cross(series, sums / counts, radius)
        assert after[0, 0] <= before[0, 0] * (1 + 1e-5) + 1e-6

    def test_do_not_depend_on_the_number_of_threads(self):
        profiles = random_profiles(333) * np.geomspace(1, 1e6, 333)[:, None]
        labels = np.arange(333) % 5
        for which in (0, 1):
            assert same_bits_with_any_threads(
                lambda threads, which=which: alignment_sums(profiles, profiles[:5], labels, threads=threads)[which]
            )

    def test_labels_that_do_not_fit_are_refused(self):
        with pytest.raises(
            ParameterError, match=r"labels must be 1 whole numbers in 0\.\.1, found int64 of shape \(1,\) with 2\.\.2"
        ):
            alignment_sums([[1, 2]], [[1, 2], [3, 4]], np.array([2]))
        with pytest.raises(
            ParameterError, match=r"labels must be 1 whole numbers in 0\.\.0, found int64 of shape \(1,\) with -1"
        ):
            alignment_sums([[1, 2]], [[1, 2]], np.array([-1]))
        with pytest.raises(ParameterError, match=r"found int64 of shape \(2,\)$"):
            alignment_sums([[1, 2]], [[1, 2]], np.array([0, 0]))
        with pytest.raises(
            ParameterError, match=r"labels must be 1 whole numbers in 0\.\.0, found int64 of shape \(0,\)$"
        ):
            alignment_sums([[1, 2]], [[1, 2]], np.array([], np.int64))
