"""Broken files: each is read as far as it goes, with what was dropped and where, or refused by name and place."""

import codecs
import json
import pickle
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from loadprofiles.errors import InputError
from loadprofiles.meters import limits_of, no_description
from loadprofiles.sources import newmongo, oldmongo, sql
from loadprofiles.sources.documents import write_export
from loadprofiles.vee import clean_meter

NOW = pd.Timestamp("2024-01-01", tz="UTC")
OLD_HEADER = (
    ",id,timestamp,Active_Energy_+_Total_ini,Active_Energy_+_Total_end,Active_Energy_+_Incr,"
    "Active_Energy_-_Total_ini,Active_Energy_-_Total_end,Active_Energy_-_Incr,Average_voltage_L1\n"
)
NEW_HEADER = "id,date,energy_type,00:00:00,00:15:00\n"


def old_row(number=0, meter="A1", stamp=None, end="11.5"):
    stamp = stamp or f"2019-04-25T{number // 4:02}:{number % 4 * 15:02}:00Z"
    return f"{number},{meter},{stamp},10,{end},1.5,5,5,0,231.5\n"


def sql_row(number=0, tag="Energy_Apiu_1_8_0_A1.kWh", stamp=None, energy="2.5"):
    stamp = stamp or f"2021-09-01 {number // 4:02}:{number % 4 * 15:02}:00"
    return f"{stamp},{tag},{energy},0,192,192\n"


def new_row(number=0, meter="A1", value="1.5"):
    return f"{meter},2020-03-{number + 1:02},active_sum,{value},2\n"


class Old:
    name, header, row = "A1.csv", OLD_HEADER, staticmethod(old_row)

    @staticmethod
    def read(path):
        (raw,) = oldmongo.read([path])
        return raw


class Sql:
    name, header, row = "A1.txt", "", staticmethod(sql_row)

    @staticmethod
    def read(path):
        (raw,) = sql.read([path], "Europe/Rome")
        return raw


class New:
    name, header, row = "newmongo.csv", NEW_HEADER, staticmethod(new_row)

    @staticmethod
    def read(path):
        (raw,) = newmongo.read(path, "Europe/Rome")
        return raw


METER_FILES = pytest.mark.parametrize("source", [Old, Sql])
TEXT_FILES = pytest.mark.parametrize("source", [Old, Sql, New])


def read(source, folder, data, name=None):
    path = folder / (name or source.name)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return source.read(path)


def written(path, text):
    path.write_text(text)
    return path


def text_of(source, rows=3):
    return source.header + "".join(source.row(n) for n in range(rows))


def line(source, row):
    """The line of the `row`th row, from 1."""
    return row + bool(source.header)


@METER_FILES
def test_a_file_cut_in_mid_row_loses_that_row_only(source, tmp_path):
    raw = read(source, tmp_path, text_of(source)[:-12])
    assert (raw.rows_read, len(raw.rows), raw.dropped["ragged"]) == (3, 2, 1)
    assert raw.where["ragged"].startswith(f"line {line(source, 3)}: ")
    assert "columns, expected" in raw.where["ragged"]


@TEXT_FILES
def test_a_last_row_without_a_line_end_is_a_row(source, tmp_path):
    whole, cut = text_of(source), text_of(source).rstrip("\n")
    pd.testing.assert_frame_equal(read(source, tmp_path, whole).rows, read(source, tmp_path, cut).rows)
    assert not +read(source, tmp_path, cut).dropped


@TEXT_FILES
def test_latin_1_is_refused_with_byte_and_line(source, tmp_path):
    data = text_of(source).encode() + source.row(3).replace("A1", "ñ").encode("latin-1")
    place = rf"byte {data.index(0xF1)} \(0xf1\) in line {line(source, 4)} is not UTF-8; save it as UTF-8"
    with pytest.raises(InputError, match=place) as caught:
        read(source, tmp_path, data)
    assert source.name in str(caught.value)


