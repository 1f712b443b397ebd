"""Dumps of the old MongoDB: what BSON and JSON lines give is what the CSV of the same documents gives."""

import gzip
import json
import logging
import math
import pickle
import random
from datetime import UTC, datetime
from pathlib import Path

import bson
import pandas as pd
import pytest
from bson import Decimal128, Int64, ObjectId, json_util

from loadprofiles.errors import InputError
from loadprofiles.sources import dumps, oldmongo
from loadprofiles.sources.dumps import find_files, jobs

CSV = Path(__file__).parents[2] / "oldmongo" / "csv"
STAMP = datetime(2019, 5, 5)


def document(meter="A1", timestamp=STAMP, import_end=11.5, export_end=5.0, **fields):
    return {
        "_id": ObjectId(),
        "id": meter,
        "timestamp": timestamp,
        "Active_Energy_+_Total_ini": 10.0,
        "Active_Energy_+_Total_end": import_end,
        "Active_Energy_-_Total_ini": 5.0,
        "Active_Energy_-_Total_end": export_end,
        **fields,
    }


def as_bson(documents):
    return b"".join(map(bson.encode, documents))


def as_lines(documents, options=json_util.RELAXED_JSON_OPTIONS):
    return "".join(json_util.dumps(one, json_options=options) + "\n" for one in documents).encode()


def as_canonical_lines(documents):
    return as_lines(documents, json_util.CANONICAL_JSON_OPTIONS)


FORMS = {
    "dump.bson": as_bson,
    "dump.bson.gz": lambda documents: gzip.compress(as_bson(documents)),
    "dump.jsonl": as_lines,
    "dump.json": as_canonical_lines,
    "dump.jsonl.gz": lambda documents: gzip.compress(as_lines(documents)),
}


def read_all(files, workspace):
    # a job goes to another process
    return [raw for job in jobs(files, workspace) for raw in pickle.loads(pickle.dumps(job)).read()]


@pytest.fixture
def read(tmp_path):
    """Write content under a name, and read it as a dump."""

    def write_and_read(content, name="dump.bson"):
        path = tmp_path / "dump" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return read_all([path], tmp_path / "work")

    return write_and_read


def sample_documents():
    """Three meters of the sample, shuffled together; each keeps its own order. Some cells cannot be read."""
    tables = {}
    for path in sorted(CSV.glob("*.csv"))[:3]:
        rows = pd.read_csv(path, dtype="str", keep_default_na=False, index_col=0).iloc[:400]
        rows.iloc[7, rows.columns.get_loc("timestamp")] = "not a stamp"
        rows.iloc[9, rows.columns.get_loc("Active_Energy_+_Total_end")] = "error"
        rows.iloc[11, rows.columns.get_loc("Active_Energy_-_Total_end")] = ""
        rows.iloc[13, rows.columns.get_loc("Average_voltage_L1")] = "n/a"
        tables[path.stem] = rows
    turns = [meter for meter, rows in tables.items() for _ in range(len(rows))]
    random.Random(3).shuffle(turns)
    rows_of = {meter: iter(rows.to_dict("records")) for meter, rows in tables.items()}
    return tables, [typed(next(rows_of[meter]), number) for number, meter in enumerate(turns)]


def typed(row, number):
    """A row of text as a document, its values of any type that may hold them; empty cells are left out, or null."""
    kinds = (float, str, Decimal128, lambda text: Int64(text) if float(text).is_integer() else float(text))
    fields = {"_id": ObjectId()}
    for place, (name, text) in enumerate(row.items()):
        if text == "":
            fields |= {name: None} if number % 2 else {}
        elif name == "timestamp" and text.startswith("2"):
            moment = datetime.fromisoformat(text)
            fields[name] = (moment, moment.astimezone(UTC), text)[number % 3]
        elif name in dumps._NAMES and text[0].isdigit():
            integer = text.removesuffix(".0")
            fields[name] = kinds[(number + place) % 4](integer if (number + place) % 4 == 3 else text)
        else:
            fields[name] = text
    return fields


