"""Customers' files: one truth in many layouts, and the two days on which clocks change."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadprofiles.errors import InputError
from loadprofiles.meters import limits_of, no_description
from loadprofiles.sources import customers
from loadprofiles.sources.layouts import BUILT_IN, Layout, Sectors
from loadprofiles.synthetic import make_meter
from loadprofiles.vee import clean_meter

MADRID = "Europe/Madrid"
NOW = pd.Timestamp("2026-01-01", tz="UTC")
HEADER = "Fecha,Active_energy,Reactive_energy,Voltaje_FA,Voltaje_FC\n"


def write(path, text, encoding="utf-8"):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def layout_of(folder, keys):
    """A layout by way of its file; JSON's text and numbers are TOML's too."""
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in keys.items()]
    return customers.read_layout(write(folder / "layout.toml", "\n".join(lines)))


def meters_of(folder, layout, timezone=MADRID):
    """All meters of a folder, by way of a pickle as another process gets them."""
    jobs = pickle.loads(pickle.dumps(customers.jobs(folder / "data", timezone, layout, folder / "work")))
    return [raw for job in jobs for raw in job.read()]


def cleaned(raw):
    return clean_meter(raw, limits_of(no_description(), raw.meter_id), MADRID, NOW)


# ---- one truth in many layouts ----


def truth_of(meter):
    """The meter's true energy and its start in UTC and local time."""
    energy = meter.truth.energy_kwh
    utc = pd.DatetimeIndex(energy.index)
    return pd.DataFrame({"utc": utc, "local": utc.tz_convert(MADRID), "kwh": energy.to_numpy()})


def with_comma(numbers):
    return [f"{number:.6f}".replace(".", ",") for number in numbers]


def iso_start(folder, meter, rows):
    table = pd.DataFrame({"t": rows["local"].dt.strftime("%Y-%m-%d %H:%M:%S"), "e": rows["kwh"]})
    write(folder / f"{meter}.csv", table.to_csv(index=False))


def end_stamped(folder, meter, rows):
    """By the clock: the end of an interval as a clock shows it."""
    ends = (rows["utc"] + pd.Timedelta(minutes=15)).dt.tz_convert(MADRID)
    text = ends.dt.strftime("%d/%m/%Y %H:%M")
    table = pd.DataFrame({"Fin": text, "Wh": (rows["kwh"] * 1000).round().astype("int64")})
    write(folder / f"{meter}.txt", table.to_csv(index=False, sep="|"))


def end_by_start(folder, meter, rows):
    """By the start plus 15 minutes, midnight as 24:00, in two columns."""
    naive = rows["local"].dt.tz_localize(None)
    ends = naive + pd.Timedelta(minutes=15)
    clock = ends.dt.strftime("%H:%M").replace("00:00", "24:00")
    table = pd.DataFrame({"Fecha": naive.dt.strftime("%d/%m/%Y"), "Hora": clock, "P": rows["kwh"] * 4})
    write(folder / f"{meter}.csv", table.to_csv(index=False, float_format="%.9f"))


def power_with_commas(folder, meter, rows):
    table = pd.DataFrame(
        {"Día y hora": rows["local"].dt.strftime("%d.%m.%y %H:%M"), "Leistung": with_comma(rows["kwh"] * 4)}
    )
    text = "Auszug\n\n" + table.to_csv(index=False, sep=";")
    write(folder / f"{meter}.csv", text, "latin-1")


def with_byte_order_mark(folder, meter, rows):
    table = pd.DataFrame({"Energía": (rows["kwh"] / 1000), "t": rows["local"].dt.strftime("%Y-%m-%dT%H:%M")})
    write(folder / f"{meter}.tsv", "\ufeff" + table.to_csv(index=False, sep="\t", lineterminator="\r\n"))


