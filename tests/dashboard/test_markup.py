"""Components as HTML: the same words, and nothing of them read as markup."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from dash import dcc, html
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles.dashboard.markup import ATTRIBUTE, lightened, to_html

NAME = """<img src=x onerror="alert('1')">&$"""


class Reading(HTMLParser):
    """What a browser would make of HTML: its elements with their attributes, and its text."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.text = [], ""
        self.feed(str(text))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(
    ("component", "expected"),
    [
        (html.P("a"), "<p>a</p>"),
        (html.Td(["a", None, html.Br(), 1.5], colSpan=2), '<td colspan="2">a<br>1.5</td>'),
        (html.P(tabIndex=0, className="c", **{"aria-label": "b"}), '<p tabindex="0" class="c" aria-label="b"></p>'),
        (html.Span("a", style={"backgroundColor": "#fff"}), '<span style="background-color:#fff">a</span>'),
        (html.Details("a", open=True), '<details open="">a</details>'),
        (html.Label("a", htmlFor="b"), '<label for="b">a</label>'),
        (dcc.Link("a", href="customers?b=1&c=2"), '<a href="customers?b=1&amp;c=2" data-link="">a</a>'),
    ],
)  # fmt: skip
def test_a_component_becomes_its_element(component, expected):
    read, wanted = Reading(to_html(component)), Reading(expected)
    assert (read.elements, read.text) == (wanted.elements, wanted.text)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"])))
def test_no_text_and_no_attribute_is_ever_markup(text):
    read = Reading(to_html(html.P(text, title=text)))
    assert read.elements == [("p", {"title": text})]
    assert read.text == text


def test_a_graph_becomes_its_figure_to_be_drawn_later():
    figure = {"data": [{"type": "bar", "x": [NAME], "y": np.array([np.nan])}], "layout": {}}
    read = Reading(to_html(dcc.Graph(id="energy", figure=figure, style={"height": "9px"})))
    ((tag, attributes),) = read.elements
    assert (tag, attributes["id"], attributes["class"]) == ("div", "energy", "plot")
    (bar,) = json.loads(attributes["data-figure"])["data"]
    assert (bar["x"], bar["y"]) == ([NAME], [None])


class TestLightened:
    def test_what_is_only_shown_is_text_in_the_element_around_it(self):
        light = lightened(html.Section([html.H2(NAME), html.P("b")], className="c"))
        assert (light._type, light.className, light.children) == ("Section", "c", None)
        assert Reading(getattr(light, ATTRIBUTE)).text == f"{NAME}b"

    def test_what_dash_has_to_know_stays_with_all_around_it(self):
        note, form = html.P(html.B("a")), html.Div([html.Label("b"), dcc.Textarea(id="note")])
        light = lightened(html.Section([note, form]))
        assert [child._type for child in light.children] == ["P", "Div"]
        assert getattr(light.children[0], ATTRIBUTE) == "<b>a</b>"
        assert light.children[1].children[1].id == "note"
        assert not hasattr(light, ATTRIBUTE)

    def test_an_element_with_an_id_is_one_that_callbacks_may_fill(self):
        light = lightened(html.Div([html.Div(id="answer")]))
        assert light.children[0].id == "answer"

    @pytest.mark.parametrize("content", ["text", None, html.P("text")])
    def test_text_stays_text(self, content):
        assert lightened(content) is content
