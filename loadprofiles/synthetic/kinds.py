"""The kinds of faults and anomalies, in words, and the groups that other modules ask for."""

UNKNOWN_LIMIT_KW = 200.0  # what validation takes for a contracted power or production nobody knows

GAPS = ("gap_short", "gap_long", "night_gap")
OUTLIERS = ("outlier_high", "outlier_low")
REPEATS = ("duplicate", "conflicting_duplicate")
RESTARTS = ("scale_change", "reset", "exchange", "rollover")  # no difference of registers across these
REGISTER_FAULTS = (*RESTARTS, "transient_zero", "register_stuck", "register_decrease")
FALSE_VALUES = (*OUTLIERS, "spike", "flat_line", "zeros", "negative")  # energies recorded that never flowed
INTERVAL_FAULTS = ("zeros", "negative")  # registers cannot show them; see `register_stuck`, `register_decrease`
# the faults that lose energies; all others must be undone exactly
TOUCHING = (*GAPS, *FALSE_VALUES, "transient_zero", "register_stuck", "register_decrease")
FAULTS = {
    "implausible_year": "extra rows with a stamp no reading can have",
    "duplicate": "the identical row twice",
    "conflicting_duplicate": "same stamp, other value; the later row is true; value is the false energy",
    "scale_change": "registers from here on times factor; the unit before is kWh",
    "reset": "meter exchanged; registers start again at 0",
    "gap_short": "no reading, at most 2 h; value is the true energy",
    "gap_long": "no reading, more than 2 h by day; value is the true energy",
    "night_gap": "no reading, more than 2 h between 00:00 and 06:59 local; value is the true energy",
    "outlier_high": "recorded value far above contracted power; registers keep the jump",
    "outlier_low": "recorded value far below minus production; registers keep the jump",
    "identical_meters": "the same file was delivered under two numbers",
    "exchange": "meter exchanged for a used one; value is where its import register starts",
    "rollover": "import register passes its capacity, which is the value, and goes on from 0",
    "transient_zero": "registers read 0, then are right again",
    "register_stuck": "registers stand still; what flowed is counted in one step afterwards, or never",
    "register_decrease": "import register runs backwards, then goes on growing from there",
    "spike": "recorded value at 3 to 6 times the usual daily peak, below contracted power; registers keep the jump",
    "flat_line": "recorded value the same in every interval",
    "zeros": "recorded value 0 at a meter that is never without load",
    "negative": "recorded value negative at a meter without production; value is their sum",
    "production_at_night": "the clock is 12 hours off; what flowed is stamped 12 hours too late",
    "out_of_order": "rows come later in the file than others with later stamps",
}
VARIANTS = {
    "scale_change": ("", "late_start"),  # late_start: `_ini` has the new scale one row after `_end`
    "register_stuck": ("catches_up", "lost"),
    "rollover": ("", "wrapped_start"),  # the row's `_ini` is just below the capacity, or 0 already
}
ANOMALIES: dict[str, tuple[float | None, str]] = {
    "theft_drop": (0.3, "active energy times factor, reactive unchanged"),
    "bypass": (0.4, "active and reactive energy times factor"),
    "frozen": (None, "every interval the same value"),
    "night_drop": (0.2, "active energy times factor from 22:00 to 05:59 local"),
    "weekend_excess": (3.0, "active and reactive energy times factor on Saturday and Sunday"),
}
