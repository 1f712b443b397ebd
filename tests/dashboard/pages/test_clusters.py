"""The page of clusters: how they look, who is in them and when, and how another run's compare."""

import re
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from dash import dcc, html

from loadprofiles.dashboard.data import Data
from loadprofiles.dashboard.pages import TABLES, clusters
from loadprofiles.dashboard.state import View
from loadprofiles.errors import StoreError
from loadprofiles.plots import cluster_color
from loadprofiles.results import Clustering
from tests.dashboard.components import cards, cells, figures, found, walk, words
from tests.dashboard.small import DAYS, METERS, ODD, SmallClustering, SmallResults, small_context, small_data

OTHER, TWIN = "b" * 32, "c" * 32
NAMES = ("0 · flat <base>", "1 · evening peak 18:00")
ALL_DAYS = 4 * DAYS - 2


class OtherClustering(SmallClustering):
    """A clustering of the same days, in which all Saturdays are a cluster of their own."""

    def __init__(self, clustering, run_id=OTHER, name="kmedoids dtw k=3"):
        super().__init__(clustering.folder, {"Silhouette Score": 0.6, "clusters": 3.0, "profiles": ALL_DAYS})
        self.run_id, self.name = run_id, name
        table = clustering.representatives
        third = table.iloc[[1]].assign(cluster=2, cluster_name="saturday", size=1)
        self.__dict__["representatives"] = pd.concat([table, third], ignore_index=True)
        better = clustering.validity.assign(value=[0.7, 0.6, 0.1])
        self.__dict__["validity"] = better

    def read_days(self):
        days = super().read_days()
        return days.assign(cluster=days["cluster"].where(days["date"].dt.day_of_week != 5, 2).astype("int32"))


@pytest.fixture(scope="module")
def compared(data):
    """The same run, beside two other clusterings of which one is called like it."""
    own = data.results.clustering
    return changed(data, [OtherClustering(own), OtherClustering(own, TWIN, "kmedoids dtw k=3")])


def changed(data, others=(), **tables):
    """The same run with other clusterings beside it, and with other tables of its own."""
    results = SmallResults(data.results.folder)
    results.clustering.__dict__.update(tables)
    results.other_clusterings = lambda: list(others)
    return Data(results, data.cube)


def render(data, query="", language="en"):
    return clusters.render(small_context(data, "clusters", query, language))


def table_of(data, name, query=""):
    return TABLES[name](small_context(data, "clusters", query))


def section(page, heading):
    return next(each for each in found(page, html.Section) if words(found(each, html.H2)[0]) == heading)


def headings(page):
    return [words(each) for each in found(page, html.H2)]


def figure_of(page, name):
    return figures(page)[name]


def hrefs(content):
    return {words(link): View.read(*link.href.partition("?")[::2])[0] for link in found(content, dcc.Link)}


def pictures(content):
    return found(content, html.Img, className="profile")


class TestCards:
    def test_tell_the_clustering_and_how_good_it_is(self, data):
        shown = cards(render(data))
        assert shown == {
            "Clustering": data.results.clustering.name,
            "Clusters": "2",
            "Days": str(ALL_DAYS),
            "Silhouette": "0.500",
        }

    def test_count_the_days_of_the_filters(self, data):
        assert cards(render(data, "customer=M1"))["Days"] == "59"
        assert cards(render(data, "sector=Farm&from=2024-03-05&to=2024-03-06"))["Days"] == "2"

    def test_tell_days_in_no_cluster_and_how_alike_other_seeds_are(self, data):
        found_metrics = data.results.clustering.metrics
        noisy = changed(data, metrics={**found_metrics, "stability_adjusted_rand": 0.91, "stability_least": 0.8})
        noisy.clusters.__dict__["days"] = data.clusters.days.assign(cluster=np.int32(-1))
        shown = cards(render(noisy))
        assert shown["Days in no cluster"] == str(ALL_DAYS)
        assert shown["Stability across seeds"] == "0.91"


