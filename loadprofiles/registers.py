"""Cumulative registers to readings, and the faults that registers have.

A register only grows, by what the load allows. Where it does not, one of a few things has happened: its unit or
scale changed, it rolled over, the meter was reset or exchanged, a transmission lost values, the counter ran
backwards or stood still. Each is a hypothesis that makes predictions: about the ratio across the step, the
energy level before and after, the row's own start, the export register. The one that agrees with what is
there is taken, and says on what evidence and with what confidence; a step that none explains is left alone.
"""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import numpy as np

from loadprofiles.meters import Limits
from loadprofiles.quality import Flags, Floats, Ints, gap_lengths, runs

NAMES = ("import_start", "import_end", "export_start", "export_end")

SCALE_CHANGE, ROLLOVER, RESET, EXCHANGE, DECREASE = (
    "scale_change",
    "rollover",
    "reset",
    "exchange",
    "register_decrease",
)

_TOLERANCE = 1e-9
"""Relative noise of a register stored as a float."""

_LARGEST_POWER = 7
"""No unit or scale in use differs by more than ten to this from another."""

_MANTISSAS = (1.0, 2.0, 3.0, 3.6, 6.0)
"""What units and transformers in use differ by, beside powers of ten: halves, thirds, 60 minutes, 3.6 MJ a kWh."""

_POSSIBLE = [
    mantissa * 10.0**power if sign > 0 else 10.0**power / mantissa
    for mantissa in _MANTISSAS
    for sign in (1, -1)
    for power in range(-_LARGEST_POWER, _LARGEST_POWER + 1)
]
FACTORS: Final = np.array(sorted({f"{factor:.9g}": factor for factor in _POSSIBLE if factor != 1}.values()))
"""Factors by which units and scales in use differ."""

_LOG_FACTORS = np.log10(FACTORS)
_FACTORS_A_UNIT = len(FACTORS) / (2 * _LARGEST_POWER * np.log(10))
"""How many factors lie in a unit of the natural logarithm; times a width, the share of ratios that hit one."""

_LEAST_RISE = 0.95 * float(FACTORS[FACTORS > 1].min())

_PLAUSIBLE_TIMES = 4.0
"""A step's growth above this many times the high growth around it is no load."""

_PLAUSIBLE_ON_AVERAGE = 1.25
"""Several steps together do not grow by more than this many times the high growth around them."""

_DAY_ROWS = 96
_WEEK = 7
_WINDOW_ROWS = _WEEK * _DAY_ROWS
_LEAST_ROWS = 16
"""Fewer rows tell no energy level."""

_LONGEST_EXCURSION_ROWS = 8
_LONGEST_ZERO_ROWS = 96

_LEVEL_SPREAD = 0.5
"""How far, in log10, the load itself may change from one week to the next: about threefold."""

_PLAUSIBLE_PEAK_KW = 0.02
"""A meter whose high load would lie below this was read in too large a unit."""

_LEAST_USE = 0.01
"""A meter of known contracted power whose high load is a smaller share of it was read in too large a unit."""

_COMMON_USE = 0.6
"""What share of its contracted power a meter's highest load commonly is."""

_UNITS = {"kWh": 1.0, "Wh": 0.001}


@dataclass(frozen=True)
class Registers:
    """The registers of one meter, rows in the order of time; all of shape (n,), in whatever unit they have.

    Attributes:
        import_start: Import register at the start of each row's interval, NaN where not recorded. At a change of
            scale it has changed like the end, or not yet; of another meter it is that meter's.
        import_end: Import register at its end.
        export_start: Export register, likewise.
        export_end: Export register, likewise.
        steps: Grid steps since the row before; of the first row 1.
        unit: The digit of the display that counts ones, in the unit of the values: 1 unless they were scaled.
    """

    import_start: Floats
    import_end: Floats
    export_start: Floats
    export_end: Floats
    steps: Ints
    unit: Floats

    def sides(self) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        """Start and end of the import register, and of the export register."""
        return (self.import_start, self.import_end), (self.export_start, self.export_end)

    def times(self, factor: Floats) -> "Registers":
        """The same registers in another unit; `factor` has shape (n,)."""
        scaled = {name: getattr(self, name) * factor for name in (*NAMES, "unit")}
        return replace(self, **scaled)


