"""The alert database."""

import math
import multiprocessing
import os
import signal
import sqlite3
import time
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadprofiles.anomalies.alert import FAULT, THEFT
from loadprofiles.anomalies.store import AlertStore, Recorded, database_url
from loadprofiles.errors import InputError, ParameterError, StoreError
from tests.anomalies.suspicions import MARCH, NAN, fault, group, theft
from tests.postgres import PASSWORD

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def sqlite_url(tmp_path):
    return f"sqlite:///{tmp_path}/alerts.db"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, sqlite_url):
    """A database without tables, of either kind."""
    if request.param == "sqlite":
        return sqlite_url
    server, schema = (request.getfixturevalue(name) for name in ("postgres_url", "postgres_schema"))
    return f"{server}?options=-csearch_path%3D{schema}"


@pytest.fixture
def store(url):
    return AlertStore(url)


def record(store, *alerts, tariff=0.2, run_id="r1"):
    return store.record(alerts, tariff=tariff, run_id=run_id)


def only(store):
    """The one alert that there is."""
    (row,) = store.read().to_dict("records")
    return row


def march(number):
    return pd.Timestamp(MARCH + timedelta(days=number - 1))


def spans(store):
    alerts = store.read()
    return sorted(
        (kind, subject, first.day, last.day, count)
        for kind, subject, first, last, count in zip(
            *(alerts[name] for name in ("kind", "subject", "first_day", "last_day", "days_alerted")), strict=True
        )
    )


