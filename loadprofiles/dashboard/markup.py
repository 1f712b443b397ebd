"""Components as HTML: what a page only shows reaches the browser as text, not as a component a cell.

Dash takes about a millisecond for each component, and a page of tables has a thousand; it draws graphs whether they are
in sight or not. The dashboard's script puts the text where it belongs, and draws a figure when it comes into sight. All
words in the text are escaped.
"""

import re
from collections.abc import Iterable, Mapping
from itertools import starmap
from typing import Any, Final

import plotly.io
from dash.development.base_component import Component
from markupsafe import Markup, escape

ATTRIBUTE: Final = "data-html"

_HTML: Final = "dash_html_components"
_EMPTY: Final = ("img", "br", "hr")
_CAPITAL: Final = re.compile("[A-Z]")
_WITH_DASH: Final = r"-\g<0>"
_SHOWN_ONLY: Final = ("Link", "Graph")
_NAMES: Final = {"className": "class", "htmlFor": "for", "tabIndex": "tabindex", "colSpan": "colspan"}


def lightened(component: Any) -> Any:
    """A component of which each part that is only shown has its inside as the text `data-html`.

    What dash has to know stays: inputs, and whatever has an id, with all that is around them.

    Args:
        component: A component, or text.
    """
    if not isinstance(component, Component) or not _is_html(component):
        return component
    inside = list(_children(component))
    if not any(isinstance(child, Component) for child in inside):
        return component
    if all(map(_is_shown_only, inside)):
        component.children = None
        setattr(component, ATTRIBUTE, str(Markup("").join(map(to_html, inside))))
    else:
        component.children = [lightened(child) for child in inside]
    return component


def to_html(component: Any) -> Markup:
    """A component of html, a link or a graph of dash as HTML, with all that is in it.

    Args:
        component: The component, or text, or None.
    """
    if not isinstance(component, Component):
        return escape("" if component is None else component)
    props = component.to_plotly_json()["props"]
    inside = Markup("").join(map(to_html, _children(component)))
    if component._type == "Graph":
        figure = plotly.io.to_json(props["figure"], validate=False)
        shown = {"id": props["id"], "class": "plot", "style": props["style"], "data-figure": figure}
        return _element("div", shown, inside)
    if component._type == "Link":
        return _element("a", {"href": props["href"], "data-link": ""}, inside)
    return _element(component._type.lower(), {name: props[name] for name in props if name != "children"}, inside)


def _element(tag: str, attributes: Mapping[str, Any], inside: Markup) -> Markup:
    given = "".join(starmap(_attribute, attributes.items()))
    # names are those of dash's components and of our code, never a reader's; `Markup.format` takes five times as long
    return Markup(f"<{tag}{given}>" if tag in _EMPTY else f"<{tag}{given}>{inside}</{tag}>")  # noqa: S704


def _attribute(name: str, value: Any) -> str:
    if value is None or value is False:
        return ""
    if name == "style":
        value = ";".join(f"{_CAPITAL.sub(_WITH_DASH, key).lower()}:{each}" for key, each in value.items())
    return f' {_NAMES.get(name, name)}="{escape("" if value is True else value)}"'


def _children(component: Component) -> Iterable[Any]:
    children = getattr(component, "children", None)
    if children is None:
        return ()
    return children if isinstance(children, list | tuple) else (children,)


def _is_html(component: Component) -> bool:
    return bool(component._namespace == _HTML)


def _is_shown_only(component: Any) -> bool:
    """Whether neither dash nor its callbacks have to know of a component, nor of what is in it."""
    if not isinstance(component, Component):
        return True
    if component._type in _SHOWN_ONLY:
        return True
    if not _is_html(component) or getattr(component, "id", None):
        return False
    return all(map(_is_shown_only, _children(component)))
