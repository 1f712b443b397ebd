"""Score every meter's days, and bring alerts with their reasons into the alert database."""

import click

from loadprofiles import cli
from loadprofiles.anomalies import options


@click.command(help=__doc__)
@cli.path_option("in_csv", "harmonized.csv", "Harmonized table; empty: the readings are all there is.", optional=True)
@cli.path_option("readings", "", "Readings of its meters, incomplete days and all; empty: none.", optional=True)
@cli.path_option("backtest", "", "Backtest of the forecasts, to tell how far days kept to them.", optional=True)
@cli.timezone
@options.anomalies
@cli.description_csv
@cli.path_option("customers_folder", "", "Folder with the sheet of the customers' sectors; empty: none.", optional=True)
@cli.customers_layout
@cli.jobs
@cli.dask_scheduler
def main(**params: object) -> None:
    """Check the parameters, then run the step."""
    from loadprofiles.anomalies.step import find_anomalies  # heavy imports: only once the parameters are right

    cli.run_step("anomalies", find_anomalies, params)


if __name__ == "__main__":
    main()
