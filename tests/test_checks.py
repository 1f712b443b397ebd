"""Suspicions: what a person would want to see is told, what a load does of itself is not, and nothing is edited."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles import readings as r
from loadprofiles.checks import tell_suspicions
from loadprofiles.corrections import MEASURED, Correction
from loadprofiles.meters import Limits
from loadprofiles.quality import missed_before
from loadprofiles.series import CODES, Meter, Series

START = pd.Timestamp("2024-01-01", tz="UTC")
HOURS = np.arange(24)
DAY = 1 + 0.5 * np.sin(HOURS / 24 * np.pi)
"""A load of 24 hours, in kWh."""


def weeks(days=21, day=DAY):
    """A load that is a little different each day, as real ones are."""
    return (day + 0.013 * np.arange(days)[:, None] * (day != 0)).ravel().round(4)


def series_of(energies, timezone="UTC", given=()):
    energies = np.array(energies, dtype=float)
    missing = np.isnan(energies)
    return Series(
        meter=Meter("m", 60, Limits(1000.0, 1000.0, known=True), timezone, given),
        grid=pd.date_range(START, periods=len(energies), freq="60min", unit="us"),
        energy_kwh=energies.copy(),
        energy_raw=energies.copy(),
        quality=np.where(missing, CODES[r.MISSING], CODES[r.MEASURED]).astype(np.int8),
        gap_energy_kwh=np.full(len(energies), np.nan),
        missed=missed_before(missing),
        others=pd.DataFrame(index=range(len(energies))),
    )


def told(energies, **options):
    series = series_of(energies, **options)
    tell_suspicions(series)
    return series.findings


def spans(findings):
    """Kind, first hour since the start, and readings of each finding."""
    return [(f.kind, int((f.from_utc - START) / pd.Timedelta(hours=1)), f.readings) for f in findings]


def with_run(value, start, length):
    energies = weeks()
    energies[start : start + length] = value
    return energies


def by_night_only(days=5):
    return np.tile(np.where((HOURS >= 22) | (HOURS < 3), -2.0, 0.5) + 0.01 * HOURS, days)


SUSPICIOUS = {
    "spike": with_run(9.0, 250, 1),
    "flat_line": with_run(1.1117, 250, 12),
    "zeros": with_run(0.0, 250, 12),
    "production_at_night": by_night_only(),
}


@pytest.mark.parametrize(("kind", "span"), [("spike", (250, 1)), ("flat_line", (250, 12)), ("zeros", (250, 12))])
def test_a_stretch_that_no_load_explains_is_told_once_with_its_span(kind, span):
    assert spans(told(SUSPICIOUS[kind])) == [(kind, *span)]


def test_days_that_export_by_night_are_told_as_a_stretch_unless_the_meter_often_does():
    energies = weeks()
    energies[[240, 242, 250, 266, 268]] *= -1  # of the days 10 and 11
    energies[300:310] *= -1  # by day
    found = [finding for finding in told(energies) if finding.kind == "negative_energy"]
    assert spans(found) == [("negative_energy", 240, 48)]
    often = weeks()
    often[:240] *= -1
    assert "negative_energy" not in {finding.kind for finding in told(often)}


def test_a_load_without_faults_is_told_nothing():
    assert told(weeks()) == []


@pytest.mark.parametrize("energies", [[1.0], [np.nan] * 60, [0.0] * 600])
def test_a_series_with_nothing_to_compare_is_told_nothing(energies):
    assert told(energies) == []


def test_a_peak_that_other_days_of_the_month_reach_is_no_spike():
    energies = with_run(9.0, 250, 1)
    energies[[60, 400]] = 7.0
    assert "spike" not in {f.kind for f in told(energies) if f.from_utc == START + pd.Timedelta(hours=250)}
    energies[400] = weeks()[400]
    assert ("spike", 250, 1) in spans(told(energies)), "one such day may be a spike itself"


def test_two_high_hours_of_a_day_are_a_load_and_three_days_too_few_to_tell():
    assert spans(told(with_run(9.0, 250, 3))) == []
    assert told(np.r_[weeks(2)[:40], 9.0, weeks(2)[41:]]) == []


def test_a_standby_that_the_meter_goes_back_to_each_night_is_no_flat_line():
    energies = weeks()
    for day, length in enumerate([9, 10, 11] * 7):
        energies[24 * day : 24 * day + length] = 0.031
    assert told(energies) == []
    energies[24 * 10 : 24 * 12] = 0.031  # a standstill of two days, which it never had
    assert spans(told(energies)) == [("flat_line", 240, 48 + 9)]


def test_a_small_value_of_a_coarse_counter_is_no_flat_line():
    energies = np.round(weeks() * 3)
    energies[250:262] = 4.0
    assert told(energies) == []


def test_hours_without_use_that_come_each_night_are_not_told():
    day = np.where(HOURS < 9, 0.0, DAY)
    assert told(weeks(day=day)) == []


def test_weeks_of_zeros_are_one_finding_and_so_is_each_of_two_outages():
    energies = weeks(140)
    energies[1000:1700] = 0.0
    energies[1830:2530] = 0.0
    assert spans(told(energies)) == [("zeros", 1000, 700), ("zeros", 1830, 700)]


def test_a_shop_that_is_closed_on_sundays_is_not_told():
    energies = weeks(28)
    for sunday in range(6, 28, 7):
        energies[24 * sunday : 24 * sunday + 30] = 0.0
    assert told(energies) == []


def test_production_at_night_is_one_finding_about_the_whole_series_in_local_time():
    (finding,) = told(by_night_only())
    assert (finding.kind, finding.readings) == ("production_at_night", 25)
    assert finding.from_utc == START
    assert told(by_night_only(), timezone="Asia/Tokyo") == [], "there it is morning"


@pytest.mark.parametrize("kind", SUSPICIOUS)
def test_a_suspicion_edits_nothing(kind):
    series = series_of(SUSPICIOUS[kind])
    tell_suspicions(series)
    assert series.findings
    np.testing.assert_array_equal(series.energy_kwh, SUSPICIOUS[kind])
    assert set(series.quality) == {CODES[r.MEASURED]}
    assert series.corrections == []


@pytest.mark.parametrize("kind", SUSPICIOUS)
def test_what_a_person_says_is_measured_is_no_suspicion(kind):
    right = Correction(MEASURED, None, None, np.nan, "a person looked")
    assert told(SUSPICIOUS[kind], given=(right,)) == []


@pytest.mark.parametrize("kind", SUSPICIOUS)
def test_a_suspicion_says_why_and_is_not_certain(kind):
    (finding,) = told(SUSPICIOUS[kind])
    assert finding.evidence
    assert 0.5 <= finding.confidence < 1


VALUES = st.one_of(st.none(), st.sampled_from([0.0, 0.031, -2.0, 50.0]), st.floats(-5, 40, allow_nan=False))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(VALUES, st.integers(1, 40)), min_size=1, max_size=25))
def test_findings_lie_on_the_series_do_not_overlap_in_one_kind_and_concern_known_readings(pieces):
    energies = np.array([np.nan if v is None else v for v, times in pieces for _ in range(times)], dtype=float)
    seen = Counter()
    for kind, start, length in spans(told(energies)):
        if kind == "production_at_night":
            continue
        assert not np.isnan(energies[start : start + length]).any()
        assert len(energies[start : start + length]) == length
        seen.update((kind, hour) for hour in range(start, start + length))
    assert not seen or max(seen.values()) == 1
