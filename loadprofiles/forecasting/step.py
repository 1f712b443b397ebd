"""The forecasting step: from readings to forecasts with bands, a backtest of every model, and models to be served."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd

from loadprofiles import plots
from loadprofiles import step as artifacts
from loadprofiles.choices import AUTO, FORECAST_MODELS, ONLINE, ONLINE_MEMBERS
from loadprofiles.errors import EmptyResultError, ParameterError
from loadprofiles.forecasting.bands import Rhythm
from loadprofiles.forecasting.design import Context, country_holidays
from loadprofiles.forecasting.engine import REFERENCE, Outcome, Work, actuals, forecast_all, last_pool
from loadprofiles.forecasting.fallback import NONE, WORDS
from loadprofiles.forecasting.measures import LEVELS, meter_errors, summary, wape
from loadprofiles.forecasting.panel import Floats, Panel, frequency_minutes
from loadprofiles.forecasting.schedule import BACKTEST, CALIBRATION, FINAL, make_horizon
from loadprofiles.forecasting.served import INPUTS, OUTPUTS, Forecaster, forecast_table
from loadprofiles.forecasting.source import read_groups, read_panel, read_weather
from loadprofiles.forecasting.weather import Weather
from loadprofiles.step import ServedModel, StepInput, StepResult
from loadprofiles.tables import content_digest, write_table

_MIDDLE = LEVELS.index(0.5)
_EXAMPLE_DAYS = 98
_PACKAGES = ("mlflow", "numpy", "pandas", "numba", "scipy", "holidays")
_MODEL_PACKAGES = {
    "xgboost": ("xgboost-cpu",),
    "lstm": ("tensorflow-cpu", "keras"),
    "mstl": ("statsforecast",),
    "ets": ("statsforecast",),
}


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        model: One of `choices.FORECAST_MODELS`.
        frequency: Length of an interval, as `1h`.
        horizon: Hours ahead; at least one interval.
        backtest_days: Days to be forecast as if they were to come; 0: none.
        timezone: IANA name of the zone whose days are meant.
        holidays: Code of the country whose holidays count; empty: none.
        seed: Of all random draws.
        registered_model: The model's name in the registry; empty: not registered.
        model_alias: An alias for this version of it; empty: none.
    """

    model: str = AUTO
    frequency: str = "1h"
    horizon: float = 24
    backtest_days: int = 28
    timezone: str = "UTC"
    holidays: str = ""
    seed: int = 0
    registered_model: str = ""
    model_alias: str = ""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are asked, the reference among them."""
        if self.model == AUTO:
            return (*ONLINE_MEMBERS, ONLINE)
        if self.model == ONLINE:
            return (*ONLINE_MEMBERS, ONLINE)
        return tuple(dict.fromkeys((REFERENCE, self.model)))


def forecast(
    in_csv: Path,
    readings: Path | None,
    weather_csv: Path | None,
    smart_meter_description_csv: Path | None,
    customers_folder: Path | None,
    customers_layout: Path | None,
    jobs: int,
    dask_scheduler: str,
    workspace: Path,
    **params: object,
) -> StepResult:
    """Forecast every meter, and judge the models by what they would have forecast before.

    Args:
        in_csv: The harmonized table.
        readings: The Readings of its meters, incomplete days and all; None: the table's days are all there is.
        weather_csv: Weather to learn from, as far as it was known at each origin; None: none.
        smart_meter_description_csv: The meters' types; None: not known.
        customers_folder: With the sheet of the customers' sectors; None: not known.
        customers_layout: How to read that; None: as built in.
        jobs: Processes at once; 0: as many as cores.
        dask_scheduler: Address of a dask scheduler whose workers do the work and see the workspace; empty: this
            machine.
        workspace: A folder for the files of the result.
        params: Attributes of `Request`.

    Raises:
        InputError: A table cannot be read.
        ParameterError: A parameter cannot be used.
        EmptyResultError: No meter has enough readings.
    """
    request = Request(**params)  # type: ignore[arg-type]
    if request.model not in FORECAST_MODELS:
        raise ParameterError(f"model is {request.model!r}; it must be one of {', '.join(FORECAST_MODELS)}")
    if request.holidays:
        country_holidays(request.holidays)
    panel = read_panel(in_csv, readings, frequency_minutes(request.frequency), request.timezone)
    sectors = read_groups(smart_meter_description_csv, customers_folder, customers_layout)
    weather = read_weather(weather_csv) if weather_csv else None
    work = Work(jobs or int(joblib.cpu_count()), dask_scheduler, workspace.absolute())
    result = forecast_panel(panel, sectors, weather, request, work)
    given = {artifacts.HARMONIZED: in_csv, artifacts.READINGS: readings, artifacts.WEATHER: weather_csv}
    result.inputs = [StepInput(name, path, content_digest(path)) for name, path in given.items() if path]
    return result


def forecast_panel(
    panel: Panel, sectors: dict[str, str], weather: Weather | None, request: Request, work: Work
) -> StepResult:
    """Forecast the meters of a panel, and write all that is told of it; arguments as read by `forecast`."""
    horizon = make_horizon(request.horizon, panel.grid)
    known = int((panel.ends > 0).sum())
    if not known:
        raise EmptyResultError(
            f"no meter has a whole interval of {request.frequency}: give longer readings, or a shorter frequency"
        )
    own_sectors = {meter: sectors[meter] for meter in panel.meters if meter in sectors}
    context = Context(
        country=request.holidays,
        sectors=own_sectors,
        sector_names=tuple(sorted(set(own_sectors.values()))),
        weather_names=weather.names if weather else (),
        weather=weather,
    )
    outcome = forecast_all(panel, context, horizon, request.models, request.backtest_days, request.seed, work)
    chosen = choose(outcome) if request.model == AUTO else request.model
    told = {name: _tell(name, outcome, work.workspace, request.timezone) for name in outcome.quantiles_kwh}
    for name, part in told.items():
        registered = (request.registered_model, request.model_alias) if name == chosen else ("", "")
        part.model = _served(name, outcome, context, work.workspace / "models" / name / "served", *registered)
    told[chosen].chosen = True
    comparison = _comparison(told)
    result = replace(
        told[chosen],
        run_name=f"{request.model} {request.frequency} {request.horizon:g} h ahead",
        outputs={
            artifacts.FORECASTS: write_table(_forecasts(outcome, chosen), work.workspace / "forecasts.parquet"),
            **told[chosen].outputs,
        },
        files=[
            *told[chosen].files,
            write_table(_accounts(outcome), work.workspace / f"{artifacts.METER_ACCOUNTS}.csv"),
            write_table(comparison, work.workspace / f"{artifacts.FORECAST_COMPARISON}.csv"),
        ],
        params={},
        tags={"chosen_model": chosen},
        model=None,
        chosen=False,
        children=list(told.values()),
    )
    result.metrics = told[chosen].metrics | _counts(outcome)
    result.notes = _notes(outcome, chosen, request, comparison)
    if len(comparison) > 1:
        figure = plots.model_comparison(comparison, result.run_name)
        result.files.append(plots.save(figure, work.workspace / artifacts.COMPARISON_FIGURE))
    return result


def choose(outcome: Outcome) -> str:
    """The model that was best before the backtest: the least geometric mean of the meters' ratios to the reference.

    Nothing of the backtest, nor after it, is looked at. Where there was nothing before it, the reference.
    """
    before = outcome.queries.take(outcome.queries.roles == CALIBRATION)
    chosen = outcome.queries.roles == CALIBRATION
    actual = actuals(outcome.panel, before, outcome.horizon.steps)
    # what an origin's horizon reaches of the backtest is not known before it
    actual[_reaches_backtest(outcome)[chosen]] = np.nan
    scores = {}
    for name, quantiles in outcome.quantiles_kwh.items():
        reference = outcome.quantiles_kwh[REFERENCE][chosen][..., _MIDDLE]
        ratios = _ratios(before.meters, actual, quantiles[chosen][..., _MIDDLE], reference)
        scores[name] = float(np.exp(np.log(ratios).mean())) if len(ratios) else 1.0
    return min(scores, key=lambda name: (scores[name], name != REFERENCE))


def _reaches_backtest(outcome: Outcome) -> npt.NDArray[np.bool_]:
    """For each query and step ahead, whether it lies in its meter's backtest; shape (queries, horizon)."""
    queries = outcome.queries
    first = np.full(len(outcome.panel.meters), np.iinfo(np.int64).max)
    backtest = queries.roles != CALIBRATION
    np.minimum.at(first, queries.meters[backtest], queries.origins[backtest])
    steps = queries.origins[:, np.newaxis] + np.arange(outcome.horizon.steps)
    return np.asarray(steps >= first[queries.meters][:, np.newaxis])


