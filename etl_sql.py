"""ETL of the SQL historian, live when SQL_URL is set, else its text exports: VEE, daily load profiles."""

import click

from loadprofiles import cli


@click.command(help=__doc__)
@cli.path_option("sql_folder", "sql/", "Folder of the exports: <meter>.txt.")
@cli.live_sql
@cli.etl
@cli.out_csv("clean_sql.csv")
def main(**params: object) -> None:
    """Check the parameters, then run the step."""
    from loadprofiles.etl import etl_sql  # heavy imports: only once the parameters are right

    cli.run_step("etl_sql", etl_sql, params)


if __name__ == "__main__":
    main()
