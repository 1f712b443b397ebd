"""One writer at a time: locks between processes of this machine, leases in object stores."""

import json
import os
import signal
import threading
import time
from contextlib import ExitStack

import pytest

from loadprofiles.distances import lock
from loadprofiles.distances.lock import writer_lock
from loadprofiles.distances.place import Place
from loadprofiles.errors import InputError
from tests.distances.conftest import (
    PARAMETERS,
    SIDE,
    bring_up,
    fault_at_tile,
    is_right,
    one_line,
    profiles_of,
    tile_files,
    wait_until,
    writer,
)

BEAT = 0.05


class TestProcesses:
    def test_the_second_is_refused_and_a_killed_one_holds_nothing(self, path, small_tiles):
        profiles = profiles_of(100)
        with writer(path, 100, 0.2) as process:
            wait_until(lambda: len(tile_files(path)) >= 2, process)
            with pytest.raises(InputError) as caught:
                bring_up(path, profiles)
            message = one_line(caught)
            assert f"the DTW matrix at {path} is being written by process {process.pid} on " in message
            assert "give another dtw_path" in message
            assert process.poll() is None
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        assert (path / f"{PARAMETERS.name}.lock.holder").exists()
        assert bring_up(path, profiles).tiles_found >= 2
        assert is_right(path, profiles)
        assert not (path / f"{PARAMETERS.name}.lock.holder").exists()


class TestFileLock:
    def test_tells_who_holds_it_and_is_free_afterwards(self, path):
        place = Place(path)
        with writer_lock(place, "m"):
            holder = json.loads((path / "m.lock.holder").read_text())
            assert holder["process"] == os.getpid()
            assert set(holder) == {"token", "host", "process", "since_utc"}
            with pytest.raises(InputError, match=f"process {os.getpid()} on "), writer_lock(place, "m"):
                pytest.fail("both have it")
            assert json.loads((path / "m.lock.holder").read_text()) == holder
        with writer_lock(place, "m"):
            pass

    def test_is_free_after_an_error(self, path):
        with pytest.raises(KeyboardInterrupt), writer_lock(Place(path), "m"):
            raise KeyboardInterrupt
        with writer_lock(Place(path), "m"):
            pass

    def test_another_matrix_has_its_own(self, path):
        with writer_lock(Place(path), "m"), writer_lock(Place(path), "n"):
            pass

    def test_a_link_to_the_place_is_the_place(self, tmp_path):
        (tmp_path / "link").symlink_to(tmp_path / "dtw")
        with writer_lock(Place(tmp_path / "dtw"), "m"):  # noqa: SIM117
            with pytest.raises(InputError, match="is being written"), writer_lock(Place(tmp_path / "link"), "m"):
                pytest.fail("both have it")

    @pytest.mark.parametrize("content", ["", "{", "[]", "\udcff"])
    def test_a_holder_that_cannot_be_read_is_another_process(self, path, content):
        with writer_lock(Place(path), "m"):
            (path / "m.lock.holder").write_text(content, errors="surrogateescape")
            with pytest.raises(InputError, match="by another process; wait"), writer_lock(Place(path), "m"):
                pytest.fail("both have it")


