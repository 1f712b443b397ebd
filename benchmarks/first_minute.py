"""README's first commands, carried out as they stand there, in a copy of the project, from nothing.

`make test` is left out: CI carries it out. Packages may come from the caches of pip and uv. A server is ended as soon
as it says that it works.

    python -m benchmarks.first_minute
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import click

from loadprofiles.sourcecode import ROOT

BY_CI = "make test"
SERVERS = {"make dashboard": "http://127.0.0.1:8050/healthz"}
"""Commands that go on until they are interrupted, and what answers when they work."""

_SERVER_SECONDS = 600
_ASK_SECONDS = 0.2
_STEERING = ("MLFLOW_", "MONGO_", "SQL_", "ALERT_", "SMTP_", "DASHBOARD_", "PYTHON", "VIRTUAL_ENV")


def commands(readme: str) -> Iterator[str]:
    """The lines of README's first block of shell, and the second block as a whole."""
    first, second, *_ = re.findall(r"^```sh\n(.*?)^```", readme, flags=re.DOTALL | re.MULTILINE)
    for line in first.splitlines():
        command = line.partition("#")[0].strip()
        if command != BY_CI:
            yield command
    yield second.strip()


def copy_project(folder: Path) -> None:
    """Copy what git knows, or would take."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        copy = folder / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy)


def carry_out(command: str, folder: Path, environment: dict[str, str]) -> float:
    """Carry out a command; return the seconds until it ended, or worked.

    Raises:
        click.ClickException: It failed.
    """
    started = time.perf_counter()
    process = subprocess.Popen(
        ["bash", "-e", "-c", command], cwd=folder, env=environment, stdout=sys.stderr, start_new_session=True
    )
    try:
        if command in SERVERS:
            _wait_for(SERVERS[command], process)
        elif process.wait():
            raise click.ClickException(f"{command} ended with status {process.returncode}")
        return time.perf_counter() - started
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait()


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + _SERVER_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urlopen(url):
                return
        except OSError:
            time.sleep(_ASK_SECONDS)
    raise click.ClickException(f"{url} does not answer")


@click.command(help=__doc__)
def main() -> None:
    """Carry out the commands one after another, and print what each took."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_STEERING)}
    with tempfile.TemporaryDirectory(prefix="first-minute-") as folder:
        project, venv = Path(folder) / "loadprofiles", Path(folder) / "mlflow"
        copy_project(project)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        environment = kept | {"PATH": f"{venv / 'bin'}{os.pathsep}{kept['PATH']}"}
        for command in commands((project / "README.md").read_text(encoding="utf-8")):
            click.echo(f"{carry_out(command, project, environment):6.0f} s  {command.splitlines()[0]}")


if __name__ == "__main__":
    main()
