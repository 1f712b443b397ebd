"""Sentences of the alert database in the reader's language: stored is the English text that a run has made."""

import re
from functools import cache
from string import Formatter
from typing import Final

from loadprofiles.anomalies.alert import FAULT, GROUP, HIGH, LOW, MEDIUM, THEFT
from loadprofiles.anomalies.states import CONFIRMED, DISMISSED, NEW, SEEN
from loadprofiles.anomalies.wording import SEPARATOR, Told
from loadprofiles.dashboard.language import Language
from loadprofiles.representatives import NO_CLUSTER_NAME

_NUMBER: Final = re.compile(r"(-?\d[\d,]*(?:\.(\d+))?)(%?)")
_TIME: Final = re.compile(r"\d\d:\d\d")
_CLUSTER: Final = re.compile(r"(\d+ · )?(.*?)((?: (?:& )?\d\d:\d\d)*(?: \(\d+\))?)$", re.DOTALL)
"""A number, the shape, and what tells clusters of one shape apart."""


def translated(sentence: str, language: Language) -> str:
    """A sentence of `anomalies.reasons` or `anomalies.faults` in a language; a clause of another origin stays as it is.

    Args:
        sentence: Clauses of `Told`, as an alert's `reasons` and `peers`, or the `evidence` of a day.
        language: Of the reader; its decimal sign is used, too.
    """
    return SEPARATOR.join(clauses(sentence, language))


def clauses(sentence: str, language: Language) -> list[str]:
    """The clauses of a sentence, each as `translated` gives it; none of an empty one."""
    return [_clause(clause, language) or clause for clause in sentence.split(SEPARATOR) if clause]


def word(code: str, language: Language) -> str:
    """An alert's kind, severity or state in a language."""
    say = language.say
    return {
        THEFT: say("theft-like"),
        FAULT: say("data fault"),
        GROUP: say("group event"),
        HIGH: say("high"),
        MEDIUM: say("medium"),
        LOW: say("low"),
        NEW: say("new"),
        SEEN: say("seen"),
        CONFIRMED: say("confirmed"),
        DISMISSED: say("dismissed"),
    }[code]


def cluster_name(name: str, language: Language) -> str:
    """A cluster's name, as `clustering.naming` gives it, in a language; with its number before it or without.

    Another name stays as it is.
    """
    say = language.say
    words = {
        "no load": say("no load"),
        "flat base": say("flat base"),
        "midday dip (PV)": say("midday dip (PV)"),
        "two peaks": say("two peaks"),
        "three peaks": say("three peaks"),
        "several peaks": say("several peaks"),
        "morning peak": say("morning peak"),
        "midday peak": say("midday peak"),
        "afternoon peak": say("afternoon peak"),
        "evening peak": say("evening peak"),
        "night peak": say("night peak"),
        NO_CLUSTER_NAME: say("in no cluster"),
    }
    return _CLUSTER.sub(lambda found: f"{found[1] or ''}{words.get(found[2], found[2])}{found[3]}", name, count=1)


def _clause(text: str, language: Language) -> str | None:
    """A clause, or a part of one, in a language; None where it is none of ours."""
    for told, pattern in _patterns():
        found = pattern.fullmatch(text)
        if found is None:
            continue
        fields = {name: _field(value, language) for name, value in found.groupdict().items()}
        if None not in fields.values():
            return language.say(told.value, **fields)
    return None


def _field(text: str, language: Language) -> str | None:
    number = _NUMBER.fullmatch(text)
    if number:
        figures, decimals, percent = number.groups()
        written = language.number(float(figures.replace(",", "")), len(decimals or ""))
        return f"{written} %" if percent else written
    return text if _TIME.fullmatch(text) else _clause(text, language)


@cache
def _patterns() -> list[tuple[Told, re.Pattern[str]]]:
    return [(told, re.compile(_pattern(told.value))) for told in Told]


def _pattern(template: str) -> str:
    """What a template looks like when it is filled in."""
    parts = Formatter().parse(template)
    return "".join(re.escape(text) + (f"(?P<{name}>.+?)" if name else "") for text, name, _, _ in parts)
