"""The part of the page of clusters that compares the run's clustering with another."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd
from dash import html
from dash.development.base_component import Component

from loadprofiles.dashboard import parts
from loadprofiles.dashboard.clusters import names_of, shapes_of
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.pages import cluster_charts as drawing
from loadprofiles.dashboard.pages import cluster_pictures as pictures
from loadprofiles.dashboard.pages.cluster_pictures import Line, numbered
from loadprofiles.dashboard.sentences import cluster_name
from loadprofiles.errors import LoadProfilesError
from loadprofiles.plots import cluster_color
from loadprofiles.representatives import NO_CLUSTER, NO_CLUSTER_NAME
from loadprofiles.results import Clustering
from loadprofiles.summaries import Agreement, validity_comparison

_MOST_LINKS: Final = 8
"""Clusterings up to which they are chosen by links; more are a table."""

_ROW_HEIGHT: Final = 34


def section(context: Context) -> Component:
    """The choice of another clustering, and what it has in common with this one."""
    say, heading = context.say, context.say("Compare with another run")
    try:
        others = context.data.clusters.others()
    except LoadProfilesError as error:
        return parts.section(heading, parts.notice(str(error), "alarm"))
    if not others:
        how = say("There is no other finished clustering to compare with; this makes one:")
        return parts.section(heading, html.P([how, " ", html.Code("mlflow run . -e clustering -P model=kmedoids …")]))
    other = _other(context, others)
    if other is None:
        unknown = [parts.notice(say("There is no finished clustering of this id."))] if context.view.other else []
        return parts.section(heading, *unknown, _choice(context, others))
    return parts.section(heading, _choice(context, others), *_compared(context, other), tools=[_csv(context)])


def _csv(context: Context) -> Component:
    return parts.csv_link(context, "cluster_comparison")


def _other(context: Context, others: Sequence[Clustering]) -> Clustering | None:
    return next((other for other in others if other.run_id == context.view.other), None)


def _choice(context: Context, others: Sequence[Clustering]) -> Component:
    say, view = context.say, context.view
    names = _told_apart(others)
    if len(others) <= _MOST_LINKS:
        none = [(say("none"), not view.other, view.link(other=""))]
        options = [(names[run.run_id], run.run_id == view.other, view.link(other=run.run_id)) for run in others]
        return parts.choices(context, say("Clustering to compare with"), [*none, *options])
    if _other(context, others):
        told = say("Compared with {name}.", name=names[view.other])
        return html.P([told, " ", parts.page_link(context, say("Choose another"), other="", cluster=None, sheet=1)])
    if view.cluster is not None:
        # one table with sheets at a time: the address has one sheet
        return html.P(parts.page_link(context, say("Choose a clustering"), cluster=None, sort="", sheet=1))
    return parts.table(context, say("Clusterings to compare with"), _columns(context, names), _runs(others))


def _told_apart(others: Sequence[Clustering]) -> dict[str, str]:
    """The name of each clustering by its run; with its id, where others have the same."""
    times = Counter(run.name for run in others)
    return {run.run_id: f"{run.name} ({run.run_id[:8]})" if times[run.name] > 1 else run.name for run in others}


def _runs(others: Sequence[Clustering]) -> pd.DataFrame:
    metrics = {"clusters_found": "clusters", "profiles": "profiles", "silhouette": "Silhouette Score", "db": "DB Index"}
    rows = [{"run": run.run_id, "name": run.name, **{c: run.metrics.get(m, np.nan) for c, m in metrics.items()}}
            for run in others]  # fmt: skip
    return pd.DataFrame(rows)


def _columns(context: Context, names: Mapping[str, str]) -> list[parts.Column]:
    say, number = context.say, context.language.number

    def name(row: Any) -> Component:
        return parts.page_link(context, names[row.run], other=row.run, sort="", down=False, sheet=1)

    return [
        parts.Column("name", say("Clustering"), name),
        parts.Column("clusters_found", say("Clusters"), lambda row: number(row.clusters_found), True),
        parts.Column("profiles", say("Days"), lambda row: number(row.profiles), True),
        parts.Column("silhouette", say("Silhouette"), lambda row: number(row.silhouette, 3), True),
        parts.Column("db", say("Davies-Bouldin"), lambda row: number(row.db, 3), True),
    ]


def _compared(context: Context, other: Clustering) -> list[Component]:
    say, found = context.say, context.data.clusters.found
    agreement = context.data.clusters.agreement(other.run_id)
    parts_of: list[Component] = [html.H3(say("Validity indices"))]
    if found.metrics.get("profiles") != other.metrics.get("profiles"):
        told = say("The two did not cluster the same days; their indices compare with care only.")
        parts_of.append(parts.notice(told))
    parts_of.append(_validity(context, other))
    parts_of += [html.H3(say("Representatives")), *_both(context, other, agreement)]
    return [*parts_of, *_crosstab(context, other, agreement)]


def _validity(context: Context, other: Clustering) -> Component:
    say, found = context.say, context.data.clusters.found
    table = validity_comparison([found, other])
    # the columns are called as the runs, of which nobody knows beforehand how
    sides = {table.columns[1]: "one", table.columns[2]: "other"}
    table = table.set_axis(["name", "one", "other", "better", "best"], axis=1).replace({"best": sides})
    ways = {"higher": say("higher is better"), "lower": say("lower is better")}

    def value(row: Any, which: str) -> Any:
        text = _significant(context, getattr(row, which))
        is_better = row.best == which and row.one != row.other
        return html.Strong(say("{value} (better)", value=text)) if is_better else text

    columns = [
        parts.Column("name", say("Index"), lambda row: row.name, can_sort=False),
        parts.Column("one", found.name, lambda row: value(row, "one"), True, can_sort=False),
        parts.Column("other", other.name, lambda row: value(row, "other"), True, can_sort=False),
        parts.Column("better", say("Direction"), lambda row: ways.get(row.better, ""), can_sort=False),
    ]
    return parts.table(context, say("Validity indices of both clusterings"), columns, table)


def _significant(context: Context, value: float) -> str:
    return context.language.number(value, 3 if abs(value) < 100 else 0)


def _both(context: Context, other: Clustering, agreement: Agreement) -> list[Component]:
    """The representatives of both, each beside the one of the other that has most of its days."""
    say, found = context.say, context.data.clusters.found
    ours, theirs = names_of(found), names_of(other)
    shapes, their_shapes = shapes_of(found), shapes_of(other)
    # a vector of length 1 has smaller values the more steps it has
    their_shapes = their_shapes * np.sqrt(their_shapes.shape[1] / shapes.shape[1])
    partners = _partners(agreement, ours, theirs)
    limits = pictures.limits_of(shapes, their_shapes)
    of_theirs = dict(zip(theirs, their_shapes, strict=True))
    panels = []
    for cluster, shape in zip(ours, shapes, strict=True):
        name = numbered(context, ours, cluster)
        partner, share = partners.get(cluster, (NO_CLUSTER, 0.0))
        lines = [Line(shape, cluster_color(cluster))]
        note = say("no day in common")
        if cluster in partners:
            told = numbered(context, theirs, partner)
            note = say("{share} of its days in {other}", share=context.language.percent(share, 0), other=told)
        if partner in of_theirs:
            lines.append(Line(of_theirs[partner], _DASHED, True))
        drawn = pictures.picture(lines, limits, f"{pictures.told_profile(context, name, shape)} {note}")
        panels.append(pictures.panel(name, note, drawn, cluster))
    for cluster in sorted(set(theirs) - {partner for partner, _ in partners.values()}):
        name = numbered(context, theirs, cluster)
        drawn = pictures.picture(
            [Line(of_theirs[cluster], _DASHED, True)],
            limits,
            pictures.told_profile(context, name, of_theirs[cluster]),
        )
        panels.append(pictures.panel(name, say("of {name} alone", name=other.name), drawn))
    note = say(
        "Line: {one}. Dashed: of {other}, the cluster that has most of the same days.", one=found.name, other=other.name
    )
    return [html.P(note, className="note"), html.Div(panels, className="panels")]


_DASHED: Final = "#808080"


def _partners(agreement: Agreement, ours: Mapping[int, str], theirs: Mapping[int, str]) -> dict[int, tuple[int, float]]:
    """Of each cluster with common days the other's that has most of them, and its share of them."""
    numbers = [{NO_CLUSTER_NAME: NO_CLUSTER, **{f"{c} · {name}": c for c, name in names.items()}}
               for names in (ours, theirs)]  # fmt: skip
    table = agreement.table.rename(index=numbers[0], columns=numbers[1])
    if table.empty:
        return {}
    shares = table.div(table.sum(axis=1), axis=0)
    partners = zip(shares.index, shares.idxmax(axis=1), shares.max(axis=1), strict=True)
    return {int(cluster): (int(partner), float(share)) for cluster, partner, share in partners}


