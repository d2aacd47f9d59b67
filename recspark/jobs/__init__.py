"""The jobs behind the command: their bodies, and the checks before Spark starts."""
