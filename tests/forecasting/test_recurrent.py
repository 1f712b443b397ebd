"""The LSTM: what it learns, what it must not see, and what it does where there is little."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from loadprofiles.forecasting import recurrent
from loadprofiles.forecasting.design import Context
from loadprofiles.forecasting.features import describe
from loadprofiles.forecasting.panel import Floats, Panel
from tests.forecasting.panels import drawn_panel, ints, panel_of

DAY = 24
FIT = 100 * DAY
METERS, ORIGINS = np.repeat([0, 1], 10), np.tile(np.arange(100, 110) * DAY, 2)


def every_third_day_heavy(days: int = 110) -> Panel:
    """Two meters, the second nine times the first; the mean of weekdays cannot know which day is heavy."""
    level = np.where(np.arange(days) % 3 == 0, 3.0, 1.0)
    shape = 2 + np.sin(2 * np.pi * np.arange(DAY) / DAY)
    energy = (level[:, np.newaxis] * shape).ravel() * np.random.default_rng(0).gamma(400, 1 / 400, days * DAY)
    return panel_of([energy, 9 * energy])


def error(forecast_kwh: Floats, panel: Panel) -> float:
    """Of the queries `METERS`, `ORIGINS`."""
    actual = panel.energy_kwh[METERS[:, np.newaxis], ORIGINS[:, np.newaxis] + np.arange(DAY)]
    return float(np.abs(actual - forecast_kwh).sum() / actual.sum())


@pytest.fixture(scope="module")
def panel() -> Panel:
    return every_third_day_heavy()


@pytest.fixture(scope="module")
def fitted(panel: Panel) -> recurrent.RecurrentModel:
    return fit(panel.before(FIT))


@pytest.fixture(scope="module")
def in_haste() -> Iterator[None]:
    """Fits of a few seconds, that learn little."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recurrent, "_LEAST_UPDATES", 12)
        patch.setattr(recurrent, "EPOCHS", 2)
        yield


@pytest.fixture(scope="module")
def hasty(panel: Panel, fitted: recurrent.RecurrentModel, in_haste: None) -> recurrent.RecurrentModel:
    return fit(panel.before(FIT))


def fit(panel: Panel, context: Context | None = None, horizon: int = DAY) -> recurrent.RecurrentModel:
    model = recurrent.fit(panel, context or Context(), horizon, min(horizon, panel.grid.day_steps), 0, 1)
    assert model is not None
    return model


def test_it_learns_what_the_base_cannot_tell(panel, fitted):
    forecast = fitted.forecast(panel, METERS, ORIGINS, DAY)
    assert error(forecast, panel) < 0.6 * error(describe(panel, METERS, ORIGINS, DAY).base_kwh, panel)


def test_a_saved_model_forecasts_the_same(panel, fitted, tmp_path):
    fitted.save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras", "shapes.npy", "standards.npy"]
    again = recurrent.load(tmp_path, Context()).forecast(panel, METERS, ORIGINS, DAY)
    assert np.array_equal(again, fitted.forecast(panel, METERS, ORIGINS, DAY))


def test_the_same_seed_and_another_future_give_the_same_forecasts_at_and_before_an_origin(panel, hasty):
    energy = panel.energy_kwh.copy()
    energy[:, FIT:] = np.random.default_rng(1).gamma(1, 100, energy[:, FIT:].shape)
    energy[0, FIT : FIT + 30] = np.nan
    changed = replace(panel, energy_kwh=energy)
    meters, origins = ints(0, 1, 0, 1), ints(FIT, FIT, FIT - DAY, FIT - 5)
    before = hasty.forecast(panel, meters, origins, DAY)
    assert np.array_equal(fit(changed.before(FIT)).forecast(changed, meters, origins, DAY), before)
    after = [hasty.forecast(p, meters, origins + 2 * DAY, DAY) for p in (panel, changed)]
    assert (after[0] != after[1]).any(axis=1).all()


def test_another_seed_another_forecast(panel, hasty):
    # that the same seed gives the same is told by the test above, which fits twice
    other = recurrent.fit(panel.before(FIT), Context(), DAY, DAY, 1, 1)
    assert not np.array_equal(other.forecast(panel, METERS, ORIGINS, DAY), hasty.forecast(panel, METERS, ORIGINS, DAY))


def test_what_was_used_just_before_an_origin_does_change_it(panel, fitted):
    energy = panel.energy_kwh.copy()
    energy[:, FIT - 1] *= 2
    changed = replace(panel, energy_kwh=energy)
    old, new = (fitted.forecast(p, ints(0, 1), ints(FIT, FIT), DAY) for p in (panel, changed))
    assert (old != new).all()


def test_a_meter_is_forecast_as_if_it_were_alone(panel, fitted):
    together = fitted.forecast(panel, METERS, ORIGINS, DAY)
    alone = fitted.forecast(panel_of(panel.energy_kwh[1]), 0 * METERS[10:], ORIGINS[10:], DAY)
    assert np.allclose(alone, together[10:], rtol=1e-4)


def test_where_a_panel_begins_changes_no_forecast(panel, fitted):
    # five days later is a Saturday
    grid = replace(panel.grid, first_day=panel.grid.first_day + 5, n_steps=panel.grid.n_steps - 5 * DAY)
    cut = Panel(grid, panel.meters, panel.energy_kwh[:, 5 * DAY :])
    meters, origins = ints(0, 1), ints(109 * DAY, 109 * DAY)
    whole = fitted.forecast(panel, meters, origins, DAY)
    assert np.allclose(fitted.forecast(cut, meters, origins - 5 * DAY, DAY), whole, rtol=1e-4)


