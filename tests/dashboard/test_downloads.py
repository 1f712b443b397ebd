"""Tables as CSV: which there are, what is in them, and that a spreadsheet carries nothing out."""

import io

import flask
import pandas as pd
import pytest

from loadprofiles.dashboard import downloads, pages
from loadprofiles.dashboard.downloads import add_downloads, harmless
from loadprofiles.errors import StoreError
from tests.dashboard.small import RUN_ID, small_context, small_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_data(tmp_path_factory.mktemp("run"))


@pytest.fixture
def client(data, monkeypatch):
    def use(context):
        meters = context.data.chosen(context.view)
        return pd.DataFrame({"meter_id": meters, "kWh": [1.5] * len(meters)})

    def broken(context):
        raise StoreError("the database is locked")

    monkeypatch.setattr(downloads, "TABLES", {"use": use, "broken": broken})
    server = flask.Flask("test")
    add_downloads(server, lambda view: small_context(data, view.page, view.query()))
    return server.test_client()


def table_of(answer):
    return pd.read_csv(io.BytesIO(answer.data), encoding="utf-8-sig", dtype={"meter_id": "str"})


def test_a_table_is_that_of_the_address_filters(client):
    answer = client.get("/download/use.csv?sector=Bakery")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="use_{RUN_ID[:8]}.csv"'
    assert table_of(answer).values.tolist() == [["M1", 1.5], ["M2", 1.5]]


def test_spreadsheets_are_told_that_it_is_utf_8(client):
    assert client.get("/download/use.csv").data.startswith(b"\xef\xbb\xbfmeter_id")


def test_a_meter_that_is_not_there_has_no_rows(client):
    answer = client.get("/download/use.csv?customer=nobody")
    assert (answer.status_code, answer.data.decode("utf-8-sig").strip()) == (200, "")


@pytest.mark.parametrize("name", ["nothing", "use.csv", "%3Cb%3E"])
def test_a_table_that_is_not_there_is_told_with_those_that_are(client, name):
    answer = client.get(f"/download/{name}.csv")
    assert answer.status_code == 404
    assert answer.mimetype == "text/plain"


def test_the_tables_there_are_are_named(client):
    assert "there are use, broken" in client.get("/download/nothing.csv").text


def test_what_fails_is_told_in_one_line(client):
    answer = client.get("/download/broken.csv")
    assert (answer.status_code, answer.text) == (503, "the database is locked\n")


def test_any_query_is_read(client):
    assert client.get("/download/use.csv?hours=%ff&from=never&sheet=x").status_code == 200


@pytest.mark.parametrize("text", ["=1+1", "+1", "-A1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_a_text_that_a_spreadsheet_would_carry_out_gets_an_apostrophe(text):
    assert harmless(pd.DataFrame({"name": [text]}))["name"].tolist() == [f"'{text}"]


def test_other_texts_numbers_and_what_is_empty_stay_as_they_are():
    table = pd.DataFrame(
        {
            "name": ["a=b", None],
            "kind": pd.Categorical(["x", "y"]),
            "kwh": [-1.5, float("nan")],
            "when": pd.to_datetime(["2024-05-01", None], utc=True),
        }
    )
    pd.testing.assert_frame_equal(harmless(table), table, check_dtype=False, check_categorical=False)


def test_lists_stay_lists():
    assert harmless(pd.DataFrame({"meters": [["M1", "M2"]]}))["meters"].tolist() == [["M1", "M2"]]


def test_every_table_that_is_offered_has_a_name_of_its_own():
    modules = (pages.alerts, pages.consumption, pages.customers, pages.clusters, pages.quality)
    assert len(pages.TABLES) == sum(len(each.TABLES) for each in modules)
