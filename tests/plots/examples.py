"""Small clusterings to draw."""

from typing import Any

import numpy as np

from loadprofiles.plots import ClusterView


def view_of(labels: list[int], k: int, steps: int = 24, **more: Any) -> ClusterView:
    """A clustering of random days with these labels: one meter "m", one day after the other from Monday 2024-01-01."""
    given = np.array(labels, dtype=np.int64)
    profiles = np.random.default_rng(0).uniform(0, 1, (len(given), steps))
    parts: dict[str, Any] = {
        "profiles": profiles,
        "labels": given,
        "representatives": np.array(
            [profiles[given == c].mean(axis=0) if (given == c).any() else np.zeros(steps) for c in range(k)]
        ),
        "names": tuple(f"name {c}" for c in range(k)),
        "kind": "centroid",
        "title": f"kmeans euclidean k={k}",
        "meters": np.full(len(given), "m", dtype=object),
        "dates": np.datetime64("2024-01-01") + np.arange(len(given)),
        "groups": {},
        "silhouettes": {},
    }
    return ClusterView(**(parts | more))
