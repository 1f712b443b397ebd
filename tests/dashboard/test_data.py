"""A run in memory: its meters in one table, and what is asked of it again and again."""

from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from loadprofiles.dashboard import data as module
from loadprofiles.dashboard.cube import Cube
from loadprofiles.dashboard.data import CUBE_FILE, Data, make_data
from loadprofiles.dashboard.state import View
from loadprofiles.errors import EmptyResultError
from tests.dashboard.small import FIRST_DAY, LAST_DAY, METERS, ODD, SmallResults, small_data, small_results


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_data(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A run without all that it can be without, but for readings."""
    folder = tmp_path_factory.mktemp("bare")
    return small_data(folder, without=("clusters", "forecasts", "alerts", "sectors", "voltages"))


def changed(data, **tables):
    """The same run with other tables."""
    results = SmallResults(data.results.folder)
    results.__dict__.update(tables)
    return Data(results, data.cube)


def test_each_meter_has_a_row_with_what_is_known_of_it(data):
    table = data.meters
    assert tuple(table.index) == METERS
    assert table["sector"].to_dict() == {ODD: "", "M1": "Bakery", "M2": "Bakery", "M3": "Farm"}
    assert set(table["source"]) == {"customers"}
    assert table.loc["M1", ["cluster", "cluster_name"]].tolist() == [1, "evening peak 18:00"]
    assert table.loc["M2", "measured_percent"] == pytest.approx(100 * 1428 / 1440)
    assert table["findings"].to_dict() == {ODD: 0, "M1": 1, "M2": 1, "M3": 1}
    assert table.loc["M1", "forecast_hours"] == 14 * 24
    assert table.loc["M1", "hours_outside"] == 96


def test_what_a_run_is_without_is_not_known(bare):
    table = bare.meters
    assert set(table["cluster"]) == {-1}
    assert set(table["cluster_name"]) == set(table["sector"]) == {""}
    assert table[["wape", "mape_percent", "forecast_hours", "hours_outside"]].isna().all(axis=None)
    assert bare.sectors == []
    assert bare.store is None
    assert bare.alerts(View()).empty
    assert bare.open_alerts().empty
    assert bare.recurring(list(METERS)).empty


def test_a_run_without_a_report_has_meters_of_unknown_quality(data):
    table = changed(data, vee_report=pd.DataFrame(columns=["meter_id", "readings", "findings", "source"])).meters
    assert table["measured_percent"].isna().all()
    assert set(table["findings"]) == {0}


def test_the_cluster_of_a_meter_is_the_one_of_most_of_its_days(data):
    shares = pd.DataFrame(
        {"level": ["meter", "meter", "sector"], "name": ["M1", "M1", "M1"], "cluster": [1, 0, 1], "days": [3, 5, 99]}
    )
    results = SmallResults(data.results.folder)
    results.clustering.__dict__["shares"] = shares
    table = Data(results, data.cube).meters
    assert table["cluster"].to_dict() == {ODD: -1, "M1": 0, "M2": -1, "M3": -1}


def test_of_clusters_with_as_many_days_of_a_meter_it_is_the_first_and_none_comes_last(data):
    names, clusters = ["M1", "M1", "M2", "M2"], [1, 0, -1, 1]
    results = SmallResults(data.results.folder)
    shares = pd.DataFrame({"level": "meter", "name": names, "cluster": clusters, "days": 3})
    results.clustering.__dict__["shares"] = shares
    assert Data(results, data.cube).meters["cluster"].to_dict() == {ODD: -1, "M1": 0, "M2": 1, "M3": -1}


@pytest.mark.parametrize(
    ("view", "meters"),
    [
        (View(), list(METERS)),
        (View(customer="M1"), ["M1"]),
        (View(customer="nobody"), []),
        (View(sector="Bakery"), ["M1", "M2"]),
        (View(sector="nowhere"), []),
        (View(customer="M3", sector="Bakery"), ["M3"]),
    ],
)
def test_a_view_chooses_meters(data, view, meters):
    assert data.chosen(view) == meters


def test_a_period_lies_within_the_days_there_are(data):
    assert data.period(View()) == (FIRST_DAY, LAST_DAY)
    assert data.period(View(first=date(2024, 4, 1), last=date(2030, 1, 1))) == (date(2024, 4, 1), LAST_DAY)
    first, last = data.period(View(first=date(2030, 1, 1)))
    assert first > last


def test_a_customers_period_lies_within_its_own_days(data):
    first, energy = (FIRST_DAY - date(1970, 1, 1)).days, np.ones((12, 24), np.float32)
    cube = Cube("UTC", METERS, first + np.array([0, 1, 3, 5]), np.array([0, 6, 8, 10, 12]), energy)
    short = Data(data.results, cube)
    own = FIRST_DAY + timedelta(days=1), FIRST_DAY + timedelta(days=2)
    assert short.period(View(customer=METERS[1])) == own
    assert short.period(View(customer=METERS[1], first=own[1])) == (own[1], own[1])
    assert short.period(View(customer="nobody")) == (FIRST_DAY, FIRST_DAY + timedelta(days=6))


@pytest.mark.parametrize(
    ("view", "subjects"),
    [
        (View(), {"M1", "M2", "M3", "Bakery", ODD}),
        (View(customer="M2"), {"M2", "Bakery"}),
        (View(sector="Farm"), {"M3"}),
        (View(state="dismissed"), {"M3"}),
        (View(kind="data fault"), {"M2"}),
        (View(last=date(2024, 4, 9)), {"M2", "M3"}),
        (View(customer="M1", first=date(2024, 4, 15)), {"Bakery"}),
    ],
)
def test_alerts_are_those_of_a_view(data, view, subjects):
    assert set(data.alerts(view)["subject"]) == subjects


def test_alerts_that_nobody_has_judged_are_counted_for_each_meter(data):
    assert data.open_alerts().to_dict() == {"M1": 2, "M2": 2}


def test_meters_are_told_whose_hours_are_too_often_outside_the_band(data):
    assert data.recurring(list(METERS)).index.tolist() == ["M1"]
    assert data.recurring(["M2"]).empty


def test_findings_come_the_gravest_first(data):
    assert data.findings["kind"].tolist() == ["outlier_high", "gap_left", "gap_filled"]
    doubled = pd.concat([data.results.findings.assign(confidence=1.0), data.results.findings])
    assert changed(data, findings=doubled).findings["confidence"].tolist()[:2] == [0.6, 1.0]


def test_no_findings_are_no_rows(data):
    assert changed(data, findings=data.results.findings.head(0)).findings.empty


def test_meters_with_the_same_days_are_read_where_harmonization_found_them(tmp_path):
    results = small_results(tmp_path)
    assert Data(results, None).duplicates.empty
    (tmp_path / "harmonization" / "duplicates.csv").write_text("meter_id,other_meter_id,identical_days\n007,8,30\n")
    assert Data(results, None).duplicates["meter_id"].tolist() == ["007"]


def test_readings_are_opened_once(data):
    assert data.results.readings is data.results.readings
    assert set(data.results.readings.meters) == set(METERS)


def test_the_hourly_energy_is_added_up_once(data, monkeypatch):
    assert (data.results.folder / CUBE_FILE).is_file()
    monkeypatch.setattr(module, "build_cube", lambda *args, **kwargs: pytest.fail("it is there"))
    assert np.isfinite(make_data(data.results).cube.energy_kwh("M1").kwh).all()


def test_a_run_without_a_reading_has_nothing_to_show(tmp_path):
    (tmp_path / "harmonization").mkdir()
    with pytest.raises(EmptyResultError, match="no meter has a reading"):
        make_data(SmallResults(tmp_path))
