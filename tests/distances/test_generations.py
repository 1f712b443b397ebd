"""Names, keys and tiles: every pair lies in one tile, and what is stored says what it is."""

import hashlib
import json
import struct

import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles import __version__
from loadprofiles.distances import generations, kernels
from loadprofiles.distances.generations import (
    Matrix,
    MatrixParameters,
    Tile,
    TileTask,
    compute_tile,
    digest_of,
    profile_keys,
)
from loadprofiles.distances.place import Place
from loadprofiles.errors import LoadProfilesError, ParameterError
from tests.distances.conftest import (
    PARAMETERS,
    bring_up,
    generation_folders,
    interrupted,
    is_right,
    pairs_of,
    profiles_of,
    square,
    tile_files,
)

pytestmark = pytest.mark.usefixtures("small_tiles")


@st.composite
def parameters_strategy(draw):
    name = draw(st.from_regex(r"[a-z0-9_]{1,12}", fullmatch=True))
    points = draw(st.integers(1, 1440))
    radius = draw(st.none() | st.integers(0, 2000))
    return MatrixParameters(radius, name, points, draw(st.integers(1, 1440)))


class TestParameters:
    @given(parameters_strategy())
    def test_the_name_says_all_of_them(self, parameters):
        assert MatrixParameters.of_name(parameters.name) == parameters

    @given(parameters_strategy(), parameters_strategy())
    def test_other_parameters_have_another_name(self, some, others):
        assert (some == others) == (some.name == others.name)

    @pytest.mark.parametrize(
        ("parameters", "name", "text"),
        [
            (
                MatrixParameters(1, "l2", 24, 60),
                "l2-24x60min-radius1",
                "radius 1, 24 points of 60 minutes, normalisation l2",
            ),
            (
                MatrixParameters(None, "max", 96, 15),
                "max-96x15min-radiusfull",
                "no band, 96 points of 15 minutes, normalisation max",
            ),
        ],
    )
    def test_names_are_kept(self, parameters, name, text):
        """Stores are kept: a matrix of an earlier version must be found."""
        assert (parameters.name, str(parameters)) == (name, text)

    @pytest.mark.parametrize("radius", [23, 24, 1000, None])
    def test_a_band_as_wide_as_the_day_is_none(self, radius):
        parameters = MatrixParameters(radius, "l2", 24, 60)
        assert (parameters.radius, parameters.band) == (None, 23)

    def test_a_negative_radius_is_refused(self):
        with pytest.raises(ParameterError, match="radius is -1"):
            MatrixParameters(-1, "l2", 24, 60)

    @pytest.mark.parametrize(
        "name",
        ["", "dtw", "l2-24x60min-radius", "l2-24x60min-radius-1", "l2-24x60min-radius1.lock", "-24x60min-radius1"],
    )
    def test_other_folders_have_none(self, name):
        assert MatrixParameters.of_name(name) is None

    @pytest.mark.parametrize("name", ["l2-24x60min-radius23", "l2-24x60min-radius01", "l2-24x60min-radius٣"])
    def test_a_folder_that_would_be_named_otherwise_has_none(self, name):
        assert MatrixParameters.of_name(name) is None


class TestKeys:
    def test_equal_profiles_share_a_key_in_either_float_type(self):
        profiles = profiles_of(30)
        keys = profile_keys(profiles[[0, 1, 0]])
        assert keys.shape == (3, 16)
        assert (keys[0] == keys[2]).all()
        assert (keys[0] != keys[1]).any()
        assert (profile_keys(profiles.astype(np.float32)) == profile_keys(profiles)).all()

    def test_the_key_is_of_the_values_not_of_the_sign_of_zero(self):
        keys = profile_keys([[0.0, 1.0], [-0.0, 1.0], [1.0, 0.0]])
        assert (keys[0] == keys[1]).all()
        assert (keys[0] != keys[2]).any()

    def test_the_key_is_blake2b_of_the_little_endian_floats(self):
        """Stores are kept: the recipe must not change, nor depend on the machine."""
        expected = hashlib.blake2b(struct.pack("<2f", 0.0, 1.0), digest_size=16).digest()
        assert profile_keys([[0.0, 1.0]]).tobytes() == expected

    def test_values_that_are_no_profiles_are_refused(self):
        with pytest.raises(ParameterError, match="NaN"):
            profile_keys([[np.nan, 1.0]])


