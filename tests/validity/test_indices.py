import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist, squareform
from sklearn.metrics import calinski_harabasz_score, davies_bouldin_score, silhouette_samples, silhouette_score

from loadprofiles import validity
from loadprofiles.distances.kernels import pairwise
from loadprofiles.errors import ParameterError
from loadprofiles.validity import dunn_precomputed, indices, judge, n_clusters_of, validity_scores

# Two clusters of two profiles of two steps; with L = 2, d² is half the squared Euclidean distance.
#   X0 = {(0, 0), (0, 2)}, X1 = {(6, 0), (6, 2)}, centroids (0, 1), (6, 1), mean of all (3, 1)
#   each profile to its centroid: d² = 1/2;  centroid to centroid: d² = 36/2 = 18
PROFILES = np.array([[0.0, 0.0], [0.0, 2.0], [6.0, 0.0], [6.0, 2.0]])
LABELS = np.array([0, 0, 1, 1])
CENTROIDS = np.array([[0.0, 1.0], [6.0, 1.0]])
BY_REPRESENTATIVE = [
    validity.mia,
    validity.cdi,
    validity.scatter_index,
    validity.wcbcr,
    validity.mdi,
    validity.smi,
]
BY_PARTITION = [
    validity.davies_bouldin,
    validity.calinski_harabasz,
    validity.silhouette,
    validity.dunn,
]


def random_clustering(seed, n_profiles=50, steps=24, k=4):
    """l2-normalised profiles round k shapes, their true labels and cluster means."""
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(k), rng.integers(0, k, n_profiles - k)])
    profiles = rng.random((k, steps))[labels] + 0.3 * rng.random((n_profiles, steps))
    profiles /= np.linalg.norm(profiles, axis=1, keepdims=True)
    return profiles, labels, np.array([profiles[labels == j].mean(axis=0) for j in range(k)])


# --- the load-profiling family, by hand


def test_mia_is_the_root_of_the_mean_squared_distance_to_the_representatives():
    # d²(r, X) = 1/2 for both clusters: sqrt((1/2 + 1/2) / 2)
    assert validity.mia(PROFILES, LABELS, CENTROIDS) == pytest.approx(math.sqrt(0.5))


def test_mia_weighs_clusters_not_profiles():
    # X0 at distance 0 of its representative (3 profiles), X1 at d² = (2² + 0²)/2 = 2 (1 profile)
    profiles = [[0, 0], [0, 0], [0, 0], [7, 0]]
    assert validity.mia(profiles, [0, 0, 0, 1], [[0, 0], [5, 0]]) == pytest.approx(math.sqrt((0 + 2) / 2))


def test_cdi_is_intraset_distance_over_that_of_the_representatives():
    # d̂²(X) = 1/2 for both; d̂²(R) = mean of d²((0,1),(3,1)) and d²((6,1),(3,1)) = 9/2
    assert validity.cdi(PROFILES, LABELS, CENTROIDS) == pytest.approx(math.sqrt(0.5 / 4.5))


def test_scatter_index_is_total_scatter_over_that_of_the_representatives():
    # profiles to (3, 1): d² = (9 + 1)/2 = 5 each, 20 in all; representatives: 9/2 each, 9 in all
    assert validity.scatter_index(PROFILES, LABELS, CENTROIDS) == pytest.approx(20 / 9)


def test_wcbcr_is_within_over_between_sums_of_squares():
    # within: 4 · 1/2 = 2; between: one pair, 18
    assert validity.wcbcr(PROFILES, LABELS, CENTROIDS) == pytest.approx(2 / 18)


def test_mdi_is_the_widest_cluster_over_the_nearest_pair():
    # widest d̂ = sqrt(1/2), nearest pair sqrt(18)
    assert validity.mdi(PROFILES, LABELS, CENTROIDS) == pytest.approx(math.sqrt(0.5 / 18))


