"""Synthetic data in the Netflix format, with a known irreducible error."""
