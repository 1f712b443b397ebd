"""The sweep: as users run it, in a copy of the project, and what it makes of odd requests, in this process."""

import os
import shutil
import signal

import mlflow
import numpy as np
import pandas as pd
import pytest

import sweep
from loadprofiles.distances.generations import MatrixParameters
from loadprofiles.distances.update import update_matrix
from loadprofiles.errors import InputError, ParameterError, StepFailedError
from loadprofiles.normalisation import normalise
from loadprofiles.steps import DATA
from loadprofiles.sweep import run_sweep
from loadprofiles.validity import DIRECTIONS
from tests.chains import leave_one_meter_of_each_source
from tests.days import energies, three_shapes, write
from tests.project import Project, copy_project, processes_of, wait_for
from tests.sources.web import serve

RUNS = {
    "kmedoids euclidean k=3", "kmedoids euclidean k=4", "kmedoids dtw k=3", "kmedoids dtw k=4",
}  # fmt: skip
ASKED = (
    "in_csv=harmonized.csv", "models=kmedioids", "distance_metrics=euclidean,dtw", "k_min=3", "k_max=4",
    "smart_meter_description_csv=meters.csv", "registered_model=best days",
)  # fmt: skip
COLUMNS = [
    "run", "model", "distance_metric", "clusters", "mean_rank", "lopsided", *DIRECTIONS, "profiles",
    "smallest_cluster", "largest_cluster", "reused", "run_id", "url", "error",
]  # fmt: skip
DESCRIPTION = "id,Contractual power (kW),Production (kW),Type\nA,,,domestic\n"

# ---- as users run it ----


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """A copy of the project with a harmonized table and the DTW matrix of it."""
    copy = copy_project(tmp_path_factory.mktemp("sweep"))
    leave_one_meter_of_each_source(copy)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(copy.folder)
        copy.client.search_experiments()  # makes the store, for which two processes must not compete
    write(three_shapes(), copy.folder / "harmonized.csv")
    (copy.folder / "meters.csv").write_text(DESCRIPTION)
    update_matrix(
        copy.folder / "dtw", MatrixParameters(1, "l2", 24, 60), normalise(energies(three_shapes()).to_numpy())
    )
    return copy


