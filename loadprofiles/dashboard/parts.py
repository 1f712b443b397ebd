"""What the dashboard's pages are built of: cards, tables, charts, notices and links.

Names and notes reach the page as text of components, never as markup; in figures through `plots.interactive.label`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias
from urllib.parse import quote

import pandas as pd
from dash import dcc, html
from dash.development.base_component import Component

from loadprofiles.dashboard.charts import Figure
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.language import UNKNOWN
from loadprofiles.plots import cluster_color

ROWS_A_SHEET: Final = 25

LATER: Final = "later"
"""The id of what `later` makes."""

Content: TypeAlias = Component | str | None


def page_link(context: Context, text: Content, page: str | None = None, **changes: object) -> Component:
    """A link to a view, which the browser opens without loading the page anew."""
    return dcc.Link(text, href=context.view.link(page, **changes))


def choices(context: Context, told: str, options: Sequence[tuple[str, bool, str]]) -> Component:
    """Links to views of which one is there.

    Args:
        context: Of the page.
        told: What is chosen, for those who cannot see it.
        options: What each is called, whether it is the present one, and its address.
    """
    links = [
        current_link(text, href) if is_current else dcc.Link(text, href=href) for text, is_current, href in options
    ]
    return html.Ul([html.Li(link) for link in links], className="choices", **{"aria-label": told})


def current_link(text: str, href: str) -> Component:
    """A link to what is being looked at; dash's own cannot say so."""
    return html.A(text, href=href, **{"aria-current": "true"})


def meter_link(context: Context, meter: str) -> Component:
    """A meter's name, which leads to its consumption."""
    return page_link(context, meter, "consumption", customer=meter, sector="")


def cluster_mark(cluster: int) -> Component:
    """The colour of a cluster, to stand before its name."""
    return html.Span(className="swatch", style={"backgroundColor": cluster_color(cluster)}, **{"aria-hidden": "true"})


def card(label: str, value: str, note: Content = None, tone: str = "") -> Component:
    """A number with what it is of.

    Args:
        label: What it is.
        value: As it is to be read.
        note: A few words below it.
        tone: `alarm`, `good`, or empty.
    """
    lines = [html.Dt(label), html.Dd(value, className="value")]
    return html.Div([*lines, *([html.Dd(note, className="note")] if note else [])], className=f"card {tone}".strip())


def cards(items: Sequence[Component]) -> Component:
    """Cards beside each other."""
    return html.Dl(list(items), className="cards")


def notice(text: Content, tone: str = "info") -> Component:
    """A sentence that stands out; `alarm` is read out at once, and `alarm big` is hard to overlook."""
    return html.Div(text, className=f"notice {tone}", role="alert" if tone.startswith("alarm") else "status")


def section(heading: str, *content: Content, note: Content = None, tools: Sequence[Component] = ()) -> Component:
    """A part of a page under a heading, with its tools beside it."""
    head = html.Div([html.H2(heading), html.Div(list(tools), className="tools")], className="head")
    told = [html.P(note, className="note")] if note else []
    return html.Section([head, *told, *content])


def later() -> Component:
    """Where a page goes on with what is asked for once the reader sees the part above."""
    return html.Div(id=LATER)


def csv_link(context: Context, table: str) -> Component:
    """The link to a table of this view as CSV; see `downloads`."""
    text = context.say("CSV")
    return html.A(
        text,
        href=f"download/{table}.csv{context.view.query()}",
        className="tool",
        title=context.say("Download the table behind this as CSV"),
        download="",
        **{"data-csv": table},
    )


