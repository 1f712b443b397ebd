"""Panels for tests: tiny ones as written, longer ones drawn."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles.forecasting.panel import Floats, Grid, Panel

MONDAY = "2024-01-01"


def days_since_1970(day: str) -> int:
    """Of a date."""
    return (pd.Timestamp(day) - pd.Timestamp("1970-01-01")).days


def grid_of(n_steps: int, minutes: int = 60, timezone: str = "UTC", first: str = MONDAY) -> Grid:
    """A grid from the start of a day, a Monday unless told otherwise."""
    return Grid(minutes, timezone, days_since_1970(first), n_steps)


def panel_of(rows: object, minutes: int = 60, timezone: str = "UTC", first: str = MONDAY) -> Panel:
    """A panel of meters `a`, `b` …, of the rows' energies."""
    energy = np.atleast_2d(np.asarray(rows, dtype=np.float64))
    names = tuple(chr(ord("a") + n) for n in range(len(energy)))
    return Panel(grid_of(energy.shape[1], minutes, timezone, first), names, energy)


def drawn_energy(days: int, meters: int = 1, minutes: int = 60, seed: int = 0) -> Floats:
    """Energies with a shape of the day and the week, all positive: shape (meters, steps)."""
    random = np.random.default_rng(seed)
    steps = np.arange(days * 1440 // minutes)
    hour = steps * minutes / 60
    shape = 2 + np.sin(2 * np.pi * hour / 24) + 0.4 * (hour // 24 % 7 > 4)
    return shape * random.gamma(20, 1 / 20, (meters, len(steps))) * 3.0 ** np.arange(meters)[:, np.newaxis]


def drawn_panel(days: int, meters: int = 1, minutes: int = 60, seed: int = 0) -> Panel:
    """A panel of such energies."""
    return panel_of(drawn_energy(days, meters, minutes, seed), minutes)


def readings(energy: Sequence[float] | Floats, start: str, minutes: int = 60, meter: str = "a") -> pd.DataFrame:
    """Readings of one meter, from a moment in UTC on."""
    stamps = pd.date_range(start, periods=len(energy), freq=f"{minutes}min", tz="UTC", unit="us")
    return pd.DataFrame({"meter_id": meter, "timestamp_utc": stamps, "energy_kwh": np.asarray(energy, np.float64)})


def ints(*values: int) -> npt.NDArray[np.int64]:
    """Positions or steps."""
    return np.array(values, dtype=np.int64)
