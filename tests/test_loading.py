"""`load_newmongo`: whole and incremental loads of a real server, exports, and what stands beside the table."""

import json
import random
from datetime import date, datetime, timedelta

import pandas as pd
import pytest
from pymongo import MongoClient

from loadprofiles import loading
from loadprofiles.errors import InputError, ParameterError
from loadprofiles.sources import mongo_live
from loadprofiles.sources.documents import KEYS
from tests.sources.examples import document

DOCUMENTS = [document("A", f"2020-03-0{day}", **{"00:00:00": day / 8}) for day in (1, 2)]


def load(tmp_path, database="", collection="", *, out="newmongo.csv", folder=None, **options):
    folder = folder or tmp_path / "not there"
    return loading.load_newmongo(folder, database, collection, **options, out_csv=tmp_path / out, workspace=tmp_path)


def read(path):
    return pd.read_csv(path, dtype={"id": "str"})


@pytest.fixture
def live(tmp_path, monkeypatch, mongo_uri, mongo_database):
    """A live collection: `live.daily` is the collection, `live(…)` loads it."""
    monkeypatch.setenv("MONGO_URI", mongo_uri)

    def load_it(**options):
        return load(tmp_path, mongo_database.name, options.pop("collection", "daily"), **options)

    load_it.daily = mongo_database["daily"]
    load_it.name = f"{mongo_database.name}.daily"
    load_it.table = lambda: read(tmp_path / "newmongo.csv")
    load_it.note = tmp_path / "newmongo.csv.source.json"
    return load_it


def counts(result):
    return {name: result.metrics[f"documents_{name}"] for name in ("kept", "new", "replaced")}


class TestWholeLoads:
    def test_the_live_database_is_read_when_its_uri_is_set_and_the_uri_is_told_nobody(self, live, mongo_uri):
        live.daily.insert_many(DOCUMENTS)
        result = live()
        assert live.table()["00:00:00"].tolist() == [0.125, 0.25]
        assert result.metrics["documents"] == 2
        assert counts(result) == {"kept": 0, "new": 2, "replaced": 0}
        assert result.tags["loaded_from"] == f"the live collection {live.name}"
        assert "everything is read: there is no earlier load" in result.notes
        assert mongo_uri not in str(result)
        assert mongo_uri not in live.note.read_text()

    def test_stray_fields_stay_on_the_server_and_are_named(self, live):
        # one in the sample, one beyond it
        documents = [document(f"m{n:03}", **({"late": 1} if n == 299 else {"Unnamed: 2": n})) for n in range(300)]
        live.daily.insert_many(documents)
        result = live()
        assert result.metrics["stray_fields"] == 2
        assert "1 stray fields left on the server: Unnamed: 2" in result.notes
        assert "1 stray fields left out: late" in result.notes
        assert list(live.table()) == [*KEYS, "00:00:00"]

    def test_without_a_uri_the_folder_is_read(self, tmp_path, monkeypatch):
        monkeypatch.delenv("MONGO_URI", raising=False)
        rows = "A,2020-03-01,active_sum,0.5,\nA,2020-03-02,active_sum,error,1\n"
        (tmp_path / "a.csv").write_text("id,date,energy_type,00:00:00,00:15:00\n" + rows)
        result = load(tmp_path, folder=tmp_path, out="out/newmongo.parquet", previous_csv=tmp_path / "earlier.csv")
        table = pd.read_parquet(tmp_path / "out" / "newmongo.parquet")
        assert table.filter(like=":").fillna(-1).to_numpy().tolist() == [[0.5, -1], [-1, 1]]
        assert result.metrics["unreadable_values"] == 1
        assert [given.name for given in result.inputs] == ["newmongo"]
        assert any("earlier.csv is not used: an export is read whole" in note for note in result.notes)

    def test_an_unreachable_database_is_told_without_its_password(self, tmp_path, monkeypatch):
        monkeypatch.setenv("MONGO_URI", "mongodb://ana:s3cret@127.0.0.1:1/x")
        with pytest.raises(InputError) as caught:
            load(tmp_path, "db", "daily")
        assert "s3cret" not in str(caught.value)
        assert list(tmp_path.iterdir()) == []

    def test_an_export_without_documents_is_an_error(self, tmp_path, monkeypatch):
        monkeypatch.delenv("MONGO_URI", raising=False)
        (tmp_path / "a.jsonl").write_text("")
        with pytest.raises(InputError, match="no document in it"):
            load(tmp_path, folder=tmp_path)

    def test_negative_correction_days(self, tmp_path):
        with pytest.raises(ParameterError, match="correction_days must be at least 0 or empty, got -1"):
            load(tmp_path, correction_days=-1)


