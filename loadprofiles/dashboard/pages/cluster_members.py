"""The part of the page of clusters that says who is in them: all of them, and one that is looked into."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from dash import dcc, html
from dash.development.base_component import Component

from loadprofiles.dashboard import parts
from loadprofiles.dashboard.clusters import shapes_of
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.pages import cluster_charts as drawing
from loadprofiles.dashboard.pages import cluster_pictures as pictures
from loadprofiles.dashboard.pages.cluster_pictures import cluster_link, numbered
from loadprofiles.representatives import NO_CLUSTER

_NAMED: Final = 3
"""Customers of a cluster that are named in its row."""

_SECTORS_NAMED: Final = 2


def _counts(context: Context) -> pd.DataFrame:
    """The days of the view's customers and period by cluster."""
    data = context.data
    return data.clusters.counts(data.chosen(context.view), *data.period(context.view))


def counts_of(context: Context) -> pd.DataFrame:
    """The days of the view's customers and period by cluster; see `Clusters.counts`."""
    data = context.data
    return data.clusters.counts(data.chosen(context.view), *data.period(context.view))


def one_cluster(context: Context, counts: pd.DataFrame) -> list[Component]:
    """The cluster that is looked into, larger, and whose days are in it."""
    say, view, clusters = context.say, context.view, context.data.clusters
    if view.cluster is None:
        return []
    if view.cluster not in counts:
        return [parts.notice(say("This clustering has no cluster {number}.", number=view.cluster))]
    name = numbered(context, clusters.names, view.cluster)
    members = _members(context, counts)
    tools = [
        dcc.Link(say("Close"), href=view.link(cluster=None, sort="", down=False, sheet=1), className="tool"),
        parts.csv_link(context, "cluster_members"),
    ]
    listed = parts.table(context, say("Customers with days in {name}", name=name), _member_columns(context), members)
    return [parts.section(name, *_profile(context, view.cluster, name), listed, tools=tools)]


def _profile(context: Context, cluster: int, name: str) -> list[Component]:
    clusters = context.data.clusters
    if cluster == NO_CLUSTER:
        return []
    place = list(clusters.names).index(cluster)
    shape = shapes_of(clusters.found)[place]
    bands = None if clusters.spread is None else clusters.spread[place]
    drawn = drawing.profile_figure(context, cluster, shape, bands)
    told = pictures.told_profile(context, name, shape)
    return [parts.chart(context, "cluster-profile", drawn, told, csv="representatives")]


def _members(context: Context, counts: pd.DataFrame) -> pd.DataFrame:
    """`meter_id, sector, days_here, days_all, share_here, main_cluster` of those with days in the view's cluster."""
    days = counts.sum(axis=1)
    own = counts[context.view.cluster]
    table = pd.DataFrame(
        {
            "meter_id": counts.index,
            "sector": context.data.meters["sector"].reindex(counts.index).to_numpy(),
            "days_here": own.to_numpy(),
            "days_all": days.to_numpy(),
            "share_here": (own / days.where(days > 0)).to_numpy(),
            "main_cluster": _main(counts),
        }
    )
    table = table[table["days_here"] > 0]
    return table.sort_values(["share_here", "days_here"], ascending=False, kind="stable").reset_index(drop=True)


def _main(counts: pd.DataFrame) -> npt.NDArray[np.int64]:
    """The cluster that most days of each meter are in, of equally frequent ones the first."""
    main: npt.NDArray[np.int64] = np.asarray(counts.columns)[counts.to_numpy().argmax(axis=1)]
    return main


def _member_columns(context: Context) -> list[parts.Column]:
    say, language, names = context.say, context.language, context.data.clusters.names

    def main(row: Any) -> Component:
        return html.Span(numbered(context, names, row.main_cluster), **pictures.mark(row.main_cluster))

    return [
        parts.Column("meter_id", say("Customer"), lambda row: parts.meter_link(context, row.meter_id)),
        parts.Column("sector", say("Sector"), lambda row: row.sector),
        parts.Column("share_here", say("Share of its days"), lambda row: language.percent(row.share_here), True),
        parts.Column("days_here", say("Days in it"), lambda row: language.number(row.days_here), True),
        parts.Column("days_all", say("All days"), lambda row: language.number(row.days_all), True),
        parts.Column("main_cluster", say("Most frequent cluster"), main),
    ]


