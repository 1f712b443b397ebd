"""The page of data quality: what was done to the readings of all meters, or of one, and on what evidence."""

import numpy as np
import pandas as pd
import pytest
from dash import dcc, html

from loadprofiles import readings as r
from loadprofiles.corrections import RULES
from loadprofiles.dashboard.data import Data
from loadprofiles.dashboard.language import UNKNOWN
from loadprofiles.dashboard.pages import quality
from loadprofiles.report import KINDS
from tests.dashboard.components import cards, cells, figures, found, walk, words
from tests.dashboard.small import ODD, SmallResults, small_context, small_data

MARKUP = "<i>y</i>"
ODD_QUERY = "customer=%3Cb%3Ex%3C/b%3E%26%24"


def render(data, query="", language="en"):
    return quality.render(small_context(data, "quality", query, language))


def changed(data, **tables):
    """The same run with other tables of its results, and duplicates."""
    results = SmallResults(data.results.folder)
    duplicates = tables.pop("duplicates", None)
    results.__dict__.update(tables)
    other = Data(results, data.cube)
    if duplicates is not None:
        other.__dict__["duplicates"] = duplicates
    return other


def sections(page):
    return {words(found(each, html.H2)): each for each in found(page, html.Section)}


def figure_of(content):
    return next(iter(figures(content).values()))


def finding(**other):
    moment = pd.Timestamp("2024-03-15T03:00Z")
    known = {"meter_id": "M1", "kind": "spike", "from_utc": moment, "to_utc": moment, "readings": 1}
    return known | {"factor": np.nan, "evidence": "seen", "confidence": 1.0, "source": "customers"} | other


def with_findings(data, *rows):
    return changed(data, findings=pd.DataFrame(rows))


def shown_findings(page):
    return cells(next(each for name, each in sections(page).items() if "indings" in name))


def report_of(data, **columns):
    return changed(data, vee_report=data.results.vee_report.assign(**columns))


# --- all meters


def test_cards_weigh_each_meters_shares_by_its_readings(data):
    report = report_of(
        data,
        readings=[100, 100, 200, 600],
        share_measured_percent=[100.0, 50.0, 50.0, 100.0],
        share_rejected_outlier_percent=[0.0, 30.0, 0.0, 0.0],
        share_missing_percent=[0.0, 20.0, 25.0, 0.0],
        share_estimated_interpolated_percent=[0.0, 0.0, 25.0, 0.0],
    )
    drawn = cards(render(report))
    assert (drawn["Meters"], drawn["Readings"]) == ("4", "1,000")
    assert (drawn["Measured"], drawn["Estimated"], drawn["Rejected or missing"]) == ("85.0 %", "5.0 %", "10.0 %")
    assert (drawn["Findings"], drawn["Of low confidence"]) == ("3", "1")


@pytest.mark.parametrize(
    ("percent", "text"), [(0.0, "0.0 %"), (0.01, "< 0.1 %"), (99.99, "> 99.9 %"), (100.0, "100.0 %"), (50.0, "50.0 %")]
)
def test_little_is_not_shown_as_nothing_nor_most_as_all(data, percent, text):
    assert quality._exact(small_context(data), percent) == text


def test_meters_come_the_worst_first_and_lead_to_their_page(data):
    table = sections(render(data, "from=2024-04-01&sheet=1"))["Meters"]
    assert [row[0] for row in cells(table)] == ["M2", "M3", "M1", ODD]
    assert cells(table)[0] == [
        "M2", "customers", "1,440", "99.2", "0.0", "0.0", "0.0", "0.8", "60", "59", "1", UNKNOWN, "12.0",
    ]  # fmt: skip
    assert found(found(table, html.Tbody), dcc.Link)[0].href == "quality?customer=M2&from=2024-04-01"


