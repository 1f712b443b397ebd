"""Models by name; what a model needs is imported where it is asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from loadprofiles.forecasting import local
from loadprofiles.forecasting.design import Context
from loadprofiles.forecasting.panel import Floats, Ints, Panel

Function = Callable[[Panel, Ints, Ints, int], Floats]
"""From a panel, meters and origins, each of shape (queries,), and a horizon to kWh of shape (queries, horizon)."""


class Fitted(Protocol):
    """A fitted model."""

    def forecast(self, panel: Panel, meters: Ints, origins: Ints, horizon: int) -> Floats:
        """Energies in kWh, shape (queries, horizon); NaN where the past tells nothing."""

    def save(self, folder: Path) -> None:
        """Write the model in its own format."""


class Learner(Protocol):
    """The module of a model that learns."""

    def fit(self, panel: Panel, context: Context, horizon: int, stride: int, seed: int, threads: int) -> Fitted | None:
        """Fit to all that a panel knows; None where there is nothing to learn from."""

    def load(self, folder: Path, context: Context) -> Fitted:
        """A model that `save` has written."""


def forecaster(name: str) -> Function:
    """A model that does not learn."""
    from loadprofiles.forecasting import statistical

    functions: dict[str, Function] = {
        "seasonal_naive": local.seasonal_naive_week,
        "seasonal_naive_24h": local.seasonal_naive_day,
        "profile": local.profile,
        "mstl": statistical.mstl,
        "ets": statistical.ets,
    }
    return functions[name]


def learner(name: str) -> Learner:
    """A model that learns."""
    if name == "lstm":
        from loadprofiles.forecasting import recurrent

        return recurrent
    from loadprofiles.forecasting import boosting

    return boosting
