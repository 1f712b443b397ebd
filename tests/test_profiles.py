from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles import profiles as p
from loadprofiles.errors import InputError, ParameterError


def readings(first, hours, timezone="UTC", step_minutes=60):
    """Readings of one meter whose energies count up from 0."""
    grid = pd.date_range(pd.Timestamp(first, tz=timezone).tz_convert("UTC"), periods=hours, freq=f"{step_minutes}min")
    return pd.DataFrame({"meter_id": "m", "timestamp_utc": grid, "energy_kwh": np.arange(hours, dtype=float)})


def test_whole_days_become_profiles_and_partial_ones_are_counted():
    table, days = p.to_profiles(readings("2024-01-01 22:00", 2 + 24 + 5), 60, 60, "UTC")
    assert table[["id", "date"]].to_numpy().tolist() == [["m", "2024-01-02"]]
    assert p.values_of(table)[0].tolist() == list(range(2, 26))
    assert days == {"profile": 1, "incomplete": 2}


def test_a_day_with_one_unknown_interval_is_incomplete():
    given = readings("2024-01-01", 48)
    given.loc[30, "energy_kwh"] = np.nan
    table, days = p.to_profiles(given, 60, 60, "UTC")
    assert table["date"].tolist() == ["2024-01-01"]
    assert days == {"profile": 1, "incomplete": 1}


def test_a_meter_without_a_whole_day_has_no_profiles():
    table, days = p.to_profiles(readings("2024-01-01 05:00", 5), 60, 60, "UTC")
    assert table.empty
    assert p.resolution_of(table) == 60
    assert days == {"incomplete": 1}


def test_finer_readings_are_summed_to_the_resolution():
    table, _ = p.to_profiles(readings("2024-01-01", 96, step_minutes=15), 15, 60, "UTC")
    assert table["00:00:00"].item() == 0 + 1 + 2 + 3
    assert table["23:00:00"].item() == 92 + 93 + 94 + 95
    assert p.resolution_of(table) == 60


def test_coarser_readings_than_the_resolution_are_refused():
    with pytest.raises(ParameterError, match="resolution=15 is not a multiple of the 60 minutes in which m was read"):
        p.to_profiles(readings("2024-01-01", 24), 60, 15, "UTC")


def test_days_are_local():
    table, _ = p.to_profiles(readings("2024-01-01", 24, "America/Lima"), 60, 60, "America/Lima")
    assert table["date"].tolist() == ["2024-01-01"]
    assert p.values_of(table)[0].tolist() == list(range(24))


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25)])
def test_days_on_which_clocks_change_are_whole_but_no_profile(day, hours):
    given = readings(day, hours + 24, "Europe/Rome")
    table, days = p.to_profiles(given, 60, 60, "Europe/Rome")
    assert days == {"profile": 1, "dst_day": 1}
    assert p.values_of(table)[0, 0] == hours


def test_a_day_whose_midnight_no_clock_shows_is_whole_but_no_profile():
    table, days = p.to_profiles(readings("2024-09-07", 24 + 23 + 24, "America/Santiago"), 60, 60, "America/Santiago")
    assert table["date"].tolist() == ["2024-09-07", "2024-09-09"]
    assert days == {"profile": 2, "dst_day": 1}


def test_a_day_that_a_zone_skipped_is_no_day():
    table, days = p.to_profiles(readings("2011-12-29", 72, "Pacific/Apia"), 60, 60, "Pacific/Apia")
    assert table["date"].tolist() == ["2011-12-29", "2011-12-31", "2012-01-01"]
    assert days == {"profile": 3}


