"""Smart-meter readings to clean daily load profiles, clusters, forecasts and alerts."""

__version__ = "0.1.0"
