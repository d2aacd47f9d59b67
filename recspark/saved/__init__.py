"""Saved models' tables, one format a kind."""
