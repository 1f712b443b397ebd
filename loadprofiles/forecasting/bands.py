"""Bands around forecasts, from a meter's own past errors: rolling split conformal prediction that adapts.

A meter's errors of the last 56 days, by part of the day, in units of its expected size, give the quantiles (Vovk et al.
2005; Stankevičiūtė et al. 2021 for horizons). Their levels are moved, day by day, by how often the quantiles were right
so far (adaptive conformal inference: Gibbs & Candès 2021, arXiv 2106.00170), so that a band keeps its promise when a
meter changes. An error counts from the moment at which it is known: what an origin does not know yet is not used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.stats import norm

from loadprofiles.forecasting.measures import LEVELS
from loadprofiles.forecasting.panel import Floats, Grid, Ints

WINDOW_DAYS = 56
LEAST_DAYS = 14
GROUPS = 4
"""Parts of a day that have errors of their own: nights are quieter than mornings."""

_RATE = 0.05
_FLOOR = 0.05
_LEAST_POOLED = 100
_LEVELS_WITHIN = (0.002, 0.998)
_MIDDLE = LEVELS.index(0.5)


@dataclass(frozen=True, eq=False)
class Errors:
    """Forecasts of many origins and what became of them.

    Attributes:
        origins: Shape (origins,), of one meter ascending.
        points_kwh: Shape (origins, horizon).
        actual_kwh: The same; NaN where it is not known.
        scale_kwh: Shape (origins,), the meter's mean use as known at each origin.
    """

    origins: Ints
    points_kwh: Floats
    actual_kwh: Floats
    scale_kwh: Floats

    @cached_property
    def sizes_kwh(self) -> Floats:
        """How large an error is to be expected, up to a factor: see `expected_size`."""
        return expected_size(self.points_kwh, self.scale_kwh)

    @cached_property
    def relative(self) -> Floats:
        """Errors in expected sizes, shape (origins, horizon); NaN where they are not known."""
        with np.errstate(divide="ignore", invalid="ignore"):
            relative = (self.actual_kwh - self.points_kwh) / self.sizes_kwh
        return np.where(np.isfinite(relative), relative, np.nan)

    @cached_property
    def steps(self) -> Ints:
        """The step of each forecast, shape (origins, horizon)."""
        steps: Ints = self.origins[:, np.newaxis] + np.arange(self.points_kwh.shape[1])
        return steps


@dataclass(frozen=True)
class Rhythm:
    """How steps lie in the day, and how often a forecast is issued.

    Attributes:
        grid: The steps.
        stride: Steps between origins.
    """

    grid: Grid
    stride: int

    @property
    def groups(self) -> int:
        """Parts of the day that are told apart."""
        return min(GROUPS, self.grid.day_steps)

    def group_of(self, steps: Ints) -> Ints:
        """The part of the day of each step."""
        groups: Ints = steps % self.grid.day_steps * self.groups // self.grid.day_steps
        return groups

    @property
    def rate(self) -> float:
        """How far the levels move by one forecast: as far in a day, however many it has."""
        return _RATE * min(1.0, self.stride / self.grid.steps_in(1))


def expected_size(points_kwh: Floats, scale_kwh: Floats) -> Floats:
    """The geometric mean of a forecast's size and the meter's: errors grow with both. Shape (origins, horizon)."""
    scale = scale_kwh[:, np.newaxis]
    sizes: Floats = np.sqrt(np.maximum(np.abs(points_kwh), _FLOOR * scale) * scale)
    return sizes


class Calibrator:
    """Goes through a meter's origins in order, and gives each the quantiles that its past errors ask for."""

    def __init__(self, errors: Errors, rhythm: Rhythm, pools: Sequence[Floats]) -> None:
        """Take up a meter.

        Args:
            errors: Its forecasts and actuals.
            rhythm: How its steps lie in the day.
            pools: For each origin relative quantiles, shape (groups, levels), to be taken as long as the meter has
                too few errors of its own.
        """
        self._errors, self._rhythm, self._pools = errors, rhythm, pools
        self._groups = rhythm.group_of(errors.steps)
        self._shift = np.zeros(len(LEVELS))
        self._taken_up = 0
        self.last_relative = np.zeros((rhythm.groups, len(LEVELS)))

    def quantiles(self) -> Floats:
        """Quantiles in kWh for every origin, shape (origins, horizon, levels), none crossing another.

        Those relative to the last origin's forecast are kept in `last_relative`.
        """
        errors = self._errors
        out = np.empty((*errors.steps.shape, len(LEVELS)))
        for number, origin in enumerate(errors.origins):
            self._take_up(int(origin), out)
            self.last_relative = self._relative_quantiles(int(origin), self._pools[number])
            relative = self.last_relative[self._groups[number]]
            sizes = np.nan_to_num(errors.sizes_kwh[number, :, np.newaxis])
            out[number] = errors.points_kwh[number, :, np.newaxis] + relative * sizes
        return out

    def _relative_quantiles(self, origin: int, pool: Floats) -> Floats:
        """Shape (groups, levels): what is to be added to a forecast, in expected sizes, as known at an origin."""
        steps, relative = self._errors.steps, self._errors.relative
        first = origin - self._rhythm.grid.steps_in(WINDOW_DAYS)
        known = (steps < origin) & (steps >= first) & ~np.isnan(relative)
        levels = np.clip(np.array(LEVELS) + self._shift, *_LEVELS_WITHIN)
        out = pool.copy()
        for group in range(self._rhythm.groups):
            own = relative[known & (self._groups == group)]
            if len(own) >= max(LEAST_DAYS, self._rhythm.grid.steps_in(LEAST_DAYS) // self._rhythm.groups):
                out[group] = np.quantile(own, levels)
        return around_zero(out)

    def _take_up(self, origin: int, quantiles: Floats) -> None:
        """Move the levels by the forecasts of which all is known by now."""
        origins, horizon = self._errors.origins, self._errors.steps.shape[1]
        first_own = origins[0] + self._rhythm.grid.steps_in(LEAST_DAYS)
        while self._taken_up < len(origins) and origins[self._taken_up] + horizon <= origin:
            actual = self._errors.actual_kwh[self._taken_up]
            known = ~np.isnan(actual)
            if known.any() and origins[self._taken_up] >= first_own:
                below = (actual[known, np.newaxis] <= quantiles[self._taken_up][known]).mean(axis=0)
                self._shift += self._rhythm.rate * (np.array(LEVELS) - below)
            self._taken_up += 1


def around_zero(relative: Floats) -> Floats:
    """Relative quantiles, shape (…, levels), in order, and on both sides of the forecast, which stays the middle."""
    # each side by itself: the middle, which is not kept, must not push those of one side to the other
    out = np.zeros_like(relative)
    out[..., :_MIDDLE] = np.sort(np.minimum(relative[..., :_MIDDLE], 0), axis=-1)
    out[..., _MIDDLE + 1 :] = np.sort(np.maximum(relative[..., _MIDDLE + 1 :], 0), axis=-1)
    return out


def pooled_quantiles(errors: Errors, rhythm: Rhythm, origin: int) -> Floats:
    """Relative quantiles of many meters' errors that are known at an origin, shape (groups, levels).

    Where there is none yet, those of a normal distribution as wide as the expected size.
    """
    known = (errors.steps < origin) & ~np.isnan(errors.relative)
    groups = rhythm.group_of(errors.steps)
    out = np.tile(norm.ppf(LEVELS), (rhythm.groups, 1))
    for group in range(rhythm.groups):
        own = errors.relative[known & (groups == group)]
        if len(own) >= _LEAST_POOLED:
            out[group] = np.quantile(own, LEVELS)
    return around_zero(out)
