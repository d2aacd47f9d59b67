"""Format table: CSV and its like, JSON lines or Parquet, with the columns that the config names."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from recspark.config import TableConfig
from recspark.errors import DataError, describe
from recspark.ingest.formats import Format, parquet_format
from recspark.ingest.places import Place, place_columns
from recspark.ingest.text_table import TextTable
from recspark.tables import json_lines
from recspark.tables.delimited import Delimited
from recspark.tables.look import Look, look_at
from recspark.tables.parquet import ParquetTable
from recspark.tables.rating_scales import ANY_NUMBER, Scale, as_strings
from recspark.tables.rules import make_rules
from recspark.tables.sample import SAMPLE_BYTES, read_samples
from recspark.tables.time_formats import is_date_type
from recspark.tables.values import RowRules
from recspark.text.sources import Source

logger = logging.getLogger(__name__)

FILE_PATTERN = (
    r"(.+\.(csv|tsv|tab|psv|txt|dat|data|inter|jsonl|ndjson|json|parquet|pq)|part-\d+[^.]*)"
)
# Files of which more than the line of names is read before the tasks start.
_NUM_SAMPLED = 8
_HEADER_BYTES = 4096


def table_format(settings: TableConfig, sources: Sequence[Source]) -> Format:
    """Return the format of these files, as `choose_format`, and log what the settings left open."""
    layout, notes = choose_format(settings, sources)
    for note in notes:
        logger.info("ingest: %s", note)
    return layout


def choose_format(
    settings: TableConfig, sources: Sequence[Source], allowed: Scale = ANY_NUMBER
) -> tuple[Format, list[str]]:
    """Return the format of these files: each has its own columns, and all have the same values.

    What the settings leave open is guessed from the first lines; the second value says how.

    Args:
        settings: The columns, and how values are written.
        sources: The files.
        allowed: The ratings that are not refused.

    Raises:
        DataError: A mapped column is missing or repeated, its type cannot be what it should be, the
            form of times is not clear, or files are of different kinds.
    """
    looks = [
        look_at(one, settings, SAMPLE_BYTES if number < _NUM_SAMPLED else _HEADER_BYTES)
        for number, one in enumerate(sources)
    ]
    # A file without a row says nothing about its columns.
    first = next((look for look in looks if look.has_lines), looks[0])
    looks = [look if look.has_lines else replace(first, source=look.source) for look in looks]
    other = next((look for look in looks if look.kind != first.kind), None)
    if other is not None:
        raise DataError(
            describe(
                other.source.name,
                found=f"a file of the kind {other.kind}",
                expected=f"{first.kind}, as {first.source.name}",
                remedy="Ingest files of one kind at a time.",
            )
        )
    notes = []
    if first.dialect is not None:
        notes.append(f"{first.source.name}: {first.dialect.describe()}")
    places = [place_columns(settings, look) for look in looks]
    samples: list[tuple[Source, bytes | None]] = [(one, None) for one in sources[:_NUM_SAMPLED]]
    if first.kind != "parquet":
        samples = [*read_samples(sources)]
    rules, found = make_rules(
        settings, first.source.name, lambda: _sample_times(samples, looks, places), allowed
    )
    notes += found
    if first.kind == "parquet":
        rows = ParquetTable(
            {look.source.name: place.names for look, place in zip(looks, places, strict=True)},
            {look.source.name: place.constants for look, place in zip(looks, places, strict=True)},
            rules,
        )
        return parquet_format(rows, FILE_PATTERN), notes
    layouts: dict[str, Delimited | json_lines.JsonLines] = {}
    of_source: dict[str, str] = {}
    for look, place in zip(looks, places, strict=True):
        layout = make_layout(look, place, rules)
        of_source[look.source.name] = repr(layout)
        layouts[repr(layout)] = layout
    numbers = {key: number for number, key in enumerate(layouts)}
    table = TextTable(
        tuple(layouts.values()), {name: numbers[key] for name, key in of_source.items()}
    )
    return _start_with_text(table, samples).format(FILE_PATTERN, _example(first)), notes


def make_layout(look: Look, place: Place, rules: RowRules) -> Delimited | json_lines.JsonLines:
    """Return how the text of a file is read."""
    if look.dialect is None:
        kinds = {}
        for role, name in place.names.items():
            values = [
                json_lines.walk(one, name)
                for one in map(json_lines.parse_object, look.start.split(b"\n"))
                if one is not None
            ]
            kinds[role] = json_lines.guess_kind(values)
        return json_lines.JsonLines(place.names, kinds, rules, place.constants)
    return Delimited(
        quoting=look.dialect.quoting,
        num_columns=look.dialect.num_columns,
        positions={role: look.names.index(name) for role, name in place.names.items()},
        rules=rules,
        headers=look.dialect.headers,
        encoding=look.dialect.encoding,
        constants=place.constants,
    )


def _start_with_text(table: TextTable, samples: Sequence[tuple[Source, bytes | None]]) -> TextTable:
    """Return the table with those ids read as text that the samples show to be text."""
    user = movie = False
    for source, text in samples:
        parsed = table.layouts[table.of_source[source.name]].parse(text or b"")
        user, movie = user or parsed.text_user is not None, movie or parsed.text_movie is not None
    return table.as_text(user, movie)


def _sample_times(
    samples: Sequence[tuple[Source, bytes | None]], looks: Sequence[Look], places: Sequence[Place]
) -> pa.Array:
    """Return the times of samples, as text unless the first file holds dates.

    Args:
        samples: Files, each with some of its lines; None stands for the first rows.
        looks: All files.
        places: Where each of them has its columns.
    """
    of_source = {look.source.name: (look, place) for look, place in zip(looks, places, strict=True)}
    found = []
    for source, text in samples:
        look, place = of_source[source.name]
        if "time" in place.constants:
            found.append(pa.array([place.constants["time"]], pa.string()))
            continue
        values = look.values(place.names["time"], text)
        if is_date_type(values.type):
            return values
        if not pa.types.is_string(values.type):
            values = _as_text(values)
        found.append(values)
    return pa.concat_arrays([as_strings(one) for one in found])


def _as_text(values: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(values.type):
        return values.dictionary_decode()
    return pa.array([json_lines.as_text(one) for one in values.to_pylist()], pa.string())


def _example(look: Look) -> str:
    if look.dialect is None:
        return "a JSON object on each line"
    return f"{look.dialect.num_columns} fields, separated by {look.dialect.separator_name}"
