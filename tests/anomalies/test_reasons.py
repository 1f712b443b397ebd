"""The sentences that an operator reads, by literal example."""

import math

import pandas as pd
import pytest

from loadprofiles.anomalies.alert import FAULT, GROUP, THEFT
from loadprofiles.anomalies.reasons import leading_detector, peers_sentence, reasons_sentence
from tests.anomalies.judgements import judged_day

PAIR = "its active and reactive energy together are unlike any earlier day"


def sentence(*days, kind=THEFT):
    return reasons_sentence(kind, pd.DataFrame(list(days)))


class TestReasons:
    def test_less_than_expected(self):
        assert sentence(judged_day(1, actual_kwh=4.0), judged_day(2, actual_kwh=5.0)) == (
            "55% less than expected (4.5 instead of 10.0 kWh a day)"
        )

    def test_more_than_expected(self):
        assert sentence(judged_day(1, actual_kwh=1250.0, expected_kwh=1000.0)) == (
            "25% more than expected (1,250.0 instead of 1,000.0 kWh a day)"
        )

    def test_about_as_expected(self):
        assert sentence(judged_day(1, actual_kwh=10.1)) == (
            "about the 10.0 kWh a day that were expected, but not as they come"
        )

    def test_only_days_both_expected_and_metered_count(self):
        days = (
            judged_day(1, actual_kwh=4.0),
            judged_day(2, actual_kwh=math.nan),
            judged_day(3, actual_kwh=99.0, expected_kwh=math.nan),
        )
        assert sentence(*days) == "60% less than expected (4.0 instead of 10.0 kWh a day)"

    def test_the_detectors_that_are_surprised_with_their_odds_the_weightiest_first(self):
        day = judged_day(
            1, actual_kwh=4.0, pair_surprise=12.0, level_surprise=math.log(40), hours_surprise=math.log(9.9)
        )
        assert sentence(day) == (
            "60% less than expected (4.0 instead of 10.0 kWh a day); "
            f"{PAIR} (rarer than 1 day in 1,000); the same weekdays before were of another level (1 day in 40)"
        )

    def test_if_none_is_much_surprised_the_weightiest_is_told(self):
        told = sentence(judged_day(1, actual_kwh=5.0, pair_surprise=math.log(3), level_surprise=math.log(5)))
        assert told == f"50% less than expected (5.0 instead of 10.0 kWh a day); {PAIR} (1 day in 3)"

    def test_no_more_than_three_of_them(self):
        names = ("pair", "profile", "reactive", "hours", "level", "flatness")
        told = sentence(judged_day(1, **{f"{name}_surprise": 6.0 for name in names}))
        assert told.count("1 day in") == 3

    @pytest.mark.parametrize(
        ("one_in", "odds"), [(999, "1 day in 999"), (1000.1, "rarer than 1 day in 1,000"), (11, "1 day in 11")]
    )
    def test_odds(self, one_in, odds):
        assert sentence(judged_day(1, pair_surprise=math.log(one_in))).endswith(f"{PAIR} ({odds})")

    def test_of_a_meter_without_reactive_energy_none_is_spoken_of(self):
        told = sentence(judged_day(1, actual_kwh=5.0, pair_surprise=math.log(40), reactive_surprise=math.nan))
        assert told.endswith("; its energy is unlike that of any earlier day (1 day in 40)")

    def test_what_the_forecast_said(self):
        days = [judged_day(n, actual_kwh=5.0, forecast_hours=24, forecast_hours_outside=n) for n in (7, 8)]
        assert sentence(*days, judged_day(9, actual_kwh=5.0)).endswith(
            "; 15 of 48 hours outside the forecast's 90 % band"
        )

    def test_nothing_is_said_of_a_forecast_that_was_kept_to(self):
        assert "forecast" not in sentence(judged_day(1, forecast_hours=24, forecast_hours_outside=0))

    def test_nothing_known_is_still_a_sentence(self):
        assert sentence(judged_day(1, expected_kwh=math.nan)) == "many hours outside ±20 % of what was expected"
        assert sentence(judged_day(1, expected_kwh=0.0)) == "many hours outside ±20 % of what was expected"

    def test_the_evidence_of_the_first_day_that_has_some(self):
        days = [judged_day(1, actual_kwh=5.0), *(judged_day(n, actual_kwh=5.0, evidence=f"e{n}") for n in (2, 3))]
        assert sentence(*days, kind=GROUP) == "50% less than expected (5.0 instead of 10.0 kWh a day); e2"

    @pytest.mark.parametrize(
        ("days", "told"), [(1, "e1"), (2, "e1; and 1 day more"), (4, "e1; and 3 days more")]
    )  # fmt: skip
    def test_a_fault_is_told_by_its_first_day(self, days, told):
        rows = [judged_day(number, evidence=f"e{number}") for number in range(1, days + 1)]
        assert sentence(*rows, kind=FAULT) == told

    def test_the_leading_detector_is_that_of_the_mean_over_the_days_by_weight(self):
        rows = [judged_day(1, pair_surprise=0.0, profile_surprise=3.0, reactive_surprise=5.0)]
        rows += [judged_day(2, pair_surprise=5.0, profile_surprise=3.0, reactive_surprise=math.nan)]
        assert leading_detector(pd.DataFrame(rows)) == "profile"


class TestPeers:
    def said(self, *others):
        own = judged_day(5, "M1", actual_kwh=1.0)
        table = pd.DataFrame([own, judged_day(6, "M2", actual_kwh=1.0), *others]).assign(sector="Bakery")
        table.loc[table["meter_id"] == "elsewhere", "sector"] = "Farm"
        return peers_sentence(table.iloc[:1], table)

    def test_one_other(self):
        assert self.said(judged_day(5, "M2", actual_kwh=9.0)) == (
            "the other meter of its sector used 90% of what was expected of it"
        )

    def test_several_by_their_sums(self):
        others = [judged_day(5, "M2", actual_kwh=5.0), judged_day(5, "M3", expected_kwh=90.0, actual_kwh=100.0)]
        assert self.said(*others) == "the 2 other meters of its sector used 105% of what was expected of them"

    @pytest.mark.parametrize(
        "others",
        [
            [],
            [judged_day(5, "elsewhere")],
            [judged_day(5, "M2", actual_kwh=math.nan)],
            [judged_day(5, "M2", expected_kwh=math.nan)],
            [judged_day(5, "M2", expected_kwh=0.0)],
        ],
        ids=["none", "another sector", "not read", "nothing expected", "zero expected"],
    )
    def test_none(self, others):
        assert self.said(*others) == ""
