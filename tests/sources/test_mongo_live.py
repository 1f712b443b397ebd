import io
import random
import sys
import threading
import time
from datetime import date, datetime
from functools import partial

import pandas as pd
import pytest
from bson import Int64, ObjectId
from pymongo import MongoClient, WriteConcern
from pymongo.errors import AutoReconnect, CursorNotFound, OperationFailure
from pymongo.monitoring import CommandListener

from loadprofiles.errors import InputError, ParameterError
from loadprofiles.sources import mongo_live
from loadprofiles.sources.documents import ExportCounts, write_export
from loadprofiles.sources.mongo_live import changed_since, iter_documents, stray_fields
from tests.sources.examples import document

PASSWORD = "s3cret"


def month_of_documents(meters):
    return [document(f"m{m:03}", f"2020-01-{day:02}") for m in range(meters) for day in range(1, 31)]


def raise_(error):
    raise error


class Commands(CommandListener):
    """Notes the commands that a client sends."""

    def __init__(self):
        self.sent = []

    def started(self, event):
        self.sent.append(event.command)

    def succeeded(self, event):
        pass

    def failed(self, event):
        pass

    def named(self, name):
        return [command for command in self.sent if name in command]


@pytest.fixture
def commands(monkeypatch):
    listener = Commands()
    monkeypatch.setattr(mongo_live, "MongoClient", partial(MongoClient, event_listeners=[listener]))
    return listener


@pytest.fixture
def read(mongo_uri, mongo_database):
    """Insert documents, then read them back."""

    def insert_and_read(documents, **options):
        mongo_database["profiles"].insert_many(documents)
        return list(iter_documents(mongo_uri, mongo_database.name, "profiles", **options))

    return insert_and_read


@pytest.fixture
def one_line(mongo_uri, mongo_database):
    """The message of the error that a read ends with."""

    def message(uri=mongo_uri, database=mongo_database.name, collection="profiles", **options):
        with pytest.raises(InputError) as caught:
            list(iter_documents(uri, database, collection, **options))
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        text = str(caught.value)
        assert "\n" not in text
        assert PASSWORD not in repr(caught.value)
        return text

    return message


class TestIterDocuments:
    def test_only_the_energy_type_asked_for_in_the_order_of_id(self, read):
        documents = month_of_documents(4)
        others = [document("m1", energy_type="reactive_sum"), document("m2", energy_type="active_in")]
        shuffled = random.Random(0).sample([*documents, *others], len(documents) + 2)
        assert read(shuffled, batch_size=7) == sorted(documents, key=lambda d: d["_id"])

    def test_the_server_filters_sorts_and_cuts_into_batches(self, read, commands):
        assert len(read([*month_of_documents(2), document(energy_type="reactive_sum")], batch_size=25)) == 60
        (find,) = commands.named("find")
        assert find["filter"] == {"energy_type": "active_sum"}
        assert find["sort"] == {"_id": 1}
        assert find["batchSize"] == 25
        assert [more["batchSize"] for more in commands.named("getMore")] == [25, 25]
        assert not commands.named("aggregate"), "documents are counted though no bar is shown"

    def test_another_energy_type(self, read):
        documents = [document(energy_type="reactive_sum"), document()]
        assert read(documents, energy_type="reactive_sum") == documents[:1]

    def test_a_terminal_gets_a_bar_with_its_total(self, read, monkeypatch):
        class Terminal(io.StringIO):
            def isatty(self):
                return True

        monkeypatch.setattr(sys, "stderr", Terminal())
        read(month_of_documents(1))
        assert "30/30" in sys.stderr.getvalue()

    def test_an_abandoned_read_leaves_no_cursor(self, mongo_uri, mongo_database, commands):
        mongo_database["profiles"].insert_many(month_of_documents(1))
        documents = iter_documents(mongo_uri, mongo_database.name, "profiles", batch_size=5)
        next(documents)
        documents.close()
        assert commands.named("killCursors")

    def test_batch_size_below_one(self):
        with pytest.raises(ParameterError, match="batch_size must be at least 1, got 0"):
            list(iter_documents("mongodb://127.0.0.1/", "d", "c", batch_size=0))


