"""The page of alerts: what nobody should miss, the ranked list, an open alert with its form."""

import json
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import plotly
import pytest
from dash import dcc, html

from loadprofiles.anomalies.states import STATES
from loadprofiles.dashboard.data import Data
from loadprofiles.dashboard.language import UNKNOWN
from loadprofiles.dashboard.pages import alerts, open_alert
from loadprofiles.errors import InputError
from tests.dashboard.components import cards, cells, figures, found, walk, words
from tests.dashboard.small import METERS, ODD, alert_ids, april, small_context


@pytest.fixture(scope="module")
def ids(data):
    return alert_ids(data.store)


@pytest.fixture(scope="module")
def whole(data):
    """The page without any filter."""
    return render(data)


@pytest.fixture(scope="module")
def theft(data, ids):
    """The open alert of `M1`."""
    return opened(data, ids, "M1")


@pytest.fixture(scope="module")
def group(data, ids):
    """The open alert of the sector."""
    return opened(data, ids, "Bakery")


def render(data, query="", **reader):
    return alerts.render(small_context(data, "alerts", query, **reader))


def opened(data, ids, subject, query="", **reader):
    """The section of an open alert."""
    page = render(data, f"alert={ids[subject]}&{query}", **reader)
    return next(each for each in found(page, html.Section) if "Ranked" not in words(each.children[0]))


def names(page):
    """The alerts of the list."""
    return [row[0] for row in cells(found(page, html.Section)[-1])]


def column(page, heading):
    table = found(page, html.Section)[-1]
    headings = [words(each).rstrip(" ▲▼") for each in found(table, html.Th, scope="col")]
    return [row[headings.index(heading)] for row in cells(table)]


def warning(page):
    return next((each for each in walk(page) if getattr(each, "className", "") == "notice alarm big"), None)


def notices(page):
    return [words(each) for each in walk(page) if str(getattr(each, "className", "")).startswith("notice")]


def links(content):
    return {words(link): link.href for link in found(content, dcc.Link)}


def query_of(href):
    return {name: value for name, (value,) in parse_qs(urlsplit(href).query).items()}


def judging(content):
    """The buttons that set a state."""
    return [each for each in found(content, html.Button) if isinstance(getattr(each, "id", None), dict)]


def with_alerts(data, table):
    """The same run with other alerts."""
    changed = Data(data.results, data.cube)
    changed.__dict__["store"] = SimpleNamespace(read=lambda **_: table)
    return changed


class TestWarning:
    def test_names_those_whose_anomalies_recur_and_grave_alerts_that_nobody_has_judged(self, ids, whole):
        shown = warning(whole)
        assert words(shown) == (
            "Anomalies recur. More than 20 % of the forecast hours are outside the 90 % band: M1 (29 %) "
            "Energy is missing. Grave alerts that nobody has judged: Bakery (20 Apr 2024 – 23 Apr 2024, 99.4 kWh) , "
            "M1 (10 Apr 2024 – 14 Apr 2024, 77.5 kWh)"
        )
        leads = found(shown, dcc.Link)
        assert leads[0].href == "consumption?customer=M1"
        assert [query_of(link.href) for link in leads[1:]] == [{"alert": ids["Bakery"]}, {"alert": ids["M1"]}]

    def test_of_many_says_how_many_more_there_are(self, data, monkeypatch):
        monkeypatch.setattr(alerts, "_NAMED", 1)
        told = links(warning(render(data, "state=seen")))
        assert told["and 1 more"] == "alerts"
        assert "M1" in told

    def test_is_of_the_filters_and_not_there_without_a_cause(self, data):
        assert warning(render(data, "sector=Farm")) is None
        assert "Anomalies recur" in words(warning(render(data, "customer=M1&from=2024-04-27")))
        assert "Energy is missing" not in words(warning(render(data, "customer=M1&from=2024-04-27")))

    def test_ends_with_the_judgement(self, data):
        judged = with_alerts(data, data.store.read().assign(state="confirmed"))
        assert "Energy is missing" not in words(warning(render(judged)))


