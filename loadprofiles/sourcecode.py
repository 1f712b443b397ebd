"""Which modules of ours a script runs on: to tell code that has changed, and to ship them with a model."""

import ast
import shutil
from collections.abc import Iterator
from functools import cache
from importlib.util import resolve_name
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def own_modules(script: Path) -> tuple[Path, ...]:
    """The script, and the modules of ours that it imports, directly or not, with the packages that these are in.

    Raises:
        SyntaxError: One of them is no Python.
    """
    found: set[Path] = set()
    ahead = {script}
    while ahead:
        found |= ahead
        ahead = {module for file in ahead for module in _imports(file)} - found
    return tuple(sorted(found))


@cache
def _imports(file: Path) -> frozenset[Path]:
    """The modules of ours that a file imports itself, wherever in it."""
    package = ".".join(file.parent.relative_to(ROOT).parts) if file.is_relative_to(ROOT) else ""
    return frozenset(module for name in _names(ast.parse(file.read_bytes()), package) for module in _modules(name))


def _names(code: ast.AST, package: str) -> Iterator[str]:
    """What code imports by its full name; of what it takes from a module, which may be a module too, both."""
    for node in _statements(code):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = resolve_name("." * node.level + (node.module or ""), package)
            yield from (module, *(f"{module}.{alias.name}" for alias in node.names))


def _statements(code: ast.AST) -> Iterator[ast.AST]:
    # an import is no part of an expression, and these are most of a file
    for node in ast.iter_child_nodes(code):
        if isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
            yield node
            yield from _statements(node)


def _modules(name: str) -> Iterator[Path]:
    """The file of a module of ours, and those of the packages around it."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        place = ROOT.joinpath(*parts[:end])
        yield from filter(Path.is_file, (place.with_suffix(".py"), place / "__init__.py"))


def copy_modules(script: Path, folder: Path) -> Path:
    """Copy what a script imports of this package into a new folder; return the package in it."""
    for module in own_modules(script):
        if module == script:
            continue
        copy = folder / module.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module, copy)
    return folder / Path(__file__).parent.name
