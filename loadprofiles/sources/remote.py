"""Brings files and folders from other machines to a local cache, by whatever protocol fsspec speaks.

`fetch` mirrors: after it the local copy is what the server has, no more and no less. What the server says is
unchanged is not downloaded again. Below the cache each URL has a folder of its own:

    <digest of the URL>/files/      the copy
    <digest of the URL>/records/    one JSON a file: the server's word on its version, size, SHA-256
    <digest of the URL>/partial-*/  downloads under way; renamed into the copy when they are complete

Folders of a web server are read off its index pages (`python -m http.server`, Apache's, nginx's). Only links
below the folder are followed, and no redirect to another server is; fsspec overlooks relative links that begin
with `http`. Retries are spread over some seconds; a download that breaks off begins anew.
"""

import errno
import hashlib
import html
import json
import logging
import os
import re
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias, TypeVar
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urljoin, urlsplit
from urllib.request import url2pathname

import aiohttp
import fsspec
from fsspec.asyn import sync
from fsspec.callbacks import Callback
from fsspec.core import url_to_fs
from fsspec.registry import known_implementations
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential
from tqdm import tqdm

from loadprofiles.errors import InputError, LoadProfilesError, ParameterError, has_password, mask_secrets
from loadprofiles.tables import atomic_path, first_line

CACHE_VARIABLE: Final = "LOADPROFILES_CACHE"
ATTEMPTS: Final = 5
BACKOFF_SECONDS: Final = 0.5  # doubled after each attempt
LONGEST_WAIT_SECONDS: Final = 8.0
CONNECT_SECONDS: Final = 15.0
SILENCE_SECONDS: Final = 20.0
ATTEMPTS_IN_SILENCE: Final = 2
PARALLEL: Final = 4
MAX_DEPTH: Final = 32

_Info: TypeAlias = Mapping[str, Any]
_T = TypeVar("_T")

# a single letter before the colon is a drive of Windows
_SCHEME = re.compile(r"(?P<scheme>[a-z][a-z0-9+.\-]+)://", re.IGNORECASE)
_WEB: Final = ("http", "https")
_LOCAL: Final = ("file", "local")

# github://org:repo@ref/path only looks like a user and a password
_NOT_A_LOGIN: Final = ("github",)
_AS_IT_IS: Final = "%/:=&?~+!$,;@()*[]'"
_LOGIN = re.compile(r"(?P<head>\bhttps?://)[^/\s@]+@", re.IGNORECASE)
_ARGUMENT = re.compile(r"(?P<head>[?&;](?P<key>[^=&#\s]+)=)(?P<value>[^&#\s'\"]*)")
_SECRET_KEY = re.compile(
    r"sig|token|secret|passw|pwd|credential|auth|key|session|policy|^x-(amz|goog|oss)-|^code$", re.IGNORECASE
)
_SECRET_VALUE = re.compile(r"[\w+/%=~.\-]{32,}")
# what signing adds to an address that names the object already
_SIGNATURE_KEY = re.compile(r"(^|-)sig(nature)?$", re.IGNORECASE)
_SIGNING_KEY = re.compile(
    r"^(x-(amz|goog|oss)-.*|(aws|oss)accesskeyid|googleaccessid|signature|expires|policy|key-pair-id"
    r"|sig|se|st|sp|sv|sr|spr|sks?|ske|skt|skoid|sktid)$",
    re.IGNORECASE,
)
_PASSWORD_KEY = re.compile(r"passw|pwd", re.IGNORECASE)

_OVERLOADED: Final = {408, 425, 429, 500, 502, 503, 504}
_LOCAL_TROUBLE: Final = {errno.ENOSPC, errno.EROFS, errno.EFBIG}

# What servers say of a file's version, by the names that fsspec's drivers give it, the most telling first.
_VERSIONS: Final = ("ETag", "etag", "Content-MD5", "content_md5", "md5Hash", "Digest", "sha")
_TIMES: Final = ("Last-Modified", "LastModified", "last_modified", "updated", "mtime", "modify")

_NO_INDEX: Final = (
    "if it is a folder, the server gives no index page of it: name the single files, or use another protocol"
)

