"""The theft bench: attacks put into measured days, and how well and how soon each detector finds them.

Time runs one way: what is learnt, what sets thresholds and what is tested follow each other, and no score of a test
day sets a threshold (`scoring.score`'s `frozen`). The days as measured count as honest: what really was wrong in them
counts as a false alarm.
"""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from loadprofiles.anomalies.attacks import ATTACKS, FAULT, THEFT, Attack, apply
from loadprofiles.anomalies.band import BAND_DETECTOR, band_alarms, band_score
from loadprofiles.anomalies.days import Flags, Floats, MeterDays, days_of
from loadprofiles.anomalies.detectors import WEIGHTS
from loadprofiles.anomalies.faults import find_faults
from loadprofiles.anomalies.features import make_features
from loadprofiles.anomalies.scoring import BUDGET_DAYS, COMBINED, Scores, alarms, score
from loadprofiles.readings import open_readings

RULES = "rules"
DETECTORS = (COMBINED, *WEIGHTS, BAND_DETECTOR)
UNSEEN = "mild"
"""Told, but no part of the numbers over all thefts: under 10 % nobody can tell a theft from a quiet day."""

LEVEL, ALL_THEFTS, ALL_FAULTS = "level thefts", "all thefts", "all data faults"

_MOST_DAYS = 14
_LEAST_TEST_DAYS = 15


@dataclass(frozen=True)
class Window:
    """Test days of each meter, as shares of its days; those before are learnt from."""

    first: float
    last: float

    def __str__(self) -> str:
        return f"{self.first:.0%} to {self.last:.0%}"


@dataclass(frozen=True)
class Terms:
    """What a bench does.

    Attributes:
        windows: Test windows.
        attacks: Names of attacks.
        repeats: How often each attack is put into each meter and window.
        budget: Alert-days a meter and 30 days.
        seed: Of all random draws.
        timezone: IANA name of the zone whose days are meant.
    """

    windows: tuple[Window, ...] = (Window(0.9, 1.0),)
    attacks: tuple[str, ...] = tuple(ATTACKS)
    repeats: int = 2
    budget: float = 1.0
    seed: int = 0
    timezone: str = "UTC"


@dataclass(frozen=True, eq=False)
class Trial:
    """One attack on one meter, or none, and what each detector made of the test days.

    Attributes:
        meter_id: The meter.
        window: The test window.
        attack: The attack; None: the days as measured.
        attacked: Test days that were attacked, shape (test days,).
        taken_share: Share of the energy of those days that the meter does not tell.
        scores: Of each detector, shape (test days,).
        alerts: Of each detector, and of the rules for faults, days that alert, shape (test days,).
    """

    meter_id: str
    window: Window
    attack: Attack | None
    attacked: Flags
    taken_share: float
    scores: dict[str, Floats]
    alerts: dict[str, Flags]


@dataclass(frozen=True, eq=False)
class Task:
    """Some meters to be tried in one process."""

    number: int
    readings: Path
    meters: tuple[str, ...]
    terms: Terms

    def __str__(self) -> str:
        return f"theft bench of meters {self.meters[0]} to {self.meters[-1]}"


def try_task(task: Task) -> list[Trial]:
    """The trials of a task's meters."""
    stored = open_readings(task.readings)
    tables = (stored.read([meter]) for meter in task.meters)
    return [trial for days in days_of(tables, task.terms.timezone) for trial in try_meter(days, task.terms)]


def try_meter(days: MeterDays, terms: Terms) -> Iterator[Trial]:
    """All trials of one meter; none in a window that it has too few days for, or no past before."""
    for window in terms.windows:
        seen = days.until(round(window.last * len(days)))
        start = round(window.first * len(days))
        base = score(seen, frozen=start)
        if len(seen) - start < _LEAST_TEST_DAYS or not np.isfinite(base.surprise[:start]).any():
            continue
        yield _trial(seen, seen, window, None, slice(0), start, base, terms)
        for attack in (ATTACKS[name] for name in terms.attacks):
            if not attack.applies(seen):
                continue
            for repeat in range(terms.repeats):
                rng = _random(terms.seed, days.meter_id, str(window), attack.name, repeat)
                length = int(rng.integers(1, _MOST_DAYS + 1))
                first = int(rng.integers(start, len(seen) - length + 1))
                forged = apply(attack, seen, first, length, rng)
                yield _trial(seen, forged, window, attack, slice(first, first + length), start, base, terms)


def _random(*parts: object) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(repr(parts).encode()))


def _trial(
    honest: MeterDays,
    days: MeterDays,
    window: Window,
    attack: Attack | None,
    where: slice,
    start: int,
    base: Scores,
    terms: Terms,
) -> Trial:
    features = make_features(days)
    scores = score(features, earlier=base, start=where.start or start, frozen=start)
    faulty = np.zeros(len(days), dtype=np.bool_)
    faulty[[fault.day for fault in find_faults(days, start)]] = True
    attacked = np.zeros(len(days), dtype=np.bool_)
    attacked[where] = True
    band = band_score(days)
    alerts = {name: values > -np.log(terms.budget / BUDGET_DAYS) for name, values in scores.surprises.items()}
    alerts |= {
        COMBINED: alarms(scores, features.energy, terms.budget, start),
        BAND_DETECTOR: band_alarms(band),
        RULES: faulty,
    }
    values = {**scores.surprises, COMBINED: scores.combined, BAND_DETECTOR: band}
    true = np.nansum(honest.active_kwh[where])
    return Trial(
        meter_id=days.meter_id,
        window=window,
        attack=attack,
        attacked=attacked[start:],
        taken_share=float(1 - np.nansum(days.active_kwh[where]) / true) if true > 0 else 0.0,
        scores={name: np.nan_to_num(values[name][start:]) for name in DETECTORS},
        alerts={name: alerts[name][start:] for name in (*DETECTORS, RULES)},
    )


