"""recspark: raw ratings to scored test sets, with Spark, Petastorm and PyTorch."""

__version__ = "0.1.0"