_log = logging.getLogger(__name__)


def fetch(url: str, *, cache: Path | None = None, progress: bool = True) -> Path:
    """Bring a file, or a folder with all below it, to the local cache.

    A file is kept as it is if the server names the same version as before (ETag, else a checksum, else date and
    size; a second change within the same second that keeps the size goes unseen) and the copy was not altered
    since. Where the server names no version, files are downloaded again, and one of the same content keeps its
    date. Files that the server no longer has are removed. Processes that fetch the same URL take turns.

    Args:
        url: `https://…`, `s3://…`, `memory://…`, `github://org:repo@ref/path`, whatever fsspec has a driver for.
            A `file://` URL is not copied.
        cache: Where to keep the copy; by default the folder that `LOADPROFILES_CACHE` names, else
            `loadprofiles/remote` in the user's cache folder.
        progress: Show a progress bar, if standard error is a terminal.

    Returns:
        The local file, which has the name of the remote one, or the local folder.

    Raises:
        ParameterError: The URL holds a password.
        InputError: The scheme is unknown or its driver not installed, there is no such file or folder, the folder
            is empty or cannot be listed, the server cannot be reached or refuses, a download stays incomplete, or
            the cache cannot be written. Files that were complete before are kept for the next time.
    """
    address = _checked(url)
    if urlsplit(address).scheme in _LOCAL:
        return _local_path(address)
    store = Path(cache or os.environ.get(CACHE_VARIABLE) or _user_cache())
    with closing(_server(address)) as server:
        tree = server.tree()
        copy = _Copy.of(store, address, tree)
        try:
            with _turn(copy.folder):
                _mirror(server, tree, copy, _shown(address), progress)
        except OSError as error:
            raise InputError(
                f"{store}: the cache of remote files cannot be written ({first_line(error)}): "
                f"make room, or set {CACHE_VARIABLE} to another folder"
            ) from None
    return copy.result


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "loadprofiles" / "remote"


# --- URLs ---


def _checked(url: str) -> str:
    """`url` as it is sent: its scheme in lower case, blanks and letters beyond ASCII percent-encoded."""
    match = _SCHEME.match(url)
    if match is None:
        raise InputError(f"{_shown(url)}: no URL: write scheme://host/path")
    scheme = match["scheme"].lower()
    if has_password(url) and scheme not in _NOT_A_LOGIN:
        raise ParameterError(
            f"{_shown(url)}: a password does not belong in a URL: give it by the environment or the driver's own "
            "configuration (~/.netrc for http, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for s3, …)"
        )
    if "::" in url:
        raise InputError(f"{_shown(url)}: protocols joined by :: are not supported: name the file or folder itself")
    if scheme not in known_implementations and scheme not in fsspec.registry:
        raise InputError(
            f"{_shown(url)}: unknown scheme {scheme}://: use https://, s3://, github:// or another of fsspec"
        )
    rest = url[match.end() :]
    if scheme in _WEB:
        return _encoded(f"{scheme}://{rest}")
    return f"{scheme}://{rest}"


