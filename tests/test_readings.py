import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from loadprofiles import readings as r
from loadprofiles.errors import InputError
from loadprofiles.vee import empty_readings


def table(**changes):
    stamps = pd.date_range("2024-01-01", periods=2, freq="1h", tz="UTC", unit="us")
    columns = {
        "meter_id": pd.Series(["a", "a"], dtype="str"),
        "timestamp_utc": stamps,
        "energy_kwh": [1.0, np.nan],
        "quality": pd.Categorical([r.MEASURED, r.MISSING], dtype=r.QUALITY_DTYPE),
        "energy_kwh_raw": [1.0, np.nan],
    }
    return pd.DataFrame(columns | changes)


def test_a_good_table_passes_also_empty_and_with_optional_columns():
    r.check_readings(table(voltage_l1_v=[230.0, np.nan], reactive_energy_kvarh=[0.1, 0.2]))
    r.check_readings(empty_readings())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energy_kwh": [1.0, 2.0]}, "energy is unknown exactly where quality says so"),
        ({"energy_kwh": [np.nan, np.nan]}, "energy is unknown exactly where quality says so"),
        ({"quality": ["measured", "missing"]}, "quality"),
        ({"meter_id": pd.Series(["b", "a"], dtype="str")}, "sorted by meter and time"),
        ({"timestamp_utc": pd.DatetimeIndex(["2024-01-01"] * 2, tz="UTC").as_unit("us")}, "each interval once"),
        ({"surprise": [1, 2]}, "surprise"),
        ({"meter_id": pd.Series(["", "a"], dtype="str")}, "a meter has a name"),
    ],
)
def test_a_broken_contract_is_named(changes, message):
    with pytest.raises(InputError, match=f"not a Readings table: .*{message}"):
        r.check_readings(table(**changes))


def of_meter(meter_id, hours=3, **changes):
    """Readings of one meter of which the second is missing."""
    energy = np.arange(hours, dtype=float)
    energy[1] = np.nan
    quality = np.where(np.isnan(energy), r.MISSING, r.MEASURED)
    columns = {
        "meter_id": pd.Series([meter_id] * hours, dtype="str"),
        "timestamp_utc": pd.date_range("2024-01-01", periods=hours, freq="1h", tz="UTC", unit="us"),
        "energy_kwh": energy,
        "quality": pd.Categorical(quality, dtype=r.QUALITY_DTYPE),
        "energy_kwh_raw": energy,
    }
    return pd.DataFrame(columns | changes)


def part(folder, name, *tables):
    return r.write_part(tables, folder / name)


def test_a_part_reads_back_as_it_was_a_row_group_a_meter(tmp_path):
    tables = [of_meter("b", voltage_l1_v=[230.0, np.nan, 231.0]), of_meter("a")]
    written = part(tmp_path, "p.parquet", *tables)
    assert written == r.Part(tmp_path / "p.parquet", ("a", "b"), ("voltage_l1_v",))
    file = pq.ParquetFile(written.path)
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [3, 3]
    expected = pd.concat([tables[1], tables[0]], ignore_index=True)
    pd.testing.assert_frame_equal(pd.read_parquet(written.path), expected)


def test_no_readings_are_no_part(tmp_path):
    assert part(tmp_path, "p.parquet", empty_readings()) is None
    assert list(tmp_path.iterdir()) == []


