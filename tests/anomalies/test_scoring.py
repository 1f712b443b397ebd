"""One p-value a day, on the meter's own past: no leak, the same when continued, and alarms within the budget."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles.anomalies import scoring
from loadprofiles.anomalies.detectors import FLATNESS, LEVEL, PAIR, PROFILE, REACTIVE, WEIGHTS
from loadprofiles.anomalies.features import make_features
from loadprofiles.anomalies.scoring import alarms, combine, expectation, score, thresholds
from tests.anomalies.test_detectors import bypass, drawn_meter, reversal, tampered

N_DAYS = 200

FUTURES = {
    "other use": lambda e, random: random.uniform(0, 50, e.shape),
    "zeros": lambda e, _: np.zeros_like(e),
    "nothing known": lambda e, _: np.full(e.shape, np.nan),
    "the same days in another order": lambda e, random: random.permutation(e),
    "half": lambda e, _: e / 2,
    "some hours unknown": lambda e, random: np.where(random.random(e.shape) < 0.1, np.nan, e),
}


def changed(days, future, which, seed=0):
    """Other energy on the days `which`."""
    out = {}
    for name in ("active_kwh", "reactive_kvarh"):
        if getattr(days, name) is not None:
            out[name] = getattr(days, name).copy()
            out[name][which] = FUTURES[future](out[name][which], np.random.default_rng(seed))
    return replace(days, **out)


def pasts(days, **options):
    """All that is said of each day."""
    found, energy = score(days, **options), make_features(days).energy
    said = {f"score of {name}": values for name, values in found.detectors.items()}
    said |= {f"surprise of {name}": values for name, values in found.surprises.items()}
    said |= {"combined": found.combined, "surprise": found.surprise, "p-value": found.p_value}
    said |= {f"threshold at {budget}": thresholds(found, budget) for budget in (1, 3)}
    said |= {f"alarm at {budget}": alarms(found, energy, budget) for budget in (1, 3)}
    said |= dict(zip(("expected", "low", "high"), expectation(found, energy), strict=True))
    return said


def assert_same(one, two, which, names=None):
    for name in names or one:
        np.testing.assert_array_equal(one[name][which], two[name][which], err_msg=name)


def with_past(days):
    """A meter that has had thefts, days not known, days of nothing, and reactive energy not known."""
    for day, what in ((60, bypass), (61, bypass), (100, reversal)):
        days = tampered(days, what, day)
    days.active_kwh[[3, 80]], days.active_kwh[[5, 90]], days.active_kwh[30, :3] = np.nan, 0, np.nan
    if days.reactive_kvarh is not None:
        days.reactive_kvarh[70] = np.nan
    return days


def seldom(reactive):
    """A meter that consumes on a day in seven."""
    days = drawn_meter(reactive=reactive)
    used = np.random.default_rng(3).random(N_DAYS) < 0.15
    kvarh = days.reactive_kvarh * used[:, np.newaxis] if reactive else None
    return replace(days, active_kwh=days.active_kwh * used[:, np.newaxis], reactive_kvarh=kvarh)


METERS = {
    "with reactive energy": with_past(drawn_meter()),
    "without": with_past(drawn_meter(reactive=False)),
}


@pytest.fixture(scope="module")
def said():
    return {name: pasts(days) for name, days in METERS.items()}


class TestNoLeak:
    @settings(max_examples=40)
    @given(
        meter=st.sampled_from(sorted(METERS)), day=st.integers(42, N_DAYS - 2), future=st.sampled_from(sorted(FUTURES))
    )
    def test_later_days_change_nothing_that_is_said_of_a_day(self, said, meter, day, future):
        later = changed(METERS[meter], future, slice(day + 1, None), seed=day)
        assert_same(said[meter], pasts(later), slice(day + 1))

    @pytest.mark.parametrize("reactive", [True, False])
    @pytest.mark.parametrize("day", [60, 100, 150])
    def test_nor_do_they_of_a_meter_that_seldom_consumes(self, day, reactive):
        days = seldom(reactive)
        before, after = (pasts(found) for found in (days, changed(days, "other use", slice(day + 1, None))))
        assert_same(before, after, slice(day + 1))

    @settings(max_examples=20)
    @given(meter=st.sampled_from(sorted(METERS)), end=st.integers(42, N_DAYS))
    def test_days_yet_to_come_change_nothing_that_is_said_of_a_day(self, said, meter, end):
        assert_same(said[meter], pasts(METERS[meter].until(end)), slice(end))

    @settings(max_examples=25)
    @given(
        meter=st.sampled_from(sorted(METERS)),
        day=st.integers(110, N_DAYS - 1),
        future=st.sampled_from(sorted(FUTURES)),
        length=st.integers(1, 13),
    )
    def test_the_last_two_weeks_change_only_how_a_day_is_strengthened_by_that_before(
        self, said, meter, day, future, length
    ):
        recent = pasts(changed(METERS[meter], future, slice(day - length, day), seed=day))
        before = said[meter]
        assert_same(before, recent, day, set(before) - {"combined", "surprise", "p-value", "alarm at 1", "alarm at 3"})
        # at most doubled, so that neither is more than twice the other
        assert (
            before["combined"][day] / 2 <= recent["combined"][day] <= 2 * before["combined"][day]
            or np.isnan([before["combined"][day], recent["combined"][day]]).all()
        )

    def test_a_theft_strengthens_the_suspicion_of_the_day_after(self, said):
        combined = said["without"]["combined"]
        recent = [score(tampered(METERS["without"], bypass, day)).combined[day + 1] for day in range(175, 190)]
        assert (recent > combined[176:191]).any()

    @settings(max_examples=15)
    @given(future=st.sampled_from(sorted(FUTURES)), frozen=st.integers(120, 180), later=st.integers(0, 19))
    def test_no_day_from_the_frozen_one_on_moves_a_threshold(self, future, frozen, later):
        days = METERS["with reactive energy"]
        one, two = (
            pasts(found, frozen=frozen) for found in (days, changed(days, future, slice(frozen + later, None), frozen))
        )
        names = {"threshold at 1", "threshold at 3"}
        assert_same(one, two, slice(None), names)
        for name in names:
            assert len(set(one[name][frozen + 13 :])) == 1

    def test_unless_frozen_they_do(self, said):
        days = METERS["with reactive energy"]
        noisy = pasts(changed(days, "other use", slice(130, 180)))
        assert (noisy["threshold at 1"] != said["with reactive energy"]["threshold at 1"])[150:].any()


class TestContinued:
    @settings(max_examples=25)
    @given(
        meter=st.sampled_from(sorted(METERS)),
        start=st.integers(1, N_DAYS - 1),
        appended=st.booleans(),
        frozen=st.sampled_from([150, 10**9]),
    )
    def test_scores_are_as_if_all_days_were_scored_at_once(self, meter, start, appended, frozen):
        days = METERS[meter]
        earlier = score(days.until(start) if appended else days, frozen=frozen)
        whole = pasts(days, frozen=frozen)
        assert_same(whole, pasts(days, earlier=earlier, start=start, frozen=frozen), slice(None))

    def test_thresholds_and_alarms_wanted_from_a_day_on_are_those_of_all(self):
        days = METERS["with reactive energy"]
        found, energy = score(days), make_features(days).energy
        np.testing.assert_array_equal(thresholds(found, 1, 150)[150:], thresholds(found, 1)[150:])
        np.testing.assert_array_equal(alarms(found, energy, 1, 60)[60:], alarms(found, energy, 1)[60:])

    def test_day_after_day_is_as_all_at_once(self):
        days = METERS["with reactive energy"]
        found = score(days.until(190))
        for day in range(190, N_DAYS):
            found = score(days.until(day + 1), earlier=found, start=day)
        np.testing.assert_array_equal(found.combined, score(days).combined)


def arrays(**values):
    return {name: np.array(of, dtype=np.float64) for name, of in values.items()}


class TestCombine:
    def test_it_is_the_mean_by_weight(self):
        surprises = arrays(**{PAIR: [3], PROFILE: [1], REACTIVE: [5]})
        assert combine(surprises, np.array([False])) == pytest.approx((2 * 3 + 2 * 1 + 1 * 5) / 5)

    def test_detectors_that_cannot_tell_have_no_weight(self):
        nothing = np.nan
        surprises = arrays(**{PAIR: [3, nothing, nothing], REACTIVE: [nothing, 5, nothing], LEVEL: [1, 2, nothing]})
        found = combine(surprises, np.zeros(3, dtype=np.bool_))
        second = (1 * 5 + 0.5 * 2) / 1.5
        first = (2 * 3 + 0.5 * 1) / 2.5
        assert found == pytest.approx([first, second + min(first, second), np.nan], nan_ok=True)

    def test_of_one_light_detector_it_is_what_that_says(self):
        assert combine(arrays(**{LEVEL: [4], PAIR: [np.nan]}), np.array([False])) == pytest.approx(4)

    def test_more_than_expected_is_less_suspect(self):
        assert combine(arrays(**{PAIR: [3]}), np.array([True])) == pytest.approx(0.6 * 3)

    def test_the_day_before_at_most_doubles(self):
        found = combine(arrays(**{PAIR: [1, 3, 2, np.nan, 2]}), np.zeros(5, dtype=np.bool_))
        assert found == pytest.approx([1, 3 + 1, 2 + 2, np.nan, 2], nan_ok=True)

    def test_all_detectors_have_a_weight(self, said):
        assert {f"score of {name}" for name in WEIGHTS} <= set(said["without"])


def noise(n_days, seed):
    """No day differs from another but by chance."""
    random = np.random.default_rng(seed)
    days = drawn_meter(n_days)
    return replace(
        days,
        active_kwh=random.lognormal(0, 0.3, (n_days, 24)),
        reactive_kvarh=random.lognormal(-1, 0.3, (n_days, 24)),
    )


@pytest.fixture(scope="module")
def noisy_meters():
    meters = [noise(400, seed) for seed in range(20)]
    return [(score(days), make_features(days).energy) for days in meters]


class TestBudget:
    def test_of_pure_noise_few_more_days_alert_than_the_budget_allows(self, noisy_meters):
        alerting = judged = 0
        for found, energy in noisy_meters:
            alerting += alarms(found, energy, 1).sum()
            judged += np.isfinite(thresholds(found, 1)).sum()
        assert judged > 20 * 250
        assert 0.1 < 30 * alerting / judged < 1.5

    @pytest.mark.parametrize("budget", [0.5, 1, 2, 4])
    def test_thresholds_lie_within_their_limits(self, noisy_meters, budget):
        for found, _ in noisy_meters:
            limits = thresholds(found, budget)
            limits = limits[np.isfinite(limits)]
            assert limits.min() >= scoring._CALM - np.log(budget)
            assert limits.max() <= scoring._NOISY - np.log(budget)

    @pytest.mark.parametrize(("less", "more"), [(0.5, 1), (1, 2), (2, 4)])
    def test_a_greater_budget_alerts_on_the_same_days_and_on_others(self, noisy_meters, less, more):
        added = 0
        for found, energy in noisy_meters:
            few, many = alarms(found, energy, less), alarms(found, energy, more)
            assert not (few & ~many).any()
            added += (many & ~few).sum()
        assert added > 0

    def test_a_theft_alerts_and_its_like_upwards_does_not(self):
        days = drawn_meter()
        less, more = (
            tampered(days, lambda a, r, factor=factor: (a * factor, r * factor), 170) for factor in (1 / 10, 10)
        )
        assert alarms(score(less), make_features(less).energy, 1)[170]
        assert not alarms(score(more), make_features(more).energy, 1)[170]
        assert not alarms(score(days), make_features(days).energy, 1)[170]

    def test_a_p_value_is_the_share_of_the_past_at_least_as_suspect(self, noisy_meters):
        found, _ = noisy_meters[0]
        p_value = found.p_value[np.isfinite(found.p_value)]
        assert ((p_value > 0) & (p_value <= 1)).all()
        np.testing.assert_allclose(-np.log(p_value), found.surprise[np.isfinite(found.surprise)])
        many = np.concatenate([scores.p_value[np.isfinite(scores.p_value)] for scores, _ in noisy_meters])
        for level in (0.1, 0.3, 0.5):
            assert (many <= level).mean() == pytest.approx(level, abs=0.05)


class TestShortPast:
    @pytest.mark.parametrize("n_days", [0, 1, 27, 41])
    def test_a_meter_with_too_short_a_past_is_not_judged_and_does_not_alert(self, n_days):
        for name, values in pasts(drawn_meter(n_days)).items():
            assert len(values) == n_days
            assert not values.any() if values.dtype == np.bool_ else np.isnan(values).all(), name

    def test_a_meter_that_is_scored_but_has_no_past_scores_does_not_alert(self):
        found = pasts(tampered(drawn_meter(60), bypass, 55))
        assert np.isfinite(found[f"score of {FLATNESS}"][55])
        assert np.isnan(found["combined"]).all()
        assert not found["alarm at 1"].any()

    def test_a_meter_whose_consumption_ends_or_is_not_known_is_scored_without_an_error(self):
        for future in ("zeros", "nothing known"):
            found = pasts(changed(drawn_meter(), future, slice(120, None)))
            assert np.isfinite(found["combined"][130]) == (future == "zeros")
