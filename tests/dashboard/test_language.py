"""Texts, numbers and days in the reader's language."""

import math
from datetime import UTC, date, datetime

import pytest

from loadprofiles.dashboard import language as languages
from loadprofiles.dashboard.language import UNKNOWN, Language

EN, ES, PE = Language("en"), Language("es"), Language("es", "es_PE")

CATALOGUE = """msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

msgid "{count} meters"
msgstr "{count} medidores"

msgid "Not done yet"
msgstr ""
"""


@pytest.fixture
def catalogue(tmp_path, monkeypatch):
    """A Spanish catalogue of two texts."""
    (tmp_path / "es.po").write_text(CATALOGUE, encoding="utf-8")
    monkeypatch.setattr(languages, "_FOLDER", tmp_path)
    languages._translations.cache_clear()
    yield
    languages._translations.cache_clear()


@pytest.mark.parametrize(
    ("asked", "accepted", "code", "region"),
    [
        ("", [], "en", ""),
        ("es", ["en-US"], "es", ""),
        ("", ["es-PE", "en"], "es", "es_PE"),
        ("", ["fr-FR", "en-US", "en"], "en", "en_US"),
        ("tlh", ["es"], "es", ""),
        ("", ["*"], "en", ""),
        ("", ["es-NOWHERE"], "es", ""),
        ("", ["", "<b>"], "en", ""),
    ],
)
def test_the_language_is_the_one_asked_for_else_the_first_that_the_browser_takes(asked, accepted, code, region):
    assert Language.best(asked, accepted) == Language(code, region)


@pytest.mark.usefixtures("catalogue")
def test_a_text_is_said_in_the_readers_language():
    assert ES.say("{count} meters", count=3) == "3 medidores"
    assert EN.say("{count} meters", count=3) == "3 meters"


@pytest.mark.usefixtures("catalogue")
@pytest.mark.parametrize("text", ["Not done yet", "Nowhere in the catalogue", "{braces} of a text without values"])
def test_a_text_without_a_translation_stays_english(text):
    assert ES.say(text) == text


def test_braces_in_a_value_stay_as_they_are():
    assert EN.say("{meter} is well", meter="{0.__class__}") == "{0.__class__} is well"


@pytest.mark.parametrize(
    ("value", "digits", "english", "spanish", "peruvian"),
    [
        (12345.678, 0, "12,346", "12.346", "12,346"),
        (12345.678, 1, "12,345.7", "12.345,7", "12,345.7"),
        (-0.04, 1, "0.0", "0,0", "0.0"),
        (math.nan, 1, UNKNOWN, UNKNOWN, UNKNOWN),
        (math.inf, 0, UNKNOWN, UNKNOWN, UNKNOWN),
    ],
)
def test_numbers_have_the_signs_of_the_readers_region(value, digits, english, spanish, peruvian):
    assert [each.number(value, digits) for each in (EN, ES, PE)] == [english, spanish, peruvian]


@pytest.mark.parametrize(
    ("kwh", "text"),
    [
        (0, "0.0 kWh"),
        (12.34, "12.3 kWh"),
        (1234.5, "1,234 kWh"),
        (12_345, "12.35 MWh"),
        (-410_800, "-410.8 MWh"),
        (2_500_000, "2.50 GWh"),
        (math.nan, UNKNOWN),
    ],
)
def test_an_energy_has_a_unit_that_keeps_it_short(kwh, text):
    assert EN.energy(kwh) == text


def test_shares_and_money_have_their_digits():
    assert (EN.percent(0.1234), EN.percent(math.nan), ES.percent(0.5, 0)) == ("12.3 %", UNKNOWN, "50 %")
    assert (EN.money(1234.5), ES.money(math.nan)) == ("1,234.50", UNKNOWN)


def test_days_are_written_with_the_month_in_words():
    assert EN.day(date(2024, 5, 1)) == "1 May 2024"
    assert ES.day(date(2024, 1, 31)) == "31 ene 2024"
    assert EN.days(date(2024, 5, 1), date(2024, 5, 1)) == "1 May 2024"
    assert EN.days(date(2024, 5, 1), date(2024, 6, 2)) == "1 May 2024 – 2 Jun 2024"


def test_a_moment_is_local():
    assert EN.moment(datetime(2024, 5, 1, 3, 30, tzinfo=UTC), "America/Lima") == "30 Apr 2024 22:30"
    assert EN.hours(8, 24) == "08:00–24:00"


def test_months_and_weekdays_begin_where_they_do():
    assert (EN.months()[0], EN.months()[11], len(ES.months())) == ("Jan", "Dec", 12)
    assert (EN.weekdays()[0], EN.weekdays()[6], ES.weekdays()[0]) == ("Mon", "Sun", "lun")


def test_plotly_is_told_the_signs_of_numbers():
    assert (EN.separators, ES.separators, PE.separators) == (".,", ",.", ".,")