class TestNotices:
    def test_without_clusters_the_page_says_how_to_get_them(self, tmp_path):
        bare = small_data(tmp_path, without=("clusters",))
        assert words(render(bare)) == "This run has no clusters: run the chain with a model, such as model=kmeans."
        for name in clusters.TABLES:
            assert table_of(bare, name, f"cluster=0&other={OTHER}&customer=M1").empty

    def test_hours_of_the_day_change_nothing_and_that_is_said(self, data):
        assert "a profile is of a whole day" in words(render(data, "hours=8-20"))
        assert "a profile is of a whole day" not in words(render(data))

    def test_filters_without_a_clustered_day_are_told(self, data):
        page = render(data, "customer=M1&from=2024-03-15&to=2024-03-15")
        assert "No day of these filters was clustered" in words(page)
        assert "no clustered day in the period" in words(section(page, "Calendar of a customer"))
        assert "No day of these filters was clustered" in words(render(data, "from=2025-01-01&to=2025-01-02"))


class TestRepresentatives:
    def test_are_drawn_each_with_its_bands_and_words_for_who_cannot_see_it(self, data):
        drawn = pictures(section(render(data), "Representatives with spread"))
        assert [picture.alt.partition(": highest")[0] for picture in drawn] == list(NAMES)
        assert "highest at" in drawn[1].alt
        for cluster, picture in enumerate(drawn):
            svg = unquote(picture.src)
            assert svg.count(f"fill='{cluster_color(cluster)}'") == 2
            assert svg.count(f"stroke='{cluster_color(cluster)}'") == 1
            assert "NaN" not in svg and "nan" not in svg

    def test_share_one_scale_that_holds_all_of_them_and_their_bands(self, data):
        for picture in pictures(render(data)):
            points = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", unquote(picture.src))
            assert all(0 <= float(x) <= 240 and 0 <= float(y) <= 100 for x, y in points)

    def test_have_their_size_and_lead_to_who_is_in_them(self, data):
        part = section(render(data, "sheet=3&sort=days"), "Representatives with spread")
        sizes = data.results.clustering.representatives["size"]
        assert f"{sizes[0]} days, {100 * sizes[0] / ALL_DAYS:.1f} %" in words(part)
        view = hrefs(part)[NAMES[0]]
        assert (view.cluster, view.sheet, view.sort) == (0, 1, "")

    def test_without_profiles_have_no_bands_and_that_is_said(self, data):
        bare = changed(data)
        bare.clusters.__dict__["spread"] = None
        part = section(render(bare), "Representatives with spread")
        assert "The spread is left out" in words(part)
        assert all("fill-opacity" not in unquote(picture.src) for picture in pictures(part))
        assert set(table_of(bare, "representatives")["statistic"]) == {"representative"}
        assert figure_names(render(bare, "cluster=1"), "cluster-profile") == ["representative"]

    def test_are_downloaded_with_their_bands(self, data):
        table = table_of(data, "representatives")
        assert table["statistic"].tolist() == ["representative", "p05", "p25", "p75", "p95"] * 2
        assert table["cluster"].tolist() == [0] * 5 + [1] * 5
        steps = table.set_index(["cluster", "statistic"])["18:00:00"].unstack()
        assert (steps["p05"] < steps["p25"]).all() and (steps["p75"] < steps["p95"]).all()
        assert steps["p25"].between(data.clusters.spread[:, 1, 18] - 1e-9, data.clusters.spread[:, 1, 18] + 1e-9).all()


def figure_names(page, name):
    return [trace.name for trace in figure_of(page, name).data if trace.showlegend is not False]


class TestSizes:
    def test_are_of_the_filters(self, data):
        for query, expected in (
            ("", [data.clusters.days["cluster"].eq(0).sum(), data.clusters.days["cluster"].eq(1).sum()]),
            ("customer=M3", [60, 0]),
            ("sector=Bakery", [18, 100]),
            ("sector=Bakery&from=2024-04-07&to=2024-04-08", [2, 2]),
        ):
            bars = figure_of(render(data, query), "cluster-sizes").data[0]
            assert list(bars.x) == expected

    def test_have_the_colours_and_names_of_their_clusters(self, data):
        page = render(data)
        figure = figure_of(page, "cluster-sizes")
        assert list(figure.data[0].marker.color) == [cluster_color(0), cluster_color(1)]
        assert list(figure.layout.yaxis.ticktext) == ["0 · flat &lt;base&gt;", "1 · evening peak<br>18:00"]
        told = [each for each in walk(page) if NAMES[1] in str(getattr(each, "aria-label", ""))]
        assert "The largest cluster is" in getattr(told[0], "aria-label")


