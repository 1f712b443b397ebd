"""K-medoids on all pairs, and on samples where there are too many."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from loadprofiles.clustering import KMedoids, fasterpam, kmedoids
from loadprofiles.clustering.pairs import pairs_of
from loadprofiles.distances import cross
from loadprofiles.errors import ParameterError
from tests.clustering.conftest import noise

METRICS = {"euclidean": 0, "dtw": 1}
each_metric = pytest.mark.parametrize("metric", METRICS)


@each_metric
class TestAllPairs:
    def test_representatives_are_profiles_of_their_own_cluster(self, metric):
        profiles = np.float32(noise(60))
        found = KMedoids(4, metric=metric).fit(profiles)
        for number, representative in enumerate(found.representatives_):
            (row,) = np.flatnonzero((profiles == representative).all(axis=1))
            assert found.labels_[row] == number
            assert found.distances_[row] == 0

    def test_the_loss_is_the_sum_of_distances(self, metric):
        profiles = noise(60)
        found = KMedoids(4, metric=metric).fit(profiles)
        every = cross(profiles, found.representatives_, METRICS[metric])
        assert found.inertia_ == pytest.approx(every.min(axis=1).sum(), rel=1e-5)

    def test_distances_given_or_computed_give_the_same(self, metric):
        profiles = np.float32(noise(60))
        pairs = pairs_of(profiles, METRICS[metric])
        given_pairs, computed = KMedoids(5, metric=metric).fit(profiles, pairs=pairs), KMedoids(5, metric=metric)
        assert computed.fit(profiles).labels_.tolist() == given_pairs.labels_.tolist()
        assert computed.representatives_.tolist() == given_pairs.representatives_.tolist()
        assert computed.inertia_ == given_pairs.inertia_

    def test_it_is_fasterpams_best_run(self, metric, monkeypatch):
        losses = []

        def record(*arguments, **options):
            medoids, labels, loss = fasterpam(*arguments, **options)
            losses.append(loss)
            return medoids, labels, loss

        monkeypatch.setattr(kmedoids, "fasterpam", record)
        found = KMedoids(6, metric=metric, n_init=7).fit(noise(70))
        assert len(losses) == 7
        assert max(losses) > min(losses) == pytest.approx(found.inertia_, rel=1e-5)

    def test_starts_are_of_distinct_profiles(self, metric):
        profiles = np.repeat(np.eye(24)[[2, 8, 13, 20]], [1, 40, 1, 40], axis=0)
        for init in ("random", "k-means++"):
            found = KMedoids(4, metric=metric, init=init, max_iter=1).fit(profiles)
            assert found.inertia_ == 0
            assert found.n_clusters_ == 4

    def test_a_sample_of_all_is_all(self, metric):
        profiles = noise(40)
        whole = KMedoids(4, metric=metric).fit(profiles)
        for size in (40, 1000):
            sampled = KMedoids(4, metric=metric, sample_size=size).fit(profiles)
            assert sampled.labels_.tolist() == whole.labels_.tolist()


@each_metric
class TestSamples:
    def test_the_loss_is_within_a_few_percent_of_that_on_all_pairs(self, metric):
        profiles = np.float32(noise(300))
        whole = KMedoids(5, metric=metric, n_init=5).fit(profiles)
        ratios = []
        for seed in range(4):
            sampled = KMedoids(5, metric=metric, sample_size=60, n_samples=10, random_state=seed).fit(profiles)
            every = cross(profiles, sampled.representatives_, METRICS[metric])
            assert sampled.inertia_ == pytest.approx(every.min(axis=1).sum(), rel=1e-5)
            ratios.append(sampled.inertia_ / whole.inertia_)
        assert min(ratios) > 0.999
        assert max(ratios) < 1.04

    def test_medoids_are_profiles_of_their_own_cluster(self, metric):
        profiles = np.float32(noise(200))
        found = KMedoids(5, metric=metric, sample_size=40).fit(profiles)
        assert found.n_clusters_ == 5
        for number, representative in enumerate(found.representatives_):
            (row,) = np.flatnonzero((profiles == representative).all(axis=1))
            assert found.labels_[row] == number

    def test_more_samples_are_never_worse(self, metric):
        profiles = noise(200)
        losses = [KMedoids(5, metric=metric, sample_size=20, n_samples=n).fit(profiles).inertia_ for n in (1, 2, 4, 8)]
        assert losses == sorted(losses, reverse=True)
        assert losses[-1] < losses[0]

    def test_each_has_the_best_medoids_so_far_and_no_profile_twice(self, metric, monkeypatch):
        samples = []

        def record(values, radius, threads):
            samples.append(values.tolist())
            return pairs_of(values, radius, threads)

        monkeypatch.setattr(kmedoids, "pairs_of", record)
        profiles = np.float32(np.repeat(noise(60), 3, axis=0))
        found = KMedoids(4, metric=metric, sample_size=15, n_samples=6).fit(profiles)
        assert [len({tuple(row) for row in sample}) for sample in samples] == [15] * 6
        assert all(medoid in samples[-1] for medoid in found.representatives_.tolist())

    def test_distances_given_are_not_needed(self, metric):
        profiles = noise(80)
        pairs = pairs_of(np.float32(profiles), METRICS[metric])
        with_pairs = KMedoids(3, metric=metric, sample_size=30).fit(profiles, pairs=pairs)
        assert with_pairs.inertia_ == KMedoids(3, metric=metric, sample_size=30).fit(profiles).inertia_

    def test_of_few_distinct_profiles_all_are_in_the_sample(self, metric):
        profiles = np.repeat(np.eye(24)[[2, 8, 13, 20]], 20, axis=0)
        found = KMedoids(4, metric=metric, sample_size=10).fit(profiles)
        assert found.inertia_ == 0
        assert np.bincount(found.labels_).tolist() == [20] * 4

    @pytest.mark.parametrize("size", [-1, 0, 3, 4])
    def test_one_that_is_no_larger_than_k_is_refused(self, metric, size):
        with pytest.raises(ParameterError, match=f"sample_size is {size}; it must be more than the 4 clusters"):
            KMedoids(4, metric=metric, sample_size=size).fit(noise(30))

    def test_no_sample_is_refused(self, metric):
        with pytest.raises(ParameterError, match="n_samples is 0; it must be at least 1"):
            KMedoids(4, metric=metric, sample_size=20, n_samples=0).fit(noise(30))


@settings(max_examples=40)
@given(
    hnp.arrays(np.int64, st.tuples(st.integers(4, 14), st.just(3)), elements=st.integers(0, 2)),
    st.sampled_from(list(METRICS)),
    st.integers(0, 50),
)
def test_samples_of_profiles_with_twins_leave_no_cluster_empty(rows, metric, seed):
    profiles = rows.astype(float)
    if len(np.unique(profiles, axis=0)) < 3:
        return
    found = KMedoids(3, metric=metric, sample_size=4, n_samples=3, random_state=seed, threads=1).fit(profiles)
    assert (np.bincount(found.labels_, minlength=found.n_clusters_) > 0).all()
    # Euclidean distance tells all distinct profiles apart
    assert metric == "dtw" or found.n_clusters_ == 3


def test_very_many_profiles_take_memory_for_a_sample_only():
    n, sample_size = 60_000, 200
    profiles = np.random.default_rng(0).random((n, 4))
    estimator = KMedoids(3, sample_size=sample_size, n_samples=2)
    # compiles what it needs
    estimator.fit(profiles[:300])
    tracemalloc.start()
    try:
        estimator.fit(profiles)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # the profiles and the distances to the medoids, some times over in doubles; all pairs would be 14 GB
    assert peak < 10 * n * (4 + 3) * 8
    assert estimator.n_clusters_ == 3
