import numpy as np
import pytest

from loadprofiles.errors import ParameterError
from tests.plots.examples import view_of


def test_noise_is_counted_beside_the_clusters():
    view = view_of([0, 1, 1, -1, -1, -1], 2)
    assert view.sizes.tolist() == [1, 2]
    assert view.noise == 3
    assert [view.numbered(c) for c in (0, 1, -1)] == ["0 · name 0", "1 · name 1", "in no cluster"]


def test_steps_start_at_midnight():
    assert view_of([0], 1, steps=96).hours[:3].tolist() == [0.0, 0.25, 0.5]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"meters": np.array(["a"], object)}, "2 profiles, but 1 in meters"),
        ({"dates": np.zeros(3, "datetime64[D]")}, "2 profiles, but 3 in dates"),
        ({"groups": {"sector": np.array(["a"], object)}}, "2 profiles, but 1 in group sector"),
        ({"silhouettes": {"DTW": np.zeros(5)}}, "2 profiles, but 5 in silhouettes DTW"),
        ({"tree": np.zeros((4, 4))}, "2 profiles, but 5 in tree"),
        ({"names": ("only one",)}, "2 representatives, but 1 names"),
    ],
)
def test_parts_that_do_not_fit_are_refused(parts, message):
    with pytest.raises(ParameterError, match=message):
        view_of([0, 1], 2, **parts)


@pytest.mark.parametrize("label", [2, -2])
def test_a_label_of_no_cluster_is_refused(label):
    with pytest.raises(ParameterError, match=r"a label is not in -1\.\.1"):
        view_of([0, label], 2)
