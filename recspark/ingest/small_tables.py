"""Small files of titles or users: rows of text under column names. The driver reads them whole."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from recspark.tables import parsed as r
from recspark.tables.fields import is_utf8
from recspark.tables.parsed import Reject
from recspark.text.kinds import PARQUET, require_text
from recspark.text.lines import as_text, split_lines
from recspark.text.sources import BOM, Source, damaged, open_text

_SEPARATORS = ("\t", "::", ";", "|", ",")
_SEP_LINE = re.compile(r"sep=(.)\r?$")  # what Excel reads
_NUM_FIRST = 10  # lines that show a layout without column names
_MAX_RECORD_LINES = 100  # of one record with line ends inside quotes

Split = Callable[[str], list[str] | None]
"""A line → its fields; None if it has not as many as the layout."""


class Row(NamedTuple):
    """One record: its line (from 0) and byte offset, its text, and its fields."""

    line: int
    offset: int
    text: bytes
    fields: list[str]


@dataclass(frozen=True)
class Layout:
    """A well-known layout without column names.

    Attributes:
        first: What its lines look like.
        names: Column names.
        split: How its lines are split.
    """

    first: re.Pattern[str]
    names: tuple[str, ...]
    split: Split


@dataclass
class SmallTable:
    """The content of a file. lines = rows + rejects + headers + blanks.

    A record that spans several lines counts as one.
    """

    names: list[str]
    layout: Layout | None = None
    rows: list[Row] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    num_lines: int = 0
    num_headers: int = 0
    num_blanks: int = 0


def read_table(
    source: Source, layouts: Sequence[Layout], is_header: Callable[[list[str]], bool]
) -> SmallTable:
    """Return the rows of a Parquet file, of JSON (an array, or an object per line), or of text.

    Text is separated by tabs, `::`, `;`, `|` or commas, and has column names or one of the layouts.
    What is not valid UTF-8 is read as Latin-1, which the publishers of Netflix and MovieLens used.

    Args:
        source: The file.
        layouts: Layouts without column names to look for.
        is_header: Tells from the fields of a first line whether they are column names.

    Raises:
        DataError: The file is damaged, or is neither text nor Parquet.
    """
    with open_text(source) as file:
        data = file.read()
    if data.startswith(PARQUET):
        return _read_parquet(data, source)
    require_text(source.name, data)
    data = data.removeprefix(BOM)
    encoding = "utf-8" if is_utf8(data) else "latin-1"
    if data.lstrip()[:1] in (b"{", b"["):
        return _read_json(data, encoding, source)
    return _read_text(data, encoding, layouts, is_header)


def split_at(separator: str, num_fields: int | None = None) -> Split:
    """Return the split of lines whose fields are never quoted."""

    def split(text: str) -> list[str] | None:
        fields = text.split(separator)
        return fields if num_fields in (None, len(fields)) else None

    return split


def _read_text(
    data: bytes, encoding: str, layouts: Sequence[Layout], is_header: Callable[[list[str]], bool]
) -> SmallTable:
    lines = split_lines(data)
    texts = [line.decode(encoding) for _, line in lines]
    first = next((number for number, text in enumerate(texts) if text.strip()), 0)
    found = _SEP_LINE.match(texts[first]) if texts else None
    separators = (found[1],) if found else _SEPARATORS
    at = first + bool(found)
    split = [(split_quoted(texts[at], one) or [], one) for one in separators] if texts else []
    headers = [(fields, one) for fields, one in split if is_header(fields)]
    if headers:
        names, separator = max(headers, key=lambda one: len(one[0]))
        table = SmallTable(names, num_headers=1 + bool(found))
        return _read_records(table, lines, texts, at + 1, separator)
    sample = [text for text in texts if text.strip()][:_NUM_FIRST]
    layout = next((one for one in layouts if any(map(one.first.match, sample))), None)
    if layout is None:
        return SmallTable(max((fields for fields, _ in split), key=len, default=[]))
    table = SmallTable(list(layout.names), layout)
    for number, (offset, line) in enumerate(lines):
        table.num_lines += 1
        fields = layout.split(texts[number])
        if not line.strip():
            table.num_blanks += 1
        elif fields is None:
            table.rejects.append(Reject(number, offset, as_text(line), r.WRONG_FIELDS))
        else:
            table.rows.append(Row(number, offset, line, fields))
    return table


def _read_records(
    table: SmallTable, lines: list[tuple[int, bytes]], texts: list[str], start: int, separator: str
) -> SmallTable:
    """Fill a table from the lines below its column names; a quoted field may span lines."""
    num_blanks = sum(not text.strip() for text in texts[:start])
    table.num_blanks, table.num_lines = num_blanks, num_blanks + table.num_headers
    number = start
    while number < len(lines):
        offset, line = lines[number]
        table.num_lines += 1
        if not line.strip():
            table.num_blanks += 1
            number += 1
            continue
        fields, used = _split_record(texts, number, separator)
        num_names = len(table.names)
        if fields is not None and len(fields) == num_names + 1:
            if not fields[-1].strip():
                fields.pop()  # a separator at the end of the line
            elif not table.rows:
                table.names.insert(0, "")  # R names no column for the names of rows
                num_names += 1
        if fields is None or len(fields) != num_names:
            reason = r.BAD_QUOTES if fields is None else r.WRONG_FIELDS
            table.rejects.append(Reject(number, offset, as_text(line), reason))
        else:
            table.rows.append(Row(number, offset, line, fields))
        number += used
    return table


def _split_record(texts: list[str], number: int, separator: str) -> tuple[list[str] | None, int]:
    """Return the fields of the record that begins on a line, and how many lines it takes.

    A quote that no later line closes spoils its own line only.
    """
    fields = split_quoted(texts[number], separator)
    if fields is not None or '"' not in texts[number]:
        return fields, 1
    text = texts[number]
    for more, line in enumerate(texts[number + 1 : number + _MAX_RECORD_LINES], 2):
        text += "\n" + line
        if '"' in line and (fields := split_quoted(text, separator)) is not None:
            return fields, more
    return None, 1


def split_quoted(text: str, separator: str) -> list[str] | None:
    """Return the fields of a record without their quotes; None if the quotes are not valid."""
    if '"' not in text or len(separator) > 1:
        return text.split(separator)
    try:
        records = list(csv.reader(io.StringIO(text, ""), delimiter=separator, strict=True))
    except csv.Error:
        return None
    return records[0] if len(records) == 1 else None


def _read_json(data: bytes, encoding: str, source: Source) -> SmallTable:
    """Return the rows of an array of objects, or of one object per line."""
    table = SmallTable([])
    objects: list[tuple[int, int, bytes, dict[str, object]]] = []
    if data.lstrip().startswith(b"["):
        try:
            values = json.loads(data.decode(encoding))
        except ValueError as error:
            raise damaged(source.name, "JSON", error) from error
        table.num_lines = len(values)
        for number, value in enumerate(values):
            text = json.dumps(value, ensure_ascii=False).encode()
            if isinstance(value, dict):
                objects.append((number, number, text, value))
            else:
                table.rejects.append(Reject(number, number, as_text(text), r.WRONG_FIELDS))
    else:
        for number, (offset, line) in enumerate(split_lines(data)):
            table.num_lines += 1
            if not line.strip():
                table.num_blanks += 1
                continue
            try:
                value = json.loads(line.decode(encoding))
            except ValueError:
                value = None
            if isinstance(value, dict):
                objects.append((number, offset, line, value))
            else:
                table.rejects.append(Reject(number, offset, as_text(line), NOT_JSON))
    table.names = list(dict.fromkeys(name for *_, value in objects for name in value))
    table.rows = [
        Row(number, offset, text, [_as_field(value.get(name)) for name in table.names])
        for number, offset, text, value in objects
    ]
    return table


NOT_JSON = "not a JSON object"


def _read_parquet(data: bytes, source: Source) -> SmallTable:
    try:
        found = pq.read_table(pa.BufferReader(data))
    except (pa.ArrowInvalid, OSError) as error:
        raise damaged(source.name, "Parquet file", error) from error
    table = SmallTable(found.schema.names, num_lines=found.num_rows)
    for number, values in enumerate(_parquet_rows(found)):
        table.rows.append(Row(number, number, ",".join(values).encode(), values))
    return table


def _parquet_rows(table: pa.Table) -> Iterator[list[str]]:
    for batch in table.to_batches():
        columns = [[_as_field(one) for one in column.to_pylist()] for column in batch.columns]
        yield from map(list, zip(*columns, strict=True))


def _as_field(value: object) -> str:
    """Return a value of JSON or Parquet as text: missing is empty, a list is separated by |."""
    if value is None or value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list):
        return "|".join(map(_as_field, value))
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict | bool) else str(value)