class TestWhoIsInThem:
    def test_a_customer_is_counted_where_most_of_its_days_are(self, data):
        rows = cells(section(render(data), "Who is in them"))
        names, _, _, customers, members, sectors = zip(*rows, strict=True)
        assert names == NAMES
        assert customers == ("1", "3")
        assert members == ("M3", f"{ODD} , M1 , M2")
        assert sectors == ("Farm", "Bakery")

    def test_the_first_are_named_and_the_others_counted(self, data):
        many = changed(data)
        days = data.clusters.days
        many.clusters.__dict__["days"] = days.assign(cluster=np.int32(1))
        row = cells(section(render(many), "Who is in them"))[1]
        assert row[3:5] == ["4", f"{ODD} , M3 , M1 and 1 more"]

    def test_customers_lead_to_their_consumption(self, data):
        view = hrefs(section(render(data), "Who is in them"))["M3"]
        assert (view.page, view.customer) == ("consumption", "M3")

    def test_customers_without_a_day_in_the_period_are_in_none(self, data):
        rows = cells(section(render(data, "from=2024-03-15&to=2024-03-15"), "Who is in them"))
        assert [row[3] for row in rows] == ["1", "2"]


class TestOneCluster:
    def test_lists_its_customers_by_the_share_of_their_days(self, data):
        rows = cells(section(render(data, "cluster=0"), NAMES[0]))
        assert [row[0] for row in rows] == ["M3", "M1", "M2", ODD]
        assert rows[0] == ["M3", "Farm", "100.0 %", "60", "60", NAMES[0]]
        assert rows[1] == ["M1", "Bakery", "15.3 %", "9", "59", NAMES[1]]

    def test_is_sorted_as_the_address_says_here_and_in_the_csv(self, data):
        query = "cluster=0&sort=meter_id&down=true"
        rows = cells(section(render(data, query), NAMES[0]))
        table = table_of(data, "cluster_members", query)
        assert [row[0] for row in rows] == table["meter_id"].tolist() == ["M3", "M2", "M1", ODD]
        assert table.loc[table["meter_id"] == "M3", ["cluster", "cluster_name", "days", "share"]].values.tolist() == [
            [0, "flat <base>", 60, 1.0]
        ]

    def test_is_of_the_filters(self, data):
        assert table_of(data, "cluster_members", "cluster=1&sector=Farm").empty
        members = table_of(data, "cluster_members", "cluster=1&from=2024-04-07&to=2024-04-08")
        assert members[["meter_id", "days", "days_of_meter"]].values.tolist() == [[m, 1, 2] for m in METERS[:3]]

    def test_is_drawn_larger_to_be_pointed_at(self, data):
        page = render(data, "cluster=1")
        assert figure_names(page, "cluster-profile") == ["90 % of the days", "50 % of the days", "representative"]
        lines = figure_of(page, "cluster-profile").data
        assert list(lines[-1].x)[18] == "18:00"
        assert re.fullmatch(r"0\.\d{3} – 0\.\d{3}", lines[1].text[0])
        assert "cluster-profile" in figures(page)
        assert "cluster-profile" not in figures(render(data))

    def test_days_in_no_cluster_are_listed_without_a_drawing(self, data):
        noisy = changed(data)
        days = data.clusters.days
        noisy.clusters.__dict__["days"] = days.assign(cluster=days["cluster"].where(days["id"] != "M3", -1))
        page = render(noisy, "cluster=-1")
        assert cells(section(page, "in no cluster"))[0][0] == "M3"
        assert "cluster-profile" not in figures(page)

    def test_that_is_not_there_is_told(self, data):
        assert "This clustering has no cluster 7." in words(render(data, "cluster=7"))
        assert table_of(data, "cluster_members", "cluster=7").empty
        assert table_of(data, "cluster_members").empty


