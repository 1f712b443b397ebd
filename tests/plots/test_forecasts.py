import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex

from loadprofiles import plots
from loadprofiles.errors import ParameterError
from loadprofiles.forecasting.measures import QUANTILE_COLUMNS, meter_errors, wape
from tests.plots.test_clusters import LONG, assert_inside

SPREADS = np.array([-0.6, -0.4, -0.2, 0.0, 0.2, 0.4, 0.6])
HOUR = 1 / 24


def backtest_of(errors_kwh, *, days=10, end="2024-05-11", zone="Europe/Berlin", freq="1h"):
    """Meters that use 2 kWh an interval, of which too little is forecast by an error each, day by day."""
    edge = pd.Timestamp(end, tz=zone)
    stamps = pd.date_range(edge - pd.DateOffset(days=days), edge, freq=freq, inclusive="left")
    tables = []
    for meter, error in errors_kwh.items():
        table = pd.DataFrame({"meter_id": meter, "model": "profile", "timestamp_utc": stamps.tz_convert("UTC")})
        table["origin_utc"] = stamps[0].tz_convert("UTC")
        table[list(QUANTILE_COLUMNS)] = 2.0 - error + SPREADS
        tables.append(table.assign(actual_kwh=2.0))
    return pd.concat(tables, ignore_index=True)


def errors_of(backtest):
    known = backtest[backtest["actual_kwh"].notna()]
    return meter_errors(known, known["actual_kwh"], pd.Series(dtype=float))


def examples_of(backtest, zone="Europe/Berlin"):
    return plots.forecast_examples(backtest, errors_of(backtest), "profile", zone)


def forecast_and_actual(axis):
    """The two lines of a panel, as (corners, 2)."""
    return axis.lines[0].get_xydata(), axis.lines[1].get_xydata()


def words_of(figure):
    return [text.get_text() for text in figure.texts]


def days_named(axis):
    return [label.get_text() for label in axis.get_xticklabels(minor=True)]


def places_of(stamps):
    """Times as the figure's, in days since 1970 UTC."""
    return np.array([pd.Timestamp(stamp).timestamp() for stamp in stamps]) / 86_400


def test_the_best_the_median_and_the_worst_meter_are_shown_with_their_wape():
    figure = examples_of(backtest_of({"a": 1.0, "b": 0.2, "c": 0.6, "d": 0.4, "e": 0.8}))
    assert [axis.get_title(loc="left") for axis in figure.axes] == [
        "best of 5: b, WAPE 10.0%",
        "median of 5: c, WAPE 30.0%",
        "worst of 5: a, WAPE 50.0%",
    ]


@pytest.mark.parametrize(
    ("meters", "titles"),
    [
        ({"a": 0.2}, ["only meter: a, WAPE 10.0%"]),
        ({"a": 0.2, "b": 0.1}, ["best of 2: b, WAPE 5.0%", "worst of 2: a, WAPE 10.0%"]),
    ],
)
def test_fewer_than_three_meters_have_as_many_panels(meters, titles):
    assert [axis.get_title(loc="left") for axis in examples_of(backtest_of(meters)).axes] == titles


def test_meters_whose_wape_is_not_known_are_left_out_and_counted():
    backtest = backtest_of({"a": 0.2, "b": 0.1, "zeros": 0.3})
    backtest.loc[backtest["meter_id"] == "zeros", "actual_kwh"] = 0.0
    figure = examples_of(backtest)
    assert len(figure.axes) == 2
    assert "without a known WAPE, left out: 1" in figure.get_suptitle()
    none_left = examples_of(backtest[backtest["meter_id"] == "zeros"])
    assert not none_left.axes
    assert "no meter has a known WAPE" in words_of(none_left)


