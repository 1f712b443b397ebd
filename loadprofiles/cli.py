"""Options shared by the top-level scripts, with real types, and the one way in which a script runs.

Parameter names are those of MLproject; `mlflow run . -P name=value` and `python script.py --name value`
are the same call.
"""

import atexit
import functools
import gc
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import click

from loadprofiles.choices import (
    DISTANCE_METRICS,
    FORECAST_MODELS,
    INITS,
    K_RULES,
    LINKAGES,
    MODELS,
    TABLE_SUFFIXES,
    Grid,
    check_model,
)
from loadprofiles.errors import LoadProfilesError, has_secret
from loadprofiles.quality import MINUTES_A_DAY
from loadprofiles.step import Url, is_artifact_uri, is_remote

MISSPELT = {"kmedioids": "kmedoids", "euclidian": "euclidean"}
"""Spellings of the earlier pipeline's scripts, taken with a notice."""

TRUE = ("true", "1", "t", "y", "yes", "yeah", "on")
FALSE = ("false", "0", "f", "n", "no", "nope", "off")
NONE = ("", "none", "null")

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


class Boolean(click.ParamType[Any]):
    """`true 1 t y yes yeah on` and their opposites, in any case."""

    name = "boolean"
    words: tuple[str, ...] = (*TRUE, *FALSE)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the boolean that `value` spells, or fail with the list of spellings."""
        word = str(value).strip().lower()
        if word not in self.words:
            self.fail(f"{value!r} is not one of {', '.join(self.words)}", param, ctx)
        return word in TRUE


class Switch(Boolean):
    """A boolean, `auto` or `anew`, as text: `true`, `false`, `auto`, `anew`."""

    name = "switch"
    others = ("auto", "anew")
    words = (*others, *TRUE, *FALSE)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return `true`, `false`, `auto` or `anew`, or fail with the list of spellings."""
        true = super().convert(value, param, ctx)
        word = str(value).strip().lower()
        return word if word in self.others else str(true).lower()


class Spelling(click.Choice[str]):
    """A choice that also takes the earlier pipeline's misspellings, with a notice."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the choice that `value` names, or fail with the list of choices."""
        meant = MISSPELT.get(str(value).strip().lower(), str(value).strip())
        if str(value).strip().lower() in MISSPELT:
            click.echo(f"{value!r} is taken as {meant!r}", err=True)
        return super().convert(meant, param, ctx)


class SpellingOrNone(Spelling):
    """A choice, or none at all."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the choice that `value` names, None where it is empty, or fail with the list of choices."""
        return None if str(value).strip().lower() in NONE else super().convert(value, param, ctx)


class Names(click.ParamType[Any]):
    """Some of the names allowed, with commas between."""

    name = "names"

    def __init__(self, allowed: tuple[str, ...]) -> None:
        self._one = Spelling(allowed)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the names as text, each once, or fail with the list of choices."""
        names = [self._one.convert(name.strip(), param, ctx) for name in str(value).split(",") if name.strip()]
        return ",".join(dict.fromkeys(names)) if names else self.fail("is empty; give one or more names", param, ctx)


class Resolution(click.ParamType[Any]):
    """Minutes a step of the day: any divisor of 1440."""

    name = "minutes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the minutes, or fail naming what divides a day."""
        if not str(value).strip().isdecimal() or int(value) == 0 or MINUTES_A_DAY % int(value):
            self.fail(f"{value!r} does not divide a day of {MINUTES_A_DAY} minutes; use 15, 30, 60, …", param, ctx)
        return int(value)


class Zone(click.ParamType[Any]):
    """An IANA time zone name."""

    name = "timezone"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the zone's name, or fail naming the zones of that place."""
        name = str(value).strip()
        if name in available_timezones() and ZoneInfo(name):
            return name
        place = name.rsplit("/", 1)[-1].lower()
        near = sorted(zone for zone in available_timezones() if place and place in zone.lower())[:5]
        hint = f"did you mean {', '.join(near)}?" if near else "use an IANA name like Europe/Rome"
        return self.fail(f"{value!r} is no time zone; {hint}", param, ctx)


