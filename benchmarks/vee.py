"""How many injected faults VEE finds, how many it makes up, and whether the energy comes out right.

Every meter goes through a real file, the real reader and `clean_meter`, once with its contracted power known and
once with it unknown. By default the meters have registers (the old MongoDB's dumps) of 60 to 120 days, with one to
three register faults at least two days apart, gaps and duplicates; `--checks` judges the interval checks on meters
of the SQL historian instead.

    python -m benchmarks.vee --meters 200 --seed 1
    python -m benchmarks.vee --only 17 --seed 1
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path

import click
import joblib
import numpy as np
import pandas as pd
from tqdm import tqdm

from benchmarks.judge import (
    EXPECTED,
    Verdict,
    describe_event,
    describe_finding,
    expectations,
    judge_energy,
    judge_findings,
)
from loadprofiles.errors import ParameterError
from loadprofiles.meters import UNKNOWN_POWER_KW, Limits
from loadprofiles.sources import oldmongo, sql
from loadprofiles.synthetic import (
    ARCHETYPES,
    GAPS,
    RESTARTS,
    TOUCHING,
    VARIANTS,
    Meter,
    Register,
    add_fault,
    counted_in,
    make_meter,
    oldmongo_frame,
    register_wh,
    sql_lines,
    usual_peak_kwh,
)
from loadprofiles.vee import CleanMeter, clean_meter

FACTORS = (10.0, 100.0, 1000.0, 0.001, 2.0, 0.5, 30.0, 60.0, 60000.0, 1 / 60000, 1 / 30000)
"""Changes of scale met in real dumps."""

REGISTER_KINDS = (
    "scale_change",
    "reset",
    "exchange",
    "rollover",
    "transient_zero",
    "register_stuck",
    "register_decrease",
    "outlier_high",
)
CHECKED_KINDS = (
    "spike",
    "flat_line",
    "zeros",
    "negative",
    "outlier_high",
    "out_of_order",
    "duplicate",
    "implausible_year",
)
JUDGED_IN_CHECKS = (*CHECKED_KINDS, "production_at_night", *GAPS)

SCALE_BAR_PERCENT = 98.0
FALSE_SCALE_BAR_PERCENT = 0.5
OTHER_BAR_PERCENT = 95.0

_APART = pd.Timedelta(days=2, hours=12)  # a fault may move by some hours to a row that can have it
_AROUND = pd.Timedelta(hours=3)  # between a fault and the gaps and duplicates that are noise
_STANDBY_EVERY = 3
_STANDBY_SHARE = 0.4
_LONGEST_REST_HOURS = 2  # a register that rests longer by itself cannot be told from a stuck one

# kind: least and most hours it lasts; others take one interval
_HOURS = {
    "transient_zero": (0.25, 2),
    "register_stuck": (8, 40),
    "register_decrease": (0.75, 3),
    "flat_line": (12, 48),
    "zeros": (12, 48),
    "negative": (0.25, 4),
    "out_of_order": (1, 24),
    "duplicate": (0.25, 2),
}


# ---- meters ----


def register_meter(number: int, seed: int) -> Meter:
    """A meter of the old MongoDB with register faults, gaps and duplicates; every second one changes its scale."""
    rng = np.random.default_rng([seed, number])
    meter = _with_register(_plain_meter(number, seed, rng, "oldmongo", 15), rng)
    wanted = int(rng.integers(1, 4))
    others = list(rng.permutation([kind for kind in REGISTER_KINDS if kind != "scale_change"]))
    kinds = ["scale_change"] if number % 2 == 0 or rng.random() < 0.2 else []
    kinds += ["scale_change"] if wanted == 3 and rng.random() < 0.2 else []
    kinds = [str(kind) for kind in (kinds + others)[:wanted]]
    rng.shuffle(kinds)
    factors = [float(rng.choice(FACTORS)) for _ in kinds]
    if "rollover" in kinds:
        kinds, factors = _rollover_possible(kinds, factors)
    for kind, factor, start, steps in zip(kinds, factors, *_places(meter, kinds, rng), strict=True):
        meter = _add_register_fault(meter, kind, factor, start, steps, rng)
    return _with_noise(meter, rng, ("duplicate",))


def _plain_meter(number: int, seed: int, rng: np.random.Generator, source: str, resolution_minutes: int) -> Meter:
    start = pd.Timestamp("2018-01-01") + pd.Timedelta(days=int(rng.integers(0, 700)))
    meter = make_meter(
        f"M{number:04d}",
        list(ARCHETYPES)[number % len(ARCHETYPES)],
        source=source,
        start=f"{start:%Y-%m-%d}",
        days=int(rng.integers(60, 121)),
        resolution_minutes=resolution_minutes,
        scale=float(rng.uniform(0.3, 5)),
        seed=seed,
    )
    # a load that is not at rest does not stand at one value for hours: that is what the check for flat lines goes by
    energy = meter.truth.energy_kwh
    noise = rng.normal(0, 0.002 + 0.03 * energy.abs())
    noisy = np.sign(energy) * np.maximum((energy.abs() + noise).round(3), 0.001)
    return replace(meter, truth=replace(meter.truth, energy_kwh=noisy))


def _with_register(meter: Meter, rng: np.random.Generator) -> Meter:
    """The meter with registers of some unit, digits and level: young ones, and such that have counted for years."""
    unit = "Wh" if rng.random() < 0.4 else "kWh"
    quantum_wh = 1 if unit == "Wh" else int(rng.choice([1, 1, 10, 100]))
    while quantum_wh > 1 and _longest_rest_hours(counted_in(meter, quantum_wh)) > _LONGEST_REST_HOURS:
        quantum_wh //= 10
    meter = counted_in(meter, quantum_wh)
    a_day = float(meter.truth.energy_kwh.abs().mean()) * 24 / meter.hours
    levels = np.exp(rng.uniform(np.log(2 * a_day), np.log(1000 * a_day + 1e5), 2)) * (1, meter.exports)
    # the fourth decimal, which only registers in kWh have, is of the level alone
    digits = 4 if unit == "kWh" and quantum_wh == 1 and rng.random() < 0.5 else 4 - len(str(quantum_wh))
    start_kwh = (round(float(levels[0]), digits), round(float(levels[1]), digits))
    return replace(meter, register=Register(unit, quantum_wh, start_kwh))


def _longest_rest_hours(meter: Meter) -> float:
    rests = (meter.truth.energy_kwh == 0).to_numpy()
    runs = np.diff(np.flatnonzero(np.r_[True, ~rests, True])) - 1
    return float(runs.max()) * meter.hours


def _rollover_possible(kinds: list[str], factors: list[float]) -> tuple[list[str], list[float]]:
    """A register passes its capacity before its meter is exchanged, and before its digits mean something else."""
    pairs = list(zip(kinds, factors, strict=True))
    rollover = next(pair for pair in pairs if pair[0] == "rollover")
    before = [p for p in pairs[: pairs.index(rollover)] if p[0] not in {"reset", "exchange"} and _decimal(*p)]
    after = [pair for pair in pairs if pair is not rollover and pair not in before]
    ordered = [*before, rollover, *after]
    return [kind for kind, _ in ordered], [factor for _, factor in ordered]


def _decimal(kind: str, factor: float) -> bool:
    return kind != "scale_change" or factor in {10.0, 100.0, 1000.0, 0.001}


def _places(meter: Meter, kinds: list[str], rng: np.random.Generator) -> tuple[list[pd.Timestamp], list[int]]:
    """First interval and number of intervals of each fault, in the order of time, apart from each other."""
    lengths = []
    for kind in kinds:
        least, most = _HOURS.get(kind, (meter.hours, meter.hours))
        lengths.append(max(1, int(rng.integers(int(least / meter.hours), int(most / meter.hours) + 1))))
    apart = _APART // meter.step
    free = len(meter.index) - sum(lengths) - (len(kinds) + 1) * apart
    cuts = np.sort(rng.integers(0, free + 1, len(kinds)))
    before = np.r_[0, np.cumsum(lengths)[:-1]]
    positions = cuts + before + apart * np.arange(1, len(kinds) + 1)
    return [meter.index[int(position)] for position in positions], lengths


def _add_register_fault(
    meter: Meter, kind: str, factor: float, start: pd.Timestamp, steps: int, rng: np.random.Generator
) -> Meter:
    variant = str(rng.choice(VARIANTS[kind])) if kind in VARIANTS else None
    if kind == "rollover":
        energy = meter.truth.energy_kwh[start:]
        start = energy.index[int(np.argmax(energy.to_numpy() > 0))]
    # without its row before, a start that has wrapped already tells no exact energy
    if kind in RESTARTS and variant != "wrapped_start" and rng.random() < 0.1:
        missing = int(rng.integers(1, 31))
        name = "gap_short" if missing * meter.hours <= 2 else "gap_long"
        meter = add_fault(meter, name, start - missing * meter.step, missing)
    return add_fault(meter, kind, start, steps, factor if kind == "scale_change" else None, variant)


def _with_noise(meter: Meter, rng: np.random.Generator, repeats: tuple[str, ...]) -> Meter:
    """The meter with up to six gaps and repeated rows, away from its faults and from each other."""
    for kind in rng.choice([*GAPS, *repeats], int(rng.integers(0, 7))):
        least, most = {"gap_short": (0, 2), "gap_long": (2, 10), "night_gap": (2, 6)}.get(str(kind), (0, 1))
        steps = int(rng.integers(int(least / meter.hours) + 1, int(most / meter.hours) + 1))
        for _ in range(20):
            start = meter.index[int(rng.integers(96, len(meter.index) - 96))]
            if kind != "gap_short":  # one wholly in the night, and one wholly outside it
                start = start.normalize() + pd.Timedelta(hours=0 if kind == "night_gap" else int(rng.integers(7, 14)))
            window = start - _AROUND, start + steps * meter.step + _AROUND
            if not any(event.from_utc < window[1] and window[0] < event.to_utc for event in meter.truth.events):
                meter = add_fault(meter, str(kind), start, steps)
                break
    return meter


def _with_standby(meter: Meter) -> Meter:
    """The meter with a constant load at rest, at which it stands for hours on end as real ones do."""
    energy = meter.truth.energy_kwh
    standby = max(round(float(energy.quantile(_STANDBY_SHARE)), 3), 0.011)
    return replace(meter, truth=replace(meter.truth, energy_kwh=energy.clip(lower=standby)))


def interval_meter(number: int, seed: int) -> Meter:
    """A meter of the SQL historian with faults that the interval checks must find, and gaps."""
    rng = np.random.default_rng([seed, number, 1])
    meter = _plain_meter(number, seed, rng, "sql", int(rng.choice([15, 60])))
    if number % _STANDBY_EVERY == 0 and not meter.exports:
        meter = _with_standby(meter)
    if meter.exports and rng.random() < 0.4:
        return add_fault(meter, "production_at_night", meter.index[0])
    # contracted power far above the load, so that it cannot tell a spike
    rated = np.ceil(float(rng.uniform(7, 9)) * usual_peak_kwh(meter) / meter.hours)
    meter = replace(meter, contracted_power_kw=max(float(rated), meter.contracted_power_kw or 0.0))
    kinds = [str(kind) for kind in rng.permutation(CHECKED_KINDS)[: int(rng.integers(1, 4))]]
    for kind, start, steps in zip(kinds, *_places(meter, kinds, rng), strict=True):
        try:
            if kind == "implausible_year":
                start = pd.Timestamp(str(rng.choice(["1970-01-01", "2040-01-01"])), tz="UTC")
            meter = add_fault(meter, kind, start, 1 if kind == "implausible_year" else steps)
        except ParameterError:
            continue  # a kind that this meter's load cannot have
    return _with_noise(meter, rng, ())


# ---- VEE ----


def clean(meter: Meter, *, known: bool) -> CleanMeter:
    """The meter through file, reader and VEE, with or without its contracted power."""
    with tempfile.TemporaryDirectory() as folder:
        if meter.source == "oldmongo":
            path = Path(folder) / f"{meter.meter_id}.csv"
            oldmongo_frame(meter).to_csv(path)
            (raw,) = oldmongo.read([path])
        else:
            path = Path(folder) / f"{meter.meter_id}.txt"
            path.write_text("".join(f"{line}\n" for line in sql_lines(meter)))
            (raw,) = sql.read([path], meter.timezone)
    production_kw = meter.production_kw or 0.0
    limits = Limits(meter.contracted_power_kw or UNKNOWN_POWER_KW, production_kw, known=True)
    if not known:
        # without its production nothing tells a negative energy from one that was fed in
        limits = Limits(UNKNOWN_POWER_KW, production_kw if meter.source == "sql" else UNKNOWN_POWER_KW, known=False)
    return clean_meter(raw, limits, meter.timezone, meter.index[-1] + pd.Timedelta(days=1))


def judge(meter: Meter, cleaned: CleanMeter, judged: tuple[str, ...], *, known: bool) -> Verdict:
    """What came of one meter: faults found, findings made up, and its energy."""
    kinds = {EXPECTED[kind] for kind in judged} | ({"exchange"} if "reset" in judged else set())
    kinds |= {"spike"} if "outlier_high" in judged and not known else set()
    findings = [finding for finding in cleaned.findings if finding.kind in kinds]
    words = f"{meter.meter_id} {meter.meter_type} in {meter.register.unit}"
    if meter.source == "oldmongo":
        words += f" from {register_wh(meter, 1)[0][0] / 1000:.6g} kWh"
    spoilt = np.zeros(len(meter.index), dtype=np.bool_)
    for event in meter.truth.events:
        if event.kind in {*TOUCHING, "production_at_night"}:
            spoilt |= event.covers(meter.index)
    verdict = judge_findings(expectations(meter, judged, known=known), findings, meter.step, words)
    if spoilt.all():  # a clock that is wrong is found, not mended
        return verdict + Verdict(meters=Counter(all_right=1))
    return verdict + judge_energy(meter, cleaned, spoilt)


def _judge_number(number: int, seed: int, *, checks: bool) -> tuple[Verdict, Verdict]:
    """Verdicts with contracted power known and unknown."""
    make, judged = (interval_meter, JUDGED_IN_CHECKS) if checks else (register_meter, REGISTER_KINDS)
    meter = make(number, seed)
    known, unknown = (judge(meter, clean(meter, known=known), judged, known=known) for known in (True, False))
    return known, unknown


# ---- report ----


def table(verdict: Verdict, judged: tuple[str, ...]) -> Iterator[str]:
    """Lines of the table: a row a kind."""
    yield f"{'kind':<22}{'true':>7}{'found':>7}{'%':>8}{'made up':>9}{'beside':>8}"
    for kind in judged:
        found_as = EXPECTED[kind]
        true, found = verdict.true[kind], verdict.found[kind]
        percent = f"{verdict.recall_percent(kind):.1f}" if true else "-"
        others = (verdict.made_up[found_as], verdict.beside[found_as])
        yield f"{kind:<22}{true:>7}{found:>7}{percent:>8}{others[0]:>9}{others[1]:>8}"


def bars(verdict: Verdict, judged: tuple[str, ...]) -> Iterator[str]:
    """One line a bar, and the energy."""

    def line(words: str, percent: float, bar: float, passed: Callable[[float, float], bool]) -> str:
        return f"{'ok  ' if passed(percent, bar) else 'MISS'} {words}: {percent:.2f} % (bar {bar:g} %)"

    meters, readings = verdict.meters["meters"], verdict.readings
    if "scale_change" in judged:
        recall = verdict.recall_percent("scale_change")
        yield line("changes of scale found, step and factor right", recall, SCALE_BAR_PERCENT, float.__ge__)
        false = 100 * verdict.meters["false_scale_change"] / meters
        yield line("meters with a change of scale made up", false, FALSE_SCALE_BAR_PERCENT, float.__le__)
    others = [kind for kind in judged if kind != "scale_change" and verdict.true[kind]]
    worst = min(others, key=verdict.recall_percent)
    words = f"other faults found, each kind; the worst is {worst}"
    yield line(words, verdict.recall_percent(worst), OTHER_BAR_PERCENT, float.__ge__)
    total = max(readings["right"] + readings["wrong"], 1)
    yield (
        f"     energy: {100 * readings['right'] / total:.4f} % of measured and edited readings right, all of them at "
        f"{verdict.meters['all_right']} of {meters} meters; {readings['lost']} good readings lost; "
        f"{readings['told']} wrong ones under a finding; "
        f"level told uncertain at {verdict.meters['level_uncertain']}"
    )


def show_meter(number: int, seed: int, *, checks: bool) -> Iterator[str]:
    """Everything about one meter: what was done, what was found."""
    meter = (interval_meter if checks else register_meter)(number, seed)
    yield f"{meter.meter_id} {meter.meter_type}, {meter.register}, {meter.contracted_power_kw:g} kW"
    yield from (f"  done: {describe_event(event)}" for event in meter.truth.events)
    for known in (True, False):
        yield f"contracted power {'known' if known else 'unknown'}:"
        cleaned = clean(meter, known=known)
        yield from (f"  found: {describe_finding(finding)}" for finding in cleaned.findings)
        verdict = judge(meter, cleaned, JUDGED_IN_CHECKS if checks else REGISTER_KINDS, known=known)
        yield from (f"  {line}" for line in verdict.misses)
        yield f"  readings: {dict(verdict.readings)}"


@click.command(help=__doc__)
@click.option("--meters", type=click.IntRange(1), default=200, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--jobs", type=int, default=1, show_default=True, help="Processes; -1: one a core.")
@click.option("--checks", is_flag=True, help="Judge the interval checks instead of the register faults.")
@click.option("--verbose", is_flag=True, help="List every miss and every finding made up.")
@click.option("--only", type=click.IntRange(0), help="Show one meter, by its number.")
def main(meters: int, seed: int, jobs: int, checks: bool, verbose: bool, only: int | None) -> None:
    """Judge every meter with contracted power known and unknown."""
    if only is not None:
        click.echo("\n".join(show_meter(only, seed, checks=checks)))
        return
    work = joblib.Parallel(n_jobs=jobs, return_as="generator")(
        joblib.delayed(_judge_number)(number, seed, checks=checks) for number in range(meters)
    )
    verdicts = list(tqdm(work, total=meters, disable=None))
    judged = JUDGED_IN_CHECKS if checks else REGISTER_KINDS
    for column, power in enumerate(("known", "unknown")):
        verdict = reduce(Verdict.__add__, (pair[column] for pair in verdicts), Verdict())
        click.echo(f"\n{meters} meters, contracted power {power}")
        click.echo("\n".join([*table(verdict, judged), *bars(verdict, judged)]))
        if verbose:
            click.echo("\n".join(verdict.misses))


if __name__ == "__main__":
    main()
