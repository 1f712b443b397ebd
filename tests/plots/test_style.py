from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from loadprofiles import plots
from loadprofiles.plots import style

# Machado, Oliveira & Fernandes 2009, severity 1.
SIGHTS = {
    "normal": np.eye(3),
    "no red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
# Björn Ottosson's Oklab, from linear sRGB.
TO_CONES = [
    [0.41222147, 0.53633254, 0.05144599],
    [0.21190350, 0.68069955, 0.10739696],
    [0.08830246, 0.28171884, 0.62997870],
]
TO_LAB = [
    [0.21045426, 0.79361779, -0.00407205],
    [1.97799850, -2.42859221, 0.45059371],
    [0.02590404, 0.78277177, -0.80867577],
]


def oklab(color: str, sight: str) -> np.ndarray:
    coded = np.array(to_rgb(color))
    linear = np.where(coded <= 0.04045, coded / 12.92, ((coded + 0.055) / 1.055) ** 2.4)
    return np.array(TO_LAB) @ np.cbrt(np.array(TO_CONES) @ np.clip(np.array(SIGHTS[sight]) @ linear, 0, 1))


@pytest.mark.parametrize("sight", SIGHTS)
def test_twenty_colours_can_be_told_apart(sight):
    seen = [oklab(plots.cluster_color(c), sight) for c in [*range(20), plots.NOISE]]
    # 0.02 is just noticeable.
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 0.05


def test_formulas_line_breaks_and_length_are_not_the_names_to_choose():
    assert style.plain("cost $5\nto $6") == r"cost \$5 to \$6"
    assert style.shortened("a  long name", 6) == "a lon…"
    assert style.shortened("a name", 6) == "a name"
    assert style.wrapped("one two three four", 8) == ["one two", "three…"]
    assert style.wrapped("", 8) == [""]


@pytest.mark.parametrize(
    ("share", "words"), [(0.0, "0.0%"), (0.0001, "<0.1%"), (0.0006, "0.1%"), (0.5, "50.0%"), (1.0, "100.0%")]
)
def test_a_small_share_is_not_called_nothing(share, words):
    assert style.percent(share) == words


def test_zero_has_no_sign():
    assert [style.decimals(value, 2) for value in (-0.001, 0.0, -0.25)] == ["0.00", "0.00", "-0.25"]


@pytest.mark.parametrize("count", [1, 2, 4, 5, 20])
def test_panels_stand_inside_the_figure_and_beside_each_other(count):
    _, axes = style.small_multiples(count, (3.4, 2.5))
    boxes = [axis.get_position() for axis in axes]
    assert len(boxes) == count
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= 1 and box.y1 <= 1 for box in boxes)
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    lowest = [place for place in range(count) if style.is_lowest(place, count)]
    assert lowest == list(range(max(0, count - 4), count))


@pytest.mark.parametrize(("width", "title"), [(6, "a title; one; two"), (1, "a title\none; two")])
def test_notes_go_to_a_second_line_where_the_figure_is_narrow(width, title):
    figure = Figure(figsize=(width, 2))
    style.headline(figure, "a title", "one", "two")
    assert figure.get_suptitle() == title


def test_pictures_are_written_whole(tmp_path):
    path = plots.save(Figure(), tmp_path / "k.png")
    assert path.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["k.png"]
