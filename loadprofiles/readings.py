"""The Readings table: one row an interval of one meter, checked where it crosses a boundary."""

import pandas as pd
import pandera.pandas as pa

from loadprofiles.tables import validate

MEASURED = "measured"
EDITED_SCALE = "edited_scale"
EDITED_RESET = "edited_reset"
ESTIMATED_INTERPOLATED = "estimated_interpolated"
ESTIMATED_NIGHT_ZERO = "estimated_night_zero"
REJECTED_OUTLIER = "rejected_outlier"
REJECTED_REGISTER = "rejected_register"
MISSING = "missing"

QUALITY = (
    MEASURED,
    EDITED_SCALE,
    EDITED_RESET,
    ESTIMATED_INTERPOLATED,
    ESTIMATED_NIGHT_ZERO,
    REJECTED_OUTLIER,
    REJECTED_REGISTER,
    MISSING,
)
"""Why a reading is what it is; see DESIGN.md, section 4."""

WITHOUT_ENERGY = (REJECTED_OUTLIER, REJECTED_REGISTER, MISSING)
"""The qualities of a reading whose energy is not known."""

QUALITY_DTYPE = pd.CategoricalDtype(list(QUALITY))
TIMESTAMP_DTYPE = pd.DatetimeTZDtype("us", "UTC")


def _energy_matches_quality(table: pd.DataFrame) -> pd.Series:
    return table["energy_kwh"].isna() == table["quality"].isin(WITHOUT_ENERGY)


def _sorted(table: pd.DataFrame) -> bool:
    same_meter = table["meter_id"].eq(table["meter_id"].shift())
    backwards = table["timestamp_utc"].diff() < pd.Timedelta(0)
    return bool(not (same_meter & backwards).any() and table["meter_id"].is_monotonic_increasing)


SCHEMA = pa.DataFrameSchema(
    {
        "meter_id": pa.Column(str, pa.Check.str_length(min_value=1)),
        "timestamp_utc": pa.Column(TIMESTAMP_DTYPE),
        "energy_kwh": pa.Column(float, nullable=True),
        "quality": pa.Column(QUALITY_DTYPE),
        # what the source said, in the source's own unit: a correction can be checked and undone
        "energy_kwh_raw": pa.Column(float, nullable=True),
        "reactive_energy_kvarh": pa.Column(float, nullable=True, required=False),
        r"^voltage_.*_v$": pa.Column(float, nullable=True, required=False, regex=True),
    },
    checks=[
        pa.Check(_energy_matches_quality, error="energy is unknown exactly where quality says so"),
        pa.Check(_sorted, error="sorted by meter and time"),
    ],
    unique=["meter_id", "timestamp_utc"],
    strict=True,
)


def check_readings(table: pd.DataFrame) -> pd.DataFrame:
    """Return `table` if it keeps the Readings contract.

    Raises:
        InputError: A column is missing, of another type, or a rule of the contract is broken.
    """
    return validate(table, SCHEMA, "not a Readings table")