def _crosstab(context: Context, other: Clustering, agreement: Agreement) -> list[Component]:
    say, language = context.say, context.language
    if not agreement.days:
        return [parts.notice(say("The two have no day in common."))]
    found, table = context.data.clusters.found, agreement.table
    translated = partial(cluster_name, language=language)
    drawn = drawing.shares_figure(context, table.rename(index=translated, columns=translated), other.name, found.name)
    index = language.number(agreement.adjusted_rand, 2)
    told = say(
        "Where the days of a cluster of {one} are in {other}, in percent; {days} days that both have. An adjusted "
        "Rand index of 1 means the same clusters, 0 as alike as by chance.",
        one=found.name,
        other=other.name,
        days=language.number(agreement.days),
    )
    height = 90 + _ROW_HEIGHT * len(table)
    return [
        html.H3(say("Days in both: adjusted Rand index {index}", index=index)),
        html.P(told, className="note"),
        parts.chart(context, "cluster-comparison", drawn, told, height=height, csv="cluster_comparison"),
    ]


def comparison_table(context: Context) -> pd.DataFrame:
    """How many days both clusterings have in each pair of clusters: `cluster, other_cluster, days, share`.

    `share` is that of the days of `cluster`. Without another clustering there are no rows.
    """
    other = _other(context, context.data.clusters.others())
    if other is None:
        return pd.DataFrame()
    table = context.data.clusters.agreement(other.run_id).table
    pairs = table.rename_axis("cluster").reset_index().melt("cluster", var_name="other_cluster", value_name="days")
    return pairs.assign(share=pairs["days"] / pairs.groupby("cluster")["days"].transform("sum"))


TABLES: Final[Mapping[str, Callable[[Context], pd.DataFrame]]] = {"cluster_comparison": comparison_table}
"""Tables to download, by name."""
