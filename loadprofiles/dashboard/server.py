"""Serves the dashboard by waitress: to this machine alone, unless there are users to sign in."""

import errno
import logging
import socket
from collections.abc import Callable
from typing import Final

import flask
from waitress import create_server

from loadprofiles.anomalies.delivery import is_loopback
from loadprofiles.dashboard.security import MOST_BYTES
from loadprofiles.dashboard.users import USERS_VARIABLE, Users, how_to_add
from loadprofiles.errors import ParameterError
from loadprofiles.tables import first_line

DEFAULT_HOST: Final = "127.0.0.1"
THREADS: Final = 8


def check_binding(host: str, users: Users) -> None:
    """See that nobody but this machine reaches a dashboard without sign-in.

    Args:
        host: The address to listen on; `localhost` alone of all names is known to be this machine.
        users: Who may sign in.

    Raises:
        ParameterError: Other machines could reach it, and there are no users.
    """
    if not is_loopback(host) and not users:
        raise ParameterError(
            f"host {host!r} can be reached by other machines, and nobody would have to sign in: {how_to_add()}, "
            f"or by {USERS_VARIABLE}; or take {DEFAULT_HOST}"
        )


def serve(server: flask.Flask, host: str, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve until Ctrl-C or, under `run_guarded`, SIGTERM; then return.

    Args:
        server: What `loadprofiles.dashboard.security.protect` has made safe.
        host: The address or name to listen on; see `check_binding`.
        port: The port; 0: a free one.
        on_ready: Called with the dashboard's URL as soon as it is listened to.

    Raises:
        ParameterError: Nobody can listen to that host and port.
    """
    # that a request waits for a moment, as a page's many files do on a busy machine, is nothing to do about
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    with _listening(host, port) as listener:
        waiting = create_server(
            server,
            sockets=[listener],
            threads=THREADS,
            ident=None,
            max_request_body_size=MOST_BYTES,
            # they tell what a proxy says; where none is to be believed, nothing of ours reads them
            clear_untrusted_proxy_headers=False,
        )
        shown = f"[{host}]" if ":" in host else host
        on_ready(f"http://{shown}:{listener.getsockname()[1]}/")
        # ends on KeyboardInterrupt, and keeps it to itself
        waiting.run()
        waiting.close()


def _listening(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        # of a name with both the older kind, which every machine has
        family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        reasons = {
            errno.EADDRINUSE: "is in use; choose another port, or 0 for a free one",
            errno.EACCES: "is not allowed to this account; choose a port from 1024 on, or 0 for a free one",
            errno.EADDRNOTAVAIL: f"is no address of this machine; take {DEFAULT_HOST}",
        }
        reason = reasons.get(error.errno or 0, f"cannot be listened to: {error.strerror or first_line(error)}")
        raise ParameterError(f"port {port} of {host} {reason}") from error
