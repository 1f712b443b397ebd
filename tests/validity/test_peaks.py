import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import find_peaks
from scipy.spatial.distance import hamming

from loadprofiles.errors import ParameterError
from loadprofiles.validity import peaks
from loadprofiles.validity.peaks import (
    detection_score,
    distinctiveness,
    find_peak_matrix,
    match_score,
    overdetection_score,
    peak_scores,
    performance_score,
    widen,
)


def binary(*rows):
    return np.array([[mark == "^" for mark in row] for row in rows])


def l2(profiles):
    return profiles / np.linalg.norm(profiles, axis=1, keepdims=True)


def random_clustering(seed, n_profiles=60, steps=24, k=4):
    """Profiles with a few clear peaks each, so close that some are met, some missed, some one step off."""
    rng = np.random.default_rng(seed)
    profiles = rng.random((n_profiles, steps)) * 0.3
    for row in profiles:
        row[rng.integers(0, 16, rng.integers(0, 4))] += 1.5
    profiles = l2(profiles)
    labels = np.concatenate([np.arange(k), rng.integers(0, k, n_profiles - k)])
    return profiles, labels, profiles[:k] * 0.95


# --- finding peaks


def test_plain_peaks_leave_out_the_ends_and_take_a_plateau_in_its_middle_once():
    assert find_peak_matrix([[9, 0, 1, 0, 2, 2, 2, 0, 1, 9]]).tolist() == binary("..^..^....").tolist()


def test_a_plateau_that_touches_the_end_of_the_day_is_no_peak():
    assert not find_peak_matrix([[0, 1, 1], [1, 1, 0]]).any()


def test_a_peak_counts_as_prominent_by_its_height_above_the_higher_of_its_two_bases():
    # the first peak stands 3 - max(0, 2) = 1 above its higher base, the second 4 - max(0, 0) = 4
    profile = [[0, 3, 2, 4, 0]]
    assert find_peak_matrix(profile, prominence=1.0).tolist() == binary(".^.^.").tolist()
    assert find_peak_matrix(profile, prominence=1.1).tolist() == binary("...^.").tolist()


@pytest.mark.parametrize("prominence", [None, 0.2, 2.0])
@pytest.mark.parametrize("steps", [1, 2, 3, 24, 96])
def test_peaks_of_all_rows_at_once_equal_scipy_row_by_row_with_plateaus(prominence, steps):
    # few integer levels make plateaus, flat rows and rows that start or end high common
    profiles = np.random.default_rng(steps).integers(0, 4, (300, steps)).astype(float)
    expected = np.zeros(profiles.shape, dtype=bool)
    for row, profile in enumerate(profiles):
        expected[row, find_peaks(profile, prominence=prominence)[0]] = True
    np.testing.assert_array_equal(find_peak_matrix(profiles, prominence), expected)


def test_widening_marks_one_step_on_each_side_and_not_round_midnight():
    assert widen(binary("^....", "..^..", "....^")).tolist() == binary("^^...", ".^^^.", "...^^").tolist()


def test_widening_leaves_its_input_as_it_was():
    narrow = binary("..^..")
    widen(narrow)
    assert narrow.tolist() == binary("..^..").tolist()


# --- single scores, by hand


def test_match_score_is_the_share_of_a_profiles_peaks_its_representative_has():
    p = binary(".^.^.", ".^...", ".....", ".....")
    c = binary(".^...", "...^.", ".^...", ".....")
    # 1/2, 0/1, p none: 0, both none: 1
    assert match_score(p, c) == pytest.approx((0.5 + 0 + 0 + 1) / 4)


def test_detection_leaves_profiles_without_peaks_out_of_the_mean():
    p = binary(".^.^.", "..^..", ".....")
    c = binary(".^...", "..^..", ".^...")
    assert detection_score(p, c) == pytest.approx((1 / 2 + 1 / 1) / 2)


def test_relaxed_detection_takes_a_peak_one_step_off_but_not_two():
    assert detection_score(binary(".^...."), binary("..^..."), relaxed=True) == 1.0
    assert detection_score(binary(".^...."), binary("...^.."), relaxed=True) == 0.0


def test_overdetection_is_the_share_of_representative_peaks_the_profile_has_not():
    p = binary(".^...", "...^.", ".^...")
    c = binary(".^.^.", ".^...", ".....")
    # (2 - 1) / 2, (1 - 0) / 1, c none: left out
    assert overdetection_score(p, c) == pytest.approx((1 / 2 + 1) / 2)


def test_relaxed_overdetection_is_zero_not_negative_where_one_representative_peak_covers_two():
    p, c = binary(".^.^."), binary("..^..")
    assert (c.sum() - (p & widen(c)).sum()) / c.sum() == -1.0  # the formula of the earlier code
    assert overdetection_score(p, c, relaxed=True) == 0.0


def test_relaxed_overdetection_counts_each_uncovered_representative_peak():
    # of c's three peaks only the first lies within one step of a peak of p: (3 - 1) / 3
    assert overdetection_score(binary("..^......"), binary(".^..^..^."), relaxed=True) == pytest.approx(2 / 3)


