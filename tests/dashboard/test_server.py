import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPMessage
from pathlib import Path

import flask
import pytest

from loadprofiles.dashboard.server import check_binding, serve
from loadprofiles.dashboard.users import Users
from loadprofiles.errors import ParameterError
from tests.servers import last_line

ROOT = Path(__file__).parents[2]
ANA = {"ana": "pbkdf2:sha256:1$salt$00"}

SERVED = """
import flask
from loadprofiles.cli import run_guarded
from loadprofiles.dashboard.security import protect
from loadprofiles.dashboard.server import serve
from loadprofiles.dashboard.users import Users

{app}
run_guarded(lambda: serve(server, "127.0.0.1", 0, lambda url: print(url, flush=True)))
"""

TINY_DASHBOARD = """
from tests.dashboard.test_security import tiny_dashboard

server = tiny_dashboard()
"""

BEHIND_PROXY = f"""
server = flask.Flask("tiny")
protect(server, users=Users({ANA}), behind_proxy=True)
"""


@contextmanager
def served(app: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The URL of an app that is served by a process of its own, and the process."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVED.format(app=app)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DASHBOARD_SECRET_KEY": ""},
    )
    try:
        url = process.stdout.readline().strip()
        assert url, last_line(process.communicate(timeout=60)[1])
        yield url, process
    finally:
        process.kill()
        process.communicate(timeout=60)


def fetch(url: str, body: object = None, **headers: str) -> tuple[int, HTTPMessage, str]:
    """Status, headers and text of an answer; a body is posted as JSON."""

    class NoRedirect(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    data = None if body is None else json.dumps(body).encode()
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.build_opener(NoRedirect).open(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


def test_a_dashboard_is_served_with_callbacks_and_ends_quietly():
    with served(TINY_DASHBOARD) as (url, process):
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
        status, headers, page = fetch(url)
        assert (status, headers["Server"]) == (200, None)
        assert "_dash-renderer" in page
        cookies = dict(re.match("([^=]+)=([^;]+)", cookie).groups() for cookie in headers.get_all("Set-Cookie"))
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        clicked = {
            "output": "text.children",
            "outputs": {"id": "text", "property": "children"},
            "inputs": [{"id": "button", "property": "n_clicks", "value": 2}],
            "changedPropIds": ["button.n_clicks"],
        }
        address = f"{url}_dash-update-component"
        status, _, text = fetch(address, clicked, Cookie=cookie, X_CSRFToken=cookies["_csrf_token"])
        assert (status, json.loads(text)["response"]["text"]) == (200, {"children": "2 by anybody"})
        assert fetch(address, clicked, Cookie=cookie)[0] == 400
        assert fetch(url, Host="evil.example")[0] == 400
        assert json.loads(fetch(f"{url}healthz")[2]) == {"status": "ok"}
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0


def test_what_a_proxy_says_arrives_and_ctrl_c_ends_quietly():
    with served(BEHIND_PROXY) as (url, process):
        status, headers, _ = fetch(f"{url}customers", Accept="text/html", X_Forwarded_Prefix="/load")
        assert (status, headers["Location"]) == (303, "/load/signin?next=/customers")
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "")
        assert process.returncode == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "localhost", "LocalHost", "::1"])
def test_the_loopback_needs_no_users(host):
    check_binding(host, Users())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "meters.example", "127.1", "", "2001:db8::1"])
def test_any_other_host_needs_users_and_the_error_says_how_to_add_them(host):
    with pytest.raises(ParameterError, match=r"--add_user NAME`, or by DASHBOARD_USERS; or take 127\.0\.0\.1"):
        check_binding(host, Users())
    check_binding(host, Users(ANA))


def fail_if_ready(url: str) -> None:
    raise AssertionError(url)


def test_a_port_in_use_is_told_in_one_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ParameterError, match=f"port {port} of 127.0.0.1 is in use; choose another port, or 0"):
            serve(flask.Flask("tiny"), "127.0.0.1", port, fail_if_ready)


@pytest.mark.parametrize(
    ("host", "reason"),
    [("192.0.2.1", "is no address of this machine; take 127"), ("no host", "cannot be listened to: ")],
)
def test_a_host_that_is_not_this_machine_is_told_in_one_line(host, reason):
    with pytest.raises(ParameterError, match=f"port 0 of {host} {reason}"):
        serve(flask.Flask("tiny"), host, 0, fail_if_ready)
