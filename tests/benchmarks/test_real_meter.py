"""The real meter BBB6004: the only one at hand whose registers are known to have changed their scale."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from matplotlib.image import imread

from benchmarks import real_meter as bench
from tests.project import ROOT

DATA = ROOT.parent / "shared" / "data" / "asm"


@pytest.fixture(scope="module")
def data():
    if not DATA.is_dir():
        pytest.skip("the real meter of ../shared/data is not there")
    return DATA


@pytest.fixture(scope="module")
def cleaned(data):
    return bench.clean(data)


def test_the_two_changes_of_scale_are_found_at_their_row_with_their_factor_and_no_other(cleaned):
    changes = [(finding.from_utc, finding.factor) for finding in cleaned.found("scale_change")]
    assert changes == [
        (pd.Timestamp("2019-04-29 13:00", tz="UTC"), 10.0),
        (pd.Timestamp("2019-05-14 10:00", tz="UTC"), 1000.0),
    ]
    assert all("both registers changed alike" in finding.evidence for finding in cleaned.found("scale_change"))


def test_the_last_unit_is_the_watt_hour_and_no_register_fault_is_made_up(cleaned):
    (unit,) = cleaned.found("register_unit")
    assert unit.factor == 0.001
    assert cleaned.found("level_uncertain", "reset", "exchange", "rollover", "register_decrease") == []


def test_every_energy_is_possible_under_40_kw(cleaned):
    energy = cleaned.meter.readings["energy_kwh"].dropna()
    assert len(energy) > 23_000
    assert cleaned.limit_kwh == 10.0
    assert energy.max() <= 10.0
    assert energy.min() >= -10.8 / 4


def test_the_standby_load_of_the_evenings_is_the_same_before_between_and_after_the_changes(cleaned):
    readings = cleaned.meter.readings.set_index("timestamp_utc")["energy_kwh"]
    evenings = readings[readings.index.hour >= 20]
    standby = [
        evenings[first:last].median()
        for first, last in (("2019-04-25", "2019-04-28"), ("2019-04-29", "2019-05-13"), ("2019-05-14", "2019-05-20"))
    ]
    assert standby == pytest.approx([1.5] * 3, rel=0.1)


def test_the_three_readings_above_40_kw_are_rejected_as_they_were(cleaned):
    rejected = cleaned.rejected_kwh()
    assert rejected.round(3).to_dict() == {
        pd.Timestamp("2019-12-05 09:45", tz="UTC"): 10.045,
        pd.Timestamp("2019-12-05 10:15", tz="UTC"): 10.289,
        pd.Timestamp("2019-12-05 10:30", tz="UTC"): 10.206,
    }


def test_the_command_prints_the_figures_and_draws_a_small_picture(data, tmp_path):
    png = tmp_path / "meter.png"
    arguments = ["--data", str(data), "--png", str(png)]
    result = CliRunner().invoke(bench.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "scale_change 2019-05-14 10:00 UTC ×1000" in result.output
    assert imread(png).shape[:2] == (650, 1100)
    assert png.stat().st_size < 150_000


def test_a_meter_that_is_not_what_it_should_be_is_told(cleaned):
    without = [finding for finding in cleaned.meter.findings if finding.kind != "scale_change"]
    (problem,) = bench.unexpected(replace(cleaned, meter=replace(cleaned.meter, findings=without)))
    assert problem.startswith("changes of scale []")
    assert bench.unexpected(cleaned) == []


def test_without_the_data_the_command_says_that_the_folder_is_not_there():
    result = CliRunner().invoke(bench.main, ["--data", str(Path("nowhere"))])
    assert result.exit_code == 1
    assert "nowhere is not there; name the folder of the meter's files with --data" in result.output
