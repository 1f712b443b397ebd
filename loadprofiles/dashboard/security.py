"""What stands between the network and the dashboard: sign-in, CSRF tokens, lockout, trusted hosts, headers."""

import logging
import math
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

import flask
import jinja2
from flask_wtf.csrf import CSRFError, CSRFProtect, generate_csrf, validate_csrf
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from werkzeug.datastructures import LanguageAccept
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.utils import host_is_trusted
from wtforms import ValidationError  # type: ignore[import-untyped]

from loadprofiles.anomalies.delivery import is_loopback
from loadprofiles.dashboard.users import LONGEST_NAME, Users, UsersError
from loadprofiles.errors import LoadProfilesError, ParameterError

KEY_VARIABLE: Final = "DASHBOARD_SECRET_KEY"
SHORTEST_KEY: Final = 32
SESSION_LIFETIME: Final = timedelta(hours=12)
MOST_BYTES: Final = 1_000_000
"""Of the body of a request."""

TRIES_OF_NAME: Final = RateLimitItemPerMinute(5, 15)
TRIES_OF_ADDRESS: Final = RateLimitItemPerMinute(20, 15)

CSRF_COOKIE: Final = "_csrf_token"
"""Dash's own name: its renderer sends this cookie back in the header `X-CSRFToken`."""

_SIGN_IN: Final = "/signin"
_HEALTH: Final = "/healthz"
_STATIC: Final = ("/_dash-component-suites/", "/assets/")

_TEXTS: Final = {
    "en": {
        "language": "English",
        "heading": "Sign in to the load profiles",
        "name": "User name",
        "password": "Password",
        "submit": "Sign in",
        "wrong": "User name or password is wrong.",
        "locked": "Too many failed attempts. Try again in {minutes} min.",
        "stale": "This page was open for too long, or the browser takes no cookies. Sign in again.",
    },
    "es": {
        "language": "Español",
        "heading": "Iniciar sesión en los perfiles de carga",
        "name": "Nombre de usuario",
        "password": "Contraseña",
        "submit": "Iniciar sesión",
        "wrong": "El nombre de usuario o la contraseña no son correctos.",
        "locked": "Demasiados intentos fallidos. Inténtelo de nuevo dentro de {minutes} min.",
        "stale": "La página estuvo abierta demasiado tiempo, o el navegador no acepta cookies. Inicie sesión de nuevo.",
    },
}

_log = logging.getLogger(__name__)


def protect(
    server: flask.Flask,
    *,
    users: Users,
    secret_key: str | None = None,
    behind_proxy: bool = False,
    trusted_hosts: tuple[str, ...] = (),
    script_hashes: Callable[[], Sequence[str]] = tuple,
    health: Callable[[], Mapping[str, object]] = dict,
) -> None:
    """Make the Flask server of a Dash app safe to serve; once, before its first request.

    Every POST needs a CSRF token, which Dash's renderer sends of itself. With users everything but `/signin` and
    `/healthz` needs a session, of 12 hours at most; pages lead to `/signin`, the rest is refused with 401. A session
    ends when its user signs out, is taken out of the file or gets another password. 5 failed attempts of a name or
    20 of an address within 15 minutes lock it until the oldest is 15 minutes ago.

    Args:
        server: The server; it gets the routes `/healthz` and, with users, `/signin` and `/signout` (POST).
        users: Who may sign in; nobody: everybody who reaches the server is let in.
        secret_key: What cookies are signed with; None: `DASHBOARD_SECRET_KEY` of the environment, or a random one,
            with which sessions end when the server does.
        behind_proxy: Whether a proxy with TLS is in front, whose `X-Forwarded-For`, `-Proto`, `-Host` and `-Prefix`
            count; cookies then go over TLS only.
        trusted_hosts: Host names that a request may name, without ports; `.example.org` stands for all below. Those
            of the loopback always may. None given: with users any, else no other, so that no page of a web site
            whose name is made to lead here can read the dashboard.
        script_hashes: The hashes of the app's inline scripts, `dash.Dash.csp_hashes`.
        health: What `/healthz` tells besides the status while there are no users; if it raises LoadProfilesError,
            the status is 503.

    Raises:
        ParameterError: The secret key is too short.
    """
    private = bool(users)
    server.secret_key = _secret_key(secret_key)
    server.config.update(
        # not "session": cookies are shared by all servers of a host, whatever their port
        SESSION_COOKIE_NAME="loadprofiles_session",
        SESSION_COOKIE_HTTPONLY=True,
        # Strict would take who follows a link of an alert's mail for not signed in
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=behind_proxy,
        PERMANENT_SESSION_LIFETIME=SESSION_LIFETIME,
        # without sign-in a session holds but the CSRF token, and a page may stay open for days
        SESSION_REFRESH_EACH_REQUEST=not private,
        MAX_CONTENT_LENGTH=MOST_BYTES,
        WTF_CSRF_TIME_LIMIT=None,
        # where a browser sends no referrer nothing would work; the token is bound to the session in any case
        WTF_CSRF_SSL_STRICT=False,
    )
    guard = _Guard(users, private, behind_proxy, trusted_hosts, script_hashes, health)
    server.before_request(guard.check_host)
    server.before_request(guard.check_user)
    CSRFProtect(server)
    server.after_request(guard.give_token)
    server.after_request(guard.give_headers)
    server.add_url_rule(_HEALTH, "healthz", guard.healthz)
    server.register_error_handler(CSRFError, guard.refuse_token)
    server.register_error_handler(UsersError, guard.refuse_all)
    if private:
        server.add_url_rule(_SIGN_IN, "signin", guard.sign_in, methods=["GET", "POST"])
        server.add_url_rule("/signout", "signout", guard.sign_out, methods=["POST"])
    if behind_proxy:
        server.wsgi_app = ProxyFix(server.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)  # type: ignore[method-assign]


