"""What the readings are worth, what was done to them, and on what evidence."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
from dash import html
from dash.development.base_component import Component

from loadprofiles import corrections as c
from loadprofiles import readings as r
from loadprofiles.dashboard import parts
from loadprofiles.dashboard.charts import UPSIDE_DOWN, Trace, figure
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.language import UNKNOWN
from loadprofiles.dashboard.series import load_series
from loadprofiles.dashboard.state import CONSUMPTION
from loadprofiles.plots.interactive import label
from loadprofiles.profiles import midnight_utc
from loadprofiles.report import UNSURE, Kind, kind_of
from loadprofiles.results import FIRST_COMMAND

WORST_SHOWN: Final = 25
"""Meters in the chart of shares, and rows of tables that have no sheets: the address has one sheet a page."""

_EDITED: Final = (r.EDITED_SCALE, r.EDITED_RESET)
_ESTIMATED: Final = (r.ESTIMATED_INTERPOLATED, r.ESTIMATED_NIGHT_ZERO, r.ESTIMATED_LIKE_DAY)
_REJECTED: Final = (r.REJECTED_OUTLIER, r.REJECTED_REGISTER)
_DOUBTED: Final = tuple(name for name in r.QUALITY if name != r.MEASURED)

_COLORS: Final = {"edited": "#009E73", "estimated": "#B87900", "rejected": "#D55E00", "missing": "#7A7A7A"}
_PATTERNS: Final = ("", "/", "x")
"""What tells qualities of one colour apart."""

_PIXELS_A_BAR: Final = 24
_PIXELS_AROUND: Final = 110
_LABEL_WIDTH: Final = 18

_AFRESH: Final[Mapping[str, object]] = {"sort": "", "down": False, "sheet": 1}
"""Changes of a view that bring its tables to their own order."""


def title(context: Context) -> str:
    """The page's heading."""
    return context.say("Data quality")


def render(context: Context) -> list[Component]:
    """The page."""
    if context.data.results.vee_report.empty:
        told = context.say("This run has no report of what was done to its readings. Run the chain again:")
        return [parts.notice([told, " ", html.Code(FIRST_COMMAND)])]
    return _meter(context) if context.view.customer else _overview(context)


# --- tables


def meters_table(context: Context) -> pd.DataFrame:
    """The rows of `vee_report.csv` of a view, sorted as it asks."""
    rows = parts.sorted_rows(_report(context), context, _report_columns(context))
    return context.data.results.vee_report.loc[rows.index]


def findings_table(context: Context) -> pd.DataFrame:
    """The rows of `findings.csv` of a view, the gravest first; moments in UTC."""
    return _findings(context)


def corrections_table(context: Context) -> pd.DataFrame:
    """The corrections in effect, of the meters of a view."""
    table = context.data.results.corrections
    return _of_meters(context, table, "meter")


def months_table(context: Context) -> pd.DataFrame:
    """The share of each quality in a meter's readings, in percent, by local month; without rows if none is chosen."""
    shares = _monthly(context) if context.view.customer else None
    if shares is None:
        return pd.DataFrame(columns=["month", *map(_share_name, r.QUALITY)])
    return shares.rename(columns=_share_name).rename_axis("month").reset_index()


def _share_name(quality: str) -> str:
    return f"share_{quality}_percent"


def _report(context: Context) -> pd.DataFrame:
    """What became of each meter's readings, the worst first, with the index of `Results.vee_report`.

    Returns:
        `meter_id, source, readings, measured, edited, estimated, rejected, missing, days, profiles, findings,
        confidence, gap_hours`; shares in percent.
    """
    given = _of_meters(context, context.data.results.vee_report, "meter_id")
    shares = _shares(given)
    table = pd.DataFrame(
        {
            "meter_id": given["meter_id"],
            "source": given["source"],
            "readings": given["readings"],
            "measured": shares[r.MEASURED],
            "edited": shares[[*_EDITED]].sum(axis=1),
            "estimated": shares[[*_ESTIMATED]].sum(axis=1),
            "rejected": shares[[*_REJECTED]].sum(axis=1),
            "missing": shares[r.MISSING],
            "days": _number(given, "days"),
            "profiles": _number(given, "days_profile"),
            "findings": given["findings"],
            "confidence": _number(given, "lowest_confidence"),
            "gap_hours": _number(given, "longest_gap_hours"),
        }
    )
    return table.sort_values(["measured", "findings", "meter_id"], ascending=[True, False, True])


