from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles import readings as r
from loadprofiles.corrections import corrections_table, read_corrections
from loadprofiles.meters import Limits
from loadprofiles.vee import RawMeter, clean_meter

NOW = pd.Timestamp("2024-06-01", tz="UTC")
LIMITS = Limits(import_kw=40.0, export_kw=5.0, known=True)


def grid(n, start="2024-01-01 08:00", minutes=60):
    return pd.date_range(start, periods=n, freq=f"{minutes}min", tz="UTC", unit="us")


def interval_meter(energies, **changes):
    rows = pd.DataFrame({"timestamp_utc": grid(len(energies)), "energy_kwh": np.asarray(energies, dtype=float)})
    return RawMeter("m", "m.csv", rows, len(rows), **changes)


def clean(raw, limits=LIMITS):
    cleaned = clean_meter(raw, limits, "UTC", NOW)
    return r.check_readings(cleaned.readings), cleaned


def kinds(cleaned):
    return Counter(finding.kind for finding in cleaned.findings)


def without(raw, *positions):
    return raw.with_rows(raw.rows.drop(index=list(positions)))


def test_good_readings_pass_untouched():
    table, cleaned = clean(interval_meter([1, 2, -3, 4]))
    assert table["energy_kwh"].tolist() == [1, 2, -3, 4]
    assert set(table["quality"]) == {r.MEASURED}
    assert cleaned.findings == []


def test_a_short_gap_is_estimated_and_a_long_one_stays_missing():
    table, cleaned = clean(without(interval_meter([1, 9, 9, 4, 5, 9, 9, 9, 1]), 1, 2, 5, 6, 7))
    assert table["energy_kwh"].fillna(-1).tolist() == [1, 2, 3, 4, 5, -1, -1, -1, 1]
    assert table["quality"].tolist()[1:3] == [r.ESTIMATED_INTERPOLATED] * 2
    assert table["quality"].tolist()[5:8] == [r.MISSING] * 3
    assert kinds(cleaned) == {"gap_filled": 1, "gap_left": 1}


def test_energy_that_piled_up_over_a_short_gap_is_spread_over_it_and_told():
    table, cleaned = clean(without(interval_meter([1, 9, 60, 4]), 1))
    assert table["energy_kwh"].tolist() == [1, 30, 30, 4]
    assert table["quality"].tolist() == [r.MEASURED, *[r.ESTIMATED_INTERPOLATED] * 2, r.MEASURED]
    assert kinds(cleaned) == {"accumulated": 1, "gap_filled": 1}


def test_energy_that_piled_up_over_a_long_gap_is_not_taken_for_that_of_its_interval():
    table, cleaned = clean(without(interval_meter([1, 9, 9, 9, 90, 4]), 1, 2, 3))
    assert table["energy_kwh"].fillna(-1).tolist() == [1, -1, -1, -1, -1, 4]
    assert kinds(cleaned) == {"accumulated": 1, "gap_left": 1}


def test_an_outlier_is_rejected_then_estimated_and_its_raw_value_kept():
    table, cleaned = clean(interval_meter([1, 41, 3, 2, -6, 4]))
    assert table["energy_kwh"].tolist() == [1, 2, 3, 2, 3, 4]
    assert table["energy_kwh_raw"].tolist() == [1, 41, 3, 2, -6, 4]
    assert kinds(cleaned) == {"outlier_high": 1, "outlier_low": 1, "gap_filled": 2}
    (high,) = [f for f in cleaned.findings if f.kind == "outlier_high"]
    assert high.evidence == "largest 41 kWh in 60 min; 40 kW allow 40 kWh"


def test_rejected_readings_in_a_long_run_stay_rejected():
    table, _ = clean(interval_meter([1, 50, 50, 50, 1]))
    assert table["quality"].tolist()[1:4] == [r.REJECTED_OUTLIER] * 3
    assert table["energy_kwh"].isna().tolist() == [False, True, True, True, False]


def test_implausible_and_repeated_rows_are_dropped_and_counted_and_the_later_row_wins():
    raw = interval_meter([1, 2, 3])
    stray = pd.DataFrame({"timestamp_utc": pd.to_datetime(["1970-01-01", "2040-01-01"], utc=True), "energy_kwh": 1.0})
    again = raw.rows.iloc[[0]]
    corrected = raw.rows.iloc[[1]].assign(energy_kwh=7.0)
    rows = pd.concat([raw.rows, stray.astype(raw.rows.dtypes), again, corrected])
    table, cleaned = clean(raw.with_rows(rows))
    assert table["energy_kwh"].tolist() == [1, 7, 3]
    assert cleaned.dropped == {"implausible_year": 2, "duplicate": 1, "conflicting_duplicate": 1}


