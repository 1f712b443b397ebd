"""What is told of a run's results, cut from their tables: for the notebook, and for the dashboard's page of clusters.

Nothing here is part of the chain; where a run lacks something that is quickly made up for, it is computed on a sample.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import click
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from loadprofiles import cli, step
from loadprofiles.anomalies.alert import KINDS
from loadprofiles.anomalies.states import DISMISSED, STATES
from loadprofiles.choices import DISTANCE_METRICS, MODEL_METRICS, MODEL_WITHOUT_K
from loadprofiles.clustering.base import random_rows
from loadprofiles.clustering.models import ModelSettings, fit
from loadprofiles.clustering.pairs import pairs_of
from loadprofiles.clustering.selection import choose_k, stability
from loadprofiles.errors import EmptyResultError, InputError
from loadprofiles.normalisation import normalise
from loadprofiles.plots import ClusterView
from loadprofiles.plots.measures import MONTHS, WEEKDAYS
from loadprofiles.profiles import KEYS, values_of
from loadprofiles.representatives import NO_CLUSTER, NO_CLUSTER_NAME
from loadprofiles.results import Clustering, Results
from loadprofiles.tables import read_table
from loadprofiles.validity import DIRECTIONS, RANKED, rank_table, silhouette_samples, validity_scores

MOST_DAYS: Final = 2_000
"""Days that are compared all with all here, at most: of more a sample, drawn by the run's seed."""

MOST_DAYS_AGAIN: Final = 1_000
"""The same where they are clustered many times."""

SEVERAL_NAME: Final = "in several clusters"
"""Where alerts are counted whose meters are of more than one cluster."""

_GROUPS: Final = ("type", "sector")
_K_MAX: Final = 20
_WITH_BOTH: Final = "kmedoids"
_WITHOUT_CHANCE: Final = ("agglomerative", MODEL_WITHOUT_K)


# --- what was asked for


@click.command()
@cli.clustering
def _options(**_: Any) -> None:
    """The options of a clustering, to read parameters by."""


def model_settings(params: Mapping[str, str]) -> ModelSettings:
    """The settings of a run's model, from its parameters as MLflow has them; defaults for those that it lacks."""
    names = [field.name for field in fields(ModelSettings) if field.name in params]
    given = [f"--{name}={params[name]}" for name in names]
    read = _options.make_context("clustering", given).params
    return ModelSettings(**{field.name: read[field.name] for field in fields(ModelSettings) if field.name in read})


# --- clusters


def cluster_view(results: Results) -> ClusterView:
    """The run's clustering as the figures take it: with the meters' sectors, and silhouettes of at most MOST_DAYS days.

    Raises:
        EmptyResultError: The run has no clusters.
        InputError: It has no harmonized table.
    """
    found = results.clustering
    representatives = _representatives(results)
    profiles = results.profiles
    days = profiles[list(KEYS)].assign(date=pd.to_datetime(profiles["date"]), row=np.arange(len(profiles)))
    days = days.merge(found.assignments, on=list(KEYS), validate="one_to_one")
    values = normalise(values_of(profiles)[days["row"].to_numpy()])
    labels = days["cluster"].to_numpy(np.int64)
    return ClusterView(
        profiles=values,
        labels=labels,
        representatives=_steps_of(representatives),
        names=tuple(representatives["cluster_name"]),
        kind=str(representatives["kind"].iloc[0]),
        title=found.name,
        meters=days["id"].to_numpy(dtype=object),
        dates=days["date"].to_numpy("datetime64[D]"),
        groups=_groups(days["id"], results.meters),
        silhouettes=_silhouettes(values, labels, model_settings(results.params)),
        curve=None if found.k_curve.empty else found.k_curve,
    )


