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
