"""Cluster the harmonized profiles; indices, assignments and figures of the result."""

import click

from loadprofiles import cli


@click.command(help=__doc__)
@cli.path_option("in_csv", "harmonized.csv", "Harmonized table.")
@cli.model
@cli.distance_metric
@cli.number_of_clusters
@cli.dtw_path
@cli.radius
def main(**params: object) -> None:
    """Check the parameters, then run the step."""
    from loadprofiles.clustering.step import cluster  # heavy imports: only once the parameters are right

    cli.run_step("clustering", cluster, params)


if __name__ == "__main__":
    main()
