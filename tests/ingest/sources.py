"""Turns files written by a test into the sources that parsers read."""

from __future__ import annotations

from pathlib import Path

from recspark.files import storage
from recspark.text.sources import Source


def source_of(path: Path) -> Source:
    return sources_of(str(path))[0]


def sources_of(pattern: str) -> list[Source]:
    return [Source.of(file) for file in storage.list_files(pattern)]
