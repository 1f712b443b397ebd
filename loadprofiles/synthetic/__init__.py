"""Meters with known truth: the sample inputs the repository ships, and what tests are built from.

`make_meter` returns a clean meter. `add_anomaly` changes what it used; `add_fault` and `scatter_faults`
change only what its file says. A meter's events are the one description of all that: the source functions
(`oldmongo_frame`, `sql_lines`, `newmongo_documents`, `customer_frame`) read them and spoil the raw data,
and `daily_profiles`, `touched_profiles` and `events_table` hand out the truth.
`python -m loadprofiles.synthetic --out DIR` writes the whole set, the same bytes each time.

Energies are multiples of 1 Wh, so that sums are exact; a timestamp is its interval's start.
"""

from loadprofiles.synthetic.archetypes import ARCHETYPES
from loadprofiles.synthetic.faults import add_fault, make_twin, scatter_faults, usual_peak_kwh
from loadprofiles.synthetic.kinds import (
    ANOMALIES,
    FAULTS,
    GAPS,
    INTERVAL_FAULTS,
    OUTLIERS,
    REGISTER_FAULTS,
    REPEATS,
    RESTARTS,
    TOUCHING,
    UNKNOWN_LIMIT_KW,
    VARIANTS,
)  # fmt: skip
from loadprofiles.synthetic.meters import (
    SEED,
    Event,
    Meter,
    Register,
    Truth,
    add_anomaly,
    counted_in,
    local_days,
    make_meter,
)  # fmt: skip
from loadprofiles.synthetic.raw import customer_frame, newmongo_documents, sql_lines
from loadprofiles.synthetic.registers import oldmongo_frame, register_wh
from loadprofiles.synthetic.samples import main, sample_files, sample_meters, write_samples
from loadprofiles.synthetic.truth import (
    EVENT_COLUMNS,
    daily_profiles,
    description_table,
    events_table,
    touched_profiles,
)  # fmt: skip

__all__ = [
    "ANOMALIES", "ARCHETYPES", "EVENT_COLUMNS", "FAULTS", "GAPS", "INTERVAL_FAULTS", "OUTLIERS", "REGISTER_FAULTS",
    "REPEATS", "RESTARTS", "SEED", "TOUCHING", "UNKNOWN_LIMIT_KW", "VARIANTS", "Event", "Meter", "Register", "Truth",
    "add_anomaly", "add_fault", "counted_in", "customer_frame", "daily_profiles", "description_table", "events_table",
    "local_days", "main", "make_meter", "make_twin", "newmongo_documents", "oldmongo_frame", "register_wh",
    "sample_files", "sample_meters", "scatter_faults", "sql_lines", "touched_profiles", "usual_peak_kwh",
    "write_samples",
]  # fmt: skip
