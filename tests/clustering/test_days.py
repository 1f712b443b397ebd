import numpy as np
import pandas as pd
import pytest

from loadprofiles.clustering import days as days_module
from loadprofiles.clustering.days import load_distances, matrix_command, needs_all_pairs, read_days, with_sample
from loadprofiles.clustering.models import ModelSettings
from loadprofiles.distances import pairwise
from loadprofiles.distances.generations import MatrixParameters
from loadprofiles.distances.update import update_matrix
from loadprofiles.errors import InputError, StaleMatrixError
from tests.days import energies, three_shapes, write

DESCRIPTION = "id,Contractual power (kW),Production (kW),Type\n"


@pytest.fixture
def table(tmp_path):
    return write(three_shapes(), tmp_path / "harmonized.csv")


@pytest.fixture
def days(table):
    return read_days(table)


def distances(days, tmp_path, **wanted):
    given = {"dtw_required": False, "dtw_wanted": False} | wanted
    return load_distances(days, tmp_path / "dtw", 1, "the command", **given)


def store(days, tmp_path):
    update_matrix(tmp_path / "dtw", MatrixParameters(1, "l2", 24, 60), days.profiles)


def test_days_are_the_rows_of_the_table_normalised(days):
    given = three_shapes()
    assert len(days) == 30
    assert days.keys.to_numpy().tolist() == given[["id", "date"]].to_numpy().tolist()
    np.testing.assert_array_equal(days.energy_kwh, energies(given))
    np.testing.assert_allclose(np.linalg.norm(days.profiles, axis=1), 1)
    assert days.resolution_minutes == 60
    assert days.steps == energies(given).columns.tolist()
    assert days.groups == {}


def test_the_digest_is_of_the_content(tmp_path, days):
    again = tmp_path / "again"
    again.mkdir()
    assert read_days(write(three_shapes(), again / "harmonized.csv")).digest == days.digest
    other = three_shapes()
    other.loc[0, "00:00:00"] += 1
    assert read_days(write(other, again / "harmonized.csv")).digest != days.digest


def test_what_is_known_of_a_meter_is_said_of_each_of_its_days(table, tmp_path):
    (tmp_path / "meters.csv").write_text(f"{DESCRIPTION}A,5,, domestic \nC,,,industry\nZ,,,farm\n")
    groups = read_days(table, tmp_path / "meters.csv").groups
    assert list(groups) == ["type"]
    assert groups["type"].tolist() == ["domestic"] * 10 + [""] * 10 + ["industry"] * 10


def test_a_folder_without_a_sheet_of_sectors_adds_nothing(table, tmp_path):
    assert read_days(table, customers_folder=tmp_path).groups == {}


def test_a_folder_of_customers_that_is_not_there_is_named(table, tmp_path):
    with pytest.raises(InputError, match=r"elsewhere: no such folder; leave customers_folder empty"):
        read_days(table, customers_folder=tmp_path / "elsewhere")


def test_a_sheet_of_sectors_gives_a_group(table, tmp_path):
    sheet = pd.DataFrame({"Cliente:": ["B", "Z"], "Sector Económico:": ["Food", "Mines"]})
    sheet.to_excel(tmp_path / "sector_economico_clientes.xlsx", index=False)
    assert (
        read_days(table, customers_folder=tmp_path).groups["sector"].tolist() == [""] * 10 + ["Food"] * 10 + [""] * 10
    )


@pytest.mark.parametrize("name", ["harmonized.csv", "meters.csv"])
def test_a_missing_file_is_named(tmp_path, name):
    if name != "harmonized.csv":
        write(three_shapes(), tmp_path / "harmonized.csv")
    with pytest.raises(InputError, match=f"{name}: no such file"):
        read_days(tmp_path / "harmonized.csv", tmp_path / "meters.csv")


