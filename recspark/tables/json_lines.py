"""Lines that each hold a JSON object. Names with dots lead into nested objects."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
from pyarrow import json as arrow_json

from recspark.tables import parsed as r
from recspark.tables.delimited import add_rejects
from recspark.tables.lines import Lines
from recspark.tables.parsed import Parsed
from recspark.tables.values import RowRules, collect, fill_constants
from recspark.text.lines import count_lines


@dataclass(frozen=True)
class JsonLines:
    """One mapping of names to roles.

    Attributes:
        names: The name of each role's value.
        kinds: The type of each role's values, as far as the first lines tell.
        rules: How values are read.
        constants: The value of roles that the lines do not hold but their file's folder does.
    """

    names: dict[str, str]
    kinds: dict[str, pa.DataType]
    rules: RowRules
    constants: dict[str, str] = field(default_factory=dict)

    def as_text(self, user: bool, movie: bool) -> JsonLines:
        """Return the same layout with ids read as text."""
        return replace(self, rules=self.rules.as_text(user, movie))

    def parse(self, data: bytes) -> Parsed:
        """Return the ratings and refused lines of whole lines; the last may lack a line end."""
        return self._parse_typed(data) or self._parse_lines(data)

    def _parse_typed(self, data: bytes) -> Parsed | None:
        """Return the ratings of text of the usual types; None if there is anything else."""
        if not data or b"\n\n" in data or b"\r" in data:
            return None
        schema = _schema({self.names[role]: kind for role, kind in self.kinds.items()})
        try:
            table = arrow_json.read_json(
                io.BytesIO(data),
                read_options=arrow_json.ReadOptions(use_threads=False, block_size=len(data) + 1),
                parse_options=arrow_json.ParseOptions(
                    explicit_schema=schema, unexpected_field_behavior="ignore"
                ),
            )
        except pa.ArrowInvalid:
            return None
        num_lines = count_lines(data)
        if table.num_rows != num_lines:
            return None
        columns = {role: _walk_column(table, self.names[role]) for role in self.kinds}
        fill_constants(columns, self.constants, num_lines)
        ratings, num_unrated, num_untimed, problems = collect(self.rules.read(columns), self.rules)
        if problems:
            return None
        return Parsed(
            ratings, num_lines, 0, 0, None, num_unrated=num_unrated, num_untimed=num_untimed
        )

    def _parse_lines(self, data: bytes) -> Parsed:
        """Return the same, whatever the lines hold."""
        lines = Lines(data)
        refused: dict[int, str] = {}
        objects: list[dict[str, Any]] = []
        numbers: list[int] = []
        num_blanks = 0
        for line in range(len(lines)):
            text = lines[line]
            if not text.strip():
                num_blanks += 1
                continue
            found = parse_object(text)
            if found is None:
                refused[line] = r.BAD_JSON
            else:
                objects.append(found)
                numbers.append(line)
        columns = {
            role: pa.array([as_text(walk(one, name)) for one in objects], pa.string())
            for role, name in self.names.items()
        }
        fill_constants(columns, self.constants, len(objects))
        rows = self.rules.read(columns)
        ratings, num_unrated, num_untimed, problems = collect(rows, self.rules)
        refused |= {numbers[row]: reason for row, reason in problems.items()}
        parsed = Parsed(
            ratings,
            num_lines=len(lines),
            num_headers=0,
            num_blanks=num_blanks,
            movie=None,
            num_unrated=num_unrated,
            num_untimed=num_untimed,
        )
        add_rejects(parsed, refused, lines, "utf-8")
        return parsed


def parse_object(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object on a line, or None."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):  # also bytes that are not UTF-8
        return None
    return found if isinstance(found, dict) else None


def walk(found: Any, name: str) -> Any:
    """Return the value under a name with dots; None if there is none."""
    if not isinstance(found, dict):
        return None
    if name in found:
        return found[name]
    first, dot, rest = name.partition(".")
    return walk(found.get(first), rest) if dot else None


def list_names(objects: Sequence[dict[str, Any]], prefix: str = "") -> list[str]:
    """Return the names of all values in objects, nested ones with dots, in the order of their
    first appearance."""
    found: dict[str, None] = {}
    for one in objects:
        for name, value in one.items():
            if isinstance(value, dict):
                found |= dict.fromkeys(list_names([value], f"{prefix}{name}."))
            else:
                found[prefix + name] = None
    return list(found)


def as_text(value: Any) -> str | None:
    """Return a value as text; None for null, true, false, lists and objects."""
    if isinstance(value, str):
        # A lone surrogate, which JSON allows, cannot be stored.
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def guess_kind(values: Sequence[Any]) -> pa.DataType:
    """Return the Arrow type that holds these values, text if none does."""
    known = [value for value in values if value is not None]
    if known and all(isinstance(one, int) and not isinstance(one, bool) for one in known):
        return pa.int64()
    if known and all(isinstance(one, int | float) and not isinstance(one, bool) for one in known):
        return pa.float64()
    return pa.string()


def _schema(kinds: dict[str, pa.DataType]) -> pa.Schema:
    """Return the schema of names with dots."""
    nested: dict[str, Any] = {}
    for name, kind in kinds.items():
        *outer, last = name.split(".")
        place = nested
        for part in outer:
            place = place.setdefault(part, {})
        place[last] = kind

    def fields(inside: dict[str, Any]) -> list[pa.Field]:
        return [
            pa.field(name, pa.struct(fields(kind)) if isinstance(kind, dict) else kind)
            for name, kind in inside.items()
        ]

    return pa.schema(fields(nested))


def _walk_column(table: pa.Table, name: str) -> pa.Array:
    first, *rest = name.split(".")
    column = pa.concat_arrays(table.column(first).chunks)
    for part in rest:
        column = column.flatten()[column.type.get_field_index(part)]  # a null struct has nulls
    return column
