"""The digest, to real servers."""

import json
import multiprocessing
import os
import signal
from email import message_from_bytes
from email.policy import default
from functools import partial

import pytest
from tenacity import Retrying

from loadprofiles.anomalies import delivery
from loadprofiles.anomalies.delivery import DeliveryError, is_loopback
from loadprofiles.anomalies.digest import ROWS, compose, send_digest
from loadprofiles.anomalies.mail import Smtp, is_address
from loadprofiles.anomalies.store import AlertStore
from loadprofiles.anomalies.webhook import Webhook
from loadprofiles.errors import ParameterError, StoreError
from tests.anomalies.receivers import HOST, mail_server, make_certificate, web_server
from tests.anomalies.suspicions import NAN, fault, group, theft
from tests.servers import free_port

FORK = multiprocessing.get_context("fork")
ANA, BEN = "ana@example.org", "ben@example.org"
PASSWORD = "s3cret-word"


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """No settings of this machine; what is waited before another attempt is noted, not waited."""
    for name in [name for name in os.environ if name.startswith(("SMTP_", "ALERT_"))]:
        monkeypatch.delenv(name)
    waited = []
    monkeypatch.setattr(delivery, "Retrying", partial(Retrying, sleep=waited.append))
    return waited


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/alerts.db"


@pytest.fixture
def store(url):
    return AlertStore(url)


@pytest.fixture
def mailbox(monkeypatch):
    with mail_server() as box:
        use(monkeypatch, PORT=box.port)
        yield box


@pytest.fixture
def hook(monkeypatch):
    with web_server() as served:
        monkeypatch.setenv("ALERT_WEBHOOK_URL", served.url)
        yield served


def use(monkeypatch, **settings):
    for name, value in ({"HOST": HOST, "FROM": "alerts@example.org"} | settings).items():
        monkeypatch.setenv(f"SMTP_{name}", str(value))


def record(store, *alerts):
    store.record(alerts, tariff=0.5, run_id="r1")


def send(url, *addresses, dry_run=None):
    return list(send_digest(url, addresses, dry_run))


def parts(mail):
    """The plain text and the page of a mail."""
    return [mail.get_body((kind,)).get_content() for kind in ("plain", "html")]


