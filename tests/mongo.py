"""A real server that speaks MongoDB's protocol over TCP, for the tests that need one.

Which one, in this order: the one that `MONGO_TEST_URI` names; `mongod` from the PATH; FerretDB, built
once with Go from `tests/mongoserver` and kept in the user's cache. Where none can be had the tests are
skipped and say what to install; with `CI=true` they fail instead, so that a CI cannot go without them.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import ConnectionFailure

from tests.servers import free_port, last_line, unavailable

GO_FOLDER = Path(__file__).parent / "mongoserver"
BUILD_SECONDS = 540  # below pytest's own timeout, so that the reason is told
START_SECONDS = 30
STOP_SECONDS = 10


class MongoServer:
    """A server process of ours on one port and one data folder, which it keeps over restarts.

    Args:
        program: `mongod` or our FerretDB.
        folder: an existing folder for data and log.
    """

    def __init__(self, program: Path, folder: Path) -> None:
        self.port = free_port()
        self.uri = f"mongodb://127.0.0.1:{self.port}/"
        self._log = folder / "server.log"
        self._command = _command(program, folder, self.port)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process and wait until it answers."""
        assert self._process is None, "the server runs already"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End the process as a power cut would (`kill -9`)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        """Ask the process to end; insist if it does not."""
        if self._process is not None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            self.kill()

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        with MongoClient[dict[str, Any]](self.uri, serverSelectionTimeoutMS=200) as client:
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    client.admin.command("ping")
                    return
                except ConnectionFailure:
                    continue
        raise RuntimeError(f"the test server did not start: {last_line(self._log.read_text())}")


@pytest.fixture(scope="session")
def mongo_program() -> Path:
    """The server program to start: mongod if installed, else FerretDB, built if need be."""
    if mongod := shutil.which("mongod"):
        return Path(mongod)
    go = shutil.which("go")
    if go is None:
        unavailable("no MongoDB server to test with: install mongod or Go, or set MONGO_TEST_URI")
    return _built_ferretdb(go)


@pytest.fixture(scope="session")
def mongo_uri(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URI of a server that all tests share; use `mongo_database` for a database of one's own."""
    if uri := os.environ.get("MONGO_TEST_URI"):
        yield uri
        return
    server = MongoServer(request.getfixturevalue("mongo_program"), tmp_path_factory.mktemp("mongo"))
    server.start()
    yield server.uri
    server.stop()


@pytest.fixture
def mongo_database(mongo_uri: str) -> Iterator[Database[dict[str, Any]]]:
    """An empty database on the shared server, dropped after the test."""
    with MongoClient[dict[str, Any]](mongo_uri) as client:
        database = client.get_database(f"test_{uuid.uuid4().hex[:12]}")
        yield database
        client.drop_database(database.name)


@pytest.fixture
def own_mongo_server(mongo_program: Path, tmp_path: Path) -> Iterator[MongoServer]:
    """A running server for one test, which may kill and restart it; never that of `MONGO_TEST_URI`."""
    folder = tmp_path / "mongo"
    folder.mkdir()
    server = MongoServer(mongo_program, folder)
    server.start()
    yield server
    server.stop()


def _command(program: Path, folder: Path, port: int) -> list[str | Path]:
    if program.stem == "mongod":
        return [program, "--dbpath", folder, "--port", str(port), "--bind_ip", "127.0.0.1", "--nounixsocket"]
    return [program, "-dir", folder, "-listen", f"127.0.0.1:{port}"]


def _built_ferretdb(go: str) -> Path:
    """Our FerretDB, from the cache or built; a change of its sources builds another."""
    digest = hashlib.sha256(f"{platform.system()} {platform.machine()}".encode())
    for name in ("main.go", "go.mod", "go.sum"):
        digest.update((GO_FOLDER / name).read_bytes())
    suffix = ".exe" if platform.system() == "Windows" else ""
    program = _cache() / f"ferretdb-{digest.hexdigest()[:16]}{suffix}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        if problem := _build(go, program):
            unavailable(f"FerretDB for the tests could not be built: {problem}")
    return program


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loadprofiles-tests"


def _build(go: str, program: Path) -> str | None:
    """Build the program; what went wrong, if anything did."""
    # under a name of its own first: another test run may be building the same
    partial = program.with_name(f"{program.name}.{os.getpid()}")
    command = [go, "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", str(partial), "."]
    environment = {**os.environ, "CGO_ENABLED": "0"}
    try:
        subprocess.run(
            command,
            cwd=GO_FOLDER,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
        )
        partial.replace(program)
        return None
    except subprocess.CalledProcessError as error:
        return last_line(error.stderr)
    except subprocess.TimeoutExpired:
        return f"it took longer than {BUILD_SECONDS} s"
    finally:
        partial.unlink(missing_ok=True)
