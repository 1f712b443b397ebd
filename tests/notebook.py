"""Executing results.ipynb, and writing it with nothing but its cells and what they show.

`python -m tests.notebook FOLDER` brings the outputs in the notebook up to date: from the latest run in FOLDER, a copy
of the project in which the chain has run on the samples.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.project import ROOT, Project, clean_environment

NOTEBOOK = ROOT / "results.ipynb"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WARNINGS = "error,ignore::PendingDeprecationWarning:ipykernel.kernelbase"
"""Warnings are errors, but for what the kernel says to itself when it ends."""


def execute(project: Project) -> nbformat.NotebookNode:
    """The notebook, executed in a project's folder; a cell that fails raises CellExecutionError."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    environment = {name: value for name, value in clean_environment().items() if name != "PYTHONPATH"}
    client = NotebookClient(
        notebook, timeout=120, kernel_name="python3", record_timing=False,
        resources={"metadata": {"path": str(project.folder)}},
    )  # fmt: skip
    client.execute(env=environment | {"PYTHONWARNINGS": WARNINGS})
    notebook.metadata = nbformat.from_dict(METADATA)
    for output in outputs_of(notebook):
        _shorten(output.get("data", {}))
    return notebook


def _shorten(shown: dict[str, str]) -> None:
    """Leave out what a browser does not show of a table: that it is there as text, too, and blanks before its cells."""
    if "text/html" in shown:
        shown.pop("text/plain", None)
        shown["text/html"] = "\n".join(line.strip() for line in shown["text/html"].splitlines())


def outputs_of(notebook: nbformat.NotebookNode, first: int = 0, end: int | None = None) -> list[nbformat.NotebookNode]:
    """What the cells show, all or some of them."""
    return [output for cell in notebook.cells[first:end] for output in cell.get("outputs", [])]


if __name__ == "__main__":
    os.chdir(ROOT)
    nbformat.write(execute(Project(Path(sys.argv[1]))), NOTEBOOK)
