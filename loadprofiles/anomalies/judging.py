"""Judging meters day by day: the table from which alerts, reports and figures are made, and what is kept of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from loadprofiles.anomalies.band import BAND_DETECTOR, band_alarms, band_score
from loadprofiles.anomalies.days import MeterDays, day_number, days_of
from loadprofiles.anomalies.detectors import WEIGHTS, Suspicions
from loadprofiles.anomalies.faults import FaultDay, find_faults
from loadprofiles.anomalies.features import make_features
from loadprofiles.anomalies.scoring import COMBINED, Scores, alarms, expectation, score, thresholds
from loadprofiles.readings import open_readings

VERSION = 1
"""Of the kept scores; raise it when scores of the same readings change."""

_FIGURES = ("actual_kwh", "expected_kwh", "low_kwh", "high_kwh", "score", "surprise", "threshold", BAND_DETECTOR)
_EXPECTED, _EXPECTED_REACTIVE, _MORE = "log_expected", "log_expected_reactive", "more"
SCORE_COLUMNS = (
    *(f"{name}_{what}" for name in WEIGHTS for what in ("score", "surprise")),
    *("score", "surprise", _EXPECTED, _EXPECTED_REACTIVE, _MORE),
)
"""What of judged days it takes to go on from them, beside meter and date."""


@dataclass(frozen=True)
class Terms:
    """By which terms days are judged.

    Attributes:
        timezone: IANA name of the zone whose days are meant.
        detector: One of `choices.ANOMALY_DETECTORS`.
        budget: Alert-days a meter and 30 days.
        since: First day to judge; days before are taken from what was kept. None: all days.
    """

    timezone: str
    detector: str
    budget: float
    since: date | None = None


@dataclass(frozen=True, eq=False)
class Task:
    """Some meters to be judged in one process.

    Attributes:
        number: Of the task.
        readings: The Readings table; None: `tables` are all there is.
        meters: Its meters.
        tables: Readings of meters that it has not.
        terms: Of the judgement.
        kept: What was kept of the meters that anything was kept of, as `judge` gives it.
    """

    number: int
    readings: Path | None
    meters: tuple[str, ...]
    tables: tuple[pd.DataFrame, ...]
    terms: Terms
    kept: Mapping[str, pd.DataFrame]

    def __str__(self) -> str:
        names = [*self.meters, *(str(table["meter_id"].iloc[0]) for table in self.tables)]
        return f"scoring of meters {names[0]} to {names[-1]}"


def judge_task(task: Task) -> pd.DataFrame:
    """The judged days of a task's meters; an empty table where none has a whole day."""
    stored = open_readings(task.readings) if task.readings else None
    read = (stored.read([meter]) for meter in task.meters) if stored else ()
    judged = [
        judge(days, task.terms, task.kept.get(days.meter_id))
        for table in (*read, *task.tables)
        for days in days_of([table], task.terms.timezone)
    ]
    return pd.concat(judged, ignore_index=True) if judged else pd.DataFrame()


