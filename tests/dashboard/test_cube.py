"""Hourly energy of all meters: what is written of readings and profiles, and what the queries make of it."""

import pickle
import tempfile
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles.dashboard import cube as cubes
from loadprofiles.dashboard.cube import Cube, PeakSlot, build_cube, open_cube
from loadprofiles.errors import EmptyResultError, InputError, ParameterError
from loadprofiles.profiles import step_columns
from loadprofiles.readings import MEASURED, MISSING, QUALITY_DTYPE, open_readings, write_readings

ROME = "Europe/Rome"
SPRING, AUTUMN = "2024-03-30", "2024-10-26"
MONDAY = date(2024, 1, 1)
MONDAY_NUMBER = 19723


def readings(energy, start, minutes=60, meter="A"):
    """Readings of one meter from a moment in UTC on; NaN is missing."""
    energy = np.asarray(energy, dtype=np.float64)
    stamps = pd.date_range(start, periods=len(energy), freq=f"{minutes}min", tz="UTC", unit="us")
    quality = np.where(np.isnan(energy), MISSING, MEASURED)
    return pd.DataFrame(
        {
            "meter_id": pd.array([meter] * len(energy), dtype="str"),
            "timestamp_utc": stamps,
            "energy_kwh": energy,
            "quality": pd.Categorical(quality, dtype=QUALITY_DTYPE),
            "energy_kwh_raw": energy,
        }
    )


def profiles(folder, rows, minutes=60, name="harmonized.csv"):
    """A harmonized table of `id, date, energy of every step`."""
    steps = step_columns(minutes)
    table = pd.DataFrame([(meter, day, *[energy] * len(steps)) for meter, day, energy in rows])
    table.columns = ["id", "date", *steps]
    if name.endswith(".csv"):
        table.to_csv(folder / name, index=False)
    else:
        table.to_parquet(folder / name, index=False)
    return folder / name


def stored(folder, *tables):
    """The Readings on disk."""
    return open_readings(write_readings(tables, (), folder / "readings"))


def built(folder, tables=(), harmonized=None, timezone="UTC"):
    """The cube of readings and profiles, by way of its file."""
    given_readings = stored(folder, *tables) if tables else None
    return open_cube(build_cube(given_readings, harmonized, timezone, folder / "cube.parquet", False))


def cube_of(**meters):
    """A cube of meters: a first day, counted from a Monday, and energies of shape (days, 24)."""
    firsts = np.array([MONDAY_NUMBER + first for first, _ in meters.values()])
    energy = np.concatenate([np.asarray(days, dtype=np.float32) for _, days in meters.values()])
    rows = np.cumsum([0, *(len(days) for _, days in meters.values())])
    return Cube("UTC", tuple(meters), firsts, rows, energy)


def by_grouping(table, minutes):
    """Energy by local day and hour, of hours that are wholly known; by pandas alone."""
    local = table["timestamp_utc"].dt.tz_convert(ROME)
    first, last = local.iloc[0].normalize(), local.iloc[-1].normalize() + pd.DateOffset(days=1)
    there = pd.date_range(first, last, freq=f"{minutes}min", inclusive="left").to_series()
    wanted = there.groupby([there.dt.date, there.dt.hour]).size()
    grouped = table["energy_kwh"].groupby([local.dt.date, local.dt.hour])
    whole = grouped.sum()[grouped.count().reindex(wanted.index).eq(wanted)[lambda same: same].index]
    return whole.unstack().reindex(index=sorted(set(there.dt.date)), columns=range(24)).to_numpy()


