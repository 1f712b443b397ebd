"""Days to be clustered, for tests: a harmonized table of which the clusters are known."""

from pathlib import Path

import numpy as np
import pandas as pd

from loadprofiles.profiles import step_columns

PEAKS = {"A": 4, "B": 12, "C": 20}
"""Each meter's hour of peak."""

NAMES = {"A": "night peak", "B": "midday peak", "C": "evening peak"}
"""Its cluster's name."""


def three_shapes() -> pd.DataFrame:
    """Ten days of each of three meters, an hour a step, no two alike, in kWh."""
    random = np.random.default_rng(1)
    hours = np.arange(24)
    values = [
        np.exp(-((hours - peak) ** 2) / 8) * random.uniform(1, 3) + random.uniform(0, 0.05, 24)
        for peak in PEAKS.values()
        for _ in range(10)
    ]
    table = pd.DataFrame(values, columns=step_columns(60))
    table.insert(0, "id", np.repeat(list(PEAKS), 10))
    table.insert(1, "date", [f"2024-01-{day:02d}" for _ in PEAKS for day in range(1, 11)])
    return table


def energies(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of a harmonized table that are energies."""
    return table.drop(columns=["id", "date"])


def write(table: pd.DataFrame, path: Path) -> Path:
    """Write a harmonized table."""
    table.to_csv(path, index=False)
    return path