def test_meters_are_sorted_by_the_address_and_so_is_their_csv(data):
    query = "sort=findings"
    assert cells(sections(render(data, query))["Meters"])[0][0] == ODD
    table = quality.TABLES["quality"](small_context(data, "quality", query))
    assert table["meter_id"].iloc[0] == ODD
    assert table.columns.tolist() == data.results.vee_report.columns.tolist()


def test_a_sector_has_its_meters_and_findings_alone(data):
    drawn = sections(render(data, "sector=Farm"))
    assert [row[0] for row in cells(drawn["Meters"])] == ["M3"]
    assert [row[0] for row in cells(drawn["The gravest findings"])] == ["M3"]
    assert "Corrections in effect" not in drawn


def test_a_meter_without_a_day_is_listed_and_leads_nowhere(data):
    row = data.results.vee_report.iloc[[0]].assign(meter_id="EMPTY", readings=0, findings=1)
    row.loc[:, [name for name in row if name.startswith("share_")]] = np.nan
    page = render(changed(data, vee_report=pd.concat([data.results.vee_report, row], ignore_index=True)))
    table = sections(page)["Meters"]
    assert cells(table)[-1][:4] == ["EMPTY", "customers", "0", UNKNOWN]
    assert "EMPTY" not in words(found(table, dcc.Link))
    assert cards(page)["Readings"] == "5,760"


def test_the_chart_stacks_what_is_not_as_measured_by_quality(data):
    drawn = figure_of(render(data))
    assert [trace.name for trace in drawn.data] == ["estimated: interpolated", "rejected: outlier", "missing"]
    assert drawn.layout.yaxis.ticktext == ("M2", "M3", "M1")
    assert list(drawn.data[2].x) == pytest.approx([100 * 12 / 1440, 0, 0], abs=1e-5)
    assert drawn.layout.barmode == "stack"


def test_qualities_of_one_colour_differ_in_pattern(data):
    report = report_of(data, share_rejected_register_percent=1.0, share_measured_percent=90.0)
    bars = {trace.name: trace.marker for trace in figure_of(render(report)).data}
    outlier, register = bars["rejected: outlier"], bars["rejected: register fault"]
    assert outlier.color == register.color
    assert (outlier.pattern.shape, register.pattern.shape) == ("", "/")


def test_the_chart_has_the_worst_meters_alone_and_says_which_is_worst(data):
    meters = [f"B{number:02d}" for number in range(40)]
    report = pd.DataFrame({"meter_id": meters, "readings": 10, "findings": 0, "source": "sql"})
    shares = {"share_measured_percent": np.arange(40.0), "share_missing_percent": 100 - np.arange(40.0)}
    page = render(changed(data, vee_report=report.assign(**shares)))
    assert figure_of(page).layout.yaxis.ticktext == tuple(meters[:25])
    told = getattr(found(page, html.Div, role="img")[0], "aria-label")
    assert "25 meters" in told
    assert "B00: 100.0 %" in told


def test_names_are_no_markup_in_the_chart(data):
    report = data.results.vee_report.assign(meter_id=[MARKUP, "M1", "M2", "M3"], share_measured_percent=50.0)
    drawn = figure_of(render(changed(data, vee_report=report)))
    assert "&lt;i&gt;y&lt;/i&gt;" in drawn.layout.yaxis.ticktext


def test_meters_that_are_all_as_measured_have_no_chart(data):
    page = render(report_of(data, share_measured_percent=100.0))
    assert not figures(page)
    assert "All readings of all these meters are as measured." in words(page)


def test_a_run_without_a_report_says_what_to_run(data):
    page = render(changed(data, vee_report=data.results.vee_report.head(0)))
    assert words(found(page, html.Code)) == "mlflow run . --env-manager=uv"


@pytest.mark.parametrize("name", quality.TABLES)
@pytest.mark.parametrize("query", ["", "customer=M1", "sector=Farm"])
def test_a_run_without_any_table_of_the_etl_has_empty_csvs(tmp_path, data, name, query):
    bare = Data(SmallResults(tmp_path), data.cube)
    assert quality.TABLES[name](small_context(bare, "quality", query)).empty


