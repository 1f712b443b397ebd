"""All pairs, crossed tables and tiles against a double loop, two libraries, and what a distance must satisfy."""

import math
import warnings

import numpy as np
import pytest
from dtaidistance import dtw as dtaidistance_dtw
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from loadprofiles.distances import kernels
from loadprofiles.distances.checks import check_profiles
from loadprofiles.distances.kernels import cross, pairwise, tile
from loadprofiles.errors import LoadProfilesError
from tests.distances.reference import (
    adversarial_profiles,
    all_pairs,
    condensed_reference,
    profiles_strategy,
    random_profiles,
    same_bits_with_any_threads,
)

with warnings.catch_warnings():
    # tslearn says so on import; its hdf5 files are not used here.
    warnings.filterwarnings("ignore", message=r"\s*h5py not installed")
    import tslearn.metrics

RADII = [0, 1, 2, 5, None]
PROFILES = pytest.mark.parametrize(
    "profiles",
    [random_profiles(9), random_profiles(9, 31), adversarial_profiles(), adversarial_profiles(25)],
    ids=["random", "random, odd", "adversarial", "adversarial, odd"],
)


class TestPairwise:
    def test_shift_by_one_step_is_free_with_radius_one_but_not_with_radius_zero(self):
        profiles = [[0, 1, 0, 0], [0, 0, 1, 0]]
        assert pairwise(profiles, 1).tolist() == [0.0]
        assert pairwise(profiles, 0).tolist() == pytest.approx([math.sqrt(2)])

    @pytest.mark.parametrize("radius", RADII)
    @PROFILES
    def test_equals_the_double_loop(self, profiles, radius):
        distances = pairwise(profiles, radius)
        assert distances.dtype == np.float32
        expected = condensed_reference(profiles.astype(np.float32), radius)
        assert distances == pytest.approx(expected, rel=1e-5, abs=1e-12)

    @pytest.mark.parametrize("radius", [1, 5, None])
    @PROFILES
    def test_equals_the_double_loop_in_double_precision_on_request(self, profiles, radius):
        distances = pairwise(profiles, radius, dtype=np.float64)
        assert distances.dtype == np.float64
        assert distances == pytest.approx(condensed_reference(profiles, radius), rel=1e-12, abs=1e-25)

    def test_double_precision_keeps_what_single_precision_loses(self):
        profiles = [[1.0, 1.0], [1.0, 1.0 + 1e-12]]
        assert pairwise(profiles, 1).tolist() == [0.0]
        assert pairwise(profiles, 1, dtype=np.float64) == pytest.approx([1e-12], rel=1e-3)
        assert cross(profiles[:1], profiles[1:], 1, dtype=np.float64) == pytest.approx(1e-12, rel=1e-3)

    @pytest.mark.parametrize("radius", RADII)
    @PROFILES
    def test_equals_dtaidistance_with_a_window_one_wider(self, profiles, radius):
        values = profiles.astype(np.float32).astype(np.float64)
        window = None if radius is None else radius + 1
        expected = dtaidistance_dtw.distance_matrix_fast(values, window=window, compact=True, parallel=False)
        assert pairwise(profiles, radius) == pytest.approx(np.asarray(expected), rel=1e-5, abs=1e-12)

    @pytest.mark.parametrize("radius", RADII)
    @PROFILES
    def test_equals_tslearn_with_the_same_radius(self, profiles, radius):
        values = profiles.astype(np.float32).astype(np.float64)
        steps = values.shape[1] - 1 if radius is None else radius
        expected = tslearn.metrics.cdist_dtw(values, global_constraint="sakoe_chiba", sakoe_chiba_radius=steps)
        assert pairwise(profiles, radius) == pytest.approx(squareform(expected), rel=1e-5, abs=1e-12)

    @pytest.mark.parametrize("profiles", [random_profiles(70), adversarial_profiles(96)], ids=["random", "adversarial"])
    def test_radius_zero_is_the_euclidean_distance(self, profiles):
        expected = pdist(profiles.astype(np.float32).astype(np.float64))
        assert pairwise(profiles, 0) == pytest.approx(expected, rel=1e-5, abs=1e-12)

    @pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 130, 700])
    def test_order_is_pdists_at_every_number_of_blocks(self, n):
        profiles = random_profiles(n, 5)
        np.testing.assert_allclose(pairwise(profiles, 0), pdist(profiles), rtol=1e-5)

    def test_one_profile_has_no_pairs(self):
        assert pairwise([[1.0, 2.0]]).shape == (0,)

    def test_a_single_point_is_the_absolute_difference(self):
        assert pairwise([[1.0], [4.0]], 3).tolist() == [3.0]

    @pytest.mark.parametrize("n_points", [1, 2, 6, 7, 96])
    def test_a_radius_beyond_the_day_is_no_band(self, n_points):
        profiles = random_profiles(6, n_points)
        free = pairwise(profiles, None).tolist()
        assert pairwise(profiles, n_points - 1).tolist() == pairwise(profiles, 1000).tolist() == free

    @settings(max_examples=60)
    @given(profiles_strategy(st.integers(2, 5)))
    def test_a_wider_radius_never_increases_a_distance(self, profiles):
        narrower = np.inf
        for radius in [*range(profiles.shape[1]), None]:
            distances = pairwise(profiles, radius)
            assert (distances <= narrower).all()
            narrower = distances

    @settings(max_examples=60)
    @given(profiles_strategy(st.integers(2, 4)), st.one_of(st.none(), st.integers(0, 9)))
    def test_any_profiles_equal_the_double_loop(self, profiles, radius):
        expected = condensed_reference(profiles, radius)
        assert pairwise(profiles, radius) == pytest.approx(expected, rel=1e-5, abs=1e-12)

    def test_input_is_not_changed_and_any_layout_will_do(self):
        profiles = random_profiles(8, 6)
        before = profiles.copy()
        profiles.setflags(write=False)
        transposed = np.asfortranarray(profiles)
        assert pairwise(profiles).tolist() == pairwise(transposed).tolist() == pairwise(profiles.tolist()).tolist()
        assert (profiles == before).all()


