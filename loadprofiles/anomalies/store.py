"""The alert database: alerts, their days, what people said of them, and who was told.

SQLite by default, PostgreSQL by URL. Each change is one transaction, and changes come one after another:
SQLite's `BEGIN IMMEDIATE`, an advisory lock of PostgreSQL. So a process that is killed has changed all
or nothing, and two at once double nothing. What a person has set is never overwritten by a run.
"""

import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pandas as pd
import sqlalchemy as sa
from filelock import FileLock

from loadprofiles.anomalies import database as db
from loadprofiles.anomalies.alert import KINDS, SEVERITIES, Alert
from loadprofiles.anomalies.recording import Recorded, write_alerts
from loadprofiles.anomalies.states import CONFIRMED, DISMISSED, STATES, URL_VARIABLE
from loadprofiles.errors import InputError, ParameterError, StoreError

_LOCK, _DIGEST_LOCK = 0x616C65727473, 0x646967657374  # "alerts" and "digest": PostgreSQL wants numbers
_IDS_SHOWN: Final = 5

_shown = [column for column in db.alerts.c if column.name != "joined_into"]
_severity_rank = sa.case({name: rank for rank, name in enumerate(SEVERITIES)}, value=db.alerts.c.severity)
_ranked = (
    _severity_rank.desc(),
    db.alerts.c.money.desc(),
    db.alerts.c.p_value.asc().nulls_last(),
    db.alerts.c.first_day,
    db.alerts.c.alert_id,
)


def database_url(alert_db: str) -> str:
    """The URL of the alert database: `ALERT_DB_URL` of the environment if it is set, else `alert_db`."""
    return os.environ.get(URL_VARIABLE, "").strip() or alert_db