def test_rows_beside_the_grid_are_dropped_and_counted():
    raw = interval_meter([1, 2, 3, 4])
    beside = raw.rows.iloc[[1]].assign(timestamp_utc=raw.rows["timestamp_utc"][1] + pd.Timedelta(minutes=7))
    table, cleaned = clean(raw.with_rows(pd.concat([raw.rows, beside])))
    assert table["energy_kwh"].tolist() == [1, 2, 3, 4]
    assert cleaned.dropped == {"off_grid": 1}


@pytest.mark.parametrize("usable", [0, 1])
def test_a_meter_without_two_usable_rows_comes_back_empty_with_a_reason(usable):
    table, cleaned = clean(interval_meter([1.0] * usable))
    assert table.empty
    assert kinds(cleaned) == {"no_regular_interval": 1}


def register_meter(import_end, export_end=None, start=True, positions=None, minutes=15):
    """A register meter; `positions` are the grid steps it has rows for."""
    import_end = np.asarray(import_end, dtype=float)
    export_end = np.zeros(len(import_end)) if export_end is None else np.asarray(export_end, dtype=float)
    positions = np.arange(len(import_end)) if positions is None else np.asarray(positions)
    stamps = grid(int(positions.max()) + 1, minutes=minutes)[positions]
    own = {
        "import_start": np.r_[import_end[0], import_end[:-1]] if start else np.nan,
        "export_start": np.r_[export_end[0], export_end[:-1]] if start else np.nan,
    }
    rows = pd.DataFrame({"timestamp_utc": stamps, "import_end": import_end, "export_end": export_end} | own)
    return RawMeter("m", "m.csv", rows, len(rows))


def test_register_differences_are_net_energy():
    table, _ = clean(register_meter([100, 101, 103, 103], [50, 50, 50.5, 51.5]))
    np.testing.assert_allclose(table["energy_kwh"], [0, 1, 1.5, -1])


def test_energy_missed_in_a_short_gap_is_conserved_by_the_register():
    table, cleaned = clean(register_meter([100, 101, 105, 106], positions=[0, 1, 5, 6], start=False))
    np.testing.assert_allclose(table["energy_kwh"][1:], [1, 1, 1, 1, 1, 1])
    assert table["energy_kwh"].iloc[1:].sum() == pytest.approx(106 - 100)
    assert table["quality"][0] == r.MISSING, "the first register has nothing to be subtracted from"
    assert kinds(cleaned) == {"gap_filled": 1, "gap_left": 1}


def test_a_gap_whose_register_difference_is_impossible_stays_missing():
    register = np.r_[100 + np.arange(40), 600 + np.arange(40)]
    positions = np.r_[np.arange(40), 43 + np.arange(40)]
    table, _ = clean(register_meter(register, positions=positions, start=False))
    assert table["quality"].tolist()[40:44] == [r.MISSING] * 4


def test_readings_before_a_change_of_scale_are_edited_and_say_so():
    kwh = 100 + np.arange(8) * 0.5
    raw = register_meter(np.r_[kwh[:4], kwh[4:] * 1000])
    table, cleaned = clean(raw)
    np.testing.assert_allclose(table["energy_kwh"][1:], 0.5)
    assert table["quality"].tolist() == [r.EDITED_SCALE] * 5 + [r.MEASURED] * 3
    (change,) = [f for f in cleaned.findings if f.kind == "scale_change"]
    assert (change.factor, change.from_utc) == (1000, raw.rows["timestamp_utc"][4])


def test_a_tenfold_change_leaves_the_level_open_and_says_so_unless_contracted_power_rules_one_out():
    kwh = 100 + np.arange(8) * 0.5
    raw = register_meter(np.r_[kwh[:4], kwh[4:] * 10])
    unknown = Limits(import_kw=200.0, export_kw=200.0, known=False)
    assert kinds(clean(raw, unknown)[1])["level_uncertain"] == 1
    assert kinds(clean(raw)[1])["level_uncertain"] == 1, "2 kW and 20 kW are both possible under 40 kW"
    table, cleaned = clean(raw, Limits(import_kw=10.0, export_kw=5.0, known=True))
    assert kinds(cleaned)["level_uncertain"] == 0
    np.testing.assert_allclose(table["energy_kwh"][1:], 0.5)


