"""Layouts: what their files may say, and what is said of files that do not fit or mean harm."""

import subprocess
import sys
import textwrap
import zipfile
from datetime import UTC, date, datetime, time
from decimal import Decimal

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles.errors import InputError
from loadprofiles.sources import layouts
from loadprofiles.sources.layouts import BUILT_IN, Layout, Tally, read_layout, read_table

PLAIN = 'timestamp = "t"\nenergy = "e"\n'
SIMPLE = Layout(timestamp="t", energy="e")
MEBI = 1024 * 1024


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def table_of(path, layout=SIMPLE, tally=None):
    return pd.concat(read_table(path, layout, tally or Tally()), ignore_index=True)


def refusal(path, layout=SIMPLE):
    with pytest.raises(InputError) as caught:
        table_of(path, layout)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# ---- the layout's own file ----


class TestReadLayout:
    def test_none_is_the_built_in_layout(self):
        assert read_layout(None) is BUILT_IN
        assert BUILT_IN.columns == ("Fecha", "Active_energy", "Reactive_energy", "Voltaje_FA", "Voltaje_FC")

    def test_every_key_is_taken(self, tmp_path):
        text = """
            files = "**/*.txt"
            meter_pattern = '^curva_(\\w+)_(\\d+)$'
            meter_id = "{folder}/{1}"
            timestamp = "Fecha y hora "
            timestamp_format = "%d/%m/%Y %H:%M"
            stamps = "end"
            timezone = "Europe/Madrid"
            interval_minutes = 15
            energy = "AE"
            export = "AS"
            reactive = "R"
            unit = "MW"
            delimiter = ";"
            decimal = ","
            thousands = "."
            encoding = "cp1252"
            skip_rows = 2
            sheet = "Curva"
            [voltages]
            l1 = "U1"
            [sectors]
            file = "clientes.csv"
            meter = "CUPS"
            sector = "CNAE"
        """
        layout = read_layout(write(tmp_path / "l.toml", textwrap.dedent(text)))
        given_keys = set(layout.model_fields_set)
        assert given_keys == set(Layout.model_fields) - {"meter_column", "date", "time", "hour"}
        assert layout.columns == ("Fecha y hora", "AE", "AS", "R", "U1")
        assert layout.meter_id_of(tmp_path / "Lot 1" / "curva_A7_2024.txt") == "Lot 1/A7"

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "key 'energy' is missing"),
            ('timestamp = "t"', "key 'energy' is missing"),
            (PLAIN + 'delimeter = ";"', "unknown key 'delimeter'; the keys are files, meter_column, "),
            (
                PLAIN + '[sectors]\nfile = "a"\nmeter = "b"\nsector = "c"\nx = 1',
                "unknown key 'sectors.x'; the keys are file, ",
            ),
            (PLAIN + "[sectors]\nfile = 'a'\nmeter = 'b'", "key 'sectors.sector' is missing"),
            (PLAIN + 'stamps = "begin"', "stamps = 'begin': Input should be 'start' or 'end'"),
            (PLAIN + 'unit = "kwh"', "unit = 'kwh': Input should be 'kWh', 'Wh', 'MWh', 'kW', 'W' or 'MW'"),
            (PLAIN + 'decimal = ";"', "decimal = ';': Input should be '.' or ','"),
            (PLAIN + 'thousands = "."', "decimal and thousands must be different marks"),
            (PLAIN + 'delimiter = ";;"', "delimiter = ';;': must be one mark, such as"),
            (PLAIN + "delimiter = 5", "delimiter = 5: Input should be a valid string"),
            (PLAIN + 'encoding = "klingon"', "encoding = 'klingon': must be an encoding of text such as utf-8"),
            (PLAIN + 'encoding = "zip"', "encoding = 'zip': must be an encoding of text"),
            (PLAIN + 'timezone = "Madrid"', "timezone = 'Madrid': must be an IANA name such as Europe/Madrid"),
            (PLAIN + "interval_minutes = 7", "interval_minutes = 7: must divide a day, such as 15, 30 or 60"),
            (PLAIN + "interval_minutes = 0", "interval_minutes = 0: Input should be greater than or equal to 1"),
            (PLAIN + "skip_rows = -1", "skip_rows = -1: Input should be greater than or equal to 0"),
            (PLAIN + "sheet = -1", "sheet = -1: must be a sheet's number from 0 or its name"),
            (PLAIN + "sheet = true", "sheet = True: must be a sheet's number from 0 or its name"),
            (PLAIN + 'files = "../*.csv"', "files = '../*.csv': must be a pattern of names below the folder"),
            (PLAIN + 'files = "/etc/*"', "files = '/etc/*': must be a pattern of names below the folder"),
            (PLAIN + 'files = "**.csv"', "files = '**.csv': must have ** between slashes and a name after it"),
            (PLAIN + 'files = "**"', "files = '**': must have ** between slashes and a name after it"),
            (PLAIN + 'timestamp_format = "%H:%M"', "timestamp_format = '%H:%M': must have the year, month and day"),
            (PLAIN + 'timestamp_format = "%Q"', "timestamp_format = '%Q': must have the year, month and day"),
            (PLAIN + 'timestamp_format = "mixed"', "timestamp_format = 'mixed': must have the year, month and day"),
            (PLAIN + 'meter_pattern = "("', "meter_pattern = '(': is no regular expression: missing )"),
            (PLAIN + 'meter_id = "{1}"', "meter_id has {1}: allowed are {stem}, {folder}"),
            (PLAIN + 'meter_id = "{stem.__class__}"\nmeter_column = "m"', "give either meter_column, or meter_pattern"),
            (PLAIN + 'date = "d"\ntime = "h"', "give either timestamp, or date with time or hour"),
            ('energy = "e"', "give either timestamp, or date with time or hour"),
            ('energy = "e"\ndate = "d"', "give date with one of time and hour, and these only with date"),
            (PLAIN + 'hour = "h"', "give date with one of time and hour, and these only with date"),
            ('energy = "e"\ndate = "d"\ntime = "t"\nhour = "h"', "give date with one of time and hour"),
            ('energy = "e"\ndate = "d"\nhour = "h"\nstamps = "end"', "leave stamps out: hour numbers intervals"),
            (
                'energy = "e"\ndate = "d"\ntime = "h"\ntimestamp_format = "%d/%m/%Y"',
                "timestamp_format must be that of date, a blank, and that of time",
            ),
            (PLAIN + '[voltages]\n"L 1" = "U"', "voltages.L 1 = 'L 1': String should match pattern"),
            (PLAIN + "voltages = 5", "voltages = 5: Input should be a valid dictionary"),
            ("energy =", "is no TOML: Invalid value (at end of document)"),
            (PLAIN + 'energy = "f"', "is no TOML: Cannot overwrite a value"),
        ],
    )
    def test_what_is_not_allowed_is_told_with_file_and_key(self, tmp_path, text, message):
        path = write(tmp_path / "l.toml", text)
        with pytest.raises(InputError) as caught:
            read_layout(path)
        assert str(caught.value).startswith(f"{path}: {message}")
        assert "\n" not in str(caught.value)

    def test_a_file_that_is_not_there_or_not_utf8_is_named(self, tmp_path):
        with pytest.raises(InputError, match=r"l\.toml: cannot be read: No such file"):
            read_layout(tmp_path / "l.toml")
        with pytest.raises(InputError, match=r"l\.toml: is not in UTF-8; save"):
            read_layout(write(tmp_path / "l.toml", 'energy = "Energía"', "latin-1"))

    @given(
        st.dictionaries(
            st.sampled_from(list(Layout.model_fields)),
            st.one_of(
                st.text(max_size=9), st.integers(), st.booleans(), st.dictionaries(st.text(), st.text(), max_size=2)
            ),
            max_size=4,
        )
    )
    def test_any_values_make_a_layout_or_a_message(self, keys):
        try:
            Layout.model_validate({"timestamp": "t", "energy": "e"} | keys)
        except layouts.ValidationError as error:
            assert layouts._told(error)


