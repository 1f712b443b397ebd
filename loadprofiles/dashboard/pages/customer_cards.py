"""Numbers of one customer and what must be known of it: forecast errors, anomalies, alerts, cluster, quality."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from dash import html
from dash.development.base_component import Component

from loadprofiles.dashboard import parts
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.pages import customer_series as cs
from loadprofiles.dashboard.sentences import cluster_name
from loadprofiles.dashboard.state import ALERTS, CLUSTERS, QUALITY


def forecast_cards(context: Context, is_recurring: bool) -> Iterator[Component]:
    """The errors of the customer's backtest, and how many of its points are anomalous."""
    say, language, row = context.say, context.language, _row(context)
    days = cs.backtest_days(context.data, context.view.customer)
    if days is None or not row["forecast_hours"] > 0:
        return
    when = say("of the backtest, {days}", days=language.days(*days))
    yield parts.card(say("MAPE"), language.percent(row["mape_percent"] / 100), when)
    yield parts.card(say("WAPE"), language.percent(row["wape"]), when)
    outside, known = row["hours_outside"], row["forecast_hours"]
    yield parts.card(
        say("Anomalous points"),
        say("{part} of {all}", part=language.number(outside), all=language.number(known)),
        say("{share} of the backtest lie outside the 90 % band", share=language.percent(outside / known)),
        "alarm" if is_recurring else "",
    )


def standing_cards(context: Context) -> Iterator[Component]:
    """Where more is to be found on the customer: alerts, cluster, quality of its readings."""
    say, language, row = context.say, context.language, _row(context)
    if context.data.store is not None:
        count = int(context.data.open_alerts().get(context.view.customer, 0))
        link = parts.page_link(context, say("look at its alerts"), ALERTS, first=None, last=None)
        yield parts.card(say("Open alerts"), language.number(count), link, "alarm" if count else "")
    if row["cluster_name"]:
        link = parts.page_link(context, say("look at the cluster"), CLUSTERS, cluster=int(row["cluster"]))
        yield parts.card(say("Cluster of most days"), cluster_name(str(row["cluster_name"]), language), link)
    if np.isfinite(row["measured_percent"]):
        link = parts.page_link(context, say("look at their quality"), QUALITY)
        yield parts.card(say("Measured readings"), language.percent(row["measured_percent"] / 100), link)


def warnings(context: Context, is_recurring: bool) -> Iterator[Component]:
    """The notice that anomalies recur, and that there is no backtest."""
    say, language, row = context.say, context.language, _row(context)
    if is_recurring:
        told = say(
            "Anomalies recur: {outside} of {all} intervals of the backtest, {share}, lie outside the 90 % band.",
            outside=language.number(row["hours_outside"]),
            all=language.number(row["forecast_hours"]),
            share=language.percent(row["hours_outside"] / row["forecast_hours"], 0),
        )
        link = parts.page_link(context, say("Look at its alerts"), ALERTS, first=None, last=None)
        yield parts.notice(html.Span([told, " ", link]), "alarm big")
    if context.data.results.forecast_errors.empty:
        yield parts.notice(
            say("This run has no backtest: run the chain with forecast_model=auto and backtest_days=28 to get one.")
        )
    elif not row["forecast_hours"] > 0:
        yield parts.notice(say("This run has no backtest of this customer: its readings did not suffice."))


def _row(context: Context) -> pd.Series:
    row: pd.Series = context.data.meters.loc[context.view.customer]  # type: ignore[assignment]
    return row


def recurs(context: Context) -> bool:
    """Whether anomalies of the customer recur."""
    return not context.data.recurring([context.view.customer]).empty
