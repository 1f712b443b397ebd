"""What is told of a run's results: small tables whose summary can be counted by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles import summaries
from loadprofiles.choices import Grid
from loadprofiles.clustering.models import ModelSettings
from loadprofiles.errors import EmptyResultError, InputError
from loadprofiles.plots.measures import MONTHS, WEEKDAYS
from loadprofiles.profiles import step_columns
from loadprofiles.representatives import NO_CLUSTER, NO_CLUSTER_NAME
from loadprofiles.validity import RANKED
from tests.days import NAMES, three_shapes, write

NUMBERS = {"A": 0, "B": 1, "C": 2}


def assigned(*days):
    """Days as `(meter, date, cluster)`, of clusters called c0, c1, …"""
    table = pd.DataFrame(days, columns=["id", "date", "cluster"]).astype({"id": "str", "cluster": int})
    names = [NO_CLUSTER_NAME if cluster == NO_CLUSTER else f"c{cluster}" for cluster in table["cluster"]]
    return table.assign(date=pd.to_datetime(table["date"]), cluster_name=names, distance=0.0)


def days_of(meter, *clusters):
    return [(meter, f"2024-01-{day:02d}", cluster) for day, cluster in enumerate(clusters, 1)]


def by_shape():
    """The three shapes, each a cluster."""
    days = three_shapes()[["id", "date"]]
    return days.assign(
        date=pd.to_datetime(days["date"]), cluster=days["id"].map(NUMBERS), cluster_name=days["id"].map(NAMES)
    )


def run_with(assignments=None, params=None, files=None, **found):
    """The results of a run, of the three shapes unless said otherwise."""
    profiles = three_shapes()
    head = pd.DataFrame({"cluster": range(3), "cluster_name": list(NAMES.values()), "kind": "centroid", "size": 10})
    steps = pd.DataFrame(np.eye(3, 24), columns=step_columns(60))
    clustering = {
        "name": "kmeans euclidean k=3",
        "assignments": by_shape() if assignments is None else assignments,
        "representatives": pd.concat([head, steps], axis=1),
        "k_curve": pd.DataFrame({"k": [], "silhouette": []}),
    }
    return SimpleNamespace(
        run_id="r1",
        params=params or {"model": "kmeans"},
        profiles=profiles,
        meters=pd.DataFrame({"meter_id": ["A", "B"], "sector": ["farm", ""]}),
        clustering=SimpleNamespace(**clustering | found),
        file=lambda of_step, name: (files or {}).get((of_step, name)),
    )


class TestModelSettings:
    def test_have_the_types_of_the_options(self):
        given = {"model": "som", "radius": "2", "seed": "7", "som_grid": "2x3", "linkage": "complete", "tariff": "0.1"}
        assert summaries.model_settings(given) == ModelSettings(
            "som", radius=2, seed=7, som_grid=Grid(2, 3), linkage="complete"
        )

    def test_are_those_given(self):
        given = {"model": "kmedoids", "som_grid": "", "distance_metric": "dtw"}
        assert summaries.model_settings(given) == ModelSettings("kmedoids", "dtw")

    def test_that_an_older_run_lacks_are_the_defaults(self):
        assert summaries.model_settings({}) == ModelSettings("kmeans")


class TestClusterView:
    def test_has_each_days_cluster_whatever_the_order_of_the_assignments(self):
        view = summaries.cluster_view(run_with(by_shape().sample(frac=1, random_state=0)))
        assert view.meters.tolist() == three_shapes()["id"].tolist()
        assert view.labels.tolist() == [NUMBERS[meter] for meter in view.meters]
        assert (view.names, view.kind, view.k) == (tuple(NAMES.values()), "centroid", 3)
        assert np.linalg.norm(view.profiles, axis=1) == pytest.approx(1)
        assert view.dates[0] == np.datetime64("2024-01-01")

    def test_knows_sectors_and_leaves_unknown_ones_empty(self):
        groups = summaries.cluster_view(run_with()).groups
        assert {name: values.tolist() for name, values in groups.items()} == {"sector": ["farm"] * 10 + [""] * 20}

    def test_has_silhouettes_of_a_sample_by_either_distance(self, monkeypatch):
        monkeypatch.setattr(summaries, "MOST_DAYS", 20)
        silhouettes = summaries.cluster_view(run_with()).silhouettes
        assert {name: int(np.isfinite(values).sum()) for name, values in silhouettes.items()} == {
            "Euclidean": 20,
            "DTW": 20,
        }
        assert all(np.nanmin(values) > 0.5 for values in silhouettes.values())

    def test_has_no_silhouettes_where_all_days_are_in_one_cluster(self):
        together = by_shape().assign(cluster=1)
        assert summaries.cluster_view(run_with(together)).silhouettes == {}

    def test_has_the_curve_that_the_number_was_chosen_by(self):
        curve = pd.DataFrame({"k": [2, 3], "silhouette": [0.1, 0.2]})
        assert summaries.cluster_view(run_with(k_curve=curve)).curve is curve
        assert summaries.cluster_view(run_with()).curve is None

    def test_of_a_run_without_clusters_is_an_error_that_names_it(self):
        with pytest.raises(EmptyResultError, match="run r1: has no clusters"):
            summaries.cluster_view(run_with(representatives=pd.DataFrame(columns=["cluster"])))


class TestMainClusters:
    def test_are_the_most_frequent_and_of_equals_the_first_that_is_one(self):
        table = assigned(*days_of("M", 2, 1, 1, 0), *days_of("N", 3, 1), *days_of("O", -1, 4), *days_of("P", -1, -1, 0))
        assert summaries.main_clusters(table).to_numpy().tolist() == [
            ["M", 1, "c1", 0.5, 4],
            ["N", 1, "c1", 0.5, 2],
            ["O", 4, "c4", 0.5, 2],
            ["P", NO_CLUSTER, NO_CLUSTER_NAME, pytest.approx(2 / 3), 3],
        ]

    @settings(max_examples=20)
    @given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(-1, 3)), min_size=1, max_size=30))
    def test_have_the_share_that_counting_gives(self, pairs):
        table = assigned(*((meter, f"2024-01-{day:02d}", cluster) for day, (meter, cluster) in enumerate(pairs, 1)))
        found = summaries.main_clusters(table)
        assert found["days"].sum() == len(pairs)
        for row in found.itertuples():
            own = [cluster for meter, cluster in pairs if meter == row.meter_id]
            assert own.count(row.cluster) == max(map(own.count, own))
            assert row.share == pytest.approx(own.count(row.cluster) / len(own))


class TestMeterCalendar:
    def test_counts_the_days_of_all_years_by_month_and_weekday(self):
        # three Mondays of January, in two years
        table = assigned(("M", "2024-01-01", 0), ("M", "2024-01-08", 2), ("M", "2023-01-02", 2), ("N", "2024-02-04", 1))
        calendar = summaries.meter_calendar(table, "M")
        assert calendar["cluster"].shape == calendar["share"].shape == (12, 7)
        assert (calendar.index.tolist(), calendar["days"].columns.tolist()) == (list(MONTHS), list(WEEKDAYS))
        monday = calendar.loc["Jan"].xs("Mon", level=1)
        assert monday.tolist() == [2, pytest.approx(2 / 3), 3]
        assert calendar["days"].to_numpy().sum() == 3
        assert calendar["cluster"].isna().sum().sum() == calendar["share"].isna().sum().sum() == 83

    def test_of_an_unknown_meter_is_an_error(self):
        with pytest.raises(InputError, match="meter 'X' has no day"):
            summaries.meter_calendar(assigned(*days_of("M", 0)), "X")


class TestKCurve:
    def test_is_the_runs_own(self):
        curve = pd.DataFrame({"k": [2], "silhouette": [0.5]})
        assert summaries.k_curve(run_with(k_curve=curve)) is curve

    def test_is_computed_where_the_number_was_given(self):
        curve = summaries.k_curve(run_with())
        assert curve["k"].tolist() == list(range(2, 21))
        assert curve.set_index("k")["silhouette"].idxmax() == 3

    @pytest.mark.parametrize("params", [{"model": "hdbscan"}, {"model": "som", "som_grid": "2x2"}])
    def test_is_not_there_where_there_is_nothing_to_choose(self, params):
        assert summaries.k_curve(run_with(params=params)).empty


class TestSeedStability:
    def test_is_the_runs_own(self, tmp_path):
        own = pd.DataFrame({"seed": [0], "other_seed": [1], "adjusted_rand": [0.25]})
        file = write(own, tmp_path / "stability.csv")
        assert summaries.seed_stability(run_with(files={("clustering", "stability.csv"): file})).equals(own)

    def test_is_computed_where_the_run_has_not_looked(self):
        table = summaries.seed_stability(run_with(params={"seed": "3"}), further_seeds=2)
        assert table[["seed", "other_seed"]].to_numpy().tolist() == [[3, 4], [3, 5], [4, 5]]
        assert table["adjusted_rand"].between(0.5, 1).all()

    @pytest.mark.parametrize("model", ["agglomerative", "hdbscan"])
    def test_is_not_there_where_nothing_is_drawn(self, model):
        assert summaries.seed_stability(run_with(params={"model": model})).empty


class TestAgreement:
    def test_of_the_same_clusters_under_other_numbers_is_whole(self):
        one, other = assigned(*days_of("M", 0, 0, 1, 2)), assigned(*days_of("M", 2, 2, 0, 1))
        found = summaries.agreement(one, other)
        assert (found.days, found.adjusted_rand) == (4, 1.0)
        assert found.table.loc["0 · c0"].to_dict() == {"0 · c0": 0, "1 · c1": 0, "2 · c2": 2}

    def test_is_of_the_days_that_both_have(self):
        one, other = assigned(*days_of("M", 0, 0, 1)), assigned(*days_of("M", 0, 1), *days_of("N", 5))
        found = summaries.agreement(one, other)
        assert (found.days, found.table.to_numpy().tolist()) == (2, [[1, 1]])
        assert found.table.columns.tolist() == ["0 · c0", "1 · c1"]

    def test_names_clusters_in_the_order_of_their_numbers_and_none_first(self):
        days = assigned(*days_of("M", 10, 2, -1))
        assert summaries.agreement(days, days).table.index.tolist() == [NO_CLUSTER_NAME, "2 · c2", "10 · c10"]

    def test_of_no_common_day_is_unknown(self):
        found = summaries.agreement(assigned(*days_of("M", 0)), assigned(*days_of("N", 0)))
        assert (found.days, found.table.empty) == (0, True)
        assert np.isnan(found.adjusted_rand)


def clustering(run_id, name, silhouette=0.5, days=None):
    """A clustering, all of whose indices are as good as its silhouette."""
    metrics = {"profiles": 2} | dict.fromkeys(RANKED, -silhouette)
    metrics |= {"Silhouette Score": silhouette, "Calinski-Harabasz": silhouette, "Dunn": silhouette}
    validity = pd.DataFrame({"index": ["Silhouette Score", "DB Index"], "value": [silhouette, 1 - silhouette]})
    assignments = assigned(*days or days_of("M", 0, 1))
    return SimpleNamespace(run_id=run_id, name=name, metrics=metrics, validity=validity, assignments=assignments)


class TestComparable:
    def test_are_the_best_of_each_model_and_distance(self):
        own = clustering("own", "kmeans euclidean k=3")
        others = [
            clustering("a", "kmeans dtw k=3", 0.4), clustering("b", "kmeans dtw k=4", 0.6),
            clustering("c", "som euclidean k=3", 0.9), clustering("d", "kmeans dtw k=5", 0.5),
        ]  # fmt: skip
        assert [run.run_id for run in summaries.comparable(own, others)] == ["own", "c", "b"]
        assert [run.run_id for run in summaries.comparable(own, others, most=1)] == ["own", "c"]

    def test_are_of_the_same_days(self):
        own = clustering("own", "kmeans euclidean k=3")
        elsewhere = clustering("a", "kmeans dtw k=3", days=days_of("N", 0, 1))
        more = clustering("b", "som euclidean k=3", days=days_of("M", 0, 1, 1))
        more.metrics["profiles"] = 3
        assert summaries.comparable(own, [elsewhere, more]) == [own]

    def test_may_be_the_run_alone(self):
        own = clustering("own", "kmeans euclidean k=3")
        assert summaries.comparable(own, []) == [own]


class TestValidityComparison:
    def test_says_which_run_is_best_and_which_way(self):
        table = summaries.validity_comparison([clustering("a", "one", 0.2), clustering("b", "other", 0.6)])
        assert table.columns.tolist() == ["index", "one", "other", "better", "best"]
        assert table.to_numpy().tolist() == [
            ["DB Index", 0.8, 0.4, "lower", "other"],
            ["Silhouette Score", 0.2, 0.6, "higher", "other"],
        ]

    def test_leaves_out_of_the_contest_who_lacks_an_index(self):
        less = clustering("a", "less", 0.9)
        less.validity = less.validity.iloc[1:]
        table = summaries.validity_comparison([less, clustering("b", "other", 0.6)]).set_index("index")
        assert np.isnan(table.loc["Silhouette Score", "less"])
        assert table["best"].to_dict() == {"DB Index": "less", "Silhouette Score": "other"}

    def test_has_no_best_of_an_index_that_no_run_has(self):
        one, other = clustering("a", "one", 0.2), clustering("b", "other", 0.6)
        for run in (one, other):
            run.validity = run.validity.assign(value=[np.nan, 0.5])
        table = summaries.validity_comparison([one, other]).set_index("index")
        assert table["best"].to_dict() == {"DB Index": "one", "Silhouette Score": ""}

    def test_tells_runs_of_one_name_apart(self):
        table = summaries.validity_comparison([clustering("a" * 32, "one"), clustering("b" * 32, "one")])
        assert table.columns.tolist()[1:3] == ["one (aaaaaaaa)", "one (bbbbbbbb)"]

    def test_of_runs_without_indices_has_no_rows(self):
        none = clustering("a", "one")
        none.validity = none.validity.iloc[:0]
        assert summaries.validity_comparison([none]).empty


class TestDtwAgainstEuclidean:
    @pytest.mark.parametrize("model", ["kmeans", "kmedoids", "agglomerative"])
    def test_judges_both_under_both(self, model):
        compared = summaries.dtw_against_euclidean(three_shapes(), ModelSettings(model, linkage="ward"), 3)
        assert (compared.model, compared.k, compared.days) == (model, 3, 30)
        assert compared.agreement.adjusted_rand == 1.0
        assert np.diag(compared.agreement.table).tolist() == [10, 10, 10]
        table = compared.validity.set_index("index")
        assert {"Silhouette Score", "Silhouette DTW", "DB Index"} <= set(table.index)
        assert table.loc[["Silhouette Score", "Silhouette DTW"], ["euclidean", "dtw"]].gt(0.5).all(axis=None)

    @pytest.mark.parametrize("asked", [ModelSettings("som", som_grid=Grid(2, 2)), ModelSettings("hdbscan", "dtw")])
    def test_takes_k_medoids_where_the_model_has_no_two_distances_or_no_number(self, asked):
        compared = summaries.dtw_against_euclidean(three_shapes(), asked, 1)
        assert (compared.model, compared.k) == ("kmedoids", 2)

    def test_takes_a_sample_of_many_days_and_the_same_each_time(self, monkeypatch):
        monkeypatch.setattr(summaries, "MOST_DAYS", 20)
        one, other = (summaries.dtw_against_euclidean(three_shapes(), ModelSettings("kmedoids"), 3) for _ in range(2))
        assert one.days == one.agreement.days == 20
        assert one.validity.equals(other.validity)


class TestQualityBySource:
    def test_weighs_each_meter_by_its_readings(self):
        report = pd.DataFrame(
            {
                "source": ["sql", "sql", "customers"], "readings": [100, 300, 50], "days": [4, 12, 2],
                "days_profile": [4, 11, 2], "findings": [0, 2, 1], "share_measured_percent": [100.0, 80.0, 100.0],
                "share_missing_percent": [0.0, 20.0, np.nan], "share_rejected_outlier_percent": [0.0, 0.0, 0.0],
            }
        )  # fmt: skip
        table = summaries.quality_by_source(report)
        assert table.columns.tolist() == [
            "source", "meters", "readings", "days", "days_profile", "findings", "measured_percent", "missing_percent",
        ]  # fmt: skip
        assert table.to_numpy().tolist() == [
            ["customers", 1, 50, 2, 2, 1, 100.0, 0.0],
            ["sql", 2, 400, 16, 15, 2, 85.0, 15.0],
        ]

    def test_of_a_meter_without_readings_is_no_division_by_zero(self):
        report = pd.DataFrame({"source": ["sql"], "readings": [0], "findings": [1], "share_measured_percent": [0.0]})
        assert summaries.quality_by_source(report)["readings"].tolist() == [0]

    def test_without_sources_has_no_rows(self):
        none = {name: pd.Series(dtype="object") for name in ("meter_id", "readings", "findings", "source")}
        assert summaries.quality_by_source(pd.DataFrame(none)).empty


MAIN = summaries.main_clusters(assigned(*days_of("M", 0, 0), *days_of("N", 0), *days_of("O", 1)))


class TestForecastByCluster:
    METERS = pd.DataFrame({"meter_id": ["M", "N", "O", "P"], "energy_kwh": [10.0, 20.0, -5.0, 1.0]})

    def test_has_medians_of_the_meters_that_are_forecast(self):
        errors = pd.DataFrame(
            {
                "meter_id": ["M", "N", "O"], "wape": [0.1, 0.3, np.nan], "mape_percent": [20.0, 40.0, np.nan],
                "ratio_to_seasonal_naive": [0.8, 1.0, np.nan], "mase": 1.0,
            }
        )  # fmt: skip
        table = summaries.forecast_by_cluster(MAIN, errors, self.METERS)
        assert table.columns.tolist() == [
            "cluster", "cluster_name", "meters", "energy_kwh", "forecast_meters", "median_wape", "median_mape_percent",
            "median_ratio_to_seasonal_naive",
        ]  # fmt: skip
        assert table.iloc[:, :5].to_numpy().tolist() == [
            [NO_CLUSTER, NO_CLUSTER_NAME, 1, 1.0, 0],
            [0, "c0", 2, 30.0, 2],
            [1, "c1", 1, -5.0, 0],
        ]
        assert table.loc[1].iloc[5:].tolist() == pytest.approx([0.2, 30.0, 0.9])
        assert table.loc[[0, 2]].iloc[:, 5:].isna().all(axis=None)

    def test_of_a_run_without_forecasts_counts_the_meters(self):
        none = pd.DataFrame(
            {n: pd.Series(dtype="object") for n in ("meter_id", "wape", "mape_percent", "ratio_to_seasonal_naive")}
        )
        table = summaries.forecast_by_cluster(MAIN, none, self.METERS)
        assert (table["meters"].tolist(), table["forecast_meters"].tolist()) == ([1, 2, 1], [0, 0, 0])


def alert(meters, kind="theft-like", state="new", missing_kwh=10.0):
    return {
        "meters": meters,
        "kind": kind,
        "state": state,
        "missing_kwh": missing_kwh,
        "money": max(missing_kwh, 0.0) / 5,
    }


class TestAlertsByCluster:
    def test_counts_each_alert_once(self):
        alerts = pd.DataFrame(
            [
                alert(["M"]), alert(["M", "N"], "group event", "confirmed", 30.0), alert(["M", "O"], "group event"),
                alert(["X"], "data fault", "seen", -4.0),
            ]
        )  # fmt: skip
        table = summaries.alerts_by_cluster(MAIN, alerts)
        assert table.columns.tolist() == [
            "cluster", "cluster_name", "alerts", "theft-like", "data fault", "group event", "new", "seen", "confirmed",
            "dismissed", "missing_kwh", "money",
        ]  # fmt: skip
        assert table["cluster"].tolist()[:2] == [NO_CLUSTER, 0]
        assert table["cluster"].isna().tolist() == [False, False, True]
        assert table.iloc[:, 1:].to_numpy().tolist() == [
            [NO_CLUSTER_NAME, 1, 0, 1, 0, 0, 1, 0, 0, 0.0, 0.0],
            ["c0", 2, 1, 0, 1, 1, 0, 1, 0, 40.0, 8.0],
            [summaries.SEVERAL_NAME, 1, 0, 0, 1, 1, 0, 0, 0, 10.0, 2.0],
        ]

    def test_what_somebody_has_dismissed_is_not_missing(self):
        row = summaries.alerts_by_cluster(MAIN, pd.DataFrame([alert(["O"], state="dismissed")])).iloc[0]
        assert (row["alerts"], row["dismissed"], row["missing_kwh"], row["money"]) == (1, 1, 0.0, 0.0)

    def test_of_no_alerts_has_no_rows(self):
        assert summaries.alerts_by_cluster(MAIN, pd.DataFrame([alert(["M"])]).iloc[:0]).empty
