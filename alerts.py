"""Send the digest of new alerts by mail and webhook, or say whether an alert was right."""

from typing import Any

import click

from loadprofiles import cli
from loadprofiles.anomalies import options


@click.command(help=__doc__)
@options.alerts
def main(**params: Any) -> None:
    """Check the parameters, then do it."""
    from loadprofiles.anomalies.digest import tell  # heavy imports: only once the parameters are right

    cli.run_guarded(lambda: tell(**params))


if __name__ == "__main__":
    main()