def test_forecast_actual_and_both_bands_hold_their_value_for_their_interval():
    backtest = backtest_of({"a": 0.2}, days=1)
    backtest["actual_kwh"] = np.arange(24.0)
    axis = examples_of(backtest).axes[0]
    forecast, actual = forecast_and_actual(axis)
    starts = places_of(backtest["timestamp_utc"])
    np.testing.assert_allclose(actual[::2, 0], starts)
    np.testing.assert_allclose(actual[1::2, 0], starts + HOUR)
    np.testing.assert_allclose(actual[:, 1], np.repeat(np.arange(24), 2))
    np.testing.assert_allclose(forecast[:, 1], 1.8)
    outer, inner = (collection.get_paths()[0].vertices[:, 1] for collection in axis.collections)
    assert (outer.min(), outer.max()) == pytest.approx((1.2, 2.4))
    assert (inner.min(), inner.max()) == pytest.approx((1.6, 2.0))
    low, high = axis.get_ylim()
    assert low < 0 and high > 23


def test_only_the_last_seven_local_days_are_shown_between_their_midnights():
    figure = examples_of(backtest_of({"a": 0.2}, days=28, end="2024-05-11"))
    axis = figure.axes[0]
    edges = places_of(["2024-05-04T00:00+02:00", "2024-05-11T00:00+02:00"])
    np.testing.assert_allclose(axis.get_xlim(), edges)
    forecast, _ = forecast_and_actual(axis)
    np.testing.assert_allclose((forecast[0, 0], forecast[-1, 0]), edges)
    days = ("Sat 4 May\n2024", "Sun 5 May", "Mon 6 May", "Tue 7 May", "Wed 8 May", "Thu 9 May", "Fri 10 May")
    assert days_named(axis) == list(days)
    assert "last 7 days" in figure.get_suptitle()
    assert "Europe/Berlin" in axis.get_xlabel()
    assert figure.get_supylabel() == "energy in kWh, per interval of 1 h"


def test_a_short_backtest_is_not_padded_with_days():
    assert days_named(examples_of(backtest_of({"a": 0.2}, days=2)).axes[0]) == ["Thu 9 May\n2024", "Fri 10 May"]


def test_each_meter_has_its_own_last_days():
    backtest = pd.concat([backtest_of({"a": 0.2}, end="2024-05-11"), backtest_of({"b": 0.4}, end="2023-01-02")])
    assert [days_named(axis)[-1] for axis in examples_of(backtest.reset_index(drop=True)).axes] == [
        "Fri 10 May",
        "Sun 1 Jan",
    ]


@pytest.mark.parametrize(("end", "hours"), [("2024-04-03", 23), ("2024-10-30", 25)])
@pytest.mark.parametrize("freq", ["15min", "1h"])
def test_days_on_which_clocks_change_are_drawn_without_a_break(end, hours, freq):
    backtest = backtest_of({"a": 0.2}, end=end, freq=freq)
    axis = examples_of(backtest).axes[0]
    forecast, _ = forecast_and_actual(axis)
    assert np.isfinite(forecast).all()
    assert np.diff(forecast[:, 0]).min() > -1e-9
    lengths = np.diff(axis.get_xticks()) * 24
    assert sorted(np.round(lengths, 6)) == sorted([24.0] * 6 + [hours])


@pytest.mark.parametrize(
    ("zone", "end", "hours"), [("America/Santiago", "2024-09-11", 23), ("America/Havana", "2024-11-06", 25)]
)
def test_midnights_that_are_skipped_or_come_twice_are_drawn(zone, end, hours):
    axis = examples_of(backtest_of({"a": 0.2}, end=end, zone=zone), zone).axes[0]
    assert sorted(np.round(np.diff(axis.get_xticks()) * 24, 6)) == sorted([24.0] * 6 + [hours])
    assert len(days_named(axis)) == 7


