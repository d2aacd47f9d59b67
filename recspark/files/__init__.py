"""Files and Parquet data sets, wherever they lie."""
