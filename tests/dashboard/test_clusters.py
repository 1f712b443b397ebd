"""Who is in which cluster when, how far the days of each spread, and how far two clusterings agree."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadprofiles.dashboard import clusters as module
from loadprofiles.dashboard.clusters import QUANTILES, Clusters, shapes_of
from loadprofiles.normalisation import normalise
from loadprofiles.profiles import read_profiles, step_columns, values_of
from tests.dashboard.small import FIRST_DAY, LAST_DAY, METERS, ODD, SmallClustering, SmallResults, april, small_data

SUNDAYS = 9
"""Of the small run, from March to April 2024."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_data(tmp_path_factory.mktemp("run"))


class Changed(SmallClustering):
    """The small run's clustering with other days or representatives."""

    def __init__(self, clustering, days=None, representatives=None, run_id=""):
        super().__init__(clustering.folder, clustering.metrics)
        self.run_id = run_id or clustering.run_id
        self._days = clustering.read_days() if days is None else days
        self.__dict__["representatives"] = clustering.representatives if representatives is None else representatives

    def read_days(self):
        return self._days


def with_clustering(data, others=(), **changes):
    """The clusters of the small run with something changed, and other clusterings beside it."""
    results = SmallResults(data.results.folder)
    results.__dict__["clustering"] = Changed(data.results.clustering, **changes)
    results.other_clusterings = lambda: list(others)
    return Clusters(results, data.cube)


def counts(clusters, meters=METERS, first=FIRST_DAY, last=LAST_DAY):
    return clusters.counts(list(meters), first, last)


class TestCounts:
    def test_are_of_each_meter_and_cluster(self, data):
        table = counts(data.clusters)
        assert table.index.tolist() == list(METERS)
        assert table.columns.tolist() == [0, 1]
        assert table.to_numpy().tolist() == [[SUNDAYS, 60 - SUNDAYS], [SUNDAYS, 50], [SUNDAYS, 50], [60, 0]]

    def test_are_of_a_period_and_of_some_meters_in_their_order(self, data):
        table = counts(data.clusters, ("M3", "M1"), april(7), april(8))
        assert table.index.tolist() == ["M3", "M1"]
        assert table.to_numpy().tolist() == [[2, 0], [1, 1]]

    def test_are_zero_where_there_is_nothing_to_count(self, data):
        assert counts(data.clusters, first=april(8), last=april(7)).to_numpy().sum() == 0
        assert counts(data.clusters, ["nobody"]).to_numpy().tolist() == [[0, 0]]

    def test_have_days_in_no_cluster_last(self, data):
        days = data.clusters.days.assign(cluster=lambda table: table["cluster"].where(table["id"] != "M3", -1))
        table = counts(with_clustering(data, days=days))
        assert table.columns.tolist() == [0, 1, -1]
        assert table.loc["M3"].tolist() == [0, 0, 60]

    @settings(max_examples=20)
    @given(
        st.lists(st.tuples(st.sampled_from(METERS), st.integers(0, 59), st.integers(-1, 1)), max_size=20),
        st.integers(0, 59),
        st.integers(0, 59),
    )
    def test_are_those_of_a_crosstab(self, data, rows, first, last):
        rows = list({(meter, day): (meter, day, cluster) for meter, day, cluster in rows}.values())
        table = pd.DataFrame(rows, columns=["id", "day", "cluster"])
        dates = pd.Timestamp(FIRST_DAY) + pd.to_timedelta(table["day"].astype("int64"), unit="D")
        days = pd.DataFrame(
            {
                "id": table["id"].astype("category"),
                "date": dates.astype("datetime64[us]"),
                "cluster": table["cluster"].astype("int32"),
            }
        )
        start, end = (pd.Timestamp(FIRST_DAY) + pd.Timedelta(days=day) for day in (first, last))
        counted = counts(with_clustering(data, days=days), first=start.date(), last=end.date())
        for meter in METERS:
            for cluster in counted.columns:
                inside = [day for name, day, own in rows if (name, own) == (meter, cluster) and first <= day <= last]
                assert counted.loc[meter, cluster] == len(inside)


def test_days_of_a_meter_have_their_clusters_names(data):
    days = data.clusters.days_of("M1", april(6), april(8))
    assert days["id"].tolist() == ["M1"] * 3
    assert days["cluster_name"].tolist() == ["evening peak 18:00", "flat <base>", "evening peak 18:00"]
    assert data.clusters.days_of("nobody", april(6), april(8)).empty


def harmonized(data):
    profiles = read_profiles(data.results.harmonized_file)
    clusters = data.results.clustering.assignments["cluster"].to_numpy()
    return normalise(values_of(profiles)), clusters


