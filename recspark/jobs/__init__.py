"""The jobs behind the command: bodies, and what is checked before Spark starts."""
