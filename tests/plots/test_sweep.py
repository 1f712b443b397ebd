import re

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from loadprofiles import plots
from loadprofiles.errors import ParameterError
from loadprofiles.validity import DIRECTIONS
from tests.plots.test_interactive import EVIL, Scripts, chart, figures_of, numbers, strings


def leaderboard(**more) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "model": ["kmeans", "kmeans", "som", "kmeans"],
            "distance_metric": ["euclidean", "euclidean", "euclidean", "dtw"],
            "clusters": [4, 3, 3, 3],
            "mean_rank": [2.0, 1.0, 3.0, 4.0],
            "DB Index": [0.9, 1.2, 0.5, 2.0],
            "Silhouette Score": [0.2, 0.4, np.nan, 0.1],
        }
    )
    return table.assign(**more)


def page_of(table: pd.DataFrame) -> str:
    return plots.comparison_page(table, embed_script=False)


def test_every_index_has_a_panel_that_tells_its_direction():
    figure = plots.comparison(leaderboard())
    assert [axis.get_title() for axis in figure.axes] == [
        "mean rank, lower is better",
        "DB Index, lower is better",
        "Silhouette Score, higher is better",
    ]


def test_every_pair_of_model_and_metric_has_a_line_by_number_of_clusters():
    figure = plots.comparison(leaderboard())
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["kmeans euclidean", "som euclidean", "kmeans dtw"]
    lines = figure.axes[1].lines
    assert [line.get_xydata().tolist() for line in lines[:3]] == [[[3, 1.2], [4, 0.9]], [[3, 0.5]], [[3, 2.0]]]
    assert lines[0].get_color() == lines[2].get_color() != lines[1].get_color()
    assert lines[0].get_linestyle() != lines[2].get_linestyle()


def test_the_best_is_marked_by_the_direction_of_the_index_and_unknown_values_are_left_out():
    figure = plots.comparison(leaderboard())
    assert [axis.lines[-1].get_xydata().tolist() for axis in figure.axes] == [[[3, 1.0]], [[3, 0.5]], [[3, 0.4]]]
    assert figure.axes[2].lines[1].get_xydata().tolist() == []


def test_an_index_that_is_never_known_says_so():
    table = leaderboard(Dunn=np.nan)
    axis = plots.comparison(table).axes[3]
    assert axis.get_title() == "Dunn, higher is better"
    assert [text.get_text() for text in axis.texts] == ["no values"]
    assert chart(page_of(table), "Dunn, higher is better")["layout"]["annotations"][0]["text"] == "no values"


def test_all_indices_of_a_whole_sweep_fit_into_the_picture():
    pairs = [(f"model {number}", metric) for number in range(6) for metric in ("euclidean", "dtw")]
    rows = [
        {"model": model, "distance_metric": metric, "clusters": k, "mean_rank": float(k)} | dict.fromkeys(DIRECTIONS, k)
        for k in range(3, 21)
        for model, metric in pairs
    ]
    figure = plots.comparison(pd.DataFrame(rows))
    assert len(figure.axes) == len(DIRECTIONS) + 1
    FigureCanvasAgg(figure).draw()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


@pytest.mark.parametrize("column", ["model", "distance_metric", "clusters", "mean_rank"])
def test_a_missing_column_is_named(column):
    for draw in (plots.comparison, plots.comparison_page):
        with pytest.raises(ParameterError, match=f"no column {column}"):
            draw(leaderboard().drop(columns=column))


def test_an_empty_leaderboard_is_refused():
    with pytest.raises(ParameterError, match="no rows"):
        plots.comparison(leaderboard().iloc[:0])


def test_the_page_draws_the_same_lines_and_the_same_best():
    page = page_of(leaderboard())
    traces = chart(page, "Silhouette Score, higher is better")["data"]
    assert [trace["name"] for trace in traces] == ["kmeans euclidean", "som euclidean", "kmeans dtw", "best"]
    assert numbers(traces[0]["x"]).tolist() == [3, 4]
    assert numbers(traces[0]["y"]).tolist() == [0.4, 0.2]
    assert (traces[3]["x"], traces[3]["y"]) == ([3.0], [0.4])
    groups = [trace["legendgroup"] for trace in traces[:3]]
    assert re.findall(r'data-group="([^"]+)"', page) == groups
    assert len(set(groups)) == 3
    assert "kmeans euclidean with 3 clusters" in page


def rows_of(page: str) -> list[list[str]]:
    body = re.search(r"<tbody>(.*)</tbody>", page, re.DOTALL)
    assert body is not None
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", body.group(1))
    ]


def test_the_table_has_every_run_the_best_mean_rank_first():
    page = page_of(leaderboard())
    assert rows_of(page) == [
        ["kmeans", "euclidean", "3", "1", "1.2", "0.4"],
        ["kmeans", "euclidean", "4", "2", "0.9", "0.2"],
        ["som", "euclidean", "3", "3", "0.5", "–"],
        ["kmeans", "dtw", "3", "4", "2", "0.1"],
    ]
    assert re.findall(r'<td class=" best" data-value="([^"]+)"', page) == ["1.0", "0.4", "0.5"]


def test_runs_link_to_where_they_are_but_never_to_a_script():
    urls = ["http://here/run?a=1&b=2", "javascript:alert(1)", "../run", " JavaScript:alert(1)"]
    page = page_of(leaderboard(run=["a", "b", "c", None], url=urls))
    assert sorted(re.findall(r'<a href="([^#"]+)">(\w*)</a>', page)) == [
        ("../run", "c"),
        ("http://here/run?a=1&amp;b=2", "a"),
    ]
    assert "avascript:" not in page


def test_runs_without_a_link_are_plain_text():
    page = page_of(leaderboard(run=["a", "b", "c", "d"]))
    assert not re.findall(r'<a href="[^#]', page)
    assert [row[0] for row in rows_of(page)] == ["b", "a", "c", "d"]


def test_no_name_gets_markup_into_the_page():
    table = leaderboard(model=[EVIL] * 4, distance_metric=[EVIL] * 4, run=[EVIL] * 4, url=['"><script>alert(1)'] * 4)
    page = page_of(table)
    assert "<script>alert" not in page and "<img" not in page
    assert len(Scripts(page).scripts) == len(Scripts(page_of(leaderboard())).scripts)
    for text in strings(figures_of(page)):
        assert "<" not in re.sub(r"<br>|<extra></extra>", "", text)


def test_the_leaderboard_is_left_as_it_was():
    table = leaderboard()
    before = table.copy()
    plots.comparison(table)
    page_of(table)
    pd.testing.assert_frame_equal(table, before)
