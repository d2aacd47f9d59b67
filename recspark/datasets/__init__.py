"""Writes data sets atomically, describes them, locks them and opens them again."""
