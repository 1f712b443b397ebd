"""The dashboard as its readers meet it: a real Chromium on the results of a real run of the chain."""

import csv
import io
import re
import shutil
from urllib.parse import urlsplit

import pytest

from loadprofiles.anomalies.store import AlertStore
from loadprofiles.dashboard.users import add_user
from tests.dashboard.browser import Reader, chromium, dashboard, person
from tests.dashboard.proxies import HOST, caddy, nginx
from tests.project import wait_for

PAGES = ("alerts", "consumption", "customers", "clusters", "quality")
USER, PASSWORD = "ana", "correct horse battery"


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def folder(sample_results, tmp_path_factory):
    """A store of the chain's results, with an alert database of these tests' own."""
    place = tmp_path_factory.mktemp("dashboard")
    shutil.copy2(sample_results.folder / "mlflow.db", place / "mlflow.db")
    shutil.copy2(sample_results.folder / "alerts.db", place / "alerts.db")
    return place


@pytest.fixture(scope="module")
def url(folder):
    with dashboard(folder) as address:
        yield address


@pytest.fixture(scope="module")
def people(browser):
    """Who reads at a desk by day, and who on a phone by night."""
    return {1440: person(browser), 390: person(browser, width=390, dark=True)}


@pytest.fixture
def reader(people, url):
    """A reader who is told of everything that goes wrong, at the end of each test."""
    opened = Reader(people[1440], url)
    yield opened
    opened.close()
    assert opened.faults == []


@pytest.fixture(scope="module")
def store(folder):
    return AlertStore(f"sqlite:///{folder / 'alerts.db'}")


STACKS_FIT = """[...document.querySelectorAll(".stacks")].every(
  (table) => window.innerWidth > 560 || table.scrollWidth <= table.parentElement.clientWidth)"""


class TestEveryPage:
    @pytest.mark.parametrize("page", PAGES)
    @pytest.mark.parametrize("width", [1440, 390])
    def test_has_no_serious_fault_of_accessibility_and_fits_the_window(self, people, url, page, width):
        reader = Reader(people[width], url)
        shown = reader.open(page)
        reader.draw_all()
        assert shown.locator("main h1").count() == 1
        assert reader.violations() == []
        assert shown.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert shown.evaluate(STACKS_FIT)
        assert reader.faults == []
        reader.close()

    @pytest.mark.parametrize("page", ["consumption", "clusters", "quality"])
    def test_of_one_customer_has_no_serious_fault_either(self, reader, page):
        reader.open(f"{page}?customer=Cliente 1")
        reader.draw_all()
        assert reader.violations() == []
        assert not reader.page.locator("main .notice.alarm:not(.big)").count()


def test_a_customers_page_goes_on_below_what_is_seen_first(reader):
    page = reader.open("consumption?customer=Cliente 1")
    seen, *below = [heading.bounding_box()["y"] for heading in page.locator("main h2").all()]
    assert page.locator("main h2").all_inner_texts() == ["Hour by hour", "Day by day", "By hour of the day", "Voltages"]
    assert seen < page.viewport_size["height"] < min(below)


def test_another_page_is_opened_at_its_top_and_named_in_the_tab(reader):
    page = reader.open("consumption?customer=Cliente 1")
    assert page.title() == "Consumption · loadprofiles"
    page.evaluate("() => window.scrollTo(0, 600)")
    page.select_option("#first-hour", "8")
    page.wait_for_url("**hours=8-24")
    reader.settle()
    assert page.evaluate("window.scrollY") == 600
    page.click("#pages >> text=Customers")
    page.wait_for_function("() => document.title === 'Customers · loadprofiles'")
    assert page.evaluate("window.scrollY") == 0


class TestFilters:
    def test_set_the_address_and_what_is_shown(self, reader):
        page = reader.open("customers")
        rows = page.locator("tbody tr").count()
        customer = page.locator("tbody th a").nth(1).inner_text()
        page.fill("#customer", customer)
        page.press("#customer", "Tab")
        page.wait_for_function("() => document.querySelectorAll('tbody tr').length === 1")
        assert rows > 1
        assert reader.query == f"?customer={customer}"
        page.select_option("#first-hour", "8")
        page.select_option("#last-hour", "20")
        page.fill("#from", page.get_attribute("#from", "min"))
        page.wait_for_url("**hours=8-20**from=**")

    def test_an_address_opens_with_its_filters_and_going_back_restores_them(self, reader):
        page = reader.open("consumption?hours=6-9")
        assert (page.input_value("#first-hour"), page.input_value("#last-hour")) == ("6", "9")
        page.select_option("#last-hour", "12")
        page.wait_for_url("**hours=6-12")
        page.go_back()
        page.wait_for_function("() => document.getElementById('last-hour').value === '9'")

    def test_a_sector_leaves_its_customers(self, reader):
        page = reader.open("customers")
        sector = page.locator("#sector option").nth(1).get_attribute("value")
        page.select_option("#sector", sector)
        page.wait_for_url("**sector=**")
        reader.settle()
        page.wait_for_function(
            "name => [...document.querySelectorAll('tbody tr')].every((row) => row.textContent.includes(name))",
            arg=sector,
        )

    def test_clear_takes_all_away(self, reader):
        page = reader.open("consumption?hours=6-9&from=2020-01-01")
        page.click("#clear")
        page.wait_for_function("() => location.search === ''")
        page.wait_for_function("() => document.getElementById('first-hour').value === '0'")

    def test_other_pages_are_opened_with_the_same_filters(self, reader):
        page = reader.open("alerts?hours=6-9")
        page.click("#pages >> text=Customers")
        page.wait_for_url("**/customers?hours=6-9")

    def test_what_cannot_be_used_of_an_address_is_named(self, reader):
        page = reader.open("customers?hours=9-3&sheet=x&from=2020-99-99&customer=%3Cscript%3Ealert(1)%3C/script%3E")
        assert "from, hours, sheet" in page.inner_text("main")


