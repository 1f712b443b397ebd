"""The readers of files: what they make of their formats, and what they say of bad ones."""

import json

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadprofiles.errors import InputError
from loadprofiles.meters import limits_of, no_description
from loadprofiles.profiles import to_profiles
from loadprofiles.readings import check_readings
from loadprofiles.sources import customers, newmongo, oldmongo, sql
from loadprofiles.sources.common import parse_stamps
from loadprofiles.vee import clean_meter

OLD_HEADER = (
    ",id,timestamp,Active_Energy_+_Total_ini,Active_Energy_+_Total_end,Active_Energy_+_Incr,"
    "Active_Energy_-_Total_ini,Active_Energy_-_Total_end,Active_Energy_-_Incr,Average_voltage_L1\n"
)


def write(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def stamps_of(raw):
    return raw.rows["timestamp_utc"].dt.strftime("%Y-%m-%dT%H:%M").tolist()


class TestOldMongo:
    def read(self, tmp_path, rows, meter="A1"):
        write(tmp_path / "csv" / f"{meter}.csv", OLD_HEADER + rows)
        (raw,) = oldmongo.read(oldmongo.find_files(tmp_path))
        return raw

    def test_registers_and_voltages_are_read_as_they_are(self, tmp_path):
        raw = self.read(tmp_path, "0,A1,2019-04-25T21:00:00Z,10,11.5,1.5,5,5,0,231.5\n")
        assert raw.meter_id == "A1"
        row = raw.rows.iloc[0]
        assert row[["import_start", "import_end", "export_end", "voltage_l1_v"]].tolist() == [10, 11.5, 5, 231.5]
        assert stamps_of(raw) == ["2019-04-25T21:00"]

    def test_rows_that_cannot_be_read_or_are_another_meters_are_counted(self, tmp_path):
        raw = self.read(
            tmp_path,
            "0,A1,2019-04-25T21:00:00Z,10,11.5,1.5,5,5,0,231.5\n"
            "1,A1,not a stamp,10,11.5,1.5,5,5,0,231.5\n"
            "2,A1,2019-04-25T21:30:00Z,10,error,1.5,5,5,0,231.5\n"
            "3,B2,2019-04-25T21:45:00Z,10,11.5,1.5,5,5,0,231.5\n",
        )
        assert (raw.rows_read, len(raw.rows)) == (4, 1)
        assert raw.dropped == {"unreadable": 2, "other_meter": 1}

    def test_a_missing_column_is_named_with_the_file(self, tmp_path):
        path = write(tmp_path / "csv" / "A1.csv", ",id,timestamp\n0,A1,2019-04-25T21:00:00Z\n")
        with pytest.raises(InputError, match=r"column 'Active_Energy_\+_Total_ini'.* is missing") as caught:
            list(oldmongo.read([path]))
        assert str(path) in str(caught.value)

    @pytest.mark.parametrize("content", ["", "a,b\n1,2,3\n1\n\x00"])
    def test_files_that_are_no_table_are_named(self, tmp_path, content):
        path = write(tmp_path / "csv" / "A1.csv", content)
        with pytest.raises(InputError, match=r"A1\.csv"):
            list(oldmongo.read([path]))

    def test_another_encoding_is_named(self, tmp_path):
        path = write(tmp_path / "csv" / "A1.csv", OLD_HEADER + "0,ñ,x,1,1,1,1,1,1,1\n", "latin-1")
        with pytest.raises(InputError, match=r"A1\.csv: cannot be read"):
            list(oldmongo.read([path]))

    def test_folders_without_files_say_what_was_expected(self, tmp_path):
        with pytest.raises(InputError, match=r"no such folder; expected one csv/<meter>\.csv a meter, or dumps"):
            oldmongo.find_files(tmp_path / "nowhere")
        (tmp_path / "csv").mkdir()
        with pytest.raises(InputError, match=r"no \*\.csv in it"):
            oldmongo.find_files(tmp_path)


class TestSql:
    def read(self, tmp_path, rows, timezone="UTC"):
        write(tmp_path / "A1.txt", rows)
        (raw,) = sql.read(sql.find_files(tmp_path), timezone)
        return raw

    def test_net_energy_is_import_minus_export_and_other_tags_are_counted(self, tmp_path):
        raw = self.read(
            tmp_path,
            "2021-09-01 00:00:00,Energy_Apiu_1_8_0_A1.kWh,2.5,0,192,192\n"
            "2021-09-01 00:00:00,Energy_Ameno_2_8_0_A1.kWh,0.5,0,192,192\n"
            "2021-09-01 00:00:00,Voltage_L1_A1.V,231,0,192,192\n"
            "2021-09-01 00:00:00,Energy_Apiu_1_8_0_B2.kWh,9,0,192,192\n",
        )
        assert raw.rows["energy_kwh"].tolist() == [2.0]
        assert +raw.dropped == {"other_tag": 2}

    def test_an_interval_with_one_of_two_tags_is_unknown_and_counted(self, tmp_path):
        raw = self.read(
            tmp_path,
            "2021-09-01 00:00:00,Energy_Apiu_1_8_0_A1.kWh,2.5,0,192,192\n"
            "2021-09-01 00:00:00,Energy_Ameno_2_8_0_A1.kWh,0.5,0,192,192\n"
            "2021-09-01 00:15:00,Energy_Ameno_2_8_0_A1.kWh,0.5,0,192,192\n",
        )
        assert len(raw.rows) == 1
        assert +raw.dropped == {"unpaired": 1}

    def test_watt_hours_by_their_tag_and_export_alone(self, tmp_path):
        raw = self.read(tmp_path, "2021-09-01 00:00:00,Energy_Ameno_2_8_0_A1.Wh,1500,0,192,192\n")
        assert raw.rows["energy_kwh"].tolist() == [-1.5]

    def test_a_corrected_row_of_one_tag_comes_after_the_first(self, tmp_path):
        raw = self.read(
            tmp_path,
            "2021-09-01 00:00:00,Energy_Apiu_1_8_0_A1.kWh,2.5,0,192,192\n"
            "2021-09-01 00:00:00,Energy_Ameno_2_8_0_A1.kWh,0.5,0,192,192\n"
            "2021-09-01 00:00:00,Energy_Apiu_1_8_0_A1.kWh,3.5,0,192,192\n",
        )
        assert raw.rows["energy_kwh"].tolist() == [2.0, 3.0]

    def test_stamps_without_an_offset_are_local(self, tmp_path):
        raw = self.read(tmp_path, "2021-09-01 00:00:00,Energy_Apiu_1_8_0_A1.kWh,1,0,192,192\n", "Europe/Rome")
        assert stamps_of(raw) == ["2021-08-31T22:00"]

    def test_a_file_without_an_energy_tag_of_its_meter_says_what_it_has(self, tmp_path):
        with pytest.raises(InputError, match=r"A1\.txt: no row has the tag Energy_Apiu_1_8_0_A1\.kWh .*found: Volt"):
            self.read(tmp_path, "2021-09-01 00:00:00,Voltage_L1_A1.V,231,0,192,192\n")


class TestNewMongo:
    def read(self, tmp_path, text, timezone="UTC"):
        return list(newmongo.read(write(tmp_path / "newmongo.csv", text), timezone))

    def test_days_become_intervals_and_other_quantities_are_counted(self, tmp_path):
        (raw,) = self.read(
            tmp_path,
            "id,date,energy_type,00:00:00,00:15:00\n"
            "007,2020-03-02,active_sum,3,4\n"
            "007,2020-03-01,active_sum,1,\n"
            "007,2020-03-01,reactive,8,9\n",
        )
        assert raw.meter_id == "007"
        assert raw.rows["energy_kwh"].tolist() == [1, 3, 4]
        assert stamps_of(raw) == ["2020-03-01T00:00", "2020-03-02T00:00", "2020-03-02T00:15"]
        assert +raw.dropped == {"other_quantity": 1}

    @pytest.mark.parametrize(
        ("text", "message"),
        [("id,date,energy_type\nA,2020-01-01,x\n", "no column is a time of day"), ("id,date\nA,b\n", "'energy_type'")],
    )
    def test_a_table_that_is_none_of_it_says_what_is_missing(self, tmp_path, text, message):
        with pytest.raises(InputError, match=message):
            self.read(tmp_path, text)

    def test_an_export_is_read_line_by_line_also_with_a_byte_order_mark(self, tmp_path):
        document = {"_id": {"$oid": "5" * 24}, "id": "A", "date": "2020-03-01", "energy_type": "active_sum"}
        write(tmp_path / "a.jsonl", "\ufeff" + json.dumps(document | {"00:00:00": 1}) + "\n\n")
        write(tmp_path / "b.csv", "id,date,energy_type,00:00:00\nB,2020-03-01,active_sum,2\n")
        assert [d["id"] for d in newmongo.read_export(tmp_path)] == ["A", "B"]

    @pytest.mark.parametrize(
        ("line", "message"),
        [('{"id": "A"', "line 2: not a document"), ('{"id": "A"}', "line 2: field 'date', 'energy_type' is missing")],
    )
    def test_a_bad_line_of_an_export_is_named(self, tmp_path, line, message):
        good = json.dumps({"id": "A", "date": "2020-03-01", "energy_type": "active_sum"})
        write(tmp_path / "a.jsonl", f"{good}\n{line}\n")
        with pytest.raises(InputError, match=message):
            list(newmongo.read_export(tmp_path))


class TestCustomers:
    ROW = "2021-01-01 00:00:00,0.5,0.2,455.1,510.5\n"
    HEADER = "Fecha,Active_energy,Reactive_energy,Voltaje_FA,Voltaje_FC\n"

    def test_customers_come_in_the_order_of_their_numbers_and_other_files_are_left(self, tmp_path):
        for name in ("DATOSCLIENTE10.csv", "DATOSCLIENTE9.csv", "published_results.csv"):
            write(tmp_path / name, self.HEADER + self.ROW)
        meters = list(customers.read(customers.find_files(tmp_path), "America/Lima"))
        assert [m.meter_id for m in meters] == ["Cliente 9", "Cliente 10"]
        row = meters[0].rows.iloc[0]
        assert row[["energy_kwh", "reactive_energy_kvarh", "voltage_fa_v", "voltage_fc_v"]].tolist() == [
            0.5, 0.2, 455.1, 510.5,
        ]  # fmt: skip
        assert stamps_of(meters[0]) == ["2021-01-01T05:00"]

    def test_a_file_without_a_number_is_refused_rather_than_skipped(self, tmp_path):
        write(tmp_path / "DATOSCLIENTE_x.csv", self.HEADER + self.ROW)
        with pytest.raises(InputError, match="expected a number after DATOSCLIENTE"):
            customers.find_files(tmp_path)

    def test_names_of_the_sheet_are_stripped(self, tmp_path):
        sheet = pd.DataFrame({"Cliente:": ["Cliente 1 ", " Cliente  2"], "Sector Económico:": ["agua ", "uvas"]})
        sheet.to_excel(tmp_path / customers.SECTOR_SHEET, index=False)
        assert customers.read_sectors(tmp_path).to_dict() == {"Cliente 1": "agua", "Cliente 2": "uvas"}

    def test_no_sheet_means_no_sectors(self, tmp_path):
        assert customers.read_sectors(tmp_path).empty

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"no sheet at all"])
    def test_a_sheet_that_is_none_is_named(self, tmp_path, content):
        (tmp_path / customers.SECTOR_SHEET).write_bytes(content)
        with pytest.raises(InputError, match=r"sector_economico_clientes\.xlsx: cannot be read as a sheet"):
            customers.read_sectors(tmp_path)

    def test_a_sheet_without_its_columns_names_them(self, tmp_path):
        pd.DataFrame({"Cliente:": ["a"]}).to_excel(tmp_path / customers.SECTOR_SHEET, index=False)
        with pytest.raises(InputError, match="'Sector Económico:' is missing"):
            customers.read_sectors(tmp_path)