@pytest.mark.parametrize("form", FORMS)
def test_each_form_gives_what_the_csv_of_the_same_documents_gives(form, read, tmp_path, monkeypatch):
    tables, documents = sample_documents()
    for meter, rows in tables.items():
        rows.to_csv(tmp_path / f"{meter}.csv")
    expected = list(oldmongo.read(sorted(tmp_path.glob("*.csv"))))
    monkeypatch.setattr(dumps, "_BATCH_DOCUMENTS", 100)
    monkeypatch.setattr(dumps, "_SPLIT_ROWS", 250)
    monkeypatch.setattr(dumps, "buckets_for", lambda size: 4)
    meters = sorted(read(FORMS[form](documents), form), key=lambda raw: raw.meter_id)
    assert [raw.meter_id for raw in meters] == list(tables)
    for raw, csv in zip(meters, expected, strict=True):
        columns = sorted(csv.rows)
        pd.testing.assert_frame_equal(raw.rows[columns], csv.rows[columns], check_exact=True)
        assert sorted(raw.rows) == columns
        assert (raw.rows_read, raw.dropped) == (csv.rows_read, csv.dropped)
        assert csv.dropped == {"unreadable": 3}
        # the same reason, but of a document instead of a line
        assert raw.where["unreadable"].partition(": ")[2] == csv.where["unreadable"].partition(": ")[2]
        number = int(raw.where["unreadable"].partition(", document ")[2].partition(":")[0])
        assert documents[number - 1]["timestamp"] == "not a stamp"
        assert documents[number - 1]["id"] == raw.meter_id