def test_mdi_and_cdi_measure_width_round_the_mean_whatever_the_representative():
    medoids = PROFILES[[0, 2]]  # (0, 0) and (6, 0), as far apart as the centroids
    assert validity.mdi(PROFILES, LABELS, medoids) == pytest.approx(math.sqrt(0.5 / 18))
    assert validity.cdi(PROFILES, LABELS, medoids) == pytest.approx(math.sqrt(0.5 / 4.5))
    # while MIA is to the medoid: d² = 0 and 4/2 in each cluster, mean 1
    assert validity.mia(PROFILES, LABELS, medoids) == pytest.approx(1.0)


def test_smi_is_that_of_the_nearest_representatives():
    # distances e⁻¹, e⁻³ and their difference; L = 1 makes d = |difference|
    representatives = [[0.0], [math.exp(-3)], [math.exp(-1)]]
    # nearest: e⁻³ -> 1 / (1 - 1/(-3)) = 3/4
    assert validity.smi([[0.0], [0.1], [0.2]], [0, 1, 2], representatives) == pytest.approx(3 / 4)


@pytest.mark.parametrize("steps", [24, 48, 96])
def test_the_family_equals_its_definitions_in_loops(steps):
    profiles, labels, representatives = random_clustering(steps, steps=steps)
    k = len(representatives)

    def d2(a, b):
        return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) / len(a)

    def intraset2(rows):  # d̂² = 1/(2n) Σ_x d²(x, X), d²(x, X) = 1/n Σ_y d²(x, y)
        return sum(sum(d2(x, y) for y in rows) / len(rows) for x in rows) / (2 * len(rows))

    clusters = [profiles[labels == j] for j in range(k)]
    to_own = [[d2(x, representatives[j]) for x in clusters[j]] for j in range(k)]
    pairs = [d2(representatives[i], representatives[j]) for i in range(k) for j in range(i)]
    pooled = profiles.mean(axis=0)
    expected = {
        "MIA": math.sqrt(sum(sum(row) / len(row) for row in to_own) / k),
        "CDI": math.sqrt(sum(map(intraset2, clusters)) / k / intraset2(representatives)),
        "SI": sum(d2(x, pooled) for x in profiles) / sum(d2(r, pooled) for r in representatives),
        "WCBCR": sum(map(sum, to_own)) / sum(pairs),
        "MDI": math.sqrt(max(map(intraset2, clusters)) / min(pairs)),
        "SMI": max(1 / (1 - 1 / math.log(math.sqrt(d))) for d in pairs),
    }
    scores = validity_scores(profiles, labels, representatives)
    assert {name: scores[name] for name in expected} == pytest.approx(expected)


# --- the general indices


@pytest.mark.parametrize("seed", range(3))
def test_general_indices_are_scikit_learns(seed):
    profiles, labels, _ = random_clustering(seed)
    assert validity.davies_bouldin(profiles, labels) == pytest.approx(davies_bouldin_score(profiles, labels))
    assert validity.silhouette(profiles, labels) == pytest.approx(silhouette_score(profiles, labels))
    assert validity.calinski_harabasz(profiles, labels) == pytest.approx(calinski_harabasz_score(profiles, labels))


def test_davies_bouldin_is_the_mean_of_the_worst_ratios_of_widths_to_gaps():
    # mean distance to the centroid 1 in both clusters, centroids 6 apart: (1 + 1) / 6 for each
    assert validity.davies_bouldin(PROFILES, LABELS) == pytest.approx(1 / 3)


def test_calinski_harabasz_is_the_ratio_of_the_variances_between_and_within():
    # between: 4 profiles whose centroids are 3 from the mean, 36 over k - 1 = 1; within: 4 · 1² over n - k = 2
    assert validity.calinski_harabasz(PROFILES, LABELS) == pytest.approx((36 / 1) / (4 / 2))


def test_silhouette_by_hand():
    # each profile: a = 2 to the other of its cluster, b = the mean of 6 and sqrt(6² + 2²)
    assert validity.silhouette(PROFILES, LABELS) == pytest.approx(1 - 2 / ((6 + math.sqrt(40)) / 2))


