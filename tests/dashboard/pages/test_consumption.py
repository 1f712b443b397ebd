"""The page of consumption: all customers, a sector, or one customer with forecasts, anomalies and voltages."""

from datetime import date, timedelta
from functools import cache
from types import MappingProxyType

import numpy as np
import pandas as pd
import pytest
from dash import dcc, html
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles.dashboard.cube import Cube, build_cube, open_cube
from loadprofiles.dashboard.data import Data
from loadprofiles.dashboard.language import UNKNOWN
from loadprofiles.dashboard.pages import consumption, customer_charts
from loadprofiles.dashboard.pages import customer_series as cs
from loadprofiles.dashboard.pages.customer_series import Window
from loadprofiles.readings import QUALITY_DTYPE, open_readings, write_readings
from tests.dashboard.components import cards, cells, figures, found, words
from tests.dashboard.small import BACKTEST_DAYS, DAYS, FIRST_DAY, LAST_DAY, METERS, ODD, small_context

ALL_DAY = (0, 24)


@cache
def render(data, query=""):
    context = small_context(data, "consumption", query)
    return consumption.render(context) + (consumption.render_later(context) if context.view.customer else [])


def table(data, name, query=""):
    return consumption.TABLES[name](small_context(data, "consumption", query))


def figure(page, name):
    return figures(page)[name]


def told(page, name):
    (drawing,) = [each for each in found(page, html.Div, role="img") if each.children.id == name]
    return getattr(drawing, "aria-label")


def graphs(page):
    return list(figures(page))


def trace(drawn, name):
    (one,) = [each for each in drawn.data if each.name == name]
    return one


def notices(page, tone):
    return [words(each) for each in found(page, html.Div, className=f"notice {tone}")]


def links(page, text):
    return [each.href for each in found(page, dcc.Link) if words(each) == text]


# --- all customers


def test_cards_tell_energy_by_day_and_the_hours_of_highest_use(data):
    shown = cards(render(data, "from=2024-03-01&to=2024-03-04"))
    kwh = data.cube.energy_kwh(None, first_day=date(2024, 3, 1), last_day=date(2024, 3, 4)).kwh.sum()
    assert shown["Customers"] == "4"
    assert shown["Energy in the period"] == f"{kwh:.1f} kWh"
    assert shown["Energy a day"] == f"{kwh / 4:.1f} kWh"
    assert shown["4 hours of highest use"] in {"17:00–21:00", "18:00–22:00", "19:00–23:00", "20:00–24:00"}


def test_the_share_of_known_hours_is_told_only_where_some_are_missing(data):
    assert "Known hours" not in cards(render(data, "from=2024-03-01&to=2024-03-04"))
    assert cards(render(data, "sector=Bakery&from=2024-04-05&to=2024-04-05"))["Known hours"] == "75.0 %"


def test_a_customer_is_shown_over_the_days_of_its_own_readings(data):
    energy = np.ones((20, 24), np.float32)
    energy[12] = np.nan  # one of the four days that M1 has
    first = (FIRST_DAY - date(1970, 1, 1)).days
    cube = Cube("UTC", METERS, first + np.array([0, 2, 0, 0]), np.array([0, 10, 14, 17, 20]), energy)
    short = Data(data.results, cube)
    page = render(short, "customer=M1")
    assert cards(page)["Known hours"] == "75.0 %"
    assert "3 Mar 2024 – 6 Mar 2024" in words(page)
    assert cards(render(short))["Known hours"] == "95.0 %"
    assert "Known hours" not in cards(render(short, "from=2024-03-01&to=2024-03-04"))
    assert cards(render(short, "from=2024-03-05&to=2024-03-07"))["Known hours"] == "80.0 %"
    assert cards(render(short, "from=2024-04-01&to=2024-04-02"))["Known hours"] == "0.0 %"


def test_a_skipped_hour_is_not_missing():
    energy = np.ones((2, 24), np.float32)
    energy[1, 2] = np.nan
    first = (date(2024, 3, 30) - date(1970, 1, 1)).days
    cube = Cube("Europe/Madrid", ("M",), np.array([first]), np.array([0, 2]), energy)
    assert "Known hours" not in cards(render(Data(_NoResults(), cube)))


