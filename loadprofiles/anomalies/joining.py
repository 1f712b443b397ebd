"""Which alerts of a run belong to which alerts of before.

Alerts of one thread that overlap, or lie at most `JOINED_DAYS` apart, are one alert, and so is what they
join. As this holds of the stretches from first to last day, it does not matter over how many runs, or in
which order, the days come in.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import groupby

from loadprofiles.anomalies.alert import JOINED_DAYS, Alert, AlertDay

Key = tuple[str, date]
Thread = tuple[str, str, str]


@dataclass(frozen=True)
class Stored:
    """An alert of the database, as far as it matters here.

    Attributes:
        alert_id: Its id.
        thread: As of `Alert`.
        first_day: From.
        last_day: To.
        raised_at_utc: When it came into the database.
        verdict: The state that a person has set; None where nobody has.
        days: By meter and day.
    """

    alert_id: str
    thread: Thread
    first_day: date
    last_day: date
    raised_at_utc: datetime
    verdict: str | None
    days: Mapping[Key, AlertDay]

    @property
    def age(self) -> tuple[datetime, date, str]:
        """The oldest is the least."""
        return self.raised_at_utc, self.first_day, self.alert_id


@dataclass(frozen=True)
class Joined:
    """An alert as it is to be stored.

    Attributes:
        into: The stored alert that it goes on with; None of a new one.
        absorbed: Other stored alerts that it takes in.
        latest: The alert of the run that says why.
        days: All its days, by meter and day.
    """

    into: Stored | None
    absorbed: tuple[Stored, ...]
    latest: Alert
    days: Mapping[Key, AlertDay]


def join(alerts: Iterable[Alert], stored: Iterable[Stored]) -> list[Joined]:
    """What becomes of a run's alerts and those stored alerts that they touch.

    Several stored alerts that are joined become one, the oldest, unless people have judged them
    differently: then each stays as it is, a day stays with the alert that has it, and a new day
    goes to the nearest alert, of two as near to the older.

    Args:
        alerts: Of the run; of two that tell of the same day the later one counts.
        stored: All that may be touched, and any others.

    Returns:
        One for each alert that is new, goes on, or is told again.
    """
    by_thread: dict[Thread, list[Stored]] = {}
    for old in stored:
        by_thread.setdefault(old.thread, []).append(old)
    in_order = sorted(alerts, key=lambda alert: alert.thread)
    return [
        joined
        for thread, members in groupby(in_order, key=lambda alert: alert.thread)
        for group in _groups(list(members), by_thread.get(thread, []))
        for joined in (_apart(group) if group.is_judged_differently() else (_together(group),))
    ]


@dataclass
class _Group:
    """Alerts that hang together."""

    alerts: list[Alert]
    spans: list[tuple[date, date]]
    stored: list[Stored] = field(default_factory=list)

    def reaches(self, first: date, last: date) -> bool:
        return any(
            (first - end).days <= JOINED_DAYS and (begin - last).days <= JOINED_DAYS for begin, end in self.spans
        )

    def is_judged_differently(self) -> bool:
        return len({old.verdict for old in self.stored if old.verdict is not None}) > 1


def _groups(alerts: Sequence[Alert], stored: Iterable[Stored]) -> list[_Group]:
    """Of one thread. What only stored alerts would join was kept apart on purpose, and stays so."""
    groups: list[_Group] = []
    order = {id(alert): place for place, alert in enumerate(alerts)}
    for alert, first, last in sorted(((alert, *_span(alert)) for alert in alerts), key=lambda item: item[1:]):
        if groups and groups[-1].reaches(first, last):
            begin, end = groups[-1].spans[0]
            groups[-1].spans = [(begin, max(end, last))]
            groups[-1].alerts.append(alert)
        else:
            groups.append(_Group([alert], [(first, last)]))
    for old in stored:
        touched = [group for group in groups if group.reaches(old.first_day, old.last_day)]
        for other in touched[1:]:
            touched[0].alerts += other.alerts
            touched[0].spans += other.spans
            touched[0].stored += other.stored
        if touched:
            touched[0].stored.append(old)
            groups = [group for group in groups if all(group is not other for other in touched[1:])]
    for group in groups:
        group.alerts.sort(key=lambda alert: order[id(alert)])
    return groups


def _span(alert: Alert) -> tuple[date, date]:
    days = [day.day for day in alert.days]
    return min(days), max(days)


def _together(group: _Group) -> Joined:
    ages = sorted(group.stored, key=lambda old: old.age)
    days = {key: day for old in reversed(ages) for key, day in old.days.items()}
    days |= {(day.meter_id, day.day): day for alert in group.alerts for day in alert.days}
    return Joined(ages[0] if ages else None, tuple(ages[1:]), _latest(group.alerts), days)


def _apart(group: _Group) -> Iterator[Joined]:
    ages = sorted(group.stored, key=lambda old: old.age)
    told: dict[str, list[Alert]] = {}
    days = {old.alert_id: dict(old.days) for old in ages}
    for alert in group.alerts:
        for day in alert.days:
            key = (day.meter_id, day.day)
            owner = next((old for old in ages if key in old.days), None) or _nearest(ages, day.day)
            days[owner.alert_id][key] = day
            told.setdefault(owner.alert_id, []).append(alert)
    for old in ages:
        if old.alert_id in told:
            yield Joined(old, (), _latest(told[old.alert_id]), days[old.alert_id])


def _nearest(ages: Iterable[Stored], day: date) -> Stored:
    return min(ages, key=lambda old: max((old.first_day - day).days, (day - old.last_day).days, 0))


def _latest(alerts: Iterable[Alert]) -> Alert:
    """The one that reaches furthest, of several the last."""
    return max(reversed(list(alerts)), key=lambda alert: _span(alert)[1])