def test_silhouette_on_a_float32_matrix_is_that_of_its_distances():
    profiles, labels, _ = random_clustering(0)
    distances = cdist(profiles, profiles).astype(np.float32)
    assert validity.silhouette_precomputed(distances, labels) == pytest.approx(
        silhouette_score(profiles, labels), abs=1e-6
    )


def test_silhouette_of_given_distances_by_hand():
    # cluster {0, 1} with distance 1, both 4 from profile 2, which is alone and counts 0
    distances = np.array([[0, 1, 4], [1, 0, 4], [4, 4, 0]], dtype=np.float32)
    # (4 - 1) / 4 for each of the first two
    assert validity.silhouette_precomputed(distances, [0, 0, 1]) == pytest.approx((0.75 + 0.75 + 0) / 3)


def test_dunn_is_the_narrowest_gap_over_the_widest_cluster():
    # gap (0, 0)-(6, 0) = 6, both diameters 2
    assert validity.dunn(PROFILES, LABELS) == pytest.approx(6 / 2)


def test_extremes_in_blocks_equal_those_at_once(monkeypatch):
    profiles, labels, _ = random_clustering(0)
    distances = cdist(profiles, profiles)
    same = labels[:, None] == labels
    expected = distances[~same].min(), distances[same].max()
    assert np.sqrt(indices._extremes(profiles, labels)) == pytest.approx(expected)
    monkeypatch.setattr(indices, "_BLOCK_ELEMENTS", 7 * len(profiles))
    assert np.sqrt(indices._extremes(profiles, labels)) == pytest.approx(expected)
    assert validity.dunn(profiles, labels) == pytest.approx(expected[0] / expected[1])


@pytest.mark.parametrize("unit", [1e-20, 1.0, 1e20])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_float32_distances_tell_apart_profiles_of_any_unit_and_level(unit, offset):
    profiles, labels, _ = random_clustering(5)
    moved = (profiles + offset) * unit
    assert validity.silhouette(moved, labels) == pytest.approx(silhouette_score(profiles, labels), abs=1e-6)
    assert validity.dunn(moved, labels) == pytest.approx(validity.dunn(profiles, labels), rel=1e-9)


def test_dunn_is_exact_where_float32_cannot_tell_the_nearest_pairs_apart():
    rng = np.random.default_rng(0)
    profiles, labels, representatives = random_clustering(1, n_profiles=60)
    # each profile of cluster 0 gets a twin in cluster 1, so near that rounding to float32 turns their order about
    near = profiles[labels == 0]
    aside = rng.standard_normal(near.shape)
    aside /= np.linalg.norm(aside, axis=1, keepdims=True)
    twins = near + 1e-6 * (1 + 0.01 * rng.random((len(near), 1))) * aside
    profiles, labels = np.vstack([profiles, twins]), np.r_[labels, np.ones(len(twins), dtype=int)]
    distances = cdist(profiles, profiles)
    same = labels[:, None] == labels
    expected = distances[~same].min() / distances[same].max()
    assert validity.dunn(profiles, labels) == pytest.approx(expected, rel=1e-9)
    matrix = squareform(pairwise(profiles, 0))
    assert dunn_precomputed(matrix, labels) != pytest.approx(expected, rel=1e-2)
    scores = validity_scores(profiles, labels, representatives, euclidean_matrix=matrix)
    assert scores["Dunn"] == pytest.approx(expected, rel=1e-9)


# --- degenerate clusterings


def test_clusters_that_share_a_profile_have_dunn_zero():
    assert validity.dunn([[0, 1], [0, 3], [0, 1], [0, 5]], [0, 0, 1, 1]) == 0.0


def test_clusters_of_equal_profiles_have_no_dunn_and_no_variance_ratio_but_a_perfect_davies_bouldin():
    profiles = np.repeat([[0.1, 0.2, 0.7], [0.7, 0.2, 0.1]], 3, axis=0)
    labels = [0, 0, 0, 1, 1, 1]
    assert math.isnan(validity.dunn(profiles, labels))
    assert math.isnan(validity.calinski_harabasz(profiles, labels))
    assert validity.davies_bouldin(profiles, labels) == 0.0
    assert validity.silhouette(profiles, labels) == pytest.approx(1.0)


