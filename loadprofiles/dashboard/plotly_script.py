"""Plotly's script as the dashboard serves it: with the kinds of traces that its charts are drawn with, and no more."""

import re
from functools import cache
from typing import Final

from plotly.offline import get_plotlyjs

_TRACES: Final = re.compile(r"(\.register\(\[)((?:[\w$]+\(\),){9,}[\w$]+\(\))(\]\))")
"""Where plotly makes all its kinds of traces, maps and 3D among them, before it draws the first line."""

_MADE: Final = {0: "bar", 2: "heatmap"}
"""Places in that list of what the charts need; lines are part of plotly's core."""


@cache
def plotly_script() -> bytes:
    """The script: to make the other forty kinds of traces takes a browser longer than to draw a page's charts.

    Returns:
        Plotly's script, of which the list is shortened; as it is where a version of plotly has no such list.
    """
    return _TRACES.sub(lambda found: found[1] + _needed(found[2]) + found[3], get_plotlyjs(), count=1).encode()


def _needed(made: str) -> str:
    kinds = made.split(",")
    return ",".join(kinds[place] for place in _MADE)
