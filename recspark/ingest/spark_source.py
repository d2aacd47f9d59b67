"""Format spark: any source that Spark reads, as Arrow batches in the tasks that read it."""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote

import numpy as np
import pyarrow as pa

from recspark.config import IngestConfig
from recspark.config.spark_source import SparkSourceConfig
from recspark.errors import DataError, describe, from_task
from recspark.files import storage
from recspark.ingest.formats import Format, parquet_format
from recspark.ingest.inputs import Inputs, split_paths
from recspark.tables.header_names import find_columns
from recspark.tables.json_lines import as_text
from recspark.tables.parquet import ParquetTable
from recspark.tables.rules import make_rules
from recspark.text.ranges import Range
from recspark.text.sources import Source

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

logger = logging.getLogger(__name__)

_FILE, _BLOCK = "_source_file", "_source_block"
_RESULT = "result"
_SAMPLE_ROWS = 1000
# Numbers of ranges that each task has for itself; Spark packs far fewer files into a task.
_RANGES_PER_TASK = 4096
Result = TypeVar("Result")

Batches = Iterator[tuple[int, pa.RecordBatch]]
Ingest = Callable[[int, Iterable[Range], Format], Result]
"""The number of a task, its ranges, and the format that reads them → what the task made of them."""


@dataclass(frozen=True)
class SparkSource:
    """A source that Spark reads.

    Attributes:
        name: What is read, for messages; the name of rows whose file Spark does not know.
        frame: A column for each role, then the row's file and where its block begins in the file.
        format: How batches of the roles are parsed.
    """

    name: str
    frame: DataFrame
    format: Format


def find_source_files(settings: SparkSourceConfig) -> Inputs:
    """Return the files of the source, by which a change of it is noticed; none of a table or JDBC.

    Raises:
        DataError: A path names no file.
    """
    inputs = Inputs("ingest.spark.paths", None)
    for path in split_paths(settings.paths):
        files = storage.list_tree(path)
        if not files:
            raise DataError(
                describe(
                    f"ingest.spark.paths {path}",
                    found="no file",
                    expected="a file, a folder or a glob",
                    remedy="Correct ingest.spark.paths.",
                )
            )
        inputs.found.extend((file, None) for file in files)
    return inputs


def open_source(spark: SparkSession, settings: IngestConfig) -> SparkSource:
    """Return the source that `ingest.spark` names, with the columns of `ingest.table`.

    Raises:
        DataError: Spark does not know the format or cannot open the source, or a column is missing
            or of a type that it cannot have.
    """
    name = _name(settings)
    with _in_our_words(name):
        frame = _read(spark, settings)
        found = _select_roles(frame, settings, name)
        rules, notes = make_rules(settings.table, name, lambda: _sample_times(found))
    for note in notes:
        logger.info("ingest: %s", note)
    return SparkSource(name, found, parquet_format(ParquetTable({}, {}, rules)))