def test_an_exchanged_meter_counts_on_from_its_own_start():
    raw = register_meter([100, 100.5, 0.4, 0.9])
    raw.rows.loc[2, "import_start"] = 0.0
    table, cleaned = clean(raw)
    np.testing.assert_allclose(table["energy_kwh"], [0, 0.5, 0.4, 0.5])
    assert table["quality"][2] == r.EDITED_RESET
    assert kinds(cleaned) == {"reset": 1}


def test_a_reset_without_a_start_is_rejected_then_estimated():
    table, cleaned = clean(register_meter([100, 100.5, 0.4, 0.9], start=False))
    assert table["quality"].tolist() == [r.MISSING, r.MEASURED, r.ESTIMATED_INTERPOLATED, r.MEASURED]
    assert kinds(cleaned) == {"reset": 1, "gap_filled": 1, "gap_left": 1}


def test_a_transient_zero_of_the_register_loses_no_energy():
    table, cleaned = clean(register_meter([100, 101, 0, 103, 104], start=False))
    np.testing.assert_allclose(table["energy_kwh"][1:], 1)
    assert kinds(cleaned)["register_excursion"] == 1


# ---- what holds whatever the meter, of registers and of energies of intervals ----

PROPERTY = settings(max_examples=30, deadline=None)


IMPOSSIBLE = (9000.0, -9000.0)
"""Energies that no number of missed steps explains."""


@st.composite
def energy_meters(draw):
    """A meter of interval energies with gaps, outliers and a run of equal values."""
    good = st.floats(-5, 40, allow_nan=False)
    value = st.one_of(st.none(), st.sampled_from([0.0, *IMPOSSIBLE]), good)
    values = draw(st.lists(value, min_size=3, max_size=60))
    values[3:3] = [draw(good)] * draw(st.integers(0, 12))
    gaps = [i for i, v in enumerate(values) if v is None]
    raw = interval_meter([0.0 if v is None else v for v in values])
    return without(raw, *gaps)


@dataclass(frozen=True)
class Counted:
    """A register meter, and the energies that it counted, in kWh."""

    raw: RawMeter
    true: np.ndarray
    gaps: tuple[int, ...]


@st.composite
def register_meters(draw, faults=("scale", "reset", "zero", "fall")):
    """A meter whose registers count 0.2 to 0.9 kWh a step, with gaps and at most one fault."""
    steps = draw(st.integers(90, 130))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    true = np.round(rng.uniform(0.2, 0.9, steps), 3)
    end = np.round(5000 + np.cumsum(true), 3)
    start = np.r_[5000.0, end[:-1]]
    fault, row = draw(st.sampled_from([None, *faults])), draw(st.integers(30, 60))
    if fault == "scale":
        factor = draw(st.sampled_from([10.0, 1000.0, 0.001, 60.0]))
        end[row:], start[row:] = end[row:] * factor, start[row:] * factor
    elif fault == "reset":
        start[row:], end[row:] = start[row:] - start[row], end[row:] - start[row]
    elif fault == "zero":
        end[row] = 0.0
    elif fault == "fall":
        end[row:] -= 1.7
        start[row + 1 :] -= 1.7
    raw = register_meter(end, minutes=15)
    if draw(st.booleans()):
        raw = raw.with_rows(raw.rows.assign(import_start=start))
    elif fault == "reset":
        raw = raw.with_rows(raw.rows.assign(import_start=np.nan))
    around = range(row - 4, row + 5)
    gaps = draw(st.sets(st.integers(1, steps - 2).filter(lambda i: i not in around), max_size=12))
    return Counted(without(raw, *gaps), true, tuple(sorted(gaps)))


either_meter = st.one_of(energy_meters(), register_meters().map(lambda counted: counted.raw))


def told_by(findings, stamp, quality):
    """Whether a finding gives a reason for a reading that is not as measured."""
    inside = any(f.from_utc <= stamp < f.to_utc for f in findings)
    at = any(f.from_utc == stamp and f.kind in {"reset", "exchange", "rollover"} for f in findings)
    # before a change of scale all is brought to the scale after it, the step into it included
    scaled = any(f.kind == "scale_change" and stamp <= f.from_utc for f in findings)
    return inside or at or (scaled and quality == r.EDITED_SCALE)


@PROPERTY
@given(either_meter)
def test_every_reading_has_a_quality_and_every_one_that_is_not_measured_a_finding(raw):
    table, cleaned = clean(raw)
    assert table["quality"].notna().all()
    for stamp, quality in table.loc[table["quality"] != r.MEASURED, ["timestamp_utc", "quality"]].itertuples(False):
        assert told_by(cleaned.findings, stamp, quality), f"{quality} at {stamp}: {kinds(cleaned)}"
    unknown = table["quality"].isin([r.MISSING, r.REJECTED_OUTLIER, r.REJECTED_REGISTER])
    assert (table["energy_kwh"].isna() == unknown).all(), "and only what is unknown has no energy"


