import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from loadprofiles import plots
from tests.plots.examples import view_of

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&%{x}"


class Scripts(HTMLParser):
    """The scripts of a page, as (attributes, text), the other tags, and the texts of its headings and buttons."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.tags: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.policy = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        given = dict(attrs)
        if tag == "script":
            self.scripts.append((given, ""))
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"] or ""

    def handle_data(self, data):
        if self.tags and self.tags[-1] == "script" and self.cdata_elem == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)
        elif self.tags and data.strip():
            self.texts.append((self.tags[-1], data.strip()))


def figures_of(page: str) -> dict:
    (text,) = [text for attributes, text in Scripts(page).scripts if attributes.get("id") == "figures"]
    return json.loads(text)


def numbers(values) -> np.ndarray:
    """A plotly array, which may be written as bytes."""
    if not isinstance(values, dict):
        return np.array(values, dtype=float)
    found = np.frombuffer(base64.b64decode(values["bdata"]), dtype=values["dtype"])
    return found.reshape([int(n) for n in values["shape"].split(",")]) if "shape" in values else found


def headings(page: str) -> list[str]:
    return [text for tag, text in Scripts(page).texts if tag == "h2"]


def chart(page: str, heading: str) -> dict:
    """The first figure below a heading."""
    name = re.search(rf">{heading}</h[23]>.*?id=\"(figure\d+)\"", page, re.DOTALL)
    assert name is not None
    return figures_of(page)[name.group(1)]


def page_of(view) -> str:
    return plots.clusters_page(view, embed_script=False)


def full_view(k: int = 3, **more):
    profiles = np.random.default_rng(3).normal(size=(60, 24))
    tree = linkage(profiles, "average")
    labels = (fcluster(tree, k, "maxclust") - 1).tolist()
    parts = {
        "profiles": profiles,
        "tree": tree,
        "groups": {"sector": np.array(["farm", ""] * 30, object)},
        "silhouettes": {"Euclidean": np.linspace(-0.5, 0.9, 60)},
        "curve": pd.DataFrame({"k": [2, 3, 4], "silhouette": [0.1, 0.5, 0.3], "mean_rank": [2.0, 1.0, 3.0]}),
        "som_positions": np.array([[0, c] for c in range(k)]),
        "som_weights": np.random.default_rng(0).uniform(0, 1, (2, k, 24)),
    }
    return view_of(labels, k, **(parts | more))


def test_the_script_of_the_figures_is_in_the_page_once():
    page = plots.clusters_page(view_of([0, 1], 2))
    scripts = [text for attributes, text in Scripts(page).scripts if not attributes]
    assert sum(text.lstrip().startswith("/**\n* plotly.js v") for text in scripts) == 1
    assert all("src" not in attributes for attributes, _ in Scripts(page).scripts)


def test_without_the_script_the_page_loads_the_same_version_from_plotly_and_checks_it():
    page = page_of(view_of([0, 1], 2))
    (tag,) = [attributes for attributes, _ in Scripts(page).scripts if "src" in attributes]
    assert re.fullmatch(r"https://cdn\.plot\.ly/plotly-\d+\.\d+\.\d+\.min\.js", tag["src"])
    assert tag["integrity"].startswith("sha256-")
    assert "plotly.js v" not in page
    assert len(page) < 100_000


@pytest.mark.parametrize("embed", [True, False])
def test_the_policy_allows_the_pages_own_scripts_and_no_other(embed):
    found = Scripts(plots.clusters_page(view_of([0, 1], 2, names=(EVIL, "b")), embed_script=embed))
    own = [text for attributes, text in found.scripts if not attributes]
    digests = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in own]
    allowed = re.search(r"script-src ([^;]*)", found.policy)
    assert allowed is not None
    expected = [f"'sha256-{digest}'" for digest in digests]
    assert allowed.group(1).split() == ([] if embed else ["https://cdn.plot.ly/"]) + expected
    assert found.policy.startswith("default-src 'none'")


def test_no_name_gets_markup_into_the_page_or_its_figures():
    k = 3
    view = full_view(
        k,
        names=tuple(f"{EVIL} {c}" for c in range(k)),
        title=EVIL,
        kind=EVIL,
        meters=np.array([f"{EVIL} {day % 2}" for day in range(60)], object),
        groups={EVIL: np.array([EVIL] * 60, object)},
        silhouettes={EVIL: np.linspace(-1, 1, 60)},
        curve=pd.DataFrame({"k": [2, 3], "silhouette": [0.1, 0.2], EVIL: [1.0, 2.0]}),
    )
    page = page_of(view)
    plain = page_of(full_view(k))
    assert "<script>alert" not in page
    assert sorted(set(Scripts(page).tags)) == sorted(set(Scripts(plain).tags))
    assert len(Scripts(page).scripts) == len(Scripts(plain).scripts)
    for text in strings(figures_of(page)):
        assert "<" not in re.sub(r"<br>|<extra></extra>", "", text)
    assert "alert" not in "".join(text for text in strings(figures_of(page)) if "%{" in text and "hover" in text)


def strings(value):
    if isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def test_a_section_stands_only_where_there_is_something_to_show():
    always = ["Representatives", "Cluster by cluster", "Sizes", "Shares"]
    assert headings(page_of(view_of([0, 1], 2))) == always
    optional = ["Silhouettes", "Tree", "Map of the neurons", "Choice of the number of clusters"]
    assert headings(page_of(full_view())) == always + optional


def test_the_representatives_are_drawn_by_name_and_can_be_switched_off():
    view = view_of([0, 1, 1], 2, steps=96)
    page = page_of(view)
    traces = chart(page, "Representatives")["data"]
    assert [trace["name"] for trace in traces] == ["0 · name 0", "1 · name 1"]
    for cluster, trace in enumerate(traces):
        np.testing.assert_allclose(numbers(trace["y"]), view.representatives[cluster], rtol=1e-6)
        assert trace["text"][:2] == ["00:00", "00:15"]
        assert f'data-group="{trace["legendgroup"]}"' in page


def test_bands_and_calendar_of_each_cluster_are_those_of_the_pictures():
    view = view_of([0, 1, 1, 1], 2)
    lines = chart(page_of(view), "1 · name 1")["data"]
    np.testing.assert_allclose(
        numbers(lines[2]["customdata"]), np.quantile(view.profiles[1:], [0.05, 0.25, 0.75, 0.95], axis=0).T, rtol=1e-6
    )
    calendar = numbers(lines[3]["z"])
    assert calendar[:, 0].tolist()[:4] == [0, 1, 1, 1]
    assert np.isnan(calendar[4:, 0]).all() and np.isnan(calendar[:, 1:]).all()


def test_a_cluster_without_days_has_a_representative_and_no_bands():
    lines = chart(page_of(view_of([0, 0], 2)), "1 · name 1")["data"]
    assert [line["type"] for line in lines] == ["scatter", "heatmap"]


def test_sizes_and_shares_count_every_day_with_the_noise():
    view = view_of([0, 0, 1, -1], 2, meters=np.array(["a", "a", "b", "b"], object))
    page = page_of(view)
    (bar,) = chart(page, "Sizes")["data"]
    assert numbers(bar["x"]).tolist() == [2, 1, 1]
    assert bar["text"][0] == "2 · 50.0%"
    traces = chart(page, "By meter")["data"]
    assert [trace["name"] for trace in traces] == ["0 · name 0", "1 · name 1", "in no cluster"]
    np.testing.assert_allclose(sum(numbers(trace["x"]) for trace in traces), [1, 1])
    assert chart(page, "By meter")["layout"]["yaxis"]["ticktext"] == ["a (2)", "b (2)"]


def test_meters_that_are_numbers_stay_names():
    page = page_of(view_of([0, 1], 2, meters=np.array(["0012", "7"], object)))
    layout = chart(page, "By meter")["layout"]
    assert sorted(layout["yaxis"]["ticktext"]) == ["0012 (1)", "7 (1)"]


def test_the_number_of_clusters_is_marked_on_each_curve():
    page = page_of(full_view(3))
    for heading in ("silhouette", "mean rank"):
        drawn = chart(page, heading)
        assert drawn["layout"]["shapes"][0]["x0"] == 3
        assert numbers(drawn["data"][0]["x"]).tolist() == [2, 3, 4]


def test_the_tree_has_a_leg_a_cluster_and_the_map_a_cell_a_neuron():
    page = page_of(full_view(3))
    tree = chart(page, "Tree")
    assert {trace["name"] for trace in tree["data"][1:]} == {"0 · name 0", "1 · name 1", "2 · name 2"}
    cells, *lines, texts = chart(page, "Map of the neurons")["data"]
    assert numbers(cells["z"]).shape == (2, 3)
    assert len(lines) == 6
    assert texts["text"][3:] == ["no days"] * 3


def test_the_page_of_a_large_clustering_stays_small():
    n, k = 11_535, 20
    labels = np.arange(n) % k
    meters = np.array([f"Cliente {day % 300}" for day in range(n)], object)
    view = view_of(
        labels.tolist(), k, steps=96, meters=meters, silhouettes={"E": np.random.default_rng(0).uniform(-1, 1, n)}
    )
    assert len(page_of(view)) < 1_000_000


def test_the_page_is_the_same_for_the_same_clustering():
    assert page_of(full_view()) == page_of(full_view())
