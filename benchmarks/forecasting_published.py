"""The earlier forecasting system by its own protocol: its printed figures reproduced, and what each correction changes.

Per customer, hourly energy is summed to the buckets of the customer's line in `published_results.csv` (8 to 48 hours,
counted from midnight of the first reading) and each bucket is forecast from buckets before it, one step ahead, by a
model fitted once on the earlier part. There are two versions of its numbers:

- `first_90`: the first 90 % of the hours, of these 80 % to fit and 20 % to test. Every line of the file is of this
  version, and its XGBoost lines come out to the last digit printed.
- `whole`: all hours, 90 % to fit and 10 % to test, with the learning rate given as gamma too. The last bucket is
  incomplete for all 18 customers, and is in the test part.

XGBoost has as features, in this order: reactive energy of the bucket it forecasts, month, hour, then the energy of the
15 or 30 buckets before, newest first; hours of zero energy are replaced by the customer's mean over the whole file.
The LSTM has those energies only, and loses the first 15 or 30 buckets of its test part, which it takes as history.
Timestamps are local and naive, as in the files, and name the start of an interval.
"""

import ast
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import click
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.metrics import r2_score, root_mean_squared_error
from xgboost import XGBRegressor

from loadprofiles.errors import InputError

CUSTOMERS = Path("../shared/data/electrodunas")

MISPRINTS = {12: 10.0}
"""What a customer's printed MAPE must be multiplied with: 16.18113 is printed as 1.618113, beside the right RMSE."""

_ENERGY, _REACTIVE, _IS_COMPLETE = "energy_kwh", "reactive_energy_kvarh", "is_complete"
_FIGURES = ("mape_percent", "rmse_kwh", "r2", "n_train", "n_test")
_LSTM_BATCH = 10
_LSTM_SEED = 0


@dataclass(frozen=True)
class Row:
    """A line of `published_results.csv`.

    Attributes:
        customer: number in the name of its file.
        frequency: of the buckets, as printed: `12H`.
        n_lags: buckets before the forecast one that the model is given.
        model: `XGB` or `LSTM`.
        hyperparameters: (n_estimators, max_depth, learning_rate, gamma) or (neurons, activation, epochs).
        mape_percent: as printed; see `MISPRINTS`.
        rmse_kwh: as printed.
        r2: as printed.
        n_train: buckets forecast while fitting; of an LSTM also those it takes as history.
        n_test: buckets forecast while testing.
    """

    customer: int
    frequency: str
    n_lags: int
    model: str
    hyperparameters: tuple[float | str, ...]
    mape_percent: float
    rmse_kwh: float
    r2: float
    n_train: int
    n_test: int

    @property
    def is_xgb(self) -> bool:
        """Whether its figures are XGBoost's."""
        return self.model == "XGB"

    @property
    def meant_mape_percent(self) -> float:
        """MAPE as it was meant to be printed."""
        return self.mape_percent * MISPRINTS.get(self.customer, 1.0)


@dataclass(frozen=True)
class Protocol:
    """Which version, and which of its mistakes are made; by default the whole series with all of them.

    Attributes:
        version: `whole` or `first_90`, see the module.
        gamma_mistake: gamma is the learning rate (`whole` only, as published).
        incomplete_buckets: the incomplete last bucket is in the score. It never moves the split: the model is fitted
            on the same buckets either way.
        zeros_as_mean: hours of zero energy are replaced by the mean of the whole file, the future included.
        reactive_of_same_interval: the leak: XGBoost is given the reactive energy of the bucket it forecasts.
    """

    version: Literal["whole", "first_90"] = "whole"
    gamma_mistake: bool = True
    incomplete_buckets: bool = True
    zeros_as_mean: bool = True
    reactive_of_same_interval: bool = True

    @property
    def train_share(self) -> float:
        """Of the buckets, the part to fit on."""
        return 0.9 if self.version == "whole" else 0.8

    @property
    def lstm_fits(self) -> int:
        """Times the LSTM is fitted for all its epochs, each going on from the last: `first_90` did it twice."""
        return 1 if self.version == "whole" else 2


FIRST_90 = Protocol("first_90", gamma_mistake=False)
"""What the lines of `published_results.csv` are printed by."""

