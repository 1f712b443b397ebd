"""Sends a digest by mail; the server comes from the environment and from nowhere else."""

import os
import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, localtime
from typing import TYPE_CHECKING, Final

from loadprofiles.anomalies.delivery import SILENCE_SECONDS, DeliveryError, PassingError, is_loopback, retrying
from loadprofiles.errors import ParameterError
from loadprofiles.tables import first_line

if TYPE_CHECKING:
    from loadprofiles.anomalies.digest import Digest

PORTS: Final = {"starttls": 587, "tls": 465, "none": 25}
"""How the connection is secured, and the port where that is usual."""

_FROM_NOWHERE: Final = "alerts@localhost"


@dataclass(frozen=True)
class Smtp:
    """A mail server.

    Attributes:
        host: Its name or address.
        port: Its port.
        security: One of `PORTS`.
        user: To log in as; empty: no login.
        password: Of the user.
        sender: The address that mails come from.
    """

    host: str
    port: int
    security: str
    user: str
    password: str = field(repr=False)
    sender: str

    @classmethod
    def from_environment(cls) -> "Smtp":
        """The server that `SMTP_HOST`, `_PORT`, `_USER`, `_PASSWORD`, `_FROM` and `_SECURITY` name.

        Raises:
            ParameterError: There is none, a value cannot be used, or a password would go over the
                network in the clear.
        """
        host, user, sender = _variable("HOST"), _variable("USER"), _variable("FROM")
        if not host:
            raise ParameterError("send_to names addresses, but there is no mail server: set SMTP_HOST")
        security = _variable("SECURITY").lower() or ("starttls" if user else "none")
        if security not in PORTS:
            raise ParameterError(f"SMTP_SECURITY={security!r} is none of {', '.join(PORTS)}")
        if user and security == "none" and not is_loopback(host):
            raise ParameterError(
                f"SMTP_SECURITY=none would send the password to {host} in the clear: use starttls or tls"
            )
        port = _variable("PORT") or str(PORTS[security])
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ParameterError(f"SMTP_PORT={port!r} is no port")
        sender = sender or (user if "@" in user else "")
        if not is_address(sender):
            raise ParameterError(f"SMTP_FROM={sender!r} is no address: name the one that mails come from")
        return cls(host, int(port), security, user, os.environ.get("SMTP_PASSWORD", ""), sender)


@dataclass(frozen=True)
class Mail:
    """One address, through a server."""

    address: str
    server: Smtp

    @property
    def name(self) -> str:
        """What the database knows it by: who was told is kept by address, so that none is left out."""
        return channel_name(self.address)

    def send(self, digest: "Digest") -> None:
        """Send a digest, by a few attempts.

        Raises:
            DeliveryError: The server cannot be reached, or refuses.
        """
        text = message(digest, self.address, self.server.sender)
        retrying()(self._try, text)

    def _try(self, text: EmailMessage) -> None:
        where = f"{self.server.host}:{self.server.port}"
        try:
            connection = self._connected()
            try:
                connection.send_message(text)
                with suppress(OSError, smtplib.SMTPException):
                    connection.quit()  # what goes wrong now changes nothing: the server has taken the mail
            finally:
                connection.close()
        except smtplib.SMTPAuthenticationError as error:
            raise DeliveryError(f"the mail server {where} refuses the login ({error.smtp_code})") from None
        except smtplib.SMTPRecipientsRefused as error:
            raise _refusal(where, *error.recipients[self.address]) from None
        except smtplib.SMTPResponseException as error:
            raise _refusal(where, error.smtp_code, error.smtp_error) from None
        except ssl.SSLCertVerificationError as error:
            raise DeliveryError(f"the certificate of {where} is not trusted ({error.verify_message})") from None
        except (smtplib.SMTPNotSupportedError, ssl.SSLError) as error:
            raise DeliveryError(f"the mail server {where}: {first_line(error)}; check SMTP_SECURITY") from None
        except (OSError, smtplib.SMTPException) as error:
            raise PassingError(f"the mail server {where} cannot be reached: {first_line(error)}") from None

    def _connected(self) -> smtplib.SMTP:
        server = self.server
        secure = ssl.create_default_context()
        if server.security == "tls":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, timeout=SILENCE_SECONDS, context=secure
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, timeout=SILENCE_SECONDS)
        try:
            if server.security == "starttls":
                connection.starttls(context=secure)
            if server.user:
                connection.login(server.user, server.password)
        except BaseException:
            connection.close()
            raise
        return connection


def channel_name(address: str) -> str:
    """The channel of an address."""
    return f"mail {address}"


def is_address(text: str) -> bool:
    """Whether a text is one mail address of ASCII, without a name."""
    local, at, domain = text.rpartition("@")
    plain = text.isascii() and text.isprintable() and not set(text) & set(' ,;:<>()[]"\\')
    return bool(plain and at and local and "@" not in local and domain.strip("."))


def message(digest: "Digest", address: str, sender: str = "") -> EmailMessage:
    """The mail to one address: text and HTML, and a Message-ID that is the same each time it is sent."""
    sender = sender or _FROM_NOWHERE
    mail = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    mail["Subject"] = digest.subject
    mail["From"] = sender
    if address:
        mail["To"] = address
    mail["Date"] = format_datetime(localtime())
    mail["Message-ID"] = f"<{digest.digest_id(address)}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(digest.text)
    mail.add_alternative(digest.html, subtype="html")
    return mail


def _refusal(where: str, code: int, said: bytes | str) -> DeliveryError:
    words = said.decode(errors="replace") if isinstance(said, bytes) else said
    kind = PassingError if 400 <= code < 500 else DeliveryError
    return kind(f"the mail server {where} refuses: {code} {' '.join(words.split())}")


def _variable(name: str) -> str:
    return os.environ.get(f"SMTP_{name}", "").strip()
