"""A DTW matrix computed on a dask cluster: a scheduler and two workers, processes of their own, over TCP."""

import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from loadprofiles import parallel
from loadprofiles.distances import update
from loadprofiles.distances.generations import Generation
from loadprofiles.distances.matrix import DtwMatrix
from loadprofiles.errors import InputError, LoadProfilesError
from tests.distances.conftest import (
    PARAMETERS,
    ROOT,
    bring_up,
    interrupted,
    is_right,
    one_line,
    pairs_of,
    profiles_of,
    tile_files,
    wait_until,
)
from tests.servers import free_port, last_line, unavailable

pytestmark = pytest.mark.usefixtures("small_tiles")

# Loaded by each worker: it notes every tile that it has stored, and takes its time before it says so.
NOTES = """
import os, time
from loadprofiles.distances.generations import Generation

write = getattr(Generation.write, "plain", Generation.write)

def write_and_note(generation, tile, values):
    write(generation, tile, values)
    with open({notes!r} + "/" + str(os.getpid()), "a") as file:
        print(generation.name, *tile.chunk, file=file)
    time.sleep(0.02)

# dask may run this twice
write_and_note.plain = write
Generation.write = write_and_note
"""


@contextmanager
def started(folder, name, *arguments):
    """A command of dask in a folder of its own."""
    folder.mkdir(exist_ok=True)
    log = folder / f"{name}.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=output,
            stderr=output,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