class TestCalendar:
    def test_is_of_a_customer(self, data):
        page = render(data)
        assert "Choose a customer above" in words(section(page, "Calendar of a customer"))
        assert "cluster-calendar" not in figures(page)

    def test_shows_the_most_frequent_cluster_of_each_month_and_weekday(self, data):
        cells_of = figure_of(render(data, "customer=M1"), "cluster-calendar").data[0]
        text = np.array(cells_of.text)
        assert text.shape == (12, 7)
        assert text[2].tolist() == text[3].tolist() == ["1"] * 6 + ["0"]
        assert "".join(text[[0, 1, *range(4, 12)]].ravel()) == ""
        assert list(cells_of.y[2:4]) == ["Mar", "Apr"]
        assert cells_of.customdata[2][6] == "0 · flat &lt;base&gt;: 100 % of 5 days"

    def test_shows_the_cluster_of_each_day(self, data):
        cells_of = figure_of(render(data, "customer=M2"), "cluster-days").data[0]
        values = np.array(cells_of.z, dtype=float)
        assert np.isfinite(values).sum() == 59
        assert (values[6][np.isfinite(values[6])] == 0).all()
        # 1 March 2024 was a Friday in the ninth week
        assert cells_of.customdata[4][8].startswith("1 Mar 2024<br>1 ·")

    def test_puts_years_below_each_other(self, data):
        long = changed(data)
        days = data.clusters.days
        own = days[days["id"] == "M3"]
        dates = pd.to_datetime(["2023-12-31", "2024-01-01"]).as_unit("us")
        long.clusters.days_of = lambda *_: own.iloc[:2].assign(date=dates, cluster=[0, 1], cluster_name="x", id="M3")
        figure = figure_of(render(long, "customer=M3"), "cluster-days")
        values = np.array(figure.data[0].z, dtype=float)
        assert values.shape[0] == 15
        assert np.argwhere(np.isfinite(values)).tolist() == [[6, 52], [8, 0]]
        assert list(figure.layout.yaxis.ticktext) == ["2023", "2024"]

    def test_has_a_key_of_the_clusters_in_it(self, data):
        assert [words(item) for item in found(render(data, "customer=M3"), html.Ul, className="key")] == [NAMES[0]]

    def test_of_a_customer_whose_name_is_markup_shows_it_as_it_is(self, data):
        page = render(data, f"customer={ODD.replace('&', '%26')}&cluster=0")
        assert f"{ODD} is mostly in {NAMES[1]}: 85.0 % of its days." in words(page)
        for drawn in figures(page).values():
            assert not re.search(r"<b>x|<base>", drawn.to_json())