@given(st.data())
def test_days_are_those_that_a_clock_shows(data):
    timezone = data.draw(st.sampled_from(["UTC", "Europe/Rome", "America/Havana", "Asia/Kathmandu"]))
    step = data.draw(st.sampled_from([15, 30, 60]))
    start = data.draw(st.datetimes(datetime(2018, 1, 1), datetime(2019, 1, 1)))
    count = data.draw(st.integers(1, 300))
    grid = pd.date_range(pd.Timestamp(start, tz="UTC").floor("h"), periods=count, freq=f"{step}min")
    energy = np.arange(len(grid), dtype=float)
    energy[data.draw(st.lists(st.integers(0, len(grid) - 1), max_size=2))] = np.nan
    rows = pd.DataFrame({"meter_id": "m", "timestamp_utc": grid, "energy_kwh": energy})
    table, outcome = p.to_profiles(rows, step, step, timezone)
    local = grid.tz_convert(timezone)
    days = pd.Series(energy, local).groupby(local.strftime("%Y-%m-%d"))
    whole = {d: day for d, day in days if len(day) == 1440 // step and day.notna().all()}
    full = {d: day.tolist() for d, day in whole.items() if day.index[0] == day.index[0].normalize()}
    assert dict(zip(table["date"], p.values_of(table).tolist(), strict=True)) == full
    assert outcome.total() == days.ngroups


def written(tmp_path, table):
    path = tmp_path / "harmonized.csv"
    table.to_csv(path, index=False)
    return path


def day_table(**changes):
    table = pd.DataFrame([[0.5] * 24], columns=p.step_columns(60))
    table.insert(0, "id", "007")
    table.insert(1, "date", "2024-01-01")
    return table.assign(**changes)


def test_a_table_of_the_earlier_pipeline_with_its_index_columns_is_read(tmp_path):
    old = day_table().reset_index()
    path = tmp_path / "old.csv"
    old.to_csv(path)
    table = p.read_profiles(path)
    assert table.columns[:3].tolist() == ["id", "date", "00:00:00"]
    assert table["id"].item() == "007"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"00:00:00": "abc"}, "00:00:00"),
        ({"00:00:00": np.inf}, "1 profiles hold infinite values, the first is"),
        ({"00:00:00": np.nan}, "00:00:00"),
        ({"24:00:00": 1.0}, "no steps of a day"),
    ],
)
def test_a_table_that_is_no_profile_table_is_refused_with_its_name(tmp_path, changes, message):
    path = written(tmp_path, day_table(**changes))
    with pytest.raises(InputError, match=message) as caught:
        p.read_profiles(path)
    assert str(path) in str(caught.value)


def test_a_meter_day_twice_is_refused(tmp_path):
    path = written(tmp_path, pd.concat([day_table(), day_table()]))
    with pytest.raises(InputError, match=r"harmonized\.csv"):
        p.read_profiles(path)


def test_the_text_of_a_written_table_is_that_of_pandas(tmp_path):
    rng = np.random.default_rng(1)
    values = np.r_[rng.gamma(2, 0.2, (5000, 24)), [[0.0, -0.0, 1e-7, 1e22, 3.0, 5e-324] * 4]]
    table = pd.DataFrame(values, columns=p.step_columns(60))
    table.insert(0, "id", ["plain", 'with "quotes"', "with, comma", "ünïcode", "  "] * 1000 + ["007"])
    table.insert(1, "date", "2024-01-01")
    path = p.write_profiles(table, tmp_path / "clean.csv")
    assert path.read_text() == table.to_csv(index=False, lineterminator="\n")
    pd.testing.assert_frame_equal(pd.read_parquet(p.write_profiles(table, tmp_path / "clean.parquet")), table)


@given(st.lists(st.one_of(st.floats(), st.floats(1e-6, 1e17), st.integers(-(2**53), 2**53).map(float)), min_size=1))
def test_a_number_is_written_as_python_writes_it(values):
    assert p._as_text(np.array(values)).to_pylist() == [repr(value) for value in values]


def test_a_table_without_rows_is_written_with_its_columns(tmp_path):
    path = p.write_profiles(p.empty_profiles(60), tmp_path / "clean.csv")
    assert path.read_text() == ",".join(["id", "date", *p.step_columns(60)]) + "\n"
