from collections import Counter, defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles import readings as r
from loadprofiles.errors import EmptyResultError, InputError
from loadprofiles.merging import choose_days, merge_readings


def readings(meter, energies, step="12h", start="2024-01-01", **others):
    """Readings of one meter; an energy of None is missing."""
    stamps = pd.date_range(start, periods=len(energies), freq=step, tz="UTC", unit="us")
    energy = np.array(energies, dtype=float)
    table = pd.DataFrame({"meter_id": pd.Series([meter] * len(energy), dtype="str"), "timestamp_utc": stamps})
    quality = pd.Categorical(np.where(np.isnan(energy), r.MISSING, r.MEASURED), dtype=r.QUALITY_DTYPE)
    return table.assign(energy_kwh=energy, quality=quality, energy_kwh_raw=energy, **others)


def store(folder, name, *tables):
    optional = {column for table in tables for column in table.columns[5:]}
    return r.write_readings(sorted(tables, key=lambda table: table["meter_id"].iloc[0]), optional, folder / name)


def merge(folder, **sources):
    """The merged table of sources given as lists of meters' readings, and what became of them."""
    paths = {name: store(folder, name, *tables) for name, tables in sources.items()}
    merged = merge_readings(paths, folder / "merged")
    return r.read_readings(merged.path), merged


def rows(table):
    """Meter, day and hour, energy of each row, short to write."""
    stamps = table["timestamp_utc"].dt.strftime("%d %H")
    return [
        (meter, stamp, None if np.isnan(energy) else energy)
        for meter, stamp, energy in zip(table["meter_id"], stamps, table["energy_kwh"], strict=True)
    ]


def test_meters_of_one_source_are_copied_as_they_are(tmp_path):
    a, b, c = readings("a", [1, None]), readings("b", [2, 3], "15min"), readings("c", [None])
    table, merged = merge(tmp_path, new=[b], old=[a, c])
    pd.testing.assert_frame_equal(table, pd.concat([a, b, c], ignore_index=True))
    assert merged.metrics() == {
        "readings": 5, "meters_with_readings": 3, "meters_in_several_sources": 0, "readings_left_out": 0,
    }  # fmt: skip
    assert merged.notes() == ["5 readings of 3 meters: new 2, old 3"]


def test_each_day_of_a_meter_is_that_of_the_source_that_knows_most_of_it(tmp_path):
    new = readings("a", [1, None, 2, 3])
    old = readings("a", [10, 20, 30, None])
    table, merged = merge(tmp_path, new=[new], old=[old])
    assert rows(table) == [("a", "01 00", 10), ("a", "01 12", 20), ("a", "02 00", 2), ("a", "02 12", 3)]
    assert (merged.taken, merged.left_out) == ({"new": 2, "old": 2}, {"new": 2, "old": 2})
    assert merged.notes()[1] == (
        "1 meters have readings in several sources: each day (UTC) is that of the source that knows most of it, of "
        "equals the newest system's; 4 readings left out: new 2, old 2, the first "
        "that of a at 2024-01-01 00:00 UTC in new"
    )


def test_of_equals_the_source_named_first_counts_whatever_its_interval(tmp_path):
    hourly, half_days = readings("a", [1] * 24, "1h"), readings("a", [10, 20])
    assert len(merge(tmp_path, new=[half_days], old=[hourly])[0]) == 2
    assert len(merge(tmp_path, new=[hourly], old=[half_days])[0]) == 24


def test_the_share_of_the_day_counts_and_not_the_number_of_readings(tmp_path):
    hourly = readings("a", [1] * 11 + [None] * 13, "1h")
    half_days = readings("a", [10, None])
    assert rows(merge(tmp_path, new=[hourly], old=[half_days])[0]) == [("a", "01 00", 10), ("a", "01 12", None)]


def test_an_interval_is_the_one_that_most_of_the_meters_readings_have():
    gap = readings("a", [1, 2, 3, 4], "6h").drop(index=1)  # 12, 6 hours: of equals the shorter
    three_quarters = readings("a", [1, 2, 3], "6h")
    assert [list(flags) for flags in choose_days([gap, three_quarters])] == [[True] * 3, [False] * 3]
    single = readings("a", [1])
    assert [list(flags) for flags in choose_days([single, readings("a", [1, 2], "2min")])] == [[False], [True, True]]
    assert [list(flags) for flags in choose_days([single, readings("a", [None, None])])] == [[True], [False, False]]


def test_more_readings_than_a_day_has_room_for_do_not_outdo_a_full_day():
    mostly_daily = pd.concat(
        [readings("a", [1] * 9, "1D", "2024-01-02"), readings("a", [1] * 4, "6h", "2024-01-11")], ignore_index=True
    )
    full = readings("a", [1, 2], start="2024-01-11")
    flags, _ = choose_days([full, mostly_daily])
    assert list(flags) == [True, True]


def test_days_that_one_source_alone_has_are_taken_though_nothing_is_known_of_them(tmp_path):
    new, old = readings("a", [1, 2]), readings("a", [None, None], start="2024-01-03")
    table, merged = merge(tmp_path, new=[new], old=[old])
    assert rows(table)[2:] == [("a", "03 00", None), ("a", "03 12", None)]
    assert (merged.metrics()["meters_in_several_sources"], merged.metrics()["readings_left_out"]) == (1, 0)
    assert merged.notes()[1].endswith("; 0 readings left out")


