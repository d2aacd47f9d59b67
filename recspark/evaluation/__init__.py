"""Metrics of predictions, and the leaderboard."""
