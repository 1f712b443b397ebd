"""Every model on profiles with known groups, against other libraries, and on awkward profiles."""

import warnings
from itertools import product

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import squareform
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from loadprofiles.choices import DISTANCE_METRICS, MODELS
from loadprofiles.clustering import assign, fit, models
from loadprofiles.clustering.models import lloyd_dtw
from loadprofiles.distances import cross, pairwise
from loadprofiles.errors import ParameterError

with warnings.catch_warnings():
    # tslearn says so on import; its hdf5 files are not used here.
    warnings.filterwarnings("ignore", message=r"\s*h5py not installed")
    from tslearn.barycenters import dtw_barycenter_averaging
    from tslearn.clustering import TimeSeriesKMeans

PAIRS = list(product(MODELS, DISTANCE_METRICS))
KINDS = {
    ("kmeans", "euclidean"): "centroid",
    ("kmeans", "dtw"): "barycenter",
    ("kmedoids", "euclidean"): "medoid",
    ("kmedoids", "dtw"): "medoid",
}


def normalised(values):
    values = np.asarray(values, float)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def three_groups(n_each=25, seed=0):
    """Days with a bump at 07:00, 13:00 and 20:00, an hour early or late, and which is which."""
    generator = np.random.default_rng(seed)
    truth = np.repeat([0, 1, 2], n_each)
    centers = np.array([7, 13, 20])[truth] + generator.integers(-1, 2, truth.size)
    hours = np.arange(24)
    bumps = np.exp(-((hours - centers[:, None]) ** 2) / 4)
    return normalised(0.2 + bumps + 0.02 * generator.random(bumps.shape)), truth


def noise(n, seed=0, points=24):
    return normalised(np.random.default_rng(seed).random((n, points)))


def fitted(profiles, model, distance_metric, k, **options):
    matrix = squareform(pairwise(profiles)) if (model, distance_metric) == ("kmedoids", "dtw") else None
    return fit(profiles, model, distance_metric, k, dtw_matrix=matrix, **options)


@pytest.mark.parametrize(("model", "metric"), PAIRS)
class TestEveryModel:
    def test_finds_three_groups_in_order_of_their_peaks(self, model, metric):
        profiles, truth = three_groups()
        shuffled = np.random.default_rng(1).permutation(truth.size)
        found = fitted(profiles[shuffled], model, metric, 3, n_init=10)
        assert found.labels.tolist() == truth[shuffled].tolist()
        assert [name.split()[0] for name in found.names] == ["morning", "midday", "evening"]

    def test_says_what_it_is(self, model, metric):
        found = fitted(noise(40), model, metric, 5)
        assert (found.model, found.distance_metric, found.n_clusters) == (model, metric, 5)
        assert found.kind == KINDS[model, metric]
        assert found.labels.dtype == np.int64
        assert found.representatives.shape == (5, 24)
        assert found.representatives.dtype == np.float64
        assert len(set(found.names)) == 5

    def test_distances_and_inertia_are_to_the_own_representative(self, model, metric):
        profiles = noise(60)
        found = fitted(profiles, model, metric, 4)
        every = cross(profiles, found.representatives, 1 if metric == "dtw" else 0)
        own = every[np.arange(60), found.labels]
        assert found.distances == pytest.approx(own, abs=1e-6)
        assert found.inertia == pytest.approx((own**2 if model == "kmeans" else own).sum(), rel=1e-5)

    def test_assign_puts_the_training_profiles_where_fit_did(self, model, metric):
        profiles = noise(60)
        found = fitted(profiles, model, metric, 4)
        labels, distances = assign(profiles, found)
        assert labels.tolist() == found.labels.tolist()
        assert distances == pytest.approx(found.distances, abs=1e-6)

    def test_the_same_seed_gives_the_same_clusters(self, model, metric):
        profiles = noise(60)
        first, second = (fitted(profiles, model, metric, 6, seed=3) for _ in range(2))
        assert first.labels.tolist() == second.labels.tolist()
        assert first.representatives.tolist() == second.representatives.tolist()

    def test_more_starts_are_never_worse(self, model, metric):
        profiles = noise(60)
        losses = [fitted(profiles, model, metric, 6, n_init=n).inertia for n in (1, 5, 20)]
        assert losses == sorted(losses, reverse=True)

    def test_as_many_clusters_as_distinct_profiles_among_duplicates(self, model, metric):
        profiles = np.repeat(np.eye(24)[[2, 8, 13, 20]], [1, 5, 2, 30], axis=0)
        found = fitted(profiles, model, metric, 4)
        assert sorted(np.bincount(found.labels).tolist()) == [1, 2, 5, 30]
        assert found.inertia == pytest.approx(0, abs=1e-6)

    @settings(max_examples=25, deadline=None)
    @given(
        rows=st.lists(st.lists(st.integers(0, 1), min_size=4, max_size=4), min_size=3, max_size=14),
        k=st.integers(2, 4),
        seed=st.integers(0, 100),
    )
    def test_few_distinct_profiles_leave_no_cluster_empty_and_nothing_nan(self, model, metric, rows, k, seed):
        profiles = np.array(rows, float)
        n_distinct = len(np.unique(profiles, axis=0))
        if n_distinct < k:
            with pytest.raises(ParameterError, match=f"there are only {n_distinct} distinct profiles"):
                fitted(profiles, model, metric, k, seed=seed)
            return
        found = fitted(profiles, model, metric, k, seed=seed)
        assert (np.bincount(found.labels, minlength=k) > 0).all()
        assert np.isfinite(found.representatives).all()
        assert np.isfinite(found.distances).all()

    @pytest.mark.parametrize("points", [1, 5, 96])
    def test_any_number_of_points_a_day(self, model, metric, points):
        profiles = np.random.default_rng(0).random((12, points))
        assert fitted(profiles, model, metric, 3).representatives.shape == (3, points)


