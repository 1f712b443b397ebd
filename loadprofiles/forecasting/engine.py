"""Forecasts of every meter from every origin, by the models asked for: in parallel, and none of them sees the future.

Two rounds of tasks, in processes of this machine or on a dask cluster, that share a folder with the panel: first the
models' forecasts (a model that learns: a task a fit; one that does not: a task some meters), then, per meter, what
only past errors may decide: the weights of `online` and the bands.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from loadprofiles.choices import LEARNERS, ONLINE, ONLINE_MEMBERS
from loadprofiles.forecasting.bands import Calibrator, Errors, Rhythm, pooled_quantiles
from loadprofiles.forecasting.design import Context
from loadprofiles.forecasting.fallback import find_fallbacks
from loadprofiles.forecasting.measures import LEVELS
from loadprofiles.forecasting.online import combine, weights_at
from loadprofiles.forecasting.panel import Floats, Grid, Ints, Panel
from loadprofiles.forecasting.registry import Fitted, forecaster, learner
from loadprofiles.forecasting.schedule import Horizon, Queries, plan
from loadprofiles.forecasting.served import floors, scales
from loadprofiles.parallel import run_tasks

REFERENCE = "seasonal_naive"
"""What every model's errors are told as a ratio to."""

FITS_TOGETHER = 5
"""Of a model that learns, the last so many fits forecast together, by their mean: bagging at no cost."""

_FIT_DAYS = 35
_METERS_A_TASK = 8
_POOLED_METERS = 200


@dataclass(frozen=True)
class PanelFile:
    """A panel in a folder that processes share; its energies are mapped, not read."""

    energies: Path
    grid: Grid
    meters: tuple[str, ...]

    @classmethod
    def write(cls, panel: Panel, folder: Path) -> "PanelFile":
        """Write a panel's energies."""
        path = folder / "panel.npy"
        np.save(path, panel.energy_kwh)
        return cls(path, panel.grid, panel.meters)

    def open(self) -> Panel:
        """The panel."""
        return Panel(self.grid, self.meters, np.asarray(np.load(self.energies, mmap_mode="r")))


@dataclass(frozen=True, eq=False)
class PointTask:
    """Forecasts of some queries by one model.

    Attributes:
        number: Tells it from the others.
        model: The model's name.
        panel: Where the energies are.
        context: What else is known.
        fit: The step before which a model that learns is fitted; not after any origin.
        queries: The forecasts to make.
        positions: Where they stand among all.
        horizon: How far ahead.
        seed: Of all random draws.
        threads: How many.
        folder: Where to keep the fitted model; None: nowhere.
    """

    number: int
    model: str
    panel: PanelFile
    context: Context
    fit: int
    queries: Queries
    positions: Ints
    horizon: Horizon
    seed: int
    threads: int
    folder: Path | None

    def __str__(self) -> str:
        return f"{self.model}, {len(self.positions)} forecasts"


def compute_points(task: PointTask) -> tuple[PointTask, Floats]:
    """Fit, where the model learns, to what was known then, and forecast."""
    panel, queries, steps = task.panel.open(), task.queries, task.horizon.steps
    if task.model not in LEARNERS:
        return task, forecaster(task.model)(panel, queries.meters, queries.origins, steps)
    known = panel.before(task.fit)
    # each fit draws rows of its own: several together are then worth more than one
    seed = task.seed + task.fit
    fitted: Fitted | None = learner(task.model).fit(known, task.context, steps, task.horizon.stride, seed, task.threads)
    if fitted is None:
        return task, np.full((len(queries), steps), np.nan)
    if task.folder:
        # a cluster repeats a task whose worker it has lost
        task.folder.mkdir(parents=True, exist_ok=True)
        fitted.save(task.folder)
    return task, fitted.forecast(panel, queries.meters, queries.origins, steps)


@dataclass(frozen=True, eq=False)
class MeterTask:
    """Some meters' forecasts by all models, to be given weights and bands.

    Attributes:
        number: Tells it from the others.
        panel: Where the energies are.
        queries: The forecasts, by meter and origin.
        positions: Where they stand among all.
        points_kwh: Each model's, shape (queries, horizon).
        pools: Each model's relative quantiles over all meters, shape (groups, levels), by fit.
        horizon: How far ahead.
    """

    number: int
    panel: PanelFile
    queries: Queries
    positions: Ints
    points_kwh: Mapping[str, Floats]
    pools: Mapping[str, Mapping[int, Floats]]
    horizon: Horizon

    def __str__(self) -> str:
        return f"bands of {len(np.unique(self.queries.meters))} meters"


@dataclass(frozen=True, eq=False)
class Banded:
    """What comes of a `MeterTask`.

    Attributes:
        quantiles_kwh: Of each model, shape (queries, horizon, levels).
        relative: Of each model, shape (meters, groups, levels): for forecasts yet to come.
    """

    quantiles_kwh: dict[str, Floats]
    relative: dict[str, Floats]