ON_TIME, LATE = date(2020, 3, 10), date(2020, 3, 1)
LAST_DAYS = {"on time": ON_TIME, "late": LATE, "12": ON_TIME, "1.5": ON_TIME}


class TestChangedSince:
    @pytest.fixture
    def wanted(self, read):
        def ask(documents, last_days=LAST_DAYS, days=2):
            numbered = [{**d, "_id": number} for number, d in enumerate(documents)]
            return [d["_id"] for d in read(numbered, where=changed_since(last_days, days))]

        return ask

    def test_days_of_text_from_the_last_less_the_days_of_correction(self, wanted):
        days = ("2020-03-07", "2020-03-08", "2020-03-10", "2020-03-11", "2020-03-08T00:00:00")
        assert wanted([document("on time", day) for day in days]) == [1, 2, 3, 4]

    def test_days_that_are_moments(self, wanted):
        days = (datetime(2020, 3, 7), datetime(2020, 3, 8), datetime(2020, 3, 11))
        assert wanted([document("on time", day) for day in days]) == [1, 2]

    @pytest.mark.parametrize("day", [20200101, None, "01/02/2020", "2020-1-5", "", {"day": 1}])
    def test_days_that_nobody_can_place_come_whenever(self, wanted, day):
        assert wanted([document("on time", day), document("on time", "2020-01-01")]) == [0]

    def test_a_document_without_a_day_or_a_meter_comes(self, wanted):
        dayless, meterless = document("on time"), document("on time", "2020-01-01")
        del dayless["date"], meterless["id"]
        assert wanted([dayless, meterless]) == [0, 1]

    def test_a_meter_that_ends_early_from_its_own_last_day(self, wanted):
        days = ("2020-02-27", "2020-02-28", "2020-03-01")
        both = [document(meter, day) for meter in ("late", "on time") for day in days]
        assert wanted(both) == [1, 2]

    def test_each_of_many_late_meters_has_at_least_its_own_days(self, wanted):
        last = {f"m{n}": date.fromordinal(date(2020, 3, 10).toordinal() - n) for n in range(0, 60, 7)}
        documents = [document(meter, day.isoformat()) for meter, day in last.items()]
        assert wanted(documents, last, 0) == list(range(len(last)))
        assert len(changed_since(last, 0)["$or"]) < 2 + 6 + 2 + 1

    def test_a_meter_that_is_new_comes_whole(self, wanted):
        days = ("2010-01-01", "2020-03-08")
        assert wanted([document(meter, day) for meter in ("new", "on time") for day in days]) == [0, 1, 3]

    @pytest.mark.parametrize(
        ("meter", "text"),
        [(12, "12"), (Int64(-7), "-7"), (1.5, "1.5"), (3.0, "3.0"), (ObjectId("5" * 24), "5" * 24), ("007", "007")],
    )
    def test_a_meter_whose_id_is_no_text_is_known_by_what_the_table_calls_it(self, wanted, meter, text):
        days = ("2010-01-01", "2020-02-28", "2020-03-08")
        last = {text: date(2020, 3, 1), "on time": date(2020, 3, 10)}
        assert wanted([document(meter, day) for day in days], last) == [1, 2]

    def test_a_correction_window_that_reaches_beyond_the_calendar_takes_every_day(self, wanted):
        assert wanted([document("on time", "0001-01-01")], days=10**7) == [0]

    def test_too_many_meters_for_one_query(self, monkeypatch):
        monkeypatch.setattr(mongo_live, "QUERY_BYTES", 1000)
        assert changed_since({"m1": date(2020, 1, 1)}, 35) is not None
        assert changed_since({f"m{n}": date(2020, 1, 1) for n in range(100)}, 35) is None

    def test_nothing_new_is_no_error_but_a_wrong_name_is(self, read, one_line):
        assert read([document("on time", "2010-01-01")], where=changed_since(LAST_DAYS, 2)) == []
        message = one_line(collection="profile", where=changed_since(LAST_DAYS, 2))
        assert "no collection profile in database" in message

    def test_a_dropped_connection_keeps_the_conditions(self, read, monkeypatch):
        open_cursor = mongo_live._Reader._open
        opened = []

        def dropping_once(reader, query):
            opened.append(query)
            cursor = open_cursor(reader, query)
            return (
                cursor
                if len(opened) > 1
                else (one if n < 5 else raise_(AutoReconnect()) for n, one in enumerate(cursor))
            )

        monkeypatch.setattr(mongo_live._Reader, "_open", dropping_once)
        documents = [document("on time", f"2020-03-{day:02}") for day in range(1, 20)]
        seen = read(documents, where=changed_since(LAST_DAYS, 2), batch_size=3)
        assert [d["date"] for d in seen] == [f"2020-03-{day:02}" for day in range(8, 20)]
        assert len(opened) == 2


