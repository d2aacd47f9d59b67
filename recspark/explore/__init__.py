"""Exploration of the raw ratings: Spark aggregates, statistics, plots and a page."""
