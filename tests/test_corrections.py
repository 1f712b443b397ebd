"""Corrections: read with clear errors, and effective over what validation finds."""

import numpy as np
import pandas as pd
import pytest

from loadprofiles import readings as r
from loadprofiles.corrections import corrections_table, read_corrections
from loadprofiles.errors import InputError
from loadprofiles.meters import Limits
from loadprofiles.vee import RawMeter, clean_meter

NOW = pd.Timestamp("2024-06-01", tz="UTC")
LIMITS = Limits(import_kw=40.0, export_kw=5.0, known=True)
HEADER = "meter,rule,from,to,factor,reason\n"


def corrections(tmp_path, *rows, timezone="UTC"):
    path = tmp_path / "corrections.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return read_corrections(path, timezone)


def clean(raw, given=()):
    cleaned = clean_meter(raw, LIMITS, "UTC", NOW, corrections=given)
    return r.check_readings(cleaned.readings), cleaned


def stamps(n):
    return pd.date_range("2024-01-01", periods=n, freq="15min", tz="UTC", unit="us")


def interval_meter(energies):
    rows = pd.DataFrame({"timestamp_utc": stamps(len(energies)), "energy_kwh": np.asarray(energies, dtype=float)})
    return RawMeter("m", "m.csv", rows, len(rows))


def register_meter(end, own_start=None):
    start = np.r_[end[0], end[:-1]]
    for row, value in (own_start or {}).items():
        start[row] = value
    rows = pd.DataFrame(
        {
            "timestamp_utc": stamps(len(end)),
            "import_start": start,
            "import_end": end,
            "export_start": 0.0,
            "export_end": 0.0,
        }
    )
    return RawMeter("m", "m.csv", rows, len(rows))


def counter(n=400, first=5000.0):
    return np.round(first + np.cumsum(0.3 + 0.2 * np.sin(np.arange(n) / 96 * 2 * np.pi)), 4)


def test_stamps_without_an_offset_are_local_and_empty_ones_mean_all(tmp_path):
    given = corrections(
        tmp_path, "m,exclude,2024-01-01 00:00,2024-01-02T00:00Z,,garbage", " m ,reject,,,,", timezone="Europe/Rome"
    )
    first, second = given["m"]
    assert first.from_utc == pd.Timestamp("2023-12-31 23:00", tz="UTC")
    assert first.to_utc == pd.Timestamp("2024-01-02", tz="UTC")
    assert (second.from_utc, second.to_utc, second.reason) == (None, None, "")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("m,scale,,,,", "row 1, meter m: rule scale needs a factor"),
        ("m,restart,,,,", "row 1, meter m: rule restart needs a moment in `from`"),
        ("m,exclude,yesterday noon,,,", "'yesterday noon' is no moment; write 2019-05-14T10:00Z"),
        ("m,exclude,2024-01-02,2024-01-01,,", "lies before `from`"),
        ("m,delete,,,,", "column rule.*'delete' in row 1"),
        ("m,scale,,,-3,", "column factor.*-3.0.* in row 1"),
        ("m,scale,,,much,", "column factor"),
        (",reject,,,,", "column meter"),
    ],
)
def test_a_row_that_is_no_correction_is_named(tmp_path, row, message):
    with pytest.raises(InputError, match=message):
        corrections(tmp_path, row)


def test_a_missing_column_is_named(tmp_path):
    path = tmp_path / "corrections.csv"
    path.write_text("meter,rule\nm,reject\n", encoding="utf-8")
    with pytest.raises(InputError, match="column 'from', 'to', 'factor', 'reason' is missing"):
        read_corrections(path, "UTC")


def test_no_file_means_no_corrections():
    assert read_corrections(None, "UTC") == {}


def test_a_given_scale_overrules_the_one_found(tmp_path):
    raw = register_meter(np.r_[counter()[:200], counter()[200:] * 1000])
    found, _ = clean(raw)
    given = corrections(tmp_path, "m,scale,,2024-01-03T02:00Z,2,", "m,scale,2024-01-03T02:00Z,,0.002,by hand")["m"]
    table, cleaned = clean(raw, given)
    np.testing.assert_allclose(table["energy_kwh"][1:], 2 * np.diff(counter()), rtol=1e-6)
    np.testing.assert_allclose(found["energy_kwh"][1:], np.diff(counter()), rtol=1e-6)
    assert "scale_change" not in {f.kind for f in cleaned.findings}
    assert "corrected" in {f.kind for f in cleaned.findings}


def test_a_scale_of_interval_energies_is_applied_and_told(tmp_path):
    given = corrections(tmp_path, "m,scale,2024-01-01T00:30Z,2024-01-01T01:00Z,0.5,ct ratio")["m"]
    table, cleaned = clean(interval_meter([1, 1, 4, 4, 1]), given)
    assert table["energy_kwh"].tolist() == [1, 1, 2, 2, 1]
    assert table["energy_kwh_raw"].tolist() == [1, 1, 4, 4, 1]
    assert table["quality"].tolist()[2:4] == [r.EDITED_SCALE] * 2
    (finding,) = cleaned.findings
    assert finding.evidence == "corrections.csv: times 0.5, ct ratio"


def test_what_a_person_says_is_measured_is_kept(tmp_path):
    raw = interval_meter([1, 1, 11, 1, 1])
    assert clean(raw)[0]["energy_kwh"].tolist() == [1, 1, 1, 1, 1]
    given = corrections(tmp_path, "m,measured,2024-01-01T00:30Z,2024-01-01T00:45Z,,a test run")["m"]
    assert clean(raw, given)[0]["energy_kwh"].tolist() == [1, 1, 11, 1, 1]


