"""Names that users choose from, in one place, and light enough to import for an option's help."""

MODELS = ("kmeans", "kmedoids")
DISTANCE_METRICS = ("euclidean", "dtw")
TABLE_SUFFIXES = (".csv", ".parquet")
