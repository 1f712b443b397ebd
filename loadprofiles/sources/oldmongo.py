"""Dumps of the old MongoDB: `csv/<meter>.csv`, cumulative registers every 15 minutes, stamps in UTC."""

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc

from loadprofiles.sources.common import (
    Job,
    Layout,
    Meters,
    files_in,
    finite,
    meter_id_of,
    parse_stamps,
    raw_meter,
    read_cells,
)
from loadprofiles.vee import RawMeter

SUBFOLDER = "csv"

REGISTERS = {
    "Active_Energy_+_Total_ini": "import_start",
    "Active_Energy_+_Total_end": "import_end",
    "Active_Energy_-_Total_ini": "export_start",
    "Active_Energy_-_Total_end": "export_end",
}
INCREMENTS = {"Active_Energy_+_Incr": "import_increment", "Active_Energy_-_Incr": "export_increment"}
VOLTAGES = {f"Average_voltage_L{phase}": f"voltage_l{phase}_v" for phase in (1, 2, 3)}

_NAMES = REGISTERS | INCREMENTS | VOLTAGES
_NEEDED = [name for name in REGISTERS if name.endswith("_end")]
_LAYOUT = Layout(("id", "timestamp"), tuple(REGISTERS), optional=_NAMES.__contains__)


def find_files(folder: Path) -> list[Path]:
    """One CSV a meter, in the dump's sub-folder `csv`."""
    hint = f"expected one {SUBFOLDER}/<meter>.csv a meter, or dumps in .bson, .jsonl or .json"
    return files_in(folder / SUBFOLDER, "*.csv", hint)


def jobs(folder: Path) -> list[Job]:
    """One job a file.

    Raises:
        InputError: The folder is not there, or holds no dump.
    """
    return [Job(str(path), partial(read, [path]), path.stat().st_size) for path in find_files(folder)]


def read(files: list[Path]) -> Meters:
    """Read the dumps; registers stay in the unit they have.

    A row without a stamp or an end register is dropped; a start register, an increment or a voltage that is no
    number is just not known.

    Raises:
        InputError: A file cannot be read or lacks a column.
    """
    for path in files:
        yield _read_file(path)


def _read_file(path: Path) -> RawMeter:
    meter_id = meter_id_of(path)
    cells = read_cells(path, _LAYOUT)
    stamps = parse_stamps(cells.text["timestamp"], "UTC")
    numbers = {_NAMES[name]: finite(values) for name, values in cells.numbers.items()}
    rows = pd.DataFrame({"timestamp_utc": stamps, **numbers}, copy=False)
    mine = pc.fill_null(pc.equal(cells.text["id"], meter_id), False).to_numpy()
    own, others = np.flatnonzero(mine), np.flatnonzero(~mine)
    if len(others):
        rows = rows.iloc[own]

    def place(row: int) -> str:
        return cells.unreadable(int(own[row]), _NEEDED)

    raw = raw_meter(meter_id, path, rows, [_NAMES[name] for name in _NEEDED], cells.rows_read, place)
    if len(others):
        raw.dropped["other_meter"] = len(others)
        raw.where["other_meter"] = f"{cells.place(int(others[0]), 'id')} in id"
    cells.count_ragged(raw)
    return raw
