"""When energy is used: by hour of the day, and by weekday and hour."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from dash import html
from dash.development.base_component import Component

from loadprofiles.anomalies.days import HOURS
from loadprofiles.dashboard import charts, parts
from loadprofiles.dashboard.charts import Trace
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.cube import SLOT_HOURS, Cube, Meters, PeakSlot, Period

Floats = npt.NDArray[np.float64]

_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def rhythm_table(cube: Cube, meters: Meters, period: Period) -> pd.DataFrame:
    """What a customer uses in each hour of the day in the mean: `hour, all_days_kwh, monday_kwh … sunday_kwh`."""
    weekdays = cube.by_weekday_hour(meters, **period)
    columns = {f"{name}_kwh": weekdays[number] for number, name in enumerate(_WEEKDAYS)}
    return pd.DataFrame({"hour": np.arange(HOURS), "all_days_kwh": cube.by_hour(meters, **period), **columns})


def rhythm_section(context: Context, meters: Meters, period: Period, slot: PeakSlot | None) -> Component:
    """Energy by hour of the day, and by weekday and hour.

    Args:
        context: Of the page.
        meters: Of which customers.
        period: Of when.
        slot: Their hours of highest use; None: not known.
    """
    cube = context.data.cube
    by_hour, by_weekday = cube.by_hour(meters, **period), cube.by_weekday_hour(meters, **period)
    heading = context.say("By hour of the day")
    if np.isnan(by_hour).all():
        return parts.section(heading, html.P(context.say("No hour of this period is known.")))
    pair = [_hours_chart(context, by_hour, slot), _weekdays_chart(context, by_weekday)]
    note = context.say("Blue: the {hours} hours of highest use.", hours=SLOT_HOURS) if slot else None
    return parts.section(heading, html.Div(pair, className="two"), note=note)


def _unit(context: Context) -> str:
    return context.say("kWh an hour") if context.view.customer else context.say("kWh an hour and customer")


def _hours_chart(context: Context, by_hour: Floats, slot: PeakSlot | None) -> Component:
    say, language, unit = context.say, context.language, _unit(context)
    highest, lowest = int(np.nanargmax(by_hour)), int(np.nanargmin(by_hour))
    told = say(
        "Mean energy by hour of the day: most from {most}, {high}; least from {least}, {low}.",
        most=language.hours(highest, highest + 1),
        high=language.energy(by_hour[highest]),
        least=language.hours(lowest, lowest + 1),
        low=language.energy(by_hour[lowest]),
    )
    axes: dict[str, Any] = {"xaxis": _hour_axis(), "yaxis": {"tickformat": charts.TICKS}, "bargap": 0.15}
    bars = _hour_bars(context, by_hour, slot.first_hour if slot else None, unit)
    drawn = charts.figure([bars], x=say("hour of the day"), y=unit, hovermode="closest", **axes)
    return parts.chart(context, "energy-by-hour", drawn, told, height=300, csv="energy_by_hour")


def _weekdays_chart(context: Context, by_weekday: Floats) -> Component:
    say, language = context.say, context.language
    day, hour = np.unravel_index(int(np.nanargmax(by_weekday)), by_weekday.shape)
    told = say(
        "Mean energy by weekday and hour: most on {day} from {hours}, {energy}.",
        day=language.weekdays()[day],
        hours=language.hours(int(hour), int(hour) + 1),
        energy=language.energy(float(by_weekday[day, hour])),
    )
    axes: dict[str, Any] = {
        "xaxis": _hour_axis() | {"showgrid": False},
        "yaxis": {"autorange": "reversed", "showgrid": False, "rangemode": "normal"},
    }
    cells = _heatmap(context, by_weekday, _unit(context))
    drawn = charts.figure([cells], x=say("hour of the day"), hovermode="closest", **axes)
    return parts.chart(context, "weekday-hours", drawn, told, height=300, csv="energy_by_hour")


def _hour_axis() -> dict[str, Any]:
    ticks = list(range(0, HOURS + 1, 6))
    return {"range": [0, HOURS], "tickvals": ticks, "ticktext": [f"{hour:02d}:00" for hour in ticks]}


def _hour_bars(context: Context, by_hour: Floats, slot: int | None, unit: str) -> Trace:
    """A bar an hour; those of the slot of highest use in another colour."""
    is_slot = [slot is not None and slot <= hour < slot + SLOT_HOURS for hour in range(HOURS)]
    return {
        "type": "bar",
        "x": np.arange(HOURS) + 0.5,
        "y": by_hour,
        "customdata": [context.language.hours(hour, hour + 1) for hour in range(HOURS)],
        "marker": {"color": [charts.EXPECTED if here else charts.ACTUAL for here in is_slot]},
        "hovertemplate": f"%{{customdata}}: %{{y:,.4~r}} {unit}<extra></extra>",
    }


def _heatmap(context: Context, by_weekday: Floats, unit: str) -> Trace:
    hours = [[context.language.hours(hour, hour + 1) for hour in range(HOURS)]] * len(_WEEKDAYS)
    return {
        "type": "heatmap",
        "z": by_weekday,
        "x": np.arange(HOURS) + 0.5,
        "y": context.language.weekdays(),
        "customdata": hours,
        "colorscale": "Cividis",
        "colorbar": {"thickness": 10, "outlinewidth": 0, "tickformat": ",.3~r"},
        "xgap": 1,
        "ygap": 1,
        "hoverongaps": False,
        "hovertemplate": f"%{{y}}, %{{customdata}}: %{{z:,.4~r}} {unit}<extra></extra>",
    }
