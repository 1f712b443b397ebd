"""The runs that the dashboard shows: the latest finished one, or one that the reader names, each made ready once."""

import logging
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import Final

from loadprofiles.dashboard.data import Data, make_data
from loadprofiles.errors import LoadProfilesError
from loadprofiles.results import CACHE_FOLDER, open_results

LOOKED_SECONDS: Final = 30.0
"""How long the latest run is taken to be the latest."""

_KEPT: Final = 3
_log = logging.getLogger(__name__)


class Library:
    """Runs by id, those looked at last in memory. Any number of threads may ask at once.

    Args:
        run_id: The run to show where the reader names none; empty: the latest that has finished.
        alert_db: URL of the alert database; empty: each run's own.
        cache: Folder for what is aggregated of each run.
    """

    def __init__(self, run_id: str = "", alert_db: str = "", cache: Path = CACHE_FOLDER) -> None:
        self._run_id = run_id
        self._alert_db = alert_db
        self._cache = cache
        self._kept: OrderedDict[str, Data] = OrderedDict()
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._shown = run_id
        self._looked = -LOOKED_SECONDS

    def open(self, run_id: str = "") -> Data:
        """The data of a run; those of one that nobody has looked at are aggregated first, which may take a while.

        Args:
            run_id: The run; empty: the one to show where none is named. When a later one finishes, that is made
                ready beside the readers of the one before.

        Raises:
            LoadProfilesError: As `results.open_results`.
        """
        if run_id:
            return self._make(run_id)
        if not self._shown:
            self._shown = open_results(cache=self._cache).run_id
            self._looked = time.monotonic()
        elif not self._run_id and self._is_to_look():
            threading.Thread(target=self._follow, daemon=True).start()
        return self._make(self._shown)

    def _is_to_look(self) -> bool:
        with self._lock:
            now = time.monotonic()
            is_due = now - self._looked > LOOKED_SECONDS
            self._looked = now if is_due else self._looked
            return is_due

    def _follow(self) -> None:
        """Go on to the latest run once it is ready."""
        try:
            latest = open_results(cache=self._cache).run_id
            self._make(latest)
            self._shown = latest
        except LoadProfilesError as error:
            _log.warning("the run before stays: %s", error)

    def _make(self, run_id: str) -> Data:
        with self._lock:
            if run_id in self._kept:
                self._kept.move_to_end(run_id)
                return self._kept[run_id]
        with self._making:
            # another reader may have waited for the same
            if found := self._kept.get(run_id):
                return found
            data = make_data(open_results(run_id, self._cache), self._alert_db)
            with self._lock:
                self._kept[run_id] = data
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return data
