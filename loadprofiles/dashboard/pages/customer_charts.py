"""Charts of one customer: hours with forecasts and what is anomalous, days with what was expected, voltages."""

from collections.abc import Iterator
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from dash import html
from dash.development.base_component import Component

from loadprofiles.anomalies.days import HOUR_MINUTES
from loadprofiles.anomalies.faults import GAP, NEW_ZEROS, SCALE, SIGN, SPIKE, STUCK, VOLTAGE_LOSS
from loadprofiles.dashboard import charts, parts
from loadprofiles.dashboard.charts import Trace
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.pages import customer_series as cs
from loadprofiles.dashboard.sentences import translated
from loadprofiles.dashboard.series import downsampled
from loadprofiles.plots import cluster_color
from loadprofiles.plots.interactive import label

MOST_POINTS: Final = 4000
"""Points of a line at the most; of more, the extremes are drawn."""

_YEAR_DAYS = 365
_HOVER_WIDTH = 60
_SHORT_RUN = 4
_NUMBER = "%{y:,.4~r}"
_HOURS_FORMAT = "%a %-d %b %Y, %H:%M"
DAYS_FORMAT = "%a %-d %b %Y"


# --- hours


def hours_section(context: Context) -> Component:
    """The hours of the customer with forecasts, their band, and what lies outside."""
    say, data, meter = context.say, context.data, context.view.customer
    window, minutes = cs.drawn_window(context), cs.forecast_minutes(data)
    hourly, forecasts = cs.hourly_energy(data, meter, window), cs.forecasts(data, meter, window)
    heading, periods = say("Hour by hour"), _periods(context)
    if np.isnan(hourly.kwh).all() and forecasts.empty:
        return parts.section(heading, periods, parts.notice(say("No hour of this period is known.")))
    told = say(
        "Hourly consumption from {first} to {last}: {energy}; {outside} intervals of forecasts lie outside their band.",
        first=context.language.day(window.first),
        last=context.language.day(_last_day(hourly, window)),
        energy=context.language.energy(float(np.nansum(hourly.kwh))),
        outside=context.language.number(int(forecasts["outside"].sum())),
    )
    tools = []
    if minutes != HOUR_MINUTES and len(forecasts):
        tools = [say("Forecasts:"), parts.csv_link(context, "forecasts")]
    traces = [
        *_hourly_traces(context, hourly, window),
        *_forecast_traces(context, forecasts, minutes),
        *_outside_traces(context, forecasts, minutes),
    ]
    drawn = charts.over_time(traces, _HOURS_FORMAT, legend=True, x=_time_title(context), y=say("kWh an hour"))
    notes = _hours_notes(context, minutes, not forecasts.empty)
    chart = parts.chart(context, "consumption", drawn, told, height=380, csv="consumption")
    return parts.section(heading, periods, chart, note=" ".join(notes), tools=tools)


def _hours_notes(context: Context, minutes: int, has_forecasts: bool) -> Iterator[str]:
    if not (context.view.first or context.view.last):
        yield context.say("No period is chosen: these are the last 5 weeks of the customer; the file has all.")
    if has_forecasts and minutes != HOUR_MINUTES:
        yield context.say(
            "Forecasts are of intervals of {minutes} minutes, and all is drawn as energy an hour.", minutes=minutes
        )


def _periods(context: Context) -> Component:
    """Links to usual periods, which end with the customer's readings."""
    say, view = context.say, context.view
    whole = context.data.cube.first_day
    starts = [
        (say("Last 5 weeks"), cs.days_before_end(context, cs.RECENT_DAYS)),
        (say("Last year"), cs.days_before_end(context, _YEAR_DAYS)),
        (say("All"), whole),
    ]
    return parts.choices(
        context,
        say("Period"),
        [
            (text, view.first == first and view.last is None, view.link(first=first, last=None))
            for text, first in starts
        ],
    )


def _last_day(hourly: cs.Hourly, window: cs.Window) -> date:
    last: date = hourly.walls[-1].astype("datetime64[D]").astype(date) if len(hourly.walls) else window.first
    return last


