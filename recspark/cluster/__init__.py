"""Spark: the environment that it needs, the session, tasks, and the shuffle between tasks."""