def _encoded(url: str) -> str:
    """A web address as it is sent; what is encoded already stays to the letter, a signature may depend on it."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise InputError(f"{_shown(url)}: no usable address: write https://host/path or https://host:port/path")
    path, query = (quote(part, safe=_AS_IT_IS) for part in (parts.path or "/", parts.query))
    return parts._replace(path=path, query=query, fragment="").geturl()


def _shown(text: str) -> str:
    """`text` for messages: no password, no login, no signature or token in the query of a URL."""

    def masked(argument: re.Match[str]) -> str:
        secret = _SECRET_KEY.search(argument["key"]) or _SECRET_VALUE.search(argument["value"])
        return argument["head"] + "***" if secret else argument[0]

    return _ARGUMENT.sub(masked, _LOGIN.sub(r"\g<head>***@", mask_secrets(text)))


def _key(url: str, kind: str) -> str:
    """The name of a URL's folder in the cache.

    Logins and signatures do not count, so that a link signed anew finds the old copy. Other tokens do: a link to a
    shared file may differ from the next one by nothing else.
    """
    parts = urlsplit(url)
    host = parts.netloc if parts.scheme in _NOT_A_LOGIN else parts.netloc.rpartition("@")[2]
    query = [pair for pair in parse_qsl(parts.query, keep_blank_values=True) if not _PASSWORD_KEY.search(pair[0])]
    if any(_SIGNATURE_KEY.search(key) for key, _ in query):
        query = [pair for pair in query if not _SIGNING_KEY.search(pair[0])]
    named = json.dumps([kind, parts.scheme, host, parts.path.rstrip("/"), query])
    return hashlib.sha256(named.encode()).hexdigest()[:32]


def _local_path(url: str) -> Path:
    parts = urlsplit(url)
    path = Path(url2pathname(parts.path))
    if parts.netloc not in ("", "localhost"):
        raise InputError(f"{url}: a file:// URL of another machine: write file:///path, or use another protocol")
    if not path.exists():
        raise InputError(f"{path}: no such file or folder")
    return path


def _is_name(part: str) -> bool:
    """Whether `part` can name a file or folder and nothing else: no way up, no separator, no control character."""
    return part not in ("", ".", "..") and not re.search(r"[/\\\x00-\x1f\x7f]", part)


# --- servers ---


@dataclass(frozen=True)
class _File:
    """A file on a server: how the server calls it, its path in the copy, and what the server says of it."""

    address: str
    parts: tuple[str, ...]
    info: _Info

    @property
    def name(self) -> str:
        return "/".join(self.parts)


@dataclass(frozen=True)
class _Tree:
    """What a URL stands for.

    Attributes:
        name: Of the folder; empty for a single file.
        files: All of them, at every depth.
        outside: Links and keys that lead out of the folder.
    """

    name: str
    files: list[_File]
    outside: list[str] = field(default_factory=list)


class _Server(Protocol):
    """A file system of fsspec, opened for one fetch."""

    parallel: int

    def tree(self) -> _Tree: ...
    def info(self, address: str) -> _Info: ...
    def get(self, address: str, path: Path, callback: Callback) -> None: ...
    def close(self) -> None: ...


def _server(url: str) -> _Server:
    return _Web(url) if urlsplit(url).scheme in _WEB else _Store(url)


class _Store:
    """A file system that can list its folders: object stores, repositories, memory."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._fs, self._root = open_filesystem(url)
        # only the asynchronous ones may be asked by several threads at once
        self.parallel = PARALLEL if self._fs.async_impl else 1

    def tree(self) -> _Tree:
        shown = _shown(self._url)
        info = _ask(shown, partial(self.info, self._root))
        name = _last_name(self._url, self._root)
        if info["type"] == "file":
            return _Tree("", [_File(self._root, (name,), info)])
        found: dict[str, _Info] = _ask(shown, partial(self._fs.find, self._root, detail=True))
        files, outside = [], []
        prefix = f"{self._root.rstrip('/')}/" if self._root else ""
        for address, entry in found.items():
            parts = tuple(address.removeprefix(prefix).strip("/").split("/"))
            if address.startswith(prefix) and all(map(_is_name, parts)):
                files.append(_File(address, parts, entry))
            else:
                outside.append(address)
        if not files:
            raise InputError(f"{shown}: no files in it: check the address")
        return _Tree(name, files, outside)

    def info(self, address: str) -> _Info:
        self._fs.invalidate_cache()
        info: _Info = self._fs.info(address)
        return info

    def get(self, address: str, path: Path, callback: Callback) -> None:
        self._fs.get_file(address, str(path), callback=callback)

    def close(self) -> None:
        """Nothing of ours stays open; the drivers close what they opened."""


