"""Saved models to predictions for user-movie pairs."""
