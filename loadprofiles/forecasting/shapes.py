"""Clusters of meters by the shape of their days, as a feature: found in what a fit may see, never in what comes after.

The clusters of the clustering step are fitted to all days, those of a backtest among them; a forecast must not know
them. So a model that learns groups the meters' days itself, k-means on l2-normalised profiles as that step does,
and a row tells which group the meter's mean day of the last four weeks is nearest to.
"""

import numpy as np
import numpy.typing as npt

from loadprofiles.forecasting.panel import Floats, Ints, Panel

N_SHAPES = 8
_DAYS = 28
_MAX_DAYS = 4_000
_FEWEST_STEPS = 4


def find_shapes(panel: Panel, seed: int) -> Floats:
    """Representatives of the days of a panel, shape (shapes, steps of a day).

    None are found, shape (0, steps), where a day has fewer than 4 steps, or there are too few days that differ.

    Args:
        panel: What was known when the model is fitted.
        seed: Of the draw of days and of k-means.
    """
    from sklearn.cluster import KMeans  # takes a second, and is not needed where a model is served

    day = panel.grid.day_steps
    n_days = panel.energy_kwh.shape[1] // day
    days = panel.energy_kwh[:, : n_days * day].reshape(-1, day)
    days = _normalised(days[~np.isnan(days).any(axis=1)])
    if day < _FEWEST_STEPS or len(days) < 10 * N_SHAPES:
        return np.empty((0, day))
    rng = np.random.default_rng(seed)
    days = days[np.sort(rng.choice(len(days), min(_MAX_DAYS, len(days)), replace=False))]
    if len(np.unique(days, axis=0)) < N_SHAPES:
        return np.empty((0, day))
    found: Floats = KMeans(N_SHAPES, n_init=1, random_state=seed).fit(days).cluster_centers_
    return found


def nearest_shapes(shapes: Floats, panel: Panel, meters: Ints, origins: Ints) -> npt.NDArray[np.float32]:
    """The shape that each query's mean day is nearest to, shape (queries,); NaN where there is none, or no such day.

    Args:
        shapes: Shape (shapes, steps of a day).
        panel: The energies; nothing from an origin on is looked at.
        meters: Shape (queries,), positions in the panel.
        origins: Shape (queries,).
    """
    out = np.full(len(meters), np.nan, np.float32)
    if not len(shapes) or not len(meters):
        return out
    means = np.array([_mean_day(panel, int(m), int(o)) for m, o in zip(meters, origins, strict=True)])
    known = np.isfinite(means).all(axis=1)
    distances = ((_normalised(means[known])[:, np.newaxis] - shapes) ** 2).sum(axis=2)
    out[known] = distances.argmin(axis=1)
    return out


def _mean_day(panel: Panel, meter: int, origin: int) -> Floats:
    """The mean of each time of day over four weeks, midnight first; NaN where one is not known."""
    day = panel.grid.day_steps
    end = origin // day * day
    past = panel.energy_kwh[meter, max(0, end - _DAYS * day) : end].reshape(-1, day)
    counts = (~np.isnan(past)).sum(axis=0)
    means: Floats = np.where(counts > 0, np.nansum(past, axis=0) / np.maximum(counts, 1), np.nan)
    return means


def _normalised(days: Floats) -> Floats:
    """Days of length 1; days of zeros stay as they are."""
    lengths = np.sqrt((days**2).sum(axis=1, keepdims=True))
    normalised: Floats = days / np.where(lengths > 0, lengths, 1)
    return normalised
