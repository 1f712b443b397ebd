"""Where a DTW matrix lies: a folder of this machine, or one of an object store that fsspec has a driver for."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fsspec.implementations.local import LocalFileSystem

from loadprofiles.errors import InputError, LoadProfilesError
from loadprofiles.step import is_remote
from loadprofiles.tables import first_line

_REACH = "check the address, your rights and the connection"


class Place:
    """A folder that is written and read where it is.

    Attributes:
        location: The path or URL it was given by.
        files: The file system of fsspec.
        root: The folder's path in it.
        is_local: Whether that is a folder of this machine.
    """

    def __init__(self, location: str | Path) -> None:
        """Open the file system; nothing is read yet.

        Raises:
            InputError: The driver of the URL is unknown or not installed.
        """
        scheme, separator, rest = str(location).partition("://")
        self.location = f"{scheme.lower()}://{rest}" if separator else str(location)
        self.files: Any = LocalFileSystem()
        if is_remote(self.location):
            # asyncio and a web client: only where there is a URL
            from loadprofiles.sources.remote import open_filesystem

            self.files, self.root = open_filesystem(self.location)
        else:
            # a link to a folder keeps being one: what is below it is written to its target
            self.root = str(Path(self.location).resolve())
        self.root = self.root.rstrip("/")
        self.is_local = isinstance(self.files, LocalFileSystem)

    def __truediv__(self, name: str) -> "Place":
        return Place(f"{self.location.rstrip('/')}/{name}")

    def __str__(self) -> str:
        return self.location

    @property
    def address(self) -> str:
        """What other processes find it by, whatever folder they run in."""
        return self.root if self.is_local else self.location

    def store(self) -> Any:
        """A zarr store of this folder."""
        from zarr.storage import FsspecStore, LocalStore

        return LocalStore(self.root) if self.is_local else FsspecStore.from_url(self.location)

    def sizes(self, below: str = "") -> dict[str, int]:
        """The size in bytes of each file below a folder, by its path from there; nothing where there is no folder."""
        folder = f"{self.root}/{below}".rstrip("/")
        self.files.invalidate_cache()
        with contextlib.suppress(FileNotFoundError):
            found = self.files.find(folder, detail=True)
            return {path.removeprefix(folder).lstrip("/"): info["size"] for path, info in found.items()}
        return {}

    def folders(self) -> list[str]:
        """The names of the folders in it, sorted."""
        self.files.invalidate_cache()
        with contextlib.suppress(FileNotFoundError):
            entries = self.files.ls(self.root, detail=True)
            return sorted(
                entry["name"].rstrip("/").rpartition("/")[2] for entry in entries if entry["type"] == "directory"
            )
        return []

    def remove(self, name: str) -> None:
        """Remove a file or folder in it, with all below."""
        self.files.rm(f"{self.root}/{name}", recursive=True)

    def sync(self, name: str) -> None:
        """Have the disk keep a file, or a folder and all in it; object stores have kept it before they answer."""
        if not self.is_local:
            return
        top = Path(self.root) / name
        for path in (*top.rglob("*"), top, top.parent):
            _sync(path)

    @contextlib.contextmanager
    def failures(self, what: str, advice: str, out_of_reach: str = _REACH) -> Iterator[None]:
        """Tell what went wrong with files or servers in one line.

        Args:
            what: What cannot be done, as in "the DTW matrix cannot be written".
            advice: What to do about it.
            out_of_reach: What to do where rights or the connection are the trouble.

        Raises:
            InputError: In place of what a driver raised.
        """
        damage = (ValueError, RuntimeError, KeyError, TypeError, AttributeError, FileNotFoundError)
        # drivers of object stores raise whatever they like
        kinds = (*damage, OSError) if self.is_local else (Exception,)
        try:
            yield
        except LoadProfilesError:
            raise
        except kinds as error:
            unreachable = isinstance(error, PermissionError) or not (self.is_local or isinstance(error, damage))
            raise InputError(f"{what} ({first_line(error)}); {out_of_reach if unreachable else advice}") from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