class TestDigest:
    def test_is_of_the_profiles_and_not_of_their_order(self):
        keys = profile_keys(profiles_of(5))
        assert digest_of(PARAMETERS, keys) == digest_of(PARAMETERS, keys[::-1])
        assert digest_of(PARAMETERS, keys) != digest_of(PARAMETERS, keys[:4])

    @pytest.mark.parametrize(
        "other",
        [
            MatrixParameters(2, "l2", 24, 60),
            MatrixParameters(1, "max", 24, 60),
            MatrixParameters(1, "l2", 48, 60),
            MatrixParameters(1, "l2", 24, 30),
        ],
    )
    def test_is_of_the_parameters(self, other):
        keys = profile_keys(profiles_of(5))
        assert digest_of(PARAMETERS, keys) != digest_of(other, keys)


class TestTiles:
    @given(st.integers(0, 40), st.integers(0, 20), st.integers(1, 20), st.integers(0, 20), st.integers(1, 20))
    def test_pairs_are_those_above_the_diagonal(self, n_before, row, height, column, width):
        tile = Tile((0, 0), (row, row + height), (column, column + width), n_before)
        rows, columns = np.arange(row, row + height)[:, None], n_before + np.arange(column, column + width)
        assert tile.n_pairs == (rows < columns).sum()
        # the place of the diagonal, as the kernel takes it
        assert (tile.diagonal + np.arange(height)[:, None] < np.arange(width)).sum() == tile.n_pairs

    @pytest.mark.parametrize("steps", [[2], [9], [30], [30, 1], [3, 1, 1, 40], [8, 8, 8], [17, 20, 2]])
    def test_every_pair_is_in_one_tile(self, path, steps):
        for n in np.cumsum(steps):
            bring_up(path, profiles_of(n))
        n = sum(steps)
        times = np.zeros((n, n), int)
        for generation in Matrix(Place(path), PARAMETERS).generations:
            for tile in generation.tiles:
                assert 0 < tile.n_pairs <= 64
                rows, columns = np.arange(*tile.rows), generation.n_before + np.arange(*tile.columns)
                times[np.ix_(rows, columns)] += rows[:, None] < columns
        assert (times == np.triu(np.ones((n, n), int), 1)).all()

    @given(st.integers(1, 100_000), st.integers(1, 100_000), st.integers(1, 2_000_000))
    def test_their_shape_keeps_their_cost_within_bounds(self, n_before, n_columns, cells):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(generations, "_LARGEST_SIDE", 2048)
            patch.setattr(generations, "_LEAST_SIDE", 32)
            height, width = generations._tile_shape(n_before + n_columns, n_columns, cells)
        assert 1 <= height <= n_before + n_columns
        assert 1 <= width <= n_columns
        assert height * width <= 2048**2
        assert height * width * cells <= max(2**38, 32**2 * cells)

    def test_a_few_more_profiles_are_shared_among_threads(self, monkeypatch):
        monkeypatch.setattr(generations, "_LARGEST_SIDE", 2048)
        monkeypatch.setattr(generations, "_LEAST_SIDE", 256)
        height, width = generations._tile_shape(20_200, 200, 70)
        assert width == 200
        assert -(-20_200 // height) == 8

    def test_a_short_day_in_a_large_matrix_has_the_largest_tiles(self, monkeypatch):
        monkeypatch.setattr(generations, "_LARGEST_SIDE", 2048)
        assert generations._tile_shape(100_000, 100_000, 70) == (2048, 2048)


class TestFiles:
    def test_are_what_the_module_says(self, path):
        profiles = profiles_of(20)
        bring_up(path, profiles[:12])
        bring_up(path, profiles)
        root = zarr.open_group(path / PARAMETERS.name, mode="r", zarr_format=3)
        first, second = root.attrs["generations"]
        assert (first[:5], second[:5]) == ("0000-", "0001-")
        assert dict(root.attrs) | {"generations": 0, "created_utc": ""} == {
            "format": "loadprofiles-dtw-matrix",
            "format_version": 2,
            "radius": 1,
            "normalisation": "l2",
            "n_points": 24,
            "resolution_minutes": 60,
            "dtype": "float32",
            "library_version": __version__,
            "created_utc": "",
            "generations": 0,
            "dropped": [],
        }
        assert root.attrs["created_utc"].endswith("+00:00")
        assert (root[second]["keys"][:] == profile_keys(profiles)[12:]).all()
        assert (root[second]["profiles"][:] == profiles[12:].astype(np.float32)).all()
        stored = root[second]["distances"]
        assert (stored.shape, stored.dtype, stored.chunks) == ((20, 8), np.float32, (8, 8))
        assert (stored[:] == np.triu(square(profiles))[:, 12:]).all()

    def test_only_the_upper_triangle_is_stored(self, path):
        bring_up(path, profiles_of(32))
        assert len(tile_files(path)) == 10

    def test_tiles_are_compressed(self, path, monkeypatch):
        monkeypatch.setattr(generations, "_LARGEST_SIDE", 128)
        monkeypatch.setattr(generations, "_LEAST_SIDE", 128)
        bring_up(path, profiles_of(256))
        diagonal, above = path.glob("*/*/distances/c/0/*")
        sizes = sorted(file.stat().st_size for file in (diagonal, above))
        assert sizes[0] < 0.65 * 4 * 128**2
        assert sizes[1] < 0.95 * 4 * 128**2

    def test_those_of_another_version_are_refused(self, path):
        bring_up(path, profiles_of(3))
        meta = path / PARAMETERS.name / "zarr.json"
        content = json.loads(meta.read_text())
        content["attributes"]["format_version"] = 99
        meta.write_text(json.dumps(content))
        with pytest.raises(ValueError, match="its format_version is 99, expected 2"):
            Matrix(Place(path), PARAMETERS)

    def test_a_folder_renamed_by_hand_is_refused(self, path):
        bring_up(path, profiles_of(3))
        other = MatrixParameters(2, "l2", 24, 60)
        (path / PARAMETERS.name).rename(path / other.name)
        with pytest.raises(ValueError, match="its radius is 1, expected 2"):
            Matrix(Place(path), other)

    def test_reading_leaves_no_trace(self, path):
        path.mkdir()
        with pytest.raises(FileNotFoundError):
            Matrix(Place(path), PARAMETERS)
        assert list(path.iterdir()) == []


class TestCommit:
    def test_a_matrix_that_changed_meanwhile_is_left_alone(self, path):
        profiles = profiles_of(20)
        bring_up(path, profiles[:10])
        late = Matrix(Place(path), PARAMETERS, writable=True)
        bring_up(path, profiles)
        with pytest.raises(RuntimeError, match="another process has changed it"):
            late.commit(late.generations[:1])
        assert is_right(path, profiles)

    def test_a_generation_does_not_count_before(self, path):
        profiles = profiles_of(20)
        bring_up(path, profiles[:10])
        interrupted(path, profiles, 3)
        matrix = Matrix(Place(path), PARAMETERS)
        assert len(matrix.generations) == 1
        assert [folder.name for folder in generation_folders(path)] == matrix.names + matrix.unfinished()


class TestComputeTile:
    @pytest.fixture
    def tasks(self, path):
        interrupted(path, profiles_of(20), 1)
        matrix = Matrix(Place(path), PARAMETERS)
        (name,) = matrix.unfinished()
        tiles = matrix.open_generation(name).tiles
        return [TileTask(n, str(path), PARAMETERS, name, tile) for n, tile in enumerate(tiles)]

    def test_counts_its_pairs_and_stores_them(self, path, tasks):
        assert sum(compute_tile(task) for task in tasks) == pairs_of(20)
        stored = Matrix(Place(path), PARAMETERS).open_generation(tasks[0].generation)
        for task in tasks:
            part = np.s_[slice(*task.tile.rows), slice(*task.tile.columns)]
            assert (stored.read(task.tile) == np.triu(square(profiles_of(20)))[part]).all()

    def test_one_that_was_computed_wrongly_is_never_stored(self, path, tasks, monkeypatch):
        monkeypatch.setattr(kernels, "fill", lambda *arguments: arguments[-1].fill(0.5))
        for task in tasks:
            with pytest.raises(LoadProfilesError, match=r"was computed as 0\.5"):
                compute_tile(task)
        assert tile_files(path) == []

    def test_tells_what_it_is(self, path, tasks):
        assert str(tasks[1]) == f"tile (0, 1) of the DTW matrix at {path}"
