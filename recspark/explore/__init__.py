"""What the raw ratings look like: Spark aggregates, statistics, plots and a page of them."""
