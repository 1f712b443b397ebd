"""Names that users choose from, in one place, and light enough to import for an option's help."""

from typing import NamedTuple

from loadprofiles.errors import ParameterError

MODEL_METRICS = {
    "kmeans": ("euclidean", "dtw"),
    "kmedoids": ("euclidean", "dtw"),
    "agglomerative": ("euclidean", "dtw"),
    "som": ("euclidean",),
    "kshape": ("euclidean",),
    "hdbscan": ("euclidean", "dtw"),
    "gmm": ("euclidean",),
}
"""The distance metrics of each clustering model."""

MODELS = tuple(MODEL_METRICS)
DISTANCE_METRICS = ("euclidean", "dtw")
MODELS_ON_PAIRS = ("kmedoids", "agglomerative", "hdbscan")
"""Those that work on the distances between all profiles."""

MODEL_WITHOUT_K = "hdbscan"
"""Finds the number of clusters itself."""

INITS = ("random", "k-means++")
LINKAGES = ("auto", "ward", "average", "complete")
K_RULES = ("silhouette", "ranks")
FORECAST_MODELS = (
    "auto",
    "online",
    "xgboost",
    "lstm",
    "mstl",
    "ets",
    "profile",
    "seasonal_naive",
    "seasonal_naive_24h",
)
"""Models that forecast."""

LEARNERS = ("xgboost", "lstm")
"""Those that are fitted to all meters together."""

AUTO = "auto"
"""The one of `ONLINE_MEMBERS` and `online` that was best before the backtest."""

ONLINE = "online"

ONLINE_MEMBERS = ("seasonal_naive", "seasonal_naive_24h", "profile", "xgboost")
"""Those that `online` weighs."""

TABLE_SUFFIXES = (".csv", ".parquet")


class Grid(NamedTuple):
    """Rows and columns of a map."""

    rows: int
    columns: int

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}"

    @property
    def size(self) -> int:
        """Number of its places."""
        return self.rows * self.columns


def check_model(model: str, distance_metric: str, number_of_clusters: int = 0, som_grid: Grid | None = None) -> None:
    """Fail unless a model works with a distance metric and a number of clusters.

    Args:
        model: One of `MODELS`.
        distance_metric: One of `DISTANCE_METRICS`.
        number_of_clusters: 0 to have it chosen.
        som_grid: Rows and columns of the map.

    Raises:
        ParameterError: Names what was found and what is possible.
    """
    if model not in MODELS:
        raise ParameterError(f"model is {model!r}; it must be one of {', '.join(MODELS)}")
    if distance_metric not in MODEL_METRICS[model]:
        raise ParameterError(
            f"distance_metric is {distance_metric!r}; of {model} it must be {' or '.join(MODEL_METRICS[model])}"
        )
    if model == MODEL_WITHOUT_K and number_of_clusters:
        raise ParameterError(
            f"number_of_clusters is {number_of_clusters}, but {model} finds the number itself: leave it at 0, and "
            "set min_cluster_size for fewer or more"
        )
    if som_grid and model != "som":
        raise ParameterError(f"som_grid is given, but model is {model}; leave it empty")
    if som_grid and number_of_clusters not in (0, som_grid.size):
        raise ParameterError(
            f"som_grid {som_grid} has {som_grid.size} neurons, but number_of_clusters is {number_of_clusters}; "
            "leave one of them out"
        )


ANOMALY_DETECTORS = ("combined", "band")
"""What can raise alerts: the detectors together, or the earlier system's rule."""

ATTACK_NAMES = (
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "bypass",
    "on_off",
    "capping",
    "floor",
    "night",
    "ramp",
    "shifted",
    "mild",
    "stuck",
    "spike",
    "thousand",
    "sign",
    "gap",
    "lost_phase",
)
"""Thefts and data faults of the theft bench; `anomalies.attacks` says what each is."""
