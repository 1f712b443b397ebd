"""K-means: scikit-learn's with Euclidean distance; with DTW against tslearn, and step by step."""

import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn import cluster
from sklearn.metrics import adjusted_rand_score

from loadprofiles.clustering import KMeans, kmeans
from loadprofiles.clustering.kmeans import lloyd_dtw
from loadprofiles.errors import ParameterError
from loadprofiles.representatives import Reference
from tests.clustering.conftest import noise

with warnings.catch_warnings():
    # tslearn says so on import; its hdf5 files are not used here.
    warnings.filterwarnings("ignore", message=r"\s*h5py not installed")
    from tslearn.barycenters import dtw_barycenter_averaging
    from tslearn.clustering import TimeSeriesKMeans


def inertia_of(profiles, representatives, radius):
    return float(np.square(Reference("dtw", np.asarray(representatives), radius).assign(profiles)[1]).sum())


class TestEuclidean:
    @pytest.mark.parametrize("init", ["random", "k-means++"])
    def test_is_scikit_learns(self, init):
        profiles = noise(200).astype(np.float32).astype(float)
        found = KMeans(5, init=init).fit(profiles)
        theirs = cluster.KMeans(5, init=init, n_init=10, random_state=0).fit(profiles)
        assert adjusted_rand_score(theirs.labels_, found.labels_) == 1
        assert found.inertia_ == pytest.approx(theirs.inertia_, rel=1e-6)
        assert sorted(found.representatives_.tolist()) == sorted(theirs.cluster_centers_.tolist())

    def test_a_radius_means_nothing(self):
        profiles = noise(40)
        assert KMeans(4, radius=3).fit_predict(profiles).tolist() == KMeans(4).fit_predict(profiles).tolist()


class TestAgainstTslearn:
    # No band here: the averaging of tslearn 0.10 takes a band and does not keep to it.
    @pytest.mark.parametrize("turns", [1, 2, 5])
    def test_one_cluster_without_a_band_is_its_barycenter(self, turns):
        for seed in range(3):
            profiles = noise(20, seed)
            ours = lloyd_dtw(np.float32(profiles), profiles[:1], None, max_iter=turns)
            theirs = dtw_barycenter_averaging(profiles, init_barycenter=profiles[0][:, None], max_iter=turns, tol=0)
            assert ours.representatives[0] == pytest.approx(theirs[:, 0], abs=1e-5)

    def test_without_a_band_it_is_no_worse_from_the_same_start(self):
        ratios = []
        for seed in range(3):
            profiles = noise(50, seed)
            ours = lloyd_dtw(np.float32(profiles), profiles[:4], None)
            theirs = TimeSeriesKMeans(4, metric="dtw", init=profiles[:4, :, None], max_iter=50, random_state=0)
            centers = theirs.fit(profiles[:, :, None]).cluster_centers_[:, :, 0]
            ratios.append(ours.inertia / inertia_of(profiles, centers, None))
        # From one start the two may end in different local optima; on the whole ours must not be worse.
        assert np.mean(ratios) <= 1.01
        assert max(ratios) <= 1.05

    def test_inside_a_band_it_is_never_worse_from_the_same_start(self):
        for seed in range(3):
            profiles = noise(50, seed)
            ours = lloyd_dtw(np.float32(profiles), profiles[:4], 1)
            theirs = TimeSeriesKMeans(
                4,
                metric="dtw",
                metric_params={"global_constraint": "sakoe_chiba", "sakoe_chiba_radius": 1},
                init=profiles[:4, :, None],
                max_iter=50,
                max_iter_barycenter=1,
                random_state=0,
            ).fit(profiles[:, :, None])
            ours_again = inertia_of(profiles, ours.representatives, 1)
            assert ours_again == pytest.approx(ours.inertia, rel=1e-6)
            assert ours_again <= inertia_of(profiles, theirs.cluster_centers_[:, :, 0], 1)


