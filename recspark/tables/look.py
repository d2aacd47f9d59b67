"""A first look at a raw file of a table: what it is, and its columns with some of their values."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

import pyarrow as pa
import pyarrow.parquet as pq

from recspark.config.table import TableConfig
from recspark.errors import DataError, describe
from recspark.redact import shown
from recspark.tables import json_lines, parquet
from recspark.tables.dialect import Dialect, guess_dialect
from recspark.tables.fields import Splitter
from recspark.tables.lines import Lines
from recspark.tables.rating_scales import as_strings
from recspark.tables.sample import SAMPLE_BYTES, read_first_lines
from recspark.text.kinds import PARQUET
from recspark.text.names import without_compression
from recspark.text.sources import Source, open_raw

Kind = Literal["text", "json", "parquet"]
_JSON_NAME = re.compile(r".*\.(jsonl|ndjson|json)", re.IGNORECASE)
_NUM_ROWS = 1000


@dataclass(frozen=True)
class Look:
    """What a file looks like.

    Attributes:
        source: The file.
        kind: Separated fields, JSON lines or Parquet.
        names: Its columns; numbers from 1 where a text has no names.
        start: The first whole lines; empty for Parquet.
        dialect: The form of separated fields.
        types: The types of the columns of Parquet.
    """

    source: Source
    kind: Kind
    names: list[str]
    start: bytes = b""
    dialect: Dialect | None = None
    types: dict[str, pa.DataType] = field(default_factory=dict)

    @property
    def has_lines(self) -> bool:
        """Whether the file has any line."""
        return self.kind == "parquet" or bool(self.start.strip())

    @property
    def has_names(self) -> bool:
        """Whether the file names its columns."""
        return self.dialect is None or self.dialect.names is not None

    def values(self, name: str, text: bytes | None = None) -> pa.Array:
        """Return the values of a column in the first rows, or in other lines of the file.

        Text of fields and JSON is text; Parquet keeps its type.
        """
        if self.kind == "parquet":
            return self._first_rows(name)
        data = self.start if text is None else text
        if self.dialect is None:
            objects = filter(None, map(json_lines.parse_object, data.split(b"\n")))
            found = [json_lines.as_text(json_lines.walk(one, name)) for one in objects]
            return pa.array(found, pa.string())
        return as_strings(_split(self.dialect, data, self.names.index(name)))

    def _first_rows(self, name: str) -> pa.Array:
        with open_raw(self.source) as file:
            batches = pq.ParquetFile(file).iter_batches(_NUM_ROWS, columns=[name])
            batch = next(batches, None)
        if batch is None:
            return pa.array([], self.types[name])
        return parquet.find_column(batch, name)


def look_at(source: Source, settings: TableConfig, num_bytes: int = SAMPLE_BYTES) -> Look:
    """Return what a file looks like; settings that are set are taken as they are.

    Raises:
        DataError: It is damaged, or JSON in another form than an object a line.
    """
    with open_raw(source) as file:
        magic = file.read(len(PARQUET))
    if magic == PARQUET:
        types = parquet.list_columns(parquet.read_schema(source))
        return Look(source, "parquet", list(types), types=types)
    start = read_first_lines(source, num_bytes)
    if _is_json(source, start):
        objects = [json_lines.parse_object(line) for line in start.split(b"\n") if line.strip()]
        names = json_lines.list_names([one for one in objects if one is not None])
        if not names:
            raise _not_json_lines(source, start)
        return Look(source, "json", names, start)
    dialect = guess_dialect(start, settings, source.name)
    names = dialect.names or [str(place + 1) for place in range(dialect.num_columns)]
    return Look(source, "text", names, start, dialect)


def _is_json(source: Source, start: bytes) -> bool:
    if _JSON_NAME.fullmatch(without_compression(source.name)):
        return True
    first = start.lstrip().split(b"\n", 1)[0]
    return first.startswith(b"{") and json_lines.parse_object(first) is not None


def _not_json_lines(source: Source, start: bytes) -> DataError:
    first = start.lstrip()[:80].decode("utf-8", "backslashreplace")
    found, remedy = f"'{shown(first)}'", "Write one JSON object a line."
    if first.startswith("["):
        found = "one JSON array"
        remedy = "Write one object a line, e.g. with jq -c '.[]' file.json > file.jsonl."
    elif first.startswith("{'"):
        found = "Python dictionaries"
        remedy = "Write them as JSON: json.dumps(ast.literal_eval(line)) for each line."
    elif first.startswith("{"):
        found = "a JSON object over several lines"
        remedy = "Write one object a line, e.g. with jq -c . file.json > file.jsonl."
    return DataError(
        describe(source.name, found=found, expected="a JSON object on each line", remedy=remedy)
    )


def _split(dialect: Dialect, text: bytes, position: int) -> pa.Array:
    if dialect.encoding != "utf-8":
        text = text.decode(dialect.encoding, "backslashreplace").encode()
    splitter = Splitter(
        dialect.quoting,
        dialect.num_columns,
        (position,),
        lambda line: "header" if line in dialect.headers else None if line.strip() else "blank",
        dialect.headers,
    )
    return splitter.split(Lines(text)).columns[0]
