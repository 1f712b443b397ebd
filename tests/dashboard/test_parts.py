"""Components that pages are built of."""

from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from dash import dcc, html

from loadprofiles.dashboard import parts
from loadprofiles.dashboard.charts import figure
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.language import UNKNOWN, Language
from loadprofiles.dashboard.state import View
from tests.dashboard.components import cells, found, walk, words

MARKUP = "<script>alert(1)</script>"


def context(query="", page="customers", language="en"):
    return Context(None, View.read(f"/{page}", query)[0], Language(language))


def columns(drawn=None):
    def use(row):
        if drawn is not None:
            drawn.append(row.meter_id)
        return f"{row.use:g}"

    return [
        parts.Column("meter_id", "Meter", lambda row: row.meter_id),
        parts.Column("use", "Use", use, is_number=True),
        parts.Column("note", "Note", lambda row: "", can_sort=False),
    ]


def rows(uses):
    return pd.DataFrame({"meter_id": [f"M{n}" for n in range(len(uses))], "use": uses, "note": "z"})


def shown(query, uses):
    return [row[0] for row in cells(parts.table(context(query), "Meters", columns(), rows(uses)))]


@pytest.mark.parametrize(
    ("query", "order"),
    [
        ("", ["M0", "M1", "M2", "M3"]),
        ("sort=use", ["M3", "M0", "M2", "M1"]),
        ("sort=use&down=true", ["M0", "M2", "M3", "M1"]),
        ("sort=note&down=true", ["M0", "M1", "M2", "M3"]),
        ("sort=nothing", ["M0", "M1", "M2", "M3"]),
    ],
)
def test_a_table_is_sorted_as_the_address_says_and_what_is_not_known_comes_last(query, order):
    assert shown(query, [2.0, np.nan, 2.0, 1.0]) == order


def test_a_table_is_sorted_before_it_is_cut_to_a_sheet():
    uses = [float(n) for n in range(60)]
    assert shown("sort=use&down=true", uses)[0] == "M59"
    assert shown("sort=use&down=true&sheet=3", uses) == [f"M{n}" for n in range(9, -1, -1)]


def test_a_sheet_after_the_last_is_the_last():
    assert shown("sheet=99", [1.0] * 30) == [f"M{n}" for n in range(25, 30)]


def test_cells_are_made_of_the_rows_shown_alone():
    drawn = []
    parts.table(context("sheet=2"), "Meters", columns(drawn), rows([1.0] * 60))
    assert drawn == [f"M{n}" for n in range(25, 50)]


def test_sheets_are_links_that_keep_the_filters():
    table = parts.table(context("sector=Farm&sheet=2"), "Meters", columns(), rows([1.0] * 60))
    navigation = found(table, html.Nav)[0]
    assert words(navigation) == "Previous 26 to 50 of 60 Next"
    assert [link.href for link in found(navigation, dcc.Link)] == [
        "customers?sector=Farm",
        "customers?sector=Farm&sheet=3",
    ]


def test_a_table_of_one_sheet_has_no_links_to_others():
    assert not found(parts.table(context(), "Meters", columns(), rows([1.0] * 25)), html.Nav)


def test_a_table_without_rows_says_so():
    assert words(found(parts.table(context(), "Meters", columns(), rows([])), html.Tbody)) == "Nothing to show."


def test_cells_of_rows_that_stack_on_a_phone_carry_their_headings():
    def labels(stacks):
        drawn = parts.table(context(), "Meters", columns(), rows([1.0]), stacks=stacks)
        return [getattr(cell, "data-label", None) for cell in found(drawn, html.Td)]

    headings = [column.heading for column in columns()][1:]
    assert labels(True) == headings
    assert labels(False) == [None] * len(headings)


def test_a_heading_sorts_numbers_from_the_largest_and_back():
    def heading(query):
        return found(parts.table(context(query), "Meters", columns(), rows([1.0])), html.Th, scope="col")[1]

    first = heading("sheet=2")
    assert (getattr(first, "aria-sort"), first.children.href) == ("none", "customers?sort=use&down=true")
    assert getattr(heading("sort=use&down=true"), "aria-sort") == "descending"
    assert heading("sort=use&down=true").children.href == "customers?sort=use"
    assert getattr(heading("sort=use"), "aria-sort") == "ascending"