def test_the_hour_that_clocks_show_twice_is_read_in_the_order_of_the_file():
    local = pd.Series(["2024-10-27 01:00", "2024-10-27 02:00", "2024-10-27 02:00", "2024-10-27 03:00"])
    utc = parse_stamps(local, "Europe/Rome")
    assert utc.dt.strftime("%d %H:%M").tolist() == ["26 23:00", "27 00:00", "27 01:00", "27 02:00"]


def test_each_stamp_goes_by_its_own_offset_if_it_has_one():
    mixed = pd.Series(["2024-07-01 02:00", "2024-07-01T02:00:00Z", "2024-07-01 02:00+05:00"])
    assert parse_stamps(mixed, "Europe/Rome").dt.strftime("%d %H:%M").tolist() == ["01 00:00", "01 02:00", "30 21:00"]


def test_the_hour_that_no_clock_shows_is_no_stamp():
    assert parse_stamps(pd.Series(["2024-03-31 02:30", "2024-03-31 03:00"]), "Europe/Rome").isna().tolist() == [
        True,
        False,
    ]


@given(st.lists(st.text(max_size=20), min_size=1, max_size=5))
def test_any_text_is_a_stamp_or_none_and_never_an_error(texts):
    parsed = parse_stamps(pd.Series(texts, dtype="str"), "Europe/Rome")
    assert len(parsed) == len(texts)
    assert str(parsed.dtype) == "datetime64[us, UTC]"