@TEXT_FILES
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_refused_with_and_without_its_mark(source, tmp_path, encoding):
    with pytest.raises(InputError, match=rf"{source.name}: .*UTF-16 from its first byte, in line 1; save it as UTF-8"):
        read(source, tmp_path, text_of(source).encode(encoding))


@TEXT_FILES
def test_a_byte_order_mark_and_crlf_change_nothing(source, tmp_path):
    plain = read(source, tmp_path, text_of(source))
    marked = read(source, tmp_path, codecs.BOM_UTF8 + text_of(source).replace("\n", "\r\n").encode())
    pd.testing.assert_frame_equal(marked.rows, plain.rows)
    assert +marked.dropped == +plain.dropped == {}


@METER_FILES
def test_ragged_rows_are_counted_with_the_first_line(source, tmp_path):
    rows = [source.row(0), "1,2\n", source.row(1).strip() + ",7\n", source.row(2)]
    raw = read(source, tmp_path, source.header + "".join(rows))
    assert (raw.rows_read, len(raw.rows), +raw.dropped) == (4, 2, {"ragged": 2})
    assert raw.where["ragged"].startswith(f"line {line(source, 2)}: 2 columns, expected ")


def test_a_ragged_row_in_the_table_of_the_new_mongo_refuses_it(tmp_path):
    with pytest.raises(InputError, match=r"newmongo\.csv: cannot be read as a table: line 3: 3 columns, expected 5"):
        read(New, tmp_path, text_of(New, 1) + "A,2020-01-01,active_sum\n")


def test_text_for_a_number_is_counted_with_line_and_column(tmp_path):
    raw = read(Old, tmp_path, OLD_HEADER + old_row(0) + old_row(1, end="abc") + old_row(2, end="inf"))
    assert (len(raw.rows), +raw.dropped) == (1, {"unreadable": 2})
    assert raw.where == {"unreadable": "line 3: 'abc' in Active_Energy_+_Total_end is no number"}
    raw = read(Sql, tmp_path, sql_row(0) + "\n\n" + sql_row(1, energy="") + sql_row(2))
    assert (len(raw.rows), +raw.dropped) == (2, {"unreadable": 1})
    assert raw.where == {"unreadable": "line 4: '' in energy is no number"}
    raw = read(New, tmp_path, NEW_HEADER + new_row(0) + new_row(1, value="x") + new_row(2, value=""))
    assert (raw.rows_read, len(raw.rows), +raw.dropped) == (5, 4, {"unreadable": 1})
    assert raw.where == {"unreadable": "line 3: no number in 00:00:00 of 2020-03-02"}


def test_what_is_no_timestamp_is_counted_with_its_line(tmp_path):
    raw = read(Old, tmp_path, OLD_HEADER + old_row(0) + old_row(1, stamp="x") + old_row(2))
    assert (+raw.dropped, raw.where) == ({"unreadable": 1}, {"unreadable": "line 3: 'x' is no timestamp"})
    raw = read(Sql, tmp_path, sql_row(0) + sql_row(1, stamp="2021-03-28 02:30:00"))
    assert raw.where == {"unreadable": "line 2: '2021-03-28 02:30:00' is no timestamp"}
    raw = read(New, tmp_path, NEW_HEADER + new_row(0) + "A1,2020-02-30,active_sum,1,2\n")
    assert +raw.dropped == {"unreadable": 2}
    assert raw.where == {"unreadable": "line 3: '2020-02-30' 00:00:00 is no local time"}


def test_increments_are_read_where_they_are_and_never_needed(tmp_path):
    raw = read(Old, tmp_path, OLD_HEADER + old_row(0) + old_row(1).replace(",1.5,", ",bad,"))
    np.testing.assert_array_equal(raw.rows["import_increment"], [1.5, np.nan])
    assert raw.rows["export_increment"].tolist() == [0, 0]
    assert not +raw.dropped
    without = ",id,timestamp," + ",".join(oldmongo.REGISTERS) + "\n0,A1,2019-04-25T21:00:00Z,10,11.5,5,5\n"
    assert "import_increment" not in read(Old, tmp_path, without).rows