class TestCross:
    @pytest.mark.parametrize(("radius", "dtype"), [*((r, np.float32) for r in RADII), (1, np.float64), (5, np.float64)])
    def test_is_the_block_of_the_square_matrix(self, radius, dtype):
        profiles = random_profiles(130)
        matrix = squareform(pairwise(profiles, radius, dtype=dtype))
        for representatives in (slice(4), slice(126, None), slice(None)):
            distances = cross(profiles, profiles[representatives], radius, dtype=dtype)
            assert distances.dtype == dtype
            assert distances.flags.c_contiguous
            assert (distances == matrix[:, representatives]).all()

    @pytest.mark.parametrize("radius", RADII)
    @pytest.mark.parametrize("n_points", [1, 2, 7, 24, 25])
    def test_has_the_same_bits_from_either_side_and_zero_for_equal_profiles(self, radius, n_points):
        profiles = np.vstack([random_profiles(70, n_points), adversarial_profiles(n_points)])
        matrix = cross(profiles, profiles, radius)
        assert matrix.tobytes() == matrix.T.tobytes()
        assert (matrix.diagonal() == 0).all()

    @settings(max_examples=60)
    @given(profiles_strategy(st.integers(2, 5)), st.integers(0, 9))
    def test_any_profiles_have_the_same_bits_from_either_side(self, profiles, radius):
        matrix = cross(profiles, profiles, radius)
        assert matrix.tobytes() == matrix.T.tobytes()
        assert (matrix.diagonal() == 0).all()


