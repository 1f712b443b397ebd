"""Forecast every meter with bands, judge the models by a backtest, and log what is to be served."""

import click

from loadprofiles import cli


@click.command(help=__doc__)
@cli.path_option("in_csv", "harmonized.csv", "Harmonized table.")
@cli.path_option("readings", "", "Readings of its meters, incomplete days and all; empty: none.", optional=True)
@cli.weather_csv
@cli.timezone
@cli.forecasting
@cli.description_csv
@cli.path_option("customers_folder", "", "Folder with the sheet of the customers' sectors; empty: none.", optional=True)
@cli.customers_layout
@cli.jobs
@cli.dask_scheduler
def main(**params: object) -> None:
    """Check the parameters, then run the step."""
    from loadprofiles.forecasting.step import forecast  # heavy imports: only once the parameters are right

    cli.run_step("forecasting", forecast, params)


if __name__ == "__main__":
    main()
