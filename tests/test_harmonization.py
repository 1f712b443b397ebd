import numpy as np
import pandas as pd
import pytest

from loadprofiles.distances.matrix import DtwMatrix
from loadprofiles.errors import EmptyResultError, InputError
from loadprofiles.harmonization import harmonize
from loadprofiles.profiles import read_profiles, step_columns

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


def run(tmp_path, compute_dtw="auto", radius=1, **sources):
    paths = {f"{name}_csv": None for name in ("sql", "oldmongo", "newmongo", "customers")}
    paths |= {f"{name}_csv": write(tmp_path, name, table) for name, table in sources.items()}
    return harmonize(
        **paths, out_csv=tmp_path / "harmonized.csv", compute_dtw=compute_dtw, dtw_path=tmp_path / "dtw",
        radius=radius, workspace=tmp_path,
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


def test_the_matrix_is_computed_when_missing_or_stale_and_kept_when_current(tmp_path):
    table = profiles("A", 4)
    assert "computed, it was missing" in "\n".join(run(tmp_path, sql=table).notes)
    first = DtwMatrix.open(tmp_path / "dtw").digest
    kept = run(tmp_path, sql=table)
    assert "current, kept" in "\n".join(kept.notes)
    assert kept.tags["dtw_digest"] == first
    assert "computed, it was stale" in "\n".join(run(tmp_path, sql=profiles("A", 5)).notes)
    assert "computed, it was stale" in "\n".join(run(tmp_path, sql=table, radius=2).notes)
    assert "computed, as compute_dtw=true asks" in "\n".join(run(tmp_path, "true", 2, sql=table).notes)


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
