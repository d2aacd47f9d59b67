"""The ingest job: raw text → ratings, movies, rejects."""

from __future__ import annotations

import logging
from dataclasses import asdict

from pyspark.sql import SparkSession

from recspark import columns as c
from recspark import schemas, storage
from recspark.config import Config
from recspark.errors import DataError, describe
from recspark.ingest.formats import FORMATS
from recspark.ingest.inputs import check_format, find_files
from recspark.ingest.load import LineCounts, load_ratings
from recspark.ingest.text import plan_ranges
from recspark.ingest.titles import Titles, read_titles
from recspark.manifest import Step
from recspark.paths import RunPaths
from recspark.storage import FileInfo

logger = logging.getLogger(__name__)

NUM_SAMPLES = 3


def run(config: Config, spark: SparkSession) -> None:
    """Write `ratings`, `movies` and `rejects`.

    Raises:
        DataError: Files are missing, empty or of another format; lines were lost; or more than
            `ingest.max_reject_fraction` of the lines were refused (then `rejects` is written).
    """
    paths, settings = RunPaths(config.root), config.ingest
    layout = FORMATS[settings.format]
    files = find_files("ingest.ratings", settings.ratings, layout)
    titles_file = find_files("ingest.movies", settings.movies)[0]
    step = Step(
        stage="ingest",
        settings={**asdict(settings), "run": config.name},
        inputs={one.path: f"{one.size}@{one.modified}" for one in (*files, titles_file)},
        outputs=(paths.ratings, paths.movies, paths.rejects),
        force=config.force,
    )
    if step.is_done():
        return
    with step:
        check_format(files[0], settings.format)
        counts = load_ratings(
            spark,
            plan_ranges(files, settings.split_bytes),
            layout,
            part_bytes=settings.split_bytes,
            ratings_root=step.staging(paths.ratings),
            rejects_root=step.staging(paths.rejects),
        )
        titles = read_titles(titles_file.path)
        _add_rejects(spark, titles, titles_file, step.staging(paths.rejects))
        movies = spark.createDataFrame(titles.frame(), schemas.MOVIES.ddl).coalesce(1)
        storage.write_dataset(movies, step.staging(paths.movies), schemas.MOVIES)
        _check_balance(counts, titles)
        rejects = step.publish(paths.rejects, schemas.REJECTS, asdict(counts))
        _check_fraction(spark, counts, paths.rejects, settings.max_reject_fraction)
        ratings = step.publish(paths.ratings, schemas.RATINGS, asdict(counts))
        step.publish(paths.movies, schemas.MOVIES)
        if (ratings.num_rows, rejects.num_rows) != (
            counts.ratings,
            counts.rejects + len(titles.rejects),
        ):
            raise DataError(_lost(ratings.num_rows + rejects.num_rows, counts.lines))


def _add_rejects(spark: SparkSession, titles: Titles, file: FileInfo, folder: str) -> None:
    """Append the refused lines of the movies file to the staged rejects."""
    if titles.rejects:
        rows = [(file.path, x.line + 1, x.offset, x.text, x.reason) for x in titles.rejects]
        frame = spark.createDataFrame(rows, schemas.REJECTS.ddl).coalesce(1)
        frame.write.mode("append").parquet(folder)


def _check_balance(counts: LineCounts, titles: Titles) -> None:
    logger.info(
        "ingest: %s lines = %s ratings + %s rejects + %s headers + %s blanks",
        *(f"{value:,}" for value in asdict(counts).values()),
    )
    accounted = counts.ratings + counts.rejects + counts.headers + counts.blanks
    if accounted != counts.lines:
        raise DataError(_lost(accounted, counts.lines))
    accounted = len(titles.movies) + len(titles.rejects) + titles.num_headers + titles.num_blanks
    if accounted != titles.num_lines:
        raise DataError(_lost(accounted, titles.num_lines))
    if counts.ratings == 0:
        raise DataError(
            describe(
                "ingest",
                found=f"no rating in {counts.lines:,} lines",
                expected="some",
                remedy="Look into rejects, and at ingest.format.",
            )
        )


def _check_fraction(spark: SparkSession, counts: LineCounts, path: str, allowed: float) -> None:
    fraction = counts.rejects / max(counts.lines, 1)
    if counts.rejects:
        logger.warning("ingest: %s lines refused, kept in %s", f"{counts.rejects:,}", path)
    if fraction <= allowed:
        return
    rejects = storage.read_dataset(spark, path, schemas.REJECTS)
    samples = rejects.orderBy(c.FILE, c.LINE).limit(NUM_SAMPLES).collect()
    shown = "; ".join(f"{x[c.FILE]}:{x[c.LINE]}: {x[c.TEXT]!r}: {x[c.REASON]}" for x in samples)
    raise DataError(
        describe(
            "ingest",
            found=f"{counts.rejects:,} of {counts.lines:,} lines refused ({fraction:.1%}): {shown}",
            expected=f"at most {allowed:.1%}",
            remedy=f"All are in {path}. Correct the files, or raise ingest.max_reject_fraction.",
        )
    )


def _lost(found: int, expected: int) -> str:
    return describe(
        "ingest",
        found=f"{found:,} lines accounted for",
        expected=f"{expected:,}",
        remedy="This is a defect of recspark: please report it.",
    )