@pytest.mark.parametrize(("end", "hours"), [("2024-04-03", 1), ("2024-10-30", 3)])
def test_an_interval_that_the_clocks_change_is_as_long_as_it_was(end, hours):
    backtest = backtest_of({"a": 0.2}, end=end)
    even = backtest["timestamp_utc"].dt.tz_convert("Europe/Berlin").dt.hour
    # Of two hours of the wall clock each: 2:00 is 3:00 where clocks skip it.
    kept = backtest[(even % 2 == 0) & ~(even.eq(2) & even.shift().eq(2)) | (even.eq(3) & even.shift().eq(1))]
    forecast, _ = forecast_and_actual(examples_of(kept).axes[0])
    assert np.isfinite(forecast).all()
    assert set(np.round(np.diff(forecast[:, 0])[::2] * 24, 6)) == {2.0, hours}


@pytest.mark.parametrize("end", ["2024-04-01", "2024-05-11", "2024-10-28"])
def test_daily_intervals_are_shown_for_four_weeks_and_touch_whatever_the_clocks_do(end):
    figure = examples_of(backtest_of({"a": 0.2}, days=40, end=end, freq="D"))
    axis = figure.axes[0]
    forecast, _ = forecast_and_actual(axis)
    assert forecast.shape == (56, 2) and np.isfinite(forecast).all()
    np.testing.assert_allclose((forecast[0, 0], forecast[-1, 0]), axis.get_xlim())
    assert axis.get_xlim()[1] == pytest.approx(places_of([pd.Timestamp(end, tz="Europe/Berlin")])[0])
    assert "last 28 days" in figure.get_suptitle()
    assert figure.get_supylabel() == "energy in kWh, per interval of 24 h"
    assert len(days_named(axis)) == 7


def test_intervals_of_two_days_end_where_the_backtest_does():
    figure = examples_of(backtest_of({"a": 0.2}, days=60, freq="2D"))
    forecast, _ = forecast_and_actual(figure.axes[0])
    assert forecast.shape == (28, 2)
    assert forecast[-1, 0] == pytest.approx(places_of(["2024-05-11T00:00+02:00"])[0])
    assert figure.get_supylabel() == "energy in kWh, per interval of 48 h"


def test_no_line_crosses_what_is_not_known():
    backtest = backtest_of({"a": 0.2}, days=3)
    backtest.loc[30, "actual_kwh"] = np.nan
    kept = backtest.drop(index=range(40, 44))
    forecast, actual = forecast_and_actual(examples_of(kept).axes[0])
    unknown = places_of(backtest["timestamp_utc"].iloc[[30]])[0]
    assert np.isnan(actual[np.isclose(actual[:, 0], unknown + HOUR), 1]).any()
    for line in (forecast, actual):
        steps = np.diff(line[:, 0])
        across = steps > 1.01 * HOUR
        assert across.sum() == 1
        assert np.isnan(line[:-1, 1][across]).all()
    bands = examples_of(kept).axes[0].collections[0].get_paths()
    assert len(bands) == 2


def test_of_several_forecasts_of_an_interval_the_newest_is_drawn():
    backtest = backtest_of({"a": 0.2}, days=3)
    older = backtest.assign(origin_utc=backtest["origin_utc"] - pd.Timedelta(days=1), energy_kwh=9.0)
    forecast, _ = forecast_and_actual(examples_of(pd.concat([backtest, older], ignore_index=True)).axes[0])
    assert len(forecast) == 2 * 72
    np.testing.assert_allclose(forecast[:, 1], 1.8)


def test_the_rows_may_come_in_any_order_and_stay_as_they_are():
    backtest = backtest_of({"a": 0.2, "b": 0.4}).assign(naive_kwh=1.0)
    shuffled = backtest.sample(frac=1, random_state=0).reset_index(drop=True)
    before = shuffled.copy()
    for one, other in zip(examples_of(backtest).axes, examples_of(shuffled).axes, strict=True):
        np.testing.assert_array_equal(one.lines[0].get_xydata(), other.lines[0].get_xydata())
    plots.error_by_hour(shuffled, "t", "UTC")
    plots.calibration(shuffled, "t")
    pd.testing.assert_frame_equal(shuffled, before)


