"""A few lines of a raw file, from which its layout is guessed."""

from __future__ import annotations

from collections.abc import Sequence

from recspark.text.sources import BOM, Source, is_splittable, open_raw, open_text

SAMPLE_BYTES = 64 * 1024
_NUM_SOURCES = 8


def read_first_lines(source: Source, num_bytes: int = SAMPLE_BYTES) -> bytes:
    """Return the first whole lines of a file, without a byte order mark."""
    with open_text(source) as file:
        start = file.read(num_bytes).removeprefix(BOM)
        if start and not start.endswith(b"\n"):
            start += file.readline(num_bytes)
    return start


def read_samples(sources: Sequence[Source]) -> list[tuple[Source, bytes]]:
    """Return lines from the middle and the end of large files, and from the start of several files.

    A file in the order of its dates shows only some of them at its start.
    """
    step = max(1, len(sources) // _NUM_SOURCES)
    samples = []
    for source in sources[::step][:_NUM_SOURCES]:
        samples.append((source, read_first_lines(source)))
        if source.size > 3 * SAMPLE_BYTES and is_splittable(source):
            for position in (source.size // 2, source.size - SAMPLE_BYTES):
                with open_raw(source) as file:
                    file.seek(position)
                    file.readline(SAMPLE_BYTES)
                    piece = file.read(SAMPLE_BYTES)
                samples.append((source, piece[: piece.rfind(b"\n") + 1]))
    return samples
