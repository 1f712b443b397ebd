"""What an alert is, and what follows from its days: how much is missing, how grave it is."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

THEFT, FAULT, GROUP = "theft-like", "data fault", "group event"
KINDS = (THEFT, FAULT, GROUP)
LOW, MEDIUM, HIGH = "low", "medium", "high"
SEVERITIES = (LOW, MEDIUM, HIGH)

JOINED_DAYS = 3
"""Alert days of one meter at most so far apart belong to one alert."""

_GRAVE_SHARE, _GRAVE_DAYS, _FAINT_SHARE = 0.3, 2, 0.1
"""Half of the thefts of the bench take more than 30 % for more than two days; under 10 % nobody can tell a theft."""


@dataclass(frozen=True, order=True)
class AlertDay:
    """One day of one meter of an alert.

    Attributes:
        meter_id: The meter.
        day: Local day.
        p_value: How likely a day of this meter is at least as suspect, were nothing wrong; never NaN.
        expected_kwh: What was expected; NaN where nothing can be expected.
        low_kwh: Lower end of the 90 % band around it.
        high_kwh: Upper end.
        actual_kwh: What was metered; NaN where nothing was.
    """

    meter_id: str
    day: date
    p_value: float
    expected_kwh: float
    low_kwh: float
    high_kwh: float
    actual_kwh: float


@dataclass(frozen=True)
class Alert:
    """A dated, ranked, explained suspicion.

    Attributes:
        kind: One of `KINDS`.
        cause: The rule of a data fault (gap, stuck, …); of others the detector that weighs most.
        subject: The meter; of a group event the sector.
        sector: The meter's sector; empty where unknown.
        days: What it rests on, at least one day; of several meters in a group event.
        reasons: Why, in a sentence for an operator.
        peers: What the other meters of the sector did on those days, in a sentence; empty where there are none.
    """

    kind: str
    cause: str
    subject: str
    sector: str
    days: tuple[AlertDay, ...]
    reasons: str
    peers: str

    @property
    def thread(self) -> tuple[str, str, str]:
        """Alerts of one thread that overlap, or nearly, are one alert: kind, subject, and of a fault its rule."""
        return self.kind, self.subject, self.cause if self.kind == FAULT else ""


@dataclass(frozen=True)
class Facts:
    """What follows from an alert's days; sums over days on which something was both expected and metered.

    Attributes:
        first_day: From.
        last_day: To.
        meters: The meters, sorted.
        days_alerted: How many days of theirs.
        p_value: The least.
        expected_kwh: Sum.
        actual_kwh: Sum.
        missing_kwh: What is missing; negative where more was metered than expected.
        missing_low_kwh: The same against the lower ends of the bands.
        missing_high_kwh: Against the upper ends.
        severity: One of `SEVERITIES`.
    """

    first_day: date
    last_day: date
    meters: tuple[str, ...]
    days_alerted: int
    p_value: float
    expected_kwh: float
    actual_kwh: float
    missing_kwh: float
    missing_low_kwh: float
    missing_high_kwh: float
    severity: str


def facts(days: Iterable[AlertDay]) -> Facts:
    """What follows from an alert's days, of which there is at least one."""
    days = sorted(days, key=lambda day: day.day)
    known = [day for day in days if math.isfinite(day.expected_kwh) and math.isfinite(day.actual_kwh)]
    expected = math.fsum(day.expected_kwh for day in known)
    actual = math.fsum(day.actual_kwh for day in known)
    missing = expected - actual
    return Facts(
        first_day=days[0].day,
        last_day=days[-1].day,
        meters=tuple(sorted({day.meter_id for day in days})),
        days_alerted=len(days),
        p_value=min(day.p_value for day in days),
        expected_kwh=expected,
        actual_kwh=actual,
        missing_kwh=missing,
        missing_low_kwh=math.fsum(day.low_kwh for day in known) - actual,
        missing_high_kwh=math.fsum(day.high_kwh for day in known) - actual,
        severity=severity(missing / expected if expected > 0 else 0.0, len({day.day for day in known})),
    )


def severity(missing_share: float, days: int) -> str:
    """How grave it is that a share of what was expected is missing, over a number of days."""
    if missing_share >= _GRAVE_SHARE and days >= _GRAVE_DAYS:
        return HIGH
    return MEDIUM if missing_share >= _FAINT_SHARE else LOW
