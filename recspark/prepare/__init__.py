"""Ratings to the indexes, and to filtered and split buckets."""
