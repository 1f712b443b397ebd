"""Show the latest finished run of the chain on a page: alerts, consumption, customers, clusters, data quality."""

from typing import Any

import click

from loadprofiles import cli
from loadprofiles.dashboard import options


@click.command(help=__doc__)
@options.dashboard
def main(**params: Any) -> None:
    """Check the parameters, then serve until interrupted."""
    from loadprofiles.dashboard.run import run  # heavy imports: only once the parameters are right

    cli.run_guarded(lambda: run(**params))


if __name__ == "__main__":
    main()
