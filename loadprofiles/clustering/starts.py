"""Where k-means and k-medoids start from."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from loadprofiles.choices import INITS
from loadprofiles.distances.checks import Floats
from loadprofiles.errors import ParameterError


def check_init(init: str) -> None:
    """Fail unless a way to start is one of `choices.INITS`.

    Raises:
        ParameterError: It is not.
    """
    if init not in INITS:
        raise ParameterError(f"init is {init!r}; it must be one of {', '.join(INITS)}")


def draw_start(
    init: str,
    generator: np.random.Generator,
    distinct: NDArray[np.int64],
    n_clusters: int,
    distances_from: Callable[[NDArray[np.int64]], Floats],
) -> NDArray[np.int64]:
    """Numbers (k,) of distinct profiles.

    `random` draws them with equal chance; `k-means++` one by one, each with a chance in proportion to its squared
    distance from the nearest drawn so far, the best of 2 + ln k draws (Arthur & Vassilvitskii 2007, and its greedy
    variant as in scikit-learn).

    Args:
        init: one of `choices.INITS`.
        generator: of the draws.
        distinct: numbers of profiles that differ from each other, at least k.
        n_clusters: k.
        distances_from: distances (m, n) of all profiles from those numbered (m,).

    Raises:
        ParameterError: `init` is not known.
    """
    check_init(init)
    if init == "random":
        return generator.choice(distinct, n_clusters, replace=False)
    return _plus_plus(generator, distinct, n_clusters, distances_from)


def _plus_plus(
    generator: np.random.Generator,
    distinct: NDArray[np.int64],
    n_clusters: int,
    distances_from: Callable[[NDArray[np.int64]], Floats],
) -> NDArray[np.int64]:
    n_draws = 2 + int(np.log(n_clusters))
    drawn = [int(generator.choice(distinct))]
    nearest = np.square(distances_from(np.array(drawn))[0], dtype=np.float64)
    while len(drawn) < n_clusters:
        chances = nearest[distinct] * ~np.isin(distinct, drawn)
        if not chances.any():
            # what is left lies on those drawn already: under DTW, different profiles can
            chances = (~np.isin(distinct, drawn)).astype(np.float64)
        candidates = generator.choice(distinct, n_draws, p=chances / chances.sum())
        improved = np.minimum(nearest, np.square(distances_from(candidates), dtype=np.float64))
        best = int(improved.sum(axis=1).argmin())
        drawn.append(int(candidates[best]))
        nearest = improved[best]
    return np.array(drawn, np.int64)
