"""Alerts, the gravest first, and what people say of them."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import pandas as pd
from dash import html
from dash.development.base_component import Component

from loadprofiles.anomalies.alert import HIGH, KINDS, SEVERITIES
from loadprofiles.anomalies.states import CONFIRMED, DISMISSED, STATES
from loadprofiles.dashboard import parts
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.data import OPEN, RECURRING
from loadprofiles.dashboard.language import UNKNOWN
from loadprofiles.dashboard.pages import open_alert
from loadprofiles.dashboard.sentences import translated, word
from loadprofiles.dashboard.state import ALERTS, CUSTOMERS, DAY_HOURS
from loadprofiles.plots.style import shortened

_NAMED: Final = 3
"""Names in the warning; of the others it says how many there are."""

_GRAVE: Final = ["subject", "alert_id", "missing_kwh", "first_day", "last_day"]
_REASON_LENGTH: Final = 160
"""Of the list, which shows two lines of it."""


def title(context: Context) -> str:
    """The page's heading."""
    return context.say("Alerts")


def render(context: Context) -> list[Component]:
    """The page."""
    alerts = _alerts(context)
    return [
        *_warning(context, alerts),
        *open_alert.render(context, alerts),
        _cards(context, alerts),
        *_without_alerts(context, alerts),
        *_ranking(context, alerts),
    ]


def alerts_table(context: Context) -> pd.DataFrame:
    """The alerts of a view, sorted as it asks: the columns of table `alerts`, with a semicolon between meters."""
    alerts = _alerts(context)
    if alerts.empty:
        return alerts
    rows = parts.sorted_rows(_chosen(context, _rows(alerts)), context, _columns(context))
    return rows[alerts.columns].assign(meters=rows["meters"].map("; ".join), sector=rows["sector"].fillna(""))


def _alerts(context: Context) -> pd.DataFrame:
    """The alerts of the filters, in any state and of any kind."""
    return context.data.alerts(context.view.model_copy(update={"state": "", "kind": ""}))


def _chosen(context: Context, alerts: pd.DataFrame) -> pd.DataFrame:
    """Those in the state and of the kind that the view asks for."""
    view = context.view
    in_state = alerts["state"].eq(view.state) | (view.state == "")
    return alerts[in_state & (alerts["kind"].eq(view.kind) | (view.kind == ""))]


def _rows(alerts: pd.DataFrame) -> pd.DataFrame:
    """The alerts with what they are sorted by."""
    known = (alerts["expected_kwh"] != 0) | (alerts["actual_kwh"] != 0)
    ranks = pd.Series(range(1, len(alerts) + 1), index=alerts.index)
    return alerts.assign(
        rank=ranks,
        # of one customer the gravest first, and no two are equal
        name=alerts["subject"] + ranks.map(" {:09d}".format),
        severity_rank=alerts["severity"].map(SEVERITIES[::-1].index),
        state_rank=alerts["state"].map(STATES.index),
        sector=alerts["sector"].where(alerts["sector"] != ""),
        # a sum over no day says nothing
        missing_known_kwh=alerts["missing_kwh"].where(known),
    )


def _warning(context: Context, alerts: pd.DataFrame) -> list[Component]:
    """What nobody should miss."""
    say, language = context.say, context.language
    recurring = context.data.recurring(context.data.chosen(context.view))
    lines = []
    if len(recurring):
        names = [
            [parts.meter_link(context, str(meter)), f" ({language.percent(share, 0)})"]
            for meter, share in recurring["share"].head(_NAMED).items()
        ]
        told = say(
            "More than {share} of the forecast hours are outside the 90 % band:", share=language.percent(RECURRING, 0)
        )
        more = _more(context, len(recurring), CUSTOMERS)
        lines.append(html.Div([say("Anomalies recur."), f" {told} ", *_listed(names), *more]))
    grave = _grave(alerts)
    if len(grave):
        names = [
            [parts.page_link(context, name, alert=alert_id), f" ({language.days(*days)}, {language.energy(missing)})"]
            for name, alert_id, missing, *days in grave[_GRAVE].head(_NAMED).itertuples(index=False, name=None)
        ]
        told = say("Grave alerts that nobody has judged:")
        more = _more(context, len(grave), ALERTS)
        lines.append(html.Div([say("Energy is missing."), f" {told} ", *_listed(names), *more]))
    return [parts.notice(html.Div(lines), "alarm big")] if lines else []