CORRECTIONS = {
    "as published": Protocol(),
    "gamma as in the line": Protocol(gamma_mistake=False),
    "complete buckets only": Protocol(gamma_mistake=False, incomplete_buckets=False),
    "zeros not replaced": Protocol(gamma_mistake=False, incomplete_buckets=False, zeros_as_mean=False),
    "no leak": Protocol("whole", *[False] * 4),
}
"""The whole series, each step with the corrections before it."""

QUOTED = {
    "as published, complete buckets": Protocol(incomplete_buckets=False),
    "the same without the leak": Protocol(incomplete_buckets=False, reactive_of_same_interval=False),
}
"""The two readings of the whole series that are quoted for the earlier system."""


@dataclass(frozen=True)
class Reproduction:
    """What a line's model gives by a protocol.

    Attributes:
        forecasts: by start of bucket, its test part: `actual_kwh`, `forecast_kwh`; without the bucket left out.
        n_train: as in `Row`.
    """

    row: Row
    forecasts: pd.DataFrame
    n_train: int

    @property
    def n_test(self) -> int:
        """Buckets in the score."""
        return len(self.forecasts)

    @property
    def mape_percent(self) -> float:
        """Mean absolute percentage error; a bucket of zero energy has none and is left out.

        Zeros that are not replaced are no error to be judged, but their neighbours are: a bucket with some hours of
        zero counts. No test part of the 18 customers has an hour of zero.
        """
        known = self.forecasts[self.forecasts["actual_kwh"] != 0]
        return float(((known["forecast_kwh"] - known["actual_kwh"]).abs() / known["actual_kwh"]).mean() * 100)

    @property
    def rmse_kwh(self) -> float:
        """Root of the mean squared error."""
        return float(root_mean_squared_error(self.forecasts["actual_kwh"], self.forecasts["forecast_kwh"]))

    @property
    def r2(self) -> float:
        """Coefficient of determination."""
        return float(r2_score(self.forecasts["actual_kwh"], self.forecasts["forecast_kwh"]))


def read_rows(path: Path = CUSTOMERS / "published_results.csv") -> list[Row]:
    """Every line of the published results, in their order.

    Raises:
        InputError: the file is not there.
    """
    table = pd.read_csv(_there(path))
    table["hyperparameters"] = table["hyperparameters"].map(ast.literal_eval)
    return [Row(*line) for line in table[[field.name for field in fields(Row)]].itertuples(index=False)]


def read_customer(customer: int, folder: Path = CUSTOMERS) -> pd.DataFrame:
    """A customer's hours: `energy_kwh` and `reactive_energy_kvarh` by local, naive start.

    Raises:
        InputError: the customer's file is not there.
    """
    path = _there(folder / f"DATOSCLIENTE{customer}.csv")
    frame = pd.read_csv(path, parse_dates=["Fecha"], index_col="Fecha").sort_index().rename_axis("timestamp")
    return frame.rename(columns={"Active_energy": _ENERGY, "Reactive_energy": _REACTIVE})[[_ENERGY, _REACTIVE]]


def _there(path: Path) -> Path:
    if not path.is_file():
        raise InputError(f"{path} is not there: give the folder of the customers and published_results.csv")
    return path


def buckets(customer_frame: pd.DataFrame, frequency: str, *, complete_only: bool = False) -> pd.DataFrame:
    """Energies summed to buckets, which are counted from midnight of the first day.

    Args:
        customer_frame: as `read_customer` gives it.
        frequency: a number of hours: `48H`.
        complete_only: leaves out the buckets that lack hours; in the 18 files only ever the last.

    Returns:
        By start of bucket: `energy_kwh`, `reactive_energy_kvarh`, `is_complete`.
    """
    by_bucket = customer_frame.resample(frequency.lower())
    table = by_bucket.sum()
    table[_IS_COMPLETE] = by_bucket.size() == pd.Timedelta(frequency.lower()) // pd.Timedelta(hours=1)
    return table[table[_IS_COMPLETE]] if complete_only else table


