"""What is forecast for a meter whose past no model can use: stated, never a crash or silence."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadprofiles.forecasting.kernels import cut_past
from loadprofiles.forecasting.panel import Floats, Grid, Ints, Panel

NONE = ""
NO_PAST = "no past"
SHORT = "short past"
ZERO = "all zero"
LEVEL = "new level"

WORDS = {
    NO_PAST: "fewer known steps than a day has: the mean of those there are",
    SHORT: "fewer than 14 known days: the mean of the same time of day",
    ZERO: "nothing used in 28 days: zero",
    LEVEL: "the last two days are beyond 3 times, or below a third of, the same weekdays of the 4 weeks before: "
    "their mean by time of day",
}
"""Each reason, and what is forecast instead."""

SHORT_DAYS = 14
_DAYS = 28
_PAST_DAYS = 56
_LEVEL_DAYS = 2
_LEVEL_FACTOR = 3.0


@dataclass(frozen=True, eq=False)
class Fallbacks:
    """For each query why no model is asked, or `NONE`, and what is forecast then, shape (queries, horizon)."""

    reasons: npt.NDArray[np.object_]
    forecasts_kwh: Floats

    def applied_to(self, forecasts_kwh: Floats) -> Floats:
        """A model's forecasts, shape (queries, horizon), with those replaced that have a reason, or are not there."""
        replaced = (self.reasons != NONE)[:, np.newaxis] | ~np.isfinite(forecasts_kwh)
        return np.where(replaced, self.forecasts_kwh, forecasts_kwh)


def find_fallbacks(panel: Panel, meters: Ints, origins: Ints, horizon: int) -> Fallbacks:
    """Judge the past of each query; nothing from its origin on is looked at.

    Args:
        panel: The energies.
        meters: Shape (queries,), positions in the panel.
        origins: Shape (queries,).
        horizon: Steps ahead.
    """
    reasons = np.full(len(meters), NONE, dtype=object)
    forecasts = np.empty((len(meters), horizon))
    for query, (meter, origin) in enumerate(zip(meters, origins, strict=True)):
        # zeros are zeros here: that there is nothing else is what is asked
        past = cut_past(panel.energy_kwh[meter], int(origin), panel.grid.steps_in(_PAST_DAYS), _PAST_DAYS * 1440)
        reasons[query] = _reason(past, panel.grid)
        forecasts[query] = _forecast(past, reasons[query], panel.grid, horizon)
    return Fallbacks(reasons, forecasts)


def _reason(past: Floats, grid: Grid) -> str:
    known = past[~np.isnan(past)]
    if len(known) < grid.steps_in(1):
        return NO_PAST
    recent = past[-grid.steps_in(_DAYS) :]
    recent = recent[~np.isnan(recent)]
    # of which nothing is known is not what nothing was used in
    if len(recent) and not recent.any():
        return ZERO
    if len(known) < grid.steps_in(SHORT_DAYS):
        return SHORT
    return LEVEL if _level_changed(past, grid) else NONE


def _level_changed(past: Floats, grid: Grid) -> bool:
    """Judged by the same weekdays and times: a weekend is no new level."""
    size, week = grid.steps_in(_LEVEL_DAYS), grid.week_steps
    weeks = range(week, grid.steps_in(_DAYS) + 1, week)
    recent = np.abs(past[-size:])
    usual = _means(np.abs([past[len(past) - size - back : len(past) - back] for back in weeks]), np.nan)
    both = ~np.isnan(recent) & ~np.isnan(usual)
    now, before = recent[both].sum(), usual[both].sum()
    return bool(now > 0 and before > 0 and not 1 / _LEVEL_FACTOR <= now / before <= _LEVEL_FACTOR)


def _means(rows: Floats, otherwise: float) -> Floats:
    """The mean of each column's known values; another number where none is."""
    known = ~np.isnan(rows)
    counts = known.sum(axis=0)
    means: Floats = np.where(counts > 0, np.where(known, rows, 0).sum(axis=0) / np.maximum(counts, 1), otherwise)
    return means


def _forecast(past: Floats, reason: str, grid: Grid, horizon: int) -> Floats:
    if reason == ZERO:
        return np.zeros(horizon)
    days = past[-grid.steps_in(_LEVEL_DAYS) :] if reason == LEVEL else past
    known = days[~np.isnan(days)]
    mean = float(known.mean()) if len(known) else np.nan
    if reason == NO_PAST:
        return np.full(horizon, mean)
    # back from the origin, so that the first column is that of the first step ahead
    whole = days[len(days) % grid.day_steps :].reshape(-1, grid.day_steps)
    shape = _means(whole, mean)
    return shape[np.arange(horizon) % grid.day_steps]
