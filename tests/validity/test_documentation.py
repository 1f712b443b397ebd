"""The table of indices in the documentation names what there is."""

import re
from pathlib import Path

from loadprofiles.validity import DIRECTIONS, RANKED

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "validity.md").read_text(encoding="utf-8")


def test_every_metric_stands_in_the_tables_once_with_its_direction():
    rows = re.findall(r"^\| `([^`]+)` \|.*? \| ([↑↓]) \|", TEXT, flags=re.MULTILINE)
    assert rows == [(name, "↑" if DIRECTIONS[name] > 0 else "↓") for name in DIRECTIONS]


def test_the_indices_that_clusterings_are_ranked_by_are_named():
    sentence = re.search(r"by default of (.*?)\. None", TEXT, flags=re.DOTALL)
    assert re.findall(r"`([^`]+)`", sentence[1]) == list(RANKED)