def _ratios(meters: npt.NDArray[np.int64], actual: Floats, points: Floats, reference: Floats) -> Floats:
    ratios = []
    for meter in np.unique(meters):
        own = meters == meter
        known = np.isfinite(actual[own]) & np.isfinite(points[own]) & np.isfinite(reference[own])
        values = [wape(actual[own][known], given[own][known]) for given in (points, reference)]
        if all(value > 0 for value in values):
            ratios.append(values[0] / values[1])
    return np.array(ratios)


def _tell(name: str, outcome: Outcome, workspace: Path, timezone: str) -> StepResult:
    """All that is told of one model's backtest."""
    folder = workspace / "models" / name
    folder.mkdir(parents=True)
    result = StepResult(run_name=name, params={"model": name})
    table = _backtest(outcome, name)
    backtest = table.drop(columns="naive_kwh")
    result.outputs = {artifacts.BACKTEST: write_table(backtest, folder / f"{artifacts.BACKTEST}.parquet")}
    if table.empty:
        return result
    errors = _errors(outcome, table)
    result.metrics = summary(errors)
    result.files = [
        write_table(errors, folder / f"{artifacts.FORECAST_ERRORS}.csv"),
        *_draw(table, errors, name, timezone, folder),
    ]
    return result


def _draw(table: pd.DataFrame, errors: pd.DataFrame, name: str, timezone: str, folder: Path) -> list[Path]:
    return [
        plots.save(plots.forecast_examples(table, errors, name, timezone), folder / artifacts.EXAMPLES_FIGURE),
        plots.save(plots.error_by_hour(table, name, timezone), folder / artifacts.ERROR_HOURS_FIGURE),
        plots.save(plots.calibration(table, name), folder / artifacts.CALIBRATION_FIGURE),
    ]


