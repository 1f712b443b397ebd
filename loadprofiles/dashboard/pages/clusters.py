"""Clusters of the daily load profiles: how they look, how far they spread, who is in them, and when."""

from collections.abc import Callable, Mapping
from typing import Final

import pandas as pd
from dash import html
from dash.development.base_component import Component

from loadprofiles.dashboard import parts
from loadprofiles.dashboard.clusters import QUANTILES, SAMPLE, shapes_of
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.pages import cluster_charts as drawing
from loadprofiles.dashboard.pages import cluster_comparison as comparison
from loadprofiles.dashboard.pages import cluster_members as members
from loadprofiles.dashboard.pages import cluster_pictures as pictures
from loadprofiles.dashboard.pages.cluster_pictures import cluster_link, numbered
from loadprofiles.dashboard.state import DAY_HOURS
from loadprofiles.plots import cluster_color
from loadprofiles.representatives import NO_CLUSTER
from loadprofiles.summaries import meter_calendar


def title(context: Context) -> str:
    """The page's heading."""
    return context.say("Clusters")


def render(context: Context) -> list[Component]:
    """The page."""
    say, clusters = context.say, context.data.clusters
    if not clusters.names:
        return [parts.notice(say("This run has no clusters: run the chain with a model, such as model=kmeans."))]
    counts = members.counts_of(context)
    # boxes that may be empty: what follows stays in its place, and is not drawn anew by the browser
    return [
        html.Div(_told(context, counts)),
        _cards(context, counts),
        _representatives(context),
        html.Div(members.one_cluster(context, counts)),
        members.sizes(context, counts),
        members.who(context, counts),
        _calendar(context),
        comparison.section(context),
        *_curve(context),
    ]


def _told(context: Context, counts: pd.DataFrame) -> list[Component]:
    """What the filters leave nothing of, or do not touch."""
    told = []
    if not counts.to_numpy().any():
        told.append(context.say("No day of these filters was clustered: a day with gaps has no profile."))
    if context.view.hours != (0, DAY_HOURS):
        told.append(context.say("The hours of the filter change nothing here: a profile is of a whole day."))
    return [parts.notice(text) for text in told]


def _cards(context: Context, counts: pd.DataFrame) -> Component:
    say, language = context.say, context.language
    found, names = context.data.clusters.found, context.data.clusters.names
    days, metrics = counts.to_numpy().sum(), found.metrics
    without = counts.get(NO_CLUSTER, pd.Series(dtype="int64")).sum()
    nan = float("nan")
    dtw = say("with DTW {value}", value=language.number(metrics.get("Silhouette DTW", nan), 3))
    items = [
        parts.card(say("Clustering"), found.name),
        parts.card(say("Clusters"), language.number(len(names))),
        parts.card(say("Days"), language.number(days), say("of the filters")),
        parts.card(say("Silhouette"), language.number(metrics.get("Silhouette Score", nan), 3), dtw),
    ]
    if without:
        items.append(parts.card(say("Days in no cluster"), language.number(without), language.percent(without / days)))
    if "stability_adjusted_rand" in metrics:
        least = say("at least {value}", value=language.number(metrics.get("stability_least", nan), 2))
        value = language.number(metrics["stability_adjusted_rand"], 2)
        items.append(parts.card(say("Stability across seeds"), value, say("adjusted Rand index; {least}", least=least)))
    return parts.cards(items)


# --- how the clusters look


def _representatives(context: Context) -> Component:
    say, clusters = context.say, context.data.clusters
    names, shapes, spread = clusters.names, shapes_of(clusters.found), clusters.spread
    sizes = clusters.found.representatives["size"].to_numpy()
    limits = pictures.limits_of(shapes, spread)
    panels = [
        pictures.panel(
            cluster_link(context, names, cluster),
            members.size_told(context, int(size), int(sizes.sum())),
            pictures.picture(
                [pictures.Line(shape, cluster_color(cluster))],
                limits,
                pictures.told_profile(context, numbered(context, names, cluster), shape),
                None if spread is None else spread[place],
            ),
        )
        for place, (cluster, shape, size) in enumerate(zip(names, shapes, sizes, strict=True))
    ]
    tools = [parts.csv_link(context, "representatives")]
    heading = say("Representatives with spread")
    return parts.section(heading, html.Div(panels, className="panels"), note=_how_drawn(context), tools=tools)