def test_performance_divides_by_the_larger_number_of_peaks():
    p = binary(".^.^.", ".^...", ".....", ".....")
    c = binary(".^...", ".^.^.", ".^...", ".....")
    # 1/max(2, 1), 1/max(1, 2), 0/max(0, 1), both none: 1
    assert performance_score(p, c) == pytest.approx((0.5 + 0.5 + 0 + 1) / 4)


def test_relaxed_performance_divides_by_the_peaks_before_widening():
    # p·widen(c) = 1, |p| = 1, |c| = 2 (6 once widened)
    assert performance_score(binary(".^......"), binary("..^..^.."), relaxed=True) == pytest.approx(1 / 2)


def test_distinctiveness_takes_the_least_of_three_shifts():
    # shifted by one the two agree; unshifted 2 of 5 steps differ
    assert distinctiveness(binary(".^...", "..^..")) == 0.0
    # two steps apart no shift helps: 2 of 6 steps differ
    assert distinctiveness(binary(".^....", "...^..")) == pytest.approx(2 / 6)


def test_distinctiveness_is_the_mean_over_pairs_of_clusters():
    # pairs (0, 1) and (0, 2) differ in 1 of 5 steps, pair (1, 2) in none after a shift
    assert distinctiveness(binary(".....", ".^...", "..^..")) == pytest.approx((1 / 5 + 1 / 5 + 0) / 3)


def test_distinctiveness_of_one_cluster_is_zero():
    assert distinctiveness(binary("..^..")) == 0.0


# --- all scores of a clustering


def test_scores_without_any_peak_are_the_defined_ones():
    flat = np.full((4, 24), 0.2)
    assert peak_scores(flat, [0, 0, 1, 1], flat[:2]) == {
        "Peak Match Score": 1.0,
        "Pr Peak Detection": 0.0,
        "Pr Peak Overdetection": 0.0,
        "Pr Peak Performance": 1.0,
        "Rel Pr P Performance": 1.0,
        "Rel Pr P Detection": 0.0,
        "Rel Pr P Overdetection": 0.0,
        "Peak Distinctiveness": 0.0,
    }


def test_profiles_that_are_their_representatives_score_perfectly():
    profile = l2(np.array([[0.1, 1, 0.1, 0.1, 0.1, 1, 0.1, 0.1], [0.1, 0.1, 0.1, 1, 0.1, 0.1, 0.1, 0.1]]))
    scores = peak_scores(profile, [0, 1], profile)
    assert {name: scores[name] for name in scores if name != "Peak Distinctiveness"} == {
        "Peak Match Score": 1.0,
        "Pr Peak Detection": 1.0,
        "Pr Peak Overdetection": 0.0,
        "Pr Peak Performance": 1.0,
        "Rel Pr P Performance": 1.0,
        "Rel Pr P Detection": 1.0,
        "Rel Pr P Overdetection": 0.0,
    }
    # peaks {1, 5} against {3}, {2} or {4}: 3 of 8 steps differ under every shift
    assert scores["Peak Distinctiveness"] == pytest.approx(3 / 8)


def test_match_score_sees_small_peaks_that_the_prominent_scores_do_not():
    ripple = np.array([[0.20, 0.25, 0.20, 0.20], [0.20, 0.25, 0.20, 0.20]])
    scores = peak_scores(ripple, [0, 0], [[0.2, 0.2, 0.25, 0.2]])
    assert scores["Peak Match Score"] == 0.0  # the ripples are one step off
    assert scores["Pr Peak Performance"] == 1.0  # none of them is prominent
    assert peak_scores(ripple, [0, 0], [[0.2, 0.2, 0.25, 0.2]], prominence=0.04)["Pr Peak Performance"] == 0.0


def test_representatives_without_members_are_ignored():
    profiles, labels, representatives = random_clustering(1)
    strange = np.zeros((1, 24))
    strange[0, 7] = 1.0
    with_empty = np.vstack([representatives[:2], strange, representatives[2:]])
    moved = np.where(labels >= 2, labels + 1, labels)
    assert peak_scores(profiles, moved, with_empty) == peak_scores(profiles, labels, representatives)


def test_profiles_in_no_cluster_count_in_no_score():
    profiles, labels, representatives = random_clustering(2)
    noise = np.arange(len(profiles)) % 5 == 4
    assert peak_scores(profiles, np.where(noise, -1, labels), representatives) == peak_scores(
        profiles[~noise], labels[~noise], representatives
    )


def naive_line(p, c, kind):
    """One profile's score by loops over sets of peak positions; None: left out of the mean."""
    near_c = {step + shift for step in c for shift in (-1, 0, 1)}
    near_p = {step + shift for step in p for shift in (-1, 0, 1)}
    if kind == "match":
        return len(p & c) / len(p) if p else float(not c)
    if kind == "detection":
        return len(p & c) / len(p) if p else None
    if kind == "relaxed detection":
        return len(p & near_c) / len(p) if p else None
    if kind == "overdetection":
        return (len(c) - len(p & c)) / len(c) if c else None
    if kind == "relaxed overdetection":
        return (len(c) - len(c & near_p)) / len(c) if c else None
    shared = p & (near_c if kind == "relaxed performance" else c)
    return len(shared) / max(len(p), len(c)) if p or c else 1.0