def test_columns_that_only_some_sources_have_are_kept(tmp_path):
    new = readings("a", [1, 2], reactive_energy_kvarh=[0.1, 0.2])
    old = readings("a", [1, 2, 3, 4], voltage_l1_v=[229.0, 230.0, 231.0, np.nan])
    table, _ = merge(tmp_path, new=[new], old=[old], customers=[readings("b", [5])])
    assert table["reactive_energy_kvarh"].fillna(-1).tolist() == [0.1, 0.2, -1, -1, -1]
    assert table["voltage_l1_v"].fillna(-1).tolist() == [-1, -1, 231, -1, -1]
    assert table["energy_kwh"].tolist() == [1, 2, 3, 4, 5]


def test_sources_without_a_reading_are_refused_and_an_empty_one_is_none(tmp_path):
    with pytest.raises(EmptyResultError, match=r"no reading in .*nothing\.parquet"):
        merge_readings({"sql": empty(tmp_path)}, tmp_path / "merged")
    path = store(tmp_path, "old", readings("a", [1]))
    assert merge_readings({"sql": empty(tmp_path), "oldmongo": path}, tmp_path / "merged").taken == Counter(oldmongo=1)


def empty(folder):
    readings("a", [1]).iloc[:0].to_parquet(folder / "nothing.parquet")
    return folder / "nothing.parquet"


def test_readings_that_break_the_contract_leave_what_was_there(tmp_path):
    good = store(tmp_path, "good", readings("a", [1]))
    before = merge_readings({"sql": good}, tmp_path / "merged").path
    readings("b", [1, 2]).assign(energy_kwh=np.nan).to_parquet(tmp_path / "bad.parquet")
    with pytest.raises(InputError, match=r"bad\.parquet: not a Readings table: .*energy is unknown exactly where"):
        merge_readings({"sql": good, "oldmongo": tmp_path / "bad.parquet"}, tmp_path / "merged")
    assert r.list_meters(before) == {"a": 1}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.parquet", "good", "merged"]


def test_one_meter_after_the_other_is_in_memory(tmp_path, monkeypatch):
    read, write = [], []
    original = r.StoredReadings.read
    monkeypatch.setattr(r.StoredReadings, "read", lambda self, names: read.append(names[0]) or original(self, names))
    to_arrow = r._to_arrow
    monkeypatch.setattr(r, "_to_arrow", lambda *given: write.append(len(read)) or to_arrow(*given))
    path = store(tmp_path, "sql", *(readings(f"m{number:02d}", [1, 2]) for number in range(70)))
    write.clear()
    merge_readings({"sql": path}, tmp_path / "merged")
    assert len(write) == 70
    assert max(ahead - number for number, ahead in enumerate(write)) <= 2
    assert len(list((tmp_path / "merged").iterdir())) == 3


steps = st.sampled_from(["3h", "6h", "8h", "12h"])
energies = st.lists(st.sampled_from([None, 1.0]), min_size=1, max_size=20)
of_meter = st.builds(readings, st.sampled_from("ab"), energies, steps, st.sampled_from(["2024-01-01", "2024-01-02"]))
of_source = st.lists(of_meter, max_size=2, unique_by=lambda table: table["meter_id"].iloc[0])


@given(st.lists(of_source, min_size=1, max_size=3).filter(any))
def test_every_day_is_whole_and_of_the_first_source_that_knows_most(sources):
    number = [[table.assign(energy_kwh_raw=float(rank)) for table in tables] for rank, tables in enumerate(sources)]
    with TemporaryDirectory() as name:
        named = {f"source {rank}": tables for rank, tables in enumerate(number) if tables}
        table, merged = merge(Path(name), **named)
    expected = []
    for meter, day, best in best_of_days(number):
        of_best = next(t for t in number[best] if t["meter_id"].iloc[0] == meter)
        expected.append(of_best[of_best["timestamp_utc"].dt.floor("1D") == day])
    pd.testing.assert_frame_equal(table, pd.concat(expected, ignore_index=True))
    given_rows = Counter({name: sum(map(len, tables)) for name, tables in named.items()})
    assert merged.taken + merged.left_out == given_rows
    assert merged.metrics()["readings"] == len(table)


def best_of_days(sources):
    """Meter, day and number of the source to take, by the rule as it is written down."""
    hours = defaultdict(dict)
    for rank, tables in enumerate(sources):
        for table in tables:
            gaps = table["timestamp_utc"].diff().dropna()
            step = gaps.iloc[0] / pd.Timedelta("1h") if len(gaps) else 1 / 60
            for day, rows_of_day in table.groupby(table["timestamp_utc"].dt.floor("1D")):
                known = rows_of_day["energy_kwh"].notna().sum() * step
                hours[table["meter_id"].iloc[0], day][rank] = known
    return [(*key, max(found, key=lambda rank: (found[rank], -rank))) for key, found in sorted(hours.items())]