def test_errors_are_told_by_local_hour_over_all_meters_beside_the_seasonal_naive():
    backtest = backtest_of({"a": 0.2, "b": 1.0}).assign(naive_kwh=1.0)
    local = backtest["timestamp_utc"].dt.tz_convert("Europe/Berlin").dt.hour
    backtest.loc[local == 7, "actual_kwh"] = 4.0
    axis = plots.error_by_hour(backtest, "profile", "Europe/Berlin").axes[0]
    own, naive = (line.get_xydata() for line in axis.lines)
    np.testing.assert_allclose(own[:, 0], np.arange(24))
    np.testing.assert_allclose(np.delete(own[:, 1], 7), (0.2 + 1.0) / 4)
    assert own[7, 1] == pytest.approx((2.2 + 3.0) / 8)
    np.testing.assert_allclose(np.delete(naive[:, 1], 7), 0.5)
    assert naive[7, 1] == pytest.approx(0.75)
    whole = [wape(backtest["actual_kwh"].to_numpy(), backtest[name].to_numpy()) for name in ("energy_kwh", "naive_kwh")]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == [
        f"profile: {whole[0]:.1%} overall",
        f"seasonal naive: {whole[1]:.1%} overall",
    ]
    assert axis.get_ylim() == (0, pytest.approx(1.05 * naive[7, 1]))
    assert "Europe/Berlin" in axis.get_xlabel()


def test_without_a_seasonal_naive_there_is_one_line():
    axis = plots.error_by_hour(backtest_of({"a": 0.2}), "t", "UTC").axes[0]
    assert len(axis.lines) == 1


def test_models_that_differ_by_meter_are_called_forecast():
    backtest = backtest_of({"a": 0.2, "b": 0.2})
    backtest.loc[backtest["meter_id"] == "a", "model"] = "ets"
    axis = plots.error_by_hour(backtest, "t", "UTC").axes[0]
    assert axis.get_legend().get_texts()[0].get_text() == "forecast: 10.0% overall"


@pytest.mark.parametrize(("freq", "parts"), [("15min", 96), ("30min", 48), ("6h", 4)])
def test_shorter_intervals_have_more_times_of_day(freq, parts):
    axis = plots.error_by_hour(backtest_of({"a": 0.2}, freq=freq), "t", "Europe/Berlin").axes[0]
    np.testing.assert_allclose(axis.lines[0].get_xdata(), np.arange(parts) * 24 / parts)
    np.testing.assert_allclose(axis.lines[0].get_ydata(), 0.1)


@pytest.mark.parametrize("freq", ["D", "2D"])
def test_errors_of_intervals_of_days_are_told_by_weekday(freq):
    backtest = backtest_of({"a": 0.2}, days=56, freq=freq)
    monday = backtest["timestamp_utc"].dt.tz_convert("Europe/Berlin").dt.day_of_week == 0
    backtest.loc[monday, "energy_kwh"] = 1.0
    figure = plots.error_by_hour(backtest, "t", "Europe/Berlin")
    axis = figure.axes[0]
    np.testing.assert_allclose(axis.lines[0].get_ydata(), [0.5] + [0.1] * 6)
    assert [label.get_text() for label in axis.get_xticklabels()] == ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    assert "by weekday" in figure.get_suptitle()


def test_a_step_that_starts_after_the_hour_that_is_skipped_counts_at_its_own_time():
    backtest = backtest_of({"a": 0.2}, days=3, end="2024-04-02", freq="2h")
    local = backtest["timestamp_utc"].dt.tz_convert("Europe/Berlin")
    assert (local.dt.hour == 3).any()
    axis = plots.error_by_hour(backtest, "t", "Europe/Berlin").axes[0]
    np.testing.assert_allclose(axis.lines[0].get_xdata(), np.arange(0, 24, 2))