def chart(context: Context, name: str, figure: Figure, told: str, *, height: int = 320, csv: str = "") -> Component:
    """A figure with its downloads.

    Args:
        context: Of the page.
        name: Its id on the page, and the name of its PNG.
        figure: What is drawn; see `charts`.
        told: What it shows, for those who cannot see it.
        height: In pixels.
        csv: The table behind it, for `csv_link`; empty: none.
    """
    png = html.Button(
        context.say("PNG"),
        className="tool",
        title=context.say("Download this chart as PNG"),
        **{"data-png": name, "type": "button"},
    )
    layout = figure["layout"] | {"separators": context.language.separators, "height": height}
    drawn = dcc.Graph(id=name, figure=figure | {"layout": layout}, style={"height": f"{height}px"})
    links = [csv_link(context, csv)] if csv else []
    return html.Figure(
        [html.Div(drawn, role="img", **{"aria-label": told}), html.Figcaption([*links, png], className="tools")],
        className="chart",
    )


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: In the frame, and in the address when the table is sorted by it.
        heading: As the reader sees it.
        cell: From a row, a tuple with the frame's columns as attributes, what stands in the cell.
        is_number: Set to the right.
        can_sort: Whether its heading sorts the table.
    """

    name: str
    heading: str
    cell: Callable[[Any], Content]
    is_number: bool = False
    can_sort: bool = True


def table(
    context: Context,
    caption: str,
    columns: Sequence[Column],
    rows: pd.DataFrame,
    *,
    marked: str = "",
    stacks: bool = False,
) -> Component:
    """A table whose headings sort it and which is shown a sheet at a time, both by links.

    Args:
        context: Of the page.
        caption: What the table is, for those who cannot see it.
        columns: From left to right.
        rows: All rows, in their own order.
        marked: Value of the first column whose row is marked.
        stacks: On a phone each row becomes a block of labelled cells, for tables that are too wide to be pushed
            sideways.
    """
    ordered = sorted_rows(rows, context, columns)
    sheets = max(1, math.ceil(len(ordered) / ROWS_A_SHEET))
    sheet = min(context.view.sheet, sheets)
    shown = ordered.iloc[(sheet - 1) * ROWS_A_SHEET : sheet * ROWS_A_SHEET]
    body = [_row(columns, row, marked, stacks) for row in shown.itertuples(index=False)]
    drawn = html.Table(
        [
            html.Caption(caption, className="unseen"),
            html.Thead(html.Tr([_heading(context, column) for column in columns])),
            html.Tbody(body or [html.Tr(html.Td(context.say("Nothing to show."), colSpan=len(columns)))]),
        ],
        className="stacks" if stacks else None,
    )
    # a table wider than a phone is pushed sideways, also by the keyboard
    wrapped = html.Div(drawn, className="table", tabIndex=0, role="region", **{"aria-label": caption})
    return html.Div([wrapped, *([_sheets(context, sheet, sheets, len(ordered))] if sheets > 1 else [])])


def sorted_rows(rows: pd.DataFrame, context: Context, columns: Sequence[Column]) -> pd.DataFrame:
    """The rows in the order that the address asks for; what is not known comes last."""
    if not any(column.name == context.view.sort and column.can_sort for column in columns):
        return rows
    key = context.view.sort
    return rows.sort_values(key, ascending=not context.view.down, na_position="last", kind="stable")


def _row(columns: Sequence[Column], row: Any, marked: str, stacks: bool) -> Component:
    first, *others = ((column, column.cell(row)) for column in columns)
    cells = [
        html.Td(
            text,
            className="number" if column.is_number else None,
            **({"data-label": column.heading} if stacks else {}),
        )
        for column, text in others
    ]
    is_marked = bool(marked) and str(getattr(row, first[0].name)) == marked
    return html.Tr([html.Th(first[1], scope="row"), *cells], className="marked" if is_marked else None)


def _heading(context: Context, column: Column) -> Component:
    style = "number" if column.is_number else None
    if not column.can_sort:
        return html.Th(column.heading, scope="col", className=style)
    is_sorted = context.view.sort == column.name
    # numbers are looked at from the largest on
    down = not context.view.down if is_sorted else column.is_number
    order = ("descending" if context.view.down else "ascending") if is_sorted else "none"
    mark = html.Span({"none": "", "ascending": " ▲", "descending": " ▼"}[order], **{"aria-hidden": "true"})
    link = page_link(context, html.Span([column.heading, mark]), sort=column.name, down=down, sheet=1)
    return html.Th(link, scope="col", className=style, **{"aria-sort": order})


def _sheets(context: Context, sheet: int, sheets: int, rows: int) -> Component:
    first, last = (sheet - 1) * ROWS_A_SHEET + 1, min(rows, sheet * ROWS_A_SHEET)
    told = context.say("{first} to {last} of {rows}", first=first, last=last, rows=context.language.number(rows))
    back = page_link(context, context.say("Previous"), sheet=sheet - 1) if sheet > 1 else ""
    on = page_link(context, context.say("Next"), sheet=sheet + 1) if sheet < sheets else ""
    return html.Nav(
        [back, html.Span(told), on], className="sheets", **{"aria-label": context.say("Sheets of the table")}
    )


def sparkline(values: Sequence[float], told: str) -> Component:
    """A line the size of a word; nothing is drawn where a value is not known."""
    known = [value for value in values if math.isfinite(value)]
    if len(known) < 2:
        return html.Span(UNKNOWN)
    low, high = min(0.0, *known), max(known)
    scale = 20 / ((high - low) or 1)
    path, joins = "", False
    for place, value in enumerate(values):
        if math.isfinite(value):
            x, y = round(1 + 98 * place / (len(values) - 1), 1), round(21 - (value - low) * scale, 1)
            # a point between two gaps is drawn, too
            path += f"L{x} {y}" if joins else f"M{x} {y}h0"
        joins = math.isfinite(value)
    picture = (
        "<svg xmlns='http://www.w3.org/2000/svg' width='100' height='22'>"
        f"<path d='{path}' fill='none' stroke='#0072B2' stroke-width='1.5' stroke-linecap='round'/></svg>"
    )
    return html.Img(src=f"data:image/svg+xml,{quote(picture)}", alt=told, className="sparkline", width=100, height=22)
