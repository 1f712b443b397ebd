"""The choice of k: the stated rule, on groups that are known."""

from itertools import product

import numpy as np
import pytest
from scipy.spatial.distance import squareform
from sklearn.metrics import silhouette_score

from loadprofiles.choices import DISTANCE_METRICS, MODELS
from loadprofiles.clustering import choose_k, fit, selection
from loadprofiles.distances import pairwise
from loadprofiles.errors import ParameterError


def groups(n_groups, n_each=12, seed=0):
    """Days with a bump at one of some hours, each hour a group."""
    generator = np.random.default_rng(seed)
    centers = np.repeat(np.linspace(3, 20, n_groups), n_each)
    bumps = np.exp(-((np.arange(24) - centers[:, None]) ** 2) / 2)
    values = 0.2 + bumps + 0.05 * generator.random(bumps.shape)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


@pytest.mark.parametrize(("model", "metric"), list(product(MODELS, DISTANCE_METRICS)))
def test_finds_the_number_of_clear_groups(model, metric):
    k, curve = choose_k(groups(5), model, metric, range(3, 9))
    assert k == 5
    assert curve.columns.tolist() == ["k", "silhouette"]
    assert curve["k"].tolist() == [3, 4, 5, 6, 7, 8]
    assert curve["silhouette"].idxmax() == 2


def test_the_curve_is_the_silhouette_of_the_clusterings():
    profiles = groups(4)
    matrix = squareform(pairwise(profiles))
    _, curve = choose_k(profiles, "kmedoids", "dtw", [3, 4], dtw_matrix=matrix)
    expected = [
        silhouette_score(matrix, fit(profiles, "kmedoids", "dtw", k, dtw_matrix=matrix).labels, metric="precomputed")
        for k in (3, 4)
    ]
    assert curve["silhouette"].tolist() == pytest.approx(expected)


def test_euclidean_is_judged_by_euclidean_distances():
    profiles = groups(4)
    _, curve = choose_k(profiles, "kmeans", "euclidean", [3])
    labels = fit(profiles, "kmeans", "euclidean", 3).labels
    assert curve["silhouette"].tolist() == pytest.approx([silhouette_score(profiles, labels)], abs=1e-5)


def test_without_a_matrix_the_dtw_distances_of_the_sample_are_computed():
    profiles = groups(4)
    matrix = squareform(pairwise(profiles, 2))
    with_matrix = choose_k(profiles, "kmedoids", "dtw", [3, 4, 5], dtw_matrix=matrix, radius=2, max_profiles=30)
    without = choose_k(profiles, "kmedoids", "dtw", [3, 4, 5], radius=2, max_profiles=30)
    assert with_matrix[0] == without[0]
    assert with_matrix[1].equals(without[1])


def test_of_equally_good_numbers_the_smaller_wins(monkeypatch):
    monkeypatch.setattr(selection, "silhouette_score", lambda *_, **__: 0.5)
    assert choose_k(groups(4), "kmeans", "euclidean", [6, 4, 5])[0] == 4


def test_the_sample_is_of_the_size_asked_and_drawn_by_the_seed(monkeypatch):
    sizes = []
    real = selection.fit
    monkeypatch.setattr(
        selection, "fit", lambda profiles, *a, **o: sizes.append(len(profiles)) or real(profiles, *a, **o)
    )
    curves = [choose_k(groups(5), "kmeans", "euclidean", [4, 5], max_profiles=20, seed=seed)[1] for seed in (0, 0, 1)]
    assert sizes == [20] * 6
    assert curves[0].equals(curves[1])
    assert not curves[0].equals(curves[2])


def test_k_stays_below_the_number_of_distinct_profiles():
    profiles = np.repeat(groups(5, n_each=1), 4, axis=0)
    k, curve = choose_k(profiles, "kmeans", "euclidean")
    assert curve["k"].tolist() == [3, 4]
    assert k in (3, 4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k_values": [1, 2]}, r"k_values are \[1, 2\]"),
        ({"k_values": []}, r"k_values are \[\]"),
        (
            {"k_values": [9, 10]},
            "smallest number of clusters to try is 9, but there are only 8 distinct profiles; at least 10",
        ),
        ({"max_profiles": 2}, "max_profiles is 2"),
        ({"model": "som"}, "model is 'som'"),
        ({"distance_metric": "cosine"}, "distance_metric is 'cosine'"),
        (
            {"distance_metric": "dtw", "dtw_matrix": np.zeros((3, 3), np.float32)},
            "is of 3 profiles, but 8 are",
        ),
    ],
)
def test_values_that_cannot_be_used_are_named(options, message):
    arguments = {"model": "kmeans", "distance_metric": "euclidean"} | options
    with pytest.raises(ParameterError, match=message):
        choose_k(groups(8, n_each=1), **arguments)
