"""Scripts that MLflow keeps with a model and runs to load it: beside `tracking` the only modules to import it."""
