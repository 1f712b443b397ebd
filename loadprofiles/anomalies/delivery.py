"""What the ways to send a digest have in common."""

import ipaddress
from typing import Final

from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from loadprofiles.errors import LoadProfilesError

ATTEMPTS: Final = 4
SILENCE_SECONDS: Final = 30


class DeliveryError(LoadProfilesError):
    """A digest could not be sent."""


class PassingError(DeliveryError):
    """The same, for a reason that may pass."""


def retrying() -> Retrying:
    """Try again, ever more slowly, what failed for a reason that may pass: some seven seconds in all."""
    return Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, PassingError)),
        wait=wait_exponential(multiplier=1, max=10),
        stop=stop_after_attempt(ATTEMPTS),
        reraise=True,
    )


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or address alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"
