"""ETL of the SQL historian's text exports: VEE, daily load profiles."""

import click

from loadprofiles import cli


@click.command(help=__doc__)
@cli.path_option("sql_folder", "sql/", "Folder of the exports: <meter>.txt.")
@cli.description_csv
@cli.resolution
@cli.timezone
@cli.out_csv("clean_sql.csv")
def main(**params: object) -> None:
    """Check the parameters, then run the step."""
    from loadprofiles.etl import etl_sql  # heavy imports: only once the parameters are right

    cli.run_step("etl_sql", etl_sql, params)


if __name__ == "__main__":
    main()
