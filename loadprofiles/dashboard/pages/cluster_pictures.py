"""Pictures of profiles side by side: cheaper than charts of a dozen clusters, and sharp in print.

Text stands outside of them, where the style sheet colours it.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

import numpy as np
from dash import dcc, html
from dash.development.base_component import Component

from loadprofiles.dashboard.clusters import Floats
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.sentences import cluster_name
from loadprofiles.plots import cluster_color
from loadprofiles.representatives import NO_CLUSTER

INNER: Final = 0.4
OUTER: Final = 0.18
"""How much of a cluster's colour covers what lies behind it, in the bands of half and of most of its days."""

_GREY: Final = "#808080"
_WIDTH, _HEIGHT = 240, 100
_HOURS: Final = "00 06 12 18 24"
_DAY_MINUTES: Final = 1440
_UNQUOTED: Final = " /:=',;<>()"
"""What a browser reads in an image's address as it stands; the text is a third shorter so."""


def numbered(context: Context, names: Mapping[int, str], cluster: int) -> str:
    """A cluster's number and name, as every figure gives them."""
    if cluster == NO_CLUSTER:
        return context.say("in no cluster")
    return f"{cluster} · {cluster_name(names.get(cluster, ''), context.language)}"


def mark(cluster: int) -> dict[str, Any]:
    """Properties of a component that give it the cluster's colour before its text.

    The style sheet draws it: each component more makes the page slower.
    """
    return {"className": "cluster", "style": {"--mark": cluster_color(cluster)}}


def cluster_link(context: Context, names: Mapping[int, str], cluster: int) -> Component:
    """A cluster's name behind its colour, which leads to who is in it."""
    href = context.view.link(cluster=cluster, sort="", down=False, sheet=1)
    return dcc.Link(numbered(context, names, cluster), href=href, **mark(cluster))


def key(context: Context, names: Mapping[int, str], clusters: Collection[int]) -> Component:
    """Which colour is which cluster."""
    items = [html.Li(cluster_link(context, names, cluster)) for cluster in clusters]
    return html.Ul(items, className="key", **{"aria-label": context.say("Colours of the clusters")})


@dataclass(frozen=True, eq=False)
class Line:
    """A profile in a picture.

    Attributes:
        values: Shape (steps,), the first at midnight.
        color: Of the line.
        is_dashed: Whether it is that of something to compare with.
    """

    values: Floats
    color: str
    is_dashed: bool = False


def picture(
    lines: Sequence[Line], limits: tuple[float, float], told: str, bands: Floats | None = None
) -> list[Component]:
    """Profiles without numbers, to be looked at beside others of the same scale, over the hours of the day.

    Args:
        lines: The profiles; the first gives the bands their colour.
        limits: The lowest and the highest value of the scale.
        told: What it shows, for those who cannot see it.
        bands: Edges of two bands, the outer ones first and last, shape (4, steps); NaN: not known.
    """
    zero = _heights(np.zeros(1), limits)[0]
    shapes = [f"<path d='M0 {zero}H{_WIDTH}' stroke='{_GREY}' stroke-opacity='.5'/>"]
    shapes += [f"<path d='M{x} 0V{_HEIGHT}' stroke='{_GREY}' stroke-opacity='.2'/>" for x in range(60, _WIDTH, 60)]
    if bands is not None and np.isfinite(bands).all():
        for low, high, shown in ((bands[0], bands[3], OUTER), (bands[1], bands[2], INNER)):
            around = f"{_path(low, limits)}L{_path(high, limits, backwards=True)[1:]}Z"
            shapes.append(f"<path d='{around}' fill='{lines[0].color}' fill-opacity='{shown}'/>")
    for line in lines:
        dashes = " stroke-dasharray='5 4'" if line.is_dashed else ""
        stroke = f"stroke='{line.color}' stroke-width='2' vector-effect='non-scaling-stroke'{dashes}"
        shapes.append(f"<path d='{_path(line.values, limits)}' fill='none' {stroke}/>")
    drawn = (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {_HEIGHT}' preserveAspectRatio='none'>"
        f"{''.join(shapes)}</svg>"
    )
    hours = html.Div(_HOURS, className="hours", **{"aria-hidden": "true"})
    return [html.Img(src=f"data:image/svg+xml,{quote(drawn, safe=_UNQUOTED)}", alt=told, className="profile"), hours]


def _path(values: Floats, limits: tuple[float, float], *, backwards: bool = False) -> str:
    across = np.arange(len(values)) * _WIDTH / len(values)
    points = [f"{x:g} {y:g}" for x, y in zip(across.tolist(), _heights(values, limits), strict=True)]
    return "M" + "L".join(reversed(points) if backwards else points)


def _heights(values: Floats, limits: tuple[float, float]) -> list[float]:
    low, high = limits
    heights: list[float] = np.round(_HEIGHT - 2 - (values - low) / ((high - low) or 1.0) * (_HEIGHT - 4), 1).tolist()
    return heights


def limits_of(*values: Floats | None) -> tuple[float, float]:
    """The scale that has room for all values, and for zero."""
    known = np.concatenate([[0.0], *(np.ravel(part) for part in values if part is not None)])
    return float(np.nanmin(known)), float(np.nanmax(known))


def panel(heading: Component | str, note: str, drawn: Sequence[Component], color: int | None = None) -> Component:
    """A picture below what it is of; with a cluster's number, behind its colour."""
    head = html.H3(heading, **({} if color is None else mark(color)))
    return html.Div([head, html.P(note, className="note"), *drawn], className="panel")


def told_profile(context: Context, name: str, values: Floats) -> str:
    """When a profile is highest and lowest, in words."""
    return context.say(
        "{name}: highest at {high}, lowest at {low}.",
        name=name,
        high=clock(int(np.argmax(values)), len(values)),
        low=clock(int(np.argmin(values)), len(values)),
    )


def clock(place: int, steps: int) -> str:
    """When a step of the day begins."""
    minutes = place * _DAY_MINUTES // steps
    return f"{minutes // 60:02d}:{minutes % 60:02d}"