def main_clusters(assignments: pd.DataFrame) -> pd.DataFrame:
    """The cluster that most days of a meter are in.

    Args:
        assignments: `id, date, cluster, cluster_name`, as of `Clustering.assignments`.

    Returns:
        One row a meter: `meter_id, cluster, cluster_name, share, days`: the share that the cluster has of the meter's
        days; of equally frequent clusters the first, and a cluster before none.
    """
    counts = assignments.value_counts(["id", "cluster", "cluster_name"]).reset_index(name="here")
    counts = counts.assign(days=counts.groupby("id")["here"].transform("sum"), none=counts["cluster"] == NO_CLUSTER)
    order = counts.sort_values(["id", "here", "none", "cluster"], ascending=[True, False, True, True])
    first = order.drop_duplicates("id").rename(columns={"id": "meter_id"})
    first = first.assign(share=first["here"] / first["days"]).reset_index(drop=True)
    return first[["meter_id", "cluster", "cluster_name", "share", "days"]]


def meter_calendar(assignments: pd.DataFrame, meter: str) -> pd.DataFrame:
    """When a meter is in which cluster: of each month and weekday, over all years, the most frequent one.

    Args:
        assignments: `id, date, cluster, cluster_name`, `date` as `datetime64`.
        meter: The meter's id.

    Returns:
        Three tables of months by weekdays beside each other: `cluster` (Int64; missing where there is no day), `share`
        (of the cell's days; NaN where there is none) and `days`.

    Raises:
        InputError: No day of that meter is in the table.
    """
    own = assignments[assignments["id"] == meter]
    if own.empty:
        raise InputError(f"meter {meter!r} has no day that was clustered; name one of the column id")
    cells = own.assign(id=(own["date"].dt.month - 1) * len(WEEKDAYS) + own["date"].dt.day_of_week)
    table = main_clusters(cells).set_index("meter_id").reindex(range(len(MONTHS) * len(WEEKDAYS)))
    table = table.astype({"cluster": "Int64"}).assign(days=table["days"].fillna(0).astype(int))
    table.index = pd.MultiIndex.from_product([MONTHS, WEEKDAYS], names=["month", "weekday"])
    parts = {
        name: table[name].unstack().reindex(index=MONTHS, columns=WEEKDAYS) for name in ("cluster", "share", "days")
    }
    return pd.concat(parts, axis=1)


# --- how far one can rely on them


def k_curve(results: Results) -> pd.DataFrame:
    """The index that the number of clusters is chosen by, for each number.

    Of a run whose number was given, the silhouettes on at most MOST_DAYS_AGAIN days.

    Returns:
        `k, silhouette, …`, as of `clustering.selection.choose_k`; without rows where the model has no number to choose.

    Raises:
        EmptyResultError: The run has no clusters.
        InputError: It has no harmonized table.
    """
    known = results.clustering.k_curve
    settings = model_settings(results.params)
    if len(known) or settings.model == MODEL_WITHOUT_K or settings.som_grid:
        return known
    k_values = range(2, max(_K_MAX, len(_representatives(results))) + 1)
    return choose_k(normalise(values_of(results.profiles)), settings, k_values, max_profiles=MOST_DAYS_AGAIN)[1]


def seed_stability(results: Results, further_seeds: int = 4) -> pd.DataFrame:
    """How alike the clusters of different seeds are, as of `clustering.selection.stability`.

    Of a run that has not looked at that, on at most MOST_DAYS_AGAIN days.

    Args:
        results: The run.
        further_seeds: How many seeds to try, where the run has tried none.

    Returns:
        `seed, other_seed, adjusted_rand`; without rows of a model that draws nothing at random.

    Raises:
        EmptyResultError: The run has no clusters.
        InputError: It has no harmonized table.
    """
    known = results.file("clustering", f"{step.STABILITY}.csv")
    if known:
        return read_table(known)
    settings = model_settings(results.params)
    if settings.model in _WITHOUT_CHANCE:
        return pd.DataFrame({"seed": [], "other_seed": [], "adjusted_rand": []})
    values = normalise(values_of(results.profiles))
    values = values[random_rows(len(values), MOST_DAYS_AGAIN, settings.seed)]
    found = fit(values, settings, len(_representatives(results)))
    return stability(values, settings, found, further_seeds)


# --- comparisons