class TestTile:
    @pytest.mark.parametrize("radius", [1, 5])
    def test_is_the_rectangle_of_the_square_matrix(self, radius):
        profiles = check_profiles(random_profiles(150, 9))
        matrix = squareform(pairwise(profiles, radius))
        for rows, columns in [(slice(3), slice(None)), (slice(60, 130), slice(1)), (slice(149, 150), slice(7, 140))]:
            found = tile(profiles[rows], profiles[columns], radius)
            assert found.dtype == np.float32
            assert found.tobytes() == matrix[rows, columns].tobytes()

    @pytest.mark.parametrize("radius", [1, 5])
    @pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 200])
    def test_of_the_upper_triangle_has_zeros_on_the_diagonal_and_below(self, n, radius):
        profiles = check_profiles(random_profiles(n, 9))
        expected = np.triu(squareform(pairwise(profiles, radius))) if n > 1 else np.zeros((1, 1))
        assert (tile(profiles, profiles, radius, diagonal=0) == expected).all()

    @pytest.mark.parametrize("diagonal", [-140, -70, -1, 0, 1, 64, 139, 149, 200])
    def test_has_zeros_left_of_any_diagonal(self, diagonal):
        profiles = check_profiles(random_profiles(150, 9))
        rows, columns = profiles[:70], profiles[5:]
        whole = tile(rows, columns, 1)
        assert (whole > 0).mean() > 0.99
        expected = np.triu(whole, diagonal + 1)
        assert (tile(rows, columns, 1, diagonal=diagonal) == expected).all()


class TestThreadsAndBlocks:
    PROFILES = random_profiles(333) * np.geomspace(1, 1e6, 333)[:, None]

    @pytest.mark.parametrize("radius", [1, 5])
    def test_distances_do_not_depend_on_the_number_of_threads(self, radius):
        values = check_profiles(self.PROFILES)
        assert same_bits_with_any_threads(lambda threads: pairwise(values, radius, threads=threads))
        assert same_bits_with_any_threads(lambda threads: cross(values, values[:7], radius, threads=threads))
        assert same_bits_with_any_threads(lambda threads: tile(values, values, radius, diagonal=0, threads=threads))

    @pytest.mark.parametrize(
        ("side", "cells"), [(1, 2**25), (64, 70 * 64 * 3), (100, 2**25), (128, 70 * 128 * 40), (4096, 2**40)]
    )
    def test_distances_do_not_depend_on_the_size_of_the_blocks(self, monkeypatch, side, cells):
        values = check_profiles(self.PROFILES)
        functions = (pairwise, lambda values: cross(values, values[:70]), lambda v: tile(v, v, 1, diagonal=0))
        expected = [function(values).tobytes() for function in functions]
        monkeypatch.setattr(kernels, "_SIDE", side)
        monkeypatch.setattr(kernels, "_CELLS_PER_BLOCK", cells)
        assert [function(values).tobytes() for function in functions] == expected

    @pytest.mark.parametrize("threads", [1, 5])
    @pytest.mark.parametrize("cells", [70 * 64 * 3, 2**25])
    @pytest.mark.parametrize("n", [1, 2, 64, 65, 333])
    def test_every_pair_is_computed_once(self, monkeypatch, n, cells, threads):
        counts = np.zeros((2, n * n), int)

        def count(queries, columns, block, starts, offsets, radius, out):
            assert len(queries) == len(starts) == len(offsets)
            first, last = block
            for start, offset in zip(starts.tolist(), offsets.tolist(), strict=True):
                # Not in `out`, which for a rectangle holds anything before.
                counts[int(start == 0 and n_rows == n), offset + max(first, start) : offset + last] += 1

        monkeypatch.setattr(kernels, "fill", count)
        monkeypatch.setattr(kernels, "_CELLS_PER_BLOCK", cells)
        values = check_profiles(random_profiles(n))
        n_rows = 0
        tile(values, values, 1, diagonal=0, threads=threads)
        assert (counts[0].reshape(n, n) == np.triu(np.ones((n, n)), 1)).all()
        n_rows = n
        tile(values, values, 1, threads=threads)
        assert (counts[1] == 1).all()

    @pytest.mark.parametrize("radius", [1, 1439])
    def test_a_block_takes_seconds_at_most_and_small_matrices_keep_all_threads_busy(self, radius):
        cells = kernels.band_cells(radius, 1440)
        blocks = list(kernels._blocks(5000, 5000, cells, 2))
        # A pair of very long series may be more than a block should be; lanes are filled all the same.
        assert max((bottom - top) * (last - first) * cells for top, bottom, first, last in blocks) <= max(
            kernels._CELLS_PER_BLOCK, kernels._LEAST_COLUMNS * cells
        )
        assert len(list(kernels._blocks(300, 300, 70, 2))) >= 4


