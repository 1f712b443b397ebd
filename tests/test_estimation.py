import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles.estimation import fillable_gaps, interpolate, like_day_averages


def gap(length, hour, step_minutes=60):
    """Fillable flags of a gap of `length` steps from `hour` on, between known steps."""
    missing = np.array([False, *[True] * length, False])
    minutes = hour * 60 + (np.arange(length + 2) - 1) * step_minutes
    return fillable_gaps(missing, (minutes // 60 % 24).astype(np.int64), step_minutes)[1:-1]


def test_gaps_of_two_hours_are_fillable_longer_ones_by_day_are_not():
    assert gap(2, 12).all()
    assert not gap(3, 12).any()
    assert gap(8, 12, step_minutes=15).all()
    assert not gap(9, 12, step_minutes=15).any()


def test_night_gaps_may_have_24_steps_if_they_lie_wholly_in_the_night():
    assert gap(7, 0).all()
    assert not gap(7, 1).any()
    assert gap(24, 1, step_minutes=15).all()
    assert not gap(25, 0, step_minutes=15).any()


def test_gaps_at_the_ends_have_one_neighbour_and_stay():
    missing = np.array([True, False, True])
    assert not fillable_gaps(missing, np.zeros(3, dtype=np.int64), 60).any()


def test_estimates_lie_on_the_line_between_the_neighbours():
    energy = np.array([1.0, np.nan, np.nan, 4.0, np.nan, 8.0])
    filled = interpolate(energy, np.array([False, True, True, False, False, False]))
    np.testing.assert_allclose(filled, [1, 2, 3, 4, np.nan, 8])
    assert np.isnan(energy[1]), "the input is not edited"


@given(st.lists(st.booleans(), min_size=1, max_size=80), st.integers(0, 23))
def test_only_missing_steps_are_filled_and_never_a_whole_series(flags, hour):
    missing = np.array(flags)
    hours = (hour + np.arange(len(flags))) % 24
    fill = fillable_gaps(missing, hours.astype(np.int64), 60)
    assert not (fill & ~missing).any()
    assert not (fill[0] or fill[-1])


def test_like_days_are_the_four_nearest_same_weekdays_within_four_weeks():
    minute_of_week = np.tile([0, 720], 8)
    energy = np.array([1.0, 10, 2, 20, 3, 30, np.nan, 40, 5, 50, 6, np.nan, np.nan, 70, np.nan, 80])
    estimate = like_day_averages(energy, minute_of_week)
    assert estimate[6] == (2 + 3 + 5 + 6) / 4
    assert estimate[14] == (5 + 6) / 2, "no more are within four weeks"
    assert np.isnan(estimate[~np.isnan(energy)]).all(), "what is known is not estimated"


def test_one_like_day_is_not_enough():
    assert np.isnan(like_day_averages(np.array([1.0, np.nan]), np.zeros(2, dtype=np.int64))).all()
