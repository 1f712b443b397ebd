"""What a forecast is made of: Readings where there are any, else profiles; sectors and types."""

import numpy as np
import pandas as pd
import pytest

from loadprofiles.errors import InputError
from loadprofiles.forecasting.source import profile_readings, read_groups, read_panel
from loadprofiles.profiles import step_columns
from loadprofiles.readings import QUALITY, write_readings
from tests.forecasting.panels import readings
from tests.forecasting.runs import harmonized


def stored(tmp_path, *tables):
    """A Readings table of some meters."""
    full = [
        table.assign(
            meter_id=table["meter_id"].astype("str"),
            quality=pd.Categorical(np.where(table["energy_kwh"].isna(), "missing", "measured"), QUALITY),
            energy_kwh_raw=table["energy_kwh"],
        )
        for table in tables
    ]
    return write_readings(full, (), tmp_path / "readings.parquet")


@pytest.fixture
def in_csv(tmp_path):
    harmonized(3).to_csv(tmp_path / "harmonized.csv", index=False)
    return tmp_path / "harmonized.csv"


def test_without_readings_the_profiles_are_all(in_csv):
    panel = read_panel(in_csv, None, 60, "UTC")
    assert panel.meters == ("a", "b", "c")
    table = harmonized(3)
    expected = table.drop(columns=["id", "date"]).to_numpy().reshape(3, 72)
    np.testing.assert_allclose(panel.energy_kwh, expected)


def test_a_meter_that_has_readings_is_taken_from_them_alone(in_csv, tmp_path):
    path = stored(tmp_path, readings([7.0] * 30, "2024-01-02", meter="b"), readings([1.0] * 5, "2024-01-02", meter="d"))
    panel = read_panel(in_csv, path, 60, "UTC")
    assert panel.meters == ("a", "b", "c", "d")
    known = ~np.isnan(panel.energy_kwh)
    assert known.sum(axis=1).tolist() == [72, 30, 72, 5]
    assert (panel.energy_kwh[1][known[1]] == 7).all()
    assert panel.grid.n_steps == 72


def test_readings_that_are_finer_than_the_frequency_are_summed(in_csv, tmp_path):
    path = stored(tmp_path, readings([0.25, 0.5, 0.25, np.nan] + [1.0] * 92, "2024-01-02", 15, "b"))
    panel = read_panel(in_csv, path, 60, "UTC")
    assert panel.energy_kwh[1, 25] == 4
    assert np.isnan(panel.energy_kwh[1, 24]), "a quarter of it is not known"


def test_the_profiles_of_a_zone_are_its_local_days(tmp_path):
    # the day on which clocks change has no profile
    table = pd.DataFrame(np.arange(48.0).reshape(2, 24), columns=step_columns(60))
    table.insert(0, "id", "7")
    table.insert(1, "date", ["2024-03-30", "2024-04-01"])
    (meter,) = profile_readings(table, "Europe/Rome")
    assert meter["meter_id"].unique().tolist() == ["7"]
    stamps = meter["timestamp_utc"]
    assert stamps.is_monotonic_increasing
    assert stamps.iloc[[0, 23, 24, 47]].astype(str).tolist() == [
        "2024-03-29 23:00:00+00:00", "2024-03-30 22:00:00+00:00", "2024-03-31 22:00:00+00:00",
        "2024-04-01 21:00:00+00:00",
    ]  # fmt: skip
    table.to_csv(tmp_path / "harmonized.csv", index=False)
    panel = read_panel(tmp_path / "harmonized.csv", None, 60, "Europe/Rome")
    assert panel.accounts[0].complete == 48
    assert panel.accounts[0].missing == 23


def test_rows_in_any_order_are_the_same(in_csv, tmp_path):
    shuffled = tmp_path / "shuffled.csv"
    harmonized(3).sample(frac=1, random_state=1).to_csv(shuffled, index=False)
    one, other = (read_panel(path, None, 60, "UTC").energy_kwh for path in (in_csv, shuffled))
    np.testing.assert_array_equal(one, other)


class TestGroups:
    def test_nothing_is_known_without_files(self):
        assert read_groups(None, None, None) == {}

    def test_types_count_where_a_meter_has_no_sector(self, tmp_path):
        description = tmp_path / "description.csv"
        description.write_text("id,Contractual power (kW),Production (kW),Type\na,1,, home \nCliente 1,,,shop\nb,,,\n")
        assert read_groups(description, None, None) == {"a": "home", "Cliente 1": "shop"}
        folder = tmp_path / "customers"
        folder.mkdir()
        sheet = pd.DataFrame({"Cliente:": ["Cliente 1", "Cliente 2"], "Sector Económico:": ["Farming ", " Fishing"]})
        sheet.to_excel(folder / "sector_economico_clientes.xlsx", index=False)
        assert read_groups(description, folder, None) == {"a": "home", "Cliente 1": "Farming", "Cliente 2": "Fishing"}

    def test_a_folder_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(InputError, match="nowhere: no such folder; leave customers_folder empty"):
            read_groups(None, tmp_path / "nowhere", None)
