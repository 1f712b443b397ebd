"""Reading and writing of table files: the suffix chooses the format, nothing is ever half-written."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from loadprofiles.choices import TABLE_SUFFIXES
from loadprofiles.errors import InputError, ParameterError

_ROWS_A_GROUP = 65_536
"""Of a Parquet file: who asks for one meter's rows of a table that is sorted by meter reads few of them."""


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it if the block ends well, and is removed if not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def check_suffix(path: Path) -> None:
    """Raise ParameterError unless `path` ends in one of TABLE_SUFFIXES."""
    if path.suffix.lower() not in TABLE_SUFFIXES:
        raise ParameterError(f"{path}: a table file ends in {' or '.join(TABLE_SUFFIXES)}")


def write_table(table: pd.DataFrame, path: Path) -> Path:
    """Write `table` without its index to a `.csv` or `.parquet` file, whole or not at all."""
    check_suffix(path)
    with atomic_path(path) as temporary:
        if path.suffix.lower() == ".csv":
            table.to_csv(temporary, index=False, lineterminator="\n")
        else:
            table.to_parquet(temporary, index=False, row_group_size=_ROWS_A_GROUP)
    return path


def read_table(path: Path, text_columns: tuple[str, ...] = ()) -> pd.DataFrame:
    """Read a `.csv` or `.parquet` file; `text_columns` stay text whatever they look like.

    Raises:
        InputError: The file is missing or cannot be read as a table.
    """
    check_suffix(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        if path.suffix.lower() == ".csv":
            return pd.read_csv(path, dtype=dict.fromkeys(text_columns, "str"))
        return pd.read_parquet(path)
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: cannot be read as a table: {first_line(error)}") from error


def require_columns(table: pd.DataFrame, columns: tuple[str, ...], path: Path) -> None:
    """Raise InputError naming the columns of `columns` that `table`, read from `path`, does not have."""
    missing = [column for column in columns if column not in table.columns]
    if missing:
        found = ", ".join(map(str, table.columns[:12]))
        raise InputError(f"{path}: column {', '.join(map(repr, missing))} is missing; found: {found}")


def validate(table: pd.DataFrame, schema: pa.DataFrameSchema, what: str) -> pd.DataFrame:
    """Return `table` as `schema` wants it.

    Raises:
        InputError: It breaks the schema; the first failure is told, with `what` before it.
    """
    try:
        return schema.validate(table, lazy=True)
    except pa.errors.SchemaErrors as error:
        failures = error.failure_cases
        first = failures.iloc[0]
        column = "" if pd.isna(first["column"]) else f"column {first['column']}, "
        row = "" if pd.isna(first["index"]) else f" in row {int(first['index']) + 1}"
        more = f" and {len(failures) - 1} more failures" if len(failures) > 1 else ""
        raise InputError(f"{what}: {column}{first['check']}: {first['failure_case']!r}{row}{more}") from error


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where there is none."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def content_digest(*paths: Path) -> str:
    """SHA-256 over names and contents of files and, recursively, of folders; order and dates do not count."""
    digest = hashlib.sha256()
    for root in paths:
        files = sorted(p for p in root.rglob("*") if p.is_file()) if root.is_dir() else [root]
        for file in files:
            name = file.relative_to(root) if root.is_dir() else file.name
            digest.update(f"{name}\0".encode())
            with file.open("rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()