def _forecasts(outcome: Outcome, name: str) -> pd.DataFrame:
    """What is forecast of the time after each meter's readings."""
    return _table(outcome, name, FINAL).drop(columns=["actual_kwh", "naive_kwh"])


def _backtest(outcome: Outcome, name: str) -> pd.DataFrame:
    """What would have been forecast before, `actual_kwh`, and `naive_kwh` of the reference."""
    return _table(outcome, name, BACKTEST)


def _table(outcome: Outcome, name: str, role: int) -> pd.DataFrame:
    chosen = outcome.queries.roles == role
    queries = outcome.queries.take(chosen)
    return forecast_table(
        outcome.panel,
        name,
        queries.meters,
        queries.origins,
        outcome.quantiles_kwh[name][chosen],
        outcome.reasons[chosen],
        actual_kwh=actuals(outcome.panel, queries, outcome.horizon.steps),
        naive_kwh=outcome.quantiles_kwh[REFERENCE][chosen][..., _MIDDLE],
    )


def _errors(outcome: Outcome, table: pd.DataFrame) -> pd.DataFrame:
    """Every measure of every meter of a backtest, and how often a fallback was taken."""
    judged = table[table["actual_kwh"].notna()]
    before = pd.Series(_naive_errors(outcome), index=list(outcome.panel.meters))
    errors = meter_errors(judged, judged["naive_kwh"], before)
    fallbacks = judged[judged["fallback"] != NONE].groupby("meter_id").size()
    return errors.assign(fallback_intervals=errors["meter_id"].map(fallbacks).fillna(0).astype(np.int64))


def _naive_errors(outcome: Outcome) -> Floats:
    """Mean absolute error of the seasonal naive forecast before each meter's backtest, in kWh: MASE's divisor."""
    panel, queries = outcome.panel, outcome.queries
    week = panel.grid.week_steps
    out = np.full(len(panel.meters), np.nan)
    for meter in np.unique(queries.meters):
        own = queries.meters == meter
        first = int(queries.origins[own & (queries.roles != CALIBRATION)].min())
        energy = panel.energy_kwh[meter, :first]
        errors = np.abs(energy[week:] - energy[:-week])
        if np.isfinite(errors).any():
            out[meter] = float(errors[np.isfinite(errors)].mean())
    return out


def _accounts(outcome: Outcome) -> pd.DataFrame:
    """What became of each meter's readings, and why a fallback is forecast for it, if one is."""
    final = outcome.queries.roles == FINAL
    reasons = dict(zip(outcome.queries.meters[final].tolist(), outcome.reasons[final].tolist(), strict=True))
    rows = [
        {
            "meter_id": meter,
            "intervals": account.complete,
            "dropped_first_and_last": account.dropped_ends,
            "missing": account.missing,
            "outage": account.silent,
            "fallback": reasons.get(number, "no whole interval"),
        }
        for number, (meter, account) in enumerate(zip(outcome.panel.meters, outcome.panel.accounts, strict=True))
    ]
    return pd.DataFrame(rows)


def _comparison(told: dict[str, StepResult]) -> pd.DataFrame:
    """One row a model that was backtested, the best first."""
    columns = ("ratio_to_seasonal_naive", "median_wape", "median_mase", "median_weighted_quantile_loss", "coverage_90")
    rows = [
        {"model": name, **{column: result.metrics.get(column, float("nan")) for column in columns}}
        for name, result in told.items()
        if result.metrics
    ]
    return pd.DataFrame(rows, columns=["model", *columns]).sort_values(columns[0], ignore_index=True)


