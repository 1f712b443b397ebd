"""Where alerts are kept: the tables, and the way to a database that holds them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import NullPool

from loadprofiles.anomalies.states import URL_VARIABLE
from loadprofiles.errors import StoreError, mask_secrets
from loadprofiles.tables import first_line

SCHEMA_VERSION: Final = 1
LOCK_SECONDS: Final = 60
CONNECT_SECONDS: Final = 10

_DRIVERS: Final = {"sqlite": "sqlite", "postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}


class Utc(sa.TypeDecorator[datetime]):
    """A moment: with its zone in PostgreSQL; in SQLite, which has no zones, in UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """To the database."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _number(name: str) -> sa.Column[float]:
    return sa.Column(name, sa.Double)


schema = sa.Table("alert_schema", metadata, sa.Column("version", sa.Integer, primary_key=True, autoincrement=False))
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("alert_id", sa.Text, primary_key=True),
    *map(_text, ("kind", "cause", "subject", "sector")),
    sa.Column("first_day", sa.Date, nullable=False),
    sa.Column("last_day", sa.Date, nullable=False, index=True),
    sa.Column("meters", sa.JSON, nullable=False),
    sa.Column("days_alerted", sa.Integer, nullable=False),
    *map(_number, ("p_value", "expected_kwh", "actual_kwh", "missing_kwh", "missing_low_kwh", "missing_high_kwh")),
    *map(_number, ("tariff", "money")),
    *map(_text, ("severity", "reasons", "peers", "run_id")),
    sa.Column("raised_at_utc", Utc, nullable=False),
    sa.Column("updated_at_utc", Utc, nullable=False),
    *map(_text, ("state", "note")),
    sa.Column("changed_by", sa.Text),
    sa.Column("changed_at_utc", Utc),
    sa.Column("joined_into", sa.Text, sa.ForeignKey("alerts.alert_id")),
    sa.Index("alerts_by_subject", "kind", "subject"),
)
alert_days = sa.Table(
    "alert_days",
    metadata,
    sa.Column("alert_id", sa.Text, sa.ForeignKey("alerts.alert_id"), primary_key=True),
    sa.Column("meter_id", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    *map(_number, ("p_value", "expected_kwh", "low_kwh", "high_kwh", "actual_kwh")),
)
alert_states = sa.Table(
    "alert_states",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("alert_id", sa.Text, sa.ForeignKey("alerts.alert_id"), nullable=False, index=True),
    *map(_text, ("state", "note", "changed_by")),
    sa.Column("changed_at_utc", Utc, nullable=False),
)
deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("channel", sa.Text, primary_key=True),
    sa.Column("alert_id", sa.Text, sa.ForeignKey("alerts.alert_id"), primary_key=True),
    sa.Column("last_day", sa.Date, primary_key=True),
    sa.Column("sent_at_utc", Utc, nullable=False),
)

standing = alerts.c.joined_into.is_(None)
"""Alerts that no other one has taken in."""


def upsert(connection: sa.Connection, table: sa.Table) -> Any:
    """An insert that can say what to do with rows that are there; each dialect has its own."""
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)


def parse_url(url: str) -> sa.URL:
    """The URL of an alert database, with the driver that we have.

    Raises:
        StoreError: It cannot be read, or names no database that would do.
    """
    try:
        parsed = sa.make_url(url)
    except (exc.ArgumentError, ValueError):
        parsed = None  # the error may quote a part of the URL
    # an @ of a password that is not encoded would turn up in the name of the host
    if parsed is None or "@" in (parsed.host or "") or (parsed.host and "@" in (parsed.database or "")):
        raise StoreError(
            "the URL of the alert database cannot be read: write sqlite:///alerts.db or postgresql://"
            f"user:password@host:5432/database (with a password: in {URL_VARIABLE}), reserved characters "
            "percent-encoded (@ as %40)"
        )
    driver = _DRIVERS.get(parsed.drivername.partition("+")[0])
    if driver is None:
        raise StoreError(f"an alert database of {parsed.drivername}: only sqlite:/// and postgresql:// will do")
    if driver == "sqlite" and (
        (parsed.database or "") in ("", ":memory:") or (parsed.database or "").startswith("file:")
    ):
        raise StoreError("an alert database has to outlast the run: name a file, such as sqlite:///alerts.db")
    return parsed.set(drivername=driver)


def server_name(url: sa.URL) -> str:
    """What to call it, without user and password."""
    if url.drivername == "sqlite":
        return f"alert database {url.database}"
    port = f":{url.port}" if url.port else ""
    return f"alert database {url.database or 'of the user'} at {url.host or 'its default host'}{port}"


def make_engine(url: sa.URL) -> sa.Engine:
    """An engine without a pool, so that nothing is open between two calls, nor shared with a forked process."""
    options = {"timeout": LOCK_SECONDS} if url.drivername == "sqlite" else {"connect_timeout": CONNECT_SECONDS}
    engine = sa.create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=options)
    if url.drivername == "sqlite":
        sa.event.listen(engine, "connect", _leave_transactions_to_us)
        sa.event.listen(engine, "begin", _begin)
    return engine


def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
    connection.isolation_level = None


def _begin(connection: sa.Connection) -> None:
    # a transaction that reads first and writes then could not wait for another one that does the same
    writing = connection.get_execution_options().get("writing", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn SQLAlchemy's errors into one line; drivers may quote the URL, so nothing else is kept of them."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        said = first_line(getattr(error, "orig", None) or error)
    else:
        return
    raise StoreError(mask_secrets(f"the {name} cannot be used ({said}): check alert_db or {URL_VARIABLE}"))
