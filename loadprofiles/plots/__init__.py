"""Every figure of the project: as matplotlib Figures and as pages; shared by steps, notebook and dashboard."""

from loadprofiles.plots.anomalies import alert_days, theft_bench, theft_recall
from loadprofiles.plots.clusters import (
    calendar,
    cluster_centers,
    cluster_sizes,
    dendrogram,
    k_curve,
    shares,
    silhouettes,
    som_map,
)
from loadprofiles.plots.forecasts import calibration, error_by_hour, forecast_examples, model_comparison
from loadprofiles.plots.interactive import clusters_page
from loadprofiles.plots.style import cluster_color, save
from loadprofiles.plots.sweep import comparison, comparison_page
from loadprofiles.plots.view import NOISE, ClusterView

__all__ = [
    "NOISE",
    "ClusterView",
    "alert_days",
    "calendar",
    "calibration",
    "cluster_centers",
    "cluster_color",
    "cluster_sizes",
    "clusters_page",
    "comparison",
    "comparison_page",
    "dendrogram",
    "error_by_hour",
    "forecast_examples",
    "k_curve",
    "model_comparison",
    "save",
    "shares",
    "silhouettes",
    "som_map",
    "theft_bench",
    "theft_recall",
]
