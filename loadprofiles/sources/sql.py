"""Text exports of the SQL historian: `<meter>.txt`, no header, one row an interval and tag."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from loadprofiles.errors import InputError
from loadprofiles.sources.common import (
    Cells,
    Job,
    Layout,
    Meters,
    files_in,
    finite,
    meter_id_of,
    parse_stamps,
    raw_meter,
    read_cells,
    shown,
)
from loadprofiles.vee import RawMeter

COLUMNS = ["timestamp", "tagname", "energy", "quality", "qualityDetail", "OPCquality"]
IMPORT, EXPORT = "Apiu", "Ameno"
TAG = rf"^Energy_(?P<direction>{IMPORT}|{EXPORT})_[\d_]*_(?P<meter>.+)\.(?P<unit>k?Wh)$"
KWH = {"kWh": 1.0, "Wh": 0.001}
_SIDES = ("import", "export")
_LAYOUT = Layout(("timestamp", "tagname"), ("energy",), names=tuple(COLUMNS))


def find_files(folder: Path) -> list[Path]:
    """One text file a meter."""
    return files_in(folder, "*.txt", "expected one <meter>.txt a meter")


def jobs(folder: Path, timezone: str) -> list[Job]:
    """One job a file; `timezone` as in `read`.

    Raises:
        InputError: The folder is not there, or holds no export.
    """
    return [Job(str(path), partial(read, [path], timezone), path.stat().st_size) for path in find_files(folder)]


def read(files: list[Path], timezone: str) -> Meters:
    """Read the exports; net energy is import minus export.

    A meter that has both tags needs both in an interval: one alone does not tell the net energy.

    Args:
        files: The exports.
        timezone: IANA name of the zone of stamps without an offset.

    Raises:
        InputError: A file cannot be read, or holds no energy tag of its meter.
    """
    for path in files:
        yield _read_file(path, timezone)


def _read_file(path: Path, timezone: str) -> RawMeter:
    meter_id = meter_id_of(path)
    cells = read_cells(path, _LAYOUT)
    side_of, kwh_of = _sides(cells, meter_id)
    own, others = np.flatnonzero(side_of >= 0), np.flatnonzero(side_of < 0)
    if not len(own):
        raise InputError(_no_tag(path, meter_id, cells))
    side = side_of[own]
    rows = pd.DataFrame(
        {
            "timestamp_utc": _stamps(cells.text["timestamp"], own, side, timezone),
            "energy": finite(cells.numbers["energy"])[own] * kwh_of[own],
            "side": side,
            "row": own,
        }
    )
    raw = raw_meter(
        meter_id, path, rows, ["energy"], cells.rows_read, lambda row: cells.unreadable(int(own[row]), ["energy"])
    )
    if len(others):
        raw.dropped["other_tag"] = len(others)
        raw.where["other_tag"] = f"{cells.place(int(others[0]), 'tagname')} is no energy tag of the meter"
    cells.count_ragged(raw)
    net = net_energy(raw.rows, set(side.tolist()))
    if net.alone is not None:
        raw.dropped["unpaired"] = net.unpaired
        raw.where["unpaired"] = f"line {cells.lines[net.alone]}: {_SIDES[side_of[net.alone]]} alone, the meter has both"
    return raw.with_rows(net.rows)


def _sides(cells: Cells, meter_id: str) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    """Of each row, the place in `_SIDES` of its tag, -1 if that is none of the meter; and the tag's unit in kWh."""
    tags = cells.text["tagname"].combine_chunks().dictionary_encode()
    parts = pd.Series(tags.dictionary.to_pandas(), dtype="str").str.extract(TAG)
    side = parts["direction"].map({IMPORT: 0, EXPORT: 1}).where(parts["meter"] == meter_id, -1)
    # the last entries are those of a row without a tag
    side_of_tag = np.append(side.to_numpy(dtype=np.int8), np.int8(-1))
    kwh_of_tag = np.append(parts["unit"].map(KWH).to_numpy(dtype=np.float64), np.nan)
    tag_of = pc.fill_null(tags.indices, -1).to_numpy()
    return side_of_tag[tag_of], kwh_of_tag[tag_of]