@pytest.mark.parametrize("index", BY_PARTITION)
def test_single_profiles_as_clusters_leave_the_partition_indices_undefined(index):
    assert math.isnan(index(PROFILES, [0, 1, 2, 3]))


def test_single_profiles_as_clusters_leave_the_matrix_silhouette_undefined():
    assert math.isnan(validity.silhouette_precomputed(cdist(PROFILES, PROFILES), [0, 1, 2, 3]))


def test_davies_bouldin_is_undefined_where_two_centroids_coincide():
    # both means are (1, 1); scikit-learn calls this a perfect 0.0
    profiles, labels = [[0, 0], [2, 2], [0, 2], [2, 0]], [0, 0, 1, 1]
    assert davies_bouldin_score(profiles, labels) == 0.0
    assert math.isnan(validity.davies_bouldin(profiles, labels))


@pytest.mark.parametrize("index", [validity.cdi, validity.wcbcr, validity.mdi])
def test_coincident_representatives_leave_ratios_over_their_distance_undefined(index):
    assert math.isnan(index(PROFILES, LABELS, [[3.3, 0.1], [3.3, 0.1]]))


def test_two_coincident_representatives_of_three_leave_mdi_undefined_and_cdi_defined():
    representatives = [[0, 1], [0, 1], [6, 1]]
    assert math.isnan(validity.mdi(PROFILES, [0, 1, 2, 2], representatives))
    # d̂²: singles 0, the third 1/2, mean 1/6; representatives round (2, 1): (2 + 2 + 8)/3 = 4
    assert validity.cdi(PROFILES, [0, 1, 2, 2], representatives) == pytest.approx(math.sqrt((1 / 6) / 4))


def test_scatter_index_is_undefined_where_all_representatives_are_the_mean_of_all():
    third = np.array([[0.1, 0.7], [0.3, 0.1], [0.2, 0.2]])
    mean = third.mean(axis=0)
    assert math.isnan(validity.scatter_index(third, [0, 0, 1], [mean * (1 + 1e-15), mean]))


def test_smi_of_coincident_representatives_is_its_limit_one():
    assert validity.smi(PROFILES, LABELS, [[0.5, 0.5], [0.5, 0.5]]) == 1.0


def test_smi_is_undefined_where_representatives_are_not_closer_than_one():
    assert validity.smi(PROFILES, LABELS, [[0.0, 0.0], [0.99, 0.99]]) < 0.01
    assert math.isnan(validity.smi(PROFILES, LABELS, [[0.0, 0.0], [1.0, 1.0]]))


def test_undefined_metrics_are_left_out_of_the_scores():
    same = np.full((4, 24), 0.2)
    assert set(validity_scores(same, LABELS, same[:2])) == set(validity.PEAK_DIRECTIONS) | {
        "Silhouette Score",
        "MIA",
        "SMI",
    }


def test_a_cluster_of_one_profile_leaves_every_score_defined():
    profiles, _, _ = random_clustering(3)
    labels = np.r_[0, np.ones(len(profiles) - 1, dtype=int)]
    representatives = np.array([profiles[0], profiles[1:].mean(axis=0)])
    assert set(validity_scores(profiles, labels, representatives)) == set(validity.DIRECTIONS) - {"Silhouette DTW"}


# --- all scores of a clustering


def test_all_scores_have_a_direction_and_come_in_its_order():
    profiles, labels, representatives = random_clustering(0)
    distances = cdist(profiles, profiles).astype(np.float32)
    scores = validity_scores(profiles, labels, representatives, dtw_matrix=distances)
    assert list(scores) == list(validity.DIRECTIONS)
    assert all(type(score) is float for score in scores.values())


def test_silhouette_dtw_is_there_only_with_a_matrix():
    assert "Silhouette DTW" not in validity_scores(*random_clustering(0))