class TestCards:
    def test_count_what_is_open_missing_judged_and_anomalous(self, whole):
        page = whole
        assert cards(page) == {
            "Open alerts": "3",
            "Missing energy": "176.9 kWh",
            "Money": "26.53",
            "Judged alerts that were right": "50 %",
            "Anomalous hours": "144",
        }
        assert "of 1,344 forecast hours" in words(page)
        assert "1 confirmed, 1 dismissed" in words(page)

    def test_are_of_the_filters_but_not_of_the_choice_of_a_state(self, data):
        assert cards(render(data, "customer=M1&state=dismissed"))["Open alerts"] == "2"
        assert cards(render(data, "sector=Farm"))["Judged alerts that were right"] == "0 %"

    def test_know_no_share_of_right_ones_where_nobody_has_judged(self, data):
        assert cards(render(data, "sector=Bakery"))["Judged alerts that were right"] == UNKNOWN


class TestList:
    def test_has_the_gravest_first_with_what_is_known_of_each(self, whole):
        page = whole
        assert names(page) == ["1. 2 customers", "2. M1", f"3. {ODD}", "4. M3", "5. M2"]
        assert column(page, "Severity") == ["high", "high", "medium", "low", "low"]
        assert column(page, "State") == ["new", "new", "confirmed", "dismissed", "new"]
        assert column(page, "Kind") == ["group event", "theft-like", "theft-like", "theft-like", "data fault"]
        assert column(page, "Sector") == ["Bakery", "Bakery", UNKNOWN, "Farm", "Bakery"]
        assert column(page, "Days")[1:3] == ["10 Apr 2024 – 14 Apr 2024 days alerted: 5", "25 Apr 2024 days alerted: 1"]
        assert column(page, "Missing")[1] == "77.5 kWh 46.5 kWh to 108.5 kWh"
        assert column(page, "Missing")[4] == UNKNOWN
        assert column(page, "Money")[1] == "11.62"
        assert column(page, "Reason")[1].startswith("50 % less than expected (15.5 instead of 31.0 kWh a day); its")
        assert all(len(reason) <= 160 for reason in column(page, "Reason"))

    def test_a_name_opens_the_alert(self, data, ids):
        assert query_of(links(render(data, "sector=Bakery"))["M2"]) == {"sector": "Bakery", "alert": ids["M2"]}

    @pytest.mark.parametrize(
        ("query", "first"),
        [
            ("sort=name", f"3. {ODD}"),
            ("sort=name&down=true", "4. M3"),
            ("sort=severity_rank", "1. 2 customers"),
            ("sort=severity_rank&down=true", "4. M3"),
            ("sort=state_rank&down=true", "4. M3"),
            ("sort=kind", "5. M2"),
            ("sort=sector&down=true", "4. M3"),
            ("sort=first_day", "4. M3"),
            ("sort=missing_known_kwh", "4. M3"),
            ("sort=money&down=true", "1. 2 customers"),
            ("sort=nothing", "1. 2 customers"),
        ],
    )
    def test_is_sorted_as_the_address_says_and_keeps_its_ranks(self, data, query, first):
        assert names(render(data, query))[0] == first

    def test_what_is_missing_nobody_knows_comes_last_both_ways(self, data):
        for down in ("true", "false"):
            assert names(render(data, f"sort=missing_known_kwh&down={down}"))[-1] == "5. M2"

    @pytest.mark.parametrize(
        ("query", "left"),
        [
            ("state=new", ["2 customers", "M1", "M2"]),
            ("kind=theft-like", ["M1", ODD, "M3"]),
            ("kind=theft-like&state=new", ["M1"]),
            ("customer=M2", ["2 customers", "M2"]),
            ("sector=Farm", ["M3"]),
            ("from=2024-04-24", [ODD]),
            ("from=2024-04-14&to=2024-04-20", ["2 customers", "M1"]),
        ],
    )
    def test_is_of_the_filters_and_choices(self, data, query, left):
        assert [name.partition(" ")[2] for name in names(render(data, query))] == left

    def test_choices_lead_to_each_state_and_kind_and_count_what_is_there(self, data):
        page = render(data, "state=new&sheet=2")
        states, kinds = (found(each, html.Li) for each in found(page, html.Ul, className="choices"))
        assert [words(each) for each in states] == [
            "All states (5)", "new (3)", "seen (0)", "confirmed (1)", "dismissed (1)",
        ]  # fmt: skip
        assert [words(each) for each in kinds] == [
            "All kinds (3)", "theft-like (1)", "data fault (1)", "group event (1)",
        ]  # fmt: skip
        current = [words(each) for each in walk(page) if getattr(each, "aria-current", None)]
        assert current == ["new (3)", "All kinds (3)"]
        assert query_of(links(kinds)["data fault (1)"]) == {"state": "new", "kind": "data fault"}
        assert query_of(links(states)["All states (5)"]) == {}

    def test_marks_the_open_alert(self, data, ids):
        page = render(data, f"alert={ids['M1']}")
        assert [words(row.children[0]) for row in found(page, html.Tr, className="marked")] == ["2. M1"]

    def test_says_what_hours_do_and_that_filters_leave_nothing(self, data, whole):
        assert "hours of the filter change nothing" in words(render(data, "hours=8-20"))
        assert "hours of the filter" not in words(whole)
        assert notices(render(data, "customer=M3&from=2024-04-20")) == ["The filters leave no alert."]


