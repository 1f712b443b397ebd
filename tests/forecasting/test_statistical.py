"""MSTL and exponential smoothing: against the libraries' own, and where there is too little for them."""

import numpy as np
import pytest
from statsforecast.models import MSTL, AutoETS
from statsmodels.tsa.holtwinters import ExponentialSmoothing, SimpleExpSmoothing

from loadprofiles.forecasting import statistical
from tests.forecasting.panels import drawn_energy, drawn_panel, ints, panel_of

EIGHT_WEEKS = 56 * 24


def periodic(days, amount=1.0):
    """The same each week."""
    week = 2 + np.sin(np.arange(168) * 2 * np.pi / 24) + 0.5 * (np.arange(168) >= 120)
    return amount * np.tile(week, days // 7 + 1)[: days * 24]


class TestMstl:
    def test_of_the_last_8_weeks_it_forecasts_as_statsforecast(self):
        energy = drawn_energy(63)[0]
        origin = 60 * 24
        shown = statistical.mstl(panel_of(energy), ints(0), ints(origin), 24)
        model = MSTL([24, 168], trend_forecaster=AutoETS(model="ANN"))
        expected = model.forecast(y=energy[origin - EIGHT_WEEKS : origin], h=24)["mean"]
        assert shown[0] == pytest.approx(expected)

    def test_what_repeats_is_forecast_as_it_is(self):
        energy = periodic(40)
        shown = statistical.mstl(panel_of(energy), ints(0), ints(36 * 24), 48)
        assert shown[0] == pytest.approx(energy[36 * 24 : 38 * 24], rel=0.02)

    def test_steps_of_a_day_have_a_week(self):
        energy = np.tile([1.0, 1, 1, 1, 1, 3, 2], 9)
        shown = statistical.mstl(panel_of(energy, 1440), ints(0), ints(56), 7)
        assert shown[0] == pytest.approx(energy[:7], rel=0.05)


class TestEts:
    def test_hours_have_a_season_of_a_day(self):
        energy = drawn_energy(57)[0]
        shown = statistical.ets(panel_of(energy), ints(0), ints(EIGHT_WEEKS), 24)[0]
        fitted = ExponentialSmoothing(energy[:EIGHT_WEEKS], seasonal="add", seasonal_periods=24).fit()
        assert shown == pytest.approx(fitted.forecast(24), rel=0.2)
        assert np.corrcoef(shown, fitted.forecast(24))[0, 1] > 0.98

    def test_a_day_of_more_steps_than_24_has_no_season(self):
        energy = drawn_energy(20, minutes=15)[0]
        shown = statistical.ets(panel_of(energy, 15), ints(0), ints(energy.size), 8)[0]
        assert shown == pytest.approx(
            SimpleExpSmoothing(energy, initialization_method="estimated").fit().forecast(8), rel=0.05
        )

    def test_steps_of_a_day_have_a_season_of_a_week(self):
        energy = np.tile([1.0, 1, 1, 1, 1, 3, 2], 8)
        shown = statistical.ets(panel_of(energy, 1440), ints(0), ints(56), 7)[0]
        assert shown == pytest.approx(energy[:7], rel=0.05)


@pytest.mark.parametrize("model", [statistical.mstl, statistical.ets])
class TestPast:
    def test_a_gap_is_filled_with_the_week_before_it(self, model):
        energy = drawn_energy(30)[0]
        gap = slice(20 * 24, 21 * 24)
        filled, unknown = energy.copy(), energy.copy()
        filled[gap] = energy[13 * 24 : 14 * 24]
        unknown[gap] = np.nan
        panel = panel_of([filled, unknown])
        shown = model(panel, ints(0, 1), ints(28 * 24, 28 * 24), 24)
        assert shown[1] == pytest.approx(shown[0])

    def test_a_gap_of_more_than_a_week_is_filled_with_the_last_week_before_it(self, model):
        energy = periodic(40)
        energy[20 * 24 : 30 * 24] = np.nan
        shown = model(panel_of(energy), ints(0), ints(36 * 24), 24)
        assert shown[0] == pytest.approx(periodic(40)[36 * 24 : 37 * 24], rel=0.35)

    def test_a_gap_in_the_first_week_does_not_stop_it(self, model):
        energy = periodic(30)
        energy[3:20] = np.nan
        assert np.isfinite(model(panel_of(energy), ints(0), ints(28 * 24), 24)).all()

    @pytest.mark.parametrize("days", [0, 1, 13])
    def test_less_than_two_weeks_are_too_few(self, model, days):
        assert np.isnan(model(drawn_panel(30), ints(0), ints(days * 24), 24)).all()

    def test_nothing_known_and_only_zeros_give_nothing(self, model):
        panel = panel_of([np.full(30 * 24, np.nan), np.zeros(30 * 24)])
        assert np.isnan(model(panel, ints(0, 1), ints(720, 720), 24)).all()

    def test_a_constant_is_forecast_as_it_is(self, model):
        shown = model(panel_of(np.full(30 * 24, 5.0)), ints(0), ints(720), 24)
        assert shown[0] == pytest.approx(np.full(24, 5.0))

    def test_an_outage_is_no_past(self, model):
        silent, unknown = periodic(30), periodic(30)
        silent[400:430] = 0
        unknown[400:430] = np.nan
        shown = model(panel_of([silent, unknown]), ints(0, 1), ints(720, 720), 24)
        assert shown[0].tolist() == shown[1].tolist()
