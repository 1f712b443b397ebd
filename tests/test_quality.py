import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles import quality as q


def stamps(*texts):
    return pd.Series(pd.to_datetime(list(texts), utc=True, format="ISO8601")).astype("datetime64[us, UTC]")


def test_years_before_2000_and_after_tomorrow_are_implausible():
    now = pd.Timestamp("2024-05-01", tz="UTC")
    given_stamps = stamps("1970-01-01", "1999-12-31 23:59", "2000-01-01", "2024-05-01 23:00", "2040-01-01")
    assert q.flag_implausible_year(given_stamps, now).tolist() == [True, True, False, False, True]


def test_of_equal_stamps_the_last_row_stays():
    assert q.flag_superseded(stamps("2024-01-01", "2024-01-02", "2024-01-01")).tolist() == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("minutes", "expected"), [([0, 15, 30, 60], 15), ([0, 60, 120], 60), ([0, 7, 14], None), ([0], None)]
)
def test_step_is_the_most_frequent_distance_that_divides_a_day(minutes, expected):
    series = pd.Series(pd.Timestamp("2024-01-01", tz="UTC") + pd.to_timedelta(minutes, unit="min"))
    assert q.infer_step_minutes(series) == expected


def test_stamps_beside_the_grid_are_flagged_whatever_the_grids_offset():
    series = stamps("2024-01-01 00:05", "2024-01-01 00:20", "2024-01-01 00:33", "2024-01-01 00:50")
    assert q.flag_off_grid(series, 15).tolist() == [False, False, True, False]


def test_limit_allows_the_energy_of_the_steps_missed_before():
    # 40 kW give 10 kWh in 15 minutes, 30 kWh after two missed steps
    energy = np.array([10.0, 10.1, 30.0, 30.1])
    flags = q.flag_above_limit(energy, 40.0, 15, np.array([0, 0, 2, 2]))
    assert flags.tolist() == [False, True, False, True]


def test_unknown_energy_is_above_no_limit():
    assert not q.flag_above_limit(np.array([np.nan]), 1.0, 60, 0).any()


def test_gap_lengths_and_missed_before():
    missing = np.array([True, False, True, True, False, True])
    assert q.gap_lengths(missing).tolist() == [1, 0, 2, 2, 0, 1]
    assert q.missed_before(missing).tolist() == [0, 1, 0, 0, 2, 0]


@given(st.lists(st.booleans(), min_size=1, max_size=60))
def test_gap_lengths_equal_a_plain_count(flags):
    missing = np.array(flags)
    expected = []
    for i, flag in enumerate(flags):
        left = right = i
        while flag and left > 0 and flags[left - 1]:
            left -= 1
        while flag and right + 1 < len(flags) and flags[right + 1]:
            right += 1
        expected.append(right - left + 1 if flag else 0)
    assert q.gap_lengths(missing).tolist() == expected


def test_rows_after_a_later_one_are_out_of_order():
    shuffled = stamps("2024-01-01", "2024-01-03", "2024-01-02", "2024-01-03", "2024-01-04")
    assert q.flag_out_of_order(shuffled).tolist() == [False, False, True, False, False]


def test_a_peak_of_more_than_180_percent_above_the_third_is_a_spike():
    two_days = np.array([1.0, 1.0, 1.0, 2.81, 1.0, 1.0, 1.0, 2.79])
    assert np.flatnonzero(q.flag_spikes(two_days, np.repeat([0, 1], 4))).tolist() == [3]


@pytest.mark.parametrize("day", [[5.0, np.nan, np.nan, 1.0], [5.0, 1.0, -1.0, -2.0], [9.0, 8.0, 2.0, 1.0]])
def test_a_day_without_a_third_peak_is_not_judged_and_one_with_two_high_ones_by_it(day):
    flags = q.flag_spikes(np.array(day), np.zeros(4, dtype=np.int64))
    assert flags.tolist() == [day[0] == 9.0, False, False, False]


def test_equal_energies_in_a_row_are_a_flat_line_unless_the_counter_is_that_coarse():
    fine = np.r_[0.311, 0.312, np.full(6, 0.4), 0.313]
    assert np.flatnonzero(q.flag_flat_line(fine, 6, 24)).tolist() == [2, 3, 4, 5, 6, 7]
    assert not q.flag_flat_line(fine, 7, 24).any()
    coarse = np.r_[1.0, 2.0, np.full(6, 4.0), 3.0]
    assert not q.flag_flat_line(coarse, 6, 24).any()
    assert not q.flag_flat_line(np.r_[0.31, 0.3, np.zeros(6)], 6, 24).any(), "zeros are another matter"
    assert not q.flag_flat_line(np.zeros(9), 6, 24).any()
    assert q.flag_flat_line(np.full(9, 0.4), 6, 24).all(), "a meter that never says anything else"


def days_with_standby(lengths, standby=0.4):
    """Days of 24 different energies, each with a run of `standby` that begins at 6 o'clock and has a length."""
    hours = np.arange(24 * len(lengths))
    energies = 1 + 0.001 * hours
    for day, length in enumerate(lengths):
        energies[24 * day + 6 : 24 * day + 6 + length] = standby
    return energies


