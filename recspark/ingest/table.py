"""Format table: CSV, TSV or Parquet files whose columns the config names."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import pyarrow as pa

from recspark.config import TableConfig
from recspark.errors import DataError, describe
from recspark.ingest import parquet
from recspark.ingest.delimited import Delimited, split_fields
from recspark.ingest.formats import Format, delimited_format
from recspark.ingest.rating_scales import ANY_NUMBER
from recspark.ingest.time_formats import ISO_DATE, TimeFormat
from recspark.text.sources import BOM, Source, open_text

FILE_PATTERN = r".+\.((csv|tsv|txt)(\.gz)?|parquet)"
_MAX_HEADER_BYTES = 1024 * 1024


def table_format(settings: TableConfig, sources: Sequence[Source]) -> Format:
    """Return the format of these files, after checking the column names of each.

    In CSV and TSV a field may be in double quotes but must end on its own line.

    Raises:
        DataError: A mapped column is missing or repeated, or the files have different columns.
    """
    if sources[0].name.endswith(".parquet"):
        return _parquet_format(settings, sources)
    separator = (settings.separator or ("\t" if ".tsv" in sources[0].name else ",")).encode()
    header = _first_line(sources[0])
    names = [
        name.decode("utf-8", "backslashreplace") for name in split_fields(header, separator) or []
    ]
    user, movie, rating, *time = _positions(settings, names, sources[0])
    for other in sources[1:]:
        if _first_line(other) != header:
            raise _differs(
                other, _first_line(other).decode("utf-8", "backslashreplace"), sources[0]
            )
    layout = Delimited(
        separator=separator,
        num_columns=len(names),
        user=user,
        movie=movie,
        rating=rating,
        time=time[0] if time else None,
        scale=ANY_NUMBER,
        time_format=_time_format(settings),
        header=header,
        padding=b"",
        is_quoted=True,
    )
    return delimited_format(
        layout, file_pattern=FILE_PATTERN, example=f"{len(names)} fields as in its first line"
    )


def _parquet_format(settings: TableConfig, sources: Sequence[Source]) -> Format:
    wanted = _mapping(settings).values()
    schema = parquet.read_schema(sources[0])
    _positions(settings, schema.names, sources[0])
    kinds = [schema.field(name).type for name in wanted]
    for other in sources[1:]:
        found = parquet.read_schema(other)
        _positions(settings, found.names, other)
        if [found.field(name).type for name in wanted] != kinds:
            raise _differs(other, f"types {[str(found.field(n).type) for n in wanted]}", sources[0])
    has_days = settings.time is not None and parquet.is_day(kinds[3])
    table = parquet.ParquetTable(
        names=tuple(wanted),
        layout=Delimited(
            separator=b",",
            num_columns=len(kinds),
            user=0,
            movie=1,
            rating=2,
            time=3 if settings.time else None,
            scale=ANY_NUMBER,
            time_format=TimeFormat(ISO_DATE) if has_days else _time_format(settings),
        ),
    )
    return Format(
        table.parse,
        table.parse_lines,
        table.locate,
        FILE_PATTERN,
        example="rows with ids, ratings and times",
        plan=parquet.plan_rows,
        read=table.read,
        size=_num_bytes,
    )


def _num_bytes(batch: pa.RecordBatch) -> int:
    return int(batch.nbytes)


def _time_format(settings: TableConfig) -> TimeFormat:
    return TimeFormat(ISO_DATE if settings.time_format == "date" else settings.time_format)


def _mapping(settings: TableConfig) -> dict[str, str]:
    """Return setting → column, in the order user, movie, rating, time."""
    mapping = {"user": settings.user, "movie": settings.movie, "rating": settings.rating}
    return mapping if settings.time is None else {**mapping, "time": settings.time}


def _positions(settings: TableConfig, names: list[str], source: Source) -> list[int]:
    """Return the positions of the mapped columns among the file's columns."""
    for setting, name in _mapping(settings).items():
        if names.count(name) == 1:
            continue
        nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.4)
        folded = [other for other in names if other.lower() == name.lower()]
        hint = f"Did you mean {(folded or nearest)[0]}? " if folded or nearest else ""
        if name in names:
            hint = "Rename one of them. "
        raise DataError(
            describe(
                source.name,
                found=f"{names.count(name) or 'no'} columns {name} among {', '.join(names)}",
                expected="one",
                remedy=f"{hint}Set ingest.table.{setting} (or ingest.table.separator).",
            )
        )
    return [names.index(name) for name in _mapping(settings).values()]


def _first_line(source: Source) -> bytes:
    with open_text(source) as file:
        line = file.readline(_MAX_HEADER_BYTES)
    return line.removeprefix(BOM).rstrip(b"\r\n")


def _differs(source: Source, found: str, first: Source) -> DataError:
    return DataError(
        describe(
            source.name,
            found=f"{found}",
            expected=f"the columns of {first.name}",
            remedy="Ingest files of one kind at a time, or name the right ones in ingest.ratings.",
        )
    )