def compute_bands(task: MeterTask) -> tuple[MeterTask, Banded]:
    """Give each meter's forecasts their quantiles."""
    panel, queries = task.panel.open(), task.queries
    actual = actuals(panel, queries, task.horizon.steps)
    scale = scales(panel, queries.meters, queries.origins)
    rhythm = Rhythm(panel.grid, task.horizon.stride)
    quantiles = {name: np.empty((*points.shape, len(LEVELS))) for name, points in task.points_kwh.items()}
    relative: dict[str, list[Floats]] = {name: [] for name in task.points_kwh}
    least = floors(panel, queries.meters, queries.origins)
    for meter in np.unique(queries.meters):
        own = np.flatnonzero(queries.meters == meter)
        for name, points in task.points_kwh.items():
            errors = Errors(queries.origins[own], points[own], actual[own], scale[own])
            pools = [task.pools[name][int(fit)] for fit in queries.fits[own]]
            calibrator = Calibrator(errors, rhythm, pools)
            quantiles[name][own] = calibrator.quantiles()
            relative[name].append(calibrator.last_relative)
    return task, Banded(
        {name: np.maximum(values, least) for name, values in quantiles.items()},
        {name: np.array(values) for name, values in relative.items()},
    )


def actuals(panel: Panel, queries: Queries, horizon: int) -> Floats:
    """What was used after each origin, shape (queries, horizon); NaN where it is not known."""
    padded = np.pad(panel.energy_kwh, ((0, 0), (0, horizon)), constant_values=np.nan)
    energies: Floats = padded[queries.meters[:, np.newaxis], queries.origins[:, np.newaxis] + np.arange(horizon)]
    return energies


@dataclass(frozen=True, eq=False)
class Outcome:
    """All forecasts.

    Attributes:
        panel: The energies.
        queries: What was forecast, by meter and origin.
        reasons: Why a fallback was taken, shape (queries,); empty where none was.
        quantiles_kwh: Of each model, shape (queries, horizon, levels).
        relative: Of each model, shape (meters, groups, levels), by the meters of the queries: bands yet to come.
        fitted: The folder of each model that learns, with its last fits.
        weights: Of `online`'s members at the end, shape (meters, members); empty where it was not asked for.
    """

    panel: Panel
    queries: Queries
    horizon: Horizon
    reasons: npt.NDArray[np.object_]
    quantiles_kwh: dict[str, Floats]
    relative: dict[str, Floats]
    fitted: dict[str, Path]
    weights: Floats


@dataclass(frozen=True)
class Work:
    """Where forecasts are computed.

    Attributes:
        processes: At once.
        dask_scheduler: Address of a dask scheduler instead; empty: this machine.
        workspace: A folder for what processes share.
    """

    processes: int
    dask_scheduler: str
    workspace: Path

    def run(self, function: Callable[[Any], Any], tasks: Sequence[Any], what: str) -> Iterator[Any]:
        """Results of a function for each task, with progress shown."""
        processes = min(self.processes, len(tasks))
        results = run_tasks(function, tasks, processes, self.dask_scheduler, self.workspace)
        yield from tqdm(results, total=len(tasks), desc=what, disable=None)


def forecast_all(
    panel: Panel, context: Context, horizon: Horizon, models: Sequence[str], backtest_days: int, seed: int, work: Work
) -> Outcome:
    """Forecast every meter from every origin of its plan by each of some models.

    Args:
        panel: The energies.
        context: What else is known.
        horizon: How far ahead, and how often.
        models: Names; `online` needs its members among them.
        backtest_days: Days to be forecast as if they were to come.
        seed: Of all random draws.
        work: Where.
    """
    queries = plan(panel, horizon, backtest_days)
    file = PanelFile.write(panel, work.workspace)
    points, fitted = _points(file, context, horizon, [m for m in models if m != ONLINE], queries, seed, work)
    fallbacks = find_fallbacks(panel, queries.meters, queries.origins, horizon.steps)
    points = {name: fallbacks.applied_to(values) for name, values in points.items()}
    weights = np.empty((0, 0))
    if ONLINE in models:
        points[ONLINE], weights = _combined(panel, queries, points, horizon.steps)
        points[ONLINE] = fallbacks.applied_to(points[ONLINE])
    quantiles, relative = _bands(file, panel, queries, points, horizon, work)
    return Outcome(panel, queries, horizon, fallbacks.reasons, quantiles, relative, fitted, weights)


