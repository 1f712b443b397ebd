"""Weather counts as far as it was known: forecasts once issued, observations once past."""

import numpy as np
import pandas as pd
import pytest

from loadprofiles.errors import InputError
from loadprofiles.forecasting import boosting, schedule
from loadprofiles.forecasting.design import Context, make_rows
from loadprofiles.forecasting.engine import Work, forecast_all
from loadprofiles.forecasting.schedule import Horizon
from loadprofiles.forecasting.source import read_weather
from loadprofiles.forecasting.weather import DAY, Weather
from tests.forecasting.panels import drawn_energy, ints, panel_of

HOUR = DAY // 24


def weather_of(rows):
    """From rows of time, moment of issue, and value, both in hours."""
    table = np.array(sorted(rows), dtype=np.float64)
    times, issued = (table[:, :2].T * HOUR).astype(np.int64)
    return Weather(("temp",), times, issued, table[:, 2:].astype(np.float32))


def at(weather, hour, origin):
    return weather.at(ints(hour) * HOUR, ints(origin) * HOUR)[0, 0]


def test_of_several_forecasts_the_last_one_issued_counts_and_none_that_is_later():
    weather = weather_of([(30, 0, 1.0), (30, 12, 2.0), (30, 24, 3.0)])
    assert [at(weather, 30, origin) for origin in (0, 11, 12, 23, 24, 29)] == [1, 1, 2, 2, 3, 3]


def test_before_the_first_is_issued_the_day_before_counts_and_then_the_one_before_that():
    weather = weather_of([(30, 25, 5.0), (6, 7, 4.0)])
    assert at(weather, 30, 24) == 4
    assert at(weather, 54, 24) == 4
    assert np.isnan(at(weather, 30, 6)), "nothing is known yet"


def test_nothing_older_than_a_week_counts():
    weather = weather_of([(0, 1, 5.0)])
    assert at(weather, 7 * 24, 6 * 24) == 5
    assert np.isnan(at(weather, 8 * 24, 6 * 24))


def test_moments_of_any_shape_have_their_weather():
    weather = weather_of([(hour, hour + 1, hour) for hour in range(48)])
    stamps = np.arange(48, 72).reshape(2, 12) * HOUR
    values = weather.at(stamps, np.full((2, 12), 48 * HOUR))
    assert values.shape == (2, 12, 1)
    np.testing.assert_array_equal(values[..., 0], np.arange(24, 48).reshape(2, 12))


class TestFiles:
    def write(self, tmp_path, **columns):
        pd.DataFrame(columns).to_csv(tmp_path / "weather.csv", index=False)
        return tmp_path / "weather.csv"

    def test_an_observation_is_known_when_its_interval_has_passed(self, tmp_path):
        stamps = ["2024-01-01T02:00:00Z", "2024-01-01T00:00:00Z", "2024-01-01T01:00:00Z"]
        weather = read_weather(self.write(tmp_path, timestamp_utc=stamps, temp=[3, 1, 2], wind=[0.5, None, 1]))
        assert weather.names == ("temp", "wind")
        assert (weather.issued - weather.times == HOUR).all()
        assert weather.values[:, 0].tolist() == [1, 2, 3]
        assert np.isnan(weather.values[0, 1])

    def test_a_forecast_is_known_when_it_says(self, tmp_path):
        path = self.write(
            tmp_path,
            timestamp_utc=["2024-01-02T00:00:00Z"] * 2,
            issued_utc=["2024-01-01T12:00:00+01:00", "2024-01-01T06:00:00Z"],
            temp=[2, 1],
        )
        weather = read_weather(path)
        assert weather.values.ravel().tolist() == [1, 2]
        assert ((weather.times - weather.issued) // HOUR).tolist() == [18, 13]

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ({"temp": [1]}, "timestamp_utc"),
            ({"timestamp_utc": ["2024-01-01"]}, "no weather in it"),
            ({"timestamp_utc": [], "temp": []}, "no weather in it"),
            ({"timestamp_utc": ["noon"], "temp": [1]}, "noon"),
            ({"timestamp_utc": ["2024-01-01", None], "temp": [1, 2]}, "row 3: timestamp_utc is empty"),
            ({"timestamp_utc": ["2024-01-01"], "temp": ["mild"]}, "mild"),
        ],
    )
    def test_what_cannot_be_read_is_named(self, tmp_path, columns, message):
        with pytest.raises(InputError, match=message) as error:
            read_weather(self.write(tmp_path, **columns))
        assert "weather.csv" in str(error.value)


def hourly(days, known_hours_ahead):
    """A row an hour, known so long before; different every day."""
    values = np.random.default_rng(1).uniform(0, 30, days * 24)
    start = 19_723 * 24
    return weather_of([(start + h, start + h - known_hours_ahead, v) for h, v in enumerate(values)])


def context_of(weather):
    return Context(weather_names=weather.names, weather=weather)


def test_rows_hold_the_weather_of_their_hours_as_known_at_the_origin():
    panel = panel_of(drawn_energy(40))
    rows, _ = make_rows(panel, context_of(hourly(41, 48)), ints(0), ints(35 * 24), 24)
    forecast = rows[0, :, context_of(hourly(41, 48)).names.index("weather_temp")]
    np.testing.assert_array_equal(forecast, hourly(41, 48).values[35 * 24 : 36 * 24, 0])
    rows, _ = make_rows(panel, context_of(hourly(41, -1)), ints(0), ints(35 * 24), 24)
    observed = rows[0, :, -1]
    np.testing.assert_array_equal(observed, hourly(41, -1).values[34 * 24 : 35 * 24, 0])


def test_weather_that_is_not_known_at_an_origin_changes_no_forecast(tmp_path, monkeypatch):
    monkeypatch.setattr(boosting, "ROUNDS", 8)
    monkeypatch.setattr(schedule, "CALIBRATION_DAYS", 5)
    panel, origin = panel_of(drawn_energy(60, 2)), 57 * 24
    outcomes = []
    for number in range(2):
        weather = hourly(62, -1)
        if number:
            weather.values[weather.issued > (19_723 * 24 + origin) * HOUR] = 99
        work = Work(1, "", tmp_path / str(number))
        work.workspace.mkdir()
        outcomes.append(
            forecast_all(panel, context_of(weather), Horizon(24, 24), ("seasonal_naive", "xgboost"), 5, 0, work)
        )
    one, other = (outcome.quantiles_kwh["xgboost"] for outcome in outcomes)
    issued = outcomes[0].queries.origins <= origin
    np.testing.assert_array_equal(one[issued], other[issued])
    assert (one[~issued] != other[~issued]).any()
