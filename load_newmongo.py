"""The new MongoDB's documents into one table: from the live database when MONGO_URI is set, else an export."""

import click

from loadprofiles import cli


@click.command(help=__doc__)
@cli.path_option("newmongo_folder", "newmongo/", "Folder of mongoexport's .jsonl, .json or .csv files.")
@cli.live_mongo
@cli.path_option(
    "previous_csv", "", "Table of an earlier load to add to; empty: out_csv, if it is there.", optional=True
)
@cli.out_csv("newmongo.csv")
def main(**params: object) -> None:
    """Check the parameters, then run the step."""
    from loadprofiles.loading import load_newmongo  # heavy imports: only once the parameters are right

    cli.run_step("load_newmongo", load_newmongo, params)


if __name__ == "__main__":
    main()
