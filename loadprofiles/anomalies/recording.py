"""Brings the alerts of a run into the tables, by a few statements, however many there are."""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import sqlalchemy as sa

from loadprofiles.anomalies import database as db
from loadprofiles.anomalies.alert import JOINED_DAYS, Alert, AlertDay, Facts, facts
from loadprofiles.anomalies.joining import Joined, Stored, join
from loadprofiles.anomalies.states import NEW


@dataclass(frozen=True)
class Recorded:
    """How many alerts of the database a run has made, changed, and told again without a change."""

    new: int
    updated: int
    unchanged: int


def write_alerts(connection: sa.Connection, alerts: Sequence[Alert], tariff: float, run_id: str) -> Recorded:
    """Write a run's alerts within a transaction; see `AlertStore.record`."""
    stored = _in_reach(connection, alerts)
    joined = join(alerts, [known.alert for known in stored.values()])
    batch = _Batch(tariff, run_id, datetime.now(UTC), stored)
    for one in joined:
        batch.add(one)
    batch.write(connection)
    return Recorded(batch.new, batch.updated, len(joined) - batch.new - batch.updated)


@dataclass(frozen=True)
class _Known:
    """A stored alert with the columns that a run may change, and the verdict."""

    alert: Stored
    row: sa.RowMapping


def _in_reach(connection: sa.Connection, alerts: Sequence[Alert]) -> dict[str, _Known]:
    """Stored alerts of the time of these, with their days: two queries, however many there are."""
    days = [day.day for alert in alerts for day in alert.days]
    margin = timedelta(days=JOINED_DAYS)
    near = db.standing & (db.alerts.c.last_day >= min(days) - margin) & (db.alerts.c.first_day <= max(days) + margin)
    held: dict[str, dict[tuple[str, date], AlertDay]] = {}
    query = sa.select(db.alert_days).join(db.alerts, db.alerts.c.alert_id == db.alert_days.c.alert_id).where(near)
    for alert_id, meter_id, day, *numbers in connection.execute(query):
        known = [math.nan if number is None else number for number in numbers]
        held.setdefault(alert_id, {})[meter_id, day] = AlertDay(meter_id, day, *known)
    rows = connection.execute(sa.select(db.alerts).where(near)).mappings()
    return {row["alert_id"]: _Known(_stored(row, held[row["alert_id"]]), row) for row in rows}


def _stored(row: sa.RowMapping, days: dict[tuple[str, date], AlertDay]) -> Stored:
    any_day = next(iter(days.values()))
    return Stored(
        alert_id=row["alert_id"],
        thread=Alert(row["kind"], row["cause"], row["subject"], row["sector"], (any_day,), "", "").thread,
        first_day=row["first_day"],
        last_day=row["last_day"],
        raised_at_utc=row["raised_at_utc"],
        verdict=row["state"] if row["changed_at_utc"] is not None else None,
        days=days,
    )


class _Batch:
    """What a run changes, gathered to be written by few statements."""

    def __init__(self, tariff: float, run_id: str, now: datetime, stored: dict[str, _Known]) -> None:
        self.new = self.updated = 0
        self._tariff, self._run_id, self._now, self._stored = tariff, run_id, now, stored
        self._inserts: list[dict[str, Any]] = []
        self._updates: list[dict[str, Any]] = []
        self._verdicts: list[dict[str, Any]] = []
        self._joins: list[dict[str, Any]] = []
        self._day_rows: list[dict[str, Any]] = []

    def add(self, joined: Joined) -> None:
        """Take an alert in."""
        told = self._told(joined)
        if joined.into is None:
            alert_id = _alert_id(joined.latest, told["first_day"])
            self._inserts.append(
                told | self._stamp() | {"alert_id": alert_id, "raised_at_utc": self._now, "state": NEW, "note": ""}
            )
            self.new += 1
        else:
            alert_id = joined.into.alert_id
            row = self._stored[alert_id].row
            if joined.absorbed:
                self._absorb(joined.into, joined.absorbed)
            elif not _changed(joined) and all(row[name] == value for name, value in told.items()):
                return
            self._updates.append(told | self._stamp() | {"key": alert_id})
            self.updated += 1
        before = {} if joined.into is None else joined.into.days
        self._day_rows += [
            {"alert_id": alert_id} | _plain_row(day)
            for key, day in joined.days.items()
            if not _same(before.get(key), day)
        ]

    def write(self, connection: sa.Connection) -> None:
        """Write all: one statement each of what there is to insert, update, move."""
        alerts, days = db.alerts, db.alert_days
        key: sa.BindParameter[str] = sa.bindparam("key")
        update = alerts.update().where(alerts.c.alert_id == key)
        rejoin = alerts.update().where(sa.or_(alerts.c.alert_id == key, alerts.c.joined_into == key))
        upsert = db.upsert(connection, days)
        fresh = {column.name: upsert.excluded[column.name] for column in days.c if not column.primary_key}
        statements: list[tuple[Any, list[dict[str, Any]]]] = [
            (alerts.insert(), self._inserts),
            (update, self._updates),
            (update, self._verdicts),
            (rejoin, self._joins),
            (days.delete().where(days.c.alert_id == key), [{"key": row["key"]} for row in self._joins]),
            (upsert.on_conflict_do_update(index_elements=days.primary_key.columns, set_=fresh), self._day_rows),
        ]
        for statement, rows in statements:
            if rows:
                connection.execute(statement, rows)

    def _told(self, joined: Joined) -> dict[str, Any]:
        """What a run says of an alert, by column."""
        found = facts(joined.days.values())
        latest = joined.latest
        return _plain_row(found) | {
            "kind": latest.kind,
            "cause": latest.cause,
            "subject": latest.subject,
            "sector": latest.sector,
            "reasons": latest.reasons,
            "peers": latest.peers,
            "tariff": self._tariff,
            "money": max(found.missing_kwh, 0.0) * self._tariff,
        }

    def _stamp(self) -> dict[str, Any]:
        return {"run_id": self._run_id, "updated_at_utc": self._now}

    def _absorb(self, into: Stored, others: Iterable[Stored]) -> None:
        """Join others into an alert; what a person has said of one of them it takes over, if nobody has of it."""
        self._joins += [{"key": other.alert_id, "joined_into": into.alert_id} for other in others]
        judged = [self._stored[other.alert_id].row for other in others if other.verdict is not None]
        if judged and into.verdict is None:
            last = max(judged, key=lambda row: row["changed_at_utc"])
            verdict = {name: last[name] for name in ("state", "note", "changed_by", "changed_at_utc")}
            self._verdicts.append(verdict | {"key": into.alert_id})


def _alert_id(alert: Alert, first_day: date) -> str:
    """The same in each database; no later alert of the thread begins on a day that this one holds."""
    text = json.dumps([*alert.thread, first_day.isoformat()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain_row(found: Facts | AlertDay) -> dict[str, Any]:
    return {name: _plain(value) for name, value in vars(found).items()}


def _plain(value: Any) -> Any:
    """A value as the database keeps it: what is not known, nor could be, is NULL."""
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None  # numpy's are no numbers to a driver
    return value


def _same(before: AlertDay | None, day: AlertDay) -> bool:
    return before is not None and _plain_row(before) == _plain_row(day)


def _changed(joined: Joined) -> bool:
    before = {} if joined.into is None else joined.into.days
    return any(not _same(before.get(key), day) for key, day in joined.days.items())
