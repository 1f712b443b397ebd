"""The proxies of docs/operations.md as they stand there, but for ports, certificate and the folder they write to."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.project import ROOT, wait_for
from tests.servers import free_port, listens

HOST = "loads.example.org"
_UPSTREAM, _CERTIFICATES = "127.0.0.1:8050", f"/etc/letsencrypt/live/{HOST}"


@contextmanager
def nginx(folder: Path, upstream: str) -> Iterator[int]:
    """The port of an nginx before a server; without an nginx the test is skipped."""
    _certify(folder)
    port = free_port()
    server = _example(r"```nginx\n(.*?)```", {_UPSTREAM: upstream, "443": str(port), _CERTIFICATES: str(folder)})
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "".join(f"{kind}_temp_path {folder / kind};\n" for kind in kinds)
    user = "user root;" if os.getuid() == 0 else ""  # else it would take another, who cannot enter our folder
    text = f"daemon off; {user} pid {folder / 'pid'};\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{server}}}\n"
    (folder / "nginx.conf").write_text(text)
    with _started(folder, port, "nginx", "-e", "stderr", "-c", str(folder / "nginx.conf")):
        yield port


@contextmanager
def caddy(folder: Path, upstream: str) -> Iterator[int]:
    """The same with a Caddy, which signs its certificate itself."""
    port = free_port()
    changes = {_UPSTREAM: upstream, f"{HOST} {{": f"{HOST} {{\ntls internal"}
    site = _example(rf"```\n({re.escape(HOST)} {{.*?)```", changes)
    ports = f"http_port {free_port()}\nhttps_port {port}"
    (folder / "Caddyfile").write_text(f"{{\nadmin off\nskip_install_trust\n{ports}\n}}\n{site}")
    with _started(folder, port, "caddy", "run", "--config", str(folder / "Caddyfile")):
        yield port


def _example(pattern: str, changes: dict[str, str]) -> str:
    """An example of the documentation; what is to be changed in it must be there."""
    found = re.search(pattern, (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
    assert found, pattern
    text = found[1]
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def _certify(folder: Path) -> None:
    """A certificate and its key, as Let's Encrypt names them."""
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={HOST}"]
    files = ["-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run([*command, *files], check=True, capture_output=True)


@contextmanager
def _started(folder: Path, port: int, *command: str) -> Iterator[None]:
    if not (program := shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin")):
        pytest.skip(f"{command[0]} is not installed (Debian: {command[0]})")
    log = folder / "log.txt"
    with log.open("w") as file:
        environment = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
        process = subprocess.Popen([program, *command[1:]], env=environment, stdout=file, stderr=file)
    try:
        wait_for(lambda: process.poll() is not None or listens(port), 20)
        assert process.poll() is None, log.read_text()
        yield
    finally:
        process.terminate()
        process.wait(20)
