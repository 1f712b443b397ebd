"""What the app answers when dash asks it for a page."""

import json

import pytest

from loadprofiles.dashboard.app import Settings, create_app
from loadprofiles.errors import InputError
from tests.dashboard.small import small_data

FIRST = {"page": "children", "pages": "children", "languages": "children", "run": "children", "choices": "data"}
LATER = {"later": "children"}
SECTIONS = ["Hour by hour", "Day by day", "By hour of the day", "Voltages"]


class _Library:
    """A library of one run, or of one that cannot be read."""

    def __init__(self, data=None, error=None):
        self.data, self.error = data, error

    def open(self, run_id=""):
        if self.error:
            raise self.error
        return self.data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_data(tmp_path_factory.mktemp("run"))


def ask(library, outputs, address):
    """What dash's renderer gets for some outputs of a view, as text."""
    pathname, _, query = address.partition("?")
    url = [
        {"id": "url", "property": "pathname", "value": pathname},
        {"id": "url", "property": "search", "value": f"?{query}"},
    ]
    judged = {"id": "judged", "property": "data", "value": None}
    choices = {"id": "choices", "property": "data", "value": None}
    names = [{"id": name, "property": kind} for name, kind in outputs.items()]
    of_first = {"inputs": [*url, judged], "state": [choices]}
    of_later = {"inputs": [{"id": "later", "property": "id", "value": "later"}], "state": url}
    text = "...".join(f"{name}.{kind}" for name, kind in outputs.items())
    body = {"output": text, "outputs": names[0], **of_later}
    if outputs is FIRST:
        body = {"output": f"..{text}..", "outputs": names, **of_first}
    answer = create_app(library, Settings()).server.test_client().post("/_dash-update-component", json=body)
    assert answer.status_code == 200
    return json.dumps(answer.json["response"], ensure_ascii=False)


def test_a_customers_page_comes_in_two_parts_each_section_in_one(data):
    parts = [ask(_Library(data), outputs, "/consumption?customer=M1") for outputs in (FIRST, LATER)]
    assert [[name for name in SECTIONS if f"<h2>{name}</h2>" in part] for part in parts] == [SECTIONS[:1], SECTIONS[1:]]


@pytest.mark.parametrize("address", ["/consumption", "/customers?customer=M1", "/consumption?customer=nobody"])
def test_who_looks_at_no_customer_is_sent_nothing_more(data, address):
    assert "<h2>" not in ask(_Library(data), LATER, address)


@pytest.mark.parametrize("outputs", [FIRST, LATER])
def test_what_is_wrong_with_a_run_is_told(outputs):
    library = _Library(error=InputError("run 7: its forecasts are gone"))
    assert "run 7: its forecasts are gone" in ask(library, outputs, "/consumption?customer=M1")


@pytest.mark.parametrize("outputs", [FIRST, LATER])
def test_a_fault_of_ours_is_logged_and_not_shown(outputs, caplog):
    told = ask(_Library(error=ZeroDivisionError("secret")), outputs, "/consumption?customer=M1")
    assert "the log of the server says why" in told
    assert "secret" not in told
    assert "ZeroDivisionError: secret" in caplog.text
