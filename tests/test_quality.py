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