def members_table(context: Context) -> pd.DataFrame:
    """The customers with days in the view's cluster, sorted as it asks; without a cluster nobody.

    Returns:
        `meter_id, sector, cluster, cluster_name, days, share, days_of_meter, main_cluster`.
    """
    counts, view = counts_of(context), context.view
    if view.cluster is None or view.cluster not in counts:
        return pd.DataFrame()
    table = parts.sorted_rows(_members(context, counts), context, _member_columns(context))
    table.insert(2, "cluster", view.cluster)
    table.insert(3, "cluster_name", context.data.clusters.names.get(view.cluster, ""))
    new = {"days_here": "days", "share_here": "share", "days_all": "days_of_meter"}
    return table.rename(columns=new)


def sizes(context: Context, counts: pd.DataFrame) -> Component:
    """How many days are in each cluster."""
    say, names, days = context.say, context.data.clusters.names, counts.sum()
    largest = numbered(context, names, int(counts.columns.to_numpy()[days.to_numpy().argmax()]))
    size = size_told(context, int(days.max()), int(days.sum()))
    told = say("The largest cluster is {name}: {size}.", name=largest, size=size)
    drawn = drawing.sizes_figure(context, names, days)
    height = drawing.sizes_height(days)
    chart = parts.chart(context, "cluster-sizes", drawn, told, height=height, csv="assignments")
    return parts.section(say("Days in each cluster"), chart, note=_when(context))


def _when(context: Context) -> str:
    first, last = context.data.period(context.view)
    if first > last:
        return context.say("The period of the filter has no readings.")
    return context.say("Days of the filters: {days}.", days=context.language.days(first, last))


def who(context: Context, counts: pd.DataFrame) -> Component:
    """A row a cluster: the customers that are mostly in it."""
    say, view = context.say, context.view
    note = say("A customer is counted where most of its days are. A cluster's name leads to all that have days in it.")
    marked = "" if view.cluster is None else str(view.cluster)
    listed = parts.table(context, say("Clusters"), _columns(context), _rows(context, counts), marked=marked)
    return parts.section(say("Who is in them"), listed, note=note)


def _rows(context: Context, counts: pd.DataFrame) -> pd.DataFrame:
    """A row a cluster: `cluster, days, share, customers`, the first `members` of these and the main `sectors`."""
    values, meters = counts.to_numpy(), counts.index.to_numpy()
    days, total = values.sum(axis=0), values.sum()
    main = np.where(values.any(axis=1), _main(counts), NO_CLUSTER - 1)
    sectors = context.data.meters["sector"].reindex(counts.index).to_numpy()
    rows = []
    for place, cluster in enumerate(counts.columns):
        own = np.flatnonzero(main == cluster)
        own = own[np.argsort(-values[own, place], kind="stable")]
        of_sectors = Counter(sector for sector in sectors[own] if sector)
        rows.append(
            {
                "cluster": cluster,
                "days": days[place],
                "share": days[place] / total if total else np.nan,
                "customers": len(own),
                "members": meters[own[:_NAMED]].tolist(),
                "sectors": [sector for sector, _ in of_sectors.most_common(_SECTORS_NAMED)],
            }
        )
    return pd.DataFrame(rows)


def _columns(context: Context) -> list[parts.Column]:
    say, language, names = context.say, context.language, context.data.clusters.names

    def members(row: Any) -> Component | str:
        if not row.members:
            return ""
        links: list[Any] = []
        for meter in row.members:
            links += [", " if links else "", parts.meter_link(context, meter)]
        more = row.customers - len(row.members)
        return html.Span([*links, *([" ", say("and {count} more", count=language.number(more))] if more else [])])

    return [
        parts.Column("cluster", say("Cluster"), lambda row: cluster_link(context, names, row.cluster)),
        parts.Column("days", say("Days"), lambda row: language.number(row.days), True),
        parts.Column("share", say("Share"), lambda row: language.percent(row.share), True),
        parts.Column("customers", say("Customers"), lambda row: language.number(row.customers), True),
        parts.Column("members", say("Among them"), members, can_sort=False),
        parts.Column("sectors", say("Main sectors"), lambda row: "; ".join(row.sectors), can_sort=False),
    ]


def size_told(context: Context, days: int, total: int) -> str:
    """A number of days, and its share of all."""
    language = context.language
    share = language.percent(days / total) if total else language.percent(float("nan"))
    return context.say("{days} days, {share}", days=language.number(days), share=share)


TABLES: Final[Mapping[str, Callable[[Context], pd.DataFrame]]] = {"cluster_members": members_table}
"""Tables to download, by name."""