def test_directions_prefer_the_true_labels_to_shuffled_ones():
    profiles, labels, representatives = random_clustering(2, n_profiles=80)
    rng = np.random.default_rng(0)
    wrong = rng.permutation(labels)
    means = np.array([profiles[wrong == j].mean(axis=0) for j in range(4)])
    distances = cdist(profiles, profiles).astype(np.float32)
    true_scores = validity_scores(profiles, labels, representatives, distances)
    wrong_scores = validity_scores(profiles, wrong, means, distances)
    # the peak scores reward shared peaks, not compactness, and are judged in their own tests
    compact = set(validity.DIRECTIONS) - set(validity.PEAK_DIRECTIONS)
    gains = {name: validity.DIRECTIONS[name] * (true_scores[name] - wrong_scores[name]) for name in compact}
    assert {name for name in gains if gains[name] > 0} == compact


def test_directions_prefer_representatives_that_peak_when_their_profiles_do():
    # half of the profiles peak at step 3 and at 8, half at 14 and at 19; ripples, not prominent, go with them
    steps = np.arange(24)
    early = np.where(np.isin(steps, (3, 8)), 1.0, 0.05) + 0.02 * (steps == 11)
    late = np.where(np.isin(steps, (14, 19)), 1.0, 0.05) + 0.02 * (steps == 6)
    profiles = np.array([early, early, late, late])
    profiles /= np.linalg.norm(profiles, axis=1, keepdims=True)
    good = validity_scores(profiles, [0, 0, 1, 1], profiles[[0, 2]])
    # the second cluster is represented by a profile that is like the first's
    bad = validity_scores(profiles, [0, 0, 1, 1], profiles[[0, 1]])
    gains = {name: validity.PEAK_DIRECTIONS[name] * (good[name] - bad[name]) for name in validity.PEAK_DIRECTIONS}
    assert {name for name in gains if gains[name] > 0} == set(validity.PEAK_DIRECTIONS)


def test_a_euclidean_matrix_gives_the_scores_of_the_profiles():
    profiles, labels, representatives = random_clustering(4)
    matrix = squareform(pairwise(profiles, 0))
    given_matrix = validity_scores(profiles, labels, representatives, matrix, matrix, threads=2)
    assert given_matrix == pytest.approx(validity_scores(profiles, labels, representatives, matrix), rel=1e-6)
    assert given_matrix["Silhouette Score"] == given_matrix["Silhouette DTW"]
    assert given_matrix == validity_scores(profiles, labels, representatives, matrix, matrix, checked=True)


def test_any_number_of_threads_gives_the_same_bits():
    clustering = random_clustering(6, n_profiles=300)
    matrix = squareform(pairwise(clustering[0]))
    scores = [validity_scores(*clustering, dtw_matrix=matrix, threads=threads) for threads in (1, 2, 5)]
    assert scores[1:] == scores[:1] * 2


def test_judge_gives_the_scores_and_the_silhouettes_they_are_the_means_of():
    clustering = random_clustering(4)
    matrix = squareform(pairwise(clustering[0]))
    found = judge(*clustering, dtw_matrix=matrix)
    assert found.scores == validity_scores(*clustering, dtw_matrix=matrix)
    assert list(found.silhouettes) == ["Euclidean", "DTW"]
    expected = silhouette_samples(matrix.astype(float), clustering[1], metric="precomputed")
    assert found.silhouettes["DTW"] == pytest.approx(expected)
    assert found.silhouettes["Euclidean"] == pytest.approx(silhouette_samples(*clustering[:2]), abs=1e-6)
    assert found.scores["Silhouette Score"] == pytest.approx(found.silhouettes["Euclidean"].mean())
    assert list(judge(*clustering).silhouettes) == ["Euclidean"]