class TestIncrementalLoads:
    def test_new_days_and_corrections_are_merged_and_the_rest_is_not_asked_for(self, live):
        live.daily.insert_many([document("A", f"2020-03-{day:02}", **{"00:00:00": day}) for day in range(1, 11)])
        live()
        live.daily.update_one({"date": "2020-03-01"}, {"$set": {"00:00:00": -1.0}})  # before the window
        live.daily.update_one({"date": "2020-03-09"}, {"$set": {"00:00:00": 99.0}})
        live.daily.delete_one({"date": "2020-03-08"})
        live.daily.insert_one(document("A", "2020-03-11", **{"00:15:00": 0.5}))
        result = live(correction_days=3)
        assert result.metrics["documents"] == 4 - 1 + 1
        assert counts(result) == {"kept": 9, "new": 1, "replaced": 1}
        table = live.table().set_index("date")
        assert table["00:00:00"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 99, 10, 0.25]
        assert table.loc["2020-03-11", "00:15:00"] == 0.5
        (note,) = [note for note in result.notes if note.startswith("read from")]
        assert note.startswith("read from 2020-03-07 on, 3 days before the last of the earlier load")
        assert [given.name for given in result.inputs] == ["earlier_load"]

    def test_an_empty_correction_days_reads_everything_and_merges_it_with_nothing(self, live):
        live.daily.insert_many(DOCUMENTS)
        live()
        live.daily.delete_one({"date": "2020-03-01"})
        result = live(correction_days=None)
        assert live.table()["date"].tolist() == ["2020-03-02"]
        assert "everything is read: correction_days is empty" in result.notes

    def test_late_and_new_meters_lose_no_day(self, live):
        live.daily.insert_many([document("on time", f"2020-03-{day:02}") for day in range(1, 11)])
        live.daily.insert_many([document("late", f"2020-01-{day:02}") for day in range(1, 11)])
        live()
        news = [document("late", "2020-01-11"), document("new", "2015-01-01"), document("new", "2020-03-11")]
        live.daily.insert_many(news)
        result = live(correction_days=0)
        assert counts(result) == {"kept": 20, "new": 3, "replaced": 0}
        assert result.metrics["documents"] == 3 + 2
        assert any(", 1 meters that end earlier from 0 days before their own last" in note for note in result.notes)

    def test_moments_numbers_and_days_that_are_none(self, live):
        live.daily.insert_many([document(7, datetime(2020, 3, day)) for day in range(1, 11)])
        live.daily.insert_one(document(7, 20200101))
        live()
        dayless = document(7, "gone")
        del dayless["date"]
        live.daily.insert_many([document(7, datetime(2020, 3, 11)), document(7, 20200102), dayless])
        result = live(correction_days=0)
        assert result.metrics["documents_without_key"] == 1
        assert result.metrics["documents"] == 2 + 2 + 1
        assert live.table()["date"].tolist()[-3:] == ["2020-03-11", "20200101", "20200102"]

    def test_a_day_in_the_future_does_not_hide_the_days_before_it(self, live):
        live.daily.insert_many([*DOCUMENTS, document("A", "2999-01-01")])
        live()
        live.daily.insert_one(document("A", "2020-03-03"))
        assert counts(live(correction_days=1)) == {"kept": 3, "new": 1, "replaced": 0}

    def test_a_day_that_was_in_the_future_when_it_was_loaded_does_not_either(self, live):
        live.daily.insert_many([*DOCUMENTS, document("A", "2020-12-01")])
        live()
        live.note.write_text(json.dumps({**json.loads(live.note.read_text()), "loaded_on": "2020-03-02"}))
        live.daily.insert_one(document("A", "2020-03-03"))
        assert counts(live(correction_days=1)) == {"kept": 3, "new": 1, "replaced": 0}

    def test_too_many_meters_for_one_query_are_told_and_everything_is_read(self, live, monkeypatch):
        live.daily.insert_many(DOCUMENTS)
        live()
        monkeypatch.setattr(mongo_live, "QUERY_BYTES", 1)
        result = live()
        assert result.metrics["documents"] == 2
        assert "everything is read: 1 meters are too many to name in a query" in result.notes

    def test_the_table_of_an_earlier_load_may_lie_elsewhere(self, live, tmp_path):
        live.daily.insert_many(DOCUMENTS)
        live(out="earlier.parquet")
        live.daily.insert_one(document("A", "2020-03-03"))
        result = live(previous_csv=tmp_path / "earlier.parquet", correction_days=0)
        assert counts(result) == {"kept": 2, "new": 1, "replaced": 0}
        assert len(live.table()) == 3

    def test_nothing_new_leaves_the_table_as_it_is(self, live, tmp_path):
        live.daily.insert_many(DOCUMENTS)
        live()
        before = (tmp_path / "newmongo.csv").read_bytes()
        live.daily.delete_many({})
        live.daily.insert_one(document("A", "2019-01-01"))
        result = live(correction_days=1)
        assert (result.metrics["documents"], counts(result)["kept"]) == (0, 2)
        assert (tmp_path / "newmongo.csv").read_bytes() == before

    @pytest.mark.parametrize("seed", range(4))
    def test_loads_day_after_day_equal_one_whole_load(self, live, tmp_path, seed):
        rng = random.Random(seed)
        window, today, ends = 6, date(2020, 2, 1), {}
        for turn in range(4):
            for meter in rng.sample(["A", "B", "7", "C"], 2):
                ends.setdefault(meter, today - timedelta(rng.randint(0, 40)))
                last = ends[meter] + timedelta(rng.randint(0, 9))
                day = ends[meter] - timedelta(rng.randint(0, window) if turn else 5)
                ends[meter] = last
                while day <= last:
                    if rng.random() < 0.7 or day == last:
                        upsert(live.daily, rng, meter, day)
                    day += timedelta(1)
            today += timedelta(rng.randint(0, 9))
            live(correction_days=window)
        live(correction_days=None, out="whole.csv")
        assert (tmp_path / "newmongo.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def upsert(collection, rng, meter, day):
    """A day as some source writes it: text or a moment, the id a number where it can be, now and then a new field."""
    moment = datetime.combine(day, datetime.min.time())
    fields = document(
        int(meter) if meter.isdecimal() else meter,
        rng.choice([day.isoformat(), moment]),
        **{rng.choice(["00:00:00", "00:15:00", "12:00:00"]): rng.random()},
    )
    fields["_id"] = f"{meter}/{day}"
    collection.replace_one({"_id": fields["_id"]}, fields, upsert=True)


class TestWhatTheTableWasLoadedFrom:
    def test_the_table_of_another_collection_is_refused(self, live, mongo_database):
        live.daily.insert_many(DOCUMENTS)
        mongo_database["other"].insert_many(DOCUMENTS)
        live()
        with pytest.raises(InputError, match=r"was loaded from .*\.daily \(active_sum\), not from .*\.other: choose"):
            live(collection="other")
        live(collection="other", correction_days=None)
        assert json.loads(live.note.read_text())["collection"] == "other"

    def test_a_table_of_which_nobody_says_is_taken_and_told(self, live):
        live.daily.insert_many(DOCUMENTS)
        live()
        live.note.unlink()
        result = live(correction_days=0)
        assert result.metrics["documents"] == 1
        assert any("newmongo.csv.source.json is not there to tell" in note for note in result.notes)

    def test_an_export_is_not_mixed_with_a_collection(self, live, tmp_path, monkeypatch, mongo_uri):
        live.daily.insert_many(DOCUMENTS)
        live()
        monkeypatch.delenv("MONGO_URI")
        export = tmp_path / "export"
        export.mkdir()
        (export / "a.csv").write_text("id,date,energy_type,00:00:00\nsample,2020-03-01,active_sum,0.5\n")
        load(tmp_path, folder=export)
        assert live.table()["id"].tolist() == ["sample"]
        monkeypatch.setenv("MONGO_URI", mongo_uri)
        result = live()
        assert live.table()["id"].tolist() == ["A", "A"]
        assert any("was not loaded from a live collection" in note for note in result.notes)

    def test_a_load_cut_short_leaves_no_wrong_word_about_the_table(self, live, monkeypatch, mongo_database):
        live.daily.insert_many(DOCUMENTS)
        mongo_database["other"].insert_many([document("B", "2020-03-02")])
        live()

        def cut_short(*args):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(loading, "write_export", cut_short)
            with pytest.raises(KeyboardInterrupt):
                live(collection="other", correction_days=None)
        assert json.loads(live.note.read_text()) == {}
        assert live().metrics["documents"] == 2

    def test_another_server_is_told(self, live):
        live.daily.insert_many(DOCUMENTS)
        live()
        live.note.write_text(live.note.read_text().replace("127.0.0.1", "elsewhere"))
        assert any("was loaded from the server elsewhere:" in note for note in live().notes)

    def test_a_damaged_note_is_refused(self, live):
        live.daily.insert_many(DOCUMENTS)
        live()
        live.note.write_text("{")
        with pytest.raises(InputError, match=r"source\.json is damaged: delete it"):
            live()
        live(correction_days=None)
        assert json.loads(live.note.read_text())["collection"] == "daily"

    def test_a_damaged_table_is_refused_and_left_alone(self, live, tmp_path):
        live.daily.insert_many(DOCUMENTS)
        (tmp_path / "newmongo.csv").write_text("something else\n")
        with pytest.raises(InputError, match="delete it, or leave correction_days empty"):
            live()
        assert (tmp_path / "newmongo.csv").read_text() == "something else\n"

    def test_a_table_without_rows_is_no_earlier_load(self, live, tmp_path):
        live.daily.insert_many(DOCUMENTS)
        (tmp_path / "newmongo.csv").write_text("id,date,energy_type,00:00:00\n")
        assert "everything is read: " in "\n".join(live().notes)
        assert len(live.table()) == 2

    def test_a_table_that_is_not_there(self, live, tmp_path):
        with pytest.raises(InputError, match="no such file, but it should be the table of an earlier load"):
            live(previous_csv=tmp_path / "gone.csv")


def test_every_key_exactly_once_though_the_server_is_killed_in_mid_load(own_mongo_server, tmp_path, monkeypatch):
    times = [f"{hour:02}:00:00" for hour in range(3)]
    rng = random.Random(5)
    days = [(date(2020, 1, 1) + timedelta(n)).isoformat() for n in range(200)]
    documents = [
        document(f"m{meter:03}", day, **{time: rng.random() for time in times}) for meter in range(100) for day in days
    ]
    with MongoClient(own_mongo_server.uri) as client:
        client["energy"]["daily"].insert_many(documents)
    monkeypatch.setenv("MONGO_URI", own_mongo_server.uri)
    restarts = {1, 4_321, 9_000, 15_500, 19_999}
    asked = mongo_live.iter_documents

    def disturbed(*args, **options):
        for number, one in enumerate(asked(*args, **options), start=1):
            if number in restarts:
                own_mongo_server.kill()
                own_mongo_server.start()
            yield one

    monkeypatch.setattr(loading, "iter_documents", disturbed)
    result = load(tmp_path, "energy", "daily")
    truth = pd.DataFrame(documents).drop(columns="_id").sort_values(list(KEYS), ignore_index=True)
    pd.testing.assert_frame_equal(read(tmp_path / "newmongo.csv"), truth[[*KEYS, *times]], check_exact=True)
    assert result.metrics["documents"] == len(documents) == 20_000
    assert result.metrics["documents_superseded"] == 0
