from datetime import date, timedelta
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from loadprofiles import plots
from loadprofiles.anomalies.attacks import ATTACKS
from loadprofiles.errors import ParameterError
from tests.plots.test_clusters import LONG, assert_inside

MARCH = date(2024, 3, 1)
NAN = float("nan")
GREY = plots.cluster_color(plots.NOISE)
RED = plots.cluster_color(1)


def place(day):
    """Where a day is drawn, in days since 1970."""
    return (day - date(1970, 1, 1)).days


def alert_of(**more):
    """A theft-like alert of the days 3 to 5 of March."""
    alert = {
        "kind": "theft-like",
        "subject": "M1",
        "sector": "Bakery",
        "first_day": date(2024, 3, 3),
        "last_day": date(2024, 3, 5),
        "severity": "high",
        "missing_kwh": 18.0,
        "missing_low_kwh": 12.0,
        "missing_high_kwh": 24.5,
        "reasons": "half is missing",
        "peers": "",
        "meters": ["M1"],
    }
    return alert | more


def days_of(*meters, first=date(2023, 12, 1), last=date(2024, 5, 1), actual=9.0):
    """Days of which 10 kWh are expected each, 8 to 13 at that, with a score of 1 below a threshold of 2."""
    count = (last - first).days + 1
    tables = [
        pd.DataFrame(
            {
                "meter_id": meter,
                "date": [first + timedelta(days=number) for number in range(count)],
                "actual_kwh": actual,
                "expected_kwh": 10.0,
                "low_kwh": 8.0,
                "high_kwh": 13.0,
                "score": 1.0,
                "threshold": 2.0,
            }
        )
        for meter in meters
    ]
    return pd.concat(tables, ignore_index=True)


def on(days, meter, *numbers, **values):
    """The table, of which on these days of March one meter has other values."""
    chosen = (days["meter_id"] == meter) & days["date"].isin([MARCH + timedelta(days=n - 1) for n in numbers])
    assert chosen.any()
    return days.assign(**{name: days[name].mask(chosen, value) for name, value in values.items()})


def lines_of(axis):
    return {line.get_label(): line for line in axis.lines}


def words_of(figure):
    return [text.get_text() for text in figure.texts]


def shade_of(axis):
    """From where to where a panel is shaded."""
    (span,) = (patch for patch in axis.patches if patch.get_alpha() == pytest.approx(0.13))
    return span.get_x(), span.get_x() + span.get_width()


def bars_of(axis):
    """Height and colour of the bars by day."""
    bars = [bar for bar in axis.patches if bar.get_alpha() is None]
    middles = [round(bar.get_x() + bar.get_width() / 2) for bar in bars]
    looks = [(bar.get_height(), to_hex(bar.get_facecolor()).upper()) for bar in bars]
    return dict(zip(middles, looks, strict=True))


def dates_of(axis):
    return [label.get_text() for label in axis.get_xticklabels()]


def key_of(figure):
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_exactly_the_alerts_days_are_shaded_in_every_panel():
    figure = plots.alert_days(alert_of(), days_of("M1", "M2"))
    edges = (place(date(2024, 3, 3)) - 0.5, place(date(2024, 3, 5)) + 0.5)
    assert [shade_of(axis) for axis in figure.axes] == [edges] * 3
    one_day = plots.alert_days(alert_of(last_day=date(2024, 3, 3)), days_of("M1"))
    assert shade_of(one_day.axes[0]) == (edges[0], edges[0] + 1)


def test_what_was_metered_on_the_alerts_days_is_marked():
    days = on(days_of("M1"), "M1", 3, 4, 5, actual_kwh=4.0)
    lines = lines_of(plots.alert_days(alert_of(), days).axes[0])
    marked = lines["metered, days of the alert"].get_xydata()
    assert marked.tolist() == [[place(date(2024, 3, day)), 4.0] for day in (3, 4, 5)]
    assert to_hex(lines["metered, days of the alert"].get_color()).upper() == RED
    metered = lines["metered"].get_xydata()
    assert metered[metered[:, 1] == 4.0, 0].tolist() == marked[:, 0].tolist()