# --- findings


def test_a_finding_is_told_in_words_with_its_evidence_and_what_was_done(data):
    row = next(row for row in shown_findings(render(data)) if row[0] == "M1")
    moment = "15 Mar 2024 03:00 – 04:00"
    assert row == ["M1", "Above contracted power", moment, "1", "", "0.60 low", "999 kWh in 60 min", "rejected"]


def test_evidence_is_english_and_stays_a_text(data):
    evidence = found(render(data, language="es"), html.Span, lang="en")
    assert "a gap of <2> h & filled" in [each.children for each in evidence]


def test_findings_come_the_gravest_first_and_at_most_a_sheet_of_them(data):
    rows = [finding(kind="duplicate")] * 30 + [finding(kind="scale_change", factor=1000.0)]
    page = render(with_findings(data, *rows))
    shown = shown_findings(page)
    assert len(shown) == 25
    assert shown[0][1:] == ["Change of scale", "15 Mar 2024 03:00", "1", "×1,000", "1.00", "seen", "edited"]
    assert "The first 25 of 31; the CSV has all." in words(page)
    assert cards(page)["Findings"] == "31"


@pytest.mark.parametrize(
    ("factor", "text"),
    [(1000.0, "×1,000"), (1 / 60000, "÷60,000"), (2.5, "×2.5"), (np.nan, ""), (0.0, ""), (1234.56, "×1,235")],
)
def test_a_factor_is_told_by_its_rounder_number(data, factor, text):
    assert quality._factor(small_context(data), factor) == text


@pytest.mark.parametrize(
    ("begin", "end", "text"),
    [
        ("2024-03-15T03:00Z", "2024-03-15T03:00Z", "15 Mar 2024 03:00"),
        ("2024-03-15T03:00Z", "2024-03-15T23:00Z", "15 Mar 2024 03:00 – 23:00"),
        ("2024-03-15T03:00Z", "2024-03-16T00:00Z", "15 Mar 2024 03:00 – 16 Mar 2024 00:00"),
        (None, None, UNKNOWN),
    ],
)
def test_a_span_is_told_in_local_time(data, begin, end, text):
    row = finding(from_utc=pd.Timestamp(begin), to_utc=pd.Timestamp(end))
    some = with_findings(data, row, finding())
    assert text in [each[2] for each in shown_findings(render(some))]


@pytest.mark.parametrize(
    ("period", "kinds"),
    [
        ("from=2024-03-16", {"gap_left"}),
        ("to=2024-03-14", {"gap_filled"}),
        ("from=2024-03-15&to=2024-03-15", {"outlier_high"}),
        ("from=2024-03-11&to=2024-03-14", set()),
        ("hours=0-1", {"gap_left", "gap_filled", "outlier_high"}),
    ],
)
def test_a_period_has_the_findings_that_reach_into_it(data, period, kinds):
    assert set(quality.TABLES["findings"](small_context(data, "quality", period))["kind"]) == kinds
    assert len([row for row in shown_findings(render(data, period)) if len(row) > 1]) == len(kinds)


def test_a_finding_that_ends_as_the_period_begins_is_not_of_it_and_one_without_a_moment_is(data):
    ends = finding(kind="zeros", from_utc=pd.Timestamp("2024-03-14T00:00Z"), to_utc=pd.Timestamp("2024-03-16T00:00Z"))
    never = finding(kind="unreadable", from_utc=pd.NaT, to_utc=pd.NaT)
    some = with_findings(data, ends, never)
    assert quality.findings_table(small_context(some, "quality", "from=2024-03-16"))["kind"].tolist() == ["unreadable"]
    assert len(quality.findings_table(small_context(some, "quality", "from=2024-03-15"))) == 2


