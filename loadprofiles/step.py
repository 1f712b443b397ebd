"""What a step of the chain is, and what it hands back for `tracking` to record.

Steps know nothing of MLflow; they read files, return a StepResult, and raise `LoadProfilesError`.
"""

import re
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

# a single letter before the colon is a drive of Windows
_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]+://", re.IGNORECASE)

DATASET = "dataset"
CLEAN = {source: f"clean_{source}" for source in ("oldmongo", "sql", "newmongo", "customers")}
HARMONIZED = "harmonized"
ASSIGNMENTS = "assignments"
REPRESENTATIVES = "representatives"
K_CURVE = "k_curve"
CLUSTER_SHARES = "cluster_shares"
VALIDITY = "validity"
STABILITY = "stability"
LEADERBOARD = "leaderboard"
READINGS = "readings"
FINDINGS = "findings"
VEE_REPORT = "vee_report"
METERS = "meters"
CORRECTIONS = "corrections"
DUPLICATES = "duplicates"
CLUSTER_CENTERS = "clusterCenters.png"
CLUSTER_CENTERS_HIGH_RES = "clusterCentersHighRes.png"
CLUSTER_SIZES = "clusterPie.png"
K_CURVE_FIGURE = "kCurve.png"
CALENDAR_FIGURE = "clusterCalendar.png"
SHARES_FIGURE = "clusterShares.png"
SILHOUETTE_FIGURE = "silhouette.png"
DENDROGRAM_FIGURE = "dendrogram.png"
SOM_FIGURE = "somMap.png"
CLUSTERS_PAGE = "clusters.html"
COMPARISON_FIGURE = "comparison.png"
COMPARISON_PAGE = "comparison.html"
CLUSTER_MODEL = "clusters"
FORECASTS = "forecasts"
BACKTEST = "backtest"
WEATHER = "weather"
FORECAST_ERRORS = "forecast_errors"
FORECAST_COMPARISON = "forecast_comparison"
METER_ACCOUNTS = "meter_accounts"
EXAMPLES_FIGURE = "forecastExamples.png"
ERROR_HOURS_FIGURE = "forecastErrorByHour.png"
CALIBRATION_FIGURE = "forecastCalibration.png"
FORECAST_MODEL = "forecaster"
SCORES = "scores"
JUDGED_DAYS = "judged_days"
ALERTS = "alerts"
ALERTS_PAGE = "alerts.html"
ALERT_FIGURE = "alert{}.png"
BENCH = "theft_bench"
BENCH_EVENTS = "theft_bench_events"
BENCH_RECALL = "theft_bench_recall"
BENCH_FIGURE = "theftBench.png"
BENCH_RECALL_FIGURE = "theftRecall.png"
"""Names of artifacts, one a thing, the same in code, MLflow and README."""


CURRENT_RUN: ContextVar[str] = ContextVar("CURRENT_RUN", default="")
"""The id of the run that a step is carried out in, for what it writes elsewhere; empty outside of one."""

WITHOUT_EFFECT = ("jobs", "dask_scheduler")
"""Parameters that say where a step's work is done, and change nothing of what comes of it."""


class Url(str):
    """A URL given for a file or folder, to be fetched before it is read."""

    __slots__ = ()


def artifact_tag(name: str) -> str:
    """The tag that carries an artifact from step to step, named as the earlier pipeline did."""
    return f"{name}_csv"


def is_artifact_uri(text: str) -> bool:
    """Whether `text` names an artifact of an MLflow run rather than a file."""
    return text.startswith(("runs:/", "mlflow-artifacts:/"))


def is_remote(text: str) -> bool:
    r"""Whether `text` is a URL for `sources.remote.fetch` rather than a path or an artifact of MLflow.

    Everything that begins with `scheme://` is one, `file://` and schemes that nobody knows included. A drive of
    Windows (`C:\`, `C://`) is none.
    """
    return _SCHEME.match(text) is not None and not is_artifact_uri(text)


@dataclass(frozen=True)
class StepInput:
    """A file or folder that a step read, logged as an MLflow dataset."""

    name: str
    path: Path
    digest: str


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model that a step made, to be logged as an MLflow model that runs where the project is not.

    Attributes:
        name: Of the model within its run.
        script: The module that loads and runs it ("models from code").
        files: Files or folders that it reads, by name.
        inputs: Columns that it takes, with MLflow's type of each.
        outputs: Columns that it gives, with MLflow's type of each.
        example: Rows of input.
        packages: Those it needs, installed; their versions are taken down.
        registered_name: Name in the registry; empty: not registered.
        alias: To give to this version in the registry; empty: none.
    """

    name: str
    script: Path
    files: Mapping[str, Path]
    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    example: "pd.DataFrame"
    packages: tuple[str, ...]
    registered_name: str = ""
    alias: str = ""


@dataclass
class StepResult:
    """What a step made.

    Attributes:
        outputs: Tables handed on, by artifact name; each gets a folder and a tag of that name.
        files: Other files to keep: figures, tables, reports.
        inputs: What was read.
        metrics: Numbers to compare runs by.
        tags: Words about the result.
        params: Parameters that the step chose itself.
        notes: Lines for the reader of the log.
        run_name: The run's name, where it is not the step's.
        model: A model to be served.
        children: Parts of the result that get a run of their own below the step's.
        chosen: Whether this part's model is the one that the step as a whole hands on.
    """

    outputs: dict[str, Path] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    inputs: list[StepInput] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    params: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    run_name: str = ""
    model: ServedModel | None = None
    children: "list[StepResult]" = field(default_factory=list)
    chosen: bool = False


@dataclass(frozen=True, eq=False)
class Step:
    """One row of the chain.

    Attributes:
        name: Entry point, and script without `.py`.
        output: Tag of the artifact it hands on; empty where it hands on none.
        params: Its parameters: name → the pipeline's parameter of that value.
        files: Those of them that name input files or folders; their content counts, not their path.
        inputs: Its parameters that take artifacts: name → the tag of an earlier step, or `<step>.<artifact>`.
        source: The pipeline's parameter that, left empty, leaves the step out.
        out_csv: Name of the table it writes, where that is not the artifact's.
        live: The environment variable that, set, makes the step read a live system instead of the first of `files`.
        resumes: The parameter that takes the step's own earlier output, where a live system is read.
        also: Names of further artifacts that it hands on, which later steps take as `<step>.<artifact>`.
        shown: Whether the chain's own run shows its numbers; the first such step names that run, too.
    """

    name: str
    output: str
    params: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    out_csv: str = ""
    live: str = ""
    resumes: str = ""
    also: tuple[str, ...] = ()
    shown: bool = False

    @property
    def outputs(self) -> dict[str, str]:
        """What it hands on: the name under which later steps take it → the tag of the run that carries it."""
        own = {self.output: self.output} if self.output else {}
        return own | {f"{self.name}.{artifact}": artifact_tag(artifact) for artifact in self.also}


def same(*names: str) -> dict[str, str]:
    """Parameters that a step and the pipeline call alike."""
    return {name: name for name in names}