def test_what_was_expected_holds_for_the_whole_day_within_its_band():
    days = on(days_of("M1"), "M1", 4, expected_kwh=11.0, low_kwh=7.0, high_kwh=14.0)
    axis = plots.alert_days(alert_of(), days).axes[0]
    expected = lines_of(axis)["expected"].get_xydata()
    fourth = place(date(2024, 3, 4))
    assert expected[expected[:, 1] == 11.0].tolist() == [[fourth - 0.5, 11.0], [fourth + 0.5, 11.0]]
    corners = axis.collections[0].get_paths()[0].vertices
    assert (corners[:, 1].min(), corners[:, 1].max()) == (7.0, 14.0)
    assert set(corners[corners[:, 1] == 14.0, 0]) == {fourth - 0.5, fourth + 0.5}


def test_six_weeks_before_and_two_after_the_alert_are_shown():
    days = days_of("M1", "M2")
    figure = plots.alert_days(alert_of(), days)
    across = lines_of(figure.axes[0])["metered"].get_xdata()
    assert across[0] == place(date(2024, 3, 3) - timedelta(days=42))
    assert across[-1] == place(date(2024, 3, 5) + timedelta(days=14))
    assert len(across) == 42 + 3 + 14
    for axis in figure.axes:
        assert axis.get_xlim() == (across[0] - 0.7, across[-1] + 0.7)


def test_where_data_begin_later_or_end_earlier_so_does_the_figure():
    days = days_of("M1", first=date(2024, 2, 20), last=date(2024, 3, 8))
    # Of another meter there are more days.
    days = pd.concat([days, days_of("M2")], ignore_index=True)
    figure = plots.alert_days(alert_of(), days)
    edges = place(date(2024, 2, 20)) - 0.7, place(date(2024, 3, 8)) + 0.7
    assert [axis.get_xlim() for axis in figure.axes] == [edges] * 3


def test_days_of_the_alert_beyond_the_data_are_shaded_all_the_same():
    days = days_of("M1", last=date(2024, 3, 4))
    axis = plots.alert_days(alert_of(), days).axes[0]
    assert shade_of(axis) == (place(date(2024, 3, 3)) - 0.5, place(date(2024, 3, 5)) + 0.5)
    assert axis.get_xlim()[1] == place(date(2024, 3, 5)) + 0.7
    assert lines_of(axis)["not metered, days of the alert"].get_xdata().tolist() == [place(date(2024, 3, 5))]


@pytest.mark.parametrize("is_there", [True, False])
def test_days_that_are_not_known_or_not_there_are_gaps(is_there):
    days = days_of("M1")
    gap = days["date"].isin([date(2024, 2, 20), date(2024, 2, 21)])
    numbers = ["actual_kwh", "expected_kwh", "low_kwh", "high_kwh", "score", "threshold"]
    days = days.assign(**{name: days[name].mask(gap) for name in numbers}) if is_there else days[~gap]
    axis, score = plots.alert_days(alert_of(), days).axes
    missing = [place(date(2024, 2, 20)), place(date(2024, 2, 21))]
    metered = lines_of(axis)["metered"].get_xydata()
    assert metered[np.isnan(metered[:, 1]), 0].tolist() == missing
    expected = lines_of(axis)["expected"].get_xydata()
    corners = [missing[0] - 0.5, missing[0] + 0.5, missing[1] - 0.5, missing[1] + 0.5]
    assert expected[np.isnan(expected[:, 1]), 0].tolist() == corners
    assert len(axis.collections[0].get_paths()) == 2
    assert not set(missing) & set(bars_of(score))
    assert missing[0] - 1 in bars_of(score)
    assert "not metered, days of the alert" not in lines_of(axis)


def test_alert_days_without_a_reading_have_a_cross():
    days = on(days_of("M1"), "M1", 4, actual_kwh=NAN)
    figure = plots.alert_days(alert_of(), days)
    lines = lines_of(figure.axes[0])
    assert lines["not metered, days of the alert"].get_xdata().tolist() == [place(date(2024, 3, 4))]
    assert len(lines["metered, days of the alert"].get_xdata()) == 2
    assert "not metered, days of the alert" in key_of(figure)


def test_what_is_not_drawn_is_not_in_the_key():
    days = on(days_of("M1"), "M1", 3, 4, 5, actual_kwh=NAN)
    key = key_of(plots.alert_days(alert_of(), days))
    assert "metered" in key and "score" in key
    assert not {"metered, days of the alert", "score above the threshold"} & set(key)


