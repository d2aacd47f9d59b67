"""Log lines of the jobs on stderr: date, level, module, message. Long work gives signs of life."""

from __future__ import annotations

import logging
import sys
import threading
import time
from types import TracebackType

from recspark.redact import redact

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 30.0

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_DATE = "%Y-%m-%d %H:%M:%S"


class _Redacted(logging.Formatter):
    """Hides credentials in the finished line, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


class _Lines(logging.StreamHandler):
    """Writes lines that no progress bar shares: a bar is cleared first, and drawn again below."""

    last_line: float = 0.0
    """When a line was last written, by the monotonic clock (seconds)."""

    def emit(self, record: logging.LogRecord) -> None:
        _Lines.last_line = time.monotonic()
        bar = getattr(sys.modules.get("tqdm"), "tqdm", None)  # not loaded: no bar is open
        if bar is None:
            super().emit(record)
            return
        with bar.external_write_mode(file=self.stream):
            super().emit(record)


def configure_logging() -> None:
    """Send recspark's log lines to stderr. Called by jobs only; the library just logs."""
    handler = _Lines(sys.stderr)
    handler.setFormatter(_Redacted(_FORMAT, _DATE))
    root = logging.getLogger("recspark")
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False


class Heartbeat:
    """A context that logs `<name>: still at it, 60 s` when nothing else was logged for a while.

    Only where stderr is no terminal: a person who watches sees Spark's bar.
    """

    def __init__(self, name: str, seconds: float = HEARTBEAT_SECONDS) -> None:
        """Log for the work called `name` after so many silent `seconds`."""
        self._name, self._seconds = name, seconds
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Heartbeat:
        self._started = time.monotonic()
        self._stop = threading.Event()
        if not sys.stderr.isatty():
            self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _beat(self) -> None:
        told = self._started
        while not self._stop.wait(max(told + self._seconds - time.monotonic(), 0.0)):
            told = max(told, _Lines.last_line)
            if time.monotonic() - told >= self._seconds:
                told = time.monotonic()
                logger.info("%s: still at it, %.0f s", self._name, told - self._started)
