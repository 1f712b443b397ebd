"""The rows that models learn from: the past of `features`, the calendar, and what is known of a meter."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import holidays
import numpy as np
import numpy.typing as npt

from loadprofiles.errors import ParameterError
from loadprofiles.forecasting import features
from loadprofiles.forecasting.features import Rows
from loadprofiles.forecasting.kernels import cut_past
from loadprofiles.forecasting.panel import Floats, Grid, Ints, Panel
from loadprofiles.forecasting.shapes import nearest_shapes
from loadprofiles.forecasting.weather import Weather
from loadprofiles.quality import MINUTES_A_DAY

CALENDAR = ("time_of_day", "weekday")
HOLIDAY = "holiday"
SECTOR = "sector"
CLUSTER = "cluster"

_FIRST_DAYS = 28
"""What a meter is to have behind it where one learns from it."""

_MONDAY = 3
"""1970-01-01 was a Thursday."""


@dataclass(frozen=True, eq=False)
class Context:
    """What is known beside the energies, and of what kind the columns of a row are.

    Attributes:
        country: Code of the country whose holidays count (`holidays` package); empty: none.
        sectors: The sector (or type) of each meter that has one.
        sector_names: The sectors that models know, in the order of their codes.
        weather_names: Columns of weather that models know.
        weather: What was known of it when; None where a model is served without.
        shapes: Representatives of days, shape (shapes, steps of a day), of which a row names the meter's nearest.
    """

    country: str = ""
    sectors: Mapping[str, str] = field(default_factory=dict)
    sector_names: tuple[str, ...] = ()
    weather_names: tuple[str, ...] = ()
    weather: Weather | None = None
    shapes: Floats | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns of a row."""
        holiday = (HOLIDAY,) if self.country else ()
        sector = (SECTOR,) if self.sector_names else ()
        weather = (f"weather_{name}" for name in self.weather_names)
        cluster = (CLUSTER,) if self.knows_shapes else ()
        return (*features.NAMES, *CALENDAR, *holiday, *sector, *cluster, *weather)

    @property
    def knows_shapes(self) -> bool:
        """Whether there are shapes to tell meters apart by."""
        return self.shapes is not None and len(self.shapes) > 0

    def is_category(self, name: str) -> bool:
        """Whether the values of a column are names, not amounts."""
        return name in (SECTOR, CLUSTER)

    def sector_codes(self, meters: tuple[str, ...]) -> npt.NDArray[np.float32]:
        """The code of each meter's sector; NaN where it is not known."""
        codes = {name: code for code, name in enumerate(self.sector_names)}
        return np.array([codes.get(self.sectors.get(meter, ""), np.nan) for meter in meters], np.float32)

    def holiday_flags(self, days: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """1 for each day, since 1970-01-01, that is a holiday."""
        known = country_holidays(self.country)
        distinct, position = np.unique(days, return_inverse=True)
        flags = [day.item() in known for day in distinct.astype("datetime64[D]")]
        return np.array(flags, np.float32)[position]


def country_holidays(country: str) -> holidays.HolidayBase:
    """The holidays of a country.

    Raises:
        ParameterError: Nobody knows its code.
    """
    try:
        return holidays.country_holidays(country.upper())
    except NotImplementedError as error:
        raise ParameterError(f"holidays {country!r} is no country that is known; write a code like IT or PE") from error


def make_rows(
    panel: Panel, context: Context, meters: Ints, origins: Ints, horizon: int
) -> tuple[npt.NDArray[np.float32], Rows]:
    """The rows of queries.

    Args:
        panel: The energies; nothing from an origin on is looked at.
        context: What else is known.
        meters: Shape (queries,), positions in the panel.
        origins: Shape (queries,).
        horizon: Steps ahead.

    Returns:
        Shape (queries, horizon, `context.names`), and the description they come from.
    """
    rows = features.describe(panel, meters, origins, horizon)
    steps = np.asarray(origins)[:, np.newaxis] + np.arange(horizon)
    columns = [*_calendar(panel.grid, steps)]
    if context.country:
        columns.append(context.holiday_flags(_days(panel.grid, steps).ravel()).reshape(steps.shape))
    if context.sector_names:
        codes = context.sector_codes(panel.meters)[meters]
        columns.append(np.broadcast_to(codes[:, np.newaxis], steps.shape))
    if context.shapes is not None and context.knows_shapes:
        nearest = nearest_shapes(context.shapes, panel, meters, origins)
        columns.append(np.broadcast_to(nearest[:, np.newaxis], steps.shape))
    columns += _weather(panel.grid, context, steps)
    return np.concatenate([rows.features, np.stack(columns, axis=-1).astype(np.float32)], axis=-1), rows


def draw_origins(panel: Panel, horizon: int, stride: int, max_rows: int, seed: int) -> tuple[Ints, Ints]:
    """Origins of meters whose horizon lies in what is known, no more than make `max_rows` rows."""
    n_steps = panel.energy_kwh.shape[1]
    first = _FIRST_DAYS * panel.grid.day_steps
    every = np.arange(-(-first // stride) * stride, n_steps - horizon + 1, stride)
    if not len(every):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    starts = np.where(panel.ends > 0, (~np.isnan(panel.energy_kwh)).argmax(axis=1), n_steps)
    usable = (every >= starts[:, np.newaxis] + first) & (every < panel.ends[:, np.newaxis])
    meters, positions = np.nonzero(usable)
    origins = every[positions]
    most = max(1, max_rows // horizon)
    if len(origins) > most:
        drawn = np.sort(np.random.default_rng(seed).choice(len(origins), most, replace=False))
        meters, origins = meters[drawn], origins[drawn]
    return meters.astype(np.int64), origins.astype(np.int64)


def targets(panel: Panel, meters: Ints, origins: Ints, horizon: int) -> Floats:
    """What was used after origins, shape (queries, horizon), to learn from: NaN where it is not known, or an outage."""
    n_steps = panel.energy_kwh.shape[1]
    padded = np.full((len(panel.meters), n_steps + horizon), np.nan)
    for meter in np.unique(meters):
        padded[meter, :n_steps] = cut_past(panel.energy_kwh[meter], n_steps, n_steps, panel.grid.silent_steps)
    steps = np.asarray(origins)[:, np.newaxis] + np.arange(horizon)
    energies: Floats = padded[np.asarray(meters)[:, np.newaxis], steps]
    return energies


def _weather(grid: Grid, context: Context, steps: Ints) -> list[npt.NDArray[np.float32]]:
    """The weather at steps, as known at the first of each row."""
    if context.weather is None:
        return [np.full(steps.shape, np.nan, np.float32) for _ in context.weather_names]
    stamps = grid.starts_utc(steps.ravel()).reshape(steps.shape)
    values = context.weather.at(stamps, np.broadcast_to(stamps[:, :1], stamps.shape))
    return [values[..., number] for number in range(len(context.weather_names))]


def _days(grid: Grid, steps: Ints) -> Ints:
    """The local day of each step, since 1970-01-01."""
    days: Ints = grid.first_day + steps * grid.frequency_minutes // MINUTES_A_DAY
    return days


def _calendar(grid: Grid, steps: Ints) -> tuple[npt.NDArray[np.generic], ...]:
    days = _days(grid, steps)
    return steps % grid.day_steps, (days + _MONDAY) % 7