def _points(
    file: PanelFile,
    context: Context,
    horizon: Horizon,
    models: Sequence[str],
    queries: Queries,
    seed: int,
    work: Work,
) -> tuple[dict[str, Floats], dict[str, Path]]:
    """Each model's forecasts, shape (queries, horizon), and where its last fits are kept."""
    tasks: list[PointTask] = []
    fitted = {name: work.workspace / "fitted" / name for name in models if name in LEARNERS}
    # the long ones first: processes end together, and none is given up for the memory of a network after a small task
    for name in sorted(models, key=lambda name: name not in LEARNERS):
        for fit, positions in _by_fit(queries, file.grid) if name in LEARNERS else _by_meters(queries):
            newest = name in LEARNERS and queries.last_fit in queries.fits[positions]
            folder = fitted[name] / f"{fit}" if newest else None
            chosen = queries.take(positions)
            tasks.append(PointTask(len(tasks), name, file, context, fit, chosen, positions, horizon, seed, 1, folder))
    found = {task.number: values for task, values in work.run(compute_points, tasks, "forecasts")}
    sums = {name: np.zeros((len(queries), horizon.steps)) for name in models}
    counts = {name: np.zeros((len(queries), horizon.steps)) for name in models}
    # not as they come: the last digit of a sum of three hangs on their order
    for task in tasks:
        values = found.pop(task.number)
        sums[task.model][task.positions] += np.nan_to_num(values)
        counts[task.model][task.positions] += np.isfinite(values)
    with np.errstate(invalid="ignore"):
        points = {name: sums[name] / counts[name] for name in models}
    return points, {name: folder for name, folder in fitted.items() if folder.is_dir()}


def _by_fit(queries: Queries, grid: Grid) -> Iterator[tuple[int, Ints]]:
    """Each fit's step, and the positions of the queries that it answers: its own, and those of the next fits."""
    fits = np.unique(queries.fits)
    for number, fit in enumerate(fits):
        served = fits[number : number + FITS_TOGETHER]
        served = served[served - fit <= grid.steps_in(_FIT_DAYS)]
        yield int(fit), np.flatnonzero(np.isin(queries.fits, served))


def _by_meters(queries: Queries) -> Iterator[tuple[int, Ints]]:
    """Queries of some meters each, by a number."""
    for number, first in enumerate(range(0, int(queries.meters.max()) + 1, _METERS_A_TASK)):
        positions = np.flatnonzero((queries.meters >= first) & (queries.meters < first + _METERS_A_TASK))
        if len(positions):
            yield number, positions


def _combined(panel: Panel, queries: Queries, points_kwh: Mapping[str, Floats], horizon: int) -> tuple[Floats, Floats]:
    """The members' forecasts as one, and the weights they end with, by meter."""
    members = np.stack([points_kwh[name] for name in ONLINE_MEMBERS])
    actual = actuals(panel, queries, horizon)
    out, weights = np.empty(members.shape[1:]), []
    for meter in np.unique(queries.meters):
        own = np.flatnonzero(queries.meters == meter)
        out[own] = combine(queries.origins[own], members[:, own], actual[own], panel.grid)
        last = int(queries.origins[own].max())
        weights.append(weights_at(last, queries.origins[own], members[:, own], actual[own], panel.grid))
    return out, np.array(weights)


def _bands(
    file: PanelFile,
    panel: Panel,
    queries: Queries,
    points_kwh: Mapping[str, Floats],
    horizon: Horizon,
    work: Work,
) -> tuple[dict[str, Floats], dict[str, Floats]]:
    pools = {name: _pools(panel, queries, points, horizon) for name, points in points_kwh.items()}
    tasks = [
        MeterTask(
            number,
            file,
            queries.take(positions),
            positions,
            {name: points[positions] for name, points in points_kwh.items()},
            pools,
            horizon,
        )
        for number, positions in _by_meters(queries)
    ]
    quantiles = {name: np.empty((*points.shape, len(LEVELS))) for name, points in points_kwh.items()}
    relative: dict[str, dict[int, Floats]] = {name: {} for name in points_kwh}
    for task, banded in work.run(compute_bands, tasks, "bands"):
        for name in points_kwh:
            quantiles[name][task.positions] = banded.quantiles_kwh[name]
            relative[name][task.number] = banded.relative[name]
    ordered = {name: np.concatenate([parts[n] for n in sorted(parts)]) for name, parts in relative.items()}
    return quantiles, ordered


def last_pool(outcome: Outcome, name: str, rhythm: Rhythm) -> Floats:
    """A model's relative quantiles over some meters' errors at the end, shape (groups, levels)."""
    points = outcome.quantiles_kwh[name][..., LEVELS.index(0.5)]
    chosen, errors = _some_errors(outcome.panel, outcome.queries, points, outcome.horizon)
    return pooled_quantiles(errors, rhythm, int(chosen.origins.max()))


def _pools(panel: Panel, queries: Queries, points_kwh: Floats, horizon: Horizon) -> dict[int, Floats]:
    """For each fit, the relative quantiles of some meters' errors that were known then."""
    rhythm = Rhythm(panel.grid, horizon.stride)
    _, errors = _some_errors(panel, queries, points_kwh, horizon)
    return {int(fit): pooled_quantiles(errors, rhythm, int(fit)) for fit in np.unique(queries.fits)}


def _some_errors(panel: Panel, queries: Queries, points_kwh: Floats, horizon: Horizon) -> tuple[Queries, Errors]:
    """The forecasts of some meters, evenly drawn, and what became of them."""
    meters = np.unique(queries.meters)
    chosen = np.flatnonzero(np.isin(queries.meters, meters[:: max(1, len(meters) // _POOLED_METERS)]))
    some = queries.take(chosen)
    scale = scales(panel, some.meters, some.origins)
    return some, Errors(some.origins, points_kwh[chosen], actuals(panel, some, horizon.steps), scale)
