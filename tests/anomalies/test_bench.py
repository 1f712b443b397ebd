"""The theft bench: its trials, what it counts, and that its thresholds never see what it tests on."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from loadprofiles.anomalies.attacks import ATTACKS, FAULT, THEFT
from loadprofiles.anomalies.bench import (
    ALL_FAULTS,
    ALL_THEFTS,
    DETECTORS,
    LEVEL,
    RULES,
    Task,
    Terms,
    Trial,
    Window,
    events,
    false_alarms,
    recall_by_class,
    table,
    try_meter,
    try_task,
)
from loadprofiles.anomalies.scoring import COMBINED
from tests.anomalies.customers import customer, write

N_DAYS = 200
WINDOW = Window(0.8, 1.0)
START = 160
NAMES = ("bypass", "mild", "night", "sign", "gap")
TERMS = Terms(windows=(WINDOW,), attacks=NAMES, repeats=2, seed=1)


@pytest.fixture(scope="module")
def trials():
    return [trial for seed, name in enumerate("ABC") for trial in try_meter(customer(name, N_DAYS, seed), TERMS)]


def made(attack, attacked, alerts=(), scores=None, meter="A", taken=0.5, ruled=()):
    """A trial of 20 test days of which each detector alerts on those given."""
    days = np.arange(20)
    hits = np.isin(days, alerts)
    values = hits.astype(float) if scores is None else np.asarray(scores, dtype=float)
    return Trial(
        meter_id=meter,
        window=WINDOW,
        attack=None if attack is None else ATTACKS[attack],
        attacked=np.isin(days, attacked),
        taken_share=taken,
        scores=dict.fromkeys(DETECTORS, values),
        alerts=dict.fromkeys(DETECTORS, hits) | {RULES: np.isin(days, ruled)},
    )


class TestTrials:
    def test_each_meter_has_one_as_measured_and_each_attack_as_often_as_asked(self, trials):
        counts = pd.Series([(t.meter_id, t.attack.name if t.attack else "") for t in trials]).value_counts()
        assert counts.to_dict() == {
            (meter, name): 2 if name else 1 for meter in "ABC" for name in (*NAMES, "")
        }  # fmt: skip

    def test_attacked_days_are_one_to_fourteen_in_a_row_among_the_test_days(self, trials):
        lengths = set()
        for trial in trials:
            where = np.flatnonzero(trial.attacked)
            assert len(trial.attacked) == N_DAYS - START
            if trial.attack is None:
                assert not len(where)
                continue
            assert 1 <= len(where) <= 14
            assert (np.diff(where) == 1).all()
            lengths.add(len(where))
        assert len(lengths) > 4

    def test_what_was_taken_is_the_share_of_the_attacked_days_alone(self, trials):
        by_name = {name: [t.taken_share for t in trials if t.attack and t.attack.name == name] for name in NAMES}
        assert all(0.2 <= share <= 0.9 for share in by_name["bypass"])
        assert all(0.03 <= share <= 0.1 for share in by_name["mild"])
        assert by_name["sign"] == pytest.approx([2.0] * 6)
        assert [t.taken_share for t in trials if t.attack is None] == [0] * 3

    def test_each_detector_says_something_of_each_test_day(self, trials):
        for trial in trials:
            assert set(trial.scores) == set(DETECTORS)
            assert set(trial.alerts) == {*DETECTORS, RULES}
            for values in (*trial.scores.values(), *trial.alerts.values()):
                assert values.shape == (N_DAYS - START,)
            for values in trial.scores.values():
                assert np.isfinite(values).all()

    def test_before_an_attack_a_trial_is_as_the_days_as_measured(self, trials):
        measured = {trial.meter_id: trial for trial in trials if trial.attack is None}
        for trial in trials:
            if trial.attack is not None:
                before = slice(np.flatnonzero(trial.attacked)[0])
                for name in DETECTORS:
                    ours, honest = trial.scores[name][before], measured[trial.meter_id].scores[name][before]
                    np.testing.assert_array_equal(ours, honest, err_msg=f"{trial.attack.name}: {name}")

    def test_the_same_seed_gives_the_same_trials_and_another_others(self, trials):
        def places(terms):
            return [np.flatnonzero(t.attacked).tolist() for t in try_meter(customer("B", N_DAYS, 1), terms)]

        assert places(TERMS) == [np.flatnonzero(t.attacked).tolist() for t in trials if t.meter_id == "B"]
        again = list(try_meter(customer("B", N_DAYS, 1), TERMS))
        for one, other in zip(again, [t for t in trials if t.meter_id == "B"], strict=True):
            np.testing.assert_array_equal(one.scores[COMBINED], other.scores[COMBINED])
            assert one.taken_share == other.taken_share
        assert places(replace(TERMS, seed=2)) != places(TERMS)

    def test_neither_other_attacks_nor_other_windows_change_a_trial(self, trials):
        (honest, *alone) = try_meter(customer("A", N_DAYS, 0), replace(TERMS, attacks=("night",)))
        before = [t for t in trials if t.meter_id == "A" and t.attack and t.attack.name == "night"]
        assert honest.attack is None
        for one, other in zip(alone, before, strict=True):
            np.testing.assert_array_equal(one.scores[COMBINED], other.scores[COMBINED])

    def test_a_meter_without_voltages_loses_no_phase(self):
        days = customer("A", N_DAYS)
        terms = replace(TERMS, attacks=("lost_phase",))
        assert len(list(try_meter(days, terms))) == 3
        assert len(list(try_meter(replace(days, voltage_v=days.voltage_v[:0]), terms))) == 1

    @pytest.mark.parametrize(
        ("n_days", "window"), [(N_DAYS, Window(0.95, 1.0)), (60, Window(0.7, 1.0))], ids=["few test days", "no past"]
    )
    def test_a_window_with_too_few_days_or_no_past_is_not_tried(self, n_days, window):
        assert list(try_meter(customer("A", n_days), replace(TERMS, windows=(window,)))) == []

    def test_a_task_tries_stored_meters(self, tmp_path, trials):
        readings = write([customer("A", N_DAYS, 0)], tmp_path / "readings")
        found = try_task(Task(0, readings, ("A",), replace(TERMS, attacks=("night",))))
        before = [t for t in trials if t.meter_id == "A" and (t.attack is None or t.attack.name == "night")]
        assert [t.meter_id for t in found] == ["A"] * 3
        for one, other in zip(found, before, strict=True):
            np.testing.assert_allclose(one.scores[COMBINED], other.scores[COMBINED], rtol=1e-6)


class TestNoLeak:
    @pytest.mark.parametrize("kept", [1, 10, 30])
    @pytest.mark.parametrize("reactive", [True, False])
    def test_other_days_later_change_no_score_and_no_alert_of_an_earlier_day(self, kept, reactive):
        days = customer("A", N_DAYS, 0, reactive)
        other = replace(days, active_kwh=days.active_kwh.copy())
        last = START + kept
        other.active_kwh[last:] = np.random.default_rng(5).uniform(0, 100, other.active_kwh[last:].shape)
        terms = replace(TERMS, attacks=("bypass", "night"), repeats=3)
        compared = 0
        for one, two in zip(try_meter(days, terms), try_meter(other, terms), strict=True):
            np.testing.assert_array_equal(one.attacked, two.attacked)
            for name in DETECTORS:
                np.testing.assert_array_equal(one.scores[name][:kept], two.scores[name][:kept], err_msg=name)
                np.testing.assert_array_equal(one.alerts[name][:kept], two.alerts[name][:kept], err_msg=name)
                compared += not np.array_equal(one.scores[name][kept:], two.scores[name][kept:])
        assert compared, "the other days must matter somewhere"

    def test_what_a_test_day_scores_sets_no_threshold_of_a_later_one(self):
        # two weeks of thefts, which would raise the threshold of the days after if they were learnt from
        days = customer("A", N_DAYS, 0)
        stolen = replace(days, active_kwh=days.active_kwh.copy(), reactive_kvarh=days.reactive_kvarh.copy())
        stolen.active_kwh[START : START + 5] *= 0.5
        stolen.reactive_kvarh[START : START + 5] *= 0.5
        terms = replace(TERMS, attacks=())
        (one,), (two,) = (list(try_meter(found, terms)) for found in (days, stolen))
        # until the stolen days are fourteen days old, nothing but the day after is judged by them
        after = slice(6, 14)
        np.testing.assert_array_equal(one.scores[COMBINED][after], two.scores[COMBINED][after])
        assert two.alerts[COMBINED][:5].sum() >= 4


class TestEvents:
    def test_an_attack_is_found_if_one_of_its_days_alerts_and_the_delay_is_counted_from_its_first(self):
        found = events([made("bypass", [4, 5, 6], alerts=[2, 6, 7], taken=0.4)]).set_index("detector")
        assert set(found.index) == set(DETECTORS)
        row = found.loc["pair"]
        assert (row["attack"], row["kind"], row["is_level"], row["days"]) == ("bypass", THEFT, True, 3)
        assert (row["taken_share"], row["found"], row["delay_days"], row["days_found"]) == (0.4, True, 2, 1)

    def test_one_that_is_not_found_has_no_delay(self):
        found = events([made("bypass", [4, 5], alerts=[3, 6])])
        assert not found["found"].any()
        assert found["delay_days"].isna().all()

    def test_the_combined_detector_alerts_with_the_rules(self):
        found = events([made("gap", [4, 5], ruled=[5])]).set_index("detector")["found"]
        assert found[found].index.tolist() == [COMBINED]

    def test_days_as_measured_are_no_event(self):
        assert events([made(None, [])]).empty


class TestFalseAlarms:
    def test_they_are_alert_days_a_meter_and_thirty_days_of_the_days_as_measured(self):
        trials = [made(None, [], alerts=[1, 2]), made(None, [], meter="B"), made("bypass", [3], alerts=[3, 4, 5])]
        found = false_alarms(trials).set_index("detector")["alert_days_per_30"]
        assert found["pair"] == pytest.approx(30 * 2 / 40)

    def test_the_rules_count_for_the_combined_detector_once_a_day(self):
        found = false_alarms([made(None, [], alerts=[1], ruled=[1, 2])]).set_index("detector")["alert_days_per_30"]
        assert found[COMBINED] == pytest.approx(30 * 2 / 20)
        assert found["band"] == pytest.approx(30 * 1 / 20)

    def test_on_drawn_customers_they_keep_near_the_budget(self, trials):
        found = false_alarms(trials).set_index("detector")["alert_days_per_30"]
        assert found[COMBINED] < 3


class TestTable:
    def told(self, trials):
        return table(trials, events(trials)).set_index(["attack", "detector"])

    def test_a_detector_that_sees_everything_is_perfect(self):
        trials = [made(name, days, alerts=days) for name in ("bypass", "gap") for days in ([0], [3, 4], range(5, 19))]
        found = self.told(trials)
        assert (found[["auc_pr", "roc_auc", "recall"]] == 1).all(axis=None)
        assert (found["delay_days"] == 0).all()

    def test_one_that_sees_nothing_is_as_good_as_chance(self):
        found = self.told([made("bypass", [3, 4, 5, 6])])
        assert (found["recall"] == 0).all()
        assert (found["roc_auc"] == 0.5).all()
        assert (found["auc_pr"] == 4 / 20).all()
        assert found["delay_days"].isna().all()

    def test_mild_thefts_are_told_but_are_none_of_all_thefts(self):
        trials = [made("mild", [3]), made("bypass", [3], alerts=[3]), made("night", [4]), made("gap", [5], alerts=[5])]
        found = self.told(trials)["recall"].xs(COMBINED, level="detector").to_dict()
        assert found == {
            LEVEL: 1, ALL_THEFTS: 0.5, ALL_FAULTS: 1, "mild": 0, "bypass": 1, "night": 0, "gap": 1,
        }  # fmt: skip
        counts = self.told(trials)["trials"].xs(COMBINED, level="detector")
        assert counts[[LEVEL, ALL_THEFTS, ALL_FAULTS]].tolist() == [1, 2, 1]

    def test_each_window_is_told_by_itself(self):
        late = replace(made("bypass", [3], alerts=[3]), window=Window(0.9, 1.0))
        trials = [made("bypass", [3]), late]
        found = table(trials, events(trials))
        own = found[(found["attack"] == "bypass") & (found["detector"] == COMBINED)]
        assert own[["window", "recall"]].to_numpy().tolist() == [["80% to 100%", 0.0], ["90% to 100%", 1.0]]

    def test_a_group_that_was_not_tried_is_left_out(self):
        found = table(trials := [made("gap", [3])], events(trials))
        assert set(found["attack"]) == {ALL_FAULTS, "gap"}
        assert set(found["kind"]) == {FAULT}

    def test_of_drawn_customers_faults_and_bypasses_are_found(self, trials):
        recall = self.told(trials)["recall"].xs(COMBINED, level="detector")
        assert recall[ALL_FAULTS] == 1
        assert recall["bypass"] >= 0.8


class TestRecallByClass:
    def test_each_theft_is_counted_once_by_size_and_once_by_length(self):
        trials = [
            made("mild", [3], taken=0.05),
            made("bypass", [3, 4], alerts=[4], taken=0.3),
            made("bypass", range(5, 12), alerts=[5], taken=0.31),
            made("night", range(5, 13), taken=0.5),
            made("h5", [2], alerts=[2], taken=-0.01),
            made("gap", [3], alerts=[3], taken=1.0),
            made(None, []),
        ]
        found = recall_by_class(events(trials))
        assert found.columns.tolist() == ["by", "class", "recall", "scenarios"]
        told = {(row.by, row[2]): (row.recall, row.scenarios) for row in found.itertuples()}
        assert {key: value for key, value in told.items() if value[1]} == {
            ("size", "under 10 %"): (0.5, 2),
            ("size", "10 to 30 %"): (1.0, 1),
            ("size", "30 to 50 %"): (0.5, 2),
            ("length", "1 day"): (0.5, 2),
            ("length", "2 to 3"): (1.0, 1),
            ("length", "4 to 7"): (1.0, 1),
            ("length", "8 to 14"): (0.0, 1),
        }
        assert math.isnan(told["size", "over 50 %"][0])
