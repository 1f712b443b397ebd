"""Cells and stamps: the fast way reads what the slow way reads, and every row knows its line."""

import csv
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadprofiles.errors import InputError
from loadprofiles.sources import common
from loadprofiles.sources.common import Layout, numbers_of, parse_stamps, read_blocks, read_cells

LAYOUT = Layout(("id",), ("x",), optional={"y"}.__contains__)
IN_ONE_FOLDER = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

NUMBERS = st.one_of(
    st.floats(width=64).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-1000, max_value=1000).map(str),
    st.sampled_from(["", "nan", "NaN", "inf", "-inf", "1e400", "1e-400", "+5", " 7 ", "\t8", "1.", ".5", "1E3", "-0"]),
)
QUOTABLE = st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]))
NO_NUMBERS = st.sampled_from(["abc", "1,5", "0x10", "1_000", "1 2", "--1", ".", "e5", "1e", "١", "True", "nan5"])


def table(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    return path


@IN_ONE_FOLDER
@given(st.lists(NUMBERS, min_size=1, max_size=8))
def test_a_column_of_numbers_reads_the_same_with_and_without_text_in_it(tmp_path, cells):
    rows = "".join(f"A,{cell}\n" for cell in cells)
    fast = read_cells(table(tmp_path, "id,x\n" + rows), LAYOUT).numbers["x"]
    slow = read_cells(table(tmp_path, "id,x\n" + rows + "A,text\n"), LAYOUT).numbers["x"]
    np.testing.assert_array_equal(common.finite(fast), common.finite(slow[:-1]))
    np.testing.assert_array_equal(np.isinf(fast), np.isinf(slow[:-1]))
    assert np.isinf(slow[-1])


@given(NUMBERS.filter(lambda cell: cell.strip() not in ("", "inf", "-inf", "nan", "NaN")))
def test_a_number_is_what_python_makes_of_it(cell):
    (number,) = numbers_of(pa.chunked_array([[cell]]))
    assert number == float(cell)


@given(NO_NUMBERS)
def test_what_is_no_decimal_number_is_infinite(cell):
    assert np.isinf(numbers_of(pa.chunked_array([[cell]]))).all()


@IN_ONE_FOLDER
@given(
    st.lists(st.sampled_from(["A,1,2", "A,x,2", "", "A,1", "A,1,2,3", '"A",1,2', '"A,1,2', 'A"B,"1",2', "é,,"])),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.booleans(),
    st.integers(1, 40),
)
def test_every_line_is_a_row_or_ragged_and_knows_its_number(tmp_path, lines, end, closed, block_bytes):
    text = end.join(["id,x,y", *lines]) + (end if closed else "")
    path = table(tmp_path, text)
    good = {"A,1,2": ("A", 1.0), "A,x,2": ("A", np.inf), '"A",1,2': ("A", 1.0), 'A"B,"1",2': ('A"B', 1.0)}
    good["é,,"] = ("é", np.nan)
    expected = [(number, *good[line]) for number, line in enumerate(lines, start=2) if line in good]
    ragged = [number for number, line in enumerate(lines, start=2) if line and line not in good]
    for pieces in ([read_cells(path, LAYOUT)], list(read_blocks(path, LAYOUT, block_bytes))):
        assert sum(p.ragged for p in pieces) == len(ragged)
        firsts = [p.first_ragged for p in pieces if p.ragged]
        assert [f.split(":")[0] for f in firsts[:1]] == [f"line {n}" for n in ragged[:1]]
        found = [
            row
            for p in pieces
            for row in zip(p.lines.tolist(), p.text["id"].to_pylist(), p.numbers["x"].tolist(), strict=True)
        ]
        np.testing.assert_equal(found, expected)


@IN_ONE_FOLDER
@given(st.lists(st.tuples(QUOTABLE, QUOTABLE)))
def test_quoted_cells_are_read_as_the_csv_module_writes_them(tmp_path, rows):
    path = tmp_path / "t.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_ALL)
        writer.writerow(["id", "x"])
        writer.writerows(rows)
    assert read_cells(path, LAYOUT).text["id"].to_pylist() == [cell or None for cell, _ in rows]


@pytest.mark.parametrize("separator", [";", "\t"])
def test_other_separators_are_taken_where_the_header_fits_them(tmp_path, separator):
    text = "id,y,x\nA,2,1.5\n".replace(",", separator)
    cells = read_cells(table(tmp_path, text), LAYOUT)
    assert (cells.text["id"].to_pylist(), cells.numbers["x"].tolist()) == (["A"], [1.5])


def test_a_missing_column_is_told_without_the_whole_of_a_huge_header(tmp_path):
    with pytest.raises(InputError, match="column 'id', 'x' is missing; found: aaaa") as caught:
        read_cells(table(tmp_path, "a" * 1_000_000 + "\x1b"), LAYOUT)
    assert len(str(caught.value)) < 500


def test_a_byte_that_is_not_utf8_is_placed_also_in_a_later_piece(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"\xef\xbb\xbfid,x\n" + b"A,1\n" * 10 + b"\xf1,1\n")
    for block_bytes in (None, 8):
        with pytest.raises(InputError, match=r"byte 48 \(0xf1\) in line 12 is not UTF-8; save it as UTF-8"):
            list(read_blocks(path, LAYOUT, block_bytes))


def stamp_text():
    moments = st.datetimes(datetime(1600, 1, 1), datetime(2300, 1, 1))
    forms = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S.%f", "%Y%m%d"]
    zones = st.sampled_from(["", "Z", "+02:00", "-0330", "+01", " Z", "z", "+25:00"])
    made = st.builds(lambda moment, form, zone: moment.strftime(form) + zone, moments, st.sampled_from(forms), zones)
    odd = st.sampled_from(["", "x", "2021-02-30", "24:00", "2021-01-01T24:00:00Z", " 2021-01-01 00:00", "0001-01-01"])
    return st.one_of(made, made, odd, st.text("0123456789-:TZ +.", max_size=22))


@given(st.lists(stamp_text(), min_size=1, max_size=6), st.sampled_from(["UTC", "Europe/Rome", "America/Lima"]))
def test_stamps_read_fast_are_those_read_one_by_one(stamps, timezone):
    fast = parse_stamps(pa.chunked_array([pa.array(stamps, pa.string())]), timezone)
    slow = common._parse_each(pd.Series(stamps, dtype="str"), timezone)
    pd.testing.assert_series_equal(fast, slow)


@given(stamp_text(), st.integers(1, 3))
def test_alike_stamps_read_fast_are_those_read_one_by_one(stamp, times):
    fast = parse_stamps(pd.Series([stamp] * times, dtype="str", index=range(5, 5 + times)), "Europe/Rome")
    slow = common._parse_each(pd.Series([stamp] * times, dtype="str"), "Europe/Rome")
    assert fast.index.tolist() == list(range(5, 5 + times))
    pd.testing.assert_series_equal(fast.reset_index(drop=True), slow)
