"""Every model by its name: on shapes that are known, on awkward profiles, in any number of threads, kept and read."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from threadpoolctl import threadpool_limits

from loadprofiles import representatives
from loadprofiles.choices import MODELS, Grid
from loadprofiles.clustering import ModelSettings, fit, make_model
from loadprofiles.clustering.pairs import pairs_of
from loadprofiles.distances import cross
from loadprofiles.errors import EmptyResultError, LoadProfilesError, ParameterError
from loadprofiles.normalisation import normalise
from loadprofiles.representatives import NO_CLUSTER, NO_CLUSTER_NAME, read_clusters
from tests.clustering.conftest import CELLS, ON_REPRESENTATIVES, noise, normalised, settings_of, three_shapes

KINDS = {
    ("kmeans", "euclidean"): "centroid",
    ("kmeans", "dtw"): "barycenter",
    ("kmedoids", "euclidean"): "medoid",
    ("kmedoids", "dtw"): "medoid",
    ("agglomerative", "euclidean"): "centroid",
    ("agglomerative", "dtw"): "medoid",
    ("som", "euclidean"): "prototype",
    ("kshape", "euclidean"): "centroid",
    ("hdbscan", "euclidean"): "medoid",
    ("hdbscan", "dtw"): "medoid",
    ("gmm", "euclidean"): "centroid",
}
WITH_K = [cell for cell in CELLS if cell[0] != "hdbscan"]
every_cell = pytest.mark.parametrize("cell", CELLS, ids="-".join)


@every_cell
class TestClearShapes:
    def test_are_found_in_order_of_their_peaks(self, cell, shapes, found):
        assert found[cell].labels.tolist() == shapes[1].tolist()
        assert found[cell].names == ("morning peak", "midday peak", "evening peak")
        assert found[cell].agreement == 1

    def test_result_says_what_it_is(self, cell, found):
        each = found[cell]
        assert (each.clusters.model, each.clusters.distance_metric, each.n_clusters) == (*cell, 3)
        assert each.clusters.kind == each.estimator.kind == KINDS[cell]
        assert each.labels.dtype == np.int64
        assert each.representatives.shape == (3, 24)
        assert each.representatives.dtype == np.float64
        assert (each.clusters.n_points, each.clusters.resolution_minutes) == (24, 60)

    def test_new_days_go_to_the_shape_they_have(self, cell, found):
        new, truth = three_shapes(n_each=4, seed=7)
        # a new day may lie out of hdbscan's reach, but in no other cluster
        labels = found[cell].clusters.reference.assign(new)[0]
        assert labels[labels != NO_CLUSTER].tolist() == truth[labels != NO_CLUSTER].tolist()
        assert np.unique(labels[labels != NO_CLUSTER]).tolist() == [0, 1, 2]
        assert cell[0] == "hdbscan" or NO_CLUSTER not in labels

    def test_kept_clusters_are_read_as_they_were(self, cell, shapes, found, tmp_path):
        profiles, clusters = shapes[0], found[cell].clusters
        folder = clusters.save(tmp_path / "a" / "clusters")
        again = read_clusters(folder)
        assert (again.names, again.kind) == (clusters.names, clusters.kind)
        assert (again.model, again.distance_metric) == cell
        assert (again.reference.rule, again.reference.radius) == (clusters.reference.rule, clusters.reference.radius)
        assert again.reference.representatives.tolist() == clusters.reference.representatives.tolist()
        labels, distances = clusters.reference.assign(profiles)
        again_labels, again_distances = again.reference.assign(profiles)
        assert again_labels.tolist() == labels.tolist()
        assert again_distances.tolist() == distances.tolist()

    def test_nothing_kept_is_pickled(self, cell, found, tmp_path):
        folder = found[cell].clusters.save(tmp_path / "clusters")
        arrays = {path.stem: np.load(path, allow_pickle=False) for path in folder.glob("*.npy")}
        parts = json.loads((folder / "clusters.json").read_text())["parts"]
        assert arrays.keys() == {"representatives", *parts}
        assert all(array.dtype == np.float64 and len(array) == 3 for array in arrays.values())
        assert {path.name for path in folder.iterdir()} == {"clusters.json"} | {f"{name}.npy" for name in arrays}

    def test_days_in_kwh_get_the_clusters_they_were_fitted_to(self, cell, shapes, found):
        energies = shapes[0] * np.random.default_rng(3).uniform(0.01, 400, (len(shapes[0]), 1))
        expected = fit(normalise(energies), settings_of(*cell, n_init=5), 3)
        labels, names, distances = expected.clusters.assign_energies(energies)
        assert labels.tolist() == expected.labels.tolist() == found[cell].labels.tolist()
        assert list(names) == [expected.names[label] for label in labels]
        assert distances == pytest.approx(expected.distances, abs=1e-6)

    def test_a_day_of_zeros_gets_an_answer(self, cell, found):
        labels, names, distances = found[cell].clusters.assign_energies(np.zeros((1, 24)))
        assert list(names) == [(*found[cell].names, NO_CLUSTER_NAME)[labels[0]]]
        assert np.isfinite(distances).all()
        # a day without load is like none of the three: it has length 0, and all others 1
        assert (labels[0] == NO_CLUSTER) == (cell[0] == "hdbscan")

    def test_days_that_cannot_be_compared_are_refused(self, cell, found):
        days = np.ones((5, 24))
        days[3, 2] = np.nan
        with pytest.raises(ParameterError, match="the days' energies hold 1 NaN values, the first in row 3"):
            found[cell].clusters.assign_energies(days)
        with pytest.raises(ParameterError, match="profiles have 96 points and representatives 24"):
            found[cell].clusters.assign_energies(np.ones((2, 96)))


@every_cell
class TestAnyProfiles:
    def test_distances_and_inertia_are_to_the_own_representative(self, cell):
        # among noise hdbscan finds nothing, and k-shape measures otherwise
        profiles = three_shapes(seed=2)[0] if cell[0] == "hdbscan" else noise(60)
        found = fit(profiles, settings_of(*cell), 4)
        every = cross(profiles, found.representatives, 1 if cell[1] == "dtw" else 0)
        if cell[0] == "kshape":
            every = found.clusters.reference.distances(profiles)
        inside = found.labels != NO_CLUSTER
        own = np.where(inside, every[np.arange(len(profiles)), found.labels], every.min(axis=1))
        assert found.distances == pytest.approx(own, abs=1e-6)
        assert found.inertia == pytest.approx((own if cell[0] == "kmedoids" else own**2).sum(), rel=1e-5)

    def test_the_same_seed_gives_the_same_clusters(self, cell):
        profiles = three_shapes(seed=2)[0] if cell[0] == "hdbscan" else noise(60)
        first, second = (fit(profiles, settings_of(*cell, seed=3, sample_size=30), 4) for _ in range(2))
        assert first.labels.tolist() == second.labels.tolist()
        assert first.representatives.tolist() == second.representatives.tolist()
        assert first.names == second.names

    def test_the_number_of_threads_changes_nothing(self, cell, monkeypatch):
        # several batches of few profiles, of which each thread takes some
        monkeypatch.setattr(representatives, "_BATCH", 16)
        profiles = three_shapes(n_each=25, seed=3)[0] if cell[0] == "hdbscan" else noise(75)
        options = {"seed": 5, "init": "k-means++", "n_init": 2}
        alone = fit(profiles, settings_of(*cell, threads=1, **options), 5)
        for threads, blas_threads in ((1, 1), (2, None), (3, 2)):
            with threadpool_limits(blas_threads):
                again = fit(profiles, settings_of(*cell, threads=threads, **options), 5)
            assert again.labels.tobytes() == alone.labels.tobytes()
            assert again.representatives.tobytes() == alone.representatives.tobytes()
            assert again.distances.tobytes() == alone.distances.tobytes()
            assert again.inertia == alone.inertia

    def test_distances_given_are_as_good_as_computed(self, cell):
        profiles = three_shapes(seed=2)[0] if cell[0] == "hdbscan" else noise(60)
        computed = fit(profiles, settings_of(*cell), 4)
        pairs = pairs_of(np.float32(profiles), 1 if cell[1] == "dtw" else 0)
        given_pairs = fit(profiles, settings_of(*cell), 4, pairs)
        assert given_pairs.labels.tolist() == computed.labels.tolist()
        assert given_pairs.representatives.tolist() == computed.representatives.tolist()

    @pytest.mark.parametrize("points", [2, 5, 96])
    def test_a_day_has_any_number_of_points(self, cell, points):
        days = np.repeat(np.eye(points)[[0, 1]], 8, axis=0) if points == 2 else None
        profiles = np.random.default_rng(0).random((16, points)) if days is None else days
        model = settings_of(*cell)
        try:
            found = fit(profiles, model, 2)
        except EmptyResultError:
            assert cell[0] == "hdbscan"
            return
        assert found.representatives.shape[1] == points

    def test_a_nan_never_gets_in(self, cell):
        profiles = noise(10)
        profiles[4, 3] = np.nan
        with pytest.raises(ParameterError, match="profiles hold 1 NaN values, the first in row 4"):
            fit(profiles, settings_of(*cell), 2)

    @settings(max_examples=25)
    @given(
        rows=hnp.arrays(
            np.int64, st.tuples(st.integers(2, 12), st.sampled_from([1, 3, 4])), elements=st.integers(0, 2)
        ),
        zeros=st.integers(0, 2),
        k=st.integers(2, 4),
        seed=st.integers(0, 100),
        sample_size=st.sampled_from([0, 6]),
    )
    def test_whatever_they_are_there_are_whole_clusters_or_one_of_our_errors(
        self, cell, rows, zeros, k, seed, sample_size
    ):
        profiles = np.vstack([rows, rows[:3], np.zeros((zeros, rows.shape[1]), int)]).astype(float)
        model = ModelSettings(*cell, seed=seed, n_init=1, min_cluster_size=2, sample_size=sample_size, threads=1)
        try:
            found = fit(profiles, model, k)
        except LoadProfilesError as error:
            assert "\n" not in str(error)
            n_distinct = len(np.unique(profiles, axis=0))
            assert cell[0] not in ("kmeans", "som", "gmm") or n_distinct < k
            return
        inside = found.labels[found.labels != NO_CLUSTER]
        assert (np.bincount(inside, minlength=found.n_clusters) > 0).all()
        assert found.labels.max() == found.n_clusters - 1 == len(found.names) - 1
        assert cell[0] == "hdbscan" or (inside.size == len(profiles) and found.n_clusters <= k)
        assert np.isfinite(found.representatives).all()
        assert np.isfinite(found.distances).all()
        assert np.isfinite(found.inertia)
        if cell[0] in ON_REPRESENTATIVES:
            assert found.clusters.reference.assign(profiles)[0].tolist() == found.labels.tolist()


@pytest.mark.parametrize("cell", [("kmeans", "euclidean"), ("kmeans", "dtw"), ("kmedoids", "dtw"),
                                  ("agglomerative", "euclidean"), ("agglomerative", "dtw"), ("gmm", "euclidean")],
                         ids="-".join)  # fmt: skip
def test_as_many_clusters_as_distinct_profiles_among_duplicates(cell):
    # no two of them at DTW distance 0
    profiles = np.repeat(np.eye(24)[[2, 8, 13, 20]], [1, 5, 2, 30], axis=0)
    found = fit(profiles, settings_of(*cell), 4)
    assert np.bincount(found.labels).tolist() == [1, 5, 2, 30]
    assert found.inertia == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("cell", WITH_K, ids="-".join)
def test_more_clusters_than_distinct_profiles_are_refused(cell):
    profiles = np.repeat(noise(10), 2, axis=0)
    with pytest.raises(ParameterError, match="number of clusters is 11, but there are only 10 distinct profiles"):
        fit(profiles, settings_of(*cell), 11)
    with pytest.raises(ParameterError, match="number of clusters is 1; it must be at least 2"):
        fit(profiles, settings_of(*cell), 1)


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell[0] in ("kmeans", "kmedoids", "kshape")], ids="-".join)
def test_more_starts_are_never_worse(cell):
    profiles = noise(60)
    losses = [fit(profiles, settings_of(*cell, n_init=n), 6).inertia for n in (1, 5, 20)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("model", ["kmeans", "kmedoids", "kshape", "som", "gmm"])
def test_another_seed_starts_elsewhere(model):
    found = [fit(noise(60), ModelSettings(model, seed=seed, n_init=1), 6) for seed in range(4)]
    assert len({each.labels.tobytes() for each in found}) > 1


# Where two representatives are as near, the first counts; so the order of clusters decides.
@pytest.mark.parametrize(
    ("rows", "model", "k"),
    [
        (
            [[0, 0, 0], [1, 1, 0], [0, 1, 0], [2, 0, 1], [0, 0, 0], [1, 2, 0], [2, 2, 2], [0, 2, 0]],
            ModelSettings("kshape", seed=3, n_init=1),
            4,
        ),
        (
            [[2, 0, 1, 1], [1, 1, 1, 0], [0, 2, 2, 2], [1, 1, 1, 2], [1, 1, 0, 0], [1, 0, 0, 0]],
            ModelSettings("kmeans", "dtw", seed=6, n_init=1),
            4,
        ),
        (
            [[0, 0, 1, 0, 0, 0], [1, 1, 1, 1, 1, 1], [0, 1, 0, 0, 1, 1], [0, 0, 1, 0, 0, 1],
             [1, 1, 0, 1, 1, 1], [1, 0, 1, 0, 1, 1], [1, 1, 1, 1, 1, 0], [0, 1, 0, 1, 1, 0]],
            ModelSettings("agglomerative", "dtw", radius=2, seed=91, linkage="complete", sample_size=4),
            4,
        ),
    ],
    ids=["kshape", "kmeans", "agglomerative"],
)  # fmt: skip
def test_no_cluster_loses_all_its_members_by_being_named(rows, model, k):
    found = fit(np.array(rows, float), model, k)
    assert np.unique(found.labels).tolist() == list(range(found.n_clusters))
    assert len(found.names) == found.n_clusters
    assert found.clusters.reference.assign(np.array(rows, float))[0].tolist() == found.labels.tolist()


def test_settings_reach_the_estimator():
    def made(model, metric="euclidean", **options):
        return make_model(ModelSettings(model, metric, seed=4, threads=1, **options), 6)

    kmeans = made("kmeans", "dtw", init="k-means++", n_init=3, radius=2)
    assert (kmeans.n_clusters, kmeans.metric, kmeans.init, kmeans.n_init, kmeans.radius) == (
        6, "dtw", "k-means++", 3, 2,
    )  # fmt: skip
    kmedoids = made("kmedoids", "dtw", init="k-means++", n_init=2, radius=3, sample_size=50)
    assert (kmedoids.init, kmedoids.n_init, kmedoids.radius, kmedoids.sample_size) == ("k-means++", 2, 3, 50)
    tree = made("agglomerative", linkage="complete", sample_size=40)
    assert (tree.linkage, tree.sample_size) == ("complete", 40)
    assert made("som", som_grid=Grid(2, 3)).grid == Grid(2, 3)
    density = made("hdbscan", "dtw", min_cluster_size=9, sample_size=70, radius=None)
    assert (density.min_cluster_size, density.sample_size, density.radius) == (9, 70, None)
    assert (made("gmm", n_init=2).n_init, made("kshape", n_init=2).n_init) == (2, 2)
    for model in MODELS:
        assert (made(model).random_state, made(model).threads) == (4, 1)


def test_without_a_number_of_starts_each_model_has_its_own():
    own = {model: make_model(ModelSettings(model), 3).n_init for model in ("kmeans", "kmedoids", "kshape", "gmm")}
    assert own == {"kmeans": 10, "kmedoids": 1, "kshape": 3, "gmm": 1}


def test_the_estimator_has_the_same_clusters_in_another_order():
    profiles, _ = three_shapes(seed=5)
    found = fit(profiles, ModelSettings("kmeans"), 3)
    theirs = found.estimator.labels_
    assert len(set(zip(found.labels.tolist(), theirs.tolist(), strict=True))) == 3


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (ModelSettings("kmedioids"), "model is 'kmedioids'; it must be one of kmeans, kmedoids"),
        (ModelSettings("kmeans", "cosine"), "distance_metric is 'cosine'; of kmeans it must be euclidean or dtw"),
        (ModelSettings("som", "dtw"), "distance_metric is 'dtw'; of som it must be euclidean$"),
        (ModelSettings("kmeans", n_init=-1), "n_init is -1; it must be at least 1"),
        (ModelSettings("kmeans", seed=-1), r"seed is -1; it must lie in 0\.\.4294967295"),
        (ModelSettings("kmeans", seed=2**32), "seed is 4294967296"),
        (ModelSettings("kmeans", "dtw", radius=-1), "radius is -1"),
        (ModelSettings("kmeans", "dtw", init="first"), r"init is 'first'; it must be one of random, k-means\+\+"),
        (ModelSettings("kmeans", threads=0), "threads is 0; it must be 1 or more"),
    ],
)
def test_what_cannot_be_is_named(model, message):
    with pytest.raises(ParameterError, match=message):
        fit(noise(10), model, 2)


def test_days_of_more_than_a_point_a_minute_are_refused():
    with pytest.raises(ParameterError, match="profiles have 1441 points; a day has at most 1440"):
        fit(noise(4, points=1441), ModelSettings("kmeans"), 2)


def test_distances_of_other_profiles_are_refused():
    with pytest.raises(ParameterError, match="the distances are of 9 profiles, but 10 are to be clustered"):
        fit(noise(10), ModelSettings("kmedoids"), 2, pairs_of(np.float32(noise(9)), 0))


def test_normalised_noise_has_length_one():
    assert np.linalg.norm(normalised([[3, 4], [0, 2]]), axis=1).tolist() == [1, 1]
