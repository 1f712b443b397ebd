"""The served model as MLflow keeps it, in this process, in one without the project, and behind its web server."""

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from loadprofiles import tracking
from loadprofiles.clustering.step import cluster
from tests.days import energies, three_shapes, write
from tests.project import ROOT, clean_environment
from tests.serving.server import folder_of, load, post, serving

REGISTERED = "clusters of days"
COLUMNS = ["cluster", "cluster_name", "distance"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with an MLflow store and a harmonized table; the current one, as MLflow keeps models below that."""
    folder = tmp_path_factory.mktemp("served")
    write(three_shapes(), folder / "harmonized.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        patch.setattr("loadprofiles.clustering.step.HIGH_RES_DPI", 40)
        yield folder


def make(place, model, alias=""):
    params = {
        "in_csv": place / "harmonized.csv", "dtw_path": place / "dtw", "smart_meter_description_csv": None,
        "customers_folder": None, "customers_layout": None, "jobs": 2, "silhouette_dtw": False,
        "number_of_clusters": 0 if model == "hdbscan" else 3, "min_cluster_size": 5 if model == "hdbscan" else 0,
        "model": model, "distance_metric": "dtw" if model == "kmeans" else "euclidean",
        "registered_model": REGISTERED, "model_alias": alias,
    }  # fmt: skip
    tracking.run_step("clustering", cluster, params)
    (latest,) = mlflow.search_runs(search_all_experiments=True, output_format="list", max_results=1)
    return latest


@pytest.fixture(scope="module")
def runs(place):
    """The run of a model for each rule of comparison, in the order of their versions."""
    models = ("kshape", "gmm", "hdbscan", "kmeans")
    return {model: make(place, model, "champion" if model == "kmeans" else "") for model in models}


@pytest.mark.parametrize("model", ["kshape", "gmm", "hdbscan", "kmeans"])
def test_days_get_the_clusters_that_the_run_gave_them(runs, model):
    assignments = pd.read_parquet(Path(runs[model].info.artifact_uri) / "assignments.parquet")
    answer = load(runs[model]).predict(energies(three_shapes()))
    assert answer.columns.tolist() == COLUMNS
    assert answer["cluster"].tolist() == assignments["cluster"].tolist()
    assert answer["cluster_name"].tolist() == assignments["cluster_name"].tolist()
    np.testing.assert_allclose(answer["distance"], assignments["distance"], rtol=1e-12)


def test_columns_that_are_no_steps_are_ignored_and_rows_keep_their_labels(runs):
    table = three_shapes().iloc[[25, 3]]
    answer = load(runs["kmeans"]).predict(table)
    assert answer["cluster_name"].tolist() == ["evening peak", "night peak"]
    assert answer.index.tolist() == [25, 3]


def test_the_scale_of_a_day_does_not_count(runs):
    table = energies(three_shapes())
    alone, thousandfold = (load(runs["kmeans"]).predict(energy_kwh) for energy_kwh in (table, 1000 * table))
    pd.testing.assert_frame_equal(alone, thousandfold)


def test_a_day_unlike_all_others_is_in_no_cluster(runs):
    odd = pd.DataFrame([[-1.0] * 24], columns=energies(three_shapes()).columns)
    answer = load(runs["hdbscan"]).predict(odd)
    assert answer[["cluster", "cluster_name"]].to_numpy().tolist() == [[-1, "in no cluster"]]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_day_with_a_value_missing_is_refused_by_its_row(runs, value):
    table = energies(three_shapes())
    table.loc[7, "05:00:00"] = value
    with pytest.raises(MlflowException, match=r"the days' energies.* row 7"):
        load(runs["kmeans"]).predict(table)


def test_a_missing_step_is_named(runs):
    with pytest.raises(MlflowException, match="05:00:00"):
        load(runs["kmeans"]).predict(energies(three_shapes()).drop(columns="05:00:00"))


def test_models_are_versions_of_one_name_and_the_alias_is_where_it_was_put(runs):
    client = mlflow.MlflowClient()
    versions = {int(v.version): v for v in client.search_model_versions(f"name = '{REGISTERED}'")}
    assert [versions[number].run_id for number in sorted(versions)] == [run.info.run_id for run in runs.values()]
    champion = client.get_model_version_by_alias(REGISTERED, "champion")
    assert champion.run_id == runs["kmeans"].info.run_id
    answer = mlflow.pyfunc.load_model(f"models:/{REGISTERED}@champion").predict(energies(three_shapes()))
    assert answer["cluster"].tolist() == [0] * 10 + [1] * 10 + [2] * 10


def test_a_version_that_registers_again_with_the_alias_takes_it_over(place, runs):
    before = mlflow.MlflowClient().get_model_version_by_alias(REGISTERED, "champion").version
    tracking.register(runs["gmm"].info.run_id, REGISTERED, "challenger")
    tracking.register(runs["gmm"].info.run_id, REGISTERED, "")
    client = mlflow.MlflowClient()
    assert client.get_model_version_by_alias(REGISTERED, "challenger").run_id == runs["gmm"].info.run_id
    assert client.get_model_version_by_alias(REGISTERED, "champion").version == before


def test_what_goes_in_and_comes_out_is_written_down_with_an_example(runs):
    model = Model.load(str(folder_of(runs["kmeans"])))
    steps = energies(three_shapes()).columns.tolist()
    assert model.signature.inputs.input_names() == steps
    assert {str(kind) for kind in model.signature.inputs.input_types()} == {"DataType.double"}
    assert model.signature.outputs.input_names() == COLUMNS
    assert [str(kind).removeprefix("DataType.") for kind in model.signature.outputs.input_types()] == [
        "long", "string", "double",
    ]  # fmt: skip
    example = model.load_input_example(str(folder_of(runs["kmeans"])))
    pd.testing.assert_frame_equal(example, energies(pd.read_csv("harmonized.csv")).head(3))


def test_nothing_is_pickled(runs):
    for run in runs.values():
        files = [path for path in folder_of(run).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        assert {path.suffix for path in files} == {".npy", ".json", ".yaml", ".txt", ".py", ""}
        assert sorted(path.name for path in files if not path.suffix) in (
            ["MLmodel"],
            ["MLmodel", "registered_model_meta"],
        )
        for array in (path for path in files if path.suffix == ".npy"):
            np.load(array, allow_pickle=False)


def test_the_environment_is_what_is_installed_to_the_version(runs):
    lines = (folder_of(runs["kmeans"]) / "requirements.txt").read_text().split()
    assert lines == [f"{name}=={version(name)}" for name in ("mlflow", "numpy", "pandas", "numba", "joblib")]


def test_another_process_needs_nothing_of_the_project(place, runs, tmp_path):
    model = shutil.copytree(folder_of(runs["kmeans"]), tmp_path / "model", ignore=shutil.ignore_patterns("__pycache__"))
    write(energies(three_shapes()), tmp_path / "days.csv")
    script = (
        "import sys, mlflow, pandas as pd\n"
        f"model = mlflow.pyfunc.load_model({str(model)!r})\n"
        f"print(model.predict(pd.read_csv({str(tmp_path / 'days.csv')!r}))['cluster'].tolist())\n"
        "import loadprofiles\n"
        "print(loadprofiles.__file__)\n"
        "print([name for name in sys.modules if name.startswith('loadprofiles.')])\n"
    )
    environment = {name: value for name, value in clean_environment().items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    labels, package, modules = done.stdout.splitlines()[-3:]
    assert json.loads(labels) == [0] * 10 + [1] * 10 + [2] * 10
    assert Path(package).is_relative_to(model)
    assert not Path(package).is_relative_to(ROOT)
    assert "loadprofiles.tracking" not in modules


@pytest.fixture(scope="module")
def served(place, runs):
    """The address of `mlflow models serve`, which runs as long as the tests."""
    with serving(runs["kmeans"], place) as url:
        yield url


def test_a_web_server_answers_with_clusters_names_and_distances(served):
    status, answer = post(served, three_shapes().iloc[[0, 10, 29]])
    assert status == 200
    assert [(row["cluster"], row["cluster_name"]) for row in answer["predictions"]] == [
        (0, "night peak"), (1, "midday peak"), (2, "evening peak"),
    ]  # fmt: skip
    assert all(set(row) == set(COLUMNS) and 0 < row["distance"] < 0.2 for row in answer["predictions"])


def test_a_web_server_takes_whole_numbers(served):
    table = pd.DataFrame([[0, 0, 2, 4, 6, 4, 2, *[0] * 17]], columns=energies(three_shapes()).columns)
    status, answer = post(served, table)
    assert (status, answer["predictions"][0]["cluster_name"]) == (200, "night peak")


def test_a_web_server_tells_the_sender_which_day_is_wrong(served):
    table = energies(three_shapes()).head(3)
    table.loc[1, "23:00:00"] = np.nan
    status, answer = post(served, table)
    assert status == 400
    assert "the days' energies" in answer["message"]
    assert "row 1" in answer["message"]
    assert "Traceback" not in answer["message"]
