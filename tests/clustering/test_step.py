import numpy as np
import pandas as pd
import pytest

from loadprofiles.choices import DISTANCE_METRICS, MODEL_METRICS, Grid
from loadprofiles.clustering import days as days_module
from loadprofiles.clustering import step
from loadprofiles.clustering.step import cluster
from loadprofiles.distances.generations import MatrixParameters
from loadprofiles.distances.update import update_matrix
from loadprofiles.errors import InputError, ParameterError, StaleMatrixError
from loadprofiles.normalisation import normalise
from loadprofiles.representatives import NO_CLUSTER, NO_CLUSTER_NAME
from loadprofiles.validity import DIRECTIONS
from tests.days import NAMES, energies, three_shapes, write

MATRIX = MatrixParameters(1, "l2", 24, 60)
DESCRIPTION = "id,Contractual power (kW),Production (kW),Type\n"
TABLES = {"assignments.parquet", "representatives.parquet", "cluster_shares.csv", "validity.csv"}
FIGURES = {
    "clusterCenters.png", "clusterCentersHighRes.png", "clusterPie.png", "clusterCalendar.png", "clusterShares.png",
    "silhouette.png", "clusters.html",
}  # fmt: skip
OWN_FIGURES = {"agglomerative": {"dendrogram.png"}, "som": {"somMap.png"}}
CELLS = [(model, metric) for model, metrics in MODEL_METRICS.items() for metric in metrics]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder with a harmonized table; figures are drawn coarsely, which is all that is faster than in earnest."""
    monkeypatch.setattr(step, "HIGH_RES_DPI", 40)
    write(three_shapes(), tmp_path / "harmonized.csv")
    return tmp_path


def run(place, model="kmeans", distance_metric="euclidean", k=3, *, description=None, customers=None, **more):
    """The step's result, its files in `place`."""
    given = {"model": model, "distance_metric": distance_metric, "number_of_clusters": k}
    return cluster(place / "harmonized.csv", place / "dtw", description, customers, None, 2, place, **given | more)


def with_matrix(place, table=None):
    table = three_shapes() if table is None else table
    update_matrix(place / "dtw", MATRIX, normalise(energies(table).to_numpy()))


def names_of_files(result):
    return {path.name for path in result.files}


@pytest.mark.parametrize(("model", "distance_metric"), CELLS)
def test_every_model_and_distance_finds_the_three_shapes(place, model, distance_metric):
    with_matrix(place)
    own = {"k": 0, "min_cluster_size": 5} if model == "hdbscan" else {}
    result = run(place, model, distance_metric, **own)

    assignments = pd.read_parquet(place / "assignments.parquet")
    assert assignments.columns.tolist() == ["id", "date", "cluster", "cluster_name", "distance"]
    assert assignments[["id", "date"]].equals(pd.read_csv(place / "harmonized.csv", dtype="str")[["id", "date"]])
    of_meter = assignments.groupby("id")[["cluster", "cluster_name"]].agg(lambda values: values.unique().tolist())
    assert of_meter["cluster_name"].to_dict() == {meter: [name] for meter, name in NAMES.items()}
    assert of_meter["cluster"].tolist() == [[0], [1], [2]]
    assert np.isfinite(assignments["distance"]).all()

    representatives = pd.read_parquet(place / "representatives.parquet")
    assert representatives.columns.tolist() == [
        "cluster", "cluster_name", "kind", "size", *energies(three_shapes()).columns,
    ]  # fmt: skip
    assert representatives["cluster_name"].tolist() == list(NAMES.values())
    assert representatives["size"].tolist() == [10, 10, 10]

    assert result.run_name == f"{model} {distance_metric} k=3"
    assert result.params == {"k": 3}
    assert result.tags == {"cluster_names": "night peak; midday peak; evening peak"}
    assert names_of_files(result) == TABLES | FIGURES | OWN_FIGURES.get(model, set())
    assert [note.rpartition(": silhouette")[0] or note for note in result.notes] == [
        f"{model} {distance_metric} k=3", "cluster 0: night peak, 10 profiles", "cluster 1: midday peak, 10 profiles",
        "cluster 2: evening peak, 10 profiles",
    ]  # fmt: skip
    assert set(DIRECTIONS) <= set(result.metrics)
    assert result.metrics["Silhouette Score"] > 0.9
    assert result.metrics["Silhouette DTW"] > 0.8
    counts = ("profiles", "clusters", "smallest_cluster", "median_cluster", "largest_cluster", "prediction_agreement")
    assert [result.metrics[name] for name in counts] == [30, 3, 10, 10, 10, 1]
    assert result.metrics["share_in_no_cluster"] == 0
    assert result.metrics["inertia"] > 0
    assert [(given.name, given.path) for given in result.inputs] == [("harmonized", place / "harmonized.csv")]


