"""The pages of the dashboard: each a module with `title`, `render` and the `TABLES` that it offers as CSV."""

from collections.abc import Callable, Mapping
from typing import Final

import pandas as pd

from loadprofiles.dashboard.context import Context
from loadprofiles.dashboard.pages import alerts, clusters, consumption, customers, quality

TABLES: Final[Mapping[str, Callable[[Context], pd.DataFrame]]] = {
    **alerts.TABLES,
    **consumption.TABLES,
    **customers.TABLES,
    **clusters.TABLES,
    **quality.TABLES,
}
"""Tables to download, by name."""
