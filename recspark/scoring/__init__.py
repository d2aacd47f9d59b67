"""Predictions of saved models for user-movie pairs."""
