"""Baselines: the same hour of an earlier day or week, and the median of several."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles.forecasting import local
from tests.forecasting.panels import drawn_energy, drawn_panel, ints, panel_of


class TestSeasonalNaive:
    def test_a_day_before_and_a_week_before(self):
        energy = drawn_energy(20)[0]
        origin = 18 * 24
        panel = panel_of(energy)
        day = local.seasonal_naive_day(panel, ints(0), ints(origin), 24)
        week = local.seasonal_naive_week(panel, ints(0), ints(origin), 24)
        assert day[0].tolist() == energy[origin - 24 : origin].tolist()
        assert week[0].tolist() == energy[origin - 168 : origin - 144].tolist()

    def test_beyond_a_season_the_last_known_one_is_taken_again(self):
        panel = panel_of(np.arange(6.0))
        forecast = local.seasonal_naive(panel, ints(0), ints(6), 7, season=3)
        assert forecast.tolist() == [[3, 4, 5, 3, 4, 5, 3]]

    def test_in_the_midst_of_a_day_the_hours_go_on(self):
        panel = panel_of(np.arange(100.0))
        assert local.seasonal_naive_day(panel, ints(0), ints(50), 3).tolist() == [[26, 27, 28]]

    def test_where_it_is_not_known_the_season_before_is_taken(self):
        energy = np.arange(12.0)
        energy[[9, 6, 10]] = np.nan
        forecast = local.seasonal_naive(panel_of(energy), ints(0), ints(12), 3, season=3)
        assert forecast.tolist() == [[3, 7, 11]]

    def test_an_outage_is_not_repeated_and_shorter_zeros_are(self):
        energy = drawn_energy(20)[0]
        energy[18 * 24 - 24 : 18 * 24] = 0
        shown = local.seasonal_naive_day(panel_of(energy), ints(0), ints(18 * 24), 24)
        assert shown[0].tolist() == energy[17 * 24 - 24 : 17 * 24].tolist()
        energy[18 * 24 - 1] = 5
        shown = local.seasonal_naive_day(panel_of(energy), ints(0), ints(18 * 24), 24)
        assert shown[0].tolist() == [0.0] * 23 + [5]

    def test_a_past_that_tells_nothing_gives_nothing(self):
        panel = panel_of([np.full(48, np.nan), np.ones(48)])
        assert np.isnan(local.seasonal_naive_week(panel, ints(0, 1), ints(48, 0), 24)).all()

    @given(seed=st.integers(0, 100), origin=st.integers(1, 30), horizon=st.integers(1, 9), season=st.integers(1, 4))
    @settings(max_examples=60)
    def test_it_is_the_last_known_energy_whole_seasons_ago(self, seed, origin, horizon, season):
        random = np.random.default_rng(seed)
        energy = np.where(random.random(30) < 0.4, np.nan, random.integers(1, 100, 30))
        shown = local.seasonal_naive(panel_of(energy), ints(0), ints(origin), horizon, season)[0]
        for ahead, value in enumerate(shown):
            first = (ahead // season + 1) * season
            known = [energy[s] for n in range(8) if (s := origin + ahead - first - n * season) >= 0]
            known = [v for v in known if not np.isnan(v)]
            assert value == pytest.approx(known[0] if known else np.nan, nan_ok=True)


class TestProfile:
    def test_it_is_the_median_of_the_same_weekday_and_hour_over_8_weeks(self):
        energy = drawn_energy(80)[0]
        origin = 70 * 24
        weeks = np.stack([energy[origin - 168 * n : origin - 168 * n + 24] for n in range(1, 9)])
        assert local.profile(panel_of(energy), ints(0), ints(origin), 24)[0] == pytest.approx(np.median(weeks, axis=0))

    def test_a_single_odd_week_does_not_change_it_much(self):
        energy = np.tile(np.arange(1.0, 169), 10)
        energy[-168:] *= 100
        assert local.profile(panel_of(energy), ints(0), ints(1680), 24)[0].tolist() == list(range(1, 25))

    def test_where_no_such_weekday_is_known_it_is_the_median_of_the_days(self):
        energy = np.concatenate([np.full(24, day) for day in (1.0, 2, 9)])
        assert local.profile(panel_of(energy), ints(0), ints(72), 24).tolist() == [[2.0] * 24]

    def test_a_past_that_tells_nothing_gives_nothing_and_does_not_warn(self):
        assert np.isnan(local.profile(panel_of(np.full(48, np.nan)), ints(0), ints(48), 30)).all()

    @pytest.mark.parametrize("minutes", [15, 480, 1440, 2880])
    def test_each_frequency_has_its_own_weeks(self, minutes):
        panel = panel_of(drawn_energy(150, minutes=minutes), minutes)
        week = panel.grid.week_steps
        origin = panel.grid.n_steps
        weeks = [panel.energy_kwh[0, origin - week * n] for n in range(1, 9)]
        assert local.profile(panel, ints(0), ints(origin), 1)[0, 0] == pytest.approx(np.median(weeks))


def test_meters_and_origins_in_any_order_are_forecast_as_each_alone():
    panel = drawn_panel(70, 3)
    meters, origins = ints(2, 0, 1, 0), ints(1600, 1500, 400, 24)
    for model in (local.seasonal_naive_day, local.seasonal_naive_week, local.profile):
        together = model(panel, meters, origins, 30)
        alone = [model(panel, ints(m), ints(o), 30)[0] for m, o in zip(meters, origins, strict=True)]
        np.testing.assert_array_equal(together, alone)
