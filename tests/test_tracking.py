import shutil
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import mlflow
import pandas as pd
import pytest

from loadprofiles import tracking
from loadprofiles.errors import InputError, ParameterError, StoreError
from loadprofiles.step import StepInput, StepResult, Url
from tests.sources.web import serve


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """A new store's file: MLflow takes seconds to make one."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    mlflow.MlflowClient(f"sqlite:///{file}").search_experiments()
    return file


@pytest.fixture(autouse=True)
def store(tmp_path, empty_store, monkeypatch):
    """A folder with a store of its own, the current one."""
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("UPDATE experiments SET artifact_location = ?", [str(tmp_path / "mlruns" / "0")])
        database.commit()
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


def test_runs_that_log_the_same_input_at_once_all_have_it(store):
    together = Barrier(4)

    def log_inputs(_):
        with mlflow.start_run() as run:
            for number in range(3):
                together.wait(60)
                tracking.record(run, StepResult(inputs=[StepInput(f"days {number}", Path("days"), "d" * 64)]))
        return run.info.run_id

    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(log_inputs, range(4)))
    assert {len(mlflow.get_run(run).inputs.dataset_inputs) for run in runs} == {3}


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


def test_parts_of_a_result_get_runs_of_their_own_below_it(store):
    def parts(workspace):
        note = workspace / "part.txt"
        note.write_text("of a part")
        children = [
            StepResult(run_name="one", params={"model": "one"}, metrics={"wape": 0.1}, files=[note]),
            StepResult(run_name="two", params={"model": "two"}, metrics={"wape": 0.2}),
        ]
        return StepResult(run_name="whole", metrics={"wape": 0.1}, children=children)

    tracking.run_step("forecasting", parts, {})
    runs = {run.info.run_name: run for run in mlflow.search_runs(search_all_experiments=True, output_format="list")}
    assert set(runs) == {"whole", "one", "two"}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for name, wape in (("one", 0.1), ("two", 0.2)):
        assert runs[name].data.tags["mlflow.parentRunId"] == runs["whole"].info.run_id
        assert (runs[name].data.params, runs[name].data.metrics) == ({"model": name}, {"wape": wape})
        assert "step" not in runs[name].data.tags, "it is no step that could be reused"
    assert (Path(runs["one"].info.artifact_uri) / "part.txt").read_text() == "of a part"
    assert not (Path(runs["whole"].info.artifact_uri) / "part.txt").exists()


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


def test_urls_and_artifacts_are_resolved_and_all_else_stays_as_it_is(store, monkeypatch):
    monkeypatch.setenv("LOADPROFILES_CACHE", str(store / "cache"))
    (store / "www").mkdir()
    (store / "www" / "a.csv").write_text("a\n2\n")
    with serve(store / "www") as web:
        assert tracking.resolve(Url(f"{web.url}a.csv"), store / "x").read_text() == "a\n2\n"
    for value in (3, None, store / "x.csv", "kmeans"):
        assert tracking.resolve(value, store / "x") is value


def test_a_run_inside_another_is_recorded_by_itself_and_the_outer_goes_on():
    with tracking.run("sweep", {"models": "kmeans"}) as outer:
        inner = tracking.open_child(outer, "clustering", {})
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_RUN_ID", inner)
            with pytest.raises(InputError), tracking.run("clustering", {"model": "kmeans"}) as active:
                assert active.info.run_id == inner
                raise InputError("bad")
        mlflow.log_metric("runs", 1)
    child, parent = tracking.get_run(inner), tracking.get_run(outer.info.run_id)
    assert (child.info.status, child.data.params) == ("FAILED", {"model": "kmeans"})
    assert child.data.tags["mlflow.parentRunId"] == outer.info.run_id
    assert (parent.info.status, parent.data.params) == ("FINISHED", {"models": "kmeans"})
    assert (parent.data.metrics, child.data.metrics) == ({"runs": 1.0}, {})
    assert "error" not in parent.data.tags


def test_the_latest_finished_run_of_each_fingerprint_is_found_however_many_there_are(monkeypatch):
    search = mlflow.MlflowClient.search_runs

    def two_at_a_time(*args, **more):
        return search(*args, **more | {"max_results": 2})

    monkeypatch.setattr(mlflow.MlflowClient, "search_runs", two_at_a_time)
    ids = {}
    with tracking.run("sweep", {}) as parent:
        for number, (fingerprint, status) in enumerate(
            [("a", "FINISHED"), ("b", "FINISHED"), ("a", "FINISHED"), ("b", "FAILED"), ("c", "KILLED")]
        ):
            ids[number] = tracking.open_child(parent, "clustering", tracking.fingerprint_tags(fingerprint, {}))
            mlflow.MlflowClient().set_terminated(ids[number], status)
        found = tracking.finished_by_fingerprint(parent.info.experiment_id, "clustering")
        assert found == {"a": ids[2], "b": ids[1]}
        assert tracking.finished_by_fingerprint(parent.info.experiment_id, "harmonization") == {}


def test_children_that_still_run_are_closed_and_finished_ones_left_alone():
    with tracking.run("sweep", {}) as parent:
        running, done = (tracking.open_child(parent, "clustering", {}) for _ in range(2))
        mlflow.MlflowClient().set_terminated(done, "FINISHED")
        tracking.close_children(parent, "the sweep was stopped")
        assert tracking.get_run(running).info.status == "KILLED"
        assert tracking.get_run(running).data.tags["error"] == "the sweep was stopped"
        assert tracking.get_run(done).info.status == "FINISHED"
        assert tracking.get_run(parent.info.run_id).info.status == "RUNNING"


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