def thousands_and_export(folder, meter, rows):
    """Import and export in Wh, as 1.234,5, both above zero."""
    imported = [f"{max(kwh, 0) * 1000 + 5000:,.1f}" for kwh in rows["kwh"]]
    exported = [f"{max(-kwh, 0) * 1000 + 5000:,.1f}" for kwh in rows["kwh"]]
    swap = str.maketrans(",.", ".,")
    table = pd.DataFrame(
        {"t": rows["utc"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"), "AE": [t.translate(swap) for t in imported]}
    ).assign(AS=[t.translate(swap) for t in exported])
    write(folder / f"{meter}.csv", table.to_csv(index=False, sep=";"))


def numbered(folder, meter, rows):
    day = rows["local"].dt.strftime("%d/%m/%Y")
    table = pd.DataFrame({"Fecha": day, "Periodo": day.groupby(day).cumcount() + 1, "AE_kWh": with_comma(rows["kwh"])})
    write(folder / f"{meter}.csv", table.to_csv(index=False, sep=";"))


def monthly(folder, meter, rows):
    """Two meters in every file, the second with twice the energy, its rows in between."""
    both = pd.concat([rows.assign(cups=meter), rows.assign(cups="../../otro", kwh=rows["kwh"] * 2)])
    both = both.sort_values(["utc", "cups"])
    for month, part in both.groupby(both["local"].dt.strftime("%Y-%m")):
        table = pd.DataFrame({"CUPS": part["cups"], "t": part["local"].dt.strftime("%Y-%m-%d %H:%M"), "e": part["kwh"]})
        write(folder / month[:4] / f"{month}.csv", table.to_csv(index=False))


def workbook(folder, meter, rows):
    folder.mkdir()
    table = pd.DataFrame({"Fecha y hora": rows["local"].dt.tz_localize(None), "kWh": rows["kwh"]})
    with pd.ExcelWriter(folder / f"{meter}.xlsx") as book:
        pd.DataFrame({"x": [1]}).to_excel(book, sheet_name="Portada", index=False)
        table.to_excel(book, sheet_name="Curva", index=False, startrow=3)


def parquet(folder, meter, rows):
    folder.mkdir()
    pd.DataFrame({"t": rows["local"], "w": (rows["kwh"] * 4000), "m": meter}).to_parquet(folder / "all.parquet")


SPANISH = {"delimiter": ";", "decimal": ","}
LAYOUTS = {
    iso_start: {"timestamp": "t", "energy": "e"},
    end_stamped: {
        "files": "*.txt", "delimiter": "|", "timestamp": "Fin", "timestamp_format": "%d/%m/%Y %H:%M", "stamps": "end",
        "energy": "Wh", "unit": "Wh",
    },
    end_by_start: {
        "date": "Fecha", "time": "Hora", "timestamp_format": "%d/%m/%Y %H:%M", "stamps": "end",
        "energy": "P", "unit": "kW",
    },
    power_with_commas: SPANISH | {
        "timestamp": "Día y hora", "timestamp_format": "%d.%m.%y %H:%M", "energy": "Leistung", "unit": "kW",
        "encoding": "latin-1", "skip_rows": 1,
    },
    with_byte_order_mark: {"files": "*.tsv", "timestamp": "t", "energy": "Energía", "unit": "MWh"},
    thousands_and_export: SPANISH | {"timestamp": "t", "energy": "AE", "export": "AS", "unit": "Wh", "thousands": "."},
    numbered: SPANISH | {
        "date": "Fecha", "hour": "Periodo", "timestamp_format": "%d/%m/%Y", "interval_minutes": 15, "energy": "AE_kWh",
    },
    monthly: {"files": "**/*.csv", "meter_column": "CUPS", "timestamp": "t", "energy": "e"},
    workbook: {"files": "*.xlsx", "sheet": "Curva", "skip_rows": 3, "timestamp": "Fecha y hora", "energy": "kWh"},
    parquet: {"files": "*.parquet", "meter_column": "m", "timestamp": "t", "energy": "w", "unit": "W"},
}  # fmt: skip


@pytest.mark.parametrize("day", ["2024-10-24", "2024-03-28"], ids=["autumn", "spring"])
@pytest.mark.parametrize("writer", LAYOUTS, ids=lambda writer: writer.__name__)
def test_one_truth_comes_out_of_every_layout(tmp_path, writer, day):
    meter = make_meter("Cliente 7", "pv_prosumer", source="customers", start=day, days=9, timezone=MADRID)
    truth = truth_of(meter)
    writer(tmp_path / "data", "Cliente 7", truth)
    raws = {raw.meter_id: raw for raw in meters_of(tmp_path, layout_of(tmp_path, LAYOUTS[writer]))}
    raw = raws.pop("Cliente 7")
    assert (raw.rows_read, raw.dropped, raw.where) == (len(truth), {}, {})
    readings = cleaned(raw).readings
    assert readings["timestamp_utc"].tolist() == truth["utc"].tolist()
    np.testing.assert_allclose(readings["energy_kwh"], truth["kwh"], atol=1e-6)
    assert set(readings["quality"]) == {"measured"}
    assert list(raws) == (["../../otro"] if writer is monthly else [])
    for other in raws.values():
        np.testing.assert_allclose(cleaned(other).readings["energy_kwh"], truth["kwh"] * 2, atol=1e-6)


# ---- the days on which clocks change ----

AUTUMN, SPRING = "2024-10-27", "2024-03-31"
STARTS = {  # local stamps of a whole day of hours, and the UTC hour of the first
    ("start", AUTUMN): [0, 1, 2, 2, *range(3, 24)],
    ("start", SPRING): [0, 1, *range(3, 24)],
    ("end", AUTUMN): [1, 2, 2, *range(3, 25)],
    ("end", SPRING): [1, *range(3, 25)],
    ("end by start", AUTUMN): [1, 2, 3, 3, *range(4, 25)],
    ("end by start", SPRING): [1, 2, *range(4, 25)],
}


@pytest.mark.parametrize("backwards", [False, True], ids=["oldest first", "newest first"])
@pytest.mark.parametrize(("kind", "day"), STARTS)
def test_a_day_of_23_or_25_hours_loses_and_doubles_nothing(tmp_path, kind, day, backwards):
    hours = STARTS[kind, day]
    assert len(hours) == (25 if day == AUTUMN else 23)
    lines = [f"{day} {hour:02d}:00,{number}" for number, hour in enumerate(hours)]
    write(tmp_path / "data" / "a.csv", "t,e\n" + "\n".join(reversed(lines) if backwards else lines))
    layout = Layout(timestamp="t", energy="e", stamps=kind[:5].split()[0])
    (raw,) = meters_of(tmp_path, layout)
    assert raw.dropped == {}
    rows = raw.rows.sort_values("timestamp_utc")
    first = pd.Timestamp(day, tz=MADRID).tz_convert("UTC")
    assert rows["timestamp_utc"].tolist() == [first + pd.Timedelta(hours=n) for n in range(len(hours))]
    assert rows["energy_kwh"].tolist() == list(range(len(hours)))


@pytest.mark.parametrize(("day", "hours"), [(AUTUMN, 25), (SPRING, 23), ("2024-05-01", 24)])
def test_numbered_hours_are_those_of_the_local_day_and_no_more(tmp_path, day, hours):
    write(tmp_path / "data" / "a.csv", "d,h,e\n" + "".join(f"{day},{n},{n}\n" for n in range(1, 26)))
    (raw,) = meters_of(tmp_path, Layout(date="d", hour="h", energy="e"))
    first = pd.Timestamp(day, tz=MADRID).tz_convert("UTC")
    assert raw.rows["timestamp_utc"].tolist() == [first + pd.Timedelta(hours=n) for n in range(hours)]
    assert raw.dropped.total() == 25 - hours
    if hours < 25:
        assert f"a.csv, line {hours + 2}: {day} has no interval {hours + 1} in {MADRID}" in raw.where["unreadable"]


def test_the_first_hour_is_the_days_first_where_clocks_change_at_midnight(tmp_path):
    write(tmp_path / "data" / "a.csv", "d,h,e\n2024-03-10,1,5\n2024-11-03,1,6\n2024-11-03,2,7\n")
    (raw,) = meters_of(tmp_path, Layout(date="d", hour="h", energy="e", timezone="America/Havana"))
    utc = raw.rows["timestamp_utc"].dt.strftime("%d %H:%M").tolist()
    assert utc == ["10 05:00", "03 04:00", "03 05:00"]


def test_an_hour_that_a_file_invents_in_spring_is_no_reading(tmp_path):
    lines = [f"{SPRING} {hour:02d}:00,{hour}" for hour in (1, 2, 3, 4)]
    write(tmp_path / "data" / "a.csv", "t,e\n" + "\n".join(lines))
    (raw,) = meters_of(tmp_path, Layout(timestamp="t", energy="e", stamps="end"))
    assert raw.rows["energy_kwh"].tolist() == [1, 2, 4]
    assert "a.csv, line 4: 2024-03-31 03:00:00 was on no clock of Europe/Madrid" in raw.where["unreadable"]


def test_a_day_that_two_files_deliver_has_its_two_hours_in_each(tmp_path):
    for name, value in (("a1", 1), ("a2", 5)):
        write(
            tmp_path / "data" / f"{name}.csv",
            f"t,e\n{AUTUMN} 01:00,0\n{AUTUMN} 02:00,{value}\n{AUTUMN} 02:00,{value + 1}\n",
        )
    (raw,) = meters_of(tmp_path, Layout(timestamp="t", energy="e", meter_pattern="^(a)"))
    later = raw.rows.drop_duplicates("timestamp_utc", keep="last")
    assert later["energy_kwh"].tolist() == [0, 5, 6]
    assert raw.origin.endswith("a2.csv")


def test_stamps_with_an_offset_are_not_local(tmp_path):
    write(tmp_path / "data" / "a.csv", f"t,e\n{AUTUMN}T02:00:00+02:00,1\n{AUTUMN}T02:00:00+01:00,2\n{AUTUMN} 05:00,3\n")
    (raw,) = meters_of(tmp_path, Layout(timestamp="t", energy="e"))
    assert raw.rows["timestamp_utc"].dt.strftime("%H:%M").tolist() == ["00:00", "01:00", "04:00"]


# ---- meters ----


class TestMeters:
    def test_power_goes_by_the_interval_that_the_stamps_show(self, tmp_path):
        write(tmp_path / "data" / "a.csv", "t,e,r\n2024-01-01 00:00,4,2\n2024-01-01 00:30,6,2\n")
        (raw,) = meters_of(tmp_path, Layout(timestamp="t", energy="e", reactive="r", unit="kW"))
        assert raw.rows["energy_kwh"].tolist() == [2, 3]
        assert raw.rows["reactive_energy_kvarh"].tolist() == [1, 1]

    @pytest.mark.parametrize(("changes", "rows"), [({"unit": "kW"}, 1), ({"stamps": "end"}, 1)])
    def test_an_interval_that_nobody_knows_is_told(self, tmp_path, changes, rows):
        write(tmp_path / "data" / "a.csv", "t,e\n2024-01-01 00:00,4\n")
        (raw,) = meters_of(tmp_path, Layout(timestamp="t", energy="e", **changes))
        assert (len(raw.rows), raw.dropped) == (0, {"interval": rows})
        assert "line 2: the stamps show no regular interval; set interval_minutes" in raw.where["interval"]
        (raw,) = meters_of(tmp_path, Layout(timestamp="t", energy="e", interval_minutes=15, **changes))
        assert len(raw.rows) == rows

    def test_another_interval_than_the_layouts_is_told_and_not_taken(self, tmp_path):
        write(tmp_path / "data" / "a.csv", "t,e\n2024-01-01 00:00,4\n2024-01-01 01:00,4\n")
        (raw,) = meters_of(tmp_path, Layout(timestamp="t", energy="e", interval_minutes=15, unit="kW"))
        assert raw.dropped == {"interval": 2}
        assert "stamps are mostly 60 minutes apart, interval_minutes is 15" in raw.where["interval"]

    def test_export_that_a_meter_never_has_is_none_but_one_that_is_missing_once_is_unknown(self, tmp_path):
        rows = "m,t,e,x\nA,2024-01-01 00:00,4,\nB,2024-01-01 00:00,4,1\nA,2024-01-01 01:00,5,\nB,2024-01-01 01:00,5,\n"
        write(tmp_path / "data" / "a.csv", rows)
        layout = Layout(timestamp="t", energy="e", export="x", meter_column="m")
        a, b = sorted(meters_of(tmp_path, layout), key=lambda raw: raw.meter_id)
        assert (a.rows["energy_kwh"].tolist(), a.dropped) == ([4, 5], {})
        assert (b.rows["energy_kwh"].tolist(), b.dropped) == ([3], {"unreadable": 1})
        assert b.where["unreadable"].endswith("a.csv, line 5: x is empty")

    def test_ids_are_opaque_and_rows_without_one_are_counted_with_the_first_meter(self, tmp_path):
        ids = ["../../x", "<script>alert(1)</script>", "a" * 300, "C:\\x", " 007 ", ""]
        write(tmp_path / "data" / "a.csv", "m,t,e\n" + "".join(f"{i},2024-01-01 00:00,1\n" for i in ids) + "x,y\n")
        raws = meters_of(tmp_path, Layout(timestamp="t", energy="e", meter_column="m"))
        assert {raw.meter_id for raw in raws} == {*ids[:-2], "007"}
        assert raws[0].dropped == {"ragged": 1, "no_meter_id": 1}
        assert raws[0].where["no_meter_id"].endswith("a.csv, line 7: m is empty")
        assert raws[0].where["ragged"].endswith("a.csv, line 8: 2 cells, the header has 3")
        assert sum(raw.rows_read for raw in raws) == 7
        assert {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*")} == {"data", "work"}

    def test_a_meters_origin_names_the_files_it_is_in(self, tmp_path):
        for month, meters in enumerate(("A", "AB", "A", "A", "A"), start=1):
            rows = "".join(f"{meter},2024-0{month}-01,1\n" for meter in meters)
            write(tmp_path / "data" / f"{month}.csv", "m,t,e\n" + rows)
        a, b = sorted(
            meters_of(tmp_path, Layout(timestamp="t", energy="e", meter_column="m")), key=lambda m: m.meter_id
        )
        assert [path.split("/")[-1] for path in a.origin.split(", ")] == ["1.csv", "2.csv", "3.csv and 2 more"]
        assert b.origin.endswith("data/2.csv")
        assert a.rows["timestamp_utc"].is_monotonic_increasing

    def test_files_of_one_meter_are_read_in_the_order_of_their_numbers(self, tmp_path):
        for number in (10, 9):
            write(tmp_path / "data" / f"X_{number}.csv", f"t,e\n2024-01-{number:02d},{number}\n")
        (raw,) = meters_of(tmp_path, Layout(timestamp="t", energy="e", meter_pattern="^(.*)_", meter_id="{folder}/{1}"))
        assert raw.meter_id == "data/X"
        assert raw.rows["energy_kwh"].tolist() == [9, 10]

    def test_a_file_that_cannot_be_read_fails_alone(self, tmp_path):
        write(tmp_path / "data" / "good.csv", "m,t,e\nA,2024-01-01,1\n")
        write(tmp_path / "data" / "none.csv", "m,t\nA,2024-01-01\n")
        jobs = customers.jobs(tmp_path / "data", MADRID, Layout(timestamp="t", energy="e", meter_column="m"), tmp_path)
        good, bad = jobs
        assert [raw.meter_id for raw in good.read()] == ["A"]
        with pytest.raises(InputError, match=r"none\.csv: column 'e' is missing; found: m, t"):
            bad.read()

    def test_no_readable_file_at_all_stops_the_source(self, tmp_path):
        write(tmp_path / "data" / "none.csv", "m,t\nA,2024-01-01\n")
        with pytest.raises(InputError, match="column 'e' is missing"):
            meters_of(tmp_path, Layout(timestamp="t", energy="e", meter_column="m"))
        write(tmp_path / "data" / "none.csv", "m,t,e\n")
        with pytest.raises(InputError, match="no row of 1 files names a meter in column 'm'"):
            meters_of(tmp_path, Layout(timestamp="t", energy="e", meter_column="m"))

    def test_a_file_with_nothing_but_a_header_is_a_meter_without_rows_or_is_told(self, tmp_path, caplog):
        write(tmp_path / "data" / "a.csv", "m,t,e")
        write(tmp_path / "data" / "b.csv", "m,t,e\nB,2024-01-01,1\n")
        a, _ = meters_of(tmp_path, Layout(timestamp="t", energy="e"))
        assert (len(a.rows), a.rows_read) == (0, 0)
        assert [f.kind for f in cleaned(a).findings] == ["no_regular_interval"]
        assert not caplog.messages
        meters_of(tmp_path, Layout(timestamp="t", energy="e", meter_column="m"))
        assert [message.split("/")[-1] for message in caplog.messages] == ["a.csv: has a header but no rows"]

    def test_hidden_and_lock_files_and_the_sectors_are_no_meters(self, tmp_path):
        for name in ("a.csv", ".b.csv", "~$c.csv", "sectors.csv"):
            write(tmp_path / "data" / name, "t,e\n2024-01-01,1\n")
        layout = Layout(timestamp="t", energy="e", sectors=Sectors(file="sectors.csv", meter="t", sector="e"))
        assert [raw.meter_id for raw in meters_of(tmp_path, layout)] == ["a"]

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (
                {"files": "*.xml"},
                r"data: no \*\.xml in it; the layout expects files = '\*\.xml', or pass an empty value",
            ),
            ({"files": "a.*"}, r"a\.doc: cannot be read: its suffix is none of \.csv, \.txt, \.tsv, \.xlsx, \.parquet"),
            (
                {"files": "a.doc", "meter_pattern": "^b"},
                r"a\.doc: its name does not match meter_pattern = '\^b'; rename",
            ),
            ({"files": "a.doc", "meter_pattern": "(x?)"}, r"a\.doc: meter_id = '\{1\}' gives no name for its meter"),
            ({"files": "*"}, "no file"),
        ],
    )
    def test_files_that_do_not_fit_are_named(self, tmp_path, changes, message):
        write(tmp_path / "data" / ("~$a.doc" if changes["files"] == "*" else "a.doc"), "")
        with pytest.raises(InputError, match=message):
            meters_of(tmp_path, Layout(timestamp="t", energy="e", **changes))


# ---- the built-in layout and the sectors ----


class TestBuiltIn:
    ROW = "2021-01-01 00:00:00,0.5,0.2,455.1,510.5\n"

    def test_customers_come_in_the_order_of_their_numbers_and_other_files_are_left(self, tmp_path):
        for name in ("DATOSCLIENTE10.csv", "DATOSCLIENTE09.csv", "published_results.csv"):
            write(tmp_path / "data" / name, HEADER + self.ROW)
        meters = meters_of(tmp_path, BUILT_IN, "America/Lima")
        assert [raw.meter_id for raw in meters] == ["Cliente 9", "Cliente 10"]
        assert meters[0].rows.to_dict("records") == [
            {
                "timestamp_utc": pd.Timestamp("2021-01-01 05:00", tz="UTC"), "energy_kwh": 0.5,
                "reactive_energy_kvarh": 0.2, "voltage_fa_v": 455.1, "voltage_fc_v": 510.5,
            }
        ]  # fmt: skip

    def test_a_file_without_a_number_is_refused_rather_than_skipped(self, tmp_path):
        write(tmp_path / "data" / "DATOSCLIENTE_x.csv", HEADER + self.ROW)
        with pytest.raises(InputError, match="expected a number after DATOSCLIENTE"):
            meters_of(tmp_path, BUILT_IN)

    def test_rows_without_a_stamp_or_energy_are_counted_but_other_quantities_may_lack(self, tmp_path):
        rows = "2021-01-01 00:00:00,0.5,error,,1e999\nx,1,1,1,1\n2021-01-01 01:00:00,error,1,1,1\n2021-01-01,,1,1,1\n"
        write(tmp_path / "data" / "DATOSCLIENTE1.csv", HEADER + rows)
        (raw,) = meters_of(tmp_path, BUILT_IN)
        assert raw.rows.iloc[0, 2:].isna().all()
        assert (len(raw.rows), raw.dropped) == (1, {"unreadable": 3})
        assert raw.where["unreadable"].endswith("DATOSCLIENTE1.csv, line 3: 'x' in Fecha is no stamp")

    def test_the_job_is_named_after_its_file_and_knows_its_size(self, tmp_path):
        path = write(tmp_path / "DATOSCLIENTE1.csv", HEADER + self.ROW)
        (job,) = customers.jobs(tmp_path, MADRID, BUILT_IN, tmp_path / "work")
        assert (job.origin, job.size_bytes) == (str(path), path.stat().st_size)


class TestSectors:
    def sheet(self, folder, table):
        pd.DataFrame(table).to_excel(folder / customers.SECTOR_SHEET, index=False)

    def test_names_of_the_sheet_are_stripped(self, tmp_path):
        table = {"Cliente:": ["Cliente 1 ", " Cliente  2", None, "Cliente 3"]}
        self.sheet(tmp_path, table | {"Sector Económico: ": ["agua ", "uvas", "x", None]})
        sectors = customers.read_sectors(tmp_path)
        assert sectors.dropna().to_dict() == {"Cliente 1": "agua", "Cliente 2": "uvas"}
        assert sectors.index.tolist() == ["Cliente 1", "Cliente 2", "Cliente 3"]
        assert sectors.name == "sector"

    def test_no_sheet_means_no_sectors(self, tmp_path):
        assert customers.read_sectors(tmp_path).empty

    def test_one_meter_in_two_sectors_is_refused_but_not_a_row_twice(self, tmp_path):
        self.sheet(tmp_path, {"Cliente:": ["A", "A"], "Sector Económico:": ["x", "x"]})
        assert customers.read_sectors(tmp_path).to_dict() == {"A": "x"}
        self.sheet(tmp_path, {"Cliente:": ["A", "A"], "Sector Económico:": ["x", "y"]})
        with pytest.raises(InputError, match=r"clientes\.xlsx, row 3: a second sector of 'A'; leave one"):
            customers.read_sectors(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"no sheet at all"])
    def test_a_sheet_that_is_none_is_named(self, tmp_path, content):
        (tmp_path / customers.SECTOR_SHEET).write_bytes(content)
        with pytest.raises(InputError, match=r"sector_economico_clientes\.xlsx: cannot be read as a sheet"):
            customers.read_sectors(tmp_path)

    def test_a_sheet_without_its_columns_names_them(self, tmp_path):
        self.sheet(tmp_path, {"Cliente:": ["a"]})
        with pytest.raises(InputError, match="'Sector Económico:' is missing"):
            customers.read_sectors(tmp_path)

    def test_a_layout_may_name_a_file_of_its_own(self, tmp_path):
        layout = Layout(
            timestamp="t", energy="e", delimiter=";", sectors=Sectors(file="clientes.csv", meter="CUPS", sector="CNAE")
        )
        path = write(tmp_path / "clientes.csv", "CUPS;x;CNAE\nA;1;agua\n\nB;2;uvas\n")
        assert customers.read_sectors(tmp_path, layout).to_dict() == {"A": "agua", "B": "uvas"}
        write(path, "CUPS;x;CNAE\nA;1;agua\nB;2\n")
        with pytest.raises(InputError, match=r"clientes\.csv, line 3: 2 cells, the header has 3; mend the file"):
            customers.read_sectors(tmp_path, layout)
        path.unlink()
        with pytest.raises(InputError, match=r"clientes\.csv: cannot be read"):
            customers.read_sectors(tmp_path, layout)