class PlainPath(click.ParamType[Any]):
    """A path, artifact URI or URL without secrets; empty means none."""

    name = "path"

    def __init__(self, *, optional: bool, in_place: bool = False) -> None:
        self._optional = optional
        self._in_place = in_place

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a Path, an artifact URI or URL as text, or None; fail if there is a secret in it."""
        text = str(value).strip()
        if has_secret(text):
            self.fail(
                "a URI with a password or token is refused: MLflow keeps parameters in the clear. Put it into the "
                "environment; if it went through `mlflow run`, delete that run and change the password",
                param,
                ctx,
            )
        if text.lower() in NONE:
            return None if self._optional else self.fail("is empty; name a file or folder", param, ctx)
        if self._in_place and (is_artifact_uri(text) or text.lower().startswith(("http://", "https://"))):
            self.fail(f"{value!r} cannot be written to; name a folder, or one of an object store (s3://…)", param, ctx)
        if is_remote(text):
            return text if self._in_place else Url(text)
        return text if is_artifact_uri(text) else Path(text)


class TableFile(PlainPath):
    """The path of a table to write: refused by its suffix before the work, not after it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a Path, or fail naming the suffixes that choose a format."""
        path = super().convert(value, param, ctx)
        if isinstance(path, str):
            self.fail(f"{value!r} is a URL; name a file of this machine", param, ctx)
        if Path(path).suffix.lower() not in TABLE_SUFFIXES:
            self.fail(f"{value!r}: a table file ends in {' or '.join(TABLE_SUFFIXES)}", param, ctx)
        return path


class Clusters(click.ParamType[Any]):
    """A number of clusters: 0 to have it chosen, else at least 2."""

    name = "clusters"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number, or fail saying what is possible."""
        text = str(value).strip()
        if not text.isdecimal() or int(text) == 1:
            self.fail(f"{value!r} is no number of clusters; use 0 (chosen by k_rule), or 2 and more", param, ctx)
        return int(text)


class GridSize(click.ParamType[Any]):
    """Rows and columns of a map as `4x3`; empty means none."""

    name = "grid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Grid | None:
        """Return rows and columns or None, or fail showing how they are written."""
        text = str(value).strip().lower()
        if text in NONE:
            return None
        sides = text.split("x")
        if len(sides) != 2 or not all(side.isdecimal() and int(side) for side in sides) or sides == ["1", "1"]:
            self.fail(f"{value!r} is no grid; write rows and columns as 4x3", param, ctx)
        return Grid(int(sides[0]), int(sides[1]))


class Day(click.ParamType[Any]):
    """A day as `2024-01-31`; empty means none."""

    name = "day"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date | None:
        """Return the day or None, or fail showing how a day is written."""
        text = str(value).strip()
        if text.lower() in NONE:
            return None
        try:
            return date.fromisoformat(text)
        except ValueError:
            self.fail(f"{value!r} is no day; write 2024-01-31", param, ctx)


class Days(click.ParamType[Any]):
    """A number of days, 0 or more; empty means without limit."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        """Return the number or None, or fail saying what is possible."""
        text = str(value).strip()
        if text.lower() in NONE:
            return None
        return int(text) if text.isdecimal() else self.fail(f"{value!r} is no number of days", param, ctx)


def path_option(
    name: str, default: str, help_text: str, *, optional: bool = False, in_place: bool = False
) -> Decorator:
    """An option that names a file, folder, artifact or URL to fetch; or, `in_place`, a folder or URL to write to."""
    return option(name, PlainPath(optional=optional, in_place=in_place), default, help_text)


def source_folder(name: str, default: str, what: str) -> Decorator:
    """The option of the chain that names a source's folder."""
    return path_option(name, default, f"{what}; empty leaves the source out.", optional=True)


def boolean_option(name: str, default: str, help_text: str) -> Decorator:
    """An option that is true or false; its name is also taken with hyphens, as the earlier pipeline did."""
    names = dict.fromkeys((f"--{name}", f"--{name.replace('_', '-')}"))
    return click.option(*names, type=Boolean(), default=default, show_default=True, help=help_text)


def option(
    name: str,
    kind: Any,
    default: str,
    help_text: str,
    *,
    eager: bool = False,
    check: Callable[[click.Context, click.Parameter, Any], Any] | None = None,
) -> Decorator:
    """An option; an eager one is known when another is checked."""
    return click.option(
        f"--{name}", type=kind, default=default, show_default=True, help=help_text, is_eager=eager, callback=check
    )


def _at_least_k_min(ctx: click.Context, _param: click.Parameter, value: int) -> int:
    if ctx.params["k_min"] > value:
        raise click.UsageError(f"k_min is {ctx.params['k_min']}, which is more than k_max, {value}")
    return value


