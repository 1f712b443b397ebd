"""The store: what is selected is what was computed, and nothing half-written or foreign is ever used."""

import hashlib
import json
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.spatial.distance import squareform

from loadprofiles import __version__
from loadprofiles.distances import DtwMatrix, matrix, pairwise, profile_keys, write_matrix
from loadprofiles.errors import InputError, LoadProfilesError, ParameterError, StaleMatrixError

PARAMETERS = {"radius": 1, "normalisation": "l2", "resolution_minutes": 60}


def profiles_of(n, seed=0):
    values = np.random.default_rng(seed).random((n, 24))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def store(path, profiles, **changes):
    return write_matrix(path, profiles, **(PARAMETERS | changes), progress=False)


def content(folder):
    return {str(entry.relative_to(folder)): entry.read_bytes() for entry in folder.rglob("*") if entry.is_file()}


@pytest.fixture
def profiles():
    return profiles_of(30)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "dtw"


class TestKeys:
    def test_equal_profiles_share_a_key_in_either_float_type(self, profiles):
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


class TestSelect:
    def test_everything_in_order_is_the_matrix(self, path, profiles):
        selected = store(path, profiles).select(profile_keys(profiles))
        assert selected.dtype == np.float32
        assert (selected == squareform(pairwise(profiles))).all()

    def test_a_selection_comes_in_the_order_asked(self, path, profiles):
        store(path, profiles)
        index = [17, 3, 29, 0]
        selected = DtwMatrix.open(path).select(profile_keys(profiles[index]))
        assert (selected == squareform(pairwise(profiles))[np.ix_(index, index)]).all()

    def test_duplicates_are_stored_once_and_have_distance_zero(self, path, profiles):
        doubled = profiles[[0, 1, 0, 2, 1]]
        opened = store(path, doubled)
        assert opened.n_profiles == 3
        assert (opened.select(profile_keys(doubled)) == squareform(pairwise(doubled))).all()
        assert opened.select(profile_keys(doubled))[0, 2] == 0

    def test_profiles_that_are_not_there_are_counted(self, path, profiles):
        opened = store(path, profiles)
        keys = profile_keys(np.vstack([profiles[:5], profiles_of(2, seed=9)]))
        assert opened.missing(keys) == 2
        with pytest.raises(StaleMatrixError) as caught:
            opened.select(keys)
        assert "does not hold 2 of the 7 profiles" in str(caught.value)
        assert f"mlflow run . -P compute_dtw=true -P dtw_path={path}" in str(caught.value)

    def test_rows_in_blocks_are_the_same_as_in_one(self, path, profiles, monkeypatch):
        monkeypatch.setattr(matrix, "_PAIRS_PER_BLOCK", 40)
        assert (store(path, profiles).select(profile_keys(profiles)) == squareform(pairwise(profiles))).all()

    @pytest.mark.parametrize("radius", [0, 3, None])
    def test_the_radius_is_the_one_asked_for(self, path, profiles, radius):
        opened = store(path, profiles, radius=radius)
        assert (opened.select(profile_keys(profiles)) == squareform(pairwise(profiles, radius))).all()


class TestMeta:
    def test_says_what_the_distances_are(self, path, profiles):
        opened = store(path, profiles)
        meta = json.loads((path / "meta.json").read_text())
        assert {name: meta[name] for name in PARAMETERS} == PARAMETERS
        assert (meta["n_points"], meta["n_profiles"], meta["dtype"]) == (24, 30, "float32")
        assert meta["library_version"] == opened.library_version == __version__
        assert meta["created_utc"].endswith("+00:00")
        assert opened.size_bytes == sum(len(blob) for blob in content(path).values())
        assert sorted(content(path)) == ["condensed.npy", "keys.npy", "meta.json"]

    def test_digest_is_the_contents_own(self, path, tmp_path, profiles):
        digest = store(path, profiles).digest
        assert store(tmp_path / "again", profiles).digest == digest
        assert store(tmp_path / "other", profiles[:-1]).digest != digest
        assert store(tmp_path / "wider", profiles, radius=2).digest != digest
        assert store(tmp_path / "named", profiles, normalisation="max").digest != digest

    def test_is_current_for_its_own_profiles_and_parameters_only(self, path, profiles):
        opened, keys = store(path, profiles), profile_keys(profiles)
        assert opened.is_current(keys, **PARAMETERS)
        assert opened.is_current(keys[:3], **PARAMETERS)
        assert not opened.is_current(profile_keys(profiles_of(3, seed=9)), **PARAMETERS)
        for change in ({"radius": 2}, {"radius": None}, {"normalisation": "max"}, {"resolution_minutes": 15}):
            assert not opened.is_current(keys, **(PARAMETERS | change))

    def test_a_band_as_wide_as_the_day_is_no_band(self, path, profiles):
        opened = store(path, profiles, radius=None)
        assert opened.is_current(profile_keys(profiles), **(PARAMETERS | {"radius": 23}))

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"radius": 2}, "radius 1, asked for radius 2"),
            ({"normalisation": "max"}, "normalisation l2, asked for normalisation max"),
            ({"resolution_minutes": 15}, "resolution_minutes 60, asked for resolution_minutes 15"),
        ],
    )
    def test_other_parameters_are_refused_naming_both(self, path, profiles, change, message):
        opened = store(path, profiles)
        opened.require(**PARAMETERS)
        with pytest.raises(StaleMatrixError, match=message):
            opened.require(**(PARAMETERS | change))


