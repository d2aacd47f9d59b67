"""The ingest job: raw files → ratings, movies, users, rejects."""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from recspark.arrays.ratings import NO_TIME
from recspark.cluster.tasks import sums_of
from recspark.config import Config, IngestConfig
from recspark.contract.paths import RunPaths
from recspark.contract.schemas import RATINGS, REJECTS, Schema
from recspark.datasets.manifest import read_manifest
from recspark.datasets.step import Step
from recspark.errors import DataError, describe
from recspark.files import parquet, storage
from recspark.first_look.first_contact import explain_refusals
from recspark.ingest import table
from recspark.ingest.format_check import check_format
from recspark.ingest.formats import FORMATS, Format
from recspark.ingest.inputs import Inputs, find_files, open_files
from recspark.ingest.load import Loaded, load_ratings
from recspark.ingest.small_files import find_small, lost, write_small
from recspark.ingest.spark_source import SparkSource, find_source_files, open_source
from recspark.tables.guess_times import FIRST_LIKELY
from recspark.text.archives import Archives
from recspark.text.sources import Source

logger = logging.getLogger(__name__)

# Settings that do not change what is written.
_LIMITS = ("max_unpacked_bytes", "max_reject_fraction")


def run(config: Config, spark: SparkSession) -> None:
    """Write `ratings`, `movies`, `rejects`, and `users`, `probe` and `qualifying` if configured.

    They are published together or not at all. If too many lines are refused, these are kept in
    `rejects_of_failed_run`, and what earlier runs wrote stays as it is.

    Raises:
        DataError: Files are missing, empty or of another format; lines were lost; or more than
            `ingest.max_reject_fraction` of the lines were refused.
    """
    paths, settings = RunPaths(config.root), config.ingest
    inputs, small = find_raw_files(settings)
    outputs = [paths.ratings, paths.rejects, *(getattr(paths, x.name) for x, _ in small)]
    step = Step(
        stage="ingest",
        settings=asdict(settings),
        inputs={},
        files=[*inputs.files, *(file for _, one in small if one for file in one.files)],
        outputs=outputs,
        force=config.force or not inputs.files,  # a table of Spark may have changed
        root=paths.root,
        scratch=[paths.unpacked, paths.rejects_of_failed_run],
        without_effect=_LIMITS,
        are_apart=True,
    )
    if step.is_done():
        _check_earlier(paths, settings.max_reject_fraction)
        return
    unpacked = Archives(step.staging(paths.unpacked), settings.max_unpacked_bytes)
    with step, unpacked as archives:
        sources, layout = _open_ratings(spark, archives, inputs, settings)
        loaded = load_ratings(
            spark,
            sources,
            layout,
            split_bytes=settings.split_bytes,
            ratings_root=step.staging(paths.ratings),
            rejects_root=step.staging(paths.rejects),
        )
        _check_balance(loaded)
        refused, schemas = [], {}
        for schema, one in small:
            target = step.staging(getattr(paths, schema.name))
            schemas[schema.name], lines = write_small(
                archives, schema, one, settings, target, loaded.types
            )
            refused.append(lines)
        refused_small = pa.concat_tables(refused, promote_options="default")
        parquet.write_table(refused_small, step.staging(paths.rejects), REJECTS)
        counts = _counts(loaded)
        files = sources if isinstance(sources, list) else []
        _check_fraction(step, paths, loaded, counts, settings, files)
        _tell(loaded, paths)
        ratings, rejects, *_ = step.publish_all(
            [
                (paths.ratings, RATINGS.with_ids(loaded.types), counts),
                (paths.rejects, REJECTS, counts),
                *((getattr(paths, x.name), schemas[x.name], None) for x, _ in small),
            ],
            sums_of(loaded.files),
        )
        if read_manifest(paths.rejects_of_failed_run):
            storage.remove(paths.rejects_of_failed_run)
        wanted = (loaded.counts.ratings, loaded.counts.rejects + len(refused_small))
        if (ratings.num_rows, rejects.num_rows) != wanted:
            raise DataError(lost(ratings.num_rows + rejects.num_rows, sum(wanted)))


def find_raw_files(
    settings: IngestConfig,
) -> tuple[Inputs, list[tuple[Schema, Inputs | None]]]:
    """Return the files of ratings, and those of `find_small`.

    Raises:
        DataError: A file is missing or empty.
    """
    if settings.format == "spark":
        return find_source_files(settings.spark), find_small(settings)
    pattern = table.FILE_PATTERN
    if settings.format != "table":
        pattern = FORMATS[settings.format].file_pattern
    inputs, small = find_files("ingest.ratings", settings.ratings, pattern), find_small(settings)
    read = {file.path for _, one in small if one for file in one.files}
    inputs.passed_over[:] = [path for path in inputs.passed_over if path not in read]
    return inputs, small


