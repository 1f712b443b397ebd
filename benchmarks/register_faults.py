"""How many injected register faults VEE finds, and how many it makes up.

Each synthetic meter of 40 days has one change of scale (×10, ×100 or ×1000), and at random a long gap and an
exchange of the meter. Printed: faults found with the right time and factor, faults found that are not there,
and meters whose energy comes out at the true level, with contracted power known and unknown.

    python -m benchmarks.register_faults --meters 300
"""

import tempfile
from collections import Counter
from pathlib import Path

import click
import numpy as np
import pandas as pd
from tqdm import tqdm

from loadprofiles.meters import UNKNOWN_POWER_KW, Limits
from loadprofiles.sources import oldmongo
from loadprofiles.synthetic import ARCHETYPES, Meter, add_fault, make_meter, oldmongo_frame
from loadprofiles.vee import CleanMeter, clean_meter

DAYS = 40
KINDS = ("scale_change", "reset")


def faulty_meter(number: int, rng: np.random.Generator) -> Meter:
    """A meter with a change of scale, and at random a gap and an exchange."""
    archetype = list(ARCHETYPES)[number % len(ARCHETYPES)]
    meter = make_meter(
        f"M{number}", archetype, start="2019-04-01", days=DAYS, seed=number, scale=float(rng.uniform(0.5, 3))
    )
    start, day = meter.index[0], int(rng.integers(8, 32))
    change = start + pd.Timedelta(days=day, hours=int(rng.integers(0, 24)))
    meter = add_fault(meter, "scale_change", change, factor=float(rng.choice([10, 100, 1000])))
    if rng.random() < 0.5:
        gap = start + pd.Timedelta(days=(day + 5) % 38 + 1, hours=9)
        meter = add_fault(meter, "gap_long", gap, steps=int(rng.integers(9, 40)))
    if rng.random() < 0.3:
        meter = add_fault(meter, "reset", start + pd.Timedelta(days=(day + 9) % 38 + 1, hours=13))
    return meter


def clean(meter: Meter, *, known: bool) -> CleanMeter:
    """The meter through file, reader and VEE, with or without its contracted power."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{meter.meter_id}.csv"
        oldmongo_frame(meter).to_csv(path)
        (raw,) = oldmongo.read([path])
    limits = Limits(UNKNOWN_POWER_KW, UNKNOWN_POWER_KW, known=False)
    if known:
        limits = Limits(meter.contracted_power_kw or UNKNOWN_POWER_KW, meter.production_kw or 0.0, known=True)
    return clean_meter(raw, limits, meter.timezone, pd.Timestamp.now("UTC"))


def judge(meter: Meter, cleaned: CleanMeter) -> Counter[str]:
    """Counts of one meter: injected, found, made up, and whether its level is right."""
    # a reset has no factor
    true = {(e.kind, e.from_utc, e.factor) for e in meter.truth.events if e.kind in KINDS}
    found = {
        (f.kind, f.from_utc, round(f.factor, 6) if f.kind == "scale_change" else None)
        for f in cleaned.findings
        if f.kind in KINDS
    }
    energy = cleaned.readings.set_index("timestamp_utc")["energy_kwh"].dropna().abs()
    level = energy.sum() / meter.truth.energy_kwh.reindex(energy.index).abs().sum()
    return Counter(
        injected=len(true), found=len(true & found), made_up=len(found - true), level_right=int(abs(level - 1) < 0.01)
    )


@click.command(help=__doc__)
@click.option("--meters", type=click.IntRange(1), default=300, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(meters: int, seed: int) -> None:
    """Judge every meter with contracted power known and unknown."""
    for known in (True, False):
        rng = np.random.default_rng(seed)
        total: Counter[str] = Counter()
        for number in tqdm(range(meters), disable=None):
            meter = faulty_meter(number, rng)
            total += judge(meter, clean(meter, known=known))
        power = "known" if known else "unknown"
        click.echo(
            f"contracted power {power}: {total['found']} of {total['injected']} faults found, "
            f"{total['made_up']} made up, level right at {total['level_right']} of {meters} meters"
        )


if __name__ == "__main__":
    main()
