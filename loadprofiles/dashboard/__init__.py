"""The dashboard over the results of a pipeline run."""
