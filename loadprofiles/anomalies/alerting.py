"""From judged days to alerts: faults, thefts, and what happened to several meters of a sector at once."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from loadprofiles.anomalies.alert import FAULT, GROUP, JOINED_DAYS, THEFT, Alert, AlertDay
from loadprofiles.anomalies.faults import NEW_ZEROS, SCALE, STUCK
from loadprofiles.anomalies.reasons import FAULT_CAUSES, leading_detector, peers_sentence, reasons_sentence

_GROUP_METERS, _GROUP_SHARE = 2, 0.3
_RULED_P_VALUE = 0.0
_AMBIGUOUS = {STUCK, NEW_ZEROS, SCALE}
_FIGURES = ("expected_kwh", "low_kwh", "high_kwh", "actual_kwh")


def make_alerts(
    judged: pd.DataFrame, sectors: Mapping[str, str], first_days: Mapping[str, pd.Timestamp]
) -> list[Alert]:
    """The alerts of judged days.

    A day with a data fault belongs to that, however suspect it is, unless theft may have made it: a stuck or zero
    value with less energy than expected. Theft-like days on which at least two meters of a sector, and three in ten
    of those that are read, are suspect at once are one group event of the sector, with the days of the same meters
    around them. Days of one meter at most `JOINED_DAYS` apart are one alert.

    Args:
        judged: As `judging.judge` gives it, of all meters.
        sectors: Sector of each meter, where it is known.
        first_days: For each meter the first day that may alert.

    Returns:
        Alerts, by subject and first day.
    """
    table = judged.assign(sector=[sectors.get(meter, "") for meter in judged["meter_id"]])
    fresh = table["date"] >= table["meter_id"].map(first_days)
    theft = table["alarm"] & (table["fault"].eq("") | _may_be_theft(table))
    faults = table[fresh & table["fault"].ne("") & ~theft]
    thefts = table[fresh & theft]
    grouped = _grouped(thefts, table)
    alerts = [
        *(_alert(FAULT, rule, days, table) for rule, rows in _by_rule(faults) for days in _episodes(rows, "meter_id")),
        *(_alert(THEFT, "", days, table) for days in _episodes(thefts[~grouped], "meter_id")),
        *(_alert(GROUP, "", days, table) for days in _episodes(thefts[grouped], "sector")),
    ]
    return sorted(alerts, key=lambda alert: (alert.subject, alert.days[0].day, alert.kind, alert.cause))


def _may_be_theft(table: pd.DataFrame) -> "pd.Series[bool]":
    """Days whose faults theft makes, too, and on which less was metered than the band around the expected allows."""
    rules = table["fault"].map(lambda rules: set(filter(None, rules.split(", "))) <= _AMBIGUOUS)
    return rules & (table["actual_kwh"] < table["low_kwh"])


def _by_rule(faults: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """Faulty days by the gravest of their rules: one day is told once."""
    rank = {rule: place for place, rule in enumerate(FAULT_CAUSES)}
    first = faults["fault"].map(lambda rules: min(rules.split(", "), key=lambda rule: rank.get(rule, len(rank))))
    return [(str(rule), rows) for rule, rows in faults.groupby(first)]


def _grouped(thefts: pd.DataFrame, table: pd.DataFrame) -> "pd.Series[bool]":
    """Which suspect days belong to an event of their sector."""
    read = table[table["actual_kwh"].notna()].groupby(["sector", "date"]).size()
    at_once = thefts.groupby(["sector", "date"])["meter_id"].size()
    share = at_once / read.reindex(at_once.index)
    together = at_once[(at_once >= _GROUP_METERS) & (share >= _GROUP_SHARE)].index
    keys = pd.MultiIndex.from_frame(thefts[["sector", "date"]])
    core = pd.Series(keys.isin(together) & (thefts["sector"] != "").to_numpy(), index=thefts.index)
    if not core.any():
        return core
    return core | _beside(thefts, core)


def _beside(thefts: pd.DataFrame, core: "pd.Series[bool]") -> "pd.Series[bool]":
    """Days of a meter that go on with its days in a group event."""
    ordered = thefts.sort_values(["meter_id", "date"])
    return core.loc[ordered.index].groupby(_episode_numbers(ordered, "meter_id")).transform("any").reindex(core.index)


def _episode_numbers(ordered: pd.DataFrame, subject: str) -> "pd.Series[Any]":
    gap = ordered["date"].diff() > pd.Timedelta(days=JOINED_DAYS)
    return (gap | (ordered[subject] != ordered[subject].shift())).cumsum()


def _episodes(rows: pd.DataFrame, subject: str) -> list[pd.DataFrame]:
    """Runs of days of a subject, none further than `JOINED_DAYS` from the next."""
    ordered = rows.sort_values([subject, "date", "meter_id"])
    return [days for _, days in ordered.groupby(_episode_numbers(ordered, subject))]


def _alert(kind: str, rule: str, rows: pd.DataFrame, table: pd.DataFrame) -> Alert:
    sector = str(rows["sector"].iloc[0])
    return Alert(
        kind=kind,
        cause=rule or leading_detector(rows),
        subject=sector if kind == GROUP else str(rows["meter_id"].iloc[0]),
        sector=sector,
        days=tuple(_days(rows, kind)),
        reasons=reasons_sentence(kind, rows),
        peers=peers_sentence(rows, table) if sector else "",
    )


def _days(rows: pd.DataFrame, kind: str) -> Iterable[AlertDay]:
    p_values = np.exp(-rows["surprise"].to_numpy(dtype=np.float64))
    # a rule has no p-value of its own: what it finds is a fact
    p_values = np.where(np.isfinite(p_values) & (kind != FAULT), p_values, _RULED_P_VALUE)
    days = pd.DatetimeIndex(rows["date"]).date
    figures = (rows[name].to_numpy(dtype=np.float64).tolist() for name in _FIGURES)
    yield from map(AlertDay, rows["meter_id"].astype(str), days, p_values.tolist(), *figures)
