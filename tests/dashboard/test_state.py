"""The address and what it says: anything can stand there, and what is written there is read again."""

from datetime import date
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles.anomalies.alert import FAULT, KINDS
from loadprofiles.anomalies.states import NEW, STATES
from loadprofiles.dashboard.state import ALERTS, CUSTOMERS, PAGES, QUALITY, View

NAMES = sorted({field.alias or name for name, field in View.model_fields.items()})
HEX = st.text("0123456789abcdef", max_size=32)
DAYS = st.none() | st.dates()


@st.composite
def views(draw):
    first, last = draw(DAYS), draw(DAYS)
    if first and last and first > last:
        first, last = last, first
    start = draw(st.integers(0, 23))
    return View(
        page=draw(st.sampled_from(PAGES)),
        customer=draw(st.text(max_size=200)),
        sector=draw(st.text(max_size=200)),
        first=first,
        last=last,
        hours=(start, draw(st.integers(start + 1, 24))),
        sort=draw(st.from_regex(r"[a-z0-9_]{0,40}", fullmatch=True)),
        down=draw(st.booleans()),
        sheet=draw(st.integers(1, 1_000_000)),
        alert=draw(HEX),
        state=draw(st.sampled_from(("", *STATES))),
        kind=draw(st.sampled_from(("", *KINDS))),
        cluster=draw(st.none() | st.integers(-1, 10_000)),
        other=draw(HEX),
        run=draw(HEX),
    )


@given(st.text(), st.text())
def test_any_text_gives_a_view(pathname, search):
    view, _ = View.read(pathname, search)
    assert view.page in PAGES


@given(st.dictionaries(st.sampled_from(NAMES), st.text() | st.integers().map(str) | DAYS.map(str)))
def test_any_values_of_what_is_asked_give_a_view_and_are_told_if_they_cannot_be_used(values):
    view, wrong = View.read("/quality", f"?{urlencode(values)}")
    assert view.page == QUALITY
    assert set(wrong) <= set(values)
    # what could be used has been: without the rest nothing is wrong
    good = {name: value for name, value in values.items() if name not in wrong}
    assert View.read("/quality", urlencode(good)) == (view, [])


@given(views())
def test_what_a_view_writes_is_read_again(view):
    assert View.read(f"/{view.page}", view.query()) == (view, [])


def test_the_longest_names_are_read_again():
    view = View(customer="𝔐" * 200, sector="𝔖" * 200, hours=(8, 20))
    assert View.read("", view.query())[0] == view


def test_a_query_of_many_fields_is_read():
    view, wrong = View.read("/customers", "&".join(f"x{number}=1" for number in range(80)) + "&customer=A")
    assert (view.customer, wrong) == ("A", [])


def test_what_cannot_be_used_is_left_out_and_named():
    view, wrong = View.read(
        "/customers", "?from=yesterday&to=2024-05-01&hours=20-8&sheet=0&state=lost&kind=fun&sort=A;B"
    )
    assert (view.page, view.first, view.last, view.hours, view.sheet) == (CUSTOMERS, None, date(2024, 5, 1), (0, 24), 1)
    assert set(wrong) == {"from", "hours", "sheet", "state", "kind", "sort"}


@pytest.mark.parametrize("hours", ["8", "8-", "-8", "a-b", "8-25", "8-8", "8-20-21", "٨-x"])
def test_hours_that_are_none_are_left_out(hours):
    assert View.read("", urlencode({"hours": hours})) == (View(), ["hours"])


def test_a_period_written_backwards_is_turned_around():
    view, _ = View.read("", "from=2024-05-02&to=2024-05-01")
    assert (view.first, view.last) == (date(2024, 5, 1), date(2024, 5, 2))


@pytest.mark.parametrize("pathname", ["", "/", "/nothing", "/customers/x"])
def test_an_unknown_page_is_the_first(pathname):
    assert View.read(pathname, "")[0].page == ALERTS


def test_a_page_below_a_prefix_is_known():
    assert View.read("/energy/customers/", "")[0].page == CUSTOMERS


def test_a_query_says_only_what_is_not_as_it_would_be_anyway():
    assert View().query() == ""
    assert View(customer="A B", kind=FAULT).query(sheet=2) == "?customer=A+B&sheet=2&kind=data+fault"


def test_a_link_to_another_page_keeps_filters_and_begins_tables_anew():
    view = View(page=CUSTOMERS, sector="Farm", first=date(2024, 5, 1), sort="wape", down=True, sheet=3, state=NEW)
    assert view.link(QUALITY) == "quality?sector=Farm&from=2024-05-01&state=new"
    assert view.link(QUALITY, sort="measured") == "quality?sector=Farm&from=2024-05-01&sort=measured&state=new"


def test_a_link_to_the_same_page_keeps_all():
    view = View(page=CUSTOMERS, sort="wape_percent", down=True, sheet=3)
    assert view.link(sheet=4) == "customers?sort=wape_percent&down=true&sheet=4"
