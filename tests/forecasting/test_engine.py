"""All models together: what they forecast may know nothing that comes after, however the work is spread."""

import numpy as np
import pytest
from distributed import LocalCluster

from loadprofiles.choices import ONLINE, ONLINE_MEMBERS
from loadprofiles.forecasting import boosting, engine, recurrent, schedule
from loadprofiles.forecasting.bands import Rhythm
from loadprofiles.forecasting.design import Context
from loadprofiles.forecasting.engine import FITS_TOGETHER, Outcome, PanelFile, Work, actuals, forecast_all, last_pool
from loadprofiles.forecasting.measures import LEVELS
from loadprofiles.forecasting.schedule import BACKTEST, CALIBRATION, FINAL, Horizon, plan
from loadprofiles.forecasting.step import choose
from tests.forecasting.panels import drawn_energy, drawn_panel, panel_of
from tests.forecasting.runs import ROUNDS

DAYS = 70
ALL_ROUNDS = boosting.ROUNDS
DAY = 24
MODELS = (*ONLINE_MEMBERS, ONLINE)
CONTEXT = Context(country="IT", sectors={"a": "farms", "b": "shops"}, sector_names=("farms", "shops"))


@pytest.fixture(autouse=True, scope="module")
def few_trees():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boosting, "ROUNDS", ROUNDS)
        yield


def all_forecasts(panel, folder, models=MODELS, days=7, hours=DAY, processes=1, scheduler=""):
    folder.mkdir()
    horizon = Horizon(hours, min(hours, DAY))
    return forecast_all(panel, CONTEXT, horizon, models, days, 0, Work(processes, scheduler, folder))


def energies():
    """Three meters, with a gap and an outage, one of which ends a week before the others."""
    energy = drawn_energy(DAYS, 3)
    energy[0, 900:930] = np.nan
    energy[1, 1000:1050] = 0
    energy[2, -7 * DAY :] = np.nan
    return energy


@pytest.fixture(scope="module")
def outcome(tmp_path_factory) -> Outcome:
    return all_forecasts(panel_of(energies()), tmp_path_factory.mktemp("engine") / "one")


def with_another_future(origin):
    """What is known stays known: the plan of a run may follow from that."""
    energy = energies()
    later = energy[:, origin:]
    energy[:, origin:] = np.random.default_rng(4).uniform(0, 90, later.shape) + 0 * later
    return panel_of(energy)


class TestNoForecastKnowsTheFuture:
    def agree(self, one, other, origin, models):
        np.testing.assert_array_equal(one.queries.origins, other.queries.origins)
        np.testing.assert_array_equal(one.queries.fits, other.queries.fits)
        issued = one.queries.origins <= origin
        assert 0 < issued.sum() < len(issued)
        np.testing.assert_array_equal(one.reasons[issued], other.reasons[issued])
        for model in models:
            given, again = one.quantiles_kwh[model], other.quantiles_kwh[model]
            np.testing.assert_array_equal(given[issued], again[issued], model)
            assert (given[~issued] != again[~issued]).mean() > 0.5, model

    @pytest.mark.parametrize("day", [35, 63, 66])
    def test_neither_points_nor_weights_nor_bands(self, outcome, tmp_path, day):
        other = all_forecasts(with_another_future(day * DAY), tmp_path / "other")
        self.agree(outcome, other, day * DAY, MODELS)

    def test_nor_those_of_a_week(self, tmp_path):
        panels = (panel_of(energies()), with_another_future(56 * DAY))
        models = ("seasonal_naive", "xgboost")
        runs = [all_forecasts(p, tmp_path / str(n), models, 7, 168) for n, p in enumerate(panels)]
        self.agree(*runs, 56 * DAY, models)

    def test_nor_those_of_an_lstm(self, tmp_path, monkeypatch):
        for name, value in (("EPOCHS", 1), ("_LEAST_UPDATES", 4), ("UNITS", 4), ("DENSE", (8, 4))):
            monkeypatch.setattr(recurrent, name, value)
        monkeypatch.setattr(recurrent, "MAX_QUERIES", 40)
        monkeypatch.setattr(schedule, "CALIBRATION_DAYS", 1)
        panels = (panel_of(energies()[:1]), panel_of(with_another_future(66 * DAY).energy_kwh[:1]))
        runs = [all_forecasts(p, tmp_path / str(n), ("seasonal_naive", "lstm"), 5) for n, p in enumerate(panels)]
        self.agree(*runs, 66 * DAY, ("lstm",))

    def test_what_auto_chooses_does_not_hang_on_the_backtest(self, tmp_path):
        # the backtest says the opposite of what came before: there yesterday repeats, before it the week does
        random = np.random.default_rng(0)
        weekly = np.tile(random.uniform(1, 9, 7 * DAY), 10)[: DAYS * DAY]
        daily = weekly.copy()
        daily[56 * DAY :] = np.tile(random.uniform(1, 9, DAY), 14)
        weekly *= random.uniform(0.9, 1.1, weekly.size)
        daily[: 56 * DAY] = weekly[: 56 * DAY]
        models = ("seasonal_naive", "seasonal_naive_24h", "profile")
        chosen = [
            choose(all_forecasts(panel_of(energy), tmp_path / str(number), models, 14))
            for number, energy in enumerate((weekly, daily))
        ]
        assert chosen == ["profile", "profile"]