def children(project, parent):
    return project.runs(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")


@pytest.fixture(scope="module")
def interrupted(project):
    """The sweep, interrupted when some of its runs are finished; its parent run."""
    if shutil.which("ps") is None:
        pytest.skip("ps is not installed (Debian: procps)")
    given = [text for parameter in ASKED for text in ("-P", parameter)]
    process = project.start("mlflow", "run", ".", "-e", "sweep", "--env-manager=local", *given)
    wait_for(lambda: (project.folder / "mlflow.db").exists() and finished(project), 120)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0, output
    wait_for(lambda: not processes_of(process.pid), 30)
    return project.latest("sweep")


def finished(project):
    return project.runs("tags.step = 'clustering' and attributes.status = 'FINISHED'")


@pytest.fixture(scope="module")
def whole(project, interrupted):
    """The same sweep once more, to its end: what it said, its parent, and how many runs were there already."""
    before = len(finished(project))
    done = project.here(*ASKED, entry_point="sweep")
    assert done.returncode == 0, done.stdout
    return done.stdout, project.latest("sweep"), before


def leaderboard(project, parent):
    return pd.read_csv(project.artifacts(parent) / "leaderboard.csv", keep_default_na=False, na_values=[""])


def test_an_interruption_leaves_no_running_run(project, interrupted):
    assert interrupted.info.status in ("KILLED", "FAILED")
    statuses = {child.info.status for child in children(project, interrupted)}
    assert statuses == {"FINISHED", "KILLED"}
    killed = [child for child in children(project, interrupted) if child.info.status == "KILLED"]
    assert {child.data.tags["error"] for child in killed} == {"the sweep was stopped"}


def test_the_next_call_does_just_what_is_missing(project, whole):
    output, parent, before = whole
    assert 0 < before < len(RUNS)
    assert f"sweep: {before} of {len(RUNS)} runs were finished before and are taken over" in output
    assert len(children(project, parent)) == len(RUNS) - before
    assert len(finished(project)) == len(RUNS)
    assert parent.data.metrics["runs_reused"] == before
    assert leaderboard(project, parent)["reused"].sum() == before


def test_every_run_has_its_name_parameters_metrics_tables_figures_and_model(project, whole):
    found = {run.info.run_name: run for run in finished(project)}
    assert set(found) == RUNS
    for name, run in found.items():
        model, metric, k = name.split()
        assert (run.data.params["model"], run.data.params["distance_metric"]) == (model, metric)
        assert run.data.params["k"] == k.removeprefix("k=")
        assert set(DIRECTIONS) <= set(run.data.metrics)
        assert run.data.metrics["profiles"] == 30
        files = {path.name for path in project.artifacts(run).iterdir()}
        assert {"assignments.parquet", "clusterCenters.png", "clusterPie.png", "clusters.html", "validity.csv"} <= files
        assert (project.client.get_logged_model(run.data.tags["model_uri"].removeprefix("models:/"))).name == "clusters"
        assert run.inputs.dataset_inputs[0].dataset.name == "harmonized"


def test_what_is_known_of_meters_reaches_every_run(project, whole):
    for run in finished(project):
        shares = pd.read_csv(project.artifacts(run) / "cluster_shares.csv")
        assert set(shares["level"]) == {"meter", "type"}


def test_the_leaderboard_lists_every_run_the_best_first(project, whole):
    parent = whole[1]
    board = leaderboard(project, parent)
    assert board.columns.tolist() == COLUMNS
    assert set(board["run"]) == RUNS
    assert board["mean_rank"].is_monotonic_increasing
    assert not board["lopsided"].any()
    assert board["error"].isna().all()
    metrics = {run.info.run_id: run.data.metrics for run in finished(project)}
    for row in board.to_dict("records"):
        assert row["Silhouette Score"] == pytest.approx(metrics[row["run_id"]]["Silhouette Score"])
        assert row["url"] == f"#/experiments/{parent.info.experiment_id}/runs/{row['run_id']}"
        assert row["clusters"] == int(row["run"].rpartition("=")[2])
    assert board["clusters"].tolist()[0] == 3, "there are three shapes"


def test_the_parent_holds_the_comparison_and_the_numbers_of_the_best(project, whole):
    output, parent, _ = whole
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "sweep"
    artifacts = project.artifacts(parent)
    assert (artifacts / "comparison.png").read_bytes().startswith(b"\x89PNG")
    page = (artifacts / "comparison.html").read_text()
    assert all(name in page for name in RUNS)
    best = leaderboard(project, parent).iloc[0]
    assert (parent.data.tags["best_run"], parent.data.tags["best_run_id"]) == (best["run"], best["run_id"])
    assert parent.data.metrics["Silhouette Score"] == pytest.approx(best["Silhouette Score"])
    assert (parent.data.metrics["runs"], parent.data.metrics["runs_failed"]) == (len(RUNS), 0)
    assert f"best by mean rank: {best['run']}, run {best['run_id']}" in output
    assert [given.dataset.name for given in parent.inputs.dataset_inputs] == ["harmonized"]


def test_only_the_best_is_registered(project, whole):
    (version,) = project.client.search_model_versions("name = 'best days'")
    assert version.run_id == whole[1].data.tags["best_run_id"]


def test_a_run_that_fails_is_told_after_all_others_have_ended(project):
    write(three_shapes().iloc[[0, 10, 20, 21]], project.folder / "four.csv")
    done = project.here(
        "in_csv=four.csv", "models=kmeans", "distance_metrics=euclidean", "k_min=4", "k_max=5",
        "smart_meter_description_csv=", "jobs=1", entry_point="sweep",
    )  # fmt: skip
    assert done.returncode == 1
    reason = "number of clusters is 5, but there are only 4 distinct profiles"
    (error,) = [line for line in done.stdout.splitlines() if line.startswith("Error: ")]
    assert error == f"Error: 1 of 2 runs failed: kmeans euclidean k=5: {reason}"
    assert "Traceback" not in done.stdout
    parent = project.latest("sweep")
    assert parent.info.status == "FAILED"
    assert sorted(child.info.status for child in children(project, parent)) == ["FAILED", "FINISHED"]
    board = leaderboard(project, parent)
    assert board["run"].tolist() == ["kmeans euclidean k=4", "kmeans euclidean k=5"]
    assert board["error"].tolist() == [pytest.approx(np.nan, nan_ok=True), reason]
    assert (project.artifacts(parent) / "comparison.png").is_file()


def test_without_a_table_the_chain_is_run_once_below_the_same_parent(project):
    done = project.here(
        "models=kmeans", "distance_metrics=euclidean", "k_min=3", "k_max=3", "oldmongo_folder=", "newmongo_folder=",
        entry_point="sweep",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    parent = project.latest("sweep")
    steps = {child.data.tags["step"]: child for child in children(project, parent)}
    assert len(children(project, parent)) == len(steps) == 4
    assert set(steps) == {"etl_sql", "etl_customers", "harmonization", "clustering"}
    assert {child.info.status for child in steps.values()} == {"FINISHED"}
    assert steps["clustering"].info.run_name == "kmeans euclidean k=3"
    assert "Silhouette DTW" in steps["clustering"].data.metrics
    shares = pd.read_csv(project.artifacts(steps["clustering"]) / "cluster_shares.csv")
    assert set(shares["level"]) == {"meter", "type", "sector"}


# ---- in this process ----


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with an MLflow store of its own, as making one takes a while."""
    place = tmp_path_factory.mktemp("in process")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{place / 'mlflow.db'}")
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        patch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
        patch.setattr("loadprofiles.clustering.step.HIGH_RES_DPI", 40)
        mlflow.search_experiments()
        yield place


@pytest.fixture
def place(folder, monkeypatch, request):
    """That folder with a table of three shapes, and an experiment of each test's own."""
    experiment = mlflow.create_experiment(request.node.name)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", experiment)
    write(three_shapes(), folder / "harmonized.csv")
    return folder


def run(**given):
    """Run a sweep of k-means by one process, unless other things are asked for; return its parent."""
    asked = {
        "in_csv": "harmonized.csv", "models": "kmeans", "distance_metrics": "euclidean", "k_min": 3, "k_max": 3,
        "smart_meter_description_csv": "", "jobs": 1,
    } | given  # fmt: skip
    options = [text for name, value in asked.items() for text in (f"--{name}", str(value))]
    run_sweep(DATA, sweep.main.make_context("sweep", options).params)
    return parents()[0]


def parents():
    return mlflow.search_runs(filter_string="tags.step = 'sweep'", output_format="list")


def clusterings():
    return mlflow.search_runs(filter_string="tags.step = 'clustering'", output_format="list")


def board_of(parent):
    return pd.read_csv(mlflow.artifacts.download_artifacts(f"{parent.info.artifact_uri}/leaderboard.csv"))


def test_one_process_carries_out_the_runs_itself_on_artifacts_and_urls_and_registers_the_best(place, monkeypatch):
    (place / "www").mkdir()
    (place / "www" / "meters.csv").write_text(DESCRIPTION)
    monkeypatch.setenv("LOADPROFILES_CACHE", str(place / "cache"))
    with mlflow.start_run() as earlier:
        mlflow.log_artifact("harmonized.csv", "harmonized")
    with serve(place / "www") as web:
        parent = run(
            in_csv=f"runs:/{earlier.info.run_id}/harmonized/harmonized.csv",
            smart_meter_description_csv=f"{web.url}meters.csv",
            k_max=4,
            registered_model="of a sweep",
            model_alias="champion",
        )
    assert mlflow.active_run() is None
    assert parent.info.status == "FINISHED"
    assert {child.info.run_name for child in clusterings()} == {"kmeans euclidean k=3", "kmeans euclidean k=4"}
    assert {child.info.status for child in clusterings()} == {"FINISHED"}
    for child in clusterings():
        shares = pd.read_csv(mlflow.artifacts.download_artifacts(f"{child.info.artifact_uri}/cluster_shares.csv"))
        assert set(shares["level"]) == {"meter", "type"}
    version = mlflow.MlflowClient().get_model_version_by_alias("of a sweep", "champion")
    assert version.run_id == parent.data.tags["best_run_id"]
    assert int(version.version) == 1
    model = mlflow.pyfunc.load_model("models:/of a sweep@champion")
    assert set(model.predict(energies(three_shapes()))["cluster"]) == {0, 1, 2}


def test_a_grid_is_one_run_of_the_som_and_clusterings_of_nearly_all_days_in_one_are_ranked_behind(place):
    table = three_shapes()
    alike = np.random.default_rng(0).uniform(0.9, 1.1, (30, 24))
    alike[28], alike[29] = [1.0, 0.0] * 12, [*[0.0] * 23, 5.0]
    table[energies(table).columns] = alike
    write(table, place / "harmonized.csv")
    parent = run(models="agglomerative,som", som_grid="3x4", k_max=4)
    board = board_of(parent)
    assert board["run"].tolist() == [
        "som euclidean k=12", "agglomerative euclidean k=4", "agglomerative euclidean k=3",
    ]  # fmt: skip
    assert board["lopsided"].tolist() == [False, False, True]
    assert board["largest_cluster"].tolist()[1:] == [17, 28]
    assert board["mean_rank"][0] < board["mean_rank"][1]
    assert board["mean_rank"][2] == 1, "by ranks alone it would win"
    assert parent.data.tags["best_run_id"] == board["run_id"][0]
    grids = {child.data.params["model"]: child.data.params["som_grid"] for child in clusterings()}
    assert grids == {"som": "3x4", "agglomerative": ""}
    log = mlflow.artifacts.load_text(f"{parent.info.artifact_uri}/log.txt")
    assert "Silhouette DTW is left out" in log


def files_of(run):
    return {file.path for file in mlflow.MlflowClient().list_artifacts(run.info.run_id)}


def test_runs_are_taken_over_unless_that_is_not_wanted_or_something_changed(place):
    (place / "meters.csv").write_text(DESCRIPTION)
    known = {"smart_meter_description_csv": "meters.csv"}
    first, second = run(**known), run(**known)
    assert len(clusterings()) == 1
    assert second.data.metrics["runs_reused"] == 1
    before, now = board_of(first), board_of(second)
    pd.testing.assert_frame_equal(now.drop(columns="reused"), before.drop(columns="reused"))
    assert (before["reused"].any(), now["reused"].all()) == (False, True)
    (place / "meters.csv").write_text(DESCRIPTION.replace("domestic", "industry"))
    run(**known)
    assert len(clusterings()) == 2
    run(ignore_previous_runs="true", **known)
    assert len(clusterings()) == 3


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"models": "kmeans,som,gmm", "distance_metrics": "dtw"}, "som, gmm do not work with distance_metrics=dtw"),
        ({"som_grid": "2x2"}, "som_grid is given, but models are kmeans; leave it empty"),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_chain_runs(place, asked, message):
    with pytest.raises(ParameterError, match=message):
        run(in_csv="", **asked)
    (parent,) = parents()
    assert parent.info.status == "FAILED"
    assert message in parent.data.tags["error"]
    assert len(mlflow.search_runs(output_format="list")) == 1


def test_a_matrix_that_models_need_is_missed_before_any_run(place):
    with pytest.raises(InputError, match=r"there is no DTW matrix .* mlflow run"):
        run(models="kmedoids", distance_metrics="dtw")
    assert clusterings() == []


def test_only_the_first_of_many_failures_are_named(place):
    write(three_shapes().iloc[[0, 10, 20]], place / "harmonized.csv")
    with pytest.raises(
        StepFailedError, match=r"^7 of 7 runs failed: kmeans euclidean k=4: .*k=8: .*; and 2 more, in leaderboard\.csv$"
    ):
        run(k_min=4, k_max=10)
    (parent,) = parents()
    assert parent.info.status == "FAILED"
    assert parent.data.metrics["runs_failed"] == 7
    assert "best_run" not in parent.data.tags
    assert board_of(parent)["error"].str.contains("there are only 3 distinct profiles").all()
    assert "comparison.png" not in files_of(parent)
