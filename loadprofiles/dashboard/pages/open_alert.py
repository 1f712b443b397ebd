"""One alert: why, the days beside the expected band and the peers, and the form to judge it by."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd
from dash import dcc, html
from dash.development.base_component import Component

from loadprofiles.anomalies.alert import FAULT, GROUP
from loadprofiles.anomalies.states import CONFIRMED, DISMISSED, NEW, SEEN
from loadprofiles.dashboard import charts, parts
from loadprofiles.dashboard.charts import Trace
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.judging import NAME_LENGTH, NOTE_LENGTH
from loadprofiles.dashboard.language import UNKNOWN
from loadprofiles.dashboard.sentences import clauses, translated, word
from loadprofiles.dashboard.state import CONSUMPTION
from loadprofiles.plots.anomalies import (
    DAYS_AFTER,
    DAYS_BEFORE,
    METERS_SHOWN,
    AlertDays,
    ToldAlert,
    ratio_limit,
)
from loadprofiles.plots.view import Floats

_PEERS_READ: Final = 40
"""More of a sector do not change what is usual in it, and have to be read."""

_METERS_NAMED: Final = 10
_RAREST: Final = 1_000_000
_COLUMNS: Final = ("meter_id", "date", "actual_kwh", "expected_kwh", "low_kwh", "high_kwh", "score", "threshold")
_RATIOS: Final = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_SHADE: Final = 0.12
_HALF_DAY: Final = timedelta(hours=12)


def render(context: Context, alerts: pd.DataFrame) -> list[Component]:
    """The alert that the view names; nothing where it names none.

    Args:
        context: Of the page.
        alerts: Those of the filters; one that is not among them is looked for in the database.
    """
    alert_id, store = context.view.alert, context.data.store
    if not alert_id or store is None:
        return []
    stored = alerts if alerts["alert_id"].eq(alert_id).any() else store.read()
    found = stored[stored["alert_id"] == alert_id]
    if found.empty:
        told = context.say("There is no alert {name}; it may have become a part of another one.", name=alert_id)
        return [parts.notice(html.Div([told, " ", _close(context)]))]
    row: Any = next(found.itertuples(index=False))
    heading = f"{subject(context, row)}, {context.language.days(row.first_day, row.last_day)}"
    tools = [parts.csv_link(context, "alert_days"), _close(context, "tool")]
    content = [_tags(context, row), *_why(context, row), _figures(context, row), *_charts(context, row)]
    return [parts.section(heading, *content, *_history(context), *_judgement(context, row), tools=tools)]


def alert_days_table(context: Context) -> pd.DataFrame:
    """The days of the alert that the view names: `meter_id, day, p_value, expected_kwh, low_kwh, high_kwh, …`.

    Raises:
        InputError: There is no such alert.
    """
    store = context.data.store
    return store.days(context.view.alert) if store is not None and context.view.alert else pd.DataFrame()


def alert_judged_days_table(context: Context) -> pd.DataFrame:
    """What the charts of the alert show: the days around it, of its meters and of their peers."""
    if context.data.store is None or not context.view.alert:
        return pd.DataFrame()
    stored = context.data.store.read()
    found = stored[stored["alert_id"] == context.view.alert]
    return pd.concat([_judged_days(context, row) for row in found.itertuples()]) if len(found) else pd.DataFrame()


def subject(context: Context, row: Any) -> str:
    """Whom an alert is about: a meter, or how many of them."""
    if row.kind != GROUP:
        return str(row.subject)
    return context.say("{count} customers", count=context.language.number(len(row.meters)))


def tag(context: Context, code: str) -> Component:
    """A severity or state."""
    return html.Span(word(code, context.language), className=f"tag {code}")


def band(context: Context, row: Any) -> str:
    """What may be missing at least and at most."""
    low, high = row.missing_low_kwh, row.missing_high_kwh
    if not (np.isfinite(low) and np.isfinite(high)):
        return ""
    return context.say("{low} to {high}", low=context.language.energy(low), high=context.language.energy(high))


def _close(context: Context, style: str = "") -> Component:
    return dcc.Link(context.say("Close"), href=context.view.link(alert=""), className=style)


def _tags(context: Context, row: Any) -> Component:
    """Severity, state, kind, and whose consumption it is."""
    say = context.say
    first, last = _span(row)
    links: list[parts.Content] = []
    for meter in row.meters[:_METERS_NAMED]:
        links += [
            " · ",
            parts.page_link(context, meter, CONSUMPTION, customer=meter, sector="", first=first, last=last),
        ]
    more = len(row.meters) - _METERS_NAMED
    others = [" ", say("and {count} more", count=context.language.number(more))] if more > 0 else []
    kind = html.Span(word(row.kind, context.language), className="tag")
    sector = [html.Span(f" · {row.sector}")] if row.sector else []
    spaced = [tag(context, row.severity), " ", tag(context, row.state), " ", kind, *sector]
    return html.Div([html.P(spaced), html.P([say("Consumption:"), " ", *links[1:], *others])])


def _why(context: Context, row: Any) -> list[Component]:
    say = context.say
    reasons = html.Ul([html.Li(clause) for clause in clauses(row.reasons, context.language)])
    peers = [html.P([html.Strong(say("Peers:")), " ", translated(row.peers, context.language)])] if row.peers else []
    return [html.H3(say("Why")), reasons, *peers]


def _figures(context: Context, row: Any) -> Component:
    say, language = context.say, context.language
    is_known = bool(row.expected_kwh or row.actual_kwh)
    expected, actual, missing = (
        language.energy(value) if is_known else UNKNOWN for value in (row.expected_kwh, row.actual_kwh, row.missing_kwh)
    )
    rarity, told = _rarity(context, row)
    days = say("days alerted: {count}", count=language.number(row.days_alerted))
    price = say("at {price} a kWh", price=language.number(row.tariff, 3))
    return parts.cards(
        [
            parts.card(say("Expected"), expected, days),
            parts.card(say("Metered"), actual),
            parts.card(say("Missing"), missing, band(context, row) if is_known else ""),
            parts.card(say("Money"), language.money(row.money), price),
            parts.card(say("How rare"), rarity, told),
        ]
    )


def _rarity(context: Context, row: Any) -> tuple[str, str]:
    """The p-value in words."""
    say = context.say
    if row.kind == FAULT:
        return say("a rule"), say("found it, not a probability")
    if not row.p_value > 0:
        return UNKNOWN, ""
    days = min(1 / row.p_value, _RAREST)
    told = say("as suspect as its worst, were nothing wrong")
    return say("1 day in {days}", days=context.language.number(days)), told


def _span(row: Any) -> tuple[date, date]:
    """The first and the last day shown."""
    return (row.first_day - timedelta(days=DAYS_BEFORE)).date(), (row.last_day + timedelta(days=DAYS_AFTER)).date()


def _charts(context: Context, row: Any) -> list[Component]:
    """The days of the alert's meters, their scores, and the peers."""
    say = context.say
    days = AlertDays.of(ToldAlert.of(row._asdict()), _judged_days(context, row))
    if not days.meters:
        return [parts.notice(say("This run has no judged days of this alert: it is of another run."))]
    alerted = alert_days_table(context)
    panels = [_energy(context, row, days, place, alerted) for place in range(min(len(days.meters), METERS_SHOWN))]
    less = len(days.meters) - METERS_SHOWN
    note = (
        [html.P(say("Shown are those farthest from what was expected; {count} more are not.", count=less))]
        if less > 0
        else []
    )
    ratios = days.peer_ratios()
    compared = [] if ratios.empty else [_compared(context, row, days, ratios)]
    return [
        html.H3(say("Energy by day")),
        *note,
        html.Div(panels, className="two") if len(panels) > 1 else panels[0],
        html.Div([_scores(context, row, days), *compared], className="two"),
    ]


