import html
import os
import signal
from datetime import date
from functools import partial
from pathlib import Path

import bson
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from distributed import Client, LocalCluster
from sqlalchemy.pool import NullPool

from loadprofiles.errors import EmptyResultError, InputError, ParameterError, StepFailedError
from loadprofiles.etl import Etl, etl_customers, etl_newmongo, etl_oldmongo, etl_sql
from loadprofiles.loading import load_newmongo
from loadprofiles.profiles import read_profiles
from loadprofiles.readings import check_readings
from loadprofiles.sources import sql
from loadprofiles.sources.common import Job
from loadprofiles.synthetic import daily_profiles, make_meter, sql_lines

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("oldmongo", "sql", "newmongo", "customers")
TOUCHING = ("gap_short", "gap_long", "night_gap", "outlier_high", "outlier_low")
FOUND_AS = {
    "gap_short": ("gap_filled",),
    "gap_long": ("gap_left",),
    "night_gap": ("gap_filled",),
    "outlier_low": ("outlier_low", "negative_without_production"),
    "identical_meters": ("identical_series",),
}
NO_FAULTS = ("register_unit", "out_of_order", "other_tag", "other_quantity")
"""Findings that are nothing wrong: a unit, an order that was mended, rows of other quantities."""


def clean(source, samples, workspace, **changes):
    """Run a source's ETL on `samples` as the chain would."""
    common = {
        "smart_meter_description_csv": samples / "smart_meter_description.csv",
        "resolution": 60,
        "timezone": "UTC",
        "out_csv": workspace / f"clean_{source}.csv",
        "workspace": workspace,
    } | changes
    if source == "newmongo":
        table = workspace / "newmongo.csv"
        load_newmongo(samples / "newmongo", "", "", out_csv=table, workspace=workspace)
        return etl_newmongo(table, load_new=True, **common)
    steps = {"oldmongo": etl_oldmongo, "sql": etl_sql, "customers": etl_customers}
    return steps[source](samples / source, **common)


@pytest.fixture(scope="module", params=SOURCES)
def cleaned(request, tmp_path_factory):
    """Source, result, and the workspace its files are in."""
    workspace = tmp_path_factory.mktemp(request.param)
    return request.param, clean(request.param, ROOT, workspace), workspace


def events_of(source):
    events = pd.read_csv(ROOT / "truth" / "events.csv", parse_dates=["from_utc", "to_utc"])
    return events[(events["source"] == source) & (events["class"] == "fault")]


def test_energies_of_the_samples_are_recovered_where_nothing_was_estimated(cleaned):
    source, _, workspace = cleaned
    truth = read_profiles(ROOT / "truth" / f"{source}.csv").set_index(["id", "date"])
    found = read_profiles(workspace / f"clean_{source}.csv").set_index(["id", "date"])
    assert set(found.index) <= set(truth.index)
    truth = truth.loc[found.index]
    dates = found.index.get_level_values("date").to_numpy(dtype="datetime64[D]").astype("datetime64[s]")
    starts = dates[:, None] + np.arange(24) * np.timedelta64(1, "h")
    ends = starts + np.timedelta64(1, "h")
    touched = np.zeros(starts.shape, dtype=bool)
    for event in events_of(source).query("kind in @TOUCHING").itertuples():
        mine = (found.index.get_level_values("id") == event.meter_id)[:, None]
        first, last = (t.tz_localize(None).to_datetime64() for t in (event.from_utc, event.to_utc))
        touched |= mine & (starts < last) & (ends > first)
    difference = np.abs(found.to_numpy() - truth.to_numpy())
    assert difference[~touched].max() <= 1e-6
    assert touched.sum() > 5, "the samples touch some hours that are recovered as estimates"
    assert np.median(difference[touched] / (np.abs(truth.to_numpy()[touched]) + 0.1)) < 0.5


def test_only_days_with_long_gaps_are_lost(cleaned):
    source, _, workspace = cleaned
    truth = read_profiles(ROOT / "truth" / f"{source}.csv").set_index(["id", "date"]).index
    found = read_profiles(workspace / f"clean_{source}.csv").set_index(["id", "date"]).index
    lost = events_of(source).query("kind == 'gap_long'")
    expected = {(e.meter_id, e.from_utc.strftime("%Y-%m-%d")) for e in lost.itertuples()}
    assert set(truth) - set(found) == expected


