"""Log lines of the jobs: time, level, module, message, on stderr."""

from __future__ import annotations

import logging
import sys

from recspark.redact import redact


class _Redacted(logging.Formatter):
    """Hides credentials in the finished line, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure_logging() -> None:
    """Send recspark's log lines to stderr. Called by jobs only; the library just logs."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Redacted("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    root = logging.getLogger("recspark")
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False
