"""The dashboard as a Dash app: the frame around the pages, and what happens when the reader does something."""

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Final
from urllib.parse import quote

import flask
from dash import ALL, ClientsideFunction, Dash, Input, Output, State, ctx, dcc, html, no_update
from dash.development.base_component import Component
from flask_wtf.csrf import generate_csrf

from loadprofiles.dashboard import parts
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.downloads import add_downloads
from loadprofiles.dashboard.judging import judge
from loadprofiles.dashboard.language import LANGUAGES, Language
from loadprofiles.dashboard.library import Library
from loadprofiles.dashboard.markup import lightened
from loadprofiles.dashboard.pages import alerts, clusters, consumption, customers, quality
from loadprofiles.dashboard.plotly_script import plotly_script
from loadprofiles.dashboard.security import current_user
from loadprofiles.dashboard.state import ALERTS, CLUSTERS, CONSUMPTION, CUSTOMERS, DAY_HOURS, QUALITY, View
from loadprofiles.errors import EmptyResultError, LoadProfilesError
from loadprofiles.results import FIRST_COMMAND

PAGES: Final[Mapping[str, ModuleType]] = {
    ALERTS: alerts,
    CONSUMPTION: consumption,
    CUSTOMERS: customers,
    CLUSTERS: clusters,
    QUALITY: quality,
}

LANGUAGE_COOKIE: Final = "language"

_INDEX: Final = """<!DOCTYPE html>
<html>
<head>{%metas%}<title>{%title%}</title>{%favicon%}{%css%}</head>
<body>{%app_entry%}{%config%}{%scripts%}{%renderer%}</body>
</html>"""
"""Dash's own page has a second footer, which screen readers would tell."""

_DAY_LOAD: Final = (
    "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><rect width='16' height='16' rx='3' fill='#0072B2'/>"
    "<path d='M2 11 5 10 7 5 9 9 11 4 14 12' fill='none' stroke='#fff' stroke-width='1.6'/></svg>"
)
_ICON: Final = f'<link rel="icon" href="data:image/svg+xml,{quote(_DAY_LOAD)}">'
"""As a file, a browser would ask for it again with each filter, and the page would wait for it."""

_UNUSED: Final = re.compile(r'<script src="[^"]*/(deps/polyfill@|dash_table/)[^"]*"></script>')
"""What dash has for browsers of before 2018, and for its own tables: a tenth of a second of the first view."""

_YEAR_SECONDS: Final = 31_536_000
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """How the dashboard is served.

    Attributes:
        read_only: Nobody can judge alerts.
        has_users: Readers have to sign in.
    """

    read_only: bool = False
    has_users: bool = False


class _App(Dash):
    """Dash, with the page's language in its first line, our icon, and without scripts that no page of ours runs."""

    def interpolate_index(self, **parts: str) -> str:
        ours = {"scripts": _UNUSED.sub("", parts["scripts"]), "favicon": _ICON}
        page: str = super().interpolate_index(**parts | ours)
        return page.replace("<html>", f'<html lang="{reader_language().code}">', 1)


def reader_language() -> Language:
    """The language of the request: as its address says, else as it was chosen before, else as the browser asks."""
    request = flask.request
    asked = request.args.get("lang") or request.cookies.get(LANGUAGE_COOKIE, "")
    return Language.best(asked, [str(tag) for tag in request.accept_languages.values()])


def create_app(library: Library, settings: Settings) -> Dash:
    """The app.

    Args:
        library: The runs that it shows.
        settings: How it is served.
    """
    app = _App(
        __name__,
        index_string=_INDEX,
        title="loadprofiles",
        update_title=None,
        suppress_callback_exceptions=True,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
        enable_mcp=False,
        compress=False,
    )
    app.layout = lambda: _layout(settings)
    _add_callbacks(app, library, settings)
    add_downloads(app.server, lambda view: _context(library, settings, view))
    app.server.add_url_rule("/assets/plotly.js", view_func=_plotly_script)
    app.server.after_request(_keep_language)
    return app


def _plotly_script() -> flask.Response:
    """Plotly's script."""
    answer = flask.Response(plotly_script(), mimetype="text/javascript")
    answer.headers["Cache-Control"] = "no-cache"
    answer.add_etag()
    answer.make_conditional(flask.request)
    return answer


