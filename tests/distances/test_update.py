"""Bringing a matrix up to date: what is computed is what was missing, whatever interrupts it and however often."""

import contextlib
import errno
import re
import shutil
import signal
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from zarr.storage import LocalStore

from loadprofiles.distances import generations, update
from loadprofiles.distances.generations import Matrix, MatrixParameters, profile_keys
from loadprofiles.distances.matrix import DtwMatrix
from loadprofiles.distances.place import Place
from loadprofiles.errors import InputError, LoadProfilesError, ParameterError, StaleMatrixError
from tests.distances.conftest import (
    PARAMETERS,
    SIDE,
    bring_up,
    fault_at_tile,
    generation_folders,
    interrupt,
    interrupted,
    is_right,
    one_line,
    pairs_of,
    profiles_of,
    selected,
    square,
    tile_files,
    wait_until,
    writer,
)

pytestmark = pytest.mark.usefixtures("small_tiles")


@pytest.fixture
def profiles():
    return profiles_of(30)


def stamps(path):
    """What tells that a file was written again."""
    return {file: (file.stat().st_ino, file.stat().st_mtime_ns) for file in tile_files(path)}


class TestWhatIsComputed:
    def test_at_first_all_pairs_in_all_tiles(self, path, profiles, computed):
        done = bring_up(path, profiles)
        assert (done.reason, done.n_added, done.n_pairs, done.tiles_found) == ("it was missing", 30, pairs_of(30), 0)
        assert len(computed) == len(set(computed)) == len(tile_files(path)) == 4 * 5 // 2
        assert done.seconds > 0
        assert is_right(path, profiles)

    def test_nothing_where_nothing_is_new(self, path, profiles, computed):
        bring_up(path, profiles)
        before = stamps(path)
        computed.clear()
        for again in (profiles, profiles[::-1], profiles[:3], profiles[[4, 4, 9, 4]]):
            done = bring_up(path, again)
            assert (done.reason, done.n_added, done.n_pairs, done.tiles_found) == ("", 0, 0, 0)
            assert is_right(path, again)
        assert computed == []
        assert stamps(path) == before

    def test_the_rows_of_one_percent_of_new_ones(self, path, computed, monkeypatch):
        monkeypatch.setattr(generations, "_LARGEST_SIDE", 32)
        monkeypatch.setattr(generations, "_LEAST_SIDE", 32)
        old, all_ = profiles_of(200), profiles_of(202)
        bring_up(path, old)
        before = stamps(path)
        computed.clear()
        done = bring_up(path, all_)
        assert (done.reason, done.n_added, done.n_pairs) == ("2 of 202 profiles were missing", 2, 2 * 200 + 1)
        # two columns: 202 rows make one tile of as many pairs as a square one
        assert len(computed) == 1
        assert {file: stamp for file, stamp in stamps(path).items() if file in before} == before
        assert is_right(path, all_)
        assert is_right(path, all_[::-1])

    def test_each_of_several_steps_costs_its_own_rows(self, path, computed):
        n_before = 0
        for n in (10, 11, 13, 24):
            assert bring_up(path, profiles_of(n)).n_pairs == pairs_of(n) - pairs_of(n_before)
            n_before = n
        assert len(generation_folders(path)) == 4
        assert is_right(path, profiles_of(24))

    def test_the_matrix_anew_where_that_is_less(self, path, profiles):
        bring_up(path, profiles)
        few = np.vstack([profiles[:2], profiles_of(3, seed=9)])
        done = bring_up(path, few)
        assert (done.reason, done.n_added, done.n_pairs) == ("3 of 5 profiles were missing", 5, pairs_of(5))
        assert is_right(path, few)
        assert len(generation_folders(path)) == 1
        with pytest.raises(StaleMatrixError):
            selected(path, profiles)

    def test_removed_profiles_stay_where_they_cost_nothing(self, path, profiles):
        bring_up(path, profiles)
        now = np.vstack([profiles[5:], profiles_of(1, seed=9)])
        assert bring_up(path, now).n_pairs == 30
        assert is_right(path, now)
        assert is_right(path, profiles)

    def test_all_of_it_by_anew(self, path, profiles, computed):
        bring_up(path, profiles)
        before = stamps(path)
        computed.clear()
        done = bring_up(path, profiles[:20], anew=True)
        assert (done.reason, done.n_added, done.n_pairs) == ("as compute_dtw=anew asks", 20, pairs_of(20))
        assert len(computed) == 6
        assert not set(stamps(path)) & set(before)
        assert len(generation_folders(path)) == 1
        assert is_right(path, profiles[:20])

    def test_repeats_are_computed_once(self, path, profiles):
        doubled = profiles[[0, 1, 0, 2, 1]]
        done = bring_up(path, doubled)
        assert (done.n_added, done.n_pairs) == (3, 3)
        assert is_right(path, doubled)
        assert selected(path, doubled)[0, 2] == 0

    @pytest.mark.parametrize("threads", [1, 2, 3, 5])
    def test_the_same_by_any_number_of_threads(self, path, profiles, threads):
        bring_up(path, profiles, threads=threads)
        assert is_right(path, profiles)

    def test_other_parameters_leave_it_alone(self, path, profiles):
        bring_up(path, profiles)
        before = stamps(path)
        wide = MatrixParameters(None, "l2", 24, 60)
        assert bring_up(path, profiles, wide).n_pairs == pairs_of(30)
        assert {file: stamp for file, stamp in stamps(path).items() if file in before} == before
        assert is_right(path, profiles)
        assert is_right(path, profiles, wide)

    def test_tiles_of_another_size_are_no_obstacle(self, path, profiles, monkeypatch):
        interrupted(path, profiles[:20], 4)
        for name in ("_LARGEST_SIDE", "_LEAST_SIDE"):
            monkeypatch.setattr(generations, name, 5)
        assert bring_up(path, profiles).tiles_found == 3
        assert is_right(path, profiles)


