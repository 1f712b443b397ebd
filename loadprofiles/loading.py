"""`load_newmongo`: the documents of the new MongoDB into one table, from the database or an export.

A load of the live database takes up where an earlier one ended: it asks for what may be news since then and
merges it into the earlier table. Beside the table stands `<table>.source.json`, which says what it was
loaded from, so that two collections are never mixed.
"""

import json
import os
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from loadprofiles import step as artifacts
from loadprofiles.errors import InputError, ParameterError
from loadprofiles.sources.documents import NET_ENERGY, ExportCounts, last_days, listed, read_earlier, write_export
from loadprofiles.sources.mongo_live import (
    Document,
    changed_since,
    first_day,
    iter_documents,
    server_name,
    stray_fields,
)
from loadprofiles.sources.newmongo import read_export
from loadprofiles.step import StepInput, StepResult
from loadprofiles.tables import atomic_path, content_digest

URI_VARIABLE = "MONGO_URI"
CORRECTION_DAYS = 35
_SAME = ("database", "collection", "energy_type")
_NO_LIVE_SOURCE: dict[str, str] = {}


def live_uri() -> str | None:
    """The live database's URI, from the environment only."""
    return os.environ.get(URI_VARIABLE) or None


def load_newmongo(
    newmongo_folder: Path,
    mongo_database: str,
    mongo_collection: str,
    correction_days: int | None = CORRECTION_DAYS,
    previous_csv: Path | None = None,
    *,
    out_csv: Path,
    workspace: Path,
) -> StepResult:
    """Write the documents to `out_csv`: from the live MongoDB when MONGO_URI is set, else from the folder.

    The folder is always read whole. Of the live database what may be news to the earlier load is read, as
    `mongo_live.changed_since` says, and merged by id, date and energy type: the document counts more than
    the earlier row, and a row of which the database no longer has a document stays.

    Args:
        newmongo_folder: Export folder.
        mongo_database: Database of the live collection.
        mongo_collection: The live collection.
        correction_days: How many days back a document may still be corrected; None reads everything and
            merges it with nothing.
        previous_csv: The table of an earlier load of the same collection; None takes `out_csv` if it exists.
        out_csv: Where to write; `.csv` or `.parquet`.
        workspace: Unused; each step has one.

    Raises:
        ParameterError: `correction_days` is negative.
        InputError: The database or the folder cannot be read, or the earlier table is damaged or of another
            collection.
        EmptyResultError: There is no document.
    """
    if correction_days is not None and correction_days < 0:
        raise ParameterError(f"correction_days must be at least 0 or empty, got {correction_days}")
    uri = live_uri()
    if uri:
        source = _Source(uri, mongo_database, mongo_collection)
        return _load_live(source, correction_days, previous_csv, out_csv)
    if out_csv.exists():
        # before the table too: an interruption must not leave the export's table under the name of a collection
        _write_note(out_csv, _NO_LIVE_SOURCE)
    counts = write_export(read_export(newmongo_folder), out_csv)
    _write_note(out_csv, _NO_LIVE_SOURCE)
    given = StepInput("newmongo", newmongo_folder, content_digest(newmongo_folder))
    unused = [f"{previous_csv} is not used: an export is read whole"] if previous_csv else []
    return _result(counts, str(newmongo_folder), out_csv, [given], unused)


@dataclass(frozen=True)
class _Source:
    """A live collection; the URI, which may hold a password, goes nowhere else."""

    uri: str
    database: str
    collection: str

    def __repr__(self) -> str:
        return f"{self.database}.{self.collection}"

    def note(self) -> dict[str, str]:
        return {
            "database": self.database,
            "collection": self.collection,
            "energy_type": NET_ENERGY,
            "server": server_name(self.uri),
            "loaded_on": datetime.now(UTC).date().isoformat(),
        }


@dataclass(frozen=True)
class _Earlier:
    """An earlier load's table, or why there is none; `path` is empty then too."""

    table: pa.Table | None
    notes: list[str]
    path: Path | None = None
    loaded_on: date | None = None


def _load_live(source: _Source, correction_days: int | None, previous_csv: Path | None, out_csv: Path) -> StepResult:
    if correction_days is None:
        earlier = _Earlier(None, ["everything is read: correction_days is empty"])
    else:
        earlier = _earlier_load(source, previous_csv, out_csv)
    where, told = _news(earlier, correction_days or 0)
    given = [] if earlier.path is None else [StepInput("earlier_load", earlier.path, content_digest(earlier.path))]
    strays = stray_fields(source.uri, source.database, source.collection)
    documents = iter_documents(source.uri, source.database, source.collection, where=where, without=strays)
    _forget_other_source(out_csv, source)
    counts = write_export(documents, out_csv, earlier.table)
    _write_note(out_csv, source.note())
    left = [f"{len(strays)} stray fields left on the server: {listed(strays)}"] if strays else []
    result = _result(counts, f"the live collection {source}", out_csv, given, [*earlier.notes, *told, *left])
    result.metrics["stray_fields"] += len(strays)
    return result


