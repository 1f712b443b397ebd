import threading
from types import SimpleNamespace

import pytest

from loadprofiles.dashboard import library
from loadprofiles.dashboard.library import Library
from loadprofiles.errors import EmptyResultError


@pytest.fixture
def store(monkeypatch):
    """A store whose latest run, and how long a run takes to be made ready, tests decide."""
    state = SimpleNamespace(latest="one", made=[], gate=threading.Event())
    state.gate.set()

    def open_results(run_id="", cache=None):
        if not (run_id or state.latest):
            raise EmptyResultError("no run has finished")
        return SimpleNamespace(run_id=run_id or state.latest)

    def make_data(results, _alert_db):
        assert state.gate.wait(5)
        state.made.append(results.run_id)
        return SimpleNamespace(results=results)

    monkeypatch.setattr(library, "open_results", open_results)
    monkeypatch.setattr(library, "make_data", make_data)
    monkeypatch.setattr(library, "LOOKED_SECONDS", 0.0)
    return state


def shown(runs):
    return runs.open().results.run_id


def follow(runs, run_id):
    """Ask until the library has gone on."""
    for _ in range(200):
        if shown(runs) == run_id:
            return
        threading.Event().wait(0.01)
    pytest.fail(f"never showed {run_id}")


def test_the_latest_run_is_made_ready_once(store):
    runs = Library()
    assert shown(runs) == shown(runs) == "one"
    assert store.made == ["one"]


def test_readers_keep_the_run_before_until_a_later_one_is_ready(store):
    runs = Library()
    assert shown(runs) == "one"
    store.gate.clear()
    store.latest = "two"
    assert shown(runs) == "one"
    threading.Event().wait(0.05)
    assert shown(runs) == "one"
    store.gate.set()
    follow(runs, "two")
    assert store.made == ["one", "two"]


def test_a_run_that_was_named_stays(store):
    runs = Library("mine")
    assert shown(runs) == "mine"
    store.latest = "two"
    threading.Event().wait(0.05)
    assert shown(runs) == "mine"
    assert runs.open("other").results.run_id == "other"
    assert shown(runs) == "mine"


def test_a_store_without_runs_is_told_and_looked_at_again(store):
    store.latest = ""
    runs = Library()
    with pytest.raises(EmptyResultError, match="no run"):
        runs.open()
    store.latest = "one"
    assert shown(runs) == "one"


def test_few_runs_are_kept_in_memory(store):
    runs = Library("a")
    for name in "abcde":
        runs.open(name)
    runs.open("a")
    assert store.made == ["a", "b", "c", "d", "e", "a"]