def current_user() -> str:
    """The name of who sent this request; empty without sign-in, and outside of requests."""
    return str(flask.g.get("user", "")) if flask.has_request_context() else ""


def local_path(target: str | None) -> str:
    """`target` if it is a path of this server, perhaps with a query; else `/`."""
    # browsers take a backslash for a slash, and leave out tabs and line breaks
    return target if target and re.fullmatch(r"/(?![/\\])[^\\\x00-\x20\x7f]*", target) else "/"


@dataclass
class _Lockout:
    """Counts failed attempts by name and by address."""

    storage: MemoryStorage
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._limiter = MovingWindowRateLimiter(self.storage)

    def attempt(self, name: str, address: str, check: Callable[[], bool]) -> tuple[bool, int]:
        """Whether `check` held, and the seconds to wait if it was not even asked."""
        counters = ((TRIES_OF_NAME, "name", name[: LONGEST_NAME + 1]), (TRIES_OF_ADDRESS, "address", address))
        # one after another: else several attempts at once could all pass before the first is counted
        with self._lock:
            wait = max(self._seconds(*counter) for counter in counters)
            if wait:
                return False, wait
            if check():
                self._limiter.clear(*counters[0])
                return True, 0
            for counter in counters:
                self._limiter.hit(*counter)
            return False, 0

    def _seconds(self, limit: RateLimitItem, *of: str) -> int:
        if self._limiter.test(limit, *of):
            return 0
        return max(1, math.ceil(self._limiter.get_window_stats(limit, *of).reset_time - time.time()))