class TestStrayFields:
    def test_stray_fields_are_left_on_the_server(self, read, mongo_uri, mongo_database, commands):
        strays = {"Unnamed: 2": 1, "note": "x" * 100, "price$": 1}
        read([document(**strays), document("m2", other=1), document("m3", "2020-01-01", "reactive", third=1)])
        without = stray_fields(mongo_uri, mongo_database.name, "profiles")
        assert without == ("Unnamed: 2", "note", "other")
        seen = list(iter_documents(mongo_uri, mongo_database.name, "profiles", without=without))
        assert [set(d) - set(document()) for d in seen] == [{"price$"}, set()]
        assert commands.named("find")[-1]["projection"] == {"Unnamed: 2": 0, "note": 0, "other": 0}

    @pytest.mark.parametrize("name", ["", "a.b", "$c", "c$", "."])
    def test_names_that_mean_something_else_in_a_projection_stay(self, name):
        # this server stores no such field, a real one may
        assert not mongo_live._can_be_excluded(name)

    def test_an_empty_collection_has_none(self, mongo_uri, mongo_database):
        assert stray_fields(mongo_uri, mongo_database.name, "profiles") == ()

    def test_an_unreachable_server(self):
        with pytest.raises(InputError, match="cannot reach the MongoDB server"):
            stray_fields("mongodb://127.0.0.1:9/", "energy", "profiles")


