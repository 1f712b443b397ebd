"""What the dashboard's charts have in common; names get into them through `plots.interactive.label` alone."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from loadprofiles.plots.interactive import axis

ACTUAL: Final = "#56707F"
EXPECTED: Final = "#0072B2"
BAND: Final = "rgba(0, 114, 178, 0.18)"
ALARM: Final = "#D55E00"
OTHER: Final = "#009E73"
"""Of what was metered, expected, its band, what is suspect, and what it is compared with: seen on white and on dark."""

TICKS: Final = ",~f"
"""Numbers of an axis as they are, not in thousands."""

Trace: TypeAlias = Mapping[str, Any]
"""A trace as plotly takes it from a dictionary."""


def figure(traces: Sequence[Any], *, x: str = "", y: str = "", legend: bool = False, **layout: Any) -> go.Figure:
    """A plotly figure without a background of its own, whose texts the style sheet colours.

    Args:
        traces: plotly's.
        x: What the horizontal axis is, with its unit.
        y: What the vertical one is.
        legend: Whether it says which line is which.
        layout: More of plotly's.
    """
    shape: dict[str, Any] = {
        "template": "none",
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 10, "r": 10, "t": 10, "b": 10},
        "font": {"family": "system-ui, Segoe UI, Liberation Sans, Arial, sans-serif", "size": 12},
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": "#ffffff", "font": {"color": "#1b1f24"}},
        "showlegend": legend,
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "xaxis": axis(title={"text": x}, gridcolor="#e3e7ec", zeroline=False),
        "yaxis": axis(title={"text": y}, gridcolor="#e3e7ec", zerolinecolor="#d5dae0", rangemode="tozero"),
    }
    drawn = go.Figure(data=list(traces), layout=shape)
    drawn.update_layout(**layout)
    return drawn


def band(
    x: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, name: str, shape: str = "linear"
) -> list[go.Scatter]:
    """The two traces of a shaded band; gaps in it stay gaps.

    Args:
        x: Where.
        low: The lower edge, NaN where there is none.
        high: The upper one.
        name: What the band is.
        shape: Of its edges, as plotly's lines: `hv` for steps.
    """
    places, lows, highs = np.asarray(x), np.asarray(low, np.float64), np.asarray(high, np.float64)
    known = ~(np.isnan(lows) | np.isnan(highs))
    begins, ends = known & ~np.append(False, known[:-1]), known & ~np.append(known[1:], False)
    # plotly fills across gaps: there the band gets edges that meet
    copies = known.astype(np.int64) + begins + ends
    rows = np.repeat(np.arange(len(known)), copies)
    nth = np.arange(len(rows)) - (np.cumsum(copies) - copies)[rows]
    meets = (begins[rows] & (nth == 0)) | (ends[rows] & (nth == copies[rows] - 1))
    edges = [np.where(meets, (lows + highs)[rows] / 2, edge[rows]) for edge in (lows, highs)]
    shared: dict[str, Any] = {"x": places[rows], "mode": "lines", "line": {"width": 0, "shape": shape}}
    return [
        go.Scatter(y=edges[0], showlegend=False, hoverinfo="skip", **shared),
        go.Scatter(y=edges[1], fill="tonexty", fillcolor=BAND, name=name, hoverinfo="skip", **shared),
    ]
