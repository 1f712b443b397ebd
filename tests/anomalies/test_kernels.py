"""The compiled loops of scoring, against plain numpy and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.neighbors import NearestNeighbors

from loadprofiles.anomalies import kernels as k

LAG = 3
SERIES = hnp.arrays(np.float64, st.integers(10, 60), elements=st.one_of(st.just(np.nan), st.integers(-5, 5)))
"""Series with ties and days that are not known."""


def drawn_points(days=60, dimensions=3, seed=0, unusable=12):
    random = np.random.default_rng(seed)
    points, usable = random.normal(size=(days, dimensions)), np.ones(days, dtype=np.bool_)
    usable[random.choice(days, unusable, replace=False)] = False
    points[~usable] = np.nan
    return points, usable


def find_nearest(points, usable, day, first, last, k_neighbours):
    found, distances = np.empty(k_neighbours, np.int64), np.empty(k_neighbours)
    k.nearest(points, usable, day, first, last, found, distances)
    return found, distances


def plain_novelty(points, usable, day, lag, neighbours, floor):
    """By scikit-learn, of one day; NaN where there are too few older days."""
    older = np.flatnonzero(usable[: day - lag + 1])
    if not usable[day] or len(older) <= neighbours:
        return np.nan
    model = NearestNeighbors(n_neighbors=neighbours, algorithm="brute").fit(points[older])
    distances, found = model.kneighbors(points[[day]])
    their, _ = model.kneighbors()  # of those taken up, none is its own neighbour
    return np.log((distances.mean() + floor) / (their[found[0]].mean() + floor))


class TestNearest:
    def test_by_hand(self):
        points, usable = np.array([[0.0], [10], [2], [1], [np.nan], [5]]), np.array([1, 1, 1, 1, 0, 1], dtype=np.bool_)
        found, distances = find_nearest(points, usable, 5, 0, 6, 2)
        assert found.tolist() == [2, 3]
        assert distances.tolist() == [3, 4]

    def test_where_too_few_days_are_usable_the_rest_is_none(self):
        points, usable = np.arange(4.0)[:, np.newaxis], np.array([True, False, True, True])
        found, distances = find_nearest(points, usable, 2, 0, 3, 3)
        assert found.tolist() == [0, -1, -1]
        assert distances.tolist() == [2, np.inf, np.inf]

    @pytest.mark.parametrize("dimensions", [1, 3, 26])
    def test_as_scikit_learn(self, dimensions):
        points, usable = drawn_points(dimensions=dimensions)
        for day in np.flatnonzero(usable):
            others = np.setdiff1d(np.flatnonzero(usable[10:50]) + 10, day)
            model = NearestNeighbors(n_neighbors=4, algorithm="brute").fit(points[others])
            distances, places = model.kneighbors(points[[day]])
            found, ours = find_nearest(points, usable, day, 10, 50, 4)
            assert found.tolist() == others[places[0]].tolist()
            np.testing.assert_allclose(ours, distances[0], rtol=1e-6)

    @given(values=SERIES, day=st.integers(0, 9), neighbours=st.integers(1, 6))
    def test_with_ties_the_distances_are_the_least_and_none_is_found_twice(self, values, day, neighbours):
        usable = ~np.isnan(values)
        found, distances = find_nearest(values[:, np.newaxis], usable, day, 0, len(values), neighbours)
        if not usable[day]:
            assert (found == -1).all()
            return
        others = np.setdiff1d(np.flatnonzero(usable), day)
        least = np.sort(np.abs(values[others] - values[day]))[:neighbours]
        assert distances[: len(least)].tolist() == least.tolist()
        real = found[found >= 0]
        assert len(set(real.tolist())) == len(real) == len(least)
        assert np.abs(values[real] - values[day]).tolist() == least.tolist()


class TestNovelty:
    def test_by_hand(self):
        # of day 4, days 0 to 2 are old enough; the nearest two are 2 (at 1) and 1 (at 3), theirs are (2, 3) and (1, 2)
        points = np.array([[0.0], [1], [3], [77], [4]])
        scores, neighbours = k.novelty(points, np.ones(5, dtype=np.bool_), 4, 2, 2, 0.5)
        assert neighbours[4].tolist() == [2, 1]
        assert scores.tolist() == pytest.approx([np.nan] * 4 + [np.log((2 + 0.5) / (2 + 0.5))], nan_ok=True)

    @pytest.mark.parametrize(("dimensions", "neighbours", "lag"), [(1, 5, 14), (2, 3, 1), (26, 5, 14)])
    def test_as_scikit_learn_over_days_that_are_known_and_old_enough(self, dimensions, neighbours, lag):
        points, usable = drawn_points(dimensions=dimensions, seed=dimensions)
        scores, found = k.novelty(points, usable, lag, lag, neighbours, 0.01)
        expected = [plain_novelty(points, usable, day, lag, neighbours, 0.01) for day in range(lag, len(points))]
        np.testing.assert_allclose(scores[lag:], expected, rtol=1e-6, atol=1e-9)
        assert np.isfinite(expected).sum() >= 25
        for day in np.flatnonzero(np.isfinite(scores)):
            assert usable[found[day]].all()
            assert found[day].max() <= day - lag

    @settings(max_examples=50)
    @given(values=SERIES, neighbours=st.integers(1, 4))
    def test_with_days_alike_as_plain_numpy(self, values, neighbours):
        # of places at equal distance any may be taken: a little apart, only days at one place are
        values = np.repeat(values + np.sin(np.arange(len(values))) / 10, 2)
        usable, neighbours = ~np.isnan(values), 2 * neighbours - 1
        scores, _ = k.novelty(values[:, np.newaxis], usable, LAG, LAG, neighbours, 0.5)
        for day in range(LAG, len(values)):
            older = values[: day - LAG + 1][usable[: day - LAG + 1]]
            expected = np.nan
            if usable[day] and len(older) > neighbours:
                apart = np.abs(older - older[:, np.newaxis]) + np.diag(np.full(len(older), np.inf))
                their = np.sort(apart, axis=1)[:, :neighbours].mean(axis=1)
                found = np.argsort(np.abs(older - values[day]))[:neighbours]
                expected = np.log((np.abs(older[found] - values[day]).mean() + 0.5) / (their[found].mean() + 0.5))
            assert scores[day] == pytest.approx(expected, nan_ok=True, abs=1e-9)

    def test_days_that_do_not_count_change_nothing(self):
        points, usable = drawn_points()
        other = np.where(usable[:, np.newaxis], points, 0.0)
        for one, two in zip(
            k.novelty(points, usable, 20, 14, 5, 0.01), k.novelty(other, usable, 20, 14, 5, 0.01), strict=True
        ):
            np.testing.assert_array_equal(one, two)

    def test_a_later_start_changes_no_score(self):
        points, usable = drawn_points()
        early, late = (k.novelty(points, usable, start, 14, 5, 0.01)[0] for start in (20, 45))
        assert np.isnan(late[:45]).all()
        np.testing.assert_array_equal(late[45:], early[45:])

    def test_what_lies_nearer_than_the_floor_is_hardly_new(self):
        points = np.zeros((30, 1))
        points[29] = 0.001
        scores, _ = k.novelty(points, np.ones(30, dtype=np.bool_), 29, 14, 5, 0.01)
        assert scores[29] == pytest.approx(np.log(1.1))


def plain_level_shift(energy, usable, day, lag, weeks, floor):
    past = [d for d in range(max(0, day - lag + 1 - 7 * weeks), day - lag + 1) if usable[d]]
    middles = {weekday: np.median([energy[d] for d in past if d % 7 == weekday]) for weekday in {d % 7 for d in past}}
    expected = middles.get(day % 7, np.nan)
    if not usable[day] or not past:
        return np.nan, expected
    usual = np.median([abs(energy[d] - middles[d % 7]) for d in past])
    return (expected - energy[day]) / (usual + floor), expected


class TestLevelShift:
    def test_by_hand(self):
        # the same weekday had 3, 5 and 4; the days before it were 0, 1 or 0 off
        energy = np.array([3.0] * 7 + [5] * 7 + [4] * 7 + [0] * 7 + [1])
        scores, expected = k.level_shift(energy, np.ones(29, dtype=np.bool_), 28, 8, 3, 0.5)
        assert expected[28] == 4
        assert scores[28] == (4 - 1) / (1 + 0.5)

    @settings(max_examples=60)
    @given(values=SERIES, weeks=st.integers(1, 4))
    def test_as_plain_numpy(self, values, weeks):
        usable = ~np.isnan(values)
        scores, expected = k.level_shift(values, usable, 9, LAG, weeks, 0.1)
        assert np.isnan(scores[:9]).all()
        for day in range(9, len(values)):
            plain = plain_level_shift(values, usable, day, LAG, weeks, 0.1)
            assert (scores[day], expected[day]) == pytest.approx(plain, nan_ok=True)


class TestGivenNeighbours:
    def test_by_hand(self):
        # the days like day 5 are 1, 2 and 3: they had 2, 3 and 7
        energy = np.array([100.0, 2, 3, 7, 50, 1])
        conditions = np.array([[9.0], [1], [2], [3], [2], [2]])
        hours = np.stack([energy, np.array([0.0, 1, 1, 1, 0, 1])], axis=1)
        by_day, expected, by_hour = k.given_neighbours(
            energy, hours, conditions, np.ones(6, dtype=np.bool_), 5, 2, 99, 3, 0.5
        )
        assert expected[5] == 3
        assert by_day[5] == (3 - 1) / (1 + 0.5)
        assert by_hour[5] == pytest.approx((np.sqrt(2 / 1.5) + 0) / 2)

    @pytest.mark.parametrize("most_days", [20, 999])
    def test_as_plain_numpy(self, most_days):
        conditions, usable = drawn_points(seed=5)
        random = np.random.default_rng(6)
        energy, hours = random.normal(size=60), random.normal(size=(60, 24))
        hours[50, 3] = 1e6  # one hour far off counts as much as twenty deviations
        energy[~usable], hours[~usable] = np.nan, np.nan
        found = k.given_neighbours(energy, hours, conditions, usable, 20, 14, most_days, 4, 0.1)
        count = 0
        for day in range(60):
            past = np.arange(max(0, day - 13 - most_days), max(0, day - 13))
            past = past[usable[past]]
            if day < 20 or not usable[day] or len(past) < 4:
                assert np.isnan([values[day] for values in found]).all()
                continue
            like = past[np.argsort(np.linalg.norm(conditions[past] - conditions[day], axis=1))[:4]]
            middle, middles = np.median(energy[like]), np.median(hours[like], axis=0)
            usual = np.median(np.abs(energy[like] - middle)) + 0.1
            off = np.abs(hours[day] - middles) / (np.median(np.abs(hours[like] - middles), axis=0) + 0.1)
            plain = (middle - energy[day]) / usual, middle, np.sqrt(np.minimum(off, 20)).mean()
            assert [values[day] for values in found] == pytest.approx(plain)
            count += 1
        assert count >= 25


class TestDeviation:
    def test_by_hand(self):
        values = np.array([100.0, 2, 3, 7, 50, 0])
        scores = k.deviation(values, np.ones(6, dtype=np.bool_), 5, 2, 3, 0.5)
        assert scores[5] == (0 - 3) / (1 + 0.5)  # of days 1, 2 and 3

    @given(values=SERIES, past_days=st.integers(1, 30))
    def test_as_plain_numpy(self, values, past_days):
        usable = ~np.isnan(values)
        scores = k.deviation(values, usable, 5, LAG, past_days, 0.1)
        for day in range(len(values)):
            past = values[max(0, day - LAG + 1 - past_days) : max(0, day - LAG + 1)]
            past = past[~np.isnan(past)]
            expected = np.nan
            if day >= 5 and usable[day] and len(past):
                expected = (values[day] - np.median(past)) / (np.median(np.abs(past - np.median(past))) + 0.1)
            assert scores[day] == pytest.approx(expected, nan_ok=True)


def weighted_past(scores, day, lag, half_life, frozen):
    """A day's past scores, the highest first, and their weights: that of the last day that counts is 1."""
    count = max(0, min(day - lag + 1, frozen))
    known = np.flatnonzero(~np.isnan(scores[:count]))
    known = known[np.argsort(-scores[known], kind="stable")]
    return scores[known], 2.0 ** (-(count - 1 - known) / half_life)