def _grave(alerts: pd.DataFrame) -> pd.DataFrame:
    if alerts.empty:
        return alerts
    return alerts[alerts["severity"].eq(HIGH) & alerts["state"].isin(OPEN) & (alerts["missing_kwh"] > 0)]


def _listed(names: Sequence[Sequence[parts.Content]]) -> list[parts.Content]:
    """Names with commas between them."""
    return [part for place, name in enumerate(names) for part in ((", ", *name) if place else name)]


def _more(context: Context, count: int, page: str) -> list[parts.Content]:
    if count <= _NAMED:
        return []
    told = context.say("and {count} more", count=context.language.number(count - _NAMED))
    return [" ", parts.page_link(context, told, page, state="", kind="", sort="", down=False, sheet=1)]


def _cards(context: Context, alerts: pd.DataFrame) -> Component:
    say, number = context.say, context.language.number
    shown = []
    if len(alerts):
        waiting = alerts[alerts["state"].isin(OPEN)]
        right, wrong = (int((alerts["state"] == state).sum()) for state in (CONFIRMED, DISMISSED))
        precision = context.language.percent(right / (right + wrong), 0) if right + wrong else UNKNOWN
        judged = say("{right} confirmed, {wrong} dismissed", right=number(right), wrong=number(wrong))
        missing = waiting["missing_kwh"].clip(lower=0).sum()
        grave = len(_grave(alerts))
        told = say("of them grave: {count}", count=number(grave))
        shown = [
            parts.card(say("Open alerts"), number(len(waiting)), told, "alarm" if grave else ""),
            parts.card(say("Missing energy"), context.language.energy(missing), say("in open alerts")),
            parts.card(say("Money"), context.language.money(waiting["money"].sum()), say("at the tariff")),
            parts.card(say("Judged alerts that were right"), precision, judged),
        ]
    return parts.cards([*shown, *_anomalous_hours(context)])


def _anomalous_hours(context: Context) -> list[Component]:
    """How many hours of the backtest are outside the band of their forecast."""
    say, number = context.say, context.language.number
    table = context.data.meters.loc[context.data.chosen(context.view)]
    hours, outside = table["forecast_hours"].sum(), table["hours_outside"].sum()
    if not hours:
        return []
    told = say("of {hours} forecast hours, outside the 90 % band", hours=number(hours))
    return [parts.card(say("Anomalous hours"), number(outside), told, "alarm" if outside / hours > RECURRING else "")]


def _without_alerts(context: Context, alerts: pd.DataFrame) -> list[Component]:
    """Why there is nothing to list."""
    say = context.say
    if context.data.store is None:
        told = say("There is no alert database. Run the chain with anomaly detection, or name the database:")
        codes = ["mlflow run . -P detector=combined", "python dashboard.py --alert_db sqlite:///alerts.db"]
    elif alerts.empty and context.data.store.read().empty:
        told = say("The alert database holds no alerts. The chain looks for some with:")
        codes = ["mlflow run . -P detector=combined"]
    else:
        return []
    return [parts.notice(html.Div([told, *(html.Div(html.Code(code)) for code in codes)]))]