class TestSelfCheck:
    def test_a_kernel_that_leaves_garbage_is_noticed(self, monkeypatch):
        def leave_garbage(queries, columns, block, starts, offsets, radius, out):
            out[:] = 0.5

        monkeypatch.setattr(kernels, "fill", leave_garbage)
        with pytest.raises(LoadProfilesError, match=r"was computed as 0\.5, but it is"):
            pairwise(random_profiles(10))

    def test_a_kernel_that_does_nothing_is_noticed(self, monkeypatch):
        monkeypatch.setattr(kernels, "fill", lambda *_: None)
        with pytest.raises(LoadProfilesError, match="was computed as"):
            pairwise(random_profiles(100) + np.arange(100)[:, None])

    def test_a_kernel_of_another_radius_is_noticed(self, monkeypatch):
        right = kernels.fill

        def fill(queries, columns, block, starts, offsets, radius, out):
            right(queries, columns, block, starts, offsets, radius - 1, out)

        monkeypatch.setattr(kernels, "fill", fill)
        with pytest.raises(LoadProfilesError, match=r"\(radius 2\)"):
            pairwise(random_profiles(50), 2)

    def test_an_exception_in_a_kernel_passes_on(self, monkeypatch):
        def fail(*_):
            raise MemoryError("out of it")

        monkeypatch.setattr(kernels, "fill", fail)
        with pytest.raises(MemoryError, match="out of it"):
            pairwise(random_profiles(300), threads=2)

    @pytest.mark.parametrize("n", [2, 3, 5, 20])
    def test_every_place_is_compared_with_its_two_profiles(self, monkeypatch, n):
        compared = []

        def record(series, other, computed, radius, pair):
            compared.append((pair, series.tolist(), other.tolist(), computed, radius))

        monkeypatch.setattr(kernels, "pairs_to_check", lambda n_pairs, *_: np.arange(n_pairs))
        monkeypatch.setattr(kernels, "check_pair", record)
        values = check_profiles(random_profiles(n, 6))
        distances = pairwise(values, 2)
        assert compared == [
            ((i, j), values[i].tolist(), values[j].tolist(), distance, 2)
            for (i, j), distance in zip(all_pairs(n), distances.tolist(), strict=True)
        ]

    @pytest.mark.parametrize("n", [2, 3, 5])
    @pytest.mark.parametrize("wrong", range(10))
    def test_one_wrong_distance_is_noticed_at_every_place(self, monkeypatch, n, wrong):
        n_pairs = n * (n - 1) // 2
        right, place = kernels.fill, wrong % n_pairs

        def fill(queries, columns, block, starts, offsets, radius, out):
            right(queries, columns, block, starts, offsets, radius, out)
            out[place] *= np.float32(1.001)

        monkeypatch.setattr(kernels, "fill", fill)
        monkeypatch.setattr(kernels, "pairs_to_check", lambda n_pairs, *_: np.arange(n_pairs))
        i, j = all_pairs(n)[place]
        with pytest.raises(LoadProfilesError, match=f"between profiles {i} and {j} was computed as"):
            pairwise(random_profiles(n), threads=1)