@dataclass(frozen=True)
class RegisterFault:
    """What happened between a row and the one before it.

    Attributes:
        row: The first row after it.
        kind: `scale_change`, `rollover`, `reset`, `exchange` or `register_decrease`.
        factor: Of a change of scale, values after it over values before; of a rollover, what its display
            counts to before it starts again; else NaN.
        evidence: What speaks for it, in words.
        confidence: 1 less the product of the doubts that each piece of evidence leaves.
        register: `import`, `export` or `both`.
    """

    row: int
    kind: str
    factor: float
    evidence: str
    confidence: float
    register: str = "both"


def flag_excursion(register: Floats) -> Flags:
    """Values far off a register that goes on where it left: up to 8 rows, zeros up to 96 (transient zero)."""
    flags = _flag_transient_zero(register)
    falls = np.flatnonzero(np.diff(register) < -_noise(register[1:])) + 1
    if not len(falls):
        return flags
    # what is left and come back to must be further away than a load grows, or a register that runs back a
    # little and grows again would pass for one
    far = _PLAUSIBLE_TIMES * _local_high(np.diff(register, prepend=register[:1]))
    for row in falls.tolist():
        _flag_run(register, row, float(far[row]), flags)
    return flags


def _flag_transient_zero(register: Floats) -> Flags:
    flags = np.zeros(len(register), dtype=np.bool_)
    for start, end in runs(register == 0):
        inside = start > 0 and end < len(register) and end - start <= _LONGEST_ZERO_ROWS
        if inside and 0 < register[start - 1] <= register[end]:
            flags[start:end] = True
    return flags


def _flag_run(register: Floats, row: int, far: float, flags: Flags) -> None:
    """Flag the run of rows from, or up to, the fall at `row` that left the register's course and came back."""
    for length in range(1, _LONGEST_EXCURSION_ROWS + 1):
        for start in (row, row - length):  # it fell and came back, or rose and fell back
            end = start + length
            if start < 1 or end >= len(register) or flags[start - 1] or flags[end]:
                continue
            before, run, after = register[start - 1], register[start:end], register[end]
            falling = start > 1 and before < register[start - 2]
            if not falling and before <= after and ((run < before - far) | (run > after + far)).all():
                flags[start:end] = True
                return


def _noise(register: Floats) -> Floats:
    return np.asarray(_TOLERANCE * np.abs(register) + _TOLERANCE)


def find_faults(registers: Registers) -> list[RegisterFault]:
    """The steps at which the registers did what no load does, as far as a hypothesis explains them.

    Args:
        registers: Without excursions.

    Returns:
        Faults in the order of rows.
    """
    if not len(registers.steps):
        return []
    steps = _Steps(registers)
    # a jump that nothing explains is some load's: it must not cut the weeks on which the others are judged
    explained = [fault.row for fault in steps.explain(steps.abnormal)]
    return steps.explain(np.unique(explained).astype(np.int64))


class _Steps:
    """Growth of the registers from row to row, and where it is not that of a load."""

    def __init__(self, registers: Registers) -> None:
        self.registers = registers
        self.total = registers.import_end + registers.export_end
        self.growth = np.diff(self.total, prepend=self.total[:1]) / registers.steps
        self._still = gap_lengths(self.growth == 0)
        rises = self.growth > _PLAUSIBLE_TIMES * _local_high(self.growth)
        # what neither rose like a change of scale nor started elsewhere is a load, however high
        jump = rises & (self.total > _LEAST_RISE * np.r_[np.inf, self.total[:-1]])
        falls = np.zeros(len(jump), dtype=np.bool_)
        for start, end in registers.sides():
            before = np.r_[end[:1], end[:-1]]
            falls |= end - before < -_noise(end)
            jump |= rises & (np.abs(start - before) > np.maximum(_noise(end), end - start))
        self.abnormal = np.flatnonzero(jump | falls)

    def explain(self, rows: Ints) -> list[RegisterFault]:
        """The faults at `rows`, each judged on the rows between its neighbours."""
        bounds = [0, *rows.tolist(), len(self.growth)]
        neighbours = zip(bounds, bounds[1:], bounds[2:], strict=False)
        return [fault for before, row, after in neighbours for fault in _explain(self.at(row, before, after))]

    def at(self, row: int, earliest: int, latest: int) -> "_Step":
        """The step into `row`, with the rows around it that lie between the abnormal ones before and after."""
        before = slice(max(earliest + 1, row - _WINDOW_ROWS), row)
        after = slice(row + 1, min(latest, row + 1 + _WINDOW_ROWS))
        sides = tuple(
            _Side(float(start[row]), float(end[row - 1]), float(end[row])) for start, end in self.registers.sides()
        )
        grown = (_Growth.of(self.growth[rows], self.total[rows]) for rows in (before, after))
        still = int(self._still[row - 1])
        return _Step(row, int(self.registers.steps[row]), still, float(self.registers.unit[row]), sides, *grown)