def test_a_sector_is_of_its_customers_alone(data):
    page = render(data, "sector=Bakery")
    assert cards(page)["Customers"] == "2"
    assert [row[0] for row in cells(page)] == ["M2", "M1"]


def test_customers_are_bars_from_the_largest_down(data):
    (bars,) = figure(render(data), "energy-by-customer").data
    expected = table(data, "energy")
    assert list(bars.x) == pytest.approx(expected["kwh"].tolist())
    assert sorted(bars.x, reverse=True) == list(bars.x)


def test_names_of_customers_are_no_markup_in_charts(data):
    drawn = figure(render(data), "energy-by-customer")
    assert "&lt;b&gt;x&lt;/b&gt;&amp;$" in drawn.layout.yaxis.ticktext
    assert ODD not in drawn.layout.yaxis.ticktext
    assert ODD in [row[0] for row in cells(render(data))]


def test_each_customer_in_the_table_leads_to_its_own_consumption(data):
    assert links(render(data, "sector=Farm&hours=8-20"), "M3") == ["consumption?customer=M3&hours=8-20"]


def many(n_customers, largest=100.0):
    energy = np.ones((n_customers, 24), np.float32)
    energy[0] *= largest
    names = tuple(f"C{number:03d}" for number in range(n_customers))
    return Data(_NoResults(), Cube("UTC", names, np.full(n_customers, 19_800), np.arange(n_customers + 1), energy))


def test_customers_beyond_the_largest_are_one_bar():
    drawn = figure(render(many(40)), "energy-by-customer")
    assert len(drawn.data[0].x) == 26
    assert drawn.data[0].x[-1] == pytest.approx(15 * 24)
    assert drawn.layout.yaxis.ticktext[-1] == "15 others"


def test_a_bar_of_others_that_would_dwarf_the_largest_is_told_not_drawn():
    drawn = figure(render(many(200, largest=2)), "energy-by-customer")
    assert drawn.data[0].x[-1] == 0
    assert drawn.data[0].text[-1] == "4,200 kWh, too long to be drawn"


def test_energy_is_of_the_period_and_hours_asked_for(data):
    row = table(data, "energy", "customer=M3&from=2024-03-01&to=2024-03-02&hours=8-12").iloc[0]
    hours = table(data, "consumption", "customer=M3&from=2024-03-01&to=2024-03-02&hours=8-12")
    assert row["known_hours"] == 8
    assert row["kwh"] == pytest.approx(hours["energy_kwh"].sum())
    assert row["kwh_a_day"] == pytest.approx(row["kwh"] / 2)


def test_energy_a_day_is_not_lowered_by_missing_hours(data):
    gap = table(data, "energy", "customer=M2&from=2024-04-05&to=2024-04-05").iloc[0]
    assert gap["known_hours"] == 12
    assert gap["kwh_a_day"] == pytest.approx(2 * gap["kwh"])


def test_days_add_up_to_the_energy_of_all(data):
    days = table(data, "energy_by_day", "from=2024-04-01&to=2024-04-03")
    assert days["date"].astype(str).tolist() == ["2024-04-01", "2024-04-02", "2024-04-03"]
    assert days["energy_kwh"].sum() == pytest.approx(
        table(data, "energy", "from=2024-04-01&to=2024-04-03")["kwh"].sum()
    )


def test_a_last_day_that_has_only_begun_is_not_drawn():
    energy = np.ones((5, 24), np.float32)
    energy[4, 1:] = np.nan
    page = render(Data(_NoResults(), Cube("UTC", ("M",), np.array([19_800]), np.array([0, 5]), energy)))
    assert list(figure(page, "energy-by-day").data[0].y) == [24] * 4
    assert "only begun is left out" in words(page)


def test_hours_of_the_day_are_means_of_a_customer(data):
    hours = table(data, "energy_by_hour", "sector=Farm&hours=16-18")
    assert hours["all_days_kwh"].notna().tolist() == [hour in (16, 17) for hour in range(24)]
    drawn = figure(render(data, "sector=Farm"), "weekday-hours").data[0]
    assert np.shape(drawn.z) == (7, 24)
    assert drawn.z[6][17] == pytest.approx(table(data, "energy_by_hour", "sector=Farm")["sunday_kwh"][17])


