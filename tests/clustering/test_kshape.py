"""K-shape against tslearn's, and on days that are shifted, flat or scaled."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from loadprofiles.clustering import KShape
from loadprofiles.clustering.kshape import extract_shape, refine_shapes
from loadprofiles.errors import ParameterError
from loadprofiles.representatives import shape_distances, z_normalise
from tests.clustering.conftest import noise

with warnings.catch_warnings():
    # tslearn says so on import; its hdf5 files are not used here.
    warnings.filterwarnings("ignore", message=r"\s*h5py not installed")
    from tslearn import clustering, metrics
    from tslearn.clustering import kshape
    from tslearn.metrics import cycc


@pytest.fixture
def uncompiled(monkeypatch):
    """tslearn's functions as they are written: to compile them for threads takes half a minute."""
    one = cycc.normalized_cc.py_func
    monkeypatch.setattr(cycc, "normalized_cc", one)
    for name in ("cdist_normalized_cc", "y_shifted_sbd_vec"):
        plain = getattr(metrics, name).py_func
        monkeypatch.setattr(kshape, name, plain)
        monkeypatch.setattr(metrics, name, plain)


def theirs_of(profiles, others):
    return 1 - metrics.cdist_normalized_cc(
        profiles[:, :, None],
        others[:, :, None],
        norms1=np.linalg.norm(profiles, axis=1),
        norms2=np.linalg.norm(others, axis=1),
        self_similarity=False,
    )


def shifted(shape, *starts, n_points=24):
    days = np.zeros((len(starts), n_points))
    for day, start in zip(days, starts, strict=True):
        day[start : start + len(shape)] = shape
    return days


PEAK = [1, 4, 9, 4, 1]
"""Narrow and even."""
STEPS = [9, 9, 9, 1, 1, 1, 9, 9, 9]
"""Two broad ones, close together."""


class TestShapeDistances:
    @pytest.mark.parametrize("points", [2, 5, 24, 33])
    def test_are_tslearns(self, points, uncompiled):
        values = z_normalise(np.random.default_rng(points).random((15, points)))
        distances, _ = shape_distances(values[:9], values[9:])
        assert distances == pytest.approx(theirs_of(values[:9], values[9:]), abs=1e-12)

    def test_of_a_day_and_itself_later_is_small_and_the_shift_tells_how_much(self):
        days = z_normalise(shifted(PEAK, 4, 10, 1))
        distances, shifts = shape_distances(days, days[:1])
        # what is shifted out at the ends of z-normalised days is their base
        assert distances[:, 0] == pytest.approx([0, 0.1, 0.1], abs=0.1)
        assert shifts[:, 0].tolist() == [0, -6, 3]

    @settings(max_examples=50)
    @given(hnp.arrays(np.int64, st.tuples(st.integers(1, 5), st.integers(2, 7)), elements=st.integers(-2, 3)))
    def test_are_between_0_and_2_and_symmetric(self, rows):
        values = z_normalise(rows.astype(float))
        distances, shifts = shape_distances(values, values)
        assert (distances > -1e-9).all()
        assert (distances < 2 + 1e-9).all()
        assert distances == pytest.approx(distances.T, abs=1e-9)
        formed = values.any(axis=1)
        assert distances.diagonal()[formed] == pytest.approx(0, abs=1e-9)
        assert (abs(shifts) < rows.shape[1]).all()

    def test_of_a_flat_day_are_1(self):
        days = np.vstack([np.full(24, 0.3), noise(1)])
        assert shape_distances(days, z_normalise(noise(2, 3)))[0][0].tolist() == [1, 1]

    def test_do_not_depend_on_scale_and_base(self):
        days = noise(5)
        shapes = z_normalise(noise(3, 1))
        distances = shape_distances(days, shapes)[0]
        assert shape_distances(7 * days + 2, shapes)[0] == pytest.approx(distances, abs=1e-9)

    def test_are_the_same_for_any_number_of_threads(self, monkeypatch):
        monkeypatch.setattr("loadprofiles.representatives._BATCH", 3)
        days, shapes = noise(20), z_normalise(noise(3, 1))
        alone = shape_distances(days, shapes, 1)
        for threads in (2, 3, None):
            again = shape_distances(days, shapes, threads)
            assert again[0].tobytes() == alone[0].tobytes()
            assert again[1].tobytes() == alone[1].tobytes()


class TestAgainstTslearn:
    def test_from_the_same_start_it_is_as_good(self, uncompiled):
        ratios = []
        for seed in range(4):
            profiles = z_normalise(noise(40, seed, points=16))
            shapes, labels, inertia = refine_shapes(profiles, profiles[:3].copy(), 50, 1)
            theirs = clustering.KShape(3, init=profiles[:3, :, None], max_iter=50, random_state=0)
            centers = theirs.fit(profiles[:, :, None]).cluster_centers_[:, :, 0]
            of_theirs = np.square(shape_distances(profiles, z_normalise(centers))[0].min(axis=1)).mean()
            assert inertia == pytest.approx(np.square(shape_distances(profiles, shapes)[0].min(axis=1)).mean())
            assert np.unique(labels).tolist() == [0, 1, 2]
            ratios.append(inertia / of_theirs)
        assert max(ratios) <= 1.05


