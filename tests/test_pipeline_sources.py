"""The chain in a copy of the project: live and remote sources, failures, interruptions."""

import os
import shutil
import signal

import pandas as pd
import pytest
import sqlalchemy as sa
from bson import json_util

from loadprofiles.readings import read_readings
from tests.chains import readings_of
from tests.project import ROOT, Project, copy_project, processes_of, wait_for
from tests.sources.web import serve

ONE_SOURCE = (
    "oldmongo_folder=", "newmongo_folder=", "customers_folder=", "number_of_clusters=3", "forecast_model=", "detector=",
)  # fmt: skip


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    return copy_project(tmp_path_factory.mktemp("project"))


def test_a_live_historian_is_read_with_the_columns_meters_and_days_asked_for(project, tmp_path):
    url = f"sqlite:///{tmp_path / 'historian.db'}"
    rows = pd.read_csv(ROOT / "sql" / "SMP0009.txt", header=None).iloc[:, :3].set_axis(["ts", "tag", "value"], axis=1)
    with sa.create_engine(url).begin() as connection:
        rows.to_sql("energies", connection, index=False)
    given = (
        "sql_folder=no exports", "sql_table=energies", "sql_columns=timestamp=ts,tagname=tag,energy=value",
        "sql_meters=SMP0009", "sql_from=2019-06-04", "sql_to=2019-06-05",
    )  # fmt: skip
    done = project.here(*given, entry_point="etl_sql", environment={"SQL_URL": url})
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
             "number_of_clusters=3", "compute_dtw=false", "forecast_model=", "detector=")  # fmt: skip
    live = {"MONGO_URI": mongo_uri}
    done = project.here(*given, environment=live)
    assert done.returncode == 0, done.stdout
    first = project.latest("load_newmongo")
    assert first.data.metrics["documents_kept"] == 0

    late = {"id": "SMP0015", "date": "2020-05-20", "energy_type": "active_sum"}
    mongo_database.daily.update_one(late, {"$set": {"12:00:00": 9.5}})
    mongo_database.daily.insert_one(late | {"date": "2020-05-29"} | {f"{hour:02d}:00:00": 1.0 for hour in range(24)})
    done = project.here(*given, "load_new=true", environment=live)
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
        done = project.here(
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
    done = project.script("model=kmeens")
    assert done.returncode != 0
    assert "'kmeens' is not one of 'kmeans', 'kmedoids'" in done.stdout
    assert not project.runs("attributes.status = 'RUNNING'")


def test_a_failing_step_fails_the_parent_with_one_clear_line(project):
    done = project.script(*ONE_SOURCE, "sql_folder=nowhere/")
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
        done = project.here()
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
