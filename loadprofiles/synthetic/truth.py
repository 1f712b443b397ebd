"""The truth as tables: daily load profiles, what faults touch, events, descriptions."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from loadprofiles.synthetic.kinds import ANOMALIES, TOUCHING
from loadprofiles.synthetic.meters import Meter, covered, local_days, local_stamps

EVENT_COLUMNS = [
    "source", "meter_id", "kind", "class", "from_utc", "to_utc", "factor", "value_kwh", "note",
]  # fmt: skip


def _daily(meter: Meter, values: "pd.Series[float]", resolution_minutes: int) -> pd.DataFrame:
    local = local_stamps(meter, meter.index)
    times = pd.date_range("2000-01-01", periods=1440 // resolution_minutes, freq=f"{resolution_minutes}min")
    long = pd.DataFrame({"day": local.normalize(), "time": local.floor(f"{resolution_minutes}min")})
    long["time"], long["kwh"] = long["time"].dt.strftime("%H:%M:%S"), values.to_numpy()
    wide = long.pivot_table(index="day", columns="time", values="kwh", aggfunc="sum")
    wide = wide.reindex(index=local_days(meter), columns=list(times.strftime("%H:%M:%S")))
    wide.insert(0, "id", meter.meter_id)
    wide.insert(1, "date", pd.DatetimeIndex(wide.index).strftime("%Y-%m-%d"))
    return wide.reset_index(drop=True)


def daily_profiles(meter: Meter, resolution_minutes: int = 60) -> pd.DataFrame:
    """The true harmonized table: `id, date, 00:00:00, …` in kWh, a row a local day covered entirely.

    Where the clock is put forward the skipped steps are empty; where it is put back the repeated ones hold
    both passes: a row's sum is always the day's energy.
    """
    return _daily(meter, meter.truth.energy_kwh, resolution_minutes).round(3)


def touched_profiles(meter: Meter, resolution_minutes: int = 60) -> pd.DataFrame:
    """As `daily_profiles`, but whether a fault of a kind in `TOUCHING` overlaps the step."""
    touched = covered(meter, TOUCHING)
    table = _daily(meter, pd.Series(touched.astype(np.float64), index=meter.index), resolution_minutes)
    table[table.columns[2:]] = table[table.columns[2:]] > 0
    return table


def events_table(meters: Iterable[Meter]) -> pd.DataFrame:
    """All events of `meters`, columns `EVENT_COLUMNS`, times as ISO strings in UTC."""
    rows = []
    for meter in meters:
        for event in sorted(meter.truth.events, key=lambda event: (event.from_utc, event.kind)):
            family = "anomaly" if event.kind in ANOMALIES else "fault"
            window = [stamp.strftime("%Y-%m-%dT%H:%M:%SZ") for stamp in (event.from_utc, event.to_utc)]
            what = (event.factor, event.value_kwh, event.note)
            rows.append((meter.source, meter.meter_id, event.kind, family, *window, *what))
    return pd.DataFrame(rows, columns=EVENT_COLUMNS)


def description_table(meters: Iterable[Meter]) -> pd.DataFrame:
    """The meter description, as in `smart_meter_description.csv`."""
    rows = [(m.meter_id, m.contracted_power_kw, m.production_kw, m.meter_type) for m in meters]
    return pd.DataFrame(rows, columns=["id", "Contractual power (kW)", "Production (kW)", "Type"])