def _hourly_traces(context: Context, hourly: cs.Hourly, window: cs.Window) -> Iterator[Trace]:
    """What was metered, and what of it was not measured but estimated or edited."""
    unit = context.say("kWh an hour")
    hover = f"{_NUMBER} {unit}"
    yield _line(
        *_points(hourly.walls, hourly.kwh, HOUR_MINUTES, hourly.asked),
        context.say("metered"),
        charts.ACTUAL,
        hovertemplate=hover,
    )
    doubted = cs.not_measured(context.data, context.view.customer, window, hourly.walls)
    kwh = np.where(doubted, hourly.kwh, np.nan)
    if not np.isnan(kwh).all():
        yield _line(
            *_points(hourly.walls, kwh, HOUR_MINUTES, hourly.asked),
            context.say("estimated or edited"),
            charts.OTHER,
            hovertemplate=context.say("estimated or edited") + "<extra></extra>",
        )


def _forecast_traces(context: Context, forecasts: pd.DataFrame, minutes: int) -> Iterator[Trace]:
    """The band, the median, and what was metered in intervals of the forecasts', where these are no hours."""
    if forecasts.empty:
        return
    walls = forecasts["timestamp_local"].to_numpy()
    hourly = forecasts[[*cs.FORECAST, "actual_kwh"]].to_numpy() * HOUR_MINUTES / minutes
    asked = np.ones(len(walls), np.bool_)
    x, values, shape = _points(walls, hourly[:, :3], minutes, asked)
    yield from charts.band(x, values[:, 1], values[:, 2], context.say("90 % band"), shape)
    hover = context.say("{number} (90 %: {low} to {high})", number=_NUMBER, low=_custom(0), high=_custom(1))
    name = context.say("forecast")
    yield _line(x, values[:, 0], shape, name, charts.EXPECTED, hovertemplate=hover, customdata=values[:, 1:])
    if minutes != HOUR_MINUTES:
        name = context.say("metered, {minutes} minutes", minutes=minutes)
        yield _line(*_points(walls, hourly[:, 3], minutes, asked), name, charts.OTHER, hovertemplate=_NUMBER)


def _custom(place: int) -> str:
    return f"%{{customdata[{place}]:,.4~r}}"


def _outside_traces(context: Context, forecasts: pd.DataFrame, minutes: int) -> Iterator[Trace]:
    """What lies outside the band."""
    outside = forecasts[forecasts["outside"]]
    if outside.empty:
        return
    yield _marks(
        _times(outside["timestamp_local"].to_numpy()),
        outside["actual_kwh"].to_numpy() * HOUR_MINUTES / minutes,
        context.say("outside the band"),
        charts.ALARM,
        hovertemplate=context.say("outside the band") + "<extra></extra>",
    )


