"""What tests of the whole chain share: the names of its steps, and fewer samples where all would just take longer."""

from tests.project import Project

STEPS = {
    "etl_oldmongo", "etl_sql", "load_newmongo", "etl_newmongo", "etl_customers", "harmonization", "clustering",
    "forecasting", "anomalies",
}  # fmt: skip
ONE_OF_EACH_SOURCE = {"SMP0001.csv", "SMP0009.txt", "SMP0015.jsonl", "DATOSCLIENTE1.csv"}


def leave_one_meter_of_each_source(project: Project) -> None:
    """Remove the samples of the other meters; the sheet of the customers' sectors stays."""
    for folder in ("oldmongo/csv", "sql", "newmongo", "customers"):
        for file in (project.folder / folder).iterdir():
            if file.name not in ONE_OF_EACH_SOURCE and file.suffix != ".xlsx":
                file.unlink()


def readings_of(project, step):
    """The folder of readings that the latest run of a step hands on."""
    run = project.latest(step)
    assert run.data.tags["readings_csv"] == f"{run.info.artifact_uri}/readings/readings.parquet"
    return project.artifacts(run) / "readings/readings.parquet"
