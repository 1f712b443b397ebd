"""Meters with the same readings: one file delivered twice, or one meter under two names."""

import hashlib

import numpy as np
import pandas as pd

from loadprofiles.profiles import values_of

MIN_IDENTICAL_DAYS = 7
"""Fewer identical days of two meters may be chance: a pump that runs by the same clock."""

_COLUMNS = ["meter_id", "other_meter_id", "identical_days", "common_days", "from_date", "to_date"]


def find_identical_meters(profiles: pd.DataFrame) -> pd.DataFrame:
    """Meters with MIN_IDENTICAL_DAYS or more days identical to those of another.

    Days of one constant value, zero among them, say nothing and do not count. Of many meters with the same
    day each is paired with the first of them by name, so that a thousand twins are a thousand rows.

    Args:
        profiles: A profile table of any number of meters.

    Returns:
        `meter_id, other_meter_id, identical_days, common_days, from_date, to_date`, sorted; `meter_id` is the
        first by name.
    """
    values = values_of(profiles)
    telling = np.ptp(values, axis=1) > 0 if len(values) else np.zeros(0, dtype=bool)
    rows = np.round(values[telling], 9)
    days = profiles.loc[telling, ["id", "date"]].assign(
        key=[hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in rows]
    )
    twins = days[days.duplicated(["date", "key"], keep=False)]
    twins = twins.assign(first=twins.groupby(["date", "key"])["id"].transform("min"))
    pairs = twins[twins["id"] != twins["first"]].groupby(["first", "id"])["date"].agg(["size", "min", "max"])
    pairs = pairs[pairs["size"] >= MIN_IDENTICAL_DAYS].rename_axis(index=["meter_id", "other_meter_id"]).reset_index()
    mine = profiles[profiles["id"].isin([*pairs["meter_id"], *pairs["other_meter_id"]])]
    dates = mine.groupby("id")["date"].agg(set)
    common = [
        len(dates[one] & dates[other]) for one, other in zip(pairs["meter_id"], pairs["other_meter_id"], strict=True)
    ]
    named = pairs.rename(columns={"size": "identical_days", "min": "from_date", "max": "to_date"})
    return named.assign(common_days=pd.Series(common, dtype="int64"))[_COLUMNS]