def test_times_at_which_nothing_is_used_or_known_are_gaps():
    backtest = backtest_of({"a": 0.2})
    local = backtest["timestamp_utc"].dt.tz_convert("Europe/Berlin").dt.hour
    backtest.loc[local == 3, "actual_kwh"] = 0.0
    backtest.loc[local == 5, "actual_kwh"] = np.nan
    values = plots.error_by_hour(backtest, "t", "Europe/Berlin").axes[0].lines[0].get_ydata()
    assert np.flatnonzero(np.isnan(values)).tolist() == [3, 5]


def test_a_time_at_which_next_to_nothing_is_used_does_not_set_the_scale():
    backtest = backtest_of({"a": 0.2})
    backtest.loc[backtest["timestamp_utc"].dt.hour == 3, "actual_kwh"] = 0.001
    figure = plots.error_by_hour(backtest, "t", "UTC")
    assert figure.axes[0].get_ylim() == (0, 2)
    assert figure.axes[0].lines[0].get_ydata()[3] == pytest.approx(1799)
    assert "values above the axis: 1" in figure.get_suptitle()


def test_a_seasonal_naive_that_is_not_known_everywhere_says_so():
    backtest = backtest_of({"a": 0.2}).assign(naive_kwh=1.0)
    backtest.loc[backtest.index[: len(backtest) // 4], "naive_kwh"] = np.nan
    assert "seasonal naive known of 75.0% of them" in plots.error_by_hour(backtest, "t", "UTC").get_suptitle()


def calibrated(n=1000):
    """Energies 0, 1, …, n - 1, of which each quantile has its share below it."""
    backtest = backtest_of({"a": 0.0, "b": 0.0}, days=n, freq="D").iloc[: 2 * n]
    backtest["actual_kwh"] = np.tile(np.arange(float(n)), 2)
    backtest[list(QUANTILE_COLUMNS)] = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]) * n - 0.5
    return backtest