def test_readings_that_break_the_contract_are_not_written(tmp_path):
    with pytest.raises(InputError, match="each interval once"):
        part(tmp_path, "p.parquet", of_meter("a"), of_meter("a"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("meters", [("ab", "cd"), ("cd", "ab"), ("ac", "bd"), ("d", "abc")])
def test_joined_parts_are_one_table_in_order(tmp_path, meters):
    parts = [part(tmp_path, f"{number}.parquet", *map(of_meter, names)) for number, names in enumerate(meters)]
    folder = r.join_parts(parts, tmp_path / "readings.parquet")
    expected = pd.concat([of_meter(name) for name in "abcd"], ignore_index=True)
    pd.testing.assert_frame_equal(r.check_readings(pd.read_parquet(folder)), expected)
    assert {path.name for path in folder.iterdir()} <= {"part-00000.parquet", "part-00001.parquet"}


@pytest.mark.parametrize("with_voltage", ["a", "b", "c"])
def test_columns_that_only_some_parts_have_are_kept(tmp_path, with_voltage):
    voltage = {"voltage_l1_v": [230.0, np.nan, 231.0]}
    tables = [of_meter(name, **(voltage if name == with_voltage else {})) for name in "abc"]
    parts = [part(tmp_path, f"{number}.parquet", table) for number, table in enumerate(tables)]
    folder = r.join_parts(parts, tmp_path / "readings.parquet")
    pd.testing.assert_frame_equal(
        r.check_readings(pd.read_parquet(folder)),
        pd.concat(tables, ignore_index=True)[[*of_meter("a").columns, "voltage_l1_v"]],
    )


def test_joining_replaces_what_was_there(tmp_path):
    (tmp_path / "readings.parquet").mkdir()
    (tmp_path / "readings.parquet" / "part-00007.parquet").write_text("old")
    folder = r.join_parts([part(tmp_path, "0.parquet", of_meter("a"))], tmp_path / "readings.parquet")
    assert [path.name for path in folder.iterdir()] == ["part-00000.parquet"]
    (tmp_path / "single.parquet").write_text("a file")
    assert r.join_parts([part(tmp_path, "0.parquet", of_meter("a"))], tmp_path / "single.parquet").is_dir()


def write(path, *tables, group=None):
    """Tables in one file, in row groups of so many rows."""
    pd.concat(tables, ignore_index=True).to_parquet(path, row_group_size=group)
    return path


@pytest.mark.parametrize("number", [0, 1, 32, 33, 64, 65])
def test_written_readings_are_parts_of_some_meters_a_row_group_a_meter(tmp_path, number):
    tables = [of_meter(f"m{meter:02d}") for meter in range(number)]
    folder = r.write_readings(iter(tables), [], tmp_path / "readings.parquet")
    groups = [pq.ParquetFile(file).num_row_groups for file in sorted(folder.iterdir())]
    assert (sum(groups), max(groups, default=0)) == (number, min(number, 32))
    if number:
        pd.testing.assert_frame_equal(r.read_readings(folder), pd.concat(tables, ignore_index=True))


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ([of_meter("b"), of_meter("a")], "sorted by meter and time: 'a' comes after 'b'"),
        ([of_meter("a"), of_meter("a")], "sorted by meter and time: 'a' comes after 'a'"),
        ([of_meter("a"), of_meter("b", energy_kwh=[1.0, 2.0, 3.0])], "energy is unknown exactly where quality says so"),
    ],
)
def test_readings_that_break_the_contract_leave_the_folder_as_it_was(tmp_path, tables, message):
    folder = r.write_readings([of_meter("old")], [], tmp_path / "readings.parquet")
    with pytest.raises(InputError, match=f"not a Readings table: .*{message}"):
        r.write_readings(tables, [], folder)
    assert r.list_meters(folder) == {"old": 3}
    assert list(tmp_path.iterdir()) == [folder]


@pytest.fixture(params=["a folder", "a file", "a file of row groups across meters", "an artifact's folder"])
def stored(request, tmp_path):
    """Readings of three meters, stored in different ways."""
    tables = [of_meter("a"), of_meter("b", hours=4), of_meter("é/ 3", voltage_l1_v=[230.0, np.nan, 231.0])]
    if request.param.startswith("a file"):
        return write(tmp_path / "readings.parquet", *tables, group=2 if "across" in request.param else None)
    (tmp_path / "readings").mkdir()
    parts = [part(tmp_path, "0.parquet", *tables[:2]), part(tmp_path, "1.parquet", tables[2])]
    folder = r.join_parts(parts, tmp_path / "readings" / "readings.parquet")
    return folder if request.param == "a folder" else folder.parent


def test_meters_are_listed_with_their_rows(stored):
    assert list(r.list_meters(stored).items()) == [("a", 3), ("b", 4), ("é/ 3", 3)]


def test_stored_readings_are_read_as_pandas_reads_them(stored):
    pd.testing.assert_frame_equal(r.read_readings(stored), pd.read_parquet(stored))


def test_some_meters_and_columns_are_read(stored):
    table = r.read_readings(stored, ["é/ 3", "a"])
    whole = pd.read_parquet(stored)
    pd.testing.assert_frame_equal(table, whole[whole["meter_id"] != "b"].reset_index(drop=True))
    columns = ["voltage_l1_v", "energy_kwh"]
    pd.testing.assert_frame_equal(r.read_readings(stored, columns=columns), whole[columns])
    none = r.read_readings(stored, [])
    pd.testing.assert_frame_equal(none, table.iloc[:0])
    r.check_readings(none)


def test_what_is_not_there_is_named(stored):
    with pytest.raises(InputError, match=r"readings.*: has no readings of A1, A2; it has a, b, é/ 3"):
        r.read_readings(stored, ["A2", "a", "A1"])
    with pytest.raises(
        InputError, match=r"readings.*: column 'voltage_l2_v' is missing; found: meter_id, .*voltage_l1"
    ):
        r.read_readings(stored, columns=["energy_kwh", "voltage_l2_v"])


