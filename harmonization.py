"""The clean profiles of all sources into one table, their readings into another, and the DTW matrix of the profiles."""

import click

from loadprofiles import cli

SOURCES = ("sql", "oldmongo", "newmongo", "customers")
PROFILES_HELP = "Clean profiles of this source; empty leaves it out."
READINGS_HELP = "Readings of this source, to be merged with those of the others; empty leaves them out."


@click.command(help=__doc__)
@cli.options(*(cli.path_option(f"{name}_csv", f"clean_{name}.csv", PROFILES_HELP, optional=True) for name in SOURCES))
@cli.options(*(cli.path_option(f"{name}_readings", "", READINGS_HELP, optional=True) for name in SOURCES))
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
