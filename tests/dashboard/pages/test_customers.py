"""The page of customers: one row each, sorted as the address says, and cards over them."""

from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from dash import dcc, html

from loadprofiles.dashboard.cube import Cube
from loadprofiles.dashboard.data import Data
from loadprofiles.dashboard.language import UNKNOWN
from loadprofiles.dashboard.pages import customers
from tests.dashboard.components import cards, cells, found, walk, words
from tests.dashboard.small import METERS, ODD, SmallResults, small_context

SORTED = (
    "meter_id", "sector", "cluster", "energy_kwh", "kwh_per_day", "wape_percent", "mape_percent", "hours_outside",
    "open_alerts", "measured_percent", "findings",
)  # fmt: skip


def render(data, query="", language="en"):
    return customers.render(small_context(data, "customers", query, language))


def table_of(data, query=""):
    return customers.customers_table(small_context(data, "customers", query))


def headings(page):
    return [words(each).rstrip(" ▲▼") for each in found(page, html.Th, scope="col")]


def column(page, heading):
    place = headings(page).index(heading)
    return [row[place] for row in cells(page)]


def links(page, meter):
    """Where the row of a meter leads, by the words of each link."""
    row = next(each for each in found(page, html.Tr) if words(each).startswith(meter))
    return {words(link): link.href for link in found(row, dcc.Link)}


def with_tables(data, **tables):
    results = SmallResults(data.results.folder)
    results.__dict__.update(tables)
    return Data(results, data.cube)


def test_each_customer_has_a_row_with_use_error_alerts_and_quality(data):
    page = render(data)
    assert column(page, "Customer") == list(METERS)
    assert column(page, "Sector") == [UNKNOWN, "Bakery", "Bakery", "Farm"]
    assert column(page, "Cluster")[1:] == ["1 · evening peak 18:00"] * 2 + ["0 · flat <base>"]
    assert column(page, "Open alerts") == ["0", "2 2 open alerts of M1", "2 2 open alerts of M2", "0"]
    assert column(page, "Hours outside the band")[1] == "96 (29 %)"
    assert column(page, "Measured, %") == ["100.0", "99.9", "99.2", "99.9"]
    assert column(page, "Findings") == ["0", "1", "1", "1"]


def test_energy_is_that_of_the_period_and_hours(data):
    of_a_day = table_of(data, "customer=M2&from=2024-04-06&to=2024-04-06").iloc[0]
    assert of_a_day["energy_kwh"] == pytest.approx(62, rel=0.03)
    evenings = table_of(data, "customer=M2&from=2024-04-06&to=2024-04-07&hours=17-24").iloc[0]
    assert evenings["energy_kwh"] == pytest.approx(2 * 28, rel=0.03)
    assert evenings["kwh_per_day"] == pytest.approx(28, rel=0.03)


def test_hours_that_are_not_known_do_not_lower_the_energy_of_a_day(data):
    half = table_of(data, "customer=M2&from=2024-04-05&to=2024-04-05&hours=0-12").iloc[0]
    assert half["energy_kwh"] == pytest.approx(12, rel=0.05)
    assert half["kwh_per_day"] == pytest.approx(24, rel=0.05)


@pytest.mark.parametrize("down", ["false", "true"])
def test_rows_are_sorted_by_any_column_and_what_is_not_known_comes_last(data, down):
    errors = data.results.forecast_errors
    some = with_tables(data, forecast_errors=errors[errors["meter_id"] != "M2"])
    for name in SORTED:
        table = table_of(some, f"sort={name}&down={down}")
        known = table[name].dropna().tolist()
        assert known == sorted(known, reverse=down == "true")
        assert table[name].isna().tolist() == sorted(table[name].isna())


def test_the_page_has_the_order_of_its_table(data):
    query = "sort=energy_kwh&down=true"
    assert column(render(data, query), "Customer") == table_of(data, query)["meter_id"].tolist()


def test_every_column_but_the_course_is_sorted_by_its_heading(data):
    sorts = [link.href for link in found(found(render(data), html.Thead), dcc.Link)]
    assert [href.partition("sort=")[2].partition("&")[0] for href in sorts] == list(SORTED)


def test_a_customer_leads_to_its_pages(data):
    drawn = links(render(data, "from=2024-04-01&to=2024-04-30&hours=8-20&sector=Bakery&sort=findings"), "M1")
    assert drawn == {
        "M1": "consumption?customer=M1&from=2024-04-01&to=2024-04-30&hours=8-20",
        "1 · evening peak 18:00": "clusters?sector=Bakery&from=2024-04-01&to=2024-04-30&hours=8-20&cluster=1",
        "2 2 open alerts of M1": "alerts?customer=M1",
        "99.9": "quality?customer=M1",
        "1": "quality?customer=M1",
    }


def test_the_colour_of_a_cluster_stands_before_its_name(data):
    marks = found(render(data), html.Span, className="swatch")
    assert [mark.style["backgroundColor"] for mark in marks][-2:] == ["#D55E00", "#0072B2"]


@pytest.mark.parametrize(
    ("course", "told"),
    [
        ([1.0, np.nan, 3.0], "rises from 1.0 to 3.0 kWh a day"),
        ([np.nan, 3.0, 1.0], "falls from 3.0 to 1.0 kWh a day"),
        ([2.0, 9.0, 2.1], "about level, from 2.0 to 2.1 kWh a day"),
        ([0.0, 0.0], "about level, from 0.0 to 0.0 kWh a day"),
        ([-2.0, -4.0], "falls from -2.0 to -4.0 kWh a day"),
        ([np.nan, np.nan], "not known"),
    ],
)
def test_a_course_is_told_in_words(data, course, told):
    assert customers._told_course(small_context(data), np.array(course)) == told