description_csv = path_option(
    "smart_meter_description_csv",
    "smart_meter_description.csv",
    "Contracted power, production and type of each meter; empty: unknown for all.",
    optional=True,
)
corrections_csv = path_option(
    "corrections_csv",
    "",
    "What is known of meters (meter, rule, from, to, factor, reason); it overrules what is found.",
    optional=True,
)
like_days = boolean_option("like_days", "false", "Fill gaps too long to interpolate with averages of like days.")
jobs = option(
    "jobs", click.IntRange(min=0), "0", "Processes or threads at once; 0: as many as cores, one for a small source."
)
dask_scheduler = option("dask_scheduler", str, "", "tcp://host:port of a dask scheduler; empty: this machine.")
resolution = option("resolution", Resolution(), "60", "Minutes a step of the daily profiles.")
timezone = option("timezone", Zone(), "UTC", "Zone of the local days, and of stamps without an offset.")
compute_dtw = option(
    "compute_dtw",
    Switch(),
    "auto",
    "Bring the DTW matrix up to date: true, false, auto (up to 50,000 profiles), or anew (computed from nothing).",
)
dtw_path = path_option(
    "dtw_path", "dtw/", "Folder of the DTW matrix, of this machine or an object store (s3://…).", in_place=True
)
seed = option("seed", click.IntRange(min=0, max=2**32 - 1), "0", "Of all random draws.")
radius = option("radius", click.IntRange(min=0), "1", "Half-width of the Sakoe-Chiba band, in steps.")
model = option("model", Spelling(MODELS), "kmeans", "Clustering model.")
distance_metric = option("distance_metric", Spelling(DISTANCE_METRICS), "euclidean", "Distance between profiles.")
number_of_clusters = option("number_of_clusters", Clusters(), "0", "Number of clusters; 0: chosen by k_rule.")
k_min = option("k_min", click.IntRange(min=2), "3", "Least number of clusters to choose from, or to sweep.", eager=True)
k_max = option(
    "k_max",
    click.IntRange(min=2),
    "20",
    "Greatest number of clusters to choose from, or to sweep.",
    check=_at_least_k_min,
)
silhouette_dtw = boolean_option("silhouette_dtw", "true", "Silhouette on the DTW matrix, where that is there.")


def registered_model(default: str) -> Decorator:
    """The option that names the model in the registry."""
    return option("registered_model", str, default, "Name to register the (best) model by; empty: not registered.")


def names_option(name: str, allowed: tuple[str, ...], default: str, help_text: str) -> Decorator:
    """An option that takes some of the names allowed."""
    return option(name, Names(allowed), default, help_text)


model_alias = option("model_alias", str, "", "Alias for the registered version, such as champion; empty: none.")
mongo_database = option("mongo_database", str, "smartmeters", "Database of the live MongoDB (its URI: MONGO_URI).")
mongo_collection = option("mongo_collection", str, "daily", "Collection of the live MongoDB.")
correction_days = option(
    "correction_days",
    Days(),
    "35",
    "Days before the last load within which the live MongoDB may still correct; empty: read all again.",
)
customers_layout = path_option(
    "customers_layout", "", "TOML file that says how to read the customers' files; empty: as built in.", optional=True
)


def out_csv(default: str) -> Decorator:
    """The option that names the table a step writes."""
    help_text = "Table to write; the suffix chooses the format: .csv or .parquet."
    return option("out_csv", TableFile(optional=False), default, help_text)


sql_table = option("sql_table", str, "historian", "Table of the live SQL historian (its URL: SQL_URL).")
sql_columns = option("sql_columns", str, "", "Its columns: timestamp=…,tagname=…,energy=…; empty: these names.")
sql_meters = option("sql_meters", str, "", "Meters to read of it, with commas between; empty: all.")
sql_from = option("sql_from", Day(), "", "First local day to read of it; empty: from its first.")
sql_to = option("sql_to", Day(), "", "Last local day to read of it; empty: to its last.")


def options(*decorators: Decorator) -> Decorator:
    """Several options as one decorator, in the order given."""

    def apply(function: Callable[..., None]) -> Callable[..., None]:
        return functools.reduce(lambda decorated, decorator: decorator(decorated), reversed(decorators), function)

    return apply


def names_of(decorator: Decorator) -> tuple[str, ...]:
    """The names of the options that a decorator adds."""
    params = click.command()(decorator(lambda **_: None)).params
    return tuple(param.name for param in params if param.name)


model_settings = options(
    radius,
    seed,
    option("init", Spelling(INITS), "random", "Where k-means and k-medoids start from."),
    option("n_init", click.IntRange(min=0), "0", "Starts, of which the best counts; 0: the model's own number."),
    option("linkage", Spelling(LINKAGES), "auto", "Of agglomerative; auto: ward (euclidean) or average (dtw)."),
    option("som_grid", GridSize(), "", "Rows and columns of the SOM, as 4x3; empty: number_of_clusters x 1."),
    option("min_cluster_size", click.IntRange(min=0), "0", "Fewest days in a cluster of hdbscan; 0: a hundredth."),
    option(
        "sample_size",
        click.IntRange(min=0),
        "0",
        "Most profiles whose pairs are all compared; 0: 20,000, beyond that samples.",
    ),
)
"""Of each model, whichever and however many are fitted."""


