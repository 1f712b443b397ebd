"""The step on a few drawn customers: alerts that are true, stable over runs, and a log that says what was not done."""

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from loadprofiles import step as artifacts
from loadprofiles.anomalies import step
from loadprofiles.anomalies.alert import FAULT, GROUP, THEFT
from loadprofiles.anomalies.scoring import COMBINED
from loadprofiles.anomalies.states import URL_VARIABLE
from loadprofiles.anomalies.step import find_anomalies
from loadprofiles.anomalies.store import AlertStore
from loadprofiles.errors import EmptyResultError, ParameterError, StoreError
from loadprofiles.profiles import step_columns
from loadprofiles.readings import write_readings
from loadprofiles.step import CURRENT_RUN
from loadprofiles.tables import read_table
from tests.anomalies.customers import customer, scaled, table_of, write

N_DAYS = 150
THEFT_DAYS = slice(130, 135)
HALF = 0.5
HONEST = customer("thief", N_DAYS, 0)
THIEF = scaled(HONEST, THEFT_DAYS, HALF)


def on(number):
    """The day of that number of all customers."""
    return date(2024, 1, 1) + timedelta(days=number)


@pytest.fixture(autouse=True)
def _no_database_of_the_environment(monkeypatch):
    monkeypatch.delenv(URL_VARIABLE, raising=False)


@pytest.fixture
def no_figures(monkeypatch):
    """Figures are tested where they are drawn."""
    monkeypatch.setattr("loadprofiles.plots.alert_days", lambda *_: None)
    monkeypatch.setattr("loadprofiles.plots.save", lambda _figure, path: path)


class Place:
    """A folder with Readings, kept scores and an alert database, and runs of the step in it."""

    def __init__(self, folder):
        self.folder = folder
        self.scores = folder / "scores.parquet"
        self.url = f"sqlite:///{folder / 'alerts.db'}"
        self.runs = 0

    @property
    def store(self):
        return AlertStore(self.url)

    def run(self, customers=(), **given):
        self.runs += 1
        workspace = self.folder / f"run{self.runs}"
        workspace.mkdir()
        readings = write(customers, workspace / "readings") if customers else None
        asked = {
            "in_csv": None,
            "readings": readings,
            "backtest": None,
            "scores_path": self.scores,
            "smart_meter_description_csv": None,
            "customers_folder": None,
            "customers_layout": None,
            "jobs": 1,
            "dask_scheduler": "",
            "alert_db": self.url,
        }
        return find_anomalies(**asked | {"workspace": workspace} | given)

    def types(self, **of_meter):
        """A description of the meters, with their types."""
        path = self.folder / "meters.csv"
        rows = "".join(f"{meter},,,{kind}\n" for meter, kind in of_meter.items())
        path.write_text(f"id,Contractual power (kW),Production (kW),Type\n{rows}")
        return path


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def alert_of_theft(store):
    table = store.read(kinds=[THEFT])
    (row,) = table[(table["subject"] == "thief") & (table["last_day"] >= pd.Timestamp(on(130)))].to_dict("records")
    return row


