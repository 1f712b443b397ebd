import subprocess
import sys
from modulefinder import ModuleFinder

import pytest

from loadprofiles import sourcecode
from loadprofiles.sourcecode import ROOT, copy_modules, own_modules

SERVED = ROOT / "loadprofiles" / "serving" / "clusters.py"


def relative(script):
    return {path.relative_to(ROOT).as_posix() for path in own_modules(script)}


def test_a_scripts_modules_are_those_it_imports_directly_or_not():
    found = relative(ROOT / "etl_sql.py")
    assert {"etl_sql.py", "loadprofiles/cli.py", "loadprofiles/sources/sql.py", "loadprofiles/vee.py"} <= found
    assert "loadprofiles/clustering/step.py" not in found
    assert not [path for path in found if path.startswith("tests/")]


def test_a_served_model_runs_on_few_modules():
    found = relative(SERVED)
    assert {"loadprofiles/representatives.py", "loadprofiles/normalisation.py"} <= found
    assert (
        not {"loadprofiles/tracking.py", "loadprofiles/clustering/models.py", "loadprofiles/plots/__init__.py"} & found
    )


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A project of one script and a package of three modules, of which two are imported."""
    monkeypatch.setattr(sourcecode, "ROOT", tmp_path)
    folder = tmp_path / "loadprofiles"
    (folder / "inner").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    (folder / "inner" / "__init__.py").write_text("")
    (folder / "inner" / "a.py").write_text("from loadprofiles.b import word\n")
    (folder / "b.py").write_text("import json\nword = json.dumps('hello')\n")
    (folder / "c.py").write_text("")
    (tmp_path / "script.py").write_text("def late():\n    from loadprofiles.inner.a import word\n    return word\n")
    return tmp_path


@pytest.mark.parametrize("script", [ROOT / "pipeline.py", ROOT / "etl_sql.py", SERVED], ids=lambda script: script.stem)
def test_they_are_those_that_pythons_module_finder_finds(script):
    finder = ModuleFinder(path=[str(ROOT)])
    finder.run_script(str(script))
    assert {str(path) for path in own_modules(script)} == {m.__file__ for m in finder.modules.values() if m.__file__}


def test_imports_relative_to_a_package_and_of_a_module_from_its_package_count(package):
    (package / "loadprofiles" / "inner" / "a.py").write_text(
        "if True:\n    from ..b import word\n    from .. import c\n"
    )
    found = {path.relative_to(package).as_posix() for path in own_modules(package / "script.py")}
    assert {"loadprofiles/b.py", "loadprofiles/c.py"} <= found


def test_imports_inside_functions_count_and_the_standard_library_does_not(package):
    found = {path.relative_to(package).as_posix() for path in own_modules(package / "script.py")}
    assert found == {
        "script.py", "loadprofiles/__init__.py", "loadprofiles/b.py", "loadprofiles/inner/__init__.py",
        "loadprofiles/inner/a.py",
    }  # fmt: skip


def test_a_copy_holds_the_package_without_the_script_and_runs_elsewhere(package, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    copied = copy_modules(package / "script.py", elsewhere)
    assert copied == elsewhere / "loadprofiles"
    files = {path.relative_to(elsewhere).as_posix() for path in elsewhere.rglob("*.py")}
    assert files == {
        "loadprofiles/__init__.py", "loadprofiles/b.py", "loadprofiles/inner/__init__.py", "loadprofiles/inner/a.py",
    }  # fmt: skip
    code = f"import sys; sys.path.insert(0, {str(elsewhere)!r}); from loadprofiles.inner.a import word; print(word)"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == '"hello"\n'