def _counts(outcome: Outcome) -> dict[str, float]:
    accounts = outcome.panel.accounts
    final = outcome.queries.roles == FINAL
    return {
        "meters": len(outcome.panel.meters),
        "meters_without_interval": int((outcome.panel.ends == 0).sum()),
        "meters_with_fallback": int((outcome.reasons[final] != NONE).sum()),
        "intervals": sum(account.complete for account in accounts),
        "intervals_dropped_first_and_last": sum(account.dropped_ends for account in accounts),
        "intervals_missing": sum(account.missing for account in accounts),
        "intervals_outage": sum(account.silent for account in accounts),
        "origins_backtested": int((outcome.queries.roles == BACKTEST).sum()),
    }


def _notes(outcome: Outcome, chosen: str, request: Request, comparison: pd.DataFrame) -> list[str]:
    counts = _counts(outcome)
    notes = [
        f"{counts['meters']:.0f} meters at {request.frequency}: {counts['intervals']:.0f} intervals known, "
        f"{counts['intervals_missing']:.0f} missing, {counts['intervals_dropped_first_and_last']:.0f} incomplete first "
        f"and last ones dropped, {counts['intervals_outage']:.0f} in outages (a day or more of zeros), not learnt from"
    ]
    if request.model == AUTO:
        notes.append(f"model=auto: {chosen} was the best in the weeks before the backtest")
    told = comparison.dropna(subset=["ratio_to_seasonal_naive", "median_wape"])
    notes += [
        f"{row.model}: {row.ratio_to_seasonal_naive:.3f} of the error of {REFERENCE}, "
        f"median WAPE {row.median_wape:.1%}, 90 % band covers {row.coverage_90:.1%}"
        for row in told.itertuples()
    ]
    if len(told) < len(comparison):
        notes.append("a backtest in which nothing was used, or the reference was never wrong, tells no relative error")
    if comparison.empty:
        notes.append("no backtest: no day before the end is known from end to end, or backtest_days=0")
    final = outcome.queries.roles == FINAL
    for reason, count in Counter(outcome.reasons[final].tolist()).items():
        if reason != NONE:
            notes.append(f"{count} meters: {reason}: {WORDS[reason]}")
    if counts["meters_without_interval"]:
        notes.append(f"{counts['meters_without_interval']:.0f} meters have no whole interval and no forecast")
    return notes


def _served(
    name: str, outcome: Outcome, context: Context, folder: Path, registered_name: str, alias: str
) -> ServedModel:
    """A model with its bands, ready to be logged."""
    needed = ONLINE_MEMBERS if name == ONLINE else (name,)
    forecaster = Forecaster(
        model=name,
        frequency_minutes=outcome.panel.grid.frequency_minutes,
        timezone=outcome.panel.grid.timezone,
        horizon=outcome.horizon,
        meters=tuple(outcome.panel.meters[meter] for meter in np.unique(outcome.queries.meters)),
        context=context,
        relative=outcome.relative[name],
        pool=last_pool(outcome, name, Rhythm(outcome.panel.grid, outcome.horizon.stride)),
        weights=outcome.weights if name == ONLINE else np.empty((0, 0)),
        fitted={member: outcome.fitted[member] for member in needed if member in outcome.fitted},
    )
    packages = [package for member in needed for package in _MODEL_PACKAGES.get(member, ())]
    return ServedModel(
        name=artifacts.FORECAST_MODEL,
        script=Path(__file__).parent.parent / "serving" / "forecasts.py",
        files={"forecaster": forecaster.save(folder)},
        inputs=INPUTS,
        outputs=OUTPUTS,
        example=_example(outcome.panel),
        packages=(*_PACKAGES, *packages),
        registered_name=registered_name,
        alias=alias,
    )


def _example(panel: Panel) -> pd.DataFrame:
    """The last weeks of the first meter that has any."""
    meter = int(np.flatnonzero(panel.ends)[0])
    end = int(panel.ends[meter])
    steps = np.arange(max(0, end - panel.grid.steps_in(_EXAMPLE_DAYS)), end)
    intervals = panel.grid.intervals(steps)
    energy = panel.energy_kwh[meter, steps][intervals["position"]] * intervals["length"]
    table = pd.DataFrame(
        {
            "meter_id": panel.meters[meter],
            "timestamp_utc": intervals["timestamp_utc"].dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "energy_kwh": energy,
        }
    )
    return table[table["energy_kwh"].notna()].reset_index(drop=True)
