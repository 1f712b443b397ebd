"""Reads the interval energies of a live SQL historian, meter by meter; `sql.py` reads its text exports.

The URL of the database comes from the environment variable `SQL_URL` and from nowhere else. It is read
where a connection is made, in worker processes too, so nothing that is sent to them holds it. No message
shows it either: messages name the server by dialect, host, port and database.

A dropped connection does not end a read: the meter is read again from its start, and what had come of it
is thrown away. So its rows are those of one statement, seen at one moment, none lost and none doubled.
"""

import logging
import os
import re
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, TypeVar

import numpy as np
import pandas as pd
import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import NullPool
from tenacity import RetryCallState, Retrying, retry_if_exception_type, wait_exponential

from loadprofiles.errors import InputError, ParameterError
from loadprofiles.sources.common import Job, parse_stamps, to_numbers
from loadprofiles.sources.documents import listed
from loadprofiles.sources.sql import EXPORT, IMPORT, KWH, TAG, net_energy
from loadprofiles.vee import RawMeter

URL_VARIABLE: Final = "SQL_URL"
NAMES: Final = ("timestamp", "tagname", "energy")
CHUNK_ROWS: Final = 50_000
CONNECT_SECONDS: Final = 10
RETRY_SECONDS: Final = 60.0
ATTEMPTS: Final = 20

_ROW_BYTES: Final = 60  # of an export's line, so that sizes compare with those of files
_TAGS_SHOWN: Final = 100
_DAY: Final = pd.Timedelta(days=1)

