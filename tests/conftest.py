"""Fixtures and settings for all tests."""

import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

pytest_plugins = ["tests.mongo", "tests.postgres", "tests.results"]

# how long an example takes says nothing on a shared machine; all tests together are to end within 20 minutes
settings.register_profile("shared machine", deadline=None, max_examples=30)
settings.load_profile("shared machine")

SLOW = (
    "test_pipeline_reuse", "test_pipeline_sources", "test_pipeline", "test_sweep", "test_browser", "test_forecasting",
    "test_sql_live", "test_chain", "tests/test_anomalies", "test_etl", "tests/anomalies/test_store", "tests/serving",
    "test_parallel", "test_notebook", "test_mongo_live",
)  # fmt: skip
"""Files that take long, the longest first: two processes that take one file after another end about together."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow modules last."""
    items.sort(key=lambda item: next((n for n, name in enumerate(SLOW, 1) if name in item.nodeid), 0))


@pytest.fixture(scope="module", autouse=True)
def _path_as_before() -> Iterator[None]:
    """Take away again what MLflow put in front of `sys.path`: the code of every model that it loaded."""
    before = sys.path.copy()
    yield
    sys.path[:] = before
