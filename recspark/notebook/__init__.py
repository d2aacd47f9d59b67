"""The Python API: run the pipeline, open a run, predict with its models."""
