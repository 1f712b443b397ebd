"""Which forecasts are made: of which meter, from which origin, and from a model fitted when.

A meter's last origins whose whole horizon is known are its backtest, those before them calibrate its bands, and one
origin at the end of its readings looks into the future.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadprofiles.errors import EmptyResultError, ParameterError
from loadprofiles.forecasting.panel import Grid, Ints, Panel
from loadprofiles.quality import MINUTES_A_DAY

CALIBRATION, BACKTEST, FINAL = 0, 1, 2
"""What an origin is for."""

CALIBRATION_DAYS = 56
"""Days before the backtest whose errors make its first bands, and choose the model of `auto`."""

_REFIT_DAYS = {CALIBRATION: 28, BACKTEST: 7, FINAL: 7}
"""A model that learns is fitted anew after so many days: weekly, where its errors are told."""


@dataclass(frozen=True)
class Horizon:
    """How far ahead a forecast looks, and how often one is issued, in steps."""

    steps: int
    stride: int


@dataclass(frozen=True, eq=False)
class Queries:
    """Forecasts to be made, by meter and origin; all arrays of shape (queries,).

    Attributes:
        meters: Positions in the panel.
        origins: First step of each forecast.
        roles: What each is for.
        fits: The step before which its model was fitted; not after its origin.
    """

    meters: Ints
    origins: Ints
    roles: Ints
    fits: Ints

    def __len__(self) -> int:
        return len(self.meters)

    def take(self, chosen: npt.NDArray[np.generic]) -> "Queries":
        """Some of them, by a mask or by positions."""
        return Queries(self.meters[chosen], self.origins[chosen], self.roles[chosen], self.fits[chosen])

    @property
    def last_fit(self) -> int:
        """The step of the latest fit: that of the model to be served."""
        return int(self.fits.max())


def make_horizon(hours: float, grid: Grid) -> Horizon:
    """A horizon in hours as steps of a grid: at least one, issued daily, or as often as it takes where it is shorter.

    Raises:
        ParameterError: The hours are no multiple of the frequency, or of a day where they are more than that.
    """
    minutes = max(round(hours * 60), grid.frequency_minutes)
    if minutes % grid.frequency_minutes:
        raise ParameterError(
            f"horizon {hours:g} is no multiple of the frequency of {grid.frequency_minutes} minutes; "
            "take hours that are"
        )
    day = max(MINUTES_A_DAY, grid.frequency_minutes)
    if minutes % day if minutes > day else day % minutes:
        raise ParameterError(f"horizon {hours:g} must be a part of a day, or whole days, in hours")
    return Horizon(minutes // grid.frequency_minutes, min(minutes, day) // grid.frequency_minutes)


def plan(panel: Panel, horizon: Horizon, backtest_days: int) -> Queries:
    """The origins of all meters that have a known step.

    Args:
        panel: The energies.
        horizon: Of the forecasts.
        backtest_days: Days of backtest, counted in days whose every step is known.

    Returns:
        Queries sorted by meter and origin, the last of each meter its FINAL.

    Raises:
        EmptyResultError: No step of any meter is known.
    """
    if not panel.ends.any():
        raise EmptyResultError(
            f"no meter has a whole step of {panel.grid.frequency_minutes} minutes; take a finer frequency, or more days"
        )
    per_day = panel.grid.day_steps // horizon.stride if panel.grid.day_steps > horizon.stride else 1
    step_days = max(1, panel.grid.frequency_minutes // MINUTES_A_DAY)
    n_backtest = -(-backtest_days * per_day // step_days)
    n_calibration = -(-CALIBRATION_DAYS * per_day // step_days)
    # a step that the clock skips has nothing to be known of
    known = ~np.isnan(panel.energy_kwh) | (panel.grid.lengths == 0)
    meters, origins, roles = [], [], []
    for meter in np.flatnonzero(panel.ends):
        own = _origins(known[meter], int(panel.ends[meter]), horizon, n_backtest, n_calibration)
        for role, steps in own.items():
            meters.append(np.full(len(steps), meter))
            origins.append(steps)
            roles.append(np.full(len(steps), role))
    parts = [np.concatenate(part).astype(np.int64) for part in (meters, origins, roles)]
    return _with_fits(parts[0], parts[1], parts[2], panel.grid)


def final_origin(end: int, horizon: Horizon) -> int:
    """The first origin that has all readings of a meter, whose last known step is before `end`, behind it."""
    return -(-end // horizon.stride) * horizon.stride


def _origins(
    known: npt.NDArray[np.bool_], end: int, horizon: Horizon, n_backtest: int, n_calibration: int
) -> dict[int, Ints]:
    """The origins of one meter, by role."""
    final = final_origin(end, horizon)
    every = np.arange(horizon.stride, final, horizon.stride)
    padded = np.append(known, np.zeros(horizon.steps, dtype=np.bool_))
    whole = np.asarray(np.lib.stride_tricks.sliding_window_view(padded, horizon.steps).all(axis=1))
    complete = every[whole[every]]
    backtest = complete[len(complete) - min(n_backtest, len(complete)) :]
    first = backtest[0] if len(backtest) else final
    earlier = every[every < first]
    return {
        CALIBRATION: earlier[max(0, len(earlier) - n_calibration) :],
        BACKTEST: backtest,
        FINAL: np.array([final]),
    }


def _with_fits(meters: Ints, origins: Ints, roles: Ints, grid: Grid) -> Queries:
    """With the last fit before each origin; the newest forecasts get one of their own."""
    day = grid.first_day + origins * grid.frequency_minutes // MINUTES_A_DAY
    every = np.array([_REFIT_DAYS[role] for role in (CALIBRATION, BACKTEST, FINAL)])[roles]
    # counted from a fixed Monday: the same fits serve meters that end on different days
    fit_day = np.maximum(day - (day + 3) % every, grid.first_day)
    fits = -((grid.first_day - fit_day) * MINUTES_A_DAY // grid.frequency_minutes)
    newest = (roles == FINAL) & (origins == origins[roles == FINAL].max())
    return Queries(meters, origins, roles, np.where(newest, origins, fits))