def _shares(report: pd.DataFrame) -> pd.DataFrame:
    """The share of each quality in each meter's readings, in percent; NaN where there are no readings."""
    there = report["readings"] > 0
    return pd.DataFrame({name: _number(report, _share_name(name)).fillna(0.0).where(there) for name in r.QUALITY})


def _number(table: pd.DataFrame, name: str) -> pd.Series:
    """A column as numbers; one that is not there is not known."""
    column = table[name] if name in table else pd.Series(np.nan, index=table.index)
    return column.astype("float64")


def _of_meters(context: Context, table: pd.DataFrame, column: str) -> pd.DataFrame:
    """The rows of a view's meters; of all meters also those without a day that could be shown elsewhere."""
    view = context.view
    if view.customer:
        return table[table[column] == view.customer]
    if view.sector:
        meters = context.data.results.meters
        return table[table[column].isin(meters.loc[meters["sector"] == view.sector, "meter_id"])]
    return table


def _findings(context: Context) -> pd.DataFrame:
    """The findings of a view's meters and period, the gravest first; those without a moment are of any period."""
    table = _of_meters(context, context.data.findings, "meter_id")
    view, zone = context.view, context.data.results.timezone
    inside = pd.Series(True, index=table.index)
    if view.first:
        start = midnight_utc(view.first, zone)
        inside &= (table["to_utc"] > start) | (table["from_utc"] >= start)
    if view.last:
        inside &= table["from_utc"] < midnight_utc(view.last, zone, days=1)
    return table[inside | table["from_utc"].isna()]


# --- all meters


def _overview(context: Context) -> list[Component]:
    say = context.say
    report, found = _report(context), _findings(context)
    note = say("Shares are of all readings, whatever period and hours the filters have; a reading of 15 minutes counts "
               "as much as one of an hour.")  # fmt: skip
    listed = parts.table(context, say("Meters, the worst first"), _report_columns(context), report)
    gravest = parts.table(context, say("The gravest findings"), _finding_columns(context), found.head(WORST_SHOWN))
    return [
        _cards(context, report, found),
        parts.section(say("Readings that are not as measured"), *_worst(context, report), note=note),
        parts.section(say("Meters"), listed, tools=[parts.csv_link(context, "quality")]),
        parts.section(
            say("The gravest findings"),
            gravest,
            _meanings(context, found.head(WORST_SHOWN)),
            note=f"{_told_period(context)} {_told_cut(context, len(found))}",
            tools=[parts.csv_link(context, "findings")],
        ),
        *_corrections(context),
        *_duplicates(context),
    ]


def _cards(context: Context, report: pd.DataFrame, found: pd.DataFrame) -> Component:
    say, number = context.say, context.language.number
    unsure = int((found["confidence"] < UNSURE).sum())
    lost = _percent(context, report, "rejected", "missing")
    return parts.cards(
        [
            parts.card(say("Meters"), number(report["meter_id"].nunique())),
            parts.card(say("Readings"), number(report["readings"].sum())),
            parts.card(say("Measured"), _percent(context, report, "measured"), say("of the readings")),
            parts.card(
                say("Edited"), _percent(context, report, "edited"), say("brought to scale, taken across resets")
            ),
            parts.card(say("Estimated"), _percent(context, report, "estimated"), say("of short gaps")),
            parts.card(say("Rejected or missing"), lost, say("without energy")),
            parts.card(say("Findings"), number(len(found)), say("in the period")),
            parts.card(
                say("Of low confidence"),
                number(unsure),
                say("below {confidence}", confidence=number(UNSURE, 1)),
                "alarm" if unsure else "",
            ),
        ]
    )


def _percent(context: Context, report: pd.DataFrame, *names: str) -> str:
    """The share that some columns have in the readings of all meters."""
    weights = report["readings"]
    whole = weights.sum()
    if not whole:
        return UNKNOWN
    percent = float((report[[*names]].sum(axis=1) * weights).sum() / whole)
    return _exact(context, percent)


def _exact(context: Context, percent: float) -> str:
    """A percentage; what is not nothing is never shown as nothing, nor what is not all as all."""
    number = context.language.number
    if 0 < percent < 0.05:
        return f"< {number(0.1, 1)} %"
    if 99.95 <= percent < 100:
        return f"> {number(99.9, 1)} %"
    return f"{number(percent, 1)} %"


