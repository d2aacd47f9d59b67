"""The Python API: run the pipeline, open a run, ask its models."""