class AlertStore:
    """The alert database at a URL.

    Args:
        url: Such as `sqlite:///alerts.db` or `postgresql://user:password@host/database`.
        create: Make the tables, and of SQLite the file, where there are none; else it is an error.

    Raises:
        StoreError: The URL cannot be used, the database cannot be reached, is not an alert database,
            or was made by a newer version.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        parsed = db.parse_url(url)
        self.name = db.server_name(parsed)
        self._file = parsed.database if parsed.drivername == "sqlite" else None
        if self._file and not create and not Path(self._file).is_file():
            raise StoreError(f"there is no {self.name} yet: run `-e anomalies`, or check alert_db and {URL_VARIABLE}")
        self._engine = db.make_engine(parsed)
        self._open(create)

    def record(self, alerts: Iterable[Alert], *, tariff: float, run_id: str) -> Recorded:
        """Bring a run's alerts into the database, in one transaction.

        An alert goes on with the stored one of its thread that it overlaps or nearly so (see `joining`):
        its days are added or brought up to date, what follows from them is computed anew, cause,
        reasons and peers are those of the run. What a person has set stays.

        Args:
            alerts: The alerts, each of at least one day.
            tariff: Money a kWh.
            run_id: The run that they come from.

        Raises:
            ParameterError: The tariff is negative or no number.
            StoreError: The database cannot be written to.
        """
        if not (math.isfinite(tariff) and tariff >= 0):
            raise ParameterError(f"tariff={tariff}: give the price of a kWh, 0 or more")
        alerts = tuple(alerts)
        if not alerts:
            return Recorded(0, 0, 0)
        with self._writing() as connection:
            return write_alerts(connection, alerts, float(tariff), run_id)

    def read(
        self,
        *,
        states: Sequence[str] | None = None,
        kinds: Sequence[str] | None = None,
        first_day: date | None = None,
        last_day: date | None = None,
    ) -> pd.DataFrame:
        """Alerts, the gravest first: by severity, then money, then p-value.

        Args:
            states: Only those in one of these states; None: in any.
            kinds: Only those of one of these kinds; None: of any.
            first_day: Only those that reach this day; None: from the first on.
            last_day: Only those that begin by this day; None: to the last.

        Returns:
            The columns of table `alerts`; days as `datetime64`, moments as `datetime64` in UTC, `meters`
            as lists, unknown numbers as NaN.

        Raises:
            ParameterError: There is no such state or kind.
        """
        _check("state", states, STATES)
        _check("kind", kinds, KINDS)
        query = sa.select(*_shown).where(db.standing).order_by(*_ranked)
        if states is not None:
            query = query.where(db.alerts.c.state.in_(states))
        if kinds is not None:
            query = query.where(db.alerts.c.kind.in_(kinds))
        if first_day is not None:
            query = query.where(db.alerts.c.last_day >= first_day)
        if last_day is not None:
            query = query.where(db.alerts.c.first_day <= last_day)
        with self._reading() as connection:
            return _frame(connection, query)

    def count_by_meter(self, states: Sequence[str]) -> pd.Series:
        """How many alerts in some states each meter has, indexed by `meter_id`; an alert of a group is each member's.

        Raises:
            ParameterError: There is no such state.
        """
        _check("state", states, STATES)
        query = sa.select(db.alerts.c.meters).where(db.standing, db.alerts.c.state.in_(states))
        with self._reading() as connection:
            counts = Counter(meter for meters in connection.execute(query).scalars() for meter in meters)
        return pd.Series(counts, dtype="int64").rename_axis("meter_id")

    def days(self, alert_id: str) -> pd.DataFrame:
        """The days of an alert, by meter and day: `meter_id, day, p_value, expected_kwh, low_kwh, high_kwh, …`.

        Raises:
            InputError: There is no such alert.
        """
        with self._reading() as connection:
            now = self._find(connection, alert_id)
            columns = [column for column in db.alert_days.c if column.name != "alert_id"]
            return _frame(connection, sa.select(*columns).where(db.alert_days.c.alert_id == now).order_by(*columns[:2]))

    def history(self, alert_id: str) -> pd.DataFrame:
        """What people have set of an alert, and of those it has taken in, the earliest first.

        Raises:
            InputError: There is no such alert.
        """
        with self._reading() as connection:
            now = self._find(connection, alert_id)
            own = sa.select(db.alerts.c.alert_id).where(
                (db.alerts.c.alert_id == now) | (db.alerts.c.joined_into == now)
            )
            columns = [column for column in db.alert_states.c if column.name != "number"]
            return _frame(
                connection,
                sa.select(*columns).where(db.alert_states.c.alert_id.in_(own)).order_by(db.alert_states.c.number),
            )

    def set_state(self, alert_id: str, state: str, note: str, who: str, when: datetime | None = None) -> str:
        """Set what a person says of an alert; what was said before stays in its history.

        Args:
            alert_id: The alert, or one that it has taken in.
            state: One of `STATES`.
            note: Why; may be empty.
            who: The person.
            when: The moment, with its zone; None: now.

        Returns:
            The id of the alert as it is now.

        Raises:
            ParameterError: There is no such state, nobody is named, or the moment has no zone.
            InputError: There is no such alert.
        """
        _check("state", (state,), STATES)
        if not who.strip():
            raise ParameterError("who is empty: say who sets the state")
        when = datetime.now(UTC) if when is None else when
        if when.tzinfo is None:
            raise ParameterError(f"when={when} has no offset from UTC")
        said = {"state": state, "note": note, "changed_by": who.strip(), "changed_at_utc": when}
        with self._writing() as connection:
            now = self._find(connection, alert_id)
            connection.execute(db.alerts.update().where(db.alerts.c.alert_id == now).values(said))
            connection.execute(db.alert_states.insert().values(alert_id=now, **said))
        return now

    def precision(self) -> pd.DataFrame:
        """How often alerts were right, as far as people have judged them.

        Returns:
            One row a kind and cause: `kind, cause, raised, confirmed, dismissed, open, precision`, the last
            of `confirmed / (confirmed + dismissed)`, NaN where nobody has judged any.
        """
        counts = {
            "raised": sa.func.count(),
            "confirmed": sa.func.count().filter(db.alerts.c.state == CONFIRMED),
            "dismissed": sa.func.count().filter(db.alerts.c.state == DISMISSED),
        }
        rank = sa.case({name: rank for rank, name in enumerate(KINDS)}, value=db.alerts.c.kind)
        query = (
            sa.select(db.alerts.c.kind, db.alerts.c.cause, *(count.label(name) for name, count in counts.items()))
            .where(db.standing)
            .group_by(db.alerts.c.kind, db.alerts.c.cause)
            .order_by(rank, db.alerts.c.cause)
        )
        with self._reading() as connection:
            table = _frame(connection, query)
        judged = table["confirmed"] + table["dismissed"]
        return table.assign(open=table["raised"] - judged, precision=table["confirmed"] / judged.where(judged > 0))

    def unsent(self, channel: str) -> pd.DataFrame:
        """Alerts that a channel has not been told of as far as their last day, but for dismissed ones.

        Returns:
            As of `read`, and `told_until`: the last day that the channel knows of; NaT of a new alert.
        """
        told = (
            sa.select(db.deliveries.c.alert_id, sa.func.max(db.deliveries.c.last_day).label("told_until"))
            .where(db.deliveries.c.channel == channel)
            .group_by(db.deliveries.c.alert_id)
            .subquery()
        )
        query = (
            sa.select(*_shown, told.c.told_until)
            .outerjoin_from(db.alerts, told, told.c.alert_id == db.alerts.c.alert_id)
            .where(db.standing, db.alerts.c.state != DISMISSED)
            .where(told.c.told_until.is_(None) | (told.c.told_until < db.alerts.c.last_day))
            .order_by(*_ranked)
        )
        with self._reading() as connection:
            return _frame(connection, query)

    def mark_sent(self, channel: str, alerts: pd.DataFrame) -> None:
        """Note that a channel was told of alerts as they are in a table of `unsent`; twice is as once."""
        now = datetime.now(UTC)
        rows = [
            {"channel": channel, "alert_id": alert_id, "last_day": last_day.date(), "sent_at_utc": now}
            for alert_id, last_day in zip(alerts["alert_id"], alerts["last_day"], strict=True)
        ]
        with self._writing() as connection:
            if rows:
                connection.execute(db.upsert(connection, db.deliveries).on_conflict_do_nothing(), rows)

    @contextmanager
    def telling(self) -> Iterator[None]:
        """A block that one process at a time is in, after waiting for the others: from `unsent` to `mark_sent`."""
        if self._file:
            with FileLock(f"{self._file}.lock"):
                yield
            return
        with db.explained(self.name), self._engine.connect() as connection:
            # of the session, not of a transaction: it ends with the connection, however that ends
            connection.execute(sa.select(sa.func.pg_advisory_lock(_DIGEST_LOCK)))
            connection.commit()
            yield

    def _open(self, create: bool) -> None:
        with self._reading() as connection:
            ready = self._is_ready(connection)
        if ready:
            return
        if not create:
            raise StoreError(f"the {self.name} holds no alerts yet: run `-e anomalies`, or check {URL_VARIABLE}")
        with self._writing() as connection:
            if not self._is_ready(connection):
                db.metadata.create_all(connection)
                connection.execute(db.schema.insert().values(version=db.SCHEMA_VERSION))

    def _is_ready(self, connection: sa.Connection) -> bool:
        """Whether the tables are there, as this version knows them."""
        there = set(sa.inspect(connection).get_table_names())
        if db.schema.name not in there:
            if others := sorted(there & set(db.metadata.tables)):
                raise StoreError(
                    f"the {self.name} has a table {others[0]} that is not of an alert database: "
                    f"name another database by alert_db or {URL_VARIABLE}"
                )
            return False
        version = connection.execute(sa.select(sa.func.max(db.schema.c.version))).scalar_one()
        if version != db.SCHEMA_VERSION:
            raise StoreError(
                f"the {self.name} was made by another version of this project (its schema is {version}, ours "
                f"{db.SCHEMA_VERSION}): update the project, or name another database by alert_db or {URL_VARIABLE}"
            )
        return True

    def _find(self, connection: sa.Connection, alert_id: str) -> str:
        """The id under which an alert stands now."""
        found = connection.execute(
            sa.select(sa.func.coalesce(db.alerts.c.joined_into, db.alerts.c.alert_id)).where(
                db.alerts.c.alert_id == alert_id.strip()
            )
        ).scalar_one_or_none()
        if found is not None:
            return str(found)
        latest = (db.alerts.c.last_day.desc(), db.alerts.c.alert_id)
        query = sa.select(db.alerts.c.alert_id).where(db.standing).order_by(*latest).limit(_IDS_SHOWN + 1)
        ids = list(connection.execute(query).scalars())
        has = f"{', '.join(ids[:_IDS_SHOWN])}{', …' if len(ids) > _IDS_SHOWN else ''}" if ids else "none"
        raise InputError(f"no alert {alert_id!r} in the {self.name}; its latest: {has}")

    @contextmanager
    def _reading(self) -> Iterator[sa.Connection]:
        with db.explained(self.name), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction, after waiting for those of others."""
        with db.explained(self.name), self._engine.connect() as connection:
            connection = connection.execution_options(writing=True)
            with connection.begin():
                if not self._file:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
                yield connection


def _frame(connection: sa.Connection, query: sa.Select[Any]) -> pd.DataFrame:
    """A query's rows, with types that do not depend on what is in them."""
    columns = list(query.selected_columns)
    rows = [tuple(row) for row in connection.execute(query)]
    table = pd.DataFrame(rows, columns=[str(column.name) for column in columns], dtype=object)
    return table.astype({str(column.name): _dtype(column.type) for column in columns})


def _dtype(kind: sa.types.TypeEngine[Any]) -> str:
    for of, dtype in (
        (sa.Double, "float64"),
        (sa.Integer, "int64"),
        (sa.Date, "datetime64[us]"),
        (db.Utc, "datetime64[us, UTC]"),
        (sa.Text, "str"),
    ):
        if isinstance(kind, of):
            return dtype
    return "object"


def _check(what: str, given: Sequence[str] | None, possible: Sequence[str]) -> None:
    for name in given or ():
        if name not in possible:
            raise ParameterError(f"{what} {name!r} is none of {', '.join(possible)}")
