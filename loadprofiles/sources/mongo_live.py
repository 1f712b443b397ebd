"""Reads the documents of the live MongoDB; `documents.py` says what they are and writes them.

A dropped connection does not end a read: it goes on after the last document received. A read need not
take everything again: `changed_since` says which documents may be news. No message shows the URI, which
may hold a password; messages name the server by its host and port.
"""

import logging
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import date, datetime, time
from itertools import islice
from typing import Any, Final, TypeAlias, TypeVar

import bson
from bson import Decimal128, ObjectId, Timestamp
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.cursor import Cursor
from pymongo.database import Database
from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
    CursorNotFound,
    ExecutionTimeout,
    InvalidName,
    InvalidURI,
    OperationFailure,
)
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential
from tqdm import tqdm

from loadprofiles.errors import InputError, ParameterError
from loadprofiles.sources.documents import NET_ENERGY, is_stray, listed

Document: TypeAlias = dict[str, Any]
Answer = TypeVar("Answer")

SERVER_SELECTION_MS: Final = 3_000
SOCKET_TIMEOUT_MS: Final = 300_000  # a filter without an index may scan for minutes before its first batch
COUNT_MS: Final = 5_000
RETRY_SECONDS: Final = 60.0
QUERY_BYTES: Final = 12 * 1024 * 1024  # a server takes 16 MB, of which a resumed read needs some more

_SCHEMES: Final = ("mongodb://", "mongodb+srv://")
_DROPPED: Final = (ConnectionFailure, CursorNotFound)
_LOGIN_REFUSED: Final = {18, 334, 8000}  # AuthenticationFailed, MechanismUnavailable, Atlas's own code
_UNAUTHORIZED: Final = 13
_SAMPLE: Final = 1_000
_STRAY_SAMPLE: Final = 200
_ISO_DAY: Final = "^[0-9]{4}-[0-9]{2}-[0-9]{2}"

# MongoDB's order of `_id`s of different types, by $type alias. bool is listed apart from int, its parent.
_ID_TYPES: Final[tuple[tuple[str, tuple[type, ...]], ...]] = (
    ("number", (int, float, Decimal128)),
    ("string", (str,)),
    ("object", (dict,)),
    ("binData", (bytes,)),
    ("objectId", (ObjectId,)),
    ("bool", (bool,)),
    ("date", (datetime,)),
    ("timestamp", (Timestamp,)),
)

_log = logging.getLogger(__name__)


def iter_documents(
    uri: str,
    database: str,
    collection: str,
    *,
    energy_type: str = NET_ENERGY,
    where: Document | None = None,
    without: Iterable[str] = (),
    batch_size: int = 1000,
    progress: bool = True,
) -> Iterator[Document]:
    """The documents of one energy type, in the order of their `_id`, each exactly once.

    The server filters and leaves fields out. Nothing is opened before the first document is asked for.

    Args:
        uri: Where the server is: `mongodb://host:port/?options`, user and password before the host if need be.
        database: Its database.
        collection: The collection in that database.
        energy_type: The quantity wanted.
        where: What else a document must meet, such as `changed_since`; then it is no error that none does.
        without: Names of fields to leave out, such as `stray_fields`.
        batch_size: Documents a round trip; also as many as are read again after a dropped connection.
        progress: Show a progress bar, if standard error is a terminal.

    Yields:
        Documents with all their other fields, `_id` included.

    Raises:
        ParameterError: The `batch_size` is below 1.
        InputError: The URI is not one of MongoDB, the server cannot be reached or refuses the login or
            the query, the connection is lost for longer than `RETRY_SECONDS`, or there is no such document.
    """
    if batch_size < 1:
        raise ParameterError(f"batch_size must be at least 1, got {batch_size}")
    with _connected(uri) as client, tqdm(disable=None if progress else True, unit=" documents") as bar:
        server = server_name(uri)
        with _explained(server):
            source = client.get_database(database)
            query = {"energy_type": energy_type, **(where or {})}
            reader = _Reader(source.get_collection(collection), query, dict.fromkeys(without, 0), batch_size)
            if not bar.disable:
                bar.reset(total=reader.count())
        with closing(reader):
            while batch := _next_batch(reader, server):
                yield from batch
                bar.update(len(batch))
        if not reader.received:
            with _explained(server):
                _require_any(source, collection, energy_type)


def stray_fields(uri: str, database: str, collection: str, *, energy_type: str = NET_ENERGY) -> tuple[str, ...]:
    """Names of fields that the first documents hold beside the keys and the times of day, sorted.

    Only names that a projection can exclude: not the empty one, and none with a dot or a dollar sign.

    Raises:
        InputError: As `iter_documents`, but a collection without documents has no such fields.
    """
    with _connected(uri) as client:
        server = server_name(uri)

        def sample() -> list[Document]:
            source = client.get_database(database).get_collection(collection)
            with source.find({"energy_type": energy_type}, limit=_STRAY_SAMPLE) as cursor:
                return list(cursor)

        names = {name for document in _retried(sample, server, lambda: 0) for name in document}
    return tuple(sorted(name for name in names if is_stray(name) and _can_be_excluded(name)))


