"""What the dashboard's charts have in common; names get into them through `plots.interactive.label` alone.

Charts are dictionaries as plotly's script takes them: its Python classes check each of their values at each view, which
takes longer than all the rest of a page. The tests have them checked.
"""

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from loadprofiles.plots.interactive import axis

ACTUAL: Final = "#56707F"
EXPECTED: Final = "#0072B2"
BAND: Final = "rgba(0, 114, 178, 0.18)"
ALARM: Final = "#D55E00"
OTHER: Final = "#009E73"
"""Of what was metered, expected, its band, what is suspect, and what it is compared with: seen on white and on dark."""

TICKS: Final = ",~f"
"""Numbers of an axis as they are, not in thousands."""

UPSIDE_DOWN: Final = {"autorange": "reversed", "showgrid": False, "zeroline": False}
"""An axis from the top down."""

_NUMBERS: Final = {"gridcolor": "#e3e7ec", "ticklabelstandoff": 5}
_DECIMALS: Final = 5

_FEWEST_DIGITS: Final = 5
_DIGIT: Final = 7
_BESIDE: Final = 34
_BELOW: Final = 36
_BELOW_TITLED: Final = 56
"""Pixels: the width of a digit, and what is beside and below an axis but for its numbers."""

Trace: TypeAlias = dict[str, Any]
"""One of plotly's traces: its type, and what it has."""

Figure: TypeAlias = dict[str, Any]
"""One of plotly's figures: `data`, its traces, and `layout`."""


def figure(traces: Iterable[Trace], *, x: str = "", y: str = "", legend: bool = False, **layout: Any) -> Figure:
    """A figure without a background of its own, whose texts the style sheet colours.

    Args:
        traces: What it shows.
        x: What the horizontal axis is, with its unit.
        y: What the vertical one is.
        legend: Whether it says which line is which.
        layout: More of plotly's; what an axis or the margin has is added to what it has anyway.
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
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"},
        "xaxis": axis(title={"text": x}, zeroline=False, **_NUMBERS),
        "yaxis": axis(title={"text": y, "standoff": 8}, zerolinecolor="#d5dae0", rangemode="tozero", **_NUMBERS),
    }
    added = {name: shape[name] | given if isinstance(given, dict) else given for name, given in layout.items()}
    return {"data": [_rounded(trace) for trace in traces], "layout": shape | added}


def _rounded(trace: Trace) -> Trace:
    """The trace as it is sent: without the digits that nobody sees, which are most of a page otherwise."""
    numbers = {name: value for name, value in trace.items() if getattr(value, "dtype", None) == np.float64}
    return trace | {name: np.round(value, _DECIMALS) for name, value in numbers.items()}


def over_time(traces: Iterable[Trace], hover: str, **layout: Any) -> Figure:
    """A figure over time, with margins of its own: to measure the numbers beside an axis takes as long as to draw it.

    Args:
        traces: What it shows; `y` are numbers.
        hover: How a moment is told when it is pointed at, as plotly formats it.
        layout: See `figure`.
    """
    shown = list(traces)
    values = np.concatenate([np.empty(0), *(np.asarray(trace["y"], np.float64) for trace in shown)])
    values = values[np.isfinite(values)]
    widest = max((f"{value:,.0f}" for value in (values.min(initial=0), values.max(initial=0))), key=len)
    digits = max(_FEWEST_DIGITS, len(widest))
    margin = {"l": _BESIDE + _DIGIT * digits, "b": _BELOW_TITLED if layout.get("x") else _BELOW}
    x_axis = {"automargin": False, "hoverformat": hover}
    y_axis = {"automargin": False, "tickformat": TICKS} | layout.pop("yaxis", {})
    return figure(shown, margin=margin, xaxis=x_axis, yaxis=y_axis, **layout)


def band(x: npt.ArrayLike, low: npt.ArrayLike, high: npt.ArrayLike, name: str, shape: str = "linear") -> list[Trace]:
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
    shared: Trace = {"type": "scatter", "x": places[rows], "mode": "lines", "line": {"width": 0, "shape": shape}}
    lower, upper = ({**shared, "y": edge, "hoverinfo": "skip"} for edge in edges)
    return [lower | {"showlegend": False}, upper | {"fill": "tonexty", "fillcolor": BAND, "name": name}]
