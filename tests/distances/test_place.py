"""Places of a matrix: folders of this machine and of object stores behave the same."""

import os
from pathlib import Path

import pytest

from loadprofiles.distances.place import Place
from loadprofiles.errors import InputError, ParameterError
from tests.distances.conftest import one_line


@pytest.fixture(params=["local", "file", "memory"])
def place(request, tmp_path):
    if request.param == "memory":
        return Place(request.getfixturevalue("memory"))
    folder = tmp_path / "dtw"
    return Place(folder if request.param == "local" else folder.as_uri())


def fill(place, *names):
    for name in names:
        place.files.makedirs(f"{place.root}/{name}".rpartition("/")[0], exist_ok=True)
        place.files.pipe_file(f"{place.root}/{name}", name.encode())


class TestFiles:
    def test_a_place_that_is_not_there_is_empty(self, place):
        assert (place.sizes(), place.sizes("below"), place.folders()) == ({}, {}, [])

    def test_sizes_are_by_the_path_from_the_folder_asked_for(self, place):
        fill(place, "a", "b/cc", "b/c/ddd")
        assert place.sizes() == {"a": 1, "b/cc": 4, "b/c/ddd": 7}
        assert place.sizes("b") == {"cc": 4, "c/ddd": 7}
        assert (place / "b").sizes("c") == {"ddd": 7}

    def test_folders_are_named_without_their_path(self, place):
        fill(place, "z/a", "b/c/d", "file")
        assert place.folders() == ["b", "z"]
        assert (place / "b").folders() == ["c"]

    def test_removing_takes_what_is_below_and_nothing_beside(self, place):
        fill(place, "b/c/d", "b/e", "bb/f", "g")
        place.remove("b")
        place.remove("g")
        assert set(place.sizes()) == {"bb/f"}

    def test_what_others_write_is_seen_at_once(self, place):
        assert place.folders() == []
        fill(Place(place.location), "a/b")
        assert place.folders() == ["a"]
        fill(Place(place.location), "a/c")
        assert set(place.sizes()) == {"a/b", "a/c"}

    def test_syncing_changes_nothing(self, place):
        fill(place, "a/b/c")
        place.sync("a")
        place.sync("a/b/c")
        assert place.sizes() == {"a/b/c": 5}


class TestNames:
    def test_a_place_below_keeps_the_form_of_the_location(self, memory, tmp_path):
        assert str(Place(memory) / "m") == "memory://bucket/dtw/m"
        assert str(Place(f"{memory}/") / "m") == "memory://bucket/dtw/m"
        assert str(Place(f"{tmp_path}/") / "m") == f"{tmp_path}/m"

    def test_paths_and_file_urls_are_of_this_machine(self, memory, tmp_path):
        assert Place(tmp_path).is_local
        assert Place(tmp_path.as_uri()).is_local
        assert Place(tmp_path.as_uri()).root == Place(tmp_path).root == str(tmp_path)
        assert not Place(memory).is_local

    def test_a_relative_path_is_of_the_folder_one_is_in(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        place = Place("dtw/")
        assert place.root == str(tmp_path / "dtw")
        assert place.is_local

    def test_a_link_is_followed_and_stays(self, tmp_path):
        (tmp_path / "disk").mkdir()
        (tmp_path / "dtw").symlink_to(tmp_path / "disk")
        fill(Place(tmp_path / "dtw"), "a")
        assert (tmp_path / "disk" / "a").read_bytes() == b"a"
        assert (tmp_path / "dtw").is_symlink()

    def test_the_scheme_may_be_in_capitals(self, memory):
        fill(Place(memory), "a")
        assert Place(memory.replace("memory", "MEMORY")).sizes() == {"a": 1}

    @pytest.mark.parametrize("scheme", ["memory", "MEMORY"])
    def test_what_zarr_writes_lies_in_the_place(self, memory, scheme):
        import zarr

        place = Place(memory.replace("memory", scheme))
        zarr.create_group(place.store())
        assert list(place.sizes()) == ["zarr.json"]

    def test_an_unknown_scheme_is_refused(self):
        with pytest.raises(InputError, match="unknown scheme nobody-knows://") as caught:
            Place("nobody-knows://host/dtw")
        one_line(caught)

    def test_a_password_is_refused_and_not_repeated(self):
        with pytest.raises(ParameterError, match="a password does not belong in a URL") as caught:
            Place("s3://user:hunter2@bucket/dtw")
        assert "hunter2" not in one_line(caught)


class TestFailures:
    @pytest.mark.parametrize("error", [FileNotFoundError, ValueError, RuntimeError, KeyError, TypeError])
    def test_what_a_driver_raises_becomes_one_line(self, place, error):
        with pytest.raises(InputError) as caught, place.failures("nothing can be read", "look elsewhere"):
            raise error("first\nsecond")
        assert one_line(caught).startswith("nothing can be read (")
        assert one_line(caught).endswith("; look elsewhere")

    @pytest.mark.parametrize("error", [PermissionError, ConnectionError, TimeoutError])
    def test_a_store_out_of_reach_is_no_damage(self, memory, error):
        with pytest.raises(InputError) as caught, Place(memory).failures("nothing can be read", "compute it again"):
            raise error("no answer")
        assert one_line(caught).endswith("(no answer); check the address, your rights and the connection")

    def test_our_own_errors_pass(self, place):
        with pytest.raises(ParameterError, match=r"^as it is$"), place.failures("x", "y"):
            raise ParameterError("as it is")

    def test_an_interrupt_passes(self, place):
        with pytest.raises(KeyboardInterrupt), place.failures("x", "y"):
            raise KeyboardInterrupt

    def test_secrets_of_a_driver_are_masked(self, memory):
        with pytest.raises(InputError) as caught, Place(memory).failures("x", "y"):
            raise OSError("cannot reach https://user:hunter2@host/?X-Amz-Signature=abcdef")
        assert "hunter2" not in str(caught.value)
        assert "abcdef" not in str(caught.value)

    def test_a_file_system_that_keeps_nothing_is_told(self, tmp_path, monkeypatch):
        def fail(descriptor):
            raise OSError("no such luck")

        place = Place(tmp_path)
        fill(place, "a")
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(InputError, match="no such luck"), place.failures("x", "y"):
            place.sync("a")

    def test_syncing_reaches_every_file_and_folder(self, tmp_path, monkeypatch):
        fill(place := Place(tmp_path), "top/a/b", "top/c", "beside/d")
        synced = []
        monkeypatch.setattr(
            os, "fsync", lambda descriptor: synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        )
        if not Path("/proc/self/fd").is_dir():
            pytest.skip("this system does not tell which file a descriptor is of")
        place.sync("top")
        assert set(synced) == {tmp_path / name for name in ("top", "top/a", "top/a/b", "top/c", "")}
