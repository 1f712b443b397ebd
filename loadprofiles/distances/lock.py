"""One writer at a time for a DTW matrix."""

import contextlib
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from loadprofiles.distances.place import Place
from loadprofiles.errors import InputError

# A writer of an object store shows that it is alive this often.
BEAT_SECONDS = 5.0
_SILENT_BEATS = 4


@contextlib.contextmanager
def writer_lock(place: Place, name: str) -> Iterator[None]:
    """Hold the right to write a matrix.

    On this machine the operating system frees the lock of a process that ends, however it ends. An object
    store has no locks: there a small object is renewed every few seconds, and one that is not renewed for
    four times as long belongs to a dead writer. (Two that begin within the same moment may both go on: their
    work is then wasted, but not wrong, see `update`.)

    Args:
        place: The folder the matrices lie in.
        name: The matrix.

    Raises:
        InputError: Another process writes it; the message says which.
    """
    hold = _file_lock if place.is_local else _lease
    with hold(place, f"{name}.lock"):
        yield


@contextlib.contextmanager
def _file_lock(place: Place, name: str) -> Iterator[None]:
    folder = Path(place.root)
    folder.mkdir(parents=True, exist_ok=True)
    # what the lock file itself holds is lost as soon as somebody tries for it
    holder = folder / f"{name}.holder"
    try:
        with FileLock(folder / name, timeout=0):
            holder.write_text(json.dumps(_ourselves()), encoding="utf-8")
            try:
                yield
            finally:
                holder.unlink(missing_ok=True)
    except Timeout:
        raise _refusal(place, _read_holder(holder)) from None


def _read_holder(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@contextlib.contextmanager
def _lease(place: Place, name: str) -> Iterator[None]:
    path = f"{place.root}/{name}"
    _wait_for_silence(place, path)
    us = _ourselves()
    _write_lease(place, path, us)
    # of two that found none at once, the last to write it has it
    time.sleep(BEAT_SECONDS / 5)
    found = _read_lease(place, path)
    if found.get("token") != us["token"]:
        raise _refusal(place, found)
    done = threading.Event()
    renewing = threading.Thread(target=_renew, args=(place, path, us, done), daemon=True)
    renewing.start()
    try:
        yield
    finally:
        done.set()
        renewing.join()
        # out of reach, it ends by itself; what went wrong in the meantime matters more
        with contextlib.suppress(Exception):
            if _read_lease(place, path).get("token") == us["token"]:
                place.files.rm(path)


def _wait_for_silence(place: Place, path: str) -> None:
    """Return once there is no lease, or one that is no longer renewed."""
    seen = _read_lease(place, path)
    if not seen:
        return
    # its own count tells whether it is renewed: two machines' clocks may differ
    for _ in range(_SILENT_BEATS):
        time.sleep(BEAT_SECONDS)
        now = _read_lease(place, path)
        if not now:
            return
        if now != seen:
            raise _refusal(place, now)


def _renew(place: Place, path: str, us: dict[str, Any], done: threading.Event) -> None:
    beat = 0
    while not done.wait(BEAT_SECONDS):
        beat += 1
        # a server out of reach for a while is no reason to stop: the next beat may come through
        with contextlib.suppress(Exception):
            _write_lease(place, path, us | {"beat": beat})


def _write_lease(place: Place, path: str, content: dict[str, Any]) -> None:
    place.files.pipe_file(path, json.dumps(content).encode())


def _read_lease(place: Place, path: str) -> dict[str, Any]:
    place.files.invalidate_cache()
    try:
        content = json.loads(place.files.cat_file(path))
    except FileNotFoundError:
        return {}
    return content if isinstance(content, dict) else {}


def _ourselves() -> dict[str, Any]:
    return {
        "token": uuid.uuid4().hex,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since_utc": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _refusal(place: Place, holder: dict[str, Any]) -> InputError:
    who = (
        f"process {holder.get('process')} on {holder.get('host')}, since {holder.get('since_utc')}"
        if holder
        else "another process"
    )
    return InputError(f"the DTW matrix at {place} is being written by {who}; wait for it, or give another dtw_path")
