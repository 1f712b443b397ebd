"""The customers, a row each: what they use, how well they are forecast, what is suspect, what their readings are worth.

A table is sorted whole and then cut to a sheet; sparklines are drawn of the rows that are shown.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
from dash import html
from dash.development.base_component import Component

from loadprofiles.dashboard import parts
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.cube import Floats
from loadprofiles.dashboard.data import RECURRING
from loadprofiles.dashboard.language import UNKNOWN
from loadprofiles.dashboard.sentences import cluster_name
from loadprofiles.dashboard.state import ALERTS, CLUSTERS, DAY_HOURS, QUALITY

WELL_MEASURED: Final = 95.0
"""Percent of readings as measured below which a customer is counted on a card."""

_LEVEL: Final = 0.1
"""A course that ends within this share of where it began is told as level."""

_WHOLE: Final[Mapping[str, object]] = {"first": None, "last": None, "hours": (0, DAY_HOURS)}
"""Changes of a view that lift the filters of time."""


def title(context: Context) -> str:
    """The page's heading."""
    return context.say("Customers")


def render(context: Context) -> list[Component]:
    """The page."""
    say, language = context.say, context.language
    rows = _rows(context)
    first, last = context.data.period(context.view)
    if first > last:
        when = say("The period of the filter has no readings.")
    else:
        when = say(
            "Energy of {days}, hours {hours}.",
            days=language.days(first, last),
            hours=language.hours(*context.view.hours),
        )
    note = say(
        "Errors are those of the forecasts of past days, and the band is their 90 % band. Period and hours of the "
        "filters change neither these nor alerts and data quality."
    )
    listed = parts.table(context, say("Customers"), _columns(context), rows, stacks=True)
    tools = [parts.csv_link(context, "customers")]
    heading = say("Use, errors, alerts and data quality")
    return [
        _cards(context, rows),
        *_missing(context),
        parts.section(heading, listed, note=f"{when} {note}", tools=tools),
    ]


def customers_table(context: Context) -> pd.DataFrame:
    """The customers of a view, sorted as it asks.

    Returns:
        `meter_id, sector, source, cluster, cluster_name, energy_kwh, kwh_per_day, wape_percent, mape_percent,
        forecast_hours, hours_outside, open_alerts, measured_percent, findings`; what is not known is empty.
    """
    return parts.sorted_rows(_rows(context), context, _columns(context))


def _rows(context: Context) -> pd.DataFrame:
    """The columns of `customers_table`, in the order of names."""
    data, view = context.data, context.view
    first, last = data.period(view)
    meters = data.chosen(view)
    table = data.meters if len(meters) == len(data.meters) else data.meters.loc[meters]
    energy = data.cube.energy_kwh(meters, first_day=first, last_day=last, hours=view.hours)
    hours_a_day = view.hours[1] - view.hours[0]
    return pd.DataFrame(
        {
            "meter_id": table.index,
            "sector": _known(table["sector"]),
            "source": _known(table["source"]),
            "cluster": table["cluster"].astype("Int64").where(table["cluster"] >= 0),
            "cluster_name": table["cluster_name"],
            "energy_kwh": energy.kwh,
            # NaN where no hour is known
            "kwh_per_day": energy.kwh / np.maximum(energy.known_hours, 1) * hours_a_day,
            "wape_percent": 100 * table["wape"],
            "mape_percent": table["mape_percent"],
            "forecast_hours": table["forecast_hours"],
            "hours_outside": table["hours_outside"],
            "open_alerts": _open_alerts(context, table.index),
            "measured_percent": table["measured_percent"],
            "findings": table["findings"].where(table["measured_percent"].notna()),
        }
    ).reset_index(drop=True)


def _known(texts: pd.Series) -> pd.Series:
    """Empty texts as unknown, so that they come last."""
    return texts.where(texts != "")


def _open_alerts(context: Context, meters: pd.Index) -> pd.Series:
    if context.data.store is None:
        return pd.Series(np.nan, index=meters)
    return context.data.open_alerts().reindex(meters).fillna(0)


def _missing(context: Context) -> list[Component]:
    """What the run was left without, and how it would have it."""
    say, meters = context.say, context.data.meters
    told = []
    if meters["wape"].isna().all():
        told.append(say("This run has no forecasts, so errors are not known: run the chain with forecast_model=auto."))
    if (meters["cluster"] < 0).all():
        told.append(say("This run has no clusters: run the chain with a model, such as model=kmeans."))
    if context.data.store is None:
        told.append(say("There is no alert database: run the chain with detector=combined, or check alert_db."))
    return [parts.notice(text) for text in told]