class TestValues:
    @pytest.mark.parametrize("value", [11.5, "11.5", Decimal128("11.5"), " 11.5 "])
    @pytest.mark.parametrize("form", ["dump.bson", "dump.jsonl", "dump.json"])
    def test_numbers_of_any_type(self, read, form, value):
        (raw,) = read(FORMS[form]([document(import_end=value)]), form)
        assert raw.rows["import_end"].tolist() == [11.5]

    @pytest.mark.parametrize(
        ("value", "told"),
        [
            (True, "'True'"),
            ("error", "'error'"),
            (None, "''"),
            (math.nan, "'nan'"),
            (math.inf, "'inf'"),
            (Decimal128("NaN"), "'NaN'"),
            ({"a": 1}, "\"{'a': 1}\""),
            ([1], "'[1]'"),
        ],
    )
    @pytest.mark.parametrize("form", ["dump.bson", "dump.jsonl"])
    def test_what_is_no_number_is_counted_and_told(self, read, form, value, told):
        (raw,) = read(FORMS[form]([document(), document(import_end=value)]), form)
        assert (raw.rows_read, len(raw.rows), raw.dropped) == (2, 1, {"unreadable": 1})
        place = f"{form}, document 2: {told} in Active_Energy_+_Total_end is no number"
        assert raw.where["unreadable"].lower().endswith(place.lower())

    def test_integers_beyond_64_bits(self, read):
        (raw,) = read(b'{"id": "A1", "timestamp": "2019-05-05T00:00:00Z", "Active_Energy_+_Total_ini": 1, '
                      b'"Active_Energy_+_Total_end": 36893488147419103232, "Active_Energy_-_Total_ini": 1, '
                      b'"Active_Energy_-_Total_end": 1}\n', "dump.jsonl")  # fmt: skip
        assert raw.rows["import_end"].tolist() == [2.0**65]

    @pytest.mark.parametrize(
        "stamp", ['"2019-05-05T02:00:00+02:00"', '{"$date": "2019-05-05T00:00:00.000Z"}',
                  '{"$date": {"$numberLong": "1557014400000"}}', '{"$date": 1557014400000}', '"2019-05-05 00:00:00"'],
    )  # fmt: skip
    def test_stamps_as_exports_have_them(self, read, stamp):
        line = json_util.dumps({**document(), "timestamp": "HERE"}).replace('"HERE"', stamp)
        (raw,) = read(f"{line}\n".encode(), "dump.jsonl")
        assert raw.rows["timestamp_utc"].tolist() == [pd.Timestamp(STAMP, tz="UTC")]

    @pytest.mark.parametrize("stamp", [None, 1557014400000, True, "", "yesterday", {"$date": "soon"}, {"$date": {}}])
    def test_stamps_that_are_none_are_told(self, read, stamp):
        lines = "".join(json.dumps({**document(), "_id": 1, "timestamp": t}) + "\n" for t in ("2019-05-05", stamp))
        (raw,) = read(lines.encode(), "dump.jsonl")
        assert raw.dropped == {"unreadable": 1}
        assert "document 2: " in raw.where["unreadable"]
        assert raw.where["unreadable"].endswith(" is no timestamp")

    def test_a_moment_beyond_the_calendar_is_no_stamp(self, read):
        far = bson.encode(document(timestamp=bson.DatetimeMS(2**60)))
        (raw,) = read(as_bson([document()]) + far)
        assert (len(raw.rows), raw.dropped) == (1, {"unreadable": 1})

    def test_half_a_character_does_not_stop_the_read(self, read):
        lines = as_lines([document("A1"), document("HALF")]).replace(b"HALF", rb"\ud800")
        assert [raw.meter_id for raw in read(lines, "dump.jsonl")] == ["A1", r"\ud800"]

    @pytest.mark.parametrize(
        ("given", "meter"),
        [
            ('{"$oid": "555555555555555555555555"}', "5" * 24),
            ('{"$numberInt": "7"}', "7"),
            ('{"$numberLong": "x"}', None),
        ],
    )
    def test_ids_of_extended_json(self, read, given, meter):
        lines = as_lines([document("HERE")]).replace(b'"HERE"', given.encode())
        (raw,) = read(lines, "dump.jsonl")
        assert raw.meter_id == (meter or "{'$numberLong': 'x'}")

    def test_ids_that_are_numbers_are_text(self, read):
        assert [raw.meter_id for raw in read(as_bson([document(7), document("007")]))] == ["007", "7"]

    def test_columns_that_no_document_has_are_left_out(self, read):
        first, second = read(as_bson([document("A"), document("B", Average_voltage_L2=230.5)]))
        assert [c for c in first.rows if c.startswith("voltage")] == ["voltage_l2_v"]
        assert second.rows["voltage_l2_v"].tolist() == [230.5]
        assert "import_increment" not in first.rows


