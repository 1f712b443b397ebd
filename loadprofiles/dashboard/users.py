"""Who may sign in to the dashboard: names and password hashes, of a file, of the environment, or of both."""

import hashlib
import logging
import os
import re
import stat
import tempfile
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from werkzeug.security import check_password_hash, generate_password_hash

from loadprofiles.errors import InputError, ParameterError
from loadprofiles.tables import first_line

USERS_VARIABLE: Final = "DASHBOARD_USERS"
LONGEST_NAME: Final = 64
SHORTEST_PASSWORD: Final = 10

_HASH: Final = re.compile(r"(?P<method>[a-z0-9:]+)\$[!-#%-~]+\$[0-9a-f]+", re.ASCII)
_NAME_RULE: Final = (
    f"a name has 1 to {LONGEST_NAME} printable characters, no ':' or ';', no '#' in front, no blank at either end"
)

_log = logging.getLogger(__name__)


class UsersError(InputError):
    """The users cannot be read: nobody may sign in, nor stay signed in, until that is mended."""


class Users:
    """Names and password hashes; a file is read again when it has changed, so that who is taken out of it is out.

    Args:
        hashes: Hash by name, werkzeug's `method$salt$hash`; they stay as long as the process runs.
        file: Further users, as lines `name:hash`; None: no file.

    Raises:
        UsersError: The file cannot be read or has a wrong line; also later, of each method.
    """

    def __init__(self, hashes: Mapping[str, str] | None = None, file: Path | None = None) -> None:
        self._fixed = dict(hashes or {})
        self._file = file
        self._read: tuple[object, dict[str, str]] = (None, self._fixed)
        self._hashes()

    def __bool__(self) -> bool:
        return bool(self._hashes())

    def __contains__(self, name: object) -> bool:
        return name in self._hashes()

    def check(self, name: str, password: str) -> bool:
        """Whether `password` is that of `name`; a name that nobody has takes as long as one that somebody has."""
        hashes = self._hashes()
        method = next(iter(hashes.values()), "scrypt$").split("$")[0]
        right = check_password_hash(hashes.get(name, f"{method}$nobody$0"), password)
        return name in hashes and right

    def mark(self, name: str) -> str:
        """What tells this password of `name` from another, but not the password; empty for a name nobody has."""
        known = self._hashes().get(name)
        return hashlib.sha256(f"{name}:{known}".encode()).hexdigest()[:32] if known else ""

    def _hashes(self) -> dict[str, str]:
        if self._file is None:
            return self._fixed
        try:
            status = self._file.stat()
        except OSError as error:
            raise UsersError(f"{self._file}: the file of users cannot be read: {error.strerror}") from error
        stamp = (status.st_mtime_ns, status.st_size, status.st_ino)
        if stamp != self._read[0]:
            self._read = (stamp, _parse(_lines(self._file), f"{self._file}, row", self._fixed))
        return self._read[1]


def load_users(file: Path | None) -> Users:
    """The users of a file and of the environment variable `DASHBOARD_USERS`, together.

    The file has lines `name:hash`; blank lines and lines that start with `#` do not count. The variable has the
    same, with `;` or new lines between. That a file can be read by everybody on this machine is logged as a warning.

    Args:
        file: The file; None: the environment only.

    Returns:
        The users; none at all if there is no file and the variable is empty.

    Raises:
        UsersError: The file cannot be read or has no user; a line is malformed, its hash is by a method unknown or
            a name comes twice, with the row.
    """
    entries = re.split(r"[;\n]", os.environ.get(USERS_VARIABLE, ""))
    users = Users(_parse(entries, f"{USERS_VARIABLE}, entry", {}), file)
    if file is None:
        return users
    if not users:
        raise UsersError(f"{file}: holds no user: {how_to_add(file)}")
    if file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH):
        _log.warning("%s is open to every user of this machine: `chmod 600` it", file)
    return users


def add_user(file: Path, name: str, password: str) -> bool:
    """Put a user into a file, or a new password in place of the old; whole or not at all, with mode 0600.

    Args:
        file: The file of users; made if it is not there. Its other lines stay as they are.
        name: At most 64 printable characters.
        password: At least 10 characters.

    Returns:
        Whether the name is new.

    Raises:
        ParameterError: The name or the password cannot be used.
        UsersError: The file cannot be read, or has a wrong line.
        InputError: The file cannot be written.
    """
    if not _is_name(name):
        raise ParameterError(f"user {name!r}: {_NAME_RULE}")
    if len(password) < SHORTEST_PASSWORD or not password.strip():
        raise ParameterError(f"the password of {name} is too short: take {SHORTEST_PASSWORD} characters or more")
    # a link stays a link
    file = file.resolve()
    before = _lines(file) if file.exists() else []
    known = _parse(before, f"{file}, row", {})
    entry = f"{name}:{generate_password_hash(password)}"
    after = [entry if _name_of(line) == name else line for line in before] + [entry] * (name not in known)
    try:
        _write_secret("\n".join(after) + "\n", file)
    except OSError as error:
        raise InputError(f"{file}: the file of users cannot be written: {first_line(error)}") from error
    return name not in known


def how_to_add(file: Path | None = None) -> str:
    """What to do to get a user into `file`."""
    return f"add one with `python dashboard.py --users_file {file or 'users.txt'} --add_user NAME`"


def _is_name(name: str) -> bool:
    fits = 0 < len(name) <= LONGEST_NAME and name.isprintable() and name == name.strip()
    return fits and not name.startswith("#") and not set(name) & set(":;")


def _name_of(line: str) -> str:
    return line.partition(":")[0].strip()


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8-sig").splitlines()
    except OSError as error:
        raise UsersError(f"{file}: the file of users cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsersError(f"{file}: the file of users is no text in UTF-8") from error


def _parse(lines: Iterable[str], where: str, known: Mapping[str, str]) -> dict[str, str]:
    """`known` and the users of `lines`; `where` and a number say in errors which line it was."""
    hashes = dict(known)
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        name, colon, password_hash = map(str.strip, line.partition(":"))
        # a line without colon may be but a hash, or a password that somebody took for one: it is not repeated
        fault = _fault(name, password_hash) if colon else f"no user: write name:hash; {_NAME_RULE}"
        if name in hashes:
            fault = f"user {name!r} is there twice; {USERS_VARIABLE} counts, too"
        if fault:
            raise UsersError(f"{where} {number}: {fault}")
        hashes[name] = password_hash
    return hashes


def _fault(name: str, password_hash: str) -> str:
    """What is wrong with a line; empty if nothing is."""
    if not _is_name(name):
        return f"no name of a user: {_NAME_RULE}"
    parts = _HASH.fullmatch(password_hash)
    if not parts or not _is_method(parts["method"]):
        return f"user {name!r} has no password hash of scrypt or pbkdf2: {how_to_add()}"
    return ""


@cache
def _is_method(method: str) -> bool:
    """Whether werkzeug can hash by `method`, which only a trial tells."""
    try:
        check_password_hash(f"{method}$trial$0", "")
    except (ValueError, OverflowError, MemoryError):
        return False
    return True


def _write_secret(text: str, file: Path) -> None:
    # not by `atomic_path`, which makes a file that everybody may read
    handle, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
