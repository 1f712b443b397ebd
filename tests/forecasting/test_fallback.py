"""What is forecast for a meter that no model can tell anything of: each reason by its numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles.forecasting.fallback import LEVEL, NO_PAST, NONE, SHORT, WORDS, ZERO, Fallbacks, find_fallbacks
from tests.forecasting.panels import drawn_energy, ints, panel_of

DAY = np.arange(1.0, 25)


def fallback_of(energy, horizon=24, minutes=60, origin=None):
    energy = np.asarray(energy, dtype=np.float64)
    found = find_fallbacks(panel_of(energy, minutes), ints(0), ints(len(energy) if origin is None else origin), horizon)
    return found.reasons[0], found.forecasts_kwh[0]


class TestNoPast:
    def test_fewer_hours_than_a_day_has_give_their_mean(self):
        reason, forecast = fallback_of([np.nan] * 10 + [1.0, 2, 6], horizon=30)
        assert (reason, forecast.tolist()) == (NO_PAST, [3.0] * 30)

    def test_nothing_at_all_gives_nothing_and_does_not_warn(self):
        reason, forecast = fallback_of(np.full(100, np.nan))
        assert reason == NO_PAST
        assert np.isnan(forecast).all()

    def test_the_first_origin_has_no_past(self):
        assert fallback_of(np.ones(100), origin=0)[0] == NO_PAST


class TestShort:
    def test_fewer_than_14_days_give_the_mean_by_time_of_day(self):
        reason, forecast = fallback_of(np.concatenate([DAY, DAY * 3]), horizon=26)
        assert (reason, forecast.tolist()) == (SHORT, [*(DAY * 2), 2, 4])

    def test_a_time_of_day_that_is_not_known_gets_the_mean_of_all(self):
        energy = np.tile(DAY, 2)
        energy[[5, 29]] = np.nan
        reason, forecast = fallback_of(energy)
        assert reason == SHORT
        assert forecast[5] == pytest.approx((300 - 6) / 23)
        assert np.delete(forecast, 5).tolist() == np.delete(DAY, 5).tolist()

    def test_an_origin_within_the_day_goes_on_from_there(self):
        reason, forecast = fallback_of(np.tile(DAY, 4), origin=24 * 3 + 7, horizon=5)
        assert (reason, forecast.tolist()) == (SHORT, [8, 9, 10, 11, 12])

    def test_14_days_are_enough(self):
        assert fallback_of(np.tile(DAY, 13))[0] == SHORT
        assert fallback_of(np.tile(DAY, 14))[0] == NONE

    def test_known_days_count_not_those_that_have_passed(self):
        energy = np.tile(DAY, 40)
        energy[: 28 * 24] = np.nan
        assert fallback_of(energy)[0] == SHORT


class TestZero:
    def test_nothing_used_in_28_days_gives_zero(self):
        reason, forecast = fallback_of(np.concatenate([np.tile(DAY, 20), np.zeros(28 * 24)]), horizon=30)
        assert (reason, forecast.tolist()) == (ZERO, [0.0] * 30)

    def test_a_single_use_in_28_days_is_some(self):
        energy = np.zeros(40 * 24)
        energy[-28 * 24] = 1
        assert fallback_of(energy)[0] != ZERO

    def test_gaps_among_zeros_do_not_matter(self):
        energy = np.zeros(40 * 24)
        energy[-20 * 24 : -3 * 24] = np.nan
        assert fallback_of(energy)[0] == ZERO

    def test_28_days_of_which_nothing_is_known_are_not_28_days_of_nothing(self):
        reason, forecast = fallback_of(np.concatenate([np.tile(DAY, 28), np.full(28 * 24, np.nan)]))
        assert reason != ZERO
        assert forecast.tolist() == DAY.tolist()


class TestLevel:
    def changed(self, factor, days=2, before=30):
        return np.concatenate([np.tile(DAY, before), np.tile(DAY * factor, days)])

    @pytest.mark.parametrize("factor", [3.1, 100, 0.32, 0.01, -5])
    def test_two_days_beyond_three_times_or_below_a_third_are_a_new_level(self, factor):
        reason, forecast = fallback_of(self.changed(factor), horizon=48)
        assert reason == LEVEL
        assert forecast == pytest.approx(np.tile(DAY * factor, 2))

    @pytest.mark.parametrize("factor", [3, 2.9, 1, 0.34, -2])
    def test_less_than_that_is_none(self, factor):
        assert fallback_of(self.changed(factor))[0] == NONE

    def test_one_day_is_not_enough_and_after_a_week_it_is_less_and_less_new(self):
        assert fallback_of(self.changed(4, days=1))[0] == NONE
        assert fallback_of(self.changed(4, days=7))[0] == LEVEL
        assert fallback_of(self.changed(4, days=16))[0] == NONE

    def test_a_weekend_is_no_new_level(self):
        week = np.concatenate([np.tile(DAY, 5), np.tile(DAY / 10, 2)])
        energy = np.tile(week, 6)
        for days_ahead in range(8):
            assert fallback_of(energy, origin=35 * 24 + 24 * days_ahead - 24)[0] == NONE

    def test_two_days_of_zeros_are_an_outage_not_a_level(self):
        assert fallback_of(self.changed(0))[0] == NONE

    def test_only_hours_that_are_known_of_both_are_compared(self):
        energy = np.tile(np.concatenate([np.full(12, 0.1), np.full(12, 10.0)]), 32)
        energy[-48:-24] = np.nan
        energy[-12:] = np.nan
        assert fallback_of(energy)[0] == NONE

    def test_an_hour_that_is_not_known_of_the_two_days_gets_their_mean_not_the_old_level(self):
        energy = np.concatenate([np.full(30 * 24, 1.0), np.full(48, 10.0)])
        energy[[-48 + 5, -24 + 5]] = np.nan
        reason, forecast = fallback_of(energy)
        assert (reason, forecast.tolist()) == (LEVEL, [10.0] * 24)

    @pytest.mark.parametrize("minutes", [15, 480, 1440, 2880])
    def test_every_frequency_knows_it(self, minutes):
        energy = np.concatenate([np.ones(40 * 1440 // minutes), np.full(max(1, 2880 // minutes), 5.0)])
        reason, forecast = fallback_of(energy, 3, minutes)
        assert (reason, forecast.tolist()) == (LEVEL, [5.0] * 3)


class TestApplied:
    found = Fallbacks(np.array([NONE, ZERO, NONE], dtype=object), np.array([[7.0, 8], [0, 0], [9, 9]]))

    def test_a_models_forecast_stays_where_there_is_no_reason(self):
        applied = self.found.applied_to(np.array([[1.0, 2], [3, 4], [5, 6]]))
        assert applied.tolist() == [[1, 2], [0, 0], [5, 6]]

    def test_a_forecast_that_is_not_there_is_replaced(self):
        applied = self.found.applied_to(np.array([[1.0, np.nan], [3, 4], [np.inf, -np.inf]]))
        assert applied.tolist() == [[1, 8], [0, 0], [9, 9]]


def test_every_reason_is_stated():
    assert set(WORDS) == {NO_PAST, SHORT, ZERO, LEVEL}


@given(
    days=st.integers(0, 70),
    origin=st.integers(0, 70 * 24),
    share=st.floats(0, 1),
    zeros=st.booleans(),
    horizon=st.sampled_from([1, 24, 30, 168]),
    seed=st.integers(0, 99),
)
@settings(max_examples=60)
def test_any_past_gets_finite_numbers_unless_nothing_of_56_days_is_known(days, origin, share, zeros, horizon, seed):
    energy = drawn_energy(70, seed=seed)[0]
    energy[days * 24 :] = 0 if zeros else np.nan
    energy[np.random.default_rng(seed).random(energy.size) < share] = np.nan
    reason, forecast = fallback_of(energy, horizon, origin=origin)
    assert len(forecast) == horizon
    past = energy[max(0, origin - 56 * 24) : origin]
    if np.isnan(past).all():
        assert reason == NO_PAST
        assert np.isnan(forecast).all()
    else:
        assert np.isfinite(forecast).all()
        assert forecast.max() <= np.nanmax(past) + 1e-9
        assert forecast.min() >= min(0, np.nanmin(past)) - 1e-9
