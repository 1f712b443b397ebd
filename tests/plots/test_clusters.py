import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from scipy.cluster.hierarchy import fcluster, linkage

from loadprofiles import plots
from loadprofiles.errors import ParameterError
from tests.plots.examples import view_of

LONG = "a very long name that costs $5 or $6 and then goes on and on, well beyond what any title can hold"


def curve_of(**more):
    return pd.DataFrame({"k": [2, 3, 4], "silhouette": [0.1, 0.5, 0.3], **more})


def everything(k: int, *, names: bool = False, noise: int = 7):
    """A view for all figures but the tree's, with names that are hard to draw."""
    n = 40 + 3 * k
    labels = [place % k for place in range(n - noise)] + [-1] * noise
    more = {} if not names else {"names": tuple(f"{LONG} {c}" for c in range(k))}
    return view_of(
        labels,
        k,
        meters=np.array([f"{LONG if names else 'meter'} {place % 13}" for place in range(n)], object),
        groups={"sector": np.array([LONG if names else "farm", ""] * n, object)[:n]},
        silhouettes={name: np.linspace(-0.5, 0.9, n) for name in ("Euclidean", "DTW")},
        som_positions=np.stack(np.divmod(np.arange(k), 4), axis=1),
        som_weights=np.random.default_rng(0).uniform(0, 1, (6, 4, 24)),
        **more,
    )


def agglomerated(k: int, *, names: bool = False):
    profiles = np.random.default_rng(3).normal(size=(80, 24))
    tree = linkage(profiles, "average")
    labels = fcluster(tree, k, "maxclust") - 1
    more = {"names": tuple(f"{LONG} {c}" for c in range(k))} if names else {}
    return view_of(labels.tolist(), k, profiles=profiles, tree=tree, **more)


@pytest.mark.parametrize(("k", "steps"), [(1, 24), (2, 24), (5, 96), (20, 24)])
def test_every_cluster_has_a_panel_with_its_name_size_bands_and_representative(k, steps):
    view = view_of([place % k for place in range(61)], k, steps=steps)
    figure = plots.cluster_centers(view)
    assert len(figure.axes) == k
    for cluster, axis in enumerate(figure.axes):
        days = (view.labels == cluster).sum()
        assert axis.get_title() == f"{cluster} · name {cluster}\n{days} days"
        drawn = axis.lines[-2].get_xydata()
        np.testing.assert_allclose(drawn[:, 1], view.representatives[cluster])
        np.testing.assert_allclose(drawn[:, 0], np.arange(steps) * 24 / steps)
        members = view.profiles[view.labels == cluster]
        outer = axis.collections[0].get_paths()[0].vertices[:, 1]
        assert outer.max() == pytest.approx(np.quantile(members, 0.95, axis=0).max())
        assert outer.min() == pytest.approx(np.quantile(members, 0.05, axis=0).min())


def test_a_cluster_of_one_day_is_drawn():
    figure = plots.cluster_centers(view_of([0, 1, 1], 2))
    assert figure.axes[0].get_title() == "0 · name 0\n1 day"


def test_the_title_counts_the_days_in_no_cluster_if_there_are_any():
    assert "3 days in no cluster" in plots.cluster_centers(view_of([0, -1, -1, -1], 1)).get_suptitle()
    assert "no cluster" not in plots.cluster_centers(view_of([0, 0], 1)).get_suptitle()
    assert "centroid" in plots.cluster_centers(view_of([0, 0], 1)).get_suptitle()


def test_all_panels_have_one_scale():
    figure = plots.cluster_centers(view_of([0, 1, 1, 2, 2, 2], 3))
    assert len({axis.get_ylim() for axis in figure.axes}) == 1


def test_sizes_add_up_and_noise_is_grey():
    figure = plots.cluster_sizes(view_of([0] * 5 + [1] * 3 + [-1] * 2, 2))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["0 · name 0: 5 days, 50.0%", "1 · name 1: 3 days, 30.0%", "in no cluster: 2 days, 20.0%"]
    wedges = figure.axes[0].patches
    assert [(wedge.theta2 - wedge.theta1) / 360 for wedge in wedges] == pytest.approx([0.5, 0.3, 0.2])
    assert to_hex(wedges[2].get_facecolor()).upper() == plots.cluster_color(plots.NOISE)
    assert len({to_hex(wedge.get_facecolor()) for wedge in wedges}) == 3


def test_the_calendar_shows_shares_and_leaves_months_without_days_blank():
    # All of January and nothing else; Mondays are cluster 0's.
    labels = [0 if day % 7 == 0 else 1 for day in range(31)]
    figure = plots.calendar(view_of(labels, 2))
    meshes = [axis.collections[0].get_array() for axis in figure.axes[:2]]
    for mesh, january in zip(meshes, ([1, 0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 1, 1, 1]), strict=True):
        assert mesh.reshape(7, 12)[:, 0].tolist() == january
        assert mesh.reshape(7, 12).mask[:, 1:].all()
    assert len({axis.collections[0].norm for axis in figure.axes[:2]}) == 1
    assert "hatched: no data" in figure.get_suptitle()
    assert [text.get_text() for text in figure.axes[0].texts][:3] == ["J", "F", "M"]


def test_a_whole_year_has_no_blank_month():
    figure = plots.calendar(view_of([0] * 366, 1))
    assert not np.ma.getmaskarray(figure.axes[0].collections[0].get_array()).any()
    assert "hatched" not in figure.get_suptitle()


