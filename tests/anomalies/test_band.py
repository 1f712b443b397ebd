"""The earlier rule, by hand."""

import numpy as np
import pytest

from loadprofiles.anomalies.band import band_alarms, band_score
from loadprofiles.anomalies.days import MeterDays

DAY = 28
"""The first with four weeks behind it."""


def score_of(active):
    none = np.zeros(active.shape, dtype=np.bool_)
    return band_score(MeterDays("A", 0, active, None, np.empty((0, *active.shape)), none))


@pytest.fixture
def tens():
    """Five weeks of 10 kWh an hour."""
    return np.full((35, 24), 10.0)


def test_hours_outside_a_fifth_of_the_same_hours_of_four_weeks_are_counted(tens):
    tens[DAY, :6] = [7.9, 8.0, 12.0, 12.1, 0.0, 50.0]
    found = score_of(tens)
    assert found[DAY] == 4 / 24
    assert np.isnan(found[:7]).all()
    assert (np.delete(found, [*range(7), DAY]) == 0).all()


def test_what_is_expected_is_the_median_of_the_weeks_there_are(tens):
    tens[[0, 7, 14, 21], 0] = [10, 20, 30, 100]
    tens[DAY, 0] = 25
    assert score_of(tens)[DAY] == 0
    tens[[0, 7], 0] = np.nan
    tens[DAY, 0] = 65
    assert score_of(tens)[DAY] == 0
    tens[DAY, 0] = 25
    assert score_of(tens)[DAY] == 1 / 24


def test_other_weekdays_say_nothing(tens):
    tens[[d for d in range(DAY) if d % 7]] = 99.0
    assert score_of(tens)[DAY] == 0


def test_only_known_hours_count(tens):
    tens[DAY, :20], tens[DAY, 20] = np.nan, 1.0
    tens[DAY + 1] = np.nan
    found = score_of(tens)
    assert found[DAY] == 1 / 4
    assert np.isnan(found[DAY + 1])


def test_where_nothing_is_expected_any_energy_is_outside(tens):
    tens[:, 3], tens[DAY, 3] = 0, 0.01
    found = score_of(tens)
    assert found[DAY] == 1 / 24
    assert found[DAY + 1] == 0


def test_negative_energies_have_a_band_too(tens):
    tens[:] = -10.0
    tens[DAY, :2] = [-11.9, -12.1]
    assert score_of(tens)[DAY] == 1 / 24


def test_a_day_is_red_when_more_than_a_fifth_of_its_hours_are():
    assert band_alarms(np.array([0, 0.2, 4 / 24, 5 / 24, 1, np.nan])).tolist() == [False] * 3 + [True] * 2 + [False]
