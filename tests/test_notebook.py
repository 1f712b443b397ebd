"""The notebook: what is kept of its outputs, and that it runs on whatever a run has left."""

import getpass
import json
import re
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from loadprofiles import results as results_module
from loadprofiles.results import Results, open_results
from tests.notebook import METADATA, NOTEBOOK, execute, outputs_of
from tests.project import ROOT

MOST_BYTES = 200_000
SECTIONS = [
    "Data quality", "Choice of k", "Representatives", "Who is where", "When", "Stability", "Comparison of runs",
    "DTW against Euclidean distance", "Forecasts", "Alerts",
]  # fmt: skip


@pytest.fixture(scope="module")
def kept():
    return nbformat.read(NOTEBOOK, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


class TestWhatIsKept:
    def test_is_a_valid_notebook_that_is_small_and_says_nothing_of_where_it_ran(self, kept):
        nbformat.validate(kept)
        assert NOTEBOOK.stat().st_size < MOST_BYTES
        assert kept.metadata == METADATA
        assert [cell.metadata for cell in kept.cells] == [{}] * len(kept.cells)

    def test_every_cell_was_executed_in_order_and_none_failed(self, kept):
        cells = code_cells(kept)
        assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
        shown = outputs_of(kept)
        assert {output.output_type for output in shown} == {"execute_result", "stream"}
        assert {output.name for output in shown if output.output_type == "stream"} == {"stdout"}

    def test_has_all_sections_and_a_picture_or_table_in_each(self, kept):
        headings = [re.match("## (.*)", cell.source) for cell in kept.cells]
        starts = [place for place, heading in enumerate(headings) if heading]
        assert [headings[place][1] for place in starts] == SECTIONS
        for start, end in zip(starts, [*starts[1:], None], strict=True):
            kinds = {
                kind for cell in kept.cells[start:end] for o in cell.get("outputs", []) for kind in o.get("data", {})
            }
            assert kinds & {"image/png", "text/html"}, headings[start][1]

    def test_tells_no_path_of_a_machine_and_no_name_of_a_user(self, kept):
        shown = [shown.get("data", {}) | {"text": shown.get("text", "")} for shown in outputs_of(kept)]
        said = json.dumps([{kind: text for kind, text in one.items() if kind != "image/png"} for one in shown])
        folders = {str(ROOT), str(Path.home()), sys.prefix, "/home/", "/Users/", "/tmp/", "/root", "C:\\"}
        assert [folder for folder in folders if folder in said] == []
        assert re.search(rf"\b{re.escape(getpass.getuser())}\b", said) is None

    def test_holds_no_logic(self, kept):
        assert not [
            cell.source for cell in code_cells(kept) if re.search(r"^\s*(def|class|for|while)\b", cell.source, re.M)
        ]


def test_runs_from_top_to_bottom_after_a_chain(sample_results):
    executed = execute(sample_results)
    assert len(outputs_of(executed)) >= len(SECTIONS)
    assert {output.output_type for output in outputs_of(executed)} == {"execute_result", "stream"}
    assert {output.name for output in outputs_of(executed) if output.output_type == "stream"} == {"stdout"}


def test_a_run_without_forecasts_and_alerts_says_so(kept, sample_results, monkeypatch, capsys):
    monkeypatch.chdir(sample_results.folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{sample_results.folder / 'mlflow.db'}")
    run = open_results()
    run.__dict__["forecast_errors"] = pd.DataFrame(columns=list(run.forecast_errors.columns))
    run.__dict__["forecast_comparison"] = pd.DataFrame({"model": []})
    monkeypatch.setattr(Results, "alert_store", lambda _self: None)
    monkeypatch.setattr(results_module, "open_results", lambda _run_id: run)
    scope = {}
    cells = {cell.id: cell.source for cell in code_cells(kept)}
    with pd.option_context("display.precision", 6):
        for name in ("parameters", "run", "main", "models", "forecasts", "alerts"):
            exec(compile(cells[name], name, "exec"), scope)
    assert "This run has no forecasts that were checked." in capsys.readouterr().out
    assert scope["store"] is None
