"""Sentences of alerts in other languages: all that can be said is said in Spanish, too."""

import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles.anomalies.alert import FAULT, KINDS, SEVERITIES, THEFT
from loadprofiles.anomalies.detectors import WEIGHTS
from loadprofiles.anomalies.faults import find_faults
from loadprofiles.anomalies.reasons import peers_sentence, reasons_sentence
from loadprofiles.anomalies.states import STATES
from loadprofiles.anomalies.wording import Told
from loadprofiles.clustering import naming
from loadprofiles.dashboard.language import Language
from loadprofiles.dashboard.sentences import clauses, cluster_name, translated, word
from tests.anomalies.judgements import judged_day
from tests.anomalies.test_faults import T, meter

SPANISH = Language("es", "es_ES")
ENGLISH_WORDS = {
    "the", "its", "of", "and", "day", "days", "hour", "hours", "than", "expected", "each", "from", "more", "phase",
    "phases", "other", "same", "all", "is", "are", "it",
}  # fmt: skip


def names_of_clusters():
    counted = [f"{count} peaks 07:00 & 19:00" for count in naming._COUNTS.values()]
    return ["no load", "flat base", "midday dip (PV)", "several peaks", *counted, *dict(naming._PARTS_OF_DAY).values()]


@pytest.mark.parametrize("name", names_of_clusters())
@pytest.mark.parametrize("behind", ["", " 21:00", " (2)", " 21:00 (3)"])
def test_names_of_clusters_are_said_in_spanish_with_what_tells_them_apart(name, behind):
    told = cluster_name(f"11 · {name}{behind}", SPANISH)
    assert told.startswith("11 · ") and told.endswith(behind)
    assert told == f"11 · {cluster_name(name + behind, SPANISH)}"
    shape = re.sub(r" \d\d:\d\d & .*", "", name)
    assert shape not in told
    assert cluster_name(f"{name}{behind}", Language("en")) == f"{name}{behind}"


@given(st.text())
def test_other_names_of_clusters_stay_as_they_are(name):
    assert cluster_name(f"{name}?", SPANISH) == f"{name}?"


def evidence(change):
    """What is found on a day of a meter after a change of its days."""
    days = meter()
    change(days)
    return "; ".join(fault.evidence for fault in find_faults(days) if fault.day == T)


def lose_hours(days):
    days.active_kwh[T, :17] = np.nan


def doubt_hours(days):
    days.doubted[T, :14] = True


def turn_round(days):
    days.active_kwh[T, 5:8] = -1.25


def stand_still(days):
    days.active_kwh[T, 3:22] = 1234.5


def multiply(days):
    days.active_kwh[T] *= 1000


def divide(days):
    days.active_kwh[T] /= 1000


def leap(days):
    days.active_kwh[T, 14] = 812


def leap_by_night(days):
    days.active_kwh[T, 4] = 5


def lose_a_phase(days):
    days.voltage_v[1, T, 4:8] = 3


def lose_all_phases(days):
    days.voltage_v[:, T, 4:8] = 3


def use_nothing(days):
    days.active_kwh[T, 2:8] = 0


CHANGES = (
    lose_hours, doubt_hours, turn_round, stand_still, multiply, divide, leap, leap_by_night, lose_a_phase,
    lose_all_phases, use_nothing,
)  # fmt: skip


def reasons(*days, kind=THEFT):
    return reasons_sentence(kind, pd.DataFrame(list(days)))


def peers(*meters):
    table = pd.DataFrame([judged_day(5, "M1"), *(judged_day(5, name) for name in meters)]).assign(sector="Bakery")
    return peers_sentence(table.iloc[:1], table)


def sentences():
    """Sentences of every case of the functions that make them."""
    yield from map(evidence, CHANGES)
    for name in WEIGHTS:
        for one_in in (40, 4000):
            yield reasons(judged_day(1, actual_kwh=4.0, **{f"{name}_surprise": math.log(one_in)}))
    yield reasons(judged_day(1, actual_kwh=4.0, pair_surprise=4.0, reactive_surprise=math.nan))
    yield reasons(judged_day(1, expected_kwh=1000.0, actual_kwh=1250.0, forecast_hours=24, forecast_hours_outside=7))
    yield reasons(judged_day(1, actual_kwh=10.1))
    yield reasons(judged_day(1, expected_kwh=math.nan))
    for days in (2, 4):
        fault = [judged_day(day, evidence="no energy from 02:00 to 08:00") for day in range(1, days + 1)]
        yield reasons(*fault, kind=FAULT)
    yield peers("M2")
    yield peers("M2", "M3")


def test_whatever_is_said_of_alerts_is_said_in_spanish_to_the_last_word():
    for sentence in sentences():
        told = translated(sentence, SPANISH)
        assert not ENGLISH_WORDS & set(re.findall(r"[a-z]+", told.lower())), (sentence, told)


def test_the_cases_above_are_all_there_are(monkeypatch):
    asked = set()
    say = Language.say
    monkeypatch.setattr(Language, "say", lambda self, text, **values: asked.add(text) or say(self, text, **values))
    for sentence in sentences():
        translated(sentence, SPANISH)
    assert asked == set(Told)


@pytest.mark.parametrize(
    ("sentence", "told"),
    [
        (
            "55% less than expected (4.5 instead of 1,010.0 kWh a day); the same weekdays before were of another "
            "level (rarer than 1 day in 1,000)",
            "55 % menos de lo esperado (4,5 en lugar de 1.010,0 kWh al día); los mismos días de las semanas anteriores "
            "tenían otro nivel (más raro que 1 día de cada 1.000)",
        ),
        (
            "phase 2: 0.25 V in 4 of 24 hours, the past's median 230 V; and 1 day more",
            "fase 2: 0,25 V en 4 de 24 horas; la mediana del pasado, 230 V; y 1 día más",
        ),
        ("3 of 24 hours are negative, down to -1.25 kWh", "3 de 24 horas son negativas, hasta -1,25 kWh"),
    ],
)
def test_by_example(sentence, told):
    assert translated(sentence, SPANISH) == told


def test_numbers_are_written_as_where_the_reader_is():
    assert translated("each hour 1,234.5 kWh from 03:00 to 22:00", Language("es", "es_PE")) == (
        "1,234.5 kWh cada hora de 03:00 a 22:00"
    )


def test_in_english_a_sentence_is_as_it_was_but_for_the_space_before_a_percent_sign():
    for sentence in sentences():
        assert translated(sentence, Language("en")) == re.sub(r"(\d)%", r"\1 %", sentence)


@pytest.mark.parametrize("text", ["what nobody has foreseen", "its mood (1 day in 40)", "<b>12</b> of {hours}", "{"])
def test_a_clause_of_another_origin_stays_as_it_is(text):
    told = translated(f"no energy from 02:00 to 08:00; {text}", SPANISH)
    assert told == f"sin energía de 02:00 a 08:00; {text}"


@given(st.text(max_size=60))
def test_any_text_is_told(text):
    assert isinstance(translated(text, SPANISH), str)


def test_clauses_one_by_one():
    assert clauses("and 1 day more; odd", SPANISH) == ["y 1 día más", "odd"]
    assert clauses("", SPANISH) == []


def test_kinds_severities_and_states_have_words():
    words = {word(code, SPANISH) for code in (*KINDS, *SEVERITIES, *STATES)}
    assert len(words) == len(KINDS) + len(SEVERITIES) + len(STATES)
    assert {"posible fraude", "alta", "descartada"} < words
    assert word("theft-like", Language("en")) == "theft-like"
