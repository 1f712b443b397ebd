"""ETL of the old MongoDB's dumps: registers to readings, VEE, daily load profiles."""

import click

from loadprofiles import cli


@click.command(help=__doc__)
@cli.path_option("mongo_folder", "oldmongo/", "Folder of the dumps: csv/<meter>.csv, BSON or JSON lines.")
@cli.etl
@cli.out_csv("clean_oldmongo.csv")
def main(**params: object) -> None:
    """Check the parameters, then run the step."""
    from loadprofiles.etl import etl_oldmongo  # heavy imports: only once the parameters are right

    cli.run_step("etl_oldmongo", etl_oldmongo, params)


if __name__ == "__main__":
    main()