def _points(
    walls: cs.Walls, values: cs.Floats, minutes: int, asked: cs.Flags
) -> tuple[npt.NDArray[np.str_], cs.Floats, str]:
    """What is drawn of intervals: each as long as it lasts, or where there are too many, the extremes.

    Args:
        walls: When each starts.
        values: Of each, shape (intervals,) or (intervals, lines); NaN where not known.
        minutes: How long each lasts.
        asked: Whether it is of the hours of the day that are asked for.

    Returns:
        Times, values, and the shape of the line.
    """
    if len(walls) > MOST_POINTS:
        # hours that are left out of each day are too many gaps to see
        walls, values = walls[asked], values[asked]
        stamps, lines = pd.DatetimeIndex(walls), values.reshape(len(values), -1)
        extremes = [downsampled(stamps, line, MOST_POINTS // lines.shape[1]) for line in lines.T]
        keep = np.unique(np.concatenate(extremes))
        return _times(walls[keep]), values[keep], "linear"
    known = ~np.isnan(values.reshape(len(values), -1)).any(axis=1)
    walls, values = walls[known], values[known]
    step = np.timedelta64(minutes, "m")
    # a run of intervals goes on to the end of its last, and then there is a gap
    lasts = np.flatnonzero(np.append(np.diff(walls) != step, [True] * bool(len(walls))))
    ends = np.repeat(values[lasts], 2, axis=0)
    ends[1::2] = np.nan
    places = np.repeat(lasts + 1, 2)
    walls = np.insert(walls, places, np.repeat(walls[lasts] + step, 2))
    return _times(walls), np.insert(values, places, ends, axis=0), "hv"


def _times(walls: cs.Walls) -> npt.NDArray[np.str_]:
    return np.datetime_as_string(walls, unit="m")


def _line(x: Any, y: cs.Floats, shape: str, name: str, color: str, **options: Any) -> Trace:
    runs = int(np.isnan(y).sum())
    # a run of few intervals is a point rather than a line
    is_dotted = shape == "hv" and len(y) < (_SHORT_RUN + 2) * runs
    drawn = {"mode": "lines+markers" if is_dotted else "lines", "line": {"color": color, "width": 1.2, "shape": shape}}
    trace = {"type": "scatter", "x": x, "y": y, "name": name, "marker": {"size": 4, "color": color}}
    return trace | drawn | options


def _marks(x: Any, y: cs.Floats, name: str, color: str, symbol: str = "circle", **options: Any) -> Trace:
    marker = {"color": color, "size": 7, "symbol": symbol}
    return {"type": "scatter", "x": x, "y": y, "mode": "markers", "name": name, "marker": marker} | options


def _time_title(context: Context) -> str:
    return context.say("local time ({zone})", zone=label(context.data.cube.timezone))


# --- days


def days_section(context: Context) -> Component:
    """The days of the customer with what was expected, and those that are suspect or have a data fault."""
    say, language = context.say, context.language
    days = cs.daily_energy(context)
    heading, note = say("Day by day"), _days_note(context, days)
    known = days["energy_kwh"].notna()
    if not known.any():
        return parts.section(heading, parts.notice(say("No day of this period is known.")))
    days = days[known.cummax() & known[::-1].cummax()[::-1]]
    whole = days[days["is_complete"]]
    told = say(
        "Daily consumption: {days} whole days, {mean} in the mean; {suspect} days are suspect, {faults} have a fault.",
        days=language.number(len(whole)),
        mean=language.energy(whole["energy_kwh"].mean()),
        suspect=language.number(int(days["alarm"].sum())),
        faults=language.number(int((days["fault"] != "").sum())),
    )
    traces = list(_day_traces(context, days))
    drawn = charts.over_time(traces, DAYS_FORMAT, legend=True, y=say("kWh a day"))
    chart = parts.chart(context, "consumption-days", drawn, told, height=340, csv="consumption_days")
    return parts.section(heading, chart, note=note)


def _days_note(context: Context, days: pd.DataFrame) -> str:
    notes = [context.say("Days of which an hour is not known are left out.")]
    if context.view.hours != (0, 24):
        notes.append(context.say("These are whole days, whatever hours are chosen."))
    if days["expected_kwh"].isna().all():
        notes.append(context.say("This run did not judge these days: run the chain with detector=combined."))
    return " ".join(notes)


def _day_traces(context: Context, days: pd.DataFrame) -> Iterator[Trace]:
    say = context.say
    kwh = days["energy_kwh"].where(days["is_complete"]).to_numpy()
    lines = np.column_stack([kwh, days[["expected_kwh", "low_kwh", "high_kwh"]].to_numpy()])
    keep = downsampled(pd.DatetimeIndex(days["date"]), kwh, MOST_POINTS)
    x, lines = _dates(days.iloc[keep]), lines[keep]
    if not np.isnan(lines[:, 1]).all():
        yield from charts.band(x, lines[:, 2], lines[:, 3], say("90 % band"))
        hover = say("{number} (90 %: {low} to {high})", number=_NUMBER, low=_custom(0), high=_custom(1))
        yield _line(x, lines[:, 1], "linear", say("expected"), charts.EXPECTED, hovertemplate=hover,
                    customdata=lines[:, 2:])  # fmt: skip
    yield _line(x, lines[:, 0], "linear", say("metered"), charts.ACTUAL, hovertemplate=f"{_NUMBER} kWh")
    suspect, faulty = days[days["alarm"]], days[~days["alarm"] & (days["fault"] != "")]
    yield from _day_marks(context, suspect, say("suspect"), charts.ALARM, "circle")
    yield from _day_marks(context, faulty, say("data fault"), charts.OTHER, "x")


def _day_marks(context: Context, days: pd.DataFrame, name: str, color: str, symbol: str) -> Iterator[Trace]:
    if days.empty:
        return
    yield _marks(
        _dates(days),
        days["energy_kwh"].fillna(days["expected_kwh"]).fillna(0).to_numpy(),
        name,
        color,
        symbol,
        text=[label(_finding(context, day), _HOVER_WIDTH) for day in days.itertuples(index=False)],
        hovertemplate="%{text}",
    )


def _finding(context: Context, day: Any) -> str:
    """Why a day is suspect: its data faults and what they were concluded from, else how much of the expected it is."""
    if not day.fault:
        share = day.energy_kwh / day.expected_kwh if day.expected_kwh > 0 else np.nan
        return context.say("{share} of what was expected", share=context.language.percent(share, 0))
    say = context.say
    names = {
        GAP: say("gap"),
        SIGN: say("wrong sign"),
        STUCK: say("stuck"),
        SCALE: say("change of scale"),
        SPIKE: say("spike"),
        VOLTAGE_LOSS: say("loss of voltage"),
        NEW_ZEROS: say("new zeros"),
    }
    faults = ", ".join(names.get(fault, fault) for fault in day.fault.split(", "))
    return f"{faults}: {translated(day.evidence, context.language)}"


def _dates(days: pd.DataFrame) -> npt.NDArray[np.str_]:
    return np.datetime_as_string(days["date"].to_numpy(), unit="D")


# --- voltages


def voltages_section(context: Context) -> Component:
    """The voltages of the customer."""
    say, meter = context.say, context.view.customer
    series = cs.voltages(context.data, meter, cs.drawn_window(context))
    asked = cs.asked_hours(series["timestamp_local"].dt.hour, context.view.hours)
    names = [name for name in series.columns if name != "timestamp_local"]
    heading = say("Voltages")
    if not names:
        return parts.section(heading, html.P(say("No voltages of this customer are known in this period.")))
    volts = series.loc[asked, names].reindex(series.index)
    spreads = [_spread(context, name, volts[name]) for name in names]
    walls = cs.to_walls(series["timestamp_local"])
    minutes = int(np.median(np.diff(walls)) / np.timedelta64(1, "m")) if len(walls) > 1 else HOUR_MINUTES
    traces = [
        _line(
            *_points(walls, volts[name].to_numpy(), minutes, asked),
            label(_phase(name)),
            cluster_color(place),
            hovertemplate="%{y:,.1f} V",
        )
        for place, name in enumerate(names)
    ]
    axes = {"x": _time_title(context), "y": say("volts"), "yaxis": {"rangemode": "normal"}}
    drawn = charts.over_time(traces, _HOURS_FORMAT, legend=True, **axes)
    told = " ".join(spreads)
    return parts.section(heading, parts.chart(context, "voltages", drawn, told, height=280, csv="voltages"), note=told)


def _spread(context: Context, name: str, volts: pd.Series) -> str:
    language = context.language
    return context.say(
        "{phase}: from {least} to {most} V, {mean} V in the mean.",
        phase=_phase(name),
        least=language.number(volts.min(), 1),
        mean=language.number(volts.mean(), 1),
        most=language.number(volts.max(), 1),
    )


def _phase(column: str) -> str:
    """`L1` of `voltage_l1_v`."""
    return column.removeprefix("voltage_").removesuffix("_v").upper()