def test_every_injected_fault_is_found_where_it_is(cleaned):
    source, _, workspace = cleaned
    findings = pd.read_csv(workspace / "findings.csv", parse_dates=["from_utc", "to_utc"])
    merged_by_load = ("duplicate", "conflicting_duplicate") if source == "newmongo" else ()
    for event in events_of(source).itertuples():
        if event.kind in merged_by_load:
            continue  # load_newmongo counts them
        kinds = FOUND_AS.get(event.kind, (event.kind,))
        mine = findings[(findings["meter_id"] == event.meter_id) & findings["kind"].isin(kinds)]
        covering = mine[(mine["from_utc"] <= event.from_utc) & (mine["to_utc"] >= event.from_utc)]
        assert len(covering) == 1, f"{event}"
        if event.kind == "scale_change":
            assert covering["factor"].item() == event.factor
            assert covering["from_utc"].item() == event.from_utc


def test_no_fault_is_found_that_is_not_there(cleaned):
    source, _, workspace = cleaned
    findings = pd.read_csv(workspace / "findings.csv")
    injected = events_of(source)
    expected = {(e.meter_id, kind) for e in injected.itertuples() for kind in FOUND_AS.get(e.kind, (e.kind,))}
    # a rejected outlier is a gap, which is filled
    expected |= {(e.meter_id, "gap_filled") for e in injected.itertuples() if e.kind.startswith("outlier")}
    # both of two meters are told
    expected |= {("Cliente 3", "identical_series")} if source == "customers" else set()
    # less than 1 is a suspicion, about readings that are kept
    certain = findings[(findings["confidence"] == 1) & ~findings["kind"].isin(NO_FAULTS)]
    assert set(zip(certain["meter_id"], certain["kind"], strict=True)) <= expected


def test_rows_and_days_add_up(cleaned):
    _, _, workspace = cleaned
    meters = pd.read_csv(workspace / "meters.csv")
    by_reason = [meters.filter(regex=f"^{name}_").sum(axis=1) for name in ("readings", "days")]
    pd.testing.assert_series_equal(meters["readings"], by_reason[0].astype("int64"), check_names=False)
    pd.testing.assert_series_equal(meters["days"], by_reason[1].astype("int64"), check_names=False)
    readings = check_readings(pd.read_parquet(workspace / "readings.parquet"))
    assert len(readings) == meters["readings"].sum()
    kept = meters["rows_read"] - meters["rows_dropped"]
    assert (kept >= meters["readings_measured"]).all()


def test_a_resolution_finer_than_the_source_is_refused_naming_both(tmp_path):
    with pytest.raises(ParameterError, match="resolution=15 is not a multiple of the 60 minutes in which Cliente 1"):
        clean("customers", ROOT, tmp_path, resolution=15)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("resolution", [15, 30, 120])
def test_other_resolutions_hold_the_same_energy(tmp_path, resolution):
    clean("sql", ROOT, tmp_path, resolution=resolution)
    profiles = read_profiles(tmp_path / "clean_sql.csv").set_index(["id", "date"])
    truth = read_profiles(ROOT / "truth" / "sql.csv").set_index(["id", "date"])
    assert profiles.shape[1] == 1440 // resolution
    untouched = profiles.index.intersection(truth.index)[profiles.index.get_level_values("id") == "SMP0009"]
    assert len(untouched) > 20
    np.testing.assert_allclose(profiles.loc[untouched].sum(axis=1), truth.loc[untouched].sum(axis=1), atol=1e-6)


def test_a_source_without_one_complete_day_is_an_error_with_its_counts(tmp_path):
    (tmp_path / "sql").mkdir()
    rows = [f"2021-09-01 0{hour}:00:00,Energy_Apiu_1_8_0_A1.kWh,1,0,192,192\n" for hour in range(5)]
    (tmp_path / "sql" / "A1.txt").write_text("".join(rows))
    with pytest.raises(
        EmptyResultError, match=r"sql: not one complete day in it \(meters 1, rows_read 5, .*incomplete 1"
    ):
        clean("sql", tmp_path, tmp_path, smart_meter_description_csv=None)
    assert not (tmp_path / "clean_sql.csv").exists()


