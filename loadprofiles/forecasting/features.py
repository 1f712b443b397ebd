"""What is known of a meter at an origin, as numbers relative to its own recent use.

A query is a meter and an origin. Of its energies only those **before the origin** are cut out (`cut_past`), and all
that follows is computed of that cut: nothing later can enter. Lags are counted per step ahead: the last day at the same
time that is known at the origin, the one before it, and so on; so one row serves any horizon.

Energies are told relative to a base and in units of the meter's scale, its mean absolute energy of the last four weeks:
one model then suits a kiosk and a factory. The base is the mean of the same time of the week, and the steps beside it,
over 8 weeks, each told from the level of the day before its own origin, on top of the level of the last day: it knows
the shape of many weeks, and the level of now.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from loadprofiles.forecasting.kernels import (
    DAYS,
    LAG_DAYS,
    LEVEL_DAYS,
    LEVELLED,
    MEDIAN_DAYS,
    MEDIAN_WEEKS,
    NEIGHBOURS,
    RECENT,
    WEEKS,
    Rows32,
    describe_meter,
)
from loadprofiles.forecasting.panel import Floats, Ints, Panel

NAMES: Final = (
    *(f"lag_day_{n}" for n in LAG_DAYS),
    *(f"median_days_{n}" for n in MEDIAN_DAYS),
    *(f"median_weeks_{n}" for n in MEDIAN_WEEKS),
    "median_like_days",
    "mean_days_weighted",
    "spread_days",
    *(f"day_neighbour_{n:+d}" for n in NEIGHBOURS),
    *(f"week_neighbour_{n:+d}" for n in NEIGHBOURS),
    *(f"weeks_levelled_by_days_{n}" for n in LEVELLED),
    *(f"weeks_levelled_around_by_days_{n}" for n in LEVELLED),
    *(f"days_levelled_by_days_{n}" for n in LEVELLED),
    "base",
    "residual_same_time",
    *(f"residual_last_{n}" for n in RECENT),
    *(f"level_days_{n}" for n in LEVEL_DAYS),
    "residual_day",
    "residual_week",
    "steps_ahead",
    "log_scale",
)
"""What a row tells of a meter's past, in this order."""


@dataclass(frozen=True, eq=False)
class Rows:
    """A row for each query and step ahead.

    Attributes:
        features: Shape (queries, horizon, `NAMES`), NaN where not known.
        base_kwh: Shape (queries, horizon); NaN where the past tells nothing.
        scale_kwh: Shape (queries,); NaN or 0 where there is none.
    """

    features: Rows32
    base_kwh: Floats
    scale_kwh: Floats

    def to_kwh(self, relative: npt.NDArray[np.floating]) -> Floats:
        """Numbers relative to base and scale, shape (queries, horizon), as energies."""
        energies: Floats = self.base_kwh + relative * self.scale_kwh[:, np.newaxis]
        return energies

    def to_relative(self, energy_kwh: Floats) -> Floats:
        """Energies, shape (queries, horizon), relative to base and scale; NaN where there is no scale."""
        with np.errstate(divide="ignore", invalid="ignore"):
            relative: Floats = (energy_kwh - self.base_kwh) / self.scale_kwh[:, np.newaxis]
        return np.where(np.isfinite(relative), relative, np.nan)


def past_steps(week_steps: int, day_steps: int, horizon: int) -> int:
    """Steps before an origin that a description looks at."""
    return (WEEKS + 1) * week_steps + DAYS * day_steps + horizon


def describe(panel: Panel, meters: Ints, origins: Ints, horizon: int) -> Rows:
    """What is known at origins.

    Args:
        panel: The energies; those from an origin on are not looked at for it.
        meters: Shape (queries,), positions in the panel.
        origins: Shape (queries,), the first step to be forecast, up to one past the panel's end.
        horizon: Steps ahead.
    """
    grid = panel.grid
    features = np.empty((len(meters), horizon, len(NAMES)), np.float32)
    base, scale = np.empty((len(meters), horizon)), np.empty(len(meters))
    meters, origins = np.asarray(meters, np.int64), np.asarray(origins, np.int64)
    length = past_steps(grid.week_steps, grid.day_steps, horizon)
    # a meter at a time: rows of a panel that is cut short, or lies in a file, need no copy
    for meter in np.unique(meters):
        queries = np.flatnonzero(meters == meter)
        lengths = (length, grid.silent_steps, grid.day_steps, grid.week_steps, grid.first_day)
        describe_meter(panel.energy_kwh[meter], queries, origins, *lengths, features, base, scale)
    return Rows(features, base, scale)