# ---- stamps and numbers ----


class TestCells:
    def stamps(self, tmp_path, layout, *cells):
        header, *rows = [",".join(row) if isinstance(row, tuple) else row for row in cells]
        table = table_of(write(tmp_path / "a.csv", "\n".join([header + ",e", *[f"{row},1" for row in rows]])), layout)
        return [None if pd.isna(stamp) else str(stamp)[:16] for stamp in table["stamp"]], table["problem"].tolist()

    def test_a_day_may_end_at_24(self, tmp_path):
        layout = Layout(timestamp="t", energy="e", timestamp_format="%d/%m/%Y %H:%M:%S")
        stamps, _ = self.stamps(
            tmp_path, layout, "t", "31/12/2023 24:00:00", "31/12/2023 23:24:00", "31/12/2023 24:15:00"
        )
        assert stamps == ["2024-01-01 00:00", "2023-12-31 23:24", None]
        stamps, _ = self.stamps(
            tmp_path, SIMPLE, "t", "2023-12-31T24:00", "2023-12-31 24:00:00Z", "2023-12-31 24:00:01"
        )
        assert stamps == ["2024-01-01 00:00", "2024-01-01 00:00", None]

    def test_dates_and_times_of_day_may_stand_apart(self, tmp_path):
        layout = Layout(date="d", time="h", energy="e", timestamp_format="%d/%m/%y %I:%M %p")
        stamps, problems = self.stamps(
            tmp_path, layout, ("d", "h"), ("01/02/24", "01:30 PM"), ("1/2/24", ""), ("x", "y")
        )
        assert stamps == ["2024-02-01 13:30", None, None]
        assert problems[1:] == ["h is empty", "'x' in d is no date"]
        layout = Layout(date="d", time="h", energy="e")
        rows = [("2024-02-01", clock) for clock in ("0:15", "24:00", "24:01", "7:60", "07:05:00")]
        stamps, problems = self.stamps(tmp_path, layout, ("d", "h"), *rows)
        assert stamps == ["2024-02-01 00:15", "2024-02-02 00:00", None, None, "2024-02-01 07:05"]
        assert problems[2] == "'24:01' in h is no time of day"

    def test_a_number_in_the_day_counts_from_one(self, tmp_path):
        layout = Layout(date="d", hour="h", energy="e")
        _, problems = self.stamps(tmp_path, layout, ("d", "h"), *[("2024-02-01", n) for n in ("1", "0", "1.5", "")])
        assert pd.isna(problems[0])
        assert problems[1:] == [
            "'0' in h is no number of an interval from 1",
            "'1.5' in h is no number of an interval from 1",
            "h is empty",
        ]

    @pytest.mark.parametrize(
        ("decimal", "thousands", "good", "bad"),
        [
            (
                ".",
                "",
                {"1.5": 1.5, "-.5": -0.5, "+2.": 2, "1e3": 1000, " 7 ": 7},
                ["1,5", "1 000", "nan", "inf", "1e999", "0x1"],
            ),
            (",", "", {"1,5": 1.5, "1": 1}, ["1.5", "1.000,5"]),
            (
                ",",
                ".",
                {"1.000,5": 1000.5, "1000,5": 1000.5, "12.345.678": 12345678},
                ["1.5", "1.00", "1.0000", ",", "1,5,0"],
            ),
            (".", ",", {"1,234.5": 1234.5}, ["1,5", "1.234,5"]),
            (".", "'", {"1'234.5": 1234.5, "1’234": 1234}, ["1'2"]),
            (",", " ", {"1 234,5": 1234.5, "1\u00a0234": 1234, "1\u202f234": 1234}, ["1 23"]),
        ],
    )
    def test_numbers_are_read_as_the_layout_says_or_not_at_all(self, tmp_path, decimal, thousands, good, bad):
        layout = Layout(timestamp="t", energy="e", delimiter=";", decimal=decimal, thousands=thousands)
        text = "t;e\n" + "".join(f"2024-01-01;{cell}\n" for cell in [*good, *bad])
        table = table_of(write(tmp_path / "a.csv", text), layout)
        assert table["energy"].tolist()[: len(good)] == list(good.values())
        assert table["problem"].isna().tolist() == [True] * len(good) + [False] * len(bad)
        assert table["problem"].iloc[-1] == f"{bad[-1]!r} in e is no number"

    def test_a_long_or_strange_cell_is_quoted_on_one_line_and_cut(self, tmp_path):
        table = table_of(write(tmp_path / "a.csv", f"t,e\n2024-01-01,\x1b[31m{'x' * 999}\n"))
        (said,) = table["problem"]
        assert said.startswith("'\\x1b[31mxxx")
        assert len(said) < 80