@pytest.mark.parametrize("with_matrix", [False, True])
def test_profiles_in_no_cluster_are_left_out_of_all_indices(with_matrix):
    profiles, labels, representatives = random_clustering(4, n_profiles=80)
    noise = np.random.default_rng(1).random(80) < 0.3
    noise[:4] = [True, False, False, False]

    def found(kept, numbers):
        matrix = squareform(pairwise(profiles[kept]))
        euclidean = squareform(pairwise(profiles[kept], 0)) if with_matrix else None
        return judge(profiles[kept], numbers, representatives, matrix, euclidean)

    without = found(~noise, labels[~noise])
    with_noise = found(np.ones(80, dtype=bool), np.where(noise, -1, labels))
    assert with_noise.scores == pytest.approx(without.scores, rel=1e-6)
    for name, samples in with_noise.silhouettes.items():
        assert np.isnan(samples).tolist() == noise.tolist()
        assert samples[~noise] == pytest.approx(without.silhouettes[name], abs=1e-6)


def test_a_sample_is_of_profiles_in_clusters_and_silhouettes_are_of_the_sample_only():
    profiles, labels, representatives = random_clustering(0, n_profiles=200)
    labels = np.where(np.arange(200) % 4 == 3, -1, labels)
    matrix = squareform(pairwise(profiles, 0))
    found = judge(profiles, labels, representatives, matrix, matrix, max_silhouette_profiles=50)
    drawn = ~np.isnan(found.silhouettes["Euclidean"])
    assert drawn.sum() == 50
    assert (labels[drawn] >= 0).all()
    expected = silhouette_samples(profiles[drawn], labels[drawn])
    assert found.silhouettes["Euclidean"][drawn] == pytest.approx(expected, abs=1e-6)
    assert np.array_equal(found.silhouettes["DTW"], found.silhouettes["Euclidean"], equal_nan=True)
    assert found.scores["Silhouette Score"] == pytest.approx(expected.mean(), abs=1e-6)


@pytest.mark.parametrize(("labels", "count"), [([0, 1, 1, 7], 3), ([-1, -1], 0), ([-1, 3], 1), ([], 0)])
def test_clusters_are_counted_without_the_profiles_in_none(labels, count):
    assert n_clusters_of(labels) == count


def test_beyond_the_limit_the_quadratic_indices_use_a_seeded_sample():
    profiles, labels, representatives = random_clustering(0, n_profiles=200)
    distances = cdist(profiles, profiles).astype(np.float32)

    def scores(**options):
        return validity_scores(profiles, labels, representatives, distances, **options)

    full, sampled = scores(), scores(max_silhouette_profiles=50)
    assert sampled == scores(max_silhouette_profiles=50, seed=0)
    assert sampled["Silhouette Score"] != scores(max_silhouette_profiles=50, seed=1)["Silhouette Score"]
    assert sampled["Silhouette Score"] == pytest.approx(full["Silhouette Score"], abs=0.1)
    # the matrix is Euclidean here, so equality shows that its rows are those of the sampled profiles
    assert sampled["Silhouette DTW"] == pytest.approx(sampled["Silhouette Score"], abs=1e-5)
    assert sampled["Dunn"] >= full["Dunn"]
    changed = {name for name in full if sampled[name] != full[name]}
    assert changed <= {"Silhouette Score", "Silhouette DTW", "Dunn"}


def test_a_sample_of_one_cluster_leaves_its_scores_out():
    profiles = np.vstack([np.zeros((200, 3)), np.ones((1, 3))])
    labels = np.r_[np.zeros(200, dtype=int), 1]
    scores = validity_scores(profiles, labels, profiles[[0, -1]], max_silhouette_profiles=2)
    assert not {"Silhouette Score", "Dunn"} & set(scores)
    assert scores["DB Index"] == 0.0


def test_clusters_without_members_do_not_count():
    profiles, labels, representatives = random_clustering(0)
    with_empty = np.vstack([representatives[:2], np.full((1, 24), 9.0), representatives[2:]])
    moved = np.where(labels >= 2, labels + 1, labels)
    assert validity_scores(profiles, moved, with_empty) == validity_scores(profiles, labels, representatives)


