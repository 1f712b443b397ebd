"""The runs that the pages are tested on."""

import pytest

from tests.dashboard.small import PARTS, small_data


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_data(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """A run without anything that a run can be without."""
    return small_data(tmp_path_factory.mktemp("bare"), without=PARTS)