def clustering(function: Callable[..., None]) -> Callable[..., None]:
    """The options of one clustering; what does not go together is told before the work."""

    @functools.wraps(function)
    def checked(**params: Any) -> None:
        try:
            check_model(params["model"], params["distance_metric"], params["number_of_clusters"], params["som_grid"])
        except LoadProfilesError as error:
            raise click.UsageError(str(error)) from error
        function(**params)

    return _clustering_options(checked)


_clustering_options = options(
    model,
    distance_metric,
    number_of_clusters,
    k_min,
    k_max,
    option(
        "k_rule", Spelling(K_RULES), "silhouette", "How the number is chosen: by silhouette, or ranks over indices."
    ),
    model_settings,
    silhouette_dtw,
    option("stability_seeds", click.IntRange(min=0), "0", "Further seeds to compare the clusters with."),
    registered_model("load_profile_clusters"),
    model_alias,
)

weather_csv = path_option(
    "weather_csv",
    "",
    "Weather to learn from: timestamp_utc, issued_utc where it is forecast, and numbers; empty: none.",
    optional=True,
)
_forecast_terms = options(
    option("frequency", str, "1h", "Length of an interval: a part of a day from 15min on, 24h, or 48h."),
    option("horizon", click.FloatRange(min=0, min_open=True), "24", "Hours ahead; at least one interval."),
    option("backtest_days", click.IntRange(min=0), "28", "Days to forecast as if they were to come; 0: none."),
    option("holidays", str, "", "Code of the country whose holidays count, such as IT; empty: none."),
)

forecasting = options(
    option("model", Spelling(FORECAST_MODELS), "auto", "Forecasting model; auto: the best before the backtest."),
    _forecast_terms,
    seed,
    registered_model("load_forecaster"),
    model_alias,
)
"""The options of a forecast."""

forecasting_in_chain = options(
    option(
        "forecast_model",
        SpellingOrNone(FORECAST_MODELS),
        "auto",
        "Forecasting model; auto: the best before the backtest; empty leaves forecasts out.",
    ),
    _forecast_terms,
    option("registered_forecaster", str, "load_forecaster", "Name to register it by; empty: not registered."),
    option("forecaster_alias", str, "", "Alias for the registered version, such as champion; empty: none."),
)
"""The same where clustering has taken their names."""

_OTHER_NAMES = {
    "model": "forecast_model",
    "registered_model": "registered_forecaster",
    "model_alias": "forecaster_alias",
}
FORECASTING_IN_CHAIN = {
    name: _OTHER_NAMES.get(name, name) for name in names_of(options(forecasting, weather_csv, jobs, dask_scheduler))
}
"""The chain's name of each option of a forecast."""

live_sql = options(sql_table, sql_columns, sql_meters, sql_from, sql_to)
live_mongo = options(mongo_database, mongo_collection, correction_days)
etl = options(description_csv, corrections_csv, like_days, resolution, timezone, jobs, dask_scheduler)

chain = options(
    boolean_option("load_new", "false", "Read the live databases again, rather than take over what was loaded last."),
    etl,
    source_folder("oldmongo_folder", "oldmongo/", "Dumps of the old MongoDB"),
    source_folder("sql_folder", "sql/", "Exports of the SQL historian"),
    source_folder("newmongo_folder", "newmongo/", "Export of the new MongoDB"),
    source_folder("customers_folder", "customers/", "Customers' files and the sheet of their sectors"),
    customers_layout,
    live_sql,
    live_mongo,
    compute_dtw,
    dtw_path,
)
"""Of the chain up to harmonization."""


def run_guarded(function: Callable[[], None]) -> None:
    """Call `function`; a user's error is one line and status 1, an interruption status 130.

    SIGTERM counts as an interruption, so that a step stopped from outside closes its run too. What comes
    after the first is ignored: `mlflow run` sends a second one while we are still closing runs.
    """
    for number in _INTERRUPTIONS:
        signal.signal(number, _interrupt)
    # at its end Python looks through all that was imported, for two seconds, unless told that it will stay
    atexit.register(gc.freeze)
    try:
        function()
    except LoadProfilesError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        # the reader of our output went away: nothing more to say to it
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    for number in _INTERRUPTIONS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def run_step(name: str, function: Callable[..., Any], params: dict[str, Any]) -> None:
    """Run one step under MLflow: `function(workspace=…, **params)` gives a StepResult."""
    from loadprofiles import tracking  # imports mlflow, which takes seconds: not for --help or a typing error

    run_guarded(lambda: tracking.run_step(name, function, params))