@METER_FILES
@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_make_no_difference_but_decimal_commas_are_told(source, tmp_path, separator):
    text = text_of(source).replace(",", separator)
    pd.testing.assert_frame_equal(read(source, tmp_path, text).rows, read(source, tmp_path, text_of(source)).rows)
    decimal_commas = source.row(3).replace(",", separator).replace(".5", ",5")
    raw = read(source, tmp_path, text + decimal_commas)
    assert +raw.dropped == {"unreadable": 1}
    assert raw.where["unreadable"].startswith(f"line {line(source, 4)}: ")
    assert ",5' in " in raw.where["unreadable"]


@TEXT_FILES
@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
def test_an_empty_file_is_refused(source, tmp_path, content):
    with pytest.raises(InputError, match=rf"{source.name}: cannot be read: it is empty; export it again"):
        read(source, tmp_path, content)


def test_a_dump_of_a_header_only_is_a_meter_without_rows(tmp_path):
    raw = read(Old, tmp_path, OLD_HEADER)
    assert (raw.rows_read, len(raw.rows)) == (0, 0)
    clean = clean_meter(raw, limits_of(no_description(), "A1"), "Europe/Rome", NOW)
    assert [finding.kind for finding in clean.findings] == ["no_regular_interval"]
    assert list(newmongo.read(written(tmp_path / "newmongo.csv", NEW_HEADER), "Europe/Rome")) == []


@METER_FILES
def test_nul_bytes_spoil_their_row_only(source, tmp_path):
    raw = read(source, tmp_path, text_of(source) + "\0" * 500 + "\n" + source.row(3))
    assert (len(raw.rows), +raw.dropped) == (4, {"ragged": 1})
    assert raw.where["ragged"].startswith(f"line {line(source, 4)}: 1 columns, expected ")


@METER_FILES
def test_a_line_end_in_quotes_and_a_stray_quote_cost_their_lines_only(source, tmp_path):
    rows = [source.row(0), source.row(1).replace("A1", '"A\n1"'), source.row(2), '"' + source.row(3), source.row(4)]
    raw = read(source, tmp_path, source.header + "".join(rows))
    assert (raw.rows_read, len(raw.rows), +raw.dropped) == (6, 3, {"ragged": 3})
    assert raw.where["ragged"].startswith(f"line {line(source, 2)}: ")


@METER_FILES
def test_a_line_of_10_mb_costs_itself_only_and_is_not_shown_whole(source, tmp_path):
    long_cell = source.row(3).replace("5", "z" * 10_000_000, 1)
    raw = read(source, tmp_path, text_of(source) + "x" * 10_000_000 + "\n" + long_cell)
    assert raw.dropped["ragged"] == 1
    assert raw.where["ragged"].startswith(f"line {line(source, 4)}: ")
    assert all(len(place) < 200 for place in raw.where.values())
    with pytest.raises(InputError) as caught:
        read(source, tmp_path, "x" * 10_000_000)
    assert len(str(caught.value)) < 1000


@METER_FILES
def test_a_million_repeated_rows_are_read_and_counted_within_seconds(source, tmp_path):
    text = source.header + source.row(0) * 1_000_000 + source.row(1) + source.row(2)
    started = time.process_time()
    raw = read(source, tmp_path, text)
    clean = clean_meter(raw, limits_of(no_description(), "A1"), "Europe/Rome", NOW)
    assert time.process_time() - started < 3
    assert (clean.rows_read, clean.dropped["duplicate"], len(clean.readings)) == (1_000_002, 999_999, 3)


@pytest.mark.parametrize("meter", ["<script>alert(1)<", "..", "-rf *", "a\u202eb"])
def test_a_file_may_be_called_anything_and_its_id_column_must_agree(tmp_path, meter):
    raw = read(Old, tmp_path, OLD_HEADER + old_row(0, meter) + old_row(1, "../../etc/passwd"), f"{meter}.csv")
    assert (raw.meter_id, len(raw.rows), +raw.dropped) == (meter, 1, {"other_meter": 1})
    assert raw.where["other_meter"] == "line 3: '../../etc/passwd' in id"


