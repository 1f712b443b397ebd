import numpy as np
import pandas as pd
import pytest

from loadprofiles.clustering.step import cluster
from loadprofiles.distances.generations import MatrixParameters
from loadprofiles.distances.update import update_matrix
from loadprofiles.errors import ParameterError, StaleMatrixError
from loadprofiles.profiles import normalise, step_columns

MATRIX = MatrixParameters(1, "l2", 24, 60)


@pytest.fixture
def table(tmp_path):
    """Thirty days of three shapes, and the harmonized file of them."""
    random = np.random.default_rng(1)
    hours = np.arange(24)
    shapes = [np.exp(-((hours - peak) ** 2) / 8) for peak in (4, 12, 20)]
    values = np.array(
        [shape * random.uniform(1, 3) + random.uniform(0, 0.05, 24) for shape in shapes for _ in range(10)]
    )
    frame = pd.DataFrame(values, columns=step_columns(60))
    frame.insert(0, "id", np.repeat(["A", "B", "C"], 10))
    frame.insert(1, "date", [f"2024-01-{day + 1:02d}" for _ in range(3) for day in range(10)])
    path = tmp_path / "harmonized.csv"
    frame.to_csv(path, index=False)
    return path, values


def run(table, tmp_path, model="kmeans", distance_metric="euclidean", k=3):
    return cluster(table[0], model, distance_metric, k, tmp_path / "dtw", 1, tmp_path)


def with_matrix(table, tmp_path):
    update_matrix(tmp_path / "dtw", MATRIX, normalise(table[1]))


@pytest.mark.parametrize("distance_metric", ["euclidean", "dtw"])
@pytest.mark.parametrize("model", ["kmeans", "kmedoids"])
def test_every_model_and_distance_finds_the_three_shapes(table, tmp_path, model, distance_metric):
    with_matrix(table, tmp_path)
    result = run(table, tmp_path, model, distance_metric)
    assignments = pd.read_parquet(tmp_path / "assignments.parquet")
    assert assignments.groupby("id")["cluster_name"].unique().map(list).to_dict() == {
        "A": ["night peak"], "B": ["midday peak"], "C": ["evening peak"],
    }  # fmt: skip
    assert result.run_name == f"{model} {distance_metric} k=3"
    assert result.metrics["Silhouette DTW"] > 0.8
    representatives = pd.read_parquet(tmp_path / "representatives.parquet")
    assert representatives["size"].tolist() == [10, 10, 10]
    assert {path.name for path in result.files} == {
        "assignments.parquet", "representatives.parquet", "clusterCenters.png", "clusterCentersHighRes.png",
        "clusterPie.png",
    }  # fmt: skip


def test_zero_clusters_means_chosen_and_the_curve_is_kept(table, tmp_path):
    result = run(table, tmp_path, k=0)
    curve = pd.read_csv(tmp_path / "k_curve.csv")
    assert result.params["k"] == curve["k"][curve["silhouette"].argmax()] == 3
    assert (tmp_path / "kCurve.png").is_file()


def test_without_a_matrix_euclidean_runs_and_says_what_is_left_out_and_the_command(table, tmp_path):
    result = run(table, tmp_path)
    assert "Silhouette DTW" not in result.metrics
    assert result.notes[0].startswith("Silhouette DTW is left out: there is no DTW matrix of radius 1, 24 points")
    assert "mlflow run . -e harmonization" in result.notes[0]


def test_the_matrix_of_very_many_profiles_is_not_loaded_for_an_index(table, tmp_path, monkeypatch):
    with_matrix(table, tmp_path)
    monkeypatch.setattr("loadprofiles.clustering.step.MAX_OPTIONAL_MATRIX", 29)
    result = run(table, tmp_path)
    assert result.notes[0] == "Silhouette DTW is left out: 30 profiles are more than 29"


def test_a_stale_matrix_is_refused_where_the_model_needs_it(table, tmp_path):
    other = normalise(np.random.default_rng(2).uniform(0, 1, (5, 24)))
    update_matrix(tmp_path / "dtw", MATRIX, other)
    with pytest.raises(StaleMatrixError, match="does not hold 30 of the 30 profiles"):
        run(table, tmp_path, "kmedoids", "dtw")


def test_more_clusters_than_profiles_are_refused(table, tmp_path):
    with pytest.raises(ParameterError, match="31"):
        run(table, tmp_path, k=31)
