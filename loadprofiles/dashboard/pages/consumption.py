"""Consumption of all customers or of one, with forecast, band, anomalies and voltages."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any, Final

import numpy as np
import pandas as pd
from dash import html
from dash.development.base_component import Component

from loadprofiles.dashboard import charts, parts
from loadprofiles.dashboard.charts import Figure, Trace
from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.cube import SLOT_HOURS, DailyEnergy, Meters, PeakSlot, Period
from loadprofiles.dashboard.pages import customer_cards, customer_charts, customer_tables, rhythm
from loadprofiles.dashboard.pages.customer_charts import DAYS_FORMAT, MOST_POINTS
from loadprofiles.dashboard.pages.customer_series import hours_there
from loadprofiles.dashboard.parts import Column
from loadprofiles.dashboard.series import downsampled
from loadprofiles.plots.interactive import label

MOST_BARS: Final = 25
"""Customers that have a bar of their own."""

_KNOWN_ENOUGH = 0.999
_COMPLETE_ENOUGH = 0.9
_OVER_ALL = 4
"""Times the longest bar up to which what the others use is drawn: a longer one would leave nothing of these."""
_LABEL_WIDTH = 24
_GREY = "#8a939c"


def title(context: Context) -> str:
    """The page's heading."""
    return context.say("Consumption")


def render(context: Context) -> list[Component]:
    """The page; of a customer, without what `render_later` has."""
    return list(_of_customer(context) if context.view.customer else _of_all(context))


def render_later(context: Context) -> list[Component]:
    """What a customer's page goes on with: days, rhythm and voltages, which are below what fits on a screen."""
    return [
        customer_charts.days_section(context),
        rhythm.rhythm_section(context, _chosen(context), _period(context), _slot(context)),
        customer_charts.voltages_section(context),
    ]


def _of_customer(context: Context) -> Iterator[Component]:
    is_recurring, slot = customer_cards.recurs(context), _slot(context)
    yield _lead(context)
    yield from customer_cards.warnings(context, is_recurring)
    yield parts.cards(
        [
            *_energy_cards(context, energy_table(context), _days(context), slot),
            *customer_cards.forecast_cards(context, is_recurring),
            *customer_cards.standing_cards(context),
        ]
    )
    yield customer_charts.hours_section(context)
    yield parts.later()


def _of_all(context: Context) -> Iterator[Component]:
    energy, days, slot = energy_table(context), _days(context), _slot(context)
    language, n_known = context.language, int((energy["known_hours"] > 0).sum())
    note = context.say("{known} with readings in this period", known=language.number(n_known))
    customers = parts.card(
        context.say("Customers"), language.number(len(energy)), note if n_known < len(energy) else None
    )
    yield parts.cards([customers, *_energy_cards(context, energy, days, slot)])
    if not n_known:
        yield parts.notice(context.say("No hour of this period is known."))
        return
    yield _customers_section(context, energy)
    yield _days_section(context, days)
    yield rhythm.rhythm_section(context, _chosen(context), _period(context), slot)


def _lead(context: Context) -> Component:
    """Who the customer is."""
    meter = context.view.customer
    sector = str(context.data.meters.loc[meter, "sector"])
    link = [" · ", parts.page_link(context, sector, customer="", sector=sector)] if sector else []
    return html.P([html.Strong(meter), *link])


# --- energy


def _period(context: Context) -> Period:
    view = context.view
    return {"first_day": view.first, "last_day": view.last, "hours": view.hours}


def _chosen(context: Context) -> Meters:
    view = context.view
    return context.data.chosen(view) if view.customer or view.sector else None


def energy_table(context: Context) -> pd.DataFrame:
    """The energy of each customer in the period and hours, the largest first.

    Returns:
        `meter_id, sector, kwh, known_hours, kwh_a_day`, the last as if all hours were as those that are known.
    """
    data = context.data
    positions = data.cube.positions(_chosen(context))
    found = data.cube.energy_kwh(positions, **_period(context))
    first_hour, end_hour = context.view.hours
    known_days = found.known_hours / (end_hour - first_hour)
    table = pd.DataFrame(
        {
            "meter_id": np.array(data.cube.meters, dtype=object)[positions],
            "sector": data.meters["sector"].to_numpy()[positions],
            "kwh": found.kwh,
            "known_hours": found.known_hours,
            "kwh_a_day": np.where(known_days > 0, found.kwh / np.maximum(known_days, 1e-9), np.nan),
        }
    )
    return table.sort_values("kwh", ascending=False, na_position="last", kind="stable", ignore_index=True)


