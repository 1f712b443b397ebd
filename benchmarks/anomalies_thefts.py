"""`benchmarks.anomalies thefts`: the theft bench on the real customers, and the bars of detection.

The last tenth of each customer's days is the test; the tenths from 60, 70 and 80 % on, in which customers change more,
are the stress windows, on which weights and thresholds were chosen.
"""

import os
import tempfile
from pathlib import Path

import click
import pandas as pd

from benchmarks.bars import report
from benchmarks.dtw_profiles import CUSTOMERS
from benchmarks.forecasting_day_ahead import ZONE, load_customers
from loadprofiles.anomalies.band import BAND_DETECTOR
from loadprofiles.anomalies.bench import (
    ALL_FAULTS,
    ALL_THEFTS,
    DETECTORS,
    LEVEL,
    UNSEEN,
    Terms,
    Trial,
    Window,
    events,
    false_alarms,
    recall_by_class,
    table,
)
from loadprofiles.anomalies.bench_step import try_meters
from loadprofiles.anomalies.scoring import COMBINED
from loadprofiles.forecasting.engine import Work
from loadprofiles.step import READINGS

TEST = Window(0.9, 1.0)
STRESS = (Window(0.6, 0.7), Window(0.7, 0.8), Window(0.8, 0.9))
AUC_PR, ROC_AUC, STRESS_AUC_PR = 0.68, 0.90, 0.60
LEVEL_RECALL, THEFT_RECALL, FAULT_RECALL, RATE, DELAY = 0.90, 0.78, 0.95, 1.3, 0.3


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default=CUSTOMERS, show_default=True, help="The customers.")
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True, help="Of each attack a customer.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--without-reactive", is_flag=True, help="As if the meters had active energy alone.")
@click.option("--jobs", type=click.IntRange(1), default=os.cpu_count(), show_default=True)
def thefts(data: Path, repeats: int, seed: int, without_reactive: bool, jobs: int) -> None:
    """What each detector finds, how soon, and at how many false alarms."""
    with tempfile.TemporaryDirectory(prefix="benchmark-") as name:
        folder = Path(name)
        load_customers(data, folder)
        readings = next(folder.glob(f"**/{READINGS}*"))
        if without_reactive:
            readings = _active_alone(readings, folder)
        terms = Terms((TEST, *STRESS), repeats=repeats, seed=seed, timezone=ZONE)
        trials = try_meters(readings, terms, Work(jobs, "", folder))
    found = events(trials)
    attacks, alarms = table(trials, found), false_alarms(trials)
    click.echo(f"{os.cpu_count()} cores, {jobs} processes; {len(found) // len(DETECTORS)} attacks on {_meters(trials)}")
    _print(attacks, alarms, found)
    report(list(_verdicts(attacks, alarms)))


def _active_alone(readings: Path, folder: Path) -> Path:
    table_ = pd.read_parquet(readings)
    path = folder / "active.parquet"
    kept = ["meter_id", "timestamp_utc", "energy_kwh", "quality", "energy_kwh_raw"]
    table_[kept].to_parquet(path, index=False)
    return path


def _meters(trials: list[Trial]) -> str:
    return f"{len({trial.meter_id for trial in trials})} customers"


def _print(attacks: pd.DataFrame, alarms: pd.DataFrame, found: pd.DataFrame) -> None:
    ours = attacks[attacks["detector"] == COMBINED]
    shown = ["attack", "trials", "auc_pr", "roc_auc", "recall", "delay_days"]
    click.echo(f"{COMBINED}, {TEST} of the days")
    click.echo(_text(ours[ours["window"] == str(TEST)][shown]))
    groups = attacks[attacks["attack"].isin((LEVEL, ALL_THEFTS, ALL_FAULTS))]
    click.echo("each detector, over all thefts")
    click.echo(_text(groups[groups["attack"] == ALL_THEFTS][["window", "detector", *shown[2:]]]))
    click.echo(_text(groups[groups["detector"] == COMBINED][["window", *shown]]))
    click.echo("alert-days a meter and 30 days on the days as measured")
    click.echo(_text(alarms))
    click.echo(f"recall of {COMBINED} by what is taken and how long, {TEST}")
    click.echo(_text(recall_by_class(found[found["window"] == str(TEST)])))


def _text(given: pd.DataFrame) -> str:
    return given.to_string(index=False, float_format="{:.3f}".format)


def _verdicts(attacks: pd.DataFrame, alarms: pd.DataFrame) -> list[tuple[bool, str]]:
    ours = attacks[attacks["detector"] == COMBINED].set_index(["window", "attack"])
    band = attacks[attacks["detector"] == BAND_DETECTOR].set_index(["window", "attack"])
    level, theft, fault = (ours.loc[(str(TEST), group)] for group in (LEVEL, ALL_THEFTS, ALL_FAULTS))
    old = band.loc[(str(TEST), ALL_THEFTS)]
    stress = float(ours.loc[[(str(window), ALL_THEFTS) for window in STRESS], "auc_pr"].mean())
    rates = alarms.set_index(["window", "detector"])["alert_days_per_30"]
    rate = float(rates[(str(TEST), COMBINED)])
    thefts_alone = ours.loc[str(TEST)]
    thefts_alone = thefts_alone[(thefts_alone["kind"] == "theft") & ~thefts_alone.index.isin((LEVEL, ALL_THEFTS))]
    return [
        (theft.auc_pr >= AUC_PR, f"theft AUC-PR {theft.auc_pr:.3f} (bar {AUC_PR}); ±20 % rule {old.auc_pr:.3f}"),
        (theft.roc_auc >= ROC_AUC, f"theft ROC AUC {theft.roc_auc:.3f} (bar {ROC_AUC}); ±20 % rule {old.roc_auc:.3f}"),
        (stress >= STRESS_AUC_PR, f"stress AUC-PR {stress:.3f}, mean of three windows (bar {STRESS_AUC_PR})"),
        (level.recall >= LEVEL_RECALL, f"recall of level thefts {level.recall:.3f} (bar {LEVEL_RECALL})"),
        (
            theft.recall >= THEFT_RECALL,
            f"recall of all thefts {theft.recall:.3f} (bar {THEFT_RECALL}); with {UNSEEN} "
            f"{thefts_alone['recall'].mean():.3f}",
        ),
        (rate <= RATE, f"{rate:.2f} alert-days a meter and 30 days on days as measured (bar {RATE})"),
        (fault.recall >= FAULT_RECALL, f"recall of data faults {fault.recall:.3f} (bar {FAULT_RECALL})"),
        (level.delay_days <= DELAY, f"delay for level thefts {level.delay_days:.2f} days in the mean (bar {DELAY})"),
    ]
