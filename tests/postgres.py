"""A real PostgreSQL server, for the tests that need one.

Which one: the one that `POSTGRES_TEST_URI` names, else `initdb` and `postgres` from the PATH or from
Debian's `/usr/lib/postgresql`, with a data folder of our own. A test that kills its server always gets
one of its own. Where none can be had the tests are skipped and say what to install; with `CI=true` they
fail instead, so that a CI cannot go without them.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from psycopg import sql

from tests.servers import free_port, last_line, unavailable

USER, PASSWORD = "tester", "s3cret-word"
START_SECONDS = 60
STOP_SECONDS = 10


class PostgresServer:
    """A server process of ours on one port and one data folder, which it keeps over restarts.

    It listens on the loopback interface only and asks for a password, as a server in earnest would.

    Args:
        programs: The folder of `initdb` and `postgres`.
        folder: An existing folder for data, socket and log, which `owner` can reach and write to.
        owner: Options of `subprocess` for the account that the server runs under.
    """

    def __init__(self, programs: Path, folder: Path, owner: dict[str, Any]) -> None:
        self.port = free_port()
        self.url = f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/postgres"
        self._programs, self._data, self._owner = programs, folder / "data", owner
        self._log = folder / "server.log"
        # fsync guards against a power cut only: what a killed server has written, the kernel keeps
        self._command = [
            *(programs / "postgres", "-D", self._data, "-k", folder, "-p", str(self.port)),
            *("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"),
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make the data folder: one superuser, UTF-8, no locale."""
        secret = self._data.with_name("password")
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        command = [self._programs / "initdb", "-D", self._data, "-U", USER, "--pwfile", secret]
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run([*command, *options], capture_output=True, text=True, cwd="/", **self._owner)
        if made.returncode:
            raise RuntimeError(f"initdb: {last_line(made.stderr)}")

    def start(self) -> None:
        """Start the process and wait until it answers."""
        assert self._process is None, "the server runs already"
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd="/", **self._owner)
        try:
            self._wait_until_it_answers(self._process)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End the process and its children as a power cut would (`kill -9`)."""
        if self._process is None:
            return
        children = []
        with suppress(psutil.NoSuchProcess):
            postmaster = psutil.Process(self._process.pid)
            postmaster.suspend()  # or it would answer the death of a child in its own way
            children = postmaster.children(recursive=True)
        for child in children:
            with suppress(psutil.NoSuchProcess):
                child.kill()
        self._process.kill()
        self._process.wait()
        # as long as one lives, a new server refuses the data folder
        deadline = time.monotonic() + STOP_SECONDS
        while any(_lives(child) for child in children) and time.monotonic() < deadline:
            time.sleep(0.01)
        self._process = None

    def stop(self) -> None:
        """Ask the process to end; insist if it does not."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
            self.kill()

    def _wait_until_it_answers(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.05)
        raise RuntimeError(f"the test server did not start: {last_line(self._log.read_text())}")


@pytest.fixture(scope="session")
def postgres_programs() -> Path:
    """The folder of the server programs: that of the PATH, else Debian's newest."""
    if (initdb := shutil.which("initdb")) and shutil.which("postgres"):
        return Path(initdb).resolve().parent
    folders = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not folders:
        unavailable("no PostgreSQL server to test with: install postgresql, or set POSTGRES_TEST_URI")
    return max(folders, key=lambda folder: float(folder.parent.name))


@pytest.fixture(scope="session")
def postgres_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of a server that all tests share; use `postgres_schema` for a schema of one's own."""
    if url := os.environ.get("POSTGRES_TEST_URI"):
        yield url
        return
    with _running(request.getfixturevalue("postgres_programs")) as server:
        yield server.url


@pytest.fixture
def postgres_schema(postgres_url: str) -> Iterator[str]:
    """The name of an empty schema on the shared server, dropped after the test."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
        yield name
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(name)))


@pytest.fixture
def own_postgres_server(postgres_programs: Path) -> Iterator[PostgresServer]:
    """A running server for one test, which may kill and restart it; never that of `POSTGRES_TEST_URI`."""
    with _running(postgres_programs) as server:
        yield server


@contextmanager
def _running(programs: Path) -> Iterator[PostgresServer]:
    # not pytest's folder: it is closed to all accounts but ours
    with tempfile.TemporaryDirectory(prefix="loadprofiles-postgres-") as folder:
        owner = _owner()
        if owner:
            os.chown(folder, owner["user"], owner["group"])
        server = PostgresServer(programs, Path(folder), owner)
        server.create()
        server.start()
        try:
            yield server
        finally:
            server.stop()


def _owner() -> dict[str, Any]:
    """The account to run the server under: ours, unless that is root, which PostgreSQL refuses."""
    if os.geteuid() != 0:
        return {}
    accounts = [account for account in pwd.getpwall() if account.pw_name in ("postgres", "nobody")]
    if not accounts:
        unavailable("PostgreSQL does not run as root, and there is no account postgres or nobody")
    return {"user": accounts[0].pw_uid, "group": accounts[0].pw_gid, "extra_groups": []}


def _lives(process: psutil.Process) -> bool:
    # one that nobody has collected yet is dead too
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