def _judged_days(context: Context, row: Any) -> pd.DataFrame:
    meters = [*row.meters, *_peers(context, row)]
    return context.data.results.judged_days_between(meters, *_span(row), _COLUMNS)


def _peers(context: Context, row: Any) -> list[str]:
    """Other meters of the sector; of many some, one as likely as the other."""
    if not row.sector:
        return []
    meters = context.data.meters
    others = meters.index[meters["sector"] == row.sector].difference(row.meters)
    places = np.unique(np.linspace(0, len(others) - 1, min(len(others), _PEERS_READ)).round().astype(np.int64))
    return [str(meter) for meter in others[places]]


def _shade(row: Any) -> dict[str, Any]:
    """The time of the alert, from the begin of its first day to the end of its last; a day is told in its middle."""
    return {
        "type": "rect",
        "x0": row.first_day - _HALF_DAY,
        "x1": row.last_day + _HALF_DAY,
        "yref": "paper",
        "y0": 0,
        "y1": 1,
        "fillcolor": charts.ALARM,
        "opacity": _SHADE,
        "line": {"width": 0},
        "layer": "below",
    }


def _line(x: pd.DatetimeIndex, y: Floats, name: str, color: str, **options: Any) -> Trace:
    line = {"color": color, "width": 1.5}
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, "name": name, "line": line} | options