STAMPS = st.sampled_from(["2021-01-01 00:00:00", "2021-01-01 01:00:00", "2021-01-01T02:00:00Z", "1970-01-01", "x", ""])
CELLS = st.one_of(st.floats(-1e9, 1e9).map(str), st.sampled_from(["", "nan", "inf", "1e400", '"', "ñ", "-", "0"]))
NOW = pd.Timestamp("2024-01-01", tz="UTC")


def cleaned_or_refused(readers):
    """Every meter of a reader goes through VEE, or the reader says what is wrong."""
    try:
        raws = list(readers)
    except InputError:
        return
    for raw in raws:
        clean = clean_meter(raw, limits_of(no_description(), raw.meter_id), "Europe/Rome", NOW)
        check_readings(clean.readings)
        assert len(raw.rows) + raw.dropped.total() <= raw.rows_read
        if clean.step_minutes:
            to_profiles(clean.readings, clean.step_minutes, 1440, "Europe/Rome")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(STAMPS, st.lists(CELLS, min_size=4, max_size=5)), max_size=12))
def test_any_customer_file_is_read_or_refused(tmp_path, rows):
    lines = [",".join([stamp, *cells]) for stamp, cells in rows]
    path = write(tmp_path / "DATOSCLIENTE1.csv", TestCustomers.HEADER + "\n".join(lines))
    cleaned_or_refused(customers.read([path], "Europe/Rome"))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(STAMPS, st.lists(CELLS, min_size=7, max_size=8)), max_size=12))
def test_any_dump_is_read_or_refused(tmp_path, rows):
    lines = [",".join(["0", "A1", stamp, *cells]) for stamp, cells in rows]
    path = write(tmp_path / "A1.csv", OLD_HEADER + "\n".join(lines))
    cleaned_or_refused(oldmongo.read([path]))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(STAMPS, st.sampled_from(["Energy_Apiu_1_8_0_A1.kWh", "Energy_Ameno_2_8_0_A1.kWh", "?"]), CELLS))
)
def test_any_export_of_the_historian_is_read_or_refused(tmp_path, rows):
    path = write(tmp_path / "A1.txt", "\n".join(f"{stamp},{tag},{cell},0,192,192" for stamp, tag, cell in rows))
    cleaned_or_refused(sql.read([path], "Europe/Rome"))
