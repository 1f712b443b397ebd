"""What each rule finds, what it leaves alone, and what of a meter's days it looks at."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles.anomalies.attacks import ATTACKS, apply
from loadprofiles.anomalies.days import MeterDays
from loadprofiles.anomalies.faults import LAG_DAYS, PAST_DAYS, FaultDay, find_faults, rolling_quantile, second_largest

FAULTS = [name for name, attack in ATTACKS.items() if attack.kind == "fault"]
T = 60


def meter(n_days=80, phases=3, *, seed=0, with_reactive=True):
    """Days of about 1 to 2 kWh each hour, more in the evening."""
    rng = np.random.default_rng(seed)
    energy = (1 + (np.arange(24) >= 17)) * rng.uniform(0.9, 1.1, (n_days, 24))
    volts = 230 + rng.normal(0, 1, (phases, n_days, 24))
    doubted = np.zeros((n_days, 24), dtype=np.bool_)
    return MeterDays("A", 19000, energy, energy / 2 if with_reactive else None, volts, doubted)


def told(days, day=T, start=0):
    return [(fault.rule, fault.evidence) for fault in find_faults(days, start) if fault.day == day]


def days_of(days, rule):
    return [fault.day for fault in find_faults(days) if fault.rule == rule]


@pytest.mark.parametrize("seed", range(5))
def test_a_meter_as_ever_has_no_faults(seed):
    assert find_faults(meter(500, seed=seed)) == []


def test_hours_that_are_not_known_are_a_gap_from_six_on():
    days = meter()
    days.active_kwh[T, :17] = np.nan
    days.active_kwh[T + 1, ::5] = np.nan
    assert find_faults(days) == [FaultDay(T, "gap", "17 of 24 hours are not known")]


def test_doubted_hours_count_as_a_gap_and_their_values_as_nothing():
    days = meter()
    days.active_kwh[T, :12] = 5000.0
    days.active_kwh[T, 12:14] = np.nan
    days.doubted[T, :14] = True
    assert find_faults(days) == [FaultDay(T, "gap", "14 of 24 hours are not known or doubted (12)")]


def test_a_negative_energy_is_a_fault_on_a_meter_that_had_none():
    days = meter()
    days.active_kwh[T, 5:8] = -1, -1.25, -1
    assert find_faults(days) == [FaultDay(T, "sign", "3 of 24 hours are negative, down to -1.25 kWh")]


def test_a_negative_energy_is_no_fault_on_a_meter_that_feeds_in():
    days = meter()
    days.active_kwh[:, 12] = -1
    assert [fault.day for fault in find_faults(days)] == list(range(LAG_DAYS))


def test_a_meter_that_feeds_in_has_no_negative_energies_at_night():
    days = meter()
    days.active_kwh[:, 9:15] *= -1
    days.active_kwh[T] *= -1
    days.active_kwh[T, 9:15] *= -1
    days.active_kwh[T + 1, 4:9] *= -1
    days.active_kwh[T + 1, 9:14] *= -1
    assert [day for day in days_of(days, "sign") if day >= LAG_DAYS] == [T]


def test_gap_and_sign_need_no_past_and_all_others_do():
    days = meter(20)
    days.active_kwh[19, 0] = -1
    days.active_kwh[18] = np.nan
    days.active_kwh[17] = 1.25
    days.active_kwh[16] = 0
    days.active_kwh[15] *= 1000
    days.voltage_v[0, 14] = 1
    assert [(fault.day, fault.rule) for fault in find_faults(days)] == [(18, "gap"), (19, "sign")]


def test_equal_hours_are_stuck_from_twelve_on():
    days = meter()
    days.active_kwh[T, 3:22] = 1.25
    days.active_kwh[T + 1, 3:14] = 1.25
    assert find_faults(days) == [FaultDay(T, "stuck", "each hour 1.25 kWh from 03:00 to 22:00")]


def test_an_hour_that_is_not_known_does_not_part_equal_hours():
    days = meter()
    days.active_kwh[T, 3:16] = 1.25
    days.active_kwh[T, 9] = np.nan
    assert told(days) == [("stuck", "each hour 1.25 kWh from 03:00 to 16:00")]


def test_a_meter_that_rests_at_its_least_value_is_stuck_only_at_another():
    days = meter()
    days.active_kwh[::3, :13] = 0.031
    assert [fault.day for fault in find_faults(days) if fault.day >= 50] == []
    days.active_kwh[T, :13] = 1.25
    assert told(days) == [("stuck", "each hour 1.25 kWh from 00:00 to 13:00")]


def test_a_rest_that_is_somewhat_longer_than_ever_is_not_stuck():
    days = meter()
    days.active_kwh[:, :11] = 0.031
    days.active_kwh[T, :18] = 0.031
    days.active_kwh[T + 1, :22] = 0.031
    assert days_of(days, "stuck") == [T + 1]


def test_a_meter_that_is_flat_at_many_values_is_never_stuck():
    days = meter()
    days.active_kwh[::2] = np.arange(1.0, 41.0)[:, None] / 40 + 0.5
    assert [day for day in days_of(days, "stuck") if day >= 50] == []


@pytest.mark.parametrize(
    ("factor", "evidence"),
    [
        (1000, r"the median hour of 1,\d{3} kWh is about 1,000 times the past's 1\.0\d kWh"),
        (10, r"the median hour of 1\d(\.\d)? kWh is about 10 times the past's 1\.0\d kWh"),
        (0.001, r"the median hour of 0\.001\d+ kWh is about a 1,000th of the past's 1\.0\d kWh"),
        (0.1, r"the median hour of 0\.1\d* kWh is about a 10th of the past's 1\.0\d kWh"),
    ],
)
def test_a_level_that_is_a_power_of_ten_off_is_a_fault(factor, evidence):
    days = meter()
    days.active_kwh[T] *= factor
    (found,) = [text for rule, text in told(days) if rule == "scale"]
    assert pd.Series([found]).str.fullmatch(evidence).all()


@pytest.mark.parametrize("factor", [0.3, 0.5, 2, 3])
def test_a_level_that_is_otherwise_off_is_not_of_scale(factor):
    days = meter()
    days.active_kwh[T:] *= factor
    assert find_faults(days) == []


def test_a_day_of_rest_is_no_tenth():
    days = meter()
    days.active_kwh[T] = np.random.default_rng(1).uniform(0.099, 0.101, 24)
    assert find_faults(days) == []


def test_an_hour_above_everything_is_a_spike():
    days = meter()
    days.active_kwh[T, 14] = 812
    ((rule, evidence),) = told(days)
    assert rule == "spike"
    assert evidence.startswith("hour 14:00: 812 kWh, the past's largest 2.")


def test_an_hour_above_what_such_hours_were_is_a_spike():
    days = meter()
    days.active_kwh[T, 4] = 5
    ((rule, evidence),) = told(days)
    assert rule == "spike"
    assert evidence.startswith("hour 04:00: 5 kWh, such hours lately at most 1.")


def test_more_than_three_high_hours_or_hours_not_above_the_day_are_no_spike():
    days = meter()
    days.active_kwh[T, 4:8] = 5
    days.active_kwh[T + 1, 4] = 2.6
    assert find_faults(days) == []


def test_a_meter_with_such_hours_now_and_then_has_no_spikes():
    days = meter(400)
    days.active_kwh[::100, 4] = 5
    days.active_kwh[355, 4] = 5
    assert [day for day in days_of(days, "spike") if day >= 200] == []


def test_a_dead_phase_is_a_loss_of_voltage_from_three_hours_on():
    days = meter()
    days.voltage_v[1, T, 4:8] = 3
    days.voltage_v[1, T + 1, 4:6] = 3
    days.voltage_v[0, T + 2, 4:10] = 150
    assert find_faults(days) == [
        FaultDay(T, "voltage_loss", "phase 2: 3 V in 4 of 24 hours, the past's median 230 V")
    ]  # fmt: skip


def test_phases_that_are_dead_together_are_told_once():
    days = meter()
    days.voltage_v[:, T, 4:8] = 3
    assert told(days) == [("voltage_loss", "all phases: 3 V in 4 of 24 hours, the past's median 230 V")]


def test_a_phase_is_missed_on_a_meter_whose_voltages_often_fail_together():
    days = meter()
    days.voltage_v[:, ::4] = 0.03
    assert days_of(days, "voltage_loss") == []
    days.voltage_v[2, T + 1] = 0.03
    assert days_of(days, "voltage_loss") == [T + 1]


def test_zeros_are_new_from_six_hours_on():
    days = meter()
    days.active_kwh[T, 2:8] = 0
    days.active_kwh[T + 1, 2:7] = 0
    assert find_faults(days) == [FaultDay(T, "new_zeros", "no energy from 02:00 to 08:00")]


def test_zeros_are_not_new_at_hours_that_have_had_them():
    days = meter()
    days.active_kwh[::2, 2:8] = 0
    assert [day for day in days_of(days, "new_zeros") if day >= 42] == []
    days.active_kwh[T, 10:18] = 0
    assert told(days) == [("new_zeros", "no energy from 10:00 to 18:00")]


@pytest.mark.parametrize(
    ("rule", "value"), [("new_zeros", 0.0), ("stuck", 1.25), ("sign", -1.0), ("scale", 1000.0), ("voltage_loss", 1.0)]
)
def test_what_lasts_is_told_for_two_weeks(rule, value):
    days = meter(120)
    if rule == "voltage_loss":
        days.voltage_v[0, T:] = value
    elif rule in ("sign", "scale"):
        days.active_kwh[T:] *= value
    else:
        days.active_kwh[T:] = value
    assert days_of(days, rule) == list(range(T, T + LAG_DAYS))


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seed", range(5))
def test_every_fault_attack_is_found_on_each_of_its_days(name, seed):
    attacked = apply(ATTACKS[name], meter(seed=seed), T, 14, np.random.default_rng(seed))
    assert {fault.day for fault in find_faults(attacked)} == set(range(T, T + 14))


def test_a_meter_without_reactive_energy_and_voltages_works():
    days = meter(phases=0, with_reactive=False)
    days.active_kwh[T] = 0
    assert days_of(days, "new_zeros") == [T]


def test_a_meter_without_days_or_without_anything_known_works():
    assert find_faults(meter(0)) == []
    days = meter(60)
    empty = replace(days, active_kwh=np.full((60, 24), np.nan), voltage_v=np.full((3, 60, 24), np.nan))
    assert {fault.rule for fault in find_faults(empty)} == {"gap"}
    assert find_faults(meter(60), start=100) == []


@st.composite
def troubled(draw, n_days=90):
    """A meter with faults and thefts of all sorts, and hours not known."""
    days = meter(n_days, seed=draw(st.integers(0, 99)), phases=draw(st.integers(0, 2)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    for name in draw(st.lists(st.sampled_from(sorted(ATTACKS)), max_size=6)):
        start = draw(st.integers(0, n_days - 1))
        length = draw(st.integers(1, min(20, n_days - start)))
        if ATTACKS[name].applies(days):
            days = apply(ATTACKS[name], days, start, length, rng)
    days.active_kwh[rng.random(days.active_kwh.shape) < draw(st.sampled_from([0, 0.1]))] = np.nan
    days.doubted[rng.random(days.doubted.shape) < draw(st.sampled_from([0, 0.1]))] = True
    return days


@settings(deadline=None)
@given(days=troubled(), other=troubled(), day=st.integers(0, 89))
def test_nothing_after_a_day_nor_in_the_two_weeks_before_matters(days, other, day):
    changed = np.r_[max(0, day - LAG_DAYS + 1) : day, day + 1 : len(days)]
    mixed = replace(
        days, active_kwh=days.active_kwh.copy(), doubted=days.doubted.copy(), voltage_v=days.voltage_v.copy()
    )
    mixed.active_kwh[changed] = other.active_kwh[changed]
    mixed.doubted[changed] = other.doubted[changed]
    mixed.voltage_v[:, changed] = np.nan
    assert told(mixed, day) == told(days, day)


@settings(deadline=None, max_examples=30)
@given(days=troubled(n_days=460), start=st.integers(0, 470))
def test_a_day_has_the_same_faults_whatever_the_first_day_looked_at(days, start):
    assert find_faults(days, start) == [fault for fault in find_faults(days) if fault.day >= start]
    assert find_faults(days.until(start)) == [fault for fault in find_faults(days) if fault.day < start]


@settings(deadline=None, max_examples=30)
@given(days=troubled(n_days=420), day=st.integers(PAST_DAYS + 1, 419))
def test_what_is_over_a_year_old_does_not_matter(days, day):
    changed = replace(days, active_kwh=days.active_kwh.copy(), voltage_v=days.voltage_v.copy())
    changed.active_kwh[: day - PAST_DAYS] = 7.5
    changed.voltage_v[:, : day - PAST_DAYS] = 0
    assert told(changed, day) == told(days, day)


@given(
    values=st.lists(st.floats(-5, 5, width=16) | st.just(float("nan")), max_size=60),
    quantile=st.sampled_from([0.05, 0.5, 0.99]),
    span=st.integers(2, 20),
    fewest=st.integers(1, 2),
)
def test_a_rolling_quantile_is_that_of_pandas(values, quantile, span, fewest):
    series = pd.Series(values, dtype=np.float64)
    expected = series.shift(LAG_DAYS).rolling(span, min_periods=fewest).quantile(quantile)
    np.testing.assert_allclose(rolling_quantile(series.to_numpy(), quantile, span, fewest), expected, atol=1e-12)


def test_the_second_largest_is_of_the_span_and_hour():
    values = np.array([[9.0, 1], [3, np.nan], [5, 2], [4, np.nan], [8, 8]])
    assert second_largest(values, 1, 3)[4].tolist() == [4, pytest.approx(np.nan, nan_ok=True)]
    assert second_largest(values, 1, 4)[4].tolist() == [5, 1]
