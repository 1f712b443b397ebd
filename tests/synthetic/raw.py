"""Raw files of each source to rows with `stamp` (UTC) and net `energy`, without the package's own readers."""

import io
import json

import pandas as pd


def raw_oldmongo(text: str) -> pd.DataFrame:
    table = pd.read_csv(io.StringIO(text), index_col=0)
    moved = {s: table[f"Active_Energy_{s}_Total_end"] - table[f"Active_Energy_{s}_Total_ini"] for s in "+-"}
    return table.assign(stamp=pd.to_datetime(table["timestamp"]), energy=moved["+"] - moved["-"])


def raw_sql(text: str) -> pd.DataFrame:
    names = ["timestamp", "tagname", "energy", "quality", "qualityDetail", "OPCquality"]
    table = pd.read_csv(io.StringIO(text), names=names)
    sign = table["tagname"].map(lambda tag: {"Energy_A": 1, "Voltage_": 0}[tag[:8]])
    sign = sign.where(~table["tagname"].str.startswith("Energy_Ameno"), -1)
    table = table.assign(net=table["energy"] * sign)[sign != 0].reset_index(drop=True)
    # a reading is one row a tag, the tags always in the same order
    reading = table.index // table["tagname"].nunique()
    table = table.groupby(reading).agg(stamp=("timestamp", "first"), energy=("net", "sum"))
    return table.assign(stamp=pd.to_datetime(table["stamp"], utc=True))


def raw_newmongo(text: str) -> pd.DataFrame:
    rows = []
    for line in text.splitlines():
        document = json.loads(line)
        if document["energy_type"] == "active_sum":
            times = [name for name in document if name[2:3] == ":"]
            rows += [(f"{document['date']} {time}", document[time]) for time in times]
    table = pd.DataFrame(rows, columns=["stamp", "energy"]).dropna()
    return table.assign(stamp=pd.to_datetime(table["stamp"], utc=True))


def raw_customers(text: str) -> pd.DataFrame:
    table = pd.read_csv(io.StringIO(text))
    return table.assign(stamp=pd.to_datetime(table["Fecha"], utc=True), energy=table["Active_energy"])