@contextmanager
def scheduler(folder):
    port = free_port()
    where = ("--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
    with started(folder, "scheduler", "scheduler", *where) as process:
        yield f"tcp://127.0.0.1:{port}", process


WRITE = Generation.write


class Cluster:
    """A scheduler, two workers of one thread each, and what they note."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.notes = folder, folder / "notes"
        self.notes.mkdir(parents=True)
        (folder / "noting.py").write_text(NOTES.format(notes=str(self.notes)))

    @contextmanager
    def running(self):
        with (
            scheduler(self.folder / "scheduler") as (self.address, self.scheduler),
            self.worker("a") as a,
            self.worker("b") as b,
        ):
            self.workers = [a, b]
            self.wait_for_workers(2)
            yield self

    def worker(self, name):
        options = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--name", name, "--host", "127.0.0.1")
        preload = ("--preload", str(self.folder / "noting.py"))
        return started(self.folder / name, name, "worker", self.address, *options, *preload)

    def wait_for_workers(self, count):
        from distributed import Client

        try:
            with Client(self.address, timeout=30, set_as_default=False) as client:
                client.wait_for_workers(count, timeout=60)
        except (OSError, TimeoutError) as error:
            log = (self.folder / "scheduler" / "scheduler.log").read_text()
            unavailable(f"no dask cluster ({error}): {last_line(log)}")

    def noted(self):
        """What each worker process has stored."""
        return {int(file.name): file.read_text().splitlines() for file in self.notes.iterdir()}

    def forget(self):
        for file in self.notes.iterdir():
            file.unlink()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("dask") / "cluster").running() as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def no_tile_is_computed_here(monkeypatch):
    def refuse(generation, tile, values):
        pytest.fail("computed in the process that asked")

    monkeypatch.setattr(Generation, "write", refuse)


class TestCluster:
    def test_both_workers_compute_and_every_tile_once(self, cluster, path):
        cluster.forget()
        profiles = profiles_of(60)
        done = bring_up(path, profiles, dask_scheduler=cluster.address)
        assert (done.n_pairs, done.tiles_found) == (pairs_of(60), 0)
        noted = cluster.noted()
        assert set(noted) == {worker.pid for worker in cluster.workers}
        written = Counter(line for lines in noted.values() for line in lines)
        assert len(written) == len(tile_files(path)) == 8 * 9 // 2
        assert set(written.values()) == {1}
        assert is_right(path, profiles)

    def test_it_extends_and_continues_what_this_machine_began(self, cluster, path, monkeypatch):
        profiles = profiles_of(40)
        with monkeypatch.context() as patch:
            patch.setattr(Generation, "write", WRITE)
            interrupted(path, profiles[:30], 6)
        cluster.forget()
        assert bring_up(path, profiles, dask_scheduler=cluster.address).tiles_found == 5
        assert sum(map(len, cluster.noted().values())) == len(tile_files(path)) - 5
        assert is_right(path, profiles)

    def test_a_relative_path_is_that_of_the_process_that_asks(self, cluster, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        profiles = profiles_of(10)
        bring_up("dtw/", profiles, dask_scheduler=cluster.address)
        assert is_right(tmp_path / "dtw", profiles)

    def test_an_error_of_a_worker_is_one_line_and_says_what_it_was(self, cluster, path, monkeypatch):
        monkeypatch.setattr(update, "compute_tile", refuse_the_last)
        with pytest.raises(LoadProfilesError, match="three is too many") as caught:
            bring_up(path, profiles_of(20), dask_scheduler=cluster.address)
        one_line(caught)

    def test_a_place_that_the_workers_do_not_share_is_named(self, cluster, memory):
        with pytest.raises(InputError) as caught:
            bring_up(memory, profiles_of(10), dask_scheduler=cluster.address)
        message = one_line(caught)
        assert memory in message
        assert "dtw_path" in message

    def test_workers_that_write_elsewhere_are_noticed(self, cluster, path, monkeypatch):
        monkeypatch.setattr(update, "compute_tile", compute_nothing)
        with pytest.raises(InputError) as caught:
            bring_up(path, profiles_of(20), dask_scheduler=cluster.address)
        message = (
            f"6 of 6 tiles did not arrive at {path / PARAMETERS.name}: give a dtw_path that all dask workers share"
        )
        assert message in one_line(caught)
        with pytest.raises(InputError, match="there is no DTW matrix"):
            DtwMatrix(path, PARAMETERS)


def refuse_the_last(task):
    if task.number == 3:
        raise LoadProfilesError("three is too many")
    return task.tile.n_pairs


def compute_nothing(task):
    return task.tile.n_pairs


class TestLoss:
    N = 120

    def test_a_lost_worker_costs_its_tiles_and_nothing_else(self, tmp_path, path):
        profiles = profiles_of(self.N)
        with Cluster(tmp_path / "cluster").running() as cluster:
            victim = cluster.workers[0]
            killing = killer(cluster, victim, 10)
            done = bring_up(path, profiles, dask_scheduler=cluster.address)
            killing.join()
            assert victim.wait(30) == -signal.SIGKILL
            noted = cluster.noted()
        assert done.n_pairs == pairs_of(self.N)
        assert is_right(path, profiles)
        lost, kept = (Counter(noted[worker.pid]) for worker in cluster.workers)
        assert max((lost + kept).values()) <= 2
        assert set(kept.values()) == {1}
        assert len(lost + kept) == len(tile_files(path)) == 15 * 16 // 2
        # the one it was at, and those whose result nobody had fetched yet
        assert len(set(lost) & set(kept)) <= 4
        assert len(lost) >= 10

    def test_a_lost_scheduler_is_one_line_and_the_next_run_continues(self, tmp_path, path, monkeypatch):
        profiles = profiles_of(self.N)
        with Cluster(tmp_path / "cluster").running() as cluster:
            killing = killer(cluster, cluster.scheduler, 10)
            with pytest.raises(LoadProfilesError) as caught:
                bring_up(path, profiles, dask_scheduler=cluster.address)
            killing.join()
        assert f"the dask scheduler {cluster.address} was lost" in one_line(caught)
        monkeypatch.setattr(Generation, "write", WRITE)
        assert bring_up(path, profiles).tiles_found >= 10
        assert is_right(path, profiles)


def killer(cluster, process, n_tiles):
    """A thread that kills a process once the workers have stored some tiles each."""

    def kill():
        victim = cluster.workers[0].pid
        wait_until(lambda: len(cluster.noted().get(victim, [])) >= n_tiles)
        process.send_signal(signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


class TestNoCluster:
    @pytest.fixture(autouse=True)
    def little_patience(self, monkeypatch):
        monkeypatch.setattr(parallel, "_CONNECT_SECONDS", 1)

    def test_a_scheduler_that_is_not_there_is_named(self, path):
        address = f"tcp://127.0.0.1:{free_port()}"
        with pytest.raises(
            InputError, match=f"dask scheduler {address} cannot be reached: .*check the address"
        ) as caught:
            bring_up(path, profiles_of(10), dask_scheduler=address)
        one_line(caught)

    @pytest.mark.parametrize("address", ["nonsense", "tcp://", "http://127.0.0.1:80"])
    def test_an_address_that_is_none_is_named(self, path, address):
        with pytest.raises(InputError, match=f"the dask scheduler {address} cannot be reached") as caught:
            bring_up(path, profiles_of(10), dask_scheduler=address)
        one_line(caught)

    def test_a_scheduler_without_workers_is_named(self, tmp_path, path):
        with scheduler(tmp_path / "scheduler") as (address, process):
            log = tmp_path / "scheduler" / "scheduler.log"
            wait_until(lambda: "Scheduler at" in log.read_text() or process.poll() is not None)
            with pytest.raises(InputError, match=f"{address} has no worker: start one with `dask worker`") as caught:
                bring_up(path, profiles_of(10), dask_scheduler=address)
        one_line(caught)
