"""Spark: the environment it needs, the session, tasks, blocks of rows between tasks."""