def test_a_model_that_is_better_in_the_backtest_alone_is_not_chosen(outcome):
    """The same numbers, the roles exchanged: the choice follows what came before."""
    best = choose(outcome)
    worse = dict(outcome.quantiles_kwh)
    calibration = outcome.queries.roles == CALIBRATION
    spoilt = worse[best].copy()
    spoilt[~calibration] *= 100
    assert choose(replaced(outcome, worse | {best: spoilt})) == best
    spoilt = worse[best].copy()
    spoilt[calibration] *= 100
    assert choose(replaced(outcome, worse | {best: spoilt})) != best


def replaced(outcome, quantiles):
    names = ("panel", "queries", "horizon", "reasons", "relative", "fitted", "weights")
    return Outcome(quantiles_kwh=quantiles, **{name: getattr(outcome, name) for name in names})


def test_quantiles_are_in_order_and_not_below_zero(outcome):
    for model, quantiles in outcome.quantiles_kwh.items():
        assert quantiles.shape == (len(outcome.queries), DAY, len(LEVELS)), model
        assert np.isfinite(quantiles[outcome.queries.roles != CALIBRATION]).all(), model
        known = quantiles[np.isfinite(quantiles).all(axis=(1, 2))]
        assert (np.diff(known, axis=-1) >= 0).all(), model
        assert (known >= 0).all(), model


def test_every_meter_has_one_final_forecast_of_the_time_after_its_readings(outcome):
    final = outcome.queries.roles == FINAL
    assert outcome.queries.meters[final].tolist() == [0, 1, 2]
    assert outcome.queries.origins[final].tolist() == [70 * DAY, 70 * DAY, 63 * DAY]
    assert (np.bincount(outcome.queries.meters[outcome.queries.roles == BACKTEST]) == 7).all()


def test_weights_of_online_add_up_for_each_meter(outcome):
    assert outcome.weights.shape == (3, len(ONLINE_MEMBERS))
    np.testing.assert_allclose(outcome.weights.sum(axis=1), 1)


def test_online_lies_between_its_members(outcome):
    middle = LEVELS.index(0.5)
    members = np.stack([outcome.quantiles_kwh[name][..., middle] for name in ONLINE_MEMBERS])
    online = outcome.quantiles_kwh[ONLINE][..., middle]
    known = np.isfinite(members).all(axis=0)
    assert (online[known] >= members.min(axis=0)[known] - 1e-9).all()
    assert (online[known] <= members.max(axis=0)[known] + 1e-9).all()


def test_only_the_fits_of_the_newest_forecast_are_kept(outcome):
    kept = sorted(int(path.name) for path in outcome.fitted["xgboost"].iterdir())
    newest = outcome.queries.last_fit
    assert newest == 70 * DAY
    assert kept[-1] == newest
    last = sorted(set(outcome.queries.fits.tolist()))[-FITS_TOGETHER:]
    assert kept == [fit for fit in last if newest - fit <= 35 * DAY], "none that is older than five weeks"
    assert 1 < len(kept) < len(set(outcome.queries.fits.tolist()))


def test_actuals_beyond_the_end_are_not_known():
    panel = drawn_panel(3)
    queries = plan(panel, Horizon(24, 24), 1)
    known = np.isfinite(actuals(panel, queries, 24)).all(axis=1)
    assert dict(zip(queries.roles.tolist(), known.tolist(), strict=True)) == {
        CALIBRATION: True, BACKTEST: True, FINAL: False,
    }  # fmt: skip


def test_a_panel_in_a_folder_is_the_same_panel(tmp_path):
    panel = drawn_panel(3, 2)
    again = PanelFile.write(panel, tmp_path).open()
    assert (again.grid, again.meters) == (panel.grid, panel.meters)
    np.testing.assert_array_equal(again.energy_kwh, panel.energy_kwh)


def same(one, other):
    for model in one.quantiles_kwh:
        np.testing.assert_array_equal(one.quantiles_kwh[model], other.quantiles_kwh[model], model)
        np.testing.assert_array_equal(one.relative[model], other.relative[model], model)


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """All trees: processes of their own know nothing of a patched number."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boosting, "ROUNDS", ALL_ROUNDS)
        return all_forecasts(short_panel(), tmp_path_factory.mktemp("short") / "one", days=2)


def short_panel():
    return drawn_panel(42, 2)


def test_two_processes_forecast_what_one_does(short, tmp_path):
    same(short, all_forecasts(short_panel(), tmp_path / "two", days=2, processes=2))
    assert not list((tmp_path / "two").glob(".running-*"))


def test_a_dask_cluster_forecasts_what_one_process_does(short, tmp_path, monkeypatch):
    # joblib may do in this process what a cluster of few workers is asked for
    monkeypatch.setattr(boosting, "ROUNDS", ALL_ROUNDS)
    with LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None, protocol="tcp://") as cluster:
        same(short, all_forecasts(short_panel(), tmp_path / "dask", days=2, scheduler=cluster.scheduler_address))


def test_bands_of_all_meters_come_from_meters_that_have_forecasts(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "_POOLED_METERS", 1)
    energy = drawn_energy(DAYS, 2)
    energy[0] = np.nan
    outcome = all_forecasts(panel_of(energy), tmp_path / "one", models=("profile",))
    pool = last_pool(outcome, "profile", Rhythm(outcome.panel.grid, outcome.horizon.stride))
    assert np.isfinite(pool).all()
    assert (np.diff(pool, axis=-1) >= 0).all()