class TestRecord:
    def test_all_that_is_known_of_an_alert_is_kept(self, store):
        alert = theft(3, 4, peers="the others as ever")
        assert record(store, alert, tariff=0.5, run_id="run 7") == Recorded(new=1, updated=0, unchanged=0)
        row = only(store)
        raised = row.pop("raised_at_utc")
        assert abs(raised - pd.Timestamp.now("UTC")) < pd.Timedelta(minutes=1)
        assert row.pop("updated_at_utc") == raised
        assert pd.isna(row.pop("changed_at_utc"))
        assert pd.isna(row.pop("changed_by"))
        assert len(row.pop("alert_id")) == 16
        assert row == {
            "kind": "theft-like", "cause": "energy_pair", "subject": "M1", "sector": "Bakery",
            "first_day": march(3), "last_day": march(4), "meters": ["M1"], "days_alerted": 2, "p_value": 0.01,
            "expected_kwh": 20.0, "actual_kwh": 8.0, "missing_kwh": 12.0,
            "missing_low_kwh": 8.0, "missing_high_kwh": 16.0, "tariff": 0.5, "money": 6.0, "severity": "high",
            "reasons": "half is missing", "peers": "the others as ever", "run_id": "run 7",
            "state": "new", "note": "",
        }  # fmt: skip

    def test_columns_keep_their_types_when_there_is_nothing(self, store):
        empty = store.read()
        record(store, theft(3))
        assert empty.empty
        assert (empty.dtypes == store.read().dtypes).all()
        assert str(empty["first_day"].dtype) == "datetime64[us]"
        assert str(empty["raised_at_utc"].dtype) == "datetime64[us, UTC]"
        assert empty["money"].dtype == "float64"

    def test_a_second_run_doubles_nothing_and_changes_nothing(self, store):
        alerts = [theft(3, 4), fault(3), group(3, 4), theft(20)]
        assert record(store, *alerts) == Recorded(4, 0, 0)
        before = store.read()
        assert record(store, *alerts, run_id="r2") == Recorded(0, 0, 4)
        pd.testing.assert_frame_equal(store.read(), before)

    @pytest.mark.parametrize(("gap_begins", "alerts"), [(7, 1), (8, 2)])
    def test_days_at_most_three_apart_go_on_with_the_alert(self, store, gap_begins, alerts):
        record(store, theft(3, 4))
        record(store, theft(gap_begins, reasons="still"))
        assert len(store.read()) == alerts

    def test_what_follows_from_the_days_is_computed_anew(self, store):
        record(store, theft(3))
        made = only(store)
        again = record(
            store, theft(3, 4, actual=1.0, p=0.001, cause="profile", reasons="more", peers="none"), run_id="2"
        )
        assert again == Recorded(0, 1, 0)
        row = only(store)
        for name in ("alert_id", "raised_at_utc"):
            assert row[name] == made[name]
        assert row["updated_at_utc"] > made["updated_at_utc"]
        told = ("days_alerted", "missing_kwh", "p_value", "severity", "cause", "reasons", "peers", "run_id")
        assert [row[name] for name in told] == [2, 18.0, 0.001, "high", "profile", "more", "none", "2"]
        assert row["money"] == pytest.approx(18 * 0.2)

    def test_faults_of_different_rules_and_alerts_of_different_kinds_or_meters_stay_apart(self, store):
        alerts = [theft(3), theft(3, meter="M2"), fault(3, cause="gap"), fault(3, cause="stuck"), group(3)]
        assert record(store, *alerts).new == 5
        assert record(store, theft(3, cause="profile")) == Recorded(0, 1, 0)

    def test_what_is_not_known_stays_unknown(self, store):
        record(store, fault(3, 4, expected=NAN, actual=NAN))
        assert record(store, fault(3, 4, expected=NAN, actual=NAN)) == Recorded(0, 0, 1)
        row = only(store)
        days = store.days(row["alert_id"])
        assert days["expected_kwh"].isna().all()
        assert days["actual_kwh"].dtype == "float64"
        assert (row["missing_kwh"], row["money"], row["severity"]) == (0.0, 0.0, "low")

    def test_numbers_of_numpy_are_numbers(self, store):
        numbers = {"p": np.float32(0.25), "expected": np.float64(10), "actual": np.float32(4), "band": np.float64(2)}
        record(store, theft(3, **numbers), tariff=np.float64(0.5))
        assert record(store, theft(3, **numbers), tariff=0.5) == Recorded(0, 0, 1)
        assert (only(store)["p_value"], only(store)["money"]) == (0.25, 3.0)

    def test_more_than_expected_costs_nothing(self, store):
        record(store, fault(3, actual=500.0))
        row = only(store)
        assert (row["missing_kwh"], row["money"]) == (-490.0, 0.0)

    def test_days_are_listed_by_meter_and_day(self, store):
        record(store, group(4, 3, meters=("M2", "M1")))
        row = only(store)
        days = store.days(row["alert_id"])
        assert row["meters"] == ["M1", "M2"]
        assert list(zip(days["meter_id"], days["day"].dt.day, strict=True)) == [
            ("M1", 3),
            ("M1", 4),
            ("M2", 3),
            ("M2", 4),
        ]
        assert days.columns.tolist() == [
            "meter_id", "day", "p_value", "expected_kwh", "low_kwh", "high_kwh", "actual_kwh",
        ]  # fmt: skip

    @pytest.mark.parametrize("tariff", [-1.0, NAN, math.inf])
    def test_a_tariff_that_is_none(self, store, tariff):
        with pytest.raises(ParameterError, match="tariff="):
            record(store, theft(3), tariff=tariff)

    def test_a_new_tariff_counts_for_what_is_told_again(self, store):
        record(store, theft(3))
        assert record(store, theft(3), tariff=1.0) == Recorded(0, 1, 0)
        assert only(store)["money"] == 6.0

    def test_few_statements_however_many_alerts(self, store):
        statements = []

        def note(*arguments):
            statements.append(arguments[2])

        def count(number):
            statements.clear()
            record(store, *(theft(n, n + 1, meter=f"M{m}") for m in range(number) for n in (3, 20)))
            return len(statements)

        sa.event.listen(sa.Engine, "before_cursor_execute", note)
        try:
            few, many = count(3), count(500)
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", note)
        assert few <= 8
        assert many == few

    def test_thousands_of_alerts_take_seconds(self, sqlite_url):
        store = AlertStore(sqlite_url)
        alerts = [theft(n, n + 1, n + 2, meter=f"M{m}") for m in range(1500) for n in (3, 20)]
        start = time.monotonic()
        assert record(store, *alerts).new == 3000
        assert record(store, *alerts).unchanged == 3000
        assert time.monotonic() - start < 10


DAY_SETS = st.sets(st.integers(1, 30), min_size=1, max_size=2)
KINDS = st.sampled_from([theft, fault])
SUSPICIONS = st.lists(st.tuples(st.sampled_from(["M1", "M1", "M2"]), KINDS, DAY_SETS), max_size=10)


def everything(store):
    """Alerts with their days, without ids and moments."""
    alerts = store.read()
    kept = alerts.drop(columns=["alert_id", "run_id", "raised_at_utc", "updated_at_utc"])
    kept["meters"] = kept["meters"].map(tuple)
    days = [tuple(map(tuple, store.days(alert_id).to_numpy().tolist())) for alert_id in alerts["alert_id"]]
    return kept.assign(days=days).sort_values(["kind", "subject", "first_day"], ignore_index=True)


