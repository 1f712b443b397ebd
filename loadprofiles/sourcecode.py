"""Which modules of ours a script runs on: to tell code that has changed, and to ship them with a model."""

import shutil
from functools import cache
from modulefinder import ModuleFinder
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@cache
def own_modules(script: Path) -> tuple[Path, ...]:
    """The script, and the modules of ours that it imports, directly or not."""
    finder = ModuleFinder(path=[str(ROOT)])
    finder.run_script(str(script))
    return tuple(
        sorted(Path(file) for module in finder.modules.values() if (file := getattr(module, "__file__", None)))
    )


def copy_modules(script: Path, folder: Path) -> Path:
    """Copy what a script imports of this package into a new folder; return the package in it."""
    for module in own_modules(script):
        if module == script:
            continue
        copy = folder / module.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module, copy)
    return folder / Path(__file__).parent.name