# --- one customer


def test_a_big_notice_warns_where_anomalies_recur(data):
    page = render(data, "customer=M1")
    (notice,) = notices(page, "alarm big")
    row = data.meters.loc["M1"]
    assert f"{row['hours_outside']:.0f} of {row['forecast_hours']:.0f} intervals" in notice
    assert links(page, "Look at its alerts") == ["alerts?customer=M1"]
    assert found(page, html.Div, className="notice alarm big")[0].role == "alert"
    assert not notices(render(data, "customer=M3"), "alarm big")


def test_cards_of_a_customer_tell_its_errors_alerts_cluster_and_quality(data):
    shown = cards(render(data, "customer=M1"))
    row = data.meters.loc["M1"]
    assert shown["MAPE"] == f"{row['mape_percent']:.1f} %"
    assert shown["WAPE"] == f"{100 * row['wape']:.1f} %"
    assert shown["Anomalous points"] == f"{row['hours_outside']:.0f} of {BACKTEST_DAYS * 24}"
    assert shown["Open alerts"] == "2"
    assert shown["Cluster of most days"] == "evening peak 18:00"
    assert shown["Measured readings"] == "99.9 %"


def test_cards_lead_to_alerts_cluster_and_quality(data):
    page = render(data, "customer=M2&from=2024-04-01")
    assert links(page, "look at its alerts") == ["alerts?customer=M2"]
    assert links(page, "look at the cluster") == ["clusters?customer=M2&from=2024-04-01&cluster=1"]
    assert links(page, "look at their quality") == ["quality?customer=M2&from=2024-04-01"]
    assert links(page, "Bakery") == ["consumption?sector=Bakery&from=2024-04-01"]


def test_the_last_five_weeks_are_drawn_where_no_period_is_chosen(data):
    page = render(data, "customer=M3")
    metered = trace(figure(page, "consumption"), "metered")
    assert metered.x[0] == f"{LAST_DAY - timedelta(days=34)}T00:00"
    assert "the last 5 weeks" in words(page)
    assert "the last 5 weeks" not in words(render(data, "customer=M3&from=2024-03-01"))


def test_usual_periods_are_links_of_which_the_present_is_marked(data):
    first = LAST_DAY - timedelta(days=34)
    assert links(render(data, "customer=M3"), "Last 5 weeks") == [f"consumption?customer=M3&from={first}"]
    here = found(
        render(data, f"customer=M3&from={FIRST_DAY}"), html.A, href=f"consumption?customer=M3&from={FIRST_DAY}"
    )
    assert "All" in [words(each) for each in here]


def test_forecasts_with_band_go_on_beyond_the_readings(data):
    drawn = figure(render(data, "customer=M3"), "consumption")
    assert trace(drawn, "forecast").x[0] == f"{LAST_DAY - timedelta(days=BACKTEST_DAYS - 1)}T00:00"
    assert trace(drawn, "forecast").x[-1] == trace(drawn, "90 % band").x[-1] == f"{LAST_DAY + timedelta(days=2)}T00:00"
    earlier = figure(render(data, "customer=M3&to=2024-04-20"), "consumption")
    assert trace(earlier, "forecast").x[-1] == "2024-04-21T00:00"


def test_every_point_outside_the_band_is_marked(data):
    page = render(data, "customer=M1")
    forecasts = table(data, "forecasts", "customer=M1")
    marks = trace(figure(page, "consumption"), "outside the band")
    assert len(marks.x) == forecasts["outside"].sum() == data.meters.loc["M1", "hours_outside"]
    low = forecasts["actual_kwh"] < forecasts["low_kwh"]
    high = forecasts["actual_kwh"] > forecasts["high_kwh"]
    assert sorted(marks.y) == pytest.approx(sorted(forecasts.loc[low | high, "actual_kwh"]), abs=1e-5)
    assert f"{len(marks.x)} intervals of forecasts lie outside" in told(page, "consumption")


