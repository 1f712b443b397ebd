"""What each detector is for scores far higher than an ordinary day, with or without reactive energy."""

from dataclasses import replace

import numpy as np
import pytest

from loadprofiles.anomalies import detectors as d
from loadprofiles.anomalies.days import MeterDays
from loadprofiles.anomalies.features import LAG_DAYS, make_features

DAY = 170
"""A Wednesday that something is done to."""


def drawn_meter(n_days=200, seed=0, reactive=True):
    """A workplace: a peak at ten o'clock, little at weekends, reactive energy in proportion, and noise."""
    random = np.random.default_rng(seed)
    profile = 1 + 3 * np.exp(-((np.arange(24) - 10) ** 2) / 12)
    week = np.array([1.0, 1, 1, 1, 1, 0.4, 0.3])[np.arange(n_days) % 7]
    level = week * np.exp(random.normal(0, 0.05, n_days))
    active = level[:, np.newaxis] * profile * np.exp(random.normal(0, 0.05, (n_days, 24)))
    kvarh = 0.4 * active * np.exp(random.normal(0, 0.02, active.shape))
    none = np.empty((0, *active.shape))
    # day 0 is the Monday 1970-01-05
    return MeterDays("A", 4, active, kvarh if reactive else None, none, np.zeros(active.shape, np.bool_))


def bypass(active, reactive):
    return active / 2, reactive / 2


def reversal(active, reactive):
    return active[::-1], reactive[::-1]


def bypass_of_active(active, reactive):
    return active / 2, reactive


def frozen(active, reactive):
    return np.full(24, active.mean()), np.full(24, reactive.mean())


def nearly_all(active, reactive):
    return active / 10, reactive / 10


def more_of_both(active, reactive):
    return active * 2, reactive * 2


def tampered(days, what, day=DAY):
    active = days.active_kwh.copy()
    reactive = active.copy() if days.reactive_kvarh is None else days.reactive_kvarh.copy()
    active[day], reactive[day] = what(active[day], reactive[day])
    return replace(days, active_kwh=active, reactive_kvarh=None if days.reactive_kvarh is None else reactive)


def detect(days, start=0):
    return d.detect(make_features(days), start)


@pytest.fixture(scope="module")
def ordinary():
    return drawn_meter()


SEEN_BY = [
    (bypass, d.PAIR),
    (reversal, d.PROFILE),
    (reversal, d.HOURLY),
    (bypass_of_active, d.REACTIVE),
    (bypass_of_active, d.PAIR),
    (frozen, d.FLATNESS),
    (bypass, d.LEVEL),
]


class TestKinds:
    @pytest.mark.parametrize(("what", "detector"), SEEN_BY, ids=lambda v: getattr(v, "__name__", v))
    def test_a_detector_sees_what_it_is_for(self, ordinary, what, detector):
        before, after = (detect(days).scores[detector] for days in (ordinary, tampered(ordinary, what)))
        usual = before[np.isfinite(before)]
        assert len(usual) == 200 - 41
        assert before[DAY] < np.quantile(usual, 0.95)
        middle = np.median(usual)
        assert after[DAY] - middle > 1.5 * (usual.max() - middle)

    def test_the_level_alone_makes_no_day_flat(self, ordinary):
        before, after = (detect(days).scores[d.FLATNESS] for days in (ordinary, tampered(ordinary, bypass)))
        assert after[DAY] == pytest.approx(before[DAY])

    @pytest.mark.parametrize(("what", "detector"), SEEN_BY, ids=lambda v: getattr(v, "__name__", v))
    def test_it_is_still_seen_at_the_end_of_two_weeks_of_it(self, ordinary, what, detector):
        days = ordinary
        for day in range(DAY - 13, DAY + 1):
            days = tampered(days, what, day)
        once, long = (detect(found).scores[detector][DAY] for found in (tampered(ordinary, what), days))
        assert long == once

    def test_after_a_day_that_is_not_known_the_others_are_judged(self, ordinary):
        days = tampered(ordinary, lambda active, reactive: (np.full(24, np.nan), reactive), 150)
        for name, values in detect(days).scores.items():
            assert np.flatnonzero(np.isnan(values[41:])).tolist() == [150 - 41], name

    def test_a_day_whose_reactive_energy_is_not_known_is_left_out_of_the_others_past(self, ordinary):
        lost = tampered(ordinary, lambda active, reactive: (active, np.full(24, np.nan)), 150)
        wholly = tampered(lost, lambda active, reactive: (np.full(24, np.nan), reactive), 150)
        one, two = (detect(days).scores[d.PAIR] for days in (lost, wholly))
        assert np.flatnonzero(np.isnan(one[41:])).tolist() == [150 - 41]
        np.testing.assert_array_equal(one, two)

    def test_a_day_whose_reactive_energy_is_not_known_is_judged_by_all_else(self, ordinary):
        lost = tampered(ordinary, lambda active, reactive: (active, np.full(24, np.nan)), 150)
        scores = detect(lost).scores
        assert {name for name in scores if np.isnan(scores[name][150])} == {d.PAIR, d.REACTIVE, d.HOURLY}


