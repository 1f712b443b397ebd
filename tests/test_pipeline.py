"""The whole chain through `mlflow run`, in a copy of the project: what it leaves in MLflow, reuse, failures."""

import os
import shlex
import shutil
import signal

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from bson import json_util

from loadprofiles.readings import list_meters, read_readings
from tests.project import ROOT, Project, copy_project, processes_of, wait_for
from tests.sources.web import serve

SHARED = ROOT.parent / "shared" / "data"
STEPS = {
    "etl_oldmongo", "etl_sql", "load_newmongo", "etl_newmongo", "etl_customers", "harmonization", "clustering",
    "forecasting",
}  # fmt: skip
ONE_SOURCE = ("oldmongo_folder=", "newmongo_folder=", "customers_folder=", "number_of_clusters=3", "forecast_model=")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return copy_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def chain(project) -> str:
    """The chain on the shipped samples, run once; its output."""
    done = project.mlflow_run()
    assert done.returncode == 0, done.stdout
    return done.stdout


def readings_of(project, step):
    """The folder of readings that the latest run of a step hands on."""
    run = project.latest(step)
    assert run.data.tags["readings_csv"] == f"{run.info.artifact_uri}/readings/readings.parquet"
    return project.artifacts(run) / "readings/readings.parquet"


@pytest.mark.usefixtures("chain")
class TestOnTheSamples:
    def test_every_step_is_a_finished_child_of_one_finished_parent(self, project):
        parent = project.latest("pipeline")
        children = project.runs(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
        assert parent.info.status == "FINISHED"
        assert {child.data.tags["step"] for child in children} == STEPS
        assert {child.info.status for child in children} == {"FINISHED"}

    def test_the_parent_has_the_numbers_of_clusters_and_forecasts_to_compare_runs_by(self, project):
        parent, clustering = project.latest("pipeline"), project.latest("clustering")
        assert parent.data.metrics == clustering.data.metrics | project.latest("forecasting").data.metrics
        assert {"Silhouette Score", "Silhouette DTW", "DB Index", "Peak Match Score"} <= set(parent.data.metrics)
        assert clustering.info.run_name == f"kmeans euclidean k={clustering.data.params['k']}"

    def test_tags_carry_the_artifacts_under_the_earlier_pipelines_names(self, project):
        for step, tag in {
            "load_newmongo": "dataset_csv",
            "etl_oldmongo": "clean_oldmongo_csv",
            "etl_sql": "clean_sql_csv",
            "etl_newmongo": "clean_newmongo_csv",
            "harmonization": "harmonized_csv",
        }.items():
            run = project.latest(step)
            folder, file = run.data.tags[tag].rsplit("/", 2)[-2:]
            assert folder == tag.removesuffix("_csv")
            assert (project.artifacts(run) / folder / file).is_file()

    def test_the_readings_of_all_sources_are_merged_with_all_their_columns(self, project):
        steps = ("etl_newmongo", "etl_sql", "etl_oldmongo", "etl_customers")
        by_source = [read_readings(readings_of(project, step)) for step in steps]
        merged = read_readings(readings_of(project, "harmonization"))
        metrics = project.latest("harmonization").data.metrics
        assert len(merged) == metrics["readings"] == sum(map(len, by_source)) - metrics["readings_left_out"]
        assert set(merged.columns) == {name for table in by_source for name in table.columns}
        assert set(merged["meter_id"]) == {meter for table in by_source for meter in table["meter_id"]}
        assert len(list_meters(readings_of(project, "harmonization"))) == metrics["meters_with_readings"]

    def test_every_profile_is_assigned_to_a_cluster_that_has_a_representative(self, project):
        artifacts = project.artifacts(project.latest("clustering"))
        assignments = pd.read_parquet(artifacts / "assignments.parquet")
        representatives = pd.read_parquet(artifacts / "representatives.parquet")
        harmonized = pd.read_csv(project.artifacts(project.latest("harmonization")) / "harmonized/harmonized.csv")
        assert assignments.columns.tolist() == ["id", "date", "cluster", "cluster_name", "distance"]
        assert assignments[["id", "date"]].to_numpy().tolist() == harmonized[["id", "date"]].to_numpy().tolist()
        sizes = assignments.groupby("cluster").size()
        assert sizes.to_dict() == representatives.set_index("cluster")["size"].to_dict()

    def test_figures_are_pictures(self, project):
        figures = ("clusterCenters.png", "clusterCentersHighRes.png", "clusterPie.png", "kCurve.png")
        for name in (*figures, "clusterCalendar.png", "clusterShares.png", "silhouette.png"):
            picture = (project.artifacts(project.latest("clustering")) / name).read_bytes()
            assert picture.startswith(b"\x89PNG")
            assert len(picture) > 10_000

    def test_the_clusters_can_be_looked_into_judged_and_told_apart_by_sector(self, project):
        artifacts = project.artifacts(project.latest("clustering"))
        page = (artifacts / "clusters.html").read_text()
        assert "https://" not in page.partition("<body")[0], "it needs no network"
        validity = pd.read_csv(artifacts / "validity.csv").set_index("index")
        metrics = project.latest("clustering").data.metrics
        assert validity["value"].to_dict() == pytest.approx({name: metrics[name] for name in validity.index})
        shares = pd.read_csv(artifacts / "cluster_shares.csv")
        assert set(shares["level"]) == {"meter", "type", "sector"}
        assert shares.groupby(["level", "name"], dropna=False)["share"].sum().to_numpy() == pytest.approx(1)
        assert shares[shares["level"] == "meter"]["days"].sum() == metrics["profiles"]

    def test_the_model_is_registered_and_comes_with_the_run(self, project):
        run = project.latest("clustering")
        versions = project.client.search_model_versions("name = 'load_profile_clusters'")
        assert run.info.run_id in {version.run_id for version in versions}
        model = project.client.get_logged_model(run.data.tags["model_uri"].removeprefix("models:/"))
        assert (model.name, model.source_run_id) == ("clusters", run.info.run_id)

    def test_inputs_are_logged_as_datasets_with_digests(self, project):
        datasets = project.latest("etl_sql").inputs.dataset_inputs
        assert {d.dataset.name for d in datasets} == {"sql", "smart_meter_description"}
        assert all(len(d.dataset.digest) == 36 for d in datasets)

    def test_the_customer_delivered_twice_is_named(self, chain):
        assert "Cliente 3 and Cliente 6 are identical on" in chain

    def test_meters_of_the_lists_without_files_are_named(self, chain):
        assert "etl_customers: the sheet of sectors lists 2 meters without data here: Cliente 10, Cliente 5" in chain

    def test_no_table_is_left_in_the_project_folder(self, project):
        assert not list(project.folder.glob("clean_*.csv"))
        assert not (project.folder / "harmonized.csv").exists()

    def test_a_second_run_reuses_every_step(self, project):
        before = len(project.runs())
        done = project.mlflow_run("ignore_previous_runs=false")
        assert done.returncode == 0, done.stdout
        for step in STEPS:
            assert f"{step}: reused run" in done.stdout
        assert len(project.runs()) == before + 1, "only a new parent"
        parent = project.latest("pipeline")
        shown = project.latest("clustering").data.metrics | project.latest("forecasting").data.metrics
        assert parent.data.metrics == shown
        assert parent.data.tags["mlflow.note.content"].count("(reused)") == len(STEPS)

    def test_another_model_runs_the_clustering_alone(self, project):
        done = project.mlflow_run("ignore_previous_runs=false", "model=som", "som_grid=2x3", "registered_model=")
        assert done.returncode == 0, done.stdout
        for step in STEPS - {"clustering"}:
            assert f"{step}: reused run" in done.stdout
        run = project.latest("clustering")
        assert run.info.run_name == "som euclidean k=6"
        assert run.data.params["som_grid"] == "2x3"
        assert (project.artifacts(run) / "somMap.png").is_file()

    def test_a_changed_input_or_a_lost_matrix_runs_again_just_what_depends_on_it(self, project):
        file = project.folder / "sql" / "SMP0009.txt"
        file.write_text("".join(file.read_text().splitlines(keepends=True)[: 96 * 5]))
        done = project.mlflow_run("ignore_previous_runs=False")
        assert done.returncode == 0, done.stdout
        again = {"etl_sql", "harmonization", "clustering", "forecasting"}
        for step in STEPS:
            assert f"{step}: {'runs, changed since' if step in again else 'reused run'}" in done.stdout
        assert "input sql_folder" in done.stdout

        matrix = project.folder / "dtw" / "l2-24x60min-radius1"
        shutil.rmtree(matrix)
        done = project.mlflow_run("ignore_previous_runs=false")
        assert "harmonization: runs, its DTW matrix is gone" in done.stdout
        # the old matrix also held the days that are gone now, so the new one is another
        assert "clustering: runs, changed since" in done.stdout
        assert "input dtw_path" in done.stdout
        assert (matrix / "zarr.json").is_file()

    def test_clustering_by_dtw_runs_alone_on_the_artifact(self, project):
        uri = project.latest("harmonization").data.tags["harmonized_csv"]
        done = project.mlflow_run(
            f"in_csv={uri}",
            "model=kmedioids",
            "distance_metric=dtw",
            "number_of_clusters=4",
            entry_point="clustering",
        )
        assert done.returncode == 0, done.stdout
        assert "'kmedioids' is taken as 'kmedoids'" in done.stdout
        assert project.latest("clustering").info.run_name == "kmedoids dtw k=4"

    def test_the_earlier_pipelines_call_works_verbatim(self, project):
        done = project.run(
            "mlflow", "run", "--experiment-name", "uc7_clustering", "--entry-point", "pipeline.py", ".",
            "-P", "model=kmeans", "-P", "number_of_clusters=12", "--env-manager=local",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        experiment = project.client.get_experiment_by_name("uc7_clustering")
        assert project.latest("pipeline").info.experiment_id == experiment.experiment_id
        assert project.latest("clustering").info.run_name == "kmeans euclidean k=12"

    def test_a_stale_matrix_is_refused_with_the_command_that_mends_it(self, project, tmp_path):
        table = pd.read_csv(project.artifacts(project.latest("harmonization")) / "harmonized/harmonized.csv")
        steps = [c for c in table.columns if c not in ("id", "date")]
        table.loc[:36, steps] += np.arange(24)
        table.to_csv(tmp_path / "other.csv", index=False)
        other = (f"in_csv={tmp_path / 'other.csv'}", "model=kmedoids", "distance_metric=dtw", "number_of_clusters=4")
        done = project.mlflow_run(*other, entry_point="clustering")
        assert done.returncode != 0
        assert project.latest("clustering").info.status == "FAILED"
        (error,) = [line for line in done.stdout.splitlines() if line.startswith("Error: ")]
        assert "does not hold 37 of the" in error
        command = error.partition("bring it up to date with: ")[2]
        assert project.run(*shlex.split(command), "--env-manager=local").returncode == 0
        assert project.mlflow_run(*other, entry_point="clustering").returncode == 0


def test_a_live_historian_is_read_with_the_columns_meters_and_days_asked_for(project, tmp_path):
    url = f"sqlite:///{tmp_path / 'historian.db'}"
    rows = pd.read_csv(ROOT / "sql" / "SMP0009.txt", header=None).iloc[:, :3].set_axis(["ts", "tag", "value"], axis=1)
    with sa.create_engine(url).begin() as connection:
        rows.to_sql("energies", connection, index=False)
    given = (
        "sql_folder=no exports", "sql_table=energies", "sql_columns=timestamp=ts,tagname=tag,energy=value",
        "sql_meters=SMP0009", "sql_from=2019-06-04", "sql_to=2019-06-05",
    )  # fmt: skip
    done = project.mlflow_run(*given, entry_point="etl_sql", environment={"SQL_URL": url})
    assert done.returncode == 0, done.stdout
    run = project.latest("etl_sql")
    assert run.data.metrics["days_profile"] == 2
    assert run.data.tags["loaded_from"] == "the live historian, table energies"
    assert run.data.params["sql_columns"] == "timestamp=ts,tagname=tag,energy=value"
    assert str(tmp_path) not in str(run.to_dictionary())


def test_a_live_database_is_read_on_from_where_the_last_load_ended(project, mongo_uri, mongo_database):
    documents = [
        json_util.loads(line) for path in (ROOT / "newmongo").glob("*.jsonl") for line in path.read_text().splitlines()
    ]
    mongo_database.daily.insert_many(documents)
    given = (f"mongo_database={mongo_database.name}", "oldmongo_folder=", "sql_folder=", "customers_folder=",
             "number_of_clusters=3", "compute_dtw=false", "forecast_model=")  # fmt: skip
    live = {"MONGO_URI": mongo_uri}
    done = project.mlflow_run(*given, environment=live)
    assert done.returncode == 0, done.stdout
    first = project.latest("load_newmongo")
    assert first.data.metrics["documents_kept"] == 0

    late = {"id": "SMP0015", "date": "2020-05-20", "energy_type": "active_sum"}
    mongo_database.daily.update_one(late, {"$set": {"12:00:00": 9.5}})
    mongo_database.daily.insert_one(late | {"date": "2020-05-29"} | {f"{hour:02d}:00:00": 1.0 for hour in range(24)})
    assert project.mlflow_run(*given, environment=live).returncode == 0
    assert project.latest("load_newmongo").info.run_id == first.info.run_id, "what was loaded last stands"

    done = project.mlflow_run(*given, "load_new=true", environment=live)
    assert done.returncode == 0, done.stdout
    second = project.latest("load_newmongo").data.metrics
    assert second["documents_new"] == 1
    assert second["documents_kept"] > 200
    assert second["documents_written"] == first.data.metrics["documents_written"] + 1
    table = pd.read_csv(project.artifacts(project.latest("load_newmongo")) / "dataset" / "newmongo.csv")
    changed = table.query("id == 'SMP0015' and date == '2020-05-20' and energy_type == 'active_sum'")
    assert changed["12:00:00"].tolist() == [9.5]


def test_customers_on_a_web_server_are_cleaned_with_corrections_and_a_report(project, tmp_path):
    (tmp_path / "corrections.csv").write_text(
        "meter,rule,from,to,factor,reason\nCliente 1,scale,,,2,the transformer ratio was forgotten\n"
    )
    with serve(ROOT / "customers") as web:
        done = project.mlflow_run(
            f"customers_folder={web.url}",
            f"corrections_csv={tmp_path / 'corrections.csv'}",
            "like_days=true",
            entry_point="etl_customers",
            environment={"LOADPROFILES_CACHE": str(tmp_path / "cache")},
        )
        assert done.returncode == 0, done.stdout
        run = project.latest("etl_customers")
        assert run.data.params["customers_folder"] == web.url
    artifacts = project.artifacts(run)
    assert "the transformer ratio was forgotten" in (artifacts / "vee_report.html").read_text()
    assert "Cliente 1,scale,,,2.0,the transformer ratio" in (artifacts / "corrections.csv").read_text()
    readings = read_readings(readings_of(project, "etl_customers"))
    first = readings[readings["meter_id"] == "Cliente 1"].iloc[0]
    assert first["energy_kwh"] == pytest.approx(2 * first["energy_kwh_raw"])
    assert first["quality"] == "edited_scale"


def test_a_misspelt_model_is_refused_before_anything_runs(project):
    done = project.mlflow_run("model=kmeens")
    assert done.returncode != 0
    assert "'kmeens' is not one of 'kmeans', 'kmedoids'" in done.stdout
    assert not project.runs("attributes.status = 'RUNNING'")


def test_a_failing_step_fails_the_parent_with_one_clear_line(project):
    done = project.mlflow_run(*ONE_SOURCE, "sql_folder=nowhere/")
    assert done.returncode != 0
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Error: step ")]
    assert "etl_sql" in line
    assert "nowhere: no such folder" in line
    assert "Traceback" not in done.stdout
    parent = project.latest("pipeline")
    assert parent.info.status == "FAILED"
    assert "nowhere: no such folder" in parent.data.tags["error"]
    assert not project.runs("attributes.status = 'RUNNING'")


def test_a_source_without_one_readable_file_is_named_and_the_other_steps_are_stopped(project):
    contents = {file: file.read_text() for file in (project.folder / "customers").glob("*.csv")}
    for file, content in contents.items():
        file.write_text(content.replace("Active_energy", "Aktive", 1))
    try:
        done = project.mlflow_run()
    finally:
        for file, content in contents.items():
            file.write_text(content)
    assert done.returncode != 0
    assert "DATOSCLIENTE1.csv: column 'Active_energy' is missing; found: Fecha, Aktive" in done.stdout
    assert "8 files of customers were rejected, none gave a meter" in done.stdout
    assert project.latest("pipeline").info.status == "FAILED"
    assert not project.runs("attributes.status = 'RUNNING'")


@pytest.mark.skipif(shutil.which("ps") is None, reason="ps is not installed (Debian: procps)")
@pytest.mark.parametrize("to_all", [True, False], ids=["the terminal interrupts all", "only mlflow is interrupted"])
def test_an_interruption_leaves_no_running_run_and_no_process(project, to_all):
    known = {run.info.run_id for run in project.runs()} if (project.folder / "mlflow.db").exists() else set()

    def etl_is_running():
        started = [r for r in project.runs("tags.step = 'etl_sql'") if r.info.run_id not in known]
        return bool(started)

    process = project.start("mlflow", "run", ".", "--env-manager=local", "-P", "number_of_clusters=3")
    wait_for(lambda: (project.folder / "mlflow.db").exists() and etl_is_running())
    if to_all:
        os.killpg(process.pid, signal.SIGINT)
    else:
        os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode != 0
    wait_for(lambda: not processes_of(process.pid), 30)
    assert not project.runs("attributes.status = 'RUNNING'")
    assert project.latest("pipeline").info.status in ("KILLED", "FAILED")


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real data of ../shared/data is not there")
class TestOnRealData:
    def test_the_real_customers_run_through(self, project):
        done = project.mlflow_run(
            f"customers_folder={SHARED / 'electrodunas'}", "oldmongo_folder=", "sql_folder=", "newmongo_folder=",
            "timezone=America/Lima", "number_of_clusters=12", "forecast_model=profile",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert "etl_customers: 18 meters, 277021 rows read, 0 dropped" in done.stdout
        assert "the sheet of sectors lists 12 meters without data here" in done.stdout
        metrics = project.latest("pipeline").data.metrics
        assert metrics["profiles"] == 11535
        assert metrics["Silhouette Score"] > 0.15
        assert metrics["clusters"] == 12
        assert metrics["origins_backtested"] == 18 * 28
        assert metrics["ratio_to_seasonal_naive"] < 0.85
        assert 0.89 < metrics["coverage_90"] < 0.92

    def test_the_real_old_meter_runs_through_with_its_changes_of_scale(self, project):
        done = project.mlflow_run(
            f"oldmongo_folder={SHARED / 'asm/oldmongo'}",
            f"smart_meter_description_csv={SHARED / 'asm/smart_meter_description.csv'}",
            "customers_folder=", "sql_folder=", "newmongo_folder=", "timezone=Europe/Rome", "number_of_clusters=4",
            "forecast_model=",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        findings = pd.read_csv(project.artifacts(project.latest("etl_oldmongo")) / "findings.csv")
        changes = findings[findings["kind"] == "scale_change"].set_index("from_utc")["factor"].to_dict()
        assert changes == {"2019-04-29 13:00:00+00:00": 10.0, "2019-05-14 10:00:00+00:00": 1000.0}
        assert "the description lists 53 meters without data here" in done.stdout
        readings = read_readings(readings_of(project, "etl_oldmongo"))
        assert readings["energy_kwh"].between(-10.8 / 4, 40 / 4).sum() == readings["energy_kwh"].notna().sum()
