"""What the servers that tests start have in common."""

import os
import random
import socket
from typing import NoReturn

import pytest


def free_port() -> int:
    """A port of the loopback interface on which nobody listens."""
    # Below the range of client ports: while the server is down a client must not get its port
    # for an outgoing connection, nor connect to itself.
    while True:
        port = random.randrange(20_000, 32_000)
        if not listens(port):
            return port


def listens(port: int) -> bool:
    """Whether anybody listens on a port of the loopback interface."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def unavailable(reason: str) -> NoReturn:
    """Skip the test that needs the server; with `CI=true` fail it."""
    if os.environ.get("CI", "").lower() == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def last_line(text: str) -> str:
    """What a server said last."""
    lines = text.strip().splitlines()
    return lines[-1] if lines else "no message"
