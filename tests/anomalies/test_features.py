"""What detectors see of a day: of it and of the meter's first days of consumption alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from loadprofiles.anomalies.days import MeterDays
from loadprofiles.anomalies.features import LAG_DAYS, LEARN_DAYS, make_features

MONDAY = 4  # 1970-01-05
DAILY = ("known", "energy", "reactive", "hours", "reactive_hours", "profile", "spread", "roughness")


def meter(active, reactive=None, first_day=MONDAY):
    """Days from hourly energy, shape (days, 24)."""
    active = np.asarray(active, dtype=np.float64)
    return MeterDays("A", first_day, active, reactive, np.empty((0, *active.shape)), np.zeros(active.shape, np.bool_))


def drawn(n_days=50, seed=0):
    return np.random.default_rng(seed).uniform(0.5, 2, (n_days, 24))


def literal():
    """A month of an even kWh an hour, then a day of two half as much, and a day with a peak."""
    active = np.ones((30, 24))
    active[28] = 0.5
    active[29] = [13] + [1] * 23
    return active


class TestByHand:
    def test_energy_is_the_log_of_the_days_sum(self):
        found = make_features(meter(literal(), 2 * literal()))
        assert found.energy[[0, 28, 29]] == pytest.approx(np.log([24, 12, 36]))
        assert found.reactive[[0, 28, 29]] == pytest.approx(np.log([48, 24, 72]))
        assert found.hours[29, :2] == pytest.approx(np.log([13, 1]))
        assert found.reactive_hours[28, :2] == pytest.approx(np.log([1, 1]))

    def test_a_profile_is_each_hours_share(self):
        found = make_features(meter(literal()))
        assert found.profile[29] == pytest.approx(np.array([13] + [1] * 23) / 36)
        assert found.profile.sum(axis=1) == pytest.approx(1)

    def test_spread_and_roughness_are_relative_to_the_days_energy(self):
        found = make_features(meter(literal()))
        assert found.spread[29] == pytest.approx(np.log(np.std([13] + [1] * 23) / 36))
        assert found.roughness[29] == pytest.approx(np.log(12 / 23 / 36))

    def test_a_day_without_changes_is_as_flat_as_one_with_changes_that_do_not_count(self):
        found = make_features(meter(literal()))
        assert found.spread[0] == pytest.approx(np.log(1e-4 * 24 / 24))
        assert found.roughness[0] == found.spread[0]

    def test_nothing_is_a_hundredth_of_the_middle_of_the_first_days(self):
        active = literal()
        active[10] = 0
        found = make_features(meter(active, active.copy()))
        assert found.energy[10] == pytest.approx(np.log(0.24))
        assert found.reactive[10] == pytest.approx(np.log(0.24))
        assert found.hours[10] == pytest.approx(np.log(0.01))
        assert found.reactive_hours[10] == pytest.approx(np.log(0.01))
        assert found.profile[10].tolist() == [0] * 24
        assert found.known[10]

    def test_without_any_consumption_all_is_finite(self):
        found = make_features(meter(np.zeros((30, 24))))
        assert found.known.all()
        assert np.isfinite([found.energy, found.spread, found.roughness]).all()

    @pytest.mark.parametrize(("first_day", "weekday"), [(0, 3), (4, 0), (5, 1), (10, 6), (-4, 6)])
    def test_the_first_weekday_counts_from_monday(self, first_day, weekday):
        assert make_features(meter(drawn(1), first_day=first_day)).first_weekday == weekday


class TestUnknownHours:
    def test_a_day_with_fewer_than_20_known_hours_is_not_known(self):
        active, reactive = drawn(), drawn(seed=1)
        active[3, :4], active[4, :5] = np.nan, np.nan
        found = make_features(meter(active, reactive))
        assert np.flatnonzero(~found.known).tolist() == [4]
        for name in DAILY[1:]:
            assert np.isnan(getattr(found, name)[4]).all(), name
            assert np.isfinite(np.delete(getattr(found, name), 4, axis=0)).all(), name

    def test_the_unknown_hours_of_a_known_day_are_interpolated(self):
        active = np.ones((30, 24))
        active[5] = [np.nan, 2, np.nan, 4, *[1] * 19, np.nan]
        found = make_features(meter(active))
        assert np.exp(found.energy[5]) == pytest.approx(2 + 2 + 3 + 4 + 19 + 1)

    def test_a_day_whose_reactive_energy_is_not_known_has_none(self):
        reactive = drawn()
        reactive[7] = np.nan
        found = make_features(meter(drawn(), reactive))
        assert np.flatnonzero(np.isnan(found.reactive)).tolist() == [7]
        assert np.isfinite(found.energy).all()

    def test_a_meter_without_reactive_energy_has_all_the_rest(self):
        found, both = make_features(meter(drawn())), make_features(meter(drawn(), drawn(seed=1)))
        assert found.reactive is None
        assert found.reactive_hours is None
        for name in set(DAILY) - {"reactive", "reactive_hours"}:
            np.testing.assert_array_equal(getattr(found, name), getattr(both, name))


class TestStart:
    def test_the_first_day_judged_is_two_weeks_after_four_weeks(self):
        active = drawn(60)
        assert make_features(meter(active)).start == LEARN_DAYS - 1 + LAG_DAYS
        active[[2, 9]] = np.nan
        assert make_features(meter(active)).start == LEARN_DAYS + 1 + LAG_DAYS

    @pytest.mark.parametrize("n_days", [0, 1, LEARN_DAYS - 1, LEARN_DAYS, LEARN_DAYS - 1 + LAG_DAYS])
    def test_a_meter_without_such_a_past_starts_after_its_end(self, n_days):
        assert make_features(meter(drawn(n_days))).start == n_days


OTHER_DAYS = hnp.arrays(np.float64, 24, elements=st.one_of(st.just(np.nan), st.just(0.0), st.floats(0, 1e4)))


class TestNoLeak:
    @settings(max_examples=60)
    @given(
        day=st.integers(LEARN_DAYS + 2, 49),
        energy=OTHER_DAYS,
        kvarh=OTHER_DAYS,
        gaps=st.sets(st.integers(0, 27), max_size=2),
    )
    def test_a_day_after_the_first_four_weeks_of_consumption_changes_no_other_days_features(
        self, day, energy, kvarh, gaps
    ):
        active, reactive = drawn(), drawn(seed=1)
        active[list(gaps)], reactive[list(gaps)] = 0, 0
        before = make_features(meter(active.copy(), reactive.copy()))
        active[day], reactive[day] = energy, kvarh
        after = make_features(meter(active, reactive))
        for name in DAILY:
            one, two = (np.delete(getattr(found, name), day, axis=0) for found in (before, after))
            np.testing.assert_array_equal(one, two, err_msg=name)

    @pytest.mark.parametrize("seldom", ["active", "reactive", "late reactive"])
    def test_no_later_day_changes_a_judged_day_of_a_meter_that_seldom_consumes(self, seldom):
        energy = drawn(300) * (np.random.default_rng(2).random(300) < 0.15)[:, np.newaxis]
        if seldom == "late reactive":
            energy[:100] = np.nan
        later = np.append(energy[:150], 9 * drawn(150), axis=0)
        before, after = (
            make_features(meter(kwh) if seldom == "active" else meter(drawn(300), kwh)) for kwh in (energy, later)
        )
        name = "energy" if seldom == "active" else "reactive"
        one, two = (getattr(found, name)[before.start : 150] for found in (before, after))
        np.testing.assert_array_equal(one, two)
