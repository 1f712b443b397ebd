import numpy as np
import pandas as pd
import pytest

from loadprofiles.errors import ParameterError
from loadprofiles.validity import DIRECTIONS, RANKED, rank_table


def table_of(**columns):
    return pd.DataFrame({name.replace("_", " "): values for name, values in columns.items()}, index=["a", "b", "c"])


def test_the_mean_rank_heeds_in_which_direction_each_index_is_better():
    table = table_of(Silhouette_Score=[0.5, 0.3, 0.1], DB_Index=[2.0, 1.0, 3.0])
    # silhouette, higher is better: 1, 2, 3; Davies-Bouldin, lower is better: 2, 1, 3
    ranks = rank_table(table, ["Silhouette Score", "DB Index"])
    assert ranks.to_dict() == {"a": 1.5, "b": 1.5, "c": 3.0}


def test_equal_values_share_the_mean_of_their_ranks():
    # 0.5 twice: (1 + 2) / 2 each
    assert rank_table(table_of(Dunn=[0.5, 0.2, 0.5]), ["Dunn"]).tolist() == [1.5, 3.0, 1.5]


@pytest.mark.parametrize("name", ["Dunn", "DB Index"])
def test_a_missing_index_ranks_last_whatever_its_direction(name):
    table = pd.DataFrame({name: [np.nan, 5.0, 5.0]})
    assert rank_table(table, [name]).tolist() == [3.0, 1.5, 1.5]
    # none has it: all share (1 + 2 + 3) / 3
    assert rank_table(table * np.nan, [name]).tolist() == [2.0, 2.0, 2.0]


def test_an_index_counts_by_its_order_only():
    dunn = pd.Series([0.1, 0.4, 0.2, 0.3])
    table = pd.DataFrame({"Dunn": dunn, "MDI": [4.0, 1.0, 2.0, 3.0]})
    stretched = table.assign(Dunn=np.exp(50 * dunn))
    assert rank_table(stretched, ["Dunn", "MDI"]).tolist() == rank_table(table, ["Dunn", "MDI"]).tolist()


def test_the_best_of_all_ranked_indices_has_rank_one_and_the_worst_the_number_of_rows():
    table = pd.DataFrame(
        {name: [direction * value for value in (2.0, 3.0, 1.0)] for name, direction in DIRECTIONS.items()}
    )
    assert rank_table(table).tolist() == [2.0, 1.0, 3.0]


def test_order_and_index_of_the_table_are_kept_and_the_table_too():
    table = pd.DataFrame({name: [1.0, 2.0] for name in RANKED}, index=["late", "early"])
    before = table.copy()
    ranks = rank_table(table)
    assert ranks.index.tolist() == ["late", "early"]
    pd.testing.assert_frame_equal(table, before)


def test_a_table_without_rows_has_no_ranks():
    assert rank_table(pd.DataFrame(columns=list(RANKED), dtype=float)).empty


@pytest.mark.parametrize(
    ("indices", "message"),
    [
        ([], "at least one index"),
        (["Dunn", "inertia"], "'inertia' are no validity indices"),
        (["Dunn", "MIA", "CDI"], "'MIA', 'CDI' are not in the table"),
    ],
)
def test_what_cannot_be_ranked_is_refused(indices, message):
    with pytest.raises(ParameterError, match=message):
        rank_table(table_of(Dunn=[1.0, 2.0, 3.0], inertia=[1.0, 2.0, 3.0]), indices)