def _earlier_load(source: _Source, previous_csv: Path | None, out_csv: Path) -> _Earlier:
    """The table to merge into, if there is one and it is of this collection."""
    path = previous_csv or (out_csv if out_csv.is_file() else None)
    if path is None:
        return _Earlier(None, ["everything is read: there is no earlier load"])
    notes = []
    of = _read_note(path)
    if of == _NO_LIVE_SOURCE:
        return _Earlier(None, [f"everything is read: {path} was not loaded from a live collection"])
    if of is None and previous_csv is None:
        notes = [f"{path} is taken for an earlier load of {source}: {_note_path(path).name} is not there to tell"]
    elif of is not None and any(of.get(name) != source.note()[name] for name in _SAME):
        raise InputError(
            f"{path} was loaded from {of.get('database')}.{of.get('collection')} ({of.get('energy_type')}), not from "
            f"{source}: choose another out_csv, delete it, or leave correction_days empty to replace it"
        )
    elif of is not None and of.get("server") != source.note()["server"]:
        notes = [f"{path} was loaded from the server {of.get('server')}, now it is {source.note()['server']}"]
    table = read_earlier(path)
    if not table.num_rows:
        return _Earlier(None, [f"everything is read: {path} has no rows"], path)
    return _Earlier(table, notes, path, _day(of.get("loaded_on") if of else None))


def _news(earlier: _Earlier, correction_days: int) -> tuple[Document | None, list[str]]:
    """Which documents to ask for, None for all, and what to tell about it."""
    if earlier.table is None:
        return None, []
    made = earlier.loaded_on or datetime.now(UTC).date()
    # a day more: local days may be ahead of UTC
    lasts = last_days(earlier.table, made + timedelta(days=1))
    if not lasts:
        return None, ["everything is read: the earlier load tells the last day of no meter"]
    where = changed_since(lasts, correction_days)
    if where is None:
        return None, [f"everything is read: {len(lasts)} meters are too many to name in a query"]
    latest = max(lasts.values())
    late = sum(last < latest for last in lasts.values())
    behind = f", {late} meters that end earlier from {correction_days} days before their own last" if late else ""
    return where, [
        f"read from {first_day(latest, correction_days)} on, {correction_days} days before the last of the earlier "
        f"load{behind}; meters that it does not have, and days that are no dates, whole"
    ]


def _result(counts: ExportCounts, where: str, out_csv: Path, given: list[StepInput], notes: list[str]) -> StepResult:
    return StepResult(
        outputs={artifacts.DATASET: out_csv},
        inputs=given,
        metrics={
            "documents": counts.documents,
            "documents_written": counts.written,
            "documents_kept": counts.kept,
            "documents_new": counts.new,
            "documents_replaced": counts.replaced,
            "documents_superseded": counts.duplicates,
            "documents_without_key": counts.without_key,
            "stray_fields": counts.stray_fields,
            "unreadable_values": counts.unreadable_values,
        },
        tags={"loaded_from": where},
        notes=[f"{counts.documents} documents from {where}, {counts.written} written", *notes, *counts.notes()],
    )


def _note_path(table: Path) -> Path:
    return table.with_name(f"{table.name}.source.json")


def _write_note(table: Path, of: dict[str, str]) -> None:
    try:
        with atomic_path(_note_path(table)) as temporary:
            temporary.write_text(json.dumps(of, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot write {_note_path(table)} ({error.strerror}): choose another out_csv") from None


def _read_note(table: Path) -> dict[str, Any] | None:
    """What the table was loaded from, nothing if not from a live collection, None if nobody says."""
    path = _note_path(table)
    if not path.is_file():
        return None
    try:
        of = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError):
        of = None
    if not isinstance(of, dict):
        raise InputError(f"{path} is damaged: delete it, and {table.name} too unless you know what it was loaded from")
    return of


def _forget_other_source(out_csv: Path, source: _Source) -> None:
    """Take away the note of another source before its table is replaced: a wrong one would be worse than none."""
    try:
        of = _read_note(out_csv)
    except InputError:
        of = _NO_LIVE_SOURCE
    if of is not None and any(of.get(name) != source.note()[name] for name in _SAME):
        _write_note(out_csv, _NO_LIVE_SOURCE)


def _day(text: Any) -> date | None:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        return None