class Updates(RuleBasedStateMachine):
    """Any sequence of updates, interruptions and repairs; the oracle is `pairwise` of what was asked for."""

    POOL = profiles_of(36)
    TRUTH = square(POOL)
    SOME = st.lists(st.integers(0, 35), min_size=2, max_size=30, unique=True)

    @initialize()
    def begin(self):
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "dtw"
        self.patch = pytest.MonkeyPatch()
        for name in ("_LARGEST_SIDE", "_LEAST_SIDE"):
            self.patch.setattr(generations, name, SIDE)
        self.stored: set[int] = set()
        self.left_over = False

    def expected(self, some, anew):
        """Pairs to compute where nothing is left over, and what is stored then."""
        new = set(some) - self.stored
        extension = len(new) * len(self.stored) + pairs_of(len(new))
        if self.stored and not anew and extension <= pairs_of(len(some)):
            return extension, self.stored | new
        if self.stored and not anew and not new:
            return 0, self.stored
        return pairs_of(len(some)), set(some)

    @rule(some=SOME, anew=st.booleans(), repeats=st.integers(0, 3))
    def bring_up(self, some, anew, repeats):
        n_pairs, stored = self.expected(some, anew)
        done = bring_up(self.path, self.POOL[some + some[:repeats]], anew=anew, threads=2)
        if done.tiles_found:
            assert self.left_over
        elif not self.left_over:
            assert done.n_pairs == n_pairs
        assert done.n_pairs <= n_pairs
        self.stored, self.left_over = stored, self.left_over and not done.reason

    @rule(some=SOME, anew=st.booleans(), number=st.integers(1, 6))
    def be_interrupted(self, some, anew, number):
        _, stored = self.expected(some, anew)
        with fault_at_tile(number, interrupt, lasting=True):
            try:
                done = bring_up(self.path, self.POOL[some], anew=anew, threads=1)
            except KeyboardInterrupt:
                self.left_over = True
            else:
                self.stored, self.left_over = stored, self.left_over and not done.reason

    @rule(data=st.data())
    def lose_a_tile_that_does_not_count(self, data):
        counting = set(Matrix(Place(self.path), PARAMETERS).names) if self.stored else set()
        files = [file for file in tile_files(self.path) if file.parents[3].name not in counting]
        if files:
            file = data.draw(st.sampled_from(files))
            file.write_bytes(file.read_bytes()[: data.draw(st.integers(0, 40))])

    @invariant()
    def everything_stored_is_right(self):
        if not getattr(self, "stored", None):
            return
        some = sorted(self.stored, key=lambda number: number * 7 % 36)
        found = selected(self.path, self.POOL[some])
        assert found.tobytes() == self.TRUTH[np.ix_(some, some)].tobytes()

    def teardown(self):
        if hasattr(self, "folder"):
            self.patch.undo()
            self.folder.cleanup()


