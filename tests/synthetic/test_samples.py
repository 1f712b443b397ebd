"""The sample set holds what its truth says, in the raw files' own terms."""

import io
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from loadprofiles import synthetic
from loadprofiles.errors import ParameterError
from tests.synthetic.raw import raw_customers, raw_newmongo, raw_oldmongo, raw_sql

ROOT = Path(__file__).parents[2]
MAX_FILE_BYTES, MAX_SET_BYTES = 200_000, 6_000_000
CLEAN = {"oldmongo": "SMP0008", "sql": "SMP0009", "newmongo": "SMP0015", "customers": "Cliente 4"}
METERS = synthetic.sample_meters()
BY_ID = {meter.meter_id: meter for meter in METERS}
EVENTS = [(meter, event) for meter in METERS for event in meter.truth.events]


def of_kinds(*kinds: str) -> list:
    return [
        pytest.param(meter, event, id=f"{meter.meter_id}-{event.kind}-{event.from_utc:%m%d%H%M}")
        for meter, event in EVENTS
        if event.kind in kinds
    ]


def content(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("samples")
    result = CliRunner().invoke(synthetic.main, ["--out", str(out)])
    assert result.exit_code == 0, result.output
    return content(out)


def raw_name(meter: synthetic.Meter) -> str:
    number = meter.meter_id.removeprefix("Cliente ")
    return {
        "oldmongo": f"oldmongo/csv/{number}.csv",
        "sql": f"sql/{number}.txt",
        "newmongo": f"newmongo/{number}.jsonl",
        "customers": f"customers/DATOSCLIENTE{number}.csv",
    }[meter.source]


@pytest.fixture(scope="module")
def raws(files: dict[str, bytes]) -> dict[str, pd.DataFrame]:
    read = {"oldmongo": raw_oldmongo, "sql": raw_sql, "newmongo": raw_newmongo, "customers": raw_customers}
    return {meter.meter_id: read[meter.source](files[raw_name(meter)].decode()) for meter in METERS}


def window(raw: pd.DataFrame, event: synthetic.Event) -> pd.DataFrame:
    return raw[(raw["stamp"] >= event.from_utc) & (raw["stamp"] < event.to_utc)]


def unit(meter: synthetic.Meter, stamps: pd.Series) -> np.ndarray:
    """Register units a kWh at `stamps`."""
    changes = [event for event in meter.truth.events if event.kind == "scale_change"]
    return np.prod([np.where(stamps >= change.from_utc, change.factor, 1.0) for change in changes] or [[1.0]], 0)


def recovered(meter: synthetic.Meter, raw: pd.DataFrame) -> pd.Series:
    """kWh by stamp as anyone would get them who knew the events."""
    raw = raw.assign(energy=raw["energy"] / unit(meter, raw["stamp"]))
    return raw.drop_duplicates("stamp", keep="last").set_index("stamp")["energy"].sort_index()


def hourly_table(energy: pd.Series) -> pd.DataFrame:
    """Sums by day (rows) and hour (columns)."""
    long = pd.DataFrame({"date": energy.index.strftime("%Y-%m-%d"), "hour": energy.index.hour, "kwh": energy.values})
    return long.pivot_table(index="date", columns="hour", values="kwh", aggfunc="sum")


# ---- the set ----


def test_same_bytes_twice(files: dict[str, bytes], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "loadprofiles.synthetic", "--out", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    again = content(tmp_path)
    assert sorted(again) == sorted(files)
    assert [name for name in files if again[name] != files[name]] == []


def test_committed_samples_are_current(files: dict[str, bytes]) -> None:
    stale = [name for name in files if not (ROOT / name).is_file() or (ROOT / name).read_bytes() != files[name]]
    assert stale == [], "run: python -m loadprofiles.synthetic"


def test_sizes(files: dict[str, bytes]) -> None:
    assert {name: len(data) for name, data in files.items() if len(data) > MAX_FILE_BYTES} == {}
    assert sum(map(len, files.values())) <= MAX_SET_BYTES


def test_every_kind_occurs_in_each_source_that_can_have_it() -> None:
    registers_only = {"scale_change", "reset"}
    common = {*synthetic.GAPS, *synthetic.OUTLIERS, *synthetic.REPEATS, "implausible_year"}
    for source in ("oldmongo", "sql", "newmongo", "customers"):
        kinds = {event.kind for meter, event in EVENTS if meter.source == source}
        assert common <= kinds
        assert (registers_only <= kinds) == (source == "oldmongo")
    assert set(synthetic.ANOMALIES) <= {event.kind for _, event in EVENTS}


def test_events_file(files: dict[str, bytes]) -> None:
    table = pd.read_csv(io.BytesIO(files["truth/events.csv"]))
    assert list(table) == synthetic.EVENT_COLUMNS
    assert len(table) == len(EVENTS)
    assert set(table["class"]) == {"fault", "anomaly"}
    assert (pd.to_datetime(table["from_utc"]) < pd.to_datetime(table["to_utc"])).all()
    assert table["from_utc"].str.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ").all()


def test_description(files: dict[str, bytes]) -> None:
    text = files["smart_meter_description.csv"].decode()
    assert text.splitlines()[0] == "id,Contractual power (kW),Production (kW),Type"
    table = pd.read_csv(io.StringIO(text)).set_index("id")
    built = {meter.meter_id for meter in METERS if meter.source != "customers"}
    assert built < set(table.index)
    assert len(set(table.index) - built) == 2
    assert table.isna().any().all()


def test_sector_sheet(files: dict[str, bytes]) -> None:
    table = pd.read_excel(io.BytesIO(files["customers/sector_economico_clientes.xlsx"]))
    assert list(table) == ["Cliente:", "Sector Económico:"]
    names = set(table["Cliente:"].str.strip())
    assert set(table["Cliente:"]) != names
    assert len(names - {meter.meter_id for meter in METERS if meter.source == "customers"}) == 2
    assert {meter.meter_id for meter in METERS if meter.source == "customers"} < names


def test_oldmongo_has_the_real_columns(files: dict[str, bytes]) -> None:
    header = files["oldmongo/csv/SMP0001.csv"].decode().splitlines()[0].split(",")
    assert header[:6] == [
        "",
        "id",
        "timestamp",
        *(f"Active_Energy_+_{n}" for n in ("Total_ini", "Total_end", "Incr")),
    ]
    assert header[9:12] == ["Average_voltage_L1", "Average_voltage_L2", "Average_voltage_L3"]
    assert len(header) == 21
    row = files["oldmongo/csv/SMP0001.csv"].decode().splitlines()[1]
    assert row.startswith("0,SMP0001,2019-05-05T00:00:00Z,")
    assert row.endswith(",,,,,,,,,")


def test_other_tags_quantities_and_stray_fields_occur(files: dict[str, bytes]) -> None:
    assert b"Voltage_L1_SMP0012.V" in files["sql/SMP0012.txt"]
    documents = [json.loads(line) for line in files["newmongo/SMP0017.jsonl"].decode().splitlines()]
    assert {document["energy_type"] for document in documents} == {
        "active_sum", "positive_active", "negative_active", "reactive",
    }  # fmt: skip
    assert any("Unnamed: 2" in document for document in documents)
    assert len({document["_id"]["$oid"] for document in documents}) == len(documents)
    by_quantity = {document["energy_type"]: document for document in documents if document["date"] == "2020-03-06"}
    net = by_quantity["positive_active"]["12:00:00"] - by_quantity["negative_active"]["12:00:00"]
    assert by_quantity["active_sum"]["12:00:00"] == pytest.approx(net)


# ---- the truth against the raw files ----


@pytest.mark.parametrize("source", CLEAN)
def test_truth_is_the_sum_of_a_clean_meters_rows(
    source: str, files: dict[str, bytes], raws: dict[str, pd.DataFrame]
) -> None:
    assert BY_ID[CLEAN[source]].truth.events == ()
    raw = raws[CLEAN[source]]
    hourly = hourly_table(raw.set_index("stamp")["energy"])
    truth = pd.read_csv(io.BytesIO(files[f"truth/{source}.csv"])).query("id == @CLEAN[@source]")
    assert list(truth)[:3] == ["id", "date", "00:00:00"]
    assert list(truth["date"]) == list(hourly.index)
    np.testing.assert_allclose(truth.iloc[:, 2:].to_numpy(), hourly.to_numpy(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("meter", METERS, ids=lambda meter: meter.meter_id)
def test_untouched_hours_can_be_recovered_exactly(
    meter: synthetic.Meter, files: dict[str, bytes], raws: dict[str, pd.DataFrame]
) -> None:
    truth = pd.read_csv(io.BytesIO(files[f"truth/{meter.source}.csv"])).query("id == @meter.meter_id")
    touched = synthetic.touched_profiles(meter)
    assert list(truth["date"]) == list(touched["date"])
    energy = recovered(meter, raws[meter.meter_id])
    found = hourly_table(energy).reindex(truth["date"]).to_numpy()
    error = np.abs(found - truth.iloc[:, 2:].to_numpy())
    mask = touched.iloc[:, 2:].to_numpy(dtype=bool)
    assert error[~mask].max() < 1e-6
    lossy = any(event.kind in synthetic.TOUCHING for event in meter.truth.events)
    assert mask.any() == lossy


@pytest.mark.parametrize("meter", METERS, ids=lambda meter: meter.meter_id)
def test_nothing_healthy_is_beyond_the_limits(meter: synthetic.Meter) -> None:
    energy = meter.truth.energy_kwh
    contracted = meter.contracted_power_kw or synthetic.UNKNOWN_LIMIT_KW
    production = synthetic.UNKNOWN_LIMIT_KW if meter.production_kw is None else meter.production_kw
    assert energy.max() <= contracted * meter.hours / 1.4
    assert energy.min() >= -production * meter.hours / 1.4
    np.testing.assert_array_equal(energy, energy.round(3))


@pytest.mark.parametrize("meter", [m for m in METERS if m.source == "oldmongo"], ids=lambda meter: meter.meter_id)
def test_registers_add_up(meter: synthetic.Meter, raws: dict[str, pd.DataFrame]) -> None:
    raw = raws[meter.meter_id].drop_duplicates("stamp", keep="last")
    raw = raw[raw["stamp"].dt.year == 2019]
    ends = {sign: raw[f"Active_Energy_{sign}_Total_end"] for sign in "+-"}
    inis = {sign: raw[f"Active_Energy_{sign}_Total_ini"] for sign in "+-"}
    restarts = {e.from_utc for e in meter.truth.events if e.kind in {"scale_change", "reset"}}
    follows = (raw["stamp"].diff() == meter.step) & ~raw["stamp"].isin(restarts)
    for sign in "+-":
        assert (inis[sign][follows] == ends[sign].shift()[follows]).all()
        assert (ends[sign] >= inis[sign]).all()
        counted = ends[sign].diff()[~raw["stamp"].isin(restarts)].iloc[1:]
        increments = raw[f"Active_Energy_{sign}_Incr"][counted.index]
        np.testing.assert_allclose(increments, counted, rtol=0, atol=1e-3)
    # over a gap the registers still know what flowed
    scale = unit(meter, raw["stamp"])
    net = (inis["+"] - inis["-"]) / scale - ((ends["+"] - ends["-"]) / scale).shift()
    for event in meter.truth.events:
        if event.kind in synthetic.GAPS:
            assert net[raw["stamp"] == event.to_utc].item() == pytest.approx(event.value_kwh, abs=1e-6)


# ---- faults and anomalies ----


@pytest.mark.parametrize(("meter", "event"), of_kinds(*synthetic.GAPS))
def test_gaps_are_missing(meter: synthetic.Meter, event: synthetic.Event, raws: dict[str, pd.DataFrame]) -> None:
    raw = raws[meter.meter_id]
    assert window(raw, event).empty
    assert {event.from_utc - meter.step, event.to_utc} <= set(raw["stamp"])
    hours = (event.to_utc - event.from_utc) / pd.Timedelta(hours=1)
    if event.kind == "gap_short":
        assert hours <= 2
    else:
        assert 2 < hours <= 6
    if event.kind == "night_gap":
        assert event.from_utc.normalize() <= event.from_utc
        assert event.to_utc <= event.from_utc.normalize() + pd.Timedelta(hours=7)
        assert hours / meter.hours <= 24
    else:
        assert event.from_utc.hour >= 7


def test_short_gaps_of_newmongo_are_null_and_long_ones_absent(files: dict[str, bytes]) -> None:
    for meter, event in EVENTS:
        if meter.source == "newmongo" and event.kind in synthetic.GAPS:
            lines = files[raw_name(meter)].decode().splitlines()
            day = f"{event.from_utc:%Y-%m-%d}"
            document = next(d for d in map(json.loads, lines) if d["date"] == day and d["energy_type"] == "active_sum")
            assert document.get(f"{event.from_utc:%H:%M:%S}", "absent") == (
                None if event.kind == "gap_short" else "absent"
            )


@pytest.mark.parametrize(("meter", "event"), of_kinds(*synthetic.OUTLIERS))
def test_outliers_are_recorded(meter: synthetic.Meter, event: synthetic.Event, raws: dict[str, pd.DataFrame]) -> None:
    row = window(raws[meter.meter_id], event)
    assert (row["energy"] / unit(meter, row["stamp"])).tolist() == pytest.approx([event.value_kwh])
    contracted = meter.contracted_power_kw or synthetic.UNKNOWN_LIMIT_KW
    if event.kind == "outlier_high":
        assert event.value_kwh > 5 * contracted * meter.hours
    else:
        assert meter.source == "customers" or meter.production_kw == 0
        assert event.value_kwh < -contracted * meter.hours
    assert meter.source != "customers" or abs(event.value_kwh) > 200


@pytest.mark.parametrize(("meter", "event"), of_kinds("duplicate"))
def test_duplicates_are_identical(
    meter: synthetic.Meter, event: synthetic.Event, raws: dict[str, pd.DataFrame]
) -> None:
    rows = window(raws[meter.meter_id], event)
    steps = (event.to_utc - event.from_utc) // meter.step
    assert len(rows) == 2 * steps
    assert len(rows.drop_duplicates()) == steps


@pytest.mark.parametrize(("meter", "event"), of_kinds("conflicting_duplicate"))
def test_of_conflicting_duplicates_the_later_is_true(
    meter: synthetic.Meter, event: synthetic.Event, raws: dict[str, pd.DataFrame]
) -> None:
    rows = window(raws[meter.meter_id], event)
    steps = (event.to_utc - event.from_utc) // meter.step
    assert len(rows) == 2 * steps
    first, last = (rows.drop_duplicates("stamp", keep=keep)["energy"].sum() for keep in ("first", "last"))
    assert first == pytest.approx(event.value_kwh)
    assert last == pytest.approx(meter.truth.energy_kwh[event.covers(meter.index)].sum())
    assert abs(first - last) > 0.01


@pytest.mark.parametrize(("meter", "event"), of_kinds("scale_change"))
def test_scale_changes_are_in_the_registers(
    meter: synthetic.Meter, event: synthetic.Event, raws: dict[str, pd.DataFrame]
) -> None:
    raw = raws[meter.meter_id]
    before, after = raw[raw["stamp"] < event.from_utc].iloc[-1], raw[raw["stamp"] >= event.from_utc].iloc[0]
    assert after["stamp"] == event.from_utc
    assert after["Active_Energy_+_Total_ini"] / before["Active_Energy_+_Total_end"] == pytest.approx(
        event.factor, rel=1e-3
    )
    beside_gap = before["stamp"] + meter.step != event.from_utc
    assert beside_gap == (event.factor == 10)


@pytest.mark.parametrize(("meter", "event"), of_kinds("reset"))
def test_resets_start_at_zero(meter: synthetic.Meter, event: synthetic.Event, raws: dict[str, pd.DataFrame]) -> None:
    raw = raws[meter.meter_id]
    assert window(raw, event)["Active_Energy_+_Total_ini"].tolist() == [0]
    assert raw[raw["stamp"] < event.from_utc]["Active_Energy_+_Total_end"].iloc[-1] > 1000


@pytest.mark.parametrize(("meter", "event"), of_kinds("implausible_year"))
def test_implausible_years_occur(meter: synthetic.Meter, event: synthetic.Event, raws: dict[str, pd.DataFrame]) -> None:
    rows = window(raws[meter.meter_id], event)
    assert len(rows) == (event.to_utc - event.from_utc) // meter.step
    assert set(rows["stamp"].dt.year) <= {1970, 2040}


def test_twins_are_the_same_file(files: dict[str, bytes]) -> None:
    assert files["customers/DATOSCLIENTE3.csv"] == files["customers/DATOSCLIENTE6.csv"]
    assert [meter.meter_id for meter, event in EVENTS if event.kind == "identical_meters"] == ["Cliente 6"]


@pytest.mark.parametrize("meter", METERS, ids=lambda meter: meter.meter_id)
def test_faults_do_not_meet(meter: synthetic.Meter) -> None:
    events = [event for event in meter.truth.events if event.kind != "identical_meters"]
    events.sort(key=lambda event: event.from_utc)
    for earlier, later in pairwise(events):
        assert earlier.to_utc <= later.from_utc
        if {earlier.kind, later.kind} & set(synthetic.OUTLIERS):
            assert later.from_utc - earlier.to_utc > pd.Timedelta(hours=2)


@pytest.mark.parametrize("kind", synthetic.ANOMALIES)
def test_the_truth_follows_an_anomaly(kind: str) -> None:
    clean = synthetic.make_meter("A", "company", source="customers", resolution_minutes=60)
    start, end = (pd.Timestamp(day, tz="UTC") for day in ("2019-05-10", "2019-05-16"))
    meter = synthetic.add_anomaly(clean, kind, start, end)
    before, after = clean.truth.energy_kwh, meter.truth.energy_kwh
    inside = meter.truth.events[0].covers(meter.index)
    assert (before == after)[~inside].all()
    assert (after - before).sum() == pytest.approx(meter.truth.events[0].value_kwh)
    changed = np.asarray(before != after)
    if kind == "frozen":
        assert len(set(after[inside])) == 1
    else:
        factor = synthetic.ANOMALIES[kind][0]
        np.testing.assert_allclose(after[changed] / before[changed], factor, rtol=0.01)
    assert set(meter.index[changed].day_of_week) <= ({5, 6} if kind == "weekend_excess" else set(range(7)))
    assert (kind == "night_drop") == (not set(meter.index[changed].hour) & set(range(6, 22)))
    assert (synthetic.customer_frame(meter)["Active_energy"].to_numpy() == after.to_numpy()).all()


def test_mistakes_are_refused() -> None:
    meter = synthetic.make_meter("A", "household")
    noon = pd.Timestamp("2019-05-10 12:00", tz="UTC")
    with pytest.raises(ParameterError, match="no archetype 'castle'; there are: household, office"):
        synthetic.make_meter("A", "castle")
    with pytest.raises(ParameterError, match="resolution"):
        synthetic.make_meter("A", "household", resolution_minutes=7)
    with pytest.raises(ParameterError, match="no fault 'theft_drop'"):
        synthetic.add_fault(meter, "theft_drop", noon)
    with pytest.raises(ParameterError, match="no anomaly 'reset'"):
        synthetic.add_anomaly(meter, "reset", noon, noon + meter.step)
    with pytest.raises(ParameterError, match="cannot scatter 'identical_meters'"):
        synthetic.scatter_faults(meter, ["identical_meters"])
    with pytest.raises(ParameterError, match="too few for 17"):
        synthetic.scatter_faults(meter, ["gap_short"] * 17)
    with pytest.raises(ParameterError, match="outside the period"):
        synthetic.add_fault(meter, "reset", noon + pd.Timedelta(days=365))
    faulty = synthetic.add_fault(meter, "gap_short", noon, 4)
    with pytest.raises(ParameterError, match="overlaps its gap_short"):
        synthetic.add_fault(faulty, "outlier_high", noon + meter.step)


# ---- archetypes ----


def typical(archetype: str, start: str = "2019-05-06", resolution_minutes: int = 15) -> tuple[pd.Series, pd.Series]:
    """Mean power in kW by hour on weekdays, and on weekends."""
    meter = synthetic.make_meter("A", archetype, start=start, days=42, resolution_minutes=resolution_minutes)
    energy, weekend = meter.truth.energy_kwh / meter.hours, meter.index.day_of_week >= 5
    return tuple(part.groupby(lambda stamp: stamp.hour).mean() for part in (energy[~weekend], energy[weekend]))


@pytest.mark.parametrize("resolution_minutes", [15, 60])
def test_archetype_shapes(resolution_minutes: int) -> None:
    week, weekend = {}, {}
    for archetype in synthetic.ARCHETYPES:
        week[archetype], weekend[archetype] = typical(archetype, resolution_minutes=resolution_minutes)
    night, morning, midday, evening = [1, 2, 3, 4], [6, 7, 8], [11, 12, 13], [19, 20, 21]
    household, office, pv = week["household"], week["office"], week["pv_prosumer"]
    assert household[evening].mean() > 2 * household[night].mean()
    assert weekend["household"][midday].mean() > household[midday].mean()
    assert office[midday].mean() > 5 * office[night].mean()
    assert weekend["office"].mean() < 0.5 * office.mean()
    assert pv[midday].mean() < -1
    assert pv[evening].mean() > 0
    assert week["company"][20] > 5 * week["company"][3]
    assert weekend["company"].mean() < 0.5 * week["company"].mean()
    assert week["pump"][morning].mean() > 2 * week["pump"][midday].mean()
    assert week["ev_charging"][[20, 21, 22]].mean() > 10 * week["ev_charging"][midday].mean()
    assert week["irrigation"][[23, 0, 1]].mean() > 50 * week["irrigation"][midday].mean()
    assert week["cold_storage"].max() < 1.5 * week["cold_storage"].min()
    assert week["street_lighting"][night].min() > 50 * week["street_lighting"][midday].max()


def test_seasons_and_autocorrelation() -> None:
    summer, winter = (typical("irrigation", start=start)[0].sum() for start in ("2019-06-20", "2019-12-20"))
    assert summer > 3 * winter
    lit = [(typical("street_lighting", start=start)[0] > 1).sum() for start in ("2019-06-20", "2019-12-20")]
    assert lit[1] > lit[0]
    for archetype in synthetic.ARCHETYPES:
        assert synthetic.make_meter("A", archetype).truth.energy_kwh.autocorr(1) > 0.25


def test_meters_depend_on_their_name_and_the_seed_only() -> None:
    first, same = (synthetic.make_meter("A", "household").truth.energy_kwh for _ in range(2))
    pd.testing.assert_series_equal(first, same)
    assert not first.equals(synthetic.make_meter("B", "household").truth.energy_kwh)
    assert not first.equals(synthetic.make_meter("A", "household", seed=1).truth.energy_kwh)


# ---- local time ----


def roman(start: str, source: str, resolution_minutes: int = 15) -> synthetic.Meter:
    """Three local days, the second of which has another clock at its end."""
    return synthetic.make_meter(
        "A",
        "office",
        source=source,
        start=start,
        days=3,
        resolution_minutes=resolution_minutes,
        timezone="Europe/Rome",
    )


@pytest.mark.parametrize(("start", "steps"), [("2019-03-30", 92), ("2019-10-26", 100)])
def test_days_on_which_the_clock_changes(start: str, steps: int) -> None:
    meter = roman(start, "sql")
    per_day = pd.Series(1, meter.index.tz_convert("Europe/Rome")).resample("D").sum()
    assert per_day.tolist() == [96, steps, 96]
    profiles = synthetic.daily_profiles(meter)
    assert len(profiles) == len(synthetic.local_days(meter)) == 3
    assert profiles.iloc[:, 2:].isna().sum(axis=1).tolist() == [0, int(steps == 92), 0]
    energies = meter.truth.energy_kwh.tz_convert("Europe/Rome").resample("D").sum()
    np.testing.assert_allclose(profiles.iloc[:, 2:].sum(axis=1), energies)


def test_local_sources_write_local_stamps() -> None:
    spring = pd.Series(line.split(",")[0] for line in synthetic.sql_lines(roman("2019-03-30", "sql")))
    assert spring.iloc[0] == "2019-03-30 00:00:00"
    assert not spring.str.startswith("2019-03-31 02:").any()
    autumn = synthetic.customer_frame(roman("2019-10-26", "customers", 60))
    twice = autumn[autumn["Fecha"] == "2019-10-27 02:00:00"]
    assert len(twice) == 2
    assert len(autumn) == 73
    assert synthetic.oldmongo_frame(roman("2019-03-30", "oldmongo"))["timestamp"].iloc[0] == "2019-03-29T23:00:00Z"


@pytest.mark.parametrize(("start", "fields"), [("2019-03-30", 92), ("2019-10-26", 96)])
def test_documents_have_one_field_a_time_of_day(start: str, fields: int) -> None:
    meter = roman(start, "newmongo")
    document = list(synthetic.newmongo_documents(meter))[1]
    values = [value for name, value in document.items() if name[2:3] == ":"]
    assert len(values) == fields
    assert sum(values) == pytest.approx(synthetic.daily_profiles(meter).iloc[1, 2:].sum())


def test_partial_days_have_no_truth() -> None:
    meter = synthetic.make_meter("A", "office", start="2019-05-05 21:00", days=3)
    assert synthetic.daily_profiles(meter)["date"].tolist() == ["2019-05-06", "2019-05-07"]
    assert len(meter.index) == 12 + 2 * 96


def test_faults_can_be_put_into_local_time() -> None:
    kinds = [*synthetic.GAPS, *synthetic.OUTLIERS, *synthetic.REPEATS, "implausible_year"]
    for source in ("sql", "newmongo", "customers"):
        meter = synthetic.make_meter("A", "company", source=source, start="2019-10-10", timezone="Europe/Rome")
        meter = synthetic.scatter_faults(meter, kinds)
        night = next(event for event in meter.truth.events if event.kind == "night_gap")
        local = [stamp.tz_convert("Europe/Rome") for stamp in (night.from_utc, night.to_utc)]
        assert local[0].hour in {0, 1}
        assert local[1].hour < 7
        assert synthetic.touched_profiles(meter).iloc[:, 2:].to_numpy().any()
