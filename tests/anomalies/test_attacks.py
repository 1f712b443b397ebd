"""What each attack does to the days it is given, and that it leaves all others as they were."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from loadprofiles.anomalies.attacks import ATTACKS, FAULT, THEFT, apply
from loadprofiles.anomalies.days import MeterDays
from loadprofiles.errors import ParameterError

NAMES = sorted(ATTACKS)
ACTIVE_ONLY = ("h1", "h2", "h3", "h4", "h5", "h6", "floor", "shifted")
SCALED = ("bypass", "on_off", "capping", "night", "ramp", "mild")
RISING = np.arange(1.0, 25.0)


def meter(n_days=6, phases=2, *, active=None, with_reactive=True):
    """Days that each rise from 1 to 24 kWh, half as much reactive energy, 230 V."""
    energy = np.tile(RISING, (n_days, 1)) if active is None else np.array(active, dtype=float)
    return MeterDays(
        "A",
        19000,
        energy,
        energy / 2 if with_reactive else None,
        np.full((phases, len(energy), 24), 230.0),
        np.zeros(energy.shape, dtype=np.bool_),
    )


def attacked(name, days, start=2, length=3, seed=0):
    return apply(ATTACKS[name], days, start, length, np.random.default_rng(seed))


def window(name, seed=0, **changes):
    """Active energies of an attack's three days."""
    return attacked(name, meter(**changes), seed=seed).active_kwh[2:5]


def test_the_level_thefts_are_those_that_lower_all_hours():
    assert {name for name in NAMES if ATTACKS[name].is_level} == {"h1", "h3", "h4", "bypass"}
    assert {name for name in NAMES if ATTACKS[name].kind == FAULT} == {
        "stuck", "spike", "thousand", "sign", "gap", "lost_phase"
    }  # fmt: skip
    assert {name for name in NAMES if ATTACKS[name].kind == THEFT} == {*ACTIVE_ONLY, *SCALED}
    assert all(name == attack.name and attack.source for name, attack in ATTACKS.items())


def arrays_of(days):
    """Copies; the reactive energies of a meter without them are one NaN."""
    return [np.array(values, dtype=float) for values in (days.active_kwh, days.reactive_kvarh, days.voltage_v)]


@st.composite
def cases(draw):
    n_days = draw(st.integers(1, 8))
    values = st.floats(-10, 1000, width=32) | st.just(0.0) | st.just(float("nan"))
    active = draw(hnp.arrays(np.float64, (n_days, 24), elements=values))
    start = draw(st.integers(0, n_days - 1))
    days = meter(active=active, phases=draw(st.integers(1, 3)), with_reactive=draw(st.booleans()))
    days.voltage_v[:, draw(st.integers(0, n_days - 1)), draw(st.integers(0, 23))] = np.nan
    return days, start, draw(st.integers(1, n_days - start)), draw(st.integers(0, 2**32))


@pytest.mark.parametrize("name", NAMES)
@given(case=cases())
def test_only_the_days_attacked_change_and_what_is_not_known_stays_so(name, case):
    days, start, length, seed = case
    before = arrays_of(days)
    result = attacked(name, days, start, length, seed)
    after = arrays_of(result)
    for one, other in zip(before, arrays_of(days), strict=True):
        np.testing.assert_array_equal(one, other)
    outside = np.r_[0:start, start + length : len(days)]
    for one, other in zip(before, after, strict=True):
        assert one.shape == other.shape
        if one.ndim:
            np.testing.assert_array_equal(one[..., outside, :], other[..., outside, :])
    if name != "gap":
        assert (np.isnan(before[0]) == np.isnan(after[0])).all()
    assert result.doubted is days.doubted
    again = attacked(name, days, start, length, seed)
    np.testing.assert_array_equal(after[0], again.active_kwh)


@pytest.mark.parametrize("name", [name for name in NAMES if ATTACKS[name].kind == THEFT])
def test_a_theft_keeps_the_voltages_and_the_power_factor_if_current_goes_past_the_meter(name):
    days = meter()
    result = attacked(name, days)
    assert (result.active_kwh[2:5] != days.active_kwh[2:5]).any()
    np.testing.assert_array_equal(result.voltage_v, days.voltage_v)
    expected = result.active_kwh / 2 if name in SCALED else days.reactive_kvarh
    np.testing.assert_allclose(result.reactive_kvarh, expected)


@pytest.mark.parametrize("seed", range(20))
def test_h1_and_bypass_take_one_share_and_mild_less_than_a_tenth(seed):
    for name, low, high in (("h1", 0.1, 0.8), ("bypass", 0.1, 0.8), ("mild", 0.9, 0.97)):
        factors = window(name, seed) / RISING
        assert np.ptp(factors) < 1e-12
        assert low <= factors[0, 0] <= high


@pytest.mark.parametrize("seed", range(20))
def test_h2_makes_the_same_hours_zero_each_day(seed):
    active = window("h2", seed)
    zero = np.flatnonzero(active[0] == 0)
    assert 4 <= len(zero) == zero[-1] - zero[0] + 1
    assert ((active == 0) == (active[0] == 0)).all()
    assert (active[0][active[0] != 0] == RISING[active[0] != 0]).all()


def test_h3_takes_another_share_each_hour():
    factors = window("h3") / RISING
    assert len(np.unique(factors)) == factors.size
    assert 0.1 <= factors.min() <= factors.max() <= 0.8


def test_h4_tells_shares_of_the_mean_and_h5_the_mean():
    assert 0.1 * 12.5 <= window("h4").min() <= window("h4").max() <= 0.8 * 12.5
    assert (window("h5") == 12.5).all()