def test_a_meter_without_usable_rows_is_reported_and_stops_nothing(tmp_path):
    (tmp_path / "sql").mkdir()
    good = (ROOT / "sql" / "SMP0009.txt").read_text()
    (tmp_path / "sql" / "SMP0009.txt").write_text(good)
    (tmp_path / "sql" / "B2.txt").write_text("1970-01-01 00:00:00,Energy_Apiu_1_8_0_B2.kWh,1,0,192,192\n")
    clean("sql", tmp_path, tmp_path, smart_meter_description_csv=None)
    findings = pd.read_csv(tmp_path / "findings.csv")
    assert findings[findings["meter_id"] == "B2"]["kind"].tolist() == ["implausible_year", "no_regular_interval"]
    meters = pd.read_csv(tmp_path / "meters.csv").set_index("meter_id")
    assert meters.loc["B2", ["rows_read", "rows_dropped", "readings", "days"]].tolist() == [1, 1, 0, 0]


def test_load_new_false_hands_on_the_table_that_is_there(tmp_path):
    clean("newmongo", ROOT, tmp_path)
    before = (tmp_path / "clean_newmongo.csv").read_bytes()
    common = {"smart_meter_description_csv": None, "timezone": "UTC", "out_csv": tmp_path / "clean_newmongo.csv"}
    result = etl_newmongo(Path("not there"), load_new=False, resolution=60, workspace=tmp_path, **common)
    assert result.outputs["clean_newmongo"].read_bytes() == before
    with pytest.raises(InputError, match="holds profiles of 60 minutes, not 30; make it anew with load_new=true"):
        etl_newmongo(Path("not there"), load_new=False, resolution=30, workspace=tmp_path, **common)


def test_local_stamped_sources_are_recovered_across_both_changes_of_the_clock(tmp_path):
    days = 260
    meter = make_meter(
        "SMP9001", "office", source="sql", start="2024-03-01", days=days, resolution_minutes=60,
        timezone="Europe/Rome", scale=1.0, seed=3,
    )  # fmt: skip
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "SMP9001.txt").write_text("".join(f"{line}\n" for line in sql_lines(meter)))
    clean("sql", tmp_path, tmp_path, smart_meter_description_csv=None, timezone="Europe/Rome")
    found = read_profiles(tmp_path / "clean_sql.csv").set_index("date")
    truth = daily_profiles(meter).set_index("date")
    assert sorted(set(truth.index) - set(found.index)) == ["2024-03-31", "2024-10-27"]
    truth = truth.loc[found.index]
    np.testing.assert_allclose(found.drop(columns="id"), truth.drop(columns="id"), atol=1e-6)
    assert pd.read_csv(tmp_path / "meters.csv")["days_dst_day"].item() == 2


def test_dumps_of_documents_give_what_their_csv_files_give(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    dump = tmp_path / "dump" / "oldmongo" / "smartmeters"
    dump.mkdir(parents=True)
    with (dump / "readings.bson").open("wb") as stream:
        for path in sorted((ROOT / "oldmongo" / "csv").glob("*.csv")):
            table = pd.read_csv(path, index_col=0, dtype={"id": str}).replace(np.nan, None)
            for document in table.to_dict("records"):
                stream.write(bson.encode(document))
    description = {"smart_meter_description_csv": ROOT / "smart_meter_description.csv"}
    given = clean("oldmongo", ROOT, tmp_path / "a", **description)
    result = clean("oldmongo", tmp_path / "dump", tmp_path / "b", **description)
    pd.testing.assert_frame_equal(*(tables_of(tmp_path / name, "oldmongo")[1] for name in ("a", "b")))
    assert result.metrics == given.metrics


@pytest.mark.parametrize("server", ["sqlite", "postgresql"])
def test_the_live_historian_gives_what_its_exports_give(tmp_path, request, monkeypatch, server):
    url = f"sqlite:///{tmp_path / 'historian.db'}" if server == "sqlite" else request.getfixturevalue("postgres_url")
    names = ["ts", "tag", "value"]
    exports = [pd.read_csv(path, header=None).iloc[:, :3] for path in sorted((ROOT / "sql").glob("*.txt"))]
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)
    with engine.begin() as connection:
        pd.concat(exports).set_axis(names, axis=1).to_sql("energies", connection, index=False)
    for name in ("files", "live", "part"):
        (tmp_path / name).mkdir()
    given = clean("sql", ROOT, tmp_path / "files")
    monkeypatch.setenv("SQL_URL", url)
    table = {"sql_table": "energies", "sql_columns": "timestamp=ts,tagname=tag,energy=value"}
    result = clean("sql", ROOT, tmp_path / "live", **table)
    pd.testing.assert_frame_equal(*(tables_of(tmp_path / name, "sql")[1] for name in ("files", "live")))
    assert given.metrics | {"rows_read": 0, "rows_dropped": 0, "dropped_other_tag": 0} == result.metrics | {
        "rows_read": 0, "rows_dropped": 0, "dropped_other_tag": 0
    }  # fmt: skip
    assert result.tags == {"loaded_from": "the live historian, table energies"}
    assert [given.name for given in result.inputs] == ["smart_meter_description"]
    days = {"sql_meters": "SMP0009, SMP0010", "sql_from": date(2019, 6, 3), "sql_to": date(2019, 6, 4)}
    clean("sql", ROOT, tmp_path / "part", **table, **days)
    found = read_profiles(tmp_path / "part" / "clean_sql.csv")
    assert sorted(set(zip(found["id"], found["date"], strict=True))) == [
        (meter, day) for meter in ("SMP0009", "SMP0010") for day in ("2019-06-03", "2019-06-04")
    ]


