"""The chain: ETL of every source side by side, harmonization with the DTW matrix, clustering, forecasts.

Each step is an entry point of MLproject, too; a source whose folder is left empty (`-P sql_folder=`) is left out.
"""

import click

from loadprofiles import cli, workers
from loadprofiles.step import Step, same

KNOWN = ("smart_meter_description_csv", "corrections_csv")
OF_METERS = ("smart_meter_description_csv", "customers_folder", "customers_layout")
ETL = same(*KNOWN, "like_days", "resolution", "timezone", "jobs", "dask_scheduler")
LIVE_SQL = same("sql_table", "sql_columns", "sql_meters", "sql_from", "sql_to")
LIVE_MONGO = same("mongo_database", "mongo_collection", "correction_days")
RUN = ("jobs", "dask_scheduler")
SOURCES = ("sql", "oldmongo", "newmongo", "customers")
CLEAN = {f"{source}_csv": f"clean_{source}_csv" for source in SOURCES}
READINGS = {f"{source}_readings": f"etl_{source}.readings" for source in SOURCES}

FORECASTING = {name: cli.FORECASTING_IN_CHAIN.get(name, name) for name in cli.names_of(cli.forecasting)}

# fmt: off
DATA = (
    #    step             hands on               its parameters
    Step("etl_oldmongo",  "clean_oldmongo_csv",  {"mongo_folder": "oldmongo_folder"} | ETL,
         files=("mongo_folder", *KNOWN),           source="oldmongo_folder",  also=("readings",)),
    Step("etl_sql",       "clean_sql_csv",       same("sql_folder") | LIVE_SQL | ETL,
         files=("sql_folder", *KNOWN),             source="sql_folder",       also=("readings",), live="SQL_URL"),
    Step("load_newmongo", "dataset_csv",         same("newmongo_folder") | LIVE_MONGO,
         files=("newmongo_folder",),               source="newmongo_folder",  live="MONGO_URI",
         out_csv="newmongo.csv", resumes="previous_csv"),
    Step("etl_newmongo",  "clean_newmongo_csv",  ETL,
         files=KNOWN,                              source="newmongo_folder",  also=("readings",),
         inputs={"mongo_csv": "dataset_csv"}),
    Step("etl_customers", "clean_customers_csv", same("customers_folder", "customers_layout") | ETL,
         files=("customers_folder", "customers_layout", *KNOWN), source="customers_folder", also=("readings",)),
    Step("harmonization", "harmonized_csv",      same("compute_dtw", "dtw_path", "radius", "jobs", "dask_scheduler"),
         inputs=CLEAN | READINGS,                                             also=("readings",)),
)
"""Up to the harmonized table."""

CHAIN = (
    *DATA,
    Step("clustering",    "",                    same("dtw_path", "jobs", *OF_METERS, *cli.names_of(cli.clustering)),
         files=("dtw_path", *OF_METERS),           inputs={"in_csv": "harmonized_csv"},              shown=True),
    Step("forecasting",   "",                    same("timezone", "weather_csv", *RUN, *OF_METERS) | FORECASTING,
         files=("weather_csv", *OF_METERS),        source="forecast_model",   also=("forecasts", "backtest"),
         inputs={"in_csv": "harmonized_csv", "readings": "harmonization.readings"},                  shown=True),
)
# fmt: on


@click.command(help=__doc__)
@cli.chain
@cli.clustering
@cli.forecasting_in_chain
@cli.weather_csv
@cli.boolean_option("ignore_previous_runs", "true", "Run every step, even where an earlier run could be reused.")
def main(**params: object) -> None:
    """Check the parameters, then run the chain."""
    workers.warm_up()
    from loadprofiles.chain import run_pipeline  # imports mlflow: only once the parameters are right

    cli.run_guarded(lambda: run_pipeline(CHAIN, params))


if __name__ == "__main__":
    main()
