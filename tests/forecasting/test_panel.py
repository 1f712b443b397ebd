"""Readings to a grid of local time: what is summed, dropped, and counted, and what clocks do to it."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from loadprofiles.errors import EmptyResultError, ParameterError
from loadprofiles.forecasting.kernels import cut_past
from loadprofiles.forecasting.panel import Account, Grid, Panel, frequency_minutes, make_grid, make_panel
from tests.forecasting.panels import days_since_1970, drawn_energy, grid_of, panel_of, readings

ROME_SPRING, ROME_AUTUMN = ("Europe/Rome", "2024-03-31"), ("Europe/Rome", "2024-10-27")
SAO_PAULO_SPRING, SAO_PAULO_AUTUMN = ("America/Sao_Paulo", "2017-10-15"), ("America/Sao_Paulo", "2018-02-17")
LORD_HOWE_SPRING, LORD_HOWE_AUTUMN = ("Australia/Lord_Howe", "2024-10-06"), ("Australia/Lord_Howe", "2024-04-07")
HAVANA_AUTUMN = ("America/Havana", "2024-11-03")

CHANGES = {
    (ROME_SPRING, 15): {8: 0, 9: 0, 10: 0, 11: 0},
    (ROME_SPRING, 30): {4: 0, 5: 0},
    (ROME_SPRING, 60): {2: 0},
    (ROME_SPRING, 480): {0: 7 / 8},
    (ROME_SPRING, 1440): {0: 23 / 24},
    (ROME_SPRING, 2880): {0: 47 / 48},
    # of the hour that comes twice, the quarters of the second time belong to the last of the first
    (ROME_AUTUMN, 15): {11: 5},
    (ROME_AUTUMN, 60): {2: 2},
    (ROME_AUTUMN, 480): {0: 9 / 8},
    (ROME_AUTUMN, 1440): {0: 25 / 24},
    (ROME_AUTUMN, 2880): {0: 49 / 48},
    (SAO_PAULO_SPRING, 15): {0: 0, 1: 0, 2: 0, 3: 0},
    (SAO_PAULO_SPRING, 60): {0: 0},
    (SAO_PAULO_SPRING, 480): {0: 7 / 8},
    (SAO_PAULO_SPRING, 1440): {0: 23 / 24},
    (SAO_PAULO_AUTUMN, 60): {23: 2},
    (SAO_PAULO_AUTUMN, 1440): {0: 25 / 24},
    (HAVANA_AUTUMN, 60): {0: 2},
    (HAVANA_AUTUMN, 1440): {0: 25 / 24},
    (LORD_HOWE_SPRING, 30): {4: 0},
    (LORD_HOWE_SPRING, 60): {2: 0.5},
    (LORD_HOWE_SPRING, 1440): {0: 23.5 / 24},
    (LORD_HOWE_AUTUMN, 30): {3: 2},
    (LORD_HOWE_AUTUMN, 60): {1: 1.5},
    (LORD_HOWE_AUTUMN, 1440): {0: 24.5 / 24},
}
"""The steps of the day on which clocks change that are no longer as long as any other, and how long they are."""


@pytest.fixture(params=CHANGES, ids=lambda case: f"{case[0][0]} {case[0][1]} {case[1]}min")
def change(request):
    """Four days of a grid, and which steps of the third differ; of two days, which step is the second."""
    (timezone, day), minutes = request.param
    first = days_since_1970(day) - 2
    first -= first % max(1, minutes // 1440)
    return Grid(minutes, timezone, first, 4 * 1440 // minutes), CHANGES[request.param]


def utc_readings(grid, minutes=15, seed=3):
    """Readings of the whole of a grid."""
    start, end = pd.to_datetime(grid.edges_utc[[0, -1]], unit="us", utc=True)
    n = int((end - start) / pd.Timedelta(minutes=minutes))
    energy = np.random.default_rng(seed).integers(0, 1000, n) / 8
    return readings(energy, start.tz_localize(None), minutes)


class TestFrequency:
    @pytest.mark.parametrize(
        ("text", "minutes"),
        [("15min", 15), ("1h", 60), (" 8h ", 480), ("24h", 1440), ("1D", 1440), ("48h", 2880), ("2D", 2880)],
    )
    def test_a_part_of_a_day_a_day_or_two_is_taken(self, text, minutes):
        assert frequency_minutes(text) == minutes

    @pytest.mark.parametrize("text", ["7h", "5min", "50min", "72h", "-1h", "0h", "15", "", "NaT", "soon", "1e99h"])
    def test_another_is_refused_as_it_was_written(self, text):
        with pytest.raises(ParameterError, match=f"frequency {text!r}"):
            frequency_minutes(text)

    def test_days_and_weeks_are_counted_in_steps(self):
        shown = {
            minutes: (grid.day_steps, grid.week_steps, grid.silent_steps, grid.steps_in(28))
            for minutes in (15, 60, 480, 1440, 2880)
            if (grid := grid_of(10, minutes))
        }
        assert shown == {
            15: (96, 672, 96, 2688),
            60: (24, 168, 24, 672),
            480: (3, 21, 3, 84),
            1440: (1, 7, 2, 28),
            2880: (1, 7, 2, 14),
        }


class TestClockChange:
    def test_only_the_steps_at_the_change_are_longer_or_shorter(self, change):
        grid, expected = change
        at_change = 2 * 1440 // grid.frequency_minutes
        lengths = np.ones(grid.n_steps)
        for step, length in expected.items():
            lengths[at_change + step] = length
        assert grid.lengths == pytest.approx(lengths, abs=1e-12)

    def test_totals_are_those_of_the_readings(self, change):
        grid, _ = change
        table = utc_readings(grid)
        panel = make_panel([table], grid.frequency_minutes, grid.timezone)
        assert panel.grid.lengths[~np.isnan(panel.energy_kwh[0])].min() > 0
        assert np.nansum(panel.energy_kwh[0] * panel.grid.lengths) == pytest.approx(table["energy_kwh"].sum())

    def test_every_step_that_there_is_is_complete_and_none_is_missing(self, change):
        grid, expected = change
        panel = make_panel([utc_readings(grid)], grid.frequency_minutes, grid.timezone)
        skipped = sum(length == 0 for length in expected.values())
        assert np.isnan(panel.energy_kwh[0]).sum() == panel.energy_kwh.size - panel.accounts[0].complete
        assert panel.accounts == (Account(grid.n_steps - skipped, 0, 0, 0),)

    def test_a_constant_load_uses_the_same_in_every_step(self, change):
        grid, _ = change
        table = utc_readings(grid).assign(energy_kwh=0.5)
        energy = make_panel([table], grid.frequency_minutes, grid.timezone).energy_kwh[0]
        assert energy[~np.isnan(energy)] == pytest.approx(grid.frequency_minutes / 15 * 0.5)

    def test_intervals_follow_each_other_through_all_of_utc(self, change):
        grid, _ = change
        intervals = grid.intervals(np.arange(grid.n_steps))
        starts = pd.DatetimeIndex(intervals["timestamp_utc"]).as_unit("us").asi8
        ends = starts + np.rint(intervals["length"].to_numpy() * grid.frequency_minutes * 60e6).astype(np.int64)
        assert starts[0] == grid.edges_utc[0]
        assert ends[:-1].tolist() == starts[1:].tolist()
        assert ends[-1] == grid.edges_utc[-1]
        longest = 1 if grid.frequency_minutes <= 60 else 25 / 24 + 1 / 12
        assert intervals["length"].between(0, longest, inclusive="right").all()

    def test_intervals_of_a_step_make_up_its_length(self, change):
        grid, _ = change
        steps = np.arange(grid.n_steps)[::-1]
        intervals = grid.intervals(steps)
        lengths = np.bincount(intervals["position"], intervals["length"], grid.n_steps)
        assert lengths == pytest.approx(grid.lengths[steps])

    def test_intervals_of_some_steps_are_those_among_all(self, change):
        grid, _ = change
        every = grid.intervals(np.arange(grid.n_steps))
        some = np.arange(1, grid.n_steps, 2)
        chosen = every[every["position"].isin(some)]
        shown = grid.intervals(some)
        assert some[shown["position"]].tolist() == chosen["position"].tolist()
        assert shown["timestamp_utc"].tolist() == chosen["timestamp_utc"].tolist()

    @pytest.mark.parametrize("minutes", [60, 480, 1440, 2880])
    @pytest.mark.parametrize("when", [ROME_SPRING, ROME_AUTUMN, SAO_PAULO_SPRING, SAO_PAULO_AUTUMN, LORD_HOWE_AUTUMN])
    def test_sums_are_those_by_wall_clock(self, when, minutes):
        timezone, day = when
        first = pd.Timestamp(day) - pd.Timedelta(days=2)
        table = utc_readings(grid_of(8 * 24, 60, timezone, str(first.date())))
        panel = make_panel([table], minutes, timezone)
        walls = table["timestamp_utc"].dt.tz_convert(timezone).dt.tz_localize(None)
        step = ((walls - pd.Timestamp(panel.grid.walls()[0])) // pd.Timedelta(minutes=minutes)).to_numpy()
        sums = table["energy_kwh"].groupby(step).sum()
        quarters = table["energy_kwh"].groupby(step).count()
        inner = sums.index[1:-1]  # two days may begin before the readings do
        assert panel.energy_kwh[0, inner] == pytest.approx((sums / quarters * minutes / 15)[inner].to_numpy())

    def test_walls_are_local_and_starts_are_the_first_of_two(self):
        grid = grid_of(48, 60, *ROME_AUTUMN)
        walls = pd.DatetimeIndex(grid.walls()[[0, 2, 3, 48]])
        assert walls.strftime("%d %H:%M").tolist() == ["27 00:00", "27 02:00", "27 03:00", "29 00:00"]
        starts = pd.to_datetime(grid.starts_utc(np.array([0, 2, 3, -1, 48])), unit="us")
        assert starts.strftime("%d %H:%M").tolist() == ["26 22:00", "27 00:00", "27 02:00", "26 21:00", "28 23:00"]


class TestGrid:
    def test_it_has_whole_local_days(self):
        first, last = pd.Timestamp("2024-01-02 04:59", tz="UTC"), pd.Timestamp("2024-01-03 05:00", tz="UTC")
        grid = make_grid(first, last, 60, "America/Lima")
        assert (str(grid.walls()[0]), grid.n_steps) == ("2024-01-01T00:00", 72)

    @pytest.mark.parametrize("first", ["2024-01-01", "2024-01-02"])
    def test_two_days_are_the_same_two_wherever_the_readings_begin(self, first):
        one = pd.Timestamp(first, tz="UTC")
        grid = make_grid(one, one + pd.Timedelta(days=4), 2880, "UTC")
        assert grid.first_day % 2 == 0
        assert grid.walls()[0] <= np.datetime64(first) < grid.walls()[1]
        assert grid.walls()[-1] > np.datetime64(first) + np.timedelta64(4, "D")

    def test_a_moment_lies_in_the_step_that_has_begun_last(self):
        grid = grid_of(24)
        hour = 3600 * 1_000_000
        start = grid.edges_utc[0]
        stamps = np.array([start - 1, start, start + hour - 1, start + hour, start + 24 * hour - 1, start + 24 * hour])
        assert grid.step_of(stamps).tolist() == [-1, 0, 0, 1, 23, 24]

    @given(st.integers(0, 9 * 96 - 1))
    def test_a_moment_is_in_the_step_that_it_starts_within(self, quarter):
        grid = grid_of(9 * 24, 60, "Europe/Rome", "2024-10-21")
        moment = grid.edges_utc[0] + quarter * 900_000_000
        step = int(grid.step_of(np.array([moment]))[0])
        assert grid.edges_utc[step] <= moment < grid.edges_utc[step + 1]


class TestSums:
    @given(
        data=st.data(),
        minutes=st.sampled_from([15, 30, 60]),
        frequency=st.sampled_from([60, 120, 480, 1440, 2880]),
        offset=st.integers(0, 100),
    )
    def test_a_step_is_the_sum_of_all_its_readings_or_not_known(self, data, minutes, frequency, offset):
        energy = data.draw(
            hnp.arrays(np.float64, st.integers(3, 300), elements=st.sampled_from([np.nan, 0, 0.25, 1, -2, 1000]))
        )
        start = pd.Timestamp("2024-01-01") + pd.Timedelta(minutes=minutes * offset)
        table = readings(energy, start, minutes)
        panel = make_panel([table], frequency, "UTC")
        first = pd.Timestamp(panel.grid.walls()[0], tz="UTC")
        step = ((table["timestamp_utc"] - first) // pd.Timedelta(minutes=frequency)).to_numpy()
        grouped = table["energy_kwh"].groupby(step)
        expected = grouped.sum().where(grouped.count() == frequency // minutes).reindex(range(panel.grid.n_steps))
        np.testing.assert_allclose(panel.energy_kwh[0], expected)
        assert panel.accounts[0].complete == expected.notna().sum()

    def test_first_and_last_steps_that_are_read_in_part_are_dropped_and_counted(self):
        panel = make_panel([readings(np.ones(13), "2024-01-01 00:30", 15)], 60, "UTC")
        assert panel.energy_kwh[0, :5].tolist() == pytest.approx([np.nan, 4, 4, np.nan, np.nan], nan_ok=True)
        assert panel.accounts == (Account(complete=2, dropped_ends=2, missing=0, silent=0),)

    def test_a_step_between_that_is_known_in_part_or_not_at_all_is_missing_and_counted(self):
        energy = np.ones(24)
        energy[5] = np.nan
        energy[12:16] = np.nan
        panel = make_panel([readings(energy, "2024-01-01", 15)], 60, "UTC")
        assert panel.energy_kwh[0, :6].tolist() == pytest.approx([4, np.nan, 4, np.nan, 4, 4], nan_ok=True)
        assert panel.accounts == (Account(4, 0, 2, 0),)

    def test_rows_that_are_not_there_are_as_those_without_energy(self):
        whole = readings(np.arange(96), "2024-01-01", 15)
        gaps = np.array([7, 8, 9, 40])
        unknown = whole.assign(energy_kwh=whole["energy_kwh"].where(~whole.index.isin(gaps)))
        one, other = (make_panel([table], 60, "UTC") for table in (unknown, whole.drop(index=gaps)))
        np.testing.assert_array_equal(one.energy_kwh, other.energy_kwh)
        assert one.accounts == other.accounts == (Account(21, 0, 3, 0),)

    def test_zeros_stay_zeros_and_outages_are_counted(self):
        energy = np.ones(96)
        energy[10:33] = 0
        energy[40:64] = 0
        panel = make_panel([readings(energy, "2024-01-01")], 60, "UTC")
        assert panel.energy_kwh[0].tolist() == energy.tolist()
        assert panel.accounts == (Account(complete=96, dropped_ends=0, missing=0, silent=24),)

    def test_a_meter_that_nothing_is_known_of_stays_in_the_panel(self):
        tables = [readings([np.nan] * 24, "2024-01-01", meter="b"), readings(np.ones(24), "2024-01-01", meter="a")]
        panel = make_panel(tables, 60, "UTC")
        assert panel.meters == ("a", "b")
        assert panel.ends.tolist() == [24, 0]
        assert panel.accounts[1] == Account(0, 0, 0, 0)

    def test_meters_are_put_on_one_grid_in_the_order_of_their_names(self):
        late = readings(np.full(24, 2.0), "2024-01-03", meter="10")
        early = readings(np.full(24, 1.0), "2024-01-01", meter="9")
        empty = late.iloc[:0]
        panel = make_panel([early, empty, late], 1440, "UTC")
        assert panel.meters == ("10", "9")
        np.testing.assert_array_equal(panel.energy_kwh, [[np.nan, np.nan, 48], [24, np.nan, np.nan]])

    def test_a_single_reading_covers_nothing(self):
        panel = make_panel([readings([3.0], "2024-01-01")], 60, "UTC")
        assert np.isnan(panel.energy_kwh).all()
        assert panel.accounts == (Account(0, 0, 0, 0),)

    def test_without_a_reading_it_says_so(self):
        with pytest.raises(EmptyResultError, match="no meter has a reading"):
            make_panel([readings([], "2024-01-01")], 60, "UTC")

    def test_readings_are_not_changed(self):
        table = readings(drawn_energy(2)[0], "2024-01-01")
        before = table.copy()
        make_panel([table], 1440, "UTC")
        pd.testing.assert_frame_equal(table, before)


class TestLengths:
    def mixed(self):
        """Two days by the hour, then three by the quarter."""
        fine = readings(np.full(3 * 96, 0.25), "2024-01-03", 15)
        return pd.concat([readings(np.full(48, 1.0), "2024-01-01"), fine], ignore_index=True)

    def test_a_meter_may_be_read_by_the_hour_and_later_by_the_quarter(self):
        panel = make_panel([self.mixed()], 60, "UTC")
        assert panel.energy_kwh[0].tolist() == [1.0] * 120

    def test_what_is_read_more_coarsely_than_a_step_is_not_known_of_it(self):
        panel = make_panel([self.mixed()], 15, "UTC")
        assert np.isnan(panel.energy_kwh[0, : 2 * 96]).all()
        assert panel.energy_kwh[0, 2 * 96 :].tolist() == [0.25] * 288

    def test_a_quarter_that_is_missing_among_hours_of_another_day_is_missing(self):
        table = self.mixed().drop(index=[10, 50])
        panel = make_panel([table], 60, "UTC")
        assert np.flatnonzero(np.isnan(panel.energy_kwh[0])).tolist() == [10, 48]

    @pytest.mark.parametrize(("minutes", "frequency"), [(60, 15), (120, 60), (1440, 480), (45, 60)])
    def test_readings_that_do_not_make_up_a_step_are_refused_by_the_name_of_their_meter(self, minutes, frequency):
        tables = [readings(np.ones(96), "2024-01-01", 15), readings(np.ones(96), "2024-01-01", minutes, "shop 7")]
        with pytest.raises(ParameterError, match=f"meter shop 7 is read every {minutes} minutes.* {frequency} minutes"):
            make_panel(tables, frequency, "UTC")

    def test_a_day_with_few_readings_does_not_make_a_meter_coarse(self):
        table = readings(np.ones(3 * 96), "2024-01-01", 15)
        kept = [*range(96), 100, 112, *range(192, 288)]
        panel = make_panel([table.iloc[kept]], 60, "UTC")
        assert np.flatnonzero(np.isnan(panel.energy_kwh[0])).tolist() == list(range(24, 48))


def silent_by_pandas(energy, silent):
    """Runs of at least `silent` zeros as NaN."""
    series = pd.Series(energy)
    runs = (series != series.shift()).cumsum()
    return series.mask((series == 0) & (series.groupby(runs).transform("size") >= silent)).to_numpy()


class TestCutPast:
    @given(
        energy=hnp.arrays(np.float64, st.integers(1, 40), elements=st.sampled_from([0.0, 0.0, 1.0, -2.0, np.nan])),
        silent=st.integers(2, 6),
    )
    def test_long_runs_of_zeros_are_not_known(self, energy, silent):
        np.testing.assert_array_equal(
            cut_past(energy, len(energy), len(energy), silent), silent_by_pandas(energy, silent)
        )

    @given(
        energy=hnp.arrays(np.float64, 30, elements=st.sampled_from([0.0, 1.0, np.nan])),
        origin=st.integers(0, 34),
        length=st.integers(1, 40),
    )
    def test_it_is_the_stretch_before_the_origin_and_unknown_beyond_either_end(self, energy, origin, length):
        padded = np.concatenate([np.full(40, np.nan), energy, np.full(4, np.nan)])[: 40 + origin][-length:]
        np.testing.assert_array_equal(cut_past(energy, origin, length, 4), silent_by_pandas(padded, 4))

    def test_a_run_of_zeros_is_judged_only_by_what_lies_before_the_origin(self):
        energy = np.array([1.0, 0, 0, 0, 0, 1])
        np.testing.assert_array_equal(cut_past(energy, 3, 3, 3), [1, 0, 0])
        np.testing.assert_array_equal(cut_past(energy, 4, 4, 3), [1, np.nan, np.nan, np.nan])

    def test_a_whole_day_of_zeros_is_an_outage_and_an_hour_less_is_none(self):
        grid = grid_of(60)
        energy = np.ones(60)
        energy[5:28] = 0
        assert not np.isnan(cut_past(energy, 60, 60, grid.silent_steps)).any()
        energy[28] = 0
        assert np.isnan(cut_past(energy, 60, 60, grid.silent_steps)).sum() == 24


class TestPanel:
    def test_before_a_step_it_has_the_steps_before_it_and_knows_no_other(self):
        panel = panel_of([[1.0, 2, np.nan, 4], [np.nan, np.nan, 7, 8]])
        cut = panel.before(2)
        assert (cut.grid.n_steps, cut.energy_kwh.tolist()[0]) == (2, [1, 2])
        assert cut.ends.tolist() == [2, 0]
        assert len(cut.grid.lengths) == 2

    def test_ends_are_one_past_the_last_known_step(self):
        panel = panel_of([[1, np.nan, 3, np.nan], [np.nan] * 4, [np.nan, np.nan, np.nan, 0]])
        assert panel.ends.tolist() == [3, 0, 4]

    def test_before_the_first_step_nothing_is_known(self):
        assert panel_of([[1.0, 2], [3, 4]]).before(0).ends.tolist() == [0, 0]

    def test_a_panel_may_be_told_without_accounts(self):
        grid = grid_of(1)
        assert Panel(grid, ("a",), np.ones((1, 1))).accounts == ()