@pytest.mark.parametrize("choice", [{"sql_meters": "A1"}, {"sql_from": date(2020, 1, 1)}, {"sql_to": date(2020, 1, 1)}])
def test_a_choice_of_a_live_historian_that_is_not_there_is_refused(tmp_path, monkeypatch, choice):
    monkeypatch.delenv("SQL_URL", raising=False)
    with pytest.raises(ParameterError, match="SQL_URL is not set: set it, or leave them empty"):
        clean("sql", ROOT, tmp_path, **choice)


def test_customers_are_read_by_a_layout_of_ones_own(tmp_path):
    source = pd.read_csv(ROOT / "customers" / "DATOSCLIENTE1.csv")
    (tmp_path / "customers").mkdir()
    hours = pd.to_datetime(source["Fecha"]) + pd.Timedelta(hours=1)
    table = pd.DataFrame({"Ende": hours.dt.strftime("%d.%m.%Y %H:%M"), "Wirk": source["Active_energy"]})
    table.to_csv(tmp_path / "customers" / "Lastgang 1.csv", sep=";", decimal=",", encoding="latin-1", index=False)
    layout = tmp_path / "layout.toml"
    layout.write_text(
        'files = "Lastgang *.csv"\nmeter_pattern = "([0-9]+)"\nmeter_id = "Cliente {1}"\n'
        'timestamp = "Ende"\ntimestamp_format = "%d.%m.%Y %H:%M"\nstamps = "end"\n'
        'energy = "Wirk"\nunit = "kW"\ndelimiter = ";"\ndecimal = ","\nencoding = "latin-1"\n'
    )
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    result = clean("customers", tmp_path, tmp_path / "a", customers_layout=layout, smart_meter_description_csv=None)
    clean("customers", ROOT, tmp_path / "b", smart_meter_description_csv=None)
    found, expected = (read_profiles(tmp_path / name / "clean_customers.csv") for name in "ab")
    pd.testing.assert_frame_equal(found, expected[expected["id"] == "Cliente 1"].reset_index(drop=True))
    assert [given.name for given in result.inputs] == ["customers", "customers_layout"]


def corrections_of(workspace):
    return pd.read_csv(workspace / "corrections.csv", dtype={"meter": str})


def test_corrections_that_were_found_can_be_fed_back_and_change_nothing(tmp_path):
    for name in ("found", "fed back"):
        (tmp_path / name).mkdir()
    clean("oldmongo", ROOT, tmp_path / "found")
    corrections = corrections_of(tmp_path / "found")
    assert {"scale", "reject"} <= set(corrections["rule"])
    result = clean("oldmongo", ROOT, tmp_path / "fed back", corrections_csv=tmp_path / "found" / "corrections.csv")
    found, fed = (tables_of(tmp_path / name, "oldmongo")[1] for name in ("found", "fed back"))
    np.testing.assert_allclose(fed["energy_kwh"], found["energy_kwh"], rtol=1e-9, equal_nan=True)
    again = corrections_of(tmp_path / "fed back").groupby(["meter", "rule"]).size()
    pd.testing.assert_series_equal(again, corrections.groupby(["meter", "rule"]).size())
    assert [given.name for given in result.inputs] == ["oldmongo", "smart_meter_description", "corrections"]