class TestKShape:
    def test_finds_shapes_whenever_they_happen(self):
        days = np.vstack([shifted(PEAK, 2, 5, 9, 14), shifted(STEPS, 1, 4, 8, 13)]) + 0.01 * noise(8)
        found = KShape(2, n_init=5).fit(days)
        assert len(set(found.labels_[:4].tolist())) == len(set(found.labels_[4:].tolist())) == 1
        assert found.labels_[0] != found.labels_[4]
        later = found.predict(shifted(PEAK, 17))
        assert later[0] == found.labels_[0]

    def test_scale_and_base_do_not_count(self):
        days = np.vstack([shifted(PEAK, 2, 5, 9, 14), shifted(STEPS, 1, 4, 8, 13)]) + 0.01 * noise(8)
        found = KShape(2, n_init=5).fit(days)
        assert found.predict(40 * days + 3).tolist() == found.labels_.tolist()

    def test_representatives_are_means_in_the_profiles_unit(self):
        days = 5 + np.vstack([shifted(PEAK, 2, 5, 9), shifted(STEPS, 1, 4, 8)])
        found = KShape(2, n_init=5).fit(days)
        for number in range(2):
            members = days[found.labels_ == number]
            assert found.representatives_[number] == pytest.approx(members.mean(axis=0), rel=1e-6)
        assert found.reference_.parts["shapes"].mean(axis=1) == pytest.approx([0, 0], abs=1e-9)

    def test_flat_days_take_no_part_and_go_to_the_nearest(self):
        formed = np.vstack([10 + shifted(PEAK, 2, 5, 9), 0.1 * shifted(STEPS, 1, 4, 8)])
        flat = np.array([[11.0] * 24, [0.5] * 24, [0.0] * 24])
        alone, together = KShape(2, n_init=5).fit(formed), KShape(2, n_init=5).fit(np.vstack([formed, flat]))
        assert together.representatives_.tolist() == alone.representatives_.tolist()
        assert together.labels_[:6].tolist() == alone.labels_.tolist()
        assert together.labels_[6:].tolist() == [together.labels_[0], *[together.labels_[3]] * 2]
        assert together.distances_[6:].tolist() == [1, 1, 1]

    def test_the_best_of_several_starts_counts(self):
        inertias = [KShape(5, n_init=n).fit(noise(60)).inertia_ for n in (1, 4, 12)]
        assert inertias == sorted(inertias, reverse=True)
        assert inertias[-1] < inertias[0]

    def test_profiles_of_as_few_shapes_as_distinct_scaled_days_are_refused(self):
        days = np.outer([1, 2, 3, 4], [0.0, 1, 0, 0])
        with pytest.raises(ParameterError, match="number of clusters is 2, but there are only 1 distinct profiles"):
            KShape(2).fit(days)
        with pytest.raises(ParameterError, match="there are only 0 distinct profiles"):
            KShape(2).fit(np.ones((5, 24)))

    def test_a_step_a_day_has_no_shape(self):
        with pytest.raises(ParameterError, match="there are only 0 distinct profiles"):
            KShape(2).fit(np.arange(5.0)[:, None])


class TestRefinement:
    def test_a_shape_without_members_starts_again_from_the_farthest_profile(self):
        profiles = z_normalise(np.vstack([shifted(PEAK, 2, 5), shifted(STEPS, 3)]))
        twins = profiles[[0, 0]].copy()
        shapes, labels, inertia = refine_shapes(profiles, twins, 0)
        assert labels.tolist() == [0, 0, 1]
        assert shapes[1].tolist() == profiles[2].tolist()
        assert 0 < inertia < 0.05

    def test_the_shape_of_equal_members_is_theirs(self):
        day = z_normalise(noise(1))
        shape = extract_shape(np.repeat(day, 4, axis=0), day[0])
        assert shape == pytest.approx(day[0], abs=1e-9)

    def test_the_shape_has_the_sign_of_its_members(self):
        members = z_normalise(shifted(PEAK, 6, 7, 8))
        shape = extract_shape(members, members[0])
        assert (members @ shape > 0).all()
        assert extract_shape(-members, members[0]) == pytest.approx(-shape, abs=1e-9)

    def test_of_flat_members_the_shape_stays(self):
        before = z_normalise(noise(1))[0]
        assert extract_shape(np.zeros((3, 24)), before).tolist() == before.tolist()


def test_z_normalised_profiles_have_mean_0_and_deviation_1_and_flat_ones_are_0():
    values = z_normalise(np.vstack([noise(3), np.full((1, 24), 0.1), 1e12 * noise(1)]))
    assert values.mean(axis=1) == pytest.approx(np.zeros(5), abs=1e-9)
    assert values.std(axis=1) == pytest.approx([1, 1, 1, 0, 1])
    assert not values[3].any()
