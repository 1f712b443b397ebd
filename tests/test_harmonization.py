import numpy as np
import pandas as pd
import pytest

from loadprofiles.distances.generations import MatrixParameters
from loadprofiles.distances.matrix import DtwMatrix
from loadprofiles.errors import EmptyResultError, InputError
from loadprofiles.harmonization import harmonize
from loadprofiles.profiles import read_profiles, step_columns
from loadprofiles.readings import list_meters, read_readings, write_readings
from tests.test_readings import of_meter

RANDOM = np.random.default_rng(0)


def profiles(meter, days, resolution=60, values=None):
    columns = step_columns(resolution)
    values = RANDOM.uniform(0.1, 2, (days, len(columns))).round(3) if values is None else values
    table = pd.DataFrame(values, columns=columns)
    table.insert(0, "id", meter)
    table.insert(1, "date", [f"2024-01-{day + 1:02d}" for day in range(days)])
    return table


def write(tmp_path, source, table):
    path = tmp_path / f"clean_{source}.csv"
    table.to_csv(path, index=False)
    return path


def run(tmp_path, compute_dtw="auto", radius=1, dtw_path=None, readings=None, **sources):
    paths = {f"{name}_csv": None for name in ("sql", "oldmongo", "newmongo", "customers")}
    paths |= {f"{name}_csv": write(tmp_path, name, table) for name, table in sources.items()}
    readings = {f"{name}_readings": path for name, path in (readings or {}).items()}
    return harmonize(
        **paths, **readings, out_csv=tmp_path / "harmonized.csv", compute_dtw=compute_dtw,
        dtw_path=dtw_path or tmp_path / "dtw", radius=radius, jobs=0, dask_scheduler="", workspace=tmp_path,
    )  # fmt: skip


def test_sources_are_merged_and_the_newer_system_wins_a_meter_day(tmp_path):
    old, new = profiles("A", 3), profiles("A", 1)
    result = run(tmp_path, oldmongo=old, newmongo=new, sql=profiles("B", 2))
    merged = read_profiles(tmp_path / "harmonized.csv")
    assert merged[["id", "date"]].to_numpy().tolist() == [
        ["A", "2024-01-01"], ["A", "2024-01-02"], ["A", "2024-01-03"], ["B", "2024-01-01"], ["B", "2024-01-02"],
    ]  # fmt: skip
    assert merged["00:00:00"][0] == new["00:00:00"][0]
    assert merged["00:00:00"][1] == old["00:00:00"][1]
    assert result.metrics["meter_days_in_several_sources"] == 1


def test_sources_of_different_resolution_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=r"sql 60 min \(.*clean_sql\.csv\), oldmongo 30 min \(.*clean_oldmongo\.csv\)"):
        run(tmp_path, sql=profiles("A", 2), oldmongo=profiles("B", 2, resolution=30))


def test_nothing_given_and_nothing_in_it_are_errors(tmp_path):
    with pytest.raises(EmptyResultError, match="no source is left"):
        run(tmp_path)
    with pytest.raises(EmptyResultError, match="no profile in"):
        run(tmp_path, sql=profiles("A", 0))


def test_the_matrix_is_computed_when_missing_extended_when_stale_and_kept_when_current(tmp_path):
    table = profiles("A", 5)
    assert "4 profiles added, it was missing: 6 distances" in "\n".join(run(tmp_path, sql=table[:4]).notes)
    first = DtwMatrix(tmp_path / "dtw", MatrixParameters(1, "l2", 24, 60))
    kept = run(tmp_path, sql=table[:4])
    assert "current, kept" in "\n".join(kept.notes)
    assert kept.tags["dtw_digest"] == first.digest
    assert (kept.tags["dtw_matrix"], kept.metrics["dtw_pairs_computed"]) == ("l2-24x60min-radius1", 0)
    assert kept.metrics["dtw_size_bytes"] == first.size_bytes()
    extended = run(tmp_path, sql=table)
    assert "1 profiles added, 1 of 5 profiles were missing: 4 distances" in "\n".join(extended.notes)
    assert (extended.metrics["dtw_profiles"], extended.metrics["dtw_stored_profiles"]) == (5, 5)
    assert extended.tags["dtw_digest"] != first.digest
    fewer = run(tmp_path, sql=table[:2])
    assert (fewer.metrics["dtw_profiles"], fewer.metrics["dtw_stored_profiles"]) == (2, 5)
    assert "5 profiles added, as compute_dtw=anew asks: 10 distances" in "\n".join(
        run(tmp_path, "anew", sql=table).notes
    )