def test_tags_that_are_none_of_the_meter_are_placed(tmp_path):
    other = "Energy_Apiu_1_8_0_../../x.kWh"
    raw = read(Sql, tmp_path, sql_row(0) + sql_row(1, tag=other) + sql_row(2))
    assert +raw.dropped == {"other_tag": 1}
    assert raw.where == {"other_tag": f"line 2: {other!r} is no energy tag of the meter"}
    export = "Energy_Ameno_2_8_0_A1.kWh"
    raw = read(Sql, tmp_path, sql_row(0) + sql_row(0, tag=export) + sql_row(2) + sql_row(3, tag=export))
    assert (+raw.dropped, raw.where["unpaired"]) == ({"unpaired": 2}, "line 3: import alone, the meter has both")


def test_a_name_of_a_file_that_is_not_utf8_is_refused(tmp_path):
    name = b"A\xff.csv".decode(errors="surrogateescape")
    with pytest.raises(InputError, match="the name of the file is not UTF-8"):
        read(Old, tmp_path, OLD_HEADER, name)


DOCUMENT = {"id": "A", "date": "2020-03-01", "energy_type": "active_sum", "00:00:00": 1.5}


def exported(folder, data):
    (folder / "a.jsonl").write_bytes(data)
    return list(newmongo.read_export(folder))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (json.dumps(DOCUMENT)[:-9].encode(), "line 2: not a document: "),
        (b'{"id": "\xf1"}', r"\(0xf1\) in line 2 is not UTF-8; save it as UTF-8"),
        (b"5", "line 2: not a document: '5' is no JSON object"),
        (b'"id date energy_type"', "line 2: not a document: .* is no JSON object"),
        (b'[{"id": "A"}]', "line 2: not a document: .*; export without --jsonArray"),
        (b"[" * 100_000, "line 2: not a document: "),
        (b'{"$date": {"$numberLong": "99999999999999999999"}}', "line 2: not a document: "),
    ],
)
def test_a_line_of_an_export_that_is_no_document_is_refused_with_its_place(tmp_path, second, message):
    with pytest.raises(InputError, match=rf"a\.jsonl.*{message}"):
        exported(tmp_path, json.dumps(DOCUMENT).encode() + b"\n" + second)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no document in it"),
        (b"\n \n", "no document in it"),
        (json.dumps(DOCUMENT).encode("utf-16"), "UTF-16 from its first byte, in line 1"),
        (b"\xf1", r"byte 0 \(0xf1\) in line 1 is not UTF-8"),
    ],
)
def test_an_export_that_is_empty_or_otherwise_encoded_is_refused(tmp_path, data, message):
    with pytest.raises(InputError, match=rf"a\.jsonl: .*{message}"):
        exported(tmp_path, data)


def test_text_for_a_number_in_an_export_is_counted_with_meter_and_date(tmp_path):
    bad = {"date": "2020-03-02", "00:00:00": "x"}
    lines = b"\n".join(json.dumps(DOCUMENT | fields).encode() for fields in ({}, bad))
    counts = write_export(exported(tmp_path, lines), tmp_path / "out.csv")
    assert counts.unreadable_values == 1
    assert "meter A, 2020-03-02" in counts.first_unreadable


PIECES = st.one_of(st.binary(max_size=3), st.sampled_from([b",", b'"', b"\n", b"\r", b"\n\n", b"\0", b"9" * 400]))


@st.composite
def mutations(draw, data):
    """A valid file with a few bytes deleted, put in, replaced, or its end cut off."""
    for _ in range(draw(st.integers(1, 4))):
        at, there, put = draw(st.integers(0, len(data))), draw(st.integers(0, 3)), draw(PIECES)
        data = data[:at] if draw(st.integers(0, 9)) == 0 else data[:at] + put + data[at + there :]
    return data


def read_or_refused(read_all, path, data, rows_a_line=1):
    """All rows of a file, no more than its lines hold, or InputError; anything else is a failure."""
    path.write_bytes(data)
    try:
        raws = list(read_all(path))
    except InputError:
        return
    assert sum(raw.rows_read for raw in raws) <= len(data.splitlines()) * rows_a_line
    for raw in raws:
        assert len(raw.rows) + raw.dropped.total() <= raw.rows_read
        assert all(raw.where[reason] for reason, count in raw.dropped.items() if count)
        assert raw.rows["timestamp_utc"].notna().all()