def test_kinds_among_the_findings_are_explained_once(data):
    details = found(render(with_findings(data, finding(), finding(), finding(kind="rollover"))), html.Details)[0]
    assert [words(each) for each in found(details, html.Dt)] == ["Rollover (edited)", "Spike (only flagged)"]
    assert words(found(details, html.Dd)[0]) == KINDS["rollover"].meaning


def test_a_kind_that_is_not_known_is_told_by_its_name(data):
    meters = data.results.meters.assign(dropped_half_row=1)
    some = changed(data, findings=pd.DataFrame([finding(kind="half_row"), finding(kind="odd_one")]), meters=meters)
    assert {(row[1], row[-1]) for row in shown_findings(render(some))} == {
        ("Half row", "dropped"),
        ("Odd one", "only flagged"),
    }


def test_a_run_without_findings_says_so(data):
    page = render(changed(data, findings=data.results.findings.head(0)))
    assert "Nothing to show." in words(sections(page)["The gravest findings"])
    assert not found(page, html.Details)


# --- one meter


def test_a_meters_cards_are_its_row(data):
    page = render(data, "customer=M2")
    drawn = cards(page)
    assert (drawn["Readings"], drawn["Measured"], drawn["Missing readings"]) == ("1,440", "99.2 %", "0.8 %")
    assert (drawn["Days with a profile"], drawn["Findings"]) == ("59", "1")
    assert "longest gap 12.0 h" in words(page)
    assert not found(page, html.Div, className="card alarm")


def test_a_meter_of_two_sources_has_one_row_of_cards(data):
    both = pd.concat([data.results.vee_report] * 2, ignore_index=True)
    drawn = cards(render(changed(data, vee_report=both), "customer=M2"))
    assert (drawn["Readings"], drawn["Measured"], drawn["Days with a profile"]) == ("2,880", "99.2 %", "118")


def test_a_low_confidence_is_an_alarm(data):
    page = render(data, "customer=M1")
    assert [words(each.children[0]) for each in found(page, html.Div, className="card alarm")] == ["Findings"]


def test_months_are_stacked_by_quality(data):
    drawn = figure_of(render(data, "customer=M2"))
    assert [trace.name for trace in drawn.data] == ["missing"]
    assert list(drawn.data[0].x) == ["Mar 2024", "Apr 2024"]
    assert list(drawn.data[0].y) == pytest.approx([0, 100 * 12 / (29 * 24)], abs=1e-5)


def test_months_are_those_of_the_period_in_the_readers_language(data):
    drawn = figure_of(render(data, "customer=M1&from=2024-03-15&to=2024-03-15", "es"))
    assert list(drawn.data[0].x) == ["mar 2024"]
    assert list(drawn.data[0].y) == pytest.approx([100 / 24], abs=1e-5)


def test_the_csv_of_months_has_all_qualities(data):
    table = quality.TABLES["quality_months"](small_context(data, "quality", "customer=M2"))
    assert table["month"].astype(str).tolist() == ["2024-03-01", "2024-04-01"]
    assert table.drop(columns="month").sum(axis=1).tolist() == pytest.approx([100, 100])
    assert table.columns[1:].tolist() == [f"share_{name}_percent" for name in r.QUALITY]


def test_the_chart_of_months_says_which_is_worst(data):
    told = getattr(found(render(data, "customer=M2"), html.Div, role="img")[0], "aria-label")
    assert told == ("Share of the readings of M2 that are not as measured in 2 months; most in Apr 2024: 1.7 %.")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (ODD_QUERY, "All its readings are as measured."),
        ("customer=M2&to=2024-03-31", "All its readings are as measured."),
        ("customer=M2&from=2030-01-01", "The period of the filter has no readings."),
    ],
)
def test_a_meter_with_nothing_to_draw_says_so(data, query, told):
    page = render(data, query)
    assert not figures(page)
    assert told in words(page)


def test_a_run_without_readings_shows_the_rest(data, tmp_path):
    page = render(small_data(tmp_path, without=("readings",)), "customer=M1")
    assert "no readings of this meter" in words(page)
    assert len(shown_findings(page)) == 1


