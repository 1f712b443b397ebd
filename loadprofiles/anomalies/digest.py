"""The daily digest: what is new among the alerts, by mail and webhook, to each who has not been told yet.

It runs from cron, so it imports neither MLflow nor what only models need. An alert is noted as told after
it was sent: a digest that is killed in between is sent again, with the same Message-ID, and none is lost.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import click
import jinja2
import pandas as pd

from loadprofiles.anomalies.alert import GROUP, SEVERITIES
from loadprofiles.anomalies.delivery import DeliveryError
from loadprofiles.anomalies.mail import Mail, Smtp, channel_name, message
from loadprofiles.anomalies.states import STATES
from loadprofiles.anomalies.store import AlertStore, database_url
from loadprofiles.anomalies.webhook import URL_VARIABLE, Webhook
from loadprofiles.errors import ParameterError
from loadprofiles.tables import atomic_path

ROWS: Final = 200
"""Most alerts that a digest lists, the gravest; the others are counted."""


class Channel(Protocol):
    """A way to tell somebody."""

    @property
    def name(self) -> str:
        """What the database knows it by."""

    def send(self, digest: "Digest") -> None:
        """Send a digest, or raise DeliveryError."""


@dataclass(frozen=True)
class Digest:
    """What is told.

    Attributes:
        subject: In a line.
        html: As a page.
        text: The same as plain text.
        payload: The same for a program, as JSON takes it.
    """

    subject: str
    html: str
    text: str
    payload: dict[str, Any]

    def digest_id(self, receiver: str) -> str:
        """The same for the same alerts told as far, to the same receiver."""
        told = sorted((alert["alert_id"], alert["last_day"]) for alert in self.payload["alerts"])
        return hashlib.sha256(json.dumps([receiver, told]).encode()).hexdigest()[:32]


def tell(alert_id: str, state: str | None, note: str, who: str, **params: Any) -> None:
    """What `alerts.py` does: set the state of an alert, or send the digest; `params` are of `send_digest`.

    Raises:
        ParameterError: Of an alert to set, the state or the person is missing; or as of `send_digest`.
        InputError: There is no such alert.
    """
    if alert_id.strip():
        click.echo(f"alerts: {_set_state(alert_id, state, note, who, **params)}")
        return
    if state or note or who:
        raise ParameterError("state, note and who are of one alert: name it by alert_id")
    for done in send_digest(**params):
        click.echo(f"alerts: {done}")


def send_digest(alert_db: str, send_to: Sequence[str] = (), dry_run: Path | None = None) -> Iterator[str]:
    """Tell each channel of the alerts that it has not been told of.

    Args:
        alert_db: URL of the alert database; `ALERT_DB_URL` of the environment overrules it.
        send_to: Mail addresses.
        dry_run: File to write the digest to instead, as its suffix says; nothing is sent or noted as told.

    Yields:
        What was done, a line each.

    Raises:
        ParameterError: There is nobody to tell, or the environment's settings cannot be used.
        StoreError: There is no alert database, or it cannot be used.
        DeliveryError: A channel failed; the others have been told.
    """
    if dry_run is not None:
        yield from _write(AlertStore(database_url(alert_db), create=False), send_to, dry_run)
        return
    channels = _channels(send_to)
    if not channels:
        raise ParameterError(
            f"nobody to tell: give mail addresses by send_to, a webhook by {URL_VARIABLE}, or a file by dry_run"
        )
    store = AlertStore(database_url(alert_db), create=False)
    failures = []
    with store.telling():
        for channel in channels:
            try:
                yield f"{channel.name}: {_tell(store, channel)}"
            except DeliveryError as error:
                failures.append(f"{channel.name}: {error}")
    if failures:
        raise DeliveryError(f"not all were told, the next digest tells them: {'; '.join(failures)}")


def compose(alerts: pd.DataFrame, precision: pd.DataFrame) -> Digest:
    """A digest of alerts.

    Args:
        alerts: As of `AlertStore.unsent`, the gravest first.
        precision: As of `AlertStore.precision`.
    """
    new = int(alerts["told_until"].isna().sum())
    missing = float(alerts["missing_kwh"].clip(lower=0).sum())
    subject = _subject(new, len(alerts) - new, missing)
    listed = [_alert(row) for row in alerts.head(ROWS).to_dict("records")]
    severities = Counter(alerts["severity"])
    page = {
        "subject": subject,
        "counts": [(name, severities[name]) for name in reversed(SEVERITIES) if severities[name]],
        "kinds": list(Counter(alerts["kind"]).items()),
        "money": float(alerts["money"].sum()),
        "alerts": listed,
        "more": len(alerts) - len(listed),
        "precision": _by_kind(precision),
    }
    payload = {
        "subject": subject,
        "text": subject,
        "new": new,
        "going_on": len(alerts) - new,
        "missing_kwh": missing,
        "money": page["money"],
        "alerts": [_told(row) for row in alerts.to_dict("records")],
        "precision": page["precision"],
    }
    return Digest(subject, _render("alert_digest.html.j2", page), _render("alert_digest.txt.j2", page), payload)


def _set_state(
    alert_id: str, state: str | None, note: str, who: str, alert_db: str, send_to: Sequence[str], dry_run: Path | None
) -> str:
    if send_to or dry_run:
        raise ParameterError("alert_id sets the state of an alert and sends nothing: leave out send_to and dry_run")
    if not state:
        raise ParameterError(f"alert_id={alert_id} without a state: give one of {', '.join(STATES)}")
    now = AlertStore(database_url(alert_db), create=False).set_state(alert_id, state, note, who)
    joined = "" if now == alert_id.strip() else f" (which {alert_id.strip()} has become a part of)"
    return f"{now}{joined} is {state} now"


# --- whom to tell ---------------------------------------------------------------------------------------


def _channels(send_to: Sequence[str]) -> list[Channel]:
    server = Smtp.from_environment() if send_to else None
    mails: list[Channel] = [Mail(address, server) for address in dict.fromkeys(send_to) if server]
    webhook = Webhook.from_environment()
    return [*mails, webhook] if webhook else mails


def _tell(store: AlertStore, channel: Channel) -> str:
    alerts = store.unsent(channel.name)
    if alerts.empty:
        return "nothing new"
    digest = compose(alerts, store.precision())
    channel.send(digest)
    store.mark_sent(channel.name, alerts)
    return digest.subject


def _write(store: AlertStore, send_to: Sequence[str], file: Path) -> Iterator[str]:
    """Write the digest of the first address, of the webhook, or, with neither, of one who was never told."""
    address = send_to[0] if send_to else ""
    webhook = None if address else Webhook.from_environment()
    channel = channel_name(address) if address else webhook.name if webhook else "dry run"
    digest = compose(store.unsent(channel), store.precision())
    if file.suffix.lower() == ".eml":
        sender = ""
        with suppress(ParameterError):
            sender = Smtp.from_environment().sender
        content = message(digest, address, sender).as_bytes()
    else:
        content = (digest.html if file.suffix.lower() == ".html" else digest.text).encode()
    try:
        with atomic_path(file) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise ParameterError(f"dry_run={file} cannot be written: {error.strerror}") from None
    yield f"{digest.subject}: written to {file}, nothing sent"


# --- what to tell ---------------------------------------------------------------------------------------


def _subject(new: int, going_on: int, missing_kwh: float) -> str:
    if not new + going_on:
        return "Nothing new"
    parts = [f"{new:,} new {'alert' if new == 1 else 'alerts'}"] if new else []
    if going_on:
        parts.append(f"{going_on:,} {'' if new else 'alert ' if going_on == 1 else 'alerts '}going on")
    return f"{', '.join(parts)}, {missing_kwh:,.0f} kWh missing"


def _alert(row: Mapping[Any, Any]) -> dict[str, str]:
    """An alert in words."""
    first, last = (f"{row[name]:%Y-%m-%d}" for name in ("first_day", "last_day"))
    return {
        "alert_id": row["alert_id"],
        "subject": _line(row["subject"]),
        "meters": ", ".join(map(_line, row["meters"])) if row["kind"] == GROUP else "",
        "sector": _line(row["sector"]),
        "period": first if first == last else f"{first} to {last}",
        "kind": row["kind"],
        "cause": _line(row["cause"]),
        "severity": row["severity"],
        "missing": _missing(row),
        "money": f"{row['money']:,.2f}",
        "reasons": _line(row["reasons"]),
        "peers": _line(row["peers"]),
        "state": row["state"],
        "note": _line(row["note"]),
        "known": "" if pd.isna(row["told_until"]) else f"{row['told_until']:%Y-%m-%d}",
    }


def _missing(row: Mapping[Any, Any]) -> str:
    """The missing kWh and their band; a sum over no day says nothing."""
    if row["expected_kwh"] == 0 and row["actual_kwh"] == 0:
        return "not known"
    low, high = row["missing_low_kwh"], row["missing_high_kwh"]
    band = f" ({low:,.0f} to {high:,.0f})" if math.isfinite(low) and math.isfinite(high) else ""
    return f"{row['missing_kwh']:,.0f} kWh{band}"


def _told(row: Mapping[Any, Any]) -> dict[str, Any]:
    """An alert for a program: days and moments in ISO 8601, unknown numbers as null."""
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, list | str | int):
        return value
    if pd.isna(value):
        return None
    if isinstance(value, pd.Timestamp):
        return value.date().isoformat() if value.tz is None else value.isoformat()
    return float(value)


def _by_kind(precision: pd.DataFrame) -> list[dict[str, Any]]:
    """How many alerts of each kind were right, of those judged."""
    sums = precision.groupby("kind", sort=False)[["raised", "confirmed", "dismissed"]].sum()
    return [
        {"kind": kind, "raised": int(row["raised"]), "right": int(row["confirmed"]), "wrong": int(row["dismissed"])}
        for kind, row in sums.iterrows()
    ]


def _line(text: str) -> str:
    """A text on one line: a name with a line break in it must not look like two alerts."""
    return "".join(sign if sign.isprintable() else " " for sign in " ".join(text.split()))


def _render(template: str, page: dict[str, Any]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent.parent / "templates"),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",), default=False),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(page).lstrip()
