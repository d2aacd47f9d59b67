"""Files that the driver reads whole: titles, users, and Netflix's held-out files."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from recspark.config import IngestConfig
from recspark.contract.schemas import MOVIES, PROBE, QUALIFYING, REJECTS, USERS, IdTypes, Schema
from recspark.errors import DataError, describe
from recspark.files import parquet
from recspark.ingest.attributes import Attributes
from recspark.ingest.held_out import read_held_out
from recspark.ingest.inputs import Inputs, find_files, open_files, open_one
from recspark.ingest.titles import read_titles
from recspark.ingest.users import read_users
from recspark.text.archives import Archives


def find_small(settings: IngestConfig) -> list[tuple[Schema, Inputs | None]]:
    """Return the files that the driver parses, each with the schema of its output.

    Movies are always written, if only as an empty data set where there are no titles.
    """
    found: list[tuple[Schema, Inputs | None]] = []
    for schema, setting in (
        (MOVIES, settings.movies),
        (USERS, settings.users),
        (PROBE, settings.probe),
        (QUALIFYING, settings.qualifying),
    ):
        if setting:
            found.append((schema, find_files(f"ingest.{schema.name}", setting)))
        elif schema is MOVIES:
            found.append((schema, None))
    return found


def write_small(
    archives: Archives,
    schema: Schema,
    inputs: Inputs | None,
    settings: IngestConfig,
    target: str,
    types: IdTypes,
) -> tuple[Schema, pa.Table]:
    """Stage files that the driver parses; return their schema, and their refused lines."""
    parsed = _read_small(archives, schema, inputs, settings, types)
    rows = parsed.frame
    accounted = len(rows) + len(parsed.rejects) + parsed.num_headers + parsed.num_blanks
    if accounted != parsed.num_lines:
        raise DataError(lost(accounted, parsed.num_lines))
    attributes = {
        name: "DOUBLE" if pd.api.types.is_numeric_dtype(rows[name]) else "STRING"
        for name in rows.columns
        if name not in schema.columns
    }
    written = schema.with_ids(types).with_columns(attributes)
    parquet.write_table(pa.Table.from_pandas(rows, preserve_index=False), target, written)
    refused = [(name, x.line + 1, x.offset, x.text, x.reason) for name, x in parsed.rejects]
    columns = zip(*refused, strict=True) if refused else ([] for _ in REJECTS.columns)
    return written, pa.table(dict(zip(REJECTS.columns, map(list, columns), strict=True)))


def _read_small(
    archives: Archives,
    schema: Schema,
    inputs: Inputs | None,
    settings: IngestConfig,
    types: IdTypes,
) -> Attributes:
    is_user_text, is_movie_text = types.are_text
    if schema is MOVIES:
        sources = open_files(archives, inputs) if inputs else []
        return read_titles(sources, settings, is_text=is_movie_text)
    assert inputs is not None
    if schema is USERS:
        return read_users(open_files(archives, inputs), settings, is_text=is_user_text)
    source = open_one(archives, inputs)
    held_out = read_held_out(source, has_dates=schema is QUALIFYING)
    return Attributes(
        held_out.frame,
        [(source.name, one) for one in held_out.rejects],
        held_out.num_lines,
        held_out.num_headers,
        held_out.num_blanks,
    )


def lost(found: int, expected: int) -> str:
    """Return the message about lines that are missing or too many."""
    return describe(
        "ingest",
        found=f"{found:,} lines accounted for",
        expected=f"{expected:,}",
        remedy="This is a bug in recspark: please report it.",
    )
