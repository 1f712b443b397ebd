"""What stands in components, for tests of pages."""

from collections.abc import Iterator
from typing import Any

import plotly.graph_objects as go
from dash import dcc
from dash.development.base_component import Component


def walk(content: Any) -> Iterator[Any]:
    """All components and texts in some content, from the first to the last."""
    if isinstance(content, list | tuple):
        for each in content:
            yield from walk(each)
    elif content is not None:
        yield content
        if isinstance(content, Component):
            yield from walk(getattr(content, "children", None))


def words(content: Any) -> str:
    """All texts in some content, with a blank between words."""
    return " ".join(" ".join(str(each) for each in walk(content) if isinstance(each, str | int | float)).split())


def found(content: Any, kind: type[Component], **properties: Any) -> list[Any]:
    """The components of a kind with some properties."""
    return [
        each
        for each in walk(content)
        if isinstance(each, kind) and all(getattr(each, name, None) == value for name, value in properties.items())
    ]


def figures(content: Any) -> dict[str, go.Figure]:
    """The figures in some content by their ids, of which plotly has checked each value."""
    graphs = found(content, dcc.Graph)
    assert len({graph.id for graph in graphs}) == len(graphs)
    return {graph.id: go.Figure(graph.figure) for graph in graphs}


def cells(table: Any) -> list[list[str]]:
    """The words of each cell of a table's body, row by row."""
    body = next(each for each in walk(table) if type(each).__name__ == "Tbody")
    return [[words(cell) for cell in row.children] for row in body.children]


def cards(content: Any) -> dict[str, str]:
    """The value of each card by its label."""
    return {
        words(each.children[0]): words(each.children[1])
        for each in walk(content)
        if "card" in str(getattr(each, "className", "")).split()
    }
