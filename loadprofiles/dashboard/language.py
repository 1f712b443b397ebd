"""What the dashboard says, in the reader's language: texts, numbers, money, days and hours.

Texts are English in the code; `locales/<language>.po` has the others, in the form that translators' tools know.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Final, Self
from zoneinfo import ZoneInfo

import numpy as np
from babel import Locale, dates, localedata, negotiate_locale, numbers
from babel.messages.pofile import read_po

LANGUAGES: Final = {"en": "English", "es": "Español"}
"""Languages and what they call themselves."""

UNKNOWN: Final = "–"
"""What stands for a number that is not known."""

_FOLDER: Final = Path(__file__).parent / "locales"


@cache
def _translations(code: str) -> Mapping[str, str]:
    path = _FOLDER / f"{code}.po"
    if not path.is_file():
        return {}
    with path.open("rb") as stream:
        catalog = read_po(stream, locale=code)
    return {str(message.id): str(message.string) for message in catalog if message.id and message.string}


@cache
def _parsed(locale: str) -> Locale:
    return Locale.parse(locale)


@dataclass(frozen=True)
class Language:
    """One of `LANGUAGES`, and how numbers and days are written in it.

    Attributes:
        code: The language.
        region: Where the reader is, as the browser says: `es_PE` has another decimal sign than `es_ES`.
    """

    code: str
    region: str = ""

    @classmethod
    def best(cls, asked: str, accepted: Sequence[str]) -> Self:
        """The language asked for, else the first that the browser accepts and we have, else English."""
        wanted = [tag.replace("-", "_") for tag in accepted]
        code = asked if asked in LANGUAGES else negotiate_locale(wanted, list(LANGUAGES)) or "en"
        regions = (tag for tag in wanted if tag.startswith(f"{code}_") and tag in localedata.locale_identifiers())
        return cls(code, next(regions, ""))

    @property
    def _locale(self) -> Locale:
        # English of nowhere would have the month before the day
        return _parsed(self.region or {"en": "en_GB"}.get(self.code, self.code))

    def say(self, text: str, **values: object) -> str:
        """A text of the code in this language, with values in place of its `{names}`."""
        template = _translations(self.code).get(text, text)
        return template.format(**values) if values else template

    def number(self, value: float, digits: int = 0) -> str:
        """A number with so many digits behind the decimal sign."""
        if not np.isfinite(value):
            return UNKNOWN
        pattern = f"#,##0.{'0' * digits}" if digits else "#,##0"
        # no zero with a sign
        return numbers.format_decimal(round(float(value), digits) + 0.0, pattern, locale=self._locale)

    def energy(self, kwh: float) -> str:
        """An energy with its unit, in three or four digits: kWh, MWh or GWh."""
        if not np.isfinite(kwh):
            return UNKNOWN
        for size, unit in ((1e6, "GWh"), (1e4, "MWh")):
            if abs(kwh) >= size:
                scaled = kwh / (1e6 if unit == "GWh" else 1e3)
                return f"{self.number(scaled, 1 if abs(scaled) >= 100 else 2)} {unit}"
        return f"{self.number(kwh, 0 if abs(kwh) >= 1000 else 1)} kWh"

    def money(self, value: float) -> str:
        """An amount in the tariff's currency, which nobody has named."""
        return self.number(value, 2)

    def percent(self, share: float, digits: int = 1) -> str:
        """A share in percent."""
        return UNKNOWN if not np.isfinite(share) else f"{self.number(100 * share, digits)} %"

    def day(self, day: date) -> str:
        """A day with its year."""
        return dates.format_date(day, "d MMM y", locale=self._locale)

    def days(self, first: date, last: date) -> str:
        """A day, or the first and the last of several."""
        return self.day(first) if first == last else f"{self.day(first)} – {self.day(last)}"

    def moment(self, moment: datetime, timezone: str) -> str:
        """A moment in local time."""
        return dates.format_datetime(moment, "d MMM y HH:mm", tzinfo=ZoneInfo(timezone), locale=self._locale)

    def hours(self, first: int, last: int) -> str:
        """Hours of the day, from the start of the first to the end of the last."""
        return f"{first:02d}:00–{last:02d}:00"

    def months(self) -> list[str]:
        """The twelve months, short."""
        names = dates.get_month_names("abbreviated", "stand-alone", locale=self._locale)
        return [names[number] for number in range(1, 13)]

    def weekdays(self) -> list[str]:
        """The seven weekdays, short, Monday first."""
        names = dates.get_day_names("abbreviated", "stand-alone", locale=self._locale)
        return [names[number] for number in range(7)]

    @property
    def separators(self) -> str:
        """Decimal sign and sign between thousands, as plotly wants them."""
        return numbers.get_decimal_symbol(self._locale) + numbers.get_group_symbol(self._locale)
