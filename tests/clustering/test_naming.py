"""Names of clusters from shapes that are drawn by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from loadprofiles.clustering.naming import order_and_name
from loadprofiles.errors import ParameterError


def day(*bumps, base=0.2, resolution=60, width=1.2):
    """A day with bumps (hour, height) on a base."""
    hours = np.arange(0, 24, resolution / 60)
    values = np.full(hours.size, base)
    for hour, height in bumps:
        apart = (hours - hour + 12) % 24 - 12
        values += height * np.exp(-(apart**2) / (2 * width**2))
    return values


def names_of(*rows, resolution=60):
    return order_and_name(np.array(rows), resolution)[1]


@pytest.mark.parametrize("resolution", [15, 30, 60])
@pytest.mark.parametrize(
    ("bumps", "name"),
    [
        ([(3, 1)], "night peak"),
        ([(0, 1)], "night peak"),
        ([(8, 1)], "morning peak"),
        ([(12, 1)], "midday peak"),
        ([(16, 1)], "afternoon peak"),
        ([(20, 1)], "evening peak"),
        ([(23, 1)], "night peak"),
        ([(7, 1), (19, 1)], "two peaks 07:00 & 19:00"),
        ([(0, 1), (12, 0.9)], "two peaks 00:00 & 12:00"),
        ([(7, 1), (13, 0.9), (20, 1)], "three peaks 07:00 & 13:00 & 20:00"),
        ([(2, 1), (8, 1), (14, 1), (20, 1)], "several peaks"),
        ([(13, -1)], "midday dip (PV)"),
        ([(7, 0.1), (13, -0.15), (20, 0.2)], "midday dip (PV)"),
        ([(19, 1), (8, 0.2)], "evening peak"),
        ([], "flat base"),
        ([(19, 0.03)], "flat base"),
    ],
)
def test_shapes_get_their_names_at_any_resolution(bumps, name, resolution):
    assert names_of(day(*bumps, resolution=resolution), resolution=resolution) == (name,)


def test_a_two_peak_household_with_a_day_above_its_night_has_no_dip():
    household = [1, 1, 1, 1, 1, 2, 6, 8, 5, 3, 3, 3, 3, 3, 3, 3, 4, 6, 8, 9, 8, 5, 3, 2]
    assert names_of(household) == ("two peaks 07:00 & 19:00",)


def test_days_of_zeros_are_no_load_and_come_first():
    order, names = order_and_name(np.array([day((20, 1)), np.full(24, 0.2), np.full(24, 0.001)]), 60)
    assert names == ("no load", "flat base", "evening peak")
    assert order.tolist() == [2, 1, 0]


def test_lights_on_at_night_are_no_dip():
    lights = [1.0] * 6 + [0.0] * 12 + [1.0] * 6
    assert names_of(lights)[0] == "night peak"


def test_the_scale_does_not_count_where_there_is_load():
    rows = [day((8, 1)), day((13, -1)), day((7, 1), (19, 1)), day()]
    assert names_of(*rows) == names_of(*(1000 * row for row in rows))


def test_a_jagged_barycenter_is_named_by_its_trend():
    jagged = day((20, 1)) + 0.3 * np.tile([1, -1], 12)
    assert names_of(jagged) == ("evening peak",)


def test_clusters_are_ordered_by_time_of_peak_after_the_flat_ones():
    rows = [day((20, 1)), day((3, 1)), day(), day((8, 1))]
    order, names = order_and_name(np.array(rows), 60)
    assert order.tolist() == [2, 1, 3, 0]
    assert names == ("flat base", "night peak", "morning peak", "evening peak")


def test_a_shared_name_gets_the_time_of_the_peak():
    assert names_of(day((19, 1)), day((20, 1)), day((8, 1))) == (
        "morning peak",
        "evening peak 19:00",
        "evening peak 20:00",
    )


def test_a_shared_name_and_time_get_a_number():
    assert names_of(day((19, 1)), day((19, 2)), day((21, 1))) == (
        "evening peak 19:00 (1)",
        "evening peak 19:00 (2)",
        "evening peak 21:00",
    )


def test_two_peaks_that_share_their_times_get_a_number_only():
    assert names_of(day((7, 1), (19, 1)), day((7, 2), (19, 2))) == (
        "two peaks 07:00 & 19:00 (1)",
        "two peaks 07:00 & 19:00 (2)",
    )


@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(1, 8), st.sampled_from([1, 2, 5, 24, 96])),
        elements=st.integers(-2, 3).map(float),
    ),
    st.randoms(use_true_random=False),
)
def test_names_differ_and_do_not_depend_on_the_order_of_the_clusters(representatives, random):
    resolution = 1440 // representatives.shape[1]
    order, names = order_and_name(representatives, resolution)
    assert sorted(order.tolist()) == list(range(len(representatives)))
    assert len(set(names)) == len(names) == len(representatives)
    shuffled = representatives[random.sample(range(len(representatives)), len(representatives))]
    again, again_names = order_and_name(shuffled, resolution)
    assert again_names == names
    assert (shuffled[again] == representatives[order]).all()


@pytest.mark.parametrize(
    ("representatives", "resolution", "message"),
    [
        (np.zeros(24), 60, r"found shape \(24,\)"),
        (np.zeros((0, 24)), 60, r"found shape \(0, 24\)"),
        (np.full((1, 24), np.nan), 60, "finite numbers"),
        (np.zeros((1, 96)), 60, "96 points of 60 minutes do not fit a day of 1440"),
        (np.zeros((1, 24)), 0, "24 points of 0 minutes"),
    ],
)
def test_what_is_no_day_is_refused(representatives, resolution, message):
    with pytest.raises(ParameterError, match=message):
        order_and_name(representatives, resolution)
