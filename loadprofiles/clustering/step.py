"""The clustering step: from the harmonized table to clusters, their indices, tables, figures and the served model."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles import plots
from loadprofiles import step as artifacts
from loadprofiles.choices import MODEL_WITHOUT_K, check_model
from loadprofiles.clustering.days import (
    Days,
    Distances,
    load_distances,
    matrix_command,
    needs_all_pairs,
    read_days,
    with_sample,
)
from loadprofiles.clustering.hierarchy import Agglomerative
from loadprofiles.clustering.models import Clustering, ModelSettings, fit
from loadprofiles.clustering.selection import MAX_PROFILES, choose_k, stability
from loadprofiles.clustering.som import Som
from loadprofiles.representatives import NO_CLUSTER
from loadprofiles.step import ServedModel, StepInput, StepResult
from loadprofiles.tables import atomic_path, write_table
from loadprofiles.validity import DIRECTIONS, Validity, judge

HIGH_RES_DPI = 300
_EXAMPLE_DAYS = 3
_PACKAGES = ("mlflow", "numpy", "pandas", "numba", "joblib")


@dataclass(frozen=True)
class Request:
    """What is asked for beside the model's settings.

    Attributes:
        number_of_clusters: At least 2, or 0 to have it chosen.
        k_min: The least number to choose from.
        k_max: The greatest.
        k_rule: How to choose, one of `choices.K_RULES`.
        silhouette_dtw: Whether `Silhouette DTW` is wanted where the matrix is there.
        stability_seeds: Further seeds to compare clusters with.
        registered_model: The model's name in the registry; empty: not registered.
        model_alias: An alias for this version of it; empty: none.
        alone: Whether pages carry the script they need: without it they need a network.
    """

    number_of_clusters: int = 0
    k_min: int = 3
    k_max: int = 20
    k_rule: str = "silhouette"
    silhouette_dtw: bool = True
    stability_seeds: int = 0
    registered_model: str = ""
    model_alias: str = ""
    alone: bool = True


def cluster(
    in_csv: Path,
    dtw_path: Path | str,
    smart_meter_description_csv: Path | None,
    customers_folder: Path | None,
    customers_layout: Path | None,
    jobs: int,
    workspace: Path,
    **params: Any,
) -> StepResult:
    """Cluster the l2-normalised profiles of a harmonized table.

    Args:
        in_csv: The harmonized table.
        dtw_path: The DTW matrix' place; needed where the model works on the matrix, and used for
            `Silhouette DTW` wherever it holds these profiles.
        smart_meter_description_csv: The meters' types; None: not known.
        customers_folder: With the sheet of the customers' sectors; None: not known.
        customers_layout: How to read that; None: as built in.
        jobs: Threads; 0: as many as cores.
        workspace: A folder for the files of the result.
        params: Attributes of `ModelSettings` and `Request`.

    Raises:
        InputError: A table cannot be read.
        ParameterError: A parameter cannot be used, or there are fewer distinct profiles than clusters.
        StaleMatrixError: The model works on the DTW matrix, and it does not hold these profiles.
    """
    settings, request = split_params(params | {"threads": jobs or None})
    check_model(settings.model, settings.distance_metric, request.number_of_clusters, settings.som_grid)
    days = read_days(in_csv, smart_meter_description_csv, customers_folder, customers_layout)
    settings, notes = with_sample(settings, len(days))
    all_pairs = needs_all_pairs(settings, len(days))
    distances = load_distances(
        days,
        dtw_path,
        int(settings.radius or 0),
        matrix_command(in_csv, dtw_path, int(settings.radius or 0)),
        dtw_required=all_pairs and settings.distance_metric == "dtw",
        dtw_wanted=request.silhouette_dtw,
        euclidean_required=all_pairs and settings.distance_metric == "euclidean",
        threads=settings.threads,
    )
    result = cluster_days(days, distances, settings, request, workspace)
    result.inputs = [StepInput(artifacts.HARMONIZED, in_csv, days.digest)]
    result.notes = [*notes, *distances.notes, *result.notes]
    return result


def split_params(params: Mapping[str, Any]) -> tuple[ModelSettings, Request]:
    """A step's parameters as the model's settings and the rest."""
    of_model = {name: value for name, value in params.items() if name in ModelSettings.__dataclass_fields__}
    return ModelSettings(**of_model), Request(**{n: v for n, v in params.items() if n not in of_model})


def cluster_days(
    days: Days, distances: Distances, settings: ModelSettings, request: Request, workspace: Path
) -> StepResult:
    """Cluster days and write all that is told of it; arguments as read by `cluster`."""
    result = StepResult()
    pairs = distances.of(settings.distance_metric) if needs_all_pairs(settings, len(days)) else None
    k, curve = _number_of_clusters(days, distances, settings, request)
    found = fit(days.profiles, settings, k, pairs)
    shown_k = found.n_clusters if settings.model == MODEL_WITHOUT_K else k
    result.run_name = f"{settings.model} {settings.distance_metric} k={shown_k}"
    result.params["k"] = shown_k
    validity = _judge(days, distances, found, request, settings.threads)
    result.metrics = validity.scores | _counts(found, len(days))
    result.tags = {"cluster_names": "; ".join(found.names)}
    if request.stability_seeds:
        _add_stability(result, stability(days.profiles, settings, found, request.stability_seeds, pairs), workspace)
    if curve is not None:
        result.files.append(write_table(curve, workspace / f"{artifacts.K_CURVE}.csv"))
        result.notes.append(_chosen_note(request, curve, k))
    view = _view(days, found, validity, curve, result.run_name)
    result.files += _tables(days, found, view, validity, workspace)
    result.files += draw(view, workspace, request.alone)
    result.model = _served(days, found, request, workspace)
    result.notes += _notes(result, found, shown_k, len(days))
    return result


def _number_of_clusters(
    days: Days, distances: Distances, settings: ModelSettings, request: Request
) -> tuple[int, pd.DataFrame | None]:
    """The number to look for, and the curve if it was chosen."""
    if settings.som_grid:
        return settings.som_grid.size, None
    if request.number_of_clusters or settings.model == MODEL_WITHOUT_K:
        return request.number_of_clusters, None
    k_values = range(request.k_min, request.k_max + 1)
    own = distances.of(settings.distance_metric)
    return choose_k(days.profiles, settings, k_values, rule=request.k_rule, pairs=own)


def _chosen_note(request: Request, curve: pd.DataFrame, k: int) -> str:
    why = "the highest silhouette" if request.k_rule == "silhouette" else "the least mean rank by several indices"
    tried = f"{curve['k'].min()} to {curve['k'].max()}, on at most {MAX_PROFILES} days"
    return f"number_of_clusters=0: {k} has {why} of {tried}"


def _judge(days: Days, distances: Distances, found: Clustering, request: Request, threads: int | None) -> Validity:
    if found.n_clusters < 2:
        return Validity({}, {})
    dtw = distances.dtw if request.silhouette_dtw else None
    return judge(
        days.profiles,
        found.labels,
        found.representatives,
        dtw_matrix=None if dtw is None else dtw.square,
        euclidean_matrix=None if distances.euclidean is None else distances.euclidean.square,
        threads=threads,
        checked=True,
    )


def _counts(found: Clustering, n_days: int) -> dict[str, float]:
    """How many days there are, in which clusters, and how many of them a served model would put into their own."""
    sizes = np.bincount(found.labels[found.labels != NO_CLUSTER], minlength=found.n_clusters)
    return {
        "inertia": found.inertia,
        "profiles": n_days,
        "clusters": found.n_clusters,
        "smallest_cluster": float(sizes.min()),
        "largest_cluster": float(sizes.max()),
        "median_cluster": float(np.median(sizes)),
        "share_in_no_cluster": float((found.labels == NO_CLUSTER).mean()),
        "prediction_agreement": found.agreement,
    }


def _add_stability(result: StepResult, table: pd.DataFrame, workspace: Path) -> None:
    values = table["adjusted_rand"]
    result.files.append(write_table(table, workspace / f"{artifacts.STABILITY}.csv"))
    result.metrics |= {"stability_adjusted_rand": float(values.mean()), "stability_least": float(values.min())}
    result.notes.append(
        f"stability over {len(set(table['seed']) | set(table['other_seed']))} seeds: adjusted Rand index "
        f"{values.mean():.3f} on average, {values.min():.3f} at least"
    )


def _notes(result: StepResult, found: Clustering, asked: int, n_days: int) -> list[str]:
    silhouette = result.metrics.get("Silhouette Score", float("nan"))
    notes = [f"{result.run_name}: silhouette {silhouette:.3f}, {n_days} profiles"]
    if found.n_clusters < asked:
        notes.append(f"{asked - found.n_clusters} of {asked} clusters have no member and are left out")
    if not getattr(found.estimator, "converged_", True):
        notes.append("the mixture had not converged when it was stopped; another seed may do better")
    if found.agreement < 1:
        notes.append(
            f"the served model, which takes the nearest representative, puts {found.agreement:.1%} of these days into "
            "the cluster that the model gave them"
        )
    sizes = np.bincount(found.labels[found.labels != NO_CLUSTER], minlength=found.n_clusters)
    notes += [f"cluster {i}: {name}, {n} profiles" for i, (name, n) in enumerate(zip(found.names, sizes, strict=True))]
    outside = int((found.labels == NO_CLUSTER).sum())
    return [*notes, f"in no cluster: {outside} profiles"] if outside else notes


def _view(
    days: Days, found: Clustering, validity: Validity, curve: pd.DataFrame | None, title: str
) -> plots.ClusterView:
    estimator = found.estimator
    som = isinstance(estimator, Som)
    whole_tree = isinstance(estimator, Agglomerative) and len(estimator.tree_) + 1 == len(days)
    return plots.ClusterView(
        profiles=days.profiles,
        labels=found.labels,
        representatives=found.representatives,
        names=found.names,
        kind=found.clusters.kind,
        title=title,
        meters=days.keys["id"].to_numpy(dtype=object),
        dates=days.keys["date"].to_numpy(dtype="datetime64[D]"),
        groups=days.groups,
        silhouettes=validity.silhouettes,
        curve=curve,
        tree=estimator.tree_ if whole_tree else None,
        som_positions=found.clusters.reference.parts["positions"].astype(np.int64) if som else None,
        som_weights=estimator.weights_ if som else None,
    )


def _tables(days: Days, found: Clustering, view: plots.ClusterView, validity: Validity, workspace: Path) -> list[Path]:
    return [
        write_table(_assignments(days, found), workspace / f"{artifacts.ASSIGNMENTS}.parquet"),
        write_table(_representatives(days, found, view), workspace / f"{artifacts.REPRESENTATIVES}.parquet"),
        write_table(shares_table(view), workspace / f"{artifacts.CLUSTER_SHARES}.csv"),
        write_table(_validity_table(validity), workspace / f"{artifacts.VALIDITY}.csv"),
    ]


def _assignments(days: Days, found: Clustering) -> pd.DataFrame:
    """One row a meter-day: `id, date, cluster, cluster_name, distance`."""
    return days.keys.assign(
        cluster=found.labels,
        cluster_name=found.clusters.names_of(found.labels),
        distance=np.asarray(found.distances, dtype=np.float64),
    )


def _representatives(days: Days, found: Clustering, view: plots.ClusterView) -> pd.DataFrame:
    """One row a cluster: `cluster, cluster_name, kind, size` and one column a step."""
    steps = pd.DataFrame(found.representatives, columns=days.steps)
    head = pd.DataFrame({"cluster": range(view.k), "cluster_name": found.names, "kind": view.kind, "size": view.sizes})
    return pd.concat([head, steps], axis=1)


def shares_table(view: plots.ClusterView) -> pd.DataFrame:
    """Days of each cluster per meter and per group: `level, name, cluster, days, share` (of the name's days)."""
    levels: dict[str, npt.NDArray[Any]] = {"meter": view.meters, **view.groups}
    parts = []
    for level, values in levels.items():
        part = pd.DataFrame({"name": values, "cluster": view.labels}).value_counts(sort=False).reset_index(name="days")
        part["share"] = part["days"] / part.groupby("name")["days"].transform("sum")
        parts.append(part.sort_values(["name", "cluster"]).assign(level=level))
    table: pd.DataFrame = pd.concat(parts, ignore_index=True)[["level", "name", "cluster", "days", "share"]]
    return table


def _validity_table(validity: Validity) -> pd.DataFrame:
    """One row an index: `index, value, better` (higher or lower)."""
    rows = [(name, value, "higher" if DIRECTIONS[name] > 0 else "lower") for name, value in validity.scores.items()]
    return pd.DataFrame(rows, columns=["index", "value", "better"])


def draw(view: plots.ClusterView, workspace: Path, alone: bool) -> list[Path]:
    """All figures of a clustering, and the page of them to look into."""
    centers = plots.cluster_centers(view)
    files = [
        plots.save(centers, workspace / artifacts.CLUSTER_CENTERS),
        plots.save(centers, workspace / artifacts.CLUSTER_CENTERS_HIGH_RES, HIGH_RES_DPI),
        plots.save(plots.cluster_sizes(view), workspace / artifacts.CLUSTER_SIZES),
        plots.save(plots.calendar(view), workspace / artifacts.CALENDAR_FIGURE),
        plots.save(plots.shares(view), workspace / artifacts.SHARES_FIGURE),
    ]
    if view.silhouettes:
        files.append(plots.save(plots.silhouettes(view), workspace / artifacts.SILHOUETTE_FIGURE))
    if view.tree is not None:
        files.append(plots.save(plots.dendrogram(view), workspace / artifacts.DENDROGRAM_FIGURE))
    if view.som_weights is not None:
        files.append(plots.save(plots.som_map(view), workspace / artifacts.SOM_FIGURE))
    if view.curve is not None:
        files.append(plots.save(plots.k_curve(view.curve, view.k), workspace / artifacts.K_CURVE_FIGURE))
    page = workspace / artifacts.CLUSTERS_PAGE
    with atomic_path(page) as temporary:
        temporary.write_text(plots.clusters_page(view, embed_script=alone), encoding="utf-8")
    return [*files, page]


def _served(days: Days, found: Clustering, request: Request, workspace: Path) -> ServedModel:
    return ServedModel(
        name=artifacts.CLUSTER_MODEL,
        script=Path(__file__).parent.parent / "serving" / "clusters.py",
        files={"clusters": found.clusters.save(workspace / "model")},
        inputs=tuple((step, "double") for step in days.steps),
        outputs=(("cluster", "long"), ("cluster_name", "string"), ("distance", "double")),
        example=pd.DataFrame(days.energy_kwh[:_EXAMPLE_DAYS], columns=days.steps),
        packages=_PACKAGES,
        registered_name=request.registered_model,
        alias=request.model_alias,
    )