FUZZ = settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
OLD_BYTES = text_of(Old).encode()
SQL_BYTES = (text_of(Sql) + sql_row(1, "Energy_Ameno_2_8_0_A1.kWh") + sql_row(2, "Voltage_A1.V")).encode()
NEW_BYTES = text_of(New).encode()


@FUZZ
@given(st.one_of(st.binary(), mutations(OLD_BYTES), st.binary().map(OLD_HEADER.encode().__add__)))
@example(OLD_HEADER.encode() + codecs.BOM_UTF8)
@example(OLD_BYTES + codecs.BOM_UTF8)
def test_any_bytes_as_a_dump_are_read_or_refused(tmp_path, data):
    read_or_refused(lambda path: oldmongo.read([path]), tmp_path / "A1.csv", data)


@FUZZ
@given(st.one_of(st.binary(), mutations(SQL_BYTES), st.binary().map(SQL_BYTES.__add__)))
def test_any_bytes_as_an_export_of_the_historian_are_read_or_refused(tmp_path, data):
    read_or_refused(lambda path: sql.read([path], "Europe/Rome"), tmp_path / "A1.txt", data)


@FUZZ
@given(st.one_of(st.binary(), mutations(NEW_BYTES), st.binary().map(NEW_HEADER.encode().__add__)))
def test_any_bytes_as_a_table_of_the_new_mongo_are_read_or_refused(tmp_path, data):
    read_or_refused(lambda path: newmongo.read(path, "Europe/Rome"), tmp_path / "newmongo.csv", data, rows_a_line=2)


@FUZZ
@given(st.one_of(st.binary(), mutations(b"\n".join([json.dumps(DOCUMENT).encode()] * 2))))
def test_any_bytes_as_json_lines_are_read_or_refused(tmp_path, data):
    try:
        documents = exported(tmp_path, data)
    except InputError:
        return
    assert 0 < len(documents) <= len(data.splitlines())


@FUZZ
@given(st.lists(st.tuples(st.integers(0, 95), st.floats(0, 1e6)), max_size=20))
def test_rows_keep_the_order_of_the_file(tmp_path, rows):
    text = OLD_HEADER + "".join(old_row(number, end=repr(end)) for number, end in rows)
    raw = read(Old, tmp_path, text)
    assert raw.rows["import_end"].tolist() == [end for _, end in rows]
    quarters = (raw.rows["timestamp_utc"] - pd.Timestamp("2019-04-25", tz="UTC")) / pd.Timedelta(minutes=15)
    assert quarters.tolist() == [number for number, _ in rows]