def map_ranges(
    source: SparkSource, layout: Format, ingest: Ingest[Result]
) -> tuple[list[list[Range]], list[Result]]:
    """Return what tasks make of the rows they read, by task, and their ranges in the files' order.

    A range is a block of a file, as Spark cuts it; its rows are read in order. Of a source without
    files each partition is a range. No row passes through the driver.

    Args:
        source: The source.
        layout: Its format, or that with ids as text.
        ingest: Called in each task. It need not read all ranges.

    Raises:
        DataError: Spark cannot read the source, or what `ingest` raises.
    """
    from pyspark.serializers import CPickleSerializer

    name, serializer = source.name, CPickleSerializer()

    def run(received: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        batches = iter(received)
        context = TaskContext.get()
        task = context.partitionId() if context else 0
        blocks = _Blocks(task, name, batches)
        made = ingest(task, blocks.ranges(), replace(layout, read=blocks.read))
        for _ in batches:  # Spark's writer must not block on rows that nobody reads
            pass
        result = serializer.dumps((task, blocks.found, made))
        yield pa.RecordBatch.from_pydict({_RESULT: pa.array([result], pa.binary())})

    with _in_our_words(name):
        rows = source.frame.mapInArrow(run, f"{_RESULT} BINARY").collect()
    done = sorted((serializer.loads(row[_RESULT]) for row in rows), key=lambda one: one[0])
    ranges = [one for _, found, _ in done for one in found]
    in_order = sorted(ranges, key=lambda one: (one.source.name, one.start, one.number))
    return [in_order], [made for *_, made in done]


class _Blocks:
    """The rows of a task, in blocks of its files."""

    def __init__(self, task: int, name: str, batches: Iterator[pa.RecordBatch]) -> None:
        self.found: list[Range] = []
        self._task, self._name = task, name
        self._groups = itertools.groupby(_cut(batches), key=lambda piece: piece[0])
        self._rows: Iterator[tuple[tuple[str, int], pa.RecordBatch]] = iter(())

    def ranges(self) -> Iterator[Range]:
        """Yield a range for each block; its rows are there until the next is asked for."""
        for (file, start), rows in self._groups:
            if len(self.found) == _RANGES_PER_TASK:
                raise DataError(
                    describe(
                        self._name,
                        found=f"more than {_RANGES_PER_TASK:,} files for one task",
                        expected="fewer",
                        remedy="Lower spark.sql.files.maxPartitionBytes in spark.properties.",
                    )
                )
            number = self._task * _RANGES_PER_TASK + len(self.found)
            name = _plain_path(file) or self._name
            self._rows = rows
            self.found.append(Range(number, Source(name, name, 0), start, start))
            yield self.found[-1]

    def read(self, one: Range) -> Batches:
        """Yield (rows above in the block, rows) of the block that `ranges` yielded last."""
        position = 0
        for _, batch in self._rows:
            yield position, batch
            position += batch.num_rows


def _cut(
    batches: Iterator[pa.RecordBatch],
) -> Iterator[tuple[tuple[str, int], pa.RecordBatch]]:
    """Yield ((file, start of the block), rows of the roles), cut where file or block change."""
    for batch in batches:
        if not batch.num_rows:
            continue
        files = batch.column(batch.num_columns - 2).dictionary_encode()
        codes = files.indices.to_numpy(zero_copy_only=False)
        blocks = batch.column(batch.num_columns - 1).to_numpy(zero_copy_only=False)
        changes = np.flatnonzero((np.diff(codes) != 0) | (np.diff(blocks) != 0)) + 1
        names = batch.schema.names[:-2]
        roles = pa.RecordBatch.from_arrays(batch.columns[:-2], names)
        for start, end in itertools.pairwise([0, *changes.tolist(), batch.num_rows]):
            file = files.dictionary[int(codes[start])].as_py()
            yield (file, int(blocks[start])), roles.slice(start, end - start)


def _read(spark: SparkSession, settings: IngestConfig) -> DataFrame:
    source = settings.spark
    if source.table is not None:
        return spark.read.options(**source.options).table(source.table)
    reader = spark.read.format(source.format).options(**source.options)
    paths = split_paths(source.paths)
    return reader.load(paths) if paths else reader.load()


def _select_roles(frame: DataFrame, settings: IngestConfig, name: str) -> DataFrame:
    """Return a column for each role, and the row's file (empty if unknown) and block."""
    from pyspark.errors import AnalysisException
    from pyspark.sql import functions as F

    columns = _list_columns(frame)
    found = find_columns(settings.table.columns, list(columns), name, lambda: "")
    names = list(columns)
    roles = [F.col(columns[names[place]]).alias(role) for role, place in found.items()]
    try:
        placed = frame.select(
            *roles,
            F.input_file_name().alias(_FILE),
            F.input_file_block_start().alias(_BLOCK),
        )
        placed.schema  # noqa: B018  # analyses the plan
    except AnalysisException:  # of several sources, as a view over a join is
        placed = frame.select(*roles, F.lit("").alias(_FILE), F.lit(0).cast("long").alias(_BLOCK))
    return placed


def _sample_times(frame: DataFrame) -> pa.Array:
    """Return the first times, as text unless they are dates."""
    values = [row[0] for row in frame.select("time").limit(_SAMPLE_ROWS).collect()]
    if isinstance(next((one for one in values if one is not None), None), date):
        return pa.array(values)
    return pa.array([as_text(one) for one in values], pa.string())


def _list_columns(frame: DataFrame) -> dict[str, str]:
    """Return the columns by name, each as Spark spells it; those inside a struct have dots."""
    from pyspark.sql.types import StructType

    def walk(kind: StructType, name: str, spelled: str) -> Iterator[tuple[str, str]]:
        for item in kind.fields:
            escaped = item.name.replace("`", "``")
            inner = (f"{name}{item.name}", f"{spelled}`{escaped}`")
            if isinstance(item.dataType, StructType):
                yield from walk(item.dataType, f"{inner[0]}.", f"{inner[1]}.")
            else:
                yield inner

    return dict(walk(frame.schema, "", ""))


def _name(settings: IngestConfig) -> str:
    source = settings.spark
    what = source.table or ", ".join(split_paths(source.paths)) or source.options.get("dbtable")
    return what or f"ingest.spark ({source.format})"


def _plain_path(file: str) -> str:
    """Return a path as the rest of recspark writes it: local ones without `file://`."""
    return unquote(file.removeprefix("file://")) if file.startswith("file:") else file


@contextlib.contextmanager
def _in_our_words(name: str) -> Iterator[None]:
    """Raise what Spark raises as a DataError, or as the error that a task raised."""
    from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
    from pyspark.errors import PySparkException

    try:
        yield
    except (PySparkException, Py4JJavaError) as error:
        raised = from_task(error)
        if raised is not None:
            raise raised from error
        java = getattr(error, "java_exception", None)
        words = str(error) if java is None else str(java.toString())
        first = words.strip().split("\n", 1)[0][:500]
        raise DataError(
            describe(
                name,
                found=f"a source that Spark cannot read ({first})",
                expected="one that spark.read opens",
                remedy="Check ingest.spark. The jars of a format are named in spark.properties: "
                "{spark.jars.packages: …}.",
            )
        ) from error
