"""Anomalies: thefts and faults put into the real customers' days, and seconds for a thousand meters.

Each command prints its figures and bars, and ends with status 1 if a bar is missed.

    python -m benchmarks.anomalies thefts --jobs 2
    python -m benchmarks.anomalies meters --jobs 2
"""

import click

from benchmarks.anomalies_meters import meters
from benchmarks.anomalies_thefts import thefts


@click.group(help=__doc__)
def main() -> None:
    """The commands below."""


for _command in (thefts, meters):
    main.add_command(_command)


if __name__ == "__main__":
    main()
