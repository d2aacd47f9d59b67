"""Raw rating files to staged ratings and rejects, in Spark tasks that write their own files."""

from __future__ import annotations

import functools
import logging
import operator
import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recspark.arrays.ratings import NO_TIME
from recspark.cluster.tasks import PartFile, commit_parts, spread
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.contract.schemas import IdTypes
from recspark.errors import DataError, describe
from recspark.files import parquet, storage
from recspark.ingest.formats import Format
from recspark.ingest.part import NUM_SAMPLES, RANGE, LineCounts, Part, Place, ingest_ranges
from recspark.ingest.spark_source import SparkSource, map_ranges
from recspark.text.ranges import Range
from recspark.text.sources import Source

logger = logging.getLogger(__name__)

_FIRST_LINE = "first_line"


@dataclass(frozen=True)
class Sample:
    """A refused line: its file and its number there, from 1."""

    file: str
    line: int
    text: str
    reason: str


@dataclass(frozen=True)
class Loaded:
    """What was staged."""

    counts: LineCounts
    files: list[PartFile]
    """The files of `ratings`."""
    types: IdTypes
    num_untimed: int
    """Ratings without a time, in a layout with times."""
    reasons: Counter[str]
    """Refused lines by reason."""
    samples: list[Sample]
    """The first few refused lines of each reason."""
    earliest: int
    """Seconds since 1970-01-01 of the earliest rating, NO_TIME if none has a time."""
    latest: int


def load_ratings(
    spark: SparkSession,
    sources: Sequence[Source] | SparkSource,
    layout: Format,
    *,
    split_bytes: int,
    ratings_root: str,
    rejects_root: str,
) -> Loaded:
    """Stage `ratings` and `rejects`.

    Ids are read as whole numbers until one is found that is not; then all files are read again with
    these ids as text. Files in which a quoted field goes over several lines are read again without
    being cut.

    Args:
        spark: The session.
        sources: The files, in order, or what Spark reads.
        layout: How lines are parsed.
        split_bytes: Text per task, and per part file (bytes).
        ratings_root: Staging folder of ratings.
        rejects_root: Staging folder of rejects.
    """

    def ingest(number: int, ranges: Iterable[Range], layout: Format) -> list[Part]:
        parts = ingest_ranges(
            number,
            ranges,
            layout,
            part_bytes=split_bytes,
            ratings_root=ratings_root,
            rejects_root=rejects_root,
        )
        return list(parts)

    def parse(layout: Format) -> tuple[list[list[Range]], list[Part]]:
        """Return the ranges of each task, and the parts that the tasks wrote."""
        if isinstance(sources, SparkSource):
            tasks, found = map_ranges(sources, layout, ingest)
            return tasks, [part for parts in found for part in parts]

        def run(items: Iterable[tuple[int, list[Range]]]) -> Iterator[tuple[int, list[Part]]]:
            for number, ranges in items:
                yield number, ingest(number, ranges, layout)

        tasks = layout.plan(sources, split_bytes)
        done = spread(spark, list(enumerate(tasks)), len(tasks)).mapPartitions(run).collect()
        in_order = sorted(done, key=operator.itemgetter(0))
        return tasks, [part for _, parts in in_order for part in parts]

    while True:
        tasks, parts = parse(layout)
        better = _choose_better(layout, parts, tasks)
        if better is None:
            break
        layout = better
        storage.remove(ratings_root)
        storage.remove(rejects_root)
    storage.make_folder(ratings_root)
    files = [part.ratings for part in parts if part.ratings]
    commit_parts(files, ratings_root)
    places = _Places(tasks, parts)
    _write_rejects(spark, parts, places, rejects_root)
    timed = [part for part in parts if part.latest != NO_TIME]
    return Loaded(
        counts=functools.reduce(operator.add, (part.counts for part in parts), LineCounts()),
        files=files,
        types=next((part.types for part in parts if part.types), IdTypes()),
        num_untimed=sum(part.num_untimed for part in parts),
        reasons=functools.reduce(operator.add, (part.reasons for part in parts), Counter()),
        samples=_first_of_each_reason(parts, places),
        earliest=min((part.earliest for part in timed), default=NO_TIME),
        latest=max((part.latest for part in timed), default=NO_TIME),
    )


class _Places:
    """The files and line numbers of lines that are known by range and line within the range."""

    def __init__(self, tasks: list[list[Range]], parts: list[Part]) -> None:
        lines: Counter[int] = Counter()
        for part in parts:
            lines.update(part.num_lines)
        self.ranges: dict[int, tuple[str, int]] = {}
        """Range number to its file and the number, from 1, of its first line."""
        path, first = "", 1
        for one in (one for ranges in tasks for one in ranges):
            first = first if one.source.name == path else 1
            path = one.source.name
            self.ranges[one.number] = (path, first)
            first += lines[one.number]

    def locate(self, place: Place) -> Sample:
        file, first = self.ranges[place.range_number]
        reject = place.reject
        return Sample(file, first + reject.line, reject.text, reject.reason)


def _choose_better(layout: Format, parts: list[Part], tasks: list[list[Range]]) -> Format | None:
    """Return the layout to read the files with instead; None if this one fits."""
    text_user = next((part.text_user for part in parts if part.text_user), None)
    text_movie = next((part.text_movie for part in parts if part.text_movie), None)
    names = {one.number: one.source.name for ranges in tasks for one in ranges}
    for what, place in (("user", text_user), ("movie", text_movie)):
        if place:
            logger.info(
                "ingest: %s ids are read as text, because of %r in %s",
                *(what, place.reject.text[:100], names[place.range_number]),
            )
    if text_user or text_movie:
        return layout.as_text(bool(text_user), bool(text_movie))
    if not any(part.has_open_quote for part in parts):
        return None
    by_record = layout.by_record()
    if by_record is None:
        raise DataError(
            describe(
                "ingest.ratings",
                found="a quoted field that goes over several lines",
                expected="fields that end on their line",
                remedy="Set ingest.format to spark, with the option multiLine.",
            )
        )
    logger.info("ingest: quoted fields go over several lines, so each file is read by one task")
    return by_record


def _first_of_each_reason(parts: list[Part], places: _Places) -> list[Sample]:
    shown: Counter[str] = Counter()
    samples = []
    for place in (place for part in parts for place in part.samples):
        if shown[place.reject.reason] < NUM_SAMPLES:
            shown[place.reject.reason] += 1
            samples.append(places.locate(place))
    return samples


def _write_rejects(spark: SparkSession, parts: list[Part], places: _Places, root: str) -> None:
    """Write the rejects data set from the parts' rejects, with line numbers within the whole file.

    Args:
        spark: The session.
        parts: All parts.
        places: Where their ranges begin.
        root: Staging folder of rejects.
    """
    files = [part.rejects for part in parts if part.rejects]
    if not files:
        return
    staged = posixpath.join(root, "_parts")
    commit_parts(
        (replace(file, target=file.target.replace(root, staged, 1)) for file in files), root
    )
    first_lines = [(number, *place) for number, place in places.ranges.items()]
    names = spark.createDataFrame(
        first_lines, f"{RANGE} INT, {c.FILE} STRING, {_FIRST_LINE} BIGINT"
    )
    rejects = (
        spark.read.parquet(staged)
        .join(F.broadcast(names), on=RANGE, how="inner")
        .withColumn(c.LINE, F.col(c.LINE) + F.col(_FIRST_LINE))
        .orderBy(c.FILE, c.LINE)
    )
    written = f"{root}.written"
    parquet.write_dataset(rejects, written, schemas.REJECTS)
    storage.remove(root)
    storage.move(written, root)
