"""FasterPAM against the authors' package, against all possibilities, on twins, and in any number of threads."""

import sys
from itertools import combinations

import kmedoids
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import pdist, squareform
from sklearn.preprocessing import normalize

from loadprofiles.clustering.fasterpam import fasterpam, states
from loadprofiles.distances.kernels import pairwise
from loadprofiles.distances.square import checked_distances
from loadprofiles.errors import ParameterError
from loadprofiles.profiles import values_of
from loadprofiles.synthetic import ARCHETYPES, daily_profiles, make_meter

# the package has a function of the same name
MODULE = sys.modules[fasterpam.__module__]


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


@pytest.fixture(scope="module")
def daily_profile_distances():
    """DTW distances of three days of a meter of every kind, twice of one of them, and two days without energy."""
    meters = [make_meter(f"M{number}", name, days=3) for number, name in enumerate(ARCHETYPES)]
    kwh = np.concatenate([values_of(daily_profiles(meter, 60)) for meter in meters])
    return squareform(pairwise(normalize(np.concatenate([kwh, kwh[:3], np.zeros((2, 24))]))))


@pytest.mark.parametrize("k", [2, 5, 12])
@pytest.mark.parametrize("seed", range(4))
def test_daily_profiles_have_no_higher_loss_than_from_the_authors_package(daily_profile_distances, k, seed):
    matrix = daily_profile_distances
    # not from twins: each may stand for the other then, and which one does decides what is tried later
    distinct = np.unique(matrix, axis=0, return_index=True)[1]
    start = np.random.default_rng(seed).choice(distinct, k, replace=False)
    medoids, _, loss = fasterpam(matrix, start)
    theirs = kmedoids.fasterpam(matrix, start.copy(), n_cpu=1)
    assert loss <= theirs.loss * (1 + 1e-9)
    assert loss == pytest.approx(loss_of(matrix, medoids), rel=1e-6)


# ---- no better swap ----