class TestBrokenDumps:
    def test_documents_without_an_id_are_counted_once(self, read):
        nobody, empty = document(), document("")
        del nobody["id"]
        first, second = read(as_bson([document("A"), nobody, document("B"), empty, document(None)]))
        assert (first.dropped, second.dropped) == ({"without_id": 3}, {})
        assert first.where["without_id"].endswith("dump.bson, document 2")

    @pytest.mark.parametrize("cut", [1, 3, 4, 50, 150])
    def test_bson_that_breaks_off_is_used_as_far_as_it_goes(self, read, cut, caplog):
        documents = [document("A", n) for n in (STAMP, STAMP.replace(hour=1), STAMP.replace(hour=2))]
        whole = as_bson(documents[:2])
        (raw,) = read(whole + bson.encode(documents[2])[:cut])
        assert (len(raw.rows), raw.dropped) == (2, {"broken": 1})
        place = f"dump.bson, document 3 at byte {len(whole)}: the file ends within the document"
        assert place in raw.where["broken"]
        (record,) = (record for record in caplog.records if record.levelno == logging.WARNING)
        assert place in record.getMessage()

    def test_bson_with_a_spoilt_document(self, read):
        good = as_bson([document()])
        (raw,) = read(good + b"\xff\xff\xff\x7f" + good)
        assert "document 2 at byte" in raw.where["broken"]
        assert "2147483647 is no size of a document; nothing after it is read" in raw.where["broken"]

    def test_gzip_that_breaks_off(self, read):
        documents = [document("A", STAMP.replace(minute=m), note=random.Random(m).randbytes(90)) for m in range(60)]
        (raw,) = read(gzip.compress(as_bson(documents))[:-2000], "dump.bson.gz")
        assert 10 < len(raw.rows) < 60
        assert raw.dropped == {"broken": 1}
        assert f"document {len(raw.rows) + 1} at byte" in raw.where["broken"]

    def test_json_lines_that_are_none_are_left_out(self, read):
        lines = as_lines([document()])
        (raw,) = read(lines + b'{"id": "A1", "time\n\n[1]\n' + lines + b'{"id":', "dump.jsonl")
        assert (len(raw.rows), raw.dropped) == (2, {"broken": 3})
        assert f"dump.jsonl, document 2 at byte {len(lines)}: not JSON: " in raw.where["broken"]

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            ("a.bson", b'{"id": "A1", "timestamp": 1}', "a.bson: no BSON as mongodump writes it: .* is no size"),
            ("a.bson", b"abc", "a.bson: no BSON as mongodump writes it: the file ends within"),
            ("a.bson", bson.encode({"a": 1})[:-1] + b"x", "a.bson: no BSON as mongodump writes it"),
            ("a.bson.gz", b"not zipped", "a.bson.gz: no BSON as mongodump writes it: Not a gzipped file"),
            ("a.jsonl.gz", b"not zipped", "a.jsonl.gz: cannot be read: Not a gzipped file"),
            ("a.json", b'[{"id": "A1"}]\n', "a.json: no JSON lines .*export without --jsonArray"),
            ("a.jsonl", b"\x80\x04", "a.jsonl: no JSON lines as mongoexport writes them: not JSON"),
            ("a.bson", b"", "a.bson: no document in it"),
            ("a.bson", as_bson([{"x": 1}]), "a.bson: none of 1 documents has an id; is it another collection"),
            ("a.bson", as_bson([{"id": "A"}]), "none of 1 documents has a field 'Active_Energy_._Total_ini', "),
        ],
    )
    def test_files_that_are_no_dump_are_refused(self, read, name, content, message):
        with pytest.raises(InputError, match=message):
            read(content, name)

    def test_a_file_that_is_gone(self, tmp_path):
        (tmp_path / "a.bson").symlink_to(tmp_path / "nowhere")
        with pytest.raises(InputError, match=r"a\.bson: cannot be read: No such file"):
            jobs([tmp_path / "a.bson"], tmp_path / "work")


def test_meters_of_several_files_come_together(tmp_path):
    (tmp_path / "a.bson").write_bytes(as_bson([document("A"), document("B")]))
    (tmp_path / "b.jsonl").write_bytes(b"\xef\xbb\xbf" + as_lines([document("A", STAMP.replace(hour=1))]))
    first, second = read_all(find_files(tmp_path), tmp_path / "work")
    assert first.rows["timestamp_utc"].dt.hour.tolist() == [0, 1]
    assert (first.origin, len(second.rows)) == (str(tmp_path), 1)


def test_dumps_are_found_below_the_folder_and_what_is_about_them_is_not(tmp_path):
    names = ["db/a.bson", "db/b.bson.gz", "c.jsonl", "d.json.gz", "E.BSON"]
    others = ["db/a.metadata.json", "db/b.metadata.json.gz", "prelude.json", "db/prelude.json.gz", "x.csv", "y.gz"]
    for name in [*names, *others]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.bson").mkdir()
    assert find_files(tmp_path) == sorted(tmp_path / name for name in names)
    assert find_files(tmp_path / "nowhere") == []
