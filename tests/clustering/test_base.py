"""The models as estimators of scikit-learn, and what they share."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone, is_clusterer
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from loadprofiles.choices import Grid
from loadprofiles.clustering import Agglomerative, Gmm, Hdbscan, KMeans, KMedoids, KShape, Pairs, Som
from loadprofiles.clustering.base import check_numbers, distinct_rows, means_of, medoids_of, random_rows
from loadprofiles.errors import ParameterError
from tests.clustering.conftest import OWN_GROUPS

ESTIMATORS = {
    "kmeans": KMeans(3, init="k-means++", n_init=3, random_state=2),
    "kmeans dtw": KMeans(3, metric="dtw", radius=2, n_init=3, threads=1),
    "kmedoids": KMedoids(3, n_init=3),
    "kmedoids dtw": KMedoids(3, metric="dtw", sample_size=20),
    "agglomerative": Agglomerative(3, linkage="complete"),
    "agglomerative dtw": Agglomerative(3, metric="dtw", radius=None),
    "som": Som(3, grid=Grid(3, 1), sigma=0.8),
    "kshape": KShape(3),
    "hdbscan": Hdbscan(5),
    "hdbscan dtw": Hdbscan(5, metric="dtw"),
    "gmm": Gmm(3),
}


@pytest.fixture(params=ESTIMATORS)
def estimator(request):
    return clone(ESTIMATORS[request.param])


class TestEstimator:
    def test_is_a_clusterer_that_clones_with_its_parameters(self, estimator):
        assert is_clusterer(estimator)
        copy = clone(estimator)
        assert copy is not estimator
        assert copy.get_params() == estimator.get_params()
        assert set(vars(estimator)) == set(estimator.get_params())

    def test_parameters_can_be_set_and_fitting_leaves_them(self, estimator, shapes):
        estimator.set_params(random_state=7, threads=2)
        before = estimator.get_params()
        assert (before["random_state"], before["threads"]) == (7, 2)
        assert estimator.fit(shapes[0]).get_params() == before
        with pytest.raises(ValueError, match="Invalid parameter 'clusters'"):
            estimator.set_params(clusters=3)

    def test_fit_predict_is_fit_and_its_labels(self, estimator, shapes):
        labels = estimator.fit_predict(shapes[0])
        assert labels is estimator.labels_
        assert clone(estimator).fit(shapes[0]).labels_.tolist() == labels.tolist()

    def test_what_is_kept_has_the_shapes_it_says(self, estimator, shapes):
        estimator.fit(shapes[0])
        assert estimator.n_clusters_ == 3
        assert estimator.n_features_in_ == 24
        assert estimator.representatives_.shape == (3, 24)
        assert estimator.labels_.shape == estimator.distances_.shape == (36,)
        assert estimator.labels_.dtype == np.int64
        assert estimator.inertia_ > 0

    def test_profiles_fitted_to_are_predicted_where_they_are(self, estimator, shapes):
        labels = estimator.fit(shapes[0]).predict(shapes[0])
        assert labels.tolist() == estimator.labels_.tolist()
        assert estimator.agreement_ == 1

    def test_each_profile_is_predicted_as_it_is_among_all(self, estimator, shapes):
        estimator.fit(shapes[0])
        alone = [estimator.predict(profile[np.newaxis])[0] for profile in shapes[0]]
        assert alone == estimator.labels_.tolist()
        assert estimator.predict(np.asfortranarray(shapes[0])[::-1]).tolist() == alone[::-1]

    def test_transforms_to_distances_of_which_the_own_is_the_least(self, estimator, shapes):
        estimator.fit(shapes[0])
        distances = estimator.transform(shapes[0])
        assert distances.shape == (36, 3)
        assert distances.argmin(axis=1).tolist() == estimator.labels_.tolist()
        assert distances.min(axis=1) == pytest.approx(estimator.distances_, abs=1e-6)

    def test_works_at_the_end_of_a_pipeline(self, estimator, shapes):
        kwh = shapes[0] * np.arange(1, 37)[:, np.newaxis]
        pipeline = make_pipeline(Normalizer(), estimator)
        labels = pipeline.fit_predict(kwh)
        assert len(set(zip(labels.tolist(), shapes[1].tolist(), strict=True))) == 3
        assert pipeline.predict(kwh).tolist() == labels.tolist()
        assert pipeline.transform(kwh).shape == (36, 3)

    def test_says_before_fitting_that_it_is_not_fitted(self, estimator, shapes):
        for method in (estimator.predict, estimator.transform):
            with pytest.raises(NotFittedError, match="is not fitted yet"):
                method(shapes[0])

    def test_what_is_no_table_of_days_is_refused(self, estimator, shapes):
        with pytest.raises(ParameterError, match=r"profiles must be a table .* found shape \(24,\)"):
            estimator.fit(shapes[0][0])
        with pytest.raises(ParameterError, match=r"found shape \(0, 24\)"):
            estimator.fit(shapes[0][:0])
        estimator.fit(shapes[0])
        with pytest.raises(ParameterError, match=r"found shape \(24,\)"):
            estimator.predict(shapes[0][0])
        with pytest.raises(ParameterError, match="profiles have 23 points and representatives 24"):
            estimator.predict(shapes[0][:, 1:])

    def test_a_seed_or_distances_that_do_not_fit_are_refused(self, estimator, shapes):
        with pytest.raises(ParameterError, match="the distances are of 2 profiles, but 36"):
            estimator.fit(shapes[0], pairs=Pairs(np.zeros((2, 2))))
        with pytest.raises(ParameterError, match="seed is -1"):
            estimator.set_params(random_state=-1).fit(shapes[0])

    def test_the_profiles_are_not_changed(self, estimator, shapes):
        profiles = shapes[0].copy()
        profiles.flags.writeable = False
        estimator.fit(profiles).predict(profiles)
        assert (profiles == shapes[0]).all()


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name.split()[0] in OWN_GROUPS])
def test_agreement_is_the_share_that_is_predicted_where_it_was_found(name):
    # a long row of profiles, and some beside its end: the end is nearer to those than to the middle of the row
    row = [(x, 0.0) for x in np.arange(0, 10.1, 0.25)]
    beside = [(10 + 0.1 * x, 3.0) for x in range(8)]
    profiles = np.array(row + beside + [(30.0, 30.0 + 0.1 * x) for x in range(8)])
    estimator = clone(ESTIMATORS[name]).fit(profiles)
    agreeing = estimator.predict(profiles) == estimator.labels_
    assert 0.3 < estimator.agreement_ < 1
    assert estimator.agreement_ == agreeing.mean()
    inside = estimator.labels_ >= 0
    every = estimator.transform(profiles)
    own = np.where(inside, every[np.arange(len(profiles)), estimator.labels_], every.min(axis=1))
    assert estimator.distances_ == pytest.approx(own, abs=1e-6)


@pytest.mark.parametrize("name", ["kmeans", "kmedoids", "agglomerative", "hdbscan"])
def test_a_metric_that_is_not_known_is_refused(name, shapes):
    with pytest.raises(ParameterError, match="metric is 'cosine'"):
        clone(ESTIMATORS[name]).set_params(metric="cosine").fit(shapes[0])


def test_distinct_rows_are_the_first_of_each_in_their_order():
    assert distinct_rows(np.array([[2, 0], [1, 1], [2, 0], [0, 5], [1, 1]])).tolist() == [0, 1, 3]


def test_minus_zero_is_zero():
    assert distinct_rows(np.array([[0.0, 1.0], [-0.0, 1.0]])).tolist() == [0]


def test_numbers_are_checked_by_name():
    check_numbers(3, 3, n_init=1)
    with pytest.raises(ParameterError, match="number of clusters is 1; it must be at least 2"):
        check_numbers(1, 3)
    with pytest.raises(ParameterError, match="number of clusters is 4, but there are only 3 distinct profiles"):
        check_numbers(4, 3)
    with pytest.raises(ParameterError, match="max_iter is 0; it must be at least 1"):
        check_numbers(3, 3, n_init=1, max_iter=0)


def test_means_are_those_of_the_members():
    values = np.array([[0, 2], [4, 4], [2, 4]], np.float32)
    means = means_of(values, np.array([1, 0, 1]), 2)
    assert means.tolist() == [[4, 4], [1, 3]]
    assert means.dtype == np.float64


def test_medoids_are_in_the_middle_of_their_members_only():
    places = np.array([0, 1, 5, 20, 21, 30, 2])
    square = np.abs(places[:, None] - places).astype(np.float32)
    labels = np.array([0, 0, 0, 1, 1, 1, -1])
    assert medoids_of(square, labels, 2).tolist() == [1, 4]


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5))
def test_random_rows_are_different_and_ascending_and_as_many_as_asked(n_profiles, size, seed):
    rows = random_rows(n_profiles, size, seed)
    assert len(rows) == min(size, n_profiles)
    assert (np.diff(rows) > 0).all()
    assert 0 <= rows[0] <= rows[-1] < n_profiles
    assert random_rows(n_profiles, size, seed).tolist() == rows.tolist()
