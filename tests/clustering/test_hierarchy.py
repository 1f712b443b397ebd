"""Agglomerative clustering against scipy and scikit-learn, and cuts through trees with ties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.cluster.hierarchy import fcluster, is_valid_linkage
from scipy.spatial.distance import squareform
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from loadprofiles.clustering import Agglomerative, Pairs
from loadprofiles.clustering.hierarchy import cut, resolved_linkage
from loadprofiles.clustering.pairs import pairs_of
from loadprofiles.errors import ParameterError
from tests.clustering.conftest import noise

LINKAGES = ("ward", "average", "complete")


@st.composite
def tied_trees(draw):
    n = draw(st.integers(2, 12))
    condensed = draw(hnp.arrays(np.int64, n * (n - 1) // 2, elements=st.integers(0, 3)))
    return Pairs(squareform(condensed).astype(np.float32)).tree(draw(st.sampled_from(LINKAGES)))


class TestCut:
    @settings(max_examples=150)
    @given(tied_trees())
    def test_gives_exactly_as_many_clusters_as_asked_and_each_divides_one_before(self, tree):
        n = len(tree) + 1
        before = cut(tree, 1)
        assert before.tolist() == [0] * n
        for k in range(2, n + 1):
            labels = cut(tree, k)
            assert labels.dtype == np.int64
            assert np.unique(labels).tolist() == list(range(k))
            assert len(set(zip(before.tolist(), labels.tolist(), strict=True))) == k
            before = labels

    @pytest.mark.parametrize("linkage", LINKAGES)
    def test_without_ties_it_is_scipys(self, linkage):
        tree = pairs_of(np.float32(noise(50)), 0).tree(linkage)
        for k in (1, 2, 3, 7, 20, 50):
            assert adjusted_rand_score(fcluster(tree, k, "maxclust"), cut(tree, k)) == 1

    def test_with_ties_scipys_gives_fewer(self):
        tree = Pairs(np.float32(1 - np.eye(4))).tree("average")
        assert len(set(fcluster(tree, 3, "maxclust"))) == 1
        assert len(set(cut(tree, 3))) == 3


class TestAgglomerative:
    def test_ward_is_scikit_learns(self):
        profiles = np.float32(noise(80))
        for k in (2, 5, 9):
            theirs = AgglomerativeClustering(k, linkage="ward").fit_predict(profiles)
            assert adjusted_rand_score(theirs, Agglomerative(k).fit_predict(profiles)) == 1

    @pytest.mark.parametrize("linkage", ["average", "complete"])
    @pytest.mark.parametrize(("metric", "radius"), [("euclidean", 0), ("dtw", 1)])
    def test_others_are_scikit_learns_on_the_same_distances(self, linkage, metric, radius):
        profiles = np.float32(noise(60))
        square = pairs_of(profiles, radius).square
        theirs = AgglomerativeClustering(4, metric="precomputed", linkage=linkage).fit_predict(square)
        ours = Agglomerative(4, metric=metric, linkage=linkage).fit_predict(profiles)
        assert adjusted_rand_score(theirs, ours) == 1

    def test_representatives_are_means_and_with_dtw_members(self, shapes):
        profiles = np.float32(shapes[0])
        euclidean, dtw = Agglomerative(3).fit(profiles), Agglomerative(3, metric="dtw").fit(profiles)
        assert (euclidean.kind, dtw.kind) == ("centroid", "medoid")
        square = pairs_of(profiles, 1).square
        for number in range(3):
            members = profiles[euclidean.labels_ == number].astype(float)
            assert euclidean.representatives_[number] == pytest.approx(members.mean(axis=0), abs=1e-7)
            (row,) = np.flatnonzero((profiles == dtw.representatives_[number]).all(axis=1))
            own = np.flatnonzero(dtw.labels_ == number)
            sums = square[np.ix_(own, own)].sum(axis=1)
            assert row in own
            assert sums[own == row] == pytest.approx(sums.min())

    def test_the_tree_is_kept_and_one_from_before_is_used(self):
        profiles = np.float32(noise(20))
        pairs = pairs_of(profiles, 0)
        found = Agglomerative(4).fit(profiles, pairs=pairs)
        assert found.tree_ is pairs.tree("ward")
        assert is_valid_linkage(found.tree_)
        assert found.tree_rows_.tolist() == list(range(20))
        assert found.labels_.tolist() == cut(found.tree_, 4).tolist()

    @pytest.mark.parametrize("metric", ["euclidean", "dtw"])
    def test_a_sample_has_the_tree_and_all_have_a_cluster(self, metric, shapes):
        profiles, truth = shapes
        found = Agglomerative(3, metric=metric, sample_size=15).fit(profiles)
        assert len(set(zip(found.labels_.tolist(), truth.tolist(), strict=True))) == 3
        assert found.tree_.shape == (14, 4)
        assert len(found.tree_rows_) == 15
        assert (np.diff(found.tree_rows_) > 0).all()
        assert found.agreement_ == 1
        other = Agglomerative(3, metric=metric, sample_size=15, random_state=1).fit(profiles)
        assert other.tree_rows_.tolist() != found.tree_rows_.tolist()

    def test_distances_given_of_all_do_not_disturb_a_sample(self, shapes):
        alone = Agglomerative(3, sample_size=15).fit(shapes[0])
        with_pairs = Agglomerative(3, sample_size=15).fit(shapes[0], pairs=pairs_of(np.float32(shapes[0]), 0))
        assert with_pairs.labels_.tolist() == alone.labels_.tolist()

    def test_a_sample_with_too_few_distinct_profiles_is_refused(self):
        with pytest.raises(ParameterError, match="number of clusters is 4, but there are only 3 distinct profiles"):
            Agglomerative(4, sample_size=3).fit(noise(30))

    def test_a_sample_size_below_0_is_refused(self):
        with pytest.raises(ParameterError, match="sample_size is -4"):
            Agglomerative(2, sample_size=-4).fit(noise(30))


def test_the_linkage_meant_depends_on_the_metric():
    assert resolved_linkage("auto", "euclidean") == "ward"
    assert resolved_linkage("auto", "dtw") == "average"
    assert resolved_linkage("complete", "dtw") == resolved_linkage("complete", "euclidean") == "complete"


def test_linkages_that_cannot_be_are_refused():
    with pytest.raises(ParameterError, match="linkage ward needs means, which DTW does not have; use average or compl"):
        Agglomerative(2, metric="dtw", linkage="ward").fit(noise(10))
    with pytest.raises(ParameterError, match="linkage is 'single'; it must be one of auto, ward, average, complete"):
        Agglomerative(2, linkage="single").fit(noise(10))