@dataclass
class _Guard:
    """The hooks and views that `protect` installs."""

    users: Users
    private: bool
    behind_proxy: bool
    trusted_hosts: tuple[str, ...]
    script_hashes: Callable[[], Sequence[str]]
    health: Callable[[], Mapping[str, object]]

    def __post_init__(self) -> None:
        self._storage = MemoryStorage()
        self._lockout = _Lockout(self._storage)
        self._page = _template()

    def check_host(self) -> flask.Response | None:
        """Refuse a request to a host that is not ours."""
        host = flask.request.host.lower()
        if not host_is_trusted(host):
            return _plain(400, "The host of this request is malformed.")
        if is_loopback(urlsplit(f"//{host}").hostname or ""):
            return None
        if (self.private or self.trusted_hosts) and host_is_trusted(host, self.trusted_hosts):
            return None
        return _plain(400, "The dashboard is not served under this host name.")

    def check_user(self) -> flask.Response | None:
        """Refuse a request that needs a session and has none."""
        if not self.private or flask.request.path == _HEALTH:
            return None
        flask.g.user = self._signed_in()
        if flask.g.user or flask.request.path == _SIGN_IN:
            return None
        if _is_page():
            return _redirect(flask.url_for("signin", next=_asked_for()))
        if flask.request.endpoint == "signout":
            return _redirect(flask.url_for("signin"))
        return _plain(401, "Sign in first: open the dashboard in a browser.")

    def sign_in(self) -> flask.Response:
        """The page to sign in, and what it sends."""
        onward = flask.request.script_root + local_path(flask.request.args.get("next"))
        if current_user():
            return _redirect(onward)
        if flask.request.method != "POST":
            return self._sign_in_page(200)
        name, password = flask.request.form.get("name", "").strip(), flask.request.form.get("password", "")
        address = flask.request.remote_addr or ""
        right, wait = self._lockout.attempt(name, address, lambda: self.users.check(name, password))
        if wait:
            return self._sign_in_page(429, "locked", wait)
        if not right:
            # a name unknown may be a password in the wrong field
            _log.warning("failed sign-in of %s from %s", name if name in self.users else "an unknown name", address)
            return self._sign_in_page(401, "wrong")
        self._new_session(user=name, mark=self.users.mark(name), id=secrets.token_urlsafe(16))
        return _redirect(onward)

    def sign_out(self) -> flask.Response:
        """End the session, here and in every copy of its cookie."""
        self._storage.incr(_signed_out(flask.session["id"]), int(SESSION_LIFETIME.total_seconds()))
        self._new_session()
        return _redirect(flask.url_for("signin"))

    def healthz(self) -> tuple[flask.Response, int]:
        """Whether the dashboard works; to everybody, and so nothing else where there are users."""
        try:
            told, status = {"status": "ok", **self.health()}, 200
        except LoadProfilesError as error:
            told, status = {"status": "unavailable", "message": str(error)}, 503
        if self.private:
            told = {"status": told["status"]}
        return flask.jsonify(told), status

    def refuse_token(self, _error: CSRFError) -> flask.Response:
        """Answer a POST without a valid CSRF token."""
        if flask.request.endpoint == "signin":
            return self._sign_in_page(400, "stale")
        return _plain(400, "The CSRF token is missing or out of date: reload the page.")

    def refuse_all(self, error: UsersError) -> flask.Response:
        """Answer while nobody can say who may sign in; the log alone tells why."""
        _log.error("%s", error)
        return _plain(503, "Nobody can sign in at present; the server's log says why.")

    def give_token(self, response: flask.Response) -> flask.Response:
        """Set the cookie of the CSRF token, unless the browser has it."""
        if flask.request.path == _HEALTH or flask.request.path.startswith(_STATIC):
            return response
        try:
            validate_csrf(flask.request.cookies.get(CSRF_COOKIE))
        except ValidationError:
            if not flask.session.permanent:
                flask.session.permanent = True
            # readable by scripts: the renderer sends it back
            response.set_cookie(CSRF_COOKIE, generate_csrf(), samesite="Strict", secure=self.behind_proxy)
        return response

    def give_headers(self, response: flask.Response) -> flask.Response:
        """Tell the browser what the page may not do."""
        response.headers.update(
            {
                "Content-Security-Policy": _policy(self.script_hashes()),
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
                "Referrer-Policy": "same-origin",
            }
        )
        if self.behind_proxy:
            response.headers["Strict-Transport-Security"] = "max-age=31536000"
        if not flask.request.path.startswith(_STATIC) or response.status_code not in (200, 206, 304):
            response.headers["Cache-Control"] = "no-store"
        return response

    def _signed_in(self) -> str:
        """The name of the session's user; empty if it has none or is over."""
        name, mark = flask.session.get("user"), flask.session.get("mark")
        if not name or self.users.mark(name) != mark or self._storage.get(_signed_out(flask.session["id"])):
            return ""
        return str(name)

    def _new_session(self, **content: str) -> None:
        """Put a new session in place of the old, with a CSRF token of its own."""
        flask.session.clear()
        flask.g.pop("csrf_token", None)
        flask.session.update(content)
        flask.session.permanent = True

    def _sign_in_page(self, status: int, fault: str = "", wait: int = 0) -> flask.Response:
        language = _language(flask.request.args.get("lang"), flask.request.accept_languages)
        texts = _TEXTS[language]
        onward = local_path(flask.request.args.get("next"))
        page = self._page.render(
            language=language,
            text=texts,
            error=texts[fault].format(minutes=math.ceil(wait / 60)) if fault else "",
            name=flask.request.form.get("name", ""),
            longest_name=LONGEST_NAME,
            token=generate_csrf(),
            action=flask.url_for("signin", lang=language, next=onward),
            others=[
                (code, _TEXTS[code]["language"], flask.url_for("signin", lang=code, next=onward))
                for code in _TEXTS
                if code != language
            ],
        )
        return flask.Response(page, status, {"Retry-After": str(wait)} if wait else None, mimetype="text/html")


def _secret_key(given: str | None) -> str:
    key = given or os.environ.get(KEY_VARIABLE, "").strip()
    if key and len(key) < SHORTEST_KEY:
        raise ParameterError(
            f"{KEY_VARIABLE} is too short: take {SHORTEST_KEY} random characters or more, such as those "
            'of `python -c "import secrets; print(secrets.token_hex())"`'
        )
    return key or secrets.token_hex()


def _is_page() -> bool:
    """Whether the request is a browser's that goes to a page, and not for a part of one or a file."""
    request = flask.request
    if request.method not in ("GET", "HEAD") or request.path.startswith(("/_", *_STATIC)):
        return False
    asks_for_page = "text/html" in request.headers.get("Accept", "text/html")
    return request.headers.get("Sec-Fetch-Mode", "navigate" if asks_for_page else "") == "navigate"


def _asked_for() -> str:
    """Path and query of the request, quoted as they came."""
    query = flask.request.query_string.decode("latin-1")
    return quote(flask.request.path) + (f"?{query}" if query else "")


def _policy(script_hashes: Sequence[str]) -> str:
    return "; ".join(
        (
            "default-src 'self'",
            "img-src 'self' data: blob:",
            "style-src 'self' 'unsafe-inline'",
            " ".join(("script-src 'self'", *script_hashes)),
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'self'",
            "form-action 'self'",
            "object-src 'none'",
        )
    )


def _signed_out(session_id: str) -> str:
    # kept with the lockout's counters, which go when their time is over
    return f"signed out {session_id}"


def _language(asked: str | None, accepted: LanguageAccept) -> str:
    return asked if asked in _TEXTS else accepted.best_match(_TEXTS, default="en")


def _redirect(location: str) -> flask.Response:
    return flask.Response(status=303, headers={"Location": location})


def _plain(status: int, text: str) -> flask.Response:
    return flask.Response(f"{text}\n", status, mimetype="text/plain")


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("signin.html.j2")