class TestResume:
    @staticmethod
    def insert(server, documents):
        durable = WriteConcern(w=1, j=True)  # mongod's journal may lag behind a kill -9
        with MongoClient(server.uri) as client:
            client["energy"].get_collection("profiles", write_concern=durable).insert_many(documents)

    def test_every_document_once_though_the_server_is_killed_twice(self, own_mongo_server, caplog):
        documents = month_of_documents(10)
        self.insert(own_mongo_server, documents)
        seen = []
        for document_ in iter_documents(own_mongo_server.uri, "energy", "profiles", batch_size=20):
            seen.append(document_)
            # in the middle of a batch, and after the last one of a batch
            if len(seen) in {50, 120}:
                own_mongo_server.kill()
                own_mongo_server.start()
        assert seen == documents
        lost = [r.getMessage() for r in caplog.records if "connection to 127.0.0.1" in r.getMessage()]
        assert any("after 60 documents" in message for message in lost)
        assert any("after 120 documents" in message for message in lost)

    def test_a_server_that_comes_back_late(self, own_mongo_server, monkeypatch, caplog):
        documents = month_of_documents(2)
        self.insert(own_mongo_server, documents)
        monkeypatch.setattr(mongo_live, "SERVER_SELECTION_MS", 100)

        def waits():
            messages = [record.getMessage() for record in caplog.records]
            return [message.rpartition("trying again in ")[2] for message in messages if "again in" in message]

        def restart_after_three_waits():
            while len(waits()) < 3:
                time.sleep(0.05)
            own_mongo_server.start()

        reading = iter_documents(own_mongo_server.uri, "energy", "profiles", batch_size=20)
        seen = [next(reading)]
        own_mongo_server.kill()
        restart = threading.Thread(target=restart_after_three_waits, daemon=True)
        restart.start()
        assert seen + list(reading) == documents
        restart.join()
        assert waits()[:3] == ["0.2 s", "0.4 s", "0.8 s"]

    def test_abandoned_while_the_server_is_away(self, own_mongo_server):
        self.insert(own_mongo_server, month_of_documents(2))
        reading = iter_documents(own_mongo_server.uri, "energy", "profiles", batch_size=20)
        next(reading)
        own_mongo_server.kill()
        reading.close()

    def test_a_server_that_stays_away(self, own_mongo_server, monkeypatch):
        self.insert(own_mongo_server, month_of_documents(2))
        monkeypatch.setattr(mongo_live, "SERVER_SELECTION_MS", 300)
        monkeypatch.setattr(mongo_live, "RETRY_SECONDS", 1.0)
        reading = iter_documents(own_mongo_server.uri, "energy", "profiles", batch_size=20)
        next(reading)
        own_mongo_server.kill()
        with pytest.raises(InputError, match=r"lost after 20 documents and not back within 1 s.*start again"):
            list(reading)

    @pytest.mark.parametrize("error", [AutoReconnect("reset"), CursorNotFound("gone", 43)])
    def test_a_connection_lost_within_a_batch(self, read, monkeypatch, error):
        documents = month_of_documents(2)
        open_cursor = mongo_live._Reader._open
        queries = []

        def dropping_once(reader, query):
            queries.append(query)
            cursor = open_cursor(reader, query)
            if len(queries) > 1:
                return cursor
            return (one if place < 33 else raise_(error) for place, one in enumerate(cursor))

        monkeypatch.setattr(mongo_live._Reader, "_open", dropping_once)
        assert read(documents, batch_size=20) == documents
        assert queries[0] == {"energy_type": "active_sum"}
        assert queries[1]["$and"][0] == queries[0]
        assert queries[1]["$and"][1]["$or"][0] == {"_id": {"$gt": documents[19]["_id"]}}

    def test_ids_of_several_types(self, mongo_database):
        ids = [
            *(1, 2.5, Int64(3), "a", "b", {"meter": 1}, b"x", ObjectId(), ObjectId()),
            *(False, True, datetime(2020, 1, 1), datetime(2020, 1, 2)),
        ]
        mongo_database["profiles"].insert_many([{"_id": i} for i in ids])
        for place, last_id in enumerate(ids):
            rest = mongo_database["profiles"].find(mongo_live._after(last_id), sort=[("_id", 1)])
            assert [document_["_id"] for document_ in rest] == ids[place + 1 :]