def _local_high(growth: Floats) -> Floats:
    """For each row the high growth around it: of the weeks before and after the larger median of daily highs.

    Days without growth do not count; where all are such days, it is 0.
    """
    blocks = max(1, len(growth) // _DAY_ROWS)
    size = -(-len(growth) // blocks)
    padded = np.concatenate([growth, np.zeros(blocks * size - len(growth))]).reshape(blocks, size)
    high = np.quantile(padded, 0.98, axis=1, method="lower")
    high = np.where(high > 0, high, padded.max(axis=1))
    beyond = np.full(_WEEK, np.nan)
    known = np.where(high > 0, high, np.nan)
    weeks = np.lib.stride_tricks.sliding_window_view(np.concatenate([beyond, known, beyond]), _WEEK)
    around = np.maximum(_medians(weeks[:blocks]), _medians(weeks[_WEEK + 1 :]))
    return np.repeat(np.where(around > 0, around, high), size)[: len(growth)]


def _medians(windows: Floats) -> Floats:
    """Median of each window's known values; 0 where none is known."""
    result = np.zeros(len(windows))
    some = ~np.isnan(windows).all(axis=1)
    result[some] = np.nanmedian(windows[some], axis=1)
    return result


@dataclass(frozen=True)
class _Growth:
    """How a register grew over a stretch of rows.

    Attributes:
        level: Mean growth a step, NaN where unknown.
        high: High growth a step.
        resolution: What the register counts in; 0 where that cannot be seen.
    """

    level: float
    high: float
    resolution: float

    @classmethod
    def of(cls, growth: Floats, register: Floats) -> "_Growth":
        resolution = _resolution(register[:_LEAST_ROWS])
        if len(growth) < _LEAST_ROWS or not (growth > 0).any():
            return cls(np.nan, float(growth.max(initial=0.0)), resolution)
        high = float(np.quantile(growth, 0.98))
        return cls(float(np.minimum(growth, high).mean()), high or float(growth.max()), resolution)


def _resolution(register: Floats) -> float:
    for resolution in (1.0, 0.1, 0.01, 0.001, 0.0001):
        counted = register / resolution
        whole = np.round(counted)
        # what is much less than a unit is no count of 0
        seen = (whole > 0) | (register == 0)
        if len(counted) and seen.all() and np.abs(counted - whole).max() < 1e-4:
            return resolution
    return 0.0


@dataclass(frozen=True)
class _Side:
    """One register at a step: the row's own start, the end before, the end after."""

    start: float
    before: float
    after: float

    @property
    def counts(self) -> bool:
        return self.before > 0 or self.after > 0


@dataclass(frozen=True)
class _Step:
    row: int
    steps: int
    still: int
    unit: float
    sides: tuple[_Side, ...]
    before: _Growth
    after: _Growth

    def level_shift(self) -> float:
        """log10 of the energy level after over that before; NaN where one is unknown."""
        known = self.before.level > 0 and self.after.level > 0
        return float(np.log10(self.after.level / self.before.level)) if known else np.nan

    def most(self, factor: float = 1.0) -> float:
        """The most that a step may grow, in the unit before it, if the unit after it is `factor` times smaller."""
        return _PLAUSIBLE_TIMES * max(self.before.high, self.after.high / factor)

    def allowed(self, factor: float = 1.0) -> float:
        """The most that the registers may grow over the step, in the unit before it; see `most`."""
        high = max(self.before.high, self.after.high / factor)
        return self.most(factor) + (self.steps - 1) * _PLAUSIBLE_ON_AVERAGE * high + self.noise(factor)

    def width(self, factor: float, allowed: float) -> float:
        """How wide the registers' ends would miss a change by `factor` and still pass for one, in the unit before.

        The row's own start, where it has changed already, says more exactly than its end where the registers went on.
        """
        misses = [
            sum(getattr(side, end) / factor - side.before for side in self.sides if side.counts)
            for end in ("start", "after")
        ]
        return float(min(allowed, *(2 * abs(miss) + self.noise(factor) for miss in misses if not np.isnan(miss))))

    def noise(self, factor: float = 1.0) -> float:
        """Rounding of the registers, in the unit before: that of the coarser side."""
        largest = max(max(side.before, side.after / factor) for side in self.sides)
        return _TOLERANCE * largest + max(self.before.resolution, self.after.resolution / factor)

    def describe(self) -> str:
        names = zip(("import", "export"), self.sides, strict=True)
        return ", ".join(f"{name} register {s.before:.10g} → {s.after:.10g}" for name, s in names if s.counts)


def _explain(step: _Step) -> list[RegisterFault]:
    return _scale_change(step) or _rollovers(step) or _restart(step) or _decrease(step)


def _scale_change(step: _Step) -> list[RegisterFault]:
    """A change of the registers' unit or scale: both at once, by a factor that units in use differ by.

    The registers must continue in the other unit; the energy level must change alike, as far as load itself is
    steady. Of several factors that a young register leaves open the level chooses.
    """
    before = sum(side.before for side in step.sides)
    after = sum(side.after for side in step.sides)
    if before <= 0 or after <= 0:
        return []
    shift = step.level_shift()
    candidates = []
    for factor in FACTORS[np.abs(_LOG_FACTORS - np.log10(after / before)) < 1.0].tolist():
        allowed = step.allowed(factor)
        if not all(_continues(side, factor, step.noise(factor), allowed) for side in step.sides if side.counts):
            continue
        chance = min(1.0, _FACTORS_A_UNIT * step.width(factor, allowed) / before)
        mismatch = abs(shift - np.log10(factor))
        if _level_agrees(factor, mismatch, chance):
            rest = (after / factor - before) / allowed  # a load grows by much less than what is allowed
            cost = (mismatch if np.isfinite(mismatch) else 0.0) + rest + (0.0 if _is_power_of_ten(factor) else 0.2)
            candidates.append((cost, factor, chance))
    if not candidates:
        return []
    _, factor, chance = min(candidates)
    evidence, doubts = [step.describe()], [max(chance, 1e-3)]
    if np.isfinite(shift):
        evidence.append(f"energy level changed to {10**shift:.3g} times")
        doubts.append(0.1 if abs(shift) > abs(shift - np.log10(factor)) else 0.8)
    if all(side.counts for side in step.sides):
        evidence.append("both registers changed alike")
        doubts.append(0.1)
    return [RegisterFault(step.row, SCALE_CHANGE, factor, "; ".join(evidence), _confidence(doubts))]


def _continues(side: _Side, factor: float, noise: float, allowed: float) -> bool:
    """Whether a register goes on across a change of scale, and its row's own start does not belie it."""
    if not -noise <= side.after / factor - side.before <= allowed:
        return False
    in_new, in_old = side.start / factor - side.before, side.start - side.before
    return bool(np.isnan(side.start) or -noise <= in_new <= allowed or -noise <= in_old <= allowed)


def _level_agrees(factor: float, mismatch: float, chance: float) -> bool:
    size = abs(float(np.log10(factor)))
    if np.isnan(mismatch):
        return chance < 0.1
    if chance < 0.1:
        # the more exact the ratio, the further the load itself may have changed
        share = 0.9 if chance < 1e-3 else 0.4
        return mismatch < max(_LEVEL_SPREAD, share * size)
    # a young register, or a long gap: the ratio alone says little, so the level must
    return mismatch < 0.3 * size if chance < 0.3 else mismatch < 0.3 and size > 0.9


def _is_power_of_ten(factor: float) -> bool:
    return bool(abs(np.log10(factor) - round(np.log10(factor))) < _TOLERANCE)


def _rollovers(step: _Step) -> list[RegisterFault]:
    """Registers that passed a power of ten and started again from 0, at the same energy level."""
    if abs(step.level_shift()) > 2 * _LEVEL_SPREAD:
        return []
    found = []
    for name, side in zip(("import", "export"), step.sides, strict=True):
        if side.after >= side.before:
            continue
        counts_to = 10.0 ** len(str(int(side.before / step.unit + _TOLERANCE)))
        modulus = counts_to * step.unit
        passed = modulus - side.before + side.after
        allowed = step.allowed()
        if passed <= allowed < modulus / 10:
            evidence = (
                f"{name} register {side.before:.10g} → {side.after:.10g}, {passed:.4g} further past {modulus:.10g}"
            )
            doubts = [max(1e-3, allowed / modulus), 0.5 if np.isnan(step.level_shift()) else 0.2]
            found.append(RegisterFault(step.row, ROLLOVER, counts_to, evidence, _confidence(doubts), name))
    return found


def _restart(step: _Step) -> list[RegisterFault]:
    """Another meter, or this one set back: registers go on from elsewhere, the row's own start with them."""
    moved = [side for side in step.sides if _moved(side, step)]
    if not moved:
        return []
    started = [side for side in moved if _own_start(side, step)]
    falls = any(side.after < side.before - step.noise() for side in moved)
    small_fall = all(side.before - side.after <= max(0.01 * side.before, 5 * step.most()) for side in moved)
    if not started and (not falls or small_fall or any(side.start > side.after for side in moved)):
        return []
    new = max((side.start if np.isfinite(side.start) else side.after) for side in moved)
    near_zero = new <= max(_DAY_ROWS * step.after.level if step.after.level > 0 else 0.0, step.allowed())
    kind = RESET if falls and near_zero else EXCHANGE
    register = "both" if len(moved) > 1 else ("import", "export")[step.sides.index(moved[0])]
    evidence, doubts = [step.describe()], [0.3]
    if started:
        evidence.append(f"the row's own start is {started[0].start:.10g}")
        doubts.append(0.1)
    shift = step.level_shift()
    if np.isfinite(shift):
        evidence.append(f"energy level changed to {10**shift:.3g} times")
        doubts.append(0.5 if abs(shift) < _LEVEL_SPREAD else 1.0)
    return [RegisterFault(step.row, kind, np.nan, "; ".join(evidence), _confidence(doubts), register)]


def _moved(side: _Side, step: _Step) -> bool:
    change = side.after - side.before
    # a register that stood still before may count all at once what it did not count then
    return change < -step.noise() or change > step.allowed() + step.still * step.before.high


def _own_start(side: _Side, step: _Step) -> bool:
    """Whether the row's own start lies a load's step below its end, and away from the end before."""
    own = side.after - side.start
    away = abs(side.start - side.before) > step.noise() + _TOLERANCE * side.before
    return bool(away and -step.noise() <= own <= step.most() + step.noise())


def _decrease(step: _Step) -> list[RegisterFault]:
    """A register that ran backwards: it fell, and nothing above explains it."""
    fallen = [
        (name, side)
        for name, side in zip(("import", "export"), step.sides, strict=True)
        if side.after < side.before - _TOLERANCE * side.before - _TOLERANCE
    ]
    if not fallen:
        return []
    register = "both" if len(fallen) > 1 else fallen[0][0]
    return [RegisterFault(step.row, DECREASE, np.nan, step.describe(), 0.9, register)]


def _confidence(doubts: list[float]) -> float:
    return round(1.0 - float(np.prod(doubts)), 3)


def multipliers(changes: list[RegisterFault], rows: int) -> Floats:
    """For each row the factor that brings it to the scale of the last row; shape (rows,)."""
    result = np.ones(rows)
    for change in changes:
        result[: change.row] *= change.factor
    return result


def kwh_per_unit(register: Floats, scale: Floats, hours: Floats, limits: Limits) -> tuple[float, bool]:
    """The factor from `register`, once brought to the scale of its last row, to kWh; and whether it is certain.

    Registers count kWh or Wh, on one side of a change of scale at least. Of the factors by which some
    stretch is in kWh or Wh, those count whose high load (the 95th percentile) is worth a meter and whose
    highest (the 99.5th) is possible under its contracted power; of these, where that is known, those of at
    least a hundredth of it; then the one that suits most stretches. Where more than one is as good, the one
    whose highest load is nearest to what meters commonly use of their contracted power; where that is not
    known, a register in whole numbers counts Wh and one with decimals kWh.

    Args:
        register: Register at each row's end, times `scale`; shape (n,).
        scale: Factor of each row's stretch, from `multipliers`; shape (n,).
        hours: Hours since the row before, shape (n,).
        limits: Plausible power of the meter.

    Returns:
        The factor, and False where another one is as possible.
    """
    power = np.diff(register) / hours[1:]
    power = power[power > 0]
    if not len(power):
        return 1.0, True
    high, highest = np.quantile(power, [0.95, 0.995]).tolist()
    scales = np.unique(scale)
    votes = Counter(_UNITS[name] / stretch for stretch in scales for name in _UNITS)
    largest = 1.1 * max(limits.import_kw, limits.export_kw)
    whole_numbers = bool(np.all(register == np.round(register)))
    plausible = {f for f in votes if high * f >= _PLAUSIBLE_PEAK_KW and highest * f <= largest}

    def suits(factor: float) -> tuple[bool, bool, int]:
        used = limits.known and high * factor >= _LEAST_USE * limits.import_kw
        return factor in plausible, used, votes[factor] if limits.known else 0

    best = max(map(suits, votes))
    as_good = [factor for factor in votes if suits(factor) == best]
    told_by_decimals = len(scales) == 1 and not whole_numbers
    certain = len(as_good) == 1 or (told_by_decimals and not limits.known)
    if limits.known:
        common = np.log(_COMMON_USE * limits.import_kw / highest)
        return float(min(as_good, key=lambda factor: abs(np.log(factor) - common))), certain
    most = [factor for factor in as_good if votes[factor] == max(votes[f] for f in as_good)]
    return float(min(most) if whole_numbers else max(most)), certain


def unwrap(start: Floats, end: Floats, rollovers: list[RegisterFault], scale: Floats) -> tuple[Floats, Floats]:
    """A register's starts and ends as if it had never rolled over; `scale` brings each row to their unit."""
    start, end = start.copy(), end.copy()
    for fault in rollovers:
        modulus = fault.factor * scale[fault.row]
        if not start[fault.row] > end[fault.row]:  # the row's own start had not passed yet
            start[fault.row] += modulus
        start[fault.row + 1 :] += modulus
        end[fault.row :] += modulus
    return start, end


def own_energy(start_kwh: Floats, end_kwh: Floats, restart: Flags) -> Floats:
    """Energy between a row's own start and end registers; NaN where the start cannot be right.

    The start lies between the row before's end and the row's own end; after a restart only below the latter.
    """
    noise = _noise(end_kwh)
    floor = np.where(restart, 0.0, np.r_[0.0, end_kwh[:-1]])
    plausible = (start_kwh >= floor - noise) & (start_kwh <= end_kwh + noise)
    return np.where(plausible, np.maximum(end_kwh - start_kwh, 0.0), np.nan)


class Energies(NamedTuple):
    """Energies of the rows of one register, or of their sum, in kWh; each of shape (n,).

    Attributes:
        energy: Of the row's interval, NaN where the registers do not tell.
        own: The same by the row's own start and end alone.
        gap_energy: Of one missed step before the row, when the gap's energy is spread evenly.
    """

    energy: Floats
    own: Floats
    gap_energy: Floats


def register_energy(start_kwh: Floats, end_kwh: Floats, missed: Ints, restart: Flags, broken: Flags) -> Energies:
    """Energy of each row from one register, in kWh.

    Args:
        start_kwh: Register at the start of each row's interval, NaN where not recorded; shape (n,).
        end_kwh: Register at its end, shape (n,).
        missed: Steps missing between the row before and each row, shape (n,).
        restart: Rows from which on another meter counts, or this one anew, shape (n,).
        broken: Rows over which the register tells nothing, shape (n,).

    """
    own = np.where(broken, np.nan, own_energy(start_kwh, end_kwh, restart))
    difference = np.where(restart | broken, np.nan, np.r_[np.nan, np.diff(end_kwh)])
    energy = np.where((missed > 0) | np.isnan(difference), own, difference)
    gap_energy = np.full(len(end_kwh), np.nan)
    gaps = np.flatnonzero(missed > 0)
    even = difference[gaps] / (missed[gaps] + 1)
    rest = np.maximum(difference[gaps] - own[gaps], 0.0) / missed[gaps]
    gap_energy[gaps] = np.where(np.isnan(own[gaps]), even, rest)
    return Energies(energy, own, gap_energy)
