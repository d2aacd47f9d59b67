"""The ingest job: raw text → ratings, movies, rejects."""

from __future__ import annotations

import logging
from dataclasses import asdict

import pyarrow as pa
from pyspark.sql import SparkSession

from recspark.config import Config, IngestConfig
from recspark.contract import columns as c
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import MOVIES, PROBE, QUALIFYING, RATINGS, REJECTS, Schema
from recspark.datasets.step import Step
from recspark.errors import DataError, describe
from recspark.files import parquet
from recspark.ingest import table
from recspark.ingest.format_check import check_format
from recspark.ingest.formats import FORMATS
from recspark.ingest.held_out import HeldOut, read_held_out
from recspark.ingest.inputs import Inputs, find_files, open_files, open_one
from recspark.ingest.load import LineCounts, load_ratings
from recspark.ingest.titles import Titles, read_titles
from recspark.text.archives import Archives

logger = logging.getLogger(__name__)

NUM_SAMPLES = 3


def run(config: Config, spark: SparkSession) -> None:
    """Write `ratings`, `movies`, `rejects`, and `probe` and `qualifying` if they are configured.

    Raises:
        DataError: Files are missing, empty or of another format; lines were lost; or more than
            `ingest.max_reject_fraction` of the lines were refused (`rejects` is still written).
    """
    paths, settings = RunPaths(config.root), config.ingest
    inputs, small = find_raw_files(settings)
    outputs = [getattr(paths, schema.name) for schema in (RATINGS, REJECTS)]
    outputs += [getattr(paths, schema.name) for schema, _ in small]
    raw = [*inputs.files, *(file for _, one in small if one for file in one.files)]
    step = Step(
        stage="ingest",
        settings={**asdict(settings), "run": config.name},
        inputs={},
        files=raw,
        outputs=outputs,
        force=config.force,
        root=paths.root,
        scratch=[paths.unpacked],
    )
    if step.is_done():
        return
    unpacked = Archives(step.staging(paths.unpacked), settings.max_unpacked_bytes)
    with step, unpacked as archives:
        sources = open_files(archives, inputs)
        if settings.format == "table":
            layout = table.table_format(settings.table, sources)
        else:
            layout = FORMATS[settings.format]
            check_format(sources[0], settings.format)
        counts = load_ratings(
            spark,
            layout.plan(sources, settings.split_bytes),
            layout,
            part_bytes=settings.split_bytes,
            ratings_root=step.staging(paths.ratings),
            rejects_root=step.staging(paths.rejects),
        )
        _check_balance(counts)
        refused = pa.concat_tables(
            [
                _write_small(archives, schema, one, step.staging(getattr(paths, schema.name)))
                for schema, one in small
            ],
            promote_options="default",
        )
        parquet.write_table(refused, step.staging(paths.rejects), REJECTS)
        rejects = step.publish(paths.rejects, REJECTS, asdict(counts))
        _check_fraction(spark, counts, paths.rejects, settings.max_reject_fraction)
        ratings = step.publish(paths.ratings, RATINGS, asdict(counts))
        for schema, _ in small:
            step.publish(getattr(paths, schema.name), schema)
        if (ratings.num_rows, rejects.num_rows) != (counts.ratings, counts.rejects + len(refused)):
            raise DataError(_lost(ratings.num_rows + rejects.num_rows, counts.lines))


def find_raw_files(
    settings: IngestConfig,
) -> tuple[Inputs, list[tuple[Schema, Inputs | None]]]:
    """Return the files of ratings, and those of `_find_small`.

    Raises:
        DataError: A file is missing or empty.
    """
    pattern = table.FILE_PATTERN
    if settings.format != "table":
        pattern = FORMATS[settings.format].file_pattern
    return find_files("ingest.ratings", settings.ratings, pattern), _find_small(settings)


def _find_small(settings: IngestConfig) -> list[tuple[Schema, Inputs | None]]:
    """Return the files that the driver parses, each with the schema of its output.

    Movies are always written, if only as an empty data set for a table without titles.
    """
    found: list[tuple[Schema, Inputs | None]] = []
    for schema, setting in (
        (MOVIES, settings.movies),
        (PROBE, settings.probe),
        (QUALIFYING, settings.qualifying),
    ):
        if setting or (schema is MOVIES and settings.format != "table"):
            found.append((schema, find_files(f"ingest.{schema.name}", setting or "")))
        elif schema is MOVIES:
            found.append((schema, None))
    return found


def _write_small(
    archives: Archives, schema: Schema, inputs: Inputs | None, target: str
) -> pa.Table:
    """Stage a file that the driver parses, and return its refused lines as rows of `rejects`."""
    source = open_one(archives, inputs) if inputs else None
    parsed: Titles | HeldOut = Titles()
    if source and schema is MOVIES:
        parsed = read_titles(source)
    elif source:
        parsed = read_held_out(source, has_dates=schema is QUALIFYING)
    rows = parsed.frame
    accounted = len(rows) + len(parsed.rejects) + parsed.num_headers + parsed.num_blanks
    if accounted != parsed.num_lines:
        raise DataError(_lost(accounted, parsed.num_lines))
    parquet.write_table(pa.Table.from_pandas(rows, preserve_index=False), target, schema)
    name = source.name if source else ""
    refused = [(name, x.line + 1, x.offset, x.text, x.reason) for x in parsed.rejects]
    columns = zip(*refused, strict=True) if refused else ([] for _ in REJECTS.columns)
    return pa.table(dict(zip(REJECTS.columns, map(list, columns), strict=True)))


def _check_balance(counts: LineCounts) -> None:
    logger.info(
        "ingest: %s lines = %s ratings + %s rejects + %s headers + %s blanks",
        *(f"{value:,}" for value in asdict(counts).values()),
    )
    accounted = counts.ratings + counts.rejects + counts.headers + counts.blanks
    if accounted != counts.lines:
        raise DataError(_lost(accounted, counts.lines))
    if counts.ratings == 0:
        raise DataError(
            describe(
                "ingest",
                found=f"no rating in {counts.lines:,} lines",
                expected="at least one",
                remedy="Check rejects and ingest.format.",
            )
        )


def _check_fraction(spark: SparkSession, counts: LineCounts, path: str, allowed: float) -> None:
    fraction = counts.rejects / max(counts.lines, 1)
    if counts.rejects:
        logger.warning("ingest: %s lines refused, kept in %s", f"{counts.rejects:,}", path)
    if fraction <= allowed:
        return
    rejects = parquet.read_dataset(spark, path, REJECTS)
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
        remedy="This is a bug in recspark: please report it.",
    )
