"""The sample set that the repository ships, and the command that writes it."""

import io
import json
import os
import re
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import openpyxl
import pandas as pd

from loadprofiles.synthetic.faults import add_fault, make_twin, scatter_faults
from loadprofiles.synthetic.meters import Meter, add_anomaly, make_meter, utc_of
from loadprofiles.synthetic.raw import customer_frame, newmongo_documents, sql_lines
from loadprofiles.synthetic.registers import oldmongo_frame
from loadprofiles.synthetic.truth import daily_profiles, description_table, events_table


@dataclass(frozen=True)
class _Plan:
    """One meter of the sample set; see `make_meter` for the fields not explained here."""

    number: int  # of its id, SMP<number> or Cliente <number>
    archetype: str
    faults: str = ""  # kinds to scatter, with blanks between them
    days: int = 18
    scale: float = 1.0
    start: str | None = None  # None: the source's usual one
    anomaly: tuple[str, str, int] | None = None  # kind, first local day, number of days
    fixed: tuple[tuple[str, str, int, float | None], ...] = ()  # faults: kind, UTC time, steps, factor
    unknown: tuple[str, ...] = ()  # fields of the description nobody knows


_THEFT, _NIGHTS = ("theft_drop", "2022-06-13", 6), ("night_drop", "2022-05-16", 14)
_LATE = "2019-05-05 21:00"
_LIMITS = ("contracted_power_kw", "production_kw")
_TO_WH = (("scale_change", "2019-05-14 10:00", 1, 1000.0),)  # on this day most real meters changed
_AT_1970 = (("implausible_year", "1970-01-01", 1, None),)  # a clock nobody has set
_GAP_THEN_X10 = (("gap_long", "2019-05-12 08:00", 20, None), ("scale_change", "2019-05-12 13:00", 1, 10.0))
_STARTS = {"oldmongo": "2019-05-05", "sql": "2019-06-03", "newmongo": "2020-03-02", "customers": "2022-03-01"}
_PLANS = {
    "oldmongo": (
        _Plan(1, "household", "gap_short night_gap gap_short", fixed=_TO_WH),
        _Plan(2, "office", "duplicate gap_long", fixed=_TO_WH, unknown=("contracted_power_kw",)),
        _Plan(3, "pv_prosumer", "gap_short conflicting_duplicate night_gap", fixed=_TO_WH),
        _Plan(4, "pump", "gap_short duplicate", fixed=_GAP_THEN_X10),
        _Plan(5, "company", "outlier_high gap_short implausible_year", start=_LATE, fixed=_TO_WH),
        _Plan(6, "cold_storage", "gap_short reset gap_long", fixed=_AT_1970),
        _Plan(7, "ev_charging", "outlier_low night_gap gap_short", fixed=_TO_WH),
        _Plan(8, "street_lighting", unknown=("meter_type",)),
    ),
    "sql": (
        _Plan(9, "household", days=28),
        _Plan(10, "pv_prosumer", "gap_short duplicate night_gap", days=14),
        _Plan(11, "pump", "gap_short outlier_high night_gap gap_short", days=28),
        _Plan(12, "office", "conflicting_duplicate gap_long gap_short", days=14),
        _Plan(13, "pv_prosumer", "implausible_year gap_short gap_long", days=14, unknown=("production_kw",)),
        _Plan(14, "irrigation", "outlier_low gap_short", 28, anomaly=("theft_drop", "2019-06-15", 6)),
    ),
    "newmongo": (
        _Plan(15, "household", days=88),
        _Plan(16, "office", "gap_short duplicate gap_long gap_short", days=88, unknown=("meter_type",)),
        _Plan(17, "pv_prosumer", "night_gap conflicting_duplicate gap_short", days=84),
        _Plan(18, "ev_charging", "outlier_high implausible_year gap_short night_gap", days=88),
        _Plan(19, "cold_storage", "gap_short outlier_low", 88, anomaly=("frozen", "2020-04-20", 3)),
        _Plan(20, "company", "gap_short night_gap gap_long", 84, unknown=_LIMITS),
    ),
    "customers": (
        _Plan(1, "company", "gap_short gap_long", 168, anomaly=("weekend_excess", "2022-06-04", 9)),
        _Plan(2, "irrigation", "outlier_high gap_short night_gap", 140),
        _Plan(3, "cold_storage", "gap_long duplicate gap_short", 140),
        _Plan(4, "office", days=140),
        _Plan(7, "pump", "night_gap gap_short outlier_low", 168, anomaly=("bypass", "2022-05-02", 21)),
        _Plan(8, "street_lighting", "implausible_year gap_short", 150, 2, anomaly=_NIGHTS),
        _Plan(9, "company", "conflicting_duplicate gap_short", 126, 0.5, anomaly=_THEFT),
    ),
}  # fmt: skip
_UNBUILT = ((21, "household"), (22, "pump"))  # described, but without files
_TWINS = (3, 6)  # customer 6 is customer 3 once more
_SECTORS = {
    "Elaboración de cacao y chocolate y de productos de confitería": (1, 9),
    "Cultivo de Árboles Frutales y Nueces": (2, 5),
    "Cultivo de hortalizas y melones, raíces y tubérculos ": (3, 6),
    "Venta al por mayor de metales y minerales metalíferos": (4, 10),
    "Captación, tratamiento y distribución de agua": (7, 8),
}


