import math
from datetime import datetime

import pandas as pd
import pytest
from bson import Decimal128, Int64

from loadprofiles.errors import EmptyResultError, InputError, ParameterError
from loadprofiles.sources import documents as documents_module
from loadprofiles.sources.documents import write_export
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
