"""The check of a distance matrix: what is refused, wherever it stands, and what is left as it is."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from loadprofiles.distances import square
from loadprofiles.distances.square import checked_distances, frozen
from loadprofiles.errors import ParameterError


def distances_of(n_profiles, dtype=np.float32):
    profiles = np.random.default_rng(0).random((n_profiles, 5))
    return cdist(profiles, profiles).astype(dtype)


# ---- what is refused ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (299, 0), (0, 299), (140, 130), (130, 260), (299, 299)])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1e-30])
def test_a_value_that_is_no_distance_is_refused_wherever_it_stands(dtype, place, bad):
    matrix = distances_of(300, dtype)
    matrix[place] = bad
    message = rf"finite distances of at least 0, not {bad:g} as in row {place[0]}, column {place[1]}\.$"
    for threads in (1, 3):
        with pytest.raises(ParameterError, match=message):
            checked_distances(matrix, threads)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("place", [(0, 1), (1, 0), (299, 0), (140, 130), (130, 260), (299, 298)])
def test_a_value_unlike_its_mirror_image_is_refused_wherever_it_stands(dtype, place):
    matrix = distances_of(300, dtype)
    matrix[place] *= 1.001
    first = f"row {min(place)}, column {max(place)}"
    for threads in (1, 3):
        with pytest.raises(ParameterError, match=f"symmetric, not one triangle only: {first} is"):
            checked_distances(matrix, threads)


def test_a_value_unlike_its_mirror_image_is_named_with_it():
    with pytest.raises(ParameterError, match=r"row 0, column 1 is 2, its mirror image 0\.$"):
        checked_distances(np.float32([[0, 2], [0, 0]]))


def test_a_diagonal_that_is_not_zero_is_refused():
    matrix = distances_of(300)
    matrix[200, 200] = 0.5
    with pytest.raises(ParameterError, match=r"zero diagonal, not 0\.5 as in row 200\."):
        checked_distances(matrix)


def test_the_first_of_several_wrong_values_is_named_and_before_what_else_is_wrong():
    matrix = distances_of(300)
    matrix[2, 2], matrix[3, 4] = 0.5, 7
    matrix[200, 100], matrix[150, 270], matrix[150, 280] = -1, np.nan, -2
    with pytest.raises(ParameterError, match="not nan as in row 150, column 270"):
        checked_distances(matrix, threads=3)


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("shape", [(4, 3), (4,), (0, 0), (2, 2, 2)])
def test_a_matrix_that_is_not_square_is_refused(shape, checked):
    with pytest.raises(ParameterError) as caught:
        checked_distances(np.zeros(shape, np.float32), checked=checked)
    assert str(caught.value) == f"distance matrix must be square, one row a profile, not {shape}."


@pytest.mark.parametrize("checked", [False, True])
@pytest.mark.parametrize("dtype", ["int64", "float16", "bool", np.dtype(np.float32).newbyteorder()])
def test_a_matrix_of_another_type_is_refused(dtype, checked):
    with pytest.raises(ParameterError, match="must be float32 or float64, not "):
        checked_distances(np.zeros((4, 4), dtype), checked=checked)


def test_threads_that_cannot_be_are_refused():
    with pytest.raises(ParameterError, match="threads is 0; it must be 1 or more"):
        checked_distances(distances_of(4), threads=0)


# ---- what is accepted ----


@pytest.mark.parametrize("n_profiles", [1, 2, 127, 128, 129, 256, 300])
def test_distances_and_their_rounding_are_accepted(n_profiles):
    matrix = distances_of(n_profiles)
    upper = np.triu(np.ones(matrix.shape, bool))
    assert checked_distances(matrix, threads=2).tobytes() == matrix.tobytes()
    checked_distances(np.where(upper, matrix, np.nextafter(matrix, np.float32(0))))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_largest_values_and_minus_zero_are_distances(dtype):
    largest = np.finfo(dtype).max
    matrix = np.array([[-0.0, largest], [largest, 0]], dtype)
    assert checked_distances(matrix).tobytes() == matrix.tobytes()


def test_what_was_checked_before_is_not_looked_at_again():
    matrix = np.full((3, 3), np.nan, np.float32)
    assert np.shares_memory(checked_distances(matrix, checked=True), matrix)


# ---- matrices of every make ----


def test_no_matrix_is_copied_or_changed_and_all_are_compiled_for_once(tmp_path):
    matrix = distances_of(200)
    before = matrix.copy()
    np.save(tmp_path / "matrix.npy", matrix)
    wide = np.zeros((200, 400), np.float32)
    wide[:, ::2] = matrix
    for layout in (matrix, matrix.T, wide[:, ::2]):
        checked_distances(layout)
    n_compiled = len(square._find_flaws.signatures)
    read_only, mapped = frozen(matrix), np.load(tmp_path / "matrix.npy", mmap_mode="r")
    for other in (matrix, read_only, mapped, np.load(tmp_path / "matrix.npy", "r+"), matrix.T, wide[:, ::2]):
        found = checked_distances(other)
        assert type(found) is np.ndarray
        assert not found.flags.writeable
        assert np.shares_memory(found, other)
    assert len(square._find_flaws.signatures) == n_compiled
    assert matrix.flags.writeable
    assert (matrix == before).all()


def test_what_is_frozen_is_a_view_that_cannot_be_written_to():
    values = np.zeros(3)
    view = frozen(values)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1
    values[0] = 2
    assert view.tolist() == [2, 0, 0]