Updates.TestCase.settings = settings(max_examples=12, stateful_step_count=8, deadline=None)
TestAnySequence = Updates.TestCase


class TestInterruption:
    def test_at_any_tile_the_next_run_continues(self, path, profiles):
        for number in range(1, 11):
            shutil.rmtree(path, ignore_errors=True)
            interrupted(path, profiles, number)
            before = stamps(path)
            assert len(before) == number - 1
            done = bring_up(path, profiles)
            assert done.tiles_found == number - 1
            assert {file: stamps(path)[file] for file in before} == before
            assert len(generation_folders(path)) == 1
            assert is_right(path, profiles)

    def test_again_and_again_no_tile_is_computed_twice(self, path, profiles, computed):
        for _ in range(4):
            interrupted(path, profiles, 3)
        assert bring_up(path, profiles).tiles_found == 8
        assert len(computed) == len(set(computed)) == 10
        assert is_right(path, profiles)

    def test_an_extension_is_continued_and_the_old_matrix_stays_readable(self, path, profiles):
        bring_up(path, profiles[:20])
        reader = DtwMatrix(path, PARAMETERS)
        interrupted(path, profiles, 4)
        assert is_right(path, profiles[:20])
        with pytest.raises(StaleMatrixError, match="does not hold 10 of the 30 profiles"):
            selected(path, profiles)
        assert bring_up(path, profiles).tiles_found == 3
        assert is_right(path, profiles)
        assert reader.select(profile_keys(profiles[:20])).tobytes() == square(profiles[:20]).tobytes()

    def test_anew_is_continued_and_the_old_matrix_stays_until_it_is_complete(self, path, profiles):
        bring_up(path, profiles)
        interrupted(path, profiles, 4, anew=True)
        assert is_right(path, profiles)
        done = bring_up(path, profiles, anew=True)
        assert (done.tiles_found, len(generation_folders(path))) == (3, 1)
        assert is_right(path, profiles)

    def test_with_more_profiles_it_goes_on_from_what_is_there(self, path, profiles, computed):
        interrupted(path, profiles[:20], 4)
        done = bring_up(path, profiles)
        assert done.tiles_found == 3
        assert is_right(path, profiles)

    def test_with_more_profiles_and_interrupted_again_it_loses_no_tile(self, path, profiles):
        interrupted(path, profiles[:20], 4)
        interrupted(path, profiles, 8)
        n_stored = len(tile_files(path))
        assert n_stored == 3 + 7
        assert bring_up(path, profiles).tiles_found == n_stored
        assert is_right(path, profiles)

    def test_what_fewer_profiles_cannot_use_is_removed(self, path, profiles):
        interrupted(path, profiles, 4)
        done = bring_up(path, profiles[:20])
        assert (done.tiles_found, len(generation_folders(path))) == (0, 1)
        assert is_right(path, profiles[:20])

    @pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "deleted"])
    def test_a_damaged_tile_is_computed_again(self, path, profiles, computed, damage):
        interrupted(path, profiles, 8)
        harmed = tile_files(path)[::3]
        for file in harmed:
            content = file.read_bytes()
            file.write_bytes(
                {"cut": content[:40], "empty": b"", "flipped": content[:30] + b"\xaa" + content[31:]}.get(damage, b"")
            )
            if damage == "deleted":
                file.unlink()
        computed.clear()
        assert bring_up(path, profiles).tiles_found == 7 - len(harmed)
        assert len(computed) == 10 - 7 + len(harmed)
        assert is_right(path, profiles)

    @pytest.mark.parametrize("lost", ["zarr.json", "keys", "profiles", "distances/zarr.json", "profiles/c", "keys/c"])
    def test_a_generation_that_was_not_wholly_begun_is_begun_again(self, path, profiles, lost):
        """The machine may stop before the disk has what was written."""
        interrupted(path, profiles, 4)
        (folder,) = generation_folders(path)
        if (folder / lost).is_dir():
            shutil.rmtree(folder / lost)
        else:
            (folder / lost).unlink()
        bring_up(path, profiles)
        assert is_right(path, profiles)

    @pytest.mark.parametrize("name", ["keys/c/0/0", "profiles/c/0/0"])
    def test_profiles_that_changed_on_disk_are_never_computed_with(self, path, profiles, name):
        interrupted(path, profiles, 4)
        (folder,) = generation_folders(path)
        flip(folder / name)
        bring_up(path, profiles)
        assert is_right(path, profiles)

    def test_leftovers_harm_nothing(self, path, profiles):
        interrupted(path, profiles, 4)
        (folder,) = generation_folders(path)
        for left in (
            folder / "distances" / "c" / "0" / "1.0123456789abcdef.partial",
            folder / "distances" / "c" / ".directory",
            folder / "profiles" / "c" / "0" / "0.0123456789abcdef.partial",
            folder / "zarr.0123456789abcdef.partial",
            path / PARAMETERS.name / "zarr.0123456789abcdef.partial",
            path / "thumbs.db",
        ):
            left.write_bytes(b"half")
        assert bring_up(path, profiles).tiles_found == 3
        assert is_right(path, profiles)

    def test_between_the_commit_and_the_removal_of_the_old_one(self, path, profiles, computed, monkeypatch):
        bring_up(path, profiles)
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Place, "remove", lambda place, name: interrupt())
            bring_up(path, profiles, anew=True)
        assert is_right(path, profiles)
        assert len(generation_folders(path)) == 2
        computed.clear()
        # the older generation was complete: anew takes over nothing from it
        bring_up(path, profiles, anew=True)
        assert len(computed) == 10
        assert is_right(path, profiles)
        assert len(generation_folders(path)) == 1

    def test_progress_is_silent_where_there_is_no_terminal(self, path, profiles, capsys):
        bring_up(path, profiles, progress=True)
        assert capsys.readouterr() == ("", "")


