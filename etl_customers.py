"""ETL of the customers' hourly files: VEE, daily load profiles, sectors."""

import click

from loadprofiles import cli


@click.command(help=__doc__)
@cli.path_option("customers_folder", "customers/", "Folder of DATOSCLIENTE<n>.csv and the sheet of sectors.")
@cli.customers_layout
@cli.etl
@cli.out_csv("clean_customers.csv")
def main(**params: object) -> None:
    """Check the parameters, then run the step."""
    from loadprofiles.etl import etl_customers  # heavy imports: only once the parameters are right

    cli.run_step("etl_customers", etl_customers, params)


if __name__ == "__main__":
    main()
