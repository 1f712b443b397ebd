"""Tables of the dashboard as CSV, for what the address' filters choose."""

from collections.abc import Callable
from typing import Final

import flask
import pandas as pd

from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.pages import TABLES
from loadprofiles.dashboard.state import View
from loadprofiles.errors import LoadProfilesError

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""What a spreadsheet takes a text for a formula by; see OWASP, CSV injection."""


def add_downloads(server: flask.Flask, make_context: Callable[[View], Context]) -> None:
    """Add `/download/<table>.csv`, with the query of any page.

    Args:
        server: The app's server.
        make_context: From a view what its pages are made from.
    """

    def download(table: str) -> flask.Response:
        view, _ = View.read("", flask.request.query_string.decode("utf-8", "replace"))
        if table not in TABLES:
            return _plain(404, f"there is no table {table[:40]!r}; there are {', '.join(TABLES)}")
        try:
            context = make_context(view)
            rows = TABLES[table](context) if context.data.chosen(view) else pd.DataFrame()
        except LoadProfilesError as error:
            return _plain(503, str(error))
        # with a mark at its beginning, by which spreadsheets know UTF-8
        answer = flask.Response(harmless(rows).to_csv(index=False).encode("utf-8-sig"), mimetype="text/csv")
        name = f"{table}_{context.data.results.run_id[:8]}.csv"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    server.add_url_rule("/download/<table>.csv", view_func=download, methods=["GET"])


def harmless(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, with an apostrophe before texts that a spreadsheet would carry out."""

    def guarded(value: object) -> object:
        return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value

    texts = [name for name in rows.columns if not pd.api.types.is_numeric_dtype(rows[name])]
    return rows.assign(**{name: rows[name].map(guarded, na_action="ignore") for name in texts})


def _plain(status: int, text: str) -> flask.Response:
    return flask.Response(text + "\n", status, mimetype="text/plain")