class TestExpected:
    def test_what_is_expected_is_what_that_weekday_had(self, ordinary):
        found = detect(tampered(ordinary, bypass))
        like = np.log(ordinary.active_kwh.sum(axis=1)[DAY - 14 :: -7][:6])
        assert found.expected[DAY] == pytest.approx(np.median(like))

    def test_reactive_energy_foretells_active_energy(self, ordinary):
        found = detect(tampered(ordinary, bypass_of_active))
        assert found.expected_reactive[DAY] == pytest.approx(np.log(ordinary.active_kwh[DAY].sum()), abs=0.15)

    def test_only_a_day_with_more_than_on_the_days_like_it_is_marked_more(self, ordinary):
        assert detect(tampered(ordinary, more_of_both)).more[DAY]
        assert not detect(tampered(ordinary, nearly_all)).more[DAY]
        assert not detect(ordinary).more[:41].any()


class TestPast:
    def test_without_reactive_energy_all_but_its_detector_work(self):
        days = drawn_meter(reactive=False)
        before, after = detect(days), detect(tampered(days, bypass))
        assert np.isnan(after.scores[d.REACTIVE]).all()
        assert np.isnan(after.expected_reactive).all()
        for name in set(d.WEIGHTS) - {d.REACTIVE}:
            assert np.isfinite(after.scores[name][41:]).all(), name
        for name in (d.PAIR, d.PROFILE, d.LEVEL):
            assert after.scores[name][DAY] > np.nanmax(before.scores[name]), name
        turned = detect(tampered(days, reversal)).scores[d.HOURLY]
        assert turned[DAY] > np.nanmax(before.scores[d.HOURLY])
        assert detect(tampered(days, more_of_both)).more[DAY]

    def test_a_meter_with_less_than_six_weeks_is_not_judged(self):
        found = detect(drawn_meter(41))
        assert np.isnan(list(found.scores.values())).all()
        assert not found.more.any()
        assert np.isfinite(detect(drawn_meter(42)).scores[d.PAIR][41])

    def test_a_later_start_changes_no_score(self, ordinary):
        whole, late = detect(ordinary), detect(ordinary, 120)
        for name, values in late.scores.items():
            assert np.isnan(values[:120]).all(), name
            np.testing.assert_array_equal(values[120:], whole.scores[name][120:], err_msg=name)
        np.testing.assert_array_equal(late.expected[120:], whole.expected[120:])
        np.testing.assert_array_equal(late.expected_reactive[120:], whole.expected_reactive[120:])
        np.testing.assert_array_equal(late.more[120:], whole.more[120:])

    @pytest.mark.parametrize("reactive", [True, False])
    def test_the_last_two_weeks_and_the_future_change_no_score_of_a_day(self, reactive):
        days = drawn_meter(reactive=reactive)
        changed = drawn_meter(seed=1, reactive=reactive)
        other = {}
        for name in ("active_kwh", "reactive_kvarh") if reactive else ("active_kwh",):
            other[name] = getattr(days, name).copy()
            rest = np.r_[DAY - LAG_DAYS + 1 : DAY, DAY + 1 : 200]
            other[name][rest] = 5 * getattr(changed, name)[rest]
        before, after = detect(days), detect(replace(days, **other))
        for name, values in before.scores.items():
            np.testing.assert_array_equal(after.scores[name][DAY], values[DAY], err_msg=name)
        assert after.expected[DAY] == before.expected[DAY]
        assert after.more[DAY] == before.more[DAY]
        assert after.scores[d.PAIR][DAY + 1] != before.scores[d.PAIR][DAY + 1]
