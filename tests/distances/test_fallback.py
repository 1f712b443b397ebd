"""The engine without numba: the same results, and an error that says what to install where nothing is left."""

import numpy as np
import pytest

from loadprofiles.clustering.fasterpam import fasterpam
from loadprofiles.distances import alignment_sums, cross, fallback, lanes, pairwise, path
from loadprofiles.errors import LoadProfilesError
from tests.distances.reference import adversarial_profiles, random_profiles, run_python

COMPUTE = """
import sys

for name in sys.argv[3:]:
    sys.modules[name] = None
import numpy as np

from loadprofiles.clustering.fasterpam import fasterpam
from loadprofiles.distances import alignment_sums, cross, kernels, pairwise, path
from loadprofiles.distances.kernels import fill

profiles = np.load(sys.argv[1])
results = {"engine": fill.__module__}
for radius in (0, 1, 4, None):
    results[f"pairwise {radius}"] = pairwise(profiles, radius)
    results[f"threads {radius}"] = pairwise(profiles, radius, threads=1)
    results[f"double {radius}"] = pairwise(profiles, radius, dtype=np.float64)
    results[f"cross {radius}"] = cross(profiles, profiles[:3], radius)
    results[f"path {radius}"] = path(profiles[0], profiles[1], radius)
    results[f"sums {radius}"], results[f"counts {radius}"] = alignment_sums(
        profiles, profiles[:3], np.arange(len(profiles)) % 3, radius
    )
medoids, labels, loss = fasterpam(cross(profiles, profiles), np.array([0, 1, 2]))
np.savez(sys.argv[2], medoids=medoids, labels=labels, loss=loss, **results)
"""

REFUSE = """
import sys

sys.modules["numba"] = sys.modules["dtaidistance"] = None
from loadprofiles.distances import alignment_sums, cross, pairwise
from loadprofiles.errors import LoadProfilesError

for compute in (lambda: pairwise([[1, 2], [3, 4]]), lambda: cross([[1, 2]], [[3, 4]])):
    try:
        compute()
    except LoadProfilesError as error:
        print(error)
"""


@pytest.fixture(scope="module")
def without_numba(tmp_path_factory):
    """The profiles, and what a process computes that has no numba."""
    folder = tmp_path_factory.mktemp("without_numba")
    profiles = random_profiles(40).astype(np.float32)
    np.save(folder / "profiles.npy", profiles)
    run_python(COMPUTE, folder / "profiles.npy", folder / "results.npz", "numba")
    return profiles, np.load(folder / "results.npz")


class TestWithoutNumba:
    def test_another_engine_is_in_use_than_here(self, without_numba):
        _, results = without_numba
        assert str(results["engine"]) == "loadprofiles.distances.fallback"
        assert pairwise.__globals__["fill"].__module__ == "loadprofiles.distances.lanes"

    @pytest.mark.parametrize("radius", [0, 1, 4, None])
    def test_distances_are_the_same(self, without_numba, radius):
        profiles, results = without_numba
        found = results[f"pairwise {radius}"]
        assert found.dtype == np.float32
        assert found == pytest.approx(pairwise(profiles, radius), rel=1e-5)
        assert found.tobytes() == results[f"threads {radius}"].tobytes()
        assert results[f"double {radius}"] == pytest.approx(pairwise(profiles, radius, dtype=np.float64), rel=1e-12)
        assert results[f"cross {radius}"] == pytest.approx(cross(profiles, profiles[:3], radius), rel=1e-5)

    @pytest.mark.parametrize("radius", [0, 1, 4, None])
    def test_alignments_are_the_same(self, without_numba, radius):
        profiles, results = without_numba
        assert results[f"path {radius}"].tolist() == path(profiles[0], profiles[1], radius).tolist()
        sums, counts = alignment_sums(profiles, profiles[:3], np.arange(40) % 3, radius)
        assert results[f"counts {radius}"].tolist() == counts.tolist()
        assert results[f"sums {radius}"] == pytest.approx(sums, rel=1e-12)

    def test_clusters_are_the_same(self, without_numba):
        profiles, results = without_numba
        medoids, labels, loss = fasterpam(cross(profiles, profiles), np.array([0, 1, 2]))
        assert results["medoids"].tolist() == medoids.tolist()
        assert results["labels"].tolist() == labels.tolist()
        assert float(results["loss"]) == pytest.approx(loss, rel=1e-5)

    def test_without_dtaidistance_too_both_packages_are_named(self):
        message = "DTW needs numba: pip install numba; or, much slower: pip install dtaidistance"
        assert run_python(REFUSE).splitlines() == [message, message]


class TestFill:
    @pytest.fixture(params=["C", "Python"])
    def any_dtaidistance(self, request, monkeypatch):
        """Its compiled library, and what it does where that could not be built."""
        assert fallback.dtw.dtw_cc is not None
        if request.param == "Python":
            monkeypatch.setattr(fallback.dtw, "dtw_cc", None)

    # Blocks at the start, in the middle and at the end; columns that are all wanted, some, one, and none.
    @pytest.mark.usefixtures("any_dtaidistance")
    @pytest.mark.parametrize("radius", [0, 1, 5, 23])
    @pytest.mark.parametrize("block", [(0, 6), (2, 5), (3, 4), (0, 4), (5, 6)])
    @pytest.mark.parametrize("starts", [[0, 0, 0], [1, 2, 3], [3, 4, 6], [6, 9, 9]])
    def test_writes_what_the_compiled_one_writes_and_nothing_else(self, radius, block, starts):
        queries = random_profiles(3, seed=1).astype(np.float32)
        columns = adversarial_profiles()[[0, 4, 6, 8, 12, 13]]
        found, expected = np.full((2, 40), np.nan, np.float32)
        arguments = queries, columns, block, np.array(starts), np.array([2, 11, 30]), radius
        fallback.fill(*arguments, found)
        lanes.fill(*arguments, expected)
        assert found == pytest.approx(expected, rel=1e-5, nan_ok=True)
        assert np.isfinite(found).sum() == sum(max(0, block[1] - max(block[0], start)) for start in starts)

    def test_offsets_may_be_those_of_condensed_distances(self):
        profiles = random_profiles(5).astype(np.float32)
        found = np.full(10, np.nan, np.float32)
        fallback.fill(profiles, profiles, (0, 5), np.arange(1, 6), np.array([-1, 2, 4, 5, 5]), 1, found)
        assert found == pytest.approx(pairwise(profiles), rel=1e-5)

    def test_without_dtaidistance_the_error_says_what_to_install(self, monkeypatch):
        monkeypatch.setattr(fallback, "dtw", None)
        values = np.zeros((1, 2), np.float32)
        with pytest.raises(LoadProfilesError, match=r"pip install numba; or, much slower: pip install dtaidistance"):
            fallback.fill(values, values, (0, 1), np.zeros(1, int), np.zeros(1, int), 1, np.zeros(1, np.float32))
