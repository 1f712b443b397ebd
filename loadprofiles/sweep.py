"""A sweep: models × distance metrics × numbers of clusters on the same days, compared below one parent run.

What all runs share is made once: the harmonized table by the chain, the squares of distances in files that all
processes map, the trees of agglomerative clustering. A run that was finished before, with the same code,
table and parameters, is taken over, so that an interrupted sweep goes on where it was.
"""

import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import click
import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from loadprofiles import plots, tracking
from loadprofiles import step as artifacts
from loadprofiles.chain import ENVIRONMENT_FILE, Chain, code_digest
from loadprofiles.choices import MODEL_METRICS, MODEL_WITHOUT_K
from loadprofiles.clustering.days import (
    Days,
    Distances,
    load_distances,
    matrix_command,
    needs_all_pairs,
    read_days,
    with_sample,
)
from loadprofiles.clustering.hierarchy import resolved_linkage
from loadprofiles.clustering.models import ModelSettings
from loadprofiles.clustering.pairs import Pairs
from loadprofiles.clustering.step import Request, cluster_days
from loadprofiles.distances.matrix import stored_digests
from loadprofiles.errors import LoadProfilesError, ParameterError, StepFailedError, mask_secrets
from loadprofiles.parallel import run_tasks
from loadprofiles.step import Step, StepInput, StepResult
from loadprofiles.tables import atomic_path, content_digest, first_line, write_table
from loadprofiles.validity import DIRECTIONS, RANKED, rank_table

CHILD_STEP = "clustering"
_LOPSIDED = 0.9
"""Share of the days in one cluster beyond which the clusters tell little."""

_SHOWN = 5
"""Failed runs that the error names."""


@dataclass(frozen=True)
class _Known:
    """What is known of meters: parameters of `read_days`."""

    in_csv: Path
    smart_meter_description_csv: Path | None
    customers_folder: Path | None
    customers_layout: Path | None


@dataclass(frozen=True)
class _Task:
    """One run of the sweep, to be pickled.

    Attributes:
        number: Tells it from the others.
        settings: The model's.
        request: The rest, with the number of clusters.
        known: What to read.
        folder: Of the distances and trees.
        run_id: The run to carry it out in.
        environment: That a process needs to reach the MLflow store.
    """

    number: int
    settings: ModelSettings
    request: Request
    known: _Known
    folder: Path
    run_id: str = ""
    environment: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        k = f" k={self.request.number_of_clusters}" if self.request.number_of_clusters else ""
        return f"{self.settings.model} {self.settings.distance_metric}{k}"


@dataclass(frozen=True)
class _TreeTask:
    """A tree to build of the distances in a folder."""

    number: int
    folder: Path
    metric: str
    linkage: str

    def __str__(self) -> str:
        return f"the tree of {self.linkage} linkage, {self.metric}"


@dataclass(frozen=True)
class _Outcome:
    """What became of a task: the run's id, and why it failed, if it did."""

    number: int
    run_id: str
    error: str = ""


def run_sweep(steps: tuple[Step, ...], params: Mapping[str, Any]) -> None:
    """Run `steps` and then every clustering below one parent run.

    Args:
        steps: The chain up to harmonization, which `in_csv` makes unnecessary.
        params: The sweep's parameters.

    Raises:
        ParameterError: No model works with a distance metric that is asked for.
        StepFailedError: A step failed; or some of the runs did, which are named after all others have ended.
    """
    started = time.perf_counter()
    with tracking.run("sweep", params) as parent, tempfile.TemporaryDirectory(prefix="sweep-") as name:
        workspace = Path(name)
        asked = _asked(params)
        in_csv = params["in_csv"] or _harmonized(steps, params, parent)
        given = {name: params[name] for name in _Known.__dataclass_fields__} | {"in_csv": in_csv}
        known = _Known(**{name: tracking.resolve(value, workspace / name) for name, value in given.items()})
        if params["in_csv"] and known.customers_folder and not known.customers_folder.is_dir():
            click.echo(f"sweep: {known.customers_folder} is not there: sectors are not known")
            known = replace(known, customers_folder=None)
        sweep = _Sweep(parent, params, known, workspace)
        try:
            leaderboard = sweep.run(asked)
        except BaseException:
            tracking.close_children(parent, "the sweep was stopped")
            raise
        seconds = time.perf_counter() - started
        sweep.record(leaderboard, seconds)
        click.echo(f"sweep: run {parent.info.run_id} finished in {seconds:.0f} s; see {tracking.where_to_see()}")
        _fail_if_any_did(leaderboard)


