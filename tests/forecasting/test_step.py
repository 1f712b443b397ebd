"""The step on small panels: its tables, its accounts, and meters and settings that have little to go by."""

import numpy as np
import pandas as pd
import pytest

from loadprofiles.errors import EmptyResultError, InputError, ParameterError
from loadprofiles.forecasting import boosting, schedule, step
from loadprofiles.forecasting.measures import QUANTILE_COLUMNS
from loadprofiles.readings import QUALITY, write_readings
from tests.forecasting.panels import drawn_energy, readings
from tests.forecasting.runs import (
    ROUNDS,
    accounts_of,
    backtest_of,
    forecasts_of,
    harmonized,
    panel_from,
    run,
    three_meters,
)

COLUMNS = ["meter_id", "model", "origin_utc", "timestamp_utc", *QUANTILE_COLUMNS, "fallback"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Few trees, two weeks of calibration, and no figures: those are tested where they are drawn."""
    monkeypatch.setattr(boosting, "ROUNDS", ROUNDS)
    monkeypatch.setattr(schedule, "CALIBRATION_DAYS", 14)
    monkeypatch.setattr(step, "_draw", lambda *_: [])
    monkeypatch.setattr("loadprofiles.plots.save", lambda _figure, path: path)
    monkeypatch.setattr("loadprofiles.plots.model_comparison", lambda *_: None)


class TestTables:
    @pytest.fixture
    def result(self, tmp_path):
        tables = three_meters(70)
        # `c` ends in the middle of its last day
        tables[2] = tables[2].iloc[:-5]
        return run(
            panel_from(tables),
            tmp_path / "run",
            "auto",
            sectors={"a": "farms", "zz": "elsewhere"},
            registered_model="x",
        )

    def test_forecasts_and_backtest_have_the_columns_of_their_contract(self, result):
        forecasts, backtest = forecasts_of(result), backtest_of(result)
        assert forecasts.columns.tolist() == COLUMNS
        assert backtest.columns.tolist() == [*COLUMNS, "actual_kwh"]
        for table in (forecasts, backtest):
            assert str(table["timestamp_utc"].dtype) == str(table["origin_utc"].dtype) == "datetime64[us, UTC]"
            assert not table.drop(columns="fallback").isna().any(axis=None)
            assert not table.duplicated(["meter_id", "origin_utc", "timestamp_utc"]).any()
            assert table.equals(table.sort_values(["meter_id", "origin_utc", "timestamp_utc"], ignore_index=True))
            assert (np.diff(table[sorted(QUANTILE_COLUMNS, key=order)], axis=1) >= 0).all()
            assert set(table["model"]) == {result.tags["chosen_model"]}

    def test_each_meter_is_forecast_for_a_day_after_its_own_end(self, result):
        forecasts = forecasts_of(result)
        assert forecasts.groupby("meter_id").size().to_dict() == {"a": 24, "b": 24, "c": 24}
        first = forecasts.groupby("meter_id")["timestamp_utc"].min()
        assert set(first) == {pd.Timestamp("2024-03-11", tz="UTC")}, "from the midnight that has all of it behind it"
        assert (forecasts["timestamp_utc"] >= forecasts["origin_utc"]).all()

    def test_the_backtest_holds_what_was_read(self, result):
        backtest = backtest_of(result)
        given = pd.concat(three_meters(70)).rename(columns={"energy_kwh": "read_kwh"})
        both = backtest.merge(given, on=["meter_id", "timestamp_utc"], validate="1:1")
        assert len(both) == len(backtest) == 3 * 7 * 24
        np.testing.assert_allclose(both["actual_kwh"], both["read_kwh"])
        ends = backtest.groupby("meter_id")["timestamp_utc"].max().astype(str).to_dict()
        assert ends["a"] == ends["b"] == "2024-03-10 23:00:00+00:00"
        assert ends["c"] == "2024-03-09 23:00:00+00:00", "its last day is not whole"

    def test_each_model_has_a_child_and_the_chosen_one_its_numbers_on_the_step(self, result):
        names = ["seasonal_naive", "seasonal_naive_24h", "profile", "xgboost", "online"]
        assert [child.run_name for child in result.children] == names
        assert [child.params for child in result.children] == [{"model": name} for name in names]
        (chosen,) = [child for child in result.children if child.run_name == result.tags["chosen_model"]]
        assert chosen.metrics.items() <= result.metrics.items()
        assert result.outputs["backtest"] == chosen.outputs["backtest"]
        (naive,) = [child for child in result.children if child.run_name == "seasonal_naive"]
        assert naive.metrics["ratio_to_seasonal_naive"] == pytest.approx(1)

    def test_the_measures_are_those_of_the_tables(self, result):
        for child in result.children:
            table = pd.read_parquet(child.outputs["backtest"])
            wape = (table["actual_kwh"] - table["energy_kwh"]).abs().groupby(table["meter_id"]).sum()
            wape /= table["actual_kwh"].groupby(table["meter_id"]).sum()
            (path,) = [path for path in child.files if path.name == "forecast_errors.csv"]
            errors = pd.read_csv(path).set_index("meter_id")
            np.testing.assert_allclose(errors["wape"], wape)
            assert child.metrics["median_wape"] == pytest.approx(wape.median())
            inside = table["actual_kwh"].between(table["energy_kwh_p05"], table["energy_kwh_p95"])
            assert child.metrics["coverage_90"] == pytest.approx(inside.mean())
        (path,) = [path for path in result.files if path.name == "forecast_comparison.csv"]
        comparison = pd.read_csv(path)
        assert comparison["ratio_to_seasonal_naive"].is_monotonic_increasing
        assert set(comparison["model"]) == {child.run_name for child in result.children}

    def test_the_log_says_what_was_chosen_and_how_good_each_model_was(self, result):
        assert result.notes[0].startswith("3 meters at 1h: 5035 intervals known, 0 missing")
        assert result.notes[1] == (
            f"model=auto: {result.tags['chosen_model']} was the best in the weeks before the backtest"
        )
        assert sum("of the error of seasonal_naive" in note for note in result.notes) == 5

    def test_a_model_is_logged_for_each_and_the_chosen_one_to_be_registered(self, result):
        names = {child.run_name: child.model.registered_name for child in result.children}
        assert {name for name, registered in names.items() if registered} == {result.tags["chosen_model"]}
        for child in result.children:
            assert ("xgboost-cpu" in child.model.packages) == (child.run_name in ("xgboost", "online"))
            assert not {"tensorflow-cpu", "keras", "statsforecast"} & set(child.model.packages)


def order(column):
    return {"energy_kwh": 50}.get(column) or int(column.rpartition("p")[2])


@pytest.mark.parametrize(
    ("start", "day", "hours"), [("2024-02-01", "2024-03-31", 23), ("2024-08-28", "2024-10-27", 25)]
)
def test_a_day_on_which_clocks_change_has_as_many_rows_as_hours(tmp_path, start, day, hours):
    stamps = pd.date_range(start, periods=24 * 65, freq="h", tz="UTC", unit="us")
    energy = 1 + np.arange(len(stamps)) % 24 / 10
    table = pd.DataFrame({"meter_id": "a", "timestamp_utc": stamps, "energy_kwh": energy})
    result = run(panel_from([table], timezone="Europe/Rome"), tmp_path / "run", "profile", timezone="Europe/Rome")
    backtest = backtest_of(result)
    of_day = backtest[backtest["timestamp_utc"].dt.tz_convert("Europe/Rome").dt.strftime("%Y-%m-%d") == day]
    assert len(of_day) == of_day["timestamp_utc"].nunique() == hours
    assert (of_day["timestamp_utc"].diff().dropna() == pd.Timedelta("1h")).all()
    read = table.set_index("timestamp_utc")["energy_kwh"].loc[of_day["timestamp_utc"]]
    assert of_day["actual_kwh"].sum() == pytest.approx(read.sum())
    assert backtest.groupby("origin_utc").size().value_counts().to_dict() == {24: 6, hours: 1}


class TestMetersWithLittleToGoBy:
    def test_each_is_told_with_its_reason_and_none_is_left_out(self, tmp_path):
        usual = drawn_energy(70, 1)[0]
        gaps = usual.copy()
        gaps[1000:1030] = np.nan
        level = usual.copy()
        level[-48:] *= 9
        rows = {
            "gaps": gaps, "level": level, "short": usual[-24 * 9 :], "usual": usual, "zeros": np.zeros(70 * 24),
            "few": usual[-7:],
        }  # fmt: skip
        tables = [
            readings(e, str(pd.Timestamp("2024-03-11") - pd.Timedelta(hours=len(e))), meter=m) for m, e in rows.items()
        ]
        # quarters of an hour, of which no four make an hour
        stamps = pd.to_datetime(["2024-03-01T00:15Z", "2024-03-01T00:30Z", "2024-03-01T01:00Z"]).as_unit("us")
        tables.append(pd.DataFrame({"meter_id": "no hour", "timestamp_utc": stamps, "energy_kwh": 1.0}))
        result = run(panel_from(tables), tmp_path / "run", "auto")
        accounts = accounts_of(result)
        assert accounts["fallback"].to_dict() == {
            "few": "no past", "gaps": "", "level": "new level", "no hour": "no whole interval", "short": "short past",
            "usual": "", "zeros": "all zero",
        }  # fmt: skip
        assert accounts["intervals"].to_dict() == {
            "few": 7, "gaps": 1650, "level": 1680, "no hour": 0, "short": 216, "usual": 1680, "zeros": 1680,
        }  # fmt: skip
        assert accounts["missing"].to_dict() == {name: 30 * (name == "gaps") for name in accounts.index}
        assert accounts.loc["zeros", "outage"] == 1680
        assert accounts.loc["no hour", "dropped_first_and_last"] == 2
        forecasts = forecasts_of(result)
        assert set(forecasts["meter_id"]) == set(accounts.index) - {"no hour"}
        assert forecasts.groupby("meter_id")["fallback"].unique().map(list).to_dict() == {
            name: [reason] for name, reason in accounts["fallback"].items() if name != "no hour"
        }
        assert np.isfinite(forecasts["energy_kwh"]).all()
        assert (forecasts[forecasts["meter_id"] == "zeros"]["energy_kwh"] == 0).all()
        for reason in ("no past", "short past", "all zero", "new level"):
            assert [note for note in result.notes if note.startswith(f"1 meters: {reason}: ")], result.notes
        assert "1 meters have no whole interval and no forecast" in result.notes
        assert result.metrics["meters_with_fallback"] == 4
        assert result.metrics["meters_without_interval"] == 1

    @pytest.mark.parametrize("model", ["auto", "xgboost"])
    def test_one_meter_of_two_days_is_forecast_and_told(self, tmp_path, model):
        result = run(panel_from(three_meters(2)[:1]), tmp_path / "run", model)
        assert forecasts_of(result)["fallback"].unique().tolist() == ["short past"]
        assert len(backtest_of(result)) == 24, "of the second day, from the first"
        if model == "auto":
            assert result.tags["chosen_model"] == "seasonal_naive", "nothing tells which is better"

    def test_nothing_but_zeros_everywhere(self, tmp_path):
        tables = [readings(np.zeros(40 * 24), "2024-01-01", meter=name) for name in "ab"]
        result = run(panel_from(tables), tmp_path / "run", "auto")
        assert (forecasts_of(result)[list(QUANTILE_COLUMNS)] == 0).all(axis=None)
        assert result.metrics["meters_with_fallback"] == 2
        assert not [note for note in result.notes if "nan" in note], result.notes

    def test_no_meter_with_a_whole_interval_is_an_error_that_says_so(self, tmp_path):
        panel = panel_from([readings([1.0, 1.0, 1.0], "2024-01-01T00:15", 15)])
        with pytest.raises(EmptyResultError, match="no meter has a whole interval of 1h"):
            run(panel, tmp_path / "run", "auto")


class TestSettings:
    def test_no_backtest_is_an_empty_table_and_a_note(self, tmp_path):
        result = run(panel_from(three_meters(40)), tmp_path / "run", "seasonal_naive", backtest_days=0)
        backtest = backtest_of(result)
        assert backtest.columns.tolist() == [*COLUMNS, "actual_kwh"]
        assert backtest.empty
        assert len(forecasts_of(result)) == 72
        assert [note for note in result.notes if note.startswith("no backtest: ")]
        assert "median_wape" not in result.metrics

    @pytest.mark.parametrize(
        ("frequency", "minutes", "horizon", "rows"),
        [
            ("15min", 15, 24, 96), ("8h", 480, 48, 6), ("48h", 2880, 24, 1), ("24h", 1440, 168, 7), ("1h", 60, 1, 1),
            ("1h", 60, 48, 48), ("1h", 60, 168, 168),
        ],
    )  # fmt: skip
    def test_each_frequency_and_horizon_has_its_rows(self, tmp_path, monkeypatch, frequency, minutes, horizon, rows):
        monkeypatch.setattr(schedule, "CALIBRATION_DAYS", 4)
        days = 35 if minutes < 60 else 70
        step_minutes = min(minutes, 60)
        energy = drawn_energy(days, 2, step_minutes)
        panel = panel_from(
            [readings(e, "2024-01-01", step_minutes, m) for m, e in zip("ab", energy, strict=True)], minutes
        )
        model = "xgboost" if horizon != 1 else "profile"
        result = run(panel, tmp_path / "run", model, frequency=frequency, horizon=horizon, backtest_days=4)
        forecasts = forecasts_of(result)
        assert forecasts.groupby("meter_id").size().to_dict() == {"a": rows, "b": rows}
        backtest = backtest_of(result)
        assert (backtest["timestamp_utc"] >= backtest["origin_utc"]).all()
        assert len(backtest) % rows == 0
        assert len(backtest) > 0
        if minutes > 60:
            total = pd.concat([readings(energy[0], "2024-01-01")]).set_index("timestamp_utc")["energy_kwh"]
            first = backtest[backtest["meter_id"] == "a"].iloc[0]
            end = first["timestamp_utc"] + pd.Timedelta(minutes=minutes - 1)
            assert first["actual_kwh"] == pytest.approx(total.loc[first["timestamp_utc"] : end].sum())

    def test_a_horizon_that_is_no_multiple_of_the_frequency_is_refused(self, tmp_path):
        with pytest.raises(ParameterError, match="horizon 12 is no multiple of the frequency of 480 minutes"):
            run(panel_from(three_meters(10), 480), tmp_path / "run", "profile", frequency="8h", horizon=12)

    def test_a_sector_changes_what_is_learnt(self, tmp_path):
        tables = three_meters(70)
        given = ({}, {"a": "farms", "b": "shops", "c": "farms"})
        columns = [list(QUANTILE_COLUMNS)]
        one, other = (
            forecasts_of(run(panel_from(tables), tmp_path / str(n), "xgboost", sectors=s, backtest_days=1))
            for n, s in enumerate(given)
        )
        assert not one[columns[0]].equals(other[columns[0]])


class TestFromFiles:
    def call(self, place, **params):
        given = {
            "in_csv": place / "harmonized.csv", "readings": None, "weather_csv": None,
            "smart_meter_description_csv": None, "customers_folder": None, "customers_layout": None, "jobs": 1,
            "dask_scheduler": "", "workspace": place / "work", "model": "profile", "backtest_days": 2,
        }  # fmt: skip
        (place / "work").mkdir(exist_ok=True)
        harmonized(30).to_csv(place / "harmonized.csv", index=False)
        return step.forecast(**given | params)

    def test_the_inputs_are_told_with_their_digests(self, tmp_path):
        result = self.call(tmp_path)
        assert [(given.name, given.path.name, len(given.digest)) for given in result.inputs] == [
            ("harmonized", "harmonized.csv", 64)
        ]

    def test_readings_stand_in_for_the_profiles_of_their_meters(self, tmp_path):
        table = three_meters(30, seed=9)[1].iloc[:-5]
        table["quality"] = pd.Categorical(["measured"] * len(table), QUALITY)
        table["energy_kwh_raw"] = table["energy_kwh"]
        path = write_readings([table.astype({"meter_id": "str"})], (), tmp_path / "readings.parquet")
        result = self.call(tmp_path, readings=path)
        assert accounts_of(result)["intervals"].to_dict() == {"a": 720, "b": 715, "c": 720}
        assert [given.name for given in result.inputs] == ["harmonized", "readings"]

    @pytest.mark.parametrize(
        ("params", "error", "message"),
        [
            ({"holidays": "Italy"}, ParameterError, "holidays 'Italy' is no country that is known; write a code like"),
            ({"model": "prophet"}, ParameterError, "model is 'prophet'; it must be one of auto, online"),
            ({"frequency": "7h"}, ParameterError, "frequency '7h' must divide a day"),
            ({"frequency": "15min"}, ParameterError, "meter a is read every 60 minutes, which is no part"),
        ],
    )
    def test_a_parameter_that_cannot_be_used_is_named(self, tmp_path, params, error, message):
        with pytest.raises(error, match=message):
            self.call(tmp_path, **params)

    def test_a_table_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(InputError, match=r"nowhere\.csv"):
            self.call(tmp_path, in_csv=tmp_path / "nowhere.csv")

    def test_holidays_of_a_country_are_learnt_from(self, tmp_path):
        result = self.call(tmp_path, holidays="it", model="seasonal_naive")
        assert len(forecasts_of(result)) == 72

    def test_weather_is_learnt_from(self, tmp_path):
        stamps = pd.date_range("2024-01-01", periods=24 * 31, freq="h").strftime("%Y-%m-%dT%H:%M:%SZ")
        weather = pd.DataFrame({"timestamp_utc": stamps, "temp [C]": np.arange(len(stamps)) % 17})
        weather.to_csv(tmp_path / "weather.csv", index=False)
        result = self.call(tmp_path, weather_csv=tmp_path / "weather.csv", model="xgboost")
        assert [given.name for given in result.inputs] == ["harmonized", "weather"]
        assert len(forecasts_of(result)) == 72