def test_scores_above_their_threshold_are_red():
    days = on(days_of("M1"), "M1", 3, 4, score=2.5)
    days = on(days, "M1", 5, score=2.0)
    axis = plots.alert_days(alert_of(), days).axes[1]
    bars = bars_of(axis)
    assert bars.pop(place(date(2024, 3, 3))) == bars.pop(place(date(2024, 3, 4))) == (2.5, RED)
    assert bars.pop(place(date(2024, 3, 5))) == (2.0, GREY)
    assert set(bars.values()) == {(1.0, GREY)}
    assert set(lines_of(axis)["threshold"].get_ydata()) == {2.0}


def test_a_score_without_a_threshold_is_grey():
    axis = plots.alert_days(alert_of(), days_of("M1").assign(threshold=NAN)).axes[1]
    assert set(bars_of(axis).values()) == {(1.0, GREY)}


def test_where_no_day_has_a_score_the_panel_says_so():
    figure = plots.alert_days(alert_of(), days_of("M1").assign(score=NAN, threshold=NAN))
    assert [text.get_text() for text in figure.axes[1].texts] == ["no day has a score"]
    assert_inside(figure)


def test_each_other_meter_is_a_line_of_metered_over_expected_and_their_median_is_black():
    days = pd.concat([days_of("M1"), days_of("M2", actual=5), days_of("M3", actual=8), days_of("M4", actual=20)])
    figure = plots.alert_days(alert_of(peers="the others as ever"), days)
    axis = figure.axes[-1]
    assert axis.get_yscale() == "log"
    *others, median, one = axis.lines
    assert [set(line.get_ydata()) for line in others] == [{0.5}, {0.8}, {2.0}]
    assert {to_hex(line.get_color()).upper() for line in others} == {GREY}
    assert set(median.get_ydata()) == {0.8}
    assert median.get_color() == "black"
    assert set(one.get_ydata()) == {1}
    low, high = axis.get_ylim()
    assert low * high == pytest.approx(1)
    assert low < 0.5 and high > 2
    assert axis.get_title(loc="left") == "3 other meters of sector Bakery: the others as ever"


def test_without_other_meters_their_panel_is_left_out():
    figure = plots.alert_days(alert_of(), days_of("M1"))
    assert len(figure.axes) == 2
    assert not any("other" in label for label in key_of(figure))
    assert dates_of(figure.axes[-1])
    assert figure.axes[-1].get_xlabel() == "local day"


@pytest.mark.parametrize(("column", "value"), [("actual_kwh", NAN), ("expected_kwh", NAN), ("expected_kwh", 0.0)])
def test_other_meters_without_any_ratio_do_not_count(column, value):
    silent = days_of("M2").assign(**{column: value})
    assert len(plots.alert_days(alert_of(), pd.concat([days_of("M1"), silent])).axes) == 2
    with_another = plots.alert_days(alert_of(), pd.concat([days_of("M1", "M3"), silent]))
    assert with_another.axes[-1].get_title(loc="left") == "1 other meter of sector Bakery"


def test_ratios_beyond_the_axis_run_along_its_edge_and_are_counted():
    days = on(on(days_of("M1", "M2"), "M2", 3, actual_kwh=0.0), "M2", 4, actual_kwh=5000.0)
    days = on(days, "M2", 5, actual_kwh=-1.0)
    axis = plots.alert_days(alert_of(), days).axes[-1]
    low, high = axis.get_ylim()
    ratios = dict(axis.lines[0].get_xydata())
    assert (ratios[place(date(2024, 3, 3))], ratios[place(date(2024, 3, 4))]) == (low, high)
    assert np.isnan(ratios[place(date(2024, 3, 5))])
    assert high < 10
    assert "2 values beyond the axis" in axis.get_title(loc="left")


def test_the_title_tells_kind_subject_dates_and_what_is_missing():
    figure = plots.alert_days(alert_of(), days_of("M1"))
    assert figure.get_suptitle() == (
        "theft-like, high: meter M1 of sector Bakery, 3–5 Mar 2024, 18.0 kWh missing (90 % band: 12.0 to 24.5 kWh)"
    )
    assert "half is missing" in words_of(figure)


