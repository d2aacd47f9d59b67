"""Rows of anybody's text: dialects and columns to ids, ratings and times, or reasons to refuse."""
