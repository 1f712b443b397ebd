"""One meter's readings for a chart: what is kept of a line, and what is read of a table."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles.dashboard.series import downsampled, load_series
from loadprofiles.errors import InputError, ParameterError
from loadprofiles.readings import MEASURED, QUALITY_DTYPE, StoredReadings, open_readings, write_readings

ROME = "Europe/Rome"
NAN = np.nan


def hours(n):
    """The starts of so many hours."""
    return pd.date_range("2024-01-01", periods=n, freq="h", tz="UTC", unit="us")


@st.composite
def lines(draw):
    """Moments, not all as far apart as others, values, and how many points to draw."""
    random = np.random.default_rng(draw(st.integers(0, 10_000)))
    stamps = hours(400)[np.sort(random.choice(400, draw(st.integers(1, 300)), replace=False))]
    values = np.round(random.normal(0, 3, len(stamps)), draw(st.sampled_from([0, 6])))
    values[random.random(len(values)) < draw(st.sampled_from([0, 0.02, 0.5, 1]))] = NAN
    return stamps, values, draw(st.integers(5, 120))


class TestDownsampled:
    @given(lines())
    def test_of_a_line_ends_and_extremes_are_kept_within_the_number_of_points(self, line):
        stamps, values, most = line
        kept = downsampled(stamps, values, most)
        assert len(kept) <= most
        assert (np.diff(kept) > 0).all()
        assert (kept[0], kept[-1]) == (0, len(values) - 1)
        known = values[~np.isnan(values)]
        if len(known):
            assert np.nanmin(values[kept]) == known.min()
            assert np.nanmax(values[kept]) == known.max()
        assert np.isnan(values[kept]).any() == np.isnan(values).any()

    @given(lines())
    def test_so_are_those_of_each_part_and_a_gap_in_it(self, line):
        stamps, values, most = line
        kept = downsampled(stamps, values, most)
        if len(values) <= most:
            assert len(kept) == len(values)
            return
        n_parts = (most - 2) // (3 if np.isnan(values).any() else 2)
        width = (stamps[-1] - stamps[0]).value // n_parts + 1
        drawn = pd.Series(values[kept])
        for part, whole in pd.Series(values).groupby((stamps - stamps[0]).asi8 // width):
            of_part = drawn[((stamps[kept] - stamps[0]).asi8 // width) == part]
            if whole.notna().any():
                assert (of_part.min(), of_part.max()) == (whole.min(), whole.max())
            assert of_part.isna().any() == whole.isna().any()

    def test_parts_are_of_time_and_not_of_points(self):
        # all but the first day lie within one hour, which is one part
        stamps = hours(25)[[0, 24]].append(hours(25)[-1] + pd.to_timedelta(np.arange(1, 60), "min"))
        assert downsampled(stamps, np.arange(61.0), 8).tolist() == [0, 1, 60]

    def test_a_short_gap_stays_one(self):
        values = np.sin(np.arange(1000.0))
        values[500] = NAN
        assert 500 in downsampled(hours(1000), values, 50)

    def test_few_points_are_all_kept(self):
        assert downsampled(hours(5), np.full(5, NAN), 5).tolist() == [0, 1, 2, 3, 4]
        assert downsampled(hours(0), np.empty(0), 5).tolist() == []

    def test_too_few_points_are_refused(self):
        with pytest.raises(ParameterError, match="a line of 4 points"):
            downsampled(hours(9), np.ones(9), 4)


def readings(meter, n=96):
    """Hourly readings of one meter from 2024-03-30 00:00 UTC on, counting up."""
    count = np.arange(float(n))
    return pd.DataFrame(
        {
            "meter_id": pd.array([meter] * n, dtype="str"),
            "timestamp_utc": pd.date_range("2024-03-30", periods=n, freq="h", tz="UTC", unit="us"),
            "energy_kwh": count,
            "quality": pd.Categorical([MEASURED] * n, dtype=QUALITY_DTYPE),
            "energy_kwh_raw": count,
            "voltage_a_v": count + 200,
            "voltage_c_v": count + 400,
        }
    )


@pytest.fixture
def stored(tmp_path):
    """Readings of meters A to D."""
    tables = [readings(name, 96 + number) for number, name in enumerate("ABCD")]
    return open_readings(write_readings(tables, ("voltage_a_v", "voltage_c_v"), tmp_path / "readings"))


class TestLoadSeries:
    def test_a_period_is_of_local_days(self, stored):
        series = load_series(stored, "A", ROME, date(2024, 3, 31), date(2024, 3, 31))
        assert list(series.columns) == ["timestamp_local", "energy_kwh", "quality", "voltage_a_v", "voltage_c_v"]
        assert str(series["timestamp_local"].dtype) == "datetime64[us, Europe/Rome]"
        # clocks go forward: 23 hours
        assert series["energy_kwh"].tolist() == list(range(23, 46))
        assert [str(moment) for moment in series["timestamp_local"].iloc[[0, -1]]] == [
            "2024-03-31 00:00:00+01:00",
            "2024-03-31 23:00:00+02:00",
        ]
        assert series["voltage_c_v"].iloc[0] == 423

    def test_without_a_period_all_is_given_and_outside_the_readings_nothing(self, stored):
        assert len(load_series(stored, "A", ROME)) == 96
        assert load_series(stored, "A", ROME, first_day=date(2025, 1, 1)).empty
        assert load_series(stored, "A", ROME, last_day=date(2020, 1, 1)).empty

    def test_only_the_columns_that_are_asked_for(self, stored):
        names = ["timestamp_local", "energy_kwh", "quality"]
        assert list(load_series(stored, "A", ROME, columns=())) == names
        assert list(load_series(stored, "A", ROME, columns=["voltage_c_v"])) == [*names, "voltage_c_v"]

    def test_what_is_not_there_is_named(self, stored):
        with pytest.raises(InputError, match="has no readings of 'E'"):
            load_series(stored, "E", ROME)
        with pytest.raises(InputError, match="column 'voltage_b_v' is missing"):
            load_series(stored, "A", ROME, columns=["voltage_b_v"])

    def test_a_meter_is_read_once_and_what_is_done_to_its_series_stays_there(self, stored, monkeypatch):
        series = load_series(stored, "A", ROME)
        series["energy_kwh"] = 0.0
        monkeypatch.setattr(StoredReadings, "read", None)
        assert load_series(stored, "A", ROME, date(2024, 3, 31), columns=())["energy_kwh"].iloc[0] == 23

    def test_threads_get_their_own_meter_and_read_one_after_the_other(self, stored, monkeypatch):
        whole, reading = StoredReadings.read, threading.Lock()

        def alone(self, meters, *columns):
            assert reading.acquire(blocking=False)
            time.sleep(0.01)
            reading.release()
            return whole(self, meters, *columns)

        monkeypatch.setattr(StoredReadings, "read", alone)
        with ThreadPoolExecutor(4) as threads:
            found = list(threads.map(lambda name: load_series(stored, name, ROME), "ABCDABCD"))
        assert [len(series) for series in found] == [96, 97, 98, 99] * 2
