"""What the charts have in common: bands with gaps."""

import numpy as np
import plotly.graph_objects as go
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles.dashboard import charts

VALUES = st.lists(st.one_of(st.just(np.nan), st.floats(0, 9)), max_size=12)


def edges(values, shape="linear"):
    low, high = charts.band(range(len(values)), values, np.array(values) + 1, "band", shape)
    return list(low["x"]), low["y"], high["y"]


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


def test_digits_that_nobody_sees_are_not_sent():
    trace = {"type": "bar", "x": np.array([0.123456789, np.nan]), "y": ["a", "b"], "customdata": np.array([1, 2])}
    (drawn,) = go.Figure(charts.figure([trace])).data
    np.testing.assert_array_equal(drawn.x, [0.12346, np.nan])
    assert (drawn.y, drawn.customdata.tolist()) == (("a", "b"), [1, 2])


def test_numbers_beside_a_chart_over_time_have_room_for_their_digits():
    def left(most):
        line = {"type": "scatter", "x": ["2024-03-01"] * 2, "y": np.array([most, np.nan])}
        return go.Figure(charts.over_time([line], "%d", y="kWh", yaxis={"rangemode": "normal"})).layout.margin.l

    assert left(0.1) == left(9_999)
    assert left(10_000) == left(9_999) + charts._DIGIT == left(-1_000)
    assert left(-10_000) == left(10_000) + charts._DIGIT


def test_a_chart_over_time_of_nothing_can_be_drawn():
    assert go.Figure(charts.over_time([], "%d")).layout.yaxis.tickformat == charts.TICKS


def test_edges_of_a_band_are_steps_if_asked_for():
    assert {trace["line"]["shape"] for trace in charts.band([0], [1], [2], "band", "hv")} == {"hv"}