def judge(days: MeterDays, terms: Terms, kept: pd.DataFrame | None = None) -> pd.DataFrame:
    """Judge a meter's days.

    Args:
        days: The meter's days.
        terms: Of the judgement.
        kept: The table that an earlier call gave of this meter.

    Returns:
        One row a day from `terms.since` on (from the first day that is not kept, if that is before), or from the first:
        `meter_id`, `date`, `actual_kwh` (NaN where hours are not known), `expected_kwh` with `low_kwh` and `high_kwh`,
        the 90 % band; `score`, of all detectors together, `surprise` (minus log of its p-value), `threshold`; score and
        surprise of each detector; `band`, the share of hours outside the earlier rule's band; `alarm`; `fault`, the
        rules of data faults, and `evidence`.
    """
    start = 0
    earlier = None
    if terms.since is not None and kept is not None:
        # days between what was kept and the day asked for are scored, too: else they never would be
        since = min(day_number(terms.since), day_number(kept["date"].max().date()) + 1)
        start = min(max(0, since - days.first_day), len(days))
        earlier = _restored(kept, days)
    features = make_features(days)
    scores = score(features, earlier=earlier, start=start)
    bands = [np.exp(values[start:]) for values in expectation(scores, features.energy, start)]
    band = band_score(days, start)
    alarm = (
        band_alarms(band) if terms.detector == BAND_DETECTOR else alarms(scores, features.energy, terms.budget, start)
    )
    figures = [
        np.where(features.known, np.nansum(days.active_kwh, axis=1), np.nan)[start:],
        *bands,
        scores.combined[start:],
        scores.surprise[start:],
        thresholds(scores, terms.budget, start)[start:],
        band[start:],
    ]
    columns: dict[str, object] = {"meter_id": days.meter_id, "date": _dates(days, start)}
    columns |= dict(zip(_FIGURES, figures, strict=True)) | _detectors(scores, start)
    columns |= {"alarm": alarm[start:]} | _faults(find_faults(days, start), len(days), start)
    return pd.DataFrame(columns)


def _dates(days: MeterDays, start: int) -> pd.DatetimeIndex:
    numbers = np.arange(start, len(days)) + days.first_day
    return pd.DatetimeIndex(numbers.astype("datetime64[D]").astype("datetime64[s]"))


def _detectors(scores: Scores, start: int) -> dict[str, object]:
    found = scores.suspicions
    columns: dict[str, object] = {}
    for name in WEIGHTS:
        columns[f"{name}_score"] = scores.detectors[name][start:]
        columns[f"{name}_surprise"] = scores.surprises[name][start:]
    return columns | {
        _EXPECTED: found.expected[start:],
        _EXPECTED_REACTIVE: found.expected_reactive[start:],
        _MORE: found.more[start:],
    }


def _faults(found: Sequence[FaultDay], days: int, start: int) -> dict[str, object]:
    rules, evidence = [""] * days, [""] * days
    for fault in found:
        rules[fault.day] = ", ".join(filter(None, (rules[fault.day], fault.rule)))
        evidence[fault.day] = "; ".join(filter(None, (evidence[fault.day], fault.evidence)))
    # without a day there is nothing to tell the type by
    return {"fault": pd.Series(rules[start:], dtype="str"), "evidence": pd.Series(evidence[start:], dtype="str")}


def _restored(kept: pd.DataFrame, days: MeterDays) -> Scores:
    """The scores that a kept table holds, on the days of `days`; NaN where it has none."""
    numbers = kept["date"].to_numpy().astype("datetime64[D]").astype(np.int64) - days.first_day
    inside = (numbers >= 0) & (numbers < len(days))
    values = np.full((len(SCORE_COLUMNS), len(days)), np.nan)
    values[:, numbers[inside]] = kept.loc[inside, list(SCORE_COLUMNS)].to_numpy(dtype=np.float64).T
    column = dict(zip(SCORE_COLUMNS, values, strict=True))
    found = Suspicions(
        {name: column[f"{name}_score"] for name in WEIGHTS},
        column[_EXPECTED],
        column[_EXPECTED_REACTIVE],
        column[_MORE] == 1,
    )
    surprises = {name: column[f"{name}_surprise"] for name in WEIGHTS}
    return Scores(found.scores, surprises, column["score"], column["surprise"], found)


def long_scores(judged: pd.DataFrame) -> pd.DataFrame:
    """The scores as a table of DESIGN.md: `meter_id, date, detector, score, p_value`."""
    names: Mapping[str, tuple[str, str]] = {
        COMBINED: ("score", "surprise"),
        **{name: (f"{name}_score", f"{name}_surprise") for name in WEIGHTS},
    }
    parts = [
        pd.DataFrame(
            {
                "meter_id": judged["meter_id"],
                "date": judged["date"],
                "detector": name,
                "score": judged[value],
                "p_value": np.exp(-judged[surprise]),
            }
        )
        for name, (value, surprise) in names.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    return table[table["score"].notna()].reset_index(drop=True)