def test_a_column_that_cannot_be_sorted_is_no_link():
    heading = found(parts.table(context(), "Meters", columns(), rows([1.0])), html.Th, scope="col")[2]
    assert heading.children == "Note"


def test_a_table_tells_what_it_is_and_whose_each_row_is():
    table = parts.table(context(), "Meters of the run", columns(), rows([1.0, 2.0]), marked="M1")
    assert words(found(table, html.Caption)) == "Meters of the run"
    assert [words(head) for head in found(table, html.Th, scope="row")] == ["M0", "M1"]
    assert [row.className for row in found(table, html.Tr)[1:]] == [None, "marked"]


def test_names_are_texts_and_never_markup():
    content = [parts.meter_link(context(), MARKUP), parts.card(MARKUP, MARKUP), parts.notice(MARKUP)]
    assert [each for each in walk(content) if isinstance(each, str)] == [MARKUP] * 4
    assert not found(content, dcc.Markdown)


def test_a_meter_leads_to_its_consumption():
    link = parts.meter_link(context("sector=Farm&from=2024-05-01&sort=use&sheet=2"), "A&B")
    assert (link.children, link.href) == ("A&B", "consumption?customer=A%26B&from=2024-05-01")


def test_choices_mark_the_present_one():
    drawn = parts.choices(context(), "Unit", [("kWh", True, "customers"), ("EUR", False, "customers?x=1")])
    assert [getattr(each, "aria-current", None) for each in found(drawn, html.A)] == ["true"]
    assert [(each.children, each.href) for each in found(drawn, dcc.Link)] == [("EUR", "customers?x=1")]


def test_only_an_alarm_is_read_out_at_once():
    assert [parts.notice("x", tone).role for tone in ("info", "alarm")] == ["status", "alert"]


def test_a_card_has_a_value_a_note_and_a_tone():
    card = parts.card("Alerts", "3", "open", "alarm")
    assert (words(card), card.className) == ("Alerts 3 open", "card alarm")
    assert len(found(parts.card("Alerts", "3"), html.Dd)) == 1


def test_a_csv_is_of_the_same_view():
    link = parts.csv_link(context("sector=Farm&sort=use"), "customers")
    assert link.href == "download/customers.csv?sector=Farm&sort=use"


def test_a_chart_can_be_saved_and_heard():
    drawn = parts.chart(context(language="es"), "use", figure([]), "Use of 3 meters.", height=200, csv="customers")
    assert getattr(found(drawn, html.Div, role="img")[0], "aria-label") == "Use of 3 meters."
    assert getattr(found(drawn, html.Button)[0], "data-png") == "use"
    assert found(drawn, html.A)[0].href == "download/customers.csv"
    graph = found(drawn, dcc.Graph)[0]
    assert (graph.id, graph.style, graph.figure["layout"]["separators"]) == ("use", {"height": "200px"}, ",.")


def path_of(values):
    return unquote(parts.sparkline(values, "rises").src).partition("d='")[2].partition("'")[0]


def test_a_sparkline_goes_from_left_to_right_and_from_zero_up():
    assert path_of([0.0, 5.0, 10.0]) == "M1.0 21.0h0L50.0 11.0L99.0 1.0"
    assert parts.sparkline([0.0, 5.0], "rises").alt == "rises"


def test_a_sparkline_leaves_out_what_is_not_known():
    assert path_of([1.0, np.nan, 1.0, np.nan, 0.0, 1.0]).count("M") == 3


@pytest.mark.parametrize("values", [[0.0, 0.0], [-2.0, -2.0], [-1e9, 1e9], [1e-300, 1e-300]])
def test_a_sparkline_stays_within_its_picture(values):
    heights = [float(part.split()[-1]) for part in path_of(values).replace("h0", "").replace("M", "L").split("L")[1:]]
    assert len(heights) == 2
    assert all(1 <= height <= 21 for height in heights)


@pytest.mark.parametrize("values", [[], [1.0], [np.nan, np.nan], [np.nan, 1.0]])
def test_a_sparkline_of_no_two_values_is_not_known(values):
    assert words(parts.sparkline(values, "")) == UNKNOWN


def test_a_cluster_has_its_colour():
    assert parts.cluster_mark(0).style == {"backgroundColor": "#0072B2"}
