"""Several models' forecasts as one: each weighs what its errors so far were worth.

A model's weight for a meter is a power of its mean absolute error over the last 28 days, of forecasts that are known to
be right or wrong at the origin; so the best one soon counts most, and none is trusted beyond its record. With the
power 20 a model that errs by a twentieth less counts nearly three times as much.
"""

import numpy as np

from loadprofiles.forecasting.panel import Floats, Grid, Ints

WINDOW_DAYS = 28
LEAST_DAYS = 7
_POWER = 20.0


def combine(origins: Ints, points_kwh: Floats, actual_kwh: Floats, grid: Grid) -> Floats:
    """One meter's forecasts by several models as one.

    Args:
        origins: Shape (origins,), ascending.
        points_kwh: Shape (models, origins, horizon); NaN where a model has none.
        actual_kwh: Shape (origins, horizon); NaN where it is not known. Those at and after an origin do not count
            for its weights.
        grid: The steps.

    Returns:
        Shape (origins, horizon).
    """
    out = np.empty(points_kwh.shape[1:])
    for number, origin in enumerate(origins):
        weights = weights_at(int(origin), origins, points_kwh, actual_kwh, grid)
        out[number] = weighted(weights, points_kwh[:, number])
    return out


def weights_at(origin: int, origins: Ints, points_kwh: Floats, actual_kwh: Floats, grid: Grid) -> Floats:
    """The weights of models, shape (models,), by what is known at one origin; the rest as for `combine`."""
    steps = origins[:, np.newaxis] + np.arange(points_kwh.shape[2])
    past = (steps < origin) & (steps >= origin - grid.steps_in(WINDOW_DAYS))
    errors = np.abs(points_kwh[:, past] - actual_kwh[past])
    return weights_of(errors[:, np.isfinite(errors).all(axis=0)], grid)


def weights_of(errors_kwh: Floats, grid: Grid) -> Floats:
    """Weights of models, which add up to 1, from their absolute errors, shape (models, steps)."""
    n_models, n_steps = errors_kwh.shape
    if n_steps < grid.steps_in(LEAST_DAYS):
        return np.full(n_models, 1 / n_models)
    means = errors_kwh.mean(axis=1)
    if means.min() == 0:
        best: Floats = (means == 0) / (means == 0).sum()
        return best
    powers = (means.min() / means) ** _POWER
    weights: Floats = powers / powers.sum()
    return weights


def weighted(weights: Floats, points_kwh: Floats) -> Floats:
    """Forecasts of shape (models, …) as one; a model that has none does not count. NaN where none has one."""
    there = np.isfinite(points_kwh)
    shares = weights.reshape(-1, *[1] * (points_kwh.ndim - 1)) * there
    # where only models that weigh nothing have one, they count alike
    shares = np.where(shares.any(axis=0), shares, there)
    with np.errstate(invalid="ignore"):
        combined: Floats = (np.where(there, points_kwh, 0) * shares).sum(axis=0) / shares.sum(axis=0)
    return combined