def open_filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it.

    Args:
        url: As for `fetch`.

    Raises:
        ParameterError: The URL holds a password.
        InputError: The scheme is unknown or its driver not installed.
    """
    address = _checked(url)
    # an instance of its own: one kept by fsspec may belong to a process that this one was forked from
    opened: tuple[Any, str] = _ask(_shown(address), partial(url_to_fs, address, skip_instance_cache=True))
    return opened


def _last_name(url: str, path: str) -> str:
    """The name of the file or folder at `path`; for the root of a store, its host."""
    name = path.rstrip("/").rpartition("/")[2] or urlsplit(url).hostname or "root"
    if not _is_name(name):
        raise InputError(f"{_shown(url)}: ends in no name of a file or folder")
    return name


class _Web:
    """A web server; its folders are what its index pages link to."""

    parallel = PARALLEL

    def __init__(self, url: str) -> None:
        self._url = url
        self._home: SplitResult | None = None
        self._session: aiohttp.ClientSession | None = None
        self._fs = fsspec.filesystem(
            "http", skip_instance_cache=True, encoded=True, simple_links=False, get_client=self._connect
        )

    async def _connect(self, **options: Any) -> aiohttp.ClientSession:
        redirects = aiohttp.TraceConfig()
        redirects.on_request_redirect.append(self._check_redirect)
        settings: dict[str, Any] = {
            "trust_env": True,
            # a proxy or server that compresses changes sizes and ETags
            "headers": {"Accept-Encoding": "identity"},
            "timeout": aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS),
            "trace_configs": [redirects],
        }
        self._session = aiohttp.ClientSession(**(settings | options))
        return self._session

    async def _check_redirect(self, _session: Any, _context: Any, asked: aiohttp.TraceRequestRedirectParams) -> None:
        """Keep a folder's server from sending us, file by file, to servers that nobody named."""
        target = urljoin(str(asked.url), asked.response.headers.get("Location", ""))
        if self._home is not None and not _same_server(self._home, urlsplit(target)):
            asked.response.close()
            raise InputError(
                f"{_shown(str(asked.url))}: the server sends us to another one, {urlsplit(target).netloc}, which is "
                "not followed out of a folder: name that address itself if you trust it"
            )

    def tree(self) -> _Tree:
        parts = urlsplit(self._url)
        if not parts.path.endswith("/"):
            shown = _shown(self._url)
            info = _ask(shown, partial(self.info, self._url))
            if not _is_folder(info):
                return self._single(info)
            if not _same_server(parts, urlsplit(info["url"])):
                raise InputError(f"{shown}: moved: name the address itself, {_shown(info['url'])}")
            self._url = parts._replace(path=parts.path + "/").geturl()
        if parts.query:
            raise InputError(f"{_shown(self._url)}: a folder's address has no query: name the single files")
        return self._folder(urlsplit(self._url))

    def _single(self, info: _Info) -> _Tree:
        path = unquote(urlsplit(self._url).path)
        if info.get("mimetype") == "text/html" and not path.lower().endswith((".html", ".htm")):
            raise InputError(
                f"{_shown(self._url)}: the server answers with a web page: if it asks for a login, put that into "
                "~/.netrc; if it is the index of a folder, end the address with /"
            )
        return _Tree("", [_File(self._url, (_last_name(self._url, path),), info)])

    def _folder(self, root: SplitResult) -> _Tree:
        self._home = root
        walk = _Walk(root)
        with ThreadPoolExecutor(self.parallel) as pool:
            while walk.folders:
                folder = walk.folders.pop()
                links = _ask(_shown(folder), partial(self._fs.ls, folder, detail=False), hint=_NO_INDEX)
                walk.look_at(links)
                fresh = walk.unasked()
                for (parts, url), info in zip(fresh, pool.map(self._known, (url for _, url in fresh)), strict=True):
                    walk.answered(parts, url, info)
        if not walk.files:
            raise InputError(f"{_shown(root.geturl())}: no links to files below it; {_NO_INDEX}")
        return _Tree(_last_name(self._url, unquote(root.path)), walk.found(), walk.outside)

    def _known(self, url: str) -> _Info:
        return _ask(_shown(url), partial(self.info, url))

    def info(self, address: str) -> _Info:
        info: _Info = self._fs.info(address)
        return info

    def get(self, address: str, path: Path, callback: Callback) -> None:
        self._fs.get_file(address, str(path), callback=callback)

    def close(self) -> None:
        """Close the connections now; fsspec would when its file system is collected as garbage, at any time."""
        if self._session is not None:
            sync(self._fs.loop, self._session.close)


