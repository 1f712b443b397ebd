"""What is said of suspect days, as templates: `reasons` and `faults` fill them in, the dashboard translates them."""

from enum import StrEnum
from typing import Final

N_: Final = str
"""Marks a text for translators' tools, which look for this name."""


class Told(StrEnum):
    """A clause, or a part of one, with `{fields}`; a sentence is clauses with `SEPARATOR` between them.

    A field is a number (`1,250.0`, `55%`), a time of day (`03:00`) or again one of these.
    """

    LESS = N_("{share} less than expected ({actual} instead of {expected} kWh a day)")
    MORE = N_("{share} more than expected ({actual} instead of {expected} kWh a day)")
    USUAL = N_("about the {expected} kWh a day that were expected, but not as they come")
    SURPRISE = N_("{what} (1 day in {days})")
    GREAT_SURPRISE = N_("{what} (rarer than 1 day in {days})")
    ACTIVE = N_("its energy is unlike that of any earlier day")
    PAIR = N_("its active and reactive energy together are unlike any earlier day")
    PROFILE = N_("its hours are distributed unlike on any earlier day of that level")
    REACTIVE = N_("days with the same reactive energy had another active energy")
    HOURLY = N_("single hours are off from what they were on like days")
    LEVEL = N_("the same weekdays before were of another level")
    FLATNESS = N_("its changes from hour to hour are unusual")
    FORECAST = N_("{outside} of {hours} hours outside the forecast's 90 % band")
    BAND = N_("many hours outside ±20 % of what was expected")

    DAY_MORE = N_("and 1 day more")
    DAYS_MORE = N_("and {days} days more")
    GAP = N_("{count} of {hours} hours are not known")
    GAP_DOUBTED = N_("{count} of {hours} hours are not known or doubted ({doubted})")
    SIGN = N_("{count} of {hours} hours are negative, down to {least} kWh")
    STUCK = N_("each hour {value} kWh from {first} to {end}")
    SCALE_MORE = N_("the median hour of {now} kWh is about {times} times the past's {usual} kWh")
    SCALE_LESS = N_("the median hour of {now} kWh is about a {times}th of the past's {usual} kWh")
    SPIKE_PAST = N_("hour {hour}: {value} kWh, the past's largest {usual} kWh")
    SPIKE_LATELY = N_("hour {hour}: {value} kWh, such hours lately at most {usual} kWh")
    VOLTAGE_LOSS = N_("{phase}: {now} V in {count} of {hours} hours, the past's median {usual} V")
    PHASE = N_("phase {number}")
    ALL_PHASES = N_("all phases")
    NEW_ZEROS = N_("no energy from {first} to {end}")

    PEER = N_("the other meter of its sector used {share} of what was expected of it")
    PEERS = N_("the {count} other meters of its sector used {share} of what was expected of them")


SEPARATOR: Final = "; "