def test_validity_is_a_table_that_says_which_way_is_better(place):
    result = run(place)
    table = pd.read_csv(place / "validity.csv")
    assert table.columns.tolist() == ["index", "value", "better"]
    better = table.set_index("index")["better"]
    assert better[["DB Index", "CDI", "Silhouette Score", "Dunn"]].tolist() == ["lower", "lower", "higher", "higher"]
    values = table.set_index("index")["value"].to_dict()
    assert values == {name: pytest.approx(result.metrics[name]) for name in values}
    assert set(values) == set(DIRECTIONS) - {"Silhouette DTW"}, "no matrix was computed"


def test_days_in_no_cluster_are_told_of(place):
    table = three_shapes()
    odd = table.iloc[[0, 10]].assign(date=["2024-02-01", "2024-02-02"])
    odd[energies(odd).columns] = [[-1.0] * 24, [-1.0, 0.0] * 12]
    write(pd.concat([table, odd]), place / "harmonized.csv")
    result = run(place, "hdbscan", k=0, min_cluster_size=5)
    assert result.run_name == "hdbscan euclidean k=3"
    assignments = pd.read_parquet(place / "assignments.parquet")
    outside = assignments[assignments["cluster"] == NO_CLUSTER]
    assert outside["date"].tolist() == ["2024-02-01", "2024-02-02"]
    assert set(outside["cluster_name"]) == {NO_CLUSTER_NAME}
    assert result.notes[-1] == "in no cluster: 2 profiles"
    assert result.metrics["share_in_no_cluster"] == pytest.approx(2 / 32)
    assert pd.read_parquet(place / "representatives.parquet")["size"].tolist() == [10, 10, 10]
    shares = pd.read_csv(place / "cluster_shares.csv").query("name == 'A'")
    assert sorted(shares[["cluster", "days"]].to_numpy().tolist()) == [[-1, 1], [0, 10]]


@pytest.mark.parametrize(
    ("rule", "columns", "reason"),
    [
        ("silhouette", ["k", "silhouette"], "3 has the highest silhouette of 2 to 5, on at most 4000 days"),
        (
            "ranks",
            ["k", "silhouette", "DB Index", "Calinski-Harabasz", "Dunn", "MDI", "mean_rank"],
            "3 has the least mean rank by several indices of 2 to 5, on at most 4000 days",
        ),
    ],
)
def test_zero_clusters_means_chosen_and_the_curve_is_kept(place, rule, columns, reason):
    result = run(place, k=0, k_min=2, k_max=5, k_rule=rule)
    assert result.params["k"] == 3
    assert result.run_name == "kmeans euclidean k=3"
    curve = pd.read_csv(place / "k_curve.csv")
    assert curve.columns.tolist() == columns
    assert curve["k"].tolist() == [2, 3, 4, 5]
    best = curve["mean_rank"].idxmin() if rule == "ranks" else curve["silhouette"].idxmax()
    assert curve["k"][best] == 3
    assert {"k_curve.csv", "kCurve.png"} <= names_of_files(result)
    assert f"number_of_clusters=0: {reason}" in result.notes


def test_the_number_is_chosen_by_the_stored_matrix_where_the_metric_is_dtw(place):
    with_matrix(place)
    result = run(place, "kmedoids", "dtw", k=0, k_min=2, k_max=4)
    assert result.params["k"] == 3


