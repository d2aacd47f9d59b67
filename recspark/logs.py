"""Log lines of the jobs on stderr: date, level, module, message; and a heartbeat in long work."""

from __future__ import annotations

import logging
import sys
import threading
import time
from types import TracebackType

from recspark.redact import printable, redact

logger = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 30.0

_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_DATE = "%Y-%m-%d %H:%M:%S"


class _Redacted(logging.Formatter):
    """Hides credentials in the finished line, tracebacks included, and spells out controls."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(redact(super().format(record)))

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Return the message with its further lines indented, so that none looks like a record."""
        return super().formatMessage(record).replace("\n", "\n    ")


class _Lines(logging.StreamHandler):
    """Keeps log lines apart from a progress bar: clears the bar first, and redraws it below."""

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
    """Send recspark's log lines to stderr. Only jobs call this; the library just logs."""
    handler = _Lines(sys.stderr)
    handler.setFormatter(_Redacted(_FORMAT, _DATE))
    root = logging.getLogger("recspark")
    root.handlers = [handler]
    root.setLevel(logging.INFO)
    root.propagate = False


class Heartbeat:
    """A context that logs `<name>: still running, 60 s` when nothing else was logged for a while.

    It is silent on a terminal, where Spark's progress bar is visible.
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
        last = self._started
        while not self._stop.wait(max(last + self._seconds - time.monotonic(), 0.0)):
            last = max(last, _Lines.last_line)
            if time.monotonic() - last >= self._seconds:
                last = time.monotonic()
                logger.info("%s: still running, %.0f s", self._name, last - self._started)