def _can_be_excluded(name: str) -> bool:
    """Whether a projection can name the field: a dot is a path to it, a dollar sign an operator."""
    return name != "" and not set(name) & set(".$")


def changed_since(last_days: Mapping[str, date], correction_days: int) -> Document | None:
    """Which documents may be news to a table of an earlier load; for `iter_documents(where=…)`.

    Let c be the latest of the last days less the days of correction. Wanted are the documents of all meters
    from c on; of a meter that ends earlier those from its own last day less the days of correction on; all
    those of a meter that the table does not have; and all of which the date is neither a date nor text such
    as 2020-01-31, as nobody can say when they were. Meters that end early go by groups, each with the first
    of its members' days: up to 1, 3, 7, 15, … days behind.

    Args:
        last_days: The last day of each meter in the earlier table, at least one.
        correction_days: How many days back a document may still be corrected.

    Returns:
        The conditions, or None if there are too many meters to name in one query: then all documents may be.
    """
    latest = max(last_days.values())
    late: dict[int, list[str]] = defaultdict(list)
    for meter, last in last_days.items():
        if last < latest:
            late[(latest - last).days.bit_length()].append(meter)
    groups = [
        {"id": {"$in": _any_type(meters)}, "$or": _from_day(min(last_days[meter] for meter in meters), correction_days)}
        for _, meters in sorted(late.items())
    ]
    query = {
        "$or": [
            *_from_day(latest, correction_days),
            *groups,
            {"id": {"$nin": _any_type(last_days)}},
            {"$nor": [{"date": {"$type": "date"}}, {"date": {"$regex": _ISO_DAY}}]},
        ]
    }
    return query if len(bson.encode(query)) <= QUERY_BYTES else None


def first_day(last: date, correction_days: int) -> date:
    """The day from which on documents are read of what ends on `last`."""
    return date.fromordinal(max(date.min.toordinal(), last.toordinal() - correction_days))


def _from_day(last: date, correction_days: int) -> list[Document]:
    """Alternatives: MongoDB's $gte compares within one type only, and the date may be text or a moment."""
    first = first_day(last, correction_days)
    return [{"date": {"$gte": first.isoformat()}}, {"date": {"$gte": datetime.combine(first, time.min)}}]


def _any_type(meters: Iterable[str]) -> list[Any]:
    """The ids that become these texts in a table: the text itself, a number, an ObjectId."""
    return [value for meter in meters for value in _values_of(meter)]


def _values_of(text: str) -> Iterator[Any]:
    yield text
    if re.fullmatch(r"-?(0|[1-9]\d{0,17})", text):
        yield int(text)
    elif re.fullmatch(r"-?\d+(\.\d+)?(e[+-]\d+)?", text) and str(float(text)) == text:
        yield float(text)
    elif ObjectId.is_valid(text):
        yield ObjectId(text)


class _Reader:
    """A cursor in `_id` order that can be opened again after the last document received."""

    def __init__(
        self, collection: Collection[Document], query: Document, projection: Document, batch_size: int
    ) -> None:
        self._collection = collection
        self._filter = query
        self._projection = projection or None
        self._batch_size = batch_size
        self._cursor = self._open(self._filter)
        self.received = 0

    def _open(self, query: Document) -> Cursor[Document]:
        return self._collection.find(query, self._projection, sort=[("_id", 1)], batch_size=self._batch_size)

    def count(self) -> int | None:
        """How many documents there are to read, or None if the server takes long to tell."""
        try:
            return self._collection.count_documents(self._filter, maxTimeMS=COUNT_MS)
        except ExecutionTimeout:
            return None

    def next_batch(self) -> list[Document]:
        """The next documents, none at the end; after a dropped connection a further call goes on.

        A batch is handed out whole or not at all, so that a retry neither loses nor doubles a document.
        """
        try:
            batch = list(islice(self._cursor, self._batch_size))
        except _DROPPED:
            self._cursor = self._open(self._rest())
            raise
        if batch:
            self._last_id = batch[-1]["_id"]
            self.received += len(batch)
        return batch

    def close(self) -> None:
        """Free the cursor on the server, which a read that is abandoned would leave there for minutes."""
        self._cursor.close()

    def _rest(self) -> Document:
        return {"$and": [self._filter, _after(self._last_id)]} if self.received else self._filter


def _after(last_id: Any) -> Document:
    """The query for all `_id`s that sort after `last_id`.

    MongoDB's $gt compares within one type only; in a collection with, say, text and ObjectIds it would
    leave out the ObjectIds. So all types that sort later are asked for by name.
    """
    places = [place for place, (_, types) in enumerate(_ID_TYPES) if isinstance(last_id, types)]
    # bool is an int too: the last place is its own
    later = [alias for alias, _ in _ID_TYPES[places[-1] + 1 :]] if places else []
    greater: Document = {"_id": {"$gt": last_id}}
    return {"$or": [greater, {"_id": {"$type": later}}]} if later else greater


def _next_batch(reader: _Reader, server: str) -> list[Document]:
    return _retried(reader.next_batch, server, lambda: reader.received)


