"""The theft bench as a step: on anybody's readings, with tables, figures and numbers."""

from collections.abc import Iterator
from pathlib import Path

import joblib

from loadprofiles import plots
from loadprofiles import step as artifacts
from loadprofiles.anomalies.bench import (
    ALL_FAULTS,
    ALL_THEFTS,
    LEVEL,
    Task,
    Terms,
    Trial,
    Window,
    events,
    false_alarms,
    recall_by_class,
    table,
    try_task,
)
from loadprofiles.anomalies.scoring import COMBINED
from loadprofiles.errors import EmptyResultError
from loadprofiles.forecasting.engine import Work
from loadprofiles.readings import open_readings
from loadprofiles.step import StepInput, StepResult
from loadprofiles.tables import content_digest, write_table

_METERS_A_TASK = 2
_METRIC_NAMES = {LEVEL: "level_thefts", ALL_THEFTS: "all_thefts", ALL_FAULTS: "data_faults"}


def run_bench(
    readings: Path,
    attacks: str,
    test_share: float,
    repeats: int,
    alert_budget: float,
    seed: int,
    timezone: str,
    jobs: int,
    dask_scheduler: str,
    workspace: Path,
) -> StepResult:
    """Put attacks into the last days of every meter, and tell how each detector finds them.

    Args:
        readings: The Readings.
        attacks: Names in `attacks.ATTACKS`, with commas between.
        test_share: Share of each meter's days, its last, that is attacked.
        repeats: How often each attack is put into each meter.
        alert_budget: Alert-days a meter and 30 days.
        seed: Of all random draws.
        timezone: IANA name of the zone whose days are meant.
        jobs: Processes at once; 0: as many as cores.
        dask_scheduler: Address of a dask scheduler; empty: this machine.
        workspace: A folder for the files of the result.

    Raises:
        InputError: The readings cannot be read.
        EmptyResultError: No meter has a past long enough.
    """
    terms = Terms((Window(1 - test_share, 1.0),), tuple(attacks.split(",")), repeats, alert_budget, seed, timezone)
    work = Work(jobs or int(joblib.cpu_count()), dask_scheduler, workspace.absolute())
    result = tell_bench(try_meters(readings, terms, work), terms, workspace)
    result.inputs = [StepInput(artifacts.READINGS, readings, content_digest(readings))]
    return result


def try_meters(readings: Path, terms: Terms, work: Work) -> list[Trial]:
    """All trials of all meters of some Readings.

    Raises:
        EmptyResultError: No meter has a past long enough.
    """
    meters = tuple(open_readings(readings).meters)
    parts = range(0, len(meters), _METERS_A_TASK)
    tasks = [Task(n, readings.absolute(), meters[i : i + _METERS_A_TASK], terms) for n, i in enumerate(parts)]
    trials = [trial for part in work.run(try_task, tasks, "theft bench") for trial in part]
    if not trials:
        raise EmptyResultError("no meter has a past long enough to be tried: some months, and 15 days to attack")
    return sorted(trials, key=lambda trial: trial.meter_id)


def tell_bench(trials: list[Trial], terms: Terms, workspace: Path) -> StepResult:
    """Tables, figures and numbers of trials in one test window."""
    found = events(trials)
    attacks, classes, alarms = table(trials, found), recall_by_class(found), false_alarms(trials)
    rate = float(alarms.loc[alarms["detector"] == COMBINED, "alert_days_per_30"].iloc[0])
    result = StepResult()
    result.outputs = {
        artifacts.BENCH: write_table(attacks, workspace / f"{artifacts.BENCH}.csv"),
        artifacts.BENCH_EVENTS: write_table(found, workspace / f"{artifacts.BENCH_EVENTS}.parquet"),
        artifacts.BENCH_RECALL: write_table(classes, workspace / f"{artifacts.BENCH_RECALL}.csv"),
    }
    single = attacks[~attacks["attack"].isin(_METRIC_NAMES)]
    result.files = [
        plots.save(plots.theft_bench(single), workspace / artifacts.BENCH_FIGURE),
        plots.save(plots.theft_recall(classes), workspace / artifacts.BENCH_RECALL_FIGURE),
    ]
    result.metrics = {"alert_days_per_30": rate, "alert_days_per_30_nominal": terms.budget}
    ours = attacks[attacks["detector"] == COMBINED].set_index("attack")
    for group, name in _METRIC_NAMES.items():
        if group in ours.index:
            result.metrics |= {
                f"{name}_{column}": float(ours[column][group]) for column in ("auc_pr", "roc_auc", "recall")
            }
            result.metrics[f"{name}_delay_days"] = float(ours["delay_days"][group])
    result.metrics = {name: value for name, value in result.metrics.items() if value == value}
    result.notes = list(_notes(trials, rate, terms))
    result.notes += attacks[attacks["detector"] == COMBINED].round(3).to_string(index=False).splitlines()
    return result


def _notes(trials: list[Trial], rate: float, terms: Terms) -> Iterator[str]:
    attacked = sum(trial.attack is not None for trial in trials)
    meters = len({trial.meter_id for trial in trials})
    yield f"{attacked} attacks on {meters} meters, {terms.repeats} of each sort a meter, 1 to 14 days each"
    yield f"{rate:.2f} alert-days a meter and 30 days on days as measured; nominal {terms.budget:g}"
