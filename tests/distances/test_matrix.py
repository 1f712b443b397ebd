"""Reading a DTW matrix: what is selected is what was computed, and nothing damaged or foreign is ever used."""

import json
import random
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles import __version__
from loadprofiles.distances import pairwise
from loadprofiles.distances.generations import MatrixParameters, digest_of, profile_keys
from loadprofiles.distances.matrix import DtwMatrix, stored_digests
from loadprofiles.errors import InputError, LoadProfilesError, StaleMatrixError
from tests.distances.conftest import (
    PARAMETERS,
    SIDE,
    bring_up,
    generation_folders,
    interrupted,
    is_right,
    one_line,
    profiles_of,
    selected,
    square,
    tile_files,
)

pytestmark = pytest.mark.usefixtures("small_tiles")

N = 30


@pytest.fixture
def profiles():
    return profiles_of(N)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A matrix of 30 profiles that grew in three steps; tests only read it."""
    path = tmp_path_factory.mktemp("stored") / "dtw"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_LARGEST_SIDE", "_LEAST_SIDE"):
            patch.setattr(f"loadprofiles.distances.generations.{name}", SIDE)
        for n in (13, 14, N):
            bring_up(path, profiles_of(n))
    return path


class TestSelect:
    def test_everything_in_order_is_the_matrix(self, stored, profiles):
        distances = selected(stored, profiles)
        assert distances.dtype == np.float32
        assert distances.tobytes() == square(profiles).tobytes()

    @settings(max_examples=60)
    @given(index=st.lists(st.integers(0, N - 1), max_size=45), condensed=st.booleans())
    def test_a_selection_comes_in_the_order_asked_repeats_and_all(self, stored, index, condensed):
        profiles = profiles_of(N)
        whole = square(profiles)[np.ix_(index, index)]
        expected = whole[np.triu_indices(len(index), 1)] if condensed else whole
        found = DtwMatrix(stored, PARAMETERS).select(profile_keys(profiles)[index], condensed=condensed)
        assert found.shape == expected.shape
        assert found.tobytes() == expected.tobytes()

    def test_condensed_is_what_pairwise_gives(self, stored, profiles):
        assert selected(stored, profiles, condensed=True).tobytes() == pairwise(profiles).tobytes()

    @pytest.mark.parametrize("condensed", [False, True])
    @pytest.mark.parametrize("n", [0, 1, 2, N])
    def test_from_a_file_it_is_the_same(self, stored, profiles, tmp_path, n, condensed):
        keys, file = profile_keys(profiles)[::-1][:n], tmp_path / "distances.npy"
        file.write_text("what was there before")
        matrix = DtwMatrix(stored, PARAMETERS)
        mapped = matrix.select(keys, condensed=condensed, file=file)
        expected = matrix.select(keys, condensed=condensed)
        assert isinstance(mapped, np.memmap)
        assert mapped.dtype == expected.dtype
        assert mapped.tobytes() == expected.tobytes()
        mapped.flush()
        assert np.load(file).tobytes() == expected.tobytes()

    @pytest.mark.parametrize("threads", [1, 2, 3, 7])
    def test_any_number_of_threads_gives_the_same(self, stored, profiles, threads):
        assert selected(stored, profiles, threads=threads).tobytes() == square(profiles).tobytes()

    @pytest.mark.parametrize("radius", [0, 3, None])
    def test_the_radius_is_the_one_asked_for(self, path, profiles, radius):
        parameters = MatrixParameters(radius, "l2", 24, 60)
        bring_up(path, profiles, parameters)
        assert is_right(path, profiles, parameters)

    def test_tiles_that_hold_nothing_asked_for_are_not_opened(self, path, profiles):
        bring_up(path, profiles)
        first, *others = tile_files(path)
        for file in others:
            file.unlink()
        assert first.parts[-2:] == ("0", "0")
        assert is_right(path, profiles[:8])

    def test_profiles_that_are_not_there_are_counted(self, stored, profiles):
        matrix = DtwMatrix(stored, PARAMETERS)
        keys = profile_keys(np.vstack([profiles[:5], profiles_of(2, seed=9)]))
        assert matrix.missing(keys) == 2
        assert matrix.missing(keys[:5]) == 0
        with pytest.raises(StaleMatrixError) as caught:
            matrix.select(keys)
        message = one_line(caught)
        assert "does not hold 2 of the 7 profiles" in message
        assert f"mlflow run . -P compute_dtw=true -P dtw_path={stored} -P radius=1" in message

    def test_a_remedy_of_the_caller_is_named_instead(self, stored):
        matrix = DtwMatrix(stored, PARAMETERS, "make dtw compute_dtw=true")
        with pytest.raises(StaleMatrixError, match=r"up to date with: make dtw compute_dtw=true$"):
            matrix.select(profile_keys(profiles_of(2, seed=9)))

    def test_a_file_that_cannot_be_written_is_told(self, stored, profiles, tmp_path):
        with pytest.raises(InputError) as caught:
            (tmp_path / "file").write_text("not a folder")
            selected(stored, profiles, file=tmp_path / "file" / "x.npy")
        assert "the distances cannot be written to" in one_line(caught)

    def test_a_failure_leaves_no_half_filled_file(self, path, profiles, tmp_path):
        bring_up(path, profiles)
        tile_files(path)[-1].unlink()
        with pytest.raises(InputError):
            selected(path, profiles, file=tmp_path / "x.npy")
        assert not (tmp_path / "x.npy").exists()


class TestMeta:
    def test_says_what_it_holds(self, stored, profiles):
        matrix = DtwMatrix(stored, PARAMETERS)
        keys = profile_keys(profiles)
        assert matrix.n_profiles == N
        assert (matrix.keys == keys).all()
        assert matrix.library_version == __version__
        assert matrix.created_utc.endswith("+00:00")
        assert matrix.digest == digest_of(PARAMETERS, keys)
        assert matrix.size_bytes() == sum(
            file.stat().st_size for file in (stored / PARAMETERS.name).rglob("*") if file.is_file()
        )

    def test_the_digest_does_not_tell_how_it_grew(self, path, stored, profiles):
        bring_up(path, profiles[::-1])
        assert DtwMatrix(path, PARAMETERS).digest == DtwMatrix(stored, PARAMETERS).digest
        bring_up(path, profiles_of(N + 1))
        assert DtwMatrix(path, PARAMETERS).digest != DtwMatrix(stored, PARAMETERS).digest

    def test_other_parameters_are_another_matrix(self, path, profiles):
        others = [
            MatrixParameters(2, "l2", 24, 60),
            MatrixParameters(None, "l2", 24, 60),
            MatrixParameters(1, "max", 24, 60),
            MatrixParameters(1, "l2", 24, 30),
        ]
        bring_up(path, profiles)
        for other in others:
            with pytest.raises(InputError) as caught:
                DtwMatrix(path, other)
            assert f"there is no DTW matrix of {other} at {path}" in one_line(caught)
            assert f"; there are: {PARAMETERS.name}" in str(caught.value)
        bring_up(path, profiles, others[0])
        assert is_right(path, profiles)
        assert is_right(path, profiles, others[0])

    def test_a_link_to_a_folder_will_do(self, tmp_path, stored, profiles):
        (tmp_path / "link").symlink_to(stored)
        assert is_right(tmp_path / "link", profiles)


class TestDigests:
    def test_are_of_all_matrices_of_a_place(self, path, profiles):
        assert stored_digests(path) == {}
        other = MatrixParameters(None, "l2", 24, 60)
        bring_up(path, profiles)
        bring_up(path, profiles[:4], other)
        assert stored_digests(path) == {
            PARAMETERS.name: digest_of(PARAMETERS, profile_keys(profiles)),
            other.name: digest_of(other, profile_keys(profiles[:4])),
        }

    def test_one_that_cannot_be_read_is_damaged(self, path, profiles):
        bring_up(path, profiles)
        (path / PARAMETERS.name / "zarr.json").write_text("{")
        (path / "holiday").mkdir()
        assert stored_digests(path) == {PARAMETERS.name: "damaged", "holiday": "damaged"}


class TestDamage:
    def test_a_missing_matrix_names_the_command(self, tmp_path):
        with pytest.raises(InputError) as caught:
            DtwMatrix(tmp_path / "a b", PARAMETERS)
        message = one_line(caught)
        assert f"there is no DTW matrix of {PARAMETERS} at {tmp_path}/a b; compute it with" in message
        assert f"-P compute_dtw=true -P dtw_path='{tmp_path}/a b' -P radius=1" in message
        assert list(tmp_path.iterdir()) == []

    def test_one_that_was_only_begun_is_missing(self, path, profiles):
        interrupted(path, profiles, 3)
        with pytest.raises(InputError, match="there is no DTW matrix"):
            DtwMatrix(path, PARAMETERS)

    @pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "deleted"])
    def test_a_damaged_tile_is_an_error_and_never_a_distance(self, path, profiles, damage):
        bring_up(path, profiles)
        for file in tile_files(path):
            whole = file.read_bytes()
            harm(file, damage)
            with pytest.raises(InputError) as caught:
                selected(path, profiles)
            message = one_line(caught)
            assert f"the DTW matrix of {PARAMETERS} at {path} cannot be read (" in message
            assert f"mlflow run . -P compute_dtw=anew -P dtw_path={path} -P radius=1" in message
            file.write_bytes(whole)
        assert is_right(path, profiles)

    @pytest.mark.parametrize("damage", ["cut", "empty", "deleted"])
    @pytest.mark.parametrize("name", ["keys/c/0/0", "keys/zarr.json", "distances/zarr.json", "zarr.json"])
    def test_a_damaged_part_of_a_generation_is_an_error(self, path, profiles, name, damage):
        bring_up(path, profiles)
        harm(generation_folders(path)[0] / name, damage)
        with pytest.raises((InputError, StaleMatrixError)) as caught:
            selected(path, profiles)
        assert str(path) in one_line(caught)

    @pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"zarr_format": 3}', "7", '"text"'])
    def test_a_root_that_is_none_is_an_error(self, path, profiles, content):
        bring_up(path, profiles)
        (path / PARAMETERS.name / "zarr.json").write_text(content)
        with pytest.raises(InputError) as caught:
            DtwMatrix(path, PARAMETERS)
        assert "cannot be read" in one_line(caught)
        with pytest.raises(InputError) as caught:
            bring_up(path, profiles)
        assert "compute_dtw=anew" in one_line(caught)
        bring_up(path, profiles, anew=True)
        assert is_right(path, profiles)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format_version": 99}, "its format_version is 99, expected 2"),
            ({"format": "zip"}, "its format is 'zip'"),
            ({"n_points": 25}, "its n_points is 25, expected 24"),
            ({"generations": ["0000-nowhere"]}, "0000-nowhere"),
            ({"generations": 7}, "not iterable"),
        ],
    )
    def test_attributes_that_do_not_fit_are_refused(self, path, profiles, change, message):
        bring_up(path, profiles)
        meta = path / PARAMETERS.name / "zarr.json"
        content = json.loads(meta.read_text())
        content["attributes"] |= change
        meta.write_text(json.dumps(content))
        with pytest.raises(InputError, match=message) as caught:
            DtwMatrix(path, PARAMETERS)
        assert "compute_dtw=anew" in one_line(caught)

    def test_any_bit_that_turns_over_is_noticed_or_does_no_harm(self, tmp_path, stored, profiles):
        draw = random.Random(0)
        files = [file.relative_to(stored) for file in sorted((stored / PARAMETERS.name).rglob("*")) if file.is_file()]
        copy, noticed = tmp_path / "copy", 0
        shutil.copytree(stored, copy)
        for _ in range(80):
            file = copy / draw.choice(files)
            whole = file.read_bytes()
            place = draw.randrange(len(whole))
            file.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << draw.randrange(8))]) + whole[place + 1 :])
            try:
                assert is_right(copy, profiles), file
            except LoadProfilesError:
                noticed += 1
            file.write_bytes(whole)
        assert noticed > 30


def harm(file, how):
    """Damage a file in one of the ways that happen."""
    content = file.read_bytes()
    if how == "deleted":
        file.unlink()
    else:
        middle = len(content) // 2
        flipped = content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :]
        file.write_bytes({"cut": content[:middle], "empty": b"", "flipped": flipped}[how])
