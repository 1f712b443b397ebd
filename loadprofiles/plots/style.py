"""How the figures look, and how they are written."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from loadprofiles.plots.view import NOISE
from loadprofiles.tables import atomic_path

_COLORS: Final = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#990033", "#AA66FF", "#88DD77", "#664477",
    "#00DDEE", "#CC11AA", "#4400EE", "#CCCC22", "#995566", "#EE6655", "#771199", "#88BB77", "#CC0011", "#EE00DD",
)  # fmt: skip
"""Six of Okabe & Ito's, which colour-blind readers can tell apart, and each further one the farthest from all before
it, as seen with normal sight and without red, green or blue cones, and neither near black nor near white."""

NOISE_COLOR: Final = "#B8B8B8"

_COLUMNS: Final = 4
_LEAST_WIDTH: Final = 6.8
_TITLE_CHARACTER: Final = 0.09
"""Width of a character of a title, in inches, on the average at least."""


def cluster_color(cluster: int) -> str:
    """The colour a cluster has in every figure; days in no cluster are grey."""
    return NOISE_COLOR if cluster == NOISE else _COLORS[cluster % len(_COLORS)]


def plain(text: str) -> str:
    """Text that matplotlib shows as it is, on one line, instead of reading dollar signs as formulas."""
    return " ".join(text.split()).replace("$", r"\$")


def shortened(text: str, length: int) -> str:
    """Text of at most so many characters, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1].rstrip()}…"


def wrapped(text: str, width: int, lines: int = 2) -> list[str]:
    """Text on at most so many lines; what does not fit is left out, and an ellipsis says so."""
    return textwrap.wrap(text, width, max_lines=lines, placeholder="…", break_on_hyphens=False) or [""]


def day_count(days: int) -> str:
    """A number of days in words."""
    return f"{days:,} day{'' if days == 1 else 's'}"


def decimals(value: float, digits: int) -> str:
    """A number, and zero without a sign."""
    return f"{round(value, digits) + 0.0:.{digits}f}"


def percent(share: float) -> str:
    """A share in percent; a small one is not called nothing."""
    return "<0.1%" if 0 < share < 0.0005 else f"{share:.1%}"


def small_multiples(
    count: int, panel: tuple[float, float], *, titles: float = 0.45, right: float = 0.0, foot: float = 0.55
) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels in rows of four, laid out without measuring any text, which takes most of the time.

    Args:
        count: number of panels.
        panel: width and height of one with its margins, in inches.
        titles: room above each panel for its title, in inches.
        right: room at the right of the figure, in inches.
        foot: room below the panels, in inches.
    """
    columns = min(_COLUMNS, count)
    rows = math.ceil(count / columns)
    left, top, between, above = 0.75, 0.55, 0.45, titles + 0.25
    across = max(panel[0], (_LEAST_WIDTH - left - right) / columns)
    width = left + across * columns + right
    height = top + titles + panel[1] * rows - above + foot
    figure = Figure(figsize=(width, height))
    for place in range(count):
        row, column = divmod(place, columns)
        box = (
            (left + column * across) / width,
            (foot + (rows - 1 - row) * panel[1]) / height,
            (across - between) / width,
            (panel[1] - above) / height,
        )
        figure.add_axes(box)
    return figure, figure.axes


def headline(figure: Figure, text: str, *notes: str) -> None:
    """The figure's title at its upper edge, with its notes on a second line if one is too short for all."""
    width, height = figure.get_size_inches()
    fitting = int(width / _TITLE_CHARACTER)
    whole = "; ".join([text, *notes])
    lines = wrapped(text, fitting, 1) + wrapped("; ".join(notes), fitting, 1)
    if len(whole) <= fitting or not notes:
        lines = wrapped(whole, fitting, 2)
    figure.suptitle("\n".join(plain(line) for line in lines), fontsize=11, y=1 - 0.1 / height, va="top")


def edge_labels(figure: Figure, across: str, up: str) -> None:
    """What the panels' axes are, once for the whole figure."""
    figure.text(0.5, 0.1 / figure.get_figheight(), across, fontsize=9, ha="center", va="bottom")
    figure.text(0.1 / figure.get_figwidth(), 0.5, up, fontsize=9, ha="left", va="center", rotation=90)


def is_lowest(place: int, count: int) -> bool:
    """Whether no panel stands below this one."""
    return place + min(_COLUMNS, count) >= count


def is_leftmost(place: int) -> bool:
    """Whether no panel stands left of this one."""
    return place % _COLUMNS == 0


Scale = tuple[tuple[float, float], Iterable[float]]
"""Limits and ticks of an axis."""


def panel_axes(axis: Axes, place: int, count: int, across: Scale, up: Scale) -> None:
    """Grid and limits of a panel whose scales are those of all panels; numbers stand at the outer panels alone.

    Ticks are what takes matplotlib longest, so inner panels have none.
    """
    (left, right), columns = across
    (low, high), rows = up
    lines = [[(x, low), (x, high)] for x in columns] + [[(left, y), (right, y)] for y in rows]
    axis.add_collection(LineCollection(lines, colors="#808080", linewidths=0.6, alpha=0.3, zorder=0.5), False)
    axis.axhline(0, color="black", lw=0.6, alpha=0.5)
    for side, shown, ticks in (
        (axis.xaxis, is_lowest(place, count), columns),
        (axis.yaxis, is_leftmost(place), rows),
    ):
        side.set_visible(shown)
        if shown:
            side.set_ticks(list(ticks))
            side.set_tick_params(labelsize=9)
    axis.set(xlim=(left, right), ylim=(low, high))


def ticks_within(limits: tuple[float, float]) -> list[float]:
    """Round numbers between two limits, some four of them."""
    return [float(tick) for tick in MaxNLocator(5).tick_values(*limits) if limits[0] <= tick <= limits[1]]


def key(figure: Figure, clusters: Sequence[int], labels: Sequence[str]) -> None:
    """Which colour is which cluster, at the right of the figure."""
    patches = [Patch(facecolor=cluster_color(cluster)) for cluster in clusters]
    figure.legend(
        patches, [plain(label) for label in labels], loc="outside right upper", frameon=False, fontsize=9, borderpad=0
    )


def padded(values: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]", share: float = 0.05) -> tuple[float, float]:
    """Limits of an axis that shows all the values."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    margin = share * float(np.ptp(finite)) or 0.5
    return float(finite.min()) - margin, float(finite.max()) + margin


def save(figure: Figure, path: Path, dpi: int = 100) -> Path:
    """Write a figure as PNG, whole or not at all."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=dpi)
    return path