def _cards(context: Context, rows: pd.DataFrame) -> Component:
    say, language = context.say, context.language
    wapes = rows["wape_percent"].dropna()
    alerted, doubtful = rows["open_alerts"].gt(0).sum(), rows["measured_percent"].lt(WELL_MEASURED).sum()
    of_all = say("of {count}", count=language.number(len(context.data.meters)))
    is_part = len(rows) < len(context.data.meters)
    return parts.cards(
        [
            parts.card(say("Customers"), language.number(len(rows)), of_all if is_part else None),
            parts.card(say("Energy"), language.energy(rows["energy_kwh"].sum(min_count=1)), say("in the period")),
            parts.card(
                say("Median error"),
                language.percent(wapes.median() / 100),
                say("WAPE of {count} forecast customers", count=language.number(len(wapes))),
            ),
            parts.card(
                say("With open alerts"),
                UNKNOWN if context.data.store is None else language.number(alerted),
                say("customers"),
                "alarm" if alerted else "",
            ),
            parts.card(
                say("Below {percent} measured", percent=language.percent(WELL_MEASURED / 100, 0)),
                language.number(doubtful) if rows["measured_percent"].notna().any() else UNKNOWN,
                say("customers"),
            ),
        ]
    )


def _columns(context: Context) -> list[parts.Column]:
    say = context.say
    column, number = parts.Column, context.language.number
    columns = [
        column("meter_id", say("Customer"), lambda row: parts.meter_link(context, row.meter_id)),
        column("sector", say("Sector"), lambda row: _wide(row.sector)),
        column("source", say("Source"), lambda row: _wide(row.source)),
        column("cluster", say("Cluster"), lambda row: _cluster(context, row)),
        column("energy_kwh", say("Energy, kWh"), lambda row: number(row.energy_kwh), is_number=True),
        column("kwh_per_day", say("kWh a day"), lambda row: number(row.kwh_per_day, 1), is_number=True),
        column("course", say("Course"), lambda row: _course(context, row.meter_id), can_sort=False),
        column("wape_percent", say("WAPE, %"), lambda row: number(row.wape_percent, 1), is_number=True),
        column("mape_percent", say("MAPE, %"), lambda row: number(row.mape_percent, 1), is_number=True),
        column("hours_outside", say("Hours outside the band"), lambda row: _outside(context, row), is_number=True),
        column("open_alerts", say("Open alerts"), lambda row: _alerts(context, row), is_number=True),
        column("measured_percent", say("Measured, %"), lambda row: _measured(context, row), is_number=True),
        column("findings", say("Findings"), lambda row: _findings(context, row), is_number=True),
    ]
    # a column that says the same of all says nothing
    told = {"sector": bool(context.data.sectors), "source": len(set(context.data.meters["source"])) > 1}
    return [each for each in columns if told.get(each.name, True)]


def _wide(text: object) -> parts.Content:
    return html.Span(text, className="wide") if isinstance(text, str) else UNKNOWN


def _cluster(context: Context, row: Any) -> parts.Content:
    if pd.isna(row.cluster):
        return UNKNOWN
    number = int(row.cluster)
    link = parts.page_link(
        context, f"{number} · {cluster_name(row.cluster_name, context.language)}", CLUSTERS, cluster=number
    )
    return html.Span([parts.cluster_mark(number), link], className="wide")


def _course(context: Context, meter: str) -> Component:
    first, last = context.data.period(context.view)
    course = context.data.cube.sparkline(meter, first_day=first, last_day=last, hours=context.view.hours)[0]
    return parts.sparkline(course.tolist(), _told_course(context, course))


def _told_course(context: Context, course: Floats) -> str:
    """A course in words, for those who cannot see it."""
    known = course[np.isfinite(course)]
    if not len(known):
        return context.say("not known")
    first, last = (context.language.number(value, 1) for value in (known[0], known[-1]))
    change = (known[-1] - known[0]) / (max(abs(known[0]), abs(known[-1])) or 1)
    if change > _LEVEL:
        return context.say("rises from {first} to {last} kWh a day", first=first, last=last)
    if change < -_LEVEL:
        return context.say("falls from {first} to {last} kWh a day", first=first, last=last)
    return context.say("about level, from {first} to {last} kWh a day", first=first, last=last)


def _outside(context: Context, row: Any) -> parts.Content:
    if not row.forecast_hours > 0:
        return UNKNOWN
    share = row.hours_outside / row.forecast_hours
    text = f"{context.language.number(row.hours_outside)} ({context.language.percent(share, 0)})"
    return html.Span(text, className="tag high") if share > RECURRING else text


def _alerts(context: Context, row: Any) -> parts.Content:
    if not row.open_alerts > 0:
        return context.language.number(row.open_alerts)
    told = context.say("{count} open alerts of {meter}", count=int(row.open_alerts), meter=row.meter_id)
    number = html.Span(
        [html.Span(context.language.number(row.open_alerts), **{"aria-hidden": "true"}),
         html.Span(told, className="unseen")],
        className="tag high",
    )  # fmt: skip
    return parts.page_link(context, number, ALERTS, customer=row.meter_id, sector="", **_WHOLE)


def _measured(context: Context, row: Any) -> parts.Content:
    if pd.isna(row.measured_percent):
        return UNKNOWN
    return _quality_link(context, row, context.language.number(row.measured_percent, 1))


def _findings(context: Context, row: Any) -> parts.Content:
    text = context.language.number(row.findings)
    return _quality_link(context, row, text) if row.findings > 0 else text


def _quality_link(context: Context, row: Any, text: str) -> Component:
    return parts.page_link(context, text, QUALITY, customer=row.meter_id, sector="", **_WHOLE)


TABLES: Final[Mapping[str, Callable[[Context], pd.DataFrame]]] = {"customers": customers_table}
"""Tables to download, by name."""
