"""What VEE does to one real meter: the changes of scale it finds, and whether the energies are possible.

The meter is BBB6004 of the old MongoDB: 22,931 rows, 15 minutes, 40 kW contracted. Its registers changed their scale
twice. The repository does not ship it; `--data` names the folder that has it, with `smart_meter_description.csv`
and `oldmongo/csv/BBB6004.csv`.

    python -m benchmarks.real_meter --png docs/real_meter.png
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import click
import matplotlib.dates as mdates
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from loadprofiles.corrections import SCALE
from loadprofiles.meters import Limits, limits_of, read_description
from loadprofiles.sources import oldmongo
from loadprofiles.tables import atomic_path
from loadprofiles.vee import CleanMeter, Finding, RawMeter, clean_meter

DATA = Path("../shared/data/asm")
METER = "BBB6004"
EXPECTED = (("2019-04-29 13:00", 10.0), ("2019-05-14 10:00", 1000.0))
"""The changes of scale in the meter: the first row after each, UTC, and its factor."""

_REGISTER_DAYS = 12  # shown before the first change of scale and after the last
_OUTLIERS = ("outlier_high", "outlier_low")
_BLUE, _ORANGE, _RED = "#0072B2", "#E69F00", "#D55E00"


@dataclass(frozen=True)
class Cleaned:
    """The meter as it was read, its limits, and what VEE made of it."""

    raw: RawMeter
    limits: Limits
    meter: CleanMeter

    @property
    def step_minutes(self) -> int:
        """Minutes of an interval; the meter has a regular one."""
        assert self.meter.step_minutes is not None
        return self.meter.step_minutes

    @property
    def limit_kwh(self) -> float:
        """What contracted power allows in an interval."""
        return self.limits.import_kw * self.step_minutes / 60

    def found(self, *kinds: str) -> list[Finding]:
        """The findings of some kinds."""
        return [finding for finding in self.meter.findings if finding.kind in kinds]

    def rejected_kwh(self) -> pd.Series:
        """The energies above the limits as they were before they were rejected, by their interval."""
        readings = self.meter.readings.set_index("timestamp_utc")
        factor = pd.Series(1.0, readings.index)
        for correction in self.meter.corrections:
            if correction.rule == SCALE:
                factor[correction.covers(pd.DatetimeIndex(readings.index))] = correction.factor
        scaled = readings["energy_kwh_raw"] * factor
        spans = [readings.index[(readings.index >= f.from_utc) & (readings.index < f.to_utc)] for f in self._outliers()]
        return scaled[[stamp for span in spans for stamp in span]]

    def _outliers(self) -> list[Finding]:
        return self.found(*_OUTLIERS)


def clean(data: Path) -> Cleaned:
    """The meter through the reader and VEE of `etl_oldmongo`, with its contracted power known."""
    (raw,) = oldmongo.read([data / "oldmongo" / "csv" / f"{METER}.csv"])
    limits = limits_of(read_description(data / "smart_meter_description.csv"), METER)
    return Cleaned(raw, limits, clean_meter(raw, limits, "Europe/Rome", pd.Timestamp.now("UTC")))


def report(cleaned: Cleaned) -> Iterator[str]:
    """Lines: the changes found, the readings by quality, the energies against what contracted power allows."""
    readings = cleaned.meter.readings
    yield f"{METER}: {cleaned.raw.rows_read} rows, {cleaned.limits.import_kw:g} kW contracted"
    for finding in cleaned.found("scale_change", "register_unit"):
        yield f"{finding.kind} {finding.from_utc:%Y-%m-%d %H:%M} UTC ×{finding.factor:g}: {finding.evidence}"
    yield f"readings: {len(readings)}"
    counts = readings["quality"].value_counts()
    yield from (f"  {quality} {count}" for quality, count in counts[counts > 0].items())
    yield (
        f"energy of an interval: {readings['energy_kwh'].min():.3f} to {readings['energy_kwh'].max():.3f} kWh; "
        f"{cleaned.limits.import_kw:g} kW allow {cleaned.limit_kwh:g} kWh in {cleaned.step_minutes} min"
    )
    rejected = cleaned.rejected_kwh()
    yield f"rejected above it, before estimation: {', '.join(f'{kwh:.3f} kWh' for kwh in rejected) or 'none'}"


def unexpected(cleaned: Cleaned) -> list[str]:
    """What is not as the meter is known to be, a line each."""
    changes = [(f"{f.from_utc:%Y-%m-%d %H:%M}", f.factor) for f in cleaned.found("scale_change")]
    problems = [] if changes == list(EXPECTED) else [f"changes of scale {changes}, expected {list(EXPECTED)}"]
    above = int((cleaned.meter.readings["energy_kwh"] > cleaned.limit_kwh).sum())
    return problems + ([f"{above} readings above {cleaned.limit_kwh:g} kWh"] if above else [])


# ---- the picture ----


def draw(cleaned: Cleaned) -> Figure:
    """The raw import register around its changes of scale, and below it all clean energies."""
    figure = Figure(figsize=(11, 6.5), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(1, 1.15))
    _draw_register(above, cleaned)
    _draw_energy(below, cleaned)
    return figure


def _draw_register(axis: Axes, cleaned: Cleaned) -> None:
    changes = cleaned.found("scale_change")
    around = pd.Timedelta(days=_REGISTER_DAYS)
    rows = cleaned.raw.rows
    rows = rows[rows["timestamp_utc"].between(changes[0].from_utc - around, changes[-1].from_utc + around)]
    axis.plot(rows["timestamp_utc"], rows["import_end"], ".", ms=3, color=_BLUE)
    axis.set_yscale("log")
    axis.set_ylim(1e3, 4e9)
    for change in changes:
        axis.axvline(change.from_utc, color=_RED, lw=1)
        words = f" ×{change.factor:g} at {change.from_utc:%Y-%m-%d %H:%M}"
        axis.text(change.from_utc, 1.2e9, words, color=_RED, va="center")
    edges = [rows["timestamp_utc"].iloc[0], *(change.from_utc for change in changes), rows["timestamp_utc"].iloc[-1]]
    units = [correction.factor for correction in cleaned.meter.corrections if correction.rule == SCALE]
    for (first, last), unit in zip(pairwise(edges), units, strict=True):
        level = rows["import_end"][rows["timestamp_utc"] < last].iloc[-1]
        axis.text(first + (last - first) / 2, level / 2.5, f"1 unit = {unit:g} kWh", ha="center", va="top")
    axis.set_title("Import register of the first weeks, as it was read", loc="left", fontsize=11)
    axis.set_ylabel("register, in its own unit")
    _dates(axis, mdates.WeekdayLocator(mdates.MO), "%-d %b %Y")


def _draw_energy(axis: Axes, cleaned: Cleaned) -> None:
    readings = cleaned.meter.readings
    axis.plot(readings["timestamp_utc"], readings["energy_kwh"], color=_BLUE, lw=0.35, label="net energy after VEE")
    words = f"limit: {cleaned.limits.import_kw:g} kW contracted = {cleaned.limit_kwh:g} kWh"
    axis.axhline(cleaned.limit_kwh, color=_ORANGE, lw=1.5, label=words)
    rejected = cleaned.rejected_kwh()
    words = f"rejected: {len(rejected)} readings above the limit"
    axis.plot(rejected.index, rejected, "x", color=_RED, ms=7, mew=1.5, label=words)
    axis.set_ylim(-2.6, 13.2)
    axis.set_title("All energies after VEE; empty stretches have no rows", loc="left", fontsize=11)
    axis.set_ylabel(f"energy, kWh per {cleaned.step_minutes} min")
    for line in axis.legend(loc="upper left", ncols=3, frameon=False).get_lines()[:2]:
        line.set_linewidth(2)
    _dates(axis, mdates.MonthLocator(interval=2), "%b %Y")


def _dates(axis: Axes, locator: mdates.DateLocator, text: str) -> None:
    axis.grid(alpha=0.3)
    axis.margins(x=0.01)
    axis.set_xlabel("time, UTC")
    axis.xaxis.set_major_locator(locator)
    axis.xaxis.set_major_formatter(mdates.DateFormatter(text))
    axis.spines[["top", "right"]].set_visible(False)


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG, whole or not at all, the same bytes for the same figure."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    return path


@click.command(help=__doc__)
@click.option("--data", type=click.Path(path_type=Path), default=DATA, show_default=True)
@click.option("--png", type=click.Path(path_type=Path, dir_okay=False), help="Draw the meter here.")
def main(data: Path, png: Path | None) -> None:
    """Clean the meter, print what was found, and fail if it is not what it should be."""
    if not data.is_dir():
        raise click.ClickException(f"{data} is not there; name the folder of the meter's files with --data")
    cleaned = clean(data)
    click.echo("\n".join(report(cleaned)))
    if png:
        click.echo(f"drawn: {save(draw(cleaned), png)}")
    if problems := unexpected(cleaned):
        raise click.ClickException("; ".join(problems))


if __name__ == "__main__":
    main()
