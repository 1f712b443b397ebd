import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn import metrics

from loadprofiles.errors import ParameterError
from loadprofiles.validity import cluster_sums, dunn_precomputed, pairs, silhouette_samples

# Four profiles on a line, at 0, 1, 4 and 10.
LINE = np.array([[0, 1, 4, 10], [1, 0, 3, 9], [4, 3, 0, 6], [10, 9, 6, 0]], dtype=np.float32)


def distances_of(n_profiles, seed=0, dtype=np.float32):
    profiles = np.random.default_rng(seed).random((n_profiles, 5))
    return cdist(profiles, profiles).astype(dtype)


def labels_of(n_profiles, k, seed=0):
    """Labels of k clusters, none empty, and some in no cluster."""
    rng = np.random.default_rng(seed)
    return rng.permutation(np.r_[np.arange(k), rng.integers(-1, k, n_profiles - k)])


# --- by hand


def test_sums_are_those_of_the_distances_to_each_clusters_members():
    assert cluster_sums(LINE, [0, 0, 1, 1], 2).tolist() == [[1, 14], [1, 12], [7, 6], [19, 6]]


def test_a_profile_in_no_cluster_has_sums_but_adds_to_none_and_a_cluster_without_members_has_zeros():
    assert cluster_sums(LINE, [0, 0, -1, 2], 3).tolist() == [[1, 0, 10], [1, 0, 9], [7, 0, 6], [19, 0, 0]]


def test_silhouettes_compare_the_own_cluster_with_the_nearest_other():
    # 0: a = 1, b = (4 + 10)/2 = 7; 1: a = 1, b = (3 + 9)/2 = 6; 2: a = 6, b = (4 + 3)/2; 3: a = 6, b = (10 + 9)/2
    expected = [6 / 7, 5 / 6, (3.5 - 6) / 6, 3.5 / 9.5]
    assert silhouette_samples(LINE, [0, 0, 1, 1]) == pytest.approx(expected)


def test_a_profile_alone_counts_zero_and_one_in_no_cluster_counts_not_at_all():
    # 0: a = 1, b = 10; 1: a = 1, b = 9; 3 is alone
    found = silhouette_samples(LINE, [5, 5, -1, 2])
    assert found == pytest.approx([9 / 10, 8 / 9, np.nan, 0.0], nan_ok=True)


def test_dunn_is_the_nearest_of_different_clusters_over_the_farthest_of_one():
    # 1 and 4 are 3 apart, 4 and 10 are 6 apart
    assert dunn_precomputed(LINE, [0, 0, 1, 1]) == 3 / 6
    # without 4: 1 and 10 are 9 apart, 0 and 1 are 1 apart
    assert dunn_precomputed(LINE, [0, 0, -1, 1]) == 9 / 1


def test_equal_profiles_have_silhouettes_of_zero_and_no_dunn():
    same = np.zeros((4, 4), dtype=np.float32)
    assert silhouette_samples(same, [0, 0, 1, 1]).tolist() == [0, 0, 0, 0]
    assert np.isnan(dunn_precomputed(same, [0, 0, 1, 1]))


def test_sums_of_many_float32_distances_do_not_round():
    n_profiles = 3000
    matrix = np.full((n_profiles, n_profiles), 0.1, dtype=np.float32)
    np.fill_diagonal(matrix, 0)
    sums = cluster_sums(matrix, np.zeros(n_profiles, dtype=int), 1)
    assert sums == pytest.approx(np.full((n_profiles, 1), (n_profiles - 1) * float(np.float32(0.1))), rel=1e-12)


# --- against other code


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("k", [2, 7, 100, 299])
def test_silhouettes_are_scikit_learns(dtype, k):
    matrix = distances_of(300, k, dtype)
    labels = np.abs(labels_of(300, k, k))
    expected = metrics.silhouette_samples(matrix.astype(np.float64), labels, metric="precomputed")
    assert silhouette_samples(matrix, labels) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.integers(0, 3), min_size=3, max_size=12), st.data())
def test_any_clusters_of_few_distances_equal_loops(places, data):
    n_profiles = len(places)
    labels = data.draw(st.lists(st.integers(-1, 3), min_size=n_profiles, max_size=n_profiles))
    if len(set(labels) - {-1}) < 2:
        labels[:2] = 0, 1
    matrix = np.abs(np.subtract.outer(places, places)).astype(np.float32)
    expected, within, between = [], [], []
    for i, own in enumerate(labels):
        others = {
            label: [float(matrix[i, j]) for j in range(n_profiles) if j != i and labels[j] == label]
            for label in set(labels) - {-1}
        }
        if own == -1:
            expected.append(np.nan)
            continue
        within += others[own]
        between += [distance for label in others if label != own for distance in others[label]]
        a = np.mean(others[own]) if others[own] else None
        b = min(np.mean(others[label]) for label in others if label != own)
        expected.append(0.0 if a is None or max(a, b) == 0 else (b - a) / max(a, b))
    assert silhouette_samples(matrix, labels) == pytest.approx(expected, nan_ok=True)
    dunn = min(between) / max(within) if max(within, default=0) > 0 else np.nan
    assert dunn_precomputed(matrix, labels) == pytest.approx(dunn, nan_ok=True)