def test_a_mean_is_that_of_the_known_hours():
    active = np.full((6, 24), np.nan)
    active[2, :2] = 1, 3
    result = window("h5", active=active)
    assert result[0, :2].tolist() == [2, 2]
    assert np.isnan(result).sum() == 3 * 24 - 2


def test_h6_tells_the_hours_in_reverse():
    assert (window("h6") == RISING[::-1]).all()
    active = np.tile(RISING, (6, 1))
    active[:, 23] = np.nan
    assert window("h6", active=active)[0, :23].tolist() == RISING[22::-1].tolist()


@pytest.mark.parametrize("seed", range(20))
def test_on_off_takes_one_share_now_and_then(seed):
    factors = np.unique((window("on_off", seed) / RISING).round(9))
    assert len(factors) == 2
    assert 0.1 <= factors[0] <= 0.6
    assert factors[1] == 1


def test_capping_cuts_and_floor_subtracts():
    capped = window("capping")
    assert (capped == np.minimum(RISING, capped.max())).all()
    assert 7 < capped.max() < 18
    floored = window("floor")
    taken = 24 - floored.max()
    np.testing.assert_allclose(floored, np.tile(np.maximum(RISING - taken, 0), (3, 1)))
    assert 0.2 * 12.5 <= taken <= 0.7 * 12.5


def test_night_takes_from_ten_in_the_evening_to_six():
    factors = window("night") / RISING
    assert (factors[:, 6:22] == 1).all()
    assert len(np.unique(factors[:, [22, 23, 0, 1, 2, 3, 4, 5]].round(9))) == 1
    assert 0.1 <= factors[0, 0] <= 0.6


def test_ramp_takes_more_each_day():
    factors = (window("ramp") / RISING)[:, 0]
    assert 1 > factors[0] > factors[1] > factors[2] >= 0.2


def test_shifted_moves_the_evening_into_the_small_hours():
    active = window("shifted")
    np.testing.assert_allclose(active.sum(axis=1), RISING.sum())
    assert (active[:, 18:23] < RISING[18:23]).all()
    assert (active[:, :6] > RISING[:6]).all()
    assert (active[:, [*range(6, 18), 23]] == RISING[[*range(6, 18), 23]]).all()


def test_stuck_tells_the_last_known_record_before():
    days = meter()
    days.active_kwh[1, 23] = np.nan
    result = attacked("stuck", days)
    assert (result.active_kwh[2:5] == 23).all()
    assert (result.reactive_kvarh[2:5] == 12).all()


def test_stuck_from_the_first_day_tells_the_first_known_record():
    days = meter()
    days.active_kwh[0, 0] = np.nan
    active = attacked("stuck", days, start=0).active_kwh[:3].ravel()
    assert (active[1:] == 2).all()


@pytest.mark.parametrize("seed", range(20))
def test_a_spike_lifts_one_to_three_hours_in_a_row_of_each_day(seed):
    factors = window("spike", seed) / RISING
    for day in factors:
        hours = np.flatnonzero(day != 1)
        assert 1 <= len(hours) <= 3
        assert hours[-1] - hours[0] + 1 == len(hours)
        assert 8 <= day[hours].min() <= day[hours].max() <= 20


def test_a_spike_is_where_there_is_energy():
    active = np.zeros((6, 24))
    active[:, 7] = 1
    assert (window("spike", active=active)[:, 7] >= 8).all()


def test_thousand_and_sign():
    assert (window("thousand") == 1000 * RISING).all()
    assert (window("sign") == -RISING).all()


@pytest.mark.parametrize("seed", range(20))
def test_a_gap_takes_six_hours_or_more_of_each_day_from_all_columns(seed):
    result = attacked("gap", meter(), seed=seed)
    unknown = np.isnan(result.active_kwh)
    assert (unknown[2:5].sum(axis=1) >= 6).all()
    assert (np.diff(unknown[2:5].astype(int), axis=1) == 1).sum(axis=1).max() <= 1
    assert (np.isnan(result.reactive_kvarh) == unknown).all()
    assert (np.isnan(result.voltage_v) == unknown).all()


@pytest.mark.parametrize("phases", [1, 2, 3])
def test_a_lost_phase_takes_its_voltage_and_its_share(phases):
    days = meter(phases=phases)
    result = attacked("lost_phase", days)
    lost = (result.voltage_v[:, 2:5] <= 23).all(axis=(1, 2))
    assert lost.sum() == 1
    assert (result.voltage_v[~lost] == 230).all()
    np.testing.assert_allclose(result.active_kwh[2:5], days.active_kwh[2:5] * (1 - 1 / phases))
    np.testing.assert_allclose(result.reactive_kvarh, result.active_kwh / 2)


def test_a_phase_without_voltages_cannot_be_lost():
    days = meter()
    days.voltage_v[0] = np.nan
    for seed in range(10):
        assert (attacked("lost_phase", days, seed=seed).voltage_v[1, 2:5] <= 23).all()


def test_a_meter_without_voltages_can_have_all_but_a_lost_phase():
    days = meter(phases=0, with_reactive=False)
    assert [name for name in NAMES if not ATTACKS[name].applies(days)] == ["lost_phase"]
    with pytest.raises(ParameterError, match="attack lost_phase on meter A: it has no voltages"):
        attacked("lost_phase", days)
    assert attacked("bypass", days).reactive_kvarh is None


@pytest.mark.parametrize(("start", "length"), [(-1, 2), (4, 3), (0, 0)])
def test_days_that_are_not_there_cannot_be_attacked(start, length):
    with pytest.raises(ParameterError, match=r"attack h1 on days .* of meter A, which has days 0 to 5"):
        attacked("h1", meter(), start, length)