class TestReadings:
    @settings(max_examples=20)
    @given(
        st.sampled_from([SPRING, AUTUMN]),
        st.sampled_from([15, 30, 60]),
        st.integers(0, 23),
        st.lists(st.floats(-5, 50, width=32) | st.just(np.nan), min_size=30, max_size=250),
    )
    def test_hours_are_those_that_grouping_by_the_local_clock_gives(self, day, minutes, hour, energy):
        table = readings(energy, f"{day} {hour:02d}:00", minutes)
        with tempfile.TemporaryDirectory() as folder:
            first, found = built(Path(folder), [table], timezone=ROME).hourly("A")
        np.testing.assert_allclose(found, by_grouping(table, minutes), rtol=1e-5, atol=1e-4)
        assert first == table["timestamp_utc"].iloc[0].tz_convert(ROME).date()

    def test_the_hour_that_comes_twice_has_the_energy_of_both_and_the_skipped_is_not_known(self, tmp_path):
        tables = [
            readings(np.ones(25), "2024-10-26 22:00", meter="autumn"),
            readings(np.ones(23), "2024-03-30 23:00", meter="spring"),
        ]
        cube = built(tmp_path, tables, timezone=ROME)
        (autumn,), (spring,) = cube.hourly("autumn")[1], cube.hourly("spring")[1]
        assert (autumn[2], np.isnan(spring[2])) == (2, True)
        np.testing.assert_array_equal(cube.energy_kwh().kwh, [25, 23])
        np.testing.assert_array_equal(cube.energy_kwh().known_hours, [24, 23])

    def test_days_that_have_begun_are_kept_in_part(self, tmp_path):
        cube = built(tmp_path, [readings(np.ones(24), "2024-01-01 18:00")])
        np.testing.assert_array_equal(cube.total_by_day().known_hours, [6, 18])

    def test_tasks_that_end_in_another_order_and_small_row_groups_change_nothing(self, tmp_path, monkeypatch):
        tables = [readings(np.arange(50) * n, f"2024-01-0{n} 00:00", meter=f"m{n}") for n in range(1, 6)]
        expected = built(tmp_path, tables)

        def backwards(function, tasks, processes, *_):
            assert processes > 1
            sent = pickle.loads(pickle.dumps((function, tasks)))
            yield from [sent[0](task) for task in sent[1]][::-1]

        for name, value in {"METERS_A_TASK": 2, "ROWS_A_PROCESS": 1, "ROWS_A_GROUP": 4, "ROWS_AT_ONCE": 2}.items():
            monkeypatch.setattr(cubes, f"_{name}", value)
        monkeypatch.setattr(cubes, "run_tasks", backwards)
        monkeypatch.setattr(cubes.joblib, "cpu_count", lambda: 2)
        found = built(tmp_path, tables)
        assert pq.ParquetFile(tmp_path / "cube.parquet").num_row_groups > 1
        assert found.meters == expected.meters == ("m1", "m2", "m3", "m4", "m5")
        for meter in found.meters:
            assert found.hourly(meter)[0] == expected.hourly(meter)[0]
            np.testing.assert_array_equal(found.hourly(meter)[1], expected.hourly(meter)[1])

    def test_of_a_meter_that_is_read_every_two_hours_nothing_is_known_and_the_log_names_it(self, tmp_path, caplog):
        found = built(
            tmp_path, [readings(np.ones(24), "2024-01-01", 60, "m1"), readings(np.ones(36), "2024-01-01", 120, "slow")]
        )
        assert found.energy_kwh("m1").kwh.tolist() == [24.0]
        assert np.isnan(found.energy_kwh("slow").kwh).all()
        assert found.days_of("slow") == (date(2024, 1, 1), date(2024, 1, 3)), "its other pages show them"
        assert "meter slow is read" in caplog.text

    @pytest.mark.parametrize("where", ["_to_arrow", "sum_columns"])
    def test_when_interrupted_the_file_stays_as_it_was(self, tmp_path, monkeypatch, where):
        store = stored(tmp_path, readings(np.ones(24), "2024-01-01"))
        target = tmp_path / "made" / "cube.parquet"
        before = build_cube(store, None, "UTC", target, False).read_bytes()

        def interrupted(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(cubes, where, interrupted)
        with pytest.raises(KeyboardInterrupt):
            build_cube(store, None, "UTC", target, False)
        assert (list(target.parent.iterdir()), target.read_bytes()) == ([target], before)


class TestProfiles:
    @pytest.mark.parametrize("name", ["harmonized.csv", "harmonized.parquet"])
    def test_meters_without_readings_come_from_their_profiles(self, tmp_path, name):
        rows = [("B", "2024-01-01", 9), ("C", "2024-01-05", 3), ("A", "2024-01-02", 1), ("C", "2024-01-02", 2)]
        harmonized = profiles(tmp_path, rows, name=name)
        cube = built(tmp_path, [readings(np.full(24, 5), "2024-01-01", meter="B")], harmonized)
        assert cube.meters == ("A", "B", "C")
        np.testing.assert_array_equal(cube.energy_kwh().kwh, [24, 120, 120])
        np.testing.assert_array_equal(cube.daily("C").kwh, [np.nan, 48, np.nan, np.nan, 72])
        assert (cube.first_day, cube.last_day, cube.n_days) == (MONDAY, date(2024, 1, 5), 5)

    def test_shorter_steps_are_summed(self, tmp_path):
        cube = built(tmp_path, harmonized=profiles(tmp_path, [("A", "2024-01-01", 0.25)], 15))
        np.testing.assert_array_equal(cube.hourly("A")[1], np.ones((1, 24)))

    def test_days_are_not_read_if_all_meters_have_readings(self, tmp_path):
        harmonized = profiles(tmp_path, [("A", "no day", 1)])
        assert built(tmp_path, [readings(np.ones(24), "2024-01-01")], harmonized).meters == ("A",)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("meter,date\nB,2024-01-01\n", "harmonized.csv: cannot be read as a harmonized table"),
            ("id,date,00:00:00,12:00:00\nB,2024-01-01,1,1\n", "its steps are no part of an hour"),
            (f"id,date,{','.join(step_columns(60))}\nB,tomorrow{',1' * 24}\n", "column 'date'"),
        ],
    )
    def test_a_table_that_cannot_be_used_is_told(self, tmp_path, text, message):
        (tmp_path / "harmonized.csv").write_text(text)
        with pytest.raises(InputError, match=message):
            built(tmp_path, [readings(np.ones(24), "2024-01-01")], tmp_path / "harmonized.csv")

    def test_names_that_look_like_numbers_stay_as_they_are(self, tmp_path):
        harmonized = profiles(tmp_path, [("007", "2024-01-01", 1), ("7", "2024-01-01", 2)])
        assert built(tmp_path, [readings(np.ones(24), "2024-01-01", meter="7")], harmonized).meters == ("007", "7")

    def test_without_a_meter_there_is_no_cube(self, tmp_path):
        empty = tmp_path / "harmonized.csv"
        empty.write_text(f"id,date,{','.join(step_columns(60))}\n")
        for harmonized in (None, empty):
            with pytest.raises(EmptyResultError, match="no meter has a reading"):
                build_cube(None, harmonized, "UTC", tmp_path / "cube.parquet", False)