def test_an_edited_correction_overrules_what_was_found(tmp_path):
    edited = tmp_path / "corrections.csv"
    edited.write_text(
        "meter,rule,from,to,factor,reason\n"
        "SMP0009,reject,2019-06-05T00:00Z,2019-06-06T00:00Z,,the fuse was out\n"
        "Z9,exclude,,,,no meter of ours\n"
    )
    result = clean("sql", ROOT, tmp_path, corrections_csv=edited)
    readings = tables_of(tmp_path, "sql")[1].set_index("timestamp_utc")
    day = readings[readings["meter_id"] == "SMP0009"].loc["2019-06-05"]
    assert set(day["quality"]) == {"rejected_outlier"}
    assert day["energy_kwh"].isna().all()
    assert f"{edited} lists 1 meters without data here: Z9" in result.notes


def test_a_wrong_correction_is_named_and_nothing_is_written(tmp_path):
    wrong = tmp_path / "corrections.csv"
    wrong.write_text("meter,rule,from,to,factor,reason\nA,mend,,,,\n")
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match=r"corrections\.csv: column rule, .*'mend' in row 1"):
        clean("sql", ROOT, tmp_path / "out", corrections_csv=wrong)
    assert list((tmp_path / "out").iterdir()) == []


def test_long_gaps_are_filled_by_like_days_only_when_asked(tmp_path):
    for name in ("off", "on"):
        (tmp_path / name).mkdir()
    clean("customers", ROOT, tmp_path / "off")
    clean("customers", ROOT, tmp_path / "on", like_days=True)
    off, on = (tables_of(tmp_path / name, "customers")[1] for name in ("off", "on"))
    like = (on["quality"] == "estimated_like_day").to_numpy()
    assert like.sum() == 10, "the hours of the long gaps"
    assert off.loc[like, "energy_kwh"].isna().all()
    assert on.loc[like, "energy_kwh"].notna().all()
    pd.testing.assert_frame_equal(off[~like], on[~like])


def test_the_report_tells_every_meter_and_draws_its_faults(cleaned):
    _, _, workspace = cleaned
    meters, report = pd.read_csv(workspace / "meters.csv"), pd.read_csv(workspace / "vee_report.csv")
    assert report["meter_id"].tolist() == sorted(meters["meter_id"])
    page = (workspace / "vee_report.html").read_text()
    assert all(html.escape(meter) in page for meter in meters["meter_id"])
    assert page.count("<svg ") >= 2


def meter_file(folder, name, lines):
    (folder / "sql").mkdir(exist_ok=True)
    (folder / "sql" / f"{name}.txt").write_text("".join(lines))


def day_of(name, value="1", day="2021-09-01"):
    return [f"{day} {hour:02d}:00:00,Energy_Apiu_1_8_0_{name}.kWh,{value},0,192,192\n" for hour in range(24)]


def tables_of(workspace, source):
    """Text and tables that a step left, by name."""
    texts = {name: (workspace / name).read_bytes() for name in (f"clean_{source}.csv", "findings.csv", "meters.csv")}
    return texts, check_readings(pd.read_parquet(workspace / "readings.parquet"))


def assert_same_result(source, one, other):
    """The same metrics, notes and tables of two runs, given as result and workspace."""
    assert one[0].metrics == other[0].metrics
    assert one[0].notes == other[0].notes
    (texts, readings), (other_texts, other_readings) = tables_of(one[1], source), tables_of(other[1], source)
    assert texts == other_texts
    pd.testing.assert_frame_equal(readings, other_readings)


@pytest.mark.parametrize("source", ["oldmongo", "customers"])
def test_the_number_of_processes_changes_nothing(tmp_path, monkeypatch, source):
    monkeypatch.setattr("loadprofiles.batch._SMALLEST_BATCH", 1)  # as many batches as a large source has
    results = []
    for jobs in (1, 2):
        workspace = tmp_path / str(jobs)
        workspace.mkdir()
        results.append((clean(source, ROOT, workspace, jobs=jobs), workspace))
    assert_same_result(source, *results)
    assert len(list((tmp_path / "2" / "readings.parquet").iterdir())) > 2