class TestOpenAlert:
    def test_tells_who_when_why_how_much_and_what_the_peers_did(self, theft):
        shown = theft
        assert words(found(shown, html.H2)) == "M1, 10 Apr 2024 – 14 Apr 2024"
        assert [words(each) for each in walk(shown) if str(getattr(each, "className", "")).startswith("tag")] == [
            "high", "new", "theft-like",
        ]  # fmt: skip
        assert [words(each) for each in found(shown, html.Li)] == [
            "50 % less than expected (15.5 instead of 31.0 kWh a day)",
            "its active and reactive energy together are unlike any earlier day (rarer than 1 day in 1,000)",
            "the same weekdays before were of another level (1 day in 40)",
        ]
        assert "Peers: the other meter of its sector used 100 % of what was expected of it" in words(shown)
        assert cards(shown) == {
            "Expected": "155.0 kWh",
            "Metered": "77.5 kWh",
            "Missing": "77.5 kWh",
            "Money": "11.62",
            "How rare": "1 day in 2,000",
        }
        assert "46.5 kWh to 108.5 kWh" in words(shown)

    def test_leads_to_the_consumption_around_its_days_and_closes(self, data, ids):
        told = links(opened(data, ids, "M1", "sector=Bakery&state=new"))
        assert told["M1"].startswith("consumption?")
        assert query_of(told["M1"]) == {"customer": "M1", "from": "2024-02-28", "to": "2024-04-28", "state": "new"}
        assert query_of(told["Close"]) == {"sector": "Bakery", "state": "new"}

    def test_shows_its_days_beside_what_was_expected(self, theft):
        shown = figures(theft)
        assert list(shown) == ["alert-energy-1", "alert-scores", "alert-peers"]
        traces = {trace.name: trace for trace in shown["alert-energy-1"].data if trace.name}
        marked = traces["metered, days of the alert"]
        assert [moment.date() for moment in pd.DatetimeIndex(marked.x)] == [april(day) for day in range(10, 15)]
        assert list(marked.y) == pytest.approx([15.5] * 5, rel=0.01)
        assert set(traces["expected"].y) == {31.0}
        assert max(traces["90 % band"].y) == pytest.approx(1.2 * 31)
        (shade,) = shown["alert-energy-1"].layout.shapes
        assert (str(shade.x0)[:16], str(shade.x1)[:16]) == ("2024-04-09 12:00", "2024-04-14 12:00")
        told = found(theft, html.Div, role="img")[0]
        assert getattr(told, "aria-label").endswith("77.5 kWh were metered, 155.0 kWh expected.")

    def test_shows_scores_and_the_others_of_its_sector(self, theft):
        shown = figures(theft)
        score, threshold = shown["alert-scores"].data
        high = pd.DatetimeIndex(score.x)[score.y > 0.7]
        assert [april(day) for day in (10, 20)] == [high[0].date(), high[5].date()]
        assert set(threshold.y) == {0.7}
        ratios = {trace.name: trace for trace in shown["alert-peers"].data if trace.name}
        own = ratios["this alert"]
        during = pd.DatetimeIndex(own.x).isin(pd.DatetimeIndex([april(day) for day in range(10, 15)]))
        assert own.y[during] == pytest.approx([0.5] * 5, rel=0.01)
        assert ratios["others, median"].y[during] == pytest.approx([1.0] * 5, rel=0.01)

    def test_of_a_group_shows_each_meter_with_its_own_days(self, group):
        shown = group
        assert words(found(shown, html.H2)) == "2 customers, 20 Apr 2024 – 23 Apr 2024"
        assert [words(each) for each in found(shown, html.H4)] == ["M1", "M2"]
        assert list(figures(shown)) == ["alert-energy-1", "alert-energy-2", "alert-scores"]
        days = [
            len(trace.x)
            for figure in figures(shown).values()
            for trace in figure.data
            if trace.name == "metered, days of the alert"
        ]
        assert days == [4, 2]
        assert "Score, median of its customers" in words(shown)
        assert "Peers" not in words(shown)

    def test_of_a_large_group_shows_those_farthest_off_and_says_so(self, data, ids, monkeypatch):
        monkeypatch.setattr(open_alert, "METERS_SHOWN", 1)
        monkeypatch.setattr(open_alert, "_METERS_NAMED", 1)
        shown = opened(data, ids, "Bakery")
        assert [words(each) for each in found(shown, html.H4)] == ["M1"]
        assert "farthest from what was expected; 1 more are not" in words(shown)
        assert "Consumption: M1 and 1 more" in words(shown)

    def test_of_a_data_fault_knows_no_energy_and_no_probability(self, data, ids):
        shown = opened(data, ids, "M2")
        assert cards(shown) == {
            "Expected": UNKNOWN, "Metered": UNKNOWN, "Missing": UNKNOWN, "Money": "0.00", "How rare": "a rule",
        }  # fmt: skip
        assert figures(shown)

    def test_without_a_sector_has_no_peers_and_a_name_is_never_markup(self, data, ids):
        shown = opened(data, ids, ODD)
        assert list(figures(shown)) == ["alert-energy-1", "alert-scores"]
        for figure in figures(shown).values():
            assert "<b>x" not in json.dumps(figure, cls=plotly.utils.PlotlyJSONEncoder)

    def test_a_day_beyond_the_axis_is_marked_at_its_end(self, data, ids, monkeypatch):
        table = data.results.judged_days_between(["M1"], april(1), april(29), open_alert._COLUMNS)
        table.loc[pd.to_datetime(table["date"]).dt.date == april(12), "actual_kwh"] = 90_000.0
        monkeypatch.setattr(data.results, "judged_days_between", lambda *_: table)
        figure = figures(opened(data, ids, "M1"))["alert-energy-1"]
        marked = next(trace for trace in figure.data if trace.name == "metered, days of the alert")
        top = figure.layout.yaxis.range[1]
        assert top < 100
        assert marked.y[2] == pytest.approx(top)
        assert list(marked.marker.symbol) == ["circle", "circle", "triangle-up", "circle", "circle"]

    def test_of_a_large_sector_reads_some_peers_from_all_over_it(self, data, ids):
        many = Data(data.results, data.cube)
        others = pd.DataFrame({"sector": "Bakery"}, index=[f"B{number:03}" for number in range(99)])
        many.__dict__["meters"] = pd.concat([data.meters, others])
        row = next(data.store.read().query("subject == 'M1'").itertuples())
        read = open_alert._peers(small_context(many, query=f"alert={ids['M1']}"), row)
        assert len(read) == open_alert._PEERS_READ
        assert (read[0], read[-1]) == ("B000", "M2")

    def test_that_the_filters_leave_out_is_open_all_the_same(self, data, ids):
        assert words(found(opened(data, ids, "M1", "sector=Farm"), html.H2)).startswith("M1, ")

    def test_that_is_not_there_is_told(self, data):
        (told,) = (text for text in notices(render(data, "alert=0123abc")) if "0123abc" in text)
        assert told == "There is no alert 0123abc; it may have become a part of another one. Close"

    def test_of_another_run_has_no_charts(self, data, ids, monkeypatch):
        monkeypatch.setattr(data.results, "file", lambda *_: None)
        shown = opened(data, ids, "M1")
        assert not figures(shown)
        assert "it is of another run" in words(shown)

    def test_says_what_people_have_said_of_it_as_text(self, data, ids, theft):
        (said,) = cells(opened(data, ids, ODD))
        assert said == ["28 Apr 2024 09:00", "Ana", "confirmed", "seal <i>broken</i> & bypass"]
        assert not found(theft, html.Table)


