"""Groups of like days: found in what a fit may see, told of what was known at an origin."""

import numpy as np

from loadprofiles.forecasting.design import Context, make_rows
from loadprofiles.forecasting.shapes import N_SHAPES, find_shapes, nearest_shapes
from tests.forecasting.panels import drawn_panel, ints, panel_of

HOURS = np.arange(24)


def peaks(days, noise=0.02):
    """Eight meters, each with its peak every third hour, of very different sizes."""
    random = np.random.default_rng(0)
    shapes = np.exp(-((HOURS - 3 * np.arange(N_SHAPES)[:, np.newaxis]) ** 2) / 4) + 0.05
    energy = np.tile(shapes, days) * random.uniform(1 - noise, 1 + noise, (N_SHAPES, 24 * days))
    return energy * 10.0 ** np.arange(N_SHAPES)[:, np.newaxis]


def test_meters_of_a_shape_each_are_told_apart_whatever_their_size():
    panel = panel_of(peaks(30))
    shapes = find_shapes(panel, 0)
    assert shapes.shape == (N_SHAPES, 24)
    nearest = nearest_shapes(shapes, panel, np.arange(N_SHAPES), np.full(N_SHAPES, 30 * 24))
    again = nearest_shapes(shapes, panel_of(peaks(30) * 7), np.arange(N_SHAPES), np.full(N_SHAPES, 30 * 24))
    np.testing.assert_array_equal(nearest, again)
    assert len(set(nearest.tolist())) >= N_SHAPES - 2
    assert shapes[nearest.astype(int)].argmax(axis=1).tolist()[0] == 0


def test_the_same_seed_finds_the_same():
    panel = drawn_panel(30, 4)
    np.testing.assert_array_equal(find_shapes(panel, 3), find_shapes(panel, 3))


def test_a_day_with_an_hour_that_is_not_known_does_not_count():
    energy = np.tile(peaks(12), 1)
    odd = energy.copy()
    odd[:, 5 * 24 : 6 * 24] = 999
    odd[:, 5 * 24 + 3] = np.nan
    left_out = energy.copy()
    left_out[:, 5 * 24 : 6 * 24] = np.nan
    np.testing.assert_array_equal(find_shapes(panel_of(odd), 0), find_shapes(panel_of(left_out), 0))


def test_none_are_found_in_few_days_in_long_steps_or_where_all_days_are_alike():
    assert find_shapes(drawn_panel(19, 4), 0).shape == (0, 24)
    assert find_shapes(drawn_panel(20, 4), 0).shape == (N_SHAPES, 24)
    assert find_shapes(drawn_panel(200, 1, 480), 0).shape == (0, 3)
    assert find_shapes(panel_of(np.zeros((2, 100 * 24))), 0).shape == (0, 24)
    assert find_shapes(panel_of(np.ones((2, 100 * 24))), 0).shape == (0, 24)
    assert find_shapes(drawn_panel(0, 2), 0).shape == (0, 24)


def test_without_shapes_or_a_known_day_there_is_no_nearest():
    panel = panel_of(peaks(12))
    shapes = find_shapes(panel, 0)
    assert np.isnan(nearest_shapes(np.empty((0, 24)), panel, ints(0, 1), ints(240, 240))).all()
    assert np.isnan(nearest_shapes(shapes, panel, ints(0), ints(0))).all()
    assert nearest_shapes(shapes, panel, ints(), ints()).shape == (0,)


def test_the_days_from_the_origin_on_do_not_tell():
    energy = peaks(40)
    shapes = find_shapes(panel_of(energy).before(30 * 24), 0)
    other = energy.copy()
    other[:, 30 * 24 :] = other[::-1, 30 * 24 :]
    meters, origins = np.arange(N_SHAPES), np.full(N_SHAPES, 30 * 24)
    np.testing.assert_array_equal(
        nearest_shapes(shapes, panel_of(energy), meters, origins),
        nearest_shapes(shapes, panel_of(other), meters, origins),
    )
    late = nearest_shapes(shapes, panel_of(other), meters, origins + 10 * 24)
    assert len(late) == N_SHAPES


def test_an_origin_within_a_day_is_told_by_the_whole_days_before_it():
    energy = peaks(12)
    shapes = find_shapes(panel_of(energy), 0)
    energy[0, 11 * 24 :] = energy[4, 11 * 24 :]
    one, other = (nearest_shapes(shapes, panel_of(e), ints(0), ints(11 * 24 + 9)) for e in (energy, peaks(12)))
    assert one.tolist() == other.tolist()


def test_a_row_names_the_nearest_shape():
    panel = panel_of(peaks(30))
    context = Context(shapes=find_shapes(panel, 0))
    rows, _ = make_rows(panel, context, ints(0, 5), ints(30, 30) * 24, 24)
    column = rows[..., context.names.index("cluster")]
    expected = nearest_shapes(context.shapes, panel, ints(0, 5), ints(30, 30) * 24)
    np.testing.assert_array_equal(column, np.repeat(expected[:, np.newaxis], 24, axis=1))
    assert "cluster" not in Context(shapes=np.empty((0, 24))).names
