"""The judge of the VEE benchmark gives full marks for what is right, and for nothing else."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from benchmarks import vee as bench
from benchmarks.judge import EXPECTED, expectations, judge_energy, judge_findings, same_span
from loadprofiles.readings import QUALITY_DTYPE
from loadprofiles.synthetic import GAPS, RESTARTS, Register, add_fault, make_meter
from loadprofiles.vee import CleanMeter, Finding

STEP = pd.Timedelta(minutes=15)
DAY = pd.Timedelta(days=1)


def at(text):
    return pd.Timestamp(f"2019-05-{text}", tz="UTC")


@pytest.fixture(scope="module")
def meter():
    meter = replace(make_meter("A", "cold_storage", days=22), register=Register("kWh", 1, (5000.0, 0.0)))
    meter = add_fault(meter, "scale_change", at("08 10:00"), factor=60.0)
    meter = add_fault(meter, "transient_zero", at("11 10:00"), 4)
    meter = add_fault(meter, "register_stuck", at("14 10:00"), 40)
    meter = add_fault(meter, "outlier_high", at("18 10:00"))
    meter = add_fault(meter, "gap_short", at("20 09:00"), 4)
    return add_fault(meter, "reset", at("20 10:00"))


def finding(kind, start, end=None, factor=np.nan):
    return Finding("A", kind, start, end or start, 1, factor, "because")


@pytest.fixture
def right():
    return [
        finding("scale_change", at("08 10:00"), factor=60.0),
        finding("register_excursion", at("11 10:00"), at("11 11:00")),
        finding("register_stuck", at("14 10:00"), at("14 20:00")),
        finding("outlier_high", at("18 10:00"), at("18 10:15")),
        finding("reset", at("20 10:00")),
    ]


def judged(meter, findings, known=True):
    return judge_findings(expectations(meter, bench.REGISTER_KINDS, known=known), findings, STEP, "A")


def test_a_perfect_list_of_findings_in_any_order_scores_everything(meter, right):
    verdict = judged(meter, right[::-1])
    assert verdict.perfect
    assert verdict.misses == []
    assert {verdict.recall_percent(kind) for kind in verdict.true} == {100.0}
    assert verdict.meters == Counter(meters=1)


@pytest.mark.parametrize("number", range(5))
def test_each_missing_finding_is_missed_and_named(meter, right, number):
    kind = ["scale_change", "transient_zero", "register_stuck", "outlier_high", "reset"][number]
    verdict = judged(meter, right[:number] + right[number + 1 :])
    assert verdict.true - verdict.found == Counter({kind: 1})
    assert not verdict.perfect
    (miss,) = verdict.misses
    assert miss.startswith(f"A: missed: {kind}")


@pytest.mark.parametrize("number", range(5))
def test_each_finding_told_twice_counts_as_beside(meter, right, number):
    verdict = judged(meter, [*right, right[number]])
    assert verdict.true == verdict.found
    assert verdict.beside == Counter({right[number].kind: 1})
    assert not verdict.perfect


@pytest.mark.parametrize("number", [0, 4])
def test_a_moment_one_row_off_is_not_found(meter, right, number):
    shifted = replace(right[number], from_utc=right[number].from_utc + STEP)
    verdict = judged(meter, [*right[:number], shifted, *right[number + 1 :]])
    assert verdict.found[right[number].kind] == 0
    assert verdict.beside == Counter({right[number].kind: 1})
    assert verdict.meters["false_scale_change"] == 0


def test_a_change_of_scale_with_another_factor_is_not_found(meter, right):
    assert judged(meter, [replace(right[0], factor=60.0001), *right[1:]]).found["scale_change"] == 0
    assert judged(meter, [replace(right[0], factor=60 * (1 + 1e-9)), *right[1:]]).perfect


def test_a_finding_more_than_a_day_from_every_fault_is_made_up(meter, right):
    verdict = judged(meter, [*right, finding("scale_change", at("08 10:15") + DAY + STEP, factor=2.0)])
    assert verdict.made_up == Counter(scale_change=1)
    assert verdict.meters["false_scale_change"] == 1
    near_another_fault = judged(meter, [*right, finding("scale_change", at("20 10:00"), factor=2.0)])
    assert near_another_fault.beside == Counter(scale_change=1)
    assert near_another_fault.meters["false_scale_change"] == 1


@pytest.mark.parametrize(
    ("found", "same"),
    [
        (("14 10:00", "14 20:00"), True),
        (("14 15:00", "14 20:00"), True),  # half of it
        (("14 15:30", "14 20:00"), False),
        (("14 00:00", "14 20:00"), True),  # half of the finding
        (("13 23:00", "14 20:00"), False),
        (("14 20:00", "15 06:00"), False),
    ],
)
def test_stretches_must_share_half_of_each(found, same):
    assert same_span(tuple(map(at, found)), (at("14 10:00"), at("14 20:00")), STEP) is same


def test_single_intervals_may_be_one_step_off():
    true = at("14 10:00"), at("14 10:15")
    assert same_span((at("14 10:15"), at("14 10:30")), true, STEP)
    assert not same_span((at("14 10:30"), at("14 10:45")), true, STEP)


def test_of_a_fault_in_a_gap_the_first_row_after_it_counts():
    meter = add_fault(make_meter("A", "office"), "scale_change", at("10 10:00"))
    gap = add_fault(make_meter("A", "office"), "gap_short", at("10 10:00"), 4).truth.events[0]
    meter = replace(meter, truth=replace(meter.truth, events=(*meter.truth.events, gap)))
    assert judged(meter, [finding("scale_change", at("10 11:00"), factor=1000.0)]).perfect
    assert not judged(meter, [finding("scale_change", at("10 10:00"), factor=1000.0)]).perfect


def test_reset_and_exchange_may_be_mixed_up_only_near_zero(meter, right):
    assert judged(meter, [*right[:4], finding("exchange", at("20 10:00"))]).perfect
    used = add_fault(make_meter("B", "office"), "exchange", at("10 10:00"))
    assert judged(used, [finding("exchange", at("10 10:00"))]).perfect
    assert judged(used, [finding("reset", at("10 10:00"))]).found["exchange"] == 0


def test_an_outlier_may_be_called_a_spike_only_where_contracted_power_is_unknown(meter, right):
    spike = [*right[:3], replace(right[3], kind="spike"), right[4]]
    assert judged(meter, spike, known=False).perfect
    assert not judged(meter, spike, known=True).perfect


def test_gaps_that_follow_a_rejected_reading_are_no_fault_of_vee(meter):
    expected = expectations(meter, ("outlier_high", *GAPS), known=True)
    findings = [
        finding("outlier_high", at("18 10:00"), at("18 10:15")),
        finding("gap_filled", at("18 10:00"), at("18 10:15")),
        finding("gap_filled", at("20 09:00"), at("20 10:00")),
    ]
    assert judge_findings(expected, findings, STEP, "A").perfect
    made_up = judge_findings(expected, [*findings, finding("gap_filled", at("08 10:00"), at("08 11:00"))], STEP, "A")
    assert made_up.made_up == Counter(gap_filled=1)


def cleaned(meter, energy, quality="measured", findings=()):
    readings = pd.DataFrame({"timestamp_utc": meter.index, "energy_kwh": np.asarray(energy)})
    readings["quality"] = pd.Categorical(np.broadcast_to(quality, len(readings)), dtype=QUALITY_DTYPE)
    return CleanMeter("A", 15, readings, list(findings), len(readings), Counter())


def energy_verdict(meter, *args, **options):
    return judge_energy(meter, cleaned(meter, *args, **options), np.zeros(len(meter.index), dtype=bool))


def test_energy_is_right_within_its_tolerance_only(meter):
    true = meter.truth.energy_kwh.to_numpy()
    assert energy_verdict(meter, true).readings == Counter(right=len(true))
    assert energy_verdict(meter, true).meters["all_right"] == 1
    off = true.copy()
    off[7] += 0.001
    assert energy_verdict(meter, off).readings == Counter(right=len(true) - 1, wrong=1)
    assert energy_verdict(meter, off).meters["all_right"] == 0
    suspected = [finding("flat_line", meter.index[5], meter.index[8])]
    assert energy_verdict(meter, off, findings=suspected).readings == Counter(right=len(true) - 1, told=1)
    elsewhere = [finding("flat_line", meter.index[8], meter.index[9])]
    assert energy_verdict(meter, off, findings=elsewhere).readings["wrong"] == 1
    assert energy_verdict(meter, true, quality="edited_scale").readings["right"] == len(true)
    assert energy_verdict(meter, true, quality="estimated_interpolated").readings == Counter(lost=len(true))


def test_one_common_factor_is_allowed_only_where_the_level_is_told_to_be_uncertain(meter):
    doubled = meter.truth.energy_kwh.to_numpy() * 2
    assert energy_verdict(meter, doubled).readings["right"] == 0
    told = [finding("level_uncertain", meter.index[0], meter.index[-1])]
    assert energy_verdict(meter, doubled, findings=told).readings["wrong"] == 0
    doubled[: len(doubled) // 4] /= 2
    assert energy_verdict(meter, doubled, findings=told).readings["wrong"] == len(doubled) // 4


# ---- the meters ----


METERS = [bench.register_meter(number, 1) for number in range(40)]
CHECKED = [bench.interval_meter(number, 1) for number in range(40)]


def test_at_least_half_of_the_register_meters_change_their_scale_and_every_kind_occurs():
    kinds = [{event.kind for event in meter.truth.events} for meter in METERS]
    assert sum("scale_change" in mine for mine in kinds) >= 20
    assert set(bench.REGISTER_KINDS) <= set.union(*kinds)
    assert set(bench.JUDGED_IN_CHECKS) <= set.union(*({e.kind for e in meter.truth.events} for meter in CHECKED))
    factors = {e.factor for meter in METERS for e in meter.truth.events if e.kind == "scale_change"}
    assert factors <= set(bench.FACTORS)
    assert len(factors) > 5


def test_faults_keep_two_days_from_each_other_and_from_the_ends():
    for meter in METERS:
        faults = sorted((e for e in meter.truth.events if e.kind in bench.REGISTER_KINDS), key=lambda e: e.from_utc)
        ends = [meter.index[0], *(e.to_utc for e in faults)]
        starts = [*(e.from_utc for e in faults), meter.index[-1] + meter.step]
        assert min(start - end for start, end in zip(starts, ends, strict=True)) >= 2 * DAY
        assert 1 <= len(faults) <= 3
        assert 60 <= len(meter.index) / 96 <= 120


def test_a_number_and_a_seed_give_the_same_meter_every_time():
    again = bench.register_meter(7, 1)
    assert again.truth.events == METERS[7].truth.events
    pd.testing.assert_series_equal(again.truth.energy_kwh, METERS[7].truth.energy_kwh)
    assert bench.register_meter(7, 2).truth.events != again.truth.events


def test_registers_that_rest_for_hours_by_themselves_are_not_among_them():
    for meter in METERS:
        rests = (meter.truth.energy_kwh == 0).astype(int)
        runs = rests.groupby((rests != rests.shift()).cumsum()).sum()
        assert runs.max() <= 8 or meter.register.quantum_wh == 1


def test_some_meters_of_the_interval_checks_stand_at_their_standby_for_hours_and_none_of_them_exports():
    standing = []
    for meter in CHECKED:
        energy = meter.truth.energy_kwh
        same = (energy == energy.shift()).astype(int)
        longest = same.groupby((same != same.shift()).cumsum()).sum().max() + 1
        if longest * meter.hours >= 8 and longest >= 8 and energy.min() > 0:
            standing.append(meter)
    assert len(standing) >= 5
    assert not any(meter.exports for meter in standing)


def test_the_command_prints_a_table_and_a_line_a_bar_and_one_meter_on_demand():
    result = CliRunner().invoke(bench.main, ["--meters", "2", "--seed", "1"], catch_exceptions=False)
    for words in ("contracted power known", "contracted power unknown", *bench.REGISTER_KINDS):
        assert words in result.output
    assert result.output.count("(bar 98 %)") == result.output.count("(bar 0.5 %)") == 2
    shown = CliRunner().invoke(bench.main, ["--only", "0", "--seed", "1"], catch_exceptions=False).output
    assert shown.startswith("M0000 household")
    for event in METERS[0].truth.events:
        assert f"done: {event.kind}" in shown


def test_every_kind_that_is_judged_has_an_expected_finding():
    assert {*bench.REGISTER_KINDS, *bench.JUDGED_IN_CHECKS, *RESTARTS} <= set(EXPECTED)
