import base64
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import pbkdf2_hmac, sha256
from urllib.parse import parse_qs, urlsplit

import dash
import flask
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles.dashboard.security import current_user, local_path, protect
from loadprofiles.dashboard.users import Users
from loadprofiles.errors import ParameterError, StoreError

NAVIGATION = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
KEY = "k" * 32


def cheap_hash(password: str) -> str:
    return f"pbkdf2:sha256:1$salt${pbkdf2_hmac('sha256', password.encode(), b'salt', 1).hex()}"


ANA = {"ana": cheap_hash("correct horse")}


def tiny_dashboard(users: Users | None = None, **options) -> flask.Flask:
    """A Dash app with a callback of the server and one of the browser, protected."""
    app = dash.Dash("tiny", assets_folder="/nonexistent")
    app.layout = dash.html.Div([dash.html.Button(id="button"), dash.html.Div(id="text"), dash.html.P(id="count")])
    app.clientside_callback(
        "function(n) { return n; }", dash.Output("count", "children"), dash.Input("button", "n_clicks")
    )

    @app.callback(dash.Output("text", "children"), dash.Input("button", "n_clicks"))
    def say(clicks: int) -> str:
        return f"{clicks} by {current_user() or 'anybody'}"

    protect(app.server, users=users or Users(), script_hashes=app.csp_hashes, **options)
    return app.server


def click(client, token=None, **headers):
    """What Dash's renderer sends on the second click; `token` instead of that of its cookie."""
    cookie = client.get_cookie("_csrf_token")
    token = token if token is not None else cookie.value if cookie else ""
    body = {
        "output": "text.children",
        "outputs": {"id": "text", "property": "children"},
        "inputs": [{"id": "button", "property": "n_clicks", "value": 2}],
        "changedPropIds": ["button.n_clicks"],
    }
    return client.post("/_dash-update-component", json=body, headers={"X-CSRFToken": token, **headers})


def said(response) -> str:
    assert response.status_code == 200, response.text
    return json.loads(response.data)["response"]["text"]["children"]


def sign_in(client, name="ana", password="correct horse", query="", **options):
    """Open the page to sign in, and send its form."""
    page = client.get(f"/signin{query}")
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    form = {"name": name, "password": password, "csrf_token": token[1] if token else ""}
    return client.post(f"/signin{query}", data=form, **options)


@pytest.fixture(autouse=True)
def no_key_of_the_environment(monkeypatch):
    monkeypatch.delenv("DASHBOARD_SECRET_KEY", raising=False)


@pytest.fixture
def clock(monkeypatch):
    """A function that lets seconds pass."""
    now = [time.time()]
    monkeypatch.setattr(time, "time", lambda: now[0])

    def wait(seconds: float) -> None:
        now[0] += seconds

    return wait


@pytest.fixture
def open_client():
    """A browser at a dashboard without users."""
    return tiny_dashboard().test_client()


@pytest.fixture
def client():
    """A browser at a dashboard with the user ana."""
    return tiny_dashboard(Users(ANA)).test_client()


