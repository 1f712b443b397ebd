"""What is known of a meter at an origin: each number against the same by numpy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles.forecasting.features import NAMES, Rows, describe, past_steps
from tests.forecasting.panels import drawn_energy, ints, panel_of


def mean_of(values):
    values = np.asarray(values)[~np.isnan(values)]
    return values.mean() if len(values) else np.nan


def median_of(values):
    values = np.asarray(values)[~np.isnan(values)]
    return np.median(values) if len(values) else np.nan


def weighted_of(values, kept):
    values = np.asarray(values)
    weights = kept ** np.arange(len(values)) * ~np.isnan(values)
    return np.nansum(values * weights) / weights.sum() if weights.any() else np.nan


class Past:
    """A meter's energies before an origin, by step counted back from it."""

    def __init__(self, energy, origin, day, week):
        self.energy, self.origin, self.day, self.week = energy, origin, day, week

    def at(self, step):
        return self.energy[step] if 0 <= step < self.origin else np.nan

    def lags(self, step, season, count):
        """Energies a whole number of seasons before a step, the latest that is known at the origin first."""
        first = step - season * ((step - self.origin) // season + 1) if step >= self.origin else step - season
        return np.array([self.at(first - season * n) for n in range(count)])

    def level(self, origin, days):
        return mean_of(self.energy[max(0, origin - days * self.day) : max(0, origin)])

    def levelled(self, step, season, days, count, beside=0):
        """The mean of what it used seasons ago, each beyond the level before its own origin, on the level of now."""
        first = season * ((step - self.origin) // season + 1)
        backs = [first + season * n for n in range(count)]
        return self.level(self.origin, days) + mean_of(
            [self.at(step + beside - back) - self.level(self.origin - back, days) for back in backs]
        )

    def all_levelled(self, step, days):
        """By weeks, by weeks with the steps beside it where steps are short, and by days."""
        beside = (-1, 0, 1) if self.day >= 12 else (0,)
        weeks = {n: self.levelled(step, self.week, days, 8, n) for n in beside}
        return weeks[0], np.mean(list(weeks.values())), self.levelled(step, self.day, days, 14)

    def base(self, step):
        weeks = weighted_of(self.lags(step, self.week, 8), 0.7)
        return weighted_of(self.lags(step, self.day, 28), 0.8) if np.isnan(weeks) else weeks

    def residual(self, step):
        return self.at(step) - self.base(step)


def like_days(energy, origin, step, day):
    """The energies of the last 5 workdays at the same time of 28 days, or of the last 5 days of weekends."""
    days = [n for n in range(step - 28 * day - step % day, origin) if n % day == step % day and n >= 0]
    days = [n for n in days[::-1] if n >= step - day * ((step - origin) // day + 28)]
    weekend = step // day % 7 > 4  # the first day is a Monday
    return [energy[n] for n in days if (n // day % 7 > 4) == weekend and not np.isnan(energy[n])][:5]


def expected(energy, origin, ahead, day, week):
    """A row of features, by name, with base and scale."""
    past = Past(energy, origin, day, week)
    step = origin + ahead
    days, weeks = past.lags(step, day, 28), past.lags(step, week, 8)
    levelled = {n: past.all_levelled(step, n) for n in (1, 3, 7)}
    base = levelled[1 if day >= 12 else 7][1]
    base = past.base(step) if np.isnan(base) else base
    scale = mean_of(np.abs(energy[max(0, origin - 28 * day) : origin]))
    last_day, last_week = (step - season * (ahead // season + 1) for season in (day, week))
    row = {f"lag_day_{n}": days[n - 1] - base for n in (1, 2, 3, 4, 5, 6, 7, 14, 21, 28)}
    row |= {f"median_days_{n}": median_of(days[:n]) - base for n in (3, 7, 14, 28)}
    row |= {f"median_weeks_{n}": median_of(weeks[:n]) - base for n in (4, 8)}
    row["median_like_days"] = median_of(like_days(energy, origin, step, day)) - base
    row["mean_days_weighted"] = weighted_of(days, 0.8) - base
    row["spread_days"] = median_of(np.abs(days - median_of(days)))
    row |= {f"day_neighbour_{n:+d}": past.at(last_day + n) - base for n in (-2, -1, 1, 2)}
    row |= {f"week_neighbour_{n:+d}": past.at(last_week + n) - base for n in (-2, -1, 1, 2)}
    for n, (alone, around, daily) in levelled.items():
        row[f"weeks_levelled_by_days_{n}"] = alone - base
        row[f"weeks_levelled_around_by_days_{n}"] = around - base
        row[f"days_levelled_by_days_{n}"] = daily - base
    row["base"] = base
    row["residual_same_time"] = past.residual(last_day)
    row |= {f"residual_last_{n}": past.residual(origin - n) for n in (1, 2, 3, 4, 7, 13)}
    row |= {f"level_days_{n}": mean_of(energy[max(0, origin - n * day) : origin]) for n in (1, 3, 7, 56)}
    row["residual_day"] = mean_of([past.residual(origin - n) for n in range(1, day + 1)])
    row["residual_week"] = mean_of([past.residual(origin - n) for n in range(1, 7 * day + 1)])
    row = {name: value / scale for name, value in row.items()}
    return row | {"steps_ahead": ahead, "log_scale": np.log(scale)}, base, scale


def with_gaps(energy, seed=1, share=0.15):
    energy = energy.copy()
    energy[np.random.default_rng(seed).random(energy.shape) < share] = np.nan
    return energy


@pytest.mark.parametrize("minutes", [60, 480, 1440, 2880])
@pytest.mark.parametrize("gaps", [False, True])
def test_every_number_is_what_its_name_says(minutes, gaps):
    energy = drawn_energy(100, minutes=minutes)[0]
    energy = with_gaps(energy) if gaps else energy
    panel = panel_of(energy, minutes)
    grid = panel.grid
    n_steps, horizon = grid.n_steps, 9 * grid.day_steps
    origins = ints(n_steps, n_steps - 1, n_steps * 2 // 3, n_steps // 5)
    rows = describe(panel, ints(0, 0, 0, 0), origins, horizon)
    assert rows.features.shape == (4, horizon, len(NAMES))
    for query, origin in enumerate(origins):
        for ahead in {0, 1, grid.day_steps - 1, grid.day_steps, 7 * grid.day_steps + 1, horizon - 1}:
            row, base, scale = expected(energy, origin, ahead, grid.day_steps, grid.week_steps)
            shown = dict(zip(NAMES, rows.features[query, ahead], strict=True))
            if minutes > 1440:  # two days are neither workdays nor a weekend
                del shown["median_like_days"], row["median_like_days"]
            assert shown == pytest.approx(row, rel=1e-4, abs=1e-5, nan_ok=True)
            assert rows.base_kwh[query, ahead] == pytest.approx(base, nan_ok=True)
            assert rows.scale_kwh[query] == pytest.approx(scale)


class TestOutages:
    def described(self, energy, origin=40 * 24):
        return describe(panel_of(energy), ints(0), ints(origin), 24)

    def test_a_day_of_zeros_is_not_seen(self):
        silent, unknown = drawn_energy(40)[0], drawn_energy(40)[0]
        silent[700:724] = 0
        unknown[700:724] = np.nan
        one, other = self.described(silent), self.described(unknown)
        np.testing.assert_array_equal(one.features, other.features)
        np.testing.assert_array_equal(one.base_kwh, other.base_kwh)

    def test_an_hour_less_is_seen_as_the_zeros_they_are(self):
        zeros, unknown = drawn_energy(40)[0], drawn_energy(40)[0]
        zeros[700:723] = 0
        unknown[700:723] = np.nan
        assert (self.described(zeros).scale_kwh < self.described(unknown).scale_kwh).all()

    @pytest.mark.parametrize("after", [0.0, 5.0])
    def test_zeros_that_go_on_after_the_origin_are_judged_by_those_before_it(self, after):
        energy = drawn_energy(42)[0]
        energy[40 * 24 - 12 : 40 * 24] = 0
        plain = self.described(energy)
        energy[40 * 24 :] = after
        np.testing.assert_array_equal(self.described(energy).features, plain.features)
        assert plain.features[0, 12, NAMES.index("lag_day_1")] == pytest.approx(
            -plain.base_kwh[0, 12] / plain.scale_kwh[0], rel=1e-5
        )


class TestUnknownPast:
    def test_of_nothing_nothing_is_told_but_how_far_ahead_it_is(self):
        rows = describe(panel_of(np.ones(48)), ints(0), ints(0), 3)
        told = {name for name, known in zip(NAMES, ~np.isnan(rows.features[0]).any(axis=0), strict=True) if known}
        assert told == {"steps_ahead"}
        assert np.isnan(rows.base_kwh).all()
        assert np.isnan(rows.scale_kwh).all()

    def test_of_zeros_there_is_no_scale(self):
        rows = describe(panel_of(np.tile([0.0, 0, 0, 0, 0, 0, 0, -0.0], 60)), ints(0), ints(480), 24)
        assert np.isnan(rows.scale_kwh).all()
        assert np.isnan(rows.to_relative(np.ones((1, 24)))).all()

    def test_meters_and_origins_in_any_order_are_told_as_each_alone(self):
        panel = panel_of(drawn_energy(60, 3))
        meters, origins = ints(2, 0, 1, 0), ints(1000, 1400, 900, 1300)
        together = describe(panel, meters, origins, 24)
        for query, (meter, origin) in enumerate(zip(meters, origins, strict=True)):
            alone = describe(panel, ints(meter), ints(origin), 24)
            np.testing.assert_array_equal(together.features[query], alone.features[0])

    def test_what_lies_beyond_the_past_it_looks_at_does_not_matter(self):
        energy = drawn_energy(120)[0]
        origin = 115 * 24
        far = energy.copy()
        far[: origin - past_steps(168, 24, 24)] = 1e6
        one, other = (describe(panel_of(e), ints(0), ints(origin), 24) for e in (energy, far))
        np.testing.assert_array_equal(one.features, other.features)


class TestRelative:
    @given(factor=st.sampled_from([1e-3, 0.5, 7.0, 1e4]), seed=st.integers(0, 50))
    @settings(max_examples=20)
    def test_a_kiosk_and_a_factory_of_one_shape_look_alike(self, factor, seed):
        energy = drawn_energy(40, seed=seed)[0]
        rows = describe(panel_of([energy, energy * factor]), ints(0, 1), ints(900, 900), 24)
        unlike = NAMES.index("log_scale")
        kiosk, factory = (np.delete(features, unlike, axis=-1) for features in rows.features)
        np.testing.assert_allclose(kiosk, factory, rtol=1e-4, atol=1e-5)
        difference = rows.features[1, :, unlike] - rows.features[0, :, unlike]
        assert difference == pytest.approx(np.log(factor), abs=1e-4)

    def test_there_and_back_again(self):
        panel = panel_of(drawn_energy(60, 2))
        rows = describe(panel, ints(0, 1), ints(1000, 1100), 24)
        energy = np.arange(48.0).reshape(2, 24)
        assert rows.to_kwh(rows.to_relative(energy)) == pytest.approx(energy)

    def test_relative_is_in_scales_from_the_base(self):
        rows = Rows(np.empty((1, 2, 0), np.float32), np.array([[1.0, 3.0]]), np.array([4.0]))
        assert rows.to_relative(np.array([[9.0, 1.0]])).tolist() == [[2, -0.5]]
        assert rows.to_kwh(np.array([[2, -0.5]])).tolist() == [[9, 1]]

    def test_without_a_scale_there_is_nothing_relative(self):
        rows = Rows(np.empty((2, 1, 0), np.float32), np.ones((2, 1)), np.array([0.0, np.nan]))
        assert np.isnan(rows.to_relative(np.full((2, 1), 3.0))).all()
