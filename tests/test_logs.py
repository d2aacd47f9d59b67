"""Log lines beside a progress bar, and the heartbeat of long work."""

from __future__ import annotations

import io
import logging
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tqdm import tqdm

from recspark.datasets.step import Step
from recspark.logs import Heartbeat, configure_logging

logger = logging.getLogger("recspark.test")
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [A-Z]+ recspark[.\w]*: .*")


class Screen(io.StringIO):
    """A terminal that keeps the text it is sent."""

    def isatty(self) -> bool:
        return True


def shown(written: str) -> list[str]:
    """Return what a terminal shows. A carriage return overwrites the line from its start."""
    lines = []
    for line in written.split("\n"):
        cells: list[str] = []
        for part in line.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


@contextmanager
def configured(stream: io.StringIO) -> Iterator[None]:
    """Configure logging as jobs do, with `stream` as stderr."""
    root = logging.getLogger("recspark")
    before = (root.handlers, root.level, root.propagate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        configure_logging()
        try:
            yield
        finally:
            root.handlers, root.level, root.propagate = before


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What jobs write to a file or pipe."""
    written = io.StringIO()
    with configured(written):
        yield written


def test_lines_have_date_level_and_module(lines: io.StringIO) -> None:
    logger.warning("a message")
    assert LINE.fullmatch(lines.getvalue().rstrip("\n"))
    assert "WARNING recspark.test: a message" in lines.getvalue()


def test_a_bar_and_a_line_never_share_a_line() -> None:
    screen = Screen()
    with (
        configured(screen),
        tqdm(total=4, desc="mf", file=screen, ncols=60, mininterval=0) as bar,
    ):
        for number in range(4):
            bar.update()
            logger.info("line %s", number)
    visible = shown(screen.getvalue())
    logged = [line for line in visible if "recspark.test" in line]
    assert len(logged) == 4
    assert all(LINE.fullmatch(line) and "mf:" not in line for line in logged)
    assert any(line.startswith("mf: 100%") for line in visible)


def test_silent_work_logs_a_heartbeat(lines: io.StringIO) -> None:
    with Heartbeat("prepare", 0.2):
        time.sleep(0.7)
    beats = [line for line in lines.getvalue().splitlines() if "prepare: still running, " in line]
    assert 2 <= len(beats) <= 3
    written = lines.getvalue()
    time.sleep(0.4)
    assert lines.getvalue() == written  # it ended with the work


def test_a_stage_that_was_refused_can_be_entered_again(lines: io.StringIO) -> None:
    heartbeat = Heartbeat("prepare", 0.2)
    for _ in range(2):
        with heartbeat:
            time.sleep(0.3)
    assert lines.getvalue().count("still running") == 2


def test_work_that_logs_needs_no_heartbeat(lines: io.StringIO) -> None:
    with Heartbeat("prepare", 0.4):
        for _ in range(10):
            logger.info("another file")
            time.sleep(0.1)
    assert "still running" not in lines.getvalue()


def test_a_terminal_gets_no_heartbeat() -> None:
    screen = Screen()
    with configured(screen), Heartbeat("prepare", 0.1):
        time.sleep(0.3)
    assert screen.getvalue() == ""


def test_every_stage_logs_a_heartbeat(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("recspark.datasets.step.Heartbeat", lambda name: Heartbeat(name, 0.2))

    def run() -> None:
        with Step("prepare", {}, {}, (f"{tmp_path}/out",)):
            time.sleep(0.5)
            raise KeyError

    with pytest.raises(KeyError):
        run()
    assert "prepare: still running, 0 s" in lines.getvalue()
    assert "prepare: FAILED" in lines.getvalue().splitlines()[-1]