class TestKmeansEuclidean:
    def test_is_scikit_learns_with_random_starts(self):
        profiles = noise(200).astype(np.float32).astype(float)
        found = fit(profiles, "kmeans", "euclidean", 5)
        theirs = KMeans(5, init="random", n_init=10, random_state=0).fit(profiles)
        assert adjusted_rand_score(theirs.labels_, found.labels) == 1
        assert found.inertia == pytest.approx(theirs.inertia_, rel=1e-9)
        assert sorted(found.representatives.tolist()) == sorted(theirs.cluster_centers_.tolist())


class TestKmeansDtw:
    # No band in the next two: the averaging of tslearn 0.10 takes a band and does not keep to it.
    @pytest.mark.parametrize("turns", [1, 2, 5])
    def test_one_cluster_without_a_band_is_tslearns_barycenter(self, turns):
        for seed in range(3):
            profiles = noise(20, seed)
            ours = lloyd_dtw(profiles.astype(np.float32), profiles[:1], None, max_iter=turns)
            theirs = dtw_barycenter_averaging(profiles, init_barycenter=profiles[0][:, None], max_iter=turns, tol=0)
            assert ours.representatives[0] == pytest.approx(theirs[:, 0], abs=1e-5)

    def test_without_a_band_it_is_no_worse_than_tslearns_from_the_same_start(self):
        ratios = []
        for seed in range(6):
            profiles = noise(60, seed)
            ours = lloyd_dtw(profiles.astype(np.float32), profiles[:4], None)
            estimator = TimeSeriesKMeans(4, metric="dtw", init=profiles[:4, :, None], max_iter=50, random_state=0).fit(
                profiles[:, :, None]
            )
            ratios.append(ours.inertia / (estimator.inertia_ * 60))
        # From one start the two may end in different local optima; on the whole ours must not be worse.
        assert np.mean(ratios) <= 1.01
        assert max(ratios) <= 1.05

    def test_every_turn_lessens_the_inertia(self):
        profiles = noise(80).astype(np.float32)
        inertias = [lloyd_dtw(profiles, profiles[:5], 1, max_iter=turns).inertia for turns in range(12)]
        assert inertias == sorted(inertias, reverse=True)
        assert inertias[-1] < inertias[0]

    def test_without_a_band_around_the_diagonal_it_is_plain_k_means(self):
        profiles = noise(80).astype(np.float32)
        ours = lloyd_dtw(profiles, profiles[:5], 0, max_iter=300)
        theirs = KMeans(5, init=profiles[:5].astype(float), n_init=1, max_iter=300, tol=0).fit(profiles.astype(float))
        assert ours.inertia == pytest.approx(theirs.inertia_, rel=1e-5)

    def test_an_empty_cluster_starts_again_from_the_farthest_profile(self):
        profiles = np.array([[0, 0, 0, 0]] * 4 + [[5, 5, 5, 5]], np.float32)
        twins = [[0, 0, 0, 0], [0, 0, 0, 0]]
        found = lloyd_dtw(profiles, twins, 1)
        assert found.labels.tolist() == [0, 0, 0, 0, 1]
        assert found.representatives.tolist() == [[0] * 4, [5] * 4]
        assert found.inertia == 0

    def test_an_empty_cluster_never_takes_the_last_profile_of_another(self):
        profiles = np.array([[0, 0], [0, 0], [1, 1], [9, 9]], np.float32)
        found = lloyd_dtw(profiles, [[0, 0], [0, 0], [5, 5]], 1, max_iter=0)
        assert found.labels.tolist() == [0, 0, 1, 2]
        assert found.representatives.tolist() == [[0, 0], [1, 1], [5, 5]]

    def test_every_start_is_of_distinct_profiles(self, monkeypatch):
        starts = []

        def record(profiles, start, radius):
            starts.append(start)
            return lloyd_dtw(profiles, start, radius)

        monkeypatch.setattr(models, "lloyd_dtw", record)
        profiles = np.repeat(noise(5), [100, 1, 1, 1, 100], axis=0)
        fit(profiles, "kmeans", "dtw", 4, n_init=10)
        assert [len(np.unique(start, axis=0)) for start in starts] == [4] * 10

    @pytest.mark.skipif(numba.config.NUMBA_NUM_THREADS < 2, reason="one processor only")
    def test_does_not_depend_on_the_number_of_threads(self):
        profiles = noise(300)
        together = fit(profiles, "kmeans", "dtw", 5, n_init=2)
        numba.set_num_threads(1)
        try:
            alone = fit(profiles, "kmeans", "dtw", 5, n_init=2)
        finally:
            numba.set_num_threads(numba.config.NUMBA_NUM_THREADS)
        assert together.representatives.tolist() == alone.representatives.tolist()
        assert together.labels.tolist() == alone.labels.tolist()

    def test_a_wider_band_finds_profiles_nearer(self):
        profiles = noise(80)
        assert fit(profiles, "kmeans", "dtw", 5, radius=3).inertia < fit(profiles, "kmeans", "dtw", 5).inertia