class TestScripts:
    def test_plotly_makes_the_traces_that_charts_have_and_no_others(self, reader):
        page = reader.open("consumption")
        made = page.evaluate("() => Object.keys(window.Plotly.PlotSchema.get().traces)")
        assert sorted(made) == ["bar", "heatmap", "scatter"]

    def test_those_of_old_browsers_and_of_dash_tables_are_left_out(self, reader):
        loaded = reader.open().evaluate("() => [...document.scripts].map((script) => script.src)")
        assert any("react@" in address for address in loaded)
        assert [address for address in loaded if "polyfill" in address or "dash_table" in address] == []


class TestTables:
    def test_a_heading_sorts_by_its_column_and_the_other_way_round(self, reader):
        page = reader.open("customers")
        heading = "thead a:has-text('Energy')"
        page.click(heading)
        page.wait_for_selector("th[aria-sort=descending]")
        down = page.locator("tbody th").all_inner_texts()
        page.click(heading)
        page.wait_for_selector("th[aria-sort=ascending]")
        assert page.locator("tbody th").first.inner_text() != down[0]


class TestAlerts:
    def test_are_ranked_opened_confirmed_with_a_note_and_reopened(self, reader, store):
        alert = store.read().iloc[0]
        page = reader.open()
        page.locator("tbody th a").first.click()
        page.wait_for_url(f"**alert={alert['alert_id']}**")
        page.wait_for_selector("#judge-note")
        page.wait_for_selector(".js-plotly-plot")
        page.fill("#judge-note", "<b>bypassed</b> & sealed")
        page.fill("#judge-who", "Ana")
        page.click("button:has-text('Confirm')")
        page.wait_for_selector("button:has-text('Reopen')")
        told = store.history(alert["alert_id"]).iloc[-1]
        assert (told["state"], told["note"], told["changed_by"]) == ("confirmed", "<b>bypassed</b> & sealed", "Ana")
        assert "<b>bypassed</b> & sealed" in page.inner_text("main")
        page.click("button:has-text('Reopen')")
        page.wait_for_selector("button:has-text('Confirm')")
        assert store.history(alert["alert_id"]).iloc[-1]["state"] == "new"
        assert reader.violations() == []

    def test_cannot_be_judged_by_nobody(self, browser, url, store):
        alert = store.read().iloc[0]["alert_id"]
        reader = Reader(person(browser), url)
        page = reader.open(f"?alert={alert}")
        page.click("button:has-text('Dismiss')")
        page.wait_for_selector("#judge-answer .notice")
        assert store.read().iloc[0]["state"] == "new"
        reader.close()


class TestDownloads:
    def test_a_table_comes_as_csv_of_the_filters(self, reader):
        page = reader.open("customers")
        customer = page.locator("tbody th a").first.inner_text()
        page = reader.open(f"customers?customer={customer}")
        with page.expect_download() as download:
            page.click("[data-csv=customers]")
        rows = list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8-sig"))))
        assert [row["meter_id"] for row in rows] == [customer]

    def test_a_chart_comes_as_png(self, reader):
        page = reader.open("consumption")
        with page.expect_download() as download:
            page.locator("[data-png]").first.click()
        assert download.value.path().read_bytes()[:4] == b"\x89PNG"


class TestLanguage:
    def test_is_the_browsers_at_first_and_the_readers_then(self, browser, url):
        reader = Reader(person(browser, locale="es-PE"), url)
        page = reader.open()
        assert page.get_attribute("html", "lang") == "es"
        assert page.inner_text("main h1") == "Alertas"
        page.click("text=English")
        page.wait_for_function("() => document.documentElement.lang === 'en'")
        reader.settle()
        assert page.inner_text("main h1") == "Alerts"
        reader.open("customers")
        assert page.inner_text("main h1") == "Customers"
        assert reader.faults == []
        reader.close()