clusterings = st.builds(
    random_clustering,
    seed=st.integers(0, 2**32 - 1),
    n_profiles=st.integers(8, 30),
    steps=st.sampled_from([24, 48, 96]),
    k=st.integers(2, 6),
)


@given(clusterings, st.randoms(use_true_random=False))
def test_scores_do_not_depend_on_how_clusters_are_numbered(clustering, random):
    profiles, labels, representatives = clustering
    order = list(range(len(representatives)))
    random.shuffle(order)
    renumbered = np.argsort(order)[labels]
    assert validity_scores(profiles, renumbered, representatives[order]) == pytest.approx(
        validity_scores(profiles, labels, representatives)
    )


@given(clusterings, st.integers(1, 8))
def test_scores_of_few_levels_and_many_duplicates_are_finite_and_in_range(clustering, levels):
    profiles, labels, representatives = clustering
    coarse, centres = np.round(profiles * levels) / levels, np.round(representatives * levels) / levels
    scores = validity_scores(coarse, labels, centres)
    assert all(math.isfinite(score) for score in scores.values())
    assert -1 <= scores["Silhouette Score"] <= 1
    assert all(scores[name] >= 0 for name in scores if name != "Silhouette Score")


@given(clusterings, st.floats(0.1, 0.9))
def test_ratio_indices_do_not_depend_on_the_unit(clustering, factor):
    profiles, labels, representatives = clustering
    scores = validity_scores(profiles, labels, representatives)
    scaled = validity_scores(profiles * factor, labels, representatives * factor)
    for name in ("DB Index", "Silhouette Score", "Calinski-Harabasz", "Dunn", "CDI", "SI", "WCBCR", "MDI"):
        assert scaled[name] == pytest.approx(scores[name]), name
    assert scaled["MIA"] == pytest.approx(factor * scores["MIA"])


def naive_dunn(profiles, labels):
    kept = labels >= 0
    distances, same = cdist(profiles[kept], profiles[kept]), labels[kept][:, None] == labels[kept]
    return distances[~same].min() / distances[same].max() if distances[same].max() > 0 else None


def check_against_scikit_learn(profiles, labels, scores):
    """What scikit-learn has, or that the score is left out where it divides by zero or refuses."""
    kept = labels >= 0
    profiles, labels = profiles[kept], labels[kept]
    k = np.unique(labels).size
    oracles = {
        "Silhouette Score": silhouette_score,
        "DB Index": davies_bouldin_score,
        "Calinski-Harabasz": calinski_harabasz_score,
    }
    if k == len(labels):
        assert not set(oracles) & set(scores)
        return
    means = np.array([profiles[labels == label].mean(axis=0) for label in np.unique(labels)])
    spread = any(len(np.unique(profiles[labels == label], axis=0)) > 1 for label in np.unique(labels))
    defined = {"Silhouette Score": True, "DB Index": pdist(means).min() > 1e-8, "Calinski-Harabasz": spread}
    for name, oracle in oracles.items():
        if defined[name]:
            assert scores[name] == pytest.approx(oracle(profiles, labels), rel=1e-6, abs=1e-6), name
        else:
            assert name not in scores


# few levels: days of zeros, duplicates, equal profiles and days without a peak are common
tables = st.integers(3, 5).flatmap(
    lambda steps: st.lists(st.lists(st.integers(0, 2), min_size=steps, max_size=steps), min_size=2, max_size=9)
)