class TestLease:
    """What `test_matrix_s3` does with a server, in many more ways."""

    @pytest.fixture(autouse=True)
    def quick_beats(self, monkeypatch):
        monkeypatch.setattr(lock, "BEAT_SECONDS", BEAT)

    @pytest.fixture
    def place(self, memory):
        return Place(memory)

    def lease(self, place):
        return lock._read_lease(place, f"{place.root}/m.lock")

    def test_tells_who_holds_it_and_is_gone_afterwards(self, place):
        with writer_lock(place, "m"):
            assert self.lease(place)["process"] == os.getpid()
        assert place.sizes() == {}

    def test_is_renewed_while_it_is_held(self, place):
        with writer_lock(place, "m"):
            seen = set()
            wait_until(lambda: seen.add(self.lease(place).get("beat")) or len(seen) > 3)

    def test_a_live_one_refuses_naming_its_holder(self, place):
        with writer_lock(place, "m"), ExitStack() as stack:
            with pytest.raises(InputError) as caught:
                stack.enter_context(writer_lock(Place(place.location), "m"))
            assert f"{place} is being written by process {os.getpid()} on " in one_line(caught)
            assert self.lease(place)["process"] == os.getpid()

    def test_a_dead_one_is_taken_over_after_four_beats(self, place):
        left = {"token": "x", "process": 1, "host": "elsewhere", "since_utc": "2026-01-01", "beat": 7}
        lock._write_lease(place, f"{place.root}/m.lock", left)
        began = time.monotonic()
        with writer_lock(place, "m"):
            assert time.monotonic() - began >= 4 * BEAT
            assert self.lease(place)["process"] == os.getpid()
        assert place.sizes() == {}

    def test_one_that_ends_meanwhile_is_not_waited_for(self, place):
        lock._write_lease(place, f"{place.root}/m.lock", {"token": "x"})
        ending = threading.Timer(BEAT / 2, place.remove, ["m.lock"])
        ending.start()
        began = time.monotonic()
        with writer_lock(place, "m"):
            assert time.monotonic() - began < 4 * BEAT
        ending.join()

    def test_of_many_that_begin_at_once_one_has_it(self, place, monkeypatch):
        monkeypatch.setattr(lock, "BEAT_SECONDS", 4 * BEAT)
        start, have_it, refused = threading.Barrier(5), [], []

        def take():
            start.wait()
            try:
                with writer_lock(Place(place.location), "m"):
                    have_it.append(1)
                    time.sleep(8 * BEAT)
            except InputError as error:
                refused.append(str(error))

        threads = [threading.Thread(target=take) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (len(have_it), len(refused)) == (1, 4)
        assert place.sizes() == {}

    def test_one_taken_by_another_is_left_to_him(self, place, monkeypatch):
        monkeypatch.setattr(lock, "BEAT_SECONDS", 5.0)
        monkeypatch.setattr(lock.time, "sleep", lambda seconds: None)
        with writer_lock(place, "m"):
            lock._write_lease(place, f"{place.root}/m.lock", {"token": "his"})
        assert self.lease(place) == {"token": "his"}

    def test_a_store_out_of_reach_for_a_while_does_not_end_it(self, place, monkeypatch):
        write, failures = lock._write_lease, []

        def fail_thrice(*arguments):
            if len(failures) < 3:
                failures.append(1)
                raise OSError("no route to host")
            write(*arguments)

        with writer_lock(place, "m"):
            monkeypatch.setattr(lock, "_write_lease", fail_thrice)
            wait_until(lambda: len(failures) == 3)
            wait_until(lambda: self.lease(place).get("beat", 0) > 3)

    def test_the_error_that_ends_the_work_is_not_hidden_by_a_store_that_is_gone(self, place, monkeypatch):
        def fail(*arguments):
            raise OSError("no route to host")

        with pytest.raises(KeyboardInterrupt), writer_lock(place, "m"):
            monkeypatch.setattr(lock, "_read_lease", fail)
            raise KeyboardInterrupt

    def test_the_thread_that_renews_it_ends_with_it(self, place):
        before = threading.active_count()
        with writer_lock(place, "m"):
            assert threading.active_count() == before + 1
        assert threading.active_count() == before

    def test_a_writer_of_a_matrix_holds_it(self, memory, small_tiles):
        profiles, found = profiles_of(2 * SIDE), []
        place = Place(memory)
        with fault_at_tile(2, lambda: found.append(lock._read_lease(place, f"{place.root}/{PARAMETERS.name}.lock"))):
            bring_up(memory, profiles, threads=1)
        assert found[0]["process"] == os.getpid()
        assert place.folders() == [PARAMETERS.name]
        assert not [name for name in place.sizes() if name.endswith(".lock")]
        assert is_right(memory, profiles)
