"""Many clusterings of the same days, compared: models × distance metrics × numbers of clusters below one parent run."""

import click

from loadprofiles import cli, workers
from loadprofiles.steps import DATA


@click.command(help=__doc__)
@cli.path_option("in_csv", "", "Harmonized table to cluster; empty: run the chain first.", optional=True)
@cli.names_option("models", cli.MODELS, "kmeans,kmedoids,agglomerative,som", "Clustering models, with commas between.")
@cli.names_option("distance_metrics", cli.DISTANCE_METRICS, "euclidean,dtw", "Distance metrics, with commas between.")
@cli.options(cli.k_min, cli.k_max, cli.model_settings, cli.silhouette_dtw)
@cli.registered_model("")
@cli.model_alias
@cli.chain
@cli.boolean_option("ignore_previous_runs", "false", "Run everything, even where an earlier run could be taken over.")
def main(**params: object) -> None:
    """Check the parameters, then run the sweep."""
    if not params["in_csv"]:
        workers.warm_up()
    from loadprofiles.sweep import run_sweep  # imports mlflow: only once the parameters are right

    cli.run_guarded(lambda: run_sweep(DATA, params))


if __name__ == "__main__":
    main()
