"""Where each role of a table is: in a column of the file, or in the name of its folder."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa

from recspark.config import TableConfig
from recspark.errors import DataError, describe
from recspark.redact import shown
from recspark.tables.dialect import guess_dialect
from recspark.tables.header_names import find_columns, is_position
from recspark.tables.look import Look
from recspark.tables.raw_ids import is_id_type
from recspark.tables.time_formats import is_date_type


@dataclass(frozen=True)
class Place:
    """Where the roles are.

    Attributes:
        names: The column of each role that the file has.
        constants: The value of each role that its folder gives, as Hive names folders.
    """

    names: dict[str, str]
    constants: dict[str, str]


def place_columns(settings: TableConfig, look: Look) -> Place:
    """Return where each role of the settings is in a file.

    Raises:
        DataError: A column is missing, repeated, or of a type that it cannot have.
    """
    columns, where = settings.columns, look.source.name
    partitions = look.source.partitions
    by_name = [name for name in columns.values() if not is_position(name)]
    if not look.has_names and not set(by_name) <= set(partitions):
        raise _no_names(look, columns)
    names = [*look.names, *(key for key in partitions if key not in look.names)]
    found = find_columns(
        columns, names, f"{where}:1" if look.dialect else where, lambda: _hint(settings, look)
    )
    inside = {role: names[place] for role, place in found.items() if place < len(look.names)}
    for role, name in inside.items():
        if name in look.types:
            _check_type(role, name, look.types[name], where)
    constants = {
        role: partitions[names[place]] for role, place in found.items() if role not in inside
    }
    return Place(inside, constants)


def _hint(settings: TableConfig, look: Look) -> str:
    """Return what the separator may have to do with a missing column."""
    if look.dialect is None:
        return ""
    guessed = guess_dialect(look.start, replace(settings, separator=None), look.source.name)
    separator = guessed.quoting.separator
    if separator == look.dialect.quoting.separator:
        return f"The separator is taken to be {guessed.separator_name}."
    return (
        f"Fields seem to be separated by {guessed.separator_name}: set ingest.table.separator to "
        f"{separator.decode()!r}."
    )


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
            found=f"'{shown(row)}', which names no columns{f' ({why})' if why else ''}",
            expected=f"the columns {', '.join(map(shown, columns.values()))}",
            remedy=f"Name columns by position, from 1: ingest.table: {{{positions}}}; or set "
            "ingest.table.header to true. recspark inspect prints settings that may fit.",
        )
    )
