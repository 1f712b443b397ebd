"""Models that know one meter only, and learn nothing: the baselines."""

import warnings

import numpy as np

from loadprofiles.forecasting.kernels import cut_past
from loadprofiles.forecasting.panel import Floats, Ints, Panel

_WEEKS = 8
_DAYS = 28


def seasonal_naive(panel: Panel, meters: Ints, origins: Ints, horizon: int, season: int) -> Floats:
    """The last known energy one or more whole seasons before, shape (queries, horizon).

    Args:
        panel: The energies; those from an origin on are not looked at.
        meters: Shape (queries,), positions in the panel.
        origins: Shape (queries,).
        horizon: Steps ahead.
        season: Steps of a season.
    """
    seasons = _last_seasons(panel, meters, origins, horizon, season, _WEEKS)
    first = (~np.isnan(seasons)).argmax(axis=-1)
    return np.take_along_axis(seasons, first[..., np.newaxis], axis=-1)[..., 0]


def seasonal_naive_week(panel: Panel, meters: Ints, origins: Ints, horizon: int) -> Floats:
    """The energy of the same weekday and time, a week before."""
    return seasonal_naive(panel, meters, origins, horizon, panel.grid.week_steps)


def seasonal_naive_day(panel: Panel, meters: Ints, origins: Ints, horizon: int) -> Floats:
    """The energy of the same time, a day before."""
    return seasonal_naive(panel, meters, origins, horizon, panel.grid.day_steps)


def profile(panel: Panel, meters: Ints, origins: Ints, horizon: int) -> Floats:
    """The median of the same weekday and time over 8 weeks; where none is known, of the same time over 28 days."""
    grid = panel.grid
    weeks = _median(_last_seasons(panel, meters, origins, horizon, grid.week_steps, _WEEKS))
    days = _median(_last_seasons(panel, meters, origins, horizon, grid.day_steps, _DAYS))
    return np.where(np.isnan(weeks), days, weeks)


def past_of(panel: Panel, meter: int, origin: int, steps: int) -> Floats:
    """The last steps of a meter before an origin, outages as NaN."""
    return cut_past(panel.energy_kwh[meter], int(origin), steps, panel.grid.silent_steps)


def _last_seasons(panel: Panel, meters: Ints, origins: Ints, horizon: int, season: int, count: int) -> Floats:
    """The energies of the last `count` seasons at each step ahead, the latest first: (queries, horizon, count)."""
    ahead = np.arange(horizon)
    back = season * (ahead // season + 1)[:, np.newaxis] + season * np.arange(count)
    length = int(back.max())
    places = length + ahead[:, np.newaxis] - back
    seasons = np.empty((len(meters), horizon, count))
    for query, (meter, origin) in enumerate(zip(meters, origins, strict=True)):
        seasons[query] = past_of(panel, meter, origin, length)[places]
    return seasons


def _median(values: Floats) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where all are NaN, so is the median
        medians: Floats = np.nanmedian(values, axis=-1)
    return medians