def test_a_meters_findings_are_all_there_by_sheets_and_sorted_by_the_address(data):
    rows = [finding(readings=number) for number in range(30)]
    page = render(with_findings(data, *rows, finding(meter_id="M2")), "customer=M1&sort=readings&sheet=2")
    assert [row[2] for row in shown_findings(page)] == ["25", "26", "27", "28", "29"]
    assert words(found(page, html.Details)[0]).startswith("What the kinds mean Spike (only flagged)")


def test_a_meter_leads_to_its_consumption_and_back_to_all(data):
    page = render(data, "customer=M1&from=2024-04-01&sort=readings&sheet=2")
    assert [link.href for link in found(page[0], dcc.Link)] == [
        "consumption?customer=M1&from=2024-04-01",
        "quality?from=2024-04-01",
    ]


def test_a_meters_report_with_drawings_is_named(data):
    assert "vee_report.html, an artifact of run etl_customers 01234567" in words(render(data, "customer=M1"))


# --- corrections and duplicates


def test_corrections_in_effect_are_told_in_local_time_and_words(data):
    rows = cells(sections(render(data, "customer=M1"))["Corrections in effect"])
    assert rows == [["M1", "rejected", "15 Mar 2024 03:00", "15 Mar 2024 04:00", "", "outlier"]]
    assert "Corrections in effect" not in sections(render(data, "customer=M2"))


def test_a_correction_may_hold_from_ever_on_or_each_night(data):
    rows = [("M1", "scale", None, None, 1000.0, None), ("M1", "zero", "18:00", "08:00", np.nan, MARKUP)]
    table = pd.DataFrame(rows, columns=["meter", "rule", "from", "to", "factor", "reason"])
    drawn = cells(sections(render(changed(data, corrections=table)))["Corrections in effect"])
    assert drawn == [
        ["M1", "brought to scale", "the beginning", "the end", "×1,000", ""],
        ["M1", "zero where missing", "18:00", "08:00", "", MARKUP],
    ]


PAIRS = pd.DataFrame(
    [("M1", "M2", 12, 30, "2024-03-01", "2024-03-20"), ("M3", "GONE", 9, 9, "2024-03-01", "2024-03-09")],
    columns=["meter_id", "other_meter_id", "identical_days", "common_days", "from_date", "to_date"],
)


@pytest.mark.parametrize(
    ("query", "pairs"),
    [("", ["M1", "M3"]), ("customer=M2", ["M1"]), ("customer=M3", ["M3"]), ("sector=Bakery", ["M1"])],
)
def test_meters_with_the_same_days_as_another_are_shown_with_it(data, query, pairs):
    twins = changed(data, duplicates=PAIRS)
    rows = cells(sections(render(twins, query))["Meters with the same days"])
    assert [row[0] for row in rows] == pairs
    assert quality.TABLES["duplicates"](small_context(twins, "quality", query))["meter_id"].tolist() == pairs


def test_a_pair_is_told_with_its_days(data):
    rows = cells(sections(render(changed(data, duplicates=PAIRS), "customer=M1"))["Meters with the same days"])
    assert rows == [["M1", "M2", "12", "30", "1 Mar 2024", "20 Mar 2024"]]


def test_meters_without_a_twin_have_no_such_section(data):
    assert "Meters with the same days" not in sections(render(changed(data, duplicates=PAIRS), ODD_QUERY))
    assert "Meters with the same days" not in sections(render(data))


def test_every_rule_and_quality_has_words_of_its_own(data):
    context = small_context(data)
    assert list(quality._rule_words(context)) == list(RULES)
    assert list(quality._quality_words(context)) == list(r.QUALITY)
    assert quality.title(context) == "Data quality"


def test_nothing_on_the_page_is_markup(data):
    assert not found(render(data), dcc.Markdown)
    assert all(not str(getattr(each, "dangerously_allow_html", "")) for each in walk(render(data)))