@dataclass
class _Walk:
    """What was found below a folder of a web server so far, and what is still to be looked at."""

    root: SplitResult
    folders: list[str] = field(default_factory=list)
    files: dict[tuple[str, ...], _File | None] = field(default_factory=dict)
    outside: list[str] = field(default_factory=list)
    _seen: set[tuple[str, ...]] = field(default_factory=set)
    _new: list[tuple[tuple[str, ...], str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._enter(())

    def look_at(self, links: list[str]) -> None:
        for link in sorted(links):
            segments, is_folder = _below(self.root, link)
            names = tuple(map(_decoded, segments))
            if not all(map(_is_name, names)):
                self.outside.append(link)
            elif is_folder or not names:
                self._enter(tuple(segments))
            elif names not in self.files:
                self.files[names] = None
                self._new.append((names, self._url("/".join(segments))))

    def unasked(self) -> list[tuple[tuple[str, ...], str]]:
        """The files found since the last call."""
        fresh, self._new = self._new, []
        return fresh

    def answered(self, names: tuple[str, ...], url: str, info: _Info) -> None:
        """Note what the server says of a file; some link to folders without the slash at the end."""
        if _is_folder(info):
            del self.files[names]
            self._enter(tuple(_below(self.root, url)[0]))
        else:
            self.files[names] = _File(url, names, info)

    def found(self) -> list[_File]:
        return [file for file in self.files.values() if file is not None]

    def _enter(self, segments: tuple[str, ...]) -> None:
        if segments in self._seen:
            return
        if len(segments) > MAX_DEPTH:
            raise InputError(
                f"{_shown(self.root.geturl())}: folders are nested more than {MAX_DEPTH} deep, as where a link "
                "leads back to its own folder: name a folder further down"
            )
        self._seen.add(segments)
        self.folders.append(self._url("".join(f"{segment}/" for segment in segments)))

    def _url(self, path: str) -> str:
        return self.root._replace(path=self.root.path + path).geturl()


def _below(root: SplitResult, link: str) -> tuple[list[str], bool]:
    """The segments of `link` after `root`, still encoded, and whether it names a folder.

    Of a link that leads elsewhere the segments are `[".."]`. Links to the page itself (an anchor, another order of
    its rows) have none.
    """
    try:
        parts = urlsplit(html.unescape(link))
    except ValueError:
        return [".."], False
    if parts.netloc != root.netloc or not parts.path.startswith(root.path):
        return [".."], False
    rest = parts.path.removeprefix(root.path)
    segments = [segment for segment in rest.split("/") if segment not in ("", ".")]
    # the page joined the link to the folder, so that a foreign scheme looks like a name
    foreign = any(re.match(r"[a-z][a-z0-9+.\-]*:", segment, re.IGNORECASE) for segment in segments)
    if foreign or (segments and parts.query):
        return [".."], False
    return [quote(segment, safe=_AS_IT_IS) for segment in segments], rest.endswith("/")


def _decoded(segment: str) -> str:
    return unquote(segment, errors="replace")


def _is_folder(info: _Info) -> bool:
    """Whether a web server, asked for a file, led on to an address that ends with a slash."""
    asked, answered = urlsplit(str(info["name"])), urlsplit(str(info.get("url", info["name"])))
    return answered.path.endswith("/") and not asked.path.endswith("/")


def _same_server(home: SplitResult, target: SplitResult) -> bool:
    """Whether both are one server; from http to https on their own ports it stays one."""
    if home.hostname != target.hostname:
        return False
    ports = {"http": 80, "https": 443}
    before = (home.scheme, home.port or ports.get(home.scheme))
    after = (target.scheme, target.port or ports.get(target.scheme))
    return before == after or (before, after) == (("http", 80), ("https", 443))


# --- asking again, and saying what is wrong ---


class _IncompleteError(Exception):
    """A download ended without an error, but not all of the file came."""


def _ask(what: str, call: Callable[[], _T], *, again: bool = False, hint: str = "") -> _T:
    """The result of a call to a driver, repeated while the trouble may pass.

    Args:
        what: What is asked for, for messages.
        call: The call.
        again: Whether the server has answered before, so that one that cannot be reached may come back.
        hint: What else may be the matter if the server knows or gives no such thing.
    """

    def tell(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome is not None else None
        _log.warning("%s: %s; trying again in %.1f s", what, _reason(error), state.upcoming_sleep)

    retrying = Retrying(
        retry=retry_if_exception(partial(_may_pass, again=again)),
        wait=wait_exponential(multiplier=BACKOFF_SECONDS, max=LONGEST_WAIT_SECONDS),
        stop=_enough,
        before_sleep=tell,
        reraise=True,
    )
    try:
        return retrying(call)
    except Exception as error:  # noqa: BLE001 - drivers raise whatever they like
        cause = _cause(error)
        if isinstance(cause, LoadProfilesError):
            raise cause from None
        if isinstance(cause, OSError) and cause.errno in _LOCAL_TROUBLE:
            raise cause from None
        more = f"; {hint}" if hint and _status(cause) in (403, 404) else ""
        raise InputError(f"{what}: {_reason(cause)}: {_advice(cause)}{more}") from None


def _cause(error: BaseException) -> BaseException:
    """What went wrong; fsspec's web driver calls everything a missing file."""
    while isinstance(error, FileNotFoundError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def _status(error: BaseException) -> int | None:
    """The HTTP status that an error stands for."""
    if isinstance(error, FileNotFoundError):
        return 404
    if isinstance(error, PermissionError):
        return 403
    return error.status if isinstance(error, aiohttp.ClientResponseError) else None


def _may_pass(error: BaseException, *, again: bool) -> bool:
    cause = _cause(error)
    status = _status(cause)
    if status is not None:
        return status in _OVERLOADED
    if isinstance(cause, aiohttp.ClientConnectorError):
        return again and not isinstance(cause, aiohttp.ClientSSLError)
    if isinstance(cause, OSError) and cause.errno in _LOCAL_TROUBLE:
        return False
    if _is_silence(cause) or isinstance(cause, ConnectionRefusedError):
        return again
    broken = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, _IncompleteError)
    return isinstance(cause, (*broken, ConnectionError))


def _is_silence(error: BaseException | None) -> bool:
    """Whether a server did not answer, or stopped in the middle without closing the connection."""
    return isinstance(error, TimeoutError) or (error is not None and _is_silence(error.__cause__))


def _enough(state: RetryCallState) -> bool:
    """Whether to give up; waiting out a silent server time and again would take minutes."""
    silent = state.outcome is not None and _is_silence(state.outcome.exception())
    return state.attempt_number >= (ATTEMPTS_IN_SILENCE if silent else ATTEMPTS)


def _reason(error: BaseException | None) -> str:
    """What went wrong, in a few words without secrets."""
    cause = _cause(error) if error is not None else None
    if isinstance(cause, aiohttp.ClientConnectorError):
        return _no_connection(cause)
    if isinstance(cause, ConnectionRefusedError):
        return "cannot reach the server (Connection refused)"
    if isinstance(cause, aiohttp.ClientPayloadError | aiohttp.ServerDisconnectedError | ConnectionError):
        return "the connection broke off"
    if isinstance(cause, TimeoutError):
        return f"no answer within {SILENCE_SECONDS:.0f} s"
    if isinstance(cause, aiohttp.ClientResponseError):
        return f"the server answers {cause.status} {_shown(cause.message)}".rstrip()
    if isinstance(cause, FileNotFoundError):
        return "no such file or folder on the server"
    if isinstance(cause, ImportError):
        return "its driver is not installed"
    return _shown(first_line(cause)) if cause is not None else "unknown trouble"


def _no_connection(error: aiohttp.ClientConnectorError) -> str:
    server = f"{error.host}:{error.port}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"unknown host {error.host}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"the certificate of {server} is not trusted"
    if isinstance(error, aiohttp.ClientSSLError):
        return f"{server} does not speak TLS as expected"
    return f"cannot reach {server} ({os.strerror(error.errno) if error.errno else 'no answer'})"


def _advice(error: BaseException) -> str:
    if isinstance(error, ImportError):
        return _installation(error)
    if _status(error) in (401, 403, 407):
        return "check the address and your rights; credentials come from the driver's configuration (~/.netrc for http)"
    if _status(error) == 404:
        return "check the address"
    if isinstance(error, aiohttp.ClientSSLError):
        return "check that https:// is right, or set SSL_CERT_FILE to the certificates of your organisation"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "check host and port, that the server runs, and HTTPS_PROXY if there is a proxy"
    if _may_pass(error, again=True):
        return "try again later; what is complete is kept"
    return "check the address and the driver's configuration"


def _installation(error: ImportError) -> str:
    """What to install, from what the import lacked; fsspec's own words name it where its module differs."""
    cause = error.__cause__
    missing = cause.name if isinstance(cause, ImportError) else error.name
    package = (missing or "").partition(".")[0]
    return f"pip install {package}" if package else _shown(first_line(error))


# --- the copy ---


@dataclass(frozen=True)
class _Copy:
    """The local copy of one URL.

    Attributes:
        folder: All that belongs to it.
        root: Where its files are.
        result: The file or folder that was asked for.
    """

    folder: Path
    root: Path
    result: Path

    @classmethod
    def of(cls, store: Path, url: str, tree: _Tree) -> "_Copy":
        folder = store / _key(url, "folder" if tree.name else "file")
        root = folder / "files" / tree.name
        return cls(folder, root, root if tree.name else root / tree.files[0].name)

    def path(self, file: _File) -> Path:
        return self.root.joinpath(*file.parts)

    def record_path(self, file: _File) -> Path:
        return self.folder / "records" / f"{hashlib.sha256(file.name.encode()).hexdigest()[:32]}.json"

    def record(self, file: _File) -> _Info:
        """What was noted when the file was fetched, nothing if it is not there or not as it was then."""
        try:
            noted: _Info = json.loads(self.record_path(file).read_text(encoding="utf-8"))
            return noted if _intact(self.path(file), noted) else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def is_current(self, file: _File) -> bool:
        version = _version(file.info)
        return version is not None and self.record(file).get("server") == version

    def keep(self, file: _File, download: Path) -> None:
        """Put a complete download in its place; one of the same content leaves the old file alone."""
        path = self.path(file)
        with download.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        if self.record(file).get("sha256") != digest:
            path.parent.mkdir(parents=True, exist_ok=True)
            download.replace(path)
        stat = path.stat()
        noted = {
            "file": file.name,
            "server": _version(file.info),
            "size_bytes": stat.st_size,
            "sha256": digest,
            "mtime_ns": stat.st_mtime_ns,
        }
        with atomic_path(self.record_path(file)) as temporary:
            temporary.write_text(json.dumps(noted, indent=1) + "\n", encoding="utf-8")

    def remove_others(self, files: list[_File]) -> int:
        """Remove what is none of `files`; returns how many files that were."""
        wanted = {self.path(file) for file in files}
        records = {self.record_path(file) for file in files}
        removed = 0
        # the deepest first, so that folders are empty when their turn comes
        for path in sorted((self.folder / "files").rglob("*"), reverse=True):
            if path.is_dir() and not path.is_symlink():
                if not any(path.iterdir()):
                    path.rmdir()
            elif path not in wanted:
                path.unlink()
                removed += 1
        for path in (self.folder / "records").glob("*"):
            if path not in records:
                path.unlink()
        return removed


def _intact(path: Path, noted: _Info) -> bool:
    """Whether the file is as it was when `noted`; the content is read only if size fits and date does not."""
    stat = path.stat()
    if stat.st_size != noted["size_bytes"]:
        return False
    if stat.st_mtime_ns == noted["mtime_ns"]:
        return True
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == str(noted["sha256"])


def _version(info: _Info) -> dict[str, str] | None:
    """The server's word on which version of a file it has, None if it says nothing that tells."""
    for name in _VERSIONS:
        if info.get(name):
            return {name: str(info[name])}
    for name in _TIMES:
        if info.get(name) and info.get("size") is not None:
            return {name: str(info[name]), "size": str(info["size"])}
    return None


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Wait until no other process or thread works on `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    if sys.platform == "win32":
        # renames are whole there too; two processes may at worst do the work twice
        yield
        return
    import fcntl  # not on Windows

    with (folder / "lock").open("wb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _log.info("%s: another process fetches the same; waiting for it", folder)
            fcntl.flock(lock, fcntl.LOCK_EX)
        for left in folder.glob("partial-*"):
            shutil.rmtree(left)
        yield


# --- fetching ---


def _mirror(server: _Server, tree: _Tree, copy: _Copy, shown: str, progress: bool) -> None:
    if tree.outside:
        _log.warning(
            "%s: %d links lead out of the folder and are not followed, the first: %r",
            shown,
            len(tree.outside),
            _shown(tree.outside[0]),
        )
    removed = copy.remove_others(tree.files)
    stale = [file for file in tree.files if not copy.is_current(file)]
    sizes = [file.info.get("size") for file in stale]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    bar: tqdm[Any] = tqdm(
        desc=copy.result.name, total=total, unit="B", unit_scale=True, disable=None if progress else True
    )
    with bar, tempfile.TemporaryDirectory(dir=copy.folder, prefix="partial-") as partial_folder:
        work = partial(_fetch_file, server, copy, Path(partial_folder), shown, _Counter(bar, len(stale)))
        _in_parallel(work, stale, server.parallel)
    kept = len(tree.files) - len(stale)
    _log.info("%s: %d files fetched, %d unchanged, %d removed here", shown, len(stale), kept, removed)


def _in_parallel(work: Callable[[_File], None], files: list[_File], threads: int) -> None:
    """Do `work` for each file; after a failure those under way are finished, no others begun."""
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(work, file) for file in files]
        try:
            ended, _ = wait(futures, return_when=FIRST_EXCEPTION)
        finally:
            pool.shutdown(cancel_futures=True)
    for future in ended:
        future.result()


class _Counter:
    """The progress bar, for several threads."""

    def __init__(self, bar: "tqdm[Any]", files: int) -> None:
        self._bar, self._files, self._done = bar, files, 0
        self._lock = threading.Lock()

    def add_bytes(self, count: int) -> None:
        with self._lock:
            self._bar.update(count)

    def file_done(self) -> None:
        with self._lock:
            self._done += 1
            self._bar.set_postfix_str(f"{self._done}/{self._files} files")


class _Received(Callback):  # type: ignore[misc]
    """Hands on how many bytes came, and takes them back when a download is begun anew."""

    def __init__(self, counter: _Counter) -> None:
        super().__init__()
        self.size: int | None = None
        self.value: int = 0
        self._counter = counter
        self.begun = False

    def relative_update(self, inc: int = 1) -> None:
        """Count bytes that came."""
        super().relative_update(inc)
        self._counter.add_bytes(inc)

    def begin(self) -> None:
        """Forget what came so far."""
        self.begun = True
        self._counter.add_bytes(-self.value)
        self.size, self.value = None, 0


def _fetch_file(server: _Server, copy: _Copy, folder: Path, shown: str, counter: _Counter, file: _File) -> None:
    download = folder / copy.record_path(file).stem
    received = _Received(counter)
    latest = file

    def get() -> None:
        nonlocal latest
        try:
            if received.begun:
                # it may have changed since the first look, and with it the size to expect
                latest = _File(file.address, file.parts, server.info(file.address))
            received.begin()
            server.get(file.address, download, received)
        except Exception as error:
            if not _may_pass(error, again=True):
                raise
            raise _IncompleteError(f"{_reason(error)}; {_came(received, latest)}") from error
        if latest.info.get("size") not in (None, download.stat().st_size):
            raise _IncompleteError(f"the download ended early; {_came(received, latest)}")

    _ask(f"{shown}: {file.name}", get, again=True)
    copy.keep(latest, download)
    counter.file_done()


def _came(received: _Received, file: _File) -> str:
    size = received.size if file.info.get("size") is None else file.info["size"]
    return f"{received.value} of {'an unknown number of' if size is None else size} bytes came"