class TestMessages:
    def test_unreachable_server_within_seconds(self, one_line):
        start = time.monotonic()
        message = one_line(f"mongodb://reader:{PASSWORD}@127.0.0.1:9/energy")
        assert time.monotonic() - start < 5
        assert message.startswith("cannot reach the MongoDB server at 127.0.0.1:9 (127.0.0.1:9: ")
        assert "check host and port" in message

    @pytest.mark.parametrize("scheme", ["", "postgresql://"])
    def test_not_a_mongodb_uri(self, one_line, scheme):
        assert "must start with mongodb://" in one_line(f"{scheme}reader:{PASSWORD}@host/")

    @pytest.mark.parametrize(
        "rest",
        [
            f"reader:{PASSWORD}@{PASSWORD}@host/",
            f"reader:{PASSWORD}/{PASSWORD}@host/",
            f"reader:{PASSWORD}?{PASSWORD}@host/",
            f"reader:{PASSWORD}@host:port/",
            f"reader:{PASSWORD}%ZZ@host:0/",
            "",
        ],
    )
    def test_unreadable_uri(self, one_line, rest):
        assert "the MongoDB URI cannot be " in one_line(f"mongodb://{rest}")

    @pytest.mark.parametrize(
        "options", ["tls=1x", "replicaSet=a&directConnection=maybe", "nonsense=1", "authMechanism=nonsense"]
    )
    def test_unusable_options(self, one_line, options):
        message = one_line(f"mongodb://reader:{PASSWORD}@127.0.0.1:9/?{options}")
        assert "the MongoDB URI cannot be used: check its host name, and its options" in message

    def test_refused_login(self, one_line, mongo_uri):
        uri = mongo_uri.replace("mongodb://", f"mongodb://nobody:{PASSWORD}@")
        assert "refuses the login" in (message := one_line(uri))
        assert "check user, password, authSource" in message

    def test_missing_database(self, one_line, mongo_database):
        assert f"no database {mongo_database.name} on the MongoDB server" in one_line()

    def test_missing_collection_names_what_is_there(self, one_line, mongo_database):
        for name in ("days", "meters"):
            mongo_database[name].insert_one({"_id": 1})
        assert one_line() == (f"no collection profiles in database {mongo_database.name}: it has days, meters")

    def test_empty_collection(self, one_line, mongo_database):
        mongo_database.create_collection("profiles")
        assert "collection profiles" in (message := one_line())
        assert "is empty: load it first" in message

    def test_missing_energy_type_names_what_is_there(self, one_line, mongo_database):
        mongo_database["profiles"].insert_many([document(), document(energy_type="reactive_sum")])
        message = one_line(energy_type="active")
        assert message.endswith("no document of energy_type=active: the types seen there are active_sum, reactive_sum")

    @pytest.mark.parametrize("name", ["", "a b", "a.b"])
    def test_impossible_database_name(self, one_line, name):
        assert "no name for a MongoDB database" in one_line(database=name)

    def test_long_lists_are_cut(self, one_line, mongo_database):
        for number in range(12):
            mongo_database[f"c{number:02}"].insert_one({"_id": 1})
        assert one_line().endswith("c08, c09 and 2 more")

    def test_a_query_the_server_refuses(self, one_line, mongo_database, monkeypatch):
        mongo_database["profiles"].insert_one(document())
        nonsense = mongo_database["profiles"].find({"$nonsense": 1})
        monkeypatch.setattr(mongo_live._Reader, "_open", lambda reader, query: nonsense)
        assert "refuses the query: " in one_line()

    def test_a_user_who_may_not_read(self, one_line, monkeypatch):
        def forbid(reader):
            raise OperationFailure("not authorized", 13, {"errmsg": "not authorized on energy", "code": 13})

        # FerretDB has no roles, so the server's answer is put in its mouth
        monkeypatch.setattr(mongo_live._Reader, "next_batch", forbid)
        assert "(not authorized on energy): grant the role `read`" in one_line()


class TestWriteExportOfTheDatabase:
    def test_values_survive_database_and_file(self, read, tmp_path):
        energies = {"00:15:00": 0.1 + 0.2, "00:30:00": -1.5e-7, "00:45:00": 3, "23:45:00": 1e6 / 3}
        documents = read([document("0012", "2020-01-01", **energies), document("0012", "2020-01-02")])
        for name in ("newmongo.csv", "newmongo.parquet"):
            counts = write_export(documents, tmp_path / name)
            assert counts == ExportCounts(2, 2, 0, 0, 0, 0, new=2)
        table = pd.read_csv(tmp_path / "newmongo.csv", dtype={"id": "str"})
        assert list(table.columns) == ["id", "date", "energy_type", "00:00:00", *energies]
        assert table["id"].tolist() == ["0012", "0012"]
        assert table["date"].tolist() == ["2020-01-01", "2020-01-02"]
        assert table.loc[0, list(energies)].to_dict() == energies
        assert table.loc[1, list(energies)].isna().all()
        pd.testing.assert_frame_equal(table, pd.read_parquet(tmp_path / "newmongo.parquet"))
        assert table.dtypes[3:].eq("float64").all()

    def test_the_last_of_equal_keys_counts(self, read, tmp_path):
        earlier, later = document(**{"00:00:00": 1.0}), {**document(**{"00:00:00": 2.0}), "_id": "z"}
        other = document(date="2019-12-31")
        counts = write_export(read([later, earlier, other]), tmp_path / "newmongo.csv")
        table = pd.read_csv(tmp_path / "newmongo.csv")
        assert (counts.documents, counts.written, counts.duplicates) == (3, 2, 1)
        assert table["date"].tolist() == ["2019-12-31", "2020-01-01"]
        assert table["00:00:00"].tolist() == [0.25, 2.0]
        assert "1 documents left out: a later one has the same id, date, energy_type" in "\n".join(counts.notes())
