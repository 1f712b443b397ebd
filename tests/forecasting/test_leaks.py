"""Nothing from an origin on may change a forecast issued at or before it, of any meter; and the past must."""

import numpy as np
import pytest

from loadprofiles.forecasting import boosting, local, shapes, statistical
from loadprofiles.forecasting.bands import Calibrator, Errors, Rhythm, pooled_quantiles
from loadprofiles.forecasting.design import Context, make_rows
from loadprofiles.forecasting.fallback import find_fallbacks
from loadprofiles.forecasting.features import describe
from loadprofiles.forecasting.kernels import cut_past
from loadprofiles.forecasting.online import combine
from tests.forecasting.panels import drawn_energy, grid_of, ints, panel_of

ORIGIN = 75 * 24
EARLIER = ints(75, 74, 68, 35) * 24
METERS = ints(0, 1, 0, 1)


def fit_before(panel, origin=ORIGIN):
    return boosting.fit(panel.before(origin), Context(), 24, 24, seed=0, threads=1)


MODELS = {
    "seasonal_naive_week": lambda p, m, o: local.seasonal_naive_week(p, m, o, 48),
    "seasonal_naive_day": lambda p, m, o: local.seasonal_naive_day(p, m, o, 48),
    "profile": lambda p, m, o: local.profile(p, m, o, 48),
    "mstl": lambda p, m, o: statistical.mstl(p, m[:2], o[:2], 24),
    "ets": lambda p, m, o: statistical.ets(p, m[:2], o[:2], 24),
    "features": lambda p, m, o: describe(p, m, o, 30).features,
    "base": lambda p, m, o: describe(p, m, o, 30).base_kwh,
    "rows": lambda p, m, o: make_rows(p, Context(country="IT"), m, o, 24)[0],
    "fallbacks": lambda p, m, o: find_fallbacks(p, m, o, 24).forecasts_kwh,
    "shapes": lambda p, m, o: shapes.find_shapes(p.before(ORIGIN), 0),
    "boosting": lambda p, m, o: fit_before(p).forecast(p, m, o, 24),
}


def past():
    """Two meters with gaps, an outage in the past, and zeros up to the origin that the future may prolong."""
    energy = drawn_energy(90, 2)
    energy[0, 500:540] = 0
    energy[1, 900:910] = np.nan
    energy[0, ORIGIN - 14 : ORIGIN] = 0
    return energy


FUTURES = {
    "other use": lambda e: np.random.default_rng(5).uniform(0, 100, e.shape),
    "zeros": np.zeros_like,
    "nothing known": lambda e: np.full(e.shape, np.nan),
}


def changed(name):
    energy = past()
    energy[:, ORIGIN:] = FUTURES[name](energy[:, ORIGIN:])
    return panel_of(energy)


@pytest.fixture(scope="module")
def forecasts():
    return {name: model(panel_of(past()), METERS, EARLIER) for name, model in MODELS.items()}


@pytest.mark.parametrize("future", FUTURES)
@pytest.mark.parametrize("name", MODELS)
def test_the_future_changes_no_forecast(name, future, forecasts):
    np.testing.assert_array_equal(MODELS[name](changed(future), METERS, EARLIER), forecasts[name])


@pytest.mark.parametrize("name", MODELS)
def test_a_panel_that_ends_at_the_origin_gives_the_same(name, forecasts):
    cut = panel_of(past()[:, :ORIGIN])
    np.testing.assert_array_equal(MODELS[name](cut, METERS, EARLIER), forecasts[name])


@pytest.mark.parametrize("name", MODELS)
def test_the_past_does_change_them(name, forecasts):
    energy = past()
    energy[:, : ORIGIN - 15] *= np.random.default_rng(6).uniform(0.2, 5, energy[:, : ORIGIN - 15].shape)
    other = MODELS[name](panel_of(energy), METERS, EARLIER)
    told = ~np.isnan(other) & ~np.isnan(forecasts[name])
    assert (other[told] != forecasts[name][told]).mean() > 0.3


