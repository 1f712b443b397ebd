import math
from datetime import date, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from bson import Decimal128, Int64

from loadprofiles.errors import EmptyResultError, InputError, ParameterError
from loadprofiles.sources import documents as documents_module
from loadprofiles.sources.documents import last_days, read_earlier, write_export
from tests.sources.examples import document


def test_stray_fields_are_left_out_and_counted_by_name(tmp_path):
    strays = {"Unnamed: 2": 1, "24:00:00": 1, "0:15:00": 1, "00:15": 1}
    documents = [document(**strays), document("m2", **strays)]
    counts = write_export(documents, tmp_path / "newmongo.csv")
    assert counts.stray_fields == 4
    assert list(pd.read_csv(tmp_path / "newmongo.csv")) == ["id", "date", "energy_type", "00:00:00"]
    assert "4 stray fields left out: 00:15, 0:15:00, 24:00:00, Unnamed: 2" in "\n".join(counts.notes())


def test_the_last_of_equal_keys_counts_across_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr(documents_module, "_CHUNK_ROWS", 2)
    documents = [document(date=f"2020-01-0{day}", **{f"0{day}:00:00": day}) for day in (1, 2, 3, 1, 4)]
    counts = write_export(documents, tmp_path / "newmongo.csv")
    table = pd.read_csv(tmp_path / "newmongo.csv")
    assert (counts.written, counts.duplicates) == (4, 1)
    assert list(table)[3:] == ["00:00:00", "01:00:00", "02:00:00", "03:00:00", "04:00:00"]


def test_same_day_of_another_energy_type_is_no_duplicate(tmp_path):
    counts = write_export([document(), document(energy_type="reactive_sum")], tmp_path / "a.csv")
    assert (counts.written, counts.duplicates) == (2, 0)


@pytest.mark.parametrize("value", ["0.25", "", True, {"a": 1}, math.inf, datetime(2020, 1, 1)])
def test_values_that_are_no_numbers(value, tmp_path):
    documents = [document(**{"00:15:00": value, "00:30:00": value, "00:45:00": 1})]
    counts = write_export(documents, tmp_path / "a.parquet")
    table = pd.read_parquet(tmp_path / "a.parquet")
    assert counts.unreadable_values == 2
    assert table["00:15:00"].isna().all()
    assert table["00:15:00"].dtype == "float64"
    assert "2 values that are no numbers left empty" in "\n".join(counts.notes())
    assert "of meter m1, 2020-01-01 00:" in "\n".join(counts.notes())


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, math.nan), (math.nan, math.nan), (Int64(2), 2.0), (Decimal128("0.1"), 0.1)],
)
def test_values_that_are_numbers_or_missing(value, expected, tmp_path):
    counts = write_export([document(**{"00:15:00": value})], tmp_path / "a.parquet")
    assert counts.unreadable_values == 0
    written = pd.read_parquet(tmp_path / "a.parquet")["00:15:00"].tolist()
    assert written == pytest.approx([expected], abs=0, nan_ok=True)


def test_keys_become_text(tmp_path):
    write_export([document(12, datetime(2020, 1, 1))], tmp_path / "a.parquet")
    table = pd.read_parquet(tmp_path / "a.parquet")
    assert table.loc[0, ["id", "date"]].tolist() == ["12", "2020-01-01"]


@pytest.mark.parametrize("key", ["id", "date", "energy_type"])
def test_documents_without_a_key(key, tmp_path):
    lacking = document("m2")
    del lacking[key]
    counts = write_export([document(), lacking, document(**{key: None})], tmp_path / "a.csv")
    assert (counts.written, counts.without_key) == (1, 2)
    assert "2 documents left out: they lack one of id, date, energy_type" in "\n".join(counts.notes())


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        ([], "0 documents came"),
        ([{"_id": 1, "00:00:00": 1.0}], "1 documents came, none with id, date, energy_type"),
        (
            [{"id": "m", "date": "d", "energy_type": "e"}],
            "none of 1 documents has a field such as 00:15:00",
        ),
    ],
)
def test_nothing_to_write_leaves_an_earlier_file_alone(documents, message, tmp_path):
    path = tmp_path / "newmongo.csv"
    path.write_text("earlier")
    with pytest.raises(EmptyResultError, match=message):
        write_export(documents, path)
    assert path.read_text() == "earlier"


def test_a_failed_read_leaves_no_file(tmp_path):
    def failing():
        yield document()
        raise InputError("connection lost")

    with pytest.raises(InputError, match="connection lost"):
        write_export(failing(), tmp_path / "newmongo.csv")
    assert list(tmp_path.iterdir()) == []


def test_suffix_is_checked_before_anything_is_read(tmp_path):
    documents = iter([document()])
    with pytest.raises(ParameterError, match=r"\.csv or \.parquet"):
        write_export(documents, tmp_path / "newmongo.txt")
    assert next(documents)


def test_a_path_that_cannot_be_written(tmp_path):
    (tmp_path / "taken.csv").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*taken\.csv .*choose another path"):
        write_export([document()], tmp_path / "taken.csv")


def test_a_clean_export_has_nothing_to_note(tmp_path):
    assert write_export([document()], tmp_path / "sub" / "newmongo.csv").notes() == []


