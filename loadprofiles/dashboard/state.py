"""What the reader has chosen, as it stands in the page's address: read, checked and written here alone."""

from datetime import date
from typing import Annotated, Any, Final, Self
from urllib.parse import parse_qsl, urlencode

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from loadprofiles.anomalies.alert import KINDS
from loadprofiles.anomalies.states import STATES

ALERTS, CONSUMPTION, CUSTOMERS, CLUSTERS, QUALITY = "alerts", "consumption", "customers", "clusters", "quality"
PAGES: Final = (ALERTS, CONSUMPTION, CUSTOMERS, CLUSTERS, QUALITY)

DAY_HOURS: Final = 24
_LONGEST: Final = 8000
"""Of a query as it is read, in characters: a letter of a name may be twelve, and there are two names of 200."""

Name = Annotated[str, StringConstraints(max_length=200)]
Word = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]{0,40}$")]
RunId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{0,32}$")]
AlertId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{0,32}$")]


class View(BaseModel):
    """What is to be seen.

    Attributes:
        page: One of `PAGES`.
        customer: A meter; empty: all.
        sector: A sector; empty: all.
        first: First local day; None: from the first on.
        last: Last local day; None: to the last.
        hours: First hour of the day and the one before which it ends: (8, 20).
        sort: Column that a table is sorted by; empty: its own order.
        down: Whether the largest comes first.
        sheet: Page of a table, from 1 on.
        alert: Alert that is open; empty: none.
        state: Only alerts in this state; empty: in any.
        kind: Only alerts of this kind; empty: of any.
        cluster: Cluster that is looked into; None: none.
        other: Clustering to compare with, the id of its run; empty: none.
        run: Run of the chain; empty: the latest.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    page: str = ALERTS
    customer: Name = ""
    sector: Name = ""
    first: date | None = Field(None, alias="from")
    last: date | None = Field(None, alias="to")
    hours: tuple[int, int] = (0, DAY_HOURS)
    sort: Word = ""
    down: bool = False
    sheet: int = Field(1, ge=1, le=1_000_000)
    alert: AlertId = ""
    state: str = ""
    kind: str = ""
    cluster: int | None = Field(None, ge=-1, le=10_000)
    other: RunId = ""
    run: RunId = ""

    @field_validator("hours", mode="before")
    @classmethod
    def _hours(cls, given: object) -> object:
        if isinstance(given, str):
            first, dash, last = given.partition("-")
            if not (dash and first.isdecimal() and last.isdecimal()):
                raise ValueError("write hours=8-20")
            given = int(first), int(last)
        return given

    @field_validator("hours")
    @classmethod
    def _some_hours(cls, hours: tuple[int, int]) -> tuple[int, int]:
        if not 0 <= hours[0] < hours[1] <= DAY_HOURS:
            raise ValueError("from 0 to 24, the first before the last")
        return hours

    @field_validator("state")
    @classmethod
    def _known_state(cls, state: str) -> str:
        return _one_of(state, STATES)

    @field_validator("kind")
    @classmethod
    def _known_kind(cls, kind: str) -> str:
        return _one_of(kind, KINDS)

    @classmethod
    def read(cls, pathname: str, search: str) -> tuple[Self, list[str]]:
        """A view from a page's address.

        Args:
            pathname: Such as `/customers`; anything else than one of `PAGES` is the first of them.
            search: The query, with or without its question mark.

        Returns:
            The view, and the names of what was in the query and could not be used, which is left out.
        """
        page = pathname.strip("/").rsplit("/", 1)[-1]
        given: dict[str, Any] = dict(parse_qsl(search[:_LONGEST].lstrip("?")))
        given["page"] = page if page in PAGES else ALERTS
        wrong: list[str] = []
        while True:
            try:
                view = cls.model_validate(given)
            except ValidationError as error:
                names = {str(each["loc"][0]) for each in error.errors()}
                wrong += sorted(names)
                given = {name: value for name, value in given.items() if name not in names}
                continue
            if view.first and view.last and view.first > view.last:
                return view.model_copy(update={"first": view.last, "last": view.first}), wrong
            return view, wrong

    def query(self, **changes: object) -> str:
        """The address' query of this view after some changes, without what is as it would be anyway."""
        changed = self.model_copy(update=changes)
        texts = {
            _alias(name): _text(getattr(changed, name))
            for name, field in type(self).model_fields.items()
            if name != "page" and getattr(changed, name) != field.default
        }
        return f"?{urlencode(texts)}" if texts else ""

    def link(self, page: str | None = None, **changes: object) -> str:
        """The address of a page with this view's filters after some changes; another page begins its tables anew."""
        if page and page != self.page:
            changes = {"sort": "", "down": False, "sheet": 1, "alert": "", "cluster": None, **changes}
        return f"{page or self.page}{self.query(**changes)}"


def _alias(name: str) -> str:
    return View.model_fields[name].alias or name


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return "-".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _one_of(given: str, known: tuple[str, ...]) -> str:
    if given and given not in known:
        raise ValueError(f"one of {', '.join(known)}")
    return given