@dataclass(frozen=True, eq=False)
class Agreement:
    """How far two clusterings of the same days agree.

    Attributes:
        days: How many days both have.
        adjusted_rand: Adjusted Rand index (Hubert & Arabie 1985) on those: 1: the same clusters, 0: as alike as by
            chance; days in no cluster count as a cluster. NaN where there are none.
        table: Of those, how many are in which cluster of the one (rows) and of the other (columns).
    """

    days: int
    adjusted_rand: float
    table: pd.DataFrame


def agreement(one: pd.DataFrame, other: pd.DataFrame) -> Agreement:
    """Compare two clusterings day by day.

    Args:
        one: `id, date, cluster, cluster_name`, as of `Clustering.assignments`.
        other: The same.
    """
    days = one.merge(other, on=list(KEYS), suffixes=("", "_other"), validate="one_to_one")
    alike = adjusted_rand_score(days["cluster"], days["cluster_other"]) if len(days) else np.nan
    table = pd.crosstab(days["cluster"], days["cluster_other"])
    table = table.rename(index=_numbered(one), columns=_numbered(other)).rename_axis(index=None, columns=None)
    return Agreement(len(days), float(alike), table)


def comparable(clustering: Clustering, others: Iterable[Clustering], most: int = 6) -> list[Clustering]:
    """The clustering, and other runs that are worth a comparison: the best of each model and distance.

    Validity indices compare clusterings of the same days; others are left out. What is best is told by the mean rank,
    as of `validity.rank_table`.

    Args:
        clustering: It comes first.
        others: Of which to choose, as of `Results.other_clusterings`.
        most: How many of the others at most.
    """
    days = clustering.metrics.get("profiles")
    alike = [run for run in others if run.metrics.get("profiles") == days]
    ranks = rank_table(pd.DataFrame([run.metrics for run in alike]).reindex(columns=list(RANKED)))
    best: dict[str, Clustering] = {}
    for place in ranks.sort_values(kind="stable").index:
        run = alike[place]
        kind = run.name.rpartition(" k=")[0] or run.name
        if len(best) < most and kind not in best and _same_days(run, clustering):
            best[kind] = run
    return [clustering, *best.values()]


def validity_comparison(clusterings: Sequence[Clustering]) -> pd.DataFrame:
    """Validity indices of several runs beside each other.

    Args:
        clusterings: Of the same days.

    Returns:
        One row an index, in the order of `validity.DIRECTIONS`: a column a run, by its name, NaN where it lacks the
        index; `better` (higher or lower) and `best`, the name of the best run, the first of equally good ones, empty
        where no run has the index.
    """
    names = [run.name for run in clusterings]
    labels = [f"{run.name} ({run.run_id[:8]})" if names.count(run.name) > 1 else run.name for run in clusterings]
    scores = (run.validity.set_index("index")["value"] for run in clusterings)
    return _with_best(pd.DataFrame(dict(zip(labels, scores, strict=True))))


@dataclass(frozen=True, eq=False)
class MetricComparison:
    """One model with the Euclidean distance, and with DTW.

    Attributes:
        model: Which; k-medoids where the run's own works with one of them only.
        k: Number of clusters asked for.
        days: How many days were clustered.
        validity: Indices of both, as of `validity_comparison`; the columns are `euclidean` and `dtw`.
        agreement: Of the clusters by Euclidean distance (rows) with those by DTW (columns).
    """

    model: str
    k: int
    days: int
    validity: pd.DataFrame
    agreement: Agreement


def dtw_against_euclidean(profiles: pd.DataFrame, settings: ModelSettings, k: int) -> MetricComparison:
    """Cluster the same days with the same model and number of clusters under both distances.

    Args:
        profiles: A profile table: `id, date`, one column a step in kWh. Of more than MOST_DAYS days a sample is
            taken, by the seed of `settings`.
        settings: The run's model; its distance metric does not count, and for Ward's linkage, which DTW has not, stands
            the one that is usual with each metric.
        k: Number of clusters, up to the number of distinct profiles; of 1, which compares nothing, 2.

    Raises:
        ParameterError: k is too large.
    """
    days = profiles.iloc[random_rows(len(profiles), MOST_DAYS, settings.seed)]
    values = normalise(values_of(days))
    squares = {metric: pairs_of(values, 0 if metric == "euclidean" else settings.radius) for metric in DISTANCE_METRICS}
    settings, k = _for_both(settings), max(k, 2)
    scores, tables = {}, []
    for metric, pairs in squares.items():
        found = fit(values, replace(settings, distance_metric=metric), k, pairs)
        names = found.clusters.names_of(found.labels)
        tables.append(days[list(KEYS)].assign(cluster=found.labels, cluster_name=names))
        matrices = (squares["dtw"].square, squares["euclidean"].square)
        scores[metric] = validity_scores(values, found.labels, found.representatives, *matrices, checked=True)
    return MetricComparison(settings.model, k, len(days), _with_best(pd.DataFrame(scores)), agreement(*tables))