# ---- text files ----


class TestText:
    def test_lines_are_numbered_as_in_the_file_whatever_stands_between(self, tmp_path):
        lines = ["\ufeffjunk", "", "t,e", "2024-01-01,1", "", "3,4,5", '"2024-01-02","2"', '2024-01-03,"3', "  "]
        text = "\r\n".join([*lines, "2024-01-04,4", "9"])
        tally = Tally()
        table = table_of(write(tmp_path / "a.csv", text), Layout(timestamp="t", energy="e", skip_rows=1), tally)
        assert table["line"].tolist() == [4, 7, 10]
        assert table["energy"].tolist() == [1, 2, 4]
        assert tally.dropped == {"ragged": 3}
        assert tally.where["ragged"].endswith("a.csv, line 6: 3 cells, the header has 2")

    def test_a_quotation_mark_without_partner_costs_its_own_line_only(self, tmp_path):
        tally = Tally()
        table = table_of(write(tmp_path / "a.csv", 't,e\n"2024-01-01,1\n2024-01-02,2\n"2024-01-03",3'), tally=tally)
        assert table["line"].tolist() == [3, 4]
        assert tally.where["ragged"].endswith("line 2: a quotation mark has no partner in the line")

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    def test_blocks_meet_without_a_seam(self, tmp_path, monkeypatch, end):
        monkeypatch.setattr(layouts, "_BLOCK_CHARACTERS", 7)
        lines = ["t,e", *[f"2024-01-{day:02d},{day}" if day % 5 else "ragged" for day in range(1, 31)], ""]
        tally = Tally()
        table = table_of(write(tmp_path / "a.csv", end.join(lines)), tally=tally)
        assert table["energy"].tolist() == [day for day in range(1, 31) if day % 5]
        assert table["line"].tolist() == [day + 1 for day in range(1, 31) if day % 5]
        assert tally.dropped == {"ragged": 6}
        assert "line 6:" in tally.where["ragged"]

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252", "utf-8"])
    def test_other_encodings_are_read_when_named(self, tmp_path, encoding):
        path = write(tmp_path / "a.csv", "t,Energía €\n2024-01-01,1\n", encoding)
        table = table_of(path, Layout(timestamp="t", energy="Energía €", encoding=encoding))
        assert table["energy"].tolist() == [1]

    @pytest.mark.parametrize(
        ("text", "encoding", "layout", "message"),
        [
            ("t,e,Año\n", "latin-1", "utf-8", 'it is not utf-8; set encoding = "latin-1" or so in the layout'),
            ("t,e\n2024-01-01,€\n", "cp1252", "utf-8", 'it is not utf-8; set encoding = "cp1252" or so in the layout'),
            ("t,e\n", "utf-16", "utf-8", 'it is not utf-8; set encoding = "utf-16" or so in the layout'),
            ("t,e\n2024-01-01,ñ\n", "utf-8", "ascii", 'it is not ascii; set encoding = "utf-8" or so in the layout'),
        ],
    )
    def test_a_wrong_encoding_is_told_with_a_likely_one(self, tmp_path, text, encoding, layout, message):
        path = write(tmp_path / "a.csv", text, encoding)
        said = refusal(path, Layout(timestamp="t", energy="e", encoding=layout))
        assert said == f"{path}: cannot be read: {message}"

    def test_utf8_read_as_another_encoding_is_told_where_a_column_lacks(self, tmp_path):
        path = write(tmp_path / "a.csv", "t,Energía\n")
        said = refusal(path, Layout(timestamp="t", energy="Energía", encoding="latin-1"))
        assert said == f"{path}: column 'Energía' is missing; the file seems to be UTF-8: leave encoding out"

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ("t;e;x", "its header has no ',' but 2 ';'; set delimiter = \";\" in the layout"),
            ("t\te", "its header has no ',' but 1 '\\t'; set delimiter = \"\\t\" in the layout"),
            ("", "it is empty, or has no header after 0 lines to skip"),
            ("\n \n", "it is empty, or has no header after 0 lines to skip"),
        ],
    )
    def test_a_header_that_is_none_is_told(self, tmp_path, header, message):
        path = write(tmp_path / "a.csv", header)
        assert refusal(path) == f"{path}: cannot be read: {message}"

    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ("t,E", "column 'e' is missing; found: t, E"),
            ("x", "column 't', 'e' is missing; found: x"),
            ("t,e,e", "column 'e' is there 2 times; give each a name"),
        ],
    )
    def test_columns_that_lack_or_repeat_are_named(self, tmp_path, header, message):
        path = write(tmp_path / "a.csv", header + "\n")
        assert refusal(path) == f"{path}: {message}"

    def test_other_columns_may_repeat_and_names_may_have_blanks_around_them(self, tmp_path):
        path = write(tmp_path / "a.csv", "x, t ,x,e,\n1,2024-01-01,2,3,\n")
        assert table_of(path)["energy"].tolist() == [3]

    def test_a_folder_or_missing_file_is_no_table(self, tmp_path):
        (tmp_path / "a.csv").mkdir()
        assert "a.csv: cannot be read" in refusal(tmp_path / "a.csv")
        assert "b.csv: cannot be read" in refusal(tmp_path / "b.csv")


