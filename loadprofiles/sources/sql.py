"""Text exports of the SQL historian: `<meter>.txt`, no header, one row an interval and tag."""

from pathlib import Path

import pandas as pd

from loadprofiles.errors import InputError
from loadprofiles.sources.common import Meters, files_in, parse_stamps, raw_meter, read_rows, to_numbers

COLUMNS = ["timestamp", "tagname", "energy", "quality", "qualityDetail", "OPCquality"]
IMPORT, EXPORT = "Apiu", "Ameno"
_TAG = rf"^Energy_(?P<direction>{IMPORT}|{EXPORT})_[\d_]*_(?P<meter>.+)\.(?P<unit>k?Wh)$"
_KWH = {"kWh": 1.0, "Wh": 0.001}


def find_files(folder: Path) -> list[Path]:
    """One text file a meter."""
    return files_in(folder, "*.txt", "expected one <meter>.txt a meter")


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
        rows = read_rows(path, header=None, names=COLUMNS)
        meter_id = path.stem
        tags = rows["tagname"].str.extract(_TAG)
        mine = rows[tags["meter"] == meter_id].join(tags[["direction", "unit"]])
        if mine.empty:
            found = ", ".join(rows["tagname"].dropna().unique()[:5])
            expected = f"Energy_{IMPORT}_1_8_0_{meter_id}.kWh or Energy_{EXPORT}_2_8_0_{meter_id}.kWh"
            raise InputError(f"{path}: no row has the tag {expected}; found: {found}")
        mine = to_numbers(mine, ["energy"])
        mine["energy"] *= mine["unit"].map(_KWH)
        stamps = [parse_stamps(part["timestamp"], timezone) for _, part in mine.groupby("direction")]
        mine["timestamp_utc"] = pd.concat(stamps)
        raw = raw_meter(meter_id, path, mine, ["energy"], len(rows))
        net = _net_energy(raw.rows, set(mine["direction"]))
        raw.dropped["other_tag"] = len(rows) - len(mine)
        raw.dropped["unpaired"] = int(net["energy_kwh"].isna().sum())
        yield raw.with_rows(net.dropna(subset=["energy_kwh"]))


def _net_energy(rows: pd.DataFrame, directions: set[str]) -> pd.DataFrame:
    """One row a stamp; a stamp that a tag repeats keeps its rows, in the order of the file.

    `directions` are those the meter has: in one it does not have, nothing flows.
    """
    turn = rows.groupby(["direction", "timestamp_utc"]).cumcount()
    wide = rows.assign(turn=turn).pivot(index=["turn", "timestamp_utc"], columns="direction", values="energy")
    wide = wide.sort_index().groupby(level="timestamp_utc").ffill().reindex(columns=[IMPORT, EXPORT])
    known = wide.fillna({direction: 0.0 for direction in (IMPORT, EXPORT) if direction not in directions})
    net = known[IMPORT] - known[EXPORT]
    return net.rename("energy_kwh").reset_index().drop(columns="turn")