@pytest.mark.parametrize(
    ("first", "last", "told"),
    [
        (date(2024, 3, 3), date(2024, 3, 3), "3 Mar 2024"),
        (date(2024, 3, 3), date(2024, 3, 15), "3–15 Mar 2024"),
        (date(2024, 2, 28), date(2024, 3, 1), "28 Feb – 1 Mar 2024"),
        (date(2023, 12, 30), date(2024, 1, 2), "30 Dec 2023 – 2 Jan 2024"),
    ],
)
def test_what_both_dates_have_in_common_is_told_once(first, last, told):
    title = plots.alert_days(alert_of(first_day=first, last_day=last), days_of("M1")).get_suptitle()
    assert f"sector Bakery, {told}, 18.0 kWh" in title


@pytest.mark.parametrize(
    ("kwh", "told"),
    [
        ((1234.5, 1000.0, 1500.0), "1,234 kWh missing (90 % band: 1,000 to 1,500 kWh)"),
        ((-20.0, -25.0, -15.0), "20.0 kWh more than expected (90 % band: 15.0 to 25.0 kWh)"),
        ((3.0, -1.0, 7.0), "3.0 kWh missing (90 % band: -1.0 to 7.0 kWh)"),
        ((3.0, NAN, NAN), "3.0 kWh missing"),
        ((NAN, NAN, NAN), "missing energy not known"),
        ((None, None, None), "missing energy not known"),
    ],
)
def test_missing_energy_is_told_with_its_band_or_as_not_known(kwh, told):
    names = ("missing_kwh", "missing_low_kwh", "missing_high_kwh")
    figure = plots.alert_days(alert_of(**dict(zip(names, kwh, strict=True))), days_of("M1"))
    assert figure.get_suptitle().endswith(f", {told}")


def test_an_alert_without_sector_or_reasons_is_drawn_without_them():
    for nothing in ("", None, NAN):
        figure = plots.alert_days(alert_of(sector=nothing, reasons=nothing, peers=nothing), days_of("M1", "M2"))
        assert figure.get_suptitle().startswith("theft-like, high: meter M1, 3–5 Mar")
        assert words_of(figure) == [figure.get_suptitle()]
        assert figure.axes[-1].get_title(loc="left") == "1 other meter of the sector"


def group(count):
    names = [f"G{number}" for number in range(count)]
    return alert_of(kind="group event", subject="Bakery", meters=names), days_of(*names)


def test_a_group_event_has_a_panel_for_each_of_four_meters_at_most_those_farthest_off_first():
    alert, days = group(6)
    for meter, kwh in (("G4", 1.0), ("G2", 30.0), ("G5", 5.0), ("G0", 6.0)):
        days = on(days, meter, 3, 4, 5, actual_kwh=kwh)
    figure = plots.alert_days(alert, days)
    assert [axis.get_title(loc="left") for axis in figure.axes[:4]] == [
        "meter G2",
        "meter G4",
        "meter G5",
        "meter G0",
    ]
    assert len(figure.axes) == 5
    assert "sector Bakery, 6 meters, 3–5 Mar 2024" in figure.get_suptitle()
    assert "2 more of its meters not shown" in figure.get_suptitle()
    assert "not shown" not in plots.alert_days(*group(4)).get_suptitle()


def test_the_scores_of_a_group_event_are_the_medians_of_all_its_meters():
    alert, days = group(5)
    for meter, score in zip(alert["meters"], (0.1, 0.2, 3.0, 4.0, 5.0), strict=True):
        days = on(days, meter, 4, score=score)
    axis = plots.alert_days(alert, days).axes[4]
    assert axis.get_title(loc="left") == "score of a day, median of 5 meters"
    assert bars_of(axis)[place(date(2024, 3, 4))] == (3.0, RED)


def test_the_meters_of_a_group_event_are_no_others():
    alert, days = group(3)
    figure = plots.alert_days(alert, pd.concat([days, days_of("M7", "M8")]))
    assert figure.axes[-1].get_title(loc="left") == "2 other meters of sector Bakery"


def test_meters_of_the_alert_without_days_are_counted():
    alert, days = group(3)
    figure = plots.alert_days(alert, days[days["meter_id"] != "G1"])
    assert "meters without judged days: 1" in figure.get_suptitle()
    assert len(figure.axes) == 3


