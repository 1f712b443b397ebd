"""Real servers on the loopback interface for what a digest is sent to: mail over SMTP, JSON over HTTP."""

import json
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.servers import free_port

HOST = "localhost"


@dataclass
class Mailbox:
    """What a mail server has taken, and what it does to those who send.

    Attributes:
        refused: For an address what is answered.
        fails: Answers to the next mails, before any is taken.
        delay: Seconds to wait before a mail is taken.
        logins: Users that have logged in, with their passwords.
    """

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    receivers: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    fails: list[str] = field(default_factory=list)
    delay: float = 0.0
    logins: list[tuple[str, str]] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)

    async def handle_RCPT(self, _server, _session, envelope, address, _options):  # noqa: N802
        if address in self.refused:
            return self.refused[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, _session, envelope):  # noqa: N802
        if self.fails:
            return self.fails.pop(0)
        time.sleep(self.delay)
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        self.receivers += envelope.rcpt_tos
        self.over_tls.append(server.transport.get_extra_info("sslcontext") is not None)
        return "250 OK"

    def login(self, _server, _session, _envelope, _mechanism, data):
        assert isinstance(data, LoginPassword)
        login = data.login.decode(), data.password.decode()
        self.logins.append(login)
        return AuthResult(success=login == ("ana", "s3cret-word"), handled=False)


@contextmanager
def mail_server(certificate: Path | None = None, *, login: bool = False, at_once: bool = False) -> Iterator[Mailbox]:
    """A mail server; with a certificate it takes mails over TLS alone, by STARTTLS or `at_once`."""
    mailbox = Mailbox(free_port())
    options = {"authenticator": mailbox.login, "auth_require_tls": False} if login else {}
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        start = {"tls_context": context, "require_starttls": True, "auth_required": login, "auth_require_tls": True}
        options |= {"ssl_context": context} if at_once else start
    server = Controller(mailbox, hostname=HOST, port=mailbox.port, **options)
    server.start()
    try:
        yield mailbox
    finally:
        server.stop()


def make_certificate(file: Path) -> Path:
    """A certificate of its own for this machine, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file


@dataclass
class Hook:
    """What a webhook was sent, and what it answers: `answers` first, then 200."""

    url: str = ""
    posts: list[dict] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


@contextmanager
def web_server() -> Iterator[Hook]:
    """A webhook."""
    hook = Hook()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = hook.answers.pop(0) if hook.answers else 200
            hook.posts.append(json.loads(body))
            hook.keys.append(self.headers["Idempotency-Key"])
            assert self.headers["Content-Type"] == "application/json"
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer((HOST, 0), Handler)
    hook.url = f"http://{HOST}:{server.server_port}/hook/s3cret-token"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hook
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
