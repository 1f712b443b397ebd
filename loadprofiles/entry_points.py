"""The page of all entry points with their parameters, made from MLproject and the scripts' own options.

python -m loadprofiles.entry_points
"""

import runpy
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import click
import yaml  # type: ignore[import-untyped]

from loadprofiles.sourcecode import ROOT
from loadprofiles.tables import atomic_path

PAGE: Final = ROOT / "docs" / "entry_points.md"

_HEAD: Final = """\
# Entry points and their parameters

Made by `make docs` from MLproject and the scripts' own options; do not edit.

`mlflow run . -e clustering -P model=som` and `python clustering.py --model som` are the same call, with the same
names, defaults and checks. Booleans are `true 1 t y yes yeah on` or their opposites, in any case. A file or folder to
read may be a path, a URL ([sources.md](sources.md#files-on-other-machines)), or an artifact: `runs:/<run id>/…`. Table
files are `.csv` or `.parquet` by their suffix. What belongs into the environment, such as passwords, is in
[operations.md](operations.md#the-environment).
"""


@cache
def entry_points(project: Path) -> dict[str, str]:
    """The script of each entry point of an MLproject file, without `.py`."""
    declared = yaml.safe_load(project.read_text(encoding="utf-8"))["entry_points"]
    return {name: Path(shlex.split(entry["command"])[1]).stem for name, entry in declared.items()}


def scripts() -> dict[str, str]:
    """The script of each entry point, in the order of MLproject; then the scripts that are none, by their own names."""
    declared = entry_points(ROOT / "MLproject")
    others = sorted({path.stem for path in ROOT.glob("*.py")} - set(declared.values()))
    return declared | {script: script for script in others}


def command_of(script: str) -> click.Command:
    """The click command of a top-level script, which is loaded by its path and not run."""
    command: click.Command = runpy.run_path(str(ROOT / f"{script}.py"))["main"]
    return command


def page() -> str:
    """The page as Markdown: a table of all entry points, then a section with a table of parameters for each."""
    commands = {name: command_of(script) for name, script in scripts().items()}
    overview = [f"| [`{name}`](#{name}) | {_first_sentence(command)} |" for name, command in commands.items()]
    parts = ["\n".join([_HEAD, "| entry point | what it does |", "|---|---|", *overview])]
    parts += ["\n".join(_section(name, script, commands[name])) for name, script in scripts().items()]
    return "\n\n".join(parts) + "\n"


def _first_sentence(command: click.Command) -> str:
    return _text((command.help or "").partition("\n\n")[0])


def _section(name: str, script: str, command: click.Command) -> Iterator[str]:
    yield f"## {name}"
    yield _text(command.help or "")
    yield ""
    yield f"`python {script}.py`{_by_mlflow(name)}"
    yield ""
    yield "| parameter | default | meaning |"
    yield "|---|---|---|"
    for option in command.params:
        told = option.to_info_dict()
        yield f"| `{option.name}` | {_default(told['default'])} | {_meaning(told)} |"


def _by_mlflow(name: str) -> str:
    if name not in entry_points(ROOT / "MLproject"):
        return "; it is no entry point of MLproject"
    return ", or `mlflow run .`" if name == "main" else f", or `mlflow run . -e {name}`"


def _default(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str("" if value is None else value)
    return f"`{text}`" if text else "empty"


def _meaning(told: dict[str, Any]) -> str:
    """The help of an option, and its choices where the help does not name them."""
    help_text = str(told.get("help") or "")
    choices = [str(choice) for choice in told["type"].get("choices", ())]
    is_told = all(choice in help_text for choice in choices)
    possible = "" if is_told else f" One of {', '.join(f'`{choice}`' for choice in choices)}."
    return _text(help_text + possible)


def _text(words: str) -> str:
    """Words as one line of a table: what Markdown would take for a cell's end or for HTML stays as it is."""
    return " ".join(words.split()).replace("|", "\\|").replace("<", "\\<")


@click.command(help=__doc__)
def main() -> None:
    """Write the page."""
    with atomic_path(PAGE) as temporary:
        temporary.write_text(page(), encoding="utf-8")
    click.echo(f"written: {PAGE}")


if __name__ == "__main__":
    main()
