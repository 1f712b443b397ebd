"""One gradient-boosted model over all meters, day-ahead at once: XGBoost on `design`'s rows.

What it learns is a meter's energy relative to the base of `features`, in units of its scale, by absolute error: what
is typical of a meter is in the base, and the model says what the last days and the calendar make of it. The error is
rounded where it is small (pseudo-Huber loss): XGBoost then needs no median in each leaf, which takes half the time.
"""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xgboost

from loadprofiles.forecasting.design import Context, draw_origins, make_rows, targets
from loadprofiles.forecasting.panel import Floats, Ints, Panel
from loadprofiles.forecasting.shapes import find_shapes

MODEL_FILE = "model.ubj"
SHAPES_FILE = "shapes.npy"

ROUNDS = 300
SETTINGS: dict[str, Any] = {
    "objective": "reg:pseudohubererror",
    "huber_slope": 0.15,
    "tree_method": "hist",
    "max_depth": 8,
    "max_bin": 64,
    "eta": 0.05,
    "min_child_weight": 10,
    "subsample": 0.5,
    "colsample_bytree": 0.5,
}
"""Chosen on the days before the benchmark's test window; see docs/forecasting.md."""

MAX_ROWS = 100_000
"""Rows that are learnt from: more take longer and change little."""

_NOT_IN_NAMES = re.compile(r"[\[\]<]")
_CLIP = 5.0
"""What lies farther from the base, in scales, counts as this far: a fault is not to be learnt."""


@dataclass(frozen=True, eq=False)
class BoostedModel:
    """A fitted model.

    Attributes:
        booster: XGBoost's own.
        context: Of the rows it was fitted to.
    """

    booster: xgboost.Booster
    context: Context

    def forecast(self, panel: Panel, meters: Ints, origins: Ints, horizon: int) -> Floats:
        """Energies in kWh, shape (queries, horizon); NaN where the past tells nothing."""
        rows, description = make_rows(panel, self.context, meters, origins, horizon)
        relative = predict_rows(self.booster, rows)
        return description.to_kwh(relative)

    def save(self, folder: Path) -> None:
        """Write the model in XGBoost's own format."""
        self.booster.save_model(folder / MODEL_FILE)
        np.save(folder / SHAPES_FILE, np.empty((0, 0)) if self.context.shapes is None else self.context.shapes)


def load(folder: Path, context: Context) -> BoostedModel:
    """A model that `BoostedModel.save` has written."""
    shapes = np.load(folder / SHAPES_FILE, allow_pickle=False)
    return BoostedModel(xgboost.Booster(model_file=folder / MODEL_FILE), replace(context, shapes=shapes))


def fit(panel: Panel, context: Context, horizon: int, stride: int, seed: int, threads: int) -> BoostedModel | None:
    """Fit to all that a panel knows.

    Args:
        panel: What was known when the model is fitted, `Panel.before` of a longer one.
        context: What else is known of meters.
        horizon: Steps ahead.
        stride: Steps between origins.
        seed: Of the draw of rows and of the trees.
        threads: How many.

    Returns:
        The model; None where no meter has a past to learn from.
    """
    context = replace(context, shapes=find_shapes(panel, seed))
    rows, relative = training_rows(panel, context, horizon, stride, MAX_ROWS, seed)
    if not len(relative):
        return None
    data = xgboost.QuantileDMatrix(rows, relative, max_bin=SETTINGS["max_bin"], **_columns(context))
    settings = SETTINGS | {"seed": seed, "nthread": threads}
    return BoostedModel(xgboost.train(settings, data, ROUNDS), context)


def training_rows(
    panel: Panel, context: Context, horizon: int, stride: int, max_rows: int, seed: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Rows, and what came of them relative to base and scale, of origins drawn among all of all meters."""
    meters, origins = draw_origins(panel, horizon, stride, max_rows, seed)
    rows, description = make_rows(panel, context, meters, origins, horizon)
    relative = description.to_relative(targets(panel, meters, origins, horizon))
    kept = np.isfinite(relative)
    return rows[kept], np.clip(relative[kept], -_CLIP, _CLIP).astype(np.float32)


def predict_rows(booster: xgboost.Booster, rows: npt.NDArray[np.float32]) -> Floats:
    """What a booster makes of rows of shape (queries, horizon, columns)."""
    flat = rows.reshape(-1, rows.shape[-1])
    if not len(flat):
        return np.empty(rows.shape[:-1])
    return np.asarray(booster.inplace_predict(flat), np.float64).reshape(rows.shape[:-1])


def _columns(context: Context) -> dict[str, Any]:
    kinds = ["c" if context.is_category(name) else "q" for name in context.names]
    # XGBoost takes no brackets, as in the unit of a column of weather
    names = [
        f"{_NOT_IN_NAMES.sub('_', name)}_{n}" if _NOT_IN_NAMES.search(name) else name
        for n, name in enumerate(context.names)
    ]
    return {"feature_names": names, "feature_types": kinds, "enable_categorical": True}