class TestDamage:
    def test_a_missing_store_names_the_command(self, tmp_path):
        with pytest.raises(InputError) as caught:
            DtwMatrix.open(tmp_path / "a b")
        assert "there is no DTW matrix at" in str(caught.value)
        assert f"-P compute_dtw=true -P dtw_path='{tmp_path}/a b'" in str(caught.value)

    @pytest.mark.parametrize("name", ["meta.json", "keys.npy", "condensed.npy"])
    @pytest.mark.parametrize("kept", [0, 100, -4])
    def test_a_cut_file_is_refused(self, path, profiles, name, kept):
        store(path, profiles)
        blob = (path / name).read_bytes()
        (path / name).write_bytes(blob[:kept])
        with pytest.raises(InputError, match=r"cannot be read \(.*compute it again with: mlflow run"):
            DtwMatrix.open(path)

    @pytest.mark.parametrize("name", ["keys.npy", "condensed.npy"])
    def test_a_missing_file_is_refused(self, path, profiles, name):
        store(path, profiles)
        (path / name).unlink()
        with pytest.raises(InputError, match="cannot be read"):
            DtwMatrix.open(path)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"format_version": 99}, "format_version is 99, expected 1"),
            ({"format": "zip"}, "format is 'zip'"),
            ({"n_profiles": 29}, r"keys.npy shape is \(30, 16\), expected \(29, 16\)"),
            ({"n_profiles": "many"}, "cannot be read"),
            ({"surprise": 1}, "surprise"),
        ],
    )
    def test_meta_that_does_not_fit_is_refused(self, path, profiles, change, message):
        store(path, profiles)
        meta = json.loads((path / "meta.json").read_text())
        (path / "meta.json").write_text(json.dumps(meta | change))
        with pytest.raises(InputError, match=message):
            DtwMatrix.open(path)

    def test_meta_that_is_a_list_is_refused(self, path, profiles):
        store(path, profiles)
        (path / "meta.json").write_text("[]")
        with pytest.raises(InputError, match="not an object"):
            DtwMatrix.open(path)

    def test_distances_of_another_type_are_refused(self, path, profiles):
        store(path, profiles)
        np.save(path / "condensed.npy", pairwise(profiles).astype(np.float64))
        with pytest.raises(InputError, match=r"condensed\.npy dtype"):
            DtwMatrix.open(path)

    def test_a_changed_distance_fails_verification(self, path, profiles):
        store(path, profiles).verify()
        distances = np.load(path / "condensed.npy", mmap_mode="r+")
        distances[7] *= 2
        distances.flush()
        with pytest.raises(InputError, match="is damaged: its digest is"):
            DtwMatrix.open(path).verify()