def reproduce(customer_frame: pd.DataFrame, row: Row, protocol: Protocol) -> Reproduction:
    """Fits and tests the model of a published line, as it was done or with some of its mistakes corrected.

    XGBoost gives the same on every run. The LSTM's first weights were drawn unseeded, so its figures cannot be had
    again; ours start from a fixed seed, and others move a customer's MAPE by some 0.5 points. Customer 6 alone is far
    off: it is printed with half of our MAPE.
    """
    table = buckets(_hours(customer_frame, protocol), row.frequency)
    start = _test_start(len(table), row, protocol)
    forecasts = (
        _xgb_forecasts(table, start, row, protocol) if row.is_xgb else _lstm_forecasts(table, start, row, protocol)
    )
    test = table.iloc[start:]
    compared = pd.DataFrame({"actual_kwh": test[_ENERGY], "forecast_kwh": forecasts})
    scored = compared if protocol.incomplete_buckets else compared[test[_IS_COMPLETE]]
    return Reproduction(row, scored, n_train=start - row.n_lags)


def _hours(customer_frame: pd.DataFrame, protocol: Protocol) -> pd.DataFrame:
    energy = customer_frame[_ENERGY]
    if protocol.zeros_as_mean:
        energy = energy.where(energy != 0, energy.mean())
    frame = customer_frame.assign(energy_kwh=energy)
    return frame if protocol.version == "whole" else frame.iloc[: int(0.9 * len(frame))]


def _test_start(n_buckets: int, row: Row, protocol: Protocol) -> int:
    """Position of the first bucket of the test part that is forecast.

    XGBoost's rows are split, after those without all lags are gone; the LSTM's buckets are split, and the first ones
    of its test part are history only.
    """
    if row.is_xgb:
        return row.n_lags + int(protocol.train_share * (n_buckets - row.n_lags))
    return int(protocol.train_share * n_buckets) + row.n_lags


def features(table: pd.DataFrame, n_lags: int, *, with_reactive: bool) -> pd.DataFrame:
    """XGBoost's features, in the order that the printed figures need, of the buckets that have all lags.

    Args:
        table: as `buckets` gives it.
        n_lags: buckets before.
        with_reactive: the leak: reactive energy of the bucket itself.
    """
    starts = pd.DatetimeIndex(table.index)
    columns = {_REACTIVE: table[_REACTIVE]} if with_reactive else {}
    columns |= {"month": pd.Series(starts.month, starts), "hour": pd.Series(starts.hour, starts)}
    columns |= {f"lag_{lag}": table[_ENERGY].shift(lag) for lag in range(1, n_lags + 1)}
    return pd.DataFrame(columns).iloc[n_lags:]


def _xgb_forecasts(table: pd.DataFrame, start: int, row: Row, protocol: Protocol) -> NDArray[np.float32]:
    n_estimators, max_depth, learning_rate, gamma = row.hyperparameters
    model = XGBRegressor(
        n_estimators=n_estimators,
        max_depth=max_depth,
        learning_rate=learning_rate,
        gamma=learning_rate if protocol.gamma_mistake else gamma,
        n_jobs=1,
    )
    inputs = features(table, row.n_lags, with_reactive=protocol.reactive_of_same_interval)
    n_train = start - row.n_lags
    model.fit(inputs.iloc[:n_train], table[_ENERGY].iloc[row.n_lags : start])
    forecasts: NDArray[np.float32] = model.predict(inputs.iloc[n_train:])
    return forecasts


def _lstm_forecasts(table: pd.DataFrame, start: int, row: Row, protocol: Protocol) -> NDArray[np.float32]:
    neurons, activation, epochs = row.hyperparameters
    hyperparameters = (neurons, activation, epochs * protocol.lstm_fits)
    return _fit_lstm(tuple(table[_ENERGY]), start - row.n_lags, row.n_lags, hyperparameters)


