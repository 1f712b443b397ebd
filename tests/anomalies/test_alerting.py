"""From judged days to alerts: what is one alert, of which kind, and what it says of its days."""

import math
from datetime import date

import pytest

from loadprofiles.anomalies.alert import FAULT, GROUP, THEFT, AlertDay
from loadprofiles.anomalies.alerting import make_alerts
from tests.anomalies.judgements import judged, judged_day, on

TEN = tuple(f"M{number}" for number in range(10))


def suspect(number, meter="M1", actual=4.0, **said):
    return judged_day(number, meter, **{"alarm": True, "actual_kwh": actual, "surprise": 6.0} | said)


def alerts_of(days, meters=("M1",), sectors=None, first=1):
    return make_alerts(judged(days, meters), sectors or {}, dict.fromkeys(meters, on(first)))


def numbers_of(alert):
    """Day of March and meter."""
    return [(day.day.day, day.meter_id) for day in alert.days]


def spans(alerts):
    return [(alert.days[0].day.day, alert.days[-1].day.day) for alert in alerts]


def test_days_as_usual_are_no_alert():
    assert alerts_of([]) == []


class TestFaults:
    def test_a_faulty_day_is_an_alert_of_its_rule_with_the_evidence_as_reason(self):
        (alert,) = alerts_of([judged_day(5, fault="spike", evidence="hour 03:00: 90 kWh")])
        assert (alert.kind, alert.cause, alert.subject) == (FAULT, "spike", "M1")
        assert alert.reasons == "hour 03:00: 90 kWh"
        assert numbers_of(alert) == [(5, "M1")]

    def test_a_day_with_several_faults_is_told_once_by_the_gravest(self):
        days = [judged_day(5, fault="gap, sign, spike", evidence="6 of 24 hours are not known; 3 hours are negative")]
        (alert,) = alerts_of(days)
        assert alert.cause == "sign"
        assert alert.reasons == "6 of 24 hours are not known; 3 hours are negative"

    def test_neighbouring_days_of_different_rules_are_different_alerts(self):
        days = [judged_day(5, fault="gap", evidence="g"), judged_day(6, fault="gap, spike", evidence="g; s")]
        assert [(alert.cause, numbers_of(alert)) for alert in alerts_of(days)] == [
            ("gap", [(5, "M1")]),
            ("spike", [(6, "M1")]),
        ]

    def test_a_faulty_day_that_is_suspect_too_is_only_a_fault(self):
        assert [a.kind for a in alerts_of([suspect(5, fault="spike", evidence="s")])] == [FAULT]

    @pytest.mark.parametrize("rule", ["stuck", "new_zeros", "scale", "stuck, new_zeros"])
    def test_what_theft_makes_too_is_theft_where_energy_is_missing(self, rule):
        (alert,) = alerts_of([suspect(5, fault=rule, evidence="each hour 0.1 kWh from 00:00 to 24:00")])
        assert (alert.kind, numbers_of(alert)) == (THEFT, [(5, "M1")])
        assert "; each hour 0.1 kWh from 00:00 to 24:00" in alert.reasons

    @pytest.mark.parametrize(
        ("said", "why"),
        [
            ({"actual": 8.0}, "no less than the band allows"),
            ({"actual": 13.0}, "more than expected"),
            ({"alarm": False}, "not suspect"),
            ({"actual": math.nan}, "not known"),
            ({"low_kwh": math.nan}, "nothing expected"),
            ({"fault": "stuck, gap"}, "another rule that theft does not make"),
        ],
    )
    def test_else_it_is_a_fault(self, said, why):
        (alert,) = alerts_of([suspect(5, **{"fault": "stuck", "evidence": "e"} | said)])
        assert (alert.kind, alert.cause) == (FAULT, "stuck"), why

    def test_a_rule_has_no_p_value(self):
        (alert,) = alerts_of([judged_day(5, fault="gap", evidence="g", actual_kwh=math.nan)])
        (day,) = alert.days
        assert day.p_value == 0
        assert (day.expected_kwh, day.low_kwh, day.high_kwh) == (10, 8, 12)
        assert math.isnan(day.actual_kwh)


