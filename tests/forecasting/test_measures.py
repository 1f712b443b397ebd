"""How wrong forecasts were: literal numbers, and scikit-learn's."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.metrics import mean_absolute_percentage_error, mean_pinball_loss, root_mean_squared_error

from loadprofiles.forecasting import measures as m

ENERGIES = hnp.arrays(np.float64, 12, elements=st.floats(0, 1e6).map(lambda x: round(x, 3)))
ACTUAL, FORECAST = np.array([2.0, 0, 4, 4]), np.array([1.0, 1, 4, 6])


class TestPoints:
    def test_by_hand(self):
        assert m.wape(ACTUAL, FORECAST) == pytest.approx(4 / 10)
        assert m.rmse_kwh(ACTUAL, FORECAST) == pytest.approx(np.sqrt(6 / 4))
        assert m.mase(ACTUAL, FORECAST, 0.5) == pytest.approx(2)

    def test_mape_leaves_out_intervals_in_which_nothing_was_used(self):
        assert m.mape_percent(ACTUAL, FORECAST) == pytest.approx(100 * (0.5 + 0 + 0.5) / 3)

    @given(actual=ENERGIES, forecast=ENERGIES)
    def test_as_scikit_learn(self, actual, forecast):
        assert m.rmse_kwh(actual, forecast) == pytest.approx(root_mean_squared_error(actual, forecast))
        used = actual > 0
        if used.any():
            expected = 100 * mean_absolute_percentage_error(actual[used], forecast[used])
            assert m.mape_percent(actual, forecast) == pytest.approx(expected)

    @given(actual=ENERGIES, forecast=ENERGIES, factor=st.sampled_from([0.001, 8.0]))
    def test_shares_do_not_depend_on_the_unit_nor_on_the_sign(self, actual, forecast, factor):
        share = m.wape(actual, forecast)
        assert m.wape(-factor * actual, -factor * forecast) == pytest.approx(share, nan_ok=True)

    def test_of_nothing_used_there_is_no_share(self):
        nothing = np.zeros(3)
        assert np.isnan(m.wape(nothing, np.ones(3)))
        assert np.isnan(m.mape_percent(nothing, np.ones(3)))
        assert np.isnan(m.weighted_quantile_loss(nothing, np.ones((3, 7))))
        assert np.isnan(m.relative_width(nothing, nothing, np.ones(3)))

    @pytest.mark.parametrize("naive", [0.0, np.nan])
    def test_without_an_error_to_divide_by_there_is_no_mase(self, naive):
        assert np.isnan(m.mase(ACTUAL, FORECAST, naive))


class TestQuantiles:
    def test_pinball_by_hand(self):
        losses = m.pinball_kwh(np.array([10.0, 10]), np.array([[8.0, 8], [12, 14]]), levels=(0.1, 0.75))
        assert losses == pytest.approx([(0.1 * 2 + 0.9 * 2) / 2, (0.75 * 2 + 0.25 * 4) / 2])

    @given(actual=ENERGIES, quantiles=hnp.arrays(np.float64, (12, 7), elements=st.floats(0, 1e6)))
    def test_pinball_as_scikit_learn(self, actual, quantiles):
        expected = [mean_pinball_loss(actual, quantiles[:, n], alpha=level) for n, level in enumerate(m.LEVELS)]
        assert m.pinball_kwh(actual, quantiles) == pytest.approx(expected, abs=1e-9)

    def test_the_weighted_loss_of_points_as_quantiles_is_their_wape(self):
        # over levels that lie as far above a half as below it, a point costs half its error
        assert m.weighted_quantile_loss(ACTUAL, np.tile(FORECAST[:, np.newaxis], 7)) == pytest.approx(
            m.wape(ACTUAL, FORECAST)
        )

    def test_coverage_counts_the_bounds_in(self):
        actual = np.array([1.0, 2, 3, 4])
        assert m.coverage(actual, np.array([1.0, 0, 4, 0]), np.array([2.0, 2, 5, 3])) == 0.5

    def test_width_is_a_share_of_what_was_used(self):
        assert m.relative_width(np.array([2.0, -4]), np.zeros(2), np.array([1.0, 2])) == pytest.approx(0.5)

    def test_columns_are_named_by_their_level(self):
        assert m.QUANTILE_COLUMNS == (
            "energy_kwh_p05", "energy_kwh_p10", "energy_kwh_p25", "energy_kwh", "energy_kwh_p75", "energy_kwh_p90",
            "energy_kwh_p95",
        )  # fmt: skip


def backtest_of(meters):
    """Bands of half and double the points around them."""
    rows = []
    for meter, (actual, point) in meters.items():
        quantiles = np.multiply.outer(point, [0.5, 0.6, 0.8, 1, 1.2, 1.4, 1.5])
        table = pd.DataFrame(quantiles, columns=list(m.QUANTILE_COLUMNS)).assign(meter_id=meter, actual_kwh=actual)
        rows.append(table)
    return pd.concat(rows, ignore_index=True).sample(frac=1, random_state=1)


class TestTable:
    backtest = backtest_of({"b": ([2.0, 0, 4, 4], [1.0, 1, 4, 6]), "a": ([1.0, 1], [1.0, 1.4])})
    naive = pd.Series([3.0, 0, 4, 8, 2.0, 2.0])

    def errors(self):
        return m.meter_errors(self.backtest, self.naive, pd.Series({"b": 0.5}))

    def test_each_meter_has_its_measures(self):
        table = self.errors().set_index("meter_id")
        assert table.index.tolist() == ["a", "b"]
        assert table.loc["b", ["intervals", "zero_intervals"]].tolist() == [4, 1]
        assert table.loc["b", "wape"] == pytest.approx(0.4)
        assert table.loc["b", "ratio_to_seasonal_naive"] == pytest.approx(0.4 / 0.5)
        assert table.loc["b", "mase"] == pytest.approx(2)
        assert table.loc["a", "ratio_to_seasonal_naive"] == pytest.approx(0.2)
        assert np.isnan(table.loc["a", "mase"])
        assert table.loc["a", "coverage_90"] == 1
        assert table.loc["b", "coverage_90"] == pytest.approx(0.5)
        assert table.loc["a", "width_90"] == pytest.approx(1.2)

    def test_the_summary_has_medians_the_geometric_mean_of_ratios_and_pooled_coverage(self):
        numbers = m.summary(self.errors())
        assert numbers["median_wape"] == pytest.approx(0.3)
        assert numbers["mean_wape"] == pytest.approx(0.3)
        assert numbers["median_mase"] == pytest.approx(2)
        assert numbers["ratio_to_seasonal_naive"] == pytest.approx(np.sqrt(0.8 * 0.2))
        assert numbers["coverage_90"] == pytest.approx((2 * 1 + 4 * 0.5) / 6)
        assert set(numbers) >= {"median_weighted_quantile_loss", "median_width_50", "coverage_80", "median_rmse_kwh"}

    def test_what_no_meter_has_is_left_out(self):
        backtest = backtest_of({"a": ([0.0, 0], [0.0, 0])})
        numbers = m.summary(m.meter_errors(backtest, pd.Series([0.0, 0]), pd.Series(dtype=float)))
        assert "median_wape" not in numbers
        assert "ratio_to_seasonal_naive" not in numbers
        assert numbers["median_rmse_kwh"] == 0
        assert numbers["coverage_90"] == 1

    def test_of_no_meter_there_is_no_summary(self):
        assert m.summary(pd.DataFrame()) == {}