def test_a_day_of_a_thousandfold_energy_does_not_set_the_scale():
    days = on(days_of("M1"), "M1", 4, actual_kwh=9000.0)
    axis = plots.alert_days(alert_of(kind="data fault"), days).axes[0]
    assert axis.get_ylim()[1] < 20
    assert axis.get_title(loc="left") == "1 day beyond the axis"
    (arrow,) = (line for line in axis.lines if line.get_marker() == "^")
    assert arrow.get_xdata().tolist() == [place(date(2024, 3, 4))]


def test_negative_energies_are_within_the_axis():
    days = on(days_of("M1"), "M1", 3, 4, 5, actual_kwh=-9.0)
    low, high = plots.alert_days(alert_of(kind="data fault"), days).axes[0].get_ylim()
    assert low < -9 and high > 13
    assert plots.alert_days(alert_of(), days_of("M1")).axes[0].get_ylim()[0] == 0


@pytest.mark.parametrize("columns", [["actual_kwh"], ["expected_kwh", "low_kwh", "high_kwh"]])
def test_a_meter_that_is_never_read_or_never_expected_is_drawn(columns):
    days = days_of("M1", "M2").assign(**dict.fromkeys(columns, NAN))
    figure = plots.alert_days(alert_of(), days)
    assert len(figure.axes) == 2
    assert_inside(figure)


def test_mondays_are_named_and_the_year_where_it_is_new():
    alert = alert_of(first_day=date(2024, 1, 3), last_day=date(2024, 1, 4))
    axis = plots.alert_days(alert, days_of("M1", first=date(2023, 12, 10), last=date(2024, 1, 20))).axes[-1]
    assert dates_of(axis) == ["11 Dec\n2023", "18 Dec", "25 Dec", "1 Jan\n2024", "8 Jan", "15 Jan"]
    assert axis.get_xticks()[0] == place(date(2023, 12, 11))
    few = plots.alert_days(alert_of(), days_of("M1", first=MARCH, last=date(2024, 3, 5))).axes[-1]
    assert dates_of(few) == ["1 Mar\n2024", "2 Mar", "3 Mar", "4 Mar", "5 Mar"]


@pytest.mark.parametrize("length", [1, 40, 400])
def test_dates_do_not_touch_each_other_however_long_the_alert_is(length):
    alert = alert_of(last_day=date(2024, 3, 3) + timedelta(days=length - 1))
    figure = plots.alert_days(alert, days_of("M1", last=date(2025, 12, 1)))
    FigureCanvasAgg(figure).draw()
    boxes = [label.get_window_extent() for label in figure.axes[-1].get_xticklabels()]
    assert 5 <= len(boxes) <= 10
    assert all(left.x1 + 5 < right.x0 for left, right in pairwise(boxes))


def texts_above(figure):
    """Where title, reasons, the upper panel's title and that panel are, from above."""
    FigureCanvasAgg(figure).draw()
    texts = [*figure.texts, figure.axes[0]._left_title]
    return [text.get_window_extent() for text in texts if text.get_text()] + [figure.axes[0].bbox]


@pytest.mark.parametrize("count", [1, 6])
@pytest.mark.parametrize("reasons", ["", "half is missing", f"{LONG} " * 2, f"{LONG} " * 9])
def test_title_reasons_and_panels_stand_below_each_other(reasons, count):
    alert, days = group(count)
    figure = plots.alert_days(alert | {"reasons": reasons}, days)
    boxes = texts_above(figure)
    assert all(above.y0 >= below.y1 for above, below in pairwise(boxes))
    # And no room is lost between them.
    assert boxes[-2].y0 - boxes[-1].y1 < 40


def test_the_key_is_below_all_panels_and_has_each_thing_once():
    alert, days = group(3)
    days = on(on(pd.concat([days, days_of("M7", "M8")]), "G1", 3, 4, score=9.0), "G2", 3, score=9.0)
    figure = plots.alert_days(alert, days)
    assert sorted(key_of(figure)) == sorted(
        [
            "90 % band",
            "expected",
            "metered",
            "metered, days of the alert",
            "score",
            "score above the threshold",
            "threshold",
            "another meter of the sector",
            "median of the other meters",
        ]
    )
    FigureCanvasAgg(figure).draw()
    lowest = figure.axes[-1].get_tightbbox()
    assert figure.legends[0].get_window_extent().y1 <= lowest.y0