def _worst(context: Context, report: pd.DataFrame) -> list[Component]:
    """The meters of which most is not as measured, by quality."""
    doubted = report[report["measured"] < 100].head(WORST_SHOWN)
    if doubted.empty:
        return [parts.notice(context.say("All readings of all these meters are as measured."))]
    shares = _shares(context.data.results.vee_report.loc[doubted.index])
    # meters may share a shortened name, and a meter may be of two sources: so bars are placed by number
    places = np.arange(len(doubted))
    bars = _bars(context, shares, lambda share: {"x": share, "y": places, "orientation": "h"}, "%{x:,.1f} %")
    names = [label(meter, _LABEL_WIDTH) for meter in doubted["meter_id"]]
    drawn = figure(
        bars,
        x=context.say("share of the readings, %"),
        legend=True,
        barmode="stack",
        hovermode="y unified",
        bargap=0.25,
        yaxis=UPSIDE_DOWN | {"tickvals": places, "ticktext": names, "rangemode": "normal"},
    )
    worst = doubted.iloc[0]
    told = context.say(
        "Share of readings that are not as measured, of {count} meters; most has {meter}: {percent}.",
        count=len(doubted),
        meter=worst["meter_id"],
        percent=_exact(context, 100 - worst["measured"]),
    )
    height = _PIXELS_AROUND + _PIXELS_A_BAR * len(doubted)
    return [parts.chart(context, "quality-shares", drawn, told, height=height, csv="quality")]


def _bars(
    context: Context, shares: pd.DataFrame, placed: Callable[[pd.Series], Mapping[str, Any]], hover: str
) -> list[Trace]:
    """The bars of each quality that occurs, but of what is as measured, to be stacked."""
    words = _quality_words(context)
    bars = []
    for name in _DOUBTED:
        if not (shares[name] > 0).any():
            continue
        group = name.partition("_")[0]
        number = [each for each in _DOUBTED if each.startswith(group)].index(name)
        bars.append(
            {
                "type": "bar",
                **placed(shares[name]),
                "name": words[name],
                "marker": {"color": _COLORS[group], "line": {"width": 0}, "pattern": {"shape": _PATTERNS[number]}},
                "hovertemplate": f"{words[name]}: {hover}<extra></extra>",
            }
        )
    return bars


def _quality_words(context: Context) -> dict[str, str]:
    say = context.say
    return {
        r.MEASURED: say("measured"),
        r.EDITED_SCALE: say("edited: scale"),
        r.EDITED_RESET: say("edited: reset"),
        r.ESTIMATED_INTERPOLATED: say("estimated: interpolated"),
        r.ESTIMATED_NIGHT_ZERO: say("estimated: zero at night"),
        r.ESTIMATED_LIKE_DAY: say("estimated: like other days"),
        r.REJECTED_OUTLIER: say("rejected: outlier"),
        r.REJECTED_REGISTER: say("rejected: register fault"),
        r.MISSING: say("missing"),
    }


def _report_columns(context: Context) -> list[parts.Column]:
    say, number = context.say, context.language.number

    def share(name: str, heading: str) -> parts.Column:
        return parts.Column(name, heading, lambda row: number(getattr(row, name), 1), is_number=True)

    def count(name: str, heading: str, digits: int = 0) -> parts.Column:
        return parts.Column(name, heading, lambda row: number(getattr(row, name), digits), is_number=True)

    return [
        parts.Column("meter_id", say("Meter"), lambda row: _meter_link(context, row.meter_id)),
        parts.Column("source", say("Source"), lambda row: row.source),
        count("readings", say("Readings")),
        share("measured", say("Measured, %")),
        share("edited", say("Edited, %")),
        share("estimated", say("Estimated, %")),
        share("rejected", say("Rejected, %")),
        share("missing", say("Missing, %")),
        count("days", say("Days")),
        count("profiles", say("Profiles")),
        count("findings", say("Findings")),
        parts.Column(
            "confidence",
            say("Lowest confidence"),
            lambda row: _confidence(context, row.confidence),
            is_number=True,
        ),
        count("gap_hours", say("Longest gap, h"), 1),
    ]


def _meter_link(context: Context, meter: str) -> parts.Content:
    """A meter's name, which leads to its data quality; a meter without a day has no page."""
    if meter not in context.data.meters.index:
        return meter
    return parts.page_link(context, meter, None, customer=meter, sector="", **_AFRESH)


# --- findings