class TestCsrf:
    def test_a_callback_works_as_the_renderer_sends_it(self, open_client):
        assert open_client.get("/").status_code == 200
        assert said(click(open_client)) == "2 by anybody"

    def test_the_cookie_and_the_header_are_those_of_the_renderer(self, open_client):
        config = re.search(r'_dash-config" type="application/json">(.*?)</script>', open_client.get("/").text)
        names = json.loads(config[1])
        assert open_client.get_cookie(names["csrf_token_name"])
        assert names["csrf_header_name"] == "X-CSRFToken"

    @pytest.mark.parametrize("token", ["", "wrong"])
    def test_a_callback_without_the_right_token_is_refused(self, open_client, token):
        open_client.get("/")
        answer = click(open_client, token=token)
        assert answer.status_code == 400
        assert answer.text == "The CSRF token is missing or out of date: reload the page.\n"

    def test_the_token_of_another_session_is_refused(self):
        server = tiny_dashboard()
        one, other = server.test_client(), server.test_client()
        one.get("/")
        other.get("/")
        assert click(other, token=one.get_cookie("_csrf_token").value).status_code == 400

    def test_a_page_left_open_goes_on_working(self, open_client, clock):
        open_client.get("/")
        for _ in range(3):
            clock(11 * 3600)
            assert said(click(open_client)) == "2 by anybody"

    def test_a_page_open_while_the_server_restarted_works_from_the_second_click_on(self, open_client):
        open_client.get("/")
        restarted = tiny_dashboard().test_client()
        for name in ("_csrf_token", "loadprofiles_session"):
            restarted.set_cookie(name, open_client.get_cookie(name).value)
        assert click(restarted).status_code == 400
        assert said(click(restarted)) == "2 by anybody"

    def test_a_key_of_the_environment_outlives_a_restart(self, monkeypatch, open_client):
        monkeypatch.setenv("DASHBOARD_SECRET_KEY", KEY)
        before, after = tiny_dashboard().test_client(), tiny_dashboard().test_client()
        before.get("/")
        for name in ("_csrf_token", "loadprofiles_session"):
            after.set_cookie(name, before.get_cookie(name).value)
        assert said(click(after)) == "2 by anybody"

    def test_a_short_key_is_refused_and_not_repeated(self):
        with pytest.raises(ParameterError, match="DASHBOARD_SECRET_KEY is too short: take 32") as caught:
            tiny_dashboard(secret_key="guess-me")
        assert "guess-me" not in str(caught.value)

    def test_only_scripts_of_the_page_can_read_the_token_and_none_the_session(self, open_client):
        open_client.get("/")
        token, session = open_client.get_cookie("_csrf_token"), open_client.get_cookie("loadprofiles_session")
        assert (token.http_only, token.same_site, token.secure, token.path) == (False, "Strict", False, "/")
        assert (session.http_only, session.same_site, session.secure, session.path) == (True, "Lax", False, "/")

    def test_a_token_is_given_once(self, open_client):
        assert "_csrf_token" in str(open_client.get("/").headers)
        assert "_csrf_token" not in str(open_client.get("/").headers)


