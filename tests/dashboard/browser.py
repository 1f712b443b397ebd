"""A real Chromium and a real dashboard, for tests."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.dashboard.proxies import HOST
from tests.project import ROOT, clean_environment
from tests.servers import unavailable

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium that finds `HOST` here; without one the test is skipped, with `CI=true` it fails."""
    if not CHROMIUM:
        unavailable("no Chromium on the PATH: install Debian's package chromium")
    with sync_playwright() as player:
        options = ["--no-sandbox", f"--host-resolver-rules=MAP {HOST} 127.0.0.1"]
        browser = player.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


def person(browser: Browser, *, width: int = 1440, locale: str = "en-GB", dark: bool = False) -> BrowserContext:
    """A user of the browser.

    Args:
        browser: The browser.
        width: Of the windows, in pixels.
        locale: The browser's language.
        dark: Whether everything is to be dark.
    """
    scheme = "dark" if dark else "light"
    return browser.new_context(viewport={"width": width, "height": 900}, locale=locale, color_scheme=scheme)


@contextmanager
def dashboard(folder: Path, *options: str, environment: dict[str, str] | None = None) -> Iterator[str]:
    """The address of a dashboard of the store in a folder."""
    command = [sys.executable, "-u", str(ROOT / "dashboard.py"), "--port", "0", *options]
    store = {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / 'mlflow.db'}", "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command,
        cwd=folder,
        env=clean_environment() | store | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        said = []
        try:
            for line in iter(server.stdout.readline, ""):
                said.append(line)
                if "http://" in line:
                    yield line.split()[1]
                    break
            else:
                pytest.fail(f"the dashboard did not start: {''.join(said)}")
        finally:
            server.terminate()
            server.communicate(timeout=20)


class Reader:
    """A reader with a browser window, in which every fault of the page is taken down."""

    def __init__(self, context: BrowserContext, url: str):
        """Open a window.

        Args:
            context: What the browser knows of its user: language, size of windows, what it has loaded before.
            url: The dashboard's address.
        """
        self.url = url
        self.faults: list[str] = []
        self.page: Page = context.new_page()
        self.page.set_default_timeout(15_000)
        self.page.on("console", lambda message: self._note(message.type, message.text))
        self.page.on("pageerror", lambda error: self._note("error", str(error)))

    def _note(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.faults.append(f"{kind}: {text}")

    def open(self, address: str = "") -> Page:
        """Open a view and wait until it is there."""
        self.page.goto(self.url + address)
        self.settle()
        return self.page

    def settle(self) -> None:
        """Wait until nothing is being asked for or drawn."""
        self.page.wait_for_selector("main h1, main .notice")
        self.page.wait_for_load_state("networkidle")
        self.page.wait_for_function("() => !document.querySelector('#later:empty')")
        self._wait_for_charts("innerHeight")

    def draw_all(self) -> None:
        """Have the charts that are out of sight drawn, too, as for print."""
        self.page.evaluate("() => { window.dispatchEvent(new Event('beforeprint')); }")
        self._wait_for_charts("Infinity")

    def _wait_for_charts(self, below: str) -> None:
        charts = "[...document.querySelectorAll('.plot')]"
        drawn = f"chart.getBoundingClientRect().top > {below} || chart.classList.contains('js-plotly-plot')"
        self.page.wait_for_function(f"() => {charts}.every((chart) => {drawn})")

    def violations(self) -> list[str]:
        """What axe-core finds that is serious or critical."""
        found = Axe().run(self.page).response["violations"]
        return [
            f"{each['id']}: {[node['html'][:120] for node in each['nodes'][:3]]}"
            for each in found
            if each["impact"] in ("serious", "critical")
        ]

    @property
    def query(self) -> str:
        """The address' query."""
        return self.page.evaluate("decodeURIComponent(location.search.replaceAll('+', ' '))")

    def close(self) -> None:
        """Close the window."""
        self.page.close()