# ---- anything at all ----

CELLS = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ["2024-10-27 02:00", "2024-03-31 02:00", "27/10/2024", "24:00", "25", "1.234,5", '"', "", "\r", "9999-12-31",
         "1e400", "-3", "2024-01-01T00:00+05", "0001-01-01 24:00", "5", "2024", "1,5", "\0", "nan", "２"]
    ),
)  # fmt: skip
MAPS = st.sampled_from(
    [
        {"timestamp": "a"},
        {"timestamp": "a", "stamps": "end", "unit": "kW"},
        {"timestamp": "a", "timestamp_format": "%d/%m/%Y %H:%M", "stamps": "end", "interval_minutes": 15},
        {"timestamp": "a", "timestamp_format": "%Y-%m-%dT%H:%M%z"},
        {"date": "a", "time": "b"},
        {"date": "a", "time": "b", "timestamp_format": "%d/%m/%Y %H:%M", "stamps": "end"},
        {"date": "a", "hour": "b", "unit": "W"},
    ]
)
MARKS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from([",", ";", "\t"]),
        "encoding": st.sampled_from(["utf-8", "latin-1", "utf-16"]),
        "meter_column": st.sampled_from([None, "d"]),
        "export": st.sampled_from([None, "b", "e"]),
        "skip_rows": st.integers(0, 2),
    },
)
NUMBERS = st.sampled_from([(".", ""), (",", ""), (",", "."), (".", "'"), (",", " ")])


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CELLS, min_size=3, max_size=6), max_size=10), MAPS, MARKS, NUMBERS, st.booleans())
def test_any_text_in_any_layout_is_read_or_refused(tmp_path_factory, rows, stamps, marks, numbers, crossed):
    folder = tmp_path_factory.mktemp("any")
    layout = Layout(energy="c", voltages={"l1": "e"}, decimal=numbers[0], thousands=numbers[1], **stamps, **marks)
    lines = (
        ["junk"] * layout.skip_rows + [layout.delimiter.join("abcde")] + [layout.delimiter.join(row) for row in rows]
    )
    encoding = "utf-8" if crossed else layout.encoding
    (folder / "data").mkdir()
    (folder / "data" / "a.csv").write_bytes("\n".join(lines).encode(encoding, errors="replace"))
    try:
        raws = meters_of(folder, layout)
    except InputError:
        return
    for raw in raws:
        clean = cleaned(raw)
        assert len(raw.rows) + raw.dropped.total() == raw.rows_read
        assert set(raw.where) == set(+raw.dropped)
        assert np.isfinite(raw.rows["energy_kwh"]).all()
        assert len(clean.readings) == 0 or clean.step_minutes