class TestComparison:
    def test_without_another_clustering_says_how_to_make_one(self, data):
        assert "mlflow run . -e clustering" in words(section(render(data), "Compare with another run"))

    def test_offers_the_others_by_name_and_those_of_one_name_with_their_id(self, compared):
        options = hrefs(section(render(compared), "Compare with another run"))
        assert {name: view.other for name, view in options.items()} == {
            f"kmedoids dtw k=3 ({OTHER[:8]})": OTHER,
            f"kmedoids dtw k=3 ({TWIN[:8]})": TWIN,
        }

    def test_offers_more_than_a_few_in_a_table_with_sheets(self, data):
        own = data.results.clustering
        runs = [OtherClustering(own, f"{number:032x}", f"run {number}") for number in range(30)]
        many = changed(data, runs)
        part = section(render(many), "Compare with another run")
        assert [row[0] for row in cells(part)] == [f"run {number}" for number in range(25)]
        assert cells(part)[0][1:] == ["3", str(ALL_DAYS), "0.600", "–"]
        chosen = section(render(many, f"other={runs[3].run_id}"), "Compare with another run")
        assert "Compared with run 3. Choose another" in words(chosen)
        assert "Choose a clustering" in words(section(render(many, "cluster=0"), "Compare with another run"))

    def test_marks_the_better_of_each_index_by_a_word(self, compared):
        rows = {row[0]: row[1:] for row in cells(section(render(compared, f"other={OTHER}"), COMPARE))}
        assert rows == {
            "DB Index": ["0.700", "0.700", "lower is better"],
            "Silhouette Score": ["0.500", "0.600 (better)", "higher is better"],
            "Silhouette DTW": ["0.550 (better)", "0.100", "higher is better"],
        }

    def test_draws_each_representative_with_the_others_that_has_most_of_its_days(self, compared):
        part = section(render(compared, f"other={OTHER}"), COMPARE)
        drawn = pictures(part)
        assert len(drawn) == 3
        assert [unquote(picture.src).count("stroke-dasharray") for picture in drawn] == [1, 1, 1]
        assert "% of its days in 1 · evening peak 18:00" in words(part)
        assert words(found(part, html.H3)[-2]) == "2 · saturday"
        assert "of kmedoids dtw k=3 alone" in words(part)

    def test_tells_where_the_days_are_and_how_alike_the_two_are(self, compared):
        page = render(compared, f"other={OTHER}")
        figure = figure_of(page, "cluster-comparison")
        table = compared.clusters.agreement(OTHER).table
        shares = table.div(table.sum(axis=1), axis=0).to_numpy()
        np.testing.assert_allclose(np.array(figure.data[0].z, dtype=float), shares, atol=1e-5)
        index = f"{compared.clusters.agreement(OTHER).adjusted_rand:.2f}"
        assert f"Days in both: adjusted Rand index {index}" in words(page)
        assert list(figure.layout.xaxis.ticktext) == ["0", "1", "2"]
        assert figure.data[0].text[0][1] == ""

    def test_is_downloaded_as_pairs_of_clusters(self, compared):
        table = table_of(compared, "cluster_comparison", f"other={OTHER}")
        assert table.columns.tolist() == ["cluster", "other_cluster", "days", "share"]
        assert table["days"].sum() == ALL_DAYS
        np.testing.assert_allclose(table.groupby("cluster")["share"].sum(), 1)
        assert table_of(compared, "cluster_comparison").empty

    def test_warns_where_the_days_are_not_the_same(self, compared, data):
        assert "did not cluster the same days" in words(render(compared, f"other={OTHER}"))
        same = changed(data, [OtherClustering(data.results.clustering)], metrics={"profiles": float(ALL_DAYS)})
        assert "did not cluster the same days" not in words(render(same, f"other={OTHER}"))

    def test_of_other_days_only_says_so(self, data):
        strange = OtherClustering(data.results.clustering)
        days = strange.read_days()
        strange.read_days = lambda: days.assign(id=days["id"].cat.rename_categories(lambda name: f"X{name}"))
        page = render(changed(data, [strange]), f"other={OTHER}")
        assert "The two have no day in common." in words(page)
        assert len(pictures(section(page, COMPARE))) == 5

    def test_that_is_not_there_is_told(self, compared):
        page = render(compared, f"other={'d' * 32}")
        assert "There is no finished clustering of this id." in words(page)
        assert table_of(compared, "cluster_comparison", f"other={'d' * 32}").empty

    def test_leaves_the_rest_of_the_page_where_the_store_cannot_be_asked(self, data):
        broken = changed(data)

        def fail():
            raise StoreError("the MLflow store x cannot be used: locked")

        broken.results.other_clusterings = fail
        page = render(broken)
        assert "the MLflow store x cannot be used: locked" in words(section(page, COMPARE))
        assert cards(page)["Clusters"] == "2"

    def test_of_one_without_tables_does_not_fail(self, data):
        page = render(changed(data, [Clustering("", "gone", {})]), "other=")
        assert "gone" in words(section(page, COMPARE))


COMPARE = "Compare with another run"


class TestCurve:
    def test_marks_the_chosen_number(self, data):
        page = render(data)
        line = figure_of(page, "cluster-k-curve").data[0]
        assert list(line.x) == [2, 3, 4]
        assert list(line.marker.symbol) == ["diamond", "circle", "circle"]
        assert "Silhouette of 2 to 4 clusters; 2 were chosen." in words(page)
        assert table_of(data, "k_curve")["k"].tolist() == [2, 3, 4]

    def test_is_left_out_where_the_number_was_given(self, data):
        given = changed(data, k_curve=pd.DataFrame({"k": [], "silhouette": []}))
        assert "Choice of the number of clusters" not in headings(render(given))


class TestAssignments:
    def test_are_downloaded_as_the_filters_choose(self, data):
        assert len(table_of(data, "assignments")) == ALL_DAYS
        assert set(table_of(data, "assignments", "sector=Bakery")["id"]) == {"M1", "M2"}
        own = table_of(data, "assignments", "customer=M3&from=2024-04-07&to=2024-04-08")
        assert own["id"].tolist() == ["M3"] * 2
        assert own.columns.tolist() == ["id", "date", "cluster", "cluster_name", "distance"]


def test_charts_have_ids_of_their_own_and_words_for_who_cannot_see_them(compared):
    page = render(compared, f"customer=M1&cluster=1&other={OTHER}", "es")
    assert len(figures(page)) == 6
    told = [getattr(each, "aria-label", "") for each in walk(page) if getattr(each, "role", "") == "img"]
    assert len(told) == 6 and all(told)
