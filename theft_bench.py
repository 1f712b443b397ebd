"""Try the detectors on your own readings: put thefts and faults into them, and tell what is found, and how soon."""

import click

from loadprofiles import cli
from loadprofiles.anomalies import options


@click.command(help=__doc__)
@cli.path_option("readings", "readings.parquet", "Readings of the meters: harmonization's artifact.")
@options.theft_bench
@cli.seed
@cli.timezone
@cli.jobs
@cli.dask_scheduler
def main(**params: object) -> None:
    """Check the parameters, then run the bench."""
    from loadprofiles.anomalies.bench_step import run_bench  # heavy imports: only once the parameters are right

    cli.run_step("theft_bench", run_bench, params)


if __name__ == "__main__":
    main()