def test_readings_that_were_not_measured_are_marked(data):
    drawn = figure(render(data, "customer=M3&from=2024-03-09&to=2024-03-11"), "consumption")
    assert list(trace(drawn, "estimated or edited").x) == [f"2024-03-10T{hour}:00" for hour in (10, 11, 12, 12)]
    others = figure(render(data, "customer=M3"), "consumption")
    assert "estimated or edited" not in [each.name for each in others.data]


def test_hours_that_are_not_asked_for_are_gaps(data):
    metered = trace(
        figure(render(data, "customer=M3&from=2024-03-01&to=2024-03-02&hours=8-9"), "consumption"), "metered"
    )
    assert list(metered.x) == [f"2024-03-{day}T{hour}:00" for day in ("01", "02") for hour in ("08", "09", "09")]
    assert np.isnan(metered.y).tolist() == [False, False, True] * 2
    # a line of one hour cannot be seen
    assert metered.mode == "lines+markers"
    assert trace(figure(render(data, "customer=M3"), "consumption"), "metered").mode == "lines"


def test_a_missing_hour_is_a_gap(data):
    metered = trace(figure(render(data, "customer=M2&from=2024-04-05&to=2024-04-05"), "consumption"), "metered")
    assert [x for x, y in zip(metered.x, metered.y, strict=True) if np.isnan(y)] == [
        "2024-04-05T06:00",
        "2024-04-06T00:00",
    ]


def test_days_show_what_was_expected_and_leave_out_those_with_gaps(data):
    drawn = figure(render(data, "customer=M2&from=2024-04-04&to=2024-04-06"), "consumption-days")
    assert np.isnan(trace(drawn, "metered").y).tolist() == [False, True, False]
    assert list(trace(drawn, "expected").y) == pytest.approx([62.0] * 3)
    assert trace(drawn, "expected").customdata.tolist()[0] == pytest.approx([49.6, 74.4])


def test_suspect_days_and_faults_are_marked_with_what_was_found(data):
    suspect = trace(figure(render(data, "customer=M1"), "consumption-days"), "suspect")
    assert dict(zip(suspect.x, suspect.text, strict=True))["2024-04-10"] == "50 % of what was expected"
    faulty = trace(figure(render(data, "customer=M2"), "consumption-days"), "data fault")
    assert list(faulty.x) == ["2024-04-05"]
    assert list(faulty.text) == ["gap: 12 of 24 hours are not known"]


def test_what_was_found_is_no_markup(data, monkeypatch):
    days = cs.daily_energy(small_context(data, "consumption", "customer=M1"))
    days["evidence"], days["fault"] = "<i>12</i> & more", "gap"
    monkeypatch.setattr(cs, "daily_energy", lambda context: days)
    drawn = figure(render.__wrapped__(data, "customer=M1"), "consumption-days")
    assert set(trace(drawn, "data fault").text) == {"gap: &lt;i&gt;12&lt;/i&gt; &amp; more"}


def test_days_are_whole_whatever_hours_are_chosen(data):
    page = render(data, "customer=M3&hours=8-9&from=2024-03-01&to=2024-03-02")
    whole = table(data, "energy_by_day", "customer=M3&from=2024-03-01&to=2024-03-02")["energy_kwh"]
    assert list(trace(figure(page, "consumption-days"), "metered").y) == pytest.approx(whole.tolist())
    assert "whole days, whatever hours" in words(page)


def test_voltages_are_drawn_with_their_spread(data):
    page = render(data, "customer=M1")
    assert [each.name for each in figure(page, "voltages").data] == ["L1", "L2"]
    assert "L1: from 229.0 to 231.0 V, 230.0 V in the mean." in words(page)
    assert "No voltages of this customer" in words(render(data, "customer=M3"))


def test_voltages_keep_to_the_hours_asked_for(data):
    volts = table(data, "voltages", "customer=M1&from=2024-03-01&to=2024-03-02&hours=8-9")
    assert volts["timestamp_utc"].dt.hour.tolist() == [8, 8]
    drawn = figure(render(data, "customer=M1&from=2024-03-01&to=2024-03-02&hours=8-9"), "voltages").data[0]
    assert np.asarray(drawn.y)[~np.isnan(drawn.y)] == pytest.approx(np.repeat(volts["voltage_l1_v"], 2), abs=1e-4)