def _finding_columns(context: Context, *, of_one: bool = False) -> list[parts.Column]:
    """The columns of findings; those of one meter can be sorted."""
    say = context.say
    columns = [
        parts.Column("meter_id", say("Meter"), lambda row: _meter_link(context, row.meter_id), can_sort=of_one),
        parts.Column("kind", say("Kind"), lambda row: _capital(say(_kind(context, row.kind).words)), can_sort=of_one),
        parts.Column("from_utc", say("From – to"), lambda row: _span(context, row), can_sort=of_one),
        parts.Column(
            "readings",
            say("Readings"),
            lambda row: context.language.number(row.readings),
            is_number=True,
            can_sort=of_one,
        ),
        parts.Column(
            "factor", say("Factor"), lambda row: _factor(context, row.factor), is_number=True, can_sort=of_one
        ),
        parts.Column(
            "confidence",
            say("Confidence"),
            lambda row: _confidence(context, row.confidence),
            is_number=True,
            can_sort=of_one,
        ),
        parts.Column("evidence", say("Evidence"), _evidence, can_sort=False),
        parts.Column("done", say("Done"), lambda row: say(_kind(context, row.kind).done), can_sort=False),
    ]
    return columns[1:] if of_one else columns


def _kind(context: Context, name: str) -> Kind:
    accounts = context.data.results.meters.columns
    return kind_of(name, (str(each).removeprefix("dropped_") for each in accounts if str(each).startswith("dropped_")))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _evidence(row: Any) -> parts.Content:
    """What VEE says, which is English."""
    return html.Span(row.evidence, lang="en", className="wide") if isinstance(row.evidence, str) else UNKNOWN


def _span(context: Context, row: Any) -> parts.Content:
    """From when to when, in local time."""
    if pd.isna(row.from_utc):
        return UNKNOWN
    moment, zone = context.language.moment, context.data.results.timezone
    start = moment(row.from_utc, zone)
    if pd.isna(row.to_utc) or row.to_utc == row.from_utc:
        return html.Span(start, className="wide")
    first, last = row.from_utc.tz_convert(zone), row.to_utc.tz_convert(zone)
    end = f"{last:%H:%M}" if first.date() == last.date() else moment(row.to_utc, zone)
    return html.Span(f"{start} – {end}", className="wide")


def _factor(context: Context, factor: float) -> str:
    """`×1,000`, or `÷60,000` where the inverse is the rounder number."""
    number = context.language.number
    if pd.isna(factor) or factor == 0:
        return ""
    inverse = 1 / factor
    if abs(factor) < 1 and abs(inverse - round(inverse)) < 1e-6 * abs(inverse):
        return f"÷{number(inverse)}"
    return f"×{number(factor, len(f'{factor:.4g}'.partition('.')[2]))}"


def _confidence(context: Context, confidence: float) -> parts.Content:
    """A confidence; a low one, which a person should check, is marked."""
    text = context.language.number(confidence, 2)
    if not confidence < UNSURE:
        return text
    return html.Span([text, " ", html.Span(context.say("low"), className="unseen")], className="tag medium")


def _meanings(context: Context, found: pd.DataFrame, is_open: bool = False) -> Component | None:
    """What the kinds among some findings mean."""
    if found.empty:
        return None
    kinds = [_kind(context, name) for name in dict.fromkeys(found["kind"])]
    say = context.say
    terms = [
        each
        for kind in kinds
        for each in (html.Dt(f"{_capital(say(kind.words))} ({say(kind.done)})"), html.Dd(say(kind.meaning)))
    ]
    return html.Details([html.Summary(say("What the kinds mean")), html.Dl(terms)], open=is_open, className="meanings")


def _told_period(context: Context) -> str:
    view, language = context.view, context.language
    if not (view.first or view.last):
        return context.say("Of all days; the hours of the filters do not matter here.")
    first, last = context.data.period(view)
    if first > last:
        return context.say("The period of the filter has no readings.")
    days = language.days(first, last)
    return context.say("Of {days}; the hours of the filters do not matter here.", days=days)


def _told_cut(context: Context, rows: int) -> str:
    """That a table without sheets ends early."""
    if rows <= WORST_SHOWN:
        return ""
    shown, whole = WORST_SHOWN, context.language.number(rows)
    return context.say("The first {shown} of {rows}; the CSV has all.", shown=shown, rows=whole)


# --- one meter


