"""Predictions to metrics and the leaderboard."""