def test_courses_are_drawn_of_the_rows_shown_alone(data, monkeypatch):
    names = tuple(f"C{number:02d}" for number in range(60))
    cube = Cube("UTC", names, np.full(60, 19800), np.arange(61) * 10, np.ones((600, 24), dtype=np.float32))
    many = Data(SmallResults(data.results.folder), cube)
    drawn = []
    sparkline = Cube.sparkline

    def noted(self, meter, **period):
        drawn.append(meter)
        return sparkline(self, meter, **period)

    monkeypatch.setattr(Cube, "sparkline", noted)
    page = render(many, "sheet=2&sort=meter_id&down=true")
    assert drawn == column(page, "Customer") == [f"C{number:02d}" for number in range(34, 9, -1)]
    images = found(page, html.Img)
    assert {image.alt for image in images} == {"about level, from 24.0 to 24.0 kWh a day"}
    assert "%3Cpath" in images[0].src


def test_cards_tell_of_all_customers_chosen(data):
    drawn = cards(render(data, "sector=Bakery"))
    assert (drawn["Customers"], drawn["With open alerts"], drawn["Below 95 % measured"]) == ("2", "2", "0")
    energy = data.cube.energy_kwh(["M1", "M2"]).kwh.sum()
    assert drawn["Energy"] == f"{energy:,.0f} kWh"


def test_the_median_error_is_of_the_customers_chosen(data):
    wapes = data.meters.loc[["M1", "M2"], "wape"]
    assert cards(render(data, "sector=Bakery"))["Median error"] == f"{50 * wapes.sum():.1f} %"
    assert "of 4" in words(render(data, "sector=Bakery")[0])
    assert "of 4" not in words(render(data)[0]).split("WAPE")[0]


def test_customers_of_whom_little_is_measured_are_counted(data):
    report = data.results.vee_report.assign(share_measured_percent=[99.0, 94.9, 20.0, np.nan])
    assert cards(render(with_tables(data, vee_report=report)))["Below 95 % measured"] == "2"


def test_only_open_alerts_raise_an_alarm(data):
    assert [each.className for each in found(render(data, "customer=M1")[0], html.Div)].count("card alarm") == 1
    assert not [each for each in walk(render(data, "customer=M3")) if "alarm" in str(getattr(each, "className", ""))]


def test_a_customer_too_often_outside_its_band_is_marked(data):
    marked = [words(tag) for tag in found(render(data), html.Span, className="tag high")]
    assert marked == ["96 (29 %)", "2 2 open alerts of M1", "2 2 open alerts of M2"]


def test_what_the_run_is_without_is_said_with_the_parameter(bare):
    page = render(bare)
    notices = [words(each) for each in found(page, html.Div) if "notice" in str(getattr(each, "className", ""))]
    parameters = ("forecast_model=auto", "model=kmeans", "detector=combined")
    assert all(parameter in text for parameter, text in zip(parameters, notices, strict=True))
    assert "Sector" not in headings(page)
    assert column(page, "Cluster") == column(page, "WAPE, %") == column(page, "Open alerts") == [UNKNOWN] * 4
    assert cards(page)["With open alerts"] == cards(page)["Median error"] == UNKNOWN


def test_a_whole_run_says_nothing_of_what_is_missing(data):
    assert not [each for each in walk(render(data)) if "notice" in str(getattr(each, "className", ""))]


def test_a_run_without_a_report_knows_nothing_of_quality(data):
    page = render(with_tables(data, vee_report=data.results.vee_report.head(0)))
    assert column(page, "Measured, %") == column(page, "Findings") == [UNKNOWN] * 4
    assert cards(page)["Below 95 % measured"] == UNKNOWN


def test_a_period_without_readings_has_unknown_energy_and_says_so(data):
    page = render(data, "from=2030-01-01")
    assert cards(page)["Energy"] == UNKNOWN
    assert column(page, "kWh a day") == column(page, "Course") == [UNKNOWN] * 4
    assert "no readings" in words(page)


def test_the_source_is_shown_where_there_are_several(data):
    assert "Source" not in headings(render(data))
    meters = data.results.meters.assign(source=["customers", "sql", "sql", "sql"])
    assert column(render(with_tables(data, meters=meters)), "Source") == ["customers", "sql", "sql", "sql"]


def test_the_csv_has_all_rows_sorted_with_units_in_the_headings(data):
    table = customers.TABLES["customers"](small_context(data, "alerts", "sort=energy_kwh&down=true&sheet=9"))
    assert table["meter_id"].tolist() == [ODD, "M2", "M1", "M3"]
    assert table.columns.tolist() == [
        "meter_id", "sector", "source", "cluster", "cluster_name", "energy_kwh", "kwh_per_day", "wape_percent",
        "mape_percent", "forecast_hours", "hours_outside", "open_alerts", "measured_percent", "findings",
    ]  # fmt: skip
    assert pd.api.types.is_float_dtype(table["energy_kwh"])


def test_names_stay_texts(data):
    page = render(data)
    assert ODD in [each.children for each in found(page, dcc.Link)]
    assert "<b>" not in unquote("".join(image.src for image in found(page, html.Img)))
    assert customers.title(small_context(data)) == "Customers"


def test_numbers_are_written_in_the_readers_language(data):
    assert column(render(data, language="es"), headings(render(data, language="es"))[-2])[1] == "99,9"
    assert "1 mar 2024" in words(render(data, language="es"))
