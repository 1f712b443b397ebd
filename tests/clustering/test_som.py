"""The self-organising map: a line or a grid of neurons, of which those with members are clusters."""

import numpy as np
import pytest

from loadprofiles.choices import Grid
from loadprofiles.clustering import Som, som
from loadprofiles.errors import ParameterError
from tests.clustering.conftest import noise


def test_without_a_grid_the_map_is_a_line():
    found = Som(4).fit(noise(60))
    assert found.weights_.shape == (4, 1, 24)
    assert found.positions_.tolist() == [[0, 0], [1, 0], [2, 0], [3, 0]]


def test_a_grid_counts_and_not_the_number_of_clusters():
    found = Som(17, grid=Grid(2, 3)).fit(noise(90))
    assert found.weights_.shape == (2, 3, 24)
    assert found.n_clusters_ == 6
    assert found.positions_.tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2]]


def test_representatives_are_the_prototypes_of_their_neurons():
    found = Som(grid=Grid(3, 2)).fit(noise(60))
    assert found.positions_.dtype == np.int64
    for (row, column), representative in zip(found.positions_, found.representatives_, strict=True):
        assert representative.tolist() == found.weights_[row, column].tolist()


def test_neurons_without_members_are_no_clusters():
    # a grid that is drawn over two crowds has neurons between them
    profiles = np.vstack([np.eye(24)[[0]] + 0.001 * noise(20), 50 * np.eye(24)[[12]] + 0.001 * noise(20, 1)])
    found = Som(grid=Grid(4, 4), sigma=2).fit(profiles)
    assert found.weights_.shape == (4, 4, 24)
    assert 2 <= found.n_clusters_ < 16
    assert np.unique(found.labels_).tolist() == list(range(found.n_clusters_))
    assert len(found.positions_) == len(found.representatives_) == found.n_clusters_
    assert len(np.unique(found.positions_, axis=0)) == found.n_clusters_
    assert not set(found.labels_[:20].tolist()) & set(found.labels_[20:].tolist())


def test_neighbours_on_a_line_are_alike():
    # peaks all through the day: on a line that is in order, none lies between others that are nearer to each other
    hours = np.random.default_rng(0).uniform(3, 20, 300)
    profiles = np.exp(-((np.arange(24) - hours[:, None]) ** 2) / 18)
    found = Som(6).fit(profiles)
    peaks = found.representatives_.argmax(axis=1)
    assert found.n_clusters_ == 6
    steps = np.sign(np.diff(peaks))
    assert abs(steps.sum()) == 5


def test_a_neighbourhood_wider_than_the_map_is_cut_to_it():
    assert Som(2, sigma=50).fit(noise(20)).n_clusters_ == 2


@pytest.mark.parametrize(("n_profiles", "expected"), [(20, 2_000), (1_000, 5_000), (30_000, 100_000)])
def test_profiles_are_shown_five_times_within_bounds(monkeypatch, n_profiles, expected):
    shown = []

    class Recorder(som.MiniSom):
        def train(self, profiles, iterations, **options):
            shown.append(iterations)
            super().train(profiles, 50, **options)

    monkeypatch.setattr(som, "MiniSom", Recorder)
    profiles = np.random.default_rng(0).random((n_profiles, 3))
    Som(2).fit(profiles)
    Som(2, n_iterations=70).fit(profiles)
    assert shown == [expected, 70]


def test_a_map_with_more_neurons_than_profiles_is_refused():
    with pytest.raises(ParameterError, match="number of clusters is 12, but there are only 10 distinct profiles"):
        Som(grid=Grid(3, 4)).fit(noise(10))
    with pytest.raises(ParameterError, match="number of clusters is 1; it must be at least 2"):
        Som(5, grid=Grid(1, 1)).fit(noise(10))
    with pytest.raises(ParameterError, match="n_iterations is -1"):
        Som(2, n_iterations=-1).fit(noise(10))
