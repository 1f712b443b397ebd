"""Times in a browser: from what the reader does to the last change in the window, and to the last on the page."""

import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from playwright.sync_api import Browser, BrowserContext, Page, Playwright, sync_playwright

_BROWSER: dict[str, Any] = {"executable_path": "/usr/bin/chromium", "args": ["--no-sandbox"]}
_WINDOW: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}, "locale": "en-GB"}
_VISITS = 3
PAGES = ("alerts", "consumption", "customers", "clusters", "quality")

# `since` is when the reader did something, `seen` the last time that anything in the window changed, and `last` that
# anything on the page did; a frame later it is drawn. Quiet for half a second: done. What is made to measure texts, to
# be quick later, or to tell programs that dash is at work, is none.
_WATCH = """
window.bench = { since: 0, seen: 0, last: 0 };
const UNSEEN = ".offstage, #js-plotly-tester, ._dash-loading-callback";
const isShown = (change) => !change.target.parentElement?.closest(UNSEEN) && !change.target.matches?.(UNSEEN)
  && ![...change.addedNodes, ...change.removedNodes].some((node) => node.matches?.(UNSEEN));
const isInWindow = (change) => {
  const element = change.target instanceof Element ? change.target : change.target.parentElement;
  const place = element?.getBoundingClientRect();
  return place && place.top < window.innerHeight && place.bottom > 0;
};
new MutationObserver((changes) => {
  const now = performance.now();
  const shown = changes.filter(isShown);
  if (shown.length) { window.bench.last = now; }
  if (shown.some(isInWindow)) { window.bench.seen = now; }
}).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
for (const kind of ["change", "click"]) {
  document.addEventListener(kind, () => {
    window.bench.since = window.bench.seen = window.bench.last = performance.now();
  }, true);
}
"""
_QUIET = "() => window.bench.seen > window.bench.since && performance.now() - window.bench.last > 500"
_TAKEN = "() => [bench.seen, bench.last].map((when) => (when - bench.since) / 1000 + 0.016)"


class Seconds(NamedTuple):
    """How long something takes: until all that is in the window is there, and until all that is on the page is."""

    window: float
    page: float


@dataclass
class Times:
    """Of a page's first view, of its third in a browser that keeps what it got, and of each filter."""

    first: dict[str, list[Seconds]] = field(default_factory=lambda: defaultdict(list))
    third: dict[str, list[Seconds]] = field(default_factory=lambda: defaultdict(list))
    filters: dict[tuple[str, str], list[Seconds]] = field(default_factory=lambda: defaultdict(list))


def time_pages(url: str, repeats: int) -> Times:
    """Open each page in a browser that knows nothing yet, set and clear each filter, and open it as who comes daily.

    Args:
        url: The dashboard's address, with a slash at its end.
        repeats: How often.
    """
    times = Times()
    with sync_playwright() as player:
        browser = player.chromium.launch(**_BROWSER)
        for repeat in range(repeats):
            for name in PAGES:
                _time_page(browser, url, name, times, repeat)
                times.third[name].append(_third_view(player, url + name))
        browser.close()
    return times


def _time_page(browser: Browser, url: str, name: str, times: Times, repeat: int) -> None:
    context = browser.new_context(**_WINDOW)
    page, seconds = _open(context, url + name)
    times.first[name].append(seconds)
    for what, act in _acts(page, repeat).items():
        act()
        times.filters[name, what].append(_seconds(page))
        page.click("#clear")
        _seconds(page)
    context.close()


def _third_view(player: Playwright, address: str) -> Seconds:
    """A browser that writes to a folder keeps scripts ready to run from their second use on."""
    with tempfile.TemporaryDirectory() as folder:
        context = player.chromium.launch_persistent_context(folder, **_BROWSER, **_WINDOW)
        seconds = [_open(context, address)[1] for _ in range(_VISITS)]
        context.close()
    return seconds[-1]


def _open(context: BrowserContext, address: str) -> tuple[Page, Seconds]:
    page = context.new_page()
    page.add_init_script(_WATCH)
    page.goto(address)
    page.wait_for_selector("main h1")
    return page, _seconds(page)


def _acts(page: Page, repeat: int) -> dict[str, Callable[[], object]]:
    """What a reader does to set each filter; the customer is one that was not looked at before, then the same again."""
    customers = page.locator("#customers option")
    customer = customers.nth((1 + repeat) % customers.count()).get_attribute("value") or ""
    sectors = page.locator("#sector option").all()
    last = page.get_attribute("#to", "max") or ""
    month_before = f"{last[:8]}01"

    def choose_customer() -> None:
        page.fill("#customer", customer)
        page.press("#customer", "Tab")

    acts: dict[str, Callable[[], object]] = {
        "customer": choose_customer,
        "customer again": choose_customer,
        "period": lambda: page.fill("#from", month_before),
        "hours": lambda: page.select_option("#first-hour", "8"),
    }
    if len(sectors) > 1:
        acts["sector"] = lambda: page.select_option("#sector", sectors[1].get_attribute("value"))
    return acts


def _seconds(page: Page) -> Seconds:
    page.wait_for_function(_QUIET, timeout=60_000)
    return Seconds(*page.evaluate(_TAKEN))