class TestEpisodes:
    def test_days_at_most_three_apart_are_one_alert(self):
        assert spans(alerts_of([suspect(2), suspect(5), suspect(8)])) == [(2, 8)]

    def test_days_four_apart_are_two(self):
        assert spans(alerts_of([suspect(2), suspect(6)])) == [(2, 2), (6, 6)]

    def test_faulty_days_are_joined_alike(self):
        days = [judged_day(number, fault="gap", evidence=f"e{number}") for number in (2, 5, 9)]
        found = alerts_of(days)
        assert spans(found) == [(2, 5), (9, 9)]
        assert found[0].reasons == "e2; and 1 day more"

    def test_days_of_two_meters_are_two_alerts(self):
        found = alerts_of([suspect(5, "M1"), suspect(6, "M2")], ("M1", "M2"))
        assert [numbers_of(alert) for alert in found] == [[(5, "M1")], [(6, "M2")]]

    def test_days_before_the_first_that_may_alert_never_do(self):
        days = [
            *(suspect(number) for number in (3, 4, 5)),
            judged_day(2, "M2", fault="gap", evidence="g"),
            judged_day(9, "M2", fault="gap", evidence="g"),
        ]
        found = make_alerts(judged(days, ("M1", "M2")), {}, {"M1": on(5), "M2": on(3)})
        assert [(alert.kind, numbers_of(alert)) for alert in found] == [
            (THEFT, [(5, "M1")]),
            (FAULT, [(9, "M2")]),
        ]

    def test_a_day_has_its_p_value_and_its_energies(self):
        (alert,) = alerts_of([suspect(5, surprise=math.log(50)), suspect(6, actual=3.0, surprise=12.0)])
        assert [day.p_value for day in alert.days] == pytest.approx([1 / 50, math.exp(-12)])
        assert alert.days[1] == AlertDay("M1", date(2024, 3, 6), alert.days[1].p_value, 10.0, 8.0, 12.0, 3.0)

    def test_the_cause_is_the_detector_that_weighs_most(self):
        # reactive is the more surprised, but has half the weight
        (alert,) = alerts_of([suspect(5, pair_surprise=4.0, reactive_surprise=7.0)])
        assert alert.cause == "pair"

    def test_a_day_that_only_the_earlier_rule_suspects_alerts_before_any_past(self):
        unknown = {
            f"{name}_surprise": math.nan for name in ("pair", "profile", "reactive", "hours", "level", "flatness")
        }
        (alert,) = alerts_of([suspect(5, surprise=math.nan, expected_kwh=math.nan, **unknown)])
        assert alert.reasons == "many hours outside ±20 % of what was expected"
        assert 0 <= alert.days[0].p_value <= 1


class TestGroups:
    def test_two_of_three_meters_of_a_sector_on_one_day_are_one_event_of_the_sector(self):
        meters = ("M1", "M2", "M3")
        days = [suspect(10, "M1"), suspect(10, "M2", actual=2.0)]
        (alert,) = alerts_of(days, meters, dict.fromkeys(meters, "Bakery"))
        assert (alert.kind, alert.subject, alert.sector) == (GROUP, "Bakery", "Bakery")
        assert numbers_of(alert) == [(10, "M1"), (10, "M2")]
        assert [day.actual_kwh for day in alert.days] == [4, 2]
        assert alert.peers == "the other meter of its sector used 100% of what was expected of it"

    def test_the_days_of_those_meters_beside_belong_to_it_and_others_do_not(self):
        meters = ("M1", "M2", "M3")
        days = [suspect(8, "M1"), *(suspect(10, meter) for meter in ("M1", "M2")), suspect(13, "M2")]
        days += [suspect(17, "M2"), suspect(11, "M3")]
        found = alerts_of(days, meters, dict.fromkeys(meters, "Bakery"))
        assert [(alert.kind, numbers_of(alert)) for alert in found] == [
            (GROUP, [(8, "M1"), (10, "M1"), (10, "M2"), (13, "M2")]),
            (THEFT, [(17, "M2")]),
            (THEFT, [(11, "M3")]),
        ]

    def test_two_of_ten_are_no_event(self):
        found = alerts_of([suspect(10, "M1"), suspect(10, "M2")], TEN, dict.fromkeys(TEN, "Bakery"))
        assert [(alert.kind, alert.subject) for alert in found] == [(THEFT, "M1"), (THEFT, "M2")]
        assert found[0].sector == "Bakery"

    def test_three_of_ten_are(self):
        days = [suspect(10, meter) for meter in TEN[:3]]
        assert [alert.kind for alert in alerts_of(days, TEN, dict.fromkeys(TEN, "Bakery"))] == [GROUP]

    def test_meters_that_were_not_read_that_day_do_not_count(self):
        days = [suspect(10, "M1"), suspect(10, "M2")]
        days += [judged_day(10, meter, actual_kwh=math.nan) for meter in TEN[4:]]
        assert [alert.kind for alert in alerts_of(days, TEN, dict.fromkeys(TEN, "Bakery"))] == [GROUP]

    def test_one_meter_alone_is_no_event_of_its_sector(self):
        days = [suspect(10, "M1")]
        assert [alert.kind for alert in alerts_of(days, ("M1", "M2"), dict.fromkeys(("M1", "M2"), "x"))] == [THEFT]

    @pytest.mark.parametrize("sectors", [{}, {"M1": "Bakery", "M2": "Farm"}])
    def test_meters_of_no_or_different_sectors_are_none(self, sectors):
        found = alerts_of([suspect(10, "M1"), suspect(10, "M2")], ("M1", "M2"), sectors)
        assert [alert.kind for alert in found] == [THEFT, THEFT]

    def test_faults_are_no_event(self):
        days = [judged_day(10, meter, fault="gap", evidence="g") for meter in ("M1", "M2")]
        found = alerts_of(days, ("M1", "M2"), dict.fromkeys(("M1", "M2"), "Bakery"))
        assert [(alert.kind, alert.subject) for alert in found] == [(FAULT, "M1"), (FAULT, "M2")]
