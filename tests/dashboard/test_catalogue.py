"""The Spanish catalogue against what the code says: nothing is missing, nothing is left over."""

import string

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from loadprofiles.report import KINDS, kind_of
from loadprofiles.sourcecode import ROOT

FOLDERS = ("loadprofiles/dashboard", "loadprofiles/anomalies")
FALLBACKS = (kind_of("one", ["one"]), kind_of("another"))


def said():
    """All texts of the code that `Language.say` may be asked for."""
    for folder in FOLDERS:
        found = extract_from_dir(str(ROOT / folder), [("**.py", "python")], keywords={"say": None, "N_": None})
        yield from (message for _, _, message, _, _ in found)
    for kind in KINDS.values():
        yield from (kind.words, kind.done, kind.meaning)
    for kind in FALLBACKS:
        yield from (kind.done, kind.meaning)


@pytest.fixture(scope="module")
def spanish():
    with (ROOT / "loadprofiles/dashboard/locales/es.po").open("rb") as stream:
        return {message.id: message.string for message in read_po(stream, locale="es") if message.id}


def test_every_text_is_there_and_none_that_nobody_says(spanish):
    assert {text for text, translation in spanish.items() if translation} == set(said())


def test_translations_have_the_fields_of_the_text(spanish):
    fields = lambda text: sorted(name for _, name, _, _ in string.Formatter().parse(text) if name)  # noqa: E731
    for text, translation in spanish.items():
        assert fields(translation) == fields(text), text