def _open_ratings(
    spark: SparkSession, archives: Archives, inputs: Inputs, settings: IngestConfig
) -> tuple[list[Source] | SparkSource, Format]:
    """Return what holds the ratings, and how it is parsed."""
    if settings.format == "spark":
        source = open_source(spark, settings)
        return source, source.format
    sources = open_files(archives, inputs)
    if settings.format == "table":
        return sources, table.table_format(settings.table, sources)
    check_format(sources[0], settings.format)
    return sources, FORMATS[settings.format]


def _counts(loaded: Loaded) -> dict[str, Any]:
    """Return what the manifests of ratings and rejects record besides their rows."""
    return {**asdict(loaded.counts), "untimed": loaded.num_untimed, "reasons": dict(loaded.reasons)}


def _check_earlier(paths: RunPaths, allowed: float) -> None:
    """Refuse ratings of an earlier run if a lower limit on refused lines is set now."""
    manifest = read_manifest(paths.ratings)
    counts = manifest.counts if manifest else {}
    rejects, lines = counts.get("rejects", 0), counts.get("lines", 0)
    if rejects > allowed * lines:
        raise DataError(
            describe(
                paths.ratings,
                found=f"{rejects:,} of {lines:,} lines refused",
                expected=f"at most {allowed:.1%}",
                remedy=f"See {paths.rejects}. Correct the files, or raise "
                "ingest.max_reject_fraction.",
            )
        )


def _check_balance(loaded: Loaded) -> None:
    counts = loaded.counts
    kinds = {k: v for k, v in asdict(counts).items() if k != "lines" and (v or k == "ratings")}
    logger.info(
        "ingest: %s lines = %s",
        f"{counts.lines:,}",
        " + ".join(f"{number:,} {kind}" for kind, number in kinds.items()),
    )
    if counts.accounted != counts.lines:
        raise DataError(lost(counts.accounted, counts.lines))


def _check_fraction(
    step: Step,
    paths: RunPaths,
    loaded: Loaded,
    counts: dict[str, Any],
    settings: IngestConfig,
    files: list[Source],
) -> None:
    """Fail, and keep the refused lines, if they are too many or nothing else is there."""
    lines, rejects = loaded.counts.lines, loaded.counts.rejects
    fraction, allowed = rejects / max(lines, 1), settings.max_reject_fraction
    if fraction <= allowed and loaded.counts.ratings:
        return
    found, remedy = explain_refusals(files, settings, loaded.reasons, loaded.samples)
    refused = f"{rejects:,} of {lines:,} lines refused ({fraction:.1%})"
    if not rejects:
        refused = f"no rating in {lines:,} lines"
    else:
        storage.move(step.staging(paths.rejects), step.staging(paths.rejects_of_failed_run))
        step.publish(paths.rejects_of_failed_run, REJECTS, counts)
        remedy += f" All refused lines are in {paths.rejects_of_failed_run}."
    if loaded.counts.ratings:
        remedy += " Or raise ingest.max_reject_fraction."
    raise DataError(
        describe(
            "ingest",
            found=f"{refused}: {found}" if found else refused,
            expected=f"at most {allowed:.1%}" if loaded.counts.ratings else "ratings",
            remedy=remedy,
        )
    )


def _tell(loaded: Loaded, paths: RunPaths) -> None:
    """Log what a user should know of what was read."""
    if loaded.counts.rejects:
        logger.warning(
            "ingest: %s lines refused, kept in %s", f"{loaded.counts.rejects:,}", paths.rejects
        )
    if loaded.num_untimed:
        logger.warning(
            "ingest: %s ratings without a time, or with one outside 1901-12-14 to 2038-01-18",
            f"{loaded.num_untimed:,}",
        )
    now = datetime.now(timezone.utc).timestamp()
    if loaded.latest != NO_TIME and (loaded.latest < FIRST_LIKELY or loaded.earliest > now):
        earliest, latest = (
            datetime.fromtimestamp(x, timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
            for x in (loaded.earliest, loaded.latest)
        )
        logger.warning(
            "ingest: all ratings are from %s to %s. Check ingest.table.time_format",
            *(earliest, latest),
        )
