"""The clean profiles of all sources into one table, and its DTW matrix."""

import click

from loadprofiles import cli


@click.command(help=__doc__)
@cli.path_option("sql_csv", "clean_sql.csv", "Clean profiles of this source; empty leaves it out.", optional=True)
@cli.path_option(
    "oldmongo_csv", "clean_oldmongo.csv", "Clean profiles of this source; empty leaves it out.", optional=True
)
@cli.path_option(
    "newmongo_csv", "clean_newmongo.csv", "Clean profiles of this source; empty leaves it out.", optional=True
)
@cli.path_option(
    "customers_csv",
    "clean_customers.csv",
    "Clean profiles of this source; empty leaves it out.",
    optional=True,
)
@cli.out_csv("harmonized.csv")
@cli.compute_dtw
@cli.dtw_path
@cli.radius
@cli.jobs
@cli.dask_scheduler
def main(**params: object) -> None:
    """Check the parameters, then run the step."""
    from loadprofiles.harmonization import harmonize  # heavy imports: only once the parameters are right

    cli.run_step("harmonization", harmonize, params)


if __name__ == "__main__":
    main()