def test_quantiles_that_hold_lie_on_the_diagonal():
    figure = plots.calibration(calibrated(), "t")
    left, right = figure.axes
    diagonal, observed = (line.get_xydata() for line in left.lines[:2])
    assert diagonal.tolist() == [[0, 0], [1, 1]]
    np.testing.assert_allclose(observed[:, 0], [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
    np.testing.assert_allclose(observed[:, 1], observed[:, 0])
    told = [text.get_text() for text in left.get_legend().get_texts()]
    assert told[2:] == [f"{level} %: {level}.0%" for level in (5, 10, 25, 50, 75, 90, 95)]
    for place, (line, share) in enumerate(zip(right.lines, (0.5, 0.8, 0.9), strict=True)):
        np.testing.assert_allclose(line.get_ydata(), [share, share])
        np.testing.assert_allclose(line.get_xdata(), [place - 0.3, place + 0.3])
    assert [label.get_text() for label in right.get_xticklabels()] == [
        "50 % band\n50.0% overall",
        "80 % band\n80.0% overall",
        "90 % band\n90.0% overall",
    ]
    nominal = [c.get_segments()[0][:, 1].tolist() for c in right.collections if isinstance(c, LineCollection)]
    assert nominal == [[0.5, 0.5], [0.8, 0.8], [0.9, 0.9]]
    assert "2,000 intervals of 2 meters" in figure.get_suptitle()


@pytest.mark.parametrize(("error", "side"), [(1.0, "upper left"), (-1.0, "lower right")])
def test_the_numbers_of_the_quantiles_stand_where_the_line_is_not(error, side):
    left = plots.calibration(backtest_of({"a": error}), "t").axes[0]
    FigureCanvasAgg(left.figure).draw()
    box = left.get_legend().get_window_extent().transformed(left.transData.inverted())
    assert ("upper left" if box.y0 > box.x1 else "lower right" if box.y1 < box.x0 else "across") == side


def test_each_meters_coverage_is_a_point_lowest_first():
    backtest = backtest_of({"never": 9.0, "always": 0.0, "wide": 0.3})
    _, right = plots.calibration(backtest, "t").axes
    assert [line.get_ydata().tolist() for line in right.lines] == [[0, 0, 1], [0, 1, 1], [0, 1, 1]]
    assert right.get_ylim()[0] < 0


def test_many_meters_have_boxes_from_the_least_to_the_most():
    backtest = backtest_of({f"m{number}": number / 10 for number in range(7)})
    _, right = plots.calibration(backtest, "t").axes
    points = right.lines[:3]
    assert all(len(line.get_xdata()) == 7 for line in points)
    # A box, two whiskers, two caps and a median each.
    assert len(right.lines) == 3 + 3 * 6
    assert len(plots.calibration(backtest_of({"a": 0.1}), "t").axes[1].lines) == 3


def test_half_of_the_energies_that_equal_a_quantile_count_as_below_it():
    backtest = backtest_of({"a": 0.0})
    backtest[["actual_kwh", "energy_kwh_p05"]] = 0.0
    figure = plots.calibration(backtest, "t")
    left = figure.axes[0]
    assert left.lines[1].get_ydata()[:2].tolist() == [0.5, 1.0]
    bars = left.collections[0].get_segments()
    assert [bar.tolist() for bar in bars] == [[[0.05, 0.0], [0.05, 1.0]]]
    assert "energies equal to the quantile" in figure.get_suptitle()
    assert "equal" not in plots.calibration(calibrated(), "t").get_suptitle()


def test_energies_that_are_not_known_do_not_count():
    backtest = calibrated()
    gaps = backtest[backtest["meter_id"] == "a"].assign(meter_id="c", actual_kwh=np.nan)
    left, right = plots.calibration(pd.concat([backtest, gaps], ignore_index=True), "t").axes
    np.testing.assert_allclose(left.lines[1].get_ydata(), left.lines[1].get_xdata())
    assert len(right.lines[0].get_xdata()) == 2


def models(**more):
    table = pd.DataFrame(
        {
            "model": ["seasonal_naive", "ets", "xgboost"],
            "ratio_to_seasonal_naive": [1.0, np.nan, 0.74],
            "median_wape": [0.25, 0.3, 0.179],
            "median_weighted_quantile_loss": [0.15, np.nan, 0.121],
            "coverage_90": [0.91, np.nan, 0.899],
        }
    )
    return table.assign(**more)


def test_models_are_sorted_by_their_ratio_and_the_unknown_come_last():
    figure = plots.model_comparison(models(), "t")
    ratio, error, loss, covered = figure.axes
    assert [label.get_text() for label in ratio.get_yticklabels()] == ["xgboost", "seasonal_naive", "ets"]
    low, high = ratio.get_ylim()
    assert low > high
    assert [bar.get_width() for bar in ratio.patches] == [0.74, 1.0, 0.0]
    assert [bar.get_width() for bar in error.patches] == [0.179, 0.25, 0.3]
    assert [text.get_text() for text in ratio.texts] == ["0.740", "1.000", "unknown"]
    assert [text.get_text() for text in error.texts] == ["17.9%", "25.0%", "30.0%"]
    assert [text.get_text() for text in loss.texts] == ["12.1%", "15.0%", "unknown"]
    assert [text.get_text() for text in covered.texts] == ["89.9%", "91.0%", "unknown"]
    assert ratio.lines[0].get_xdata() == [1, 1]
    assert covered.lines[0].get_xdata() == [0.9, 0.9]
    np.testing.assert_array_equal(covered.lines[1].get_xdata(), [0.899, 0.91, np.nan])


def test_models_that_are_no_better_than_the_seasonal_naive_are_grey():
    bars = plots.model_comparison(models(ratio_to_seasonal_naive=[1.0, 1.3, 0.74]), "t").axes[0].patches
    grey = plots.cluster_color(plots.NOISE)
    assert [to_hex(bar.get_facecolor()).upper() == grey for bar in bars] == [False, True, True]


def test_the_line_at_one_is_inside_the_panel_even_if_all_models_are_far_better():
    axis = plots.model_comparison(models(ratio_to_seasonal_naive=[0.1, 0.2, 0.3]), "t").axes[0]
    assert axis.get_xlim()[1] > 1


def test_measures_that_no_model_has_are_unknown():
    figure = plots.model_comparison(models()[["model", "median_wape"]], "t")
    assert [text.get_text() for text in figure.axes[0].texts] == ["unknown"] * 3
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["xgboost", "seasonal_naive", "ets"]
    FigureCanvasAgg(figure).draw()


def test_where_nothing_was_forecast_the_figure_says_so():
    nothing = backtest_of({"a": 0.2}).iloc[:0]
    for backtest in (nothing, pd.DataFrame()):
        for figure in (
            plots.forecast_examples(backtest, pd.DataFrame(), "profile", "UTC"),
            plots.error_by_hour(backtest, "profile", "UTC"),
            plots.calibration(backtest, "profile"),
        ):
            assert "no forecasts" in words_of(figure)
            assert figure.get_suptitle() == "profile"
            assert_inside(figure)
    assert "no models to compare" in words_of(plots.model_comparison(pd.DataFrame(), "profile"))


def test_where_nothing_was_read_the_figure_says_so():
    backtest = backtest_of({"a": 0.2}).assign(actual_kwh=np.nan)
    assert "no meter has a known WAPE" in words_of(examples_of(backtest))
    for figure in (plots.error_by_hour(backtest, "t", "UTC"), plots.calibration(backtest, "t")):
        assert "no interval whose energy is known" in words_of(figure)


def drawings(backtest):
    return (
        lambda: plots.forecast_examples(backtest, pd.DataFrame(), "t", "UTC"),
        lambda: plots.error_by_hour(backtest, "t", "UTC"),
        lambda: plots.calibration(backtest, "t"),
    )


@pytest.mark.parametrize("column", ["meter_id", "origin_utc", "timestamp_utc", "energy_kwh_p05", "actual_kwh"])
def test_a_missing_column_is_named(column):
    for draw in drawings(backtest_of({"a": 0.2}).drop(columns=column)):
        with pytest.raises(ParameterError, match=f"no column {column}$"):
            draw()


def test_a_comparison_without_names_is_refused():
    with pytest.raises(ParameterError, match="no column model"):
        plots.model_comparison(models().drop(columns="model"), "t")


def test_forecasts_of_two_models_at_once_are_refused():
    backtest = backtest_of({"a": 0.2}, end="2024-05-11")
    both = pd.concat([backtest, backtest.assign(model="ets")], ignore_index=True)
    for draw in drawings(both):
        with pytest.raises(ParameterError, match=r"two forecasts of meter a for 2024-04-30 22:00:00\+00:00"):
            draw()


@pytest.mark.parametrize("name", [LONG, r"$\frac$", "Ñandú-Łódź №7 Αθήνα"])
def test_nothing_is_cut_off_whatever_the_names_are(name):
    meters = {f"{number} {name}": 0.1 * number for number in range(1, 7)}
    backtest = backtest_of(meters).assign(model=name, naive_kwh=1.0)
    backtest.loc[backtest["timestamp_utc"].dt.hour == 3, "actual_kwh"] = 0.001
    for figure in (
        plots.forecast_examples(backtest, errors_of(backtest), name, "Europe/Berlin"),
        plots.error_by_hour(backtest, name, "Europe/Berlin"),
        plots.calibration(backtest, name),
        plots.model_comparison(models(model=[f"{name} {number}" for number in range(3)]), name),
    ):
        assert_inside(figure)


def test_one_interval_alone_is_drawn():
    backtest = backtest_of({"a": 0.2}, days=1).iloc[:1]
    forecast, _ = forecast_and_actual(examples_of(backtest).axes[0])
    assert len(forecast) == 2
    assert plots.error_by_hour(backtest, "t", "Europe/Berlin").axes[0].lines[0].get_ydata()[0] == pytest.approx(0.1)
    assert "1 interval of 1 meter" in plots.calibration(backtest, "t").get_suptitle()
