"""Format table: CSV and its like, JSON lines or Parquet, with the columns that the config names."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from recspark.config import TableConfig
from recspark.errors import DataError, describe
from recspark.ingest import json_lines
from recspark.ingest.delimited import Delimited
from recspark.ingest.formats import Format
from recspark.ingest.guess_times import find_doubt, guess_time_format
from recspark.ingest.header_names import find_columns, is_position
from recspark.ingest.look import Look, look_at
from recspark.ingest.parquet import ParquetTable, plan_rows
from recspark.ingest.rating_scales import ANY_NUMBER, as_strings
from recspark.ingest.raw_ids import is_id_type
from recspark.ingest.sample import SAMPLE_BYTES, read_samples
from recspark.ingest.text_table import TextTable
from recspark.ingest.time_formats import TimeFormat, is_date_type
from recspark.ingest.values import RowRules
from recspark.redact import shown
from recspark.text.sources import Source

logger = logging.getLogger(__name__)

FILE_PATTERN = (
    r"(.+\.(csv|tsv|tab|psv|txt|dat|data|inter|jsonl|ndjson|json|parquet|pq)|part-\d+[^.]*)"
)
# Files of which more than the line of names is read before the tasks start.
_NUM_SAMPLED = 8
_HEADER_BYTES = 4096


def table_format(settings: TableConfig, sources: Sequence[Source]) -> Format:
    """Return the format of these files: each has its own columns, and all have the same values.

    What the settings leave open is guessed from the first lines, and logged.

    Raises:
        DataError: A mapped column is missing or repeated, its type cannot be what it should be, the
            form of times is not clear, or files are of different kinds.
    """
    looks = [
        look_at(one, settings, SAMPLE_BYTES if number < _NUM_SAMPLED else _HEADER_BYTES)
        for number, one in enumerate(sources)
    ]
    # A file without a row says nothing about its columns.
    filled = [look for look in looks if look.kind == "parquet" or look.start.strip()] or looks[:1]
    first = filled[0]
    looks = [look if look in filled else replace(first, source=look.source) for look in looks]
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
    if first.dialect is not None:
        logger.info("ingest: %s: %s", first.source.name, first.dialect.describe())
    places = [place_columns(settings, look) for look in looks]
    rules = make_rules(settings, looks, places)
    if first.kind == "parquet":
        return _parquet_format(looks, places, rules)
    layouts: list[Delimited | json_lines.JsonLines] = []
    of_source: dict[str, int] = {}
    for look, place in zip(looks, places, strict=True):
        layout = make_layout(look, place, rules)
        if layout not in layouts:
            layouts.append(layout)
        of_source[look.source.name] = layouts.index(layout)
    table = TextTable(tuple(layouts), of_source)
    return _start_with_text(table, sources).format(FILE_PATTERN, _example(first))


def place_columns(settings: TableConfig, look: Look) -> tuple[dict[str, str], dict[str, str]]:
    """Return the column of each role that a file has, and the value of each that its folder has.

    Raises:
        DataError: A column is missing, repeated, or of a type that it cannot have.
    """
    columns, where = settings.columns, look.source.name
    partitions = look.source.partitions
    by_name = [name for name in columns.values() if not is_position(name)]
    if not look.has_names and not set(by_name) <= set(partitions):
        raise _no_names(look, columns)
    names = [*look.names, *(key for key in partitions if key not in look.names)]
    hint = ""
    if look.dialect is not None:
        hint = f"The separator is taken to be {look.dialect.separator_name}."
    found = find_columns(columns, names, f"{where}:1" if look.dialect else where, hint)
    inside = {role: names[place] for role, place in found.items() if place < len(look.names)}
    for role, name in inside.items():
        if name in look.types:
            _check_type(role, name, look.types[name], where)
    constants = {
        role: partitions[names[place]] for role, place in found.items() if role not in inside
    }
    return inside, constants


def make_rules(
    settings: TableConfig,
    looks: Sequence[Look],
    places: Sequence[tuple[dict[str, str], dict[str, str]]],
) -> RowRules:
    """Return how values are read; the form of times is guessed if it is not set, and checked.

    Raises:
        DataError: The form of times is not clear, or another unit than the one set fits.
    """
    scale = None
    if settings.rating is not None:
        scale = replace(
            ANY_NUMBER,
            missing=settings.missing,
            decimal=settings.decimal,
            thousands=settings.thousands,
        )
    rules = RowRules(settings.ids, settings.ids, scale)
    if settings.time is None:
        return rules
    values = _sample_times(looks, places)
    where = f"{looks[0].source.name}: column {shown(str(settings.time))}"
    form, is_date = settings.time_pattern, is_date_type(values.type)
    if is_date:
        form = "%Y-%m-%d"
    elif settings.time_format == "auto":
        form, why = guess_time_format(values, where)
        logger.info("ingest: %s: time_format %s (%s)", where, form, why)

    doubt, better = find_doubt(values, form, time.time())
    if better is not None:
        raise DataError(
            describe(
                where,
                found=f"{form}, with which {doubt}",
                expected=f"{better}, with which they do not",
                remedy=f"Set ingest.table.time_format: {better}.",
            )
        )
    if doubt is not None:
        logger.warning("ingest: %s: %s (time_format %s); check them", where, doubt, form)
    return replace(rules, time_format=TimeFormat(form))


def make_layout(
    look: Look, place: tuple[dict[str, str], dict[str, str]], rules: RowRules
) -> Delimited | json_lines.JsonLines:
    """Return how the text of a file is read."""
    names, constants = place
    if look.dialect is None:
        kinds = {}
        for role, name in names.items():
            values = [
                json_lines.walk(one, name)
                for one in map(json_lines.parse_object, look.start.split(b"\n"))
                if one is not None
            ]
            kinds[role] = json_lines.guess_kind(values)
        return json_lines.JsonLines(names, kinds, rules, constants)
    return Delimited(
        quoting=look.dialect.quoting,
        num_columns=look.dialect.num_columns,
        positions={role: look.names.index(name) for role, name in names.items()},
        rules=rules,
        headers=look.dialect.headers,
        encoding=look.dialect.encoding,
        constants=constants,
    )


def _parquet_format(
    looks: Sequence[Look],
    places: Sequence[tuple[dict[str, str], dict[str, str]]],
    rules: RowRules,
) -> Format:
    table = ParquetTable(
        {look.source.name: names for look, (names, _) in zip(looks, places, strict=True)},
        {look.source.name: constants for look, (_, constants) in zip(looks, places, strict=True)},
        rules,
    )

    def make(user: bool, movie: bool) -> Format:
        chosen = table.as_text(user, movie)
        return Format(
            chosen.parse,
            FILE_PATTERN,
            example="rows with ids, ratings and times",
            plan=plan_rows,
            read=chosen.read,
            size=lambda batch: int(batch.nbytes),
            with_text=lambda also_user, also_movie: make(user or also_user, movie or also_movie),
        )

    return make(False, False)


def _start_with_text(table: TextTable, sources: Sequence[Source]) -> TextTable:
    """Return the table with ids read as text from the start if the first lines show that some are."""
    user = movie = False
    for source, text in read_samples(sources):
        parsed = table.layouts[table.of_source[source.name]].parse(text)
        user, movie = user or parsed.text_user is not None, movie or parsed.text_movie is not None
    return table.as_text(user, movie)


def _sample_times(
    looks: Sequence[Look], places: Sequence[tuple[dict[str, str], dict[str, str]]]
) -> pa.Array:
    """Return times from all over the files, as text unless the first file holds dates."""
    of_source = {look.source.name: (look, place) for look, place in zip(looks, places, strict=True)}
    if looks[0].kind == "parquet":
        sampled = [(look.source, None) for look in looks[:_NUM_SAMPLED]]
    else:
        sampled = list(read_samples([look.source for look in looks]))  # type: ignore[arg-type]
    found = []
    for source, text in sampled:
        look, (names, constants) = of_source[source.name]
        if "time" in constants:
            found.append(pa.array([constants["time"]], pa.string()))
            continue
        values = look.values(names["time"], text)
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


def _check_type(role: str, name: str, kind: pa.DataType, where: str) -> None:
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    fits = is_id_type(kind)
    if role == "rating":
        fits = (is_id_type(kind) and not pa.types.is_fixed_size_binary(plain)) or (
            pa.types.is_boolean(plain)
        )
    if role == "time":
        fits = is_date_type(plain) or is_id_type(kind)
    if not fits:
        raise DataError(
            describe(
                where,
                found=f"{kind} in the column {shown(name)}",
                expected="numbers or text" + (" or dates" if role == "time" else ""),
                remedy=f"Set ingest.table.{role} to another column, or convert this one.",
            )
        )


def _no_names(look: Look, columns: dict[str, str]) -> DataError:
    row = look.start.split(b"\n", 1)[0].decode("utf-8", "backslashreplace").strip()
    positions = ", ".join(f"{role}: {place}" for place, role in enumerate(columns, start=1))
    why = look.dialect.reasons.get("header") if look.dialect else None
    return DataError(
        describe(
            f"{look.source.name}:1",
            found=f"{shown(row)!r}, which names no columns{f' ({why})' if why else ''}",
            expected=f"the columns {', '.join(map(shown, columns.values()))}",
            remedy=f"Name columns by position, from 1: ingest.table: {{{positions}}}; or set "
            "ingest.table.header to true.",
        )
    )


def _example(look: Look) -> str:
    if look.dialect is None:
        return "a JSON object on each line"
    return f"{look.dialect.num_columns} fields, separated by {look.dialect.separator_name}"