def test_a_job_a_file_can_be_sent_to_other_processes(tmp_path):
    (tmp_path / "csv").mkdir()
    written(tmp_path / "csv" / "A1.csv", text_of(Old))
    written(tmp_path / "A1.txt", text_of(Sql))
    written(tmp_path / "newmongo.csv", text_of(New))
    found = [
        *oldmongo.jobs(tmp_path),
        *sql.jobs(tmp_path, "UTC"),
        *newmongo.jobs(tmp_path / "newmongo.csv", "UTC", tmp_path / "work"),
    ]
    for job, name in zip(found, ("csv/A1.csv", "A1.txt", "newmongo.csv"), strict=True):
        assert (job.origin, job.size_bytes) == (str(tmp_path / name), (tmp_path / name).stat().st_size)
        (raw,) = pickle.loads(pickle.dumps(job)).read()
        assert (raw.meter_id, raw.rows_read) == ("A1", 6 if name == "newmongo.csv" else 3)
    assert not (tmp_path / "work").exists()


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_jobs_of_a_split_table_read_each_meter_once_as_the_whole_table_does(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(newmongo, "buckets_for", lambda size: 3)
    monkeypatch.setattr(newmongo, "_BLOCK_BYTES", 100)
    monkeypatch.setattr(newmongo, "_BATCH_ROWS", 4)
    meters, days = [f"M{n}" for n in range(7)], ["2020-10-24", "2020-10-25", "2020-10-26"]
    table = pd.DataFrame([(m, d, "active_sum") for d in days for m in meters], columns=["id", "date", "energy_type"])
    table[["02:00:00", "02:30:00", "00:00:00"]] = np.random.default_rng(0).random((len(table), 3))
    table.loc[5, "02:00:00"] = np.nan
    path = tmp_path / f"newmongo{suffix}"
    _ = table.to_csv(path, index=False) if suffix == ".csv" else table.to_parquet(path, index=False)
    whole = {raw.meter_id: raw for raw in newmongo.read(path, "Europe/Rome")}
    parts = [list(job.read()) for job in newmongo.jobs(path, "Europe/Rome", tmp_path)]
    assert 1 < len(parts) <= 3
    assert all([raw.meter_id for raw in part] == sorted(raw.meter_id for raw in part) for part in parts)
    assert sorted(raw.meter_id for part in parts for raw in part) == list(whole) == meters
    for raw in (raw for part in parts for raw in part):
        assert (raw.origin, raw.rows_read) == (str(path), whole[raw.meter_id].rows_read)
        pd.testing.assert_frame_equal(raw.rows, whole[raw.meter_id].rows)
    # the hour that clocks show twice: a document has it once, and means the first
    stamps = whole["M0"].rows["timestamp_utc"].dt.strftime("%d %H:%M").tolist()
    assert stamps[:6] == ["23 22:00", "24 00:00", "24 00:30", "24 22:00", "25 00:00", "25 00:30"]
    assert stamps[6:] == ["25 23:00", "26 01:00", "26 01:30"]


def test_two_documents_of_one_day_are_the_two_passes_of_the_hour_shown_twice(tmp_path):
    text = NEW_HEADER.replace("00:00:00", "02:00:00") + "A1,2020-10-25,active_sum,2,1\n" * 2
    raw = read(New, tmp_path, text)
    stamps = raw.rows["timestamp_utc"].dt.strftime("%d %H:%M").tolist()
    assert stamps == ["24 22:15", "25 00:00", "24 22:15", "25 01:00"]


def net_row_by_row(rows):
    """Import minus export by the book: the `turn`th of a stamp meets the `turn`th, or the last, of the other side."""
    sides = {}
    for number, tag, energy in rows:
        sides.setdefault((tag, number), []).append(energy)
    both = len({tag for _, tag, _ in rows}) == 2
    result = []
    for number in {number for number, _, _ in rows}:
        plus, minus = sides.get(("Apiu", number), []), sides.get(("Ameno", number), [])
        if both and not (plus and minus):
            continue
        for turn in range(max(len(plus), len(minus))):
            net = (plus[: turn + 1] or [0.0])[-1] - (minus[: turn + 1] or [0.0])[-1]
            result.append((turn, number, net))
    return [(number, net) for _, number, net in sorted(result, key=lambda row: row[:2])]


@FUZZ
@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.sampled_from(["Apiu", "Ameno"]), st.integers(0, 99).map(float)),
        min_size=1,
        max_size=14,
    )
)
def test_net_energy_is_that_of_pairing_row_by_row(tmp_path, rows):
    text = "".join(sql_row(n, f"Energy_{tag}_1_8_0_A1.kWh", energy=str(energy)) for n, tag, energy in rows)
    raw = read(Sql, tmp_path, text)
    quarters = (raw.rows["timestamp_utc"] - pd.Timestamp("2021-09-01", tz="Europe/Rome")) / pd.Timedelta(minutes=15)
    found = list(zip(quarters.astype(int), raw.rows["energy_kwh"], strict=True))
    expected = net_row_by_row(rows)
    assert sorted(found) == sorted(expected)
    for stamp in {stamp for stamp, _ in expected}:
        assert [pair for pair in found if pair[0] == stamp] == [pair for pair in expected if pair[0] == stamp]
