"""Alerts for tests of the alert database."""

from datetime import date, timedelta

from loadprofiles.anomalies.alert import FAULT, GROUP, THEFT, Alert, AlertDay

MARCH = date(2024, 3, 1)
NAN = float("nan")


def day(number, meter="M1", *, p=0.01, expected=10.0, actual=4.0, band=2.0):
    """The `number`th of March 2024."""
    date_of = MARCH + timedelta(days=number - 1)
    return AlertDay(meter, date_of, p, expected, expected - band, expected + band, actual)


def theft(*numbers, meter="M1", cause="energy_pair", reasons="half is missing", peers="", **of_day):
    """A theft-like alert of these days of March."""
    days = tuple(day(number, meter, **of_day) for number in numbers)
    return Alert(THEFT, cause, meter, "Bakery", days, reasons, peers)


def fault(*numbers, meter="M1", cause="stuck", **of_day):
    """A data fault."""
    days = tuple(day(number, meter, **of_day) for number in numbers)
    return Alert(FAULT, cause, meter, "Bakery", days, "one value for hours", "")


def group(*numbers, meters=("M1", "M2")):
    """An event of several meters of a sector."""
    days = tuple(day(number, meter) for meter in meters for number in numbers)
    return Alert(GROUP, "profile", "Bakery", "Bakery", days, "all at once", "2 of 5 meters")