@lru_cache(maxsize=64)  # most corrections leave the LSTM's input as it was
def _fit_lstm(
    energy_kwh: tuple[float, ...], n_train: int, n_lags: int, hyperparameters: tuple[float | str, ...]
) -> NDArray[np.float32]:
    import keras

    neurons, activation, epochs = hyperparameters
    keras.utils.set_random_seed(_LSTM_SEED)
    model = keras.Sequential(
        [keras.Input((n_lags, 1)), keras.layers.LSTM(neurons, activation=activation), keras.layers.Dense(1)]
    )
    model.compile("adam", "mean_absolute_percentage_error")
    energy = np.array(energy_kwh, np.float32)
    fitted = energy[:n_train]
    inputs, outputs = _windows(fitted, n_lags), fitted[n_lags:, None]
    model.fit(inputs, outputs, epochs=epochs, batch_size=_LSTM_BATCH, shuffle=False, verbose=0)
    return np.asarray(model(_windows(energy[n_train:], n_lags)))[:, 0]


def _windows(energy: NDArray[np.float32], n_lags: int) -> NDArray[np.float32]:
    """The `n_lags` values before each but the first ones, (values - n_lags, n_lags, 1)."""
    return np.lib.stride_tricks.sliding_window_view(energy[:-1], n_lags)[..., None].copy()


def judged_values(customer_frame: pd.DataFrame, row: Row, *, as_xgb: bool = False) -> pd.Series:
    """What a model must forecast to be judged on the buckets of the whole series: their kWh, nothing replaced.

    Args:
        customer_frame: as `read_customer` gives it.
        row: the customer's line.
        as_xgb: the last tenth for the customers of the LSTM too, not only what is left of it after its history.

    Returns:
        `energy_kwh` of the complete test buckets by local, naive start. Everything before a bucket's start may be used.
    """
    table = buckets(customer_frame, row.frequency)
    start = _test_start(len(table), replace(row, model="XGB") if as_xgb else row, Protocol())
    test = table.iloc[start:]
    energy: pd.Series = test.loc[test[_IS_COMPLETE], _ENERGY]
    return energy


def reproduction_table(folder: Path = CUSTOMERS) -> pd.DataFrame:
    """Prints each XGBoost line beside what we get, and returns that.

    Returns:
        By customer and figure: `printed` (a misprint put right), `ours`, and their `difference`.
    """
    rows = [row for row in read_rows(folder / "published_results.csv") if row.is_xgb]
    table = pd.concat({row.customer: _compared(row, folder) for row in rows}, names=["customer", "figure"])
    shown = {"printed": "{:.6f}".format, "ours": "{:.6f}".format, "difference": "{:.1e}".format}
    click.echo(table.to_string(formatters=shown))
    for customer, factor in MISPRINTS.items():
        click.echo(f"customer {customer}: its MAPE is printed divided by {factor:g}")
    return table


def _compared(row: Row, folder: Path) -> pd.DataFrame:
    ours = reproduce(read_customer(row.customer, folder), row, FIRST_90)
    printed = {"mape_percent": row.meant_mape_percent} | {name: getattr(row, name) for name in _FIGURES[1:]}
    table = pd.DataFrame({"printed": printed, "ours": {name: getattr(ours, name) for name in _FIGURES}})
    return table.assign(difference=table["ours"] - table["printed"])


def corrections_table(folder: Path = CUSTOMERS) -> pd.DataFrame:
    """Prints and returns the MAPE of the whole series after each correction, then the two readings that are quoted.

    The LSTM has neither gamma nor leak nor zeros, so of its customers only the incomplete bucket changes anything.

    Returns:
        By correction: median and mean MAPE in percent over all customers, and over those whose line is XGBoost's.
    """
    rows = read_rows(folder / "published_results.csv")
    frames = {row.customer: read_customer(row.customer, folder) for row in rows}
    steps = CORRECTIONS | QUOTED
    table = pd.DataFrame({name: _summary(rows, frames, protocol) for name, protocol in steps.items()}).T
    click.echo(table.to_string(float_format="{:.2f}".format))
    return table


def _summary(rows: list[Row], frames: dict[int, pd.DataFrame], protocol: Protocol) -> dict[str, float]:
    mape = pd.Series([reproduce(frames[row.customer], row, protocol).mape_percent for row in rows])
    xgb = mape[[row.is_xgb for row in rows]]
    return {
        f"median of {len(mape)}": mape.median(),
        f"mean of {len(mape)}": mape.mean(),
        f"median of {len(xgb)} XGB": xgb.median(),
        f"mean of {len(xgb)} XGB": xgb.mean(),
    }
