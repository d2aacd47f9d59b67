"""Feeding, training and saving a model on one or more ranks."""
