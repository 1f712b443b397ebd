"""Several models as one, each weighing what its errors so far were worth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from loadprofiles.forecasting.online import combine, weighted, weights_at, weights_of
from tests.forecasting.panels import grid_of

GRID = grid_of(24)
WEEK = 7 * 24


def forecasts(*errors, days=40):
    """Of models that err by so much each hour: origins, points and actuals."""
    actual = np.random.default_rng(0).uniform(1, 5, (days, 24))
    return 24 + 24 * np.arange(days), np.stack([actual + error for error in errors]), actual


class TestWeights:
    @given(hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.integers(0, 400)), elements=st.floats(0, 1e6)))
    def test_they_add_up_to_one_and_none_is_negative(self, errors):
        weights = weights_of(errors, GRID)
        assert weights.sum() == pytest.approx(1)
        assert (weights >= 0).all()

    @given(
        errors=hnp.arrays(np.float64, (3, WEEK), elements=st.floats(0.01, 100)),
        factor=st.sampled_from([1e-6, 3, 1e6]),
        order=st.permutations([0, 1, 2]),
    )
    @settings(max_examples=30)
    def test_units_and_order_of_models_do_not_matter(self, errors, factor, order):
        weights = weights_of(errors, GRID)
        assert weights_of(errors * factor, GRID) == pytest.approx(weights)
        assert weights_of(errors[order], GRID) == pytest.approx(weights[order])

    def test_a_model_that_errs_by_a_twentieth_less_counts_nearly_three_times_as_much(self):
        weights = weights_of(np.repeat([[0.95], [1.0]], WEEK, axis=1), GRID)
        assert weights[0] / weights[1] == pytest.approx(0.95**-20)
        assert weights[0] / weights[1] == pytest.approx(2.79, abs=0.01)

    def test_a_week_of_errors_is_needed(self):
        errors = np.repeat([[1.0], [2.0]], WEEK, axis=1)
        assert weights_of(errors[:, :-1], GRID).tolist() == [0.5, 0.5]
        assert weights_of(errors, GRID)[0] > 0.99

    def test_models_that_never_err_share_all(self):
        assert weights_of(np.repeat([[0.0], [1.0], [0.0]], WEEK, axis=1), GRID).tolist() == [0.5, 0, 0.5]

    def test_only_errors_of_the_last_28_days_count(self):
        origins, points, actual = forecasts(1, -2)
        points[0, :5] += 1e4
        early = weights_at(24 * 20, origins, points, actual, GRID)
        late = weights_at(24 * 40, origins, points, actual, GRID)
        assert early[0] < 1e-6
        assert late == pytest.approx(weights_of(np.repeat([[1.0], [2.0]], WEEK, axis=1), GRID))

    def test_hours_of_which_a_model_or_the_actual_is_not_known_count_for_none(self):
        origins, points, actual = forecasts(1, -2)
        points[0, 20:25, :6] = np.nan
        actual[30, :] = np.nan
        points[1, 20:25, :6] = 1e9
        weights = weights_at(24 * 40, origins, points, actual, GRID)
        assert weights == pytest.approx(weights_of(np.repeat([[1.0], [2.0]], WEEK, axis=1), GRID))


class TestCombined:
    def test_at_first_all_count_alike_and_then_the_better_one(self):
        origins, points, actual = forecasts(1.0, -0.2)
        out = combine(origins, points, actual, GRID)
        assert out[0] - actual[0] == pytest.approx(0.4)
        assert out[-1] - actual[-1] == pytest.approx(-0.2, abs=1e-6)

    def test_it_is_never_worse_than_the_worst(self):
        origins, points, actual = forecasts(1.0, -0.2, 0.5)
        errors = np.abs(combine(origins, points, actual, GRID) - actual)
        assert errors.max() <= 1 + 1e-9

    @pytest.mark.parametrize("horizon", [24, 48])
    def test_what_is_not_known_at_an_origin_is_not_used_for_it(self, horizon):
        random = np.random.default_rng(1)
        origins = 24 + 24 * np.arange(30)
        actual, points = random.uniform(1, 5, (30, horizon)), random.uniform(1, 5, (2, 30, horizon))
        later = actual.copy()
        steps = origins[:, np.newaxis] + np.arange(horizon)
        later[steps >= origins[20]] = 1e6
        one, other = (combine(origins, points, a, GRID) for a in (actual, later))
        assert one[:21].tolist() == other[:21].tolist()
        assert one[22:].tolist() != other[22:].tolist()

    def test_one_model_alone_is_itself(self):
        origins, points, actual = forecasts(0.7)
        assert combine(origins, points, actual, GRID).tolist() == points[0].tolist()


class TestWeighted:
    def test_it_is_the_weighted_mean(self):
        assert weighted(np.array([0.25, 0.75]), np.array([[4.0, 8], [8, 4]])).tolist() == [7, 5]

    def test_a_model_that_has_none_does_not_count(self):
        points = np.array([[np.nan, 8, np.inf], [8, 4, 3]])
        assert weighted(np.array([0.25, 0.75]), points).tolist() == [8, 5, 3]

    def test_where_the_only_ones_there_weigh_nothing_they_count_alike(self):
        points = np.array([[np.nan, 1.0], [4, 5], [8, 9]])
        assert weighted(np.array([1.0, 0, 0]), points).tolist() == [6, 1]

    def test_where_none_has_one_there_is_none(self):
        np.testing.assert_array_equal(weighted(np.array([0.5, 0.5]), np.array([[np.nan, 1], [np.nan, 3]])), [np.nan, 2])