def _days(context: Context) -> DailyEnergy:
    return context.data.cube.total_by_day(_chosen(context), **_period(context))


def _slot(context: Context) -> PeakSlot | None:
    return context.data.cube.peak_slot(_chosen(context), **_period(context))


def _energy_cards(
    context: Context, energy: pd.DataFrame, days: DailyEnergy, slot: PeakSlot | None
) -> Iterator[Component]:
    """The energy of customers, by the day and by hours, and how much of the time it is known."""
    say, language = context.say, context.language
    first, last = context.data.period(context.view)
    when = language.days(first, last) if first <= last else None
    yield parts.card(say("Energy in the period"), language.energy(energy["kwh"].sum(min_count=1)), when)
    n_days = int(np.isfinite(days.kwh).sum())
    of_all = np.nansum(days.kwh) / n_days if n_days else np.nan
    a_day = energy["kwh_a_day"].iloc[0] if context.view.customer else of_all
    yield parts.card(
        say("Energy a day"), language.energy(a_day), say("{days} days with readings", days=language.number(n_days))
    )
    if slot:
        used = language.energy(slot.kwh)
        note = say("{energy} a day", energy=used) if context.view.customer else say("{energy} a customer", energy=used)
        hours = language.hours(slot.first_hour, slot.first_hour + SLOT_HOURS)
        yield parts.card(say("{hours} hours of highest use", hours=SLOT_HOURS), hours, note)
    share = _known_share(context, energy, first, last)
    if share < _KNOWN_ENOUGH:
        yield parts.card(say("Known hours"), language.percent(share), say("from the first reading to the last"))


def _known_share(context: Context, energy: pd.DataFrame, first: date, last: date) -> float:
    """The share of hours that are known of those from a customer's first to its last; 0 of a period without days."""
    if first > last:
        return 0.0
    cube, hours = context.data.cube, context.view.hours
    there = hours_there(cube.timezone, first, (last - first).days + 1)[:, slice(*hours)] > 0
    until = np.append(0, there.sum(axis=1).cumsum())
    begins, ends = cube.days_within(_chosen(context), first_day=first, last_day=last, hours=hours)
    return float(energy["known_hours"].sum() / max(1, (until[ends] - until[begins]).sum()))


def _customers_section(context: Context, energy: pd.DataFrame) -> Component:
    """The energy of each customer: the largest as bars, all as a table."""
    say, language = context.say, context.language
    largest, others = energy.iloc[:MOST_BARS], energy["kwh"].iloc[MOST_BARS:].sum()
    told = say(
        "Energy by customer: {name} used most, {energy}; the {count} largest have {share} of all.",
        name=str(largest["meter_id"].iloc[0]),
        energy=language.energy(largest["kwh"].iloc[0]),
        count=len(largest),
        share=language.percent(largest["kwh"].sum() / energy["kwh"].sum() if energy["kwh"].sum() else np.nan),
    )
    drawn, rows = _bars(context, largest, others, len(energy) - len(largest))
    chart = parts.chart(context, "energy-by-customer", drawn, told, height=90 + 30 * rows, csv="energy")
    table = parts.table(context, say("Energy by customer"), _columns(context), energy)
    return parts.section(say("Energy by customer"), html.Div([chart, table], className="two"))


