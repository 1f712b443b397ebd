"""Fixtures and settings for all tests."""

import pytest
from hypothesis import settings

pytest_plugins = ["tests.mongo", "tests.postgres"]

# how long an example takes says nothing on a shared machine
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

SLOW = (
    "test_sql_live", "test_mongo_live", "test_parallel", "test_etl", "tests/serving", "test_chain", "test_sweep",
    "test_forecasting", "test_pipeline",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the slow modules last."""
    items.sort(key=lambda item: next((n for n, name in enumerate(SLOW, 1) if name in item.nodeid), 0))