class TestWrite:
    def test_a_new_store_replaces_the_old_one(self, path, profiles, tmp_path):
        store(path, profiles)
        store(path, profiles_of(10, seed=5), radius=2)
        opened = DtwMatrix.open(path)
        assert (opened.n_profiles, opened.radius) == (10, 2)
        assert list(tmp_path.iterdir()) == [path]

    def test_a_damaged_store_is_replaced(self, path, profiles):
        store(path, profiles)
        (path / "meta.json").write_text("{")
        store(path, profiles)
        assert DtwMatrix.open(path).n_profiles == 30

    def test_a_reader_keeps_what_it_opened(self, path, profiles):
        opened = store(path, profiles)
        store(path, profiles_of(10, seed=5))
        assert (opened.select(profile_keys(profiles)) == squareform(pairwise(profiles))).all()

    def test_an_empty_directory_and_missing_parents_will_do(self, tmp_path, profiles):
        (tmp_path / "empty").mkdir()
        assert store(tmp_path / "empty", profiles).n_profiles == 30
        assert store(tmp_path / "a" / "b" / "dtw", profiles).n_profiles == 30

    def test_a_link_to_a_directory_keeps_being_one(self, tmp_path, profiles):
        (tmp_path / "big_disk").mkdir()
        (tmp_path / "dtw").symlink_to(tmp_path / "big_disk")
        store(tmp_path / "dtw", profiles)
        assert (tmp_path / "dtw").is_symlink()
        assert DtwMatrix.open(tmp_path / "big_disk").n_profiles == 30

    @pytest.mark.parametrize("name", ["holiday.jpg", "meta.json"])
    def test_a_directory_that_is_no_store_is_left_alone(self, path, profiles, name):
        path.mkdir()
        (path / name).write_text('{"mine": 1}')
        with pytest.raises(InputError, match=f"is not a DTW matrix, it holds '{name}'"):
            store(path, profiles)
        assert content(path) == {name: b'{"mine": 1}'}

    def test_a_file_is_left_alone(self, path, profiles):
        path.write_text("mine")
        with pytest.raises(InputError, match="is a file"):
            store(path, profiles)
        assert path.read_text() == "mine"

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path, profiles):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match="cannot be written to"):
            store(tmp_path / "file" / "dtw", profiles)

    def test_too_little_room_is_said_before_computing(self, path, tmp_path, profiles, monkeypatch):
        monkeypatch.setattr(matrix.shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
        with pytest.raises(InputError, match=r"it takes 2,220 bytes and 100 are free"):
            store(path, profiles)
        assert list(tmp_path.iterdir()) == []

    def test_fewer_than_two_distinct_profiles_are_refused(self, path, profiles):
        with pytest.raises(ParameterError, match="at least 2 distinct profiles, found 1"):
            store(path, profiles[[0, 0, 0]])

    def test_a_negative_radius_is_refused_before_anything_is_written(self, path, tmp_path, profiles):
        with pytest.raises(ParameterError, match="radius is -1"):
            store(path, profiles, radius=-1)
        assert list(tmp_path.iterdir()) == []

    def test_progress_is_silent_where_there_is_no_terminal(self, path, profiles, capsys):
        write_matrix(path, profiles, **PARAMETERS)
        assert capsys.readouterr() == ("", "")


class TestInterruption:
    @pytest.fixture
    def old(self, path, profiles):
        store(path, profiles)
        return content(path)

    @pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
    def test_in_the_middle_of_the_rows_leaves_the_old_store_only(self, path, tmp_path, old, monkeypatch, error):
        calls = []

        def fail_at_second_block(*arguments):
            calls.append(arguments)
            if len(calls) == 2:
                raise error

        monkeypatch.setattr(matrix, "_PAIRS_PER_BLOCK", 40)
        monkeypatch.setattr(matrix, "fill_rows", fail_at_second_block)
        with pytest.raises(error):
            store(path, profiles_of(20, seed=5))
        assert content(path) == old
        assert list(tmp_path.iterdir()) == [path]

    def test_without_an_old_store_it_leaves_nothing(self, path, tmp_path, profiles, monkeypatch):
        def interrupt(*arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr(matrix, "fill_rows", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store(path, profiles)
        assert list(tmp_path.iterdir()) == []

    def test_wrong_distances_never_get_a_name(self, path, tmp_path, old, monkeypatch):
        monkeypatch.setattr(matrix, "fill_rows", lambda profiles, first, last, radius, out: out.fill(0.5))
        with pytest.raises(LoadProfilesError, match=r"was computed as 0\.5"):
            store(path, profiles_of(20, seed=5))
        assert content(path) == old
        assert list(tmp_path.iterdir()) == [path]

    def test_between_the_two_renames_puts_the_old_store_back(self, path, tmp_path, old, monkeypatch):
        rename = Path.rename

        def fail_for_the_new_one(source, target):
            if source.name == "new":
                raise OSError("no such luck")
            return rename(source, target)

        monkeypatch.setattr(Path, "rename", fail_for_the_new_one)
        with pytest.raises(InputError, match=r"cannot be written to .*no such luck"):
            store(path, profiles_of(20, seed=5))
        assert content(path) == old
        assert list(tmp_path.iterdir()) == [path]
