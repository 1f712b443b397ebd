"""The gradient-boosted model: what it learns of, that it learns, and that it is the same when reloaded."""

import numpy as np
import pytest
import xgboost

from loadprofiles.forecasting import boosting, local
from loadprofiles.forecasting.design import Context, make_rows
from tests.forecasting.panels import drawn_energy, drawn_panel, ints, panel_of


@pytest.fixture(scope="module")
def panel():
    return drawn_panel(80, 3)


@pytest.fixture(scope="module")
def model(panel):
    return boosting.fit(panel.before(70 * 24), Context(), 24, 24, seed=0, threads=1)


def queries(days, meters=3):
    days = np.asarray(days)
    return np.repeat(np.arange(meters), len(days)), np.tile(days * 24, meters)


class TestFit:
    def test_it_errs_less_than_the_week_before(self, panel, model):
        meters, origins = queries(range(70, 79))
        steps = origins[:, np.newaxis] + np.arange(24)
        actual = panel.energy_kwh[meters[:, np.newaxis], steps]
        own, naive = (
            np.abs(f(panel, meters, origins, 24) - actual).sum() for f in (model.forecast, local.seasonal_naive_week)
        )
        assert own < 0.85 * naive

    def test_a_kiosk_and_a_factory_are_forecast_in_their_own_size(self, panel, model):
        forecast = model.forecast(panel, *queries([75]), 24)
        assert forecast.mean(axis=1) == pytest.approx(panel.energy_kwh[:, 60 * 24 : 70 * 24].mean(axis=1), rel=0.2)

    def test_the_same_seed_gives_the_same_and_another_another(self, panel, model):
        known, asked = panel.before(70 * 24), queries([72])
        again, other = (boosting.fit(known, Context(), 24, 24, seed=seed, threads=1) for seed in (0, 1))
        assert again.forecast(panel, *asked, 24).tolist() == model.forecast(panel, *asked, 24).tolist()
        assert other.forecast(panel, *asked, 24).tolist() != model.forecast(panel, *asked, 24).tolist()

    def test_it_forecasts_as_xgboost_does_of_the_same_rows(self, panel, model):
        meters, origins = queries([71, 73])
        rows, description = make_rows(panel, model.context, meters, origins, 24)
        kinds = ["c" if model.context.is_category(name) else "q" for name in model.context.names]
        data = xgboost.DMatrix(
            rows.reshape(-1, rows.shape[-1]), feature_names=list(model.context.names), feature_types=kinds,
            enable_categorical=True,
        )  # fmt: skip
        relative = model.booster.predict(data).reshape(len(meters), 24)
        assert model.forecast(panel, meters, origins, 24) == pytest.approx(description.to_kwh(relative), rel=1e-6)

    def test_a_meter_that_was_not_there_is_forecast_too(self, model):
        newcomer = panel_of(drawn_energy(40, seed=9) * 50)
        forecast = model.forecast(newcomer, ints(0), ints(40 * 24), 24)
        assert forecast.mean() == pytest.approx(newcomer.energy_kwh.mean(), rel=0.2)

    def test_a_past_that_tells_nothing_gives_nothing(self, model):
        assert np.isnan(model.forecast(panel_of(np.full(48, np.nan)), ints(0), ints(48), 24)).all()

    def test_no_queries_give_no_forecasts(self, panel, model):
        assert model.forecast(panel, ints(), ints(), 24).shape == (0, 24)

    @pytest.mark.parametrize("days", [0, 1, 27])
    def test_without_four_weeks_there_is_nothing_to_learn_from(self, panel, days):
        assert boosting.fit(panel.before(days * 24), Context(), 24, 24, seed=0, threads=1) is None

    def test_saved_and_loaded_it_forecasts_the_same(self, panel, model, tmp_path):
        model.save(tmp_path)
        loaded = boosting.load(tmp_path, Context())
        asked = queries([70, 80])
        assert loaded.forecast(panel, *asked, 24).tolist() == model.forecast(panel, *asked, 24).tolist()

    def test_sectors_that_use_differently_are_told_apart(self):
        """For four weeks all use alike; on the only day to learn from, one sector uses more and one less."""
        energy = np.random.default_rng(0).uniform(0.9, 1.1, (40, 29 * 24))
        energy[::2, -24:] *= 1.5
        energy[1::2, -24:] /= 1.5
        panel = panel_of(energy)
        sectors = {meter: "down" if number % 2 else "up" for number, meter in enumerate(panel.meters)}
        model = boosting.fit(panel, Context(sectors=sectors, sector_names=("down", "up")), 24, 24, seed=0, threads=1)
        same = panel_of(np.repeat(energy[2:3], 2, axis=0))
        up, down = model.forecast(same, ints(0, 1), ints(28 * 24, 28 * 24), 24).mean(axis=1)
        assert up > 1.2 * down


class TestRows:
    def test_what_is_not_known_is_not_learnt_and_what_is_far_off_is_cut(self):
        energy = drawn_energy(60)[0]
        energy[40 * 24 : 42 * 24] = np.nan
        energy[50 * 24 : 50 * 24 + 3] = 1e6
        rows, relative = boosting.training_rows(panel_of(energy), Context(), 24, 24, 10**6, 0)
        assert len(rows) == len(relative) == (32 - 2) * 24
        assert relative.max() == 5
        assert np.isfinite(relative).all()
