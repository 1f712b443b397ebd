"""Cluster the harmonized profiles; indices, tables and figures of the result, and the model to be served."""

import click

from loadprofiles import cli


@click.command(help=__doc__)
@cli.path_option("in_csv", "harmonized.csv", "Harmonized table.")
@cli.dtw_path
@cli.clustering
@cli.description_csv
@cli.path_option("customers_folder", "", "Folder with the sheet of the customers' sectors; empty: none.", optional=True)
@cli.customers_layout
@cli.jobs
def main(**params: object) -> None:
    """Check the parameters, then run the step."""
    from loadprofiles.clustering.step import cluster  # heavy imports: only once the parameters are right

    cli.run_step("clustering", cluster, params)


if __name__ == "__main__":
    main()
