"""The chain: ETL of every source side by side, harmonization with the DTW matrix, clustering, forecasts.

Each step is an entry point of MLproject, too; a source whose folder is left empty (`-P sql_folder=`) is left out.
"""

import click

from loadprofiles import cli, workers
from loadprofiles.step import Step, same

KNOWN = ("smart_meter_description_csv", "corrections_csv")
OF_METERS = ("smart_meter_description_csv", "customers_folder", "customers_layout")
ETL, LIVE_SQL, CLUSTERING = (cli.names_of(options) for options in (cli.etl, cli.live_sql, cli.clustering))
SOURCES = ("sql", "oldmongo", "newmongo", "customers")
CLEAN = {f"{source}_csv": f"clean_{source}_csv" for source in SOURCES}
READINGS = {f"{source}_readings": f"etl_{source}.readings" for source in SOURCES}
# fmt: off
DATA = (  # up to the harmonized table
    #    step             hands on               its parameters
    Step("etl_oldmongo",  "clean_oldmongo_csv",  {"mongo_folder": "oldmongo_folder"} | same(*ETL),
         files=("mongo_folder", *KNOWN),           source="oldmongo_folder",  also=("readings",)),
    Step("etl_sql",       "clean_sql_csv",       same("sql_folder", *LIVE_SQL, *ETL),
         files=("sql_folder", *KNOWN),             source="sql_folder",       also=("readings",), live="SQL_URL"),
    Step("load_newmongo", "dataset_csv",         same("newmongo_folder", *cli.names_of(cli.live_mongo)),
         files=("newmongo_folder",), source="newmongo_folder", live="MONGO_URI", resumes="previous_csv",
         out_csv="newmongo.csv"),
    Step("etl_newmongo",  "clean_newmongo_csv",  same(*ETL),
         files=KNOWN, inputs={"mongo_csv": "dataset_csv"}, source="newmongo_folder", also=("readings",)),
    Step("etl_customers", "clean_customers_csv", same("customers_folder", "customers_layout", *ETL),
         files=("customers_folder", "customers_layout", *KNOWN), source="customers_folder", also=("readings",)),
    Step("harmonization", "harmonized_csv",      same("compute_dtw", "dtw_path", "radius", "jobs", "dask_scheduler"),
         inputs=CLEAN | READINGS,                                                     also=("readings",)),
)
CHAIN = (
    *DATA,
    Step("clustering",    "",                    same("dtw_path", "jobs", *OF_METERS, *CLUSTERING),
         files=("dtw_path", *OF_METERS),           inputs={"in_csv": "harmonized_csv"},              shown=True),
    Step("forecasting",   "",                    same("timezone", *OF_METERS) | cli.FORECASTING_IN_CHAIN,
         files=("weather_csv", *OF_METERS),        source="forecast_model",  also=("forecasts", "backtest"), shown=True,
         inputs={"in_csv": "harmonized_csv", "readings": "harmonization.readings"}),
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
