"""Small runs of the forecasting step, for tests."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from loadprofiles.forecasting import step
from loadprofiles.forecasting.engine import Work
from loadprofiles.forecasting.panel import Floats, Panel, make_panel
from loadprofiles.profiles import step_columns
from loadprofiles.step import ServedModel, StepResult
from tests.forecasting.panels import drawn_energy, readings

WEEKS_SERVED = 14
ROUNDS = 8
"""Trees are enough to tell two fits apart."""


def panel_from(tables: Iterable[pd.DataFrame], minutes: int = 60, timezone: str = "UTC") -> Panel:
    """A panel of readings, with the account of each meter."""
    return make_panel(tables, minutes, timezone)


def three_meters(days: int, start: str = "2024-01-01", seed: int = 0) -> list[pd.DataFrame]:
    """Hourly readings of `a`, `b` and `c`."""
    energy = drawn_energy(days, 3, seed=seed)
    return [readings(row, start, meter=name) for name, row in zip("abc", energy, strict=True)]


def run(panel: Panel, workspace: Path, model: str, *, jobs: int = 1, sectors: Any = None, **params: Any) -> StepResult:
    """The step's result on a panel, its files in a new folder `workspace`."""
    workspace.mkdir(parents=True)
    request = step.Request(model=model, **{"backtest_days": 7, **params})
    return step.forecast_panel(panel, sectors or {}, None, request, Work(jobs, "", workspace))


def forecasts_of(result: StepResult) -> pd.DataFrame:
    """The table of forecasts."""
    return pd.read_parquet(result.outputs["forecasts"])


def backtest_of(result: StepResult) -> pd.DataFrame:
    """The table of the backtest."""
    return pd.read_parquet(result.outputs["backtest"])


def model_of(result: StepResult) -> ServedModel:
    """The model that is served: that of the child whose model was chosen."""
    (model,) = [child.model for child in result.children if child.run_name == result.tags["chosen_model"]]
    assert model
    return model


def accounts_of(result: StepResult) -> pd.DataFrame:
    """`meter_accounts.csv`, by meter."""
    (path,) = [path for path in result.files if path.name == "meter_accounts.csv"]
    return pd.read_csv(path, keep_default_na=False, dtype={"meter_id": str}).set_index("meter_id")


def harmonized(days: int, meters: int = 3, start: str = "2024-01-01", seed: int = 0) -> pd.DataFrame:
    """A harmonized table of the same meters as `three_meters`."""
    energy: Floats = drawn_energy(days, meters, seed=seed).reshape(meters * days, 24)
    table = pd.DataFrame(energy, columns=step_columns(60))
    table.insert(0, "id", np.repeat(list("abc")[:meters], days))
    dates = pd.date_range(start, periods=days).strftime("%Y-%m-%d").tolist()
    table.insert(1, "date", dates * meters)
    return table
