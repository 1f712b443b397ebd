"""Distances between all profiles, checked once, and the trees built of them, each once."""

import numpy as np
import pytest
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist, squareform

from loadprofiles.clustering import pairs as module
from loadprofiles.clustering.pairs import Pairs, check_fits, pairs_of
from loadprofiles.distances import pairwise
from loadprofiles.errors import ParameterError
from tests.clustering.conftest import noise


def test_radius_0_is_euclidean_and_more_is_dtw():
    profiles = noise(8)
    assert pairs_of(np.float32(profiles), 0).square == pytest.approx(squareform(pdist(profiles)), abs=1e-6)
    for radius in (1, None):
        assert pairs_of(profiles, radius).square.tolist() == squareform(pairwise(profiles, radius)).tolist()
    assert len(pairs_of(profiles, 1)) == 8


def test_those_of_some_profiles_are_theirs():
    pairs = pairs_of(noise(8), 1)
    rows = np.array([1, 4, 6])
    assert pairs.take(rows).square.tolist() == pairs_of(noise(8)[rows], 1).square.tolist()


@pytest.mark.parametrize("kind", ["ward", "average", "complete"])
def test_the_tree_is_scipys_and_built_once(kind, monkeypatch):
    pairs = pairs_of(noise(10), 0)
    expected = linkage(squareform(pairs.square), kind)
    built = []
    monkeypatch.setattr(module, "build_tree", lambda *arguments: built.append(1) or linkage(*arguments))
    assert pairs.tree(kind).tolist() == expected.tolist()
    assert pairs.tree(kind) is pairs.tree(kind)
    assert len(built) == 1


def test_a_tree_from_before_is_taken_as_it_is():
    tree = np.array([[0.0, 1.0, 5.0, 2.0]])
    assert Pairs(np.zeros((2, 2)), {"average": tree}).tree("average") is tree


def test_a_matrix_is_not_copied_and_one_from_a_file_is_a_plain_array(tmp_path):
    np.save(tmp_path / "square.npy", pairs_of(noise(8), 1).square)
    mapped = np.load(tmp_path / "square.npy", mmap_mode="r")
    for checked in (False, True):
        found = Pairs(mapped, checked=checked).square
        assert type(found) is np.ndarray
        assert np.shares_memory(found, mapped)
    own = np.zeros((2, 2), np.float32)
    assert Pairs(own).square is own


def test_what_is_no_distances_is_refused_unless_checked_before():
    with pytest.raises(ParameterError, match=r"not -1 as in row 0, column 1\."):
        Pairs(np.array([[0, -1], [-1, 0]]))
    with pytest.raises(ParameterError, match=r"must be square, one row a profile, not \(2, 3\)"):
        Pairs(np.zeros((2, 3)))
    unread = np.array([[0, -1], [-1, 0]], np.float32)
    assert Pairs(unread, checked=True).square is unread


def test_they_must_be_of_as_many_profiles():
    check_fits(Pairs(np.zeros((3, 3))), 3)
    with pytest.raises(ParameterError, match="the distances are of 3 profiles, but 4 are to be clustered"):
        check_fits(Pairs(np.zeros((3, 3))), 4)
