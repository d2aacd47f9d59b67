"""Raw rating files to staged ratings and rejects, in Spark tasks that write their own files."""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from recspark.arrays.ratings import Keys
from recspark.cluster.tasks import commit_parts, spread
from recspark.contract import columns as c
from recspark.contract import schemas
from recspark.files import parquet, storage
from recspark.ingest.between_parts import find_duplicates_between
from recspark.ingest.formats import Format
from recspark.ingest.part import RANGE, Part, ingest_ranges
from recspark.text.ranges import Range

logger = logging.getLogger(__name__)

_FIRST_LINE = "first_line"


@dataclass(frozen=True)
class LineCounts:
    """Lines of the raw files, by what they turned out to be."""

    lines: int
    ratings: int
    rejects: int
    headers: int
    blanks: int


def load_ratings(
    spark: SparkSession,
    tasks: list[list[Range]],
    layout: Format,
    *,
    part_bytes: int,
    ratings_root: str,
    rejects_root: str,
) -> LineCounts:
    """Stage `ratings` and `rejects`, and return the number of lines of each kind.

    The task that parses a part drops the duplicates inside it. Between parts, only movies that
    occur in more than one are searched (in Netflix text: those that a cut runs through). Only the
    tasks with a rating to drop run again.

    Args:
        spark: The session.
        tasks: The plan, ranges by task.
        layout: How lines are parsed.
        part_bytes: Text per part file (bytes).
        ratings_root: Staging folder of ratings.
        rejects_root: Staging folder of rejects.
    """

    def parse(numbers: list[int], drop: dict[str, Keys]) -> dict[int, list[Part]]:
        """Return the parts of some tasks, by task."""

        def run(items: Iterable[tuple[int, list[Range]]]) -> Iterator[tuple[int, list[Part]]]:
            for number, ranges in items:
                yield (
                    number,
                    list(
                        ingest_ranges(
                            number,
                            ranges,
                            layout,
                            part_bytes=part_bytes,
                            ratings_root=ratings_root,
                            rejects_root=rejects_root,
                            drop=drop,
                        )
                    ),
                )

        work = [(number, tasks[number]) for number in numbers]
        return dict(spread(spark, work, len(work)).mapPartitions(run).collect())

    parts = parse(list(range(len(tasks))), {})
    flat = [part for number in sorted(parts) for part in parts[number]]
    drop = find_duplicates_between(spark, flat, ratings_root)
    if drop:
        again = sorted({int(name.split("-")[0]) for name in drop})
        logger.info("ingest: duplicates between parts, running %d tasks again", len(again))
        parts |= parse(again, drop)
        flat = [part for number in sorted(parts) for part in parts[number]]
    storage.make_folder(ratings_root)
    commit_parts((file for part in flat for file in part.ratings), ratings_root)
    staged = posixpath.join(ratings_root, "_rejects")  # cleared together with ratings_root
    _write_rejects(spark, flat, tasks, rejects_root, staged)
    return LineCounts(
        lines=sum(sum(part.num_lines.values()) for part in flat),
        ratings=sum(part.num_ratings for part in flat),
        rejects=sum(part.num_rejects for part in flat),
        headers=sum(part.num_headers for part in flat),
        blanks=sum(part.num_blanks for part in flat),
    )


def _write_rejects(
    spark: SparkSession, parts: list[Part], tasks: list[list[Range]], root: str, staged: str
) -> None:
    """Write the rejects data set from the parts' rejects, with line numbers within the whole file.

    Args:
        spark: The session.
        parts: All parts.
        tasks: The plan, ranges by task.
        root: Staging folder of rejects.
        staged: Temporary folder for the parts' rejects.
    """
    files = [file for part in parts for file in part.rejects]
    if not files:
        return
    commit_parts(
        (replace(file, target=file.target.replace(root, staged, 1)) for file in files), root
    )
    lines: dict[int, int] = {}
    for part in parts:
        for number, count in part.num_lines.items():
            lines[number] = lines.get(number, 0) + count
    first_lines, path, first = [], "", 0
    for one in (one for ranges in tasks for one in ranges):
        first = first if one.source.name == path else 1
        path = one.source.name
        first_lines.append((one.number, path, first))
        first += lines.get(one.number, 0)
    names = spark.createDataFrame(
        first_lines, f"{RANGE} INT, {c.FILE} STRING, {_FIRST_LINE} BIGINT"
    )
    rejects = (
        spark.read.parquet(staged)
        .join(F.broadcast(names), on=RANGE, how="inner")
        .withColumn(c.LINE, F.col(c.LINE) + F.col(_FIRST_LINE))
        .orderBy(c.FILE, c.LINE)
    )
    storage.remove(root)  # the files of the tasks' attempts
    parquet.write_dataset(rejects, root, schemas.REJECTS)
    storage.remove(staged)
