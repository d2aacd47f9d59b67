"""Combines the predictions of several models, with weights fitted on the valid ratings."""