class TestLloydDtw:
    def test_every_turn_lessens_the_inertia(self):
        profiles = np.float32(noise(80))
        inertias = [lloyd_dtw(profiles, profiles[:5], 1, max_iter=turns).inertia for turns in range(12)]
        assert inertias == sorted(inertias, reverse=True)
        assert inertias[-1] < 0.9 * inertias[0]

    @settings(max_examples=40)
    @given(
        hnp.arrays(np.int64, st.tuples(st.integers(3, 12), st.integers(1, 5)), elements=st.integers(0, 3)),
        st.sampled_from([0, 1, None]),
    )
    def test_no_turn_raises_it_whatever_is_tied_or_repeated(self, rows, radius):
        profiles = rows.astype(np.float32)
        inertias = [lloyd_dtw(profiles, profiles[:3], radius, turns, threads=1).inertia for turns in range(5)]
        assert inertias == sorted(inertias, reverse=True)

    def test_it_ends_when_nothing_changes(self):
        run = lloyd_dtw(np.eye(6, dtype=np.float32)[[0, 0, 3, 3]], np.eye(6)[[0, 3]], 1)
        assert (run.inertia, run.n_iter) == (0, 0)
        profiles = np.float32(noise(30))
        run = lloyd_dtw(profiles, profiles[:3], 1)
        assert 0 < run.n_iter < 100

    def test_with_radius_0_it_is_plain_k_means(self):
        profiles = np.float32(noise(80))
        ours = lloyd_dtw(profiles, profiles[:5], 0, max_iter=300)
        theirs = cluster.KMeans(5, init=np.float64(profiles[:5]), n_init=1, max_iter=300, tol=0)
        assert ours.inertia == pytest.approx(theirs.fit(np.float64(profiles)).inertia_, rel=1e-5)

    def test_an_empty_cluster_starts_again_from_the_farthest_profile(self):
        profiles = np.array([[0, 0, 0, 0]] * 4 + [[5, 5, 5, 5]], np.float32)
        found = lloyd_dtw(profiles, np.zeros((2, 4)), 1)
        assert found.labels.tolist() == [0, 0, 0, 0, 1]
        assert found.representatives.tolist() == [[0] * 4, [5] * 4]
        assert found.inertia == 0

    def test_an_empty_cluster_never_takes_the_last_profile_of_another(self):
        profiles = np.array([[0, 0], [0, 0], [1, 1], [9, 9]], np.float32)
        found = lloyd_dtw(profiles, [[0, 0], [0, 0], [5, 5]], 1, max_iter=0)
        assert found.labels.tolist() == [0, 0, 1, 2]
        assert found.representatives.tolist() == [[0, 0], [1, 1], [5, 5]]

    def test_several_empty_clusters_take_a_profile_each(self):
        profiles = np.array([[0, 0], [1, 1], [2, 2], [3, 3]], np.float32)
        found = lloyd_dtw(profiles, np.zeros((3, 2)), 1, max_iter=0)
        assert found.representatives.tolist() == [[0, 0], [3, 3], [2, 2]]
        assert found.labels.tolist() == [0, 0, 2, 1]
        assert found.inertia == pytest.approx(2)

    def test_the_start_is_not_changed(self):
        start = np.zeros((2, 2))
        lloyd_dtw(np.array([[0, 0], [4, 4]], np.float32), start, 1)
        assert not start.any()


class TestDtw:
    def test_every_start_is_of_distinct_profiles_and_the_best_run_counts(self, monkeypatch):
        runs = []

        def record(profiles, start, *options):
            runs.append((start, lloyd_dtw(profiles, start, *options)))
            return runs[-1][1]

        monkeypatch.setattr(kmeans, "lloyd_dtw", record)
        profiles = np.repeat(noise(6), [60, 1, 1, 1, 1, 60], axis=0)
        found = KMeans(4, metric="dtw", n_init=8).fit(profiles)
        assert [len(np.unique(start, axis=0)) for start, _ in runs] == [4] * 8
        assert found.inertia_ == pytest.approx(min(run.inertia for _, run in runs), rel=1e-6)

    def test_plus_plus_starts_from_other_profiles_than_random(self, monkeypatch):
        starts = []
        monkeypatch.setattr(kmeans, "lloyd_dtw", lambda *a: starts.append(a[1].tolist()) or lloyd_dtw(*a))
        # a crowd, and three days apart from it: most random starts miss some of those
        profiles = np.vstack([np.eye(24)[[0]] + 0.01 * noise(60), 9 * np.eye(24)[[5, 11, 17]]])
        for init in ("random", "k-means++"):
            KMeans(4, metric="dtw", init=init, n_init=4).fit(profiles)
        apart = [sum(max(profile) > 5 for profile in start) for start in starts]
        assert apart[4:] == [3] * 4
        assert max(apart[:4]) < 3

    def test_a_wider_band_finds_profiles_nearer(self):
        profiles = noise(80)
        near, nearer = (KMeans(5, metric="dtw", radius=radius).fit(profiles).inertia_ for radius in (1, 3))
        assert nearer < near

    def test_different_profiles_at_distance_0_are_one_cluster_or_two(self):
        # a step an interval later is DTW distance 0 away
        profiles = np.array([[0, 1, 1, 1], [0, 0, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]], float)
        found = KMeans(3, metric="dtw").fit(profiles)
        assert found.inertia_ == 0
        assert found.n_clusters_ in (2, 3)
        assert found.labels_[0] != found.labels_[2]
        assert np.unique(found.labels_).tolist() == list(range(found.n_clusters_))
        assert found.predict(profiles).tolist() == found.labels_.tolist()

    def test_very_many_profiles_take_memory_for_profiles_only(self):
        n, k = 200_000, 3
        profiles = np.random.default_rng(0).random((n, 4))
        estimator = KMeans(k, metric="dtw", n_init=1, max_iter=2, init="k-means++")
        # compiles what it needs
        estimator.fit(profiles[:100])
        tracemalloc.start()
        try:
            estimator.fit(profiles)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        # the profiles, and distances to the representatives, some times over in doubles; a pair each would be 160 GB
        assert peak < 10 * n * (4 + k) * 8
        assert estimator.n_clusters_ == k

    @pytest.mark.parametrize("metric", ["euclidean", "dtw"])
    def test_numbers_of_starts_and_turns_that_cannot_be_are_named(self, metric):
        with pytest.raises(ParameterError, match="n_init is 0; it must be at least 1"):
            KMeans(2, metric=metric, n_init=0).fit(noise(10))
        with pytest.raises(ParameterError, match="max_iter is 0; it must be at least 1"):
            KMeans(2, metric=metric, max_iter=0).fit(noise(10))


@pytest.mark.parametrize("metric", ["euclidean", "dtw"])
def test_an_unknown_start_is_named(metric):
    with pytest.raises(ParameterError, match=r"init is 'first'; it must be one of random, k-means\+\+"):
        KMeans(2, metric=metric, init="first").fit(noise(10))