def _keep_language(response: flask.Response) -> flask.Response:
    if flask.request.args.get("lang") in LANGUAGES:
        response.set_cookie(LANGUAGE_COOKIE, flask.request.args["lang"], max_age=_YEAR_SECONDS, samesite="Lax")
    return response


def _context(library: Library, settings: Settings, view: View) -> Context:
    return Context(library.open(view.run), view, reader_language(), current_user(), settings.read_only)


def _layout(settings: Settings) -> Component:
    language = reader_language()
    say = language.say
    buttons: list[Component] = [
        html.Span(id="languages"),
        html.Button(say("Light or dark"), id="theme", type="button"),
        html.Button(say("Print"), id="print", type="button"),
    ]
    if settings.has_users:
        buttons.append(_sign_out(say("Sign out ({user})", user=current_user())))
    header = html.Header(
        html.Div(
            [
                html.Span("loadprofiles", className="brand"),
                html.Nav(id="pages", **{"aria-label": say("Pages")}),
                html.Div(buttons, className="settings"),
            ],
            className="bar",
        )
    )
    return html.Div(
        [
            dcc.Location(id="url", refresh=False),
            dcc.Store(id="judged"),
            dcc.Store(id="choices"),
            html.A(say("To the content"), href="#page", className="skip"),
            header,
            _filters(language),
            html.Main(id="page", tabIndex=-1),
            html.Footer(id="run", className="run"),
        ]
    )


def _sign_out(text: str) -> Component:
    token = dcc.Input(type="hidden", name="csrf_token", value=generate_csrf())
    return html.Form([token, html.Button(text)], action="signout", method="post")


def _filters(language: Language) -> Component:
    """The filters: the browser's own controls, which every reader can use; the script binds them to the address."""
    say = language.say
    hours = [html.Option(f"{hour:02d}:00", value=str(hour)) for hour in range(DAY_HOURS + 1)]
    controls = (
        ("customer", say("Customer"), dcc.Input(id="customer", type="search", list="customers", autoComplete="off")),
        ("sector", say("Sector"), html.Select([html.Option(say("All sectors"), value="")], id="sector")),
        ("from", say("From day"), dcc.Input(id="from", type="date")),
        ("to", say("To day"), dcc.Input(id="to", type="date")),
        ("first-hour", say("From hour"), html.Select(hours[:-1], id="first-hour")),
        ("last-hour", say("To hour"), html.Select(hours[1:], id="last-hour")),
    )
    boxes = [html.Div([html.Label(text, htmlFor=name), control]) for name, text, control in controls]
    clear = html.Div(html.Button(say("Clear filters"), id="clear", type="button"))
    return html.Div(
        [*boxes, clear, html.Datalist(id="customers")],
        id="filters",
        className="filters",
        role="search",
        **{"aria-label": say("Filters")},
    )


def _add_callbacks(app: Dash, library: Library, settings: Settings) -> None:
    app.clientside_callback(
        ClientsideFunction("dashboard", "fromAddress"),
        Output("choices", "storage_type"),
        Input("url", "search"),
        Input("choices", "data"),
    )

    @app.callback(
        Output("page", "children"),
        Output("pages", "children"),
        Output("languages", "children"),
        Output("run", "children"),
        Output("choices", "data"),
        Input("url", "pathname"),
        Input("url", "search"),
        Input("judged", "data"),
        State("choices", "data"),
    )
    def show(
        pathname: str | None, search: str | None, _judged: object, choices: Mapping[str, Any] | None
    ) -> tuple[Any, ...]:
        return _show(library, settings, *View.read(pathname or "", search or ""), choices or {})

    @app.callback(
        Output(parts.LATER, "children"),
        Input(parts.LATER, "id"),
        State("url", "pathname"),
        State("url", "search"),
    )
    def show_later(_id: str, pathname: str | None, search: str | None) -> Any:
        view, _ = View.read(pathname or "", search or "")
        return _show_later(library, settings, view)

    @app.callback(
        Output("judged", "data"),
        Output("judge-answer", "children"),
        Input({"judge": ALL}, "n_clicks"),
        State("url", "pathname"),
        State("url", "search"),
        State("judge-note", "value"),
        State("judge-who", "value"),
        prevent_initial_call=True,
    )
    def set_state(
        clicks: list[int | None], pathname: str | None, search: str | None, note: str | None, who: str | None
    ) -> tuple[Any, Any]:
        if not any(clicks) or not isinstance(ctx.triggered_id, dict):
            return no_update, no_update
        view, _ = View.read(pathname or "", search or "")
        try:
            context = _context(library, settings, view)
            return judge(context, str(ctx.triggered_id["judge"]), note or "", who or ""), ""
        except LoadProfilesError as error:
            return no_update, parts.notice(str(error), "alarm")