class TestFile:
    def test_it_is_a_table_that_others_can_read(self, tmp_path):
        built(tmp_path, [readings(np.arange(30), "2024-01-01")])
        table = pd.read_parquet(tmp_path / "cube.parquet")
        assert list(table.columns) == ["meter_id", "date", *(f"h{hour:02d}" for hour in range(24))]
        assert table["date"].tolist() == [MONDAY, date(2024, 1, 2)]
        assert table["h05"].tolist() == [5, 29]

    def test_it_knows_its_zone(self, tmp_path):
        assert built(tmp_path, [readings(np.ones(24), "2024-01-01")], timezone="Asia/Tokyo").timezone == "Asia/Tokyo"

    def test_what_is_no_cube_is_told(self, tmp_path):
        path = tmp_path / "cube.parquet"
        with pytest.raises(InputError, match=r"cube.parquet: cannot be read: .* delete it"):
            open_cube(path)
        path.write_text("no Parquet")
        with pytest.raises(InputError, match=r"cube.parquet: cannot be read: .* delete it"):
            open_cube(path)
        pd.DataFrame({"meter_id": ["A"]}).to_parquet(path)
        with pytest.raises(InputError, match="no hourly energy of this version"):
            open_cube(path)

    def test_that_of_another_version_is_told(self, tmp_path, monkeypatch):
        monkeypatch.setattr(cubes, "_VERSION", "0")
        build_cube(None, profiles(tmp_path, [("A", "2024-01-01", 1)]), "UTC", tmp_path / "cube.parquet", False)
        monkeypatch.undo()
        with pytest.raises(InputError, match="no hourly energy of this version"):
            open_cube(tmp_path / "cube.parquet")