class TestSpread:
    def test_holds_the_quantiles_of_the_days_of_each_cluster(self, data):
        profiles, clusters = harmonized(data)
        assert data.clusters.spread.shape == (2, len(QUANTILES), 24)
        for cluster in (0, 1):
            own = np.quantile(profiles[clusters == cluster], QUANTILES, axis=0)
            np.testing.assert_allclose(data.clusters.spread[cluster], own, rtol=1e-5)

    def test_is_of_a_sample_of_many_days_which_is_always_the_same(self, data, monkeypatch):
        monkeypatch.setattr(module, "SAMPLE", 20)
        first, again = (Clusters(data.results, data.cube).spread for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert not np.allclose(first, data.clusters.spread, rtol=1e-6)
        np.testing.assert_allclose(first, data.clusters.spread, atol=0.02)

    def test_of_a_cluster_without_days_is_not_known(self, data):
        days = data.clusters.days.assign(cluster=lambda table: table["cluster"].where(table["cluster"] == 1, -1))
        spread = with_clustering(data, days=days).spread
        assert np.isnan(spread[0]).all()
        assert np.isfinite(spread[1]).all()

    def test_leaves_out_days_of_which_the_cube_does_not_know_an_hour(self, data):
        days = data.clusters.days
        # of 5 April M2 lacks twelve hours
        wrong = days[days["id"] == "M2"].iloc[:1].assign(date=pd.Timestamp(april(5)), cluster=np.int32(0))
        spread = with_clustering(data, days=pd.concat([days, wrong])).spread
        np.testing.assert_array_equal(spread, data.clusters.spread)

    def test_of_other_steps_than_hours_is_taken_from_the_harmonized_table(self, data, tmp_path, monkeypatch):
        profiles = read_profiles(data.results.harmonized_file)
        halves = np.repeat(values_of(profiles) / 2, 2, axis=1)
        table = pd.concat([profiles[["id", "date"]], pd.DataFrame(halves, columns=step_columns(30))], axis=1)
        table.to_csv(tmp_path / "harmonized.csv", index=False)
        monkeypatch.setattr(SmallResults, "harmonized_file", tmp_path / "harmonized.csv")
        shapes = pd.DataFrame(np.repeat(shapes_of(data.clusters.found), 2, axis=1), columns=step_columns(30))
        head = data.clusters.found.representatives[["cluster", "cluster_name", "kind", "size"]]
        changed = with_clustering(data, representatives=pd.concat([head, shapes], axis=1))
        assert changed.spread.shape == (2, 4, 48)
        np.testing.assert_allclose(changed.spread[:, :, ::2] * np.sqrt(2), data.clusters.spread, rtol=1e-5)
        monkeypatch.setattr(module, "_MOST_VALUES", len(profiles) * 48 - 1)
        assert Clusters(changed._results, data.cube).spread is None

    def test_is_none_where_the_table_is_missing_or_of_other_steps(self, data, monkeypatch):
        head = data.clusters.found.representatives[["cluster", "cluster_name", "kind", "size"]]
        shapes = pd.DataFrame(np.ones((2, 48)), columns=step_columns(30))
        representatives = pd.concat([head, shapes], axis=1)
        assert with_clustering(data, representatives=representatives).spread is None
        monkeypatch.setattr(SmallResults, "harmonized_file", None)
        assert with_clustering(data, representatives=representatives).spread is None

    def test_is_none_without_clusters(self, tmp_path):
        bare = small_data(tmp_path, without=("clusters",))
        assert bare.clusters.names == {}
        assert bare.clusters.spread is None
        assert counts(bare.clusters).shape == (len(METERS), 0)


class TestComparison:
    def test_finds_the_same_clusters_under_other_numbers(self, data):
        days = data.clusters.days.assign(cluster=1 - data.clusters.days["cluster"])
        other = Changed(data.results.clustering, days=days, run_id="b" * 32)
        agreement = with_clustering(data, [other]).agreement("b" * 32)
        assert (agreement.days, agreement.adjusted_rand) == (len(days), 1.0)
        assert agreement.table.index.tolist() == ["0 · flat <base>", "1 · evening peak 18:00"]
        sizes = data.clusters.days["cluster"].value_counts()
        assert agreement.table.to_numpy().tolist() == [[0, sizes[0]], [sizes[1], 0]]

    def test_is_of_the_days_that_both_have_whatever_meters_each_knows(self, data):
        days = data.clusters.days
        others = days[days["id"] != ODD].assign(id=lambda table: table["id"].cat.rename_categories({"M2": "NEW"}))
        others = others.assign(id=others["id"].cat.remove_unused_categories())
        other = Changed(data.results.clustering, days=others, run_id="b" * 32)
        agreement = with_clustering(data, [other]).agreement("b" * 32)
        assert agreement.days == (days["id"] == "M1").sum() + (days["id"] == "M3").sum()
        assert agreement.adjusted_rand == 1.0

    def test_looks_other_clusterings_up_once_in_a_while_and_compares_once(self, data, monkeypatch):
        other = Changed(data.results.clustering, run_id="b" * 32)
        clusters = with_clustering(data)
        looked, moment = [], [1000.0]
        clusters._results.other_clusterings = lambda: looked.append(1) or [other]
        clusters = Clusters(clusters._results, data.cube)
        monkeypatch.setattr(module.time, "monotonic", lambda: moment[0])
        assert clusters.others() == clusters.others() == [other]
        assert len(looked) == 1
        assert clusters.agreement("b" * 32) is clusters.agreement("b" * 32)
        moment[0] += module.LOOKED_SECONDS
        clusters.others()
        assert len(looked) == 2
