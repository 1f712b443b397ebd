"""Readings to local days of 24 hours: what clocks, gaps and quarter-hours make of them."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from loadprofiles import readings as r
from loadprofiles.anomalies.days import day_number, days_of
from loadprofiles.errors import ParameterError

MADRID = "Europe/Madrid"
SPRING, AUTUMN = "2024-03-31", "2024-10-27"


def readings(first, last, freq="h", meter="A", timezone=MADRID, **columns):
    """Readings from the start of one local day to the end of another, counting up: 0, 1, 2 kWh and so on."""
    end = pd.Timestamp(last, tz=timezone) + pd.DateOffset(days=1)
    stamps = pd.date_range(pd.Timestamp(first, tz=timezone), end, freq=freq, inclusive="left", unit="us")
    table = pd.DataFrame({"meter_id": meter, "timestamp_utc": stamps.tz_convert("UTC")})
    table["energy_kwh"] = np.arange(len(table), dtype=np.float64)
    return table.assign(**columns)


def days(table, timezone=MADRID):
    (found,) = days_of([table], timezone)
    return found


class TestClocks:
    def test_of_23_hours_the_skipped_one_is_not_known(self):
        found = days(readings(SPRING, SPRING, quality=r.REJECTED_OUTLIER))
        np.testing.assert_array_equal(found.active_kwh, [[0, 1, np.nan, *range(2, 23)]])
        np.testing.assert_array_equal(found.doubted, [[hour != 2 for hour in range(24)]])

    def test_of_25_hours_those_that_the_clock_shows_twice_are_one_in_the_mean(self):
        count = np.arange(25.0)
        found = days(readings(AUTUMN, AUTUMN, reactive_energy_kvarh=2 * count, voltage_a_v=count + 200))
        expected = np.array([[0, 1, 2.5, *range(4, 25)]])
        np.testing.assert_array_equal(found.active_kwh, expected)
        np.testing.assert_array_equal(found.reactive_kvarh, 2 * expected)
        np.testing.assert_array_equal(found.voltage_v, [200 + expected])

    def test_an_hour_that_is_doubted_the_second_time_is_doubted(self):
        table = readings(AUTUMN, AUTUMN, quality=r.MEASURED)
        table.loc[3, "quality"] = r.EDITED_SCALE
        assert np.flatnonzero(days(table).doubted).tolist() == [2]

    @pytest.mark.parametrize("day", [SPRING, AUTUMN])
    def test_the_days_around_a_change_have_24_hours_and_their_own_energy(self, day):
        before, after = pd.Timestamp(day) - pd.Timedelta(days=1), pd.Timestamp(day) + pd.Timedelta(days=1)
        table = readings(before, after)
        found = days(table)
        assert found.active_kwh.shape == (3, 24)
        np.testing.assert_array_equal(found.active_kwh[0], np.arange(24))
        np.testing.assert_array_equal(found.active_kwh[2], np.arange(24) + len(table) - 24)
        assert [found.date_of(n) for n in range(3)] == [before.date(), date.fromisoformat(day), after.date()]

    def test_days_are_those_of_the_zone_as_far_as_readings_cover_them(self):
        found = days(readings("2024-01-01", "2024-01-02", timezone="UTC"), "Asia/Tokyo")
        np.testing.assert_array_equal(found.active_kwh, [np.arange(15, 39)])
        assert found.date_of(0) == date(2024, 1, 2)

    def test_a_meter_without_a_whole_day_has_none(self):
        table = readings("2024-01-01", "2024-01-01", timezone="UTC")
        assert list(days_of([table], "Asia/Tokyo")) == []


class TestHours:
    def test_quarter_hours_are_summed(self):
        table = readings("2024-01-01", "2024-01-01", "15min", reactive_energy_kvarh=0.5)
        found = days(table)
        np.testing.assert_array_equal(found.active_kwh[0], 16 * np.arange(24) + 6)
        np.testing.assert_array_equal(found.reactive_kvarh, np.full((1, 24), 2.0))

    def test_an_hour_that_lacks_a_quarter_is_not_known(self):
        table = readings("2024-01-01", "2024-01-01", "15min", reactive_energy_kvarh=1.0)
        table.loc[5, "energy_kwh"] = np.nan
        table.loc[9, "reactive_energy_kvarh"] = np.nan
        found = days(table.drop(index=13))
        assert np.flatnonzero(np.isnan(found.active_kwh)).tolist() == [1, 3]
        assert np.flatnonzero(np.isnan(found.reactive_kvarh)).tolist() == [2, 3]

    def test_days_without_readings_between_others_are_there_and_not_known(self):
        table = readings("2024-01-01", "2024-01-03")
        found = days(table[(table.index < 24) | (table.index >= 48)])
        assert len(found) == 3
        assert np.isnan(found.active_kwh).all(axis=1).tolist() == [False, True, False]

    def test_a_meter_read_every_two_hours_is_refused(self):
        with pytest.raises(ParameterError, match=r"meter A is read every 120 minutes.* 60 minutes"):
            days(readings("2024-01-01", "2024-01-02", "2h"))


class TestColumns:
    def test_without_reactive_energy_or_voltages_there_are_none(self):
        found = days(readings("2024-01-01", "2024-01-02"))
        assert found.reactive_kvarh is None
        assert found.voltage_v.shape == (0, 2, 24)

    def test_reactive_energy_that_is_never_known_is_none(self):
        assert days(readings("2024-01-01", "2024-01-01", reactive_energy_kvarh=np.nan)).reactive_kvarh is None

    def test_reactive_energy_is_known_where_active_energy_is_not(self):
        table = readings("2024-01-01", "2024-01-01", reactive_energy_kvarh=3.0)
        table.loc[4, "energy_kwh"] = np.nan
        found = days(table)
        np.testing.assert_array_equal(found.reactive_kvarh, np.full((1, 24), 3.0))
        assert np.flatnonzero(np.isnan(found.active_kwh)).tolist() == [4]

    def test_voltages_are_the_means_of_what_is_known_of_each_phase(self):
        table = readings("2024-01-01", "2024-01-02", "15min", voltage_a_v=230.0, voltage_b_v=np.nan)
        table.loc[:3, "voltage_a_v"] = [200, 210, np.nan, 250]
        table.loc[4:7, "voltage_a_v"] = np.nan
        found = days(table).voltage_v
        assert found.shape == (2, 2, 24)
        assert found[0, 0, :3].tolist() == pytest.approx([220, np.nan, 230], nan_ok=True)
        assert np.isnan(found[1]).all()

    @pytest.mark.parametrize("quality", sorted(set(r.QUALITY) - {r.MEASURED, r.ESTIMATED_INTERPOLATED, r.MISSING}))
    def test_an_hour_is_doubted_that_was_rejected_edited_or_estimated_over_long(self, quality):
        table = readings("2024-01-01", "2024-01-02", "15min", quality=r.MEASURED)
        table.loc[4 * 30 + 1, "quality"] = quality
        assert np.argwhere(days(table).doubted).tolist() == [[1, 6]]

    @pytest.mark.parametrize("quality", [r.MEASURED, r.ESTIMATED_INTERPOLATED])
    def test_an_hour_is_not_doubted_that_was_measured_or_interpolated(self, quality):
        assert not days(readings("2024-01-01", "2024-01-01", quality=quality)).doubted.any()

    def test_readings_without_quality_are_not_doubted(self):
        found = days(readings("2024-01-01", "2024-01-02")).doubted
        assert found.shape == (2, 24)
        assert not found.any()


class TestMeters:
    def test_each_meter_has_its_own_days_and_one_without_readings_has_none(self):
        tables = [
            readings("2024-01-01", "2024-01-02", meter="B", reactive_energy_kvarh=1.0),
            readings("2024-01-01", "2024-01-01", meter="none").iloc[:0],
            readings("2024-02-01", "2024-02-01", "15min", meter="A"),
        ]
        found = list(days_of(tables, MADRID))
        assert [(d.meter_id, len(d), d.date_of(0)) for d in found] == [
            ("B", 2, date(2024, 1, 1)),
            ("A", 1, date(2024, 2, 1)),
        ]
        assert [d.reactive_kvarh is None for d in found] == [False, True]

    def test_a_days_number_counts_from_1970_and_leads_back_to_its_date(self):
        assert [day_number(date(1970, 1, 1)), day_number(date(1970, 2, 1)), day_number(date(1969, 12, 31))] == [
            0,
            31,
            -1,
        ]
        found = days(readings("2024-02-28", "2024-03-01"))
        assert found.first_day == day_number(date(2024, 2, 28))
        assert [day_number(found.date_of(n)) - found.first_day for n in range(3)] == [0, 1, 2]
        assert found.date_of(1) == date(2024, 2, 29)

    @pytest.mark.parametrize("reactive", [{}, {"reactive_energy_kvarh": 1.0}])
    def test_until_a_day_is_what_was_read_before_it(self, reactive):
        table = readings("2024-01-01", "2024-01-03", voltage_a_v=230.0, quality=r.EDITED_RESET, **reactive)
        cut, expected = days(table).until(2), days(table.iloc[:48])
        assert (cut.meter_id, cut.first_day, len(cut)) == (expected.meter_id, expected.first_day, 2)
        for name in ("active_kwh", "reactive_kvarh", "voltage_v", "doubted"):
            np.testing.assert_array_equal(getattr(cut, name), getattr(expected, name), strict=bool(reactive))
