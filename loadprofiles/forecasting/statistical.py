"""MSTL and exponential smoothing of one meter, by statsforecast."""

from collections.abc import Callable
from typing import Any

import numpy as np

from loadprofiles.forecasting.local import past_of
from loadprofiles.forecasting.panel import Floats, Ints, Panel

_WEEKS = 8
"""Weeks of the past that are looked at: more take longer, and change little (docs/forecasting.md)."""


def mstl(panel: Panel, meters: Ints, origins: Ints, horizon: int) -> Floats:
    """Seasonal parts of a day and a week by LOESS, what is left by exponential smoothing (Bandara et al. 2021)."""
    from statsforecast.models import MSTL, AutoETS  # takes seconds: only where it is asked for

    grid = panel.grid
    seasons = sorted({season for season in (grid.day_steps, grid.week_steps) if season > 1})
    return _each(panel, meters, origins, horizon, lambda: MSTL(seasons, trend_forecaster=AutoETS(model="ANN")))


def ets(panel: Panel, meters: Ints, origins: Ints, horizon: int) -> Floats:
    """Exponential smoothing with a season of a day (of a week, where a step is a day or more): Hyndman et al. 2008."""
    from statsforecast.models import AutoETS

    grid = panel.grid
    season = grid.day_steps if grid.day_steps > 1 else grid.week_steps
    # smoothing with more seasons than these is not supported
    model = "ANA" if season <= 24 else "ANN"
    return _each(panel, meters, origins, horizon, lambda: AutoETS(season_length=season, model=model))


def _each(panel: Panel, meters: Ints, origins: Ints, horizon: int, make: Callable[[], Any]) -> Floats:
    """A model of its own for each query; NaN where the past is too short for one."""
    forecasts = np.full((len(meters), horizon), np.nan)
    for query, (meter, origin) in enumerate(zip(meters, origins, strict=True)):
        past = _filled_past(panel, int(meter), int(origin))
        if past is not None:
            forecasts[query] = make().forecast(y=past, h=horizon)["mean"]
    return forecasts


def _filled_past(panel: Panel, meter: int, origin: int) -> Floats | None:
    """The last weeks, gaps filled from the week before them; None if two weeks are not there."""
    week = panel.grid.week_steps
    past = past_of(panel, meter, origin, _WEEKS * week)
    known = np.flatnonzero(~np.isnan(past))
    if not len(known):
        return None
    past = past[known[0] :].copy()
    for step in np.flatnonzero(np.isnan(past)):
        past[step] = past[step - week] if step >= week else past[step - 1]
    return past if len(past) >= 2 * week + 1 else None
