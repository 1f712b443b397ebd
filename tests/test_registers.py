"""Faults of registers: each found by what speaks for it, and only then; energies of what is left."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles import registers
from loadprofiles.meters import Limits
from loadprofiles.registers import DECREASE, EXCHANGE, RESET, ROLLOVER, SCALE_CHANGE, Registers

DAY = 0.2 + 0.3 * np.sin(np.arange(96) / 96 * np.pi) ** 2
ROW = 150


def counter(first=1000.0, days=3):
    """A register of 0.2 to 0.5 kWh a step."""
    return np.round(first + np.cumsum(np.tile(DAY, days)), 3)


def starts(end):
    return np.r_[end[0], end[:-1]]


def find(import_end, export_end=None, import_start=None):
    n = len(import_end)
    unknown = np.full(n, np.nan)
    registered = Registers(
        import_start=unknown if import_start is None else import_start,
        import_end=import_end,
        export_start=unknown,
        export_end=np.zeros(n) if export_end is None else export_end,
        steps=ones(n),
        unit=np.ones(n),
    )
    return registers.find_faults(registered)


def ones(n):
    return np.ones(n, dtype=np.int64)


def no(n):
    return np.zeros(n, dtype=np.bool_)


def told(faults):
    return [(fault.kind, fault.row) for fault in faults]


def test_a_register_that_only_counts_has_no_fault():
    assert find(counter()) == []


@pytest.mark.parametrize("factor", [10.0, 1000.0, 0.001, 2.0, 0.5, 30.0, 60.0, 60000.0, 1 / 60000, 1 / 30000])
def test_a_change_of_scale_is_found_with_its_factor_and_undone(factor):
    true = counter()
    raw = true.copy()
    raw[ROW:] *= factor
    (change,) = find(raw)
    assert (change.kind, change.row) == (SCALE_CHANGE, ROW)
    assert change.factor == pytest.approx(factor, rel=1e-9)
    assert change.confidence > 0.9
    scaled = raw * registers.multipliers([change], len(raw)) / factor
    np.testing.assert_allclose(np.diff(scaled), np.diff(true), atol=1e-6)


def test_an_export_register_that_does_not_follow_speaks_against_a_change_of_scale():
    raw = counter()
    raw[ROW:] *= 1000
    assert SCALE_CHANGE not in dict(told(find(raw, np.full(len(raw), 50.0))))


def test_a_level_that_stays_speaks_against_a_change_of_scale():
    raw = counter()
    raw[ROW:] += 999 * raw[ROW]
    assert find(raw) == [], "a jump to a thousand times the value, but the load goes on as before"


@pytest.mark.parametrize("still_old", [False, True])
def test_the_start_at_a_change_of_scale_may_be_in_the_new_scale_or_still_in_the_old(still_old):
    raw = counter()
    raw[ROW:] *= 1000
    start = starts(raw)
    start[ROW] *= 1 if still_old else 1000
    assert told(find(raw, import_start=start)) == [(SCALE_CHANGE, ROW)]


def test_a_young_register_that_grows_tenfold_by_itself_is_no_change_of_scale():
    assert find(counter(first=0.0)) == []


def test_a_meter_that_is_exchanged_goes_on_from_its_own_start_whatever_the_ratio():
    raw = counter()
    raw[ROW:] += 9 * raw[ROW - 1]
    start = starts(raw)
    start[ROW] = raw[ROW] - 0.3
    assert told(find(raw, import_start=start)) == [(EXCHANGE, ROW)]


@pytest.mark.parametrize("known", [True, False])
def test_a_register_that_starts_again_at_0_was_reset(known):
    raw = counter()
    raw[ROW:] -= raw[ROW - 1]
    start = starts(raw)
    start[ROW] = 0.0
    assert told(find(raw, import_start=start if known else None)) == [(RESET, ROW)]


def test_a_register_of_tiny_values_that_starts_again_at_0_was_reset_and_did_not_fall():
    raw = counter() / 300_000  # what a change of scale may leave of it: a step counts 0.000001
    raw[ROW:] -= raw[ROW - 1]
    start = starts(raw)
    start[ROW] = 0.0
    assert told(find(raw, import_start=start)) == [(RESET, ROW)]


def test_a_register_that_passes_a_power_of_ten_rolled_over_and_loses_no_energy():
    true = counter(first=99_950.0)
    raw = true % 100_000
    (fault,) = find(raw, import_start=starts(true) % 100_000)
    assert (fault.kind, fault.factor, fault.register) == (ROLLOVER, 100_000.0, "import")
    _, end = registers.unwrap(starts(true) % 100_000, raw, [fault], np.ones(len(raw)))
    np.testing.assert_allclose(end, true)


def test_a_register_that_runs_backwards_is_told_at_each_fall():
    raw = counter()
    raw[ROW : ROW + 3] = raw[ROW - 1] - 0.1 * np.arange(1, 4)
    raw[ROW + 3 :] += raw[ROW + 2] - raw[ROW + 3] + 0.3
    assert told(find(raw, import_start=starts(raw))) == [(DECREASE, ROW + i) for i in range(3)]


def test_a_jump_that_nothing_explains_is_left_to_the_limits():
    raw = counter()
    raw[ROW:] += 77.7
    assert find(raw, import_start=starts(raw)) == []


@pytest.mark.parametrize("bad", [[0.0], [5000.0], [0.0, 0.0, 0.0], [1.0, 2.0], [5000.0, 5001.0]])
def test_values_off_a_growing_register_are_an_excursion(bad):
    register = np.r_[100.0, 101.0, bad, 103.0, 104.0]
    assert np.flatnonzero(registers.flag_excursion(register)).tolist() == list(range(2, 2 + len(bad)))


def test_zeros_of_most_of_a_day_are_an_excursion_and_a_register_that_stays_low_is_not():
    assert registers.flag_excursion(np.r_[100.0, np.zeros(90), 101.0]).sum() == 90
    assert not registers.flag_excursion(np.array([100.0, 101.0, 0.3, 0.9])).any()
    assert not registers.flag_excursion(np.array([0.0, 0.0, 0.3, 0.9])).any()


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
    assert registers.kwh_per_unit(register, np.ones(50), np.ones(50), limits)[0] == expected


def test_the_side_of_a_change_that_suits_the_contracted_power_gives_the_unit():
    # 30 kW of 40 before a tenfold jump: the side before is in kWh, all after must be divided by ten
    scale = np.r_[np.full(25, 10.0), np.ones(25)]
    register = 10 * (1000 + 30.0 * np.arange(50))
    assert registers.kwh_per_unit(register, scale, np.ones(50), LIMITS) == (pytest.approx(0.1), True)


def test_a_load_of_next_to_nothing_of_the_contracted_power_was_read_in_too_large_a_unit():
    # kWh, then MWh: 30 W of 40 kW would be in kWh, or 30 kW in MWh
    scale = np.r_[np.full(25, 0.001), np.ones(25)]
    register = 1000 + 0.03 * np.arange(50)
    assert registers.kwh_per_unit(register, scale, np.ones(50), LIMITS) == (pytest.approx(1000.0), True)
    assert not registers.kwh_per_unit(register, scale, np.ones(50), UNKNOWN)[1], "nobody knows"


def test_a_standing_register_is_taken_as_kwh():
    assert registers.kwh_per_unit(np.full(5, 7.0), np.ones(5), np.ones(5), LIMITS) == (1.0, True)


def test_energy_across_a_gap_is_split_by_the_rows_own_start():
    table = registers.register_energy(
        np.array([0.0, 1.0, 8.0]), np.array([1.0, 2.0, 9.0]), np.array([0, 0, 3]), no(3), no(3)
    )
    assert table.energy.tolist() == [1.0, 1.0, 1.0]
    assert table.gap_energy.tolist()[2] == 2.0  # (8 - 2) kWh over 3 steps


def test_energy_across_a_gap_without_a_start_is_spread_evenly_and_the_closing_row_is_unknown():
    table = registers.register_energy(np.full(3, np.nan), np.array([1.0, 2.0, 10.0]), np.array([0, 0, 3]), no(3), no(3))
    assert np.isnan(table.energy[2])
    assert table.gap_energy[2] == 2.0


def test_after_a_restart_only_the_new_meters_own_count_is_energy():
    restart = np.array([False, False, True, False])
    table = registers.register_energy(
        np.array([9.0, 10.0, 0.0, 0.4]), np.array([10.0, 11.0, 0.4, 0.9]), np.zeros(4, int), restart, no(4)
    )
    np.testing.assert_allclose(table.energy, [1, 1, 0.4, 0.5])


@given(
    st.lists(st.integers(500, 1500), min_size=40, max_size=90),
    st.integers(20, 24),
    st.sampled_from([10.0, 1000.0, 0.001, 2.0, 60000.0]),
)
def test_energies_do_not_depend_on_where_the_scale_changed(watt_hours, row, factor):
    true = 1e7 + np.cumsum(watt_hours)  # a register old enough that its own growth is small
    raw = true.astype(float)
    raw[row:] *= factor
    changes = [fault for fault in find(raw) if fault.kind == SCALE_CHANGE]
    scaled = raw * registers.multipliers(changes, len(raw))
    np.testing.assert_allclose(np.diff(scaled) / factor, np.diff(true), atol=1e-4)