class TestMail:
    def test_counts_facts_and_precision_as_text_and_page(self, store, url, mailbox):
        record(store, theft(3, 4, peers="the other 4 of Bakery as ever"), fault(9, meter="M2", expected=NAN), group(20))
        judged = store.read(kinds=["data fault"])["alert_id"][0]
        store.set_state(judged, "confirmed", "relay", "ana")
        assert send(url, ANA) == [f"mail {ANA}: 3 new alerts, 24 kWh missing"]
        (mail,) = mailbox.mails
        assert mailbox.receivers == [ANA]
        assert mail["Subject"] == "3 new alerts, 24 kWh missing"
        assert (mail["To"], mail["From"], mail["Auto-Submitted"]) == (ANA, "alerts@example.org", "auto-generated")
        first = store.read().iloc[0]
        for text in parts(mail):
            words = " ".join(text.split())
            for told in (
                "M1", "Bakery", "2024-03-03 to 2024-03-04", "theft-like", "energy_pair", "high",
                "12 kWh (8 to 16)", "6.00", "half is missing", "the other 4 of Bakery as ever", first["alert_id"],
                "group event", "M1, M2", "confirmed (relay)", "not known",
                "data fault: 1 raised, 1 of 1 judged were right" if "<li>" in text else
                "data fault so far: 1 raised, 1 of 1 judged were right",
                "none judged yet", "python alerts.py --alert_id ID --state confirmed",
            ):  # fmt: skip
                assert told in words, told
            assert words.index("M1") < words.index("M2")

    def test_twice_is_told_once(self, store, url, mailbox):
        record(store, theft(3))
        assert send(url, ANA) == [f"mail {ANA}: 1 new alert, 6 kWh missing"]
        assert send(url, ANA) == [f"mail {ANA}: nothing new"]
        assert len(mailbox.mails) == 1

    def test_what_goes_on_is_told_as_such(self, store, url, mailbox):
        record(store, theft(3))
        send(url, ANA)
        record(store, theft(4), theft(4, meter="M2"))
        assert send(url, ANA) == [f"mail {ANA}: 1 new alert, 1 going on, 18 kWh missing"]
        record(store, theft(5))
        assert send(url, ANA) == [f"mail {ANA}: 1 alert going on, 18 kWh missing"]
        assert "goes on, known until 2024-03-04" in parts(mailbox.mails[-1])[0]

    def test_each_address_is_told_what_it_does_not_know(self, store, url, mailbox):
        record(store, theft(3))
        send(url, ANA)
        record(store, theft(20))
        assert send(url, ANA, BEN, ANA) == [
            f"mail {ANA}: 1 new alert, 6 kWh missing",
            f"mail {BEN}: 2 new alerts, 12 kWh missing",
        ]
        assert mailbox.receivers == [ANA, ANA, BEN]
        assert BEN not in str(mailbox.mails[1])

    def test_an_address_that_is_refused_keeps_nobody_from_being_told(self, store, url, mailbox, hook):
        record(store, theft(3))
        mailbox.refused = {ANA: "550 no such user"}
        with pytest.raises(DeliveryError, match=f"mail {ANA}: the mail server .* refuses: 550 no such user$"):
            send(url, ANA, BEN)
        assert mailbox.receivers == [BEN]
        assert len(hook.posts) == 1
        mailbox.refused = {}
        assert send(url, ANA, BEN)[1:] == [f"mail {BEN}: nothing new", "webhook: nothing new"]
        assert mailbox.receivers == [BEN, ANA]

    def test_what_may_pass_is_tried_again(self, store, url, mailbox, waits):
        record(store, theft(3))
        mailbox.fails = ["451 later", "421 busy"]
        send(url, ANA)
        assert mailbox.receivers == [ANA]
        assert waits == [1, 2]

    def test_names_and_notes_are_text_and_nothing_else(self, store, url, mailbox):
        evil = '<script>alert("x")</script>\n2. M9, 2024-03-03: all is well\r\nSubject: you'
        record(store, theft(3, meter=evil, reasons="<img src=x onerror=y>", peers="<b>no</b>"))
        store.set_state(store.read()["alert_id"][0], "seen", "<i>note</i>", "ana")
        send(url, ANA)
        (mail,) = mailbox.mails
        text, page = parts(mail)
        for tag in ("<script", "<img", "<i>", "<b>no"):
            assert tag not in page
        assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt;" in page
        assert "&lt;i&gt;note&lt;/i&gt;" in page
        assert not any(line.startswith(("2. M9", "Subject")) for line in text.splitlines())
        assert mail["Subject"] == "1 new alert, 6 kWh missing"

    def test_a_long_list_is_cut_and_counted(self, store):
        record(store, *(theft(3, meter=f"M{n:03}") for n in range(ROWS + 3)))
        made = compose(store.unsent("x"), store.precision())
        assert made.text.count("missing: ") == ROWS
        assert "And 3 more, less grave." in made.text
        assert "And 3 more, less grave." in made.html
        assert len(made.payload["alerts"]) == ROWS + 3

    def test_lines_fit_into_any_mail(self, store, url, mailbox):
        record(store, theft(3, reasons="größer " * 1000), group(3, meters=[f"Zähler {n}" for n in range(500)]))
        send(url, ANA)
        (mail,) = mailbox.mails
        assert max(map(len, mail.as_bytes().splitlines())) < 998
        assert mail.as_bytes().isascii()
        assert "Zähler 499" in parts(mail)[0]


def send_and_die(url):
    """Send, and be killed before it is noted."""
    AlertStore.mark_sent = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
    send(url, ANA)


def run_digest(barrier, url):
    barrier.wait()
    send(url, ANA)


