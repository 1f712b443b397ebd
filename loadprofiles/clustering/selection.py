"""Choice of the number of clusters, and how much clusters depend on the seed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import adjusted_rand_score
from tqdm import tqdm

from loadprofiles.choices import K_RULES, MODEL_WITHOUT_K, check_model
from loadprofiles.clustering.base import distinct_rows, random_rows
from loadprofiles.clustering.models import Clustering, ModelSettings, fit
from loadprofiles.clustering.pairs import Pairs, check_fits, pairs_of
from loadprofiles.distances.checks import Floats, check_profiles
from loadprofiles.errors import ParameterError
from loadprofiles.validity import RANKED, rank_table, silhouette_samples, validity_scores

# Silhouettes of float32 distances that are nearer to each other than this are equal, as are mean ranks.
_SAME = 1e-6
MAX_PROFILES = 4000


def choose_k(
    profiles: ArrayLike,
    settings: ModelSettings,
    k_values: Iterable[int] = range(3, 21),
    *,
    rule: str = "silhouette",
    pairs: Pairs | None = None,
    max_profiles: int = MAX_PROFILES,
) -> tuple[int, pd.DataFrame]:
    """The number of clusters that a rule finds best.

    Draw at most `max_profiles` profiles; cluster that sample with `fit` for every k that is smaller than its number of
    distinct profiles. Then, by rule,

    - `silhouette`: the highest mean silhouette (Rousseeuw 1987) on distances under the model's own metric wins;
    - `ranks`: the k are ranked by each of `validity.RANKED` (the silhouette being that of the own metric), and the
      least mean rank wins.

    Of equally good ones (within 1e-6) the smallest k.

    Args:
        profiles: (n, points), normalised, finite.
        settings: The model and its parameters.
        k_values: the numbers to try, each at least 2.
        rule: one of `choices.K_RULES`.
        pairs: The distances between the profiles under the model's metric; without it those of the sample are computed.
        max_profiles: size of the sample, at least 3; its square matrix takes 4 max_profiles^2 bytes.

    Returns:
        k, and the curve: columns `k` (ascending), `silhouette` (-1 to 1, higher is better) and, for `ranks`, the other
        indices and `mean_rank`.

    Raises:
        ParameterError: a value that cannot be used, or no k below the number of distinct profiles.
    """
    check_model(settings.model, settings.distance_metric)
    if settings.model == MODEL_WITHOUT_K or settings.som_grid:
        by = f"som_grid {settings.som_grid}" if settings.som_grid else f"{MODEL_WITHOUT_K} itself"
        raise ParameterError(f"the number of clusters is set by {by}; there is none to choose")
    if rule not in K_RULES:
        raise ParameterError(f"k_rule is {rule!r}; it must be one of {', '.join(K_RULES)}")
    values = check_profiles(profiles)
    if max_profiles < 3:
        raise ParameterError(f"max_profiles is {max_profiles}; it must be at least 3")
    sample = random_rows(len(values), max_profiles, settings.seed)
    chosen = values[sample]
    usable = _usable(k_values, distinct_rows(chosen).size)
    own = _own_pairs(values, sample, settings, pairs)
    curve = _curve(chosen, replace(settings, sample_size=0), usable, own, every_index=rule == "ranks")
    if rule == "ranks":
        curve["mean_rank"] = rank_table(curve.rename(columns={"silhouette": "Silhouette Score"}), RANKED)
        return _first_best(usable, -curve["mean_rank"].to_numpy()), curve
    return _first_best(usable, curve["silhouette"].to_numpy()), curve


def stability(
    profiles: ArrayLike, settings: ModelSettings, found: Clustering, further_seeds: int, pairs: Pairs | None = None
) -> pd.DataFrame:
    """How alike the clusters of different seeds are: adjusted Rand index (Hubert & Arabie 1985) of each pair of seeds.

    Args:
        profiles: (n, points), as `found` was fitted to.
        settings: The model and its parameters, with the seed of `found`; the further ones follow it.
        found: The clustering of the first seed.
        further_seeds: How many more, at least 1.
        pairs: As `found` was fitted with.

    Returns:
        `seed`, `other_seed`, `adjusted_rand` (1: the same clusters; 0: as alike as by chance).
    """
    seeds = range(settings.seed, settings.seed + further_seeds + 1)
    labels = {settings.seed: found.labels}
    for seed in tqdm(seeds[1:], desc="stability", unit="seed", disable=None):
        labels[seed] = fit(profiles, replace(settings, seed=seed), found.n_clusters, pairs).labels
    rows = [(a, b, float(adjusted_rand_score(labels[a], labels[b]))) for a, b in combinations(seeds, 2)]
    return pd.DataFrame(rows, columns=["seed", "other_seed", "adjusted_rand"])


def _curve(
    chosen: Floats, settings: ModelSettings, k_values: Sequence[int], own: Pairs, *, every_index: bool
) -> pd.DataFrame:
    euclidean = own if settings.distance_metric == "euclidean" or not every_index else pairs_of(chosen, 0)
    rows = []
    for k in tqdm(k_values, desc="number of clusters", unit="k", disable=None):
        found = fit(chosen, settings, k, own)
        silhouettes = silhouette_samples(own.square, found.labels)
        row = {"k": k, "silhouette": float(np.nanmean(silhouettes))}
        if every_index:
            scores = validity_scores(chosen, found.labels, found.representatives, euclidean_matrix=euclidean.square)
            row |= {name: scores.get(name, np.nan) for name in RANKED if name != "Silhouette Score"}
        rows.append(row)
    return pd.DataFrame(rows)


def _first_best(k_values: Sequence[int], goodness: NDArray[np.float64]) -> int:
    return next(k for k, value in zip(k_values, goodness, strict=True) if value >= goodness.max() - _SAME)


def _usable(k_values: Iterable[int], n_distinct: int) -> list[int]:
    asked = sorted({int(k) for k in k_values})
    if not asked or asked[0] < 2:
        raise ParameterError(f"k_values are {asked}; they must be numbers of clusters, each at least 2")
    usable = [k for k in asked if k < n_distinct]
    if not usable:
        raise ParameterError(
            f"the smallest number of clusters to try is {asked[0]}, but there are only {n_distinct} distinct "
            f"profiles; at least {asked[0] + 1} are needed"
        )
    return usable


def _own_pairs(values: Floats, sample: NDArray[np.int64], settings: ModelSettings, pairs: Pairs | None) -> Pairs:
    """The sample's distances under the model's metric."""
    if pairs is not None:
        check_fits(pairs, len(values))
        return pairs if len(sample) == len(values) else pairs.take(sample)
    radius = settings.radius if settings.distance_metric == "dtw" else 0
    return pairs_of(values[sample], radius, settings.threads)
