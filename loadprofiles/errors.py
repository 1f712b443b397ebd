"""Errors that say what was wrong, where, and what to do about it.

Everything a user can cause is a `LoadProfilesError`; steps print its message on one line and exit
with status 1. Anything else that escapes is a defect of ours and keeps its traceback.
"""

import re

# Passwords inside URIs: scheme://user:password@host; github://org:repo@ref/path only looks like one
_URI_PASSWORD = re.compile(
    r"(?P<head>\b(?!github:)[a-z][a-z0-9+.\-]*://[^/\s:@]*):(?P<password>[^/\s]*)@", re.IGNORECASE
)
_QUERY_SECRET = re.compile(
    r"(?P<head>[?&][^=&#\s]*(?:signature|token|secret|passw|credential|api_?key)[^=&#\s]*=|[?&](?:sig|key)=)[^&#\s]+",
    re.IGNORECASE,
)


class LoadProfilesError(Exception):
    """Base of all errors a user can cause; the message is one line and says what to do."""

    def __str__(self) -> str:
        return mask_secrets(super().__str__())


class ParameterError(LoadProfilesError):
    """A parameter has a value that cannot be used."""


class InputError(LoadProfilesError):
    """A file or folder is missing, unreadable or not of the expected layout."""


class EmptyResultError(LoadProfilesError):
    """A step has nothing to hand on."""


class StaleMatrixError(LoadProfilesError):
    """The DTW matrix does not hold the profiles asked for."""


class StoreError(LoadProfilesError):
    """The MLflow store cannot be used."""


class StepFailedError(LoadProfilesError):
    """A step of the chain failed; the message carries the step's own."""


def has_password(text: str) -> bool:
    """Whether `text` holds a URI with a password in it."""
    return _URI_PASSWORD.search(text) is not None


def has_secret(text: str) -> bool:
    """Whether `text` holds a URI with a password, or with a signature or token in its query."""
    return has_password(text) or _QUERY_SECRET.search(text) is not None


def mask_secrets(text: str) -> str:
    """`text` with the password, signature or token of every URI in it replaced by `***`."""
    return _QUERY_SECRET.sub(r"\g<head>***", _URI_PASSWORD.sub(r"\g<head>:***@", text))
