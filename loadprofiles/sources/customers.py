"""Customers of the anomaly system: `DATOSCLIENTE<n>.csv`, hourly, local time, and the sheet of sectors."""

import re
from pathlib import Path
from zipfile import BadZipFile

import pandas as pd

from loadprofiles.errors import InputError
from loadprofiles.sources.common import Meters, files_in, parse_stamps, raw_meter, read_rows, to_numbers
from loadprofiles.tables import first_line, require_columns

COLUMNS = {
    "Active_energy": "energy_kwh",
    "Reactive_energy": "reactive_energy_kvarh",
    "Voltaje_FA": "voltage_fa_v",
    "Voltaje_FC": "voltage_fc_v",
}
SECTOR_SHEET = "sector_economico_clientes.xlsx"
_SHEET_COLUMNS = {"Cliente:": "meter_id", "Sector Económico:": "sector"}
_NUMBER = re.compile(r"DATOSCLIENTE(\d+)$")


def find_files(folder: Path) -> list[Path]:
    """One CSV a customer, in the order of their numbers."""
    files = files_in(folder, "DATOSCLIENTE*.csv", "expected DATOSCLIENTE<n>.csv files")
    for path in files:
        if not _NUMBER.match(path.stem):
            raise InputError(f"{path}: expected a number after DATOSCLIENTE; rename the file or move it away")
    return sorted(files, key=_customer_number)


def _customer_number(path: Path) -> int:
    match = _NUMBER.match(path.stem)
    return int(match.group(1)) if match else 0


def meter_id_of(path: Path) -> str:
    """`Cliente <n>`, as the sheet of sectors calls the customer."""
    return f"Cliente {_customer_number(path)}"


def read(files: list[Path], timezone: str) -> Meters:
    """Read the customers' hourly energies, reactive energies and voltages.

    Args:
        files: The customers' files.
        timezone: IANA name of the zone of the stamps.

    Raises:
        InputError: A file cannot be read or lacks a column.
    """
    for path in files:
        rows = read_rows(path, ("Fecha", *COLUMNS))
        renamed = rows.rename(columns=COLUMNS)
        renamed["timestamp_utc"] = parse_stamps(rows["Fecha"], timezone)
        names = list(COLUMNS.values())
        renamed = to_numbers(renamed[["timestamp_utc", *names]], names)
        yield raw_meter(meter_id_of(path), path, renamed, ["energy_kwh"], len(rows))


def read_sectors(folder: Path) -> pd.Series:
    """The sector of each customer, indexed by `meter_id`; empty where the folder has no sheet.

    Raises:
        InputError: The sheet cannot be read or lacks a column.
    """
    path = folder / SECTOR_SHEET
    if not path.is_file():
        return pd.Series(dtype="str", name="sector")
    try:
        sheet = pd.read_excel(path, dtype="str")
    except (ValueError, OSError, BadZipFile, KeyError) as error:
        raise InputError(f"{path}: cannot be read as a sheet: {first_line(error)}") from error
    sheet = sheet.rename(columns=str.strip)
    require_columns(sheet, tuple(_SHEET_COLUMNS), path)
    sheet = sheet.rename(columns=_SHEET_COLUMNS).dropna(subset=["meter_id"])
    names = sheet["meter_id"].str.split().str.join(" ")
    return sheet.set_index(names)["sector"].str.strip()