def test_another_radius_is_another_matrix_beside_the_first(tmp_path):
    table = profiles("A", 4)
    run(tmp_path, sql=table)
    assert "radius2 at" in "\n".join(run(tmp_path, sql=table, radius=2).notes)
    assert "current, kept" in "\n".join(run(tmp_path, sql=table).notes)


def test_the_matrix_can_lie_in_an_object_store(tmp_path):
    table = profiles("A", 4)
    run(tmp_path, sql=table, dtw_path="memory://harmonization/dtw")
    assert "current, kept" in "\n".join(run(tmp_path, sql=table, dtw_path="memory://harmonization/dtw").notes)
    assert not (tmp_path / "dtw").exists()


def test_auto_leaves_the_matrix_of_very_many_profiles_alone_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("loadprofiles.harmonization.MAX_AUTO_PROFILES", 3)
    result = run(tmp_path, sql=profiles("A", 4))
    assert "compute_dtw=auto: 4 profiles are more than 3; the DTW matrix is left as it is" in result.notes
    assert not (tmp_path / "dtw").exists()
    run(tmp_path, "true", sql=profiles("A", 4))
    assert (tmp_path / "dtw").exists()


def test_compute_dtw_false_leaves_the_matrix_alone(tmp_path):
    result = run(tmp_path, "false", sql=profiles("A", 4))
    assert not (tmp_path / "dtw").exists()
    assert "dtw_digest" not in result.tags


def store(tmp_path, source, *tables):
    return write_readings(tables, [], tmp_path / f"{source}_readings")


def test_readings_of_all_sources_become_one_table_the_newest_system_first(tmp_path):
    def marked(meter, number):
        return of_meter(meter).assign(energy_kwh_raw=float(number))

    readings = {
        "sql": store(tmp_path, "sql", marked("a", 1), marked("b", 1)),
        "oldmongo": store(tmp_path, "oldmongo", marked("a", 2), marked("b", 2), marked("c", 2)),
        "newmongo": store(tmp_path, "newmongo", marked("a", 3)),
        "customers": store(tmp_path, "customers", marked("c", 4), marked("d", 4)),
    }
    result = run(tmp_path, "false", sql=profiles("A", 2), readings=readings)
    path = result.outputs["readings"]
    assert path == tmp_path / "readings.parquet"
    table = read_readings(path)
    assert table.drop_duplicates("meter_id").set_index("meter_id")["energy_kwh_raw"].to_dict() == {
        "a": 3, "b": 1, "c": 2, "d": 4,
    }  # fmt: skip
    assert {name: value for name, value in result.metrics.items() if "readings" in name or "several" in name} == {
        "meter_days_in_several_sources": 0, "readings": 12, "meters_with_readings": 4, "meters_in_several_sources": 3,
        "readings_left_out": 12,
    }  # fmt: skip
    assert "12 readings of 4 meters: newmongo 3, sql 3, oldmongo 3, customers 3" in result.notes
    assert {given.name for given in result.inputs} == {"clean_sql", *(f"{source}_readings" for source in readings)}


def test_without_readings_there_is_no_table_of_them(tmp_path):
    result = run(tmp_path, "false", sql=profiles("A", 2))
    assert set(result.outputs) == {"harmonized"}
    assert not {"readings", "meters_in_several_sources"} & set(result.metrics)
    assert not (tmp_path / "readings.parquet").exists()


def test_the_readings_of_some_sources_are_enough(tmp_path):
    given = {"oldmongo": store(tmp_path, "oldmongo", of_meter("a"))}
    result = run(tmp_path, "false", sql=profiles("A", 2), readings=given)
    assert list_meters(result.outputs["readings"]) == {"a": 3}


def test_readings_that_cannot_be_read_end_the_step_before_the_matrix(tmp_path):
    with pytest.raises(InputError, match=r"sql_readings: no such file or folder"):
        run(tmp_path, sql=profiles("A", 2), readings={"sql": tmp_path / "sql_readings"})
    assert not (tmp_path / "dtw").exists()
