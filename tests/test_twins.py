import numpy as np
import pandas as pd

from loadprofiles.profiles import empty_profiles, step_columns
from loadprofiles.twins import find_identical_meters

RANDOM = np.random.default_rng(0)


def profiles(meter, days, values=None):
    columns = step_columns(60)
    values = RANDOM.uniform(0.1, 2, (days, len(columns))).round(3) if values is None else values
    table = pd.DataFrame(values, columns=columns)
    table.insert(0, "id", meter)
    table.insert(1, "date", [f"2024-01-{day + 1:02d}" for day in range(days)])
    return table


def test_a_meter_delivered_twice_is_found_with_its_period():
    one = profiles("A", 10)
    twin = one.iloc[2:].assign(id="B")
    other = profiles("C", 10)
    found = find_identical_meters(pd.concat([one, twin, other]))
    assert found.to_numpy().tolist() == [["A", "B", 8, 8, "2024-01-03", "2024-01-10"]]


def test_meters_that_are_both_idle_are_no_twins():
    idle = np.zeros((10, 24))
    found = find_identical_meters(pd.concat([profiles("A", 10, values=idle), profiles("B", 10, values=idle)]))
    assert found.empty


def test_a_few_equal_days_are_no_twins():
    one = profiles("A", 10)
    other = profiles("B", 10)
    other.iloc[:6, 2:] = one.iloc[:6, 2:]
    assert find_identical_meters(pd.concat([one, other])).empty


def test_each_of_many_twins_is_paired_with_the_first_by_name():
    one = profiles("B", 10)
    found = find_identical_meters(pd.concat([one.assign(id=name) for name in "DBCA"]))
    assert found[["meter_id", "other_meter_id"]].to_numpy().tolist() == [["A", "B"], ["A", "C"], ["A", "D"]]
    assert set(found["identical_days"]) == set(found["common_days"]) == {10}


def test_no_profiles_have_no_twins():
    assert find_identical_meters(empty_profiles(60)).empty