@pytest.mark.parametrize("name", [LONG, r"$\frac$", "Ñandú-Łódź №7 Αθήνα"])
def test_names_and_reasons_are_no_formulas_and_nothing_is_cut_off(name):
    meters = [f"{number} {name}" for number in range(6)]
    days = days_of(*meters, "x")
    one = alert_of(subject=meters[0], sector=name, meters=meters[:1], reasons=f"{name} " * 6, peers=name)
    several = one | {"kind": "group event", "subject": name, "meters": meters}
    for alert in (one, several):
        assert_inside(plots.alert_days(alert, days))
    title = plots.alert_days(several, days).get_suptitle()
    assert title.count(r"\$") == title.count("$")


def test_long_names_are_cut():
    figure = plots.alert_days(alert_of(subject=LONG, meters=[LONG]), days_of(LONG))
    assert LONG.replace("$", r"\$") not in figure.get_suptitle().replace("\n", " ")
    assert "a very long name that costs" in figure.get_suptitle()
    assert "…" in figure.get_suptitle()
    assert "3–5 Mar 2024" in figure.get_suptitle()


def test_rows_in_any_order_and_dates_of_pandas_give_the_same_figure():
    days = days_of("M1", "M2")
    shuffled = days.sample(frac=1, random_state=0).assign(date=lambda table: pd.to_datetime(table["date"]))
    before = shuffled.copy()
    stamps = {"first_day": pd.Timestamp("2024-03-03"), "last_day": pd.Timestamp("2024-03-05")}
    one, other = plots.alert_days(alert_of(), days), plots.alert_days(alert_of(**stamps), shuffled)
    assert one.get_suptitle() == other.get_suptitle()
    for left, right in zip(one.axes, other.axes, strict=True):
        for a, b in zip(left.lines, right.lines, strict=True):
            np.testing.assert_array_equal(a.get_xydata(), b.get_xydata())
    pd.testing.assert_frame_equal(shuffled, before)


def test_where_no_day_was_judged_the_figure_says_so():
    for days in (days_of("M1").iloc[:0], pd.DataFrame()):
        figure = plots.alert_days(alert_of(), days)
        assert "no judged days" in words_of(figure)
        assert figure.get_suptitle().replace("\n", " ").startswith("theft-like, high: meter M1")
        assert_inside(figure)
    for days in (days_of("M2"), days_of("M1", last=date(2024, 1, 2))):
        assert "no judged days of the alert's meters" in words_of(plots.alert_days(alert_of(), days))


@pytest.mark.parametrize(
    "column", ["meter_id", "date", "actual_kwh", "expected_kwh", "low_kwh", "high_kwh", "score", "threshold"]
)
def test_a_missing_column_of_the_days_is_named(column):
    with pytest.raises(ParameterError, match=f"table of days has no column {column}$"):
        plots.alert_days(alert_of(), days_of("M1").drop(columns=column))


@pytest.mark.parametrize("key", list(alert_of()))
def test_what_an_alert_lacks_is_named(key):
    alert = alert_of()
    del alert[key]
    with pytest.raises(ParameterError, match=f"the alert has no {key}$"):
        plots.alert_days(alert, days_of("M1"))


def test_an_alert_that_ends_before_it_begins_is_refused():
    with pytest.raises(ParameterError, match="begins on 2024-03-03, but ends on 2024-03-02"):
        plots.alert_days(alert_of(last_day=date(2024, 3, 2)), days_of("M1"))


def test_a_day_that_is_there_twice_is_refused():
    days = days_of("M1")
    with pytest.raises(ParameterError, match="two rows for M1, 2024-03-04; give one"):
        plots.alert_days(alert_of(), pd.concat([days, days[days["date"] == date(2024, 3, 4)]]))


def bench(values, kinds=None):
    """AUC-PR by attack and detector."""
    rows = [
        {"attack": attack, "detector": detector, "auc_pr": value, "kind": (kinds or {}).get(attack, "theft")}
        for attack, of_attack in values.items()
        for detector, value in of_attack.items()
    ]
    return pd.DataFrame(rows).assign(roc_auc=0.9, recall=0.5, delay_days=1.0)


