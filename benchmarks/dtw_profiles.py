"""Normalised daily load profiles for the DTW benchmarks: of real customers, or made up."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadprofiles import etl
from loadprofiles.errors import ParameterError
from loadprofiles.normalisation import normalise
from loadprofiles.profiles import read_profiles, values_of
from loadprofiles.synthetic import ARCHETYPES, daily_profiles, make_meter

CUSTOMERS = Path("../shared/data/electrodunas")
_TIMEZONE = "America/Lima"
_DAYS = 120


@dataclass(frozen=True)
class Profiles:
    """Profiles in random order, and in words where they come from."""

    values: NDArray[np.float64]
    origin: str


def load_profiles(folder: Path, resolution_minutes: int, least: int) -> Profiles:
    """The customers' profiles by the ETL step; made up where there are none of that resolution.

    Args:
        folder: of `DATOSCLIENTE<n>.csv` files.
        resolution_minutes: of the profiles.
        least: how many to make up, at least.
    """
    values, origin = None, f"made up: {folder} is not there"
    if folder.is_dir():
        try:
            values, origin = _customers(folder, resolution_minutes), f"the customers in {folder}"
        except ParameterError:
            origin = f"made up: the customers in {folder} were read less often than every {resolution_minutes} minutes"
    if values is None:
        values = made_up(least, resolution_minutes)
    shuffled = np.random.default_rng(1).permutation(normalise(values))
    return Profiles(shuffled, f"{len(shuffled)} profiles of {shuffled.shape[1]} points, {origin}")


def _customers(folder: Path, resolution_minutes: int) -> NDArray[np.float64]:
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        common: dict[str, Any] = {"resolution": resolution_minutes, "timezone": _TIMEZONE, "jobs": 1}
        etl.etl_customers(folder, smart_meter_description_csv=None, out_csv=out / "c.csv", workspace=out, **common)
        return values_of(read_profiles(out / "c.csv"))


def made_up(least: int, resolution_minutes: int) -> NDArray[np.float64]:
    """Profiles in kWh of meters of every archetype, (at least `least`, points)."""
    meters = -(-least // (_DAYS * len(ARCHETYPES))) * len(ARCHETYPES)
    names = [list(ARCHETYPES)[number % len(ARCHETYPES)] for number in range(meters)]
    made = (
        make_meter(f"M{number:04d}", name, days=_DAYS, resolution_minutes=resolution_minutes)
        for number, name in enumerate(names)
    )
    return np.concatenate([values_of(daily_profiles(meter, resolution_minutes)) for meter in made])
