"""What the tests of the models share: days of three clear shapes, days of none, and every model with each metric."""

import numpy as np
import pytest

from loadprofiles.choices import MODEL_METRICS
from loadprofiles.clustering import ModelSettings, fit

CELLS = [(model, metric) for model, metrics in MODEL_METRICS.items() for metric in metrics]
ON_REPRESENTATIVES = ("kmeans", "kmedoids", "som", "kshape", "gmm")
"""Models of which a cluster is what is nearest to its representative."""

OWN_GROUPS = ("agglomerative", "hdbscan")
"""Models that find clusters otherwise, and representatives of them."""


def normalised(values):
    values = np.asarray(values, float)
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def noise(n, seed=0, points=24):
    return normalised(np.random.default_rng(seed).random((n, points)))


def three_shapes(n_each=12, seed=0):
    """A short peak at 07:00, a broad one at 12:30 and a slow rise until 20:00, and which is which.

    They differ at any shift too, up to half an hour of which each day has its own.
    """
    generator = np.random.default_rng(seed)
    truth = np.repeat([0, 1, 2], n_each)
    hours = np.arange(24) + generator.uniform(-0.5, 0.5, (truth.size, 1))
    shapes = [
        np.exp(-((hours - 7) ** 2) / 3),
        np.exp(-((hours - 12.5) ** 2) / 25),
        np.where(hours <= 20.6, np.maximum(0, hours - 6) / 14, 0),
    ]
    values = np.choose(truth[:, np.newaxis], shapes)
    return normalised(0.2 + values + 0.05 * generator.random(values.shape)), truth


def settings_of(model, metric, **options):
    """Of hdbscan with clusters of five and more."""
    return ModelSettings(model, metric, min_cluster_size=5 if model == "hdbscan" else 0, **options)


@pytest.fixture(scope="session")
def shapes():
    """Days (36, 24) of three shapes, in no order, and the shape of each."""
    profiles, truth = three_shapes()
    order = np.random.default_rng(1).permutation(truth.size)
    return profiles[order], truth[order]


@pytest.fixture(scope="session")
def found(shapes):
    """The clustering of `shapes` by every model with each metric."""
    # one start can end in one shape cut in two
    return {cell: fit(shapes[0], settings_of(*cell, n_init=5), 3) for cell in CELLS}
