"""The chain in a copy of the project, called again: what is taken over and what runs once more."""

import shlex
import shutil

import numpy as np
import pandas as pd
import pytest

from tests.chains import STEPS, leave_one_meter_of_each_source
from tests.project import Project, copy_project

QUICK = ("forecast_model=seasonal_naive", "backtest_days=3", "ignore_previous_runs=false")
OTHER_SOURCES = {"etl_oldmongo", "load_newmongo", "etl_newmongo", "etl_customers"}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    copy = copy_project(tmp_path_factory.mktemp("project"))
    leave_one_meter_of_each_source(copy)
    return copy


@pytest.fixture(scope="module")
def chain(project) -> None:
    """The chain, run once."""
    run_again(project)


def run_again(project, *parameters):
    """The chain by the same parameters, and by `parameters`; its output."""
    done = project.here(*QUICK, *parameters)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_number_of_clusters_is_chosen_and_the_choice_drawn(project, chain):
    run = project.latest("clustering")
    curve = pd.read_csv(project.artifacts(run) / "k_curve.csv")
    assert run.info.run_name == f"kmeans euclidean k={curve.loc[curve['silhouette'].idxmax(), 'k']}"
    assert (project.artifacts(run) / "kCurve.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_run_reuses_every_step(project, chain):
    before = len(project.runs())
    output = run_again(project)
    for step in STEPS:
        assert f"{step}: reused run" in output
    assert len(project.runs()) == before + 1, "only a new parent"
    parent = project.latest("pipeline")
    shown = [project.latest(step).data.metrics for step in ("clustering", "forecasting", "anomalies")]
    assert parent.data.metrics == shown[0] | shown[1] | shown[2]
    assert len(parent.data.metrics) == sum(map(len, shown)), "no two steps tell another number by one name"
    assert parent.data.tags["mlflow.note.content"].count("(reused)") == len(STEPS)


def test_another_model_runs_the_clustering_alone(project, chain):
    output = run_again(project, "model=som", "som_grid=2x3", "registered_model=")
    for step in STEPS - {"clustering"}:
        assert f"{step}: reused run" in output
    run = project.latest("clustering")
    assert run.info.run_name == "som euclidean k=6"
    assert run.data.params["som_grid"] == "2x3"
    assert (project.artifacts(run) / "somMap.png").is_file()


def test_a_changed_input_or_a_lost_matrix_runs_again_just_what_depends_on_it(project, chain):
    file = project.folder / "sql" / "SMP0009.txt"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[: 96 * 5]))
    output = run_again(project)
    for step in STEPS:
        assert f"{step}: {'reused run' if step in OTHER_SOURCES else 'runs, changed since'}" in output
    assert "input sql_folder" in output

    matrix = project.folder / "dtw" / "l2-24x60min-radius1"
    shutil.rmtree(matrix)
    output = run_again(project, "forecast_model=", "detector=")
    assert "harmonization: runs, its DTW matrix is gone" in output
    # the old matrix also held the days that are gone now, so the new one is another
    assert "clustering: runs, changed since" in output
    assert "input dtw_path" in output
    assert (matrix / "zarr.json").is_file()


def test_clustering_by_dtw_runs_alone_on_the_artifact(project, chain):
    uri = project.latest("harmonization").data.tags["harmonized_csv"]
    done = project.here(
        f"in_csv={uri}",
        "model=kmedioids",
        "distance_metric=dtw",
        "number_of_clusters=4",
        entry_point="clustering",
    )
    assert done.returncode == 0, done.stdout
    assert "'kmedioids' is taken as 'kmedoids'" in done.stdout
    assert project.latest("clustering").info.run_name == "kmedoids dtw k=4"


def test_a_stale_matrix_is_refused_with_the_command_that_mends_it(project, chain, tmp_path):
    table = pd.read_csv(project.artifacts(project.latest("harmonization")) / "harmonized/harmonized.csv")
    steps = [c for c in table.columns if c not in ("id", "date")]
    table.loc[:36, steps] += np.arange(24)
    table.to_csv(tmp_path / "other.csv", index=False)
    other = (f"in_csv={tmp_path / 'other.csv'}", "model=kmedoids", "distance_metric=dtw", "number_of_clusters=4")
    done = project.here(*other, entry_point="clustering")
    assert done.returncode != 0
    assert project.latest("clustering").info.status == "FAILED"
    (error,) = [line for line in done.stdout.splitlines() if line.startswith("Error: ")]
    assert "does not hold 37 of the" in error
    command = error.partition("bring it up to date with: ")[2]
    assert project.run(*shlex.split(command), "--env-manager=local").returncode == 0
    assert project.here(*other, entry_point="clustering").returncode == 0