@pytest.mark.parametrize(
    ("settings", "n_profiles", "size"),
    [
        (ModelSettings("kmeans"), 10**6, 0),
        (ModelSettings("kmedoids"), 20_000, 0),
        (ModelSettings("kmedoids"), 20_001, 4_000),
        (ModelSettings("agglomerative", "dtw"), 20_001, 20_000),
        (ModelSettings("hdbscan"), 20_001, 20_000),
        (ModelSettings("hdbscan", sample_size=50_000), 60_000, 50_000),
    ],
)
def test_models_on_pairs_take_a_sample_of_more_than_20000_profiles_and_say_so(settings, n_profiles, size):
    sampled, notes = with_sample(settings, n_profiles)
    assert sampled.sample_size == size
    assert sampled == settings or notes == [
        f"{settings.model} on samples of {size} profiles, as 20001 are more than 20000; sample_size=20001 takes all "
        "pairs (2 GB)"
    ]
    assert bool(notes) == (sampled != settings)


@pytest.mark.parametrize(
    ("settings", "needed"),
    [
        (ModelSettings("kmeans", "dtw"), False),
        (ModelSettings("kmedoids"), True),
        (ModelSettings("kmedoids", sample_size=30), True),
        (ModelSettings("kmedoids", sample_size=29), False),
    ],
)
def test_all_pairs_are_needed_by_models_on_pairs_without_a_sample(settings, needed):
    assert needs_all_pairs(settings, 30) == needed


def test_no_distances_are_held_that_nobody_needs(days, tmp_path):
    store(days, tmp_path)
    found = distances(days, tmp_path)
    assert (found.euclidean, found.dtw, found.notes) == (None, None, [])


def test_distances_are_those_between_the_profiles(days, tmp_path):
    store(days, tmp_path)
    found = distances(days, tmp_path, dtw_wanted=True, euclidean_required=True)
    upper = np.triu_indices(30, 1)
    np.testing.assert_allclose(found.of("euclidean").square[upper], pairwise(days.profiles, 0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.of("dtw").square[upper], pairwise(days.profiles, 1), rtol=1e-5, atol=1e-6)


def test_for_several_processes_distances_are_put_into_files(days, tmp_path):
    store(days, tmp_path)
    folder = tmp_path / "shared"
    folder.mkdir()
    found = distances(days, tmp_path, dtw_wanted=True, folder=folder)
    for metric in ("euclidean", "dtw"):
        np.testing.assert_array_equal(np.load(folder / f"{metric}.npy"), found.of(metric).square)


def test_a_matrix_that_is_wanted_and_not_there_is_left_out_with_the_command(days, tmp_path):
    found = distances(days, tmp_path, dtw_wanted=True)
    assert found.dtw is None
    (note,) = found.notes
    assert note.startswith("Silhouette DTW is left out: there is no DTW matrix")
    assert note.endswith("the command")


def test_a_matrix_that_is_required_must_be_there_and_hold_the_days(days, tmp_path):
    with pytest.raises(InputError, match=r"there is no DTW matrix .* the command"):
        distances(days, tmp_path, dtw_required=True)
    update_matrix(tmp_path / "dtw", MatrixParameters(1, "l2", 24, 60), days.profiles[1:])
    with pytest.raises(StaleMatrixError, match="does not hold 1 of the 30 profiles"):
        distances(days, tmp_path, dtw_required=True)


def test_of_very_many_days_only_what_a_model_needs_is_held(days, tmp_path, monkeypatch):
    store(days, tmp_path)
    monkeypatch.setattr(days_module, "MAX_PAIRS_PROFILES", 29)
    found = distances(days, tmp_path, dtw_wanted=True, folder=tmp_path)
    assert (found.euclidean, found.dtw) == (None, None)
    assert found.notes == ["Silhouette DTW is left out: 30 profiles are more than 29"]
    required = distances(days, tmp_path, dtw_required=True, dtw_wanted=True, euclidean_required=True)
    assert len(required.euclidean) == len(required.dtw) == 30


def test_the_command_for_the_matrix_is_of_this_table_alone_and_fit_for_a_shell():
    assert matrix_command("my days.csv", "dtw", 2) == (
        "mlflow run . -e harmonization -P sql_csv='my days.csv' -P oldmongo_csv= -P newmongo_csv= -P customers_csv= "
        "-P compute_dtw=true -P dtw_path=dtw -P radius=2"
    )
