"""What is left of a run: from recent readings alone it forecasts what the run did."""

import numpy as np
import pandas as pd
import pytest

from loadprofiles.errors import EmptyResultError, InputError, ParameterError
from loadprofiles.forecasting import boosting, schedule, step
from loadprofiles.forecasting.measures import QUANTILE_COLUMNS
from loadprofiles.forecasting.served import OUTPUTS, checked_readings, read_forecaster
from tests.forecasting.panels import readings
from tests.forecasting.runs import ROUNDS, WEEKS_SERVED, forecasts_of, model_of, panel_from, run, three_meters

MODELS = ("seasonal_naive", "seasonal_naive_24h", "profile", "mstl", "ets", "xgboost", "online")
DAYS = 7 * (WEEKS_SERVED + 2)


@pytest.fixture(scope="module", autouse=True)
def quick():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boosting, "ROUNDS", ROUNDS)
        patch.setattr(step, "_draw", lambda *_: [])
        patch.setattr("loadprofiles.plots.save", lambda _figure, path: path)
        patch.setattr("loadprofiles.plots.model_comparison", lambda *_: None)
        yield


def tables():
    """One meter as usual, one that stopped ten days ago, one of a new level; all with hours that are not whole."""
    given = three_meters(DAYS, "2024-01-01T00:00")
    given[1].loc[given[1].index[-10 * 24 :], "energy_kwh"] = 0
    given[2].loc[given[2].index[-48:], "energy_kwh"] *= 9
    return [table.iloc[: len(table) - 5] for table in given]


def recent(weeks=WEEKS_SERVED):
    """Their last weeks, as they are sent to a server."""
    table = pd.concat(part.iloc[-weeks * 7 * 24 :] for part in tables())
    return table.assign(timestamp_utc=table["timestamp_utc"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    panel = panel_from(tables(), timezone="Europe/Rome")
    given = {"timezone": "Europe/Rome", "sectors": {"a": "farms"}, "holidays": "IT", "backtest_days": 1}
    made = {}
    for model in MODELS:
        with pytest.MonkeyPatch.context() as patch:
            # slow models have the bands of all meters, the others their own
            patch.setattr(schedule, "CALIBRATION_DAYS", 1 if model in ("mstl", "ets") else 20)
            made[model] = run(panel, folder / model, model, **given)
    return made


@pytest.fixture(scope="module")
def forecasters(results):
    return {name: read_forecaster(model_of(result).files["forecaster"]) for name, result in results.items()}


@pytest.mark.parametrize("model", MODELS)
def test_from_fourteen_weeks_it_forecasts_what_the_run_did(results, forecasters, model):
    served, given = forecasters[model].forecast(recent()), forecasts_of(results[model])
    assert set(given["fallback"]) == {"", "new level"}
    texts = ["meter_id", "model", "origin_utc", "timestamp_utc", "fallback"]
    pd.testing.assert_frame_equal(served[texts], given[texts])
    np.testing.assert_allclose(served[list(QUANTILE_COLUMNS)], given[list(QUANTILE_COLUMNS)], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("model", ["profile", "xgboost", "online"])
def test_a_forecaster_that_is_kept_again_is_the_same(forecasters, tmp_path, model):
    again = read_forecaster(forecasters[model].save(tmp_path / "again"))
    pd.testing.assert_frame_equal(again.forecast(recent()), forecasters[model].forecast(recent()))


def test_columns_and_rows_are_as_promised(forecasters):
    table = forecasters["online"].forecast(recent().sample(frac=1, random_state=0))
    assert table.columns.tolist() == [name for name, _ in OUTPUTS]
    assert table.groupby("meter_id").size().to_dict() == {"a": 24, "b": 24, "c": 24}
    levels = ["energy_kwh_p05", "energy_kwh_p10", "energy_kwh_p25", "energy_kwh", "energy_kwh_p75", "energy_kwh_p90"]
    assert (np.diff(table[levels], axis=1) >= 0).all()


@pytest.mark.parametrize("model", ["seasonal_naive", "xgboost", "online"])
def test_a_meter_that_nobody_knew_has_the_bands_of_all(forecasters, model):
    table = recent().query("meter_id == 'a'")
    known, unknown = (forecasters[model].forecast(table.assign(meter_id=name)) for name in ("a", "new one"))
    if model == "seasonal_naive":
        np.testing.assert_array_equal(known["energy_kwh"], unknown["energy_kwh"])
    bands = [(t["energy_kwh_p95"] - t["energy_kwh_p05"]) / t["energy_kwh"] for t in (known, unknown)]
    assert not np.allclose(*bands)
    assert (bands[1] > 0).all()


def test_little_is_needed_and_what_is_done_then_is_told(forecasters):
    for weeks, reason in ((1, "short past"), (2, "")):
        table = forecasters["online"].forecast(recent(weeks).query("meter_id == 'a'"))
        assert table["fallback"].unique().tolist() == [reason]
        assert np.isfinite(table[list(QUANTILE_COLUMNS)]).all(axis=None)


def test_a_model_that_had_nothing_to_learn_from_states_the_fallback(tmp_path):
    short = [table.iloc[: 3 * 24] for table in three_meters(3)]
    result = run(panel_from(short), tmp_path / "run", "xgboost")
    forecaster = read_forecaster(model_of(result).files["forecaster"])
    assert not forecaster.fitted
    served = forecaster.forecast(pd.concat(short))
    assert set(served["fallback"]) == {"short past"}
    np.testing.assert_allclose(served["energy_kwh"], forecasts_of(result)["energy_kwh"])
    longer = forecaster.forecast(readings(np.arange(30 * 24) % 24 + 1.0, "2024-01-01"))
    assert np.isfinite(longer["energy_kwh"]).all(), "the mean of the same time of day"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda t: t.assign(timestamp_utc="soon"), InputError, "timestamp_utc is to be ISO 8601"),
        (lambda t: t.assign(timestamp_utc=None), InputError, "row 1 has no time"),
        (lambda t: pd.concat([t, t.tail(1)]), InputError, "meter a has the interval .* twice"),
        (lambda t: t.assign(energy_kwh=[*[1.0] * (len(t) - 1), np.inf]), InputError, "row 336 has no time, or an ener"),
        (lambda t: t.assign(energy_kwh="much"), InputError, "energy_kwh"),
        (lambda t: t.assign(meter_id=None), InputError, "row 1 has no meter"),
        (lambda t: t.drop(columns="energy_kwh"), InputError, "energy_kwh"),
        (lambda t: t.head(0), EmptyResultError, "no meter has a reading"),
        (lambda t: t.assign(energy_kwh=np.nan), EmptyResultError, "no meter has a whole interval of 60 minutes"),
        (lambda t: t.iloc[::2], ParameterError, "meter a is read every 120 minutes"),
    ],
)
def test_readings_that_cannot_be_used_are_refused_with_the_reason(forecasters, change, error, message):
    with pytest.raises(error, match=message):
        forecasters["profile"].forecast(change(recent(2).query("meter_id == 'a'")))