# ---- workbooks ----


def save(path, rows, title="Sheet"):
    book = openpyxl.Workbook()
    book.active.title = title
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def with_sheet_xml(path, xml, replace=None):
    """A workbook whose first sheet is `xml`; `replace` maps text of its other parts."""
    save(path, [["t", "e"]])
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    parts["xl/worksheets/sheet1.xml"] = xml
    parts |= replace or {}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in parts.items():
            new.writestr(name, content)
    return path


MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
HEADER_ROW = '<row r="1"><c r="A1" t="str"><v>t</v></c><c r="B1" t="str"><v>e</v></c></row>'

READ_WITH_LITTLE_MEMORY = """
import resource, sys
from pathlib import Path
from loadprofiles.errors import InputError
from loadprofiles.sources.layouts import Layout, Tally, read_table
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 300 * 1024 * 1024,) * 2)
for path in map(Path, sys.argv[1:]):
    try:
        print(sum(map(len, read_table(path, Layout(timestamp="t", energy="e"), Tally()))), "rows")
    except InputError as error:
        print(error)
"""


def read_with_little_memory(*paths):
    """What is said of workbooks by a process that may take 300 MB more than its imports."""
    command = [sys.executable, "-c", READ_WITH_LITTLE_MEMORY, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


class TestWorkbooks:
    def test_cells_are_taken_by_their_type_and_text_by_the_layout(self, tmp_path):
        rows = [
            ["x", None], [None, None], ["t", "e", None],
            [datetime(2024, 1, 1, 0, 15), 1.5], ["01/02/2024 00:30", "2,5"], [date(2024, 1, 3), 3], [None, None],
            ["2024-01-04 00:00", 4], [datetime(2024, 1, 5), "4.5"], [45300.5, True], [None, 7],
        ]  # fmt: skip
        layout = Layout(
            timestamp="t", energy="e", timestamp_format="%d/%m/%Y %H:%M", decimal=",", skip_rows=1, files="*.xlsx"
        )
        table = table_of(save(tmp_path / "a.xlsx", rows), layout)
        assert table["line"].tolist() == [4, 5, 6, 8, 9, 10, 11]
        assert table["stamp"].dropna().astype(str).tolist() == [
            "2024-01-01 00:15:00", "2024-02-01 00:30:00", "2024-01-03 00:00:00", "2024-01-05 00:00:00",
        ]  # fmt: skip
        assert table["energy"].tolist()[:4] == [1.5, 2.5, 3, 4]
        assert table["problem"].tolist()[3:] == [
            "'2024-01-04 00:00' in t is no stamp", "'4.5' in e is no number",
            "'45300.5' in t is no stamp", "t is empty",
        ]  # fmt: skip

    def test_days_kept_as_numbers_do_not_miss_their_second(self, tmp_path):
        stamps = pd.date_range("2024-01-01", periods=96, freq="15min")
        table = table_of(save(tmp_path / "a.xlsx", [["t", "e"], *[[stamp.to_pydatetime(), 1] for stamp in stamps]]))
        assert table["stamp"].tolist() == stamps.tolist()

    def test_typed_dates_and_times_may_stand_apart_and_ids_may_be_numbers(self, tmp_path):
        rows = [["m", "d", "h", "e"], [7, datetime(2024, 1, 1), time(1, 30), 1], [8.5, "2024-01-01", "24:00", 2]]
        layout = Layout(meter_column="m", date="d", time="h", energy="e", timestamp_format="%Y-%m-%d %H:%M")
        table = table_of(save(tmp_path / "a.xlsx", rows), layout)
        assert table["stamp"].astype(str).tolist() == ["2024-01-01 01:30:00", "2024-01-02 00:00:00"]
        assert table["id"].tolist() == ["7", "8.5"]

    def test_a_sheet_goes_by_number_or_name_and_one_that_lacks_is_told(self, tmp_path):
        path = save(tmp_path / "a.xlsx", [["t", "e"], ["2024-01-01", 1]], title="Curva")
        for sheet in (0, "Curva"):
            assert len(table_of(path, Layout(timestamp="t", energy="e", sheet=sheet))) == 1
        for sheet in (1, "curva"):
            said = refusal(path, Layout(timestamp="t", energy="e", sheet=sheet))
            assert said == f"{path}: no sheet {sheet!r} in it; found, from 0: Curva; set sheet in the layout"

    def test_columns_that_lack_and_sheets_that_are_empty_are_told(self, tmp_path):
        assert refusal(save(tmp_path / "a.xlsx", [["t", "x"]])).endswith("column 'e' is missing; found: t, x")
        assert "it is empty, or has no header" in refusal(save(tmp_path / "b.xlsx", []))

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"t,e\n2024-01-01,1\n", b"PK\x05\x06" + b"\0" * 18])
    def test_what_is_no_workbook_is_told(self, tmp_path, content):
        path = tmp_path / "a.xlsx"
        path.write_bytes(content)
        assert refusal(path).startswith(f"{path}: cannot be read as a sheet: ")

    def test_damage_anywhere_is_told_and_never_another_error(self, tmp_path):
        rows = [["t", "e"], *[[datetime(2024, 1, 1, hour), hour] for hour in range(24)]]
        whole = save(tmp_path / "whole.xlsx", rows).read_bytes()
        rng = np.random.default_rng(5)
        outcomes = set()
        for _ in range(60):
            bad = bytearray(whole)
            for place in rng.integers(0, len(bad), 8):
                bad[place] = rng.integers(0, 256)
            path = tmp_path / "bad.xlsx"
            path.write_bytes(bad[: rng.integers(len(bad) // 2, len(bad))] if rng.random() < 0.3 else bad)
            try:
                table_of(path)
                outcomes.add("read")
            except InputError as error:
                assert str(error).startswith(f"{path}")
                outcomes.add("refused")
        assert "refused" in outcomes


class TestHarm:
    def test_a_zip_bomb_is_refused_before_it_is_unpacked(self, tmp_path):
        path = tmp_path / "bomb.xlsx"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb, bomb.open("xl/sheet.xml", "w") as entry:
            for _ in range(64):
                entry.write(bytes(MEBI))
        (said,) = read_with_little_memory(path)
        assert "cannot be read as a sheet: it is refused because it unpacks from " in said
        assert f" to {64 * MEBI} bytes, more than 1000000000 or 200 times" in said

    def test_more_than_a_gigabyte_or_ten_thousand_files_is_refused_whatever_the_ratio(self, tmp_path, monkeypatch):
        path = save(tmp_path / "a.xlsx", [["t", "e"], ["2024-01-01", 1]])
        assert len(table_of(path)) == 1
        monkeypatch.setattr(layouts, "MOST_UNPACKED_BYTES", 5_000)
        assert "more than 5000 or" in refusal(path)
        monkeypatch.setattr(layouts, "MOST_ARCHIVE_FILES", 3)
        assert "more than 3" in refusal(path)

    def test_declared_sizes_that_lie_unpack_to_no_more_than_declared(self, tmp_path):
        path = with_sheet_xml(tmp_path / "a.xlsx", b"<worksheet>" + b" " * (350 * MEBI))
        true = (350 * MEBI + 11).to_bytes(4, "little")
        content = path.read_bytes()
        assert content.count(true) == 2
        path.write_bytes(content.replace(true, (5_000).to_bytes(4, "little")))
        layouts.check_archive(path)
        (said,) = read_with_little_memory(path)
        assert "cannot be read as a sheet: " in said

    def test_nested_entities_are_not_expanded(self, tmp_path):
        entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
        xml = (
            f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lollollollol">{entities}]><worksheet {MAIN}><sheetData>'
            f'{HEADER_ROW}<row r="2"><c r="A2" t="str"><v>&l9;</v></c></row></sheetData></worksheet>'
        )
        (said,) = read_with_little_memory(with_sheet_xml(tmp_path / "a.xlsx", xml.encode()))
        assert "a.xlsx: cannot be read as a sheet: " in said

    def test_entities_from_files_are_not_read(self, tmp_path):
        secret = write(tmp_path / "secret.txt", "0123456789")
        xml = (
            f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY s SYSTEM "{secret.as_uri()}">]><worksheet {MAIN}><sheetData>'
            f'{HEADER_ROW}<row r="2"><c r="A2" t="str"><v>&s;</v></c></row></sheetData></worksheet>'
        )
        assert "0123456789" not in refusal(with_sheet_xml(tmp_path / "a.xlsx", xml.encode()))

    def test_a_sheet_that_says_it_is_huge_is_read_as_it_is(self, tmp_path):
        huge = [("A1:XFD1048576", "B2"), ("A1:B2", "B999999999999"), ("A1:B2", "XFD2"), ("A1:B2", "ZZZ1048576")]
        paths = []
        for number, (dimension, cell) in enumerate(huge):
            row = "".join(filter(str.isdigit, cell))
            xml = (
                f'<worksheet {MAIN}><dimension ref="{dimension}"/><sheetData>{HEADER_ROW}'
                f'<row r="{row}"><c r="{cell}"><v>5</v></c></row></sheetData></worksheet>'
            )
            paths.append(with_sheet_xml(tmp_path / f"{number}.xlsx", xml.encode()))
        assert read_with_little_memory(*paths) == ["1 rows", "0 rows", "0 rows", "0 rows"]


# ---- parquet ----


class TestParquet:
    def test_columns_of_any_plain_type_are_read(self, tmp_path):
        zone = pa.timestamp("ns", "Europe/Madrid")
        moment = datetime(2023, 12, 31, 23, tzinfo=UTC)
        table = pa.table(
            {
                "m": pa.array([900000000000000001], pa.int64()),
                "aware": pa.array([moment], zone),
                "naive": pa.array([datetime(2024, 1, 1, 1)], pa.timestamp("ms")),
                "day": pa.array([date(2024, 1, 1)]),
                "clock": pa.array([time(13, 15)], pa.time64("us")),
                "text": pa.array(["2024-01-01T02:00Z"]).dictionary_encode(),
                "number": pa.array([20240101], pa.int32()),
                "decimal": pa.array([Decimal("1.25")]),
                "whole": pa.array([7], pa.uint8()),
                "float": pa.array([0.5], pa.float32()),
                "comma": pa.array(["2,5"], pa.string_view()),
            }
        )
        pq.write_table(table, tmp_path / "a.parquet")

        def only(**keys):
            return table_of(tmp_path / "a.parquet", Layout(**{"timestamp": "naive", "energy": "float"} | keys)).iloc[0]

        for name, stamp, aware in (
            ("aware", "2023-12-31 23:00", True), ("naive", "2024-01-01 01:00", False),
            ("day", "2024-01-01 00:00", False), ("number", "2024-01-01 00:00", False),
            ("text", "2024-01-01 02:00", True),
        ):  # fmt: skip
            row = only(timestamp=name)
            assert (str(row["stamp"])[:16], row["aware"]) == (stamp, aware), name
        assert str(only(timestamp=None, date="day", time="clock")["stamp"]) == "2024-01-01 13:15:00"
        assert [only(energy=name)["energy"] for name in ("decimal", "whole", "float")] == [1.25, 7, 0.5]
        assert only(energy="comma", decimal=",")["energy"] == 2.5
        assert only(meter_column="m")["id"] == "900000000000000001"

    def test_nulls_and_infinities_are_no_numbers(self, tmp_path):
        table = pa.table({"t": [datetime(2024, 1, 1), None, None], "e": [float("inf"), 1.0, None], "n": pa.nulls(3)})
        pq.write_table(table, tmp_path / "a.parquet")
        rows = table_of(tmp_path / "a.parquet")
        assert rows["problem"].tolist() == ["'inf' in e is no number", "t is empty", "t is empty"]
        assert rows["line"].tolist() == [1, 2, 3]
        assert table_of(tmp_path / "a.parquet", Layout(timestamp="t", energy="n"))["problem"][0] == "n is empty"

    def test_other_types_missing_columns_and_other_files_are_told(self, tmp_path):
        path = tmp_path / "a.parquet"
        pq.write_table(pa.table({"t": [datetime(2024, 1, 1)], "e": [[1.0]]}), path)
        assert "a.parquet: column 'e' is of type list" in refusal(path)
        assert "a.parquet: column 'x' is missing; found: t, e" in refusal(path, Layout(timestamp="x", energy="e"))
        path.write_bytes(b"t,e\n")
        assert "a.parquet: cannot be read: " in refusal(path)


def test_the_limits_of_memory_are_in_force_in_these_tests():
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (300 << 20,) * 2); bytearray(400 << 20)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MemoryError" in done.stderr