@st.composite
def questions(draw):
    """A cube of some meters, the same as a long table, and what to ask of it."""
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    meters = {}
    for name in "ABC"[: draw(st.integers(1, 3))]:
        energy = random.gamma(1, 3, (draw(st.integers(1, 20)), 24)).astype(np.float32)
        energy[random.random(energy.shape) < draw(st.sampled_from([0, 0.1, 0.9]))] = np.nan
        meters[name] = draw(st.integers(0, 12)), energy
    table = pd.concat(
        pd.DataFrame(
            {
                "meter": name,
                "day": np.repeat(first + np.arange(len(energy)), 24),
                "hour": np.tile(np.arange(24), len(energy)),
                "kwh": energy.astype(np.float64).ravel(),
            }
        )
        for name, (first, energy) in meters.items()
    )
    chosen = draw(st.lists(st.sampled_from(sorted(meters)), unique=True))
    days = sorted(draw(st.tuples(st.integers(-3, 35), st.integers(-3, 35))))
    hours = tuple(sorted(draw(st.lists(st.integers(0, 24), min_size=2, max_size=2, unique=True))))
    inside = table["meter"].isin(chosen) & table["day"].between(*days)
    wanted = table[inside & table["hour"].between(hours[0], hours[1] - 1)].dropna()
    first_day, last_day = (MONDAY + timedelta(days=day) for day in days)
    span = range(max(days[0], table["day"].min()), min(days[1], table["day"].max()) + 1)
    return cube_of(**meters), wanted, chosen, span, {"first_day": first_day, "last_day": last_day, "hours": hours}


