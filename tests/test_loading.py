import pandas as pd
import pytest

from loadprofiles.errors import EmptyResultError, InputError
from loadprofiles.loading import load_newmongo

DOCUMENTS = [
    {"_id": f"A/2020-03-0{day}", "id": "A", "date": f"2020-03-0{day}", "energy_type": "active_sum", "00:00:00": day / 8}
    for day in (1, 2)
]


def test_the_live_database_is_read_when_its_uri_is_set_and_the_uri_is_told_nobody(
    tmp_path, monkeypatch, mongo_uri, mongo_database
):
    mongo_database["daily"].insert_many(DOCUMENTS)
    monkeypatch.setenv("MONGO_URI", mongo_uri)
    result = load_newmongo(tmp_path / "not there", mongo_database.name, "daily", tmp_path / "newmongo.csv", tmp_path)
    table = pd.read_csv(tmp_path / "newmongo.csv")
    assert table["00:00:00"].tolist() == [0.125, 0.25]
    assert result.metrics["documents"] == 2
    assert result.tags["loaded_from"] == f"the live collection {mongo_database.name}.daily"
    assert mongo_uri not in str(result)


def test_without_a_uri_the_folder_is_read(tmp_path, monkeypatch):
    monkeypatch.delenv("MONGO_URI", raising=False)
    rows = "A,2020-03-01,active_sum,0.5,\nA,2020-03-02,active_sum,error,1\n"
    (tmp_path / "a.csv").write_text("id,date,energy_type,00:00:00,00:15:00\n" + rows)
    result = load_newmongo(tmp_path, "", "", tmp_path / "out" / "newmongo.parquet", tmp_path)
    table = pd.read_parquet(tmp_path / "out" / "newmongo.parquet")
    assert table.filter(like=":").fillna(-1).to_numpy().tolist() == [[0.5, -1], [-1, 1]]
    assert result.metrics["unreadable_values"] == 1
    assert [given.name for given in result.inputs] == ["newmongo"]


def test_an_unreachable_database_is_told_without_its_password(tmp_path, monkeypatch):
    monkeypatch.setenv("MONGO_URI", "mongodb://ana:s3cret@127.0.0.1:1/x")
    with pytest.raises(InputError) as caught:
        load_newmongo(tmp_path, "db", "daily", tmp_path / "newmongo.csv", tmp_path)
    assert "s3cret" not in str(caught.value)
    assert not (tmp_path / "newmongo.csv").exists()


def test_an_export_without_documents_is_an_error(tmp_path, monkeypatch):
    monkeypatch.delenv("MONGO_URI", raising=False)
    (tmp_path / "a.jsonl").write_text("")
    with pytest.raises(EmptyResultError):
        load_newmongo(tmp_path, "", "", tmp_path / "newmongo.csv", tmp_path)
