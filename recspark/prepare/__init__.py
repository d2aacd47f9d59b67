"""Ratings to index, filtered and split buckets."""
