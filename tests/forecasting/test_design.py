"""Rows that models learn from: calendar, holidays, sectors, and what is learnt of them."""

import numpy as np
import pandas as pd
import pytest

from loadprofiles.errors import ParameterError
from loadprofiles.forecasting.design import Context, country_holidays, draw_origins, make_rows, targets
from loadprofiles.forecasting.features import NAMES, describe
from loadprofiles.forecasting.panel import Panel
from tests.forecasting.panels import drawn_energy, drawn_panel, grid_of, ints, panel_of


def column(rows, context, name):
    return rows[..., context.names.index(name)]


class TestCalendar:
    @pytest.mark.parametrize("minutes", [15, 60, 480, 1440])
    def test_weekday_and_time_of_day_are_local(self, minutes):
        grid = grid_of(20 * 1440 // minutes, minutes, "Europe/Rome", "2024-03-20")
        panel = Panel(grid, ("a",), drawn_energy(20, minutes=minutes))
        origin, context = grid.day_steps * 9, Context()
        rows, _ = make_rows(panel, context, ints(0), ints(origin), 3 * grid.day_steps)
        walls = pd.DatetimeIndex(grid.walls()[origin : origin + 3 * grid.day_steps])
        assert column(rows, context, "weekday")[0].tolist() == walls.day_of_week.tolist()
        minute_of_day = walls.hour * 60 + walls.minute
        assert column(rows, context, "time_of_day")[0].tolist() == (minute_of_day // minutes).tolist()

    def test_a_row_begins_with_what_the_past_tells(self):
        panel, context = drawn_panel(40, 2), Context()
        rows, description = make_rows(panel, context, ints(1, 0), ints(900, 850), 24)
        assert rows.shape == (2, 24, len(context.names))
        assert rows.dtype == np.float32
        expected = describe(panel, ints(1, 0), ints(900, 850), 24)
        np.testing.assert_array_equal(rows[..., : len(NAMES)], expected.features)
        np.testing.assert_array_equal(description.base_kwh, expected.base_kwh)


class TestHolidays:
    def test_every_step_of_a_holiday_is_marked_and_no_other(self):
        panel = panel_of(drawn_energy(10), first="2024-04-22")
        context = Context(country="it")
        rows, _ = make_rows(panel, context, ints(0), ints(48), 72)
        assert column(rows, context, "holiday")[0].reshape(3, 24).mean(axis=1).tolist() == [0, 1, 0]

    def test_days_may_be_asked_for_in_any_order_and_twice(self):
        days = pd.to_datetime(["2024-12-26", "2024-12-24", "2024-12-25", "2024-12-26"])
        flags = Context(country="IT").holiday_flags((days - pd.Timestamp(0)).days.to_numpy())
        assert flags.tolist() == [1, 0, 1, 1]

    def test_without_a_country_there_is_no_such_column(self):
        assert "holiday" not in Context().names

    def test_a_country_that_nobody_knows_is_refused(self):
        with pytest.raises(ParameterError, match="holidays 'XQ' is no country"):
            country_holidays("XQ")


class TestSectors:
    context = Context(sectors={"a": "shop", "c": "school", "d": "mine"}, sector_names=("school", "shop"))

    def test_a_meter_has_its_sectors_code_and_none_if_models_do_not_know_it(self):
        codes = self.context.sector_codes(("a", "b", "c", "d"))
        np.testing.assert_array_equal(codes, [1, np.nan, 0, np.nan])

    def test_each_step_of_a_query_has_the_code_of_its_meter(self):
        rows, _ = make_rows(panel_of(drawn_energy(30, 3)), self.context, ints(2, 0, 1), ints(500, 400, 600), 2)
        np.testing.assert_array_equal(column(rows, self.context, "sector"), [[0, 0], [1, 1], [np.nan, np.nan]])

    def test_only_names_are_categories(self):
        assert [name for name in self.context.names if self.context.is_category(name)] == ["sector"]


class TestTargets:
    def test_they_are_what_was_used_from_the_origin_on(self):
        panel = panel_of([[0.0, 1, 2, 3, 4], [10.0, 11, 12, 13, 14]])
        assert targets(panel, ints(1, 0), ints(1, 3), 2).tolist() == [[11, 12], [3, 4]]

    def test_beyond_the_end_and_in_outages_they_are_not_known(self):
        energy = np.ones(60)
        energy[10:34] = 0
        energy[50] = 0
        panel = panel_of(energy)
        learnt = targets(panel, ints(0, 0, 0), ints(9, 49, 58), 4)
        np.testing.assert_array_equal(learnt, [[1, np.nan, np.nan, np.nan], [1, 0, 1, 1], [1, 1, np.nan, np.nan]])


class TestOrigins:
    def test_origins_have_four_weeks_behind_them_and_their_horizon_within_the_panel(self):
        meters, origins = draw_origins(drawn_panel(40, 2), 48, 24, 10**6, 0)
        assert np.unique(origins).tolist() == [24 * day for day in range(28, 39)]
        assert np.bincount(meters).tolist() == [11, 11]

    def test_a_meter_counts_from_its_first_known_step_to_its_last(self):
        energy = drawn_energy(80, 3)
        energy[0, : 30 * 24] = np.nan
        energy[1, 60 * 24 :] = np.nan
        energy[2] = np.nan
        meters, origins = draw_origins(panel_of(energy), 24, 24, 10**6, 0)
        first, second = origins[meters == 0], origins[meters == 1]
        assert (first.min(), first.max()) == (58 * 24, 79 * 24)
        assert (second.min(), second.max()) == (28 * 24, 59 * 24)
        assert 2 not in meters

    def test_no_more_are_drawn_than_make_the_rows_asked_for(self):
        panel = drawn_panel(100, 3)
        every = draw_origins(panel, 24, 24, 10**6, 0)
        drawn = draw_origins(panel, 24, 24, 24 * 50, 0)
        assert len(drawn[0]) == 50
        assert set(zip(*map(np.ndarray.tolist, drawn), strict=True)) <= set(
            zip(*map(np.ndarray.tolist, every), strict=True)
        )
