"""A meter's judged days: what the table says, and that new days alone are judged as among all."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles.anomalies.band import BAND_DETECTOR, band_alarms, band_score
from loadprofiles.anomalies.detectors import WEIGHTS
from loadprofiles.anomalies.features import make_features
from loadprofiles.anomalies.judging import Task, Terms, judge, judge_task, long_scores
from loadprofiles.anomalies.scoring import COMBINED, alarms, score, thresholds
from tests.anomalies.customers import customer, scaled, table_of, write

N_DAYS = 150
TERMS = Terms("UTC", COMBINED, 1.0)
DETECTORS = [column for name in WEIGHTS for column in (f"{name}_score", f"{name}_surprise")]
COLUMNS = [
    "meter_id", "date", "actual_kwh", "expected_kwh", "low_kwh", "high_kwh", "score", "surprise", "threshold", "band",
    *DETECTORS, "log_expected", "log_expected_reactive", "more", "alarm", "fault", "evidence",
]  # fmt: skip


def eventful(reactive=True, seed=0):
    """A customer with a theft, a day of which hours are not known, a frozen day and a spike that is a gap, too."""
    days = scaled(customer(n_days=N_DAYS, seed=seed, reactive=reactive), slice(120, 125), 0.5)
    days.active_kwh[60, :7] = np.nan
    days.active_kwh[100] = 7.0
    days.active_kwh[110, :6], days.active_kwh[110, 12] = np.nan, 900.0
    return days


@pytest.fixture(scope="module")
def found():
    return judge(eventful(), TERMS)


def since(number):
    return date(2024, 1, 1) + timedelta(days=number)


class TestTable:
    def test_each_day_is_a_row(self, found):
        assert found.columns.tolist() == COLUMNS
        assert found["date"].tolist() == pd.date_range("2024-01-01", periods=N_DAYS).tolist()
        assert found["meter_id"].unique().tolist() == ["A"]
        assert [str(found[name].dtype) for name in ("date", "alarm", "more", "score")] == [
            "datetime64[s]", "bool", "bool", "float64",
        ]  # fmt: skip

    def test_energy_is_known_of_days_whose_hours_are(self, found):
        days = eventful()
        known = np.isfinite(days.active_kwh).all(1)
        assert found["actual_kwh"].notna().tolist() == known.tolist()
        np.testing.assert_allclose(found["actual_kwh"][known], days.active_kwh[known].sum(1))
        assert np.flatnonzero(~known).tolist() == [60, 110]

    def test_the_band_holds_what_is_expected_which_is_near_the_truth(self, found):
        later = found.iloc[100:]
        assert (later["low_kwh"] < later["expected_kwh"]).all()
        assert (later["expected_kwh"] < later["high_kwh"]).all()
        truth = customer(n_days=N_DAYS).active_kwh.sum(1)[100:]
        assert (np.abs(later["expected_kwh"] / truth - 1) < 0.2).all()

    def test_scores_and_alarms_are_those_of_scoring(self, found):
        days = eventful()
        scores = score(days)
        np.testing.assert_array_equal(found["score"], scores.combined)
        np.testing.assert_array_equal(found["surprise"], scores.surprise)
        np.testing.assert_array_equal(found["threshold"], thresholds(scores, 1.0))
        np.testing.assert_array_equal(found["alarm"], alarms(scores, make_features(days).energy, 1.0))
        assert set(range(120, 125)) <= set(np.flatnonzero(found["alarm"]))

    def test_the_earlier_rule_is_told_beside_and_alarms_if_chosen(self, found):
        share = band_score(eventful())
        np.testing.assert_array_equal(found["band"], share)
        chosen = judge(eventful(), replace(TERMS, detector=BAND_DETECTOR))
        np.testing.assert_array_equal(chosen["alarm"], band_alarms(share))
        pd.testing.assert_frame_equal(found.drop(columns="alarm"), chosen.drop(columns="alarm"))

    def test_a_larger_budget_gives_more_alarms(self, found):
        more = judge(eventful(), replace(TERMS, budget=5.0))["alarm"]
        assert more[found["alarm"]].all()
        assert more.sum() > found["alarm"].sum()

    def test_several_faults_of_a_day_are_told_with_their_evidence(self, found):
        assert found["fault"][found["fault"] != ""].to_dict() == {60: "gap", 100: "stuck", 110: "gap, spike"}
        assert found["evidence"][60] == "7 of 24 hours are not known"
        first, second = found["evidence"][110].split("; ")
        assert first == "6 of 24 hours are not known"
        assert second.startswith("hour 12:00: 900 kWh")
        assert found["evidence"][found["fault"] == ""].eq("").all()


class TestSince:
    @settings(max_examples=12)
    @given(start=st.integers(1, N_DAYS), reactive=st.booleans(), seed=st.integers(0, 2))
    def test_new_days_alone_are_judged_as_among_all(self, start, reactive, seed):
        days = eventful(reactive, seed)
        kept = judge(days.until(start), TERMS)
        new = judge(days, replace(TERMS, since=since(start)), kept)
        whole = judge(days, TERMS)
        pd.testing.assert_frame_equal(new, whole.iloc[start:].reset_index(drop=True), check_exact=True)

    def test_day_after_day_comes_to_the_same(self):
        days = eventful()
        kept = judge(days.until(115), TERMS)
        for day in range(115, 130):
            kept = pd.concat([kept, judge(days.until(day + 1), replace(TERMS, since=since(day)), kept)])
        whole = judge(days.until(130), TERMS)
        pd.testing.assert_frame_equal(kept.reset_index(drop=True), whole, check_exact=True)

    def test_kept_days_are_not_judged_again(self):
        days = eventful()
        kept = judge(days.until(140), TERMS).assign(surprise=9.0, score=50.0)
        new = judge(days, replace(TERMS, since=since(140)), kept)
        # a past full of such scores allows the highest threshold there is
        assert (new["threshold"] == 3.0).all()
        assert new["surprise"].max() < judge(days, TERMS)["surprise"].iloc[140:].max() or not new["alarm"].any()

    def test_without_kept_days_all_are_judged(self):
        whole = judge(eventful(), TERMS)
        pd.testing.assert_frame_equal(judge(eventful(), replace(TERMS, since=since(140))), whole)

    def test_a_day_before_the_first_means_all_and_one_after_the_last_none(self):
        days = eventful()
        whole = judge(days, TERMS)
        pd.testing.assert_frame_equal(judge(days, replace(TERMS, since=since(-5)), whole), whole)
        assert judge(days, replace(TERMS, since=since(N_DAYS + 5)), whole).empty

    def test_what_was_kept_of_days_before_the_first_reading_does_no_harm(self):
        days = eventful()
        kept = judge(days.until(140), TERMS)
        late = days.between(20, N_DAYS)
        new = judge(late, replace(TERMS, since=since(140)), kept)
        assert new["date"].tolist() == pd.date_range(since(140), since(N_DAYS - 1)).tolist()


def test_a_task_judges_stored_meters_and_others_with_what_was_kept_of_each(tmp_path):
    meters = {name: customer(name, 120, seed) for seed, name in enumerate("ABC")}
    readings = write([meters["A"], meters["B"]], tmp_path / "readings")
    terms = replace(TERMS, since=since(110))
    kept = {name: judge(meters[name].until(110), TERMS) for name in "AC"}
    found = judge_task(Task(0, readings, ("A", "B"), (table_of(meters["C"]),), terms, kept))
    whole = {name: judge(days, TERMS) for name, days in meters.items()}
    for name, first in (("A", 110), ("B", 0), ("C", 110)):
        own = found[found["meter_id"] == name].drop(columns=["actual_kwh", "meter_id"]).reset_index(drop=True)
        expected = whole[name].iloc[first:].drop(columns=["actual_kwh", "meter_id"]).reset_index(drop=True)
        pd.testing.assert_frame_equal(own, expected)
    assert str(Task(0, readings, ("A", "B"), (table_of(meters["C"]),), terms, {})) == "scoring of meters A to C"


class TestLongScores:
    def test_it_has_a_row_a_meter_day_and_detector_that_was_scored(self, found):
        table = long_scores(found)
        assert table.columns.tolist() == ["meter_id", "date", "detector", "score", "p_value"]
        assert set(table["detector"]) == {COMBINED, *WEIGHTS}
        assert not table.duplicated(["meter_id", "date", "detector"]).any()
        assert table["score"].notna().all()
        assert table["p_value"].dropna().between(0, 1).all()
        of_combined = table[table["detector"] == COMBINED]
        assert len(of_combined) == found["score"].notna().sum()

    def test_higher_is_more_suspect(self, found):
        table = long_scores(found).set_index(["detector", "date"]).sort_index()
        day = pd.Timestamp(since(121))
        row = found.iloc[121]
        assert table.loc[(COMBINED, day), "score"] == row["score"]
        assert table.loc[(COMBINED, day), "p_value"] == np.exp(-row["surprise"])
        assert table.loc[("pair", day), "score"] == row["pair_score"]
