"""The data sets on disk: columns, schemas, paths."""