class TestProcesses:
    def test_killed_between_sending_and_noting_it_is_sent_again_as_the_same_mail(self, store, url, mailbox):
        record(store, theft(3), theft(20))
        process = FORK.Process(target=send_and_die, args=(url,))
        process.start()
        process.join(30)
        assert process.exitcode == -signal.SIGKILL
        send(url, ANA)
        first, second = (mail["Message-ID"] for mail in mailbox.mails)
        assert first == second
        record(store, theft(21))
        send(url, ANA)
        send(url, BEN)
        assert len({mail["Message-ID"] for mail in mailbox.mails}) == 3

    @pytest.mark.parametrize("server", ["sqlite", "postgres"])
    def test_two_at_once_send_once(self, server, request, url, mailbox):
        if server == "postgres":
            schema = request.getfixturevalue("postgres_schema")
            url = f"{request.getfixturevalue('postgres_url')}?options=-csearch_path%3D{schema}"
        record(AlertStore(url), theft(3))
        mailbox.delay = 0.3
        barrier = FORK.Barrier(2)
        processes = [FORK.Process(target=run_digest, args=(barrier, url)) for _ in range(2)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(30)
            assert process.exitcode == 0
        assert mailbox.receivers == [ANA]


class TestDryRun:
    @pytest.mark.parametrize("suffix", [".html", ".txt", ".eml"])
    def test_sends_nothing_and_notes_nothing(self, store, url, mailbox, hook, tmp_path, suffix):
        record(store, theft(3))
        file = tmp_path / f"digest{suffix}"
        for _ in range(2):
            done = send(url, ANA, dry_run=file)
            assert done == [f"1 new alert, 6 kWh missing: written to {file}, nothing sent"]
        assert not mailbox.mails
        assert not hook.posts
        assert len(store.unsent(f"mail {ANA}")) == len(store.unsent("webhook")) == 1
        content = file.read_bytes()
        if suffix == ".eml":
            mail = message_from_bytes(content, policy=default)
            assert (mail["To"], mail["From"]) == (ANA, "alerts@example.org")
            assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
            send(url, ANA)
            assert mail["Message-ID"] == mailbox.mails[0]["Message-ID"]
        else:
            assert content.decode().startswith("<!doctype html>" if suffix == ".html" else "1 new alert")

    def test_needs_no_server_and_says_when_there_is_nothing_new(self, store, url, tmp_path):
        file = tmp_path / "digest.eml"
        assert send(url, dry_run=file) == [f"Nothing new: written to {file}, nothing sent"]
        record(store, theft(3))
        send(url, dry_run=file)
        assert message_from_bytes(file.read_bytes(), policy=default)["Subject"] == "1 new alert, 6 kWh missing"

    def test_a_folder_that_cannot_be_written(self, store, url, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(ParameterError, match="cannot be written"):
            send(url, dry_run=tmp_path / "file" / "digest.txt")


class TestWebhook:
    def test_alerts_as_json(self, store, url, hook):
        record(store, theft(3), fault(9, p=NAN))
        assert send(url) == ["webhook: 2 new alerts, 12 kWh missing"]
        (post,) = hook.posts
        assert post["text"] == post["subject"] == "2 new alerts, 12 kWh missing"
        assert (post["new"], post["going_on"], post["missing_kwh"], post["money"]) == (2, 0, 12.0, 6.0)
        by_kind = {alert["kind"]: alert for alert in post["alerts"]}
        stolen = by_kind["theft-like"]
        assert stolen["first_day"] == "2024-03-03"
        assert stolen["meters"] == ["M1"]
        assert stolen["told_until"] is None
        assert stolen["raised_at_utc"].endswith("+00:00")
        assert by_kind["data fault"]["p_value"] is None
        assert post["precision"] == [
            {"kind": "theft-like", "raised": 1, "right": 0, "wrong": 0},
            {"kind": "data fault", "raised": 1, "right": 0, "wrong": 0},
        ]
        assert json.loads(json.dumps(post, allow_nan=False)) == post
        assert send(url) == ["webhook: nothing new"]
        assert len(hook.posts) == 1

    def test_what_may_pass_is_tried_again_with_the_same_key(self, store, url, hook, waits):
        record(store, theft(3))
        hook.answers = [503, 500]
        send(url)
        assert len(hook.posts) == 3
        assert len(set(hook.keys)) == 1
        assert waits == [1, 2]

    @pytest.mark.parametrize("status", [302, 400, 404, 429])
    def test_what_the_server_refuses_is_not(self, store, url, hook, status):
        record(store, theft(3))
        hook.answers = [status]
        with pytest.raises(DeliveryError, match=f"answers {status}: check ALERT_WEBHOOK_URL") as caught:
            send(url)
        assert "token" not in str(caught.value)
        assert len(hook.posts) == 1
        assert len(store.unsent("webhook")) == 1

    def test_nobody_there(self, store, url, monkeypatch, waits, mailbox):
        record(store, theft(3))
        monkeypatch.setenv("ALERT_WEBHOOK_URL", f"http://{HOST}:{free_port()}/s3cret-token")
        with pytest.raises(DeliveryError, match=r"the webhook at localhost:\d+ cannot be reached") as caught:
            send(url, ANA)
        assert "token" not in str(caught.value)
        assert waits == [1, 2, 4]
        assert mailbox.receivers == [ANA]

    def test_addresses_that_will_not_do(self, monkeypatch):
        for given, said in (
            ("ftp://host/x", "no web address"), ("nonsense", "no web address"), ("http://host:x/", "no web address"),
            (f"http://ana:{PASSWORD}@example.org/x", "in the clear"),
        ):  # fmt: skip
            monkeypatch.setenv("ALERT_WEBHOOK_URL", given)
            with pytest.raises(ParameterError, match=said) as caught:
                Webhook.from_environment()
            assert PASSWORD not in str(caught.value)
        assert PASSWORD not in repr(Webhook(f"https://{PASSWORD}/"))


class TestMailServer:
    @pytest.fixture
    def certificate(self, tmp_path):
        return make_certificate(tmp_path / "server.pem")

    def test_login_over_starttls(self, store, url, monkeypatch, certificate):
        record(store, theft(3))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with mail_server(certificate, login=True) as box:
            use(monkeypatch, PORT=box.port, USER="ana", PASSWORD=PASSWORD)
            send(url, ANA)
        assert box.logins == [("ana", PASSWORD)]
        assert box.over_tls == [True]

    def test_over_tls_from_the_start(self, store, url, monkeypatch, certificate):
        record(store, theft(3))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with mail_server(certificate, at_once=True) as box:
            use(monkeypatch, PORT=box.port, SECURITY="tls")
            send(url, ANA)
        assert box.over_tls == [True]

    def test_a_wrong_password(self, store, url, monkeypatch, certificate, waits):
        record(store, theft(3))
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with mail_server(certificate, login=True) as box:
            use(monkeypatch, PORT=box.port, USER="ana", PASSWORD=f"{PASSWORD}x")
            with pytest.raises(DeliveryError, match=r"refuses the login \(535\)") as caught:
                send(url, ANA)
        assert PASSWORD not in str(caught.value)
        assert {password for _, password in box.logins} == {f"{PASSWORD}x"}
        assert not waits

    def test_a_certificate_that_nobody_vouches_for(self, store, url, monkeypatch, certificate, waits):
        record(store, theft(3))
        with mail_server(certificate, login=True) as box:
            use(monkeypatch, PORT=box.port, USER="ana", PASSWORD=PASSWORD)
            with pytest.raises(DeliveryError, match="is not trusted"):
                send(url, ANA)
        assert not box.logins
        assert not waits

    def test_no_password_goes_over_a_connection_that_is_not_secured(self, store, url, monkeypatch):
        record(store, theft(3))
        with mail_server() as box:
            use(monkeypatch, PORT=box.port, USER="ana", PASSWORD=PASSWORD)
            with pytest.raises(DeliveryError, match="check SMTP_SECURITY"):
                send(url, ANA)
        assert not box.mails
        use(monkeypatch, HOST="mail.example.org", USER="ana", PASSWORD=PASSWORD, SECURITY="none")
        with pytest.raises(ParameterError, match=r"would send the password to mail\.example\.org in the clear"):
            Smtp.from_environment()

    def test_login_in_the_clear_on_this_machine(self, store, url, monkeypatch):
        record(store, theft(3))
        with mail_server(login=True) as box:
            use(monkeypatch, PORT=box.port, USER="ana", PASSWORD=PASSWORD, SECURITY="none")
            send(url, ANA)
        assert box.logins == [("ana", PASSWORD)]

    def test_a_server_that_is_not_there(self, store, url, monkeypatch, waits, hook):
        record(store, theft(3))
        use(monkeypatch, PORT=free_port())
        with pytest.raises(DeliveryError, match=r"the mail server localhost:\d+ cannot be reached: .*refused"):
            send(url, ANA)
        assert waits == [1, 2, 4]
        assert len(hook.posts) == 1
        assert len(store.unsent(f"mail {ANA}")) == 1

    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({"HOST": ""}, "set SMTP_HOST"),
            ({"PORT": "smtp"}, "SMTP_PORT='smtp' is no port"),
            ({"PORT": "70000"}, "SMTP_PORT='70000' is no port"),
            ({"SECURITY": "ssl"}, "SMTP_SECURITY='ssl' is none of starttls, tls, none"),
            ({"FROM": ""}, "SMTP_FROM='' is no address"),
            ({"FROM": "a@b.c\nBcc: all@b.c"}, "is no address"),
        ],
    )
    def test_settings_that_will_not_do(self, url, monkeypatch, settings, said):
        use(monkeypatch, **settings)
        with pytest.raises(ParameterError, match=said):
            send(url, ANA)

    @pytest.mark.parametrize(
        ("settings", "security", "port"),
        [({}, "none", 25), ({"USER": "ana"}, "starttls", 587), ({"SECURITY": "TLS"}, "tls", 465)],
    )
    def test_what_is_usual_holds_where_nothing_is_said(self, monkeypatch, settings, security, port):
        use(monkeypatch, **settings)
        server = Smtp.from_environment()
        assert (server.security, server.port) == (security, port)
        assert "password" not in repr(server)

    def test_a_user_that_is_an_address_is_the_sender(self, monkeypatch):
        use(monkeypatch, FROM="", USER=ANA)
        assert Smtp.from_environment().sender == ANA


def test_nobody_to_tell_is_an_error(store, url):
    with pytest.raises(ParameterError, match="nobody to tell: give mail addresses by send_to, a webhook by"):
        send(url)


def test_no_database_is_an_error_and_makes_none(url, tmp_path, hook):
    with pytest.raises(StoreError, match="there is no alert database"):
        send(url)
    assert not list(tmp_path.glob("alerts.db*"))


@pytest.mark.parametrize("text", ["ana", "@b", "a@", "a@b@c", "Ana <a@b.c>", "a@b.c\n", "ä@b.c", ""])
def test_what_is_no_address(text):
    assert is_address(ANA)
    assert not is_address(text)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "[::1]"])
def test_what_this_machine_is(host):
    assert is_loopback(host)
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("localhost.example.org")
