import importlib
from datetime import date
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import clustering
import harmonization
import pipeline
import sweep
from loadprofiles import chain, cli
from loadprofiles.choices import MODEL_METRICS, MODELS, Grid
from loadprofiles.errors import InputError
from loadprofiles.step import Url
from loadprofiles.steps import CHAIN


@pytest.mark.parametrize("text", ["true", "True", "1", "t", "Y", "yes", "yeah", "on"])
def test_spellings_of_true(text):
    assert cli.Boolean().convert(text, None, None) is True
    assert cli.Switch().convert(text, None, None) == "true"


@pytest.mark.parametrize("text", ["false", "False", "0", "n", "no", "off"])
def test_spellings_of_false(text):
    assert cli.Boolean().convert(text, None, None) is False
    assert cli.Switch().convert(text, None, None) == "false"


@pytest.mark.parametrize(
    ("command", "name", "value", "message"),
    [
        (pipeline.main, "model", "kmeens", "'kmeens' is not one of 'kmeans', 'kmedoids'"),
        (pipeline.main, "distance_metric", "manhattan", "'manhattan' is not one of 'euclidean', 'dtw'"),
        (pipeline.main, "number_of_clusters", "1", "'1' is no number of clusters; use 0"),
        (pipeline.main, "number_of_clusters", "-3", "'-3' is no number of clusters"),
        (pipeline.main, "number_of_clusters", "²", "'²' is no number of clusters"),
        (pipeline.main, "resolution", "¹⁵", "'¹⁵' does not divide a day"),
        (pipeline.main, "k_min", "1", "1 is not in the range x>=2"),
        (pipeline.main, "k_max", "2", "k_min is 3, which is more than k_max, 2"),
        (sweep.main, "k_min", "21", "k_min is 21, which is more than k_max, 20"),
        (pipeline.main, "k_rule", "elbow", "'elbow' is not one of 'silhouette', 'ranks'"),
        (pipeline.main, "seed", "-1", "-1 is not in the range 0<=x<=4294967295"),
        (pipeline.main, "linkage", "single", "'single' is not one of 'auto', 'ward', 'average', 'complete'"),
        (pipeline.main, "som_grid", "4", "'4' is no grid; write rows and columns as 4x3"),
        (pipeline.main, "som_grid", "0x3", "'0x3' is no grid"),
        (pipeline.main, "som_grid", "1x1", "'1x1' is no grid"),
        (pipeline.main, "som_grid", "4x3x2", "'4x3x2' is no grid"),
        (sweep.main, "models", "kmeans,kmeens", "'kmeens' is not one of 'kmeans', 'kmedoids'"),
        (sweep.main, "models", " , ", "is empty; give one or more names"),
        (sweep.main, "distance_metrics", "manhattan", "'manhattan' is not one of 'euclidean', 'dtw'"),
        (pipeline.main, "resolution", "50", "'50' does not divide a day of 1440 minutes; use 15, 30, 60"),
        (pipeline.main, "resolution", "0", "'0' does not divide a day"),
        (pipeline.main, "timezone", "Rome", "did you mean Europe/Rome?"),
        (pipeline.main, "timezone", "Nowhere/X9", "use an IANA name like Europe/Rome"),
        (pipeline.main, "timezone", "", "use an IANA name"),
        (pipeline.main, "compute_dtw", "perhaps", "'perhaps' is not one of auto, anew, true"),
        (pipeline.main, "ignore_previous_runs", "maybe", "'maybe' is not one of true"),
        (pipeline.main, "radius", "-1", "-1 is not in the range x>=0"),
        (pipeline.main, "sql_folder", "mongodb://ana:s3cret@host/db", "a URI with a password or token is refused"),
        (pipeline.main, "sql_folder", "https://host/a?token=s3cret", "a URI with a password or token is refused"),
        (
            pipeline.main,
            "dtw_path",
            "https://host/dtw",
            "cannot be written to; name a folder, or one of an object store",
        ),
        (pipeline.main, "dtw_path", "runs:/1/dtw", "cannot be written to; name a folder"),
        (harmonization.main, "out_csv", "https://host/h.csv", "is a URL; name a file of this machine"),
        (pipeline.main, "sql_from", "31.1.2024", "'31.1.2024' is no day; write 2024-01-31"),
        (pipeline.main, "correction_days", "-1", "'-1' is no number of days"),
        (pipeline.main, "jobs", "-1", "-1 is not in the range x>=0"),
        (pipeline.main, "dtw_path", "", "is empty; name a file or folder"),
        (clustering.main, "in_csv", "", "is empty; name a file or folder"),
        (harmonization.main, "out_csv", "none", "is empty"),
        (harmonization.main, "out_csv", "h.xls", "'h.xls': a table file ends in .csv or .parquet"),
    ],
)
def test_a_wrong_value_is_refused_with_what_is_allowed_and_without_secrets(command, name, value, message):
    result = CliRunner().invoke(command, [f"--{name}", value])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert "s3cret" not in result.output


