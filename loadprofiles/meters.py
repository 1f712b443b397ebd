"""The meter description: contracted power, production and type of each meter."""

from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from loadprofiles.tables import read_table, require_columns, validate

UNKNOWN_POWER_KW = 200.0
"""The limit taken where contracted power or production is not known, as the earlier pipeline did."""

COLUMNS = {
    "id": "meter_id",
    "Contractual power (kW)": "contracted_power_kw",
    "Production (kW)": "production_kw",
    "Type": "type",
}

SCHEMA = pa.DataFrameSchema(
    {
        "meter_id": pa.Column(str, pa.Check.str_length(min_value=1), unique=True),
        "contracted_power_kw": pa.Column(float, pa.Check.ge(0), nullable=True, coerce=True),
        "production_kw": pa.Column(float, pa.Check.ge(0), nullable=True, coerce=True),
        "type": pa.Column(str, nullable=True, coerce=True),
    },
)


def no_description() -> pd.DataFrame:
    """A description that knows no meter."""
    return pd.DataFrame(columns=list(COLUMNS.values()), dtype="object").set_index("meter_id")


def read_description(path: Path | None) -> pd.DataFrame:
    """Read `smart_meter_description.csv`; an empty cell means unknown.

    Returns:
        `contracted_power_kw`, `production_kw` and `type`, indexed by `meter_id`.

    Raises:
        InputError: The file is missing, lacks a column, lists a meter twice or holds text as a power.
    """
    if path is None:
        return no_description()
    table = read_table(path, text_columns=("id", "Type"))
    require_columns(table, tuple(COLUMNS), path)
    table = table[list(COLUMNS)].rename(columns=COLUMNS)
    table["meter_id"] = table["meter_id"].str.strip()
    return validate(table, SCHEMA, str(path)).set_index("meter_id")


@dataclass(frozen=True)
class Limits:
    """The largest plausible import and export power of a meter, in kW; `known` if the import is contracted."""

    import_kw: float
    export_kw: float
    known: bool


def limits_of(description: pd.DataFrame, meter_id: str) -> Limits:
    """The limits of a meter.

    Unknown values, and a contracted power of 0, give UNKNOWN_POWER_KW; a production of 0 means no export.
    """
    if meter_id not in description.index:
        return Limits(UNKNOWN_POWER_KW, UNKNOWN_POWER_KW, known=False)
    contracted = float(description["contracted_power_kw"][meter_id])
    production = float(description["production_kw"][meter_id])
    return Limits(
        import_kw=contracted if contracted > 0 else UNKNOWN_POWER_KW,
        export_kw=production if production >= 0 else UNKNOWN_POWER_KW,
        known=contracted > 0,
    )
