"""What readers say of an alert: kept with their names, refused where it cannot be."""

from datetime import UTC, datetime, timedelta

import pytest

from loadprofiles.dashboard.judging import NAME_LENGTH, NOTE_LENGTH, judge
from loadprofiles.errors import InputError, ParameterError
from tests.dashboard.small import alert_ids, small_context, small_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_data(tmp_path_factory.mktemp("run"))


@pytest.fixture
def alert(data):
    return alert_ids(data.store)["M1"]


def context(data, alert, **rights):
    return small_context(data, query=f"alert={alert}", **rights)


def said(data, alert):
    return data.store.history(alert).iloc[-1][["state", "note", "changed_by"]].tolist()


def test_a_judgement_is_kept_with_note_and_name(data, alert):
    judge(context(data, alert), "confirmed", "  <b>bypassed</b>\n & sealed ", " Ana ")
    assert said(data, alert) == ["confirmed", "<b>bypassed</b> & sealed", "Ana"]


def test_it_can_be_taken_back_and_stays_in_the_history(data, alert):
    before = len(data.store.history(alert))
    judge(context(data, alert), "dismissed", "holiday", "Ana")
    judge(context(data, alert), "new", "", "Leo")
    assert data.store.history(alert)["state"].tolist()[before:] == ["dismissed", "new"]


def test_who_has_signed_in_counts_whatever_name_is_given(data, alert):
    judge(context(data, alert, user="eva"), "seen", "", "somebody else")
    assert said(data, alert) == ["seen", "", "eva"]


def test_the_answer_is_the_moment_and_another_one_each_time(data, alert):
    first, second = (judge(context(data, alert), "seen", "", "Ana") for _ in range(2))
    assert first != second
    assert timedelta(0) <= datetime.now(UTC) - datetime.fromisoformat(second) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("state", "note", "who", "told"),
    [
        ("confirmed", "", " ", "Say who you are"),
        ("wrong", "", "Ana", "no such state"),
        ("confirmed", "x" * (NOTE_LENGTH + 1), "Ana", f"{NOTE_LENGTH} characters"),
        ("confirmed", "", "x" * (NAME_LENGTH + 1), "characters"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_changes_nothing(data, alert, state, note, who, told):
    before = len(data.store.history(alert))
    with pytest.raises(ParameterError, match=told):
        judge(context(data, alert), state, note, who)
    assert len(data.store.history(alert)) == before


def test_the_longest_note_and_name_are_kept(data, alert):
    judge(context(data, alert), "seen", "x" * NOTE_LENGTH, "y" * NAME_LENGTH)
    assert said(data, alert) == ["seen", "x" * NOTE_LENGTH, "y" * NAME_LENGTH]


@pytest.mark.parametrize("name", ["", "0123abc"])
def test_an_alert_that_is_not_there_is_refused(data, name):
    with pytest.raises(InputError, match="no alert"):
        judge(context(data, name), "seen", "", "Ana")


def test_a_read_only_dashboard_refuses(data, alert):
    before = len(data.store.history(alert))
    with pytest.raises(ParameterError, match="read-only"):
        judge(context(data, alert, read_only=True), "confirmed", "", "Ana")
    assert len(data.store.history(alert)) == before


def test_without_a_database_it_is_refused(tmp_path):
    bare = small_data(tmp_path, without=("alerts",))
    with pytest.raises(InputError, match="no alert database"):
        judge(context(bare, "0123abc"), "confirmed", "", "Ana")