@pytest.mark.parametrize(("given", "meant"), [("kmedioids", "kmedoids"), ("kmedoids", "kmedoids")])
def test_the_earlier_spelling_of_a_model_is_taken_with_a_notice(given, meant, capsys):
    assert cli.Spelling(("kmeans", "kmedoids")).convert(given, None, None) == meant
    assert ("'kmedioids' is taken as 'kmedoids'" in capsys.readouterr().err) == (given != meant)


@pytest.mark.parametrize("command", [pipeline.main, clustering.main])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("--model som --distance_metric dtw", "distance_metric is 'dtw'; of som it must be euclidean"),
        (
            "--model hdbscan --number_of_clusters 4",
            "number_of_clusters is 4, but hdbscan finds the number itself: leave it at 0, and set min_cluster_size for "
            "fewer or more",
        ),
        ("--som_grid 2x2", "som_grid is given, but model is kmeans; leave it empty"),
        (
            "--model som --som_grid 2x2 --number_of_clusters 5",
            "som_grid 2x2 has 4 neurons, but number_of_clusters is 5; leave one of them out",
        ),
        ("--k_max 4 --k_min 5", "k_min is 5, which is more than k_max, 4"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line_before_any_work(command, given, message):
    result = CliRunner().invoke(command, given.split())
    assert result.exit_code == 2
    assert result.output.splitlines()[-1] == f"Error: {message}"


@pytest.mark.parametrize("model", MODELS)
def test_every_model_is_taken_with_its_metrics_alone(model):
    for metric in ("euclidean", "dtw"):
        arguments = ["--model", model, "--distance_metric", metric]
        calls = []
        command = click.command()(cli.clustering(lambda calls=calls, **params: calls.append(params)))
        result = CliRunner().invoke(command, arguments)
        assert (result.exit_code == 0) == bool(calls) == (metric in MODEL_METRICS[model]), result.output


def test_names_are_taken_once_each_in_their_order_with_the_earlier_spellings(capsys):
    names = cli.Names(("kmeans", "kmedoids", "som"))
    assert names.convert("som, kmedioids,kmeans,som,", None, None) == "som,kmedoids,kmeans"
    assert "'kmedioids' is taken as 'kmedoids'" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "grid"), [("4x3", Grid(4, 3)), (" 1X7 ", Grid(1, 7)), ("", None), ("none", None)])
def test_a_grid_is_rows_and_columns_and_stays_so_through_the_chain(text, grid):
    found = cli.GridSize().convert(text, None, None)
    assert found == grid
    assert cli.GridSize().convert(chain._text(found), None, None) == grid
    assert grid is None or (found.rows * found.columns == found.size and str(found) == text.strip().lower())


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("clustering", ["--model", "som", "--som_grid", "2x2"]),
        ("forecasting", ["--forecast_model", "lstm", "--frequency", "8h", "--horizon", "48", "--holidays", "PE"]),
    ],
)
def test_the_options_of_a_step_are_those_of_the_chain(name, given):
    params = pipeline.main.make_context("pipeline", given).params
    (step,) = [step for step in CHAIN if step.name == name]
    arguments = [text for name, source in step.params.items() for text in (f"--{name}", chain._text(params[source]))]
    again = importlib.import_module(name).main.make_context(name, arguments).params
    assert {name: again[name] for name in step.params} == {name: params[source] for name, source in step.params.items()}


def test_empty_paths_leave_out_and_artifact_uris_stay_text():
    path = cli.PlainPath(optional=True)
    assert path.convert("", None, None) is None
    assert path.convert("None", None, None) is None
    assert path.convert("runs:/abc/harmonized/harmonized.csv", None, None) == "runs:/abc/harmonized/harmonized.csv"
    assert str(path.convert("sql/", None, None)) == "sql"


def test_urls_are_told_from_paths_and_from_other_text():
    assert isinstance(cli.PlainPath(optional=True).convert("https://host/a/", None, None), Url)
    assert cli.PlainPath(optional=True, in_place=True).convert("a/b", None, None) == Path("a/b")


def test_empty_days_are_none():
    assert cli.Day().convert("", None, None) is None
    assert cli.Day().convert("2024-02-29", None, None) == date(2024, 2, 29)
    assert cli.Days().convert(" ", None, None) is None
    assert cli.Days().convert("35", None, None) == 35


def test_hyphens_are_taken_in_boolean_options_as_in_the_earlier_pipeline():
    @click.command()
    @cli.boolean_option("ignore_previous_runs", "true", "")
    def command(ignore_previous_runs):
        click.echo(repr(ignore_previous_runs))

    assert CliRunner().invoke(command, ["--ignore-previous-runs", "false"]).output == "False\n"


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (InputError("x.csv: bad, mend it"), 1, "Error: x.csv: bad, mend it\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
    ],
)
def test_a_users_error_is_one_line_and_a_status(error, status, message, capsys, monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def fail():
        raise error

    with pytest.raises(SystemExit) as caught:
        cli.run_guarded(fail)
    assert caught.value.code == status
    assert capsys.readouterr().err == message


def test_a_defect_of_ours_keeps_its_traceback(monkeypatch):
    monkeypatch.setattr("signal.signal", lambda *_: None)
    with pytest.raises(ZeroDivisionError):
        cli.run_guarded(lambda: 1 // 0)