def _bars(context: Context, largest: pd.DataFrame, others: float, n_others: int) -> tuple[Figure, int]:
    """A bar a customer, from the largest down, and one for all others; and how many there are."""
    kwh = [float(value) for value in largest["kwh"].fillna(0)]
    names = [label(str(meter), _LABEL_WIDTH) for meter in largest["meter_id"]]
    texts = [context.language.energy(value) for value in largest["kwh"]]
    if n_others:
        is_drawn = abs(others) <= _OVER_ALL * max(map(abs, kwh))
        kwh.append(float(others) if is_drawn else 0.0)
        names.append(context.say("{count} others", count=context.language.number(n_others)))
        text = context.language.energy(float(others))
        texts.append(text if is_drawn else context.say("{energy}, too long to be drawn", energy=text))
    places = list(range(len(kwh)))
    bars: Trace = {
        "type": "bar",
        "x": kwh,
        "y": places,
        "orientation": "h",
        "text": texts,
        "textposition": "outside",
        "cliponaxis": False,
        "hovertext": names,
        "hovertemplate": "%{hovertext}: %{text}<extra></extra>",
        "marker": {"color": [charts.EXPECTED] * len(largest) + [_GREY]},
    }
    least, most = min(0.0, *kwh), max(0.0, *kwh)
    room = 0.35 * (most - least or 1)
    axes: dict[str, Any] = {
        "xaxis": {"range": [least - (room if least else 0), most + room], "tickformat": charts.TICKS},
        "yaxis": {
            "tickvals": places,
            "ticktext": names,
            "range": [len(kwh) - 0.4, -0.6],
            "showgrid": False,
            "zeroline": False,
        },
    }
    return charts.figure([bars], x=context.say("kWh"), hovermode="closest", bargap=0.25, **axes), len(kwh)


def _columns(context: Context) -> list[Column]:
    say, language = context.say, context.language
    return [
        Column("meter_id", say("Customer"), lambda row: parts.meter_link(context, row.meter_id)),
        Column("kwh", say("Energy, kWh"), lambda row: language.number(row.kwh, 1), is_number=True),
        Column("kwh_a_day", say("kWh a day"), lambda row: language.number(row.kwh_a_day, 1), is_number=True),
        Column("known_hours", say("Known hours"), lambda row: language.number(row.known_hours), is_number=True),
        Column("sector", say("Sector"), lambda row: row.sector),
    ]


# --- days


def energy_by_day_table(context: Context) -> pd.DataFrame:
    """The energy of all chosen customers together by day: `date, energy_kwh, known_hours`."""
    days = _days(context)
    return pd.DataFrame({"date": days.dates, "energy_kwh": days.kwh, "known_hours": days.known_hours})


def _days_section(context: Context, days: DailyEnergy) -> Component:
    say, language = context.say, context.language
    inner = _without_broken_ends(days)
    dates, kwh = days.dates[inner], days.kwh[inner]
    keep = downsampled(pd.DatetimeIndex(dates), kwh, MOST_POINTS)
    first_hour, end_hour = context.view.hours
    hover = say("{energy} kWh of {customers} customers", energy="%{y:,.4~r}", customers="%{customdata:,.1~f}")
    line: Trace = {
        "type": "scatter",
        "x": np.datetime_as_string(dates[keep], unit="D"),
        "y": kwh[keep],
        "customdata": days.known_hours[inner][keep] / (end_hour - first_hour),
        "mode": "lines",
        "line": {"color": charts.ACTUAL, "width": 1.5},
        "hovertemplate": f"{hover}<extra></extra>",
    }
    drawn = charts.over_time([line], DAYS_FORMAT, y=say("kWh a day"))
    told = say(
        "Energy by day: from {least} to {most}, {mean} in the mean.",
        least=language.energy(np.nanmin(kwh)),
        most=language.energy(np.nanmax(kwh)),
        mean=language.energy(float(np.nanmean(kwh))),
    )
    note = say("A first or last day that has only begun is left out.") if inner != slice(0, len(days.dates)) else None
    chart = parts.chart(context, "energy-by-day", drawn, told, csv="energy_by_day")
    return parts.section(say("Energy by day"), chart, note=note)


def _without_broken_ends(days: DailyEnergy) -> slice:
    """The days without a first and a last that have clearly fewer known hours than the day beside them."""
    known, count = days.known_hours, len(days.dates)
    if count < 4:
        return slice(0, count)
    first = int(known[0] < _COMPLETE_ENOUGH * known[1])
    return slice(first, count - int(known[-1] < _COMPLETE_ENOUGH * known[-2]))


def energy_by_hour_table(context: Context) -> pd.DataFrame:
    """See `rhythm.rhythm_table`."""
    return rhythm.rhythm_table(context.data.cube, _chosen(context), _period(context))


TABLES: Final[Mapping[str, Callable[[Context], pd.DataFrame]]] = {
    "energy": energy_table,
    "energy_by_day": energy_by_day_table,
    "energy_by_hour": energy_by_hour_table,
    "consumption": customer_tables.consumption_table,
    "forecasts": customer_tables.forecasts_table,
    "consumption_days": customer_tables.days_table,
    "voltages": customer_tables.voltages_table,
}
"""Tables to download, by name."""