# --- tables to download


def test_the_file_of_hours_has_every_reading_beside_its_forecast(data):
    rows = table(data, "consumption", "customer=M1")
    assert list(rows) == [
        "timestamp_utc", "timestamp_local", "energy_kwh", "quality", "forecast_kwh", "low_kwh", "high_kwh", "outside",
    ]  # fmt: skip
    assert len(rows) == (DAYS + 1) * 24
    assert rows["forecast_kwh"].notna().sum() == (BACKTEST_DAYS + 1) * 24
    assert rows.loc[rows["quality"] == "rejected_outlier", "timestamp_utc"].tolist() == [
        pd.Timestamp("2024-03-15 03:00Z")
    ]
    assert rows["outside"].eq(True).sum() == data.meters.loc["M1", "hours_outside"]


def test_the_file_of_hours_keeps_to_the_period_and_hours(data):
    rows = table(data, "consumption", "customer=M1&from=2024-04-01&to=2024-04-02&hours=20-22")
    assert rows["timestamp_local"].dt.strftime("%d %H").tolist() == ["01 20", "01 21", "02 20", "02 21"]


def test_the_file_of_days_has_what_was_expected(data):
    rows = table(data, "consumption_days", "customer=M2&from=2024-04-05&to=2024-04-05")
    assert rows.iloc[0][["energy_kwh", "is_complete", "alarm", "fault"]].tolist() == [
        pytest.approx(data.cube.daily("M2", first_day=date(2024, 4, 5), last_day=date(2024, 4, 5)).kwh[0]),
        False,
        False,
        "gap",
    ]


@pytest.mark.parametrize("name", ["consumption", "forecasts", "consumption_days", "voltages"])
def test_files_of_a_customer_are_empty_without_one(data, name):
    assert table(data, name).empty


@pytest.mark.parametrize("query", ["", "sector=Bakery", "customer=M1", "customer=M1&from=2024-03-01&hours=0-1"])
def test_every_file_that_a_chart_offers_is_there(data, query):
    page = render(data, query)
    hrefs = [str(each.href) for each in found(page, html.A)]
    offered = {href.split("/")[1].split(".")[0] for href in hrefs if href.startswith("download/")}
    assert offered
    assert offered <= consumption.TABLES.keys()
    assert len(set(graphs(page))) == len(graphs(page))


# --- what is missing


@pytest.mark.parametrize("query", ["", "customer=M1", "customer=M1&from=2024-03-05&hours=3-4"])
def test_a_run_of_profiles_alone_is_shown_and_says_what_it_lacks(bare, query):
    page = render(bare, query)
    assert "energy-by-hour" in graphs(page)
    for name in consumption.TABLES:
        table(bare, name, query)
    if "customer" in query:
        assert "forecast_model=auto" in words(page)
        assert "detector=combined" in words(page)
        assert "No voltages" in words(page)
        assert table(bare, "consumption", query)["energy_kwh"].notna().any()


def test_a_customer_without_a_backtest_of_its_own_is_told(data):
    lacking = Data(data.results, data.cube)
    lacking.meters = data.meters.assign(forecast_hours=np.nan)
    assert "its readings did not suffice" in words(render(lacking, "customer=M3"))


@pytest.mark.parametrize(
    "query", ["from=2030-01-01", "to=2020-01-01", "from=2030-01-01&customer=M1", "to=2020-01-01&customer=M1"]
)
def test_a_period_outside_the_readings_is_told(data, query):
    page = render(data, query)
    assert "of this period is known" in words(page)
    assert cards(page)["Energy in the period"] == cards(page)["Energy a day"] == UNKNOWN
    assert not graphs(page)
    for name in consumption.TABLES:
        assert "energy_kwh" not in table(data, name, query) or table(data, name, query)["energy_kwh"].isna().all()


# --- hours, steps and clocks


