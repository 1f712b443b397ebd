"""Bands: as wide as past errors ask for, in order, and right as often as they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm

from loadprofiles.forecasting.bands import Calibrator, Errors, Rhythm, around_zero, expected_size, pooled_quantiles
from loadprofiles.forecasting.measures import BANDS, LEVELS
from tests.forecasting.panels import grid_of, ints

HOURLY = Rhythm(grid_of(24), 24)
WIDE = np.tile(norm.ppf(LEVELS) * 10, (4, 1))


def errors_of(actual, points=None, first=24):
    """Day-ahead forecasts of 10 kWh, or others, of actuals of shape (days, 24)."""
    actual = np.asarray(actual, np.float64)
    points = np.full(actual.shape, 10.0) if points is None else points
    origins = first + 24 * np.arange(len(actual))
    return Errors(origins, points, actual, np.full(len(actual), 10.0))


def quantiles_of(errors, pool=WIDE):
    return Calibrator(errors, HOURLY, [pool] * len(errors.origins)).quantiles()


def covered(errors, quantiles, percent, days):
    low, high = (quantiles[days, :, LEVELS.index(level)] for level in BANDS[percent])
    return np.mean((errors.actual_kwh[days] >= low) & (errors.actual_kwh[days] <= high))


class TestExpectedSize:
    def test_it_grows_with_the_forecast_and_with_the_meter(self):
        sizes = expected_size(np.array([[4.0, -9.0], [16, 0]]), np.array([1.0, 100]))
        assert sizes == pytest.approx(np.array([[2, 3], [40, np.sqrt(500)]]))

    def test_errors_are_told_in_it(self):
        errors = Errors(ints(0), np.array([[4.0, 4.0]]), np.array([[8.0, np.nan]]), np.array([1.0]))
        np.testing.assert_array_equal(errors.relative, [[2, np.nan]])
        assert errors.steps.tolist() == [[0, 1]]

    @pytest.mark.parametrize("scale", [0.0, np.nan])
    def test_a_meter_without_a_scale_has_no_errors_to_learn_from(self, scale):
        errors = Errors(ints(0), np.array([[1.0]]), np.array([[2.0]]), np.array([scale]))
        assert np.isnan(errors.relative).all()


class TestRhythm:
    @pytest.mark.parametrize(
        ("minutes", "groups"),
        [(60, [0] * 6 + [1] * 6 + [2] * 6 + [3] * 6), (480, [0, 1, 2]), (1440, [0]), (2880, [0])],
    )
    def test_parts_of_the_day(self, minutes, groups):
        rhythm = Rhythm(grid_of(24, minutes), 1)
        assert rhythm.group_of(np.arange(len(groups))).tolist() == groups
        assert rhythm.groups == max(groups) + 1

    def test_levels_move_as_far_in_a_day_however_often_forecasts_are_issued(self):
        assert Rhythm(grid_of(24), 24).rate == pytest.approx(24 * Rhythm(grid_of(24), 1).rate)
        assert Rhythm(grid_of(24, 2880), 1).rate == Rhythm(grid_of(24), 24).rate


class TestCoverage:
    @pytest.mark.parametrize("seed", [0, 1, 2])
    def test_of_errors_alike_every_day_each_band_covers_what_it_says(self, seed):
        random = np.random.default_rng(seed)
        errors = errors_of(10 + random.normal(0, 2, (300, 24)))
        quantiles = quantiles_of(errors)
        for percent in BANDS:
            assert covered(errors, quantiles, percent, slice(60, None)) == pytest.approx(percent / 100, abs=0.025)

    def test_of_skewed_errors_each_side_does(self):
        random = np.random.default_rng(3)
        errors = errors_of(8 + random.exponential(2, (300, 24)))
        quantiles = quantiles_of(errors)[60:]
        for number, level in enumerate(LEVELS):
            below = np.mean(errors.actual_kwh[60:] <= quantiles[..., number])
            assert below == pytest.approx(1 - np.exp(-1) if level == 0.5 else level, abs=0.02)

    def test_after_errors_have_doubled_the_bands_find_their_promise_again(self):
        random = np.random.default_rng(5)
        spread = np.where(np.arange(300) < 150, 1.0, 2.0)[:, np.newaxis]
        errors = errors_of(10 + random.normal(0, 1, (300, 24)) * spread)
        quantiles = quantiles_of(errors)
        assert covered(errors, quantiles, 90, slice(60, 150)) == pytest.approx(0.9, abs=0.03)
        assert covered(errors, quantiles, 90, slice(150, 155)) < 0.75
        assert covered(errors, quantiles, 90, slice(210, 300)) == pytest.approx(0.9, abs=0.03)

    def test_after_a_shift_of_level_levels_adapt_before_the_window_has_passed(self):
        random = np.random.default_rng(6)
        shift = np.where(np.arange(200) < 100, 0.0, 2.0)[:, np.newaxis]
        errors = errors_of(10 + random.normal(0, 1, (200, 24)) + shift)
        adapting = quantiles_of(errors)
        late = slice(125, 145)
        fixed = np.quantile(errors.actual_kwh[80:100], BANDS[90])
        without = np.mean((errors.actual_kwh[late] >= fixed[0]) & (errors.actual_kwh[late] <= fixed[1]))
        assert without < 0.6
        assert covered(errors, adapting, 90, late) > 0.8
        # all now lie above the forecast, which no lower bound may exceed
        assert 0.88 < covered(errors, adapting, 90, slice(160, 200)) < 0.96

    def test_a_quiet_night_has_a_narrower_band_than_the_day(self):
        random = np.random.default_rng(7)
        spread = np.where(np.arange(24) < 6, 0.2, 2.0)
        quantiles = quantiles_of(errors_of(10 + random.normal(0, 1, (60, 24)) * spread))[-1]
        widths = quantiles[:, -1] - quantiles[:, 0]
        assert widths[:6].max() < 0.2 * widths[6:].min()


class TestPool:
    def test_it_is_used_while_a_meter_has_too_few_errors_and_not_after(self):
        random = np.random.default_rng(8)
        errors = errors_of(10 + random.normal(0, 0.5, (30, 24)))
        quantiles = quantiles_of(errors)
        pooled = 10 + WIDE[0] * 10
        assert quantiles[0] == pytest.approx(np.tile(pooled, (24, 1)))
        assert quantiles[13] == pytest.approx(np.tile(pooled, (24, 1)))
        own = 10 + around_zero(np.quantile(errors.actual_kwh[:14, :6] - 10, LEVELS))
        assert quantiles[14, :6] == pytest.approx(np.tile(own, (6, 1)))

    def test_each_origin_has_its_own(self):
        errors = errors_of(np.full((2, 24), np.nan))
        pools = [np.tile(np.linspace(-width, width, 7), (4, 1)) for width in (0.3, 0.6)]
        quantiles = Calibrator(errors, HOURLY, pools).quantiles()
        assert quantiles[:, 0, -1] == pytest.approx([13, 16])

    def test_of_few_errors_it_is_a_normal_distribution(self):
        errors = errors_of(np.full((2, 24), 11.0))
        assert pooled_quantiles(errors, HOURLY, 72)[0] == pytest.approx(norm.ppf(LEVELS))

    def test_of_many_it_is_their_quantiles_by_part_of_the_day_known_at_the_origin(self):
        random = np.random.default_rng(9)
        errors = errors_of(10 + random.normal(0, 2, (40, 24)))
        pool = pooled_quantiles(errors, HOURLY, 24 * 21)
        for group in range(4):
            known = errors.relative[:20, group * 6 : group * 6 + 6]
            assert pool[group] == pytest.approx(around_zero(np.quantile(known, LEVELS)))

    def test_errors_that_are_not_known_yet_do_not_count(self):
        actual = 10 + np.random.default_rng(10).normal(0, 2, (40, 24))
        later = actual.copy()
        later[20:] = 1e6
        one, other = (pooled_quantiles(errors_of(a), HOURLY, 24 * 21) for a in (actual, later))
        assert one.tolist() == other.tolist()


class TestOrder:
    @given(
        actual=hnp.arrays(np.float64, (30, 24), elements=st.sampled_from([0.0, 0.1, 5, 10, 1e6, -50, np.nan])),
        points=hnp.arrays(np.float64, (30, 24), elements=st.sampled_from([0.0, 1, 10, -3, 1e5])),
        scale=st.sampled_from([0.0, 1.0, 1e4]),
    )
    @settings(max_examples=25)
    def test_quantiles_never_cross_and_the_middle_one_is_the_forecast(self, actual, points, scale):
        errors = Errors(24 + 24 * np.arange(30), points, actual, np.full(30, scale))
        quantiles = quantiles_of(errors)
        assert (np.diff(quantiles, axis=-1) >= 0).all()
        np.testing.assert_array_equal(quantiles[..., LEVELS.index(0.5)], points)

    @given(hnp.arrays(np.float64, (3, len(LEVELS)), elements=st.floats(-1e3, 1e3)))
    def test_relative_quantiles_lie_on_both_sides_of_the_forecast(self, relative):
        out = around_zero(relative)
        assert (np.diff(out, axis=-1) >= 0).all()
        assert (out[:, :3] <= 0).all()
        assert (out[:, 3] == 0).all()
        assert (out[:, 4:] >= 0).all()

    def test_quantiles_that_are_in_order_stay(self):
        relative = np.array([-3.0, -2, -1, 0, 1, 2, 3])
        assert around_zero(relative).tolist() == relative.tolist()


class TestUnknown:
    def test_a_forecast_that_is_not_there_has_no_band_and_does_not_spoil_the_others(self):
        random = np.random.default_rng(11)
        actual = 10 + random.normal(0, 2, (60, 24))
        points = np.full((60, 24), 10.0)
        points[30] = np.nan
        quantiles = quantiles_of(errors_of(actual, points))
        assert np.isnan(quantiles[30]).all()
        assert np.isfinite(np.delete(quantiles, 30, axis=0)).all()

    def test_days_whose_actuals_are_not_known_change_no_level(self):
        random = np.random.default_rng(12)
        actual = 10 + random.normal(0, 2, (60, 24))
        actual[30:59] = np.nan
        errors = errors_of(actual)
        calibrator = Calibrator(errors, HOURLY, [WIDE] * 60)
        quantiles = calibrator.quantiles()
        assert quantiles[31].tolist() == quantiles[40].tolist() == quantiles[55].tolist()

    def test_the_last_relative_quantiles_are_those_of_the_last_origin(self):
        errors = errors_of(10 + np.random.default_rng(13).normal(0, 2, (60, 24)))
        calibrator = Calibrator(errors, HOURLY, [WIDE] * 60)
        quantiles = calibrator.quantiles()
        expected = 10 + np.repeat(calibrator.last_relative, 6, axis=0) * 10
        assert quantiles[-1] == pytest.approx(expected)

    def test_errors_of_more_than_56_days_ago_are_all_but_forgotten(self):
        actual = 10 + np.random.default_rng(14).normal(0, 1, (100, 24))
        old = actual.copy()
        old[:3] = 1e5
        one, other = (quantiles_of(errors_of(a)) for a in (actual, old))
        # what is left of them are the levels, which they moved
        assert other[20].max() > 100 * one[20].max()
        assert one[-1] == pytest.approx(other[-1], rel=0.1)
