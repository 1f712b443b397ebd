import io
from types import SimpleNamespace

import numpy as np
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure
from PIL import Image

from loadprofiles.plots.inline import show_small, small_png
from loadprofiles.plots.style import cluster_color


def figure():
    drawn = Figure(figsize=(4, 3))
    axis = drawn.subplots()
    for cluster in range(8):
        axis.fill_between([0, 1], cluster, cluster + 1, color=cluster_color(cluster), alpha=0.2)
        axis.plot([0, 1], [cluster, cluster + 0.5], color=cluster_color(cluster))
    return drawn


def full_png():
    stream = io.BytesIO()
    figure().savefig(stream, dpi=72, bbox_inches="tight")
    return stream.getvalue()


def test_a_small_picture_looks_as_the_large_one():
    small, full = (Image.open(io.BytesIO(data)) for data in (small_png(figure(), 72), full_png()))
    assert small.size == full.size
    difference = np.asarray(small.convert("RGB"), int) - np.asarray(full.convert("RGB"), int)
    assert np.abs(difference).max() < 24


def test_a_small_picture_takes_less_than_half():
    assert len(small_png(figure(), 72)) < len(full_png()) / 2


def test_a_notebook_shows_figures_small(monkeypatch):
    formatter = DisplayFormatter()
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(display_formatter=formatter))
    show_small(dpi=40)
    shown, _ = formatter.format(figure())
    assert shown["image/png"] == small_png(figure(), 40)


def test_without_a_notebook_nothing_happens():
    show_small()
