"""Which forecasts are made: roles, counts, fits, and the days that count."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from loadprofiles.errors import EmptyResultError, ParameterError
from loadprofiles.forecasting.panel import Panel
from loadprofiles.forecasting.schedule import BACKTEST, CALIBRATION, FINAL, Horizon, final_origin, make_horizon, plan
from tests.forecasting.panels import grid_of, panel_of

DAY_AHEAD = Horizon(24, 24)


def origins_of(queries, role, meter=0):
    return queries.origins[(queries.roles == role) & (queries.meters == meter)].tolist()


class TestHorizon:
    @pytest.mark.parametrize(
        ("hours", "minutes", "steps", "stride"),
        [
            (1, 60, 1, 1),
            (8, 60, 8, 8),
            (24, 60, 24, 24),
            (48, 60, 48, 24),
            (168, 60, 168, 24),
            (24, 15, 96, 96),
            (0.5, 15, 2, 2),
            (1, 480, 1, 1),
            (24, 1440, 1, 1),
            (168, 1440, 7, 1),
            (24, 2880, 1, 1),
            (48, 2880, 1, 1),
            (96, 2880, 2, 1),
        ],
    )
    def test_hours_are_counted_in_steps_and_issued_daily_or_one_after_the_other(self, hours, minutes, steps, stride):
        assert make_horizon(hours, grid_of(10, minutes)) == Horizon(steps, stride)

    @pytest.mark.parametrize(
        ("hours", "minutes", "word"),
        [(1.5, 60, "no multiple"), (12, 480, "no multiple"), (5, 60, "part of a day"), (36, 60, "part of a day")],
    )
    def test_hours_that_fit_neither_the_frequency_nor_the_day_are_refused(self, hours, minutes, word):
        with pytest.raises(ParameterError, match=f"horizon {hours:g} .*{word}"):
            make_horizon(hours, grid_of(10, minutes))

    @pytest.mark.parametrize(("end", "origin"), [(48, 48), (49, 72), (71, 72), (1, 24)])
    def test_the_final_origin_is_the_first_with_all_readings_behind_it(self, end, origin):
        assert final_origin(end, DAY_AHEAD) == origin


class TestRoles:
    def test_the_last_28_full_days_are_the_backtest_and_the_56_before_calibrate(self):
        queries = plan(panel_of(np.ones(120 * 24)), DAY_AHEAD, 28)
        assert origins_of(queries, FINAL) == [120 * 24]
        assert origins_of(queries, BACKTEST) == [24 * day for day in range(92, 120)]
        assert origins_of(queries, CALIBRATION) == [24 * day for day in range(36, 92)]

    def test_a_day_with_a_gap_is_no_part_of_the_backtest_and_an_earlier_one_is(self):
        energy = np.ones(120 * 24)
        energy[100 * 24 + 5] = np.nan
        energy[119 * 24 + 20 :] = np.nan
        queries = plan(panel_of(energy), DAY_AHEAD, 28)
        assert origins_of(queries, BACKTEST) == [24 * day for day in range(90, 119) if day != 100]
        assert origins_of(queries, FINAL) == [120 * 24]
        assert origins_of(queries, CALIBRATION) == [24 * day for day in range(34, 90)]

    def test_days_with_gaps_do_calibrate(self):
        energy = np.ones(120 * 24)
        energy[50 * 24 : 52 * 24] = np.nan
        assert {50 * 24, 51 * 24} <= set(origins_of(plan(panel_of(energy), DAY_AHEAD, 28), CALIBRATION))

    def test_a_day_of_23_hours_is_a_full_one(self):
        grid = grid_of(40 * 24, 60, "Europe/Rome", "2024-03-04")
        skipped = np.flatnonzero(grid.lengths == 0)
        energy = np.ones(40 * 24)
        energy[skipped] = np.nan
        queries = plan(Panel(grid, ("a",), energy[np.newaxis]), DAY_AHEAD, 28)
        assert skipped.tolist() == [27 * 24 + 2]
        assert origins_of(queries, BACKTEST) == [24 * day for day in range(12, 40)]

    @pytest.mark.parametrize(
        ("horizon", "backtest", "calibration"),
        [(1, 28 * 24, 56 * 24), (8, 28 * 3, 56 * 3), (24, 28, 56), (48, 28, 56), (168, 28, 56)],
    )
    def test_days_are_counted_whatever_the_horizon(self, horizon, backtest, calibration):
        panel = panel_of(np.ones(120 * 24))
        queries = plan(panel, make_horizon(horizon, panel.grid), 28)
        assert len(origins_of(queries, BACKTEST)) == backtest
        assert len(origins_of(queries, CALIBRATION)) == calibration
        assert max(origins_of(queries, BACKTEST)) == 120 * 24 - horizon
        assert origins_of(queries, FINAL) == [120 * 24]

    def test_with_steps_of_two_days_28_days_are_14_origins(self):
        panel = panel_of(np.ones(60), 2880, first="2024-01-02")
        queries = plan(panel, make_horizon(48, panel.grid), 28)
        assert origins_of(queries, BACKTEST) == list(range(46, 60))
        assert origins_of(queries, CALIBRATION) == list(range(18, 46))
        assert (queries.fits <= queries.origins).all()

    def test_a_short_meter_has_as_many_as_there_are(self):
        queries = plan(panel_of(np.ones(3 * 24)), DAY_AHEAD, 28)
        assert (origins_of(queries, BACKTEST), origins_of(queries, CALIBRATION)) == ([24, 48], [])
        assert origins_of(queries, FINAL) == [72]

    def test_of_a_single_hour_there_is_only_what_comes(self):
        queries = plan(panel_of([np.nan, 1.0]), DAY_AHEAD, 28)
        assert (queries.roles.tolist(), queries.origins.tolist()) == ([FINAL], [24])

    def test_without_a_backtest_the_last_days_calibrate(self):
        queries = plan(panel_of(np.ones(100 * 24)), DAY_AHEAD, 0)
        assert origins_of(queries, BACKTEST) == []
        assert max(origins_of(queries, CALIBRATION)) == 99 * 24

    def test_a_meter_without_a_known_step_is_not_forecast(self):
        queries = plan(panel_of([np.full(240, np.nan), np.ones(240)]), DAY_AHEAD, 28)
        assert set(queries.meters.tolist()) == {1}

    def test_no_known_step_at_all_is_an_error(self):
        with pytest.raises(EmptyResultError, match="whole step of 60 minutes"):
            plan(panel_of(np.full(240, np.nan)), DAY_AHEAD, 28)

    def test_a_meter_that_ended_earlier_is_forecast_from_its_own_end(self):
        ended = np.ones(120 * 24)
        ended[100 * 24 - 6 :] = np.nan
        queries = plan(panel_of([np.ones(120 * 24), ended]), DAY_AHEAD, 28)
        assert (origins_of(queries, FINAL, 0), origins_of(queries, FINAL, 1)) == ([120 * 24], [100 * 24])
        assert max(origins_of(queries, BACKTEST, 1)) == 98 * 24


class TestFits:
    def test_they_are_on_mondays_weekly_in_the_backtest_and_four_weekly_before(self):
        queries = plan(panel_of(np.ones(200 * 24)), DAY_AHEAD, 28)
        days = queries.fits // 24
        assert (days[queries.roles != FINAL] % 7 == 0).all()
        assert np.unique(days[queries.roles == BACKTEST]).tolist() == [168, 175, 182, 189, 196]
        assert (np.diff(np.unique(days[queries.roles == CALIBRATION])) == 28).all()

    def test_the_newest_forecast_has_a_fit_of_its_own(self):
        queries = plan(panel_of(np.ones(101 * 24)), DAY_AHEAD, 28)
        assert queries.fits[queries.roles == FINAL].tolist() == [101 * 24]
        assert queries.last_fit == 101 * 24

    def test_meters_that_end_on_different_days_share_fits(self):
        ended = np.ones(120 * 24)
        ended[117 * 24 :] = np.nan
        queries = plan(panel_of([np.ones(120 * 24), ended]), DAY_AHEAD, 28)
        one, other = (set(queries.fits[(queries.meters == m) & (queries.roles == BACKTEST)]) for m in (0, 1))
        assert len(one | other) <= 6

    def test_some_queries_keep_what_belongs_to_them(self):
        queries = plan(panel_of(np.ones((2, 100 * 24))), DAY_AHEAD, 28)
        chosen = np.flatnonzero(queries.fits == queries.fits.min())
        some = queries.take(chosen)
        assert len(some) == len(chosen) < len(queries)
        assert some.origins.tolist() == queries.origins[chosen].tolist()
        assert set(some.fits.tolist()) == {queries.fits.min()}
        assert set(some.roles.tolist()) == {CALIBRATION}

    @given(
        days=st.lists(st.integers(1, 130), min_size=1, max_size=3),
        hours=st.sampled_from([1, 8, 24, 48, 168]),
        minutes=st.sampled_from([60, 480, 1440, 2880]),
        first=st.integers(0, 6),
        gaps=st.integers(0, 5),
    )
    @settings(max_examples=60)
    def test_no_fit_is_after_its_origin_and_queries_are_in_order(self, days, hours, minutes, first, gaps):
        assume(hours * 60 % minutes == 0)
        energy = np.full((len(days), 130 * 1440 // minutes), np.nan)
        random = np.random.default_rng(gaps)
        for row, count in zip(energy, days, strict=True):
            row[: max(1, count * 1440 // minutes)] = 1
            row[random.integers(1, len(row), gaps)] = np.nan
        panel = panel_of(energy, minutes, first=f"2024-01-{2 + first - first % (minutes // 1440 or 1)}")
        queries = plan(panel, make_horizon(hours, panel.grid), 28)
        assert (queries.fits <= queries.origins).all()
        assert (queries.fits >= 0).all()
        assert (np.diff(queries.meters * 10**6 + queries.origins) > 0).all()
        assert ((queries.roles == FINAL) == np.append(np.diff(queries.meters) > 0, True)).all()
        for meter in range(len(days)):
            roles = queries.roles[queries.meters == meter]
            assert (np.diff(roles) >= 0).all()
            assert origins_of(queries, FINAL, meter)[0] >= panel.ends[meter]