class TestForm:
    @pytest.mark.parametrize(
        ("subject", "offered"),
        [
            ("M1", {"confirmed": "Confirm", "dismissed": "Dismiss", "seen": "Mark as seen"}),
            (ODD, {"dismissed": "Dismiss", "new": "Reopen"}),
            ("M3", {"confirmed": "Confirm", "new": "Reopen"}),
        ],
    )
    def test_offers_what_would_change_something(self, data, ids, subject, offered):
        assert {each.id["judge"]: words(each) for each in judging(opened(data, ids, subject))} == offered
        assert set(offered) <= set(STATES)

    def test_has_inputs_with_labels_and_a_place_for_the_answer(self, theft):
        shown = theft
        labels = {label.htmlFor: words(label) for label in found(shown, html.Label)}
        assert labels == {"judge-note": "Note: what was found", "judge-who": "Your name"}
        (who,) = found(shown, dcc.Input, id="judge-who")
        assert (who.persistence, who.persistence_type) == (True, "local")
        assert len(found(shown, dcc.Textarea, id="judge-note")) == 1
        assert found(shown, html.Div, id="judge-answer", role="alert")

    def test_does_not_ask_a_reader_who_has_signed_in(self, data, ids, theft):
        shown = opened(data, ids, "M1", user="eva")
        (hidden,) = found(shown, html.Div, hidden=True)
        assert found(hidden, dcc.Input, id="judge-who")
        assert "signed in as eva" in words(shown)
        assert not found(theft, html.Div, hidden=True)

    def test_is_not_there_in_a_read_only_dashboard(self, data, ids):
        shown = opened(data, ids, "M1", read_only=True)
        assert "This dashboard is read-only" in words(shown)
        assert not found(shown, dcc.Input)
        assert not judging(shown)


