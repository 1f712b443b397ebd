"""The whole chain in a copy of the project: what it leaves in MLflow, of samples by `mlflow run`, and of real data."""

import pandas as pd
import pytest

from loadprofiles.readings import list_meters, read_readings
from tests.chains import STEPS, readings_of
from tests.project import ROOT, Project, copy_project
from tests.results import EXPERIMENT, OUTPUT

SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture
def project(sample_results) -> Project:
    return sample_results


class TestOnTheSamples:
    def test_the_earlier_pipelines_call_works_verbatim(self, project):
        experiment = project.client.get_experiment_by_name(EXPERIMENT)
        assert project.latest("pipeline").info.experiment_id == experiment.experiment_id
        assert project.latest("clustering").info.run_name == "kmeans euclidean k=12"

    def test_every_step_is_a_finished_child_of_one_finished_parent(self, project):
        parent = project.latest("pipeline")
        children = project.runs(f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
        assert parent.info.status == "FINISHED"
        assert {child.data.tags["step"] for child in children} == STEPS
        assert {child.info.status for child in children} == {"FINISHED"}

    def test_the_parent_has_the_numbers_of_clusters_forecasts_and_alerts_to_compare_runs_by(self, project):
        parent, clustering = project.latest("pipeline"), project.latest("clustering")
        others = project.latest("forecasting").data.metrics | project.latest("anomalies").data.metrics
        assert parent.data.metrics == clustering.data.metrics | others
        assert {"Silhouette Score", "Silhouette DTW", "DB Index", "Peak Match Score"} <= set(parent.data.metrics)
        assert clustering.info.run_name == f"kmeans euclidean k={clustering.data.params['k']}"

    def test_it_ends_with_judged_days_and_the_alerts_of_a_database(self, project):
        folder = project.artifacts(project.latest("anomalies"))
        days = pd.read_parquet(folder / "judged_days/judged_days.parquet")
        alerts = pd.read_parquet(folder / "alerts/alerts.parquet")
        assert days["threshold"].notna().any()
        assert alerts["reasons"].str.len().gt(0).all()
        assert (project.folder / "alerts.db").is_file()

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
        figures = ("clusterCenters.png", "clusterCentersHighRes.png", "clusterPie.png")
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

    def test_the_customer_delivered_twice_is_named(self, project):
        assert "Cliente 3 and Cliente 6 are identical on" in (project.folder / OUTPUT).read_text()

    def test_meters_of_the_lists_without_files_are_named(self, project):
        named = "etl_customers: the sheet of sectors lists 2 meters without data here: Cliente 10, Cliente 5"
        assert named in (project.folder / OUTPUT).read_text()

    def test_no_table_is_left_in_the_project_folder(self, project):
        assert not list(project.folder.glob("clean_*.csv"))
        assert not (project.folder / "harmonized.csv").exists()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real data of ../shared/data is not there")
class TestOnRealData:
    def test_the_real_customers_run_through(self, tmp_path):
        project = copy_project(tmp_path)
        done = project.script(
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

    def test_the_real_old_meter_runs_through_with_its_changes_of_scale(self, tmp_path):
        project = copy_project(tmp_path)
        done = project.script(
            f"oldmongo_folder={SHARED / 'asm/oldmongo'}",
            f"smart_meter_description_csv={SHARED / 'asm/smart_meter_description.csv'}",
            "customers_folder=", "sql_folder=", "newmongo_folder=", "timezone=Europe/Rome", "number_of_clusters=4",
            "forecast_model=", "detector=", "compute_dtw=false",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        findings = pd.read_csv(project.artifacts(project.latest("etl_oldmongo")) / "findings.csv")
        changes = findings[findings["kind"] == "scale_change"].set_index("from_utc")["factor"].to_dict()
        assert changes == {"2019-04-29 13:00:00+00:00": 10.0, "2019-05-14 10:00:00+00:00": 1000.0}
        assert "the description lists 53 meters without data here" in done.stdout
        readings = read_readings(readings_of(project, "etl_oldmongo"))
        assert readings["energy_kwh"].between(-10.8 / 4, 40 / 4).sum() == readings["energy_kwh"].notna().sum()