def _ranking(context: Context, alerts: pd.DataFrame) -> list[Component]:
    """The list with the choices above it."""
    if alerts.empty:
        if context.data.store is None:
            return []
        return [parts.notice(context.say("The filters leave no alert."))]
    say = context.say
    rows = _chosen(context, _rows(alerts))
    marked = rows["name"][rows["alert_id"] == context.view.alert]
    drawn = parts.table(
        context,
        say("Alerts, the gravest first"),
        _columns(context),
        rows,
        marked=marked.iloc[0] if len(marked) else "",
        stacks=True,
    )
    note = say("The gravest first, then by money. A name opens the alert.")
    if context.view.hours != (0, DAY_HOURS):
        note += " " + say("Alerts are of whole days: the hours of the filter change nothing here.")
    tools = [parts.csv_link(context, "alerts")]
    content = [_choices(context, alerts, "state", STATES), _choices(context, alerts, "kind", KINDS), drawn]
    return [parts.section(say("Ranked alerts"), *content, note=note, tools=tools)]


def _choices(context: Context, alerts: pd.DataFrame, name: str, codes: Sequence[str]) -> Component:
    """Links that leave the alerts of one state, or kind, with how many there would be."""
    say, view = context.say, context.view
    other = "kind" if name == "state" else "state"
    wanted = getattr(view, other)
    counts = (alerts[alerts[other] == wanted] if wanted else alerts)[name].value_counts()
    all_of, told = {
        "state": (say("All states"), say("Alerts by state")),
        "kind": (say("All kinds"), say("Alerts by kind")),
    }[name]
    closed: dict[str, Any] = {"sheet": 1, "alert": ""}
    words = {"": all_of} | {code: word(code, context.language) for code in codes}
    options = [
        (
            f"{text} ({context.language.number(counts.get(code, 0) if code else counts.sum())})",
            getattr(view, name) == code,
            view.link(**closed | {name: code}),
        )
        for code, text in words.items()
    ]
    return parts.choices(context, told, options)


def _columns(context: Context) -> list[parts.Column]:
    say, language = context.say, context.language

    return [
        parts.Column("name", say("Alert"), lambda row: _name(context, row)),
        parts.Column("severity_rank", say("Severity"), lambda row: open_alert.tag(context, row.severity)),
        parts.Column("state_rank", say("State"), lambda row: open_alert.tag(context, row.state)),
        parts.Column("kind", say("Kind"), lambda row: html.Span(word(row.kind, language), className="narrow")),
        parts.Column("sector", say("Sector"), _sector),
        parts.Column("first_day", say("Days"), lambda row: _days(context, row)),
        parts.Column("missing_known_kwh", say("Missing"), lambda row: _missing(context, row), is_number=True),
        parts.Column("money", say("Money"), lambda row: language.money(row.money), is_number=True),
        parts.Column(
            "reasons",
            say("Reason"),
            lambda row: html.Span(shortened(translated(row.reasons, language), _REASON_LENGTH), className="clamped"),
            can_sort=False,
        ),
    ]


def _name(context: Context, row: Any) -> Component:
    """The rank, and the customer, which opens the alert."""
    link = parts.page_link(context, open_alert.subject(context, row), alert=row.alert_id)
    return html.Span(
        [html.Span(f"{context.language.number(row.rank)}.", className="rank"), " ", link], className="wide"
    )


def _sector(row: Any) -> parts.Content:
    return html.Span(row.sector, className="wide") if isinstance(row.sector, str) else UNKNOWN


def _days(context: Context, row: Any) -> Component:
    """From the first to the last, and how many are suspect."""
    told = context.say("days alerted: {count}", count=context.language.number(row.days_alerted))
    ends = dict.fromkeys([row.first_day, row.last_day])
    first, *last = (html.Span(context.language.day(day), className="narrow") for day in ends)
    until = [" – ", *last] if last else []
    return html.Div([first, *until, html.Div(told, className="note narrow")])


def _missing(context: Context, row: Any) -> parts.Content:
    """The missing energy, and its band."""
    if pd.isna(row.missing_known_kwh):
        return UNKNOWN
    band = open_alert.band(context, row)
    return html.Div([context.language.energy(row.missing_kwh), html.Div(band, className="note")])


TABLES: Final[Mapping[str, Callable[[Context], pd.DataFrame]]] = {
    "alerts": alerts_table,
    **open_alert.TABLES,
}
"""Tables to download, by name."""
