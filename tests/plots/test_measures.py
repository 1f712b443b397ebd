from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from loadprofiles.errors import ParameterError
from loadprofiles.plots import measures
from tests.plots.examples import view_of


def test_bands_are_the_quantiles_of_the_cluster_alone():
    profiles = np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [100.0]])
    view = view_of([0, 0, 0, 0, 0, 1], 3, steps=1, profiles=profiles)
    bands = measures.quantile_bands(view)
    np.testing.assert_allclose(bands[0, :, 0], [0.2, 1.0, 3.0, 3.8])
    np.testing.assert_allclose(bands[1, :, 0], [100.0] * 4)
    assert np.isnan(bands[2]).all()


def test_the_calendar_counts_days_over_all_years_and_leaves_months_without_days_blank():
    # Two Mondays of January, one of them in 2025, and a Sunday of March.
    dates = np.array(["2024-01-01", "2025-01-06", "2024-03-03"], "datetime64[D]")
    shares = measures.calendar_shares(view_of([0, 1, 1], 2, dates=dates))
    assert shares[:, 0, 0].tolist() == [0.5, 0.5]
    assert shares[:, 6, 2].tolist() == [0.0, 1.0]
    assert np.isnan(shares).sum() == 2 * (84 - 2)


def test_the_calendar_leaves_out_days_in_no_cluster_but_counts_them():
    dates = np.array(["2024-01-01", "2024-01-08"], "datetime64[D]")
    shares = measures.calendar_shares(view_of([0, -1], 1, dates=dates))
    assert shares[0, 0, 0] == 0.5


@given(st.integers(-20_000, 40_000))
def test_weekday_and_month_are_the_calendars(offset):
    day = np.datetime64("1970-01-01") + offset
    shares = measures.calendar_shares(view_of([0], 1, dates=np.array([day])))
    known: date = day.item()
    assert np.argwhere(shares[0] == 1).tolist() == [[known.weekday(), known.month - 1]]


def test_shares_add_up_to_one_with_the_days_in_no_cluster():
    meters = np.array(["a", "a", "b", "b", "b", "b"], object)
    (table,) = measures.share_tables(view_of([0, 1, 1, 1, 1, -1], 2, meters=meters))
    rows = dict(zip(table.labels, table.shares.tolist(), strict=True))
    assert rows == {"a": [0.5, 0.5, 0.0], "b": [0.0, 0.75, 0.25]}
    assert dict(zip(table.labels, table.days.tolist(), strict=True)) == {"a": 2, "b": 4}
    assert table.title == "by meter"


def test_similar_meters_stand_together():
    labels = [0, 1, 2, 0, 1, 2]
    meters = np.array(["a", "b", "c", "d", "e", "f"], object)
    (table,) = measures.share_tables(view_of(labels, 3, meters=meters))
    assert [set(table.labels[i : i + 2]) for i in (0, 2, 4)] in (
        [{"a", "d"}, {"b", "e"}, {"c", "f"}],
        [{"a", "d"}, {"c", "f"}, {"b", "e"}],
        [{"b", "e"}, {"a", "d"}, {"c", "f"}],
    )


def test_of_many_meters_those_with_the_most_days_are_shown_and_the_title_says_so():
    meters = np.array([f"m{i}" for i in range(50)] + [f"m{i}" for i in range(5, 45)], object)
    (table,) = measures.share_tables(view_of([0] * 90, 1, meters=meters))
    assert set(table.labels) == {f"m{i}" for i in range(5, 45)}
    assert table.days.tolist() == [2] * 40
    assert table.title == "by meter: the 40 of 50 with the most days"


@pytest.mark.parametrize("nothing", ["", None, np.nan])
def test_an_unknown_group_is_called_unknown_and_comes_last(nothing):
    sectors = np.array([nothing, "farm", nothing, "unknown"], object)
    _, table = measures.share_tables(view_of([0, 1, 0, 1], 2, groups={"sector": sectors}))
    assert table.what == "sector"
    assert sorted(table.labels[:2]) == ["farm", "unknown"]
    assert table.labels[2] == "unknown"
    assert table.days.tolist() == [1, 1, 2]


def test_silhouettes_are_blocks_from_the_top_sorted_and_as_high_as_they_have_days():
    values = np.array([0.5, 0.1, -0.2, 0.9, np.nan, 0.3])
    view = view_of([0, 0, 1, 1, 0, -1], 2, silhouettes={"DTW": values})
    first, second = measures.silhouette_blocks(view, "DTW")
    assert (first.cluster, first.bars.tolist(), first.top - first.bottom) == (0, [0.1, 0.5], 2)
    assert (second.cluster, second.bars.tolist(), second.bottom) == (1, [-0.2, 0.9], 0)
    assert second.top < first.bottom
    assert first.mean == pytest.approx(0.3)
    assert measures.silhouette_mean(view, "DTW") == (pytest.approx(0.325), 4)


@given(st.lists(st.integers(1, 400), min_size=1, max_size=20), st.integers(20, 300))
def test_a_silhouette_plot_has_no_more_bars_than_asked_for_and_each_cluster_has_one(sizes, most):
    labels = np.repeat(np.arange(len(sizes)), sizes).tolist()
    values = np.linspace(-1, 1, len(labels))
    view = view_of(labels, len(sizes), steps=1, silhouettes={"E": values})
    blocks = measures.silhouette_blocks(view, "E", most)
    assert len(blocks) == len(sizes)
    assert sum(len(block.bars) for block in blocks) <= most
    for block, size in zip(blocks, sizes, strict=True):
        mine = values[view.labels == block.cluster]
        assert block.top - block.bottom == pytest.approx(size)
        assert block.bars[-1] == mine[-1]
        assert len(block.bars) == 1 or block.bars[0] == mine[0]
        assert block.mean == pytest.approx(mine.mean())


