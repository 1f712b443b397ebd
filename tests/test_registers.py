import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles import registers
from loadprofiles.meters import Limits

NO_EXPORT = np.zeros(6)


def find(import_end, export_end=NO_EXPORT, import_start=None):
    start = np.full(len(import_end), np.nan) if import_start is None else import_start
    return registers.find_scale_changes(start, import_end, export_end, ones(len(import_end)))


def ones(n):
    return np.ones(n, dtype=np.int64)


def test_a_thousandfold_register_is_a_change_of_scale_and_energies_before_it_are_multiplied():
    register = np.array([100.0, 100.5, 101.0, 101500.0, 102000.0, 102500.0])
    (change,) = find(register)
    assert (change.row, change.factor) == (3, 1000.0)
    scaled = register * registers.multipliers([change], 6)
    np.testing.assert_allclose(np.diff(scaled), 500)


def test_a_scale_change_downwards_divides():
    register = np.array([100500.0, 101000.0, 101500.0, 102.0, 102.5, 103.0])
    (change,) = find(register)
    assert (change.row, change.factor) == (3, 0.001)


def test_an_export_register_that_does_not_follow_speaks_against_a_change_of_scale():
    register = np.array([100.0, 100.5, 101.0, 101500.0, 102000.0, 102500.0])
    assert find(register, np.full(6, 50.0)) == []


def test_an_exchanged_meter_is_no_change_of_scale_whatever_the_ratio():
    register = np.array([100.0, 100.5, 101.0, 0.101, 0.2, 0.3])
    start = np.array([99.5, 100.0, 100.5, 0.0, 0.101, 0.2])
    assert find(register, import_start=start) == []
    assert len(find(register)) == 1, "without the start there is no telling"


@pytest.mark.parametrize("start_at_change", [101000.0, 101.0])
def test_the_start_at_a_change_of_scale_may_be_in_the_new_scale_or_still_in_the_old(start_at_change):
    register = np.array([100.0, 100.5, 101.0, 101500.0, 102000.0, 102500.0])
    start = np.array([99.5, 100.0, 100.5, start_at_change, 101500.0, 102000.0])
    assert len(find(register, import_start=start)) == 1


def test_a_young_register_that_grows_tenfold_by_itself_is_no_change_of_scale():
    register = np.array([0.05, 0.5, 1.0, 1.6, 2.1, 2.7])
    assert find(register) == []


@pytest.mark.parametrize("bad", [0.0, 5000.0])
def test_a_single_value_off_a_growing_register_is_an_excursion(bad):
    register = np.array([100.0, 101.0, bad, 103.0])
    assert registers.flag_excursion(register).tolist() == [False, False, True, False]


def test_a_register_that_starts_again_is_no_excursion_but_a_decrease():
    register = np.array([100.0, 101.0, 0.3, 0.9])
    assert not registers.flag_excursion(register).any()
    assert registers.flag_decrease(register).tolist() == [False, False, True, False]


LIMITS = Limits(import_kw=40.0, export_kw=0.0, known=True)
UNKNOWN = Limits(import_kw=200.0, export_kw=200.0, known=False)


@pytest.mark.parametrize(
    ("kw", "decimals", "limits", "expected"),
    [
        (25.0, 3, LIMITS, 1.0),  # 25 kW of 40: kWh
        (25000.0, 0, LIMITS, 0.001),  # 25,000 cannot be kW
        (30.0, 0, LIMITS, 1.0),  # whole kWh: 0.03 kW would be possible, 30 of 40 is likelier
        (150.0, 0, UNKNOWN, 0.001),  # nothing known: whole numbers are Wh
        (150.25, 2, UNKNOWN, 1.0),  # and decimals are kWh
    ],
)
def test_unit_of_a_register_follows_from_contracted_power_then_from_its_resolution(kw, decimals, limits, expected):
    register = np.round(1000 + kw * np.arange(50), decimals)
    assert registers.kwh_per_unit(register, np.ones(50), np.ones(50), limits) == expected


def test_the_side_of_a_change_that_suits_the_contracted_power_gives_the_unit():
    # 30 kW of 40 before a tenfold jump: the side before is in kWh, all after must be divided by ten
    scale = np.r_[np.full(25, 10.0), np.ones(25)]
    register = 10 * (1000 + 30.0 * np.arange(50))
    assert registers.kwh_per_unit(register, scale, np.ones(50), LIMITS) == pytest.approx(0.1)


def test_a_standing_register_is_taken_as_kwh():
    assert registers.kwh_per_unit(np.full(5, 7.0), np.ones(5), np.ones(5), LIMITS) == 1.0


def test_energy_across_a_gap_is_split_by_the_rows_own_start():
    table = registers.register_energy(
        start_kwh=np.array([0.0, 1.0, 8.0]), end_kwh=np.array([1.0, 2.0, 9.0]), missed=np.array([0, 0, 3])
    )
    assert table["energy"].tolist() == [1.0, 1.0, 1.0]
    assert table["gap_energy"].tolist()[2] == 2.0  # (8 - 2) kWh over 3 steps


def test_energy_across_a_gap_without_a_start_is_spread_evenly_and_the_closing_row_is_unknown():
    table = registers.register_energy(
        start_kwh=np.full(3, np.nan), end_kwh=np.array([1.0, 2.0, 10.0]), missed=np.array([0, 0, 3])
    )
    assert np.isnan(table["energy"][2])
    assert table["gap_energy"][2] == 2.0


def test_after_a_reset_only_the_new_meters_own_count_is_energy():
    table = registers.register_energy(
        start_kwh=np.array([9.0, 10.0, 0.0, 0.4]),
        end_kwh=np.array([10.0, 11.0, 0.4, 0.9]),
        missed=np.zeros(4, int),
    )
    np.testing.assert_allclose(table["energy"], [1, 1, 0.4, 0.5])
    assert table["reset"].tolist() == [False, False, True, False]


@given(
    st.lists(st.integers(0, 5000), min_size=8, max_size=60),
    st.integers(2, 6),
    st.sampled_from([10.0, 1000.0, 0.001]),
)
def test_energies_do_not_depend_on_where_the_scale_changed(watt_hours, row, factor):
    true = 1e6 + np.cumsum(watt_hours)  # a register old enough that its own growth is small
    raw = true.astype(float)
    raw[row:] *= factor
    changes = find(raw, np.zeros(len(raw)))
    scaled = raw * registers.multipliers(changes, len(raw))
    np.testing.assert_allclose(np.diff(scaled) / factor, np.diff(true), atol=1e-6)
