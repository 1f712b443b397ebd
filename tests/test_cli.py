from datetime import date
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

import clustering
import harmonization
import pipeline
from loadprofiles import cli
from loadprofiles.errors import InputError
from loadprofiles.step import Url


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