def events(trials: Iterable[Trial]) -> pd.DataFrame:
    """One row an attack and detector: what was taken, whether and when it was found.

    A detector finds an attack if one of its days alerts. `combined` alerts with the rules, as in operation.

    Returns:
        `meter_id, window, attack, kind, is_level, days, taken_share, detector, found, delay_days` (NaN where it was
        not found) and `days_found`.
    """
    rows = []
    for trial in trials:
        if trial.attack is None:
            continue
        for name in DETECTORS:
            hits = _alerting(trial, name)[trial.attacked]
            rows.append(
                {
                    "meter_id": trial.meter_id,
                    "window": str(trial.window),
                    "attack": trial.attack.name,
                    "kind": trial.attack.kind,
                    "is_level": trial.attack.is_level,
                    "days": int(trial.attacked.sum()),
                    "taken_share": trial.taken_share,
                    "detector": name,
                    "found": bool(hits.any()),
                    "delay_days": float(hits.argmax()) if hits.any() else np.nan,
                    "days_found": int(hits.sum()),
                }
            )
    return pd.DataFrame(rows)


def _alerting(trial: Trial, detector: str) -> Flags:
    alerts = trial.alerts[detector]
    return alerts | trial.alerts[RULES] if detector == COMBINED else alerts


def false_alarms(trials: Iterable[Trial]) -> pd.DataFrame:
    """Alert-days a meter and 30 days on days as measured: `window, detector, alert_days_per_30`."""
    rows = [
        {"window": str(trial.window), "detector": name, "share": _alerting(trial, name).mean()}
        for trial in trials
        if trial.attack is None
        for name in DETECTORS
    ]
    means = pd.DataFrame(rows).groupby(["window", "detector"], sort=False)["share"].mean() * BUDGET_DAYS
    return means.rename("alert_days_per_30").reset_index()


def table(trials: list[Trial], found: pd.DataFrame) -> pd.DataFrame:
    """One row a window, attack (or group of attacks) and detector, over all meters.

    Returns:
        `window, attack, kind, detector, trials, auc_pr` and `roc_auc` over all test days of all trials, `recall` of
        attacks, `delay_days` in the mean of those found. The groups are `LEVEL`, `ALL_THEFTS` without `UNSEEN`, and
        `ALL_FAULTS`.
    """
    rows = []
    for window in dict.fromkeys(trial.window for trial in trials):
        for group, kind, names in _groups([t.attack for t in trials if t.attack]):
            chosen = [t for t in trials if t.window == window and t.attack and t.attack.name in names]
            if not chosen:
                continue
            truth = np.concatenate([trial.attacked for trial in chosen])
            own = found[(found["window"] == str(window)) & found["attack"].isin(names)]
            for name in DETECTORS:
                values = np.concatenate([trial.scores[name] for trial in chosen])
                hits = own[own["detector"] == name]
                rows.append(
                    {
                        "window": str(window),
                        "attack": group,
                        "kind": kind,
                        "detector": name,
                        "trials": len(chosen),
                        "auc_pr": average_precision_score(truth, values),
                        "roc_auc": roc_auc_score(truth, values),
                        "recall": hits["found"].mean(),
                        "delay_days": hits["delay_days"].mean(),
                    }
                )
    return pd.DataFrame(rows)


def _groups(attacks: list[Attack]) -> Iterator[tuple[str, str, set[str]]]:
    """Each attack by itself, and the groups: name, kind, names of attacks."""
    tried = list(dict.fromkeys(attacks))
    yield LEVEL, THEFT, {attack.name for attack in tried if attack.is_level}
    yield ALL_THEFTS, THEFT, {attack.name for attack in tried if attack.kind == THEFT and attack.name != UNSEEN}
    yield ALL_FAULTS, FAULT, {attack.name for attack in tried if attack.kind == FAULT}
    for attack in tried:
        yield attack.name, attack.kind, {attack.name}


_SIZES = ((-np.inf, 0.1, "under 10 %"), (0.1, 0.3, "10 to 30 %"), (0.3, 0.5, "30 to 50 %"), (0.5, np.inf, "over 50 %"))
_LENGTHS = ((0, 1, "1 day"), (1, 3, "2 to 3"), (3, 7, "4 to 7"), (7, _MOST_DAYS, "8 to 14"))


def recall_by_class(found: pd.DataFrame) -> pd.DataFrame:
    """Recall of thefts by what they take and by how long they last: `by, class, recall, scenarios`."""
    thefts = found[(found["kind"] == THEFT) & (found["detector"] == COMBINED)]
    rows = []
    for by, column, classes in (("size", "taken_share", _SIZES), ("length", "days", _LENGTHS)):
        for above, until, words in classes:
            own = thefts[(thefts[column] > above) & (thefts[column] <= until)]
            rows.append({"by": by, "class": words, "recall": own["found"].mean(), "scenarios": len(own)})
    return pd.DataFrame(rows)
