from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles import readings as r
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


def test_a_tenfold_change_at_a_meter_of_unknown_power_leaves_its_level_open_and_says_so():
    kwh = 100 + np.arange(8) * 0.5
    raw = register_meter(np.r_[kwh[:4], kwh[4:] * 10])
    unknown = Limits(import_kw=200.0, export_kw=200.0, known=False)
    assert kinds(clean(raw, unknown)[1])["level_uncertain"] == 1
    assert kinds(clean(raw)[1])["level_uncertain"] == 0


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


energies = st.lists(st.one_of(st.none(), st.floats(-5, 40, allow_nan=False)), min_size=3, max_size=60)


@settings(max_examples=60, deadline=None)
@given(energies, st.randoms(use_true_random=False))
def test_order_of_rows_is_irrelevant_untouched_energy_conserved_and_every_value_has_a_reason(values, random):
    kept = [i for i, value in enumerate(values) if value is not None]
    raw = without(interval_meter([0.0 if v is None else v for v in values]), *set(range(len(values))) - set(kept))
    table, _ = clean(raw)
    shuffled = raw.rows.sample(frac=1, random_state=random.randint(0, 99))
    again, _ = clean(raw.with_rows(shuffled))
    pd.testing.assert_frame_equal(table, again)
    measured = table[table["quality"] == r.MEASURED]
    assert measured["energy_kwh"].tolist() == measured["energy_kwh_raw"].tolist()
    if len(table):
        assert set(table["quality"]) <= {r.MEASURED, r.ESTIMATED_INTERPOLATED, r.MISSING}


@settings(max_examples=30, deadline=None)
@given(energies)
def test_cleaning_twice_changes_nothing(values):
    once, _ = clean(interval_meter([np.nan if v is None else v for v in values]))
    if once.empty:
        return
    known = once.dropna(subset=["energy_kwh"])[["timestamp_utc", "energy_kwh"]]
    twice, _ = clean(RawMeter("m", "m.csv", known, len(known)))
    merged = known.merge(twice, on="timestamp_utc", suffixes=("", "_twice"))
    if len(merged):
        assert len(merged) == len(known)
        assert merged["energy_kwh"].tolist() == merged["energy_kwh_twice"].tolist()