def _for_both(settings: ModelSettings) -> ModelSettings:
    """A model that works with both metrics, takes a number of clusters, and needs no sample of its own."""
    has_both = len(MODEL_METRICS[settings.model]) > 1 and settings.model != MODEL_WITHOUT_K
    return replace(
        settings,
        model=settings.model if has_both else _WITH_BOTH,
        linkage="auto" if settings.linkage == "ward" else settings.linkage,
        som_grid=None,
        sample_size=0,
    )


# --- sources, forecasts and alerts


def quality_by_source(vee_report: pd.DataFrame) -> pd.DataFrame:
    """What became of the readings of each source.

    Args:
        vee_report: One row a meter, as of `Results.vee_report`.

    Returns:
        One row a source: `source, meters, readings, days, days_profile, findings`, and of all readings the shares in
        percent, `measured_percent` and so on; those that are zero everywhere are left out.
    """
    shares = [name for name in vee_report.columns if str(name).startswith("share_")]
    counts = vee_report.reindex(columns=["source", "readings", "days", "days_profile", "findings"])
    counted = vee_report[shares].fillna(0).mul(vee_report["readings"], axis=0)
    table = counts.join(counted).groupby("source").sum()
    table.insert(0, "meters", vee_report.groupby("source").size())
    table[shares] = table[shares].div(table["readings"].where(table["readings"] > 0), axis=0)
    table = table.drop(columns=[name for name in shares if not table[name].any()])
    return table.rename(columns=lambda name: str(name).removeprefix("share_")).reset_index()


def forecast_by_cluster(main: pd.DataFrame, errors: pd.DataFrame, meters: pd.DataFrame) -> pd.DataFrame:
    """How well the meters of each cluster are forecast.

    Args:
        main: The meters' clusters, as of `main_clusters`; meters without one are in none.
        errors: `meter_id, wape, mape_percent, ratio_to_seasonal_naive`, as of `Results.forecast_errors`.
        meters: `meter_id, energy_kwh`, as of `Results.meters`.

    Returns:
        One row a cluster: `cluster, cluster_name, meters, energy_kwh` (net, of all their readings), `forecast_meters`
        (of which errors are known), and medians over those: `median_wape, median_mape_percent,
        median_ratio_to_seasonal_naive`.
    """
    measures = ["wape", "mape_percent", "ratio_to_seasonal_naive"]
    table = meters[["meter_id", "energy_kwh"]].merge(main, on="meter_id", how="outer")
    table = table.merge(errors[["meter_id", *measures]].astype(dict.fromkeys(measures, float)), how="left")
    table = table.assign(
        cluster=table["cluster"].fillna(NO_CLUSTER).astype(int),
        cluster_name=table["cluster_name"].fillna(NO_CLUSTER_NAME),
    )
    return (
        table.groupby(["cluster", "cluster_name"])
        .agg(
            meters=("meter_id", "size"),
            energy_kwh=("energy_kwh", "sum"),
            forecast_meters=("wape", "count"),
            **{f"median_{name}": (name, "median") for name in measures},
        )
        .reset_index()
    )


