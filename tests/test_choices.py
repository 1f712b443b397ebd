"""What can be chosen goes together, or an error says what does."""

import subprocess
import sys

import pytest

from loadprofiles import choices
from loadprofiles.choices import MODEL_METRICS, Grid, check_model
from loadprofiles.errors import ParameterError


@pytest.mark.parametrize("model", MODEL_METRICS)
def test_every_model_works_with_its_metrics(model):
    for metric in MODEL_METRICS[model]:
        check_model(model, metric)


def test_names_of_models_are_names_of_models():
    assert tuple(MODEL_METRICS) == choices.MODELS
    assert {*choices.MODELS_ON_PAIRS, choices.MODEL_WITHOUT_K} <= set(choices.MODELS)
    assert {metric for metrics in MODEL_METRICS.values() for metric in metrics} == set(choices.DISTANCE_METRICS)


def test_a_number_of_clusters_is_for_models_that_take_one():
    check_model("kmeans", "dtw", 5)
    check_model("hdbscan", "dtw", 0)
    check_model("som", "euclidean", 6, Grid(2, 3))
    check_model("som", "euclidean", 0, Grid(2, 3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("kmedioids", "dtw"), "model is 'kmedioids'; it must be one of kmeans, kmedoids, agglomerative, som, kshape,"),
        (("kmeans", "euclidian"), "distance_metric is 'euclidian'; of kmeans it must be euclidean or dtw$"),
        (("gmm", "dtw"), "distance_metric is 'dtw'; of gmm it must be euclidean$"),
        (("hdbscan", "dtw", 4), "number_of_clusters is 4, but hdbscan finds the number itself: leave it at 0"),
        (("kmeans", "dtw", 6, Grid(2, 3)), "som_grid is given, but model is kmeans; leave it empty"),
        (
            ("som", "euclidean", 5, Grid(2, 3)),
            "som_grid 2x3 has 6 neurons, but number_of_clusters is 5; leave one of them out",
        ),
    ],
)
def test_what_does_not_go_together_is_named(arguments, message):
    with pytest.raises(ParameterError, match=message):
        check_model(*arguments)


def test_a_grid_has_a_size_and_reads_as_it_is_written():
    assert str(Grid(2, 3)) == "2x3"
    assert Grid(2, 3).size == 6


def test_names_are_light_to_import():
    """They are imported for an option's help."""
    heavy = {"numpy", "sklearn", "numba", "mlflow", "pandas"}
    code = f"import sys, loadprofiles.choices; print(sorted({heavy!r} & set(sys.modules)))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