def cells_of(figure):
    """The cells' texts, row by row."""
    rows: dict[float, list[str]] = {}
    for text in sorted(figure.axes[0].texts, key=lambda text: text.get_position()[::-1]):
        rows.setdefault(text.get_position()[1], []).append(text.get_text())
    return list(rows.values())


def test_attacks_are_sorted_by_the_combined_detector_which_is_first_and_the_band_last():
    values = {
        "h1": {"band": 0.3, "pair": 0.5, "combined": 0.6, "level": 0.1},
        "h2": {"band": 0.2, "pair": 0.4, "combined": 0.9, "level": 0.95},
        "h3": {"band": 0.1, "pair": 0.3, "combined": NAN, "level": 0.2},
    }
    axis = plots.theft_bench(bench(values)).axes[0]
    assert dates_of(axis) == ["combined", "pair", "level", "band"]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["h2", "h1", "h3"]
    low, high = axis.get_ylim()
    assert low > high
    assert cells_of(axis.figure) == [
        ["0.90", "0.40", "0.95", "0.20"],
        ["0.60", "0.50", "0.10", "0.30"],
        ["–", "0.30", "0.20", "0.10"],
    ]
    mesh = axis.collections[0].get_array()
    np.testing.assert_allclose(mesh[0], [0.9, 0.4, 0.95, 0.2])
    assert mesh.mask.tolist() == [[False] * 4, [False] * 4, [True, False, False, False]]


def test_the_best_of_each_row_is_bold():
    figure = plots.theft_bench(bench({"h1": {"combined": 0.6, "pair": 0.7}, "h2": {"combined": 0.81, "pair": 0.812}}))
    bold = {text.get_position()[::-1] for text in figure.axes[0].texts if text.get_weight() == "bold"}
    # What is told the same is as good.
    assert bold == {(1.5, 1.5), (0.5, 0.5), (0.5, 1.5)}


def test_numbers_can_be_read_on_their_cells():
    figure = plots.theft_bench(bench({str(n): {"combined": n / 20} for n in range(21)}))
    FigureCanvasAgg(figure).draw()
    axis = figure.axes[0]
    colors = axis.collections[0].get_facecolor()
    for text, color in zip(sorted(axis.texts, key=lambda text: text.get_position()[1]), colors, strict=True):
        linear = [(c + 0.055) ** 2.4 / 1.055**2.4 if c > 0.04 else c / 12.92 for c in color[:3]]
        luminance = float(np.dot([0.2126, 0.7152, 0.0722], linear))
        own = 1.0 if text.get_color() == "white" else 0.0
        light, dark = max(luminance, own), min(luminance, own)
        # The contrast that WCAG asks of large text.
        assert (light + 0.05) / (dark + 0.05) > 3


def test_kinds_are_told_where_they_differ():
    values = {"h1": {"combined": 0.6}, "gap": {"combined": 0.9}}
    axis = plots.theft_bench(bench(values, {"gap": "fault"})).axes[0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["gap (fault)", "h1 (theft)"]


def test_without_the_combined_detector_the_mean_sorts():
    figure = plots.theft_bench(bench({"h1": {"band": 0.1, "pair": 0.5}, "h2": {"band": 0.9, "pair": 0.2}}))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["h2", "h1"]
    assert dates_of(figure.axes[0]) == ["pair", "band"]


def test_pairs_of_attack_and_detector_that_are_not_there_are_dashes():
    figure = plots.theft_bench(bench({"h1": {"combined": 0.1, "pair": 0.5}, "h2": {"combined": 0.9}}))
    assert cells_of(figure) == [["0.90", "–"], ["0.10", "0.50"]]


def test_the_whole_bench_is_drawn_without_texts_that_touch():
    detectors = ("combined", "pair", "profile", "reactive", "hours", "level", "flatness", "band")
    values = {name: dict.fromkeys(detectors, n / 20) for n, name in enumerate(ATTACKS)}
    figure = plots.theft_bench(bench(values, {name: attack.kind for name, attack in ATTACKS.items()}))
    assert_inside(figure)
    axis = figure.axes[0]
    boxes = [label.get_window_extent() for label in axis.get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))
    assert figure.texts[0].get_window_extent().y0 > max(box.y1 for box in boxes)
    rows = [label.get_window_extent() for label in axis.get_yticklabels()]
    assert all(above.y0 > below.y1 for above, below in pairwise(rows))