def _retried(ask: Callable[[], Answer], server: str, received: Callable[[], int]) -> Answer:
    """What `ask` answers, asked again, ever more slowly, while the connection is down.

    `received` tells, for the messages, how many documents have come so far.
    """

    def tell(state: RetryCallState) -> None:
        _log.warning(
            "connection to %s lost after %d documents; trying again in %.1f s",
            server,
            received(),
            state.upcoming_sleep,
        )

    retrying = Retrying(
        retry=retry_if_exception_type(_DROPPED),
        wait=wait_exponential(multiplier=0.2, max=10),
        stop=stop_after_delay(RETRY_SECONDS),
        before_sleep=tell,
        reraise=True,
    )
    with _explained(server):
        try:
            return retrying(ask)
        except _DROPPED as error:
            raise InputError(
                f"connection to the MongoDB server at {server} lost after {received()} documents and "
                f"not back within {RETRY_SECONDS:.0f} s ({_reason(error)}): start again when the server is up"
            ) from None


@contextmanager
def _connected(uri: str) -> Iterator[MongoClient[Document]]:
    """A client whose server has answered, closed at the end."""
    if not uri.startswith(_SCHEMES):
        raise InputError("the MongoDB URI must start with mongodb:// or mongodb+srv://")
    # pymongo's message may quote a part of the URI, so neither it nor the exception is passed on
    try:
        with warnings.catch_warnings():
            # pymongo warns of an option it cannot use and goes on without it, even if that is tls=
            warnings.simplefilter("error", UserWarning)
            client: MongoClient[Document] = MongoClient(
                uri,
                serverSelectionTimeoutMS=SERVER_SELECTION_MS,
                connectTimeoutMS=SERVER_SELECTION_MS,
                socketTimeoutMS=SOCKET_TIMEOUT_MS,
            )
    except (InvalidURI, ValueError):
        raise InputError(
            "the MongoDB URI cannot be read: write mongodb://host:port/?options, before the host user:password@ "
            "if need be, with their reserved characters percent-encoded (@ as %40)"
        ) from None
    except (ConfigurationError, UserWarning):
        raise InputError(
            "the MongoDB URI cannot be used: check its host name, and its options after the question mark, "
            "one of which is unknown or has a wrong value"
        ) from None
    with client:
        with _explained(server_name(uri)):
            client.admin.command("ping")
        yield client


@contextmanager
def _explained(server: str) -> Iterator[None]:
    """Turn pymongo's errors into one line that says what to do."""
    try:
        yield
    except OperationFailure as error:
        raise InputError(_refusal(error, server)) from None
    except ConnectionFailure as error:
        raise InputError(
            f"cannot reach the MongoDB server at {server} ({_reason(error)}): check host and port, "
            "that the server runs, and that no firewall is between"
        ) from None
    except InvalidName as error:
        raise InputError(f"no name for a MongoDB database or collection: {error}") from None
    except ConfigurationError as error:
        raise InputError(
            f"cannot use the MongoDB server at {server} with these options or this pymongo: {_reason(error)}"
        ) from None


def _refusal(error: OperationFailure, server: str) -> str:
    details = error.details or {}
    said = " ".join(str(details.get("errmsg") or error.code).split())
    if error.code in _LOGIN_REFUSED:
        return (
            f"the MongoDB server at {server} refuses the login ({said}): check user, password, "
            "authSource and authMechanism in the URI"
        )
    if error.code == _UNAUTHORIZED:
        return f"the MongoDB user may not read at {server} ({said}): grant the role `read` of the database"
    return f"the MongoDB server at {server} refuses the query: {said}"


def _reason(error: Exception) -> str:
    """The first part of pymongo's message; what follows are its settings and its view of the servers."""
    first = re.split(r" \(configured timeouts|, Timeout: ", str(error), maxsplit=1)[0]
    return " ".join(first.split())


def server_name(uri: str) -> str:
    """Host and port of a URI that pymongo has accepted; neither user and password nor options."""
    address = uri.partition("://")[2]
    return re.split(r"[/?]", address, maxsplit=1)[0].rpartition("@")[2]


def _require_any(source: Database[Document], collection: str, energy_type: str) -> None:
    """Raise InputError, which says what is there, if there is no document of this energy type."""
    if source.get_collection(collection).find_one({"energy_type": energy_type}, ["_id"]) is None:
        raise InputError(_why_nothing(source, collection, energy_type))


def _why_nothing(source: Database[Document], collection: str, energy_type: str) -> str:
    names = source.list_collection_names()
    if not names:
        return f"no database {source.name} on the MongoDB server, or nothing in it: check its name"
    if collection not in names:
        return f"no collection {collection} in database {source.name}: it has {listed(names)}"
    where = f"collection {collection} of database {source.name}"
    with source[collection].find({}, ["energy_type"], limit=_SAMPLE) as sample:
        found = {str(document.get("energy_type")) for document in sample}
    if not found:
        return f"{where} is empty: load it first, or check the names"
    return f"{where} has no document of energy_type={energy_type}: the types seen there are {listed(found)}"
