"""One run as the dashboard needs it: hourly energy in memory, a row a meter, the alert database."""

from datetime import date
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd

from loadprofiles import step
from loadprofiles.anomalies.states import NEW, SEEN
from loadprofiles.anomalies.store import AlertStore
from loadprofiles.dashboard.clusters import Clusters
from loadprofiles.dashboard.cube import Cube, build_cube, open_cube
from loadprofiles.dashboard.state import View
from loadprofiles.report import kind_of
from loadprofiles.representatives import NO_CLUSTER
from loadprofiles.results import Results
from loadprofiles.tables import read_table

RECURRING: Final = 0.2
"""Share of a customer's forecast hours outside the band above which the dashboard warns: the earlier system's rule."""

OPEN: Final = (NEW, SEEN)
"""States of alerts that nobody has judged."""

CUBE_FILE: Final = "energy_hourly.parquet"

_PAIR: Final = ("meter_id", "other_meter_id")


class Data:
    """A run, with what is asked of it again and again kept in memory.

    Args:
        results: The run's results.
        cube: Its hourly energy.
        alert_db: URL of the alert database; empty: the run's own.
    """

    def __init__(self, results: Results, cube: Cube, alert_db: str = "") -> None:
        self.results = results
        self.cube = cube
        self._alert_db = alert_db

    @cached_property
    def store(self) -> AlertStore | None:
        """The alert database; None where there is none."""
        return self.results.alert_store(self._alert_db)

    @cached_property
    def findings(self) -> pd.DataFrame:
        """What was found in the readings, as `Results.findings` has it, in the order of gravity that the report has."""
        table = self.results.findings
        gravity = table["kind"].map({kind: kind_of(kind).gravity for kind in table["kind"].unique()})
        keys = ["gravity", "confidence", "readings", "from_utc", "meter_id"]
        ordered = table.assign(gravity=gravity).sort_values(keys, ascending=[False, True, False, True, True])
        return ordered.drop(columns="gravity").reset_index(drop=True)

    @cached_property
    def duplicates(self) -> pd.DataFrame:
        """Pairs of meters with the same days: `meter_id, other_meter_id, identical_days, common_days, …`."""
        path = self.results.file("harmonization", f"{step.DUPLICATES}.csv")
        return read_table(path, text_columns=_PAIR) if path else pd.DataFrame(columns=[*_PAIR])

    @cached_property
    def clusters(self) -> Clusters:
        """Who is in which cluster when; of a run without clusters, nobody."""
        return Clusters(self.results, self.cube)

    @cached_property
    def meters(self) -> pd.DataFrame:
        """One row a meter of the cube, indexed by `meter_id`.

        Columns: `sector, source` (empty: unknown), `cluster` (-1: none), `cluster_name`, `measured_percent`,
        `findings`, `wape`, `mape_percent`, `forecast_hours`, `hours_outside` (of the forecasts' 90 % bands), NaN where
        not known.
        """
        table = pd.DataFrame(index=pd.Index(self.cube.meters, name="meter_id", dtype="str"))
        table = table.join(self.results.meters.set_index("meter_id")[["sector", "source"]])
        names = self.results.clustering.representatives.set_index("cluster")["cluster_name"]
        table = table.join(_main_clusters(self.results.clustering.shares))
        table["cluster_name"] = table["cluster"].map(names).astype("str")
        table = table.join(_quality(self.results.vee_report)).join(_errors(self.results.forecast_errors))
        return table.fillna({"sector": "", "source": "", "cluster": -1, "cluster_name": "", "findings": 0}).astype(
            {"cluster": "int64", "findings": "int64"}
        )

    @cached_property
    def sectors(self) -> list[str]:
        """The sectors that are known, in ascending order."""
        return sorted(set(self.meters["sector"]) - {""})

    def chosen(self, view: View) -> list[str]:
        """The meters that a view is of; none where it names one that is not there."""
        if view.customer:
            return [view.customer] if view.customer in self.meters.index else []
        if view.sector:
            return self.meters.index[self.meters["sector"] == view.sector].tolist()
        return self.meters.index.tolist()

    def period(self, view: View) -> tuple[date, date]:
        """The first and the last day of a view, within those there are: of a customer, within its own."""
        first, last = self.cube.first_day, self.cube.last_day
        if view.customer in self.meters.index:
            first, last = self.cube.days_of(view.customer)
        return max(first, view.first or first), min(last, view.last or last)

    def alerts(self, view: View) -> pd.DataFrame:
        """The alerts of a view, the gravest first, as `AlertStore.read` gives them."""
        if self.store is None:
            return pd.DataFrame()
        found = self.store.read(
            states=[view.state] if view.state else None,
            kinds=[view.kind] if view.kind else None,
            first_day=view.first,
            last_day=view.last,
        )
        if not (view.customer or view.sector):
            return found
        chosen = set(self.chosen(view))
        return found[np.array([bool(chosen.intersection(meters)) for meters in found["meters"]], dtype=np.bool_)]

    def open_alerts(self) -> pd.Series:
        """The number of alerts of each meter that nobody has judged, indexed by `meter_id`."""
        return self.store.count_by_meter(OPEN) if self.store else pd.Series(dtype="int64")

    def recurring(self, meters: list[str]) -> pd.DataFrame:
        """Those of some meters whose hours lie outside their forecasts' bands too often, the worst first."""
        return self._recurring[self._recurring.index.isin(meters)]

    @cached_property
    def _recurring(self) -> pd.DataFrame:
        share = self.meters["hours_outside"] / self.meters["forecast_hours"]
        return self.meters.assign(share=share)[share > RECURRING].sort_values("share", ascending=False)


def make_data(results: Results, alert_db: str = "") -> Data:
    """The data of a run; its hourly energy is added up where that has not been done before.

    Raises:
        InputError: A table of the run cannot be read.
        EmptyResultError: It has no meter with a reading.
    """
    path = results.folder / CUBE_FILE
    if not path.is_file():
        build_cube(results.readings, results.harmonized_file, results.timezone, path, progress=True)
    return Data(results, open_cube(path), alert_db)


def _main_clusters(shares: pd.DataFrame) -> pd.DataFrame:
    """Of each meter the cluster that most of its days are in, as `summaries.main_clusters` has it of the days."""
    of_meters = shares[shares["level"] == "meter"].assign(none=shares["cluster"] == NO_CLUSTER)
    order = of_meters.sort_values(["days", "none", "cluster"], ascending=[False, True, True])
    return order.drop_duplicates("name").set_index("name")[["cluster"]]


def _quality(report: pd.DataFrame) -> pd.DataFrame:
    table = report.drop_duplicates("meter_id", keep="last").set_index("meter_id")
    return table.rename(columns={"share_measured_percent": "measured_percent"}).reindex(
        columns=["measured_percent", "findings"]
    )


def _errors(errors: pd.DataFrame) -> pd.DataFrame:
    table = errors.set_index("meter_id").reindex(columns=["wape", "mape_percent", "intervals", "coverage_90"])
    table = table.astype("float64")
    outside = np.round(table["intervals"] * (1 - table["coverage_90"]))
    return table.assign(forecast_hours=table["intervals"], hours_outside=outside).drop(
        columns=["intervals", "coverage_90"]
    )