@settings(max_examples=300)
@given(tables, st.data())
def test_no_table_of_profiles_and_no_labels_make_an_index_fail(table, data):
    profiles = np.array(table, dtype=float)
    n_profiles = len(profiles)
    everyone_alone = data.draw(st.booleans())
    numbers = st.lists(st.integers(-1, 3), min_size=n_profiles, max_size=n_profiles)
    labels = np.arange(n_profiles) if everyone_alone else np.array(data.draw(numbers))
    if n_clusters_of(labels) < 2:
        labels[:2] = 0, 1
    rows = st.lists(st.integers(0, n_profiles - 1), min_size=n_profiles + 4, max_size=n_profiles + 4)
    representatives = profiles[data.draw(rows)]
    matrices = (squareform(pairwise(profiles)), squareform(pairwise(profiles, 0)))
    found = judge(profiles, labels, representatives, *(matrices if data.draw(st.booleans()) else ()))
    assert set(found.scores) <= set(validity.DIRECTIONS)
    assert all(math.isfinite(score) for score in found.scores.values())
    assert all(found.scores[name] >= 0 for name in found.scores if not name.startswith("Silhouette"))
    for samples in found.silhouettes.values():
        assert np.array_equal(np.isnan(samples), labels < 0)
        assert (np.abs(samples[labels >= 0]) <= 1).all()
    check_against_scikit_learn(profiles, labels, found.scores)
    assert found.scores.get("Dunn") == pytest.approx(naive_dunn(profiles, labels))


# --- what is refused


def test_a_euclidean_matrix_of_other_profiles_is_refused():
    profiles, labels, representatives = random_clustering(0)
    matrix = squareform(pairwise(profiles, 0))
    with pytest.raises(ParameterError, match=r"shape \(49, 49\) but there are 50 profiles"):
        validity_scores(profiles, labels, representatives, euclidean_matrix=matrix[1:, 1:])
    for other in (matrix[::-1, ::-1], 2 * matrix, squareform(pairwise(profiles))):
        with pytest.raises(ParameterError, match="not of these profiles: 0 and 1 are "):
            validity_scores(profiles, labels, representatives, euclidean_matrix=other, checked=True)


def test_only_noise_and_one_cluster_are_refused():
    with pytest.raises(ParameterError, match="1 cluster where validity needs at least 2"):
        validity_scores(PROFILES, [0, 0, -1, -1], CENTROIDS)


@pytest.mark.parametrize("index", BY_PARTITION)
def test_one_cluster_is_refused_by_the_partition_indices(index):
    with pytest.raises(ParameterError, match="1 cluster where validity needs at least 2"):
        index(PROFILES, [0, 0, 0, 0])


@pytest.mark.parametrize("index", [*BY_REPRESENTATIVE, validity_scores])
def test_one_cluster_is_refused_by_the_representative_indices(index):
    with pytest.raises(ParameterError, match="1 cluster where validity needs at least 2"):
        index(PROFILES, [1, 1, 1, 1], CENTROIDS)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_profiles_that_are_not_finite_are_refused(bad):
    profiles = PROFILES.copy()
    profiles[2, 1] = bad
    for index in BY_PARTITION:
        with pytest.raises(ParameterError, match="1 of 4 rows"):
            index(profiles, LABELS)
    for index in [*BY_REPRESENTATIVE, validity_scores]:
        with pytest.raises(ParameterError, match="1 of 4 rows"):
            index(profiles, LABELS, CENTROIDS)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.zeros((4, 3)), "square"),
        (np.zeros((4, 4), dtype=int), "float"),
        (np.full((4, 4), np.nan), "finite"),
        (np.full((4, 4), np.inf), "finite"),
        (np.full((4, 4), -1.0), "at least 0"),
        (np.ones((4, 4)), "zero diagonal"),
        (np.triu(np.ones((4, 4)), k=1), "one triangle"),
    ],
)
def test_a_matrix_that_is_not_of_distances_is_refused(matrix, message):
    with pytest.raises(ParameterError, match=message):
        validity.silhouette_precomputed(matrix, LABELS)


def test_a_matrix_of_other_profiles_is_refused():
    with pytest.raises(ParameterError, match=r"shape \(3, 3\) but there are 4 profiles"):
        validity_scores(PROFILES, LABELS, CENTROIDS, dtw_matrix=np.zeros((3, 3), dtype=np.float32))


def test_a_sample_of_less_than_two_is_refused():
    with pytest.raises(ParameterError, match="max_silhouette_profiles must be at least 2, not 1"):
        validity_scores(PROFILES, LABELS, CENTROIDS, max_silhouette_profiles=1)