@PROPERTY
@given(either_meter, st.randoms(use_true_random=False))
def test_the_order_of_rows_is_irrelevant(raw, random):
    table, cleaned = clean(raw)
    shuffled = raw.rows.sample(frac=1, random_state=random.randint(0, 99))
    again, anew = clean(raw.with_rows(shuffled))
    pd.testing.assert_frame_equal(table, again)
    assert kinds(anew) - kinds(cleaned) in (Counter(), Counter(out_of_order=1))


@PROPERTY
@given(energy_meters())
def test_energies_that_nothing_is_wrong_with_are_conserved(raw):
    table, cleaned = clean(raw)
    measured = table[table["quality"] == r.MEASURED]
    assert measured["energy_kwh"].tolist() == measured["energy_kwh_raw"].tolist()
    rejected = table.loc[table["energy_kwh_raw"].notna() & (table["quality"] != r.MEASURED), "energy_kwh_raw"]
    assert len(measured) + len(rejected) == (len(raw.rows) - cleaned.dropped.total() if len(table) else 0)
    assert rejected.isin(IMPOSSIBLE).all(), "nothing is taken away but what is above the limits"


@PROPERTY
@given(register_meters(faults=("scale", "reset")))
def test_what_registers_counted_is_conserved_across_a_change_of_scale_and_a_reset(counted):
    table, cleaned = clean(counted.raw)
    edited = table["quality"].isin([r.MEASURED, r.EDITED_SCALE, r.EDITED_RESET])
    unit = 1.0
    if kinds(cleaned)["level_uncertain"]:  # then one common factor is left open
        unit = float((table["energy_kwh"] / counted.true)[edited & (table.index > 0)].median())
    own = edited & (table.index > 0)
    np.testing.assert_allclose(table["energy_kwh"][own] / unit, counted.true[own], atol=1e-5)
    assert own.sum() >= len(table) - 3 * len(counted.gaps) - 2, "only gaps and a reset without a start cost readings"


@PROPERTY
@given(register_meters(faults=()))
def test_the_energy_of_gaps_that_are_filled_is_what_the_register_counted_over_them(counted):
    table, _ = clean(counted.raw)
    known = table["energy_kwh"].iloc[1:]
    for gap, rows in known.isna().groupby((known.isna() != known.isna().shift()).cumsum()):
        assert not rows.any() or len(rows) > 8, f"gap {gap} is long"
    if known.notna().all():
        assert known.sum() == pytest.approx(counted.true[1:].sum(), abs=1e-6)


@PROPERTY
@given(either_meter)
def test_cleaning_what_came_out_changes_no_measured_value(raw):
    once, _ = clean(raw)
    known = once.dropna(subset=["energy_kwh"])[["timestamp_utc", "energy_kwh", "quality"]]
    if len(known) < 2:
        return
    twice, again = clean(RawMeter("m", "m.csv", known[["timestamp_utc", "energy_kwh"]], len(known)))
    if twice.empty:
        assert kinds(again)["no_regular_interval"] == 1
        return
    merged = known.merge(twice, on="timestamp_utc", suffixes=("", "_twice"))
    if again.dropped.total() == 0:
        assert len(merged) == len(known)
    assert merged["energy_kwh"].tolist() == merged["energy_kwh_twice"].tolist()
    assert set(merged["quality_twice"].astype("str")) <= {r.MEASURED}


@PROPERTY
@given(either_meter)
def test_the_corrections_found_fed_back_give_the_same_readings(tmp_path_factory, raw):
    once, cleaned = clean(raw)
    path = tmp_path_factory.mktemp("fed") / "corrections.csv"
    corrections_table([("m", c) for c in cleaned.corrections]).to_csv(path, index=False)
    given_back = read_corrections(path, "UTC").get("m", ())
    assert len(given_back) == len(cleaned.corrections)
    again = clean_meter(raw, LIMITS, "UTC", NOW, corrections=given_back)
    pd.testing.assert_series_equal(once["energy_kwh"], again.readings["energy_kwh"], rtol=1e-9)
    # readings in a unit that is now given are edited; why a reading is rejected may be told otherwise
    alike = {r.EDITED_SCALE: r.MEASURED, r.REJECTED_OUTLIER: "no energy", r.REJECTED_REGISTER: "no energy"}
    before, after = (table["quality"].astype("str").replace(alike) for table in (once, again.readings))
    assert before.tolist() == after.tolist()