class TestQueries:
    @given(questions())
    def test_sums_and_means_are_those_of_the_long_table(self, asked):
        cube, wanted, chosen, span, period = asked
        by_meter = wanted.groupby("meter")["kwh"].agg(["sum", "count"]).reindex(chosen)
        energy = cube.energy_kwh(chosen, **period)
        np.testing.assert_allclose(energy.kwh, by_meter["sum"])
        np.testing.assert_array_equal(energy.known_hours, by_meter["count"].fillna(0))

        by_day = wanted.groupby("day")["kwh"].agg(["sum", "count"]).reindex(span)
        daily = cube.total_by_day(chosen, **period)
        np.testing.assert_allclose(daily.kwh, by_day["sum"])
        np.testing.assert_array_equal(daily.known_hours, by_day["count"].fillna(0))
        np.testing.assert_array_equal(daily.dates, np.datetime64(MONDAY) + np.array(span, dtype=np.int64))

        hours = wanted.groupby("hour")["kwh"].mean().reindex(range(24))
        np.testing.assert_allclose(cube.by_hour(chosen, **period), hours)
        week = wanted.assign(weekday=wanted["day"] % 7).groupby(["weekday", "hour"])["kwh"].mean().unstack()
        np.testing.assert_allclose(
            cube.by_weekday_hour(chosen, **period), week.reindex(index=range(7), columns=range(24))
        )

    @given(questions())
    def test_the_peak_slot_is_the_best_of_all(self, asked):
        cube, _, chosen, _, period = asked
        means = cube.by_hour(chosen, **period)
        slots = {first: means[first : first + 4].sum() for first in range(21)}
        slots = {first: kwh for first, kwh in slots.items() if not np.isnan(kwh)}
        found = cube.peak_slot(chosen, **period)
        if slots:
            assert found.first_hour == max(slots, key=slots.get)
            assert found.kwh == pytest.approx(max(slots.values()))
        else:
            assert found is None

    def test_a_peak_slot_ends_by_midnight_and_is_the_first_of_equals(self):
        night = np.ones((2, 24))
        night[:, [22, 23, 0, 1]] = 5
        assert cube_of(A=(0, night)).peak_slot() == PeakSlot(0, 12.0)

    def test_a_meter_is_named_or_numbered(self):
        cube = cube_of(A=(0, np.ones((1, 24))), B=(0, np.full((1, 24), 2)))
        for meters in ("B", ["B"], np.array([1])):
            np.testing.assert_array_equal(cube.energy_kwh(meters).kwh, [48])
        np.testing.assert_array_equal(cube.energy_kwh(["B", "A"]).kwh, [48, 24])

    def test_a_meter_has_days_of_its_own(self):
        cube = cube_of(A=(-2, np.zeros((4, 24))), B=(0, np.full((3, 24), np.nan)))
        assert cube.days_of("A") == (MONDAY - timedelta(days=2), MONDAY + timedelta(days=1))
        assert cube.days_of("B") == (MONDAY, MONDAY + timedelta(days=2))
        first = MONDAY - timedelta(days=1)
        for period, within in (({}, [(0, 4), (2, 5)]), ({"first_day": first, "last_day": MONDAY}, [(0, 2), (1, 2)])):
            assert [tuple(days) for days in zip(*cube.days_within(**period), strict=True)] == within

    def test_a_period_outside_the_data_is_empty(self):
        cube = cube_of(A=(0, np.ones((2, 24))), B=(1, np.ones((2, 24))))
        for period in ({"first_day": date(2025, 1, 1)}, {"last_day": date.min}):
            assert (len(cube.total_by_day(**period).kwh), cube.sparkline(**period).shape) == (0, (2, 0))
            assert np.isnan(cube.energy_kwh(**period).kwh).all()
            assert np.isnan(cube.by_weekday_hour(**period)).all()
            assert cube.peak_slot(**period) is None
            assert cube.hourly("A", **period)[1].shape == (0, 24)

    def test_hours_of_a_meter_are_those_in_the_period(self):
        cube = cube_of(A=(-2, np.zeros((4, 24))), B=(0, np.arange(72).reshape(3, 24)))
        first, energy = cube.hourly("B", first_day=date(2023, 12, 31), last_day=date(2024, 1, 2), hours=(1, 3))
        assert (first, energy.shape) == (MONDAY, (2, 24))
        np.testing.assert_array_equal(energy[:, :4], [[np.nan, 1, 2, np.nan], [np.nan, 25, 26, np.nan]])

    def test_an_answer_can_be_changed_and_the_next_is_the_same(self):
        cube = cube_of(A=(0, np.ones((1, 24))))
        cube.hourly("A")[1][:] = 7
        assert cube.energy_kwh().kwh.tolist() == [24]

    @pytest.mark.parametrize("hours", [(8, 8), (9, 8), (-1, 4), (20, 25)])
    def test_hours_that_no_day_has_are_refused(self, hours):
        with pytest.raises(ParameterError, match="hours are"):
            cube_of(A=(0, np.ones((1, 24)))).energy_kwh(hours=hours)

    @pytest.mark.parametrize("meters", ["D", ["A", "D"]])
    def test_an_unknown_meter_is_named(self, meters):
        with pytest.raises(InputError, match="no hourly energy of meter 'D'"):
            cube_of(A=(0, np.ones((1, 24)))).energy_kwh(meters)


class TestSparklines:
    def test_each_point_is_the_mean_day_of_its_part(self):
        days = np.repeat([1.0, 3.0, 10.0, 20.0], 24).reshape(4, 24)
        np.testing.assert_array_equal(cube_of(A=(0, days)).sparkline(points=2), [[48, 360]])

    def test_what_is_missing_lowers_it_not(self):
        days = np.ones((2, 24))
        days[0, 3:] = np.nan
        np.testing.assert_array_equal(cube_of(A=(0, days)).sparkline(points=2, hours=(0, 12)), [[12, 12]])

    def test_there_are_no_more_points_than_days_and_all_meters_have_as_many(self):
        cube = cube_of(A=(0, np.ones((2, 24))), B=(1, np.ones((2, 24))))
        np.testing.assert_array_equal(cube.sparkline(), [[24, 24, np.nan], [np.nan, 24, 24]])
