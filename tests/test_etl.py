from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from loadprofiles.etl import etl_customers, etl_newmongo, etl_oldmongo, etl_sql
from loadprofiles.loading import load_newmongo
from loadprofiles.profiles import read_profiles
from loadprofiles.readings import check_readings

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("oldmongo", "sql", "newmongo", "customers")
TOUCHING = ("gap_short", "gap_long", "night_gap", "outlier_high", "outlier_low")
FOUND_AS = {"gap_short": "gap_filled", "gap_long": "gap_left", "night_gap": "gap_filled"}


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
        load_newmongo(samples / "newmongo", "", "", table, workspace)
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
        if event.kind in merged_by_load or event.kind == "identical_meters":
            continue  # load_newmongo counts the former, harmonization finds the latter
        kind = FOUND_AS.get(event.kind, event.kind)
        mine = findings[(findings["meter_id"] == event.meter_id) & (findings["kind"] == kind)]
        covering = mine[(mine["from_utc"] <= event.from_utc) & (mine["to_utc"] >= event.from_utc)]
        assert len(covering) == 1, f"{event}"
        if event.kind == "scale_change":
            assert covering["factor"].item() == event.factor
            assert covering["from_utc"].item() == event.from_utc


def test_no_fault_is_found_that_is_not_there(cleaned):
    source, _, workspace = cleaned
    findings = pd.read_csv(workspace / "findings.csv")
    injected = events_of(source)
    expected = {(e.meter_id, FOUND_AS.get(e.kind, e.kind)) for e in injected.itertuples()}
    # a rejected outlier is a gap, which is filled; the unit of registers is no fault
    expected |= {(e.meter_id, "gap_filled") for e in injected.itertuples() if e.kind.startswith("outlier")}
    unexpected = findings[findings["kind"] != "register_unit"]
    assert set(zip(unexpected["meter_id"], unexpected["kind"], strict=True)) <= expected


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
