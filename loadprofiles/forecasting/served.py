"""What is left of a run to forecast with, here or where it is served: a model, its bands, what it knew of meters."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles.choices import LEARNERS, ONLINE, ONLINE_MEMBERS
from loadprofiles.errors import EmptyResultError, InputError
from loadprofiles.forecasting.bands import Rhythm, expected_size
from loadprofiles.forecasting.design import Context
from loadprofiles.forecasting.fallback import Fallbacks, find_fallbacks
from loadprofiles.forecasting.measures import LEVELS, QUANTILE_COLUMNS
from loadprofiles.forecasting.online import weighted
from loadprofiles.forecasting.panel import Floats, Grid, Ints, Panel, make_panel
from loadprofiles.forecasting.registry import Fitted, forecaster, learner
from loadprofiles.forecasting.schedule import Horizon, final_origin

INPUTS = (("meter_id", "string"), ("timestamp_utc", "string"), ("energy_kwh", "double"))
"""A row an interval of the recent past, as Readings have them; the stamps in ISO 8601."""

OUTPUTS = (
    ("meter_id", "string"),
    ("model", "string"),
    ("origin_utc", "string"),
    ("timestamp_utc", "string"),
    *((name, "double") for name in QUANTILE_COLUMNS),
    ("fallback", "string"),
)
"""A row an interval that is forecast, as in the table of forecasts."""

_DESCRIPTION = "forecaster.json"
_RELATIVE, _POOL, _WEIGHTS = "relative.npy", "pool.npy", "weights.npy"
_FITTED = "fitted"
_SCALE_DAYS = 28
_SIGN_DAYS = 56


@dataclass(frozen=True, eq=False)
class Forecaster:
    """Forecasts with bands from a meter's recent past.

    Attributes:
        model: Its name.
        frequency_minutes: Of a step.
        timezone: Of the local days.
        horizon: How far ahead.
        meters: Those whose bands and weights are known.
        context: What else is known of meters.
        relative: Shape (meters, groups, levels), relative quantiles.
        pool: Shape (groups, levels), those for any other meter.
        weights: Of `online`'s members, shape (meters, members); empty for other models.
        fitted: For each model that learns and that it needs, a folder with a folder a fit.
    """

    model: str
    frequency_minutes: int
    timezone: str
    horizon: Horizon
    meters: tuple[str, ...]
    context: Context
    relative: Floats
    pool: Floats
    weights: Floats
    fitted: Mapping[str, Path] = field(default_factory=dict)

    @cached_property
    def _models(self) -> dict[str, list[Fitted]]:
        return {
            name: [learner(name).load(fit, self.context) for fit in sorted(folder.iterdir(), key=_number_of)]
            for name, folder in self.fitted.items()
        }

    def forecast(self, readings: pd.DataFrame) -> pd.DataFrame:
        """Forecast the horizon after each meter's last reading.

        Args:
            readings: `meter_id, timestamp_utc, energy_kwh`, some weeks of each meter: 14 tell all that is asked.

        Returns:
            `OUTPUTS`, stamps as `datetime64[us, UTC]`.

        Raises:
            InputError: A stamp cannot be read, a meter has an interval twice, or energies are infinite.
            ParameterError: A meter is read at longer intervals than the model's frequency.
            EmptyResultError: There is no reading, or none that make a whole interval.
        """
        table = checked_readings(readings)
        panel = make_panel((part for _, part in table.groupby("meter_id")), self.frequency_minutes, self.timezone)
        meters = np.flatnonzero(panel.ends)
        origins = np.array([final_origin(int(panel.ends[meter]), self.horizon) for meter in meters], dtype=np.int64)
        if not len(meters):
            raise EmptyResultError(
                f"no meter has a whole interval of {self.frequency_minutes} minutes; send longer readings"
            )
        fallbacks = find_fallbacks(panel, meters, origins, self.horizon.steps)
        points = fallbacks.applied_to(self._points(panel, meters, origins, fallbacks))
        quantiles = self._quantiles(panel, meters, origins, points)
        return forecast_table(panel, self.model, meters, origins, quantiles, fallbacks.reasons)

    def _points(self, panel: Panel, meters: Ints, origins: Ints, fallbacks: Fallbacks) -> Floats:
        if self.model != ONLINE:
            return self._by(self.model, panel, meters, origins)
        members = np.stack([fallbacks.applied_to(self._by(name, panel, meters, origins)) for name in ONLINE_MEMBERS])
        equal = np.full(len(ONLINE_MEMBERS), 1 / len(ONLINE_MEMBERS))
        places = [self._places.get(panel.meters[meter]) for meter in meters]
        weights = [equal if place is None else self.weights[place] for place in places]
        return np.array([weighted(weight, members[:, query]) for query, weight in enumerate(weights)])

    def _by(self, name: str, panel: Panel, meters: Ints, origins: Ints) -> Floats:
        if name not in LEARNERS:
            return forecaster(name)(panel, meters, origins, self.horizon.steps)
        if name not in self._models:
            # there was nothing to learn from
            return np.full((len(meters), self.horizon.steps), np.nan)
        fits = [model.forecast(panel, meters, origins, self.horizon.steps) for model in self._models[name]]
        mean: Floats = np.mean(fits, axis=0)
        return mean

    @cached_property
    def _places(self) -> dict[str, int]:
        return {meter: place for place, meter in enumerate(self.meters)}

    def _quantiles(self, panel: Panel, meters: Ints, origins: Ints, points: Floats) -> Floats:
        steps = origins[:, np.newaxis] + np.arange(self.horizon.steps)
        groups = Rhythm(panel.grid, self.horizon.stride).group_of(steps)
        places = [self._places.get(panel.meters[meter]) for meter in meters]
        relative = np.array([self.pool if place is None else self.relative[place] for place in places])
        sizes = np.nan_to_num(expected_size(points, scales(panel, meters, origins)))
        offsets = relative[np.arange(len(meters))[:, np.newaxis], groups] * sizes[..., np.newaxis]
        return np.maximum(points[..., np.newaxis] + offsets, floors(panel, meters, origins))

    def save(self, folder: Path) -> Path:
        """Write all of it to a new folder, and return that."""
        folder.mkdir(parents=True)
        np.save(folder / _RELATIVE, self.relative)
        np.save(folder / _POOL, self.pool)
        np.save(folder / _WEIGHTS, self.weights)
        for name, source in self.fitted.items():
            shutil.copytree(source, folder / _FITTED / name)
        description = {
            "model": self.model,
            "frequency_minutes": self.frequency_minutes,
            "timezone": self.timezone,
            "horizon": {"steps": self.horizon.steps, "stride": self.horizon.stride},
            "meters": self.meters,
            "context": {
                "country": self.context.country,
                "sectors": dict(self.context.sectors),
                "sector_names": self.context.sector_names,
                "weather_names": self.context.weather_names,
            },
            "fitted": sorted(self.fitted),
        }
        (folder / _DESCRIPTION).write_text(json.dumps(description, ensure_ascii=False, indent=1), encoding="utf-8")
        return folder


def read_forecaster(folder: Path) -> Forecaster:
    """Read what `Forecaster.save` has written.

    Raises:
        InputError: It is not there, or not of that layout.
    """
    try:
        told = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        context = told["context"]
        return Forecaster(
            model=told["model"],
            frequency_minutes=told["frequency_minutes"],
            timezone=told["timezone"],
            horizon=Horizon(**told["horizon"]),
            meters=tuple(told["meters"]),
            context=Context(
                context["country"],
                context["sectors"],
                tuple(context["sector_names"]),
                tuple(context["weather_names"]),
            ),
            relative=np.load(folder / _RELATIVE, allow_pickle=False),
            pool=np.load(folder / _POOL, allow_pickle=False),
            weights=np.load(folder / _WEIGHTS, allow_pickle=False),
            fitted={name: folder / _FITTED / name for name in told["fitted"]},
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder}: no forecaster can be read there: {error}") from error


def _number_of(folder: Path) -> int:
    """The step of a fit, which its folder is called by."""
    return int(folder.name)


def checked_readings(readings: pd.DataFrame) -> pd.DataFrame:
    """Readings sorted by meter and time, their stamps parsed.

    Raises:
        InputError: A column is missing, a stamp cannot be read, energies are no numbers or infinite, a row has no
            meter, or a meter has an interval twice.
    """
    missing = [name for name, _ in INPUTS if name not in readings.columns]
    if missing:
        raise InputError(f"the readings have no column {', '.join(missing)}")
    try:
        stamps = pd.to_datetime(readings["timestamp_utc"], utc=True, format="ISO8601")
    except (ValueError, TypeError) as error:
        raise InputError(f"timestamp_utc is to be ISO 8601, like 2024-01-31T13:00:00Z: {error}") from error
    try:
        energy = readings["energy_kwh"].to_numpy(dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise InputError(f"energy_kwh is to be numbers: {error}") from error
    nameless = readings["meter_id"].isna().to_numpy()
    if nameless.any():
        raise InputError(f"row {int(nameless.argmax()) + 1} has no meter")
    table = pd.DataFrame(
        {
            "meter_id": readings["meter_id"].astype(str).to_numpy(),
            "timestamp_utc": stamps.to_numpy(),
            "energy_kwh": energy,
        }
    )
    table["timestamp_utc"] = pd.DatetimeIndex(stamps).as_unit("us")
    wrong = table["timestamp_utc"].isna() | np.isinf(table["energy_kwh"])
    if wrong.any():
        raise InputError(f"row {int(wrong.argmax()) + 1} has no time, or an energy that is not finite")
    twice = table.duplicated(["meter_id", "timestamp_utc"])
    if twice.any():
        row = table[twice].iloc[0]
        raise InputError(f"meter {row['meter_id']} has the interval {row['timestamp_utc']} twice")
    return table.sort_values(["meter_id", "timestamp_utc"], ignore_index=True)


def scales(panel: Panel, meters: Ints, origins: Ints) -> Floats:
    """Mean absolute energy of the 28 days before each origin, shape (queries,); NaN where nothing is known of them."""
    return np.array([_mean_size(past) for past in _pasts(panel, meters, origins, _SCALE_DAYS)])


def floors(panel: Panel, meters: Ints, origins: Ints) -> Floats:
    """What a forecast does not fall below, shape (queries, 1, 1): 0 for a meter that has only taken in 56 days."""
    never = [not (past < 0).any() for past in _pasts(panel, meters, origins, _SIGN_DAYS)]
    return np.where(never, 0.0, -np.inf)[:, np.newaxis, np.newaxis]


def _mean_size(past: Floats) -> float:
    known = past[~np.isnan(past)]
    return float(np.abs(known).mean()) if len(known) else float("nan")


def _pasts(panel: Panel, meters: Ints, origins: Ints, days: int) -> list[Floats]:
    """The last days before each origin."""
    steps = panel.grid.steps_in(days)
    return [panel.energy_kwh[m, max(0, o - steps) : o] for m, o in zip(meters, origins, strict=True)]


def forecast_table(
    panel: Panel,
    model: str,
    meters: Ints,
    origins: Ints,
    quantiles_kwh: Floats,
    reasons: npt.NDArray[np.object_],
    **further_kwh: Floats,
) -> pd.DataFrame:
    """Forecasts as a table of the real intervals: a row a meter, origin and interval.

    Args:
        panel: Of the meters.
        model: The model's name.
        meters: Shape (queries,), positions in the panel.
        origins: Shape (queries,).
        quantiles_kwh: Shape (queries, horizon, levels).
        reasons: Why a fallback was taken, shape (queries,).
        further_kwh: Other energies of the same steps, shape (queries, horizon).

    Returns:
        The columns of `OUTPUTS`, stamps as `datetime64[us, UTC]`, and those of `further_kwh`, by meter, origin and
        time.
    """
    horizon = quantiles_kwh.shape[1]
    steps = (origins[:, np.newaxis] + np.arange(horizon)).ravel()
    intervals = panel.grid.intervals(steps)
    position = intervals["position"].to_numpy()
    query = position // horizon
    length = intervals["length"].to_numpy()
    values = quantiles_kwh.reshape(-1, len(LEVELS))[position] * length[:, np.newaxis]
    names = np.array(panel.meters, dtype=object)
    table = pd.DataFrame(
        {
            "meter_id": pd.array(names[meters][query], dtype="str"),
            "model": model,
            "origin_utc": stamps_of(panel.grid, origins)[query],
            "timestamp_utc": intervals["timestamp_utc"],
        }
    )
    table[list(QUANTILE_COLUMNS)] = values
    further = {name: energies.ravel()[position] * length for name, energies in further_kwh.items()}
    return table.assign(fallback=pd.array(reasons[query], dtype="str"), **further)


def stamps_of(grid: Grid, steps: Ints) -> pd.DatetimeIndex:
    """When steps start, in UTC."""
    return pd.to_datetime(grid.starts_utc(steps), unit="us", utc=True).as_unit("us")
