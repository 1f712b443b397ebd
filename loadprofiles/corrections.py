"""Corrections as data: what a person knows about a meter, and what validation found, in one form.

A row says what is done to a stretch of one meter: `meter, rule, from, to, factor, reason`. The ETL writes the
corrections it made of itself in this form; edited and given back as `corrections_csv`, they overrule what is
found.

| rule | meaning |
|---|---|
| `scale` | registers (or energies) times `factor` are kWh; a meter with one such row has no scale found for it |
| `restart` | at `from` another meter counts, or this one anew: reset, exchange |
| `rollover` | at `from` the register passed `factor` and started again from 0 |
| `exclude` | the rows are wrong, registers included: as if never read |
| `reject` | the readings are wrong, the registers after them right |
| `measured` | nothing is wrong here: what would be rejected is kept |
| `zero` | what is missing is 0; `from` and `to` may be local times of day (`18:00`, `08:00`), then every day |
"""

import re
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pandera.pandas as pa

from loadprofiles.errors import InputError
from loadprofiles.quality import Flags, Ints
from loadprofiles.tables import read_table, require_columns, validate

SCALE, RESTART, ROLLOVER, EXCLUDE, REJECT, MEASURED, ZERO = RULES = (
    "scale",
    "restart",
    "rollover",
    "exclude",
    "reject",
    "measured",
    "zero",
)
COLUMNS: Final = ("meter", "rule", "from", "to", "factor", "reason")
_WITH_FACTOR = (SCALE, ROLLOVER)
_AT_ONE_MOMENT = (RESTART, ROLLOVER)
_TIME_OF_DAY = re.compile(r"([01]\d|2[0-4]):([0-5]\d)")

_SCHEMA = pa.DataFrameSchema(
    {
        "meter": pa.Column(str, pa.Check.str_length(min_value=1)),
        "rule": pa.Column(str, pa.Check.isin(RULES)),
        "from": pa.Column(str, nullable=True),
        "to": pa.Column(str, nullable=True),
        "factor": pa.Column(float, pa.Check.gt(0), nullable=True, coerce=True),
        "reason": pa.Column(str, nullable=True),
    }
)


@dataclass(frozen=True)
class Correction:
    """One row of `corrections.csv`.

    Attributes:
        rule: One of `RULES`.
        from_utc: First moment it holds for; None: from the beginning.
        to_utc: End, exclusive; None: to the end.
        factor: Of `scale` and `rollover`, else NaN.
        reason: Why, in words.
        daily_minutes: Of `zero` by time of day: first and last (exclusive) minute of the local day.
    """

    rule: str
    from_utc: pd.Timestamp | None
    to_utc: pd.Timestamp | None
    factor: float
    reason: str
    daily_minutes: tuple[int, int] | None = None

    def covers(self, stamps: pd.DatetimeIndex, local_minutes: Ints | None = None) -> Flags:
        """Which of `stamps` (UTC) it holds for; `local_minutes` are their minutes of the local day."""
        inside = np.ones(len(stamps), dtype=np.bool_)
        if self.from_utc is not None:
            inside &= np.asarray(stamps >= self.from_utc)
        if self.to_utc is not None:
            inside &= np.asarray(stamps < self.to_utc)
        if self.daily_minutes is not None and local_minutes is not None:
            first, last = self.daily_minutes
            after, before = local_minutes >= first, local_minutes < last
            inside &= (after & before) if first < last else (after | before)
        return inside


def read_corrections(path: Path | None, timezone: str) -> dict[str, tuple[Correction, ...]]:
    """Read `corrections.csv`; no path, no corrections.

    Args:
        path: Columns `meter, rule, from, to, factor, reason`; stamps without an offset are local.
        timezone: IANA name of their zone.

    Returns:
        The corrections of each meter, in the order of the file.

    Raises:
        InputError: The file cannot be read, or a row is not a correction; the row is named.
    """
    if path is None:
        return {}
    table = read_table(path, text_columns=("meter", "rule", "from", "to", "reason"))
    require_columns(table, COLUMNS, path)
    table = table[list(COLUMNS)]
    text = {
        name: table[name].astype("str").str.strip().where(table[name].notna()) for name in COLUMNS if name != "factor"
    }
    table = validate(table.assign(**text), _SCHEMA, str(path))
    result: dict[str, list[Correction]] = {}
    for number, row in enumerate(table.to_dict("records"), start=1):
        try:
            correction = _correction(row, timezone)
        except ValueError as error:
            raise InputError(f"{path}: row {number}, meter {row['meter']}: {error}") from error
        result.setdefault(row["meter"], []).append(correction)
    return {meter: tuple(corrections) for meter, corrections in result.items()}


def _correction(row: dict[Hashable, Any], timezone: str) -> Correction:
    rule = str(row["rule"])
    start, end = (None if pd.isna(row[name]) else str(row[name]) for name in ("from", "to"))
    factor = float(row["factor"])
    reason = "" if pd.isna(row["reason"]) else str(row["reason"])
    if rule in _WITH_FACTOR and np.isnan(factor):
        raise ValueError(f"rule {rule} needs a factor")
    if rule in _AT_ONE_MOMENT and start is None:
        raise ValueError(f"rule {rule} needs a moment in `from`")
    if rule == ZERO and start and end and _TIME_OF_DAY.fullmatch(start) and _TIME_OF_DAY.fullmatch(end):
        return Correction(rule, None, None, factor, reason, (_minute(start), _minute(end)))
    from_utc, to_utc = _moment(start, timezone), _moment(end, timezone)
    if from_utc is not None and to_utc is not None and to_utc < from_utc:
        raise ValueError(f"`to` ({end}) lies before `from` ({start})")
    return Correction(rule, from_utc, to_utc, factor, reason)


def _minute(time: str) -> int:
    hour, minute = time.split(":")
    return int(hour) * 60 + int(minute)


def _moment(text: str | None, timezone: str) -> pd.Timestamp | None:
    if text is None:
        return None
    try:
        stamp = pd.Timestamp(text)
        aware = stamp if stamp.tzinfo else stamp.tz_localize(timezone)
    except ValueError as error:
        raise ValueError(f"{text!r} is no moment; write 2019-05-14T10:00Z, or without Z in local time") from error
    return aware.tz_convert("UTC")


def corrections_table(found: Iterable[tuple[str, Correction]]) -> pd.DataFrame:
    """Corrections with their meters as a table that `read_corrections` reads; stamps in UTC."""
    rows = [(meter, c.rule, *_span(c), c.factor, c.reason) for meter, c in found]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype({"factor": float})


def _span(correction: Correction) -> tuple[str | None, str | None]:
    if correction.daily_minutes is not None:
        first, last = (f"{minute // 60:02d}:{minute % 60:02d}" for minute in correction.daily_minutes)
        return first, last
    return _text(correction.from_utc), _text(correction.to_utc)


def _text(moment: pd.Timestamp | None) -> str | None:
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")
