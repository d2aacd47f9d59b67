"""Files and Parquet data sets on any file system."""