def test_a_dask_cluster_gives_the_same_as_this_machine(tmp_path, monkeypatch):
    monkeypatch.setattr("loadprofiles.batch._SMALLEST_BATCH", 1)
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    here = clean("oldmongo", ROOT, tmp_path / "here")
    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, protocol="tcp://"
    ) as cluster:
        there = clean("oldmongo", ROOT, tmp_path / "there", dask_scheduler=cluster.scheduler_address)
        with Client(cluster) as client:
            ran = client.run(lambda: "loadprofiles.batch" in __import__("sys").modules)
    assert list(ran.values()) == [True, True]
    assert_same_result("oldmongo", (here, tmp_path / "here"), (there, tmp_path / "there"))


def test_a_file_that_cannot_be_read_is_reported_and_stops_nothing(tmp_path):
    meter_file(tmp_path, "A1", day_of("A1"))
    meter_file(tmp_path, "B2", day_of("ANOTHER"))
    for number in range(9):
        meter_file(tmp_path, f"C{number}", ["\n"])
    result = clean("sql", tmp_path, tmp_path, smart_meter_description_csv=None)
    assert result.metrics["files_rejected"] == 10
    assert result.metrics["meters"] == 1
    notes = [note for note in result.notes if note.startswith("file rejected: ")]
    assert len(notes) == 8
    assert "B2.txt" in notes[0]
    assert "2 more files rejected, 10 in all; see the findings" in result.notes
    findings = pd.read_csv(tmp_path / "findings.csv").set_index("meter_id")
    assert findings.loc[["B2", "C8"], "kind"].tolist() == ["unreadable_file"] * 2
    assert "no row has the tag Energy_Apiu_1_8_0_B2.kWh" in findings.loc["B2", "evidence"]


def test_a_source_of_which_no_file_can_be_read_fails_and_says_how_many(tmp_path):
    for name in ("A1", "B2"):
        meter_file(tmp_path, name, day_of("ANOTHER"))
    with pytest.raises(InputError, match=r"A1\.txt: .*; 2 files of .*sql were rejected, none gave a meter"):
        clean("sql", tmp_path, tmp_path, smart_meter_description_csv=None)
    assert not (tmp_path / "clean_sql.csv").exists()
    assert not (tmp_path / "readings.parquet").exists()


@pytest.mark.parametrize("size", [1, 32_000_000])
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_meter_of_two_files_is_refused_naming_both(tmp_path, jobs, size):
    (tmp_path / "out").mkdir()
    files = [tmp_path / folder / "SMP0009.txt" for folder in ("a", "b")]
    for path in files:
        path.parent.mkdir()
        path.write_bytes((ROOT / "sql" / "SMP0009.txt").read_bytes())
    etl = Etl(None, 60, "UTC", tmp_path / "clean.csv", tmp_path / "out", jobs=jobs)
    given = [Job(str(path), partial(sql.read, [path], "UTC"), size) for path in files]
    with pytest.raises(InputError, match=r"meter SMP0009 is in .*/a/SMP0009\.txt and in .*/b/SMP0009\.txt: keep one"):
        etl.clean("sql", given, tmp_path)
    assert list((tmp_path / "out").iterdir()) == []


def test_rows_that_the_reader_dropped_are_told_with_their_place(tmp_path):
    lines = day_of("A1") + day_of("A1", day="2021-09-02")
    lines[30] = lines[30].replace(",1,0,192", ",abc,0,192")
    meter_file(tmp_path, "A1", lines)
    clean("sql", tmp_path, tmp_path, smart_meter_description_csv=None)
    findings = pd.read_csv(tmp_path / "findings.csv")
    told = findings[findings["kind"] == "unreadable"]
    assert told["readings"].tolist() == [1]
    assert "A1.txt dropped, the first at line 31" in told["evidence"].item()


def kill_own_process(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_fails_the_step_and_leaves_nothing(tmp_path):
    jobs = [Job(f"{name}.txt", partial(kill_own_process, name), 1) for name in "ab"]
    etl = Etl(None, 60, "UTC", tmp_path / "clean.csv", tmp_path, jobs=2)
    with pytest.raises(StepFailedError, match=r"ended from outside, out of memory\?, during: [ac]\.txt"):
        etl.clean("sql", [*jobs, Job("c.txt", kill_own_process, 32_000_000)], tmp_path)
    assert list(tmp_path.iterdir()) == []