def _meter(context: Context) -> list[Component]:
    say, meter = context.say, context.view.customer
    report, found = _report(context), _findings(context)
    share = say("Share of the readings of each local month.")
    there = parts.page_link(context, say("Consumption of {meter}", meter=meter), CONSUMPTION)
    back = parts.page_link(context, say("All meters"), None, customer="", **_AFRESH)
    listed = parts.table(
        context, say("Findings of {meter}", meter=meter), _finding_columns(context, of_one=True), found
    )
    return [
        html.P([there, " · ", back]),
        _meter_cards(context, report),
        parts.section(
            say("Readings that are not as measured"),
            *_months(context, meter),
            note=f"{share} {_told_period(context)}",
        ),
        parts.section(
            say("Findings"),
            listed,
            _meanings(context, found, is_open=True),
            note=f"{_told_period(context)} {_told_report(context, report)}",
            tools=[parts.csv_link(context, "findings")],
        ),
        *_corrections(context),
        *_duplicates(context),
    ]


def _meter_cards(context: Context, report: pd.DataFrame) -> Component:
    say, number = context.say, context.language.number
    confidence = report["confidence"].min()
    return parts.cards(
        [
            parts.card(say("Readings"), number(report["readings"].sum())),
            parts.card(say("Measured"), _percent(context, report, "measured")),
            parts.card(say("Edited"), _percent(context, report, "edited")),
            parts.card(say("Estimated"), _percent(context, report, "estimated")),
            parts.card(say("Rejected"), _percent(context, report, "rejected")),
            parts.card(
                say("Missing readings"),
                _percent(context, report, "missing"),
                say("longest gap {hours} h", hours=number(report["gap_hours"].max(), 1)),
            ),
            parts.card(
                say("Days with a profile"),
                number(report["profiles"].sum()),
                say("of {count}", count=number(report["days"].sum())),
            ),
            parts.card(
                say("Findings"),
                number(report["findings"].sum()),
                say("lowest confidence {confidence}", confidence=number(confidence, 2)),
                "alarm" if confidence < UNSURE else "",
            ),
        ]
    )


def _months(context: Context, meter: str) -> list[Component]:
    """How much of each month is not as measured, by quality."""
    shares = _monthly(context)
    if shares is None:
        return [parts.notice(context.say("This run has no readings of this meter, only its profiles."))]
    if not (shares[[*_DOUBTED]] > 0).any(axis=None):
        return [parts.notice(context.say("All its readings are as measured."))]
    names = context.language.months()
    months = [f"{names[month.month - 1]} {month.year}" for month in shares.index]
    bars = _bars(context, shares, lambda share: {"x": months, "y": share}, "%{y:,.1f} %")
    unit, axis = context.say("share of the readings, %"), {"type": "category", "showgrid": False}
    drawn = figure(bars, y=unit, legend=True, barmode="stack", bargap=0.15, xaxis=axis)
    doubted = shares[[*_DOUBTED]].sum(axis=1)
    worst = int(doubted.to_numpy().argmax())
    told = context.say(
        "Share of the readings of {meter} that are not as measured in {count} months; most in {month}: {percent}.",
        meter=meter,
        count=len(months),
        month=months[worst],
        percent=_exact(context, float(doubted.iloc[worst])),
    )
    return [parts.chart(context, "quality-months", drawn, told, csv="quality_months")]


