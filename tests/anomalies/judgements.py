"""Judged days for tests of alerting: as measured, but for what a test says."""

import numpy as np
import pandas as pd

from loadprofiles.anomalies.detectors import WEIGHTS

MARCH = pd.Timestamp("2024-03-01")


def on(number):
    """The `number`th of March 2024."""
    return MARCH + pd.Timedelta(days=number - 1)


def judged_day(number, meter="M1", **said):
    """A day of which 10 kWh were expected, 8 to 12 at that, and metered."""
    usual = {
        "meter_id": meter,
        "date": on(number),
        "actual_kwh": 10.0,
        "expected_kwh": 10.0,
        "low_kwh": 8.0,
        "high_kwh": 12.0,
        "score": 1.0,
        "surprise": 0.5,
        "threshold": 3.0,
        "alarm": False,
        "fault": "",
        "evidence": "",
        "forecast_kwh": np.nan,
        "forecast_hours": np.nan,
        "forecast_hours_outside": np.nan,
    }
    assert not said.keys() - usual.keys() - {f"{name}_surprise" for name in WEIGHTS}
    return usual | {f"{name}_surprise": 0.0 for name in WEIGHTS} | said


def judged(days=(), meters=("M1",), until=20):
    """All days of some meters to the `until`th of March, of which those given are as given."""
    given = {(day["meter_id"], day["date"]): day for day in days}
    rows = [judged_day(number, meter) for meter in meters for number in range(1, until + 1)]
    return pd.DataFrame([given.get((row["meter_id"], row["date"]), row) for row in rows])
