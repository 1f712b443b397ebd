"""The page of entry points: it is what is made of the scripts as they are, and says of each parameter what it is."""

import click
import pytest
import yaml

from loadprofiles import entry_points
from loadprofiles.entry_points import PAGE, ROOT, command_of, page, scripts

OPTIONS = """
import click

@click.command(help="Do what is asked. <b>\\n\\nAnd more.")
@click.option("--model", type=click.Choice(["a", "b"]), default="a", help="The model.")
@click.option("--state", type=click.Choice(["new", "old"]), help="Either new | old.")
@click.option("--out", default="", help="Where <name> goes.")
@click.option("--quick", is_flag=True, help="Now.")
def main(**params):
    raise AssertionError("it is not to run")
"""


def test_the_committed_page_is_what_is_made_now():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make docs`"


def test_every_entry_point_and_every_script_has_a_section():
    declared = yaml.safe_load((ROOT / "MLproject").read_text())["entry_points"]
    assert list(scripts())[: len(declared)] == list(declared)
    assert set(scripts().values()) == {path.stem for path in ROOT.glob("*.py")}
    made = page()
    assert all(f"\n## {name}\n" in made for name in scripts())


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Another project, of one script."""
    (tmp_path / "MLproject").write_text("entry_points:\n  main:\n    command: python run.py --model {model}\n")
    (tmp_path / "run.py").write_text(OPTIONS)
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(entry_points, "ROOT", tmp_path)
    monkeypatch.setattr(entry_points, "PAGE", tmp_path / "docs" / "page.md")
    return tmp_path


def test_a_script_is_looked_at_and_not_run(project):
    assert isinstance(command_of("run"), click.Command)


def test_parameters_have_their_default_help_and_choices(project):
    rows = page().partition("| parameter |")[2].splitlines()[2:]
    assert rows == [
        "| `model` | `a` | The model. One of `a`, `b`. |",
        "| `state` | empty | Either new \\| old. |",
        "| `out` | empty | Where \\<name> goes. |",
        "| `quick` | `false` | Now. |",
    ]


def test_it_is_told_how_each_is_called(project):
    (project / "serve.py").write_text(OPTIONS)
    assert "`python run.py`, or `mlflow run .`\n" in page()
    assert "`python serve.py`; it is no entry point of MLproject\n" in page()


def test_the_first_sentences_are_listed_at_the_head(project):
    assert "| [`main`](#main) | Do what is asked. \\<b> |" in page()
    assert "Do what is asked. \\<b> And more." in page()


def test_the_command_writes_the_page(project):
    entry_points.main.main(standalone_mode=False, args=[])
    assert (project / "docs" / "page.md").read_text() == page()