class TestSplits:
    @settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(suspicions=SUSPICIONS, data=st.data())
    def test_any_runs_in_any_order_give_the_same_alerts_as_one_run(self, tmp_path_factory, suspicions, data):
        alerts = [make(*days, meter=meter) for meter, make, days in suspicions]
        folder = tmp_path_factory.mktemp("split")
        at_once, in_runs = (AlertStore(f"sqlite:///{folder}/{name}.db") for name in ("once", "runs"))
        record(at_once, *alerts)
        shuffled = data.draw(st.permutations(alerts))
        while shuffled:
            size = data.draw(st.integers(1, len(shuffled)))
            record(in_runs, *shuffled[:size])
            shuffled = shuffled[size:]
        pd.testing.assert_frame_equal(everything(in_runs), everything(at_once))

    def test_an_alert_between_two_makes_them_one(self, store):
        record(store, theft(3))
        older = only(store)["alert_id"]
        record(store, theft(9))
        younger = (set(store.read()["alert_id"]) - {older}).pop()
        assert record(store, theft(6)) == Recorded(0, 1, 0)
        assert only(store)["alert_id"] == older
        assert store.days(older)["day"].dt.day.tolist() == [3, 6, 9]
        assert store.days(younger)["day"].dt.day.tolist() == [3, 6, 9]
        assert record(store, theft(3), theft(6), theft(9)) == Recorded(0, 0, 1)

    def test_an_alert_of_before_makes_two_of_a_run_one(self, store):
        record(store, theft(5, 15))
        assert record(store, theft(3), theft(17), theft(30)) == Recorded(1, 1, 0)
        assert spans(store) == [(THEFT, "M1", 3, 17, 4), (THEFT, "M1", 30, 30, 1)]

    def test_what_was_joined_is_joined_again(self, store):
        for number in (3, 15, 9, 6, 12):
            record(store, theft(number))
        assert spans(store) == [(THEFT, "M1", 3, 15, 5)]