class TestTheme:
    def test_is_switched_and_kept(self, reader):
        page = reader.open()
        ground = "getComputedStyle(document.body).backgroundColor"
        light = page.evaluate(ground)
        page.click("#theme")
        dark = page.evaluate(ground)
        assert dark != light
        reader.open("quality")
        assert page.evaluate(ground) == dark
        assert reader.violations() == []
        page.click("#theme")
        assert page.evaluate(ground) == light


def test_the_keyboard_reaches_the_content_first(reader):
    page = reader.open()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"


@pytest.fixture(scope="module")
def users(folder):
    add_user(folder / "users.txt", USER, PASSWORD)
    return folder / "users.txt"


@pytest.fixture(scope="module")
def guarded(folder, users):
    """The address of a dashboard that asks its readers to sign in."""
    with dashboard(folder, "--users_file", str(users)) as address:
        yield address


class TestSignIn:
    def sign_in(self, reader, password):
        reader.page.fill("[name=name]", USER)
        reader.page.fill("[name=password]", password)
        reader.page.click("button[type=submit], form button")

    def test_is_asked_for_refuses_a_wrong_password_and_leads_on(self, browser, guarded, store):
        reader = Reader(person(browser), guarded)
        reader.page.goto(f"{guarded}customers?hours=6-9")
        assert "/signin" in reader.page.url
        assert reader.violations() == []
        self.sign_in(reader, "wrong password")
        assert reader.page.locator("[role=alert]").count() == 1
        self.sign_in(reader, PASSWORD)
        reader.page.wait_for_url("**/customers?hours=6-9")
        reader.settle()
        alert = store.read().iloc[0]["alert_id"]
        page = reader.open(f"?alert={alert}")
        page.click("button:has-text('Mark as seen')")
        page.wait_for_selector("button:has-text('Reopen')")
        assert store.history(alert).iloc[-1]["changed_by"] == USER
        page.click("button:has-text('Sign out')")
        page.wait_for_url("**/signin**")
        assert [fault for fault in reader.faults if "401" not in fault] == []
        reader.close()

    def test_what_another_site_sends_is_refused(self, browser, guarded):
        context = browser.new_context()
        answer = context.request.post(f"{guarded}_dash-update-component", data={"output": "page.children"})
        assert answer.status in (400, 401, 403)
        assert context.request.get(f"{guarded}download/alerts.csv", max_redirects=0).status in (302, 401)
        context.close()

    @pytest.mark.parametrize("proxy", [nginx, caddy])
    def test_works_behind_the_proxies_of_the_documentation(self, browser, folder, store, users, tmp_path, proxy):
        given = ("--users_file", str(users), "--behind_proxy", "true", "--trusted_hosts", HOST)
        forged = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Prefix": "/evil", "X-Forwarded-Proto": "http"}
        context = browser.new_context(ignore_https_errors=True, extra_http_headers=forged)
        with dashboard(folder, *given) as address, proxy(tmp_path, urlsplit(address).netloc) as port:
            reader = Reader(context, f"https://{HOST}:{port}/")
            reader.page.goto(f"{reader.url}customers?hours=6-9")
            self.sign_in(reader, PASSWORD)
            reader.page.wait_for_url(f"{reader.url}customers?hours=6-9")
            reader.settle()
            alert = store.read().iloc[1]["alert_id"]
            before = len(store.history(alert))
            reader.open(f"?alert={alert}").click("button:has-text('Mark as seen'), button:has-text('Reopen')")
            wait_for(lambda: len(store.history(alert)) > before)
            reader.close()
        assert store.history(alert).iloc[-1]["changed_by"] == USER
        (session,) = [cookie for cookie in context.cookies() if "session" in cookie["name"]]
        assert (session["secure"], session["httpOnly"], session["domain"]) == (True, True, HOST)
        assert reader.faults == []
        context.close()


def test_a_read_only_dashboard_offers_no_judgement(browser, folder, store):
    with dashboard(folder, "--read_only", "true") as address:
        reader = Reader(person(browser), address)
        page = reader.open(f"?alert={store.read().iloc[0]['alert_id']}")
        assert not page.locator("button:has-text('Confirm')").count()
        assert "read-only" in page.inner_text("main")
        assert reader.faults == []
        reader.close()


def test_an_empty_store_is_told_with_the_command_to_run(browser, tmp_path):
    with dashboard(tmp_path) as address:
        reader = Reader(person(browser), address)
        page = reader.open()
        assert "mlflow run . --env-manager=uv" in page.inner_text("main")
        reader.close()


def test_names_of_customers_never_become_markup(reader):
    page = reader.open("customers?customer=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
    assert not page.locator("main img[src=x]").count()
    assert re.search("<img src=x", page.content()) is None