def _harmonized(steps: tuple[Step, ...], params: Mapping[str, Any], parent: tracking.Run) -> str:
    last = steps[-1]
    return tracking.step_output(Chain(steps, params, parent).run()[last.name], last.output)


def _asked(params: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Model, distance metric and number of clusters of each run: 0 where the model finds it, a grid's size."""
    metrics = params["distance_metrics"].split(",")
    pairs = [(m, metric) for m in params["models"].split(",") for metric in MODEL_METRICS[m] if metric in metrics]
    left_out = [m for m in params["models"].split(",") if m not in {model for model, _ in pairs}]
    if left_out:
        raise ParameterError(f"{', '.join(left_out)} do not work with distance_metrics={params['distance_metrics']}")
    grid = params["som_grid"]
    if grid and "som" not in params["models"].split(","):
        raise ParameterError(f"som_grid is given, but models are {params['models']}; leave it empty")
    k_values = range(params["k_min"], params["k_max"] + 1)
    own = {MODEL_WITHOUT_K: [0]} | ({"som": [grid.size]} if grid else {})
    return [(m, metric, k) for m, metric in pairs for k in own.get(m, k_values)]


class _Sweep:
    """The runs of one sweep on one table."""

    def __init__(self, parent: tracking.Run, params: Mapping[str, Any], known: _Known, workspace: Path) -> None:
        self._parent = parent
        self._params = params
        self._workspace = workspace
        self._known = known
        self._days = read_days(**vars(known))
        groups, ids = self._days.groups, self._days.keys["id"]
        of_meters = {name: dict(zip(ids, values, strict=True)) for name, values in groups.items()}
        self._known_of_meters = _digest_text(json.dumps(of_meters, sort_keys=True))
        self._stored = json.dumps(stored_digests(params["dtw_path"]), sort_keys=True)
        self._notes: list[str] = []

    def run(self, asked: list[tuple[str, str, int]]) -> pd.DataFrame:
        """Carry out or take over every run; return the leaderboard, the best first."""
        tasks = [self._task(number, *which) for number, which in enumerate(asked)]
        parts = {task: self._parts(task) for task in tasks}
        found = {} if self._params["ignore_previous_runs"] else self._finished(parts)
        pending = [task for task in tasks if task not in found]
        if found:
            self._tell(f"{len(found)} of {len(tasks)} runs were finished before and are taken over")
        outcomes = {task.number: _Outcome(task.number, run_id) for task, run_id in found.items()}
        if pending:
            self._share(pending)
            outcomes |= self._carry_out(pending, parts)
        rows = [self._row(task, outcomes[task.number], reused=task in found) for task in tasks]
        return _ranked(pd.DataFrame(rows))

    def _task(self, number: int, model: str, metric: str, k: int) -> _Task:
        fields = ModelSettings.__dataclass_fields__
        settings = ModelSettings(model, metric, **{n: v for n, v in self._params.items() if n in fields}, threads=1)
        settings = settings if model == "som" else replace(settings, som_grid=None)
        settings, notes = with_sample(settings, len(self._days))
        self._notes += [note for note in notes if note not in self._notes]
        request = Request(number_of_clusters=k, silhouette_dtw=self._params["silhouette_dtw"], alone=False)
        return _Task(number, settings, request, self._known, self._workspace)

    def _parts(self, task: _Task) -> dict[str, str]:
        """All that a run's result depends on."""
        return {
            "code": code_digest(CHILD_STEP),
            "environment": content_digest(ENVIRONMENT_FILE),
            "input in_csv": self._days.digest,
            "input dtw_path": self._stored,
            "known of meters": self._known_of_meters,
            "parameters": json.dumps(asdict(task.settings) | asdict(task.request), sort_keys=True, default=str),
        }

    def _finished(self, parts: Mapping[_Task, dict[str, str]]) -> dict[_Task, str]:
        """Run ids of the tasks that were finished before."""
        runs = tracking.finished_by_fingerprint(self._parent.info.experiment_id, CHILD_STEP)
        fingerprints = {task: _fingerprint(of_task) for task, of_task in parts.items()}
        return {task: runs[fingerprint] for task, fingerprint in fingerprints.items() if fingerprint in runs}

    def _share(self, pending: list[_Task]) -> None:
        """Put what the runs share into files: squares of distances, then trees."""
        settings = [task.settings for task in pending]
        on_pairs = {s.distance_metric for s in settings if needs_all_pairs(s, len(self._days))}
        radius = int(self._params["radius"])
        distances = load_distances(
            self._days,
            self._params["dtw_path"],
            radius,
            matrix_command(self._known.in_csv, self._params["dtw_path"], radius),
            dtw_required="dtw" in on_pairs,
            dtw_wanted=self._params["silhouette_dtw"],
            euclidean_required="euclidean" in on_pairs,
            folder=self._workspace,
            threads=self._jobs(os.cpu_count() or 1),
        )
        self._notes += distances.notes
        for note in self._notes:
            self._tell(note)
        trees = {
            (s.distance_metric, resolved_linkage(s.linkage, s.distance_metric))
            for s in settings
            if s.model == "agglomerative" and needs_all_pairs(s, len(self._days))
        }
        todo = [_TreeTask(number, self._workspace, *which) for number, which in enumerate(sorted(trees))]
        for _ in run_tasks(_build_tree, todo, self._jobs(len(todo)), "", self._workspace):
            pass

    def _carry_out(self, pending: list[_Task], parts: Mapping[_Task, dict[str, str]]) -> dict[int, _Outcome]:
        environment = (
            ("MLFLOW_TRACKING_URI", tracking.store_uri()),
            ("MLFLOW_EXPERIMENT_ID", str(self._parent.info.experiment_id)),
        )
        opened = [
            replace(
                task,
                run_id=tracking.open_child(
                    self._parent, CHILD_STEP, tracking.fingerprint_tags(_fingerprint(parts[task]), parts[task])
                ),
                environment=environment,
            )
            for task in pending
        ]
        outcomes = run_tasks(_carry_out, opened, self._jobs(len(opened)), "", self._workspace)
        bar = tqdm(outcomes, total=len(opened), desc="sweep", unit="run", disable=None)
        return {outcome.number: outcome for outcome in bar}

    def _jobs(self, tasks: int) -> int:
        jobs: int = self._params["jobs"] or joblib.cpu_count()
        return max(1, min(jobs, tasks))

    def _row(self, task: _Task, outcome: _Outcome, *, reused: bool) -> dict[str, Any]:
        run = tracking.get_run(outcome.run_id)
        return {
            "run": run.info.run_name if not outcome.error else str(task),
            "model": task.settings.model,
            "distance_metric": task.settings.distance_metric,
            "clusters": task.request.number_of_clusters or run.data.metrics.get("clusters"),
            **{name: run.data.metrics.get(name, np.nan) for name in DIRECTIONS},
            "profiles": len(self._days),
            "smallest_cluster": run.data.metrics.get("smallest_cluster", np.nan),
            "largest_cluster": run.data.metrics.get("largest_cluster", np.nan),
            "reused": reused,
            "run_id": outcome.run_id,
            "url": tracking.run_link(run),
            "error": outcome.error,
        }

    def record(self, leaderboard: pd.DataFrame, seconds: float) -> None:
        """Record the comparison on the parent run."""
        good = leaderboard[leaderboard["error"] == ""]
        result = StepResult(
            files=[write_table(leaderboard, self._workspace / f"{artifacts.LEADERBOARD}.csv")],
            inputs=[StepInput(artifacts.HARMONIZED, self._known.in_csv, self._days.digest)],
            metrics={
                "runs": len(leaderboard),
                "runs_reused": int(leaderboard["reused"].sum()),
                "runs_failed": len(leaderboard) - len(good),
                "seconds": seconds,
            },
            notes=self._notes,
        )
        if len(good):
            best = good.iloc[0]
            result.files += self._comparison(good)
            result.metrics |= {name: float(best[name]) for name in DIRECTIONS if np.isfinite(best[name])}
            result.tags = {"best_run": str(best["run"]), "best_run_id": str(best["run_id"])}
            lopsided = int(good["lopsided"].sum())
            self._tell(
                f"best by mean rank: {best['run']}, run {best['run_id']}; ranked behind: {lopsided} of {len(good)} "
                f"runs with more than {_LOPSIDED:.0%} of the days in one cluster"
            )
            if self._params["registered_model"]:
                tracking.register(best["run_id"], self._params["registered_model"], self._params["model_alias"])
        tracking.record(self._parent, result)

    def _comparison(self, good: pd.DataFrame) -> list[Path]:
        page = self._workspace / artifacts.COMPARISON_PAGE
        with atomic_path(page) as temporary:
            temporary.write_text(plots.comparison_page(good), encoding="utf-8")
        return [plots.save(plots.comparison(good), self._workspace / artifacts.COMPARISON_FIGURE), page]

    @staticmethod
    def _tell(note: str) -> None:
        click.echo(f"sweep: {mask_secrets(note)}")


def _ranked(leaderboard: pd.DataFrame) -> pd.DataFrame:
    """With the mean rank by the indices that have no trend with k: the best first, then the lopsided, then the failed.

    Indices praise a model that puts nearly all days into one cluster and a few odd ones into the others; who asks for
    clusters has no use of it.
    """
    indices = [name for name in (*RANKED, "Silhouette DTW") if leaderboard[name].notna().any()]
    leaderboard.insert(4, "mean_rank", rank_table(leaderboard, indices) if indices else np.nan)
    leaderboard.insert(5, "lopsided", leaderboard["largest_cluster"] > _LOPSIDED * leaderboard["profiles"])
    failed = leaderboard["error"] != ""
    leaderboard.loc[failed, "mean_rank"] = np.nan
    order = leaderboard.assign(failed=failed).sort_values(["failed", "lopsided", "mean_rank"], kind="stable").index
    return leaderboard.loc[order].reset_index(drop=True)


def _fail_if_any_did(leaderboard: pd.DataFrame) -> None:
    failed = leaderboard[leaderboard["error"] != ""]
    if len(failed):
        named = "; ".join(f"{row.run}: {row.error}" for row in failed.head(_SHOWN).itertuples())
        more = f"; and {len(failed) - _SHOWN} more, in {artifacts.LEADERBOARD}.csv" if len(failed) > _SHOWN else ""
        raise StepFailedError(f"{len(failed)} of {len(leaderboard)} runs failed: {named}{more}")


def _fingerprint(parts: Mapping[str, str]) -> str:
    return _digest_text(json.dumps(parts, sort_keys=True))


def _digest_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _build_tree(task: _TreeTask) -> int:
    square = _mapped(task.folder / f"{task.metric}.npy")
    np.save(task.folder / f"tree_{task.metric}_{task.linkage}.npy", Pairs(square, checked=True).tree(task.linkage))
    return task.number


def _carry_out(task: _Task) -> _Outcome:
    """Cluster, and record it in the task's run; in a process that does many one after another."""
    days, distances = _shared(task.known, task.folder)
    params = asdict(task.settings) | {"number_of_clusters": task.request.number_of_clusters}
    try:
        with (
            _environment({**dict(task.environment), "MLFLOW_RUN_ID": task.run_id}),
            tracking.run(CHILD_STEP, params) as active,
            tempfile.TemporaryDirectory(dir=task.folder, prefix="run-") as name,
        ):
            result = cluster_days(days, distances, task.settings, task.request, Path(name))
            result.inputs = [StepInput(artifacts.HARMONIZED, task.known.in_csv, days.digest)]
            tracking.record(active, result)
    except LoadProfilesError as error:
        return _Outcome(task.number, task.run_id, str(error))
    except Exception as error:  # one run that fails must not end the others  # noqa: BLE001
        return _Outcome(task.number, task.run_id, f"{type(error).__name__}: {first_line(error)}")
    return _Outcome(task.number, task.run_id)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables as MLflow wants them, and afterwards as they were: one process does without others."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@cache
def _shared(known: _Known, folder: Path) -> tuple[Days, Distances]:
    """What the runs share, once a process."""
    return read_days(**vars(known)), Distances(_pairs(folder, "euclidean"), _pairs(folder, "dtw"))


def _pairs(folder: Path, metric: str) -> Pairs | None:
    file = folder / f"{metric}.npy"
    if not file.exists():
        return None
    files: Iterable[Path] = folder.glob(f"tree_{metric}_*.npy")
    trees = {tree.stem.removeprefix(f"tree_{metric}_"): np.load(tree) for tree in files}
    return Pairs(_mapped(file), trees, checked=True)


def _mapped(file: Path) -> Any:
    # writable, though nobody writes: numba compiles once more for arrays that are not
    return np.asarray(np.load(file, mmap_mode="r+"))
