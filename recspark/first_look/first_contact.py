"""What to say where nothing or too much of a file was read: why, what it looks like, what helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from recspark.config import IngestConfig, TableConfig
from recspark.errors import DataError
from recspark.first_look.suggest import as_yaml, changed, improve, suggest_format, suggest_settings
from recspark.redact import shown
from recspark.tables.header_names import list_names
from recspark.tables.look import Look, look_at
from recspark.text.sources import Source

_NUM_REASONS = 3
_NUM_NAMES = 20
_ROW_LENGTH = 120
_CORRECT = "Correct these lines, or the settings of ingest."


class RefusedLine(Protocol):
    """A refused line: its file and its number there, from 1."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def text(self) -> str: ...
    @property
    def reason(self) -> str: ...


def explain_refusals(
    sources: Sequence[Source],
    settings: IngestConfig,
    reasons: Mapping[str, int],
    samples: Sequence[RefusedLine],
) -> tuple[str, str]:
    """Return what was found, and the remedy, for an error about refused lines.

    Args:
        sources: The raw files; none for a source that Spark reads.
        settings: How they were read.
        reasons: Refused lines by reason.
        samples: Some refused lines, at least one of each of the commonest reasons.
    """
    parts = [_reason(reason, number, samples) for reason, number in commonest(reasons)]
    if not sources:
        return "; ".join(parts), "Correct the columns in ingest.table, or ingest.spark."
    source = next((one for one in sources if any(x.file == one.name for x in samples)), sources[0])
    try:
        look = look_at(source, TableConfig())
    except DataError as error:
        return "; ".join(parts), str(error)
    parts.append(f"{source.name} {looks_like(look)}")
    return "; ".join(parts), _remedy(look, settings, reasons)


def commonest(reasons: Mapping[str, int]) -> list[tuple[str, int]]:
    """Return the commonest reasons and their numbers."""
    return sorted(reasons.items(), key=lambda one: -one[1])[:_NUM_REASONS]


def looks_like(look: Look) -> str:
    """Return what a file looks like, in words: its form, its columns and its first row."""
    if look.kind == "parquet":
        return f"is a Parquet file with the columns {list_names(look.names, _NUM_NAMES)}"
    if look.kind == "json":
        return f"has JSON objects with {list_names(look.names, _NUM_NAMES)}"
    dialect = look.dialect
    lines = [one for one in look.start.split(b"\n") if one.strip()]
    if dialect is None or not lines:
        return "has no line"
    above = len(dialect.headers)
    row = lines[above] if len(lines) > above else b""
    first = shown(row.decode(dialect.encoding, "backslashreplace").strip("\r"), _ROW_LENGTH)
    names = "no line of column names"
    if look.has_names:
        names = f"the columns {list_names(look.names, _NUM_NAMES)}"
    return (
        f"has {dialect.num_columns} fields separated by {dialect.separator_name}, {names}, "
        f"encoding {dialect.encoding}, "
        + (f"first row '{first}'" if row else "no row below the column names")
    )


def _reason(reason: str, number: int, samples: Sequence[RefusedLine]) -> str:
    one = next((sample for sample in samples if sample.reason == reason), None)
    where = f" ({one.file}:{one.line}: '{shown(one.text, _ROW_LENGTH)}')" if one else ""
    return f"{number:,} × {reason}{where}"


def _remedy(look: Look, settings: IngestConfig, reasons: Mapping[str, int]) -> str:
    """Return the settings that would read more of a file, or what else to do."""
    known = suggest_format(look)
    if known is not None and known != settings.format:
        return f"Set ingest.format: {known}."
    if settings.format == "table":
        better, trial = improve(settings.table, look.source)
        changes = changed(better, settings.table)
        if changes:
            return (
                f"Set ingest.table: {as_yaml(changes)}. These settings read {trial.num_rows:,} of "
                "the first rows."
            )
    elif look.kind != "text" or known is None:
        better, trial = improve(suggest_settings(look, TableConfig()), look.source)
        if trial.share > 0:
            values = as_yaml(changed(better, TableConfig()))
            return f"Set ingest.format: table and ingest.table: {values}."
    if not reasons:
        return "Name a file with ratings in ingest.ratings."
    return _CORRECT
