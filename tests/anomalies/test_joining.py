"""Which alerts are one, without a database."""

from datetime import UTC, datetime, timedelta
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles.anomalies.joining import Stored, join
from tests.anomalies.suspicions import theft

DAYS = st.sets(st.integers(1, 24), min_size=1, max_size=2)
BEGIN = datetime(2024, 4, 1, tzinfo=UTC)


def by_hand(suspicions):
    """Stretches of days, joined two by two as long as any are at most three days apart."""
    groups = [set(days) for days in suspicions]
    while True:
        near = next(
            (
                (a, b)
                for place, a in enumerate(groups)
                for b in groups[place + 1 :]
                if min(b) - max(a) <= 3 and min(a) - max(b) <= 3
            ),
            None,
        )
        if near is None:
            return sorted(sorted(group) for group in groups)
        near[0].update(near[1])
        groups = [group for group in groups if group is not near[1]]


def after_runs(runs):
    """What is stored after runs, one after the other."""
    stored, numbers = {}, count()
    for run in runs:
        for joined in join([theft(*days) for days in run], stored.values()):
            for old in joined.absorbed:
                del stored[old.alert_id]
            number = next(numbers)
            days = [day for _, day in joined.days]
            alert_id = joined.into.alert_id if joined.into else f"{number:03}"
            raised = joined.into.raised_at_utc if joined.into else BEGIN + timedelta(days=number)
            stored[alert_id] = Stored(
                alert_id, joined.latest.thread, min(days), max(days), raised, None, joined.days
            )  # fmt: skip
    return stored


@settings(max_examples=500)
@given(suspicions=st.lists(DAYS, min_size=1, max_size=7), data=st.data())
def test_any_runs_in_any_order_join_what_a_count_by_hand_joins(suspicions, data):
    shuffled = data.draw(st.permutations(suspicions))
    runs = []
    while shuffled:
        size = data.draw(st.integers(1, len(shuffled)))
        runs.append(shuffled[:size])
        shuffled = shuffled[size:]
    stored = after_runs(runs)
    assert sorted(sorted(day.day for _, day in old.days) for old in stored.values()) == by_hand(suspicions)


def test_the_older_one_goes_on():
    stored = after_runs([[{9}], [{3}], [{6}]])
    assert list(stored) == ["000"]


def test_a_stored_alert_that_joins_two_of_a_run_joins_what_they_touch():
    stored = after_runs([[{18, 19}], [{10, 14}], [{8}, {16}]])
    assert [sorted(day.day for _, day in old.days) for old in stored.values()] == [[8, 10, 14, 16, 18, 19]]


def test_the_alert_that_reaches_furthest_says_why():
    (joined,) = join([theft(5, reasons="late"), theft(3, reasons="early"), theft(5, reasons="later")], [])
    assert joined.latest.reasons == "later"
