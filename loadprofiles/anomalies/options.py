"""The options of scoring, of the alert database and of its digest."""

from pathlib import Path
from typing import Any

import click

from loadprofiles.anomalies.states import ALERT_DB, STATES, URL_VARIABLE
from loadprofiles.choices import ANOMALY_DETECTORS, ATTACK_NAMES
from loadprofiles.cli import NONE, Day, Decorator, PlainPath, Spelling, SpellingOrNone, names_option, option, options
from loadprofiles.errors import has_secret

DIGEST_SUFFIXES = (".html", ".txt", ".eml")


class DatabaseUrl(click.ParamType[Any]):
    """The URL of a database, without a password."""

    name = "url"

    def __init__(self, *, optional: bool = False) -> None:
        self._optional = optional

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the URL, or fail saying how it is written, or where one with a password goes."""
        text = str(value).strip()
        if self._optional and text.lower() in NONE:
            return ""
        if has_secret(text):
            self.fail(
                f"a URL with a password is refused: MLflow keeps parameters in the clear. Put it into {URL_VARIABLE} "
                "of the environment; if it went through `mlflow run`, delete that run and change the password",
                param,
                ctx,
            )
        if "://" not in text:
            self.fail(f"{text!r} is no URL; write sqlite:///{text or 'alerts.db'}", param, ctx)
        return text


class Addresses(click.ParamType[Any]):
    """Mail addresses, with commas between; empty means none."""

    name = "addresses"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Return the addresses, each once, or fail with the one that is none."""
        if isinstance(value, tuple):
            return value
        from loadprofiles.anomalies.mail import is_address  # imports that no other option needs

        addresses = [part.strip() for part in str(value).split(",") if part.strip().lower() not in NONE]
        for address in addresses:
            if not is_address(address):
                self.fail(f"{address!r} is no mail address; write ana@example.org,ben@example.org", param, ctx)
        return tuple(dict.fromkeys(addresses))


class DigestFile(PlainPath):
    """A file of this machine to write a digest to; empty means none."""

    def __init__(self) -> None:
        super().__init__(optional=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a Path or None, or fail naming the suffixes that choose a format."""
        path = super().convert(value, param, ctx)
        if isinstance(path, str):
            self.fail(f"{value!r} is a URL; name a file of this machine", param, ctx)
        if path is not None and path.suffix.lower() not in DIGEST_SUFFIXES:
            self.fail(f"{str(path)!r}: a digest ends in one of {', '.join(DIGEST_SUFFIXES)}", param, ctx)
        return path


class ScoresFile(PlainPath):
    """A Parquet file of this machine to keep scores in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return a Path, or fail saying what it must be."""
        path = super().convert(value, param, ctx)
        if not isinstance(path, Path) or path.suffix.lower() != ".parquet":
            self.fail(f"{value!r}: scores are kept in a .parquet file of this machine", param, ctx)
        return path


alert_db = option(
    "alert_db",
    DatabaseUrl(),
    ALERT_DB,
    f"URL of the alert database; {URL_VARIABLE} of the environment overrules it.",
)


def _detector(kind: click.ParamType[Any], more: str) -> Decorator:
    told = f"What raises alerts; band: the earlier rule, ±20 % around a forecast{more}."
    return option("detector", kind, ANOMALY_DETECTORS[0], told)


alert_budget = option(
    "alert_budget",
    click.FloatRange(min=0, max=30, min_open=True, max_open=True),
    "1",
    "Alert-days that each meter may have in 30 days.",
)

_terms = options(
    alert_budget,
    option("alert_days", click.IntRange(min=1), "30", "Days before each meter's last that may alert."),
    option(
        "since",
        Day(),
        "",
        "First day to score and to alert, by the scores that are kept of the days before; empty: score all.",
    ),
    option("tariff", click.FloatRange(min=0), "0.15", "Money a kWh is worth."),
    alert_db,
    option(
        "scores_path", ScoresFile(optional=False), "scores.parquet", "File in which scores are kept from run to run."
    ),
)

anomalies = options(_detector(Spelling(ANOMALY_DETECTORS), ""), _terms)
"""Of `anomalies.py`."""

anomalies_in_chain = options(
    _detector(SpellingOrNone(ANOMALY_DETECTORS), "; empty leaves anomalies out"),
    _terms,
)
"""The same where the step can be left out."""

theft_bench = options(
    names_option("attacks", ATTACK_NAMES, ",".join(ATTACK_NAMES), "Attacks, with commas between."),
    option(
        "test_share",
        click.FloatRange(min=0, max=0.9, min_open=True),
        "0.1",
        "Share of each meter's days, its last, that is attacked.",
    ),
    option("repeats", click.IntRange(min=1), "2", "How often each attack is put into each meter."),
    alert_budget,
)
"""Of `theft_bench.py`."""

alerts = options(
    alert_db,
    option("send_to", Addresses(), "", "Mail addresses, with commas between (server: SMTP_HOST, …); empty: no mail."),
    click.option(
        "--dry_run",
        "--dry-run",
        type=DigestFile(),
        default="",
        show_default=True,
        help=f"File to write the digest to ({', '.join(DIGEST_SUFFIXES)}) instead of sending it; empty: send it.",
    ),
    option("alert_id", str, "", "Alert to set the state of; empty: send a digest."),
    option("state", SpellingOrNone(STATES), "", f"What to say of that alert: {', '.join(STATES)}."),
    option("note", str, "", "Why."),
    option("who", str, "", "Who says so."),
)
"""Of `alerts.py`."""