@pytest.mark.parametrize(
    ("lengths", "flagged"),
    [
        ([0, 0, 10, 0, 0], [2]),
        ([5, 0, 10, 0, 5], [2]),  # twice as long as it ever is
        ([6, 0, 10, 0, 0], []),
        ([9, 10, 9, 10, 9], []),  # every night
        ([10, 0, 0, 0, 12], []),
    ],
)
def test_a_value_that_the_meter_repeats_on_other_days_is_its_standby_and_no_flat_line(lengths, flagged):
    flags = q.flag_flat_line(days_with_standby(lengths), 8, 24)
    expected = [24 * day + 6 + hour for day in flagged for hour in range(lengths[day])]
    assert np.flatnonzero(flags).tolist() == expected


def test_a_flat_line_that_a_gap_interrupts_is_told_on_both_sides_of_it():
    energies = days_with_standby([0, 18, 0, 0])
    energies[24 + 14] = np.nan
    expected = [hour for hour in range(24 + 6, 48) if hour != 24 + 14]
    assert np.flatnonzero(q.flag_flat_line(energies, 8, 24)).tolist() == expected


def test_another_value_repeated_elsewhere_speaks_for_nothing():
    energies = days_with_standby([0, 0, 10, 0, 0])
    energies[:20] = 0.7
    assert np.flatnonzero(q.flag_flat_line(energies, 8, 24)).tolist() == [*range(20), *range(54, 64)]


def test_zeros_at_hours_at_which_every_other_day_counts_are_unusual():
    days = np.tile(np.r_[np.zeros(8), np.ones(16)], 9)
    days[4 * 24 + 6 : 4 * 24 + 20] = 0.0
    assert np.flatnonzero(q.flag_unusual_zeros(days, 8, 24)).tolist() == list(range(4 * 24, 4 * 24 + 20))


def test_zeros_that_another_day_has_too_are_not_unusual():
    days = np.tile(np.r_[np.zeros(8), np.ones(16)], 9)
    days[4 * 24 + 8 : 4 * 24 + 20] = 0.0
    days[7 * 24 + 8 : 7 * 24 + 20] = 0.0
    assert not q.flag_unusual_zeros(days, 8, 24).any()


WORKDAY = np.r_[np.zeros(8), np.ones(16)]


@pytest.mark.parametrize("days", [1, 4, 40])
def test_zeros_for_days_between_days_of_use_are_unusual_however_long(days):
    energies = np.r_[np.tile(WORKDAY, 7), np.zeros(24 * days), np.tile(WORKDAY, 7)]
    start = 7 * 24
    assert np.flatnonzero(q.flag_long_zeros(energies, 24)).tolist() == list(range(start, start + 24 * days + 8))


def test_a_meter_that_died_is_flagged_to_the_end():
    energies = np.r_[np.tile(WORKDAY, 7), np.zeros(24 * 50)]
    assert np.flatnonzero(q.flag_long_zeros(energies, 24)).tolist() == list(range(7 * 24, 57 * 24))


def test_two_long_outages_within_a_week_do_not_excuse_each_other():
    energies = np.r_[np.tile(WORKDAY, 9), np.zeros(24 * 9), np.tile(WORKDAY, 6), np.zeros(24 * 9), np.tile(WORKDAY, 9)]
    assert [end - start for start, end in q.runs(q.flag_long_zeros(energies, 24))] == [24 * 9 + 8] * 2


@pytest.mark.parametrize(
    "energies",
    [
        np.tile(np.r_[np.tile(WORKDAY, 5), np.zeros(48)], 4),  # closed at weekends
        np.r_[np.tile(WORKDAY, 4), np.zeros(24 * 3)],  # too little to compare with
        np.r_[np.tile(np.r_[np.zeros(23), 1.0], 7), np.zeros(48), np.tile(np.r_[np.zeros(23), 1.0], 7)],  # hardly used
        np.r_[np.tile(WORKDAY, 7), np.full(48, np.nan), np.tile(WORKDAY, 7)],  # missing is not zero
        np.r_[np.tile(WORKDAY, 7), np.zeros(15), np.tile(WORKDAY, 7)],  # with its night less than a day
        np.zeros(24 * 20),
        np.zeros(0),
    ],
)
def test_zeros_that_are_the_loads_own_are_not_flagged(energies):
    assert not q.flag_long_zeros(energies, 24).any()


def test_export_by_night_only_is_production_at_night_and_by_day_it_is_not():
    hours = np.tile(np.arange(24), 3)
    sun = np.where((hours >= 10) & (hours < 15), -2.0, 0.5)
    assert not q.flag_production_at_night(sun, hours).any()
    wrong_clock = np.where((hours >= 22) | (hours < 3), -2.0, 0.5)
    assert q.flag_production_at_night(wrong_clock, hours).sum() == 15


@given(st.lists(st.booleans(), max_size=40))
def test_runs_are_where_the_flags_are(flags):
    covered = [False] * len(flags)
    for start, end in q.runs(np.array(flags, dtype=bool)):
        covered[start:end] = [True] * (end - start)
        assert end > start
    assert covered == flags
