"""Why a day alerts, in the operator's words."""

import math

import numpy as np
import pandas as pd

from loadprofiles.anomalies.alert import FAULT
from loadprofiles.anomalies.detectors import FLATNESS, HOURLY, LEVEL, PAIR, PROFILE, REACTIVE, WEIGHTS
from loadprofiles.anomalies.faults import GAP, NEW_ZEROS, SCALE, SIGN, SPIKE, STUCK, VOLTAGE_LOSS
from loadprofiles.anomalies.wording import SEPARATOR, Told

FAULT_CAUSES = (SIGN, SCALE, SPIKE, VOLTAGE_LOSS, STUCK, GAP, NEW_ZEROS)
"""Rules of data faults, the gravest first: where several hold, the first is the cause."""

_TOLD = 3
_TELLING = math.log(10)
_MORE_THAN_RARE = 1000
_USUAL = 0.02

_WORDS = {
    PAIR: Told.PAIR,
    PROFILE: Told.PROFILE,
    REACTIVE: Told.REACTIVE,
    HOURLY: Told.HOURLY,
    LEVEL: Told.LEVEL,
    FLATNESS: Told.FLATNESS,
}


def leading_detector(rows: pd.DataFrame) -> str:
    """The detector that weighs most in some days' scores."""
    return _ranked(rows)[0][0]


def _ranked(rows: pd.DataFrame) -> list[tuple[str, float]]:
    """Detectors by how much they add, and each one's mean surprise."""
    means = {name: float(np.nan_to_num(rows[f"{name}_surprise"].mean())) for name in WEIGHTS}
    return sorted(means.items(), key=lambda item: -item[1] * WEIGHTS[item[0]])


def reasons_sentence(kind: str, rows: pd.DataFrame) -> str:
    """Why these days alert."""
    if kind == FAULT:
        return _faults(rows)
    ranked = [(name, surprise) for name, surprise in _ranked(rows)[:_TOLD] if surprise > 0]
    telling = [item for item in ranked if item[1] > _TELLING] or ranked[:1]
    told = [_surprise(_words(name, rows), surprise) for name, surprise in telling]
    evidence = next(filter(None, rows["evidence"]), "")
    clauses = filter(None, (_amount(rows), *told, evidence, _forecast(rows)))
    return SEPARATOR.join(clauses) or str(Told.BAND)


def _words(detector: str, rows: pd.DataFrame) -> str:
    """What a detector has seen."""
    # of a meter without reactive energy the pair is active energy alone, and REACTIVE says nothing
    if detector == PAIR and rows[f"{REACTIVE}_surprise"].isna().all():
        return Told.ACTIVE
    return _WORDS[detector]


def _faults(rows: pd.DataFrame) -> str:
    """The evidence of the first day, and how many more there are."""
    evidence, more = str(rows["evidence"].iloc[0]), len(rows) - 1
    if not more:
        return evidence
    tail = Told.DAY_MORE if more == 1 else Told.DAYS_MORE.format(days=more)
    return SEPARATOR.join((evidence, tail))


def _amount(rows: pd.DataFrame) -> str:
    known = rows[rows["expected_kwh"].notna() & rows["actual_kwh"].notna()]
    expected, actual = known["expected_kwh"].mean(), known["actual_kwh"].mean()
    if not len(known) or expected <= 0:
        return ""
    share = actual / expected - 1
    if abs(share) < _USUAL:
        return Told.USUAL.format(expected=f"{expected:,.1f}")
    told = Told.LESS if share < 0 else Told.MORE
    return told.format(share=f"{abs(share):.0%}", actual=f"{actual:,.1f}", expected=f"{expected:,.1f}")


def _forecast(rows: pd.DataFrame) -> str:
    """How many hours left the forecast's band, where there was one."""
    hours, outside = int(rows["forecast_hours"].sum()), int(rows["forecast_hours_outside"].sum())
    return Told.FORECAST.format(outside=outside, hours=hours) if outside else ""


def _surprise(what: str, surprise: float) -> str:
    one_in = math.exp(surprise)
    if one_in > _MORE_THAN_RARE:
        return Told.GREAT_SURPRISE.format(what=what, days=f"{_MORE_THAN_RARE:,}")
    return Told.SURPRISE.format(what=what, days=f"{one_in:.0f}")


def peers_sentence(rows: pd.DataFrame, table: pd.DataFrame) -> str:
    """What the other meters of the sector did on those days; empty where there is none.

    Args:
        rows: The alert's days.
        table: Judged days of all meters, with `sector`.
    """
    sector = rows["sector"].iloc[0]
    at_once = table["date"].isin(rows["date"]) & (table["sector"] == sector)
    others = table[at_once & ~table["meter_id"].isin(rows["meter_id"])]
    others = others[others["expected_kwh"].notna() & others["actual_kwh"].notna()]
    count = others["meter_id"].nunique()
    if not count or others["expected_kwh"].sum() <= 0:
        return ""
    share = others["actual_kwh"].sum() / others["expected_kwh"].sum()
    told = Told.PEER if count == 1 else Told.PEERS
    return told.format(count=count, share=f"{share:.0%}")