class TestKmedoids:
    @pytest.mark.parametrize("metric", DISTANCE_METRICS)
    def test_representatives_are_profiles_of_their_own_cluster(self, metric):
        profiles = noise(60).astype(np.float32)
        found = fitted(profiles, "kmedoids", metric, 4)
        for cluster, representative in enumerate(found.representatives):
            (number,) = np.flatnonzero((profiles == representative).all(axis=1))
            assert found.labels[number] == cluster
            assert found.distances[number] == 0

    def test_without_the_dtw_matrix_it_says_so(self):
        with pytest.raises(ParameterError, match="kmedoids with dtw needs the DTW matrix"):
            fit(noise(10), "kmedoids", "dtw", 2)

    def test_a_matrix_of_other_profiles_is_refused(self):
        with pytest.raises(ParameterError, match="is of 9 profiles, but 10 are to be clustered"):
            fit(noise(10), "kmedoids", "dtw", 2, dtw_matrix=squareform(pairwise(noise(9))))


class TestAssign:
    def test_new_profiles_go_to_the_nearest_representative(self):
        profiles, _ = three_groups()
        new, truth = three_groups(n_each=4, seed=7)
        for model, metric in PAIRS:
            found = fitted(profiles, model, metric, 3, n_init=10)
            labels, distances = assign(new, found)
            assert labels.tolist() == truth.tolist()
            every = cross(new, found.representatives, 1 if metric == "dtw" else 0)
            assert distances.tolist() == every.min(axis=1).tolist()

    def test_uses_the_clusterings_own_metric(self):
        early, late = np.eye(24)[[6]], np.eye(24)[[7]]
        profiles = np.vstack([early, np.eye(24)[[20]]])
        for metric, distance in (("euclidean", np.sqrt(2)), ("dtw", 0.0)):
            _, found = assign(late, fitted(profiles, "kmedoids", metric, 2))
            assert found == pytest.approx([distance])

    def test_the_radius_counts(self):
        found = fit(np.eye(24)[[6, 20]], "kmeans", "dtw", 2)
        later = np.eye(24)[[8]]
        assert assign(later, found, 1)[1] > 0
        assert assign(later, found, 2)[1] == 0

    def test_other_numbers_of_points_are_refused(self):
        found = fit(noise(10), "kmeans", "euclidean", 2)
        with pytest.raises(ParameterError, match="profiles have 96 points and representatives 24"):
            assign(noise(3, points=96), found)


class TestRefusals:
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("kmedioids", "euclidean", 2), "model is 'kmedioids'; it must be one of kmeans, kmedoids"),
            (("kmeans", "cosine", 2), "distance_metric is 'cosine'; it must be one of euclidean, dtw"),
            (("kmeans", "euclidean", 1), "number of clusters is 1; it must be at least 2"),
            (
                ("kmeans", "euclidean", 11),
                "number of clusters is 11, but there are only 10 distinct profiles",
            ),
        ],
    )
    def test_names_and_numbers_that_cannot_be(self, arguments, message):
        with pytest.raises(ParameterError, match=message):
            fit(np.repeat(noise(10), 2, axis=0), *arguments)

    def test_starts_seed_and_points_that_cannot_be(self):
        with pytest.raises(ParameterError, match="n_init is 0"):
            fit(noise(10), "kmeans", "dtw", 2, n_init=0)
        with pytest.raises(ParameterError, match="seed is -1"):
            fit(noise(10), "kmeans", "dtw", 2, seed=-1)
        with pytest.raises(ParameterError, match="profiles have 1441 points"):
            fit(noise(4, points=1441), "kmeans", "euclidean", 2)

    @pytest.mark.parametrize(("model", "metric"), PAIRS)
    def test_a_nan_never_gets_in(self, model, metric):
        profiles = noise(10)
        profiles[4, 3] = np.nan
        with pytest.raises(ParameterError, match="profiles hold 1 NaN values, the first in row 4"):
            fit(profiles, model, metric, 2)