def _build(plan: _Plan, source: str, timezone: str) -> Meter:
    meter = make_meter(
        f"Cliente {plan.number}" if source == "customers" else f"SMP{plan.number:04d}",
        plan.archetype,
        source=source,
        start=plan.start or _STARTS[source],
        days=plan.days,
        resolution_minutes=60 if source == "customers" else 15,
        timezone=timezone,
        scale=plan.scale,
    )
    # customers are in no description: nobody knows what they contracted
    unknown = _LIMITS if source == "customers" else plan.unknown
    nothing: dict[str, Any] = dict.fromkeys(unknown)
    meter = replace(meter, **nothing)
    if plan.anomaly:
        kind, day, days = plan.anomaly
        first = pd.Timestamp(day)
        last = first + pd.Timedelta(days=days)
        meter = add_anomaly(meter, kind, utc_of(first, timezone), utc_of(last, timezone))
    for kind, time, steps, factor in plan.fixed:
        meter = add_fault(meter, kind, pd.Timestamp(time, tz="UTC"), steps, factor)
    return scatter_faults(meter, plan.faults.split())


def sample_meters(timezone: str = "UTC") -> list[Meter]:
    """The 28 meters of the sample set, by source and number, the twin last; local days in `timezone`."""
    meters = [_build(plan, source, timezone) for source, plans in _PLANS.items() for plan in plans]
    original, twin = (f"Cliente {number}" for number in _TWINS)
    return [*meters, *(make_twin(meter, twin) for meter in meters if meter.meter_id == original)]


def _csv(frame: pd.DataFrame, *, index: bool = False, line_end: str = "\n") -> bytes:
    return frame.to_csv(index=index, lineterminator=line_end).encode()


def _raw_file(meter: Meter) -> tuple[str, bytes]:
    """Name below the set's root and content of the meter's raw file."""
    if meter.source == "oldmongo":
        return f"oldmongo/csv/{meter.meter_id}.csv", _csv(oldmongo_frame(meter), index=True)
    if meter.source == "sql":
        lines = sql_lines(meter, voltage=meter.meter_type == "office")
        return f"sql/{meter.meter_id}.txt", "".join(f"{line}\n" for line in lines).encode()
    if meter.source == "newmongo":
        documents = (json.dumps(document, separators=(",", ":")) for document in newmongo_documents(meter))
        return f"newmongo/{meter.meter_id}.jsonl", "".join(f"{line}\n" for line in documents).encode()
    name = f"customers/DATOSCLIENTE{meter.meter_id.removeprefix('Cliente ')}.csv"
    return name, _csv(customer_frame(meter), line_end="\r\n")  # the real ones have these line ends


def _sector_sheet() -> bytes:
    """`sector_economico_clientes.xlsx`; some names have a trailing blank, as in the real one."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "Hoja1"
    sheet.append(["Cliente:", "Sector Económico:"])
    sectors = {number: sector for sector, numbers in _SECTORS.items() for number in numbers}
    for number in sorted(sectors):
        sheet.append([f"Cliente {number}{' ' * (number % 3 == 1)}", sectors[number]])
    saved, fixed = io.BytesIO(), io.BytesIO()
    book.save(saved)
    # openpyxl writes the time of saving into the zip's entries and the core properties; packed
    # bytes also differ between builds of zlib: so store the entries, sorted, with one time
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(fixed, "w") as new:
        for name in sorted(old.namelist()):
            part = re.sub(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", b"2022-01-01T00:00:00Z", old.read(name))
            new.writestr(zipfile.ZipInfo(name, date_time=(2022, 1, 1, 0, 0, 0)), part)
    return fixed.getvalue()


def sample_files(timezone: str = "UTC") -> dict[str, bytes]:
    """The whole sample set: path below its root (with slashes) -> content."""
    meters = sample_meters(timezone)
    files = dict(_raw_file(meter) for meter in meters)
    files["customers/sector_economico_clientes.xlsx"] = _sector_sheet()
    described = [meter for meter in meters if meter.source != "customers"]
    described += [make_meter(f"SMP{number:04d}", archetype) for number, archetype in _UNBUILT]
    files["smart_meter_description.csv"] = _csv(description_table(described))
    files["truth/events.csv"] = _csv(events_table(meters))
    for source in _PLANS:
        table = pd.concat([daily_profiles(meter) for meter in meters if meter.source == source])
        files[f"truth/{source}.csv"] = table.to_csv(index=False, float_format="%.10g").encode()
    return files


def write_samples(out: Path, timezone: str = "UTC") -> dict[str, int]:
    """Writes the sample set below `out`, replacing each file at once; returns each path's size in bytes."""
    files = sample_files(timezone)
    for name, content in files.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        temporary.write_bytes(content)
        temporary.replace(path)
    return {name: len(content) for name, content in files.items()}


@click.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    show_default=True,
    help="Folder the sample inputs and their truth are written to.",
)
def main(out: Path) -> None:
    """Write the sample inputs of all sources, with their truth."""
    sizes = write_samples(out)
    click.echo(f"{len(sizes)} files, {sum(sizes.values()):,} bytes, in {out.resolve()}")