class TestHosts:
    @pytest.mark.parametrize("host", ["127.0.0.1:8050", "localhost", "LOCALHOST:80", "[::1]:8050", "127.1.2.3"])
    def test_the_loopback_is_served_without_users(self, open_client, host):
        assert open_client.get("/", headers={"Host": host}).status_code == 200

    @pytest.mark.parametrize("path", ["/", "/_dash-layout", "/healthz", "/assets/x.css"])
    @pytest.mark.parametrize(
        "host",
        ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", "::1", "[::1", "a b"],
    )
    def test_any_other_host_is_refused_without_users(self, open_client, host, path):
        assert open_client.get(path, headers={"Host": host}).status_code == 400

    def test_hosts_that_are_trusted_are_served_and_no_others(self):
        client = tiny_dashboard(trusted_hosts=("meters.example", ".grid.example")).test_client()
        served = ["meters.example", "Meters.example:443", "a.grid.example", "localhost"]
        assert [client.get("/", headers={"Host": host}).status_code for host in served] == [200] * 4
        refused = ["evil.example", "a.meters.example"]
        assert [client.get("/", headers={"Host": host}).status_code for host in refused] == [400] * 2

    def test_with_users_any_host_will_do_unless_some_are_named(self, client):
        assert client.get("/signin", headers={"Host": "meters.example"}).status_code == 200
        strict = tiny_dashboard(Users(ANA), trusted_hosts=("meters.example",)).test_client()
        assert strict.get("/signin", headers={"Host": "meters.example"}).status_code == 200
        assert strict.get("/signin", headers={"Host": "evil.example"}).status_code == 400


class TestHeaders:
    @pytest.mark.parametrize("path", ["/", "/_dash-layout", "/healthz", "/assets/none.css", "/signin"])
    @pytest.mark.parametrize("users", [{}, ANA])
    def test_every_answer_says_what_the_browser_may_do(self, users, path):
        headers = tiny_dashboard(Users(users)).test_client().get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
        assert policy.pop("script-src").startswith("'self' 'sha256-")
        assert policy == {
            "default-src": "'self'",
            "img-src": "'self' data: blob:",
            "style-src": "'self' 'unsafe-inline'",
            "connect-src": "'self'",
            "frame-ancestors": "'none'",
            "base-uri": "'self'",
            "form-action": "'self'",
            "object-src": "'none'",
        }
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert "Strict-Transport-Security" not in headers

    def test_each_inline_script_of_the_page_is_allowed_by_its_hash(self, open_client):
        page = open_client.get("/")
        text = re.sub(r"<!--.*?-->", "", page.text, flags=re.DOTALL)
        inline = re.findall(r"<script(?![^>]*(?: src=|application/json))[^>]*>(.*?)</script>", text, re.DOTALL)
        assert len(inline) == 2
        for script in inline:
            digest = base64.b64encode(sha256(script.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in page.headers["Content-Security-Policy"]

    def test_bundles_with_a_fingerprint_may_be_kept(self, open_client):
        bundle = re.search(r'src="(/_dash-component-suites/dash/html/[^"]+)"', open_client.get("/").text)
        kept = open_client.get(bundle[1])
        assert kept.headers["Cache-Control"] == "max-age=31536000"

    def test_a_large_body_is_refused(self, open_client):
        open_client.get("/")
        token = open_client.get_cookie("_csrf_token").value
        large = open_client.post("/_dash-update-component", data=b" " * 1_000_001, headers={"X-CSRFToken": token})
        assert large.status_code == 413


class TestHealth:
    def test_without_users_it_tells_what_the_dashboard_tells(self):
        client = tiny_dashboard(health=lambda: {"run": "abc"}).test_client()
        answer = client.get("/healthz")
        assert (answer.status_code, answer.json) == (200, {"status": "ok", "run": "abc"})
        assert "Set-Cookie" not in answer.headers

    def test_with_users_it_needs_no_session_and_tells_but_the_status(self):
        answer = tiny_dashboard(Users(ANA), health=lambda: {"run": "abc"}).test_client().get("/healthz")
        assert (answer.status_code, answer.json) == (200, {"status": "ok"})

    @pytest.mark.parametrize(
        ("users", "told"), [({}, {"message": "no store at postgresql://u:***@db/x"}), (ANA, {})], ids=["open", "users"]
    )
    def test_an_error_is_503_with_its_secrets_masked(self, users, told):
        def fail() -> dict[str, object]:
            raise StoreError("no store at postgresql://u:secret@db/x")

        answer = tiny_dashboard(Users(users), health=fail).test_client().get("/healthz")
        assert (answer.status_code, answer.json) == (503, {"status": "unavailable", **told})


class TestSignIn:
    def test_a_page_leads_to_the_sign_in_and_back(self, client):
        page = client.get("/customers/a%20b%C3%B1?meter=A%201&from=2024-01-31", headers=NAVIGATION)
        assert page.status_code == 303
        place = urlsplit(page.location)
        assert place.path == "/signin"
        assert parse_qs(place.query) == {"next": ["/customers/a%20b%C3%B1?meter=A%201&from=2024-01-31"]}
        signed_in = sign_in(client, query=f"?{place.query}")
        assert (signed_in.status_code, signed_in.location) == (
            303,
            "/customers/a%20b%C3%B1?meter=A%201&from=2024-01-31",
        )
        assert client.get(signed_in.location, headers=NAVIGATION).status_code == 200
        assert said(click(client)) == "2 by ana"

    @pytest.mark.parametrize(
        ("method", "path", "headers"),
        [
            ("POST", "/_dash-update-component", {}),
            ("POST", "/", NAVIGATION),
            ("GET", "/_dash-layout", NAVIGATION),
            ("GET", "/_dash-dependencies", {}),
            ("GET", "/_dash-component-suites/dash/deps/react@18.min.js", {"Accept": "*/*"}),
            ("GET", "/assets/dashboard.css", {"Accept": "text/css,*/*"}),
            ("GET", "/download.csv", {"Accept": "*/*"}),
            ("GET", "/download.csv", {**NAVIGATION, "Sec-Fetch-Mode": "cors"}),
            ("OPTIONS", "/", {}),
        ],
    )
    def test_what_is_no_page_is_refused_without_a_session(self, client, method, path, headers):
        answer = client.open(path, method=method, headers=headers)
        assert (answer.status_code, answer.mimetype) == (401, "text/plain")

    def test_a_wrong_password_and_a_name_unknown_look_the_same(self, client, caplog):
        wrong = sign_in(client, password="wrong horse")
        unknown = sign_in(client, name="leo", password="wrong horse")
        assert wrong.status_code == unknown.status_code == 401
        assert '<p class="error" id="error" role="alert">User name or password is wrong.</p>' in wrong.text

        def without_form(text: str) -> str:
            return re.sub(r'value="[^"]*"', "", text)

        assert without_form(wrong.text) == without_form(unknown.text)
        assert client.get("/", headers=NAVIGATION).status_code == 303
        assert caplog.messages == [
            "failed sign-in of ana from 127.0.0.1",
            "failed sign-in of an unknown name from 127.0.0.1",
        ]

    def test_what_was_typed_comes_back_escaped_and_never_the_password(self, client):
        page = sign_in(client, name='"><script>alert(1)</script>', password="wrong horse").text
        assert "&lt;script&gt;" in page
        assert "<script" not in page
        assert "wrong horse" not in page

    def test_the_page_takes_nothing_from_elsewhere(self, client):
        page = client.get("/signin").text
        assert re.findall(r'(?:src|href)="([^"]*)"', page) == ["data:,", "/signin?lang=es&amp;next=/"]
        assert "url(" not in page
        assert all(f'<label for="{name}">' in page and f'id="{name}"' in page for name in ("name", "password"))

    @pytest.mark.parametrize(
        ("query", "accepted", "language", "words"),
        [
            ("", "", "en", "Sign in"),
            ("", "es-PE,es;q=0.9,en;q=0.8", "es", "Iniciar sesión"),
            ("", "de", "en", "Sign in"),
            ("?lang=es", "en", "es", "Iniciar sesión"),
            ("?lang=en", "es", "en", "Sign in"),
            ("?lang=xx", "es", "es", "Iniciar sesión"),
        ],
    )
    def test_the_page_speaks_the_language_asked_for(self, client, query, accepted, language, words):
        page = client.get(f"/signin{query}", headers={"Accept-Language": accepted}).text
        assert f'<html lang="{language}">' in page
        assert f'<button type="submit">{words}</button>' in page

    def test_a_form_without_token_is_refused_with_a_page_that_works(self, client):
        stale = client.post("/signin", data={"name": "ana", "password": "correct horse"})
        assert stale.status_code == 400
        assert 'role="alert">This page was open for too long' in stale.text
        assert sign_in(client).status_code == 303

    @pytest.mark.parametrize(
        "target", ["//evil.example", "https://evil.example/", "/\\evil.example", "/\t/evil.example"]
    )
    def test_it_leads_to_no_other_place(self, client, target):
        with client.application.test_request_context():
            query = flask.url_for("signin", next=target).removeprefix("/signin")
        assert sign_in(client, query=query).location == "/"

    def test_who_is_signed_in_is_led_on(self, client):
        sign_in(client)
        onward = client.get("/signin?next=/customers")
        assert (onward.status_code, onward.location) == (303, "/customers")

    def test_a_blank_behind_the_name_does_no_harm(self, client):
        assert sign_in(client, name="ana ").status_code == 303

    def test_without_users_there_is_no_sign_in(self, open_client):
        open_client.get("/")
        assert click(open_client).status_code == 200
        token = open_client.get_cookie("_csrf_token").value
        assert open_client.post("/signout", headers={"X-CSRFToken": token}).status_code == 405


@given(st.text(alphabet="/\\:.a\t\n ?#@%", max_size=8))
def test_a_local_path_stays_on_this_server(target):
    # as browsers read it
    read = re.sub(r"[\t\r\n]", "", local_path(target)).replace("\\", "/")
    assert read.startswith("/")
    assert not read.startswith("//")


def test_a_local_path_keeps_its_query():
    assert local_path("/customers?meter=A&from=2024-01-31#x") == "/customers?meter=A&from=2024-01-31#x"
    assert local_path(None) == "/"


def test_outside_of_requests_there_is_no_user():
    assert current_user() == ""


class TestSession:
    def test_signing_in_makes_a_new_session(self, client):
        client.get("/signin")
        before = {name: client.get_cookie(name).value for name in ("_csrf_token", "loadprofiles_session")}
        sign_in(client)
        assert said(click(client)) == "2 by ana"
        assert click(client, token=before["_csrf_token"]).status_code == 400
        client.set_cookie("loadprofiles_session", before["loadprofiles_session"])
        assert click(client).status_code == 401

    def test_signing_out_ends_every_copy_of_the_cookie(self, client):
        sign_in(client)
        copy = client.get_cookie("loadprofiles_session").value
        token = client.get_cookie("_csrf_token").value
        out = client.post("/signout", headers={"X-CSRFToken": token})
        assert (out.status_code, out.location) == (303, "/signin")
        assert client.get("/", headers=NAVIGATION).status_code == 303
        client.set_cookie("loadprofiles_session", copy)
        assert click(client, token=token).status_code == 401

    def test_signing_out_needs_a_token(self, client):
        sign_in(client)
        assert client.post("/signout").status_code == 400
        assert said(click(client)) == "2 by ana"

    def test_who_signs_out_too_late_is_led_to_the_sign_in(self, client):
        out = client.post("/signout")
        assert (out.status_code, out.location) == (303, "/signin")

    def test_one_of_two_sessions_can_sign_out(self):
        server = tiny_dashboard(Users(ANA))
        one, other = server.test_client(), server.test_client()
        sign_in(one)
        sign_in(other)
        one.post("/signout", headers={"X-CSRFToken": one.get_cookie("_csrf_token").value})
        assert click(one).status_code == 401
        assert said(click(other)) == "2 by ana"

    def test_a_session_ends_after_twelve_hours_of_whatever_use(self, client, clock):
        sign_in(client)
        for _ in range(11):
            clock(3600)
            client.get("/", headers=NAVIGATION)
        assert said(click(client)) == "2 by ana"
        clock(3600 + 2)
        assert click(client).status_code == 401

    def test_dropping_the_token_makes_no_session_longer(self, client, clock):
        sign_in(client)
        clock(11 * 3600)
        client.delete_cookie("_csrf_token")
        assert client.get("/", headers=NAVIGATION).status_code == 200
        clock(3600 + 2)
        assert click(client).status_code == 401

    @pytest.mark.parametrize("line", ["eva:{}", "ana:{}"], ids=["removed", "another password"])
    def test_who_is_removed_or_gets_another_password_is_signed_out(self, tmp_path, line):
        file = tmp_path / "users.txt"
        file.write_text(f"ana:{ANA['ana']}\n")
        client = tiny_dashboard(Users(file=file)).test_client()
        sign_in(client)
        assert said(click(client)) == "2 by ana"
        file.write_text(line.format(cheap_hash("battery staple")) + "\n")
        assert click(client).status_code == 401

    def test_nobody_is_let_in_when_the_last_user_is_removed(self, tmp_path):
        file = tmp_path / "users.txt"
        file.write_text(f"ana:{ANA['ana']}\n")
        client = tiny_dashboard(Users(file=file)).test_client()
        file.write_text("")
        assert client.get("/", headers=NAVIGATION).status_code == 303
        assert sign_in(client).status_code == 401

    def test_a_spoilt_file_of_users_is_503_and_its_reason_in_the_log_alone(self, tmp_path, caplog):
        file = tmp_path / "users.txt"
        file.write_text(f"ana:{ANA['ana']}\n")
        client = tiny_dashboard(Users(file=file)).test_client()
        sign_in(client)
        file.write_text("ana\n")
        answer = client.get("/", headers=NAVIGATION)
        assert (answer.status_code, answer.text) == (503, "Nobody can sign in at present; the server's log says why.\n")
        assert "users.txt, row 1: no user" in caplog.text
        assert client.get("/healthz").status_code == 200


class TestLockout:
    def fail(self, client, times, name="ana", address="127.0.0.1"):
        return [
            sign_in(client, name, "wrong horse", environ_overrides={"REMOTE_ADDR": address}).status_code
            for _ in range(times)
        ]

    def test_after_five_failures_even_the_right_password_is_refused(self, client, clock):
        assert self.fail(client, 5) == [401] * 5
        locked = sign_in(client, query="?lang=en", environ_overrides={"REMOTE_ADDR": "10.0.0.9"})
        assert locked.status_code == 429
        assert locked.headers["Retry-After"] == "900"
        assert 'role="alert">Too many failed attempts. Try again in 15 min.' in locked.text
        assert client.get("/", headers=NAVIGATION).status_code == 303

    def test_a_lockout_ends_by_itself_and_refused_tries_do_not_lengthen_it(self, client, clock):
        self.fail(client, 5)
        clock(600)
        assert self.fail(client, 3) == [429] * 3
        clock(301)
        assert sign_in(client).status_code == 303

    def test_four_failures_lock_nobody_and_success_starts_anew(self, client, clock):
        for _ in range(2):
            assert self.fail(client, 4) == [401] * 4
            assert sign_in(client).status_code == 303
            client.post("/signout", headers={"X-CSRFToken": client.get_cookie("_csrf_token").value})

    def test_another_name_is_not_locked(self, clock):
        client = tiny_dashboard(Users({**ANA, "eva": cheap_hash("battery staple")})).test_client()
        self.fail(client, 5)
        assert sign_in(client, "eva", "battery staple").status_code == 303

    def test_a_name_that_nobody_has_is_locked_all_the_same(self, client, clock):
        assert self.fail(client, 6, name="leo") == [401] * 5 + [429]

    def test_tries_at_once_are_counted_one_by_one(self, monkeypatch):
        def slow_check(*_: object) -> bool:
            time.sleep(0.02)
            return False

        users = Users(ANA)
        monkeypatch.setattr(users, "check", slow_check)
        server = tiny_dashboard(users)
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(lambda _: sign_in(server.test_client()).status_code, range(8)))
        assert sorted(statuses) == [401] * 5 + [429] * 3

    def test_looking_at_the_page_is_no_try(self, client):
        assert [client.head("/signin").status_code for _ in range(21)] == [200] * 21
        assert sign_in(client).status_code == 303

    def test_an_address_is_locked_after_twenty_failures_whatever_the_names(self, client, clock):
        for name in "abcde":
            assert self.fail(client, 4, name=name) == [401] * 4
        assert sign_in(client).status_code == 429
        assert sign_in(client, environ_overrides={"REMOTE_ADDR": "10.0.0.9"}).status_code == 303


class TestBehindProxy:
    @pytest.fixture
    def client(self):
        return tiny_dashboard(Users(ANA), behind_proxy=True).test_client()

    def forwarded(self, address="10.0.0.9"):
        return {
            "X-Forwarded-For": address,
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "meters.example",
            "X-Forwarded-Prefix": "/load",
            **NAVIGATION,
        }

    def test_cookies_go_over_tls_only_and_the_browser_is_told_so(self, client):
        answer = client.get("/signin", headers=self.forwarded())
        cookies = answer.headers.getlist("Set-Cookie")
        assert len(cookies) == 2
        assert all("; Secure" in cookie for cookie in cookies)
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"

    def test_places_keep_the_prefix(self, client):
        page = client.get("/customers?a=1", headers=self.forwarded())
        assert page.location == "/load/signin?next=/customers?a%3D1"
        form = client.get("/signin?next=/customers", headers=self.forwarded())
        assert 'action="/load/signin?lang=en&amp;next=/customers"' in form.text

    def test_a_whole_sign_in_works_without_a_referrer(self, client):
        options = {"base_url": "https://meters.example", "headers": {"X-Forwarded-Prefix": "/load"}}
        page = client.get("/signin?next=/customers", **options)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
        form = {"name": "ana", "password": "correct horse", "csrf_token": token}
        signed_in = client.post("/signin?next=/customers", data=form, **options)
        assert (signed_in.status_code, signed_in.location) == (303, "/load/customers")

    def test_the_address_that_counts_is_the_one_forwarded(self, client, caplog):
        options = {"base_url": "https://meters.example", "headers": {"X-Forwarded-For": "1.2.3.4, 10.0.0.9"}}
        page = client.get("/signin", **options)
        token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
        client.post("/signin", data={"name": "ana", "password": "wrong horse", "csrf_token": token}, **options)
        assert caplog.messages == ["failed sign-in of ana from 10.0.0.9"]

    def test_without_a_proxy_its_headers_count_for_nothing(self, caplog):
        client = tiny_dashboard(Users(ANA)).test_client()
        sign_in(client, password="wrong horse", headers=self.forwarded())
        assert caplog.messages == ["failed sign-in of ana from 127.0.0.1"]
        assert client.get("/", headers=self.forwarded()).location == "/signin?next=/"