class TestEarlierTable:
    @pytest.fixture(params=["earlier.csv", "earlier.parquet"])
    def earlier(self, request, tmp_path):
        def write(*documents):
            write_export(documents, tmp_path / request.param)
            return read_earlier(tmp_path / request.param)

        return write

    def test_numbers_and_keys_come_back_as_they_were_written(self, earlier):
        random = np.random.default_rng(7)
        energies = [*random.normal(size=400).tolist(), 1e-300, 5e-324, -0.0, 0.1 + 0.2, math.nan]
        keys = ["007", "NA", "1e5", "a,b", 'say "x"', "two\nlines", " blank ", ""]
        documents = [document(keys[n % len(keys)], f"d{n:03}", **{"00:00:00": e}) for n, e in enumerate(energies)]
        table = earlier(*documents)
        expected = sorted((d["id"], d["date"], d["energy_type"], d["00:00:00"]) for d in documents)
        assert repr([tuple(row.values()) for row in table.to_pylist()]).replace("None", "nan") == repr(expected)

    def test_documents_count_more_than_earlier_rows_and_what_is_gone_stays(self, earlier, tmp_path):
        table = earlier(*(document(date=f"2020-01-0{day}", **{"00:00:00": 1.0}) for day in (1, 2, 3)))
        news = [
            document(date="2020-01-02", **{"00:00:00": 1.0}),
            document(date="2020-01-03", **{"00:00:00": 7.0}),
            document(date="2020-01-03", **{"00:00:00": 8.0, "12:00:00": 2.0}),
            document(date="2020-01-04", **{"00:00:00": 9.0}),
        ]
        counts = write_export(news, tmp_path / "out.csv", table)
        written = pd.read_csv(tmp_path / "out.csv")
        assert written["00:00:00"].tolist() == [1.0, 1.0, 8.0, 9.0]
        assert written["12:00:00"].fillna(-1).tolist() == [-1, -1, 2, -1]
        assert (counts.documents, counts.written, counts.duplicates) == (4, 4, 1)
        assert (counts.kept, counts.new, counts.replaced) == (2, 1, 1)

    def test_no_documents_leave_the_earlier_table_as_it_is(self, earlier, tmp_path):
        table = earlier(document(), document("m2"))
        counts = write_export([], tmp_path / "out.csv", table)
        assert (counts.documents, counts.written, counts.kept) == (0, 2, 2)
        assert read_earlier(tmp_path / "out.csv").equals(table)

    def test_the_result_is_the_same_however_the_rows_are_cut(self, earlier, tmp_path, monkeypatch):
        table = earlier(*(document(f"m{n % 3}", f"2020-01-{n:02}", **{"00:15:00": n}) for n in range(1, 20)))
        news = [document(f"m{n % 3}", f"2020-01-{n:02}", **{"00:15:00": n % 2 + n}) for n in range(10, 30)]
        whole = write_export(news, tmp_path / "whole.parquet", table)
        monkeypatch.setattr(documents_module, "_CHUNK_ROWS", 3)
        monkeypatch.setattr(documents_module, "_WRITTEN_ROWS", 4)
        assert write_export(news, tmp_path / "cut.parquet", table) == whole
        assert (whole.kept, whole.new, whole.replaced) == (14, 10, 5)
        for suffix in ("parquet", "csv"):
            write_export(news, tmp_path / f"cut.{suffix}", table)
            assert read_earlier(tmp_path / f"cut.{suffix}").equals(read_earlier(tmp_path / "whole.parquet"))

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ("", "it is empty"),
            ("id,date,energy_type\n", "its columns are date, energy_type, id"),
            ("id,date,00:00:00\n1,2020-01-01,1\n", "its columns are 00:00:00, date, id"),
            ("id,date,energy_type,00:00:00,note\n", "its columns are 00:00:00, date, energy_type, id, note"),
            ("id,date,energy_type,00:00:00\n1,2020-01-01,active_sum\n", "Expected 4 columns, got 3"),
            ("id,date,energy_type,00:00:00\n1,2020-01-01,active_sum,0.1", "ends within a line"),
            ("id,date,energy_type,00:00:00\n1,2020-01-01,active_sum,much\n", "invalid value 'much'"),
            ("\x00\x01", "ends within a line"),
        ],
    )
    def test_a_damaged_table_says_what_to_do(self, tmp_path, content, reason):
        path = tmp_path / "earlier.csv"
        path.write_text(content)
        with pytest.raises(
            InputError, match=r"earlier\.csv is no table of an earlier load .*delete it, or leave"
        ) as caught:
            read_earlier(path)
        assert reason in str(caught.value)

    def test_a_damaged_parquet_file_says_what_to_do(self, tmp_path):
        path = tmp_path / "earlier.parquet"
        path.write_bytes(b"PAR1 not really")
        with pytest.raises(InputError, match=r"no table of an earlier load .*delete it, or leave"):
            read_earlier(path)
        pd.DataFrame({"id": ["a", None], "date": "d", "energy_type": "e", "00:00:00": 1.0}).to_parquet(path)
        with pytest.raises(InputError, match="a row lacks one of id, date, energy_type"):
            read_earlier(path)

    def test_a_table_that_is_not_there(self, tmp_path):
        with pytest.raises(InputError, match="no such file, but it should be the table of an earlier load"):
            read_earlier(tmp_path / "nowhere.csv")

    def test_the_last_day_of_each_meter_is_that_of_its_net_energy_up_to_the_load(self):
        rows = [
            ("A", "2020-01-02", "active_sum"),
            ("A", "2020-01-01", "active_sum"),
            ("A", "2020-01-09", "reactive_sum"),
            ("B", "2020-01-05T00:00:00", "active_sum"),
            ("B", "2040-01-01", "active_sum"),
            ("C", "2040-01-01", "active_sum"),
            ("D", "someday", "active_sum"),
        ]
        table = pa.table({name: [row[n] for row in rows] for n, name in enumerate(("id", "date", "energy_type"))})
        assert last_days(table, date(2020, 2, 1)) == {"A": date(2020, 1, 2), "B": date(2020, 1, 5)}