@pytest.mark.parametrize("name", ["seasonal_naive_day", "features", "fallbacks"])
def test_the_very_last_hour_before_the_origin_does(name, forecasts):
    energy = past()
    energy[0, ORIGIN - 1] = 50
    other = MODELS[name](panel_of(energy), METERS, EARLIER)
    assert not np.array_equal(other[0], forecasts[name][0], equal_nan=True)
    np.testing.assert_array_equal(other[1:], forecasts[name][1:])


def test_a_fit_knows_of_no_meter_what_comes_after_it(forecasts):
    energy = past()
    energy[1, ORIGIN:] *= 100
    forecast = MODELS["boosting"](panel_of(energy), METERS, EARLIER)
    np.testing.assert_array_equal(forecast, forecasts["boosting"])


def test_a_fit_that_sees_later_days_would_be_found():
    one = boosting.fit(panel_of(past()), Context(), 24, 24, seed=0, threads=1)
    assert not np.array_equal(one.forecast(panel_of(past()), METERS, EARLIER, 24), MODELS["boosting"](
        panel_of(past()), METERS, EARLIER
    ))  # fmt: skip


@pytest.mark.parametrize("zeros", [5, 23, 24, 60])
def test_zeros_that_go_on_after_an_origin_are_judged_by_those_before_it(zeros):
    energy = np.ones(200)
    energy[100 - zeros : 100] = 0
    longer = energy.copy()
    longer[100:] = 0
    np.testing.assert_array_equal(cut_past(energy, 100, 90, 24), cut_past(longer, 100, 90, 24))


class TestLaterSteps:
    """What past errors decide: weights and bands."""

    DAYS, FIRST = 60, 24
    NOW = 45

    def numbers(self, horizon):
        random = np.random.default_rng(2)
        origins = self.FIRST + 24 * np.arange(self.DAYS)
        energy = random.uniform(1, 5, 24 * (self.DAYS + 10))
        points = random.uniform(1, 5, (2, self.DAYS, horizon))
        return origins, points, energy

    def actual(self, energy, origins, horizon):
        return energy[origins[:, np.newaxis] + np.arange(horizon)]

    def later(self, energy, origins):
        changed = energy.copy()
        changed[origins[self.NOW] :] = np.random.default_rng(3).uniform(50, 90, len(changed) - origins[self.NOW])
        return changed

    def bands(self, origins, points, actual):
        rhythm = Rhythm(grid_of(24), 24)
        errors = Errors(origins, points, actual, np.full(len(origins), 3.0))
        pools = [pooled_quantiles(errors, rhythm, int(origin)) for origin in origins]
        return Calibrator(errors, rhythm, pools).quantiles()

    @pytest.mark.parametrize("horizon", [24, 72])
    def test_no_band_knows_an_error_that_is_not_known_yet(self, horizon):
        origins, points, energy = self.numbers(horizon)
        one, other = (
            self.bands(origins, points[0], self.actual(e, origins, horizon))
            for e in (energy, self.later(energy, origins))
        )
        assert one[: self.NOW + 1].tolist() == other[: self.NOW + 1].tolist()
        assert one[self.NOW + 1].tolist() != other[self.NOW + 1].tolist()

    @pytest.mark.parametrize("horizon", [24, 72])
    def test_no_weight_does(self, horizon):
        origins, points, energy = self.numbers(horizon)
        one, other = (
            combine(origins, points, self.actual(e, origins, horizon), grid_of(24))
            for e in (energy, self.later(energy, origins))
        )
        assert one[: self.NOW + 1].tolist() == other[: self.NOW + 1].tolist()
        assert one[self.NOW + 1].tolist() != other[self.NOW + 1].tolist()

    def test_later_forecasts_do_not_matter_to_earlier_bands(self):
        origins, points, energy = self.numbers(24)
        actual, later = self.actual(energy, origins, 24), points[0].copy()
        later[self.NOW :] *= 9
        one, other = (self.bands(origins, p, actual) for p in (points[0], later))
        assert one[: self.NOW].tolist() == other[: self.NOW].tolist()