def naive_scores(profiles, labels, representatives):
    kinds = {
        "Peak Match Score": ("match", None),
        "Pr Peak Detection": ("detection", 0.2),
        "Pr Peak Overdetection": ("overdetection", 0.2),
        "Pr Peak Performance": ("performance", 0.2),
        "Rel Pr P Performance": ("relaxed performance", 0.2),
        "Rel Pr P Detection": ("relaxed detection", 0.2),
        "Rel Pr P Overdetection": ("relaxed overdetection", 0.2),
    }
    scores = {}
    for name, (kind, prominence) in kinds.items():
        lines = []
        for profile, label in zip(profiles, labels, strict=True):
            p = set(find_peaks(profile, prominence=prominence)[0].tolist())
            c = set(find_peaks(representatives[label], prominence=prominence)[0].tolist())
            lines.append(naive_line(p, c, kind))
        kept = [line for line in lines if line is not None]
        scores[name] = sum(kept) / len(kept) if kept else 0.0
    scores["Peak Distinctiveness"] = naive_distinctiveness(representatives)
    return scores


def naive_distinctiveness(representatives):
    rows = np.zeros(representatives.shape, dtype=bool)
    for row, representative in enumerate(representatives):
        rows[row, find_peaks(representative, prominence=0.2)[0]] = True
    distances = [
        min(hamming(np.roll(rows[i], shift), rows[j]) for shift in (-1, 0, 1))
        for i in range(len(rows))
        for j in range(i)
    ]
    return sum(distances) / len(distances) if distances else 0.0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("steps", [24, 48, 96])
def test_scores_equal_a_naive_loop(seed, steps):
    clustering = random_clustering(seed, steps=steps)
    expected = naive_scores(*clustering)
    assert peak_scores(*clustering) == pytest.approx(expected)
    # the sample must tell the strict scores from the relaxed ones, or the comparison would say little
    assert expected["Rel Pr P Detection"] > expected["Pr Peak Detection"] > 0


clusterings = st.builds(
    random_clustering,
    seed=st.integers(0, 2**32 - 1),
    n_profiles=st.integers(6, 40),
    steps=st.sampled_from([24, 48, 96]),
    k=st.integers(1, 6),
)


@given(clusterings)
def test_every_score_lies_between_zero_and_one(clustering):
    scores = peak_scores(*clustering)
    assert set(scores) == set(peaks.PEAK_DIRECTIONS)
    assert all(0 <= score <= 1 for score in scores.values())


@given(clusterings)
def test_relaxing_never_worsens_a_score(clustering):
    scores = peak_scores(*clustering)
    assert scores["Rel Pr P Detection"] >= scores["Pr Peak Detection"]
    assert scores["Rel Pr P Performance"] >= scores["Pr Peak Performance"]
    assert 0 <= scores["Rel Pr P Overdetection"] <= scores["Pr Peak Overdetection"]


@given(clusterings, st.randoms(use_true_random=False))
def test_scores_do_not_depend_on_how_clusters_are_numbered(clustering, random):
    profiles, labels, representatives = clustering
    order = list(range(len(representatives)))
    random.shuffle(order)
    renumbered = np.argsort(order)[labels]
    assert peak_scores(profiles, renumbered, representatives[order]) == pytest.approx(
        peak_scores(profiles, labels, representatives)
    )


# --- what is refused


def test_nan_in_profiles_is_refused_with_the_number_of_rows():
    profiles, labels, representatives = random_clustering(0)
    profiles[[3, 5], 7] = np.nan
    with pytest.raises(ParameterError, match="2 of 60 rows"):
        peak_scores(profiles, labels, representatives)


def test_nan_in_representatives_is_refused():
    profiles, labels, representatives = random_clustering(0)
    representatives[1, 1] = np.nan
    with pytest.raises(ParameterError, match="representatives have NaN"):
        peak_scores(profiles, labels, representatives)


@pytest.mark.parametrize(
    ("profiles", "labels", "representatives", "message"),
    [
        (np.ones((2, 3)), [0, 2], np.ones((2, 3)), "2 representatives"),
        (np.ones((2, 3)), [-2, 0], np.ones((2, 3)), "-1 for none, not -2"),
        (np.ones((2, 3)), [-1, -1], np.ones((2, 3)), "labels hold 0 clusters"),
        (np.ones((2, 3)), [0, 1, 1], np.ones((2, 3)), r"shape \(2,\), not \(3,\)"),
        (np.ones((2, 3)), [0.0, 1.0], np.ones((2, 3)), "integers"),
        (np.ones((2, 3)), [0, 1], np.ones((2, 4)), "4 steps a day but profiles have 3"),
        (np.ones(3), [0], np.ones((1, 3)), "profiles must have shape"),
        (np.ones((0, 3)), [], np.ones((1, 3)), "profiles must have shape"),
        ([["a", "b"]], [0], np.ones((1, 2)), "numbers"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(profiles, labels, representatives, message):
    with pytest.raises(ParameterError, match=message):
        peak_scores(profiles, labels, representatives)