def alerts_by_cluster(main: pd.DataFrame, alerts: pd.DataFrame) -> pd.DataFrame:
    """The alerts by the clusters of their meters; each alert counts once.

    Args:
        main: The meters' clusters, as of `main_clusters`; meters without one are in none.
        alerts: As of `AlertStore.read`.

    Returns:
        One row a cluster: `cluster` (missing where an alert's meters are of several clusters), `cluster_name, alerts`,
        how many are of each kind and in each state, and `missing_kwh, money` of those that nobody has dismissed.
    """
    known = main.set_index("meter_id")["cluster"]
    names = {NO_CLUSTER: NO_CLUSTER_NAME, **dict(zip(main["cluster"], main["cluster_name"], strict=True))}
    of_alert = [{int(known.get(meter, NO_CLUSTER)) for meter in meters} for meters in alerts["meters"]]
    stand = alerts["state"] != DISMISSED
    table = pd.DataFrame(
        {
            "cluster": pd.array([min(found) if len(found) == 1 else None for found in of_alert], dtype="Int64"),
            "alerts": 1,
            **{kind: (alerts["kind"] == kind).astype(int).to_numpy() for kind in KINDS},
            **{state: (alerts["state"] == state).astype(int).to_numpy() for state in STATES},
            "missing_kwh": alerts["missing_kwh"].clip(lower=0).where(stand, 0.0).to_numpy(),
            "money": alerts["money"].where(stand, 0.0).to_numpy(),
        }
    )
    table = table.groupby("cluster", dropna=False).sum().reset_index()
    table.insert(1, "cluster_name", table["cluster"].map(names).astype(object).fillna(SEVERAL_NAME))
    return table


# --- what several of them need


def _representatives(results: Results) -> pd.DataFrame:
    table = results.clustering.representatives
    if table.empty:
        raise EmptyResultError(f"run {results.run_id}: has no clusters; take a run whose clustering has finished")
    return table


def _steps_of(representatives: pd.DataFrame) -> npt.NDArray[np.float64]:
    return representatives.drop(columns=["cluster", "cluster_name", "kind", "size"]).to_numpy(np.float64)


def _groups(ids: pd.Series, meters: pd.DataFrame) -> dict[str, npt.NDArray[Any]]:
    """What is known of the meters, for each day; empty where it is not."""
    found = {}
    for name in _GROUPS:
        if name in meters and meters[name].fillna("").ne("").any():
            of_meter = meters.set_index("meter_id")[name].astype(object).fillna("")
            found[name] = ids.map(of_meter).astype(object).fillna("").to_numpy(dtype=object)
    return found


def _silhouettes(
    values: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], settings: ModelSettings
) -> dict[str, npt.NDArray[np.float64]]:
    """Each day's silhouette by either distance, NaN for those that are not in the sample; none where it has no two."""
    rows = random_rows(len(values), MOST_DAYS, settings.seed)
    if len(np.setdiff1d(labels[rows], NO_CLUSTER)) < 2:
        return {}
    found = {}
    for name, radius in (("Euclidean", 0), ("DTW", settings.radius)):
        found[name] = np.full(len(values), np.nan)
        square = pairs_of(values[rows], radius).square
        found[name][rows] = silhouette_samples(square, labels[rows], checked=True)
    return found


def _numbered(assignments: pd.DataFrame) -> dict[int, str]:
    """A cluster's number and name, as every figure gives them."""
    known = assignments.drop_duplicates("cluster")
    return {
        number: NO_CLUSTER_NAME if number == NO_CLUSTER else f"{number} · {name}"
        for number, name in zip(known["cluster"], known["cluster_name"], strict=True)
    }


def _same_days(one: Clustering, other: Clustering) -> bool:
    days = one.assignments[list(KEYS)].merge(other.assignments[list(KEYS)])
    return len(days) == len(one.assignments) == len(other.assignments)


def _with_best(scores: pd.DataFrame) -> pd.DataFrame:
    """A table of indices by runs, with the direction of each index and the run that is best by it."""
    table = scores.reindex([name for name in DIRECTIONS if name in scores.index]).rename_axis("index")
    ways = pd.Series(DIRECTIONS)[table.index]
    best = table.mul(ways, axis=0).dropna(how="all").idxmax(axis=1).reindex(table.index, fill_value="")
    return table.assign(better=ways.map({1: "higher", -1: "lower"}), best=best).reset_index()
