import pandas as pd
import pytest

from loadprofiles.errors import InputError, ParameterError
from loadprofiles.tables import atomic_path, content_digest, read_table, require_columns, write_table

TABLE = pd.DataFrame({"id": ["007", "x"], "energy": [0.1 + 0.2, 1e-17]})


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_come_back_as_they_were(tmp_path, suffix):
    path = write_table(TABLE, tmp_path / f"t{suffix}")
    pd.testing.assert_frame_equal(read_table(path, text_columns=("id",)), TABLE, check_exact=True)


def test_another_suffix_is_refused_with_those_allowed(tmp_path):
    with pytest.raises(ParameterError, match=r"t\.xls: a table file ends in \.csv or \.parquet"):
        write_table(TABLE, tmp_path / "t.xls")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["t.csv"]
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), (b"", "cannot be read as a table"), (b"a,b\n1,2,3,4\n5\n", "cannot be read")],
)
def test_unreadable_tables_name_the_file(tmp_path, content, message):
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    if content and b"1,2" in content:
        path = path.rename(tmp_path / "t.parquet")
    with pytest.raises(InputError, match=message) as caught:
        read_table(path)
    assert str(path) in str(caught.value)


def test_missing_columns_are_named_with_those_found(tmp_path):
    with pytest.raises(InputError, match=r"column 'date', 'kind' is missing; found: id, energy"):
        require_columns(TABLE, ("id", "date", "kind"), tmp_path / "t.csv")


def test_digest_follows_content_and_names_not_dates(tmp_path):
    (tmp_path / "a").mkdir()
    file = tmp_path / "a" / "x.txt"
    file.write_text("1")
    before = content_digest(tmp_path / "a")
    file.touch()
    assert content_digest(tmp_path / "a") == before
    file.write_text("2")
    changed = content_digest(tmp_path / "a")
    file.rename(tmp_path / "a" / "y.txt")
    assert len({before, changed, content_digest(tmp_path / "a")}) == 3
