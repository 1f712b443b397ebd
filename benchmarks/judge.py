"""Holds what VEE found in a generated meter against what was done to it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from loadprofiles.synthetic import GAPS, RESTARTS, Event, Meter, register_wh
from loadprofiles.vee import CleanMeter, Finding

EXPECTED = {
    **{kind: kind for kind in (*RESTARTS, "register_stuck", "register_decrease")},
    "transient_zero": "register_excursion",
    **{kind: kind for kind in ("outlier_high", "outlier_low", "spike", "flat_line", "zeros", "production_at_night")},
    "negative": "negative_without_production",
    **{kind: kind for kind in ("out_of_order", "duplicate", "conflicting_duplicate", "implausible_year")},
    "gap_short": "gap_filled",
    "night_gap": "gap_filled",
    "gap_long": "gap_left",
}
"""The finding that each injected fault must lead to."""

SUSPECTED = ("spike", "flat_line", "zeros", "negative_without_production", "production_at_night")
"""Findings that leave their readings in, for people to judge."""

CONSEQUENCES = ("gap_filled", "gap_left")
"""Findings that any rejected reading leads to."""

FACTOR_TOLERANCE = 1e-6
ENERGY_TOLERANCE = 1e-6
"""Relative, and in kWh."""

_DAY = pd.Timedelta(days=1)


@dataclass(frozen=True)
class Expectation:
    """A fault as VEE must find it.

    Attributes:
        event: what was done.
        kinds: findings that are right.
        from_utc: first row that shows it.
        to_utc: end, exclusive.
        is_moment: only the exact row counts, at `from_utc`.
    """

    event: Event
    kinds: frozenset[str]
    from_utc: pd.Timestamp
    to_utc: pd.Timestamp
    is_moment: bool

    def found_by(self, finding: Finding, step: pd.Timedelta) -> bool:
        """Whether kind, time and, of a change of scale, the factor are right."""
        if finding.kind not in self.kinds:
            return False
        if self.is_moment:
            right_factor = self.event.kind != "scale_change" or same_factor(finding.factor, self.event.factor)
            return bool(finding.from_utc == self.from_utc and right_factor)
        return same_span((finding.from_utc, finding.to_utc), (self.from_utc, self.to_utc), step)

    def is_near(self, finding: Finding) -> bool:
        """Whether less than a day lies between the two."""
        return bool(finding.from_utc <= self.to_utc + _DAY and finding.to_utc >= self.from_utc - _DAY)


def same_factor(found: float, true: float | None) -> bool:
    """Whether a factor is right within FACTOR_TOLERANCE."""
    return true is not None and abs(found / true - 1) <= FACTOR_TOLERANCE


def same_span(
    found: tuple[pd.Timestamp, pd.Timestamp], true: tuple[pd.Timestamp, pd.Timestamp], step: pd.Timedelta
) -> bool:
    """Whether two stretches share at least half of each, or both ends agree within one step."""
    if all(abs(a - b) <= step for a, b in zip(found, true, strict=True)):
        return True
    shared = min(found[1], true[1]) - max(found[0], true[0])
    return bool(2 * shared >= max(found[1] - found[0], true[1] - true[0]))


def expectations(meter: Meter, judged: Iterable[str], *, known: bool) -> list[Expectation]:
    """What VEE must find of the events of kinds `judged`.

    Rows of one kind that are dropped are told in one finding, so several such events are one expectation.
    Where contracted power is unknown an outlier and a spike may be called by each other's names.
    """
    result = []
    present = meter.index[~_in_gaps(meter)]
    for event in meter.truth.events:
        if event.kind not in judged:
            continue
        kinds, start = {EXPECTED[event.kind]}, event.from_utc
        if event.kind in RESTARTS:
            start = present[min(int(present.searchsorted(start)), len(present) - 1)]
        if event.kind in {"reset", "exchange"} and _starts_near_zero(meter, event):
            kinds = {"reset", "exchange"}
        if event.kind in {"outlier_high", "spike"} and not known:
            kinds = {"outlier_high", "spike"}
        result.append(Expectation(event, frozenset(kinds), start, event.to_utc, event.kind in RESTARTS))
    return result


def _in_gaps(meter: Meter) -> "np.typing.NDArray[np.bool_]":
    inside = np.zeros(len(meter.index), dtype=np.bool_)
    for event in meter.truth.events:
        if event.kind in GAPS:
            inside |= event.covers(meter.index)
    return inside


def _starts_near_zero(meter: Meter, event: Event) -> bool:
    start_kwh = register_wh(meter, 1)[0][meter.index.searchsorted(event.from_utc)] / 1000
    a_day = meter.truth.energy_kwh.abs().mean() * 24 / meter.hours
    return bool(start_kwh <= a_day)


@dataclass
class Verdict:
    """What came of one meter, or of many.

    Attributes:
        true: faults by kind.
        found: those found.
        made_up: findings without a fault within a day, by kind.
        beside: findings near a fault that are not the one expected of it, by kind.
        meters: how many meters were judged, and how many of them have what.
        readings: `right`, `wrong`, `told` (wrong, but under a finding of SUSPECTED) and `lost` (present, not
            spoilt, but neither measured nor edited).
        misses: one line for each miss, made up finding and finding beside, and for each meter's wrong readings.
    """

    true: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    made_up: Counter[str] = field(default_factory=Counter)
    beside: Counter[str] = field(default_factory=Counter)
    meters: Counter[str] = field(default_factory=Counter)
    readings: Counter[str] = field(default_factory=Counter)
    misses: list[str] = field(default_factory=list)

    def __add__(self, other: "Verdict") -> "Verdict":
        counters = ("true", "found", "made_up", "beside", "meters", "readings")
        sums = {name: getattr(self, name) + getattr(other, name) for name in counters}
        return Verdict(**sums, misses=self.misses + other.misses)

    @property
    def perfect(self) -> bool:
        """Whether all was found and nothing else."""
        return self.true == self.found and not self.made_up and not self.beside

    def recall_percent(self, kind: str) -> float:
        """Share of the faults of a kind that were found."""
        return 100 * self.found[kind] / self.true[kind] if self.true[kind] else 100.0


def judge_findings(expected: list[Expectation], findings: list[Finding], step: pd.Timedelta, where: str) -> Verdict:
    """Match findings to faults one to one, and count what is left over on either side.

    Args:
        expected: what there is to find.
        findings: those of the kinds that are judged.
        step: length of an interval.
        where: words for the meter, put before every line of `misses`.
    """
    verdict, left = Verdict(true=Counter(e.event.kind for e in expected)), list(findings)
    missed = []
    for expectation in expected:
        right = next((finding for finding in left if expectation.found_by(finding, step)), None)
        if right is None:
            missed.append(expectation)
        else:
            verdict.found[expectation.event.kind] += 1
            left.remove(right)
    for finding in left:
        near = any(expectation.is_near(finding) for expectation in expected)
        if near and finding.kind in CONSEQUENCES:
            continue
        (verdict.beside if near else verdict.made_up)[finding.kind] += 1
        word = "beside a fault" if near else "made up"
        verdict.misses.append(f"{where}: {word}: {describe_finding(finding)}")
    for expectation in missed:
        instead = [describe_finding(finding) for finding in left if expectation.is_near(finding)]
        told = "; ".join(instead) or "nothing"
        verdict.misses.append(f"{where}: missed: {describe_event(expectation.event)}; found there: {told}")
    scale_changes = [e for e in expected if e.event.kind == "scale_change"]
    false_scale = any(f.kind == "scale_change" and not any(e.is_near(f) for e in scale_changes) for f in left)
    verdict.meters = Counter(meters=1, false_scale_change=int(false_scale))
    return verdict


def judge_energy(meter: Meter, cleaned: CleanMeter, spoilt: "np.typing.NDArray[np.bool_]") -> Verdict:
    """Compare each measured and edited reading with the truth.

    Where VEE says that the level is uncertain, one common factor is left to it.

    Args:
        meter: the truth.
        cleaned: what VEE made of its file.
        spoilt: which intervals have no right value in the file, shape (n,).
    """
    readings = cleaned.readings.set_index("timestamp_utc")
    quality = readings["quality"].astype("str")
    kept = readings["energy_kwh"][(quality == "measured") | quality.str.startswith("edited_")]
    index = meter.index.as_unit("us")  # the unit of readings: of different ones pandas compares object by object
    kept = kept[kept.index.isin(index)]
    true = meter.truth.energy_kwh.set_axis(index).reindex(kept.index).to_numpy()
    found = kept.to_numpy(dtype=np.float64)
    moved = np.abs(true) > 0
    uncertain = any(finding.kind == "level_uncertain" for finding in cleaned.findings)
    if uncertain and moved.any():
        found = found / (float(np.nanmedian(found[moved] / true[moved])) or 1.0)
    told = np.zeros(len(kept), dtype=np.bool_)
    for finding in cleaned.findings:
        if finding.kind in SUSPECTED:
            told |= np.asarray((kept.index >= finding.from_utc) & (kept.index < finding.to_utc))
    right = np.abs(found - true) <= ENERGY_TOLERANCE * np.abs(true) + ENERGY_TOLERANCE
    misses = []
    if not (right | told).all():
        first = int(np.argmin(right | told))
        misses.append(
            f"{meter.meter_id} {meter.meter_type}: {(~right & ~told).sum()} readings wrong, the first at "
            f"{kept.index[first]:%Y-%m-%d %H:%M}: {found[first]:.8g} kWh, in truth {true[first]:.8g} kWh"
        )
    lost = ~index.isin(kept.index) & ~spoilt
    wrong = int((~right & ~told).sum())
    counts = {"right": right.sum(), "wrong": wrong, "told": (~right & told).sum(), "lost": lost.sum()}
    readings_count = Counter({name: int(count) for name, count in counts.items()})
    meters = Counter(all_right=int(wrong == 0), level_uncertain=int(uncertain))
    return Verdict(meters=meters, readings=readings_count, misses=misses)


def describe_event(event: Event) -> str:
    """One line on what was done."""
    words = [event.kind, event.variant, f"{event.from_utc:%Y-%m-%d %H:%M}"]
    if event.kind not in RESTARTS:
        words.append(f"to {event.to_utc:%Y-%m-%d %H:%M}")
    words += [f"factor {event.factor:.10g}"] if event.factor is not None else []
    words += [f"value {event.value_kwh:.10g} kWh"] if event.value_kwh is not None else []
    return " ".join(word for word in words if word)


def describe_finding(finding: Finding) -> str:
    """One line on what was found."""
    window = f"{finding.from_utc:%Y-%m-%d %H:%M} to {finding.to_utc:%Y-%m-%d %H:%M}"
    factor = "" if np.isnan(finding.factor) else f" factor {finding.factor:.10g}"
    return f"{finding.kind} {window}{factor} ({finding.evidence})"