class TestDamageOfACompleteMatrix:
    @pytest.mark.parametrize("damage", ["flipped", "deleted"])
    def test_anew_repairs_a_tile(self, path, profiles, damage):
        bring_up(path, profiles)
        file = tile_files(path)[3]
        flip(file) if damage == "flipped" else file.unlink()
        with pytest.raises(InputError, match="compute_dtw=anew") as caught:
            selected(path, profiles)
        one_line(caught)
        assert bring_up(path, profiles, anew=True).n_pairs == pairs_of(30)
        assert is_right(path, profiles)

    @pytest.mark.parametrize("damage", ["flipped", "deleted"])
    def test_profiles_that_are_not_what_they_were_are_never_extended(self, path, profiles, damage):
        bring_up(path, profiles[:20])
        file = generation_folders(path)[0] / "profiles" / "c" / "0" / "0"
        flip(file) if damage == "flipped" else file.unlink()
        with pytest.raises(InputError, match="compute_dtw=anew") as caught:
            bring_up(path, profiles)
        one_line(caught)
        bring_up(path, profiles, anew=True)
        assert is_right(path, profiles)

    @pytest.mark.parametrize("lost", ["", "zarr.json", "keys/zarr.json", "distances"])
    def test_anew_repairs_a_lost_generation(self, path, profiles, lost):
        bring_up(path, profiles)
        file = generation_folders(path)[0] / lost
        shutil.rmtree(file) if file.is_dir() else file.unlink()
        with pytest.raises(InputError, match="compute_dtw=anew") as caught:
            bring_up(path, profiles)
        one_line(caught)
        bring_up(path, profiles, anew=True)
        assert is_right(path, profiles)


def flip(file):
    content = file.read_bytes()
    middle = len(content) // 2
    file.write_bytes(content[:middle] + bytes([content[middle] ^ 16]) + content[middle + 1 :])