def _no_tag(path: Path, meter_id: str, cells: Cells) -> str:
    expected = f"Energy_{IMPORT}_1_8_0_{meter_id}.kWh or Energy_{EXPORT}_2_8_0_{meter_id}.kWh"
    found = ", ".join(shown(tag)[1:-1] for tag in cells.text["tagname"].unique().drop_null().to_pylist()[:5])
    if cells.ragged:
        found += f"; {cells.ragged} lines are no rows, the first: {cells.first_ragged}"
    return f"{path}: no row has the tag {expected}; found: {found or 'no tag'}"


def _stamps(cells: pa.ChunkedArray, own: npt.NDArray[np.int64], side: npt.NDArray[np.int8], timezone: str) -> pd.Series:
    """The stamps of the rows `own`; each side has its own hour that clocks show twice."""
    utc = np.empty(len(own), dtype="datetime64[us]")
    for one in np.unique(side):
        utc[side == one] = parse_stamps(cells.take(own[side == one]), timezone).dt.tz_localize(None).to_numpy()
    return pd.Series(pd.DatetimeIndex(utc, tz="UTC"))


class Net(NamedTuple):
    """Net energies of a meter: `timestamp_utc, energy_kwh` in the order of the source, and what lacks a side.

    `alone` is the number (`row`) of the first row whose interval has one side only, None where there is none.
    """

    rows: pd.DataFrame
    unpaired: int
    alone: int | None


def net_energy(rows: pd.DataFrame, sides: set[int]) -> Net:
    """Import minus export, one row a stamp; a stamp that a tag repeats keeps its rows.

    Args:
        rows: `timestamp_utc`, `energy` in kWh, `side` (0 import, 1 export) and `row`, a number that ascends.
        sides: Those the meter has: on one it does not have, nothing flows.
    """
    parts = [_with_turns(rows[rows["side"] == side]) for side in (0, 1)]
    wide = _aligned(*parts) if len(sides) > 1 else _alone(parts, sides)
    net = wide["energy_import"] - wide["energy_export"]
    place = wide.filter(like="row_").max(axis=1)
    if wide["turn"].any():  # rows of one stamp stay in their order: the later counts
        place = place.groupby(wide["timestamp_utc"]).cummax()
    unpaired = net.isna().to_numpy()
    result = pd.DataFrame({"timestamp_utc": wide["timestamp_utc"], "energy_kwh": net})[~unpaired]
    in_order = result.iloc[np.argsort(place[~unpaired].to_numpy(), kind="stable")].reset_index(drop=True)
    return Net(in_order, int(unpaired.sum()), int(place[unpaired].min()) if unpaired.any() else None)


def _with_turns(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of one side in the order of `turn`, how often the stamp came before, and of stamps."""
    rows = rows[["timestamp_utc", "energy", "row"]]
    if (np.diff(rows["timestamp_utc"].astype("int64").to_numpy()) > 0).all():
        return rows.assign(turn=0).reset_index(drop=True)
    turn = rows.groupby("timestamp_utc").cumcount()
    return rows.assign(turn=turn).sort_values(["turn", "timestamp_utc"], ignore_index=True)


def _alone(parts: list[pd.DataFrame], sides: set[int]) -> pd.DataFrame:
    (only,) = sides
    wide = parts[only].rename(columns={"energy": f"energy_{_SIDES[only]}", "row": f"row_{_SIDES[only]}"})
    return wide.assign(**{f"energy_{_SIDES[1 - only]}": 0.0})


def _aligned(imported: pd.DataFrame, exported: pd.DataFrame) -> pd.DataFrame:
    """Both sides, one row a turn and stamp; a side that repeats a stamp less often keeps its last energy."""
    keys = ["turn", "timestamp_utc"]
    if imported[keys].equals(exported[keys]):
        wide = imported.rename(columns={"energy": "energy_import", "row": "row_import"})
        return wide.assign(energy_export=exported["energy"], row_export=exported["row"])
    wide = imported.merge(exported, on=keys, how="outer", sort=True, suffixes=("_import", "_export"))
    if len(wide) and wide["turn"].iloc[-1]:
        energies = ["energy_import", "energy_export"]
        wide[energies] = wide.groupby("timestamp_utc")[energies].ffill()
    return wide
