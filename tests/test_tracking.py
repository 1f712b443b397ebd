import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import pandas as pd
import pytest

from loadprofiles import tracking
from loadprofiles.errors import InputError, ParameterError, StoreError
from loadprofiles.step import StepInput, StepResult


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return tmp_path


def only_run():
    (found,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    return found


def step(workspace, out_csv, word):
    out_csv.write_text("a\n1\n")
    note = workspace / "note.txt"
    note.write_text(word)
    return StepResult(
        outputs={"clean_sql": out_csv}, files=[note], metrics={"rows": 1.0}, params={"k": 3}, tags={"seen": "yes"},
        inputs=[StepInput("sql", Path("sql"), "d" * 64)], notes=["from mongodb://u:s3cret@h/x"], run_name="my run",
    )  # fmt: skip


def test_a_result_is_recorded_whole_and_without_secrets(store, capsys):
    tracking.run_step("etl_sql", step, {"out_csv": store / "clean_sql.csv", "word": "w"})
    run = only_run()
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "my run"
    assert run.data.params == {"word": "w", "k": "3"}
    assert run.data.metrics == {"rows": 1.0}
    assert run.data.tags["step"] == "etl_sql"
    assert run.data.tags["seen"] == "yes"
    assert run.data.tags["clean_sql_csv"].endswith("/clean_sql/clean_sql.csv")
    assert [d.dataset.name for d in run.inputs.dataset_inputs] == ["sql"]
    artifacts = Path(run.info.artifact_uri)
    assert (artifacts / "note.txt").read_text() == "w"
    assert "s3cret" not in (artifacts / "log.txt").read_text()
    assert capsys.readouterr().out == "etl_sql: from mongodb://u:***@h/x\n"


def test_a_name_that_the_user_gave_stays(store, monkeypatch):
    for given, shown in (("mine", "mine"), ("bold-owl-12", "my run")):
        run = mlflow.MlflowClient().create_run("0", run_name=given)
        monkeypatch.setenv("MLFLOW_RUN_ID", run.info.run_id)
        tracking.run_step("etl_sql", step, {"out_csv": store / "clean_sql.csv", "word": "w"})
        assert mlflow.get_run(run.info.run_id).info.run_name == shown


def test_artifact_uris_among_the_parameters_become_local_files(store):
    tracking.run_step("etl_sql", step, {"out_csv": store / "clean_sql.csv", "word": "w"})
    uri = f"runs:/{only_run().info.run_id}/clean_sql/clean_sql.csv"
    seen = []

    def reader(workspace, in_csv):
        seen.append(pd.read_csv(in_csv)["a"].tolist())
        return StepResult()

    tracking.run_step("harmonization", reader, {"in_csv": uri})
    assert seen == [[1]]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InputError("mongodb://u:s3cret@h: bad"), "FAILED"),
        (ZeroDivisionError(), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
    ],
)
def test_a_run_that_ends_badly_says_so_and_why_without_secrets(error, status):
    with pytest.raises(type(error)), tracking.run("etl_sql", {}):
        raise error
    run = only_run()
    assert run.info.status == status
    if status == "FAILED":
        assert run.data.tags["error"] == (str(error) or "ZeroDivisionError: ")
    assert "s3cret" not in str(run.to_dictionary())


def test_a_parameter_with_a_password_is_refused_and_not_logged():
    with (
        pytest.raises(ParameterError, match="a URI with a password or token is refused"),
        tracking.run("etl_sql", {"sql_folder": "mongodb://u:s3cret@h/x"}),
    ):
        pass
    run = only_run()
    assert run.info.status == "FAILED"
    assert "s3cret" not in str(run.to_dictionary())


def test_a_store_of_another_mlflow_is_one_line_that_says_what_to_do(store):
    with tracking.run("x", {}):
        pass
    with closing(sqlite3.connect(store / "mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'of another version'")
        database.commit()
    mlflow.set_tracking_uri(f"sqlite:///{store}/./mlflow.db")  # MLflow keeps stores open by their URI
    try:
        with pytest.raises(StoreError, match=rf"mlflow\.db cannot be used: .*MLflow {mlflow.__version__}"):
            tracking.run("x", {}).__enter__()
    finally:
        mlflow.set_tracking_uri(None)


def test_a_file_that_is_no_store_is_named(store, monkeypatch):
    (store / "old.db").write_bytes(b"SQLite format 3\x00 but not really")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{store / 'old.db'}")
    with pytest.raises(StoreError, match=r"old\.db cannot be used: .*file is not a database"):
        tracking.run("x", {}).__enter__()


@pytest.mark.parametrize("uri", ["runs:/0123456789abcdef0123456789abcdef/a.csv"])
def test_an_artifact_of_no_run_is_named(uri, store):
    with pytest.raises(InputError, match=uri):
        tracking.local_path(uri, store / "copy")
