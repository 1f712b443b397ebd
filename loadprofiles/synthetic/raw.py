"""Raw data of the sources that record energy an interval: SQL historian, new MongoDB, customers."""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from loadprofiles.synthetic.archetypes import wander
from loadprofiles.synthetic.kinds import FALSE_VALUES, GAPS
from loadprofiles.synthetic.meters import Event, Meter, covered, local_stamps, seeded

_CLOCK_OFF = pd.Timedelta(hours=12)


def recorded_rows(meter: Meter) -> pd.DataFrame:
    """`energy_kwh` with all false values and `reactive_energy_kvarh`, one row an interval."""
    energy = meter.truth.energy_kwh.copy()
    reactive = meter.truth.reactive_energy_kvarh
    for event in meter.truth.events:
        inside = event.covers(meter.index)
        if event.kind == "negative":
            energy[inside] = -np.maximum(energy[inside], 0.001)
        elif event.kind in FALSE_VALUES and event.value_kwh is not None:
            energy[inside] = event.value_kwh
        elif event.kind == "production_at_night":
            steps = _CLOCK_OFF // meter.step
            energy = pd.Series(np.roll(energy, steps), index=energy.index)
            reactive = pd.Series(np.roll(reactive, steps), index=reactive.index)
    return pd.DataFrame({"energy_kwh": energy, "reactive_energy_kvarh": reactive})


def voltages(meter: Meter, names: list[str], nominal: float) -> pd.DataFrame:
    """Voltages around `nominal`, a column a name, one row an interval."""
    rng = seeded(meter.seed, "voltages")
    sigma = 0.01 * nominal
    columns = {name: np.round(nominal + sigma * wander(len(meter.index), rng), 1) for name in names}
    return pd.DataFrame(columns, index=meter.index)


def _falsified(rows: pd.DataFrame, event: Event) -> pd.DataFrame:
    factor = 1.0 if event.factor is None else event.factor
    return rows.assign(energy_kwh=(rows["energy_kwh"] * factor).round(3))


def repeat_rows(meter: Meter, rows: pd.DataFrame, spoil: Callable[[pd.DataFrame, Event], pd.DataFrame]) -> pd.DataFrame:
    """`rows` with repeated and misdated ones put in, sorted; `copy` is -1 for false, 1 for true ones."""
    parts, index = [rows.assign(copy=0)], pd.DatetimeIndex(rows.index)
    for event in meter.truth.events:
        inside = rows[event.covers(index)]
        if event.kind == "duplicate":
            parts.append(inside.assign(copy=1))
        elif event.kind == "conflicting_duplicate":
            parts.append(spoil(inside, event).assign(copy=-1))
        elif event.kind == "implausible_year":
            strays = rows[index < index[0] + (event.to_utc - event.from_utc)].assign(copy=0)
            parts.append(strays.set_axis(pd.DatetimeIndex(strays.index) + (event.from_utc - index[0])))
    return pd.concat(parts).rename_axis("timestamp_utc").sort_values(["timestamp_utc", "copy"], kind="stable")


def in_file_order(meter: Meter, rows: pd.DataFrame) -> pd.DataFrame:
    """`rows`, indexed by stamp, with those of an `out_of_order` at the end."""
    late = np.zeros(len(rows), dtype=np.bool_)
    for event in meter.truth.events:
        if event.kind == "out_of_order":
            late |= event.covers(pd.DatetimeIndex(rows.index))
    return pd.concat([rows[~late], rows[late]]) if late.any() else rows


def sql_lines(meter: Meter, *, voltage: bool = False) -> Iterator[str]:
    """The SQL historian's export: `stamp,tag,energy,quality,qualityDetail,OPCquality`, without line ends.

    Stamps are naive local ones. A meter that exports has a second tag with positive numbers; `voltage`
    puts a third one beside them.
    """
    exports = meter.exports
    rows = recorded_rows(meter).join(voltages(meter, ["voltage"], 231))
    rows = in_file_order(meter, repeat_rows(meter, rows[~covered(meter, GAPS)], _falsified))
    stamps = local_stamps(meter, pd.DatetimeIndex(rows.index)).strftime("%Y-%m-%d %H:%M:%S")
    for stamp, energy, volts in zip(stamps, rows["energy_kwh"], rows["voltage"], strict=True):
        imported = max(energy, 0.0) if exports else energy
        readings = [(f"Energy_Apiu_1_8_0_{meter.meter_id}.kWh", imported)]
        if exports:
            readings.append((f"Energy_Ameno_2_8_0_{meter.meter_id}.kWh", max(-energy, 0.0)))
        if voltage:
            readings.append((f"Voltage_L1_{meter.meter_id}.V", volts))
        for tag, value in readings:
            yield f"{stamp},{tag},{float(value)!r},0,192,192"


def newmongo_documents(meter: Meter) -> Iterator[dict[str, Any]]:
    """The new MongoDB's documents in mongoexport's JSON form, sorted by local day but for `out_of_order`.

    In a short gap fields are null, in a longer one there are none. A time of day that comes twice on a day
    has one field with both passes. Three days carry the other quantities, every seventh one a stray field.
    """
    rows = recorded_rows(meter)
    rows.loc[covered(meter, ("gap_short",))] = np.nan
    rows = repeat_rows(meter, rows[~covered(meter, ("gap_long", "night_gap"))], _falsified)
    rows["positive_active"] = rows["energy_kwh"].clip(lower=0)
    rows["negative_active"] = (-rows["energy_kwh"]).clip(lower=0) + 0.0
    rows = rows.rename(columns={"energy_kwh": "active_sum", "reactive_energy_kvarh": "reactive"})
    local = local_stamps(meter, pd.DatetimeIndex(rows.index))
    quantities = ["active_sum", "positive_active", "negative_active", "reactive"]
    days = rows.groupby([local.strftime("%Y-%m-%d"), "copy"])
    late = {
        stamp.strftime("%Y-%m-%d")
        for event in meter.truth.events
        if event.kind == "out_of_order"
        for stamp in local[event.covers(pd.DatetimeIndex(rows.index))]
    }
    for number, ((date, copy), day) in sorted(enumerate(days), key=lambda item: item[1][0][0] in late):
        times = local_stamps(meter, pd.DatetimeIndex(day.index)).strftime("%H:%M:%S")
        table = day[quantities].groupby(times).sum(min_count=1).round(3)
        for quantity in quantities if number in (3, 4, 5) else quantities[:1]:
            oid = hashlib.sha256(f"{meter.meter_id}{date}{quantity}{copy}".encode()).hexdigest()[:24]
            document: dict[str, Any] = {"_id": {"$oid": oid}, "id": meter.meter_id, "date": date}
            document["energy_type"] = quantity
            for time, energy in zip(table.index, table[quantity].tolist(), strict=True):
                document[time] = None if np.isnan(energy) else energy
            if number % 7 == 0:
                document["Unnamed: 2"] = None
            yield document


def customer_frame(meter: Meter) -> pd.DataFrame:
    """A customer's file: `Fecha` (naive local), energies and two voltages; write without its index."""
    names = {"energy_kwh": "Active_energy", "reactive_energy_kvarh": "Reactive_energy"}
    rows = recorded_rows(meter).join(voltages(meter, ["Voltaje_FA", "Voltaje_FC"], 490))
    rows = in_file_order(meter, repeat_rows(meter, rows[~covered(meter, GAPS)], _falsified)).drop(columns="copy")
    rows.insert(0, "Fecha", local_stamps(meter, pd.DatetimeIndex(rows.index)).strftime("%Y-%m-%d %H:%M:%S"))
    return rows.rename(columns=names).reset_index(drop=True)
