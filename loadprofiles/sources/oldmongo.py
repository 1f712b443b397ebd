"""Dumps of the old MongoDB: `csv/<meter>.csv`, cumulative registers every 15 minutes, stamps in UTC."""

from pathlib import Path

from loadprofiles.sources.common import Meters, files_in, parse_stamps, raw_meter, read_rows, to_numbers

REGISTERS = {
    "Active_Energy_+_Total_ini": "import_start",
    "Active_Energy_+_Total_end": "import_end",
    "Active_Energy_-_Total_ini": "export_start",
    "Active_Energy_-_Total_end": "export_end",
}
VOLTAGES = {f"Average_voltage_L{phase}": f"voltage_l{phase}_v" for phase in (1, 2, 3)}


def find_files(folder: Path) -> list[Path]:
    """One CSV a meter, in the dump's sub-folder `csv`."""
    return files_in(folder / "csv", "*.csv", "expected one <meter>.csv a meter")


def read(files: list[Path]) -> Meters:
    """Read the dumps; registers stay in the unit they have.

    Raises:
        InputError: A file cannot be read or lacks a column.
    """
    for path in files:
        rows = read_rows(path, ("id", "timestamp", *REGISTERS))
        meter_id = path.stem
        mine = rows[rows["id"] == meter_id]
        voltages = {old: new for old, new in VOLTAGES.items() if old in rows.columns}
        renamed = mine.rename(columns=REGISTERS | voltages)
        renamed["timestamp_utc"] = parse_stamps(mine["timestamp"], "UTC")
        names = [*REGISTERS.values(), *voltages.values()]
        renamed = to_numbers(renamed[["timestamp_utc", *names]], names)
        raw = raw_meter(meter_id, path, renamed, ["import_end", "export_end"], len(rows))
        if len(mine) < len(rows):
            raw.dropped["other_meter"] = len(rows) - len(mine)
        yield raw
