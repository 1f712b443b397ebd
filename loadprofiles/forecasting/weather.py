"""Weather as a covariate, as far as it was known when a forecast was issued.

A row with `issued_utc` is a weather forecast: it counts for origins from then on. One without is an observation: it
counts once its time has passed, so that a day ahead there is only the weather of the day before.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from loadprofiles.forecasting.panel import Ints

DAY = 86_400_000_000
_DAYS_BACK = 8


@dataclass(frozen=True, eq=False)
class Weather:
    """What was known when.

    Attributes:
        names: What was measured or forecast.
        times: Shape (rows,), UTC microseconds, ascending, of equal ones by `issued`.
        issued: Shape (rows,), when each row was known.
        values: Shape (rows, names).
    """

    names: tuple[str, ...]
    times: Ints
    issued: Ints
    values: npt.NDArray[np.float32]

    def at(self, stamps_utc: Ints, origins_utc: Ints) -> npt.NDArray[np.float32]:
        """The weather at moments, or at the same time on the last day of which it is known, as known at origins.

        Args:
            stamps_utc: UTC microseconds.
            origins_utc: The same, of the same shape.

        Returns:
            Shape (…, names); NaN where nothing of the last week is known.
        """
        out = np.full((stamps_utc.size, len(self.names)), np.nan, np.float32)
        wanted, known_at = stamps_utc.ravel(), origins_utc.ravel()
        open_rows = np.arange(wanted.size)
        for days in range(_DAYS_BACK):
            rows = self._last_known(wanted[open_rows] - days * DAY, known_at[open_rows])
            found = rows >= 0
            out[open_rows[found]] = self.values[rows[found]]
            open_rows = open_rows[~found]
        return out.reshape(*stamps_utc.shape, len(self.names))

    def _last_known(self, wanted: Ints, known_at: Ints) -> Ints:
        """The row of each moment that was known last; -1 where none was."""
        moments, first, place_of_row = np.unique(self.times, return_index=True, return_inverse=True)
        levels = np.unique(self.issued)
        base = len(levels) + 1
        keys = place_of_row * base + np.searchsorted(levels, self.issued, side="right")
        place = np.minimum(np.searchsorted(moments, wanted), len(moments) - 1)
        rows = np.searchsorted(keys, place * base + np.searchsorted(levels, known_at, side="right"), side="right") - 1
        there = (moments[place] == wanted) & (rows >= first[place])
        return np.where(there, rows, -1)
