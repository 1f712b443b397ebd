"""Clustering: every model reloaded where the project is not, and the speed of models, predictions and the sweep.

Each command prints a table and its bars, and ends with status 1 if a bar is missed.

    python -m benchmarks.clustering cells
    python -m benchmarks.clustering kmeans --threads 2
    python -m benchmarks.clustering fasterpam --threads 2
    python -m benchmarks.clustering million --threads 2
    python -m benchmarks.clustering prediction --threads 2
    python -m benchmarks.clustering sweep --jobs 2
    python -m benchmarks.clustering validity
"""

import click

from benchmarks.clustering_cells import cells
from benchmarks.clustering_fasterpam import fasterpam
from benchmarks.clustering_kmeans import kmeans
from benchmarks.clustering_million import million
from benchmarks.clustering_prediction import prediction
from benchmarks.clustering_sweep import sweep
from benchmarks.clustering_validity import validity


@click.group(help=__doc__)
def main() -> None:
    """The commands below."""


# one module a command: benchmarks/clustering_<command>.py
for _command in (cells, kmeans, fasterpam, million, prediction, sweep, validity):
    main.add_command(_command)


if __name__ == "__main__":
    main()