class TestStates:
    def test_a_run_never_touches_what_a_person_has_set(self, store):
        record(store, theft(3))
        made = only(store)["alert_id"]
        moment = datetime(2024, 3, 5, 12, tzinfo=UTC)
        store.set_state(made, "confirmed", "meter bypassed", "ana", moment)
        record(store, theft(3, 4, actual=0.0))
        row = only(store)
        assert [row[name] for name in ("state", "note", "changed_by")] == ["confirmed", "meter bypassed", "ana"]
        assert row["changed_at_utc"] == pd.Timestamp(moment)
        assert row["days_alerted"] == 2

    def test_the_history_keeps_all_that_was_said(self, store):
        record(store, theft(3))
        made = only(store)["alert_id"]
        moment = datetime(2024, 3, 5, 12, tzinfo=UTC)
        store.set_state(made, "seen", "", "ana", moment)
        store.set_state(made, "dismissed", "on holiday", "ben", moment - timedelta(days=1))
        said = store.history(made)
        assert said.drop(columns="changed_at_utc").to_numpy().tolist() == [
            [made, "seen", "", "ana"],
            [made, "dismissed", "on holiday", "ben"],
        ]
        assert said["changed_at_utc"].tolist() == [moment, moment - timedelta(days=1)]
        assert only(store)["state"] == "dismissed"

    def two(self, store):
        record(store, theft(3))
        older = only(store)["alert_id"]
        record(store, theft(9))
        return older, (set(store.read()["alert_id"]) - {older}).pop()

    def test_joining_keeps_the_verdict_of_the_younger(self, store):
        older, younger = self.two(store)
        store.set_state(younger, "confirmed", "bypass", "ana")
        said = store.history(younger)
        record(store, theft(6))
        row = only(store)
        assert [row[name] for name in ("alert_id", "state", "note", "changed_by")] == [
            older,
            "confirmed",
            "bypass",
            "ana",
        ]
        assert row["changed_at_utc"] == said["changed_at_utc"][0]
        pd.testing.assert_frame_equal(store.history(older), said)
        assert store.set_state(younger, "dismissed", "no", "ben") == older
        assert only(store)["state"] == "dismissed"
        assert store.history(older)["state"].tolist() == ["confirmed", "dismissed"]

    def test_joining_two_judged_alike_keeps_the_note_of_the_older(self, store):
        older, younger = self.two(store)
        store.set_state(older, "confirmed", "first", "ana")
        store.set_state(younger, "confirmed", "second", "ben")
        record(store, theft(6))
        assert only(store)["note"] == "first"
        assert store.history(older)["note"].tolist() == ["first", "second"]

    def test_alerts_judged_differently_are_not_joined_and_no_day_counts_twice(self, store):
        older, younger = self.two(store)
        store.set_state(older, "confirmed", "bypass", "ana")
        store.set_state(younger, "dismissed", "holiday", "ana")
        assert record(store, theft(3, 5, 6, 8, 9, 10)) == Recorded(0, 2, 0)
        assert store.days(older)["day"].dt.day.tolist() == [3, 5, 6]
        assert store.days(younger)["day"].dt.day.tolist() == [8, 9, 10]
        assert record(store, theft(3, 5, 6, 8, 9, 10)) == Recorded(0, 0, 2)
        store.set_state(younger, "confirmed", "it was none", "ana")
        record(store, theft(7))
        assert spans(store) == [(THEFT, "M1", 3, 10, 7)]

    def test_an_alert_seen_by_nobody_joins_one_that_was_judged(self, store):
        older, _ = self.two(store)
        store.set_state(older, "dismissed", "holiday", "ana")
        record(store, theft(6))
        assert only(store)["state"] == "dismissed"

    def test_unknown_alerts_and_states_say_what_there_is(self, store):
        with pytest.raises(InputError, match=r"no alert 'nope' in the alert database .*; its latest: none"):
            store.set_state("nope", "seen", "", "ana")
        record(store, theft(3))
        made = only(store)["alert_id"]
        for ask in (store.days, store.history):
            with pytest.raises(InputError, match=f"its latest: {made}$"):
                ask("nope")
        with pytest.raises(ParameterError, match="state 'right' is none of new, seen, confirmed, dismissed"):
            store.set_state(made, "right", "", "ana")
        with pytest.raises(ParameterError, match="who is empty"):
            store.set_state(made, "seen", "", " ")
        with pytest.raises(ParameterError, match="no offset from UTC"):
            store.set_state(made, "seen", "", "ana", datetime(2024, 3, 5))
        assert store.history(made).empty


class TestRead:
    def test_ranked_by_severity_then_money_then_p_value(self, store):
        record(
            store,
            theft(3, 4, meter="high"),
            theft(3, meter="medium, dear", expected=1000.0, actual=400.0),
            theft(3, meter="medium, unlikely", p=0.001),
            theft(3, meter="medium, likely"),
            theft(3, meter="low", expected=10000.0, actual=9500.0),
        )
        assert store.read()["subject"].tolist() == ["high", "medium, dear", "medium, unlikely", "medium, likely", "low"]

    def test_only_what_is_asked_for(self, store):
        record(store, theft(3, 4), fault(10), theft(20, meter="M2"))
        m2 = store.read(first_day=date(2024, 3, 20))
        assert m2["subject"].tolist() == ["M2"]
        store.set_state(m2["alert_id"][0], "dismissed", "", "ana")
        assert store.read(states=["dismissed"])["subject"].tolist() == ["M2"]
        assert store.read(kinds=[FAULT])["cause"].tolist() == ["stuck"]
        assert len(store.read(first_day=date(2024, 3, 4), last_day=date(2024, 3, 10))) == 2
        assert store.read(states=[]).empty
        with pytest.raises(ParameterError, match="state 'open' is none of"):
            store.read(states=["open"])
        with pytest.raises(ParameterError, match="kind 'theft' is none of"):
            store.read(kinds=["theft"])

    def test_precision_is_of_what_was_judged(self, store):
        record(store, *(theft(3, meter=f"M{n}") for n in range(4)), fault(3), theft(3, meter="P", cause="profile"))
        ids = store.read(kinds=[THEFT]).query("cause == 'energy_pair'")["alert_id"].tolist()
        for alert_id, state in zip(ids, ("confirmed", "confirmed", "dismissed", "seen"), strict=True):
            store.set_state(alert_id, state, "", "ana")
        table = store.precision()
        assert table.columns.tolist() == ["kind", "cause", "raised", "confirmed", "dismissed", "open", "precision"]
        rows = table.drop(columns="precision").to_numpy().tolist()
        assert rows == [
            [THEFT, "energy_pair", 4, 2, 1, 1],
            [THEFT, "profile", 1, 0, 0, 1],
            [FAULT, "stuck", 1, 0, 0, 1],
        ]
        assert table["precision"][0] == pytest.approx(2 / 3)
        assert table["precision"][1:].isna().all()
        assert store.precision().dtypes["precision"] == "float64"

    def test_precision_of_nothing(self, store):
        assert store.precision().empty
        assert store.precision().dtypes["precision"] == "float64"


