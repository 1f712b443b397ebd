"""The chain: ETL of every source side by side, harmonization with the DTW matrix, clustering, forecasts, alerts.

Each step is an entry point of MLproject, too; a source whose folder is left empty (`-P sql_folder=`) is left out.
"""

import click

from loadprofiles import cli, workers
from loadprofiles.anomalies import options
from loadprofiles.steps import CHAIN


@click.command(help=__doc__)
@cli.chain
@cli.clustering
@cli.forecasting_in_chain
@cli.weather_csv
@options.anomalies_in_chain
@cli.boolean_option("ignore_previous_runs", "true", "Run every step, even where an earlier run could be reused.")
def main(**params: object) -> None:
    """Check the parameters, then run the chain."""
    workers.warm_up()
    from loadprofiles.chain import run_pipeline  # imports mlflow: only once the parameters are right

    cli.run_guarded(lambda: run_pipeline(CHAIN, params))


if __name__ == "__main__":
    main()
