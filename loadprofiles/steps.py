"""The chain's steps: what each takes, hands on, and depends on."""

from loadprofiles import cli
from loadprofiles.anomalies import options
from loadprofiles.step import Step, same

KNOWN = ("smart_meter_description_csv", "corrections_csv")
OF_METERS = ("smart_meter_description_csv", "customers_folder", "customers_layout")
ANOMALIES = cli.names_of(cli.options(options.anomalies, cli.jobs, cli.dask_scheduler))
ETL, LIVE_SQL, CLUSTERING = (cli.names_of(shared) for shared in (cli.etl, cli.live_sql, cli.clustering))
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
    Step("anomalies",     "",                    same("timezone", *OF_METERS, *ANOMALIES), also=("alerts", "scores"),
         files=OF_METERS,                          source="detector",                                     shown=True,
         inputs={"in_csv": "harmonized_csv", "readings": "harmonization.readings", "backtest": "forecasting.backtest"}),
)
# fmt: on