def plain_surprise(scores, day, lag, half_life, frozen, tail, least):
    past, weights = weighted_past(scores, day, lag, half_life, frozen)
    if len(past) < least or np.isnan(scores[day]):
        return np.nan
    edge = past[np.argmax(np.cumsum(weights) >= tail * weights.sum())]
    if scores[day] <= edge:
        p_value = (weights[past >= scores[day]].sum() + 1) / (weights.sum() + 1)
        return min(-np.log(p_value), -np.log(tail))
    upper = past >= edge
    mean_excess = np.average(past[upper] - edge, weights=weights[upper])
    return min(-np.log(tail) + (scores[day] - edge) / max(mean_excess, 0.02), 12)


EVEN = np.inf
"""A half-life with which all the past counts alike."""

NEVER = 10**9


class TestSurprise:
    def test_within_the_past_it_is_the_conformal_p_value(self):
        scores = np.array([*range(1, 20), np.nan, 15.0])
        out = k.surprise(scores, 0, 2, EVEN, NEVER, 0.1, 19)
        assert out[20] == pytest.approx(-np.log((5 + 1) / (19 + 1)))
        assert np.isnan(out[:20]).all()

    def test_above_the_upper_tail_it_goes_on_as_an_exponential(self):
        # of 1 to 20 the upper tenth starts with 19; it exceeds that by 0 and 1, by a half in the mean
        scores = np.array([*range(1, 21), np.nan, 21.0])
        assert k.surprise(scores, 0, 2, EVEN, NEVER, 0.1, 20)[21] == pytest.approx(-np.log(0.1) + 2 / 0.5)

    def test_it_ranks_what_has_never_been_up_to_a_limit(self):
        past = np.random.default_rng(0).normal(size=60)
        tops = [k.surprise(np.append(past, top), 60, 1, EVEN, NEVER, 0.1, 20)[60] for top in (2.0, 2.5, 3.0, 99.0)]
        assert tops == sorted(set(tops))
        assert tops[-1] == 12

    def test_older_scores_count_less(self):
        # at a half-life of one day, weights are 1/4, 1/2 and 1
        scores = np.array([9.0, 1, 2, 8])
        assert k.surprise(scores, 3, 1, 1.0, NEVER, 0.01, 3)[3] == pytest.approx(-np.log(1.25 / 2.75))

    def test_where_all_the_past_is_alike_the_same_is_no_surprise_and_more_is_a_great_one(self):
        same, more = (k.surprise(np.append(np.ones(30), last), 30, 1, EVEN, NEVER, 0.1, 20)[30] for last in (1.0, 2.0))
        assert same == 0
        assert more == 12

    def test_scores_from_a_frozen_day_on_never_count(self):
        scores = np.random.default_rng(1).normal(size=80)
        changed = np.concatenate([scores[:40], scores[40:60] + 9, scores[60:]])
        before, after = (k.surprise(values, 0, 5, 50.0, 40, 0.1, 20) for values in (scores, changed))
        np.testing.assert_array_equal(before[60:], after[60:])
        assert (after[40:60] > before[40:60]).all()

    @settings(max_examples=60)
    @given(
        scores=SERIES,
        start=st.integers(0, 20),
        half_life=st.sampled_from([2.0, 30.0, EVEN]),
        frozen=st.sampled_from([15, NEVER]),
    )
    def test_as_plain_numpy(self, scores, start, half_life, frozen):
        # edges of shares are not on a score: sums in another order are not another share
        out = k.surprise(scores, start, LAG, half_life, frozen, 0.123, 6)
        assert np.isnan(out[:start]).all()
        for day in range(start, len(scores)):
            expected = plain_surprise(scores, day, LAG, half_life, frozen, 0.123, 6)
            assert out[day] == pytest.approx(expected, nan_ok=True)


