"""The anomalies step: from readings to alerts with reasons, in the alert database."""

import time
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from loadprofiles import plots
from loadprofiles import step as artifacts
from loadprofiles.anomalies.alert import KINDS, Alert
from loadprofiles.anomalies.alerting import make_alerts
from loadprofiles.anomalies.breaches import COLUMNS, forecast_breaches
from loadprofiles.anomalies.digest import compose
from loadprofiles.anomalies.judging import SCORE_COLUMNS, VERSION, Task, Terms, judge_task, long_scores
from loadprofiles.anomalies.recording import Recorded
from loadprofiles.anomalies.scoring import BUDGET_DAYS, COMBINED
from loadprofiles.anomalies.states import ALERT_DB
from loadprofiles.anomalies.store import AlertStore, database_url
from loadprofiles.choices import ANOMALY_DETECTORS
from loadprofiles.errors import EmptyResultError, ParameterError
from loadprofiles.forecasting.engine import Work
from loadprofiles.forecasting.source import profile_readings, read_groups
from loadprofiles.profiles import read_profiles
from loadprofiles.readings import open_readings
from loadprofiles.step import CURRENT_RUN, StepInput, StepResult
from loadprofiles.tables import content_digest, read_table, write_table

_METERS_A_TASK = 25
_FIGURES = 3
_NAMED = 3


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        timezone: IANA name of the zone whose days are meant.
        detector: One of `choices.ANOMALY_DETECTORS`.
        alert_budget: Alert-days a meter and 30 days.
        alert_days: Days before each meter's last that may alert.
        since: First day to score and to alert; None: score all, alert as `alert_days` says.
        tariff: Money a kWh.
        alert_db: URL of the alert database.
    """

    timezone: str = "UTC"
    detector: str = COMBINED
    alert_budget: float = 1.0
    alert_days: int = 30
    since: date | None = None
    tariff: float = 0.15
    alert_db: str = ALERT_DB


def find_anomalies(
    in_csv: Path | None,
    readings: Path | None,
    backtest: Path | None,
    scores_path: Path,
    smart_meter_description_csv: Path | None,
    customers_folder: Path | None,
    customers_layout: Path | None,
    jobs: int,
    dask_scheduler: str,
    workspace: Path,
    **params: object,
) -> StepResult:
    """Score every meter's days, make alerts of them, and bring those into the alert database.

    Args:
        in_csv: The harmonized table, for meters that have no Readings; None: none.
        readings: The Readings, incomplete days and all; None: the table's days are all there is.
        backtest: The forecasting step's backtest, for what was forecast of the days; None: not known.
        scores_path: Where scores are kept from run to run.
        smart_meter_description_csv: The meters' types; None: not known.
        customers_folder: With the sheet of the customers' sectors; None: not known.
        customers_layout: How to read that; None: as built in.
        jobs: Processes at once; 0: as many as cores.
        dask_scheduler: Address of a dask scheduler; empty: this machine.
        workspace: A folder for the files of the result.
        params: Attributes of `Request`.

    Raises:
        InputError: A table cannot be read.
        ParameterError: A parameter cannot be used.
        EmptyResultError: There is no reading, or none since the day asked for.
        StoreError: The alert database cannot be used.
    """
    request = Request(**params)  # type: ignore[arg-type]
    if request.detector not in ANOMALY_DETECTORS:
        raise ParameterError(f"detector is {request.detector!r}; it must be one of {', '.join(ANOMALY_DETECTORS)}")
    store = AlertStore(database_url(request.alert_db))
    sectors = read_groups(smart_meter_description_csv, customers_folder, customers_layout)
    kept, why = _kept(scores_path, request)
    work = Work(jobs or int(joblib.cpu_count()), dask_scheduler, workspace.absolute())
    started = time.perf_counter()
    judged = _judge(in_csv, readings, kept, request, work)
    seconds = time.perf_counter() - started
    judged = _with_forecasts(judged, backtest, request.timezone)
    if kept is not None:
        kept = kept[~kept["meter_id"].isin(judged["meter_id"]) | (kept["date"] < pd.Timestamp(str(request.since)))]
    whole = judged if kept is None else pd.concat([kept, judged], ignore_index=True)
    whole = whole.sort_values(["meter_id", "date"], ignore_index=True)
    # of a meter that nothing was kept of, all days were judged: the next run needs them
    judged = judged if request.since is None else judged[judged["date"] >= pd.Timestamp(str(request.since))]
    first_days = _first_days(judged, request)
    alerts = make_alerts(whole, sectors, first_days)
    result = _tell(judged, whole, alerts, first_days, sectors, request, workspace)
    _keep(whole, scores_path, request)
    recorded = store.record(alerts, tariff=request.tariff, run_id=CURRENT_RUN.get())
    _tell_alerts(result, store, alerts, recorded, whole, sectors, workspace)
    result.metrics["scoring_seconds"] = seconds
    result.notes += [why] if why else []
    given = {artifacts.HARMONIZED: in_csv, artifacts.READINGS: readings, artifacts.BACKTEST: backtest}
    result.inputs = [StepInput(name, path, content_digest(path)) for name, path in given.items() if path]
    return result


def _kept(path: Path, request: Request) -> tuple[pd.DataFrame | None, str]:
    """What earlier runs scored, if new days are to be added to it; or why not."""
    if request.since is None:
        return None, ""
    if not path.is_file():
        return None, f"no scores are kept in {path} yet: all days were scored, not only those since {request.since}"
    table = read_table(path)
    if table.attrs != _made_by(request):
        return None, f"the scores kept in {path} are of another version or zone: all days were scored"
    return table, ""


def _made_by(request: Request) -> dict[Hashable | None, object]:
    return {"version": VERSION, "timezone": request.timezone}


def _keep(whole: pd.DataFrame, path: Path, request: Request) -> None:
    whole.attrs = _made_by(request)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_table(whole, path)


def _judge(
    in_csv: Path | None, readings: Path | None, kept: pd.DataFrame | None, request: Request, work: Work
) -> pd.DataFrame:
    """The judged days of all meters."""
    tasks = list(_tasks(in_csv, readings, kept, request))
    if not tasks:
        raise EmptyResultError("no meter has a reading; nothing can be scored")
    parts = [part for part in work.run(judge_task, tasks, "scoring") if len(part)]
    first = pd.Timestamp.min if request.since is None else pd.Timestamp(str(request.since))
    if not any((part["date"] >= first).any() for part in parts):
        since = f" since {request.since}; take an earlier day, or leave it out" if request.since else ""
        raise EmptyResultError(f"no meter has a whole day of readings{since or '; nothing can be scored'}")
    judged: pd.DataFrame = pd.concat(parts, ignore_index=True)
    return judged.sort_values(["meter_id", "date"], ignore_index=True)


def _tasks(in_csv: Path | None, readings: Path | None, kept: pd.DataFrame | None, request: Request) -> Iterator[Task]:
    terms = Terms(request.timezone, request.detector, request.alert_budget, request.since)
    stored = tuple(open_readings(readings).meters) if readings else ()
    others: tuple[pd.DataFrame, ...] = ()
    if in_csv:
        profiles = read_profiles(in_csv)
        others = tuple(profile_readings(profiles[~profiles["id"].isin(stored)], request.timezone))
    kept_of = _by_meter(kept)
    names = (*stored, *(str(table["meter_id"].iloc[0]) for table in others))
    for number, first in enumerate(range(0, len(names), _METERS_A_TASK)):
        wanted = set(names[first : first + _METERS_A_TASK])
        yield Task(
            number,
            readings.absolute() if readings else None,
            tuple(name for name in stored if name in wanted),
            tuple(table for table in others if str(table["meter_id"].iloc[0]) in wanted),
            terms,
            {name: kept_of[name] for name in wanted if name in kept_of},
        )


def _by_meter(kept: pd.DataFrame | None) -> dict[str, pd.DataFrame]:
    """Of each meter what is needed to go on from what was kept of it."""
    if kept is None:
        return {}
    needed = kept[["meter_id", "date", *SCORE_COLUMNS]]
    return {str(meter): days for meter, days in needed.groupby("meter_id", sort=False)}


def _with_forecasts(judged: pd.DataFrame, backtest: Path | None, timezone: str) -> pd.DataFrame:
    if backtest is None:
        return judged.assign(**dict.fromkeys(COLUMNS, np.nan))
    return judged.merge(forecast_breaches(read_table(backtest), timezone), on=["meter_id", "date"], how="left")


def _first_days(judged: pd.DataFrame, request: Request) -> dict[str, pd.Timestamp]:
    """For each meter the first day that may alert."""
    if request.since is not None:
        return dict.fromkeys(judged["meter_id"].unique(), pd.Timestamp(str(request.since)))
    last = judged.groupby("meter_id")["date"].max() - pd.Timedelta(days=request.alert_days - 1)
    return {str(meter): day for meter, day in last.items()}


def _tell(
    judged: pd.DataFrame,
    whole: pd.DataFrame,
    alerts: list[Alert],
    first_days: dict[str, pd.Timestamp],
    sectors: dict[str, str],
    request: Request,
    workspace: Path,
) -> StepResult:
    """Tables and numbers of the scores."""
    result = StepResult(params={"detector": request.detector})
    result.outputs = {
        artifacts.SCORES: write_table(long_scores(judged), workspace / f"{artifacts.SCORES}.parquet"),
        artifacts.JUDGED_DAYS: write_table(whole, workspace / f"{artifacts.JUDGED_DAYS}.parquet"),
    }
    scored = judged[judged["threshold"].notna() & judged["score"].notna()]
    recent = scored[scored["date"] >= scored["meter_id"].map(first_days)]
    unscored = sorted(set(judged["meter_id"]) - set(scored["meter_id"]))
    result.metrics = {
        "meters_judged": judged["meter_id"].nunique(),
        "meters_not_scored": len(unscored),
        "days_scored": len(scored),
        "days_not_scored": len(judged) - len(scored),
        "alert_days_per_30_nominal": request.alert_budget,
        "alert_days_per_30": _rate(scored),
        "alert_days_per_30_alerting": _rate(recent),
    }
    result.notes = [
        f"{len(scored)} days of {scored['meter_id'].nunique()} meters scored; {len(judged) - len(scored)} not, for "
        "they have too short a past or too few known hours",
        f"suspect days per meter and 30 days: {_rate(scored):.2f} of all days scored, {_rate(recent):.2f} of those "
        f"that may alert; nominal {request.alert_budget:g}",
    ]
    if unscored:
        named = ", ".join(unscored[:_NAMED]) + (", …" if len(unscored) > _NAMED else "")
        result.notes.append(f"{len(unscored)} meters have too short a past to be scored: {named}")
    if not any(meter in sectors for meter in judged["meter_id"].unique()):
        result.notes.append("no meter's sector is known: events of several meters at once cannot be told")
    return result


def _rate(scored: pd.DataFrame) -> float:
    return float(scored["alarm"].mean() * BUDGET_DAYS) if len(scored) else 0.0


def _tell_alerts(
    result: StepResult,
    store: AlertStore,
    alerts: list[Alert],
    recorded: Recorded,
    whole: pd.DataFrame,
    sectors: dict[str, str],
    workspace: Path,
) -> None:
    """The alerts as table, page, figures of the gravest, and numbers."""
    first = min((alert.days[0].day for alert in alerts), default=date.max)
    table = store.read(first_day=first)
    result.outputs[artifacts.ALERTS] = write_table(_storable(table), workspace / f"{artifacts.ALERTS}.parquet")
    page = workspace / artifacts.ALERTS_PAGE
    told = compose(table.assign(told_until=pd.Series(pd.NaT, table.index)), store.precision())
    page.write_text(told.html, encoding="utf-8")
    result.files = [page, *_figures(table, whole, sectors, workspace)]
    counts = {kind: sum(alert.kind == kind for alert in alerts) for kind in KINDS}
    result.metrics |= {f"alerts_{kind.replace(' ', '_').replace('-', '_')}": count for kind, count in counts.items()}
    result.metrics |= {
        "missing_kwh": float(table["missing_kwh"].clip(lower=0).sum()),
        "money": float(table["money"].sum()),
    }
    result.notes.append(
        f"{len(alerts)} alerts ({', '.join(f'{count} {kind}' for kind, count in counts.items())}): {recorded.new} new, "
        f"{recorded.updated} go on, {recorded.unchanged} known, in {store.name}"
    )
    for row in table.head(_NAMED).itertuples():
        result.notes.append(
            f"{row.kind} at {row.subject} from {row.first_day:%Y-%m-%d} to {row.last_day:%Y-%m-%d}, "
            f"{row.missing_kwh:,.0f} kWh missing: "
            f"{row.reasons}"
        )


def _storable(alerts: pd.DataFrame) -> pd.DataFrame:
    """Without lists, which CSV and some readers of Parquet know not."""
    return alerts.assign(meters=alerts["meters"].map(lambda meters: ", ".join(meters)))


def _figures(table: pd.DataFrame, whole: pd.DataFrame, sectors: dict[str, str], workspace: Path) -> Iterator[Path]:
    sector_of = pd.Series([sectors.get(meter, "") for meter in whole["meter_id"]], index=whole.index)
    for number, alert in enumerate(table.head(_FIGURES).to_dict("records"), 1):
        days = whole[whole["meter_id"].isin(alert["meters"]) | ((sector_of == alert["sector"]) & (sector_of != ""))]
        figure = plots.alert_days({str(key): value for key, value in alert.items()}, days)
        yield plots.save(figure, workspace / artifacts.ALERT_FIGURE.format(number))
