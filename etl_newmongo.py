"""ETL of the new MongoDB's documents, as load_newmongo wrote them: VEE, daily load profiles."""

import click

from loadprofiles import cli


@click.command(help=__doc__)
@cli.boolean_option("load_new", "true", "False: hand on the out_csv that an earlier run left, if it is there.")
@cli.path_option("mongo_csv", "newmongo.csv", "Table that load_newmongo wrote.")
@cli.etl
@cli.out_csv("clean_newmongo.csv")
def main(**params: object) -> None:
    """Check the parameters, then run the step."""
    from loadprofiles.etl import etl_newmongo  # heavy imports: only once the parameters are right

    cli.run_step("etl_newmongo", etl_newmongo, params)


if __name__ == "__main__":
    main()