def test_what_is_checked_is_sorted_and_in_utc():
    given = pd.DataFrame(
        {
            "meter_id": ["b", "a", "a"],
            "timestamp_utc": ["2024-01-01T01:00:00+01:00", "2024-01-01T01:00", "2024-01-01"],
            "energy_kwh": [1, 2, 3],
        },
        index=[7, 7, 8],
    )
    table = checked_readings(given)
    assert table["meter_id"].tolist() == ["a", "a", "b"]
    assert table["energy_kwh"].tolist() == [3.0, 2.0, 1.0]
    assert table["timestamp_utc"].dt.strftime("%dT%H").tolist() == ["01T00", "01T01", "01T00"]
    assert str(table["timestamp_utc"].dtype) == "datetime64[us, UTC]"


def test_a_folder_without_a_forecaster_is_named(forecasters, tmp_path):
    with pytest.raises(InputError, match="no forecaster can be read there"):
        read_forecaster(tmp_path)
    kept = forecasters["profile"].save(tmp_path / "kept")
    (kept / "pool.npy").unlink()
    with pytest.raises(InputError, match=r"no forecaster can be read there: .*pool\.npy"):
        read_forecaster(kept)
    (kept / "forecaster.json").write_text("{}")
    with pytest.raises(InputError, match="context"):
        read_forecaster(kept)


def test_nothing_that_is_kept_is_pickled(results):
    for result in results.values():
        files = [path for path in model_of(result).files["forecaster"].rglob("*") if path.is_file()]
        assert {path.suffix for path in files} <= {".npy", ".json", ".ubj"}
        for path in files:
            if path.suffix == ".npy":
                np.load(path, allow_pickle=False)