class TestTables:
    def test_alerts_are_those_of_the_list_with_the_columns_of_the_database(self, data):
        table = alerts.TABLES["alerts"](small_context(data, query="kind=theft-like&sort=name"))
        assert table["subject"].tolist() == [ODD, "M1", "M3"]
        assert list(table.columns) == list(data.store.read().columns)
        assert table["sector"].tolist() == ["", "Bakery", "Farm"]
        group = alerts.TABLES["alerts"](small_context(data, query="kind=group event"))
        assert group["meters"].tolist() == ["M1; M2"]
        assert group["missing_kwh"].tolist() == pytest.approx([99.375], rel=1e-4)

    def test_alert_days_are_those_of_the_open_alert(self, data, ids):
        table = alerts.TABLES["alert_days"](small_context(data, query=f"alert={ids['M1']}"))
        assert table["day"].dt.day.tolist() == [10, 11, 12, 13, 14]
        with pytest.raises(InputError, match="no alert"):
            alerts.TABLES["alert_days"](small_context(data, query="alert=0123abc"))

    def test_judged_days_are_those_of_the_charts(self, data, ids):
        table = alerts.TABLES["alert_judged_days"](small_context(data, query=f"alert={ids['M1']}"))
        assert set(table["meter_id"]) == {"M1", "M2"}
        assert table["date"].min() == pd.Timestamp("2024-03-01")
        assert table["date"].max() == pd.Timestamp("2024-04-28")
        assert list(table.columns) == list(open_alert._COLUMNS)

    def test_nothing_is_a_table_without_rows(self, data, bare):
        for name, table in alerts.TABLES.items():
            assert table(small_context(bare, query="alert=0123abc")).empty, name
            assert name == "alerts" or table(small_context(data)).empty


def test_a_run_without_alerts_says_what_to_run(bare):
    page = render(bare, "alert=0123abc")
    assert warning(page) is None
    assert cards(page) == {}
    (told,) = notices(page)
    assert "mlflow run . -P detector=combined python dashboard.py --alert_db sqlite:///alerts.db" in told
    assert not found(page, html.Table)


def test_an_empty_database_says_what_to_run(data):
    empty = with_alerts(data, data.store.read().iloc[:0])
    (told,) = (text for text in notices(render(empty)) if "detector=combined" in text)
    assert told.startswith("The alert database holds no alerts.")
    assert any("no alert 0123abc" in text for text in notices(render(empty, "customer=M1&alert=0123abc")))


def test_a_run_without_forecasts_has_alerts_all_the_same(data):
    unforecast = Data(data.results, data.cube)
    unforecast.__dict__["meters"] = data.meters.assign(forecast_hours=np.nan, hours_outside=np.nan)
    page = render(unforecast)
    assert "Anomalous hours" not in cards(page)
    assert "Anomalies recur" not in words(warning(page))
    assert len(names(page)) == 5


def test_in_spanish_nothing_is_left_in_english_but_names(data, ids):
    page = render(data, f"alert={ids['M1']}", language="es")
    told = words(page)
    for text in ("posible fraude", "Confirmar", "50 % menos de lo esperado (15,5 en lugar de 31,0 kWh al día)"):
        assert text in told
    for text in ("alert ", "expected", "customer", "The ", " of the "):
        assert text not in told


def test_ids_are_unique(data, ids):
    page = render(data, f"alert={ids['Bakery']}")
    given = [str(each.id) for each in walk(page) if getattr(each, "id", None)]
    assert len(given) == len(set(given))
    assert set(METERS) & set(given) == set()