class TestFullDisk:
    def test_at_any_write_is_one_line_and_the_next_run_continues(self, path, monkeypatch):
        profiles = profiles_of(20)
        put, number = LocalStore.set, 0
        while True:
            number += 1
            shutil.rmtree(path, ignore_errors=True)
            bring_up(path, profiles[:12])
            count = 0

            async def put_or_fail(store, key, value, limit=number):
                nonlocal count
                count += 1
                if count >= limit:
                    raise OSError(errno.ENOSPC, "No space left on device")
                await put(store, key, value)

            with monkeypatch.context() as patch:
                patch.setattr(LocalStore, "set", put_or_fail)
                try:
                    bring_up(path, profiles)
                except InputError as error:
                    message = str(error)
                else:
                    break
            assert re.fullmatch(
                rf"the DTW matrix at {path} cannot be written \(.*No space left on device\); "
                "what is complete is kept: run the same command again, or do without the matrix by .*",
                message,
            )
            stored = {file.name for file in tile_files(path)}
            assert stored
            assert is_right(path, profiles[:12])
            bring_up(path, profiles)
            assert is_right(path, profiles)
            assert len(generation_folders(path)) == 2
        # seven files begin a generation, one ends it
        assert number > 8

    def test_tiles_that_were_stored_are_kept(self, path, profiles, monkeypatch):
        put, count = LocalStore.set, 0

        async def fail_at_fifth_tile(store, key, value):
            nonlocal count
            count += "/distances/c/" in key
            if count >= 5:
                raise OSError(errno.ENOSPC, "No space left on device")
            await put(store, key, value)

        with monkeypatch.context() as patch, pytest.raises(InputError, match="No space left"):
            patch.setattr(LocalStore, "set", fail_at_fifth_tile)
            bring_up(path, profiles)
        assert bring_up(path, profiles).tiles_found == 4
        assert is_right(path, profiles)

    def test_too_little_room_is_said_before_computing(self, path, profiles, monkeypatch, computed):
        with monkeypatch.context() as patch:
            patch.setattr(update.shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
            with pytest.raises(InputError, match=r"it takes up to 1,740 bytes and 100 are free") as caught:
                bring_up(path, profiles)
        one_line(caught)
        assert computed == []
        bring_up(path, profiles)
        assert is_right(path, profiles)


class TestProcesses:
    """Writers in processes of their own, ended from outside in the middle of it."""

    N_OLD, N = 40, 120

    def test_killed_it_is_continued_tile_by_tile(self, path):
        old, all_ = profiles_of(self.N_OLD), profiles_of(self.N)
        bring_up(path, old)
        with writer(path, self.N) as process:
            wait_until(lambda: len(tile_files(path)) >= 30, process)
            during = DtwMatrix(path, PARAMETERS)
            assert (during.select(profile_keys(old)) == square(old)).all()
            process.send_signal(signal.SIGKILL)
            assert process.wait(30) == -signal.SIGKILL
        assert is_right(path, old)
        with pytest.raises(StaleMatrixError, match="does not hold 80 of the 120 profiles"):
            selected(path, all_)
        before = stamps(path)
        n_old = 5 * 6 // 2
        done = bring_up(path, all_)
        after = stamps(path)
        # one that was being written may have been cut; what was whole is not touched
        assert len(before) - n_old >= done.tiles_found >= len(before) - n_old - 2
        assert sum(after[file] != stamp for file, stamp in before.items()) == len(before) - n_old - done.tiles_found
        assert len(after) > len(before)
        assert is_right(path, all_)
        assert (during.select(profile_keys(old)) == square(old)).all()

    def test_killed_at_first_there_is_no_matrix_yet(self, path):
        with writer(path, self.N) as process:
            wait_until(lambda: len(tile_files(path)) >= 5, process)
            with pytest.raises(InputError, match="there is no DTW matrix"):
                DtwMatrix(path, PARAMETERS)
            process.send_signal(signal.SIGKILL)
            process.wait(30)
        with pytest.raises(InputError, match="there is no DTW matrix") as caught:
            DtwMatrix(path, PARAMETERS)
        one_line(caught)
        assert bring_up(path, profiles_of(self.N)).tiles_found >= 5
        assert is_right(path, profiles_of(self.N))

    def test_interrupted_it_ends_at_once_and_is_continued(self, path):
        with writer(path, self.N, 0.05) as process:
            wait_until(lambda: len(tile_files(path)) >= 5, process)
            sent = time.monotonic()
            process.send_signal(signal.SIGINT)
            printed, told = process.communicate(timeout=30)
            assert time.monotonic() - sent < 5
        assert (process.returncode, printed, told.strip()) == (130, "", "interrupted")
        n_stored = len(tile_files(path))
        assert n_stored < 15 * 16 // 2
        assert not list(path.rglob("*.partial"))
        assert bring_up(path, profiles_of(self.N)).tiles_found == n_stored
        assert is_right(path, profiles_of(self.N))


class TestWithoutALock:
    """Two that write at once in spite of all: their work may be lost, the matrix may not."""

    @pytest.fixture(autouse=True)
    def no_lock(self, monkeypatch):
        monkeypatch.setattr(update, "writer_lock", lambda *arguments: contextlib.nullcontext())

    def both(self, monkeypatch, path, first, second, when):
        """Bring up `first`; at a certain moment another writer brings up `second`. What each raised or None."""
        outcomes = []

        def outcome(profiles):
            try:
                update.update_matrix(path, PARAMETERS, profiles, threads=1, progress=False)
            except LoadProfilesError as error:
                outcomes.append(error)
            else:
                outcomes.append(None)

        if when == "write":
            with fault_at_tile(1, lambda: outcome(second)):
                outcome(first)
            return outcomes[1], outcomes[0]
        original = getattr(update, when)

        def beside_the_other(*arguments):
            monkeypatch.setattr(update, when, original)
            result = original(*arguments)
            outcome(second)
            return result

        monkeypatch.setattr(update, when, beside_the_other)
        outcome(first)
        return outcomes[1], outcomes[0]

    @pytest.mark.parametrize("when", ["_opened", "_lacking", "_continued", "write"])
    @pytest.mark.parametrize("n_second", [20, 30, 40])
    @pytest.mark.parametrize("n_stored", [0, 10])
    def test_whichever_is_later_the_matrix_stays_whole(self, monkeypatch, path, when, n_second, n_stored):
        first, second = profiles_of(30), profiles_of(n_second)[::-1]
        if n_stored:
            bring_up(path, profiles_of(n_stored))
        errors = self.both(monkeypatch, path, first, second, when)
        for profiles, error in zip((first, second), errors, strict=True):
            if error is None:
                assert is_right(path, profiles)
            else:
                assert "\n" not in str(error)
        if n_stored:
            assert is_right(path, profiles_of(n_stored))
        # and whoever failed succeeds when he is alone
        for profiles in (first, second):
            bring_up(path, profiles)
            assert is_right(path, profiles)

    def test_one_whose_tiles_another_removed_does_not_commit(self, monkeypatch, path):
        # one tile: nothing else is under way meanwhile
        profiles = profiles_of(SIDE)
        others = profiles_of(20, seed=7)

        def let_another_begin():
            with monkeypatch.context() as patch:
                patch.setattr(generations.Generation, "write", write)
                with fault_at_tile(2, interrupt, lasting=True), pytest.raises(KeyboardInterrupt):
                    update.update_matrix(path, PARAMETERS, others, threads=1, progress=False)

        write = generations.Generation.write
        with contextlib.suppress(InputError), fault_at_tile(1, let_another_begin):
            bring_up(path, profiles, threads=1)
        bring_up(path, others)
        assert is_right(path, others)


class TestRefusals:
    def test_fewer_than_two_distinct_profiles(self, path, profiles):
        with pytest.raises(ParameterError, match="at least 2 distinct profiles, found 1"):
            bring_up(path, profiles[[0, 0, 0]])
        assert not path.exists()

    def test_profiles_of_another_length(self, path):
        with pytest.raises(ParameterError, match="profiles have 23 points, the matrix is of 24"):
            bring_up(path, profiles_of(5, points=23))
        assert not path.exists()

    def test_profiles_that_are_not_finite(self, path, profiles):
        profiles[3, 4] = np.nan
        with pytest.raises(ParameterError, match="1 NaN values, the first in row 3"):
            bring_up(path, profiles)
        assert not path.exists()

    @pytest.mark.parametrize("threads", [0, -1])
    def test_no_threads(self, path, profiles, threads):
        with pytest.raises(ParameterError, match=f"threads is {threads}"):
            bring_up(path, profiles, threads=threads)

    def test_a_place_that_is_a_file_is_left_alone(self, path, profiles):
        path.write_text("mine")
        with pytest.raises(InputError, match=f"the DTW matrix at {path} cannot be written") as caught:
            bring_up(path, profiles)
        one_line(caught)
        assert path.read_text() == "mine"

    def test_a_place_below_a_file(self, tmp_path, profiles):
        (tmp_path / "file").write_text("")
        with pytest.raises(InputError, match="cannot be written") as caught:
            bring_up(tmp_path / "file" / "dtw", profiles)
        one_line(caught)

    def test_missing_parents_are_made_and_what_lies_there_stays(self, tmp_path, profiles):
        path = tmp_path / "a" / "b" / "dtw"
        path.mkdir(parents=True)
        (path / "meta.json").write_text("mine")
        bring_up(path, profiles)
        assert is_right(path, profiles)
        assert (path / "meta.json").read_text() == "mine"
        bring_up(tmp_path / "c" / "d", profiles)
        assert is_right(tmp_path / "c" / "d", profiles)