_DRIVERS: Final = {
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_PACKAGES: Final = {"psycopg": "psycopg[binary]", "mysqldb": "mysqlclient"}
# MySQL's TIMESTAMP is a moment shown in the zone of the session; libpq by itself waits two hours for a dead host
_CONNECT: Final[dict[str, dict[str, Any]]] = {
    "psycopg": {
        "connect_timeout": CONNECT_SECONDS,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    },
    "pymysql": {"connect_timeout": CONNECT_SECONDS, "init_command": "SET time_zone = '+00:00'"},
}

# SQLSTATE: admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout, too_many_connections
_LOST_STATES: Final = {"57P01", "57P02", "57P03", "57P05", "53300"}
_LOST_CLASSES: Final = {"08", "40"}  # connection exceptions, transaction rollbacks
_LOST_CODES: Final = {0, 1040, 1053, 1205, 1213, 1927, 2002, 2003, 2006, 2013, 2014, 2055}  # of MySQL and MariaDB
_LOST_TEXT: Final = re.compile(
    r"connection (?:refused|reset|timed out|timeout)|broken pipe|server closed the connection|closed unexpectedly|"
    r"starting up|shutting down|recovery mode|not (?:yet )?accepting connections|terminating connection|"
    r"no route to host|network is unreachable|too many clients|database is locked",
    re.IGNORECASE,
)

# what a server refuses for, and what to do: SQLSTATEs, MySQL's codes, the words of a connection that failed
_REFUSALS: Final[tuple[tuple[frozenset[str | int], str, str], ...]] = (
    (
        frozenset({"28000", "28P01", 1044, 1045, 1698, 3118}),
        r"authentication|no password|pg_hba|role .* does not exist|not permitted to log in",
        f"refuses the login ({{said}}): check user, password and database in {URL_VARIABLE}",
    ),
    (
        frozenset({"3D000", 1049}),
        r"database .* does not exist",
        f"has no such database ({{said}}): check its name in {URL_VARIABLE}",
    ),
    (
        frozenset({"42501", 1142, 1143, 1227}),
        r"permission denied",
        "does not let this user read ({said}): grant the right to SELECT",
    ),
    (
        frozenset(),
        r"resolve host|not known|connection option|unable to open",
        f"cannot be reached ({{said}}): check {URL_VARIABLE}",
    ),
)

StampKind: TypeAlias = Literal["aware", "utc", "naive", "text"]
T = TypeVar("T")

_log = logging.getLogger(__name__)


def _same_names() -> dict[str, str]:
    return {name: name for name in NAMES}


@dataclass(frozen=True)
class SqlQuery:
    """What to read of which table.

    Attributes:
        table: The table or view, with its schema before a dot if it is not in the default one.
        columns: For `timestamp`, `tagname` and `energy` the name of the column in the database; what is not
            in it has the same name there.
        meters: The meters wanted; empty: all.
        from_utc: The first moment wanted; None: from the first row.
        to_utc: The moment before which the last row wanted lies; None: to the last row.

    Raises:
        ParameterError: A name is empty or unknown, or the period is empty or has no zone.
    """

    table: str = "historian"
    columns: Mapping[str, str] = field(default_factory=_same_names)
    meters: tuple[str, ...] = ()
    from_utc: pd.Timestamp | None = None
    to_utc: pd.Timestamp | None = None

    def __post_init__(self) -> None:
        if not self.table.strip():
            raise ParameterError("the name of the historian's table is empty")
        if unknown := set(self.columns) - set(NAMES):
            raise ParameterError(f"unknown column {listed(unknown)}: the columns are {', '.join(NAMES)}")
        for name, moment in (("from_utc", self.from_utc), ("to_utc", self.to_utc)):
            if moment is not None and moment.tz is None:
                raise ParameterError(f"{name}={moment} has no offset from UTC: write it as {moment.isoformat()}+00:00")
        if self.from_utc is not None and self.to_utc is not None and self.from_utc >= self.to_utc:
            raise ParameterError(f"the period from {self.from_utc} to {self.to_utc} is empty")


def parse_columns(text: str) -> dict[str, str]:
    """The column names of `timestamp=ts,tagname=tag,energy=value`; what it leaves out keeps its name.

    Raises:
        ParameterError: A part is not `name=column`, its name is unknown, or a name or a column comes twice.
    """
    columns = _same_names()
    seen: set[str] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, column = (piece.strip() for piece in part.partition("="))
        if not (name and equals and column):
            raise ParameterError(f"columns: {part!r} is not name=column, such as timestamp=ts")
        if name not in NAMES:
            raise ParameterError(f"columns: unknown name {name!r}: the names are {', '.join(NAMES)}")
        if name in seen:
            raise ParameterError(f"columns: {name} is given twice")
        seen.add(name)
        columns[name] = column
    for column, times in Counter(columns.values()).items():
        if times > 1:
            doubled = ", ".join(name for name in NAMES if columns[name] == column)
            raise ParameterError(f"columns: {doubled} are the same column {column!r}")
    return columns


def live_url() -> str | None:
    """The URL of the live historian, with its password: `SQL_URL` of the environment; None if it is not set."""
    return os.environ.get(URL_VARIABLE, "").strip() or None


def jobs(query: SqlQuery, timezone: str) -> list[Job]:
    """One job a meter, in the order of their names; a meter without rows in the period has its job too.

    The server lists the tags and counts their rows, which without an index on the tags reads the whole table
    once. A server that does not answer at all is told at once; one that goes away later is waited for.

    Args:
        query: What to read.
        timezone: IANA name of the zone of stamps without an offset.

    Raises:
        InputError: There is no `SQL_URL` or it cannot be used, the server cannot be reached or refuses,
            table, column or a wanted meter is missing, or the table has no energy tag.
    """
    with _server() as server:
        try:
            with server.connected():
                pass
        except _LostError as lost:
            raise InputError(
                f"cannot reach the {server.name} ({lost}): check host and port in {URL_VARIABLE}, "
                "that the server runs, and that no firewall is between"
            ) from None
        meters = server.persistently(partial(_tags_by_meter, server, query, timezone), _Progress("the tags"))
    if missing := set(query.meters) - set(meters):
        raise InputError(f"no meter {listed(missing)} in table {query.table}: it has {listed(meters)}")
    return [
        Job(
            origin=_origin(query, meter_id),
            read=partial(read_meter, query, meter_id, timezone, tuple(sorted(meters[meter_id]))),
            size_bytes=meters[meter_id].total() * _ROW_BYTES,
        )
        for meter_id in sorted(query.meters or meters)
    ]


def read_meter(query: SqlQuery, meter_id: str, timezone: str, tags: Sequence[str] = ()) -> Iterator[RawMeter]:
    """Read one meter as `sql.read` reads its file; net energy is import minus export.

    The server filters tags and period, and sorts: by timestamp, and rows of equal timestamps by the primary
    key; in a table without one as PostgreSQL and SQLite store them, which is the order of insertion as long
    as nothing was updated or deleted. Text is sorted by the latter alone, since equal moments may be written
    differently. Views, and MySQL's tables without a primary key, have no order of equal stamps. It matters
    in two places, where the order of a file is then lost: which of two equal naive stamps in the hour that
    clocks show twice is summer time, and which of two contradicting rows is the later one.

    A period leaves out rows without a timestamp. Stamps as text must begin with `YYYY-MM-DD` to be found in
    a period. Whether the meter has both tags is asked of the whole table, not of the period.

    Args:
        query: What to read.
        meter_id: The meter.
        timezone: IANA name of the zone of stamps without an offset, in text and in columns without a zone.
        tags: The meter's energy tags, if they are known; else the server is asked for them.

    Yields:
        One meter; `rows_read` counts the rows of its tags in the period.

    Raises:
        InputError: As of `jobs`, or the connection is lost for longer than `RETRY_SECONDS`.
    """
    progress = _Progress(f"meter {meter_id}")
    with _server() as server:
        tags = tags or server.persistently(partial(_tags_of, server, query, meter_id, timezone), progress)
        rows = server.persistently(partial(_fetch, server, query, tags, timezone, progress), progress)
    yield _raw_meter(query, meter_id, rows, tags, timezone)


# --- what the table holds -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Historian:
    """The table as it is on the server.

    `order` is what to sort by. `stamps` is how moments are kept: with a zone; as UTC without saying so; as
    the clock on the wall; as text.
    """

    table: sa.TableClause
    timestamp: sa.ColumnElement[Any]
    tagname: sa.ColumnElement[Any]
    energy: sa.ColumnElement[Any]
    order: tuple[sa.ColumnElement[Any], ...]
    stamps: StampKind

    def within(self, query: SqlQuery, timezone: str) -> list[sa.ColumnElement[bool]]:
        """Conditions that hold for all rows of the period and for few others, on the bare column."""
        lower, upper = _bounds(query, self.stamps, timezone)
        return [
            *([] if lower is None else [self.timestamp >= lower]),
            *([] if upper is None else [self.timestamp < upper]),
        ]


def _bounds(
    query: SqlQuery, stamps: StampKind, timezone: str
) -> tuple[sa.ColumnElement[Any] | None, sa.ColumnElement[Any] | None]:
    """Values to compare a column of `stamps` with.

    A column without offsets gets a day of margin on both sides: clocks are put back by up to an hour, seldom
    by more, and which of two equal stamps is which shows only if both are there. Text gets a day for offsets
    of up to 24 hours, and is compared by its date alone, since what follows is written in many ways.
    """
    first = None if query.from_utc is None else query.from_utc.tz_convert("UTC").floor("us")
    end = None if query.to_utc is None else query.to_utc.tz_convert("UTC").ceil("us")
    if stamps == "text":
        lower = None if first is None else sa.literal(f"{first - _DAY:%Y-%m-%d}", sa.String())
        upper = None if end is None else sa.literal(f"{end + 2 * _DAY:%Y-%m-%d}", sa.String())
        return lower, upper
    if stamps == "naive":
        first = None if first is None else first.tz_convert(timezone).tz_localize(None) - _DAY
        end = None if end is None else end.tz_convert(timezone).tz_localize(None) + _DAY
    elif stamps == "utc":
        first = None if first is None else first.tz_localize(None)
        end = None if end is None else end.tz_localize(None)
    kind = sa.TIMESTAMP(timezone=stamps == "aware")
    return (
        None if first is None else sa.literal(first.to_pydatetime(), kind),
        None if end is None else sa.literal(end.to_pydatetime(), kind),
    )


def _historian(connection: sa.Connection, query: SqlQuery) -> _Historian:
    """Look the table up; every name that goes into a statement is one that the server has told."""
    schema, _, name = query.table.rpartition(".")
    inspector = sa.inspect(connection)
    with warnings.catch_warnings():
        # of columns beside ours, whose type SQLAlchemy does not know
        warnings.simplefilter("ignore", exc.SAWarning)
        _require_table(inspector, query.table, schema or None, name)
        types = {column["name"]: column["type"] for column in inspector.get_columns(name, schema or None)}
    wanted = [query.columns.get(contract, contract) for contract in NAMES]
    if missing := [column for column in wanted if column not in types]:
        raise InputError(f"table {query.table} has no column {listed(missing)}: it has {listed(types)}")
    columns: list[sa.ColumnElement[Any]] = [sa.column(column) for column in wanted]
    stamps = _stamp_kind(types[wanted[0]], query, wanted[0], connection.dialect.name)
    settled = _settled_order(inspector, schema or None, name)
    return _Historian(
        table=sa.table(name, schema=schema or None),
        timestamp=columns[0],
        tagname=columns[1],
        energy=columns[2],
        order=tuple(settled) if stamps == "text" and settled else (columns[0], *settled),
        stamps=stamps,
    )


def _require_table(inspector: sa.Inspector, table: str, schema: str | None, name: str) -> None:
    if schema is not None and schema not in (schemas := inspector.get_schema_names()):
        raise InputError(f"no schema {schema} for table {table}: the database has {listed(schemas)}")
    if not inspector.has_table(name, schema):
        there = [*inspector.get_table_names(schema), *inspector.get_view_names(schema)]
        tell = f"it has {listed(there)}" if there else "it has none that this user sees"
        raise InputError(f"no table {table} in the database: {tell}")


def _settled_order(inspector: sa.Inspector, schema: str | None, name: str) -> list[sa.ColumnElement[Any]]:
    """What tells rows of equal timestamps apart."""
    if key := inspector.get_pk_constraint(name, schema)["constrained_columns"]:
        return [sa.column(column) for column in key]
    stored = {"postgresql": "ctid", "sqlite": "rowid"}.get(inspector.dialect.name)
    # views have no such column
    return [sa.literal_column(stored)] if stored and name in inspector.get_table_names(schema) else []


def _stamp_kind(column_type: Any, query: SqlQuery, column: str, dialect: str) -> StampKind:
    if dialect == "sqlite" or isinstance(column_type, sa.String):
        return "text"  # SQLite has no type for moments
    if not isinstance(column_type, sa.DateTime):
        raise InputError(
            f"column {column} of table {query.table} is of type {column_type}: "
            "a timestamp must be timestamp, timestamp with time zone, or text"
        )
    if dialect in ("mysql", "mariadb"):
        return "utc" if isinstance(column_type, sa.TIMESTAMP) else "naive"
    return "aware" if column_type.timezone else "naive"


# --- statements -----------------------------------------------------------------------------------------


def _tags_by_meter(server: "_Server", query: SqlQuery, timezone: str) -> dict[str, Counter[str]]:
    """For each meter its energy tags with their numbers of rows in the period."""
    with server.connected() as connection:
        found = _historian(connection, query)
        rows = sa.func.count(sa.case((sa.and_(sa.true(), *found.within(query, timezone)), 1)))
        counted = (
            sa.select(found.tagname, rows)
            .select_from(found.table)
            .where(found.tagname.startswith("Energy_", autoescape=True))
            .group_by(found.tagname)
        )
        meters: dict[str, Counter[str]] = {}
        for tag, count in connection.execute(counted):
            if match := re.match(TAG, str(tag)):
                meters.setdefault(match["meter"], Counter())[str(tag)] = count
        if not meters:
            some = sa.select(found.tagname).select_from(found.table).distinct().limit(_TAGS_SHOWN)
            tags = {str(tag) for tag in connection.execute(some).scalars()}
            seen = f"the tags seen there are {listed(tags)}" if tags else "it is empty"
            expected = f"Energy_{IMPORT}_1_8_0_<meter>.kWh or Energy_{EXPORT}_2_8_0_<meter>.kWh"
            raise InputError(f"table {query.table} has no energy tag such as {expected}: {seen}")
    return meters


def _tags_of(server: "_Server", query: SqlQuery, meter_id: str, timezone: str) -> list[str]:
    meters = _tags_by_meter(server, query, timezone)
    if meter_id not in meters:
        raise InputError(f"no meter {meter_id} in table {query.table}: it has {listed(meters)}")
    return sorted(meters[meter_id])


def _fetch(
    server: "_Server", query: SqlQuery, tags: Sequence[str], timezone: str, progress: "_Progress"
) -> pd.DataFrame:
    """The rows of `tags`, chunk by chunk through a cursor on the server.

    Returns:
        `timestamp` as ISO text, `tagname`, `energy` (float64), and where energy is NaN `energy_read`.
    """
    with server.connected() as connection:
        found = _historian(connection, query)
        statement = (
            sa.select(_readable(found, connection.dialect.name), found.tagname, found.energy)
            .select_from(found.table)
            .where(found.tagname.in_(tags), *found.within(query, timezone))
            .order_by(*found.order)
        )
        progress.rows = 0
        result = connection.execution_options(stream_results=True, yield_per=CHUNK_ROWS).execute(statement)
        chunks = [_chunk([], found.stamps)]
        with _closed(result):
            for part in result.partitions(CHUNK_ROWS):
                chunks.append(_chunk(part, found.stamps))
                progress.came(len(part))
    return pd.concat(chunks[1:] or chunks, ignore_index=True)


@contextmanager
def _closed(result: sa.CursorResult[Any]) -> Iterator[None]:
    """Close the cursor, which SQLAlchemy leaves open when the connection is lost."""
    unread: Any = getattr(result.cursor, "_result", None)
    with closing(result):
        try:
            yield
        except exc.DBAPIError as error:
            if error.connection_invalidated and hasattr(unread, "unbuffered_active"):
                # PyMySQL would go on reading from the connection that is gone, and show a traceback
                unread.unbuffered_active = False
            raise


def _readable(found: _Historian, dialect: str) -> sa.ColumnElement[Any]:
    """The timestamp, NULL where it is a moment that Python does not know: infinity, or a year of five digits."""
    if dialect != "postgresql" or found.stamps == "text":
        return found.timestamp
    kind = sa.TIMESTAMP(timezone=found.stamps == "aware")
    zone = UTC if found.stamps == "aware" else None
    first, last = (sa.literal(datetime(year, 1, 3, tzinfo=zone), kind) for year in (1, 9999))
    return sa.case((found.timestamp.between(first, last), found.timestamp))


def _chunk(rows: Sequence[Any], stamps: StampKind) -> pd.DataFrame:
    moments, tags, energies = zip(*rows, strict=True) if rows else ((), (), ())
    read = pd.Series(energies, dtype="object")
    table = pd.DataFrame(
        {
            "timestamp": pd.Series(_as_text(moments, stamps), dtype="str"),
            "tagname": pd.Series(tags, dtype="str"),
            "energy": read,
        }
    )
    numbers = to_numbers(table, ["energy"])
    return numbers.assign(energy_read=read.where(numbers["energy"].isna()))


def _as_text(moments: Sequence[object], stamps: StampKind) -> Any:
    """Moments as ISO text, those with a zone in UTC; None for anything else."""
    if stamps == "text":
        return [moment if isinstance(moment, str) else None for moment in moments]
    known = [_without_zone(moment) if isinstance(moment, datetime) else None for moment in moments]
    return pa.array(known, pa.timestamp("us", None if stamps == "naive" else "UTC")).cast(pa.string()).to_pandas()


def _without_zone(moment: datetime) -> datetime:
    # Arrow takes the wall clock of a moment in another zone for UTC
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


# --- rows to a meter ------------------------------------------------------------------------------------


def _raw_meter(query: SqlQuery, meter_id: str, fetched: pd.DataFrame, tags: Sequence[str], timezone: str) -> RawMeter:
    matches = {tag: match for tag in tags if (match := re.match(TAG, tag))}
    mine = fetched[fetched["tagname"].isin(matches)]  # some servers compare text without regard to case
    direction = mine["tagname"].map({tag: match["direction"] for tag, match in matches.items()})
    factor = mine["tagname"].map({tag: KWH[match["unit"]] for tag, match in matches.items()})
    rows = mine.assign(
        side=direction.map({IMPORT: 0, EXPORT: 1}),
        row=np.arange(len(mine)),
        energy=mine["energy"] * factor.astype("float64"),
        timestamp_utc=_to_utc(mine["timestamp"], direction, timezone),
    )
    outside = _outside(rows["timestamp_utc"], query)
    rows = rows[~outside]
    unreadable = rows["timestamp_utc"].isna() | rows["energy"].isna()
    sides = {(IMPORT, EXPORT).index(match["direction"]) for match in matches.values()}
    net = net_energy(rows[~unreadable], sides)
    where = {}
    if unreadable.any():
        where["unreadable"] = _place(rows[unreadable].iloc[0], timezone)
    if net.alone is not None:
        alone = rows[rows["row"] == net.alone].iloc[0]
        where["unpaired"] = (
            f"tag {alone['tagname']} at {_brief(alone['timestamp'])}: the meter has both, here one alone"
        )
    other_tag = len(fetched) - len(mine)
    return RawMeter(
        meter_id=meter_id,
        origin=_origin(query, meter_id),
        # of the hour that clocks show twice the server sends the two passes mixed
        rows=net.rows.sort_values("timestamp_utc", kind="stable", ignore_index=True),
        rows_read=len(rows) + other_tag,
        dropped=Counter(unreadable=int(unreadable.sum()), other_tag=other_tag, unpaired=net.unpaired),
        where=where,
    )


def _origin(query: SqlQuery, meter_id: str) -> str:
    return f"table {query.table}, meter {meter_id}"


def _to_utc(stamps: pd.Series, direction: pd.Series, timezone: str) -> pd.Series:
    """The stamps of each direction parsed by itself, as the hour that clocks show twice demands."""
    # PostgreSQL writes offsets of whole hours as +01
    written = stamps.str.replace(r"(:\d\d(?:\.\d+)?[+-]\d\d)$", r"\1:00", regex=True)
    utc = pd.Series(pd.NaT, index=stamps.index, dtype="datetime64[us, UTC]")
    for _, part in written.groupby(direction):
        utc.loc[part.index] = parse_stamps(part, timezone)
    return utc


def _outside(utc: pd.Series, query: SqlQuery) -> pd.Series:
    """Whether a moment is out of the period; what is no moment is not."""
    outside = pd.Series(False, index=utc.index)
    if query.from_utc is not None:
        outside |= utc < query.from_utc
    if query.to_utc is not None:
        outside |= utc >= query.to_utc
    return outside


def _place(row: pd.Series, timezone: str) -> str:
    """Where an unreadable row is, and why it is one."""
    if pd.isna(row["timestamp"]):
        return f"tag {row['tagname']}: the timestamp is missing or out of range"
    if pd.isna(row["timestamp_utc"]):
        return f"tag {row['tagname']}: {_brief(row['timestamp'])!r} is no time in {timezone}"
    place = f"tag {row['tagname']} at {_brief(row['timestamp'])}"
    read = row["energy_read"]
    return f"{place}: the energy is missing" if read is None else f"{place}: {str(read)!r} is no number"


def _brief(stamp: str) -> str:
    return stamp.replace(".000000", "")


# --- the server -----------------------------------------------------------------------------------------


class _LostError(Exception):
    """The connection is gone, and may come back; the message is the reason."""


@dataclass
class _Progress:
    """How far a read has come, and when the server was last heard of."""

    what: str
    rows: int = 0
    heard: float = field(default_factory=time.monotonic)

    def came(self, rows: int) -> None:
        self.rows += rows
        self.heard = time.monotonic()

    def is_over(self, state: RetryCallState) -> bool:
        """Whether to give up: also on a server that answers but never lets a read come to its end."""
        return time.monotonic() - self.heard >= RETRY_SECONDS or state.attempt_number >= ATTEMPTS


@dataclass(frozen=True)
class _Server:
    """A database server and what to call it."""

    engine: sa.Engine
    name: str

    @contextmanager
    def connected(self) -> Iterator[sa.Connection]:
        """A connection, closed at the end; errors of the database become ours.

        Raises:
            _LostError: The server cannot be reached, or has gone.
            InputError: It refuses.
        """
        with _explained(self.name), self._connect() as connection:
            yield connection

    def _connect(self) -> sa.Connection:
        try:
            return self.engine.connect()
        except (TypeError, ValueError, OSError):
            # how drivers take an option that they do not know, or a file that is not there
            options = f"the options in {URL_VARIABLE} cannot be used"
        raise InputError(f"{options} for the {self.name}: check what follows its question mark")

    def persistently(self, read: Callable[[], T], progress: _Progress) -> T:
        """What `read` returns, begun again, ever more slowly, while the connection is down."""
        progress.heard = time.monotonic()

        def tell(state: RetryCallState) -> None:
            _log.warning(
                "connection to the %s lost after %d rows of %s; trying again in %.1f s",
                self.name,
                progress.rows,
                progress.what,
                state.upcoming_sleep,
            )

        retrying = Retrying(
            retry=retry_if_exception_type(_LostError),
            wait=wait_exponential(multiplier=0.2, max=10),
            stop=progress.is_over,
            before_sleep=tell,
            reraise=True,
        )
        try:
            return retrying(read)
        except _LostError as lost:
            reason = str(lost)
        attempts = retrying.statistics["attempt_number"]
        raise InputError(
            f"connection to the {self.name} lost after {progress.rows} rows of {progress.what} and not back "
            f"within {RETRY_SECONDS:.0f} s or {attempts} attempts ({reason}): start again when the server is up"
        )


@contextmanager
def _server() -> Iterator[_Server]:
    url = _url()
    name = _server_name(url)
    _require_file(url)
    engine = _engine(url)
    try:
        yield _Server(engine, name)
    finally:
        engine.dispose()


def _url() -> sa.URL:
    text = live_url()
    if text is None:
        raise InputError(
            f"no database to read: set {URL_VARIABLE} in the environment, such as "
            "postgresql://user@host:5432/database, with the password after the user"
        )
    url = _parsed(text)
    # an @ of a password that is not encoded would turn up in the name of the host
    if url is None or "@" in (url.host or "") or (url.host and "@" in (url.database or "")):
        raise InputError(
            f"{URL_VARIABLE} cannot be read: write dialect://user:password@host:port/database, "
            "with reserved characters in user and password percent-encoded (@ as %40)"
        )
    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def _parsed(text: str) -> sa.URL | None:
    try:
        return sa.make_url(text)
    except (exc.ArgumentError, ValueError):
        return None  # the error may quote a part of the URL


def _server_name(url: sa.URL) -> str:
    dialect = url.drivername.partition("+")[0]
    if dialect == "sqlite":
        return f"sqlite database {url.database or 'in memory'}"
    host = url.host or "its default host"
    port = f":{url.port}" if url.port else ""
    return f"{dialect} server at {host}{port}, database {url.database or 'of the user'}"


def _require_file(url: sa.URL) -> None:
    file = url.database or ""
    in_memory = file in ("", ":memory:") or file.startswith("file:")
    if url.drivername.startswith("sqlite") and not in_memory and not Path(file).is_file():
        # SQLite would make an empty one
        raise InputError(f"{file}: no such SQLite database file; check {URL_VARIABLE}")


def _engine(url: sa.URL) -> sa.Engine:
    driver = url.drivername.partition("+")[2]
    options = {name: value for name, value in _CONNECT.get(driver, {}).items() if name not in url.query}
    try:
        return sa.create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args=options)
    except exc.NoSuchModuleError:
        problem = f"unknown dialect {url.drivername} in {URL_VARIABLE}: use postgresql, mysql, mariadb or sqlite"
    except ImportError as error:
        package = _PACKAGES.get((error.name or driver).lower(), error.name or driver)
        problem = f"the driver of {url.drivername} is not installed: pip install '{package}'"
    raise InputError(problem)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn SQLAlchemy's errors into one line that says what to do."""
    try:
        yield
    except exc.DBAPIError as error:
        if _is_lost(error):
            raise _LostError(_said(error)) from None
        raise InputError(_refusal(error, name)) from None
    except exc.SQLAlchemyError as error:
        raise InputError(f"the {name} cannot be read: {_first_line(error)}") from None


def _is_lost(error: exc.DBAPIError) -> bool:
    if error.connection_invalidated:
        return True
    code = _code(error)
    if isinstance(code, str):
        return code in _LOST_STATES or code[:2] in _LOST_CLASSES
    if isinstance(code, int):
        return code in _LOST_CODES
    return isinstance(error, exc.OperationalError) and _LOST_TEXT.search(str(error.orig)) is not None


def _code(error: exc.DBAPIError) -> str | int | None:
    """The number that MySQL's driver gives, or SQLSTATE; None of a connection that was not made."""
    first = error.orig.args[0] if error.orig and error.orig.args else None
    if isinstance(first, int):
        return first
    state = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None


def _refusal(error: exc.DBAPIError, name: str) -> str:
    code, said = _code(error), _said(error)
    for codes, words, message in _REFUSALS:
        if code in codes or (code is None and re.search(words, said)):
            return f"the {name} {message.format(said=said)}"
    return f"the {name} refuses the query: {said}"


def _said(error: exc.DBAPIError) -> str:
    if isinstance(_code(error), int) and error.orig and len(error.orig.args) > 1:
        return _first_line(error.orig.args[1])  # without its number
    return _first_line(error.orig or error)


def _first_line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
