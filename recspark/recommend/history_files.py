"""Files of what users rated who are unknown to a run, or rated since: read as ingest reads ratings.

A file has a user, a movie, and where it tells them the rating and the time. Columns are those that
the run's own ratings had (`ingest.table`); else those with the usual names; else, in text without
names, the first ones. Files in the run's own text format, such as u.data, are read as such.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pyspark.sql import SparkSession

from recspark.config import Config, TableConfig
from recspark.contract.schemas import IdTypes
from recspark.datasets.prepared import PreparedFacts
from recspark.errors import DataError, describe
from recspark.ingest.format_check import share_read
from recspark.ingest.formats import FORMATS, Format
from recspark.ingest.inputs import Inputs, find_files, open_files
from recspark.ingest.load import Loaded, load_ratings
from recspark.ingest.pairs import Kinds
from recspark.ingest.table import FILE_PATTERN, choose_format
from recspark.tables.header_names import find_column, is_position, suggest_columns
from recspark.tables.look import Look, look_at
from recspark.tables.rating_scales import ANY_NUMBER, Scale
from recspark.tables.values import ROLES
from recspark.text.archives import Archives
from recspark.text.kinds import PARQUET
from recspark.text.sources import Source, read_start

logger = logging.getLogger(__name__)

_NUM_SAMPLES = 3
# Of a file whose text is looked at: at least half of its lines must be in the run's own format.
_OWN_SHARE = 0.5


@dataclass(frozen=True)
class HistoryFiles:
    """Ratings of the files, staged as files of the schema `ratings`."""

    folder: str
    num_ratings: int
    types: IdTypes


def find_histories(path: str, where: str) -> Inputs:
    """Return the files that a setting names; a DataError says that there are none."""
    return find_files(where, path, FILE_PATTERN)


def stage_histories(
    spark: SparkSession,
    config: Config,
    inputs: Inputs,
    facts: PreparedFacts,
    kinds: Kinds,
    root: str,
) -> HistoryFiles:
    """Stage the ratings of files; the caller removes their folder.

    Args:
        spark: The session whose tasks read.
        config: The run's config.
        inputs: The files, from `find_histories`.
        facts: Of the run's train: its rating scale.
        kinds: Whether user ids of the run are text, and whether movie ids are.
        root: A folder for them, below which nothing else lies.

    Raises:
        DataError: Files are missing, damaged or lack a column; or lines are no ratings, or ratings
            are outside the run's scale (the message gives their count, and three with file and
            line). Ratings below `prepare.min_rating` are staged too.
    """
    folder = posixpath.join(root, "ratings")
    scratch = posixpath.join(root, "unpacked")
    with Archives(scratch, config.ingest.max_unpacked_bytes) as archives:
        sources = open_files(archives, inputs)
        layout = _choose_layout(config, sources, facts).as_text(*kinds)
        loaded = load_ratings(
            spark,
            sources,
            layout,
            split_bytes=config.ingest.split_bytes,
            ratings_root=folder,
            rejects_root=posixpath.join(root, "rejects"),
        )
    if loaded.counts.rejects:
        raise _refuse(inputs.option, loaded, facts)
    return HistoryFiles(folder, loaded.counts.ratings, loaded.types)


def _choose_layout(config: Config, sources: Sequence[Source], facts: PreparedFacts) -> Format:
    settings, own = TableConfig(), FORMATS.get(config.ingest.format)
    if own is None:
        settings = config.ingest.table
    else:
        start = read_start(sources[0])
        if not start.startswith(PARQUET) and share_read(start, own) >= _OWN_SHARE:
            return own
    table = choose_columns(settings, look_at(sources[0], settings))
    lowest, highest = facts.rating_min, facts.rating_max
    if table.rating is None and lowest != highest:
        raise DataError(
            describe(
                sources[0].name,
                found="no column of ratings",
                expected=f"ratings from {lowest:g} to {highest:g}, as in the run",
                remedy="Add one, named as the run's own or rating.",
            )
        )
    reason = f"rating is not a number from {lowest:g} to {highest:g}, the scale of the run"
    if config.prepare.min_rating is not None:
        lowest = ANY_NUMBER.lowest  # the caller filters low ratings out, as prepare does
    layout, notes = choose_format(table, sources, Scale(lowest, highest, None, reason))
    for note in notes:
        logger.info("recommend: %s", note)
    return layout


def choose_columns(settings: TableConfig, look: Look) -> TableConfig:
    """Return settings with the columns that a file has; without ratings or times if it has none.

    Args:
        settings: Those of the run's own ratings.
        look: The file.
    """
    own = settings.columns
    if look.has_names:
        names, usual = look.names, suggest_columns(look.names)
        found = {role: x for role, x in own.items() if find_column(names, x) is not None}
        taken = [names[find_column(names, x) or 0] for x in found.values()]
        found |= {r: x for r, x in usual.items() if r not in found and x not in taken}
    elif all(map(is_position, own.values())):
        found = {role: x for role, x in own.items() if int(x) <= len(look.names)}
    else:
        found = {role: str(place) for place, role in enumerate(ROLES[: len(look.names)], start=1)}
    own_time = settings.time is not None and found.get("time") == str(settings.time)
    return replace(
        settings,
        user=found.get("user", settings.user),
        movie=found.get("movie", settings.movie),
        rating=None if settings.rating is None else found.get("rating"),
        time=found.get("time"),
        time_format=settings.time_format if own_time else "auto",
    )


def _refuse(setting: str, loaded: Loaded, facts: PreparedFacts) -> DataError:
    shown = "; ".join(
        f"{one.file}:{one.line}: {one.text!r} ({one.reason})"
        for one in loaded.samples[:_NUM_SAMPLES]
    )
    return DataError(
        describe(
            setting,
            found=f"{loaded.counts.rejects:,} lines that are refused: {shown}",
            expected="a user, a movie, a rating from "
            f"{facts.rating_min:g} to {facts.rating_max:g}, and if there is one a time, on each",
            remedy=f"Correct them, or name other files in {setting}.",
        )
    )