class TestCountByMeter:
    def test_an_alert_of_a_group_is_one_of_each_member(self, store):
        record(store, theft(3, meter="M1"), group(10, meters=("M1", "M2")), theft(20, meter="M3"))
        judged = store.read().set_index("subject")["alert_id"]["M3"]
        store.set_state(judged, "confirmed", "", "ana")
        assert store.count_by_meter(["new", "seen"]).sort_index().to_dict() == {"M1": 2, "M2": 1}
        assert store.count_by_meter(["confirmed"]).to_dict() == {"M3": 1}
        assert store.count_by_meter(["dismissed"]).empty
        with pytest.raises(ParameterError, match="state 'open' is none of"):
            store.count_by_meter(["open"])


class TestDeliveries:
    def test_what_was_told_is_told_again_only_when_it_goes_on(self, store):
        record(store, theft(3), theft(3, meter="M2"))
        told = store.unsent("mail ana@example.org")
        assert told["told_until"].isna().all()
        for _ in range(2):
            store.mark_sent("mail ana@example.org", told)
        assert store.unsent("mail ana@example.org").empty
        assert len(store.unsent("webhook")) == 2
        record(store, theft(3, 4))
        (row,) = store.unsent("mail ana@example.org").to_dict("records")
        assert (row["subject"], row["told_until"]) == ("M1", march(3))

    def test_an_alert_that_goes_on_between_asking_and_noting_is_told_again(self, store):
        record(store, theft(3))
        told = store.unsent("webhook")
        record(store, theft(3, 4))
        store.mark_sent("webhook", told)
        assert len(store.unsent("webhook")) == 1

    def test_dismissed_alerts_are_not_told(self, store):
        record(store, theft(3), theft(3, meter="M2"))
        first, second = store.read()["alert_id"]
        store.set_state(first, "dismissed", "", "ana")
        store.set_state(second, "confirmed", "", "ana")
        assert store.unsent("webhook")["alert_id"].tolist() == [second]

    def test_nothing_to_note(self, store):
        store.mark_sent("webhook", store.unsent("webhook"))
        assert store.unsent("webhook").empty


def die_at(url, alerts, statement):
    """Record, and be killed as a power cut would, before the `statement`th statement of the transaction."""
    store = AlertStore(url)
    seen = 0

    def count(*_):
        nonlocal seen
        seen += 1
        if seen == statement:
            os.kill(os.getpid(), signal.SIGKILL)

    def die(_):
        os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(sa.Engine, "before_cursor_execute", count)
    sa.event.listen(sa.Engine, "commit", die)
    store.record(alerts, tariff=0.2, run_id="killed")


def record_at(barrier, url, alerts, results):
    barrier.wait()
    results.put(AlertStore(url).record(alerts, tariff=0.2, run_id=str(os.getpid())))


class TestProcesses:
    def test_a_run_that_is_killed_has_changed_nothing(self, url):
        store = AlertStore(url)
        record(store, theft(3), theft(9), fault(3))
        before, precision = everything(store), store.precision()
        # one to insert, one to update, two to join
        alerts = [theft(6), fault(3, 4), theft(3, meter="M2")]
        statements = range(1, 11)
        for statement in statements:
            process = FORK.Process(target=die_at, args=(url, alerts, statement))
            process.start()
            process.join(30)
            assert process.exitcode == -signal.SIGKILL
            pd.testing.assert_frame_equal(everything(store), before)
            pd.testing.assert_frame_equal(store.precision(), precision)
        assert record(store, *alerts) == Recorded(1, 2, 0)
        assert spans(store) == [
            (FAULT, "M1", 3, 4, 2), (THEFT, "M1", 3, 9, 3), (THEFT, "M2", 3, 3, 1),
        ]  # fmt: skip

    def test_several_at_once_double_nothing(self, url):
        # the first of them make the tables, too
        alerts = [theft(n, n + 1, meter=f"M{m}") for m in range(100) for n in (3, 20)]
        barrier, results = FORK.Barrier(4), FORK.Queue()
        processes = [FORK.Process(target=record_at, args=(barrier, url, alerts, results)) for _ in range(4)]
        for process in processes:
            process.start()
        counts = [results.get(timeout=60) for _ in processes]
        for process in processes:
            process.join(30)
            assert process.exitcode == 0
        assert sorted(count.new for count in counts) == [0, 0, 0, 200]
        assert sum(count.unchanged for count in counts) == 600
        assert len(AlertStore(url).read()) == 200


