"""Posts a digest to a webhook; its address, often a secret, comes from the environment and from nowhere else."""

import asyncio
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from loadprofiles.anomalies.delivery import SILENCE_SECONDS, DeliveryError, PassingError, is_loopback, retrying
from loadprofiles.errors import ParameterError, has_password

if TYPE_CHECKING:
    from loadprofiles.anomalies.digest import Digest

URL_VARIABLE: Final = "ALERT_WEBHOOK_URL"


@dataclass(frozen=True)
class Webhook:
    """An address that takes a digest as JSON."""

    url: str = field(repr=False)
    name: str = "webhook"

    @classmethod
    def from_environment(cls) -> "Webhook | None":
        """The webhook that `ALERT_WEBHOOK_URL` names; None if it is not set.

        Raises:
            ParameterError: It is no web address, or a password would go over the network in the clear.
        """
        url = os.environ.get(URL_VARIABLE, "").strip()
        if not url:
            return None
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname, parts.port
        except ValueError:
            host = None
        if not host or parts.scheme not in ("http", "https"):
            raise ParameterError(f"{URL_VARIABLE} is no web address: write https://host/path")
        if parts.scheme == "http" and has_password(url) and not is_loopback(host):
            raise ParameterError(f"{URL_VARIABLE} would send a password to {host} in the clear: use https")
        return cls(url)

    def send(self, digest: "Digest") -> None:
        """Post a digest, by a few attempts; what the server refuses (4xx) is not tried again.

        Raises:
            DeliveryError: The server cannot be reached, or refuses.
        """
        retrying()(lambda: asyncio.run(self._post(digest)))

    async def _post(self, digest: "Digest") -> None:
        import aiohttp  # a third of a second, for who has a webhook

        parts = urlsplit(self.url)
        # neither the path nor the query, where services put their tokens
        where = f"the webhook at {parts.hostname}{f':{parts.port}' if parts.port else ''}"
        timeout = aiohttp.ClientTimeout(total=SILENCE_SECONDS)
        headers = {"Idempotency-Key": digest.digest_id(self.name)}
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
                session.post(self.url, json=digest.payload, headers=headers, allow_redirects=False) as answer,
            ):
                status = answer.status
        except aiohttp.ClientConnectorCertificateError:
            raise DeliveryError(f"{where}: its certificate is not trusted") from None
        except (aiohttp.ClientError, OSError) as error:
            # an error's own words may hold the address
            raise PassingError(f"{where} cannot be reached ({type(error).__name__})") from None
        if status >= 500:
            raise PassingError(f"{where} answers {status}")
        if status >= 300:
            raise DeliveryError(f"{where} answers {status}: check {URL_VARIABLE}")