# --- whatever threads, bands and memory


def found(matrix, labels, threads=1):
    samples = silhouette_samples(matrix, labels, threads)
    sums = cluster_sums(matrix, labels, int(labels.max()) + 1, threads)
    return samples.tobytes(), sums.tobytes(), dunn_precomputed(matrix, labels, threads)


def test_any_number_of_threads_and_any_bands_give_the_same_bits(monkeypatch):
    matrix, labels = distances_of(700), labels_of(700, 9)
    expected = found(matrix, labels)
    monkeypatch.setattr(pairs, "_COLUMNS", 64)
    for rows in (90, 700):
        monkeypatch.setattr(pairs, "_BAND_ELEMENTS", rows * len(matrix))
        assert [found(matrix, labels, threads) for threads in (1, 2, 5)] == [expected] * 3


def test_distances_computed_band_by_band_give_the_bits_of_their_matrix(monkeypatch):
    profiles = np.random.default_rng(0).random((300, 24))
    labels = labels_of(300, 5)
    matrix = pairs.tile(profiles.astype(np.float32), profiles.astype(np.float32), 0)
    expected = pairs.pairs_of_matrix(matrix, labels).silhouettes()
    for rows in (1, 37, 300):
        monkeypatch.setattr(pairs, "_BAND_ELEMENTS", rows * len(profiles))
        assert pairs.pairs_of_profiles(profiles, labels, threads=2).silhouettes().tobytes() == expected.tobytes()


def test_a_read_only_or_mapped_or_turned_matrix_gives_the_same_bits_and_is_compiled_for_once(tmp_path):
    matrix, labels = distances_of(200), labels_of(200, 4)
    np.save(tmp_path / "matrix.npy", matrix)
    expected, compiled = found(matrix, labels), len(pairs._add.signatures)
    read_only = matrix.copy()
    read_only.flags.writeable = False
    mapped = np.load(tmp_path / "matrix.npy", mmap_mode="r")
    wide = np.zeros((200, 400), dtype=np.float32)
    wide[:, ::2] = matrix
    for other in (read_only, mapped, np.asfortranarray(matrix), wide[:, ::2]):
        assert found(other, labels) == expected
    assert len(pairs._add.signatures) == compiled


def test_the_pass_does_not_copy_the_matrix(tmp_path, monkeypatch):
    np.save(tmp_path / "matrix.npy", distances_of(500))
    mapped = np.load(tmp_path / "matrix.npy", mmap_mode="r")
    monkeypatch.setattr(pairs, "_BAND_ELEMENTS", 100 * len(mapped))
    bands = list(pairs.bands_of(mapped))
    assert [len(band) for band in bands] == [100] * 5
    assert all(np.shares_memory(band, mapped) for band in bands)


def test_a_matrix_stays_as_it_is():
    matrix, labels = distances_of(50), labels_of(50, 3)
    before = matrix.copy()
    found(matrix, labels)
    assert matrix.flags.writeable
    assert np.array_equal(matrix, before)


# --- what is refused


def test_a_matrix_that_was_checked_before_is_not_checked_again():
    broken = distances_of(50)
    broken[3, 4] = np.nan
    labels = labels_of(50, 3)
    for judged in (silhouette_samples, dunn_precomputed):
        judged(broken, labels, checked=True)
        with pytest.raises(ParameterError, match="row 3, column 4"):
            judged(broken, labels)


def test_codes_without_a_cluster_are_refused():
    with pytest.raises(ParameterError, match="codes reach 2, but there are 2 clusters"):
        cluster_sums(LINE, [0, 1, 2, 0], 2)
    with pytest.raises(ParameterError, match="-1 for none, not -2"):
        cluster_sums(LINE, [0, 1, -2, 0], 2)


@pytest.mark.parametrize(("labels", "count"), [([0, 0, 0, -1], "1 cluster "), ([-1, -1, -1, -1], "0 clusters ")])
def test_fewer_than_two_clusters_are_refused(labels, count):
    for judged in (silhouette_samples, dunn_precomputed):
        with pytest.raises(ParameterError, match=f"labels hold {count}where validity needs at least 2"):
            judged(LINE, labels)
