"""Forecasts of the real customers: how wrong, how wide, how fast, and the same from a served model.

Each command prints a table and its bars, and ends with status 1 if a bar is missed.

    python -m benchmarks.forecasting day-ahead --jobs 2
    python -m benchmarks.forecasting published --jobs 2
    python -m benchmarks.forecasting reload
    python -m benchmarks.forecasting meters --jobs 2
"""

import click

from benchmarks.forecasting_day_ahead import day_ahead
from benchmarks.forecasting_meters import meters
from benchmarks.forecasting_published_bars import published
from benchmarks.forecasting_reload import reload


@click.group(help=__doc__)
def main() -> None:
    """The commands below."""


# one module a command
for _command in (day_ahead, published, reload, meters):
    main.add_command(_command)


if __name__ == "__main__":
    main()
