import io
import random
import sys
import threading
import time
from datetime import datetime
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
from loadprofiles.sources.mongo_live import iter_documents
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
        assert queries[1]["energy_type"] == "active_sum"
        assert queries[1]["$or"][0] == {"_id": {"$gt": documents[19]["_id"]}}

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
            assert counts == ExportCounts(2, 2, 0, 0, 0, 0)
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