def recalls(**more):
    table = pd.DataFrame(
        [
            ("length", "2–3 days", 0.5, 2000),
            ("size", "over 50 %", 0.9, 30),
            ("size", "10–30 %", 0.25, 40),
            ("size", "under 10 %", NAN, 0),
            ("length", "1 day", 0.0004, 10),
        ],
        columns=["by", "class", "recall", "scenarios"],
    )
    return table.assign(**more)


def test_recall_is_told_by_size_and_by_length_in_the_tables_order_with_counts():
    size, length = plots.theft_recall(recalls()).axes
    assert dates_of(size) == ["over 50 %\nn = 30", "10–30 %\nn = 40", "under 10 %\nn = 0"]
    assert dates_of(length) == ["2–3 days\nn = 2,000", "1 day\nn = 10"]
    assert [bar.get_height() for bar in size.patches] == [0.9, 0.25, 0.0]
    assert [text.get_text() for text in size.texts] == ["90.0%", "25.0%", "unknown"]
    assert [text.get_text() for text in length.texts] == ["50.0%", "<0.1%"]
    assert size.get_ylim()[0] == 0
    assert "stolen" in size.get_xlabel() and "days" in length.get_xlabel()


def test_a_panel_without_classes_says_so():
    table = recalls()
    figure = plots.theft_recall(table[table["by"] == "size"])
    assert [text.get_text() for text in figure.axes[1].texts] == ["none"]
    assert_inside(figure)


def test_a_recall_of_everything_is_within_the_panel():
    figure = plots.theft_recall(recalls(recall=1.0))
    FigureCanvasAgg(figure).draw()
    for axis in figure.axes:
        assert all(text.get_window_extent().y1 <= axis.bbox.y1 + 1 for text in axis.texts)


@pytest.mark.parametrize("name", [LONG, r"$\frac$", "Ñandú-Łódź №7 Αθήνα"])
def test_nothing_of_the_bench_is_cut_off_whatever_the_names_are(name):
    values = {f"{n} {name}": {f"{d} {name}": 0.5 for d in range(4)} for n in range(3)}
    assert_inside(plots.theft_bench(bench(values, {f"1 {name}": name})))
    table = recalls(**{"class": [f"{n} {name}" for n in range(5)]})
    figure = plots.theft_recall(table)
    assert_inside(figure)
    for axis in figure.axes:
        boxes = [label.get_window_extent() for label in axis.get_xticklabels()]
        assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_an_empty_bench_says_so():
    for table in (bench({"h1": {"combined": 0.5}}).iloc[:0], pd.DataFrame()):
        assert "no attacks" in words_of(plots.theft_bench(table))
    for table in (recalls().iloc[:0], pd.DataFrame()):
        assert "no thefts" in words_of(plots.theft_recall(table))


@pytest.mark.parametrize("column", ["attack", "detector", "auc_pr", "kind"])
def test_a_missing_column_of_the_bench_is_named(column):
    with pytest.raises(ParameterError, match=f"table of the bench has no column {column}$"):
        plots.theft_bench(bench({"h1": {"combined": 0.5}}).drop(columns=column))


@pytest.mark.parametrize("column", ["by", "class", "recall", "scenarios"])
def test_a_missing_column_of_the_recall_is_named(column):
    with pytest.raises(ParameterError, match=f"table of recall has no column {column}$"):
        plots.theft_recall(recalls().drop(columns=column))


def test_rows_that_are_there_twice_or_of_something_else_are_refused():
    twice = bench({"h1": {"combined": 0.5}})
    with pytest.raises(ParameterError, match="two rows for h1, combined"):
        plots.theft_bench(pd.concat([twice, twice]))
    with pytest.raises(ParameterError, match="two rows for length, 2–3 days"):
        plots.theft_recall(pd.concat([recalls(), recalls()]))
    with pytest.raises(ParameterError, match="classes by weather; give size or length"):
        plots.theft_recall(recalls(by="weather"))