class TestDatabase:
    def fails(self, url, **how):
        with pytest.raises(StoreError) as caught:
            AlertStore(url, **how)
        error, text = caught.value, str(caught.value)
        assert "\n" not in text
        while error is not None:
            assert PASSWORD not in repr(error)
            error = error.__context__
        return text

    def test_an_unreachable_server(self):
        message = self.fails(f"postgresql://tester:{PASSWORD}@127.0.0.1:9/energy")
        assert message.startswith("the alert database energy at 127.0.0.1:9 cannot be used (connection ")
        assert "check alert_db or ALERT_DB_URL" in message

    def test_a_wrong_password(self, postgres_url):
        message = self.fails(postgres_url.replace(PASSWORD, f"{PASSWORD}x"))
        assert "password authentication failed" in message

    @pytest.mark.parametrize(
        "url", ["alerts.db", f"postgresql://u:{PASSWORD}@{PASSWORD}@host/d", f"postgresql://u@host:{PASSWORD}/d"]
    )
    def test_an_unreadable_url(self, url):
        assert self.fails(url).startswith("the URL of the alert database cannot be read: write sqlite:///alerts.db")

    def test_another_dialect(self):
        assert "only sqlite:/// and postgresql:// will do" in self.fails(f"mysql://u:{PASSWORD}@host/d")

    @pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:"])
    def test_a_database_in_memory(self, url):
        assert "has to outlast the run" in self.fails(url)

    def test_a_folder_that_is_not_there(self, tmp_path):
        assert "unable to open database file" in self.fails(f"sqlite:///{tmp_path}/nope/alerts.db")

    def test_a_file_of_another_kind(self, tmp_path):
        path = tmp_path / "text.db"
        path.write_text("no database at all, " * 100)
        assert "file is not a database" in self.fails(f"sqlite:///{path}")

    def test_no_database_is_made_where_one_is_to_be_read(self, tmp_path):
        path = tmp_path / "alerts.db"
        assert self.fails(f"sqlite:///{path}", create=False).startswith(f"there is no alert database {path} yet")
        assert not path.exists()
        sqlite3.connect(path).execute("CREATE TABLE others (id)").connection.close()
        assert "holds no alerts yet" in self.fails(f"sqlite:///{path}", create=False)

    def test_a_table_of_somebody_else(self, url, tmp_path):
        engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE alerts (id integer)"))
        assert "has a table alerts that is not of an alert database" in self.fails(url)

    def test_tables_of_a_newer_version(self, url):
        AlertStore(url)
        engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text("UPDATE alert_schema SET version = 2"))
        message = self.fails(url)
        assert "(its schema is 2, ours 1): update the project" in message

    def test_a_server_that_goes_away(self, own_postgres_server):
        store = AlertStore(own_postgres_server.url)
        own_postgres_server.kill()
        with pytest.raises(StoreError, match="cannot be used"):
            record(store, theft(3))
        own_postgres_server.start()
        assert record(store, theft(3)).new == 1

    def test_a_user_who_may_not_write(self, own_postgres_server):
        AlertStore(own_postgres_server.url)
        with psycopg.connect(own_postgres_server.url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
            connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")
        store = AlertStore(own_postgres_server.url.replace("tester:", "reader:"))
        assert store.read().empty
        with pytest.raises(StoreError, match="permission denied for table alerts"):
            record(store, theft(3))

    def test_the_environment_overrules_the_parameter(self, monkeypatch):
        monkeypatch.delenv("ALERT_DB_URL", raising=False)
        assert database_url("sqlite:///a.db") == "sqlite:///a.db"
        monkeypatch.setenv("ALERT_DB_URL", " sqlite:///b.db ")
        assert database_url("sqlite:///a.db") == "sqlite:///b.db"
