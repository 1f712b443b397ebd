"""How far days kept to what was forecast of them."""

import numpy as np
import pandas as pd
import pytest

from loadprofiles.anomalies.breaches import COLUMNS, forecast_breaches

MADRID = "Europe/Madrid"


def backtest(first, hours, meter="A", origin="2024-01-01", forecast=10.0, low=8.0, high=12.0, actual=10.0):
    """Forecasts of some hours from a moment in UTC on."""
    return pd.DataFrame(
        {
            "meter_id": meter,
            "origin_utc": pd.Timestamp(origin, tz="UTC"),
            "timestamp_utc": pd.date_range(first, periods=hours, freq="h", tz="UTC", unit="us"),
            "energy_kwh": forecast,
            "energy_kwh_p05": low,
            "energy_kwh_p95": high,
            "actual_kwh": actual,
        }
    )


def rows(found):
    return list(found[["meter_id", "date", *COLUMNS]].itertuples(index=False, name=None))


def test_hours_below_and_above_the_band_are_counted_and_its_ends_are_inside():
    actual = [10.0] * 18 + [7.9, 8.0, 12.0, 12.1, 0.0, 99.0]
    found = forecast_breaches(backtest("2024-03-01", 24, actual=actual), "UTC")
    assert rows(found) == [("A", pd.Timestamp("2024-03-01"), 240.0, 24, 4)]


def test_of_several_forecasts_the_newest_counts():
    new = backtest("2024-03-01", 24, origin="2024-02-29", forecast=20.0, low=19.0, high=21.0)
    old = backtest("2024-03-01", 24, origin="2024-02-28")
    for order in ([new, old], [old, new]):
        assert rows(forecast_breaches(pd.concat(order), "UTC")) == [("A", pd.Timestamp("2024-03-01"), 480.0, 24, 24)]


def test_hours_without_a_reading_are_left_out():
    actual = [np.nan] * 4 + [1.0] + [10.0] * 19
    assert rows(forecast_breaches(backtest("2024-03-01", 24, actual=actual), "UTC")) == [
        ("A", pd.Timestamp("2024-03-01"), 200.0, 20, 1)
    ]


@pytest.mark.parametrize(("day", "hours"), [("2024-03-31", 23), ("2024-10-27", 25), ("2024-07-01", 24)])
def test_days_are_those_of_the_zone(day, hours):
    start = pd.Timestamp(day, tz=MADRID).tz_convert("UTC").tz_localize(None)
    found = forecast_breaches(backtest(start - pd.Timedelta(hours=1), hours + 2), MADRID)
    assert found["date"].tolist() == [pd.Timestamp(day) + pd.Timedelta(days=n) for n in (-1, 0, 1)]
    assert found["forecast_hours"].tolist() == [1, hours, 1]


def test_each_meter_has_its_own_days():
    tables = [backtest("2024-03-01", 2, "A", actual=1.0), backtest("2024-03-01", 3, "B")]
    assert rows(forecast_breaches(pd.concat(tables), "UTC")) == [
        ("A", pd.Timestamp("2024-03-01"), 20.0, 2, 2),
        ("B", pd.Timestamp("2024-03-01"), 30.0, 3, 0),
    ]
