"""The choice of k: the stated rules, on groups that are known; and how much the seed matters."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score

from loadprofiles.choices import K_RULES, MODELS, Grid
from loadprofiles.clustering import ModelSettings, choose_k, fit, selection, stability
from loadprofiles.clustering.pairs import Pairs, pairs_of
from loadprofiles.errors import ParameterError
from loadprofiles.validity import RANKED, rank_table, validity_scores
from tests.clustering.conftest import CELLS, noise

KMEANS = ModelSettings("kmeans")
KMEDOIDS_DTW = ModelSettings("kmedoids", "dtw")


def groups(n_groups, n_each=12, seed=0):
    """Days with a bump at one of some hours, each hour a group."""
    generator = np.random.default_rng(seed)
    centers = np.repeat(np.linspace(3, 20, n_groups), n_each)
    bumps = np.exp(-((np.arange(24) - centers[:, None]) ** 2) / 2)
    values = 0.2 + bumps + 0.05 * generator.random(bumps.shape)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


class TestSilhouette:
    @pytest.mark.parametrize("cell", [c for c in CELLS if c[0] not in ("hdbscan", "kshape")], ids="-".join)
    def test_finds_the_number_of_clear_groups(self, cell):
        # the best of some starts: one of k-medoids or of the mixture can join two of the groups
        k, curve = choose_k(groups(5), ModelSettings(*cell, n_init=5), range(3, 9))
        assert k == 5
        assert curve.columns.tolist() == ["k", "silhouette"]
        assert curve["k"].tolist() == [3, 4, 5, 6, 7, 8]
        assert curve["silhouette"].idxmax() == 2

    def test_works_with_k_shape_too(self, shapes):
        k, curve = choose_k(shapes[0], ModelSettings("kshape"), range(2, 6))
        assert k == 3
        assert curve["k"].tolist() == [2, 3, 4, 5]

    @pytest.mark.parametrize("max_profiles", [1000, 30])
    def test_the_curve_is_that_of_the_clusterings(self, max_profiles):
        profiles = groups(4)
        pairs = pairs_of(np.float32(profiles), 1)
        _, curve = choose_k(profiles, KMEDOIDS_DTW, [3, 4], pairs=pairs, max_profiles=max_profiles)
        rows = selection.random_rows(48, max_profiles, 0)
        square = pairs.square[np.ix_(rows, rows)]
        labels = [fit(profiles[rows], KMEDOIDS_DTW, k).labels for k in (3, 4)]
        expected = [silhouette_score(square, each, metric="precomputed") for each in labels]
        assert curve["silhouette"].tolist() == pytest.approx(expected)

    def test_euclidean_is_judged_by_euclidean_distances(self):
        profiles = groups(4)
        _, curve = choose_k(profiles, KMEANS, [3])
        labels = fit(profiles, KMEANS, 3).labels
        assert curve["silhouette"].tolist() == pytest.approx([silhouette_score(profiles, labels)], abs=1e-5)

    def test_without_distances_those_of_the_sample_are_computed(self):
        profiles = groups(4)
        model = ModelSettings("kmedoids", "dtw", radius=2)
        pairs = pairs_of(np.float32(profiles), 2)
        given = choose_k(profiles, model, [3, 4, 5], pairs=pairs, max_profiles=30)
        computed = choose_k(profiles, model, [3, 4, 5], max_profiles=30)
        assert given[0] == computed[0]
        assert given[1].equals(computed[1])

    def test_of_equally_good_numbers_the_smaller_wins(self, monkeypatch):
        monkeypatch.setattr(selection, "silhouette_samples", lambda _, labels: np.full(len(labels), 0.5))
        assert choose_k(groups(4), KMEANS, [6, 4, 5])[0] == 4

    def test_a_silhouette_better_by_rounding_is_not_better(self, monkeypatch):
        values = {4: 0.5, 5: 0.5 + 5e-7, 6: 0.4}
        monkeypatch.setattr(
            selection, "silhouette_samples", lambda _, labels: np.full(len(labels), values[labels.max() + 1])
        )
        assert choose_k(groups(6), KMEANS, [4, 5, 6])[0] == 4
        values[5] = 0.5 + 1e-5
        assert choose_k(groups(6), KMEANS, [4, 5, 6])[0] == 5

    def test_the_sample_is_of_the_size_asked_and_drawn_by_the_seed(self, monkeypatch):
        sizes = []
        real = selection.fit
        monkeypatch.setattr(
            selection, "fit", lambda profiles, *a, **o: sizes.append(len(profiles)) or real(profiles, *a, **o)
        )
        curves = [
            choose_k(groups(5), ModelSettings("kmeans", seed=seed), [4, 5], max_profiles=20)[1] for seed in (0, 0, 1)
        ]
        assert sizes == [20] * 6
        assert curves[0].equals(curves[1])
        assert not curves[0].equals(curves[2])

    def test_a_model_that_would_draw_a_sample_gets_the_whole_of_this_one(self):
        sampling = ModelSettings("kmedoids", sample_size=9)
        whole = ModelSettings("kmedoids")
        assert choose_k(groups(4), sampling, [3, 4])[1].equals(choose_k(groups(4), whole, [3, 4])[1])

    def test_numbers_are_tried_once_and_in_order(self):
        _, curve = choose_k(groups(4), KMEANS, iter([5, 3, 5, 4]))
        assert curve["k"].tolist() == [3, 4, 5]

    def test_k_stays_below_the_number_of_distinct_profiles(self):
        profiles = np.repeat(groups(5, n_each=1), 4, axis=0)
        k, curve = choose_k(profiles, KMEANS)
        assert curve["k"].tolist() == [3, 4]
        assert k in (3, 4)


class TestRanks:
    @pytest.mark.parametrize("model", [KMEANS, ModelSettings("kmedoids", "dtw", n_init=5)], ids=lambda each: each.model)
    def test_finds_the_number_of_clear_groups(self, model):
        k, curve = choose_k(groups(5), model, range(3, 9), rule="ranks")
        assert k == 5
        assert curve.columns.tolist() == ["k", "silhouette", *RANKED[1:], "mean_rank"]
        assert curve["mean_rank"].idxmin() == 2

    def test_the_ranks_are_those_of_the_indices(self):
        profiles = groups(4)
        k, curve = choose_k(profiles, KMEDOIDS_DTW, range(3, 7), rule="ranks")
        rows = []
        for number in range(3, 7):
            found = fit(profiles, KMEDOIDS_DTW, number)
            rows.append(validity_scores(profiles, found.labels, found.representatives))
        expected = pd.DataFrame(rows)
        for name in RANKED[1:]:
            assert curve[name].tolist() == pytest.approx(expected[name].tolist(), rel=1e-4)
        expected["Silhouette Score"] = curve["silhouette"]
        assert curve["mean_rank"].tolist() == rank_table(expected).tolist()
        assert curve["k"][curve["mean_rank"].idxmin()] == k

    def test_the_silhouette_is_that_of_the_own_metric(self):
        curves = [choose_k(groups(4), KMEDOIDS_DTW, [3, 4], rule=rule)[1]["silhouette"] for rule in K_RULES]
        assert curves[0].tolist() == curves[1].tolist()

    def test_of_equal_mean_ranks_the_smaller_k_wins(self, monkeypatch):
        monkeypatch.setattr(selection, "rank_table", lambda table, _: pd.Series([2.5, 1.5, 1.5], table.index))
        assert choose_k(groups(4), KMEANS, [5, 4, 3], rule="ranks")[0] == 4


@pytest.mark.parametrize(
    ("model", "options", "message"),
    [
        (KMEANS, {"k_values": [1, 2]}, r"k_values are \[1, 2\]; they must be numbers of clusters, each at least 2"),
        (KMEANS, {"k_values": []}, r"k_values are \[\]"),
        (
            KMEANS,
            {"k_values": [9, 10]},
            "smallest number of clusters to try is 9, but there are only 8 distinct profiles; at least 10",
        ),
        (KMEANS, {"max_profiles": 2}, "max_profiles is 2; it must be at least 3"),
        (KMEANS, {"rule": "elbow"}, "k_rule is 'elbow'; it must be one of silhouette, ranks"),
        (ModelSettings("k-means"), {}, "model is 'k-means'"),
        (ModelSettings("som", "dtw"), {}, "distance_metric is 'dtw'; of som it must be euclidean"),
        (ModelSettings("hdbscan"), {}, "the number of clusters is set by hdbscan itself; there is none to choose"),
        (ModelSettings("som", som_grid=Grid(2, 2)), {}, "the number of clusters is set by som_grid 2x2; there is none"),
        (
            KMEDOIDS_DTW,
            {"pairs": Pairs(np.zeros((3, 3), np.float32))},
            "the distances are of 3 profiles, but 8 are to be clustered",
        ),
    ],
)
def test_values_that_cannot_be_used_are_named(model, options, message):
    with pytest.raises(ParameterError, match=message):
        choose_k(groups(8, n_each=1), model, **options)


def test_a_nan_is_refused():
    profiles = groups(8, n_each=1)
    profiles[5, 0] = np.nan
    with pytest.raises(ParameterError, match="profiles hold 1 NaN values, the first in row 5"):
        choose_k(profiles, KMEANS)


class TestStability:
    @pytest.mark.parametrize("model", [model for model in MODELS if model != "hdbscan"])
    def test_clear_shapes_are_found_from_any_seed(self, model, shapes):
        settings = ModelSettings(model, seed=3, n_init=10)
        table = stability(shapes[0], settings, fit(shapes[0], settings, 3), 2)
        assert table.columns.tolist() == ["seed", "other_seed", "adjusted_rand"]
        assert table[["seed", "other_seed"]].to_numpy().tolist() == [[3, 4], [3, 5], [4, 5]]
        assert table["adjusted_rand"].tolist() == [1, 1, 1]

    def test_it_is_the_adjusted_rand_index_of_each_pair(self):
        profiles, settings = noise(60), ModelSettings("kmeans", n_init=1)
        table = stability(profiles, settings, fit(profiles, settings, 6), 3)
        labels = [fit(profiles, ModelSettings("kmeans", n_init=1, seed=seed), 6).labels for seed in range(4)]
        expected = [adjusted_rand_score(*pair) for pair in combinations(labels, 2)]
        assert table["adjusted_rand"].tolist() == expected
        assert min(expected) < 0.9

    def test_without_further_seeds_there_are_no_pairs(self, shapes, found):
        table = stability(shapes[0], KMEANS, found["kmeans", "euclidean"], 0)
        assert table.empty
        assert table.columns.tolist() == ["seed", "other_seed", "adjusted_rand"]

    def test_the_distances_given_are_used(self, monkeypatch):
        profiles = groups(3)
        pairs = pairs_of(np.float32(profiles), 1)
        first = fit(profiles, KMEDOIDS_DTW, 3, pairs)
        used = []
        real = selection.fit
        monkeypatch.setattr(selection, "fit", lambda *a: used.append(a[3]) or real(*a))
        stability(profiles, KMEDOIDS_DTW, first, 2, pairs)
        assert [each is pairs for each in used] == [True, True]