def test_meters_are_given_one_after_the_other(stored):
    tables = list(r.open_readings(stored).each())
    assert [len(table) for table in tables] == [3, 4, 3]
    pd.testing.assert_frame_equal(pd.concat(tables, ignore_index=True), pd.read_parquet(stored))


def test_of_the_meters_asked_for_alone_the_rows_are_read(tmp_path):
    folder = r.write_readings(map(of_meter, "abc"), [], tmp_path / "readings.parquet")
    (file,) = folder.iterdir()
    content = bytearray(file.read_bytes())
    groups = pq.ParquetFile(file).metadata
    spans = [groups.row_group(number).column(0).dictionary_page_offset for number in range(3)]
    content[spans[1] : spans[2]] = bytes(spans[2] - spans[1])  # nothing is left of b
    file.write_bytes(content)
    assert r.list_meters(folder) == {"a": 3, "b": 3, "c": 3}
    assert set(r.read_readings(folder, ["a", "c"])["meter_id"]) == {"a", "c"}
    with pytest.raises(InputError, match=r"part-00000\.parquet: cannot be read as Parquet: "):
        r.read_readings(folder, ["b"])


def test_files_of_a_folder_may_have_different_columns(tmp_path):
    with_voltage = of_meter("b", voltage_l1_v=[230.0, np.nan, 231.0])
    write(tmp_path / "1.parquet", of_meter("a"))
    write(tmp_path / "2.parquet", with_voltage)
    expected = pd.concat([of_meter("a"), with_voltage], ignore_index=True)
    pd.testing.assert_frame_equal(r.read_readings(tmp_path), expected)
    assert r.open_readings(tmp_path).optional == ("voltage_l1_v",)
    pd.testing.assert_frame_equal(r.read_readings(tmp_path, ["a"], ["voltage_l1_v"]), expected[["voltage_l1_v"]][:3])


def test_a_row_group_without_rows_is_no_meter(tmp_path):
    write(tmp_path / "1.parquet", empty_readings())
    assert r.list_meters(tmp_path) == {}
    r.check_readings(r.read_readings(tmp_path))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "no such file or folder"),
        (lambda path: path.mkdir(), "holds no Parquet file"),
        (lambda path: path.write_text("meter_id,energy_kwh\n"), "cannot be read as Parquet: "),
        (lambda path: table().drop(columns="quality").to_parquet(path), "column 'quality' is missing; found: meter_id"),
        (
            lambda path: table(surprise=[1.0, 2.0]).to_parquet(path),
            "not a Readings table: column 'surprise' is none of",
        ),
        (lambda path: table(meter_id=[1, 2]).to_parquet(path), "column 'meter_id' is int64, not text"),
        (lambda path: table(meter_id=["a", None]).to_parquet(path), "column 'meter_id' is empty in some rows"),
        (lambda path: table(meter_id=["b", "a"]).to_parquet(path), "'a' comes after 'b'"),
    ],
)
def test_what_are_no_readings_is_told_before_they_are_read(tmp_path, make, message):
    path = tmp_path / "readings.parquet"
    make(path)
    for function in (r.open_readings, r.list_meters, r.read_readings):
        with pytest.raises(InputError, match=rf"readings\.parquet: .*{message}"):
            function(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energy_kwh": [1.0, 2.0]}, "energy is unknown exactly where quality says so"),
        ({"quality": ["measured", "missing"]}, "quality"),
        ({"timestamp_utc": pd.DatetimeIndex(["2024-01-01"] * 2, tz="UTC").as_unit("us")}, "each interval once"),
        ({"timestamp_utc": pd.DatetimeIndex(["2024-01-01", "2024-01-02"]).as_unit("us")}, "timestamp_utc"),
        ({"meter_id": ["", "a"]}, "a meter has a name"),
    ],
)
def test_readings_that_break_the_contract_are_not_read(tmp_path, changes, message):
    path = tmp_path / "readings.parquet"
    table(**changes).to_parquet(path)
    with pytest.raises(InputError, match=rf"readings\.parquet: not a Readings table: .*{message}"):
        r.read_readings(path)
    with pytest.raises(InputError, match=message):
        r.read_readings(path, columns=["meter_id"])


def test_files_that_are_no_one_table_are_told(tmp_path):
    write(tmp_path / "1.parquet", of_meter("a"))
    write(tmp_path / "2.parquet", of_meter("b").astype({"quality": "str"}))
    with pytest.raises(InputError, match=rf"{tmp_path}: not a Readings table: its parts are no one table"):
        r.read_readings(tmp_path)