def test_rejected_readings_keep_the_register_and_excluded_rows_do_not(tmp_path):
    raw = register_meter(counter())
    span = "2024-01-01T12:00Z,2024-01-01T13:00Z,,"
    rejected, _ = clean(raw, corrections(tmp_path, f"m,reject,{span}")["m"])
    excluded, _ = clean(raw, corrections(tmp_path, f"m,exclude,{span}")["m"])
    whole = counter()[-1] - counter()[0]
    assert excluded["energy_kwh"].sum() == pytest.approx(whole), "the register tells what the gap hides"
    assert rejected["energy_kwh"].sum() != pytest.approx(whole, abs=1e-6), "a line between neighbours does not"
    assert (rejected["quality"] == r.ESTIMATED_INTERPOLATED).sum() == 4
    assert (excluded["quality"] == r.ESTIMATED_INTERPOLATED).sum() == 4


def test_a_meter_that_is_wholly_excluded_has_no_energy_and_says_so(tmp_path):
    for raw in (register_meter(counter()), interval_meter([1, 2, 3])):
        table, cleaned = clean(raw, corrections(tmp_path, "m,exclude,,,,wrong meter")["m"])
        assert table["energy_kwh"].isna().all()
        assert "excluded" in {f.kind for f in cleaned.findings}


def test_zeros_by_time_of_day_fill_only_what_is_missing(tmp_path):
    night = interval_meter(np.ones(96 * 2))
    kept = (night.rows["timestamp_utc"].dt.hour >= 8) & (night.rows["timestamp_utc"].dt.hour < 18)
    kept |= night.rows.index.isin([0, 191])  # a day's ends, so that the grid spans them
    raw = night.with_rows(night.rows[kept])
    given = corrections(tmp_path, "m,zero,18:00,08:00,,no data by night")["m"]
    table, _ = clean(raw, given)
    assert table["energy_kwh"].sum() == kept.sum()
    assert table["energy_kwh"].notna().all()
    assert set(table["quality"]) == {r.MEASURED, r.ESTIMATED_NIGHT_ZERO}


def test_a_restart_that_a_person_states_needs_no_evidence(tmp_path):
    end = counter()
    end[200:] += 40
    raw = register_meter(end, own_start={200: end[200] - 0.25})
    given = corrections(tmp_path, "m,restart,2024-01-03T02:00Z,,,new meter")["m"]
    table, cleaned = clean(raw, given)
    assert table["energy_kwh"][200] == pytest.approx(0.25)
    assert "exchange" in {f.kind for f in cleaned.findings}


def test_a_stated_restart_is_given_back_once_and_as_it_was_stated(tmp_path):
    end = counter()
    end[200:] -= end[200] - 0.25
    raw = register_meter(end, own_start={200: 0.0})
    _, found = clean(raw)
    (restart,) = [c for c in found.corrections if c.rule == "restart"]
    _, again = clean(raw, (restart,))
    assert [c for c in again.corrections if c.rule == "restart"] == [restart]


def test_rules_of_registers_have_no_effect_on_energies_of_intervals_and_this_is_told(tmp_path):
    given = corrections(tmp_path, "m,restart,2024-01-01T02:00Z,,,new meter")["m"]
    table, cleaned = clean(interval_meter(np.full(48, 1.0)), given)
    assert table["energy_kwh"].tolist() == [1.0] * 48
    assert [f.kind for f in cleaned.findings if f.kind.startswith("corr")] == ["correction_unused"]
    assert cleaned.corrections == list(given)


def test_what_a_person_gave_comes_back_with_its_reason_and_its_times_of_day(tmp_path):
    given = corrections(
        tmp_path, "m,zero,18:00,08:00,,off by night", "m,exclude,2024-01-01T05:00Z,2024-01-01T07:00Z,,the fuse"
    )["m"]
    _, cleaned = clean(interval_meter(np.full(48, 1.0)), given)
    table = corrections_table(("m", c) for c in cleaned.corrections)
    assert table[["rule", "from", "to", "reason"]].to_numpy().tolist() == [
        ["zero", "18:00", "08:00", "off by night"],
        ["exclude", "2024-01-01T05:00:00Z", "2024-01-01T07:00:00Z", "the fuse"],
    ]
    (excluded,) = [f for f in cleaned.findings if f.kind == "excluded"]
    assert (excluded.readings, excluded.evidence) == (8, "corrections.csv: the fuse")


def faulty_meters():
    scaled = counter()
    scaled[120:] *= 1000
    rolled = counter(first=99_950.0) % 100_000
    zeros = counter()
    zeros[90:94] = 0.0
    jump = counter()
    jump[300:] += 15.0
    exchanged = counter()
    exchanged[250:] += 3210.0
    fell = counter()
    fell[60:63] = fell[59] - np.array([0.1, 0.2, 0.3])
    return {
        "scale": register_meter(scaled),
        "rollover": register_meter(rolled),
        "zeros": register_meter(zeros),
        "outlier": register_meter(jump),
        "exchange": register_meter(exchanged, own_start={250: exchanged[250] - 0.3}),
        "decrease": register_meter(fell),
        "intervals": interval_meter([1, 2, 15, 1, -7, 2]),
    }


@pytest.mark.parametrize("fault", faulty_meters())
def test_the_corrections_found_fed_back_give_the_same_energies(tmp_path, fault):
    raw = faulty_meters()[fault]
    once, cleaned = clean(raw)
    path = tmp_path / "corrections.csv"
    corrections_table([("m", c) for c in cleaned.corrections]).to_csv(path, index=False)
    assert cleaned.corrections, "there is something to give back"
    twice, again = clean(raw, read_corrections(path, "UTC")["m"])
    pd.testing.assert_series_equal(once["energy_kwh"], twice["energy_kwh"])
    assert again.corrections, "and it is written again"
