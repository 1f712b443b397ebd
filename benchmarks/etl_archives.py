"""Archives of any size for the ETL benchmark: a dozen synthetic meter-years, written under many ids and levels."""

import shutil
from collections.abc import Callable
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv
from tqdm import tqdm

from loadprofiles.synthetic import ARCHETYPES, Meter, add_fault, customer_frame, make_meter, oldmongo_frame

TEMPLATES = 12
_HOURS_A_YEAR = 8_760
READINGS_A_METER = 35_040
"""A year of quarter-hours; of the hourly source, four years."""

SCALE_CHANGE = pd.Timestamp("2019-05-14 10:00", tz="UTC")
"""When the registers of the old dumps changed from kWh to Wh."""

_BYTES_A_READING = {"oldmongo": 190, "sql": 75, "newmongo": 14, "customers": 60}
_OPTIONS = csv.WriteOptions(include_header=False, quoting_style="none")


def make_archive(source: str, readings: int, folder: Path) -> Path:
    """The files of `source` with about `readings` readings, below `folder`; made only where they are not there.

    Raises:
        click.ClickException: There is not enough room.
    """
    meters = max(1, round(readings / READINGS_A_METER))
    archive = folder / f"{source}-{meters}"
    if (archive / "complete").is_file():
        return archive
    needed = meters * READINGS_A_METER * _BYTES_A_READING[source]
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed * 1.5 > free:
        raise click.ClickException(f"{folder}: {needed / 1e9:.1f} GB for {archive.name}, only {free / 1e9:.1f} GB free")
    shutil.rmtree(archive, ignore_errors=True)
    archive.mkdir()
    templates = [_template(source, number) for number in tqdm(range(min(TEMPLATES, meters)), desc="templates")]
    rng = np.random.default_rng(meters)
    write = _WRITERS[source]
    for number in tqdm(range(meters), desc=archive.name, unit="meter"):
        write(archive, number, templates[number % len(templates)], float(rng.uniform(0.4, 2.5)))
    (archive / "complete").touch()
    return archive


def make_hourly_customers(meters: int, folder: Path) -> Path:
    """Customers' files of one hourly year each, below `folder`; made only where they are not there."""
    archive = folder / f"customers-{meters}-of-a-year"
    if not (archive / "complete").is_file():
        shutil.rmtree(archive, ignore_errors=True)
        archive.mkdir(parents=True)
        templates = [_template("customers", number).iloc[:_HOURS_A_YEAR] for number in range(min(TEMPLATES, meters))]
        rng = np.random.default_rng(meters)
        for number in tqdm(range(meters), desc=archive.name, unit="meter"):
            _customers(archive, number, templates[number % len(templates)], float(rng.uniform(0.4, 2.5)))
        (archive / "complete").touch()
    return archive


def _template(source: str, number: int) -> pd.DataFrame:
    archetype = list(ARCHETYPES)[number % len(ARCHETYPES)]
    hourly = source == "customers"
    meter = make_meter(
        "TEMPLATE", archetype, source=source, start="2019-01-01", days=1460 if hourly else 365,
        resolution_minutes=60 if hourly else 15, seed=number,
    )  # fmt: skip
    for kind, day, steps in (("gap_short", 20, 2), ("gap_long", 90, 40), ("duplicate", 200, 3)):
        meter = add_fault(meter, kind, meter.index[0] + pd.Timedelta(days=day, hours=9), steps=steps)
    if source == "oldmongo":
        return oldmongo_frame(add_fault(meter, "scale_change", SCALE_CHANGE, factor=1000.0))
    return customer_frame(meter) if hourly else _energies(meter)


def _energies(meter: Meter) -> pd.DataFrame:
    return pd.DataFrame({"local": meter.index.tz_convert(None), "energy": meter.truth.energy_kwh.to_numpy()})


def _write(path: Path, header: str, table: pd.DataFrame, mode: str = "wb") -> None:
    with path.open(mode) as stream:
        stream.write(header.encode())
        csv.write_csv(pa.Table.from_pandas(table, preserve_index=False), stream, _OPTIONS)


def _oldmongo(archive: Path, number: int, frame: pd.DataFrame, level: float) -> None:
    registers = [name for name in frame.columns if name.startswith("Active_Energy")]
    scaled = frame.assign(id=f"M{number:05d}", **{name: frame[name] * level for name in registers})
    scaled.insert(0, "row", range(len(scaled)))
    (archive / "csv").mkdir(exist_ok=True)
    header = ",".join(["", *frame.columns]) + "\n"
    _write(archive / "csv" / f"M{number:05d}.csv", header, scaled)


def _sql(archive: Path, number: int, frame: pd.DataFrame, level: float) -> None:
    name = f"M{number:05d}"
    exports = bool((frame["energy"] < 0).any())
    table = pd.DataFrame(
        {
            "stamp": frame["local"].dt.strftime("%Y-%m-%d %H:%M:%S"),
            "tag": f"Energy_Apiu_1_8_0_{name}.kWh",
            "energy": (frame["energy"].clip(lower=0) * level).round(4),
        }
    )
    if exports:
        out = table.assign(tag=f"Energy_Ameno_2_8_0_{name}.kWh", energy=(-frame["energy"]).clip(lower=0) * level)
        table = pd.concat([table, out]).sort_values("stamp", kind="stable")
    _write(archive / f"{name}.txt", "", table.assign(quality=0, detail=192, opc=192))


def _newmongo(archive: Path, number: int, frame: pd.DataFrame, level: float) -> None:
    times = [f"{m // 60:02d}:{m % 60:02d}:00" for m in range(0, 1440, 15)]
    days = pd.DataFrame((frame["energy"].to_numpy() * level).round(4).reshape(-1, 96), columns=times)
    days.insert(0, "id", f"M{number:05d}")
    days.insert(1, "date", frame["local"].dt.strftime("%Y-%m-%d").to_numpy()[::96])
    days.insert(2, "energy_type", "active_sum")
    header = ",".join(days.columns) + "\n" if number == 0 else ""
    _write(archive / "newmongo.csv", header, days, "ab")


def _customers(archive: Path, number: int, frame: pd.DataFrame, level: float) -> None:
    scaled = frame.assign(Active_energy=(frame["Active_energy"] * level).round(4))
    _write(archive / f"DATOSCLIENTE{number}.csv", ",".join(frame.columns) + "\n", scaled)


_WRITERS: dict[str, Callable[[Path, int, pd.DataFrame, float], None]] = {
    "oldmongo": _oldmongo,
    "sql": _sql,
    "newmongo": _newmongo,
    "customers": _customers,
}
