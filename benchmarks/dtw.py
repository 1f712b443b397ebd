"""The DTW engine beside other libraries and beside what the processor can do at best, and its matrix on disk.

Each command prints a table and its bars, and ends with status 1 if a bar is missed.

    python -m benchmarks.dtw peers --threads 2
    python -m benchmarks.dtw floor --threads 2
    python -m benchmarks.dtw store --threads 2
"""

import click

from benchmarks.dtw_floor import floor
from benchmarks.dtw_peers import peers
from benchmarks.dtw_store import store


@click.group(help=__doc__)
def main() -> None:
    """The commands below."""


# one module a command: benchmarks/dtw_<command>.py
for _command in (peers, floor, store):
    main.add_command(_command)


if __name__ == "__main__":
    main()