def note(result, words):
    (found,) = [line for line in result.notes if words in line]
    return found


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A place, and the result of a run in it on a thief and two others."""
    made = Place(tmp_path_factory.mktemp("theft"))
    token = CURRENT_RUN.set("run-1")
    try:
        result = made.run([THIEF, *(customer(name, N_DAYS, seed) for seed, name in enumerate("ab", 1))], tariff=0.2)
    finally:
        CURRENT_RUN.reset(token)
    return made, result


class TestATheft:
    def test_it_is_one_alert_from_its_first_day_to_its_last(self, done):
        row = alert_of_theft(done[0].store)
        assert (row["first_day"], row["last_day"]) == (pd.Timestamp(on(130)), pd.Timestamp(on(134)))
        assert row["days_alerted"] == 5
        assert (row["severity"], row["state"], row["run_id"]) == ("high", "new", "run-1")
        assert row["p_value"] < 0.001
        assert row["meters"] == ["thief"]

    def test_what_is_missing_is_near_the_truth_and_priced_by_the_tariff(self, done):
        row = alert_of_theft(done[0].store)
        truth = HONEST.active_kwh[THEFT_DAYS].sum() * (1 - HALF)
        assert row["missing_kwh"] == pytest.approx(truth, rel=0.15)
        assert row["missing_low_kwh"] < truth < row["missing_high_kwh"]
        assert row["money"] == pytest.approx(row["missing_kwh"] * 0.2)
        assert row["actual_kwh"] == pytest.approx(THIEF.active_kwh[THEFT_DAYS].sum())

    def test_its_reasons_can_be_read(self, done):
        reasons = alert_of_theft(done[0].store)["reasons"]
        assert "% less than expected (" in reasons
        assert "rarer than 1 day in 1,000" in reasons

    def test_it_is_told_in_the_log_first(self, done):
        result = done[1]
        (told,) = [line for line in result.notes if line.startswith("theft-like at thief from 2024-05-10")]
        assert "to 2024-05-14, " in told and " kWh missing: " in told
        assert result.notes.index(told) == min(
            number for number, line in enumerate(result.notes) if line.startswith("theft-like at")
        )

    def test_tables_keep_their_contract(self, done):
        place, result = done
        assert set(result.outputs) == {artifacts.SCORES, artifacts.JUDGED_DAYS, artifacts.ALERTS}
        scores = read_table(result.outputs[artifacts.SCORES])
        assert scores.columns.tolist() == ["meter_id", "date", "detector", "score", "p_value"]
        assert set(scores["meter_id"]) == {"a", "b", "thief"}
        days = read_table(result.outputs[artifacts.JUDGED_DAYS])
        assert days.groupby("meter_id").size().to_dict() == dict.fromkeys(("a", "b", "thief"), N_DAYS)
        alerts = read_table(result.outputs[artifacts.ALERTS])
        assert alerts["alert_id"].tolist() == place.store.read()["alert_id"].tolist()
        assert alerts["meters"].map(type).eq(str).all()

    def test_there_are_a_page_and_figures_of_the_gravest(self, done):
        place, result = done
        names = [path.name for path in result.files]
        count = min(3, len(place.store.read()))
        assert names == ["alerts.html", *(f"alert{number}.png" for number in range(1, count + 1))]
        assert all(path.stat().st_size > 1000 for path in result.files)
        page = result.files[0].read_text()
        assert "thief" in page
        assert "less than expected" in page

    def test_numbers_say_how_much_was_scored_and_how_often_it_alerts(self, done):
        place, result = done
        days = read_table(place.scores)
        scored = days[days["threshold"].notna() & days["score"].notna()]
        assert result.metrics["meters_judged"] == 3
        assert result.metrics["meters_not_scored"] == 0
        assert result.metrics["days_scored"] == len(scored)
        assert result.metrics["days_scored"] + result.metrics["days_not_scored"] == 3 * N_DAYS
        assert result.metrics["alert_days_per_30"] == pytest.approx(30 * scored["alarm"].mean())
        recent = scored[scored["date"] >= pd.Timestamp(on(N_DAYS - 30))]
        assert result.metrics["alert_days_per_30_alerting"] == pytest.approx(30 * recent["alarm"].mean())
        assert result.metrics["alert_days_per_30_nominal"] == 1
        table = place.store.read()
        assert result.metrics["alerts_theft_like"] == (table["kind"] == THEFT).sum()
        assert result.metrics["money"] == pytest.approx(table["money"].sum())
        assert "nominal 1" in note(result, "suspect days per meter")

    def test_what_was_read_is_on_the_run(self, done):
        assert [(given.name, given.path.name) for given in done[1].inputs] == [("readings", "readings")]


@pytest.mark.usefixtures("no_figures")
class TestRuns:
    def test_a_second_run_adds_nothing_and_a_third_keeps_what_a_person_has_set(self, place):
        first = place.run([THIEF])
        before = place.store.read()
        assert f"{len(before)} new, 0 go on, 0 known" in note(first, " new, ")
        second = place.run([THIEF])
        assert f"0 new, 0 go on, {len(before)} known" in note(second, " new, ")
        pd.testing.assert_frame_equal(place.store.read(), before)
        place.store.set_state(alert_of_theft(place.store)["alert_id"], "confirmed", "bypass found", "ana")
        place.run([THIEF])
        row = alert_of_theft(place.store)
        assert (row["state"], row["note"], row["changed_by"]) == ("confirmed", "bypass found", "ana")
        assert len(place.store.read()) == len(before)

    def test_days_before_the_last_thirty_do_not_alert_unless_asked_for(self, place):
        early = scaled(HONEST, slice(110, 115), HALF)
        place.run([early])
        assert not (place.store.read()["first_day"] < pd.Timestamp(on(N_DAYS - 30))).any()
        place.run([early], alert_days=40)
        table = place.store.read(kinds=[THEFT])
        assert ((table["first_day"] == pd.Timestamp(on(110))) & (table["last_day"] >= pd.Timestamp(on(114)))).any()

    def test_a_budget_of_more_days_makes_more_alarms(self, place):
        few, many = (place.run([THIEF], alert_budget=budget).metrics for budget in (0.5, 5.0))
        assert few["alert_days_per_30"] < many["alert_days_per_30"]

    def test_the_earlier_rule_can_be_chosen(self, place):
        result = place.run([THIEF], detector="band")
        assert result.params == {"detector": "band"}
        row = alert_of_theft(place.store)
        assert row["first_day"] <= pd.Timestamp(on(130))
        assert row["last_day"] >= pd.Timestamp(on(134))

    def test_what_was_forecast_of_the_days_is_among_the_reasons(self, place, tmp_path):
        stamps = pd.date_range(on(130), periods=5 * 24, freq="h", tz="UTC", unit="us")
        energy = HONEST.active_kwh[THEFT_DAYS].ravel()
        backtest = pd.DataFrame(
            {
                "meter_id": "thief", "origin_utc": stamps[0], "timestamp_utc": stamps, "energy_kwh": energy,
                "energy_kwh_p05": 0.9 * energy, "energy_kwh_p95": 1.1 * energy, "actual_kwh": HALF * energy,
            }
        )  # fmt: skip
        backtest.to_parquet(tmp_path / "backtest.parquet")
        result = place.run([THIEF], backtest=tmp_path / "backtest.parquet")
        assert alert_of_theft(place.store)["reasons"].endswith("120 of 120 hours outside the forecast's 90 % band")
        assert [given.name for given in result.inputs] == ["readings", "backtest"]

    def test_meters_are_judged_alike_however_many_a_task_has(self, place, tmp_path, monkeypatch):
        (tmp_path / "two").mkdir()
        other = Place(tmp_path / "two")
        customers = [THIEF, *(customer(name, 120, seed) for seed, name in enumerate("abc"))]
        for one in (place, other):
            one.run([days.until(115) for days in customers])
            one.run(customers, since=on(115))
            monkeypatch.setattr(step, "_METERS_A_TASK", 1)
        pd.testing.assert_frame_equal(read_table(other.scores), read_table(place.scores))
        names = ["alert_id", "kind", "first_day", "last_day", "missing_kwh", "reasons"]
        pd.testing.assert_frame_equal(other.store.read()[names], place.store.read()[names])


@pytest.mark.usefixtures("no_figures")
class TestSince:
    def test_only_new_days_are_scored_and_the_scores_kept_are_those_of_all(self, place, tmp_path):
        place.run([THIEF.until(132)])
        known = alert_of_theft(place.store)
        result = place.run([THIEF], since=on(132))
        scores = read_table(result.outputs[artifacts.SCORES])
        assert scores["date"].min() == pd.Timestamp(on(132))
        assert result.metrics["days_scored"] == N_DAYS - 132
        row = alert_of_theft(place.store)
        assert (row["alert_id"], row["days_alerted"]) == (known["alert_id"], 5)
        assert row["last_day"] == pd.Timestamp(on(134))
        (tmp_path / "whole").mkdir()
        whole = Place(tmp_path / "whole")
        whole.run([THIEF])
        pd.testing.assert_frame_equal(read_table(place.scores), read_table(whole.scores))

    def test_twice_is_as_once(self, place):
        place.run([THIEF.until(132)])
        place.run([THIEF], since=on(132))
        scores, alerts = read_table(place.scores), place.store.read()
        result = place.run([THIEF], since=on(132))
        assert " 0 new, 0 go on, " in note(result, " new, ")
        pd.testing.assert_frame_equal(read_table(place.scores), scores)
        pd.testing.assert_frame_equal(place.store.read(), alerts)

    def test_without_kept_scores_all_days_are_scored_and_the_log_says_why(self, place):
        result = place.run([THIEF], since=on(140))
        assert f"no scores are kept in {place.scores} yet" in note(result, "all days were scored")
        assert not (place.store.read()["first_day"] < pd.Timestamp(on(140))).any()

    def test_all_that_was_scored_then_is_kept_for_the_next_day(self, place, tmp_path):
        place.run([THIEF.until(131)], since=on(130))
        result = place.run([THIEF], since=on(131))
        assert result.metrics["days_scored"] == N_DAYS - 131
        (tmp_path / "whole").mkdir()
        whole = Place(tmp_path / "whole")
        whole.run([THIEF])
        pd.testing.assert_frame_equal(read_table(place.scores), read_table(whole.scores))

    def test_a_meter_that_is_new_is_scored_from_its_first_day_and_so_kept(self, place, tmp_path):
        other = customer("other", N_DAYS, 3)
        place.run([other.until(130)])
        place.run([other.until(131), THIEF.until(131)], since=on(130))
        result = place.run([other, THIEF], since=on(131))
        assert result.metrics["meters_not_scored"] == 0
        (tmp_path / "whole").mkdir()
        whole = Place(tmp_path / "whole")
        whole.run([other, THIEF])
        pd.testing.assert_frame_equal(read_table(place.scores), read_table(whole.scores))

    def test_a_meter_that_is_read_no_more_keeps_its_scores(self, place):
        gone = customer("gone", 120, 3)
        place.run([gone, THIEF.until(132)])
        before = read_table(place.scores)
        for customers in ([gone, THIEF], [THIEF]):
            place.run(customers, since=on(132))
            after = read_table(place.scores)
            own = [table[table["meter_id"] == "gone"].reset_index(drop=True) for table in (before, after)]
            pd.testing.assert_frame_equal(*own)
            assert len(after) == 120 + N_DAYS

    @pytest.mark.parametrize("attrs", [{"version": 0, "timezone": "UTC"}, {"version": 1, "timezone": "Asia/Tokyo"}, {}])
    def test_scores_of_another_version_or_zone_are_not_used(self, place, attrs):
        place.run([THIEF.until(132)])
        kept = read_table(place.scores).assign(score=0.0)
        kept.attrs = attrs
        kept.to_parquet(place.scores)
        result = place.run([THIEF], since=on(132))
        assert "are of another version or zone: all days were scored" in note(result, "all days were scored")
        assert alert_of_theft(place.store)["last_day"] == pd.Timestamp(on(134))

    def test_a_day_after_the_last_is_an_error_that_names_it(self, place):
        place.run([THIEF])
        before = place.scores.read_bytes()
        with pytest.raises(EmptyResultError, match="no meter has a whole day of readings since 2025-01-01"):
            place.run([THIEF], since=date(2025, 1, 1))
        assert place.scores.read_bytes() == before


@pytest.mark.usefixtures("no_figures")
class TestMeters:
    def test_a_meter_with_too_short_a_past_is_told(self, place):
        result = place.run([THIEF, customer("young", 30, 1)])
        assert note(result, "too short a past to be scored") == "1 meters have too short a past to be scored: young"
        assert result.metrics["meters_not_scored"] == 1
        assert set(read_table(result.outputs[artifacts.SCORES])["meter_id"]) == {"thief"}

    def test_of_many_such_meters_three_are_named(self, place):
        result = place.run([customer(f"m{number}", 30, number) for number in range(5)])
        assert note(result, "too short a past to be scored").endswith(
            "5 meters have too short a past to be scored: m0, m1, m2, …"
        )
        assert result.metrics["days_scored"] == result.metrics["alert_days_per_30"] == 0
        assert "0 alerts (0 theft-like, 0 data fault, 0 group event)" in note(result, "0 alerts")
        assert "<html" in result.files[0].read_text()

    def test_a_meter_without_reactive_energy_and_voltages_is_scored_with_what_it_has(self, place):
        place.run([replace(THIEF, reactive_kvarh=None)])
        row = alert_of_theft(place.store)
        assert row["last_day"] == pd.Timestamp(on(134))
        assert "reactive" not in row["reasons"]

    def test_a_data_fault_is_an_alert_of_its_own(self, place):
        broken = customer("broken", N_DAYS, 4)
        broken.active_kwh[140, 3] = 900.0
        place.run([broken])
        (row,) = place.store.read(kinds=[FAULT]).to_dict("records")
        assert (row["cause"], row["subject"], row["first_day"]) == ("spike", "broken", pd.Timestamp(on(140)))
        assert row["reasons"].startswith("hour 03:00: 900 kWh")

    def test_meters_of_a_sector_that_fall_at_once_are_one_event(self, place):
        names = ("m1", "m2", "m3")
        meters = [
            scaled(customer(name, N_DAYS, seed), THEFT_DAYS if name != "m3" else slice(0), HALF)
            for seed, name in enumerate(names)
        ]
        description = place.types(**dict.fromkeys(names, "bakery"))
        result = place.run(meters, smart_meter_description_csv=description)
        table = place.store.read(kinds=[GROUP])
        (row,) = table[table["last_day"] >= pd.Timestamp(on(130))].to_dict("records")
        assert (row["subject"], row["sector"], row["meters"]) == ("bakery", "bakery", ["m1", "m2"])
        assert row["last_day"] == pd.Timestamp(on(134))
        assert row["peers"].startswith("the other meter of its sector used ")
        assert not [line for line in result.notes if "sector is known" in line]

    def test_without_any_sector_the_log_says_what_cannot_be_told(self, place):
        result = place.run([THIEF])
        assert note(result, "meter's sector") == (
            "no meter's sector is known: events of several meters at once cannot be told"
        )

    def test_a_meter_that_is_only_in_the_harmonized_table_is_scored_from_it(self, place):
        columns = step_columns(60)
        table = pd.DataFrame(THIEF.active_kwh, columns=columns)
        table.insert(0, "id", "thief")
        table.insert(1, "date", [str(on(number)) for number in range(N_DAYS)])
        table.to_csv(place.folder / "harmonized.csv", index=False)
        result = place.run(in_csv=place.folder / "harmonized.csv")
        assert alert_of_theft(place.store)["last_day"] == pd.Timestamp(on(134))
        assert [given.name for given in result.inputs] == ["harmonized"]
        with_readings = place.run([customer("b", N_DAYS, 1), THIEF.until(120)], in_csv=place.folder / "harmonized.csv")
        assert with_readings.metrics["meters_judged"] == 2
        days = read_table(place.scores).groupby("meter_id").size().to_dict()
        assert days == {"b": N_DAYS, "thief": 120}, "readings come first"


@pytest.mark.usefixtures("no_figures")
class TestErrors:
    def test_no_reading_at_all(self, place):
        with pytest.raises(EmptyResultError, match="no meter has a reading; nothing can be scored"):
            place.run()

    def test_no_whole_day(self, place):
        hours = customer("hours", 1)
        table = table_of(hours).iloc[:10]
        readings = write_readings([table], ["reactive_energy_kvarh"], place.folder / "hours")
        with pytest.raises(EmptyResultError, match="no meter has a whole day of readings; nothing can be scored"):
            place.run(readings=readings)

    def test_an_unknown_detector(self, place):
        with pytest.raises(ParameterError, match=r"detector is 'magic'; it must be one of combined, band"):
            place.run([THIEF], detector="magic")

    def test_a_negative_tariff(self, place):
        with pytest.raises(ParameterError, match="tariff"):
            place.run([THIEF], tariff=-1.0)

    def test_a_database_that_cannot_be_used_is_told_before_anything_is_scored(self, place):
        (place.folder / "alerts.db").write_text("no database, but text that is long enough to be taken for one" * 20)
        with pytest.raises(StoreError, match=r"alerts\.db"):
            place.run([THIEF])
        assert not place.scores.exists()


def test_the_environment_names_the_database(place, monkeypatch, no_figures):
    monkeypatch.setenv(URL_VARIABLE, f"sqlite:///{place.folder / 'other.db'}")
    result = place.run([THIEF])
    assert not (place.folder / "alerts.db").exists()
    assert note(result, " new, ").endswith("other.db")
    assert np.isfinite(AlertStore(f"sqlite:///{place.folder / 'other.db'}").read()["money"]).all()
    assert result.params == {"detector": COMBINED}
