"""Customers for tests of scoring, alerting and the bench: drawn days, and the Readings table they make."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from loadprofiles.anomalies.days import MeterDays
from loadprofiles.readings import MEASURED, QUALITY_DTYPE, write_readings

FIRST_DAY = 19723
"""Of all customers: Monday 2024-01-01, as days since 1970."""


def customer(meter="A", n_days=150, seed=0, reactive=True):
    """A workplace: a peak at ten o'clock, little at weekends, reactive energy in proportion, noise, and one phase."""
    random = np.random.default_rng(seed)
    profile = 1 + 3 * np.exp(-((np.arange(24) - 10) ** 2) / 12)
    week = np.array([1.0, 1, 1, 1, 1, 0.4, 0.3])[np.arange(n_days) % 7]
    level = 5 * week * np.exp(random.normal(0, 0.05, n_days))
    active = level[:, np.newaxis] * profile * np.exp(random.normal(0, 0.05, (n_days, 24)))
    kvarh = 0.4 * active * np.exp(random.normal(0, 0.02, active.shape))
    volts = random.normal(230, 2, (1, n_days, 24))
    return MeterDays(meter, FIRST_DAY, active, kvarh if reactive else None, volts, np.zeros(active.shape, np.bool_))


def scaled(days, where, factor):
    """The customer with active and reactive energy times a factor on the days `where`."""
    active = days.active_kwh.copy()
    active[where] *= factor
    reactive = None if days.reactive_kvarh is None else days.reactive_kvarh.copy()
    if reactive is not None:
        reactive[where] *= factor
    return replace(days, active_kwh=active, reactive_kvarh=reactive)


def table_of(days):
    """Hourly readings of a customer, in UTC; every hour of it must be known."""
    first = pd.Timestamp(days.date_of(0), tz="UTC")
    hours = days.active_kwh.ravel()
    table = pd.DataFrame(
        {
            "meter_id": days.meter_id,
            "timestamp_utc": pd.date_range(first, periods=hours.size, freq="h", unit="us"),
            "energy_kwh": hours,
            "quality": pd.Categorical.from_codes(np.zeros(hours.size, np.int8), dtype=QUALITY_DTYPE),
            "energy_kwh_raw": hours,
        }
    )
    assert table["quality"].iloc[0] == MEASURED
    if days.reactive_kvarh is not None:
        table["reactive_energy_kvarh"] = days.reactive_kvarh.ravel()
    return table


def write(customers: Iterable[MeterDays], folder: Path) -> Path:
    """The Readings of some customers."""
    tables = [table_of(days) for days in sorted(customers, key=lambda days: days.meter_id)]
    optional = sorted({name for table in tables for name in table.columns} & {"reactive_energy_kvarh"})
    return write_readings(tables, optional, folder)