def _monthly(context: Context) -> pd.DataFrame | None:
    """The share of each quality in each local month's readings, in percent, by the month's first day.

    None where the run has no readings of the meter, only profiles.
    """
    stored, view = context.data.results.readings, context.view
    if stored is None or view.customer not in stored.meters:
        return None
    table = load_series(stored, view.customer, context.data.results.timezone, view.first, view.last, columns=())
    stamps = pd.DatetimeIndex(table["timestamp_local"])
    months = stamps.year.to_numpy() * 12 + stamps.month.to_numpy() - 1
    codes = table["quality"].cat.codes.to_numpy()
    first = int(months.min()) if len(months) else 0
    number = int(months.max()) - first + 1 if len(months) else 0
    counts = np.bincount((months - first) * len(r.QUALITY) + codes, minlength=number * len(r.QUALITY))
    counts = counts.reshape(number, len(r.QUALITY))
    whole = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    index = [date(month // 12, month % 12 + 1, 1) for month in range(first, first + number)]
    return pd.DataFrame(100 * counts / whole, index=index, columns=list(r.QUALITY))


def _told_report(context: Context, report: pd.DataFrame) -> str:
    """Where the report with the faults drawn is."""
    runs = context.data.results.steps
    steps = [f"etl_{source}" for source in report["source"] if f"etl_{source}" in runs]
    if not steps:
        return ""
    return context.say(
        "Faults are drawn in vee_report.html, an artifact of run {run} in MLflow.",
        run=", ".join(f"{each} {runs[each][:8]}" for each in steps),
    )


# --- corrections and duplicates


def _corrections(context: Context) -> list[Component]:
    """The corrections in effect; no section where there are none."""
    rows = corrections_table(context)
    if rows.empty:
        return []
    say, words = context.say, _rule_words(context)
    rows = rows.rename(columns={"from": "begin", "to": "end"})
    columns = [
        _plain("meter", say("Meter"), lambda row: _meter_link(context, row.meter)),
        _plain("rule", say("Rule"), lambda row: words.get(row.rule, row.rule)),
        _plain("begin", say("From"), lambda row: _bound(context, row.begin, say("the beginning"))),
        _plain("end", say("To"), lambda row: _bound(context, row.end, say("the end"))),
        _plain("factor", say("Factor"), lambda row: _factor(context, row.factor), is_number=True),
        _plain("reason", say("Reason"), lambda row: row.reason if isinstance(row.reason, str) else ""),
    ]
    note = say("Edited and given back as corrections_csv, they overrule what is found.")
    return [
        parts.section(
            say("Corrections in effect"),
            parts.table(context, say("Corrections in effect"), columns, rows.head(WORST_SHOWN)),
            note=f"{note} {_told_cut(context, len(rows))}",
            tools=[parts.csv_link(context, "corrections")],
        )
    ]


def _plain(name: str, heading: str, cell: Callable[[Any], parts.Content], is_number: bool = False) -> parts.Column:
    return parts.Column(name, heading, cell, is_number, can_sort=False)


def _rule_words(context: Context) -> dict[str, str]:
    say = context.say
    return {
        c.SCALE: say("brought to scale"),
        c.RESTART: say("another meter, or begun anew"),
        c.ROLLOVER: say("register went past its highest number"),
        c.EXCLUDE: say("excluded, registers included"),
        c.REJECT: say("rejected"),
        c.MEASURED: say("kept as measured"),
        c.ZERO: say("zero where missing"),
    }


def _bound(context: Context, text: object, otherwise: str) -> str:
    """A bound of a correction: a moment in UTC, a time of each day, or none."""
    if not isinstance(text, str) or not text:
        return otherwise
    if not text.endswith("Z"):
        return text
    return context.language.moment(pd.Timestamp(text), context.data.results.timezone)


def _duplicates(context: Context) -> list[Component]:
    """Meters with the same days as another; no section where there are none."""
    pairs = context.data.duplicates
    if pairs.empty:
        return []
    chosen = _pairs_of(context, pairs)
    if chosen.empty:
        return []
    say, number, day = context.say, context.language.number, context.language.day
    columns = [
        _plain("meter_id", say("Meter"), lambda row: _meter_link(context, row.meter_id)),
        _plain("other_meter_id", say("Other meter"), lambda row: _meter_link(context, row.other_meter_id)),
        _plain("identical_days", say("Identical days"), lambda row: number(row.identical_days), is_number=True),
        _plain("common_days", say("Days of both"), lambda row: number(row.common_days), is_number=True),
        _plain("from_date", say("From"), lambda row: day(date.fromisoformat(row.from_date))),
        _plain("to_date", say("To"), lambda row: day(date.fromisoformat(row.to_date))),
    ]
    note = say("One of the two was probably delivered twice, or one meter has two names.")
    return [
        parts.section(
            say("Meters with the same days"),
            parts.table(context, say("Meters with the same days"), columns, chosen.head(WORST_SHOWN)),
            note=f"{note} {_told_cut(context, len(chosen))}",
            tools=[parts.csv_link(context, "duplicates")],
        )
    ]


def duplicates_table(context: Context) -> pd.DataFrame:
    """The pairs of meters with the same days, one of which is of the view."""
    return _pairs_of(context, context.data.duplicates)


def _pairs_of(context: Context, pairs: pd.DataFrame) -> pd.DataFrame:
    ones, others = (_of_meters(context, pairs, name) for name in ("meter_id", "other_meter_id"))
    return pairs.loc[ones.index.union(others.index)]


TABLES: Final[Mapping[str, Callable[[Context], pd.DataFrame]]] = {
    "quality": meters_table,
    "quality_months": months_table,
    "findings": findings_table,
    "corrections": corrections_table,
    "duplicates": duplicates_table,
}
"""Tables to download, by name."""
