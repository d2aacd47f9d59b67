"""Refuses files that are not in the format that the config names."""

from __future__ import annotations

from recspark.errors import DataError, describe
from recspark.ingest.formats import FORMATS, Format
from recspark.text.kinds import require_text
from recspark.text.sources import Source, read_start


def check_format(source: Source, name: str) -> None:
    """Raise a DataError if the start of a file does not look like the format `name`.

    Half of its lines must parse; refusing single damaged lines is left to the parser.
    """
    start = read_start(source)
    require_text(source.name, start)
    shares = {other: share_read(start, FORMATS[other]) for other in FORMATS}
    if shares[name] >= 0.5:
        return
    best = max(shares, key=lambda other: shares[other])
    found = repr(start.split(b"\n", 1)[0][:60].decode("utf-8", "backslashreplace"))
    remedy = f"Point ingest.ratings at {name} text, or change ingest.format."
    if shares[best] >= 0.5:
        found, remedy = f"text of format {best}", f"Set ingest.format to {best}."
    raise DataError(
        describe(
            f"{source.name}:1",
            found=found,
            expected=f"lines like {FORMATS[name].example}",
            remedy=remedy,
        )
    )


def share_read(start: bytes, layout: Format) -> float:
    """Return the share of the whole lines in `start` that a layout can parse."""
    whole = start[: start.rfind(b"\n") + 1] or start
    # Movie 1 is assumed above the text: a damaged header must not hide that the rest parses.
    parsed = layout.parse(whole, 1)
    num_understood = parsed.num_lines - len(parsed.rejects)
    return num_understood / max(parsed.num_lines, 1)