@st.composite
def tied_distances(draw):
    """Symmetric matrices of a few small whole numbers, whose sums are exact, and some rows of which are equal."""
    n_profiles, largest = draw(st.integers(3, 10)), draw(st.integers(1, 4))
    elements = st.integers(0, largest)
    matrix = squareform(draw(hnp.arrays(np.int64, n_profiles * (n_profiles - 1) // 2, elements=elements)))
    repeated = draw(st.lists(st.integers(0, n_profiles - 1), max_size=3))
    order = [*range(n_profiles), *repeated]
    return matrix[np.ix_(order, order)].astype(np.float32)


def swaps_of(medoids, n_profiles):
    for other in sorted(set(range(n_profiles)) - set(medoids)):
        for slot in range(len(medoids)):
            yield [*medoids[:slot], other, *medoids[slot + 1 :]]


def check_result(matrix, medoids, labels, loss, tolerance):
    assert loss == pytest.approx(loss_of(matrix, medoids), rel=tolerance)
    assert (matrix[medoids[labels], np.arange(len(matrix))] == matrix[medoids].min(axis=0)).all()
    assert labels[medoids].tolist() == list(range(len(medoids)))
    for swapped in swaps_of(medoids.tolist(), len(matrix)):
        assert loss_of(matrix, swapped) >= loss * (1 - tolerance)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_no_single_swap_improves_what_it_returns(seed, k):
    matrix = random_distances(12, seed)
    check_result(matrix, *fasterpam(matrix, np.arange(k)), 1e-6)


@settings(max_examples=200, deadline=None)
@given(tied_distances(), st.data())
def test_no_single_swap_improves_what_it_returns_where_much_is_tied(matrix, data):
    k = data.draw(st.integers(2, len(matrix)))
    start = data.draw(st.permutations(range(len(matrix))))[:k]
    # the smaller of two whole numbers is smaller by much more than rounding
    check_result(matrix, *fasterpam(matrix, np.array(start)), 0)


def swaps_one_by_one(matrix, start, max_iter):
    """Medoids at the start and after every swap, by the definition: all losses of all swaps of one profile."""
    medoids, since_swap, found = list(start), 0, [list(start)]
    for step in range(max_iter * len(matrix)):
        candidate = step % len(matrix)
        if since_swap == len(matrix):
            break
        since_swap += 1
        if candidate in medoids:
            continue
        losses = [loss_of(matrix, [*medoids[:slot], candidate, *medoids[slot + 1 :]]) for slot in range(len(medoids))]
        if min(losses) < loss_of(matrix, medoids):
            medoids[int(np.argmin(losses))] = candidate
            found.append(list(medoids))
            since_swap = 0
    return found


def test_rounding_makes_no_swap():
    """Twins, of which each can stand for the other; summed up and taken off again, their distances leave a rest."""
    groups = np.repeat(np.arange(4), 10)
    for seed in range(5):
        matrix = squareform(10.0 ** np.random.default_rng(seed).uniform(-9, 9, 40 * 39 // 2)).astype(np.float32)
        matrix[groups[:, None] == groups] = 0
        found = list(states(matrix, np.arange(0, 40, 10), 100, 1))
        assert [state.loss for state in found] == [0]


@settings(max_examples=100, deadline=None)
@given(tied_distances(), st.integers(-20, 20))
def test_every_swap_lessens_the_loss_whatever_the_unit(matrix, exponent):
    losses = [state.loss for state in states(matrix * np.float32(10.0**exponent), np.arange(2), 100, 1)]
    assert (np.diff(losses) < 0).all()


# ---- threads ----


@pytest.fixture(params=[1, 3, 6], ids=lambda profiles: f"{profiles} a thread")
def threads_for_little(request, monkeypatch):
    """A set that few profiles add threads to, for every search."""
    used = set()

    def in_threads(function, tasks, threads):
        used.add(threads)
        return kept(function, tasks, threads)

    kept = MODULE.in_threads
    monkeypatch.setattr(MODULE, "in_threads", in_threads)
    monkeypatch.setattr(MODULE, "_DISTANCES_PER_THREAD", 60 * request.param)
    monkeypatch.setattr(MODULE, "_LEAST_DISTANCES", 60 * request.param)
    return used


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("max_iter", [1, 100])
def test_the_swaps_are_those_of_one_profile_tried_after_the_other(threads_for_little, threads, max_iter):
    for seed in range(8):
        generator = np.random.default_rng(seed)
        matrix = squareform(generator.integers(0, 9, 60 * 59 // 2)).astype(np.float32)
        start = generator.choice(60, 4, replace=False)
        found = [state.medoids.tolist() for state in states(matrix, start, max_iter, threads)]
        assert found == swaps_one_by_one(matrix, start.tolist(), max_iter)
        assert len(found) > 3
    assert max(threads_for_little) == threads


def test_any_number_of_threads_gives_the_same_bits(threads_for_little):
    matrix, start = random_distances(700), np.arange(9)
    medoids, labels, loss = fasterpam(matrix, start, threads=1)
    for threads in (2, 3, 8):
        again = fasterpam(matrix, start, threads=threads)
        assert again[0].tobytes() == medoids.tobytes()
        assert again[1].tobytes() == labels.tobytes()
        assert again[2] == loss
    assert threads_for_little >= {1, 2, 3, 8}


def test_many_profiles_are_shared_among_threads_as_it_is():
    matrix, start = random_distances(2500), np.arange(6)
    one, two = (fasterpam(matrix, start, threads=threads) for threads in (1, 2))
    assert one[0].tobytes() == two[0].tobytes()
    assert one[1].tobytes() == two[1].tobytes()
    assert one[2] == two[2]


def test_threads_that_cannot_be_are_refused():
    with pytest.raises(ParameterError, match="threads is 0; it must be 1 or more"):
        fasterpam(random_distances(4), np.array([0, 1]), threads=0)
    with pytest.raises(ParameterError, match="threads is 0; it must be 1 or more"):
        fasterpam(random_distances(4), np.array([0, 1]), threads=0, checked=True)


# ---- matrices of every make ----


def compiled_types():
    return {name: len(each.signatures) for name, each in vars(MODULE).items() if hasattr(each, "signatures")}


def test_a_mapped_or_read_only_matrix_is_not_compiled_for(tmp_path):
    matrix, start = random_distances(40), np.arange(3)
    expected = fasterpam(matrix, start)
    np.save(tmp_path / "matrix.npy", matrix)
    before = compiled_types()
    assert {"_search", "_swap"} <= before.keys()
    locked = matrix.copy()
    locked.flags.writeable = False
    for other in (locked, np.load(tmp_path / "matrix.npy", mmap_mode="r"), np.load(tmp_path / "matrix.npy", "r+")):
        medoids, labels, loss = fasterpam(other, start)
        assert (medoids.tolist(), labels.tolist(), loss) == (expected[0].tolist(), expected[1].tolist(), expected[2])
    assert compiled_types() == before
    assert matrix.flags.writeable


def test_doubles_and_views_that_are_not_contiguous_are_taken_too():
    matrix, start = random_distances(40), np.arange(3)
    expected = fasterpam(matrix, start)[0].tolist()
    wide = np.zeros((40, 80), np.float32)
    wide[:, ::2] = matrix
    for other in (matrix.astype(np.float64), np.asfortranarray(matrix), wide[:, ::2]):
        assert fasterpam(other, start)[0].tolist() == expected
        assert fasterpam(other, start, checked=True)[0].tolist() == expected


def test_a_checked_matrix_is_not_checked_again():
    matrix = distances_of([0, 1, 2, 10])
    expected = fasterpam(checked_distances(matrix), np.array([0, 1]), checked=True)
    matrix[3, 3] = 0.5
    medoids, _, _ = fasterpam(matrix, np.array([0, 1]), max_iter=0, checked=True)
    assert medoids.tolist() == [0, 1]
    assert expected[2] == 2
    with pytest.raises(ParameterError, match="zero diagonal"):
        fasterpam(matrix, np.array([0, 1]), max_iter=0)


# ---- twins, ends, and what cannot be ----


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
        (np.zeros((2, 3)), r"must be square, one row a profile, not \(2, 3\)"),
        ([[0, 1, 2], [1, 0, np.nan], [2, 3, 0]], "not nan as in row 1, column 2"),
        ([[0, 1, 2], [1, 0, 3], [2, -3, 0]], "not -3 as in row 2, column 1"),
        ([[0, 1, 2], [1, 0.5, 3], [2, 3, 0]], r"zero diagonal, not 0\.5 as in row 1"),
        ([[0, 1, 2], [0, 0, 3], [0, 0, 0]], "not one triangle only: row 0, column 1 is 1, its mirror image 0"),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matrices_that_are_no_distances_are_named(matrix, message, dtype):
    with pytest.raises(ParameterError, match=message):
        fasterpam(np.asarray(matrix, dtype), np.array([0, 1]))
