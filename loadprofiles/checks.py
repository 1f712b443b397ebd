"""Suspicions: what looks wrong in a meter's energies, though nothing proves it. They are told, not edited.

Whoever knows better rejects the readings with a row of `corrections.csv`.
"""

import numpy as np

from loadprofiles import quality as q
from loadprofiles.series import Series

FLAT_HOURS = 8.0
ZERO_HOURS = 8.0
NIGHT_HOURS = 2.0
NEAR_DAYS = 14


def tell_suspicions(series: Series) -> None:
    """Findings of kind `spike`, `flat_line`, `zeros`, `negative_energy` and `production_at_night`."""
    energy, meter = series.energy_kwh, series.meter
    steps_a_day = meter.steps_in(24)
    spikes = q.flag_spikes(energy, series.local_day) & (energy > _usual_peak(energy, series.local_day))
    flat = q.flag_flat_line(energy, meter.steps_in(FLAT_HOURS), steps_a_day)
    zeros = q.flag_unusual_zeros(energy, meter.steps_in(ZERO_HOURS), steps_a_day)
    zeros |= q.flag_long_zeros(energy, steps_a_day)
    negative = q.flag_negative_nights(energy, series.local_hours, series.local_day, meter.steps_in(NIGHT_HOURS))
    for kind, flags, evidence, confidence in (
        ("spike", spikes, "more than 180 % above the day's third peak and half above the peaks of its month", 0.6),
        ("flat_line", flat, "the same energy in each interval, twice as long as this meter ever repeats it", 0.8),
        ("zeros", zeros, "nothing used, though on the days around it the meter uses something at these hours", 0.7),
        ("negative_energy", negative, "days that export by night too, as this meter seldom does", 0.6),
    ):
        series.note(kind, series.keep_measured(flags), evidence, confidence)
    _tell_production_at_night(series)


def _usual_peak(energy: q.Floats, day: q.Ints) -> q.Floats:
    """For each interval the second highest peak of the other days within two weeks, half as much again.

    Without two such days it is infinite: nothing can be judged.
    """
    first = np.nan_to_num(q.peaks_of_days(energy, day)[0], nan=0.0)
    wide = np.pad(np.maximum(first, 0.0), NEAR_DAYS, constant_values=0.0)
    windows = np.lib.stride_tricks.sliding_window_view(wide, 2 * NEAR_DAYS + 1).copy()
    windows[:, NEAR_DAYS] = 0.0
    second = np.partition(windows, -2, axis=1)[:, -2]
    return np.where(second > 0, 1.5 * second, np.inf)[day]


def _tell_production_at_night(series: Series) -> None:
    flags = series.keep_measured(q.flag_production_at_night(series.energy_kwh, series.local_hours))
    if flags.any():
        span = (series.grid[0], series.grid[-1], int(flags.sum()))
        evidence = f"it exports by night and not by day in {series.meter.timezone}: its clock or zone is wrong"
        series.findings.append(series.meter.finding("production_at_night", span, evidence, 0.9))
