"""Why a day alerts, in the operator's words."""

import math

import numpy as np
import pandas as pd

from loadprofiles.anomalies.alert import FAULT
from loadprofiles.anomalies.detectors import FLATNESS, HOURLY, LEVEL, PAIR, PROFILE, REACTIVE, WEIGHTS
from loadprofiles.anomalies.faults import GAP, NEW_ZEROS, SCALE, SIGN, SPIKE, STUCK, VOLTAGE_LOSS

FAULT_CAUSES = (SIGN, SCALE, SPIKE, VOLTAGE_LOSS, STUCK, GAP, NEW_ZEROS)
"""Rules of data faults, the gravest first: where several hold, the first is the cause."""

_TOLD = 3
_TELLING = math.log(10)
_MORE_THAN_RARE = 1000
_USUAL = 0.02

_WORDS = {
    PAIR: "its active and reactive energy together are unlike any earlier day",
    PROFILE: "its hours are distributed unlike on any earlier day of that level",
    REACTIVE: "days with the same reactive energy had another active energy",
    HOURLY: "single hours are off from what they were on like days",
    LEVEL: "the same weekdays before were of another level",
    FLATNESS: "its changes from hour to hour are unusual",
}
_ACTIVE_ALONE = "its energy is unlike that of any earlier day"


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
    told = [f"{_words(name, rows)} ({_odds(surprise)})" for name, surprise in telling]
    evidence = next(filter(None, rows["evidence"]), "")
    clauses = filter(None, (_amount(rows), *told, evidence, _forecast(rows)))
    return "; ".join(clauses) or "many hours outside ±20 % of what was expected"


def _words(detector: str, rows: pd.DataFrame) -> str:
    """What a detector has seen."""
    # of a meter without reactive energy the pair is active energy alone, and REACTIVE says nothing
    if detector == PAIR and rows[f"{REACTIVE}_surprise"].isna().all():
        return _ACTIVE_ALONE
    return _WORDS[detector]


def _faults(rows: pd.DataFrame) -> str:
    """The evidence of the first day, and how many more there are."""
    more = len(rows) - 1
    tail = f"; and {more} day{'s' if more > 1 else ''} more" if more else ""
    return f"{rows['evidence'].iloc[0]}{tail}"


def _amount(rows: pd.DataFrame) -> str:
    known = rows[rows["expected_kwh"].notna() & rows["actual_kwh"].notna()]
    expected, actual = known["expected_kwh"].mean(), known["actual_kwh"].mean()
    if not len(known) or expected <= 0:
        return ""
    share = actual / expected - 1
    if abs(share) < _USUAL:
        return f"about the {expected:,.1f} kWh a day that were expected, but not as they come"
    direction = "less" if share < 0 else "more"
    return f"{abs(share):.0%} {direction} than expected ({actual:,.1f} instead of {expected:,.1f} kWh a day)"


def _forecast(rows: pd.DataFrame) -> str:
    """How many hours left the forecast's band, where there was one."""
    hours, outside = int(rows["forecast_hours"].sum()), int(rows["forecast_hours_outside"].sum())
    return f"{outside} of {hours} hours outside the forecast's 90 % band" if outside else ""


def _odds(surprise: float) -> str:
    one_in = math.exp(surprise)
    return f"rarer than 1 day in {_MORE_THAN_RARE:,}" if one_in > _MORE_THAN_RARE else f"1 day in {one_in:.0f}"


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
    who = "the other meter" if count == 1 else f"the {count} other meters"
    return f"{who} of its sector used {share:.0%} of what was expected of {'it' if count == 1 else 'them'}"
