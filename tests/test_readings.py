import numpy as np
import pandas as pd
import pytest

from loadprofiles import readings as r
from loadprofiles.errors import InputError
from loadprofiles.vee import empty_readings


def table(**changes):
    stamps = pd.date_range("2024-01-01", periods=2, freq="1h", tz="UTC", unit="us")
    columns = {
        "meter_id": pd.Series(["a", "a"], dtype="str"),
        "timestamp_utc": stamps,
        "energy_kwh": [1.0, np.nan],
        "quality": pd.Categorical([r.MEASURED, r.MISSING], dtype=r.QUALITY_DTYPE),
        "energy_kwh_raw": [1.0, np.nan],
    }
    return pd.DataFrame(columns | changes)


def test_a_good_table_passes_also_empty_and_with_optional_columns():
    r.check_readings(table(voltage_l1_v=[230.0, np.nan], reactive_energy_kvarh=[0.1, 0.2]))
    r.check_readings(empty_readings())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energy_kwh": [1.0, 2.0]}, "energy is unknown exactly where quality says so"),
        ({"energy_kwh": [np.nan, np.nan]}, "energy is unknown exactly where quality says so"),
        ({"quality": ["measured", "missing"]}, "quality"),
        ({"meter_id": pd.Series(["b", "a"], dtype="str")}, "sorted by meter and time"),
        ({"timestamp_utc": pd.DatetimeIndex(["2024-01-01"] * 2, tz="UTC").as_unit("us")}, "uniqueness"),
        ({"surprise": [1, 2]}, "surprise"),
    ],
)
def test_a_broken_contract_is_named(changes, message):
    with pytest.raises(InputError, match=f"not a Readings table: .*{message}"):
        r.check_readings(table(**changes))
