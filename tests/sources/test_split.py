"""Splitting: every meter's rows in one file, in their order, the same file each time."""

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadprofiles.sources.split import buckets_for, split_by_meter

ROWS = st.lists(st.lists(st.tuples(st.text(max_size=4), st.integers(0, 9)), max_size=6), min_size=1, max_size=4)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS, st.integers(1, 5))
def test_no_row_is_lost_and_each_meter_keeps_its_order_in_one_file(tmp_path_factory, batches, buckets):
    folder = tmp_path_factory.mktemp("split")
    tables = [pd.DataFrame(rows, columns=["id", "n"]).astype({"id": "str", "n": "int64"}) for rows in batches]
    parts = [pd.read_parquet(path) for path in split_by_meter(tables, folder, buckets)]
    everything = pd.concat(tables, ignore_index=True)
    assert sum(map(len, parts)) == len(everything)
    for meter, rows in everything.groupby("id"):
        holding = [part[part["id"] == meter]["n"].tolist() for part in parts if meter in set(part["id"])]
        assert holding == [rows["n"].tolist()]


@pytest.mark.parametrize(("size", "buckets"), [(0, 1), (1, 1), (200 * 1024 * 1024, 4), (10**13, 256)])
def test_the_number_of_files_grows_with_the_source_within_bounds(size, buckets):
    assert buckets_for(size) == buckets