def test_clusters_without_a_known_silhouette_have_no_block():
    view = view_of([0, 1], 2, silhouettes={"E": np.array([np.nan, 0.5]), "none": np.full(2, np.nan)})
    assert [block.cluster for block in measures.silhouette_blocks(view, "E")] == [1]
    assert measures.silhouette_blocks(view, "none") == []
    assert np.isnan(measures.silhouette_mean(view, "none")[0])


def test_the_outline_of_a_block_has_a_step_a_bar():
    view = view_of([0, 0], 1, silhouettes={"E": np.array([0.2, 0.4])})
    (block,) = measures.silhouette_blocks(view, "E")
    assert measures.block_outline(block).tolist() == [[0, 0], [0.2, 0], [0.2, 1], [0.4, 1], [0.4, 2], [0, 2]]


def agglomerated(k: int, n: int = 60):
    profiles = np.random.default_rng(3).normal(size=(n, 4))
    tree = linkage(profiles, "average")
    labels = fcluster(tree, k, "maxclust") - 1
    # Another order than the tree's.
    return view_of((k - 1 - labels).tolist(), k, steps=4, profiles=profiles, tree=tree), profiles


@pytest.mark.parametrize("k", [2, 3, 12, 20])
def test_the_leaves_of_the_tree_are_the_clusters(k):
    view, _ = agglomerated(k)
    top = measures.tree_top(view)
    assert sorted(top.clusters) == list(range(k))
    legs = [top.leg_cluster(joint, right) for joint in range(k - 1) for right in (False, True)]
    assert sorted(leg for leg in legs if leg is not None) == list(range(k))
    np.testing.assert_allclose(np.sort(top.heights.max(axis=1)), view.tree[-(k - 1) :, 2])
    for joint in range(k - 1):
        for right, corner in ((False, 0), (True, 3)):
            leg = top.leg_cluster(joint, right)
            assert leg is None or top.positions[joint, corner] == top.clusters.index(leg)


def test_a_tree_of_single_days_has_them_as_leaves():
    view, _ = agglomerated(5, n=5)
    assert sorted(measures.tree_top(view).clusters) == [0, 1, 2, 3, 4]


def test_a_tree_that_does_not_give_the_clusters_is_refused():
    view, profiles = agglomerated(3)
    other = view_of([0, 1, 2] * 20, 3, steps=4, profiles=profiles, tree=view.tree)
    with pytest.raises(ParameterError, match="does not give these clusters"):
        measures.tree_top(other)
    with pytest.raises(ParameterError, match="no tree"):
        measures.tree_top(view_of([0, 1], 2))


def test_the_u_matrix_is_the_mean_distance_to_the_neighbours():
    weights = np.array([[[0.0], [1.0]], [[3.0], [7.0]]])
    np.testing.assert_allclose(
        measures.u_matrix(weights), [[(1 + 3 + 7) / 3, (1 + 6 + 2) / 3], [(3 + 4 + 2) / 3, (7 + 6 + 4) / 3]]
    )


@given(st.integers(1, 5), st.integers(1, 5))
def test_the_u_matrix_is_that_of_a_plain_loop(rows, columns):
    weights = np.random.default_rng(rows * 10 + columns).normal(size=(rows, columns, 3))
    for row in range(rows):
        for column in range(columns):
            distances = [
                np.linalg.norm(weights[row, column] - weights[r, c])
                for r in range(max(0, row - 1), min(rows, row + 2))
                for c in range(max(0, column - 1), min(columns, column + 2))
                if (r, c) != (row, column)
            ]
            expected = np.mean(distances) if distances else 0.0
            assert measures.u_matrix(weights)[row, column] == pytest.approx(expected)


def test_neurons_without_days_belong_to_no_cluster():
    positions, weights = np.array([[1, 0], [0, 1]]), np.zeros((2, 2, 24))
    view = view_of([0, 1], 2, som_positions=positions, som_weights=weights)
    assert measures.neuron_clusters(view).tolist() == [[-1, 1], [0, -1]]
    with pytest.raises(ParameterError, match="no map"):
        measures.neuron_clusters(view_of([0], 1))


@pytest.mark.parametrize("shape", [(1, 1), (5, 1), (2, 3)])
def test_each_prototype_is_drawn_inside_its_own_cell_and_upright(shape):
    weights = np.random.default_rng(0).normal(size=(*shape, 24))
    lines = measures.prototype_lines(weights).reshape(*shape, 24, 2)
    for row, column in np.ndindex(shape):
        across, up = lines[row, column].T
        assert column < across.min() and across.max() < column + 1
        assert row < up.min() and up.max() < row + 1
        # Rows grow downwards.
        assert up.argmin() == weights[row, column].argmax()


@given(
    st.lists(st.floats(0, 100), max_size=30).map(sorted),
    st.floats(0.1, 20),
)
def test_labels_are_moved_apart_inside_the_axis_and_keep_their_order(positions, least):
    moved = measures.spread(positions, least, 0.0, 100.0)
    assert len(moved) == len(positions)
    assert all(-1e-9 <= place <= 100 + 1e-9 for place in moved)
    apart = min(least, 100 / max(1, len(positions) - 1))
    assert all(b - a >= apart - 1e-9 for a, b in pairwise(moved))


def test_labels_that_do_not_overlap_stay():
    assert measures.spread([10.0, 50.0, 90.0], 5.0, 0.0, 100.0) == [10.0, 50.0, 90.0]