class _NoResults:
    """A run of which there is only energy."""

    timezone = "UTC"
    readings = None
    params = MappingProxyType({})

    @property
    def meters(self):
        return pd.DataFrame({"meter_id": pd.Series(dtype="str"), "sector": "", "source": ""})

    @property
    def clustering(self):
        shares = pd.DataFrame({"level": [], "name": [], "cluster": [], "days": []})
        names = pd.DataFrame({"cluster": [], "cluster_name": []})
        return type("NoClusters", (), {"shares": shares, "representatives": names})

    vee_report = pd.DataFrame({"meter_id": pd.Series(dtype="str")})
    forecast_errors = pd.DataFrame({"meter_id": pd.Series(dtype="str")})


class _Quarters(_NoResults):
    """A run of one meter read every 15 minutes over two clock changes, with forecasts of another frequency."""

    def __init__(self, folder, frequency):
        self.timezone = "Europe/Madrid"
        self.params = {"frequency": frequency}
        stamps = pd.date_range("2024-03-30T23:00Z", "2024-04-02T21:45Z", freq="15min", unit="us")
        rows = pd.DataFrame({"meter_id": pd.Series(["Q"] * len(stamps), dtype="str"), "timestamp_utc": stamps})
        rows = rows.assign(energy_kwh=0.25, quality=pd.Categorical(["measured"] * len(stamps), dtype=QUALITY_DTYPE))
        rows["energy_kwh_raw"] = rows["energy_kwh"]
        write_readings([rows], set(), folder / "readings.parquet")
        self.readings = open_readings(folder / "readings.parquet")
        self._stamps = stamps

    def backtest_of(self, meter, columns=()):
        minutes = pd.Timedelta(self.params["frequency"]) / pd.Timedelta("1min")
        stamps = pd.date_range(
            "2024-03-31T22:00Z", periods=int(1440 / minutes), freq=self.params["frequency"], unit="us"
        )
        kwh = minutes / 60
        bands = {"energy_kwh_p05": 0.5 * kwh, "energy_kwh_p95": 1.5 * kwh, "actual_kwh": kwh}
        return pd.DataFrame({"timestamp_utc": stamps, "origin_utc": stamps[0], "energy_kwh": kwh}).assign(**bands)

    def forecasts_of(self, meter, columns=()):
        return pd.DataFrame()

    def judged_days_of(self, meter, columns=()):
        return pd.DataFrame({"date": pd.Series(dtype="datetime64[s]")})

    def alert_store(self, alert_db=""):
        return None


def quarters(folder, frequency):
    results = _Quarters(folder, frequency)
    cube = open_cube(build_cube(results.readings, None, results.timezone, folder / "cube.parquet", progress=False))
    return Data(results, cube)


@pytest.mark.parametrize("frequency", ["15min", "1h", "8h", "24h"])
def test_energy_of_all_steps_is_drawn_as_energy_an_hour(tmp_path, frequency):
    data = quarters(tmp_path, frequency)
    drawn = figure(render(data, "customer=Q"), "consumption")
    assert drawn.layout.yaxis.title.text == "kWh an hour"
    for each in drawn.data:
        if str(each.name).startswith(("metered", "forecast")):
            assert np.asarray(each.y)[~np.isnan(each.y)] == pytest.approx(1)
    assert trace(drawn, "forecast").x[0] == "2024-04-01T00:00"
    assert trace(drawn, "forecast").x[-1] == "2024-04-02T00:00"


def test_forecasts_of_other_steps_have_a_file_and_a_line_of_their_own(tmp_path):
    data = quarters(tmp_path, "8h")
    page = render(data, "customer=Q")
    assert len(trace(figure(page, "consumption"), "metered, 480 minutes").y) == 5
    assert table(data, "forecasts", "customer=Q")["actual_kwh"].tolist() == [8, 8, 8]
    readings = table(data, "consumption", "customer=Q")
    assert readings["timestamp_utc"].diff().dropna().unique() == [pd.Timedelta("15min")]
    assert readings["forecast_kwh"].isna().all()
    assert [each for each in found(page, html.A) if "forecasts.csv" in str(getattr(each, "href", ""))]


def test_readings_of_the_forecasts_step_stand_beside_them(tmp_path):
    rows = table(quarters(tmp_path, "15min"), "consumption", "customer=Q")
    assert rows["forecast_kwh"].notna().sum() == 96
    assert not rows.loc[rows["forecast_kwh"].notna(), "outside"].astype(bool).any()