def _energy(context: Context, row: Any, days: AlertDays, place: int, alerted: pd.DataFrame) -> Component:
    """What was metered of a meter and expected, day by day."""
    say, language = context.say, context.language
    meter = days.meters[place]
    x = days.dates
    actual, expected, low, high = (
        days.values(name, meter) for name in ("actual_kwh", "expected_kwh", "low_kwh", "high_kwh")
    )
    limits = days.limits(meter)
    own = x.isin(alerted["day"][alerted["meter_id"] == meter])
    during = own & np.isfinite(actual)
    seen = np.clip(actual[during], *limits)
    is_beyond = seen != actual[during]
    kwh = "%{y:,.1f} kWh"
    traces = [
        *charts.band(x, low, high, say("90 % band")),
        _line(x, expected, say("expected"), charts.EXPECTED, hovertemplate=kwh),
        _line(x, actual, say("metered"), charts.ACTUAL, mode="lines+markers", marker={"size": 4}, hovertemplate=kwh),
        _line(
            x[during],
            seen,
            say("metered, days of the alert"),
            charts.ALARM,
            mode="markers",
            hoverinfo="skip",
            marker={"color": charts.ALARM, "size": 8, "symbol": np.where(is_beyond, "triangle-up", "circle")},
        ),
    ]
    drawn = charts.figure(traces, y=say("kWh a day"), legend=True, shapes=[_shade(row)], yaxis={"range": limits})
    told = say(
        "Energy of {meter} by day: on the days of the alert {actual} were metered, {expected} expected.",
        meter=meter,
        actual=language.energy(np.nansum(actual[own])),
        expected=language.energy(np.nansum(expected[own])),
    )
    graph = parts.chart(context, f"alert-energy-{place + 1}", drawn, told, height=300, csv="alert_judged_days")
    return html.Div([html.H4(meter), graph]) if len(days.meters) > 1 else graph


def _scores(context: Context, row: Any, days: AlertDays) -> Component:
    """The scores of the days against the threshold; of several meters the median."""
    say = context.say
    score, threshold = days.median("score"), days.median("threshold")
    above = score > threshold
    number = "%{y:,.2f}"
    bars: Trace = {
        "type": "bar",
        "x": days.dates,
        "y": score,
        "name": say("score"),
        "marker": {"color": np.where(above, charts.ALARM, charts.ACTUAL)},
        "hovertemplate": number,
    }
    line = {"color": charts.EXPECTED, "width": 1.5, "dash": "dash"}
    traces = [bars, _line(days.dates, threshold, say("threshold"), charts.EXPECTED, line=line, hovertemplate=number)]
    drawn = charts.figure(traces, y=say("score"), legend=True, shapes=[_shade(row)])
    told = say("Scores by day; days above the threshold: {count}.", count=int(above.sum()))
    heading = say("Score, median of its customers") if len(days.meters) > 1 else say("Score")
    return html.Div(
        [html.H3(heading), parts.chart(context, "alert-scores", drawn, told, height=260, csv="alert_judged_days")]
    )