class TestPastQuantile:
    def test_by_hand(self):
        scores = np.array([5.0, 1, 4, 2, 3, np.nan, 99])
        assert k.past_quantile(scores, 6, 1, EVEN, NEVER, 0.4, 5)[6] == 4
        assert k.past_quantile(scores, 6, 1, EVEN, NEVER, 0.41, 5)[6] == 3
        assert np.isnan(k.past_quantile(scores, 6, 1, EVEN, NEVER, 0.4, 6)[6])

    def test_older_scores_count_less(self):
        # at a half-life of one day, weights are 1/4, 1/2 and 1: 9 alone has a seventh, 9 and 7 have three
        scores = np.array([9.0, 7, 2, 0])
        shares = {0.1: 9, 0.2: 7, 0.4: 7, 0.5: 2}
        assert {s: k.past_quantile(scores, 3, 1, 1.0, NEVER, s, 3)[3] for s in shares} == shares

    @settings(max_examples=60)
    @given(
        scores=SERIES,
        start=st.integers(0, 20),
        half_life=st.sampled_from([2.0, 30.0, EVEN]),
        frozen=st.sampled_from([15, NEVER]),
        share=st.sampled_from([0.0123, 0.123, 0.789]),
    )
    def test_as_plain_numpy(self, scores, start, half_life, frozen, share):
        out = k.past_quantile(scores, start, LAG, half_life, frozen, share, 6)
        assert np.isnan(out[:start]).all()
        for day in range(start, len(scores)):
            past, weights = weighted_past(scores, day, LAG, half_life, frozen)
            expected = np.nan
            if len(past) >= 6:
                expected = past[np.argmax(np.cumsum(weights) >= share * weights.sum())]
            assert out[day] == pytest.approx(expected, nan_ok=True)
