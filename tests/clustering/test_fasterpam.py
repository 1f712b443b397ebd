"""FasterPAM against the authors' package, against all possibilities, and on twins."""

from itertools import combinations

import kmedoids
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from loadprofiles.clustering.fasterpam import check_matrix, fasterpam
from loadprofiles.errors import ParameterError


def distances_of(points):
    return squareform(pdist(np.asarray(points, float).reshape(len(points), -1))).astype(np.float32)


def random_distances(n, seed=0):
    return distances_of(np.random.default_rng(seed).random((n, 5)))


def loss_of(matrix, medoids):
    return float(matrix[list(medoids)].min(axis=0).sum())


def test_two_groups_on_a_line_get_a_medoid_each_wherever_it_starts():
    matrix = distances_of([0, 1, 2, 10, 11, 12])
    for start in combinations(range(6), 2):
        medoids, labels, loss = fasterpam(matrix, np.array(start))
        assert sorted(medoids.tolist()) == [1, 4]
        assert loss == 4
        assert len(set(labels[:3].tolist())) == len(set(labels[3:].tolist())) == 1


@pytest.mark.parametrize("k", [2, 3, 7, 20])
@pytest.mark.parametrize("seed", range(5))
def test_reaches_the_loss_of_the_authors_package_from_the_same_start(k, seed):
    matrix = random_distances(150, seed)
    start = np.random.default_rng(seed).choice(150, k, replace=False)
    _, _, loss = fasterpam(matrix, start)
    theirs = kmedoids.fasterpam(matrix, start.copy(), n_cpu=1)
    assert loss == pytest.approx(theirs.loss, rel=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_no_single_swap_improves_what_it_returns(seed, k):
    matrix = random_distances(12, seed)
    medoids, labels, loss = fasterpam(matrix, np.arange(k))
    assert loss == pytest.approx(loss_of(matrix, medoids), rel=1e-6)
    assert (matrix[medoids[labels], np.arange(12)] == matrix[medoids].min(axis=0)).all()
    for slot in range(k):
        for other in set(range(12)) - set(medoids.tolist()):
            swapped = [*medoids[:slot], other, *medoids[slot + 1 :]]
            assert loss_of(matrix, swapped) >= loss * (1 - 1e-6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=3, max_size=12), st.integers(2, 3))
def test_twins_at_distance_zero_never_empty_a_cluster(points, k):
    medoids, labels, loss = fasterpam(distances_of(points), np.arange(k))
    assert len(set(medoids.tolist())) == k
    assert labels[medoids].tolist() == list(range(k))
    assert loss >= 0


def test_all_profiles_as_medoids_have_no_loss():
    _, labels, loss = fasterpam(random_distances(5), np.array([4, 2, 0, 1, 3]))
    assert loss == 0
    assert labels.tolist() == [2, 3, 1, 4, 0]


def test_no_round_leaves_the_start_and_its_assignment():
    start = np.array([0, 1])
    medoids, labels, loss = fasterpam(distances_of([0, 1, 2, 10]), start, max_iter=0)
    assert medoids.tolist() == [0, 1]
    assert labels.tolist() == [0, 1, 1, 1]
    assert loss == 10


def test_the_start_is_not_changed():
    start = np.array([0, 1])
    fasterpam(distances_of([0, 1, 10, 11]), start)
    assert start.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("medoids", "message"),
    [
        ([0], r"must be 2 to 4 profiles, found shape \(1,\)"),
        ([0, 1, 2, 3, 3], r"found shape \(5,\)"),
        ([[0, 1]], r"found shape \(1, 2\)"),
        ([1, 1], r"different numbers in 0\.\.3, found \[1, 1\]"),
        ([0, 4], r"found \[0, 4\]"),
        ([-1, 0], r"found \[-1, 0\]"),
    ],
)
def test_medoids_that_cannot_be_are_named(medoids, message):
    with pytest.raises(ParameterError, match=message):
        fasterpam(random_distances(4), np.array(medoids))


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((2, 3)), r"must be square, found shape \(2, 3\)"),
        (np.zeros((0, 0)), r"found shape \(0, 0\)"),
        (np.zeros(4), r"found shape \(4,\)"),
        ([[0, np.nan], [np.nan, 0]], "NaN or infinite values in 2 rows"),
        ([[0, np.inf], [1, 0]], "NaN or infinite values in 1 rows"),
        ([[0, -1], [-1, 0]], "negative values, the least is -1"),
        ([[0, 1], [1, 0.5]], "diagonal that is not zero"),
    ],
)
def test_matrices_that_are_no_distances_are_named(matrix, message):
    with pytest.raises(ParameterError, match=message):
        check_matrix(np.asarray(matrix, np.float32))
