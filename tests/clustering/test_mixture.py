"""The mixture of normal distributions against scikit-learn's."""

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from loadprofiles.clustering import Gmm
from loadprofiles.errors import ParameterError
from tests.clustering.conftest import noise, three_shapes


def theirs_of(profiles, k, **options):
    model = GaussianMixture(k, covariance_type="diag", max_iter=500, random_state=0, **options)
    return model.fit(np.float32(profiles).astype(float))


@pytest.mark.parametrize(
    "profiles", [three_shapes()[0], noise(80), noise(40, points=3)], ids=["shapes", "noise", "short"]
)
def test_labels_are_those_of_scikit_learn_also_of_new_days(profiles):
    found, theirs = Gmm(3).fit(profiles), theirs_of(profiles, 3)
    assert found.n_clusters_ == 3
    assert found.labels_.tolist() == theirs.predict(np.float32(profiles)).tolist()
    new = np.random.default_rng(5).random((200, profiles.shape[1]))
    assert found.predict(new).tolist() == theirs.predict(np.float32(new)).tolist()
    assert found.converged_ is True


def test_a_wide_cluster_takes_what_is_nearer_to_a_narrow_one():
    generator = np.random.default_rng(0)
    profiles = np.vstack([generator.normal(0, 0.1, (100, 2)), generator.normal(8, 3, (100, 2))])
    found = Gmm(2).fit(profiles)
    narrow = found.labels_[0]
    assert (found.labels_[:100] == narrow).all()
    # two from the narrow one's middle, twenty of its deviations, and eight from the wide one's, less than three of its
    assert found.predict([[2, 2]])[0] != narrow
    assert found.transform([[2, 2]])[0].argmin() == narrow


def test_distances_are_euclidean_to_the_own_mean():
    profiles = noise(60)
    found = Gmm(4).fit(profiles)
    own = np.linalg.norm(profiles - found.representatives_[found.labels_], axis=1)
    assert found.distances_ == pytest.approx(own, abs=1e-6)
    assert found.inertia_ == pytest.approx((own**2).sum(), rel=1e-6)


def test_it_says_whether_it_converged():
    assert Gmm(4, max_iter=1).fit(noise(200)).converged_ is False
    assert Gmm(4).fit(noise(200)).converged_ is True


def test_steps_that_never_vary_have_a_density_too():
    profiles = np.hstack([noise(30), np.zeros((30, 2))])
    found = Gmm(3).fit(profiles)
    assert np.isfinite(found.distances_).all()
    assert (found.reference_.parts["variances"] > 0).all()


def test_starts_that_cannot_be_are_refused():
    with pytest.raises(ParameterError, match="n_init is 0; it must be at least 1"):
        Gmm(2, n_init=0).fit(noise(10))
    with pytest.raises(ParameterError, match="max_iter is 0; it must be at least 1"):
        Gmm(2, max_iter=0).fit(noise(10))
