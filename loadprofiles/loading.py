"""`load_newmongo`: the documents of the new MongoDB into one table, from the database or an export."""

import os
from pathlib import Path

from loadprofiles import step as artifacts
from loadprofiles.sources.documents import write_export
from loadprofiles.sources.mongo_live import iter_documents
from loadprofiles.sources.newmongo import read_export
from loadprofiles.step import StepInput, StepResult
from loadprofiles.tables import content_digest

URI_VARIABLE = "MONGO_URI"


def live_uri() -> str | None:
    """The live database's URI, from the environment only."""
    return os.environ.get(URI_VARIABLE) or None


def load_newmongo(
    newmongo_folder: Path, mongo_database: str, mongo_collection: str, out_csv: Path, workspace: Path
) -> StepResult:
    """Write the documents to `out_csv`: from the live MongoDB when MONGO_URI is set, else from the folder.

    Raises:
        InputError: The database or the folder cannot be read.
        EmptyResultError: It holds no document.
    """
    uri = live_uri()
    if uri:
        counts = write_export(iter_documents(uri, mongo_database, mongo_collection), out_csv)
        where = f"the live collection {mongo_database}.{mongo_collection}"
        read = []
    else:
        counts = write_export(read_export(newmongo_folder), out_csv)
        where = str(newmongo_folder)
        read = [StepInput("newmongo", newmongo_folder, content_digest(newmongo_folder))]
    return StepResult(
        outputs={artifacts.DATASET: out_csv},
        inputs=read,
        metrics={
            "documents": counts.documents,
            "documents_written": counts.written,
            "documents_superseded": counts.duplicates,
            "documents_without_key": counts.without_key,
            "stray_fields": counts.stray_fields,
            "unreadable_values": counts.unreadable_values,
        },
        tags={"loaded_from": where},
        notes=[f"{counts.documents} documents from {where}, {counts.written} written", *counts.notes()],
    )