def _show(
    library: Library, settings: Settings, view: View, wrong: list[str], choices: Mapping[str, Any]
) -> tuple[Any, ...]:
    """What the outputs of the page's callback are set to."""
    language = reader_language()
    try:
        context = _context(library, settings, view)
        content = [lightened(part) for part in (*_left_out(context, wrong), *_content(context))]
    except Exception as error:  # noqa: BLE001 a page that cannot be made must not take the others with it
        return (_failed(language, view, error), [], [], "", {})
    data = context.data
    page = [html.H1(PAGES[view.page].title(context)), *content]
    frame = (_pages(context), _languages(context), _run(context))
    if data.results.run_id == choices.get("run"):
        return (page, *frame, no_update)
    first, last = data.cube.first_day.isoformat(), data.cube.last_day.isoformat()
    there = {"run": data.results.run_id, "customers": list(data.meters.index), "sectors": data.sectors}
    return (page, *frame, {**there, "first": first, "last": last})


def _show_later(library: Library, settings: Settings, view: View) -> Any:
    """What a customer's page has below what comes at once."""
    if view.page != CONSUMPTION or not view.customer:  # the reader has gone on
        return no_update
    try:
        context = _context(library, settings, view)
        rest = consumption.render_later(context) if context.data.chosen(view) else []
        return [lightened(part) for part in rest]
    except Exception as error:  # noqa: BLE001 what was shown at once stays
        return _failed(reader_language(), view, error)


def _content(context: Context) -> list[Component]:
    view = context.view
    if not context.data.chosen(view):
        what = view.customer or view.sector
        return [parts.notice(context.say("This run has no customer or sector {name}.", name=what))]
    content: list[Component] = PAGES[view.page].render(context)
    return content


def _left_out(context: Context, wrong: list[str]) -> list[Component]:
    if not wrong:
        return []
    # names of parameters as they stand in the address: what cannot be one of ours is not repeated
    names = ", ".join(name for name in wrong if re.fullmatch(r"[a-z]{1,20}", name))
    return [parts.notice(context.say("Left out, because it cannot be used: {names}.", names=names))]


def _failed(language: Language, view: View, error: Exception) -> Component:
    if isinstance(error, EmptyResultError):
        told = language.say("There is nothing to show yet. Run this, then load the page again:")
        return parts.notice([told, " ", html.Code(FIRST_COMMAND), html.P(str(error), className="note")])
    if isinstance(error, LoadProfilesError):
        return parts.notice(str(error), "alarm")
    _log.error("page %s%s", view.page, view.query(), exc_info=error)
    return parts.notice(language.say("This page could not be made; the log of the server says why."), "alarm")


def _pages(context: Context) -> list[Component]:
    return [
        parts.current_link(page.title(context), context.view.link())
        if name == context.view.page
        else parts.page_link(context, page.title(context), name)
        for name, page in PAGES.items()
    ]


def _languages(context: Context) -> list[Component]:
    """Links that load the page anew, in the other languages."""
    query = context.view.query()
    return [
        html.A(name, href=f"{context.view.page}{query}{'&' if query else '?'}lang={code}", lang=code)
        for code, name in LANGUAGES.items()
        if code != context.language.code
    ]


def _run(context: Context) -> str:
    results = context.data.results
    when = context.language.moment(results.finished_at_utc, results.timezone)
    return context.say(
        "{name}, run {run}, finished {when}; local time of {zone}",
        name=results.name,
        run=results.run_id[:8],
        when=when,
        zone=results.timezone,
    )


def health(library: Library) -> Mapping[str, object]:
    """What the health endpoint tells; raises what `Library.open` raises."""
    library.open()
    return {}