@pytest.mark.parametrize(
    "energy",
    [
        pytest.param(np.full((2, 40 * DAY), np.nan), id="nothing known"),
        pytest.param(np.zeros((2, 40 * DAY)), id="nothing used"),
        pytest.param(np.ones((2, 20 * DAY)), id="too short"),
        pytest.param(np.ones((2, 29 * DAY)), id="one origin: nothing later to validate by"),
    ],
)
def test_where_there_is_nothing_to_learn_from_there_is_no_model(energy):
    assert recurrent.fit(panel_of(energy), Context(), DAY, DAY, 0, 1) is None


def test_a_meter_without_a_past_has_no_forecast(fitted):
    energy = np.vstack([np.full(60 * DAY, np.nan), np.zeros(60 * DAY)])
    assert np.isnan(fitted.forecast(panel_of(energy), ints(0, 1), ints(58 * DAY, 58 * DAY), DAY)).all()


def test_no_queries_no_forecasts(panel, fitted):
    assert fitted.forecast(panel, ints(), ints(), DAY).shape == (0, DAY)


@pytest.mark.parametrize(("minutes", "horizon"), [(15, 4), (60, 168), (2880, 1)])
def test_any_frequency_and_horizon_will_do(minutes, horizon, in_haste, monkeypatch):
    monkeypatch.setattr(recurrent, "MAX_ROWS", 20 * horizon)
    panel = drawn_panel(400 if minutes == 2880 else 60, 2, minutes)
    panel = replace(panel, energy_kwh=np.where(np.arange(panel.grid.n_steps) % 11 == 3, np.nan, panel.energy_kwh))
    model = fit(panel, horizon=horizon)
    origins = ints(panel.grid.n_steps, panel.grid.n_steps - horizon)
    forecast = model.forecast(panel, ints(0, 1), origins, horizon)
    assert forecast.shape == (2, horizon)
    assert np.isfinite(forecast).all()
    described = describe(panel, ints(0, 1), origins, horizon)
    assert (np.abs(described.to_relative(forecast)) < 5).all()


def test_sectors_and_holidays_are_learnt_from(hasty, tmp_path):
    panel = drawn_panel(60, 3)
    context = Context("IT", {"a": "shop", "b": "mill"}, ("mill", "shop"))
    model = fit(panel, context)
    # two sectors are two marks; a holiday is an amount
    assert model.network.inputs[1].shape[-1] == hasty.network.inputs[1].shape[-1] + 3
    assert len(model.context.shapes) == len(hasty.context.shapes) > 0
    model.save(tmp_path)
    queries = ints(0, 1, 2), ints(58 * DAY, 58 * DAY, 58 * DAY)
    forecast = recurrent.load(tmp_path, context).forecast(panel, *queries, DAY)
    assert np.isfinite(forecast).all()
    swapped = replace(context, sectors={"a": "mill", "b": "mill"})
    other = recurrent.load(tmp_path, swapped).forecast(panel, *queries, DAY)
    assert (other[0] != forecast[0]).all()
    assert np.array_equal(other[1:], forecast[1:])


def test_validation_lies_after_all_that_is_learnt_from():
    origins = np.random.default_rng(0).permutation(np.repeat(np.arange(0, 100 * DAY, DAY), 3))
    training, validation = recurrent._split(origins, 2 * DAY, np.ones(300, dtype=np.bool_))
    assert (origins[training] + 2 * DAY).max() <= origins[validation].min()
    assert 30 <= validation.sum() <= 40
    assert training.sum() + validation.sum() == 300 - 3


def test_what_is_never_known_is_standardised_without_a_warning():
    amounts = np.array([[[1.0, np.nan, 2.0], [3.0, np.nan, 2.0]]], np.float32)
    assert recurrent._standards(amounts).tolist() == [[2, 0, 2], [1, 1, 1]]


def test_the_usual_counts_each_week_less_than_the_one_after_it():
    pasts = np.full((1, 8 * 7 + 2), np.nan)
    pasts[0, 49:51] = 10.0, 6.0  # a week before the last two
    pasts[0, 42:44] = 20.0, np.nan
    usual = recurrent._usual(pasts, 2, 7)
    assert np.allclose(usual, [[(10 + 0.7 * 20) / 1.7, 6]])


def test_settings_of_the_process_are_left_as_they_were(monkeypatch):
    monkeypatch.setenv("LP_SET", "mine")
    monkeypatch.delenv("LP_UNSET", raising=False)
    with pytest.raises(KeyError), recurrent._environment({"LP_SET": "a", "LP_UNSET": "b"}):
        assert (os.environ["LP_SET"], os.environ["LP_UNSET"]) == ("a", "b")
        raise KeyError
    assert os.environ["LP_SET"] == "mine"
    assert "LP_UNSET" not in os.environ


def test_only_a_fit_or_a_saved_model_imports_tensorflow():
    code = (
        "import sys, loadprofiles.forecasting.engine, loadprofiles.forecasting.recurrent\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_saved_model_is_loaded_in_silence_without_xgboost_and_leaves_the_environment(fitted, tmp_path):
    fitted.save(tmp_path)
    code = (
        "import os, pathlib, sys\nbefore = dict(os.environ)\n"
        "from loadprofiles.forecasting import recurrent\n"
        "from loadprofiles.forecasting.design import Context\n"
        "model = recurrent.load(pathlib.Path(sys.argv[1]), Context())\n"
        "assert dict(os.environ) == before, set(os.environ) - set(before)\n"
        "assert sys.modules['keras'].backend.backend() == 'tensorflow'\n"
        "assert 'xgboost' not in sys.modules\n"
        "print(not model.network.compiled)"
    )
    command = [sys.executable, "-W", "error", "-c", code, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("True\n", "")