def test_days_of_23_hours_are_complete(tmp_path):
    days = cs.daily_energy(small_context(quarters(tmp_path, "1h"), "consumption", "customer=Q"))
    assert days["is_complete"].tolist() == [True, True, True]
    assert days["energy_kwh"].tolist() == pytest.approx([23, 24, 24])


def test_the_hour_that_is_skipped_is_no_hour_of_the_line(tmp_path):
    data = quarters(tmp_path, "1h")
    hourly = cs.hourly_energy(data, "Q", Window(date(2024, 3, 31), date(2024, 3, 31), ALL_DAY))
    assert np.datetime64("2024-03-31T02:00") not in hourly.walls
    assert len(hourly.walls) == 23
    assert hourly.kwh == pytest.approx(1)


def test_the_hour_that_comes_twice_is_drawn_as_its_mean():
    energy = np.ones((1, 24), np.float32)
    energy[0, 2] = 2
    first = (date(2024, 10, 27) - date(1970, 1, 1)).days
    data = Data(_NoResults(), Cube("Europe/Madrid", ("M",), np.array([first]), np.array([0, 1]), energy))
    hourly = cs.hourly_energy(data, "M", Window(date(2024, 10, 27), None, ALL_DAY))
    assert hourly.kwh.tolist() == [1] * 24


def test_the_latest_of_several_forecasts_of_an_interval_is_taken(tmp_path):
    data = quarters(tmp_path, "1h")
    first = data.results.backtest_of("Q")
    later = first.assign(origin_utc=first["origin_utc"] + pd.Timedelta("12h"), energy_kwh=5.0).iloc[12:]
    data.results.forecasts_of = lambda meter, columns: later
    kwh = cs.forecasts(data, "Q", Window(date(2024, 4, 1), None, ALL_DAY))["forecast_kwh"]
    assert kwh.tolist() == [1] * 12 + [5] * 12


@given(st.lists(st.one_of(st.just(np.nan), st.floats(0, 9)), min_size=1, max_size=20), st.sampled_from([15, 60, 480]))
def test_each_interval_is_drawn_as_long_as_it_lasts(values, minutes):
    """What plotly draws by `hv`: from each point at its height to the next, unless there is none."""
    step = np.timedelta64(minutes, "m")
    walls = np.datetime64("2024-01-01T00:00") + np.arange(len(values)) * step
    x, y, shape = customer_charts._points(walls, np.array(values), minutes, np.ones(len(values), bool))
    assert shape == "hv"
    times = x.astype("datetime64[m]")
    drawn = {}
    for start, end, height, following in zip(times[:-1], times[1:], y[:-1], y[1:], strict=True):
        if not np.isnan(height) and not np.isnan(following):
            drawn.update({start + k * step: height for k in range(int((end - start) / step))})
    assert drawn == {wall: value for wall, value in zip(walls, values, strict=True) if not np.isnan(value)}


def test_long_lines_are_thinned_but_keep_their_extremes():
    n = 3 * customer_charts.MOST_POINTS
    walls = np.datetime64("2020-01-01T00:00") + np.arange(n) * np.timedelta64(1, "h")
    values = np.sin(np.arange(n))
    values[5000], values[7000], values[9000:9100] = 99, -99, np.nan
    x, y, shape = customer_charts._points(walls, values, 60, np.ones(n, bool))
    assert len(x) <= customer_charts.MOST_POINTS
    assert shape == "linear"
    assert {99, -99} <= set(y)
    assert np.isnan(y).any()
    assert x[0] == "2020-01-01T00:00"


def test_long_lines_of_some_hours_a_day_are_not_all_gaps():
    n = 300 * 24
    walls = np.datetime64("2020-01-01T00:00") + np.arange(n) * np.timedelta64(1, "h")
    asked = np.arange(n) % 24 == 8
    _, y, _ = customer_charts._points(walls, np.where(asked, 1.0, np.nan), 60, asked)
    assert len(y) == 300
    assert not np.isnan(y).any()
