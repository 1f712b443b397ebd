"""How wrong forecasts were: per meter, and over all.

WAPE, MASE and RMSE as in Hyndman & Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., section 5.8; the
weighted quantile loss as in the M5 and GluonTS (twice the pinball loss over the sum of what was used, averaged over
the levels). MAPE leaves out intervals in which nothing was used: a percentage of nothing is none.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

LEVELS = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)
"""Quantiles that are forecast; the middle one is the forecast itself."""

BANDS = {50: (0.25, 0.75), 80: (0.1, 0.9), 90: (0.05, 0.95)}
"""Bands in percent, and the quantiles that bound them."""

Floats = npt.NDArray[np.float64]


def quantile_column(level: float) -> str:
    """The column of a quantile: `energy_kwh` of the median, else one like `energy_kwh_p05`."""
    return "energy_kwh" if level == 0.5 else f"energy_kwh_p{round(level * 100):02d}"


QUANTILE_COLUMNS = tuple(quantile_column(level) for level in LEVELS)


def wape(actual_kwh: Floats, forecast_kwh: Floats) -> float:
    """Weighted absolute percentage error, as a share: sum of absolute errors over sum of absolute actuals."""
    return _ratio(np.abs(actual_kwh - forecast_kwh).sum(), np.abs(actual_kwh).sum())


def rmse_kwh(actual_kwh: Floats, forecast_kwh: Floats) -> float:
    """Root of the mean squared error, in kWh."""
    return float(np.sqrt(np.mean((actual_kwh - forecast_kwh) ** 2)))


def mape_percent(actual_kwh: Floats, forecast_kwh: Floats) -> float:
    """Mean absolute percentage error of the intervals in which something was used; NaN where there is none."""
    used = actual_kwh != 0
    if not used.any():
        return float("nan")
    return float(100 * np.mean(np.abs((actual_kwh - forecast_kwh)[used] / actual_kwh[used])))


def mase(actual_kwh: Floats, forecast_kwh: Floats, naive_error_kwh: float) -> float:
    """Mean absolute error over that of the seasonal naive forecast in the time before (Hyndman & Koehler 2006)."""
    return _ratio(float(np.mean(np.abs(actual_kwh - forecast_kwh))), naive_error_kwh)


def pinball_kwh(actual_kwh: Floats, quantiles_kwh: Floats, levels: Sequence[float] = LEVELS) -> Floats:
    """Mean pinball loss of each level, in kWh; quantiles of shape (intervals, levels)."""
    taus = np.asarray(levels)
    error = actual_kwh[:, np.newaxis] - quantiles_kwh
    losses: Floats = np.maximum(taus * error, (taus - 1) * error).mean(axis=0)
    return losses


def weighted_quantile_loss(actual_kwh: Floats, quantiles_kwh: Floats, levels: Sequence[float] = LEVELS) -> float:
    """Twice the pinball loss over the mean of absolute actuals, averaged over the levels."""
    loss = pinball_kwh(actual_kwh, quantiles_kwh, levels).mean()
    return _ratio(2 * float(loss), float(np.abs(actual_kwh).mean()))


def coverage(actual_kwh: Floats, low_kwh: Floats, high_kwh: Floats) -> float:
    """Share of intervals whose energy lies within its band."""
    return float(np.mean((actual_kwh >= low_kwh) & (actual_kwh <= high_kwh)))


def relative_width(actual_kwh: Floats, low_kwh: Floats, high_kwh: Floats) -> float:
    """Mean width of the band over the mean of absolute actuals."""
    return _ratio(float(np.mean(high_kwh - low_kwh)), float(np.abs(actual_kwh).mean()))


def _ratio(numerator: float, denominator: float) -> float:
    """A quotient; NaN where there is nothing to divide by."""
    return float(numerator / denominator) if denominator > 0 else float("nan")


def meter_errors(backtest: pd.DataFrame, naive_kwh: pd.Series, naive_before_kwh: pd.Series) -> pd.DataFrame:
    """Every measure of every meter of a backtest table.

    Args:
        backtest: One row an interval: `meter_id`, `QUANTILE_COLUMNS` and `actual_kwh`, all known.
        naive_kwh: The seasonal naive forecast of the same rows.
        naive_before_kwh: Mean absolute error of the seasonal naive forecast before the backtest, by meter.

    Returns:
        One row a meter: `meter_id, intervals, zero_intervals, wape, ratio_to_seasonal_naive, mase, rmse_kwh,
        mape_percent, weighted_quantile_loss`, and `coverage_<band>` and `width_<band>` of each band.
    """
    rows = []
    for meter, part in backtest.groupby("meter_id", sort=True):
        actual = part["actual_kwh"].to_numpy(dtype=np.float64)
        quantiles = part[list(QUANTILE_COLUMNS)].to_numpy(dtype=np.float64)
        own = wape(actual, quantiles[:, LEVELS.index(0.5)])
        row = {
            "meter_id": meter,
            "intervals": len(part),
            "zero_intervals": int((actual == 0).sum()),
            "wape": own,
            "ratio_to_seasonal_naive": _ratio(own, wape(actual, naive_kwh[part.index].to_numpy(dtype=np.float64))),
            "mase": mase(actual, quantiles[:, LEVELS.index(0.5)], float(naive_before_kwh.get(meter, np.nan))),
            "rmse_kwh": rmse_kwh(actual, quantiles[:, LEVELS.index(0.5)]),
            "mape_percent": mape_percent(actual, quantiles[:, LEVELS.index(0.5)]),
            "weighted_quantile_loss": weighted_quantile_loss(actual, quantiles),
        }
        for percent, (low, high) in BANDS.items():
            bounds = (quantiles[:, LEVELS.index(low)], quantiles[:, LEVELS.index(high)])
            row[f"coverage_{percent}"] = coverage(actual, *bounds)
            row[f"width_{percent}"] = relative_width(actual, *bounds)
        rows.append(row)
    return pd.DataFrame(rows)


def summary(errors: pd.DataFrame) -> dict[str, float]:
    """What a run is compared by: medians over meters, the geometric mean of the ratios, and pooled coverage."""
    if errors.empty:
        return {}
    ratios = errors["ratio_to_seasonal_naive"]
    ratios = ratios[np.isfinite(ratios) & (ratios > 0)]
    medians = ("wape", "mase", "rmse_kwh", "mape_percent", "weighted_quantile_loss")
    numbers = {f"median_{name}": float(errors[name].median()) for name in medians}
    numbers["mean_wape"] = float(errors["wape"].mean())
    numbers["ratio_to_seasonal_naive"] = float(np.exp(np.log(ratios).mean())) if len(ratios) else float("nan")
    for percent in BANDS:
        numbers[f"coverage_{percent}"] = float(np.average(errors[f"coverage_{percent}"], weights=errors["intervals"]))
        numbers[f"median_width_{percent}"] = float(errors[f"width_{percent}"].median())
    return {name: value for name, value in numbers.items() if np.isfinite(value)}
