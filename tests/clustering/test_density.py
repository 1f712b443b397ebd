"""HDBSCAN: the number of clusters is found, and some profiles are in none."""

import numpy as np
import pytest
from sklearn.cluster import HDBSCAN

from loadprofiles.clustering import Hdbscan, fit
from loadprofiles.clustering.pairs import pairs_of
from loadprofiles.distances import cross
from loadprofiles.errors import EmptyResultError, ParameterError
from loadprofiles.representatives import NO_CLUSTER, NO_CLUSTER_NAME
from tests.clustering.conftest import noise, settings_of, three_shapes

METRICS = {"euclidean": 0, "dtw": 1}


@pytest.fixture(scope="module")
def with_strangers():
    """Three shapes, twelve days each, and two days like none of them, the last."""
    strangers = np.eye(24)[[0, 23]]
    return np.vstack([three_shapes()[0], strangers])


@pytest.mark.parametrize("metric", METRICS)
class TestHdbscan:
    def test_finds_the_number_itself_and_leaves_strangers_out(self, metric, with_strangers):
        found = Hdbscan(5, metric=metric).fit(with_strangers)
        assert found.n_clusters_ == 3
        assert found.labels_[-2:].tolist() == [NO_CLUSTER] * 2
        assert np.bincount(found.labels_[:36]).tolist() == [12] * 3

    def test_strangers_are_named_so_and_have_the_distance_to_the_nearest(self, metric, with_strangers):
        found = fit(with_strangers, settings_of("hdbscan", metric), 0)
        assert list(found.clusters.names_of(found.labels)[-2:]) == [NO_CLUSTER_NAME] * 2
        assert NO_CLUSTER_NAME not in found.names
        assert found.n_clusters == len(found.names) == 3
        nearest = cross(with_strangers[-2:], found.representatives, METRICS[metric]).min(axis=1)
        assert found.distances[-2:] == pytest.approx(nearest, rel=1e-6)

    def test_is_scikit_learns_on_the_same_distances(self, metric, with_strangers):
        square = pairs_of(np.float32(with_strangers), METRICS[metric]).square
        theirs = HDBSCAN(min_cluster_size=4, metric="precomputed", copy=True).fit(square)
        assert Hdbscan(4, metric=metric).fit(with_strangers).labels_.tolist() == theirs.labels_.tolist()

    def test_a_new_day_that_is_farther_than_all_members_is_in_no_cluster(self, metric, with_strangers):
        found = Hdbscan(5, metric=metric).fit(with_strangers)
        flat = np.full((1, 24), 24**-0.5)
        assert found.predict(flat).tolist() == [NO_CLUSTER]
        assert (found.transform(flat)[0] > found.reference_.parts["reach"]).all()

    def test_reach_is_the_farthest_member(self, metric, with_strangers):
        found = Hdbscan(5, metric=metric).fit(with_strangers)
        farthest = [found.distances_[found.labels_ == number].max() for number in range(3)]
        assert found.reference_.parts["reach"] == pytest.approx(farthest, rel=1e-6)

    def test_representatives_are_members(self, metric, with_strangers):
        found = Hdbscan(5, metric=metric).fit(with_strangers)
        for number, representative in enumerate(found.representatives_):
            (row,) = np.flatnonzero((np.float32(with_strangers) == representative).all(axis=1))
            assert found.labels_[row] == number

    def test_the_distances_given_are_used_and_not_changed(self, metric, with_strangers):
        pairs = pairs_of(np.float32(with_strangers), METRICS[metric])
        before = pairs.square.copy()
        given = Hdbscan(5, metric=metric).fit(with_strangers, pairs=pairs)
        assert given.labels_.tolist() == Hdbscan(5, metric=metric).fit(with_strangers).labels_.tolist()
        assert (pairs.square == before).all()

    def test_clusters_of_a_sample_take_all_that_they_reach(self, metric):
        profiles, truth = three_shapes(n_each=40)
        found = Hdbscan(5, metric=metric, sample_size=60).fit(profiles)
        assert found.n_clusters_ == 3
        assert found.agreement_ == 1
        inside = found.labels_ != NO_CLUSTER
        assert inside.mean() > 0.8
        assert len(set(zip(found.labels_[inside].tolist(), truth[inside].tolist(), strict=True))) == 3

    def test_without_any_cluster_it_says_what_to_do(self, metric):
        with pytest.raises(EmptyResultError, match="no cluster of 5 or more among 40 profiles; lessen min_cluster_s"):
            Hdbscan(metric=metric).fit(noise(40))


def test_a_greater_least_size_leaves_smaller_groups_out():
    profiles = np.vstack([three_shapes(n_each=20)[0], np.eye(24)[[1] * 6] + 0.02 * noise(6)])
    sizes = {size: np.bincount(Hdbscan(size).fit(profiles).labels_ + 1)[1:].tolist() for size in (5, 12)}
    assert sorted(sizes[5]) == [6, 20, 20, 20]
    assert sorted(sizes[12]) == [20, 20, 20]


def test_by_default_a_cluster_has_a_hundredth_of_all_and_at_least_five(monkeypatch):
    sizes = []

    def record(**options):
        sizes.append(options["min_cluster_size"])
        return HDBSCAN(**options)

    monkeypatch.setattr("loadprofiles.clustering.density.cluster.HDBSCAN", record)
    for n_each in (10, 250):
        Hdbscan().fit(three_shapes(n_each)[0])
    assert sizes == [5, 8]


@pytest.mark.parametrize("size", [-1, 1, 11])
def test_a_least_size_that_no_cluster_can_have_is_refused(size):
    with pytest.raises(ParameterError, match=rf"min_cluster_size is {size}; it must lie in 2\.\.10, the number of"):
        Hdbscan(size).fit(noise(10))


def test_a_sample_size_below_0_is_refused():
    with pytest.raises(ParameterError, match="sample_size is -4"):
        Hdbscan(2, sample_size=-4).fit(noise(30))
