import numpy as np
import pandas as pd
import pytest

from loadprofiles import plots

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(("k", "steps"), [(2, 24), (5, 96), (20, 24)])
def test_every_cluster_has_a_panel_with_its_name_size_and_representative(k, steps):
    profiles = RANDOM.uniform(0, 1, (60, steps))
    labels = np.arange(60) % k
    representatives = np.array([profiles[labels == c].mean(axis=0) for c in range(k)])
    names = [f"name {c}" for c in range(k)]
    figure = plots.cluster_centers(profiles, labels, representatives, names, "centroid")
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [axis.get_title() for axis in shown] == [f"{c} · name {c}\n{(labels == c).sum()} days" for c in range(k)]
    for cluster, axis in enumerate(shown):
        drawn = axis.lines[0].get_xydata()
        np.testing.assert_allclose(drawn[:, 1], representatives[cluster])
        np.testing.assert_allclose(drawn[:, 0], np.arange(steps) * 24 / steps)


def test_sizes_add_up_and_every_cluster_has_a_colour_of_its_own():
    labels = np.repeat([0, 1, 2], [5, 3, 2])
    figure = plots.cluster_sizes(labels, ["a", "b", "c"])
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["0 · a: 5 days, 50.0%", "1 · b: 3 days, 30.0%", "2 · c: 2 days, 20.0%"]
    assert len({plots.cluster_color(c) for c in range(20)}) == 20


def test_the_chosen_number_is_marked_on_the_curve():
    figure = plots.k_curve(pd.DataFrame({"k": [2, 3, 4], "silhouette": [0.1, 0.5, 0.3]}), 3)
    assert figure.axes[0].lines[1].get_xdata()[0] == 3


def test_pictures_are_written_whole(tmp_path):
    figure = plots.k_curve(pd.DataFrame({"k": [2, 3], "silhouette": [0.1, 0.5]}), 3)
    path = plots.save(figure, tmp_path / "k.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["k.png"]
