"""How days are compared with representatives, and how these are kept."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cdist

from loadprofiles import representatives as module
from loadprofiles.distances import cross
from loadprofiles.errors import InputError, ParameterError
from loadprofiles.normalisation import normalise
from loadprofiles.representatives import (
    NO_CLUSTER,
    NO_CLUSTER_NAME,
    RULES,
    Clusters,
    Reference,
    read_clusters,
    z_normalise,
)

EARLY_AND_LATE = np.eye(24)[[6, 20]]


def reference_of(rule, seed=0, k=3, points=24):
    generator = np.random.default_rng(seed)
    rows = generator.random((k, points))
    parts = {
        "shape": {"shapes": z_normalise(rows)},
        "mixture": {"variances": generator.uniform(0.05, 0.2, (k, points)), "weights": np.full(k, 1 / k)},
    }
    return Reference(rule, rows, 1, parts.get(rule, {}))


# ---- assignment ----


def test_each_rule_has_its_own_idea_of_near():
    an_hour_later = np.eye(24)[[7]]
    distances = {
        rule: Reference(rule, EARLY_AND_LATE, 1).distances(an_hour_later)[0].tolist() for rule in ("euclidean", "dtw")
    }
    assert distances["euclidean"] == pytest.approx([2**0.5, 2**0.5])
    assert distances["dtw"] == pytest.approx([0, 2**0.5])


def test_the_radius_counts():
    two_hours_later = np.eye(24)[[8]]
    nearest = [Reference("dtw", EARLY_AND_LATE, radius).assign(two_hours_later)[1][0] for radius in (0, 1, 2, None)]
    assert nearest[0] == pytest.approx(2**0.5)
    assert nearest[1] > 0
    assert nearest[2:] == [0, 0]


@pytest.mark.parametrize(("rule", "radius"), [("euclidean", 1), ("dtw", 1), ("dtw", 3), ("dtw", None)])
def test_the_nearest_representative_has_the_day(rule, radius):
    days = np.random.default_rng(1).random((50, 24))
    reference = Reference(rule, np.random.default_rng(0).random((4, 24)), radius)
    labels, distances = reference.assign(days)
    every = cross(days, reference.representatives, 0 if rule == "euclidean" else radius)
    assert labels.dtype == np.int64
    assert labels.tolist() == every.argmin(axis=1).tolist()
    assert distances == pytest.approx(every.min(axis=1), rel=1e-6)
    assert reference.distances(days) == pytest.approx(every, rel=1e-6)


@given(
    hnp.arrays(np.int64, st.tuples(st.integers(1, 6), st.just(3)), elements=st.integers(0, 2)),
    hnp.arrays(np.int64, st.tuples(st.integers(1, 5), st.just(3)), elements=st.integers(0, 2)),
)
def test_of_equally_near_ones_the_first(days, rows):
    labels, distances = Reference("euclidean", rows.astype(float)).assign(days, threads=1)
    # whole squares are exact in single precision
    squares = cdist(days, rows, "sqeuclidean")
    assert labels.tolist() == squares.argmin(axis=1).tolist()
    assert np.square(distances) == pytest.approx(squares.min(axis=1), abs=1e-5)


def test_a_mixture_weighs_by_spread_and_share():
    parts = {"variances": np.array([[0.01], [4.0]]), "weights": np.array([0.5, 0.5])}
    reference = Reference("mixture", np.array([[0.0], [5.0]]), parts=parts)
    # 1 is nearer to the narrow one's mean, by ten of its deviations
    labels, distances = reference.assign([[0.1], [1.0], [5.0]])
    assert labels.tolist() == [0, 1, 1]
    assert distances == pytest.approx([0.1, 4, 0])
    rare = Reference("mixture", np.array([[0.0], [1.0]]), parts={"variances": np.ones((2, 1)), "weights": [0.9, 0.1]})
    assert rare.assign([[0.6]])[0].tolist() == [0]


def test_a_shape_is_found_at_any_hour_and_scale():
    peak, plateau = np.zeros((2, 24))
    peak[5:8] = [1, 4, 1]
    plateau[10:20] = 2
    rows = np.array([peak, plateau])
    reference = Reference("shape", rows, parts={"shapes": z_normalise(rows)})
    days = np.array([np.roll(9 * peak, 10) + 1, np.roll(plateau, -4), np.roll(peak, -3)])
    assert reference.assign(days)[0].tolist() == [0, 1, 0]
    # flat days have no shape: by Euclidean distance
    labels, distances = reference.assign([np.zeros(24), np.full(24, 2.0)])
    assert labels.tolist() == [0, 1]
    assert distances.tolist() == [1, 1]


def test_what_is_out_of_reach_is_in_no_cluster():
    reference = Reference("euclidean", np.array([[0.0], [10.0]]), parts={"reach": np.array([1.0, 3.0])})
    labels, distances = reference.assign([[1.0], [1.25], [7.0], [6.5], [13.5]])
    assert labels.tolist() == [0, NO_CLUSTER, 1, NO_CLUSTER, NO_CLUSTER]
    assert distances.tolist() == [1, 1.25, 3, 3.5, 3.5]


def test_distances_to_the_own_representative_need_not_be_the_least():
    reference = Reference("euclidean", np.array([[0.0], [10.0]]))
    distances = reference.distances_to([[1.0], [1.0], [8.0]], np.array([0, 1, NO_CLUSTER]))
    assert distances.tolist() == [1, 9, 2]


def test_some_of_the_clusters_keep_their_parts():
    reference = reference_of("mixture", k=4)
    some = reference.take(np.array([2, 0]))
    assert (some.rule, some.radius, some.n_clusters) == ("mixture", 1, 2)
    assert some.representatives.tolist() == reference.representatives[[2, 0]].tolist()
    assert some.parts["variances"].tolist() == reference.parts["variances"][[2, 0]].tolist()
    assert some.parts["weights"].shape == (2,)


@pytest.mark.parametrize("rule", RULES)
class TestBatches:
    def test_a_day_gets_the_same_among_others_alone_and_in_any_thread(self, rule, monkeypatch):
        reference = reference_of(rule)
        days = np.random.default_rng(1).random((50, 24))
        labels, distances = reference.assign(days, threads=1)
        every = reference.distances(days, threads=1)
        monkeypatch.setattr(module, "_BATCH", 7)
        for threads in (1, 2, 3, None):
            again_labels, again_distances = reference.assign(days, threads)
            assert again_labels.tobytes() == labels.tobytes()
            assert again_distances.tobytes() == distances.tobytes()
            assert reference.distances(days, threads).tobytes() == every.tobytes()
        assert [reference.assign(day[np.newaxis])[0][0] for day in days] == labels.tolist()

    def test_a_nan_is_told_by_its_row_among_all(self, rule, monkeypatch):
        monkeypatch.setattr(module, "_BATCH", 7)
        days = np.random.default_rng(1).random((50, 24))
        days[[40, 45], 3] = np.nan
        for method in (reference_of(rule).assign, reference_of(rule).distances):
            for threads in (1, 2):
                with pytest.raises(ParameterError, match="profiles hold 2 NaN values, the first in row 40"):
                    method(days, threads)

    @pytest.mark.parametrize(
        ("days", "message"),
        [
            (np.ones((2, 23)), "profiles have 23 points and representatives 24"),
            (np.ones(24), r"found shape \(24,\)"),
            (np.ones((0, 24)), r"found shape \(0, 24\)"),
            (np.ones((1, 1, 24)), r"found shape \(1, 1, 24\)"),
            (np.full((2, 24), np.inf), "infinite values"),
            (np.full((2, 24), "x"), "profiles must be a table of numbers"),
            (3.0, r"found shape \(\)"),
            ([[1.0] * 24, [1.0]], "profiles must be a table of numbers"),
        ],
        ids=["points", "one day", "none", "cube", "infinite", "text", "number", "ragged"],
    )
    def test_what_is_no_table_of_such_days_is_refused(self, rule, days, message):
        with pytest.raises(ParameterError, match=message):
            reference_of(rule).assign(days)


# ---- kept clusters ----


@pytest.fixture
def clusters():
    rows = normalise(np.array([[0.0, 0, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]]))
    reference = Reference("euclidean", rows, None, {"reach": np.array([0.5, 0.5, 0.5])})
    return Clusters(reference, ("midday peak", "Nacht", "evening “peak”"), "medoid", "hdbscan", "euclidean")


def test_days_in_kwh_are_normalised_and_named(clusters):
    labels, names, distances = clusters.assign_energies([[0, 0, 70, 0], [3, 3, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]])
    assert labels.tolist() == [0, 1, NO_CLUSTER, NO_CLUSTER]
    assert list(names) == ["midday peak", "Nacht", NO_CLUSTER_NAME, NO_CLUSTER_NAME]
    assert distances[:3] == pytest.approx([0, 0, 1], abs=1e-6)
    assert (clusters.n_points, clusters.resolution_minutes) == (4, 360)


def test_kept_clusters_are_read_as_they_were(clusters, tmp_path):
    folder = clusters.save(tmp_path / "new" / "clusters")
    assert {path.name for path in folder.iterdir()} == {"clusters.json", "representatives.npy", "reach.npy"}
    again = read_clusters(folder)
    assert (again.names, again.kind, again.model, again.distance_metric) == (
        clusters.names, "medoid", "hdbscan", "euclidean",
    )  # fmt: skip
    assert again.reference.radius is None
    assert again.reference.representatives.tolist() == clusters.reference.representatives.tolist()
    assert again.reference.parts["reach"].tolist() == [0.5] * 3


def test_what_is_kept_can_be_read_without_us(clusters, tmp_path):
    folder = clusters.save(tmp_path / "clusters")
    assert np.load(folder / "representatives.npy", allow_pickle=False).dtype == np.float64
    described = json.loads((folder / "clusters.json").read_text(encoding="utf-8"))
    assert described == {
        "model": "hdbscan", "distance_metric": "euclidean", "kind": "medoid", "rule": "euclidean", "radius": None,
        "names": ["midday peak", "Nacht", "evening “peak”"], "parts": ["reach"], "normalisation": "l2",
    }  # fmt: skip


def test_nothing_is_written_over(clusters, tmp_path):
    clusters.save(tmp_path / "clusters")
    with pytest.raises(FileExistsError):
        clusters.save(tmp_path / "clusters")


def change(folder, **entries):
    path = folder / "clusters.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | entries), encoding="utf-8")


DAMAGES = {
    "no description": lambda folder: (folder / "clusters.json").unlink(),
    "half a description": lambda folder: (folder / "clusters.json").write_text('{"model": "hdb'),
    "a list": lambda folder: (folder / "clusters.json").write_text("[]"),
    "an empty object": lambda folder: (folder / "clusters.json").write_text("{}"),
    "no text": lambda folder: (folder / "clusters.json").write_bytes(b"\xff\xfe\x00"),
    "no representatives": lambda folder: (folder / "representatives.npy").unlink(),
    "empty representatives": lambda folder: (folder / "representatives.npy").write_bytes(b""),
    "half of them": lambda folder: (folder / "representatives.npy").write_bytes(
        (folder / "representatives.npy").read_bytes()[:150]
    ),
    "no array": lambda folder: (folder / "reach.npy").write_bytes(b"0.5 0.5 0.5"),
    "pickled objects": lambda folder: np.save(folder / "reach.npy", np.array([{}, None]), allow_pickle=True),
    "another scale": lambda folder: change(folder, normalisation="max"),
    "another rule": lambda folder: change(folder, rule="cosine"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_what_is_no_longer_what_was_kept_is_refused(damage, clusters, tmp_path):
    folder = clusters.save(tmp_path / "clusters")
    DAMAGES[damage](folder)
    with pytest.raises(InputError, match="clusters holds no clusters that can be read: ") as raised:
        read_clusters(folder)
    assert "\n" not in str(raised.value)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere holds no clusters that can be read"):
        read_clusters(tmp_path / "nowhere")