def test_clusters_of_further_seeds_are_compared(place):
    result = run(place, stability_seeds=2)
    table = pd.read_csv(place / "stability.csv")
    assert table[["seed", "other_seed"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 2]]
    assert table["adjusted_rand"].tolist() == [1, 1, 1]
    assert result.metrics["stability_adjusted_rand"] == result.metrics["stability_least"] == 1
    assert "stability.csv" in names_of_files(result)
    assert "stability over 3 seeds: adjusted Rand index 1.000 on average, 1.000 at least" in result.notes


def test_a_grid_says_how_many_clusters_a_som_has_at_most(place):
    result = run(place, "som", k=0, som_grid=Grid(2, 2))
    assert result.run_name == "som euclidean k=4"
    assert result.metrics["clusters"] == len(pd.read_parquet(place / "representatives.parquet")) <= 4


def test_without_a_matrix_euclidean_runs_and_says_what_is_left_out_and_the_command(place):
    result = run(place)
    assert "Silhouette DTW" not in result.metrics
    assert result.notes[0].startswith("Silhouette DTW is left out: there is no DTW matrix of radius 1, 24 points")
    assert f"mlflow run . -e harmonization -P sql_csv={place / 'harmonized.csv'}" in result.notes[0]


def test_the_index_on_the_matrix_can_be_left_out_without_a_word(place):
    with_matrix(place)
    result = run(place, silhouette_dtw=False)
    assert "Silhouette DTW" not in result.metrics
    assert "Silhouette Score" in result.metrics
    assert not [note for note in result.notes if "DTW" in note]


def test_the_matrix_is_needed_by_a_model_on_dtw_whatever_the_index(place):
    with pytest.raises(InputError, match="there is no DTW matrix of radius 1"):
        run(place, "agglomerative", "dtw", silhouette_dtw=False)


def test_the_matrix_of_very_many_profiles_is_not_loaded_for_an_index(place, monkeypatch):
    with_matrix(place)
    monkeypatch.setattr(days_module, "MAX_PAIRS_PROFILES", 29)
    result = run(place)
    assert "Silhouette DTW" not in result.metrics
    assert result.notes[0] == "Silhouette DTW is left out: 30 profiles are more than 29"


@pytest.mark.parametrize("model", ["kmedoids", "agglomerative", "hdbscan"])
def test_very_many_profiles_are_clustered_by_samples_and_that_is_told(place, monkeypatch, model):
    monkeypatch.setattr(days_module, "MAX_PAIRS_PROFILES", 29)
    monkeypatch.setitem(days_module.SAMPLE_SIZES, model, 21)
    own = {"k": 0, "min_cluster_size": 3} if model == "hdbscan" else {}
    result = run(place, model, **own)
    assert result.notes[0] == (
        f"{model} on samples of 21 profiles, as 30 are more than 29; sample_size=30 takes all pairs (0 GB)"
    )
    assert pd.read_parquet(place / "assignments.parquet")["cluster"].tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert "dendrogram.png" not in names_of_files(result), "a tree of a sample is not that of all"


def test_the_matrix_is_not_needed_for_samples(place, monkeypatch):
    monkeypatch.setattr(days_module, "MAX_PAIRS_PROFILES", 29)
    monkeypatch.setitem(days_module.SAMPLE_SIZES, "agglomerative", 21)
    result = run(place, "agglomerative", "dtw")
    assert pd.read_parquet(place / "assignments.parquet")["cluster"].tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert result.run_name == "agglomerative dtw k=3"


def test_a_sample_is_taken_when_it_is_asked_for(place):
    result = run(place, "kmedoids", sample_size=15, silhouette_dtw=False)
    assert pd.read_parquet(place / "assignments.parquet")["cluster"].tolist() == [0] * 10 + [1] * 10 + [2] * 10
    assert not [note for note in result.notes if "sample" in note]


def test_a_stale_matrix_is_refused_where_the_model_needs_it(place):
    update_matrix(place / "dtw", MATRIX, normalise(np.random.default_rng(2).uniform(0, 1, (5, 24))))
    with pytest.raises(StaleMatrixError, match="does not hold 30 of the 30 profiles"):
        run(place, "kmedoids", "dtw")


