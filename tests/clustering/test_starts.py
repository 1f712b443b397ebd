"""Starts: drawn from distinct profiles, apart from each other where that is asked."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from loadprofiles.clustering.starts import draw_start
from loadprofiles.errors import ParameterError


def start_of(points, init, k, seed=0, distinct=None):
    values = np.asarray(points, float).reshape(len(points), -1)
    distinct = np.unique(values, axis=0, return_index=True)[1] if distinct is None else distinct
    generator = np.random.default_rng(seed)
    return draw_start(init, generator, np.sort(distinct), k, lambda rows: cdist(values[rows], values))


@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_starts_are_distinct_profiles(init):
    points = np.repeat([0.0, 1.0, 2.0, 30.0], [50, 1, 1, 50])
    for seed in range(30):
        start = start_of(points, init, 3, seed)
        assert start.dtype == np.int64
        assert len(set(points[start])) == 3


@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_all_distinct_profiles_can_be_a_start(init):
    assert sorted(start_of([5, 5, 7, 9, 7], init, 3).tolist()) == [0, 2, 3]


@pytest.mark.parametrize("init", ["random", "k-means++"])
def test_the_generator_decides(init):
    points = np.random.default_rng(0).random((50, 3))
    assert start_of(points, init, 4, seed=3).tolist() == start_of(points, init, 4, seed=3).tolist()
    assert len({tuple(start_of(points, init, 4, seed)) for seed in range(10)}) > 5


def test_plus_plus_takes_one_of_each_group_where_random_does_not():
    # a hundred near 0, and three far from each other and from all
    points = np.append(np.linspace(0, 1, 100), [1000, 2000, 3000])

    def groups(init, seed):
        return len({round(point / 1000) for point in points[start_of(points, init, 4, seed)]})

    assert [groups("k-means++", seed) for seed in range(20)] == [4] * 20
    assert max(groups("random", seed) for seed in range(20)) < 4


def test_plus_plus_draws_in_proportion_to_the_squared_distance():
    starts = [start_of([0, 1, 2], "k-means++", 2, seed).tolist() for seed in range(600)]
    # from 0 the others have the squares 1 and 4; both leave as much, so that the first of two draws counts
    seconds = [second for first, second in starts if first == 0]
    assert len(seconds) > 150
    assert seconds.count(1) / len(seconds) == pytest.approx(1 / 5, abs=0.08)


class Scripted:
    """Draws what it is told, and keeps the chances it was given."""

    def __init__(self, *draws):
        self.draws, self.chances = list(draws), []

    def choice(self, _numbers, _size=None, p=None):
        self.chances.append(p)
        return self.draws.pop(0)


def test_later_draws_go_by_the_nearest_of_those_drawn_so_far():
    values = np.array([[0.0], [1.0], [3.0], [7.0]])
    generator = Scripted(0, np.array([3, 3, 3]), np.array([1, 2, 1]))
    start = draw_start("k-means++", generator, np.arange(4), 3, lambda rows: cdist(values[rows], values))
    # squares from 0: 0, 1, 9, 49; from the nearer of 0 and 7: 0, 1, 9, 0
    assert generator.chances[1].tolist() == pytest.approx([0, 1 / 59, 9 / 59, 49 / 59])
    assert generator.chances[2].tolist() == pytest.approx([0, 0.1, 0.9, 0])
    assert start.tolist() == [0, 3, 2]


def test_plus_plus_keeps_the_better_of_its_draws():
    starts = [start_of([0, 1, 3], "k-means++", 2, seed).tolist() for seed in range(600)]
    # from 0 the point at 1, which leaves more, counts only where both draws are of it: 0.1 * 0.1
    seconds = [second for first, second in starts if first == 0]
    assert len(seconds) > 150
    assert seconds.count(1) / len(seconds) < 0.05


def test_plus_plus_goes_on_where_all_that_is_left_lies_on_those_drawn():
    # as different profiles can under DTW
    generator = np.random.default_rng(0)
    start = draw_start("k-means++", generator, np.arange(5), 4, lambda rows: np.zeros((len(rows), 5), np.float32))
    assert len(set(start.tolist())) == 4


def test_distances_in_single_precision_do_not_overflow():
    distances = np.full((4, 4), 1e30, np.float32) * (1 - np.eye(4, dtype=np.float32))
    start = draw_start("k-means++", np.random.default_rng(0), np.arange(4), 3, lambda rows: distances[rows])
    assert len(set(start.tolist())) == 3


def test_an_unknown_start_is_named():
    with pytest.raises(ParameterError, match=r"init is 'kmeans\+\+'; it must be one of random, k-means\+\+"):
        start_of([0, 1, 2], "kmeans++", 2)
