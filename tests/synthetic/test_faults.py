"""Each fault makes a meter's file wrong inside its window, and nothing else."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from loadprofiles import synthetic
from loadprofiles.errors import ParameterError
from tests.synthetic.raw import raw_customers, raw_newmongo, raw_oldmongo, raw_sql

NOON = pd.Timestamp("2019-05-10 12:00", tz="UTC")
INI, END, INCR = (f"Active_Energy_+_{name}" for name in ("Total_ini", "Total_end", "Incr"))


def with_registers(archetype: str = "household", **register: object) -> synthetic.Meter:
    meter = synthetic.make_meter("A", archetype, days=12)
    return replace(meter, register=synthetic.Register(**{"start_kwh": (5000.0, 300.0), **register}))


def registers(meter: synthetic.Meter) -> pd.DataFrame:
    frame = synthetic.oldmongo_frame(meter)
    return frame.set_index(pd.to_datetime(frame["timestamp"]))


def around(meter: synthetic.Meter, name: str, first: int, last: int) -> np.ndarray:
    """A column at the rows from `first` to `last` (exclusive) after noon."""
    rows = registers(meter)[name]
    position = int(rows.index.searchsorted(NOON))
    return rows.iloc[position + first : position + last].to_numpy()


def counted(meter: synthetic.Meter, first: int, last: int) -> np.ndarray:
    """True energy of the intervals from `first` to `last` after noon."""
    position = int(meter.index.searchsorted(NOON))
    return meter.truth.energy_kwh.iloc[position + first : position + last].to_numpy()


REGISTER_CASES = [
    ("scale_change", 1, {"factor": 60.0}),
    ("scale_change", 1, {"factor": 0.001, "variant": "late_start"}),
    ("reset", 1, {}),
    ("exchange", 1, {}),
    ("rollover", 1, {}),
    ("rollover", 1, {"variant": "wrapped_start"}),
    ("transient_zero", 8, {}),
    ("register_stuck", 40, {}),
    ("register_stuck", 40, {"variant": "lost"}),
    ("register_decrease", 4, {}),
    ("outlier_high", 1, {}),
    ("flat_line", 60, {}),
    ("out_of_order", 30, {}),
]


@pytest.mark.parametrize(("kind", "steps", "options"), REGISTER_CASES)
def test_a_register_fault_leaves_the_truth_and_all_energies_outside_its_window(
    kind: str, steps: int, options: dict
) -> None:
    clean = with_registers("cold_storage")
    faulty = synthetic.add_fault(clean, kind, NOON, steps, **options)
    pd.testing.assert_series_equal(faulty.truth.energy_kwh, clean.truth.energy_kwh)
    rows = registers(faulty).sort_index()
    late = faulty.step if options.get("variant") == "late_start" else pd.Timedelta(0)
    factor = options.get("factor", 1.0)
    ini = rows[INI] / np.where(rows.index >= NOON + late, factor, 1.0)
    end = rows[END] / np.where(rows.index >= NOON, factor, 1.0)
    right = np.isclose(end - ini, clean.truth.energy_kwh, rtol=0, atol=1e-6)
    inside = faulty.truth.events[0].covers(faulty.index)
    assert right[~inside].all()
    lost = kind in synthetic.TOUCHING or kind == "rollover"
    assert right[inside].any() != lost


def test_a_late_start_has_the_old_scale_for_one_row() -> None:
    meter = synthetic.add_fault(with_registers(), "scale_change", NOON, factor=1000.0, variant="late_start")
    before = around(with_registers(), END, -1, 2)
    np.testing.assert_allclose(around(meter, INI, 0, 2), [before[0], before[1] * 1000])
    np.testing.assert_allclose(around(meter, END, -1, 2), before * [1, 1000, 1000])
    np.testing.assert_allclose(around(meter, INCR, 0, 1), counted(meter, 0, 1) * 1000)


@pytest.mark.parametrize("factor", [10, 100, 1000, 0.001, 2, 0.5, 30, 60, 60000, 1 / 60000, 1 / 30000])
def test_any_factor_scales_both_registers_and_increments_from_its_row_on(factor: float) -> None:
    clean = with_registers("pv_prosumer")
    rows, faulty = registers(clean), registers(synthetic.add_fault(clean, "scale_change", NOON, factor=factor))
    for sign in "+-":
        for name in ("Total_ini", "Total_end"):
            column = f"Active_Energy_{sign}_{name}"
            ratio = faulty[column] / rows[column]
            np.testing.assert_allclose(ratio[rows.index < NOON], 1, rtol=1e-12)
            np.testing.assert_allclose(ratio[rows.index >= NOON], factor, rtol=1e-12)
        column = f"Active_Energy_{sign}_Incr"
        after = rows.index >= NOON
        np.testing.assert_allclose(faulty[column][after], rows[column][after] * factor, rtol=0, atol=6e-4)


def test_an_exchanged_meter_starts_where_its_event_says_far_from_the_old_one() -> None:
    below_and_above = set()
    for number in range(8):
        meter = replace(with_registers(), seed=number)
        meter = synthetic.add_fault(meter, "exchange", NOON)
        (event,) = meter.truth.events
        assert around(meter, INI, 0, 1).tolist() == [event.value_kwh]
        jump = event.value_kwh - around(meter, END, -1, 0)[0]
        assert abs(jump) > 25 * meter.truth.energy_kwh.sum() / 12
        below_and_above.add(jump > 0)
    assert below_and_above == {False, True}


@pytest.mark.parametrize("unit", ["kWh", "Wh"])
@pytest.mark.parametrize("variant", ["", "wrapped_start"])
def test_a_rollover_passes_a_power_of_ten_in_its_row(unit: str, variant: str) -> None:
    meter = synthetic.add_fault(with_registers(unit=unit), "rollover", NOON, variant=variant)
    (event,) = meter.truth.events
    per_kwh = 1 if unit == "kWh" else 1000
    capacity = event.value_kwh * per_kwh
    assert np.log10(capacity) == pytest.approx(round(np.log10(capacity)))
    before, energy = around(meter, END, -1, 0)[0], counted(meter, 0, 1)[0] * per_kwh
    ini, end = around(meter, INI, 0, 1)[0], around(meter, END, 0, 1)[0]
    assert capacity - energy <= before < capacity
    assert end + capacity - before == pytest.approx(energy, abs=1e-6)
    assert ini == (0 if variant else before)
    assert 0 <= end < energy
    assert around(meter, INI, 1, 2)[0] == end


def test_registers_read_zero_for_a_while_and_are_right_again() -> None:
    meter = synthetic.add_fault(with_registers(), "transient_zero", NOON, 3)
    clean = with_registers()
    assert around(meter, INI, 0, 3).tolist() == around(meter, END, 0, 3).tolist() == [0, 0, 0]
    for name in (INI, END):
        assert around(meter, name, -5, 0).tolist() == around(clean, name, -5, 0).tolist()
        assert around(meter, name, 3, 9).tolist() == around(clean, name, 3, 9).tolist()


@pytest.mark.parametrize("variant", ["catches_up", "lost"])
def test_a_stuck_register_stands_still_and_catches_up_or_does_not(variant: str) -> None:
    meter = synthetic.add_fault(with_registers(), "register_stuck", NOON, 40, variant=variant)
    stand = around(meter, END, -1, 0)[0]
    assert set(around(meter, INI, 0, 40)) == set(around(meter, END, 0, 40)) == {stand}
    hidden = counted(meter, 0, 40).sum() if variant == "catches_up" else 0
    assert around(meter, INI, 40, 41)[0] - stand == pytest.approx(hidden, abs=1e-9)


def test_a_register_that_runs_backwards_falls_in_every_row_and_goes_on_from_there() -> None:
    meter = synthetic.add_fault(with_registers(), "register_decrease", NOON, 5)
    assert (np.diff(around(meter, END, -1, 5)) < 0).all()
    assert (np.diff(around(meter, END, 4, 30)) > 0).all()
    assert around(meter, INI, 0, 30).tolist() == around(meter, END, -1, 29).tolist()
    with pytest.raises(ParameterError, match="needs at least 3 rows"):
        synthetic.add_fault(with_registers(), "register_decrease", NOON, 2)


def test_registers_in_wh_or_with_fewer_digits_show_what_the_truth_says() -> None:
    coarse = synthetic.counted_in(with_registers("pv_prosumer"), 100)
    fine = with_registers("pv_prosumer").truth.energy_kwh
    energy = coarse.truth.energy_kwh
    np.testing.assert_allclose(energy, energy.round(1), atol=1e-12)
    for part in (energy.clip(lower=0), energy.clip(upper=0)):
        same = fine.clip(lower=0) if part.max() > 0 else fine.clip(upper=0)
        assert np.abs(part.cumsum() - same.cumsum()).max() <= 0.1
    in_wh = registers(replace(coarse, register=replace(coarse.register, unit="Wh")))
    in_kwh = registers(coarse)
    np.testing.assert_allclose(in_wh[END], in_kwh[END] * 1000)
    assert (in_wh[END] % 100 == 0).all()


def interval_meter(source: str = "sql", archetype: str = "household") -> synthetic.Meter:
    meter = synthetic.make_meter("A", archetype, source=source, days=12)
    # room for a spike below contracted power
    return replace(meter, contracted_power_kw=30.0)


def recorded(meter: synthetic.Meter) -> pd.Series:
    """Net energy in the meter's own file, in the file's order."""
    if meter.source == "sql":
        raw = raw_sql("\n".join(synthetic.sql_lines(meter)))
    elif meter.source == "newmongo":
        raw = raw_newmongo("\n".join(json.dumps(document) for document in synthetic.newmongo_documents(meter)))
    elif meter.source == "customers":
        raw = raw_customers(synthetic.customer_frame(meter).to_csv(index=False))
    else:
        raw = raw_oldmongo(synthetic.oldmongo_frame(meter).to_csv())
    return raw.set_index("stamp")["energy"]


@pytest.mark.parametrize("source", ["sql", "newmongo", "customers", "oldmongo"])
@pytest.mark.parametrize(("kind", "steps"), [("spike", 1), ("flat_line", 60), ("zeros", 60), ("negative", 4)])
def test_false_values_are_recorded_inside_the_window_only(source: str, kind: str, steps: int) -> None:
    meter = interval_meter(source)
    if source == "oldmongo" and kind in synthetic.INTERVAL_FAULTS:
        with pytest.raises(ParameterError, match="the registers of A cannot show it"):
            synthetic.add_fault(meter, kind, NOON, steps)
        return
    faulty = synthetic.add_fault(meter, kind, NOON, steps)
    energy, inside = recorded(faulty).round(9), faulty.truth.events[0].covers(faulty.index)
    true = meter.truth.energy_kwh
    pd.testing.assert_series_equal(faulty.truth.energy_kwh, true)
    np.testing.assert_allclose(energy[~inside], true[~inside], atol=1e-9)
    wrong = energy[inside]
    if kind == "spike":
        assert 3 * synthetic.usual_peak_kwh(meter) - 0.001 <= wrong.item() < 30.0 * meter.hours
        assert wrong.item() <= 6 * synthetic.usual_peak_kwh(meter) + 0.001
    elif kind == "negative":
        np.testing.assert_allclose(wrong, -true[inside])
        assert faulty.truth.events[0].value_kwh == pytest.approx(wrong.sum())
    else:
        assert len(set(wrong)) == 1
        assert (wrong == 0).all() == (kind == "zeros")


@pytest.mark.parametrize("source", ["sql", "newmongo", "customers", "oldmongo"])
def test_a_clock_twelve_hours_off_stamps_every_reading_too_late(source: str) -> None:
    meter = synthetic.make_meter("A", "pv_prosumer", source=source, days=12)
    faulty = synthetic.add_fault(meter, "production_at_night", NOON)
    energy, true = recorded(faulty), meter.truth.energy_kwh
    np.testing.assert_allclose(energy.iloc[48:], true.iloc[:-48], atol=1e-9)
    assert set(energy[energy < 0].index.hour).isdisjoint(range(9, 17))
    assert faulty.truth.events[0].covers(faulty.index).all()
    with pytest.raises(ParameterError, match="overlaps its production_at_night"):
        synthetic.add_fault(faulty, "gap_short", NOON)


@pytest.mark.parametrize("source", ["sql", "newmongo", "customers", "oldmongo"])
def test_rows_out_of_order_are_late_and_otherwise_as_they_were(source: str) -> None:
    meter = interval_meter(source)
    faulty = synthetic.add_fault(meter, "out_of_order", NOON, 10)
    before, after = recorded(meter), recorded(faulty)
    pd.testing.assert_series_equal(after.sort_index(), before)
    late = faulty.truth.events[0].covers(pd.DatetimeIndex(after.index))
    assert late[-late.sum() :].all()
    assert not after.index.is_monotonic_increasing
    assert late.sum() == (96 if source == "newmongo" else 10)


@pytest.mark.parametrize("kind", synthetic.REGISTER_FAULTS)
def test_sources_without_registers_cannot_have_their_faults(kind: str) -> None:
    with pytest.raises(ParameterError, match="A of sql has no registers"):
        synthetic.add_fault(interval_meter(), kind, NOON, 8)


def test_faults_that_a_meters_load_cannot_have_are_refused() -> None:
    with pytest.raises(ParameterError, match="exports nothing"):
        synthetic.add_fault(interval_meter(), "production_at_night", NOON)
    with pytest.raises(ParameterError, match="its production is not 0"):
        synthetic.add_fault(interval_meter(archetype="pv_prosumer"), "negative", NOON)
    with pytest.raises(ParameterError, match="has zeros of its own"):
        meter = interval_meter()
        energy = meter.truth.energy_kwh.where(meter.index != meter.index[5], 0.0)
        synthetic.add_fault(replace(meter, truth=replace(meter.truth, energy_kwh=energy)), "zeros", NOON, 50)
    with pytest.raises(ParameterError, match="no room for a spike"):
        synthetic.add_fault(replace(interval_meter(), contracted_power_kw=1.0), "spike", NOON)
    with pytest.raises(ParameterError, match="no variant 'slowly'; there are: 'catches_up', 'lost'"):
        synthetic.add_fault(with_registers(), "register_stuck", NOON, 40, variant="slowly")
    rolled = synthetic.add_fault(with_registers(), "rollover", NOON)
    with pytest.raises(ParameterError, match="has a rollover later"):
        synthetic.add_fault(rolled, "reset", NOON - 4 * rolled.step)
    with pytest.raises(ParameterError, match="has a rollover already"):
        synthetic.add_fault(rolled, "rollover", NOON + 4 * rolled.step)
    new = synthetic.add_fault(with_registers(), "reset", NOON)
    with pytest.raises(ParameterError, match="got another meter before"):
        synthetic.add_fault(new, "rollover", NOON + 4 * new.step)
    sunny = with_registers("pv_prosumer").truth.energy_kwh
    with pytest.raises(ParameterError, match="imports nothing at that time"):
        synthetic.add_fault(with_registers("pv_prosumer"), "rollover", sunny.idxmin())


def test_faults_of_registers_lie_over_each_other_in_the_order_of_time() -> None:
    meter = with_registers("cold_storage")
    day = pd.Timedelta(days=1)
    # added against the order of time
    meter = synthetic.add_fault(meter, "exchange", NOON + 2 * day)
    meter = synthetic.add_fault(meter, "register_stuck", NOON, 40, variant="lost")
    meter = synthetic.add_fault(meter, "reset", NOON - 2 * day)
    rows = registers(meter)
    assert rows[INI][NOON - 2 * day] == 0
    assert rows[INI][NOON + 2 * day] == next(e.value_kwh for e in meter.truth.events if e.kind == "exchange")
    inside = meter.truth.events[1].covers(meter.index)
    np.testing.assert_allclose((rows[END] - rows[INI])[~inside], meter.truth.energy_kwh[~inside], atol=1e-6)


def test_a_rollover_after_a_stuck_register_is_still_in_its_row() -> None:
    for variant in ("catches_up", "lost"):
        meter = with_registers("cold_storage")
        meter = synthetic.add_fault(meter, "register_stuck", NOON - pd.Timedelta(days=2), 40, variant=variant)
        meter = synthetic.add_fault(meter, "rollover", NOON)
        (capacity,) = (event.value_kwh for event in meter.truth.events if event.kind == "rollover")
        assert capacity - 10 < around(meter, END, -1, 0)[0] < capacity
        assert 0 <= around(meter, END, 0, 1)[0] < 10


def test_every_kind_can_be_scattered_but_those_of_whole_meters() -> None:
    whole = {"identical_meters", "production_at_night"}
    registers_only = set(synthetic.REGISTER_FAULTS) - {"reset", "exchange"}  # no rollover after those
    meter = synthetic.make_meter("A", "cold_storage", days=60)
    meter = synthetic.scatter_faults(replace(meter, contracted_power_kw=90.0), sorted(registers_only))
    assert {event.kind for event in meter.truth.events} == registers_only
    intervals = set(synthetic.FAULTS) - set(synthetic.REGISTER_FAULTS) - whole
    meter = synthetic.make_meter("A", "cold_storage", source="customers", days=60, resolution_minutes=60)
    meter = synthetic.scatter_faults(replace(meter, contracted_power_kw=90.0), sorted(intervals))
    assert {event.kind for event in meter.truth.events} == intervals
