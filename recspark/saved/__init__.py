"""The tables of saved models, one format per kind of model."""