def test_each_bar_of_the_shares_is_one_long_and_tells_its_days():
    meters = np.array(["a", "b", "b", "b"], object)
    groups = {"sector": np.array(["farm", "", "", ""], object)}
    figure = plots.shares(view_of([0, 0, 1, -1], 2, meters=meters, groups=groups))
    by_meter, by_sector = figure.axes
    assert [label.get_text() for label in by_sector.get_yticklabels()] == ["farm", "unknown"]
    for axis, rows in (
        (by_meter, {"a": [1.0], "b": [1 / 3] * 3}),
        (by_sector, {"farm": [1.0], "unknown": [1 / 3] * 3}),
    ):
        labels = [label.get_text() for label in axis.get_yticklabels()]
        corners = np.array([path.vertices[:4] for path in axis.collections[0].get_paths()])
        for place, label in enumerate(labels):
            mine = corners[corners[:, :, 1].mean(axis=1).round() == place]
            assert np.ptp(mine[:, :, 0], axis=1) == pytest.approx(rows[label])
            assert mine[:, :, 0].max() == pytest.approx(1)
        assert [text.get_text() for text in axis.texts] == ["1 day", "3 days"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0 · name 0", "1 · name 1", "in no cluster"]


def test_silhouettes_have_a_panel_a_metric_with_the_mean_and_each_clusters_mean():
    values = {"Euclidean": np.array([0.2, 0.4, -0.1]), "DTW": np.array([np.nan, 0.5, 0.7])}
    figure = plots.silhouettes(view_of([0, 0, 1], 2, silhouettes=values))
    first, second = figure.axes
    assert first.get_title() == "Euclidean, 3 days: mean 0.167"
    assert second.get_title() == "DTW, 2 of 3 days: mean 0.600"
    assert first.lines[-1].get_xdata()[0] == pytest.approx(0.5 / 3)
    assert {text.get_text() for text in first.texts} == {"0 · name 0", "0.30", "1 · name 1", "-0.10"}
    assert {text.get_text() for text in second.texts} == {"0", "0.50", "1", "0.70"}
    outline = first.collections[-2].get_paths()[0].vertices
    assert outline[:, 0].max() == 0.4


def test_no_silhouettes_are_an_error_and_unknown_ones_an_empty_panel():
    with pytest.raises(ParameterError, match="no silhouettes"):
        plots.silhouettes(view_of([0], 1))
    figure = plots.silhouettes(view_of([0, 1], 2, silhouettes={"DTW": np.full(2, np.nan)}))
    assert not figure.axes[0].collections


@pytest.mark.parametrize("k", [2, 12, 20])
def test_the_leaves_of_the_dendrogram_are_labelled_and_coloured_like_the_clusters(k):
    view = agglomerated(k)
    axis = plots.dendrogram(view).axes[0]
    labels = [label.get_text() for label in axis.get_yticklabels()]
    assert sorted(labels) == sorted(
        f"{c} · name {c}, {view.sizes[c]} day{'s' if view.sizes[c] > 1 else ''}" for c in range(k)
    )
    lines = axis.collections[0]
    colors = [to_hex(color).upper() for color in lines.get_colors()]
    legs = {
        round(segment[:, 1].mean()): color
        for segment, color in zip(lines.get_segments(), colors, strict=True)
        if segment[:, 0].min() == 0
    }
    assert legs == {place: plots.cluster_color(int(label.split()[0])) for place, label in enumerate(labels)}


def test_the_map_counts_each_neurons_days_and_marks_those_without():
    view = view_of(
        [0, 1, 1], 2, som_positions=np.array([[0, 0], [2, 0]]), som_weights=np.arange(72.0).reshape(3, 1, 24)
    )
    axis = plots.som_map(view).axes[0]
    assert [text.get_text() for text in axis.texts] == ["0: 1 day", "no days", "1: 2 days"]
    distance = np.sqrt(24 * 24.0**2)
    np.testing.assert_allclose(axis.collections[0].get_array().ravel(), [distance] * 3)
    assert len(axis.collections[1].get_segments()) == 3


def test_the_chosen_number_is_marked_on_the_curve():
    figure = plots.k_curve(curve_of(), 3)
    assert len(figure.axes) == 1
    assert figure.axes[0].lines[0].get_ydata().tolist() == [0.1, 0.5, 0.3]
    assert figure.axes[0].lines[1].get_xdata()[0] == 3


def test_a_choice_by_ranks_has_a_panel_of_its_own():
    figure = plots.k_curve(curve_of(mean_rank=[2.0, 1.5, 2.5]), 3)
    assert len(figure.axes) == 2
    assert figure.axes[1].lines[0].get_ydata().tolist() == [2.0, 1.5, 2.5]
    assert figure.axes[1].lines[1].get_xdata()[0] == 3
    assert "lower is better" in figure.axes[1].get_ylabel()


FIGURES = [plots.cluster_centers, plots.cluster_sizes, plots.calendar, plots.shares, plots.silhouettes, plots.som_map]


@pytest.mark.parametrize("k", [1, 3, 20])
@pytest.mark.parametrize("draw", FIGURES, ids=lambda draw: draw.__name__)
def test_nothing_is_cut_off_however_long_the_names_are(draw, k):
    assert_inside(draw(everything(k, names=True)))


@pytest.mark.parametrize("k", [2, 20])
def test_nothing_of_the_dendrogram_is_cut_off(k):
    assert_inside(plots.dendrogram(agglomerated(k, names=True)))


def assert_inside(figure):
    FigureCanvasAgg(figure).draw()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= -0.01 and box.y0 >= -0.01
    assert box.x1 <= width + 0.01 and box.y1 <= height + 0.01


def test_dollar_signs_in_names_are_no_formulas():
    # As a formula, this name could not be drawn at all.
    figure = plots.cluster_centers(view_of([0, 1], 2, names=(r"$\frac$", "b")))
    FigureCanvasAgg(figure).draw()
    figure = plots.shares(view_of([0, 1], 2, meters=np.array([r"$\frac$", r"$^$"], object)))
    FigureCanvasAgg(figure).draw()