def test_shares_of_meters_types_and_sectors_are_told_and_sum_to_one(place):
    (place / "meters.csv").write_text(f"{DESCRIPTION}A,,,domestic\nB,,,domestic\nC,,,\n")
    customers = place / "customers"
    customers.mkdir()
    sheet = pd.DataFrame({"Cliente:": ["A ", "C"], "Sector Económico:": ["Food", "Food "]})
    sheet.to_excel(customers / "sector_economico_clientes.xlsx", index=False)
    run(place, description=place / "meters.csv", customers=customers)
    shares = pd.read_csv(place / "cluster_shares.csv", keep_default_na=False)
    assert shares.columns.tolist() == ["level", "name", "cluster", "days", "share"]
    rows = {tuple(row[:2]): [] for row in shares.to_numpy().tolist()}
    for level, name, *rest in shares.to_numpy().tolist():
        rows[level, name].append(rest)
    assert rows == {
        ("meter", "A"): [[0, 10, 1.0]], ("meter", "B"): [[1, 10, 1.0]], ("meter", "C"): [[2, 10, 1.0]],
        ("type", "domestic"): [[0, 10, 0.5], [1, 10, 0.5]], ("type", ""): [[2, 10, 1.0]],
        ("sector", "Food"): [[0, 10, 0.5], [2, 10, 0.5]], ("sector", ""): [[1, 10, 1.0]],
    }  # fmt: skip


@pytest.mark.parametrize("lines", ["", "Z,5,,domestic\n", "A,5,,\n"], ids=["no meter", "another meter", "no type"])
def test_a_description_that_says_nothing_of_these_meters_adds_no_level(place, lines):
    (place / "meters.csv").write_text(DESCRIPTION + lines)
    run(place, description=place / "meters.csv")
    assert set(pd.read_csv(place / "cluster_shares.csv")["level"]) == {"meter"}


def test_the_model_to_be_served_takes_the_steps_and_carries_rows_of_the_table(place):
    model = run(place, registered_model="days", model_alias="champion").model
    assert model.inputs == tuple((step, "double") for step in energies(three_shapes()).columns)
    assert dict(model.outputs) == {"cluster": "long", "cluster_name": "string", "distance": "double"}
    assert model.example.equals(energies(pd.read_csv(place / "harmonized.csv")).head(3))
    assert (model.registered_name, model.alias) == ("days", "champion")
    assert {path.name for path in model.files["clusters"].iterdir()} == {"clusters.json", "representatives.npy"}


def test_a_page_that_is_one_of_many_does_without_its_own_script(place):
    run(place)
    alone = (place / "clusters.html").stat().st_size
    other = place / "other"
    other.mkdir()
    (place / "harmonized.csv").rename(other / "harmonized.csv")
    run(other, alone=False)
    assert (other / "clusters.html").stat().st_size < 0.2 * alone


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"k": 31}, "number of clusters is 31, but there are only 30 distinct profiles"),
        ({"model": "kmeens"}, "model is 'kmeens'; it must be one of kmeans, kmedoids"),
        ({"model": "som", "distance_metric": "dtw"}, "distance_metric is 'dtw'; of som it must be euclidean"),
        ({"model": "hdbscan", "k": 4}, "number_of_clusters is 4, but hdbscan finds the number itself"),
        ({"som_grid": Grid(2, 2)}, "som_grid is given, but model is kmeans"),
        ({"model": "som", "som_grid": Grid(2, 2), "k": 5}, "2x2 has 4 neurons, but number_of_clusters is 5"),
        ({"k": 0, "k_rule": "elbow"}, "k_rule is 'elbow'; it must be one of silhouette, ranks"),
        ({"k": 0, "k_min": 30, "k_max": 40}, "the smallest number of clusters to try is 30, but there are only 30"),
        ({"model": "agglomerative", "linkage": "single"}, "linkage is 'single'; it must be one of auto, ward"),
    ],
)
def test_what_cannot_be_done_is_refused(place, asked, message):
    with pytest.raises(ParameterError, match=message):
        run(place, **asked)


def test_every_metric_belongs_to_a_model():
    assert set().union(*MODEL_METRICS.values()) == set(DISTANCE_METRICS)