def _how_drawn(context: Context) -> str:
    """What the lines and bands of the representatives are."""
    say, clusters = context.say, context.data.clusters
    kinds = {
        "centroid": say("centroid"),
        "medoid": say("medoid"),
        "barycenter": say("barycenter"),
        "prototype": say("prototype"),
    }
    kind = str(clusters.found.representatives["kind"].iloc[0])
    line = say(
        "The line is the {kind} of a cluster's days, each divided by its length, so that shapes compare.",
        kind=kinds.get(kind, kind),
    )
    if clusters.spread is None:
        bands = say("The spread is left out: the profiles are not in the run, or too many to be read here.")
    else:
        bands = say("The bands hold 50 % and 90 % of the days, step by step.")
        if len(clusters.days) > SAMPLE:
            bands += " " + say("They are of a sample of {days} days.", days=context.language.number(SAMPLE))
    return " ".join([line, bands, say("All customers and days, whatever the filters; one scale for all.")])


def representatives_table(context: Context) -> pd.DataFrame:
    """The representatives and the quantiles of their clusters' days, as drawn.

    Returns:
        `cluster, cluster_name, kind, days, statistic` (representative, p05, p25, p75, p95) and one column a step,
        l2-normalised.
    """
    clusters = context.data.clusters
    table = clusters.found.representatives.rename(columns={"size": "days"})
    table.insert(4, "statistic", "representative")
    if clusters.spread is None:
        return table
    tables = [table]
    for place, quantile in enumerate(QUANTILES):
        values = pd.DataFrame(clusters.spread[:, place], columns=table.columns[5:])
        head = table[table.columns[:5]].assign(statistic=f"p{100 * quantile:02.0f}")
        tables.append(pd.concat([head, values], axis=1))
    return pd.concat(tables).sort_values("cluster", kind="stable")


# --- when


def _calendar(context: Context) -> Component:
    say, names, customer = context.say, context.data.clusters.names, context.view.customer
    heading = say("Calendar of a customer")
    if not customer:
        return parts.section(heading, note=say("Choose a customer above to see when it is in which cluster."))
    days = context.data.clusters.days_of(customer, *context.data.period(context.view))
    if days.empty:
        return parts.section(heading, note=say("This customer has no clustered day in the period."))
    shares = days["cluster"].value_counts(normalize=True)
    told = say(
        "{customer} is mostly in {name}: {share} of its days.",
        customer=customer,
        name=numbered(context, names, int(shares.index[0])),
        share=context.language.percent(shares.iloc[0]),
    )
    by_month = drawing.calendar_figure(context, names, meter_calendar(days, customer))
    by_day = drawing.days_figure(context, names, days)
    height = drawing.days_height(days)
    charts = [
        html.H3(say("Most frequent cluster of each month and weekday")),
        parts.chart(context, "cluster-calendar", by_month, told, height=360, csv="assignments"),
        html.H3(say("Day by day")),
        parts.chart(context, "cluster-days", by_day, told, height=height, csv="assignments"),
    ]
    return parts.section(heading, pictures.key(context, names, sorted(shares.index)), *charts, note=told)


def _curve(context: Context) -> list[Component]:
    say, clusters = context.say, context.data.clusters
    curve, k = clusters.found.k_curve, len(clusters.names)
    if curve.empty:
        return []
    told = say(
        "Silhouette of {first} to {last} clusters; {chosen} were chosen.",
        first=int(curve["k"].min()),
        last=int(curve["k"].max()),
        chosen=k,
    )
    chart = parts.chart(context, "cluster-k-curve", drawing.curve_figure(context, curve, k), told, csv="k_curve")
    return [parts.section(say("Choice of the number of clusters"), chart, note=told)]


def assignments_table(context: Context) -> pd.DataFrame:
    """The days of the view's customers and period: `id, date, cluster, cluster_name, distance`."""
    data, view = context.data, context.view
    found = data.clusters.found
    table = found.assignments_of(view.customer) if view.customer else found.assignments
    first, last = data.period(view)
    within = table["date"].between(pd.Timestamp(first), pd.Timestamp(last))
    if view.sector and not view.customer:
        within &= table["id"].isin(data.chosen(view))
    return table[within]


def curve_table(context: Context) -> pd.DataFrame:
    """The indices by number of clusters, as of `Clustering.k_curve`."""
    return context.data.clusters.found.k_curve


TABLES: Final[Mapping[str, Callable[[Context], pd.DataFrame]]] = {
    "assignments": assignments_table,
    "representatives": representatives_table,
    "k_curve": curve_table,
    **members.TABLES,
    **comparison.TABLES,
}
"""Tables to download, by name."""
