"""The ETL as it is first written: pandas, one table, one meter after the other. What the benchmark compares with.

It comes in two versions. `earlier` takes the earlier pipeline's steps one for one: reads each meter's file whole with
`pandas.read_csv`, all columns; parses the stamps with `to_datetime`; concatenates each file to the growing table, and
parses the stamps of the whole table again; drops the years 1970 and 2040; writes the table to `test.csv`; picks each
meter's rows out of it by its id. `lean` leaves out what serves nothing: it concatenates once, parses once, and writes
no `test.csv`. Then both do for each meter
- old dumps: multiplies the four registers before a known date by 1000 through a copy and `DataFrame.update`,
  resamples to the resolution with the maximum of the two end registers, interpolates them and takes differences;
- other sources: resamples the energies to sums and interpolates those;
- finds nulls and the length of each run of nulls with groupby and cumsum, keeps the interpolated values of nights up
  to 24 steps and of gaps of less than two hours;
- pivots to date × time, keeps the days that are complete, and concatenates them to the growing export,
which `to_csv` writes at the end. It runs in one process.

What it does not: find faults of registers, scales or duplicates by itself; check anything against contracted power;
record what was dropped or edited; write readings, findings or an account of meters; take local days or the days on
which clocks change into account; bound its memory.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from benchmarks.etl_archives import SCALE_CHANGE

ENDS = ["Active_Energy_+_Total_end", "Active_Energy_-_Total_end"]
REGISTERS = ["Active_Energy_+_Total_ini", "Active_Energy_-_Total_ini", *ENDS]


def clean_straightforwardly(source: str, archive: Path, resolution: int, out_csv: Path, *, lean: bool) -> None:
    """Clean all meters of an archive and write the table of complete days."""
    table = pd.concat(_read(source, archive), ignore_index=True) if lean else _grown(_read(source, archive))
    for year in (1970, 2040):
        table = table[table["timestamp"].dt.year != year]
    if not lean:
        table.to_csv(out_csv.with_name("test.csv"))
    meters = {name: table[table["id"] == name] for name in table["id"].unique()}
    export = pd.DataFrame()
    for name, rows in meters.items():
        frame = rows.drop_duplicates("timestamp").set_index("timestamp").sort_index()
        if source == "oldmongo":
            filled = _fill(_register_levels(frame, resolution), resolution)
            energy = filled[ENDS[0]].diff() - filled[ENDS[1]].diff()
        else:
            step = frame.index.to_series().diff().mode().iloc[0]
            per_step = int(pd.Timedelta(minutes=resolution) / step)
            sums = frame[["energy"]].resample(f"{resolution}min").sum(min_count=per_step)
            energy = _fill(sums, resolution)["energy"]
        export = pd.concat([export, _complete_days(name, energy)])
    export.to_csv(out_csv, index=False)


def _grown(frames: Iterator[pd.DataFrame]) -> pd.DataFrame:
    table = pd.DataFrame()
    for frame in frames:
        table = pd.concat([table, frame])
    table["timestamp"] = pd.to_datetime(table["timestamp"])
    return table.reset_index()


def _read(source: str, archive: Path) -> Iterator[pd.DataFrame]:
    for frame in _frames(source, archive):
        frame["timestamp"] = pd.to_datetime(frame["timestamp"], utc=True)
        yield frame


def _frames(source: str, archive: Path) -> Iterator[pd.DataFrame]:
    if source == "oldmongo":
        yield from (pd.read_csv(path, index_col=0) for path in sorted((archive / "csv").glob("*.csv")))
    elif source == "sql":
        names = ["timestamp", "tag", "energy", "quality", "detail", "opc"]
        yield from (_net(pd.read_csv(path, names=names), path.stem) for path in sorted(archive.glob("*.txt")))
    elif source == "newmongo":
        wide = pd.read_csv(archive / "newmongo.csv")
        long = wide.melt(["id", "date", "energy_type"], var_name="time", value_name="energy")
        yield long.assign(timestamp=long["date"] + " " + long["time"])
    else:
        yield from (
            pd.read_csv(path).rename(columns={"Fecha": "timestamp", "Active_energy": "energy"}).assign(id=path.stem)
            for path in sorted(archive.glob("*.csv"))
        )


def _net(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    wide = rows.pivot_table(index="timestamp", columns="tag", values="energy")
    imported, exported = wide.filter(like="Apiu").sum(axis=1), wide.filter(like="Ameno").sum(axis=1)
    return pd.DataFrame({"id": name, "energy": imported - exported}).reset_index()


def _register_levels(frame: pd.DataFrame, resolution: int) -> pd.DataFrame:
    fixed = frame.copy()
    fixed.update(frame.loc[frame.index < SCALE_CHANGE, REGISTERS] * 1000)
    return fixed[ENDS].resample(f"{resolution}min").max()


def _fill(values: pd.DataFrame, resolution: int) -> pd.DataFrame:
    null = values.iloc[:, 0].isna()
    run = (null != null.shift()).cumsum()
    lengths = null.groupby(run).transform("sum")
    hours = values.index.hour
    by_day = pd.Series(hours >= 7, index=values.index).groupby(run).transform("max")
    keep = ~null | (lengths * resolution < 120) | ((lengths <= 24) & ~by_day)
    return values.interpolate(limit_area="inside").where(keep)


def _complete_days(name: str, energy: pd.Series) -> pd.DataFrame:
    days = pd.DataFrame({"date": energy.index.date, "time": energy.index.time, "energy": energy.to_numpy()})
    complete = days.pivot(index="date", columns="time", values="energy").dropna().reset_index()
    complete.insert(0, "id", name)
    return complete