def _compared(context: Context, row: Any, days: AlertDays, ratios: pd.DataFrame) -> Component:
    """What was metered of what was expected: of the alert, and of the others of its sector."""
    say, language = context.say, context.language
    own = _own_ratios(days)
    median = ratios.median(axis=1).to_numpy(np.float64)
    top = ratio_limit(np.concatenate([ratios.to_numpy(np.float64).ravel(), own]))
    low, high = (np.clip(extreme, 1 / top, top) for extreme in (ratios.min(axis=1), ratios.max(axis=1)))
    traces = charts.band(days.dates, low, high, say("others, least to most"))
    for values, name, color in (
        (median, say("others, median"), charts.OTHER),
        (own, say("this alert"), charts.ALARM),
    ):
        clipped = np.clip(values, 1 / top, top)
        traces.append(_line(days.dates, clipped, name, color, customdata=values, hovertemplate="%{customdata:,.0%}"))
    ticks = [ratio for ratio in _RATIOS if 1 / top <= ratio <= top]
    axis = {
        "type": "log",
        "range": [-np.log10(top), np.log10(top)],
        "tickvals": ticks,
        "ticktext": [language.percent(tick, 1 if tick < _RATIOS[1] else 0) for tick in ticks],
    }
    drawn = charts.figure(traces, y=say("metered of expected"), legend=True, shapes=[_shade(row)], yaxis=axis)
    usual = float(np.nanmedian(median[days.during])) if np.isfinite(median[days.during]).any() else np.nan
    told = say(
        "Metered of expected: on the days of the alert the others of the sector used {share} in the median.",
        share=language.percent(usual, 0),
    )
    heading = say("Beside the others of its sector ({count})", count=language.number(ratios.shape[1]))
    return html.Div(
        [html.H3(heading), parts.chart(context, "alert-peers", drawn, told, height=260, csv="alert_judged_days")]
    )


def _own_ratios(days: AlertDays) -> Floats:
    """Metered over expected of the alert's meters, the median."""
    actual, expected = (days.tables[name][list(days.meters)] for name in ("actual_kwh", "expected_kwh"))
    return (actual / expected.where(expected > 0)).median(axis=1).to_numpy(np.float64)


def _history(context: Context) -> list[Component]:
    """What people have said of it."""
    say, language, data = context.say, context.language, context.data
    said = data.store.history(context.view.alert) if data.store else pd.DataFrame()
    if said.empty:
        return []
    columns = [
        parts.Column(
            "changed_at_utc",
            say("When"),
            lambda row: language.moment(row.changed_at_utc, data.results.timezone),
            can_sort=False,
        ),
        parts.Column("changed_by", say("Who"), lambda row: row.changed_by, can_sort=False),
        parts.Column("state", say("State"), lambda row: tag(context, row.state), can_sort=False),
        parts.Column("note", say("Note"), lambda row: row.note, can_sort=False),
    ]
    return [html.H3(say("What was said of it")), parts.table(context, say("What was said of it"), columns, said)]


def _judgement(context: Context, row: Any) -> list[Component]:
    """The form that says what a reader thinks of it."""
    say = context.say
    heading = html.H3(say("Judge it"))
    if context.read_only:
        return [heading, html.P(say("This dashboard is read-only: alerts cannot be judged here."))]
    texts = {
        CONFIRMED: (say("Confirm"), "danger"),
        DISMISSED: (say("Dismiss"), ""),
        **({SEEN: (say("Mark as seen"), "")} if row.state == NEW else {}),
        NEW: (say("Reopen"), ""),
    }
    buttons = [
        html.Button(text, id={"judge": state}, className=style, type="button")
        for state, (text, style) in texts.items()
        if state != row.state
    ]
    note = [
        html.Label(say("Note: what was found"), htmlFor="judge-note"),
        dcc.Textarea(id="judge-note", rows=3, maxLength=NOTE_LENGTH),
    ]
    # there also when nobody is asked, because the callback reads it
    who = [
        html.Label(say("Your name"), htmlFor="judge-who"),
        dcc.Input(
            id="judge-who",
            type="text",
            maxLength=NAME_LENGTH,
            persistence=True,
            persistence_type="local",
        ),
    ]
    signed = [html.P(say("You are signed in as {user}.", user=context.user), className="note")] if context.user else []
    return [
        heading,
        html.Div(
            [
                html.Div(note),
                html.Div(who, hidden=bool(context.user)),
                *signed,
                html.Div(buttons, className="tools"),
                html.Div(id="judge-answer", role="alert"),
            ],
            className="judge",
        ),
    ]


TABLES: Final[Mapping[str, Callable[[Context], pd.DataFrame]]] = {
    "alert_days": alert_days_table,
    "alert_judged_days": alert_judged_days_table,
}
"""Tables to download, by name."""
