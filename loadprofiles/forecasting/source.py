"""What a forecast is made of: Readings where they are at hand, else the days of the harmonized table."""

from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from loadprofiles.errors import InputError
from loadprofiles.forecasting.panel import Ints, Panel, make_panel
from loadprofiles.forecasting.weather import DAY, Weather
from loadprofiles.meters import read_description
from loadprofiles.profiles import KEYS, read_profiles, resolution_of, values_of
from loadprofiles.readings import open_readings
from loadprofiles.sources.customers import read_sectors
from loadprofiles.sources.layouts import read_layout
from loadprofiles.tables import read_table, require_columns

_MINUTE = 60_000_000
_TIME, _ISSUED = "timestamp_utc", "issued_utc"


def read_panel(in_csv: Path, readings: Path | None, frequency: int, timezone: str) -> Panel:
    """The energies of all meters on one grid.

    A meter that has Readings is taken from them, incomplete days and all; one that has none, from its profiles.

    Args:
        in_csv: The harmonized table.
        readings: The Readings of its meters; None: there are none.
        frequency: Minutes a step.
        timezone: IANA name of the zone whose days are meant: that of the harmonized table.

    Raises:
        InputError: A table cannot be read.
        EmptyResultError: No meter has a reading.
        ParameterError: A meter is read at longer intervals than `frequency`.
    """
    profiles = read_profiles(in_csv)
    stored = open_readings(readings) if readings else None
    others = profiles if stored is None else profiles[~profiles["id"].isin(list(stored.meters))]
    tables: list[Iterable[pd.DataFrame]] = [profile_readings(others, timezone)]
    if stored is not None:
        tables.append(stored.read([meter], columns=("energy_kwh",)) for meter in stored.meters)
    return make_panel(chain.from_iterable(tables), frequency, timezone)


def profile_readings(profiles: pd.DataFrame, timezone: str) -> Iterator[pd.DataFrame]:
    """The readings of each meter of a profile table."""
    minutes = resolution_of(profiles)
    for meter, days in profiles.sort_values(list(KEYS)).groupby("id", sort=True):
        energy = values_of(days)
        midnights = pd.DatetimeIndex(days["date"]).as_unit("us")
        first = np.ones(len(midnights), dtype=np.bool_)
        starts = midnights.tz_localize(timezone, ambiguous=first, nonexistent="shift_forward").asi8
        stamps = starts[:, np.newaxis] + np.arange(energy.shape[1]) * minutes * _MINUTE
        yield pd.DataFrame(
            {
                "meter_id": str(meter),
                "timestamp_utc": pd.to_datetime(stamps.ravel(), unit="us", utc=True),
                "energy_kwh": energy.ravel(),
            }
        )


def read_groups(description_csv: Path | None, customers_folder: Path | None, layout: Path | None) -> dict[str, str]:
    """The sector of each meter, or its type where it has none.

    Raises:
        InputError: A file cannot be read, or `customers_folder` is not there.
    """
    types = read_description(description_csv)["type"]
    known = {str(meter): str(kind).strip() for meter, kind in types.items() if pd.notna(kind) and str(kind).strip()}
    if customers_folder is not None:
        if not customers_folder.is_dir():
            raise InputError(
                f"{customers_folder}: no such folder; leave customers_folder empty if there are no sectors"
            )
        sectors = read_sectors(customers_folder, read_layout(layout))
        known |= {str(meter): str(sector).strip() for meter, sector in sectors.items() if str(sector).strip()}
    return known


def read_weather(path: Path) -> Weather:
    """Read a weather table: `timestamp_utc`, `issued_utc` where it is forecast, and columns of numbers.

    Raises:
        InputError: A column is missing, a time cannot be read, or a column holds text.
    """
    table = read_table(path, text_columns=(_TIME, _ISSUED))
    require_columns(table, (_TIME,), path)
    names = [str(name) for name in table.columns if name not in (_TIME, _ISSUED)]
    if not names or table.empty:
        raise InputError(f"{path}: no weather in it; expected {_TIME}, {_ISSUED} or not, and columns of numbers")
    try:
        times = _microseconds(table[_TIME])
        issued = _microseconds(table[_ISSUED]) if _ISSUED in table.columns else times + _interval(times)
        values = table[names].apply(pd.to_numeric).to_numpy(dtype=np.float32)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: {error}") from error
    order = np.lexsort((issued, times))
    return Weather(tuple(names), times[order], issued[order], values[order])


def _interval(times: Ints) -> int:
    """The distance between observations: what one stands for has passed by the next."""
    distances = np.diff(np.unique(times))
    return int(distances.min()) if len(distances) else DAY


def _microseconds(stamps: pd.Series) -> Ints:
    parsed = pd.DatetimeIndex(pd.to_datetime(stamps, utc=True, format="ISO8601")).as_unit("us")
    if parsed.isna().any():
        raise ValueError(f"row {int(parsed.isna().argmax()) + 2}: {stamps.name} is empty")
    return np.asarray(parsed.asi8)
