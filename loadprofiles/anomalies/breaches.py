"""How far days kept to what was forecast of them: the bands of the forecasting step, by the local day."""

import pandas as pd

_LOW, _HIGH = "energy_kwh_p05", "energy_kwh_p95"
COLUMNS = ("forecast_kwh", "forecast_hours", "forecast_hours_outside")


def forecast_breaches(backtest: pd.DataFrame, timezone: str) -> pd.DataFrame:
    """What was forecast of each meter and local day, and how many hours were outside the 90 % band.

    Of several forecasts of an interval the newest counts.

    Args:
        backtest: The table `backtest` of the forecasting step.
        timezone: IANA name of the zone whose days are meant.

    Returns:
        `meter_id, date, forecast_kwh, forecast_hours, forecast_hours_outside`.
    """
    newest = backtest.sort_values("origin_utc").drop_duplicates(["meter_id", "timestamp_utc"], keep="last")
    newest = newest[newest["actual_kwh"].notna()]
    dates = newest["timestamp_utc"].dt.tz_convert(timezone).dt.tz_localize(None).dt.normalize().dt.as_unit("s")
    outside = (newest["actual_kwh"] < newest[_LOW]) | (newest["actual_kwh"] > newest[_HIGH])
    rows = pd.DataFrame(
        {"meter_id": newest["meter_id"], "date": dates, "kwh": newest["energy_kwh"], "outside": outside}
    )
    days = rows.groupby(["meter_id", "date"]).agg(
        forecast_kwh=("kwh", "sum"), forecast_hours=("kwh", "size"), forecast_hours_outside=("outside", "sum")
    )
    return days.reset_index()
