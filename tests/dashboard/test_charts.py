"""What the charts have in common: bands with gaps."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles.dashboard import charts

VALUES = st.lists(st.one_of(st.just(np.nan), st.floats(0, 9)), max_size=12)


def edges(values, shape="linear"):
    low, high = charts.band(range(len(values)), values, np.array(values) + 1, "band", shape)
    return list(low.x), np.array(low.y), np.array(high.y)


def test_a_band_without_gaps_goes_from_its_first_point_to_its_last():
    x, low, high = edges([1, 2, 3])
    assert x == [0, 0, 1, 2, 2]
    assert low.tolist() == [1.5, 1, 2, 3, 3.5]
    assert high.tolist() == [1.5, 2, 3, 4, 3.5]


@given(VALUES)
def test_a_band_has_no_width_across_a_gap(values):
    x, low, high = edges(values)
    for place in range(len(x) - 1):
        if x[place + 1] - x[place] > 1:
            assert low[place] == high[place]
            assert low[place + 1] == high[place + 1]


@given(VALUES)
def test_a_band_has_its_width_wherever_it_is_known(values):
    x, low, high = edges(values)
    wide = {place: (a, b) for place, a, b in zip(x, low, high, strict=True) if a != b}
    assert wide == {place: (value, value + 1) for place, value in enumerate(values) if not np.isnan(value)}


def test_a_band_of_nothing_is_empty():
    assert edges([np.nan, np.nan])[0] == []


def test_edges_of_a_band_are_steps_if_asked_for():
    assert {trace.line.shape for trace in charts.band([0], [1], [2], "band", "hv")} == {"hv"}
